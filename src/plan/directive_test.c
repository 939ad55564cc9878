/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/directive.h"
#include "plan/specifier.h"

#define ALL ((UINT64_C(1) << 41) - 1)
#define BIT(n) (UINT64_C(1) << (n))

static const struct facts facts = {
        .unit = "web-front@blue.service", .boot_id = "b00t", .machine_id = "mach1ne", .hostname = "host",
        .user_name = "alice", .home = "/home/alice", .shell = "/bin/zsh", .runtime_folder = "/run",
        .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log",
        .configuration_folder = "/etc", .uid = 1000, .gid = 1001, .capabilities = ALL,
        .memory_bytes = UINT64_C(8) << 30, .pids_max = 1000,
};

/* Up to eight assignments, compiled; the result of the first that fails. */
static int compile(struct plan *p, bool lenient, struct error *e, const char *const *lines)
{
        CLEAN_SETTINGS struct settings s = { .lenient = lenient };
        *e = (struct error){ 0 };
        for (; *lines; lines++) {
                int r = settings_assign(&s, &facts, *lines, e);
                if (r < 0)
                        return r;
        }
        return settings_compile(&s, &facts, p, e);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })
/* Declares plan p, made of the assignments. */
#define PLAN(...)                                                                                            \
        CLEAN_PLAN struct plan p = { 0 };                                                                    \
        struct error e;                                                                                      \
        assert_int_equal(compile(&p, false, &e, LINES(__VA_ARGS__)), 0)

/* "path kind[,flags]" for each mount, in order. */
static char *mounts_text(const struct plan *p)
{
        static const char *const kinds[PLAN_MOUNT_KINDS] = { "hidden", "bind", "image", "overlay", "file", "creds", "tmp", "dev", "proc", "sys", "cgroup",
                                                             "mqueue", "tmpfs", "ro", "rw", "rw?", "noexec", "exec" };
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < p->mount_count; i++) {
                const struct plan_mount *m = &p->mounts[i];
                text_addf(&t, "%s%s %s%s%s%s%s%s%s", i ? "; " : "", m->path, kinds[m->kind], m->optional ? ",optional" : "",
                          m->read_only ? ",ro" : "", m->no_exec ? ",noexec" : "", m->exec ? ",exec" : "",
                          m->read_only_above ? ",ro above" : "", m->no_exec_above ? ",noexec above" : "");
        }
        return TAKE_PTR(t.data);
}

static void assert_mounts(const char *const *lines, const char *expected)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        assert_int_equal(compile(&p, false, &e, lines), 0);
        CLEAN_FREE char *got = mounts_text(&p);
        assert_string_equal(got, expected);
}

static void assert_refused(const char *line, const char *id)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        if (compile(&p, false, &e, LINES(line)) >= 0)
                fail_msg("%s was accepted", line);
        assert_string_equal(e.id, id);
}

static const struct plan_mount *mount_at(const struct plan *p, const char *path)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (text_equal(p->mounts[i].path, path))
                        return &p->mounts[i];
        fail_msg("no entry for %s", path);
        return NULL;
}

static void bad_values(void **state)
{
        static const char *const lines[] = {
                "DynamicUser=maybe", "User=a b", "User=65535", "User=4294967295", "User=-x", "User=0x",
                "PrivateTmp=enabled", "ProtectSystem=maybe", "ProtectHome=readonly", "PrivateUsers=managed",
                "ReadOnlyPaths=srv", "ReadOnlyPaths=/srv/../etc", "ReadOnlyPaths=+-/srv", "ReadOnlyPaths=\"/srv",
                "ReadOnlyPaths=/ok \"\"", "BindPaths=a:/b", "BindPaths=/a:b", "BindPaths=/a:/b:bind", "TemporaryFileSystem=x:ro",
                "StateDirectory=/x", "StateDirectory=a/../b", "StateDirectory=private", "StateDirectory=private/x",
                "StateDirectory=:b", "StateDirectory=a:/b", "StateDirectory=a:../b", "StateDirectory=a:private/b", "StateDirectory=a:b:rw",
                "StateDirectory=a:b:ro:x", "StateDirectory=a/b:a", "StateDirectory=a:a", "ConfigurationDirectory=a:b", "ConfigurationDirectory=a::ro",
                "StateDirectory=.", "WorkingDirectory=x", "WorkingDirectory=~/x", "Environment=1A=b", "Environment==b",
                "Environment=A", "UMask=8", "UMask=1000", "UMask=", "MemoryMax=0", "MemoryMax=-1", "MemoryMax=1X",
                "TasksMax=0", "TasksMax=1K", "TasksMax=0%", "CPUQuota=20", "CPUQuota=0%", "CPUQuota=%", "CPUQuota=1.234%",
                "CPUQuota=.5%", "CPUQuota=infinity", "SystemCallErrorNumber=ENOTHING", "SystemCallErrorNumber=0",
                "SystemCallErrorNumber=4096", "ProtectKernelTunables=maybe", "ProtectKernelModules=2", "ProtectKernelLogs=-",
                "ProtectClock=strict", "ProtectControlGroups=full", "ProtectProc=yes", "ProtectProc=hidden", "ProtectProc=Invisible",
                "ProcSubset=no", "ProcSubset=none", "RestrictNamespaces=mount", "RestrictNamespaces=net yes", "RestrictNamespaces=~~net",
                "RestrictNamespaces=\"net", "RestrictRealtime=rr", "LockPersonality=x86", "RestrictAddressFamilies=unix",
                "RestrictAddressFamilies=AF_UNIX none", "RestrictAddressFamilies=~none", "RestrictAddressFamilies=AF_UNIX,AF_INET",
                "RestrictAddressFamilies=AF_MAX", "SystemCallArchitectures=i386", "SystemCallArchitectures=~x86", "MemoryDenyWriteExecute=rx",
                "SecureBits=no-root", "SecureBits=~noroot", "SecureBits=noroot,keep-caps", "KeyringMode=yes", "KeyringMode=own",
                "ProtectHostname=maybe", "ProtectHostname=no:name", "ProtectHostname=yes:", "ProtectHostname=private:-a", "ProtectHostname=yes:a..b",
                "ProtectHostname=yes:a.", "ProtectHostname=yes:.a", "ProtectHostname=yes:a-", "ProtectHostname=yes:a.-b", "ProtectHostname=yes:a/b",
                "ProtectHostname=yes:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++)
                assert_refused(lines[i], "directive.value");
        assert_refused("CapabilityBoundingSet=CAP_CHOWN CAP_NONE", "directive.capability");
        assert_refused("AmbientCapabilities=CAP_NONE", "directive.capability");
        assert_refused("ProtectHostname=yes:%y", "directive.specifier");
        assert_refused("ReadOnlyPaths=/a%y", "directive.specifier");
        assert_refused("ReadOnlyPaths=/a%", "directive.specifier");
        assert_refused("ReadOnlyPaths", "directive.syntax");
        assert_refused("=x", "directive.syntax");
}

static void unknown_names(void **state)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        (void)state;
        assert_int_equal(compile(&p, false, &e, LINES("protectsystem=yes")), -EINVAL);
        assert_string_equal(e.id, "directive.unknown");
        assert_non_null(strstr(e.hint, "ProtectSystem"));
        assert_int_equal(compile(&p, false, &e, LINES("Nonsense=yes")), -EINVAL);
        assert_non_null(strstr(e.hint, "bulkhead.directives(5)"));
        /* A directive that is not known could be one that protects: leniency does not pass it over. */
        assert_int_equal(compile(&p, true, &e, LINES("Nonsense=yes")), -EINVAL);
        assert_int_equal(compile(&p, false, &e, LINES("ReadOnlyPaths=srv")), -EINVAL);
        assert_non_null(strstr(e.whiles[0], "ReadOnlyPaths=srv"));
}

static void paths(void **state)
{
        (void)state;
        assert_mounts(LINES("ReadOnlyPaths=//srv/./a/ -/b +/c -+/d"), "/b ro,optional; /c ro; /d ro,optional; /srv/a ro");
        assert_mounts(LINES("ReadOnlyPaths=\"/a b\" '/c'\\x20d"), "/a b ro; /c d ro");
        assert_mounts(LINES("ReadOnlyPaths=/a", "ReadOnlyPaths=/b"), "/a ro; /b ro");
        assert_mounts(LINES("ReadOnlyPaths=/a", "ReadOnlyPaths=", "ReadOnlyPaths=/b"), "/b ro");
        assert_mounts(LINES("ReadOnlyPaths=/a", "ReadOnlyPaths="), "");
        assert_mounts(LINES("ReadOnlyPaths=  /a\t/b "), "/a ro; /b ro");
}

