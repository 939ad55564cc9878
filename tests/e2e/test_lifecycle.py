# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs from start to end: what ps, logs, inspect, kill, attach and stop say, and that nothing is left."""
import concurrent.futures
import os
import re
import signal
import termios
import threading
import time

import pytest

from lifecycle import IS_ROOT, PATIENCE, Bulkhead, eventually

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


@pytest.fixture
def b():
    bulkhead = Bulkhead()
    yield bulkhead
    bulkhead.close()


# Ends when it is told to, once it has said that it listens.
ON_WORD = "trap 'exit {}' USR1; echo ready; while :; do sleep 0.05; done"


def has_said(b, unit, *words):
    assert eventually(lambda: set(words) <= set(b.ok("logs", unit).splitlines())), b.ok("logs", unit)


def is_connected(pid):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


MIXES = [
    ["DynamicUser=yes"],
    ["PrivateTmp=yes"],
    ["PrivateNetwork=yes"],
    ["PrivateTmp=disconnected", "ProtectSystem=strict"],
    ["DynamicUser=yes", "PrivateTmp=yes", "PrivateNetwork=yes"],
    ["PrivatePIDs=yes"],
    ["PrivateUsers=yes", "NoNewPrivileges=yes"],
    ["PrivateDevices=yes", "ProtectHome=yes"],
    ["TasksMax=20"],
    ["MemoryMax=100M", "CPUQuota=50%"],
    ["PrivateIPC=yes", "ProtectHostname=yes"],
    ["RuntimeDirectory={unit}"],
    ["TemporaryFileSystem=/srv", "InaccessiblePaths=-/opt"],
    ["SystemCallFilter=@system-service", "RestrictSUIDSGID=yes"],
    [],
]


def test_500_runs_leave_nothing(b):
    count = int(os.environ.get("BULKHEAD_TEST_RUNS", "500"))

    def begin(i):
        properties = [p.format(unit=b.name(i)) for p in MIXES[i % len(MIXES)]]
        return b.start(i, "sleep", "1000", properties=properties)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        units = list(pool.map(begin, range(count)))
    listed = b.ps()
    assert sorted(listed) == sorted(units)
    assert {r["state"] for r in listed.values()} == {"running"}
    assert len({r["pid"] for r in listed.values()}) == count
    assert len({r["invocation_id"] for r in listed.values()}) == count
    dynamic = [i for i in range(count) if "DynamicUser=yes" in MIXES[i % len(MIXES)]]
    assert len(b.uid_locks()) == len(dynamic)
    uids = {os.stat(f"/proc/{listed[units[i]]['pid']}").st_uid for i in dynamic}
    assert len(uids) == len(dynamic) and min(uids) >= 61184 and max(uids) <= 65519
    assert b.private_folders() and b.cgroups()

    half = count // 2
    b.ok("stop", "-t", "1", *units[:half], timeout=10 * PATIENCE)
    assert sorted(b.ps("-a")) == sorted(units[half:])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda u: b.ok("stop", "-t", "1", u), units[half:]))
    assert b.ps("-a") == {}
    b.assert_clean(records=True)
    assert not [p for p in os.listdir("/run") if b.token in p]


def test_runs_that_end_by_themselves_leave_records_only(b):
    units = [b.start(i, "sh", "-c", f"exit {i % 3}", properties=[p.format(unit=b.name(i)) for p in MIXES[i % len(MIXES)]])
             for i in range(30)]
    records = [b.ended(u) for u in units]
    for i, r in enumerate(records):
        assert (r["code"], r["status"]) == ("exited", i % 3)
        assert (r["state"], r["result"]) == (("exited", "success") if i % 3 == 0 else ("failed", "exit-code"))
        assert r["ended_usec"] >= r["started_usec"] > 0
    b.assert_clean()
    assert b.ps() == {} and sorted(b.ps("-a")) == sorted(units)
    b.ok("stop", *units)
    b.assert_clean(records=True)


def test_ended_records_are_bounded(b):
    units = [b.start(f"n{i:03}", "true") for i in range(110)]
    assert eventually(lambda: not b.ps())
    b.start("last", "true")
    assert eventually(lambda: len(b.ps("-a")) <= 101), len(b.ps("-a"))
    kept = b.ps("-a")
    assert units[-1] in kept and b.name("last") + ".service" in kept


