/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "plan/syscalls.h"

#define E(name)                                                                                              \
        {                                                                                                    \
#name, name                                                                                  \
        }
/* clang-format off */
static const struct {
        char name[16];
        int number;
} errnos[] = {
        E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(ENOEXEC), E(EBADF),
        E(ECHILD), E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST),
        E(EXDEV), E(ENODEV), E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY),
        E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDOM),
        E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK), E(ENOSYS), E(ENOTEMPTY), E(ELOOP),
        E(EWOULDBLOCK), E(ENOMSG), E(EIDRM), E(ECHRNG), E(EL2NSYNC), E(EL3HLT), E(EL3RST),
        E(ELNRNG), E(EUNATCH), E(ENOCSI), E(EL2HLT), E(EBADE), E(EBADR), E(EXFULL), E(ENOANO),
        E(EBADRQC), E(EBADSLT), E(EDEADLOCK), E(EBFONT), E(ENOSTR), E(ENODATA), E(ETIME), E(ENOSR),
        E(ENONET), E(ENOPKG), E(EREMOTE), E(ENOLINK), E(EADV), E(ESRMNT), E(ECOMM), E(EPROTO),
        E(EMULTIHOP), E(EDOTDOT), E(EBADMSG), E(EOVERFLOW), E(ENOTUNIQ), E(EBADFD), E(EREMCHG),
        E(ELIBACC), E(ELIBBAD), E(ELIBSCN), E(ELIBMAX), E(ELIBEXEC), E(EILSEQ), E(ERESTART),
        E(ESTRPIPE), E(EUSERS), E(ENOTSOCK), E(EDESTADDRREQ), E(EMSGSIZE), E(EPROTOTYPE),
        E(ENOPROTOOPT), E(EPROTONOSUPPORT), E(ESOCKTNOSUPPORT), E(EOPNOTSUPP), E(EPFNOSUPPORT),
        E(EAFNOSUPPORT), E(EADDRINUSE), E(EADDRNOTAVAIL), E(ENETDOWN), E(ENETUNREACH), E(ENETRESET),
        E(ECONNABORTED), E(ECONNRESET), E(ENOBUFS), E(EISCONN), E(ENOTCONN), E(ESHUTDOWN),
        E(ETOOMANYREFS), E(ETIMEDOUT), E(ECONNREFUSED), E(EHOSTDOWN), E(EHOSTUNREACH), E(EALREADY),
        E(EINPROGRESS), E(ESTALE), E(EUCLEAN), E(ENOTNAM), E(ENAVAIL), E(EISNAM), E(EREMOTEIO),
        E(EDQUOT), E(ENOMEDIUM), E(EMEDIUMTYPE), E(ECANCELED), E(ENOKEY), E(EKEYEXPIRED),
        E(EKEYREVOKED), E(EKEYREJECTED), E(EOWNERDEAD), E(ENOTRECOVERABLE), E(ERFKILL),
        E(EHWPOISON), E(ENOTSUP),
};
/* clang-format on */
#undef E

/*
 * Calls younger than libseccomp 2.5.4.  Their numbers are the same on every architecture that we compile for,
 * so that a few instructions in front of libseccomp's program are enough to treat them by name.
 */
