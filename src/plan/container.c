/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/container.h"

#include <stdlib.h>

#include "os/cgroup_resources.h"
#include "plan/profile.h"

static void maps_done(struct plan_id_maps *m)
{
        free(m->uids);
        free(m->gids);
}

static void attach_done(struct plan_attach *a)
{
        free(a->type);
        free(a->source);
        free(a->target);
        free(a->data);
        maps_done(&a->maps);
}

static void hook_done(struct plan_hook *h)
{
        free(h->path);
        strings_clear(&h->argv);
        strings_clear(&h->environment);
}

static void lists_done(struct plan_container *c)
{
        for (size_t i = 0; i < c->attach_count; i++)
                attach_done(&c->attaches[i]);
        for (size_t i = 0; i < c->device_count; i++)
                free(c->devices[i].path);
        for (size_t i = 0; i < c->join_count; i++)
                free(c->joins[i].path);
        for (size_t i = 0; i < c->sysctl_count; i++) {
                free(c->sysctls[i].key);
                free(c->sysctls[i].value);
        }
        for (size_t i = 0; i < c->net_device_count; i++) {
                free(c->net_devices[i].name);
                free(c->net_devices[i].inside);
        }
        for (size_t k = 0; k < PLAN_HOOK_KINDS; k++) {
                for (size_t i = 0; i < c->hook_count[k]; i++)
                        hook_done(&c->hooks[k][i]);
                free(c->hooks[k]);
        }
        free(c->attaches);
        free(c->devices);
        free(c->joins);
        free(c->rlimits);
        free(c->sysctls);
        free(c->net_devices);
}

void plan_container_done(struct plan_container *c)
{
        char *const texts[] = { c->root.path, c->cpus_initial, c->cpus_final, c->memory_policy.nodes, c->process_label,
                                c->mount_label, c->apparmor, c->hostname, c->domainname, c->cgroups_path,
                                c->intel_rdt.clos_id, c->intel_rdt.l3_cache_schema, c->intel_rdt.memory_bandwidth_schema };
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                free(texts[i]);
        lists_done(c);
        maps_done(&c->maps);
        free(c->identity.groups);
        if (c->resources)
                cgroup_resources_done(c->resources);
        free(c->resources);
        profile_free(c->profile);
        strings_clear(&c->masked);
        strings_clear(&c->read_only_paths);
        strings_clear(&c->intel_rdt.schemata);
        strings_clear(&c->annotations);
        *c = (struct plan_container){ 0 };
}
