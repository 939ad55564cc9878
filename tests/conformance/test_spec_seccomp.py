# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: linux.seccomp.  The calls tried are ones no runtime and no shell needs: acct, getpriority, swapoff, vhangup."""
import errno
import fcntl
import json
import os
import re
import struct
import threading

import pytest

from kit import Listener, is_json

SIGSYS = 31
RECEIVE, SEND = 0xc0502100, 0xc0182101  # SECCOMP_IOCTL_NOTIF_RECV and _SEND


def rule(action, *names, args=None, **more):
    r = {"names": list(names), "action": "SCMP_ACT_" + action, **more}
    if args:
        r["args"] = args
    return r


def filter(box, *rules, default="SCMP_ACT_ALLOW", **more):
    box.linux["seccomp"] = {"defaultAction": default, "syscalls": list(rules), **more}
    return box


def arg(index, value, op, two=None):
    a = {"index": index, "value": value, "op": "SCMP_CMP_" + op}
    if two is not None:
        a["valueTwo"] = two
    return a


def all_calls():
    """Every system call name of this machine's headers."""
    for path in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h"):
        if os.path.exists(path):
            return sorted(set(re.findall(r"#define __NR_(\w+)", open(path).read())))
    pytest.skip("no header with the names of system calls")


def test_a_filter_is_loaded(box):
    assert filter(box, rule("ERRNO", "acct")).report()["seccomp"] == 2


def test_without_a_filter_there_is_none(box):
    assert box.report()["seccomp"] == 0


def test_no_new_privileges_is_not_set_by_the_filter(box):
    box.process["noNewPrivileges"] = False
    seen = filter(box, rule("ERRNO", "acct")).report()
    assert (seen["no_new_privileges"], seen["seccomp"]) == (0, 2)


def test_a_filter_for_a_user_without_privileges(box):
    for privileges in (True, False):
        box.process.update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=privileges)
        assert filter(box, rule("ERRNO", "acct", errnoRet=5)).errno("call", "acct", 0) == "EIO"


def test_the_filter_holds_in_exec(box):
    filter(box, rule("ERRNO", "acct", errnoRet=5)).idle()
    assert box.reports("call", "acct", 0)["errno"] == errno.EIO


# ---- actions

def test_errno_is_EPERM_by_default(box):
    assert filter(box, rule("ERRNO", "getpriority")).errno("call", "getpriority", 0, 0) == "EPERM"


@pytest.mark.parametrize("number", [1, 5, 38, 95, 4000])
def test_errnoRet(box, number):
    assert filter(box, rule("ERRNO", "getpriority", errnoRet=number)).tries("call", "getpriority", 0,
            0)["errno"] == number


def test_errnoRet_of_zero_pretends_success(box):
    assert filter(box, rule("ERRNO", "acct", errnoRet=0)).tries("call", "acct", 0) == {"return": 0, "errno": 0}


