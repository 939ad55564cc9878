/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking a host. One token never takes two: see the head of ssh.h. */
#include <string.h>

#include "ssh.h"

/* What one provision goes by. */
struct attempt {
        struct ssh *ssh;
        const struct instance_spec *spec;
        const struct pool *pool;
        struct instance_record record;
        struct knowns all;   /* hosts in the state, then those of the pool that are not */
        struct look *looks;  /* one for each */
        size_t *order;       /* of the pool's hosts: indices into all */
        size_t order_count;
        char *id;
};

static void attempt_done(struct attempt *a)
{
        if (a->looks)
                looks_free(a->looks, a->all.count);
        instance_record_done(&a->record);
        knowns_done(&a->all);
        free(a->order);
        free(a->id);
}

/* ---- which hosts there are ---- */

static size_t find_host(const struct knowns *all, const struct host *h)
{
        char key[HOST_KEY_SIZE], other[HOST_KEY_SIZE];
        size_t i = 0;
        host_key_of(h, key);
        for (; i < all->count; i++) {
                host_key_of(&all->items[i].host, other);
                if (text_equal(key, other))
                        break;
        }
        return i;
}

static int gather(struct attempt *a, struct error *e)
{
        (void)pthread_mutex_lock(&a->ssh->lock);
        int r = known_load_all(a->ssh, &a->all, e);
        (void)pthread_mutex_unlock(&a->ssh->lock);
        if (r < 0)
                return r;
        a->order = xalloc(a->pool->count, sizeof *a->order);
        for (size_t i = 0; i < a->pool->count; i++) {
                size_t at = find_host(&a->all, a->pool->hosts + i);
                struct known *k = at < a->all.count ? a->all.items + at : knowns_add(&a->all);
                /* The document says what the host's key is now. */
                host_done(&k->host);
                host_copy(&k->host, a->pool->hosts + i);
                a->order[a->order_count++] = at;
        }
        a->looks = xalloc(a->all.count, sizeof *a->looks);
        for (size_t i = 0; i < a->all.count; i++)
                a->looks[i] = (struct look){ .host = &a->all.items[i].host };
        look_at_all(a->ssh, a->looks, a->all.count);
        return 0;
}

static bool is_me(const struct attempt *a, const char *name)
{
        return name && text_equal(name, a->record.name);
}

static bool holds_me(const struct attempt *a, size_t i)
{
        const struct look *l = a->looks + i;
        return l->result == 0 && l->answer.kind == ANSWER_CLAIM && is_me(a, l->answer.record.name);
}

static bool may_hold_me(const struct attempt *a, size_t i)
{
        const struct known *k = a->all.items + i;
        return is_me(a, k->intent) || (k->claimed && is_me(a, k->claim.name));
}

/* ---- one host ---- */

static int write_intent(struct attempt *a, size_t i, struct error *e)
{
        struct ssh *s = a->ssh;
        struct known *k = a->all.items + i;
        CLEAN_KNOWN struct known now = { 0 };
        (void)pthread_mutex_lock(&s->lock);
        int r = known_load(s, &k->host, &now, e);
        if (r == 0 || r == -ENOENT) {
                host_done(&now.host);
                host_copy(&now.host, &k->host);
                free(now.intent);
                now.intent = xstrdup(a->record.name);
                now.limit_usec = a->pool->limit_usec;
                r = known_save(s, &now, e);
        }
        (void)pthread_mutex_unlock(&s->lock);
        if (r == 0) {
                struct known old = *k;
                *k = now;
                now = old;
        }
        return r;
}

static int command_failed(const struct attempt *a, const struct known *k, const struct answer *got, struct error *e)
{
        const char *which = got->kind == ANSWER_STUCK ? "clear away what an earlier attempt left" : "provision";
        (void)a;
        return error_set(e, EIO, "ssh.command", "the command to %s on %s %s %u%s%s", which, k->host.address,
                         got->code == 124 ? "took too long:" : "ended with status", got->code, *got->words ? ": " : "", got->words);
}

/* Writes down what came of it. 0: it is ours; 1: another has it, go on with the next. Under the lock. */
static int conclude(struct attempt *a, size_t i, const struct answer *got, struct error *e)
{
        struct ssh *s = a->ssh;
        struct known *k = a->all.items + i;
        const struct instance_record *record = holds_me(a, i) ? &a->looks[i].answer.record : &a->record;
        char key[HOST_KEY_SIZE];
        int r;
        host_key_of(&k->host, key);
        switch (got->kind) {
        case ANSWER_READY:
                return ssh_note_claim(s, k, record, STAGE_READY, e);
        case ANSWER_TAKEN:
                /* It may be known to be held by another of ours: that stays. */
                free(k->intent);
                k->intent = NULL;
                r = k->claimed ? known_save(s, k, e) : ssh_note_free(s, k, e);
                return r < 0 ? r : 1;
        case ANSWER_FAILED:
        case ANSWER_STUCK:
                if (!strings_has(&s->doubtful, key))
                        strings_add(&s->doubtful, key);
                /* Whether it was cleared away there is seen at the next look. */
                r = ssh_note_claim(s, k, record, STAGE_FAILED, e);
                return r < 0 ? r : command_failed(a, k, got, e);
        case ANSWER_BUSY:
                return error_set(e, EBUSY, "ssh.busy", "a command for this instance still runs on %s", k->host.address);
        default:
                return error_set(e, EBADMSG, "ssh.answer", "the answer of %s does not fit the question", k->host.address);
        }
}

