/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a payload can do, asked of the kernel directly.  Built static by conftest.py; prints one JSON object.
 *      probe access PATH...        stat, open for reading and writing, create, execute
 *      probe undo NAME LOCKED HIDDEN PID   one way to take the sandbox apart; undo-names lists them
 *      probe call NAME...          system calls by name, x86-64 and i386 ("32:" before the name): the errno
 *      probe keyring | add-key NAME | find-key NAME | drop-key NAME   the session keyring, keys of the user
 *      probe attribute NAME        what kind of process it is, in the words of test_process.py
 *      probe sleep SECONDS | exit N | signal N | eat BYTES | fork N | spin MILLISECONDS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESULT(x) ((x) < 0 ? errno : 0)

static int attempt(int fd)
{
        if (fd < 0)
                return errno;
        close(fd);
        return 0;
}

static void print_access(const char *path)
{
        struct stat st;
        struct statvfs fs;
        if (lstat(path, &st) < 0) {
                printf("{\"stat\":%d}", errno);
                return;
        }
        if (stat(path, &st) < 0) {
                printf("{\"stat\":%d}", errno);
                return;
        }
        printf("{\"stat\":0,\"type\":%u,\"mode\":%u,\"uid\":%u,\"dev\":%lu,\"ino\":%lu", st.st_mode >> 12, st.st_mode & 07777, st.st_uid,
               (unsigned long)st.st_dev, (unsigned long)st.st_ino);
        printf(",\"read_only\":%d", statvfs(path, &fs) == 0 && fs.f_flag & ST_RDONLY);
        if (S_ISDIR(st.st_mode)) {
                DIR *d = opendir(path);
                int n = 0;
                printf(",\"read\":%d", d ? 0 : errno);
                for (struct dirent *e; d && (e = readdir(d));)
                        n += (e->d_name[0] != '.' || (e->d_name[1] && (e->d_name[1] != '.' || e->d_name[2]))) &&
                             strncmp(e->d_name, "probe-", 6) != 0; /* another one's attempt, of this very moment */
                if (d)
                        closedir(d);
                char name[4096];
                snprintf(name, sizeof name, "%s/probe-%d", path, getpid());
                int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600), error = fd < 0 ? errno : 0;
                if (fd >= 0) {
                        close(fd);
                        unlink(name);
                }
                printf(",\"entries\":%d,\"write\":%d", n, error);
        } else {
                char byte[64];
                int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY), error = fd < 0 ? errno : 0;
                long n = fd >= 0 && S_ISREG(st.st_mode) ? read(fd, byte, sizeof byte) : 0;
                if (fd >= 0)
                        close(fd);
                printf(",\"read\":%d,\"bytes\":%ld", error, n);
                printf(",\"write\":%d", attempt(open(path, (S_ISFIFO(st.st_mode) ? O_RDWR : O_WRONLY) | O_NONBLOCK | O_NOCTTY)));
        }
        if (S_ISREG(st.st_mode) && st.st_mode & 0111 && (strstr(path, "/run") || strstr(path, "/probe"))) {
                int status;
                pid_t pid = fork();
                if (pid == 0) {
                        char *argv[] = { (char *)path, (char *)"exit", (char *)"0", NULL }, *envp[] = { NULL };
                        execve(path, argv, envp);
                        _exit(errno);
                }
                waitpid(pid, &status, 0);
                printf(",\"exec\":%d", WIFEXITED(status) ? WEXITSTATUS(status) : 255);
        }
        putchar('}');
}

static const char *comma = "";

static void say(const char *name, int error)
{
        printf("%s\"%s\":%d", comma, name, error);
        comma = ",";
        fflush(stdout);
}

static int undo_setattr(const char *locked, const char *hidden)
{
        struct mount_attr a = { .attr_clr = MOUNT_ATTR_RDONLY };
        (void)hidden;
        return RESULT(syscall(SYS_mount_setattr, AT_FDCWD, locked, 0, &a, sizeof a));
}

