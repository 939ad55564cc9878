/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/background.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/text.h"

struct background {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool woken, ending;
        uint64_t interval_usec;
        void (*run)(void *self);
        void *self;
};

static void wait_until(struct background *b, const struct timespec *due)
{
        while (!b->woken && !b->ending && pthread_cond_timedwait(&b->changed, &b->lock, due) == 0)
                ;
        b->woken = false;
}

static void *background_main(void *data)
{
        struct background *b = data;
        (void)pthread_mutex_lock(&b->lock);
        while (!b->ending) {
                (void)pthread_mutex_unlock(&b->lock);
                b->run(b->self);
                struct timespec due;
                (void)clock_gettime(CLOCK_MONOTONIC, &due);
                uint64_t nsec = (uint64_t)due.tv_nsec + b->interval_usec % 1000000 * 1000;
                due.tv_sec += (time_t)(b->interval_usec / 1000000 + nsec / 1000000000);
                due.tv_nsec = (long)(nsec % 1000000000);
                (void)pthread_mutex_lock(&b->lock);
                wait_until(b, &due);
        }
        (void)pthread_mutex_unlock(&b->lock);
        return NULL;
}

int background_start(struct background **ret, uint64_t interval_usec, void (*run)(void *self), void *self, struct error *e)
{
        struct background *b = xalloc(1, sizeof *b);
        pthread_condattr_t attributes;
        sigset_t all, before;
        *b = (struct background){ .interval_usec = interval_usec, .run = run, .self = self };
        (void)pthread_mutex_init(&b->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&b->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&b->thread, NULL, background_main, b);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r) {
                free(b);
                return error_errno(e, r, "background.refused", "starting a thread");
        }
        *ret = b;
        return 0;
}

void background_wake(struct background *b)
{
        (void)pthread_mutex_lock(&b->lock);
        b->woken = true;
        (void)pthread_cond_signal(&b->changed);
        (void)pthread_mutex_unlock(&b->lock);
}

bool background_stop(struct background *b, uint64_t wait_usec)
{
        struct timespec due;
        if (!b)
                return true;
        (void)pthread_mutex_lock(&b->lock);
        b->ending = true;
        (void)pthread_cond_signal(&b->changed);
        (void)pthread_mutex_unlock(&b->lock);
        (void)clock_gettime(CLOCK_MONOTONIC, &due);
        due.tv_sec += (time_t)(wait_usec / 1000000);
        if (pthread_clockjoin_np(b->thread, NULL, CLOCK_MONOTONIC, &due))
                return false;
        (void)pthread_cond_destroy(&b->changed);
        (void)pthread_mutex_destroy(&b->lock);
        free(b);
        return true;
}
