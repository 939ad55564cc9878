/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/explain.h"

#include <linux/capability.h>
#include <sched.h>
#include <string.h>

#include "base/path.h"
#include "os/capability.h"
#include "plan/directive.h"
#include "plan/explain_container.h"
#include "plan/explain_credentials.h"
#include "plan/explain_process.h"
#include "plan/explain_root.h"

enum { EXPLAIN_VERSION = 1 };

/* ---- what the plan means ---- */

static const struct namespace_row {
        uint64_t flag;
        const char *type, *words;
} namespaces[] = {
        { CLONE_NEWNS, "mount", "its own mounts" },
        { CLONE_NEWPID, "pid", "sees its own processes only" },
        { CLONE_NEWNET, "network", "loopback only" },
        { CLONE_NEWIPC, "ipc", "its own message queues and shared memory" },
        { CLONE_NEWUTS, "uts", "its own host name" },
        { CLONE_NEWCGROUP, "cgroup", "its own view of control groups" },
        { CLONE_NEWTIME, "time", "its own clocks" },
};

static const struct mount_row {
        const char *kind, *words;
        bool writable, hidden;
} mount_rows[PLAN_MOUNT_KINDS] = {
        [PLAN_INACCESSIBLE] = { "inaccessible", "hidden", false, true },
        [PLAN_BIND] = { "bind", "shows", true, false },
        [PLAN_IMAGE] = { "image", "an image of a file system", true, false },
        [PLAN_OVERLAY] = { "overlay", "with extensions over it, read-only", false, false },
        [PLAN_FILE] = { "file", "a file of the plan's", false, false },
        [PLAN_CREDENTIALS] = { "credentials", "its credentials", false, false },
        [PLAN_PRIVATE_TMP] = { "private-tmp", "its own", true, true },
        [PLAN_PRIVATE_DEV] = { "private-devices", "no hardware, read-only", false, true },
        [PLAN_PROC] = { "proc", "a new one", true, false },
        [PLAN_CGROUP] = { "cgroup", "its own control group", true, false },
        [PLAN_MQUEUE] = { "mqueue", "its own message queues", true, false },
        [PLAN_SYSFS] = { "sysfs", "for its network", true, false },
        [PLAN_TMPFS] = { "tmpfs", "empty, in memory", true, true },
        [PLAN_READ_ONLY] = { "read-only", "read-only", false, false },
        [PLAN_READ_WRITE] = { "read-write", "writable", true, false },
        [PLAN_NOEXEC] = { "no-exec", "nothing runs from it", true, false },
        [PLAN_EXEC] = { "exec", "programs run from it", true, false },
        [PLAN_READ_WRITE_IMPLICIT] = { "read-write-implicit", "stays writable", true, false },
};

static const char *const user_words[][2] = {
        [PLAN_USERS_HOST] = { "host", "the host's" },
        [PLAN_USERS_SELF] = { "self", "root and its own id, onto themselves" },
        [PLAN_USERS_IDENTITY] = { "identity", "ids 0 to 65535, onto themselves" },
        [PLAN_USERS_FULL] = { "full", "all ids, onto themselves" },
};

static const struct folder_row {
        const char *kind, *system, *user;
} folder_rows[PLAN_FOLDER_KINDS] = {
        [PLAN_RUNTIME_FOLDER] = { "runtime", "/run", "$XDG_RUNTIME_DIR" },
        [PLAN_STATE_FOLDER] = { "state", "/var/lib", "~/.local/state" },
        [PLAN_CACHE_FOLDER] = { "cache", "/var/cache", "~/.cache" },
        [PLAN_LOGS_FOLDER] = { "logs", "/var/log", "~/.local/state/log" },
        [PLAN_CONFIGURATION_FOLDER] = { "configuration", "/etc", "~/.config" },
};

static bool is_root_name(const char *s)
{
        return text_equal(s, "root") || !s[strspn(s, "0")];
}

/* The payload is the host's root: user id 0 there, whatever its user namespace. */
static bool is_root(const struct view *v)
{
        return v->host->privileged && (v->p->user ? is_root_name(v->p->user) : !v->p->dynamic_user);
}

/* Capability over the host, not one inside a user namespace. */
static bool holds(const struct view *v, unsigned capability)
{
        bool ambient = v->host->privileged && v->p->ambient >> capability & 1;
        return (is_root(v) || ambient) && v->p->users == PLAN_USERS_HOST && (v->p->bounding >> capability & 1);
}

static bool has_user_namespace(const struct view *v)
{
        if (v->p->container)
                return v->p->container->new_users;
        return v->p->users != PLAN_USERS_HOST || (!v->host->privileged && v->p->namespaces);
}

static const char *users_origin(const struct view *v)
{
        if (v->p->container)
                return v->p->users_origin;
        return v->p->users_origin && v->p->users != PLAN_USERS_HOST ? v->p->users_origin
                                                                     : "implied for an ordinary user";
}

