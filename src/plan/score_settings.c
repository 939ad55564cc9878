/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/score_settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/path.h"
#include "os/capability.h"
#include "plan/specifier.h"

#define BIT(n) (UINT64_C(1) << (n))

struct reader;
struct reading {
        struct score_settings *s;
        const struct unit_file *unit;
        const struct unit_line *line;
        struct facts facts; /* for specifiers */
        bool lenient;
        struct strings *notes;
        struct error *e;
};

struct word {
        const char *word;
        int number;
};

struct reader {
        const char *name;
        int (*read)(struct reading *r, const struct reader *d, const char *value);
        unsigned index;          /* a score_flag, score_word, score_path or score_count */
        const struct word *words;
        int yes, no;             /* what booleans mean beside the words; -1: they are none of them */
};

/* ---- problems ---- */

/* Of values without which systemd does not start the unit: an error in both modes. */
static int refuse(struct reading *r, const char *word, const char *what)
{
        CLEAN_FREE char *place = unit_file_place(r->unit, r->line);
        error_set(r->e, EINVAL, "score.value", "%s= has \"%.80s\", %s", r->line->name, word, what);
        error_while(r->e, "reading %s", place);
        return -EINVAL;
}

static int bad(struct reading *r, const char *word, const char *what)
{
        if (!r->lenient) {
                (void)refuse(r, word, what);
                error_hint(r->e, "--lenient passes over it, as systemd 252 does");
                return -EINVAL;
        }
        CLEAN_FREE char *place = unit_file_place(r->unit, r->line);
        strings_take(r->notes, xprintf("%s: %s= has \"%.80s\", %s", place, r->line->name, word, what));
        return 0;
}

/* ---- words ---- */

enum { QUOTES = 1, BACKSLASHES = 2 };

/*
 * The next word; NULL at the end.  With QUOTES they are taken off; one that is not closed ends the list and is named in *open, as
 * does a backslash at the end.  A backslash makes the next byte one like others; with BACKSLASHES it is one itself.
 */
static char *next_word(const char **s, int flags, bool *open)
{
        CLEAN_TEXT struct text t = { 0 };
        char quote = 0;
        *s += strspn(*s, " \t\r\n");
        if (!**s)
                return NULL;
        text_add(&t, "");
        for (; **s && (quote || !strchr(" \t\r\n", **s)); (*s)++) {
                if (**s == '\\' && !(flags & BACKSLASHES)) {
                        if (!*++(*s)) {
                                *open = true;
                                return NULL;
                        }
                        text_add_bytes(&t, *s, 1);
                } else if (flags & QUOTES && !quote && strchr("\"'", **s))
                        quote = **s;
                else if (quote && **s == quote)
                        quote = 0;
                else
                        text_add_bytes(&t, *s, 1);
        }
        if (quote) {
                *open = true;
                return NULL;
        }
        return TAKE_PTR(t.data);
}

#define EACH_WORD(word, rest, flags, open)                                                                   \
        for (char *word; ((word) = next_word(&(rest), flags, open)); free(word))

/* Specifiers that are not known stay as they are. */
static char *expand(const struct reading *r, const char *s)
{
        char *expanded;
        return specifier_expand(s, &r->facts, &expanded, NULL) == 0 ? expanded : xstrdup(s);
}

static bool lookup(const struct word *words, const char *s, int *ret)
{
        for (; words->word; words++)
                if (text_equal(words->word, s)) {
                        *ret = words->number;
                        return true;
                }
        return false;
}

/* As C writes them: decimal, octal or hexadecimal. */
static bool parse_number(const char *s, unsigned long max, unsigned long *ret)
{
        char *end;
        if (*s == '+')
                s++;
        if (!isdigit((unsigned char)*s))
                return false;
        errno = 0;
        *ret = strtoul(s, &end, 0);
        return !*end && !errno && *ret <= max;
}

/* ---- readers of simple values ---- */

static int read_flag(struct reading *r, const struct reader *d, const char *value)
{
        bool on;
        if (text_parse_bool(value, &on) < 0)
                return bad(r, value, "which is neither yes nor no");
        r->s->flags = on ? r->s->flags | BIT(d->index) : r->s->flags & ~BIT(d->index);
        return 0;
}

/* A service whose DynamicUser= cannot be read is not started. */
static int read_dynamic_user(struct reading *r, const struct reader *d, const char *value)
{
        bool on;
        return text_parse_bool(value, &on) < 0 ? refuse(r, value, "which is neither yes nor no") : read_flag(r, d, value);
}

