/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/seccomp.h"
#include "plan/bpf_judge.h"
#include "plan/filter.h"
#include "plan/syscalls.h"

#define CLEAN_FILTER CLEAN(filter_clear)
#define CLEAN_PROGRAM CLEAN(filter_program_clear)

/* -1000: no rule. */
static int rule_error(const struct filter *f, const char *name)
{
        int nr;
        assert_true(filter_call_number(name, &nr));
        for (size_t i = 0; i < f->count; i++)
                if (f->rules[i].nr == nr)
                        return f->rules[i].error;
        return -1000;
}

static void add(struct filter *f, const char *value)
{
        struct error e = { 0 };
        assert_int_equal(filter_add(f, value, false, NULL, &e), 0);
}

/* What run_behind has installed. */
static struct sock_fprog installed;

#if defined(__x86_64__)
/* A 32-bit call from 64-bit code, as a payload would make it to get around a filter. */
static long call_i386(long nr, long a, long b, long c)
{
        long r;
        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(nr), "b"(a), "c"(b), "d"(c)
                         : "memory", "r8", "r9", "r10", "r11");
        return (int)r;
}

/* What the installed program returns for a call. */
static uint32_t judge(uint32_t arch, int nr, long a, long b, long c)
{
        struct seccomp_data data = { .nr = nr, .arch = arch, .args = { (uint32_t)a, (uint32_t)b, (uint32_t)c } };
        uint32_t verdict;
        assert_true(bpf_judge(installed.filter, installed.len, &data, &verdict));
        return verdict;
}

static bool kernel_has_i386(void)
{
        static int known;
        if (!known) {
                pid_t pid = fork();
                int status;
                if (pid == 0) {
                        (void)signal(SIGSEGV, SIG_DFL);
                        _exit(call_i386(20, 0, 0, 0) > 0 ? 0 : 1);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                known = status == 0 ? 1 : -1;
        }
        return known > 0;
}

static bool denied_i386(int error, int nr, long a, long b, long c)
{
        return judge(AUDIT_ARCH_I386, nr, a, b, c) == (SECCOMP_RET_ERRNO | (uint32_t)error) &&
               (!kernel_has_i386() || call_i386(nr, a, b, c) == -error);
}

/* result: what the kernel says once the filter let the call pass. */
static bool allowed_i386(long result, int nr, long a, long b, long c)
{
        return judge(AUDIT_ARCH_I386, nr, a, b, c) == SECCOMP_RET_ALLOW && (!kernel_has_i386() || call_i386(nr, a, b, c) == result);
}

static long call_native(long nr, long a, long b, long c)
{
        long r;
        __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "memory", "rcx", "r11");
        return r;
}
#endif

