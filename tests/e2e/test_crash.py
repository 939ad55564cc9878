# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sudden death of supervisors and payloads at seeded random moments: the state stays honest and nothing is left."""
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from lifecycle import IS_ROOT, Bulkhead, children, eventually, kill

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")

SEED = int(os.environ.get("BULKHEAD_TEST_SEED", "1"))
# One that hears nothing and children in sessions of their own, below each other.
FAMILY = "setsid sh -c 'trap \"\" TERM HUP; setsid sleep 1000 & sleep 1000' & sleep 1000"
MIXES = [
    [],
    ["PrivatePIDs=yes"],
    ["DynamicUser=yes"],
    ["PrivateTmp=yes", "PrivateNetwork=yes"],
    ["User=nobody"],
    ["DynamicUser=yes", "PrivateTmp=yes", "MemoryMax=200M"],
    ["PrivateUsers=yes"],
    ["TasksMax=50", "ProtectSystem=strict"],
    ["RuntimeDirectory={unit}", "PrivateDevices=yes"],
]


@pytest.fixture
def b():
    bulkhead = Bulkhead()
    yield bulkhead
    bulkhead.close()


def killed(*pids):
    """Dead, and not only about to be: until then all that it held counts as held."""
    for pid in pids:
        kill(pid)
    assert eventually(lambda: not any(map(is_alive, pids))), pids


def mix(b, i):
    return [p.format(unit=b.name(i)) for p in MIXES[i % len(MIXES)]]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def lies(records):
    """What a record says and is not so. In the first moments of a start the supervisor is about to be another process."""
    for r in records.values():
        if r["state"] in ("starting", "running"):
            if not is_alive(r["supervisor_pid"]) or (r["state"] == "running" and not is_alive(r["pid"])):
                yield r
        elif not r["ended_usec"] or not r["result"] or (r["pid"] and is_alive(r["pid"])):
            yield r


def check_honest(b):
    """No record says that something runs when it does not, and what runs has a record that says so."""
    records = {}

    def look():
        records.clear()
        records.update(b.ps("-a"))
        return not list(lies(records))
    assert eventually(look), list(lies(records))
    return records


def check_gone(b):
    """After ps, all is gone but the records; after stop, those too."""
    b.ok("ps", "-a")
    b.assert_clean()
    assert b.ps() == {}
    units = list(b.ps("-a"))
    if units:
        b.ok("stop", *units)
    b.assert_clean(records=True)
    assert not [p for p in os.listdir("/run") if b.token in p]


@pytest.mark.parametrize("i", range(len(MIXES)), ids=[",".join(m) or "plain" for m in MIXES])
def test_a_killed_supervisor_is_noticed(b, i):
    unit = b.start(i, "sh", "-c", FAMILY, properties=mix(b, i))
    r = b.ps()[unit]
    assert eventually(lambda: len(b.processes()) >= 5), b.processes()
    killed(r["supervisor_pid"])
    after = check_honest(b)[unit]
    assert (after["state"], after["result"], after["code"]) == ("failed", "supervisor-killed", None)
    assert b.ps() == {}
    b.assert_clean()
    # The record stays as it is, however often and by whomever it is read.
    assert b.inspect(unit)["ended_usec"] == after["ended_usec"]
    check_gone(b)


@pytest.mark.parametrize("i", range(len(MIXES)), ids=[",".join(m) or "plain" for m in MIXES])
def test_a_killed_payload_is_an_end(b, i):
    unit = b.start(i, "sh", "-c", FAMILY, properties=mix(b, i))
    assert eventually(lambda: len(b.processes()) >= 5)
    assert kill(b.ps()[unit]["pid"])
    r = b.ended(unit)
    assert (r["state"], r["result"], r["code"], r["status"]) == ("failed", "signal", "killed", 9)
    b.assert_clean()
    check_gone(b)


@pytest.mark.parametrize("i", range(len(MIXES)), ids=[",".join(m) or "plain" for m in MIXES])
def test_a_killed_foreground_program_takes_all_with_it(b, i):
    p = b.popen("run", "-q", "-P", "-u", b.name(i), *[x for m in mix(b, i) for x in ("-p", m)], "-p",
                f"Environment=BULKHEAD_TEST={b.token}", "sh", "-c", FAMILY)
    assert eventually(lambda: len(b.processes()) >= 4), b.processes()
    unit = b.name(i) + ".service"
    assert eventually(lambda: b.ps()[unit]["state"] == "running")
    payload = b.ps()[unit]["pid"]
    p.kill()
    p.wait()
    p.stdout.close()
    p.stderr.close()
    assert eventually(lambda: not is_alive(payload))
    assert check_honest(b)[unit]["result"] == "supervisor-killed"
    check_gone(b)


def test_random_murder_among_many(b):
    """60 runs; supervisors and payloads die in random order, while ps looks on."""
    rng = random.Random(SEED)
    units = [b.start(i, "sh", "-c", FAMILY, properties=mix(b, i)) for i in range(60)]
    records = b.ps()
    fates = {u: rng.choice(["supervisor", "payload", "both", "spared", "spared"]) for u in units}
    order = units[:]
    rng.shuffle(order)
    stop = threading.Event()
    failures = []

    def watch():
        while not stop.is_set():
            try:
                b.ps("-a")
            except AssertionError as e:
                failures.append(e)
    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for t in watchers:
        t.start()
    for u in order:
        victims = {"supervisor": ["supervisor_pid"], "payload": ["pid"], "both": ["supervisor_pid", "pid"], "spared": []}[fates[u]]
        rng.shuffle(victims)
        for v in victims:
            kill(records[u][v])
        time.sleep(rng.random() * 0.01)
    for u in units:
        if fates[u] != "spared":
            b.ended(u)
    stop.set()
    for t in watchers:
        t.join()
    assert not failures, failures[0]
    after = check_honest(b)
    for u in units:
        if fates[u] == "spared":
            assert after[u]["state"] == "running"
        elif fates[u] == "payload":
            assert after[u]["result"] == "signal"
        elif fates[u] == "supervisor":
            assert after[u]["result"] == "supervisor-killed"
        else:
            assert after[u]["result"] in ("supervisor-killed", "signal")
    spared = [u for u in units if fates[u] == "spared"]
    b.ok("stop", "-t", "0", *spared)
    check_gone(b)


