/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /linux and /hooks of an OCI configuration, but for resources and seccomp. */
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include "base/mutant.h"
#include "plan/oci_internal.h"
#include "plan/oci_resources.h"
#include "plan/oci_seccomp.h"

/* ---- namespaces and maps ---- */

static const struct oci_word namespace_words[] = {
        { "pid", CLONE_NEWPID },   { "network", CLONE_NEWNET }, { "mount", CLONE_NEWNS },      { "ipc", CLONE_NEWIPC },
        { "uts", CLONE_NEWUTS },   { "user", CLONE_NEWUSER },   { "cgroup", CLONE_NEWCGROUP }, { "time", CLONE_NEWTIME },
        { 0 },
};

static int read_namespace_type(const struct json_place *at, void *into, struct error *e)
{
        return oci_word(at, namespace_words, into, e);
}

static int read_namespace_path(const struct json_place *at, void *into, struct error *e)
{
        int r = oci_text(at, into, e);
        const char *path = *(char **)into;
        if (r == 0 && path && (*path != '/' || strlen(path) > OCI_PATH_MAX))
                return oci_fail(at, e, "begin it with /", "\"%.200s\" is not an absolute path", path);
        return r;
}

static const struct json_field namespace_fields[] = {
        { "type", read_namespace_type, offsetof(struct plan_join, flag), JSON_REQUIRED },
        { "path", read_namespace_path, offsetof(struct plan_join, path), 0 },
        { 0 },
};

static void add_join(struct plan_container *c, struct plan_join *j)
{
        c->joins = xgrow(c->joins, &c->join_room, c->join_count + 1, sizeof *c->joins);
        c->joins[c->join_count++] = *j;
        j->path = NULL;
}

static int take_namespace(const struct json_place *at, struct oci_reading *r, struct plan_join *j, struct error *e)
{
        const struct json_place type = oci_member(at, "type");
        if ((r->made | r->joined) & j->flag)
                return oci_fail(&type, e, "leave one of them", "a namespace of this type stands there twice");
        if (j->path) {
                r->joined |= j->flag;
                add_join(r->c, j);
                return 0;
        }
        r->made |= j->flag;
        if (j->flag == CLONE_NEWUSER)
                r->p->users_origin = j->origin;
        else
                plan_need_namespace(r->p, j->flag, j->origin);
        return 0;
}

static int add_namespace(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        struct plan_join j = { .origin = oci_origin(r->p, at) };
        int ret = json_object(at, namespace_fields, &j, e);
        if (ret < 0 && MUTANT("ignore-unknown"))
                ret = 0;
        else if (ret == 0)
                ret = take_namespace(at, r, &j, e);
        free(j.path);
        return ret;
}

static int read_namespaces(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, add_namespace, into, e);
}

static int read_uid_maps(const struct json_place *at, void *into, struct error *e)
{
        return oci_uid_maps(at, &((struct oci_reading *)into)->c->maps, e);
}

static int read_gid_maps(const struct json_place *at, void *into, struct error *e)
{
        return oci_gid_maps(at, &((struct oci_reading *)into)->c->maps, e);
}

static void map_all(struct plan_id_map **maps, size_t *count)
{
        free(*maps);
        *maps = xalloc(1, sizeof **maps);
        **maps = (struct plan_id_map){ 0, 0, UINT32_MAX };
        *count = 1;
}

static int check_users(const struct json_place *at, struct oci_reading *r, struct error *e)
{
        struct plan_id_maps *m = &r->c->maps;
        const struct json_place uids = oci_member(at, "uidMappings"), gids = oci_member(at, "gidMappings");
        const struct json_place *missing = m->uid_count ? &gids : &uids, *given = m->uid_count ? &uids : &gids;
        r->c->new_users = r->made & CLONE_NEWUSER;
        if ((m->uid_count || m->gid_count) && !((r->made | r->joined) & CLONE_NEWUSER))
                return oci_fail(given, e, "add {\"type\": \"user\"} to /linux/namespaces", "needs a user namespace");
        if (!r->c->new_users || (m->uid_count && m->gid_count))
                return 0;
        if (m->uid_count || m->gid_count || r->facts->rootless)
                return oci_fail(missing, e, "a user namespace needs uidMappings and gidMappings", "is missing or empty");
        /* Some write a user namespace alone and mean one that changes no number. */
        map_all(&m->uids, &m->uid_count);
        map_all(&m->gids, &m->gid_count);
        strings_add(&r->p->notes, "the user namespace has no maps in the configuration: all ids stand for themselves");
        return 0;
}

