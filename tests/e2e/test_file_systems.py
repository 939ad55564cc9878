# SPDX-License-Identifier: LGPL-2.1-or-later
"""RestrictFileSystems=: by its effect where the kernel asks BPF programs about opening files, else refused.  tests/vm runs it where it does."""
import pytest

# What is opened on which file system, and its path.
PLACES = {"proc": "/proc/uptime", "sysfs": "/sys/kernel/mm/transparent_hugepage/enabled", "tmpfs": "/run/bulkhead-tmpfs/file"}
PROPERTIES = ["TemporaryFileSystem=/run/bulkhead-tmpfs:mode=1777"]
LOOK = "echo x >/run/bulkhead-tmpfs/file; echo " + " ".join(f"$(test -r {p} && head -c1 {p} >/dev/null 2>&1 && echo {n})" for n, p in PLACES.items())


@pytest.fixture
def works(box):
    """Skips where the kernel has none of it: then it must say so."""
    r = box.run("RestrictFileSystems=~xenfs", "true")
    if r.status == 0:
        return box
    assert r.status == 219 and "bpf.lsm" in r.err and "RestrictFileSystems=~xenfs" in r.err and "\n  hint   " in r.err, r
    pytest.skip("this kernel has no BPF LSM for groups, or does not ask it")
    return None


def opened(box, restrictions, more=()):
    r = box.shell([*PROPERTIES, *more, *restrictions.split("\n")], LOOK)
    assert r.status == 0, r
    return set(r.out.split())


# Programs lie on the disk; what that is differs, so lists of what is allowed begin with all.
ALL = "RestrictFileSystems=@known\n"


@pytest.mark.parametrize("restrictions, shut", [
    ("RestrictFileSystems=~xenfs", set()), ("RestrictFileSystems=~proc", {"proc"}), ("RestrictFileSystems=~sysfs proc", {"sysfs", "proc"}),
    (ALL + "RestrictFileSystems=~sysfs", {"sysfs"}), (ALL + "RestrictFileSystems=~@basic-api", {"proc", "sysfs"}),
    ("RestrictFileSystems=~@basic-api\nRestrictFileSystems=proc devtmpfs", {"sysfs"}), ("RestrictFileSystems=~devtmpfs", {"tmpfs"}), ("RestrictFileSystems=~@network xenfs", set()),
    ("RestrictFileSystems=~proc\nRestrictFileSystems=", set()), ("RestrictFileSystems=~proc\nRestrictFileSystems=\nRestrictFileSystems=~sysfs", {"sysfs"}),
    (ALL + "RestrictFileSystems=~proc\nRestrictFileSystems=proc", set()), ("RestrictFileSystems=~proc\nUser=daemon", {"proc"}),
    ("RestrictFileSystems=~proc\nPrivateUsers=yes\nProtectSystem=strict\nPrivateDevices=yes", {"proc"}),
    ("RestrictFileSystems=~proc\nPrivatePIDs=yes\nSystemCallFilter=@system-service\nIPAddressDeny=any", {"proc"})], ids=lambda v: str(v).replace("\n", " "))
def test_what_may_be_opened(works, restrictions, shut):
    assert opened(works, restrictions) == set(PLACES) - shut


def test_it_is_permission_that_is_lacking(works):
    script = "import errno\ntry:\n    open('/proc/uptime')\nexcept OSError as e:\n    print(errno.errorcode[e.errno])"
    assert works.good("RestrictFileSystems=~proc", "python3", "-c", script) == "EPERM\n"


def test_children_and_groups_below_are_held(works):
    assert works.shell("RestrictFileSystems=~proc", "sh -c 'cat /proc/uptime' & wait $!").status != 0
    script = "own=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); mkdir $own/below && echo 0 >$own/below/cgroup.procs; cat /sys/kernel/mm/transparent_hugepage/enabled"
    assert works.shell("RestrictFileSystems=~sysfs", script).status != 0


def test_nobody_else_is_held(works):
    with open("/proc/uptime") as f:
        works.good("RestrictFileSystems=~proc", "true")
        assert f.read()


def test_a_program_that_may_not_be_opened_is_not_run(works):
    r = works.run("RestrictFileSystems=xenfs", "true")
    assert r.status == 203 and "RestrictFileSystems=xenfs" in r.err


@pytest.mark.parametrize("mode", ["-P", "--wait"])
def test_leniently_it_runs(user_box, mode):
    unit = user_box.name()
    r = user_box.run("RestrictFileSystems=~proc", "touch", user_box.data / "ran", mode=mode, options=["-u", unit, "-G"])
    assert r.status == 219 and "RestrictFileSystems=~proc" in r.err and not (user_box.data / "ran").exists()
    r = user_box.call("run", "--lenient", "-P", "-p", "RestrictFileSystems=~proc", "--", "touch", user_box.data / "ran")
    assert r.status == 0 and "note: RestrictFileSystems=~proc: not applied" in r.err and (user_box.data / "ran").exists()


@pytest.mark.parametrize("assignment", ["RestrictFileSystems=nosuchfs", "RestrictFileSystems=@nosuch", "RestrictFileSystems=~~proc", "RestrictFileSystems=proc,sysfs"])
def test_bad_values(box, assignment):
    r = box.run(assignment, "true")
    assert r.status == 1 and "directive.value" in r.err and assignment in r.err
