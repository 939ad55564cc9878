/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ssh.h"

enum { LABEL_TRIES = 8 };

/* ---- hosts that work goes on at ---- */

bool ssh_is_busy(const struct ssh *s, const struct host *h)
{
        char key[HOST_KEY_SIZE];
        host_key_of(h, key);
        return strings_has(&s->busy, key);
}

bool ssh_take(struct ssh *s, const struct host *h, uint64_t wait_usec)
{
        char key[HOST_KEY_SIZE];
        struct timespec due;
        host_key_of(h, key);
        (void)clock_gettime(CLOCK_MONOTONIC, &due);
        due.tv_sec += (time_t)(wait_usec / 1000000);
        (void)pthread_mutex_lock(&s->lock);
        while (strings_has(&s->busy, key) && wait_usec && pthread_cond_timedwait(&s->given_back, &s->lock, &due) == 0)
                ;
        bool free = !strings_has(&s->busy, key);
        if (free)
                strings_add(&s->busy, key);
        (void)pthread_mutex_unlock(&s->lock);
        return free;
}

static void strings_drop(struct strings *l, const char *s)
{
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->items[i], s)) {
                        free(l->items[i]);
                        l->items[i] = l->items[--l->count];
                        l->items[l->count] = NULL;
                        return;
                }
}

void ssh_give_back(struct ssh *s, const struct host *h)
{
        char key[HOST_KEY_SIZE];
        host_key_of(h, key);
        (void)pthread_mutex_lock(&s->lock);
        strings_drop(&s->busy, key);
        (void)pthread_cond_broadcast(&s->given_back);
        (void)pthread_mutex_unlock(&s->lock);
}

/* ---- what is known ---- */

static void record_copy(struct instance_record *ret, const struct instance_record *from)
{
        *ret = (struct instance_record){ .stage = from->stage, .name = xstrdup(from->name), .token = from->token ? xstrdup(from->token) : NULL,
                                         .logical_id = from->logical_id ? xstrdup(from->logical_id) : NULL,
                                         .properties = from->properties ? xstrdup(from->properties) : NULL };
        tags_copy(&ret->tags, &from->tags);
}

static void set_claim(struct known *k, const struct instance_record *claim, enum instance_stage stage)
{
        struct instance_record now;
        record_copy(&now, claim);
        now.stage = stage;
        instance_record_done(&k->claim);
        k->claim = now;
        k->claimed = true;
}

int ssh_note_claim(struct ssh *s, struct known *k, const struct instance_record *claim, enum instance_stage stage, struct error *e)
{
        set_claim(k, claim, stage);
        if (k->intent && text_equal(k->intent, k->claim.name)) {
                free(k->intent);
                k->intent = NULL;
        }
        return known_save(s, k, e);
}

int ssh_note_free(struct ssh *s, struct known *k, struct error *e)
{
        instance_record_done(&k->claim);
        k->claimed = false;
        if (k->intent)
                return known_save(s, k, e);
        known_forget(s, k);
        return 0;
}

static void vanished(const struct ssh *s, const struct known *k)
{
        CLEAN_FREE char *id = host_instance_id(&k->host, k->claim.name);
        if (s->events)
                s->events->notify(s->events, INSTANCE_VANISHED, "", id, &k->claim.tags);
}

/* The claim there is one that we made, or attempted. */
static bool is_ours(const struct known *k, const struct instance_record *claim)
{
        return (k->claimed && text_equal(k->claim.name, claim->name)) || (k->intent && text_equal(k->intent, claim->name));
}

/* Whether what is written down of a claim is what the host says. */
static bool is_news(const struct known *k, const struct instance_record *claim)
{
        return !k->claimed || k->claim.stage != claim->stage || !tags_equal(&k->claim.tags, &claim->tags);
}

/*
 * Brings what we know to what the host says of itself. A host that says nothing stays as it is known. Under the lock. Where a
 * provision is at work it is this that writes down what comes of it; what is there already is seen all the same.
 */
static int reconcile(struct ssh *s, struct known *k, const struct look *l, struct error *e)
{
        bool ours = l->result == 0 && l->answer.kind == ANSWER_CLAIM && is_ours(k, &l->answer.record);
        if (ssh_is_busy(s, &k->host)) {
                if (ours)
                        set_claim(k, &l->answer.record, l->answer.record.stage);
                return 0;
        }
        if (l->result < 0)
                return 0;
        if (ours)
                return is_news(k, &l->answer.record) ? ssh_note_claim(s, k, &l->answer.record, l->answer.record.stage, e) : 0;
        if (!k->claimed)
                return 0; /* an intent stays until its token is tried again */
        if (k->claim.stage != STAGE_FAILED)
                vanished(s, k);
        return ssh_note_free(s, k, e);
}

