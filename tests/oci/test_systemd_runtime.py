# SPDX-License-Identifier: LGPL-2.1-or-later
"""--systemd-cgroup: a manager of our own stands in for systemd, in a mount namespace where its socket is."""
import pathlib
import socket
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_cgroup_systemd import Stub, all_well, refusal  # noqa: E402

SLICE = f"bhtest{uuid.uuid4().hex[:8]}.slice"


class Once:
    def __init__(self, connection):
        self.connection = connection

    def accept(self):
        return self.connection


class Manager(Stub):
    """Takes connection after connection."""

    def run(self):
        listener = self.listener
        while True:
            try:
                connection = listener.accept()
            except OSError:
                return
            self.listener = Once(connection)
            super().run()


@pytest.fixture
def systemd(folder, make):
    """new(answers): a container whose runtime finds this systemd."""
    made = []

    def new(answers=all_well, there=True):
        sockets = folder / "systemd"
        sockets.mkdir()
        if there:
            made.append(Manager(sockets / "private", answers))
            made[-1].door = made[-1].listener
        c = make()
        # /run/dbus is covered as well: no real bus shall be asked.
        cover = f'mkdir -p /run/systemd /run/dbus && mount --bind {sockets} /run/systemd && mount -t tmpfs none /run/dbus && exec "$@"'
        c.prefix = ("unshare", "-m", "sh", "-c", cover, "sh")
        c.config["linux"]["cgroupsPath"] = f"{SLICE}:bulkhead:{c.id}"
        c.command = lambda *argv: [*c.prefix, c.program, "--root", str(c.root), "--systemd-cgroup", *[str(a) for a in argv]]
        c.calls = made[0].calls if made else []
        return c

    yield new
    for m in made:
        m.door.shutdown(socket.SHUT_RDWR)
        m.join(60)
        m.door.close()
    for group in pathlib.Path("/sys/fs/cgroup").glob(f"*/{SLICE}"):
        group.rmdir()


def names(c):
    return [fields[3] for fields, _ in c.calls]


def test_a_scope_is_asked_for_filled_and_stopped(systemd):
    c = systemd()
    c.config["linux"]["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20})
    r = c.args("true").run()
    assert r.status == 0, r
    assert names(c)[:1] == ["StartTransientUnit"] and "StopUnit" in names(c)
    name, mode, properties, _ = c.calls[0][1]
    assert name == f"bulkhead-{c.id}.scope" and dict(properties)["Slice"] == SLICE and dict(properties)["TasksMax"] == 20


def test_the_process_is_in_the_scopes_groups(systemd):
    c = systemd()
    c.args("sleep", "60").up()
    groups = open(f"/proc/{c.state()['pid']}/cgroup").read()
    assert f"/{SLICE}/bulkhead-{c.id}.scope" in groups
    r = c.call("update", "--pids-limit", "33", c.id)
    assert r.status == 0 and "SetUnitProperties" in names(c), r
    inside = c.exec("cat", "/proc/self/cgroup")
    assert inside.status == 0, inside
    assert c.delete().status == 0
    assert "StopUnit" in names(c)
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{SLICE}/bulkhead-{c.id}.scope"))


def test_nothing_stays_when_systemd_refuses(systemd):
    c = systemd(lambda member, serial: refusal(serial, "org.freedesktop.DBus.Error.AccessDenied", "not for you"))
    r = c.run()
    assert r.status == 1 and "not for you" in r.err and "dbus.refused" in r.err, r
    assert c.state() is None
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{SLICE}/bulkhead-{c.id}.scope"))


def test_without_systemd_the_error_says_so(systemd):
    c = systemd(there=False)
    r = c.run()
    assert r.status == 1 and "systemd.missing" in r.err and "cgroupfs" in r.err, r
    assert c.state() is None


def test_a_plain_path_is_no_name_of_a_unit(systemd):
    c = systemd()
    c.config["linux"]["cgroupsPath"] = "/plain/path"
    r = c.run()
    assert r.status == 1 and "cgroup.path" in r.err, r
    assert c.calls == []