int oci_read_namespaces(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "namespaces", read_namespaces, 0, 0 },
                { "uidMappings", read_uid_maps, 0, 0 },
                { "gidMappings", read_gid_maps, 0, 0 },
                { 0 },
        };
        int r = json_object(at, fields, into, e);
        return r < 0 ? r : check_users(at, into, e);
}

/* ---- time ---- */

enum { NS_PER_SECOND = 1000000000 };

static int read_nanoseconds(const struct json_place *at, void *into, struct error *e)
{
        int r = json_u32(at, into, e);
        if (r == 0 && *(uint32_t *)into >= NS_PER_SECOND)
                return oci_fail(at, e, "whole seconds go into secs", "is not from 0 to 999999999");
        return r;
}

static int read_offset(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "secs", json_i64, offsetof(struct plan_time_offset, seconds), 0 },
                { "nanosecs", read_nanoseconds, offsetof(struct plan_time_offset, nanoseconds), 0 },
                { 0 },
        };
        struct plan_time_offset *o = into;
        o->set = true;
        return json_object(at, fields, o, e);
}

static int read_clock(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        if (!(r->made & CLONE_NEWTIME))
                return oci_fail(at, e, "add {\"type\": \"time\"} without a path to /linux/namespaces", "needs a new time namespace");
        if (text_equal(at->key, "monotonic"))
                return read_offset(at, &r->c->monotonic, e);
        if (text_equal(at->key, "boottime"))
                return read_offset(at, &r->c->boottime, e);
        return oci_fail(at, e, "known are monotonic and boottime", "unknown clock");
}

static int read_clocks(const struct json_place *at, void *into, struct error *e)
{
        return oci_each_member(at, read_clock, into, e);
}

/* ---- devices ---- */

enum { MAJOR_MAX = 4095, MINOR_MAX = 1048575 }; /* what the kernel's dev_t holds */

struct device_reading {
        struct plan_device d;
        bool has_mode, has_major, has_minor;
        uint64_t major, minor;
};

