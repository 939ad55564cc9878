/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "plan/directive.h"
#include "plan/explain.h"

#define ALL ((UINT64_C(1) << 41) - 1)

static const struct explain_host root_host = { .privileged = true, .landlock = true, .capabilities = ALL };
static const struct explain_host user_host = { .privileged = false, .landlock = true, .capabilities = ALL };
static const struct explain_host old_host = { .privileged = true, .landlock = false, .capabilities = ALL };

static const struct facts facts = {
        .unit = "demo.service", .boot_id = "b", .machine_id = "m", .hostname = "h", .user_name = "alice", .home = "/home/alice",
        .shell = "/bin/sh", .runtime_folder = "/run", .state_folder = "/var/lib", .cache_folder = "/var/cache",
        .logs_folder = "/var/log", .configuration_folder = "/etc", .uid = 1000, .gid = 1000, .capabilities = ALL,
        .memory_bytes = UINT64_C(1) << 30, .pids_max = 1000,
};

typedef void (*explainer)(const struct plan *p, const struct explain_host *host, struct text *t);

static char *explain(explainer f, const struct explain_host *host, bool lenient, const char *const *lines)
{
        CLEAN_SETTINGS struct settings s = { .lenient = lenient };
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        struct facts own = facts;
        own.user_mode = !host->privileged;
        for (; *lines; lines++)
                assert_int_equal(settings_assign(&s, &own, *lines, &e), 0);
        assert_int_equal(settings_compile(&s, &own, &p, &e), 0);
        strings_add(&p.argv, "id");
        strings_add(&p.argv, "-u");
        f(&p, host, &t);
        return TAKE_PTR(t.data);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Runs of blanks count as one here: columns are for the eye. */
static char *squeeze(const char *s)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (; *s; s++)
                if (*s != ' ' || (s[1] != ' ' && t.length && t.data[t.length - 1] != '\n'))
                        text_add_bytes(&t, s, 1);
        return TAKE_PTR(t.data);
}

static void assert_text(const struct explain_host *host, const char *const *lines, const char *expected)
{
        CLEAN_FREE char *got = explain(explain_text, host, false, lines), *squeezed = squeeze(got);
        assert_string_equal(squeezed, expected);
}

static void dynamic(void **state)
{
        (void)state;
        assert_text(&root_host,
                    LINES("DynamicUser=yes", "PrivateDevices=yes", "InaccessiblePaths=-/srv", "NoExecPaths=/tmp", "StateDirectory=demo",
                          "MemoryMax=1M", "CPUQuota=12.5%", "Environment=A=b", "SystemCallFilter=~reboot", "SystemCallErrorNumber=EPERM"),
                    "unit demo.service of the system\n"
                    "command id -u\n"
                    "identity named after the unit exists only while it runs DynamicUser=yes\n"
                    "IPC objects removed at the end RemoveIPC=yes (implied by DynamicUser=yes)\n"
                    "namespace mount its own mounts PrivateTmp=disconnected (implied by DynamicUser=yes)\n"
                    "mount / read-only ProtectSystem=strict (implied by DynamicUser=yes)\n"
                    "mount /dev no hardware, read-only PrivateDevices=yes\n"
                    "mount /proc stays writable ProtectSystem=strict (implied by DynamicUser=yes)\n"
                    "mount /srv hidden, if there InaccessiblePaths=-/srv\n"
                    "mount /sys stays writable ProtectSystem=strict (implied by DynamicUser=yes)\n"
                    "mount /tmp its own, in memory, nothing runs from it PrivateTmp=disconnected (implied by DynamicUser=yes)\n"
                    "mount /var/tmp its own, in memory, if there PrivateTmp=disconnected (implied by DynamicUser=yes)\n"
                    "capabilities 39 of 41 kept default\n"
                    "removed CAP_MKNOD PrivateDevices=yes\n"
                    "removed CAP_SYS_RAWIO PrivateDevices=yes\n"
                    "privileges no new ones execve never gains any NoNewPrivileges=yes (implied by DynamicUser=yes)\n"
                    "privileges no set-id files none can be made RestrictSUIDSGID=yes (implied by DynamicUser=yes)\n"
                    "system calls @raw-io fails with errno 1 (EPERM) PrivateDevices=yes\n"
                    "system calls 1 denied each fails with errno 1 (EPERM) SystemCallFilter=~reboot, SystemCallErrorNumber=EPERM\n"
                    "limits memory 1048576 bytes MemoryMax=1M\n"
                    "limits CPU time 12.5% of one CPU CPUQuota=12.5%\n"
                    "limits devices null, zero, full, random, terminals PrivateDevices=yes\n"
                    "folders /var/lib/demo state, mode 0755, below private/ StateDirectory=demo\n"
                    "environment A=b Environment= or --setenv\n"
                    "seal Landlock mounts cannot be undone default\n"
                    "call filter mount calls are refused default\n"
                    "Landlock backs the list of writable places ProtectSystem=strict (implied by DynamicUser=yes)\n"
                    "\nNot closed by this plan\n"
                    "nothing that this list knows of\n");
}