static const struct young_call {
        char name[20];
        int nr;
} young_calls[] = {
        { "cachestat", 451 },         { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
        { "futex_wake", 454 },        { "futex_wait", 455 },       { "futex_requeue", 456 },
        { "statmount", 457 },         { "listmount", 458 },        { "lsm_get_self_attr", 459 },
        { "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
        { "setxattrat", 463 },        { "getxattrat", 464 },       { "listxattrat", 465 },
        { "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
        { "file_setattr", 469 },      { "listns", 470 },
};
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

int errno_parse(const char *s, int *ret)
{
        for (size_t i = 0; i < ELEMENTS(errnos); i++) {
                if (strcmp(errnos[i].name, s) == 0) {
                        *ret = errnos[i].number;
                        return 0;
                }
        }
        uint64_t n;
        if (text_parse_uint(s, 4095, &n) < 0 || n == 0)
                return -EINVAL;
        *ret = (int)n;
        return 0;
}

bool filter_call_number(const char *name, int *ret)
{
        int nr = seccomp_syscall_resolve_name(name);
        if (nr != __NR_SCMP_ERROR && nr != __NR_SCMP_UNDEF) {
                *ret = nr;
                return true;
        }
        for (size_t i = 0; i < ELEMENTS(young_calls); i++) {
                if (strcmp(young_calls[i].name, name) == 0) {
                        *ret = young_calls[i].nr;
                        return true;
                }
        }
        return false;
}

static struct filter_rule *find_rule(const struct filter *f, int nr)
{
        for (size_t i = 0; i < f->count; i++)
                if (f->rules[i].nr == nr)
                        return &f->rules[i];
        return NULL;
}

static void put_rule(struct filter *f, int nr, int error)
{
        struct filter_rule *rule = find_rule(f, nr);
        if (!rule) {
                f->rules = xgrow(f->rules, &f->room, f->count + 1, sizeof *f->rules);
                rule = &f->rules[f->count++];
        }
        *rule = (struct filter_rule){ nr, error };
}

static void drop_rule(struct filter *f, int nr)
{
        struct filter_rule *rule = find_rule(f, nr);
        if (rule)
                *rule = f->rules[--f->count];
}

/* One call.  A "~name:errno" line in an allow-list keeps its errno; without one, the call is just not listed.
 */
static void apply_number(struct filter *f, int nr, bool invert, int error)
{
        if (invert != f->allow_list || (invert && error != FILTER_DEFAULT))
                put_rule(f, nr, error);
        else
                drop_rule(f, nr);
}

/* Groups hold groups, three levels deep at most; members without a number here do not exist here. */
static bool apply_name(struct filter *f, const char *name, bool invert, int error)
{
        int nr;
        if (*name != '@') {
                bool known = filter_call_number(name, &nr);
                if (known)
                        apply_number(f, nr, invert, error);
                return known;
        }
        const struct syscall_group *group = syscall_group_find(name);
        if (!group)
                return false;
        FOR_EACH_MEMBER(m, group)
                (void)apply_name(f, m, invert, error);
        return true;
}

/* A real call that only other architectures have, or that this libseccomp is too old for, is no typing error.
 */
static bool is_named_anywhere(const char *name)
{
        const struct syscall_group *known = syscall_group_find("@known");
        FOR_EACH_MEMBER(m, known)
                if (strcmp(m, name) == 0)
                        return true;
        return false;
}

enum { NAME_MAX_LENGTH = 47 };

static size_t min_of(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* Levenshtein distance, one row at a time. */
static size_t edit_distance(const char *a, const char *b)
{
        size_t row[NAME_MAX_LENGTH + 1], length = strlen(b);
        if (length > NAME_MAX_LENGTH)
                return SIZE_MAX;
        for (size_t j = 0; j <= length; j++)
                row[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= length; j++) {
                        size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
                        diagonal = row[j];
                        row[j] = min_of(replaced, min_of(row[j], row[j - 1]) + 1);
                }
        }
        return row[length];
}

static void consider(const char *wanted, const char *candidate, const char **best, size_t *distance)
{
        size_t d = edit_distance(wanted, candidate);
        if (d < *distance) {
                *distance = d;
                *best = candidate;
        }
}

/* NULL if nothing resembles it. */
static const char *nearest_name(const char *wanted)
{
        const char *best = NULL;
        size_t distance = strlen(wanted) / 2 + 1;
        const struct syscall_group *group;
        if (strlen(wanted) > NAME_MAX_LENGTH)
                return NULL;
        for (size_t i = 0; *wanted == '@' && (group = syscall_group_at(i)); i++)
                consider(wanted, group->name, &best, &distance);
        if (*wanted != '@')
                FOR_EACH_MEMBER(m, syscall_group_find("@known"))
                        consider(wanted, m, &best, &distance);
        return best;
}

static void note(struct strings *notes, const char *word, const char *what)
{
        if (notes)
                strings_take(notes, xprintf("\"%s\" was left out: %s", word, what));
}

static int refuse_unknown(const char *name, bool lenient, struct strings *notes, struct error *e)
{
        if (is_named_anywhere(name)) {
                note(notes, name, "this machine's libseccomp does not know the system call");
                return 0;
        }
        if (lenient) {
                note(notes, name, "there is no such system call or group");
                return 0;
        }
        int r = error_set(e, EINVAL, "seccomp.unknown-call", "there is no system call or group \"%s\"", name);
        const char *nearest = nearest_name(name);
        if (nearest)
                error_hint(e, "did you mean \"%s\"?", nearest);
        return r;
}

static int refuse_errno(const char *word, bool lenient, struct strings *notes, struct error *e)
{
        if (lenient) {
                note(notes, word, "its error number cannot be used");
                return 0;
        }
        int r = error_set(e, EINVAL, "seccomp.bad-errno", "the error number in \"%s\" cannot be used", word);
        error_hint(e, "write ~NAME:ERRNO with an errno name, 1 to 4095, or kill; allowed calls take none");
        return r;
}

/* "kill" or an errno. */
static int action_parse(const char *s, int *ret)
{
        if (strcmp(s, "kill") == 0) {
                *ret = FILTER_KILL;
                return 0;
        }
        return errno_parse(s, ret);
}

static int add_word(struct filter *f, const char *word, bool invert, bool lenient, struct strings *notes,
                    struct error *e)
{
        CLEAN_FREE char *name = xstrdup(word);
        char *colon = strchr(name, ':');
        int error = FILTER_DEFAULT;
        if (colon) {
                *colon = '\0';
                if (f->logs || !invert || action_parse(colon + 1, &error) < 0)
                        return refuse_errno(word, lenient, notes, e);
        }
        return apply_name(f, name, invert, error) ? 0 : refuse_unknown(name, lenient, notes, e);
}

static void reset(struct filter *f)
{
        f->set = f->allow_list = false;
        f->count = 0;
}

static void begin(struct filter *f, bool allow_list)
{
        f->set = true;
        f->allow_list = allow_list;
        if (allow_list && !f->logs) {
                (void)apply_name(f, "@default", false, FILTER_DEFAULT);
                (void)apply_name(f, "execve", false, FILTER_DEFAULT);
        }
}

int filter_add(struct filter *f, const char *value, bool lenient, struct strings *notes, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        if (!*value) {
                reset(f);
                return 0;
        }
        const bool tilde = *value == '~', invert = tilde != f->logs; /* a call that SystemCallLog= lists is the one that is treated */
        if (text_split_words(value + tilde, &words) < 0)
                return error_set(e, EINVAL, "seccomp.bad-value", "unbalanced quotes in \"%s\"", value);
        if (!f->set)
                begin(f, !invert);
        for (size_t i = 0; i < words.count; i++) {
                int r = add_word(f, words.items[i], invert, lenient, notes, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int filter_deny_calls(struct filter *f, const char *group_or_name, int error)
{
        if (f->set && f->allow_list)
                return -EINVAL;
        f->set = true;
        (void)apply_name(f, group_or_name, true, error);
        return 0;
}

int filter_verdict(const struct filter *f, const char *name)
{
        int nr;
        if (!f->set || !filter_call_number(name, &nr))
                return 0;
        const struct filter_rule *rule = find_rule(f, nr);
        int otherwise = f->default_error > 0 ? f->default_error : FILTER_KILL;
        if (f->allow_list)
                return !rule ? otherwise : rule->error == FILTER_DEFAULT ? 0 : rule->error;
        return !rule ? 0 : rule->error == FILTER_DEFAULT ? otherwise : rule->error;
}

void filter_watch(struct filter *f, const char *name)
{
        int nr;
        if (filter_call_number(name, &nr))
                filter_watch_number(f, nr);
}

void filter_watch_number(struct filter *f, int nr)
{
        if (f->allow_list)
                drop_rule(f, nr);
        else if (!find_rule(f, nr))
                put_rule(f, nr, EPERM);
}

char *filter_call_name(uint32_t arch, int nr)
{
        return seccomp_syscall_resolve_num_arch(arch, nr);
}

void filter_clear(struct filter *f)
{
        free(f->rules);
        *f = (struct filter){ 0 };
}

void filter_program_clear(struct filter_program *p)
{
        free(p->code);
        *p = (struct filter_program){ 0 };
}

/* What is being put together: libseccomp's part, and the instructions for young calls in front of it. */
struct compiler {
        scmp_filter_ctx context;
        const struct family *family;
        const struct filter *filter;
        uint32_t default_action; /* of the context; libseccomp refuses rules that repeat it */
        bool notify;
        struct sock_filter front[2 * ELEMENTS(young_calls) + 8 + FILTER_IPC_GUARD];
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
                if (filter_call_number(ipc_calls[i], &nr) && find_rule(c->filter, nr))
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
        for (size_t i = 0; i < ELEMENTS(young_calls); i++) {
                uint32_t action = decide(c, young_calls[i].nr);
                if (is_young(young_calls[i].nr) && action != c->default_action)
                        emit_young(c, young_calls[i].nr, action);
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
        const struct filter_rule *rule = find_rule(c->filter, nr);
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
        if (nr == __NR_SCMP_ERROR || find_rule(c->filter, nr))
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
