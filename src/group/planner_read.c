/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of a planner, read back.  All of it is checked: it may have been written by another version, or by nobody of ours. */
#include <errno.h>
#include <string.h>

#include "group/planner_parts.h"

static int read_hash(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (strlen(s) != HASH_LENGTH)
                return json_fail(at, e, "is no hash of a configuration");
        memcpy(into, s, HASH_LENGTH + 1);
        return 0;
}

static int read_id(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (s && (!*s || strlen(s) > INSTANCE_ID_MAX))
                return json_fail(at, e, "an ID has 1 to %d bytes", INSTANCE_ID_MAX);
        return s ? json_string(at, into, e) : -EINVAL;
}

static int read_tag(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (s && strlen(s) > TAG_VALUE_MAX)
                return json_fail(at, e, "the value of a tag has at most %d bytes", TAG_VALUE_MAX);
        return s ? json_string(at, into, e) : -EINVAL;
}

static int read_phase(const struct json_place *at, void *into, struct error *e)
{
        const char *words[ELEMENTS(roll_words) + 1] = { NULL };
        memcpy(words, roll_words, sizeof roll_words);
        int word = json_word(at, words, e);
        if (word >= 0)
                *(enum roll_phase *)into = (enum roll_phase)word;
        return word < 0 ? word : 0;
}

/* A time, far from where sums of times overflow. */
static int read_time(const struct json_place *at, void *into, struct error *e)
{
        int r = json_u64(at, into, e);
        return r == 0 && *(uint64_t *)into > INT64_MAX ? json_fail(at, e, "is out of range") : r;
}

/* One row of a list; which members it has depends on the list. */
struct row {
        char *id, *token, *logical, *hash; /* hash: as the tag has it, which may be any word */
        int reason;
        bool sure, drained;
        uint32_t lineage, sequence;
        uint64_t revision, at_usec;
};

static void row_done(struct row *r)
{
        free(r->id);
        free(r->token);
        free(r->logical);
        free(r->hash);
}

static int read_reason(const struct json_place *at, void *into, struct error *e)
{
        const char *words[LEAVE_REASONS + 1] = { NULL };
        memcpy(words, leave_words, LEAVE_REASONS * sizeof *words);
        int word = json_word(at, words, e);
        if (word >= 0)
                *(int *)into = word;
        return word < 0 ? word : 0;
}

static int read_row(const struct json_place *at, bool needs_id, struct row *r, struct error *e)
{
        const struct json_field fields[] = {
                { "id", read_id, offsetof(struct row, id), needs_id ? JSON_REQUIRED : 0 },
                { "token", read_id, offsetof(struct row, token), needs_id ? 0 : JSON_REQUIRED },
                { "logical", read_id, offsetof(struct row, logical), 0 },
                { "hash", read_tag, offsetof(struct row, hash), needs_id ? 0 : JSON_REQUIRED },
                { "reason", read_reason, offsetof(struct row, reason), 0 },
                { "sure", json_bool, offsetof(struct row, sure), 0 },
                { "drained", json_bool, offsetof(struct row, drained), 0 },
                { "lineage", json_u32, offsetof(struct row, lineage), 0 },
                { "sequence", json_u32, offsetof(struct row, sequence), 0 },
                { "revision", json_u64, offsetof(struct row, revision), 0 },
                { "made", read_time, offsetof(struct row, at_usec), 0 },
                { "at", read_time, offsetof(struct row, at_usec), 0 },
                { 0 },
        };
        int k = json_object(at, fields, r, e);
        if (k == 0 && r->lineage > UINT8_MAX)
                return json_fail(at, e, "lineage is out of range");
        return k;
}