static int read_device_type(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = { { "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO }, { 0 } };
        uint64_t type;
        int r = oci_word(at, words, &type, e);
        if (r == 0)
                ((struct device_reading *)into)->d.type = (mode_t)type;
        return r;
}

static int read_major(const struct json_place *at, void *into, struct error *e)
{
        struct device_reading *d = into;
        d->has_major = true;
        return json_u64(at, &d->major, e);
}

static int read_minor(const struct json_place *at, void *into, struct error *e)
{
        struct device_reading *d = into;
        d->has_minor = true;
        return json_u64(at, &d->minor, e);
}

/* Some writers leave the bits of the type in. */
static int read_device_mode(const struct json_place *at, void *into, struct error *e)
{
        struct device_reading *d = into;
        uint32_t mode;
        int r = json_u32(at, &mode, e);
        if (r < 0)
                return r;
        if (mode & ~(uint32_t)(S_IFMT | 07777))
                return oci_fail(at, e, "it is a decimal number: 438 stands for 0666", "is not the mode of a file");
        d->has_mode = true;
        d->d.mode = mode & 07777;
        return 0;
}

static const struct json_field device_fields[] = {
        { "type", read_device_type, 0, JSON_REQUIRED },
        { "path", oci_absolute, offsetof(struct device_reading, d.path), JSON_REQUIRED },
        { "major", read_major, 0, 0 },
        { "minor", read_minor, 0, 0 },
        { "fileMode", read_device_mode, 0, 0 },
        { "uid", oci_id, offsetof(struct device_reading, d.uid), 0 },
        { "gid", oci_id, offsetof(struct device_reading, d.gid), 0 },
        { 0 },
};

static int finish_device(const struct json_place *at, struct device_reading *d, struct error *e)
{
        const struct json_place major_at = oci_member(at, "major"), minor_at = oci_member(at, "minor"), path = oci_member(at, "path");
        if (text_equal(d->d.path, "/"))
                return json_fail(&path, e, "names the root itself");
        if (!d->has_mode)
                d->d.mode = 0666;
        if (d->d.type == S_IFIFO)
                return 0; /* has no numbers */
        if (!d->has_major || !d->has_minor)
                return oci_fail(d->has_major ? &minor_at : &major_at, e, "only a device of type p has no numbers", "is missing");
        if (d->major > MAJOR_MAX || d->minor > MINOR_MAX)
                return json_fail(d->major > MAJOR_MAX ? &major_at : &minor_at, e, "is not from 0 to %d", d->major > MAJOR_MAX ? MAJOR_MAX : MINOR_MAX);
        d->d.major = (uint32_t)d->major;
        d->d.minor = (uint32_t)d->minor;
        return 0;
}

static int add_device(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        struct plan_container *c = r->c;
        struct device_reading d = { .d.origin = oci_origin(r->p, at) };
        int ret = json_object(at, device_fields, &d, e);
        if (ret == 0)
                ret = finish_device(at, &d, e);
        c->devices = xgrow(c->devices, &c->device_room, c->device_count + 1, sizeof *c->devices);
        c->devices[c->device_count++] = d.d;
        return ret;
}

static int read_devices(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, add_device, into, e);
}

/* ---- sysctl ---- */

/* By namespace; a name that ends with a dot stands for all below it. */
static const struct {
        const char *name;
        uint64_t flag;
} sysctl_owners[] = {
        { "net.", CLONE_NEWNET },
        { "fs.mqueue.", CLONE_NEWIPC },
        { "kernel.domainname", CLONE_NEWUTS },
        { "kernel.auto_msgmni", CLONE_NEWIPC },
        { "kernel.msg_next_id", CLONE_NEWIPC },
        { "kernel.msgmax", CLONE_NEWIPC },
        { "kernel.msgmnb", CLONE_NEWIPC },
        { "kernel.msgmni", CLONE_NEWIPC },
        { "kernel.sem", CLONE_NEWIPC },
        { "kernel.sem_next_id", CLONE_NEWIPC },
        { "kernel.shm_next_id", CLONE_NEWIPC },
        { "kernel.shm_rmid_forced", CLONE_NEWIPC },
        { "kernel.shmall", CLONE_NEWIPC },
        { "kernel.shmmax", CLONE_NEWIPC },
        { "kernel.shmmni", CLONE_NEWIPC },
};

/* As sysctl(8): whichever of . and / comes first separates, and the other stands for the first in a name. NULL: not a name. */
static char *normal_sysctl(const char *s)
{
        char *key = xstrdup(s), *first = strpbrk(key, "./");
        if (first && *first == '/')
                for (char *c = first; *c; c++)
                        *c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
        /* Here dots separate and a slash is a dot in a name, so that names "" and ".." are ones without and with two slashes. */
        for (const char *c = key;; c++) {
                size_t n = strcspn(c, ".");
                if (!MUTANT("raw-sysctl") && (!n || (n == 1 && *c == '/') || (n == 2 && c[0] == '/' && c[1] == '/')))
                        break;
                c += n;
                if (!*c)
                        return key;
        }
        free(key);
        return NULL;
}

static uint64_t sysctl_owner(const char *key)
{
        for (size_t i = 0; i < ELEMENTS(sysctl_owners); i++) {
                const char *name = sysctl_owners[i].name;
                if (text_ends(name, ".") ? text_starts(key, name) : text_equal(key, name))
                        return sysctl_owners[i].flag;
        }
        return 0;
}

static int check_sysctl(const struct json_place *at, const struct oci_reading *r, const char *key, const char *value, struct error *e)
{
        uint64_t owner = key ? sysctl_owner(key) : 0;
        if (MUTANT("raw-sysctl"))
                return 0;
        if (!key || strlen(key) > 1024)
                return oci_fail(at, e, "it looks like net.ipv4.ip_forward or net/ipv4/ip_forward", "contains an invalid path");
        if (text_equal(key, "kernel.hostname"))
                return oci_fail(at, e, "use /hostname", "has a member of its own");
        if (!owner)
                return oci_fail(at, e, "what belongs to an IPC or a network namespace can be set", "belongs to the whole host");
        /* That a joined one is not the host's is seen when it is opened. */
        if (!((r->made | r->joined) & owner) && !MUTANT("host-sysctl"))
                return oci_fail(at, e, "add its type to /linux/namespaces", "needs a new %s namespace",
                                owner == CLONE_NEWNET ? "network" : owner == CLONE_NEWIPC ? "IPC" : "UTS");
        if (strchr(value, '\n'))
                return json_fail(at, e, "holds a line break");
        return 0;
}

static int add_sysctl(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        struct plan_container *c = r->c;
        const char *value = json_text(at, e);
        CLEAN_FREE char *key = normal_sysctl(at->key);
        int ret = value ? check_sysctl(at, r, key, value, e) : -EINVAL;
        if (ret < 0)
                return ret;
        for (size_t i = 0; i < c->sysctl_count; i++)
                if (text_equal(c->sysctls[i].key, key))
                        return oci_fail(at, e, "leave one of them", "the same setting as %s", c->sysctls[i].origin);
        c->sysctls = xgrow(c->sysctls, &c->sysctl_room, c->sysctl_count + 1, sizeof *c->sysctls);
        c->sysctls[c->sysctl_count++] = (struct plan_sysctl){ TAKE_PTR(key), xstrdup(value), oci_origin(r->p, at) };
        return 0;
}

static int read_sysctl(const struct json_place *at, void *into, struct error *e)
{
        return oci_each_member(at, add_sysctl, into, e);
}

/* ---- network devices ---- */

/* As the kernel checks the name of a device; with a pattern, "%d" may stand in it once. */
static bool is_device_name(const char *s, bool pattern)
{
        const char *percent = strchr(s, '%');
        if (!*s || strlen(s) > 15 || text_equal(s, ".") || text_equal(s, "..") || strpbrk(s, "/: \t\n\v\f\r"))
                return false;
        return !percent || (pattern && percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static int read_device_name(const struct json_place *at, void *into, struct error *e)
{
        int r = oci_text(at, into, e);
        const char *name = *(char **)into;
        if (r == 0 && name && !is_device_name(name, true))
                return oci_fail(at, e, "at most 15 bytes without / and :, with %d once where the kernel should number it",
                                "\"%.40s\" is not the name of a network device", name);
        return r;
}

static int check_net_device(const struct json_place *at, const struct oci_reading *r, struct error *e)
{
        if (!is_device_name(at->key, false))
                return oci_fail(at, e, "at most 15 bytes without / and :", "is not the name of a network device");
        if (!((r->made | r->joined) & CLONE_NEWNET))
                return oci_fail(at, e, "add {\"type\": \"network\"} to /linux/namespaces", "needs a network namespace");
        if (r->facts->rootless)
                return oci_fail(at, e, "run it as root", "an ordinary user cannot move devices of the host");
        return 0;
}

static int add_net_device(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "name", read_device_name, offsetof(struct plan_net_device, inside), 0 },
                { 0 },
        };
        struct oci_reading *r = into;
        struct plan_container *c = r->c;
        int ret = check_net_device(at, r, e);
        if (ret < 0)
                return ret;
        c->net_devices = xgrow(c->net_devices, &c->net_device_room, c->net_device_count + 1, sizeof *c->net_devices);
        struct plan_net_device *d = &c->net_devices[c->net_device_count++];
        *d = (struct plan_net_device){ .name = xstrdup(at->key), .origin = oci_origin(r->p, at) };
        ret = json_object(at, fields, d, e);
        for (size_t i = 0; ret == 0 && i + 1 < c->net_device_count; i++) {
                const struct plan_net_device *o = &c->net_devices[i];
                const char *name = d->inside ? d->inside : d->name;
                if (text_equal(o->inside ? o->inside : o->name, name) && !strchr(name, '%'))
                        return oci_fail(at, e, "give it another name", "would have the same name inside as %s", o->origin);
        }
        return ret;
}

static int read_net_devices(const struct json_place *at, void *into, struct error *e)
{
        return oci_each_member(at, add_net_device, into, e);
}

/* ---- memory policy, personality, Intel RDT ---- */

enum { MODE_DEFAULT, MODE_PREFERRED, MODE_BIND, MODE_INTERLEAVE, MODE_LOCAL, MODE_PREFERRED_MANY, MODE_WEIGHTED_INTERLEAVE };
enum { STATIC_NODES = 1 << 15, RELATIVE_NODES = 1 << 14, NUMA_BALANCING = 1 << 13 };

struct policy_reading {
        uint64_t mode, flags;
        char *nodes;
};

static int read_mode(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = {
                { "MPOL_DEFAULT", MODE_DEFAULT },       { "MPOL_PREFERRED", MODE_PREFERRED },
                { "MPOL_BIND", MODE_BIND },             { "MPOL_INTERLEAVE", MODE_INTERLEAVE },
                { "MPOL_LOCAL", MODE_LOCAL },           { "MPOL_PREFERRED_MANY", MODE_PREFERRED_MANY },
                { "MPOL_WEIGHTED_INTERLEAVE", MODE_WEIGHTED_INTERLEAVE }, { 0 },
        };
        return oci_word(at, words, into, e);
}

static int read_mode_flags(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = {
                { "MPOL_F_NUMA_BALANCING", NUMA_BALANCING },
                { "MPOL_F_RELATIVE_NODES", RELATIVE_NODES },
                { "MPOL_F_STATIC_NODES", STATIC_NODES },
                { 0 },
        };
        return oci_words(at, words, into, e);
}

static const struct json_field policy_fields[] = {
        { "mode", read_mode, offsetof(struct policy_reading, mode), JSON_REQUIRED },
        { "nodes", oci_list, offsetof(struct policy_reading, nodes), 0 },
        { "flags", read_mode_flags, offsetof(struct policy_reading, flags), 0 },
        { 0 },
};

/* As set_mempolicy(2) would judge it. */
static int check_policy(const struct json_place *at, const struct policy_reading *m, struct error *e)
{
        const struct json_place nodes = oci_member(at, "nodes"), flags = oci_member(at, "flags");
        bool takes_none = m->mode == MODE_DEFAULT || m->mode == MODE_LOCAL, needs_some = !takes_none && m->mode != MODE_PREFERRED;
        if (takes_none && m->nodes)
                return json_fail(&nodes, e, "MPOL_DEFAULT and MPOL_LOCAL take no nodes");
        if (needs_some && !m->nodes)
                return oci_fail(&nodes, e, "write a list such as 0-1,3", "is missing or empty");
        if ((m->flags & STATIC_NODES) && (m->flags & RELATIVE_NODES))
                return json_fail(&flags, e, "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
        if ((m->flags & NUMA_BALANCING) && m->mode != MODE_BIND && m->mode != MODE_PREFERRED_MANY)
                return json_fail(&flags, e, "MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY only");
        if (m->flags && !m->nodes)
                return oci_fail(&flags, e, "they say how nodes are counted", "flags without nodes");
        return 0;
}

static int read_memory_policy(const struct json_place *at, void *into, struct error *e)
{
        struct plan_memory_policy *p = &((struct oci_reading *)into)->c->memory_policy;
        struct policy_reading m = { 0 };
        int r = json_object(at, policy_fields, &m, e);
        if (r == 0)
                r = check_policy(at, &m, e);
        *p = (struct plan_memory_policy){ r == 0, (int)(m.mode | m.flags), m.nodes ? m.nodes : xstrdup("") };
        return r;
}

struct persona {
        uint64_t domain, flags;
};

static int read_domain(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = { { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 }, { 0 } };
        return oci_word(at, words, into, e);
}

static int read_persona_flags(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = {
                { "UNAME26", UNAME26 },
                { "ADDR_NO_RANDOMIZE", ADDR_NO_RANDOMIZE },
                { "FDPIC_FUNCPTRS", FDPIC_FUNCPTRS },
                { "MMAP_PAGE_ZERO", MMAP_PAGE_ZERO },
                { "ADDR_COMPAT_LAYOUT", ADDR_COMPAT_LAYOUT },
                { "READ_IMPLIES_EXEC", READ_IMPLIES_EXEC },
                { "ADDR_LIMIT_32BIT", ADDR_LIMIT_32BIT },
                { "SHORT_INODE", SHORT_INODE },
                { "WHOLE_SECONDS", WHOLE_SECONDS },
                { "STICKY_TIMEOUTS", STICKY_TIMEOUTS },
                { "ADDR_LIMIT_3GB", ADDR_LIMIT_3GB },
                { 0 },
        };
        return oci_words(at, words, into, e);
}

static int read_personality(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "domain", read_domain, offsetof(struct persona, domain), JSON_REQUIRED },
                { "flags", read_persona_flags, offsetof(struct persona, flags), 0 },
                { 0 },
        };
        struct plan_container *c = ((struct oci_reading *)into)->c;
        struct persona p = { 0 };
        int r = json_object(at, fields, &p, e);
        if (r == 0) {
                c->personality_set = true;
                c->personality = (unsigned long)(p.domain | p.flags);
        }
        return r;
}

