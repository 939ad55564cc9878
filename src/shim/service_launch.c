/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "os/descriptor.h"
#include "os/file.h"
#include "os/process.h"
#include "plan/condition.h"
#include "plan/path_unit.h"
#include "plan/service.h"
#include "plan/socket_unit.h"
#include "plan/timer_unit.h"
#include "shim/activation.h"
#include "shim/client.h"
#include "shim/service_notify.h"
#include "shim/service_shim.h"
#include "shim/unit_snapshot.h"
#include "shim/zones.h"

/* What the check finds out and the supervisor needs beforehand. */
struct checked {
        char *description;
        unsigned stored_fds_max;
        struct strings argv;      /* of the first ExecStart=, for whoever lists runs */
        struct strings variables; /* of our environment: what the supervisor's begins with */
        const char *folders;      /* borrowed */
        struct strings sockets;   /* names of socket units that may have sockets for it */
};

static void checked_done(struct checked *c)
{
        free(c->description);
        strings_clear(&c->argv);
        strings_clear(&c->variables);
        strings_clear(&c->sockets);
}

/* A supervisor has of its caller's environment what the sandbox may pass on, and nothing else. */
static void choose_environment(const struct plan *p, struct strings *ret)
{
        static const char *const kept[] = { "LANG", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME",
                                            "XDG_CACHE_HOME", "DBUS_SESSION_BUS_ADDRESS" };
        for (size_t i = 0; i < (p->user_mode ? ELEMENTS(kept) : 1); i++)
                if (getenv(kept[i]))
                        strings_take(ret, xprintf("%s=%s", kept[i], getenv(kept[i])));
        for (size_t i = 0; i < p->process.pass.count; i++)
                if (getenv(p->process.pass.items[i]))
                        strings_take(ret, xprintf("%s=%s", p->process.pass.items[i], getenv(p->process.pass.items[i])));
}

static void take_command(const struct service *s, struct strings *ret)
{
        const struct exec_lines *l = &s->lines[s->lines[SERVICE_START].count ? SERVICE_START : SERVICE_STOP];
        const struct exec_line *line = &l->items[0];
        if (line->program)
                strings_add(ret, line->program);
        for (size_t i = 1; i < line->argv.count; i++)
                strings_add(ret, line->argv.items[i]);
}

static void take_notes(struct strings *ret, const struct strings *notes)
{
        for (size_t i = 0; i < notes->count; i++)
                strings_add(ret, notes->items[i]);
}

static int check_service(const struct service_launch *l, const struct unit *u, const struct unit_file *file, const struct facts *facts,
                         struct checked *ret, struct strings *notes, struct error *e)
{
        CLEAN_SETTINGS struct settings settings = { 0 };
        CLEAN_PLAN struct plan plan = { 0 };
        CLEAN_SERVICE struct service service = { 0 };
        int r = service_read(file, facts, l->lenient, &service, e);
        if (r == 0)
                r = activation_compile(file, "Service", facts, l->profile, l->lenient, &settings, &plan, e);
        if (r < 0)
                return r;
        take_notes(notes, &service.notes);
        take_notes(notes, &plan.notes);
        ret->description = xstrdup(service.description ? service.description : "");
        ret->stored_fds_max = service.stored_fds_max;
        take_command(&service, &ret->argv);
        choose_environment(&plan, &ret->variables);
        if (service.type == SERVICE_DBUS && getenv("DBUS_SYSTEM_BUS_ADDRESS")) /* for the supervisor itself; commands are not told */
                strings_take(&ret->variables, xprintf("DBUS_SYSTEM_BUS_ADDRESS=%s", getenv("DBUS_SYSTEM_BUS_ADDRESS")));
        strings_take(&ret->sockets, xprintf("%.*s.socket", (int)(strlen(u->name.whole) - strlen(".service")), u->name.whole));
        take_notes(&ret->sockets, &service.sockets);
        return 0;
}

static void describe(const struct unit_file *file, struct checked *ret)
{
        const struct unit_line *line;
        for (size_t at = 0; (line = unit_file_next(file, "Unit", "Description", &at));) {
                free(ret->description);
                ret->description = xstrdup(line->value);
        }
}

