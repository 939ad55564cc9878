/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead group: the controller's methods by InfraKit's names, and what Bulkhead adds to them. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/fleet_show.h"
#include "cli/group_input.h"
#include "cli/plugin_call.h"
#include "cli/target.h"
#include "group/flavor.h"

enum { KEY_PRETEND = 0x100, KEY_REASON, KEY_VAR, KEY_PLUGIN };

struct group_options {
        const char *plugin, *reason, *verb;
        struct strings words, variables;
        bool pretend, yes, json, quiet;
        size_t least, most;
};

static void options_done(struct group_options *o)
{
        strings_clear(&o->words);
        strings_clear(&o->variables);
}
#define CLEAN_GROUP_OPTIONS CLEAN(options_done)

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct group_options *o = state->input;
        switch (key) {
        case KEY_PRETEND: o->pretend = true; return 0;
        case KEY_REASON: o->reason = arg; return 0;
        case KEY_VAR: strings_add(&o->variables, arg); return 0;
        case KEY_PLUGIN: o->plugin = arg; return 0;
        case 'y': o->yes = true; return 0;
        case 'j': o->json = true; return 0;
        case 'q': o->quiet = true; return 0;
        case ARGP_KEY_ARG:
                if (o->words.count >= o->most)
                        argp_error(state, "too many arguments");
                strings_add(&o->words, arg);
                return 0;
        case ARGP_KEY_END:
                if (o->words.count < o->least)
                        argp_error(state, o->words.count ? "more is needed" : "which group?");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* ---- calls ---- */

static const char *subject(const struct group_options *o)
{
        return o->words.count ? o->words.items[0] : "groups";
}

static int fail(const struct group_options *o, const struct error *e)
{
        return target_fail(o->verb, subject(o), e);
}

static void begin(struct text *params, const struct group_options *o)
{
        params_add(params, "Name", o->plugin ? o->plugin : CONTROLLER_NAME);
        if (o->reason)
                params_add(params, "Reason", o->reason);
}

static int call(const struct group_options *o, const char *method, const struct text *params, struct json_document *ret, const struct json_node **ret_result,
                struct error *e)
{
        CLEAN_PLUGIN_TARGET struct plugin_target t = { 0 };
        CLEAN_FREE char *object = xprintf("{%s}", params->length ? params->data : "");
        int r = plugin_target_open(o->plugin ? o->plugin : CONTROLLER_NAME, &t, e);
        return r < 0 ? r : plugin_target_call(&t, method, object, CALL_QUICK_USEC, ret, ret_result, e);
}

/* A method that takes the ID alone. */
static int call_id(const struct group_options *o, const char *method, struct json_document *ret, const struct json_node **ret_result, struct error *e)
{
        CLEAN_TEXT struct text params = { 0 };
        begin(&params, o);
        params_add(&params, "ID", o->words.count ? o->words.items[0] : "");
        return call(o, method, &params, ret, ret_result, e);
}

static int print(const struct json_document *d)
{
        json_print(stdout, d);
        return fflush(stdout) == 0 ? 0 : 1;
}

static void say(const char *before, const char *id, const char *after)
{
        fputs(before, stdout);
        text_print_safe(stdout, id);
        text_print_safe(stdout, after);
        putchar('\n');
}

/* ---- verbs ---- */

static int commit_call(const struct group_options *o, const struct json_document *d, bool pretend, struct json_document *ret, const struct json_node **result,
                       struct error *e)
{
        CLEAN_TEXT struct text params = { 0 }, document = { 0 };
        json_add(&document, d->nodes);
        begin(&params, o);
        params_add_raw(&params, "Spec", document.data);
        params_add_raw(&params, "Pretend", pretend ? "true" : "false");
        return call(o, "Group.CommitGroup", &params, ret, result, e);
}

static bool may_commit(const struct group_options *o, const struct json_document *d, struct error *e)
{
        CLEAN_JSON struct json_document answer = { 0 };
        const struct json_node *result;
        if (commit_call(o, d, true, &answer, &result, e) < 0)
                return false;
        const char *details = view_text(result, "Details");
        if (!strstr(details, "rolling update") && !strstr(details, "Terminating"))
                return true;
        CLEAN_FREE char *question = xprintf("Committing %s would involve: %s. Go on?", view_text(result, "ID"), details);
        return fleet_confirm(question, e) == 0;
}

static int do_commit(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 }, answer = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        if (input_json(o->words.items[0], &o->variables, &d, &e) < 0)
                return fail(o, &e);
        if (!o->pretend && !o->yes && !may_commit(o, &d, &e))
                return fail(o, &e);
        if (commit_call(o, &d, o->pretend, &answer, &result, &e) < 0)
                return fail(o, &e);
        if (o->json)
                return print(&answer);
        CLEAN_FREE char *after = xprintf("%s%s", o->pretend ? " would involve: " : ": ", view_text(result, "Details"));
        say(o->pretend ? "Committing " : "Committed ", view_text(result, "ID"), after);
        return fflush(stdout) == 0 ? 0 : 1;
}

