/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/capability.h"

#include <linux/capability.h>
#include <stddef.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/text.h"

static const char *const names[] = {
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
        "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

const char *capability_name(unsigned n)
{
        return n < ELEMENTS(names) ? names[n] : NULL;
}

int capability_parse(const char *s, unsigned *ret)
{
        uint64_t n;
        if (text_parse_uint(s, CAPABILITY_MAX - 1, &n) == 0) {
                *ret = (unsigned)n;
                return 0;
        }
        for (unsigned i = 0; i < ELEMENTS(names); i++)
                if (!strcasecmp(s, names[i])) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

static bool is_known(unsigned number)
{
        return prctl(PR_CAPBSET_READ, number) >= 0 || errno != EINVAL;
}

uint64_t capability_all(void)
{
        static uint64_t all;
        if (all)
                return all;
        /* From the last that the headers know, up or down: only "no such capability" ends them. */
        unsigned count = CAP_LAST_CAP + 1;
        while (count < CAPABILITY_MAX && is_known(count))
                count++;
        while (count > 0 && !is_known(count - 1))
                count--;
        all = (UINT64_C(1) << count) - 1;
        return all;
}

int capability_effective(uint64_t *ret)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { 0 };
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        *ret = data[0].effective | (uint64_t)data[1].effective << 32;
        return 0;
}

int capability_bound(uint64_t keep)
{
        uint64_t all = capability_all();
        for (unsigned n = 0; all >> n; n++)
                if (!(keep >> n & 1) && prctl(PR_CAPBSET_DROP, n) < 0) {
                        int r = -errno;
                        /* Without the right to drop, what is not there need not be. */
                        if (prctl(PR_CAPBSET_READ, n) != 0)
                                return r;
                }
        return 0;
}

int capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];
        for (int i = 0; i < 2; i++)
                data[i] = (struct __user_cap_data_struct){ .effective = (uint32_t)(effective >> 32 * i),
                                                           .permitted = (uint32_t)(permitted >> 32 * i),
                                                           .inheritable = (uint32_t)(inheritable >> 32 * i) };
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int capability_set_ambient(uint64_t ambient)
{
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        for (unsigned n = 0; ambient >> n; n++)
                if (ambient >> n & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
                        return -errno;
        return 0;
}
