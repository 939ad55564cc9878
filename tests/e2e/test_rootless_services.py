# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services of an ordinary user: their folders, their sandbox, what starts them, and what root alone can have."""
import json
import os
import pathlib
import socket
import subprocess

import pytest

from lifecycle import IS_ROOT, eventually
from services import Services

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root, to become somebody else")

USER = 65534


@pytest.fixture
def s():
    services = Services(uid=USER)
    yield services
    services.close()


def home(s, *parts):
    """A folder of the user's, made with those above it."""
    path = pathlib.Path(s.env["HOME"])
    for part in pathlib.Path(*parts).parts:
        path /= part
        if not path.exists():
            path.mkdir()
            os.chown(path, USER, USER)
    return path


def ends(s, suffix, service):
    """A oneshot service of these lines: its record, and what it wrote."""
    u = s.unit(suffix, "Type=oneshot\n" + service)
    s("unit", "start", u)
    return s.over(u), s.logs(u)


# ---- where units lie, and what they are told ----

def test_units_lie_in_the_users_own_folders(s):
    del s.env["BULKHEAD_UNIT_PATH"]
    name = s.name("own") + ".service"
    (home(s, ".config/systemd/user") / name).write_text("[Service]\nType=oneshot\nExecStart=/bin/echo from home\n")
    drop_in = home(s, ".config/systemd/user", name + ".d") / "more.conf"
    drop_in.write_text("[Service]\nEnvironment=A=b\nExecStart=\nExecStart=/bin/sh -c 'echo $$A from drop-in'\n")
    s.ok("unit", "start", name)
    s.over(name)
    assert "b from drop-in" in s.logs(name)
    s.assert_clean()


def test_specifiers_are_the_users(s):
    record, log = ends(s, "a", "ExecStart=/bin/echo home=%h runtime=%t state=%S cache=%C uid=%U")
    data, run = s.env["HOME"], s.env["XDG_RUNTIME_DIR"]
    assert f"home={data} runtime={run} state={data}/.local/state cache={data}/.cache uid={USER}" in log


def test_folders_are_where_the_users_variables_say(s):
    s.env.update(XDG_STATE_HOME=str(home(s) / "s"), XDG_CACHE_HOME=str(home(s) / "c"), XDG_CONFIG_HOME="not/absolute")
    name = s.name("d")
    record, log = ends(s, "a", f"StateDirectory={name}\nCacheDirectory={name}\nLogsDirectory={name}\nConfigurationDirectory={name}\n"
                               "ExecStart=/bin/sh -c 'echo $STATE_DIRECTORY %S; echo $CACHE_DIRECTORY %C; echo $LOGS_DIRECTORY %L; echo $CONFIGURATION_DIRECTORY %E'")
    top = home(s)
    for at in (top / "s", top / "c", top / "s/log", top / ".config"):
        assert f"{at / name} {at}" in log, log
    s.assert_clean()


def test_folders_are_the_users(s):
    name = s.name("d")
    record, log = ends(s, "a", f"StateDirectory={name}\nCacheDirectory={name}\nRuntimeDirectory={name}\n"
                               "ExecStart=/bin/sh -c 'touch $STATE_DIRECTORY/s $CACHE_DIRECTORY/c $RUNTIME_DIRECTORY/r && echo $RUNTIME_DIRECTORY'")
    assert record["result"] == "success", log
    run = pathlib.Path(s.env["XDG_RUNTIME_DIR"]) / name
    assert str(run) in log and not run.exists()
    assert (home(s) / ".local/state" / name / "s").stat().st_uid == USER and (home(s) / ".cache" / name / "c").exists()
    s.assert_clean()


# ---- the sandbox: what each line stops, and that it is the line which does ----

