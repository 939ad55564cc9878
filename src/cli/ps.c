/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/target.h"

struct ps {
        bool all, json;
        int root_fd;
        struct run_state *items;
        size_t count, room;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct ps *ps = state->input;
        (void)arg;
        switch (key) {
        case 'a':
                ps->all = true;
                return 0;
        case 'j':
                ps->json = true;
                return 0;
        case ARGP_KEY_ARG:
                argp_error(state, "ps takes no arguments");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

static int add_run(void *data, int runs_fd, const char *unit)
{
        struct ps *ps = data;
        struct run_state s = { 0 };
        struct error e = { 0 };
        (void)runs_fd;
        if (run_refresh(ps->root_fd, unit, &s, &e) < 0) {
                /* Removed meanwhile, or not begun: nothing to show. What cannot be read is said. */
                if (e.code != -ENOENT)
                        (void)target_fail("read", unit, &e);
                return 0;
        }
        if (!ps->all && run_state_ended(&s)) {
                run_state_done(&s);
                return 0;
        }
        ps->items = xgrow(ps->items, &ps->room, ps->count + 1, sizeof *ps->items);
        ps->items[ps->count++] = s;
        return 0;
}

static int oldest_first(const void *a, const void *b)
{
        const struct run_state *x = a, *y = b;
        int order = (x->started_usec > y->started_usec) - (x->started_usec < y->started_usec);
        return order ? order : strcmp(x->unit ? x->unit : "", y->unit ? y->unit : "");
}

static void print_json(const struct ps *ps)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "[");
        for (size_t i = 0; i < ps->count; i++) {
                text_add(&t, i ? "," : "");
                run_state_json(&ps->items[i], &t);
                t.length--; /* its newline */
        }
        text_add(&t, "]\n");
        (void)fwrite(t.data, 1, t.length, stdout);
}

/* "running", or how it ended: "exited (0)", "killed (15)". */
static const char *describe(const struct run_state *s, char *ret, size_t size)
{
        if (!run_state_ended(s))
                (void)snprintf(ret, size, "%s", run_phase_name(s->phase));
        else if (s->code[0])
                (void)snprintf(ret, size, "%s (%d)", s->code, s->status);
        else
                (void)snprintf(ret, size, "%s", s->result);
        return ret;
}

static void print_row(const struct run_state *s, int width)
{
        char started[32] = "-", pid[16] = "-", phase[48];
        time_t t = (time_t)(s->started_usec / 1000000);
        struct tm tm;
        if (s->started_usec && localtime_r(&t, &tm))
                (void)strftime(started, sizeof started, "%Y-%m-%d %H:%M:%S", &tm);
        if (s->pid && !run_state_ended(s))
                (void)snprintf(pid, sizeof pid, "%d", (int)s->pid);
        printf("%-*s  %-17s  %-8s  %-19s  ", width, s->unit ? s->unit : "?", describe(s, phase, sizeof phase), pid, started);
        for (size_t i = 0; i < s->argv.count; i++) {
                if (i)
                        putchar(' ');
                text_print_safe(stdout, s->argv.items[i]);
        }
        putchar('\n');
}

static void print_table(const struct ps *ps)
{
        int width = 4;
        for (size_t i = 0; i < ps->count; i++) {
                int n = ps->items[i].unit ? (int)strlen(ps->items[i].unit) : 1;
                width = n > width ? n : width;
        }
        printf("%-*s  %-17s  %-8s  %-19s  %s\n", width, "UNIT", "STATE", "PID", "STARTED", "COMMAND");
        for (size_t i = 0; i < ps->count; i++)
                print_row(&ps->items[i], width);
}

int cmd_ps(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "all", 'a', NULL, 0, "Also list runs that have ended", 0 },
                { "json", 'j', NULL, 0, "Print JSON", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, NULL, "List the runs", NULL, NULL, NULL };
        struct ps ps = { 0 };
        struct error e = { 0 };
        if (argp_parse(&argp, argc, argv, 0, NULL, &ps) != 0)
                return 1;
        CLEAN_FD int root_fd = ps.root_fd = target_root(&e);
        if (root_fd < 0)
                return target_fail("list", "runs", &e);
        int r = runs_list(root_fd, add_run, &ps);
        if (r < 0)
                return target_fail("list", "runs", (error_errno(&e, r, "state.list", "read the runs"), &e));
        if (ps.count)
                qsort(ps.items, ps.count, sizeof *ps.items, oldest_first);
        (ps.json ? print_json : print_table)(&ps);
        for (size_t i = 0; i < ps.count; i++)
                run_state_done(&ps.items[i]);
        free(ps.items);
        return fflush(stdout) == 0 ? 0 : 1;
}