static const char *users_map(const struct view *v, bool words)
{
        if (v->p->container)
                return words ? "its own users and groups" : "container";
        if (!v->host->privileged)
                return words ? "its own id onto itself, made first" : "own";
        return user_words[v->p->users][words];
}

/* The nearest entry at or above path. */
static const struct plan_mount *mount_over(const struct plan *p, const char *path)
{
        const struct plan_mount *found = NULL;
        for (size_t i = 0; i < p->mount_count; i++)
                if (path_is_below(path, p->mounts[i].path))
                        found = &p->mounts[i]; /* sorted: parents first */
        return found;
}

static bool mount_writable(const struct plan_mount *m)
{
        return mount_rows[m->kind].writable && !m->read_only && !m->read_only_above;
}

static bool is_writable(const struct plan *p, const char *path)
{
        const struct plan_mount *m = mount_over(p, path);
        return !m || mount_writable(m);
}

static bool is_shown(const struct plan *p, const char *path)
{
        const struct plan_mount *m = mount_over(p, path);
        return !m || !mount_rows[m->kind].hidden;
}

static bool is_call_allowed(const struct plan *p, const char *call)
{
        int number;
        if (!p->filter.set || !filter_call_number(call, &number))
                return true;
        for (size_t i = 0; i < p->filter.count; i++)
                if (p->filter.rules[i].nr == number)
                        return p->filter.allow_list && p->filter.rules[i].error == FILTER_DEFAULT;
        return !p->filter.allow_list;
}

static bool landlock_seals(const struct view *v)
{
        return v->p->seal == PLAN_SEAL_LANDLOCK || (v->p->seal == PLAN_SEAL_AUTO && v->host->landlock);
}

static const char *seal_kind(const struct view *v)
{
        return !plan_is_sealed(v->p) ? "none" : landlock_seals(v) ? "landlock" : "user-namespace";
}

static const char *seal_origin(const struct view *v)
{
        static const char *const words[] = { "default", "--seal=landlock", "--seal=userns", "--seal=off" };
        if (v->p->container)
                return "default for containers";
        return words[v->p->seal];
}

/* ---- what stays open ---- */

/* Each function answers: does the plan leave this open? */
static bool open_files(const struct view *v) { return is_root(v) && is_writable(v->p, "/"); }
static bool open_homes(const struct view *v) { return is_root(v) && (is_shown(v->p, "/home") || is_shown(v->p, "/root")); }
static bool devices_open(const struct view *v) { return !v->p->devices_closed && !plan_resources_close_devices(&v->p->resources); }
static bool open_devices(const struct view *v) { return is_root(v) && devices_open(v) && is_shown(v->p, "/dev"); }
static bool open_nodes(const struct view *v) { return holds(v, CAP_MKNOD) && devices_open(v) && is_call_allowed(v->p, "mknodat"); }
static bool open_ports(const struct view *v) { return holds(v, CAP_SYS_RAWIO) && !v->p->devices_closed && is_call_allowed(v->p, "iopl"); }
static bool open_sysctl(const struct view *v) { return is_root(v) && is_writable(v->p, "/proc/sys"); }
static bool open_sysfs(const struct view *v) { return is_root(v) && is_writable(v->p, "/sys"); }
static bool open_modules(const struct view *v) { return holds(v, CAP_SYS_MODULE) && is_call_allowed(v->p, "finit_module"); }
static bool open_boot(const struct view *v) { return holds(v, CAP_SYS_BOOT) && !(v->p->namespaces & CLONE_NEWPID) && is_call_allowed(v->p, "reboot"); }
static bool open_kexec(const struct view *v) { return holds(v, CAP_SYS_BOOT) && is_call_allowed(v->p, "kexec_file_load"); }
static bool open_clock(const struct view *v) { return holds(v, CAP_SYS_TIME) && is_call_allowed(v->p, "clock_settime"); }
static bool open_log(const struct view *v) { return holds(v, CAP_SYSLOG) && is_call_allowed(v->p, "syslog"); }
static bool open_bpf(const struct view *v) { return (holds(v, CAP_BPF) || holds(v, CAP_SYS_ADMIN)) && is_call_allowed(v->p, "bpf"); }
static bool open_handles(const struct view *v) { return holds(v, CAP_DAC_READ_SEARCH) && plan_has_mounts(v->p) && is_call_allowed(v->p, "open_by_handle_at"); }
static bool open_undo(const struct view *v) { return holds(v, CAP_SYS_ADMIN) && plan_has_mounts(v->p) && !plan_is_sealed(v->p) && is_call_allowed(v->p, "umount2"); }
static bool open_network(const struct view *v) { return holds(v, CAP_NET_ADMIN) && !(v->p->namespaces & CLONE_NEWNET); }
static bool open_packets(const struct view *v) { return holds(v, CAP_NET_RAW) && !(v->p->namespaces & CLONE_NEWNET); }
static bool open_signals(const struct view *v) { return is_root(v) && !(v->p->namespaces & CLONE_NEWPID); }
static bool open_sockets(const struct view *v) { return is_root(v) && is_shown(v->p, "/run"); }
static bool open_set_id(const struct view *v) { return v->host->privileged && !is_root(v) && !v->p->no_new_privileges; }

