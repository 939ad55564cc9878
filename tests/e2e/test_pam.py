# SPDX-License-Identifier: LGPL-2.1-or-later
"""PAMName=: sessions by a stack of the test's own, on an /etc/pam.d that only its commands see."""
import os
import pathlib
import subprocess
import time

import pytest

from conftest import Result, binary
from lifecycle import eventually
from services import Services


def needs_pam():
    if not (binary().parent / "bulkhead-pam").exists():
        pytest.skip("built without PAM")


class Stack:
    """Files of /etc/pam.d, and what a hook in them was told."""

    def __init__(self, folder):
        needs_pam()
        self.folder = folder
        self.etc = folder / "pam.d"
        self.etc.mkdir()
        self.told = folder / "told"
        self.hook = folder / "hook"
        self.hook.write_text(f'#!/bin/sh\necho "$PAM_TYPE $PAM_SERVICE $PAM_USER $(id -u)" >>{self.told}\n')
        self.hook.chmod(0o755)
        (folder / "env").write_text("FROM_PAM DEFAULT=seen\nHOME DEFAULT=/pam/home\n")
        (folder / "limits").write_text("* - nofile 77\n* - nproc 555\n")

    def write(self, name, *lines):
        (self.etc / name).write_text("".join(line + "\n" for line in lines))

    def good(self, name="good", *more):
        self.write(name, "auth required pam_permit.so", "account required pam_permit.so", f"session required pam_env.so readenv=0 conffile={self.folder}/env",
                   f"session required pam_limits.so conf={self.folder}/limits", f"session required pam_exec.so {self.hook}", *more)
        return name

    def wrap(self, argv):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/pam.d && exec "$@"', self.etc, *map(str, argv)]

    def lines(self, count):
        assert eventually(lambda: self.told.exists() and len(self.told.read_text().splitlines()) >= count), self.told.exists() and self.told.read_text()
        return self.told.read_text().splitlines()


@pytest.fixture
def stack(box):
    """All sessions are closed at the end; the folder with what they tell goes after them."""
    s = Stack(box.folder)
    yield s

    def count(word):
        return s.told.read_text().count(word) if s.told.exists() else 0
    assert eventually(lambda: count("open_session") == count("close_session")), s.told.read_text()


def run(box, stack, properties, script, *options):
    p = subprocess.run(stack.wrap([binary(), *box.arguments(properties, ["-P", *options]), "/bin/sh", "-c", script]), env=box.env(), stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, check=False)
    return Result(p.returncode, p.stdout, p.stderr)


def test_a_session_is_opened_and_closed(box, stack):
    name = stack.good()
    r = run(box, stack, ["User=nobody", f"PAMName={name}"], f"echo $FROM_PAM $HOME; id -un; cat {stack.told}; ulimit -n; ulimit -p")
    assert r.status == 0 and r.out.splitlines() == ["seen /pam/home", "nobody", f"open_session {name} nobody 0", "77", "555"], r
    assert stack.lines(2) == [f"open_session {name} nobody 0", f"close_session {name} nobody 0"]


def test_the_units_limits_come_before_those_of_the_session(box, stack):
    r = run(box, stack, ["User=nobody", f"PAMName={stack.good()}", "LimitNOFILE=66", "Environment=FROM_PAM=unit"], "ulimit -n; ulimit -p; echo $FROM_PAM")
    assert r.out.split() == ["66", "555", "seen"], r


def test_it_lasts_as_long_as_the_payload(box, stack):
    name, unit = stack.good(), box.name()
    argv = [binary(), "run", "-q", "-u", unit, "-p", "User=nobody", "-p", f"PAMName={name}", "sleep", "600"]
    subprocess.run(stack.wrap(argv), env=box.env(), check=True, stdin=subprocess.DEVNULL)
    time.sleep(0.3)
    assert len(stack.lines(1)) == 1
    box.call("stop", unit)
    assert stack.lines(2)[1].startswith("close_session")


