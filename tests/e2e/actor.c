/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service that does as it is told, word by word:  actor EVENTS WORD...
 * Built static by services.py. EVENTS is a fifo that the test reads; what is written is one line.
 *      say=TEXT           writes TEXT          pid=TEXT   writes TEXT and our process id
 *      env=NAME           writes NAME=VALUE    fds        writes how many descriptors lie from 3 on, and LISTEN_FDNAMES
 *      hear=FILE          waits until there is such a file
 *      notify=TEXT        to the supervisor; "\n" is a new line, "%p" our process id
 *      store=NAME         hands a descriptor over, to be kept under this name
 *      barrier            waits until the supervisor has taken all that was sent before
 *      ignore             SIGTERM, SIGINT, SIGHUP from now on; later children too
 *      echo               says SIGNAL for each of SIGHUP, SIGUSR1, SIGUSR2 from now on
 *      reloads            answers SIGHUP as Type=notify-reload wants it
 *      child=WORD,WORD... forks a child that does these; "+" stands for "="
 *      apart              leaves session and process group
 *      daemon             goes on in a child, whose parent ends
 *      pidfile=PATH       writes our process id there
 *      eat=MIB            fills memory     exit=N   signal=N   stay (for ever)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int events = -1;

static void say(const char *text)
{
        char line[1024];
        int n = snprintf(line, sizeof line, "%s\n", text);
        if (write(events, line, (size_t)n) != n)
                exit(99);
}

static void say_number(const char *text, long number)
{
        char line[512];
        (void)snprintf(line, sizeof line, "%s %ld", text, number);
        say(line);
}

static void send_text(const char *text, int fd)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        char data[8192];
        size_t n = 0;
        for (; *text && n < sizeof data - 32; text++)
                if (text[0] == '\\' && text[1] == 'n')
                        data[n++] = '\n', text++;
                else if (text[0] == '%' && text[1] == 'p')
                        n += (size_t)sprintf(data + n, "%d", (int)getpid()), text++;
                else
                        data[n++] = *text;
        if (!path) {
                say("no socket");
                return;
        }
        (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec v = { data, n };
        struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1 };
        if (fd >= 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof control;
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(c), &fd, sizeof fd);
        }
        if (sendmsg(s, &m, MSG_NOSIGNAL) < 0)
                say_number("cannot send", errno);
        close(s);
}

static void store(const char *name)
{
        char text[256];
        int fd = memfd_create("stored", MFD_CLOEXEC);
        if (write(fd, name, strlen(name)) < 0)
                exit(98);
        (void)snprintf(text, sizeof text, "FDSTORE=1\\nFDNAME=%s", name);
        send_text(text, fd);
        close(fd);
}

static void barrier(void)
{
        int p[2];
        if (pipe2(p, O_CLOEXEC) < 0)
                exit(97);
        send_text("BARRIER=1", p[1]);
        close(p[1]);
        struct pollfd f = { .fd = p[0] };
        (void)poll(&f, 1, -1);
        close(p[0]);
}

static void tell_fds(void)
{
        char line[1024];
        int n = 0;
        while (fcntl(3 + n, F_GETFD) >= 0)
                n++;
        const char *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
        (void)snprintf(line, sizeof line, "%d descriptors, %s, %s", n, names ? names : "-", pid && atoi(pid) == getpid() ? "mine" : "not mine");
        say(line);
}

static void on_signal(int number)
{
        say(number == SIGHUP ? "SIGHUP" : number == SIGUSR1 ? "SIGUSR1" : "SIGUSR2");
}

static void on_reload(int number)
{
        char text[128];
        struct timespec t;
        (void)number;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        (void)snprintf(text, sizeof text, "RELOADING=1\\nMONOTONIC_USEC=%lld", (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
        send_text(text, -1);
        say("reloads");
        send_text("READY=1", -1);
}

static void act(char *word);

static void child(char *words)
{
        if (fork() != 0)
                return;
        char *save = NULL;
        for (char *p = words; *p; p++)
                if (*p == '+')
                        *p = '=';
        for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save))
                act(w);
        exit(0);
}

static void eat(size_t mib)
{
        for (size_t i = 0; i < mib; i++)
                memset(malloc(1 << 20), 1, 1 << 20);
}

static void write_pid(const char *path)
{
        FILE *f = fopen(path, "w");
        if (f)
                fprintf(f, "%d\n", (int)getpid());
        if (!f || fclose(f))
                say_number("no pid file", errno);
}

static void act(char *word)
{
        char *value = strchr(word, '=');
        if (value)
                *value++ = 0;
        if (!strcmp(word, "say"))
                say(value);
        else if (!strcmp(word, "pid"))
                say_number(value, getpid());
        else if (!strcmp(word, "env")) {
                char line[512];
                (void)snprintf(line, sizeof line, "%s=%s", value, getenv(value) ? getenv(value) : "-");
                say(line);
        } else if (!strcmp(word, "fds"))
                tell_fds();
        else if (!strcmp(word, "hear"))
                while (access(value, F_OK) < 0)
                        usleep(2000);
        else if (!strcmp(word, "notify"))
                send_text(value, -1);
        else if (!strcmp(word, "store"))
                store(value);
        else if (!strcmp(word, "barrier"))
                barrier();
        else if (!strcmp(word, "ignore"))
                signal(SIGTERM, SIG_IGN), signal(SIGINT, SIG_IGN), signal(SIGHUP, SIG_IGN);
        else if (!strcmp(word, "echo"))
                signal(SIGHUP, on_signal), signal(SIGUSR1, on_signal), signal(SIGUSR2, on_signal);
        else if (!strcmp(word, "reloads"))
                signal(SIGHUP, on_reload);
        else if (!strcmp(word, "child"))
                child(value);
        else if (!strcmp(word, "apart"))
                setsid();
        else if (!strcmp(word, "daemon")) {
                if (fork() != 0)
                        _exit(0);
                setsid();
        } else if (!strcmp(word, "pidfile"))
                write_pid(value);
        else if (!strcmp(word, "eat"))
                eat((size_t)atoi(value));
        else if (!strcmp(word, "exit"))
                exit(atoi(value));
        else if (!strcmp(word, "signal")) {
                struct rlimit none = { 0, 0 };
                setrlimit(RLIMIT_CORE, &none);
                raise(atoi(value));
        } else if (!strcmp(word, "stay"))
                for (;;)
                        pause();
        else
                exit(96);
}

int main(int argc, char **argv)
{
        int fd = argc < 2 ? -1 : open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0)
                return 95;
        events = fcntl(fd, F_DUPFD_CLOEXEC, 64); /* out of the way of what is passed */
        close(fd);
        for (int i = 2; i < argc; i++)
                act(argv[i]);
        return 0;
}
