/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/seccomp.h"

#include <errno.h>
#include <string.h>
#include <poll.h>
#include <linux/audit.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

int seccomp_install(const struct sock_filter *code, unsigned short count, bool listener)
{
        return seccomp_install_flags(code, count, listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
}

/* A thread that cannot follow is reported by its id; with a listener the id would look like a descriptor. */
int seccomp_install_flags(const struct sock_filter *code, unsigned short count, unsigned long flags)
{
        struct sock_fprog program = { count, (struct sock_filter *)code };
        bool listener = flags & SECCOMP_FILTER_FLAG_NEW_LISTENER, sync = flags & SECCOMP_FILTER_FLAG_TSYNC;
        if (listener && sync)
                flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
        long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        if (r < 0)
                return sync && errno == ESRCH ? -EBUSY : -errno;
        return r > 0 && !listener ? -EBUSY : (int)r;
}

/* The kernel looks at the flags before it reads the program, of which there is none: -EFAULT. */
bool seccomp_knows_flag(unsigned long flag)
{
        unsigned long with = flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag | with, NULL) < 0 && errno == EFAULT;
}

bool seccomp_knows_action(uint32_t action)
{
        return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int seccomp_copy_listener(int pidfd, int number)
{
        long fd = syscall(SYS_pidfd_getfd, pidfd, number, 0); /* close-on-exec */
        return fd < 0 ? -errno : (int)fd;
}

int seccomp_receive(int listener, struct seccomp_call *ret)
{
        /* The kernel's structure may have grown: room beyond ours, all zero. */
        union {
                struct seccomp_notif n;
                char room[512];
        } u = { .room = { 0 } };
        struct pollfd p = { .fd = listener, .events = POLLIN };
        while (poll(&p, 1, -1) < 0)
                if (errno != EINTR)
                        return -errno;
        if (!(p.revents & POLLIN))
                return -ESHUTDOWN; /* nobody is filtered any more */
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &u.n) < 0)
                return -errno;
        *ret = (struct seccomp_call){ .id = u.n.id, .pid = (pid_t)u.n.pid, .arch = u.n.data.arch, .nr = u.n.data.nr };
        memcpy(ret->args, u.n.data.args, sizeof ret->args);
        return 0;
}

int seccomp_answer(int listener, uint64_t id, int error)
{
        union {
                struct seccomp_notif_resp r;
                char room[256];
        } u = { .room = { 0 } };
        u.r.id = id;
        u.r.error = -error;
        u.r.flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &u.r) < 0 ? -errno : 0;
}

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)
#define SKIP_UNLESS(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define IF_EQUAL_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, n, 0)
#define IF_BITS_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, n, 0)
/* The low half of an argument, which is all that the kernel looks at in flags and ioctl numbers. */
#define LOW_HALF(n) (offsetof(struct seccomp_data, args) + 8 * (n))

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "LOW_HALF is for little endian"
#endif

/*
 * Numbers above 423 are the same everywhere.  The rest is one table per architecture; x32 (bit 30 set) has
 * those of x86-64 except for a few calls from 512 on, of which ioctl is one.
 */
enum {
        NR_OPEN_TREE = 428,
        NR_MOVE_MOUNT = 429,
        NR_FSOPEN = 430,
        NR_FSMOUNT = 432,
        NR_FSPICK = 433,
        NR_MOUNT_SETATTR = 442,
        NR_OPEN_TREE_ATTR = 467,
};

/* clang-format off */
#define SEAL_REFUSE(nr) SKIP_UNLESS(nr, 1), REFUSE
#define SEAL_IOCTL(nr)                                                  \
        SKIP_UNLESS(nr, 5),                                             \
        LOAD(LOW_HALF(1)),                                              \
        IF_EQUAL_SKIP(TIOCSTI, 1),                                      \
        SKIP_UNLESS(TIOCLINUX, 1),                                      \
        REFUSE,                                                         \
        RETURN(SECCOMP_RET_ALLOW)
#define SEAL_OPEN_TREE                                                  \
        SKIP_UNLESS(NR_OPEN_TREE, 4),                                   \
        LOAD(LOW_HALF(2)),                                              \
        IF_BITS_SKIP(OPEN_TREE_CLONE, 1),                               \
        RETURN(SECCOMP_RET_ALLOW),                                      \
        REFUSE
