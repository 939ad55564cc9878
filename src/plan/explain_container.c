/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/explain_container.h"

#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- words ---- */

struct bit_words {
        uint64_t bit;
        const char *name, *words;
};

static const struct bit_words attributes[] = {
        { MOUNT_ATTR_RDONLY, "ro", "read-only" },
        { MOUNT_ATTR_NOSUID, "nosuid", "set-id bits ignored" },
        { MOUNT_ATTR_NODEV, "nodev", "no devices" },
        { MOUNT_ATTR_NOEXEC, "noexec", "nothing runs from it" },
        { MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow", "links not followed" },
        { MOUNT_ATTR_NOATIME, "noatime", NULL },
        { MOUNT_ATTR_STRICTATIME, "strictatime", NULL },
        { MOUNT_ATTR_NODIRATIME, "nodiratime", NULL },
};

static const struct bit_words supers[] = {
        { MS_RDONLY, "ro", NULL },          { MS_SYNCHRONOUS, "sync", NULL }, { MS_DIRSYNC, "dirsync", NULL },   { MS_MANDLOCK, "mand", NULL },
        { MS_I_VERSION, "iversion", NULL }, { MS_SILENT, "silent", NULL },    { MS_LAZYTIME, "lazytime", NULL }, { MS_REMOUNT, "remount", NULL },
};

static const struct bit_words propagations[] = {
        { MS_SHARED, "shared", NULL }, { MS_SLAVE, "slave", NULL }, { MS_PRIVATE, "private", NULL }, { MS_UNBINDABLE, "unbindable", NULL },
        { MS_REC, "recursive", NULL },
};

static const struct bit_words spaces[] = {
        { CLONE_NEWNS, "mount", NULL },   { CLONE_NEWPID, "pid", NULL }, { CLONE_NEWNET, "network", NULL },   { CLONE_NEWIPC, "ipc", NULL },
        { CLONE_NEWUTS, "uts", NULL },    { CLONE_NEWUSER, "user", NULL }, { CLONE_NEWCGROUP, "cgroup", NULL }, { CLONE_NEWTIME, "time", NULL },
};

static const struct bit_words limits[] = {
        { RLIMIT_AS, "address space", NULL },      { RLIMIT_CORE, "core dump", NULL },         { RLIMIT_CPU, "CPU seconds", NULL },
        { RLIMIT_DATA, "data", NULL },             { RLIMIT_FSIZE, "file size", NULL },        { RLIMIT_LOCKS, "locks", NULL },
        { RLIMIT_MEMLOCK, "locked memory", NULL }, { RLIMIT_MSGQUEUE, "message queues", NULL }, { RLIMIT_NICE, "nice", NULL },
        { RLIMIT_NOFILE, "open files", NULL },     { RLIMIT_NPROC, "processes", NULL },        { RLIMIT_RSS, "resident memory", NULL },
        { RLIMIT_RTPRIO, "real-time priority", NULL }, { RLIMIT_RTTIME, "real-time", NULL },   { RLIMIT_SIGPENDING, "pending signals", NULL },
        { RLIMIT_STACK, "stack", NULL },
};

static const char *const hook_kinds[PLAN_HOOK_KINDS] = {
        [PLAN_HOOK_PRESTART] = "prestart",
        [PLAN_HOOK_CREATE_RUNTIME] = "createRuntime",
        [PLAN_HOOK_CREATE_CONTAINER] = "createContainer",
        [PLAN_HOOK_START_CONTAINER] = "startContainer",
        [PLAN_HOOK_POSTSTART] = "poststart",
        [PLAN_HOOK_POSTSTOP] = "poststop",
};

/* The name of an exact value. */
static const char *name_of(const struct bit_words *rows, size_t count, uint64_t value)
{
        for (size_t i = 0; i < count; i++)
                if (rows[i].bit == value)
                        return rows[i].name;
        return "?";
}
#define NAME_OF(rows, value) name_of(rows, ELEMENTS(rows), value)

/* The names of the bits of mask, added to l with prefix. */
static void add_names(struct strings *l, const struct bit_words *rows, size_t count, uint64_t mask, const char *prefix)
{
        for (size_t i = 0; i < count; i++)
                if ((mask & rows[i].bit) == rows[i].bit)
                        strings_take(l, xprintf("%s%s", prefix, rows[i].name));
}
#define ADD_NAMES(l, rows, mask, prefix) add_names(l, rows, ELEMENTS(rows), mask, prefix)

static const char *device_kind(const struct plan_device *d)
{
        return d->type == S_IFCHR ? "character" : d->type == S_IFBLK ? "block" : "fifo";
}

static uint64_t namespaces_of(const struct plan *p)
{
        uint64_t all = p->namespaces | (p->container->new_users ? CLONE_NEWUSER : 0);
        for (size_t i = 0; i < p->container->join_count; i++)
                all |= p->container->joins[i].flag;
        return all;
}

/* ---- text ---- */

static void text_root(const struct view *v)
{
        const struct plan_root *r = &v->p->container->root;
        if (r->path)
                line(v, "root", r->path, r->read_only ? "read-only" : "writable", "/root");
}

static void text_identity(const struct view *v)
{
        const struct plan_identity *i = &v->p->container->identity;
        CLEAN_FREE char *id = xprintf("%u:%u", i->uid, i->gid), *mask = xprintf("file mode mask %04o", (unsigned)v->p->umask);
        if (!i->set)
                return;
        line(v, "identity", id, mask, v->p->identity_origin ? v->p->identity_origin : "default");
        for (size_t k = 0; k < i->group_count; k++) {
                CLEAN_FREE char *group = xprintf("%u", i->groups[k]);
                line(v, "", group, "further group", NULL);
        }
}

static void text_maps(const struct view *v, const char *label, const struct plan_id_map *maps, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                CLEAN_FREE char *inside = xprintf("%s %u", label, maps[i].inside);
                CLEAN_FREE char *outside = xprintf("%u of the host, %u ids", maps[i].outside, maps[i].count);
                line(v, "map", inside, outside, NULL);
        }
}

