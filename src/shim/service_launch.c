/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_launch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/process.h"
#include "plan/service.h"
#include "shim/activation.h"
#include "shim/client.h"
#include "shim/service_notify.h"
#include "shim/service_shim.h"
#include "shim/unit_snapshot.h"

/* What the check finds out and the supervisor needs beforehand. */
struct checked {
        char *description;
        unsigned stored_fds_max;
        struct strings argv;      /* of the first ExecStart=, for whoever lists runs */
        struct strings variables; /* of our environment: what the supervisor's begins with */
};

static void checked_done(struct checked *c)
{
        free(c->description);
        strings_clear(&c->argv);
        strings_clear(&c->variables);
}

/* A supervisor has of its caller's environment what the sandbox may pass on, and nothing else. */
static void choose_environment(const struct plan *p, struct strings *ret)
{
        static const char *const kept[] = { "LANG", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS" };
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

static int check(const struct service_launch *l, const struct unit *u, struct checked *ret, struct strings *notes, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        CLEAN_FACTS struct host_facts facts = { 0 };
        CLEAN_SETTINGS struct settings settings = { 0 };
        CLEAN_PLAN struct plan plan = { 0 };
        CLEAN_SERVICE struct service service = { 0 };
        if (u->name.type != UNIT_SERVICE)
                return error_set(e, EINVAL, "unit.kind", "%s is no service", u->name.whole);
        if (unit_name_is_template(&u->name))
                return error_set(e, EINVAL, "unit.kind", "%s is a template: name an instance of it", u->name.whole);
        int r = unit_parse(u, l->lenient, &file, e);
        if (r < 0)
                return r;
        facts_gather(&facts, u->name.whole, l->user_mode);
        r = service_read(&file, &facts.facts, l->lenient, &service, e);
        if (r == 0)
                r = activation_compile(&file, &facts.facts, l->lenient, &settings, &plan, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < file.notes.count; i++)
                strings_add(notes, file.notes.items[i]);
        for (size_t i = 0; i < service.notes.count; i++)
                strings_add(notes, service.notes.items[i]);
        for (size_t i = 0; i < plan.notes.count; i++)
                strings_add(notes, plan.notes.items[i]);
        ret->description = xstrdup(service.description ? service.description : "");
        ret->stored_fds_max = service.stored_fds_max;
        take_command(&service, &ret->argv);
        choose_environment(&plan, &ret->variables);
        return 0;
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
        int *const ours[] = { &o->dir_fd, &o->lock_fd, &o->sock_fd };
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                if (lift(ours[i], over) < 0)
                        return -errno;
        for (unsigned i = 0; i < l->listen_count; i++) {
                fds[i] = l->listen_fds[i];
                if (lift(&fds[i], over) < 0)
                        return -errno;
        }
        for (unsigned i = 0; i < l->listen_count; i++)
                if (dup2(fds[i], 3 + (int)i) < 0)
                        return -errno;
        const int kept[] = { o->dir_fd, o->lock_fd, o->sock_fd };
        process_close_others(kept, ELEMENTS(kept), 3 + l->listen_count);
        return 0;
}

static _Noreturn void become_supervisor(const struct service_launch *l, const struct run *run, struct checked *c, int report_fd)
{
        struct error e = { 0 };
        unsigned stored = c->stored_fds_max < NOTIFY_FDS_MAX - l->listen_count ? c->stored_fds_max : NOTIFY_FDS_MAX - l->listen_count;
        struct service_options o = { .dir_fd = run->dir_fd, .lock_fd = run->lock_fd, .sock_fd = run->sock_fd, .root_path = l->root_path,
                                     .unit = run->unit, .names = l->listen_count ? l->listen_names : NULL, .environment = l->variables,
                                     .listen_count = l->listen_count, .room = l->listen_count + stored, .user_mode = l->user_mode,
                                     .lenient = l->lenient, .collect = l->collect };
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
        if (pid == 0)
                become_supervisor(l, run, c, report[1]);
        int errnum = errno;
        close(report[1]);
        CLEAN_FD int fd = report[0];
        if (pid < 0)
                return error_errno(e, errnum, "spawn.failed", "fork");
        struct error told;
        if (read(fd, &told, sizeof told) != (ssize_t)sizeof told)
                return 0;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
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

int service_launch(const struct service_launch *l, const struct unit *u, struct strings *ret_notes, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true, .patient = true }, follows = { .patient = true };
        CLEAN(checked_done) struct checked c = { 0 };
        CLEAN_RUN struct run run = RUN_INIT;
        int r = check(l, u, &c, ret_notes, e);
        if (r == 0)
                r = run_create(l->root_fd, u->name.whole, &run, e);
        if (r < 0)
                return r;
        r = unit_snapshot_save(run.dir_fd, u, e);
        if (r == 0)
                r = save_first(&run, u, &c, e);
        CLEAN_FD int fd = r < 0 ? -EBADF : client_connect(run.dir_fd, e);
        if (r == 0)
                r = fd < 0 ? fd : client_hello(fd, l->output ? &follows : &quiet, e);
        if (r == 0)
                r = start_supervisor(l, &run, &c, e);
        if (r < 0) {
                run_abandon(&run);
                return r;
        }
        return TAKE_FD(fd);
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
        r = client_restart(fd, e);
        return r < 0 ? r : TAKE_FD(fd);
}