static const struct open_row {
        bool (*is_open)(const struct view *v);
        const char *what, *closed_by;
} open_rows[] = {
        { open_files, "files of the host can be changed", "ProtectSystem=strict" },
        { open_homes, "home folders can be read", "ProtectHome=yes" },
        { open_devices, "raw devices can be read and written", "PrivateDevices=yes" },
        { open_nodes, "device nodes can be made", "PrivateDevices=yes" },
        { open_ports, "I/O ports can be used", "PrivateDevices=yes" },
        { open_sysctl, "kernel settings below /proc/sys can be changed", "ProtectKernelTunables=yes" },
        { open_sysfs, "devices and the kernel can be changed through /sys", "ProtectKernelTunables=yes" },
        { open_modules, "kernel modules can be loaded", "ProtectKernelModules=yes" },
        { open_boot, "the machine can be rebooted", "CapabilityBoundingSet=~CAP_SYS_BOOT" },
        { open_kexec, "another kernel can be started", "CapabilityBoundingSet=~CAP_SYS_BOOT" },
        { open_clock, "the clock can be set", "ProtectClock=yes" },
        { open_log, "the kernel's log can be read and cleared", "ProtectKernelLogs=yes" },
        { open_bpf, "BPF programs can be loaded into the kernel", "SystemCallFilter=~bpf" },
        { open_handles, "hidden files can be opened by their handles", "CapabilityBoundingSet=~CAP_DAC_READ_SEARCH" },
        { open_undo, "the mounts of this plan can be undone", "--seal=auto" },
        { open_network, "the host's network can be reconfigured", "PrivateNetwork=yes" },
        { open_packets, "the host's traffic can be read and forged", "PrivateNetwork=yes" },
        { open_signals, "processes of the host are seen and can be signalled", "PrivatePIDs=yes" },
        { open_sockets, "services can be asked through sockets in /run", "InaccessiblePaths=/run" },
        { open_set_id, "set-user-ID programs can become root", "NoNewPrivileges=yes" },
};

/* ---- text ---- */

static void text_unit(const struct view *v)
{
        const struct plan *p = v->p;
        CLEAN_TEXT struct text command = { 0 };
        line(v, "unit", p->unit, p->user_mode ? "of an ordinary user" : "of the system", NULL);
        for (size_t i = 0; i < p->argv.count; i++)
                text_addf(&command, "%s%s", i ? " " : "", p->argv.items[i]);
        if (command.length)
                line(v, "command", command.data, NULL, NULL);
}

static void text_identity(const struct view *v)
{
        const struct plan *p = v->p;
        const char *user = p->user ? p->user : p->dynamic_user ? "named after the unit" : "unchanged";
        line(v, "identity", user, p->dynamic_user ? "exists only while it runs" : NULL, p->identity_origin ? p->identity_origin : "default");
        if (p->group)
                line(v, "", p->group, "group", "Group=");
        for (size_t i = 0; i < p->supplementary.count; i++)
                line(v, "", p->supplementary.items[i], "further group", "SupplementaryGroups=");
        if (p->pam_name)
                line(v, "", p->pam_name, "PAM session, opened and closed by bulkhead-pam", p->pam_origin);
        if (p->remove_ipc)
                line(v, "", "IPC objects", "removed at the end", p->dynamic_user ? "RemoveIPC=yes (implied by DynamicUser=yes)" : "RemoveIPC=yes");
}

/* Where a namespace is that is entered; NULL: it is made. */
static const char *namespace_path(const struct plan *p, uint64_t flag)
{
        return flag == CLONE_NEWNET ? p->network_path : flag == CLONE_NEWIPC ? p->ipc_path : NULL;
}

static void text_namespaces(const struct view *v)
{
        if (has_user_namespace(v))
                line(v, "namespace", "user", users_map(v, true), users_origin(v));
        for (size_t i = 0; i < ELEMENTS(namespaces); i++)
                if (v->p->namespaces & namespaces[i].flag) {
                        const char *path = namespace_path(v->p, namespaces[i].flag);
                        CLEAN_FREE char *words = path ? xprintf("that of %s", path) : xstrdup(namespaces[i].words);
                        line(v, "namespace", namespaces[i].type, words, v->p->namespace_origin[plan_namespace_slot(namespaces[i].flag)]);
                }
}

static void add_proc_words(const struct plan *p, struct text *words)
{
        static const char *const access[] = { [PLAN_PROC_DEFAULT] = "", [PLAN_PROC_NO_ACCESS] = ", others' processes closed",
                                              [PLAN_PROC_INVISIBLE] = ", others' processes hidden",
                                              [PLAN_PROC_PTRACEABLE] = ", only processes that it may trace" };
        text_addf(words, "%s%s%s", p->namespaces & CLONE_NEWPID ? "its own processes" : "a new one", access[p->proc_access],
                  p->proc_processes_only ? ", nothing but processes" : "");
}

