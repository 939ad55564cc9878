/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include "os/capability.h"
#include "os/file.h"
#include "shim/host_words.h"

static void read_id(const char *path, char ret[33])
{
        CLEAN_TEXT struct text t = { 0 };
        size_t n = 0;
        if (file_read(AT_FDCWD, path, 128, &t) == 0)
                for (const char *p = t.data; *p && n < 32; p++)
                        if (*p != '-' && *p != '\n')
                                ret[n++] = *p;
        ret[n] = 0;
}

static const char *folder(struct host_facts *f, bool user_mode, enum user_folder which, const char *of_host)
{
        if (!user_mode)
                return of_host;
        char *path = account_folder(&f->account, which);
        strings_take(&f->folders, path);
        return path;
}

static bool has_unified_cgroups(void)
{
        CLEAN_FD int fd = open("/sys/fs/cgroup", O_PATH | O_CLOEXEC);
        return fd >= 0 && file_is_on(fd, CGROUP2_SUPER_MAGIC);
}

void facts_gather(struct host_facts *f, const char *unit, bool user_mode)
{
        CLEAN_FREE char *uid = xprintf("%u", geteuid());
        *f = (struct host_facts){ 0 };
        (void)account_find(uid, &f->account); /* a number always gives an account */
        read_id("/proc/sys/kernel/random/boot_id", f->boot_id);
        read_id("/etc/machine-id", f->machine_id);
        if (gethostname(f->hostname, sizeof f->hostname - 1) < 0)
                f->hostname[0] = 0;
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        f->facts = (struct facts){
                .unit = unit, .boot_id = f->boot_id, .machine_id = f->machine_id, .hostname = f->hostname,
                .user_name = f->account.name, .home = folder(f, user_mode, USER_HOME, f->account.home), .shell = f->account.shell,
                .runtime_folder = user_mode && runtime ? runtime : "/run",
                .state_folder = folder(f, user_mode, USER_STATE, "/var/lib"),
                .cache_folder = folder(f, user_mode, USER_CACHE, "/var/cache"),
                .logs_folder = folder(f, user_mode, USER_LOGS, "/var/log"),
                .configuration_folder = folder(f, user_mode, USER_CONFIGURATION, "/etc"),
                .uid = geteuid(), .gid = getegid(), .capabilities = capability_all(),
                .memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
                .pids_max = 4194304, .host_word = host_word, .user_mode = user_mode, .unified_cgroups = has_unified_cgroups(),
        };
}

void facts_done(struct host_facts *f)
{
        account_done(&f->account);
        strings_clear(&f->folders);
}