static int read_word(struct reading *r, const struct reader *d, const char *value)
{
        bool on;
        int number;
        if (d->yes >= 0 && text_parse_bool(value, &on) == 0)
                number = on ? d->yes : d->no;
        else if (!lookup(d->words, value, &number))
                return bad(r, value, "which is no word of it");
        r->s->words[d->index] = number;
        return 0;
}

static int read_umask(struct reading *r, const struct reader *d, const char *value)
{
        unsigned mode = 0;
        const char *c = value;
        (void)d;
        for (; *c >= '0' && *c <= '7' && mode <= 07777; c++)
                mode = mode << 3 | (unsigned)(*c - '0');
        if (*c || c == value || mode > 07777)
                return bad(r, value, "which is no file mode");
        r->s->umask = mode;
        return 0;
}

static int read_delegate(struct reading *r, const struct reader *d, const char *value)
{
        static const struct word controllers[] = {
                { "cpu", 0 }, { "cpuacct", 0 }, { "cpuset", 0 }, { "io", 0 }, { "blkio", 0 }, { "memory", 0 }, { "devices", 0 }, { "pids", 0 },
                { "bpf-firewall", 0 }, { "bpf-devices", 0 }, { "bpf-foreign", 0 }, { "bpf-socket-bind", 0 },
                { "bpf-restrict-network-interfaces", 0 }, { 0 },
        };
        bool open = false;
        int unused, k = 0;
        (void)d;
        if (text_parse_bool(value, &r->s->delegate) == 0)
                return 0;
        const char *check = value;
        EACH_WORD(word, check, QUOTES, &open)
                continue;
        if (open)
                return bad(r, value, "where a quote is not closed or a backslash is the last");
        EACH_WORD(word, value, QUOTES, &open)
                if (k == 0 && !lookup(controllers, word, &unused))
                        k = bad(r, word, "which is no controller");
        r->s->delegate = true; /* an empty list delegates as well, only no controller */
        return k;
}

/* ---- users ---- */

static bool is_user_name(const char *s)
{
        size_t digits = strspn(s, "0123456789");
        unsigned long id;
        if (!*s || *s == '-' || text_equal(s, ".") || text_equal(s, ".."))
                return false;
        if (!s[digits])
                return (*s != '0' || !s[1]) && parse_number(s, UINT32_MAX - 1, &id) && id != UINT16_MAX;
        for (; *s; s++)
                if ((unsigned char)*s < ' ' || *s == 127 || *s == ':' || *s == '/')
                        return false;
        return true;
}

static int read_user(struct reading *r, const struct reader *d, const char *value)
{
        CLEAN_FREE char *name = expand(r, value);
        (void)d;
        if (*value && !is_user_name(name))
                return refuse(r, value, "which is no user");
        free(r->s->user);
        r->s->user = *value ? TAKE_PTR(name) : NULL;
        return 0;
}

static int read_groups(struct reading *r, const struct reader *d, const char *value)
{
        bool open = false;
        int k = 0;
        if (!*value)
                r->s->counts[d->index] = 0;
        EACH_WORD(word, value, 0, &open) {
                CLEAN_FREE char *name = expand(r, word);
                if (k == 0 && !is_user_name(*name == '-' ? name + 1 : name))
                        k = refuse(r, word, "which is no group");
                r->s->counts[d->index]++;
        }
        return k;
}

/* ---- paths and devices ---- */

static int read_root(struct reading *r, const struct reader *d, const char *value)
{
        CLEAN_FREE char *path = expand(r, value), *normal = NULL;
        if (*path && path_normalize(path, &normal) < 0)
                return refuse(r, value, "which is no absolute path");
        free(r->s->paths[d->index]);
        r->s->paths[d->index] = TAKE_PTR(normal);
        return 0;
}

static int read_filter_path(struct reading *r, const struct reader *d, const char *value)
{
        CLEAN_FREE char *path = expand(r, value), *normal = NULL;
        if (!*value)
                r->s->counts[d->index] = 0;
        else if (path_normalize(path, &normal) < 0)
                return bad(r, value, "which is no absolute path");
        else
                r->s->counts[d->index]++;
        return 0;
}

static bool is_device(const char *path)
{
        CLEAN_FREE char *normal = NULL;
        if (text_starts(path, "char-") || text_starts(path, "block-"))
                return true;
        return path_normalize(path, &normal) == 0 && (path_is_below(normal, "/dev") || path_is_below(normal, "/run/systemd/inaccessible"));
}

