/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/text.h"
#include "os/event_loop.h"

enum { BATCH = 64 };

struct loop {
        int epoll_fd;
        bool stopped;
        int status;
        uint64_t now_usec;

        struct loop_timer **heap; /* heap[0] is the next */
        size_t timers, room;

        struct epoll_event batch[BATCH]; /* those that were reported and not called back yet */
        int batch_at, batch_count;

        struct loop_job *deferred, **deferred_end, *running;

        pthread_mutex_t lock; /* of handed */
        struct loop_job *handed, **handed_end;
        struct loop_source wake; /* tells the loop of handed jobs */

        struct loop_source signals;
        void (*handle)(void *context, int number);
        void *context;
};

static uint64_t clock_usec(void)
{
        struct timespec ts;
        (void)clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t loop_now_usec(const struct loop *l)
{
        return l->now_usec;
}

uint64_t loop_fresh_usec(struct loop *l)
{
        return l->now_usec = clock_usec();
}

/* ---- descriptors ---- */

int loop_watch(struct loop *l, struct loop_source *s, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.ptr = s };
        if (s->watched && s->events == events)
                return 0;
        if (epoll_ctl(l->epoll_fd, s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &event) < 0)
                return -errno;
        s->watched = true;
        s->events = events;
        return 0;
}

void loop_forget(struct loop *l, struct loop_source *s)
{
        if (!s->watched)
                return;
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
        s->watched = false;
        for (int i = l->batch_at; i < l->batch_count; i++)
                if (l->batch[i].data.ptr == s)
                        l->batch[i].data.ptr = NULL;
}

static void call_sources(struct loop *l)
{
        while (l->batch_at < l->batch_count) {
                struct epoll_event event = l->batch[l->batch_at++];
                struct loop_source *s = event.data.ptr;
                if (s)
                        s->ready(s, event.events);
        }
}

/* ---- timers: a binary heap, each of which knows its place ---- */

static void place(struct loop *l, size_t at, struct loop_timer *t)
{
        l->heap[at] = t;
        t->place = (uint32_t)at + 1;
}

static void rise(struct loop *l, size_t at, struct loop_timer *t)
{
        while (at > 0 && t->at_usec < l->heap[(at - 1) / 2]->at_usec) {
                place(l, at, l->heap[(at - 1) / 2]);
                at = (at - 1) / 2;
        }
        place(l, at, t);
}

static void sink(struct loop *l, size_t at, struct loop_timer *t)
{
        for (;;) {
                size_t child = 2 * at + 1;
                if (child + 1 < l->timers && l->heap[child + 1]->at_usec < l->heap[child]->at_usec)
                        child++;
                if (child >= l->timers || l->heap[child]->at_usec >= t->at_usec)
                        break;
                place(l, at, l->heap[child]);
                at = child;
        }
        place(l, at, t);
}

void loop_timer_clear(struct loop *l, struct loop_timer *t)
{
        if (!t->place)
                return;
        size_t at = t->place - 1;
        struct loop_timer *last = l->heap[--l->timers];
        t->place = 0;
        if (last == t)
                return;
        if (at > 0 && last->at_usec < l->heap[(at - 1) / 2]->at_usec)
                rise(l, at, last);
        else
                sink(l, at, last);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_usec)
{
        loop_timer_clear(l, t);
        t->at_usec = at_usec;
        l->heap = xgrow(l->heap, &l->room, l->timers + 1, sizeof *l->heap);
        rise(l, l->timers++, t);
}

/* Timers that are set while others are called back wait for the next turn: none can keep the loop to itself. */
static void call_timers(struct loop *l)
{
        uint64_t now = loop_fresh_usec(l);
        while (l->timers && l->heap[0]->at_usec <= now) {
                struct loop_timer *t = l->heap[0];
                loop_timer_clear(l, t);
                t->elapsed(t);
        }
}

static int wait_ms(struct loop *l, int timeout_ms)
{
        uint64_t ms;
        if (l->deferred || l->stopped)
                return 0;
        if (!l->timers)
                return timeout_ms;
        uint64_t now = loop_fresh_usec(l), at = l->heap[0]->at_usec;
        ms = at <= now ? 0 : (at - now + 999) / 1000;
        ms = ms > 3600 * 1000 ? 3600 * 1000 : ms;
        return timeout_ms >= 0 && (uint64_t)timeout_ms < ms ? timeout_ms : (int)ms;
}

/* ---- jobs ---- */

