/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead plugin start: a supervisor of plugins.  Each is a child, in its sandbox: a fork of ours carries the run out as "bulkhead run -P"
 * does.  One that ends with 0, as at SIGTERM, was stopped; one that ends otherwise is started again, later each time.
 */
#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signal_name.h"
#include "cli/plugin.h"
#include "cli/plugin_call.h"
#include "cli/plugin_command.h"
#include "cli/plugin_lock.h"
#include "cli/run.h"
#include "cli/target.h"
#include "os/file.h"

#define ASK_USEC 20000ULL
#define READY_USEC (30ULL * 1000000)
#define HELLO_USEC (5ULL * 1000000)
#define BACKOFF_USEC 100000ULL
#define BACKOFF_MAX_USEC (30ULL * 1000000)
#define SETTLED_USEC (60ULL * 1000000) /* who lived so long begins anew */
#define STOP_USEC (30ULL * 1000000)
enum { LOG_MAX = 1 << 20, PATIENCE = 150 /* times ASK_USEC */ };

struct supervisor;

struct child {
        struct supervisor *of;
        struct plugin_command command;
        struct endpoint at;
        struct strings properties; /* of its sandbox */
        struct rpc_client *client;
        struct loop_timer ask, again;
        int lock_fd;
        pid_t pid; /* 0: does not run */
        uint64_t started_usec, backoff_usec;
        bool was_ready, asking, ready, stopping, over;
};

struct supervisor {
        const struct plugin_start *how;
        struct loop *loop;
        char *folder;
        struct child *children;
        size_t count;
        struct loop_timer kill;
        int log_fd, report_fd; /* of a detached one, else negative */
        pid_t pid;             /* ours */
        bool ending, told;
        int status;
};

static void child_done(struct child *c)
{
        plugin_unlock(c->of->folder, c->command.name, TAKE_FD(c->lock_fd));
        plugin_command_done(&c->command);
        endpoint_done(&c->at);
        strings_clear(&c->properties);
        rpc_client_free(c->client);
}

static void supervisor_done(struct supervisor *s)
{
        for (size_t i = 0; i < s->count; i++)
                child_done(&s->children[i]);
        free(s->children);
        free(s->folder);
        loop_close(s->loop);
        (void)fd_close(s->log_fd);
        (void)fd_close(s->report_fd);
}

