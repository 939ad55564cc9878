/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/filter_internal.h"

#include <seccomp.h>
#include <string.h>

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
const struct young_call filter_young_calls[FILTER_YOUNG_CALLS] = {
        { "cachestat", 451 },         { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
        { "futex_wake", 454 },        { "futex_wait", 455 },       { "futex_requeue", 456 },
        { "statmount", 457 },         { "listmount", 458 },        { "lsm_get_self_attr", 459 },
        { "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
        { "setxattrat", 463 },        { "getxattrat", 464 },       { "listxattrat", 465 },
        { "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
        { "file_setattr", 469 },      { "listns", 470 },
};
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
        for (size_t i = 0; i < FILTER_YOUNG_CALLS; i++) {
                if (strcmp(filter_young_calls[i].name, name) == 0) {
                        *ret = filter_young_calls[i].nr;
                        return true;
                }
        }
        return false;
}

struct filter_rule *filter_find_rule(const struct filter *f, int nr)
{
        for (size_t i = 0; i < f->count; i++)
                if (f->rules[i].nr == nr)
                        return &f->rules[i];
        return NULL;
}

static void put_rule(struct filter *f, int nr, int error)
{
        struct filter_rule *rule = filter_find_rule(f, nr);
        if (!rule) {
                f->rules = xgrow(f->rules, &f->room, f->count + 1, sizeof *f->rules);
                rule = &f->rules[f->count++];
        }
        *rule = (struct filter_rule){ nr, error };
}

static void drop_rule(struct filter *f, int nr)
{
        struct filter_rule *rule = filter_find_rule(f, nr);
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
        const struct filter_rule *rule = filter_find_rule(f, nr);
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
        else if (!filter_find_rule(f, nr))
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
