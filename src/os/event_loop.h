/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop of a program with many connections and timers: descriptors by epoll, timers in a heap, signals, and work that is
 * handed over by other threads.  What is watched is embedded in its owner's struct; the loop allocates nothing per event.
 *
 * A callback may forget, change or free any source and timer, its own too: what is forgotten is called back no more, not even
 * for what has happened already.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct loop;

struct loop_source {
        void (*ready)(struct loop_source *s, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
        int fd;          /* the owner's, to close after it was forgotten */
        uint32_t events; /* what is waited for */
        bool watched;
};

struct loop_timer {
        void (*elapsed)(struct loop_timer *t);
        uint64_t at_usec;
        uint32_t place; /* in the heap, from 1 on; 0: not set */
};

/* Something to be done on the loop's thread, given to it by any thread. */
struct loop_job {
        void (*run)(struct loop_job *j);
        struct loop_job *next;
};

/* The owner of a member, as the kernel's container_of. */
#define LOOP_OWNER(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* Ids: "loop.open". */
int loop_open(struct loop **ret, struct error *e);
void loop_close(struct loop *l);
static inline void loop_closep(struct loop **l)
{
        loop_close(*l);
}
#define CLEAN_LOOP CLEAN(loop_closep)

/* Starts to wait for events at s->fd, or changes what is waited for. 0 or -errno. */
int loop_watch(struct loop *l, struct loop_source *s, uint32_t events);
void loop_forget(struct loop *l, struct loop_source *s);

/* At a point of loop_now's clock; a timer that is set already is moved. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_usec);
void loop_timer_clear(struct loop *l, struct loop_timer *t);
/* CLOCK_BOOTTIME: goes on while the machine sleeps. Read once per turn; loop_fresh reads it anew. */
uint64_t loop_now_usec(const struct loop *l);
uint64_t loop_fresh_usec(struct loop *l);

/* Blocks the signals, and calls back on the loop for each that comes. One handler for all; called once. */
int loop_signals(struct loop *l, const int *signals, size_t count, void (*handle)(void *context, int number), void *context, struct error *e);
/* From any thread. The job belongs to the loop until it is run. */
void loop_hand_over(struct loop *l, struct loop_job *j);
/* From the loop's thread: run at the end of this turn, after all events that are there already. */
void loop_defer(struct loop *l, struct loop_job *j);
/* Takes a deferred job back, if it is one. */
void loop_undefer(struct loop *l, struct loop_job *j);

/* Runs until loop_stop; returns its status. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int status);
/* One turn: waits, at most timeout_ms (negative: no limit), and calls back. For clients that wait for one answer. */
void loop_turn(struct loop *l, int timeout_ms);
