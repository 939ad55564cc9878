# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type=dbus: a service is up while its name on the bus has an owner. With a bus of the test's own."""
import os
import pathlib
import shutil
import subprocess

import pytest

from bus_owner import Bus
from lifecycle import IS_ROOT, eventually
from services import PATIENCE, Services

HERE = pathlib.Path(__file__).resolve().parent
pytestmark = [pytest.mark.skipif(not IS_ROOT, reason="needs root"), pytest.mark.skipif(not shutil.which("dbus-daemon"), reason="dbus is not installed")]
NAME = "org.example.Bulkhead"
CONFIG = """<busconfig><type>custom</type><listen>{address}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="signal"/><allow receive_sender="*"/></policy></busconfig>"""


class Daemon:
    """A bus in a folder."""

    def __init__(self, folder, address):
        self.address = address
        (folder / "bus.conf").write_text(CONFIG.format(address=address))
        self.p = subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile", "--print-address=1"], stdout=subprocess.PIPE)
        assert self.p.stdout.readline().startswith(b"unix:")

    def end(self):
        self.p.kill()
        self.p.wait()


@pytest.fixture
def s():
    services = Services()
    services.socket = str(services.base / "data/bus")
    services.bus = Daemon(services.base / "data", f"unix:path={services.socket}")
    os.chmod(services.socket, 0o666)
    services.env["DBUS_SYSTEM_BUS_ADDRESS"] = f"tcp:host=localhost;unix:path={services.socket},guid=00"
    yield services
    services.bus.end()
    services.close()


def owner(s, more="", suffix="a", start="say=up", unit=""):
    shutil.copy(HERE / "bus_owner.py", s.base / "data/owner.py")
    return s.unit(suffix, f"Type=dbus\nBusName={NAME}\nExecStart=/usr/bin/python3 DATA/owner.py {s.socket} {NAME} {s.base}/data\nExecStartPost=ACT {start}\n{more}", unit)


def test_it_is_up_once_the_name_has_an_owner(s):
    u = owner(s, "ExecStartPre=ACT say=pre")
    p = s.popen("unit", "start", u)
    s.heard("pre")
    s.until(u, sub="start")
    assert p.poll() is None and s.silent()
    s.go("own")
    s.heard("up")
    assert p.wait(PATIENCE) == 0
    s.until(u, sub="running")
    s.ok("unit", "stop", u)
    assert s.status(u)["result"] == "success"
    s.assert_clean()


def test_it_is_over_when_the_name_is_given_back(s):
    u = owner(s, "ExecStop=ACT say=stop")
    s.go("own")
    s.ok("unit", "start", u)
    s.heard("up")
    s.go("release")
    s.heard("stop")
    assert s.over(u)["result"] == "success"
    s.assert_clean()


def test_it_is_over_with_its_process(s):
    u = owner(s)
    s.go("own")
    s.ok("unit", "start", u)
    s.heard("up")
    s.go("end")
    assert s.over(u)["result"] == "success"


def test_a_name_of_its_own_makes_the_type(s):
    u = s.unit("a", f"BusName={NAME}\nTimeoutStartSec=300ms\nExecStart=ACT stay")
    r = s("unit", "start", u)
    assert r.returncode and s.over(u)["result"] == "timeout", r.stderr
    v = s.up("b", f"Type=simple\nBusName={NAME}\nExecStart=ACT say=simple stay")
    s.heard("simple")
    s.ok("unit", "stop", v)
    s.assert_clean()


def test_who_never_takes_the_name_is_ended_in_time(s):
    u = owner(s, "TimeoutStartSec=300ms")
    r = s("unit", "start", u)
    assert r.returncode and s.over(u)["result"] == "timeout" and s.silent()
    s.assert_clean()


def test_only_the_bus_is_believed(s):
    """Who sends the signal of the bus to everybody is not heard, as somebody up or somebody gone."""
    u = owner(s)
    s.go("own")
    s.ok("unit", "start", u)
    s.heard("up")
    s.go("lie")
    assert eventually(lambda: (s.base / "data/lied").exists())
    # Once the bus has passed on something that is later, it has passed on the lies.
    bus = Bus(s.socket)
    bus.own("org.example.Other")
    assert not eventually(lambda: s.status(u)["sub"] != "running", 0.3)
    s.ok("unit", "stop", u)


