/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/audit.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "plan/bpf_judge.h"
#include "plan/restriction.h"

#define CLEAN_PROGRAM CLEAN(filter_program_clear)
#define HIGH (UINT64_C(1) << 40) /* a bit that the kernel does not look at in an int */
enum { KILLED = -1 };

static struct filter_program program;

static void compile(enum restriction_kind kind, uint64_t mask, bool allow_list)
{
        const struct restriction r = { kind, mask, allow_list };
        struct error e = { 0 };
        filter_program_clear(&program);
        assert_int_equal(restriction_compile(&r, &program, &e), 0);
}

/* 0: allowed, an errno, or KILLED. */
static int answer(uint32_t arch, int nr, uint64_t a, uint64_t b, uint64_t c)
{
        struct seccomp_data data = { .nr = nr, .arch = arch, .args = { a, b, c } };
        uint32_t verdict;
        assert_true(bpf_judge(program.code, program.count, &data, &verdict));
        if (verdict == SECCOMP_RET_KILL_PROCESS)
                return KILLED;
        return verdict == SECCOMP_RET_ALLOW ? 0 : (int)(verdict & SECCOMP_RET_DATA);
}

#if defined(__x86_64__)
enum { NATIVE = AUDIT_ARCH_X86_64, X32 = 0x40000000 };
#else
enum { NATIVE = AUDIT_ARCH_AARCH64 };
#endif

static int native(long nr, uint64_t a, uint64_t b, uint64_t c)
{
        int got = answer(NATIVE, (int)nr, a, b, c);
#if defined(__x86_64__)
        assert_int_equal(answer(NATIVE, (int)nr | X32, a, b, c), got);
#endif
        return got;
}

static void namespaces(void **state)
{
        (void)state;
        compile(RESTRICTION_NAMESPACES, 0, true);
        assert_int_equal(native(SYS_unshare, CLONE_NEWNET, 0, 0), EPERM);
        assert_int_equal(native(SYS_unshare, CLONE_NEWTIME | HIGH, 0, 0), EPERM);
        assert_int_equal(native(SYS_unshare, CLONE_FS, 0, 0), 0);
        assert_int_equal(native(SYS_setns, 3, CLONE_NEWNET, 0), EPERM);
        assert_int_equal(native(SYS_setns, 3, 0, 0), EPERM);
        assert_int_equal(native(SYS_clone, CLONE_NEWUSER | 17, 0, 0), EPERM);
        assert_int_equal(native(SYS_clone, CLONE_VM | CLONE_VFORK | 17, 0, 0), 0);
        assert_int_equal(native(SYS_clone, 0xff, 0, 0), 0); /* the signal */
        assert_int_equal(native(SYS_clone3, 0, 0, 0), ENOSYS);
        assert_int_equal(native(SYS_getpid, 0, 0, 0), 0);
        compile(RESTRICTION_NAMESPACES, CLONE_NEWNET | CLONE_NEWUTS, true);
        assert_int_equal(native(SYS_unshare, CLONE_NEWNET, 0, 0), 0);
        assert_int_equal(native(SYS_unshare, CLONE_NEWNET | CLONE_NEWUTS, 0, 0), 0);
        assert_int_equal(native(SYS_unshare, CLONE_NEWNET | CLONE_NEWNS, 0, 0), EPERM);
        assert_int_equal(native(SYS_setns, 3, CLONE_NEWNET, 0), 0);
        assert_int_equal(native(SYS_setns, 3, CLONE_NEWNS, 0), EPERM);
        assert_int_equal(native(SYS_setns, 3, HIGH, 0), EPERM); /* no flag at all */
        assert_int_equal(native(SYS_clone, CLONE_NEWUTS | 17, 0, 0), 0);
        assert_int_equal(native(SYS_clone3, 0, 0, 0), ENOSYS);
#if defined(__x86_64__)
        assert_int_equal(answer(AUDIT_ARCH_I386, 310, CLONE_NEWUSER, 0, 0), EPERM);
        assert_int_equal(answer(AUDIT_ARCH_I386, 346, 3, CLONE_NEWUSER, 0), EPERM);
        assert_int_equal(answer(AUDIT_ARCH_I386, 120, CLONE_NEWUSER, 0, 0), EPERM);
        assert_int_equal(answer(AUDIT_ARCH_I386, 120, CLONE_NEWNET, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 435, 0, 0, 0), ENOSYS);
#endif
}

