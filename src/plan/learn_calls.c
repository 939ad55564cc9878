/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System calls: the list of those that were made, in groups where a group was made whole. */
#include <errno.h>
#include <string.h>

#include "plan/filter.h"
#include "plan/learn_internal.h"
#include "plan/syscalls.h"

enum { GROUP_DEPTH_MAX = 8, LINE_MAX_WORDS = 16 };

/* All it ever got was EPERM, which is what the filter will say. */
static bool only_refused(const struct observed_call *c)
{
        bool other = false;
        for (size_t i = 0; i < ELEMENTS(c->errors); i++)
                other |= (c->errors[i] & ~(i == EPERM / 64 ? 1ULL << EPERM % 64 : 0)) != 0;
        return !c->succeeded && !other && c->errors[EPERM / 64] >> EPERM % 64 & 1;
}

/* For each known member of a group, and of groups in it: how many there are, and how many of them are in names. */
static void count_members(const struct syscall_group *g, const struct strings *names, unsigned depth, size_t *all, size_t *seen)
{
        if (depth >= GROUP_DEPTH_MAX)
                return;
        FOR_EACH_MEMBER(m, g) {
                const struct syscall_group *inner = *m == '@' ? syscall_group_find(m) : NULL;
                int nr;
                if (inner)
                        count_members(inner, names, depth + 1, all, seen);
                else if (*m != '@' && filter_call_number(m, &nr) && nr >= 0) {
                        ++*all;
                        *seen += strings_has(names, m);
                }
        }
}

static bool in_group(const struct syscall_group *g, const char *name, unsigned depth)
{
        if (!g || depth >= GROUP_DEPTH_MAX)
                return false;
        FOR_EACH_MEMBER(m, g)
                if (*m == '@' ? in_group(syscall_group_find(m), name, depth + 1) : text_equal(m, name))
                        return true;
        return false;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "@x, @y": groups of which nothing was used, that tell a reader most. */
static void add_unused(const struct strings *names, struct text *t)
{
        static const char *const telling[] = { "@clock", "@debug", "@keyring", "@module", "@mount", "@network-io", "@privileged", "@raw-io",
                                               "@reboot", "@setuid", "@swap" };
        for (size_t i = 0; i < ELEMENTS(telling); i++) {
                const struct syscall_group *g = syscall_group_find(telling[i]);
                size_t all = 0, seen = 0;
                if (g)
                        count_members(g, names, 0, &all, &seen);
                if (g && all && !seen)
                        text_addf(t, "%s%s", t->length ? ", " : "", telling[i]);
        }
}

/* The words of the filter: whole groups, then what is in none of them and not allowed to everybody. */
static void choose_words(const struct strings *names, struct strings *ret)
{
        const struct syscall_group *everybody = syscall_group_find("@default"), *g;
        for (size_t i = 0; (g = syscall_group_at(i)); i++) {
                size_t all = 0, seen = 0;
                count_members(g, names, 0, &all, &seen);
                if (g != everybody && all > 1 && seen == all)
                        strings_add(ret, g->name);
        }
        size_t groups = ret->count;
        for (size_t i = 0; i < names->count; i++) {
                bool have = in_group(everybody, names->items[i], 0);
                for (size_t k = 0; !have && k < groups; k++)
                        have = in_group(syscall_group_find(ret->items[k]), names->items[i], 0);
                if (!have)
                        strings_add(ret, names->items[i]);
        }
}

static const struct {
        const char *call, *older;
} older[] = { { "clone3", "clone" }, { "openat2", "openat" }, { "sched_setattr", "sched_setscheduler" }, { "fchmodat2", "fchmodat" } };

void learn_calls(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        CLEAN_STRINGS struct strings names = { 0 }, words = { 0 };
        CLEAN_TEXT struct text unused = { 0 }, line = { 0 };
        bool foreign = false, complete = o->lost == 0;
        for (size_t i = 0; i < o->call_count; i++) {
                const struct observed_call *c = &o->calls[i];
                int nr;
                foreign |= c->foreign;
                if (only_refused(c) || strings_has(&names, c->name))
                        continue;
                if (filter_call_number(c->name, &nr))
                        strings_add(&names, c->name);
                else
                        complete = false;
        }
        /* Directives that look at arguments hide a call whose arguments lie in memory; its older form then takes its place. */
        for (size_t i = 0; i < ELEMENTS(older); i++)
                if (strings_has(&names, older[i].call) && !strings_has(&names, older[i].older))
                        strings_add(&names, older[i].older);
        if (!foreign && !learn_given(f, "SystemCallArchitectures"))
                learn_assign(learn_row(l, "SystemCallArchitectures", "made calls of the machine's own architecture only"), "SystemCallArchitectures", "native");
        if (!complete || !names.count)
                return;
        qsort(names.items, names.count, sizeof *names.items, compare);
        choose_words(&names, &words);
        add_unused(&names, &unused);
        struct learned_row *row = learn_row(l, "SystemCallFilter", "%zu different system calls%s%s", names.count, unused.length ? ", none of " : "",
                                            unused.length ? unused.data : "");
        learn_assign(row, "SystemCallFilter", "");
        for (size_t i = 0; i < words.count; i++) {
                text_addf(&line, "%s%s", line.length ? " " : "", words.items[i]);
                if ((i + 1) % LINE_MAX_WORDS == 0 || i + 1 == words.count) {
                        learn_assign(row, "SystemCallFilter", line.data);
                        text_clear(&line);
                }
        }
        if (!words.count)
                learn_assign(row, "SystemCallFilter", "@default");
        learn_assign(row, "SystemCallErrorNumber", "EPERM");
}