/* All hosts that we may hold, looked at now; reachable: one for each. */
static int refresh(struct ssh *s, struct knowns *all, bool **ret_reachable, struct error *e)
{
        (void)pthread_mutex_lock(&s->lock);
        int r = known_load_all(s, all, e);
        (void)pthread_mutex_unlock(&s->lock);
        if (r < 0)
                return r;
        struct look *looks = xalloc(all->count + 1, sizeof *looks);
        bool *reachable = xalloc(all->count + 1, sizeof *reachable);
        for (size_t i = 0; i < all->count; i++)
                looks[i] = (struct look){ .host = &all->items[i].host };
        look_at_all(s, looks, all->count);
        (void)pthread_mutex_lock(&s->lock);
        for (size_t i = 0; r == 0 && i < all->count; i++) {
                struct known now = { 0 };
                reachable[i] = looks[i].result == 0;
                /* Others may have written since. */
                int known = known_load(s, &all->items[i].host, &now, e);
                if (known == 0) {
                        known_done(all->items + i);
                        all->items[i] = now;
                        r = reconcile(s, all->items + i, looks + i, e);
                } else if (known == -ENOENT) {
                        all->items[i].claimed = false;
                } else {
                        r = known;
                }
        }
        (void)pthread_mutex_unlock(&s->lock);
        looks_free(looks, all->count);
        if (r < 0)
                free(reachable);
        else
                *ret_reachable = reachable;
        return r;
}

int ssh_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        CLEAN_KNOWNS struct knowns all = { 0 };
        CLEAN_FREE bool *reachable = NULL;
        (void)type;
        int r = refresh(self, &all, &reachable, e);
        for (size_t i = 0; r == 0 && i < all.count; i++) {
                const struct known *k = all.items + i;
                if (!k->claimed)
                        continue;
                CLEAN_FREE char *id = host_instance_id(&k->host, k->claim.name);
                size_t before = ret->count;
                instance_record_list(&k->claim, id, match, properties, ret);
                if (!reachable[i] && ret->count > before)
                        tags_set(&ret->items[before].tags, TAG_UNREACHABLE, "yes");
        }
        return r;
}

/* ---- one instance ---- */

static int find(struct ssh *s, const char *id, struct known *ret, struct error *e)
{
        CLEAN_KNOWNS struct knowns all = { 0 };
        (void)pthread_mutex_lock(&s->lock);
        int r = known_load_all(s, &all, e);
        (void)pthread_mutex_unlock(&s->lock);
        if (r < 0)
                return r;
        for (size_t i = 0; i < all.count; i++) {
                struct known *k = all.items + i;
                /* One that is being made is known by its intent. */
                const char *name = k->claimed ? k->claim.name : k->intent;
                CLEAN_FREE char *own = name ? host_instance_id(&k->host, name) : NULL;
                if (own && text_equal(own, id)) {
                        if (!k->claimed)
                                k->claim.name = xstrdup(name);
                        *ret = *k;
                        *k = (struct known){ 0 };
                        return 0;
                }
        }
        return error_set(e, ENOENT, "instance.missing", "there is no instance %s", id);
}

/* Changes what is written down of a host, if it still is about this claim. Unless the host is mine, nothing where a provision is at work. */
static int note(struct ssh *s, const struct known *k, const struct instance_record *claim, bool mine, struct error *e)
{
        CLEAN_KNOWN struct known now = { 0 };
        (void)pthread_mutex_lock(&s->lock);
        int r = known_load(s, &k->host, &now, e);
        const char *name = r < 0 ? NULL : now.claimed ? now.claim.name : now.intent;
        bool same = name && text_equal(name, k->claim.name) && (mine || !ssh_is_busy(s, &k->host));
        if (same && !claim && now.intent && text_equal(now.intent, k->claim.name)) {
                free(now.intent);
                now.intent = NULL;
        }
        if (same)
                r = claim ? ssh_note_claim(s, &now, claim, claim->stage, e) : ssh_note_free(s, &now, e);
        (void)pthread_mutex_unlock(&s->lock);
        return r == -ENOENT ? 0 : r;
}

static int gone(const char *id, struct error *e)
{
        return error_set(e, ENOENT, "instance.missing", "there is no instance %s any more", id);
}

