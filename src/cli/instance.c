/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead instance and bulkhead flavor: the methods of a plugin, called by hand. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/group_input.h"
#include "cli/plugin_call.h"
#include "cli/target.h"
#include "group/flavor.h"

enum { KEY_TAG = 0x100, KEY_VAR, KEY_INIT, KEY_LOGICAL_ID, KEY_REASON, KEY_SIZE, KEY_LOGICAL_IDS, KEY_GROUP, KEY_SEQUENCE, KEY_PROPERTIES };
enum { STATUS_SICK = 3, STATUS_UNKNOWN = 4 };

struct call_options {
        struct strings words, variables, logical_ids;
        struct tags tags;
        const char *init, *logical_id, *reason, *group;
        uint64_t size, sequence;
        bool json, properties, quiet;
        size_t least, most;
};

static void options_done(struct call_options *o)
{
        strings_clear(&o->words);
        strings_clear(&o->variables);
        strings_clear(&o->logical_ids);
        tags_done(&o->tags);
}
#define CLEAN_CALL_OPTIONS CLEAN(options_done)

/* ---- options ---- */

#define OPTION_TAG { "tag", KEY_TAG, "NAME=VALUE", 0, "A tag (any number of times)", 1 }
#define OPTION_VAR { "var", KEY_VAR, "NAME=VALUE", 0, "What {{ var \"NAME\" }} gives in properties", 2 }
#define OPTION_JSON { "json", 'j', NULL, 0, "Print JSON", 2 }
#define OPTIONS_ALLOCATION                                                                                      \
        { "size", KEY_SIZE, "N", 0, "The size of the group (1)", 1 },                                            \
        { "logical-id", KEY_LOGICAL_ID, "ID", 0, "An identity of the group instead of its size (any number)", 1 }

static void take_tag(struct call_options *o, struct argp_state *state, const char *arg)
{
        const char *equals = strchr(arg, '=');
        if (!equals || equals == arg)
                argp_error(state, "--tag takes NAME=VALUE");
        CLEAN_FREE char *name = xstrndup(arg, (size_t)(equals - arg));
        tags_set(&o->tags, name, equals + 1);
}

