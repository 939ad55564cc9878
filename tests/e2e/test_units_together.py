# SPDX-License-Identifier: LGPL-2.1-or-later
"""Units in their order, sockets and timers, a folder of units as a whole, and process 1."""
import os
import signal
import socket
import subprocess

import pytest

from lifecycle import IS_ROOT, eventually
from services import PATIENCE

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def write(s, name, text):
    """A unit of any type; "@x@" stands for the full name of the unit x, so that none is another test's."""
    full = s.name(name)
    for other in ("db", "app", "web", "cleanup", "one", "two", "three", "echo", "tick", "each"):
        text = text.replace(f"@{other}@", s.name(other))
    if name.endswith(".service"):
        text = text.replace("[Service]", f"[Service]\nEnvironment=BULKHEAD_TEST={s.token}")
    (s.base / "units" / full).write_text(text.replace("ACT", s.act).replace("DATA", str(s.base / "data")))
    return full


class Manager:
    """boot-units or init in the background."""

    def __init__(self, s, *command):
        self.s = s
        self.p = s.popen(*command, text=True)

    def end(self, number=signal.SIGTERM):
        self.p.send_signal(number)
        out, err = self.p.communicate(timeout=PATIENCE)
        return self.p.returncode, err


# ---- order ----

# Each says something before it is up: what is only forked may speak after who comes after it.
CHAIN = {
    "db.service": "[Unit]\nBefore=@web@.service\n[Service]\nType=notify\nExecStart=ACT say=db-begins hear=DATA/go say=db-ready notify=READY=1 stay\nExecStop=ACT say=db-stops",
    "app.service": "[Unit]\nRequires=@db@.service\nAfter=@db@.service network.target\n[Service]\nType=notify\nExecStart=ACT say=app notify=READY=1 stay\nExecStop=ACT say=app-stops",
    "web.service": "[Unit]\nBindsTo=@app@.service\nAfter=@app@.service\n[Service]\nType=notify\nExecStart=ACT say=web notify=READY=1 stay\nExecStop=ACT say=web-stops",
}


def chain(s, **changes):
    return [write(s, name, changes.get(name.partition(".")[0], text)) for name, text in CHAIN.items()]


def test_who_comes_after_waits(s):
    names = chain(s)
    p = s.popen("unit", "start", *reversed(names))
    s.heard("db-begins")
    s.go("go")
    assert s.line() == "db-ready"
    s.heard("app", "web")
    assert p.wait(PATIENCE) == 0
    s.ok("unit", "stop", *names)


def test_who_requires_what_fails_is_not_started(s):
    names = chain(s, db="[Service]\nType=oneshot\nExecStart=ACT exit=3")
    r = s("unit", "start", *names)
    assert r.returncode and "exit-code" in r.stderr
    assert f"{s.name('app')}.service: not started" in r.stderr and f"{s.name('web')}.service: not started" in r.stderr
    assert s.silent() and s.name("app") + ".service" not in s.ps("-a")


def test_who_only_wants_it_is(s):
    write(s, "one.service", "[Service]\nType=oneshot\nExecStart=ACT exit=3")
    write(s, "two.service", "[Unit]\nWants=@one@.service\nAfter=@one@.service\n[Service]\nExecStart=ACT say=two stay")
    r = s("unit", "start", s.name("two"), s.name("one"))
    assert r.returncode
    s.heard("two")
    s.ok("unit", "stop", s.name("two"))


def test_what_is_not_given_counts_as_there(s):
    write(s, "one.service", "[Service]\nExecStart=ACT say=one stay")
    write(s, "two.service", "[Unit]\nRequires=@one@.service dbus.socket basic.target\nAfter=@one@.service\n[Service]\nExecStart=ACT say=two stay")
    s.ok("unit", "start", s.name("two"))
    s.heard("two")
    assert s.name("one") + ".service" not in s.ps("-a")
    s.ok("unit", "stop", s.name("two"))


def test_a_circle_is_named_and_nothing_is_started(s):
    for name, before in (("one", "two"), ("two", "three"), ("three", "one")):
        write(s, f"{name}.service", f"[Unit]\nRequires=@{before}@.service\nAfter=@{before}@.service\n[Service]\nExecStart=ACT say={name} stay")
    r = s("unit", "start", *(s.name(n) for n in ("one", "two", "three")))
    assert r.returncode == 1 and "graph.cycle" in r.stderr and all(s.name(n) in r.stderr for n in ("one", "two", "three"))
    assert s.silent() and not s.ps("-a")


