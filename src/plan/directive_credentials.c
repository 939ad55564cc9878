/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about credentials. */
#include <string.h>

#include "base/base64.h"
#include "base/path.h"
#include "plan/directive_internal.h"
#include "plan/specifier.h"

bool credential_name_valid(const char *s)
{
        size_t n = strlen(s);
        if (!n || n > CREDENTIAL_NAME_MAX || text_equal(s, ".") || text_equal(s, ".."))
                return false;
        for (const char *p = s; *p; p++)
                if (*p <= ' ' || *p >= 0x7f || *p == ':' || *p == '/')
                        return false;
        return true;
}

void plan_credentials_done(struct plan_credentials *c)
{
        for (size_t i = 0; i < c->count; i++) {
                struct plan_credential *item = &c->items[i];
                free(item->name);
                free(item->source);
                if (item->data.data)
                        explicit_bzero(item->data.data, item->data.length);
                text_clear(&item->data);
        }
        free(c->items);
        free(c->folder);
        strings_clear(&c->stores);
        strings_clear(&c->encrypted_stores);
}

/*
 * ---- reading ----
 * Values are kept as "NAME\nMARK REST" without the blank.  What is encrypted and what is not are one setting, as with systemd: the later
 * of two assignments to one name holds, and the empty one resets both.
 */
enum { MARK_PLAIN = 'p', MARK_ENCRYPTED = 'e' };

static int bad_name(struct error *e, const char *name)
{
        return directive_bad_value(e, name, "the name of a credential: up to 255 printable characters without blanks, : and /");
}

/* What stands before the first colon, expanded, and at *ret_rest what stands behind it, or NULL. */
static int split(const struct reader *r, const char *value, char **ret_name, const char **ret_rest, struct error *e)
{
        size_t n = strcspn(value, ":");
        CLEAN_FREE char *raw = xstrndup(value, n);
        *ret_rest = value[n] ? value + n + 1 : NULL;
        return specifier_expand(raw, r->facts, ret_name, e);
}

/* The later of two assignments to one name holds. */
static void put(const struct reader *r, const char *name, char mark, const char *rest)
{
        CLEAN_FREE char *start = xprintf("%s\n", name);
        struct setting *v = r->v;
        for (size_t i = 0; i < v->count; i++)
                if (text_starts(v->list[i].text, start)) {
                        free(v->list[i].text);
                        memmove(&v->list[i], &v->list[i + 1], (v->count - i - 1) * sizeof *v->list);
                        v->count--;
                        break;
                }
        directive_add_value(r, xprintf("%s%c%s", start, mark, rest));
}

static int read_load(const struct reader *r, char mark, const char *value, struct error *e)
{
        CLEAN_FREE char *name = NULL, *source = NULL, *path = NULL;
        const char *rest;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        int k = split(r, value, &name, &rest, e);
        if (k == 0 && !credential_name_valid(name))
                k = bad_name(e, name);
        if (k == 0 && rest)
                k = specifier_expand(rest, r->facts, &source, e);
        if (k < 0)
                return k;
        if (source && *source == '/' && path_normalize(source, &path) < 0)
                return directive_bad_value(e, source, "an absolute path without \"..\"");
        if (source && *source != '/' && !credential_name_valid(source))
                return bad_name(e, source);
        put(r, name, mark, path ? path : source ? source : name);
        return 0;
}

static struct reader into(const struct reader *r, enum directive_id id)
{
        return (struct reader){ r->row, r->all, &r->all->of[id], r->facts, r->origin };
}

int directive_read_load_credential(const struct reader *r, const char *value, struct error *e)
{
        return read_load(r, MARK_PLAIN, value, e);
}

int directive_read_load_credential_encrypted(const struct reader *r, const char *value, struct error *e)
{
        const struct reader shared = into(r, D_LOAD_CREDENTIAL);
        return read_load(&shared, MARK_ENCRYPTED, value, e);
}

/* What a value stands for: C escapes, or base64. */
static int decode(const char *name, char mark, const char *text, struct text *ret, struct error *e)
{
        if (mark == MARK_ENCRYPTED) {
                if (base64_decode(text, strlen(text), ret) < 0)
                        return error_set(e, EINVAL, "directive.value", "the value of the credential %.80s is not base64", name);
        } else if (text_unescape(text, ret) < 0)
                return error_set(e, EINVAL, "directive.value", "the value of the credential %.80s has an escape that C does not know", name);
        if (ret->length > CREDENTIAL_BYTES_MAX)
                return error_set(e, E2BIG, "credential.limit", "the credential %.80s is larger than %d bytes", name, CREDENTIAL_BYTES_MAX);
        return 0;
}

