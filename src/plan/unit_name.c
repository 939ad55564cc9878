/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/unit_name.h"

#include <string.h>

#include "base/path.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\";

static const char *const types[UNIT_TYPES] = {
        [UNIT_SERVICE] = "service", [UNIT_SOCKET] = "socket",       [UNIT_TARGET] = "target", [UNIT_DEVICE] = "device",
        [UNIT_MOUNT] = "mount",     [UNIT_AUTOMOUNT] = "automount", [UNIT_SWAP] = "swap",     [UNIT_TIMER] = "timer",
        [UNIT_PATH] = "path",       [UNIT_SLICE] = "slice",         [UNIT_SCOPE] = "scope",
};

const char *unit_type_word(enum unit_type t)
{
        return types[t];
}

/* ---- names ---- */

static int bad_name(const char *s, const char *why, struct error *e)
{
        error_set(e, EINVAL, "unit.file-name", "\"%.80s\" is no name of a unit: %s", s, why);
        error_hint(e, "names are like web.service, web@.service or web@one.service: letters, digits and :-_.\\@, at most %d bytes", UNIT_FILE_NAME_MAX);
        return -EINVAL;
}

int unit_name_parse(const char *s, struct unit_name *ret, struct error *e)
{
        const char *dot = strrchr(s, '.'), *at = strchr(s, '@');
        unsigned type = 0;
        if (strlen(s) > UNIT_FILE_NAME_MAX)
                return bad_name(s, "it is too long", e);
        while (dot && type < UNIT_TYPES && !text_equal(types[type], dot + 1))
                type++;
        if (!dot || type == UNIT_TYPES)
                return bad_name(s, "it does not end with the type of a unit", e);
        for (const char *c = s; *c; c++)
                if (*c != '@' && !strchr(letters, *c))
                        return bad_name(s, "a character may not stand in it", e);
        if (dot == s || at == s)
                return bad_name(s, "nothing stands before the type", e);
        *ret = (struct unit_name){
                .whole = xstrdup(s), .prefix = xstrndup(s, (size_t)((at ? at : dot) - s)),
                .instance = at ? xstrndup(at + 1, (size_t)(dot - at - 1)) : NULL, .type = type,
        };
        return 0;
}

void unit_name_done(struct unit_name *n)
{
        free(n->whole);
        free(n->prefix);
        free(n->instance);
        *n = (struct unit_name){ 0 };
}

static char *build(const char *prefix, const char *instance, enum unit_type type)
{
        return xprintf("%s%s%s.%s", prefix, instance ? "@" : "", instance ? instance : "", types[type]);
}

char *unit_name_template(const struct unit_name *n)
{
        return n->instance ? build(n->prefix, "", n->type) : NULL;
}

char *unit_name_instance(const struct unit_name *of_template, const char *instance)
{
        return build(of_template->prefix, instance, of_template->type);
}

/* ---- drop-ins ---- */

static void add_once(struct strings *l, char *s)
{
        if (strings_has(l, s))
                free(s);
        else
                strings_take(l, s);
}

/* "a-b-" of "a-b-c", "a-" of "a-b-": cuts it so; false when there is none. */
static bool cut_to_dash(char *prefix)
{
        size_t n = strlen(prefix);
        n -= n && prefix[n - 1] == '-';
        while (n && prefix[n - 1] != '-')
                n--;
        prefix[n] = 0;
        return n > 0;
}

/* The prefixes of a template are those of a unit without an instance: so systemd has it. */
static void add_with_prefixes(const char *prefix, const char *instance, enum unit_type type, struct strings *ret)
{
        CLEAN_FREE char *cut = xstrdup(prefix);
        do {
                add_once(ret, build(cut, instance, type));
                if (instance && *instance)
                        add_with_prefixes(cut, "", type, ret);
                else
                        instance = NULL;
        } while (cut_to_dash(cut));
}

void unit_name_drop_in_names(const struct unit_name *n, struct strings *ret)
{
        add_with_prefixes(n->prefix, n->instance, n->type, ret);
}

/* ---- escaping ---- */

char *unit_escape(const char *s)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (const char *c = s; *c; c++)
                if (*c == '/')
                        text_add(&t, "-");
                else if (*c == '-' || *c == '\\' || !strchr(letters, *c) || (c == s && *c == '.'))
                        text_addf(&t, "\\x%02x", (unsigned)(unsigned char)*c);
                else
                        text_add_bytes(&t, c, 1);
        return TAKE_PTR(t.data);
}

static int hex_digit(char c)
{
        static const char digits[] = "0123456789abcdef";
        const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
        return found ? (int)(found - digits) : -EINVAL;
}

int unit_unescape(const char *s, char **ret)
{
        CLEAN_TEXT struct text t = { 0 };
        if (strlen(s) > UNIT_ESCAPE_MAX)
                return -E2BIG;
        text_add(&t, "");
        for (; *s; s++) {
                char c = *s == '-' ? '/' : *s;
                if (*s == '\\') {
                        int high = s[1] == 'x' ? hex_digit(s[2]) : -EINVAL, low = high < 0 ? high : hex_digit(s[3]);
                        if (low < 0 || (high | low) == 0)
                                return -EINVAL;
                        c = (char)(high << 4 | low);
                        s += 3;
                }
                text_add_bytes(&t, &c, 1);
        }
        *ret = TAKE_PTR(t.data);
        return 0;
}

int unit_escape_path(const char *path, char **ret)
{
        CLEAN_FREE char *absolute = xprintf("/%s", path), *normal = NULL;
        int r = path_normalize(absolute, &normal);
        if (r < 0)
                return r;
        *ret = text_equal(normal, "/") ? xstrdup("-") : unit_escape(normal + 1);
        return 0;
}

int unit_unescape_path(const char *s, char **ret)
{
        CLEAN_FREE char *text = NULL, *normal = NULL;
        int r = text_equal(s, "-") ? 0 : unit_unescape(s, &text);
        if (r < 0)
                return r;
        CLEAN_FREE char *absolute = xprintf("/%s", text ? text : "");
        r = path_normalize(absolute, &normal);
        /* Only what unit_escape_path writes: nothing that a path would lose. */
        if (r < 0 || !text_equal(normal, absolute) || (text && !*text))
                return -EINVAL;
        *ret = TAKE_PTR(absolute);
        return 0;
}

bool unit_name_activated(const struct unit_name *of, char **unit)
{
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        if (!*unit)
                *unit = xprintf("%s%s%s.service", of->prefix, of->instance ? "@" : "", of->instance ? of->instance : "");
        return unit_name_parse(*unit, &n, NULL) == 0 && n.type != of->type && !unit_name_is_template(&n);
}