static void text_spaces(const struct view *v)
{
        const struct plan_container *c = v->p->container;
        for (size_t i = 0; i < c->join_count; i++) {
                CLEAN_FREE char *words = xprintf("joined: %s", c->joins[i].path);
                line(v, "namespace", NAME_OF(spaces, c->joins[i].flag), words, c->joins[i].origin);
        }
        text_maps(v, "user", c->maps.uids, c->maps.uid_count);
        text_maps(v, "group", c->maps.gids, c->maps.gid_count);
        const struct {
                const char *name;
                const struct plan_time_offset *o;
        } clocks[] = { { "monotonic", &c->monotonic }, { "boottime", &c->boottime } };
        for (size_t i = 0; i < ELEMENTS(clocks); i++)
                if (clocks[i].o->set) {
                        CLEAN_FREE char *words = xprintf("moved by %lld s and %u ns", (long long)clocks[i].o->seconds, clocks[i].o->nanoseconds);
                        line(v, "clock", clocks[i].name, words, "/linux/timeOffsets");
                }
}

static void add_attribute_words(struct text *t, uint64_t mask, const char *where)
{
        for (size_t i = 0; i < ELEMENTS(attributes); i++)
                if (attributes[i].words && (mask & attributes[i].bit))
                        text_addf(t, ", %s%s", attributes[i].words, where);
}

