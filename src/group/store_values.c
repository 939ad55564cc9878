/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a store keeps, as values: their end, and lists of them. */
#include "group/store_internal.h"

void store_group_done(struct store_group *g)
{
        free(g->id);
        free(g->document);
        free(g->state);
        *g = (struct store_group){ 0 };
}

void store_groups_done(struct store_groups *l)
{
        for (size_t i = 0; i < l->count; i++)
                store_group_done(&l->items[i]);
        free(l->items);
        *l = (struct store_groups){ 0 };
}

void store_revisions_done(struct store_revisions *l)
{
        for (size_t i = 0; i < l->count; i++) {
                free(l->items[i].document);
                free(l->items[i].actor);
                free(l->items[i].reason);
        }
        free(l->items);
        *l = (struct store_revisions){ 0 };
}

void store_event_done(struct store_event *v)
{
        free(v->topic);
        free(v->group);
        free(v->id);
        free(v->message);
        *v = (struct store_event){ 0 };
}

void store_audit_done(struct store_audit *a)
{
        free(a->actor);
        free(a->role);
        free(a->method);
        free(a->object);
        free(a->reason);
        free(a->outcome);
        *a = (struct store_audit){ 0 };
}

void store_log_done(struct store_log *l)
{
        for (size_t i = 0; i < l->event_count; i++)
                store_event_done(&l->events[i]);
        for (size_t i = 0; i < l->audit_count; i++)
                store_audit_done(&l->audits[i]);
        free(l->events);
        free(l->audits);
        *l = (struct store_log){ 0 };
}

struct store_group *store_groups_add(struct store_groups *l)
{
        return STORE_LIST_ADD(l->items, l->count, l->room);
}

struct store_revision *store_revisions_add(struct store_revisions *l)
{
        return STORE_LIST_ADD(l->items, l->count, l->room);
}

struct store_event *store_log_add_event(struct store_log *l)
{
        return STORE_LIST_ADD(l->events, l->event_count, l->event_room);
}

struct store_audit *store_log_add_audit(struct store_log *l)
{
        return STORE_LIST_ADD(l->audits, l->audit_count, l->audit_room);
}