static int read_set(const struct reader *r, char mark, const char *value, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_TEXT struct text data = { 0 };
        const char *rest;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        int k = split(r, value, &name, &rest, e);
        if (k < 0)
                return k;
        if (!credential_name_valid(name))
                return bad_name(e, name);
        if (!rest)
                return directive_bad_value(e, name, "NAME:VALUE");
        k = decode(name, mark, rest, &data, e);
        if (data.data)
                explicit_bzero(data.data, data.length);
        if (k < 0)
                return k;
        /* The origin is shown and kept: without the value. */
        char *origin = xprintf("%s=%s:...", r->row->name, name);
        strings_take(&r->all->strings, origin);
        const struct reader silent = { r->row, r->all, r->v, r->facts, origin };
        put(&silent, name, mark, rest);
        return 0;
}

int directive_read_set_credential(const struct reader *r, const char *value, struct error *e)
{
        return read_set(r, MARK_PLAIN, value, e);
}

int directive_read_set_credential_encrypted(const struct reader *r, const char *value, struct error *e)
{
        const struct reader shared = into(r, D_SET_CREDENTIAL);
        return read_set(&shared, MARK_ENCRYPTED, value, e);
}

/* A name as a pattern; only one that could match a name. */
static bool is_pattern(const char *s)
{
        CLEAN_FREE char *plain = xstrdup(s);
        for (char *p = plain; *p; p++)
                *p = *p == '*' || *p == '?' ? 'x' : *p;
        return credential_name_valid(plain);
}

int directive_read_import_credential(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_FREE char *pattern = NULL, *renamed = NULL;
        const char *rest;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        int k = split(r, value, &pattern, &rest, e);
        if (k == 0 && rest)
                k = specifier_expand(rest, r->facts, &renamed, e);
        if (k < 0)
                return k;
        if (!is_pattern(pattern) || (renamed && !credential_name_valid(renamed)))
                return directive_bad_value(e, value, "PATTERN[:NAME], the pattern a credential's name with * and ?");
        put(r, pattern, MARK_PLAIN, renamed ? renamed : "");
        return 0;
}

/* ---- compiling ---- */

static struct plan_credential *add(struct plan *p, enum plan_credential_kind kind, const struct value *v, const char **ret_rest)
{
        struct plan_credentials *c = &p->credentials;
        const char *line = strchr(v->text, '\n');
        c->items = xgrow(c->items, &c->room, c->count + 1, sizeof *c->items);
        struct plan_credential *item = &c->items[c->count++];
        *item = (struct plan_credential){ .kind = kind, .name = xstrndup(v->text, (size_t)(line - v->text)), .encrypted = line[1] == MARK_ENCRYPTED, .origin = v->origin };
        if (!c->origin)
                c->origin = v->origin;
        *ret_rest = line + 2;
        return item;
}

int directive_compile_credentials(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        enum plan_credential_kind kind = (enum plan_credential_kind)(directive_of(s, v) - D_LOAD_CREDENTIAL);
        const char *rest;
        (void)facts;
        for (size_t i = 0; i < v->count; i++) {
                if (p->credentials.count == CREDENTIALS_MAX)
                        return error_set(e, E2BIG, "credential.limit", "more than %d credentials", CREDENTIALS_MAX);
                struct plan_credential *item = add(p, kind, &v->list[i], &rest);
                if (kind == PLAN_CREDENTIAL_SET)
                        (void)decode(item->name, item->encrypted ? MARK_ENCRYPTED : MARK_PLAIN, rest, &item->data, e); /* the reader has tried it */
                else
                        item->source = *rest ? xstrdup(rest) : NULL;
        }
        return 0;
}

static void add_stores(struct strings *l, const char *suffix, const struct facts *facts)
{
        static const char *const system[] = { "/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore" };
        if (facts->user_mode) {
                strings_take(l, xprintf("%s/credstore%s", facts->configuration_folder, suffix));
                strings_take(l, xprintf("%s/credstore%s", facts->runtime_folder, suffix));
                return;
        }
        for (size_t i = 0; i < ELEMENTS(system); i++)
                strings_take(l, xprintf("%s%s", system[i], suffix));
}

void directive_finish_credentials(const struct facts *facts, struct plan *p)
{
        struct plan_credentials *c = &p->credentials;
        CLEAN_FREE char *all = xprintf("%s/credentials", facts->runtime_folder);
        if (!c->origin)
                return;
        c->folder = specifier_credentials_folder(facts);
        add_stores(&c->stores, "", facts);
        add_stores(&c->encrypted_stores, ".encrypted", facts);
        struct plan_mount *m = plan_add_mount(p, PLAN_TMPFS, all, c->origin);
        m->source = xstrdup("mode=0755,size=64k,nosuid,noexec");
        m->read_only = true;
        plan_add_mount(p, PLAN_CREDENTIALS, c->folder, c->origin)->read_only = true;
}
