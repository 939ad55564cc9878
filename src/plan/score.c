/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/score.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "plan/score_settings.h"
#include "plan/syscalls.h"

#define BIT(n) (UINT64_C(1) << (n))

enum { SCORE_VERSION_252, SCORE_VERSIONS };
enum { NOT_APPLICABLE = -1 };

/* What a badness means in words. The last one of a list is for every other badness. */
struct level {
        int badness;
        const char *text;
};

enum condition { ALWAYS, UNLESS_EARLY /* DefaultDependencies=no */, UNLESS_ROOT };

struct check {
        const char *name, *directive;
        unsigned weight[SCORE_VERSIONS]; /* 0: the version has no such check */
        unsigned range;
        enum condition condition;
        int (*assess)(const struct score_settings *s, const struct check *c); /* gives the badness, 0 to range */
        uint64_t parameter;
        const char *text; /* for assess */
        const struct level *levels;
};

/* ---- the questions ---- */

static int assess_flag(const struct score_settings *s, const struct check *c)
{
        return !(s->flags >> c->parameter & 1);
}

static int assess_word(const struct score_settings *s, const struct check *c)
{
        return s->words[c->parameter];
}

static int assess_capabilities(const struct score_settings *s, const struct check *c)
{
        return (s->bounding & c->parameter) != 0;
}

static int assess_namespace(const struct score_settings *s, const struct check *c)
{
        return (s->namespaces & c->parameter) != 0;
}

static bool family_is_blocked(const struct score_settings *s, uint64_t families)
{
        return ((s->families.listed & families) != 0) != s->families.allow;
}

static int assess_families(const struct score_settings *s, const struct check *c)
{
        return !family_is_blocked(s, c->parameter);
}

static int assess_root(const struct score_settings *s, const struct check *c)
{
        (void)c;
        for (unsigned i = 0; i < SCORE_PATH_COUNT; i++)
                if (s->paths[i] && !text_equal(s->paths[i], "/"))
                        return 0;
        return 1;
}

static int assess_groups(const struct score_settings *s, const struct check *c)
{
        (void)c;
        return s->counts[SCORE_SUPPLEMENTARY_GROUPS] > 0;
}

static int assess_user(const struct score_settings *s, const struct check *c)
{
        (void)c;
        return text_equal(s->user, "nobody") ? 9 : s->root ? 10 : 0;
}

static int assess_ambient(const struct score_settings *s, const struct check *c)
{
        (void)c;
        return s->ambient != 0;
}

static int assess_delegate(const struct score_settings *s, const struct check *c)
{
        (void)c;
        return s->delegate;
}

static int assess_architectures(const struct score_settings *s, const struct check *c)
{
        (void)c;
        return s->architectures == 1 ? 0 : s->architectures ? 8 : 10;
}

static int assess_devices(const struct score_settings *s, const struct check *c)
{
        (void)c;
        return !s->words[SCORE_DEVICE_POLICY] ? 10 : s->counts[SCORE_DEVICE_ALLOW] ? 5 : 0;
}

static int assess_addresses(const struct score_settings *s, const struct check *c)
{
        (void)c;
        if (s->counts[SCORE_IP_INGRESS] || s->counts[SCORE_IP_EGRESS])
                return 0;
        if (!s->deny_v4 || !s->deny_v6)
                return 10;
        return s->allow_other ? 5 : s->allow_localhost ? 2 : 0;
}

static int assess_umask(const struct score_settings *s, const struct check *c)
{
        static const struct {
                unsigned bit;
                int badness;
        } bits[] = { { 0002, 10 }, { 0004, 5 }, { 0020, 2 }, { 0040, 1 } };
        (void)c;
        for (size_t i = 0; i < ELEMENTS(bits); i++)
                if (!(s->umask & bits[i].bit))
                        return bits[i].badness;
        return 0;
}

/* Calls that the groups of 252 lack. */
static bool is_newer(const char *call)
{
        return text_equal(call, "open_tree_attr");
}

/* Whether one of the calls of the group can be made; those that this architecture lacks do not count. */
static bool is_open(const struct filter *f, const char *name)
{
        int nr;
        if (*name != '@')
                return !is_newer(name) && filter_call_number(name, &nr) && nr >= 0 && filter_verdict(f, name) == 0;
        FOR_EACH_MEMBER(m, syscall_group_find(name))
                if (is_open(f, m))
                        return true;
        return false;
}

static int assess_calls(const struct score_settings *s, const struct check *c)
{
        return !is_open(&s->filter, c->text) ? 0 : s->filter.set && s->filter.allow_list ? 9 : 10;
}

/* ---- the table ---- */

