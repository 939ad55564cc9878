/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules of a filter as BPF, by libseccomp, with instructions of our own in front for what it lacks. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "plan/filter_internal.h"

enum { YOUNG_FIRST = 451, YOUNG_LAST = 470, X32_BIT = 0x40000000 };

/* Which architectures a process can switch to from the native one, and so must be filtered along with it. */
static const struct family {
        uint32_t native;      /* SCMP_ARCH_* */
        uint32_t others[2];   /* SCMP_ARCH_*, 0: none */
        uint32_t audit[2];    /* what the kernel reports in seccomp_data.arch, 0: none */
        uint32_t number_mask; /* removes the x32 bit */
} families[] = {
        { SCMP_ARCH_X86_64,
          { SCMP_ARCH_X86, SCMP_ARCH_X32 },
          { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 },
          ~(uint32_t)X32_BIT },
        { SCMP_ARCH_AARCH64, { SCMP_ARCH_ARM, 0 }, { AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM }, ~0U },
};

/* 0 to 1023 covers the tables of every architecture above; the other ranges are ARM's private calls and x32.
 */
static const struct {
        int first, last;
} number_ranges[] = { { 0, 1023 }, { 0x0f0000, 0x0f0010 }, { X32_BIT, X32_BIT + 1023 } };

static void clean_context(scmp_filter_ctx *c)
{
        if (*c)
                seccomp_release(*c);
}
#define CLEAN_CONTEXT CLEAN(clean_context)

static const struct family *native_family(void)
{
        for (size_t i = 0; i < ELEMENTS(families); i++)
                if (families[i].native == seccomp_arch_native())
                        return &families[i];
        return NULL;
}

struct compiler {
        scmp_filter_ctx context;
        const struct family *family;
        const struct filter *filter;
        uint32_t default_action; /* of the context; libseccomp refuses rules that repeat it */
        bool notify;
        struct sock_filter front[2 * FILTER_YOUNG_CALLS + 8 + FILTER_IPC_GUARD];
        unsigned short front_count;
};

/* The kernel's SECCOMP_RET_* and libseccomp's SCMP_ACT_* are the same numbers. */
static uint32_t action_of(int error, bool notify)
{
        if (notify)
                return SCMP_ACT_NOTIFY;
        return error > 0 ? SCMP_ACT_ERRNO((uint32_t)error) : SCMP_ACT_KILL_PROCESS;
}

static uint32_t action_for_rule(const struct compiler *c, const struct filter_rule *rule)
{
        if (rule && rule->error != FILTER_DEFAULT)
                return action_of(rule->error, c->notify);
        if (rule && c->filter->allow_list)
                return SCMP_ACT_ALLOW;
        return c->filter->logs ? SCMP_ACT_LOG : action_of(c->filter->default_error, c->notify);
}

static bool is_young(int nr)
{
        if (nr < YOUNG_FIRST || nr > YOUNG_LAST)
                return false;
        CLEAN_FREE char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
        return !name; /* a newer libseccomp than the table does it itself, on all architectures */
}

static void emit(struct compiler *c, struct sock_filter code)
{
        c->front[c->front_count++] = code;
}

static void emit_young(struct compiler *c, int nr, uint32_t action)
{
        emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1));
        emit(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static const char *const ipc_calls[] = { "semop",  "semget", "semctl", "semtimedop", "msgsnd", "msgrcv",
                                         "msgget", "msgctl", "shmat",  "shmdt",      "shmget", "shmctl" };

bool filter_is_ipc_call(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(ipc_calls); i++)
                if (strcmp(ipc_calls[i], name) == 0)
                        return true;
        return false;
}

void filter_ipc_guard(struct sock_filter ret[FILTER_IPC_GUARD])
{
        enum { IPC_NR = 117, VERSION = 0xffff0000U };
        const struct sock_filter guard[FILTER_IPC_GUARD] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 5),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPC_NR, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, VERSION, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        };
        memcpy(ret, guard, sizeof guard);
}

static bool denies_ipc_call(const struct compiler *c)
{
        int nr;
        for (size_t i = 0; i < ELEMENTS(ipc_calls); i++)
                if (filter_call_number(ipc_calls[i], &nr) && filter_find_rule(c->filter, nr))
                        return true;
        return false;
}

static void emit_ipc_guard(struct compiler *c)
{
        if (c->family->native != SCMP_ARCH_X86_64 || c->default_action != SCMP_ACT_ALLOW || !denies_ipc_call(c))
                return;
        filter_ipc_guard(c->front + c->front_count);
        c->front_count += FILTER_IPC_GUARD;
        if (c->filter->logs)
                c->front[c->front_count - 1].k = SECCOMP_RET_LOG;
}

static void patch_to_end(struct compiler *c, unsigned short at, bool when_true)
{
        uint8_t distance = (uint8_t)(c->front_count - at - 1);
        if (when_true)
                c->front[at].jt = distance;
        else
                c->front[at].jf = distance;
}

