/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure parts of the shared store: where it is, its keys and values, and etcd's words. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "base/base64.h"
#include "group/etcd_keys.h"
#include "group/etcd_wire.h"
#include "group/store_address.h"

static void base64_is_that_of_the_rfc(void **state)
{
        (void)state;
        static const char *const rows[][2] = { { "", "" },           { "f", "Zg==" },         { "fo", "Zm8=" },        { "foo", "Zm9v" },
                                               { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb", "//77" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_TEXT struct text t = { 0 }, back = { 0 };
                text_add(&t, "");
                base64_add(&t, rows[i][0], strlen(rows[i][0]));
                assert_string_equal(t.data, rows[i][1]);
                assert_int_equal(base64_decode(t.data, t.length, &back), 0);
                assert_string_equal(back.data, rows[i][0]);
        }
}

/* ---- where ---- */

static void addresses_are_read(void **state)
{
        (void)state;
        static const struct {
                const char *where, *words;
                bool plain;
        } rows[] = {
                { "/var/lib/x.db", "file /var/lib/x.db", false },
                { "sqlite:///var/lib/x.db", "file /var/lib/x.db", false },
                { "etcd://127.0.0.1:1", "etcd 127.0.0.1:1 /bulkhead/v1", false },
                { "etcd://localhost", "etcd localhost:2379 /bulkhead/v1", false },
                { "etcd://127.0.0.1,[::1]:99/a/b/", "etcd 127.0.0.1:2379 [::1]:99 /a/b", false },
                { "etcd://10.0.0.1/x", "etcd 10.0.0.1:2379 /x", true },
                { "etcds://e1.example:2379,e2.example", "etcds e1.example:2379 e2.example:2379 /bulkhead/v1", false },
                { "etcds://10.0.0.1/", "etcds 10.0.0.1:2379 /bulkhead/v1", false },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_STORE_ADDRESS struct store_address a = { 0 };
                struct error e = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                assert_int_equal(store_address_parse(rows[i].where, rows[i].plain, &a, &e), 0);
                text_add(&t, a.kind == STORE_FILE ? "file " : a.tls ? "etcds " : "etcd ");
                text_add(&t, a.path ? a.path : "");
                for (size_t k = 0; k < a.count; k++) {
                        store_endpoint_format(&t, &a.endpoints[k]);
                        text_add(&t, " ");
                }
                text_add(&t, a.prefix ? a.prefix : "");
                assert_string_equal(t.data, rows[i].words);
        }
}

static void bad_addresses_are_refused(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "", "x.db", "relative/x.db", "sqlite://x", "/folder/", "http://127.0.0.1", "etcd://", "etcd://,127.0.0.1", "etcd://127.0.0.1,",
                "etcd://127.0.0.1:0", "etcd://127.0.0.1:65536", "etcd://127.0.0.1:x", "etcd://127.0.0.1:", "etcd://[::1", "etcd://[::1]x", "etcd://::1",
                "etcd://[127.0.0.1]", "etcd://10.0.0.1", "etcd://[2001:db8::1]:1", "etcd://host.example", "etcds://-x", "etcds://a b", "etcds://1.2.3",
                "etcds://a@b", "etcds://127.1", "etcd://127.0.0.1/a//b", "etcd://127.0.0.1/a b", "etcd://127.0.0.1/a?x=y",
                "etcd://127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,"
                "127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1",
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct store_address a;
                struct error e = { 0 };
                if (store_address_parse(rows[i], false, &a, &e) != -EINVAL)
                        fail_msg("%s was taken", rows[i]);
                assert_string_equal(e.id, "store.address");
        }
        /* Without TLS a name is not looked up, whatever else is allowed. */
        struct store_address a;
        assert_int_equal(store_address_parse("etcd://host.example", true, &a, NULL), -EINVAL);
}

/* ---- keys and values ---- */

