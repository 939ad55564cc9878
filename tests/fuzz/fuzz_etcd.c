/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What etcd answers, what stands in it, and where it is said to be: the first byte says which. What was read and is written again is the same. */
#include <stdlib.h>
#include <string.h>

#include "group/etcd_keys.h"
#include "group/etcd_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void try_reply(const struct text *t)
{
        struct etcd_reply r = { 0 };
        if (etcd_read_reply(t->data, t->length, &r, NULL) < 0)
                return;
        for (size_t i = 0; i < r.count; i++)
                check(r.kvs[i].key && r.kvs[i].value.data && !r.kvs[i].value.data[r.kvs[i].value.length]);
        check(!r.failed || r.message);
        for (const char *c = r.token; c && *c; c++)
                check(*c > ' ' && *c < 0x7f);
        (void)etcd_reply_denied(&r, "reading", NULL);
        etcd_reply_done(&r);
}

static void try_watch(const struct text *t)
{
        struct etcd_watch_reply r = { 0 };
        if (etcd_read_watch(t->data, t->length, &r, NULL) < 0)
                return;
        for (size_t i = 0; i < r.count; i++)
                check(r.changes[i].kv.key != NULL);
        etcd_watch_reply_done(&r);
}

static void try_head(const struct text *t)
{
        struct etcd_head h, again;
        CLEAN_TEXT struct text out = { 0 };
        if (etcd_read_head("k", t, &h, NULL) < 0)
                return;
        etcd_format_head(&out, &h);
        check(etcd_read_head("k", &out, &again, NULL) >= 0 && !memcmp(&h, &again, sizeof h));
}

static void try_leader(const struct text *t)
{
        struct etcd_leader l = { 0 };
        (void)etcd_read_leader("k", t, &l, NULL);
        etcd_leader_done(&l);
}

static void try_revision(const struct text *t)
{
        struct store_revisions l = { 0 };
        struct store_revision *r = store_revisions_add(&l), *again = NULL;
        CLEAN_TEXT struct text out = { 0 };
        if (etcd_read_revision("k", t, r, NULL) >= 0) {
                etcd_format_revision(&out, r);
                again = store_revisions_add(&l);
                check(etcd_read_revision("k", &out, again, NULL) >= 0 && !strcmp(l.items[0].document, again->document));
        }
        store_revisions_done(&l);
}

static void try_log(const struct text *t)
{
        struct store_log l = { 0 };
        if (etcd_read_events("k", t, 1, &l, NULL) >= 0)
                check(l.event_count <= ETCD_CHUNK_MAX);
        (void)etcd_read_audits("k", t, UINT64_MAX, &l, NULL);
        store_log_done(&l);
}

static void try_address(const struct text *t)
{
        CLEAN_STORE_ADDRESS struct store_address a = { 0 };
        if (store_address_parse(t->data, false, &a, NULL) < 0)
                return;
        for (size_t i = 0; i < a.count; i++)
                check(a.endpoints[i].port && (a.tls || a.endpoints[i].loopback));
        check(a.kind == STORE_FILE ? *a.path == '/' : a.count && *a.prefix == '/');
}

static void try_key(const struct text *t)
{
        CLEAN_FREE char *id = etcd_group_of_key("", "groups", t->data), *key = etcd_key_of_group("", "groups", t->data);
        CLEAN_FREE char *back = strlen(t->data) <= STORE_ID_MAX ? etcd_group_of_key("", "groups", key) : NULL;
        check(!*t->data || strlen(t->data) > STORE_ID_MAX || (back && !strcmp(back, t->data)));
        uint64_t n;
        (void)etcd_number_of_key("", "events", t->data, &n);
        CLEAN_FREE char *end = etcd_prefix_end(t->data);
        check(!*end || strcmp(t->data, end) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static void (*const tries[])(const struct text *t) = { try_reply, try_watch, try_head, try_leader, try_revision, try_log, try_address, try_key };
        if (!size)
                return 0;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        text_add_bytes(&t, (const char *)data + 1, size - 1);
        tries[*data % ELEMENTS(tries)](&t);
        return 0;
}
