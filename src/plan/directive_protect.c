/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives that take parts of the host away: Protect*= and Private*=. */
#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>

#include "plan/directive_internal.h"
#include "plan/specifier.h"

enum hostname_word { HOSTNAME_NO, HOSTNAME_YES, HOSTNAME_PRIVATE };

/* Labels of letters, digits, "-" and "_", joined by single dots, 64 bytes at most: what the kernel holds. */
static bool is_hostname(const char *s)
{
        if (!*s || strlen(s) > 64)
                return false;
        for (const char *p = s; *p; p++) {
                bool inner = p > s && p[-1] != '.' && p[1] && p[1] != '.';
                if (!isalnum((unsigned char)*p) && *p != '_' && !((*p == '-' || *p == '.') && inner))
                        return false;
                if (*p == '.' && p[1] == '-')
                        return false;
        }
        return true;
}

/* "yes", "no" or "private"; ":name" may follow the first and the last. */
READER_OF_SIBLING(directive_read_hostname)
{
        static const char expected[] = "a boolean or private; with a colon and a host name behind yes or private";
        const char *colon = strchr(value, ':');
        CLEAN_FREE char *word = colon ? xstrndup(value, (size_t)(colon - value)) : xstrdup(value), *name = NULL;
        bool yes = false;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        bool private = text_equal(word, "private");
        if (!private && text_parse_bool(word, &yes) < 0)
                return directive_bad_value(e, value, expected);
        int k = colon ? specifier_expand(colon + 1, r->facts, &name, e) : 0;
        if (k < 0)
                return k;
        if (colon && ((!yes && !private) || !is_hostname(name)))
                return directive_bad_value(e, value, expected);
        free(r->v->text);
        r->v->text = TAKE_PTR(name);
        directive_set_number(r, private ? HOSTNAME_PRIVATE : yes ? HOSTNAME_YES : HOSTNAME_NO);
        return 0;
}

struct fixed_path {
        const char *path;
        enum plan_mount_kind kind;
        bool optional;
};

static void add_fixed(struct plan *p, const struct fixed_path *rows, const char *origin)
{
        for (; rows->path; rows++)
                plan_add_mount(p, rows->kind, rows->path, origin)->optional = rows->optional;
}

