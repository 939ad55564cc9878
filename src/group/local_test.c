/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instances on this host, of a kind whose instances are pipes: the end that we hold is the instance. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "group/expand.h"
#include "group/local.h"
#include "group/local_port.h"
#include "group/local_record.h"
#include "os/file.h"

enum { PIPES = 64 };

struct pipes {
        struct {
                char *id;
                int fd; /* the other end; -1: there is none */
        } items[PIPES];
        size_t count, made, cleaned, ended;
        bool make_fails, end_fails;
};

static int slot(struct pipes *p, const char *id)
{
        for (size_t i = 0; i < p->count; i++)
                if (p->items[i].fd >= 0 && text_equal(p->items[i].id, id))
                        return (int)i;
        return -1;
}

static int make(void *self, const struct local_instance *i, const struct instance_spec *spec, int *ret_fd, struct error *e)
{
        struct pipes *p = self;
        int fds[2];
        struct stat st;
        CLEAN_FREE char *record = xprintf("%s/record.json", i->folder);
        (void)spec;
        assert_int_equal(stat(record, &st), 0); /* the intent comes first */
        if (p->make_fails)
                return error_set(e, EIO, "local.record", "made to fail");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        p->items[p->count].id = xstrdup(i->instance.id);
        p->items[p->count++].fd = fds[1];
        p->made++;
        *ret_fd = fds[0];
        return 0;
}

static int find(void *self, const struct local_instance *i, int *ret_fd, struct error *e)
{
        struct pipes *p = self;
        (void)e;
        int k = slot(p, i->instance.id);
        if (k < 0)
                return -ENOENT;
        /* A new pipe in the place of the one whose reading end went with the old provider. */
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        close(p->items[k].fd);
        p->items[k].fd = fds[1];
        *ret_fd = fds[0];
        return 0;
}

static void remove_slot(struct pipes *p, const char *id)
{
        int k = slot(p, id);
        if (k < 0)
                return;
        close(p->items[k].fd);
        p->items[k].fd = -1;
}

static int end(void *self, const struct local_instance *i, struct error *e)
{
        struct pipes *p = self;
        if (p->end_fails)
                return error_set(e, EBUSY, "local.busy", "made to fail");
        p->ended++;
        remove_slot(p, i->instance.id);
        return 0;
}

static void clean(void *self, const struct local_instance *i)
{
        struct pipes *p = self;
        p->cleaned++;
        remove_slot(p, i->instance.id);
}

static bool ended(void *self, const struct local_instance *i, int fd)
{
        char byte;
        (void)self, (void)i;
        return read(fd, &byte, 1) == 0; /* a byte is news, and no end */
}

static const struct local_kind kind = { .name = "pipe", .make = make, .find = find, .end = end, .clean = clean, .ended = ended };

struct world {
        struct pipes pipes;
        struct loop *loop;
        struct local *local;
        struct instance_events events;
        struct strings vanished;
        char folder[64];
};

static void notify(struct instance_events *to, enum instance_change change, const char *type, const char *id, const struct tags *tags)
{
        struct world *w = LOOP_OWNER(to, struct world, events);
        assert_int_equal(change, INSTANCE_VANISHED);
        assert_string_equal(type, "");
        assert_non_null(tags);
        strings_add(&w->vanished, id);
}

static void open_world(struct world *w)
{
        struct error e = { 0 };
        assert_int_equal(loop_open(&w->loop, &e), 0);
        assert_int_equal(local_open(&kind, &w->pipes, w->folder, w->loop, &w->events, &w->local, &e), 0);
}

static void close_world(struct world *w)
{
        local_close(w->local);
        loop_close(w->loop);
}

static int set_up(void **state)
{
        struct world *w = xalloc(1, sizeof *w);
        w->events.notify = notify;
        (void)snprintf(w->folder, sizeof w->folder, "/tmp/bulkhead-local-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        open_world(w);
        *state = w;
        return 0;
}

static int tear_down(void **state)
{
        struct world *w = *state;
        close_world(w);
        for (size_t i = 0; i < w->pipes.count; i++) {
                if (w->pipes.items[i].fd >= 0)
                        close(w->pipes.items[i].fd);
                free(w->pipes.items[i].id);
        }
        strings_clear(&w->vanished);
        (void)file_remove_tree(AT_FDCWD, w->folder);
        free(w);
        return 0;
}

static void turn(struct world *w)
{
        for (int i = 0; i < 5; i++)
                loop_turn(w->loop, 0);
}

static size_t records(struct world *w)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(file_list(fd, &names), 0);
        return names.count - 1; /* the lock */
}

static size_t count(struct world *w)
{
        CLEAN_INSTANCES struct instances l = { 0 };
        static const struct tags all;
        assert_int_equal(local_describe(w->local, &all, true, &l, NULL), 0);
        return l.count;
}

