/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a group's document. What a member means is in spec.h; here stands what it may be. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "group/spec.h"

enum { GROUP_ID_MAX = 128, DOCUMENT_MAX = 4 << 20 };
enum { SECOND_USEC = 1000000, MINUTE_USEC = 60 * SECOND_USEC };
enum { INTERVAL_LEAST_USEC = 10000, POLL_LEAST_USEC = 100000, DRIFT_LEAST_USEC = SECOND_USEC };

uint32_t share_up(struct share s, uint32_t of)
{
        return s.percent ? (uint32_t)(((uint64_t)of * s.value + 99) / 100) : s.value;
}

uint32_t share_down(struct share s, uint32_t of)
{
        return s.percent ? (uint32_t)((uint64_t)of * s.value / 100) : s.value;
}

uint32_t group_spec_count(const struct group_spec *s)
{
        return s->allocation.logical_ids.count ? (uint32_t)s->allocation.logical_ids.count : s->allocation.size;
}

void group_spec_done(struct group_spec *s)
{
        free(s->id);
        allocation_done(&s->allocation);
        free(s->instance.plugin);
        free(s->instance.properties);
        free(s->flavor.plugin);
        free(s->flavor.properties);
        free(s->health.check);
        strings_clear(&s->protect_instances);
        free(s->text);
        *s = (struct group_spec){ 0 };
}

/* ---- readers of values ---- */

static int read_duration(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        int r = duration_parse(s, into);
        if (r < 0) {
                json_fail(at, e, r == -ERANGE ? "\"%.60s\" is too long" : "\"%.60s\" is no duration", s);
                error_hint(e, "durations are written like 30s, 1m30s, 500ms");
                return -EINVAL;
        }
        return 0;
}

/* "25%", or a number, written as one or in quotes. */
static int read_share(const struct json_place *at, void *into, struct error *e)
{
        struct share *s = into;
        char number[16];
        uint64_t value;
        if (at->value->type == JSON_NUMBER) {
                s->percent = false;
                int r = json_u32(at, &s->value, e);
                return r == 0 && s->value > GROUP_SIZE_MAX ? json_fail(at, e, "is not from 0 to %d", GROUP_SIZE_MAX) : r;
        }
        const char *text = json_text(at, e);
        if (!text)
                return json_fail(at, e, "expected a number, or a percentage such as \"25%%\"");
        size_t length = strlen(text);
        bool percent = text_ends(text, "%");
        if (length >= sizeof number)
                return json_fail(at, e, "expected a number, or a percentage such as \"25%%\"");
        memcpy(number, text, length + 1);
        number[length - percent] = 0;
        uint64_t most = percent ? 100 : GROUP_SIZE_MAX;
        int r = text_parse_uint(number, most, &value);
        if (r < 0)
                return json_fail(at, e, r == -ERANGE ? "is not from 0 to %llu%s" : "expected a number from 0 to %llu%s, or a percentage such as \"25%%\"",
                                 (unsigned long long)most, percent ? "%" : "");
        *s = (struct share){ (uint32_t)value, percent };
        return 0;
}

/* "100/1m". */
static int read_rate(const struct json_place *at, void *into, struct error *e)
{
        struct limits *l = into;
        const char *s = json_text(at, e), *slash = s ? strchr(s, '/') : NULL;
        uint64_t count = 0;
        if (!s)
                return -EINVAL;
        CLEAN_FREE char *number = slash ? xstrndup(s, (size_t)(slash - s)) : NULL;
        if (!slash || text_parse_uint(number, UINT32_MAX, &count) < 0 || !count || duration_parse(slash + 1, &l->rate_usec) < 0 || !l->rate_usec)
                return json_fail(at, e, "expected a number and a time, such as \"100/1m\"");
        l->rate = (uint32_t)count;
        return 0;
}

static int read_checkpoint(const struct json_place *at, void *into, struct error *e)
{
        struct updating *u = into;
        if (u->checkpoint_count >= CHECKPOINTS_MAX)
                return json_fail(at, e, "there are at most %d checkpoints", CHECKPOINTS_MAX);
        return read_share(at, u->checkpoints + u->checkpoint_count++, e);
}

static int read_checkpoints(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_checkpoint, into, e);
}

static int read_on_failure(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { [ON_FAILURE_PAUSE] = "pause", [ON_FAILURE_ROLLBACK] = "rollback", NULL };
        int word = json_word(at, words, e);
        if (word >= 0)
                *(enum on_failure *)into = (enum on_failure)word;
        return word < 0 ? word : 0;
}