/* Runs what in a child behind the program, or the seal; returns its wait status. */
static int run_behind(const struct filter_program *p, bool (*what)(void))
{
        if (p)
                installed = (struct sock_fprog){ p->count, p->code };
        else
                installed.filter = (struct sock_filter *)seccomp_seal(&installed.len);
#if defined(__x86_64__)
        (void)kernel_has_i386(); /* before the filter is in force */
#endif
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                        _exit(101);
                int r = p ? seccomp_install(p->code, p->count, false) : seccomp_install_seal(false);
                _exit(r < 0 ? 102 : what() ? 0 : 103);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static void compile(const struct filter *f, struct filter_program *p)
{
        struct error e = { 0 };
        if (filter_compile(f, false, p, &e) < 0)
                fail_msg("%s", e.cause);
        assert_true(p->count > 0);
}

static void all_groups_resolve(void **state)
{
        (void)state;
        const struct syscall_group *g;
        size_t unknown = 0, groups = 0;
        for (; (g = syscall_group_at(groups)); groups++) {
                assert_ptr_equal(syscall_group_find(g->name), g);
                assert_true(*g->name == '@' && *g->summary && *g->members);
                FOR_EACH_MEMBER(m, g) {
                        int nr;
                        if (*m == '@') {
                                assert_non_null(syscall_group_find(m));
                        } else if (!filter_call_number(m, &nr)) {
                                if (strcmp(g->name, "@known") != 0)
                                        print_message("%s: %s is unknown to this libseccomp\n", g->name, m);
                                unknown++;
                        }
                }
        }
        assert_int_equal(groups, 30);
        assert_true(unknown < 100); /* mostly calls that only Alpha, SPARC or ARC have */
        assert_null(syscall_group_find("@nothing"));
}

static void an_allow_list_starts_with_the_default_calls(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        add(&f, "read @chown");
        assert_true(f.set && f.allow_list);
        assert_int_equal(rule_error(&f, "execve"), FILTER_DEFAULT);
        assert_int_equal(rule_error(&f, "exit_group"), FILTER_DEFAULT);
        assert_int_equal(rule_error(&f, "fchownat"), FILTER_DEFAULT);
        assert_int_equal(rule_error(&f, "write"), -1000);
        add(&f, "~@chown");
        assert_int_equal(rule_error(&f, "fchownat"), -1000);
        add(&f, "~read:EACCES");
        assert_int_equal(rule_error(&f, "read"), EACCES);
        add(&f, "");
        assert_false(f.set);
        assert_int_equal(f.count, 0);
        add(&f, "~read");
        assert_false(f.allow_list);
}

static void a_deny_list_takes_errors_and_later_plain_lines_remove(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        add(&f, "~@mount:EPERM getpid reboot:kill");
        assert_true(f.set && !f.allow_list);
        assert_int_equal(rule_error(&f, "mount"), EPERM);
        assert_int_equal(rule_error(&f, "open_tree_attr"), EPERM);
        assert_int_equal(rule_error(&f, "getpid"), FILTER_DEFAULT);
        assert_int_equal(rule_error(&f, "reboot"), FILTER_KILL);
        add(&f, "mount");
        assert_int_equal(rule_error(&f, "mount"), -1000);
        assert_int_equal(rule_error(&f, "umount2"), EPERM);
        add(&f, "~getpid:5");
        assert_int_equal(rule_error(&f, "getpid"), 5);
}

static void unknown_names_are_errors_or_notes(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct error e = { 0 };
        assert_int_equal(filter_add(&f, "~getpidd", false, &notes, &e), -EINVAL);
        assert_string_equal(e.id, "seccomp.unknown-call");
        assert_non_null(strstr(e.hint, "\"getpid\""));
        e = (struct error){ 0 };
        assert_int_equal(filter_add(&f, "~@system-servic", false, &notes, &e), -EINVAL);
        assert_non_null(strstr(e.hint, "@system-service"));
        e = (struct error){ 0 };
        assert_int_equal(filter_add(&f, "getpid:EPERM", false, &notes, &e), -EINVAL);
        assert_string_equal(e.id, "seccomp.bad-errno");
        assert_int_equal(filter_add(&f, "~getpid:ENOSUCH", false, &notes, NULL), -EINVAL);
        assert_int_equal(notes.count, 0);
        assert_int_equal(filter_add(&f, "~getpidd getppid:4096 getuid", true, &notes, &e), 0);
        assert_int_equal(notes.count, 2);
        assert_int_equal(rule_error(&f, "getuid"), FILTER_DEFAULT);
        assert_int_equal(filter_add(&f, "~riscv_flush_icache bogus_call", true, NULL, &e), 0);
}

static void errno_names_and_numbers(void **state)
{
        (void)state;
        int n = 0;
        assert_int_equal(errno_parse("EPERM", &n), 0);
        assert_int_equal(n, EPERM);
        assert_int_equal(errno_parse("EWOULDBLOCK", &n), 0);
        assert_int_equal(n, EAGAIN);
        assert_int_equal(errno_parse("4095", &n), 0);
        assert_int_equal(n, 4095);
        assert_int_equal(errno_parse("0", &n), -EINVAL);
        assert_int_equal(errno_parse("4096", &n), -EINVAL);
        assert_int_equal(errno_parse("EBOGUS", &n), -EINVAL);
        assert_int_equal(errno_parse("", &n), -EINVAL);
}

static bool uname_works(void)
{
        struct utsname u;
        return uname(&u) == 0;
}

static bool getpid_is_denied(void)
{
        bool denied = getpid() == -EACCES && uname_works(); /* the C library does not expect it to fail */
#if defined(__x86_64__)
        denied = denied && denied_i386(EACCES, 20, 0, 0, 0);
        denied = denied && call_native(39 | 0x40000000, 0, 0, 0) == -EACCES;
        /* cachestat is younger than libseccomp; 600 is younger than us */
        denied = denied && call_native(451, -1, 0, 0) == -EPERM && denied_i386(EPERM, 451, -1, 0, 0);
        denied = denied && call_native(451 | 0x40000000, -1, 0, 0) == -EPERM;
        denied = denied && call_native(452, -1, 0, 0) == -EPERM && denied_i386(EPERM, 452, -1, 0, 0);
        denied = denied && call_native(600, 0, 0, 0) == -ENOSYS;
#endif
        return denied;
}

static void a_deny_list_holds_on_every_architecture(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        CLEAN_PROGRAM struct filter_program p = { 0 };
        f.default_error = EPERM;
        add(&f, "~getpid:EACCES fchmodat2 cachestat vm86");
        compile(&f, &p);
        assert_int_equal(run_behind(&p, getpid_is_denied), 0);
}

#if defined(__x86_64__)
static bool versions_do_not_hide_a_call(void)
{
        bool denied = judge(AUDIT_ARCH_I386, 117, 21, 0, 0) == (SECCOMP_RET_ERRNO | EPERM); /* ipc: shmat */
        denied = denied && judge(AUDIT_ARCH_I386, 117, 0x10015, 0, 0) == (SECCOMP_RET_ERRNO | ENOSYS);
        denied = denied && judge(AUDIT_ARCH_I386, 117, (long)0xffff0015, 0, 0) == (SECCOMP_RET_ERRNO | ENOSYS);
        denied = denied && judge(AUDIT_ARCH_I386, 117, 23, 0, 0) == SECCOMP_RET_ALLOW; /* ipc: shmget */
        return denied && judge(AUDIT_ARCH_X86_64, 117, 0x10015, 0, 0) == SECCOMP_RET_ALLOW;
}

static void the_calls_behind_ipc_have_no_versions(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        CLEAN_PROGRAM struct filter_program p = { 0 }, unguarded = { 0 };
        f.default_error = EPERM;
        add(&f, "~shmat");
        compile(&f, &p);
        assert_int_equal(run_behind(&p, versions_do_not_hide_a_call), 0);
        filter_clear(&f);
        f.default_error = EPERM;
        add(&f, "~uname");
        compile(&f, &unguarded);
        assert_true(p.count > unguarded.count); /* who denies none of them pays nothing */
}
#endif

static bool allow_list_behaves(void)
{
        bool ok = chdir("/") == -1 && errno == EPERM && uname_works();
        ok = ok && mkdir("/nonexistent/x", 0) == -1 && errno == EROFS;
#if defined(__x86_64__)
        ok = ok && call_native(600, 0, 0, 0) == -ENOSYS && denied_i386(ENOSYS, 600, 0, 0, 0);
        ok = ok && denied_i386(EPERM, 12, 0, 0, 0); /* chdir */
        ok = ok && allowed_i386(getpid(), 20, 0, 0, 0);            /* getpid, of @default */
        ok = ok && call_native(456, 0, 0, 0) != -ENOSYS;   /* futex_requeue, of @default */
        ok = ok && call_native(467, -1, 0, 0) == -ENOSYS;  /* open_tree_attr, young and not listed */
        ok = ok && denied_i386(ENOSYS, 102, 99, 0, 0);    /* socketcall with no such call in it */
#endif
        return ok;
}

static void an_allow_list_denies_the_known_and_hides_the_unknown(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        CLEAN_PROGRAM struct filter_program p = { 0 };
        f.default_error = EPERM;
        add(&f, "uname sigaltstack"); /* the sanitizers call sigaltstack on the way out */
        add(&f, "~mkdir:EROFS");
        compile(&f, &p);
        print_message("allow-list: %u instructions\n", p.count);
        assert_int_equal(run_behind(&p, allow_list_behaves), 0);
}

static bool change_directory(void)
{
        return chdir("/") == 0;
}

static void the_default_is_to_kill(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { 0 };
        CLEAN_PROGRAM struct filter_program p = { 0 }, q = { 0 };
        add(&f, "@system-service");
        compile(&f, &p);
        print_message("@system-service: %u instructions\n", p.count);
        assert_int_equal(run_behind(&p, change_directory), 0);
        add(&f, "~chdir");
        compile(&f, &q);
        int status = run_behind(&q, change_directory);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
        filter_program_clear(&q);
}

static bool has_return(const struct filter_program *p, uint32_t action)
{
        for (size_t i = 0; i < p->count; i++)
                if (p->code[i].code == (BPF_RET | BPF_K) && p->code[i].k == action)
                        return true;
        return false;
}

static void notify_replaces_every_denial(void **state)
{
        (void)state;
        static const char *const lines[] = { "~getpid:EACCES reboot:kill open_tree_attr", "uname" };
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                CLEAN_FILTER struct filter f = { 0 };
                CLEAN_PROGRAM struct filter_program p = { 0 };
                struct error e = { 0 };
                add(&f, lines[i]);
                add(&f, "~getpid:EACCES");
                assert_int_equal(filter_compile(&f, true, &p, &e), 0);
                assert_true(has_return(&p, SCMP_ACT_NOTIFY));
                assert_false(has_return(&p, SCMP_ACT_ERRNO(EACCES)));
        }
}

