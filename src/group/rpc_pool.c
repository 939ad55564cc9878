/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "group/rpc_server_internal.h"

enum { THREADS_MAX = 64, STACK_SIZE = 256 * 1024 };

static struct rpc_call *take(struct rpc_pool *p)
{
        (void)pthread_mutex_lock(&p->lock);
        p->idle++;
        while (!p->first && !p->stopping)
                (void)pthread_cond_wait(&p->work, &p->lock);
        p->idle--;
        struct rpc_call *c = p->first;
        if (c)
                p->first = c->next;
        (void)pthread_mutex_unlock(&p->lock);
        return c;
}

static void *work(void *pool)
{
        struct rpc_call *c;
        while ((c = take(pool)))
                rpc_call_run(c);
        return NULL;
}

/* Threads take no signals: they are the loop's. */
static int add_thread(struct rpc_pool *p)
{
        pthread_attr_t attributes;
        sigset_t all, before;
        (void)sigfillset(&all);
        (void)pthread_attr_init(&attributes);
        (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(p->threads + p->count, &attributes, work, p);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
        if (r == 0)
                p->count++;
        return -r;
}

static struct rpc_pool *pool_of(struct rpc_server *s)
{
        if (s->pool)
                return s->pool;
        struct rpc_pool *p = s->pool = xalloc(1, sizeof *p);
        (void)pthread_mutex_init(&p->lock, NULL);
        (void)pthread_cond_init(&p->work, NULL);
        p->threads = xalloc(THREADS_MAX, sizeof *p->threads);
        return p;
}

void rpc_pool_run(struct rpc_server *s, struct rpc_call *c)
{
        struct rpc_pool *p = pool_of(s);
        c->threaded = true;
        (void)pthread_mutex_lock(&p->lock);
        c->next = NULL;
        if (p->first)
                p->last->next = c;
        else
                p->first = c;
        p->last = c;
        size_t waiting = 0;
        for (struct rpc_call *at = p->first; at && waiting <= p->idle; at = at->next)
                waiting++;
        bool grow = waiting > p->idle && p->count < THREADS_MAX;
        (void)pthread_cond_signal(&p->work);
        (void)pthread_mutex_unlock(&p->lock);
        if (grow && add_thread(p) < 0 && p->count == 0) {
                /* Not one thread: the caller is told, and nothing waits for ever. */
                struct error e = { 0 };
                p->first = NULL;
                c->threaded = false;
                error_set(&e, EAGAIN, "rpc.threads", "no thread could be started for the call");
                rpc_fail(c, &e);
        }
}

void rpc_pool_stop(struct rpc_server *s)
{
        struct rpc_pool *p = s->pool;
        if (!p)
                return;
        (void)pthread_mutex_lock(&p->lock);
        p->stopping = true;
        (void)pthread_cond_broadcast(&p->work);
        (void)pthread_mutex_unlock(&p->lock);
        for (size_t i = 0; i < p->count; i++)
                (void)pthread_join(p->threads[i], NULL);
        (void)pthread_mutex_destroy(&p->lock);
        (void)pthread_cond_destroy(&p->work);
        free(p->threads);
        free(p);
        s->pool = NULL;
}
