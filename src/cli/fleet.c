/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead plan and bulkhead apply: what documents would change, and exactly that change. */
#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/fleet_progress.h"
#include "cli/fleet_show.h"
#include "cli/group_input.h"
#include "cli/plugin.h"
#include "cli/plugin_call.h"
#include "cli/plugin_command.h"
#include "cli/target.h"
#include "os/file.h"

enum { KEY_VAR = 0x100, KEY_OUT, KEY_PLAN, KEY_WAIT, KEY_NO_WAIT, KEY_TIMEOUT, KEY_REASON };
enum { STATUS_PENDING = 2, STATUS_NOT_CONVERGED = 3, STATUS_INTERRUPTED = 130, PLAN_VERSION = 1, PLAN_FILE_MAX = 64 << 20 };

struct fleet_options {
        const char *out, *plan, *reason;
        struct strings files, variables;
        bool json, quiet, yes, no_wait;
        uint64_t timeout_usec;
};

/* A plan as it was shown: by the controller, or in a file. */
struct fleet_plan {
        struct input_documents documents;
        struct json_document answer;
        const struct json_node *result; /* in answer */
        char *token;
};

static void options_done(struct fleet_options *o)
{
        strings_clear(&o->files);
        strings_clear(&o->variables);
}

static void fleet_plan_done(struct fleet_plan *p)
{
        input_documents_done(&p->documents);
        json_done(&p->answer);
        free(p->token);
}
#define CLEAN_FLEET_PLAN CLEAN(fleet_plan_done)

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct fleet_options *o = state->input;
        switch (key) {
        case KEY_VAR: strings_add(&o->variables, arg); return 0;
        case KEY_OUT: o->out = arg; return 0;
        case KEY_PLAN: o->plan = arg; return 0;
        case KEY_REASON: o->reason = arg; return 0;
        case KEY_WAIT: o->no_wait = false; return 0;
        case KEY_NO_WAIT: o->no_wait = true; return 0;
        case KEY_TIMEOUT:
                if (text_parse_span_usec(arg, &o->timeout_usec) < 0 || !o->timeout_usec)
                        argp_error(state, "--timeout takes a span such as 10min");
                return 0;
        case 'j': o->json = true; return 0;
        case 'q': o->quiet = true; return 0;
        case 'y': o->yes = true; return 0;
        case ARGP_KEY_ARG: strings_add(&o->files, arg); return 0;
        case ARGP_KEY_END:
                if (!o->files.count && !o->plan)
                        argp_error(state, "which file?");
                if (o->files.count && o->plan)
                        argp_error(state, "a plan has its documents in it");
                return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static const char *subject(const struct fleet_options *o)
{
        return o->plan ? o->plan : o->files.items[0];
}

static int take_answer(struct fleet_plan *p, struct json_document *answer, const struct json_node *result)
{
        json_done(&p->answer);
        p->answer = *answer;
        *answer = (struct json_document){ 0 };
        p->result = result;
        free(p->token);
        p->token = xstrdup(view_text(result, "Token"));
        return 0;
}

static int make_plan(struct fleet_plan *p, struct error *e)
{
        CLEAN_JSON struct json_document answer = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        const struct json_node *result;
        text_addf(&params, "{\"Documents\":%s}", p->documents.json.data);
        int r = controller_call("Fleet.Plan", params.data, CALL_LONG_USEC, &answer, &result, e);
        return r < 0 ? r : take_answer(p, &answer, result);
}

/* ---- plan files ---- */

static int save_plan(const struct fleet_options *o, const struct fleet_plan *p, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 }, plan = { 0 };
        json_add(&plan, p->result);
        text_addf(&t, "{\"Version\":%d,\"Token\":", PLAN_VERSION);
        text_add_json(&t, p->token);
        text_addf(&t, ",\"Documents\":%s,\"Plan\":%s}\n", p->documents.json.data, plan.data);
        int r = file_replace(AT_FDCWD, o->out, t.data, t.length, 0600);
        return r < 0 ? error_errno(e, -r, "file.write", "writing %.200s", o->out) : 0;
}

struct plan_file {
        uint32_t version;
        char *token, *documents, *plan;
};

