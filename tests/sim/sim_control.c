/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The controller: carries out what the planner asks for, in its order, and may die before each act. On disk it has the last state and all documents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { FATE_GOOD, FATE_REFUSED, FATE_LOST, FATE_NOTHING, FATE_LIE };

static void commit_newest(struct sim *s)
{
        struct event e = { .kind = EVENT_COMMIT, .spec = &s->revisions[s->revision].spec, .revision = s->revision };
        trace(s, "commit of revision %llu: configuration %u, size %u", (unsigned long long)s->revision, s->revisions[s->revision].config, people_wanted(s));
        judge_committed(s);
        control_step(s, &e);
}

/* What is read back says the same as what was written. */
static void read_state(struct sim *s)
{
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        if (!s->saved)
                return;
        MUST(s, json_parse("state", s->saved, strlen(s->saved), &d, &e) == 0, e.cause);
        const struct json_place top = json_top(&d, "state");
        MUST(s, planner_read(s->planner, &top, &e) == 0, e.cause);
}

void control_start(struct sim *s)
{
        s->down = false;
        s->life++;
        s->wake_usec = UINT64_MAX;
        s->planner = planner_new("web", chance(s, UINT64_MAX));
        read_state(s);
        judge_started(s);
        const char *young = s->saved ? strstr(s->saved, "\"young\"") : NULL;
        for (size_t i = 0; i < s->promise_count; i++) { /* what is on disk is as unsure as on the first day */
                struct promise *p = s->promises + i;
                const char *kept = s->saved ? strstr(s->saved, p->token) : NULL;
                p->unsure_usec = kept && kept < young ? s->now_usec : 0;
                p->done = !p->unsure_usec;
                p->calls = 0;
        }
        s->calls_started = 0;
        s->not_before_usec = s->failures = s->failed_usec = 0;
        for (size_t i = 0; i < s->creature_count; i++) {
                struct creature *c = s->creatures + i;
                const struct promise *p = *c->token ? promise_get(s, c->token, false) : NULL;
                bool on_disk = s->saved && strstr(s->saved, c->id), by_list = p && !p->unsure_usec; /* the intent is not */
                by_list = by_list && c->born_usec + PLANNER_SETTLE_USEC <= s->now_usec; /* a late list may lack who is younger */
                c->told = c->told && (on_disk || by_list);
                c->told_answer = c->told_bad = false;
        }
        trace(s, "---- the controller starts, life %llu", (unsigned long long)s->life);
        if (s->saved)
                trace(s, "on disk: %s", s->saved);
        if (s->revision)
                commit_newest(s);
}

void control_die(struct sim *s)
{
        trace(s, "---- the controller dies");
        planner_free(s->planner);
        s->planner = NULL;
        s->down = true;
        s->life++;
        plan(s, H_START, s->now_usec + between(s, 1000, USEC_M));
}

void control_show(struct sim *s)
{
        CLEAN_TEXT struct text t = { 0 };
        struct member_view view;
        if (!s->planner)
                return;
        planner_format(&t, s->planner);
        puts(t.data);
        for (size_t i = 0; planner_members(s->planner, i, 1, &view); i++)
                printf("%s %s health %d%s%s\n", view.instance->id, view.phase, (int)view.health, view.current ? " current" : "", view.protected ? " protected" : "");
}

void control_done(struct sim *s)
{
        planner_free(s->planner);
        free(s->saved);
        for (uint64_t r = 1; r <= s->revision; r++)
                group_spec_done(&s->revisions[r].spec);
        for (struct future *f; (f = next(s)) != NULL;)
                free(f);
        heap_done(&s->queue);
        free(s->creatures);
        free(s->promises);
}

/* ---- acts ---- */

static void save(struct sim *s)
{
        CLEAN_TEXT struct text t = { 0 };
        planner_format(&t, s->planner);
        free(s->saved);
        s->saved = TAKE_PTR(t.data);
}

static void list(struct sim *s, bool properties)
{
        bool faulty = s->chaos && !s->calm;
        uint64_t delay = between(s, 2000, faulty ? 5 * USEC_S : 20000);
        struct future *f = plan(s, H_LIST, s->now_usec + delay);
        f->asked_usec = s->now_usec;
        f->properties = properties;
        f->seen_usec = s->now_usec + delay / 2;
        if (faulty && per_mille(s, 100)) {
                uint64_t lag = between(s, 1000, LAG_MAX);
                f->seen_usec = s->now_usec > lag ? s->now_usec - lag : 0;
        }
        f->outcome = faulty && per_mille(s, 30) ? FATE_REFUSED : FATE_GOOD;
}

static void ask_health(struct sim *s, const char *id)
{
        struct future *f = plan(s, H_ANSWER, s->now_usec + between(s, 500, s->chaos && !s->calm ? 2 * USEC_S : 5000));
        f->act = ACTION_HEALTH;
        snprintf(f->id, sizeof f->id, "%s", id);
}

static void wake_at(struct sim *s, uint64_t at_usec)
{
        s->wake_usec = at_usec;
        plan(s, H_TIME, at_usec > s->now_usec ? at_usec : s->now_usec);
}

static void trace_act(struct sim *s, const struct action *a)
{
        static const char *const words[] = { "save", "provision", "label", "drain", "destroy", "health", "observe", "wake", "tell", "size", "commit", "gone" };
        if (a->kind != ACTION_WAKE && a->kind != ACTION_HEALTH)
                trace(s, "    %s %s%.8s %s %s", words[a->kind], a->id ? a->id : "", a->token ? a->token : "", a->topic ? a->topic : a->reason ? a->reason : "",
                      a->message ? a->message : "");
}