COMPILER_OF_SIBLING(directive_compile_protect_system)
{
        static const struct fixed_path usr[] = { { "/usr", PLAN_READ_ONLY, false }, { "/boot", PLAN_READ_ONLY, true },
                                                 { "/efi", PLAN_READ_ONLY, true }, { 0 } };
        static const struct fixed_path full[] = { { "/etc", PLAN_READ_ONLY, false }, { 0 } };
        static const struct fixed_path strict[] = {
                { "/", PLAN_READ_ONLY, false },
                { "/proc", PLAN_READ_WRITE_IMPLICIT, false }, { "/sys", PLAN_READ_WRITE_IMPLICIT, false },
                { "/dev", PLAN_READ_WRITE_IMPLICIT, false },  { "/home", PLAN_READ_WRITE_IMPLICIT, true },
                { "/root", PLAN_READ_WRITE_IMPLICIT, true },  { "/run/user", PLAN_READ_WRITE_IMPLICIT, true }, { 0 } };
        if (v->number == 3)
                add_fixed(p, strict, v->origin);
        else if (v->number)
                add_fixed(p, usr, v->origin);
        if (v->number == 2)
                add_fixed(p, full, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_home)
{
        static const char *const homes[] = { "/home", "/root", "/run/user" };
        static const enum plan_mount_kind kinds[] = { 0, PLAN_INACCESSIBLE, PLAN_READ_ONLY, PLAN_TMPFS };
        for (size_t i = 0; v->number && i < ELEMENTS(homes); i++) {
                struct plan_mount *m = plan_add_mount(p, kinds[v->number], homes[i], v->origin);
                m->optional = true;
                if (m->kind == PLAN_TMPFS) {
                        m->source = xstrdup(i == 1 ? "mode=0700,size=4m" : "mode=0755,size=4m");
                        m->read_only = true;
                }
        }
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_private_tmp)
{
        p->tmp = (enum plan_tmp)v->number;
        if (!v->number)
                return 0;
        plan_add_mount(p, PLAN_PRIVATE_TMP, "/tmp", v->origin)->source = xstrdup("tmp");
        struct plan_mount *m = plan_add_mount(p, PLAN_PRIVATE_TMP, "/var/tmp", v->origin);
        m->source = xstrdup("var-tmp");
        m->optional = true; /* a minimal root may lack it */
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_private_devices)
{
        if (!v->number)
                return 0;
        plan_add_mount(p, PLAN_PRIVATE_DEV, "/dev", v->origin);
        plan_drop_capability(p, CAP_MKNOD, v->origin);
        plan_drop_capability(p, CAP_SYS_RAWIO, v->origin);
        plan_add_denial(p, "@raw-io", EPERM, v->origin);
        p->devices_closed = true;
        p->devices_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_private_network)
{
        if (!v->number || p->network_path)
                return 0;
        plan_need_namespace(p, CLONE_NEWNET, v->origin);
        if (!s->of[D_PRIVATE_MOUNTS].set || s->of[D_PRIVATE_MOUNTS].number)
                plan_add_mount(p, PLAN_SYSFS, "/sys", v->origin)->optional = true;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_private_ipc)
{
        if (!v->number || p->ipc_path)
                return 0;
        plan_need_namespace(p, CLONE_NEWIPC, v->origin);
        plan_add_mount(p, PLAN_MQUEUE, "/dev/mqueue", v->origin)->optional = true;
        return 0;
}

/* Several directives want a /proc of the run's own: it is one mount, which carries all their names. */
static void add_proc(struct plan *p, const char *origin)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (p->mounts[i].kind == PLAN_PROC) {
                        p->mounts[i].origin = plan_keep(p, xprintf("%.400s, %s", p->mounts[i].origin, origin));
                        return;
                }
        plan_add_mount(p, PLAN_PROC, "/proc", origin);
}

