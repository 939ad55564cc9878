# SPDX-License-Identifier: LGPL-2.1-or-later
"""learn --unit of services as they are: under their own Type=, with all their commands, and nothing of them left when it is over."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import binary
from lifecycle import IS_ROOT, eventually, kill
from services import Services

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


@pytest.fixture
def user():
    services = Services(uid=65534)
    yield services
    services.close()


def learn(s, unit, *options, status=0):
    r = s("learn", "--json", "-q", *options, "--unit", unit, timeout=180)
    assert r.returncode == status, (r.returncode, r.stderr[-3000:])
    s.rest()
    return json.loads(r.stdout[r.stdout.index('{"runs":'):]) if not status else r


def assignments(learned):
    return [line for line in learned["drop_in"].splitlines() if not line.startswith("#") and "=" in line]


def install(s, unit, learned):
    folder = s.base / "units" / f"{unit}.d"
    folder.mkdir()
    (folder / "learned.conf").write_text(learned["drop_in"])


def paths(learned):
    return {p["path"] for p in learned["observations"]["paths"]}


def test_a_service_that_notifies_is_learned_under_its_own_type(s):
    u = s.unit("a", "Type=notify\nExecStart=ACT say=begins notify=READY=1 stay")
    learned = learn(s, u, "--exercise", "true")
    assert learned["verified"] and not [r for r in learned["rows"] if r["dropped"]], learned["drop_in"]
    assert not any("/notify" in p for p in paths(learned)) and "AF_UNIX" in learned["drop_in"]
    s.assert_clean()
    install(s, u, learned)
    s.ok("unit", "start", u)
    s.heard("begins")
    assert s.status(u)["sub"] == "running"
    s.ok("unit", "stop", u)
    s.assert_clean()


def test_what_a_daemon_does_in_the_background_is_seen_and_all_else_denied(s):
    start = "Type=forking\nPIDFile=DATA/pid\nExecStart=ACT daemon pidfile=DATA/pid {} stay"
    u = s.unit("a", start.format("hear=DATA/pid pidfile=DATA/written"))
    learned = learn(s, u, "--exercise", f"cd {s.base}/data; until [ -e written ]; do sleep 0.02; done; rm written")
    assert f"{s.base}/data/written" in paths(learned) and learned["verified"]
    s.assert_clean()
    for name in ("pid", "written"):
        (s.base / "data" / name).unlink(missing_ok=True)
    install(s, u, learned)
    s.ok("unit", "start", u)
    assert eventually((s.base / "data/written").exists)
    s.ok("unit", "stop", u)
    attacker = s.unit("b", start.format("pidfile=DATA/../units/file"))
    install(s, attacker, learned)
    (s.base / "data/pid").unlink(missing_ok=True)
    s("unit", "start", attacker)
    assert not (s.base / "units/file").exists()
    s("unit", "stop", attacker)
    s.assert_clean()


def test_all_commands_are_watched_but_those_outside_of_the_sandbox(s):
    commands = {"ExecStartPre": "pre", "ExecStartPost": "post", "ExecStop": "stop", "ExecStopPost": "last"}
    u = s.unit("a", "Type=exec\nExecStart=ACT say=main stay\nExecStartPre=+ACT pidfile=DATA/plus\n" +
               "\n".join(f"{k}=ACT pidfile=DATA/{v}" for k, v in commands.items()))
    learned = learn(s, u, "--exercise", "true")
    written = {os.path.basename(p) for p in paths(learned)}
    assert set(commands.values()) <= written and "plus" not in written and (s.base / "data/plus").exists()
    assert learned["verified"]
    s.assert_clean()


def test_two_commands_that_begin_together_are_both_seen(s):
    u = s.unit("a", "Type=simple\nExecStart=ACT pidfile=DATA/one stay\nExecStartPost=ACT pidfile=DATA/two")
    both = f"cd {s.base}/data; until [ -e one ] && [ -e two ]; do sleep 0.02; done; rm one two"
    for _ in range(3):
        learned = learn(s, u, "--exercise", both, "--verify=no")
        assert {"one", "two"} <= {os.path.basename(p) for p in paths(learned)}
    s.assert_clean()


def test_the_client_comes_when_the_service_is_up(s):
    u = s.unit("a", "Type=notify\nExecStart=/bin/sh -c 'sleep 1; echo up >DATA/up; systemd-notify --ready 2>/dev/null || ACT notify=READY=1; exec sleep 1000'\nNotifyAccess=all")
    learned = learn(s, u, "--exercise", f"grep -q up {s.base}/data/up && rm {s.base}/data/up", "--verify=no")
    assert learned["observations"]["outcomes"] == [0]
    s.assert_clean()


def test_a_service_that_runs_is_left_alone(s):
    u = s.up("a", "ExecStart=ACT pid=main stay")
    main = s.number("main")
    r = learn(s, u, "--for", "1", status=1)
    assert "unit.exists" in r.stderr
    assert s.status(u)["pid"] == main and s.status(u)["sub"] == "running"
    s.ok("unit", "stop", u)
    s.assert_clean()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_watch_leaves_nothing(s, number):
    u = s.unit("a", "Type=notify\nExecStart=ACT notify=READY=1 pid=main stay")
    p = subprocess.Popen([str(binary()), "learn", "-q", "--unit", u], env=s.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    s.number("main")
    p.send_signal(number)
    assert p.wait(60) != 0
    s.assert_clean()


def test_a_service_that_cannot_start_is_an_error(s):
    u = s.unit("a", "Type=exec\nExecStart=/nonexistent/program")
    r = learn(s, u, "--for", "1", status=203)
    assert "/nonexistent/program" in r.stderr and "learn.start" in r.stderr
    s.assert_clean()


def test_what_is_given_holds_while_it_is_watched(s):
    u = s.unit("a", "Type=oneshot\nExecStart=-ACT pidfile=DATA/no say=done")
    learned = learn(s, u, "-p", f"ReadOnlyPaths={s.base}/data", "-p", f"ReadWritePaths={s.base}/data/events", "--verify=no")
    assert learned["observations"]["runs"] == 1 and not (s.base / "data/no").exists()
    s.assert_clean()


def test_an_ordinary_user_learns_from_a_service(user):
    yama = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    if yama.exists() and int(yama.read_text()) > 1:
        pytest.skip("only root may trace here")
    u = user.unit("a", "Type=notify\nExecStart=ACT notify=READY=1 pidfile=DATA/mine stay")
    learned = learn(user, u, "--exercise", "true")
    assert f"{user.base}/data/mine" in paths(learned)
    user.assert_clean()