def test_the_end_is_recorded_once_and_all_hear_the_same(b):
    """Waiters of every kind, with ps reconciling all the while: one end, one status, one time."""
    unit = b.start("w", "sh", "-c", ON_WORD.format(7))
    has_said(b, unit, "ready")
    seen, stop = set(), threading.Event()

    def poll():
        while not stop.is_set():
            r = b.inspect(unit)
            if r["state"] not in ("starting", "running"):
                seen.add((r["state"], r["code"], r["status"], r["result"], r["ended_usec"]))
    pollers = [threading.Thread(target=poll) for _ in range(4)]
    for t in pollers:
        t.start()
    followers = [b.popen("attach", "-n", unit) for _ in range(6)]
    assert eventually(lambda: all(is_connected(p.pid) for p in followers))
    b.ok("kill", "--signal=USR1", unit)
    assert [p.wait(PATIENCE) for p in followers] == [7] * 6
    time.sleep(0.3)
    stop.set()
    for t in pollers:
        t.join()
    for p in followers:
        p.communicate()
    assert len(seen) == 1, seen
    assert next(iter(seen))[:4] == ("failed", "exited", 7, "exit-code")


def test_a_live_name_is_taken_and_an_ended_one_is_not(b):
    unit = b.start("name", "sleep", "1000")
    r = b("run", "-u", b.name("name"), "true")
    assert r.returncode == 1
    assert "unit.exists" in r.stderr and unit in r.stderr
    assert b.ps()[unit]["state"] == "running"
    first = b.inspect(unit)["invocation_id"]
    b.ok("kill", "-s", "KILL", unit)
    assert b.ended(unit)["code"] == "killed"
    b.start("name", "true")
    assert b.ended(unit)["code"] == "exited"
    assert b.inspect(unit)["invocation_id"] != first


def test_a_name_with_and_without_its_ending_is_one(b):
    unit = b.start("x", "sleep", "1000")
    assert b.inspect(b.name("x"))["unit"] == b.inspect(unit)["unit"] == unit
    b.ok("stop", b.name("x"))
    assert b.ps("-a") == {}


def test_one_name_in_two_runtime_folders(b):
    """Two owners of state never touch each other's runs, whatever they are called."""
    other = Bulkhead()
    try:
        other.token = b.token
        mine, theirs = b.start("same", "sleep", "1000"), other.start("same", "sleep", "1000")
        assert b.ps()[mine]["state"] == other.ps()[theirs]["state"] == "running"
        pid = other.ps()[theirs]["pid"]
        b.ok("stop", mine)
        assert other.ps()[theirs]["pid"] == pid and os.path.exists(f"/proc/{pid}")
        b.start("same", "sleep", "1000", properties=["MemoryMax=50M"])
        other.ok("stop", theirs)
        time.sleep(0.2)
        assert b.ps()[mine]["state"] == "running"
        b.ok("stop", mine)
    finally:
        other.close()
    b.assert_clean(records=True)


def test_logs(b):
    unit = b.start("l", "sh", "-c", "echo one; echo two >&2; printf three")
    b.ended(unit)
    r = b("logs", unit)
    assert r.returncode == 0 and "one\n" in r.stdout and "three" in r.stdout and "two\n" in r.stderr
    for n in range(5):
        r = b("logs", "-n", str(n), unit)
        assert len(r.stdout.split() + r.stderr.split()) == min(n, 3)
    stamped = b.ok("logs", "-t", unit).splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ", line) for line in stamped), stamped


def test_logs_follow_to_the_end(b):
    unit = b.start("f", "sh", "-c", "for i in 1 2 3 4 5; do echo line$i; sleep 0.1; done")
    out = b.ok("logs", "-f", unit, timeout=PATIENCE)
    assert out.split() == [f"line{i}" for i in range(1, 6)]


def test_logs_of_much_output_are_whole_or_cut_at_the_old_end(b):
    unit = b.start("m", "sh", "-c", "seq 1 200000")
    b.ended(unit)
    assert b.ok("logs", unit).split() == [str(i) for i in range(1, 200001)]


