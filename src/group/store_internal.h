/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the stores share: group/store.c checks what is asked for and hands it to one of them. */
#pragma once

#include "group/store.h"
#include "group/store_address.h"

enum change_kind { CHANGE_COMMIT, CHANGE_DOCUMENT, CHANGE_STATE, CHANGE_FLAGS, CHANGE_FORGET, CHANGE_EVENT, CHANGE_AUDIT };

/* One word of a batch; which members count depends on the kind. */
struct store_change {
        enum change_kind kind;
        char *group;
        uint64_t revision, at_usec;
        uint32_t flags;
        char *text; /* the document, or the state */
        char *actor, *reason;
        struct store_event event;
        struct store_audit audit;
};

struct store_backend {
        int (*start)(struct store *s, struct error *e);
        void (*stop)(struct store *s, store_done done, void *self);
        void (*close)(struct store *s);
        bool (*leads)(struct store *s);
        const char *(*leader)(struct store *s);
        /* b is checked, and not empty; it is the store's to empty. */
        void (*write)(struct store *s, struct store_batch *b, enum store_durability durability, store_done done, void *self);
        void (*history)(struct store *s, const char *group, store_history_done done, void *self);
        void (*events)(struct store *s, uint64_t from, const char *group, size_t max, store_log_read done, void *self);
        void (*audits)(struct store *s, uint64_t from, size_t max, store_log_read done, void *self);
};

/* The first member of each store. */
struct store {
        const struct store_backend *backend;
        struct store_listener *listener;
        uint32_t history;
        uint64_t events, event_age_usec;
        char *words; /* of store_describe */
};

int store_sqlite_open(const struct store_options *o, const struct store_address *a, struct store **ret, struct error *e);
int store_etcd_open(struct loop *loop, const struct store_options *o, const struct store_address *a, struct store **ret, struct error *e);

/* Appends a zeroed item to a list of items, count and room. */
#define STORE_LIST_ADD(items, count, room)                                                  \
        ({                                                                            \
                (items) = xgrow((items), &(room), (count) + 1, sizeof *(items));      \
                (items)[(count)] = (__typeof__(*(items))){ 0 };                       \
                &(items)[(count)++];                                                  \
        })

void store_event_done(struct store_event *v);
void store_audit_done(struct store_audit *a);
/* Each appends a zeroed item, for the caller to fill in. */
struct store_group *store_groups_add(struct store_groups *l);
struct store_revision *store_revisions_add(struct store_revisions *l);
struct store_event *store_log_add_event(struct store_log *l);
struct store_audit *store_log_add_audit(struct store_log *l);
/* The wall clock. */
uint64_t store_now_usec(void);
/* done may be NULL. */
void store_finish(store_done done, void *self, const struct error *e);
