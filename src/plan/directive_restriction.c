/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about system calls: filters, and what single calls may ask for. */
#include <sched.h>
#include <string.h>

#include "plan/directive_internal.h"

/* The types that may be made: the first line sets, plain ones add, "~" ones take away; a boolean stands for all or none. */
READER_OF_SIBLING(directive_read_namespaces)
{
        static const char expected[] = "a boolean, or some of cgroup, ipc, net, mnt, pid, user, uts, time, with an optional ~ before them";
        bool none, invert = *value == '~';
        uint64_t bits, had = r->v->set ? r->v->number : invert ? RESTRICTION_NAMESPACES_ALL : 0;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (text_parse_bool(value, &none) == 0) {
                directive_set_number(r, none ? 0 : RESTRICTION_NAMESPACES_ALL);
                return 0;
        }
        int k = directive_read_bits(r, value + invert, restriction_namespace, expected, &bits, e);
        if (k == 0)
                directive_merge_number(r, true, invert ? had & ~bits : had | bits);
        return k;
}

/* Of the number of RestrictAddressFamilies=, beside the families. */
#define FAMILIES_ALLOWED (UINT64_C(1) << 63) /* a list of what is allowed */
#define FAMILIES_LISTED (UINT64_C(1) << 62)  /* there was a line with families */

/* The first line with families decides which kind of list it is; "none" is one of what is allowed, and empty. */
READER_OF_SIBLING(directive_read_families)
{
        bool invert = *value == '~', none = text_equal(value, "none");
        uint64_t bits = 0, had = r->v->set ? r->v->number : 0;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = none ? 0 : directive_read_bits(r, value + invert, restriction_family, "address families such as AF_UNIX, with an optional ~ before them, or none", &bits, e);
        if (k < 0)
                return k;
        if (none)
                had = FAMILIES_ALLOWED;
        else if (!(had & FAMILIES_LISTED))
                had = FAMILIES_LISTED | (invert ? 0 : FAMILIES_ALLOWED);
        bool adds = invert != !!(had & FAMILIES_ALLOWED);
        directive_merge_number(r, !none, adds ? had | bits : had & ~bits);
        return 0;
}

READER_OF_SIBLING(directive_read_architectures)
{
        uint64_t bits;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = directive_read_bits(r, value, restriction_architecture, "architectures such as native, x86, x86-64, x32, arm, arm64", &bits, e);
        if (k == 0)
                directive_merge_number(r, true, (r->v->set ? r->v->number : 0) | bits);
        return k;
}

/* Filter lines are kept as they are; the compiler reads them in order. */
READER_OF_SIBLING(directive_read_filter)
{
        (void)e;
        if (!*value)
                directive_reset_list(r->v);
        else
                directive_add_value(r, xstrdup(value));
        return 0;
}

READER_OF_SIBLING(directive_read_errno)
{
        int n = FILTER_KILL;
        if (*value && !text_equal(value, "kill") && errno_parse(value, &n) < 0)
                return directive_bad_value(e, value, "an errno name or number from 1 to 4095, or kill");
        directive_set_number(r, (uint64_t)(int64_t)n);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_restrict_suid_sgid)
{
        p->restrict_suid_sgid = v->number;
        p->restrict_suid_sgid_origin = v->origin;
        return 0;
}

static void restrict_by(struct plan *p, enum restriction_kind kind, uint64_t mask, bool allow_list, const char *origin)
{
        p->restrictions[kind] = (struct plan_restriction){ true, { kind, mask, allow_list }, origin };
}

COMPILER_OF_SIBLING(directive_compile_restrict_namespaces)
{
        if (v->number != RESTRICTION_NAMESPACES_ALL)
                restrict_by(p, RESTRICTION_NAMESPACES, v->number, true, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_restrict_realtime)
{
        if (v->number)
                restrict_by(p, RESTRICTION_REALTIME, 0, false, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_lock_personality)
{
        if (v->number)
                restrict_by(p, RESTRICTION_PERSONALITY, 0, false, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_restrict_families)
{
        bool allow_list = v->number & FAMILIES_ALLOWED;
        uint64_t mask = v->number & ~(FAMILIES_ALLOWED | FAMILIES_LISTED);
        if (allow_list || mask)
                restrict_by(p, RESTRICTION_FAMILIES, mask, allow_list, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_architectures)
{
        restrict_by(p, RESTRICTION_ARCHITECTURES, v->number, true, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_deny_write_execute)
{
        if (v->number)
                restrict_by(p, RESTRICTION_MEMORY, 0, false, v->origin);
        return 0;
}

/* All lines of a directive, and the words that name them. */
static int read_lines(const struct settings *s, const struct setting *v, struct plan *p, struct filter *f, const char **ret_origin, struct error *e)
{
        for (size_t i = 0; i < v->count; i++) {
                int r = filter_add(f, v->list[i].text, s->lenient, &p->notes, e);
                if (r < 0)
                        return error_while(e, "reading %s", v->list[i].origin);
        }
        *ret_origin = v->list[0].origin;
        for (size_t i = 1; i < v->count; i++)
                *ret_origin = plan_keep(p, xprintf("%.400s, %s", *ret_origin, v->list[i].origin));
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_log)
{
        p->log_filter.logs = true;
        return read_lines(s, v, p, &p->log_filter, &p->log_origin, e);
}

COMPILER_OF_SIBLING(directive_compile_filter)
{
        int r = read_lines(s, v, p, &p->filter, &p->filter_origin, e);
        if (r < 0)
                return r;
        const struct setting *error = &s->of[D_SYSTEM_CALL_ERROR_NUMBER];
        p->filter.default_error = error->set ? (int)(int64_t)error->number : FILTER_KILL;
        if (error->set)
                p->filter_origin = plan_keep(p, xprintf("%.400s, %s", p->filter_origin, error->origin));
        return 0;
}
