/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "group/expand.h"
#include "plan/run_profile.h"

void service_properties_done(struct service_properties *p)
{
        free(p->unit);
        free(p->profile);
        *p = (struct service_properties){ 0 };
}

/* ---- sections as an object ---- */

/* A name of a section or a directive: nothing that a line of a unit file would read otherwise. */
static int check_name(const struct json_place *at, struct error *e)
{
        for (const char *c = at->key; *c; c++)
                if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-'))
                        return json_fail(at, e, "is no name of a section or a directive");
        return *at->key ? 0 : json_fail(at, e, "has no name");
}

struct lines {
        struct text *text;
        const char *name;
};

static int add_line(const struct json_place *at, void *into, struct error *e)
{
        const struct lines *l = into;
        const char *value = at->value->type == JSON_TRUE ? "yes" : at->value->type == JSON_FALSE ? "no" : NULL;
        if (!value && at->value->type != JSON_NUMBER && !(value = json_text(at, e)))
                return -EINVAL;
        if (value && (strpbrk(value, "\r\n") || (*value && value[strlen(value) - 1] == '\\')))
                return json_fail(at, e, "a value is one line, and goes on on no other");
        if (value)
                text_addf(l->text, "%s=%s\n", l->name, value);
        else
                text_addf(l->text, "%s=%.*s\n", l->name, (int)at->value->length, at->value->text);
        return 0;
}

static int add_directive(const struct json_place *at, void *into, struct error *e)
{
        struct lines l = { into, at->key };
        int r = check_name(at, e);
        if (r < 0 || at->value->type == JSON_NULL)
                return r;
        return at->value->type == JSON_ARRAY ? json_each(at, add_line, &l, e) : add_line(at, &l, e);
}

static int add_section(const struct json_place *at, void *into, struct error *e)
{
        int r = check_name(at, e);
        if (r < 0)
                return r;
        text_addf(into, "[%s]\n", at->key);
        return json_each_member(at, add_directive, into, e);
}

/* ---- reading ---- */

static int read_unit(const struct json_place *at, void *into, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        char **unit = into;
        if (at->value->type == JSON_STRING) {
                const char *s = json_text(at, e);
                if (!s)
                        return -EINVAL;
                text_add(&t, s);
        } else {
                int r = json_each_member(at, add_section, &t, e);
                if (r < 0)
                        return r;
        }
        if (!t.length || t.length > SERVICE_UNIT_TEXT_MAX)
                return json_fail(at, e, "a unit has 1 to %d bytes", SERVICE_UNIT_TEXT_MAX);
        int r = expand_check(t.data, e);
        if (r < 0)
                return r;
        free(*unit);
        *unit = TAKE_PTR(t.data);
        return 0;
}

static int read_profile(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e), *name;
        if (!s)
                return -EINVAL;
        for (unsigned i = 0; (name = run_profile_name(i, NULL)) != NULL; i++)
                if (text_equal(name, s))
                        return json_string(at, into, e);
        return json_fail(at, e, "is no profile: strict, default or trusted");
}

static const struct json_field fields[] = {
        { "Unit", read_unit, offsetof(struct service_properties, unit), JSON_REQUIRED },
        { "Port", port_range_read, offsetof(struct service_properties, ports), 0 },
        { "Profile", read_profile, offsetof(struct service_properties, profile), 0 },
        { 0 },
};

/* A misspelt Profile would be a weaker sandbox than was asked for, or a stronger one than is understood. */
static int refuse_unknown(const struct json_place *at, void *into, struct error *e)
{
        (void)into;
        for (const struct json_field *f = fields; f->name; f++)
                if (text_equal(f->name, at->key))
                        return 0;
        return json_fail(at, e, "is not known here: Unit, Port, Profile");
}

int service_properties_read(const struct json_place *at, struct service_properties *ret, struct error *e)
{
        CLEAN_SERVICE_PROPERTIES struct service_properties p = { 0 };
        int r = json_object(at, fields, &p, e);
        if (r == 0)
                r = json_each_member(at, refuse_unknown, NULL, e);
        if (r < 0)
                return r;
        if (!p.profile)
                p.profile = xstrdup("strict");
        *ret = p;
        p = (struct service_properties){ 0 };
        return 0;
}

int service_properties_parse(const char *text, struct service_properties *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("Properties", text ? text : "{}", text ? strlen(text) : 2, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "Properties");
        return service_properties_read(&top, ret, e);
}

/* ---- the unit ---- */

static void add_source(struct unit *u, char *path, struct text *text)
{
        u->sources = xgrow(u->sources, &u->room, u->count + 1, sizeof *u->sources);
        u->sources[u->count++] = (struct unit_source){ .path = path, .text = *text };
        *text = (struct text){ 0 };
}

static int add_variable(struct text *t, const char *name, const char *place, const struct instance *i, struct error *e)
{
        text_addf(t, "Environment=%s=", name);
        int r = expand(place, i, EXPAND_NAME, t, e);
        text_add(t, "\n");
        return r;
}

/* What comes before the unit's own lines. */
static int add_own_lines(struct text *t, const struct instance *i, const char *folder, bool init, struct error *e)
{
        text_add(t, "[Service]\n");
        int r = add_variable(t, "BULKHEAD_INSTANCE", "{{id}}", i, e);
        if (r == 0 && i->logical_id)
                r = add_variable(t, "BULKHEAD_LOGICAL_ID", "{{logical_id}}", i, e);
        if (r == 0 && tags_get(&i->tags, TAG_PORT))
                r = add_variable(t, "PORT", "{{port}}", i, e);
        if (init)
                text_addf(t, "LoadCredential=init:%s/init\nExecStartPre=/bin/sh ${CREDENTIALS_DIRECTORY}/init\n", folder);
        return r;
}

int service_unit_make(const struct service_properties *p, const struct instance *i, const char *folder, bool init, struct unit *ret, struct error *e)
{
        CLEAN_UNIT struct unit u = { 0 };
        CLEAN_TEXT struct text own = { 0 }, text = { 0 };
        CLEAN_FREE char *name = xprintf("%s.service", i->id);
        int r = unit_name_parse(name, &u.name, e);
        if (r == 0)
                r = add_own_lines(&own, i, folder, init, e);
        if (r == 0)
                r = expand(p->unit, i, EXPAND_NAME, &text, e);
        if (r < 0)
                return r;
        strings_add(&u.names, name);
        add_source(&u, xprintf("%s/%s", folder, name), &own);
        add_source(&u, xprintf("%s/%s.d/unit.conf", folder, name), &text);
        *ret = u;
        u = (struct unit){ 0 };
        return 0;
}