static void say(const struct supervisor *s, const struct child *c, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(const struct supervisor *s, const struct child *c, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        fprintf(s->how->out, "%s: ", c->command.name);
        (void)vfprintf(s->how->out, format, args);
        va_end(args);
        fputc('\n', s->how->out);
        (void)fflush(s->how->out);
}

void plugin_remove_stale(const char *folder, const char *name)
{
        CLEAN_FREE char *path = xprintf("%s/%s", folder, name), *pid = xprintf("%s/%s.pid", folder, name);
        const struct endpoint at = { .path = path };
        struct stat st;
        if (plugin_listens(&at, NULL))
                return;
        if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
                (void)unlink(path);
        (void)unlink(pid);
}

/* ---- the end ---- */

/* Nobody looks after it any more. */
static void child_over(struct child *c)
{
        c->over = true;
        plugin_unlock(c->of->folder, c->command.name, TAKE_FD(c->lock_fd));
}

static bool any_left(const struct supervisor *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (!s->children[i].over)
                        return true;
        return false;
}

static void finish_if_over(struct supervisor *s)
{
        if (!any_left(s))
                loop_stop(s->loop, s->status);
}

static void kill_left(struct loop_timer *t)
{
        struct supervisor *s = LOOP_OWNER(t, struct supervisor, kill);
        for (size_t i = 0; i < s->count; i++)
                if (s->children[i].pid)
                        (void)kill(s->children[i].pid, SIGKILL);
}

static void pass_on(struct supervisor *s, int number)
{
        for (size_t i = 0; i < s->count; i++) {
                struct child *c = &s->children[i];
                loop_timer_clear(s->loop, &c->again);
                loop_timer_clear(s->loop, &c->ask);
                if (c->pid)
                        (void)kill(c->pid, number);
                else
                        child_over(c);
        }
}

static void end(struct supervisor *s, int status)
{
        s->status = s->status ? s->status : status;
        if (!s->ending)
                loop_timer_set(s->loop, &s->kill, loop_now_usec(s->loop) + STOP_USEC);
        s->ending = true;
        pass_on(s, SIGTERM);
        finish_if_over(s);
}

/* ---- the beginning ---- */

/* What the environment of a sandbox has of ours: where plugins and their accounts are. */
static void add_variables(struct strings *ret, const struct plugin_start *how)
{
        static const char *const prefixes[] = { "BULKHEAD_", "INFRAKIT_", "AWS_", "AZURE_", "HOME=", "LANG=", "PATH=", "TZ=", "XDG_RUNTIME_DIR=", "XDG_STATE_HOME=" };
        for (char **v = environ; *v; v++)
                for (size_t i = 0; i < ELEMENTS(prefixes); i++)
                        if (text_starts(*v, prefixes[i]))
                                strings_add(ret, *v);
        for (size_t i = 0; i < how->variables.count; i++)
                strings_add(ret, how->variables.items[i]);
}

static bool sandboxed(const struct child *c)
{
        return c->command.hold != PLUGIN_HOST && !c->of->how->unsandboxed;
}

static void prepare_stdio(const struct supervisor *s)
{
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(null, 0);
        if (s->log_fd >= 0) {
                (void)dup2(s->log_fd, 1);
                (void)dup2(s->log_fd, 2);
        }
}

static _Noreturn void run_bare(const struct child *c)
{
        for (size_t i = 0; i < c->of->how->variables.count; i++)
                (void)putenv(c->of->how->variables.items[i]);
        (void)execv(c->command.argv.items[0], c->command.argv.items);
        fprintf(stderr, "bulkhead: %s: %s\n", c->command.argv.items[0], strerror(errno));
        _exit(127);
}

/*
 * In the foreground plugins end with their supervisor, however it ends: who killed it wants them gone. Detached ones go on without it, for
 * somebody depends on them.
 */
static void end_with_supervisor(const struct supervisor *s)
{
        if (s->how->detach)
                return;
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != s->pid)
                _exit(1); /* it died before this was said */
}

static _Noreturn void run_child(const struct child *c)
{
        struct supervisor *s = c->of;
        sigset_t none;
        end_with_supervisor(s);
        (void)setpgid(0, 0); /* who presses ^C speaks to the supervisor, which passes it on */
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        for (size_t i = 0; i < s->count; i++) /* the lock is the supervisor's alone */
                (void)fd_close(s->children[i].lock_fd);
        prepare_stdio(s);
        if (!sandboxed(c))
                run_bare(c);
        CLEAN_FREE char *unit = xprintf("plugin-%s-p%d", c->command.name, (int)getpid());
        struct run_options o = { .verb = "start", .unit = unit, .pipe = true, .quiet = true, .collect = true, .user_mode = geteuid() != 0 };
        for (size_t i = 0; i < c->properties.count; i++)
                strings_add(&o.properties, c->properties.items[i]);
        add_variables(&o.variables, s->how);
        for (size_t i = 0; i < c->command.argv.count; i++)
                strings_add(&o.argv, c->command.argv.items[i]);
        int status = run_options_start(&o);
        (void)fflush(NULL);
        _exit(status);
}

static void ask_later(struct child *c)
{
        loop_timer_set(c->of->loop, &c->ask, loop_now_usec(c->of->loop) + ASK_USEC);
}

static void spawn(struct child *c)
{
        struct supervisor *s = c->of;
        plugin_remove_stale(s->folder, c->command.name);
        (void)fflush(NULL);
        s->pid = getpid();
        c->pid = fork();
        if (c->pid == 0)
                run_child(c);
        c->started_usec = loop_fresh_usec(s->loop);
        c->ready = false;
        if (c->pid < 0) {
                c->pid = 0;
                child_over(c);
                say(s, c, "cannot be started: %s", strerror(errno));
                end(s, 1);
                return;
        }
        (void)setpgid(c->pid, c->pid);
        ask_later(c);
}

/* All listen: whoever waits for a detached supervisor is told, and its words go to the log from here on. */
static void tell_ready(struct supervisor *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (!s->children[i].was_ready)
                        return;
        if (s->told || s->report_fd < 0)
                return;
        s->told = true;
        (void)fflush(NULL);
        (void)dup2(s->log_fd, 1);
        (void)dup2(s->log_fd, 2);
        (void)file_write_all(s->report_fd, "", 1);
        s->report_fd = fd_close(s->report_fd);
}

