/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead status: how groups are. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/fleet_show.h"
#include "cli/plugin_call.h"
#include "cli/target.h"

struct options {
        const char *id;
        bool json;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct options *o = state->input;
        switch (key) {
        case 'j': o->json = true; return 0;
        case ARGP_KEY_ARG:
                if (o->id)
                        argp_error(state, "one group only");
                o->id = arg;
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static void pad(const char *s, int width)
{
        text_print_safe(stdout, s);
        printf("%*s", (int)strlen(s) < width ? width - (int)strlen(s) : 0, "");
}

static void print_group(const struct json_node *g, int width)
{
        CLEAN_TEXT struct text words = { 0 };
        pad(view_text(g, "ID"), width);
        printf("  %8llu  %5llu  %5llu  %7llu  %5llu  %5llu  %7llu  ", (unsigned long long)view_number(g, "Revision"), (unsigned long long)view_number(g, "Size"),
               (unsigned long long)view_number(g, "Live"), (unsigned long long)view_number(g, "Current"), (unsigned long long)view_number(g, "Good"),
               (unsigned long long)view_number(g, "Sick"), (unsigned long long)view_number(g, "Drifted"));
        fleet_describe(&words, g);
        text_print_safe(stdout, words.data);
        putchar('\n');
}

static void print_table(const struct json_node *result)
{
        const struct json_node *groups = json_member(result, "Groups");
        int width = 5;
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                width = (int)strlen(view_text(g, "ID")) > width ? (int)strlen(view_text(g, "ID")) : width;
        printf("%-*s  %8s  %5s  %5s  %7s  %5s  %5s  %7s  %s\n", width, "GROUP", "REVISION", "SIZE", "LIVE", "CURRENT", "GOOD", "SICK", "DRIFTED", "STATE");
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                print_group(g, width);
}

static void print_instances(const struct json_node *g)
{
        const struct json_node *list = json_member(g, "Instances");
        int width = 8;
        for (const struct json_node *i = NULL; (i = view_next(list, i));)
                width = (int)strlen(view_text(i, "ID")) > width ? (int)strlen(view_text(i, "ID")) : width;
        printf("\n%-*s  %-8s  %-10s  %-8s  %-9s  %s\n", width, "INSTANCE", "HEALTH", "PHASE", "REVISION", "PROTECTED", "LOGICAL");
        for (const struct json_node *i = NULL; (i = view_next(list, i));) {
                const char *logical = view_text(i, "LogicalID");
                pad(view_text(i, "ID"), width);
                printf("  %-8.8s  %-10.10s  %-8s  %-9s  ", view_text(i, "Health"), view_text(i, "Phase"), view_true(i, "Current") ? "current" : "old",
                       view_true(i, "Protected") ? "yes" : "no");
                text_print_safe(stdout, *logical ? logical : "-");
                fleet_print_drift(i);
        }
}

static void print_words(const struct options *o, const struct json_node *result)
{
        if (!o->id) {
                fputs("store: ", stdout);
                text_print_safe(stdout, view_text(result, "Store"));
                if (!view_true(result, "Leader")) {
                        fputs("; another controller leads: ", stdout);
                        text_print_safe(stdout, *view_text(result, "LeaderAddress") ? view_text(result, "LeaderAddress") : "none is known");
                }
                fputs("\n\n", stdout);
        }
        print_table(result);
        const struct json_node *groups = json_member(result, "Groups");
        if (o->id && view_next(groups, NULL))
                print_instances(view_next(groups, NULL));
}

int cmd_status(int argc, char **argv)
{
        static const struct argp_option options[] = { { "json", 'j', NULL, 0, "Print JSON", 0 }, { 0 } };
        static const struct argp argp = { options, parse_option, "[GROUP]", "Say how groups are, or one with its instances", NULL, NULL, NULL };
        struct options o = { 0 };
        struct error e = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        const struct json_node *result;
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        params_add(&params, "ID", o.id ? o.id : "");
        params_add_raw(&params, "Instances", o.id ? "true" : "false");
        CLEAN_FREE char *object = xprintf("{%s}", params.data);
        if (controller_call("Fleet.Status", object, CALL_QUICK_USEC, &d, &result, &e) < 0)
                return target_fail("show", o.id ? o.id : "groups", &e);
        if (o.json)
                json_print(stdout, &d);
        else
                print_words(&o, result);
        return fflush(stdout) == 0 ? 0 : 1;
}
