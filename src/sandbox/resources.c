/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/resources.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "os/file.h"

/* What is made out of a plan. */
struct making {
        const struct plan *p;
        struct cgroup_resources *r;
        struct strings *notes;
        struct error *e;
};

static int refused(const struct making *m, const char *origin)
{
        error_status(m->e, STATUS_CGROUP);
        return error_while(m->e, "applying %s", origin);
}

static void set_amount(struct cgroup_resources *r, enum cgroup_setting s, uint64_t value, const char *origin)
{
        cgroup_set(r, s, value == UINT64_MAX ? -1 : value > INT64_MAX ? INT64_MAX : (int64_t)value);
        r->origins[s] = origin;
}

static void add_amounts(const struct making *m)
{
        static const enum cgroup_setting settings[PLAN_AMOUNTS] = {
                [PLAN_MEMORY_HIGH] = CGROUP_MEMORY_HIGH, [PLAN_MEMORY_LOW] = CGROUP_MEMORY_LOW, [PLAN_MEMORY_MIN] = CGROUP_MEMORY_MIN,
                [PLAN_MEMORY_SWAP_MAX] = CGROUP_MEMORY_SWAP_ALONE, [PLAN_CPU_WEIGHT] = CGROUP_CPU_WEIGHT,
                [PLAN_CPU_QUOTA_PERIOD_USEC] = CGROUP_SETTINGS, [PLAN_IO_WEIGHT] = CGROUP_IO_WEIGHT_V2,
        };
        for (size_t i = 0; i < PLAN_AMOUNTS; i++) {
                const struct plan_amount *a = &m->p->resources.amounts[i];
                if (!a->origin || settings[i] == CGROUP_SETTINGS)
                        continue;
                if (i == PLAN_CPU_WEIGHT && a->value == 0)
                        set_amount(m->r, CGROUP_CPU_IDLE, 1, a->origin);
                else
                        set_amount(m->r, settings[i], a->value, a->origin);
        }
}

static void add_limits(const struct making *m)
{
        const struct plan *p = m->p;
        uint64_t period, quota;
        if (p->memory_max_bytes != UINT64_MAX)
                set_amount(m->r, CGROUP_MEMORY_LIMIT, p->memory_max_bytes, p->memory_origin);
        if (p->tasks_max != UINT64_MAX)
                set_amount(m->r, CGROUP_PIDS_LIMIT, p->tasks_max, p->tasks_origin);
        if (p->cpu_quota_permille != UINT64_MAX) {
                plan_quota(&p->resources, p->cpu_quota_permille, &period, &quota);
                set_amount(m->r, CGROUP_CPU_QUOTA, quota, p->cpu_origin);
                set_amount(m->r, CGROUP_CPU_PERIOD, period, p->cpu_origin);
        }
}

/* ---- block devices ---- */

/* The disk of a partition: rates and weights are the disk's. */
static dev_t whole_disk(dev_t d)
{
        CLEAN_FREE char *partition = xprintf("/sys/dev/block/%u:%u/partition", major(d), minor(d));
        CLEAN_FREE char *parent = xprintf("/sys/dev/block/%u:%u/../dev", major(d), minor(d));
        CLEAN_TEXT struct text t = { 0 };
        unsigned a, b;
        if (access(partition, F_OK) == 0 && file_read(AT_FDCWD, parent, 64, &t) == 0 && sscanf(t.data, "%u:%u", &a, &b) == 2)
                return makedev(a, b);
        return d;
}

static int find_disk(const char *path, dev_t *ret, struct error *e)
{
        struct stat st;
        if (stat(path, &st) < 0)
                return error_errno(e, errno, "cgroup.device", "looking at %s", path);
        *ret = whole_disk(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
        if (major(*ret) != 0 && !S_ISCHR(st.st_mode))
                return 0;
        error_set(e, ENODEV, "cgroup.device", "%s is neither a block device nor on one", path);
        return -ENODEV;
}

/* 1: leniently left out. */
static int leave_out(const struct making *m, const char *origin, int error)
{
        if (!m->p->lenient)
                return refused(m, origin);
        strings_take(m->notes, xprintf("%s: not applied: %s", origin, strerror(-error)));
        return 1;
}

static int add_io(const struct making *m, const struct plan_io *io)
{
        static const enum cgroup_throttle_kind kinds[PLAN_IO_KINDS] = { [PLAN_IO_READ_BPS] = CGROUP_READ_BPS, [PLAN_IO_WRITE_BPS] = CGROUP_WRITE_BPS,
                                                                        [PLAN_IO_READ_IOPS] = CGROUP_READ_IOPS, [PLAN_IO_WRITE_IOPS] = CGROUP_WRITE_IOPS };
        struct cgroup_resources *r = m->r;
        dev_t d;
        int k = find_disk(io->path, &d, m->e);
        if (k < 0)
                return leave_out(m, io->origin, k);
        if (io->kind == PLAN_IO_DEVICE_WEIGHT) {
                r->weights = xgrow(r->weights, &r->weight_room, r->weight_count + 1, sizeof *r->weights);
                r->weights[r->weight_count++] = (struct cgroup_device_weight){ .major = major(d), .minor = minor(d), .weight_v2 = (uint16_t)io->value,
                                                                               .origin = io->origin };
                return 0;
        }
        r->throttles = xgrow(r->throttles, &r->throttle_room, r->throttle_count + 1, sizeof *r->throttles);
        r->throttles[r->throttle_count++] = (struct cgroup_throttle){ .kind = kinds[io->kind], .major = major(d), .minor = minor(d),
                                                                      .rate = io->value == UINT64_MAX ? 0 : io->value, .origin = io->origin };
        return 0;
}

/* ---- devices that may be used ---- */

/* null, zero, full, random, urandom, tty, ptmx and pts. */
static void add_closed_devices(struct cgroup_resources *r)
{
        static const int16_t numbers[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 2 }, { 136, -1 } };
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                const struct cgroup_device_rule rule = { true, 'c', numbers[i][0], numbers[i][1], CGROUP_ACCESS_ALL };
                cgroup_add_rule(r, &rule);
        }
}