static void plan_file_done(struct plan_file *f)
{
        free(f->token);
        free(f->documents);
        free(f->plan);
}

static int load_plan(const char *path, struct fleet_plan *p, struct error *e)
{
        static const struct json_field fields[] = {
                { "Version", json_u32, offsetof(struct plan_file, version), JSON_REQUIRED },
                { "Token", json_string, offsetof(struct plan_file, token), JSON_REQUIRED },
                { "Documents", json_raw, offsetof(struct plan_file, documents), JSON_REQUIRED },
                { "Plan", json_raw, offsetof(struct plan_file, plan), JSON_REQUIRED },
                { 0 },
        };
        CLEAN(plan_file_done) struct plan_file f = { 0 };
        CLEAN_JSON struct json_document d = { 0 }, documents = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, path, PLAN_FILE_MAX, &t);
        if (r < 0)
                return error_errno(e, -r, "file.read", "reading %.200s", path);
        r = json_parse(path, t.length ? t.data : "", t.length, &d, e);
        const struct json_place top = json_top(&d, path);
        if (r == 0)
                r = json_object(&top, fields, &f, e);
        if (r == 0 && f.version != PLAN_VERSION)
                r = error_set(e, EPROTO, "fleet.plan", "%.200s is a plan of version %u; this program knows version %d", path, f.version, PLAN_VERSION);
        if (r == 0)
                r = json_parse(path, f.documents, strlen(f.documents), &documents, e);
        const struct json_place array = json_top(&documents, path);
        if (r == 0)
                r = input_documents_add(&array, &p->documents, e);
        if (r < 0)
                return r;
        text_add(&p->documents.json, "]");
        p->token = TAKE_PTR(f.token);
        r = json_parse(path, f.plan, strlen(f.plan), &p->answer, e);
        p->result = p->answer.nodes;
        return r;
}

/* ---- plan ---- */

int cmd_plan(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "var", KEY_VAR, "NAME=VALUE", 0, "What {{ var \"NAME\" }} gives in the files", 1 },
                { "out", KEY_OUT, "PLANFILE", 0, "Write the plan down, for \"bulkhead apply --plan\"", 1 },
                { "json", 'j', NULL, 0, "Print JSON", 2 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "FILE...",
                                          "Show what applying files would change\vThe exit status is 0 when nothing would change, 2 when something would, and 1 when "
                                          "that cannot be told.",
                                          NULL, NULL, NULL };
        CLEAN(options_done) struct fleet_options o = { 0 };
        CLEAN_FLEET_PLAN struct fleet_plan p = { 0 };
        struct error e = { 0 };
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        if (input_documents_read(&o.files, &o.variables, &p.documents, &e) < 0 || make_plan(&p, &e) < 0 || (o.out && save_plan(&o, &p, &e) < 0)) {
                if (text_equal(e.id, "plugin.missing"))
                        error_hint(&e, "bulkhead plugin start group --detach; apply starts it by itself");
                return target_fail("plan", subject(&o), &e);
        }
        if (o.json)
                json_print(stdout, &p.answer);
        else
                fleet_print_plan(stdout, p.result);
        if (fflush(stdout) != 0)
                return 1;
        return view_true(p.result, "Pending") ? STATUS_PENDING : 0;
}

/* ---- apply ---- */

static bool listens_here(const char *folder, const char *name, bool *ret_elsewhere)
{
        CLEAN_ENDPOINT struct endpoint at = { 0 };
        if (plugin_find(folder, name, &at, NULL) < 0)
                return false;
        *ret_elsewhere = !at.path;
        return !at.path || plugin_listens(&at, NULL);
}

/* The controller and what the documents name, where nobody listens and a program is there. The rest the controller complains of. */
static int start_missing(const struct fleet_plan *p, bool quiet)
{
        CLEAN_FREE char *folder = plugins_folder();
        struct plugin_start how = { .detach = true, .quiet = quiet, .out = stderr };
        bool elsewhere = false, ignored;
        if (!listens_here(folder, CONTROLLER_NAME, &elsewhere))
                strings_add(&how.words, CONTROLLER_NAME);
        for (size_t i = 0; !elsewhere && i < p->documents.plugins.count; i++) {
                const char *name = p->documents.plugins.items[i];
                if (!listens_here(folder, name, &ignored) && plugin_kind_known(name))
                        strings_add(&how.words, name);
        }
        int status = how.words.count ? plugin_start(&how) : 0;
        strings_clear(&how.words);
        return status;
}

