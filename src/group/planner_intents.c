/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Promises to provision.  Each is written down before its first call, with the one token that all its calls carry.  It ends when its instance is
 * there; or, once nobody wants it any more, when it surely had no effect: it was never called, all calls were refused, or a list that is not
 * late does not have it.
 */
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "base/mutant.h"
#include "group/planner_parts.h"

struct intent *intent_get(const struct planner *p, const char *token)
{
        return string_map_get(&p->intent_by_token, token);
}

/* ---- counts and queue ---- */

static bool ready_before(const void *a, const void *b)
{
        const struct intent *x = a, *y = b;
        return x->due_usec != y->due_usec ? x->due_usec < y->due_usec : strcmp(x->token, y->token) < 0;
}

void intents_init(struct planner *p)
{
        p->ready = (struct heap){ .position = offsetof(struct intent, due_at), .before = ready_before };
}

void intents_done(struct planner *p)
{
        for (struct intent *i = p->intents, *next; i; i = next) {
                next = i->next;
                free(i->logical_id);
                free(i);
        }
        string_map_done(&p->intent_by_token);
        heap_done(&p->ready);
        free(p->heirs);
}

void intent_count(struct planner *p, const struct intent *i, size_t by)
{
        p->calling += i->state == INTENT_CALLING ? by : 0;
        if (i->fulfilled)
                return;
        p->open += by;
        p->risky += i->maybe || i->state == INTENT_CALLING ? by : 0;
        p->open_newest += i->newest ? by : 0;
}

static bool is_listed_since(const struct planner *p, const struct intent *i)
{
        return i->state != INTENT_UNSURE || (p->observed && p->list_usec >= i->unsure_usec);
}

/* Into the queue of those that may be called, or out of it. */
static void queue(struct planner *p, struct intent *i)
{
        if (i->state != INTENT_CALLING && !i->fulfilled && i->wanted && is_listed_since(p, i))
                heap_put(&p->ready, i);
        else
                heap_remove(&p->ready, i);
}

/* ---- one ---- */

static void make_token(struct planner *p, char ret[TOKEN_LENGTH + 1])
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
        uint64_t key[2] = { p->seed, UINT64_C(0xbb67ae8584caa73b) };
        uint64_t number = p->token_number++;
        CLEAN_FREE char *name = xprintf("%s/%llu", p->group, (unsigned long long)number);
        for (unsigned half = 0; half < 2; half++, key[1]++) {
                uint64_t value = hash_sip24(name, strlen(name), (const uint8_t *)key);
                for (unsigned i = 0; i < TOKEN_LENGTH / 2; i++, value >>= 5)
                        ret[half * TOKEN_LENGTH / 2 + i] = letters[value & 31];
        }
        ret[TOKEN_LENGTH] = 0;
}

void intent_add(struct planner *p, struct intent *i)
{
        i->next = p->intents;
        if (p->intents)
                p->intents->previous = i;
        p->intents = i;
        p->intents_kept++;
        i->newest = text_equal(i->hash, p->hash);
        string_map_put(&p->intent_by_token, i->token, i);
        intent_count(p, i, 1);
        queue(p, i);
        if (i->slot)
                slot_changed(p, i->slot, 0, 1);
        if (!MUTANT("plan-unsaved-intent"))
                must_save(p);
}

static uint8_t take_lineage(struct planner *p, struct slot *slot)
{
        uint8_t lineage = 0;
        if (slot) {
                lineage = (uint8_t)slot->lineage;
                slot->lineage = 0;
        } else if (p->heir_count) {
                lineage = p->heirs[--p->heir_count];
        }
        return lineage;
}

struct intent *intent_new(struct planner *p, bool newest, struct slot *slot)
{
        struct intent *i = xalloc(1, sizeof *i);
        make_token(p, i->token);
        memcpy(i->hash, newest ? p->hash : p->good_hash, sizeof i->hash);
        i->revision = newest ? p->revision : p->good_revision;
        i->wanted = true;
        i->slot = slot;
        i->logical_id = slot ? xstrdup(slot->id) : NULL;
        i->sequence = slot ? slot->index : p->n.live + (uint32_t)p->open;
        i->lineage = take_lineage(p, slot);
        i->made_usec = i->due_usec = p->now_usec;
        if (i->lineage > EARLY_DEATHS)
                i->due_usec += planner_backoff(p, p->limits.backoff_usec, p->limits.backoff_max_usec, i->lineage - EARLY_DEATHS);
        intent_add(p, i);
        return i;
}