static int check_socket(const struct service_launch *l, const struct unit *u, const struct unit_file *file, const struct facts *facts,
                        struct checked *ret, struct strings *notes, struct error *e)
{
        CLEAN_SETTINGS struct settings settings = { 0 };
        CLEAN_PLAN struct plan plan = { 0 };
        CLEAN_SOCKET_UNIT struct socket_unit s = { 0 };
        int r = socket_unit_parse(file, &u->name, facts, l->lenient, notes, &s, e);
        describe(file, ret);
        if (r == 0)
                r = activation_compile(file, "Socket", facts, l->profile, l->lenient, &settings, &plan, e);
        if (r < 0)
                return r;
        take_notes(notes, &plan.notes);
        choose_environment(&plan, &ret->variables);
        strings_add(&ret->argv, s.service);
        return 0;
}

static int check_timer(const struct service_launch *l, const struct unit *u, const struct unit_file *file, const struct facts *facts,
                       struct checked *ret, struct strings *notes, struct error *e)
{
        CLEAN_ZONES struct zones zones = ZONES_INIT;
        CLEAN_TIMER_UNIT struct timer_unit t = { 0 };
        int r = zones_open(&zones, e);
        if (r == 0)
                r = timer_unit_parse(file, &u->name, facts, &zones.source, l->lenient, notes, &t, e);
        describe(file, ret);
        if (r == 0)
                strings_add(&ret->argv, t.unit);
        return r;
}

static int check_path(const struct service_launch *l, const struct unit *u, const struct unit_file *file, const struct facts *facts,
                      struct checked *ret, struct strings *notes, struct error *e)
{
        CLEAN_PATH_UNIT struct path_unit p = { 0 };
        int r = path_unit_parse(file, &u->name, facts, l->lenient, notes, &p, e);
        describe(file, ret);
        if (r == 0)
                strings_add(&ret->argv, p.unit);
        return r;
}

static int check(const struct service_launch *l, const struct unit *u, struct checked *ret, struct strings *notes, struct error *e)
{
        static int (*const by_type[UNIT_TYPES])(const struct service_launch *, const struct unit *, const struct unit_file *, const struct facts *,
                                                struct checked *, struct strings *, struct error *) = {
                [UNIT_SERVICE] = check_service, [UNIT_SOCKET] = check_socket, [UNIT_TIMER] = check_timer, [UNIT_PATH] = check_path,
        };
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        CLEAN_FACTS struct host_facts facts = { 0 };
        CLEAN_CONDITIONS struct conditions conditions = { 0 };
        if (!by_type[u->name.type])
                return error_set(e, EINVAL, "unit.kind", "%s is no service, socket, timer or path", u->name.whole);
        if (unit_name_is_template(&u->name))
                return error_set(e, EINVAL, "unit.kind", "%s is a template: name an instance of it", u->name.whole);
        int r = unit_parse(u, l->lenient, &file, e);
        if (r < 0)
                return r;
        facts_gather(&facts, u->name.whole, l->user_mode);
        r = conditions_read(&file, &facts.facts, l->lenient, &conditions, e);
        if (r == 0)
                r = by_type[u->name.type](l, u, &file, &facts.facts, ret, notes, e);
        if (r == 0)
                take_notes(notes, &file.notes);
        return r;
}

/* ---- sockets of a socket unit that runs ---- */

struct given {
        int fds[NOTIFY_FDS_MAX];
        unsigned count;
        struct text names;
};

static void given_done(struct given *g)
{
        for (unsigned i = 0; i < g->count; i++)
                fd_close(g->fds[i]);
        text_clear(&g->names);
}

static void ask_for_sockets(const struct service_launch *l, const char *socket_unit, struct given *g)
{
        unsigned char m[1 + WIRE_PAYLOAD_MAX] = { WIRE_SOCKETS };
        int fds[DESCRIPTORS_MAX];
        size_t count = 0;
        CLEAN_FD int dir_fd = run_open(l->root_fd, socket_unit, NULL);
        CLEAN_FD int fd = dir_fd < 0 || !run_is_live(dir_fd) ? -EBADF : client_connect(dir_fd, NULL);
        if (fd < 0 || send(fd, m, 1, MSG_NOSIGNAL) != 1)
                return;
        ssize_t n = descriptor_receive(fd, m, sizeof m - 1, fds, ELEMENTS(fds), &count);
        if (n >= 1 && m[0] == WIRE_SOCKETS && count) {
                m[n] = 0;
                text_addf(&g->names, "%s%s", g->names.length ? ":" : "", (char *)m + 1);
        }
        for (size_t i = 0; i < count; i++)
                if (g->count < NOTIFY_FDS_MAX && n >= 1)
                        g->fds[g->count++] = fds[i];
                else
                        fd_close(fds[i]);
}