static void take_number(struct argp_state *state, const char *option, const char *arg, uint64_t *ret)
{
        if (text_parse_uint(arg, GROUP_SIZE_MAX, ret) < 0)
                argp_error(state, "%s takes a number up to %d", option, GROUP_SIZE_MAX);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct call_options *o = state->input;
        switch (key) {
        case KEY_TAG: take_tag(o, state, arg); return 0;
        case KEY_VAR: strings_add(&o->variables, arg); return 0;
        case KEY_INIT: o->init = arg; return 0;
        case KEY_LOGICAL_ID:
                o->logical_id = arg;
                strings_add(&o->logical_ids, arg);
                return 0;
        case KEY_REASON: o->reason = arg; return 0;
        case KEY_GROUP: o->group = arg; return 0;
        case KEY_SIZE: take_number(state, "--size", arg, &o->size); return 0;
        case KEY_SEQUENCE: take_number(state, "--sequence", arg, &o->sequence); return 0;
        case KEY_PROPERTIES: o->properties = true; return 0;
        case 'j': o->json = true; return 0;
        case 'q': o->quiet = true; return 0;
        case ARGP_KEY_ARG:
                if (o->words.count >= o->most)
                        argp_error(state, "too many arguments");
                strings_add(&o->words, arg);
                return 0;
        case ARGP_KEY_END:
                if (o->words.count < o->least)
                        argp_error(state, o->words.count ? "more is needed" : "which plugin?");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* ---- calls ---- */

static void add_properties(struct text *params, const struct json_document *d)
{
        CLEAN_TEXT struct text t = { 0 };
        json_add(&t, d->nodes);
        params_add_raw(params, "Properties", t.data);
}

static void add_allocation(struct text *params, const struct call_options *o)
{
        struct allocation a = { .size = o->logical_ids.count ? 0 : (uint32_t)o->size, .logical_ids = o->logical_ids };
        CLEAN_TEXT struct text t = { 0 };
        allocation_format(&t, &a);
        params_add_raw(params, "Allocation", t.data);
}

/* The words of a request as one object, called on the plugin that is the first word. */
static int call(const struct call_options *o, const char *method, const struct text *members, uint64_t timeout_usec, struct json_document *ret,
                const struct json_node **ret_result, struct error *e)
{
        CLEAN_PLUGIN_TARGET struct plugin_target t = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        int r = plugin_target_open(o->words.items[0], &t, e);
        if (r < 0)
                return r;
        text_add(&params, "{\"Type\":");
        text_add_json(&params, t.type);
        text_addf(&params, "%s%s}", members->length ? "," : "", members->length ? members->data : "");
        return plugin_target_call(&t, method, params.data, timeout_usec, ret, ret_result, e);
}

static int print(const struct json_document *d)
{
        json_print(stdout, d);
        return fflush(stdout) == 0 ? 0 : 1;
}

/* Calls; 0 when it went well, else the exit status, and the error is printed below "cannot VERB PLUGIN". */
static int call_or_fail(const struct call_options *o, const char *verb, const char *method, const struct text *members, uint64_t timeout_usec,
                        struct json_document *ret, const struct json_node **ret_result)
{
        struct error e = { 0 };
        return call(o, method, members, timeout_usec, ret, ret_result, &e) < 0 ? target_fail(verb, o->words.items[0], &e) : 0;
}

static int read_properties(const struct call_options *o, size_t word, const char *verb, struct json_document *ret)
{
        struct error e = { 0 };
        if (o->words.count <= word)
                return json_parse("properties", "{}", 2, ret, &e) < 0;
        return input_json(o->words.items[word], &o->variables, ret, &e) < 0 ? target_fail(verb, o->words.items[0], &e) : 0;
}

/* ---- instance ---- */

static int instance_validate(const struct call_options *o)
{
        CLEAN_JSON struct json_document properties = { 0 }, d = { 0 };
        CLEAN_TEXT struct text members = { 0 };
        const struct json_node *result;
        int status = read_properties(o, 1, "validate", &properties);
        if (status)
                return status;
        add_properties(&members, &properties);
        status = call_or_fail(o, "validate", "Instance.Validate", &members, CALL_QUICK_USEC, &d, &result);
        if (status || o->json)
                return status ? status : print(&d);
        puts("valid");
        return 0;
}

static int instance_provision(const struct call_options *o)
{
        CLEAN_JSON struct json_document properties = { 0 }, d = { 0 };
        CLEAN_TEXT struct text members = { 0 }, spec = { 0 };
        const struct json_node *result;
        int status = read_properties(o, 1, "provision", &properties);
        if (status)
                return status;
        CLEAN_FREE char *text = NULL;
        struct error e = { 0 };
        const struct json_place top = json_top(&properties, "properties");
        if (json_raw(&top, &text, &e) < 0)
                return target_fail("provision", o->words.items[0], &e);
        const struct instance_spec s = { .properties = text, .tags = o->tags, .init = (char *)o->init, .logical_id = (char *)o->logical_id };
        instance_spec_format(&spec, &s);
        params_add_raw(&members, "Spec", spec.data);
        status = call_or_fail(o, "provision", "Instance.Provision", &members, CALL_LONG_USEC, &d, &result);
        if (status || o->json)
                return status ? status : print(&d);
        text_print_safe(stdout, view_text(result, "ID"));
        putchar('\n');
        return fflush(stdout) == 0 ? 0 : 1;
}

static void print_tags(const struct json_node *tags)
{
        bool first = true;
        for (const struct json_node *v = NULL; (v = view_next_member(tags, v)); first = false) {
                fputs(first ? "" : ",", stdout);
                text_print_safe(stdout, v[-1].text);
                putchar('=');
                text_print_safe(stdout, v->type == JSON_STRING ? v->text : "");
        }
        putchar('\n');
}

static void print_instances(const struct call_options *o, const struct json_node *list)
{
        int width = 2;
        for (const struct json_node *i = NULL; (i = view_next(list, i));) {
                int n = (int)strlen(view_text(i, "ID"));
                width = n > width ? n : width;
        }
        if (!o->quiet)
                printf("%-*s  %-15s  %s\n", width, "ID", "LOGICAL", "TAGS");
        for (const struct json_node *i = NULL; (i = view_next(list, i));) {
                const char *id = view_text(i, "ID"), *logical = view_text(i, "LogicalID");
                text_print_safe(stdout, id);
                if (o->quiet) {
                        putchar('\n');
                        continue;
                }
                printf("%*s  ", width - (int)strlen(id), "");
                text_print_safe(stdout, *logical ? logical : "-");
                printf("%*s  ", strlen(logical) < 15 ? 15 - (int)strlen(*logical ? logical : "-") : 0, "");
                print_tags(json_member(i, "Tags"));
        }
}

static int instance_describe(const struct call_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text members = { 0 }, tags = { 0 };
        const struct json_node *result;
        tags_format(&tags, &o->tags);
        params_add_raw(&members, "Tags", tags.data);
        params_add_raw(&members, "Properties", o->properties ? "true" : "false");
        int status = call_or_fail(o, "describe", "Instance.DescribeInstances", &members, CALL_LONG_USEC, &d, &result);
        if (status || o->json)
                return status ? status : print(&d);
        print_instances(o, json_member(result, "Descriptions"));
        return fflush(stdout) == 0 ? 0 : 1;
}

/* One call for each id; the first failure is the status, the others are tried all the same. */
static int instance_destroy(const struct call_options *o)
{
        int worst = 0;
        for (size_t i = 1; i < o->words.count; i++) {
                CLEAN_JSON struct json_document d = { 0 };
                CLEAN_TEXT struct text members = { 0 }, context = { 0 };
                const struct json_node *result;
                params_add(&members, "Instance", o->words.items[i]);
                params_add(&context, "Reason", o->reason ? o->reason : "terminate");
                CLEAN_FREE char *braces = xprintf("{%s}", context.data);
                params_add_raw(&members, "Context", braces);
                int status = call_or_fail(o, "destroy an instance of", "Instance.Destroy", &members, CALL_LONG_USEC, &d, &result);
                worst = worst ? worst : status;
                if (status == 0 && !o->quiet) {
                        fputs("destroyed ", stdout);
                        text_print_safe(stdout, o->words.items[i]);
                        putchar('\n');
                }
        }
        return fflush(stdout) == 0 ? worst : 1;
}

static int instance_label(const struct call_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text members = { 0 }, labels = { 0 };
        const struct json_node *result;
        tags_format(&labels, &o->tags);
        params_add(&members, "Instance", o->words.items[1]);
        params_add_raw(&members, "Labels", labels.data);
        return call_or_fail(o, "label an instance of", "Instance.Label", &members, CALL_LONG_USEC, &d, &result);
}

/* ---- flavor ---- */

static int flavor_validate(const struct call_options *o)
{
        CLEAN_JSON struct json_document properties = { 0 }, d = { 0 };
        CLEAN_TEXT struct text members = { 0 };
        const struct json_node *result;
        int status = read_properties(o, 1, "validate", &properties);
        if (status)
                return status;
        add_properties(&members, &properties);
        add_allocation(&members, o);
        status = call_or_fail(o, "validate", "Flavor.Validate", &members, CALL_QUICK_USEC, &d, &result);
        if (status || o->json)
                return status ? status : print(&d);
        puts("valid");
        return 0;
}

static int flavor_prepare(const struct call_options *o)
{
        CLEAN_JSON struct json_document properties = { 0 }, instance = { 0 }, d = { 0 };
        CLEAN_TEXT struct text members = { 0 }, spec = { 0 }, index = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        int status = read_properties(o, 1, "prepare", &properties);
        if (status)
                return status;
        if (o->words.count > 2 && input_json(o->words.items[2], &o->variables, &instance, &e) < 0)
                return target_fail("prepare", o->words.items[0], &e);
        add_properties(&members, &properties);
        if (instance.count)
                json_add(&spec, instance.nodes);
        else
                instance_spec_format(&spec, &(struct instance_spec){ .tags = o->tags, .logical_id = (char *)o->logical_id });
        params_add_raw(&members, "Spec", spec.data);
        add_allocation(&members, o);
        params_add(&index, "Group", o->group ? o->group : "");
        CLEAN_FREE char *where = xprintf("{%s,\"Sequence\":%llu}", index.data, (unsigned long long)o->sequence);
        params_add_raw(&members, "Index", where);
        status = call_or_fail(o, "prepare", "Flavor.Prepare", &members, CALL_LONG_USEC, &d, &result);
        return status ? status : print(&d);
}

/* The instance: JSON of it, or an id with --tag and --logical-id beside. */
static int add_instance(const struct call_options *o, const char *verb, struct text *members)
{
        const char *word = o->words.items[2];
        struct error e = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        if (*word == '{' || text_equal(word, "-")) {
                if (input_json(word, &o->variables, &d, &e) < 0)
                        return target_fail(verb, o->words.items[0], &e);
                json_add(&t, d.nodes);
        } else
                instance_format(&t, &(struct instance){ .id = (char *)word, .logical_id = (char *)o->logical_id, .tags = o->tags });
        params_add_raw(members, "Instance", t.data);
        return 0;
}

static int of_instance(const struct call_options *o, const char *verb, const char *method, struct json_document *d, const struct json_node **ret_result)
{
        CLEAN_JSON struct json_document properties = { 0 };
        CLEAN_TEXT struct text members = { 0 };
        int status = read_properties(o, 1, verb, &properties);
        if (status)
                return status;
        add_properties(&members, &properties);
        status = add_instance(o, verb, &members);
        return status ? status : call_or_fail(o, verb, method, &members, CALL_LONG_USEC, d, ret_result);
}

static int flavor_healthy(const struct call_options *o)
{
        static const struct {
                const char *word;
                int status;
        } answers[] = { [HEALTH_UNKNOWN] = { "unknown", STATUS_UNKNOWN }, [HEALTH_GOOD] = { "healthy", 0 }, [HEALTH_BAD] = { "unhealthy", STATUS_SICK } };
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        int status = of_instance(o, "ask for the health of", "Flavor.Healthy", &d, &result);
        if (status)
                return status;
        uint64_t health = view_number(result, "Health");
        health = health < ELEMENTS(answers) ? health : HEALTH_UNKNOWN;
        if (o->json)
                (void)print(&d);
        else
                puts(answers[health].word);
        return answers[health].status;
}

static int flavor_drain(const struct call_options *o)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        int status = of_instance(o, "drain an instance by", "Flavor.Drain", &d, &result);
        if (status == 0 && !o->quiet)
                puts("drained");
        return status;
}

/* ---- verbs ---- */

struct verb {
        const char *name;
        int (*run)(const struct call_options *o);
        size_t least, most;
        const struct argp_option *options;
        const char *arguments, *summary;
};

static const struct argp_option validate_options[] = { OPTION_VAR, OPTION_JSON, { 0 } };
static const struct argp_option provision_options[] = {
        OPTION_TAG,
        { "init", KEY_INIT, "TEXT", 0, "What to run at the first boot", 1 },
        { "logical-id", KEY_LOGICAL_ID, "ID", 0, "An identity that outlasts the instance", 1 },
        OPTION_VAR, OPTION_JSON, { 0 },
};
static const struct argp_option describe_options[] = {
        OPTION_TAG,
        { "properties", KEY_PROPERTIES, NULL, 0, "Ask for their properties, too", 1 },
        { "quiet", 'q', NULL, 0, "Print ids only", 2 },
        OPTION_JSON, { 0 },
};
static const struct argp_option destroy_options[] = {
        { "reason", KEY_REASON, "WORDS", 0, "Why (terminate)", 1 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 2 },
        { 0 },
};
static const struct argp_option label_options[] = { OPTION_TAG, { 0 } };
static const struct argp_option flavor_validate_options[] = { OPTIONS_ALLOCATION, OPTION_VAR, OPTION_JSON, { 0 } };
static const struct argp_option prepare_options[] = {
        OPTIONS_ALLOCATION,
        { "group", KEY_GROUP, "ID", 0, "The group", 1 },
        { "sequence", KEY_SEQUENCE, "N", 0, "The instance's number in it (0)", 1 },
        OPTION_TAG, OPTION_VAR, { 0 },
};
static const struct argp_option member_options[] = {
        OPTION_TAG,
        { "logical-id", KEY_LOGICAL_ID, "ID", 0, "The instance's identity", 1 },
        { "quiet", 'q', NULL, 0, "Say nothing but errors", 2 },
        OPTION_VAR, OPTION_JSON, { 0 },
};

static const struct verb instance_verbs[] = {
        { "validate", instance_validate, 2, 2, validate_options, "PLUGIN PROPERTIES", "Ask whether properties are good" },
        { "provision", instance_provision, 1, 2, provision_options, "PLUGIN [PROPERTIES]", "Make an instance and print its id" },
        { "describe", instance_describe, 1, 1, describe_options, "PLUGIN", "List instances; with tags, those that have them all" },
        { "destroy", instance_destroy, 2, SIZE_MAX, destroy_options, "PLUGIN ID...", "Destroy instances" },
        { "label", instance_label, 2, 2, label_options, "PLUGIN ID", "Add tags to an instance" },
        { 0 },
};
static const struct verb flavor_verbs[] = {
        { "validate", flavor_validate, 2, 2, flavor_validate_options, "PLUGIN PROPERTIES", "Ask whether properties are good" },
        { "prepare", flavor_prepare, 2, 3, prepare_options, "PLUGIN PROPERTIES [SPEC]", "Show what would be provisioned" },
        { "healthy", flavor_healthy, 3, 3, member_options, "PLUGIN PROPERTIES INSTANCE", "Ask whether an instance is healthy" },
        { "drain", flavor_drain, 3, 3, member_options, "PLUGIN PROPERTIES INSTANCE", "Prepare an instance for its end" },
        { 0 },
};

static int run_verb(const char *command, const struct verb *v, int argc, char **argv)
{
        const struct argp argp = { v->options, parse_option, v->arguments, v->summary, NULL, NULL, NULL };
        CLEAN_CALL_OPTIONS struct call_options o = { .size = 1, .least = v->least, .most = v->most };
        CLEAN_FREE char *name = xprintf("bulkhead %s %s", command, v->name);
        argv[0] = name;
        return argp_parse(&argp, argc, argv, 0, NULL, &o) != 0 ? 1 : v->run(&o);
}

static int usage(FILE *f, const char *command, const struct verb *verbs)
{
        fprintf(f, "usage: bulkhead %s VERB PLUGIN [OPTION...]\n\n", command);
        for (const struct verb *v = verbs; v->name; v++)
                fprintf(f, "  %-12s %s\n", v->name, v->summary);
        fprintf(f, "\nPROPERTIES, SPEC and INSTANCE are JSON, a file, or - for standard input.\n\"bulkhead %s VERB --help\" tells more.\n", command);
        return f == stdout ? 0 : 2;
}

static int find_verb(const char *command, const struct verb *verbs, int argc, char **argv)
{
        if (argc < 2)
                return usage(stderr, command, verbs);
        if (text_equal(argv[1], "--help") || text_equal(argv[1], "-?"))
                return usage(stdout, command, verbs);
        for (const struct verb *v = verbs; v->name; v++)
                if (text_equal(argv[1], v->name))
                        return run_verb(command, v, argc - 1, argv + 1);
        fprintf(stderr, "bulkhead %s: unknown verb \"", command);
        text_print_safe(stderr, argv[1]);
        fputs("\"\n", stderr);
        return usage(stderr, command, verbs);
}

int cmd_instance(int argc, char **argv)
{
        return find_verb("instance", instance_verbs, argc, argv);
}

int cmd_flavor(int argc, char **argv)
{
        return find_verb("flavor", flavor_verbs, argc, argv);
}