static void the_kernel_and_proc(void **state)
{
        (void)state;
        CLEAN_FREE char *got = explain(explain_text, &root_host, false,
                                       LINES("ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectClock=yes",
                                             "ProtectControlGroups=strict", "ProtectProc=invisible", "ProcSubset=pid"));
        CLEAN_FREE char *text = squeeze(got);
        static const char *const lines[] = {
                "mount /proc a new one, others' processes hidden, nothing but processes ProtectProc=invisible, ProcSubset=pid\n",
                "mount /proc/sys read-only, if there ProtectKernelTunables=yes\n",
                "mount /sys read-only ProtectKernelTunables=yes\n",
                "mount /usr/lib/modules hidden, if there ProtectKernelModules=yes\n",
                "mount /dev/kmsg hidden, if there ProtectKernelLogs=yes\n",
                "removed CAP_SYS_MODULE ProtectKernelModules=yes\n", "removed CAP_SYSLOG ProtectKernelLogs=yes\n",
                "removed CAP_SYS_TIME ProtectClock=yes\n", "removed CAP_WAKE_ALARM ProtectClock=yes\n",
                "system calls _sysctl fails with errno 1 (EPERM) ProtectKernelTunables=yes\n",
                "system calls @module fails with errno 1 (EPERM) ProtectKernelModules=yes\n",
                "system calls syslog fails with errno 1 (EPERM) ProtectKernelLogs=yes\n",
                "system calls @clock fails with errno 1 (EPERM) ProtectClock=yes\n",
                "note ProtectControlGroups=strict: this host's control groups are not v2 alone; taken as yes\n",
        };
        for (size_t i = 0; i < ELEMENTS(lines); i++)
                if (!strstr(text, lines[i]))
                        fail_msg("%s is not in %s", lines[i], text);
        CLEAN_FREE char *own = explain(explain_text, &root_host, false, LINES("PrivatePIDs=yes", "ProtectProc=noaccess"));
        assert_non_null(strstr(own, "its own processes, others' processes closed"));
        CLEAN_FREE char *json = explain(explain_json, &root_host, false, LINES("ProtectProc=ptraceable", "ProcSubset=pid"));
        assert_non_null(strstr(json, "{\"path\":\"/proc\",\"kind\":\"proc\",\"source\":null,\"options\":[\"hidepid=ptraceable\",\"subset=pid\"],"
                                     "\"origin\":\"ProtectProc=ptraceable, ProcSubset=pid\"}"));
}