static void binds(void **state)
{
        PLAN("BindPaths=/a:/b:norbind -/c /d\\:e:/f\\:g", "BindReadOnlyPaths=\"/h i\"::rbind");
        (void)state;
        assert_int_equal(p.mount_count, 4);
        assert_string_equal(mount_at(&p, "/b")->source, "/a");
        assert_false(mount_at(&p, "/b")->recursive);
        assert_string_equal(mount_at(&p, "/c")->source, "/c");
        assert_true(mount_at(&p, "/c")->optional && mount_at(&p, "/c")->recursive);
        assert_string_equal(mount_at(&p, "/f:g")->source, "/d:e");
        assert_string_equal(mount_at(&p, "/h i")->source, "/h i");
        assert_true(mount_at(&p, "/h i")->read_only);
        assert_false(mount_at(&p, "/b")->read_only);
}

static void tmpfs_entries(void **state)
{
        PLAN("TemporaryFileSystem=/a /b:ro,size=1M,mode=0700");
        (void)state;
        assert_string_equal(mount_at(&p, "/a")->source, "");
        assert_string_equal(mount_at(&p, "/b")->source, "ro,size=1M,mode=0700");
}

static void specifiers(void **state)
{
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "%n", "web-front@blue.service" }, { "%N", "web-front@blue" }, { "%p", "web-front" }, { "%i", "blue" },
                { "%j", "front" }, { "%%", "%" }, { "%%n", "%n" }, { "%t", "/run" }, { "%S", "/var/lib" }, { "%C", "/var/cache" },
                { "%L", "/var/log" }, { "%E", "/etc" }, { "%T", "/tmp" }, { "%V", "/var/tmp" }, { "%u", "alice" }, { "%U", "1000" },
                { "%G", "1001" }, { "%h", "/home/alice" }, { "%s", "/bin/zsh" }, { "%b", "b00t" }, { "%m", "mach1ne" },
                { "%H", "host" }, { "a%i-%ub", "ablue-aliceb" },
                { "%P", "web/front" }, { "%I", "blue" }, { "%J", "front" }, { "%f", "/blue" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *line = xprintf("Environment=X=%s", rows[i].in), *expected = xprintf("X=%s", rows[i].out);
                PLAN(line);
                assert_string_equal(p.environment.items[0], expected);
        }
        assert_mounts(LINES("ReadOnlyPaths=%S/%p /100%%"), "/100% ro; /var/lib/web-front ro");
        static const struct {
                const char *unit, *in, *out;
        } escaped[] = {
                { "a\\x2db-c\\x20d@e-f\\x2dg.service", "%I|%P|%J|%i|%j|%f", "e/f-g|a-b/c d|c d|e-f\\x2dg|c\\x20d|/e/f-g" },
                { "a\\x2db-c.service", "%I|%f|%J", "|/a-b/c|c" },
                { "a@\\q.service", "%I", "\\q" },
        };
        for (size_t i = 0; i < ELEMENTS(escaped); i++) {
                CLEAN_FREE char *expanded = NULL;
                struct facts own = facts;
                own.unit = escaped[i].unit;
                assert_int_equal(specifier_expand(escaped[i].in, &own, &expanded, NULL), 0);
                assert_string_equal(expanded, escaped[i].out);
        }
        /* A value with blanks is one word still: words are split before they expand. */
        assert_mounts(LINES("InaccessiblePaths=%h/x"), "/home/alice/x hidden");
}

static void equal_paths(void **state)
{
        (void)state;
        assert_mounts(LINES("ReadWritePaths=/a", "ReadOnlyPaths=/a"), "/a ro");
        assert_mounts(LINES("ReadOnlyPaths=/a", "ReadWritePaths=/a"), "/a ro");
        assert_mounts(LINES("ReadOnlyPaths=/a", "InaccessiblePaths=/a", "BindPaths=/x:/a"), "/a hidden");
        assert_mounts(LINES("TemporaryFileSystem=/a", "BindPaths=/x:/a"), "/a bind");
        assert_mounts(LINES("ReadOnlyPaths=/a", "BindPaths=/x:/a"), "/a bind,ro");
        assert_mounts(LINES("NoExecPaths=/a", "TemporaryFileSystem=/a"), "/a tmpfs,noexec");
        assert_mounts(LINES("NoExecPaths=/a", "ReadWritePaths=/a"), "/a rw,noexec");
        assert_mounts(LINES("NoExecPaths=/a", "ExecPaths=/a"), "/a noexec,exec");
        assert_mounts(LINES("PrivateTmp=yes", "ReadOnlyPaths=/tmp"), "/tmp tmp,ro; /var/tmp tmp,optional");
        assert_mounts(LINES("BindReadOnlyPaths=/x:/a", "BindPaths=/y:/a"), "/a bind,ro");
}

static void below_hidden(void **state)
{
        (void)state;
        assert_mounts(LINES("InaccessiblePaths=/a", "ReadWritePaths=/a/b", "BindPaths=/x:/a/c", "TemporaryFileSystem=/a/b/c",
                            "ExecPaths=/a/b"),
                      "/a hidden");
        assert_mounts(LINES("InaccessiblePaths=/a", "ReadWritePaths=/ab /a-b"), "/a hidden; /a-b rw; /ab rw");
        assert_mounts(LINES("ProtectHome=yes", "BindPaths=/root/x"), "/home hidden,optional; /root hidden,optional; /run/user hidden,optional");
}

static void redundant_children(void **state)
{
        (void)state;
        assert_mounts(LINES("ReadOnlyPaths=/a /a/b /a/b/c"), "/a ro");
        assert_mounts(LINES("ReadOnlyPaths=/a /a/b/c", "ReadWritePaths=/a/b"), "/a ro; /a/b rw; /a/b/c ro");
        assert_mounts(LINES("ReadWritePaths=/a /a/b"), "/a rw");
        assert_mounts(LINES("ReadOnlyPaths=/ /a", "ReadWritePaths=/a/b /a/b/c"), "/ ro; /a/b rw");
        /* New content between the two has rules of its own. */
        assert_mounts(LINES("ReadOnlyPaths=/a /a/b/c", "BindPaths=/x:/a/b"), "/a ro; /a/b bind; /a/b/c ro");
        assert_mounts(LINES("ReadOnlyPaths=/a /a/b"), "/a ro");
}

static void writing_and_running(void **state)
{
        (void)state;
        assert_mounts(LINES("ReadOnlyPaths=/a", "NoExecPaths=/a/b"), "/a ro; /a/b noexec,ro above");
        assert_mounts(LINES("NoExecPaths=/a", "ReadOnlyPaths=/a/b"), "/a noexec; /a/b ro,noexec above");
        assert_mounts(LINES("ReadOnlyPaths=/", "NoExecPaths=/", "ExecPaths=/usr"), "/ ro,noexec; /usr exec,ro above");
        assert_mounts(LINES("NoExecPaths=/", "ExecPaths=/usr", "ReadOnlyPaths=/usr"), "/ noexec; /usr ro,exec");
        assert_mounts(LINES("NoExecPaths=/", "ExecPaths=/usr", "ReadOnlyPaths=/usr/x"), "/ noexec; /usr exec; /usr/x ro");
        assert_mounts(LINES("NoExecPaths=/", "BindPaths=/x:/y"), "/ noexec; /y bind,noexec above");
        assert_mounts(LINES("ReadOnlyPaths=/a", "ReadWritePaths=/a/b", "ExecPaths=/a/b/c"), "/a ro; /a/b rw; /a/b/c exec");
        assert_mounts(LINES("ReadOnlyPaths=/a", "BindPaths=/x:/a/b"), "/a ro; /a/b bind");
        /* A default that keeps a path writable outlives a word on running. */
        PLAN("ProtectSystem=strict", "NoExecPaths=/home");
        assert_int_equal(mount_at(&p, "/home")->kind, PLAN_READ_WRITE_IMPLICIT);
        assert_true(mount_at(&p, "/home")->no_exec);
}

static void normalizing_twice(void **state)
{
        PLAN("ReadOnlyPaths=/ /a", "NoExecPaths=/", "ExecPaths=/a/b", "ReadWritePaths=/a/c", "InaccessiblePaths=/a/c/d");
        (void)state;
        CLEAN_FREE char *once = mounts_text(&p);
        plan_normalize_mounts(&p);
        CLEAN_FREE char *twice = mounts_text(&p);
        assert_string_equal(once, twice);
        /* What was only taken over from above does not hold against a rule of its own. */
        plan_add_mount(&p, PLAN_READ_WRITE, "/a/b", "StateDirectory=b");
        plan_normalize_mounts(&p);
        assert_false(mount_at(&p, "/a/b")->read_only || mount_at(&p, "/a/b")->read_only_above);
        assert_false(mount_at(&p, "/a/b")->no_exec_above);
}