static void text_mounts(const struct view *v)
{
        for (size_t i = 0; i < v->p->mount_count; i++) {
                const struct plan_mount *m = &v->p->mounts[i];
                CLEAN_TEXT struct text words = { 0 };
                if (m->kind == PLAN_PROC)
                        add_proc_words(v->p, &words);
                else
                        text_add(&words, mount_rows[m->kind].words);
                if (m->kind == PLAN_BIND)
                        text_addf(&words, " %s", m->source);
                else if (m->kind == PLAN_TMPFS && m->source && *m->source)
                        text_addf(&words, " (%s)", m->source);
                else if (m->kind == PLAN_PRIVATE_TMP)
                        text_add(&words, v->p->tmp == PLAN_TMP_DISCONNECTED ? ", in memory" : ", a folder of the host");
                if (mount_rows[m->kind].writable && !mount_writable(m))
                        text_add(&words, ", read-only");
                if ((m->no_exec || m->no_exec_above) && m->kind != PLAN_NOEXEC)
                        text_add(&words, ", nothing runs from it");
                if (m->unless_mounted)
                        text_add(&words, ", unless a mount is there");
                if (m->optional)
                        text_add(&words, ", if there");
                line(v, "mount", m->path, words.data, m->origin);
        }
}

/* What a line of bounding_removed ("CAP_MKNOD: PrivateDevices=yes") is about, and at *ret_origin who asked. */
static char *removed_name(const char *s, const char **ret_origin)
{
        const char *colon = strstr(s, ": ");
        *ret_origin = colon ? colon + 2 : "";
        return colon ? xstrndup(s, (size_t)(colon - s)) : xstrdup(s);
}

/* Gone by CapabilityBoundingSet= itself, not by another directive. */
static uint64_t removed_by_set(const struct view *v)
{
        uint64_t mask = v->host->capabilities & ~v->p->bounding;
        for (size_t i = 0; i < v->p->bounding_removed.count; i++) {
                const char *origin;
                unsigned n;
                CLEAN_FREE char *name = removed_name(v->p->bounding_removed.items[i], &origin);
                if (capability_parse(name, &n) == 0)
                        mask &= ~(UINT64_C(1) << n);
        }
        return mask;
}

/* NULL if there are none. */
static char *secure_bit_names(unsigned mask)
{
        CLEAN_TEXT struct text t = { 0 };
        for (unsigned n = 0; directive_secure_bit(n); n++)
                if (mask >> n & 1)
                        text_addf(&t, "%s%s", t.length ? " " : "", directive_secure_bit(n));
        return TAKE_PTR(t.data);
}

static void text_capabilities(const struct view *v)
{
        const struct plan *p = v->p;
        unsigned kept = (unsigned)__builtin_popcountll(p->bounding), all = (unsigned)__builtin_popcountll(v->host->capabilities);
        CLEAN_FREE char *count = xprintf("%u of %u kept", kept, all), *names = capability_names(p->bounding);
        uint64_t gone = removed_by_set(v);
        line(v, "capabilities", count, has_user_namespace(v) ? "inside its user namespace" : NULL,
             p->bounding_origin ? p->bounding_origin : "default");
        if (kept && kept * 2 < all)
                line(v, "", "kept", names, NULL);
        else if (gone) {
                CLEAN_FREE char *removed = capability_names(gone);
                line(v, "", "removed", removed, p->bounding_origin);
        }
        for (size_t i = 0; i < p->bounding_removed.count; i++) {
                const char *origin;
                CLEAN_FREE char *name = removed_name(p->bounding_removed.items[i], &origin);
                line(v, "", "removed", name, origin);
        }
        if (p->ambient_origin && p->ambient) {
                CLEAN_FREE char *ambient = capability_names(p->ambient);
                line(v, "", "ambient", ambient, p->ambient_origin);
        }
        if (p->secure_bits_origin) {
                CLEAN_FREE char *bits = secure_bit_names(p->secure_bits);
                line(v, "privileges", "secure bits", bits ? bits : "none", p->secure_bits_origin);
        }
        if (p->no_new_privileges)
                line(v, "privileges", "no new ones", "execve never gains any", p->no_new_privileges_origin);
        if (p->restrict_suid_sgid)
                line(v, "privileges", "no set-id files", "none can be made", p->restrict_suid_sgid_origin);
}

static char *action_words(int error)
{
        return error > 0 ? xprintf("fails with errno %d (%s)", error, strerrorname_np(error) ? strerrorname_np(error) : "?")
                         : xstrdup("ends the process");
}

static const struct restriction_row {
        const char *kind, *subject;
} restriction_rows[RESTRICTION_KINDS] = {
        [RESTRICTION_NAMESPACES] = { "namespaces", "namespaces" },
        [RESTRICTION_REALTIME] = { "realtime", "realtime scheduling" },
        [RESTRICTION_PERSONALITY] = { "personality", "execution domain" },
        [RESTRICTION_FAMILIES] = { "address-families", "sockets" },
        [RESTRICTION_ARCHITECTURES] = { "architectures", "architectures" },
        [RESTRICTION_MEMORY] = { "memory", "memory" },
};

