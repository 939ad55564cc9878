/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead run: any command into systemd's sandbox.
 *
 * In the foreground with -P this process supervises: it holds the run's lock, forwards signals and undoes.
 * Otherwise a fork becomes the parent of the payload and turns into bulkhead-shim, which outlives us.
 */
#include "cli/run.h"

#include <argp.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/exit_status.h"
#include "base/signal_name.h"
#include "cli/commands.h"
#include "shim/facts.h"
#include "cli/like.h"
#include "cli/target.h"
#include "os/file.h"
#include "os/process.h"
#include "plan/run_profile.h"
#include "sandbox/pam_session.h"
#include "sandbox/sandbox.h"
#include "shim/client.h"
#include "shim/foreground.h"
#include "shim/shim.h"
#include "shim/state.h"
#include "shim/undo.h"

enum { KEY_UID = 256, KEY_GID, KEY_WORKING_DIRECTORY, KEY_WAIT, KEY_USER, KEY_SYSTEM, KEY_LENIENT, KEY_SEAL, KEY_EXPAND,
       KEY_DESCRIPTION, KEY_JSON, KEY_REPORT, KEY_LIKE, KEY_PROFILE };

static const struct argp_option options[] = {
        { "property", 'p', "NAME=VALUE", 0, "Set a sandbox directive; see bulkhead.directives(5)", 1 },
        { "like", KEY_LIKE, "UNIT", 0, "Take the directives of a unit's file, and its command if none is given", 1 },
        { "profile", KEY_PROFILE, "NAME", 0, "Begin with the directives of a profile: strict, default or trusted", 1 },
        { "pty", 't', NULL, 0, "Run on a terminal of its own and connect to it", 2 },
        { "pipe", 'P', NULL, 0, "Pass standard input, output and error on", 2 },
        { "shell", 'S', NULL, 0, "Start $SHELL here, on a terminal, and wait", 2 },
        { "wait", KEY_WAIT, NULL, 0, "Wait for the end and tell how it came", 2 },
        { "collect", 'G', NULL, 0, "Keep no record of the run, however it ends", 2 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 2 },
        { "unit", 'u', "NAME", 0, "Name the run", 3 },
        { "description", KEY_DESCRIPTION, "TEXT", 0, "Describe the run", 3 },
        { "uid", KEY_UID, "USER", 0, "Run as USER", 3 },
        { "gid", KEY_GID, "GROUP", 0, "Run as GROUP", 3 },
        { "setenv", 'E', "NAME[=VALUE]", 0, "Set or pass on a variable", 3 },
        { "same-dir", 'd', NULL, 0, "Start in this folder", 3 },
        { "working-directory", KEY_WORKING_DIRECTORY, "PATH", 0, "Start in PATH", 3 },
        { "expand-environment", KEY_EXPAND, "BOOL", 0, "Expand $NAME in the command (default: no)", 3 },
        { "user", KEY_USER, NULL, 0, "As an ordinary user's service", 4 },
        { "system", KEY_SYSTEM, NULL, 0, "As a service of the system", 4 },
        { "lenient", KEY_LENIENT, NULL, 0, "Ignore with a note what is invalid or refused, as systemd does", 4 },
        { "report-denials", KEY_REPORT, NULL, 0, "At the end, say which directive stopped which call on what", 4 },
        { "seal", KEY_SEAL, "MODE", 0, "auto, landlock, userns or off", 4 },
        { 0 },
};

static const struct argp_option explain_options[] = { { "json", KEY_JSON, NULL, 0, "Print JSON", 1 }, { 0 } };

