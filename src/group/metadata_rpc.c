/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * InfraKit's Metadata and Updatable (both 0.1.1) for groups: a tree that is read, and of which documents can be changed under a condition.
 *
 *      groups/ID/document/...   what is wanted: the members of the document
 *      groups/ID/status/...     what is there (Fleet.Status)
 *
 * Changes gives what the documents were, what they would be, and a fingerprint of what they were; Commit takes the latter two, and is refused when
 * the documents are not what they were.
 */
#include <string.h>

#include <nettle/md5.h>

#include "group/group_rpc.h"

enum { CHANGES_MAX = 1000, PATH_DEPTH_MAX = 64 };

struct change {
        char *path, *value;
};
struct arguments {
        char *name, *path, *proposed, *cas;
        struct change *changes;
        size_t count, room;
};

static void arguments_done(struct arguments *a)
{
        free(a->name);
        free(a->path);
        free(a->proposed);
        free(a->cas);
        for (size_t i = 0; i < a->count; i++) {
                free(a->changes[i].path);
                free(a->changes[i].value);
        }
        free(a->changes);
}
#define CLEAN_ARGUMENTS CLEAN(arguments_done)

/* A path is "a/b/c", or, of older clients, an array of its parts. */
static int read_part(const struct json_place *at, void *into, struct error *e)
{
        struct text *t = into;
        const char *s = json_text(at, e);
        if (s)
                text_addf(t, "%s%s", t->length ? "/" : "", s);
        return s ? 0 : -EINVAL;
}

static int read_path(const struct json_place *at, void *into, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        if (at->value->type != JSON_ARRAY)
                return json_string(at, into, e);
        text_add(&t, "");
        int r = json_each(at, read_part, &t, e);
        if (r == 0) {
                free(*(char **)into);
                *(char **)into = TAKE_PTR(t.data);
        }
        return r;
}

static int read_change(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Path", read_path, offsetof(struct change, path), JSON_REQUIRED }, { "Value", json_raw, offsetof(struct change, value), JSON_REQUIRED }, { 0 },
        };
        struct arguments *a = into;
        if (a->count >= CHANGES_MAX)
                return json_fail(at, e, "there are at most %d changes", CHANGES_MAX);
        a->changes = xgrow(a->changes, &a->room, a->count + 1, sizeof *a->changes);
        a->changes[a->count] = (struct change){ 0 };
        return json_object(at, fields, a->changes + a->count++, e);
}

static int read_changes(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_change, into, e);
}

static int read_arguments(const struct json_place *params, struct arguments *a, struct error *e)
{
        static const struct json_field fields[] = {
                { "Name", json_string, offsetof(struct arguments, name), 0 },      { "Path", read_path, offsetof(struct arguments, path), 0 },
                { "Changes", read_changes, 0, 0 },                                 { "Proposed", json_raw, offsetof(struct arguments, proposed), 0 },
                { "Cas", json_string, offsetof(struct arguments, cas), 0 },        { 0 },
        };
        int r = json_object(params, fields, a, e);
        if (r == 0 && !a->name)
                a->name = xstrdup("");
        if (r == 0 && !a->path)
                a->path = xstrdup("");
        return r;
}

/* ---- the tree ---- */

static void add_tree(struct text *t, struct controller *c, bool status)
{
        struct group **groups;
        size_t count = controller_groups(c, &groups);
        text_add(t, "{\"groups\":{");
        for (size_t i = 0; i < count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, group_id(groups[i]));
                text_add(t, ":{\"document\":");
                text_add(t, group_spec(groups[i])->text);
                if (status) {
                        text_add(t, ",\"status\":");
                        fleet_status_format(t, groups[i], true);
                }
                text_add(t, "}");
        }
        text_add(t, "}}");
}

/* The member, or the element, that one part of a path names; n is as long as the part. */
static const struct json_node *step(const struct json_node *at, const char *part, size_t n)
{
        CLEAN_FREE char *name = xstrndup(part, n);
        uint64_t index;
        if (at->type == JSON_OBJECT)
                return json_member(at, name);
        if (at->type != JSON_ARRAY || text_parse_uint(name, UINT32_MAX, &index) < 0 || index >= at->count)
                return NULL;
        const struct json_node *element = at + 1;
        while (index--)
                element += element->span;
        return element;
}

static const struct json_node *walk(const struct json_node *at, const char *path)
{
        while (at && *path) {
                size_t n = strcspn(path, "/");
                if (n)
                        at = step(at, path, n);
                path += n + (path[n] == '/');
        }
        return at;
}

static void add_names(struct text *t, const struct json_node *at)
{
        const struct json_node *n = at ? at + 1 : NULL;
        text_add(t, "[");
        for (uint32_t i = 0; at && i < at->count; i++) {
                text_add(t, i ? "," : "");
                if (at->type == JSON_OBJECT) {
                        text_add_json(t, n->text);
                        n++;
                } else
                        text_addf(t, "\"%u\"", i);
                n += n->span;
        }
        text_add(t, "]");
}