static void own_deny_lists_combine(void **state)
{
        (void)state;
        static const char *const names[] = {
                "@raw-io", "@module", "@clock", "@obsolete", "@known", "syslog"
        };
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                CLEAN_FILTER struct filter f = { 0 };
                CLEAN_PROGRAM struct filter_program p = { 0 };
                assert_int_equal(filter_deny_calls(&f, names[i], EPERM), 0);
                assert_true(f.count > 0);
                compile(&f, &p);
        }
        CLEAN_FILTER struct filter allow = { 0 };
        add(&allow, "read");
        assert_int_equal(filter_deny_calls(&allow, "@clock", EPERM), -EINVAL);
}

static bool special_modes_are_refused(void)
{
        char path[] = "/tmp/filter-test-XXXXXX";
        int fd = mkstemp(path);
        bool ok = fd >= 0 && chmod(path, 0755) == 0;
        ok = ok && chmod(path, 04755) == -1 && errno == EPERM;
        ok = ok && fchmod(fd, 02755) == -1 && errno == EPERM;
        ok = ok && fchmodat(AT_FDCWD, path, 06755, 0) == -1 && errno == EPERM;
        ok = ok && open("/tmp/filter-test-suid", O_CREAT | O_WRONLY, 04755) == -1 && errno == EPERM;
        ok = ok && open("/tmp", O_TMPFILE | O_WRONLY, 04755) == -1 && errno == EPERM;
        ok = ok && mkdir("/tmp/filter-test-suid", 02755) == -1 && errno == EPERM;
#if defined(__x86_64__)
        ok = ok && call_native(437, -1, 0, 0) == -ENOSYS && call_native(452, -1, 0, 0) == -ENOSYS;
        ok = ok && denied_i386(ENOSYS, 437, -1, 0, 0) && denied_i386(ENOSYS, 452, -1, 0, 0);
        ok = ok && denied_i386(EPERM, 94, fd, 04755, 0) && allowed_i386(0, 94, fd, 0755, 0); /* fchmod */
        ok = ok && denied_i386(EPERM, 5, 0, O_CREAT, 04755) && allowed_i386(-EFAULT, 5, 0, 0, 04755);
#endif
        (void)unlink(path);
        return ok;
}

