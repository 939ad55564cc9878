/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor of a socket unit: listens, and starts its service when somebody comes. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "os/account.h"
#include "os/descriptor.h"
#include "os/socket_listen.h"
#include "plan/socket_machine.h"
#include "shim/client.h"
#include "shim/service_notify.h"
#include "shim/socket_command.h"
#include "shim/trigger.h"

/* Both are sets of their own in the loop: any number of them. */
enum { SOURCE_SOCKETS = SOCKET_SOURCE, SOURCE_SERVICES };
enum { INSTANCES_MAX = 4096, TAKEN_WAIT_MS = 5000, TAKEN_LOOK_MS = 20 };

struct instance {
        int fd; /* connection to its supervisor */
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_un un;
        } from;
};

struct socket_shim {
        struct trigger t;
        struct socket_unit unit;
        struct socket_machine machine;
        struct socket_command command;
        struct process_exit failed; /* how the command ended that the machine holds for a failure */
        int *fds;
        unsigned count;       /* that are open, of unit.count */
        char *names;          /* LISTEN_FDNAMES of them */
        int sockets_epoll, services_epoll;
        struct instance *instances; /* Accept=yes: each connection's; else one at most */
        size_t instance_count, instance_room;
        uint64_t accepted;
        uint64_t given_until_ms; /* the sockets went to somebody who starts the service */
        struct trigger_limit limit;
};

static bool is_listening(const struct socket_shim *k)
{
        return k->machine.state == SOCKET_AT_LISTENING;
}

static bool is_busy(const struct socket_shim *k)
{
        return !k->unit.accept && (k->instance_count || k->given_until_ms);
}

/* ---- opening ---- */

static int resolve(struct socket_unit *u, struct error *e)
{
        CLEAN_ACCOUNT struct account a = { 0 };
        if (u->user && account_find(u->user, &a) < 0)
                return error_set(e, ESRCH, "identity.user", "there is no user %s", u->user);
        if (u->user) {
                u->options.uid = a.uid;
                u->options.gid = a.gid;
        }
        if (u->group && account_find_group(u->group, &u->options.gid) < 0)
                return error_set(e, ESRCH, "identity.group", "there is no group %s", u->group);
        return 0;
}

static int open_here(struct socket_shim *k, struct error *e)
{
        CLEAN_TEXT struct text names = { 0 };
        k->fds = xalloc(k->unit.count, sizeof *k->fds);
        for (size_t i = 0; i < k->unit.count; i++) {
                int r = listen_open(&k->unit.addresses[i], &k->unit.options, &k->fds[i], e);
                if (r < 0)
                        return r;
                k->count++;
                text_addf(&names, "%s%s", i ? ":" : "", k->unit.descriptor_name ? k->unit.descriptor_name : k->t.run.unit);
                struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
                if (epoll_ctl(k->sockets_epoll, EPOLL_CTL_ADD, k->fds[i], &ev) < 0 && errno != EPERM) /* a plain file is always ready */
                        return error_errno(e, errno, "listen.address", "watching %s", k->unit.addresses[i].text);
                for (size_t n = 0; n < k->unit.links.count && r == 0 && k->unit.addresses[i].path; n++)
                        r = listen_link(&k->unit.addresses[i], k->unit.links.items[n], k->unit.options.directory_mode, e);
                if (r < 0)
                        return r;
        }
        k->names = TAKE_PTR(names.data);
        return 0;
}

/* In the namespace that they are for. */
static int open_all(struct socket_shim *k, struct error *e)
{
        int back, r = socket_command_enter_network(&k->command, &back, e);
        if (r < 0)
                return r;
        r = open_here(k, e);
        int came = socket_command_leave_network(back, r < 0 ? NULL : e);
        return r < 0 ? r : came;
}

static void close_all(struct socket_shim *k)
{
        struct error e = { 0 };
        for (unsigned i = 0; i < k->count; i++) {
                fd_close(k->fds[i]);
                for (size_t n = 0; k->unit.remove_on_stop && n < k->unit.links.count; n++)
                        (void)listen_unlink(&k->unit.addresses[i], k->unit.links.items[n], &e);
                if (k->unit.remove_on_stop)
                        (void)listen_remove(&k->unit.addresses[i], &e);
        }
        k->count = 0;
}

/* ---- services ---- */