void intent_remove(struct planner *p, struct intent *i)
{
        intent_count(p, i, SIZE_MAX);
        heap_remove(&p->ready, i);
        string_map_remove(&p->intent_by_token, i->token);
        if (i->previous)
                i->previous->next = i->next;
        else
                p->intents = i->next;
        if (i->next)
                i->next->previous = i->previous;
        p->intents_kept--;
        if (i->slot && !i->fulfilled)
                slot_changed(p, i->slot, 0, -1);
        free(i->logical_id);
        free(i);
}

static void set_fulfilled(struct planner *p, struct intent *i, bool fulfilled)
{
        intent_count(p, i, SIZE_MAX);
        i->fulfilled = fulfilled;
        intent_count(p, i, 1);
        if (i->slot)
                slot_changed(p, i->slot, 0, fulfilled ? -1 : 1);
}

void intent_fulfil(struct planner *p, struct intent *i)
{
        if (i->state != INTENT_CALLING) {
                intent_remove(p, i);
                return;
        }
        if (!i->fulfilled)
                set_fulfilled(p, i, true);
}

void intent_doubt(struct planner *p, const struct tags *tags)
{
        const char *token = tags_get(tags, TAG_TOKEN);
        struct intent *i = token ? intent_get(p, token) : NULL;
        if (i && i->fulfilled)
                set_fulfilled(p, i, false);
}

/* ---- all ---- */

/* Its logical id is one of the wanted ones; and nobody has it, as who was made by an older call whose effect came late. */
static bool has_place(const struct planner *p, const struct intent *i)
{
        return p->quorum ? i->slot && !i->slot->occupants : !i->logical_id;
}

static bool is_wanted(const struct planner *p, const struct intent *i)
{
        if (p->destroying || !p->committed || !has_place(p, i))
                return false;
        if (text_equal(i->hash, p->hash))
                return p->roll.phase != ROLL_FAILED || !p->good_revision || text_equal(p->hash, p->good_hash);
        return roll_active(p) && text_equal(i->hash, p->good_hash) && !(p->circuit.open && roll_moves(p));
}

static bool is_without_effect(const struct intent *i)
{
        return i->state == INTENT_READY && !i->maybe;
}

/* One whose outcome is unsure is given up only when a list that is not late does not have it. */
static void give_up(struct planner *p, struct intent *i)
{
        if (is_without_effect(i))
                intent_remove(p, i);
        else if (i->state == INTENT_UNSURE && p->observed && p->list_usec >= i->unsure_usec + p->settle_usec)
                intent_remove(p, i);
        else if (i->state == INTENT_UNSURE)
                list_needed(p, i->unsure_usec + p->settle_usec);
}

void intent_judge(struct planner *p, struct intent *i)
{
        if (i->fulfilled)
                return;
        intent_count(p, i, SIZE_MAX);
        i->newest = text_equal(i->hash, p->hash);
        intent_count(p, i, 1);
        i->wanted = is_wanted(p, i);
        queue(p, i);
        if (!i->wanted)
                give_up(p, i);
}

void intents_judge(struct planner *p)
{
        for (struct intent *i = p->intents, *next; i; i = next) {
                next = i->next;
                intent_judge(p, i);
        }
        p->check_intents = false;
}

void intents_listed(struct planner *p)
{
        uint32_t most = most_of(p);
        for (struct intent *i = p->intents, *next; i; i = next) {
                next = i->next;
                if (i->fulfilled || i->state != INTENT_UNSURE)
                        continue;
                if (p->list_usec < i->unsure_usec)
                        list_needed(p, p->now_usec);
                queue(p, i);
                if (!i->wanted || p->n.live + p->open > most)
                        give_up(p, i);
        }
}

void intents_trim(struct planner *p, uint32_t most)
{
        if (p->n.live + p->open <= most)
                return;
        for (struct intent *i = p->intents, *next; i && p->n.live + p->open > most; i = next) {
                next = i->next;
                if (!i->fulfilled && !i->slot)
                        give_up(p, i);
        }
}
