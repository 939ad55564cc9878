/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What system calls say of what their program needs, beside files. A call without a row is counted by its name only. */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "plan/filter.h"
#include "sandbox/caller.h"
#include "sandbox/observe_internal.h"

/* ---- programs and memory ---- */

static void map_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        uint64_t protection = t->args[2];
        char path[PATH_MAX];
        (void)i;
        if (result < 0)
                return;
        if (!(protection & PROT_EXEC))
                return;
        c->o->traits[TRAIT_WRITABLE_CODE] |= (protection & PROT_WRITE) != 0;
        if (!(t->args[3] & MAP_ANONYMOUS) && observe_descriptor_path(t, (int)t->args[4], path))
                observe_path(c, t, path, USE_MAP);
}

static void protect_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i, (void)t;
        c->o->traits[TRAIT_WRITABLE_CODE] |= result >= 0 && t->args[2] & PROT_EXEC;
}

static void attach_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        c->o->traits[TRAIT_IPC] = true;
        c->o->traits[TRAIT_WRITABLE_CODE] |= (result >= 0 || result < -4095) && t->args[2] & SHM_EXEC;
}

/* A program with set-id bits or capabilities of its own gives what no_new_privs keeps back. */
static void check_set_id(struct observer_context *c, const char *exe, const struct stat *st, struct thread *t)
{
        char value[64];
        const struct credentials *who = observe_credentials(t);
        bool ids = (st->st_mode & S_ISUID && st->st_uid != who->uid[0]) || (st->st_mode & S_ISGID && st->st_mode & S_IXGRP && st->st_gid != who->gid[0]);
        bool capabilities = who->uid[0] != 0 && getxattr(exe, "security.capability", value, sizeof value) > 0;
        c->o->traits[TRAIT_SET_ID_PROGRAM] |= ids || capabilities;
}

static void map_lines(struct observer_context *c, struct thread *t)
{
        char name[40];
        CLEAN_TEXT struct text t_maps = { 0 };
        (void)snprintf(name, sizeof name, "/proc/%d/maps", t->pid);
        CLEAN_FD int fd = open(name, O_RDONLY | O_CLOEXEC);
        char chunk[4096];
        ssize_t n;
        while (fd >= 0 && t_maps.length < 65536 && (n = read(fd, chunk, sizeof chunk)) > 0)
                text_add_bytes(&t_maps, chunk, (size_t)n);
        char *state = NULL;
        for (char *line = t_maps.data ? strtok_r(t_maps.data, "\n", &state) : NULL; line; line = strtok_r(NULL, "\n", &state)) {
                const char *flags = strchr(line, ' '), *path = strchr(line, '/');
                if (flags && path && strchr(flags, 'x') && strchr(flags, 'x') < path)
                        observe_path(c, t, path, USE_MAP);
        }
}

/* ---- privileges ---- */

static void needs_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)c;
        if (result >= 0)
                observe_needs(t, (unsigned)i->more);
}

static void namespaces_of(struct observer_context *c, struct thread *t, uint64_t flags)
{
        const uint64_t all = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | 0x80;
        c->o->namespaces |= flags & all;
        if (flags & all && !(flags & CLONE_NEWUSER))
                observe_needs(t, CAP_SYS_ADMIN);
        if (flags & all)
                t->who.known = false;
}

static void clone_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        uint64_t flags = t->args[0];
        size_t n;
        if (i->more && !caller_read(t->pid, t->args[0], &flags, sizeof flags, &n))
                return;
        if (result > 0)
                namespaces_of(c, t, flags & ~(uint64_t)0xff); /* below are a signal, and CLONE_NEWTIME, which clone3 alone takes */
}

static void unshare_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        if (result >= 0)
                namespaces_of(c, t, t->args[0]);
}

static void setns_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        if (result < 0)
                return;
        /* Which one a descriptor is of does not show where the flags are 0. */
        c->o->namespaces |= t->args[1] ? t->args[1] : CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
        observe_needs(t, CAP_SYS_ADMIN);
        observe_needs(t, CAP_SYS_CHROOT);
        t->who.known = false;
}

