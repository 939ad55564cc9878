/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about the process itself: limits. */
#include "plan/directive_internal.h"

#include <string.h>

/* ---- limits ---- */

static int parse_count(const char *s, uint64_t *ret)
{
        if (text_equal(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return text_parse_uint(s, UINT64_MAX - 1, ret);
}

/* Seconds, rounded up: a limit of a part of one would be none at all. */
static int parse_seconds(const char *s, uint64_t *ret)
{
        uint64_t usec;
        int r = text_parse_span_usec(s, &usec);
        if (r == 0)
                *ret = usec == UINT64_MAX ? usec : usec / 1000000 + (usec % 1000000 != 0);
        return r;
}

/* A bare number counts microseconds here, not seconds. */
static int parse_microseconds(const char *s, uint64_t *ret)
{
        return s[strspn(s, "0123456789")] ? text_parse_span_usec(s, ret) : text_parse_uint(s, UINT64_MAX - 1, ret);
}

/* The kernel's number from 0 to 40, or with a sign the nice level that it stands for. */
static int parse_nice_limit(const char *s, uint64_t *ret)
{
        uint64_t n;
        if (text_equal(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        bool above = *s == '+', below = *s == '-';
        int r = text_parse_uint(s + (above || below), above ? 19 : below ? 20 : 40, &n);
        if (r == 0)
                *ret = above ? 20 - n : below ? 20 + n : n;
        return r;
}

static const struct limit_form {
        int (*parse)(const char *s, uint64_t *ret);
        const char *expected;
} size_form = { text_parse_size_bytes, "SIZE, SOFT:HARD or infinity, in bytes or with K, M, G, T, P, E" },
  count_form = { parse_count, "NUMBER, SOFT:HARD or infinity" },
  seconds_form = { parse_seconds, "TIME, SOFT:HARD or infinity, in seconds or with us, ms, s, min, h, d" },
  microseconds_form = { parse_microseconds, "TIME, SOFT:HARD or infinity, in microseconds or with us, ms, s, min, h, d" },
  nice_form = { parse_nice_limit, "LIMIT, SOFT:HARD or infinity, with limits from 0 to 40, or from -20 to +19 with a sign" };

static const struct limit_form *const limit_forms[PLAN_LIMITS] = {
        [PLAN_LIMIT_CPU] = &seconds_form,        [PLAN_LIMIT_FSIZE] = &size_form,    [PLAN_LIMIT_DATA] = &size_form,
        [PLAN_LIMIT_STACK] = &size_form,         [PLAN_LIMIT_CORE] = &size_form,     [PLAN_LIMIT_RSS] = &size_form,
        [PLAN_LIMIT_NOFILE] = &count_form,       [PLAN_LIMIT_AS] = &size_form,       [PLAN_LIMIT_NPROC] = &count_form,
        [PLAN_LIMIT_MEMLOCK] = &size_form,       [PLAN_LIMIT_LOCKS] = &count_form,   [PLAN_LIMIT_SIGPENDING] = &count_form,
        [PLAN_LIMIT_MSGQUEUE] = &size_form,      [PLAN_LIMIT_NICE] = &nice_form,     [PLAN_LIMIT_RTPRIO] = &count_form,
        [PLAN_LIMIT_RTTIME] = &microseconds_form,
};

static enum plan_limit_kind limit_of(enum directive_id id)
{
        return (enum plan_limit_kind)(id - D_LIMIT_CPU);
}

int directive_read_limit(const struct reader *r, const char *value, struct error *e)
{
        const struct limit_form *form = limit_forms[limit_of(directive_of(r->all, r->v))];
        const char *colon = strchr(value, ':');
        CLEAN_FREE char *first = xstrndup(value, colon ? (size_t)(colon - value) : strlen(value));
        uint64_t soft, hard;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (form->parse(first, &soft) < 0 || form->parse(colon ? colon + 1 : first, &hard) < 0)
                return directive_bad_value(e, value, form->expected);
        if (soft > hard)
                return directive_bad_value(e, value, "a soft limit that is not above the hard limit");
        directive_set_number(r, soft);
        r->v->second = hard;
        return 0;
}

int directive_compile_limit(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)facts, (void)e;
        p->process.limits[limit_of(directive_of(s, v))] = (struct plan_limit){ v->number, v->second, v->origin };
        return 0;
}