@pytest.mark.parametrize("mode", ["detached", "foreground"])
def test_death_at_any_moment_of_the_start(b, mode):
    """The program and what it forks die at a random moment of the first milliseconds."""
    rng = random.Random(SEED + (mode == "foreground"))
    for i in range(150):
        options = ["-P"] if mode == "foreground" else []
        p = b.popen("run", "-q", *options, "-u", b.name(i), *[x for m in mix(b, i) for x in ("-p", m)], "-p",
                    f"Environment=BULKHEAD_TEST={b.token}", "sh", "-c", FAMILY, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
        victim = rng.choice(["program", "program", "child", "all"])
        until = time.monotonic() + rng.random() * 0.012
        while time.monotonic() < until:
            pass
        below = children(p.pid)
        if victim in ("program", "all"):
            p.kill()
        if victim in ("child", "all"):
            killed(*below)
        if victim == "child" and mode == "foreground":
            time.sleep(0.005)
            p.kill()
        p.wait(60)
        if i % 10 == 9:
            check_honest(b)
    assert eventually(lambda: all(r["state"] != "starting" for r in check_honest(b).values()))
    live = list(b.ps())
    if mode == "foreground":
        assert live == []
    # Whatever runs has a record: with those stopped, no process is left.
    if live:
        b.ok("stop", "-t", "0", *live)
    check_gone(b)


def test_death_at_any_moment_of_the_stop(b):
    rng = random.Random(SEED)
    for i in range(40):
        unit = b.start(i, "sh", "-c", FAMILY, properties=mix(b, i))
        shim = b.ps()[unit]["supervisor_pid"]
        p = b.popen("stop", "-t", "0", unit)
        time.sleep(rng.random() * 0.015)
        victim = rng.choice([shim, shim, p.pid])
        kill(victim)
        p.communicate(timeout=60)
        assert eventually(lambda: not is_alive(victim))
        check_honest(b)
    rest = list(b.ps())
    if rest:
        b.ok("stop", "-t", "0", *rest)
    check_gone(b)


def test_ps_killed_while_it_reconciles(b):
    rng = random.Random(SEED)
    for i in range(40):
        unit = b.start(i, "sh", "-c", FAMILY, properties=mix(b, i))
        supervisor = b.ps()[unit]["supervisor_pid"]
        kill(supervisor)
        p = b.popen("ps", "-a")
        time.sleep(rng.random() * 0.01)
        p.kill()
        p.communicate()
    assert eventually(lambda: not is_alive(supervisor))
    check_honest(b)
    check_gone(b)


def test_a_new_run_of_the_name_of_a_dead_one(b):
    for i, properties in enumerate(MIXES):
        first = b.start("same", "sh", "-c", FAMILY, properties=mix(b, i))
        killed(b.ps()[first]["supervisor_pid"])
        assert b.start("same", "sleep", "1000") == first
        assert eventually(lambda: len(b.processes()) == 2), b.processes()
        b.ok("stop", first)
        b.assert_clean(records=True)


def test_a_supervisor_hears_sigterm_as_stop(b):
    unit = b.start("t", "sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    assert eventually(lambda: b.ok("logs", unit) == "ready\n")
    kill(b.ps()[unit]["supervisor_pid"], signal.SIGTERM)
    assert b.ended(unit)["status"] == 3
    check_gone(b)


def test_a_frozen_supervisor_is_still_alive(b):
    """SIGSTOP is no death: nothing is undone under a run that lives."""
    unit = b.start("z", "sleep", "1000", properties=["PrivateTmp=yes"])
    r = b.ps()[unit]
    kill(r["supervisor_pid"], signal.SIGSTOP)
    try:
        assert b.ps("-a")[unit]["state"] == "running" and is_alive(r["pid"]) and b.private_folders()
    finally:
        kill(r["supervisor_pid"], signal.SIGCONT)
    b.ok("stop", unit)
    check_gone(b)


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"version":1}', '{"version":99,"state":"running"}',
                                    '{"version":1,"state":"no"}', "\x00" * 100, "x" * 100000,
                                    '{"version":1,"version":1,"state":"running"}', '{"version":"1","state":7}'])
def test_a_damaged_record_breaks_only_itself(b, damage):
    good = b.start("good", "sleep", "1000")
    bad = b.start("bad", "sleep", "1000")
    killed(b.ps()[bad]["supervisor_pid"])
    with open(os.path.join(b.folder, "runs", bad, "state.json"), "w") as f:
        f.write(damage)
    assert b.ps("-a")[good]["state"] == "running"
    assert b("inspect", bad).returncode > 0
    # Its name can be used again.
    b.start("bad", "sleep", "1000")
    assert b.ps()[bad]["state"] == "running"
    b.ok("stop", good, bad)
    check_gone(b)