static void ids_begin(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        (void)c;
        /* Their names say what they set: "setresuid" three, "setreuid" two, others one. */
        observe_ids_begin(t, strstr(i->name, "uid") != NULL, !strncmp(i->name, "setres", 6) ? 3 : !strncmp(i->name, "setre", 5) ? 2 : 1);
}

static void ids_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i, (void)result;
        t->who.known = false;
        observations_add_user(c->o, observe_credentials(t)->uid[1]);
}

static void groups_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        needs_ended(c, t, i, result);
        t->who.known = false;
}

static void capset_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)c, (void)i, (void)result;
        t->who.known = false;
}

static void prctl_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)c, (void)i;
        if (result >= 0 && (t->args[0] == PR_CAPBSET_DROP || t->args[0] == PR_SET_SECUREBITS))
                observe_needs(t, CAP_SETPCAP);
        if (t->args[0] == PR_SET_SECUREBITS || t->args[0] == PR_CAP_AMBIENT)
                t->who.known = false;
}

static void kill_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        (void)i;
        observe_kill_begins(c, t);
}

static void schedule_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        /* sched_setscheduler has a policy, sched_setattr a struct with one behind its size. */
        uint32_t attributes[2] = { 0, (uint32_t)t->args[1] };
        size_t n;
        if (result < 0 || (i->more && !caller_read(t->pid, t->args[1], attributes, sizeof attributes, &n)))
                return;
        unsigned policy = attributes[1] & ~(unsigned)SCHED_RESET_ON_FORK;
        if (policy == SCHED_FIFO || policy == SCHED_RR || policy == 6 /* SCHED_DEADLINE */) {
                c->o->traits[TRAIT_REALTIME] = true;
                observe_needs(t, CAP_SYS_NICE);
        }
}

static void priority_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)c, (void)i;
        if (result >= 0 && (int)t->args[2] < 0)
                observe_needs(t, CAP_SYS_NICE);
}

static void limit_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        bool old = text_equal(i->name, "setrlimit");
        uint64_t wanted[2];
        struct rlimit now;
        size_t n, argument = old ? 1 : 2;
        pid_t pid = old || !t->args[0] ? t->pid : (pid_t)t->args[0];
        int resource = (int)t->args[old ? 0 : 1];
        (void)c;
        if (!t->args[argument] || !caller_read(t->pid, t->args[argument], wanted, sizeof wanted, &n) || n < sizeof wanted)
                return;
        if (prlimit(pid, (__rlimit_resource_t)resource, NULL, &now) == 0 && wanted[1] > now.rlim_max)
                observe_needs(t, CAP_SYS_RESOURCE);
}

static void lock_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        struct rlimit now = { 0 };
        (void)c;
        if (result < 0)
                return;
        (void)prlimit(t->pid, RLIMIT_MEMLOCK, NULL, &now);
        if (now.rlim_cur != RLIM_INFINITY && (i->more || t->args[1] > now.rlim_cur))
                observe_needs(t, CAP_IPC_LOCK);
}

static void clock_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        uint32_t modes = 1;
        size_t n;
        /* adjtimex without modes only reads; more is the argument with the struct. */
        if (i->more >= 0 && !caller_read(t->pid, t->args[i->more], &modes, sizeof modes, &n))
                return;
        if (modes)
                c->o->traits[TRAIT_CLOCK] = true;
        if (modes && result >= 0)
                observe_needs(t, CAP_SYS_TIME);
}

static void trait_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)t;
        if (result >= 0)
                c->o->traits[i->more] = true;
}

static void module_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        if (result < 0)
                return;
        c->o->traits[TRAIT_MODULE] = true;
        observe_needs(t, CAP_SYS_MODULE);
}

static void log_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        if (result < 0)
                return;
        c->o->traits[TRAIT_KERNEL_LOG] = true;
        observe_needs(t, CAP_SYSLOG);
}

static void hostname_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        if (result < 0)
                return;
        c->o->traits[TRAIT_HOSTNAME] = true;
        observe_needs(t, CAP_SYS_ADMIN);
}

static void personality_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        c->o->traits[TRAIT_PERSONALITY] |= result >= 0 && (uint32_t)t->args[0] != 0xffffffff && (uint32_t)t->args[0] != (uint32_t)result;
}

