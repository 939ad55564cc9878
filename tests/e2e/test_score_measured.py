# SPDX-License-Identifier: LGPL-2.1-or-later
"""bulkhead score --measured: what holds, tried from inside the sandbox, beside what the text promises."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from conftest import USER
from lifecycle import eventually


def measure(box, *options, file=None, **more):
    r = box.call("score", "--measured", "--json", *options, *([file] if file else []), **more)
    assert r.status in (0, 1), r
    (unit,) = json.loads(r.out)
    unit["rows"] = {c["check"]: c for c in unit["checks"]}
    return unit


def given(*properties):
    return [w for p in properties for w in ("-p", p)]


def badness(unit, check):
    row = unit["rows"][check]
    assert "measured_badness" in row, row
    return row["measured_badness"]


@pytest.fixture(scope="module")
def open_service(tools):
    """A service without any line, as root: measured once."""
    from conftest import make_box, remove
    b = make_box(tools, 0)
    yield measure(b)
    b.close()
    remove(b.folder)


# A check, the lines that shut it, and how bad it is then and without them; None: that is the host's business.
ROWS = [
    ("UserOrDynamicUser", ["DynamicUser=yes"], 0, 10),
    ("PrivateMounts", ["PrivateMounts=yes"], 0, None),
    ("PrivateDevices", ["PrivateDevices=yes"], 0, None),
    ("DeviceAllow", ["PrivateDevices=yes"], 0, None),
    ("DeviceAllow", ["DevicePolicy=closed", "CapabilityBoundingSet=~CAP_MKNOD"], 0, None),
    ("PrivateNetwork", ["PrivateNetwork=yes"], 0, 1),
    ("PrivateTmp", ["PrivateTmp=yes"], 0, 1),
    ("PrivateTmp", ["PrivateTmp=disconnected"], 0, 1),
    ("PrivateTmp", ["InaccessiblePaths=/tmp /var/tmp", "CapabilityBoundingSet=~CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH"], 0, 1),
    ("PrivateUsers", ["PrivateUsers=yes"], 0, 1),
    ("ProtectControlGroups", ["ProtectControlGroups=yes"], 0, None),
    ("ProtectKernelModules", ["ProtectKernelModules=yes"], 0, None),
    ("ProtectKernelTunables", ["ProtectKernelTunables=yes"], 0, 1),
    ("ProtectKernelLogs", ["ProtectKernelLogs=yes"], 0, None),
    ("ProtectClock", ["ProtectClock=yes"], 0, None),
    ("SystemCallFilter_clock", ["SystemCallFilter=~@clock"], 0, None),
    ("ProtectHome", ["ProtectHome=yes"], 0, 10),
    ("ProtectHome", ["ProtectHome=tmpfs"], 1, 10),
    ("ProtectHostname", ["ProtectHostname=yes"], 0, 1),
    ("ProtectSystem", ["ProtectSystem=strict"], 0, 10),
    ("ProtectSystem", ["ProtectSystem=full"], 3, 10),
    ("ProtectSystem", ["ProtectSystem=yes"], 5, 10),
    ("LockPersonality", ["LockPersonality=yes"], 0, 1),
    ("MemoryDenyWriteExecute", ["MemoryDenyWriteExecute=yes"], 0, 1),
    ("NoNewPrivileges", ["NoNewPrivileges=yes"], 0, 1),
    ("CapabilityBoundingSet_CAP_SYS_ADMIN", ["CapabilityBoundingSet=~CAP_SYS_ADMIN"], 0, 1),
    ("CapabilityBoundingSet_CAP_KILL", ["User=daemon", "NoNewPrivileges=yes"], 0, 1),
    ("CapabilityBoundingSet_CAP_KILL", ["PrivateUsers=yes"], 0, 1),
    ("CapabilityBoundingSet_CAP_MKNOD", ["CapabilityBoundingSet=~CAP_MKNOD"], 0, None),
    ("CapabilityBoundingSet_CAP_SYS_PTRACE", ["PrivatePIDs=yes"], 0, None),
    ("UMask", ["UMask=0077"], 0, 5),
    ("UMask", ["UMask=0"], 10, 5),
    ("KeyringMode", ["KeyringMode=private"], 0, 0),
    ("ProtectProc", ["ProtectProc=invisible", "User=daemon"], 0, 3),
    ("ProtectProc", ["ProtectProc=noaccess", "User=daemon"], 1, 3),
    ("ProtectProc", ["PrivatePIDs=yes"], 0, 3),
    ("ProcSubset", ["ProcSubset=pid"], 0, 1),
    ("RestrictRealtime", ["RestrictRealtime=yes"], 0, None),
    ("RestrictSUIDSGID", ["RestrictSUIDSGID=yes"], 0, 1),
    *((f"RestrictNamespaces_{kind}", [f"RestrictNamespaces=~{kind}"], 0, 1) for kind in ("user", "mnt", "ipc", "pid", "cgroup", "net", "uts")),
    ("RestrictAddressFamilies_AF_INET_INET6", ["RestrictAddressFamilies=~AF_INET AF_INET6"], 0, 1),
    ("RestrictAddressFamilies_AF_UNIX", ["RestrictAddressFamilies=AF_INET"], 0, 1),
    ("RestrictAddressFamilies_AF_NETLINK", ["RestrictAddressFamilies=none"], 0, 1),
    ("RestrictAddressFamilies_AF_PACKET", ["CapabilityBoundingSet=~CAP_NET_RAW"], 0, None),
    ("RestrictAddressFamilies_OTHER", ["RestrictAddressFamilies=AF_UNIX AF_INET"], 0, 1),
    ("SystemCallFilter_debug", ["SystemCallFilter=~@debug"], 0, 10),
    ("SystemCallFilter_debug", ["SystemCallFilter=~@debug", "SystemCallErrorNumber=EPERM"], 0, 10),
    ("SystemCallFilter_resources", ["SystemCallFilter=~@resources"], 0, 10),
    ("SystemCallFilter_reboot", ["SystemCallFilter=~@reboot"], 0, None),
    ("SystemCallFilter_privileged", ["SystemCallFilter=~@privileged"], 0, 10),
    ("SystemCallFilter_swap", ["CapabilityBoundingSet=~CAP_SYS_ADMIN"], 0, None),
    ("IPAddressDeny", ["PrivateNetwork=yes"], 0, None),
    ("AmbientCapabilities", ["User=daemon", "AmbientCapabilities=CAP_KILL"], 1, 0),
]


@pytest.mark.parametrize("check, lines, shut, without", ROWS, ids=[f"{r[0]}-{r[1][0]}" for r in ROWS])
def test_a_protection_holds_inside_and_is_missed_without(box, open_service, check, lines, shut, without):
    assert badness(measure(box, *given(*lines)), check) == shut
    if without is not None:
        assert badness(open_service, check) == without


def test_a_keyring_that_is_shared_is_found(box):
    unit = measure(box, *given("KeyringMode=shared"))
    if "measured_badness" not in unit["rows"]["KeyringMode"]:
        pytest.skip("this host has no session keyrings")
    assert badness(unit, "KeyringMode") == 1 and badness(measure(box, *given("KeyringMode=private")), "KeyringMode") == 0


# ---- where the text promises more ----


def test_a_writable_part_of_the_system_is_more_than_strict_promises(box):
    unit = measure(box, *given("ProtectSystem=strict", "ReadWritePaths=/usr/local"))
    row = unit["rows"]["ProtectSystem"]
    assert (row["badness"], row["measured_badness"], row["effect"], row["why"]) == (0, 10, "weaker", "/usr/local")
    unit = measure(box, *given("ProtectSystem=strict", "ReadWritePaths=/var/lib"))
    assert unit["rows"]["ProtectSystem"]["measured_badness"] == 3
    unit = measure(box, *given("ProtectSystem=strict", f"ReadWritePaths={box.data}"))
    assert unit["rows"]["ProtectSystem"]["effect"] == "same"


def test_without_the_seal_root_may_undo_its_mounts(box):
    sealed, open_one = (measure(box, "--seal", seal, *given("ProtectSystem=strict", "ProtectHome=yes")) for seal in ("auto", "off"))
    assert badness(sealed, "ProtectSystem") == 0 and sealed["rows"]["ProtectSystem"]["effect"] == "same"
    assert open_one["rows"]["ProtectSystem"]["effect"] == open_one["rows"]["ProtectHome"]["effect"] == "weaker"
    assert any("undo" in f["text"] for f in open_one["findings"]) and not any("undo" in f["text"] for f in sealed["findings"])


@pytest.fixture
def door(box):
    """A socket that only looks as if an engine listened."""
    path = box.data / "docker.sock"
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    path.chmod(0o666)
    yield path
    s.close()


def test_an_engines_socket_is_root_of_the_host_whatever_the_network(box, door):
    lines = ["PrivateNetwork=yes", "TemporaryFileSystem=/srv", f"BindPaths={door}:/srv/docker.sock"]
    unit = measure(box, "--profile", "strict", *given(*lines))
    assert unit["measured"] == 10.0 and unit["exposure"] < 1.0
    assert [f["text"] for f in unit["findings"] if f["root_of_host"]] == ["/srv/docker.sock lets it have the host's root do things"]
    # The twins: without sockets of that family, and where its user may not write to it.
    assert measure(box, "--profile", "strict", *given(*lines, "RestrictAddressFamilies=", "RestrictAddressFamilies=AF_INET"))["measured"] < 1.0
    door.chmod(0o600)
    assert measure(box, "--profile", "strict", *given(*lines))["measured"] < 1.0


def test_a_hidden_path_that_can_be_moved_away_is_found(box):
    secret = box.data / "a" / "secret"
    secret.parent.mkdir()
    secret.write_text("x")
    hidden = given(f"InaccessiblePaths={secret}")
    moved = [f["text"] for f in measure(box, *hidden)["findings"] if "moved away" in f["text"]]
    assert len(moved) == 1 and str(secret.parent) in moved[0]
    assert not [f for f in measure(box, *hidden, *given(f"ReadOnlyPaths={box.folder} /srv"))["findings"] if "moved away" in f["text"]]
    assert secret.read_text() == "x"


def test_a_home_that_is_bound_over_an_empty_one_is_found(box):
    unit = measure(box, *given("ProtectHome=tmpfs", f"BindPaths={box.data}:/home/data"))
    # The tmpfs is read-only, so the target may be refused; then there is nothing to see.
    assert badness(unit, "ProtectHome") in (1, 10)
    if badness(unit, "ProtectHome") == 10:
        assert unit["rows"]["ProtectHome"]["effect"] == "weaker"


# ---- where more holds ----


def test_a_user_without_rights_is_better_than_its_text(box):
    unit = measure(box, *given("User=daemon", "NoNewPrivileges=yes"))
    for check in ("ProtectKernelTunables", "ProtectSystem", "CapabilityBoundingSet_CAP_SYS_ADMIN", "SystemCallFilter_swap", "ProtectClock"):
        assert unit["rows"][check]["effect"] == "stronger", check
    assert unit["measured"] < unit["exposure"]


def test_set_user_id_programs_give_capabilities_back(box):
    if not any(os.path.exists(f"/usr/bin/{p}") and os.stat(f"/usr/bin/{p}").st_mode & 0o4000 for p in ("su", "mount", "passwd", "newgrp")):
        pytest.skip("no usual program is set-user-id here")
    assert badness(measure(box, *given("User=daemon")), "CapabilityBoundingSet_CAP_SYS_ADMIN") == 1
    assert badness(measure(box, *given("User=daemon", "CapabilityBoundingSet=~CAP_SYS_ADMIN")), "CapabilityBoundingSet_CAP_SYS_ADMIN") == 0


# ---- units, users, what cannot be measured ----


def test_a_unit_is_measured_with_its_drop_ins(box):
    units = box.folder / "units"
    (units / "web.service.d").mkdir(parents=True)
    (units / "web.service").write_text("[Service]\nExecStart=/bin/false\nPrivateNetwork=yes\nRuntimeDirectory=web-of-bulkhead-tests\nStandardOutput=null\n")
    (units / "web.service.d/a.conf").write_text("[Service]\nProtectSystem=strict\n")
    env = box.env(BULKHEAD_UNIT_PATH=str(units))
    for name in ("web", "web.service", units / "web.service"):
        unit = measure(box, file=name, env=env)
        assert unit["unit"] == "web.service" and badness(unit, "PrivateNetwork") == 0 and badness(unit, "ProtectSystem") == 0
    assert not pathlib.Path("/run/web-of-bulkhead-tests").exists()


def test_the_folders_of_a_service_that_runs_stay(box):
    name = f"bulkhead-test-{os.getpid()}"
    folder = pathlib.Path("/run") / name
    (box.folder / "web.service").write_text(f"[Service]\nExecStart=/bin/true\nUser=daemon\nRuntimeDirectory={name}\nRemoveIPC=yes\nWorkingDirectory=/run/{name}\n")
    folder.mkdir()
    try:
        (folder / "kept").write_text("x")
        measure(box, file=box.folder / "web.service")
        assert (folder / "kept").read_text() == "x" and folder.stat().st_uid == 0
    finally:
        shutil.rmtree(folder)


def test_an_ordinary_user_measures_too(user_box):
    unit = measure(user_box, "--profile", "strict")
    assert unit["whole"] and badness(unit, "PrivateNetwork") == 0 and badness(unit, "ProtectHome") == 0
    assert badness(measure(user_box), "PrivateNetwork") == 1
    assert USER  # who it is


def test_a_filter_that_kills_one_attempt_leaves_the_others(box):
    unit = measure(box, *given("SystemCallFilter=~mount unshare init_module personality"))
    assert unit["whole"] and badness(unit, "LockPersonality") == 0 and badness(unit, "RestrictNamespaces_net") == 0 and badness(unit, "RestrictRealtime") is not None


@pytest.mark.parametrize("lines", [["SystemCallFilter=@basic-io"], ["SystemCallFilter=~@process"], ["SystemCallFilter=~write"]])
def test_a_probe_that_cannot_start_is_said_and_no_number_is_made_up(box, lines):
    r = box.call("score", "--measured", *given(*lines))
    assert r.status == 2 and r.out == "" and "score.probe" in r.err and "killed" in r.err


def test_a_filter_that_refuses_new_processes_leaves_the_texts_rows(box):
    unit = measure(box, *given("SystemCallFilter=~fork vfork clone clone3:EPERM", "SystemCallErrorNumber=EPERM"))
    assert unit["whole"] and unit["measured"] == unit["exposure"]
    assert all("no process" in c["why"] for c in unit["checks"] if c["effect"] == "not measured" and c["check"] == "ProtectSystem")


def test_nothing_runs_from_where_nothing_may_be_executed_but_the_probe_does(box):
    unit = measure(box, *given("NoExecPaths=/"))
    assert unit["whole"]


def test_what_cannot_start_is_an_error_with_its_cause(box):
    r = box.call("score", "--measured", *given("ReadOnlyPaths=/nowhere/at/all"))
    assert r.status == 2 and "/nowhere/at/all" in r.err and "score.probe" in r.err


def test_the_table_shows_both_numbers(box):
    r = box.call("score", "--measured", *given("ProtectSystem=strict", "ReadWritePaths=/usr/local"))
    assert r.status == 0 and "DIRECTIVE" in r.out and "TEXT  MEASURED  EFFECT" in r.out
    assert "The text promises more than holds" in r.out and "ProtectSystem= may write no file of the system: /usr/local" in r.out
    assert r.out.splitlines()[-1].startswith("run.service: text ") and ", measured " in r.out.splitlines()[-1]


@pytest.mark.parametrize("lines", [["SystemCallFilter=~unlink unlinkat"], ["SystemCallFilter=~unlink", "SystemCallErrorNumber=EPERM"], ["SystemCallFilter=~faccessat faccessat2 access"]])
def test_no_node_is_made_that_could_not_be_taken_away(box, lines):
    unit = measure(box, *given(*lines))
    assert unit["whole"] and badness(unit, "CapabilityBoundingSet_CAP_MKNOD") == 0
    def left():
        return [p for folder in ("/dev", "/run", "/var/lib", "/var/tmp", "/tmp", "/") for p in pathlib.Path(folder).glob(".bulkhead-probe*")]
    assert eventually(lambda: not left()), left()  # another suite may be in the midst of measuring


def test_threshold_is_of_what_was_measured(box):
    assert box.call("score", "--measured", "--threshold", "10", "--profile", "strict").status == 0
    assert box.call("score", "--measured", "--threshold", "10").status == 1


def test_the_host_is_as_before(box):
    def state():
        host = subprocess.run("hostname; cat /proc/sys/kernel/core_pattern; cat /proc/self/mountinfo; lsmod 2>/dev/null | cut -d' ' -f1; ls -A /tmp /var/tmp /run /dev /var/lib",
                              shell=True, capture_output=True, text=True, errors="replace", check=False).stdout
        return host.splitlines()
    before = state()
    measure(box)
    after = state()
    # Folders of other suites, and what they try at this moment, are called "bulkhead-" and "probe-" something.
    ours = [line for line in after if line not in before and ("bulkhead" in line or "probe" in line) and not re.match("(bulkhead|probe)(-|$)", line)]
    assert ours == [] and box.leftovers() == []
