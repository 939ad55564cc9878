/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "os/file.h"
#include "shim/shim.h"
#include "shim/state.h"
#include "shim/undo.h"

static char root_path[64];
static int root_fd;

static int set_up(void **state)
{
        (void)state;
        (void)snprintf(root_path, sizeof root_path, "/tmp/state-test-XXXXXX");
        if (!mkdtemp(root_path) || setenv("BULKHEAD_RUNTIME_DIR", root_path, 1) < 0)
                return -1;
        root_fd = state_root_open(false, NULL, NULL);
        return root_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
        (void)state;
        (void)fd_close(root_fd);
        return file_remove_tree(AT_FDCWD, root_path);
}

static struct run_state sample(void)
{
        struct run_state s = { .unit = xstrdup("a.service"), .invocation_id = xstrdup("00000000000000000000000000000000"),
                               .description = xstrdup("a \"b\" \n\xff"), .phase = RUN_RUNNING, .pid = 7,
                               .started_usec = 1475712000000000, .tty = true };
        strings_add(&s.argv, "sh");
        strings_add(&s.argv, "-c");
        strings_add(&s.properties, "PrivateTmp=yes");
        return s;
}

static void unit_names_have_one_grammar(void **state)
{
        (void)state;
        static const char *const good[] = { "a.service", "_x.service", "run-p1@2:3.service", "a\\x2db.service" };
        static const char *const bad[] = { "",          ".service",       "a",           "-a.service",  ".a.service",
                                           "a/b.service", "a..b.service", "a b.service", "a.service\n", "\xc3\xa4.service" };
        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_true(unit_name_valid(good[i]));
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(unit_name_valid(bad[i]));
        char longest[300];
        memset(longest, 'a', sizeof longest);
        memcpy(longest + 247, ".service", 9);
        assert_true(unit_name_valid(longest));
        memset(longest, 'a', 248);
        memcpy(longest + 248, ".service", 9);
        assert_false(unit_name_valid(longest));
}

static void a_state_survives_saving_and_loading(void **state)
{
        (void)state;
        CLEAN_RUN struct run run = RUN_INIT;
        CLEAN_RUN_STATE struct run_state s = sample(), back = { 0 };
        assert_int_equal(run_create(root_fd, "a.service", &run, NULL), 0);
        assert_int_equal(run_save_state(run.dir_fd, &s, NULL), 0);
        assert_int_equal(run_load_state(run.dir_fd, &back, NULL), 0);
        assert_string_equal(back.unit, "a.service");
        assert_int_equal(back.phase, RUN_RUNNING);
        assert_int_equal(back.started_usec, s.started_usec);
        assert_int_equal(back.argv.count, 2);
        assert_string_equal(back.properties.items[0], "PrivateTmp=yes");
        assert_string_equal(back.description, "a \"b\" \n\xef\xbf\xbd");
        assert_true(back.tty);
}

static void a_huge_command_is_cut_so_that_the_record_still_loads(void **state)
{
        (void)state;
        CLEAN_RUN struct run run = RUN_INIT;
        CLEAN_RUN_STATE struct run_state s = sample(), back = { 0 };
        char *big = xalloc(1, 100001);
        memset(big, 1, 100000);
        strings_take(&s.argv, big);
        for (int i = 0; i < 10000; i++)
                strings_add(&s.properties, "Environment=\"A=\\x01\"");
        free(s.description);
        s.description = xalloc(1, 100001);
        memset(s.description, 1, 100000);
        assert_int_equal(run_create(root_fd, "a.service", &run, NULL), 0);
        assert_int_equal(run_save_state(run.dir_fd, &s, NULL), 0);
        assert_int_equal(run_load_state(run.dir_fd, &back, NULL), 0);
        assert_string_equal(back.argv.items[back.argv.count - 1], "...");
}

