/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The record of a run as JSON. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "os/file.h"
#include "shim/state.h"

enum { ARGV_BUDGET = 32768, PROPERTIES_BUDGET = 49152, TEXT_KEPT_MAX = 2048 };

static const char *const phase_names[] = { "starting", "running", "exited", "failed", NULL };

const char *run_phase_name(enum run_phase phase)
{
        return phase < RUN_PHASES ? phase_names[phase] : "unknown";
}

static void add_string(struct text *t, const char *key, const char *value)
{
        text_addf(t, ",\"%s\":", key);
        if (!value) {
                text_add(t, "null");
                return;
        }
        char kept[TEXT_KEPT_MAX];
        (void)snprintf(kept, sizeof kept, "%s", value);
        text_add_json(t, kept);
}

/* A list up to a budget: the file stays within what the loader accepts, however long the command is. */
static void add_list(struct text *t, const char *key, const struct strings *l, size_t budget)
{
        text_addf(t, ",\"%s\":[", key);
        for (size_t i = 0; i < l->count; i++) {
                size_t before = t->length;
                if (i)
                        text_add(t, ",");
                text_add_json(t, l->items[i]);
                if (t->length <= budget)
                        continue;
                t->data[t->length = before] = 0;
                text_add(t, i ? ",\"...\"" : "\"...\"");
                break;
        }
        text_add(t, "]");
}

static void add_error(struct text *t, const struct run_state *s)
{
        if (!s->error_id)
                return;
        text_add(t, ",\"error\":{\"id\":");
        text_add_json(t, s->error_id);
        add_string(t, "cause", s->error_cause);
        add_string(t, "hint", s->error_hint);
        text_add(t, "}");
}

static void add_usage(struct text *t, const struct cgroup_usage *u)
{
        bool first = true;
        if (!u->known)
                return;
        text_add(t, ",\"usage\":{");
        for (unsigned i = 0; i < CGROUP_USES; i++)
                if (cgroup_use_is_known(u, (enum cgroup_use)i)) {
                        text_addf(t, "%s\"%s\":%llu", first ? "" : ",", cgroup_use_name((enum cgroup_use)i), (unsigned long long)u->values[i]);
                        first = false;
                }
        text_add(t, "}");
}

void run_state_json(const struct run_state *s, struct text *t)
{
        text_addf(t, "{\"version\":%d", STATE_VERSION);
        add_string(t, "unit", s->unit);
        add_string(t, "invocation_id", s->invocation_id);
        add_string(t, "state", run_phase_name(s->phase));
        text_addf(t, ",\"supervisor_pid\":%d,\"pid\":%d", (int)s->supervisor_pid, (int)s->pid);
        text_addf(t, ",\"started_usec\":%llu,\"ended_usec\":%llu,\"cpu_usec\":%llu", (unsigned long long)s->started_usec,
                  (unsigned long long)s->ended_usec, (unsigned long long)s->cpu_usec);
        add_string(t, "code", s->code[0] ? s->code : NULL);
        text_addf(t, ",\"status\":%d", s->status);
        add_string(t, "result", s->result[0] ? s->result : NULL);
        add_string(t, "description", s->description);
        text_addf(t, ",\"tty\":%s", s->tty ? "true" : "false");
        if (s->sub[0]) {
                add_string(t, "sub", s->sub);
                add_string(t, "source", s->source);
                add_string(t, "status_text", s->status_text);
                text_addf(t, ",\"restarts\":%u", (unsigned)s->restarts);
        }
        add_usage(t, &s->usage);
        add_error(t, s);
        add_list(t, "argv", &s->argv, ARGV_BUDGET);
        add_list(t, "properties", &s->properties, PROPERTIES_BUDGET);
        text_add(t, "}\n");
}

int run_save_state(int dir_fd, const struct run_state *s, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        run_state_json(s, &t);
        int r = file_replace(dir_fd, "state.json", t.data, t.length, 0600);
        return r < 0 ? error_errno(e, r, "state.save", "replace state.json of %s", s->unit ? s->unit : "?") : 0;
}

static int read_phase(const struct json_place *at, void *into, struct error *e)
{
        int n = json_word(at, phase_names, e);
        if (n >= 0)
                *(enum run_phase *)into = (enum run_phase)n;
        return n < 0 ? n : 0;
}

static int read_pid(const struct json_place *at, void *into, struct error *e)
{
        int32_t pid = 0;
        int r = json_i32(at, &pid, e);
        *(pid_t *)into = pid;
        return r == 0 && pid < 0 ? json_fail(at, e, "%d is no process id", pid) : r;
}

static int copy_word(const struct json_place *at, char *ret, size_t size, struct error *e)
{
        const char *s = json_text(at, e);
        if (s)
                (void)snprintf(ret, size, "%s", s);
        return s ? 0 : -EINVAL;
}