static void chroot_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX], link[40];
        (void)i;
        if (result < 0)
                return;
        observe_needs(t, CAP_SYS_CHROOT);
        (void)snprintf(link, sizeof link, "/proc/%d/root", t->pid);
        ssize_t n = readlink(link, path, sizeof path - 1);
        path[n > 0 ? n : 0] = 0;
        observe_path(c, t, path, USE_LOOK | USE_FOLDER);
}

/* An ordinary user mounts in a user namespace of its own, where the bounding set counts as well. */
static void mount_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)c, (void)i;
        if (result >= 0)
                observe_needs(t, CAP_SYS_ADMIN);
}

static void trace_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        (void)i;
        if (t->args[0] == PTRACE_TRACEME)
                t->release = true;
        c->o->traits[TRAIT_UNSEEN] |= t->release || t->args[0] == PTRACE_ATTACH || t->args[0] == PTRACE_SEIZE;
}

static void control_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        uint32_t request = (uint32_t)t->args[1];
        (void)c, (void)i;
        if (result < 0)
                return;
        /* SIOCSIF* and their like are even numbers between those that read; then TUNSETIFF. */
        bool sets = (request >= 0x8914 && request <= 0x8936 && request % 2 == 0) || request == 0x890b || request == 0x890c || request == 0x400454ca;
        if (sets)
                observe_needs(t, CAP_NET_ADMIN);
}

/* ---- sockets: observe_sockets.c ---- */

#define SOCKETS(name, call)                                                                                                    \
        static void name(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)              \
        {                                                                                                                      \
                (void)i;                                                                                                       \
                call(c, t, result);                                                                                            \
        }
SOCKETS(socket_ended, observe_socket)
SOCKETS(bind_ended, observe_bind)
SOCKETS(connect_ended, observe_connect)
SOCKETS(listen_ended, observe_listen)
SOCKETS(send_to_ended, observe_send_to)
SOCKETS(send_message_ended, observe_send_message)
SOCKETS(option_ended, observe_set_option)
#undef SOCKETS

/* Of 32-bit programs: the arguments lie in memory, and the first says which call it is. */
static void multiplexed_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        static void (*const calls[])(struct observer_context *, struct thread *, int64_t) = {
                [1] = observe_socket, [2] = observe_bind, [3] = observe_connect, [4] = observe_listen, [11] = observe_send_to,
        };
        uint64_t which = t->args[0];
        uint32_t arguments[6] = { 0 };
        size_t n;
        (void)i;
        if (which >= ELEMENTS(calls) || !calls[which] || !caller_read(t->pid, t->args[1], arguments, sizeof arguments, &n))
                return;
        for (size_t k = 0; k < ELEMENTS(arguments); k++)
                t->args[k] = arguments[k];
        calls[which](c, t, result);
}

/* ---- the table ---- */

