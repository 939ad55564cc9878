/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "base/path.h"
#include "group/expand.h"
#include "group/spec.h"

enum { STOP_DEFAULT_USEC = 10000000, STOP_MAX_S = 600, WORDS_MAX = 1024 };

void container_properties_done(struct container_properties *p)
{
        free(p->bundle);
        free(p->log);
        strings_clear(&p->args);
        strings_clear(&p->env);
        strings_clear(&p->tmpfs);
        *p = (struct container_properties){ 0 };
}

/* ---- properties ---- */

static int read_path(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        char *path;
        if (!s)
                return -EINVAL;
        if (path_normalize(s, &path) < 0)
                return json_fail(at, e, "is no absolute path without \"..\"");
        free(*(char **)into);
        *(char **)into = path;
        return 0;
}

static int add_word(const struct json_place *at, void *into, struct error *e)
{
        struct strings *l = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (l->count == WORDS_MAX)
                return json_fail(at, e, "there are at most %d words", WORDS_MAX);
        int r = expand_check(s, e);
        if (r == 0)
                strings_add(l, s);
        return r;
}

static int read_words(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, add_word, into, e);
}

static int add_variable(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (s && (!strchr(s, '=') || *s == '='))
                return json_fail(at, e, "is no NAME=VALUE");
        return s ? add_word(at, into, e) : -EINVAL;
}

static int read_env(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, add_variable, into, e);
}

static int add_folder(const struct json_place *at, void *into, struct error *e)
{
        struct strings *l = into;
        CLEAN_FREE char *path = NULL;
        int r = read_path(at, &path, e);
        if (r == 0 && l->count == CONTAINER_TMPFS_MAX)
                return json_fail(at, e, "there are at most %d folders", CONTAINER_TMPFS_MAX);
        if (r == 0)
                strings_take(l, TAKE_PTR(path));
        return r;
}

static int read_tmpfs(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, add_folder, into, e);
}

static int read_stop(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        uint64_t usec;
        if (!s)
                return -EINVAL;
        if (duration_parse(s, &usec) < 0 || usec > STOP_MAX_S * 1000000ULL)
                return json_fail(at, e, "is no time of at most %d s, such as \"10s\"", STOP_MAX_S);
        *(uint64_t *)into = usec;
        return 0;
}

#define AT(member) offsetof(struct container_properties, member)
static const struct json_field fields[] = {
        { "Bundle", read_path, AT(bundle), JSON_REQUIRED }, { "Args", read_words, AT(args), 0 },      { "Env", read_env, AT(env), 0 },
        { "Tmpfs", read_tmpfs, AT(tmpfs), 0 },              { "Port", port_range_read, AT(ports), 0 }, { "Log", read_path, AT(log), 0 },
        { "StopTimeout", read_stop, AT(stop_usec), 0 },     { 0 },
};

static int refuse_unknown(const struct json_place *at, void *into, struct error *e)
{
        (void)into;
        for (const struct json_field *f = fields; f->name; f++)
                if (text_equal(f->name, at->key))
                        return 0;
        return json_fail(at, e, "is not known here: Bundle, Args, Env, Tmpfs, Port, Log, StopTimeout");
}

int container_properties_read(const struct json_place *at, struct container_properties *ret, struct error *e)
{
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { .stop_usec = STOP_DEFAULT_USEC };
        int r = json_object(at, fields, &p, e);
        if (r == 0)
                r = json_each_member(at, refuse_unknown, NULL, e);
        if (r < 0)
                return r;
        *ret = p;
        p = (struct container_properties){ 0 };
        return 0;
}

int container_properties_parse(const char *text, struct container_properties *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("Properties", text ? text : "{}", text ? strlen(text) : 2, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "Properties");
        return container_properties_read(&top, ret, e);
}

/* ---- config.json ---- */

/* What is written for an instance. */
struct making {
        const struct container_properties *p;
        const struct instance *i;
        const char *init;
        struct text *t;
        struct error *e;
};

static void add_name(struct text *t, const char *name, bool *first)
{
        text_add(t, *first ? "" : ",");
        *first = false;
        text_add_json(t, name);
        text_add(t, ":");
}

/* The members of an object but those in except, which ends with NULL. */
static void add_members(struct text *t, const struct json_node *object, const char *const *except, bool *first)
{
        const struct json_node *name = object ? object + 1 : NULL;
        for (uint32_t k = 0; object && k < object->count; k++, name += 1 + name[1].span) {
                const char *const *x = except;
                while (*x && !text_equal(*x, name->text))
                        x++;
                if (*x)
                        continue;
                add_name(t, name->text, first);
                json_add(t, name + 1);
        }
}

static const struct json_node *object_in(const struct json_node *object, const char *name)
{
        const struct json_node *n = object ? json_member(object, name) : NULL;
        return n && n->type == JSON_OBJECT ? n : NULL;
}

static int add_expanded(const struct making *m, const char *s)
{
        CLEAN_TEXT struct text word = { 0 };
        text_add(&word, "");
        int r = expand(s, m->i, EXPAND_WORD, &word, m->e);
        if (r == 0)
                text_add_json(m->t, word.data);
        return r;
}

static void add_elements(struct text *t, const struct json_node *array, bool *first)
{
        const struct json_node *n = array ? array + 1 : NULL;
        for (uint32_t k = 0; array && array->type == JSON_ARRAY && k < array->count; k++, n += n->span) {
                text_add(t, *first ? "" : ",");
                *first = false;
                json_add(t, n);
        }
}

