# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scopes of a real systemd: limits that hold, also when systemd looks at all its units again, and an end that both know of."""
import json
import os
import pathlib
import subprocess
import time

import pytest

TOP = pathlib.Path("/sys/fs/cgroup")
V2 = (TOP / "cgroup.controllers").exists()
MIB = 1 << 20
SPIN = "while :; do :; done"


def limit(container, **resources):
    container.config["linux"]["resources"].update(resources)
    return container


def container_outside(container, *words):
    """What a program says that runs as the runtime does, and not in the container."""
    return subprocess.run([*container.prefix, *words], capture_output=True, text=True, check=True).stdout


def groups_of(container):
    """Controller → path of the container's group."""
    found = {}
    for line in container_outside(container, "cat", f"/proc/{container.state()['pid']}/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            found[name] = path
    return found


def folder_of(container, controller):
    path = groups_of(container)["" if V2 else controller]
    return TOP / path[1:] if V2 else TOP / controller / path[1:]


@pytest.fixture(params=["as it is", "reloaded", "executed again"])
def again(request, systemd):
    """What systemd does meanwhile: nothing; reads its units again; executes itself again. Both write all that it knows of groups once more."""
    def act():
        if request.param != "as it is":
            systemd("daemon-reload" if request.param == "reloaded" else "daemon-reexec")
            systemd.wait(lambda: systemd("is-system-running", check=False) in ("running", "degraded"))
            time.sleep(0.5)  # it writes when it has nothing else to do
    return act


# ---- the unit ----

def test_a_container_is_a_scope_in_its_slice_and_both_go_with_it(make, systemd):
    c = make().sh("sleep 1000").up()
    seen = systemd.show(c.unit, "ActiveState", "Slice", "Delegate", "ControlGroup")
    assert seen == {"ActiveState": "active", "Slice": "bulkhead-test.slice", "Delegate": "yes", "ControlGroup": f"/bulkhead.slice/bulkhead-test.slice/{c.unit}"}
    assert set(groups_of(c).values()) >= {seen["ControlGroup"]}
    assert c.delete().status == 0
    assert systemd.show(c.unit, "ActiveState", "LoadState") == {"ActiveState": "inactive", "LoadState": "not-found"}
    assert not [p for p in TOP.rglob(c.unit)]


def test_who_ends_by_itself_leaves_no_unit(make, systemd):
    c = make()
    assert c.sh("exit 7").run().status == 7
    assert systemd.show(c.unit, "LoadState") == {"LoadState": "not-found"}


def test_stopping_the_scope_ends_the_container(make, systemd):
    c = make().sh("trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done").up()
    systemd.wait(lambda: c.out() == "up\n")
    systemd("stop", c.unit)
    assert c.wait_for("stopped")
    assert c.delete(force=False).status == 0


def test_a_name_that_another_unit_has_is_refused(make, systemd):
    c, other = make(), make()
    other.config["linux"]["cgroupsPath"] = f"bulkhead-test.slice:bulkhead:{c.id}"
    c.sh("sleep 1000").up()
    r = other.sh("echo ran").run()
    assert r.status != 0 and "ran" not in r.out and c.unit in r.err, r
    assert c.status() == "running" and systemd.show(c.unit, "ActiveState")["ActiveState"] == "active"


# ---- limits ----

def test_a_limit_of_memory_holds(make, systemd, again):
    c = limit(make(), memory={"limit": 64 * MIB, "swap": 64 * MIB}).sh("sleep 1000").up()
    again()
    eat = "dd if=/dev/zero of=/dev/null bs={}M count=1 2>/dev/null"
    assert c.exec("sh", "-c", eat.format(200)).status == 137
    assert c.exec("sh", "-c", eat.format(16)).status == 0
    name = "MemoryMax" if V2 else "MemoryLimit"
    assert systemd.show(c.unit, name)[name] == str(64 * MIB)


def test_a_limit_of_processes_holds(make, systemd, again):
    c = limit(make(), pids={"limit": 8}).sh("sleep 1000").up()
    again()
    r = c.exec("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all")
    assert "all" not in r.out and "can't fork" in r.err, r
    assert systemd.show(c.unit, "TasksMax")["TasksMax"] == "8"


@pytest.mark.skipif(not V2, reason="version 2")
def test_what_is_asked_for_in_the_kernels_words_holds(make, systemd, again):
    c = limit(make(), unified={"memory.max": str(64 * MIB), "memory.swap.max": "0", "pids.max": "9", "memory.high": str(60 * MIB), "cpu.weight": "77"})
    c.sh("sleep 1000").up()
    again()
    folder = folder_of(c, "")
    seen = {n: (folder / n).read_text().strip() for n in ("memory.max", "memory.swap.max", "pids.max", "memory.high", "cpu.weight")}
    assert seen == {"memory.max": str(64 * MIB), "memory.swap.max": "0", "pids.max": "9", "memory.high": str(60 * MIB), "cpu.weight": "77"}


def test_a_share_of_time_and_its_period_stay(make, systemd, again):
    c = limit(make(), cpu={"quota": 10000, "period": 50000, "shares": 512}).sh(SPIN).up()
    again()
    folder = folder_of(c, "cpu")
    seen = (folder / "cpu.max").read_text().split() if V2 else [(folder / f"cpu.cfs_{n}_us").read_text().strip() for n in ("quota", "period")]
    assert seen == ["10000", "50000"]
    stat = folder / "cpu.stat" if V2 else None
    if stat:
        usage = lambda: int(stat.read_text().split()[1])  # noqa: E731
        before, began = usage(), time.monotonic()
        time.sleep(2)
        assert (usage() - before) / 1e6 / (time.monotonic() - began) < 0.35


def test_an_update_stays(make, systemd, again):
    c = limit(make(), memory={"limit": 64 * MIB}, pids={"limit": 8}, cpu={"quota": 10000, "period": 50000}).sh("sleep 1000").up()
    r = c.call("update", "--resources", "-", c.id, input=json.dumps({"memory": {"limit": 128 * MIB}, "pids": {"limit": 12}, "cpu": {"quota": 20000, "period": 100000}}))
    assert r.status == 0, r
    again()
    memory, pids, cpu = (folder_of(c, n) for n in ("memory", "pids", "cpu"))
    assert (memory / ("memory.max" if V2 else "memory.limit_in_bytes")).read_text().strip() == str(128 * MIB)
    assert (pids / "pids.max").read_text().strip() == "12"
    seen = (cpu / "cpu.max").read_text().split() if V2 else [(cpu / f"cpu.cfs_{n}_us").read_text().strip() for n in ("quota", "period")]
    assert seen == ["20000", "100000"]


def test_no_device_opens_that_was_not_asked_for(make, systemd, again):
    """Of two serial lines one."""
    c = make()
    for kind in ("bounding", "effective", "permitted"):
        c.config["process"]["capabilities"][kind].append("CAP_MKNOD")
    c.config["linux"]["resources"]["devices"].append({"allow": True, "type": "c", "major": 4, "minor": 64, "access": "r"})
    c.sh("mknod /dev/first c 4 64; mknod /dev/second c 4 65; exec sleep 1000").up()
    again()
    systemd.wait(lambda: c.exec("test", "-e", "/dev/second").status == 0)
    r = c.exec("sh", "-c", ": </dev/first && echo first; : <>/dev/null && echo null; : </dev/second && echo second")
    assert r.out == "first\nnull\n" and "/dev/second: Operation not permitted" in r.err, r
    assert c.exec("sh", "-c", ": >/dev/first").status != 0


def test_it_stays_frozen(make, systemd, again):
    c = make().sh("while :; do date +%s%N >/tmp/now; sleep 0.1; done").up()
    now = pathlib.Path(c.rootfs / "tmp/now")
    systemd.wait(now.exists)
    assert c.call("pause", c.id).status == 0
    again()
    before = now.read_text()
    time.sleep(1)
    assert now.read_text() == before and c.status() == "paused"
    assert c.call("resume", c.id).status == 0
    systemd.wait(lambda: now.read_text() not in (before, ""))


def test_groups_of_its_own_are_the_containers(make, systemd, again):
    if not V2:
        pytest.skip("version 2")
    c = make()
    c.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]})
    c.sh("mkdir /sys/fs/cgroup/sub && echo 1 >/sys/fs/cgroup/sub/cgroup.procs; exec sleep 1000").up()
    again()
    assert c.wait_for("running")
    assert container_outside(c, "cat", f"/proc/{c.state()['pid']}/cgroup").strip().endswith(f"{c.unit}/sub")
    assert c.delete().status == 0 and systemd.show(c.unit, "LoadState") == {"LoadState": "not-found"}


