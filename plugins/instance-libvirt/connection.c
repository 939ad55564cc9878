/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include <libvirt/virterror.h>

#include "libvirt_plugin.h"

enum { KEEPALIVE_SECONDS = 5, KEEPALIVE_COUNT = 3 };

int libvirt_fail(struct error *e, int errnum, const char *what, const char *name)
{
        const char *words = virGetLastErrorMessage();
        return error_set(e, errnum, "libvirt.failed", "%s %s: %s", what, name, words ? words : "no reason given");
}

/* ---- what libvirt tells us; on the thread of events ---- */

static void on_lifecycle(virConnectPtr c, virDomainPtr d, int event, int detail, void *data)
{
        struct connection *own = data;
        (void)c;
        (void)d;
        (void)event;
        (void)detail;
        background_wake(own->owner->watcher);
}

static void on_metadata(virConnectPtr c, virDomainPtr d, int type, const char *uri, void *data)
{
        on_lifecycle(c, d, type, 0, data);
        (void)uri;
}

static void on_close(virConnectPtr c, int reason, void *data)
{
        struct connection *own = data;
        (void)c;
        (void)reason;
        background_wake(own->owner->watcher);
}

static void ask_to_be_told(struct connection *c, virConnectPtr v)
{
        c->callbacks[0] = virConnectDomainEventRegisterAny(v, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), c, NULL);
        c->callbacks[1] = virConnectDomainEventRegisterAny(v, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata), c, NULL);
        (void)virConnectRegisterCloseCallback(v, on_close, c, NULL);
        (void)virConnectSetKeepAlive(v, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
}

/* ---- connections ---- */

static void close_now(struct connection *c)
{
        if (!c->now)
                return;
        for (size_t i = 0; i < ELEMENTS(c->callbacks); i++)
                if (c->callbacks[i] >= 0)
                        (void)virConnectDomainEventDeregisterAny(c->now, c->callbacks[i]);
        (void)virConnectUnregisterCloseCallback(c->now, on_close);
        (void)virConnectClose(c->now);
        c->now = NULL;
}

void connection_close(struct connection *c)
{
        (void)pthread_mutex_lock(&c->owner->lock);
        close_now(c);
        (void)pthread_mutex_unlock(&c->owner->lock);
}

virConnectPtr connection_use(struct connection *c, struct error *e)
{
        virConnectPtr v = NULL;
        (void)pthread_mutex_lock(&c->owner->lock);
        if (c->now && virConnectIsAlive(c->now) != 1)
                close_now(c);
        if (!c->now) {
                c->now = virConnectOpen(c->uri);
                if (c->now)
                        ask_to_be_told(c, c->now);
                else
                        error_set(e, EHOSTUNREACH, "libvirt.unreachable", "%s: %s", c->uri, virGetLastErrorMessage());
        }
        if (c->now && virConnectRef(c->now) == 0)
                v = c->now;
        (void)pthread_mutex_unlock(&c->owner->lock);
        return v;
}

/* ---- the thread of events ---- */

static void *events_main(void *data)
{
        struct libvirt *l = data;
        while (!__atomic_load_n(&l->ending, __ATOMIC_ACQUIRE))
                if (virEventRunDefaultImpl() < 0)
                        break;
        return NULL;
}

static void ignore_error(void *data, virErrorPtr error)
{
        (void)data;
        (void)error;
}

static void tick(int timer, void *data)
{
        (void)timer;
        (void)data;
}

int events_start(struct libvirt *l, struct error *e)
{
        sigset_t all, before;
        virSetErrorFunc(NULL, ignore_error);
        if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
                return libvirt_fail(e, EIO, "starting", "libvirt");
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&l->events_thread, NULL, events_main, l);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r)
                return error_errno(e, r, "libvirt.failed", "starting a thread");
        l->events_running = true;
        return 0;
}

void events_stop(struct libvirt *l)
{
        if (!l->events_running)
                return;
        __atomic_store_n(&l->ending, true, __ATOMIC_RELEASE);
        /* Wakes the loop. */
        (void)virEventAddTimeout(0, tick, NULL, NULL);
        (void)pthread_join(l->events_thread, NULL);
        l->events_running = false;
}
