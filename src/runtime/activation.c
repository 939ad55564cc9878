/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/activation.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "os/path.h"
#include "os/process.h"

enum { MESSAGE_MAX = 4096, LISTEN_MAX = 4096 };

static const char target[] = "/run/notify", inside[] = "/run/notify/notify.sock";

/* ---- descriptors ---- */

unsigned activation_listen_count(void)
{
        const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
        uint64_t n = 0, p = 0;
        if (!pid || !count || text_parse_uint(pid, INT32_MAX, &p) < 0 || (pid_t)p != getpid() || text_parse_uint(count, LISTEN_MAX, &n) < 0)
                return 0;
        for (uint64_t i = 0; i < n; i++)
                if (fcntl(3 + (int)i, F_GETFD) < 0)
                        return 0;
        return (unsigned)n;
}

static void set_variable(struct strings *environment, const char *name, const char *value)
{
        CLEAN_FREE char *line = xprintf("%s=%s", name, value);
        size_t n = strlen(name) + 1;
        for (size_t i = 0; i < environment->count; i++)
                if (!strncmp(environment->items[i], line, n)) {
                        free(environment->items[i]);
                        environment->items[i] = TAKE_PTR(line);
                        return;
                }
        strings_add(environment, line);
}

void activation_environment(struct creation *c)
{
        unsigned n = activation_listen_count();
        const char *names = getenv("LISTEN_FDNAMES");
        if (n) {
                CLEAN_FREE char *count = xprintf("%u", n);
                set_variable(&c->sandbox.environment, "LISTEN_FDS", count);
                set_variable(&c->sandbox.environment, "LISTEN_PID", "1");
                if (names)
                        set_variable(&c->sandbox.environment, "LISTEN_FDNAMES", names);
        }
        if (getenv("NOTIFY_SOCKET"))
                set_variable(&c->sandbox.environment, "NOTIFY_SOCKET", inside);
}

/* ---- the socket in the container ---- */

int activation_plan(struct creation *c, struct error *e)
{
        struct plan_container *k = c->plan.container;
        char folder[4096];
        if (!getenv("NOTIFY_SOCKET") || !k->root.path)
                return 0;
        CLEAN_FD int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = proc < 0 ? -errno : path_of(proc, c->record.dir_fd, folder, sizeof folder);
        if (r == 0 && mkdirat(c->record.dir_fd, "notify", 0755) < 0)
                r = -errno;
        if (r == 0 && fchmodat(c->record.dir_fd, "notify", 0755, 0) < 0)
                r = -errno;
        if (r < 0)
                return error_errno(e, r, "state.failed", "making the folder of the notification socket");
        k->attaches = xgrow(k->attaches, &k->attach_room, k->attach_count + 1, sizeof *k->attaches);
        k->attaches[k->attach_count++] = (struct plan_attach){
                .source = xprintf("%s/notify", folder), .target = xstrdup(target), .bind = true, .target_no_follow = true,
                .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, .origin = "NOTIFY_SOCKET" };
        return 0;
}

/* The folder is reached through its descriptor, so that its path may have any length. */
int activation_listen(const struct record *r, struct error *e)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (!getenv("NOTIFY_SOCKET"))
                return -ENOENT;
        CLEAN_FD int folder = openat(r->dir_fd, "notify", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0)
                return -ENOENT; /* it was created without */
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/notify.sock", folder);
        (void)unlinkat(folder, "notify.sock", 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || fchmodat(folder, "notify.sock", 0777, 0) < 0)
                return error_errno(e, errno, "notify.socket", "making the notification socket of %s", r->id);
        return TAKE_FD(fd);
}

/* ---- what goes on ---- */

static void tell_manager(const char *text, size_t size)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = path ? strlen(path) : 0;
        if (!size || n < 2 || n >= sizeof address.sun_path || (*path != '/' && *path != '@'))
                return;
        memcpy(address.sun_path, path, n);
        if (*path == '@')
                address.sun_path[0] = 0;
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0)
                (void)sendto(fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

/* Pids, descriptors and watchdogs of a manager are not the payload's to set. */
static bool may_pass(const char *line)
{
        static const char *const words[] = { "READY=", "RELOADING=", "STOPPING=", "STATUS=", "ERRNO=", "WATCHDOG=1", "MONOTONIC_USEC=",
                                             "EXTEND_TIMEOUT_USEC=" };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_starts(line, words[i]))
                        return true;
        return false;
}

/* Takes one message and passes on its good lines, and our own behind READY=1. True when it was said. */
static bool pass(int fd, pid_t pid)
{
        char message[MESSAGE_MAX + 1];
        CLEAN_TEXT struct text good = { 0 };
        bool ready = false;
        ssize_t n = recv(fd, message, MESSAGE_MAX, MSG_DONTWAIT);
        if (n <= 0)
                return false;
        message[n] = 0;
        char *rest = message;
        for (char *line; (line = strsep(&rest, "\n"));) {
                if (!may_pass(line))
                        continue;
                ready |= text_equal(line, "READY=1");
                text_addf(&good, "%s\n", line);
        }
        if (ready && pid > 0)
                text_addf(&good, "MAINPID=%d\n", pid);
        tell_manager(good.data, good.length);
        return ready;
}

void activation_until_ready(int fd, const struct record *r, int pidfd)
{
        for (bool ended = false; !ended;) {
                struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return;
                ended = p[1].revents;
                if (p[0].revents && pass(fd, r->pid))
                        return;
        }
}

int activation_forward(int fd, struct error *e)
{
        int pidfd = -EBADF;
        pid_t parent = getpid(), pid = process_clone(0, -1, &pidfd);
        fd_close(pidfd);
        if (pid < 0)
                return error_errno(e, pid, "spawn.failed", "clone");
        if (pid > 0)
                return 0;
        const int kept[] = { fd };
        sigset_t none;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != parent)
                _exit(0);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        process_close_others(kept, 1, 0);
        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                if (poll(&p, 1, -1) > 0)
                        (void)pass(fd, 0);
        }
}
