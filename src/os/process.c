/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/process.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mutant.h"
#include "os/file.h"

/* Where clone3 is hidden, as containers do that look into the flags of clone; the child then moves itself. */
static pid_t clone_plain(uint64_t namespaces, int cgroup_fd, int *ret_pidfd)
{
        int pidfd = -EBADF;
        long pid = syscall(SYS_clone, namespaces | CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
        if (pid < 0)
                return -errno;
        if (pid > 0) {
                *ret_pidfd = pidfd;
                return (pid_t)pid;
        }
        if (cgroup_fd >= 0) {
                CLEAN_FD int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
                if (fd < 0 || write(fd, "0", 1) != 1)
                        _exit(219);
        }
        return 0;
}

static pid_t clone_modern(uint64_t flags, int exit_signal, int cgroup_fd, int *ret_pidfd)
{
        int pidfd = -EBADF;
        struct clone_args args = {
                .flags = flags | CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uintptr_t)&pidfd,
                .exit_signal = (uint64_t)exit_signal,
                .cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
        };
        long pid = syscall(SYS_clone3, &args, sizeof args);
        if (pid < 0)
                return -errno;
        if (pid > 0)
                *ret_pidfd = pidfd;
        return (pid_t)pid;
}

pid_t process_clone(uint64_t namespaces, int cgroup_fd, int *ret_pidfd)
{
        pid_t pid = clone_modern(namespaces, SIGCHLD, cgroup_fd, ret_pidfd);
        return pid == -ENOSYS ? clone_plain(namespaces, cgroup_fd, ret_pidfd) : pid;
}

pid_t process_clone_sibling(uint64_t namespaces, int cgroup_fd, int *ret_pidfd)
{
        return clone_modern(namespaces | CLONE_PARENT, 0, cgroup_fd, ret_pidfd);
}

/*
 * The child returns from the system call on the other stack, where there is nothing to return to: it must call run at
 * once.  The C library does as much for posix_spawn, but takes no control group.  AddressSanitizer knows no other stack.
 */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
static long clone_calling(const struct clone_args *args, void (*run)(void *), void *data)
{
        long r;
        register void (*called)(void *) __asm__("r12") = run;
        register void *with __asm__("r13") = data;
        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "mov %%r13, %%rdi\n\t"
                         "call *%%r12\n\t"
                         "ud2\n"
                         "1:"
                         : "=a"(r)
                         : "0"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(called), "r"(with)
                         : "rcx", "r11", "memory");
        return r;
}
#else
static long clone_calling(const struct clone_args *args, void (*run)(void *), void *data)
{
        (void)args, (void)run, (void)data;
        return -ENOSYS;
}
#endif

pid_t process_clone_borrowing(int cgroup_fd, void (*run)(void *data), void *data)
{
        enum { STACK_SIZE = 1 << 19, GUARD_SIZE = 1 << 16 };
        char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED)
                return -errno;
        const struct clone_args args = {
                .flags = CLONE_VM | CLONE_VFORK | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .exit_signal = SIGCHLD,
                .stack = (uintptr_t)stack,
                .stack_size = STACK_SIZE,
                .cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
        };
        long pid = mprotect(stack, GUARD_SIZE, PROT_NONE) < 0 ? -errno : clone_calling(&args, run, data);
        (void)munmap(stack, STACK_SIZE);
        return (pid_t)pid;
}

pid_t process_clone_files(void)
{
        struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
        long pid = syscall(SYS_clone3, &args, sizeof args);
        return pid < 0 ? -errno : (pid_t)pid;
}

int process_open(pid_t pid)
{
        long fd = syscall(SYS_pidfd_open, pid, 0);
        return fd < 0 ? -errno : (int)fd;
}

/* A pidfd is a process's: that of a thread, which shares its table of descriptors as a rule. */
static pid_t process_of_thread(pid_t thread)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *path = xprintf("/proc/%d/status", thread);
        const char *line = file_read(AT_FDCWD, path, 65536, &t) == 0 ? strstr(t.data, "\nTgid:") : NULL;
        return line ? (pid_t)strtol(line + 6, NULL, 10) : -ESRCH;
}

int process_copy_descriptor(pid_t thread, int number)
{
        pid_t pid = process_of_thread(thread);
        CLEAN_FD int pidfd = pid < 0 ? pid : process_open(pid);
        if (pidfd < 0)
                return pidfd;
        long fd = syscall(SYS_pidfd_getfd, pidfd, number, 0); /* close-on-exec */
        return fd < 0 ? -errno : (int)fd;
}

void process_forget_signals(void)
{
        static const uint64_t by_default[4]; /* what the kernel takes: signal() refuses those that the C library has for itself */
        sigset_t none;
        sigemptyset(&none);
        for (int n = 1; n < NSIG; n++)
                (void)syscall(SYS_rt_sigaction, n, by_default, NULL, sizeof(uint64_t));
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_signal(int pidfd, int signal)
{
        return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int process_cloexec_from(unsigned first)
{
        return !MUTANT("keep-fds") && syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

void process_close_others(const int *kept, size_t count, unsigned first)
{
        for (unsigned from = first;;) {
                unsigned next = ~0U;
                for (size_t i = 0; i < count; i++)
                        if (kept[i] >= (int)from && (unsigned)kept[i] < next)
                                next = (unsigned)kept[i];
                if (next > from)
                        (void)syscall(SYS_close_range, from, next == ~0U ? next : next - 1, 0);
                if (next == ~0U)
                        return;
                from = next + 1;
        }
}

const char *process_namespace_name(uint64_t flag)
{
        static const struct {
                uint64_t flag;
                const char *name;
        } names[] = {
                { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "pid" }, { CLONE_NEWNET, "network" }, { CLONE_NEWIPC, "ipc" },
                { CLONE_NEWUTS, "uts" },  { CLONE_NEWUSER, "user" }, { CLONE_NEWCGROUP, "cgroup" },
                { 0x80, "time" },
        };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (names[i].flag == flag)
                        return names[i].name;
        return "unknown";
}

void process_exec_beside(const char *name, char *const *argv, char *const *environment)
{
        static const char *const places[] = { "", "../libexec/bulkhead/", "../lib/bulkhead/", "../../src/" /* a build */ };
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = 0;
        char *slash = strrchr(self, '/');
        if (!slash)
                return;
        slash[1] = 0;
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                CLEAN_FREE char *path = xprintf("%s%s%s", self, places[i], name);
                (void)execve(path, argv, environment);
                if (errno != ENOENT)
                        return;
        }
}

bool process_holds_session(pid_t pid)
{
        static const char program[] = "/bulkhead-pam";
        char path[32], exe[PATH_MAX];
        struct stat st;
        (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
        if (stat(path, &st) < 0 || st.st_uid != geteuid())
                return false;
        (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
        ssize_t n = readlink(path, exe, sizeof exe - 1);
        if (n < (ssize_t)sizeof program)
                return false;
        exe[n] = 0;
        return text_equal(strrchr(exe, '/'), program);
}
