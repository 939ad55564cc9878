/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead boot-units and init: a folder of units as a whole, in a container or on a host that has no service manager. */
#include <argp.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/target.h"
#include "cli/unit_progress.h"
#include "os/mount.h"

enum { KEY_USER = 0x500, KEY_SYSTEM, KEY_LENIENT, KEY_DETACH, KEY_AT_END, KEY_JSON, KEY_PROFILE, KEY_REPORT };
enum at_end { AT_END_EXIT, AT_END_POWEROFF, AT_END_REBOOT, AT_END_HALT };

struct boot {
        bool init, user_mode, lenient, detach, report_denials;
        struct unit_progress progress;
        enum at_end at_end;
        char *folder, *root_path;
        const char *profile;
        int root_fd;
        struct strings folders, units;
};

static const struct argp_option boot_options[] = {
        { "lenient", KEY_LENIENT, NULL, 0, "Pass over what cannot be read or applied, with a note, as systemd does", 1 },
        { "profile", KEY_PROFILE, "NAME", 0, "strict, default or trusted: lines that come before the units' own", 1 },
        { "report-denials", KEY_REPORT, NULL, 0, "Say in services' logs which directive stopped which call on what", 1 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 1 },
        { "json", KEY_JSON, NULL, 0, "Tell what happens as JSON, an object a line", 1 },
        { "detach", KEY_DETACH, NULL, 0, "End once all are up, and leave them running", 1 },
        { "user", KEY_USER, NULL, 0, "Units of an ordinary user", 9 },
        { "system", KEY_SYSTEM, NULL, 0, "Units of the system", 9 },
        { 0 },
};

