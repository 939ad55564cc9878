/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a program and stops it at one chosen system call of one of its processes:
 *
 *      crashwalk -o REPORT [-p PROCESS] [-n CALL] [-m MODE] [-e ERRNO] [-l MS] [-t] [-d MS] PROGRAM [ARGUMENT...]
 *
 * Processes are numbered in the order of their birth; 0 is the program itself.  Calls are numbered from 1.  Modes:
 *
 *      count   writes each call to the report: PROCESS CALL NAME
 *      entry   kills the process at the entry of the call, which is not made
 *      exit    kills it when the call is done and it has not seen the result
 *      fail    has the call not made and fail with ERRNO
 *
 * -t kills all processes and not this one alone.  -l lets the others go on for a while before the kill, up to where
 * they wait.  -d holds the program up for a while each time that it has made a process, which goes on.  A process that executes another program (a payload, a hook) is let go.  The last line of the report is
 * "exit STATUS", "signal NUMBER" or "hang", of the program itself; before it stands "hit NAME" when the call was reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum mode { COUNT, ENTRY, EXIT, FAIL };
enum { PROCESSES_MAX = 256, TIMEOUT_MS = 60000, COUNT_ON_MS = 50 };

struct process {
        pid_t pid;
        unsigned calls;
        bool traced, started, in_call, dead;
};

static struct {
        struct process processes[PROCESSES_MAX];
        unsigned count, victim, call;
        enum mode mode;
        int error, linger_ms, delay_ms, status;
        bool whole_tree, hit, failing, over, released;
        FILE *report;
} w;

static void die(const char *what)
{
        fprintf(stderr, "crashwalk: %s: %s\n", what, strerror(errno));
        exit(99);
}

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct process *find(pid_t pid)
{
        for (unsigned i = 0; i < w.count; i++)
                if (w.processes[i].pid == pid && !w.processes[i].dead)
                        return &w.processes[i];
        return NULL;
}

static struct process *add(pid_t pid)
{
        struct process *p = find(pid);
        if (p)
                return p;
        if (w.count == PROCESSES_MAX)
                die("too many processes");
        p = &w.processes[w.count++];
        *p = (struct process){ .pid = pid, .traced = true };
        return p;
}

/* Only those whose calls matter stop at them. */
static bool is_watched(const struct process *p)
{
        return w.mode == COUNT || (!w.hit && p == &w.processes[w.victim]) || (w.failing && p == &w.processes[w.victim]);
}

static void go_on(struct process *p, int signal)
{
        (void)ptrace(is_watched(p) ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, NULL, (void *)(intptr_t)signal);
}

static void let_go(struct process *p, int signal)
{
        p->traced = false;
        (void)ptrace(PTRACE_DETACH, p->pid, NULL, (void *)(intptr_t)signal);
}

/* ---- the act ---- */

static void turn(int wait_ms);

static void kill_victims(struct process *victim)
{
        int64_t end = now_ms() + w.linger_ms;
        while (w.linger_ms && now_ms() < end)
                turn((int)(end - now_ms()));
        (void)kill(victim->pid, SIGKILL);
        for (unsigned i = 0; w.whole_tree && i < w.count; i++)
                if (!w.processes[i].dead && w.processes[i].traced)
                        (void)kill(w.processes[i].pid, SIGKILL);
        w.released = true;
}

static void set_result(pid_t pid, bool at_entry)
{
#ifdef __x86_64__
        struct user_regs_struct r;
        if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
                return;
        if (at_entry)
                r.orig_rax = (unsigned long long)-1;
        else
                r.rax = (unsigned long long)-w.error;
        (void)ptrace(PTRACE_SETREGS, pid, NULL, &r);
#else
        (void)pid, (void)at_entry;
        errno = ENOSYS;
        die("failing calls on this processor");
#endif
}

static void name_of(uint64_t number, char *ret, size_t size)
{
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);
        (void)snprintf(ret, size, "%s", name ? name : "unknown");
        free(name);
}

