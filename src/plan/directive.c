/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/directive.h"

#include <ctype.h>
#include <sched.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "os/capability.h"
#include "plan/directive_internal.h"
#include "plan/specifier.h"

/* ---- reading values ---- */

int directive_bad_value(struct error *e, const char *value, const char *expected)
{
        error_set(e, EINVAL, "directive.value", "invalid value \"%.80s\"", value);
        error_hint(e, "expected %s", expected);
        return -EINVAL;
}

void directive_set_number(const struct reader *r, uint64_t n)
{
        r->v->set = true;
        r->v->number = n;
        r->v->origin = r->origin;
}

int directive_read_bool(const struct reader *r, const char *value, struct error *e)
{
        bool b;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (text_parse_bool(value, &b) < 0)
                return directive_bad_value(e, value, "a boolean: yes or no");
        directive_set_number(r, b);
        return 0;
}

int directive_read_exact_word(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_TEXT struct text known = { 0 };
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        for (unsigned i = 0; r->row->words[i]; i++) {
                if (text_equal(value, r->row->words[i])) {
                        directive_set_number(r, i);
                        return 0;
                }
                text_addf(&known, "%s%s", i ? ", " : "", r->row->words[i]);
        }
        return directive_bad_value(e, value, known.data);
}

int directive_read_word(const struct reader *r, const char *value, struct error *e)
{
        bool b;
        if (text_parse_bool(value, &b) < 0)
                return directive_read_exact_word(r, value, e);
        directive_set_number(r, b);
        return 0;
}

void directive_add_value(const struct reader *r, char *text)
{
        struct setting *v = r->v;
        v->list = xgrow(v->list, &v->room, v->count + 1, sizeof *v->list);
        v->list[v->count++] = (struct value){ text, r->origin };
        v->set = true;
        v->origin = r->origin;
}

void directive_reset_list(struct setting *v)
{
        for (size_t i = 0; i < v->count; i++)
                free(v->list[i].text);
        v->count = 0;
        v->set = false;
}

/* Words, expanded and checked one by one; the empty assignment resets. All or nothing; with lenient, all that is valid. */
int directive_read_words(const struct reader *r, const char *value, directive_check check, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        size_t words_before = r->v->count;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        if (text_split_words(value, &words) < 0)
                return directive_bad_value(e, value, "words, with quotes closed and C escapes");
        for (size_t i = 0; i < words.count; i++) {
                CLEAN_FREE char *expanded = NULL;
                char *checked = NULL;
                struct error own = { 0 };
                int k = specifier_expand(words.items[i], r->facts, &expanded, &own);
                if (k == 0)
                        k = check(expanded, &checked, &own);
                if (k < 0 && r->all->lenient) {
                        strings_take(&r->all->notes, xprintf("%s: %s; ignored", r->origin, own.cause));
                        continue;
                }
                if (k < 0) {
                        while (words_before < r->v->count)
                                free(r->v->list[--r->v->count].text);
                        r->v->set = r->v->count > 0;
                        if (e)
                                *e = own;
                        return k;
                }
                directive_add_value(r, checked);
        }
        return 0;
}

/* "[-][+]/path": prefixes are kept in front of the normalized path. */
static int check_path(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *path = NULL;
        const char *p = word;
        bool optional = *p == '-';
        p += optional;
        p += *p == '+';
        if (path_normalize(p, &path) < 0)
                return directive_bad_value(e, word, "an absolute path without \"..\", shorter than 4096 bytes");
        *ret = xprintf("%s%s", optional ? "-" : "", path);
        return 0;
}

static int read_paths(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_path, e);
}

/* "[-]source[:destination[:rbind|norbind]]" with "\:" for a colon, kept as "[-]source\ndestination\n[n]". */
static int check_bind(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *source = NULL, *target = NULL, *copy = xstrdup(word[0] == '-' ? word + 1 : word);
        char *part[3] = { copy, NULL, NULL };
        unsigned n = 0;
        char *out = copy;
        for (const char *in = copy; *in; in++) {
                if (*in == ':' && n < 2) {
                        *out++ = 0;
                        part[++n] = out;
                } else if (*in == '\\' && in[1] == ':') {
                        *out++ = *++in;
                } else
                        *out++ = *in;
        }
        *out = 0;
        bool plain = part[2] && text_equal(part[2], "norbind");
        if (path_normalize(part[0], &source) < 0 || path_normalize(part[1] && *part[1] ? part[1] : part[0], &target) < 0 ||
            (part[2] && *part[2] && !plain && !text_equal(part[2], "rbind")) || strchr(source, '\n') || strchr(target, '\n'))
                return directive_bad_value(e, word, "SOURCE[:DESTINATION[:rbind|norbind]] with absolute paths");
        *ret = xprintf("%s%s\n%s\n%s", word[0] == '-' ? "-" : "", source, target, plain ? "n" : "");
        return 0;
}

static int read_binds(const struct reader *r, const char *value, struct error *e)
{
        /* "\:" is check_bind's to read: the word splitter is given "\\\\:". */
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (const char *p = value; *p; p++) {
                if (*p == '\\' && p[1] == ':')
                        text_add(&t, "\\");
                text_add_bytes(&t, p, 1);
                if (*p == '\\' && p[1])
                        text_add_bytes(&t, ++p, 1);
        }
        return directive_read_words(r, t.data, check_bind, e);
}

/* "/path[:options]", kept as "path\noptions". */
static int check_tmpfs(const char *word, char **ret, struct error *e)
{
        CLEAN_FREE char *path = NULL, *copy = xstrdup(word);
        char *colon = strchr(copy, ':');
        if (colon)
                *colon++ = 0;
        if (path_normalize(copy, &path) < 0 || strchr(path, '\n'))
                return directive_bad_value(e, word, "PATH[:OPTIONS] with an absolute path");
        *ret = xprintf("%s\n%s", path, colon ? colon : "");
        return 0;
}

static int read_tmpfs(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_tmpfs, e);
}

static int check_assignment(const char *word, char **ret, struct error *e)
{
        const char *eq = strchr(word, '=');
        bool ok = eq && eq != word && !isdigit((unsigned char)*word);
        for (const char *p = word; ok && p < eq; p++)
                ok = isalnum((unsigned char)*p) || *p == '_';
        if (!ok)
                return directive_bad_value(e, word, "NAME=VALUE with a valid variable name");
        *ret = xstrdup(word);
        return 0;
}

static int read_environment(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_assignment, e);
}

bool directive_user_name_valid(const char *s)
{
        size_t n = strlen(s);
        if (!n || n > 31 || !(isalpha((unsigned char)*s) || *s == '_'))
                return false;
        for (const char *p = s; *p; p++)
                if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
                        return false;
        return true;
}

static int check_user(const char *word, char **ret, struct error *e)
{
        uint64_t id;
        bool digits = word[strspn(word, "0123456789")] == 0;
        /* 65535 and 4294967295 mean "no id" to parts of the kernel. */
        if (digits && *word ? text_parse_uint(word, UINT32_MAX - 1, &id) < 0 || id == 65535 : !directive_user_name_valid(word))
                return directive_bad_value(e, word, "a user or group name, or an id from 0 to 4294967294 other than 65535");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_text(const struct reader *r, const char *value, directive_check check, struct error *e)
{
        CLEAN_FREE char *expanded = NULL;
        char *checked = NULL;
        if (!*value) {
                free(r->v->text);
                r->v->text = NULL;
                r->v->set = false;
                return 0;
        }
        int k = specifier_expand(value, r->facts, &expanded, e);
        if (k == 0)
                k = check(expanded, &checked, e);
        if (k < 0)
                return k;
        free(r->v->text);
        r->v->text = checked;
        r->v->set = true;
        r->v->origin = r->origin;
        return 0;
}

static int read_user(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_user, e);
}