/* ---- the supervisor's process ---- */

static int lift(int *fd, int over)
{
        int high = fcntl(*fd, F_DUPFD_CLOEXEC, over);
        if (high < 0)
                return -errno;
        *fd = high;
        return 0;
}

/* The sockets from 3 on, the numbers behind them free, and what else is passed above. */
static int place(const struct service_launch *l, struct service_options *o)
{
        const int over = 3 + (int)o->room;
        int fds[NOTIFY_FDS_MAX];
        int *const ours[] = { &o->dir_fd, &o->lock_fd, &o->sock_fd, &o->observe_fd };
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                if (*ours[i] >= 0 && lift(ours[i], over) < 0)
                        return -errno;
        for (unsigned i = 0; i < l->listen_count; i++) {
                fds[i] = l->listen_fds[i];
                if (lift(&fds[i], over) < 0)
                        return -errno;
        }
        for (unsigned i = 0; i < l->listen_count; i++)
                if (dup2(fds[i], 3 + (int)i) < 0)
                        return -errno;
        const int kept[] = { o->dir_fd, o->lock_fd, o->sock_fd, o->observe_fd };
        process_close_others(kept, ELEMENTS(kept), 3 + l->listen_count);
        return 0;
}

static _Noreturn void become_supervisor(const struct service_launch *l, const struct run *run, struct checked *c, int report_fd)
{
        struct error e = { 0 };
        unsigned stored = c->stored_fds_max < NOTIFY_FDS_MAX - l->listen_count ? c->stored_fds_max : NOTIFY_FDS_MAX - l->listen_count;
        struct service_options o = { .dir_fd = run->dir_fd, .lock_fd = run->lock_fd, .sock_fd = run->sock_fd, .observe_fd = l->observe_fd > 0 ? l->observe_fd : -EBADF, .root_path = l->root_path,
                                     .unit = run->unit, .names = l->listen_count ? l->listen_names : NULL, .environment = l->variables,
                                     .folders = c->sockets.count ? NULL : c->folders,
                                     .listen_count = l->listen_count, .room = l->listen_count + stored, .user_mode = l->user_mode,
                                     .lenient = l->lenient, .collect = l->collect, .report_denials = l->report_denials, .seal = l->seal,
                                     .profile = l->profile };
        (void)setsid();
        strings_add(&c->variables, "BULKHEAD=service"); /* so that there is an end of the list */
        int report = fcntl(report_fd, F_DUPFD_CLOEXEC, 3 + (int)o.room + 64);
        int r = report < 0 ? -errno : place(l, &o);
        if (r < 0)
                error_errno(&e, r, "shim.exec", "placing the supervisor's descriptors");
        else
                (void)service_exec(l->program, &o, c->variables.items, &e);
        (void)file_write_all(report, &e, sizeof e);
        _exit(1);
}

/* Forks; what goes wrong before the supervisor runs comes back. */
static int start_supervisor(const struct service_launch *l, const struct run *run, struct checked *c, struct error *e)
{
        int report[2];
        if (pipe2(report, O_CLOEXEC) < 0)
                return error_errno(e, errno, "spawn.failed", "pipe");
        pid_t pid = fork();
        if (pid == 0 && l->orphan && (pid = fork()) != 0)
                _exit(pid < 0);
        if (pid == 0)
                become_supervisor(l, run, c, report[1]);
        int errnum = errno;
        close(report[1]);
        CLEAN_FD int fd = report[0];
        if (pid < 0)
                return error_errno(e, errnum, "spawn.failed", "fork");
        struct error told;
        int status = 0;
        while (l->orphan && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (status)
                return error_set(e, EAGAIN, "spawn.failed", "fork");
        if (read(fd, &told, sizeof told) != (ssize_t)sizeof told)
                return 0;
        while (!l->orphan && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (e)
                *e = told;
        return told.code ? told.code : -EIO;
}

/* ---- the start ---- */

static int save_first(const struct run *run, const struct unit *u, const struct checked *c, struct error *e)
{
        struct run_state st = { .unit = run->unit, .description = c->description, .phase = RUN_STARTING, .supervisor_pid = getpid(),
                                .started_usec = state_now_usec(), .argv = c->argv, .sub = "dead", .source = u->count ? u->sources[0].path : NULL };
        return run_save_state(run->dir_fd, &st, e);
}

/* The unit's own folder first: what it starts most likely lies beside it. */
static char *join_folders(const struct service_launch *l, const struct unit *u)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *path = u->count ? u->sources[0].path : "";
        text_add_bytes(&t, path, strrchr(path, '/') ? (size_t)(strrchr(path, '/') - path) : 0);
        for (size_t i = 0; l->folders && i < l->folders->count; i++)
                text_addf(&t, ":%s", l->folders->items[i]);
        return TAKE_PTR(t.data);
}

static int launch(const struct service_launch *l, const struct unit *u, struct checked *c, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true, .patient = true }, follows = { .patient = true };
        CLEAN_RUN struct run run = RUN_INIT;
        int r = run_create(l->root_fd, u->name.whole, &run, e);
        if (r < 0)
                return r;
        r = unit_snapshot_save(run.dir_fd, u, e);
        if (r == 0)
                r = save_first(&run, u, c, e);
        CLEAN_FD int fd = r < 0 ? -EBADF : client_connect(run.dir_fd, e);
        if (r == 0)
                r = fd < 0 ? fd : client_hello(fd, l->output ? &follows : &quiet, e);
        if (r == 0)
                r = start_supervisor(l, &run, c, e);
        if (r < 0) {
                run_abandon(&run);
                return r;
        }
        return TAKE_FD(fd);
}

