/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A roll: from what is there to what is wanted, in stages, each with so many to be current and past the gate before the next begins.
 * It is there as long as any instance has another configuration; what is written down of it is only where it stands.
 */
#include <stdarg.h>
#include <string.h>

#include "group/planner_parts.h"

bool roll_active(const struct planner *p)
{
        return p->roll.phase != ROLL_NONE;
}

bool roll_moves(const struct planner *p)
{
        return p->roll.phase == ROLL_CANARY || p->roll.phase == ROLL_RUNNING || p->roll.phase == ROLL_BACK;
}

uint32_t roll_in_flight(const struct planner *p)
{
        return p->n.unpassed + (uint32_t)p->open_newest + (p->quorum ? p->n.leaving_roll : 0);
}

static uint32_t last_stage(const struct planner *p)
{
        return p->updating.checkpoint_count + 1;
}

uint32_t roll_target(const struct planner *p)
{
        uint32_t count = wanted_count(p), most = count > p->n.old_protected ? count - p->n.old_protected : 0, n = most;
        if (!roll_active(p) || p->roll.direct)
                return most;
        if (p->roll.stage == 0)
                n = share_up(p->updating.canary, count);
        else if (p->roll.stage < last_stage(p))
                n = share_up(p->updating.checkpoints[p->roll.stage - 1], count);
        return n < most ? n : most;
}

/* ---- from phase to phase ---- */

static void set_phase(struct planner *p, enum roll_phase phase, const char *reason)
{
        char *copy = reason ? xstrdup(reason) : NULL;
        free(p->roll.reason);
        p->roll.reason = copy;
        p->roll.phase = phase;
        p->check_intents = true;
        must_save(p);
}

static void move(struct planner *p)
{
        set_phase(p, p->roll.back ? ROLL_BACK : p->roll.stage == 0 && !p->roll.direct ? ROLL_CANARY : ROLL_RUNNING, NULL);
}

/* Who has not passed has the whole time again. Who was bad when it was asked for the last time is asked again. */
static void open_gate(struct planner *p)
{
        for (size_t i = 0; i < p->member_count; i++) {
                struct member *m = p->members[i];
                if (!m->passed)
                        m->gate_usec = p->now_usec;
                if (!m->passed || m->bad || m->unmet)
                        health_schedule(p, m);
        }
}

static void bake(struct planner *p)
{
        set_phase(p, ROLL_BAKING, NULL);
        p->roll.bake_usec = p->now_usec;
        if (!p->health.interval_usec)
                health_schedule_all(p);
}

/* There is no gate any more. */
static void let_pass(struct planner *p)
{
        for (size_t i = 0; i < p->member_count; i++) {
                struct member *m = p->members[i];
                if (m->passed && !m->unmet)
                        continue;
                member_lift(p, m);
                m->passed = true;
                m->unmet = false;
                member_place(p, m);
        }
}

void roll_clear(struct planner *p)
{
        if (!roll_active(p) && !p->roll.reason)
                return;
        free(p->roll.reason);
        p->roll = (struct roll){ 0 };
        p->check_intents = true;
        must_save(p);
        let_pass(p);
}

static void remember_good(struct planner *p)
{
        if (!p->n.live || (p->good_revision == p->revision && text_equal(p->good_hash, p->hash)))
                return; /* none is no proof */
        p->good_revision = p->revision;
        memcpy(p->good_hash, p->hash, sizeof p->good_hash);
        must_save(p);
}

static void finish(struct planner *p)
{
        tell(p, "roll/done", NULL, "all %u have the configuration of revision %llu", p->n.live, (unsigned long long)p->revision);
        roll_clear(p);
        remember_good(p);
}

static void next_stage(struct planner *p)
{
        if (p->roll.direct || p->roll.stage >= last_stage(p)) {
                finish(p);
                return;
        }
        p->roll.stage++;
        move(p);
}

static void start(struct planner *p)
{
        bool known_good = p->good_revision && text_equal(p->hash, p->good_hash);
        free(p->roll.reason);
        p->roll = (struct roll){ .stage = p->updating.canary.value && !known_good ? 0 : 1, .direct = known_good };
        move(p);
        tell(p, "roll/started", NULL, "%u of %u instances have another configuration than revision %llu", p->n.old, p->n.live,
             (unsigned long long)p->revision);
        open_gate(p);
}

/* All of this stage are made, past the gate, and what they replaced is on its way out. */
static bool is_stage_complete(const struct planner *p)
{
        uint32_t target = roll_target(p), count = wanted_count(p);
        uint32_t keep = count > target + p->n.old_protected ? count - target - p->n.old_protected : 0;
        return p->n.current >= target && !p->n.unpassed && !p->open_newest && p->n.old <= keep && p->n.live + p->open <= count;
}

