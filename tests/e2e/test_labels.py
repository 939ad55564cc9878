# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels of security modules, variables about the user, equal pages, CPUs of nodes, the clock's device, and specifiers."""
import json
import os
import platform
import socket

import pytest

NAMES = {"SELinuxContext": (229, "SELinux"), "AppArmorProfile": (231, "AppArmor"), "SmackProcessLabel": (236, "Smack")}


def modules():
    try:
        with open("/sys/kernel/security/lsm") as f:
            return f.read().strip().split(",")
    except OSError:
        return []


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_cannot_be_had(any_box, name):
    status, module = NAMES[name]
    label = "no_u:no_r:no_t:s0-bulkhead"
    r = any_box.run(f"{name}={label}", "true")
    assert r.status == status and f"{name}={label}" in r.err and module in r.err and "attribute.refused" in r.err, r
    r = any_box.call("run", "-P", "-p", f"{name}=-{label}", "echo", "on")
    assert r.status == 0 and r.out == "on\n" and f"{name}=-{label}: not applied" in r.err, r
    assert any_box.run(f"{name}={label}\n{name}=", "true").status == 0


@pytest.mark.parametrize("assignment", ["SELinuxContext=-", "AppArmorProfile=a\tb", "SmackProcessLabel=" + "x" * 4001, "MemoryKSM=maybe", "SetLoginEnvironment=x"])
def test_bad_values(any_box, assignment):
    r = any_box.run(assignment, "true")
    assert r.status == 1 and "directive.value" in r.err, r


def variables(box, lines):
    return dict(v.split("=", 1) for v in box.good(lines, "env", "-0").split("\0") if v)


def test_login_environment(box):
    assert "LOGNAME" not in variables(box, "") and "LOGNAME" not in variables(box, "SetLoginEnvironment=no\nUser=daemon")
    assert variables(box, "User=daemon")["LOGNAME"] == "daemon"
    seen = variables(box, "SetLoginEnvironment=yes")
    assert (seen["LOGNAME"], seen["USER"], seen["HOME"]) == ("root", "root", "/root") and seen["SHELL"]


def test_equal_pages(any_box):
    if not os.path.exists("/proc/self/ksm_stat"):
        pytest.skip("needs a kernel with KSM")
    for word, expected in (("yes", "yes"), ("no", "no")):
        r = any_box.shell(f"MemoryKSM={word}", "grep ksm_merge_any /proc/self/ksm_stat")
        if r.status == 245:
            assert "MemoryKSM=" in r.err and "process.attribute" in r.err, r
        else:
            assert r.status != 0 or r.out.split()[-1] == expected, r


def test_cpus_of_nodes(any_box):
    if os.path.exists("/sys/devices/system/node/node0/cpulist"):
        script = "grep Cpus_allowed_list /proc/self/status | cut -f2"
        with open("/sys/devices/system/node/node0/cpulist") as f:
            cpus = f.read().strip()
        assert any_box.shell("CPUAffinity=numa\nNUMAMask=0", script).out.strip() == cpus
    with open("/sys/devices/system/cpu/online") as f:
        assert any_box.shell("CPUAffinity=numa\nNUMAMask=all", "grep Cpus_allowed_list /proc/self/status | cut -f2").out.strip() == f.read().strip()
    r = any_box.shell("CPUAffinity=numa\nNUMAMask=999", "true")
    assert r.status == 215 and "CPUAffinity=numa" in r.err, r
    r = any_box.shell("CPUAffinity=numa", "true")
    assert r.status == 1 and "NUMAMask=" in r.err, r


SPECIFIERS = {"v": platform.release(), "H": socket.gethostname(), "l": socket.gethostname().split(".")[0]}


@pytest.mark.parametrize("letter", SPECIFIERS)
def test_specifiers_of_the_host(any_box, letter):
    assert any_box.shell(f"Environment=A=%{letter}", 'echo "$A"').out == SPECIFIERS[letter] + "\n"


def test_specifiers_of_the_system(any_box):
    release = {}
    with open("/etc/os-release") as f:
        for line in f:
            if "=" in line:
                name, value = line.strip().split("=", 1)
                release[name] = value.strip('"')
    for letter, name in (("o", "ID"), ("w", "VERSION_ID"), ("W", "VARIANT_ID"), ("B", "BUILD_ID"), ("M", "IMAGE_ID"), ("A", "IMAGE_VERSION")):
        assert any_box.shell(f"Environment=A=<%{letter}>", 'echo "$A"').out == f"<{release.get(name, '')}>\n"
    expected = {"x86_64": "x86-64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    assert any_box.shell("Environment=A=%a", 'echo "$A"').out == expected + "\n"
    assert any_box.shell("Environment=A=%g", 'echo "$A"').out == any_box.shell("", "id -gn").out
    assert any_box.shell("Environment=A=%q", 'test -n "$A"').status == 0
    r = any_box.run("Environment=A=%y", "true")
    assert r.status == 1 and "directive.specifier" in r.err, r


def test_the_clock_may_be_read_where_devices_are_closed(box):
    with open("/proc/devices") as f:
        number = next((line.split()[0] for line in f if line.strip().endswith(" rtc")), None)
    if not number:
        pytest.skip("needs a real-time clock")
    node = f"{box.data}/rtc"
    os.mknod(node, 0o600 | 0o20000, os.makedev(int(number), 0))
    try:
        # Whether there is such a clock or not: what is denied is EPERM.
        script = f"python3 -c \"import os; os.open('{node}', os.O_RDONLY)\" 2>&1 | grep -c 'Operation not permitted'"
        assert box.shell("DevicePolicy=closed", script).out.strip() == "1"
        assert box.shell("DevicePolicy=closed\nProtectClock=yes", script).out.strip() == "0"
        writes = script.replace("O_RDONLY", "O_WRONLY")
        assert box.shell("DevicePolicy=closed\nProtectClock=yes", writes).out.strip() == "1"
    finally:
        os.unlink(node)


def test_explain(any_box):
    lines = [w for p in ("SELinuxContext=-a:b", "AppArmorProfile=web", "MemoryKSM=yes", "SetLoginEnvironment=no", "CPUAffinity=numa", "NUMAMask=0") for w in ("-p", p)]
    r = any_box.call("explain", *lines, "true")
    for words in ("a:b, if it can be had", "AppArmor profile", "equal pages", "not set", "those of its memory nodes"):
        assert words in r.out, r
    process = json.loads(any_box.call("explain", "--json", *lines, "true").out)["process"]
    assert process["apparmor_profile"] == {"value": "web", "origin": "AppArmorProfile=web"} and process["login_environment"]["value"] == "no"


def test_the_clock_that_may_be_read_is_told(box):
    r = box.call("explain", "-p", "DevicePolicy=closed", "-p", "ProtectClock=yes", "true")
    assert "char-rtc, r" in r.out, r
    assert "char-rtc" not in box.call("explain", "-p", "ProtectClock=yes", "true").out
