/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The planner, event by event. tests/sim has the long lives; here stands what each decision is. */
#include <errno.h>
#include <stdio.h>

#include "group/planner_desk_test.h"

static void observe_none(struct desk *d)
{
        struct instances none = { 0 };
        step(d, (struct event){ .kind = EVENT_OBSERVED, .list = &none, .asked_usec = d->now });
}

/* Answers all that was asked for so far, and what follows from it, well. */
static void serve(struct desk *d, enum health health)
{
        for (unsigned turns = 0; turns < 500; turns++) {
                struct actions list = d->list;
                bool any = false;
                d->list = (struct actions){ 0 };
                for (size_t i = 0; i < list.count; i++) {
                        const struct action *a = list.items + i;
                        char id[16];
                        snprintf(id, sizeof id, "i-%03u", d->made);
                        any |= a->kind == ACTION_PROVISION || a->kind == ACTION_DRAIN || a->kind == ACTION_DESTROY || a->kind == ACTION_LABEL;
                        if (a->kind == ACTION_PROVISION)
                                step(d, (struct event){ .kind = EVENT_PROVISIONED, .token = a->token, .id = (d->made++, id) });
                        else if (a->kind == ACTION_DRAIN)
                                step(d, (struct event){ .kind = EVENT_DRAINED, .id = a->id });
                        else if (a->kind == ACTION_DESTROY)
                                step(d, (struct event){ .kind = EVENT_DESTROYED, .id = a->id });
                        else if (a->kind == ACTION_LABEL)
                                step(d, (struct event){ .kind = EVENT_LABELLED, .id = a->id });
                        else if (a->kind == ACTION_HEALTH)
                                step(d, (struct event){ .kind = EVENT_HEALTH, .id = a->id, .health = health });
                }
                actions_done(&list);
                if (!any)
                        return;
        }
        fail_msg("it never comes to rest");
}

/* Time goes on by seconds, with all answered. */
static void pass(struct desk *d, unsigned seconds, enum health health)
{
        for (unsigned i = 0; i < seconds * 4; i++) {
                d->now += SECOND / 4;
                step(d, (struct event){ .kind = EVENT_TIME });
                serve(d, health);
        }
}

static struct desk with(const char *allocation, const char *more)
{
        struct desk d = begin();
        commit(&d, allocation, "v1", more);
        observe_none(&d);
        serve(&d, HEALTH_GOOD);
        pass(&d, 2, HEALTH_GOOD);
        assert_true(status(&d).converged);
        forget(&d);
        return d;
}

/* ---- provisioning ---- */

static void nothing_is_made_before_the_instances_are_listed_and_the_promise_is_on_disk(void **state)
{
        DESK d = begin();
        (void)state;
        commit(&d, "{\"Size\":2}", "v1", "");
        assert_int_equal(count(&d, ACTION_PROVISION), 0);
        assert_int_equal(count(&d, ACTION_OBSERVE), 1);
        forget(&d);
        observe_none(&d);
        assert_int_equal(count(&d, ACTION_PROVISION), 2);
        assert_true(find(&d, ACTION_SAVE) < find(&d, ACTION_PROVISION));
        assert_non_null(strstr(d.saved, find(&d, ACTION_PROVISION)->token));
        assert_string_equal(tags_get(&find(&d, ACTION_PROVISION)->tags, TAG_GROUP), "web");
        assert_false(status(&d).converged);
        serve(&d, HEALTH_GOOD);
        assert_true(status(&d).converged);
        assert_int_equal(status(&d).live, 2);
}

static void one_that_is_gone_is_replaced_in_the_same_step(void **state)
{
        DESK d = with("{\"Size\":3}", "");
        (void)state;
        step(&d, (struct event){ .kind = EVENT_VANISHED, .id = "i-001" });
        assert_int_equal(count(&d, ACTION_PROVISION), 1);
        assert_non_null(told(&d, "instance/lost"));
}