static int read_users(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_user, e);
}

static int check_working_directory(const char *word, char **ret, struct error *e)
{
        const char *p = word + (*word == '-');
        CLEAN_FREE char *path = NULL;
        if (!text_equal(p, "~") && path_normalize(p, &path) < 0)
                return directive_bad_value(e, word, "an absolute path, or ~, with an optional - before it");
        *ret = xprintf("%s%s", p == word ? "" : "-", path ? path : "~");
        return 0;
}

static int read_working_directory(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_working_directory, e);
}

static int read_umask(const struct reader *r, const char *value, struct error *e)
{
        unsigned n = 0;
        size_t digits = strspn(value, "01234567");
        if (!digits || digits > 4 || value[digits])
                return directive_bad_value(e, value, "an octal mode up to 0777");
        for (size_t i = 0; i < digits; i++)
                n = n * 8 + (unsigned)(value[i] - '0');
        if (n > 0777)
                return directive_bad_value(e, value, "an octal mode up to 0777");
        directive_set_number(r, n);
        return 0;
}

int directive_parse_percent(const char *value, uint64_t scale, uint64_t *ret)
{
        size_t n = strlen(value), dot;
        if (n < 2 || n > 12 || value[n - 1] != '%')
                return -EINVAL;
        uint64_t hundredths = 0, places = 0;
        for (dot = 0; dot < n - 1; dot++) {
                if (value[dot] == '.' && !places && dot) {
                        places = 1;
                        continue;
                }
                if (!isdigit((unsigned char)value[dot]) || places > 2)
                        return -EINVAL;
                hundredths = hundredths * 10 + (uint64_t)(value[dot] - '0');
                places += places ? 1 : 0;
        }
        for (uint64_t have = places ? places - 1 : 0; have < 2; have++)
                hundredths *= 10;
        *ret = (uint64_t)((unsigned __int128)hundredths * scale / 10000);
        return 0;
}

static int read_limit(const struct reader *r, const char *value, uint64_t whole, bool size, struct error *e)
{
        uint64_t n;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = directive_parse_percent(value, whole, &n);
        if (k < 0 && size)
                k = text_parse_size_bytes(value, &n);
        else if (k < 0 && text_equal(value, "infinity"))
                n = UINT64_MAX, k = 0;
        else if (k < 0)
                k = text_parse_uint(value, UINT64_MAX - 1, &n);
        if (k < 0 || n == 0 || (n > INT64_MAX && n != UINT64_MAX)) /* the kernel counts in signed numbers */
                return directive_bad_value(e, value, size ? "a size above 0 (K, M, G, T), a percentage, or infinity"
                                                : "a number above 0, a percentage, or infinity");
        directive_set_number(r, n);
        return 0;
}

static int read_memory(const struct reader *r, const char *value, struct error *e)
{
        return read_limit(r, value, r->facts->memory_bytes, true, e);
}

static int read_tasks(const struct reader *r, const char *value, struct error *e)
{
        return read_limit(r, value, r->facts->pids_max, false, e);
}

static int read_cpu_quota(const struct reader *r, const char *value, struct error *e)
{
        uint64_t permille;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (directive_parse_percent(value, 1000, &permille) < 0 || permille == 0)
                return directive_bad_value(e, value, "a percentage of one CPU above 0%, such as 20% or 150%");
        directive_set_number(r, permille);
        return 0;
}

/* Both assignments made the value. */
static const char *join_origins(struct settings *s, const char *before, const char *origin)
{
        char *joined = xprintf("%.400s, %s", before, origin);
        strings_take(&s->strings, joined);
        return joined;
}

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
                r->v->origin = join_origins(r->all, before, r->origin);
        return 0;
}

static int read_capabilities(const struct reader *r, const char *value, struct error *e)
{
        return read_capability_set(r, value, r->facts->capabilities, e);
}

static int read_ambient(const struct reader *r, const char *value, struct error *e)
{
        return read_capability_set(r, value, 0, e);
}

typedef int (*bit_finder)(const char *name, uint64_t *ret);

/* The bits of all words; with lenient, of those that are known. */
static int read_bits(const struct reader *r, const char *value, bit_finder find, const char *expected, uint64_t *ret, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        *ret = 0;
        if (text_split_words(value, &words) < 0)
                return directive_bad_value(e, value, expected);
        for (size_t i = 0; i < words.count; i++) {
                uint64_t bits = 0;
                if (find(words.items[i], &bits) < 0 && !r->all->lenient)
                        return directive_bad_value(e, words.items[i], expected);
                if (!bits)
                        strings_take(&r->all->notes, xprintf("%s: \"%s\" is not known; ignored", r->origin, words.items[i]));
                *ret |= bits;
        }
        return 0;
}

/* As set_number, of a value that the one before is part of. */
static void merge_number(const struct reader *r, bool merged, uint64_t n)
{
        const char *before = merged && r->v->set ? r->v->origin : NULL;
        directive_set_number(r, n);
        if (before)
                r->v->origin = join_origins(r->all, before, r->origin);
}

/* The types that may be made: the first line sets, plain ones add, "~" ones take away; a boolean stands for all or none. */
static int read_namespaces(const struct reader *r, const char *value, struct error *e)
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
        int k = read_bits(r, value + invert, restriction_namespace, expected, &bits, e);
        if (k == 0)
                merge_number(r, true, invert ? had & ~bits : had | bits);
        return k;
}

/* Of the number of RestrictAddressFamilies=, beside the families. */
#define FAMILIES_ALLOWED (UINT64_C(1) << 63) /* a list of what is allowed */
#define FAMILIES_LISTED (UINT64_C(1) << 62)  /* there was a line with families */

/* The first line with families decides which kind of list it is; "none" is one of what is allowed, and empty. */
static int read_families(const struct reader *r, const char *value, struct error *e)
{
        bool invert = *value == '~', none = text_equal(value, "none");
        uint64_t bits = 0, had = r->v->set ? r->v->number : 0;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = none ? 0 : read_bits(r, value + invert, restriction_family, "address families such as AF_UNIX, with an optional ~ before them, or none", &bits, e);
        if (k < 0)
                return k;
        if (none)
                had = FAMILIES_ALLOWED;
        else if (!(had & FAMILIES_LISTED))
                had = FAMILIES_LISTED | (invert ? 0 : FAMILIES_ALLOWED);
        bool adds = invert != !!(had & FAMILIES_ALLOWED);
        merge_number(r, !none, adds ? had | bits : had & ~bits);
        return 0;
}