def test_nobody_cuts_it_off_from_its_bus(s):
    u = owner(s)
    s.go("own")
    s.ok("unit", "start", u)
    s.heard("up")
    bus = Bus(s.socket)
    for number in range(10):
        bus.disturb(f":1.{number}")
    bus.own("org.example.Other")
    assert not eventually(lambda: s.status(u)["sub"] != "running", 0.5)
    s.go("release")
    assert s.over(u)["result"] == "success"


def test_it_comes_back_by_itself(s):
    u = owner(s, "Restart=always\nRestartSec=0", unit="StartLimitIntervalSec=0")  # it comes as often as it is told to end
    s.go("own")
    s.ok("unit", "start", u)
    s.heard("up")
    s.go("end")
    assert eventually(lambda: s.status(u)["restarts"] >= 1)
    (s.base / "data/end").unlink()
    s.heard("up")
    s.until(u, sub="running")
    s.ok("unit", "stop", u)
    s.assert_clean()


def test_a_bus_that_ends_takes_the_name_with_it(s):
    u = s.unit("a", f"Type=dbus\nBusName={NAME}\nExecStart=ACT say=up stay\nExecStop=ACT say=stop")
    p = s.popen("unit", "start", u)
    s.heard("up")
    bus = Bus(s.socket)
    bus.own(NAME)
    assert p.wait(PATIENCE) == 0
    s.bus.end()
    s.heard("stop")
    assert s.over(u)["result"] == "success"
    s.assert_clean()


@pytest.mark.parametrize("address,id", [("unix:path=/nonexistent/bus", "dbus.connect"), ("tcp:host=localhost,port=1", "dbus.address"), ("unix:path=%zz", "dbus.address"),
                                        ("unix:path=/" + "a" * 200, "dbus.connect")])
def test_without_a_bus_it_does_not_start(s, address, id):
    s.env["DBUS_SYSTEM_BUS_ADDRESS"] = address
    u = s.unit("a", f"Type=dbus\nBusName={NAME}\nExecStart=ACT say=up stay")
    r = s("unit", "start", u)
    assert r.returncode and id in r.stderr and f"BusName={NAME}" in r.stderr and s.silent(), r.stderr
    assert s.over(u)["result"] == "resources"
    s.assert_clean()


def test_an_abstract_socket(s):
    name = f"/bulkhead-test-{s.token}"
    other = Daemon(s.base / "data", f"unix:abstract={name}")
    try:
        s.env["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:abstract=%2f" + name[1:]
        u = s.unit("a", f"Type=dbus\nBusName={NAME}\nExecStart=ACT say=up stay")
        p = s.popen("unit", "start", u)
        s.heard("up")
        bus = Bus("\0" + name)
        bus.own(NAME)
        assert p.wait(PATIENCE) == 0
        s.ok("unit", "stop", u)
    finally:
        other.end()


def test_the_supervisors_bus_is_not_the_services(s):
    u = s.unit("a", f"Type=dbus\nBusName={NAME}\nExecStart=ACT env=DBUS_SYSTEM_BUS_ADDRESS stay")
    p = s.popen("unit", "start", u)
    s.heard("DBUS_SYSTEM_BUS_ADDRESS=-")
    s.ok("unit", "stop", u)
    p.communicate(timeout=PATIENCE)


def test_an_ordinary_users_session(s):
    user = Services(uid=65534)
    try:
        user.env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={s.socket}"
        user.env.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
        os.chmod(s.base / "data", 0o755)
        u = user.unit("a", f"Type=dbus\nBusName={NAME}\nExecStart=ACT say=up stay")
        p = user.popen("unit", "start", u, user=65534, group=65534, extra_groups=[])
        user.heard("up")
        bus = Bus(s.socket)
        bus.own(NAME)
        assert p.wait(PATIENCE) == 0
        user.ok("unit", "stop", u)
    finally:
        user.close()


@pytest.mark.parametrize("text,id", [("Type=dbus", "service.invalid"), ("BusName=web", "service.value")])
def test_names_that_cannot_be(s, text, id):
    u = s.unit("a", f"{text}\nExecStart=ACT stay")
    r = s("unit", "start", u)
    assert r.returncode and id in r.stderr