# ---- a user's own manager ----

@pytest.fixture
def of_user(make, systemd, folder):
    """A container of user 1000, in a scope of the user's own systemd."""
    if not V2:
        pytest.skip("version 2")
    systemd("start", "manager.service")
    c = make()
    c.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        c.config["linux"][kind] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    c.config["linux"]["cgroupsPath"] = f"user.slice:bulkhead:{c.id}"
    c.config["mounts"] = [m for m in c.config["mounts"] if m["type"] not in ("sysfs", "devpts")]
    for m in c.config["mounts"]:
        m["options"] = [o for o in m.get("options", []) if not o.startswith("gid=")]
    # From within what the user's manager may change: who comes from elsewhere has to ask the system's bus to be moved there.
    own = "/sys/fs/cgroup/system.slice/manager.service/caller"
    enter = f"mkdir -p {own} && chown 1000:1000 {own} {own}/cgroup.procs && echo $$ >{own}/cgroup.procs && exec \"$@\""
    c.prefix = (*systemd.enter, "sh", "-c", enter, "sh", "setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups",
                "env", "XDG_RUNTIME_DIR=/run/user/1000")
    os.chown(folder, 1000, 1000)
    for path, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.lchown(os.path.join(path, name), 1000, 1000)
    yield c
    c.delete()
    systemd("stop", "manager.service")


def user_show(c, unit, name):
    return container_outside(c, "systemctl", "--user", "show", unit, f"-p{name}").strip()


def test_a_users_container_is_a_scope_of_the_users_manager_with_limits_that_hold(of_user):
    c = limit(of_user, memory={"limit": 64 * MIB, "swap": 64 * MIB}, pids={"limit": 8}).sh("sleep 1000").up()
    assert user_show(c, c.unit, "ActiveState") == "ActiveState=active"
    path = groups_of(c)[""]
    assert path.startswith("/system.slice/manager.service/user.slice/") and path.endswith(c.unit), path
    assert c.exec("sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null").status == 137
    assert c.exec("sh", "-c", "dd if=/dev/zero of=/dev/null bs=16M count=1 2>/dev/null").status == 0
    r = c.exec("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all")
    assert "all" not in r.out, r
    assert c.delete().status == 0
    assert user_show(c, c.unit, "LoadState") == "LoadState=not-found"
