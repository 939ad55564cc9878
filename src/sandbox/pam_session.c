/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/pam_session.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/exit_status.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/pam_wire.h"
#include "os/process.h"
#include "sandbox/child.h"
#include "sandbox/environment.h"

enum { PATIENCE_S = 90 };

static int failed(const struct plan *p, int r, struct error *e)
{
        error_status(e, STATUS_PAM);
        error_while(e, "applying %s", p->pam_origin);
        return r;
}

/* ---- starting it ---- */

static _Noreturn void become_pam(int fd)
{
        char *const argv[] = { (char[]){ "bulkhead-pam" }, NULL };
        char *const environment[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, NULL };
        sigset_t none;
        sigemptyset(&none);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        /* Lifted over those that they take the place of. */
        int high = fcntl(fd, F_DUPFD_CLOEXEC, 10), null_high = fcntl(null, F_DUPFD_CLOEXEC, 10);
        for (int i = 0; i < 3; i++)
                if (dup2(null_high, i) < 0)
                        _exit(1);
        if (high < 0 || dup2(high, PAM_SOCKET) < 0 || process_cloexec_from(PAM_SOCKET + 1) < 0 || chdir("/") < 0)
                _exit(1);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)setsid();
        process_exec_beside("bulkhead-pam", argv, environment);
        _exit(1);
}

/* A child's child, whose parent ends at once: with subreaping off for that moment it is not ours, and nothing else of ours is there to be lost. */
static int start_apart(int fd)
{
        int subreaper = 0, status = 0;
        (void)prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        pid_t pid = fork();
        if (pid == 0) {
                pid_t inner = fork();
                if (inner == 0)
                        become_pam(fd);
                _exit(inner < 0);
        }
        int r = pid < 0 ? -errno : 0;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        (void)prctl(PR_SET_CHILD_SUBREAPER, subreaper, 0, 0, 0);
        return r < 0 ? r : status ? -EAGAIN : 0;
}

static int start_child(int fd)
{
        pid_t pid = fork();
        if (pid == 0)
                become_pam(fd);
        return pid < 0 ? -errno : 0;
}

/* ---- talking ---- */

static int ask(int fd, const struct sandbox *s, const struct plan *p, const struct strings *environment)
{
        CLEAN_TEXT struct text t = { 0 };
        pam_wire_add(&t, p->pam_name);
        pam_wire_add(&t, s->account.name ? s->account.name : "");
        pam_wire_add(&t, p->process.tty.path && p->process.streams[0].kind == PLAN_STREAM_TTY ? p->process.tty.path : "");
        for (size_t i = 0; i < environment->count; i++)
                pam_wire_add(&t, environment->items[i]);
        return pam_wire_send(fd, &t);
}

/* ---- what it made ---- */

static void take_limit(struct plan *p, const char *text)
{
        unsigned resource;
        unsigned long long soft, hard;
        if (sscanf(text, "limit %u %llu %llu", &resource, &soft, &hard) == 3)
                process_take_limit(&p->process, resource, soft, hard, p->pam_origin);
}

static int take_answer(const struct strings *l, struct plan *p, struct strings *environment, struct error *e)
{
        bool limits = false;
        if (l->count >= 3 && text_equal(l->items[0], "error"))
                return error_set(e, EACCES, "pam.refused", "%s: %s", l->items[1], l->items[2]);
        if (!l->count || !text_equal(l->items[0], "ok"))
                return error_set(e, EBADMSG, "pam.failed", "bulkhead-pam gave no answer that can be understood");
        for (size_t i = 1; i < l->count; i++)
                if (!*l->items[i])
                        limits = true;
                else if (limits)
                        take_limit(p, l->items[i]);
                else if (strchr(l->items[i], '='))
                        environment_set(environment, l->items[i]);
        return 0;
}

/* A socket to bulkhead-pam: the end of it is that of the session. Or -errno. */
static int open_session(struct sandbox *s, struct strings *environment, bool alone, struct error *e)
{
        const struct timeval patience = { .tv_sec = PATIENCE_S };
        struct plan *p = s->plan;
        CLEAN_STRINGS struct strings answer = { 0 };
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(e, errno, "pam.failed", "socketpair");
        CLEAN_FD int ours = pair[0], theirs = pair[1];
        (void)setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        int r = alone ? start_apart(theirs) : start_child(theirs);
        theirs = fd_close(theirs);
        if (r == 0)
                r = ask(ours, s, p, environment);
        if (r == 0)
                r = pam_wire_receive(ours, &answer);
        if (r < 0) {
                error_errno(e, r, "pam.failed", "opening the session %s by bulkhead-pam", p->pam_name);
                error_hint(e, "bulkhead-pam is a program of its own, beside this one or in libexec/bulkhead");
                return r;
        }
        r = take_answer(&answer, p, environment, e);
        return r < 0 ? r : TAKE_FD(ours);
}

static void discard(struct sandbox_child *c)
{
        (void)process_signal(c->pidfd, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        c->pidfd = fd_close(c->pidfd);
        c->status_fd = fd_close(c->status_fd);
}

int pam_session_spawn(struct sandbox *s, struct strings *environment, bool alone, const struct sandbox_io *io, struct sandbox_child *ret, struct error *e)
{
        struct error own = { 0 };
        if (!s->plan->pam_name)
                return sandbox_spawn(s, io, ret, e);
        CLEAN_FD int session = open_session(s, environment, alone, &own);
        s->environment = *environment;
        if (session < 0) {
                failed(s->plan, session, &own);
                if (e)
                        *e = own;
                return session;
        }
        int r = sandbox_spawn(s, io, ret, e);
        if (r < 0 || (r = descriptor_send(session, "t", 1, &ret->pidfd, 1)) == 0)
                return r;
        discard(ret);
        return failed(s->plan, error_errno(e, r, "pam.failed", "telling bulkhead-pam of the process"), e);
}