/* Whether a document is to be committed once the list is carried out. */
static bool act(struct sim *s, const struct action *a)
{
        trace_act(s, a);
        judge_act(s, a);
        s->acts++;
        switch (a->kind) {
        case ACTION_SAVE: save(s); break;
        case ACTION_PROVISION: case ACTION_LABEL: case ACTION_DRAIN: case ACTION_DESTROY: provider_call(s, a); break;
        case ACTION_HEALTH: ask_health(s, a->id); break;
        case ACTION_OBSERVE: list(s, a->properties); break;
        case ACTION_WAKE: wake_at(s, a->at_usec); break;
        case ACTION_SIZE: people_commit(s, s->revisions[s->revision].config, a->size, &s->revisions[s->revision].spec); return true;
        case ACTION_COMMIT:
                people_commit(s, s->revisions[a->revision].config, people_wanted(s), &s->revisions[s->revision].spec);
                return true;
        case ACTION_TELL: case ACTION_GONE: break;
        }
        return false;
}

void control_step(struct sim *s, struct event *e)
{
        struct actions list = { 0 };
        bool commit = false;
        uint64_t life = s->life;
        e->now_usec = s->now_usec;
        s->steps++;
        planner_step(s->planner, e, &list);
        judge_step(s, &list);
        for (size_t i = 0; i < list.count && s->life == life; i++) {
                enum action_kind k = list.items[i].kind;
                if (s->chaos && !s->calm && k != ACTION_HEALTH && k != ACTION_WAKE && k != ACTION_TELL && per_mille(s, 8))
                        control_die(s);
                else
                        commit = act(s, list.items + i) || commit;
        }
        actions_done(&list);
        if (commit && s->life == life)
                commit_newest(s);
}

/* ---- answers ---- */

static struct creature *made_by(struct sim *s, const char *token)
{
        for (size_t i = s->creature_count; i-- > 0;)
                if (!strcmp(s->creatures[i].token, token))
                        return s->creatures + i;
        return NULL;
}

static void answer_provision(struct sim *s, const struct future *f)
{
        struct promise *p = promise_get(s, f->token, true);
        struct creature *c = made_by(s, f->token);
        bool good = (f->outcome == FATE_GOOD && c) || f->outcome == FATE_LIE;
        char id[24] = "i-lie";
        p->calls -= p->calls > 0;
        s->calls_started -= s->calls_started > 0;
        if (good && f->outcome == FATE_LIE)
                memcpy(id, creature_lie(s)->id, sizeof id);
        else if (good)
                memcpy(id, c->id, sizeof id);
        if (good) {
                p->done = true;
                judge_succeeded(s);
                if (f->outcome == FATE_GOOD)
                        c->told = true;
        } else {
                bool seen = c && c->told && !c->told_dead;
                if (f->outcome == FATE_LOST)
                        p->unsure_usec = s->now_usec;
                if (!seen)
                        judge_failed(s, f->asked_usec);
        }
        struct event e = { .kind = good ? EVENT_PROVISIONED : EVENT_PROVISION_FAILED, .token = f->token, .id = good ? id : NULL, .message = "as fate has it",
                           .unsure = f->outcome == FATE_LOST };
        trace(s, "provision %.8s %s %s", f->token, good ? "made" : e.unsure ? "unsure" : "failed", good ? id : "");
        control_step(s, &e);
}

static void answer_destroy(struct sim *s, const struct future *f)
{
        struct creature *c = creature_get(s, f->id);
        bool good = f->outcome == FATE_GOOD || f->outcome == FATE_LIE || (c && !c->alive);
        if (good && c) {
                c->told_dead = true;
                c->told_dead_usec = s->now_usec;
        }
        struct event e = { .kind = good ? EVENT_DESTROYED : EVENT_DESTROY_FAILED, .id = f->id, .message = "as fate has it" };
        trace(s, "destroy %s %s", f->id, good ? "done" : "failed");
        control_step(s, &e);
}

static void answer_health(struct sim *s, const struct future *f)
{
        struct creature *c = creature_get(s, f->id);
        struct event e = { .kind = EVENT_HEALTH, .id = f->id, .health = health_of(s, c) };
        if (c) {
                if (!c->told_answer || c->told_bad != (e.health == HEALTH_BAD))
                        trace(s, "health %s %d", f->id, (int)e.health);
                c->told_answer = true;
                c->told_bad = e.health == HEALTH_BAD || (c->told_bad && e.health == HEALTH_UNKNOWN);
                c->told_good_once |= e.health == HEALTH_GOOD;
        }
        control_step(s, &e);
}

void control_answer(struct sim *s, const struct future *f)
{
        struct creature *c = creature_get(s, f->id);
        bool good = f->outcome == FATE_GOOD && c && c->alive;
        struct event e = { .id = f->id, .message = "as fate has it" };
        switch (f->act) {
        case ACTION_PROVISION: answer_provision(s, f); return;
        case ACTION_DESTROY: answer_destroy(s, f); return;
        case ACTION_HEALTH: answer_health(s, f); return;
        case ACTION_LABEL: e.kind = good ? EVENT_LABELLED : EVENT_LABEL_FAILED; break;
        default: e.kind = good ? EVENT_DRAINED : EVENT_DRAIN_FAILED; break;
        }
        control_step(s, &e);
}
