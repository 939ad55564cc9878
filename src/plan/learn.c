/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/learn.h"

#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

#include "base/path.h"
#include "os/capability.h"
#include "plan/directive.h"
#include "plan/learn_internal.h"

/* ---- rows ---- */

static char *format_line(const char *format, va_list ap)
{
        char line[1024];
        (void)vsnprintf(line, sizeof line, format, ap);
        /* A comment is one line whatever a name in it holds. */
        for (char *c = line; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7f)
                        *c = '?';
        return xstrdup(line);
}

struct learned_row *learn_row(struct learned *l, const char *directive, const char *seen, ...)
{
        va_list ap;
        l->rows = xgrow(l->rows, &l->room, l->count + 1, sizeof *l->rows);
        l->rows[l->count] = (struct learned_row){ .directive = directive };
        va_start(ap, seen);
        l->rows[l->count].seen = format_line(seen, ap);
        va_end(ap);
        return &l->rows[l->count++];
}

void learn_assign(struct learned_row *row, const char *name, const char *value)
{
        strings_take(&row->assignments, xprintf("%s=%s", name, value));
}

void learn_note(struct learned *l, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        strings_take(&l->notes, format_line(format, ap));
        va_end(ap);
}

const char *learn_given(const struct learn_facts *f, const char *name)
{
        size_t n = strlen(name);
        for (size_t i = f->given ? f->given->count : 0; i-- > 0;)
                if (!strncmp(f->given->items[i], name, n) && f->given->items[i][n] == '=')
                        return f->given->items[i] + n + 1;
        return NULL;
}

/* ---- what is on or off ---- */

static bool no_clock(const struct observations *o)
{
        return !o->traits[TRAIT_CLOCK] && !observations_used_below(o, "/dev/rtc0", (unsigned)USE_ANY) && !observations_used_below(o, "/dev/rtc", (unsigned)USE_ANY);
}

static bool no_log(const struct observations *o)
{
        return !o->traits[TRAIT_KERNEL_LOG] && !observations_used_below(o, "/dev/kmsg", (unsigned)USE_ANY) && !observations_used_below(o, "/proc/kmsg", (unsigned)USE_ANY);
}

static bool no_modules(const struct observations *o)
{
        return !o->traits[TRAIT_MODULE] && !observations_used_below(o, "/usr/lib/modules", (unsigned)USE_ANY);
}

static bool no_tunables(const struct observations *o)
{
        return !observations_used_below(o, "/proc", USE_WRITE | USE_CHANGE) && !observations_used_below(o, "/sys", USE_WRITE | USE_CHANGE) &&
               !observations_used_below(o, "/proc/kallsyms", (unsigned)USE_ANY) && !observations_used_below(o, "/proc/kcore", (unsigned)USE_ANY);
}

static bool no_groups(const struct observations *o)
{
        return !observations_used_below(o, "/sys/fs/cgroup", USE_WRITE | USE_CHANGE);
}

/* What stands in a /dev that has no hardware. */
static bool is_pseudo_device(const char *path)
{
        static const char *const there[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx",
                                             "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages" };
        for (size_t i = 0; i < ELEMENTS(there); i++)
                if (path_is_below(path, there[i]))
                        return true;
        return !path_is_below(path, "/dev");
}

static bool no_hardware(const struct observations *o)
{
        for (size_t i = 0; i < o->path_count; i++)
                if (o->paths[i].uses & (USE_DEVICE | USE_CHANGE | USE_WRITE | USE_CONNECT) && !is_pseudo_device(o->paths[i].path))
                        return false;
        return true;
}

static bool one_user(const struct observations *o)
{
        return !o->capabilities && !o->namespaces && o->user_count == 1;
}

#define BIT(capability) (1ULL << (capability))