static int read_architectures(const struct reader *r, const char *value, struct error *e)
{
        uint64_t bits;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = read_bits(r, value, restriction_architecture, "architectures such as native, x86, x86-64, x32, arm, arm64", &bits, e);
        if (k == 0)
                merge_number(r, true, (r->v->set ? r->v->number : 0) | bits);
        return k;
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

static int read_secure_bits(const struct reader *r, const char *value, struct error *e)
{
        uint64_t bits;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = read_bits(r, value, find_secure_bit, "keep-caps, no-setuid-fixup, noroot, no-cap-ambient-raise, exec-restrict-file, "
                          "exec-deny-interactive, each with -locked too", &bits, e);
        if (k == 0)
                merge_number(r, true, (r->v->set ? r->v->number : 0) | bits);
        return k;
}

enum hostname_word { HOSTNAME_NO, HOSTNAME_YES, HOSTNAME_PRIVATE };

/* Labels of letters, digits, "-" and "_", joined by single dots, 64 bytes at most: what the kernel holds. */
static bool is_hostname(const char *s)
{
        if (!*s || strlen(s) > 64)
                return false;
        for (const char *p = s; *p; p++) {
                bool inner = p > s && p[-1] != '.' && p[1] && p[1] != '.';
                if (!isalnum((unsigned char)*p) && *p != '_' && !((*p == '-' || *p == '.') && inner))
                        return false;
                if (*p == '.' && p[1] == '-')
                        return false;
        }
        return true;
}

/* "yes", "no" or "private"; ":name" may follow the first and the last. */
static int read_hostname(const struct reader *r, const char *value, struct error *e)
{
        static const char expected[] = "a boolean or private; with a colon and a host name behind yes or private";
        const char *colon = strchr(value, ':');
        CLEAN_FREE char *word = colon ? xstrndup(value, (size_t)(colon - value)) : xstrdup(value), *name = NULL;
        bool yes = false;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        bool private = text_equal(word, "private");
        if (!private && text_parse_bool(word, &yes) < 0)
                return directive_bad_value(e, value, expected);
        int k = colon ? specifier_expand(colon + 1, r->facts, &name, e) : 0;
        if (k < 0)
                return k;
        if (colon && ((!yes && !private) || !is_hostname(name)))
                return directive_bad_value(e, value, expected);
        free(r->v->text);
        r->v->text = TAKE_PTR(name);
        directive_set_number(r, private ? HOSTNAME_PRIVATE : yes ? HOSTNAME_YES : HOSTNAME_NO);
        return 0;
}

/* Filter lines are kept as they are; the compiler reads them in order. */
static int read_filter(const struct reader *r, const char *value, struct error *e)
{
        (void)e;
        if (!*value)
                directive_reset_list(r->v);
        else
                directive_add_value(r, xstrdup(value));
        return 0;
}

static int read_errno(const struct reader *r, const char *value, struct error *e)
{
        int n = FILTER_KILL;
        if (*value && !text_equal(value, "kill") && errno_parse(value, &n) < 0)
                return directive_bad_value(e, value, "an errno name or number from 1 to 4095, or kill");
        directive_set_number(r, (uint64_t)(int64_t)n);
        return 0;
}

/* ---- compiling ---- */

/* A path entry of every list directive. */
static void add_paths(struct plan *p, const struct setting *v, enum plan_mount_kind kind)
{
        for (size_t i = 0; i < v->count; i++) {
                bool optional = v->list[i].text[0] == '-';
                plan_add_mount(p, kind, v->list[i].text + optional, v->list[i].origin)->optional = optional;
        }
}

struct fixed_path {
        const char *path;
        enum plan_mount_kind kind;
        bool optional;
};

static void add_fixed(struct plan *p, const struct fixed_path *rows, const char *origin)
{
        for (; rows->path; rows++)
                plan_add_mount(p, rows->kind, rows->path, origin)->optional = rows->optional;
}

COMPILER(compile_read_write) { add_paths(p, v, PLAN_READ_WRITE); return 0; }
COMPILER(compile_read_only) { add_paths(p, v, PLAN_READ_ONLY); return 0; }
COMPILER(compile_inaccessible) { add_paths(p, v, PLAN_INACCESSIBLE); return 0; }
COMPILER(compile_exec) { add_paths(p, v, PLAN_EXEC); return 0; }
COMPILER(compile_no_exec) { add_paths(p, v, PLAN_NOEXEC); return 0; }

static void add_binds(struct plan *p, const struct setting *v, bool read_only)
{
        for (size_t i = 0; i < v->count; i++) {
                const char *text = v->list[i].text, *line = strchr(text, '\n'), *end = strchr(line + 1, '\n');
                bool optional = *text == '-';
                CLEAN_FREE char *target = xstrndup(line + 1, (size_t)(end - line - 1));
                struct plan_mount *m = plan_add_mount(p, PLAN_BIND, target, v->list[i].origin);
                m->source = xstrndup(text + optional, (size_t)(line - text) - optional);
                m->optional = optional;
                m->read_only = read_only;
                m->recursive = end[1] != 'n';
        }
}

COMPILER(compile_bind) { add_binds(p, v, false); return 0; }
COMPILER(compile_bind_read_only) { add_binds(p, v, true); return 0; }

COMPILER(compile_tmpfs)
{
        for (size_t i = 0; i < v->count; i++) {
                const char *line = strchr(v->list[i].text, '\n');
                CLEAN_FREE char *path = xstrndup(v->list[i].text, (size_t)(line - v->list[i].text));
                plan_add_mount(p, PLAN_TMPFS, path, v->list[i].origin)->source = xstrdup(line + 1);
        }
        return 0;
}

COMPILER(compile_protect_system)
{
        static const struct fixed_path usr[] = { { "/usr", PLAN_READ_ONLY, false }, { "/boot", PLAN_READ_ONLY, true },
                                                 { "/efi", PLAN_READ_ONLY, true }, { 0 } };
        static const struct fixed_path full[] = { { "/etc", PLAN_READ_ONLY, false }, { 0 } };
        static const struct fixed_path strict[] = {
                { "/", PLAN_READ_ONLY, false },
                { "/proc", PLAN_READ_WRITE_IMPLICIT, false }, { "/sys", PLAN_READ_WRITE_IMPLICIT, false },
                { "/dev", PLAN_READ_WRITE_IMPLICIT, false },  { "/home", PLAN_READ_WRITE_IMPLICIT, true },
                { "/root", PLAN_READ_WRITE_IMPLICIT, true },  { "/run/user", PLAN_READ_WRITE_IMPLICIT, true }, { 0 } };
        if (v->number == 3)
                add_fixed(p, strict, v->origin);
        else if (v->number)
                add_fixed(p, usr, v->origin);
        if (v->number == 2)
                add_fixed(p, full, v->origin);
        return 0;
}

COMPILER(compile_protect_home)
{
        static const char *const homes[] = { "/home", "/root", "/run/user" };
        static const enum plan_mount_kind kinds[] = { 0, PLAN_INACCESSIBLE, PLAN_READ_ONLY, PLAN_TMPFS };
        for (size_t i = 0; v->number && i < ELEMENTS(homes); i++) {
                struct plan_mount *m = plan_add_mount(p, kinds[v->number], homes[i], v->origin);
                m->optional = true;
                if (m->kind == PLAN_TMPFS) {
                        m->source = xstrdup(i == 1 ? "mode=0700,size=4m" : "mode=0755,size=4m");
                        m->read_only = true;
                }
        }
        return 0;
}

COMPILER(compile_private_tmp)
{
        p->tmp = (enum plan_tmp)v->number;
        if (!v->number)
                return 0;
        plan_add_mount(p, PLAN_PRIVATE_TMP, "/tmp", v->origin)->source = xstrdup("tmp");
        struct plan_mount *m = plan_add_mount(p, PLAN_PRIVATE_TMP, "/var/tmp", v->origin);
        m->source = xstrdup("var-tmp");
        m->optional = true; /* a minimal root may lack it */
        return 0;
}

COMPILER(compile_private_devices)
{
        if (!v->number)
                return 0;
        plan_add_mount(p, PLAN_PRIVATE_DEV, "/dev", v->origin);
        plan_drop_capability(p, CAP_MKNOD, v->origin);
        plan_drop_capability(p, CAP_SYS_RAWIO, v->origin);
        plan_add_denial(p, "@raw-io", EPERM, v->origin);
        p->devices_closed = true;
        p->devices_origin = v->origin;
        return 0;
}

COMPILER(compile_private_network)
{
        if (!v->number)
                return 0;
        plan_need_namespace(p, CLONE_NEWNET, v->origin);
        if (!s->of[D_PRIVATE_MOUNTS].set || s->of[D_PRIVATE_MOUNTS].number)
                plan_add_mount(p, PLAN_SYSFS, "/sys", v->origin)->optional = true;
        return 0;
}

COMPILER(compile_private_ipc)
{
        if (!v->number)
                return 0;
        plan_need_namespace(p, CLONE_NEWIPC, v->origin);
        plan_add_mount(p, PLAN_MQUEUE, "/dev/mqueue", v->origin)->optional = true;
        return 0;
}

/* Several directives want a /proc of the run's own: it is one mount, which carries all their names. */
static void add_proc(struct plan *p, const char *origin)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (p->mounts[i].kind == PLAN_PROC) {
                        p->mounts[i].origin = plan_keep(p, xprintf("%.400s, %s", p->mounts[i].origin, origin));
                        return;
                }
        plan_add_mount(p, PLAN_PROC, "/proc", origin);
}