static int undo_remount(const char *locked, const char *hidden)
{
        (void)hidden;
        return RESULT(mount(NULL, locked, NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int undo_umount(const char *locked, const char *hidden)
{
        (void)locked;
        return RESULT(umount2(hidden, MNT_DETACH));
}

static int undo_bind(const char *locked, const char *hidden)
{
        (void)hidden;
        return RESULT(mount("/usr", locked, NULL, MS_BIND, NULL));
}

static int undo_tmpfs(const char *locked, const char *hidden)
{
        (void)hidden;
        return RESULT(mount("x", locked, "tmpfs", 0, NULL));
}

static int undo_proc(const char *locked, const char *hidden)
{
        (void)hidden;
        return RESULT(mount("x", locked, "proc", 0, NULL));
}

static int undo_propagation(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        return RESULT(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
}

static int undo_move(const char *locked, const char *hidden)
{
        (void)locked;
        (void)mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL); /* a mount below a shared one does not move */
        return RESULT(mount(hidden, "/etc/hostname", NULL, MS_MOVE, NULL));
}

static int undo_open_tree(const char *locked, const char *hidden)
{
        (void)hidden;
        return attempt((int)syscall(SYS_open_tree, AT_FDCWD, locked, OPEN_TREE_CLONE | AT_RECURSIVE));
}

static int undo_fsopen(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        return attempt((int)syscall(SYS_fsopen, "tmpfs", 0));
}

static int undo_fsmount(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        int fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
        if (fd >= 0)
                (void)syscall(SYS_fsconfig, fd, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
        return attempt((int)syscall(SYS_fsmount, fd, 0, 0));
}

static int undo_fspick(const char *locked, const char *hidden)
{
        (void)hidden;
        return attempt((int)syscall(SYS_fspick, AT_FDCWD, locked, 0));
}

static int undo_move_mount(const char *locked, const char *hidden)
{
        (void)hidden;
        int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE);
        return RESULT(syscall(SYS_move_mount, fd, "", AT_FDCWD, locked, MOVE_MOUNT_F_EMPTY_PATH));
}

static int undo_pivot(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        if (unshare(CLONE_NEWNS) == 0) {
                (void)mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);
                (void)mount("/usr", "/usr", NULL, MS_BIND, NULL);
        }
        if (chdir("/usr") < 0)
                return errno;
        return RESULT(syscall(SYS_pivot_root, ".", "."));
}

struct handle {
        struct file_handle head;
        unsigned char bytes[128];
};

static int undo_handle(const char *locked, const char *hidden)
{
        struct handle h = { .head = { .handle_bytes = 128 } };
        int id, root = open("/", O_RDONLY | O_DIRECTORY);
        (void)hidden;
        if (name_to_handle_at(AT_FDCWD, locked, &h.head, &id, 0) < 0)
                h.head = (struct file_handle){ .handle_bytes = 8, .handle_type = 1 };
        return attempt(open_by_handle_at(root, &h.head, O_RDONLY));
}

static int undo_tiocsti(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        return RESULT(ioctl(0, TIOCSTI, "\n"));
}

static char outside[64]; /* "/proc/PID" of a process that is not in the sandbox */

static const char *outside_file(const char *name)
{
        static char path[128];
        snprintf(path, sizeof path, "%s/%s", outside, name);
        return path;
}

static int undo_setns(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        int fd = open(outside_file("ns/mnt"), O_RDONLY);
        return fd < 0 ? errno : RESULT(setns(fd, CLONE_NEWNS));
}

static int undo_pidfd_setns(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        int fd = (int)syscall(SYS_pidfd_open, atoi(outside + 6), 0);
        return fd < 0 ? errno : RESULT(setns(fd, CLONE_NEWNS));
}

static int undo_root_link(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        return attempt(open(outside_file("root/etc"), O_RDONLY | O_DIRECTORY));
}

static int undo_ptrace(const char *locked, const char *hidden)
{
        (void)locked, (void)hidden;
        return RESULT(syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, atoi(outside + 6), 0, 0));
}

/* A user namespace of its own gives all capabilities: they must not help. */
static int undo_userns_umount(const char *locked, const char *hidden)
{
        (void)locked;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return errno;
        return RESULT(umount2(hidden, MNT_DETACH));
}

static int undo_userns_remount(const char *locked, const char *hidden)
{
        (void)hidden;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return errno;
        return RESULT(mount(NULL, locked, NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int undo_chroot_escape(const char *locked, const char *hidden)
{
        (void)locked;
        struct stat st;
        int fd = open("/", O_RDONLY | O_DIRECTORY);
        if (fd < 0 || chroot("/usr") < 0 || fchdir(fd) < 0)
                return errno;
        for (int i = 0; i < 64; i++)
                if (chdir("..") < 0)
                        return errno;
        if (chroot(".") < 0 || stat(hidden, &st) < 0)
                return errno;
        return st.st_mode & 07777 ? 0 : EACCES;
}

static const struct {
        const char *name;
        int (*f)(const char *, const char *);
} undo[] = {
        { "mount_setattr", undo_setattr }, { "remount", undo_remount }, { "umount", undo_umount },
        { "bind", undo_bind }, { "tmpfs", undo_tmpfs }, { "proc", undo_proc }, { "propagation", undo_propagation }, { "move", undo_move },
        { "open_tree", undo_open_tree }, { "fsopen", undo_fsopen }, { "fsmount", undo_fsmount }, { "fspick", undo_fspick },
        { "move_mount", undo_move_mount }, { "pivot_root", undo_pivot }, { "open_by_handle_at", undo_handle }, { "tiocsti", undo_tiocsti },
        { "setns", undo_setns }, { "pidfd_setns", undo_pidfd_setns }, { "root_link", undo_root_link }, { "ptrace", undo_ptrace },
        { "userns_umount", undo_userns_umount }, { "userns_remount", undo_userns_remount }, { "chroot_escape", undo_chroot_escape },
};

static long call32(long nr, long a, long b, long c)
{
#ifdef __x86_64__
        long r;
        __asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
        return (int)r;
#else
        (void)nr, (void)a, (void)b, (void)c;
        return -ENOSYS;
#endif
}

/* Calls that change nothing when they are allowed; low holds a string below 4 GB for the i386 ABI. */
static int call(const char *name, char *low)
{
        int old = !strncmp(name, "32:", 3);
        name += old ? 3 : 0;
        strcpy(low, "probe-host");
        static const struct {
                const char *name;
                long nr64, nr32, a, b, c;
        } rows[] = {
                { "getpid", 39, 20, 0, 0, 0 },         { "getppid", 110, 64, 0, 0, 0 },    { "getuid", 102, 199, 0, 0, 0 },
                { "sethostname", 170, 74, -1, 10, 0 }, { "setdomainname", 171, 121, -1, 0, 0 }, { "iopl", 172, 110, 0, 0, 0 },
                { "ioperm", 173, 101, 0x80, 1, 0 },    { "chmod_suid", 90, 15, -1, 04755, 0 }, { "uname", 63, 122, -1, 0, 0 },
                { "mkdir", 83, 39, -1, 0755, 0 },      { "reboot", 169, 88, 0, 0, 0 },      { "swapoff", 168, 115, -1, 0, 0 },
                { "adjtimex", 159, 124, 0, 0, 0 },      { "init_module", 175, 128, -1, 0, -1 }, { "syslog", 103, 103, 10, 0, 0 },
                { "setns", 308, 346, -2, 0, 0 },        { "setns_net", 308, 346, -2, 0x40000000, 0 }, { "clone3", 435, 435, 0, 0, 0 },
                { "fifo_bad", 144, 156, -2, 1, 0 },     { "sched_setattr", 314, 351, 0, 0, 0 }, { "personality", 135, 136, 0x40000, 0, 0 },
                { "clone_uts", 56, 120, 0x04000000, 1, 0 }, { "netlink", 41, 359, 16, 3, 0 }, { "shmat_x", 30, 397, -2, 0, 0100000 },
                { "shmat_version", 30, 117, 0x20015, -2, 0100000 }, /* ipc(): shmat, with a version that the kernel drops */
                { "sync", 162, 36, 0, 0, 0 },          { "umask", 95, 60, 022, 0, 0 },      { "getpgrp", 111, 65, 0, 0, 0 },
        };
        if (!strcmp(name, "mmap_wx"))
                return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
        if (!strcmp(name, "mprotect_x"))
                return RESULT(mprotect(low, 4096, PROT_READ | PROT_EXEC));
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (strcmp(rows[i].name, name))
                        continue;
                long a = rows[i].a == -1 ? (long)low : rows[i].a, c = rows[i].c == -1 ? (long)low : rows[i].c;
                if (old) {
                        long r = call32(rows[i].nr32, a, rows[i].b, c);
                        return r < 0 && r > -4096 ? (int)-r : 0;
                }
                return RESULT(syscall(rows[i].nr64, a, rows[i].b, c));
        }
        return 4095;
}

/* ---- attributes ---- */

static void print_number_of(const char *path, int base)
{
        char line[64] = "";
        FILE *f = fopen(path, "re");
        if (!f || !fgets(line, sizeof line, f))
                exit(98);
        fclose(f);
        printf("%ld\n", strtol(line, NULL, base));
}

static void print_cpus(void)
{
        cpu_set_t *set = CPU_ALLOC(8192);
        size_t size = CPU_ALLOC_SIZE(8192);
        const char *comma = "";
        if (!set || sched_getaffinity(0, size, set) < 0)
                exit(98);
        putchar('[');
        for (int i = 0; i < 8192; i++)
                if (CPU_ISSET_S(i, size, set)) {
                        printf("%s%d", comma, i);
                        comma = ", ";
                }
        puts("]");
        CPU_FREE(set);
}

static int print_attribute(const char *name)
{
        struct sched_param priority;
        struct utsname machine;
        int policy = sched_getscheduler(0);
        long io = syscall(SYS_ioprio_get, 1, 0);
        if (!strcmp(name, "nice"))
                printf("%d\n", getpriority(PRIO_PROCESS, 0));
        else if (!strcmp(name, "cpus"))
                print_cpus();
        else if (!strcmp(name, "policy"))
                printf("%d\n", policy & ~SCHED_RESET_ON_FORK);
        else if (!strcmp(name, "reset"))
                puts(policy & SCHED_RESET_ON_FORK ? "True" : "False");
        else if (!strcmp(name, "priority") && sched_getparam(0, &priority) == 0)
                printf("%d\n", priority.sched_priority);
        else if (!strcmp(name, "io"))
                printf("(%ld, %ld)\n", io / 8192, io % 8192);
        else if (!strcmp(name, "slack"))
                printf("%d\n", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
        else if (!strcmp(name, "oom"))
                print_number_of("/proc/self/oom_score_adj", 10);
        else if (!strcmp(name, "core"))
                print_number_of("/proc/self/coredump_filter", 16);
        else if (!strcmp(name, "machine") && uname(&machine) == 0)
                puts(machine.machine);
        else
                return 97;
        return 0;
}

int main(int argc, char **argv)
{
        const char *what = argc > 1 ? argv[1] : "";
        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        if (!strcmp(what, "access")) {
                putchar('{');
                for (int i = 2; i < argc; i++) {
                        printf("%s\"%s\":", i > 2 ? "," : "", argv[i]);
                        fflush(stdout);
                        print_access(argv[i]);
                }
                puts("}");
        } else if (!strcmp(what, "undo") && argc == 6) {
                snprintf(outside, sizeof outside, "/proc/%d", atoi(argv[5]));
                for (size_t i = 0; i < sizeof undo / sizeof *undo; i++)
                        if (!strcmp(undo[i].name, argv[2])) {
                                int error = undo[i].f(argv[3], argv[4]);
                                dprintf(1, "{\"%s\":%d}\n", argv[2], error);
                                return 0;
                        }
                return 97;
        } else if (!strcmp(what, "attribute") && argc == 3)
                return print_attribute(argv[2]);
        else if (!strcmp(what, "keyring"))
                printf("%ld\n", syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
        else if (!strcmp(what, "add-key") && argc == 3)
                return syscall(SYS_add_key, "user", argv[2], "x", 1, -4) < 0;
        else if (!strcmp(what, "find-key") && argc == 3)
                return syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, -3, "user", argv[2], 0) < 0;
        else if (!strcmp(what, "drop-key") && argc == 3)
                return syscall(SYS_keyctl, 9 /* KEYCTL_UNLINK */, syscall(SYS_keyctl, 10, -4, "user", argv[2], 0), -4) < 0;
        else if (!strcmp(what, "undo-names")) {
                for (size_t i = 0; i < sizeof undo / sizeof *undo; i++)
                        puts(undo[i].name);
        } else if (!strcmp(what, "call")) {
                char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
                if (low == MAP_FAILED)
                        return 99;
                putchar('{');
                for (int i = 2; i < argc; i++)
                        say(argv[i], call(argv[i], low));
                puts("}");
        } else if (!strcmp(what, "exit") && argc == 3)
                return atoi(argv[2]);
        else if (!strcmp(what, "signal") && argc == 3) {
                kill(getpid(), atoi(argv[2]));
                pause();
        } else if (!strcmp(what, "sleep") && argc == 3)
                sleep((unsigned)atoi(argv[2]));
        else if (!strcmp(what, "eat") && argc == 3) {
                size_t n = strtoul(argv[2], NULL, 0);
                char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (p == MAP_FAILED)
                        return 98;
                for (size_t i = 0; i < n; i += 4096)
                        p[i] = 1;
                puts("ate");
        } else if (!strcmp(what, "fork") && argc == 3) {
                int made = 0, error = 0, n = atoi(argv[2]);
                pid_t *pids = calloc((size_t)n, sizeof *pids);
                for (int i = 0; i < n; i++) {
                        pid_t pid = fork();
                        if (pid == 0) {
                                pause();
                                _exit(0);
                        }
                        if (pid < 0) {
                                error = errno;
                                break;
                        }
                        pids[made++] = pid;
                }
                for (int i = 0; i < made; i++) {
                        kill(pids[i], SIGKILL);
                        waitpid(pids[i], NULL, 0);
                }
                printf("{\"made\":%d,\"error\":%d}\n", made, error);
        } else if (!strcmp(what, "spin") && argc == 3) {
                /* CPU time had in so many milliseconds. */
                struct timespec begin, now;
                long ms = atol(argv[2]), gone;
                clock_gettime(CLOCK_MONOTONIC, &begin);
                do {
                        clock_gettime(CLOCK_MONOTONIC, &now);
                        gone = (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
                } while (gone < ms);
                struct rusage u;
                getrusage(RUSAGE_SELF, &u);
                printf("{\"cpu_ms\":%ld}\n", (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
        } else
                return 97;
        return 0;
}
