/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_systemd.h"

#include <string.h>

#include "base/exit_status.h"
#include "os/cgroup_devices.h"
#include "os/dbus.h"

#define QUOTA_PERIOD "CPUQuotaPeriodUSec"

/* Which systemd is asked, and for what: v2 has other names; before 242 it knows no period of a quota. */
struct manner {
        bool v2, period;
};

void cgroup_scope_done(struct cgroup_scope *s)
{
        free(s->unit);
        free(s->slice);
        free(s->path);
        *s = (struct cgroup_scope){ 0 };
}

/* ---- names ---- */

static bool is_name(const char *s, size_t n)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
        return n > 0 && n < 200 && strspn(s, allowed) >= n && *s != '.';
}

/* "a-b.slice" lies in "a.slice": "/a.slice/a-b.slice". "-.slice" is the top: "". */
static int slice_path(const char *slice, char **ret)
{
        CLEAN_TEXT struct text t = { 0 };
        size_t n = strlen(slice);
        text_add(&t, "");
        if (!text_ends(slice, ".slice") || n <= strlen(".slice"))
                return -EINVAL;
        n -= strlen(".slice");
        if (n == 1 && *slice == '-') {
                *ret = TAKE_PTR(t.data);
                return 0;
        }
        if (!is_name(slice, n) || *slice == '-' || slice[n - 1] == '-' || strstr(slice, "--"))
                return -EINVAL;
        for (size_t i = 1; i <= n; i++)
                if (i == n || slice[i] == '-')
                        text_addf(&t, "/%.*s.slice", (int)i, slice);
        *ret = TAKE_PTR(t.data);
        return 0;
}

static int bad_path(const char *path, struct error *e)
{
        error_set(e, EINVAL, "cgroup.path", "\"%.200s\" is not SLICE:PREFIX:NAME of systemd units", path);
        error_hint(e, "such as \"system.slice:docker:web\"; for a plain path leave --systemd-cgroup out");
        error_status(e, STATUS_CGROUP);
        return -EINVAL;
}

