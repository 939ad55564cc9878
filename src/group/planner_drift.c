/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances whose properties are not the document's any more.  With Action "tell" that is told, once for each change.  With "replace" they go as
 * the sick do, within the same budget, but after them and only while no roll is on; and because one that has drifted may still serve, never so that
 * fewer serve than the size less the budget.
 *
 * What looks like drift may be no drift: a provider that describes in other words than the document's would have all replaced, for ever. So none is
 * when more than two budgets have drifted or are sick, nor when new ones differ at the first look again and again.
 */
#include <string.h>

#include "base/mutant.h"
#include "group/planner_parts.h"

/* ---- when ---- */

uint64_t drift_wake(const struct planner *p)
{
        if (!p->drift.interval_usec || p->freed || p->destroying)
                return NEVER;
        return p->properties_usec ? p->properties_usec + p->drift.interval_usec : p->now_usec;
}

bool planner_wants_properties(const struct planner *p, uint64_t now_usec)
{
        return p->committed && (!p->properties_usec || now_usec >= p->properties_usec + p->drift.interval_usec) && drift_wake(p) != NEVER;
}

/* ---- what was seen ---- */

void drift_forget(struct member *m)
{
        free(m->drift);
        m->drift = NULL;
        m->looked = false;
}

/* A new one that is not as it was asked for has not drifted: that is what the provider makes of the document. Unless somebody was quick. */
static void look_first(struct planner *p, struct member *m, bool differs)
{
        uint32_t births = !differs ? 0 : p->drift_births < DRIFT_BIRTHS ? p->drift_births + 1 : p->drift_births;
        if (m->looked)
                return;
        m->looked = true;
        if (!m->fresh || births == p->drift_births)
                return;
        p->drift_births = births;
        must_save(p);
}

void drift_look(struct planner *p, struct member *m, const char *drift)
{
        if (!drift || is_leaving(m) || !m->current || m->calling || !p->drift.interval_usec)
                return;
        bool differs = *drift;
        look_first(p, m, differs);
        if (differs ? m->drift && text_equal(m->drift, drift) : !m->drift)
                return;
        member_lift(p, m);
        free(m->drift);
        m->drift = differs ? xstrdup(drift) : NULL;
        member_place(p, m);
        if (differs)
                tell(p, "instance/drift", m->instance.id, "%s", drift);
        else
                tell(p, "instance/drift-mended", m->instance.id, "is as its document says again");
}

/* ---- what is done ---- */

static bool replaces(const struct planner *p)
{
        return p->drift.interval_usec && p->drift.action == DRIFT_REPLACE;
}

bool has_drift_to_mend(const struct planner *p)
{
        return replaces(p) && p->n.drifted_due;
}

static void set_stopped(struct planner *p, bool stop, const char *why)
{
        if (stop == p->drift_stopped)
                return;
        p->drift_stopped = stop;
        must_save(p);
        tell(p, stop ? "drift/stopped" : "drift/resumed", NULL, "%u of %u have drifted%s", p->n.drifted, p->n.live, why);
}

static void watch(struct planner *p)
{
        uint32_t budget = budget_of(p), ill = p->n.drifted_due + p->n.sick;
        if (!replaces(p)) {
                set_stopped(p, false, "");
                return;
        }
        if (p->drift_births >= DRIFT_BIRTHS)
                set_stopped(p, true, ": none is replaced, for new ones differ from the document as well");
        else if (p->drift_stopped ? ill > budget : ill > 2 * (uint64_t)budget)
                set_stopped(p, true, ": none is replaced until they are fewer");
        else
                set_stopped(p, false, "");
}

void drift_resume(struct planner *p)
{
        if (!p->drift_births && !p->drift_stopped)
                return;
        p->drift_births = 0;
        p->drift_stopped = false;
        must_save(p);
}

/* Where health is only asked in rolls, a bad answer from the last of them says nothing of today: who is not sick serves. */
static uint64_t serving_without(const struct planner *p, const struct member *m)
{
        if (p->health.interval_usec)
                return p->n.service - in_service(p, m);
        return p->n.live - p->n.sick - !m->sick;
}

static bool may_replace(const struct planner *p, const struct member *m)
{
        if (MUTANT("plan-all-drift"))
                return true;
        return m->sure && !m->calling && has_budget_left(p) && serving_without(p, m) + budget_of(p) >= wanted_count(p);
}

void drift_remedy(struct planner *p)
{
        watch(p);
        if (!replaces(p) || p->drift_stopped || p->remediation_stopped || roll_active(p))
                return;
        for (struct member *m; (m = heap_first(&p->drifted)) != NULL && may_replace(p, m);)
                member_leave(p, m, LEAVE_DRIFT);
}