static void text_restrictions(const struct view *v)
{
        for (size_t i = 0; i < RESTRICTION_KINDS; i++) {
                const struct plan_restriction *r = &v->p->restrictions[i];
                CLEAN_FREE char *words = r->set ? restriction_words(&r->what) : NULL;
                if (r->set)
                        line(v, "restricted", restriction_rows[i].subject, words, r->origin);
        }
}

static void text_calls(const struct view *v)
{
        const struct filter *f = &v->p->filter;
        for (size_t i = 0; i < v->p->denial_count; i++) {
                CLEAN_FREE char *action = action_words(v->p->denials[i].error);
                line(v, "system calls", v->p->denials[i].calls, action, v->p->denials[i].origin);
        }
        if (v->p->log_filter.set) {
                const struct filter *log = &v->p->log_filter;
                CLEAN_FREE char *logged = xprintf(log->allow_list ? "all but %zu" : "%zu", log->count);
                line(v, "system calls", logged, "carried out and logged by the kernel", v->p->log_origin);
        }
        if (!f->set)
                return;
        CLEAN_FREE char *subject = xprintf(f->allow_list ? "%zu allowed" : "%zu denied", f->count);
        CLEAN_FREE char *action = action_words(f->default_error);
        CLEAN_FREE char *words = xprintf("%s %s", f->allow_list ? "any other" : "each", action);
        line(v, "system calls", subject, words, v->p->filter_origin);
}

static void text_limits(const struct view *v)
{
        const struct plan *p = v->p;
        CLEAN_FREE char *memory = xprintf("%llu bytes", (unsigned long long)p->memory_max_bytes);
        CLEAN_FREE char *tasks = xprintf("%llu", (unsigned long long)p->tasks_max);
        CLEAN_FREE char *cpu = xprintf("%llu.%llu%% of one CPU", (unsigned long long)p->cpu_quota_permille / 10,
                                       (unsigned long long)p->cpu_quota_permille % 10);
        const struct {
                const char *subject;
                const uint64_t value;
                const char *words, *origin;
        } rows[] = { { "memory", p->memory_max_bytes, memory, p->memory_origin },
                     { "processes and threads", p->tasks_max, tasks, p->tasks_origin },
                     { "CPU time", p->cpu_quota_permille, cpu, p->cpu_origin } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].origin)
                        line(v, "limits", rows[i].subject, rows[i].value == UINT64_MAX ? "none" : rows[i].words, rows[i].origin);
        if (p->devices_closed)
                line(v, "limits", "devices", "null, zero, full, random, terminals", p->devices_origin);
}

static char *folder_path(const struct view *v, const struct plan_folder *f)
{
        const struct folder_row *k = &folder_rows[f->kind];
        return xprintf("%s/%s", v->p->user_mode ? k->user : k->system, f->name);
}

static bool is_private_folder(const struct view *v, const struct plan_folder *f)
{
        return v->p->dynamic_user && f->kind != PLAN_CONFIGURATION_FOLDER && (f->kind != PLAN_RUNTIME_FOLDER || v->p->runtime_folders_kept);
}

static void text_folders(const struct view *v)
{
        for (size_t i = 0; i < v->p->folder_count; i++) {
                const struct plan_folder *f = &v->p->folders[i];
                CLEAN_FREE char *path = folder_path(v, f);
                CLEAN_TEXT struct text links = { 0 };
                text_add(&links, "");
                for (size_t k = 0; k < f->links.count; k++)
                        text_addf(&links, "%s%s", k ? ", " : ", linked as ", f->links.items[k]);
                CLEAN_FREE char *words = xprintf("%s, mode %04o%s%s%s%s", folder_rows[f->kind].kind, (unsigned)f->mode,
                                                 f->read_only ? ", read-only" : "", is_private_folder(v, f) ? ", below private/" : "", links.data,
                                                 f->kind != PLAN_RUNTIME_FOLDER ? "" : v->p->runtime_folders_kept ? ", stays at the end" : ", removed at the end");
                line(v, "folders", path, words, f->origin);
        }
}

static const char *const keyring_words[][2] = {
        [PLAN_KEYRING_DEFAULT] = { "default", NULL },
        [PLAN_KEYRING_INHERIT] = { "inherit", "the caller's session keyring" },
        [PLAN_KEYRING_PRIVATE] = { "private", "a session keyring of its own" },
        [PLAN_KEYRING_SHARED] = { "shared", "its own, with the user's keyring in it" },
};