def test_inspect(b):
    unit = b.start("i", "--description", "says\nwho", "sleep", "1000", properties=["NoNewPrivileges=yes"])
    r = b.inspect(unit)
    assert r["unit"] == unit and r["argv"] == ["sleep", "1000"] and r["description"] == "says\nwho"
    assert "NoNewPrivileges=yes" in r["properties"] and r["state"] == "running" and r["code"] is None
    assert os.readlink(f"/proc/{r['pid']}/exe").endswith("sleep") or os.path.exists(f"/proc/{r['pid']}")
    assert os.path.basename(os.readlink(f"/proc/{r['supervisor_pid']}/exe")).startswith("bulkhead-shim")


@pytest.mark.parametrize("verb", ["inspect", "logs", "stop", "kill", "attach"])
def test_unknown_units(b, verb):
    r = b(verb, b.name("none"))
    assert r.returncode != 0 and "unit.unknown" in r.stderr


@pytest.mark.parametrize("verb", ["kill", "attach"])
def test_ended_units(b, verb):
    unit = b.start("e", "true")
    b.ended(unit)
    r = b(verb, unit)
    assert r.returncode != 0 and "unit.ended" in r.stderr


def test_kill_the_main_process_or_all(b):
    script = ("trap 'echo main usr1' USR1; (trap 'echo child usr1' USR1; echo child hears; while :; do sleep 0.05; done) & "
              "echo main hears; while :; do sleep 0.05; done")
    unit = b.start("k", "sh", "-c", script)
    has_said(b, unit, "main hears", "child hears")
    b.ok("kill", "-s", "USR1", unit)
    assert eventually(lambda: "main usr1" in b.ok("logs", unit))
    assert "child usr1" not in b.ok("logs", unit)
    # sleep dies of it; the shells do not
    b.ok("kill", "-a", "-s", "SIGUSR1", unit)
    assert eventually(lambda: "child usr1" in b.ok("logs", unit))
    b.ok("kill", "-s", "9", unit)
    assert b.ended(unit)["result"] == "signal"
    b.assert_clean()


