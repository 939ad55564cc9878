/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "sim.h"

/* xorshift64*: the same everywhere. */
static uint64_t draw(uint64_t *random, uint64_t below)
{
        *random ^= *random >> 12;
        *random ^= *random << 25;
        *random ^= *random >> 27;
        uint64_t value = *random * UINT64_C(2685821657736338717);
        return below ? (uint64_t)((unsigned __int128)value * below >> 64) : 0;
}

uint64_t chance(struct sim *s, uint64_t below)
{
        return draw(&s->random, below);
}

uint64_t drift_chance(struct sim *s, uint64_t below)
{
        return draw(&s->drift_random, below);
}

bool per_mille(struct sim *s, unsigned n)
{
        return chance(s, 1000) < n;
}

uint64_t between(struct sim *s, uint64_t least, uint64_t most)
{
        unsigned doublings = 0;
        while (least << (doublings + 1) <= most)
                doublings++;
        uint64_t low = least << chance(s, doublings + 1);
        uint64_t value = low + chance(s, low);
        return value < most ? value : most;
}

struct future *plan(struct sim *s, enum happening kind, uint64_t at_usec)
{
        struct future *f = xalloc(1, sizeof *f);
        f->kind = kind;
        f->at_usec = at_usec;
        f->order = s->order++;
        f->life = s->life;
        heap_put(&s->queue, f);
        return f;
}

struct future *next(struct sim *s)
{
        struct future *f = heap_first(&s->queue);
        if (f)
                heap_remove(&s->queue, f);
        return f;
}

void trace(struct sim *s, const char *format, ...)
{
        char line[512];
        va_list ap;
        int n = snprintf(line, sizeof line, "%10.3f ", (double)s->now_usec / 1e6);
        va_start(ap, format);
        vsnprintf(line + n, sizeof line - (size_t)n, format, ap);
        va_end(ap);
        for (const char *c = line; *c; c++)
                s->trace = (s->trace ^ (unsigned char)*c) * UINT64_C(1099511628211);
        if (s->trace_on)
                puts(line);
}

_Noreturn void broken(struct sim *s, const char *what, const char *about)
{
        if (s->trace_on)
                control_show(s);
        fflush(stdout);
        fprintf(stderr, "seed %llu, step %llu, second %.3f: %s does not hold (%s)\n", (unsigned long long)s->seed, (unsigned long long)s->steps,
                (double)s->now_usec / 1e6, what, about ? about : "");
        exit(1);
}