static int read_skip_drain(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "drain", NULL };
        int word = json_word(at, words, e);
        if (word >= 0)
                *(bool *)into = true;
        return word < 0 ? word : 0;
}

static int read_check(const struct json_place *at, void *into, struct error *e)
{
        return at->value->type == JSON_OBJECT ? json_raw(at, into, e) : json_fail(at, e, "expected an object");
}

static int read_protected(const struct json_place *at, void *into, struct error *e)
{
        struct strings *ids = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strlen(s) > INSTANCE_ID_MAX)
                return json_fail(at, e, "the ID of an instance has 1 to %d bytes", INSTANCE_ID_MAX);
        if (ids->count >= GROUP_SIZE_MAX)
                return json_fail(at, e, "there are at most %d IDs", GROUP_SIZE_MAX);
        strings_add(ids, s);
        return 0;
}

static int read_protected_list(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_protected, into, e);
}

/* ---- objects whose members are all ours: another name is a mistake ---- */

static int refuse_others(const struct json_place *at, const struct json_field *fields, struct error *e)
{
        if (at->value->type != JSON_OBJECT)
                return json_fail(at, e, "expected an object");
        const struct json_node *name = at->value + 1;
        for (uint32_t i = 0; i < at->value->count; i++, name = name + 1 + name[1].span) {
                CLEAN_TEXT struct text known = { 0 };
                const struct json_field *f = fields;
                for (; f->name && !text_equal(f->name, name->text); f++)
                        text_addf(&known, "%s%s", known.length ? ", " : "", f->name);
                if (f->name)
                        continue;
                const struct json_place place = { .value = name + 1, .up = at, .key = name->text };
                json_fail(&place, e, "is no member that is known here");
                error_hint(e, "known are %s", known.data);
                return -EINVAL;
        }
        return 0;
}

static int read_only_ours(const struct json_place *at, const struct json_field *fields, void *into, struct error *e)
{
        int r = refuse_others(at, fields, e);
        return r < 0 ? r : json_object(at, fields, into, e);
}

/* A checkpoint may not be below the one before it, whatever the size: so kinds are not mixed. */
static int check_checkpoints(const struct json_place *at, const struct updating *u, struct error *e)
{
        for (uint32_t i = 1; i < u->checkpoint_count; i++)
                if (u->checkpoints[i].percent != u->checkpoints[i - 1].percent || u->checkpoints[i].value <= u->checkpoints[i - 1].value)
                        return json_fail(at, e, "Checkpoints must ascend, and be all numbers or all percentages");
        return 0;
}

static int read_updating(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Duration", read_duration, offsetof(struct updating, duration_usec), 0 },
                { "Count", json_u32, offsetof(struct updating, count), 0 },
                { "SkipBeforeInstanceDestroy", read_skip_drain, offsetof(struct updating, skip_drain), 0 },
                { "DrainWait", read_duration, offsetof(struct updating, drain_wait_usec), 0 },
                { "Surge", read_share, offsetof(struct updating, surge), 0 },
                { "Unavailable", read_share, offsetof(struct updating, unavailable), 0 },
                { "Batch", read_share, offsetof(struct updating, batch), 0 },
                { "Canary", read_share, offsetof(struct updating, canary), 0 },
                { "Checkpoints", read_checkpoints, 0, 0 },
                { "Bake", read_duration, offsetof(struct updating, bake_usec), 0 },
                { "Deadline", read_duration, offsetof(struct updating, deadline_usec), 0 },
                { "OnFailure", read_on_failure, offsetof(struct updating, on_failure), 0 },
                { 0 },
        };
        struct updating *u = into;
        int r = read_only_ours(at, fields, u, e);
        if (r < 0)
                return r;
        if (u->duration_usec && u->count)
                return json_fail(at, e, "either Duration or Count, not both");
        if (!u->surge.value && !u->unavailable.value)
                return json_fail(at, e, "Surge and Unavailable cannot both be 0: nothing could be replaced");
        if (!u->batch.value)
                return json_fail(at, e, "Batch cannot be 0: nothing could be replaced");
        return check_checkpoints(at, u, e);
}