static void answer_tree(struct rpc_call *c, struct controller *controller, const struct json_place *params, bool names)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text tree = { 0 };
        struct error e = { 0 };
        if (read_arguments(params, &a, &e) < 0 || controller_check(controller, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        add_tree(&tree, controller, true);
        if (json_parse("tree", tree.data, tree.length, &d, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        const struct json_node *found = walk(d.nodes, a.path);
        struct text *t = rpc_result(c);
        text_add(t, "{\"Name\":");
        text_add_json(t, a.name);
        text_add(t, names ? ",\"Nodes\":" : ",\"Value\":");
        if (names)
                add_names(t, found && (found->type == JSON_OBJECT || found->type == JSON_ARRAY) ? found : NULL);
        else if (found)
                json_add(t, found);
        else
                text_add(t, "null");
        text_add(t, "}");
        rpc_reply(c);
}

static void keys(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        answer_tree(c, self, params, true);
}

static void get(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        (void)type;
        answer_tree(c, self, params, false);
}

/* ---- changes ---- */

/* Appends the tree with the value in the place of what stands at the path; members that are not there are made. */
static void add_changed(struct text *t, const struct json_node *at, const char *path, const char *value, int depth)
{
        path += strspn(path, "/");
        if (!*path || depth > PATH_DEPTH_MAX) {
                text_add(t, value);
                return;
        }
        size_t n = strcspn(path, "/");
        CLEAN_FREE char *name = xstrndup(path, n);
        bool found = false, is_array = at && at->type == JSON_ARRAY;
        const struct json_node *node = at && (at->type == JSON_OBJECT || is_array) ? at + 1 : NULL;
        char index[16];
        text_add(t, is_array ? "[" : "{");
        for (uint32_t i = 0; node && i < at->count; i++) {
                (void)snprintf(index, sizeof index, "%u", i);
                const char *key = is_array ? index : node->text;
                text_add(t, i ? "," : "");
                if (!is_array) {
                        text_add_json(t, key);
                        text_add(t, ":");
                        node++;
                }
                if (text_equal(key, name)) {
                        add_changed(t, node, path + n, value, depth + 1);
                        found = true;
                } else
                        json_add(t, node);
                node += node->span;
        }
        if (!found && !is_array) {
                text_add(t, node && at->count ? "," : "");
                text_add_json(t, name);
                text_add(t, ":");
                add_changed(t, NULL, path + n, value, depth + 1);
        }
        text_add(t, is_array ? "]" : "}");
}

static void fingerprint(const struct text *t, char ret[33])
{
        struct md5_ctx ctx;
        uint8_t digest[MD5_DIGEST_SIZE];
        md5_init(&ctx);
        md5_update(&ctx, t->length, (const uint8_t *)t->data);
        md5_digest(&ctx, sizeof digest, digest);
        for (size_t i = 0; i < sizeof digest; i++)
                (void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static int change_all(const struct arguments *a, const struct text *original, struct text *ret, struct error *e)
{
        text_add_bytes(ret, original->data, original->length);
        for (size_t i = 0; i < a->count; i++) {
                CLEAN_JSON struct json_document d = { 0 };
                CLEAN_TEXT struct text changed = { 0 };
                int r = json_parse("tree", ret->data, ret->length, &d, e);
                if (r < 0)
                        return r;
                add_changed(&changed, d.nodes, a->changes[i].path, a->changes[i].value, 0);
                text_clear(ret);
                *ret = changed;
                changed = (struct text){ 0 };
        }
        return 0;
}

static void changes(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        CLEAN_TEXT struct text original = { 0 }, proposed = { 0 };
        struct error e = { 0 };
        char cas[33];
        (void)type;
        if (read_arguments(params, &a, &e) < 0 || controller_check(self, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        add_tree(&original, self, false);
        if (change_all(&a, &original, &proposed, &e) < 0) {
                rpc_fail(c, &e);
                return;
        }
        fingerprint(&original, cas);
        struct text *t = rpc_result(c);
        text_add(t, "{\"Name\":");
        text_add_json(t, a.name);
        text_addf(t, ",\"Original\":%s,\"Proposed\":%s,\"Cas\":\"%s\"}", original.data, proposed.data, cas);
        rpc_reply(c);
}

/* ---- commit: the documents that differ, one after another ---- */

struct work {
        struct rpc_call *call;
        struct controller *controller;
        struct group_spec *specs;
        size_t count, room, at;
        char *name, *actor;
};

static void work_free(struct work *w)
{
        for (size_t i = 0; i < w->count; i++)
                group_spec_done(w->specs + i);
        free(w->specs);
        free(w->name);
        free(w->actor);
        free(w);
}

static void next(struct work *w);

static void committed(void *self, const char *message, const struct error *failure)
{
        struct work *w = self;
        (void)message;
        if (failure) {
                rpc_fail(w->call, failure);
                work_free(w);
                return;
        }
        w->at++;
        next(w);
}

static void next(struct work *w)
{
        if (w->at < w->count) {
                controller_commit(w->controller, w->specs + w->at, false, &(struct actor){ w->actor, "by the interface Updatable" }, committed, w);
                return;
        }
        text_add(rpc_result(w->call), "{\"Name\":");
        text_add_json(rpc_result(w->call), w->name);
        text_add(rpc_result(w->call), "}");
        rpc_reply(w->call);
        work_free(w);
}

static int take_group(const struct json_place *at, void *into, struct error *e)
{
        struct work *w = into;
        const struct json_node *document = json_member(at->value, "document");
        const struct json_place place = { .value = document, .up = at, .key = "document" };
        struct error ignored = { 0 };
        struct group_spec spec = { 0 };
        if (!document)
                return 0;
        int r = group_spec_read(&place, &spec, e);
        struct group *g = r < 0 ? NULL : controller_find(w->controller, spec.id, &ignored);
        if (r == 0 && !text_equal(spec.id, at->key))
                r = json_fail(&place, e, "the ID is not \"%.64s\"", at->key);
        if (r < 0 || (g && text_equal(group_spec(g)->text, spec.text))) {
                group_spec_done(&spec);
                return r;
        }
        w->specs = xgrow(w->specs, &w->room, w->count + 1, sizeof *w->specs);
        w->specs[w->count++] = spec;
        return 0;
}

static int take_groups(const struct json_place *at, void *into, struct error *e)
{
        return json_each_member(at, take_group, into, e);
}

static int take_proposed(struct work *w, const struct arguments *a, struct error *e)
{
        static const struct json_field fields[] = { { "groups", take_groups, 0, JSON_REQUIRED }, { 0 } };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text now = { 0 };
        char cas[33];
        int r = controller_check(w->controller, e);
        if (r < 0)
                return r;
        add_tree(&now, w->controller, false);
        fingerprint(&now, cas);
        if (!a->cas || !text_equal(a->cas, cas)) {
                error_set(e, ESTALE, "fleet.stale", "the documents are not what they were when the changes were made");
                error_hint(e, "ask for the changes again, and look at what is new");
                return -ESTALE;
        }
        const char *proposed = a->proposed ? a->proposed : "null";
        r = json_parse("Proposed", proposed, strlen(proposed), &d, e);
        const struct json_place top = json_top(&d, "Proposed");
        return r < 0 ? r : json_object(&top, fields, w, e);
}

static void commit(struct rpc_call *c, void *self, const char *type, const struct json_place *params)
{
        CLEAN_ARGUMENTS struct arguments a = { 0 };
        struct work *w = xalloc(1, sizeof *w);
        struct error e = { 0 };
        char actor[64];
        (void)type;
        actor_name(rpc_call_peer(c), actor);
        *w = (struct work){ .call = c, .controller = self, .actor = xstrdup(actor) };
        int r = read_arguments(params, &a, &e);
        w->name = xstrdup(r < 0 ? "" : a.name);
        if (r == 0)
                r = take_proposed(w, &a, &e);
        if (r == 0) {
                next(w);
                return;
        }
        rpc_fail(c, &e);
        work_free(w);
}

#define PATH "{\"Name\":\"group\",\"Path\":\"groups\"}"
static const struct rpc_method updatable_methods[] = {
        { "Keys", keys, RPC_VIEW, PATH, "{\"Name\":\"group\",\"Nodes\":[]}" },
        { "Get", get, RPC_VIEW, PATH, "{\"Name\":\"group\",\"Value\":{}}" },
        { "Changes", changes, RPC_VIEW, "{\"Name\":\"group\",\"Changes\":[{\"Path\":\"groups/group/document/Properties/Allocation/Size\",\"Value\":3}]}",
          "{\"Name\":\"group\",\"Original\":{},\"Proposed\":{},\"Cas\":\"\"}" },
        { "Commit", commit, RPC_OPERATE, "{\"Name\":\"group\",\"Proposed\":{},\"Cas\":\"\"}", "{\"Name\":\"group\"}" },
        { 0 },
};
static const struct rpc_method metadata_methods[] = {
        { "Keys", keys, RPC_VIEW, PATH, "{\"Name\":\"group\",\"Nodes\":[]}" },
        { "Get", get, RPC_VIEW, PATH, "{\"Name\":\"group\",\"Value\":{}}" },
        { 0 },
};

void metadata_rpc_add(struct rpc_server *s, struct controller *c)
{
        rpc_server_add(s, &(struct rpc_object){ "Metadata", "0.1.1", "Name", "*", metadata_methods, c, false });
        rpc_server_add(s, &(struct rpc_object){ "Updatable", "0.1.1", "Name", "*", updatable_methods, c, false });
}