COMPILER(compile_private_pids)
{
        if (!v->number)
                return 0;
        plan_need_namespace(p, CLONE_NEWPID, v->origin);
        add_proc(p, v->origin);
        return 0;
}

COMPILER(compile_protect_proc)
{
        p->proc_access = (enum plan_proc_access)v->number;
        if (v->number)
                add_proc(p, v->origin);
        return 0;
}

COMPILER(compile_proc_subset)
{
        p->proc_processes_only = v->number;
        if (v->number)
                add_proc(p, v->origin);
        return 0;
}

COMPILER(compile_protect_kernel_tunables)
{
        static const struct fixed_path rows[] = {
                { "/proc/acpi", PLAN_READ_ONLY, true },       { "/proc/apm", PLAN_READ_ONLY, true },
                { "/proc/asound", PLAN_READ_ONLY, true },     { "/proc/bus", PLAN_READ_ONLY, true },
                { "/proc/fs", PLAN_READ_ONLY, true },         { "/proc/irq", PLAN_READ_ONLY, true },
                { "/proc/kallsyms", PLAN_INACCESSIBLE, true }, { "/proc/kcore", PLAN_INACCESSIBLE, true },
                { "/proc/latency_stats", PLAN_READ_ONLY, true }, { "/proc/mtrr", PLAN_READ_ONLY, true },
                { "/proc/scsi", PLAN_READ_ONLY, true },       { "/proc/sys", PLAN_READ_ONLY, true },
                { "/proc/sysrq-trigger", PLAN_READ_ONLY, true }, { "/proc/timer_stats", PLAN_READ_ONLY, true },
                { "/sys", PLAN_READ_ONLY, false },            { "/sys/fs/bpf", PLAN_READ_ONLY, true },
                { "/sys/fs/cgroup", PLAN_READ_WRITE_IMPLICIT, true }, /* ProtectControlGroups='s business */
                { "/sys/fs/selinux", PLAN_READ_WRITE_IMPLICIT, true },
                { "/sys/kernel/debug", PLAN_READ_ONLY, true }, { "/sys/kernel/tracing", PLAN_READ_ONLY, true }, { 0 } };
        if (!v->number)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_add_denial(p, "_sysctl", EPERM, v->origin);
        return 0;
}

COMPILER(compile_protect_kernel_modules)
{
        static const struct fixed_path rows[] = { { "/usr/lib/modules", PLAN_INACCESSIBLE, true }, { 0 } };
        if (!v->number)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_drop_capability(p, CAP_SYS_MODULE, v->origin);
        plan_add_denial(p, "@module", EPERM, v->origin);
        return 0;
}

COMPILER(compile_protect_kernel_logs)
{
        static const struct fixed_path rows[] = { { "/proc/kmsg", PLAN_INACCESSIBLE, true },
                                                  { "/dev/kmsg", PLAN_INACCESSIBLE, true }, { 0 } };
        if (!v->number)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_drop_capability(p, CAP_SYSLOG, v->origin);
        plan_add_denial(p, "syslog", EPERM, v->origin);
        return 0;
}

COMPILER(compile_protect_clock)
{
        if (!v->number)
                return 0;
        plan_drop_capability(p, CAP_SYS_TIME, v->origin);
        plan_drop_capability(p, CAP_WAKE_ALARM, v->origin);
        plan_add_denial(p, "@clock", EPERM, v->origin);
        return 0;
}

enum groups_word { GROUPS_NO, GROUPS_YES, GROUPS_PRIVATE, GROUPS_STRICT };

/* A namespace of v2 groups cannot hide those of v1: there the weaker words are what can be had. */
static enum groups_word weaken_groups(struct plan *p, enum groups_word word, const char *origin)
{
        static const char *const words[] = { [GROUPS_PRIVATE] = "no", [GROUPS_STRICT] = "yes" };
        strings_take(&p->notes, xprintf("%s: this host's control groups are not v2 alone; taken as %s", origin, words[word]));
        return word == GROUPS_STRICT ? GROUPS_YES : GROUPS_NO;
}

COMPILER(compile_protect_control_groups)
{
        enum groups_word word = (enum groups_word)v->number;
        if (word >= GROUPS_PRIVATE && !facts->unified_cgroups)
                word = weaken_groups(p, word, v->origin);
        if (word == GROUPS_YES)
                plan_add_mount(p, PLAN_READ_ONLY, "/sys/fs/cgroup", v->origin);
        if (word < GROUPS_PRIVATE)
                return 0;
        plan_need_namespace(p, CLONE_NEWCGROUP, v->origin);
        plan_add_mount(p, PLAN_CGROUP, "/sys/fs/cgroup", v->origin)->read_only = word == GROUPS_STRICT;
        return 0;
}

COMPILER(compile_private_users)
{
        p->users = (enum plan_users)v->number;
        p->users_origin = v->origin;
        return 0;
}

COMPILER(compile_private_mounts)
{
        if (v->number)
                plan_need_namespace(p, CLONE_NEWNS, v->origin);
        return 0;
}

COMPILER(compile_protect_hostname)
{
        static const struct fixed_path rows[] = { { "/proc/sys/kernel/domainname", PLAN_READ_ONLY, true },
                                                  { "/proc/sys/kernel/hostname", PLAN_READ_ONLY, true }, { 0 } };
        if (v->number == HOSTNAME_NO)
                return 0;
        plan_need_namespace(p, CLONE_NEWUTS, v->origin);
        p->hostname = v->text ? xstrdup(v->text) : NULL;
        p->hostname_origin = v->origin;
        if (v->number == HOSTNAME_PRIVATE)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_add_denial(p, "sethostname", EPERM, v->origin);
        plan_add_denial(p, "setdomainname", EPERM, v->origin);
        return 0;
}

COMPILER(compile_user)
{
        p->user = xstrdup(v->text);
        p->identity_origin = v->origin;
        return 0;
}

COMPILER(compile_group)
{
        p->group = xstrdup(v->text);
        if (!p->identity_origin)
                p->identity_origin = v->origin;
        return 0;
}