static const struct call_info other_calls[] = {
        { "mmap", NULL, map_ended, -1, -1, 0 },
        { "mmap2", NULL, map_ended, -1, -1, 0 },
        { "mprotect", NULL, protect_ended, -1, -1, 0 },
        { "pkey_mprotect", NULL, protect_ended, -1, -1, 0 },
        { "shmat", NULL, attach_ended, -1, -1, 0 },
        { "shmget", NULL, trait_ended, -1, -1, TRAIT_IPC },
        { "semget", NULL, trait_ended, -1, -1, TRAIT_IPC },
        { "msgget", NULL, trait_ended, -1, -1, TRAIT_IPC },
        { "mq_open", NULL, trait_ended, -1, -1, TRAIT_IPC },
        { "clone", NULL, clone_ended, -1, -1, 0 },
        { "clone3", NULL, clone_ended, -1, -1, 1 },
        { "unshare", NULL, unshare_ended, -1, -1, 0 },
        { "setns", NULL, setns_ended, -1, -1, 0 },
        { "setuid", ids_begin, ids_ended, -1, -1, 0 },
        { "setreuid", ids_begin, ids_ended, -1, -1, 0 },
        { "setresuid", ids_begin, ids_ended, -1, -1, 0 },
        { "setfsuid", ids_begin, ids_ended, -1, -1, 0 },
        { "setgid", ids_begin, ids_ended, -1, -1, 0 },
        { "setregid", ids_begin, ids_ended, -1, -1, 0 },
        { "setresgid", ids_begin, ids_ended, -1, -1, 0 },
        { "setfsgid", ids_begin, ids_ended, -1, -1, 0 },
        { "setgroups", NULL, groups_ended, -1, -1, CAP_SETGID },
        { "capset", NULL, capset_ended, -1, -1, 0 },
        { "prctl", NULL, prctl_ended, -1, -1, 0 },
        { "kill", kill_begins, NULL, -1, -1, 0 },
        { "tgkill", kill_begins, NULL, -1, -1, 0 },
        { "tkill", kill_begins, NULL, -1, -1, 0 },
        { "sched_setscheduler", NULL, schedule_ended, -1, -1, 0 },
        { "sched_setattr", NULL, schedule_ended, -1, -1, 1 },
        { "setpriority", NULL, priority_ended, -1, -1, 0 },
        { "setrlimit", limit_begins, NULL, -1, -1, 0 },
        { "prlimit64", limit_begins, NULL, -1, -1, 0 },
        { "mlock", NULL, lock_ended, -1, -1, 0 },
        { "mlock2", NULL, lock_ended, -1, -1, 0 },
        { "mlockall", NULL, lock_ended, -1, -1, 1 },
        { "settimeofday", NULL, clock_ended, -1, -1, -1 },
        { "clock_settime", NULL, clock_ended, -1, -1, -1 },
        { "clock_adjtime", NULL, clock_ended, -1, -1, 1 },
        { "adjtimex", NULL, clock_ended, -1, -1, 0 },
        { "init_module", NULL, module_ended, -1, -1, 0 },
        { "finit_module", NULL, module_ended, -1, -1, 0 },
        { "delete_module", NULL, module_ended, -1, -1, 0 },
        { "syslog", NULL, log_ended, -1, -1, 0 },
        { "sethostname", NULL, hostname_ended, -1, -1, 0 },
        { "setdomainname", NULL, hostname_ended, -1, -1, 0 },
        { "personality", NULL, personality_ended, -1, -1, 0 },
        { "add_key", NULL, trait_ended, -1, -1, TRAIT_KEYRING },
        { "request_key", NULL, trait_ended, -1, -1, TRAIT_KEYRING },
        { "keyctl", NULL, trait_ended, -1, -1, TRAIT_KEYRING },
        { "chroot", NULL, chroot_ended, -1, -1, 0 },
        { "mount", NULL, mount_ended, -1, -1, 0 },
        { "umount2", NULL, mount_ended, -1, -1, 0 },
        { "pivot_root", NULL, mount_ended, -1, -1, 0 },
        { "fsopen", NULL, mount_ended, -1, -1, 0 },
        { "move_mount", NULL, mount_ended, -1, -1, 0 },
        { "mount_setattr", NULL, mount_ended, -1, -1, 0 },
        { "bpf", NULL, needs_ended, -1, -1, CAP_SYS_ADMIN },
        { "swapon", NULL, needs_ended, -1, -1, CAP_SYS_ADMIN },
        { "swapoff", NULL, needs_ended, -1, -1, CAP_SYS_ADMIN },
        { "fanotify_init", NULL, needs_ended, -1, -1, CAP_SYS_ADMIN },
        { "quotactl", NULL, needs_ended, -1, -1, CAP_SYS_ADMIN },
        { "open_by_handle_at", NULL, needs_ended, -1, -1, CAP_DAC_READ_SEARCH },
        { "ioperm", NULL, needs_ended, -1, -1, CAP_SYS_RAWIO },
        { "iopl", NULL, needs_ended, -1, -1, CAP_SYS_RAWIO },
        { "reboot", NULL, needs_ended, -1, -1, CAP_SYS_BOOT },
        { "acct", NULL, needs_ended, -1, -1, CAP_SYS_PACCT },
        { "vhangup", NULL, needs_ended, -1, -1, CAP_SYS_TTY_CONFIG },
        { "ptrace", trace_begins, NULL, -1, -1, 0 },
        { "ioctl", NULL, control_ended, -1, -1, 0 },
        { "socket", NULL, socket_ended, -1, -1, 0 },
        { "socketpair", NULL, socket_ended, -1, -1, 0 },
        { "bind", NULL, bind_ended, -1, -1, 0 },
        { "connect", NULL, connect_ended, -1, -1, 0 },
        { "listen", NULL, listen_ended, -1, -1, 0 },
        { "sendto", NULL, send_to_ended, -1, -1, 0 },
        { "sendmsg", NULL, send_message_ended, -1, -1, 0 },
        { "sendmmsg", NULL, send_message_ended, -1, -1, 0 },
        { "setsockopt", NULL, option_ended, -1, -1, 0 },
        { "socketcall", NULL, multiplexed_ended, -1, -1, 0 },
        { 0 },
};