/* True: the process is not to go on. */
static bool at_call(struct process *p)
{
        struct ptrace_syscall_info info = { 0 };
        char name[64];
        if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, (void *)sizeof info, &info) < 0)
                return false;
        if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
                if (w.failing && p == &w.processes[w.victim]) {
                        set_result(p->pid, false);
                        w.failing = false;
                        w.released = true;
                }
                if (w.mode == EXIT && !w.hit && p == &w.processes[w.victim] && p->calls == w.call) {
                        w.hit = true;
                        kill_victims(p);
                        return true;
                }
                return false;
        }
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !p->started)
                return false;
        p->calls++;
        bool chosen = w.mode != COUNT && p == &w.processes[w.victim] && p->calls == w.call && !w.hit;
        if (w.mode != COUNT && !chosen)
                return false;
        name_of(info.entry.nr, name, sizeof name);
        if (w.mode == COUNT)
                fprintf(w.report, "%td %u %s\n", p - w.processes, p->calls, name);
        else
                fprintf(w.report, "hit %s\n", name);
        (void)fflush(w.report);
        if (w.mode == ENTRY) {
                w.hit = true;
                kill_victims(p);
                return true;
        }
        if (w.mode == FAIL) {
                w.hit = w.failing = true;
                set_result(p->pid, true);
        }
        return false;
}

/* ---- events ---- */

static void on_end(struct process *p, int status)
{
        p->dead = true;
        if (p != &w.processes[0])
                return;
        w.over = true;
        w.status = status;
}

static void on_event(struct process *p, int event)
{
        unsigned long child = 0;
        switch (event) {
        case PTRACE_EVENT_FORK:
        case PTRACE_EVENT_VFORK:
        case PTRACE_EVENT_CLONE:
                if (ptrace(PTRACE_GETEVENTMSG, p->pid, NULL, &child) == 0)
                        add((pid_t)child)->started = true;
                for (int64_t end = now_ms() + w.delay_ms; p == &w.processes[0] && now_ms() < end;)
                        turn((int)(end - now_ms()));
                go_on(p, 0);
                return;
        case PTRACE_EVENT_EXEC:
                if (p == &w.processes[0]) {
                        p->started = true;
                        go_on(p, 0);
                } else
                        let_go(p, 0);
                return;
        default: go_on(p, 0);
        }
}

static void on_stop(pid_t pid, int status)
{
        struct process *p = add(pid); /* a child's first stop may come before its parent's event */
        int signal = WSTOPSIG(status), event = status >> 16;
        if (p != &w.processes[0])
                p->started = true;
        if (signal == (SIGTRAP | 0x80) && w.released)
                let_go(p, 0);
        if (signal == (SIGTRAP | 0x80) && !w.released && !at_call(p))
                go_on(p, 0);
        if (signal == (SIGTRAP | 0x80))
                return;
        /* What is only of interest until the act is free after it. */
        if (w.released && event == PTRACE_EVENT_STOP)
                let_go(p, 0);
        else if (event)
                on_event(p, event);
        else
                go_on(p, signal);
}

/* One event, or a short sleep, at most wait_ms. */
static void turn(int wait_ms)
{
        int status;
        pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);
        if (pid > 0) {
                struct process *p = find(pid);
                if (WIFSTOPPED(status))
                        on_stop(pid, status);
                else if (p)
                        on_end(p, status);
                return;
        }
        if (pid < 0)
                w.over = true;
        else if (wait_ms > 0)
                nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

/* With options that kill what we trace, all must be let go before we end. */
static void release_all(void)
{
        int64_t end = now_ms() + 30000;
        w.released = true;
        for (unsigned i = 0; i < w.count; i++)
                if (!w.processes[i].dead && w.processes[i].traced)
                        (void)ptrace(PTRACE_INTERRUPT, w.processes[i].pid, NULL, NULL);
        for (bool left = true; left && now_ms() < end;) {
                left = false;
                for (unsigned i = 0; i < w.count; i++)
                        left |= !w.processes[i].dead && w.processes[i].traced;
                if (left)
                        turn(1);
        }
}

