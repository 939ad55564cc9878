/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about the process itself: limits, scheduling, and other attributes. */
#include "plan/directive_internal.h"

#include <ctype.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>

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

/* ---- attributes ---- */

static enum plan_attribute_kind attribute_of(enum directive_id id)
{
        return (enum plan_attribute_kind)(id - D_NICE);
}

/* Names and what they stand for; NULL ends. */
static const struct attribute_word {
        const char *name;
        int64_t value;
} io_classes[] = { { "none", 0 }, { "realtime", 1 }, { "best-effort", 2 }, { "idle", 3 }, { NULL, 0 } },
  policies[] = { { "other", SCHED_OTHER }, { "batch", SCHED_BATCH }, { "idle", SCHED_IDLE }, { "fifo", SCHED_FIFO }, { "rr", SCHED_RR }, { NULL, 0 } },
  numa_policies[] = { { "default", MPOL_DEFAULT }, { "preferred", MPOL_PREFERRED }, { "bind", MPOL_BIND }, { "interleave", MPOL_INTERLEAVE },
                      { "local", MPOL_LOCAL }, { NULL, 0 } },
  personalities[] = {
#if defined __x86_64__
          { "x86-64", PER_LINUX }, { "x86", PER_LINUX32 },
#elif defined __aarch64__
          { "arm64", PER_LINUX }, { "arm", PER_LINUX32 },
#endif
          { NULL, 0 } };

static const struct attribute_form {
        int64_t least, most;
        const struct attribute_word *words;
        bool numbers; /* are taken beside words */
} attribute_forms[PLAN_ATTRIBUTES] = {
        [PLAN_NICE] = { .least = -20, .most = 19 },
        [PLAN_OOM_SCORE_ADJUST] = { .least = -1000, .most = 1000 },
        [PLAN_IO_CLASS] = { .most = 3, .words = io_classes, .numbers = true },
        [PLAN_IO_PRIORITY] = { .most = 7 },
        [PLAN_CPU_POLICY] = { .words = policies },
        [PLAN_CPU_PRIORITY] = { .most = 99 },
        [PLAN_NUMA_POLICY] = { .words = numa_policies },
        [PLAN_PERSONALITY] = { .words = personalities },
};

const char *plan_attribute_word(enum plan_attribute_kind kind, int64_t value)
{
        for (const struct attribute_word *w = attribute_forms[kind].words; w && w->name; w++)
                if (w->value == value)
                        return w->name;
        return NULL;
}

static int parse_integer(const char *s, const struct attribute_form *form, int64_t *ret)
{
        bool negative = *s == '-';
        uint64_t n;
        int r = text_parse_uint(s + (negative || *s == '+'), INT32_MAX, &n);
        *ret = negative ? -(int64_t)n : (int64_t)n;
        return r < 0 || *ret < form->least || *ret > form->most ? -EINVAL : 0;
}

int directive_read_integer(const struct reader *r, const char *value, struct error *e)
{
        const struct attribute_form *form = &attribute_forms[attribute_of(directive_of(r->all, r->v))];
        CLEAN_FREE char *expected = xprintf("a number from %lld to %lld", (long long)form->least, (long long)form->most);
        int64_t n;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (parse_integer(value, form, &n) < 0)
                return directive_bad_value(e, value, expected);
        directive_set_number(r, (uint64_t)n);
        return 0;
}

int directive_read_attribute_word(const struct reader *r, const char *value, struct error *e)
{
        const struct attribute_form *form = &attribute_forms[attribute_of(directive_of(r->all, r->v))];
        CLEAN_TEXT struct text known = { 0 };
        int64_t n;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (form->numbers && parse_integer(value, form, &n) == 0) {
                directive_set_number(r, (uint64_t)n);
                return 0;
        }
        for (const struct attribute_word *w = form->words; w->name; w++) {
                if (text_equal(value, w->name)) {
                        directive_set_number(r, (uint64_t)w->value);
                        return 0;
                }
                text_addf(&known, "%s%s", known.length ? ", " : "", w->name);
        }
        return directive_bad_value(e, value, known.length ? known.data : "nothing: this machine has one personality");
}