static void an_unsure_call_is_repeated_with_the_same_token_after_a_list(void **state)
{
        DESK d = begin();
        (void)state;
        commit(&d, "{\"Size\":1}", "v1", "");
        observe_none(&d);
        CLEAN_FREE char *token = xstrdup(find(&d, ACTION_PROVISION)->token);
        CLEAN_FREE char *hash = xstrdup(tags_get(&find(&d, ACTION_PROVISION)->tags, TAG_CONFIG_HASH));
        d.now += 20 * SECOND;
        forget(&d);
        step(&d, (struct event){ .kind = EVENT_PROVISION_FAILED, .token = token, .unsure = true, .message = "timed out" });
        assert_int_equal(count(&d, ACTION_OBSERVE), 1);
        d.now += 10 * SECOND;
        step(&d, (struct event){ .kind = EVENT_TIME });
        assert_int_equal(count(&d, ACTION_PROVISION), 0);
        observe_none(&d);
        assert_int_equal(count(&d, ACTION_PROVISION), 1);
        assert_string_equal(find(&d, ACTION_PROVISION)->token, token);
        forget(&d);
        /* Its instance is seen: it is done, whatever the call says. */
        struct instances list = { 0 };
        struct instance *i = instances_add(&list, "i-1");
        tags_set(&i->tags, TAG_GROUP, "web");
        tags_set(&i->tags, TAG_TOKEN, token);
        tags_set(&i->tags, TAG_CONFIG_HASH, hash);
        step(&d, (struct event){ .kind = EVENT_OBSERVED, .list = &list, .asked_usec = d.now });
        step(&d, (struct event){ .kind = EVENT_PROVISION_FAILED, .token = token, .unsure = true });
        assert_int_equal(status(&d).live, 1);
        assert_int_equal(status(&d).intents, 0);
        instances_done(&list);
}

static void after_a_crash_the_same_token_goes_on(void **state)
{
        DESK d = begin(), e = begin();
        CLEAN_JSON struct json_document doc = { 0 };
        (void)state;
        commit(&d, "{\"Size\":1}", "v1", "");
        observe_none(&d);
        assert_int_equal(json_parse("state", d.saved, strlen(d.saved), &doc, NULL), 0);
        const struct json_place top = json_top(&doc, "state");
        assert_int_equal(planner_read(e.p, &top, NULL), 0);
        e.now = d.now + SECOND;
        commit_at(&e, "{\"Size\":1}", "v1", "", 1);
        assert_int_equal(count(&e, ACTION_PROVISION), 0);
        observe_none(&e);
        assert_int_equal(count(&e, ACTION_PROVISION), 1);
        assert_string_equal(find(&e, ACTION_PROVISION)->token, find(&d, ACTION_PROVISION)->token);
}

static void a_failing_provider_is_asked_ever_less_until_the_circuit_opens(void **state)
{
        DESK d = begin();
        unsigned calls = 0;
        (void)state;
        commit(&d, "{\"Size\":100}", "v1", ",\"Limits\":{\"Attempts\":4,\"Reset\":\"10m\"}");
        observe_none(&d);
        for (unsigned i = 0; i < 4000; i++) {
                struct actions list = d.list;
                d.list = (struct actions){ 0 };
                for (size_t k = 0; k < list.count; k++)
                        if (list.items[k].kind == ACTION_PROVISION) {
                                calls++;
                                step(&d, (struct event){ .kind = EVENT_PROVISION_FAILED, .token = list.items[k].token, .message = "no quota" });
                        }
                actions_done(&list);
                d.now += SECOND / 10;
                step(&d, (struct event){ .kind = EVENT_TIME });
        }
        assert_true(status(&d).circuit_open);
        assert_in_range(calls, 4, 60);
        forget(&d);
        step(&d, (struct event){ .kind = EVENT_RESUME });
        assert_false(status(&d).circuit_open);
        assert_non_null(told(&d, "circuit/closed"));
        assert_true(count(&d, ACTION_PROVISION) > 0);
}