static int watch_service(struct socket_shim *k, int fd, const struct instance *from)
{
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
        if (epoll_ctl(k->services_epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
                return -errno;
        k->instances = xgrow(k->instances, &k->instance_room, k->instance_count + 1, sizeof *k->instances);
        k->instances[k->instance_count] = from ? *from : (struct instance){ 0 };
        k->instances[k->instance_count++].fd = fd;
        if (is_listening(k))
                trigger_set(&k->t, k->unit.accept ? "listening" : "running");
        return 0;
}

static void service_ended(struct socket_shim *k, int fd)
{
        (void)epoll_ctl(k->services_epoll, EPOLL_CTL_DEL, fd, NULL);
        for (size_t i = 0; i < k->instance_count; i++)
                if (k->instances[i].fd == fd)
                        k->instances[i] = k->instances[--k->instance_count];
        fd_close(fd);
        if (!k->instance_count && is_listening(k))
                trigger_set(&k->t, "listening");
}

static void on_services(struct socket_shim *k)
{
        struct epoll_event ev[16];
        int n = epoll_wait(k->services_epoll, ev, ELEMENTS(ev), 0);
        for (int i = 0; i < n; i++) {
                struct client_news news;
                int r = client_hear(ev[i].data.fd, &news);
                if (r == 0 && news.kind != CLIENT_NEWS_EXITED)
                        continue;
                service_ended(k, ev[i].data.fd);
                /* It would be started for what waits, again and again. */
                if (r == 0 && !k->unit.accept && text_equal(news.exit.result, service_result_word(RESULT_START_LIMIT)))
                        trigger_fail(&k->t, "service-start-limit-hit", NULL);
        }
}

static void start_service(struct socket_shim *k)
{
        if (trigger_is_over_limit(&k->limit)) {
                trigger_fail(&k->t, "trigger-limit-hit", NULL);
                return;
        }
        int fd = trigger_launch(&k->t, k->unit.service, k->fds, k->count, k->names, NULL);
        if (fd >= 0 && watch_service(k, fd, NULL) < 0)
                fd_close(fd);
        else if (fd < 0 && fd != -EAGAIN)
                trigger_fail(&k->t, "service-failed-permanent", &k->t.launch_error);
}

/* ---- connections ---- */

static bool is_same_source(const struct instance *a, const struct instance *b)
{
        if (a->from.any.sa_family != b->from.any.sa_family)
                return false;
        return a->from.any.sa_family == AF_INET    ? a->from.in.sin_addr.s_addr == b->from.in.sin_addr.s_addr
               : a->from.any.sa_family == AF_INET6 ? !memcmp(&a->from.in6.sin6_addr, &b->from.in6.sin6_addr, 16) : false;
}

static bool has_room(const struct socket_shim *k, const struct instance *from)
{
        int64_t same = 0, max = k->unit.max_connections > 0 && k->unit.max_connections < INSTANCES_MAX ? k->unit.max_connections : INSTANCES_MAX;
        for (size_t i = 0; i < k->instance_count; i++)
                same += is_same_source(&k->instances[i], from);
        return (int64_t)k->instance_count < max && (!k->unit.max_connections_per_source || same < k->unit.max_connections_per_source);
}

/* "NUMBER-HERE-THERE" of addresses, "NUMBER-PID-UID" of a unix socket, as systemd names instances; and REMOTE_ADDR, REMOTE_PORT. */
static char *name_instance(uint64_t number, int fd, const struct instance *x, char **ret_variables)
{
        struct instance here = { 0 };
        socklen_t size = sizeof here.from;
        char a[INET6_ADDRSTRLEN] = "", b[INET6_ADDRSTRLEN] = "";
        struct ucred peer = { 0 };
        socklen_t peer_size = sizeof peer;
        *ret_variables = NULL;
        if (x->from.any.sa_family != AF_INET && x->from.any.sa_family != AF_INET6) {
                (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size);
                return xprintf("%llu-%d-%u", (unsigned long long)number, (int)peer.pid, (unsigned)peer.uid);
        }
        (void)getsockname(fd, &here.from.any, &size);
        const bool six = x->from.any.sa_family == AF_INET6;
        (void)inet_ntop(x->from.any.sa_family, six ? (const void *)&here.from.in6.sin6_addr : (const void *)&here.from.in.sin_addr, a, sizeof a);
        (void)inet_ntop(x->from.any.sa_family, six ? (const void *)&x->from.in6.sin6_addr : (const void *)&x->from.in.sin_addr, b, sizeof b);
        unsigned here_port = ntohs(six ? here.from.in6.sin6_port : here.from.in.sin_port), port = ntohs(six ? x->from.in6.sin6_port : x->from.in.sin_port);
        *ret_variables = xprintf("REMOTE_ADDR=%s\nREMOTE_PORT=%u", b, port);
        return xprintf("%llu-%s:%u-%s:%u", (unsigned long long)number, a, here_port, b, port);
}

static void start_instance(struct socket_shim *k, int fd, const struct instance *from)
{
        CLEAN_UNIT_NAME struct unit_name template = { 0 };
        CLEAN_FREE char *variables = NULL, *instance = name_instance(k->accepted++, fd, from, &variables);
        if (unit_name_parse(k->unit.service, &template, NULL) < 0)
                return;
        CLEAN_FREE char *unit = unit_name_instance(&template, instance);
        int service = trigger_launch(&k->t, unit, &fd, 1, "connection", variables ? variables : "REMOTE_ADDR=");
        if (service >= 0 && watch_service(k, service, from) < 0)
                fd_close(service);
}

static void accept_one(struct socket_shim *k, int listening)
{
        struct instance from = { 0 };
        socklen_t size = sizeof from.from;
        struct error e = { 0 };
        CLEAN_FD int fd = accept4(listening, &from.from.any, &size, SOCK_CLOEXEC);
        if (fd < 0)
                return;
        if (trigger_is_over_limit(&k->limit)) {
                trigger_fail(&k->t, "trigger-limit-hit", NULL);
                return;
        }
        if (!has_room(k, &from)) {
                hub_log(&k->t.hub, "too many connections: one was refused");
                return;
        }
        if (listen_apply(fd, &k->unit.addresses[0], &k->unit.options, &e) < 0)
                trigger_log(&k->t, &e);
        start_instance(k, fd, &from);
}

static void on_sockets(struct socket_shim *k)
{
        struct epoll_event ev[16];
        int n = is_listening(k) ? epoll_wait(k->sockets_epoll, ev, ELEMENTS(ev), 0) : 0;
        if (n > 0 && !k->unit.accept && !is_busy(k)) {
                start_service(k);
                return;
        }
        for (int i = 0; i < n && k->unit.accept && !k->t.stops; i++)
                accept_one(k, k->fds[ev[i].data.u32]);
}

static void on_source(void *context, unsigned id, uint32_t events)
{
        struct socket_shim *k = context;
        (void)events;
        if (id == SOURCE_SOCKETS)
                on_sockets(k);
        else if (id == SOURCE_SERVICES)
                on_services(k);
        else
                socket_command_event(&k->command, id);
}

/* ---- giving the sockets to who starts the service by hand ---- */

static bool on_message(void *context, unsigned client, const unsigned char *m, size_t size)
{
        struct socket_shim *k = context;
        (void)size;
        if (m[0] != WIRE_SOCKETS)
                return false;
        CLEAN_TEXT struct text reply = { 0 };
        text_addf(&reply, "%c%s", WIRE_SOCKETS, k->names ? k->names : "");
        if (k->unit.accept || !k->count || descriptor_send(k->t.hub.sources[HUB_CLIENT + client].fd, reply.data, reply.length, k->fds, k->count) < 0)
                hub_drop(&k->t.hub, client);
        else
                k->given_until_ms = hub_now_ms() + TAKEN_WAIT_MS;
        return true;
}

/* Whoever got them has a service of ours running by now, or does not come to it. */
static void look_for_taker(struct socket_shim *k)
{
        static const struct client_options quiet = { .wait_only = true };
        CLEAN_FD int dir_fd = run_open(k->t.root_fd, k->unit.service, NULL);
        CLEAN_FD int fd = dir_fd < 0 || !run_is_live(dir_fd) ? -EBADF : client_connect(dir_fd, NULL);
        if (fd >= 0 && client_hello(fd, &quiet, NULL) == 0 && watch_service(k, fd, NULL) == 0) {
                TAKE_FD(fd);
                k->given_until_ms = 0;
        } else if (hub_now_ms() >= k->given_until_ms)
                k->given_until_ms = 0;
}

/* ---- the machine ---- */

static uint64_t op_now(void *context)
{
        (void)context;
        return hub_now_ms() * 1000;
}

static int op_open(void *context)
{
        struct socket_shim *k = context;
        struct error e = { 0 };
        int r = open_all(k, &e);
        if (r < 0)
                trigger_fail(&k->t, "resources", &e);
        return r;
}

static void op_close(void *context)
{
        close_all(context);
}

static int op_spawn(void *context, enum socket_commands list, size_t index)
{
        struct socket_shim *k = context;
        return socket_command_spawn(&k->command, list, index);
}

static void op_kill(void *context, unsigned whom, int signal, bool also_hup)
{
        struct socket_shim *k = context;
        socket_command_kill(&k->command, whom, signal, also_hup);
}

static void op_changed(void *context)
{
        struct socket_shim *k = context;
        if (!is_listening(k)) {
                if (!socket_machine_is_over(&k->machine))
                        trigger_set(&k->t, socket_state_word(k->machine.state));
                return;
        }
        socket_command_rest(&k->command);
        trigger_is_up(&k->t, socket_state_word(k->machine.state));
}

static void on_reaped(void *context, pid_t pid, int status)
{
        struct socket_shim *k = context;
        const bool failed = k->machine.result;
        if (!socket_command_reaped(&k->command, pid))
                return;
        socket_machine_exited(&k->machine, service_exit_of(status, 0));
        if (!failed && k->machine.result)
                k->failed = service_exit_of(status, 0);
}

/* Why it is a failure, where nothing has said so yet. */
static void tell_failure(struct socket_shim *k)
{
        struct error e = { 0 };
        if (!k->machine.result || k->t.result[0])
                return;
        if (k->command.error.id[0])
                e = k->command.error;
        else if (k->failed.code)
                error_set(&e, EIO, "service.failed", "the socket failed: %s (a command of its own: %s, status %d)", k->machine.result,
                          exit_code_word(k->failed.code), k->failed.status);
        trigger_fail(&k->t, k->machine.result, e.id[0] ? &e : NULL);
}

/* ---- all ---- */

static int set_up(struct socket_shim *k, struct error *e)
{
        int r = socket_unit_parse(&k->t.file, &k->t.name, &k->t.facts.facts, k->t.o.lenient, &k->t.notes, &k->unit, e);
        if (r == 0)
                r = resolve(&k->unit, e);
        k->limit = (struct trigger_limit){ .interval_usec = k->unit.trigger_limit_interval_usec, .burst = (uint64_t)k->unit.trigger_limit_burst };
        if (r == 0)
                r = socket_command_open(&k->command, &k->t, &k->unit, e);
        if (r < 0)
                return r;
        k->sockets_epoll = epoll_create1(EPOLL_CLOEXEC);
        k->services_epoll = epoll_create1(EPOLL_CLOEXEC);
        if (k->sockets_epoll < 0 || k->services_epoll < 0)
                return error_errno(e, errno, "shim.start", "open the event loop");
        hub_watch(&k->t.hub, SOURCE_SOCKETS, k->sockets_epoll);
        hub_watch(&k->t.hub, SOURCE_SERVICES, k->services_epoll);
        return 0;
}

static int time_left(const struct socket_shim *k)
{
        const uint64_t deadline = k->machine.deadline_usec, now = op_now(NULL);
        int left = !deadline ? -1 : deadline <= now ? 0 : deadline - now > 3600000000ULL ? 3600000 : (int)((deadline - now + 999) / 1000);
        return k->given_until_ms && (left < 0 || left > TAKEN_LOOK_MS) ? TAKEN_LOOK_MS : left;
}

/* What was asked of it while it was busy with something else. */
static void obey(struct socket_shim *k)
{
        if (!k->t.stops)
                return;
        k->t.stops = false;
        if (k->t.result[0])
                socket_machine_fail(&k->machine, k->t.result);
        else
                socket_machine_stop(&k->machine);
}

static void loop(struct socket_shim *k)
{
        while (!socket_machine_is_over(&k->machine)) {
                hub_want(&k->t.hub, SOURCE_SOCKETS, is_busy(k) || !is_listening(k) ? 0 : EPOLLIN);
                hub_want(&k->t.hub, SOURCE_SERVICES, EPOLLIN);
                hub_turn(&k->t.hub, time_left(k));
                if (k->given_until_ms)
                        look_for_taker(k);
                obey(k);
                socket_machine_time(&k->machine);
        }
}

int socket_supervise(const struct service_options *o, struct error *e)
{
        static const struct socket_machine_ops ops = { op_now, op_open, op_close, op_spawn, op_kill, op_changed };
        static struct socket_shim k;
        k = (struct socket_shim){ .command = SOCKET_COMMAND_INIT, .sockets_epoll = -EBADF, .services_epoll = -EBADF };
        k.t.source = on_source, k.t.message = on_message, k.t.reaped = on_reaped, k.t.context = &k;
        int r = trigger_open(&k.t, o, UNIT_SOCKET, e);
        if (r < 0)
                return r;
        struct error why = { 0 };
        if (trigger_check(&k.t, &why) < 0 || set_up(&k, &why) < 0)
                trigger_give_up(&k.t, &why);
        else {
                socket_machine_init(&k.machine, &k.unit, &ops, &k);
                socket_machine_start(&k.machine);
                obey(&k);
                loop(&k);
        }
        tell_failure(&k);
        socket_command_close(&k.command);
        trigger_finish(&k.t);
        return 0;
}
