/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The planner where instances drift: what is told, what is replaced, and when nothing is. */
#include <stdio.h>

#include "group/planner_desk_test.h"

enum { MOST = 40 };

/* The instances that the provider has. */
static struct {
        struct {
                char id[16], hash[40], token[32];
                const char *drift;
        } there[MOST];
        unsigned count;
        char newest[16];
} world;

static void observe(struct desk *d, bool properties)
{
        CLEAN_INSTANCES struct instances list = { 0 };
        char *drift[MOST] = { NULL };
        for (unsigned i = 0; i < world.count; i++) {
                struct instance *to = instances_add(&list, world.there[i].id);
                tags_set(&to->tags, TAG_GROUP, "web");
                tags_set(&to->tags, TAG_CONFIG_HASH, world.there[i].hash);
                tags_set(&to->tags, TAG_TOKEN, world.there[i].token);
                drift[i] = (char *)(uintptr_t)world.there[i].drift;
        }
        step(d, (struct event){ .kind = EVENT_OBSERVED, .list = &list, .asked_usec = d->now, .exact = true, .properties = properties,
                                .drift = properties ? drift : NULL });
}

static unsigned place_of(const char *id)
{
        for (unsigned i = 0; i < world.count; i++)
                if (!strcmp(world.there[i].id, id))
                        return i;
        fail_msg("no %s", id);
        return 0;
}

static void make(struct desk *d, const struct action *a)
{
        unsigned i = world.count++;
        assert_true(world.count <= MOST);
        snprintf(world.there[i].id, sizeof world.there[i].id, "i-%03u", d->made++);
        snprintf(world.there[i].hash, sizeof world.there[i].hash, "%s", tags_get(&a->tags, TAG_CONFIG_HASH));
        snprintf(world.there[i].token, sizeof world.there[i].token, "%s", a->token);
        world.there[i].drift = "";
        memcpy(world.newest, world.there[i].id, sizeof world.newest);
        step(d, (struct event){ .kind = EVENT_PROVISIONED, .token = a->token, .id = world.there[i].id });
}

/* Answers all that was asked for well, but for lists. Returns the most that left at once. */
static unsigned serve(struct desk *d)
{
        unsigned most = 0;
        for (bool any = true; any;) {
                struct actions list = d->list;
                unsigned leaving = status(d).draining + status(d).destroying;
                most = leaving > most ? leaving : most;
                any = false;
                d->list = (struct actions){ 0 };
                for (size_t i = 0; i < list.count; i++) {
                        const struct action *a = list.items + i;
                        any |= a->kind == ACTION_PROVISION || a->kind == ACTION_DRAIN || a->kind == ACTION_DESTROY || a->kind == ACTION_HEALTH;
                        if (a->kind == ACTION_PROVISION)
                                make(d, a);
                        else if (a->kind == ACTION_DRAIN)
                                step(d, (struct event){ .kind = EVENT_DRAINED, .id = a->id });
                        else if (a->kind == ACTION_HEALTH)
                                step(d, (struct event){ .kind = EVENT_HEALTH, .id = a->id, .health = HEALTH_GOOD });
                        else if (a->kind == ACTION_DESTROY) {
                                world.there[place_of(a->id)] = world.there[world.count - 1];
                                world.count--;
                                step(d, (struct event){ .kind = EVENT_DESTROYED, .id = a->id });
                        }
                }
                actions_done(&list);
        }
        return most;
}

#define TEN "{\"Size\":10}"

/* Ten instances, looked at once and found to be as wanted. */
static struct desk ten(const char *more)
{
        struct desk d = begin();
        memset(&world, 0, sizeof world);
        commit(&d, TEN, "v1", more);
        observe(&d, true);
        (void)serve(&d);
        d.now += 6 * MINUTE;
        observe(&d, true);
        (void)serve(&d);
        forget(&d);
        assert_int_equal(status(&d).live, 10);
        assert_true(status(&d).converged);
        return d;
}

#define REPLACE ",\"Drift\":{\"Interval\":\"1m\",\"Action\":\"replace\"}"