static void protect_system(void **state)
{
        (void)state;
        assert_mounts(LINES("ProtectSystem=no"), "");
        assert_mounts(LINES("ProtectSystem=true"), "/boot ro,optional; /efi ro,optional; /usr ro");
        assert_mounts(LINES("ProtectSystem=full"), "/boot ro,optional; /efi ro,optional; /etc ro; /usr ro");
        assert_mounts(LINES("ProtectSystem=strict"),
                      "/ ro; /dev rw?; /home rw?,optional; /proc rw?; /root rw?,optional; /run/user rw?,optional; /sys rw?");
        assert_mounts(LINES("ProtectSystem=strict", "ProtectSystem="), "");
        /* A rule that repeats the one above still outweighs the default that re-opens its path. */
        assert_mounts(LINES("ProtectSystem=strict", "ReadOnlyPaths=/proc"),
                      "/ ro; /dev rw?; /home rw?,optional; /root rw?,optional; /run/user rw?,optional; /sys rw?");
        assert_mounts(LINES("ProtectSystem=strict", "ProtectHome=read-only"), "/ ro; /dev rw?; /proc rw?; /sys rw?");
        PLAN("ProtectSystem=strict");
        assert_true(p.root_read_only);
}

static void protect_home(void **state)
{
        (void)state;
        assert_mounts(LINES("ProtectHome=read-only"), "/home ro,optional; /root ro,optional; /run/user ro,optional");
        assert_mounts(LINES("ProtectHome=tmpfs"), "/home tmpfs,optional,ro; /root tmpfs,optional,ro; /run/user tmpfs,optional,ro");
        assert_mounts(LINES("ProtectHome=off"), "");
}

static void private_parts(void **state)
{
        PLAN("PrivateDevices=yes", "PrivateNetwork=yes", "PrivateIPC=yes", "PrivatePIDs=yes", "ProtectHostname=yes", "PrivateUsers=full");
        (void)state;
        assert_int_equal(p.namespaces, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWUTS);
        assert_int_equal(p.users, PLAN_USERS_FULL);
        assert_string_equal(p.namespace_origin[plan_namespace_slot(CLONE_NEWPID)], "PrivatePIDs=yes");
        assert_int_equal(p.bounding, ALL & ~BIT(CAP_MKNOD) & ~BIT(CAP_SYS_RAWIO));
        assert_true(p.devices_closed);
        assert_int_equal(p.denial_count, 3);
        assert_mounts(LINES("PrivateNetwork=yes"), "/sys sys,optional");
        assert_mounts(LINES("PrivateNetwork=yes", "PrivateMounts=no"), "");
        assert_mounts(LINES("PrivatePIDs=yes"), "/proc proc");
}

static void assert_bounding(const char *const *lines, uint64_t expected)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        assert_int_equal(compile(&p, false, &e, lines), 0);
        assert_int_equal(p.bounding, expected);
}

static void capabilities(void **state)
{
        (void)state;
        assert_bounding(LINES("CapabilityBoundingSet=CAP_CHOWN cap_kill 12"), BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_ADMIN));
        assert_bounding(LINES("CapabilityBoundingSet=~CAP_CHOWN"), ALL & ~BIT(CAP_CHOWN));
        assert_bounding(LINES("CapabilityBoundingSet=CAP_CHOWN CAP_KILL", "CapabilityBoundingSet=~CAP_KILL"), BIT(CAP_CHOWN));
        assert_bounding(LINES("CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet=CAP_KILL"), BIT(CAP_CHOWN) | BIT(CAP_KILL));
        assert_bounding(LINES("CapabilityBoundingSet=~CAP_CHOWN", "CapabilityBoundingSet=~CAP_KILL"), ALL & ~BIT(CAP_CHOWN) & ~BIT(CAP_KILL));
        assert_bounding(LINES("CapabilityBoundingSet="), 0);
        assert_bounding(LINES("CapabilityBoundingSet=~"), ALL);
        assert_bounding(LINES("CapabilityBoundingSet=CAP_KILL", "CapabilityBoundingSet="), 0);
        assert_bounding(LINES("CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_KILL"), BIT(CAP_KILL));
        assert_bounding(LINES("CapabilityBoundingSet=CAP_KILL", "CapabilityBoundingSet=~"), ALL);
        assert_bounding(LINES("CapabilityBoundingSet=CAP_MKNOD CAP_KILL", "PrivateDevices=yes"), BIT(CAP_KILL));
        PLAN("CapabilityBoundingSet=CAP_CHOWN CAP_KILL", "CapabilityBoundingSet=~CAP_KILL");
        assert_string_equal(p.bounding_origin, "CapabilityBoundingSet=CAP_CHOWN CAP_KILL, CapabilityBoundingSet=~CAP_KILL");
}

static void dynamic_user(void **state)
{
        PLAN("DynamicUser=yes", "ProtectSystem=no", "NoNewPrivileges=no", "RestrictSUIDSGID=no", "RemoveIPC=no", "ProtectHome=no", "PrivateTmp=no");
        (void)state;
        assert_true(p.dynamic_user && p.root_read_only && p.no_new_privileges && p.restrict_suid_sgid && p.remove_ipc);
        assert_int_equal(p.tmp, PLAN_TMP_DISCONNECTED);
        assert_string_equal(mount_at(&p, "/")->origin, "ProtectSystem=strict (implied by DynamicUser=yes)");
        for (size_t i = 0; i < p.mount_count; i++) /* nothing re-opens the homes */
                assert_false(text_equal(p.mounts[i].path, "/home") || text_equal(p.mounts[i].path, "/root"));
        assert_string_equal(p.no_new_privileges_origin, "NoNewPrivileges=yes (implied by DynamicUser=yes)");
}

static void dynamic_user_own_words(void **state)
{
        PLAN("DynamicUser=on", "ProtectHome=yes", "PrivateTmp=yes", "ProtectSystem=strict", "User=demo");
        (void)state;
        assert_int_equal(p.tmp, PLAN_TMP_HOST_FOLDERS);
        assert_int_equal(mount_at(&p, "/home")->kind, PLAN_INACCESSIBLE);
        assert_string_equal(mount_at(&p, "/")->origin, "ProtectSystem=strict");
        assert_string_equal(p.user, "demo");
        CLEAN_PLAN struct plan off = { 0 };
        assert_int_equal(compile(&off, false, &e, LINES("DynamicUser=yes", "DynamicUser=no")), 0);
        assert_false(off.dynamic_user || off.root_read_only || off.no_new_privileges);
}

static bool has_denial(const struct plan *p, const char *calls, const char *origin)
{
        for (size_t i = 0; i < p->denial_count; i++)
                if (text_equal(p->denials[i].calls, calls) && text_equal(p->denials[i].origin, origin) && p->denials[i].error == EPERM)
                        return true;
        return false;
}

static void the_kernel_protected(void **state)
{
        PLAN("ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectClock=yes", "CapabilityBoundingSet=CAP_SYS_MODULE CAP_SYSLOG CAP_SYS_TIME CAP_KILL");
        (void)state;
        assert_int_equal(p.bounding, BIT(CAP_KILL));
        assert_true(has_denial(&p, "@module", "ProtectKernelModules=yes") && has_denial(&p, "syslog", "ProtectKernelLogs=yes") &&
                    has_denial(&p, "@clock", "ProtectClock=yes"));
        CLEAN_FREE char *got = mounts_text(&p);
        assert_string_equal(got, "/dev/kmsg hidden,optional; /proc/kmsg hidden,optional; /usr/lib/modules hidden,optional");
        assert_int_equal(p.namespaces, CLONE_NEWNS);
        assert_mounts(LINES("ProtectKernelModules=no", "ProtectKernelLogs=no", "ProtectClock=yes"), "");
        assert_mounts(LINES("ProtectKernelTunables=no", "ProtectControlGroups=no", "ProtectProc=default", "ProcSubset=all"), "");
}

static void kernel_tunables(void **state)
{
        PLAN("ProtectKernelTunables=yes", "ReadWritePaths=/proc/sys/net");
        (void)state;
        assert_true(has_denial(&p, "_sysctl", "ProtectKernelTunables=yes"));
        assert_int_equal(mount_at(&p, "/sys")->kind, PLAN_READ_ONLY);
        assert_string_equal(mount_at(&p, "/sys")->origin, "ProtectKernelTunables=yes");
        assert_int_equal(mount_at(&p, "/proc/sys")->kind, PLAN_READ_ONLY);
        assert_int_equal(mount_at(&p, "/proc/kcore")->kind, PLAN_INACCESSIBLE);
        assert_int_equal(mount_at(&p, "/sys/fs/cgroup")->kind, PLAN_READ_WRITE_IMPLICIT);
        assert_int_equal(mount_at(&p, "/proc/sys/net")->kind, PLAN_READ_WRITE);
        assert_mounts(LINES("ProtectControlGroups=yes"), "/sys/fs/cgroup ro");
        CLEAN_PLAN struct plan q = { 0 };
        assert_int_equal(compile(&q, false, &e, LINES("ProtectKernelTunables=yes", "PrivateNetwork=yes")), 0);
        assert_true(mount_at(&q, "/sys")->kind == PLAN_SYSFS && mount_at(&q, "/sys")->made_read_only);
}