void loop_defer(struct loop *l, struct loop_job *j)
{
        j->next = NULL;
        *l->deferred_end = j;
        l->deferred_end = &j->next;
}

void loop_undefer(struct loop *l, struct loop_job *j)
{
        struct loop_job **lists[] = { &l->deferred, &l->running };
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                for (struct loop_job **at = lists[i]; *at; at = &(*at)->next)
                        if (*at == j) {
                                *at = j->next;
                                if (l->deferred_end == &j->next)
                                        l->deferred_end = at;
                                return;
                        }
}

static void run_jobs(struct loop_job *j)
{
        while (j) {
                struct loop_job *next = j->next;
                j->run(j);
                j = next;
        }
}

static void run_deferred(struct loop *l)
{
        l->running = l->deferred;
        l->deferred = NULL;
        l->deferred_end = &l->deferred;
        while (l->running) {
                struct loop_job *j = l->running;
                l->running = j->next;
                j->run(j);
        }
}

void loop_hand_over(struct loop *l, struct loop_job *j)
{
        static const uint64_t one = 1;
        j->next = NULL;
        (void)pthread_mutex_lock(&l->lock);
        bool first = !l->handed;
        *l->handed_end = j;
        l->handed_end = &j->next;
        (void)pthread_mutex_unlock(&l->lock);
        if (first && write(l->wake.fd, &one, sizeof one) < 0)
                return; /* the counter is full: the loop is awake anyway */
}

static void take_handed(struct loop_source *s, uint32_t events)
{
        struct loop *l = LOOP_OWNER(s, struct loop, wake);
        uint64_t count;
        (void)events;
        if (read(s->fd, &count, sizeof count) < 0 && errno != EAGAIN)
                return;
        (void)pthread_mutex_lock(&l->lock);
        struct loop_job *first = l->handed;
        l->handed = NULL;
        l->handed_end = &l->handed;
        (void)pthread_mutex_unlock(&l->lock);
        run_jobs(first);
}

/* ---- signals ---- */

static void take_signal(struct loop_source *s, uint32_t events)
{
        struct loop *l = LOOP_OWNER(s, struct loop, signals);
        struct signalfd_siginfo info;
        (void)events;
        while (read(s->fd, &info, sizeof info) == sizeof info)
                l->handle(l->context, (int)info.ssi_signo);
}

int loop_signals(struct loop *l, const int *signals, size_t count, void (*handle)(void *context, int number), void *context, struct error *e)
{
        sigset_t set;
        (void)sigemptyset(&set);
        for (size_t i = 0; i < count; i++)
                (void)sigaddset(&set, signals[i]);
        (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
        l->handle = handle;
        l->context = context;
        l->signals = (struct loop_source){ .ready = take_signal, .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) };
        if (l->signals.fd < 0 || loop_watch(l, &l->signals, EPOLLIN) < 0)
                return error_errno(e, errno, "loop.open", "waiting for signals");
        return 0;
}

/* ---- the loop ---- */

int loop_open(struct loop **ret, struct error *e)
{
        struct loop *l = xalloc(1, sizeof *l);
        l->deferred_end = &l->deferred;
        l->handed_end = &l->handed;
        (void)pthread_mutex_init(&l->lock, NULL);
        l->signals.fd = -EBADF;
        l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        l->wake = (struct loop_source){ .ready = take_handed, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
        if (l->epoll_fd < 0 || l->wake.fd < 0 || loop_watch(l, &l->wake, EPOLLIN) < 0) {
                int r = error_errno(e, errno, "loop.open", "opening an event loop");
                loop_close(l);
                return r;
        }
        loop_fresh_usec(l);
        *ret = l;
        return 0;
}

void loop_close(struct loop *l)
{
        if (!l)
                return;
        (void)fd_close(l->signals.fd);
        (void)fd_close(l->wake.fd);
        (void)fd_close(l->epoll_fd);
        (void)pthread_mutex_destroy(&l->lock);
        free(l->heap);
        free(l);
}

void loop_turn(struct loop *l, int timeout_ms)
{
        int n = epoll_wait(l->epoll_fd, l->batch, BATCH, wait_ms(l, timeout_ms));
        loop_fresh_usec(l);
        l->batch_at = 0;
        l->batch_count = n < 0 ? 0 : n;
        call_sources(l);
        call_timers(l);
        run_deferred(l);
}

int loop_run(struct loop *l)
{
        while (!l->stopped)
                loop_turn(l, -1);
        return l->status;
}

void loop_stop(struct loop *l, int status)
{
        l->stopped = true;
        l->status = status;
}