/* Where nothing of the trait was seen, or the function says so. */
static const struct rule {
        const char *directive, *value;
        const char *tighter; /* a value that may be given already and is at least as tight */
        int trait;
        bool (*holds)(const struct observations *o);
        const char *seen;
        uint64_t takes; /* capabilities that the directive takes away */
} rules[] = {
        { "NoNewPrivileges", "yes", NULL, TRAIT_SET_ID_PROGRAM, NULL, "executed no program with set-id bits or capabilities of its own" },
        { "PrivateIPC", "yes", NULL, TRAIT_IPC, NULL, "used no System V objects and no message queues" },
        { "PrivateDevices", "yes", NULL, -1, no_hardware, "opened no device but null, random, terminals and their like",
          BIT(CAP_MKNOD) | BIT(CAP_SYS_RAWIO) },
        { "ProtectClock", "yes", NULL, -1, no_clock, "did not set the clock", BIT(CAP_SYS_TIME) | BIT(CAP_WAKE_ALARM) },
        { "ProtectControlGroups", "yes", "strict", -1, no_groups, "wrote nothing below /sys/fs/cgroup" },
        { "ProtectHostname", "yes", NULL, TRAIT_HOSTNAME, NULL, "did not set the host's name" },
        { "ProtectKernelLogs", "yes", NULL, -1, no_log, "did not read the kernel's log", BIT(CAP_SYSLOG) },
        { "ProtectKernelModules", "yes", NULL, -1, no_modules, "loaded no kernel module", BIT(CAP_SYS_MODULE) },
        { "ProtectKernelTunables", "yes", NULL, -1, no_tunables, "wrote nothing of the kernel's below /proc and /sys" },
        { "ProcSubset", "pid", NULL, TRAIT_PROC_SYSTEM, NULL, "used nothing of /proc but its own processes" },
        { "LockPersonality", "yes", NULL, TRAIT_PERSONALITY, NULL, "did not change its personality" },
        { "MemoryDenyWriteExecute", "yes", NULL, TRAIT_WRITABLE_CODE, NULL, "made no code at run time" },
        { "RestrictRealtime", "yes", NULL, TRAIT_REALTIME, NULL, "used no realtime scheduling" },
        { "RestrictSUIDSGID", "yes", NULL, TRAIT_SET_ID_FILE, NULL, "made no set-id file" },
        { "KeyringMode", "private", NULL, TRAIT_KEYRING, NULL, "used no keyring" },
        { "RemoveIPC", "yes", NULL, TRAIT_IPC, NULL, "left no System V objects" },
        { "PrivateUsers", "yes", "full", -1, one_user, "needed no capability and stayed one user" },
};

static void apply_rules(const struct learn_facts *f, struct learned *l)
{
        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                const struct rule *r = &rules[i];
                const char *given = learn_given(f, r->directive);
                bool have = false, is_yes = text_equal(r->value, "yes");
                if (given && ((is_yes && text_parse_bool(given, &have) == 0 && have) || text_equal(given, r->value) ||
                              (r->tighter && text_equal(given, r->tighter))))
                        continue;
                if (!directive_is_known(r->directive) || f->seen->capabilities & r->takes || !(r->holds ? r->holds(f->seen) : !f->seen->traits[r->trait]))
                        continue;
                learn_assign(learn_row(l, r->directive, "%s", r->seen), r->directive, r->value);
        }
}

/* ---- namespaces, capabilities, devices ---- */

/* From root's group "invisible" hides nothing; what "ptraceable" hides as well are its own that are other users'. */
static void hide_processes(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        const char *given = learn_given(f, "ProtectProc"), *value = o->user_count == 1 && o->users[0] == 0 ? "ptraceable" : "invisible";
        if (o->traits[TRAIT_OTHER_PROCESSES] || (given && (text_equal(given, "invisible") || text_equal(given, "ptraceable"))))
                return;
        learn_assign(learn_row(l, "ProtectProc", "looked at no process but its own"), "ProtectProc", value);
}

static const struct {
        uint64_t flag;
        const char *name;
} namespaces[] = { { CLONE_NEWCGROUP, "cgroup" }, { CLONE_NEWIPC, "ipc" }, { CLONE_NEWNET, "net" }, { CLONE_NEWNS, "mnt" },
                   { CLONE_NEWPID, "pid" }, { CLONE_NEWUSER, "user" }, { CLONE_NEWUTS, "uts" } };

static void restrict_namespaces(const struct learn_facts *f, struct learned *l)
{
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < ELEMENTS(namespaces); i++)
                if (f->seen->namespaces & namespaces[i].flag)
                        text_addf(&t, "%s%s", t.length ? " " : "", namespaces[i].name);
        if (t.length && learn_given(f, "RestrictNamespaces"))
                return; /* which is in force already, and let this through */
        struct learned_row *row = t.length ? learn_row(l, "RestrictNamespaces", "made or entered namespaces: %s", t.data)
                                           : learn_row(l, "RestrictNamespaces", "made no namespaces");
        learn_assign(row, "RestrictNamespaces", t.length ? t.data : "yes");
}