/* The id; NULL when it failed. */
static char *provision(struct world *w, const char *token, struct port_range ports, struct error *e)
{
        CLEAN_INSTANCE_SPEC struct instance_spec spec = { .properties = xstrdup("{\"a\":1}") };
        char *id = NULL;
        tags_set(&spec.tags, TAG_GROUP, "web");
        if (token)
                tags_set(&spec.tags, TAG_TOKEN, token);
        return local_provision(w->local, &spec, &ports, &id, e) < 0 ? NULL : id;
}

static void test_a_token_has_one_instance_through_death(void **state)
{
        struct world *w = *state;
        struct port_range none = { 0 };
        CLEAN_FREE char *one = provision(w, "a", none, NULL), *again = provision(w, "a", none, NULL), *other = provision(w, "b", none, NULL);
        assert_string_equal(one, again);
        assert_string_not_equal(one, other);
        turn(w);
        close_world(w);
        open_world(w);
        CLEAN_FREE char *later = provision(w, "a", none, NULL);
        assert_string_equal(one, later);
        assert_int_equal(w->pipes.made, 2);
        assert_int_equal(count(w), 2);
        CLEAN_FREE char *x = provision(w, NULL, none, NULL), *y = provision(w, NULL, none, NULL);
        assert_string_not_equal(x, y);
}

static void test_what_cannot_be_made_leaves_nothing(void **state)
{
        struct world *w = *state;
        struct error e = { 0 };
        w->pipes.make_fails = true;
        assert_null(provision(w, "a", (struct port_range){ 0 }, &e));
        assert_string_equal(e.cause, "made to fail");
        assert_int_equal(w->pipes.cleaned, 1);
        assert_int_equal(records(w), 0);
        w->pipes.make_fails = false;
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, &e);
        assert_non_null(id);
}

static void test_an_end_is_told_once_and_cleaned_up(void **state)
{
        struct world *w = *state;
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, NULL);
        turn(w);
        assert_int_equal(write(w->pipes.items[0].fd, "x", 1), 1);
        turn(w);
        assert_int_equal(w->vanished.count, 0);
        remove_slot(&w->pipes, id);
        turn(w);
        assert_int_equal(w->vanished.count, 1);
        assert_string_equal(w->vanished.items[0], id);
        assert_int_equal(count(w), 0);
        CLEAN_FREE char *again = provision(w, "a", (struct port_range){ 0 }, NULL); /* waits until it is cleaned up */
        assert_string_equal(id, again);
        assert_int_equal(w->pipes.made, 2);
        turn(w);
        assert_int_equal(w->vanished.count, 1);
}

static void test_what_ended_while_nobody_looked_is_cleaned_up(void **state)
{
        struct world *w = *state;
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, NULL), *other = provision(w, "b", (struct port_range){ 0 }, NULL);
        turn(w);
        close_world(w);
        remove_slot(&w->pipes, id);
        open_world(w);
        assert_int_equal(w->pipes.cleaned, 1);
        assert_int_equal(count(w), 1);
        assert_int_equal(records(w), 1);
        turn(w);
        remove_slot(&w->pipes, other);
        turn(w);
        assert_int_equal(w->vanished.count, 1);
}

static void test_a_destroy_that_fails_leaves_it_watched(void **state)
{
        struct world *w = *state;
        struct error e = { 0 };
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, NULL);
        turn(w);
        w->pipes.end_fails = true;
        assert_int_equal(local_destroy(w->local, id, &e), -EBUSY);
        assert_int_equal(count(w), 1);
        remove_slot(&w->pipes, id);
        turn(w);
        assert_int_equal(w->vanished.count, 1);
        w->pipes.end_fails = false;
        e = (struct error){ 0 };
        assert_int_equal(local_destroy(w->local, id, &e), -ENOENT);
        assert_string_equal(e.id, "instance.missing");
}

static void test_a_destroyed_one_is_gone_and_not_told(void **state)
{
        struct world *w = *state;
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, NULL);
        turn(w);
        assert_int_equal(local_destroy(w->local, id, NULL), 0);
        turn(w);
        assert_int_equal(w->vanished.count, 0);
        assert_int_equal(count(w), 0);
        assert_int_equal(records(w), 0);
}

static void test_labels_are_kept_but_for_the_providers_own(void **state)
{
        struct world *w = *state;
        CLEAN_TAGS struct tags labels = { 0 }, bad = { 0 };
        CLEAN_INSTANCES struct instances found = { 0 };
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, NULL);
        struct error e = { 0 };
        tags_set(&labels, "x", "y");
        tags_set(&bad, TAG_PORT, "22");
        assert_int_equal(local_label(w->local, id, &labels, NULL), 0);
        assert_int_equal(local_label(w->local, id, &bad, &e), -EPERM);
        assert_int_equal(local_label(w->local, "other", &labels, NULL), -ENOENT);
        turn(w);
        close_world(w);
        open_world(w);
        assert_int_equal(local_describe(w->local, &labels, false, &found, NULL), 0);
        assert_int_equal(found.count, 1);
        assert_string_equal(tags_get(&found.items[0].tags, TAG_TOKEN), "a");
        assert_null(found.items[0].properties);
}

