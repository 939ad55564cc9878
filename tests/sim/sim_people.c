/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* People: they commit, scale, pause, resume, undo, destroy, pull tags off, bring machines of their own, and free the group again. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

uint32_t people_wanted(const struct sim *s)
{
        return group_spec_count(&s->revisions[s->revision].spec);
}

static void add_allocation(struct sim *s, struct text *t, uint32_t size)
{
        if (!s->quorum) {
                text_addf(t, "\"Allocation\":{\"Size\":%u}", size);
                return;
        }
        text_add(t, "\"Allocation\":{\"LogicalIDs\":[");
        for (uint32_t i = 0; i < size; i++)
                text_addf(t, "%s\"10.0.0.%u\"", i ? "," : "", i + 1);
        text_add(t, "]}");
}

/* A policy by chance; the next documents of the group keep it, mostly. */
static void add_policy(struct sim *s, struct text *t)
{
        static const char *const updating[] = {
                "{}", "{\"Duration\":\"2s\"}", "{\"Count\":3,\"OnFailure\":\"rollback\",\"Deadline\":\"30s\"}",
                "{\"Surge\":0,\"Unavailable\":1}", "{\"Surge\":\"30%\",\"Batch\":3}", "{\"Surge\":2,\"Unavailable\":1,\"Batch\":2,\"Deadline\":\"1m\"}",
                "{\"Canary\":1,\"Bake\":\"20s\",\"OnFailure\":\"rollback\",\"Deadline\":\"30s\"}", "{\"Checkpoints\":[\"25%\",\"50%\"]}",
                "{\"Canary\":\"10%\",\"Checkpoints\":[2,3],\"Bake\":\"5s\",\"SkipBeforeInstanceDestroy\":\"drain\"}",
                "{\"Unavailable\":\"40%\",\"Batch\":\"50%\",\"OnFailure\":\"rollback\",\"Deadline\":\"40s\"}",
        };
        static const char *const health[] = { "{}", "{\"Interval\":\"5s\",\"Grace\":\"10s\"}", "{\"Interval\":\"8s\",\"Failures\":2,\"Budget\":1,\"Grace\":\"6s\"}" };
        static const char *const limits[] = {
                "{}", "{\"Parallel\":2}", "{\"Attempts\":3,\"Backoff\":\"2s\",\"BackoffMax\":\"20s\",\"Reset\":\"1m\"}", "{\"Rate\":\"4/1m\"}",
        };
        text_addf(t, ",\"Updating\":%s", updating[chance(s, ELEMENTS(updating))]);
        text_addf(t, ",\"Health\":%s", health[chance(s, ELEMENTS(health))]);
        text_addf(t, ",\"Limits\":%s", limits[chance(s, ELEMENTS(limits))]);
        static const char *const drift[] = { "{}", "{\"Interval\":\"1m\",\"Action\":\"replace\"}", "{\"Interval\":\"2m\",\"Action\":\"replace\"}",
                                             "{\"Interval\":\"0s\"}" };
        text_addf(t, ",\"Drift\":%s", drift[drift_chance(s, ELEMENTS(drift))]);
        text_addf(t, ",\"Poll\":\"%llus\"", (unsigned long long)(10 + chance(s, 50)));
}

/* Some are protected, and their ids may be of nobody. */
static void add_protection(struct sim *s, struct text *t)
{
        bool any = false;
        if (!s->chaos || s->calm || s->quorum || !per_mille(s, 100))
                return;
        text_add(t, ",\"Protection\":{\"Instances\":[");
        for (size_t i = 0; i < s->creature_count; i++)
                if (s->creatures[i].alive && per_mille(s, 200)) {
                        text_addf(t, "%s\"%s\"", any ? "," : "", s->creatures[i].id);
                        any = true;
                }
        text_add(t, "]}");
}

static void mark_protected(struct sim *s)
{
        const struct strings *ids = &s->revisions[s->revision].spec.protect_instances;
        for (size_t i = 0; i < s->creature_count; i++)
                s->creatures[i].protected = strings_has(ids, s->creatures[i].id);
}

uint64_t people_commit(struct sim *s, unsigned config, uint32_t size, const struct group_spec *like)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        MUST(s, s->revision + 1 < REVISIONS_MAX, "too many documents");
        text_add(&t, "{\"ID\":\"web\",\"Properties\":{");
        add_allocation(s, &t, size);
        text_addf(&t, ",\"Instance\":{\"Plugin\":\"sim\",\"Properties\":{\"Version\":%u}},\"Flavor\":{\"Plugin\":\"vanilla\"}", config);
        add_policy(s, &t);
        add_protection(s, &t);
        text_add(&t, "}}");
        MUST(s, json_parse("document", t.data, t.length, &d, &e) == 0, e.cause);
        const struct json_place top = json_top(&d, "document");
        struct revision *r = &s->revisions[s->revision + 1];
        MUST(s, group_spec_read(&top, &r->spec, &e) == 0, e.cause);
        if (like) { /* the same but for what is asked */
                r->spec.updating = like->updating;
                r->spec.limits = like->limits;
                r->spec.drift = like->drift;
                r->spec.poll_usec = like->poll_usec;
                char *check = r->spec.health.check;
                r->spec.health = like->health;
                r->spec.health.check = check;
                strings_clear(&r->spec.protect_instances);
                for (size_t i = 0; i < like->protect_instances.count; i++)
                        strings_add(&r->spec.protect_instances, like->protect_instances.items[i]);
        }
        r->config = config;
        s->revision++;
        mark_protected(s);
        return s->revision;
}