static void restrictions(void **state)
{
        (void)state;
        CLEAN_FREE char *got = explain(explain_text, &root_host, false,
                                       LINES("RestrictNamespaces=net", "RestrictRealtime=yes", "LockPersonality=yes", "RestrictAddressFamilies=~AF_PACKET",
                                             "SystemCallArchitectures=native", "MemoryDenyWriteExecute=yes"));
        CLEAN_FREE char *text = squeeze(got);
        assert_non_null(strstr(text, "restricted namespaces only of these can be made: net RestrictNamespaces=net\n"
                                     "restricted realtime scheduling cannot be had RestrictRealtime=yes\n"
                                     "restricted execution domain stays as it is LockPersonality=yes\n"
                                     "restricted sockets none of these: AF_PACKET RestrictAddressFamilies=~AF_PACKET\n"
                                     "restricted architectures only of these: native SystemCallArchitectures=native\n"
                                     "restricted memory never writable and executable MemoryDenyWriteExecute=yes\n"));
        CLEAN_FREE char *json = explain(explain_json, &root_host, false, LINES("RestrictRealtime=yes", "RestrictAddressFamilies=none"));
        assert_non_null(strstr(json, "\"restrictions\":[{\"kind\":\"realtime\",\"words\":\"cannot be had\",\"origin\":\"RestrictRealtime=yes\"},"
                                     "{\"kind\":\"address-families\",\"words\":\"none can be opened\",\"origin\":\"RestrictAddressFamilies=none\"}]"));
}

static void what_the_process_keeps(void **state)
{
        (void)state;
        CLEAN_FREE char *got = explain(explain_text, &root_host, false,
                                       LINES("User=nobody", "AmbientCapabilities=CAP_KILL CAP_SYS_TIME", "SecureBits=noroot keep-caps", "KeyringMode=shared",
                                             "ProtectHostname=yes:box"));
        CLEAN_FREE char *text = squeeze(got);
        static const char *const lines[] = { "ambient CAP_KILL CAP_SYS_TIME AmbientCapabilities=CAP_KILL CAP_SYS_TIME\n",
                                             "privileges secure bits noroot keep-caps SecureBits=noroot keep-caps\n",
                                             "keyring shared its own, with the user's keyring in it KeyringMode=shared\n",
                                             "host name box ProtectHostname=yes:box\n", "the clock can be set closed by ProtectClock=yes\n" };
        for (size_t i = 0; i < ELEMENTS(lines); i++)
                if (!strstr(text, lines[i]))
                        fail_msg("%s is not in %s", lines[i], text);
        CLEAN_FREE char *json = explain(explain_json, &root_host, false, LINES("AmbientCapabilities=CAP_KILL", "SecureBits=noroot-locked", "KeyringMode=inherit"));
        assert_non_null(strstr(json, "\"ambient\":[\"CAP_KILL\"],\"ambient_origin\":\"AmbientCapabilities=CAP_KILL\"}"));
        assert_non_null(strstr(json, "\"secure_bits\":{\"set\":[\"noroot-locked\"],\"origin\":\"SecureBits=noroot-locked\"}"));
        assert_non_null(strstr(json, "\"hostname\":{\"value\":null,\"origin\":null},\"keyring\":{\"value\":\"inherit\",\"origin\":\"KeyringMode=inherit\"}"));
}

static void plain_root(void **state)
{
        (void)state;
        assert_text(&old_host, LINES("PrivatePIDs=yes", "CapabilityBoundingSet=CAP_SYS_MODULE CAP_SYS_TIME", "SystemCallFilter=~init_module finit_module",
                                     "BindReadOnlyPaths=/a:/mnt", "InaccessiblePaths=/home /root /run"),
                    "unit demo.service of the system\n"
                    "command id -u\n"
                    "identity unchanged default\n"
                    "namespace mount its own mounts PrivatePIDs=yes\n"
                    "namespace pid sees its own processes only PrivatePIDs=yes\n"
                    "mount /home hidden InaccessiblePaths=/home /root /run\n"
                    "mount /mnt shows /a, read-only BindReadOnlyPaths=/a:/mnt\n"
                    "mount /proc its own processes PrivatePIDs=yes\n"
                    "mount /root hidden InaccessiblePaths=/home /root /run\n"
                    "mount /run hidden InaccessiblePaths=/home /root /run\n"
                    "capabilities 2 of 41 kept CapabilityBoundingSet=CAP_SYS_MODULE CAP_SYS_TIME\n"
                    "kept CAP_SYS_MODULE CAP_SYS_TIME\n"
                    "system calls 2 denied each ends the process SystemCallFilter=~init_module finit_module\n"
                    "seal user namespace mounts cannot be undone default\n"
                    "call filter mount calls are refused default\n"
                    "\nNot closed by this plan\n"
                    "files of the host can be changed closed by ProtectSystem=strict\n"
                    "raw devices can be read and written closed by PrivateDevices=yes\n"
                    "kernel settings below /proc/sys can be changed closed by ProtectKernelTunables=yes\n"
                    "devices and the kernel can be changed through /sys closed by ProtectKernelTunables=yes\n"
                    "the clock can be set closed by ProtectClock=yes\n");
}