/* Nanoseconds, or with a unit; infinity leaves it as it is. */
int directive_read_timer_slack(const struct reader *r, const char *value, struct error *e)
{
        uint64_t n;
        size_t digits = strspn(value, "0123456789");
        size_t unit = digits + strspn(value + digits, " ");
        if (!*value || text_equal(value, "infinity")) {
                r->v->set = false;
                return 0;
        }
        CLEAN_FREE char *number = xstrndup(value, digits);
        int k;
        if (!value[unit] || text_equal(value + unit, "ns") || text_equal(value + unit, "nsec"))
                k = text_parse_uint(number, INT64_MAX, &n);
        else {
                k = text_parse_span_usec(value, &n);
                k = k < 0 || __builtin_mul_overflow(n, 1000, &n) || n > INT64_MAX ? -EINVAL : 0;
        }
        if (k < 0)
                return directive_bad_value(e, value, "a time in nanoseconds or with ns, us, ms, s, or infinity");
        directive_set_number(r, n);
        return 0;
}

enum { COREDUMP_DEFAULT = 0x33, COREDUMP_ALL = 0x1ff };

static int parse_coredump_word(const char *word, uint64_t *ret)
{
        static const char *const bits[] = { "private-anonymous", "shared-anonymous", "private-file-backed", "shared-file-backed", "elf-headers",
                                            "private-huge", "shared-huge", "private-dax", "shared-dax" };
        for (size_t i = 0; i < ELEMENTS(bits); i++)
                if (text_equal(word, bits[i])) {
                        *ret = UINT64_C(1) << i;
                        return 0;
                }
        if (text_equal(word, "default") || text_equal(word, "all")) {
                *ret = *word == 'd' ? COREDUMP_DEFAULT : COREDUMP_ALL;
                return 0;
        }
        /* A bare number is hexadecimal, as /proc shows it. */
        const char *digits = text_starts(word, "0x") ? word + 2 : word;
        size_t n = strlen(digits);
        if (!n || n > 8 || strspn(digits, "0123456789abcdefABCDEF") != n)
                return -EINVAL;
        *ret = strtoull(digits, NULL, 16);
        return 0;
}

int directive_read_coredump_filter(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        uint64_t mask = r->v->set ? r->v->number : 0, one;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (text_split_words(value, &words) < 0)
                return directive_bad_value(e, value, "words");
        for (size_t i = 0; i < words.count; i++) {
                if (parse_coredump_word(words.items[i], &one) < 0)
                        return directive_bad_value(e, words.items[i], "a hexadecimal mask, default, all, private-anonymous, shared-anonymous, "
                                                   "private-file-backed, shared-file-backed, elf-headers, private-huge, shared-huge, private-dax or shared-dax");
                mask |= one;
        }
        directive_set_number(r, mask);
        return 0;
}

int directive_compile_attribute(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)facts, (void)e;
        p->process.attributes[attribute_of(directive_of(s, v))] = (struct plan_attribute){ (int64_t)v->number, v->origin };
        return 0;
}

/* ---- sets of CPUs and nodes ---- */

enum { NUMBERS_MAX = 8192 };

/* "N" or "N-M". */
static int check_range(const char *word)
{
        const char *dash = strchr(word, '-');
        CLEAN_FREE char *first = xstrndup(word, dash ? (size_t)(dash - word) : strlen(word));
        uint64_t from, to;
        if (text_parse_uint(first, NUMBERS_MAX - 1, &from) < 0 || text_parse_uint(dash ? dash + 1 : first, NUMBERS_MAX - 1, &to) < 0 || from > to)
                return -EINVAL;
        return 0;
}

/* Numbers and ranges, parted by blanks or commas. Of nodes also "all". */
int directive_read_numbers(const struct reader *r, const char *value, struct error *e)
{
        enum directive_id id = directive_of(r->all, r->v);
        bool nodes = id == D_NUMA_MASK;
        /* The one word: all nodes, or the CPUs of the nodes. */
        const char *word = nodes ? "all" : id == D_CPU_AFFINITY ? "numa" : NULL;
        CLEAN_STRINGS struct strings words = { 0 };
        CLEAN_FREE char *copy = xstrdup(value);
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        for (char *c = copy; *c; c++)
                if (*c == ',')
                        *c = ' ';
        bool ok = text_split_words(copy, &words) == 0 && words.count;
        for (size_t i = 0; ok && i < words.count; i++)
                ok = check_range(words.items[i]) == 0 || (word && words.count == 1 && text_equal(words.items[i], word));
        if (!ok)
                return directive_bad_value(e, value, nodes ? "numbers of nodes and ranges, such as \"0-3 7\", or all"
                                           : word ? "numbers and ranges, such as \"0-3 7\", or numa"
                                                           : "numbers and ranges, such as \"0-3 7\"");
        for (size_t i = 0; i < words.count; i++)
                directive_add_value(r, xstrdup(words.items[i]));
        return 0;
}

