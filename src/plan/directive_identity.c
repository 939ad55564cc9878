/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about who runs: users and groups. */
#include <ctype.h>
#include <string.h>

#include "plan/directive_internal.h"
#include "plan/specifier.h"

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

READER_OF_SIBLING(directive_read_user)
{
        return directive_read_text(r, value, check_user, e);
}

READER_OF_SIBLING(directive_read_users)
{
        return directive_read_words(r, value, check_user, e);
}

COMPILER_OF_SIBLING(directive_compile_user)
{
        p->user = xstrdup(v->text);
        p->identity_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_group)
{
        p->group = xstrdup(v->text);
        if (!p->identity_origin)
                p->identity_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_supplementary)
{
        if (!p->identity_origin)
                p->identity_origin = v->origin;
        for (size_t i = 0; i < v->count; i++)
                strings_add(&p->supplementary, v->list[i].text);
        return 0;
}

/* A file in /etc/pam.d. */
static int check_pam_name(const char *word, char **ret, struct error *e)
{
        size_t n = strlen(word);
        bool ok = n && n <= 255 && *word != '.';
        for (const char *p = word; *p; p++)
                ok = ok && *p > ' ' && *p < 0x7f && *p != '/';
        if (!ok)
                return directive_bad_value(e, word, "the name of a file in /etc/pam.d");
        *ret = xstrdup(word);
        return 0;
}

READER_OF_SIBLING(directive_read_pam_name)
{
        return directive_read_text(r, value, check_pam_name, e);
}

#ifdef BULKHEAD_WITH_PAM
enum { HAS_PAM = true };
#else
enum { HAS_PAM = false };
#endif

/* A session is somebody's, and its modules want to be root's. After the users are compiled. */
COMPILER_OF_SIBLING(directive_compile_pam_name)
{
        const char *refused = !HAS_PAM ? "Bulkhead was built without PAM: its modules are for bulkhead-pam, which is not there"
                              : facts->user_mode ? "sessions of PAM take root"
                              : !p->user && !p->dynamic_user ? "a session is a user's: it takes User=" : NULL;
        if (refused) {
                error_set(e, ENOTSUP, "directive.unsupported", "PAMName= is not applied: %s", refused);
                return error_while(e, "applying %s", v->origin);
        }
        p->pam_name = xstrdup(v->text);
        p->pam_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_dynamic_user)
{
        p->dynamic_user = v->number;
        if (v->number)
                p->identity_origin = v->origin;
        return 0;
}
