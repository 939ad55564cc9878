/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/profile.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>

#include "base/mutant.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The usual ones first: they are looked for from the start. */
const struct profile_word profile_actions[] = {
        { "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
        { "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
        { "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
        { "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
        { "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
        { "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
        { "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
        { "SCMP_ACT_LOG", SECCOMP_RET_LOG },
        { "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF },
        { 0 },
};

const struct profile_word profile_operators[] = {
        { "SCMP_CMP_NE", PROFILE_NE },
        { "SCMP_CMP_LT", PROFILE_LT },
        { "SCMP_CMP_LE", PROFILE_LE },
        { "SCMP_CMP_EQ", PROFILE_EQ },
        { "SCMP_CMP_GE", PROFILE_GE },
        { "SCMP_CMP_GT", PROFILE_GT },
        { "SCMP_CMP_MASKED_EQ", PROFILE_MASKED_EQ },
        { 0 },
};

const struct profile_word profile_architectures[] = {
        { "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
        { "SCMP_ARCH_X86", SCMP_ARCH_X86 },
        { "SCMP_ARCH_X32", SCMP_ARCH_X32 },
        { "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
        { "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
        { "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
        { "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
        { "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
        { "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
        { "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
        { "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
        { "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
        { "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
        { "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
        { "SCMP_ARCH_S390", SCMP_ARCH_S390 },
        { "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
        { "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
        { "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
        { "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
        { "SCMP_ARCH_LOONGARCH64", 0 },
        { "SCMP_ARCH_M68K", 0 },
        { "SCMP_ARCH_SH", 0 },
        { "SCMP_ARCH_SHEB", 0 },
        { 0 },
};

const struct profile_word profile_flags[] = {
        { "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
        { "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
        { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
        { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
        { 0 },
};

/*
 * The tables of calls that a process here can reach.  Architectures beyond these never show in seccomp_data, and so
 * need no instructions.  oldest_new: no call up to here is new, being in Linux 4.0, which came with the first
 * profiles.  Calls from gap_first to gap_last have high numbers for other reasons than their age.
 */
enum { X32_BIT = 0x40000000 };
static const struct table {
        uint32_t native; /* SCMP_ARCH_* of the machine */
        uint32_t arch;   /* SCMP_ARCH_* of the table */
        uint32_t audit;  /* as in seccomp_data */
        uint32_t bit;    /* set in all its numbers */
        bool is_short;   /* its arguments have 32 bits */
        uint32_t oldest_new, gap_first, gap_last;
} tables[] = {
        { SCMP_ARCH_X86_64, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0, false, 322, 0, 0 },
        { SCMP_ARCH_X86_64, SCMP_ARCH_X32, AUDIT_ARCH_X86_64, X32_BIT, false, X32_BIT | 322, X32_BIT | 512, X32_BIT | 547 },
        { SCMP_ARCH_X86_64, SCMP_ARCH_X86, AUDIT_ARCH_I386, 0, true, 358, 0, 0 },
        { SCMP_ARCH_AARCH64, SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0, false, 281, 0, 0 },
        { SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0, true, 387, 0x0f0000, 0x0f00ff },
};

/*
 * A rule that is translated here and not by libseccomp: all those of calls that are younger than it, and of calls that
 * have a rule with conditions.  Its trees of conditions do not end for some sets of rules (seen with 2.5.4: the addition
 * of a rule never returned).
 */
struct own_rule {
        const char *name;
        uint32_t action;
        const struct profile_arg *args;
        size_t count;
};

/*
 * Each table has a context of its own until all rules are in.  In one context for all, libseccomp enters a call also for
 * the tables that lack it, and where such an entry comes first it leaves out the load of the call's number: then no rule
 * of that table holds (seen with 2.5.4, x86-64 together with x32).
 */
struct compiler {
        const struct profile *profile;
        scmp_filter_ctx contexts[ELEMENTS(tables)]; /* NULL: not used */
        size_t rule_counts[ELEMENTS(tables)];
        const char **conditional; /* sorted: the calls that have a rule with conditions */
        size_t conditional_count, conditional_room;
        struct own_rule *own;
        size_t own_count, own_room;
        struct sock_filter *front; /* instructions before libseccomp's */
        size_t front_count, front_room;
        struct strings *notes;
};

static void compiler_done(struct compiler *c)
{
        for (size_t i = 0; i < ELEMENTS(tables); i++)
                if (c->contexts[i])
                        seccomp_release(c->contexts[i]);
        free(c->conditional);
        free(c->own);
        free(c->front);
}

/* ---- profiles ---- */

void profile_free(struct profile *p)
{
        if (!p)
                return;
        for (size_t i = 0; i < p->rule_count; i++) {
                strings_clear(&p->rules[i].names);
                free(p->rules[i].args);
        }
        free(p->rules);
        free(p->listener_path);
        free(p->listener_metadata);
        free(p);
}

void profile_program_clear(struct profile_program *p)
{
        filter_program_clear(&p->filter);
        strings_clear(&p->notes);
        p->flags = 0;
}

static void describe_number(struct text *t, uint64_t n)
{
        text_add_bytes(t, (const char *)&n, sizeof n);
}

void profile_describe(const struct profile *p, struct text *t)
{
        describe_number(t, p->default_action);
        describe_number(t, p->architectures);
        describe_number(t, p->flags);
        describe_number(t, p->rule_count);
        for (size_t i = 0; i < p->rule_count; i++) {
                const struct profile_rule *r = &p->rules[i];
                describe_number(t, r->action);
                describe_number(t, r->arg_count);
                if (r->arg_count)
                        text_add_bytes(t, (const char *)r->args, r->arg_count * sizeof *r->args);
                describe_number(t, r->names.count);
                for (size_t j = 0; j < r->names.count; j++)
                        text_add_bytes(t, r->names.items[j], strlen(r->names.items[j]) + 1);
        }
}

bool profile_notifies(const struct profile *p)
{
        for (size_t i = 0; i < p->rule_count; i++)
                if (p->rules[i].action == SECCOMP_RET_USER_NOTIF)
                        return true;
        return false;
}

static bool lists(const struct profile *p, uint32_t arch)
{
        for (size_t i = 0; profile_architectures[i].name; i++)
                if (profile_architectures[i].value == arch)
                        return p->architectures & UINT64_C(1) << i;
        return false;
}

static bool uses(const struct profile *p, const struct table *t)
{
        return t->native == seccomp_arch_native() && (t->arch == t->native || lists(p, t->arch));
}

/* ---- rules ---- */

static bool shares_argument(const struct profile_rule *r)
{
        unsigned seen = 0;
        for (size_t i = 0; i < r->arg_count; i++) {
                if (seen & 1U << r->args[i].index)
                        return true;
                seen |= 1U << r->args[i].index;
        }
        return false;
}

static bool same_text(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}

/* Only MASKED_EQ has a second value. */
static bool same_conditions(const struct own_rule *a, const struct own_rule *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++) {
                const struct profile_arg *x = &a->args[i], *y = &b->args[i];
                if (x->index != y->index || x->op != y->op || x->value != y->value ||
                    (x->op == PROFILE_MASKED_EQ && x->value_two != y->value_two))
                        return false;
        }
        return true;
}

/* Each makes instructions: beyond the most that a program has, no search among them is worth its time. */
static int add_own(struct compiler *c, const char *name, uint32_t action, const struct profile_arg *args, size_t count)
{
        struct own_rule rule = { name, action, args, count };
        for (size_t i = 0; i < c->own_count; i++) {
                const struct own_rule *other = &c->own[i];
                if (same_text(other->name, name) && same_conditions(other, &rule))
                        return other->action == action || !count ? 0 : -EEXIST;
        }
        if (c->own_count == BPF_MAXINSNS)
                return -E2BIG;
        c->own = xgrow(c->own, &c->own_room, c->own_count + 1, sizeof *c->own);
        c->own[c->own_count++] = rule;
        return 0;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_conditional(struct compiler *c)
{
        for (size_t i = 0; i < c->profile->rule_count; i++) {
                const struct profile_rule *rule = &c->profile->rules[i];
                for (size_t j = 0; rule->arg_count && rule->action != c->profile->default_action && j < rule->names.count; j++) {
                        c->conditional = xgrow(c->conditional, &c->conditional_room, c->conditional_count + 1, sizeof *c->conditional);
                        c->conditional[c->conditional_count++] = rule->names.items[j];
                }
        }
        if (c->conditional_count)
                qsort(c->conditional, c->conditional_count, sizeof *c->conditional, compare_names);
}

static bool is_conditional(const struct compiler *c, const char *name)
{
        return c->conditional_count &&
               bsearch(&name, c->conditional, c->conditional_count, sizeof *c->conditional, compare_names);
}

/* libseccomp's numbers from here down mean that a table lacks the call; those above, that it is behind a multiplexer. */
enum { NOT_IN_TABLE = -10000 };

static bool has_call(const struct table *t, const char *name)
{
        int nr = seccomp_syscall_resolve_name_arch(t->arch, name);
        return nr >= 0 || (t->arch == SCMP_ARCH_X86 && nr > NOT_IN_TABLE);
}

/* A call that no table in use has is another machine's: there is nothing to filter. */
static int add_known(struct compiler *c, const char *name, int nr, uint32_t action)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTS(tables); i++) {
                if (!c->contexts[i] || !has_call(&tables[i], name))
                        continue;
                c->rule_counts[i]++;
                r = seccomp_rule_add_array(c->contexts[i], action, nr, 0, NULL);
        }
        return r;
}

static int add_own_rule(struct compiler *c, const char *name, const struct profile_rule *rule)
{
        int r = 0;
        if (!shares_argument(rule))
                return add_own(c, name, rule->action, rule->args, rule->arg_count);
        for (size_t i = 0; r == 0 && i < rule->arg_count; i++)
                r = add_own(c, name, rule->action, &rule->args[i], 1);
        return r;
}

static int add_name(struct compiler *c, const struct profile_rule *rule, const char *name)
{
        int nr = seccomp_syscall_resolve_name(name), young;
        if (nr == __NR_SCMP_ERROR && !filter_call_number(name, &young)) {
                strings_take(c->notes, xprintf("the system call \"%s\" of the profile is unknown here and was passed over", name));
                return 0;
        }
        if (nr == __NR_SCMP_ERROR || is_conditional(c, name))
                return add_own_rule(c, name, rule);
        return add_known(c, name, nr, rule->action);
}

static int refuse_rule(size_t index, const char *name, int r, struct error *e)
{
        if (r != -EEXIST)
                return error_errno(e, r, "seccomp.compile", "adding \"%s\" of /linux/seccomp/syscalls/%zu to a system call filter",
                                   name, index);
        return error_set(e, EINVAL, "seccomp.contradiction",
                         "/linux/seccomp/syscalls/%zu gives \"%s\" another action than an earlier rule with the same conditions",
                         index, name);
}

static int add_rules(struct compiler *c, struct error *e)
{
        find_conditional(c);
        for (size_t i = 0; i < c->profile->rule_count; i++) {
                const struct profile_rule *rule = &c->profile->rules[i];
                for (size_t j = 0; rule->action != c->profile->default_action && j < rule->names.count; j++) {
                        int r = add_name(c, rule, rule->names.items[j]);
                        if (r < 0)
                                return refuse_rule(i, rule->names.items[j], r, e);
                }
        }
        return 0;
}

/* ---- instructions before libseccomp's ---- */

static size_t emit(struct compiler *c, struct sock_filter code)
{
        c->front = xgrow(c->front, &c->front_room, c->front_count + 1, sizeof *c->front);
        c->front[c->front_count] = code;
        return c->front_count++;
}

#define LOAD(offset) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset))
#define MASK(k) ((struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, k))
#define RETURN(action) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action))
#define JUMP(how, k, jt, jf) ((struct sock_filter)BPF_JUMP(BPF_JMP | (how) | BPF_K, k, jt, jf))

/* A jump of any length, to be aimed later. */
static size_t emit_jump(struct compiler *c)
{
        return emit(c, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
}

static void aim_here(struct compiler *c, size_t jump)
{
        c->front[jump].k = (uint32_t)(c->front_count - jump - 1);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the halves of an argument are for little endian"
#endif
#define LOW_HALF(n) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n))
#define HIGH_HALF(n) (LOW_HALF(n) + 4)

/* Where a jump leaves when its condition does not hold: aimed at the end of the rule. */
enum { FAIL = 255 };

/*
 * The comparison of one argument, in halves: high decides, and low where high is equal.  Each row lists, for the two
 * tests of the high half and the one of the low half, where to go on; the low half's block is two instructions long.
 */
static const struct comparison {
        uint16_t high_how; /* 0: no such test */
        uint8_t high_jt, high_jf;
        uint8_t equal_jt, equal_jf; /* the high halves being equal */
        uint16_t low_how;
        uint8_t low_jt, low_jf;
} comparisons[] = {
        [PROFILE_EQ] = { 0, 0, 0, 0, FAIL, BPF_JEQ, 0, FAIL },
        [PROFILE_NE] = { 0, 0, 0, 0, 2, BPF_JEQ, FAIL, 0 },
        [PROFILE_GT] = { BPF_JGT, 3, 0, 0, FAIL, BPF_JGT, 0, FAIL },
        [PROFILE_GE] = { BPF_JGT, 3, 0, 0, FAIL, BPF_JGE, 0, FAIL },
        [PROFILE_LE] = { BPF_JGT, FAIL, 0, 0, 2, BPF_JGT, FAIL, 0 },
        [PROFILE_LT] = { BPF_JGT, FAIL, 0, 0, 2, BPF_JGE, FAIL, 0 },
};

static void emit_masked(struct compiler *c, const struct profile_arg *a)
{
        uint64_t wanted = a->value_two & a->value;
        emit(c, LOAD(HIGH_HALF(a->index)));
        emit(c, MASK((uint32_t)(a->value >> 32)));
        emit(c, JUMP(BPF_JEQ, (uint32_t)(wanted >> 32), 0, FAIL));
        emit(c, LOAD(LOW_HALF(a->index)));
        emit(c, MASK((uint32_t)a->value));
        emit(c, JUMP(BPF_JEQ, (uint32_t)wanted, 0, FAIL));
}

/* Where arguments have 32 bits, so have the values: -1 is meant as such, though it is written with 64 bits. */
static void emit_condition(struct compiler *c, const struct table *t, const struct profile_arg *written)
{
        struct profile_arg cut = *written, *a = &cut;
        if (t->is_short) {
                cut.value = (uint32_t)cut.value;
                cut.value_two = (uint32_t)cut.value_two;
        }
        if (a->op == PROFILE_MASKED_EQ) {
                emit_masked(c, a);
                return;
        }
        const struct comparison *how = &comparisons[a->op];
        uint32_t high = (uint32_t)(a->value >> 32);
        emit(c, LOAD(HIGH_HALF(a->index)));
        if (how->high_how)
                emit(c, JUMP(how->high_how, high, how->high_jt, how->high_jf));
        if (!MUTANT("seccomp-low-half"))
                emit(c, JUMP(BPF_JEQ, high, how->equal_jt, how->equal_jf));
        emit(c, LOAD(LOW_HALF(a->index)));
        emit(c, JUMP(how->low_how, (uint32_t)a->value, how->low_jt, how->low_jf));
}

/* skip: the argument that a multiplexer has its own use for, or PROFILE_ARGS_MAX. */
static void emit_own_rule(struct compiler *c, const struct table *t, const struct own_rule *rule, uint32_t skip)
{
        size_t start = c->front_count;
        for (size_t i = 0; i < rule->count; i++)
                if (rule->args[i].index != skip)
                        emit_condition(c, t, &rule->args[i]);
        emit(c, RETURN(rule->action));
        /* At most 6 arguments of 6 instructions: the end is always in reach. */
        for (size_t i = start; i < c->front_count; i++) {
                struct sock_filter *code = &c->front[i];
                uint8_t distance = (uint8_t)(c->front_count - i - 1);
                if (BPF_CLASS(code->code) != BPF_JMP)
                        continue;
                code->jt = code->jt == FAIL ? distance : code->jt;
                code->jf = code->jf == FAIL ? distance : code->jf;
        }
}

static const struct own_rule *without_conditions(const struct compiler *c, const char *name)
{
        for (size_t i = 0; i < c->own_count; i++)
                if (!c->own[i].count && same_text(c->own[i].name, name))
                        return &c->own[i];
        return NULL;
}

static bool is_first(const struct compiler *c, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (same_text(c->own[i].name, c->own[index].name))
                        return false;
        return true;
}

/* What to do for a call whose first own rule is at index. */
static void emit_own_rules(struct compiler *c, const struct table *t, size_t first, uint32_t skip)
{
        const struct own_rule *always = without_conditions(c, c->own[first].name);
        for (size_t i = first; !always && i < c->own_count && c->front_count <= BPF_MAXINSNS; i++)
                if (same_text(c->own[i].name, c->own[first].name))
                        emit_own_rule(c, t, &c->own[i], skip);
        emit(c, RETURN(always ? always->action : c->profile->default_action));
}

/* The accumulator holds the number, and does so after, where it is another one. */
static void emit_own_call(struct compiler *c, const struct table *t, uint32_t nr, size_t first)
{
        emit(c, JUMP(BPF_JEQ, nr, 1, 0));
        size_t other = emit_jump(c);
        emit_own_rules(c, t, first, PROFILE_ARGS_MAX);
        aim_here(c, other);
}

/*
 * On i386 many calls go through one of two, which take the number of the real one as their first argument, and the real
 * one's arguments where a filter cannot see them: as with libseccomp, a condition on the first argument counts as met.
 */
static const struct multiplexer {
        const char *name;
        int nr, base; /* libseccomp's number of a call is -(base + its number) */
} multiplexers[] = { { "socketcall", 102, 100 }, { "ipc", 117, 200 } };

/* The multiplexed calls that have numbers of their own too, since Linux 4.3 and 5.1. */
static const struct direct_call {
        const char *name;
        uint32_t nr;
} direct_calls[] = {
        { "socket", 359 },     { "socketpair", 360 },  { "bind", 361 },        { "connect", 362 },     { "listen", 363 }, { "accept4", 364 },
        { "getsockopt", 365 }, { "setsockopt", 366 },  { "getsockname", 367 }, { "getpeername", 368 }, { "sendto", 369 }, { "sendmsg", 370 },
        { "recvfrom", 371 },   { "recvmsg", 372 },     { "shutdown", 373 },    { "semget", 393 },      { "semctl", 394 }, { "shmget", 395 },
        { "shmctl", 396 },     { "shmat", 397 },       { "shmdt", 398 },       { "msgget", 399 },      { "msgsnd", 400 }, { "msgrcv", 401 },
        { "msgctl", 402 },
};

/* A rule for a multiplexer as a whole takes precedence over those of its calls. */
static bool is_named_whole(const struct profile *p, const char *name)
{
        for (size_t i = 0; i < p->rule_count; i++)
                if (!p->rules[i].arg_count && p->rules[i].action != p->default_action && strings_has(&p->rules[i].names, name))
                        return true;
        return false;
}

static void emit_multiplexed(struct compiler *c, const struct table *t, int number, size_t first)
{
        const struct multiplexer *m = &multiplexers[number <= -multiplexers[1].base];
        if (is_named_whole(c->profile, m->name))
                return;
        emit(c, JUMP(BPF_JEQ, (uint32_t)m->nr, 1, 0));
        size_t other = emit_jump(c);
        emit(c, LOAD(LOW_HALF(0)));
        emit(c, JUMP(BPF_JEQ, (uint32_t)(-number - m->base), 2, 0));
        emit(c, LOAD(offsetof(struct seccomp_data, nr)));
        size_t other_call = emit_jump(c);
        emit_own_rules(c, t, first, 0);
        aim_here(c, other);
        aim_here(c, other_call);
}

/* The number of a call in a table; negative: none, or behind a multiplexer. */
static int number_in(const struct table *t, const char *name)
{
        int nr = seccomp_syscall_resolve_name_arch(t->arch, name);
        if (nr == __NR_SCMP_ERROR && filter_call_number(name, &nr))
                return (int)((uint32_t)nr | t->bit);
        return nr;
}

static int direct_number(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(direct_calls); i++)
                if (same_text(direct_calls[i].name, name))
                        return (int)direct_calls[i].nr;
        return -1;
}

static void emit_own(struct compiler *c, const struct table *t, size_t first)
{
        const char *name = c->own[first].name;
        int nr = number_in(t, name);
        if (nr >= 0) {
                emit_own_call(c, t, (uint32_t)nr, first);
                return;
        }
        if (!has_call(t, name))
                return;
        emit_multiplexed(c, t, nr, first);
        if ((nr = direct_number(name)) >= 0)
                emit_own_call(c, t, (uint32_t)nr, first);
}

static bool default_denies(const struct profile *p)
{
        static const uint32_t lenient[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF };
        for (size_t i = 0; i < ELEMENTS(lenient); i++)
                if ((p->default_action & SECCOMP_RET_ACTION_FULL) == lenient[i])
                        return false;
        return true;
}

static uint32_t newest_named(const struct profile *p, const struct table *t)
{
        uint32_t newest = t->oldest_new;
        for (size_t i = 0; i < p->rule_count; i++) {
                for (size_t j = 0; j < p->rules[i].names.count; j++) {
                        const char *name = p->rules[i].names.items[j];
                        int nr = number_in(t, name);
                        if (nr < 0 && t->arch == SCMP_ARCH_X86)
                                nr = direct_number(name);
                        bool in_gap = t->gap_last && nr >= (int)t->gap_first;
                        if (nr > (int)newest && !in_gap)
                                newest = (uint32_t)nr;
                }
        }
        return newest;
}

static void emit_newer(struct compiler *c, const struct table *t)
{
        uint32_t newest = newest_named(c->profile, t);
        if (t->gap_last) {
                emit(c, JUMP(BPF_JGT, newest, 0, 3));
                emit(c, JUMP(BPF_JGE, t->gap_first, 0, 1));
                emit(c, JUMP(BPF_JGT, t->gap_last, 0, 1));
        } else {
                emit(c, JUMP(BPF_JGT, newest, 0, 1));
        }
        emit(c, RETURN(SECCOMP_RET_ERRNO | ENOSYS));
}

/* Returns the jump to libseccomp's program. */
static size_t emit_table(struct compiler *c, const struct table *t)
{
        for (size_t i = 0; i < c->own_count && c->front_count <= BPF_MAXINSNS; i++)
                if (is_first(c, i))
                        emit_own(c, t, i);
        if (default_denies(c->profile) && !MUTANT("seccomp-no-enosys"))
                emit_newer(c, t);
        return emit_jump(c);
}

static bool restricts_ipc_call(const struct profile *p)
{
        for (size_t i = 0; i < p->rule_count; i++)
                for (size_t j = 0; p->rules[i].action != p->default_action && j < p->rules[i].names.count; j++)
                        if (filter_is_ipc_call(p->rules[i].names.items[j]))
                                return true;
        return false;
}

/* Where what is not named is allowed, no version of a call may go unnamed. */
static void emit_ipc_guard(struct compiler *c)
{
        struct sock_filter guard[FILTER_IPC_GUARD];
        if (default_denies(c->profile) || is_named_whole(c->profile, "ipc") || !restricts_ipc_call(c->profile))
                return;
        filter_ipc_guard(guard);
        for (size_t i = 0; i < ELEMENTS(guard); i++)
                emit(c, guard[i]);
}

/* One after another; a number that is not of a table, or an architecture that is not, goes to libseccomp's program. */
static void emit_front(struct compiler *c)
{
        size_t ends[ELEMENTS(tables) + 2], end_count = 0;
        if (!c->own_count && !default_denies(c->profile))
                return;
        for (size_t i = 0; i < ELEMENTS(tables); i++) {
                const struct table *t = &tables[i];
                if (!uses(c->profile, t))
                        continue;
                emit(c, LOAD(offsetof(struct seccomp_data, arch)));
                emit(c, JUMP(BPF_JEQ, t->audit, 1, 0));
                size_t foreign = emit_jump(c), other = 0;
                emit(c, LOAD(offsetof(struct seccomp_data, nr)));
                if (t->audit == AUDIT_ARCH_X86_64) {
                        emit(c, JUMP(BPF_JSET, X32_BIT, t->bit ? 1 : 0, t->bit ? 0 : 1));
                        other = emit_jump(c);
                }
                ends[end_count++] = emit_table(c, t);
                aim_here(c, foreign);
                if (other)
                        aim_here(c, other);
        }
        for (size_t i = 0; i < end_count; i++)
                aim_here(c, ends[i]);
}

/* ---- putting it together ---- */

static int open_context(const struct profile *p, const struct table *t, scmp_filter_ctx *ret)
{
        scmp_filter_ctx context = seccomp_init(p->default_action);
        uint32_t foreign = MUTANT("seccomp-one-abi") ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS;
        int r = context ? seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, foreign) : -ENOMEM;
        if (r == 0 && t->arch != t->native)
                r = seccomp_arch_add(context, t->arch);
        if (r == 0 && t->arch != t->native)
                r = seccomp_arch_remove(context, t->native);
        *ret = context;
        return r;
}

static int open_contexts(struct compiler *c, struct error *e)
{
        bool any = false;
        int r = 0;
        (void)seccomp_api_set(5); /* as in filter.c */
        for (size_t i = 0; r == 0 && i < ELEMENTS(tables); i++) {
                if (!uses(c->profile, &tables[i]))
                        continue;
                any = true;
                r = open_context(c->profile, &tables[i], &c->contexts[i]);
        }
        if (!any)
                return error_set(e, EOPNOTSUPP, "seccomp.architecture", "no system call table for this architecture");
        return r < 0 ? error_errno(e, r, "seccomp.compile", "preparing a system call filter") : 0;
}

/* So many rules are worth a search tree; without any, libseccomp makes a wrong one. */
enum { TREE_FROM = 32 };

/* All contexts become the first one, which stays the compiler's. */
static int merge(struct compiler *c, scmp_filter_ctx *ret)
{
        scmp_filter_ctx first = NULL;
        size_t fewest = SIZE_MAX;
        int r = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTS(tables); i++) {
                if (!c->contexts[i])
                        continue;
                if (c->rule_counts[i] < fewest)
                        fewest = c->rule_counts[i];
                if (first && (r = seccomp_merge(first, c->contexts[i])) == 0)
                        c->contexts[i] = NULL;
                first = first ? first : c->contexts[i];
        }
        if (r == 0 && fewest >= TREE_FROM)
                r = seccomp_attr_set(first, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        *ret = first;
        return r;
}

static uint32_t flags_for(const struct profile *p)
{
        /* The kernel takes it only together with a listener, which is all that it is about. */
        if (!profile_notifies(p))
                return p->flags & ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        return p->flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

int profile_compile(const struct profile *p, struct profile_program *ret, struct error *e)
{
        CLEAN(compiler_done) struct compiler c = { .profile = p };
        CLEAN_STRINGS struct strings notes = { 0 };
        scmp_filter_ctx all;
        c.notes = &notes;
        int r = open_contexts(&c, e);
        if (r == 0)
                r = add_rules(&c, e);
        if (r < 0)
                return r;
        r = merge(&c, &all);
        if (r < 0)
                return error_errno(e, r, "seccomp.compile", "joining the tables of a system call filter");
        emit_ipc_guard(&c);
        emit_front(&c);
        r = filter_export(all, c.front, c.front_count, &ret->filter, e);
        if (r < 0)
                return r;
        ret->flags = flags_for(p);
        ret->notes = notes;
        notes = (struct strings){ 0 };
        return 0;
}
