/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of NAME=VALUE into settings, a plan and its explanation. The first byte's low bit is --lenient. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "os/capability.h"
#include "plan/directive.h"
#include "plan/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct facts facts = {
        .unit = "fuzz@one.service", .boot_id = "0123456789abcdef0123456789abcdef", .machine_id = "fedcba9876543210fedcba9876543210",
        .hostname = "host", .user_name = "root", .home = "/root", .shell = "/bin/sh", .runtime_folder = "/run",
        .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log", .configuration_folder = "/etc",
        .capabilities = (UINT64_C(1) << 41) - 1, .memory_bytes = UINT64_C(1) << 34, .pids_max = 4194304,
};

static void check_error(const struct error *e)
{
        if (!e->id[0] || e->code >= 0 || !memchr(e->cause, 0, sizeof e->cause) || !memchr(e->hint, 0, sizeof e->hint))
                abort();
}

/* The lists that become programs: the first of the prefixes in their settled form, by the address that each begins with. */
static void check_network(const struct plan_network *n)
{
        struct cgroup_prefixes settled;
        cgroup_prefixes_settle(&n->addresses, &settled);
        if (settled.count > n->addresses.count)
                abort();
        for (size_t i = 0; i < settled.count && i < 64; i++) {
                const struct cgroup_prefix *p = &settled.items[i];
                bool longer = i + 1 < settled.count && settled.items[i + 1].v6 == p->v6 && !memcmp(settled.items[i + 1].address, p->address, 16);
                if (p->bits > (p->v6 ? 128 : 32) || !p->origin)
                        abort();
                if (!longer && p->allow != !cgroup_prefixes_denying(&n->addresses, p->v6, p->address))
                        abort();
        }
        cgroup_prefixes_done(&settled);
        for (size_t i = 0; i < n->binds.count; i++)
                if (n->binds.items[i].first > n->binds.items[i].last || !n->binds.items[i].origin)
                        abort();
        for (size_t i = 0; i < n->interfaces.count; i++)
                if (!*n->interfaces.items[i] || strlen(n->interfaces.items[i]) > 15 || strchr(n->interfaces.items[i], '/'))
                        abort();
}

/* What the executor relies on. */
static void check_plan(const struct plan *p)
{
        for (size_t i = 0; i < p->mount_count; i++) {
                const struct plan_mount *m = &p->mounts[i];
                if (m->path[0] != '/' || strstr(m->path, "/../") || !m->origin || m->kind >= PLAN_MOUNT_KINDS)
                        abort();
                if (m->kind == PLAN_BIND && (!m->source || m->source[0] != '/'))
                        abort();
        }
        for (size_t i = 0; i < p->folder_count; i++) {
                const char *name = p->folders[i].name;
                if (!*name || *name == '/' || !strcmp(name, "..") || !strncmp(name, "../", 3) || strstr(name, "/../"))
                        abort();
        }
        if (p->mount_count && !plan_has_mounts(p))
                abort();
        check_network(&p->network);
}

static void explain(const struct plan *p)
{
        const struct explain_host host = { .privileged = true, .landlock = true, .capabilities = facts.capabilities };
        CLEAN_TEXT struct text words = { 0 }, json = { 0 };
        explain_text(p, &host, &words);
        explain_json(p, &host, &json);
        json_t *o = json_loadb(json.data, json.length, JSON_REJECT_DUPLICATES, NULL);
        if (!o)
                abort();
        json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!size || size > 65536)
                return 0;
        struct settings s = { .lenient = data[0] & 1 };
        struct plan p = { 0 };
        struct error e = { 0 };
        CLEAN_FREE char *text = xstrndup((const char *)data + 1, size - 1);
        char *rest = text;
        int r = 0;
        for (char *line; r == 0 && (line = strsep(&rest, "\n"));)
                r = settings_assign(&s, &facts, line, &e);
        if (r == 0)
                r = settings_compile(&s, &facts, &p, &e);
        if (r < 0)
                check_error(&e);
        else {
                check_plan(&p);
                explain(&p);
        }
        plan_done(&p);
        settings_done(&s);
        return 0;
}