static void assert_groups(bool unified, const char *line, const char *expected, bool own, const char *note)
{
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_SETTINGS struct settings s = { 0 };
        struct facts here = facts;
        struct error e = { 0 };
        here.unified_cgroups = unified;
        assert_int_equal(settings_assign(&s, &here, line, &e), 0);
        assert_int_equal(settings_compile(&s, &here, &p, &e), 0);
        CLEAN_FREE char *got = mounts_text(&p);
        assert_string_equal(got, expected);
        assert_int_equal(!!(p.namespaces & CLONE_NEWCGROUP), own);
        assert_int_equal(p.notes.count, !!note);
        if (note)
                assert_string_equal(p.notes.items[0], note);
}

static void control_groups(void **state)
{
        (void)state;
        assert_groups(true, "ProtectControlGroups=on", "/sys/fs/cgroup ro", false, NULL);
        assert_groups(true, "ProtectControlGroups=private", "/sys/fs/cgroup cgroup", true, NULL);
        assert_groups(true, "ProtectControlGroups=strict", "/sys/fs/cgroup cgroup,ro", true, NULL);
        assert_groups(false, "ProtectControlGroups=private", "", false,
                      "ProtectControlGroups=private: this host's control groups are not v2 alone; taken as no");
        assert_groups(false, "ProtectControlGroups=strict", "/sys/fs/cgroup ro", false,
                      "ProtectControlGroups=strict: this host's control groups are not v2 alone; taken as yes");
}

static void processes_in_proc(void **state)
{
        PLAN("ProtectProc=ptraceable", "ProcSubset=pid", "PrivatePIDs=yes", "ReadOnlyPaths=/proc");
        (void)state;
        assert_int_equal(p.proc_access, PLAN_PROC_PTRACEABLE);
        assert_true(p.proc_processes_only);
        CLEAN_FREE char *got = mounts_text(&p);
        assert_string_equal(got, "/proc proc,ro");
        assert_string_equal(mount_at(&p, "/proc")->origin, "PrivatePIDs=yes, ProtectProc=ptraceable, ProcSubset=pid");
        CLEAN_PLAN struct plan q = { 0 };
        assert_int_equal(compile(&q, false, &e, LINES("ProtectProc=invisible", "ProtectProc=", "ProcSubset=pid", "ProcSubset=")), 0);
        assert_true(!q.namespaces && !q.mount_count);
}

static void assert_restriction(enum restriction_kind kind, const char *const *lines, bool set, uint64_t mask, bool allow_list)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        assert_int_equal(compile(&p, false, &e, lines), 0);
        assert_int_equal(p.restrictions[kind].set, set);
        if (set) {
                assert_int_equal(p.restrictions[kind].what.mask, mask);
                assert_int_equal(p.restrictions[kind].what.allow_list, allow_list);
        }
}

static void restricted_namespaces(void **state)
{
        const enum restriction_kind k = RESTRICTION_NAMESPACES;
        const uint64_t all = RESTRICTION_NAMESPACES_ALL;
        (void)state;
        assert_int_equal(all, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x80);
        assert_restriction(k, LINES("RestrictNamespaces=yes"), true, 0, true);
        assert_restriction(k, LINES("RestrictNamespaces=no"), false, 0, true);
        assert_restriction(k, LINES("RestrictNamespaces=net ipc"), true, CLONE_NEWNET | CLONE_NEWIPC, true);
        assert_restriction(k, LINES("RestrictNamespaces=~net time"), true, all & ~(uint64_t)(CLONE_NEWNET | 0x80), true);
        assert_restriction(k, LINES("RestrictNamespaces=net ipc", "RestrictNamespaces=~ipc", "RestrictNamespaces=uts"), true, CLONE_NEWNET | CLONE_NEWUTS, true);
        assert_restriction(k, LINES("RestrictNamespaces=yes", "RestrictNamespaces=net"), true, CLONE_NEWNET, true);
        assert_restriction(k, LINES("RestrictNamespaces=no", "RestrictNamespaces=~mnt"), true, all & ~(uint64_t)CLONE_NEWNS, true);
        assert_restriction(k, LINES("RestrictNamespaces=yes", "RestrictNamespaces="), false, 0, true);
        assert_restriction(k, LINES("RestrictNamespaces=net", "RestrictNamespaces=", "RestrictNamespaces=~user"), true, all & ~(uint64_t)CLONE_NEWUSER, true);
        PLAN("RestrictNamespaces=net", "RestrictNamespaces=uts");
        assert_string_equal(p.restrictions[k].origin, "RestrictNamespaces=net, RestrictNamespaces=uts");
}

static void restricted_families(void **state)
{
        const enum restriction_kind k = RESTRICTION_FAMILIES;
        (void)state;
        assert_restriction(k, LINES("RestrictAddressFamilies=none"), true, 0, true);
        assert_restriction(k, LINES("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_INET"), true, BIT(1) | BIT(2), true);
        assert_restriction(k, LINES("RestrictAddressFamilies=AF_UNIX AF_INET", "RestrictAddressFamilies=~AF_INET"), true, BIT(1), true);
        assert_restriction(k, LINES("RestrictAddressFamilies=~AF_PACKET"), true, BIT(17), false);
        assert_restriction(k, LINES("RestrictAddressFamilies=~AF_PACKET AF_INET", "RestrictAddressFamilies=AF_INET"), true, BIT(17), false);
        assert_restriction(k, LINES("RestrictAddressFamilies=~AF_PACKET", "RestrictAddressFamilies=AF_PACKET"), false, 0, false);
        assert_restriction(k, LINES("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=none"), true, 0, true);
        assert_restriction(k, LINES("RestrictAddressFamilies=none", "RestrictAddressFamilies=AF_LOCAL"), true, BIT(1), true);
        assert_restriction(k, LINES("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies="), false, 0, false);
        assert_restriction(k, LINES("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=~AF_UNIX"), true, 0, true);
}

static void other_restrictions(void **state)
{
        uint64_t x86 = 0, x32 = 0;
        (void)state;
        assert_int_equal(restriction_architecture("x86", &x86) | restriction_architecture("x32", &x32), 0);
        assert_restriction(RESTRICTION_ARCHITECTURES, LINES("SystemCallArchitectures=native"), true, 1, true);
        assert_restriction(RESTRICTION_ARCHITECTURES, LINES("SystemCallArchitectures=x86", "SystemCallArchitectures=x32 s390x"), true,
                           x86 | x32 | BIT(21), true);
        assert_restriction(RESTRICTION_ARCHITECTURES, LINES("SystemCallArchitectures=x86", "SystemCallArchitectures="), false, 0, true);
        assert_restriction(RESTRICTION_REALTIME, LINES("RestrictRealtime=yes"), true, 0, false);
        assert_restriction(RESTRICTION_REALTIME, LINES("RestrictRealtime=yes", "RestrictRealtime=no"), false, 0, false);
        assert_restriction(RESTRICTION_PERSONALITY, LINES("LockPersonality=yes"), true, 0, false);
        assert_restriction(RESTRICTION_MEMORY, LINES("MemoryDenyWriteExecute=yes"), true, 0, false);
        assert_restriction(RESTRICTION_MEMORY, LINES("MemoryDenyWriteExecute=no"), false, 0, false);
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        assert_int_equal(compile(&p, true, &e, LINES("RestrictNamespaces=net mount", "RestrictAddressFamilies=AF_UNIX AF_X")), 0);
        assert_int_equal(p.restrictions[RESTRICTION_NAMESPACES].what.mask, CLONE_NEWNET);
        assert_int_equal(p.restrictions[RESTRICTION_FAMILIES].what.mask, BIT(1));
        assert_int_equal(p.notes.count, 2);
}

static void assert_ambient(const char *const *lines, uint64_t expected)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        assert_int_equal(compile(&p, false, &e, lines), 0);
        assert_int_equal(p.ambient, expected);
        assert_int_equal(p.bounding, ALL);
}

static void ambient_capabilities(void **state)
{
        (void)state;
        assert_ambient(LINES("AmbientCapabilities=cap_kill 0"), BIT(CAP_KILL) | BIT(CAP_CHOWN));
        assert_ambient(LINES("AmbientCapabilities=CAP_KILL", "AmbientCapabilities=CAP_CHOWN"), BIT(CAP_KILL) | BIT(CAP_CHOWN));
        assert_ambient(LINES("AmbientCapabilities=CAP_KILL CAP_CHOWN", "AmbientCapabilities=~CAP_KILL"), BIT(CAP_CHOWN));
        assert_ambient(LINES("AmbientCapabilities=~CAP_KILL"), ALL & ~BIT(CAP_KILL));
        assert_ambient(LINES("AmbientCapabilities=CAP_KILL", "AmbientCapabilities="), 0);
        assert_ambient(LINES("AmbientCapabilities=~"), ALL);
        PLAN("AmbientCapabilities=CAP_KILL", "AmbientCapabilities=CAP_CHOWN");
        assert_string_equal(p.ambient_origin, "AmbientCapabilities=CAP_KILL, AmbientCapabilities=CAP_CHOWN");
}