static void ordinary_user(void **state)
{
        (void)state;
        assert_text(&user_host, LINES("ProtectSystem=full", "CacheDirectory=x"),
                    "unit demo.service of an ordinary user\n"
                    "command id -u\n"
                    "identity unchanged default\n"
                    "namespace user its own id onto itself, made first implied for an ordinary user\n"
                    "namespace mount its own mounts ProtectSystem=full\n"
                    "mount /boot read-only, if there ProtectSystem=full\n"
                    "mount /efi read-only, if there ProtectSystem=full\n"
                    "mount /etc read-only ProtectSystem=full\n"
                    "mount /usr read-only ProtectSystem=full\n"
                    "capabilities 41 of 41 kept inside its user namespace default\n"
                    "folders ~/.cache/x cache, mode 0755 CacheDirectory=x\n"
                    "seal Landlock mounts cannot be undone default\n"
                    "call filter mount calls are refused default\n"
                    "\nNot closed by this plan\n"
                    "nothing that this list knows of\n");
}

/* Whether the text has a line that begins so, blanks squeezed. */
static void assert_line(const char *const *lines, const char *expected)
{
        CLEAN_FREE char *got = explain(explain_text, &root_host, false, lines), *squeezed = squeeze(got);
        if (!strstr(squeezed, expected))
                fail_msg("\"%s\" is not in\n%s", expected, squeezed);
}