static void answered(void *context, const struct json_node *result, const struct error *failure)
{
        struct child *c = context;
        struct supervisor *s = c->of;
        (void)result;
        c->asking = false;
        if (c->pid == 0 || s->ending)
                return;
        if (failure && !text_equal(failure->id, "rpc.remote")) { /* older ones do not know the word, but answer */
                if (!c->was_ready && loop_now_usec(s->loop) - c->started_usec > READY_USEC) {
                        say(s, c, "does not answer at %s", c->at.path);
                        end(s, 1);
                } else
                        ask_later(c);
                return;
        }
        if (!s->how->quiet)
                say(s, c, "%s at %s (%s)", c->was_ready ? "listens again" : "listens", c->at.path, sandboxed(c) ? "in a sandbox" : "without a sandbox");
        c->ready = c->was_ready = true;
        tell_ready(s);
}

static void ask(struct loop_timer *t)
{
        struct child *c = LOOP_OWNER(t, struct child, ask);
        if (c->asking)
                return;
        c->asking = true;
        rpc_client_call(c->client, "Handshake.Hello", "{}", HELLO_USEC, answered, c);
}

/* ---- deaths ---- */

static void start_again(struct loop_timer *t)
{
        struct child *c = LOOP_OWNER(t, struct child, again);
        if (plugin_listens(&c->at, NULL)) /* somebody else took its place: it is there, and that is what counts */
                loop_timer_set(c->of->loop, &c->again, loop_now_usec(c->of->loop) + BACKOFF_MAX_USEC);
        else
                spawn(c);
}

static void died(struct child *c, int status)
{
        struct supervisor *s = c->of;
        bool clean = WIFEXITED(status) ? WEXITSTATUS(status) == 0 : signal_ends_cleanly(WTERMSIG(status));
        CLEAN_FREE char *how = WIFEXITED(status) ? xprintf("status %d", WEXITSTATUS(status)) : xprintf("signal %d", WTERMSIG(status));
        c->pid = 0;
        loop_timer_clear(s->loop, &c->ask);
        plugin_remove_stale(s->folder, c->command.name);
        if (s->ending || c->stopping || (clean && c->was_ready)) {
                child_over(c);
                if (!s->ending)
                        say(s, c, "stopped");
                finish_if_over(s);
                return;
        }
        if (!c->was_ready) {
                say(s, c, "ended with %s before it answered", how);
                child_over(c);
                end(s, 1);
                return;
        }
        uint64_t now = loop_fresh_usec(s->loop);
        bool settled = now - c->started_usec > SETTLED_USEC;
        c->backoff_usec = settled || !c->backoff_usec ? BACKOFF_USEC : c->backoff_usec * 2 < BACKOFF_MAX_USEC ? c->backoff_usec * 2 : BACKOFF_MAX_USEC;
        say(s, c, "died with %s; it is started again in %.1f s", how, (double)c->backoff_usec / 1e6);
        loop_timer_set(s->loop, &c->again, now + c->backoff_usec);
}

static void reap(struct supervisor *s)
{
        int status;
        for (size_t i = 0; i < s->count; i++)
                if (s->children[i].pid && waitpid(s->children[i].pid, &status, WNOHANG) == s->children[i].pid)
                        died(&s->children[i], status);
}

/* "plugin stop" left its marks. */
static void stop_some(struct supervisor *s)
{
        for (size_t i = 0; i < s->count; i++) {
                struct child *c = &s->children[i];
                if (c->over || !plugin_stop_asked(s->folder, c->command.name))
                        continue;
                c->stopping = true;
                loop_timer_clear(s->loop, &c->again);
                loop_timer_clear(s->loop, &c->ask);
                if (c->pid)
                        (void)kill(c->pid, SIGTERM);
                else
                        child_over(c);
        }
        finish_if_over(s);
}

static void take_signal(void *context, int number)
{
        struct supervisor *s = context;
        if (number == SIGCHLD)
                reap(s);
        else if (number == PLUGIN_STOP_SIGNAL)
                stop_some(s);
        else if (s->ending)
                pass_on(s, number);
        else
                end(s, 0);
}

/* ---- the whole ---- */