static void follow(void)
{
        int64_t end = now_ms() + TIMEOUT_MS;
        bool interrupted = false;
        while (!w.over && now_ms() < end) {
                int status;
                /* Nothing is left to decide: whoever is traced runs free. */
                if (w.released && !interrupted) {
                        interrupted = true;
                        for (unsigned i = 0; i < w.count; i++)
                                if (!w.processes[i].dead && w.processes[i].traced)
                                        (void)ptrace(PTRACE_INTERRUPT, w.processes[i].pid, NULL, NULL);
                }
                if (w.released) {
                        turn(1);
                        continue;
                }
                pid_t pid = waitpid(-1, &status, __WALL);
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid < 0)
                        return;
                struct process *p = find(pid);
                if (WIFSTOPPED(status))
                        on_stop(pid, status);
                else if (p)
                        on_end(p, status);
        }
}

static void on_alarm(int number)
{
        (void)number;
}

static void start(char **argv)
{
        int ready[2];
        char byte = 0;
        if (pipe2(ready, O_CLOEXEC) < 0)
                die("pipe");
        pid_t pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0) {
                (void)close(ready[1]);
                if (read(ready[0], &byte, 1) == 1)
                        execv(argv[0], argv);
                _exit(98);
        }
        const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                      PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
        add(pid);
        if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0)
                die("seizing the program");
        if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || write(ready[1], &byte, 1) != 1)
                die("starting the program");
        (void)close(ready[0]);
        (void)close(ready[1]);
}

static enum mode parse_mode(const char *s)
{
        static const char *const names[] = { "count", "entry", "exit", "fail" };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (!strcmp(names[i], s))
                        return (enum mode)i;
        errno = EINVAL;
        die("mode");
        return COUNT;
}

static void parse(int argc, char **argv)
{
        for (int c; (c = getopt(argc, argv, "+o:p:n:m:e:l:td:")) >= 0;)
                switch (c) {
                case 'o': w.report = fopen(optarg, "we"); break;
                case 'p': w.victim = (unsigned)atoi(optarg); break;
                case 'n': w.call = (unsigned)atoi(optarg); break;
                case 'm': w.mode = parse_mode(optarg); break;
                case 'e': w.error = atoi(optarg); break;
                case 'l': w.linger_ms = atoi(optarg); break;
                case 't': w.whole_tree = true; break;
                case 'd': w.delay_ms = atoi(optarg); break;
                default: exit(99);
                }
        if (!w.report || optind == argc || w.victim >= PROCESSES_MAX) {
                errno = EINVAL;
                die("usage: crashwalk -o REPORT [-p PROCESS] [-n CALL] [-m MODE] [-e ERRNO] [-l MS] [-t] [-d MS] PROGRAM [ARGUMENT...]");
        }
}

int main(int argc, char **argv)
{
        parse(argc, argv);
        /* A signal ends a wait in which nothing more happens. */
        (void)sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
        (void)alarm(TIMEOUT_MS / 1000 + 1);
        start(argv + optind);
        follow();
        bool ended = w.processes[0].dead;
        /* A container's process has still a way to go to where it waits. */
        for (int64_t end = now_ms() + COUNT_ON_MS; w.mode == COUNT && now_ms() < end;)
                turn(1);
        if (!ended)
                fputs("hang\n", w.report);
        else if (WIFEXITED(w.status))
                fprintf(w.report, "exit %d\n", WEXITSTATUS(w.status));
        else
                fprintf(w.report, "signal %d\n", WTERMSIG(w.status));
        if (!ended)
                (void)kill(w.processes[0].pid, SIGKILL);
        release_all();
        (void)fclose(w.report);
        return 0;
}