def test_a_unit_that_is_not_there_is_an_error(s):
    r = s("unit", "start", s.name("nothing"))
    assert r.returncode == 1 and "unit.missing" in r.stderr and s.name("nothing") in r.stderr


# ---- a folder ----

def test_a_folder_is_started_in_order_and_stopped_in_reverse(s):
    chain(s)
    s.go("go")
    m = Manager(s, "boot-units", str(s.base / "units"))
    assert sorted((s.line(), s.line())) == ["db-begins", "db-ready"]
    s.heard("app", "web")
    assert eventually(lambda: len(s.ps()) == 3)
    status, err = m.end()
    assert status == 0 and err.count(": stopped") == 3
    s.heard("web-stops", "app-stops", "db-stops")
    assert not s.ps()


def test_what_is_bound_ends_with_it_and_failures_start_their_unit(s):
    write(s, "app.service", "[Unit]\nOnFailure=@cleanup@.service\n[Service]\nExecStart=ACT say=app hear=DATA/fail exit=1")
    write(s, "web.service", "[Unit]\nBindsTo=@app@.service\nAfter=@app@.service\n[Service]\nExecStart=ACT say=web stay\nExecStop=ACT say=web-stops")
    write(s, "one.service", "[Service]\nExecStart=ACT say=one stay")
    write(s, "cleanup.service", "[Unit]\nAfter=@web@.service\n[Service]\nType=oneshot\nExecStart=ACT say=cleanup")
    m = Manager(s, "boot-units", str(s.base / "units"))
    first = sorted(s.line() for _ in range(4))
    assert first == ["app", "cleanup", "one", "web"]
    s.go("fail")
    s.heard("web-stops", "cleanup")
    assert eventually(lambda: list(s.ps()) == [s.name("one") + ".service"])
    assert m.end()[0] == 0 and not s.ps()


def test_it_ends_when_all_have_ended(s):
    write(s, "one.service", "[Service]\nType=oneshot\nExecStart=ACT say=one")
    assert s("boot-units", str(s.base / "units")).returncode == 0
    write(s, "two.service", "[Service]\nType=oneshot\nExecStart=ACT exit=1")
    assert s("boot-units", str(s.base / "units")).returncode == 1


def test_detached_units_go_on(s):
    write(s, "one.service", "[Service]\nExecStart=ACT say=one stay")
    s.ok("boot-units", "--detach", str(s.base / "units"))
    s.heard("one")
    assert list(s.ps()) == [s.name("one") + ".service"]
    s.ok("unit", "stop", s.name("one"))


def test_services_go_on_when_their_manager_is_killed(s):
    write(s, "one.service", "[Service]\nExecStart=ACT say=one stay")
    m = Manager(s, "boot-units", str(s.base / "units"))
    s.heard("one")
    m.end(signal.SIGKILL)
    assert list(s.ps()) == [s.name("one") + ".service"]
    s.ok("unit", "stop", s.name("one"))


def test_events_as_json(s):
    write(s, "one.service", "[Service]\nType=oneshot\nExecStart=ACT say=one")
    r = s("boot-units", "--json", str(s.base / "units"))
    assert r.returncode == 0 and '{"event":"started","unit":"%s.service"}' % s.name("one") in r.stdout


def test_an_empty_folder_and_none(s):
    r = s("boot-units", str(s.base / "units"))
    assert r.returncode == 1 and "unit.missing" in r.stderr
    assert s("boot-units", str(s.base / "nowhere")).returncode == 1


def test_process_1_reaps_and_ends_all(s):
    """In a process namespace; what is left in it would keep it from ending."""
    write(s, "one.service", "[Service]\nKillMode=process\nExecStart=ACT child=apart,ignore,say+child,stay say=one stay")
    p = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", *s.command, "init", str(s.base / "units")], env=s.env,
                         stderr=subprocess.PIPE, text=True)
    assert sorted((s.line(), s.line())) == ["child", "one"]
    init = next(c for c in open(f"/proc/{p.pid}/task/{p.pid}/children").read().split())
    os.kill(int(init), signal.SIGTERM)
    out, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 0 and ": stopped" in err, err