static void calls_in_hand_and_provisions_in_a_time_are_limited(void **state)
{
        DESK d = begin();
        (void)state;
        commit(&d, "{\"Size\":9}", "v1", ",\"Limits\":{\"Parallel\":2,\"Rate\":\"5/1m\"}");
        observe_none(&d);
        assert_int_equal(count(&d, ACTION_PROVISION), 2);
        serve(&d, HEALTH_GOOD);
        assert_int_equal(status(&d).live, 5);
        pass(&d, 59, HEALTH_GOOD);
        assert_int_equal(status(&d).live, 5);
        pass(&d, 2, HEALTH_GOOD);
        assert_int_equal(status(&d).live, 9);
}

static void what_dies_soon_again_and_again_is_replaced_ever_later(void **state)
{
        DESK d = with("{\"Size\":1}", "");
        unsigned made = 0;
        (void)state;
        for (unsigned i = 0; i < 120; i++) {
                char id[16];
                snprintf(id, sizeof id, "i-%03u", d.made - 1);
                if (planner_find(d.p, id, NULL))
                        step(&d, (struct event){ .kind = EVENT_VANISHED, .id = id });
                made += count(&d, ACTION_PROVISION);
                serve(&d, HEALTH_GOOD);
                d.now += SECOND / 2;
                step(&d, (struct event){ .kind = EVENT_TIME });
        }
        assert_in_range(made, 3, 12);
}

/* ---- size ---- */

static void the_sick_the_old_and_the_lowest_go_first(void **state)
{
        DESK d = with("{\"Size\":5}", ",\"Health\":{\"Interval\":\"1s\",\"Failures\":1,\"Grace\":\"0\",\"Budget\":1}");
        (void)state;
        pass(&d, 2, HEALTH_GOOD);
        commit(&d, "{\"Size\":3}", "v1", ",\"Health\":{\"Interval\":\"1s\",\"Failures\":1,\"Grace\":\"0\"}");
        assert_string_equal(find(&d, ACTION_DRAIN)->id, "i-000");
        assert_int_equal(count(&d, ACTION_DRAIN), 2);
        serve(&d, HEALTH_GOOD);
        assert_int_equal(status(&d).live, 3);
}

static void a_group_can_have_the_size_zero(void **state)
{
        DESK d = with("{\"Size\":2}", "");
        (void)state;
        commit(&d, "{\"Size\":0}", "v1", "");
        serve(&d, HEALTH_GOOD);
        assert_int_equal(status(&d).live, 0);
        assert_true(status(&d).converged);
}

static void foreign_ones_are_not_touched_and_strangers_that_ask_are_adopted(void **state)
{
        DESK d = begin();
        struct instances list = { 0 };
        struct member_view view;
        (void)state;
        tags_set(&instances_add(&list, "foreign")->tags, TAG_GROUP, "other");
        tags_set(&instances_add(&list, "asks")->tags, TAG_GROUP, "web");
        tags_set(&list.items[1].tags, TAG_CONFIG_HASH, CONFIG_HASH_ADOPT);
        commit(&d, "{\"Size\":1}", "v1", "");
        step(&d, (struct event){ .kind = EVENT_OBSERVED, .list = &list, .asked_usec = d.now });
        assert_int_equal(count(&d, ACTION_LABEL), 1);
        assert_int_equal(count(&d, ACTION_PROVISION) + count(&d, ACTION_DRAIN), 0);
        assert_int_equal(strlen(tags_get(&find(&d, ACTION_LABEL)->tags, TAG_CONFIG_HASH)), 32);
        serve(&d, HEALTH_GOOD);
        assert_true(status(&d).converged);
        assert_true(planner_find(d.p, "asks", &view) && view.current);
        assert_false(planner_find(d.p, "foreign", NULL));
        instances_done(&list);
}

