/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which signals the first process of a process namespace hears. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/process.h"
#include "shim/service_process.h"

struct life {
        void (*prepare)(void);
        bool set_up;
        int ready[2], status[2];
};

static void handle(int sig)
{
        (void)sig;
}

static void block(void)
{
        sigset_t all;
        sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static void catch(void)
{
        (void)signal(SIGTERM, handle);
}

static void ignore(void)
{
        (void)signal(SIGTERM, SIG_IGN);
}

static void nothing(void)
{
}

/* A process of its own namespace, or not, that has prepared itself; its set-up lasts as long as its end of the pipe is open. */
static void begin(struct life *l, bool first, struct service_process *p)
{
        int pidfd = -EBADF;
        char byte;
        assert_int_equal(pipe2(l->ready, O_CLOEXEC), 0);
        assert_int_equal(pipe2(l->status, O_CLOEXEC), 0);
        pid_t pid = process_clone(first ? CLONE_NEWUSER | CLONE_NEWPID : 0, -1, &pidfd);
        if (pid == -EPERM)
                skip(); /* no namespaces for us */
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                l->prepare();
                if (!l->set_up)
                        close(l->status[1]); /* as execve does */
                (void)!write(l->ready[1], "", 1);
                for (;;)
                        pause();
        }
        close(l->status[1]);
        assert_int_equal(read(l->ready[0], &byte, 1), 1);
        service_process_set(p, pid, pidfd, l->status[0]);
}

static void end(struct life *l, struct service_process *p)
{
        (void)process_signal(p->pidfd, SIGKILL);
        assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
        service_process_clear(p);
        close(l->ready[0]), close(l->ready[1]);
}

static void who_is_deaf(void **state)
{
        static const struct {
                void (*prepare)(void);
                bool first, set_up, deaf;
        } rows[] = {
                { nothing, true, false, true },
                { catch, true, false, false },
                { ignore, true, false, false },
                { block, true, false, false },
                /* What is blocked and caught during the set-up comes from the supervisor, and goes before the program runs. */
                { nothing, true, true, true },
                { catch, true, true, true },
                { block, true, true, true },
                /* Not the first of a namespace: the kernel keeps it or ends the process. */
                { nothing, false, false, false },
                { block, false, true, false },
        };
        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct life l = { .prepare = rows[i].prepare, .set_up = rows[i].set_up };
                struct service_process p = SERVICE_PROCESS_NONE;
                begin(&l, rows[i].first, &p);
                assert_int_equal(service_process_is_deaf(&p, SIGTERM), rows[i].deaf);
                assert_false(service_process_is_deaf(&p, SIGKILL));
                end(&l, &p);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(who_is_deaf) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