static void test_ports_are_given_once(void **state)
{
        struct world *w = *state;
        struct error e = { 0 };
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof a;
        CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
        const uint16_t taken = ntohs(a.sin_port);
        assert_false(port_is_free(taken));
        assert_null(provision(w, "a", (struct port_range){ taken, taken }, &e));
        assert_string_equal(e.id, "local.port");
        fd = fd_close(fd);
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ taken, taken }, NULL);
        assert_non_null(id);
        assert_null(provision(w, "b", (struct port_range){ taken, taken }, NULL));
        turn(w);
        close_world(w);
        open_world(w); /* it is still taken */
        assert_null(provision(w, "b", (struct port_range){ taken, taken }, NULL));
        assert_int_equal(local_destroy(w->local, id, NULL), 0);
        CLEAN_FREE char *next = provision(w, "b", (struct port_range){ taken, taken }, NULL);
        assert_non_null(next);
}

static void test_one_provider_has_a_folder(void **state)
{
        struct world *w = *state;
        struct pipes none = { .count = 0 };
        struct local *second;
        struct error e = { 0 };
        assert_int_equal(local_open(&kind, &none, w->folder, w->loop, NULL, &second, &e), -EBUSY);
        assert_string_equal(e.id, "local.busy");
}

static void test_a_damaged_record_stops_the_provider(void **state)
{
        struct world *w = *state;
        struct local *second;
        struct error e = { 0 };
        CLEAN_FREE char *id = provision(w, "a", (struct port_range){ 0 }, NULL), *path = xprintf("%s/%s/record.json", w->folder, id);
        turn(w);
        local_close(w->local);
        CLEAN_FREE char *newer = xprintf("{\"Version\":2,\"Instance\":{\"ID\":\"%s\"}}", id);
        assert_int_equal(file_replace(AT_FDCWD, path, newer, strlen(newer), 0600), 0);
        assert_true(local_open(&kind, &w->pipes, w->folder, w->loop, NULL, &second, &e) == -EPROTONOSUPPORT);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(local_open(&kind, &w->pipes, w->folder, w->loop, &w->events, &w->local, &e), 0); /* without one, nothing was made */
}

static void test_names_are_fit_for_units_containers_and_files(void **state)
{
        static const struct {
                const char *group, *prefix;
        } rows[] = {
                { "web", "web-" }, { NULL, "instance-" }, { "", "instance-" }, { "../a b", "ab-" }, { "-x", "x-" }, { "a_b-c", "a_b-c-" }, { "\xc3\xa4", "instance-" },
                { "0123456789012345678901234567890123456789012345678901234567890123456789", "012345678901234567890123456789012345678901234567890123456789-" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *one = local_id("token", rows[i].group), *same = local_id("token", rows[i].group), *other = local_id("tokem", rows[i].group);
                assert_int_equal(strncmp(one, rows[i].prefix, strlen(rows[i].prefix)), 0);
                assert_int_equal(strlen(one), strlen(rows[i].prefix) + 13);
                assert_string_equal(one, same);
                assert_string_not_equal(one, other);
        }
}

static void test_ranges_of_ports_are_read(void **state)
{
        static const struct {
                const char *text;
                int low, high;
        } rows[] = {
                { "8080", 8080, 8080 }, { "\"8080\"", 8080, 8080 }, { "\"8000-8999\"", 8000, 8999 }, { "\"1-65535\"", 1, 65535 },
                { "0", -1, 0 }, { "65536", -1, 0 }, { "\"0-5\"", -1, 0 }, { "\"9-8\"", -1, 0 }, { "\"\"", -1, 0 }, { "\"-5\"", -1, 0 }, { "\"5-\"", -1, 0 },
                { "\"1-2-3\"", -1, 0 }, { "[1,2]", -1, 0 }, { "true", -1, 0 },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_JSON struct json_document d = { 0 };
                struct port_range range = { 0 };
                assert_int_equal(json_parse("x", rows[i].text, strlen(rows[i].text), &d, NULL), 0);
                const struct json_place top = json_top(&d, "x");
                assert_int_equal(port_range_read(&top, &range, NULL), rows[i].low < 0 ? -EINVAL : 0);
                if (rows[i].low >= 0) {
                        assert_int_equal(range.low, rows[i].low);
                        assert_int_equal(range.high, rows[i].high);
                }
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_token_has_one_instance_through_death),
                TEST(test_what_cannot_be_made_leaves_nothing),
                TEST(test_an_end_is_told_once_and_cleaned_up),
                TEST(test_what_ended_while_nobody_looked_is_cleaned_up),
                TEST(test_a_destroy_that_fails_leaves_it_watched),
                TEST(test_a_destroyed_one_is_gone_and_not_told),
                TEST(test_labels_are_kept_but_for_the_providers_own),
                TEST(test_ports_are_given_once),
                TEST(test_one_provider_has_a_folder),
                TEST(test_a_damaged_record_stops_the_provider),
                cmocka_unit_test(test_names_are_fit_for_units_containers_and_files),
                cmocka_unit_test(test_ranges_of_ports_are_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
