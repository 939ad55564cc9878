/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/oci_seccomp.h"

#include <linux/seccomp.h>
#include <string.h>

/* As it is written, before the members that depend on each other are put together. */
struct raw_action {
        uint32_t action;
        bool has_error;
        uint32_t error;
};

struct raw_rule {
        struct profile_rule rule;
        struct raw_action action;
};

struct raw_profile {
        struct profile *profile;
        struct raw_action action;
};

static int read_word(const struct json_place *at, const struct profile_word *words, const struct profile_word **ret, struct error *e)
{
        CLEAN_TEXT struct text known = { 0 };
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        for (const struct profile_word *w = words; w->name; w++) {
                if (text_equal(w->name, s)) {
                        *ret = w;
                        return 0;
                }
        }
        for (const struct profile_word *w = words; w->name; w++)
                text_addf(&known, "%s%s", w == words ? "" : ", ", w->name);
        json_fail(at, e, "unknown word \"%.60s\"", s);
        error_hint(e, "known are %s", known.data);
        return -EINVAL;
}

static int read_value(const struct json_place *at, const struct profile_word *words, uint32_t *ret, struct error *e)
{
        const struct profile_word *w;
        int r = read_word(at, words, &w, e);
        if (r == 0)
                *ret = w->value;
        return r;
}

static int read_action(const struct json_place *at, void *into, struct error *e)
{
        return read_value(at, profile_actions, into, e);
}

static int read_operator(const struct json_place *at, void *into, struct error *e)
{
        return read_value(at, profile_operators, into, e);
}

static int read_error(const struct json_place *at, void *into, struct error *e)
{
        struct raw_action *raw = into;
        raw->has_error = true;
        return json_u32(at, &raw->error, e);
}

/* The kernel keeps 16 bits, and makes errors beyond 4095 to 4095, which libseccomp does not take. */
enum { ERRNO_MAX = 4094 };

static int join_action(const struct json_place *at, const struct raw_action *raw, const char *member, uint32_t *ret, struct error *e)
{
        bool is_error = raw->action == SECCOMP_RET_ERRNO, takes = is_error || raw->action == SECCOMP_RET_TRACE;
        uint32_t most = is_error ? ERRNO_MAX : SECCOMP_RET_DATA;
        const struct json_place place = { .value = at->value, .up = at, .key = member };
        if (raw->has_error && !takes)
                return json_fail(&place, e, "only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take a number");
        if (raw->has_error && raw->error > most)
                return json_fail(&place, e, "is not from 0 to %u", most);
        *ret = raw->action | (!takes ? 0 : raw->has_error ? raw->error : EPERM);
        return 0;
}

static int read_index(const struct json_place *at, void *into, struct error *e)
{
        int r = json_u32(at, into, e);
        return r == 0 && *(uint32_t *)into >= PROFILE_ARGS_MAX ? json_fail(at, e, "is not from 0 to 5") : r;
}

static int read_arg(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "index", read_index, offsetof(struct profile_arg, index), JSON_REQUIRED },
                { "value", json_u64, offsetof(struct profile_arg, value), JSON_REQUIRED },
                { "valueTwo", json_u64, offsetof(struct profile_arg, value_two), 0 },
                { "op", read_operator, offsetof(struct profile_arg, op), JSON_REQUIRED },
                { 0 },
        };
        struct profile_rule *rule = into;
        struct profile_arg arg = { 0 };
        int r = json_object(at, fields, &arg, e);
        if (r < 0)
                return r;
        rule->args = xgrow(rule->args, &rule->arg_room, rule->arg_count + 1, sizeof *rule->args);
        rule->args[rule->arg_count++] = arg;
        return 0;
}

static int read_args(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_arg, into, e);
}

static int read_names(const struct json_place *at, void *into, struct error *e)
{
        struct profile_rule *rule = into;
        int r = json_strings(at, &rule->names, e);
        return r == 0 && !rule->names.count ? json_fail(at, e, "names no system call") : r;
}

/*
 * The payload's process tells the number of its listener with write(2) (sandbox/notify.h).  If that had to wait for the
 * listener's answer, nobody could ever give it.
 */
static int check_notify(const struct json_place *at, const struct profile_rule *rule, struct error *e)
{
        const struct json_place names = { .value = at->value, .up = at, .key = "names" };
        if (rule->action != SECCOMP_RET_USER_NOTIF || !strings_has(&rule->names, "write"))
                return 0;
        return json_fail(&names, e, "SCMP_ACT_NOTIFY cannot be used for write: the listener is handed over with it");
}

