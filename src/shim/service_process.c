/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_process.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "os/file.h"
#include "os/process.h"

enum { DESCENT_MAX = 1000, CHILDREN_MAX = 1 << 20 };

void service_process_set(struct service_process *p, pid_t pid, int pidfd, int status_fd)
{
        service_process_clear(p);
        *p = (struct service_process){ .pid = pid, .pidfd = pidfd, .status_fd = status_fd };
}

void service_process_clear(struct service_process *p)
{
        fd_close(p->pidfd);
        fd_close(p->status_fd);
        *p = (struct service_process)SERVICE_PROCESS_NONE;
}

int service_process_adopt(struct service_process *p, pid_t pid)
{
        int fd = process_open(pid);
        if (fd < 0)
                return fd;
        service_process_set(p, pid, fd, -EBADF);
        return 0;
}

bool service_process_lives(const struct service_process *p)
{
        struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
        return p->pidfd >= 0 && poll(&f, 1, 0) == 0;
}

/* The hexadecimal set of signals in a line of /proc/PID/status. */
static bool set_has(const char *status, const char *name, int sig)
{
        const char *line = strstr(status, name);
        return line && (strtoull(line + strlen(name), NULL, 16) >> (sig - 1) & 1);
}

/* "NSpid:\t4711\t1": first of a namespace below ours. */
static bool is_first(const char *status)
{
        const char *line = strstr(status, "\nNSpid:"), *end = line ? strchr(line + 1, '\n') : NULL;
        const char *last = end ? memrchr(line, '\t', (size_t)(end - line)) : NULL;
        return last && last != strchr(line, '\t') && last + 2 == end && last[1] == '1';
}

/* It has not executed its program yet: until then the other end is open. */
static bool is_set_up(const struct service_process *p)
{
        struct pollfd f = { .fd = p->status_fd, .events = POLLIN };
        return p->status_fd >= 0 && poll(&f, 1, 0) >= 0 && !(f.revents & POLLHUP);
}

bool service_process_is_deaf(const struct service_process *p, int sig)
{
        static const int harmless[] = { SIGKILL, SIGSTOP, SIGCONT, SIGCHLD, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU };
        static const char *const heard[] = { "\nSigBlk:", "\nSigIgn:", "\nSigCgt:" };
        CLEAN_TEXT struct text t = { 0 };
        char path[32];
        for (size_t i = 0; i < ELEMENTS(harmless); i++)
                if (sig == harmless[i])
                        return false;
        (void)snprintf(path, sizeof path, "/proc/%d/status", (int)p->pid);
        /* First, for what is read after that may be the program's. What a set-up blocks and catches is the supervisor's, and is dropped with that. */
        bool set_up = is_set_up(p), hears = false;
        if (!p->pid || sig <= 0 || sig > 64 || file_read(AT_FDCWD, path, 65536, &t) < 0 || !t.data)
                return false;
        for (size_t i = 0; i < ELEMENTS(heard); i++)
                hears |= set_has(t.data, heard[i], sig);
        return is_first(t.data) && (set_up || !hears);
}

int service_process_hear(struct service_process *p, struct status_message *ret)
{
        *ret = (struct status_message){ 0 };
        if (p->status_fd < 0)
                return -1;
        ssize_t n = read(p->status_fd, ret, sizeof *ret);
        ret->note[sizeof ret->note - 1] = 0;
        ret->error.id[sizeof ret->error.id - 1] = ret->error.cause[sizeof ret->error.cause - 1] = ret->error.hint[sizeof ret->error.hint - 1] = 0;
        if (n == (ssize_t)sizeof *ret)
                return 1;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        p->status_fd = fd_close(p->status_fd);
        return -1;
}

struct process_exit service_exit_of(int status, int killed_for)
{
        if (WIFEXITED(status))
                return (struct process_exit){ EXIT_CODE_EXITED, WEXITSTATUS(status) };
        if (killed_for && WTERMSIG(status) == SIGKILL)
                return (struct process_exit){ EXIT_CODE_KILLED, killed_for };
        return (struct process_exit){ WCOREDUMP(status) ? EXIT_CODE_DUMPED : EXIT_CODE_KILLED, WTERMSIG(status) };
}

bool service_has_children(void)
{
        siginfo_t info;
        return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool service_is_child(pid_t pid)
{
        siginfo_t info;
        return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The parent of a process, 0 when it is gone. */
static pid_t parent_of(pid_t pid)
{
        char path[64];
        CLEAN_TEXT struct text t = { 0 };
        int parent = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        if (file_read(AT_FDCWD, path, 4096, &t) < 0)
                return 0;
        const char *behind = strrchr(t.data, ')'); /* the name may hold anything */
        return behind && sscanf(behind, ") %*c %d", &parent) == 1 ? parent : 0;
}

bool service_is_descendant(pid_t pid)
{
        for (int i = 0; i < DESCENT_MAX && pid > 1; i++) {
                pid = parent_of(pid);
                if (pid == getpid())
                        return true;
        }
        return false;
}

int service_read_pid_file(const char *path, pid_t *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        uint64_t pid;
        int r = file_read(AT_FDCWD, path, 128, &t);
        if (r == -ENOENT || (r == 0 && !t.length))
                return -EAGAIN;
        if (r < 0)
                return error_errno(e, r, "service.pid-file", "reading %s", path);
        t.data[strcspn(t.data, "\n \t")] = 0;
        if (text_parse_uint(t.data, INT_MAX, &pid) < 0 || pid < 2)
                return -EAGAIN; /* being written, or not for us: the time limit ends it */
        if (!service_is_descendant((pid_t)pid))
                return -EAGAIN;
        *ret = (pid_t)pid;
        return 1;
}

int service_guess_main(pid_t *ret)
{
        char path[96];
        CLEAN_TEXT struct text t = { 0 };
        pid_t found = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
        if (file_read(AT_FDCWD, path, CHILDREN_MAX, &t) < 0)
                return 0;
        char *rest = t.data;
        for (char *word; (word = strsep(&rest, " \n"));) {
                uint64_t pid;
                if (text_parse_uint(word, INT_MAX, &pid) < 0 || pid == 0 || process_holds_session((pid_t)pid))
                        continue;
                if (found)
                        return 0;
                found = (pid_t)pid;
        }
        *ret = found;
        return found > 0;
}
