/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "base/hash.h"
#include "group/planner_parts.h"

void actions_done(struct actions *a)
{
        for (size_t i = 0; i < a->count; i++) {
                struct action *x = a->items + i;
                free(x->id);
                free(x->token);
                free(x->logical_id);
                free(x->topic);
                free(x->message);
                tags_done(&x->tags);
        }
        free(a->items);
        *a = (struct actions){ 0 };
}

struct action *action_add(struct planner *p, enum action_kind kind)
{
        struct actions *a = p->actions;
        a->items = xgrow(a->items, &a->room, a->count + 1, sizeof *a->items);
        a->items[a->count] = (struct action){ .kind = kind };
        return a->items + a->count++;
}

void tell(struct planner *p, const char *topic, const char *id, const char *format, ...)
{
        struct action *a = action_add(p, ACTION_TELL);
        va_list ap;
        a->topic = xstrdup(topic);
        a->id = id ? xstrdup(id) : NULL;
        va_start(ap, format);
        if (vasprintf(&a->message, format, ap) < 0)
                a->message = xstrdup("");
        va_end(ap);
}

/* A counter through a keyed hash: any seed will do, and nothing else moves it. */
uint64_t planner_random(struct planner *p, uint64_t below)
{
        uint64_t key[2] = { p->seed, UINT64_C(0x6a09e667f3bcc908) }, number = p->random++;
        uint64_t value = hash_sip24(&number, sizeof number, (const uint8_t *)key);
        return below ? (uint64_t)((unsigned __int128)value * below >> 64) : 0;
}

uint64_t planner_backoff(struct planner *p, uint64_t base_usec, uint64_t most_usec, uint32_t tries)
{
        uint64_t span = base_usec;
        for (uint32_t i = 1; i < tries && span < most_usec; i++)
                span *= 2;
        if (span > most_usec)
                span = most_usec;
        return span - planner_random(p, span / 2 + 1);
}