static void assert_json(const char *const *lines, const char *expected)
{
        CLEAN_FREE char *got = explain(explain_json, &root_host, false, lines);
        json_t *o = json_loads(got, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(o);
        json_decref(o);
        if (!strstr(got, expected))
                fail_msg("\"%s\" is not in\n%s", expected, got);
}

static void process_limits(void **state)
{
        (void)state;
        assert_line(LINES("LimitNOFILE=10:20"), "limits open files 10, may be raised to 20 LimitNOFILE=10:20\n");
        assert_line(LINES("LimitCPU=1min"), "limits CPU time of a process 60s LimitCPU=1min\n");
        assert_line(LINES("LimitCORE=infinity"), "limits core dump none LimitCORE=infinity\n");
        assert_json(LINES("LimitCORE=0:infinity", "LimitNICE=+5"),
                    "\"process_limits\":{\"core_bytes\":{\"soft\":0,\"hard\":null,\"origin\":\"LimitCORE=0:infinity\"},"
                    "\"nice\":{\"soft\":15,\"hard\":15,\"origin\":\"LimitNICE=+5\"}}");
        assert_json(LINES("RemoveIPC=no"), "\"process_limits\":{}");
}

static void attributes(void **state)
{
        (void)state;
        assert_line(LINES("Nice=-5"), "process nice level -5 Nice=-5\n");
        assert_line(LINES("TimerSlackNSec=1us"), "process timer slack 1000 ns TimerSlackNSec=1us\n");
        assert_line(LINES("IOSchedulingClass=3"), "process I/O class idle IOSchedulingClass=3\n");
        assert_line(LINES("CPUSchedulingPolicy=fifo"), "process CPU scheduler fifo CPUSchedulingPolicy=fifo\nprocess CPU priority 1 CPUSchedulingPolicy=fifo\n");
        assert_line(LINES("CPUSchedulingResetOnFork=yes"), "process scheduler of children the default CPUSchedulingResetOnFork=yes\n");
        assert_line(LINES("CoredumpFilter=all"), "process core dump contains 0x1ff CoredumpFilter=all\n");
        assert_line(LINES("IgnoreSIGPIPE=no"), "process SIGPIPE ends the process IgnoreSIGPIPE=no\n");
        assert_line(LINES("CPUAffinity=1 0"), "process CPUs 0-1 CPUAffinity=1 0\n");
        assert_json(LINES("Nice=-5", "IgnoreSIGPIPE=no", "CPUAffinity=1", "IOSchedulingClass=idle"),
                    "\"process\":{\"nice\":{\"value\":-5,\"origin\":\"Nice=-5\"},\"io_class\":{\"value\":\"idle\",\"origin\":\"IOSchedulingClass=idle\"},"
                    "\"ignore_sigpipe\":{\"value\":false,\"origin\":\"IgnoreSIGPIPE=no\"},\"cpus\":{\"value\":\"1\",\"origin\":\"CPUAffinity=1\"}}");
        assert_json(LINES("NUMAPolicy=bind", "NUMAMask=all"), "\"numa_nodes\":{\"value\":\"all\",\"origin\":\"NUMAMask=all\"}");
}

static void environment_and_streams(void **state)
{
        (void)state;
        assert_line(LINES("PassEnvironment=A"), "environment A from the caller, where it is set PassEnvironment=A\n");
        assert_line(LINES("EnvironmentFile=-/a"), "environment /a from this file, if there EnvironmentFile=-/a\n");
        assert_line(LINES("UnsetEnvironment=A=b"), "environment A=b taken away UnsetEnvironment=A=b\n");
        assert_line(LINES("ExecSearchPath=/a"), "search path /a where programs are looked for, and PATH ExecSearchPath=/a\n");
        assert_line(LINES("StandardOutput=append:/x"), "process standard output append /x StandardOutput=append:/x\n"
                                                       "process standard error where standard output goes StandardOutput=append:/x\n");
        assert_line(LINES("StandardInput=null"), "process standard input nowhere StandardInput=null\n");
        assert_line(LINES("StateDirectory=a:b a:c:ro"), "folders /var/lib/a state, mode 0755, read-only, linked as b, c StateDirectory=a:b a:c:ro\n");
        assert_line(LINES("RuntimeDirectory=a", "RuntimeDirectoryMode=0700", "RuntimeDirectoryPreserve=yes"),
                    "folders /run/a runtime, mode 0700, stays at the end RuntimeDirectory=a, RuntimeDirectoryMode=0700, RuntimeDirectoryPreserve=yes\n");
        assert_json(LINES("PassEnvironment=A B"), "\"environment_sources\":{\"pass\":{\"value\":[\"A\",\"B\"],\"origin\":\"PassEnvironment=A B\"}}");
        assert_json(LINES("StandardOutput=null"), "\"streams\":{\"output\":{\"kind\":\"null\",\"path\":null,\"origin\":\"StandardOutput=null\"},"
                                                  "\"error\":{\"kind\":\"output\",\"path\":null,\"origin\":\"StandardOutput=null\"}}");
}

static bool stays_open(const char *what, const char *const *lines)
{
        CLEAN_FREE char *text = explain(explain_text, &root_host, false, lines);
        return strstr(strstr(text, "Not closed by this plan"), what) != NULL;
}

static void resources(void **state)
{
        (void)state;
        assert_line(LINES("MemoryHigh=1K"), "limits memory before slowing 1024 bytes MemoryHigh=1K\n");
        assert_line(LINES("MemorySwapMax=infinity"), "limits swap none MemorySwapMax=infinity\n");
        assert_line(LINES("CPUWeight=idle"), "limits share of CPU time only what is idle CPUWeight=idle\n");
        assert_line(LINES("IOWeight=50"), "limits share of disk time 50 of 10000 IOWeight=50\n");
        assert_line(LINES("CPUQuota=50%", "CPUQuotaPeriodSec=10ms"), "limits CPU quota is over 10000 us CPUQuotaPeriodSec=10ms\n");
        assert_line(LINES("IOReadBandwidthMax=/dev/sda 5M"), "limits reading /dev/sda: 5000000 bytes a second IOReadBandwidthMax=/dev/sda 5M\n");
        assert_line(LINES("AllowedCPUs=0 1"), "limits CPUs 0-1 AllowedCPUs=0 1\n");
        assert_line(LINES("DevicePolicy=strict", "DeviceAllow=/dev/kvm rw"),
                    "limits devices none but those named DevicePolicy=strict\nlimits and the device /dev/kvm, rw DeviceAllow=/dev/kvm rw\n");
        assert_line(LINES("DeviceAllow=char-pts"), "limits devices null, zero, full, random, terminals DeviceAllow=char-pts\n");
        assert_false(stays_open("raw devices", LINES("DevicePolicy=closed")));
        assert_json(LINES("MemoryLow=infinity", "CPUWeight=7", "IOWriteIOPSMax=/ 9", "DevicePolicy=closed", "DeviceAllow=/dev/fuse"),
                    "\"resources\":{\"memory_low_bytes\":{\"value\":null,\"origin\":\"MemoryLow=infinity\"},\"cpu_weight\":{\"value\":7,\"origin\":\"CPUWeight=7\"},"
                    "\"io\":[{\"kind\":\"writes_per_second\",\"path\":\"/\",\"value\":9,\"origin\":\"IOWriteIOPSMax=/ 9\"}],"
                    "\"device_policy\":{\"value\":\"closed\",\"origin\":\"DevicePolicy=closed\"},"
                    "\"devices\":[{\"device\":\"/dev/fuse\",\"access\":\"rwm\",\"origin\":\"DeviceAllow=/dev/fuse\"}],\"delegation\":{\"controllers\":[],\"subgroup\":null,\"origin\":null}}");
}

static void open_ends(void **state)
{
        static const struct {
                const char *what, *closer;
        } rows[] = {
                { "files of the host", "ProtectSystem=strict" }, { "home folders", "ProtectHome=yes" },
                { "raw devices", "PrivateDevices=yes" }, { "device nodes", "CapabilityBoundingSet=~CAP_MKNOD" },
                { "I/O ports", "PrivateDevices=yes" }, { "/proc/sys", "ReadOnlyPaths=/proc/sys" }, { "/proc/sys", "ReadOnlyPaths=/" },
                { "through /sys", "ReadOnlyPaths=/sys" }, { "kernel modules", "CapabilityBoundingSet=~CAP_SYS_MODULE" },
                { "kernel modules", "SystemCallFilter=~@module" }, { "kernel modules", "PrivateUsers=yes" },
                { "kernel modules", "ProtectKernelModules=yes" }, { "clock", "ProtectClock=yes" }, { "kernel's log", "ProtectKernelLogs=yes" },
                { "/proc/sys", "ProtectKernelTunables=yes" }, { "through /sys", "ProtectKernelTunables=yes" },
                { "rebooted", "PrivatePIDs=yes" }, { "another kernel", "CapabilityBoundingSet=" }, { "clock", "SystemCallFilter=~@clock" },
                { "kernel's log", "User=nobody" }, { "BPF", "SystemCallFilter=~bpf" }, { "network", "PrivateNetwork=yes" },
                { "traffic", "PrivateNetwork=yes" }, { "signalled", "PrivatePIDs=yes" }, { "sockets", "InaccessiblePaths=/run" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (!stays_open(rows[i].what, LINES("RemoveIPC=no")))
                        fail_msg("%s is not listed", rows[i].what);
                if (stays_open(rows[i].what, LINES(rows[i].closer)))
                        fail_msg("%s does not close %s", rows[i].closer, rows[i].what);
        }
        assert_true(stays_open("hidden files", LINES("InaccessiblePaths=/root")));
        assert_true(stays_open("set-user-ID", LINES("User=nobody")));
        assert_false(stays_open("set-user-ID", LINES("User=nobody", "NoNewPrivileges=yes")));
        /* An account of that name is taken as it is: root stays root. */
        assert_true(stays_open("kernel modules", LINES("DynamicUser=yes", "User=root")));
        assert_true(stays_open("files of the host", LINES("User=0")));
        /* A word on running says nothing on writing. */
        assert_true(stays_open("/proc/sys", LINES("NoExecPaths=/proc")));
        assert_false(stays_open("/proc/sys", LINES("ReadOnlyPaths=/proc", "NoExecPaths=/proc/sys")));
}

static void leniency_and_hostile_words(void **state)
{
        (void)state;
        CLEAN_FREE char *text = explain(explain_text, &root_host, true, LINES("ProtectSystem=x\x1b[2J", "ReadOnlyPaths=/a\\nb"));
        assert_null(strchr(text, '\x1b'));
        assert_non_null(strstr(text, "note "));
        assert_non_null(strstr(text, "--lenient"));
        assert_non_null(strstr(text, "/a\\x0ab"));
}

static const char *string_of(const json_t *o, const char *name)
{
        const char *s = json_string_value(json_object_get(o, name));
        return s ? s : "(none)";
}

static void json_form(void **state)
{
        (void)state;
        CLEAN_FREE char *text = explain(explain_json, &root_host, true,
                                        LINES("BindPaths=-/a:/b", "CapabilityBoundingSet=~CAP_KILL", "PrivateDevices=yes", "TasksMax=5",
                                              "SystemCallFilter=@system-service", "PrivateUsers=identity", "LogsDirectory=l", "UMask=x"));
        json_error_t at;
        json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &at);
        if (!o)
                fail_msg("%s at %d in %s", at.text, at.position, text);
        assert_int_equal(json_integer_value(json_object_get(o, "version")), 1);
        assert_string_equal(string_of(o, "unit"), "demo.service");
        assert_int_equal(json_array_size(json_object_get(o, "command")), 2);
        const json_t *n = json_object_get(o, "namespaces"), *m = json_array_get(json_object_get(o, "mounts"), 0);
        assert_string_equal(string_of(json_array_get(n, 0), "type"), "user");
        assert_string_equal(string_of(json_array_get(n, 0), "map"), "identity");
        assert_string_equal(string_of(json_array_get(n, 1), "type"), "mount");
        assert_string_equal(string_of(m, "path"), "/b");
        assert_string_equal(string_of(m, "kind"), "bind");
        assert_string_equal(string_of(m, "source"), "/a");
        assert_string_equal(string_of(m, "origin"), "BindPaths=-/a:/b");
        assert_int_equal(json_array_size(json_object_get(m, "options")), 2);
        const json_t *c = json_object_get(o, "capabilities");
        assert_int_equal(json_array_size(json_object_get(c, "kept")), 38);
        assert_int_equal(json_array_size(json_object_get(c, "removed")), 3);
        assert_string_equal(string_of(json_array_get(json_object_get(c, "removed"), 0), "capability"), "CAP_KILL");
        assert_string_equal(string_of(json_object_get(o, "system_calls"), "list"), "allow");
        assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(o, "limits"), "tasks_max"), "value")), 5);
        assert_string_equal(string_of(json_array_get(json_object_get(o, "folders"), 0), "path"), "/var/log/l");
        assert_string_equal(string_of(json_object_get(o, "seal"), "by"), "landlock");
        assert_int_equal(json_array_size(json_object_get(o, "notes")), 1);
        assert_true(json_array_size(json_object_get(o, "not_closed")) > 0);
        json_decref(o);
}