static void text_attaches(const struct view *v)
{
        for (size_t i = 0; i < v->p->container->attach_count; i++) {
                const struct plan_attach *a = &v->p->container->attaches[i];
                CLEAN_TEXT struct text words = { 0 };
                if (a->bind)
                        text_addf(&words, "%s %s", a->copy_symlink ? "a link as" : "shows", a->source);
                else
                        text_add(&words, a->type ? a->type : "changed");
                if (a->data)
                        text_addf(&words, " (%s)", a->data);
                text_add(&words, a->recursive ? ", with what is mounted below" : "");
                add_attribute_words(&words, a->set, "");
                add_attribute_words(&words, a->set_below, " also below");
                text_add(&words, a->id_mapped ? ", ids mapped" : "");
                text_add(&words, a->copy_up ? ", begins as the folder was" : "");
                line(v, "mount", a->target, words.data, a->origin);
        }
        for (size_t i = 0; i < v->p->container->masked.count; i++)
                line(v, "mount", v->p->container->masked.items[i], "hidden, if there", "/linux/maskedPaths");
        for (size_t i = 0; i < v->p->container->read_only_paths.count; i++)
                line(v, "mount", v->p->container->read_only_paths.items[i], "read-only, if there", "/linux/readonlyPaths");
}

static void text_devices(const struct view *v)
{
        for (size_t i = 0; i < v->p->container->device_count; i++) {
                const struct plan_device *d = &v->p->container->devices[i];
                CLEAN_FREE char *words = xprintf("%s %u:%u, mode %04o of %u:%u", device_kind(d), d->major, d->minor, (unsigned)d->mode, d->uid, d->gid);
                line(v, "device", d->path, words, d->origin);
        }
}

static char *limit_number(uint64_t n)
{
        return n == RLIM_INFINITY ? xstrdup("unlimited") : xprintf("%llu", (unsigned long long)n);
}

static void text_limits(const struct view *v)
{
        const struct plan_container *c = v->p->container;
        for (size_t i = 0; i < c->rlimit_count; i++) {
                const struct plan_rlimit *r = &c->rlimits[i];
                CLEAN_FREE char *soft = limit_number(r->soft), *hard = limit_number(r->hard), *words = xprintf("%s, at most %s", soft, hard);
                line(v, "limits", NAME_OF(limits, (uint64_t)r->resource), words, r->origin);
        }
        if (c->resources)
                line(v, "limits", "control group", "as configured", "/linux/resources");
        if (c->cgroups_path)
                line(v, "control group", c->cgroups_path, NULL, "/linux/cgroupsPath");
        if (c->profile)
                line(v, "system calls", "filtered", NULL, "/linux/seccomp");
}

static void text_ambient(const struct view *v)
{
        CLEAN_FREE char *names = capability_names(v->p->container->capabilities.ambient);
        if (names)
                line(v, "capabilities", "kept by any program", names, "/process/capabilities/ambient");
}

static void text_settings(const struct view *v)
{
        const struct plan_container *c = v->p->container;
        const struct {
                const char *label, *value, *origin;
        } rows[] = {
                { "host name", c->hostname, "/hostname" },
                { "domain name", c->domainname, "/domainname" },
                { "label", c->process_label, "/process/selinuxLabel" },
                { "label", c->mount_label, "/linux/mountLabel" },
                { "profile", c->apparmor, "/process/apparmorProfile" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].value)
                        line(v, rows[i].label, rows[i].value, NULL, rows[i].origin);
        for (size_t i = 0; i < c->sysctl_count; i++)
                line(v, "setting", c->sysctls[i].key, c->sysctls[i].value, c->sysctls[i].origin);
        for (size_t i = 0; i < c->net_device_count; i++) {
                const struct plan_net_device *d = &c->net_devices[i];
                CLEAN_FREE char *words = xprintf("moved in as %s", d->inside ? d->inside : d->name);
                line(v, "network", d->name, words, d->origin);
        }
}

static void text_process(const struct view *v)
{
        const struct plan *p = v->p;
        if (p->working_directory)
                line(v, "folder", p->working_directory, "where it starts", "/process/cwd");
        if (p->container->terminal)
                line(v, "terminal", "its own", NULL, "/process/terminal");
        for (size_t i = 0; i < p->environment.count; i++)
                line(v, "environment", p->environment.items[i], NULL, "/process/env");
}

