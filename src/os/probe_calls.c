/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attempts at system calls. Where a call would have an effect, its arguments are such that the kernel refuses them after it asked for the
 * right: EPERM then means no, and another error yes. Each comment says which check comes first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <unistd.h>

#include "os/probe_internal.h"

/* ---- what takes a right ---- */

/* No type of file system: EINVAL, behind the seal's hook and the question for CAP_SYS_ADMIN. */
static bool may_mount(void)
{
        return syscall(SYS_mount, NULL, "/", NULL, 0, NULL) < 0 && errno == EINVAL;
}

/* Setting neither time nor zone: 0, behind the question for CAP_SYS_TIME. adjtimex with a tick of 0: likewise EINVAL. */
static bool may_set_clock(void)
{
        struct timex t = { .modes = ADJ_TICK, .tick = 0 };
        return syscall(SYS_settimeofday, NULL, NULL) == 0 || (syscall(SYS_adjtimex, &t) < 0 && errno == EINVAL);
}

/* An empty module: ENOEXEC; a bad descriptor: EBADF; both behind CAP_SYS_MODULE. ENOSYS: a kernel without modules. */
static bool may_load_modules(void)
{
        if (syscall(SYS_init_module, NULL, 0UL, "") < 0 && errno != EPERM && errno != ENOSYS && errno != EACCES)
                return true;
        return syscall(SYS_finit_module, -1, "", 0) < 0 && errno == EBADF;
}

static void try_mount(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = may_mount();
}

static void try_mount_host(struct probe *p, const struct probe_attempt *a)
{
        bool unknown = false;
        (void)a;
        p->value = may_mount() && probe_is_host_namespace(p, "mnt", &unknown);
        if (p->value && unknown)
                probe_unknown(p, "without /proc the mount namespace cannot be told");
}

static void try_clock(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = may_set_clock();
}

static void try_module(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = may_load_modules();
}

/* A name of length -1: EINVAL, behind CAP_SYS_ADMIN. */
static void try_hostname(struct probe *p, const struct probe_attempt *a)
{
        bool unknown = false;
        (void)a;
        bool able = syscall(SYS_sethostname, "", -1) < 0 && errno == EINVAL;
        p->value = (able || probe_may_open("/proc/sys/kernel/hostname", O_WRONLY)) && probe_is_host_namespace(p, "uts", &unknown);
        if (p->value && unknown)
                probe_unknown(p, "without /proc the namespace of the host's name cannot be told");
}

/* No bytes of the whole log: 0, behind the question for the right to read it. */
static void try_kernel_log(struct probe *p, const struct probe_attempt *a)
{
        enum { READ_ALL = 3, KMSG_MAJOR = 1, KMSG_MINOR = 11 };
        struct stat st;
        char none;
        (void)a;
        bool has_node = stat("/dev/kmsg", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(KMSG_MAJOR, KMSG_MINOR) &&
                        (faccessat(AT_FDCWD, "/dev/kmsg", R_OK, AT_EACCESS) == 0 || faccessat(AT_FDCWD, "/dev/kmsg", W_OK, AT_EACCESS) == 0);
        p->value = has_node || syscall(SYS_syslog, READ_ALL, &none, 0) == 0;
}

/* The lowest priority of them, for a process that ends at once: with priority 0 the kernel would not ask for the right. */
static void try_realtime(struct probe *p, const struct probe_attempt *a)
{
        const struct sched_param lowest = { .sched_priority = 1 };
        (void)a;
        p->value = sched_setscheduler(0, SCHED_RR, &lowest) == 0;
}

static void try_personality(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = syscall(SYS_personality, (unsigned long)(PER_LINUX | ADDR_NO_RANDOMIZE)) >= 0;
}

static void try_write_execute(struct probe *p, const struct probe_attempt *a)
{
        const size_t page = 4096;
        (void)a;
        if (mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
                p->value = 1;
                return;
        }
        void *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        p->value = m != MAP_FAILED && mprotect(m, page, PROT_READ | PROT_EXEC) == 0;
}

/* Of a file in memory, which is gone with us. */
static void try_set_id(struct probe *p, const struct probe_attempt *a)
{
        int fd = memfd_create("bulkhead-probe", MFD_CLOEXEC);
        (void)a;
        if (fd < 0)
                probe_unknown(p, "no file in memory can be made to try it");
        else
                p->value = fchmod(fd, S_ISUID | 0700) == 0;
}

/* ---- sockets ---- */

/* A type that no family has: EINVAL, behind every filter and before any module would be loaded. */
static bool may_have_family(int family)
{
        enum { NO_TYPE = 15 };
        int fd = socket(family, NO_TYPE, 0);
        if (fd >= 0) {
                (void)close(fd);
                return true;
        }
        return errno == EINVAL || errno == ESOCKTNOSUPPORT;
}

static void try_family(struct probe *p, const struct probe_attempt *a)
{
        int family = (int)a->parameter;
        p->value = may_have_family(family) || (family == AF_INET && may_have_family(AF_INET6));
        if (family == AF_PACKET && !probe_has_capability(CAP_NET_RAW))
                p->value = 0;
}

static void try_other_families(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        for (int f = 1; f < AF_MAX; f++)
                if (f != AF_UNIX && f != AF_INET && f != AF_INET6 && f != AF_NETLINK && f != AF_PACKET && may_have_family(f)) {
                        probe_detail(p, "family %d", f);
                        p->value++;
                }
}

/* A datagram of ours to ourselves at an address of this host; it never leaves it. */
static bool reaches(const struct sockaddr_in *address)
{
        struct sockaddr_in own = *address;
        socklen_t size = sizeof own;
        char byte = 'b';
        int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct pollfd ready = { .fd = in, .events = POLLIN };
        own.sin_port = 0;
        bool sent = in >= 0 && out >= 0 && bind(in, (struct sockaddr *)&own, sizeof own) == 0 &&
                    getsockname(in, (struct sockaddr *)&own, &size) == 0 && sendto(out, &byte, 1, 0, (struct sockaddr *)&own, sizeof own) == 1;
        return sent && poll(&ready, 1, 300) == 1 && recv(in, &byte, 1, MSG_DONTWAIT) == 1;
}

/* Addresses: 0 none, 2 this host only, 10 others. A datagram socket that is connected sends nothing. */
static void try_addresses(struct probe *p, const struct probe_attempt *a)
{
        struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sockaddr_in test = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201) /* 192.0.2.1 */ }, own;
        socklen_t size = sizeof own;
        bool unknown = false;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)a;
        bool has_other = fd >= 0 && connect(fd, (struct sockaddr *)&test, sizeof test) == 0 && getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
                         ntohl(own.sin_addr.s_addr) >> 24 != 127;
        bool host = probe_is_host_namespace(p, "net", &unknown);
        if (has_other && reaches(&own))
                p->value = 10;
        else if (reaches(&loopback))
                p->value = host || unknown ? 2 : 0; /* the loopback of a network of its own is nobody's */
        if (p->value == 2 && !has_other)
                probe_unknown(p, "this host has no other address than loopback to try");
}