@pytest.mark.parametrize("action", ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"])
def test_a_call_that_kills(box, action):
    assert filter(box, rule(action,
                            "acct")).sh("/probe call acct 0; echo $?").ran().splitlines()[-1] == str(128 + SIGSYS)


@pytest.mark.parametrize("action,survives", [("KILL", True), ("KILL_THREAD", True), ("KILL_PROCESS", False)])
def test_a_killed_thread_and_a_killed_process(box, action, survives):
    out = filter(box, rule(action, "acct")).sh("/probe thread acct 0; true").ran()
    assert ("survived" in out) == survives


def test_trap_can_be_handled(box):
    answer = filter(box, rule("TRAP", "acct")).tries("trap", "acct", 0)
    assert (answer["signal"], answer["code"]) == (SIGSYS, 1)


def test_trace_without_a_tracer_is_ENOSYS(box):
    assert filter(box, rule("TRACE", "acct")).errno("call", "acct", 0) == "ENOSYS"


def test_a_tracer_gets_the_errno_as_message(box):
    assert filter(box, rule("TRACE", "acct", errnoRet=77)).tries("trace", "acct", 0) == {"event": 7, "message": 77}


@pytest.mark.parametrize("action", ["LOG", "ALLOW"])
def test_log_and_allow_let_the_call_through(box, action):
    assert filter(box, rule(action, "getpriority"), rule("ERRNO", "acct")).errno("call", "getpriority", 0, 0) is None


def test_log_as_default(box):
    assert filter(box, rule("ERRNO", "acct"), default="SCMP_ACT_LOG").report()["seccomp"] == 2


def test_a_list_of_what_is_allowed(box):
    names = [n for n in all_calls() if n not in ("getpriority", "acct")]
    filter(box, rule("ALLOW", *names), default="SCMP_ACT_ERRNO")
    assert box.errno("call", "getpriority", 0, 0) == "EPERM"


def test_defaultErrnoRet(box):
    names = [n for n in all_calls() if n not in ("getpriority", "acct")]
    filter(box, rule("ALLOW", *names), default="SCMP_ACT_ERRNO", defaultErrnoRet=74)
    assert box.tries("call", "getpriority", 0, 0)["errno"] == 74


def test_defaultErrnoRet_is_not_that_of_rules(box):
    names = [n for n in all_calls() if n not in ("getpriority", "acct")]
    filter(box, rule("ALLOW", *names), rule("ERRNO", "getpriority"), default="SCMP_ACT_ERRNO", defaultErrnoRet=74)
    assert box.errno("call", "getpriority", 0, 0) == "EPERM"


def test_several_names_in_a_rule(box):
    filter(box, rule("ERRNO", "acct", "getpriority", "swapoff", errnoRet=5))
    out = box.sh("/probe call acct 0; /probe call getpriority 0 0; /probe call swapoff @/x").ran()
    assert out.count('"errno":5}') == 3


def test_a_name_the_kernel_does_not_know_is_ignored(box):
    """Profiles name the calls of newer kernels."""
    filter(box, rule("ERRNO", "call_of_the_future", "getpriority", errnoRet=5))
    assert box.errno("call", "getpriority", 0, 0) == "EIO"


def test_a_name_of_another_architecture_is_ignored(box):
    filter(box, rule("ERRNO", "s390_runtime_instr", "getpriority", errnoRet=5))
    assert box.errno("call", "getpriority", 0, 0) == "EIO"


def test_a_rule_for_the_default_action_is_no_error(box):
    assert filter(box, rule("ALLOW", "acct", "getpriority")).errno("call", "getpriority", 0, 0) is None


# ---- arguments

BIG = 1 << 32


@pytest.mark.parametrize("comparison,value,hit", [
    (("EQ", 5), 5, True), (("EQ", 5), 6, False), (("NE", 5), 6, True), (("NE", 5), 5, False),
    (("LT", 5), 4, True), (("LT", 5), 5, False), (("LE", 5), 5, True), (("LE", 5), 6, False),
    (("GE", 5), 5, True), (("GE", 5), 4, False), (("GT", 5), 6, True), (("GT", 5), 5, False),
    (("MASKED_EQ", 0xf0, 0x30), 0x35, True), (("MASKED_EQ", 0xf0, 0x30), 0x45, False),
    (("MASKED_EQ", 0xf0, 0), 0x05, True), (("MASKED_EQ", 0xf0), 0x05, True), (("MASKED_EQ", 0xf0), 0x15, False),
    (("EQ", BIG + 5), BIG + 5, True), (("EQ", BIG + 5), 5, False), (("EQ", 5), BIG + 5, False),
    (("GT", BIG), BIG + 1, True),
    (("GT", BIG), 0xffffffff, False), (("GT", 5), BIG, True), (("LT", BIG), 0xffffffff, True),
    (("LT", BIG), BIG, False),
    (("LT", BIG + 5), BIG + 4, True), (("LE", BIG), BIG + 1, False), (("GE", BIG + 1), BIG, False),
    (("GE", BIG + 1), 2 * BIG, True),
    (("NE", BIG + 5), BIG + 6, True), (("NE", BIG + 5), 5, True), (("NE", BIG + 5), BIG + 5, False),
    (("EQ", 0xffffffffffffffff), 0xffffffffffffffff, True), (("GE", 0x8000000000000000), 0x8000000000000001, True),
    (("MASKED_EQ", 0xff00000000, 0x500000000), 0x512345678, True),
    (("MASKED_EQ", 0xff00000000, 0x500000000), 0x612345678, False),
], ids=str)
def test_comparison(box, comparison, value, hit):
    op, first, *two = comparison
    filter(box, rule("ERRNO", "swapoff", errnoRet=99, args=[arg(3, first, op, *two)]))
    answer = box.tries("call", "swapoff", 0, 0, 0, value)
    assert (answer["errno"] == 99) == hit, answer


@pytest.mark.parametrize("index", range(6))
def test_each_argument(box, index):
    filter(box, rule("ERRNO", "vhangup", errnoRet=99, args=[arg(index, 7, "EQ")]))
    values = [0] * 6
    values[index] = 7
    assert box.tries("call", "vhangup", *values)["errno"] == 99
    assert box.tries("call", "vhangup", *[7 - v for v in values])["errno"] != 99


def test_conditions_of_one_rule_must_all_hold(box):
    filter(box, rule("ERRNO", "vhangup", errnoRet=99, args=[arg(0, 1, "EQ"), arg(1, 2, "EQ")]))
    out = box.sh("/probe call vhangup 1 2; /probe call vhangup 1 3; /probe call vhangup 0 2").ran().splitlines()
    assert ['"errno":99}' in line for line in out] == [True, False, False]


def test_rules_of_one_call_are_alternatives(box):
    filter(box, rule("ERRNO", "vhangup", errnoRet=99, args=[arg(0, 1, "EQ")]),
           rule("ERRNO", "vhangup", errnoRet=99, args=[arg(0, 2, "EQ")]))
    out = box.sh("/probe call vhangup 1; /probe call vhangup 2; /probe call vhangup 3").ran().splitlines()
    assert ['"errno":99}' in line for line in out] == [True, True, False]


def test_several_conditions_on_one_argument_are_alternatives(box):
    """Not in the specification; profiles rely on it (the clone rule of older engines, socket families)."""
    filter(box, rule("ERRNO", "vhangup", errnoRet=99, args=[arg(0, 1, "EQ"), arg(0, 2, "EQ")]))
    out = box.sh("/probe call vhangup 1; /probe call vhangup 2; /probe call vhangup 3").ran().splitlines()
    assert ['"errno":99}' in line for line in out] == [True, True, False]


def test_an_argument_in_a_list_of_what_is_allowed(box):
    names = [n for n in all_calls() if n != "getpriority"]
    filter(box, rule("ALLOW", *names), rule("ALLOW", "getpriority", args=[arg(0, 0, "EQ")]), default="SCMP_ACT_ERRNO",
           defaultErrnoRet=99)
    out = box.sh("/probe call getpriority 0 0; /probe call getpriority 1 0").ran().splitlines()
    assert ['"errno":99}' in line for line in out] == [False, True]


# ---- architectures, flags

@pytest.mark.parametrize("archs",
                         [[], ["SCMP_ARCH_X86_64"], ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
                          ["SCMP_ARCH_X86"],
                                   ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"], ["SCMP_ARCH_RISCV64"]],
                                   ids=str)
def test_architectures(box, archs):
    """The machine's own is always covered."""
    filter(box, rule("ERRNO", "getpriority", errnoRet=5), architectures=archs)
    assert box.errno("call", "getpriority", 0, 0) == "EIO"


@pytest.mark.parametrize("name",
                         ["ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC",
                          "PPC64",
                                  "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K",
                                  "SH", "SHEB"])
def test_the_name_of_a_foreign_architecture_is_known(box, name):
    """Profiles list all architectures they were made for."""
    filter(box, rule("ERRNO", "getpriority", errnoRet=5), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_" + name])
    assert box.errno("call", "getpriority", 0, 0) == "EIO"


def test_a_filter_for_one_architecture_cannot_be_passed_by_through_another(box):
    """getppid of i386: the filter names it for x86_64 only, and the numbers differ."""
    r = box.sh("/probe int80 64").run()
    if '"errno":0' not in r.out:
        pytest.skip("no 32-bit calls in this kernel")
    filter(box, rule("ERRNO", "getppid", errnoRet=5), architectures=["SCMP_ARCH_X86_64"])
    r = box.sh("/probe int80 64; echo status $?").run()
    assert '"errno":0' not in r.out and "status" in r.out, r
    filter(box, rule("ERRNO", "getppid", errnoRet=5), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    assert '"errno":5' in box.sh("/probe int80 64").ran()


@pytest.mark.parametrize("flags",
                         [["SECCOMP_FILTER_FLAG_TSYNC"], ["SECCOMP_FILTER_FLAG_LOG"],
                          ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"], [],
                                   ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
                                   ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]], ids=str)
def test_flags(box, flags, folder):
    filter(box, rule("ERRNO", "getpriority", errnoRet=5), flags=flags)
    if flags == ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]:  # the kernel takes it with a listener only
        with Listener(folder / "agent") as agent:
            box.linux["seccomp"]["listenerPath"] = str(agent.path)
            box.linux["seccomp"]["syscalls"].append(rule("NOTIFY", "acct"))
            assert box.errno("call", "getpriority", 0, 0) == "EIO"
        return
    assert box.errno("call", "getpriority", 0, 0) == "EIO"


@pytest.mark.parametrize("change", [
    {"flags": ["SECCOMP_FILTER_FLAG_UNKNOWN"]}, {"architectures": ["SCMP_ARCH_PDP11"]},
    {"defaultAction": "SCMP_ACT_UNKNOWN"},
    {"defaultAction": None}, {"defaultAction": "ALLOW"},
    {"syscalls": [{"names": ["acct"], "action": "SCMP_ACT_PERHAPS"}]},
    {"syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]}, {"syscalls": [{"action": "SCMP_ACT_ERRNO"}]},
    {"syscalls": [{"names": ["acct"]}]},
    {"syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO",
                   "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]},
    {"syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO",
                   "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_LIKE"}]}]},
    {"syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO",
                   "args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]}]},
    {"syscalls": [{"names": ["acct"], "action": "SCMP_ACT_KILL_PROCESS", "errnoRet": 5}]},
    {"syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000}]},
    {"syscalls": {"names": ["acct"]}}, {"defaultErrnoRet": 5}], ids=json.dumps)
def test_a_filter_refused(box, change):
    filter(box, rule("ERRNO", "getpriority"))
    box.linux["seccomp"].update(change)
    if "defaultAction" in change and change["defaultAction"] is None:
        del box.linux["seccomp"]["defaultAction"]
    box.refused()


# ---- notify

class Agent(threading.Thread):
    """Takes one container process state and answers the first call that is notified."""

    def __init__(self, listener, error=0, value=0):
        super().__init__(daemon=True)
        self.listener, self.error, self.value = listener, error, value
        self.state = self.fds = self.request = None
        self.start()

    def run(self):
        data, self.fds = self.listener.take(is_json)
        self.state = json.loads(data)
        asked = bytearray(80)
        fcntl.ioctl(self.fds[0], RECEIVE, asked)
        self.request = struct.unpack("=QIIiIQ6Q", asked)
        fcntl.ioctl(self.fds[0], SEND, struct.pack("=Qqii", self.request[0], self.value, -self.error, 0))
        os.close(self.fds[0])


def test_an_agent_answers_with_an_error(box, folder):
    with Listener(folder / "agent") as listener:
        agent = Agent(listener, error=71)
        filter(box, rule("NOTIFY", "acct"), listenerPath=str(folder / "agent"))
        assert box.errno("call", "acct", 0) == "EPROTO"
        agent.join(60)
    assert len(agent.fds) == 1


def test_an_agent_answers_with_a_value(box, folder):
    with Listener(folder / "agent") as listener:
        Agent(listener, value=4242)
        filter(box, rule("NOTIFY", "acct"), listenerPath=str(folder / "agent"))
        assert box.tries("call", "acct", 0)["return"] == 4242


def test_the_container_process_state(box, folder):
    box.config["annotations"] = {"com.example": "yes"}
    with Listener(folder / "agent") as listener:
        agent = Agent(listener, error=71)
        filter(box, rule("NOTIFY", "acct"), listenerPath=str(folder / "agent"), listenerMetadata="opaque \"data\"")
        assert box.errno("call", "acct", 0) == "EPROTO"
        agent.join(60)
    state = agent.state
    assert state["ociVersion"] and state["fds"] == ["seccompFd"] and state["metadata"] == 'opaque "data"'
    assert isinstance(state["pid"], int) and state["pid"] > 1
    inner = state["state"]
    assert (inner["id"], inner["bundle"], inner["annotations"]) == (box.id, str(box.bundle), {"com.example": "yes"})
    assert inner["status"] in ("creating", "created", "running") and inner["ociVersion"]


def test_an_exec_has_a_state_of_its_own(box, folder):
    with Listener(folder / "agent") as listener:
        got = []
        first = threading.Thread(target=lambda: got.append(listener.take(is_json)), daemon=True)
        first.start()
        filter(box, rule("NOTIFY", "acct"), listenerPath=str(folder / "agent"))
        box.idle()
        first.join(60)
        agent = Agent(listener, error=71)
        assert box.reports("call", "acct", 0)["errno"] == errno.EPROTO
        agent.join(60)
        for fd in got[0][1]:
            os.close(fd)
    assert agent.state["pid"] != json.loads(got[0][0])["pid"] == agent.state["state"]["pid"]


def test_the_connection_is_closed_after_the_state(box, folder):
    with Listener(folder / "agent") as listener:
        got = []
        thread = threading.Thread(target=lambda: got.append(listener.take()), daemon=True)
        thread.start()
        filter(box, rule("NOTIFY", "acct"), listenerPath=str(folder / "agent"))
        box.idle()
        thread.join(60)
        assert got, "the connection is still open"
        for fd in got[0][1]:
            os.close(fd)


def test_notify_without_a_listener_is_refused(box):
    filter(box, rule("NOTIFY", "acct")).refused()


def test_notify_with_nobody_at_the_socket_is_refused(box, folder):
    filter(box, rule("NOTIFY", "acct"), listenerPath=str(folder / "nobody")).refused()


def test_metadata_without_a_listener_is_refused(box):
    filter(box, rule("ERRNO", "acct"), listenerMetadata="x").refused()


def test_the_listener_is_ignored_without_notify(box, folder):
    filter(box, rule("ERRNO", "acct"), listenerPath=str(folder / "nobody"))
    assert box.report()["seccomp"] == 2


def test_a_filter_that_denies_what_a_runtime_may_need_afterwards(box):
    """The working directory is checked before the filter is loaded."""
    filter(box, rule("ERRNO", "getcwd", "chdir", "fchdir", "setgroups", "setuid", "setresuid", "prctl", "capset"))
    assert box.sh("echo runs").ran() == "runs\n"