int cgroup_scope_parse(const char *path, const char *id, bool user, struct cgroup_scope *ret, struct error *e)
{
        CLEAN_FREE char *text = path && *path ? xstrdup(path) : xprintf(":bulkhead:%s", id), *folder = NULL;
        char *slice = text, *prefix = strchr(slice, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;
        if (!name || strchr(name + 1, ':'))
                return bad_path(text, e);
        CLEAN_FREE char *whole = xstrdup(text);
        *prefix++ = *name++ = 0;
        if (!*slice)
                slice = user ? (char *)(uintptr_t) "user.slice" : (char *)(uintptr_t) "system.slice";
        if (slice_path(slice, &folder) < 0 || !is_name(name, strlen(name)) || (*prefix && !is_name(prefix, strlen(prefix))))
                return bad_path(whole, e);
        ret->unit = *prefix ? xprintf("%s-%s.scope", prefix, name) : xprintf("%s.scope", name);
        ret->slice = xstrdup(slice);
        ret->path = xprintf("%s/%s", folder, ret->unit);
        return 0;
}

/* ---- properties ---- */

static void begin_property(struct text *b, const char *name, const char *signature)
{
        dbus_align(b, 8);
        dbus_add_string(b, name);
        dbus_add_signature(b, signature);
}

static void add_string(struct text *b, const char *name, const char *value)
{
        begin_property(b, name, "s");
        dbus_add_string(b, value);
}

static void add_bool(struct text *b, const char *name, bool value)
{
        begin_property(b, name, "b");
        dbus_add_bool(b, value);
}

static void add_u64(struct text *b, const char *name, uint64_t value)
{
        begin_property(b, name, "t");
        dbus_add_u64(b, value);
}

/* A set of processors as bytes, the lowest bit first. */
static void add_cpus(struct text *b, const char *name, const char *list)
{
        uint8_t bits[1024] = { 0 };
        size_t used = 0;
        for (const char *p = list; *p;) {
                char *end;
                unsigned long first = strtoul(p, &end, 10), last = first;
                if (end == p || first >= sizeof bits * 8)
                        return;
                if (*end == '-')
                        last = strtoul(end + 1, &end, 10);
                for (unsigned long n = first; n <= last && n < sizeof bits * 8; n++) {
                        bits[n / 8] |= (uint8_t)(1 << n % 8);
                        used = n / 8 + 1 > used ? n / 8 + 1 : used;
                }
                if (*end && *end != ',')
                        return;
                p = *end ? end + 1 : end;
        }
        begin_property(b, name, "ay");
        size_t at = dbus_begin_array(b, 1);
        for (size_t i = 0; i < used; i++)
                dbus_add_u8(b, bits[i]);
        dbus_end_array(b, at, 1);
}

static uint64_t amount(int64_t n)
{
        return n < 0 ? UINT64_MAX : (uint64_t)n;
}

static void add_quota(struct text *b, int64_t quota, int64_t period)
{
        /* In steps of ten milliseconds in a second, rounded up, as systemd keeps it. */
        uint64_t per_second = quota < 0 || period <= 0 ? UINT64_MAX : (uint64_t)((__int128)quota * 1000000 / period);
        add_u64(b, "CPUQuotaPerSecUSec", per_second == UINT64_MAX ? per_second : (per_second + 9999) / 10000 * 10000);
}

static uint64_t number_of(const char *value)
{
        uint64_t n;
        return text_parse_uint(value, UINT64_MAX, &n) == 0 ? n : UINT64_MAX; /* "max" */
}

/* What a configuration says in the kernel's words.  Systemd writes what it knows of a unit again whenever it reads its units, and no limit is what it knows else. */
static void add_unified(struct text *b, const struct strings *unified, const struct manner *m)
{
        static const struct {
                const char *file, *property;
        } rows[] = { { "memory.max", "MemoryMax" }, { "memory.high", "MemoryHigh" }, { "memory.low", "MemoryLow" }, { "memory.min", "MemoryMin" },
                     { "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" }, { "cpu.weight", "CPUWeight" } };
        for (size_t i = 0; i + 1 < unified->count; i += 2) {
                const char *file = unified->items[i], *value = unified->items[i + 1];
                for (size_t k = 0; k < ELEMENTS(rows); k++)
                        if (text_equal(file, rows[k].file))
                                add_u64(b, rows[k].property, number_of(value));
                if (text_equal(file, "cpuset.cpus") && *value)
                        add_cpus(b, "AllowedCPUs", value);
                if (text_equal(file, "cpuset.mems") && *value)
                        add_cpus(b, "AllowedMemoryNodes", value);
                if (text_equal(file, "cpu.max")) {
                        CLEAN_FREE char *quota = xstrndup(value, strcspn(value, " "));
                        const char *period = value + strlen(quota);
                        uint64_t n = number_of(quota), of = *period ? number_of(period + 1) : 100000;
                        add_quota(b, n == UINT64_MAX ? -1 : (int64_t)n, (int64_t)of);
                        if (of != UINT64_MAX && m->period)
                                add_u64(b, QUOTA_PERIOD, of);
                }
        }
}

/*
 * On v1 a systemd that has the devices in its care opens all of them when it writes what it knows of a unit, unless it knows which. On v2 it leaves
 * those alone of which it knows nothing, and our program stays. "All but some" it cannot say.
 */
static void add_devices(struct text *b, const struct cgroup_resources *r, const struct manner *m)
{
        CLEAN(cgroup_exceptions_done) struct cgroup_exceptions x = { 0 };
        size_t bad;
        if (m->v2 || !r->rule_count || cgroup_exceptions_of(r->rules, r->rule_count, &x, &bad) < 0 || x.from_all)
                return;
        add_string(b, "DevicePolicy", "strict");
        begin_property(b, "DeviceAllow", "a(ss)");
        dbus_end_array(b, dbus_begin_array(b, 8), 8); /* what there was is gone */
        begin_property(b, "DeviceAllow", "a(ss)");
        size_t at = dbus_begin_array(b, 8);
        for (size_t i = 0; i < x.count; i++) {
                const struct cgroup_device_rule *d = &x.items[i];
                const char *kind = d->type == 'b' ? "block" : "char";
                CLEAN_FREE char *one = d->major < 0   ? xprintf("%s-*", kind)
                                       : d->minor < 0 ? xprintf("%s-%lld", kind, (long long)d->major)
                                                      : xprintf("/dev/%s/%lld:%lld", kind, (long long)d->major, (long long)d->minor);
                CLEAN_FREE char *access = cgroup_access_text(d->access);
                if (d->major < 0 && d->minor >= 0)
                        continue; /* a minor of any major: systemd has no word for it */
                dbus_align(b, 8);
                dbus_add_string(b, one);
                dbus_add_string(b, access);
        }
        dbus_end_array(b, at, 8);
}

static void add_limits(struct text *b, const struct cgroup_resources *r, const struct manner *m)
{
        static const struct {
                enum cgroup_setting setting;
                const char *v1, *v2;
        } rows[] = { { CGROUP_MEMORY_LIMIT, "MemoryLimit", "MemoryMax" }, { CGROUP_MEMORY_RESERVATION, NULL, "MemoryLow" }, { CGROUP_PIDS_LIMIT, "TasksMax", "TasksMax" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const char *name = m->v2 ? rows[i].v2 : rows[i].v1;
                if (name && cgroup_is_set(r, rows[i].setting))
                        add_u64(b, name, amount(r->values[rows[i].setting]));
        }
        if (cgroup_is_set(r, CGROUP_CPU_SHARES)) {
                uint64_t shares = amount(r->values[CGROUP_CPU_SHARES]);
                add_u64(b, m->v2 ? "CPUWeight" : "CPUShares", m->v2 ? cgroup_weight_of_shares(shares) : shares);
        }
        if (cgroup_is_set(r, CGROUP_CPU_QUOTA)) {
                bool known = cgroup_is_set(r, CGROUP_CPU_PERIOD);
                int64_t period = known ? r->values[CGROUP_CPU_PERIOD] : 100000;
                add_quota(b, r->values[CGROUP_CPU_QUOTA], period);
                if (known && m->period)
                        add_u64(b, QUOTA_PERIOD, (uint64_t)period);
        }
        if (m->v2 && cgroup_is_set(r, CGROUP_MEMORY_SWAP) && cgroup_is_set(r, CGROUP_MEMORY_LIMIT)) {
                int64_t swap = r->values[CGROUP_MEMORY_SWAP], limit = r->values[CGROUP_MEMORY_LIMIT];
                if (swap < 0 || (limit >= 0 && swap >= limit))
                        add_u64(b, "MemorySwapMax", swap < 0 ? UINT64_MAX : (uint64_t)(swap - limit));
        }
        if (m->v2 && r->cpus && *r->cpus)
                add_cpus(b, "AllowedCPUs", r->cpus);
        if (m->v2 && r->mems && *r->mems)
                add_cpus(b, "AllowedMemoryNodes", r->mems);
        if (m->v2)
                add_unified(b, &r->unified, m);
        add_devices(b, r, m);
}

/* ---- calls ---- */

static const char destination[] = "org.freedesktop.systemd1", object[] = "/org/freedesktop/systemd1", manager[] = "org.freedesktop.systemd1.Manager";

static int connect_manager(const struct cgroup_systemd *m, struct dbus *d, struct error *e)
{
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        CLEAN_FREE char *of_user = xprintf("%s/systemd/private", runtime ? runtime : "/run/user/none");
        CLEAN_FREE char *bus_of_user = xprintf("%s/bus", runtime ? runtime : "/run/user/none");
        const char *direct = m->socket ? m->socket : m->user ? of_user : "/run/systemd/private";
        if (m->socket)
                return dbus_open(direct, m->is_bus, d, e);
        /* The manager's own socket needs no bus; where it is not for us, the bus asks on our behalf. */
        if (dbus_open(direct, false, d, NULL) == 0)
                return 0;
        int r = dbus_open(m->user ? bus_of_user : "/run/dbus/system_bus_socket", true, d, e);
        if (r == -ENOENT || r == -ECONNREFUSED) {
                error_set(e, r, "systemd.missing", "there is no systemd to make a scope for the container: neither %s nor a bus answers", direct);
                error_hint(e, "leave --systemd-cgroup out (--cgroup-manager cgroupfs)");
                error_status(e, STATUS_CGROUP);
        }
        return r;
}

static int subscribe(struct dbus *d, struct error *e)
{
        CLEAN_TEXT struct text b = { 0 };
        if (!d->is_bus)
                return 0;
        dbus_add_string(&b, "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
        int r = dbus_call(d, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", &b, NULL, e);
        return r < 0 ? r : dbus_call(d, destination, object, manager, "Subscribe", "", NULL, NULL, e);
}

static int call_job(struct dbus *d, const char *member, const char *signature, const struct text *b, struct error *e)
{
        CLEAN_FREE char *job = NULL;
        int r = subscribe(d, e);
        if (r == 0)
                r = dbus_call(d, destination, object, manager, member, signature, b, &job, e);
        return r < 0 ? r : dbus_wait_job(d, job, e);
}

static int failed(int r, const char *what, const char *unit, struct error *e)
{
        error_status(e, STATUS_CGROUP);
        error_while(e, "%s the systemd unit %s", what, unit);
        return r;
}

/* Asks once more without the period where systemd is too old for it: then the one in the folder holds until systemd writes its own. */
static bool asks_again(int r, struct manner *m, struct error *e)
{
        if (r != -EREMOTEIO || !m->period || !strstr(e->cause, QUOTA_PERIOD))
                return false;
        m->period = false;
        *e = (struct error){ 0 };
        return true;
}

static void scope_text(struct text *b, const struct cgroup_scope *s, pid_t pid, const struct cgroup_resources *r, const struct manner *m)
{
        static const char *const counted[] = { "CPUAccounting", "MemoryAccounting", "TasksAccounting" };
        CLEAN_FREE char *description = xprintf("Bulkhead container %s", s->unit);
        dbus_add_string(b, s->unit);
        dbus_add_string(b, "fail"); /* a unit of this name that is there already is another's */
        size_t properties = dbus_begin_array(b, 8);
        add_string(b, "Description", description);
        add_string(b, "Slice", s->slice);
        add_bool(b, "Delegate", true);
        add_bool(b, "DefaultDependencies", false);
        for (size_t i = 0; i < ELEMENTS(counted); i++)
                add_bool(b, counted[i], true);
        begin_property(b, "PIDs", "au");
        size_t pids = dbus_begin_array(b, 4);
        dbus_add_u32(b, (uint32_t)pid);
        dbus_end_array(b, pids, 4);
        if (r)
                add_limits(b, r, m);
        dbus_end_array(b, properties, 8);
        dbus_end_array(b, dbus_begin_array(b, 8), 8); /* no other units */
}

static char *folder_of_manager(struct dbus *d)
{
        CLEAN_TEXT struct text b = { 0 };
        CLEAN_FREE char *path = NULL;
        dbus_add_string(&b, manager);
        dbus_add_string(&b, "ControlGroup");
        if (dbus_call(d, destination, object, "org.freedesktop.DBus.Properties", "Get", "ss", &b, &path, NULL) < 0 || *path != '/')
                return NULL;
        return text_equal(path, "/") ? xstrdup("") : TAKE_PTR(path);
}

int cgroup_scope_start(const struct cgroup_systemd *m, const struct cgroup_scope *s, pid_t pid, const struct cgroup_resources *r,
                       bool v2, char **ret_folder, struct error *e)
{
        struct manner manner = { .v2 = v2, .period = true };
        struct dbus d = { .fd = -EBADF };
        struct error why = { 0 };
        int k = connect_manager(m, &d, &why);
        if (k == 0)
                do {
                        CLEAN_TEXT struct text b = { 0 };
                        scope_text(&b, s, pid, r, &manner);
                        k = call_job(&d, "StartTransientUnit", "ssa(sv)a(sa(sv))", &b, &why);
                } while (asks_again(k, &manner, &why));
        if (ret_folder)
                *ret_folder = k == 0 ? folder_of_manager(&d) : NULL;
        dbus_close(&d);
        if (k < 0 && e)
                *e = why;
        return k < 0 ? failed(k, "starting", s->unit, e) : 0;
}

int cgroup_scope_update(const struct cgroup_systemd *m, const char *unit, const struct cgroup_resources *r, bool v2, struct error *e)
{
        struct manner manner = { .v2 = v2, .period = true };
        struct dbus d = { .fd = -EBADF };
        struct error why = { 0 };
        int k = connect_manager(m, &d, &why);
        if (k == 0)
                do {
                        CLEAN_TEXT struct text b = { 0 };
                        dbus_add_string(&b, unit);
                        dbus_add_bool(&b, true); /* until the unit ends */
                        size_t properties = dbus_begin_array(&b, 8);
                        add_limits(&b, r, &manner);
                        dbus_end_array(&b, properties, 8);
                        k = dbus_call(&d, destination, object, manager, "SetUnitProperties", "sba(sv)", &b, NULL, &why);
                } while (asks_again(k, &manner, &why));
        dbus_close(&d);
        if (k < 0 && e)
                *e = why;
        return k < 0 ? failed(k, "changing", unit, e) : 0;
}

int cgroup_scope_stop(const struct cgroup_systemd *m, const char *unit, struct error *e)
{
        struct dbus d = { .fd = -EBADF };
        struct error why = { 0 };
        CLEAN_TEXT struct text b = { 0 }, name = { 0 };
        dbus_add_string(&b, unit);
        dbus_add_string(&b, "replace");
        dbus_add_string(&name, unit);
        int k = connect_manager(m, &d, &why);
        if (k == 0)
                k = call_job(&d, "StopUnit", "ss", &b, &why);
        if (k == -EREMOTEIO && strstr(why.cause, "NoSuchUnit"))
                k = 0;
        else if (k == 0)
                (void)dbus_call(&d, destination, object, manager, "ResetFailedUnit", "s", &name, NULL, NULL);
        dbus_close(&d);
        if (k < 0 && e)
                *e = why;
        return k < 0 ? failed(k, "stopping", unit, e) : 0;
}
