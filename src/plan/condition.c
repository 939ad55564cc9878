/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/condition.h"

#include <fnmatch.h>
#include <string.h>

#include "base/path.h"
#include "plan/specifier.h"

static const struct {
        const char *name; /* behind Condition or Assert */
        bool path;
} kinds[CONDITION_KINDS] = {
        [CONDITION_ARCHITECTURE] = { "Architecture", false },
        [CONDITION_VIRTUALIZATION] = { "Virtualization", false },
        [CONDITION_HOST] = { "Host", false },
        [CONDITION_KERNEL_COMMAND_LINE] = { "KernelCommandLine", false },
        [CONDITION_KERNEL_VERSION] = { "KernelVersion", false },
        [CONDITION_VERSION] = { "Version", false },
        [CONDITION_CREDENTIAL] = { "Credential", false },
        [CONDITION_ENVIRONMENT] = { "Environment", false },
        [CONDITION_SECURITY] = { "Security", false },
        [CONDITION_CAPABILITY] = { "Capability", false },
        [CONDITION_AC_POWER] = { "ACPower", false },
        [CONDITION_NEEDS_UPDATE] = { "NeedsUpdate", true },
        [CONDITION_FIRST_BOOT] = { "FirstBoot", false },
        [CONDITION_PATH_EXISTS] = { "PathExists", true },
        [CONDITION_PATH_EXISTS_GLOB] = { "PathExistsGlob", true },
        [CONDITION_PATH_IS_DIRECTORY] = { "PathIsDirectory", true },
        [CONDITION_PATH_IS_SYMBOLIC_LINK] = { "PathIsSymbolicLink", true },
        [CONDITION_PATH_IS_MOUNT_POINT] = { "PathIsMountPoint", true },
        [CONDITION_PATH_IS_READ_WRITE] = { "PathIsReadWrite", true },
        [CONDITION_PATH_IS_SOCKET] = { "PathIsSocket", true },
        [CONDITION_DIRECTORY_NOT_EMPTY] = { "DirectoryNotEmpty", true },
        [CONDITION_FILE_NOT_EMPTY] = { "FileNotEmpty", true },
        [CONDITION_FILE_IS_EXECUTABLE] = { "FileIsExecutable", true },
        [CONDITION_USER] = { "User", false },
        [CONDITION_GROUP] = { "Group", false },
        [CONDITION_CONTROL_GROUP_CONTROLLER] = { "ControlGroupController", false },
        [CONDITION_MEMORY] = { "Memory", false },
        [CONDITION_CPUS] = { "CPUs", false },
        [CONDITION_CPU_FEATURE] = { "CPUFeature", false },
        [CONDITION_OS_RELEASE] = { "OSRelease", false },
};

static const char *behind(const char *name, bool *ret_asserts)
{
        *ret_asserts = text_starts(name, "Assert");
        return *ret_asserts ? name + strlen("Assert") : text_starts(name, "Condition") ? name + strlen("Condition") : NULL;
}

static int find_kind(const char *word)
{
        for (int i = 0; i < CONDITION_KINDS; i++)
                if (text_equal(kinds[i].name, word))
                        return i;
        return -EINVAL;
}

bool condition_is_known(const char *name)
{
        bool asserts;
        const char *word = behind(name, &asserts);
        return word && find_kind(word) >= 0;
}

/* An empty one forgets all conditions, or all assertions, whatever their name. */
static void forget(struct conditions *c, bool asserts)
{
        size_t kept = 0;
        for (size_t i = 0; i < c->count; i++)
                if (c->items[i].asserts == asserts) {
                        free(c->items[i].value);
                        free(c->items[i].origin);
                } else
                        c->items[kept++] = c->items[i];
        c->count = kept;
}

