/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor of a timer: sleeps until it elapses, and starts its unit. */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

#include "os/file.h"
#include "plan/timer_unit.h"
#include "shim/client.h"
#include "shim/trigger.h"
#include "shim/zones.h"

enum { SOURCE_CLOCK = TRIGGER_SOURCE, SOURCE_UNIT };

struct timer {
        struct trigger t;
        struct timer_unit unit;
        struct zones zones;
        struct timer_moments moments;
        struct timer_next next;
        int clock_fd;  /* of the real-time clock: readable when it elapses, or is set */
        int unit_fd;   /* connection to what was started, while it runs; or -EBADF */
        char *stamp;   /* Persistent=: when it was last triggered, as the file's time of change; or NULL */
        bool asks_again;
};

static uint64_t clock_usec(clockid_t id)
{
        struct timespec t;
        (void)clock_gettime(id, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Small reads of it neither fail nor are cut short once the kernel has gathered enough, which they wait for. */
static uint64_t random_number(void)
{
        uint64_t n = 0;
        while (getrandom(&n, sizeof n, 0) != (ssize_t)sizeof n)
                ;
        return n;
}

static struct timer_moment this_moment(const struct timer *k)
{
        return (struct timer_moment){ clock_usec(CLOCK_REALTIME), clock_usec(k->unit.wake_system ? CLOCK_BOOTTIME : CLOCK_MONOTONIC) };
}

/* ---- what lasts ---- */

static void open_stamp(struct timer *k)
{
        struct stat st;
        if (!k->unit.persistent)
                return;
        CLEAN_FREE char *folder = xprintf("%s/bulkhead/timers", k->t.facts.facts.state_folder);
        if (file_make_folders(folder, 0755, NULL) < 0)
                return;
        k->stamp = xprintf("%s/stamp-%s", folder, k->t.run.unit);
        if (stat(k->stamp, &st) == 0)
                k->moments.triggered.realtime = (uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000;
        else {
                CLEAN_FD int fd = open(k->stamp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644); /* never, so from now on */
                (void)fd;
        }
}

static void touch_stamp(const struct timer *k)
{
        CLEAN_FD int fd = k->stamp ? open(k->stamp, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644) : -EBADF;
        if (fd >= 0)
                (void)futimens(fd, NULL);
}

/* ---- when ---- */

/* Armed even if nothing waits for the real time: it says when that is set. */
static void arm_clock(struct timer *k)
{
        const uint64_t at = k->next.has_realtime ? k->next.realtime : UINT64_MAX / 2000000; /* far away */
        const struct itimerspec when = { .it_value = { .tv_sec = (time_t)(at / 1000000), .tv_nsec = (long)(at % 1000000) * 1000 + 1 } };
        (void)timerfd_settime(k->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL);
}

static void ask(struct timer *k)
{
        k->asks_again = false;
        k->moments.now = this_moment(k);
        k->moments.random = k->unit.fixed_random_delay
                                    ? timer_fixed_random(k->t.facts.machine_id, geteuid(), k->t.run.unit)
                                    : random_number();
        timer_next(&k->unit, &k->moments, &k->next);
        arm_clock(k);
        if (!k->next.has_monotonic && !k->next.has_realtime && !k->next.waits_for_unit && k->unit_fd < 0 && !k->unit.on_clock_change &&
            !k->unit.on_timezone_change) {
                if (k->unit.remain_after_elapse)
                        trigger_set(&k->t, "elapsed");
                else
                        k->t.stops = true;
        }
}

static bool is_due(const struct timer *k)
{
        const struct timer_moment now = this_moment(k);
        return (k->next.has_monotonic && k->next.monotonic <= now.monotonic) || (k->next.has_realtime && k->next.realtime <= now.realtime);
}

static int time_left(const struct timer *k)
{
        if (!k->next.has_monotonic)
                return -1;
        uint64_t now = this_moment(k).monotonic;
        if (k->next.monotonic <= now)
                return 0;
        uint64_t left = (k->next.monotonic - now + 999) / 1000;
        return left > 3600000 ? 3600000 : (int)left;
}

/* ---- what ---- */

static void trigger(struct timer *k)
{
        k->moments.triggered = this_moment(k);
        touch_stamp(k);
        k->asks_again = true;
        if (k->unit_fd >= 0)
                return; /* it runs already */
        int fd = trigger_launch(&k->t, k->unit.unit, NULL, 0, NULL, NULL);
        if (fd < 0) {
                k->moments.unit_inactive = k->moments.triggered.monotonic;
                return;
        }
        k->unit_fd = fd;
        k->moments.unit_active = k->moments.triggered.monotonic;
        hub_watch(&k->t.hub, SOURCE_UNIT, fd);
        trigger_set(&k->t, "running");
}

static void on_unit(struct timer *k)
{
        struct client_news news;
        int r = client_hear(k->unit_fd, &news);
        if (r == 0 && news.kind != CLIENT_NEWS_EXITED)
                return;
        hub_unwatch(&k->t.hub, SOURCE_UNIT);
        k->unit_fd = fd_close(k->unit_fd);
        k->moments.unit_inactive = this_moment(k).monotonic;
        k->asks_again = true;
        trigger_set(&k->t, "waiting");
}

static void on_clock(struct timer *k)
{
        uint64_t count;
        if (read(k->clock_fd, &count, sizeof count) < 0 && errno == ECANCELED && k->unit.on_clock_change)
                trigger(k);
        k->asks_again = true;
}

static void on_source(void *context, unsigned id, uint32_t events)
{
        (void)events;
        if (id == SOURCE_UNIT)
                on_unit(context);
        else
                on_clock(context);
}

/* ---- all ---- */

static int set_up(struct timer *k, struct error *e)
{
        int r = zones_open(&k->zones, e);
        if (r == 0)
                r = timer_unit_parse(&k->t.file, &k->t.name, &k->t.facts.facts, &k->zones.source, k->t.o.lenient, &k->t.notes, &k->unit, e);
        if (r < 0)
                return r;
        k->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (k->clock_fd < 0)
                return error_errno(e, errno, "timer.clock", "making a timer");
        hub_watch(&k->t.hub, SOURCE_CLOCK, k->clock_fd);
        k->moments.startup = k->moments.activated = this_moment(k);
        open_stamp(k);
        return 0;
}

int timer_supervise(const struct service_options *o, struct error *e)
{
        static struct timer k;
        k = (struct timer){ .zones = ZONES_INIT, .clock_fd = -EBADF, .unit_fd = -EBADF };
        k.t.source = on_source, k.t.context = &k;
        int r = trigger_open(&k.t, o, UNIT_TIMER, e);
        if (r < 0)
                return r;
        struct error why = { 0 };
        if (trigger_check(&k.t, &why) < 0 || set_up(&k, &why) < 0)
                trigger_give_up(&k.t, &why);
        else {
                trigger_is_up(&k.t, "waiting");
                ask(&k);
        }
        while (!k.t.stops) {
                hub_want(&k.t.hub, SOURCE_CLOCK, EPOLLIN);
                hub_want(&k.t.hub, SOURCE_UNIT, EPOLLIN);
                hub_turn(&k.t.hub, time_left(&k));
                if (is_due(&k))
                        trigger(&k);
                if (k.asks_again)
                        ask(&k);
        }
        trigger_finish(&k.t);
        return 0;
}