static void realtime(void **state)
{
        static const int refused[] = { SCHED_FIFO, SCHED_RR, 4, SCHED_DEADLINE, 7, 8, 1000, -1, SCHED_RESET_ON_FORK, SCHED_RR | SCHED_RESET_ON_FORK };
        static const int fine[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
        (void)state;
        compile(RESTRICTION_REALTIME, 0, false);
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                assert_int_equal(native(SYS_sched_setscheduler, 0, (unsigned)refused[i], 0), EPERM);
                assert_int_equal(native(SYS_sched_setscheduler, 0, (unsigned)refused[i] | HIGH, 0), EPERM);
        }
        for (size_t i = 0; i < ELEMENTS(fine); i++)
                assert_int_equal(native(SYS_sched_setscheduler, 0, (unsigned)fine[i], 0), 0);
        assert_int_equal(native(SYS_sched_setattr, 0, 0, 0), ENOSYS);
        assert_int_equal(native(SYS_sched_setparam, 0, 0, 0), 0);
#if defined(__x86_64__)
        assert_int_equal(answer(AUDIT_ARCH_I386, 156, 0, SCHED_FIFO, 0), EPERM);
        assert_int_equal(answer(AUDIT_ARCH_I386, 156, 0, SCHED_BATCH, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 351, 0, 0, 0), ENOSYS);
#endif
}

static void personality(void **state)
{
        (void)state;
        compile(RESTRICTION_PERSONALITY, 8, false);
        assert_int_equal(native(SYS_personality, 8, 0, 0), 0);
        assert_int_equal(native(SYS_personality, 0, 0, 0), EPERM);
        assert_int_equal(answer(NATIVE, SYS_personality, 8 | HIGH, 0, 0), EPERM);
        assert_int_equal(native(SYS_personality, 0xffffffff, 0, 0), EPERM);
#if defined(__x86_64__)
        assert_int_equal(answer(AUDIT_ARCH_I386, 136, 8, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 136, 0x40000, 0, 0), EPERM);
#endif
}

static int socket_of(int family)
{
        int got = native(SYS_socket, (unsigned)family, SOCK_STREAM, 0);
        assert_int_equal(native(SYS_socket, (unsigned)family | HIGH, SOCK_STREAM, 0), got);
#if defined(__x86_64__)
        assert_int_equal(answer(AUDIT_ARCH_I386, 359, (unsigned)family, SOCK_STREAM, 0), got);
#endif
        return got;
}

static void families(void **state)
{
        (void)state;
        compile(RESTRICTION_FAMILIES, 1 << AF_UNIX | 1 << AF_NETLINK, true);
        assert_int_equal(socket_of(AF_UNIX), 0);
        assert_int_equal(socket_of(AF_NETLINK), 0);
        assert_int_equal(socket_of(AF_INET), EAFNOSUPPORT);
        assert_int_equal(socket_of(63), EAFNOSUPPORT);
        assert_int_equal(socket_of(65), EAFNOSUPPORT);
        assert_int_equal(socket_of(-1), EAFNOSUPPORT);
        assert_int_equal(native(SYS_socketpair, AF_INET, 0, 0), 0);
        assert_int_equal(native(SYS_connect, AF_INET, 0, 0), 0);
        compile(RESTRICTION_FAMILIES, 1 << AF_INET, false);
        assert_int_equal(socket_of(AF_INET), EAFNOSUPPORT);
        assert_int_equal(socket_of(AF_INET6), 0);
        assert_int_equal(socket_of(100), 0);
#if defined(__x86_64__)
        assert_int_equal(answer(AUDIT_ARCH_I386, 102, 1, 0, 0), EAFNOSUPPORT);
        assert_int_equal(answer(AUDIT_ARCH_I386, 102, 3, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 20, 0, 0, 0), 0);
#endif
        compile(RESTRICTION_FAMILIES, 0, true);
        assert_int_equal(socket_of(AF_UNIX), EAFNOSUPPORT);
        compile(RESTRICTION_FAMILIES, UINT64_MAX >> 2, true);
        assert_int_equal(socket_of(61), 0);
        assert_int_equal(socket_of(62), EAFNOSUPPORT);
        assert_int_equal(answer(AUDIT_ARCH_S390X, SYS_getpid, 0, 0, 0), KILLED);
}

static void architectures(void **state)
{
        uint64_t bit;
        (void)state;
        assert_int_equal(restriction_architecture("native", &bit), 0);
        compile(RESTRICTION_ARCHITECTURES, bit, true);
        assert_int_equal(answer(NATIVE, SYS_getpid, 0, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 20, 0, 0, 0), KILLED);
        assert_int_equal(answer(AUDIT_ARCH_ARM, 20, 0, 0, 0), KILLED);
#if defined(__x86_64__)
        assert_int_equal(answer(NATIVE, SYS_getpid | X32, 0, 0, 0), KILLED);
        assert_int_equal(restriction_architecture("x86", &bit), 0);
        compile(RESTRICTION_ARCHITECTURES, bit, true);
        assert_int_equal(answer(NATIVE, SYS_getpid, 0, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 20, 0, 0, 0), 0);
        assert_int_equal(answer(NATIVE, SYS_getpid | X32, 0, 0, 0), KILLED);
        assert_int_equal(restriction_architecture("x32", &bit), 0);
        compile(RESTRICTION_ARCHITECTURES, bit, true);
        assert_int_equal(answer(NATIVE, SYS_getpid | X32, 0, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 20, 0, 0, 0), KILLED);
#endif
        assert_int_equal(restriction_architecture("s390x", &bit), 0); /* another machine's */
        compile(RESTRICTION_ARCHITECTURES, bit, true);
        assert_int_equal(answer(NATIVE, SYS_getpid, 0, 0, 0), 0);
        assert_int_equal(answer(AUDIT_ARCH_S390X, 20, 0, 0, 0), KILLED);
}

