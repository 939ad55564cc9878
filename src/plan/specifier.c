/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/specifier.h"

#include <string.h>

#include "plan/unit_name.h"

/* The unit's name without its suffix; of a template's instance the part before or behind the '@'. */
static char *name_part(const char *unit, char which)
{
        const char *dot = strrchr(unit, '.');
        size_t n = dot ? (size_t)(dot - unit) : strlen(unit);
        const char *at = memchr(unit, '@', n);
        switch (which) {
        case 'p':
                return xstrndup(unit, at ? (size_t)(at - unit) : n);
        case 'i':
                return at ? xstrndup(at + 1, (size_t)(unit + n - at - 1)) : xstrdup("");
        case 'n':
                return xstrdup(unit);
        default:
                return xstrndup(unit, n);
        }
}

static char *final_component(const char *unit)
{
        CLEAN_FREE char *prefix = name_part(unit, 'p');
        const char *dash = strrchr(prefix, '-');
        return xstrdup(dash ? dash + 1 : prefix);
}

/* Takes s. What is not written as an escape stays as it is. */
static char *unescaped(char *s)
{
        CLEAN_FREE char *owned = s;
        char *text;
        return unit_unescape(s, &text) == 0 ? text : TAKE_PTR(owned);
}

/* The instance, or without one the name, as the path that it escapes. */
static char *as_path(const char *unit)
{
        CLEAN_FREE char *instance = name_part(unit, 'i'), *name = *instance ? NULL : name_part(unit, 'p');
        CLEAN_FREE char *text = unescaped(xstrdup(name ? name : instance));
        return *text == '/' ? TAKE_PTR(text) : xprintf("/%s", text);
}

char *specifier_credentials_folder(const struct facts *facts)
{
        return xprintf("%s/credentials/%s", facts->runtime_folder, facts->unit);
}

static char *expand_one(char c, const struct facts *f)
{
        switch (c) {
        case '%': return xstrdup("%");
        case 'n': case 'N': case 'p': case 'i':
                return name_part(f->unit, c);
        case 'P': return unescaped(name_part(f->unit, 'p'));
        case 'I': return unescaped(name_part(f->unit, 'i'));
        case 'f': return as_path(f->unit);
        case 'j': return final_component(f->unit);
        case 'J': return unescaped(final_component(f->unit));
        case 't': return xstrdup(f->runtime_folder);
        case 'S': return xstrdup(f->state_folder);
        case 'C': return xstrdup(f->cache_folder);
        case 'L': return xstrdup(f->logs_folder);
        case 'E': return xstrdup(f->configuration_folder);
        case 'd': return specifier_credentials_folder(f);
        case 'T': return xstrdup("/tmp");
        case 'V': return xstrdup("/var/tmp");
        case 'a': case 'A': case 'B': case 'M': case 'o': case 'w': case 'W': case 'v': case 'l': case 'q': case 'g':
                return f->host_word ? f->host_word(c) : xstrdup("");
        case 'u': return xstrdup(f->user_name);
        case 'U': return xprintf("%u", f->uid);
        case 'G': return xprintf("%u", f->gid);
        case 'h': return xstrdup(f->home);
        case 's': return xstrdup(f->shell);
        case 'b': return xstrdup(f->boot_id);
        case 'm': return xstrdup(f->machine_id);
        case 'H': return xstrdup(f->hostname);
        default: return NULL;
        }
}

int specifier_expand(const char *s, const struct facts *facts, char **ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (; *s; s++) {
                if (*s != '%') {
                        text_add_bytes(&t, s, 1);
                        continue;
                }
                CLEAN_FREE char *value = s[1] ? expand_one(s[1], facts) : NULL;
                if (!value) {
                        error_set(e, EINVAL, "directive.specifier", "unknown specifier %%%c", s[1] ? s[1] : ' ');
                        error_hint(e, "write %%%% for a percent sign");
                        return -EINVAL;
                }
                text_add(&t, value);
                s++;
        }
        *ret = TAKE_PTR(t.data);
        return 0;
}
