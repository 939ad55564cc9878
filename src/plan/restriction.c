/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/restriction.h"

#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>

#define AS_INT 0xffffffffU /* all that the kernel looks at in an int */

static void clean_context(scmp_filter_ctx *c)
{
        if (*c)
                seccomp_release(*c);
}
#define CLEAN_CONTEXT CLEAN(clean_context)

/* ---- names ---- */

static const struct name {
        const char *name;
        uint64_t bits;
} namespaces[] = {
        { "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC },   { "net", CLONE_NEWNET }, { "mnt", CLONE_NEWNS },
        { "pid", CLONE_NEWPID },       { "user", CLONE_NEWUSER }, { "uts", CLONE_NEWUTS }, { "time", CLONE_NEWTIME },
        { 0 },
};

#define FAMILY(name) { #name, UINT64_C(1) << name }
static const struct name families[] = {
        FAMILY(AF_UNIX), FAMILY(AF_LOCAL), FAMILY(AF_INET), FAMILY(AF_AX25), FAMILY(AF_IPX), FAMILY(AF_APPLETALK), FAMILY(AF_NETROM),
        FAMILY(AF_BRIDGE), FAMILY(AF_ATMPVC), FAMILY(AF_X25), FAMILY(AF_INET6), FAMILY(AF_ROSE), FAMILY(AF_NETBEUI), FAMILY(AF_SECURITY),
        FAMILY(AF_KEY), FAMILY(AF_NETLINK), FAMILY(AF_ROUTE), FAMILY(AF_PACKET), FAMILY(AF_ASH), FAMILY(AF_ECONET), FAMILY(AF_ATMSVC),
        FAMILY(AF_RDS), FAMILY(AF_SNA), FAMILY(AF_IRDA), FAMILY(AF_PPPOX), FAMILY(AF_WANPIPE), FAMILY(AF_LLC), FAMILY(AF_IB),
        FAMILY(AF_MPLS), FAMILY(AF_CAN), FAMILY(AF_TIPC), FAMILY(AF_BLUETOOTH), FAMILY(AF_IUCV), FAMILY(AF_RXRPC), FAMILY(AF_ISDN),
        FAMILY(AF_PHONET), FAMILY(AF_IEEE802154), FAMILY(AF_CAIF), FAMILY(AF_ALG), FAMILY(AF_NFC), FAMILY(AF_VSOCK), FAMILY(AF_KCM),
        FAMILY(AF_QIPCRTR), FAMILY(AF_SMC), FAMILY(AF_XDP), FAMILY(AF_MCTP), { 0 },
};
#undef FAMILY

/* By bit. Those of other machines are names all the same; they change nothing here. */
static const struct architecture {
        const char *name;
        uint32_t arch;
} architectures[] = {
        { "native", SCMP_ARCH_NATIVE },         { "x86", SCMP_ARCH_X86 },          { "x86-64", SCMP_ARCH_X86_64 },
        { "x32", SCMP_ARCH_X32 },               { "arm", SCMP_ARCH_ARM },          { "arm64", SCMP_ARCH_AARCH64 },
        { "loongarch64", 0 },                   { "m68k", 0 },                     { "mips", SCMP_ARCH_MIPS },
        { "mips64", SCMP_ARCH_MIPS64 },         { "mips64-n32", SCMP_ARCH_MIPS64N32 }, { "mips-le", SCMP_ARCH_MIPSEL },
        { "mips64-le", SCMP_ARCH_MIPSEL64 },    { "mips64-le-n32", SCMP_ARCH_MIPSEL64N32 }, { "parisc", SCMP_ARCH_PARISC },
        { "parisc64", SCMP_ARCH_PARISC64 },     { "ppc", SCMP_ARCH_PPC },          { "ppc64", SCMP_ARCH_PPC64 },
        { "ppc64-le", SCMP_ARCH_PPC64LE },      { "riscv64", SCMP_ARCH_RISCV64 },  { "s390", SCMP_ARCH_S390 },
        { "s390x", SCMP_ARCH_S390X },
};

static int find(const struct name *rows, const char *name, uint64_t *ret)
{
        for (; rows->name; rows++)
                if (text_equal(rows->name, name)) {
                        *ret = rows->bits;
                        return 0;
                }
        return -EINVAL;
}

int restriction_namespace(const char *name, uint64_t *ret) { return find(namespaces, name, ret); }
int restriction_family(const char *name, uint64_t *ret) { return find(families, name, ret); }

int restriction_architecture(const char *name, uint64_t *ret)
{
        for (size_t i = 0; i < ELEMENTS(architectures); i++)
                if (text_equal(architectures[i].name, name)) {
                        *ret = UINT64_C(1) << i;
                        return 0;
                }
        return -EINVAL;
}

/* A name for each bit, the first that fits. */
static void add_names(struct text *t, const struct name *rows, uint64_t mask)
{
        for (; rows->name && mask; rows++)
                if (mask & rows->bits) {
                        text_addf(t, " %s", rows->name);
                        mask &= ~rows->bits;
                }
}

static void add_architectures(struct text *t, uint64_t mask)
{
        text_add(t, " native");
        for (size_t i = 1; i < ELEMENTS(architectures); i++)
                if (mask >> i & 1)
                        text_addf(t, " %s", architectures[i].name);
}

char *restriction_words(const struct restriction *r)
{
        CLEAN_TEXT struct text t = { 0 };
        switch (r->kind) {
        case RESTRICTION_NAMESPACES:
                text_add(&t, r->mask ? "only of these can be made:" : "none can be made");
                add_names(&t, namespaces, r->mask);
                break;
        case RESTRICTION_REALTIME: text_add(&t, "cannot be had"); break;
        case RESTRICTION_PERSONALITY: text_add(&t, "stays as it is"); break;
        case RESTRICTION_FAMILIES:
                text_add(&t, !r->allow_list ? "none of these:" : r->mask ? "only of these:" : "none can be opened");
                add_names(&t, families, r->mask);
                break;
        case RESTRICTION_ARCHITECTURES:
                text_add(&t, "only of these:");
                add_architectures(&t, r->mask);
                break;
        default: text_add(&t, "never writable and executable"); break;
        }
        return TAKE_PTR(t.data);
}

/* ---- rules ---- */

struct rule {
        const char *call;
        int error;
        unsigned count;
        struct scmp_arg_cmp args[2];
};

static int add_rule(scmp_filter_ctx context, const struct rule *r)
{
        int nr;
        if (!filter_call_number(r->call, &nr))
                return 0;
        int k = seccomp_rule_add_array(context, SCMP_ACT_ERRNO((uint32_t)r->error), nr, r->count, r->args);
        return k == -EDOM || k == -EEXIST ? 0 : k;
}

#define BITS(argument, bits) { argument, SCMP_CMP_MASKED_EQ, bits, bits }

static int refuse_namespace(scmp_filter_ctx context, uint64_t flag, bool others_allowed)
{
        const struct rule rules[] = { { "unshare", EPERM, 1, { BITS(0, flag) } }, { "setns", EPERM, 1, { BITS(1, flag) } },
                                      { "clone", EPERM, 1, { BITS(0, flag) } } };
        int k = add_rule(context, &rules[0]);
        if (k == 0 && others_allowed)
                k = add_rule(context, &rules[1]);
        /* Of clone this bit belongs to the signal at the end; it takes no flag for time. */
        return k == 0 && flag != CLONE_NEWTIME ? add_rule(context, &rules[2]) : k;
}

/* setns without a flag takes whatever the descriptor is of; what clone3 asks for lies in memory. */
static int refuse_namespaces(scmp_filter_ctx context, const struct restriction *r)
{
        const struct rule any = { "setns", EPERM, r->mask ? 1 : 0, { { 1, SCMP_CMP_MASKED_EQ, AS_INT, 0 } } };
        const struct rule hidden = { "clone3", ENOSYS, 0, { { 0 } } };
        int k = add_rule(context, &any);
        if (k == 0)
                k = add_rule(context, &hidden);
        for (const struct name *n = namespaces; k == 0 && n->name; n++)
                if (!(r->mask & n->bits))
                        k = refuse_namespace(context, n->bits, r->mask);
        return k;
}

/* All policies but the three, and all flags beside a policy.  sched_setattr has them in memory. */
static int refuse_realtime(scmp_filter_ctx context)
{
        static const int fine[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
        const struct rule hidden = { "sched_setattr", ENOSYS, 0, { { 0 } } };
        int k = add_rule(context, &hidden);
        for (int policy = 0; k == 0 && policy <= 7; policy++) {
                bool allowed = false;
                for (size_t i = 0; i < ELEMENTS(fine); i++)
                        allowed |= policy == fine[i];
                const struct rule r = { "sched_setscheduler", EPERM, 1, { { 1, SCMP_CMP_MASKED_EQ, AS_INT, (unsigned)policy } } };
                k = allowed ? 0 : add_rule(context, &r);
        }
        for (unsigned bit = 3; k == 0 && bit < 32; bit++) {
                const struct rule r = { "sched_setscheduler", EPERM, 1, { BITS(1, UINT64_C(1) << bit) } };
                k = add_rule(context, &r);
        }
        return k;
}

static int refuse_personalities(scmp_filter_ctx context, const struct restriction *r)
{
        const struct rule other = { "personality", EPERM, 1, { { 0, SCMP_CMP_NE, r->mask, 0 } } };
        return add_rule(context, &other);
}

/* Code that was data: another mapping may have written what this one would run. */
static int refuse_writable_code(scmp_filter_ctx context, const struct restriction *r)
{
        const uint64_t both = PROT_WRITE | PROT_EXEC;
        const struct rule rules[] = { { "shmat", EPERM, 1, { BITS(2, SHM_EXEC) } },
                                      { "mmap", EPERM, 1, { BITS(2, both) } },
                                      { "mmap2", EPERM, 1, { BITS(2, both) } },
                                      { "mprotect", EPERM, 1, { BITS(2, PROT_EXEC) } },
                                      { "pkey_mprotect", EPERM, 1, { BITS(2, PROT_EXEC) } } };
        int k = 0;
        for (size_t i = 0; k == 0 && i < (r->mask ? 1 : ELEMENTS(rules)); i++)
                k = add_rule(context, &rules[i]);
        return k;
}

static int keep_architectures(scmp_filter_ctx context, const struct restriction *r)
{
        static const uint32_t others[] = { SCMP_ARCH_X86, SCMP_ARCH_X32, SCMP_ARCH_ARM };
        for (size_t i = 0; i < ELEMENTS(others); i++) {
                bool wanted = others[i] == seccomp_arch_native();
                for (size_t k = 1; k < ELEMENTS(architectures); k++)
                        wanted |= architectures[k].arch == others[i] && r->mask >> k & 1;
                int k = wanted ? 0 : seccomp_arch_remove(context, others[i]);
                if (k < 0 && k != -EEXIST && k != -EINVAL)
                        return k;
        }
        return 0;
}

static int add_rules(scmp_filter_ctx context, const struct restriction *r)
{
        switch (r->kind) {
        case RESTRICTION_NAMESPACES: return refuse_namespaces(context, r);
        case RESTRICTION_REALTIME: return refuse_realtime(context);
        case RESTRICTION_PERSONALITY: return refuse_personalities(context, r);
        case RESTRICTION_ARCHITECTURES: return keep_architectures(context, r);
        case RESTRICTION_MEMORY: return refuse_writable_code(context, r);
        default: return 0;
        }
}

/* ---- address families ---- */

/* Instructions in front of a program without rules, which judges the architecture. */
struct front {
        struct sock_filter code[512];
        unsigned short count;
};

enum { SOCKETCALL_SOCKET = 1, X32_MASK = 0xbfffffff };
#define LOAD(what) (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define RETURN(action) (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action)
#define SKIP_UNLESS(value, n) (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)

static unsigned short emit(struct front *f, struct sock_filter code)
{
        f->code[f->count] = code;
        return f->count++;
}

/* Where the test at goes when it fails: here. */
static void land(struct front *f, unsigned short at)
{
        f->code[at].jf = (uint8_t)(f->count - at - 1);
}

static void judge_family(struct front *f, const struct restriction *r)
{
        const uint32_t refuse = SECCOMP_RET_ERRNO | EAFNOSUPPORT, listed = r->allow_list ? SECCOMP_RET_ALLOW : refuse;
        emit(f, LOAD(args[0])); /* the low half: families are ints */
        for (uint32_t family = 0; family < 64; family++)
                if (r->mask >> family & 1) {
                        emit(f, SKIP_UNLESS(family, 1));
                        emit(f, RETURN(listed));
                }
        emit(f, RETURN(r->allow_list ? refuse : SECCOMP_RET_ALLOW));
}

/* socketcall keeps the family in memory: where it is the call for sockets, no family can be told from another. */
static void refuse_socketcall(struct front *f, int nr)
{
        unsigned short other = emit(f, SKIP_UNLESS((uint32_t)nr, 0));
        emit(f, LOAD(args[0]));
        emit(f, SKIP_UNLESS(SOCKETCALL_SOCKET, 1));
        emit(f, RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT));
        emit(f, RETURN(SECCOMP_RET_ALLOW));
        land(f, other);
}

/* Machines that run programs of another one: the numbers are the kernel's, libseccomp has stand-ins for some. */
static const struct socket_calls {
        uint32_t arch;
        int socket, socketcall; /* 0: there is none */
} socket_calls[] = { { SCMP_ARCH_X86_64, 41, 0 }, { SCMP_ARCH_X86, 359, 102 }, { SCMP_ARCH_AARCH64, 198, 0 }, { SCMP_ARCH_ARM, 281, 0 } };

static void judge_architecture(struct front *f, const struct restriction *r, const struct socket_calls *calls)
{
        emit(f, LOAD(arch));
        unsigned short foreign = emit(f, SKIP_UNLESS(calls->arch, 0));
        emit(f, LOAD(nr));
        if (calls->arch == SCMP_ARCH_X86_64)
                emit(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, X32_MASK));
        if (calls->socketcall)
                refuse_socketcall(f, calls->socketcall);
        unsigned short other = emit(f, SKIP_UNLESS((uint32_t)calls->socket, 0));
        judge_family(f, r);
        land(f, other);
        land(f, foreign);
}