/* The name of a folder in resctrl; "/" is its root. */
static int read_clos_id(const struct json_place *at, void *into, struct error *e)
{
        int r = oci_text(at, into, e);
        const char *id = *(char **)into;
        if (r == 0 && id && !text_equal(id, "/") &&
            (strchr(id, '/') || strchr(id, '\n') || text_equal(id, ".") || text_equal(id, "..") || strlen(id) > 255))
                return oci_fail(at, e, "one name, or / for the root group", "\"%.60s\" is not the name of a class of service", id);
        return r;
}

static int read_bandwidth(const struct json_place *at, void *into, struct error *e)
{
        int r = oci_text(at, into, e);
        const char *s = *(char **)into;
        if (r == 0 && s && (!text_starts(s, "MB:") || strchr(s, '\n')))
                return oci_fail(at, e, "one line that begins with MB:", "is not a schema of memory bandwidth");
        return r;
}

static int add_schema(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (s && (!*s || strchr(s, '\n')))
                return oci_fail(at, e, "one element a line", "is empty or holds a line break");
        if (s)
                strings_add(into, s);
        return s ? 0 : -EINVAL;
}

static int read_schemata(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, add_schema, into, e);
}

static int read_intel_rdt(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "closID", read_clos_id, offsetof(struct plan_intel_rdt, clos_id), 0 },
                { "l3CacheSchema", oci_text, offsetof(struct plan_intel_rdt, l3_cache_schema), 0 },
                { "memBwSchema", read_bandwidth, offsetof(struct plan_intel_rdt, memory_bandwidth_schema), 0 },
                { "schemata", read_schemata, offsetof(struct plan_intel_rdt, schemata), 0 },
                { "enableMonitoring", json_bool, offsetof(struct plan_intel_rdt, enable_monitoring), 0 },
                { 0 },
        };
        struct plan_intel_rdt *rdt = &((struct oci_reading *)into)->c->intel_rdt;
        rdt->set = true;
        return json_object(at, fields, rdt, e);
}

