/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about privileges: capabilities, secure bits, keyrings. */
#include <string.h>
#include <strings.h>

#include "os/capability.h"
#include "plan/directive_internal.h"

/*
 * A capability mask.  Assignments merge as in a unit file, on the command line too: plain lines add, "~" lines
 * take away; the first line replaces the initial set; an empty line empties; a lone "~" fills.
 */
static int read_capability_set(const struct reader *r, const char *value, uint64_t initial, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        bool invert = *value == '~';
        uint64_t mask = 0, all = r->facts->capabilities;
        if (text_split_words(value + invert, &words) < 0)
                return directive_bad_value(e, value, "capability names");
        for (size_t i = 0; i < words.count; i++) {
                unsigned n;
                if (capability_parse(words.items[i], &n) < 0) {
                        if (!r->all->lenient) {
                                error_set(e, EINVAL, "directive.capability", "unknown capability \"%.80s\"", words.items[i]);
                                error_hint(e, "names are as in capabilities(7), such as CAP_NET_BIND_SERVICE");
                                return -EINVAL;
                        }
                        strings_take(&r->all->notes, xprintf("%s: unknown capability %s ignored", r->origin, words.items[i]));
                        continue;
                }
                mask |= UINT64_C(1) << n;
        }
        uint64_t had = r->v->set ? r->v->number : initial;
        bool first = !r->v->set || had == initial;
        const char *before = words.count && !first ? r->v->origin : NULL;
        if (!words.count)
                directive_set_number(r, invert ? all : 0);
        else if (invert)
                directive_set_number(r, (first ? all : had) & ~mask);
        else
                directive_set_number(r, (first ? 0 : had) | (mask & all));
        if (before)
                r->v->origin = directive_join_origins(r->all, before, r->origin);
        return 0;
}

READER_OF_SIBLING(directive_read_capabilities)
{
        return read_capability_set(r, value, r->facts->capabilities, e);
}

READER_OF_SIBLING(directive_read_ambient)
{
        return read_capability_set(r, value, 0, e);
}

static const struct {
        const char *name;
        unsigned bit;
} secure_bits[] = {
        { "noroot", 0 },         { "noroot-locked", 1 },    { "no-setuid-fixup", 2 },      { "no-setuid-fixup-locked", 3 },
        { "keep-caps", 4 },      { "keep-caps-locked", 5 }, { "no-cap-ambient-raise", 6 }, { "no-cap-ambient-raise-locked", 7 },
        { "exec-restrict-file", 8 }, { "exec-restrict-file-locked", 9 }, { "exec-deny-interactive", 10 }, { "exec-deny-interactive-locked", 11 },
};

static int find_secure_bit(const char *name, uint64_t *ret)
{
        for (size_t i = 0; i < ELEMENTS(secure_bits); i++)
                if (text_equal(secure_bits[i].name, name)) {
                        *ret = UINT64_C(1) << secure_bits[i].bit;
                        return 0;
                }
        return -EINVAL;
}

READER_OF_SIBLING(directive_read_secure_bits)
{
        uint64_t bits;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = directive_read_bits(r, value, find_secure_bit, "keep-caps, no-setuid-fixup, noroot, no-cap-ambient-raise, exec-restrict-file, "
                          "exec-deny-interactive, each with -locked too", &bits, e);
        if (k == 0)
                directive_merge_number(r, true, (r->v->set ? r->v->number : 0) | bits);
        return k;
}

COMPILER_OF_SIBLING(directive_compile_capabilities)
{
        p->bounding &= v->number;
        p->bounding_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_no_new_privileges)
{
        p->no_new_privileges = v->number;
        p->no_new_privileges_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_ambient)
{
        p->ambient = v->number;
        p->ambient_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_secure_bits)
{
        p->secure_bits = (unsigned)v->number;
        p->secure_bits_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_keyring_mode)
{
        p->keyring = PLAN_KEYRING_INHERIT + (enum plan_keyring)v->number;
        p->keyring_origin = v->origin;
        return 0;
}

const char *directive_secure_bit(unsigned bit)
{
        return bit < ELEMENTS(secure_bits) ? secure_bits[bit].name : NULL;
}
