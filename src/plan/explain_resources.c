/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_resources.h"
#include "plan/explain_process.h"

/* ---- what there is to say ---- */

static const struct {
        const char *name, *subject;
} amounts[PLAN_AMOUNTS] = {
        [PLAN_MEMORY_HIGH] = { "memory_high_bytes", "memory before slowing" },
        [PLAN_MEMORY_LOW] = { "memory_low_bytes", "memory taken last" },
        [PLAN_MEMORY_MIN] = { "memory_min_bytes", "memory never taken" },
        [PLAN_MEMORY_SWAP_MAX] = { "memory_swap_max_bytes", "swap" },
        [PLAN_CPU_WEIGHT] = { "cpu_weight", "share of CPU time" },
        [PLAN_CPU_QUOTA_PERIOD_USEC] = { "cpu_quota_period_usec", "CPU quota is over" },
        [PLAN_IO_WEIGHT] = { "io_weight", "share of disk time" },
};

static const struct {
        const char *name, *subject, *unit;
} io_kinds[PLAN_IO_KINDS] = {
        [PLAN_IO_DEVICE_WEIGHT] = { "weight", "share of disk time", "" },
        [PLAN_IO_READ_BPS] = { "read_bytes_per_second", "reading", " bytes a second" },
        [PLAN_IO_WRITE_BPS] = { "write_bytes_per_second", "writing", " bytes a second" },
        [PLAN_IO_READ_IOPS] = { "reads_per_second", "reading", " operations a second" },
        [PLAN_IO_WRITE_IOPS] = { "writes_per_second", "writing", " operations a second" },
};

static const struct {
        const char *name, *subject;
} counted[CGROUP_COUNTED] = {
        [CGROUP_COUNT_CPU] = { "cpu_accounting", "CPU time" },
        [CGROUP_COUNT_MEMORY] = { "memory_accounting", "memory" },
        [CGROUP_COUNT_IO] = { "io_accounting", "reading and writing" },
        [CGROUP_COUNT_TASKS] = { "tasks_accounting", "tasks" },
};

static char *amount_words(const struct plan *p, enum plan_amount_kind kind, uint64_t value)
{
        uint64_t period = value, quota;
        if (kind == PLAN_CPU_WEIGHT || kind == PLAN_IO_WEIGHT)
                return value ? xprintf("%llu of 10000", (unsigned long long)value) : xstrdup("only what is idle");
        if (kind != PLAN_CPU_QUOTA_PERIOD_USEC)
                return value == UINT64_MAX ? xstrdup("none") : xprintf("%llu bytes", (unsigned long long)value);
        if (p->cpu_quota_permille == UINT64_MAX)
                return xstrdup("without CPUQuota= no effect");
        plan_quota(&p->resources, p->cpu_quota_permille, &period, &quota);
        return xprintf("%llu us", (unsigned long long)period);
}

/* ---- text ---- */

/* As if DeviceAllow=char-rtc r stood there. */
static bool opens_clock(const struct plan *p)
{
        return p->clock_origin && (p->devices_closed || plan_resources_close_devices(&p->resources));
}

static void text_devices(const struct view *v)
{
        const struct plan_resources *r = &v->p->resources;
        static const char *const policies[] = { [PLAN_DEVICES_AUTO] = "all, unless DeviceAllow= names some", [PLAN_DEVICES_CLOSED] = "null, zero, full, random, terminals",
                                                [PLAN_DEVICES_STRICT] = "none but those named" };
        if (r->device_policy_origin)
                line(v, "limits", "devices", policies[r->device_policy], r->device_policy_origin);
        else if (r->rule_count)
                line(v, "limits", "devices", policies[PLAN_DEVICES_CLOSED], r->rules[0].origin);
        for (size_t i = 0; i < r->rule_count; i++) {
                CLEAN_FREE char *access = cgroup_access_text(r->rules[i].access), *words = xprintf("%s, %s", r->rules[i].what, access);
                line(v, "limits", "and the device", words, r->rules[i].origin);
        }
        if (opens_clock(v->p))
                line(v, "limits", "and the device", "char-rtc, r", v->p->clock_origin);
}