PYTHON = "/usr/bin/python3 -c"
ROWS = [
    ("ReadOnlyPaths=DATA", "touch DATA/x"),
    ("InaccessiblePaths=/etc/hostname", "cat /etc/hostname"),
    ("TemporaryFileSystem=/etc", "cat /etc/hostname"),
    ("ProtectSystem=strict", "touch DATA/x"),
    ("PrivateTmp=yes", "test -e /tmp/MARK"),
    ("PrivateNetwork=yes", "test \"$(readlink /proc/self/ns/net)\" = NETNS"),
    ("PrivateIPC=yes", "test \"$(readlink /proc/self/ns/ipc)\" = IPCNS"),
    ("PrivateDevices=yes", "test -e /dev/fuse -o -e /dev/kmsg -o -e /dev/loop-control"),
    ("ProtectProc=invisible\nPrivatePIDs=yes", "test -d /proc/PID"),
    ("NoExecPaths=/usr/bin/id", "/usr/bin/id"),
    ("SystemCallFilter=~uname\nSystemCallErrorNumber=EPERM", "uname"),
    ("RestrictAddressFamilies=AF_UNIX", PYTHON + " 'import socket; socket.socket(socket.AF_INET)'"),
    ("MemoryDenyWriteExecute=yes", PYTHON + " 'import mmap; mmap.mmap(-1, 4096, prot=7)'"),
    ("RestrictNamespaces=yes", "unshare -U true"),
    ("RestrictSUIDSGID=yes", "touch DATA/y && chmod 4755 DATA/y"),
    ("LockPersonality=yes", "setarch -R true"),
    ("LimitNOFILE=10", PYTHON + " '[open(\"/\") for x in []] ; import os; [os.open(\"/\", 0) for x in range(20)]'"),
    ("ProtectHostname=yes\nPrivateUsers=yes", "unshare -r -u hostname other"),
    ("UMask=0777", "echo x >DATA/z && cat DATA/z"),
]


@pytest.mark.parametrize("line, script", ROWS, ids=[r[0].replace("\n", " ") for r in ROWS])
def test_a_line_stops_what_it_should(s, line, script):
    mark = pathlib.Path("/tmp") / s.name("mark")
    mark.write_text("")
    names = {"NETNS": os.readlink("/proc/self/ns/net"), "IPCNS": os.readlink("/proc/self/ns/ipc"), "MARK": mark.name, "PID": str(os.getpid())}
    for k, v in names.items():
        script = script.replace(k, v)
    path = home(s) / "script"
    path.write_text("set -e\n" + script.replace("DATA", str(home(s))) + "\n")
    try:
        record, log = ends(s, "twin", "ExecStart=/bin/sh DATA/script")
        assert record["result"] == "success", log
        for left in "xyz":
            (home(s) / left).unlink(missing_ok=True)
        record, log = ends(s, "stops", line + "\nExecStart=/bin/sh DATA/script")
        assert record["result"] in ("exit-code", "signal", "core-dump"), (record, log)
        assert record["status"] < 200 and record["error"]["id"] == "service.failed", (record, log)
    finally:
        mark.unlink()
    s.assert_clean()


@pytest.mark.parametrize("line, words", [
    ("User=root", "root"), ("IPAddressDeny=any", "IPAddressDeny="), ("RootImage=/nowhere.img", "RootImage="), ("AmbientCapabilities=CAP_NET_ADMIN", "AmbientCapabilities="),
    ("Nice=-10", "Nice="), ("ProtectClock=maybe", "ProtectClock="),
])
def test_what_root_alone_can_have_is_refused(s, line, words):
    u = s.unit("a", f"Type=exec\n{line}\nExecStart=/bin/echo it ran")
    r = s("unit", "start", u)
    assert r.returncode != 0 and words in r.stderr, r.stderr
    assert "it ran" not in s("logs", u).stdout
    s.assert_clean()


# ---- life ----