/* Foreign architectures and old calls jump over all of it, into libseccomp's program. */
static void emit_front(struct compiler *c, uint32_t (*decide)(const struct compiler *, int))
{
        const struct family *family = c->family;
        const unsigned short start = c->front_count;
        emit(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
        emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, family->audit[0], 1, 0));
        unsigned short foreign = c->front_count;
        emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, family->audit[1], 0, 0));
        emit(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
        emit(c, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, family->number_mask));
        unsigned short old = c->front_count;
        emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, YOUNG_FIRST, 0, 0));
        unsigned short empty = c->front_count;
        for (size_t i = 0; i < FILTER_YOUNG_CALLS; i++) {
                uint32_t action = decide(c, filter_young_calls[i].nr);
                if (is_young(filter_young_calls[i].nr) && action != c->default_action)
                        emit_young(c, filter_young_calls[i].nr, action);
        }
        if (c->front_count == empty) {
                c->front_count = start;
                return;
        }
        patch_to_end(c, foreign, false);
        patch_to_end(c, old, false);
}

static uint32_t decide_young(const struct compiler *c, int nr)
{
        const struct filter_rule *rule = filter_find_rule(c->filter, nr);
        return rule ? action_for_rule(c, rule) : c->default_action;
}

static uint32_t decide_suid_young(const struct compiler *c, int nr)
{
        (void)c;
        int fchmodat2;
        bool is_fchmodat2 = filter_call_number("fchmodat2", &fchmodat2) && nr == fchmodat2;
        return is_fchmodat2 ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_ALLOW;
}

/* A call that exists on none of the architectures, or a rule that repeats another, is no failure. */
static int add_rule(struct compiler *c, int nr, uint32_t action)
{
        if (action == c->default_action || is_young(nr))
                return 0;
        int r = seccomp_rule_add_array(c->context, action, nr, 0, NULL);
        return r == -EDOM || r == -EEXIST ? 0 : r;
}

/*
 * socketcall and ipc carry many calls in one number; libseccomp makes one rule for each of these.  A rule for
 * the number as a whole would swallow them, and so must be asked for by name.
 */
static bool is_multiplexer(const char *name)
{
        return strcmp(name, "socketcall") == 0 || strcmp(name, "ipc") == 0;
}

static int deny_if_unlisted(struct compiler *c, uint32_t arch, int number)
{
        CLEAN_FREE char *name = seccomp_syscall_resolve_num_arch(arch, number);
        if (!name || is_multiplexer(name))
                return 0;
        int nr = seccomp_syscall_resolve_name(name);
        if (nr == __NR_SCMP_ERROR || filter_find_rule(c->filter, nr))
                return 0;
        return add_rule(c, nr, action_for_rule(c, NULL));
}

static int deny_unlisted_of(struct compiler *c, uint32_t arch)
{
        int r = 0;
        for (size_t i = 0; arch && i < ELEMENTS(number_ranges); i++)
                for (int n = number_ranges[i].first; r == 0 && n <= number_ranges[i].last; n++)
                        r = deny_if_unlisted(c, arch, n);
        return r;
}

static int deny_unlisted(struct compiler *c)
{
        int r = deny_unlisted_of(c, c->family->native);
        for (size_t i = 0; r == 0 && i < ELEMENTS(c->family->others); i++)
                r = deny_unlisted_of(c, c->family->others[i]);
        return r;
}

static int add_rules(struct compiler *c)
{
        for (size_t i = 0; i < c->filter->count; i++) {
                const struct filter_rule *rule = &c->filter->rules[i];
                int r = add_rule(c, rule->nr, action_for_rule(c, rule));
                if (r < 0)
                        return r;
        }
        return c->filter->allow_list && !c->filter->logs ? deny_unlisted(c) : 0;
}

static int set_attributes(struct compiler *c)
{
        int r = seccomp_attr_set(c->context, SCMP_FLTATR_ACT_BADARCH, c->filter && c->filter->logs ? c->default_action : SCMP_ACT_KILL_PROCESS);
        if (r == 0)
                r = seccomp_attr_set(c->context, SCMP_FLTATR_CTL_NNP, 0);
        if (r == 0)
                r = seccomp_attr_set(c->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        return r;
}

static int open_context(struct compiler *c, struct error *e)
{
        /* What the library may express must not depend on the kernel that happens to do the compiling. */
        (void)seccomp_api_set(5);
        c->family = native_family();
        if (!c->family)
                return error_set(e, EOPNOTSUPP, "seccomp.architecture",
                                 "no system call table for this architecture");
        c->context = seccomp_init(c->default_action);
        int r = c->context ? set_attributes(c) : -ENOMEM;
        for (size_t i = 0; r == 0 && i < ELEMENTS(c->family->others) && c->family->others[i]; i++)
                r = seccomp_arch_add(c->context, c->family->others[i]);
        return r < 0 ? error_errno(e, r, "seccomp.compile", "preparing a system call filter") : 0;
}

int filter_open_context(uint32_t default_action, void **ret, struct error *e)
{
        CLEAN_CONTEXT scmp_filter_ctx context = NULL;
        struct compiler c = { .default_action = default_action };
        int r = open_context(&c, e);
        context = c.context;
        if (r == 0)
                *ret = TAKE_PTR(context);
        return r;
}

/* What libseccomp has written, behind the instructions of front. */
static int read_program(int fd, const struct sock_filter *front, size_t front_count, struct filter_program *ret)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        size_t size = (size_t)st.st_size, count = size / sizeof(struct sock_filter) + front_count;
        if (count > BPF_MAXINSNS)
                return -E2BIG;
        CLEAN_FREE struct sock_filter *code = xalloc(count, sizeof *code);
        if (front_count)
                memcpy(code, front, front_count * sizeof *code);
        ssize_t n = pread(fd, code + front_count, size, 0);
        if (n != (ssize_t)size)
                return n < 0 ? -errno : -EIO;
        *ret = (struct filter_program){ TAKE_PTR(code), (unsigned short)count };
        return 0;
}