static int read_device(struct reading *r, const struct reader *d, const char *value)
{
        const char *rest = value;
        bool open = false;
        if (!*value) {
                r->s->counts[d->index] = 0;
                return 0;
        }
        CLEAN_FREE char *word = next_word(&rest, QUOTES, &open), *path = word ? expand(r, word) : NULL;
        rest += strspn(rest, " \t");
        if (!path || !is_device(path))
                return bad(r, value, "which is no device");
        if (rest[strspn(rest, "rwm")])
                return bad(r, value, "where rights other than r, w and m stand");
        r->s->counts[d->index]++;
        return 0;
}

/* The n-th part of a list that colons separate; NULL where a backslash stands before what is neither an escape of C nor a colon. */
static char *colon_part(const char *s, unsigned n)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (; *s && (*s != ':' || n > 0); s++) {
                bool escaped = *s == '\\';
                if (escaped && !strchr("abfnrtvsxuU01234567\\\"':", s[1] ? s[1] : ' '))
                        return NULL;
                s += escaped;
                if (*s == ':' && !escaped)
                        n--;
                else if (n == 0)
                        text_add_bytes(&t, s, 1);
        }
        return TAKE_PTR(t.data);
}

static bool is_expanded_path(const struct reading *r, const char *s)
{
        CLEAN_FREE char *path = expand(r, s), *normal = NULL;
        return path_normalize(path, &normal) == 0;
}

static int read_images(struct reading *r, const struct reader *d, const char *value)
{
        bool open = false;
        int k = 0;
        if (!*value)
                r->s->counts[d->index] = 0;
        EACH_WORD(word, value, QUOTES | BACKSLASHES, &open) {
                CLEAN_FREE char *from = colon_part(word, 0), *to = colon_part(word, 1);
                if (from && to && is_expanded_path(r, from + (*from == '-')) && is_expanded_path(r, to))
                        r->s->counts[d->index]++;
                else if (k == 0)
                        k = bad(r, word, "which does not name an image and a folder");
        }
        return k == 0 && open ? bad(r, value, "where a quote is not closed or a backslash is the last") : k;
}

/* ---- credentials: only the encrypted ones count, for they need a device ---- */

static void forget(struct strings *l, const char *s)
{
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->items[i], s)) {
                        free(l->items[i]);
                        l->items[i] = l->items[--l->count];
                        l->items[l->count] = NULL;
                        return;
                }
}

static bool is_credential_name(const char *s)
{
        return *s && strlen(s) <= 255 && !strchr(s, '/') && !text_equal(s, ".") && !text_equal(s, "..");
}

static bool is_base64(const char *s)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t count = 0, padding = 0, last = 0;
        for (; *s; s++) {
                const char *digit = strchr(digits, *s);
                if (isspace((unsigned char)*s))
                        continue;
                if (*s == '=')
                        padding++;
                else if (padding || !digit)
                        return false;
                else {
                        last = (size_t)(digit - digits);
                        count++;
                }
        }
        /* The bits that padding leaves over are 0. */
        return count && padding <= 2 && (count + padding) % 4 == 0 && !(last & (padding == 2 ? 15 : padding == 1 ? 3 : 0));
}

/* What stands before the colon, expanded; *ret_rest is behind it, NULL without one. */
static char *credential_name(const struct reading *r, const char *value, const char **ret_rest)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (; *value && *value != ':'; value++) {
                value += *value == '\\' && value[1];
                text_add_bytes(&t, value, 1);
        }
        *ret_rest = *value ? value + 1 : NULL;
        return expand(r, t.data);
}

/* index: whether it is encrypted. */
static int read_load(struct reading *r, const struct reader *d, const char *value)
{
        if (!*value) {
                strings_clear(&r->s->loaded_encrypted);
                return 0;
        }
        const char *source;
        CLEAN_FREE char *name = credential_name(r, value, &source);
        if (!is_credential_name(name))
                return bad(r, value, "which is no name of a credential");
        if (source && *source && !is_expanded_path(r, source) && !is_credential_name(source))
                return bad(r, value, "where the source is neither a path nor a name");
        forget(&r->s->loaded_encrypted, name);
        if (d->index)
                strings_take(&r->s->loaded_encrypted, TAKE_PTR(name));
        return 0;
}

