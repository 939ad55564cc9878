/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead events: what happened to groups.  To follow, the stream of events only says that there is something new; what it is, is read
 * from the controller's log by number, so that nothing is missed or told twice when the connection breaks.
 */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/plugin_call.h"
#include "cli/target.h"

enum { LINES_DEFAULT = 100, LINES_MAX = 1000, KEY_GROUP = 0x100, KEY_AUDIT };

struct options {
        const char *group;
        uint64_t lines;
        bool follow, json, audit;
};

struct follower {
        const struct options *o;
        struct rpc_client *client;
        uint64_t last; /* that was printed */
        bool begun, asking, more;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct options *o = state->input;
        switch (key) {
        case 'f': o->follow = true; return 0;
        case 'j': o->json = true; return 0;
        case 'n':
                if (text_parse_uint(arg, LINES_MAX, &o->lines) < 0 || !o->lines)
                        argp_error(state, "--lines takes a number from 1 to %d", LINES_MAX);
                return 0;
        case KEY_GROUP: o->group = arg; return 0;
        case KEY_AUDIT: o->audit = true; return 0;
        case ARGP_KEY_ARG: argp_error(state, "events takes no arguments; --group names a group"); return EINVAL;
        case ARGP_KEY_END:
                if (o->audit && (o->follow || o->group))
                        argp_error(state, "the audit log is read as a whole");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* ---- printing ---- */

static void print_json(const struct json_node *n)
{
        CLEAN_TEXT struct text t = { 0 };
        json_add(&t, n);
        puts(t.data);
}

static void column(const char *s, int width)
{
        text_print_safe(stdout, *s ? s : "-");
        printf("%*s  ", (int)strlen(s) < width ? width - (*s ? (int)strlen(s) : 1) : 0, "");
}

static void print_event(const struct options *o, const struct json_node *event)
{
        if (o->json) {
                print_json(event);
                return;
        }
        printf("%.23sZ  ", view_text(event, "Time"));
        column(view_text(event, "Group"), 12);
        column(view_text(event, "Topic"), 20);
        if (*view_text(event, "ID"))
                column(view_text(event, "ID"), 0);
        text_print_safe(stdout, view_text(event, "Message"));
        putchar('\n');
}

static void print_audit(const struct options *o, const struct json_node *entry)
{
        if (o->json) {
                print_json(entry);
                return;
        }
        printf("%.23sZ  ", view_text(entry, "Time"));
        column(view_text(entry, "Actor"), 12);
        column(view_text(entry, "Method"), 24);
        column(view_text(entry, "Object"), 12);
        column(view_text(entry, "Outcome"), 4);
        text_print_safe(stdout, view_text(entry, "Reason"));
        putchar('\n');
}

/* ---- asking ---- */

static char *question(const struct options *o, uint64_t from)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *number = xprintf("%llu", (unsigned long long)from), *max = xprintf("%llu", (unsigned long long)o->lines);
        params_add_raw(&t, "From", number);
        params_add_raw(&t, "Max", max);
        params_add(&t, "Group", o->group ? o->group : "");
        return xprintf("{%s}", t.data);
}

static int show_once(const struct options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_FREE char *params = question(o, 0);
        const struct json_node *result;
        struct error e = { 0 };
        if (controller_call(o->audit ? "Fleet.Audit" : "Fleet.Events", params, CALL_QUICK_USEC, &d, &result, &e) < 0)
                return target_fail("show", o->audit ? "the audit log" : "events", &e);
        const struct json_node *list = json_member(result, o->audit ? "Entries" : "Events");
        for (const struct json_node *n = NULL; (n = view_next(list, n));)
                (o->audit ? print_audit : print_event)(o, n);
        return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- following ---- */

static void ask(struct follower *f);

static void answered(void *context, const struct json_node *result, const struct error *failure)
{
        struct follower *f = context;
        f->asking = false;
        if (failure)
                return; /* the stream breaks with it, and comes again */
        const struct json_node *list = json_member(result, "Events");
        uint64_t count = 0;
        for (const struct json_node *n = NULL; (n = view_next(list, n)); count++) {
                print_event(f->o, n);
                f->last = view_number(n, "Sequence");
        }
        f->begun = true;
        if (fflush(stdout) != 0)
                exit(1);
        if (f->more || count >= f->o->lines)
                ask(f);
}

/* From 0 the last ones are given; later all that came since. */
static void ask(struct follower *f)
{
        f->more = f->asking;
        if (f->asking)
                return;
        f->asking = true;
        CLEAN_FREE char *params = question(f->o, f->begun ? f->last + 1 : 0);
        rpc_client_call(f->client, "Fleet.Events", params, CALL_QUICK_USEC, answered, f);
}

static void something_new(void *context, const struct json_node *event)
{
        (void)event;
        ask(context);
}

static void connected(void *context, bool up)
{
        if (up)
                ask(context);
}

static int follow(const struct options *o)
{
        CLEAN_PLUGIN_TARGET struct plugin_target t = { 0 };
        CLEAN_LOOP struct loop *loop = NULL;
        CLEAN_FREE char *topic = o->group ? xprintf("groups/%s/", o->group) : xstrdup("groups/");
        struct follower f = { .o = o };
        struct error e = { 0 };
        if (plugin_target_open(CONTROLLER_NAME, &t, &e) < 0 || loop_open(&loop, &e) < 0)
                return target_fail("follow", "events", &e);
        if (!plugin_listens(&t.at, NULL))
                return target_fail("follow", "events", (error_set(&e, ECONNREFUSED, "rpc.unreachable", "the controller does not listen"), &e));
        f.client = rpc_client_new(loop, CONTROLLER_NAME, &t.at);
        struct rpc_subscription *s = rpc_client_follow(f.client, topic, something_new, connected, &f);
        int status = loop_run(loop);
        rpc_subscription_free(s);
        rpc_client_free(f.client);
        return status;
}

int cmd_events(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "follow", 'f', NULL, 0, "Go on with what happens from now on", 0 },
                { "group", KEY_GROUP, "ID", 0, "Of one group only", 0 },
                { "lines", 'n', "N", 0, "At most the last N (100)", 0 },
                { "audit", KEY_AUDIT, NULL, 0, "Show who asked for what instead", 0 },
                { "json", 'j', NULL, 0, "Print JSON, an object on each line", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, NULL, "Show what happened to groups", NULL, NULL, NULL };
        struct options o = { .lines = LINES_DEFAULT };
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        return o.follow ? follow(&o) : show_once(&o);
}