/* 1: somebody changed the claim meanwhile. */
static int label_once(struct ssh *s, const struct known *k, const char *id, const struct tags *labels, struct error *e)
{
        CLEAN_ANSWER struct answer seen = { 0 }, got = { 0 };
        CLEAN_TEXT struct text claim = { 0 };
        struct request look = { .verb = "look" };
        int r = remote_ask(s, &k->host, &look, &seen, e);
        if (r < 0)
                return r;
        if (seen.kind != ANSWER_CLAIM || !text_equal(seen.record.name, k->claim.name))
                return gone(id, e);
        enum instance_stage stage = seen.record.stage;
        tags_merge(&seen.record.tags, labels);
        if (seen.record.tags.count > TAGS_MAX)
                return error_set(e, E2BIG, "instance.tags", "%s would have more than %d tags", id, TAGS_MAX);
        seen.record.stage = STAGE_MAKING; /* the claim's first line has the stage */
        instance_record_format(&claim, &seen.record);
        struct request q = { .verb = "label", .name = k->claim.name, .old = seen.words, .claim = claim.data };
        r = remote_ask(s, &k->host, &q, &got, e);
        if (r < 0 || got.kind == ANSWER_CHANGED)
                return r < 0 ? r : 1;
        if (got.kind != ANSWER_LABELLED)
                return gone(id, e);
        seen.record.stage = stage;
        return note(s, k, &seen.record, false, e);
}

int ssh_label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        CLEAN_KNOWN struct known k = { 0 };
        (void)type;
        int r = find(self, id, &k, e);
        for (int i = 0; r == 0 && i < LABEL_TRIES; i++) {
                r = label_once(self, &k, id, labels, e);
                if (r <= 0)
                        return r;
                r = 0;
        }
        return r < 0 ? r : error_set(e, EBUSY, "ssh.busy", "others change the claim of %s all the time", id);
}

static int drop(struct ssh *s, const struct known *k, bool mine, struct error *e)
{
        CLEAN_ANSWER struct answer got = { 0 };
        struct request q = { .verb = "drop", .name = k->claim.name, .logical_id = k->claim.logical_id, .limit_usec = k->limit_usec };
        int r = remote_ask(s, &k->host, &q, &got, e);
        if (r < 0)
                return r;
        if (got.kind == ANSWER_FREE)
                return note(s, k, NULL, mine, e);
        if (got.kind == ANSWER_BUSY)
                return error_set(e, EBUSY, "ssh.busy", "a command for this instance still runs on %s", k->host.address);
        return error_set(e, EIO, "ssh.command", "the command to destroy on %s ended with status %u%s%s", k->host.address, got.code,
                         got.words && *got.words ? ": " : "", got.words ? got.words : "");
}

int ssh_destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        CLEAN_KNOWN struct known k = { 0 };
        (void)type;
        (void)reason;
        int r = find(self, id, &k, e);
        return r < 0 ? r : drop(self, &k, false, e);
}

/* ---- watching ---- */

/* The command to provision may have been cut off with the connection or the host: it is run again there. */
static int finish(struct ssh *s, const struct known *k, struct error *e)
{
        CLEAN_ANSWER struct answer got = { 0 };
        CLEAN_INSTANCE_RECORD struct instance_record claim = { 0 };
        struct request q = { .verb = "make", .name = k->claim.name, .logical_id = k->claim.logical_id, .limit_usec = k->limit_usec };
        int r = remote_ask(s, &k->host, &q, &got, e);
        if (r < 0 || got.kind == ANSWER_BUSY)
                return r;
        if (got.kind == ANSWER_FREE || got.kind == ANSWER_TAKEN)
                return note(s, k, NULL, true, e);
        record_copy(&claim, &k->claim);
        claim.stage = got.kind == ANSWER_READY ? STAGE_READY : STAGE_FAILED;
        r = note(s, k, &claim, true, e);
        if (r < 0 || claim.stage == STAGE_READY)
                return r;
        vanished(s, k);
        return error_set(e, EIO, "ssh.command", "the command to provision on %s ended with status %u", k->host.address, got.code);
}

static void look_after(struct ssh *s, const struct known *k)
{
        struct error e = { 0 };
        enum instance_stage stage = k->claim.stage;
        if (!k->claimed || stage == STAGE_READY || !ssh_take(s, &k->host, 0))
                return;
        int r = stage == STAGE_MAKING ? finish(s, k, &e) : drop(s, k, true, &e);
        ssh_give_back(s, &k->host);
        if (r == 0 && stage == STAGE_REMOVING)
                vanished(s, k);
        if (r < 0) {
                CLEAN_FREE char *subject = xprintf("%s %s", stage == STAGE_MAKING ? "cannot finish" : "cannot clear away", k->host.address);
                error_print(stderr, "bulkhead-instance-ssh", subject, &e);
        }
}

void ssh_watch(void *self)
{
        CLEAN_KNOWNS struct knowns all = { 0 };
        CLEAN_FREE bool *reachable = NULL;
        struct error e = { 0 };
        if (refresh(self, &all, &reachable, &e) < 0) {
                error_print(stderr, "bulkhead-instance-ssh", "cannot look at the hosts", &e);
                return;
        }
        for (size_t i = 0; i < all.count; i++)
                if (reachable[i])
                        look_after(self, all.items + i);
}