static void keys_of_groups_go_there_and_back(void **state)
{
        (void)state;
        static const char *const rows[][2] = { { "web", "web" }, { "a/b", "a%2Fb" }, { "100%", "100%25" }, { "\xc3\xa9 x", "%C3%A9%20x" }, { "a-b_c.d", "a-b_c.d" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *key = etcd_key_of_group("/p", "groups", rows[i][0]), *wanted = xprintf("/p/groups/%s", rows[i][1]);
                assert_string_equal(key, wanted);
                CLEAN_FREE char *id = etcd_group_of_key("/p", "groups", key);
                assert_string_equal(id, rows[i][0]);
        }
        static const char *const strangers[] = { "/p/groups/", "/p/groups/a/b", "/p/groups/%2f", "/p/groups/%41", "/p/groups/%00", "/p/groups/%2", "/p/states/a",
                                                 "/q/groups/a", "" };
        for (size_t i = 0; i < ELEMENTS(strangers); i++)
                assert_null(etcd_group_of_key("/p", "groups", strangers[i]));
}

static void keys_of_numbers_go_there_and_back(void **state)
{
        (void)state;
        uint64_t n = 0;
        CLEAN_FREE char *key = etcd_key_of_number("/p", "events", UINT64_MAX - 1), *small = etcd_key_of_number("/p", "events", 9);
        assert_string_equal(key, "/p/events/fffffffffffffffe");
        assert_int_equal(etcd_number_of_key("/p", "events", key, &n), 0);
        assert_true(n == UINT64_MAX - 1);
        assert_true(strcmp(small, key) < 0);
        assert_int_equal(etcd_number_of_key("/p", "events", "/p/events/9", &n), -EINVAL);
        assert_int_equal(etcd_number_of_key("/p", "events", "/p/events/000000000000000G", &n), -EINVAL);
        CLEAN_FREE char *end = etcd_prefix_end("/p/events/"), *revision = etcd_key_of_revision("/p", "a/b", 10);
        assert_string_equal(end, "/p/events0");
        assert_string_equal(revision, "/p/revisions/a%2Fb/000000000000000a");
        CLEAN_FREE char *high = etcd_prefix_end("a\xff"), *none = etcd_prefix_end("\xff");
        assert_string_equal(high, "b");
        assert_string_equal(none, "");
}

static void values_go_there_and_back(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        struct etcd_head h;
        etcd_format_head(&t, &(struct etcd_head){ .revision = 7, .flags = UINT32_MAX, .writer = 9 });
        assert_int_equal(etcd_read_head("k", &t, &h, &e), 0);
        assert_true(h.revision == 7 && h.flags == UINT32_MAX && h.writer == 9);
        text_clear(&t);
        struct store_revision r = { 0 }, out = { .at_usec = 5, .document = (char *)"{\"a\":\"\\n\"}\n", .actor = (char *)"ann", .reason = NULL };
        etcd_format_revision(&t, &out);
        assert_int_equal(etcd_read_revision("k", &t, &r, &e), 0);
        assert_string_equal(r.document, out.document);
        assert_string_equal(r.actor, "ann");
        assert_null(r.reason);
        free(r.document);
        free(r.actor);
        text_clear(&t);
        struct etcd_leader l = { 0 };
        etcd_format_leader(&t, "n", "unix:/x");
        assert_int_equal(etcd_read_leader("k", &t, &l, &e), 0);
        assert_string_equal(l.address, "unix:/x");
        etcd_leader_done(&l);
}

static void damaged_values_name_their_key(void **state)
{
        (void)state;
        static const char *const rows[] = { "", "{", "[]", "{}", "{\"revision\":0}", "{\"revision\":-1}", "{\"revision\":\"1\"}", "{\"revision\":18446744073709551615}" };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_TEXT struct text t = { 0 };
                struct etcd_head h;
                struct error e = { 0 };
                text_add(&t, rows[i]);
                assert_true(etcd_read_head("/p/groups/web", &t, &h, &e) < 0);
                assert_string_equal(e.id, "store.damaged");
                assert_non_null(strstr(e.cause, "/p/groups/web"));
        }
}