static void text_process(const struct view *v)
{
        const struct plan *p = v->p;
        CLEAN_FREE char *mask = xprintf("%04o", (unsigned)p->umask);
        if (p->working_directory)
                line(v, "folder", p->working_directory, p->working_directory_optional ? "where it starts, if there" : "where it starts",
                     "WorkingDirectory=");
        if (p->umask != 0022)
                line(v, "file mode", mask, "mask", "UMask=");
        if (p->hostname)
                line(v, "host name", p->hostname, NULL, p->hostname_origin);
        if (p->keyring)
                line(v, "keyring", keyring_words[p->keyring][0], keyring_words[p->keyring][1], p->keyring_origin);
        for (size_t i = 0; i < p->environment.count; i++)
                line(v, "environment", p->environment.items[i], NULL, "Environment= or --setenv");
}

static void text_seal(const struct view *v)
{
        if (!plan_is_sealed(v->p)) {
                line(v, "seal", "none", v->p->namespaces ? "the payload may undo what it has rights to" : "there is nothing to undo",
                     seal_origin(v));
                return;
        }
        line(v, "seal", landlock_seals(v) ? "Landlock" : "user namespace", "mounts cannot be undone", seal_origin(v));
        line(v, "", "call filter", "mount calls are refused", seal_origin(v));
        if (landlock_seals(v) && v->p->root_read_only)
                line(v, "", "Landlock", "backs the list of writable places", mount_over(v->p, "/")->origin);
}

static void text_notes(const struct view *v)
{
        for (size_t i = 0; i < v->p->told_count; i++)
                line(v, "no effect", v->p->told[i].words, NULL, v->p->told[i].origin);
        for (size_t i = 0; i < v->p->notes.count; i++)
                line(v, "note", v->p->notes.items[i], NULL, NULL);
        if (v->p->lenient)
                line(v, "note", "what is invalid is ignored", NULL, "--lenient");
}

static void text_open(const struct view *v)
{
        bool any = false;
        text_add(v->t, "\nNot closed by this plan\n");
        for (size_t i = 0; i < ELEMENTS(open_rows); i++)
                if (open_rows[i].is_open(v)) {
                        size_t start = v->t->length;
                        text_addf(v->t, "  %s", open_rows[i].what);
                        pad_to(v->t, start, COLUMN_WORDS + 20);
                        text_addf(v->t, "closed by %s\n", open_rows[i].closed_by);
                        any = true;
                }
        if (!any)
                text_add(v->t, "  nothing that this list knows of\n");
}

void explain_text(const struct plan *p, const struct explain_host *host, struct text *t)
{
        static void (*const sections[])(const struct view *) = {
                text_unit,         text_identity, text_namespaces, explain_root_text, text_mounts,  text_capabilities, text_calls,
                text_restrictions, text_limits,   explain_resources_text, explain_network_text, text_folders, explain_credentials_text, text_process, explain_process_text, text_seal,         text_notes,
                text_open,
        };
        /* Of a container the configuration says what a unit's directives and defaults say of a run. */
        static void (*const container_sections[])(const struct view *) = {
                text_unit, text_namespaces, explain_container_text, text_capabilities, text_notes, explain_container_open_text,
        };
        const struct view v = { p, host, t };
        for (size_t i = 0; !p->container && i < ELEMENTS(sections); i++)
                sections[i](&v);
        for (size_t i = 0; p->container && i < ELEMENTS(container_sections); i++)
                container_sections[i](&v);
}

/* ---- JSON ---- */

static void json_unit(const struct view *v)
{
        json_string(v->t, "unit", v->p->unit);
        json_string(v->t, "mode", v->p->user_mode ? "user" : "system");
        json_bool(v->t, "lenient", v->p->lenient);
        json_strings(v->t, "command", &v->p->argv);
}

static void json_identity(const struct view *v)
{
        const struct plan *p = v->p;
        key(v->t, "identity");
        text_add(v->t, "{");
        json_string(v->t, "user", p->user);
        json_string(v->t, "group", p->group);
        json_strings(v->t, "supplementary", &p->supplementary);
        json_bool(v->t, "dynamic", p->dynamic_user);
        json_bool(v->t, "remove_ipc", p->remove_ipc);
        json_string(v->t, "origin", p->identity_origin);
        json_origin(v->t, "pam_session", p->pam_name, p->pam_origin);
        text_add(v->t, "}");
}