static int read_health(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Interval", read_duration, offsetof(struct health_policy, interval_usec), 0 },
                { "Grace", read_duration, offsetof(struct health_policy, grace_usec), 0 },
                { "Failures", json_u32, offsetof(struct health_policy, failures), 0 },
                { "Budget", read_share, offsetof(struct health_policy, budget), 0 },
                { "Check", read_check, offsetof(struct health_policy, check), 0 },
                { 0 },
        };
        struct health_policy *h = into;
        int r = read_only_ours(at, fields, h, e);
        if (r < 0)
                return r;
        if (h->check && !json_member(at->value, "Interval"))
                h->interval_usec = 10 * (uint64_t)SECOND_USEC;
        if (h->interval_usec && h->interval_usec < INTERVAL_LEAST_USEC)
                return json_fail(at, e, "Interval is 0, or at least 10ms");
        return h->failures ? 0 : json_fail(at, e, "Failures must be at least 1");
}

static int read_drift_action(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { [DRIFT_TELL] = "tell", [DRIFT_REPLACE] = "replace", NULL };
        int word = json_word(at, words, e);
        if (word >= 0)
                *(enum drift_action *)into = (enum drift_action)word;
        return word < 0 ? word : 0;
}

static int read_drift(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Interval", read_duration, offsetof(struct drift_policy, interval_usec), 0 },
                { "Action", read_drift_action, offsetof(struct drift_policy, action), 0 },
                { 0 },
        };
        struct drift_policy *d = into;
        int r = read_only_ours(at, fields, d, e);
        if (r < 0)
                return r;
        if (d->interval_usec && d->interval_usec < DRIFT_LEAST_USEC)
                return json_fail(at, e, "Interval is 0, or at least 1s");
        return d->interval_usec || d->action == DRIFT_TELL ? 0 : json_fail(at, e, "what is not looked for cannot be replaced: Action takes an Interval");
}

static int read_limits(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Parallel", json_u32, offsetof(struct limits, parallel), 0 },
                { "Attempts", json_u32, offsetof(struct limits, attempts), 0 },
                { "Backoff", read_duration, offsetof(struct limits, backoff_usec), 0 },
                { "BackoffMax", read_duration, offsetof(struct limits, backoff_max_usec), 0 },
                { "Rate", read_rate, 0, 0 },
                { "Reset", read_duration, offsetof(struct limits, reset_usec), 0 },
                { 0 },
        };
        struct limits *l = into;
        int r = read_only_ours(at, fields, l, e);
        if (r < 0)
                return r;
        if (!l->attempts)
                return json_fail(at, e, "Attempts must be at least 1");
        if (l->backoff_usec < INTERVAL_LEAST_USEC || l->backoff_max_usec < l->backoff_usec)
                return json_fail(at, e, "Backoff is at least 10ms, and BackoffMax at least as long");
        return l->reset_usec < l->backoff_usec ? json_fail(at, e, "Reset must be at least as long as Backoff") : 0;
}

static int read_protection(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Group", json_bool, offsetof(struct group_spec, protect_group), 0 },
                { "Instances", read_protected_list, offsetof(struct group_spec, protect_instances), 0 },
                { 0 },
        };
        return read_only_ours(at, fields, into, e);
}

/* ---- the document ---- */

static bool is_name_byte(unsigned char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-+:@", c);
}

/* It is part of tags, of paths of events and of file names. */
static int read_group_id(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strlen(s) > GROUP_ID_MAX)
                return json_fail(at, e, "the ID of a group has 1 to %d bytes", GROUP_ID_MAX);
        for (const char *c = s; *c; c++)
                if (!is_name_byte((unsigned char)*c) || *s == '.')
                        return json_fail(at, e, "the ID of a group has letters, digits and . _ - + : @, and no point at the beginning");
        return json_string(at, into, e);
}

/* "lookup" or "lookup/type": lookup is a file name in the plugins' folder. */
static int read_plugin(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        bool valid = *s && *s != '/' && *s != '.' && strlen(s) <= INSTANCE_ID_MAX && !text_ends(s, "/");
        for (const char *c = s; *c; c++)
                valid &= is_name_byte((unsigned char)*c) || (*c == '/' && c[1] != '/');
        if (!valid) {
                json_fail(at, e, "\"%.60s\" names no plugin", s);
                error_hint(e, "write its name, or NAME/TYPE, such as \"aws/ec2-instance\"");
                return -EINVAL;
        }
        return json_string(at, into, e);
}

