# SPDX-License-Identifier: LGPL-2.1-or-later
"""R19: a filter of system calls covers every ABI of the kernel, whole arguments, and calls that are newer than itself."""
import errno

import pytest

MKDIR = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}


def filtered(container, *syscalls, default="SCMP_ACT_ALLOW", architectures=("SCMP_ARCH_X86_64",), **more):
    container.config["linux"]["seccomp"] = {"defaultAction": default, "architectures": list(architectures), "syscalls": list(syscalls), **more}
    return container


def call(container, *argv):
    r = container.args("/probe", *map(str, argv)).run()
    assert r.status == 0, r
    return r.out.strip()


def test_a_call_that_the_filter_denies_is_denied(container):
    """P18; the twin is the next one"""
    assert call(filtered(container, MKDIR), "call", 83, "/tmp/made", "0700") == "errno 99"


def test_the_same_call_works_without_a_filter(container):
    """Twin of the above."""
    assert call(container, "call", 83, "/tmp/made", "0700") == "result 0"


@pytest.mark.parametrize("listed", [["SCMP_ARCH_X86_64"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]], ids=["native", "all"])
def test_the_filter_is_not_passed_by_a_32_bit_call(container, abi, listed):
    """flatpak CVE-2019-10063 kin, systemd SystemCallArchitectures= (P18): mkdir by int 0x80"""
    abi("call32", 20)
    said = call(filtered(container, MKDIR, architectures=listed), "call32", 39, "/tmp/made", "0700")
    assert said == "errno 99" or said.startswith("signal") and len(listed) == 1, said


def test_32_bit_calls_work_where_they_are_listed(container, abi):
    """Twin of the above."""
    abi("call32", 20)
    assert call(filtered(container, MKDIR, architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]), "call32", 20).startswith("result")


@pytest.mark.parametrize("listed", [["SCMP_ARCH_X86_64"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]], ids=["native", "all"])
def test_the_filter_is_not_passed_by_an_x32_call(container, abi, listed):
    """P18: mkdir with the bit of x32"""
    abi("callx32", 39)
    said = call(filtered(container, MKDIR, architectures=listed), "callx32", 83, "/tmp/made", "0700")
    assert said == "errno 99" or said.startswith("signal"), said


def test_the_filter_sees_x32_calls_even_where_the_kernel_has_none(container):
    """P18: the filter is asked before the kernel looks at the number; without a filter the answer would be ENOSYS.  The process is
    killed, since x32 is not in the list."""
    said = call(filtered(container, MKDIR), "callx32", 83, "/tmp/made", "0700")
    assert said.startswith("signal") or said == "errno 99" or said == f"errno {errno.EPERM}", said


LSEEK, BIG = 8, 0x100000002


@pytest.mark.parametrize("op, value, two, argument, denied", [
    ("EQ", BIG, 0, BIG, True), ("EQ", BIG, 0, 2, False), ("EQ", 2, 0, BIG, False), ("EQ", 2, 0, 2, True),
    ("NE", 2, 0, BIG, True), ("NE", BIG, 0, 2, True), ("NE", BIG, 0, BIG, False),
    ("GT", 2, 0, BIG, True), ("GT", BIG, 0, 3, False), ("GE", BIG, 0, 3, False), ("GE", BIG, 0, BIG, True),
    ("LT", BIG, 0, 3, True), ("LT", 3, 0, BIG, False), ("LE", BIG, 0, BIG, True), ("LE", 2, 0, BIG, False),
    ("MASKED_EQ", 0xffffffff, 2, BIG, True), ("MASKED_EQ", 0xffffffff00000000, 0x100000000, BIG, True),
    ("MASKED_EQ", 0xffffffff00000000, 0x100000000, 2, False), ("MASKED_EQ", 0xffffffff, 3, BIG, False)])