static void suid_and_sgid_files_cannot_be_made(void **state)
{
        (void)state;
        CLEAN_PROGRAM struct filter_program p = { 0 };
        struct error e = { 0 };
        assert_int_equal(filter_restrict_suid_sgid(&p, &e), 0);
        assert_int_equal(run_behind(&p, special_modes_are_refused), 0);
}

static bool the_seal_is_tight(void)
{
        int fd = open_tree(AT_FDCWD, "/", 0);
        bool ok = fd >= 0 && uname_works();
        ok = ok && open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE) == -1 && errno == EPERM;
        ok = ok && mount_setattr(-1, "", 0, NULL, 0) == -1 && errno == EPERM;
        ok = ok && fsopen("tmpfs", 0) == -1 && errno == EPERM;
        ok = ok && fsmount(-1, 0, 0) == -1 && errno == EPERM;
        ok = ok && fspick(-1, "", 0) == -1 && errno == EPERM;
        ok = ok && move_mount(-1, "", -1, "", 0) == -1 && errno == EPERM;
        struct file_handle handle = { 0 };
        ok = ok && open_by_handle_at(-1, &handle, 0) == -1 && errno == EPERM;
        ok = ok && ioctl(-1, TIOCSTI, "x") == -1 && errno == EPERM;
        ok = ok && ioctl(-1, TIOCLINUX | 0xffffffff00000000UL, "x") == -1 && errno == EPERM;
        ok = ok && ioctl(-1, TIOCGWINSZ, NULL) == -1 && errno == EBADF;
