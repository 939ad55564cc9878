/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attempts about who the process is: users, capabilities, privileges, namespaces, keyrings. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/capability.h"
#include "os/probe_internal.h"

enum { USER_ROOT = 10, USER_SHARED = 9, NOBODY = 65534 };

bool probe_has_capability(unsigned n)
{
        uint64_t held = 0;
        return capability_effective(&held) == 0 && held >> n & 1;
}

static bool is_host_user_namespace(const struct probe *p)
{
        bool unknown = false;
        return probe_is_host_namespace(p, "user", &unknown);
}

/* The usual programs that run as root whoever starts them. */
bool probe_may_gain(const struct probe *p, char detail[PROBE_DETAIL_MAX])
{
        static const char *const programs[] = { "/usr/bin/su",    "/usr/bin/sudo",  "/usr/bin/mount",  "/usr/bin/umount", "/usr/bin/passwd",
                                                "/usr/bin/chsh",  "/usr/bin/chfn",  "/usr/bin/newgrp", "/usr/bin/gpasswd", "/usr/bin/pkexec",
                                                "/usr/bin/fusermount3", "/bin/su", "/bin/mount", "/bin/umount" };
        struct stat st;
        struct statvfs fs;
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0 || !is_host_user_namespace(p))
                return false;
        if (geteuid() == 0 && !(prctl(PR_GET_SECUREBITS) & 1)) {
                (void)snprintf(detail, PROBE_DETAIL_MAX, "as root any program may have all capabilities of the bounding set");
                return true;
        }
        for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
                if (stat(programs[i], &st) == 0 && st.st_uid == 0 && st.st_mode & S_ISUID && faccessat(AT_FDCWD, programs[i], X_OK, AT_EACCESS) == 0 &&
                    statvfs(programs[i], &fs) == 0 && !(fs.f_flag & ST_NOSUID)) {
                        (void)snprintf(detail, PROBE_DETAIL_MAX, "%s", programs[i]);
                        return true;
                }
        return false;
}

static void try_user(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        uid_t uid = geteuid();
        if (uid == 0 || setresuid(0, 0, 0) == 0) {
                p->value = USER_ROOT;
                probe_detail(p, uid == 0 ? "user 0" : "becomes user 0 from user %u", uid);
                return;
        }
        p->value = uid == NOBODY ? USER_SHARED : 0;
        probe_detail(p, "user %u", uid);
}

static void try_groups(struct probe *p, const struct probe_attempt *a)
{
        gid_t groups[256];
        int n = getgroups(256, groups);
        (void)a;
        if (n < 0) {
                probe_unknown(p, "the groups cannot be read");
                return;
        }
        for (int i = 0; i < n; i++)
                if (groups[i] != getegid()) {
                        p->value++;
                        probe_detail(p, "group %u", groups[i]);
                }
}

static void try_gain(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = probe_may_gain(p, p->detail);
}

/* What it holds, or would hold after executing a program of root's. Over its own user namespace alone it is nothing here. */
static void try_capabilities(struct probe *p, const struct probe_attempt *a)
{
        uint64_t held = 0;
        char detail[PROBE_DETAIL_MAX] = "";
        (void)a;
        if (!is_host_user_namespace(p)) {
                probe_detail(p, "over a user namespace of its own only");
                return;
        }
        if (capability_effective(&held) < 0) {
                probe_unknown(p, "the capabilities cannot be read");
                return;
        }
        if (probe_may_gain(p, detail)) {
                uint64_t had = held;
                for (unsigned n = 0; n < CAPABILITY_MAX; n++)
                        if (prctl(PR_CAPBSET_READ, n, 0, 0, 0) == 1)
                                held |= UINT64_C(1) << n;
                if (held != had)
                        probe_detail(p, "by executing a program that runs as root: %s", detail);
        }
        p->value = held;
}

static void try_ambient(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        for (unsigned n = 0; n < CAPABILITY_MAX; n++)
                if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, n, 0, 0) == 1)
                        p->value++;
}

static void try_umask(struct probe *p, const struct probe_attempt *a)
{
        static const struct {
                mode_t bit;
                uint64_t value;
        } bits[] = { { 0002, 10 }, { 0004, 5 }, { 0020, 2 }, { 0040, 1 } };
        mode_t mask = umask(077);
        (void)a;
        probe_detail(p, "%04o", mask);
        for (size_t i = 0; i < sizeof bits / sizeof *bits && !p->value; i++)
                if (!(mask & bits[i].bit))
                        p->value = bits[i].value;
}

static void try_keyring(struct probe *p, const struct probe_attempt *a)
{
        char own[32], user[32];
        const char *host = probe_fact(p, "keyring");
        (void)a;
        long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);
        if (id < 0)
                return; /* no calls, no keys */
        (void)snprintf(own, sizeof own, "%ld", id);
        (void)snprintf(user, sizeof user, "_uid.%u", getuid());
        if (!host) {
                probe_unknown(p, "the host's session keyring cannot be told");
                return;
        }
        if (!__builtin_strcmp(own, host)) {
                p->value = 1;
                probe_detail(p, "the caller's session keyring");
        } else if (syscall(SYS_keyctl, KEYCTL_SEARCH, id, "keyring", user, 0) > 0) {
                p->value = 1;
                probe_detail(p, "the user's keyring");
        }
}

/* 1: the host's namespace of that kind. */
static void try_host_namespace(struct probe *p, const struct probe_attempt *a)
{
        bool unknown = false;
        const char *kind = a->name + sizeof "host-" - 1;
        p->value = probe_is_host_namespace(p, kind, &unknown);
        if (unknown)
                probe_unknown(p, "without /proc the namespace cannot be told");
}

static void try_unshare(struct probe *p, const struct probe_attempt *a)
{
        int flag = (int)a->parameter;
        p->value = unshare(flag) == 0 || (flag != CLONE_NEWUSER && unshare(CLONE_NEWUSER | flag) == 0);
}

/* Whether it sees into the first process: kcmp asks for the right to trace and only compares. */
static void try_trace(struct probe *p, const struct probe_attempt *a)
{
        bool unknown = false;
        char target[8];
        (void)a;
        if (!probe_is_host_namespace(p, "pid", &unknown) && !unknown)
                return;
        p->value = syscall(SYS_kcmp, 1, getpid(), KCMP_VM, 0, 0) >= 0 || readlink("/proc/1/exe", target, sizeof target) >= 0;
}

const struct probe_attempt probe_identity[] = {
        { "user", try_user, 0 },
        { "groups", try_groups, 0 },
        { "gain", try_gain, 0 },
        { "capabilities", try_capabilities, 0 },
        { "ambient", try_ambient, 0 },
        { "umask", try_umask, 0 },
        { "keyring", try_keyring, 0 },
        { "trace", try_trace, 0 },
        { "host-user", try_host_namespace, 0 },
        { "host-net", try_host_namespace, 0 },
        { "host-ipc", try_host_namespace, 0 },
        { "unshare-user", try_unshare, CLONE_NEWUSER },
        { "unshare-mnt", try_unshare, CLONE_NEWNS },
        { "unshare-ipc", try_unshare, CLONE_NEWIPC },
        { "unshare-pid", try_unshare, CLONE_NEWPID },
        { "unshare-cgroup", try_unshare, CLONE_NEWCGROUP },
        { "unshare-net", try_unshare, CLONE_NEWNET },
        { "unshare-uts", try_unshare, CLONE_NEWUTS },
        { 0 },
};
