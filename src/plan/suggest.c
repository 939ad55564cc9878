/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/suggest.h"

/* What is refused as a whole may hold in part: the parts come after, and count nothing once the whole was taken. */
static const char *const assignments[] = {
        "PrivateNetwork=yes",
        "DynamicUser=yes",
        "CapabilityBoundingSet=",
        "CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_MODULE CAP_SYS_TIME CAP_SYSLOG CAP_SYS_BOOT CAP_SYS_PACCT CAP_BPF "
        "CAP_PERFMON CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_SYS_TTY_CONFIG CAP_BLOCK_SUSPEND CAP_WAKE_ALARM CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_AUDIT_WRITE",
        "CapabilityBoundingSet=~CAP_NET_ADMIN",
        "CapabilityBoundingSet=~CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW",
        "CapabilityBoundingSet=~CAP_MKNOD CAP_LEASE CAP_LINUX_IMMUTABLE CAP_IPC_LOCK CAP_IPC_OWNER",
        "CapabilityBoundingSet=~CAP_SYS_NICE CAP_SYS_RESOURCE",
        "CapabilityBoundingSet=~CAP_SYS_CHROOT",
        "CapabilityBoundingSet=~CAP_KILL",
        "CapabilityBoundingSet=~CAP_CHOWN CAP_FSETID CAP_SETFCAP",
        "CapabilityBoundingSet=~CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_IPC_OWNER",
        "CapabilityBoundingSet=~CAP_SETUID CAP_SETGID CAP_SETPCAP",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged",
        "SystemCallFilter=~@resources",
        "SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap",
        "SystemCallArchitectures=native",
        "RestrictAddressFamilies=none",
        "RestrictAddressFamilies=AF_UNIX",
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "IPAddressDeny=any",
        "RestrictNamespaces=yes",
        "RestrictNamespaces=~user",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "DevicePolicy=closed",
        "PrivateMounts=yes",
        "PrivateTmp=yes",
        "PrivateUsers=yes",
        "ProtectSystem=strict",
        "ProtectSystem=full",
        "ProtectSystem=yes",
        "ProtectHome=yes",
        "ProtectHome=tmpfs",
        "ProtectHome=read-only",
        "ProtectControlGroups=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelLogs=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectProc=invisible",
        "ProcSubset=pid",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "KeyringMode=private",
        "UMask=0077",
        "UMask=0027",
};

const char *suggest_assignment(unsigned i)
{
        return i < ELEMENTS(assignments) ? assignments[i] : NULL;
}

unsigned suggest_points(const struct score *s)
{
        uint64_t total = 0, reached = 0;
        for (size_t i = 0; i < s->count; i++) {
                const struct score_row *r = &s->rows[i];
                total += r->weight;
                reached += r->applies ? (uint64_t)r->badness * r->weight * 10000 / r->range : 0;
        }
        return total ? (unsigned)(reached / total) : 0;
}