#if defined(__x86_64__)
        static const int always[] = { 429, 430, 432, 433, 442, 467 };
        for (size_t i = 0; i < ELEMENTS(always); i++) {
                ok = ok && call_native(always[i], -1, 0, 0) == -EPERM;
                ok = ok && call_native(always[i] | 0x40000000, -1, 0, 0) == -EPERM;
                ok = ok && denied_i386(EPERM, always[i], -1, 0, 0);
        }
        ok = ok && denied_i386(EPERM, 342, -1, 0, 0) && denied_i386(EPERM, 54, -1, TIOCSTI, 0);
        ok = ok && allowed_i386(-EBADF, 54, -1, TIOCGWINSZ, 0);
        ok = ok && denied_i386(EPERM, 428, -1, 0, 1) && allowed_i386(-EFAULT, 428, -1, 0, 0);
        ok = ok && call_native(514 | 0x40000000, -1, TIOCSTI, 0) == -EPERM;
        ok = ok && call_native(16 | 0x40000000, -1, TIOCSTI, 0) == -EPERM;
        ok = ok && call_native(428 | 0x40000000, -1, 0, 1) == -EPERM;
#endif
        return ok;
}

static void the_seal_closes_what_landlock_leaves_open(void **state)
{
        (void)state;
        assert_int_equal(run_behind(NULL, the_seal_is_tight), 0);
}

static uint32_t verdict_of(const struct filter_program *p, uint32_t arch, const char *name)
{
        struct seccomp_data data = { .nr = seccomp_syscall_resolve_name_arch(arch, name), .arch = arch };
        uint32_t verdict;
        if (data.nr < 0 && !strcmp(name, "mseal"))
                data.nr = 462;
        assert_true(bpf_judge(p->code, p->count, &data, &verdict));
        return verdict;
}

static bool uname_and_mkdir_work(void)
{
        return uname_works() && mkdir("/nonexistent/x", 0700) < 0 && errno == ENOENT;
}