static void logs_are_numbered_from_their_key(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STORE_LOG struct store_log log = { 0 };
        text_add(&t, "[");
        etcd_format_event(&t, &(struct store_event){ .at_usec = 1, .topic = (char *)"a", .group = (char *)"g" });
        text_add(&t, ",");
        etcd_format_event(&t, &(struct store_event){ .at_usec = 2, .topic = (char *)"b", .message = (char *)"m" });
        text_add(&t, "]");
        assert_int_equal(etcd_read_events("k", &t, 41, &log, NULL), 0);
        assert_int_equal(log.event_count, 2);
        assert_int_equal(log.events[1].sequence, 42);
        assert_string_equal(log.events[1].topic, "b");
        assert_null(log.events[1].group);
        text_clear(&t);
        text_add(&t, "[");
        etcd_format_audit(&t, &(struct store_audit){ .uid = 4294967294U, .pid = 77, .actor = (char *)"ann", .role = (char *)"r", .method = (char *)"m",
                                                     .object = (char *)"o", .outcome = (char *)"ok" });
        text_add(&t, "]");
        assert_int_equal(etcd_read_audits("k", &t, 1, &log, NULL), 0);
        assert_true(log.audits[0].uid == 4294967294U);
        text_clear(&t);
        text_add(&t, "[");
        for (int i = 0; i <= ETCD_CHUNK_MAX; i++)
                text_add(&t, i ? ",{\"topic\":\"t\"}" : "{\"topic\":\"t\"}");
        text_add(&t, "]");
        assert_true(etcd_read_events("k", &t, 1, &log, NULL) < 0);
}

/* ---- words ---- */

static void requests_are_as_etcd_wants_them(void **state)
{
        (void)state;
        CLEAN_ETCD_REQUEST struct etcd_request r = { 0 };
        CLEAN_TEXT struct text value = { 0 }, t = { 0 };
        text_add(&value, "v");
        etcd_txn_begin(&r);
        etcd_compare_created(&r, "k", 5);
        etcd_txn_then(&r);
        etcd_txn_put(&r, "a", &value, 9);
        etcd_txn_put(&r, "b", &(struct text){ 0 }, 0);
        etcd_txn_delete(&r, "c", "d");
        etcd_txn_else(&r);
        etcd_txn_range(&r, &(struct etcd_range){ .key = "k" });
        etcd_txn_end(&r);
        assert_string_equal(r.text.data, "{\"compare\":[{\"target\":\"CREATE\",\"result\":\"EQUAL\",\"key\":\"aw==\",\"create_revision\":\"5\"}],"
                                         "\"success\":[{\"request_put\":{\"key\":\"YQ==\",\"value\":\"dg==\",\"lease\":\"9\"}},"
                                         "{\"request_put\":{\"key\":\"Yg==\",\"value\":\"\"}},{\"request_delete_range\":{\"key\":\"Yw==\",\"range_end\":\"ZA==\"}}],"
                                         "\"failure\":[{\"request_range\":{\"key\":\"aw==\"}}]}");
        etcd_range_request(&t, &(struct etcd_range){ .key = "a", .end = "b", .limit = 3, .last = true });
        assert_string_equal(t.data, "{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"limit\":\"3\",\"sort_target\":\"KEY\",\"sort_order\":\"DESCEND\"}");
        text_clear(&t);
        etcd_watch_request(&t, "a", "b", 7);
        assert_string_equal(t.data, "{\"create_request\":{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"start_revision\":\"7\"}}");
}

static void read_reply(const char *s, struct etcd_reply *ret)
{
        struct error e = { 0 };
        if (etcd_read_reply(s, strlen(s), ret, &e) < 0)
                fail_msg("%s: %s", e.id, e.cause);
}