static int add_node(const struct making *m, const struct plan_device_rule *d)
{
        struct stat st;
        int r = stat(d->what, &st) < 0 ? -errno : S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? 0 : -ENODEV;
        if (r < 0)
                return error_errno(m->e, r, "cgroup.device", "looking for the device %s", d->what);
        cgroup_add_rule(m->r, &(struct cgroup_device_rule){ true, S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev), minor(st.st_rdev), d->access });
        return 0;
}

/*
 * All numbers of the drivers whose name in /proc/devices matches. A driver that this host has not is a note: what is not allowed is no
 * hole, and one unit names the drivers of many hosts.
 */
static int add_drivers(const struct making *m, const struct plan_device_rule *d)
{
        CLEAN_TEXT struct text t = { 0 };
        bool character = *d->what == 'c', mine = false;
        const char *pattern = strchr(d->what, '-') + 1;
        size_t before = m->r->rule_count;
        int r = file_read(AT_FDCWD, "/proc/devices", 1 << 20, &t);
        if (r < 0)
                return error_errno(m->e, r, "cgroup.device", "reading /proc/devices");
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));) {
                unsigned number;
                char name[64];
                if (text_starts(line, "Character") || text_starts(line, "Block"))
                        mine = (*line == 'C') == character;
                else if (mine && sscanf(line, "%u %63s", &number, name) == 2 && fnmatch(pattern, name, 0) == 0)
                        cgroup_add_rule(m->r, &(struct cgroup_device_rule){ true, character ? 'c' : 'b', number, -1, d->access });
        }
        if (m->r->rule_count == before && d->origin) /* what another directive adds is not asked for by name */
                strings_take(m->notes, xprintf("%s: this host has no such driver", d->origin));
        return 0;
}

static int add_devices(const struct making *m)
{
        const struct plan_resources *pr = &m->p->resources;
        m->r->devices_origin = pr->rule_count ? pr->rules[0].origin : pr->device_policy_origin;
        if (pr->device_policy != PLAN_DEVICES_STRICT)
                add_closed_devices(m->r);
        for (size_t i = 0; i < pr->rule_count; i++) {
                const struct plan_device_rule *d = &pr->rules[i];
                int k = *d->what == '/' ? add_node(m, d) : add_drivers(m, d);
                if (k < 0 && (k = leave_out(m, d->origin, k)) < 0)
                        return k;
        }
        return 0;
}

/* Reading the clock harms nobody; a machine without one has nothing to read. */
static void add_clock(const struct making *m)
{
        struct error none = { 0 };
        const struct making quiet = { m->p, m->r, m->notes, &none };
        const struct plan_device_rule clock = { .what = (char[]){ "char-rtc" }, .access = CGROUP_READ };
        if (m->p->clock_origin)
                (void)add_drivers(&quiet, &clock);
}

static int choose_devices(const struct making *m, bool privileged, enum cgroup_devices *ret)
{
        const struct plan_resources *pr = &m->p->resources;
        *ret = CGROUP_DEVICES_OPEN;
        if (plan_resources_close_devices(pr)) {
                const char *origin = pr->device_policy != PLAN_DEVICES_AUTO ? pr->device_policy_origin : pr->rules[0].origin;
                if (!privileged) {
                        error_set(m->e, EPERM, "cgroup.refused", "only root with CAP_SYS_ADMIN may say which devices a control group uses");
                        error_hint(m->e, "PrivateDevices=yes hides devices without it");
                        return leave_out(m, origin, -EPERM) < 0 ? m->e->code : 0;
                }
                *ret = CGROUP_DEVICES_CLOSED;
                add_clock(m);
                return add_devices(m);
        }
        if (m->p->devices_closed && privileged) {
                m->r->devices_origin = m->p->devices_origin;
                add_closed_devices(m->r);
                add_clock(m);
                *ret = CGROUP_DEVICES_TRIED;
        }
        return 0;
}

int resources_of(const struct plan *p, bool privileged, struct cgroup_resources *r, enum cgroup_devices *ret_devices, struct strings *notes, struct error *e)
{
        struct error own = { 0 };
        const struct making m = { p, r, notes, e ? e : &own };
        const struct plan_resources *pr = &p->resources;
        int k = 0;
        add_limits(&m);
        add_amounts(&m);
        if (privileged) /* others get the numbers of what groups they have */
                memcpy(r->counted, pr->counted, sizeof r->counted);
        r->cpus = pr->cpus ? xstrdup(pr->cpus) : NULL;
        r->mems = pr->memory_nodes ? xstrdup(pr->memory_nodes) : NULL;
        r->cpus_origin = pr->cpus_origin;
        r->mems_origin = pr->memory_nodes_origin;
        for (size_t i = 0; k >= 0 && i < pr->io_count; i++)
                k = add_io(&m, &pr->io[i]);
        return k < 0 ? k : choose_devices(&m, privileged, ret_devices);
}

bool resources_are_asked(const struct cgroup_resources *r)
{
        return r->set || r->cpus || r->mems || r->weight_count || r->throttle_count || resources_are_counted(r);
}

bool resources_are_counted(const struct cgroup_resources *r)
{
        for (size_t i = 0; i < CGROUP_COUNTED; i++)
                if (r->counted[i])
                        return true;
        return false;
}