static void secure_bits_and_keyring(void **state)
{
        PLAN("SecureBits=noroot keep-caps-locked", "SecureBits=exec-restrict-file", "KeyringMode=shared");
        (void)state;
        assert_int_equal(p.secure_bits, 1 | 1 << 5 | 1 << 8);
        assert_string_equal(p.secure_bits_origin, "SecureBits=noroot keep-caps-locked, SecureBits=exec-restrict-file");
        assert_int_equal(p.keyring, PLAN_KEYRING_SHARED);
        CLEAN_PLAN struct plan q = { 0 };
        assert_int_equal(compile(&q, false, &e, LINES("SecureBits=noroot", "SecureBits=", "KeyringMode=inherit", "KeyringMode=")), 0);
        assert_null(q.secure_bits_origin);
        assert_int_equal(q.keyring, PLAN_KEYRING_DEFAULT);
        CLEAN_PLAN struct plan inherit = { 0 };
        assert_int_equal(compile(&inherit, false, &e, LINES("KeyringMode=inherit")), 0);
        assert_int_equal(inherit.keyring, PLAN_KEYRING_INHERIT);
        assert_string_equal(directive_secure_bit(11), "exec-deny-interactive-locked");
        assert_null(directive_secure_bit(12));
}

static void host_names(void **state)
{
        PLAN("ProtectHostname=on:%p.example");
        (void)state;
        assert_string_equal(p.hostname, "web-front.example");
        assert_true(has_denial(&p, "sethostname", "ProtectHostname=on:%p.example"));
        assert_int_equal(mount_at(&p, "/proc/sys/kernel/hostname")->kind, PLAN_READ_ONLY);
        CLEAN_PLAN struct plan q = { 0 };
        assert_int_equal(compile(&q, false, &e, LINES("ProtectHostname=yes:a", "ProtectHostname=private:B_1")), 0);
        assert_string_equal(q.hostname, "B_1");
        assert_true(!q.denial_count && !q.mount_count);
        assert_int_equal(q.namespaces, CLONE_NEWUTS);
        CLEAN_PLAN struct plan plain = { 0 };
        assert_int_equal(compile(&plain, false, &e, LINES("ProtectHostname=yes:a", "ProtectHostname=private")), 0);
        assert_null(plain.hostname);
        CLEAN_PLAN struct plan off = { 0 };
        assert_int_equal(compile(&off, false, &e, LINES("ProtectHostname=yes:a", "ProtectHostname=no")), 0);
        assert_true(!off.namespaces && !off.hostname);
}