/* ---- the rest ---- */

static int read_propagation(const struct json_place *at, void *into, struct error *e)
{
        static const struct oci_word words[] = {
                { "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },         { "slave", MS_SLAVE },
                { "rslave", MS_SLAVE | MS_REC }, { "private", MS_PRIVATE },                 { "rprivate", MS_PRIVATE | MS_REC },
                { "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC }, { "", 0 },
                { 0 },
        };
        return oci_word(at, words, &((struct oci_reading *)into)->c->root.propagation, e);
}

static int read_masked(const struct json_place *at, void *into, struct error *e)
{
        return oci_paths(at, &((struct oci_reading *)into)->c->masked, e);
}

static int read_read_only(const struct json_place *at, void *into, struct error *e)
{
        return oci_paths(at, &((struct oci_reading *)into)->c->read_only_paths, e);
}

static int read_mount_label(const struct json_place *at, void *into, struct error *e)
{
        return oci_text(at, &((struct oci_reading *)into)->c->mount_label, e);
}

static int read_cgroups_path(const struct json_place *at, void *into, struct error *e)
{
        struct plan_container *c = ((struct oci_reading *)into)->c;
        int r = oci_text(at, &c->cgroups_path, e);
        for (const char *s = c->cgroups_path; r == 0 && s && *s; s += strcspn(s, "/"), s += *s == '/') {
                size_t n = strcspn(s, "/");
                if ((n == 2 && s[0] == '.' && s[1] == '.' && !MUTANT("cgroup-dots")) || n > 255 || memchr(s, '\n', n))
                        return oci_fail(at, e, "leave out ..", "\"%.200s\" is not the path of a control group", c->cgroups_path);
        }
        if (r == 0 && c->cgroups_path && strlen(c->cgroups_path) > OCI_PATH_MAX)
                return json_fail(at, e, "is longer than %d bytes", OCI_PATH_MAX);
        return r;
}

static int read_resources(const struct json_place *at, void *into, struct error *e)
{
        return oci_read_resources(at, &((struct oci_reading *)into)->c->resources, e);
}

static int read_seccomp(const struct json_place *at, void *into, struct error *e)
{
        return oci_read_seccomp(at, &((struct oci_reading *)into)->c->profile, e);
}

int oci_read_linux(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "timeOffsets", read_clocks, 0, 0 },
                { "devices", read_devices, 0, 0 },
                { "sysctl", read_sysctl, 0, 0 },
                { "netDevices", read_net_devices, 0, 0 },
                { "memoryPolicy", read_memory_policy, 0, 0 },
                { "personality", read_personality, 0, 0 },
                { "intelRdt", read_intel_rdt, 0, 0 },
                { "rootfsPropagation", read_propagation, 0, 0 },
                { "maskedPaths", read_masked, 0, 0 },
                { "readonlyPaths", read_read_only, 0, 0 },
                { "mountLabel", read_mount_label, 0, 0 },
                { "cgroupsPath", read_cgroups_path, 0, 0 },
                { "resources", read_resources, 0, 0 },
                { "seccomp", read_seccomp, 0, 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

/* ---- hooks ---- */

static int read_timeout(const struct json_place *at, void *into, struct error *e)
{
        int32_t seconds;
        int r = json_i32(at, &seconds, e);
        if (r == 0 && seconds <= 0)
                return oci_fail(at, e, "leave it out for no limit", "is not above 0 seconds");
        if (r == 0)
                *(uint32_t *)into = (uint32_t)seconds;
        return r;
}

static const struct json_field hook_fields[] = {
        { "path", oci_absolute, offsetof(struct plan_hook, path), JSON_REQUIRED },
        { "args", oci_strings, offsetof(struct plan_hook, argv), 0 },
        { "env", oci_environment, offsetof(struct plan_hook, environment), 0 },
        { "timeout", read_timeout, offsetof(struct plan_hook, timeout_s), 0 },
        { 0 },
};

struct hook_list {
        struct oci_reading *r;
        enum plan_hook_kind kind;
};

static int add_hook(const struct json_place *at, void *into, struct error *e)
{
        const struct hook_list *l = into;
        struct plan_container *c = l->r->c;
        size_t *count = &c->hook_count[l->kind];
        c->hooks[l->kind] = xgrow(c->hooks[l->kind], &c->hook_room[l->kind], *count + 1, sizeof *c->hooks[0]);
        struct plan_hook *h = &c->hooks[l->kind][(*count)++];
        *h = (struct plan_hook){ .origin = oci_origin(l->r->p, at) };
        int r = json_object(at, hook_fields, h, e);
        if (r == 0 && !h->argv.count)
                strings_add(&h->argv, h->path);
        return r;
}

static int read_hooks_of(const struct json_place *at, void *into, struct error *e, enum plan_hook_kind kind)
{
        struct hook_list l = { into, kind };
        return oci_each(at, add_hook, &l, e);
}

#define HOOK_READER(name, kind)                                                                              \
        static int name(const struct json_place *at, void *into, struct error *e)                            \
        {                                                                                                    \
                return read_hooks_of(at, into, e, kind);                                                     \
        }

HOOK_READER(read_prestart, PLAN_HOOK_PRESTART)
HOOK_READER(read_create_runtime, PLAN_HOOK_CREATE_RUNTIME)
HOOK_READER(read_create_container, PLAN_HOOK_CREATE_CONTAINER)
HOOK_READER(read_start_container, PLAN_HOOK_START_CONTAINER)
HOOK_READER(read_poststart, PLAN_HOOK_POSTSTART)
HOOK_READER(read_poststop, PLAN_HOOK_POSTSTOP)

int oci_read_hooks(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "prestart", read_prestart, 0, 0 },
                { "createRuntime", read_create_runtime, 0, 0 },
                { "createContainer", read_create_container, 0, 0 },
                { "startContainer", read_start_container, 0, 0 },
                { "poststart", read_poststart, 0, 0 },
                { "poststop", read_poststop, 0, 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}
