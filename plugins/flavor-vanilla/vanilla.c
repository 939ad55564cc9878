/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plain flavor, with InfraKit's properties: what instances run first, and what they are tagged and attached with.
 *
 *      {"Init": ["line", ...]   or   "InitScriptTemplateURL": "file:///path" or "str://text",
 *       "Tags": {"name": "value"}, "Attachments": [{"ID": "...", "Type": "..."}]}
 *
 * A script by URL is a template (group/template.h), which may include others by URLs of the same kinds and knows no environment. Instances are good
 * as soon as they are there; what must be asked of them is the group's Health.Check.
 */
#include <fcntl.h>
#include <string.h>

#include "group/serve.h"
#include "group/template.h"
#include "os/file.h"

enum { INIT_LINES_MAX = 65536 };

struct vanilla {
        struct strings lines;
        char *url;
        struct tags tags;
        struct instance_spec attached; /* its attachments alone */
};

static void vanilla_done(struct vanilla *v)
{
        strings_clear(&v->lines);
        free(v->url);
        tags_done(&v->tags);
        instance_spec_done(&v->attached);
}
#define CLEAN_VANILLA CLEAN(vanilla_done)

/* ---- reading ---- */

static int read_line(const struct json_place *at, void *into, struct error *e)
{
        struct vanilla *v = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (v->lines.count >= INIT_LINES_MAX)
                return json_fail(at, e, "there are at most %d lines", INIT_LINES_MAX);
        strings_add(&v->lines, s);
        return 0;
}

static int read_lines(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_line, into, e);
}

static int read_attachments(const struct json_place *at, void *into, struct error *e)
{
        /* As a spec has them: the reader of specs knows how. */
        struct vanilla *v = into;
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        text_add(&t, "{\"Attachments\":");
        json_add(&t, at->value);
        text_add(&t, "}");
        int r = json_parse("Properties", t.data, t.length, &d, e);
        const struct json_place top = json_top(&d, "Properties");
        return r < 0 ? r : instance_spec_read(&top, &v->attached, e);
}

static int read_properties(const struct json_place *at, struct vanilla *v, struct error *e)
{
        static const struct json_field fields[] = {
                { "Init", read_lines, 0, 0 },
                { "InitScriptTemplateURL", json_string, offsetof(struct vanilla, url), 0 },
                { "Tags", tags_read, offsetof(struct vanilla, tags), 0 },
                { "Attachments", read_attachments, 0, 0 },
                { 0 },
        };
        if (at->value->type == JSON_NULL)
                return 0;
        int r = json_object(at, fields, v, e);
        if (r == 0 && v->url && *v->url && v->lines.count)
                return json_fail(at, e, "either Init or InitScriptTemplateURL can be specified, but not both");
        return r;
}

/* ---- the script ---- */

static int bad_url(const char *url, struct error *e)
{
        (void)error_set(e, EINVAL, "flavor.url", "%.200s", url);
        error_hint(e, "file:///absolute/path or str://text");
        return -EINVAL;
}

/* As struct template_host asks; base and context are not looked at: URLs are absolute. */
static int fetch(void *context, const char *url, const char *base, struct text *ret, char **ret_name, struct error *e)
{
        (void)context, (void)base;
        const bool in_place = text_starts(url, "str://");
        if (!in_place && !text_starts(url, "file:///"))
                return bad_url(url, e);
        const char *path = url + strlen(in_place ? "str://" : "file://");
        int r = 0;
        if (in_place)
                text_add(ret, path);
        else
                r = file_read(AT_FDCWD, path, INSTANCE_INIT_MAX, ret);
        if (r < 0)
                return error_errno(e, r, "flavor.url", "reading %s", path);
        if (ret->data && memchr(ret->data, 0, ret->length))
                return error_set(e, EINVAL, "flavor.url", "%s is no text", path);
        *ret_name = xstrdup(in_place ? "the script" : path);
        return 0;
}

static const char *no_environment(void *context, const char *name)
{
        (void)context, (void)name;
        return NULL;
}

static int add_script(const struct vanilla *v, struct text *t, struct error *e)
{
        static const struct template_host host = { .fetch = fetch, .environment = no_environment };
        static const struct strings none;
        CLEAN_TEXT struct text source = { 0 }, script = { 0 };
        CLEAN_FREE char *name = NULL;
        int r = fetch(NULL, v->url, NULL, &source, &name, e);
        if (r == 0 && source.data)
                r = template_expand(name, source.data, source.length, &none, &host, &script, e);
        if (r == 0 && script.data)
                text_add_bytes(t, script.data, script.length);
        return r;
}

/* What the spec has comes first, then ours, line by line. */
static int make_init(const struct vanilla *v, const char *before, struct text *t, struct error *e)
{
        text_add(t, before ? before : "");
        if (v->url && *v->url) {
                text_add(t, t->length ? "\n" : "");
                return add_script(v, t, e);
        }
        for (size_t i = 0; i < v->lines.count; i++)
                text_addf(t, "%s%s", t->length || i ? "\n" : "", v->lines.items[i]);
        return 0;
}

/* ---- the plugin ---- */

static int validate(void *self, const char *type, const struct json_place *properties, const struct allocation *a, struct error *e)
{
        CLEAN_VANILLA struct vanilla v = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        (void)self, (void)type, (void)a;
        int r = read_properties(properties, &v, e);
        return r < 0 ? r : make_init(&v, NULL, &t, e);
}

static void attach(struct instance_spec *spec, struct instance_spec *from)
{
        for (size_t i = 0; i < from->attachment_count; i++) {
                spec->attachments = xgrow(spec->attachments, &spec->attachment_room, spec->attachment_count + 1, sizeof *spec->attachments);
                spec->attachments[spec->attachment_count++] = from->attachments[i];
        }
        from->attachment_count = 0; /* they have another owner */
}

static int prepare(void *self, const char *type, const struct json_place *properties, struct instance_spec *spec, const struct allocation *a,
                   const struct group_index *index, struct error *e)
{
        CLEAN_VANILLA struct vanilla v = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        (void)self, (void)type, (void)a, (void)index;
        int r = read_properties(properties, &v, e);
        if (r == 0)
                r = make_init(&v, spec->init, &t, e);
        if (r == 0 && t.length > INSTANCE_INIT_MAX)
                r = error_set(e, EMSGSIZE, "flavor.init", "the init script would have more than %d bytes", INSTANCE_INIT_MAX);
        if (r < 0)
                return r;
        free(spec->init);
        spec->init = TAKE_PTR(t.data);
        tags_merge(&spec->tags, &v.tags);
        attach(spec, &v.attached);
        return 0;
}

static int healthy(void *self, const char *type, const struct json_place *properties, const struct instance *i, enum health *ret, struct error *e)
{
        (void)self, (void)type, (void)properties, (void)i, (void)e;
        *ret = HEALTH_GOOD;
        return 0;
}

static int drain(void *self, const char *type, const struct json_place *properties, const struct instance *i, struct error *e)
{
        (void)self, (void)type, (void)properties, (void)i, (void)e;
        return 0;
}

int main(int argc, char **argv)
{
        static const struct flavor_plugin vanilla = {
                .name = "vanilla", .version = BULKHEAD_VERSION, .summary = "Instances run the lines of Init, and are good as soon as they are there.",
                .validate = validate, .prepare = prepare, .healthy = healthy, .drain = drain,
        };
        static const struct plugin_program program = { .name = "bulkhead-flavor-vanilla", .flavor = &vanilla };
        return plugin_main(&program, argc, argv);
}