/* value: lines of SystemCallLog=, between newlines. */
static void check_log(const char *lines, bool uname_logged, bool mkdir_logged, bool others_logged)
{
        CLEAN_FILTER struct filter f = { .logs = true };
        CLEAN_PROGRAM struct filter_program p = { 0 };
        CLEAN_FREE char *copy = xstrdup(lines);
        char *rest = copy;
        for (char *line; (line = strsep(&rest, "\n"));)
                add(&f, line);
        compile(&f, &p);
        static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };
        for (size_t i = 0; i < ELEMENTS(arches) && seccomp_arch_native() == SCMP_ARCH_X86_64; i++) {
                assert_int_equal(verdict_of(&p, arches[i], "uname"), uname_logged ? SECCOMP_RET_LOG : SECCOMP_RET_ALLOW);
                assert_int_equal(verdict_of(&p, arches[i], "mkdir"), mkdir_logged ? SECCOMP_RET_LOG : SECCOMP_RET_ALLOW);
                assert_int_equal(verdict_of(&p, arches[i], "execve"), others_logged ? SECCOMP_RET_LOG : SECCOMP_RET_ALLOW);
                assert_int_equal(verdict_of(&p, arches[i], "mseal"), others_logged ? SECCOMP_RET_LOG : SECCOMP_RET_ALLOW);
        }
        assert_int_equal(run_behind(&p, uname_and_mkdir_work), 0);
}

static void what_is_logged_is_listed_or_with_a_tilde_is_not(void **state)
{
        (void)state;
        check_log("uname", true, false, false);
        check_log("uname mkdir", true, true, false);
        check_log("~uname", false, true, true);
        check_log("~@default uname mkdir @process mseal", false, false, false);
        check_log("uname mkdir\n~mkdir", true, false, false);
        check_log("~uname mkdir\nmkdir", false, true, true);
        check_log("uname\n\n~mkdir", true, false, true);
}

static void a_call_that_is_logged_has_no_error_number(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { .logs = true };
        struct error e = { 0 };
        assert_true(filter_add(&f, "uname:EPERM", false, NULL, &e) < 0);
        assert_string_equal(e.id, "seccomp.bad-errno");
        assert_true(filter_add(&f, "~uname:EPERM", false, NULL, &e) < 0);
        assert_true(filter_add(&f, "unmae", false, NULL, &e) < 0);
        assert_string_equal(e.id, "seccomp.unknown-call");
}

#if defined(__x86_64__)
static void a_version_in_an_ipc_call_hides_nothing_from_the_log(void **state)
{
        (void)state;
        CLEAN_FILTER struct filter f = { .logs = true };
        CLEAN_PROGRAM struct filter_program p = { 0 };
        add(&f, "shmat");
        compile(&f, &p);
        struct seccomp_data data = { .nr = 117, .arch = AUDIT_ARCH_I386, .args = { 0x20015 } };
        uint32_t verdict;
        assert_true(bpf_judge(p.code, p.count, &data, &verdict));
        assert_int_equal(verdict, SECCOMP_RET_LOG);
        data.args[0] = 23; /* shmget */
        assert_true(bpf_judge(p.code, p.count, &data, &verdict));
        assert_int_equal(verdict, SECCOMP_RET_ALLOW);
}
#endif

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_groups_resolve),
#if defined(__x86_64__)
                cmocka_unit_test(the_calls_behind_ipc_have_no_versions),
#endif
                cmocka_unit_test(an_allow_list_starts_with_the_default_calls),
                cmocka_unit_test(a_deny_list_takes_errors_and_later_plain_lines_remove),
                cmocka_unit_test(unknown_names_are_errors_or_notes),
                cmocka_unit_test(errno_names_and_numbers),
                cmocka_unit_test(a_deny_list_holds_on_every_architecture),
                cmocka_unit_test(an_allow_list_denies_the_known_and_hides_the_unknown),
                cmocka_unit_test(the_default_is_to_kill),
                cmocka_unit_test(notify_replaces_every_denial),
                cmocka_unit_test(own_deny_lists_combine),
                cmocka_unit_test(suid_and_sgid_files_cannot_be_made),
                cmocka_unit_test(what_is_logged_is_listed_or_with_a_tilde_is_not),
                cmocka_unit_test(a_call_that_is_logged_has_no_error_number),
#if defined(__x86_64__)
                cmocka_unit_test(a_version_in_an_ipc_call_hides_nothing_from_the_log),
#endif
                cmocka_unit_test(the_seal_closes_what_landlock_leaves_open),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