static int prepare_child(struct supervisor *s, struct child *c, struct error *e)
{
        *c = (struct child){ .of = s, .ask.elapsed = ask, .again.elapsed = start_again, .command = c->command, .lock_fd = -EBADF };
        c->at.path = xprintf("%s/%s", s->folder, c->command.name);
        if (!sandboxed(c))
                return 0;
        int r = plugin_sandbox(&c->command, s->folder, &c->properties, e);
        for (size_t i = 0; i < s->how->properties.count; i++)
                strings_add(&c->properties, s->how->properties.items[i]);
        return r;
}

static int twice(const struct supervisor *s, const char *name, struct error *e)
{
        for (size_t i = 0; i < s->count; i++)
                if (text_equal(s->children[i].command.name, name))
                        return error_set(e, EEXIST, "plugin.word", "\"%.64s\" is named twice", name);
        return 0;
}

/* Takes the lock; -EBUSY, and that is said, where somebody looks after it or listens already. */
static int take_over(struct supervisor *s, struct child *c, struct error *e)
{
        int fd = plugin_lock(s->folder, c->command.name, e);
        if (fd >= 0) {
                c->lock_fd = fd;
                fd = plugin_listens(&c->at, NULL) ? -EBUSY : 0;
        } else if (fd == -EBUSY) /* one that just died comes again */
                for (int i = 0; i < PATIENCE && !plugin_listens(&c->at, NULL); i++)
                        (void)usleep(ASK_USEC);
        if (fd == -EBUSY && !s->how->quiet)
                say(s, c, plugin_listens(&c->at, NULL) ? "listens already at %s" : "is looked after already, and is to listen at %s", c->at.path);
        return fd;
}

static int prepare(struct supervisor *s, struct error *e)
{
        s->folder = plugins_folder();
        s->children = xalloc(s->how->words.count + 1, sizeof *s->children);
        int r = plugins_folder_make(s->folder, e);
        for (size_t i = 0; r == 0 && i < s->how->words.count; i++) {
                CLEAN_PLUGIN_COMMAND struct plugin_command command = { 0 };
                r = plugin_command_parse(s->how->words.items[i], &command, e);
                if (r == 0)
                        r = twice(s, command.name, e);
                if (r < 0)
                        return r;
                struct child *c = &s->children[s->count];
                c->command = command;
                command = (struct plugin_command){ 0 };
                s->count++;
                r = prepare_child(s, c, e);
                if (r == 0)
                        r = take_over(s, c, e);
                if (r == -EBUSY) {
                        child_done(c);
                        s->count--;
                        r = 0;
                }
        }
        return r;
}

static int supervise(struct supervisor *s, struct error *e)
{
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, PLUGIN_STOP_SIGNAL };
        int r = loop_open(&s->loop, e);
        if (r == 0)
                r = loop_signals(s->loop, signals, ELEMENTS(signals), take_signal, s, e);
        if (r < 0)
                return r;
        (void)signal(SIGPIPE, SIG_IGN);
        s->kill.elapsed = kill_left;
        for (size_t i = 0; i < s->count; i++)
                plugin_lock_sign(s->children[i].lock_fd);
        for (size_t i = 0; i < s->count; i++) {
                s->children[i].client = rpc_client_new(s->loop, s->children[i].command.name, &s->children[i].at);
                spawn(&s->children[i]);
        }
        return loop_run(s->loop);
}

/* A log of what detached plugins say; a long one begins anew. */
static int open_log(struct supervisor *s, struct error *e)
{
        CLEAN_FREE char *path = xprintf("%s/plugins.log", s->folder);
        struct stat st;
        s->log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->log_fd < 0)
                return error_errno(e, errno, "file.write", "opening %s", path);
        if (fstat(s->log_fd, &st) == 0 && st.st_size > LOG_MAX && ftruncate(s->log_fd, 0) < 0)
                return error_errno(e, errno, "file.write", "cutting %s", path);
        return 0;
}