static void text_delegation(const struct view *v)
{
        const struct plan_delegation *d = &v->p->resources.delegation;
        CLEAN_TEXT struct text words = { 0 };
        if (!d->origin)
                return;
        text_add(&words, "the payload's to divide");
        for (size_t i = 0; i < d->controllers.count; i++)
                text_addf(&words, "%s %s", i ? "," : ", with", d->controllers.items[i]);
        line(v, "limits", "control group", words.data, d->origin);
        if (d->subgroup)
                line(v, "limits", "it starts in", d->subgroup, d->subgroup_origin);
}

void explain_resources_text(const struct view *v)
{
        const struct plan_resources *r = &v->p->resources;
        for (size_t i = 0; i < PLAN_AMOUNTS; i++) {
                CLEAN_FREE char *words = amount_words(v->p, (enum plan_amount_kind)i, r->amounts[i].value);
                if (r->amounts[i].origin)
                        line(v, "limits", amounts[i].subject, words, r->amounts[i].origin);
        }
        for (size_t i = 0; i < r->io_count; i++) {
                const struct plan_io *io = &r->io[i];
                CLEAN_FREE char *words = io->value == UINT64_MAX ? xprintf("%s: unlimited", io->path)
                                                                 : xprintf("%s: %llu%s", io->path, (unsigned long long)io->value, io_kinds[io->kind].unit);
                line(v, "limits", io_kinds[io->kind].subject, words, io->origin);
        }
        for (size_t i = 0; i < CGROUP_COUNTED; i++)
                if (r->counted[i])
                        line(v, "limits", counted[i].subject, "counted", r->counted[i]);
        if (r->cpus)
                line(v, "limits", "CPUs", r->cpus, r->cpus_origin);
        if (r->memory_nodes)
                line(v, "limits", "memory nodes", r->memory_nodes, r->memory_nodes_origin);
        text_devices(v);
        text_delegation(v);
}

/* ---- JSON ---- */

static void json_value(struct text *t, uint64_t value, const char *origin)
{
        if (value == UINT64_MAX)
                json_string(t, "value", NULL);
        else
                json_number(t, "value", value);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_io(struct text *t, const struct plan_resources *r)
{
        key(t, "io");
        text_add(t, "[");
        for (size_t i = 0; i < r->io_count; i++) {
                next(t);
                text_add(t, "{");
                json_string(t, "kind", io_kinds[r->io[i].kind].name);
                json_string(t, "path", r->io[i].path);
                json_value(t, r->io[i].value, r->io[i].origin);
        }
        text_add(t, "]");
}

static void json_device(struct text *t, const char *what, const char *access, const char *origin)
{
        next(t);
        text_add(t, "{");
        json_string(t, "device", what);
        json_string(t, "access", access);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_devices(struct text *t, const struct plan *p)
{
        const struct plan_resources *r = &p->resources;
        static const char *const policies[] = { "auto", "closed", "strict" };
        json_origin(t, "device_policy", r->device_policy_origin ? policies[r->device_policy] : NULL, r->device_policy_origin);
        key(t, "devices");
        text_add(t, "[");
        for (size_t i = 0; i < r->rule_count; i++) {
                CLEAN_FREE char *access = cgroup_access_text(r->rules[i].access);
                json_device(t, r->rules[i].what, access, r->rules[i].origin);
        }
        if (opens_clock(p))
                json_device(t, "char-rtc", "r", p->clock_origin);
        text_add(t, "]");
}

void explain_resources_json(const struct view *v)
{
        const struct plan_resources *r = &v->p->resources;
        struct text *t = v->t;
        key(t, "resources");
        text_add(t, "{");
        for (size_t i = 0; i < PLAN_AMOUNTS; i++)
                if (r->amounts[i].origin) {
                        key(t, amounts[i].name);
                        text_add(t, "{");
                        json_value(t, r->amounts[i].value, r->amounts[i].origin);
                }
        json_origin(t, "cpus", r->cpus, r->cpus_origin);
        json_origin(t, "memory_nodes", r->memory_nodes, r->memory_nodes_origin);
        for (size_t i = 0; i < CGROUP_COUNTED; i++)
                if (r->counted[i])
                        json_origin(t, counted[i].name, "counted", r->counted[i]);
        json_io(t, r);
        json_devices(t, v->p);
        key(t, "delegation");
        text_add(t, "{");
        json_strings(t, "controllers", &r->delegation.controllers);
        json_string(t, "subgroup", r->delegation.subgroup);
        json_string(t, "origin", r->delegation.origin);
        text_add(t, "}");
        text_add(t, "}");
}
