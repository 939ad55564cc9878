/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "os/background.h"
#include "os/run_program.h"

static char *const environment[] = { (char *)"PATH=/usr/bin:/bin", (char *)"ONLY=this", NULL };

enum { MOMENTS = 6000 }; /* a minute: what has not happened by then does not */

static void moment(void)
{
        (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static int run_shell(const char *script, uint64_t limit_usec, size_t output_max, struct program_end *end)
{
        char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
        struct program_run run = { .argv = argv, .environment = environment, .input = "in\n", .input_size = 3, .output_max = output_max,
                                   .limit_usec = limit_usec, .hold_fd = -1 };
        struct error e = { 0 };
        return program_run(&run, end, &e);
}

static void output_errors_and_status_are_given(void **state)
{
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        (void)state;
        assert_int_equal(run_shell("cat; pwd; echo no >&2; exit 3", 60000000, 100, &end), 0);
        assert_int_equal(end.status, 3);
        assert_string_equal(end.output.data, "in\n/\n");
        assert_string_equal(end.errors.data, "no\n");
        assert_false(end.late || end.cut);
}

static void only_the_given_environment_and_three_descriptors_arrive(void **state)
{
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        (void)state;
        CLEAN_FD int open_here = open("/dev/null", O_RDONLY); /* not close-on-exec, on purpose */
        assert_true(open_here >= 0 && setenv("SECRET", "x", 1) == 0);
        assert_int_equal(run_shell("env | grep -c -e SECRET -e HOME; env | grep ONLY; ls /proc/self/fd | wc -l", 60000000, 1000, &end), 0);
        /* ls has the folder open as well. */
        assert_string_equal(end.output.data, "0\nONLY=this\n4\n");
}

static void much_output_is_cut_and_of_errors_the_end_is_kept(void **state)
{
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        (void)state;
        assert_int_equal(run_shell("head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2; echo end >&2", 60000000, 1000, &end), 0);
        assert_true(end.cut && end.status == 0);
        assert_int_equal(end.output.length, 1000);
        assert_int_equal(end.errors.length, PROGRAM_ERRORS_MAX);
        assert_string_equal(end.errors.data + PROGRAM_ERRORS_MAX - 4, "end\n");
}

/* Not so one that is dead and somebody else's to wait for. */
static bool runs(pid_t pid)
{
        char path[64], state_of[4] = "";
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "re");
        bool found = f && fscanf(f, "%*d (%*[^)]) %1s", state_of) == 1;
        if (f)
                (void)fclose(f);
        return found && *state_of != 'Z' && *state_of != 'X';
}

static void a_limit_ends_the_whole_group(void **state)
{
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        (void)state;
        /* Time enough for the shell to come that far on a busy host. */
        assert_int_equal(run_shell("trap '' TERM; sleep 600 & echo $!; wait", 5000000, 100, &end), 0);
        assert_true(end.late);
        pid_t child = (pid_t)strtol(end.output.data, NULL, 10);
        assert_true(child > 1);
        for (int i = 0; runs(child) && i < MOMENTS; i++)
                moment();
        assert_false(runs(child));
}

static void what_cannot_be_started_is_told(void **state)
{
        char *argv[] = { (char *)"/does/not/exist", NULL }, *relative[] = { (char *)"sh", NULL };
        struct program_run run = { .argv = argv, .environment = environment, .limit_usec = 1000000, .hold_fd = -1 };
        struct program_end end = { 0 };
        struct error e = { 0 };
        (void)state;
        assert_int_equal(program_run(&run, &end, &e), -ENOENT);
        assert_string_equal(e.id, "program.refused");
        run.argv = relative;
        assert_int_equal(program_run(&run, &end, &e), -EINVAL);
}

static void what_daemons_keep_open_holds_nobody_up(void **state)
{
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        (void)state;
        assert_int_equal(run_shell("setsid sleep 5 & echo done", 60000000, 100, &end), 0);
        assert_string_equal(end.output.data, "done\n");
}

/* Starts a program from a process that is killed while it runs; whether the lock is held by then. */
static bool survives(bool hold)
{
        char folder[] = "/tmp/bulkhead-run.XXXXXX";
        assert_non_null(mkdtemp(folder));
        CLEAN_FREE char *lock = xprintf("%s/lock", folder), *mark = xprintf("%s/mark", folder), *end_mark = xprintf("%s/end", folder);
        CLEAN_FREE char *script = xprintf("echo x >%s; until [ -e %s ]; do sleep 0.05; done", mark, end_mark);
        CLEAN_FD int look = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        pid_t pid = fork();
        if (pid == 0) {
                int fd = open(lock, O_RDWR | O_CLOEXEC);
                char *argv[] = { (char *)"/bin/sh", (char *)"-c", script, NULL };
                struct program_run run = { .argv = argv, .environment = environment, .limit_usec = 60000000, .hold_fd = hold ? fd : -1 };
                struct program_end end = { 0 };
                struct error e = { 0 };
                (void)flock(fd, LOCK_EX);
                (void)program_run(&run, &end, &e);
                _exit(0);
        }
        struct stat st;
        while (stat(mark, &st) < 0 || st.st_size == 0)
                moment();
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        bool held = flock(look, LOCK_EX | LOCK_NB) < 0;
        /* A program that dies with us needs a moment for it. */
        for (int i = 0; held && !hold && i < MOMENTS; i++) {
                moment();
                held = flock(look, LOCK_EX | LOCK_NB) < 0;
        }
        (void)close(open(end_mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        if (held)
                assert_int_equal(flock(look, LOCK_EX), 0); /* it lets go in the end */
        (void)unlink(end_mark);
        (void)unlink(lock);
        (void)unlink(mark);
        (void)rmdir(folder);
        return held;
}

static void a_lock_is_held_until_the_program_ends_even_without_us(void **state)
{
        (void)state;
        assert_true(survives(true));
        assert_false(survives(false));
}

static void count(void *self)
{
        atomic_fetch_add((atomic_int *)self, 1);
}

static void a_thread_comes_back_and_at_once_when_it_is_woken(void **state)
{
        atomic_int calls = 0, few = 0;
        struct background *often, *seldom;
        struct error e = { 0 };
        (void)state;
        assert_int_equal(background_start(&often, 10000, count, &calls, &e), 0);
        assert_int_equal(background_start(&seldom, 3600000000, count, &few, &e), 0);
        while (atomic_load(&calls) < 3 || atomic_load(&few) < 1)
                moment();
        background_wake(seldom);
        while (atomic_load(&few) < 2)
                moment();
        assert_true(background_stop(often, 60000000));
        assert_true(background_stop(seldom, 60000000));
        assert_int_equal(atomic_load(&few), 2);
        assert_true(background_stop(NULL, 0));
}

static void sleep_long(void *self)
{
        atomic_store((atomic_int *)self, 1);
        for (;;)
                (void)nanosleep(&(struct timespec){ .tv_sec = 60 }, NULL);
}

static void long_work_does_not_hold_up_the_end(void **state)
{
        static atomic_int begun;
        struct background *b;
        struct error e = { 0 };
        (void)state;
        assert_int_equal(background_start(&b, 10000, sleep_long, &begun, &e), 0);
        while (!atomic_load(&begun))
                moment();
        assert_false(background_stop(b, 0));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(output_errors_and_status_are_given),
                cmocka_unit_test(only_the_given_environment_and_three_descriptors_arrive),
                cmocka_unit_test(much_output_is_cut_and_of_errors_the_end_is_kept),
                cmocka_unit_test(a_limit_ends_the_whole_group),
                cmocka_unit_test(what_cannot_be_started_is_told),
                cmocka_unit_test(what_daemons_keep_open_holds_nobody_up),
                cmocka_unit_test(a_lock_is_held_until_the_program_ends_even_without_us),
                cmocka_unit_test(a_thread_comes_back_and_at_once_when_it_is_woken),
                cmocka_unit_test(long_work_does_not_hold_up_the_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