def test_it_is_started_again_and_stopped_with_what_it_left(s):
    u = s.up("a", "Restart=always\nRestartSec=10ms\nTimeoutStopSec=300ms\nExecStart=ACT child=ignore,apart,stay pid=main stay")
    first = s.number("main")
    s.ok("kill", "-s", "KILL", u)
    second = s.number("main")
    assert second != first
    s.ok("unit", "stop", u)
    assert s.status(u)["state"] in ("exited", "failed")
    s.assert_clean()


def test_a_socket_starts_its_service(s):
    path = home(s) / "socket"
    name = s.name("web")
    units = s.base / "units"
    (units / f"{name}.socket").write_text(f"[Socket]\nListenStream={path}\nSocketMode=0600\n")
    (units / f"{name}.service").write_text(f"[Service]\nEnvironment=BULKHEAD_TEST={s.token}\nPrivateTmp=yes\nExecStart={s.act} fds say=up stay\n")
    s.ok("unit", "start", f"{name}.socket")
    assert path.stat().st_uid == USER and path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(str(path))
        assert s.line().startswith("1 ")
        s.heard("up")
    s.ok("unit", "stop", f"{name}.socket", f"{name}.service")
    s.assert_clean()


def test_a_timer_starts_its_service(s):
    name = s.name("tick")
    units = s.base / "units"
    (units / f"{name}.timer").write_text("[Timer]\nOnActiveSec=50ms\nAccuracySec=1ms\n")
    (units / f"{name}.service").write_text(f"[Service]\nType=oneshot\nEnvironment=BULKHEAD_TEST={s.token}\nExecStart={s.act} say=tick\n")
    s.ok("unit", "start", f"{name}.timer")
    s.heard("tick")
    s.over(f"{name}.service")
    s.ok("unit", "stop", f"{name}.timer")
    s.assert_clean()


def test_a_folder_of_units_is_started_in_order(s):
    folder = home(s, "boot")
    for n, after in ((1, ""), (2, "1"), (3, "2")):
        needs = f"[Unit]\nRequires={s.name(after)}.service\nAfter={s.name(after)}.service\n" if after else ""
        (folder / f"{s.name(str(n))}.service").write_text(
            f"{needs}[Service]\nType=oneshot\nRemainAfterExit=yes\nEnvironment=BULKHEAD_TEST={s.token}\nExecStart={s.act} say=unit{n}\n")
    p = s.popen("boot-units", str(folder), user=USER, group=USER, extra_groups=[])
    try:
        s.heard("unit1", "unit2", "unit3")
    finally:
        p.terminate()
        p.wait(30)
    units = [s.name(str(n)) + ".service" for n in (1, 2, 3)]
    assert eventually(lambda: all(s.status(u)["state"] != "running" for u in units)), [s.status(u) for u in units]
    s.assert_clean()


def test_another_user_neither_sees_nor_ends_it(s):
    u = s.up("a", "ExecStart=ACT say=up stay")
    s.heard("up")
    other = Services(uid=65533)
    try:
        assert u not in json.loads(other.ok("ps", "--json", "-a"))
        other.env["XDG_RUNTIME_DIR"] = s.env["XDG_RUNTIME_DIR"]
        other.env["BULKHEAD_RUNTIME_DIR"] = s.env.get("BULKHEAD_RUNTIME_DIR", "")
        assert other("unit", "stop", u).returncode != 0
    finally:
        other.env["BULKHEAD_RUNTIME_DIR"] = other.folder
        other.close()
    assert s.status(u)["state"] == "running"
    s.ok("unit", "stop", u)
    s.assert_clean()


def test_capabilities_of_a_user_namespace_are_no_gain(s):
    """Root inside of its own namespace alone: the host's files stay the user's to read and no more."""
    record, log = ends(s, "a", "PrivateUsers=yes\nPrivateTmp=yes\nExecStart=/bin/sh -c 'cat /etc/shadow; echo x >/etc/hostname; grep CapEff /proc/self/status'")
    assert "root:" not in log and "CapEff:\t0000000000000000" in log
    assert subprocess.run(["cat", "/etc/hostname"], capture_output=True).stdout != b"x\n"