static const struct argp_option init_options[] = {
        { "lenient", KEY_LENIENT, NULL, 0, "Pass over what cannot be read or applied, with a note, as systemd does", 1 },
        { "profile", KEY_PROFILE, "NAME", 0, "strict, default or trusted: lines that come before the units' own", 1 },
        { "report-denials", KEY_REPORT, NULL, 0, "Say in services' logs which directive stopped which call on what", 1 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 1 },
        { "json", KEY_JSON, NULL, 0, "Tell what happens as JSON, an object a line", 1 },
        { "at-end", KEY_AT_END, "WHAT", 0, "exit (default), poweroff, reboot or halt", 1 },
        { 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        static const char *const ends[] = { "exit", "poweroff", "reboot", "halt" };
        struct boot *b = state->input;
        switch (key) {
        case 'q': b->progress.quiet = true; b->progress.verbose = false; return 0;
        case KEY_PROFILE: b->profile = arg; return 0;
        case KEY_REPORT: b->report_denials = true; return 0;
        case KEY_JSON: b->progress.json = true; return 0;
        case KEY_LENIENT: b->lenient = true; return 0;
        case KEY_DETACH: b->detach = true; return 0;
        case KEY_USER: b->user_mode = true; return 0;
        case KEY_SYSTEM: b->user_mode = false; return 0;
        case KEY_AT_END:
                for (size_t i = 0; i < ELEMENTS(ends); i++)
                        if (text_equal(ends[i], arg)) {
                                b->at_end = (enum at_end)i;
                                return 0;
                        }
                argp_error(state, "--at-end takes exit, poweroff, reboot or halt");
                return EINVAL;
        case ARGP_KEY_ARG:
                if (b->folder)
                        argp_error(state, "one folder only");
                b->folder = realpath(arg, NULL);
                if (!b->folder)
                        argp_failure(state, 1, errno, "%s", arg);
                return 0;
        case ARGP_KEY_NO_ARGS:
                argp_error(state, "which folder?");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

static void boot_done(struct boot *b)
{
        free(b->folder);
        free(b->root_path);
        fd_close(b->root_fd);
        strings_clear(&b->folders);
        strings_clear(&b->units);
}

/* ---- which units ---- */

static bool is_triggered(const struct strings *names, const char *service)
{
        static const char *const types[] = { "socket", "timer", "path" };
        for (size_t i = 0; i < ELEMENTS(types); i++) {
                CLEAN_FREE char *trigger = xprintf("%.*s.%s", (int)(strlen(service) - strlen(".service")), service, types[i]);
                if (strings_has(names, trigger))
                        return true;
        }
        return false;
}

/* All of the folder but templates, what is masked, and services that a socket, timer or path starts when they are needed. */
static int choose_units(struct boot *b, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        strings_add(&b->folders, b->folder);
        unit_list_names(&b->folders, &names);
        for (size_t i = 0; i < names.count; i++) {
                const char *name = names.items[i];
                CLEAN_UNIT struct unit u = { 0 };
                struct error why = { 0 };
                int r = unit_load(&b->folders, name, b->lenient, &u, &why);
                if (r < 0 && !text_equal(why.id, "unit.masked")) {
                        *e = why;
                        return r;
                }
                if (r < 0 || unit_name_is_template(&u.name) || !text_equal(u.name.whole, name) ||
                    (u.name.type == UNIT_SERVICE && is_triggered(&names, name)))
                        continue;
                strings_add(&b->units, name);
        }
        return b->units.count ? 0 : error_set(e, ENOENT, "unit.missing", "there are no units in %s", b->folder);
}

/* ---- as process 1 ---- */

static const struct {
        const char *type, *target, *options;
        unsigned long flags;
} first_mounts[] = {
        { "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
        { "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
        { "devtmpfs", "/dev", "mode=0755", MS_NOSUID },
        { "devpts", "/dev/pts", "mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC },
        { "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
        { "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV },
        { "cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
};

/* What nobody has mounted before us; in a container the runtime has. What is refused is not for us to have. */
static void mount_first(void)
{
        for (size_t i = 0; i < ELEMENTS(first_mounts); i++) {
                struct statx x;
                (void)mkdir(first_mounts[i].target, 0755);
                if (statx(AT_FDCWD, first_mounts[i].target, 0, 0, &x) == 0 && x.stx_attributes & STATX_ATTR_MOUNT_ROOT)
                        continue;
                (void)mount(first_mounts[i].type, first_mounts[i].target, first_mounts[i].type, first_mounts[i].flags, first_mounts[i].options);
        }
}

static void reap(void)
{
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
}

/* All that is left in the container or on the machine, gently and then not. */
static void end_all(void)
{
        static const int signals[] = { SIGTERM, SIGKILL };
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                if (kill(-1, signals[i]) < 0)
                        return;
                for (int k = 0; k < 200; k++) {
                        reap();
                        if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
                                return;
                        (void)poll(NULL, 0, 10);
                }
        }
}

static void leave(enum at_end at_end)
{
        static const int commands[] = { [AT_END_POWEROFF] = RB_POWER_OFF, [AT_END_REBOOT] = RB_AUTOBOOT, [AT_END_HALT] = RB_HALT_SYSTEM };
        if (at_end == AT_END_EXIT)
                return;
        sync();
        (void)reboot(commands[at_end]);
        fprintf(stderr, "bulkhead: cannot leave the machine: %s\n", strerror(errno));
}

/* ---- looking after them ---- */

static int catch_signals(const struct boot *b)
{
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGCHLD);
        if (b->init) {
                (void)sigaddset(&set, SIGPWR);
                (void)sigaddset(&set, SIGRTMIN + 3); /* how container engines stop systemd */
        }
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Whether the end was asked for. */
static bool hear_signals(int fd)
{
        struct signalfd_siginfo info;
        bool asked = false;
        while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
                asked |= info.ssi_signo != SIGCHLD && info.ssi_signo != SIGHUP;
        reap();
        return asked;
}

static int look_after(struct manager *m, int signal_fd)
{
        bool asked = false;
        while (!asked && manager_live(m)) {
                manager_turn(m, signal_fd, -1);
                asked = hear_signals(signal_fd);
        }
        manager_stop(m);
        return m->failures && !asked ? 1 : 0;
}

static int boot(struct boot *b)
{
        struct error e = { 0 };
        CLEAN_MANAGER struct manager m = { 0 };
        if (b->init && getpid() == 1)
                mount_first();
        b->root_fd = state_root_open(b->user_mode, &b->root_path, &e);
        if (b->root_fd < 0 || choose_units(b, &e) < 0)
                return target_fail("boot", b->folder, &e);
        const struct manager_options o = { .root_fd = b->root_fd, .root_path = b->root_path, .user_mode = b->user_mode, .lenient = b->lenient, .report_denials = b->report_denials, .profile = b->profile,
                                           .folders = &b->folders, .requested = &b->units, .program = getenv("BULKHEAD_SERVICE"),
                                           .event = unit_progress_event, .context = &b->progress };
        CLEAN_FD int signal_fd = catch_signals(b);
        if (signal_fd < 0) {
                error_errno(&e, errno, "spawn.failed", "signalfd");
                return target_fail("boot", b->folder, &e);
        }
        if (manager_open(&o, &m, &e) < 0)
                return target_fail("boot", b->folder, &e);
        manager_start(&m, true);
        return b->detach ? m.failures > 0 : look_after(&m, signal_fd);
}

static int run_boot(const struct argp_option *options, const char *about, bool init, int argc, char **argv)
{
        const struct argp argp = { options, parse_option, "DIR", about, NULL, NULL, NULL };
        CLEAN(boot_done) struct boot b = { .init = init, .user_mode = geteuid() != 0, .root_fd = -EBADF, .progress.verbose = true };
        if (argp_parse(&argp, argc, argv, 0, NULL, &b) != 0)
                return 1;
        int status = boot(&b);
        if (init && getpid() == 1) {
                end_all();
                leave(b.at_end);
        }
        return status;
}

int cmd_boot_units(int argc, char **argv)
{
        return run_boot(boot_options, "Start all units of a folder in their order, and look after them until they end or a signal comes", false, argc, argv);
}

int cmd_init(int argc, char **argv)
{
        return run_boot(init_options, "Be process 1: start all units of a folder, look after them and all orphans, and stop them in order at the end",
                        true, argc, argv);
}