static void json_empty(void **state)
{
        (void)state;
        CLEAN_FREE char *text = explain(explain_json, &root_host, false, LINES("RemoveIPC=no"));
        const char *start = "{\"version\":1,\"unit\":\"demo.service\",\"mode\":\"system\",\"lenient\":false,\"command\":[\"id\",\"-u\"],"
                            "\"identity\":{\"user\":null,\"group\":null,\"supplementary\":[],\"dynamic\":false,\"remove_ipc\":false,"
                            "\"origin\":null},\"namespaces\":[],\"mounts\":[],\"capabilities\":{\"kept\":[\"CAP_CHOWN\",";
        assert_true(text_starts(text, start));
        assert_non_null(strstr(text, "\"seal\":{\"by\":\"none\",\"backs_writable_places\":false,\"origin\":\"default\"}"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(dynamic), cmocka_unit_test(the_kernel_and_proc), cmocka_unit_test(restrictions), cmocka_unit_test(what_the_process_keeps), cmocka_unit_test(plain_root), cmocka_unit_test(ordinary_user), cmocka_unit_test(open_ends),
                cmocka_unit_test(process_limits), cmocka_unit_test(attributes), cmocka_unit_test(environment_and_streams), cmocka_unit_test(resources),
                cmocka_unit_test(leniency_and_hostile_words), cmocka_unit_test(json_form), cmocka_unit_test(json_empty),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