void learn_set_capabilities(struct learned_row *row, uint64_t capabilities)
{
        CLEAN_TEXT struct text t = { 0 };
        for (unsigned i = 0; i <= CAPABILITY_MAX; i++)
                if (capabilities >> i & 1 && capability_name(i))
                        text_addf(&t, "%s%s", t.length ? " " : "", capability_name(i));
        strings_clear(&row->assignments);
        learn_assign(row, row->directive, "");
        if (t.length)
                learn_assign(row, row->directive, t.data);
}

static void bound_capabilities(const struct learn_facts *f, struct learned *l)
{
        bool any = f->seen->capabilities;
        learn_set_capabilities(learn_row(l, "CapabilityBoundingSet", "%s", any ? "what its calls took, by owners, modes, ids and ports"
                                                                               : "no call took a capability"), f->seen->capabilities);
}

static void allow_devices(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        if (no_hardware(o) || learn_given(f, "DevicePolicy") || learn_given(f, "DeviceAllow"))
                return;
        struct learned_row *row = learn_row(l, "DevicePolicy", "opened these devices, and those that everybody may");
        learn_assign(row, "DevicePolicy", "closed");
        for (size_t i = 0; i < o->path_count; i++) {
                const struct observed_path *p = &o->paths[i];
                if (!(p->uses & USE_DEVICE) || is_pseudo_device(p->path) || p->uses & USE_BELOW || strpbrk(p->path, " \t\n\"'\\%"))
                        continue;
                CLEAN_FREE char *value = xprintf("%s %s%s", p->path, p->uses & USE_READ ? "r" : "", p->uses & USE_WRITE ? "w" : "");
                if (p->uses & (USE_READ | USE_WRITE))
                        learn_assign(row, "DeviceAllow", value);
        }
}

static void mask_modes(const struct learn_facts *f, struct learned *l)
{
        unsigned modes = f->seen->made_modes & 0777, mask = ~modes & 0077;
        CLEAN_FREE char *value = xprintf("%04o", mask);
        struct learned_row *row = modes ? learn_row(l, "UMask", "made files and folders with no other bits than %04o", modes)
                                        : learn_row(l, "UMask", "made no files");
        learn_assign(row, "UMask", value);
}

static void add_notes(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        learn_note(l, "at most %llu tasks (TasksMax=) and %llu MiB of memory (MemoryMax=) were seen", (unsigned long long)o->tasks,
                   (unsigned long long)(o->memory_bytes + (1 << 20) - 1) >> 20);
        if (o->lost)
                learn_note(l, "%llu things were more than could be kept: what needs all of them is left out", (unsigned long long)o->lost);
        if (o->traits[TRAIT_UNSEEN])
                learn_note(l, "a part of it traced another part, whose calls were not seen");
}

/* ---- the whole ---- */

void learn_derive(const struct learn_facts *f, struct learned *ret)
{
        learn_calls(f, ret);
        bound_capabilities(f, ret);
        learn_paths(f, ret);
        learn_network(f, ret);
        restrict_namespaces(f, ret);
        allow_devices(f, ret);
        mask_modes(f, ret);
        hide_processes(f, ret);
        apply_rules(f, ret);
        add_notes(f, ret);
}

void learn_assignments(const struct learned *l, struct strings *ret)
{
        for (size_t i = 0; i < l->count; i++)
                for (size_t k = 0; !l->rows[i].dropped && k < l->rows[i].assignments.count; k++)
                        strings_add(ret, l->rows[i].assignments.items[k]);
}

void learn_format(const struct learned *l, const struct strings *head, struct text *t)
{
        for (size_t i = 0; i < head->count; i++)
                text_addf(t, "# %s\n", head->items[i]);
        for (size_t i = 0; i < l->notes.count; i++)
                text_addf(t, "# %s\n", l->notes.items[i]);
        text_add(t, "[Service]\n");
        for (size_t i = 0; i < l->count; i++) {
                const struct learned_row *r = &l->rows[i];
                if (r->dropped) {
                        text_addf(t, "# %s= is left out: %s\n", r->directive, r->dropped);
                        continue;
                }
                text_addf(t, "# %s\n", r->seen);
                for (size_t k = 0; k < r->assignments.count; k++)
                        text_addf(t, "%s\n", r->assignments.items[k]);
        }
}

void learned_done(struct learned *l)
{
        for (size_t i = 0; i < l->count; i++) {
                strings_clear(&l->rows[i].assignments);
                free(l->rows[i].seen);
                free(l->rows[i].dropped);
        }
        free(l->rows);
        strings_clear(&l->notes);
        *l = (struct learned){ 0 };
}