static void print_instances(const struct json_node *list, bool quiet)
{
        int width = 2;
        for (const struct json_node *i = NULL; (i = view_next(list, i));)
                width = (int)strlen(view_text(i, "ID")) > width ? (int)strlen(view_text(i, "ID")) : width;
        if (!quiet)
                printf("%-*s  %s\n", width, "ID", "LOGICAL");
        for (const struct json_node *i = NULL; (i = view_next(list, i));) {
                const char *id = view_text(i, "ID"), *logical = view_text(i, "LogicalID");
                text_print_safe(stdout, id);
                if (!quiet) {
                        printf("%*s  ", width - (int)strlen(id), "");
                        text_print_safe(stdout, *logical ? logical : "-");
                }
                putchar('\n');
        }
}

static int do_describe(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        if (call_id(o, "Group.DescribeGroup", &d, &result, &e) < 0)
                return fail(o, &e);
        if (o->json)
                return print(&d);
        const struct json_node *description = json_member(result, "Description");
        print_instances(description ? json_member(description, "Instances") : NULL, o->quiet);
        if (!o->quiet)
                printf("\n%s\n", view_true(description, "Converged") ? "converged" : "not converged");
        return fflush(stdout) == 0 ? 0 : 1;
}

static int inspect(const struct group_options *o, struct json_document *d, const struct json_node **ret_groups, struct error *e)
{
        const struct json_node *result;
        int r = call_id(o, "Group.InspectGroups", d, &result, e);
        *ret_groups = r < 0 ? NULL : json_member(result, "Groups");
        return r;
}

static int do_inspect(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 }, one = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        const struct json_node *groups;
        struct error e = { 0 };
        if (inspect(o, &d, &groups, &e) < 0)
                return fail(o, &e);
        for (const struct json_node *g = NULL; (g = view_next(groups, g));)
                if (text_equal(view_text(g, "ID"), o->words.items[0]) && !t.length)
                        json_add(&t, g);
        if (!t.length)
                return fail(o, (error_set(&e, ENOENT, "group.unknown", "there is no group \"%.100s\"", o->words.items[0]), &e));
        return json_parse("group", t.data, t.length, &one, &e) < 0 ? fail(o, &e) : print(&one);
}

static void print_groups(const struct json_node *groups, bool quiet)
{
        if (!quiet)
                printf("%-24s  %6s  %-20s  %s\n", "ID", "SIZE", "INSTANCE", "FLAVOR");
        for (const struct json_node *g = NULL; (g = view_next(groups, g));) {
                const struct json_node *p = json_member(g, "Properties"), *a = p ? json_member(p, "Allocation") : NULL;
                const struct json_node *ids = a ? json_member(a, "LogicalIDs") : NULL;
                const struct json_node *instance = p ? json_member(p, "Instance") : NULL, *flavor = p ? json_member(p, "Flavor") : NULL;
                const char *id = view_text(g, "ID");
                text_print_safe(stdout, id);
                if (!quiet) {
                        uint64_t size = ids ? ids->count : view_number(a, "Size");
                        printf("%*s  %6llu  ", strlen(id) < 24 ? 24 - (int)strlen(id) : 0, "", (unsigned long long)size);
                        printf("%-20s  ", view_text(instance, "Plugin"));
                        text_print_safe(stdout, view_text(flavor, "Plugin"));
                }
                putchar('\n');
        }
}

static int do_ls(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *groups;
        struct error e = { 0 };
        if (o->words.count)
                return do_describe(o);
        if (inspect(o, &d, &groups, &e) < 0)
                return fail(o, &e);
        if (o->json)
                return print(&d);
        print_groups(groups, o->quiet);
        return fflush(stdout) == 0 ? 0 : 1;
}