static void a_newer_or_broken_state_is_refused(void **state)
{
        (void)state;
        CLEAN_RUN struct run run = RUN_INIT;
        CLEAN_RUN_STATE struct run_state s = { 0 };
        struct error e = { 0 };
        static const struct {
                const char *text;
                int code;
        } cases[] = {
                { "{\"version\":2,\"state\":\"running\"}", -EPROTONOSUPPORT },
                { "{\"version\":1,\"version\":1,\"state\":\"running\"}", -EBADMSG },
                { "{\"version\":1,\"state\":\"odd\"}", -EBADMSG },
                { "[]", -EBADMSG },
                { "", -EBADMSG },
        };
        assert_int_equal(run_create(root_fd, "a.service", &run, NULL), 0);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_int_equal(file_replace(run.dir_fd, "state.json", cases[i].text, strlen(cases[i].text), 0600), 0);
                assert_int_equal(run_load_state(run.dir_fd, &s, &e), cases[i].code);
        }
}

static void a_live_run_is_not_replaced_and_a_dead_one_ends_once(void **state)
{
        (void)state;
        CLEAN_RUN struct run run = RUN_INIT, second = RUN_INIT;
        CLEAN_RUN_STATE struct run_state s = sample(), back = { 0 }, again = { 0 };
        struct error e = { 0 };
        assert_int_equal(run_create(root_fd, "a.service", &run, NULL), 0);
        assert_int_equal(run_save_state(run.dir_fd, &s, NULL), 0);
        assert_int_equal(run_create(root_fd, "a.service", &second, &e), -EEXIST);
        assert_string_equal(e.id, "unit.exists");
        assert_int_equal(run_remove(root_fd, "a.service"), -EBUSY);
        assert_int_equal(run_refresh(root_fd, "a.service", &back, NULL), 0);
        assert_int_equal(back.phase, RUN_RUNNING);
        run_state_done(&back);

        run_close(&run); /* the supervisor dies */
        assert_int_equal(run_refresh(root_fd, "a.service", &back, NULL), 0);
        assert_int_equal(back.phase, RUN_FAILED);
        assert_string_equal(back.result, "supervisor-killed");
        assert_int_equal(run_refresh(root_fd, "a.service", &again, NULL), 0);
        assert_int_equal(back.ended_usec, again.ended_usec);
        assert_int_equal(run_remove(root_fd, "a.service"), 0);
        assert_int_equal(run_open(root_fd, "a.service", &e), -ENOENT);
        assert_string_equal(e.id, "unit.unknown");
}

static void the_end_is_kept_when_the_record_cannot_be_replaced(void **state)
{
        (void)state;
        CLEAN_RUN struct run run = RUN_INIT;
        CLEAN_RUN_STATE struct run_state s = sample(), back = { 0 };
        assert_int_equal(run_create(root_fd, "a.service", &run, NULL), 0);
        assert_int_equal(run_save_state(run.dir_fd, &s, NULL), 0);
        /* A folder in the place of the temporary file stands for the full disk. */
        assert_int_equal(mkdirat(run.dir_fd, "state.json.new", 0700), 0);
        s.phase = RUN_FAILED;
        s.status = 3;
        s.ended_usec = 99;
        strcpy(s.code, "exited");
        strcpy(s.result, "exit-code");
        assert_int_equal(run_record_end(run.dir_fd, &s), 0);
        assert_int_equal(run_load_state(run.dir_fd, &back, NULL), 0);
        assert_int_equal(back.phase, RUN_FAILED);
        assert_int_equal(back.status, 3);
        assert_int_equal(back.ended_usec, 99);
        assert_string_equal(back.code, "exited");
        assert_string_equal(back.argv.items[0], "sh");
}