static void protected_ones_stay(void **state)
{
        DESK d = with("{\"Size\":2}", "");
        CLEAN_STRINGS struct strings ids = { 0 };
        (void)state;
        strings_add(&ids, "i-000");
        strings_add(&ids, "i-nobody");
        commit(&d, "{\"Size\":1}", "v1", ",\"Protection\":{\"Instances\":[\"i-000\"]}");
        assert_string_equal(find(&d, ACTION_DRAIN)->id, "i-001");
        serve(&d, HEALTH_GOOD);
        forget(&d);
        step(&d, (struct event){ .kind = EVENT_DESTROY_SOME, .ids = &ids });
        assert_non_null(told(&d, "instance/protected"));
        assert_int_equal(count(&d, ACTION_SIZE) + count(&d, ACTION_DRAIN), 0);
}

/* One call at a time: the second waits its turn, and is protected before it comes. The first is on its way already. */
static void who_is_protected_before_it_is_called_to_go_stays(void **state)
{
        (void)state;
        DESK d = with("{\"Size\":3}", ",\"Limits\":{\"Parallel\":1}");
        commit(&d, "{\"Size\":1}", "v1", ",\"Limits\":{\"Parallel\":1}");
        assert_int_equal(count(&d, ACTION_DRAIN), 1);
        assert_string_equal(find(&d, ACTION_DRAIN)->id, "i-000");
        forget(&d);
        commit(&d, "{\"Size\":1}", "v1", ",\"Limits\":{\"Parallel\":1},\"Protection\":{\"Instances\":[\"i-000\",\"i-001\"]}");
        assert_non_null(told(&d, "instance/protected"));
        step(&d, (struct event){ .kind = EVENT_DRAINED, .id = "i-000" });
        pass(&d, 5, HEALTH_GOOD);
        struct member_view view;
        assert_true(planner_find(d.p, "i-001", &view));
        assert_string_equal(view.phase, "live");
        assert_false(planner_find(d.p, "i-000", NULL));
        assert_false(planner_find(d.p, "i-002", NULL));
}

static void who_destroys_some_lowers_the_size_by_what_was_there(void **state)
{
        DESK d = with("{\"Size\":3}", "");
        CLEAN_STRINGS struct strings ids = { 0 };
        (void)state;
        strings_add(&ids, "i-001");
        strings_add(&ids, "i-nobody");
        step(&d, (struct event){ .kind = EVENT_DESTROY_SOME, .ids = &ids });
        assert_int_equal(find(&d, ACTION_SIZE)->size, 2);
        assert_string_equal(find(&d, ACTION_DRAIN)->id, "i-001");
        serve(&d, HEALTH_GOOD);
        assert_int_equal(status(&d).live, 2);
        assert_int_equal(count(&d, ACTION_PROVISION), 0);
}

static void a_destroyed_group_is_gone_when_a_list_says_so(void **state)
{
        DESK d = with("{\"Size\":2}", "");
        (void)state;
        d.now += 5 * SECOND;
        step(&d, (struct event){ .kind = EVENT_DESTROY_GROUP });
        assert_int_equal(count(&d, ACTION_DRAIN), 2);
        serve(&d, HEALTH_GOOD);
        assert_null(find(&d, ACTION_GONE));
        d.now += 2 * SECOND;
        observe_none(&d);
        assert_non_null(find(&d, ACTION_GONE));
}

/* ---- rolls ---- */

static void with_a_surge_of_one_a_roll_never_dips(void **state)
{
        DESK d = with("{\"Size\":4}", ",\"Updating\":{\"Duration\":\"2s\"}");
        (void)state;
        commit(&d, "{\"Size\":4}", "v2", ",\"Updating\":{\"Duration\":\"2s\"}");
        assert_non_null(told(&d, "roll/started"));
        for (unsigned i = 0; i < 200 && status(&d).roll != ROLL_NONE; i++) {
                struct planner_status s = status(&d);
                assert_in_range(s.live, 4, 5);
                pass(&d, 1, HEALTH_GOOD);
        }
        pass(&d, 1, HEALTH_GOOD);
        assert_int_equal(status(&d).current, 4);
        assert_true(status(&d).converged);
        assert_int_equal(status(&d).good_revision, 2);
}