static int read_intent(const struct json_place *at, void *into, struct error *e)
{
        CLEAN(row_done) struct row r = { 0 };
        struct planner *p = *(struct planner **)into;
        int k = read_row(at, false, &r, e);
        if (k < 0)
                return k;
        if (strlen(r.token) != TOKEN_LENGTH || intent_get(p, r.token))
                return json_fail(at, e, "the token is none, or stands there twice");
        if (strlen(r.hash) != HASH_LENGTH)
                return json_fail(at, e, "the hash is none");
        struct intent *i = xalloc(1, sizeof *i);
        *i = (struct intent){ .state = INTENT_UNSURE, .maybe = true, .lineage = (uint8_t)r.lineage, .wanted = true, .revision = r.revision,
                              .made_usec = r.at_usec, .sequence = r.sequence, .logical_id = TAKE_PTR(r.logical) };
        memcpy(i->token, r.token, sizeof i->token);
        memcpy(i->hash, r.hash, sizeof i->hash);
        intent_add(p, i);
        return 0;
}

static struct member *add_member(struct planner *p, const struct row *r)
{
        struct instance i = { .id = r->id, .logical_id = r->logical };
        tags_set(&i.tags, TAG_GROUP, p->group);
        if (r->hash && *r->hash)
                tags_set(&i.tags, TAG_CONFIG_HASH, r->hash);
        if (r->token)
                tags_set(&i.tags, TAG_TOKEN, r->token);
        if (r->logical)
                tags_set(&i.tags, TAG_LOGICAL_ID, r->logical);
        struct member *m = member_new(p, &i);
        tags_done(&i.tags);
        m->made_usec = r->at_usec;
        m->lineage = (uint8_t)r->lineage;
        return m;
}

static int read_member_row(const struct json_place *at, struct planner *p, struct row *r, struct error *e)
{
        int k = read_row(at, true, r, e);
        return k == 0 && member_get(p, r->id) ? json_fail(at, e, "the instance stands there twice") : k;
}

static int read_young(const struct json_place *at, void *into, struct error *e)
{
        CLEAN(row_done) struct row r = { 0 };
        struct planner *p = *(struct planner **)into;
        int k = read_member_row(at, p, &r, e);
        if (k < 0)
                return k;
        if (!r.hash)
                r.hash = xstrdup(p->hash);
        struct intent *i = r.token ? intent_get(p, r.token) : NULL;
        struct member *m = add_member(p, &r);
        m->sure = r.sure;
        young_set(p, m, true);
        member_place(p, m);
        if (i)
                intent_fulfil(p, i);
        return 0;
}

static int read_leaving(const struct json_place *at, void *into, struct error *e)
{
        CLEAN(row_done) struct row r = { 0 };
        struct planner *p = *(struct planner **)into;
        int k = read_member_row(at, p, &r, e);
        if (k < 0)
                return k;
        struct member *m = add_member(p, &r);
        m->sure = true;
        member_place(p, m);
        member_leave(p, m, (enum leave_reason)r.reason);
        if (r.drained)
                m->phase = PHASE_TO_DESTROY;
        return 0;
}

static int read_gone(const struct json_place *at, void *into, struct error *e)
{
        CLEAN(row_done) struct row r = { 0 };
        int k = read_row(at, true, &r, e);
        if (k == 0)
                grave_dig(*(struct planner **)into, r.id, r.at_usec);
        return k;
}

/* ---- members of the document; into is a struct planner ** ---- */

static int read_roll(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "phase", read_phase, offsetof(struct planner, roll.phase), JSON_REQUIRED },
                { "stage", json_u32, offsetof(struct planner, roll.stage), 0 },
                { "direct", json_bool, offsetof(struct planner, roll.direct), 0 },
                { "back", json_bool, offsetof(struct planner, roll.back), 0 },
                { "commit", json_bool, offsetof(struct planner, roll.commit_asked), 0 },
                { "bake", read_time, offsetof(struct planner, roll.bake_usec), 0 },
                { "reason", json_string, offsetof(struct planner, roll.reason), 0 },
                { 0 },
        };
        struct planner *p = *(struct planner **)into;
        int r = json_object(at, fields, p, e);
        return r == 0 && p->roll.stage > CHECKPOINTS_MAX + 1 ? json_fail(at, e, "stage is out of range") : r;
}