#define LEVELS(...) ((const struct level[]){ __VA_ARGS__ })
#define YES_NO(good, bad) LEVELS({ 0, good }, { 1, bad })
#define CAPS(name, directive, weight, mask, what)                                                            \
        { "CapabilityBoundingSet_CAP_" name, "CapabilityBoundingSet=~CAP_" directive, { weight }, 1, ALWAYS, assess_capabilities, mask, NULL, \
          YES_NO("cannot " what, "may " what) }
#define NAMESPACE(name, weight, mask, what)                                                                  \
        { "RestrictNamespaces_" name, "RestrictNamespaces=~" name, { weight }, 1, ALWAYS, assess_namespace, mask, NULL, \
          YES_NO("cannot make " what " namespaces", "may make " what " namespaces") }
#define FAMILIES(name, directive, weight, mask, what)                                                        \
        { "RestrictAddressFamilies_" name, "RestrictAddressFamilies=~" directive, { weight }, 1, ALWAYS, assess_families, mask, NULL, \
          YES_NO("cannot open " what " sockets", "may open " what " sockets") }
#define CALLS(name, group, weight)                                                                           \
        { "SystemCallFilter_" name, "SystemCallFilter=~" group, { weight }, 10, ALWAYS, assess_calls, 0, group, \
          LEVELS({ 0, "cannot make any of these calls" }, { 9, "the calls that are allowed hold some of these" }, { 10, "may make some of these calls" }) }
#define FLAG(name, weight, flag, good, bad)                                                                  \
        { name, name "=", { weight }, 1, ALWAYS, assess_flag, flag, NULL, YES_NO(good, bad) }
#define NAMED (BIT(AF_UNIX) | BIT(AF_INET) | BIT(AF_INET6) | BIT(AF_NETLINK) | BIT(AF_PACKET))