static int fail(const struct run_options *o, const struct error *e)
{
        CLEAN_FREE char *subject = xprintf("cannot %s \"%s\"", o->verb, o->argv.count ? o->argv.items[0] : o->like ? o->like : o->unit ? o->unit : "");
        error_print(stderr, "bulkhead", subject, e);
        return e->exit_status ? e->exit_status : 1;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct run_options *o = state->input;
        switch (key) {
        case 'p': strings_add(&o->properties, arg); return 0;
        case 't': o->pty = true; return 0;
        case 'P': o->pipe = true; return 0;
        case 'S': o->shell = o->pty = o->same_dir = o->wait = o->collect = true; return 0;
        case KEY_WAIT: o->wait = true; return 0;
        case 'G': o->collect = true; return 0;
        case 'q': o->quiet = true; return 0;
        case 'u': o->unit = arg; return 0;
        case KEY_DESCRIPTION: o->description = arg; return 0;
        case KEY_UID: strings_take(&o->properties, xprintf("User=%s", arg)); return 0;
        case KEY_GID: strings_take(&o->properties, xprintf("Group=%s", arg)); return 0;
        case 'E':
                if (strchr(arg, '='))
                        strings_add(&o->variables, arg);
                else if (getenv(arg))
                        strings_take(&o->variables, xprintf("%s=%s", arg, getenv(arg)));
                return 0;
        case 'd': o->same_dir = true; return 0;
        case KEY_WORKING_DIRECTORY: strings_take(&o->properties, xprintf("WorkingDirectory=%s", arg)); return 0;
        case KEY_EXPAND:
                if (text_parse_bool(arg, &o->expand) < 0)
                        argp_error(state, "--expand-environment takes yes or no");
                return 0;
        case KEY_USER: o->user_mode = true; return 0;
        case KEY_SYSTEM: o->user_mode = false; return 0;
        case KEY_REPORT: o->report = true; return 0;
        case KEY_LIKE: o->like = arg; return 0;
        case KEY_PROFILE: o->profile = arg; return 0;
        case KEY_LENIENT: o->lenient = true; return 0;
        case KEY_SEAL:
                if (plan_seal_parse(arg, &o->seal) < 0)
                        argp_error(state, "--seal takes %s", PLAN_SEAL_WORDS);
                return 0;
        case KEY_JSON: o->json = true; return 0;
        case ARGP_KEY_ARG:
                /* The first word that is no option ends ours: the rest is the command's. */
                for (int i = state->next - 1; i < state->argc; i++)
                        strings_add(&o->argv, state->argv[i]);
                state->next = state->argc;
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* ---- from options to a plan ---- */

/* $NAME, ${NAME} and $$, as systemd expands them; words of their own are not split. */
static char *expand_word(const char *s)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        while (*s) {
                size_t brace = s[0] == '$' && s[1] == '{';
                const char *name = s + 1 + brace;
                size_t n = 0;
                while (name[n] == '_' || (name[n] >= '0' && name[n] <= '9') || (name[n] >= 'A' && name[n] <= 'Z') || (name[n] >= 'a' && name[n] <= 'z'))
                        n++;
                if (s[0] == '$' && s[1] == '$') {
                        text_add(&t, "$");
                        s += 2;
                } else if (s[0] == '$' && n && (!brace || name[n] == '}')) {
                        CLEAN_FREE char *key = xstrndup(name, n);
                        text_add(&t, getenv(key) ? getenv(key) : "");
                        s = name + n + brace;
                } else
                        text_add_bytes(&t, s++, 1);
        }
        return TAKE_PTR(t.data);
}

static char *auto_unit_name(void)
{
        char hex[6];
        file_random_hex(hex, sizeof hex);
        return xprintf("run-p%d-i%.6s.service", getpid(), hex);
}

static int name_unit(struct run_options *o, struct error *e)
{
        if (!o->unit)
                o->unit_name = auto_unit_name();
        else {
                char name[UNIT_NAME_MAX + 1];
                int r = target_unit_name(o->unit, name, e);
                if (r < 0)
                        return r;
                o->unit_name = xstrdup(name);
        }
        return 0;
}

static void choose_stdio(struct run_options *o)
{
        if (o->pty && o->pipe) {
                o->pty = isatty(0) && isatty(1) && isatty(2);
                o->pipe = !o->pty;
        }
        if (o->shell && !o->argv.count)
                strings_add(&o->argv, getenv("SHELL") && *getenv("SHELL") ? getenv("SHELL") : "/bin/sh");
}

int run_options_compile(struct run_options *o, struct plan *p, struct error *e)
{
        CLEAN_FACTS struct host_facts f = { 0 };
        CLEAN_SETTINGS struct settings s = { .lenient = o->lenient };
        CLEAN_LIKE struct like like = { 0 };
        facts_gather(&f, o->unit_name, o->user_mode);
        if (o->like) {
                int r = like_load(o->like, o->user_mode, o->lenient, &like, e);
                if (r < 0)
                        return r;
                f.facts.unit = like.unit.name.whole; /* specifiers and dynamic users go by it */
        }
        int assigned = run_profile_assign(o->profile, &f.facts, &s, e);
        if (assigned == 0 && o->like)
                assigned = like_assign(&like, &f.facts, &s, e);
        if (assigned < 0)
                return assigned;
        if (o->same_dir) {
                CLEAN_FREE char *cwd = get_current_dir_name();
                CLEAN_TEXT struct text escaped = { 0 };
                text_add(&escaped, "WorkingDirectory=");
                for (const char *c = cwd ? cwd : "/"; *c; c++)
                        text_addf(&escaped, *c == '%' ? "%%%%" : "%c", *c);
                int r = settings_assign(&s, &f.facts, escaped.data, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < o->properties.count; i++) {
                int r = settings_assign(&s, &f.facts, o->properties.items[i], e);
                if (r < 0)
                        return r;
        }
        int r = settings_compile(&s, &f.facts, p, e);
        for (size_t i = 0; i < o->variables.count; i++)
                strings_add(&p->environment, o->variables.items[i]);
        if (r == 0 && o->like && !o->argv.count && !text_equal(o->verb, "explain")) /* which needs none */
                r = like_command(&like, &f.facts, p, &o->argv, e);
        for (size_t i = 0; i < o->argv.count; i++)
                strings_take(&p->argv, o->expand ? expand_word(o->argv.items[i]) : xstrdup(o->argv.items[i]));
        p->seal = o->seal;
        if (r == 0 && o->trial)
                plan_make_trial(p, o->program_fd);
        return r;
}

/* ---- supervising ---- */

static int note_undo(void *context, const char *kind, const char *path)
{
        const struct run *run = context;
        return run_undo_note(run->dir_fd, kind, path);
}

static int made_undo(void *context, const char *at, const char *path)
{
        const struct run *run = context;
        return run_undo_made(run->dir_fd, at, path);
}

static void fill_state(struct run_state *st, const struct run_options *o, const char *invocation_id)
{
        *st = (struct run_state){ .unit = xstrdup(o->unit_name), .invocation_id = xstrdup(invocation_id),
                                  .description = xstrdup(o->description ? o->description : ""), .phase = RUN_STARTING,
                                  .supervisor_pid = getpid(), .started_usec = state_now_usec(), .tty = o->pty };
        for (size_t i = 0; i < o->argv.count; i++)
                strings_add(&st->argv, o->argv.items[i]);
        for (size_t i = 0; i < o->properties.count; i++)
                strings_add(&st->properties, o->properties.items[i]);
}

static int wait_status_to_exit(int status)
{
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        return signal_ends_cleanly(WTERMSIG(status)) ? 0 : 255;
}

/* What the observer says once the last process of the run is gone. */
static void print_report(const struct run_options *o)
{
        char chunk[4096];
        ssize_t n;
        if (!o->report)
                return;
        fprintf(stderr, "Denials of %s:\n", o->unit_name);
        while ((n = read(o->report_fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
                for (ssize_t i = 0; i < n; i++)
                        fputc((unsigned char)chunk[i] < 0x20 && chunk[i] != '\n' ? '?' : chunk[i], stderr);
}

/* The user id's lock first: what we hold ourselves the undo would take for another's. */
static void abandon(struct sandbox *s, struct run *run)
{
        s->uid_lock_fd = fd_close(s->uid_lock_fd);
        run_abandon(run);
}

static int run_foreground(const struct run_options *o, struct sandbox *s, struct run *run, struct run_state *st, struct error *e)
{
        const struct sandbox_io io = { .in = 0, .out = 1, .err = 2 };
        struct sandbox_child child = { .pidfd = -EBADF, .status_fd = -EBADF };
        s->program_fd = o->program_fd ? o->program_fd : -EBADF;
        foreground_prepare();
        int r = pam_session_spawn(s, &s->environment, true, &io, &child, e);
        if (r < 0) {
                abandon(s, run);
                return fail(o, e);
        }
        st->pid = child.pid;
        st->phase = RUN_RUNNING;
        (void)run_save_state(run->dir_fd, st, NULL);
        s->report_fd = fd_close(s->report_fd);
        r = sandbox_wait_exec(child.status_fd, &(struct sandbox_watch){ .notes = o->quiet ? NULL : stderr }, e);
        const struct foreground f = { .run = run, .pid = child.pid, .pidfd = child.pidfd, .spared = s->observer_pid,
                                      .own_pids = s->plan->namespaces & CLONE_NEWPID };
        int status = foreground_wait(&f);
        abandon(s, run);
        print_report(o);
        return r < 0 ? fail(o, e) : wait_status_to_exit(status);
}

struct stdio_ends {
        int ours_pty, ours_out, ours_err, theirs[3];
};

static int open_pty(struct stdio_ends *x, const struct sandbox *s)
{
        struct winsize size;
        x->ours_pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (x->ours_pty < 0 || unlockpt(x->ours_pty) < 0)
                return -errno;
        int slave = ioctl(x->ours_pty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return -errno;
        if (ioctl(0, TIOCGWINSZ, &size) == 0)
                (void)ioctl(x->ours_pty, TIOCSWINSZ, &size);
        if (s->change_user && fchown(slave, s->account.uid, (gid_t)-1) < 0)
                return -errno;
        for (int i = 0; i < 3; i++)
                x->theirs[i] = slave;
        return 0;
}

static int open_pipes(struct stdio_ends *x)
{
        int out[2], err[2];
        x->theirs[0] = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (x->theirs[0] < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
                return -errno;
        x->ours_out = out[0];
        x->ours_err = err[0];
        x->theirs[1] = out[1];
        x->theirs[2] = err[1];
        return 0;
}

/* Runs in the fork: becomes the payload's parent, then the shim. What fails before goes through report_fd. */
static _Noreturn void become_shim(const struct run_options *o, struct sandbox *s, struct run *run, struct run_state *st, int report_fd)
{
        struct error e = { 0 };
        struct stdio_ends x = { -EBADF, -EBADF, -EBADF, { -EBADF, -EBADF, -EBADF } };
        struct sandbox_child child = { .pidfd = -EBADF, .status_fd = -EBADF };
        (void)setsid();
        int r = o->pty ? open_pty(&x, s) : open_pipes(&x);
        if (r < 0)
                error_errno(&e, r, "stdio.failed", "making the payload's %s", o->pty ? "terminal" : "pipes");
        const struct sandbox_io io = { .in = x.theirs[0], .out = x.theirs[1], .err = x.theirs[2], .terminal = o->pty };
        if (r == 0)
                r = pam_session_spawn(s, &s->environment, true, &io, &child, &e);
        if (r == 0) {
                st->pid = child.pid;
                st->supervisor_pid = getpid();
                r = run_save_state(run->dir_fd, st, &e);
        }
        if (r == 0) {
                struct shim_options so = SHIM_OPTIONS_INIT;
                so.dir_fd = run->dir_fd, so.lock_fd = run->lock_fd, so.sock_fd = run->sock_fd;
                so.status_fd = child.status_fd, so.pidfd = child.pidfd, so.pid = child.pid, so.observer = s->observer_pid;
                so.pty_fd = x.ours_pty, so.out_fd = x.ours_out, so.err_fd = x.ours_err;
                so.hold_fd = s->uid_lock_fd; /* the user id is ours as long as this is open */
                so.collect = o->collect, so.unit = o->unit_name;
                r = shim_exec(getenv("BULKHEAD_SHIM"), &so, &e);
        }
        if (child.pidfd >= 0)
                (void)process_signal(child.pidfd, SIGKILL);
        (void)file_write_all(report_fd, &e, sizeof e);
        _exit(1);
}

static void print_end(const struct wire_exited *x)
{
        fprintf(stderr, "          Finished with result: %s\n", x->result);
        const char *name = x->code == WIRE_CODE_EXITED ? exit_status_name(x->status) : sigabbrev_np(x->status);
        fprintf(stderr, "Main processes terminated with: code=%s, status=%d%s%s\n", x->code ? exit_code_word(x->code) : "none", x->status, name ? "/" : "",
                name ? name : "");
        fprintf(stderr, "               Service runtime: %llu.%03llus\n", (unsigned long long)x->runtime_usec / 1000000,
                (unsigned long long)x->runtime_usec / 1000 % 1000);
        fprintf(stderr, "             CPU time consumed: %llu.%03llus\n", (unsigned long long)x->cpu_usec / 1000000,
                (unsigned long long)x->cpu_usec / 1000 % 1000);
}

static int exited_to_exit(const struct wire_exited *x)
{
        if (x->code == WIRE_CODE_EXITED)
                return x->status;
        if (x->code == WIRE_CODE_NONE)
                return 1;
        return signal_ends_cleanly(x->status) ? 0 : 255;
}

static void print_note(void *data, const char *text)
{
        (void)data;
        fputs("bulkhead: note: ", stderr);
        text_print_safe(stderr, text);
        fputc('\n', stderr);
}

/* Follows a run that a shim supervises, as far as the options ask. */
static int follow(const struct run_options *o, int fd, const struct client_options *co, struct error *e)
{
        struct wire_exited end = { 0 };
        if (!o->pty && !o->wait)
                return client_wait_started(fd, NULL, e) < 0 ? fail(o, e) : 0;
        int r = client_attach(fd, co, &end, e);
        if (r < 0)
                return fail(o, e);
        if (r == CLIENT_DETACHED) {
                if (!o->quiet)
                        fprintf(stderr, "Disconnected; \"bulkhead attach %s\" connects again.\n", o->unit_name);
                return 0;
        }
        if (o->wait && !o->quiet)
                print_end(&end);
        print_report(o);
        return exited_to_exit(&end);
}

static int run_shimmed(const struct run_options *o, struct sandbox *s, struct run *run, struct run_state *st, struct error *e)
{
        const struct client_options co = { .tty = o->pty, .input = o->pty, .patient = o->pty, .wait_only = !o->pty,
                                           .note = o->quiet ? NULL : print_note };
        int report[2];
        CLEAN_FD int fd = client_connect(run->dir_fd, e);
        int r = fd < 0 ? fd : o->pty || o->wait ? client_hello(fd, &co, e) : 0;
        if (r == 0 && pipe2(report, O_CLOEXEC) < 0)
                r = error_errno(e, errno, "spawn.failed", "pipe");
        pid_t pid = r < 0 ? -1 : fork();
        if (pid < 0) {
                if (r == 0)
                        error_errno(e, errno, "spawn.failed", "fork");
                abandon(s, run);
                return fail(o, e);
        }
        if (pid == 0)
                become_shim(o, s, run, st, report[1]);
        fd_close(report[1]);
        s->report_fd = fd_close(s->report_fd);
        ssize_t n = read(report[0], e, sizeof *e);
        fd_close(report[0]);
        if (n == (ssize_t)sizeof *e) {
                (void)waitpid(pid, NULL, 0);
                abandon(s, run);
                return fail(o, e);
        }
        run_close(run);
        s->uid_lock_fd = fd_close(s->uid_lock_fd);
        return follow(o, fd, &co, e);
}

static int start(struct run_options *o, struct plan *p, struct error *e)
{
        char invocation_id[33] = "";
        CLEAN_FREE char *root_path = NULL;
        CLEAN_RUN struct run run = RUN_INIT;
        CLEAN_RUN_STATE struct run_state st = { 0 };
        CLEAN_SANDBOX struct sandbox s = SANDBOX_INIT;
        CLEAN_FD int root_fd = state_root_open(o->user_mode, &root_path, e);
        file_random_hex(invocation_id, 32);
        if (root_fd >= 0 && !o->pipe)
                (void)runs_prune(root_fd);
        if (root_fd < 0 || run_create(root_fd, o->unit_name, &run, e) < 0)
                return fail(o, e);
        fill_state(&st, o, invocation_id);
        CLEAN_FREE char *folder = xprintf("%s/runs/%s", root_path, o->unit_name);
        int report[2] = { -EBADF, -EBADF };
        if (o->report && pipe2(report, O_CLOEXEC) < 0)
                return fail(o, e);
        o->report_fd = report[0];
        const struct sandbox_host host = { .report_fd = report[1], .observe_fd = o->observe_fd, .run_folder = folder, .shared_folder = root_path, .invocation_id = invocation_id,
                                           .track = true, .note = note_undo, .made = made_undo, .context = &run };
        /* The record comes before what it must account for: whoever finds us dead knows whom to look for. */
        if (run_save_state(run.dir_fd, &st, e) < 0 ||
            sandbox_prepare(&s, p, &host, o->pty ? (getenv("TERM") ? getenv("TERM") : "vt220") : NULL, e) < 0) {
                abandon(&s, &run);
                return fail(o, e);
        }
        if (!o->quiet) {
                fprintf(stderr, "Running as unit: %s; invocation ID: %s\n", o->unit_name, invocation_id);
                if (o->pty && isatty(0))
                        fprintf(stderr, "Press ^] three times within 1s to disconnect TTY.\n");
        }
        return o->pipe ? run_foreground(o, &s, &run, &st, e) : run_shimmed(o, &s, &run, &st, e);
}

static void print_notes(const struct run_options *o, const struct plan *p)
{
        for (size_t i = 0; !o->quiet && i < p->notes.count; i++)
                print_note(NULL, p->notes.items[i]);
}

void run_options_done(struct run_options *o)
{
        strings_clear(&o->properties);
        strings_clear(&o->variables);
        strings_clear(&o->argv);
        free(o->unit_name);
        free(o->unit_word);
}

/* Finds a bare name in the caller's PATH, as systemd-run does. */
static int find_program(const char *name, struct plan *p, struct error *e)
{
        /* Only what replaces content can make a program appear that the host has not. */
        for (size_t i = 0; i < p->mount_count; i++)
                if (p->mounts[i].kind == PLAN_BIND)
                        return 0;
        if (p->unit_root.origin)
                return 0;
        if (strchr(name, '/'))
                return access(name, F_OK) == 0 || errno != ENOENT ? 0 : error_set(e, ENOENT, "exec.missing", "Failed to find executable %s", name);
        CLEAN_TEXT struct text search = { 0 };
        for (size_t i = 0; i < p->process.search_path.count; i++)
                text_addf(&search, "%s%s", i ? ":" : "", p->process.search_path.items[i]);
        const char *path = search.length ? search.data : getenv("PATH");
        for (const char *q = path ? path : "/usr/bin:/bin"; *q; q += strcspn(q, ":") + (q[strcspn(q, ":")] == ':')) {
                CLEAN_FREE char *file = xprintf("%.*s/%s", (int)strcspn(q, ":"), q, name);
                if (*q == '/' && access(file, X_OK) == 0) {
                        p->program = TAKE_PTR(file);
                        return 0;
                }
        }
        return error_set(e, ENOENT, "exec.missing", "Failed to find executable %s: not in %s", name, search.length ? "ExecSearchPath=" : "PATH");
}

int run_options_start(struct run_options *o)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e = { 0 };
        if (name_unit(o, &e) < 0 || run_options_compile(o, &p, &e) < 0 || (!p.program && !o->program_fd && find_program(o->argv.items[0], &p, &e) < 0))
                return fail(o, &e);
        print_notes(o, &p);
        return start(o, &p, &e);
}

int cmd_run(int argc, char **argv)
{
        static const struct argp argp = { options, parse_option, "COMMAND [ARGUMENT...]",
                                          "Run a command in a sandbox made of systemd's directives", NULL, NULL, NULL };
        CLEAN(run_options_done) struct run_options o = { .verb = "start", .user_mode = geteuid() != 0 };
        if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o) != 0)
                return 1;
        choose_stdio(&o);
        if (!o.argv.count && !o.like) {
                fputs("bulkhead: which command? Try \"bulkhead run --help\".\n", stderr);
                return 1;
        }
        if (o.report && !o.pipe && !o.pty && !o.wait) {
                fputs("bulkhead: --report-denials needs --pipe, --pty or --wait: a detached run has nobody to report to.\n", stderr);
                return 1;
        }
        return run_options_start(&o);
}

/* Options of explain's own; the rest are run's. */
static error_t parse_explain_option(int key, char *arg, struct argp_state *state)
{
        if (key == ARGP_KEY_INIT) {
                state->child_inputs[0] = state->input;
                return 0;
        }
        return key == KEY_JSON ? parse_option(key, arg, state) : ARGP_ERR_UNKNOWN;
}

int run_options_parse(struct run_options *o, int argc, char **argv, const char *doc)
{
        const struct argp shared = { .options = options, .parser = parse_option };
        const struct argp_child children[] = { { &shared, 0, NULL, 0 }, { 0 } };
        const struct argp argp = { .options = explain_options, .parser = parse_explain_option,
                                   .args_doc = "[COMMAND [ARGUMENT...]]", .doc = doc, .children = children };
        struct error e = { 0 };
        o->verb = "explain";
        o->user_mode = geteuid() != 0;
        if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, o) != 0)
                return -EINVAL;
        choose_stdio(o);
        if (!o->unit)
                o->unit = "explain.service"; /* no random name: the same options give the same text */
        int r = name_unit(o, &e);
        if (r < 0)
                (void)fail(o, &e);
        return r;
}