static int read_circuit(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "failures", json_u32, offsetof(struct planner, circuit.failures), 0 },
                { "window", json_u32, offsetof(struct planner, circuit.window), 0 },
                { "open", json_bool, offsetof(struct planner, circuit.open), 0 },
                { "next", read_time, offsetof(struct planner, circuit.next_usec), 0 },
                { 0 },
        };
        struct planner *p = *(struct planner **)into;
        int r = json_object(at, fields, p, e);
        return r == 0 && (!p->circuit.window || p->circuit.window > GROUP_SIZE_MAX) ? json_fail(at, e, "window is out of range") : r;
}

static int read_rate(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "since", read_time, offsetof(struct planner, rate.since_usec), 0 },
                { "count", json_u32, offsetof(struct planner, rate.count), 0 },
                { 0 },
        };
        return json_object(at, fields, *(struct planner **)into, e);
}

static int read_intents(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_intent, into, e);
}

static int read_young_ones(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_young, into, e);
}

static int read_leaving_ones(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_leaving, into, e);
}

static int read_gone_ones(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_gone, into, e);
}

static int read_plain(const struct json_place *at, struct planner *p, struct error *e)
{
        static const struct json_field fields[] = {
                { "revision", json_u64, offsetof(struct planner, revision), 0 },
                { "hash", read_hash, offsetof(struct planner, hash), 0 },
                { "good", json_u64, offsetof(struct planner, good_revision), 0 },
                { "good_hash", read_hash, offsetof(struct planner, good_hash), 0 },
                { "tokens", json_u64, offsetof(struct planner, token_number), 0 },
                { "size_revision", json_u64, offsetof(struct planner, size_revision), 0 },
                { "size_lowered", json_u32, offsetof(struct planner, size_lowered), 0 },
                { "freed", json_bool, offsetof(struct planner, freed), 0 },
                { "destroying", json_bool, offsetof(struct planner, destroying), 0 },
                { "remediation_stopped", json_bool, offsetof(struct planner, remediation_stopped), 0 },
                { "drift_stopped", json_bool, offsetof(struct planner, drift_stopped), 0 },
                { "drift_births", json_u32, offsetof(struct planner, drift_births), 0 },
                { 0 },
        };
        int r = json_object(at, fields, p, e);
        /* A revision without its configuration would be made of nothing. */
        if (r == 0 && (!p->revision != !p->hash[0] || !p->good_revision != !p->good_hash[0]))
                return json_fail(at, e, "a revision stands there without its hash, or a hash without its revision");
        return r;
}

static int check_version(const struct json_place *at, const struct planner *p, struct error *e)
{
        static const struct json_field fields[] = { { "version", json_u64, 0, JSON_REQUIRED }, { 0 } };
        uint64_t version = 0;
        int r = json_object(at, fields, &version, e);
        if (r < 0)
                return r;
        if (version != 1) {
                error_set(e, EPROTO, "group.state-version", "the memory of group \"%s\" has version %llu; this program reads version 1", p->group,
                          (unsigned long long)version);
                error_hint(e, "a newer Bulkhead has written it: run that one");
                return -EPROTO;
        }
        const struct json_node *group = json_member(at->value, "group");
        if (!group || group->type != JSON_STRING || !text_equal(group->text, p->group))
                return json_fail(at, e, "is not of the group \"%s\"", p->group);
        return 0;
}

int planner_read(struct planner *p, const struct json_place *at, struct error *e)
{
        static const struct json_field parts[] = {
                { "roll", read_roll, 0, JSON_REQUIRED }, { "circuit", read_circuit, 0, JSON_REQUIRED }, { "rate", read_rate, 0, 0 }, { 0 },
        };
        static const struct json_field lists[] = {
                { "intents", read_intents, 0, 0 }, { "young", read_young_ones, 0, 0 }, { "leaving", read_leaving_ones, 0, 0 },
                { "gone", read_gone_ones, 0, 0 },  { 0 },
        };
        int r = check_version(at, p, e);
        if (r == 0)
                r = read_plain(at, p, e);
        if (r == 0)
                r = json_object(at, parts, &p, e); /* the roll before the lists: what comes in one waits at its gate */
        if (r == 0)
                r = json_object(at, lists, &p, e);
        p->must_save = false;
        p->restored = true;
        p->was_rolling = roll_active(p);
        return r;
}