static void json_namespace(struct text *t, const char *type, const char *map, const char *path, const char *origin)
{
        next(t);
        text_add(t, "{");
        json_string(t, "type", type);
        if (map)
                json_string(t, "map", map);
        if (path)
                json_string(t, "path", path);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_namespaces(const struct view *v)
{
        key(v->t, "namespaces");
        text_add(v->t, "[");
        if (has_user_namespace(v))
                json_namespace(v->t, "user", users_map(v, false), NULL, users_origin(v));
        for (size_t i = 0; i < ELEMENTS(namespaces); i++)
                if (v->p->namespaces & namespaces[i].flag)
                        json_namespace(v->t, namespaces[i].type, NULL, namespace_path(v->p, namespaces[i].flag),
                                       v->p->namespace_origin[plan_namespace_slot(namespaces[i].flag)]);
        text_add(v->t, "]");
}

static const char *const proc_access_options[] = { [PLAN_PROC_NO_ACCESS] = "hidepid=noaccess", [PLAN_PROC_INVISIBLE] = "hidepid=invisible",
                                                   [PLAN_PROC_PTRACEABLE] = "hidepid=ptraceable" };

static void json_mount(struct text *t, const struct plan *p, const struct plan_mount *m)
{
        bool proc = m->kind == PLAN_PROC;
        const struct {
                bool on;
                const char *word;
        } options[] = { { m->optional, "optional" },
                        { m->read_only || m->read_only_above, "read-only" },
                        { m->no_exec || m->no_exec_above, "no-exec" },
                        { m->recursive, "recursive" },
                        { m->unless_mounted, "unless-mounted" },
                        { proc && p->proc_access, proc_access_options[p->proc_access] },
                        { proc && p->proc_processes_only, "subset=pid" } };
        CLEAN_STRINGS struct strings words = { 0 };
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (options[i].on)
                        strings_add(&words, options[i].word);
        text_add(t, "{");
        json_string(t, "path", m->path);
        json_string(t, "kind", mount_rows[m->kind].kind);
        json_string(t, "source", m->source);
        json_strings(t, "options", &words);
        json_string(t, "origin", m->origin);
        text_add(t, "}");
}

static void json_mounts(const struct view *v)
{
        key(v->t, "mounts");
        text_add(v->t, "[");
        for (size_t i = 0; i < v->p->mount_count; i++) {
                next(v->t);
                json_mount(v->t, v->p, &v->p->mounts[i]);
        }
        text_add(v->t, "]");
}

static void json_removed(struct text *t, const char *name, const char *origin)
{
        next(t);
        text_add(t, "{");
        json_string(t, "capability", name);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_capabilities(const struct view *v)
{
        const struct plan *p = v->p;
        CLEAN_STRINGS struct strings gone = { 0 };
        CLEAN_FREE char *names = capability_names(removed_by_set(v));
        if (names)
                (void)text_split_words(names, &gone);
        key(v->t, "capabilities");
        text_add(v->t, "{");
        json_names(v->t, "kept", p->bounding);
        json_string(v->t, "origin", p->bounding_origin);
        key(v->t, "removed");
        text_add(v->t, "[");
        for (size_t i = 0; i < gone.count; i++)
                json_removed(v->t, gone.items[i], p->bounding_origin);
        for (size_t i = 0; i < p->bounding_removed.count; i++) {
                const char *origin;
                CLEAN_FREE char *name = removed_name(p->bounding_removed.items[i], &origin);
                json_removed(v->t, name, origin);
        }
        text_add(v->t, "]");
        json_names(v->t, "ambient", p->ambient);
        json_string(v->t, "ambient_origin", p->ambient_origin);
        text_add(v->t, "}");
}

static void json_switch(struct text *t, const char *name, bool on, const char *origin)
{
        key(t, name);
        text_add(t, "{");
        json_bool(t, "set", on);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_privileges(const struct view *v)
{
        CLEAN_STRINGS struct strings bits = { 0 };
        for (unsigned n = 0; directive_secure_bit(n); n++)
                if (v->p->secure_bits >> n & 1)
                        strings_add(&bits, directive_secure_bit(n));
        key(v->t, "secure_bits");
        text_add(v->t, "{");
        json_strings(v->t, "set", &bits);
        json_string(v->t, "origin", v->p->secure_bits_origin);
        text_add(v->t, "}");
        json_switch(v->t, "no_new_privileges", v->p->no_new_privileges, v->p->no_new_privileges_origin);
        json_switch(v->t, "restrict_suid_sgid", v->p->restrict_suid_sgid, v->p->restrict_suid_sgid_origin);
}

static void json_action(struct text *t, int error)
{
        json_string(t, "action", error > 0 ? "errno" : "kill");
        if (error > 0)
                json_number(t, "errno", (uint64_t)error);
}

static void json_calls(const struct view *v)
{
        const struct filter *f = &v->p->filter;
        struct text *t = v->t;
        key(t, "system_calls");
        text_add(t, "{");
        json_string(t, "list", !f->set ? "none" : f->allow_list ? "allow" : "deny");
        if (f->set) {
                json_number(t, "count", f->count);
                json_action(t, f->default_error);
        }
        json_string(t, "origin", v->p->filter_origin);
        json_string(t, "log", !v->p->log_filter.set ? "none" : v->p->log_filter.allow_list ? "all-but" : "only");
        if (v->p->log_filter.set) {
                json_number(t, "log_count", v->p->log_filter.count);
                json_string(t, "log_origin", v->p->log_origin);
        }
        key(t, "denied");
        text_add(t, "[");
        for (size_t i = 0; i < v->p->denial_count; i++) {
                next(t);
                text_add(t, "{");
                json_string(t, "calls", v->p->denials[i].calls);
                json_action(t, v->p->denials[i].error);
                json_string(t, "origin", v->p->denials[i].origin);
                text_add(t, "}");
        }
        text_add(t, "]}");
}

static void json_restrictions(const struct view *v)
{
        struct text *t = v->t;
        key(t, "restrictions");
        text_add(t, "[");
        for (size_t i = 0; i < RESTRICTION_KINDS; i++) {
                const struct plan_restriction *r = &v->p->restrictions[i];
                CLEAN_FREE char *words = r->set ? restriction_words(&r->what) : NULL;
                if (!r->set)
                        continue;
                next(t);
                text_add(t, "{");
                json_string(t, "kind", restriction_rows[i].kind);
                json_string(t, "words", words);
                json_string(t, "origin", r->origin);
                text_add(t, "}");
        }
        text_add(t, "]");
}

/* No limit is null. */
static void json_limit(struct text *t, const char *name, uint64_t value, const char *origin)
{
        key(t, name);
        text_add(t, "{");
        if (value == UINT64_MAX)
                json_string(t, "value", NULL);
        else
                json_number(t, "value", value);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_limits(const struct view *v)
{
        const struct plan *p = v->p;
        key(v->t, "limits");
        text_add(v->t, "{");
        json_limit(v->t, "memory_max_bytes", p->memory_max_bytes, p->memory_origin);
        json_limit(v->t, "tasks_max", p->tasks_max, p->tasks_origin);
        json_limit(v->t, "cpu_quota_permille", p->cpu_quota_permille, p->cpu_origin);
        json_switch(v->t, "devices_closed", p->devices_closed, p->devices_origin);
        text_add(v->t, "}");
}

static void json_folders(const struct view *v)
{
        struct text *t = v->t;
        key(t, "folders");
        text_add(t, "[");
        for (size_t i = 0; i < v->p->folder_count; i++) {
                const struct plan_folder *f = &v->p->folders[i];
                CLEAN_FREE char *path = folder_path(v, f), *mode = xprintf("%04o", (unsigned)f->mode);
                next(t);
                text_add(t, "{");
                json_string(t, "path", path);
                json_string(t, "kind", folder_rows[f->kind].kind);
                json_string(t, "mode", mode);
                json_bool(t, "private", is_private_folder(v, f));
                json_bool(t, "read_only", f->read_only);
                json_strings(t, "links", &f->links);
                json_string(t, "origin", f->origin);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void json_word(struct text *t, const char *name, const char *value, const char *origin)
{
        key(t, name);
        text_add(t, "{");
        json_string(t, "value", value);
        json_string(t, "origin", origin);
        text_add(t, "}");
}

static void json_process(const struct view *v)
{
        CLEAN_FREE char *mask = xprintf("%04o", (unsigned)v->p->umask);
        json_string(v->t, "working_directory", v->p->working_directory);
        json_string(v->t, "umask", mask);
        json_strings(v->t, "environment", &v->p->environment);
        json_word(v->t, "hostname", v->p->hostname, v->p->hostname_origin);
        json_word(v->t, "keyring", keyring_words[v->p->keyring][0], v->p->keyring_origin);
}

static void json_seal(const struct view *v)
{
        key(v->t, "seal");
        text_add(v->t, "{");
        json_string(v->t, "by", seal_kind(v));
        json_bool(v->t, "backs_writable_places", plan_is_sealed(v->p) && landlock_seals(v) && v->p->root_read_only);
        json_string(v->t, "origin", seal_origin(v));
        text_add(v->t, "}");
}

static void json_open(const struct view *v)
{
        json_strings(v->t, "notes", &v->p->notes);
        key(v->t, "no_effect");
        text_add(v->t, "[");
        for (size_t i = 0; i < v->p->told_count; i++) {
                next(v->t);
                text_add(v->t, "{");
                json_string(v->t, "words", v->p->told[i].words);
                json_string(v->t, "origin", v->p->told[i].origin);
                text_add(v->t, "}");
        }
        text_add(v->t, "]");
        key(v->t, "not_closed");
        text_add(v->t, "[");
        if (v->p->container)
                explain_container_open_json(v);
        for (size_t i = 0; !v->p->container && i < ELEMENTS(open_rows); i++) {
                if (!open_rows[i].is_open(v))
                        continue;
                next(v->t);
                text_add(v->t, "{");
                json_string(v->t, "what", open_rows[i].what);
                json_string(v->t, "closed_by", open_rows[i].closed_by);
                text_add(v->t, "}");
        }
        text_add(v->t, "]");
}

void explain_json(const struct plan *p, const struct explain_host *host, struct text *t)
{
        static void (*const sections[])(const struct view *) = {
                json_unit,   json_identity,     json_namespaces, json_mounts,  json_capabilities, json_privileges,
                json_calls,  json_restrictions, json_limits,     explain_resources_json, explain_network_json, json_folders, explain_root_json, explain_credentials_json, json_process, explain_process_json, json_seal,
                json_open,   explain_container_json,
        };
        const struct view v = { p, host, t };
        text_add(t, "{");
        json_number(t, "version", EXPLAIN_VERSION);
        for (size_t i = 0; i < ELEMENTS(sections); i++)
                sections[i](&v);
        text_add(t, "}\n");
}