#define SEAL_COMMON                                                     \
        SEAL_REFUSE(NR_MOVE_MOUNT),                                     \
        SEAL_REFUSE(NR_FSOPEN),                                         \
        SEAL_REFUSE(NR_FSMOUNT),                                        \
        SEAL_REFUSE(NR_FSPICK),                                         \
        SEAL_REFUSE(NR_MOUNT_SETATTR),                                  \
        SEAL_REFUSE(NR_OPEN_TREE_ATTR),                                 \
        SEAL_OPEN_TREE,                                                 \
        RETURN(SECCOMP_RET_ALLOW)
/* Landlock refuses these too; where a user namespace is the seal, only this keeps mounts from being covered. */
#define SEAL_MOUNT(mount, umount, pivot_root) SEAL_REFUSE(mount), SEAL_REFUSE(umount), SEAL_REFUSE(pivot_root)
enum { COMMON_LENGTH = 6 * 2 + 5 + 1, IOCTL_LENGTH = 6, REFUSE_LENGTH = 2, MOUNT_LENGTH = 3 * REFUSE_LENGTH };

#if defined(__x86_64__)
/* One block per architecture; each ends with a return, and the test before it skips it as a whole. */
enum { BLOCK_64 = 2 + 2 * IOCTL_LENGTH + REFUSE_LENGTH + MOUNT_LENGTH + COMMON_LENGTH,
       BLOCK_32 = 1 + IOCTL_LENGTH + 2 * REFUSE_LENGTH + MOUNT_LENGTH + COMMON_LENGTH };
static const struct sock_filter seal[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        SKIP_UNLESS(AUDIT_ARCH_X86_64, BLOCK_64),
        LOAD(offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~0x40000000U),
        SEAL_IOCTL(16),
        SEAL_IOCTL(514),
        SEAL_REFUSE(304), /* open_by_handle_at */
        SEAL_MOUNT(165, 166, 155),
        SEAL_COMMON,
        SKIP_UNLESS(AUDIT_ARCH_I386, BLOCK_32),
        LOAD(offsetof(struct seccomp_data, nr)),
        SEAL_IOCTL(54),
        SEAL_REFUSE(342),
        SEAL_REFUSE(22), /* umount, without flags */
        SEAL_MOUNT(21, 52, 217),
        SEAL_COMMON,
        RETURN(SECCOMP_RET_KILL_PROCESS),
};
_Static_assert(ELEMENTS(seal) == 4 + BLOCK_64 + BLOCK_32, "a block's length is wrong");
#elif defined(__aarch64__)
enum { BLOCK = 1 + IOCTL_LENGTH + REFUSE_LENGTH + MOUNT_LENGTH + COMMON_LENGTH };
static const struct sock_filter seal[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        SKIP_UNLESS(AUDIT_ARCH_AARCH64, BLOCK),
        LOAD(offsetof(struct seccomp_data, nr)),
        SEAL_IOCTL(29),
        SEAL_REFUSE(265), /* open_by_handle_at */
        SEAL_MOUNT(40, 39, 41),
        SEAL_COMMON,
        SKIP_UNLESS(AUDIT_ARCH_ARM, BLOCK),
        LOAD(offsetof(struct seccomp_data, nr)),
        SEAL_IOCTL(54),
        SEAL_REFUSE(371),
        SEAL_MOUNT(21, 52, 218),
        SEAL_COMMON,
        RETURN(SECCOMP_RET_KILL_PROCESS),
};
_Static_assert(ELEMENTS(seal) == 4 + 2 * BLOCK, "a block's length is wrong");
#else
#error "no seal for this architecture"
#endif
/* clang-format on */

/* A refusal right behind a comparison of the call's number: the whole call is refused, whatever its arguments. */
static bool refuses_whole_call(const struct sock_filter *i)
{
        return i->code == (BPF_RET | BPF_K) && i->k == (SECCOMP_RET_ERRNO | EPERM) && i[-1].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
               i[-1].jt == 0 && i[-1].jf == 1 && i[-1].k != TIOCLINUX;
}

const struct sock_filter *seccomp_seal(unsigned short *ret_count)
{
        *ret_count = ELEMENTS(seal);
        return seal;
}

int seccomp_install_seal(bool observed)
{
        struct sock_filter copy[ELEMENTS(seal)];
        memcpy(copy, seal, sizeof copy);
        for (size_t i = 1; observed && i < ELEMENTS(copy); i++)
                if (refuses_whole_call(&copy[i]))
                        copy[i].k = SECCOMP_RET_ALLOW;
        return seccomp_install(copy, ELEMENTS(copy), false);
}