static void text_hooks(const struct view *v)
{
        for (size_t k = 0; k < PLAN_HOOK_KINDS; k++)
                for (size_t i = 0; i < v->p->container->hook_count[k]; i++) {
                        const struct plan_hook *h = &v->p->container->hooks[k][i];
                        CLEAN_FREE char *words = h->timeout_s ? xprintf("%s, for %u s at most", hook_kinds[k], h->timeout_s) : xstrdup(hook_kinds[k]);
                        line(v, "hook", h->path, words, h->origin);
                }
}

void explain_container_text(const struct view *v)
{
        static void (*const sections[])(const struct view *) = {
                text_spaces, text_root, text_attaches, text_devices, text_identity, text_process, text_settings, text_limits, text_hooks, text_ambient,
        };
        for (size_t i = 0; i < ELEMENTS(sections); i++)
                sections[i](v);
}

/* ---- what stays open ---- */

static bool has_space(const struct view *v, uint64_t flag)
{
        return namespaces_of(v->p) & flag;
}

/* Root of the container is root of the host, as far as its capabilities reach. */
static bool open_root(const struct view *v)
{
        const struct plan_identity *i = &v->p->container->identity;
        return v->host->privileged && i->set && i->uid == 0 && !has_space(v, CLONE_NEWUSER);
}

static bool holds_host(const struct view *v, unsigned capability)
{
        return v->host->privileged && !has_space(v, CLONE_NEWUSER) && (v->p->bounding >> capability & 1);
}

static bool open_admin(const struct view *v) { return holds_host(v, CAP_SYS_ADMIN); }
static bool open_modules(const struct view *v) { return holds_host(v, CAP_SYS_MODULE); }
static bool open_handles(const struct view *v) { return holds_host(v, CAP_DAC_READ_SEARCH); }
static bool open_settings(const struct view *v) { return open_root(v) && !strings_has(&v->p->container->read_only_paths, "/proc/sys"); }
static bool open_memory(const struct view *v) { return open_root(v) && !strings_has(&v->p->container->masked, "/proc/kcore"); }
static bool open_set_id(const struct view *v) { return !v->p->no_new_privileges && v->p->bounding; }
static bool open_calls(const struct view *v) { return !v->p->container->profile; }
static bool open_files(const struct view *v) { return !has_space(v, CLONE_NEWNS); }
static bool open_processes(const struct view *v) { return !has_space(v, CLONE_NEWPID); }
static bool open_network(const struct view *v) { return !has_space(v, CLONE_NEWNET); }
static bool open_ipc(const struct view *v) { return !has_space(v, CLONE_NEWIPC); }
static bool open_limits(const struct view *v) { return !v->p->container->resources; }

static const struct {
        bool (*is_open)(const struct view *v);
        const char *what, *closed_by;
} open_rows[] = {
        { open_root, "root inside is the host's root, less what capabilities take away", "a user namespace in /linux/namespaces" },
        { open_admin, "CAP_SYS_ADMIN changes most of the host", "leaving it out of /process/capabilities" },
        { open_modules, "kernel modules can be loaded", "leaving CAP_SYS_MODULE out of /process/capabilities" },
        { open_handles, "files of the host can be opened by their handles", "leaving CAP_DAC_READ_SEARCH out of /process/capabilities" },
        { open_settings, "kernel settings below /proc/sys can be changed", "/proc/sys in /linux/readonlyPaths" },
        { open_memory, "the memory of the kernel can be read", "/proc/kcore in /linux/maskedPaths" },
        { open_set_id, "set-user-ID programs gain what the bounding set holds", "/process/noNewPrivileges" },
        { open_calls, "every system call can be made", "/linux/seccomp" },
        { open_files, "the host's mounts are shared", "a mount namespace in /linux/namespaces" },
        { open_processes, "processes of the host are seen and can be signalled", "a pid namespace in /linux/namespaces" },
        { open_network, "the host's network is used", "a network namespace in /linux/namespaces" },
        { open_ipc, "message queues and shared memory of the host are used", "an ipc namespace in /linux/namespaces" },
        { open_limits, "memory, processes and devices are not limited", "/linux/resources" },
};

