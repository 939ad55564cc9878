/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold.  Nothing here asks the planner for its reasons: what is known of it are its events, its acts and what is on disk. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

struct promise *promise_get(struct sim *s, const char *token, bool add)
{
        for (size_t i = s->promise_count; i-- > 0;)
                if (!strcmp(s->promises[i].token, token))
                        return s->promises + i;
        if (!add)
                return NULL;
        s->promises = xgrow(s->promises, &s->promise_room, s->promise_count + 1, sizeof *s->promises);
        s->promises[s->promise_count] = (struct promise){ 0 };
        snprintf(s->promises[s->promise_count].token, sizeof s->promises->token, "%s", token);
        return s->promises + s->promise_count++;
}

static const struct group_spec *wanted(const struct sim *s)
{
        return &s->revisions[s->revision].spec;
}

static uint32_t surge(const struct sim *s)
{
        return s->quorum ? 0 : share_up(wanted(s)->updating.surge, people_wanted(s));
}

/* ---- how many ---- */

static bool is_known(const struct creature *c)
{
        return c->alive && c->ours && !c->leaving && !c->told_dead && c->told;
}

static const struct creature *made_by(const struct sim *s, const char *token)
{
        for (size_t i = s->creature_count; i-- > 0;)
                if (!strcmp(s->creatures[i].token, token))
                        return s->creatures + i;
        return NULL;
}

/* A call of it is in hand, or may have had an effect that was not seen yet. */
static bool is_open(const struct sim *s, const struct promise *p)
{
        const struct creature *c = made_by(s, p->token);
        bool seen = c && (c->told || c->told_dead || c->leaving || !c->ours);
        return !seen && !p->done && (p->calls || (p->unsure_usec && s->now_usec < p->unsure_usec + PLANNER_SETTLE_USEC));
}

static void judge_count(struct sim *s, const struct promise *fresh)
{
        uint64_t n = 1;
        for (size_t i = 0; i < s->creature_count; i++)
                n += is_known(s->creatures + i);
        for (size_t i = 0; i < s->promise_count; i++)
                n += s->promises + i != fresh && is_open(s, s->promises + i);
        MUST(s, n <= people_wanted(s) + surge(s), fresh->token);
}

static void judge_slot(struct sim *s, const struct action *a)
{
        for (size_t i = 0; i < s->creature_count; i++) {
                const struct creature *c = s->creatures + i;
                if (c->alive && c->ours && c->told && !c->told_dead && !strcmp(c->logical, a->logical_id))
                        broken(s, "a logical id is not given twice", c->id);
        }
}

static void judge_provision(struct sim *s, const struct action *a)
{
        struct promise *p = promise_get(s, a->token, false);
        const char *hash = tags_get(&a->tags, TAG_CONFIG_HASH), *group = tags_get(&a->tags, TAG_GROUP), *token = tags_get(&a->tags, TAG_TOKEN);
        bool fresh = !p;
        MUST(s, s->saved && strstr(s->saved, a->token), a->token);
        MUST(s, a->revision >= 1 && a->revision <= s->revision && hash && !strcmp(s->revisions[a->revision].spec.hash, hash), a->token);
        MUST(s, group && !strcmp(group, "web") && token && !strcmp(token, a->token), a->token);
        MUST(s, s->quorum == (a->logical_id != NULL), a->token);
        if (!p)
                p = promise_get(s, a->token, true);
        MUST(s, !p->calls, a->token);
        MUST(s, s->now_usec >= s->not_before_usec, a->token);
        MUST(s, !p->done, a->token);
        if (fresh && !s->quorum)
                judge_count(s, p);
        if (fresh && s->quorum)
                judge_slot(s, a);
        p->calls++;
        s->calls_started++;
}

/* ---- attempts ---- */

void judge_failed(struct sim *s, uint64_t started_usec)
{
        const struct limits *l = &wanted(s)->limits;
        if (started_usec < s->failed_usec)
                return; /* called before the last failure: it tells nothing that that one did not */
        s->failures++;
        s->failed_usec = s->now_usec + 1;
        uint64_t span = l->backoff_usec;
        for (uint64_t i = 1; i < s->failures && span < l->backoff_max_usec; i++)
                span *= 2;
        span = span < l->backoff_max_usec ? span : l->backoff_max_usec;
        s->not_before_usec = s->now_usec + (s->failures >= l->attempts ? l->reset_usec : span - span / 2 - 1);
}

/* Another configuration may be one that can be made. */
void judge_committed(struct sim *s)
{
        if (s->revision == 1 || strcmp(s->revisions[s->revision - 1].spec.hash, wanted(s)->hash))
                s->failures = s->not_before_usec = 0;
}

void judge_succeeded(struct sim *s)
{
        s->failures = 0;
        s->not_before_usec = 0;
}

/* ---- who goes ---- */

