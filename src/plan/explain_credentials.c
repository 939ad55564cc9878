/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/explain_credentials.h"

static const char *const kinds[PLAN_CREDENTIAL_KINDS] = { "load", "import", "set" };

static char *words_of(const struct plan_credential *c)
{
        const char *sealed = c->encrypted ? "encrypted, " : "";
        switch (c->kind) {
        case PLAN_CREDENTIAL_LOAD:
                return *c->source == '/' ? xprintf("%sfrom %s", sealed, c->source)
                                         : xprintf("%s%s of the caller's or of a credential store, if there", sealed, c->source);
        case PLAN_CREDENTIAL_IMPORT:
                return c->source ? xprintf("all of these names, as %s", c->source) : xstrdup("all of these names");
        default:
                return xprintf("%s%zu bytes, where nothing is loaded", sealed, c->data.length);
        }
}

void explain_credentials_text(const struct view *v)
{
        const struct plan_credentials *c = &v->p->credentials;
        for (size_t i = 0; i < c->count; i++) {
                CLEAN_FREE char *words = words_of(&c->items[i]);
                line(v, "credentials", c->items[i].name, words, c->items[i].origin);
        }
}

void explain_credentials_json(const struct view *v)
{
        const struct plan_credentials *c = &v->p->credentials;
        struct text *t = v->t;
        key(t, "credentials");
        text_add(t, "{");
        json_string(t, "folder", c->folder);
        json_strings(t, "stores", &c->stores);
        json_strings(t, "encrypted_stores", &c->encrypted_stores);
        key(t, "items");
        text_add(t, "[");
        for (size_t i = 0; i < c->count; i++) {
                const struct plan_credential *item = &c->items[i];
                next(t);
                text_add(t, "{");
                json_string(t, "name", item->name);
                json_string(t, "kind", kinds[item->kind]);
                json_string(t, "source", item->source);
                if (item->kind == PLAN_CREDENTIAL_SET)
                        json_number(t, "bytes", item->data.length);
                json_bool(t, "encrypted", item->encrypted);
                json_string(t, "origin", item->origin);
                text_add(t, "}");
        }
        text_add(t, "]}");
}
