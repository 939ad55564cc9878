/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holds a session of PAM (os/pam_wire.h).  The one program that is linked dynamically: PAM's modules are shared objects, and run with our rights,
 * which are those of the caller.  It ends with the process that the session is for, and lets no signal end it before.
 */
#include <poll.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "os/descriptor.h"
#include "os/pam_wire.h"

static int refuse(const char *what, const char *why)
{
        CLEAN_TEXT struct text t = { 0 };
        pam_wire_add(&t, "error");
        pam_wire_add(&t, what);
        pam_wire_add(&t, why);
        (void)pam_wire_send(PAM_SOCKET, &t);
        return EXIT_FAILURE;
}

/* ---- PAM ---- */

/* Nobody is there to be asked; what is only told is passed over. */
static int converse(int count, const struct pam_message **messages, struct pam_response **ret, void *data)
{
        (void)data;
        for (int i = 0; i < count; i++)
                if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON || messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
                        return PAM_CONV_ERR;
        *ret = calloc((size_t)count, sizeof **ret);
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

struct session {
        pam_handle_t *pam;
        bool has_credentials, is_open;
        int last;
};

static void session_done(struct session *s)
{
        if (s->is_open)
                s->last = pam_close_session(s->pam, PAM_SILENT);
        if (s->has_credentials)
                s->last = pam_setcred(s->pam, PAM_DELETE_CRED | PAM_SILENT);
        if (s->pam)
                (void)pam_end(s->pam, s->last);
}

static int set_items(struct session *s, const struct strings *request)
{
        const char *tty = request->items[2];
        int r = *tty ? pam_set_item(s->pam, PAM_TTY, tty) : PAM_SUCCESS;
        for (size_t i = 3; r == PAM_SUCCESS && i < request->count; i++)
                r = strchr(request->items[i], '=') ? pam_putenv(s->pam, request->items[i]) : PAM_SUCCESS;
        return r;
}

static int begin(struct session *s, const struct strings *request, const char **ret_step)
{
        static const struct pam_conv conversation = { converse, NULL };
        *ret_step = "pam_start";
        int r = pam_start(request->items[0], request->items[1], &conversation, &s->pam);
        if (r != PAM_SUCCESS)
                return s->last = r;
        *ret_step = "pam_putenv";
        if ((r = set_items(s, request)) != PAM_SUCCESS)
                return s->last = r;
        *ret_step = "pam_acct_mgmt";
        if ((r = pam_acct_mgmt(s->pam, PAM_SILENT)) != PAM_SUCCESS)
                return s->last = r;
        *ret_step = "pam_setcred";
        if ((r = pam_setcred(s->pam, PAM_ESTABLISH_CRED | PAM_SILENT)) != PAM_SUCCESS)
                return s->last = r;
        s->has_credentials = true;
        *ret_step = "pam_open_session";
        if ((r = pam_open_session(s->pam, PAM_SILENT)) != PAM_SUCCESS)
                return s->last = r;
        s->is_open = true;
        return s->last = PAM_SUCCESS;
}

/* ---- what the session made ---- */

static void read_limits(struct rlimit limits[RLIM_NLIMITS])
{
        for (int i = 0; i < RLIM_NLIMITS; i++)
                (void)getrlimit((__rlimit_resource_t)i, &limits[i]);
}

static void add_limits(struct text *t, const struct rlimit before[RLIM_NLIMITS])
{
        struct rlimit now[RLIM_NLIMITS];
        read_limits(now);
        pam_wire_add(t, "");
        for (int i = 0; i < RLIM_NLIMITS; i++) {
                if (now[i].rlim_cur == before[i].rlim_cur && now[i].rlim_max == before[i].rlim_max)
                        continue;
                CLEAN_FREE char *line = xprintf("limit %d %llu %llu", i, (unsigned long long)now[i].rlim_cur, (unsigned long long)now[i].rlim_max);
                pam_wire_add(t, line);
        }
}

static int answer(struct session *s, const struct rlimit before[RLIM_NLIMITS])
{
        CLEAN_TEXT struct text t = { 0 };
        char **environment = pam_getenvlist(s->pam);
        pam_wire_add(&t, "ok");
        for (char **p = environment; p && *p; p++) {
                if (**p)
                        pam_wire_add(&t, *p);
                free(*p);
        }
        free(environment);
        add_limits(&t, before);
        return pam_wire_send(PAM_SOCKET, &t);
}

/* Until the process has ended, or until we know that there will be none. */
static void wait_for_end(void)
{
        int pidfd = -EBADF;
        size_t count = 0;
        char byte;
        ssize_t n;
        do
                n = descriptor_receive(PAM_SOCKET, &byte, 1, &pidfd, 1, &count);
        while (n == -EINTR);
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        while (n == 1 && count == 1 && poll(&p, 1, -1) < 0 && errno == EINTR)
                ;
}

static void stay(int number)
{
        (void)number;
}

int main(void)
{
        /* Handlers, and not SIG_IGN: what modules start shall not inherit it. */
        static const int kept_out[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };
        const struct sigaction staying = { .sa_handler = stay, .sa_flags = SA_RESTART };
        CLEAN_STRINGS struct strings request = { 0 };
        CLEAN(session_done) struct session s = { 0 };
        struct rlimit before[RLIM_NLIMITS] = { 0 };
        const char *step = "";
        for (size_t i = 0; i < ELEMENTS(kept_out); i++)
                (void)sigaction(kept_out[i], &staying, NULL);
        read_limits(before);
        if (pam_wire_receive(PAM_SOCKET, &request) < 0 || request.count < 3)
                return EXIT_FAILURE;
        if (begin(&s, &request, &step) != PAM_SUCCESS)
                return refuse(step, s.pam ? pam_strerror(s.pam, s.last) : "it does not start");
        if (answer(&s, before) == 0)
                wait_for_end();
        return EXIT_SUCCESS;
}
