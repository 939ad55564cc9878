/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: a line of JSON for each look at what a container uses, and for each time that its memory ran out. */
#include "cli/oci.h"

#include <poll.h>
#include <string.h>
#include <time.h>

enum { KEY_INTERVAL = 256, KEY_STATS };

struct watching {
        int64_t interval_ms;
        bool once;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct watching *w = state->input;
        uint64_t usec = 0;
        switch (key) {
        case KEY_INTERVAL:
                if (text_parse_span_usec(arg, &usec) < 0 || usec < 1000 || usec / 1000 > INT32_MAX)
                        argp_error(state, "--interval takes a time such as 5s or 500ms, not %s", arg);
                w->interval_ms = (int64_t)(usec / 1000);
                return 0;
        case KEY_STATS: w->once = true; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static int64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int show_line(const struct record *r, const char *type, const char *data, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "{\"type\":\"%s\",\"id\":", type);
        text_add_json(&t, r->id);
        if (data)
                text_addf(&t, ",\"data\":%s", data);
        text_add(&t, "}");
        if (puts(t.data) < 0 || fflush(stdout) != 0)
                return error_errno(e, errno, "events.output", "writing the events");
        return 0;
}

static int show_stats(const struct record *r, struct error *e)
{
        CLEAN_TEXT struct text data = { 0 };
        int k = cgroup_stats(&r->cgroup, &data, e);
        return k < 0 ? k : show_line(r, "stats", data.data, e);
}

static int show_oom(const struct record *r, struct cgroup_oom *o, struct error *e)
{
        int n = cgroup_oom_read(o), k = 0;
        for (int i = 0; k == 0 && i < n; i++)
                k = show_line(r, "oom", NULL, e);
        if (n < 0)
                cgroup_oom_close(o); /* the group is gone, and soon the container */
        return k;
}

/* Until the container ends. */
static int watch(const struct record *r, int pidfd, struct cgroup_oom *o, int64_t interval_ms, struct error *e)
{
        int64_t next = now_ms() + interval_ms;
        for (int k = 0; k == 0;) {
                struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = o->fd, .events = POLLIN } };
                int64_t left = next - now_ms();
                int n = poll(p, 2, left > 0 ? (int)left : 0);
                if (n > 0 && p[1].revents)
                        k = show_oom(r, o, e);
                if (k < 0)
                        return k;
                if (n > 0 && p[0].revents)
                        return 0;
                if (now_ms() >= next) {
                        k = show_stats(r, e);
                        next = now_ms() + interval_ms;
                }
                if (k < 0 && record_status(r) == RECORD_STOPPED)
                        return 0; /* it ended while we looked */
                if (k < 0)
                        return k;
        }
        return 0;
}

static int show(const struct oci_globals *g, const char *id, const struct watching *w, struct error *e)
{
        CLEAN_RECORD struct record r = RECORD_INIT;
        CLEAN(cgroup_oom_close) struct cgroup_oom o = { -EBADF, -EBADF, 0 };
        int k = oci_open(g, id, &r, e);
        if (k < 0)
                return k;
        CLEAN_FD int pidfd = record_pidfd(&r);
        if (pidfd < 0)
                return error_set(e, ESRCH, "container.status", "container \"%s\" is stopped", r.id);
        if (w->once)
                return show_stats(&r, e);
        struct error ignored = { 0 };
        if (cgroup_oom_open(&r.cgroup, &o, &ignored) < 0)
                error_print(stderr, "bulkhead-oci", "lack of memory is not reported", &ignored);
        return watch(&r, pidfd, &o, w->interval_ms, e);
}

int oci_cmd_events(const struct oci_globals *g, int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "interval", KEY_INTERVAL, "TIME", 0, "Show what is used every TIME (default: 5s)", 0 },
                { "stats", KEY_STATS, NULL, 0, "Show what is used once, now", 0 },
                { 0 },
        };
        struct watching w = { .interval_ms = 5000 };
        struct oci_arguments a = { .options = options, .parse = parse, .input = &w,
                                   .doc = "Show what a container uses, and when its memory runs out, as lines of JSON until it ends" };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        return show(g, a.id, &w, &e) < 0 ? oci_say_failed(g, "cannot show the events", &e) : 0;
}