/* clang-format off */
static const struct check checks[] = {
        { "UserOrDynamicUser", "User= or DynamicUser=", { 2000 }, 10, ALWAYS, assess_user, 0, NULL,
          LEVELS({ 0, "has a user of its own" }, { 9, "runs as nobody, which other things share" }, { 10, "runs as root" }) },
        { "SupplementaryGroups", "SupplementaryGroups=", { 200 }, 1, UNLESS_ROOT, assess_groups, 0, NULL,
          YES_NO("is in no further groups", "is in further groups") },
        FLAG("PrivateDevices", 1000, SCORE_PRIVATE_DEVICES, "sees no hardware", "sees the devices of the host"),
        FLAG("PrivateMounts", 1000, SCORE_PRIVATE_MOUNTS, "cannot mount for the host", "may mount for the host"),
        FLAG("PrivateNetwork", 2500, SCORE_PRIVATE_NETWORK, "has no network of the host", "is on the network of the host"),
        { "PrivateTmp", "PrivateTmp=", { 1000 }, 1, UNLESS_EARLY, assess_flag, SCORE_PRIVATE_TMP, NULL,
          YES_NO("has a /tmp of its own", "shares /tmp with others") },
        FLAG("PrivateUsers", 1000, SCORE_PRIVATE_USERS, "knows no other users", "knows the users of the host"),
        FLAG("ProtectControlGroups", 1000, SCORE_PROTECT_CONTROL_GROUPS, "cannot write control groups", "may write control groups"),
        FLAG("ProtectKernelModules", 1000, SCORE_PROTECT_KERNEL_MODULES, "cannot load kernel modules", "may load or read kernel modules"),
        FLAG("ProtectKernelTunables", 1000, SCORE_PROTECT_KERNEL_TUNABLES, "cannot set kernel parameters", "may set kernel parameters"),
        FLAG("ProtectKernelLogs", 1000, SCORE_PROTECT_KERNEL_LOGS, "has no kernel log", "may read and write the kernel log"),
        FLAG("ProtectClock", 1000, SCORE_PROTECT_CLOCK, "cannot set the clocks", "may set the clocks"),
        { "ProtectHome", "ProtectHome=", { 1000 }, 10, UNLESS_EARLY, assess_word, SCORE_PROTECT_HOME, NULL,
          LEVELS({ 0, "sees no home folders" }, { 1, "sees empty home folders" }, { 5, "may read home folders" }, { 10, "may write home folders" }) },
        FLAG("ProtectHostname", 50, SCORE_PROTECT_HOSTNAME, "cannot set the host's name", "may set the host's name"),
        { "ProtectSystem", "ProtectSystem=", { 1000 }, 10, UNLESS_EARLY, assess_word, SCORE_PROTECT_SYSTEM, NULL,
          LEVELS({ 0, "may write no file of the system" }, { 3, "may write the system but /usr, /boot and /etc" },
                 { 5, "may write the system but /usr and /boot" }, { 10, "may write the whole system" }) },
        { "RootDirectoryOrRootImage", "RootDirectory= or RootImage=", { 200 }, 1, UNLESS_EARLY, assess_root, 0, NULL,
          YES_NO("has a root folder of its own", "works in the root folder of the host") },
        FLAG("LockPersonality", 100, SCORE_LOCK_PERSONALITY, "cannot change its personality", "may change its personality"),
        FLAG("MemoryDenyWriteExecute", 100, SCORE_MEMORY_DENY_WRITE_EXECUTE, "has no memory to write and execute", "may make memory to write and execute"),
        FLAG("NoNewPrivileges", 1000, SCORE_NO_NEW_PRIVILEGES, "cannot gain privileges", "may gain privileges by executing a program"),
        CAPS("SYS_ADMIN", "SYS_ADMIN", 1500, BIT(CAP_SYS_ADMIN), "administrate the system"),
        CAPS("SET_UID_GID_PCAP", "SET(UID|GID|PCAP)", 1500, BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP), "change its users and capabilities"),
        CAPS("SYS_PTRACE", "SYS_PTRACE", 1500, BIT(CAP_SYS_PTRACE), "trace other processes"),
        CAPS("SYS_TIME", "SYS_TIME", 1000, BIT(CAP_SYS_TIME), "set the clock"),
        CAPS("NET_ADMIN", "NET_ADMIN", 1000, BIT(CAP_NET_ADMIN), "set up the network"),
        CAPS("SYS_RAWIO", "SYS_RAWIO", 1000, BIT(CAP_SYS_RAWIO), "reach hardware directly"),
        CAPS("SYS_MODULE", "SYS_MODULE", 1000, BIT(CAP_SYS_MODULE), "load modules by a capability"),
        CAPS("AUDIT", "AUDIT_*", 500, BIT(CAP_AUDIT_CONTROL) | BIT(CAP_AUDIT_READ) | BIT(CAP_AUDIT_WRITE), "use the audit system"),
        CAPS("SYSLOG", "SYSLOG", 500, BIT(CAP_SYSLOG), "use the kernel log by a capability"),
        CAPS("SYS_NICE_RESOURCE", "SYS_(NICE|RESOURCE)", 500, BIT(CAP_SYS_NICE) | BIT(CAP_SYS_RESOURCE), "exceed priorities and limits"),
        CAPS("MKNOD", "MKNOD", 500, BIT(CAP_MKNOD), "make device nodes"),
        CAPS("CHOWN_FSETID_SETFCAP", "(CHOWN|FSETID|SETFCAP)", 1000, BIT(CAP_CHOWN) | BIT(CAP_FSETID) | BIT(CAP_SETFCAP), "change owners and capabilities of any file"),
        CAPS("DAC_FOWNER_IPC_OWNER", "(DAC_*|FOWNER|IPC_OWNER)", 1000, BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_IPC_OWNER), "override permissions"),
        CAPS("KILL", "KILL", 500, BIT(CAP_KILL), "send signals to any process"),
        CAPS("NET_BIND_SERVICE_BROADCAST_RAW", "NET_(BIND_SERVICE|BROADCAST|RAW)", 500, BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_BROADCAST) | BIT(CAP_NET_RAW), "use low ports and raw sockets"),
        CAPS("SYS_BOOT", "SYS_BOOT", 100, BIT(CAP_SYS_BOOT), "reboot"),
        CAPS("MAC", "MAC_*", 100, BIT(CAP_MAC_ADMIN) | BIT(CAP_MAC_OVERRIDE), "change mandatory access control"),
        CAPS("LINUX_IMMUTABLE", "LINUX_IMMUTABLE", 75, BIT(CAP_LINUX_IMMUTABLE), "mark files immutable"),
        CAPS("IPC_LOCK", "IPC_LOCK", 50, BIT(CAP_IPC_LOCK), "lock memory"),
        CAPS("SYS_CHROOT", "SYS_CHROOT", 50, BIT(CAP_SYS_CHROOT), "change its root folder"),
        CAPS("BLOCK_SUSPEND", "BLOCK_SUSPEND", 25, BIT(CAP_BLOCK_SUSPEND), "keep the system from sleeping"),
        CAPS("WAKE_ALARM", "WAKE_ALARM", 25, BIT(CAP_WAKE_ALARM), "wake the system up"),
        CAPS("LEASE", "LEASE", 25, BIT(CAP_LEASE), "take leases of files"),
        CAPS("SYS_TTY_CONFIG", "SYS_TTY_CONFIG", 25, BIT(CAP_SYS_TTY_CONFIG), "hang up terminals"),
        CAPS("BPF", "BPF", 25, BIT(CAP_BPF), "load BPF programs"),
        CAPS("SYS_PACCT", "SYS_PACCT", 25, BIT(CAP_SYS_PACCT), "switch process accounting"),
        { "UMask", "UMask=", { 100 }, 10, ALWAYS, assess_umask, 0, NULL,
          LEVELS({ 0, "makes files for itself only" }, { 1, "makes files that its group may read" }, { 2, "makes files that its group may write" },
                 { 5, "makes files that all may read" }, { 10, "makes files that all may write" }) },
        { "KeyringMode", "KeyringMode=", { 1000 }, 1, ALWAYS, assess_word, SCORE_KEYRING_MODE, NULL,
          YES_NO("has a keyring of its own", "shares a keyring with others") },
        { "ProtectProc", "ProtectProc=", { 1000 }, 3, ALWAYS, assess_word, SCORE_PROTECT_PROC, NULL,
          LEVELS({ 0, "sees no processes of other users" }, { 1, "sees that there are processes of other users" }, { 3, "sees all processes" }) },
        { "ProcSubset", "ProcSubset=", { 10 }, 1, ALWAYS, assess_word, SCORE_PROC_SUBSET, NULL,
          YES_NO("sees only processes in /proc", "sees all of /proc") },
        { "NotifyAccess", "NotifyAccess=", { 1000 }, 1, ALWAYS, assess_word, SCORE_NOTIFY_ACCESS, NULL,
          YES_NO("only its main processes report its state", "any of its processes may report its state") },
        { "RemoveIPC", "RemoveIPC=", { 100 }, 1, UNLESS_ROOT, assess_flag, SCORE_REMOVE_IPC, NULL,
          YES_NO("leaves no IPC objects behind", "may leave IPC objects behind") },
        { "Delegate", "Delegate=", { 100 }, 1, ALWAYS, assess_delegate, 0, NULL,
          YES_NO("manages no control groups", "manages control groups of its own") },
        FLAG("RestrictRealtime", 500, SCORE_RESTRICT_REALTIME, "has no realtime priority", "may take realtime priority"),
        FLAG("RestrictSUIDSGID", 1000, SCORE_RESTRICT_SUID_SGID, "cannot make set-user-id files", "may make set-user-id files"),
        NAMESPACE("user", 1500, CLONE_NEWUSER, "user"),
        NAMESPACE("mnt", 500, CLONE_NEWNS, "mount"),
        NAMESPACE("ipc", 500, CLONE_NEWIPC, "IPC"),
        NAMESPACE("pid", 500, CLONE_NEWPID, "process"),
        NAMESPACE("cgroup", 500, CLONE_NEWCGROUP, "control group"),
        NAMESPACE("net", 500, CLONE_NEWNET, "network"),
        NAMESPACE("uts", 100, CLONE_NEWUTS, "host name"),
        FAMILIES("AF_INET_INET6", "AF_(INET|INET6)", 1500, BIT(AF_INET) | BIT(AF_INET6), "Internet"),
        FAMILIES("AF_UNIX", "AF_UNIX", 25, BIT(AF_UNIX), "local"),
        FAMILIES("AF_NETLINK", "AF_NETLINK", 200, BIT(AF_NETLINK), "netlink"),
        FAMILIES("AF_PACKET", "AF_PACKET", 1000, BIT(AF_PACKET), "packet"),
        FAMILIES("OTHER", "...", 1250, ~NAMED, "unusual"),
        { "SystemCallArchitectures", "SystemCallArchitectures=", { 1000 }, 10, ALWAYS, assess_architectures, 0, NULL,
          LEVELS({ 0, "makes native system calls only" }, { 8, "may make system calls of some other architectures" },
                 { 10, "may make system calls of any architecture" }) },
        CALLS("swap", "@swap", 1000),
        CALLS("obsolete", "@obsolete", 250),
        CALLS("clock", "@clock", 1000),
        CALLS("cpu_emulation", "@cpu-emulation", 250),
        CALLS("debug", "@debug", 1000),
        CALLS("mount", "@mount", 1000),
        CALLS("module", "@module", 1000),
        CALLS("raw_io", "@raw-io", 1000),
        CALLS("reboot", "@reboot", 1000),
        CALLS("privileged", "@privileged", 700),
        CALLS("resources", "@resources", 700),
        { "IPAddressDeny", "IPAddressDeny=", { 1000 }, 10, ALWAYS, assess_addresses, 0, NULL,
          LEVELS({ 0, "reaches no address, or what a filter of its own lets through" }, { 2, "reaches this host only" },
                 { 5, "reaches some addresses" }, { 10, "reaches any address" }) },
        { "DeviceAllow", "DeviceAllow=", { 1000 }, 10, ALWAYS, assess_devices, 0, NULL,
          LEVELS({ 0, "may open standard devices only" }, { 5, "may open some devices" }, { 10, "may open any device" }) },
        { "AmbientCapabilities", "AmbientCapabilities=", { 500 }, 1, ALWAYS, assess_ambient, 0, NULL,
          YES_NO("gets no capabilities as a user", "gets capabilities as a user") },
};
/* clang-format on */
_Static_assert(ELEMENTS(checks) <= SCORE_ROWS_MAX, "a row for each check");