static void a_sick_revision_fails_at_its_deadline_and_goes_back(void **state)
{
        static const char policy[] = ",\"Updating\":{\"Deadline\":\"30s\",\"OnFailure\":\"rollback\"}";
        DESK d = with("{\"Size\":3}", policy);
        (void)state;
        commit(&d, "{\"Size\":3}", "v2", policy);
        bool back = false;
        for (unsigned i = 0; i < 160 && !back; i++) {
                struct actions list = d.list;
                d.list = (struct actions){ 0 };
                for (size_t k = 0; k < list.count; k++) {
                        if (list.items[k].kind == ACTION_PROVISION)
                                step(&d, (struct event){ .kind = EVENT_PROVISIONED, .token = list.items[k].token, .id = "i-sick" });
                        if (list.items[k].kind == ACTION_HEALTH)
                                step(&d, (struct event){ .kind = EVENT_HEALTH, .id = list.items[k].id, .health = HEALTH_BAD });
                        assert_true(list.items[k].kind != ACTION_DRAIN || !strcmp(list.items[k].id, "i-sick"));
                        if (list.items[k].kind == ACTION_DRAIN || list.items[k].kind == ACTION_DESTROY)
                                step(&d, (struct event){ .kind = list.items[k].kind == ACTION_DRAIN ? EVENT_DRAINED : EVENT_DESTROYED, .id = "i-sick" });
                        back |= list.items[k].kind == ACTION_COMMIT && list.items[k].revision == 1;
                }
                actions_done(&list);
                d.now += SECOND / 4;
                step(&d, (struct event){ .kind = EVENT_TIME });
        }
        assert_true(back);
        assert_int_equal(status(&d).roll, ROLL_FAILED);
        commit(&d, "{\"Size\":3}", "v1", policy);
        serve(&d, HEALTH_GOOD);
        pass(&d, 3, HEALTH_GOOD);
        assert_true(status(&d).converged);
        assert_int_equal(status(&d).current, 3);
}

static void a_roll_waits_at_its_canary_and_checkpoints(void **state)
{
        static const char policy[] = ",\"Updating\":{\"Canary\":1,\"Checkpoints\":[\"50%\"]}";
        DESK d = with("{\"Size\":4}", policy);
        (void)state;
        commit(&d, "{\"Size\":4}", "v2", policy);
        assert_int_equal(status(&d).roll, ROLL_CANARY);
        assert_int_equal(status(&d).roll_target, 1);
        serve(&d, HEALTH_GOOD);
        pass(&d, 5, HEALTH_GOOD);
        assert_int_equal(status(&d).roll, ROLL_CHECKPOINT);
        assert_int_equal(status(&d).current, 2);
        pass(&d, 60, HEALTH_GOOD);
        assert_int_equal(status(&d).current, 2);
        step(&d, (struct event){ .kind = EVENT_RESUME });
        serve(&d, HEALTH_GOOD);
        pass(&d, 5, HEALTH_GOOD);
        assert_true(status(&d).converged);
}

static void a_paused_roll_replaces_what_dies_by_what_was_good_before(void **state)
{
        DESK d = with("{\"Size\":3}", "");
        (void)state;
        commit(&d, "{\"Size\":3}", "v2", "");
        serve(&d, HEALTH_BAD);
        step(&d, (struct event){ .kind = EVENT_PAUSE });
        assert_int_equal(status(&d).roll, ROLL_PAUSED);
        forget(&d);
        step(&d, (struct event){ .kind = EVENT_VANISHED, .id = "i-000" });
        step(&d, (struct event){ .kind = EVENT_VANISHED, .id = "i-001" });
        assert_int_equal(count(&d, ACTION_PROVISION), 1); /* one of the surge is there still */
        assert_int_equal(find(&d, ACTION_PROVISION)->revision, 1);
}

