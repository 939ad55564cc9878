# SPDX-License-Identifier: LGPL-2.1-or-later
"""SystemCallLog=: the listed calls are carried out and stand in the kernel's log; others do not."""
import json
import os
import pathlib
import re
import time

import pytest

from lifecycle import eventually

NUMBERS = {"uname": 63, "getpriority": 140, "lchown": 94}
SECONDS = 120


class KernelLog:
    """What comes into the kernel's log from now on."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self.fd, 0, os.SEEK_END)
        self.text = ""

    def read(self):
        while True:
            try:
                self.text += os.read(self.fd, 8192).decode(errors="replace") + "\n"
            except BlockingIOError:
                return self.text
            except BrokenPipeError: # older lines have gone
                continue

    def calls(self, pid):
        """Numbers of the calls of that process that were logged, with what the filter said."""
        pattern = rf"type=1326 .*\bpid={pid}\b.* syscall=(\d+) .* code=0x7ffc0000"
        return {int(n) for n in re.findall(pattern, self.read())}


@pytest.fixture
def log():
    try:
        k = KernelLog()
    except OSError as e:
        pytest.skip(f"the kernel's log cannot be read: {e}")
    logged = pathlib.Path("/proc/sys/kernel/seccomp/actions_logged").read_text().split()
    if "log" not in logged:
        pytest.skip("the host's kernel logs no calls")
    yield k
    os.close(k.fd)


SCRIPT = ("import os\nprint(os.getpid(), flush=True)\nos.uname(); os.getpriority(os.PRIO_PROCESS, 0)\n"
          "try: os.lchown('/nonexistent', 0, 0)\nexcept FileNotFoundError: print('worked')")


def numbers(log, box, directives, expected, mode=()):
    """What is logged. The kernel writes a few messages in five seconds, of all suites, and passes over others: what is missing is tried again."""
    seen, end = set(), time.monotonic() + SECONDS
    while time.monotonic() < end:
        r = box.run(directives, "python3", "-c", SCRIPT, options=list(mode))
        assert r.status == 0 and r.out.split()[1] == "worked", r
        pid = int(r.out.split()[0])
        if eventually(lambda: log.calls(pid) >= expected, 0.5):
            return log.calls(pid) & set(NUMBERS.values())
        seen |= log.calls(pid)
        time.sleep(1)
    return seen & set(NUMBERS.values())


@pytest.mark.parametrize("directives, logged", [
    ("SystemCallLog=uname", {"uname"}),
    ("SystemCallLog=uname getpriority", {"uname", "getpriority"}),
    ("SystemCallLog=uname getpriority\nSystemCallLog=~getpriority", {"uname"}),
    ("SystemCallLog=uname\nSystemCallLog=\nSystemCallLog=getpriority", {"getpriority"}),
    ("SystemCallLog=@chown", {"lchown"}),
])
def test_listed_calls_are_logged_and_work(log, any_box, directives, logged):
    expected = {NUMBERS[n] for n in logged}
    assert numbers(log, any_box, directives, expected) == expected


def test_calls_are_logged_beside_a_report_of_denials(log, box):
    expected = {NUMBERS["uname"], NUMBERS["getpriority"]}
    assert numbers(log, box, "SystemCallLog=uname getpriority", expected, ["--report-denials"]) == expected


def test_with_a_tilde_all_others_are_logged(log, box):
    expected = {NUMBERS["getpriority"]}
    assert numbers(log, box, "SystemCallLog=~@system-service\nSystemCallLog=getpriority", expected) == expected


def test_a_call_that_is_denied_stays_denied(any_box):
    r = any_box.shell("SystemCallLog=uname\nSystemCallFilter=~uname\nSystemCallErrorNumber=EPERM", "uname")
    assert r.status and "not permitted" in r.err, r
    assert any_box.shell("SystemCallLog=~\nSystemCallFilter=~chroot\nSystemCallErrorNumber=EPERM", "true").status == 0


@pytest.mark.parametrize("value, error", [("unmae", "seccomp.unknown-call"), ("uname:EPERM", "seccomp.bad-errno"), ("~uname:kill", "seccomp.bad-errno"),
                                          ("'uname", "seccomp.bad-value")])
def test_bad_values(any_box, value, error):
    r = any_box.run(f"SystemCallLog={value}", "true")
    assert r.status and error in r.err, r


def test_explain_says_what_is_logged(box):
    out = box.call("explain", "-p", "SystemCallLog=uname sync", "true").out
    assert re.search(r"2 +carried out and logged by the kernel +SystemCallLog=uname sync", out), out
    plan = json.loads(box.call("explain", "--json", "-p", "SystemCallLog=~uname", "true").out)
    assert (plan["system_calls"]["log"], plan["system_calls"]["log_origin"]) == ("all-but", "SystemCallLog=~uname")
    assert json.loads(box.call("explain", "--json", "true").out)["system_calls"]["log"] == "none"
