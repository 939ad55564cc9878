/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * learn_probe VERB[:ARGUMENT]...: does each and prints the results as JSON, {"VERB:ARGUMENT":errno}. "exit:N" and "signal:N" end it so;
 * "fork", "vfork" and "thread" do the rest of the line in another process or thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *comma = "";
static char **words;
static int at;

static int result(long r)
{
        return r < 0 ? errno : 0;
}

static int opened(int fd)
{
        int e = result(fd);
        if (fd >= 0)
                close(fd);
        return e;
}

static int execute(const char *path)
{
        int status;
        pid_t pid = fork();
        if (pid == 0) {
                execl(path, path, "-c", "exit 0", (char *)NULL);
                _exit(errno);
        }
        if (pid < 0)
                return errno;
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int meet(int port, int listens)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0)
                return errno;
        if (!listens)
                return result(connect(fd, (void *)&a, sizeof a)) | (close(fd) & 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        int e = result(bind(fd, (void *)&a, sizeof a));
        if (!e)
                e = result(listen(fd, 1));
        close(fd);
        return e;
}

static int filter_self(void)
{
        struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 42), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
        struct sock_fprog program = { 4, code };
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        int e = result(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
        return e ? e : getpgid(0) < 0 && errno == 42 ? 0 : 99;
}

static int write_file(const char *path)
{
        int fd = open(path, O_WRONLY);
        if (fd < 0)
                return errno;
        int e = result(write(fd, "x", 1));
        close(fd);
        return e;
}

static int set_id_file(const char *path)
{
        int fd = open(path, O_CREAT | O_RDWR, 0755);
        if (fd < 0)
                return errno;
        int e = result(fchmod(fd, 04755));
        close(fd);
        unlink(path);
        return e;
}

static int tracing(void)
{
        int status;
        pid_t pid = fork();
        if (pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
                        _exit(errno);
                raise(SIGSTOP);
                _exit(0);
        }
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status))
                return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
        ptrace(PTRACE_CONT, pid, 0, 0);
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int many(const char *path, int times)
{
        for (int i = 0; i < times; i++) {
                int fd = open(path, O_RDONLY);
                if (fd < 0)
                        return errno;
                close(fd);
        }
        return 0;
}

static int fill(const char *folder)
{
        char path[4096];
        for (int i = 0; i < 10000; i++) {
                snprintf(path, sizeof path, "%s/%d", folder, i);
                int fd = open(path, O_CREAT | O_RDWR, 0644);
                if (fd < 0)
                        return errno;
                close(fd);
                unlink(path);
        }
        return 0;
}

/* A path of nearly PATH_MAX bytes. */
static int deep(const char *folder)
{
        char name[201];
        memset(name, 'd', 200);
        name[200] = 0;
        if (chdir(folder) < 0)
                return errno;
        for (int i = 0; i < 19; i++)
                if ((mkdir(name, 0755) < 0 && errno != EEXIST) || chdir(name) < 0)
                        return errno;
        return opened(open("f", O_CREAT | O_RDWR, 0644));
}

static int step(const char *word)
{
        const char *a = strchr(word, ':');
        size_t n = a ? (size_t)(a - word) : strlen(word);
        a = a ? a + 1 : "";
#define IS(text) (n == sizeof(text) - 1 && !strncmp(word, text, n))
        if (IS("read"))
                return opened(open(a, O_RDONLY));
        if (IS("write"))
                return write_file(a);
        if (IS("make"))
                return opened(open(a, O_CREAT | O_RDWR, 0640));
        if (IS("mkdir"))
                return mkdir(a, 0750) == 0 || errno == EEXIST ? 0 : errno;
        if (IS("remove"))
                return result(unlink(a));
        if (IS("exec"))
                return execute(a);
        if (IS("connect"))
                return meet(atoi(a), 0);
        if (IS("listen"))
                return meet(atoi(a), 1);
        if (IS("raw"))
                return opened(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
        if (IS("netlink"))
                return opened(socket(AF_NETLINK, SOCK_RAW, 0));
        if (IS("suid"))
                return set_id_file(a);
        if (IS("wx"))
                return result((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1 ? -1 : 0);
        if (IS("chown"))
                return result(chown(a, 65534, 65534)) | result(chown(a, 0, 0));
        if (IS("setuid"))
                return result(setgroups(0, NULL)) ? errno : result(setgid((gid_t)atoi(a))) ? errno : result(setuid((uid_t)atoi(a)));
        if (IS("unshare"))
                return result(unshare(!strcmp(a, "net") ? CLONE_NEWNET : !strcmp(a, "uts") ? CLONE_NEWUTS : CLONE_NEWUSER));
        if (IS("realtime"))
                return result(sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 }));
        if (IS("personality"))
                return result(personality(ADDR_NO_RANDOMIZE));
        if (IS("mknod"))
                return result(mknod(a, S_IFCHR | 0600, makedev(1, 3))) ? errno : result(unlink(a));
        if (IS("shm"))
                return result(shmctl(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), IPC_RMID, NULL));
        if (IS("module"))
                return result(syscall(SYS_init_module, "", 0, ""));
        if (IS("chroot"))
                return result(chroot(a));
        if (IS("seccomp"))
                return filter_self();
        if (IS("trace"))
                return tracing();
        if (IS("many"))
                return many("/etc/hostname", atoi(a));
        if (IS("fill"))
                return fill(a);
        if (IS("deep"))
                return deep(a);
        if (IS("sleep")) {
                usleep((useconds_t)atoi(a) * 1000);
                return 0;
        }
        return 9999;
}

static void finish(int status)
{
        printf("}\n");
        fflush(stdout);
        _exit(status);
}

static void *rest(void *unused)
{
        for (; words[at]; at++) {
                const char *word = words[at];
                int status = 0;
                if (!strncmp(word, "exit:", 5))
                        finish(atoi(word + 5));
                if (!strncmp(word, "signal:", 7)) {
                        fflush(stdout);
                        raise(atoi(word + 7));
                }
                if (!strcmp(word, "serve")) {
                        /* Until SIGTERM. */
                        fflush(stdout);
                        pause();
                }
                if (!strcmp(word, "fork")) {
                        fflush(stdout);
                        pid_t pid = fork();
                        if (pid == 0)
                                continue;
                        waitpid(pid, &status, 0);
                        _exit(WEXITSTATUS(status));
                }
                if (!strcmp(word, "vfork")) {
                        pid_t pid = vfork();
                        if (pid == 0)
                                _exit(0);
                        waitpid(pid, &status, 0);
                        continue;
                }
                if (!strcmp(word, "thread")) {
                        pthread_t t;
                        at++;
                        if (pthread_create(&t, NULL, rest, NULL) != 0)
                                finish(98);
                        pthread_join(t, NULL);
                        finish(97);
                }
                int e = step(word);
                printf("%s\"", comma);
                for (const char *c = word; *c; c++)
                        *c == '\n' ? printf("\\n") : printf("%c", *c);
                printf("\":%d", e);
                comma = ",";
        }
        finish(0);
        return unused;
}

int main(int argc, char **argv)
{
        (void)argc;
        words = argv + 1;
        printf("{");
        rest(NULL);
        return 0;
}