/* As good as the controller can know: it was told so, or never told otherwise of one that was there before. */
static bool is_good_as_told(const struct creature *c)
{
        return (c->told_answer ? !c->told_bad && (c->told_good_once || !c->in_roll) : c->told_good_once || !c->in_roll);
}

static bool serves(const struct creature *c)
{
        return c->told && c->live && is_good_as_told(c);
}

static bool is_floor_held(const struct sim *s)
{
        struct planner_status status;
        planner_get_status(s->planner, &status); /* a size that people lowered is in the document an act later */
        uint32_t floor = status.wanted, serving = 0, unavailable = share_down(wanted(s)->updating.unavailable, floor);
        if (s->quorum || (!unavailable && !surge(s)))
                unavailable = unavailable ? unavailable : 1;
        for (size_t i = 0; i < s->creature_count; i++)
                serving += serves(s->creatures + i);
        return serving + unavailable >= floor;
}

static void judge_leaving(struct sim *s, const struct action *a)
{
        struct creature *c = creature_get(s, a->id);
        MUST(s, s->saved && strstr(s->saved, a->id), a->id);
        if (!c)
                return; /* one of the provider's lies */
        MUST(s, c->told, a->id);
        MUST(s, !c->protected || c->judged, a->id);
        MUST(s, strcmp(a->reason, "rolling_update") || !c->broke_floor, a->id);
        c->judged = true;
}

void judge_act(struct sim *s, const struct action *a)
{
        if (a->kind == ACTION_PROVISION)
                judge_provision(s, a);
        if (a->kind == ACTION_DRAIN || a->kind == ACTION_DESTROY)
                judge_leaving(s, a);
        if (a->kind == ACTION_COMMIT) {
                MUST(s, a->revision >= 1 && a->revision < s->revision, "rolled back to what was before");
                MUST(s, s->backs[s->revision]++ < 1 + s->life, "one way back");
        }
}

static void look(struct sim *s)
{
        for (size_t i = 0; i < s->creature_count; i++) {
                struct creature *c = s->creatures + i;
                struct member_view view;
                c->here = planner_find(s->planner, c->id, &view);
                c->live = c->here && !strcmp(view.phase, "live");
        }
}

/* Who was marked to go in this step, and whether that left enough. Why it goes is known when it is called. */
static void watch_leaving(struct sim *s)
{
        bool held = is_floor_held(s);
        for (size_t i = 0; i < s->creature_count; i++) {
                struct creature *c = s->creatures + i;
                if (!c->here) {
                        c->served = c->broke_floor = false; /* it may be alive, and come back only to go again */
                        continue;
                }
                if (c->live) {
                        c->leaving = c->broke_floor = false;
                        c->served = serves(c);
                        continue;
                }
                if (c->leaving)
                        continue;
                c->leaving = true; /* and on disk before it is called */
                c->broke_floor = c->served && is_good_as_told(c) && !held; /* what was told in this very step counts */
        }
}

void judge_step(struct sim *s, const struct actions *list)
{
        struct planner_status status;
        s->same_time = s->now_usec == s->last_step_usec ? s->same_time + 1 : 0;
        s->last_step_usec = s->now_usec;
        MUST(s, s->same_time < 200, "no storm of steps");
        MUST(s, list->count < 400, "no storm of acts");
        for (size_t i = 0; i < s->creature_count; i++)
                for (size_t j = i + 1; j < s->creature_count && s->steps % 64 == 0; j++)
                        MUST(s, !s->creatures[i].alive || !s->creatures[j].alive || !*s->creatures[i].token ||
                                        strcmp(s->creatures[i].token, s->creatures[j].token), "no duplicates");
        look(s);
        watch_leaving(s);
        planner_get_status(s->planner, &status);
        for (size_t i = 0; i < s->creature_count && status.roll == ROLL_NONE; i++)
                s->creatures[i].in_roll = false;
        if (!status.converged)
                return;
        uint32_t known = 0;
        for (size_t i = 0; i < s->creature_count; i++)
                known += is_known(s->creatures + i);
        /* Those of a lie are believed for a while. */
        MUST(s, status.live == people_wanted(s) && known <= status.live, "converged is true");
}

void judge_end(struct sim *s)
{
        struct planner_status status;
        uint32_t alive = 0, slots[LOGICALS + 2] = { 0 };
        planner_get_status(s->planner, &status);
        for (size_t i = 0; i < s->creature_count; i++) {
                const struct creature *c = s->creatures + i;
                if (!c->alive || !c->ours)
                        continue;
                alive++;
                MUST(s, !strcmp(c->hash, wanted(s)->hash), c->id);
                if (s->quorum)
                        MUST(s, slots[strcmp(c->logical, "") ? c->logical[7] - '0' : 0]++ == 0, c->id);
        }
        MUST(s, alive == people_wanted(s), "as many as wanted");
        MUST(s, status.converged && status.roll == ROLL_NONE && !status.intents, "converged");
}