char *directive_join_numbers(const struct setting *v)
{
        CLEAN_FREE bool *has = xalloc(NUMBERS_MAX + 1, sizeof *has);
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < v->count; i++) {
                char *rest;
                unsigned long from = strtoul(v->list[i].text, &rest, 10), to = *rest == '-' ? strtoul(rest + 1, NULL, 10) : from;
                for (; from <= to && from < NUMBERS_MAX; from++)
                        has[from] = true;
        }
        for (unsigned i = 0; i < NUMBERS_MAX; i++) {
                unsigned last = i;
                if (!has[i])
                        continue;
                while (has[last + 1])
                        last++;
                text_addf(&t, last > i ? "%s%u-%u" : "%s%u", t.length ? "," : "", i, last);
                i = last;
        }
        return TAKE_PTR(t.data);
}

int directive_compile_cpu_affinity(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        bool numa = false;
        (void)s, (void)facts, (void)e;
        for (size_t i = 0; i < v->count; i++)
                numa |= text_equal(v->list[i].text, "numa");
        p->process.cpus = numa ? xstrdup("numa") : directive_join_numbers(v);
        p->process.cpus_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_numa_mask(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        bool all = false;
        (void)s, (void)facts, (void)e;
        for (size_t i = 0; i < v->count; i++)
                all |= text_equal(v->list[i].text, "all");
        p->process.numa_nodes = all ? xstrdup("all") : directive_join_numbers(v);
        p->process.numa_nodes_origin = directive_origins(p, v);
        return 0;
}

/* ---- together ---- */

/* 1: leniently put right. */
static int check_scheduler(struct plan_process *p, bool lenient, struct error *e)
{
        const struct plan_attribute *policy = &p->attributes[PLAN_CPU_POLICY];
        struct plan_attribute *priority = &p->attributes[PLAN_CPU_PRIORITY];
        bool realtime = policy->origin && (policy->value == SCHED_FIFO || policy->value == SCHED_RR);
        if (realtime && !priority->origin)
                *priority = (struct plan_attribute){ 1, policy->origin };
        if (!priority->origin || realtime == (priority->value > 0))
                return 0;
        if (lenient) {
                priority->value = realtime;
                return 1;
        }
        error_set(e, EINVAL, "directive.value", realtime ? "%s: the priority is 0" : "%s: only fifo and rr have a priority", priority->origin);
        error_hint(e, realtime ? "with fifo and rr it is from 1 to 99" : "add CPUSchedulingPolicy=fifo or rr, or leave it out");
        return error_while(e, "reading %s", priority->origin);
}

static int check_numa(struct plan_process *p, bool lenient, struct error *e)
{
        struct plan_attribute *policy = &p->attributes[PLAN_NUMA_POLICY];
        bool one = p->numa_nodes && !p->numa_nodes[strspn(p->numa_nodes, "0123456789")];
        const char *cause = NULL;
        if (!policy->origin)
                return 0;
        if ((policy->value == MPOL_BIND || policy->value == MPOL_INTERLEAVE) && !p->numa_nodes)
                cause = "NUMAMask= has to name the nodes";
        else if (policy->value == MPOL_PREFERRED && p->numa_nodes && !one)
                cause = "NUMAMask= may name one node only";
        if (!cause)
                return 0;
        if (lenient) {
                policy->origin = NULL;
                return 1;
        }
        error_set(e, EINVAL, "directive.value", "%s: %s", policy->origin, cause);
        return error_while(e, "reading %s", policy->origin);
}

static int check_affinity(const struct plan_process *p, struct error *e)
{
        if (!p->cpus || !text_equal(p->cpus, "numa") || p->numa_nodes)
                return 0;
        error_set(e, EINVAL, "directive.value", "%s: NUMAMask= has to name the nodes", p->cpus_origin);
        return error_while(e, "reading %s", p->cpus_origin);
}

int directive_check_process(struct plan *p, struct error *e)
{
        const char *priority = p->process.attributes[PLAN_CPU_PRIORITY].origin, *policy = p->process.attributes[PLAN_NUMA_POLICY].origin;
        if (check_affinity(&p->process, e) < 0)
                return -EINVAL;
        int r = check_scheduler(&p->process, p->lenient, e);
        if (r > 0)
                strings_take(&p->notes, xprintf("%s: does not go with the scheduling policy; ignored", priority));
        if (r >= 0)
                r = check_numa(&p->process, p->lenient, e);
        if (r > 0)
                strings_take(&p->notes, xprintf("%s: does not go with NUMAMask=; ignored", policy));
        return r < 0 ? r : 0;
}