/* ---- groups of calls ---- */

static void try_32bit(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
#ifdef __x86_64__
        enum { I386_GETPID = 20 };
        long r;
        __asm__ volatile("int $0x80" : "=a"(r) : "a"((long)I386_GETPID) : "memory", "r8", "r9", "r10", "r11");
        p->value = r > 0;
#else
        probe_unknown(p, "on this architecture it is not tried");
#endif
}

/* A file without a name: ENOENT, behind CAP_SYS_ADMIN. */
static void try_swap(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = syscall(SYS_swapon, "", 0) < 0 && errno == ENOENT;
}

static void try_obsolete(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
#ifdef SYS_ustat
        char buffer[64];
        p->value = syscall(SYS_ustat, 0U, buffer) == 0 || errno == EINVAL;
#else
        probe_unknown(p, "on this architecture it is not tried");
#endif
}

static void try_emulation(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
#ifdef SYS_modify_ldt
        char none;
        p->value = syscall(SYS_modify_ldt, 0, &none, 0UL) >= 0;
#else
        probe_unknown(p, "on this architecture it is not tried");
#endif
}

/* A process that is not there: ESRCH. */
static void try_debug(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = (syscall(SYS_ptrace, (long)PTRACE_PEEKDATA, (long)(1 << 22) + 1, 0L, 0L) < 0 && errno == ESRCH) ||
                   (syscall(SYS_perf_event_open, NULL, -1, -1, -1, 0UL) < 0 && errno == EFAULT);
}

/* Ports for this process, which are not used. */
static void try_raw_io(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
#ifdef SYS_ioperm
        p->value = syscall(SYS_ioperm, 0x80UL, 1UL, 1) == 0;
#else
        probe_unknown(p, "on this architecture it is not tried");
#endif
}

/* No magic number: EINVAL, behind CAP_SYS_BOOT. */
static void try_reboot(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = syscall(SYS_reboot, 0, 0, 0, NULL) < 0 && errno == EINVAL;
}

/* Another user or another root, for a process that ends at once. */
static void try_privileged(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        p->value = chroot("/") == 0 || setresuid(1, 1, 1) == 0;
}

/* The priority that it has. */
static void try_resources(struct probe *p, const struct probe_attempt *a)
{
        cpu_set_t set;
        (void)a;
        p->value = (sched_getaffinity(0, sizeof set, &set) == 0 && sched_setaffinity(0, sizeof set, &set) == 0) ||
                   setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)) == 0;
}

const struct probe_attempt probe_calls[] = {
        { "mount", try_mount, 0 },
        { "mount-host", try_mount_host, 0 },
        { "clock", try_clock, 0 },
        { "module", try_module, 0 },
        { "hostname", try_hostname, 0 },
        { "kernel-log", try_kernel_log, 0 },
        { "realtime", try_realtime, 0 },
        { "personality", try_personality, 0 },
        { "write-execute", try_write_execute, 0 },
        { "set-id", try_set_id, 0 },
        { "family-inet", try_family, AF_INET },
        { "family-unix", try_family, AF_UNIX },
        { "family-netlink", try_family, AF_NETLINK },
        { "family-packet", try_family, AF_PACKET },
        { "family-other", try_other_families, 0 },
        { "addresses", try_addresses, 0 },
        { "call-32bit", try_32bit, 0 },
        { "calls-swap", try_swap, 0 },
        { "calls-obsolete", try_obsolete, 0 },
        { "calls-emulation", try_emulation, 0 },
        { "calls-debug", try_debug, 0 },
        { "calls-raw-io", try_raw_io, 0 },
        { "calls-reboot", try_reboot, 0 },
        { "calls-privileged", try_privileged, 0 },
        { "calls-resources", try_resources, 0 },
        { 0 },
};