static void send(struct sim *s, enum event_kind kind)
{
        struct event e = { .kind = kind };
        control_step(s, &e);
}

static void send_commit(struct sim *s)
{
        struct event e = { .kind = EVENT_COMMIT, .spec = &s->revisions[s->revision].spec, .revision = s->revision };
        trace(s, "people commit revision %llu: configuration %u (kind %u), size %u", (unsigned long long)s->revision, s->revisions[s->revision].config,
              s->config_kinds[s->revisions[s->revision].config], people_wanted(s));
        judge_committed(s);
        control_step(s, &e);
}

void people_begin(struct sim *s)
{
        static const unsigned kinds[] = { GOOD_CONFIG, GOOD_CONFIG, GOOD_CONFIG, SICK_CONFIG, BROKEN_CONFIG, GOOD_CONFIG };
        memcpy(s->config_kinds, kinds, sizeof kinds);
        people_commit(s, 0, s->quorum ? 1 + (uint32_t)chance(s, LOGICALS) : (uint32_t)chance(s, 13), NULL);
}

static struct creature *somebody(struct sim *s)
{
        struct creature *found = NULL;
        unsigned n = 0;
        for (size_t i = 0; i < s->creature_count; i++)
                if (s->creatures[i].alive && s->creatures[i].ours && chance(s, ++n) == 0)
                        found = s->creatures + i;
        return found;
}

static void destroy_somebody(struct sim *s)
{
        CLEAN_STRINGS struct strings ids = { 0 };
        struct creature *c = somebody(s);
        if (c)
                strings_add(&ids, c->id);
        strings_add(&ids, "i-nobody");
        trace(s, "people destroy %s", ids.items[0]);
        if (c && planner_find(s->planner, c->id, NULL))
                c->leaving |= !c->protected;
        struct event e = { .kind = EVENT_DESTROY_SOME, .ids = &ids };
        control_step(s, &e);
}

/* A machine that was there before, with the tag that asks to be adopted; or one of somebody else's. */
static void bring(struct sim *s, bool ours)
{
        struct creature *c = creature_add(s);
        c->ours = ours;
        snprintf(c->hash, sizeof c->hash, "%s", ours ? CONFIG_HASH_ADOPT : "");
        trace(s, "people bring %s%s", c->id, ours ? "" : ", which is not ours");
        tell_of(s, c, false);
}

static void pull_off(struct sim *s)
{
        struct creature *c = somebody(s);
        if (!c)
                return;
        c->ours = false;
        trace(s, "people take %s away", c->id);
        tell_of(s, c, false);
}

static void commit_something(struct sim *s)
{
        const struct revision *now = &s->revisions[s->revision];
        unsigned what = (unsigned)chance(s, 10);
        uint32_t size = people_wanted(s);
        if (what < 3 && !s->quorum)
                people_commit(s, now->config, per_mille(s, 100) ? 0 : (uint32_t)chance(s, 14), &now->spec);
        else if (what < 9)
                people_commit(s, (unsigned)chance(s, CONFIGS), size, per_mille(s, 500) ? &now->spec : NULL);
        else
                people_commit(s, s->revisions[1 + chance(s, s->revision)].config, size, &now->spec); /* undo */
        if (per_mille(s, 50))
                control_die(s); /* it is on disk, and nobody has told the planner */
        else
                send_commit(s);
}

void people_act(struct sim *s)
{
        switch (chance(s, 20)) {
        case 0: case 1: case 2: case 3: case 4: case 5: case 6: commit_something(s); break;
        case 7: trace(s, "people pause"); send(s, EVENT_PAUSE); break;
        case 8: case 9: case 10: case 11:
                trace(s, "people resume");
                s->failures = s->not_before_usec = 0;
                send(s, EVENT_RESUME);
                break;
        case 12: destroy_somebody(s); break;
        case 13: if (!s->quorum) bring(s, true); break;
        case 14: bring(s, false); break;
        case 15: pull_off(s); break;
        case 16: trace(s, "people free"); send(s, EVENT_FREE); break;
        default: break;
        }
}

void people_calm(struct sim *s)
{
        uint32_t size = people_wanted(s);
        unsigned config = s->revisions[s->revision].config;
        bool kept = false;
        for (size_t i = 0; i < s->creature_count; i++) {
                struct creature *c = s->creatures + i;
                c->sick = false;
                c->drifted = c->drifted && !kept; /* one of them: never too many to be mended */
                kept = kept || (c->drifted && c->alive && c->ours);
        }
        people_commit(s, s->config_kinds[config] == GOOD_CONFIG ? config : 5, s->quorum || size ? size : 3, NULL);
        send_commit(s);
}
