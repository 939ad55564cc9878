/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as what a planner wrote down: what is read is written and read again as the same, and a planner that has read it goes on: it acts only
 * upon what it was told of, and its numbers stay sound.
 */
#include <stdlib.h>
#include <string.h>

#include "group/planner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static int read_state(struct planner *p, const char *text, size_t size)
{
        CLEAN_JSON struct json_document d = { 0 };
        struct error e = { 0 };
        int r = json_parse("state", text, size, &d, &e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "state");
        r = planner_read(p, &top, &e);
        check(r == 0 || e.code == r);
        return r;
}

static void check_again(const struct planner *p)
{
        CLEAN_TEXT struct text t = { 0 }, u = { 0 }, v = { 0 };
        struct planner *again = planner_new("web", 2), *third = planner_new("web", 3);
        planner_format(&t, p);
        check(read_state(again, t.data, t.length) == 0);
        planner_format(&u, again); /* lists are turned round with each reading */
        check(read_state(third, u.data, u.length) == 0);
        planner_format(&v, third);
        check(t.length == u.length && u.length == v.length);
        planner_free(again);
        planner_free(third);
}

static void step(struct planner *p, struct event *e, uint64_t now_usec)
{
        struct actions list = { 0 };
        struct planner_status s;
        e->now_usec = now_usec;
        planner_step(p, e, &list);
        planner_get_status(p, &s);
        check(s.live < 100000 && s.good + s.sick <= s.live && s.current <= s.live);
        actions_done(&list);
}

static void go_on(struct planner *p, const char *document)
{
        CLEAN_GROUP_SPEC struct group_spec spec = { 0 };
        CLEAN_INSTANCES struct instances list = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        check(json_parse("document", document, strlen(document), &d, NULL) == 0);
        const struct json_place top = json_top(&d, "document");
        check(group_spec_read(&top, &spec, NULL) == 0);
        tags_set(&instances_add(&list, "i-1")->tags, TAG_GROUP, "web");
        tags_set(&list.items[0].tags, TAG_CONFIG_HASH, spec.hash);
        char differs[] = "/A is 1, not 2", *drift[] = { differs };
        uint64_t now = 1000000000;
        step(p, &(struct event){ .kind = EVENT_COMMIT, .spec = &spec, .revision = 3 }, now);
        for (unsigned i = 0; i < 6; i++) {
                now += 37000000;
                drift[0] = i % 3 == 2 ? differs + sizeof differs - 1 : differs;
                step(p, &(struct event){ .kind = EVENT_OBSERVED, .list = &list, .asked_usec = now, .properties = true, .drift = drift }, now);
                step(p, &(struct event){ .kind = EVENT_HEALTH, .id = "i-1", .health = HEALTH_GOOD }, now + 1);
                step(p, &(struct event){ .kind = i % 2 ? EVENT_RESUME : EVENT_PAUSE }, now + 2);
                step(p, &(struct event){ .kind = EVENT_VANISHED, .id = "i-2" }, now + 3);
                step(p, &(struct event){ .kind = EVENT_DESTROYED, .id = "i-3" }, now + 4);
        }
        step(p, &(struct event){ .kind = EVENT_DESTROY_GROUP }, now + 5);
        check_again(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct planner *p = planner_new("web", 1);
        if (size > 1 && read_state(p, (const char *)data + 1, size - 1) == 0) {
                check_again(p);
                go_on(p, data[0] % 2 ? "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"Size\":2},\"Instance\":{\"Plugin\":\"a\"},\"Flavor\":{\"Plugin\":\"b\"},"
                                       "\"Health\":{\"Interval\":\"1s\"},\"Drift\":{\"Interval\":\"1s\",\"Action\":\"replace\"},\"Updating\":{\"Canary\":1,\"Checkpoints\":[1],\"Bake\":\"1m\",\"OnFailure\":\"rollback\"}}}"
                                     : "{\"ID\":\"web\",\"Properties\":{\"Allocation\":{\"LogicalIDs\":[\"a\",\"b\"]},\"Instance\":{\"Plugin\":\"a\"},"
                                       "\"Flavor\":{\"Plugin\":\"b\"}}}");
        }
        planner_free(p);
        return 0;
}