/* In the parent: waits for the word, and returns the status. In the fork: 0, with ret_child set. */
static int detach(struct supervisor *s, bool *ret_child, struct error *e)
{
        int ends[2];
        char byte;
        int r = open_log(s, e);
        if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
                r = error_errno(e, errno, "spawn.failed", "pipe");
        (void)fflush(NULL);
        pid_t pid = r < 0 ? -1 : fork();
        if (pid < 0)
                return r < 0 ? r : error_errno(e, errno, "spawn.failed", "fork");
        if (pid == 0) {
                (void)fd_close(ends[0]);
                s->report_fd = ends[1];
                *ret_child = true;
                (void)setsid();
                int null = open("/dev/null", O_RDWR | O_CLOEXEC);
                (void)dup2(null, 0);
                return 0;
        }
        (void)fd_close(ends[1]);
        ssize_t n;
        while ((n = read(ends[0], &byte, 1)) < 0 && errno == EINTR)
                continue;
        (void)fd_close(ends[0]);
        if (n != 1)
                (void)waitpid(pid, NULL, 0);
        return n == 1 ? 0 : 1;
}

/* They are the fork's. */
static void leave_locks(struct supervisor *s)
{
        for (size_t i = 0; i < s->count; i++)
                s->children[i].lock_fd = fd_close(s->children[i].lock_fd);
}

static int fail(const char *verb, const struct error *e)
{
        error_print(stderr, "bulkhead", verb, e);
        return e->exit_status ? e->exit_status : 1;
}

int plugin_start(const struct plugin_start *how)
{
        CLEAN(supervisor_done) struct supervisor s = { .how = how, .log_fd = -EBADF, .report_fd = -EBADF };
        struct error e = { 0 };
        bool is_child = false;
        int r = prepare(&s, &e);
        if (r < 0)
                return fail("cannot start plugins", &e);
        if (!s.count)
                return 0;
        if (how->detach) {
                r = detach(&s, &is_child, &e);
                if (r < 0)
                        return fail("cannot start plugins", &e);
                if (!is_child) {
                        leave_locks(&s);
                        return r;
                }
        }
        r = supervise(&s, &e);
        if (r < 0)
                r = fail("cannot supervise plugins", &e);
        if (is_child) { /* what called us goes on in the parent */
                for (size_t i = 0; i < s.count; i++)
                        child_over(&s.children[i]);
                (void)fflush(NULL);
                _exit(r);
        }
        return r;
}

/* ---- the command ---- */

enum { KEY_NO_SANDBOX = 0x100, KEY_DIR };

/* It is handed on as InfraKit does it, so that a plugin of whoever wrote it finds it. */
static void set_folder_of_files(const char *folder)
{
        CLEAN_FREE char *here = *folder == '/' ? NULL : get_current_dir_name();
        CLEAN_FREE char *path = here ? xprintf("%s/%s", here, folder) : xstrdup(folder);
        (void)setenv("INFRAKIT_INSTANCE_FILE_DIR", path, 1);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct plugin_start *o = state->input;
        switch (key) {
        case 'd': o->detach = true; return 0;
        case KEY_NO_SANDBOX: o->unsandboxed = true; return 0;
        case KEY_DIR: set_folder_of_files(arg); return 0;
        case 'p': strings_add(&o->properties, arg); return 0;
        case 'E':
                if (strchr(arg, '='))
                        strings_add(&o->variables, arg);
                else if (getenv(arg))
                        strings_take(&o->variables, xprintf("%s=%s", arg, getenv(arg)));
                return 0;
        case ARGP_KEY_ARG: strings_add(&o->words, arg); return 0;
        case ARGP_KEY_NO_ARGS: argp_error(state, "which plugin?"); return EINVAL;
        default: return ARGP_ERR_UNKNOWN;
        }
}

int plugin_cmd_start(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "detach", 'd', NULL, 0, "Return once all of them listen", 1 },
                { "dir", KEY_DIR, "DIR", 0, "Where the file plugin keeps its files: $INFRAKIT_INSTANCE_FILE_DIR", 1 },
                { "property", 'p', "NAME=VALUE", 0, "Add a directive to their sandboxes; see bulkhead.directives(5)", 2 },
                { "setenv", 'E', "NAME[=VALUE]", 0, "Set or pass on a variable", 2 },
                { "no-sandbox", KEY_NO_SANDBOX, NULL, 0, "Start them with all that you may do", 2 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "KIND[:NAME][=COMMAND]...", "Start plugins, each in a sandbox, and look after them", NULL, NULL, NULL };
        struct plugin_start o = { .out = stdout };
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        int status = plugin_start(&o);
        strings_clear(&o.words);
        strings_clear(&o.properties);
        strings_clear(&o.variables);
        return status;
}
