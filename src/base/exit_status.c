/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/exit_status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* No pointers: a program that is placed at random would have to write each of these. */
static const struct {
        uint8_t status;
        char name[24];
} names[] = {
        { 0, "SUCCESS" }, { 1, "FAILURE" },
        /* LSB */
        { 2, "INVALIDARGUMENT" }, { 3, "NOTIMPLEMENTED" }, { 4, "NOPERMISSION" }, { 5, "NOTINSTALLED" }, { 6, "NOTCONFIGURED" },
        { 7, "NOTRUNNING" },
        /* sysexits.h */
        { 64, "USAGE" }, { 65, "DATAERR" }, { 66, "NOINPUT" }, { 67, "NOUSER" }, { 68, "NOHOST" }, { 69, "UNAVAILABLE" },
        { 70, "SOFTWARE" }, { 71, "OSERR" }, { 72, "OSFILE" }, { 73, "CANTCREAT" }, { 74, "IOERR" }, { 75, "TEMPFAIL" },
        { 76, "PROTOCOL" }, { 77, "NOPERM" }, { 78, "CONFIG" },
        /* systemd */
        { STATUS_CHDIR, "CHDIR" }, { STATUS_NICE, "NICE" }, { STATUS_FDS, "FDS" }, { STATUS_EXEC, "EXEC" },
        { STATUS_MEMORY, "MEMORY" }, { STATUS_LIMITS, "LIMITS" }, { STATUS_OOM_ADJUST, "OOM_ADJUST" },
        { STATUS_SIGNAL_MASK, "SIGNAL_MASK" }, { STATUS_STDIN, "STDIN" }, { STATUS_STDOUT, "STDOUT" }, { STATUS_CHROOT, "CHROOT" },
        { STATUS_IOPRIO, "IOPRIO" }, { STATUS_TIMERSLACK, "TIMERSLACK" }, { STATUS_SECUREBITS, "SECUREBITS" },
        { STATUS_SETSCHEDULER, "SETSCHEDULER" }, { STATUS_CPUAFFINITY, "CPUAFFINITY" }, { STATUS_GROUP, "GROUP" },
        { STATUS_USER, "USER" }, { STATUS_CAPABILITIES, "CAPABILITIES" }, { STATUS_CGROUP, "CGROUP" }, { STATUS_SETSID, "SETSID" },
        { STATUS_CONFIRM, "CONFIRM" }, { STATUS_STDERR, "STDERR" }, { STATUS_PAM, "PAM" }, { STATUS_NETWORK, "NETWORK" },
        { STATUS_NAMESPACE, "NAMESPACE" }, { STATUS_NO_NEW_PRIVILEGES, "NO_NEW_PRIVILEGES" }, { STATUS_SECCOMP, "SECCOMP" },
        { STATUS_SELINUX_CONTEXT, "SELINUX_CONTEXT" }, { STATUS_PERSONALITY, "PERSONALITY" }, { STATUS_APPARMOR, "APPARMOR_PROFILE" },
        { STATUS_ADDRESS_FAMILIES, "ADDRESS_FAMILIES" }, { STATUS_RUNTIME_DIRECTORY, "RUNTIME_DIRECTORY" }, { STATUS_CHOWN, "CHOWN" },
        { STATUS_SMACK_PROCESS_LABEL, "SMACK_PROCESS_LABEL" }, { STATUS_KEYRING, "KEYRING" },
        { STATUS_STATE_DIRECTORY, "STATE_DIRECTORY" }, { STATUS_CACHE_DIRECTORY, "CACHE_DIRECTORY" },
        { STATUS_LOGS_DIRECTORY, "LOGS_DIRECTORY" }, { STATUS_CONFIGURATION_DIRECTORY, "CONFIGURATION_DIRECTORY" },
        { STATUS_NUMA_POLICY, "NUMA_POLICY" }, { STATUS_CREDENTIALS, "CREDENTIALS" }, { STATUS_BPF, "BPF" }, { STATUS_KSM, "KSM" },
        { STATUS_MEMORY_THP, "MEMORY_THP" }, { STATUS_EXCEPTION, "EXCEPTION" },
};

const char *exit_status_name(int status)
{
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (names[i].status == status)
                        return names[i].name;
        return NULL;
}

int exit_status_from_name(const char *name)
{
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (!strcmp(names[i].name, name))
                        return names[i].status;
        return -1;
}

const char *exit_code_word(unsigned code)
{
        static const char *const words[] = { "", "exited", "killed", "dumped" };
        return words[code & 3];
}