static void memory(void **state)
{
        (void)state;
        compile(RESTRICTION_MEMORY, 1, false); /* the kernel does the rest */
        assert_int_equal(native(SYS_shmat, 0, 0, SHM_EXEC), EPERM);
        assert_int_equal(native(SYS_shmat, 0, 0, SHM_RDONLY), 0);
        assert_int_equal(native(SYS_mmap, 0, 4096, PROT_WRITE | PROT_EXEC), 0);
        compile(RESTRICTION_MEMORY, 0, false);
        assert_int_equal(native(SYS_shmat, 0, 0, SHM_EXEC | SHM_RDONLY), EPERM);
        assert_int_equal(native(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), EPERM);
        assert_int_equal(native(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC), 0);
        assert_int_equal(native(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE), 0);
        assert_int_equal(native(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC), EPERM);
        assert_int_equal(native(SYS_mprotect, 0, 4096, PROT_READ | PROT_WRITE), 0);
        assert_int_equal(native(SYS_pkey_mprotect, 0, 4096, PROT_EXEC), EPERM);
#if defined(__x86_64__)
        assert_int_equal(answer(AUDIT_ARCH_I386, 192, 0, 4096, PROT_WRITE | PROT_EXEC), EPERM); /* mmap2 */
        assert_int_equal(answer(AUDIT_ARCH_I386, 192, 0, 4096, PROT_READ | PROT_EXEC), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 90, 0, 0, 0), EPERM); /* mmap */
        assert_int_equal(answer(AUDIT_ARCH_I386, 125, 0, 4096, PROT_EXEC), EPERM);
        assert_int_equal(answer(AUDIT_ARCH_I386, 117, 21, 1, SHM_EXEC), EPERM); /* ipc: shmat */
        assert_int_equal(answer(AUDIT_ARCH_I386, 117, 0x20015, 1, SHM_EXEC), ENOSYS); /* the same, with a version */
        assert_int_equal(answer(AUDIT_ARCH_I386, 117, 21, 1, SHM_RDONLY), 0);
        assert_int_equal(answer(AUDIT_ARCH_I386, 397, 1, 0, SHM_EXEC), EPERM);
#endif
}

static void words(void **state)
{
        static const struct {
                struct restriction r;
                const char *words;
        } rows[] = {
                { { RESTRICTION_NAMESPACES, 0, true }, "none can be made" },
                { { RESTRICTION_NAMESPACES, CLONE_NEWNET | CLONE_NEWTIME, true }, "only of these can be made: net time" },
                { { RESTRICTION_FAMILIES, 1 << AF_UNIX | 1 << AF_INET, true }, "only of these: AF_UNIX AF_INET" },
                { { RESTRICTION_FAMILIES, 0, true }, "none can be opened" },
                { { RESTRICTION_FAMILIES, 1 << AF_PACKET, false }, "none of these: AF_PACKET" },
                { { RESTRICTION_ARCHITECTURES, 2, true }, "only of these: native x86" },
                { { RESTRICTION_MEMORY, 0, false }, "never writable and executable" },
        };
        uint64_t bits;
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_FREE char *got = restriction_words(&rows[i].r);
                assert_string_equal(got, rows[i].words);
        }
        assert_int_equal(restriction_family("AF_LOCAL", &bits), 0);
        assert_int_equal(bits, 1 << AF_UNIX);
        assert_int_equal(restriction_family("AF_MAX", &bits), -EINVAL);
        assert_int_equal(restriction_family("unix", &bits), -EINVAL);
        assert_int_equal(restriction_namespace("mount", &bits), -EINVAL);
        assert_int_equal(restriction_architecture("i386", &bits), -EINVAL);
}

static int done(void **state)
{
        (void)state;
        filter_program_clear(&program);
        return 0;
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(namespaces), cmocka_unit_test(realtime), cmocka_unit_test(personality), cmocka_unit_test(families),
                cmocka_unit_test(architectures), cmocka_unit_test(memory), cmocka_unit_test(words),
        };
        return cmocka_run_group_tests(tests, NULL, done);
}