static void undo_removes_what_is_ours_and_nothing_else(void **state)
{
        (void)state;
        CLEAN_RUN struct run run = RUN_INIT;
        char other[96], private[128], made[96], fake[96];
        (void)snprintf(other, sizeof other, "%s.other", root_path);
        (void)snprintf(made, sizeof made, "%s.made", root_path);
        (void)snprintf(fake, sizeof fake, "%s.cgroup", root_path);
        (void)snprintf(private, sizeof private, "%s.d/systemd-private-1/tmp", root_path);
        assert_int_equal(file_make_folders(private, 0700, NULL), 0);
        assert_int_equal(mkdir(other, 0700), 0);
        assert_int_equal(mkdir(made, 0700), 0);
        assert_int_equal(mkdir(fake, 0700), 0);
        assert_int_equal(run_create(root_fd, "a.service", &run, NULL), 0);
        assert_int_equal(run_undo_note(run.dir_fd, "tree", private), 0);
        assert_int_equal(run_undo_note(run.dir_fd, "tree", "/nonexistent/x"), 0);
        assert_int_equal(run_undo_note(run.dir_fd, "tree", made), 0);
        assert_int_equal(run_undo_made(run.dir_fd, made, made), 0);
        assert_int_equal(run_undo_note(run.dir_fd, "tree", "/x\ntree /y"), -EINVAL);
        assert_int_equal(run_undo_note(run.dir_fd, "tree", "relative"), -EINVAL);
        assert_int_equal(run_undo_note(run.dir_fd, "tree", "/a/../b"), -EINVAL);
        assert_int_equal(run_undo_all(run.dir_fd), 0);
        assert_int_equal(run_undo_all(run.dir_fd), 0);
        assert_int_not_equal(access(private, F_OK), 0);
        assert_int_not_equal(access(made, F_OK), 0);

        assert_int_equal(run_undo_note(run.dir_fd, "tree", other), 0);
        assert_int_equal(run_undo_note(run.dir_fd, "cgroup", fake), 0);
        assert_int_equal(run_undo_all(run.dir_fd), -EPERM);
        assert_int_equal(access(other, F_OK), 0);
        assert_int_equal(access(fake, F_OK), 0);
        (void)rmdir(other);
        (void)rmdir(fake);
        (void)snprintf(private, sizeof private, "%s.d", root_path);
        assert_int_equal(file_remove_tree(AT_FDCWD, private), 0);
}

static void only_the_newest_ended_records_are_kept(void **state)
{
        (void)state;
        for (int i = 0; i < STATE_ENDED_KEPT + 5; i++) {
                CLEAN_RUN struct run run = RUN_INIT;
                CLEAN_RUN_STATE struct run_state s = sample();
                char unit[32];
                (void)snprintf(unit, sizeof unit, "p%d.service", i);
                assert_int_equal(run_create(root_fd, unit, &run, NULL), 0);
                s.phase = RUN_EXITED;
                s.ended_usec = (uint64_t)i + 1;
                assert_int_equal(run_save_state(run.dir_fd, &s, NULL), 0);
        }
        assert_int_equal(runs_prune(root_fd), 0);
        assert_int_equal(run_open(root_fd, "p4.service", NULL), -ENOENT);
        CLEAN_FD int fd = run_open(root_fd, "p5.service", NULL);
        assert_true(fd >= 0);
}

static void the_shim_reads_and_refuses_options(void **state)
{
        (void)state;
        struct shim_options o;
        char fd[16];
        CLEAN_FD int some = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
        (void)snprintf(fd, sizeof fd, "%d", some);
        char *good[] = { (char[]){ "shim" }, (char[]){ "--dir" }, fd, (char[]){ "--lock" }, fd, (char[]){ "--pidfd" }, fd,
                         (char[]){ "--pid" }, (char[]){ "9" }, (char[]){ "--collect" } };
        char *unknown[] = { (char[]){ "shim" }, (char[]){ "--odd" } };
        char *low[] = { (char[]){ "shim" }, (char[]){ "--dir" }, (char[]){ "1" } };
        assert_int_equal(shim_parse(ELEMENTS(good), good, &o, NULL), 0);
        assert_true(o.collect && o.pid == 9 && o.dir_fd == some && o.pty_fd < 0);
        assert_int_equal(shim_parse(ELEMENTS(good) - 2, good, &o, NULL), -EINVAL);
        assert_int_equal(shim_parse(ELEMENTS(unknown), unknown, &o, NULL), -EINVAL);
        assert_int_equal(shim_parse(ELEMENTS(low), low, &o, NULL), -EBADF);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(unit_names_have_one_grammar),
                TEST(a_state_survives_saving_and_loading),
                TEST(a_huge_command_is_cut_so_that_the_record_still_loads),
                TEST(a_newer_or_broken_state_is_refused),
                TEST(a_live_run_is_not_replaced_and_a_dead_one_ends_once),
                TEST(the_end_is_kept_when_the_record_cannot_be_replaced),
                TEST(undo_removes_what_is_ours_and_nothing_else),
                TEST(only_the_newest_ended_records_are_kept),
                TEST(the_shim_reads_and_refuses_options),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