static int compile_families(const struct restriction *r, struct front *f)
{
        for (size_t i = 0; i < ELEMENTS(socket_calls); i += 2)
                if (socket_calls[i].arch == seccomp_arch_native()) {
                        judge_architecture(f, r, &socket_calls[i]);
                        judge_architecture(f, r, &socket_calls[i + 1]);
                        return 0;
                }
        return -EOPNOTSUPP;
}

/* The old mmap of 32-bit x86 has its arguments in memory. */
static void refuse_old_mmap(struct front *f)
{
        int nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, "mmap");
        emit(f, LOAD(arch));
        emit(f, SKIP_UNLESS(SCMP_ARCH_X86, 3));
        emit(f, LOAD(nr));
        emit(f, SKIP_UNLESS((uint32_t)nr, 1));
        emit(f, RETURN(SECCOMP_RET_ERRNO | EPERM));
}

static void judge_memory(struct front *f, const struct restriction *r)
{
        if (seccomp_arch_native() != SCMP_ARCH_X86_64)
                return;
        filter_ipc_guard(f->code);
        f->count = FILTER_IPC_GUARD;
        if (!r->mask)
                refuse_old_mmap(f);
}

/* ---- all ---- */

int restriction_compile(const struct restriction *r, struct filter_program *ret, struct error *e)
{
        CLEAN_CONTEXT scmp_filter_ctx context = NULL;
        struct front front = { .count = 0 };
        int k = filter_open_context(SCMP_ACT_ALLOW, &context, e);
        if (k < 0)
                return k;
        k = add_rules(context, r);
        if (k == 0 && r->kind == RESTRICTION_FAMILIES)
                k = compile_families(r, &front);
        else if (k == 0 && r->kind == RESTRICTION_MEMORY)
                judge_memory(&front, r);
        if (k < 0)
                return error_errno(e, k, "seccomp.compile", "adding a rule to a system call filter");
        return filter_export(context, front.code, front.count, ret, e);
}

const char *const *restriction_calls(const struct restriction *r)
{
        static const char *const namespace_calls[] = { "unshare", "setns", "clone", "clone3", NULL };
        static const char *const realtime_calls[] = { "sched_setscheduler", "sched_setattr", NULL };
        static const char *const personality_calls[] = { "personality", NULL };
        static const char *const family_calls[] = { "socket", "socketcall", NULL };
        static const char *const memory_calls[] = { "shmat", NULL };
        switch (r->kind) {
        case RESTRICTION_NAMESPACES: return namespace_calls;
        case RESTRICTION_REALTIME: return realtime_calls;
        case RESTRICTION_PERSONALITY: return personality_calls;
        case RESTRICTION_FAMILIES: return family_calls;
        case RESTRICTION_MEMORY: return r->mask ? memory_calls : NULL;
        default: return NULL;
        }
}