static void limits(void **state)
{
        static const struct {
                const char *line;
                uint64_t memory, tasks, cpu;
        } rows[] = {
                { "MemoryMax=64M", UINT64_C(64) << 20, UINT64_MAX, UINT64_MAX },
                { "MemoryMax=1000", 1000, UINT64_MAX, UINT64_MAX },
                { "MemoryMax=25%", UINT64_C(2) << 30, UINT64_MAX, UINT64_MAX },
                { "MemoryMax=infinity", UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { "MemoryMax=", UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { "TasksMax=12", UINT64_MAX, 12, UINT64_MAX },
                { "TasksMax=10%", UINT64_MAX, 100, UINT64_MAX },
                { "TasksMax=infinity", UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { "CPUQuota=20%", UINT64_MAX, UINT64_MAX, 200 },
                { "CPUQuota=150%", UINT64_MAX, UINT64_MAX, 1500 },
                { "CPUQuota=12.5%", UINT64_MAX, UINT64_MAX, 125 },
                { "CPUQuota=", UINT64_MAX, UINT64_MAX, UINT64_MAX },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                PLAN(rows[i].line);
                assert_int_equal(p.memory_max_bytes, rows[i].memory);
                assert_int_equal(p.tasks_max, rows[i].tasks);
                assert_int_equal(p.cpu_quota_permille, rows[i].cpu);
        }
}

static void process_limits(void **state)
{
        static const struct {
                const char *line;
                enum plan_limit_kind kind;
                uint64_t soft, hard;
        } rows[] = {
                { "LimitCPU=2", PLAN_LIMIT_CPU, 2, 2 },
                { "LimitCPU=1500ms:1min", PLAN_LIMIT_CPU, 2, 60 },
                { "LimitCPU=1us:infinity", PLAN_LIMIT_CPU, 1, UINT64_MAX },
                { "LimitFSIZE=1.5K", PLAN_LIMIT_FSIZE, 1536, 1536 },
                { "LimitDATA=64M:1G", PLAN_LIMIT_DATA, 64 << 20, 1 << 30 },
                { "LimitSTACK=infinity", PLAN_LIMIT_STACK, UINT64_MAX, UINT64_MAX },
                { "LimitCORE=0:infinity", PLAN_LIMIT_CORE, 0, UINT64_MAX },
                { "LimitRSS=1T", PLAN_LIMIT_RSS, UINT64_C(1) << 40, UINT64_C(1) << 40 },
                { "LimitNOFILE=1024:524288", PLAN_LIMIT_NOFILE, 1024, 524288 },
                { "LimitAS=1G", PLAN_LIMIT_AS, 1 << 30, 1 << 30 },
                { "LimitNPROC=7", PLAN_LIMIT_NPROC, 7, 7 },
                { "LimitMEMLOCK=8M", PLAN_LIMIT_MEMLOCK, 8 << 20, 8 << 20 },
                { "LimitLOCKS=3", PLAN_LIMIT_LOCKS, 3, 3 },
                { "LimitSIGPENDING=4:5", PLAN_LIMIT_SIGPENDING, 4, 5 },
                { "LimitMSGQUEUE=1K", PLAN_LIMIT_MSGQUEUE, 1024, 1024 },
                { "LimitNICE=+5", PLAN_LIMIT_NICE, 15, 15 },
                { "LimitNICE=+19:-20", PLAN_LIMIT_NICE, 1, 40 },
                { "LimitNICE=30", PLAN_LIMIT_NICE, 30, 30 },
                { "LimitNICE=infinity", PLAN_LIMIT_NICE, UINT64_MAX, UINT64_MAX },
                { "LimitRTPRIO=10", PLAN_LIMIT_RTPRIO, 10, 10 },
                { "LimitRTTIME=1000", PLAN_LIMIT_RTTIME, 1000, 1000 },
                { "LimitRTTIME=1ms:2s", PLAN_LIMIT_RTTIME, 1000, 2000000 },
        };
        static const char *const bad[] = {
                "LimitCPU=x", "LimitCPU=2:1", "LimitCPU=1:", "LimitCPU=:1", "LimitCPU=1:2:3", "LimitCPU=-1", "LimitFSIZE=1X",
                "LimitFSIZE=infinity:1", "LimitFSIZE=10%", "LimitNOFILE=1K", "LimitNOFILE=18446744073709551615", "LimitNOFILE=+1",
                "LimitNICE=+20", "LimitNICE=-21", "LimitNICE=41", "LimitNICE=--1", "LimitRTPRIO=1s", "LimitRTTIME=1K",
                "LimitNPROC=1.5", "LimitCORE=18446744073709551616",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                PLAN(rows[i].line);
                const struct plan_limit *l = &p.process.limits[rows[i].kind];
                assert_string_equal(l->origin, rows[i].line);
                assert_int_equal(l->soft, rows[i].soft);
                assert_int_equal(l->hard, rows[i].hard);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(bad[i], "directive.value");
        PLAN("LimitCORE=5", "LimitCORE=", "LimitAS=1", "LimitAS=2");
        assert_null(p.process.limits[PLAN_LIMIT_CORE].origin);
        assert_int_equal(p.process.limits[PLAN_LIMIT_AS].soft, 2);
}

static void attributes(void **state)
{
        static const struct {
                const char *line;
                enum plan_attribute_kind kind;
                int64_t value;
        } rows[] = {
                { "Nice=-20", PLAN_NICE, -20 }, { "Nice=+19", PLAN_NICE, 19 }, { "Nice=0", PLAN_NICE, 0 },
                { "OOMScoreAdjust=-1000", PLAN_OOM_SCORE_ADJUST, -1000 }, { "OOMScoreAdjust=1000", PLAN_OOM_SCORE_ADJUST, 1000 },
                { "TimerSlackNSec=50", PLAN_TIMER_SLACK_NS, 50 }, { "TimerSlackNSec=50ns", PLAN_TIMER_SLACK_NS, 50 },
                { "TimerSlackNSec=7 us", PLAN_TIMER_SLACK_NS, 7000 }, { "TimerSlackNSec=1.5ms", PLAN_TIMER_SLACK_NS, 1500000 },
                { "IOSchedulingClass=idle", PLAN_IO_CLASS, 3 }, { "IOSchedulingClass=1", PLAN_IO_CLASS, 1 }, { "IOSchedulingClass=none", PLAN_IO_CLASS, 0 },
                { "IOSchedulingPriority=7", PLAN_IO_PRIORITY, 7 }, { "CPUSchedulingPolicy=batch", PLAN_CPU_POLICY, 3 },
                { "CPUSchedulingPolicy=idle", PLAN_CPU_POLICY, 5 }, { "CPUSchedulingPolicy=rr", PLAN_CPU_POLICY, 2 },
                { "CPUSchedulingPolicy=fifo", PLAN_CPU_PRIORITY, 1 }, { "CPUSchedulingResetOnFork=yes", PLAN_CPU_RESET_ON_FORK, 1 },
                { "NUMAPolicy=local", PLAN_NUMA_POLICY, 4 }, { "CoredumpFilter=0x1F", PLAN_COREDUMP_FILTER, 0x1f },
                { "CoredumpFilter=33", PLAN_COREDUMP_FILTER, 0x33 }, { "CoredumpFilter=default private-dax", PLAN_COREDUMP_FILTER, 0xb3 },
                { "CoredumpFilter=all", PLAN_COREDUMP_FILTER, 0x1ff }, { "IgnoreSIGPIPE=no", PLAN_IGNORE_SIGPIPE, 0 },
        };
        static const char *const bad[] = {
                "Nice=20", "Nice=-21", "Nice=1x", "Nice=+-1", "OOMScoreAdjust=1001", "OOMScoreAdjust=x", "TimerSlackNSec=-1", "TimerSlackNSec=1x",
                "TimerSlackNSec=99999999999999999999", "IOSchedulingClass=4", "IOSchedulingClass=slow", "IOSchedulingPriority=8",
                "CPUSchedulingPolicy=deadline", "CPUSchedulingPolicy=1", "CPUSchedulingPriority=100", "CPUSchedulingPriority=5",
                "CPUSchedulingResetOnFork=maybe", "NUMAPolicy=best", "NUMAPolicy=bind", "NUMAPolicy=interleave", "Personality=z80",
                "CoredumpFilter=0x", "CoredumpFilter=some", "CoredumpFilter=123456789", "IgnoreSIGPIPE=perhaps", "CPUAffinity=numa",
                "CPUAffinity=3-1", "CPUAffinity=8192", "CPUAffinity=a", "CPUAffinity=1-", "CPUAffinity=,", "NUMAMask=all 1", "NUMAMask=-1",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                PLAN(rows[i].line);
                assert_string_equal(p.process.attributes[rows[i].kind].origin, rows[i].line);
                assert_int_equal(p.process.attributes[rows[i].kind].value, rows[i].value);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(bad[i], "directive.value");
        PLAN("Nice=5", "Nice=", "TimerSlackNSec=5", "TimerSlackNSec=infinity", "CoredumpFilter=1", "CoredumpFilter=", "CoredumpFilter=2",
             "CoredumpFilter=8", "CPUSchedulingPriority=7", "CPUSchedulingPolicy=rr");
        assert_null(p.process.attributes[PLAN_NICE].origin);
        assert_null(p.process.attributes[PLAN_TIMER_SLACK_NS].origin);
        assert_int_equal(p.process.attributes[PLAN_COREDUMP_FILTER].value, 10);
        assert_int_equal(p.process.attributes[PLAN_CPU_PRIORITY].value, 7);
}

static void numbers(void **state)
{
        static const struct {
                const char *lines[4], *cpus;
        } rows[] = {
                { { "CPUAffinity=0" }, "0" }, { { "CPUAffinity=0-3" }, "0-3" }, { { "CPUAffinity=3 1,2 7" }, "1-3,7" },
                { { "CPUAffinity=1", "CPUAffinity=0 2-4" }, "0-4" }, { { "CPUAffinity=1", "CPUAffinity=", "CPUAffinity=5,5" }, "5" },
                { { "CPUAffinity=8191" }, "8191" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_PLAN struct plan p = { 0 };
                struct error e;
                assert_int_equal(compile(&p, false, &e, rows[i].lines), 0);
                assert_string_equal(p.process.cpus, rows[i].cpus);
        }
        PLAN("CPUAffinity=0", "CPUAffinity=2", "NUMAPolicy=preferred", "NUMAMask=1");
        assert_string_equal(p.process.cpus_origin, "CPUAffinity=0, CPUAffinity=2");
        assert_string_equal(p.process.numa_nodes, "1");
        CLEAN_PLAN struct plan none = { 0 }, all = { 0 }, two = { 0 }, lenient = { 0 };
        assert_int_equal(compile(&none, false, &e, LINES("CPUAffinity=1", "CPUAffinity=")), 0);
        assert_null(none.process.cpus);
        assert_int_equal(compile(&all, false, &e, LINES("NUMAMask=all", "NUMAPolicy=bind")), 0);
        assert_string_equal(all.process.numa_nodes, "all");
        assert_int_equal(compile(&two, false, &e, LINES("NUMAMask=0-1", "NUMAPolicy=preferred")), -EINVAL);
        assert_non_null(strstr(e.cause, "one node"));
        assert_int_equal(compile(&lenient, true, &e, LINES("NUMAPolicy=bind", "CPUSchedulingPriority=5")), 0);
        assert_null(lenient.process.attributes[PLAN_NUMA_POLICY].origin);
        assert_int_equal(lenient.notes.count, 2);
}

static void environment_sources(void **state)
{
        static const char *const bad[] = {
                "PassEnvironment=1A", "PassEnvironment=A=b", "UnsetEnvironment=1A", "UnsetEnvironment==b", "EnvironmentFile=x", "EnvironmentFile=-x",
                "EnvironmentFile=/a/../b", "EnvironmentFile=/a*/b", "ExecSearchPath=bin", "ExecSearchPath=/a::/b", "ExecSearchPath=/a:", 
                "StandardInput=inherit", "StandardInput=append:/x", "StandardInput=file:x", "StandardOutput=file:", "StandardOutput=tty-force",
                "StandardError=append:x", "RuntimeDirectoryMode=8", "StateDirectoryMode=10000", "CacheDirectoryMode=rwx", "LogsDirectoryMode=-1",
                "RuntimeDirectoryPreserve=maybe",
        };
        PLAN("PassEnvironment=A B", "PassEnvironment=C", "EnvironmentFile=/a//b c", "EnvironmentFile=-/%p/*.env", "UnsetEnvironment=A \"B=x y\"",
             "ExecSearchPath=/a:/b/", "ExecSearchPath=/c");
        (void)state;
        assert_int_equal(p.process.pass.count, 3);
        assert_string_equal(p.process.pass_origin, "PassEnvironment=A B, PassEnvironment=C");
        assert_int_equal(p.process.files.count, 2);
        assert_string_equal(p.process.files.items[0], "/a/b c");
        assert_string_equal(p.process.files.items[1], "-/web-front/*.env");
        assert_string_equal(p.process.unset.items[1], "B=x y");
        assert_int_equal(p.process.search_path.count, 3);
        assert_string_equal(p.process.search_path.items[1], "/b");
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(bad[i], "directive.value");
        static const char *const not_yet[] = { "StandardError=journal+console", "StandardOutput=kmsg", "StandardOutput=kmsg+console" };
        for (size_t i = 0; i < ELEMENTS(not_yet); i++)
                assert_refused(not_yet[i], "directive.unsupported");
        CLEAN_PLAN struct plan none = { 0 };
        assert_int_equal(compile(&none, false, &e, LINES("PassEnvironment=A", "PassEnvironment=", "EnvironmentFile=/a", "EnvironmentFile=", "UnsetEnvironment=A",
                                                         "UnsetEnvironment=", "ExecSearchPath=/a", "ExecSearchPath=", "StandardOutput=null", "StandardOutput=")), 0);
        assert_int_equal(none.process.pass.count + none.process.files.count + none.process.unset.count + none.process.search_path.count, 0);
        assert_null(none.process.streams[1].origin);
}

static void streams(void **state)
{
        PLAN("StandardInput=file:/in//x", "StandardOutput=append:/%p/out", "StandardError=truncate:/err");
        (void)state;
        assert_int_equal(p.process.streams[0].kind, PLAN_STREAM_FILE);
        assert_string_equal(p.process.streams[0].path, "/in/x");
        assert_int_equal(p.process.streams[1].kind, PLAN_STREAM_APPEND);
        assert_string_equal(p.process.streams[1].path, "/web-front/out");
        assert_int_equal(p.process.streams[2].kind, PLAN_STREAM_TRUNCATE);
        CLEAN_PLAN struct plan null = { 0 };
        assert_int_equal(compile(&null, false, &e, LINES("StandardInput=null", "StandardOutput=inherit")), 0);
        assert_int_equal(null.process.streams[0].kind, PLAN_STREAM_NULL);
        assert_string_equal(null.process.streams[1].origin, "StandardOutput=inherit");
        CLEAN_PLAN struct plan given = { 0 };
        assert_int_equal(compile(&given, false, &e, LINES("StandardInput=fd", "StandardOutput=fd:front", "StandardError=socket")), 0);
        assert_int_equal(given.process.streams[0].kind, PLAN_STREAM_NAMED);
        assert_string_equal(given.process.streams[0].path, "stdin");
        assert_string_equal(given.process.streams[1].path, "front");
        assert_true(given.process.streams[2].kind == PLAN_STREAM_SOCKET && !given.process.streams[2].path);
        static const char *const bad_names[] = { "StandardInput=fd:", "StandardInput=fd:a:b", "StandardError=fd:\x01", "StandardInput=kmsg", "StandardInput=socket:x" };
        for (size_t i = 0; i < ELEMENTS(bad_names); i++)
                assert_refused(bad_names[i], "directive.value");
}

static void folder_modes(void **state)
{
        PLAN("RuntimeDirectory=a", "RuntimeDirectoryMode=0700", "StateDirectory=b c", "StateDirectoryMode=2750", "RuntimeDirectoryPreserve=yes", "LogsDirectory=d");
        (void)state;
        assert_int_equal(p.folders[0].mode, 0700);
        assert_string_equal(p.folders[0].origin, "RuntimeDirectory=a, RuntimeDirectoryMode=0700, RuntimeDirectoryPreserve=yes");
        assert_int_equal(p.folders[1].mode, 02750);
        assert_int_equal(p.folders[2].mode, 02750);
        assert_int_equal(p.folders[3].mode, 0755);
        assert_true(p.runtime_folders_kept);
        CLEAN_PLAN struct plan restart = { 0 };
        assert_int_equal(compile(&restart, false, &e, LINES("RuntimeDirectory=a", "RuntimeDirectoryPreserve=restart")), 0);
        assert_false(restart.runtime_folders_kept);
}

static void resources(void **state)
{
        static const struct {
                const char *line;
                enum plan_amount_kind kind;
                uint64_t value;
        } rows[] = {
                { "MemoryHigh=64M", PLAN_MEMORY_HIGH, UINT64_C(64) << 20 }, { "MemoryHigh=infinity", PLAN_MEMORY_HIGH, UINT64_MAX },
                { "MemoryLow=0", PLAN_MEMORY_LOW, 0 }, { "MemoryLow=25%", PLAN_MEMORY_LOW, UINT64_C(2) << 30 }, { "MemoryMin=1K", PLAN_MEMORY_MIN, 1024 },
                { "MemorySwapMax=0", PLAN_MEMORY_SWAP_MAX, 0 }, { "MemorySwapMax=infinity", PLAN_MEMORY_SWAP_MAX, UINT64_MAX },
                { "CPUWeight=1", PLAN_CPU_WEIGHT, 1 }, { "CPUWeight=10000", PLAN_CPU_WEIGHT, 10000 }, { "CPUWeight=idle", PLAN_CPU_WEIGHT, 0 },
                { "CPUQuotaPeriodSec=10ms", PLAN_CPU_QUOTA_PERIOD_USEC, 10000 }, { "IOWeight=200", PLAN_IO_WEIGHT, 200 },
        };
        static const char *const bad[] = {
                "MemoryHigh=0", "MemoryHigh=1X", "MemoryLow=-1", "MemoryMin=x", "MemorySwapMax=1.5.5", "CPUWeight=0", "CPUWeight=10001", "CPUWeight=x",
                "CPUQuotaPeriodSec=x", "IOWeight=idle", "IOWeight=0", "IODeviceWeight=/dev/sda", "IODeviceWeight=/dev/sda 0", "IODeviceWeight=sda 5",
                "IOReadBandwidthMax=/dev/sda", "IOReadBandwidthMax=/dev/sda 0", "IOReadBandwidthMax=/dev/sda 1x", "IOReadBandwidthMax=/dev/sda 1K 2",
                "IOWriteIOPSMax=x 1", "AllowedCPUs=x", "AllowedCPUs=3-1", "AllowedMemoryNodes=all", "DevicePolicy=yes", "DevicePolicy=open",
                "DeviceAllow=/dev/sda x", "DeviceAllow=/dev/sda rr", "DeviceAllow=/dev/sda r w", "DeviceAllow=/etc/x", "DeviceAllow=char-", "DeviceAllow=net-x",
                "DeviceAllow=/dev/../etc/x",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                PLAN(rows[i].line);
                assert_string_equal(p.resources.amounts[rows[i].kind].origin, rows[i].line);
                assert_int_equal(p.resources.amounts[rows[i].kind].value, rows[i].value);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(bad[i], "directive.value");
        PLAN("IOReadBandwidthMax=/dev/sda 1K", "IOReadBandwidthMax=/dev/sda 5M", "IOWriteIOPSMax=\"/srv/a b\" infinity", "IODeviceWeight=/ 7", "AllowedCPUs=1 0",
             "AllowedMemoryNodes=0", "DevicePolicy=strict", "DeviceAllow=/dev/kvm", "DeviceAllow=char-pts rw", "DeviceAllow=block-* m");
        assert_int_equal(p.resources.io_count, 3);
        assert_int_equal(p.resources.io[1].value, 5000000);
        assert_string_equal(p.resources.io[1].origin, "IOReadBandwidthMax=/dev/sda 5M");
        assert_int_equal(p.resources.io[0].value, 7);
        assert_string_equal(p.resources.io[2].path, "/srv/a b");
        assert_int_equal(p.resources.io[2].value, UINT64_MAX);
        assert_string_equal(p.resources.cpus, "0-1");
        assert_string_equal(p.resources.memory_nodes, "0");
        assert_int_equal(p.resources.device_policy, PLAN_DEVICES_STRICT);
        assert_int_equal(p.resources.rule_count, 3);
        assert_int_equal(p.resources.rules[0].access, 7);
        assert_int_equal(p.resources.rules[1].access, 6);
        assert_int_equal(p.resources.rules[2].access, 1);
        CLEAN_PLAN struct plan none = { 0 };
        assert_int_equal(compile(&none, false, &e, LINES("DeviceAllow=/dev/kvm", "DeviceAllow=", "IOReadIOPSMax=/ 5", "IOReadIOPSMax=", "AllowedCPUs=0", "AllowedCPUs=",
                                                         "MemoryLow=1", "MemoryLow=", "DevicePolicy=closed", "DevicePolicy=")), 0);
        assert_int_equal(none.resources.rule_count + none.resources.io_count, 0);
        assert_null(none.resources.cpus);
        assert_null(none.resources.amounts[PLAN_MEMORY_LOW].origin);
        assert_false(plan_resources_close_devices(&none.resources));
}

static void quota_periods(void **state)
{
        static const struct {
                const char *period;
                uint64_t permille, expected_period, expected_quota;
        } rows[] = {
                { "", 200, 100000, 20000 }, { "10ms", 500, 10000, 5000 }, { "1us", 1000, 1000, 1000 }, { "1h", 2000, 1000000, 2000000 },
                { "1ms", 100, 10000, 1000 }, { "", 5, 200000, 1000 }, { "", 1, 1000000, 1000 }, { "", UINT64_MAX - 1, 100000, INT64_MAX },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *line = xprintf("CPUQuotaPeriodSec=%s", rows[i].period);
                uint64_t period, quota;
                PLAN(line);
                plan_quota(&p.resources, rows[i].permille, &period, &quota);
                assert_int_equal(period, rows[i].expected_period);
                assert_int_equal(quota, rows[i].expected_quota);
        }
}

static void process_settings(void **state)
{
        PLAN("UMask=0027", "WorkingDirectory=-/srv//x", "Environment=\"A=b c\" D=e", "Environment=F=", "Group=staff",
             "SupplementaryGroups=a b");
        (void)state;
        assert_int_equal(p.umask, 0027);
        assert_string_equal(p.working_directory, "/srv/x");
        assert_true(p.working_directory_optional);
        assert_int_equal(p.environment.count, 3);
        assert_string_equal(p.environment.items[0], "A=b c");
        assert_string_equal(p.environment.items[2], "F=");
        assert_string_equal(p.group, "staff");
        assert_int_equal(p.supplementary.count, 2);
}

static void folders_with_links(void **state)
{
        (void)state;
        static const struct {
                const char *name, *above, *links[2];
                bool read_only;
        } expected[] = { { "a", NULL, { NULL, NULL }, false },      { "a/bbb", "a", { NULL, NULL }, false }, { "a-x", NULL, { NULL, NULL }, false },
                         { "ab", NULL, { NULL, NULL }, true },      { "x", NULL, { "a/2", "a/3" }, false },  { "x/yyy", "x", { "a/1", NULL }, true } };
        PLAN("StateDirectory=x/yyy:a/1:ro a/bbb a", "StateDirectory=ab::ro x:a/2 a-x a x:a/3 x:a/2");
        assert_int_equal(p.folder_count, ELEMENTS(expected));
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                const struct plan_folder *f = &p.folders[i];
                assert_string_equal(f->name, expected[i].name);
                assert_string_equal(f->above ? f->above->name : "", expected[i].above ? expected[i].above : "");
                assert_int_equal(f->read_only, expected[i].read_only);
                assert_int_equal(f->links.count, (expected[i].links[0] != NULL) + (expected[i].links[1] != NULL));
                for (size_t k = 0; k < f->links.count; k++)
                        assert_string_equal(f->links.items[k], expected[i].links[k]);
        }
        assert_true(plan_has_mounts(&p)); /* for the read-only ones */
        plan_done(&p);
}

static void folders(void **state)
{
        PLAN("StateDirectory=a b/c", "RuntimeDirectory=%p", "ConfigurationDirectory=x", "ConfigurationDirectory=");
        (void)state;
        assert_int_equal(p.folder_count, 3);
        assert_int_equal(p.folders[0].kind, PLAN_RUNTIME_FOLDER);
        assert_string_equal(p.folders[0].name, "web-front");
        assert_string_equal(p.folders[2].name, "b/c");
}

static void filters(void **state)
{
        PLAN("SystemCallFilter=~@raw-io", "SystemCallFilter=~reboot", "SystemCallErrorNumber=EPERM");
        (void)state;
        assert_true(p.filter.set && !p.filter.allow_list);
        assert_int_equal(p.filter.default_error, EPERM);
        assert_string_equal(p.filter_origin, "SystemCallFilter=~@raw-io, SystemCallFilter=~reboot, SystemCallErrorNumber=EPERM");
        CLEAN_PLAN struct plan none = { 0 };
        assert_int_equal(compile(&none, false, &e, LINES("SystemCallFilter=read", "SystemCallFilter=")), 0);
        assert_false(none.filter.set);
        CLEAN_PLAN struct plan bad = { 0 };
        assert_true(compile(&bad, false, &e, LINES("SystemCallFilter=no_such_call")) < 0);
        assert_non_null(strstr(e.whiles[0], "SystemCallFilter=no_such_call"));
}

static void lenient(void **state)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        (void)state;
        assert_int_equal(compile(&p, true, &e, LINES("ProtectSystem=maybe", "ReadOnlyPaths=/a srv /b", "MemoryMax=x",
                                                     "CapabilityBoundingSet=CAP_KILL CAP_NONE", "SystemCallFilter=read no_such_call")), 0);
        /* One bad path does not take the protection of the others. */
        CLEAN_FREE char *got = mounts_text(&p);
        assert_string_equal(got, "/a ro; /b ro");
        assert_int_equal(p.bounding, BIT(CAP_KILL));
        assert_int_equal(p.memory_max_bytes, UINT64_MAX);
        assert_int_equal(p.notes.count, 5);
        CLEAN_TEXT struct text all = { 0 };
        for (size_t i = 0; i < p.notes.count; i++)
                text_addf(&all, "%s\n", p.notes.items[i]);
        static const char *const named[] = { "ProtectSystem=maybe", "\"srv\"", "MemoryMax=x", "CAP_NONE", "no_such_call" };
        for (size_t i = 0; i < ELEMENTS(named); i++)
                assert_non_null(strstr(all.data, named[i]));
}

static void bounds(void **state)
{
        CLEAN_SETTINGS struct settings s = { 0 };
        CLEAN_FREE char *big = xalloc(DIRECTIVE_VALUE_MAX + 32, 1);
        struct error e = { 0 };
        (void)state;
        memset(big, 'a', DIRECTIVE_VALUE_MAX + 31);
        memcpy(big, "ReadOnlyPaths=/", 15);
        assert_int_equal(settings_assign(&s, &facts, big, &e), -E2BIG);
        assert_string_equal(e.id, "directive.limit");
        for (int i = 0; i < DIRECTIVE_ASSIGNMENTS_MAX; i++)
                assert_int_equal(settings_assign(&s, &facts, "RemoveIPC=yes", &e), 0);
        assert_int_equal(settings_assign(&s, &facts, "RemoveIPC=yes", &e), -E2BIG);
}

static void names(void **state)
{
        const char *summary;
        (void)state;
        for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
                assert_non_null(directive_name(i, &summary));
                assert_true(*summary);
        }
        assert_null(directive_name(DIRECTIVE_COUNT, NULL));
        assert_true(directive_user_name_valid("_a-1"));
        assert_false(directive_user_name_valid("1a") || directive_user_name_valid("") || directive_user_name_valid("a.b"));
}

static void credentials(void **state)
{
        (void)state;
        PLAN("SetCredential=own:a\\x00b", "LoadCredential=key:/srv/%n", "ImportCredential=app.*:x.", "LoadCredential=plain", "SetCredential=own:later",
             "Environment=A=%d/key");
        const struct plan_credentials *c = &p.credentials;
        assert_int_equal(c->count, 4);
        assert_string_equal(c->items[0].source, "/srv/web-front@blue.service");
        assert_string_equal(c->items[1].source, "plain");
        assert_string_equal(c->items[2].name, "app.*");
        assert_string_equal(c->items[2].source, "x.");
        assert_int_equal(c->items[3].data.length, 5);
        assert_string_equal(c->items[3].origin, "SetCredential=own:...");
        assert_string_equal(c->folder, "/run/credentials/web-front@blue.service");
        assert_string_equal(p.environment.items[0], "A=/run/credentials/web-front@blue.service/key");
        assert_mounts(LINES("SetCredential=a:b"), "/run/credentials tmpfs,ro; /run/credentials/web-front@blue.service creds,ro");
        static const char *const bad[] = { "LoadCredential=a/b:/c", "LoadCredential=a:b/c", "LoadCredential=a:/b/../c", "LoadCredential=:/a", "SetCredential=a",
                                           "SetCredential=a:\\z", "ImportCredential=a/b", "ImportCredential=", NULL };
        for (size_t i = 0; bad[i + 1]; i++)
                assert_refused(bad[i], "directive.value");
}

static void roots(void **state)
{
        (void)state;
        PLAN("RootDirectory=/srv//%p/", "MountAPIVFS=no", "ReadOnlyPaths=/etc +/etc /srv/web-front/opt -/srv", "InaccessiblePaths=/srv /srv/web-front/x", "MountFlags=slave");
        assert_string_equal(p.unit_root.folder, "/srv/web-front");
        assert_int_equal(p.unit_root.propagation, MS_SLAVE);
        assert_int_equal(p.notes.count, 2); /* /etc, and /srv that cannot be hidden */
        CLEAN_FREE char *got = mounts_text(&p);
        assert_string_equal(got, "/ ro,optional; /x hidden");
        assert_mounts(LINES("RootImage=/x.raw", "ReadOnlyPaths=/etc", "BindLogSockets=no", "TemporaryFileSystem=/run"),
                      "/dev bind; /etc ro; /proc bind; /run tmpfs; /sys bind");
        assert_mounts(LINES("ReadOnlyPaths=+/etc -+/usr", "MountAPIVFS=yes"), "/etc ro; /usr ro,optional");
        assert_refused("RootImageOptions=usr:ro", "directive.value");
        assert_refused("RootDirectory=srv", "directive.value");
        CLEAN_PLAN struct plan both = { 0 };
        assert_int_equal(compile(&both, false, &e, LINES("RootDirectory=/srv", "RootImage=/x")), -EINVAL);
        assert_string_equal(e.id, "root.two");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(folders_with_links),
                cmocka_unit_test(bad_values), cmocka_unit_test(unknown_names), cmocka_unit_test(paths), cmocka_unit_test(binds),
                cmocka_unit_test(tmpfs_entries), cmocka_unit_test(specifiers), cmocka_unit_test(equal_paths),
                cmocka_unit_test(below_hidden), cmocka_unit_test(redundant_children), cmocka_unit_test(writing_and_running),
                cmocka_unit_test(normalizing_twice), cmocka_unit_test(protect_system), cmocka_unit_test(protect_home),
                cmocka_unit_test(private_parts), cmocka_unit_test(capabilities), cmocka_unit_test(dynamic_user),
                cmocka_unit_test(dynamic_user_own_words), cmocka_unit_test(limits), cmocka_unit_test(process_limits), cmocka_unit_test(attributes), cmocka_unit_test(numbers),
                cmocka_unit_test(environment_sources), cmocka_unit_test(streams), cmocka_unit_test(folder_modes), cmocka_unit_test(resources), cmocka_unit_test(quota_periods), cmocka_unit_test(process_settings),
                cmocka_unit_test(folders), cmocka_unit_test(filters), cmocka_unit_test(lenient), cmocka_unit_test(bounds),
                cmocka_unit_test(names), cmocka_unit_test(the_kernel_protected), cmocka_unit_test(kernel_tunables),
                cmocka_unit_test(control_groups), cmocka_unit_test(processes_in_proc), cmocka_unit_test(restricted_namespaces),
                cmocka_unit_test(restricted_families), cmocka_unit_test(other_restrictions), cmocka_unit_test(ambient_capabilities),
                cmocka_unit_test(secure_bits_and_keyring), cmocka_unit_test(host_names), cmocka_unit_test(credentials), cmocka_unit_test(roots),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