static void a_logical_id_is_free_again_only_when_its_instance_is_gone(void **state)
{
        DESK d = with("{\"LogicalIDs\":[\"a\",\"b\",\"c\"]}", "");
        (void)state;
        commit(&d, "{\"LogicalIDs\":[\"a\",\"b\",\"c\"]}", "v2", "");
        assert_int_equal(count(&d, ACTION_DRAIN), 1);
        assert_int_equal(count(&d, ACTION_PROVISION), 0);
        CLEAN_FREE char *id = xstrdup(find(&d, ACTION_DRAIN)->id);
        step(&d, (struct event){ .kind = EVENT_DRAINED, .id = id });
        assert_int_equal(count(&d, ACTION_PROVISION), 0);
        step(&d, (struct event){ .kind = EVENT_DESTROYED, .id = id });
        assert_int_equal(count(&d, ACTION_PROVISION), 1);
        assert_non_null(find(&d, ACTION_PROVISION)->logical_id);
        /* the answers to the first two are given already: only what follows is served */
        struct action provision = *find(&d, ACTION_PROVISION);
        CLEAN_FREE char *token = xstrdup(provision.token);
        forget(&d);
        d.made = 50;
        step(&d, (struct event){ .kind = EVENT_PROVISIONED, .token = token, .id = "i-040" });
        serve(&d, HEALTH_GOOD);
        pass(&d, 10, HEALTH_GOOD);
        assert_int_equal(status(&d).current, 3);
        assert_true(status(&d).converged);
}

/* ---- health ---- */

static void the_sick_are_replaced_within_a_budget_and_too_many_are_left_alone(void **state)
{
        static const char policy[] = ",\"Health\":{\"Interval\":\"1s\",\"Failures\":2,\"Grace\":\"0\",\"Budget\":1}";
        DESK d = with("{\"Size\":6}", policy);
        unsigned left = 0;
        (void)state;
        pass(&d, 3, HEALTH_GOOD);
        for (unsigned i = 0; i < 40; i++) {
                struct actions list = d.list;
                d.list = (struct actions){ 0 };
                for (size_t k = 0; k < list.count; k++) {
                        left += list.items[k].kind == ACTION_DRAIN;
                        if (list.items[k].kind == ACTION_HEALTH)
                                step(&d, (struct event){ .kind = EVENT_HEALTH, .id = list.items[k].id, .health = HEALTH_BAD });
                }
                actions_done(&list);
                d.now += SECOND / 4;
                step(&d, (struct event){ .kind = EVENT_TIME });
        }
        assert_int_equal(left, 1);
        assert_true(status(&d).remediation_stopped);
        assert_false(status(&d).converged);
}

/* ---- words and memory ---- */

static void a_commit_is_foretold_in_infrakits_words(void **state)
{
        static const struct {
                const char *allocation, *note, *said;
        } rows[] = {
                { "{\"Size\":3}", "v1", "Noop" },
                { "{\"Size\":5}", "v1", "Adding 2 instances to increase the group size to 5" },
                { "{\"Size\":1}", "v1", "Terminating 2 instances to reduce the group size to 1" },
                { "{\"Size\":3}", "v2", "Performing a rolling update on 3 instances" },
                { "{\"Size\":5}", "v2", "Performing a rolling update on 3 instances, then adding 2 instances to increase the group size to 5" },
                { "{\"Size\":2}", "v2", "Terminating 1 instances to reduce the group size to 2, then performing a rolling update on 2 instances" },
                { "{\"Size\":0}", "v2", "Terminating 3 instances to reduce the group size to 0" },
        };
        DESK d = with("{\"Size\":3}", ""), fresh = begin();
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_GROUP_SPEC struct group_spec spec = { 0 };
                read_spec(rows[i].allocation, rows[i].note, "", &spec);
                CLEAN_FREE char *said = planner_pretend(d.p, &spec);
                assert_string_equal(said, rows[i].said);
        }
        CLEAN_GROUP_SPEC struct group_spec spec = { 0 };
        read_spec("{\"Size\":3}", "v1", "", &spec);
        CLEAN_FREE char *said = planner_pretend(fresh.p, &spec);
        assert_string_equal(said, "Managing 3 instances");
}