COMPILER(compile_supplementary)
{
        if (!p->identity_origin)
                p->identity_origin = v->origin;
        for (size_t i = 0; i < v->count; i++)
                strings_add(&p->supplementary, v->list[i].text);
        return 0;
}

COMPILER(compile_dynamic_user)
{
        p->dynamic_user = v->number;
        if (v->number)
                p->identity_origin = v->origin;
        return 0;
}

COMPILER(compile_capabilities)
{
        p->bounding &= v->number;
        p->bounding_origin = v->origin;
        return 0;
}

COMPILER(compile_working_directory)
{
        p->working_directory_optional = v->text[0] == '-';
        p->working_directory = xstrdup(v->text + p->working_directory_optional);
        return 0;
}

COMPILER(compile_environment)
{
        for (size_t i = 0; i < v->count; i++)
                strings_add(&p->environment, v->list[i].text);
        return 0;
}

COMPILER(compile_umask) { p->umask = (mode_t)v->number; return 0; }

COMPILER(compile_no_new_privileges)
{
        p->no_new_privileges = v->number;
        p->no_new_privileges_origin = v->origin;
        return 0;
}

COMPILER(compile_restrict_suid_sgid)
{
        p->restrict_suid_sgid = v->number;
        p->restrict_suid_sgid_origin = v->origin;
        return 0;
}

static void restrict_by(struct plan *p, enum restriction_kind kind, uint64_t mask, bool allow_list, const char *origin)
{
        p->restrictions[kind] = (struct plan_restriction){ true, { kind, mask, allow_list }, origin };
}

COMPILER(compile_restrict_namespaces)
{
        if (v->number != RESTRICTION_NAMESPACES_ALL)
                restrict_by(p, RESTRICTION_NAMESPACES, v->number, true, v->origin);
        return 0;
}

COMPILER(compile_restrict_realtime)
{
        if (v->number)
                restrict_by(p, RESTRICTION_REALTIME, 0, false, v->origin);
        return 0;
}

COMPILER(compile_lock_personality)
{
        if (v->number)
                restrict_by(p, RESTRICTION_PERSONALITY, 0, false, v->origin);
        return 0;
}

COMPILER(compile_restrict_families)
{
        bool allow_list = v->number & FAMILIES_ALLOWED;
        uint64_t mask = v->number & ~(FAMILIES_ALLOWED | FAMILIES_LISTED);
        if (allow_list || mask)
                restrict_by(p, RESTRICTION_FAMILIES, mask, allow_list, v->origin);
        return 0;
}

COMPILER(compile_architectures)
{
        restrict_by(p, RESTRICTION_ARCHITECTURES, v->number, true, v->origin);
        return 0;
}

COMPILER(compile_deny_write_execute)
{
        if (v->number)
                restrict_by(p, RESTRICTION_MEMORY, 0, false, v->origin);
        return 0;
}

COMPILER(compile_ambient)
{
        p->ambient = v->number;
        p->ambient_origin = v->origin;
        return 0;
}

COMPILER(compile_secure_bits)
{
        p->secure_bits = (unsigned)v->number;
        p->secure_bits_origin = v->origin;
        return 0;
}

COMPILER(compile_keyring_mode)
{
        p->keyring = PLAN_KEYRING_INHERIT + (enum plan_keyring)v->number;
        p->keyring_origin = v->origin;
        return 0;
}

COMPILER(compile_remove_ipc) { p->remove_ipc = v->number; return 0; }

COMPILER(compile_filter)
{
        for (size_t i = 0; i < v->count; i++) {
                int r = filter_add(&p->filter, v->list[i].text, s->lenient, &p->notes, e);
                if (r < 0)
                        return error_while(e, "reading %s", v->list[i].origin);
        }
        const struct setting *error = &s->of[D_SYSTEM_CALL_ERROR_NUMBER];
        p->filter.default_error = error->set ? (int)(int64_t)error->number : FILTER_KILL;
        p->filter_origin = v->list[0].origin;
        for (size_t i = 1; i < v->count; i++)
                p->filter_origin = plan_keep(p, xprintf("%.400s, %s", p->filter_origin, v->list[i].origin));
        if (error->set)
                p->filter_origin = plan_keep(p, xprintf("%.400s, %s", p->filter_origin, error->origin));
        return 0;
}

COMPILER(compile_memory_max) { p->memory_max_bytes = v->number; p->memory_origin = v->origin; return 0; }
COMPILER(compile_tasks_max) { p->tasks_max = v->number; p->tasks_origin = v->origin; return 0; }
COMPILER(compile_cpu_quota) { p->cpu_quota_permille = v->number; p->cpu_origin = v->origin; return 0; }

static const char *const words_private_tmp[] = { "no", "yes", "disconnected", NULL };
static const char *const words_private_users[] = { "no", "self", "identity", "full", NULL };
static const char *const words_protect_system[] = { "no", "yes", "full", "strict", NULL };
static const char *const words_protect_home[] = { "no", "yes", "read-only", "tmpfs", NULL };
static const char *const words_protect_control_groups[] = { "no", "yes", "private", "strict", NULL };
static const char *const words_protect_proc[] = { "default", "noaccess", "invisible", "ptraceable", NULL };
static const char *const words_keyring_mode[] = { "inherit", "private", "shared", NULL };
static const char *const words_proc_subset[] = { "all", "pid", NULL };
static const char *const words_device_policy[] = { "auto", "closed", "strict", NULL };
static const char *const words_preserve[] = { "no", "yes", "restart", NULL };