/* The hash takes numbers as doubles: one that is none would be another to every reader. */
static int check_numbers(const struct json_place *at, struct error *e)
{
        for (const struct json_node *n = at->value, *end = n + n->span; n < end; n++) {
                if (n->type != JSON_NUMBER)
                        continue;
                CLEAN_FREE char *written = xstrndup(n->text, n->length);
                if (!isfinite(strtod(written, NULL)))
                        return json_fail(at, e, "the number %.40s is out of range", written);
        }
        return 0;
}

static int read_use(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Plugin", read_plugin, offsetof(struct plugin_use, plugin), JSON_REQUIRED },
                { "Properties", json_raw, offsetof(struct plugin_use, properties), 0 },
                { 0 },
        };
        int r = check_numbers(at, e);
        return r < 0 ? r : json_object(at, fields, into, e);
}

static int compare_strings(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_unique(const struct json_place *at, const struct strings *l, struct error *e)
{
        CLEAN_FREE char **sorted = xalloc(l->count, sizeof *sorted);
        if (!l->count)
                return 0;
        memcpy(sorted, l->items, l->count * sizeof *sorted);
        qsort(sorted, l->count, sizeof *sorted, compare_strings);
        for (size_t i = 1; i < l->count; i++)
                if (text_equal(sorted[i - 1], sorted[i]))
                        return json_fail(at, e, "\"%.60s\" stands twice in LogicalIDs", sorted[i]);
        return 0;
}

static int read_allocation(const struct json_place *at, void *into, struct error *e)
{
        struct allocation *a = into;
        int r = allocation_read(at, a, e);
        if (r < 0)
                return r;
        if (a->size && a->logical_ids.count)
                return json_fail(at, e, "either Size or LogicalIDs, not both");
        if (!json_member(at->value, "Size") && !a->logical_ids.count)
                return json_fail(at, e, "Size or LogicalIDs is missing");
        return check_unique(at, &a->logical_ids, e);
}

static int read_properties(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Allocation", read_allocation, offsetof(struct group_spec, allocation), JSON_REQUIRED },
                { "Instance", read_use, offsetof(struct group_spec, instance), JSON_REQUIRED },
                { "Flavor", read_use, offsetof(struct group_spec, flavor), JSON_REQUIRED },
                { "Updating", read_updating, offsetof(struct group_spec, updating), 0 },
                { "Health", read_health, offsetof(struct group_spec, health), 0 },
                { "Drift", read_drift, offsetof(struct group_spec, drift), 0 },
                { "Limits", read_limits, offsetof(struct group_spec, limits), 0 },
                { "Poll", read_duration, offsetof(struct group_spec, poll_usec), 0 },
                { "Protection", read_protection, 0, 0 },
                { 0 },
        };
        struct group_spec *s = into;
        int r = json_object(at, fields, s, e);
        if (r < 0)
                return r;
        if (s->poll_usec && s->poll_usec < POLL_LEAST_USEC)
                return json_fail(at, e, "Poll is 0, or at least 100ms");
        if (s->protect_group && !group_spec_count(s))
                return json_fail(at, e, "a group with Protection cannot have the size 0");
        group_hash(json_member(at->value, "Instance"), json_member(at->value, "Flavor"), s->hash);
        return 0;
}

static void set_defaults(struct group_spec *s)
{
        s->updating = (struct updating){ .surge = { 1 }, .batch = { 1 }, .deadline_usec = 10 * (uint64_t)MINUTE_USEC };
        s->health = (struct health_policy){ .grace_usec = 30 * (uint64_t)SECOND_USEC, .failures = 3, .budget = { 20, true } };
        s->drift = (struct drift_policy){ .interval_usec = 5 * (uint64_t)MINUTE_USEC };
        s->limits = (struct limits){ .attempts = 5, .backoff_usec = SECOND_USEC, .backoff_max_usec = 5 * (uint64_t)MINUTE_USEC,
                                     .reset_usec = 10 * (uint64_t)MINUTE_USEC };
}

int group_spec_read(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "ID", read_group_id, offsetof(struct group_spec, id), JSON_REQUIRED },
                { "Properties", read_properties, 0, JSON_REQUIRED },
                { 0 },
        };
        struct group_spec *s = into;
        set_defaults(s);
        int r = json_object(at, fields, s, e);
        if (r < 0)
                return r;
        r = json_raw(at, &s->text, e);
        if (r == 0 && strlen(s->text) > DOCUMENT_MAX)
                return json_fail(at, e, "the document has more than %d bytes", DOCUMENT_MAX);
        return r;
}