static void drift_is_told_once_for_each_change_and_when_it_is_mended(void **state)
{
        DESK d = ten("");
        (void)state;
        world.there[3].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        assert_string_equal(told(&d, "instance/drift")->message, "/Note is \"x\", not \"v1\"");
        assert_string_equal(told(&d, "instance/drift")->id, world.there[3].id);
        assert_int_equal(status(&d).drifted, 1);
        assert_true(status(&d).converged); /* it is told, and nothing is to be done about it */
        struct member_view view;
        assert_true(planner_find(d.p, world.there[3].id, &view) && !strcmp(view.drift, world.there[3].drift));
        forget(&d);
        observe(&d, true);
        observe(&d, false);
        assert_null(told(&d, "instance/drift"));
        assert_int_equal(status(&d).drifted, 1);
        world.there[3].drift = "/Note is \"y\", not \"v1\"";
        observe(&d, true);
        assert_string_equal(told(&d, "instance/drift")->message, "/Note is \"y\", not \"v1\"");
        forget(&d);
        world.there[3].drift = "";
        observe(&d, true);
        assert_non_null(told(&d, "instance/drift-mended"));
        assert_int_equal(status(&d).drifted, 0);
        assert_int_equal(count(&d, ACTION_DRAIN) + count(&d, ACTION_DESTROY), 0);
}

static void nothing_is_told_where_nothing_differs_or_nothing_is_known(void **state)
{
        DESK d = ten(REPLACE);
        (void)state;
        observe(&d, true);
        for (unsigned i = 0; i < world.count; i++)
                world.there[i].drift = NULL;
        d.now += 10 * MINUTE;
        observe(&d, true);
        assert_null(told(&d, "instance/drift"));
        assert_null(told(&d, "instance/drift-mended"));
        assert_int_equal(status(&d).drifted, 0);
}

static void properties_are_asked_for_when_they_are_due_and_ride_on_other_lists(void **state)
{
        DESK d = ten("");
        (void)state;
        assert_false(planner_wants_properties(d.p, d.now + 4 * MINUTE));
        assert_true(planner_wants_properties(d.p, d.now + 5 * MINUTE));
        d.now += 4 * MINUTE;
        observe(&d, false);
        step(&d, (struct event){ .kind = EVENT_TIME });
        assert_null(find(&d, ACTION_OBSERVE));
        d.now += MINUTE;
        step(&d, (struct event){ .kind = EVENT_TIME });
        assert_true(find(&d, ACTION_OBSERVE) && find(&d, ACTION_OBSERVE)->properties);
        forget(&d);
        /* Where that failed, the next is without: they may have been too much. */
        step(&d, (struct event){ .kind = EVENT_OBSERVE_FAILED, .properties = true });
        d.now += 2 * SECOND;
        step(&d, (struct event){ .kind = EVENT_TIME });
        assert_true(find(&d, ACTION_OBSERVE) && !find(&d, ACTION_OBSERVE)->properties);
}

static void who_does_not_want_it_watched_is_not_asked_for(void **state)
{
        DESK d = ten("");
        (void)state;
        world.there[0].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        commit(&d, TEN, "v1", ",\"Drift\":{\"Interval\":\"0s\"}");
        assert_int_equal(status(&d).drifted, 0);
        assert_false(planner_wants_properties(d.p, d.now + 1000 * MINUTE));
        observe(&d, true);
        assert_int_equal(status(&d).drifted, 0);
}

static void the_drifted_are_replaced_within_the_budget(void **state)
{
        DESK d = ten(REPLACE);
        (void)state;
        for (unsigned i = 0; i < 4; i++)
                world.there[i].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        assert_false(status(&d).converged);
        assert_int_equal(count(&d, ACTION_DRAIN), 2); /* 20 % of ten */
        assert_string_equal(find(&d, ACTION_DRAIN)->reason, "drift");
        assert_int_equal(serve(&d), 2);
        assert_int_equal(status(&d).drifted, 0);
        assert_true(status(&d).converged);
        assert_int_equal(d.made, 14);
}

static void too_many_are_left_alone_until_they_are_fewer(void **state)
{
        DESK d = ten(REPLACE);
        (void)state;
        for (unsigned i = 0; i < 5; i++)
                world.there[i].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        assert_non_null(told(&d, "drift/stopped"));
        assert_true(status(&d).drift_stopped && !status(&d).remediation_stopped && !status(&d).converged);
        assert_int_equal(count(&d, ACTION_DRAIN), 0);
        for (unsigned i = 0; i < 3; i++)
                world.there[i].drift = "";
        observe(&d, true);
        assert_non_null(told(&d, "drift/resumed"));
        (void)serve(&d);
        assert_true(status(&d).converged);
        assert_int_equal(d.made, 12);
}