static const struct directive table[DIRECTIVE_COUNT] = {
        [D_DYNAMIC_USER] = { "DynamicUser", directive_read_bool, NULL, compile_dynamic_user, "run as a user that exists only while it runs" },
        [D_USER] = { "User", read_user, NULL, compile_user, "run as this user" },
        [D_GROUP] = { "Group", read_user, NULL, compile_group, "run with this primary group" },
        [D_SUPPLEMENTARY_GROUPS] = { "SupplementaryGroups", read_users, NULL, compile_supplementary, "further groups" },
        [D_CAPABILITY_BOUNDING_SET] = { "CapabilityBoundingSet", read_capabilities, NULL, compile_capabilities,
                                        "capabilities that may ever be held" },
        [D_PRIVATE_TMP] = { "PrivateTmp", directive_read_word, words_private_tmp, compile_private_tmp, "its own /tmp and /var/tmp" },
        [D_PRIVATE_DEVICES] = { "PrivateDevices", directive_read_bool, NULL, compile_private_devices, "a /dev without hardware" },
        [D_PRIVATE_NETWORK] = { "PrivateNetwork", directive_read_bool, NULL, compile_private_network, "a network with loopback only" },
        [D_PRIVATE_IPC] = { "PrivateIPC", directive_read_bool, NULL, compile_private_ipc, "its own SysV and POSIX message queues" },
        [D_PRIVATE_PIDS] = { "PrivatePIDs", directive_read_bool, NULL, compile_private_pids, "sees its own processes only" },
        [D_PRIVATE_USERS] = { "PrivateUsers", directive_read_word, words_private_users, compile_private_users, "a user namespace" },
        [D_PRIVATE_MOUNTS] = { "PrivateMounts", directive_read_bool, NULL, compile_private_mounts, "a mount namespace" },
        [D_PROTECT_SYSTEM] = { "ProtectSystem", directive_read_word, words_protect_system, compile_protect_system,
                               "the operating system read-only" },
        [D_PROTECT_HOME] = { "ProtectHome", directive_read_word, words_protect_home, compile_protect_home, "home folders hidden or read-only" },
        [D_PROTECT_HOSTNAME] = { "ProtectHostname", read_hostname, NULL, compile_protect_hostname, "the host name cannot be changed" },
        [D_READ_WRITE_PATHS] = { "ReadWritePaths", read_paths, NULL, compile_read_write, "paths that stay writable" },
        [D_READ_ONLY_PATHS] = { "ReadOnlyPaths", read_paths, NULL, compile_read_only, "paths that are read-only" },
        [D_INACCESSIBLE_PATHS] = { "InaccessiblePaths", read_paths, NULL, compile_inaccessible, "paths that are hidden" },
        [D_EXEC_PATHS] = { "ExecPaths", read_paths, NULL, compile_exec, "paths from which programs may run" },
        [D_NO_EXEC_PATHS] = { "NoExecPaths", read_paths, NULL, compile_no_exec, "paths from which nothing runs" },
        [D_BIND_PATHS] = { "BindPaths", read_binds, NULL, compile_bind, "host paths shown elsewhere" },
        [D_BIND_READ_ONLY_PATHS] = { "BindReadOnlyPaths", read_binds, NULL, compile_bind_read_only, "the same, read-only" },
        [D_TEMPORARY_FILE_SYSTEM] = { "TemporaryFileSystem", read_tmpfs, NULL, compile_tmpfs, "empty tmpfs mounts" },
        [D_RUNTIME_DIRECTORY] = { "RuntimeDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /run" },
        [D_STATE_DIRECTORY] = { "StateDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /var/lib" },
        [D_CACHE_DIRECTORY] = { "CacheDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /var/cache" },
        [D_LOGS_DIRECTORY] = { "LogsDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /var/log" },
        [D_CONFIGURATION_DIRECTORY] = { "ConfigurationDirectory", directive_read_folders, NULL, directive_compile_folders,
                                        "folders below /etc" },
        [D_WORKING_DIRECTORY] = { "WorkingDirectory", read_working_directory, NULL, compile_working_directory, "where it starts" },
        [D_ENVIRONMENT] = { "Environment", read_environment, NULL, compile_environment, "variables" },
        [D_UMASK] = { "UMask", read_umask, NULL, compile_umask, "file mode mask" },
        [D_NO_NEW_PRIVILEGES] = { "NoNewPrivileges", directive_read_bool, NULL, compile_no_new_privileges, "exec never gains privileges" },
        [D_RESTRICT_SUID_SGID] = { "RestrictSUIDSGID", directive_read_bool, NULL, compile_restrict_suid_sgid, "no set-id files can be made" },
        [D_PROTECT_KERNEL_TUNABLES] = { "ProtectKernelTunables", directive_read_bool, NULL, compile_protect_kernel_tunables,
                                        "kernel settings read-only" },
        [D_PROTECT_KERNEL_MODULES] = { "ProtectKernelModules", directive_read_bool, NULL, compile_protect_kernel_modules,
                                       "no kernel modules can be loaded" },
        [D_PROTECT_KERNEL_LOGS] = { "ProtectKernelLogs", directive_read_bool, NULL, compile_protect_kernel_logs, "the kernel's log hidden" },
        [D_PROTECT_CONTROL_GROUPS] = { "ProtectControlGroups", directive_read_word, words_protect_control_groups,
                                       compile_protect_control_groups, "control groups read-only, or its own" },
        [D_PROTECT_CLOCK] = { "ProtectClock", directive_read_bool, NULL, compile_protect_clock, "the clock cannot be set" },
        [D_PROTECT_PROC] = { "ProtectProc", directive_read_exact_word, words_protect_proc, compile_protect_proc, "processes of others hidden in /proc" },
        [D_PROC_SUBSET] = { "ProcSubset", directive_read_exact_word, words_proc_subset, compile_proc_subset, "/proc with processes only" },
        [D_RESTRICT_NAMESPACES] = { "RestrictNamespaces", read_namespaces, NULL, compile_restrict_namespaces,
                                    "namespaces that may be made and entered" },
        [D_RESTRICT_REALTIME] = { "RestrictRealtime", directive_read_bool, NULL, compile_restrict_realtime, "no realtime scheduling" },
        [D_LOCK_PERSONALITY] = { "LockPersonality", directive_read_bool, NULL, compile_lock_personality, "the execution domain stays" },
        [D_RESTRICT_ADDRESS_FAMILIES] = { "RestrictAddressFamilies", read_families, NULL, compile_restrict_families,
                                          "kinds of sockets allowed, or with ~ denied" },
        [D_SYSTEM_CALL_ARCHITECTURES] = { "SystemCallArchitectures", read_architectures, NULL, compile_architectures,
                                          "architectures whose system calls may be used" },
        [D_MEMORY_DENY_WRITE_EXECUTE] = { "MemoryDenyWriteExecute", directive_read_bool, NULL, compile_deny_write_execute,
                                          "no memory that is writable and executable" },
        [D_AMBIENT_CAPABILITIES] = { "AmbientCapabilities", read_ambient, NULL, compile_ambient,
                                     "capabilities that an ordinary user keeps" },
        [D_SECURE_BITS] = { "SecureBits", read_secure_bits, NULL, compile_secure_bits, "how capabilities change with users and programs" },
        [D_KEYRING_MODE] = { "KeyringMode", directive_read_exact_word, words_keyring_mode, compile_keyring_mode, "its session keyring" },
        [D_REMOVE_IPC] = { "RemoveIPC", directive_read_bool, NULL, compile_remove_ipc, "IPC objects of its user are removed at the end" },
        [D_SYSTEM_CALL_FILTER] = { "SystemCallFilter", read_filter, NULL, compile_filter, "system calls allowed, or with ~ denied" },
        [D_SYSTEM_CALL_ERROR_NUMBER] = { "SystemCallErrorNumber", read_errno, NULL, NULL, "what a denied call returns" },
        [D_MEMORY_MAX] = { "MemoryMax", read_memory, NULL, compile_memory_max, "memory limit" },
        [D_TASKS_MAX] = { "TasksMax", read_tasks, NULL, compile_tasks_max, "limit of processes and threads" },
        [D_CPU_QUOTA] = { "CPUQuota", read_cpu_quota, NULL, compile_cpu_quota, "CPU time limit, in percent of one CPU" },
        [D_LIMIT_CPU] = { "LimitCPU", directive_read_limit, NULL, directive_compile_limit, "CPU time of each process" },
        [D_LIMIT_FSIZE] = { "LimitFSIZE", directive_read_limit, NULL, directive_compile_limit, "size of a file it writes" },
        [D_LIMIT_DATA] = { "LimitDATA", directive_read_limit, NULL, directive_compile_limit, "data segment" },
        [D_LIMIT_STACK] = { "LimitSTACK", directive_read_limit, NULL, directive_compile_limit, "stack" },
        [D_LIMIT_CORE] = { "LimitCORE", directive_read_limit, NULL, directive_compile_limit, "core dump" },
        [D_LIMIT_RSS] = { "LimitRSS", directive_read_limit, NULL, directive_compile_limit, "resident memory; without effect in Linux" },
        [D_LIMIT_NOFILE] = { "LimitNOFILE", directive_read_limit, NULL, directive_compile_limit, "open files" },
        [D_LIMIT_AS] = { "LimitAS", directive_read_limit, NULL, directive_compile_limit, "address space" },
        [D_LIMIT_NPROC] = { "LimitNPROC", directive_read_limit, NULL, directive_compile_limit, "processes of its user" },
        [D_LIMIT_MEMLOCK] = { "LimitMEMLOCK", directive_read_limit, NULL, directive_compile_limit, "locked memory" },
        [D_LIMIT_LOCKS] = { "LimitLOCKS", directive_read_limit, NULL, directive_compile_limit, "file locks; without effect in Linux" },
        [D_LIMIT_SIGPENDING] = { "LimitSIGPENDING", directive_read_limit, NULL, directive_compile_limit, "queued signals" },
        [D_LIMIT_MSGQUEUE] = { "LimitMSGQUEUE", directive_read_limit, NULL, directive_compile_limit, "bytes in POSIX message queues" },
        [D_LIMIT_NICE] = { "LimitNICE", directive_read_limit, NULL, directive_compile_limit, "how far nice may be lowered" },
        [D_LIMIT_RTPRIO] = { "LimitRTPRIO", directive_read_limit, NULL, directive_compile_limit, "realtime priority" },
        [D_LIMIT_RTTIME] = { "LimitRTTIME", directive_read_limit, NULL, directive_compile_limit, "realtime CPU time without a pause" },
        [D_NICE] = { "Nice", directive_read_integer, NULL, directive_compile_attribute, "nice level" },
        [D_OOM_SCORE_ADJUST] = { "OOMScoreAdjust", directive_read_integer, NULL, directive_compile_attribute, "whom the kernel ends first when memory runs out" },
        [D_TIMER_SLACK_NSEC] = { "TimerSlackNSec", directive_read_timer_slack, NULL, directive_compile_attribute, "how late timers may be" },
        [D_IO_SCHEDULING_CLASS] = { "IOSchedulingClass", directive_read_attribute_word, NULL, directive_compile_attribute, "class of disk I/O" },
        [D_IO_SCHEDULING_PRIORITY] = { "IOSchedulingPriority", directive_read_integer, NULL, directive_compile_attribute, "priority within the class of disk I/O" },
        [D_CPU_SCHEDULING_POLICY] = { "CPUSchedulingPolicy", directive_read_attribute_word, NULL, directive_compile_attribute, "CPU scheduler" },
        [D_CPU_SCHEDULING_PRIORITY] = { "CPUSchedulingPriority", directive_read_integer, NULL, directive_compile_attribute, "priority with fifo and rr" },
        [D_CPU_SCHEDULING_RESET_ON_FORK] = { "CPUSchedulingResetOnFork", directive_read_bool, NULL, directive_compile_attribute, "children go back to the default scheduler" },
        [D_NUMA_POLICY] = { "NUMAPolicy", directive_read_attribute_word, NULL, directive_compile_attribute, "from which nodes memory comes" },
        [D_PERSONALITY] = { "Personality", directive_read_attribute_word, NULL, directive_compile_attribute, "which machine uname tells of" },
        [D_COREDUMP_FILTER] = { "CoredumpFilter", directive_read_coredump_filter, NULL, directive_compile_attribute, "what a core dump contains" },
        [D_IGNORE_SIGPIPE] = { "IgnoreSIGPIPE", directive_read_bool, NULL, directive_compile_attribute, "SIGPIPE is ignored" },
        [D_CPU_AFFINITY] = { "CPUAffinity", directive_read_numbers, NULL, directive_compile_cpu_affinity, "CPUs it may run on" },
        [D_NUMA_MASK] = { "NUMAMask", directive_read_numbers, NULL, directive_compile_numa_mask, "nodes that NUMAPolicy= is about" },
        [D_PASS_ENVIRONMENT] = { "PassEnvironment", directive_read_names, NULL, directive_compile_pass_environment, "variables of the caller's" },
        [D_ENVIRONMENT_FILE] = { "EnvironmentFile", directive_read_environment_file, NULL, directive_compile_environment_file, "files with variables" },
        [D_UNSET_ENVIRONMENT] = { "UnsetEnvironment", directive_read_unset, NULL, directive_compile_unset_environment, "variables that are taken away" },
        [D_EXEC_SEARCH_PATH] = { "ExecSearchPath", directive_read_search_path, NULL, directive_compile_search_path, "where programs are looked for" },
        [D_STANDARD_INPUT] = { "StandardInput", directive_read_stream, NULL, directive_compile_stream, "where input comes from" },
        [D_STANDARD_OUTPUT] = { "StandardOutput", directive_read_stream, NULL, directive_compile_stream, "where output goes" },
        [D_STANDARD_ERROR] = { "StandardError", directive_read_stream, NULL, directive_compile_stream, "where errors go" },
        [D_RUNTIME_DIRECTORY_MODE] = { "RuntimeDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of RuntimeDirectory=" },
        [D_STATE_DIRECTORY_MODE] = { "StateDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of StateDirectory=" },
        [D_CACHE_DIRECTORY_MODE] = { "CacheDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of CacheDirectory=" },
        [D_LOGS_DIRECTORY_MODE] = { "LogsDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of LogsDirectory=" },
        [D_CONFIGURATION_DIRECTORY_MODE] = { "ConfigurationDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of ConfigurationDirectory=" },
        [D_RUNTIME_DIRECTORY_PRESERVE] = { "RuntimeDirectoryPreserve", directive_read_word, words_preserve, directive_compile_folder_preserve, "folders of RuntimeDirectory= stay at the end" },
        [D_MEMORY_HIGH] = { "MemoryHigh", directive_read_memory_amount, NULL, directive_compile_amount, "memory above which it is slowed down" },
        [D_MEMORY_LOW] = { "MemoryLow", directive_read_memory_amount, NULL, directive_compile_amount, "memory that others get last" },
        [D_MEMORY_MIN] = { "MemoryMin", directive_read_memory_amount, NULL, directive_compile_amount, "memory that others do not get" },
        [D_MEMORY_SWAP_MAX] = { "MemorySwapMax", directive_read_memory_amount, NULL, directive_compile_amount, "swap limit" },
        [D_CPU_WEIGHT] = { "CPUWeight", directive_read_weight, NULL, directive_compile_amount, "share of CPU time" },
        [D_CPU_QUOTA_PERIOD_SEC] = { "CPUQuotaPeriodSec", directive_read_period, NULL, directive_compile_amount, "time over which CPUQuota= is measured" },
        [D_IO_WEIGHT] = { "IOWeight", directive_read_weight, NULL, directive_compile_amount, "share of disk time" },
        [D_IO_DEVICE_WEIGHT] = { "IODeviceWeight", directive_read_io, NULL, directive_compile_io, "share of one disk's time" },
        [D_IO_READ_BANDWIDTH_MAX] = { "IOReadBandwidthMax", directive_read_io, NULL, directive_compile_io, "bytes read from a disk a second" },
        [D_IO_WRITE_BANDWIDTH_MAX] = { "IOWriteBandwidthMax", directive_read_io, NULL, directive_compile_io, "bytes written to a disk a second" },
        [D_IO_READ_IOPS_MAX] = { "IOReadIOPSMax", directive_read_io, NULL, directive_compile_io, "reads from a disk a second" },
        [D_IO_WRITE_IOPS_MAX] = { "IOWriteIOPSMax", directive_read_io, NULL, directive_compile_io, "writes to a disk a second" },
        [D_ALLOWED_CPUS] = { "AllowedCPUs", directive_read_numbers, NULL, directive_compile_allowed_cpus, "CPUs of the control group" },
        [D_ALLOWED_MEMORY_NODES] = { "AllowedMemoryNodes", directive_read_numbers, NULL, directive_compile_allowed_nodes, "memory nodes of the control group" },
        [D_DEVICE_POLICY] = { "DevicePolicy", directive_read_exact_word, words_device_policy, directive_compile_device_policy, "which devices may be used" },
        [D_DEVICE_ALLOW] = { "DeviceAllow", directive_read_device, NULL, directive_compile_device, "a device that may be used" },
        [D_IP_ADDRESS_ALLOW] = { "IPAddressAllow", directive_read_addresses, NULL, directive_compile_addresses, "addresses that IPAddressDeny= does not close" },
        [D_IP_ADDRESS_DENY] = { "IPAddressDeny", directive_read_addresses, NULL, directive_compile_addresses, "addresses without packets to or from them" },
        [D_IP_ACCOUNTING] = { "IPAccounting", directive_read_bool, NULL, directive_compile_ip_accounting, "taken, but nothing is counted" },
        [D_SOCKET_BIND_ALLOW] = { "SocketBindAllow", directive_read_bind_rule, NULL, directive_compile_bind_rules, "ports that SocketBindDeny= does not close" },
        [D_SOCKET_BIND_DENY] = { "SocketBindDeny", directive_read_bind_rule, NULL, directive_compile_bind_rules, "ports that cannot be bound" },
        [D_RESTRICT_NETWORK_INTERFACES] = { "RestrictNetworkInterfaces", directive_read_interfaces, NULL, directive_compile_interfaces,
                                            "network devices that may be used" },
        [D_BIND_NETWORK_INTERFACE] = { "BindNetworkInterface", directive_read_interface, NULL, directive_compile_bound_interface,
                                       "the network device of its sockets" },
        [D_RESTRICT_FILE_SYSTEMS] = { "RestrictFileSystems", directive_read_file_systems, NULL, directive_compile_file_systems,
                                      "kinds of file systems that may be opened" },
};