int filter_export(void *context, const struct sock_filter *front, size_t front_count, struct filter_program *ret, struct error *e)
{
        CLEAN_FD int fd = memfd_create("filter", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : seccomp_export_bpf(context, fd);
        if (r == 0)
                r = read_program(fd, front, front_count, ret);
        return r < 0 ? error_errno(e, r, "seccomp.compile", "compiling a system call filter") : 0;
}

static int export_program(const struct compiler *c, struct filter_program *ret, struct error *e)
{
        return filter_export(c->context, c->front, c->front_count, ret, e);
}

int filter_compile(const struct filter *f, bool notify, struct filter_program *ret, struct error *e)
{
        CLEAN_CONTEXT scmp_filter_ctx context = NULL;
        struct compiler c = { .filter = f, .notify = notify };
        /* A program that finds a call newer than us missing falls back; one that is killed for trying does
         * not. */
        c.default_action = !f->set || !f->allow_list ? SCMP_ACT_ALLOW : f->logs ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(ENOSYS);
        int r = open_context(&c, e);
        context = c.context;
        if (r < 0)
                return r;
        r = f->set ? add_rules(&c) : 0;
        if (r < 0)
                return error_errno(e, r, "seccomp.compile", "adding a rule to a system call filter");
        if (f->set) {
                emit_ipc_guard(&c);
                emit_front(&c, decide_young);
        }
        return export_program(&c, ret, e);
}

/* Where each call takes the mode of a file. */
static const struct mode_call {
        const char *name;
        unsigned mode;  /* index of the argument */
        bool has_flags; /* the argument before it says whether the mode counts */
} mode_calls[] = {
        { "chmod", 1, false },   { "fchmod", 1, false }, { "fchmodat", 2, false }, { "mkdir", 1, false },
        { "mkdirat", 2, false }, { "mknod", 1, false },  { "mknodat", 2, false },  { "creat", 1, false },
        { "open", 2, true },     { "openat", 3, true },
};

/* The bare O_TMPFILE bit: O_DIRECTORY, which the macro includes, differs between architectures. */
static const uint64_t creating_flags[] = { O_CREAT, 020000000 };
static const uint64_t special_bits[] = { S_ISUID, S_ISGID };

static int deny_mode_bit(struct compiler *c, const struct mode_call *call, uint64_t bit)
{
        int nr = seccomp_syscall_resolve_name(call->name), r = 0;
        struct scmp_arg_cmp args[2] = { { call->mode, SCMP_CMP_MASKED_EQ, bit, bit } };
        if (!call->has_flags)
                return seccomp_rule_add_array(c->context, SCMP_ACT_ERRNO(EPERM), nr, 1, args);
        for (size_t i = 0; r == 0 && i < ELEMENTS(creating_flags); i++) {
                uint64_t flag = creating_flags[i];
                args[1] = (struct scmp_arg_cmp){ call->mode - 1, SCMP_CMP_MASKED_EQ, flag, flag };
                r = seccomp_rule_add_array(c->context, SCMP_ACT_ERRNO(EPERM), nr, 2, args);
        }
        return r;
}

/* These take the mode where a filter cannot see it, or are too new to name; callers fall back. */
static int hide_call(struct compiler *c, const char *name)
{
        int nr;
        return filter_call_number(name, &nr) ? add_rule(c, nr, SCMP_ACT_ERRNO(ENOSYS)) : 0;
}

static int deny_special_modes(struct compiler *c)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < ELEMENTS(mode_calls); i++)
                for (size_t j = 0; r == 0 && j < ELEMENTS(special_bits); j++)
                        r = deny_mode_bit(c, &mode_calls[i], special_bits[j]);
        if (r == 0)
                r = hide_call(c, "openat2");
        return r == 0 ? hide_call(c, "fchmodat2") : r;
}

int filter_restrict_suid_sgid(struct filter_program *ret, struct error *e)
{
        CLEAN_CONTEXT scmp_filter_ctx context = NULL;
        struct compiler c = { .default_action = SCMP_ACT_ALLOW };
        int r = open_context(&c, e);
        context = c.context;
        if (r < 0)
                return r;
        r = deny_special_modes(&c);
        if (r < 0)
                return error_errno(e, r, "seccomp.compile", "adding a rule for RestrictSUIDSGID=");
        emit_front(&c, decide_suid_young);
        return export_program(&c, ret, e);
}