static int do_scale(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 }, answer = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        uint64_t size = 0;
        bool set = o->words.count > 1;
        if (set && text_parse_uint(o->words.items[1], GROUP_SIZE_MAX, &size) < 0)
                return fail(o, (error_set(&e, EINVAL, "json.value", "\"%.40s\" is no size from 0 to %d", o->words.items[1], GROUP_SIZE_MAX), &e));
        if (call_id(o, "Group.Size", &d, &result, &e) < 0)
                return fail(o, &e);
        CLEAN_FREE char *at = xprintf(" at %llu instances", (unsigned long long)view_number(result, "Size"));
        CLEAN_FREE char *to = set ? xprintf("%s, scale to %llu", at, (unsigned long long)size) : xstrdup(at);
        if (set) {
                CLEAN_FREE char *number = xprintf("%llu", (unsigned long long)size);
                begin(&params, o);
                params_add(&params, "ID", o->words.items[0]);
                params_add_raw(&params, "Size", number);
                if (call(o, "Group.SetSize", &params, &answer, &result, &e) < 0)
                        return fail(o, &e);
        }
        say("Group ", o->words.items[0], to);
        return fflush(stdout) == 0 ? 0 : 1;
}

/* A method on the ID, and one line when it went well. question: asked before, NULL: nothing. */
static int simple(const struct group_options *o, const char *method, const char *question, const char *done)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        CLEAN_FREE char *words = question ? xprintf("%s %s?", question, o->words.items[0]) : NULL;
        if (words && !o->yes && fleet_confirm(words, &e) < 0)
                return fail(o, &e);
        if (call_id(o, method, &d, &result, &e) < 0)
                return fail(o, &e);
        if (!o->quiet)
                say(done, o->words.items[0], "");
        return fflush(stdout) == 0 ? 0 : 1;
}

static int do_free(const struct group_options *o)
{
        return simple(o, "Group.FreeGroup", NULL, "Freed ");
}

static int do_destroy(const struct group_options *o)
{
        return simple(o, "Group.DestroyGroup", "Destroy all instances of", "Destroying ");
}

static int do_pause(const struct group_options *o)
{
        return simple(o, "Fleet.Pause", NULL, "Paused ");
}

static int do_resume(const struct group_options *o)
{
        return simple(o, "Fleet.Resume", NULL, "Resumed ");
}

static int do_destroy_instances(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text params = { 0 }, ids = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        CLEAN_FREE char *question = xprintf("Destroy %zu instance%s of %s, and make it smaller by that?", o->words.count - 1, o->words.count > 2 ? "s" : "",
                                            o->words.items[0]);
        if (!o->yes && fleet_confirm(question, &e) < 0)
                return fail(o, &e);
        for (size_t i = 1; i < o->words.count; i++) {
                text_add(&ids, i > 1 ? "," : "[");
                text_add_json(&ids, o->words.items[i]);
        }
        text_add(&ids, "]");
        begin(&params, o);
        params_add(&params, "ID", o->words.items[0]);
        params_add_raw(&params, "Instances", ids.data);
        if (call(o, "Group.DestroyInstances", &params, &d, &result, &e) < 0)
                return fail(o, &e);
        if (!o->quiet)
                say("Destroying instances of ", o->words.items[0], "");
        return fflush(stdout) == 0 ? 0 : 1;
}

static int do_undo(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        uint64_t revision = 0;
        if (o->words.count > 1 && (text_parse_uint(o->words.items[1], INT64_MAX, &revision) < 0 || !revision))
                return fail(o, (error_set(&e, EINVAL, "json.value", "\"%.40s\" is no revision", o->words.items[1]), &e));
        CLEAN_FREE char *number = xprintf("%llu", (unsigned long long)revision);
        begin(&params, o);
        params_add(&params, "ID", o->words.items[0]);
        params_add_raw(&params, "Revision", number);
        if (call(o, "Fleet.Undo", &params, &d, &result, &e) < 0)
                return fail(o, &e);
        if (o->json)
                return print(&d);
        CLEAN_FREE char *after = xprintf(" is at revision %llu now: %s", (unsigned long long)view_number(result, "Revision"), view_text(result, "Message"));
        say("", o->words.items[0], after);
        return fflush(stdout) == 0 ? 0 : 1;
}

static void print_revision(const struct json_node *r)
{
        const char *reason = view_text(r, "Reason");
        printf("%8llu  %.19s  ", (unsigned long long)view_number(r, "Revision"), view_text(r, "Time"));
        printf("%-16s  ", view_text(r, "Actor"));
        text_print_safe(stdout, *reason ? reason : "-");
        putchar('\n');
}