static int read_given(struct reading *r, const struct reader *d, const char *value)
{
        if (!*value) {
                strings_clear(&r->s->given_encrypted);
                return 0;
        }
        const char *data;
        CLEAN_FREE char *name = credential_name(r, value, &data);
        if (!data || !is_credential_name(name))
                return bad(r, value, "which is no name of a credential with a value");
        if (d->index && !is_base64(data))
                return bad(r, value, "where the data is no Base64");
        forget(&r->s->given_encrypted, name);
        if (d->index)
                strings_take(&r->s->given_encrypted, TAKE_PTR(name));
        return 0;
}

/* ---- capabilities ---- */

static bool capability_bit(const char *s, uint64_t *ret)
{
        unsigned n;
        unsigned long number;
        if (parse_number(s, CAPABILITY_MAX, &number))
                n = (unsigned)number;
        else if (isdigit((unsigned char)*s) || capability_parse(s, &n) < 0)
                return false;
        *ret = BIT(n);
        return true;
}

/*
 * The first list sets, later ones add, and those with ~ take away.  An empty one sets again, as does one of which no name is
 * known: it leaves nothing, or with ~ everything.
 */
static int read_capabilities(struct reading *r, uint64_t *set, uint64_t initial, const char *value)
{
        bool invert = *value == '~', open = false;
        const char *rest = value + invert;
        uint64_t sum = 0, one;
        int k = 0;
        EACH_WORD(word, rest, QUOTES, &open) {
                if (capability_bit(word, &one))
                        sum |= one;
                else if (k == 0)
                        k = bad(r, word, "which is no capability");
        }
        if (k == 0 && open)
                k = bad(r, value, "where a quote is not closed or a backslash is the last");
        if (k < 0)
                return k;
        if (!sum || *set == initial)
                *set = invert ? ~sum : sum;
        else
                *set = invert ? *set & ~sum : *set | sum;
        return 0;
}

static int read_bounding(struct reading *r, const struct reader *d, const char *value)
{
        (void)d;
        return read_capabilities(r, &r->s->bounding, UINT64_MAX, value);
}

static int read_ambient(struct reading *r, const struct reader *d, const char *value)
{
        (void)d;
        return read_capabilities(r, &r->s->ambient, 0, value);
}

/* ---- lists of kinds ---- */

enum { ALL_NAMESPACES = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWTIME };

static int read_namespaces(struct reading *r, const struct reader *d, const char *value)
{
        static const struct word names[] = {
                { "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "net", CLONE_NEWNET }, { "mnt", CLONE_NEWNS }, { "pid", CLONE_NEWPID },
                { "user", CLONE_NEWUSER }, { "uts", CLONE_NEWUTS }, { "time", CLONE_NEWTIME }, { 0 },
        };
        bool invert = *value == '~', all, open = false;
        const char *rest = value + invert;
        unsigned named = 0;
        int one, k = 0;
        (void)d;
        if (!*value || text_parse_bool(value, &all) == 0) {
                r->s->namespaces = !*value ? ~0U : all ? 0 : ALL_NAMESPACES;
                return 0;
        }
        bool known = true;
        EACH_WORD(word, rest, 0, &open) {
                if (lookup(names, word, &one))
                        named |= (unsigned)one;
                else {
                        known = false;
                        k = k ? k : bad(r, word, "which is no kind of namespace");
                }
        }
        if (!known) /* the whole line is passed over */
                return k;
        if (r->s->namespaces == ~0U)
                r->s->namespaces = invert ? ALL_NAMESPACES & ~named : named;
        else
                r->s->namespaces = invert ? r->s->namespaces & ~named : r->s->namespaces | named;
        return 0;
}

#define FAMILY(name)                                                                                         \
        {                                                                                                    \
                #name, name                                                                                  \
        }
/* clang-format off */
static const struct word family_names[] = {
        FAMILY(AF_UNIX), FAMILY(AF_LOCAL), FAMILY(AF_FILE), FAMILY(AF_INET), FAMILY(AF_AX25), FAMILY(AF_IPX), FAMILY(AF_APPLETALK),
        FAMILY(AF_NETROM), FAMILY(AF_BRIDGE), FAMILY(AF_ATMPVC), FAMILY(AF_X25), FAMILY(AF_INET6), FAMILY(AF_ROSE),
        FAMILY(AF_DECnet), FAMILY(AF_NETBEUI), FAMILY(AF_SECURITY), FAMILY(AF_KEY), FAMILY(AF_NETLINK), FAMILY(AF_ROUTE),
        FAMILY(AF_PACKET), FAMILY(AF_ASH), FAMILY(AF_ECONET), FAMILY(AF_ATMSVC), FAMILY(AF_RDS), FAMILY(AF_SNA), FAMILY(AF_IRDA),
        FAMILY(AF_PPPOX), FAMILY(AF_WANPIPE), FAMILY(AF_LLC), FAMILY(AF_IB), FAMILY(AF_MPLS), FAMILY(AF_CAN), FAMILY(AF_TIPC),
        FAMILY(AF_BLUETOOTH), FAMILY(AF_IUCV), FAMILY(AF_RXRPC), FAMILY(AF_ISDN), FAMILY(AF_PHONET), FAMILY(AF_IEEE802154),
        FAMILY(AF_CAIF), FAMILY(AF_ALG), FAMILY(AF_NFC), FAMILY(AF_VSOCK), FAMILY(AF_KCM), FAMILY(AF_QIPCRTR), FAMILY(AF_SMC),
        FAMILY(AF_XDP), FAMILY(AF_MCTP), { 0 },
};
/* clang-format on */

static int read_families(struct reading *r, const struct reader *d, const char *value)
{
        bool invert = *value == '~', open = false;
        const char *rest = value + invert;
        int k = 0;
        (void)d;
        if (!*value || text_equal(value, "none")) {
                r->s->families.set = false;
                r->s->families.allow = *value;
                r->s->families.listed = 0;
                return 0;
        }
        if (!r->s->families.set)
                r->s->families.allow = !invert;
        r->s->families.set = true;
        EACH_WORD(word, rest, QUOTES, &open) {
                const struct word *w = family_names;
                while (w->word && strcasecmp(w->word, word) != 0)
                        w++;
                if (!w->word)
                        k = k ? k : bad(r, word, "which is no address family");
                else if (invert != r->s->families.allow)
                        r->s->families.listed |= BIT(w->number);
                else
                        r->s->families.listed &= ~BIT(w->number);
        }
        return k == 0 && open ? bad(r, value, "where a quote is not closed or a backslash is the last") : k;
}

static int read_architectures(struct reading *r, const struct reader *d, const char *value)
{
        static const struct word names[] = {
                { "native", 0 }, { "x86", 1 }, { "x86-64", 2 }, { "x32", 3 }, { "arm", 4 }, { "arm64", 5 }, { "mips", 6 }, { "mips64", 7 },
                { "mips64-n32", 8 }, { "mips-le", 9 }, { "mips64-le", 10 }, { "mips64-le-n32", 11 }, { "ppc", 12 }, { "ppc64", 13 },
                { "ppc64-le", 14 }, { "riscv64", 15 }, { "s390", 16 }, { "s390x", 17 }, { "parisc", 18 }, { "parisc64", 19 }, { 0 },
        };
        bool open = false;
        int one, k = 0;
        (void)d;
        if (!*value)
                r->s->architectures = 0;
        EACH_WORD(word, value, QUOTES, &open) {
                if (lookup(names, word, &one))
                        r->s->architectures |= 1U << one;
                else
                        k = k ? k : bad(r, word, "which is no architecture");
        }
        return k == 0 && open ? bad(r, value, "where a quote is not closed or a backslash is the last") : k;
}

/* ---- system calls ---- */

static bool is_filter_error(const char *s)
{
        unsigned long number;
        int unused;
        if (text_equal(s, "kill") || parse_number(s, 4095, &number))
                return true;
        CLEAN_FREE char *upper = xstrdup(s);
        for (char *c = upper; *c; c++)
                *c = (char)toupper((unsigned char)*c);
        return errno_parse(upper, &unused) == 0;
}

static int add_call(struct reading *r, const char *word, bool invert)
{
        const char *colon = strchr(word, ':');
        size_t length = colon ? (size_t)(colon - word) : strlen(word);
        if (colon && (!invert || !is_filter_error(colon + 1)))
                return bad(r, word, invert ? "where the error cannot be used" : "where what is allowed has an error");
        if (word[strcspn(word, " \t\"'\\")])
                return bad(r, word, "which is no system call or group");
        /* Which error it is does not matter for the number. */
        CLEAN_FREE char *entry = xprintf("%s%.*s%s", invert ? "~" : "", (int)length, word, colon ? ":EPERM" : "");
        CLEAN_STRINGS struct strings notes = { 0 };
        int k = filter_add(&r->s->filter, entry, r->lenient, &notes, r->e);
        CLEAN_FREE char *place = unit_file_place(r->unit, r->line);
        for (size_t i = 0; i < notes.count; i++)
                strings_take(r->notes, xprintf("%s: %s=: %s", place, r->line->name, notes.items[i]));
        if (k < 0)
                error_while(r->e, "reading %s", place);
        return k;
}

static int read_calls(struct reading *r, const struct reader *d, const char *value)
{
        bool invert = *value == '~', open = false;
        const char *rest = value + invert;
        (void)d;
        /* Begins the list even if no word of it is known. */
        int k = filter_add(&r->s->filter, !*value ? "" : invert ? "~" : " ", r->lenient, NULL, r->e);
        EACH_WORD(word, rest, 0, &open)
                k = k < 0 ? k : add_call(r, word, invert);
        return k;
}

/* ---- addresses ---- */

static bool is_localhost_name(const char *s)
{
        static const char *const endings[] = { ".localhost", ".localhost.", ".localhost.localdomain", ".localhost.localdomain." };
        size_t length = strlen(s);
        for (size_t i = 0; i < ELEMENTS(endings); i++) {
                size_t n = strlen(endings[i]);
                if (strcasecmp(s, endings[i] + 1) == 0 || (length > n && strcasecmp(s + length - n, endings[i]) == 0))
                        return true;
        }
        return false;
}

struct prefix {
        int family;
        unsigned char address[16];
        unsigned long length;
};

static bool parse_prefix(const char *s, struct prefix *ret)
{
        const char *slash = strchr(s, '/');
        CLEAN_FREE char *address = slash ? xstrndup(s, (size_t)(slash - s)) : xstrdup(s);
        *ret = (struct prefix){ .family = strchr(address, ':') ? AF_INET6 : AF_INET };
        unsigned long bits = ret->family == AF_INET ? 32 : 128;
        if (inet_pton(ret->family, address, ret->address) != 1)
                return false;
        ret->length = bits;
        if (slash && !parse_number(slash + 1, bits, &ret->length))
                return false;
        for (unsigned long i = ret->length; i < bits; i++)
                ret->address[i / 8] &= (unsigned char)~(0x80 >> i % 8);
        return true;
}

static bool is_localhost(const struct prefix *p)
{
        static const unsigned char one[16] = { [15] = 1 };
        return p->family == AF_INET ? p->address[0] == 127 : !memcmp(p->address, one, sizeof one);
}

static int read_deny(struct reading *r, const struct reader *d, const char *value)
{
        bool open = false;
        struct prefix p;
        int k = 0;
        (void)d;
        if (!*value)
                r->s->deny_v4 = r->s->deny_v6 = false;
        EACH_WORD(word, value, 0, &open) {
                bool any = text_equal(word, "any");
                bool name = any || is_localhost_name(word) || text_equal(word, "link-local") || text_equal(word, "multicast");
                if (!name && !parse_prefix(word, &p))
                        k = k ? k : bad(r, word, "which is no range of addresses");
                else if (any || (!name && p.length == 0)) {
                        r->s->deny_v4 |= any || p.family == AF_INET;
                        r->s->deny_v6 |= any || p.family == AF_INET6;
                }
        }
        return k;
}

static int read_allow(struct reading *r, const struct reader *d, const char *value)
{
        bool open = false;
        struct prefix p;
        int k = 0;
        (void)d;
        if (!*value)
                r->s->allow_localhost = r->s->allow_other = false;
        EACH_WORD(word, value, 0, &open) {
                if (is_localhost_name(word))
                        r->s->allow_localhost = true;
                else if (text_equal(word, "any") || text_equal(word, "link-local") || text_equal(word, "multicast"))
                        r->s->allow_other = true;
                else if (!parse_prefix(word, &p))
                        k = k ? k : bad(r, word, "which is no range of addresses");
                else
                        *(is_localhost(&p) ? &r->s->allow_localhost : &r->s->allow_other) = true;
        }
        return k;
}

/* ---- the table ---- */

static const struct word keyring_words[] = { { "private", 0 }, { "inherit", 1 }, { "shared", 1 }, { 0 } };
static const struct word notify_words[] = { { "none", 0 }, { "main", 0 }, { "exec", 0 }, { "all", 1 }, { 0 } };
static const struct word subset_words[] = { { "pid", 0 }, { "all", 1 }, { 0 } };
static const struct word proc_words[] = { { "invisible", 0 }, { "ptraceable", 0 }, { "noaccess", 1 }, { "default", 3 }, { 0 } };
static const struct word home_words[] = { { "tmpfs", 1 }, { "read-only", 5 }, { 0 } };
static const struct word system_words[] = { { "strict", 0 }, { "full", 3 }, { 0 } };
static const struct word policy_words[] = { { "auto", 0 }, { "closed", 1 }, { "strict", 1 }, { 0 } };

#define WORD(name, index, words) { name, read_word, index, words, -1, -1 }
/* clang-format off */
static const struct reader service_readers[] = {
        { "AmbientCapabilities", read_ambient },
        { "CapabilityBoundingSet", read_bounding },
        { "Delegate", read_delegate },
        { "DeviceAllow", read_device, SCORE_DEVICE_ALLOW },
        WORD("DevicePolicy", SCORE_DEVICE_POLICY, policy_words),
        { "DynamicUser", read_dynamic_user, SCORE_DYNAMIC_USER },
        { "IPAddressAllow", read_allow },
        { "IPAddressDeny", read_deny },
        { "IPEgressFilterPath", read_filter_path, SCORE_IP_EGRESS },
        { "IPIngressFilterPath", read_filter_path, SCORE_IP_INGRESS },
        WORD("KeyringMode", SCORE_KEYRING_MODE, keyring_words),
        { "LoadCredential", read_load, 0 },
        { "LoadCredentialEncrypted", read_load, 1 },
        { "LockPersonality", read_flag, SCORE_LOCK_PERSONALITY },
        { "MemoryDenyWriteExecute", read_flag, SCORE_MEMORY_DENY_WRITE_EXECUTE },
        { "MountImages", read_images, SCORE_MOUNT_IMAGES },
        { "NoNewPrivileges", read_flag, SCORE_NO_NEW_PRIVILEGES },
        WORD("NotifyAccess", SCORE_NOTIFY_ACCESS, notify_words),
        { "PrivateDevices", read_flag, SCORE_PRIVATE_DEVICES },
        { "PrivateMounts", read_flag, SCORE_PRIVATE_MOUNTS },
        { "PrivateNetwork", read_flag, SCORE_PRIVATE_NETWORK },
        { "PrivateTmp", read_flag, SCORE_PRIVATE_TMP },
        { "PrivateUsers", read_flag, SCORE_PRIVATE_USERS },
        WORD("ProcSubset", SCORE_PROC_SUBSET, subset_words),
        { "ProtectClock", read_flag, SCORE_PROTECT_CLOCK },
        { "ProtectControlGroups", read_flag, SCORE_PROTECT_CONTROL_GROUPS },
        { "ProtectHome", read_word, SCORE_PROTECT_HOME, home_words, 0, 10 },
        { "ProtectHostname", read_flag, SCORE_PROTECT_HOSTNAME },
        { "ProtectKernelLogs", read_flag, SCORE_PROTECT_KERNEL_LOGS },
        { "ProtectKernelModules", read_flag, SCORE_PROTECT_KERNEL_MODULES },
        { "ProtectKernelTunables", read_flag, SCORE_PROTECT_KERNEL_TUNABLES },
        WORD("ProtectProc", SCORE_PROTECT_PROC, proc_words),
        { "ProtectSystem", read_word, SCORE_PROTECT_SYSTEM, system_words, 5, 10 },
        { "RemoveIPC", read_flag, SCORE_REMOVE_IPC },
        { "RestrictAddressFamilies", read_families },
        { "RestrictNamespaces", read_namespaces },
        { "RestrictRealtime", read_flag, SCORE_RESTRICT_REALTIME },
        { "RestrictSUIDSGID", read_flag, SCORE_RESTRICT_SUID_SGID },
        { "RootDirectory", read_root, SCORE_ROOT_DIRECTORY },
        { "RootImage", read_root, SCORE_ROOT_IMAGE },
        { "SetCredential", read_given, 0 },
        { "SetCredentialEncrypted", read_given, 1 },
        { "SupplementaryGroups", read_groups, SCORE_SUPPLEMENTARY_GROUPS },
        { "SystemCallArchitectures", read_architectures },
        { "SystemCallFilter", read_calls },
        { "UMask", read_umask },
        { "User", read_user },
        { 0 },
};
/* clang-format on */
static const struct reader unit_readers[] = { { "DefaultDependencies", read_flag, SCORE_DEFAULT_DEPENDENCIES }, { 0 } };

/* ---- the whole ---- */

/* Without User= a dynamic user is called as the unit, without suffix and instance. */
static char *dynamic_name(const char *unit)
{
        const char *end = strchr(unit, '@');
        return xstrndup(unit, (size_t)((end ? end : strrchr(unit, '.')) - unit));
}

static void add_implied(struct score_settings *s, const char *unit)
{
        static const struct {
                enum score_flag flag;
                uint64_t capabilities;
        } drops[] = {
                { SCORE_PRIVATE_DEVICES, BIT(CAP_MKNOD) | BIT(CAP_SYS_RAWIO) },
                { SCORE_PROTECT_KERNEL_MODULES, BIT(CAP_SYS_MODULE) },
                { SCORE_PROTECT_KERNEL_LOGS, BIT(CAP_SYSLOG) },
                { SCORE_PROTECT_CLOCK, BIT(CAP_SYS_TIME) | BIT(CAP_WAKE_ALARM) },
        };
        for (size_t i = 0; i < ELEMENTS(drops); i++)
                if (s->flags & BIT(drops[i].flag))
                        s->bounding &= ~drops[i].capabilities;
        if (s->flags & BIT(SCORE_PRIVATE_DEVICES))
                s->words[SCORE_DEVICE_POLICY] = 1;
        /* The clock stays readable; images need loop devices, encrypted credentials a TPM. */
        s->counts[SCORE_DEVICE_ALLOW] += s->flags & BIT(SCORE_PROTECT_CLOCK) || s->paths[SCORE_ROOT_IMAGE] || s->counts[SCORE_MOUNT_IMAGES] ||
                                         s->loaded_encrypted.count || s->given_encrypted.count;
        if (s->flags & BIT(SCORE_DYNAMIC_USER)) {
                s->flags |= BIT(SCORE_PRIVATE_TMP) | BIT(SCORE_REMOVE_IPC) | BIT(SCORE_NO_NEW_PRIVILEGES) | BIT(SCORE_RESTRICT_SUID_SGID);
                s->words[SCORE_PROTECT_SYSTEM] = 0;
                if (s->words[SCORE_PROTECT_HOME] == 10)
                        s->words[SCORE_PROTECT_HOME] = 5;
        }
        bool given = s->user;
        if (!given)
                s->user = s->flags & BIT(SCORE_DYNAMIC_USER) ? dynamic_name(unit) : xstrdup("root");
        s->root = text_equal(s->user, "root") || (given && text_equal(s->user, "0"));
}

static const struct reader *find_reader(const struct unit_line *l)
{
        const struct reader *d = text_equal(l->section, "Service") ? service_readers : text_equal(l->section, "Unit") ? unit_readers : NULL;
        while (d && d->name && !text_equal(d->name, l->name))
                d++;
        return d && d->name ? d : NULL;
}

int score_settings_read(struct score_settings *s, const struct unit_file *u, const char *name, bool lenient, struct strings *notes, struct error *e)
{
        /* Of what the host would say only the form matters here. */
        struct reading r = {
                .s = s, .unit = u, .lenient = lenient, .notes = notes, .e = e,
                .facts = { .unit = name, .boot_id = "0", .machine_id = "0", .hostname = "localhost", .user_name = "root", .home = "/root",
                           .shell = "/bin/sh", .runtime_folder = "/run", .state_folder = "/var/lib", .cache_folder = "/var/cache",
                           .logs_folder = "/var/log", .configuration_folder = "/etc" },
        };
        *s = (struct score_settings){
                .flags = BIT(SCORE_DEFAULT_DEPENDENCIES), .umask = 0022, .bounding = UINT64_MAX, .namespaces = ~0U,
                .words = { [SCORE_PROC_SUBSET] = 1, [SCORE_PROTECT_HOME] = 10, [SCORE_PROTECT_PROC] = 3, [SCORE_PROTECT_SYSTEM] = 10 },
        };
        for (size_t i = 0; i < u->count; i++) {
                const struct reader *d = find_reader(&u->lines[i]);
                r.line = &u->lines[i];
                int k = d ? d->read(&r, d, r.line->value) : 0;
                if (k < 0)
                        return k;
        }
        add_implied(s, name);
        return 0;
}

void score_settings_done(struct score_settings *s)
{
        for (size_t i = 0; i < SCORE_PATH_COUNT; i++)
                free(s->paths[i]);
        free(s->user);
        filter_clear(&s->filter);
        strings_clear(&s->loaded_encrypted);
        strings_clear(&s->given_encrypted);
        *s = (struct score_settings){ 0 };
}