def test_profiles_come_before_the_units_own_lines(s):
    write(s, "one.service", "[Service]\nType=oneshot\nReadWritePaths=DATA\nExecStart=/bin/sh -c 'touch DATA/mine && ! touch /etc/theirs'")
    assert s("unit", "run", "--profile", "strict", s.name("one")).returncode == 0
    r = s("unit", "start", "--profile", "lax", s.name("one"))
    assert r.returncode == 1 and "profile.unknown" in r.stderr


# ---- sockets ----

def connect(path):
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(PATIENCE)
    c.connect(path)
    return c


def test_a_connection_starts_the_service_with_its_sockets(s):
    path = str(s.base / "data/socket")
    unit = write(s, "echo.socket", "[Socket]\nListenStream=DATA/socket\nListenDatagram=DATA/datagrams\nFileDescriptorName=front\nSocketMode=0640\nRemoveOnStop=yes")
    write(s, "echo.service", "[Service]\nExecStart=ACT fds hear=DATA/end")
    s.ok("unit", "start", unit)
    assert os.stat(path).st_mode & 0o777 == 0o640 and s.silent()
    client = connect(path)
    assert s.line() == "2 descriptors, front:front, mine"
    s.until(unit, sub="running")
    # It ends without having taken the connection: it is started again for it.
    s.go("end")
    assert s.line() == "2 descriptors, front:front, mine"
    client.close()
    s.ok("unit", "stop", unit)
    assert not os.path.exists(path)
    s("unit", "stop", s.name("echo"))


def test_a_service_started_by_hand_gets_the_sockets_of_its_unit(s):
    unit = write(s, "echo.socket", "[Socket]\nListenStream=DATA/socket")
    write(s, "echo.service", "[Service]\nExecStart=ACT fds stay")
    s.ok("unit", "start", unit)
    s.ok("unit", "start", s.name("echo"))
    assert s.line() == f"1 descriptors, {unit}, mine"
    s.until(unit, sub="running")
    connect(str(s.base / "data/socket")).close()  # the service's business now
    s.ok("unit", "stop", s.name("echo"))
    s.ok("unit", "stop", unit)


def test_a_service_for_each_connection(s):
    unit = write(s, "each.socket", "[Socket]\nListenStream=DATA/socket\nAccept=yes\nMaxConnections=2")
    write(s, "each@.service", "[Service]\nExecStart=/bin/sh -c 'read x <&3; echo \"got $x\" >&3'")
    s.ok("unit", "start", unit)
    clients = [connect(str(s.base / "data/socket")) for _ in range(2)]
    assert eventually(lambda: sum(n.startswith(s.name("each@")) for n in s.ps()) == 2)
    third = connect(str(s.base / "data/socket"))
    assert third.recv(10) == b""  # one too many
    for i, c in enumerate(clients):
        c.sendall(b"%d\n" % i)
        assert c.recv(100) == b"got %d\n" % i
    assert eventually(lambda: not any(n.startswith(s.name("each@")) for n in s.ps("-a")))
    s.ok("unit", "stop", unit)


def test_a_service_that_never_takes_what_comes_ends_its_socket(s):
    unit = write(s, "echo.socket", "[Socket]\nListenStream=DATA/socket\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=3")
    write(s, "echo.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=ACT say=start")
    s.ok("unit", "start", unit)
    client = connect(str(s.base / "data/socket"))
    s.heard("start", "start", "start")
    assert s.over(unit)["result"] == "trigger-limit-hit"
    assert s.silent()
    client.close()


@pytest.mark.parametrize("text,id", [("ListenStream=DATA/no/such/../x", "socket.address"), ("Accept=yes", "socket.empty"),
                                     ("ListenStream=DATA/x\nExecStartPre=\"/bin/true", "unit.exec"), ("ListenStream=DATA/x\nPrivateTmp=maybe", "directive.value")])
def test_sockets_that_cannot_be(s, text, id):
    unit = write(s, "echo.socket", "[Socket]\n" + text)
    write(s, "echo.service", "[Service]\nExecStart=ACT stay")
    r = s("unit", "start", unit)
    assert r.returncode and id in r.stderr