const char *directive_name(unsigned i, const char **ret_summary)
{
        if (i >= DIRECTIVE_COUNT)
                return NULL;
        if (ret_summary)
                *ret_summary = table[i].summary;
        return table[i].name;
}

const char *directive_secure_bit(unsigned bit)
{
        return bit < ELEMENTS(secure_bits) ? secure_bits[bit].name : NULL;
}

/* The row of a name, or of the nearest one for a hint. */
static const struct directive *find_row(const char *name, size_t n)
{
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
                if (strlen(table[i].name) == n && !strncmp(table[i].name, name, n))
                        return &table[i];
        return NULL;
}

bool directive_is_known(const char *name)
{
        return find_row(name, strlen(name));
}

static int unknown_directive(struct error *e, const char *name, size_t n)
{
        error_set(e, EINVAL, "directive.unknown", "unknown directive \"%.*s\"", (int)(n > 80 ? 80 : n), name);
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
                if (strlen(table[i].name) == n && !strncasecmp(table[i].name, name, n))
                        error_hint(e, "did you mean %s?", table[i].name);
        error_hint(e, "bulkhead.directives(5) lists all");
        return -EINVAL;
}

int settings_assign(struct settings *s, const struct facts *facts, const char *assignment, struct error *e)
{
        const char *eq = strchr(assignment, '=');
        size_t n = eq ? (size_t)(eq - assignment) : strlen(assignment);
        if (!eq || !n) {
                error_set(e, EINVAL, "directive.syntax", "\"%.80s\" is not NAME=VALUE", assignment);
                return -EINVAL;
        }
        if (strlen(eq) > DIRECTIVE_VALUE_MAX || ++s->assignments > DIRECTIVE_ASSIGNMENTS_MAX)
                return error_set(e, E2BIG, "directive.limit", "%s: over the limit of %d bytes a value and %d assignments",
                                 "directives", DIRECTIVE_VALUE_MAX, DIRECTIVE_ASSIGNMENTS_MAX);
        const struct directive *row = find_row(assignment, n);
        if (!row)
                return unknown_directive(e, assignment, n);

        size_t shown = strlen(assignment);
        char *origin = s->by ? xprintf("%.160s (%s)", assignment, s->by) : xstrndup(assignment, shown > 160 ? 160 : shown);
        strings_take(&s->strings, origin);
        const char *value = eq + 1 + strspn(eq + 1, " \t");
        struct reader r = { row, s, &s->of[row - table], facts, origin };
        struct error own = { 0 };
        int k = row->read(&r, value, &own);
        if (k == 0)
                return 0;
        if (s->lenient) {
                strings_take(&s->notes, xprintf("%s: %s; ignored", origin, own.cause));
                return 0;
        }
        if (e)
                *e = own;
        return error_while(e, "reading %s", origin);
}