def test_both_halves_of_an_argument_are_compared(container, op, value, two, argument, denied):
    """flatpak CVE-2019-10063, CVE-2023-28100 (P18)"""
    rule = {"names": ["lseek"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99,
            "args": [{"index": 1, "value": value, "valueTwo": two, "op": f"SCMP_CMP_{op}"}]}
    (container.rootfs / "data").write_text("x")
    # lseek on a descriptor that is a plain file: the argument itself is the answer.
    said = container.sh(f"/probe call {LSEEK} 5 {argument} 0 5</data; true")
    filtered(said, rule)
    r = container.run()
    assert r.out.strip() == ("errno 99" if denied else f"result {argument}"), r


@pytest.mark.parametrize("high", [0, 1 << 32, 0xffffffff << 32])
def test_tiocsti_is_denied_whatever_the_upper_half_says(container, high):
    """flatpak CVE-2019-10063 (P16, P18): the kernel looks at 32 bits of the request only"""
    rule = {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99,
            "args": [{"index": 1, "value": 0xffffffff, "valueTwo": 0x5412, "op": "SCMP_CMP_MASKED_EQ"}]}
    assert call(filtered(container, rule), "call", 16, 0, high | 0x5412, "x") == "errno 99"
    # Twin: another request passes the filter.
    assert call(filtered(container, rule), "call", 16, 0, high | 0x5413, "x") != "errno 99"


ENOUGH = ["access", "arch_prctl", "brk", "chdir", "clone", "clone3", "close", "close_range", "dup", "dup2", "dup3", "execve", "execveat", "exit",
          "exit_group", "faccessat", "faccessat2", "fcntl", "fchdir", "fstat", "fstatfs", "futex", "getcwd", "getdents64", "getpid", "getppid", "gettid",
          "getuid", "getgid", "geteuid", "getegid", "ioctl", "kill", "lseek", "mmap", "mprotect", "munmap", "newfstatat", "openat", "openat2", "pipe",
          "pipe2", "prctl", "pread64", "prlimit64", "read", "readlink", "readlinkat", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sendmsg",
          "recvmsg", "set_robust_list", "set_tid_address", "setgid", "setgroups", "setuid", "setresuid", "setresgid", "setsid", "sigaltstack", "stat",
          "statx", "tgkill", "umask", "uname", "wait4", "waitid", "write", "writev", "capget", "capset", "epoll_ctl", "epoll_pwait", "nanosleep",
          "clock_nanosleep", "madvise", "mincore", "sched_getaffinity", "sched_yield", "getrandom", "epoll_create1", "eventfd2", "getrlimit", "poll",
          "ppoll", "rt_sigpending", "restart_syscall", "fchown", "fchmod", "unlinkat", "mount", "socket", "connect", "keyctl"]
ALLOWED = {"names": ENOUGH, "action": "SCMP_ACT_ALLOW"}


@pytest.mark.parametrize("number", [500, 600, 999])
def test_a_call_that_is_newer_than_the_filter_does_not_exist(container, number):
    """flatpak CVE-2021-41133 (R19): programs fall back on ENOSYS, and the call is denied all the same"""
    assert call(filtered(container, ALLOWED, default="SCMP_ACT_ERRNO"), "call", number) == f"errno {errno.ENOSYS}"


def test_an_old_call_that_the_filter_leaves_out_is_not_permitted(container):
    """Twin of the above: mkdir is known and not in the list."""
    assert call(filtered(container, ALLOWED, default="SCMP_ACT_ERRNO"), "call", 83, "/tmp/made", "0700") == f"errno {errno.EPERM}"
    assert call(filtered(container, ALLOWED, default="SCMP_ACT_ERRNO"), "call", 39).startswith("result")


NEW_CALLS = {"io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fspick": 433, "mount_setattr": 442, "bpf": 321,
             "perf_event_open": 298, "userfaultfd": 323, "kexec_load": 246, "open_by_handle_at": 304, "setns": 308, "unshare": 272,
             "pivot_root": 155, "init_module": 175, "ptrace": 101, "add_key": 248, "process_vm_readv": 310, "landlock_create_ruleset": 444}


def test_calls_that_lead_to_the_kernel_are_denied_by_a_list_of_what_is_allowed(container):
    """The class of user namespaces, io_uring, bpf, perf, userfaultfd, keyctl, kexec and the mount calls (table 2e)"""
    script = "; ".join(f"echo {n} $(/probe call {number} 0 0 0 0)" for n, number in NEW_CALLS.items())
    r = filtered(container.sh(script), {"names": [*ENOUGH, "vfork", "fork"], "action": "SCMP_ACT_ALLOW"}, default="SCMP_ACT_ERRNO").run()
    told = dict(line.split(" ", 1) for line in r.out.strip().splitlines())
    assert sorted(told) == sorted(NEW_CALLS), r
    assert {n: t for n, t in told.items() if t not in ("errno 1", "errno 38")} == {}


def test_the_families_of_sockets_that_are_denied_stay_shut(container):
    """AF_VSOCK, AF_PACKET, AF_ALG, AF_NETLINK's audit (table 2e): rules on the first argument; unix sockets are the twin"""
    rules = [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99, "args": [{"index": 0, "value": family, "op": "SCMP_CMP_EQ"}]}
             for family in (40, 17, 38)]
    rules.append({"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99, "args": [
        {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]})
    script = "for f in '40' '17' '38' '16 9' '16 0' '1'; do echo $f: $(/probe socket $f); done"
    r = filtered(container.sh(script), *rules).run()
    said = dict(line.split(": ") for line in r.out.strip().splitlines())
    assert {k: said[k] for k in ("40", "17", "38", "16 9")} == dict.fromkeys(("40", "17", "38", "16 9"), "99"), r
    assert (said["16 0"], said["1"]) == ("0", "0"), r


def test_a_filter_does_not_outlive_its_container(make):
    """R15 kin: a filter that is kept ready for the next start is that container's own"""
    assert call(filtered(make(), MKDIR), "call", 83, "/tmp/made", "0700") == "errno 99"
    other = {**MKDIR, "errnoRet": 98}
    assert call(filtered(make(), other), "call", 83, "/tmp/made", "0700") == "errno 98"
    assert call(make(), "call", 83, "/tmp/made", "0700") == "result 0"