static int try_host(struct attempt *a, size_t i, uint64_t wait_usec, struct error *e)
{
        struct known *k = a->all.items + i;
        CLEAN_ANSWER struct answer got = { 0 };
        CLEAN_TEXT struct text claim = { 0 };
        if (!ssh_take(a->ssh, &k->host, wait_usec))
                return 1;
        instance_record_format(&claim, &a->record);
        struct request q = { .verb = "make", .name = a->record.name, .claim = claim.data, .provision = a->pool->provision,
                             .destroy = a->pool->destroy, .init = a->spec->init, .logical_id = a->spec->logical_id,
                             .limit_usec = a->pool->limit_usec };
        int r = write_intent(a, i, e);
        if (r == 0)
                r = remote_ask(a->ssh, &k->host, &q, &got, e);
        if (r == 0) {
                (void)pthread_mutex_lock(&a->ssh->lock);
                r = conclude(a, i, &got, e);
                (void)pthread_mutex_unlock(&a->ssh->lock);
        }
        if (r == 0)
                a->id = host_instance_id(&k->host, a->record.name);
        ssh_give_back(a->ssh, &a->all.items[i].host);
        return r;
}

/* ---- which one ---- */

static bool is_doubtful(struct attempt *a, size_t i)
{
        char key[HOST_KEY_SIZE];
        host_key_of(&a->all.items[i].host, key);
        (void)pthread_mutex_lock(&a->ssh->lock);
        bool yes = strings_has(&a->ssh->doubtful, key);
        (void)pthread_mutex_unlock(&a->ssh->lock);
        return yes;
}

static bool is_free(const struct attempt *a, size_t i)
{
        const char *wanted = a->spec->logical_id;
        const struct look *l = a->looks + i;
        return l->result == 0 && l->answer.kind == ANSWER_FREE && (!wanted || text_equal(wanted, a->all.items[i].host.address));
}

static int try_pool(struct attempt *a, bool doubtful, struct error *e)
{
        for (size_t i = 0; i < a->order_count; i++) {
                size_t at = a->order[i];
                if (!is_free(a, at) || is_doubtful(a, at) != doubtful)
                        continue;
                int r = try_host(a, at, 0, e);
                if (r <= 0)
                        return r;
        }
        return 1;
}

static int none_free(const struct attempt *a, struct error *e)
{
        size_t taken = 0, away = 0;
        const char *why = "";
        for (size_t i = 0; i < a->order_count; i++) {
                const struct look *l = a->looks + a->order[i];
                taken += l->result == 0 && l->answer.kind != ANSWER_FREE;
                if (l->result < 0 && away++ == 0)
                        why = l->error.cause;
        }
        error_set(e, ENOSPC, "ssh.none-free", "none of %zu hosts is free: %zu are taken, %zu cannot be asked", a->order_count, taken, away);
        if (away)
                error_hint(e, "the first of these: %s", why);
        return -ENOSPC;
}

/* Where an attempt at this token was, or may have been: there, and nowhere else. 1: nowhere. */
static int try_former(struct attempt *a, struct error *e)
{
        for (size_t i = 0; i < a->all.count; i++)
                if (holds_me(a, i)) {
                        int r = a->record.token ? instance_record_check(&a->looks[i].answer.record, a->spec, e) : 0;
                        /* It may be us who finish what was cut off: their end is ours. */
                        r = r < 0 ? r : try_host(a, i, 3 * a->pool->limit_usec, e);
                        return r == 1 ? error_set(e, EBUSY, "ssh.busy", "work for this instance goes on on %s", a->all.items[i].host.address) : r;
                }
        for (size_t i = 0; i < a->all.count; i++)
                if (a->looks[i].result < 0 && may_hold_me(a, i)) {
                        *e = a->looks[i].error;
                        error_hint(e, "this host may hold the instance already, so that no other is taken");
                        return a->looks[i].result;
                }
        for (size_t i = 0; i < a->all.count; i++)
                if (is_me(a, a->all.items[i].intent) && is_free(a, i)) {
                        /* What was asked of it may still arrive there: the same host, so that it makes no second. */
                        int r = try_host(a, i, 3 * a->pool->limit_usec, e);
                        if (r <= 0)
                                return r;
                }
        return 1;
}

static int provision(struct attempt *a, struct error *e)
{
        int r = gather(a, e);
        if (r == 0)
                r = try_former(a, e);
        if (r == 1)
                r = try_pool(a, false, e);
        if (r == 1)
                r = try_pool(a, true, e);
        return r == 1 ? none_free(a, e) : r;
}

int ssh_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        CLEAN_POOL struct pool pool = { 0 };
        struct ssh *s = self;
        (void)type;
        int r = pool_parse(spec->properties, &pool, e);
        if (r < 0)
                return r;
        struct attempt a = { .ssh = s, .spec = spec, .pool = &pool };
        instance_record_begin(&a.record, spec);
        pthread_mutex_t *lane = s->lanes + (unsigned char)a.record.name[0] % LANES;
        (void)pthread_mutex_lock(lane);
        r = provision(&a, e);
        (void)pthread_mutex_unlock(lane);
        if (r == 0)
                *ret_id = TAKE_PTR(a.id);
        attempt_done(&a);
        return r;
}