def test_a_socket_that_is_in_use(s):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        unit = write(s, "echo.socket", f"[Socket]\nListenStream=127.0.0.1:{taken.getsockname()[1]}")
        write(s, "echo.service", "[Service]\nExecStart=ACT stay")
        r = s("unit", "start", unit)
    assert r.returncode and "listen.address" in r.stderr
    assert s.status(unit)["state"] == "failed"


# ---- timers ----

def test_a_timer_starts_its_unit_again_and_again(s):
    unit = write(s, "tick.timer", "[Timer]\nOnActiveSec=1ms\nOnUnitInactiveSec=1ms\nAccuracySec=1us")
    write(s, "tick.service", "[Service]\nType=oneshot\nExecStart=ACT say=tick")
    s.ok("unit", "start", unit)
    s.heard("tick", "tick", "tick")
    s.ok("unit", "stop", unit)
    assert s.status(unit)["sub"] == "dead"


def test_a_calendar_timer(s):
    unit = write(s, "tick.timer", "[Timer]\nOnCalendar=*:*:0/1\nAccuracySec=1us\nUnit=@one@.service")
    write(s, "one.service", "[Service]\nType=oneshot\nExecStart=ACT say=tick")
    s.ok("unit", "start", unit)
    s.heard("tick", "tick")
    s.ok("unit", "stop", unit)


def test_a_timer_that_is_over(s):
    once = write(s, "tick.timer", "[Timer]\nOnActiveSec=1ms\nRemainAfterElapse=no\nAccuracySec=1us")
    write(s, "tick.service", "[Service]\nType=oneshot\nExecStart=ACT say=tick")
    s.ok("unit", "start", once)
    s.heard("tick")
    assert s.over(once)["result"] == "success"


def test_a_service_that_fails_does_not_end_its_timer(s):
    unit = write(s, "tick.timer", "[Timer]\nOnActiveSec=1ms\nOnUnitInactiveSec=1ms\nAccuracySec=1us")
    write(s, "tick.service", "[Service]\nType=oneshot\nExecStart=ACT say=tick exit=1")
    s.ok("unit", "start", unit)
    s.heard("tick", "tick")
    s.ok("unit", "stop", unit)


@pytest.mark.parametrize("text,id", [("", "timer.empty"), ("OnCalendar=never", "calendar"), ("OnActiveSec=1s\nUnit=@tick@.timer", "timer.unit")])
def test_timers_that_cannot_be(s, text, id):
    unit = write(s, "tick.timer", "[Timer]\n" + text)
    write(s, "tick.service", "[Service]\nType=oneshot\nExecStart=ACT say=tick")
    r = s("unit", "start", unit)
    assert r.returncode and id in r.stderr and s.silent()


# ---- conditions ----

@pytest.mark.parametrize("line,starts", [
    ("ConditionPathExists=/etc/passwd", True), ("ConditionPathExists=!/etc/passwd", False), ("ConditionPathIsDirectory=/etc", True),
    ("ConditionPathIsDirectory=/etc/passwd", False), ("ConditionFileNotEmpty=/etc/passwd", True), ("ConditionDirectoryNotEmpty=/etc", True),
    ("ConditionPathExistsGlob=/etc/pass*", True), ("ConditionPathExistsGlob=/etc/no-such-*", False), ("ConditionFileIsExecutable=/bin/sh", True),
    ("ConditionPathIsMountPoint=/proc", True), ("ConditionPathIsMountPoint=/etc/passwd", False), ("ConditionUser=root", True), ("ConditionUser=daemon", False),
    ("ConditionKernelVersion=>=4.0", True), ("ConditionKernelVersion=<4.0", False), ("ConditionMemory=>=1M", True), ("ConditionMemory=<1M", False),
    ("ConditionCPUs=>=1", True), ("ConditionArchitecture=native", True), ("ConditionArchitecture=s390x", False), ("ConditionCapability=CAP_CHOWN", True),
    ("ConditionHost=no-such-host", False), ("ConditionEnvironment=NO_SUCH_VARIABLE", False), ("ConditionSecurity=smack", False),
    ("ConditionOSRelease=ID=no-such-system", False), ("ConditionPathExists=|/no/such\nConditionPathExists=|/etc/passwd", True),
    ("ConditionPathExists=/no/such\nConditionPathExists=", True), ("ConditionACPower=true", True), ("ConditionFirstBoot=no", True),
])
def test_conditions(s, line, starts):
    write(s, "one.service", f"[Unit]\n{line}\n[Service]\nType=oneshot\nExecStart=ACT say=started")
    r = s("unit", "start", s.name("one"))
    assert r.returncode == 0, r.stderr
    if starts:
        s.heard("started")
    else:
        assert s.silent() and "does not hold" in r.stderr and s.over(s.name("one") + ".service")["result"] == "exec-condition"