def test_stop_is_gentle_and_then_final(b):
    gentle = b.start("g", "sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    follower = b.popen("logs", "-f", gentle)
    assert follower.stdout.readline() == b"ready\n"
    b.ok("stop", gentle)
    assert b"bye" in follower.communicate(timeout=PATIENCE)[0]
    deaf = b.start("d", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    has_said(b, deaf, "ready")
    begin = time.monotonic()
    b.ok("stop", "-t", "1", deaf)
    assert 0.9 < time.monotonic() - begin < PATIENCE
    b.assert_clean(records=True)


def test_stop_kills_grandchildren(b):
    script = "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' & setsid sleep 1000 & sleep 1000"
    for i, properties in enumerate(MIXES):
        unit = b.start(i, "sh", "-c", script, properties=[p.format(unit=b.name(i)) for p in properties])
        assert eventually(lambda: len(b.processes()) >= 4)
        b.ok("stop", "-t", "0", unit)
        b.assert_clean(records=True)


def test_the_end_of_the_main_process_is_the_end_of_all(b):
    unit = b.start("o", "sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & exit 0")
    assert b.ended(unit)["result"] == "success"
    b.assert_clean()


def test_wait(b):
    r = b("run", "-u", b.name("w"), "--wait", "sh", "-c", "exit 5")
    assert r.returncode == 5
    assert "Finished with result: exit-code" in r.stderr and "code=exited, status=5" in r.stderr
    r = b("run", "-q", "-u", b.name("w2"), "--wait", "sh", "-c", "kill -KILL $$")
    assert r.returncode == 255 and r.stderr == ""
    assert b.inspect(b.name("w2"))["code"] == "killed"


def test_collect(b):
    assert b("run", "-q", "-G", "-u", b.name("c"), "--wait", "sh", "-c", "exit 6").returncode == 6
    assert eventually(lambda: b.ps("-a") == {})
    b.start("c2", "-G", "true")
    assert eventually(lambda: b.ps("-a") == {})
    b.assert_clean(records=True)


def test_a_start_that_fails_says_why_and_leaves_a_record_or_nothing(b):
    r = b("run", "-u", b.name("bad"), "-p", "BindPaths=/does/not/exist:/mnt", "true")
    assert r.returncode == 226 and "/does/not/exist" in r.stderr
    r = b("run", "-u", b.name("bad2"), "-p", "WorkingDirectory=/does/not/exist", "true")
    assert r.returncode == 200
    r = b("run", "-u", b.name("bad3"), "/does/not/exist")
    assert r.returncode in (1, 203)
    assert b.ps() == {}
    b.assert_clean()


def test_foreground_has_a_record_while_it_runs(b):
    p = b.popen("run", "-q", "-P", "-u", b.name("fg"), "-p", f"Environment=BULKHEAD_TEST={b.token}", "sh", "-c",
                "echo up; sleep 1000")
    assert p.stdout.readline() == b"up\n"
    unit = b.name("fg") + ".service"
    assert eventually(lambda: b.ps()[unit]["state"] == "running")
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=PATIENCE)
    assert p.returncode == 0
    assert b.ps("-a") == {}
    b.assert_clean(records=True)


def test_stopping_a_foreground_run(b):
    p = b.popen("run", "-q", "-P", "-u", b.name("fg"), "-p", f"Environment=BULKHEAD_TEST={b.token}", "sh", "-c",
                "echo up; exec sleep 1000")
    assert p.stdout.readline() == b"up\n"
    r = b("stop", b.name("fg"))
    if r.returncode:
        assert r.stderr
        p.terminate()
    p.communicate(timeout=PATIENCE)
    b.assert_clean(records=True)


def test_terminal_attach_and_detach(b):
    """A run on a terminal: attach types, ^] three times leaves it running."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    p = b.popen("run", "-q", "-t", "-u", b.name("t"), "-p", f"Environment=BULKHEAD_TEST={b.token}", "cat", stdin=slave,
                stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)

    def read_until(fd, text):
        data = b""
        while text not in data:
            data += os.read(fd, 4096)
        return data

    def is_passed_on():
        return not termios.tcgetattr(master)[3] & termios.ICANON
    assert eventually(is_passed_on)
    os.write(master, b"hello\n")
    read_until(master, b"hello\r\nhello")
    os.write(master, b"\x1d\x1d\x1d")
    assert p.wait(PATIENCE) == 0
    unit = b.name("t") + ".service"
    assert b.ps()[unit]["tty"] is True
    os.close(master)
    master, slave = pty.openpty()
    p = b.popen("attach", unit, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    assert eventually(is_passed_on)
    os.write(master, b"again\n")
    read_until(master, b"again\r\nagain")
    os.write(master, b"\x04")
    assert p.wait(PATIENCE) == 0
    os.close(master)
    assert b.ended(unit)["status"] == 0
    b.assert_clean()


def test_many_clients(b):
    """More watchers than a supervisor takes: the rest are told so, and the run does not care."""
    unit = b.start("c", "sh", "-c", ON_WORD.format(4))
    has_said(b, unit, "ready")
    followers = [b.popen("attach", "-n", unit) for _ in range(24)]
    assert eventually(lambda: sum(p.poll() is not None for p in followers) == 8)
    os.kill(b.inspect(unit)["pid"], signal.SIGUSR1)  # "kill" would be a client more
    ends = []
    for p in followers:
        err = p.communicate(timeout=PATIENCE)[1].decode()
        ends.append(p.returncode)
        assert p.returncode == 4 or "shim.busy" in err or "clients are connected" in err, err
    assert ends.count(4) == 16, ends
    assert b.ended(unit)["status"] == 4


def test_hidden_paths_beside_a_private_tmp(b):
    """The runtime folder may itself lie below a folder that the run covers."""
    r = b("run", "-q", "-P", "-p", "PrivateTmp=yes", "-p", "ProtectHome=yes", "-p", "InaccessiblePaths=/opt", "ls", "/tmp")
    assert (r.returncode, r.stdout) == (0, ""), r.stderr
