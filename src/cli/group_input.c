/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/group_input.h"

#include <fcntl.h>
#include <string.h>

#include "group/expand.h"
#include "group/discovery.h"
#include "group/spec.h"
#include "group/template.h"
#include "os/file.h"

/* ---- text ---- */

static int read_failed(const char *name, int r, struct error *e)
{
        if (r == -EFBIG)
                return error_set(e, EFBIG, "file.read", "%.200s is larger than %d MiB", name, INPUT_MAX >> 20);
        return error_errno(e, -r, "file.read", "reading %.200s", name);
}

static int read_raw(const char *word, struct text *ret, char **ret_name, struct error *e)
{
        if (*word == '{' || *word == '[') {
                text_add(ret, word);
                *ret_name = xstrdup("argument");
                return 0;
        }
        bool standard = text_equal(word, "-");
        *ret_name = xstrdup(standard ? "standard input" : word);
        int r = standard ? file_read_descriptor(0, INPUT_MAX, ret) : file_read(AT_FDCWD, word, INPUT_MAX, ret);
        return r < 0 ? read_failed(*ret_name, r, e) : 0;
}

static char *beside(const char *base, const char *path)
{
        const char *slash = strrchr(base, '/');
        return *path == '/' || !slash ? xstrdup(path) : xprintf("%.*s/%s", (int)(slash - base), base, path);
}

static int fetch(void *context, const char *url, const char *base, struct text *ret, char **ret_name, struct error *e)
{
        (void)context;
        if (text_starts(url, "str://")) {
                text_add(ret, url + strlen("str://"));
                *ret_name = xstrdup(base);
                return 0;
        }
        const char *path = text_starts(url, "file://") ? url + strlen("file://") : url;
        if (strstr(path, "://")) {
                error_set(e, EINVAL, "template.include", "\"%.120s\" cannot be included", url);
                error_hint(e, "file://PATH, or str://TEXT; nothing is fetched from the network");
                return -EINVAL;
        }
        *ret_name = beside(base, path);
        int r = file_read(AT_FDCWD, *ret_name, INPUT_MAX, ret);
        return r < 0 ? read_failed(*ret_name, r, e) : 0;
}

static const char *environment(void *context, const char *name)
{
        (void)context;
        return getenv(name);
}

/* Places that are filled in for each instance later. */
static bool is_place(void *context, const char *text, size_t length)
{
        (void)context;
        return expand_is_place(text, length);
}

static const struct template_host host = { .fetch = fetch, .environment = environment, .is_foreign = is_place };

static int read_expanded(const char *word, const struct strings *variables, struct text *ret, char **ret_name, struct error *e)
{
        CLEAN_TEXT struct text raw = { 0 };
        int r = read_raw(word, &raw, ret_name, e);
        if (r < 0)
                return r;
        return template_expand(*ret_name, raw.length ? raw.data : "", raw.length, variables, &host, ret, e);
}

int input_expand(const char *word, const struct strings *variables, struct text *ret, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        return read_expanded(word, variables, ret, &name, e);
}

int input_read(const char *word, const struct strings *variables, struct text *ret, char **ret_name, struct error *e)
{
        return read_expanded(word, variables, ret, ret_name, e);
}

int input_json(const char *word, const struct strings *variables, struct json_document *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *name = NULL;
        int r = input_read(word, variables, &t, &name, e);
        return r < 0 ? r : json_parse(name, t.length ? t.data : "", t.length, ret, e);
}

/* ---- documents ---- */

void input_documents_done(struct input_documents *d)
{
        text_clear(&d->json);
        strings_clear(&d->ids);
        strings_clear(&d->plugins);
}

static void add_plugin(struct input_documents *d, const char *reference)
{
        CLEAN_FREE char *name = NULL, *type = NULL;
        if (plugin_reference_parse(reference, &name, &type, NULL) == 0 && !strings_has(&d->plugins, name))
                strings_add(&d->plugins, name);
}

