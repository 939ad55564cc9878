/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as an OCI configuration into a plan and its explanation, and as the process of exec over a plan that is there.
 * The first byte's low bit is an ordinary user.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "os/mount.h"
#include "plan/explain.h"
#include "plan/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct error *e)
{
        if (!e->id[0] || e->code >= 0 || !memchr(e->cause, 0, sizeof e->cause) || !memchr(e->hint, 0, sizeof e->hint))
                abort();
}

static void check_maps(const struct plan_id_map *maps, size_t count)
{
        if (count > 340)
                abort();
        for (size_t i = 0; i < count; i++)
                if (!maps[i].count || maps[i].inside + maps[i].count < maps[i].inside || maps[i].outside + maps[i].count < maps[i].outside)
                        abort();
}

static void check_paths(const struct strings *l)
{
        for (size_t i = 0; i < l->count; i++)
                if (l->items[i][0] != '/' || strstr(l->items[i], "/../") || strstr(l->items[i], "//"))
                        abort();
}

static void check_attach(const struct plan_attach *a)
{
        if (!a->target || a->target[0] != '/' || !a->origin || (a->set & a->clear & ~UINT64_C(0x70)) || (a->set_below & a->clear_below & ~UINT64_C(0x70)))
                abort();
        if (a->bind ? !a->source || a->source[0] != '/' || a->type || a->data : !a->type && !(a->super & 32))
                abort();
        if (!a->maps.uid_count != !a->maps.gid_count || (a->maps.uid_count && !a->id_mapped))
                abort();
        check_maps(a->maps.uids, a->maps.uid_count);
        check_maps(a->maps.gids, a->maps.gid_count);
}

static void check_process(const struct plan *p)
{
        const struct plan_container *c = p->container;
        if (!c->identity.set)
                return;
        if (!p->argv.count || !p->working_directory || p->working_directory[0] != '/' || c->identity.uid == UINT32_MAX || !c->capabilities.set)
                abort();
        if (c->capabilities.ambient & ~(c->capabilities.permitted & c->capabilities.inheritable))
                abort();
        for (size_t i = 0; i < c->rlimit_count; i++)
                if (c->rlimits[i].soft > c->rlimits[i].hard)
                        abort();
}

/* What the executor relies on. */
/* Options are parts of their text, in order, and none is without a name. */
static void check_options(const char *text)
{
        struct mount_option options[16];
        CLEAN_FREE char *data = text ? xstrdup(text) : NULL;
        int n = mount_split_options(data, options, ELEMENTS(options), 0);
        const char *last = data, *end = text ? data + strlen(text) : data;
        for (int i = 0; i < n; i++) {
                const char *part = options[i].value ? options[i].value : options[i].key;
                if (!*options[i].key || options[i].key < last || part < options[i].key || part + strlen(part) > end)
                        abort();
                last = part + strlen(part);
        }
        if (n >= 0 && options[n].key)
                abort();
}

static void check_plan(const struct plan *p)
{
        const struct plan_container *c = p->container;
        uint64_t joined = 0;
        if (!c || !c->root.path || c->root.path[0] != '/')
                abort();
        for (size_t i = 0; i < c->attach_count; i++)
                check_attach(&c->attaches[i]);
        for (size_t i = 0; i < c->join_count; i++) {
                if (c->joins[i].path[0] != '/' || (p->namespaces | joined) & c->joins[i].flag)
                        abort();
                joined |= c->joins[i].flag;
        }
        if (c->attach_count && !((p->namespaces | joined) & CLONE_NEWNS))
                abort();
        if ((p->namespaces & CLONE_NEWUSER) || (c->new_users && (!c->maps.uid_count || !c->maps.gid_count || joined & CLONE_NEWUSER)))
                abort();
        for (size_t i = 0; i < c->device_count; i++)
                if (c->devices[i].path[0] != '/' || strstr(c->devices[i].path, "/../") || c->devices[i].mode & ~07777u)
                        abort();
        for (size_t i = 0; i < c->sysctl_count; i++)
                if (strstr(c->sysctls[i].key, "..") || strchr(c->sysctls[i].value, '\n') || !(p->namespaces & (CLONE_NEWNET | CLONE_NEWIPC)))
                        abort();
        check_maps(c->maps.uids, c->maps.uid_count);
        check_maps(c->maps.gids, c->maps.gid_count);
        check_paths(&c->masked);
        check_paths(&c->read_only_paths);
        for (size_t i = 0; i < c->attach_count; i++)
                check_options(c->attaches[i].data);
        check_process(p);
}

static void explain(const struct plan *p, bool user)
{
        const struct explain_host host = { .privileged = !user, .landlock = true, .capabilities = (UINT64_C(1) << 41) - 1 };
        CLEAN_TEXT struct text words = { 0 }, json = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        explain_text(p, &host, &words);
        explain_json(p, &host, &json);
        if (json_parse("explain", json.data, json.length, &d, NULL) < 0)
                abort();
}

/* The plan that a process is read over. */
static void base_plan(struct plan *p, const struct oci_facts *facts)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        oci_spec_text(facts->rootless, 1000, 1000, &t);
        if (json_parse("spec", t.data, t.length, &d, NULL) < 0 || oci_compile(&d, facts, p, NULL) < 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!size)
                return 0;
        const struct oci_facts facts = { .id = "fuzz", .bundle = "/bundle", .capabilities_all = (UINT64_C(1) << 41) - 1, .rootless = data[0] & 1 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_PLAN struct plan p = { 0 }, running = { 0 };
        struct error e = { 0 };
        if (json_parse("config.json", (const char *)data + 1, size - 1, &d, NULL) < 0)
                return 0;
        if (oci_compile(&d, &facts, &p, &e) < 0)
                check_error(&e);
        else {
                check_plan(&p);
                explain(&p, facts.rootless);
        }
        const struct json_place top = json_top(&d, "process.json");
        e = (struct error){ 0 };
        base_plan(&running, &facts);
        if (oci_compile_process(&top, &running, &e) < 0)
                check_error(&e);
        else
                check_process(&running);
        return 0;
}
