/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/run_profile.h"

#include <string.h>

enum run_profile { STRICT = 1, DEFAULT = 2, TRUSTED = 4, ALL = STRICT | DEFAULT | TRUSTED };

static const struct {
        const char *name;
        enum run_profile bit;
        const char *summary;
} profiles[] = {
        { "strict", STRICT, "no network, no capabilities, nothing of the system to write" },
        { "default", DEFAULT, "as strict, with the network and capabilities over files and users of its own" },
        { "trusted", TRUSTED, "administers the system; only what it leaves to others is its own" },
};

/* In the order in which they are assigned. */
static const struct {
        unsigned profiles;
        bool root_only; /* what an ordinary user cannot have */
        const char *assignment;
} lines[] = {
        { STRICT | DEFAULT, true, "DynamicUser=yes" },
        { STRICT, false, "PrivateNetwork=yes" },
        { ALL, false, "PrivateTmp=yes" },
        { STRICT | DEFAULT, false, "PrivateDevices=yes" },
        { STRICT | DEFAULT, false, "PrivateUsers=yes" },
        { STRICT | DEFAULT, false, "PrivateIPC=yes" },
        { STRICT, false, "PrivatePIDs=yes" },
        { ALL, false, "PrivateMounts=yes" },
        { STRICT | DEFAULT, false, "ProtectSystem=strict" },
        { STRICT | DEFAULT, false, "ProtectHome=yes" },
        { STRICT | DEFAULT, false, "ProtectKernelTunables=yes" },
        { STRICT | DEFAULT, false, "ProtectKernelModules=yes" },
        { STRICT | DEFAULT, false, "ProtectKernelLogs=yes" },
        { STRICT | DEFAULT, false, "ProtectControlGroups=yes" },
        { STRICT | DEFAULT, false, "ProtectClock=yes" },
        { STRICT | DEFAULT, false, "ProtectHostname=yes" },
        { STRICT, false, "ProtectProc=invisible" },
        { DEFAULT, true, "ProtectProc=invisible" }, /* users mount a /proc only in a process namespace of their own */
        { STRICT, false, "ProcSubset=pid" },
        { STRICT | DEFAULT, false, "NoNewPrivileges=yes" },
        { ALL, false, "LockPersonality=yes" },
        { STRICT | DEFAULT, false, "MemoryDenyWriteExecute=yes" },
        { STRICT | DEFAULT, false, "RestrictNamespaces=yes" },
        { STRICT | DEFAULT, false, "RestrictRealtime=yes" },
        { STRICT | DEFAULT, false, "RestrictSUIDSGID=yes" },
        { STRICT, false, "RestrictAddressFamilies=AF_UNIX" },
        { DEFAULT, false, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK" },
        { STRICT, false, "CapabilityBoundingSet=" },
        { DEFAULT, false, "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE "
                          "CAP_NET_BROADCAST CAP_SETGID CAP_SETUID" },
        { ALL, false, "SystemCallArchitectures=native" },
        { STRICT | DEFAULT, false, "SystemCallFilter=@system-service" },
        { STRICT, false, "SystemCallFilter=~@privileged @resources" },
        { STRICT | DEFAULT, false, "SystemCallErrorNumber=EPERM" },
        { ALL, false, "KeyringMode=private" },
        { STRICT | DEFAULT, false, "RemoveIPC=yes" },
        { STRICT, false, "UMask=0077" },
        { DEFAULT, false, "UMask=0027" },
};

const char *run_profile_name(unsigned i, const char **ret_summary)
{
        if (i >= ELEMENTS(profiles))
                return NULL;
        if (ret_summary)
                *ret_summary = profiles[i].summary;
        return profiles[i].name;
}

static int find_profile(const char *name, unsigned *ret, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(profiles); i++)
                if (text_equal(profiles[i].name, name)) {
                        *ret = profiles[i].bit;
                        return 0;
                }
        error_set(e, EINVAL, "profile.unknown", "there is no profile \"%.80s\"", name);
        error_hint(e, "strict, default or trusted");
        return -EINVAL;
}

int run_profile_lines(const char *name, bool user_mode, struct strings *ret, struct error *e)
{
        unsigned bit;
        int r = find_profile(name, &bit, e);
        for (size_t i = 0; r == 0 && i < ELEMENTS(lines); i++)
                if (lines[i].profiles & bit && !(user_mode && lines[i].root_only))
                        strings_add(ret, lines[i].assignment);
        return r;
}

int run_profile_assign(const char *name, const struct facts *facts, struct settings *s, struct error *e)
{
        CLEAN_STRINGS struct strings assignments = { 0 };
        if (!name)
                return 0;
        CLEAN_FREE char *by = xprintf("profile %s", name);
        int r = run_profile_lines(name, facts->user_mode, &assignments, e);
        s->by = by;
        for (size_t i = 0; r == 0 && i < assignments.count; i++)
                r = settings_assign(s, facts, assignments.items[i], e);
        s->by = NULL;
        return r;
}