static const struct {
        unsigned least;
        const char *name;
} ratings[] = { { 100, "DANGEROUS" }, { 90, "UNSAFE" }, { 75, "EXPOSED" }, { 50, "MEDIUM" }, { 10, "OK" }, { 1, "SAFE" }, { 0, "PERFECT" } };

/* ---- the number ---- */

static unsigned divide_up(uint64_t a, uint64_t b)
{
        return (unsigned)((a + b - 1) / b);
}

static bool applies(const struct score_settings *s, const struct check *c)
{
        return c->condition == UNLESS_ROOT ? !s->root : c->condition == ALWAYS || s->flags >> SCORE_DEFAULT_DEPENDENCIES & 1;
}

static void judge(const struct score_settings *s, const struct check *c, struct score_row *row)
{
        int badness = applies(s, c) ? c->assess(s, c) : NOT_APPLICABLE;
        *row = (struct score_row){ .check = c->name, .directive = c->directive,
                                    .capabilities = c->assess == assess_capabilities ? c->parameter : 0 };
        if (badness == NOT_APPLICABLE) {
                row->description = c->condition == UNLESS_ROOT ? "does not matter for root" : "does not apply to early services";
                return;
        }
        const struct level *l = c->levels;
        while (l->badness < badness)
                l++;
        row->description = l->text;
        row->applies = true;
        row->badness = (unsigned)badness;
        row->range = c->range;
        row->weight = c->weight[SCORE_VERSION_252];
}

