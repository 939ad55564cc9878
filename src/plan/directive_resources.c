/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about what control groups share out. */
#include <ctype.h>
#include <string.h>

#include "base/path.h"
#include "os/cgroup_resources.h"
#include "plan/directive_internal.h"
#include "plan/specifier.h"

/* ---- memory ---- */

/* Bytes, a percentage of the host's memory, or infinity. */
int directive_read_memory_amount(const struct reader *r, const char *value, struct error *e)
{
        bool zero = directive_of(r->all, r->v) != D_MEMORY_HIGH;
        uint64_t n;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = directive_parse_percent(value, r->facts->memory_bytes, &n);
        if (k < 0)
                k = text_parse_size_bytes(value, &n);
        if (k < 0 || (n == 0 && !zero) || (n > INT64_MAX && n != UINT64_MAX)) /* the kernel counts in signed numbers */
                return directive_bad_value(e, value, zero ? "a size (K, M, G, T), a percentage, or infinity"
                                                          : "a size above 0 (K, M, G, T), a percentage, or infinity");
        directive_set_number(r, n);
        return 0;
}

int directive_compile_amount(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)facts, (void)e;
        p->resources.amounts[directive_of(s, v) - D_MEMORY_HIGH] = (struct plan_amount){ v->number, v->origin };
        return 0;
}

int directive_compile_accounting(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)facts, (void)e;
        p->resources.counted[directive_of(s, v) - D_CPU_ACCOUNTING] = v->number ? v->origin : NULL;
        return 0;
}

/* ---- CPU and I/O ---- */

static int parse_weight(const char *s, uint64_t *ret)
{
        return text_parse_uint(s, 10000, ret) < 0 || *ret == 0 ? -EINVAL : 0;
}

/* CPUWeight= also takes "idle", which is 0. */
int directive_read_weight(const struct reader *r, const char *value, struct error *e)
{
        bool cpu = directive_of(r->all, r->v) == D_CPU_WEIGHT;
        uint64_t n = 0;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (!(cpu && text_equal(value, "idle")) && parse_weight(value, &n) < 0)
                return directive_bad_value(e, value, cpu ? "a weight from 1 to 10000, or idle" : "a weight from 1 to 10000");
        directive_set_number(r, n);
        return 0;
}

int directive_read_period(const struct reader *r, const char *value, struct error *e)
{
        uint64_t usec;
        if (!*value || text_equal(value, "infinity")) {
                r->v->set = false;
                return 0;
        }
        if (text_parse_span_usec(value, &usec) < 0)
                return directive_bad_value(e, value, "a time in seconds or with us, ms, s");
        directive_set_number(r, usec);
        return 0;
}

enum { PERIOD_DEFAULT_USEC = 100000, PERIOD_LEAST_USEC = 1000, PERIOD_MOST_USEC = 1000000 };

static uint64_t clamp(uint64_t n, uint64_t least, uint64_t most)
{
        return n < least ? least : n > most ? most : n;
}

void plan_quota(const struct plan_resources *r, uint64_t permille, uint64_t *ret_period_usec, uint64_t *ret_quota_usec)
{
        const struct plan_amount *asked = &r->amounts[PLAN_CPU_QUOTA_PERIOD_USEC];
        uint64_t period = asked->origin ? asked->value : PERIOD_DEFAULT_USEC;
        /* Neither may be below a millisecond. */
        uint64_t least = permille ? (PERIOD_LEAST_USEC * 1000 + permille - 1) / permille : PERIOD_LEAST_USEC;
        period = clamp(period, clamp(least, PERIOD_LEAST_USEC, PERIOD_MOST_USEC), PERIOD_MOST_USEC);
        uint64_t quota = permille > INT64_MAX / period ? INT64_MAX : permille * period / 1000;
        *ret_period_usec = period;
        *ret_quota_usec = quota < PERIOD_LEAST_USEC ? PERIOD_LEAST_USEC : quota;
}

/* "PATH VALUE", kept as "VALUE\nPATH". Of one path the last word counts. */
int directive_read_io(const struct reader *r, const char *value, struct error *e)
{
        bool weight = directive_of(r->all, r->v) == D_IO_DEVICE_WEIGHT;
        CLEAN_STRINGS struct strings words = { 0 };
        CLEAN_FREE char *path = NULL, *expanded = NULL;
        uint64_t n = 0;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        const char *expected = weight ? "DEVICE and a weight from 1 to 10000" : "DEVICE and a number above 0 (K, M, G, T: base 1000), or infinity";
        if (text_split_words(value, &words) < 0 || words.count != 2)
                return directive_bad_value(e, value, expected);
        int k = specifier_expand(words.items[0], r->facts, &expanded, e);
        if (k < 0)
                return k;
        k = path_normalize(expanded, &path);
        if (k == 0)
                k = weight ? parse_weight(words.items[1], &n) : directive_parse_decimal_size(words.items[1], &n);
        if (k < 0 || n == 0)
                return directive_bad_value(e, value, expected);
        directive_add_value(r, xprintf("%llu\n%s", (unsigned long long)n, path));
        return 0;
}