static void stage_completed(struct planner *p)
{
        bool canary = p->roll.stage == 0, last = p->roll.direct || p->roll.stage >= last_stage(p);
        if (p->updating.bake_usec && !p->roll.direct) {
                bake(p);
        } else if (canary || last) {
                next_stage(p);
        } else {
                set_phase(p, ROLL_CHECKPOINT, "waits at a checkpoint to be resumed");
                tell(p, "roll/checkpoint", NULL, "%u of %u are done; the roll waits to be resumed", p->n.current, wanted_count(p));
        }
}

static void watch_bake(struct planner *p)
{
        if (p->n.sick_current)
                roll_fail(p, "%u became sick while they were watched", p->n.sick_current);
        else if (p->n.current < roll_target(p) || p->n.unpassed)
                move(p); /* one was lost */
        else if (p->now_usec >= p->roll.bake_usec + p->updating.bake_usec)
                next_stage(p);
}

static void watch_sick(struct planner *p)
{
        uint32_t budget = share_up(p->health.budget, wanted_count(p));
        if (p->n.sick_current > p->n.unpassed + (budget ? budget : 1))
                roll_fail(p, "%u of the new ones are sick", p->n.sick_current);
}

void roll_advance(struct planner *p)
{
        if (!roll_active(p) && p->n.old)
                start(p);
        /* A stage that is complete already makes way for the next, until one is not. */
        for (uint32_t i = 0; i <= CHECKPOINTS_MAX + 1 && roll_moves(p) && is_stage_complete(p); i++)
                stage_completed(p);
        if (roll_moves(p))
                watch_sick(p);
        if (p->roll.phase == ROLL_BAKING)
                watch_bake(p);
        if (roll_active(p) && !p->n.old && !roll_moves(p) && p->roll.phase != ROLL_BAKING && !p->n.unpassed && p->n.current == p->n.live &&
            p->n.live == wanted_count(p) && !p->open && p->roll.phase != ROLL_FAILED)
                finish(p);
        if (!roll_active(p) && p->n.unpassed)
                let_pass(p);
        if (!roll_active(p) && is_converged(p))
                remember_good(p);
}

uint64_t roll_wake(const struct planner *p)
{
        return p->roll.phase == ROLL_BAKING ? p->roll.bake_usec + p->updating.bake_usec : NEVER;
}

/* ---- failure, pause, resume, another commit ---- */

void roll_fail(struct planner *p, const char *format, ...)
{
        CLEAN_FREE char *reason = NULL;
        va_list ap;
        if (p->roll.phase == ROLL_FAILED)
                return;
        va_start(ap, format);
        int n = vasprintf(&reason, format, ap);
        va_end(ap);
        set_phase(p, ROLL_FAILED, n < 0 ? "failed" : reason);
        tell(p, "roll/failed", NULL, "%s", p->roll.reason);
        if (p->updating.on_failure != ON_FAILURE_ROLLBACK || !p->good_revision || text_equal(p->good_hash, p->hash) || p->roll.commit_asked)
                return;
        p->roll.commit_asked = p->commit_back = true;
        tell(p, "roll/back", NULL, "goes back to revision %llu", (unsigned long long)p->good_revision);
}

void roll_pause(struct planner *p)
{
        if (!roll_active(p) || p->roll.phase == ROLL_FAILED || p->roll.phase == ROLL_PAUSED)
                return;
        set_phase(p, ROLL_PAUSED, "paused");
        tell(p, "roll/paused", NULL, "%u of %u are done", p->n.current, wanted_count(p));
}

void roll_resume(struct planner *p)
{
        circuit_close(p, "resumed");
        drift_resume(p);
        if (p->remediation_stopped) {
                p->remediation_stopped = false;
                must_save(p);
        }
        if (p->roll.phase == ROLL_CHECKPOINT)
                next_stage(p);
        else if (p->roll.phase == ROLL_PAUSED || p->roll.phase == ROLL_FAILED)
                move(p);
        else
                return;
        open_gate(p);
        tell(p, "roll/resumed", NULL, "%u of %u are done", p->n.current, wanted_count(p));
}

/* Members are judged by the new hash already. */
void roll_committed(struct planner *p, const char *old_hash)
{
        bool same = text_equal(old_hash, p->hash);
        if (same) {
                if (p->good_revision && text_equal(p->good_hash, p->hash))
                        remember_good(p); /* another revision of what is good */
                if (p->roll.stage > last_stage(p))
                        p->roll.stage = last_stage(p);
                return;
        }
        bool back = roll_active(p) && p->good_revision && text_equal(p->hash, p->good_hash);
        free(p->roll.reason);
        p->roll = (struct roll){ 0 };
        p->check_intents = true;
        must_save(p);
        if (!back)
                return;
        p->roll = (struct roll){ .stage = 1, .direct = true, .back = true };
        move(p);
        open_gate(p);
        tell(p, "roll/back", NULL, "%u of %u instances go back to the configuration before", p->n.old, p->n.live);
}