static int add_args(const struct making *m, const struct json_node *process)
{
        bool first = true;
        int r = 0;
        text_add(m->t, "[");
        if (m->init) {
                CLEAN_FREE char *script = xprintf("%s\nexec \"$@\"", m->init);
                text_add(m->t, "\"/bin/sh\",\"-c\",");
                text_add_json(m->t, script);
                text_add(m->t, ",\"init\"");
                first = false;
        }
        for (size_t k = 0; r == 0 && k < m->p->args.count; k++) {
                text_add(m->t, first ? "" : ",");
                first = false;
                r = add_expanded(m, m->p->args.items[k]);
        }
        if (!m->p->args.count)
                add_elements(m->t, json_member(process, "args"), &first);
        text_add(m->t, "]");
        return r;
}

static void add_own_variable(const struct making *m, const char *name, const char *value)
{
        CLEAN_FREE char *variable = value ? xprintf(",\"%s=%s\"", name, value) : NULL;
        text_add(m->t, variable ? variable : "");
}

static int add_env(const struct making *m, const struct json_node *process)
{
        bool first = true;
        int r = 0;
        CLEAN_TEXT struct text id = { 0 };
        const char *logical = m->i->logical_id;
        text_add(m->t, "[");
        add_elements(m->t, json_member(process, "env"), &first);
        text_add(m->t, first ? "" : ",");
        text_addf(m->t, "\"BULKHEAD_INSTANCE=%s\"", m->i->id);
        if (logical && (r = expand("{{logical_id}}", m->i, EXPAND_NAME, &id, m->e)) == 0)
                add_own_variable(m, "BULKHEAD_LOGICAL_ID", id.data);
        add_own_variable(m, "PORT", tags_get(&m->i->tags, TAG_PORT));
        for (size_t k = 0; r == 0 && k < m->p->env.count; k++) {
                text_add(m->t, ",");
                r = add_expanded(m, m->p->env.items[k]);
        }
        text_add(m->t, "]");
        return r;
}

static int add_process(const struct making *m, const struct json_node *process)
{
        static const char *const ours[] = { "args", "env", "terminal", "consoleSize", NULL };
        bool first = true;
        text_add(m->t, "{");
        add_members(m->t, process, ours, &first);
        add_name(m->t, "args", &first);
        int r = add_args(m, process);
        add_name(m->t, "env", &first);
        if (r == 0)
                r = add_env(m, process);
        text_add(m->t, "}");
        return r;
}

static int add_root(const struct making *m, const struct json_node *root)
{
        static const char *const ours[] = { "path", "readonly", NULL };
        const struct json_node *path = json_member(root, "path");
        CLEAN_FREE char *absolute = NULL;
        bool first = true;
        if (!path || path->type != JSON_STRING || path->has_nul || !*path->text)
                return error_set(m->e, EINVAL, "container.config", "the bundle's config.json has no root");
        absolute = path->text[0] == '/' ? xstrdup(path->text) : xprintf("%s/%s", m->p->bundle, path->text);
        text_add(m->t, "{");
        add_members(m->t, root, ours, &first);
        add_name(m->t, "path", &first);
        text_add_json(m->t, absolute);
        text_add(m->t, ",\"readonly\":true}");
        return 0;
}

static void add_mounts(const struct making *m, const struct json_node *mounts)
{
        bool first = true;
        text_add(m->t, "[");
        add_elements(m->t, mounts, &first);
        for (size_t k = 0; k < m->p->tmpfs.count; k++) {
                text_add(m->t, first ? "{\"destination\":" : ",{\"destination\":");
                first = false;
                text_add_json(m->t, m->p->tmpfs.items[k]);
                text_add(m->t, ",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"nodev\",\"mode=1777\",\"size=64m\"]}");
        }
        text_add(m->t, "]");
}

/* The place of its control group is the runtime's choice: one that is named would be shared by all. */
static void add_linux(const struct making *m, const struct json_node *linux_part)
{
        static const char *const ours[] = { "cgroupsPath", NULL };
        bool first = true;
        text_add(m->t, "{");
        add_members(m->t, linux_part, ours, &first);
        text_add(m->t, "}");
}

static int add_config(const struct making *m, const struct json_node *config)
{
        static const char *const ours[] = { "process", "root", "mounts", "linux", NULL };
        const struct json_node *process = object_in(config, "process"), *root = object_in(config, "root");
        bool first = true;
        if (!process || !root)
                return error_set(m->e, EINVAL, "container.config", "the bundle's config.json has no %s", process ? "root" : "process");
        text_add(m->t, "{");
        add_members(m->t, config, ours, &first);
        add_name(m->t, "process", &first);
        int r = add_process(m, process);
        add_name(m->t, "root", &first);
        if (r == 0)
                r = add_root(m, root);
        add_name(m->t, "mounts", &first);
        add_mounts(m, json_member(config, "mounts"));
        add_name(m->t, "linux", &first);
        add_linux(m, object_in(config, "linux"));
        text_add(m->t, "}\n");
        return r;
}

int container_config_make(const char *text, size_t size, const struct container_properties *p, const struct instance *i, const char *init, struct text *ret,
                          struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        if (init && strlen(init) > CONTAINER_INIT_MAX)
                return error_set(e, EMSGSIZE, "container.config", "Init has more than %d bytes", CONTAINER_INIT_MAX);
        int r = json_parse("config.json", text, size, &d, e);
        if (r == 0 && d.nodes[0].type != JSON_OBJECT)
                r = error_set(e, EINVAL, "container.config", "the bundle's config.json is no object");
        const struct making m = { p, i, init, &t, e };
        if (r == 0)
                r = add_config(&m, d.nodes);
        if (r < 0)
                return r;
        *ret = t;
        t = (struct text){ 0 };
        return 0;
}