static int read_code(const struct json_place *at, void *into, struct error *e)
{
        return copy_word(at, into, sizeof((struct run_state *)NULL)->code, e);
}

static int read_result(const struct json_place *at, void *into, struct error *e)
{
        return copy_word(at, into, sizeof((struct run_state *)NULL)->result, e);
}

static int read_sub(const struct json_place *at, void *into, struct error *e)
{
        return copy_word(at, into, sizeof((struct run_state *)NULL)->sub, e);
}

static int read_error(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "id", json_string, offsetof(struct run_state, error_id), 0 },
                { "cause", json_string, offsetof(struct run_state, error_cause), 0 },
                { "hint", json_string, offsetof(struct run_state, error_hint), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

static int read_use(const struct json_place *at, void *into, struct error *e)
{
        uint64_t n = 0;
        for (unsigned i = 0; i < CGROUP_USES; i++)
                if (text_equal(at->key, cgroup_use_name((enum cgroup_use)i))) {
                        int r = json_u64(at, &n, e);
                        if (r < 0)
                                return r;
                        cgroup_use_set(into, (enum cgroup_use)i, n);
                }
        return 0;
}

static int read_usage(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, read_use, into, e);
}

static int decode_version(const struct json_place *top, struct error *e)
{
        static const struct json_field fields[] = { { "version", json_i64, 0, JSON_REQUIRED }, { 0 } };
        int64_t version = 0;
        int r = json_object(top, fields, &version, e);
        if (r < 0)
                return r;
        if (version > STATE_VERSION) {
                (void)error_set(e, EPROTONOSUPPORT, "state.newer", "state.json has version %lld; this program reads up to %d",
                                (long long)version, STATE_VERSION);
                error_hint(e, "a newer bulkhead started this run: use that one");
                return -EPROTONOSUPPORT;
        }
        return version < 1 ? json_fail(top, e, "not a run record") : 0;
}

static int decode_state(const struct json_place *top, struct run_state *s, struct error *e)
{
        static const struct json_field fields[] = {
                { "unit", json_string, offsetof(struct run_state, unit), 0 },
                { "invocation_id", json_string, offsetof(struct run_state, invocation_id), 0 },
                { "state", read_phase, offsetof(struct run_state, phase), JSON_REQUIRED },
                { "supervisor_pid", read_pid, offsetof(struct run_state, supervisor_pid), 0 },
                { "pid", read_pid, offsetof(struct run_state, pid), 0 },
                { "started_usec", json_u64, offsetof(struct run_state, started_usec), 0 },
                { "ended_usec", json_u64, offsetof(struct run_state, ended_usec), 0 },
                { "cpu_usec", json_u64, offsetof(struct run_state, cpu_usec), 0 },
                { "code", read_code, offsetof(struct run_state, code), 0 },
                { "status", json_i32, offsetof(struct run_state, status), 0 },
                { "result", read_result, offsetof(struct run_state, result), 0 },
                { "description", json_string, offsetof(struct run_state, description), 0 },
                { "tty", json_bool, offsetof(struct run_state, tty), 0 },
                { "sub", read_sub, offsetof(struct run_state, sub), 0 },
                { "source", json_string, offsetof(struct run_state, source), 0 },
                { "status_text", json_string, offsetof(struct run_state, status_text), 0 },
                { "restarts", json_u32, offsetof(struct run_state, restarts), 0 },
                { "usage", read_usage, offsetof(struct run_state, usage), 0 },
                { "error", read_error, 0, 0 },
                { "argv", json_strings, offsetof(struct run_state, argv), 0 },
                { "properties", json_strings, offsetof(struct run_state, properties), 0 },
                { 0 },
        };
        return json_object(top, fields, s, e);
}

void run_state_done(struct run_state *s)
{
        free(s->unit);
        free(s->invocation_id);
        free(s->description);
        free(s->source);
        free(s->status_text);
        free(s->error_id);
        free(s->error_cause);
        free(s->error_hint);
        strings_clear(&s->argv);
        strings_clear(&s->properties);
        *s = (struct run_state){ 0 };
}

/* One id for all that can be wrong inside of a record. */
static int damaged(struct error *e)
{
        char cause[ERROR_CAUSE_MAX] = "";
        if (e)
                memcpy(cause, e->cause, sizeof cause);
        return error_set(e, EBADMSG, "state.invalid", "%s", cause);
}

int run_state_parse(const char *data, size_t size, struct run_state *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_RUN_STATE struct run_state s = { 0 };
        int r = json_parse("state.json", data, size, &d, e);
        const struct json_place top = json_top(&d, "state.json");
        if (r == 0)
                r = decode_version(&top, e);
        if (r == 0)
                r = decode_state(&top, &s, e);
        if (r < 0)
                return r == -EPROTONOSUPPORT ? r : damaged(e);
        *ret = s;
        s = (struct run_state){ 0 };
        return 0;
}