/* K, M, G and T with base 1000, as rates have it. */
int directive_parse_decimal_size(const char *s, uint64_t *ret)
{
        static const char units[] = "BKMGTPE";
        size_t digits = strspn(s, "0123456789");
        CLEAN_FREE char *number = xstrndup(s, digits);
        const char *unit = s[digits] && !s[digits + 1] ? strchr(units, s[digits]) : NULL;
        if (text_equal(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        if ((s[digits] && !unit) || text_parse_uint(number, INT64_MAX, ret) < 0)
                return -EINVAL;
        for (const char *u = units; unit && u < unit; u++)
                if (__builtin_mul_overflow(*ret, 1000, ret) || *ret > INT64_MAX)
                        return -ERANGE;
        return 0;
}

static struct plan_io *find_io(struct plan_resources *r, enum plan_io_kind kind, const char *path)
{
        for (size_t i = 0; i < r->io_count; i++)
                if (r->io[i].kind == kind && text_equal(r->io[i].path, path))
                        return &r->io[i];
        r->io = xgrow(r->io, &r->io_room, r->io_count + 1, sizeof *r->io);
        struct plan_io *io = &r->io[r->io_count++];
        *io = (struct plan_io){ .kind = kind, .path = xstrdup(path) };
        return io;
}

int directive_compile_io(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        enum plan_io_kind kind = (enum plan_io_kind)(directive_of(s, v) - D_IO_DEVICE_WEIGHT);
        (void)facts, (void)e;
        for (size_t i = 0; i < v->count; i++) {
                char *path;
                uint64_t n = strtoull(v->list[i].text, &path, 10);
                struct plan_io *io = find_io(&p->resources, kind, path + 1);
                io->value = n;
                io->origin = v->list[i].origin;
        }
        return 0;
}

int directive_compile_allowed_cpus(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->resources.cpus = directive_join_numbers(v);
        p->resources.cpus_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_allowed_nodes(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->resources.memory_nodes = directive_join_numbers(v);
        p->resources.memory_nodes_origin = directive_origins(p, v);
        return 0;
}

/* ---- devices ---- */

int directive_compile_device_policy(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->resources.device_policy = (enum plan_device_policy)v->number;
        p->resources.device_policy_origin = v->origin;
        return 0;
}

static int parse_access(const char *s, unsigned *ret)
{
        static const char letters[] = "mrw"; /* bit by bit as CGROUP_MKNOD, CGROUP_READ, CGROUP_WRITE */
        *ret = 0;
        for (; *s; s++) {
                const char *at = strchr(letters, *s);
                if (!at || *ret >> (at - letters) & 1)
                        return -EINVAL;
                *ret |= 1U << (at - letters);
        }
        return *ret ? 0 : -EINVAL;
}

/* "PATH|char-NAME|block-NAME [rwm]", kept as "ACCESS\nWHAT". */
int directive_read_device(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        CLEAN_FREE char *what = NULL, *expanded = NULL;
        unsigned access = CGROUP_ACCESS_ALL;
        static const char expected[] = "/dev/NAME, char-NAME or block-NAME, and letters of r, w and m";
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        if (text_split_words(value, &words) < 0 || !words.count || words.count > 2 || (words.count == 2 && parse_access(words.items[1], &access) < 0))
                return directive_bad_value(e, value, expected);
        int k = specifier_expand(words.items[0], r->facts, &expanded, e);
        if (k < 0)
                return k;
        if (path_normalize(expanded, &what) < 0 && (text_starts(expanded, "char-") || text_starts(expanded, "block-")) && strchr(expanded, '-')[1])
                what = xstrdup(expanded);
        if (!what || (*what == '/' && !text_starts(what, "/dev/")) || strchr(what, '\n'))
                return directive_bad_value(e, value, expected);
        directive_add_value(r, xprintf("%u\n%s", access, what));
        return 0;
}

int directive_compile_device(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_resources *r = &p->resources;
        (void)s, (void)facts, (void)e;
        for (size_t i = 0; i < v->count; i++) {
                char *what;
                unsigned access = (unsigned)strtoul(v->list[i].text, &what, 10);
                r->rules = xgrow(r->rules, &r->rule_room, r->rule_count + 1, sizeof *r->rules);
                r->rules[r->rule_count++] = (struct plan_device_rule){ xstrdup(what + 1), access, v->list[i].origin };
        }
        return 0;
}

bool plan_resources_close_devices(const struct plan_resources *r)
{
        return r->device_policy != PLAN_DEVICES_AUTO || r->rule_count;
}

void plan_resources_done(struct plan_resources *r)
{
        for (size_t i = 0; i < r->io_count; i++)
                free(r->io[i].path);
        for (size_t i = 0; i < r->rule_count; i++)
                free(r->rules[i].what);
        free(r->io);
        free(r->rules);
        free(r->cpus);
        free(r->memory_nodes);
        plan_delegation_done(&r->delegation);
}