void explain_container_open_text(const struct view *v)
{
        text_add(v->t, "\nNot closed by this plan\n");
        bool any = false;
        for (size_t i = 0; i < ELEMENTS(open_rows); i++) {
                size_t start = v->t->length;
                if (!open_rows[i].is_open(v))
                        continue;
                text_addf(v->t, "  %s", open_rows[i].what);
                pad_to(v->t, start, COLUMN_WORDS + 30);
                text_addf(v->t, "closed by %s\n", open_rows[i].closed_by);
                any = true;
        }
        text_add(v->t, any ? "" : "  nothing that this list knows of\n");
}

void explain_container_open_json(const struct view *v)
{
        for (size_t i = 0; i < ELEMENTS(open_rows); i++) {
                if (!open_rows[i].is_open(v))
                        continue;
                next(v->t);
                text_add(v->t, "{");
                json_string(v->t, "what", open_rows[i].what);
                json_string(v->t, "closed_by", open_rows[i].closed_by);
                text_add(v->t, "}");
        }
}

/* ---- JSON ---- */

/* An array of objects: each is written by write, which gets the element's number. */
static void json_list(const struct view *v, const char *name, size_t count, void (*write)(const struct view *v, size_t i))
{
        key(v->t, name);
        text_add(v->t, "[");
        for (size_t i = 0; i < count; i++) {
                next(v->t);
                text_add(v->t, "{");
                write(v, i);
                text_add(v->t, "}");
        }
        text_add(v->t, "]");
}

static void json_signed(struct text *t, const char *name, int64_t n)
{
        key(t, name);
        text_addf(t, "%lld", (long long)n);
}

static void json_mode(struct text *t, const char *name, mode_t mode)
{
        CLEAN_FREE char *octal = xprintf("%04o", (unsigned)mode);
        json_string(t, name, octal);
}