def test_assertions_fail_the_start(s):
    write(s, "one.service", "[Unit]\nAssertPathExists=/no/such\n[Service]\nType=oneshot\nExecStart=ACT say=started")
    r = s("unit", "start", s.name("one"))
    assert r.returncode and "condition.assert" in r.stderr and s.silent()


@pytest.mark.parametrize("line,id", [("ConditionMoonPhase=full", "condition.unknown"), ("ConditionPathExists=etc/passwd", "condition.value")])
def test_conditions_that_cannot_be(s, line, id):
    write(s, "one.service", f"[Unit]\n{line}\n[Service]\nType=oneshot\nExecStart=ACT say=started")
    r = s("unit", "start", s.name("one"))
    assert r.returncode and id in r.stderr and s.silent()


# ---- conditions of what starts others ----

TRIGGERS = {"socket": "[Socket]\nListenStream=DATA/socket", "timer": "[Timer]\nOnActiveSec=1ms\nAccuracySec=1us", "path": "[Path]\nPathExists=DATA"}


@pytest.mark.parametrize("kind", TRIGGERS)
def test_a_condition_holds_back_what_starts_others(s, kind):
    """And the twin: the same unit works where the condition holds."""
    service = write(s, "one.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=ACT say=started")
    u = write(s, f"one.{kind}", f"[Unit]\nConditionPathExists=DATA/wanted\n{TRIGGERS[kind]}")
    r = s("unit", "start", u)
    assert r.returncode == 0 and "ConditionPathExists=" in r.stderr, r
    record = s.over(u)
    assert (record["state"], record["result"]) == ("exited", "exec-condition"), record
    assert s.silent() and not (s.base / "data/socket").exists()
    s.assert_clean()
    s.go("wanted")
    s.ok("unit", "start", u)
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(str(s.base / "data/socket"))
            s.heard("started")
    else:
        s.heard("started")
    s.ok("unit", "stop", u, service)


@pytest.mark.parametrize("kind", TRIGGERS)
def test_an_assertion_fails_what_starts_others(s, kind):
    write(s, "one.service", "[Service]\nType=oneshot\nExecStart=ACT say=started")
    u = write(s, f"one.{kind}", f"[Unit]\nAssertPathExists=DATA/wanted\n{TRIGGERS[kind]}")
    r = s("unit", "start", u)
    assert r.returncode == 1 and "condition.assert" in r.stderr and "AssertPathExists=" in r.stderr, r
    record = s.over(u)
    assert record["state"] == "failed" and record["error"]["id"] == "condition.assert", record
    assert s.silent()
    s.assert_clean()


@pytest.mark.parametrize("kind", TRIGGERS)
def test_starts_of_what_starts_others_are_limited(s, kind):
    write(s, "one.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=ACT exit=0")
    u = write(s, f"one.{kind}", f"[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n{TRIGGERS[kind]}")
    for _ in range(2):
        s.ok("unit", "start", u)
        s.ok("unit", "stop", u)
    r = s("unit", "start", u)
    assert r.returncode == 1 and "service.start-limit" in r.stderr, r
    assert s.over(u)["result"] == "start-limit-hit"
    s.ok("unit", "reset-failed", u)
    s.ok("unit", "start", u)
    s.ok("unit", "reset-failed", u)  # and of one that runs
    s.ok("unit", "stop", u)
    for _ in range(2):
        s.ok("unit", "start", u)
        s.ok("unit", "stop", u)
    assert s("unit", "start", u).returncode == 1


def test_an_action_of_a_limit_is_refused(s):
    u = write(s, "one.timer", f"[Unit]\nStartLimitAction=reboot\n{TRIGGERS['timer']}")
    r = s("unit", "start", u)
    assert r.returncode == 1 and "directive.unsupported" in r.stderr, r