static int apply_plan(const struct fleet_options *o, struct fleet_plan *p, struct error *e)
{
        CLEAN_JSON struct json_document answer = { 0 };
        CLEAN_TEXT struct text params = { 0 };
        const struct json_node *result;
        params_add_raw(&params, "Documents", p->documents.json.data);
        params_add(&params, "Token", p->token);
        params_add(&params, "Reason", o->reason ? o->reason : "");
        CLEAN_FREE char *object = xprintf("{%s}", params.data);
        int r = controller_call("Fleet.Apply", object, CALL_LONG_USEC, &answer, &result, e);
        if (r < 0 && text_equal(e->id, "fleet.stale"))
                error_hint(e, "what is there changed since the plan was made: plan again");
        return r < 0 ? r : take_answer(p, &answer, result);
}

static int wait_for(const struct fleet_options *o, const struct fleet_plan *p)
{
        switch (fleet_wait(&p->documents.ids, o->timeout_usec, o->quiet)) {
        case FLEET_CONVERGED: return 0;
        case FLEET_INTERRUPTED: return STATUS_INTERRUPTED;
        default: return STATUS_NOT_CONVERGED;
        }
}

static int apply(const struct fleet_options *o, struct fleet_plan *p)
{
        struct error e = { 0 };
        int r = o->plan ? load_plan(o->plan, p, &e) : input_documents_read(&o->files, &o->variables, &p->documents, &e);
        if (r < 0)
                return target_fail("apply", subject(o), &e);
        int status = start_missing(p, o->quiet || o->json);
        if (status)
                return status;
        if (!o->plan && make_plan(p, &e) < 0)
                return target_fail("apply", subject(o), &e);
        if (!o->quiet && !o->json)
                fleet_print_plan(stdout, p->result);
        (void)fflush(stdout);
        if (!o->yes && fleet_plan_removes(p->result) && fleet_confirm("Instances would be replaced or removed. Go on?", &e) < 0)
                return target_fail("apply", subject(o), &e);
        if (apply_plan(o, p, &e) < 0)
                return target_fail("apply", subject(o), &e);
        if (o->json)
                json_print(stdout, &p->answer);
        if (fflush(stdout) != 0)
                return 1;
        return o->no_wait ? 0 : wait_for(o, p);
}

int cmd_apply(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "var", KEY_VAR, "NAME=VALUE", 0, "What {{ var \"NAME\" }} gives in the files", 1 },
                { "plan", KEY_PLAN, "PLANFILE", 0, "Apply a plan that \"bulkhead plan --out\" wrote, and nothing else", 1 },
                { "yes", 'y', NULL, 0, "Do not ask on the terminal before instances are replaced or removed", 1 },
                { "reason", KEY_REASON, "WORDS", 0, "Why, for the history and the audit log", 1 },
                { "wait", KEY_WAIT, NULL, 0, "Wait until all is as wanted (the default)", 2 },
                { "no-wait", KEY_NO_WAIT, NULL, 0, "Return once the controller has it", 2 },
                { "timeout", KEY_TIMEOUT, "SPAN", 0, "Wait no longer than that", 2 },
                { "json", 'j', NULL, 0, "Print the plan that was applied as JSON", 3 },
                { "quiet", 'q', NULL, 0, "Say nothing but errors", 3 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "FILE...",
                                          "Have groups be as files say\vThe exit status is 0 when all is as wanted, 1 when nothing was applied, 3 when it was, and is not "
                                          "reached, and 130 after an interrupt, which leaves the controller working.",
                                          NULL, NULL, NULL };
        CLEAN(options_done) struct fleet_options o = { 0 };
        CLEAN_FLEET_PLAN struct fleet_plan p = { 0 };
        return argp_parse(&argp, argc, argv, 0, NULL, &o) != 0 ? 1 : apply(&o, &p);
}