static void a_memory_of_another_version_or_group_is_refused(void **state)
{
        static const struct {
                const char *text, *id;
                int r;
        } rows[] = {
                { "{\"version\":2,\"group\":\"web\"}", "group.state-version", -EPROTO },
                { "{\"version\":1,\"group\":\"other\",\"roll\":{\"phase\":\"none\"},\"circuit\":{\"window\":1}}", "json.value", -EINVAL },
                { "{\"version\":1,\"group\":\"web\",\"roll\":{\"phase\":\"odd\"},\"circuit\":{\"window\":1}}", "json.value", -EINVAL },
                { "{\"version\":1,\"group\":\"web\",\"roll\":{\"phase\":\"none\"},\"circuit\":{\"window\":0}}", "json.value", -EINVAL },
                { "{\"version\":1,\"group\":\"web\",\"roll\":{\"phase\":\"none\"},\"circuit\":{\"window\":1},\"intents\":[{\"token\":\"x\"}]}", "json.value", -EINVAL },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                DESK d = begin();
                CLEAN_JSON struct json_document doc = { 0 };
                struct error e = { 0 };
                assert_int_equal(json_parse("state", rows[i].text, strlen(rows[i].text), &doc, NULL), 0);
                const struct json_place top = json_top(&doc, "state");
                assert_int_equal(planner_read(d.p, &top, &e), rows[i].r);
                assert_string_equal(e.id, rows[i].id);
        }
}

static void ten_thousand_are_made_and_healed_without_a_scan_of_all(void **state)
{
        DESK d = with("{\"Size\":10000}", "");
        (void)state;
        assert_int_equal(status(&d).live, 10000);
        for (unsigned i = 0; i < 40; i++) {
                char id[16];
                snprintf(id, sizeof id, "i-%03u", i);
                step(&d, (struct event){ .kind = EVENT_VANISHED, .id = id });
                assert_int_equal(count(&d, ACTION_PROVISION), 1);
                serve(&d, HEALTH_GOOD);
                forget(&d);
        }
        assert_true(status(&d).converged);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_made_before_the_instances_are_listed_and_the_promise_is_on_disk),
                cmocka_unit_test(one_that_is_gone_is_replaced_in_the_same_step),
                cmocka_unit_test(an_unsure_call_is_repeated_with_the_same_token_after_a_list),
                cmocka_unit_test(after_a_crash_the_same_token_goes_on),
                cmocka_unit_test(a_failing_provider_is_asked_ever_less_until_the_circuit_opens),
                cmocka_unit_test(calls_in_hand_and_provisions_in_a_time_are_limited),
                cmocka_unit_test(what_dies_soon_again_and_again_is_replaced_ever_later),
                cmocka_unit_test(the_sick_the_old_and_the_lowest_go_first),
                cmocka_unit_test(a_group_can_have_the_size_zero),
                cmocka_unit_test(foreign_ones_are_not_touched_and_strangers_that_ask_are_adopted),
                cmocka_unit_test(protected_ones_stay),
                cmocka_unit_test(who_is_protected_before_it_is_called_to_go_stays),
                cmocka_unit_test(who_destroys_some_lowers_the_size_by_what_was_there),
                cmocka_unit_test(a_destroyed_group_is_gone_when_a_list_says_so),
                cmocka_unit_test(with_a_surge_of_one_a_roll_never_dips),
                cmocka_unit_test(a_sick_revision_fails_at_its_deadline_and_goes_back),
                cmocka_unit_test(a_roll_waits_at_its_canary_and_checkpoints),
                cmocka_unit_test(a_paused_roll_replaces_what_dies_by_what_was_good_before),
                cmocka_unit_test(a_logical_id_is_free_again_only_when_its_instance_is_gone),
                cmocka_unit_test(the_sick_are_replaced_within_a_budget_and_too_many_are_left_alone),
                cmocka_unit_test(a_commit_is_foretold_in_infrakits_words),
                cmocka_unit_test(a_memory_of_another_version_or_group_is_refused),
                cmocka_unit_test(ten_thousand_are_made_and_healed_without_a_scan_of_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