int service_launch(const struct service_launch *l, const struct unit *u, struct strings *ret_notes, struct error *e)
{
        CLEAN(checked_done) struct checked c = { 0 };
        CLEAN(given_done) struct given given = { 0 };
        CLEAN_FREE char *folders = join_folders(l, u);
        int r = check(l, u, &c, ret_notes, e);
        if (r < 0)
                return r;
        c.folders = folders;
        for (size_t i = 0; !l->listen_count && i < c.sockets.count; i++)
                ask_for_sockets(l, c.sockets.items[i], &given);
        struct service_launch with = *l;
        if (given.count) {
                with.listen_fds = given.fds;
                with.listen_count = given.count;
                with.listen_names = given.names.data;
        }
        return launch(&with, u, &c, e);
}

enum { START_TRIES = 1000, START_PAUSE_MS = 10 };

/* Whether a supervisor of services is there, which understands what is asked. */
static bool is_service(int dir_fd)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        return run_load_state(dir_fd, &st, NULL) == 0 && st.sub[0] && text_ends(st.unit, ".service");
}

int service_join(int root_fd, const char *name, bool starts, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        CLEAN_FD int dir_fd = run_open(root_fd, name, e);
        CLEAN_FD int fd = dir_fd < 0 ? dir_fd : client_connect(dir_fd, e);
        int r = fd < 0 ? fd : starts && is_service(dir_fd) ? client_start(fd, e) : 0;
        if (r == 0)
                r = client_hello(fd, &quiet, e);
        if (r == 0)
                return TAKE_FD(fd);
        return dir_fd < 0 || !run_is_live(dir_fd) || r == -ESTALE ? -ESTALE : r;
}

/* Whether it runs may change while it is asked: then the next answer holds. */
int service_start(const struct service_launch *l, const struct unit *u, struct strings *ret_notes, struct error *e)
{
        for (int i = 0;; i++) {
                CLEAN_STRINGS struct strings notes = { 0 };
                struct error why = { 0 };
                int r = service_launch(l, u, &notes, &why);
                if (r == -EEXIST) {
                        why = (struct error){ 0 };
                        r = service_join(l->root_fd, u->name.whole, true, &why);
                }
                if (r == -ESTALE && i < START_TRIES) {
                        (void)poll(NULL, 0, START_PAUSE_MS);
                        continue;
                }
                for (size_t k = 0; k < notes.count; k++)
                        strings_add(ret_notes, notes.items[k]);
                if (r < 0 && e)
                        *e = why;
                return r;
        }
}

int service_relaunch(const struct service_launch *l, const struct unit *u, int dir_fd, struct strings *ret_notes, struct error *e)
{
        CLEAN(checked_done) struct checked c = { 0 };
        int r = check(l, u, &c, ret_notes, e);
        if (r == 0)
                r = unit_snapshot_save(dir_fd, u, e);
        if (r < 0)
                return r;
        CLEAN_FD int fd = client_connect(dir_fd, e);
        if (fd < 0)
                return fd;
        r = client_restart(fd, l->report_denials, e);
        return r < 0 ? r : TAKE_FD(fd);
}