static void clean_rule(struct raw_rule *r)
{
        strings_clear(&r->rule.names);
        free(r->rule.args);
}

static int read_rule(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "names", read_names, offsetof(struct raw_rule, rule), JSON_REQUIRED },
                { "action", read_action, offsetof(struct raw_rule, action.action), JSON_REQUIRED },
                { "errnoRet", read_error, offsetof(struct raw_rule, action), 0 },
                { "args", read_args, offsetof(struct raw_rule, rule), 0 },
                { 0 },
        };
        struct profile *p = ((struct raw_profile *)into)->profile;
        CLEAN(clean_rule) struct raw_rule raw = { 0 };
        int r = json_object(at, fields, &raw, e);
        if (r == 0)
                r = join_action(at, &raw.action, "errnoRet", &raw.rule.action, e);
        if (r == 0)
                r = check_notify(at, &raw.rule, e);
        if (r < 0)
                return r;
        p->rules = xgrow(p->rules, &p->rule_room, p->rule_count + 1, sizeof *p->rules);
        p->rules[p->rule_count++] = raw.rule;
        raw = (struct raw_rule){ 0 };
        return 0;
}

static int read_rules(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_rule, into, e);
}

static int read_architecture(const struct json_place *at, void *into, struct error *e)
{
        struct raw_profile *raw = into;
        const struct profile_word *w;
        int r = read_word(at, profile_architectures, &w, e);
        if (r == 0)
                raw->profile->architectures |= UINT64_C(1) << (w - profile_architectures);
        return r;
}

static int read_architectures(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_architecture, into, e);
}

static int read_flag(const struct json_place *at, void *into, struct error *e)
{
        struct raw_profile *raw = into;
        uint32_t flag;
        int r = read_value(at, profile_flags, &flag, e);
        if (r == 0)
                raw->profile->flags |= flag;
        return r;
}

static int read_flags(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_flag, into, e);
}

static int read_path(const struct json_place *at, void *into, struct error *e)
{
        return json_string(at, &((struct raw_profile *)into)->profile->listener_path, e);
}

static int read_metadata(const struct json_place *at, void *into, struct error *e)
{
        return json_string(at, &((struct raw_profile *)into)->profile->listener_metadata, e);
}

/* Empty strings count as absent: that is how Go writes what is not set. */
static bool is_set(const char *s)
{
        return s && *s;
}

static int check_listener(const struct json_place *at, const struct profile *p, struct error *e)
{
        struct json_place place = { .value = at->value, .up = at, .key = "listenerPath" };
        bool notifies = profile_notifies(p);
        if (!is_set(p->listener_path) && notifies)
                return json_fail(&place, e, "is missing, and a rule has SCMP_ACT_NOTIFY");
        if (notifies && p->listener_path[0] != '/')
                return json_fail(&place, e, "is not an absolute path");
        place.key = "listenerMetadata";
        if (!is_set(p->listener_path) && is_set(p->listener_metadata))
                return json_fail(&place, e, "is set without listenerPath");
        return 0;
}

static int check(const struct json_place *at, const struct profile *p, struct error *e)
{
        const struct json_place place = { .value = at->value, .up = at, .key = "defaultAction" };
        if (p->default_action == SECCOMP_RET_USER_NOTIF)
                return json_fail(&place, e, "SCMP_ACT_NOTIFY cannot be used for all calls: the listener is handed over with some");
        return check_listener(at, p, e);
}

static void clean_profile(struct profile **p)
{
        profile_free(*p);
}

int oci_read_seccomp(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "defaultAction", read_action, offsetof(struct raw_profile, action.action), JSON_REQUIRED },
                { "defaultErrnoRet", read_error, offsetof(struct raw_profile, action), 0 },
                { "architectures", read_architectures, 0, 0 },
                { "flags", read_flags, 0, 0 },
                { "listenerPath", read_path, 0, 0 },
                { "listenerMetadata", read_metadata, 0, 0 },
                { "syscalls", read_rules, 0, 0 },
                { 0 },
        };
        struct profile **target = into;
        CLEAN(clean_profile) struct profile *p = xalloc(1, sizeof *p);
        struct raw_profile raw = { .profile = p };
        int r = json_object(at, fields, &raw, e);
        if (r == 0)
                r = join_action(at, &raw.action, "defaultErrnoRet", &p->default_action, e);
        if (r == 0)
                r = check(at, p, e);
        if (r < 0)
                return r;
        profile_free(*target);
        *target = TAKE_PTR(p);
        return 0;
}