/* Combinations and selectors name further plugins among their properties, in the same shape. */
static void add_plugins_within(struct input_documents *d, const struct json_node *n)
{
        for (const struct json_node *at = n; at < n + n->span; at++) {
                const struct json_node *plugin = at->type == JSON_OBJECT ? json_member(at, "Plugin") : NULL;
                if (plugin && plugin->type == JSON_STRING)
                        add_plugin(d, plugin->text);
        }
}

static int add_group(const struct json_place *at, struct input_documents *d, struct error *e)
{
        CLEAN_GROUP_SPEC struct group_spec s = { 0 };
        int r = group_spec_read(at, &s, e);
        if (r < 0)
                return r;
        if (strings_has(&d->ids, s.id))
                return error_set(e, EINVAL, "fleet.documents", "the group \"%.100s\" stands there twice", s.id);
        if (d->ids.count >= DOCUMENTS_MAX)
                return error_set(e, E2BIG, "fleet.documents", "more than %d groups", DOCUMENTS_MAX);
        strings_add(&d->ids, s.id);
        text_add(&d->json, d->json.length ? "," : "[");
        json_add(&d->json, at->value);
        const struct json_node *properties = json_member(at->value, "Properties");
        const struct json_node *instance = json_member(properties, "Instance"), *flavor = json_member(properties, "Flavor");
        if (instance)
                add_plugins_within(d, instance);
        if (flavor)
                add_plugins_within(d, flavor);
        return 0;
}

/* {"kind": "group", "metadata": {"name": NAME}, "properties": {...}} */
static int add_spec(const struct json_place *at, struct input_documents *d, struct error *e)
{
        const struct json_node *metadata = json_member(at->value, "metadata"), *properties = json_member(at->value, "properties");
        const struct json_node *name = metadata && metadata->type == JSON_OBJECT ? json_member(metadata, "name") : NULL;
        CLEAN_JSON struct json_document document = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        if (!name || name->type != JSON_STRING || !properties)
                return json_fail(at, e, "a spec of a group has metadata with a name, and properties");
        text_add(&t, "{\"ID\":");
        json_add(&t, name);
        text_add(&t, ",\"Properties\":");
        json_add(&t, properties);
        text_add(&t, "}");
        int r = json_parse(name->text, t.data, t.length, &document, e);
        const struct json_place top = json_top(&document, name->text);
        return r < 0 ? r : add_group(&top, d, e);
}

static bool is_word(const struct json_node *n, const char *word)
{
        return n && n->type == JSON_STRING && text_equal(n->text, word);
}

/* As it is, or in one of the two wrappings that InfraKit's managers take. */
static int add_document(const struct json_place *at, void *into, struct error *e)
{
        const struct json_node *n = at->value;
        if (n->type == JSON_OBJECT && !json_member(n, "ID")) {
                const struct json_place within = { .value = json_member(n, "Properties"), .up = at, .key = "Properties" };
                if (is_word(json_member(n, "kind"), "group"))
                        return add_spec(at, into, e);
                if (is_word(json_member(n, "Plugin"), "group") && within.value)
                        return add_group(&within, into, e);
        }
        return add_group(at, into, e);
}

int input_documents_add(const struct json_place *array, struct input_documents *ret, struct error *e)
{
        return json_each(array, add_document, ret, e);
}

static int add_file(const char *word, const struct strings *variables, struct input_documents *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *name = NULL;
        int r = input_read(word, variables, &t, &name, e);
        if (r == 0)
                r = json_parse(name, t.length ? t.data : "", t.length, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, name);
        const struct json_node *groups = json_member(d.nodes, "Groups");
        const struct json_place inner = { .value = groups, .up = &top, .key = "Groups" };
        if (groups && !json_member(d.nodes, "ID"))
                return json_each(&inner, add_document, ret, e);
        return d.nodes->type == JSON_ARRAY ? json_each(&top, add_document, ret, e) : add_document(&top, ret, e);
}

int input_documents_read(const struct strings *words, const struct strings *variables, struct input_documents *ret, struct error *e)
{
        for (size_t i = 0; i < words->count; i++) {
                int r = add_file(words->items[i], variables, ret, e);
                if (r < 0)
                        return r;
        }
        if (!ret->ids.count)
                return error_set(e, EINVAL, "fleet.documents", "no group is described");
        text_add(&ret->json, "]");
        return 0;
}