/* What DynamicUser=yes switches on; NULL word: cannot be weakened. */
static void imply(struct settings *s, enum directive_id id, uint64_t number, bool forced, const char *value)
{
        struct setting *v = &s->of[id];
        if (!forced && v->set && !(id == D_PROTECT_HOME && !v->number) && !(id == D_PRIVATE_TMP && !v->number))
                return;
        if (forced && v->set && v->number == number)
                return;
        char *origin = xprintf("%s=%s (implied by %s)", table[id].name, value, s->of[D_DYNAMIC_USER].origin);
        strings_take(&s->strings, origin);
        v->set = true;
        v->number = number;
        v->origin = origin;
}

static void imply_dynamic_user(struct settings *s)
{
        imply(s, D_PROTECT_SYSTEM, 3, true, "strict");
        imply(s, D_PROTECT_HOME, 2, false, "read-only");
        imply(s, D_PRIVATE_TMP, PLAN_TMP_DISCONNECTED, false, "disconnected");
        imply(s, D_REMOVE_IPC, 1, true, "yes");
        imply(s, D_NO_NEW_PRIVILEGES, 1, true, "yes");
        imply(s, D_RESTRICT_SUID_SGID, 1, true, "yes");
}

static bool is_root_read_only(const struct plan *p)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (text_equal(p->mounts[i].path, "/") && p->mounts[i].kind == PLAN_READ_ONLY)
                        return true;
        return false;
}

int settings_compile(struct settings *s, const struct facts *facts, struct plan *p, struct error *e)
{
        *p = (struct plan){ .unit = xstrdup(facts->unit), .user_mode = facts->user_mode, .lenient = s->lenient,
                            .bounding = facts->capabilities, .umask = 0022, .memory_max_bytes = UINT64_MAX,
                            .tasks_max = UINT64_MAX, .cpu_quota_permille = UINT64_MAX };
        if (s->of[D_DYNAMIC_USER].set && s->of[D_DYNAMIC_USER].number)
                imply_dynamic_user(s);
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
                if (!s->of[i].set || !table[i].compile)
                        continue;
                int r = table[i].compile(s, &s->of[i], facts, p, e);
                if (r < 0)
                        return r;
        }
        int r = directive_check_process(p, e);
        if (r < 0)
                return r;
        /* Origins live as long as the plan. */
        for (size_t i = 0; i < s->strings.count; i++)
                strings_take(&p->strings, s->strings.items[i]);
        s->strings.count = 0;
        for (size_t i = 0; i < s->notes.count; i++)
                strings_add(&p->notes, s->notes.items[i]);
        plan_normalize_mounts(p);
        p->root_read_only = is_root_read_only(p);
        return 0;
}

void settings_done(struct settings *s)
{
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
                directive_reset_list(&s->of[i]);
                free(s->of[i].list);
                free(s->of[i].text);
        }
        strings_clear(&s->strings);
        strings_clear(&s->notes);
        *s = (struct settings){ 0 };
}