const char *score_rating(unsigned exposure)
{
        size_t i = 0;
        while (exposure < ratings[i].least)
                i++;
        return ratings[i].name;
}

void score_sum_up(struct score *s)
{
        uint64_t total = 0, reached = 0;
        for (size_t i = 0; i < s->count; i++) {
                struct score_row *r = &s->rows[i];
                total += r->weight;
                reached += r->applies ? divide_up((uint64_t)r->badness * r->weight, r->range) : 0;
        }
        for (size_t i = 0; i < s->count; i++) {
                struct score_row *r = &s->rows[i];
                r->exposure_tenths = r->applies ? divide_up(divide_up((uint64_t)r->badness * r->weight * 100, r->range), total) : 0;
        }
        s->exposure = divide_up(reached * 100, total);
        s->rating = score_rating(s->exposure);
}

/* ---- names ---- */

/* Templates are judged as the instance "i", as 252 does. */
static char *with_instance(const char *name)
{
        const char *at = strstr(name, "@.");
        return at ? xprintf("%.*s@i%s", (int)(at - name), name, at + 1) : xstrdup(name);
}

static bool is_service(const char *name)
{
        return text_ends(name, ".service") && *name != '.' && *name != '@' && strlen(name) <= 255 && !strchr(name, '/');
}

int score_unit(const struct unit_file *u, const char *name, bool lenient, struct score *ret, struct error *e)
{
        CLEAN_SCORE_SETTINGS struct score_settings s = { 0 };
        CLEAN_SCORE struct score score = { 0 };
        if (!is_service(name)) {
                error_set(e, EINVAL, "score.kind", "\"%.80s\" is no name of a service", name);
                error_hint(e, "only files whose names end in .service are scored");
                return -EINVAL;
        }
        score.unit = with_instance(name);
        int k = score_settings_read(&s, u, score.unit, lenient, &score.notes, e);
        if (k < 0)
                return k;
        for (size_t i = 0; i < ELEMENTS(checks); i++)
                if (checks[i].weight[SCORE_VERSION_252])
                        judge(&s, &checks[i], &score.rows[score.count++]);
        score_sum_up(&score);
        *ret = score;
        score = (struct score){ 0 };
        return 0;
}

void score_done(struct score *s)
{
        free(s->unit);
        strings_clear(&s->notes);
        *s = (struct score){ 0 };
}
