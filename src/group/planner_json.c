/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of the planner as it is written down.  What a provider can tell again is not in it, but for as long as its lists may be late. */
#include "group/planner_parts.h"

const char *const roll_words[ROLL_BACK + 1] = {
        [ROLL_NONE] = "none",       [ROLL_CANARY] = "canary", [ROLL_RUNNING] = "running", [ROLL_CHECKPOINT] = "checkpoint",
        [ROLL_BAKING] = "baking",   [ROLL_PAUSED] = "paused", [ROLL_FAILED] = "failed",   [ROLL_BACK] = "back",
};

static void add_text(struct text *t, const char *key, const char *value)
{
        if (!value)
                return;
        text_addf(t, "%s\"%s\":", t->length && t->data[t->length - 1] != '{' ? "," : "", key);
        text_add_json(t, value);
}

static void add_number(struct text *t, const char *key, uint64_t value)
{
        if (value)
                text_addf(t, "%s\"%s\":%llu", t->length && t->data[t->length - 1] != '{' ? "," : "", key, (unsigned long long)value);
}

static void add_bool(struct text *t, const char *key, bool value)
{
        if (value)
                text_addf(t, "%s\"%s\":true", t->length && t->data[t->length - 1] != '{' ? "," : "", key);
}

static void add_intents(struct text *t, const struct planner *p)
{
        text_add(t, ",\"intents\":[");
        for (const struct intent *i = p->intents; i; i = i->next) {
                text_add(t, i == p->intents ? "{" : ",{");
                add_text(t, "token", i->token);
                add_text(t, "hash", i->hash);
                add_text(t, "logical", i->logical_id);
                add_number(t, "revision", i->revision);
                add_number(t, "sequence", i->sequence);
                add_number(t, "lineage", i->lineage);
                add_number(t, "made", i->made_usec);
                text_add(t, "}");
        }
        text_add(t, "]");
}

/* Of thousands made at once all are here, so each is short: a hash that is the wanted one, and a token that is done with, are left out. */
static void add_young(struct text *t, const struct planner *p)
{
        text_add(t, ",\"young\":[");
        for (const struct member *m = p->young; m; m = m->next) {
                text_add(t, m == p->young ? "{" : ",{");
                add_text(t, "id", m->instance.id);
                const char *hash = tags_get(&m->instance.tags, TAG_CONFIG_HASH), *token = tags_get(&m->instance.tags, TAG_TOKEN);
                if (!hash || !text_equal(hash, p->hash))
                        add_text(t, "hash", hash ? hash : "");
                if (token && intent_get(p, token))
                        add_text(t, "token", token);
                add_text(t, "logical", m->instance.logical_id);
                add_number(t, "made", m->made_usec);
                add_number(t, "lineage", m->lineage);
                add_bool(t, "sure", m->sure);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void add_leaving(struct text *t, const struct planner *p)
{
        text_add(t, ",\"leaving\":[");
        for (const struct member *m = p->leaving; m; m = m->next) {
                text_add(t, m == p->leaving ? "{" : ",{");
                add_text(t, "id", m->instance.id);
                add_text(t, "logical", m->instance.logical_id ? m->instance.logical_id : tags_get(&m->instance.tags, TAG_LOGICAL_ID));
                add_text(t, "reason", leave_words[m->reason]);
                add_bool(t, "drained", m->phase >= PHASE_TO_DESTROY);
                add_number(t, "made", m->made_usec);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void add_gone(struct text *t, const struct planner *p)
{
        text_add(t, ",\"gone\":[");
        for (const struct grave *g = p->grave_first; g; g = g->next) {
                text_add(t, g == p->grave_first ? "{" : ",{");
                add_text(t, "id", g->id);
                add_number(t, "at", g->at_usec);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void add_roll(struct text *t, const struct planner *p)
{
        const struct roll *r = &p->roll;
        text_add(t, ",\"roll\":{");
        add_text(t, "phase", roll_words[r->phase]);
        add_number(t, "stage", r->stage);
        add_bool(t, "direct", r->direct);
        add_bool(t, "back", r->back);
        add_bool(t, "commit", r->commit_asked);
        add_number(t, "bake", r->bake_usec);
        add_text(t, "reason", r->reason);
        text_add(t, "},\"circuit\":{");
        add_number(t, "failures", p->circuit.failures);
        add_number(t, "window", p->circuit.window);
        add_bool(t, "open", p->circuit.open);
        add_number(t, "next", p->circuit.next_usec);
        text_add(t, "},\"rate\":{");
        add_number(t, "since", p->rate.since_usec);
        add_number(t, "count", p->rate.count);
        text_add(t, "}");
}

void planner_format(struct text *t, const struct planner *p)
{
        text_add(t, "{\"version\":1");
        add_text(t, "group", p->group);
        add_number(t, "revision", p->revision);
        add_text(t, "hash", *p->hash ? p->hash : NULL);
        add_number(t, "good", p->good_revision);
        add_text(t, "good_hash", *p->good_hash ? p->good_hash : NULL);
        add_number(t, "tokens", p->token_number);
        add_number(t, "size_revision", p->size_revision);
        add_number(t, "size_lowered", p->size_lowered);
        add_bool(t, "freed", p->freed);
        add_bool(t, "destroying", p->destroying);
        add_bool(t, "remediation_stopped", p->remediation_stopped);
        add_bool(t, "drift_stopped", p->drift_stopped);
        add_number(t, "drift_births", p->drift_births);
        add_roll(t, p);
        add_intents(t, p);
        add_young(t, p);
        add_leaving(t, p);
        add_gone(t, p);
        text_add(t, "}");
}