/* ---- begin and end ---- */

static const struct call_info *find_info(const struct call_info *table, const char *name)
{
        for (; table->name; table++)
                if (text_equal(table->name, name))
                        return table;
        return NULL;
}

static struct known_call *know(struct observer_context *c, const struct thread *t)
{
        bool foreign = t->arch != seccomp_arch_native();
        if (t->nr >= OBSERVE_NR_MAX)
                return NULL;
        struct known_call *k = &c->known[foreign][t->nr];
        if (k->looked_up)
                return k;
        k->looked_up = true;
        CLEAN_FREE char *name = filter_call_name(t->arch, (int)t->nr);
        struct observed_call *row = name ? observations_call(c->o, name, foreign) : NULL;
        k->counted = row;
        k->row = row ? (size_t)(row - c->o->calls) : 0;
        k->info = name ? find_info(observe_file_calls, name) : NULL;
        if (name && !k->info)
                k->info = find_info(other_calls, name);
        if (!row)
                c->o->lost++;
        return k;
}

void observe_call_begins(struct observer_context *c, struct thread *t)
{
        const struct known_call *k = know(c, t);
        free(TAKE_PTR(t->before));
        t->made = false;
        if (!k) {
                c->o->lost++;
                return;
        }
        if (k->counted)
                c->o->calls[k->row].times++;
        if (k->info && k->info->begins)
                k->info->begins(c, t, k->info);
}

void observe_call_ended(struct observer_context *c, struct thread *t, const struct trace_call *call)
{
        const struct known_call *k = know(c, t);
        if (!k || !k->counted)
                return;
        struct observed_call *row = &c->o->calls[k->row];
        uint64_t error = call->failed ? (uint64_t)-call->result : 0;
        /* Numbers above 511 are the kernel's own: the call is going to be made again. */
        if (!call->failed)
                row->succeeded = true;
        else if (error < OBSERVED_ERRNO_MAX)
                row->errors[error / 64] |= 1ULL << error % 64;
        if (call->failed)
                t->needs = 0;
        if (k->info && k->info->ended)
                k->info->ended(c, t, k->info, call->failed ? -(int64_t)error : call->result);
        c->o->capabilities |= t->needs;
        free(TAKE_PTR(t->before));
}

void observe_executed(struct observer_context *c, struct thread *t)
{
        char link[40], exe[PATH_MAX];
        struct stat st;
        const struct known_call *k = t->in_call ? know(c, t) : NULL;
        if (k && k->counted)
                c->o->calls[k->row].succeeded = true; /* the end of this call is that of another program */
        if (t->before)
                observe_path(c, t, t->before, USE_EXECUTE); /* a script, or the program itself */
        free(TAKE_PTR(t->before));
        (void)snprintf(link, sizeof link, "/proc/%d/exe", t->pid);
        ssize_t n = readlink(link, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = 0;
        if (stat(link, &st) == 0 && st.st_nlink > 0 && n > 0) {
                observe_path(c, t, exe, USE_EXECUTE);
                check_set_id(c, link, &st, t);
        }
        map_lines(c, t);
        observations_add_user(c->o, observe_credentials(t)->uid[1]);
        t->in_call = false;
}

void observe_set_up_call(struct thread *t, const struct trace_call *call)
{
        char path[PATH_MAX];
        CLEAN_FREE char *name = filter_call_name(call->arch, (int)call->nr);
        free(TAKE_PTR(t->before));
        memcpy(t->args, call->args, sizeof t->args);
        if (name && text_equal(name, "execve") && observe_path_argument(t, 0, -1, false, path))
                t->before = xstrdup(path);
}