COMPILER_OF_SIBLING(directive_compile_private_pids)
{
        if (!v->number)
                return 0;
        plan_need_namespace(p, CLONE_NEWPID, v->origin);
        add_proc(p, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_proc)
{
        p->proc_access = (enum plan_proc_access)v->number;
        if (v->number)
                add_proc(p, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_proc_subset)
{
        p->proc_processes_only = v->number;
        if (v->number)
                add_proc(p, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_kernel_tunables)
{
        static const struct fixed_path rows[] = {
                { "/proc/acpi", PLAN_READ_ONLY, true },       { "/proc/apm", PLAN_READ_ONLY, true },
                { "/proc/asound", PLAN_READ_ONLY, true },     { "/proc/bus", PLAN_READ_ONLY, true },
                { "/proc/fs", PLAN_READ_ONLY, true },         { "/proc/irq", PLAN_READ_ONLY, true },
                { "/proc/kallsyms", PLAN_INACCESSIBLE, true }, { "/proc/kcore", PLAN_INACCESSIBLE, true },
                { "/proc/latency_stats", PLAN_READ_ONLY, true }, { "/proc/mtrr", PLAN_READ_ONLY, true },
                { "/proc/scsi", PLAN_READ_ONLY, true },       { "/proc/sys", PLAN_READ_ONLY, true },
                { "/proc/sysrq-trigger", PLAN_READ_ONLY, true }, { "/proc/timer_stats", PLAN_READ_ONLY, true },
                { "/sys", PLAN_READ_ONLY, false },            { "/sys/fs/bpf", PLAN_READ_ONLY, true },
                { "/sys/fs/cgroup", PLAN_READ_WRITE_IMPLICIT, true }, /* ProtectControlGroups='s business */
                { "/sys/fs/selinux", PLAN_READ_WRITE_IMPLICIT, true },
                { "/sys/kernel/debug", PLAN_READ_ONLY, true }, { "/sys/kernel/tracing", PLAN_READ_ONLY, true }, { 0 } };
        if (!v->number)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_add_denial(p, "_sysctl", EPERM, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_kernel_modules)
{
        static const struct fixed_path rows[] = { { "/usr/lib/modules", PLAN_INACCESSIBLE, true }, { 0 } };
        if (!v->number)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_drop_capability(p, CAP_SYS_MODULE, v->origin);
        plan_add_denial(p, "@module", EPERM, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_kernel_logs)
{
        static const struct fixed_path rows[] = { { "/proc/kmsg", PLAN_INACCESSIBLE, true },
                                                  { "/dev/kmsg", PLAN_INACCESSIBLE, true }, { 0 } };
        if (!v->number)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_drop_capability(p, CAP_SYSLOG, v->origin);
        plan_add_denial(p, "syslog", EPERM, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_clock)
{
        if (!v->number)
                return 0;
        plan_drop_capability(p, CAP_SYS_TIME, v->origin);
        plan_drop_capability(p, CAP_WAKE_ALARM, v->origin);
        plan_add_denial(p, "@clock", EPERM, v->origin);
        p->clock_origin = v->origin;
        return 0;
}

enum groups_word { GROUPS_NO, GROUPS_YES, GROUPS_PRIVATE, GROUPS_STRICT };

/* A namespace of v2 groups cannot hide those of v1: there the weaker words are what can be had. */
static enum groups_word weaken_groups(struct plan *p, enum groups_word word, const char *origin)
{
        static const char *const words[] = { [GROUPS_PRIVATE] = "no", [GROUPS_STRICT] = "yes" };
        strings_take(&p->notes, xprintf("%s: this host's control groups are not v2 alone; taken as %s", origin, words[word]));
        return word == GROUPS_STRICT ? GROUPS_YES : GROUPS_NO;
}

COMPILER_OF_SIBLING(directive_compile_protect_control_groups)
{
        enum groups_word word = (enum groups_word)v->number;
        if (word >= GROUPS_PRIVATE && !facts->unified_cgroups)
                word = weaken_groups(p, word, v->origin);
        if (word == GROUPS_YES)
                plan_add_mount(p, PLAN_READ_ONLY, "/sys/fs/cgroup", v->origin);
        if (word < GROUPS_PRIVATE)
                return 0;
        plan_need_namespace(p, CLONE_NEWCGROUP, v->origin);
        plan_add_mount(p, PLAN_CGROUP, "/sys/fs/cgroup", v->origin)->read_only = word == GROUPS_STRICT;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_private_users)
{
        p->users = (enum plan_users)v->number;
        p->users_origin = v->origin;
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_private_mounts)
{
        if (v->number)
                plan_need_namespace(p, CLONE_NEWNS, v->origin);
        return 0;
}

COMPILER_OF_SIBLING(directive_compile_protect_hostname)
{
        static const struct fixed_path rows[] = { { "/proc/sys/kernel/domainname", PLAN_READ_ONLY, true },
                                                  { "/proc/sys/kernel/hostname", PLAN_READ_ONLY, true }, { 0 } };
        if (v->number == HOSTNAME_NO)
                return 0;
        plan_need_namespace(p, CLONE_NEWUTS, v->origin);
        p->hostname = v->text ? xstrdup(v->text) : NULL;
        p->hostname_origin = v->origin;
        if (v->number == HOSTNAME_PRIVATE)
                return 0;
        add_fixed(p, rows, v->origin);
        plan_add_denial(p, "sethostname", EPERM, v->origin);
        plan_add_denial(p, "setdomainname", EPERM, v->origin);
        return 0;
}