/* As an etcd 3.4.23 answered. */
static void replies_are_read(void **state)
{
        (void)state;
        struct etcd_reply r = { 0 };
        read_reply("{\"header\":{\"cluster_id\":\"324952591200643719\",\"revision\":\"2\",\"raft_term\":\"2\"},\"succeeded\":true,\"responses\":[{\"response_put\":"
                   "{\"header\":{\"revision\":\"2\"}}},{\"response_range\":{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":\"L2IvbGVhZGVy\",\"create_revision\":"
                   "\"2\",\"mod_revision\":\"3\",\"version\":\"1\",\"value\":\"dg==\",\"lease\":\"2324035706632639749\"}],\"count\":\"1\"}}]}", &r);
        assert_true(r.succeeded && r.revision == 2 && r.count == 1 && !r.failed);
        assert_string_equal(r.kvs[0].key, "/b/leader");
        assert_string_equal(r.kvs[0].value.data, "v");
        assert_true(r.kvs[0].created == 2 && r.kvs[0].modified == 3 && r.kvs[0].lease == 2324035706632639749ULL);
        etcd_reply_done(&r);
        read_reply("{\"header\":{\"revision\":\"2\"},\"responses\":[{\"response_range\":{\"kvs\":[{\"key\":\"YQ==\"}]}}]}", &r);
        assert_true(!r.succeeded && r.count == 1 && r.kvs[0].value.length == 0);
        etcd_reply_done(&r);
        read_reply("{\"result\":{\"header\":{},\"ID\":\"77\",\"TTL\":\"5\"}}", &r);
        assert_true(r.lease == 77 && r.ttl_s == 5);
        etcd_reply_done(&r);
        read_reply("{\"result\":{\"ID\":\"-1\"}}", &r);
        assert_true(r.lease == UINT64_MAX && r.ttl_s == 0);
        etcd_reply_done(&r);
        read_reply("{\"error\":\"etcdserver: requested lease not found\",\"message\":\"etcdserver: requested lease not found\",\"code\":5}", &r);
        assert_true(r.failed && r.code == ETCD_NOT_FOUND);
        assert_string_equal(r.message, "etcdserver: requested lease not found");
        etcd_reply_done(&r);
        read_reply("{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"no leader\"}}", &r);
        assert_true(r.failed && r.code == 14);
        assert_string_equal(r.message, "no leader");
        etcd_reply_done(&r);
}

static void bad_replies_are_refused(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "", "404 page not found", "[]", "{\"kvs\":{}}", "{\"kvs\":[{}]}", "{\"kvs\":[{\"key\":\"!\"}]}", "{\"kvs\":[{\"key\":\"YQ\"}]}",
                "{\"kvs\":[{\"key\":\"AAA=\"}]}", "{\"header\":{\"revision\":\"x\"}}", "{\"header\":{\"revision\":\"18446744073709551616\"}}",
                "{\"header\":{\"revision\":1.5}}", "{\"ID\":\"-9223372036854775809\"}", "{\"succeeded\":\"true\"}", "{\"header\":{},\"header\":{}}",
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct etcd_reply r;
                struct error e = { 0 };
                if (etcd_read_reply(rows[i], strlen(rows[i]), &r, &e) != -EPROTO)
                        fail_msg("%s was taken", rows[i]);
                assert_string_equal(e.id, "etcd.reply");
        }
}

/* ---- users ---- */

static void logins_are_as_etcd_wants_them(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        etcd_login_request(&t, "kee\"per", "a\\b\"\n\xc3\xa9");
        assert_string_equal(t.data, "{\"name\":\"kee\\\"per\",\"password\":\"a\\\\b\\\"\\u000a\xc3\xa9\"}");
        CLEAN_ETCD_REPLY struct etcd_reply r = { 0 };
        read_reply("{\"header\":{\"revision\":\"1\"},\"token\":\"hdotEECLGzLdOdaq.15\"}", &r);
        assert_string_equal(r.token, "hdotEECLGzLdOdaq.15");
}

/* A token becomes a line of a header: nothing may end that. */
static void bad_tokens_are_refused(void **state)
{
        (void)state;
        static const char *const rows[] = { "\"\"", "\"a b\"", "\"a\\r\\nX: y\"", "\"a\\u0000b\"", "\"\xc3\xa9\"", "\"a\\u007f\"", "1", "{}" };
        for (size_t i = 0; i < ELEMENTS(rows) + 1; i++) {
                CLEAN_TEXT struct text t = { 0 };
                struct etcd_reply r;
                struct error e = { 0 };
                text_addf(&t, "{\"token\":%s", i < ELEMENTS(rows) ? rows[i] : "\"");
                for (size_t k = 0; i == ELEMENTS(rows) && k <= ETCD_TOKEN_MAX; k++)
                        text_add(&t, "a");
                text_add(&t, i < ELEMENTS(rows) ? "}" : "\"}");
                if (etcd_read_reply(t.data, t.length, &r, &e) != -EPROTO)
                        fail_msg("%.80s was taken", t.data);
                assert_string_equal(e.id, "etcd.reply");
        }
}

