/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "os/event_loop.h"

struct seen {
        struct loop_timer timer;
        struct loop_source source;
        struct loop_job job;
        struct loop *loop;
        struct seen *other;
        int calls;
};

static uint64_t last_at;
static int elapsed_in_all;

static void note_order(struct loop_timer *t)
{
        struct seen *s = LOOP_OWNER(t, struct seen, timer);
        assert_true(t->at_usec >= last_at);
        last_at = t->at_usec;
        s->calls++;
        elapsed_in_all++;
}

static void timers_elapse_in_their_order_and_cleared_ones_do_not(void **state)
{
        (void)state;
        enum { COUNT = 500, SET = COUNT - (COUNT + 2) / 3 };
        static struct seen all[COUNT];
        CLEAN_LOOP struct loop *l = NULL;
        unsigned seed = 7;
        assert_int_equal(loop_open(&l, NULL), 0);
        uint64_t now = loop_fresh_usec(l);
        for (int round = 0; round < 3; round++)
                for (size_t i = 0; i < COUNT; i++) {
                        all[i].timer.elapsed = note_order;
                        seed = seed * 1103515245 + 12345;
                        loop_timer_set(l, &all[i].timer, now + (seed >> 8) % 3000);
                }
        for (size_t i = 0; i < COUNT; i += 3)
                loop_timer_clear(l, &all[i].timer);
        last_at = 0;
        do
                loop_turn(l, 1); /* long enough for the cleared ones too */
        while (loop_fresh_usec(l) < now + 20000 || elapsed_in_all < SET);
        for (size_t i = 0; i < COUNT; i++)
                assert_int_equal(all[i].calls, i % 3 != 0);
}

static void forget_the_other(struct loop_source *s, uint32_t events)
{
        struct seen *me = LOOP_OWNER(s, struct seen, source);
        (void)events;
        me->calls++;
        loop_forget(me->loop, &me->other->source);
        loop_forget(me->loop, s);
}

static void a_forgotten_source_is_not_called_for_what_has_happened(void **state)
{
        (void)state;
        CLEAN_LOOP struct loop *l = NULL;
        int pipes[2][2];
        struct seen a = { 0 }, b = { 0 };
        assert_int_equal(loop_open(&l, NULL), 0);
        for (int i = 0; i < 2; i++) {
                struct seen *s = i ? &b : &a;
                assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
                *s = (struct seen){ .loop = l, .other = i ? &a : &b, .source = { .ready = forget_the_other, .fd = pipes[i][0] } };
                assert_int_equal(loop_watch(l, &s->source, EPOLLIN), 0);
                assert_int_equal(write(pipes[i][1], "x", 1), 1);
        }
        loop_turn(l, 100);
        loop_turn(l, 0);
        assert_int_equal(a.calls + b.calls, 1);
        for (int i = 0; i < 4; i++)
                close(pipes[i / 2][i % 2]);
}

static void count_job(struct loop_job *j)
{
        struct seen *s = LOOP_OWNER(j, struct seen, job);
        if (++s->calls == 2)
                loop_stop(s->loop, 7);
        else
                loop_defer(s->loop, j);
}

static void *hand(void *s)
{
        struct seen *seen = s;
        loop_hand_over(seen->loop, &seen->job);
        return NULL;
}

static void a_job_of_another_thread_is_run_by_the_loop(void **state)
{
        (void)state;
        CLEAN_LOOP struct loop *l = NULL;
        pthread_t thread;
        assert_int_equal(loop_open(&l, NULL), 0);
        struct seen s = { .loop = l, .job.run = count_job };
        assert_int_equal(pthread_create(&thread, NULL, hand, &s), 0);
        assert_int_equal(loop_run(l), 7);
        assert_int_equal(s.calls, 2);
        pthread_join(thread, NULL);
}

static void stop_at(void *context, int number)
{
        loop_stop(context, number);
}

static void a_signal_is_called_back(void **state)
{
        (void)state;
        static const int signals[] = { SIGUSR1 };
        CLEAN_LOOP struct loop *l = NULL;
        assert_int_equal(loop_open(&l, NULL), 0);
        assert_int_equal(loop_signals(l, signals, 1, stop_at, l, NULL), 0);
        raise(SIGUSR1);
        assert_int_equal(loop_run(l), SIGUSR1);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(timers_elapse_in_their_order_and_cleared_ones_do_not),
                cmocka_unit_test(a_forgotten_source_is_not_called_for_what_has_happened),
                cmocka_unit_test(a_job_of_another_thread_is_run_by_the_loop),
                cmocka_unit_test(a_signal_is_called_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