static void json_map(struct text *t, const char *name, const struct plan_id_map *maps, size_t count)
{
        key(t, name);
        text_add(t, "[");
        for (size_t i = 0; i < count; i++) {
                next(t);
                text_add(t, "{");
                json_number(t, "inside", maps[i].inside);
                json_number(t, "outside", maps[i].outside);
                json_number(t, "count", maps[i].count);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void json_maps(struct text *t, const struct plan_id_maps *m)
{
        json_map(t, "uids", m->uids, m->uid_count);
        json_map(t, "gids", m->gids, m->gid_count);
}

static void json_join(const struct view *v, size_t i)
{
        const struct plan_join *j = &v->p->container->joins[i];
        json_string(v->t, "type", NAME_OF(spaces, j->flag));
        json_string(v->t, "path", j->path);
        json_string(v->t, "origin", j->origin);
}

static void json_attach(const struct view *v, size_t i)
{
        const struct plan_attach *a = &v->p->container->attaches[i];
        const struct {
                bool on;
                const char *word;
        } words[] = { { a->bind, "bind" },           { a->recursive, "recursive" },
                      { a->copy_up, "copy-up" },     { a->copy_symlink, "copy-symlink" },
                      { a->source_no_follow, "source-no-follow" }, { a->target_no_follow, "target-no-follow" },
                      { a->id_mapped, "id-mapped" }, { a->id_mapped_below, "id-mapped-below" } };
        CLEAN_STRINGS struct strings l = { 0 };
        for (size_t k = 0; k < ELEMENTS(words); k++)
                if (words[k].on)
                        strings_add(&l, words[k].word);
        ADD_NAMES(&l, attributes, a->set, "");
        ADD_NAMES(&l, attributes, a->clear & ~(uint64_t)MOUNT_ATTR__ATIME, "not-");
        ADD_NAMES(&l, attributes, a->set_below, "below-");
        ADD_NAMES(&l, attributes, a->clear_below & ~(uint64_t)MOUNT_ATTR__ATIME, "below-not-");
        ADD_NAMES(&l, supers, a->super, "super-");
        ADD_NAMES(&l, propagations, a->propagation, "propagation-");
        json_string(v->t, "path", a->target);
        json_string(v->t, "type", a->type);
        json_string(v->t, "source", a->source);
        json_string(v->t, "data", a->data);
        json_strings(v->t, "options", &l);
        json_maps(v->t, &a->maps);
        json_string(v->t, "origin", a->origin);
}

static void json_device(const struct view *v, size_t i)
{
        const struct plan_device *d = &v->p->container->devices[i];
        json_string(v->t, "path", d->path);
        json_string(v->t, "type", device_kind(d));
        json_number(v->t, "major", d->major);
        json_number(v->t, "minor", d->minor);
        json_mode(v->t, "mode", d->mode);
        json_number(v->t, "uid", d->uid);
        json_number(v->t, "gid", d->gid);
        json_string(v->t, "origin", d->origin);
}

/* No limit is null. */
static void json_rlimit_number(struct text *t, const char *name, uint64_t n)
{
        if (n == RLIM_INFINITY)
                json_string(t, name, NULL);
        else
                json_number(t, name, n);
}

static void json_rlimit(const struct view *v, size_t i)
{
        const struct plan_rlimit *r = &v->p->container->rlimits[i];
        json_string(v->t, "what", NAME_OF(limits, (uint64_t)r->resource));
        json_rlimit_number(v->t, "soft", r->soft);
        json_rlimit_number(v->t, "hard", r->hard);
        json_string(v->t, "origin", r->origin);
}

static void json_sysctl(const struct view *v, size_t i)
{
        json_string(v->t, "key", v->p->container->sysctls[i].key);
        json_string(v->t, "value", v->p->container->sysctls[i].value);
        json_string(v->t, "origin", v->p->container->sysctls[i].origin);
}

static void json_net_device(const struct view *v, size_t i)
{
        json_string(v->t, "name", v->p->container->net_devices[i].name);
        json_string(v->t, "inside", v->p->container->net_devices[i].inside);
        json_string(v->t, "origin", v->p->container->net_devices[i].origin);
}

static void json_root(const struct view *v)
{
        const struct plan_root *r = &v->p->container->root;
        CLEAN_STRINGS struct strings l = { 0 };
        ADD_NAMES(&l, propagations, r->propagation, "");
        key(v->t, "root");
        text_add(v->t, "{");
        json_string(v->t, "path", r->path);
        json_bool(v->t, "read_only", r->read_only);
        json_strings(v->t, "propagation", &l);
        text_add(v->t, "}");
}

static void json_identity(const struct view *v)
{
        const struct plan_identity *i = &v->p->container->identity;
        key(v->t, "identity");
        text_add(v->t, "{");
        json_number(v->t, "uid", i->uid);
        json_number(v->t, "gid", i->gid);
        key(v->t, "groups");
        text_add(v->t, "[");
        for (size_t k = 0; k < i->group_count; k++) {
                next(v->t);
                text_addf(v->t, "%u", i->groups[k]);
        }
        text_add(v->t, "]}");
}

static void json_capability_sets(const struct view *v)
{
        const struct plan_capabilities *c = &v->p->container->capabilities;
        key(v->t, "capability_sets");
        text_add(v->t, "{");
        json_names(v->t, "bounding", c->bounding);
        json_names(v->t, "effective", c->effective);
        json_names(v->t, "permitted", c->permitted);
        json_names(v->t, "inheritable", c->inheritable);
        json_names(v->t, "ambient", c->ambient);
        text_add(v->t, "}");
}

static void json_process(const struct view *v)
{
        const struct plan_container *c = v->p->container;
        const struct {
                const char *name, *value;
        } rows[] = { { "hostname", c->hostname },         { "domainname", c->domainname },  { "process_label", c->process_label },
                     { "mount_label", c->mount_label },   { "apparmor_profile", c->apparmor }, { "cgroups_path", c->cgroups_path },
                     { "cpus_initial", c->cpus_initial }, { "cpus_final", c->cpus_final } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                json_string(v->t, rows[i].name, rows[i].value);
        json_bool(v->t, "terminal", c->terminal);
        json_bool(v->t, "resources", c->resources);
        json_bool(v->t, "seccomp", c->profile);
        if (c->oom_score_set)
                json_signed(v->t, "oom_score_adj", c->oom_score);
}

static void json_scheduling(const struct view *v)
{
        const struct plan_scheduler *s = &v->p->container->scheduler;
        const struct plan_memory_policy *m = &v->p->container->memory_policy;
        if (s->set) {
                key(v->t, "scheduler");
                text_add(v->t, "{");
                json_number(v->t, "policy", s->policy);
                json_number(v->t, "flags", s->flags);
                json_signed(v->t, "nice", s->nice);
                json_number(v->t, "priority", s->priority);
                json_number(v->t, "runtime_ns", s->runtime_ns);
                json_number(v->t, "deadline_ns", s->deadline_ns);
                json_number(v->t, "period_ns", s->period_ns);
                text_add(v->t, "}");
        }
        if (v->p->container->io_priority.set)
                json_signed(v->t, "io_priority", v->p->container->io_priority.value);
        if (m->set) {
                key(v->t, "memory_policy");
                text_add(v->t, "{");
                json_signed(v->t, "mode", m->mode);
                json_string(v->t, "nodes", m->nodes);
                text_add(v->t, "}");
        }
        if (v->p->container->personality_set)
                json_number(v->t, "personality", v->p->container->personality);
}

static void json_hooks(const struct view *v)
{
        key(v->t, "hooks");
        text_add(v->t, "[");
        for (size_t k = 0; k < PLAN_HOOK_KINDS; k++)
                for (size_t i = 0; i < v->p->container->hook_count[k]; i++) {
                        const struct plan_hook *h = &v->p->container->hooks[k][i];
                        next(v->t);
                        text_add(v->t, "{");
                        json_string(v->t, "kind", hook_kinds[k]);
                        json_string(v->t, "path", h->path);
                        json_strings(v->t, "args", &h->argv);
                        json_strings(v->t, "environment", &h->environment);
                        json_number(v->t, "timeout_s", h->timeout_s);
                        json_string(v->t, "origin", h->origin);
                        text_add(v->t, "}");
                }
        text_add(v->t, "]");
}

static void json_annotations(const struct view *v)
{
        const struct strings *l = &v->p->container->annotations;
        key(v->t, "annotations");
        text_add(v->t, "{");
        for (size_t i = 0; i + 1 < l->count; i += 2) {
                text_add(v->t, i ? "," : "");
                text_add_json(v->t, l->items[i]);
                text_add(v->t, ":");
                text_add_json(v->t, l->items[i + 1]);
        }
        text_add(v->t, "}");
}

void explain_container_json(const struct view *v)
{
        const struct plan_container *c = v->p->container;
        if (!c)
                return;
        key(v->t, "container");
        text_add(v->t, "{");
        json_root(v);
        json_list(v, "joins", c->join_count, json_join);
        json_maps(v->t, &c->maps);
        json_list(v, "mounts", c->attach_count, json_attach);
        json_strings(v->t, "masked", &c->masked);
        json_strings(v->t, "read_only", &c->read_only_paths);
        json_list(v, "devices", c->device_count, json_device);
        json_identity(v);
        json_capability_sets(v);
        json_list(v, "rlimits", c->rlimit_count, json_rlimit);
        json_process(v);
        json_scheduling(v);
        json_list(v, "sysctls", c->sysctl_count, json_sysctl);
        json_list(v, "net_devices", c->net_device_count, json_net_device);
        json_hooks(v);
        json_annotations(v);
        text_add(v->t, "}");
}