def test_it_is_closed_when_the_supervisor_is_killed(box, stack):
    name = stack.good()
    p = subprocess.Popen(stack.wrap([binary(), *box.arguments(["User=nobody", f"PAMName={name}"], ["-P"]), "/bin/sh", "-c", "echo up; sleep 600"]), env=box.env(),
                         stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "up\n"
    p.kill()
    p.wait()
    assert stack.lines(2)[1].startswith("close_session")


@pytest.mark.parametrize("which, words", [("account", "pam_acct_mgmt"), ("auth", "pam_setcred"), ("session", "pam_open_session")])
def test_what_pam_refuses_does_not_start(box, stack, which, words):
    lines = {"auth": "auth required pam_permit.so", "account": "account required pam_permit.so", "session": "session required pam_permit.so"}
    lines[which] = f"{which} required pam_deny.so"
    stack.write("bad", *lines.values())
    for options in ([], ["--lenient"]):
        r = run(box, stack, ["User=nobody", "PAMName=bad"], "echo started", *options)
        assert r.status == 224 and "pam.refused" in r.err and words in r.err and not r.out, r


def test_a_stack_that_is_not_there(box, stack):
    stack.write("other", "auth required pam_deny.so", "account required pam_deny.so", "session required pam_deny.so")
    r = run(box, stack, ["User=nobody", "PAMName=nothing"], "echo started")
    assert r.status == 224 and "pam.refused" in r.err and not r.out, r


def test_a_start_that_fails_later_closes_the_session(box, stack):
    r = run(box, stack, ["User=nobody", f"PAMName={stack.good()}", "ReadOnlyPaths=/nonexistent"], "echo started")
    assert r.status == 226, r
    assert stack.lines(2)[1].startswith("close_session")


def test_without_the_program_it_does_not_start(box, stack):
    folder = box.folder / "alone"
    folder.mkdir()
    alone = folder / "bulkhead"
    alone.write_bytes(pathlib.Path(binary()).read_bytes())
    alone.chmod(0o755)
    p = subprocess.run([alone, *box.arguments(["User=nobody", "PAMName=login"], ["-P"]), "echo", "started"], env=box.env(), capture_output=True, text=True, check=False)
    assert p.returncode == 224 and "pam.failed" in p.stderr and not p.stdout, p


def test_in_a_sandbox(box, stack):
    lines = ["User=nobody", f"PAMName={stack.good()}", "ProtectSystem=strict", "PrivateTmp=yes", "PrivatePIDs=yes", "PrivateDevices=yes", "PrivateNetwork=yes",
             "CapabilityBoundingSet=", "SystemCallFilter=@system-service"]
    r = run(box, stack, lines, "echo $FROM_PAM; touch /usr/x || echo closed")
    assert r.out.split() == ["seen", "closed"], r
    assert stack.lines(2)[1].startswith("close_session")


@pytest.mark.parametrize("lines, words", [("PAMName=login", "takes User="), ("User=nobody\nPAMName=../x", "name of a file"), ("User=nobody\nPAMName=a b", "name of a file")])
def test_bad_values(box, lines, words):
    needs_pam()
    r = box.run(lines, "true")
    assert r.status == 1 and words in r.err, r
    assert box.run("PAMName=login\nPAMName=", "true").status == 0


def test_an_ordinary_user_has_none(user_box):
    needs_pam()
    r = user_box.run("PAMName=login", "true")
    assert r.status == 1 and "directive.unsupported" in r.err and "take root" in r.err, r


def test_explain(box):
    needs_pam()
    r = box.call("explain", "-p", "User=nobody", "-p", "PAMName=login", "true")
    assert "PAM session" in r.out and "PAMName=login" in r.out, r
    r = box.call("explain", "--json", "-p", "User=nobody", "-p", "PAMName=login", "true")
    assert '"pam_session"' in r.out and '"login"' in r.out, r


def test_a_service_has_a_session_for_each_command(box, stack):
    name = stack.good()
    s = Services()
    try:
        unit = s.unit("session", f"""Type=oneshot
User=nobody
PAMName={name}
ExecStartPre=/bin/sh -c "echo pre $FROM_PAM"
ExecStartPre=+/bin/sh -c "echo plus $FROM_PAM"
ExecStart=/bin/sh -c "echo start $FROM_PAM $$FROM_PAM"
""")
        p = subprocess.run(stack.wrap([binary(), "unit", "start", unit]), env=s.env, capture_output=True, text=True, check=False)
        assert p.returncode == 0, p.stderr
        record = s.over(unit)
        assert record["state"] == "exited", (record, s.logs(unit))
        assert s.logs(unit).splitlines() == ["pre seen", "plus", "start seen seen"], s.logs(unit)
        assert sorted(stack.lines(4)) == [f"close_session {name} nobody 0"] * 2 + [f"open_session {name} nobody 0"] * 2
        s.assert_clean()
    finally:
        s.close()


def test_a_service_that_stays_and_is_stopped(box, stack):
    name = stack.good()
    s = Services()
    try:
        unit = s.unit("stays", f"Type=exec\nUser=nobody\nPAMName={name}\nExecStart=ACT say=up env=FROM_PAM stay\n")
        subprocess.run(stack.wrap([binary(), "unit", "start", unit]), env=s.env, check=True)
        s.heard("up", "FROM_PAM=seen")
        assert len(stack.lines(1)) == 1
        s.ok("unit", "stop", unit)
        assert stack.lines(2)[1].startswith("close_session")
        assert s.status(unit)["state"] in ("exited", "stopped", "inactive"), s.status(unit)
        s.assert_clean()
    finally:
        s.close()


def test_who_holds_the_session_is_not_taken_for_the_main_process(box, stack):
    s = Services()
    try:
        unit = s.unit("forks", f"Type=forking\nUser=nobody\nPAMName={stack.good()}\nExecStart=ACT say=up daemon pid=main stay\n")
        subprocess.run(stack.wrap([binary(), "unit", "start", unit]), env=s.env, check=True)
        s.heard("up")
        assert s.until(unit, state="running", pid=s.number("main"))
        s.ok("unit", "stop", unit)
        s.assert_clean()
    finally:
        s.close()