static int add(struct conditions *c, const struct unit_line *l, enum condition_kind kind, bool asserts, const struct facts *facts, struct error *e)
{
        const char *s = l->value;
        struct condition x = { .kind = kind, .asserts = asserts, .triggers = *s == '|' };
        char *value = NULL;
        s += x.triggers;
        x.negated = *s == '!';
        s += x.negated;
        int r = specifier_expand(s, facts, &value, e);
        if (r < 0)
                return r;
        if (!*value || (kinds[kind].path && *value != '/')) {
                r = error_set(e, EINVAL, "condition.value", "%s=%.80s needs %s", l->name, l->value, kinds[kind].path ? "an absolute path" : "a value");
                free(value);
                return r;
        }
        x.value = value;
        x.origin = xprintf("%s=%s", l->name, l->value);
        c->items = xgrow(c->items, &c->room, c->count + 1, sizeof *c->items);
        c->items[c->count++] = x;
        return 0;
}

static int read_line(struct conditions *c, const struct unit_line *l, const struct facts *facts, bool lenient, struct error *e)
{
        bool asserts = false;
        const char *word = behind(l->name, &asserts);
        if (!word)
                return 0;
        if (!*l->value) {
                forget(c, asserts);
                return 0;
        }
        int kind = find_kind(word);
        if (kind < 0)
                return lenient ? 0 : error_set(e, ENOTSUP, "condition.unknown", "%s= is not known", l->name);
        int r = add(c, l, (enum condition_kind)kind, asserts, facts, e);
        return r < 0 && lenient ? 0 : r;
}

int conditions_read(const struct unit_file *u, const struct facts *facts, bool lenient, struct conditions *ret, struct error *e)
{
        CLEAN_CONDITIONS struct conditions c = { 0 };
        const struct unit_line *l;
        for (size_t at = 0; (l = unit_file_next(u, "Unit", NULL, &at));) {
                int r = read_line(&c, l, facts, lenient, e);
                if (r < 0) {
                        CLEAN_FREE char *place = unit_file_place(u, l);
                        return error_while(e, "reading %s", place);
                }
        }
        *ret = c;
        c = (struct conditions){ 0 };
        return 0;
}

void conditions_done(struct conditions *c)
{
        forget(c, false);
        forget(c, true);
        free(c->items);
        *c = (struct conditions){ 0 };
}

/* ---- comparing ---- */

enum { IS_LESS = 1, IS_EQUAL = 2, IS_GREATER = 4 };

/* The operator at the beginning, as what may come out of a comparison; 0: none. */
static unsigned take_operator(const char **s)
{
        static const struct {
                const char *sign;
                unsigned accepts;
        } rows[] = { { "<=", IS_LESS | IS_EQUAL }, { "<>", IS_LESS | IS_GREATER }, { "<", IS_LESS }, { ">=", IS_GREATER | IS_EQUAL },
                     { ">", IS_GREATER }, { "!=", IS_LESS | IS_GREATER }, { "==", IS_EQUAL }, { "=", IS_EQUAL } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (text_starts(*s, rows[i].sign)) {
                        *s += strlen(rows[i].sign);
                        *s += strspn(*s, " \t");
                        return rows[i].accepts;
                }
        return 0;
}

static unsigned sign_of(int order)
{
        return order < 0 ? IS_LESS : order > 0 ? IS_GREATER : IS_EQUAL;
}

bool condition_compare_version(const char *have, const char *want)
{
        const char *s = want;
        const bool by_text = text_starts(s, "=") && !text_starts(s, "==");
        unsigned accepts = take_operator(&s);
        if (!accepts)
                return fnmatch(s, have, 0) == 0;
        if (by_text) /* "=" compares patterns, "==" versions */
                return fnmatch(s, have, 0) == 0;
        return accepts & sign_of(strverscmp(have, s));
}

int condition_compare_number(uint64_t have, const char *want, int (*parse)(const char *s, uint64_t *ret), bool *ret)
{
        const char *s = want;
        uint64_t n;
        unsigned accepts = take_operator(&s);
        if (parse(s, &n) < 0)
                return -EINVAL;
        if (!accepts)
                accepts = IS_GREATER | IS_EQUAL;
        *ret = accepts & sign_of(have < n ? -1 : have > n);
        return 0;
}