static void what_new_ones_are_from_the_beginning_is_not_replaced_for_ever(void **state)
{
        DESK d = ten(REPLACE);
        unsigned rounds = 0;
        (void)state;
        world.there[0].drift = "/Note is \"x\", not \"v1\"";
        for (; rounds < 20 && !status(&d).drift_stopped; rounds++) {
                observe(&d, true);
                (void)serve(&d);
                world.there[place_of(world.newest)].drift = "/Note is \"x\", not \"v1\"";
                d.now += MINUTE;
        }
        assert_int_equal(rounds, 4);
        unsigned made = d.made;
        d.now += MINUTE;
        observe(&d, true);
        (void)serve(&d);
        assert_int_equal(d.made, made);
        /* After a crash as well... */
        assert_non_null(strstr(d.saved, "\"drift_stopped\":true"));
        /* ...and until somebody says so. */
        step(&d, (struct event){ .kind = EVENT_RESUME });
        (void)serve(&d);
        assert_int_equal(d.made, made + 1);
}

static void the_protected_stay(void **state)
{
        DESK d = ten(",\"Protection\":{\"Instances\":[\"i-003\"]}" REPLACE);
        (void)state;
        world.there[place_of("i-003")].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        assert_non_null(told(&d, "instance/drift"));
        (void)serve(&d);
        assert_int_equal(d.made, 10);
        assert_int_equal(status(&d).drifted, 1);
        assert_true(status(&d).converged);
}

static void in_a_roll_the_drifted_wait(void **state)
{
        DESK d = ten(REPLACE);
        (void)state;
        commit(&d, TEN, "v2", REPLACE ",\"Updating\":{\"Checkpoints\":[\"50%\"]}");
        observe(&d, true);
        (void)serve(&d);
        d.now += 2 * SECOND;
        observe(&d, true);
        (void)serve(&d);
        assert_int_equal(status(&d).roll, ROLL_CHECKPOINT);
        unsigned made = d.made;
        char id[16];
        memcpy(id, world.newest, sizeof id);
        world.there[place_of(id)].drift = "/Note is \"x\", not \"v2\"";
        d.now += MINUTE;
        observe(&d, true);
        assert_int_equal(status(&d).drifted, 1);
        (void)serve(&d);
        assert_int_equal(d.made, made);
        step(&d, (struct event){ .kind = EVENT_RESUME });
        (void)serve(&d);
        assert_int_equal(status(&d).roll, ROLL_NONE);
        assert_int_equal(status(&d).drifted, 0);
        assert_true(status(&d).converged);
        assert_false(planner_find(d.p, id, NULL));
}

static void another_configuration_makes_drift_of_the_old_one_nobodys_business(void **state)
{
        DESK d = ten("");
        (void)state;
        world.there[0].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        forget(&d);
        commit(&d, TEN, "v2", "");
        assert_int_equal(status(&d).drifted, 0);
        assert_null(told(&d, "instance/drift-mended"));
}

static void who_goes_for_drift_goes_after_a_crash_as_well(void **state)
{
        DESK d = ten(REPLACE);
        (void)state;
        world.there[0].drift = "/Note is \"x\", not \"v1\"";
        observe(&d, true);
        forget(&d);
        planner_free(d.p);
        d.p = planner_new("web", 8);
        CLEAN_JSON struct json_document doc = { 0 };
        assert_int_equal(json_parse("state", d.saved, strlen(d.saved), &doc, NULL), 0);
        const struct json_place top = json_top(&doc, "state");
        assert_int_equal(planner_read(d.p, &top, NULL), 0);
        d.revision--;
        commit(&d, TEN, "v1", REPLACE);
        observe(&d, true);
        assert_non_null(find(&d, ACTION_DRAIN));
        assert_string_equal(find(&d, ACTION_DRAIN)->reason, "drift");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(drift_is_told_once_for_each_change_and_when_it_is_mended),
                cmocka_unit_test(nothing_is_told_where_nothing_differs_or_nothing_is_known),
                cmocka_unit_test(properties_are_asked_for_when_they_are_due_and_ride_on_other_lists),
                cmocka_unit_test(who_does_not_want_it_watched_is_not_asked_for),
                cmocka_unit_test(the_drifted_are_replaced_within_the_budget),
                cmocka_unit_test(too_many_are_left_alone_until_they_are_fewer),
                cmocka_unit_test(what_new_ones_are_from_the_beginning_is_not_replaced_for_ever),
                cmocka_unit_test(the_protected_stay),
                cmocka_unit_test(in_a_roll_the_drifted_wait),
                cmocka_unit_test(another_configuration_makes_drift_of_the_old_one_nobodys_business),
                cmocka_unit_test(who_goes_for_drift_goes_after_a_crash_as_well),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