static void refusals_say_whether_they_are_about_us(void **state)
{
        (void)state;
        static const struct {
                const char *reply, *id; /* NULL: about something else */
                bool again;
        } rows[] = {
                { "{\"error\":\"x\",\"message\":\"etcdserver: invalid auth token\",\"code\":16}", "etcd.login", true },
                { "{\"error\":\"x\",\"message\":\"auth: revision in header is old\",\"code\":2}", "etcd.login", true },
                { "{\"error\":\"x\",\"message\":\"etcdserver: revision of auth store is old\",\"code\":3}", "etcd.login", true },
                { "{\"error\":\"x\",\"message\":\"etcdserver: user name is empty\",\"code\":3}", "etcd.login", false },
                { "{\"error\":\"x\",\"message\":\"etcdserver: permission denied\",\"code\":7}", "etcd.permission", false },
                { "{\"error\":\"x\",\"message\":\"etcdserver: request is too large\",\"code\":3}", NULL, false },
                { "{\"header\":{}}", NULL, false },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_ETCD_REPLY struct etcd_reply r = { 0 };
                struct error e = { 0 };
                read_reply(rows[i].reply, &r);
                assert_int_equal(etcd_reply_denied(&r, "writing", &e), rows[i].id ? -EACCES : 0);
                assert_string_equal(e.id, rows[i].id ? rows[i].id : "");
                assert_int_equal(etcd_reply_wants_login(&r), rows[i].again);
        }
}

static void lines_of_a_watch_are_read(void **state)
{
        (void)state;
        struct etcd_watch_reply r = { 0 };
        static const char created[] = "{\"result\":{\"header\":{\"revision\":\"2\"},\"created\":true}}";
        assert_int_equal(etcd_read_watch(created, sizeof created - 1, &r, NULL), 0);
        assert_true(r.created && r.revision == 2 && !r.count);
        etcd_watch_reply_done(&r);
        static const char changed[] = "{\"result\":{\"header\":{\"revision\":\"9\"},\"events\":[{\"kv\":{\"key\":\"YQ==\",\"value\":\"dg==\",\"mod_revision\":\"8\"}},"
                                      "{\"type\":\"DELETE\",\"kv\":{\"key\":\"Yg==\",\"mod_revision\":\"9\"}}]}}";
        assert_int_equal(etcd_read_watch(changed, sizeof changed - 1, &r, NULL), 0);
        assert_int_equal(r.count, 2);
        assert_false(r.changes[0].deleted);
        assert_true(r.changes[1].deleted && r.changes[1].kv.modified == 9);
        assert_string_equal(r.changes[1].kv.key, "b");
        etcd_watch_reply_done(&r);
        static const char compacted[] = "{\"result\":{\"canceled\":true,\"compact_revision\":\"7\"}}";
        assert_int_equal(etcd_read_watch(compacted, sizeof compacted - 1, &r, NULL), 0);
        assert_true(r.canceled && r.compacted == 7);
        etcd_watch_reply_done(&r);
        static const char error[] = "{\"error\":{\"grpc_code\":14,\"message\":\"etcdserver: no leader\"}}";
        assert_int_equal(etcd_read_watch(error, sizeof error - 1, &r, NULL), 0);
        assert_true(r.canceled && !r.compacted);
        etcd_watch_reply_done(&r);
        static const char strange[] = "{\"result\":{\"events\":[{\"type\":\"MOVE\",\"kv\":{\"key\":\"YQ==\"}}]}}";
        assert_int_equal(etcd_read_watch(strange, sizeof strange - 1, &r, NULL), -EPROTO);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(base64_is_that_of_the_rfc),
                cmocka_unit_test(addresses_are_read),
                cmocka_unit_test(bad_addresses_are_refused),
                cmocka_unit_test(keys_of_groups_go_there_and_back),
                cmocka_unit_test(keys_of_numbers_go_there_and_back),
                cmocka_unit_test(values_go_there_and_back),
                cmocka_unit_test(damaged_values_name_their_key),
                cmocka_unit_test(logs_are_numbered_from_their_key),
                cmocka_unit_test(requests_are_as_etcd_wants_them),
                cmocka_unit_test(replies_are_read),
                cmocka_unit_test(bad_replies_are_refused),
                cmocka_unit_test(logins_are_as_etcd_wants_them),
                cmocka_unit_test(bad_tokens_are_refused),
                cmocka_unit_test(refusals_say_whether_they_are_about_us),
                cmocka_unit_test(lines_of_a_watch_are_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