static int do_history(const struct group_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        if (call_id(o, "Fleet.History", &d, &result, &e) < 0)
                return fail(o, &e);
        if (o->json)
                return print(&d);
        printf("%8s  %-19s  %-16s  %s\n", "REVISION", "TIME (UTC)", "ACTOR", "REASON");
        const struct json_node *revisions = json_member(result, "Revisions");
        for (const struct json_node *r = NULL; (r = view_next(revisions, r));)
                print_revision(r);
        return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- the command ---- */

#define OPTION_JSON { "json", 'j', NULL, 0, "Print JSON", 2 }
#define OPTION_YES { "yes", 'y', NULL, 0, "Do not ask on the terminal", 1 }
#define OPTION_QUIET { "quiet", 'q', NULL, 0, "Say nothing but errors; of lists, ids only", 2 }
#define OPTION_REASON { "reason", KEY_REASON, "WORDS", 0, "Why, for the history and the audit log", 1 }
#define OPTION_PLUGIN { "plugin", KEY_PLUGIN, "NAME", 0, "The controller (group)", 3 }

static const struct argp_option commit_options[] = {
        { "pretend", KEY_PRETEND, NULL, 0, "Only say what it would involve", 1 },
        { "var", KEY_VAR, "NAME=VALUE", 0, "What {{ var \"NAME\" }} gives in the document", 1 },
        OPTION_YES, OPTION_REASON, OPTION_JSON, OPTION_PLUGIN, { 0 },
};
static const struct argp_option list_options[] = { OPTION_QUIET, OPTION_JSON, OPTION_PLUGIN, { 0 } };
static const struct argp_option change_options[] = { OPTION_YES, OPTION_REASON, OPTION_QUIET, OPTION_PLUGIN, { 0 } };
static const struct argp_option scale_options[] = { OPTION_REASON, OPTION_PLUGIN, { 0 } };
static const struct argp_option inspect_options[] = { OPTION_PLUGIN, { 0 } };
static const struct argp_option undo_options[] = { OPTION_REASON, OPTION_JSON, OPTION_PLUGIN, { 0 } };
static const struct argp_option history_options[] = { OPTION_JSON, OPTION_PLUGIN, { 0 } };

static const struct verb {
        const char *name;
        int (*run)(const struct group_options *o);
        size_t least, most;
        const struct argp_option *options;
        const char *arguments, *summary;
} verbs[] = {
        { "commit", do_commit, 1, 1, commit_options, "FILE|-|JSON", "Have a group be as a document says" },
        { "describe", do_describe, 1, 1, list_options, "ID", "List a group's instances" },
        { "inspect", do_inspect, 1, 1, inspect_options, "ID", "Show a group's document" },
        { "ls", do_ls, 0, 1, list_options, "[ID]", "List groups, or the instances of one" },
        { "scale", do_scale, 1, 2, scale_options, "ID [SIZE]", "Show or set the size of a group" },
        { "pause", do_pause, 1, 1, change_options, "ID", "Halt a rolling update" },
        { "resume", do_resume, 1, 1, change_options, "ID", "Go on after a pause, a checkpoint or a failure" },
        { "undo", do_undo, 1, 2, undo_options, "ID [REVISION]", "Go back to an earlier revision" },
        { "history", do_history, 1, 1, history_options, "ID", "List a group's revisions" },
        { "free", do_free, 1, 1, change_options, "ID", "Stop caring for a group; its instances stay" },
        { "destroy", do_destroy, 1, 1, change_options, "ID", "Destroy a group with all its instances" },
        { "destroy-instances", do_destroy_instances, 2, SIZE_MAX, change_options, "ID INSTANCE...", "Destroy some instances, and make the group smaller" },
};

static int run_verb(const struct verb *v, int argc, char **argv)
{
        const struct argp argp = { v->options, parse_option, v->arguments, v->summary, NULL, NULL, NULL };
        CLEAN_GROUP_OPTIONS struct group_options o = { .verb = v->name, .least = v->least, .most = v->most };
        CLEAN_FREE char *name = xprintf("bulkhead group %s", v->name);
        argv[0] = name;
        return argp_parse(&argp, argc, argv, 0, NULL, &o) != 0 ? 1 : v->run(&o);
}

static int usage(FILE *f)
{
        fputs("usage: bulkhead group VERB [OPTION...] ID|FILE...\n\n", f);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                fprintf(f, "  %-18s %s\n", verbs[i].name, verbs[i].summary);
        fputs("\n\"bulkhead group VERB --help\" tells more.\n", f);
        return f == stdout ? 0 : 2;
}

int cmd_group(int argc, char **argv)
{
        if (argc < 2)
                return usage(stderr);
        if (text_equal(argv[1], "--help") || text_equal(argv[1], "-?"))
                return usage(stdout);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                if (text_equal(argv[1], verbs[i].name))
                        return run_verb(&verbs[i], argc - 1, argv + 1);
        fputs("bulkhead group: unknown verb \"", stderr);
        text_print_safe(stderr, argv[1]);
        fputs("\"\n", stderr);
        return usage(stderr);
}
