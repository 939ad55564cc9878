# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits on cgroup v2, each by what it stops and what it lets be; no test reads back the file that was written."""
import json
import os
import pathlib
import subprocess
import time

import pytest

ROOT = pathlib.Path("/sys/fs/cgroup")
MIB = 1 << 20
SPIN = "while :; do :; done"


def eat(mib):
    """Busybox allocates one buffer of this size and fills it."""
    return f"dd if=/dev/zero of=/dev/null bs={mib}M count=1 2>/dev/null"


def limit(container, **resources):
    container.config["linux"]["resources"].update(resources)
    return container


def group_of(container):
    pid = container.state()["pid"]
    path = pathlib.Path(f"/proc/{pid}/cgroup").read_text().strip()
    assert path.startswith("0::/") and "\n" not in path, path
    return ROOT / path[4:]


def keyed(path):
    return {k: int(v) for k, v in (line.split() for line in path.read_text().splitlines())}


def share_of_cpu(container, seconds=3.0):
    """The processor time that the container takes, in processors."""
    stat = group_of(container) / "cpu.stat"
    began, before = time.monotonic(), keyed(stat)["usage_usec"]
    time.sleep(seconds)
    return (keyed(stat)["usage_usec"] - before) / 1e6 / (time.monotonic() - began)


def update(container, **resources):
    r = container.call("update", "--resources", "-", container.id, input=json.dumps(resources))
    assert r.status == 0, r


# ---- memory ----


def test_memory_beyond_the_limit_kills_and_below_it_does_not(make):
    r = limit(make(), memory={"limit": 64 * MIB, "swap": 64 * MIB}).sh(eat(200)).run()
    assert r.status == 137, r
    r = limit(make(), memory={"limit": 64 * MIB, "swap": 64 * MIB}).sh(f"{eat(16)} && echo lives").run()
    assert (r.status, r.out) == (0, "lives\n"), r
    r = make().sh(f"{eat(200)} && echo lives").run()
    assert (r.status, r.out) == (0, "lives\n"), "without a limit the same payload lives"


def test_what_killed_is_told_by_events(container):
    limit(container, memory={"limit": 64 * MIB, "swap": 64 * MIB}).sh("sleep 100").up()
    events = subprocess.Popen(container.command("events", "--interval", "100ms", container.id), stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    assert container.exec("sh", "-c", eat(200)).status == 137, "exec is born in the container's group"
    kinds = []
    end = time.monotonic() + 60
    while "oom" not in kinds and time.monotonic() < end:
        kinds.append(json.loads(events.stdout.readline())["type"])
    events.kill()
    events.wait()
    assert "oom" in kinds
    assert container.status() == "running"


def test_memory_limit_of_update_has_effect(container):
    limit(container, memory={"limit": 512 * MIB, "swap": 512 * MIB}).sh("sleep 100").up()
    assert container.exec("sh", "-c", eat(150)).status == 0
    update(container, memory={"limit": 64 * MIB, "swap": 64 * MIB})
    assert container.exec("sh", "-c", eat(150)).status == 137


def test_oom_group_of_unified_kills_all_together(make):
    script = f"(sleep 100; echo unreachable) & sh -c '{eat(200)}'; echo survived"
    c = limit(make(), memory={"limit": 64 * MIB, "swap": 64 * MIB}).sh(script)
    c.up()
    assert c.wait_for("stopped", 60) is False or "survived" in c.out()
    assert "survived" in c.out(), "without it only the largest dies"
    c = limit(make(), memory={"limit": 64 * MIB, "swap": 64 * MIB}, unified={"memory.oom.group": "1"}).sh(script)
    c.up()
    assert c.wait_for("stopped", 60)
    assert "survived" not in c.out()


def test_memory_high_of_unified_slows_and_max_of_unified_kills(make):
    r = limit(make(), unified={"memory.max": str(64 * MIB), "memory.swap.max": "0"}).sh(eat(200)).run()
    assert r.status == 137, r
    c = limit(make(), unified={"memory.high": str(32 * MIB)}).sh("sleep 100").up()
    before = keyed(group_of(c) / "memory.events")["high"]
    c.exec("sh", "-c", f"timeout 5 {eat(64)}")
    assert keyed(group_of(c) / "memory.events")["high"] > before


# ---- pids ----


def test_forks_beyond_the_limit_fail(make):
    script = "i=0; while [ $i -lt 20 ]; do sleep 30 & i=$((i+1)); done; echo all of them"
    r = limit(make(), pids={"limit": 8}).sh(script).run()
    assert "all of them" not in r.out and "fork" in r.err, r
    r = limit(make(), pids={"limit": 40}).sh(script).run()
    assert "all of them" in r.out, r


def test_pids_limit_of_update_has_effect(container):
    script = "for i in 1 2 3 4 5 6; do sleep 5 & done; wait; echo all of them"
    limit(container, pids={"limit": 64}).sh("sleep 100").up()
    assert "all of them" in container.exec("sh", "-c", script).out
    update(container, pids={"limit": 4})
    assert "all of them" not in container.exec("sh", "-c", script).out


# ---- processors ----


def test_quota_holds_a_loop_back(make):
    c = limit(make(), cpu={"quota": 20000, "period": 100000}).sh(SPIN).up()
    assert share_of_cpu(c) < 0.35
    assert keyed(group_of(c) / "cpu.stat")["nr_throttled"] > 0
    c.delete()
    c = make().sh(SPIN).up()
    assert share_of_cpu(c) > 0.5


def test_quota_of_update_has_effect(container):
    container.sh(SPIN).up()
    assert share_of_cpu(container) > 0.5
    update(container, cpu={"quota": 10000, "period": 100000})
    time.sleep(0.5)
    assert share_of_cpu(container) < 0.25


def test_shares_divide_one_processor(make):
    few = limit(make(), cpu={"shares": 128, "cpus": "0"}).sh(SPIN).up()
    many = limit(make(), cpu={"shares": 4096, "cpus": "0"}).sh(SPIN).up()
    time.sleep(1)
    assert share_of_cpu(many, 4) > 3 * share_of_cpu(few, 4)


@pytest.mark.skipif(os.cpu_count() < 2, reason="needs two processors")
def test_a_set_of_processors_is_all_that_is_seen(make):
    r = limit(make(), cpu={"cpus": "1"}).sh("grep Cpus_allowed_list /proc/self/status").run()
    assert r.out.split() == ["Cpus_allowed_list:", "1"], r
    r = make().sh("grep Cpus_allowed_list /proc/self/status").run()
    assert r.out.split() == ["Cpus_allowed_list:", f"0-{os.cpu_count() - 1}"], r


# ---- disk ----

DISK = pathlib.Path("/disk")
needs_disk = pytest.mark.skipif(not os.path.ismount(DISK), reason="no file system on a disk of its own at /disk")


@needs_disk
def test_writing_is_as_slow_as_the_limit(make):
    number = os.stat(DISK).st_dev

    def seconds(resources):
        c = limit(make(), **resources)
        c.config["mounts"].append({"destination": "/disk", "type": "bind", "source": str(DISK), "options": ["bind"]})
        r = c.sh("dd if=/dev/zero of=/disk/f bs=256k count=16 oflag=direct 2>/dev/null").up()
        began = time.monotonic()
        assert r.wait_for("stopped", 60)
        return time.monotonic() - began

    device = {"major": os.major(number), "minor": os.minor(number), "rate": MIB}
    slow = seconds({"blockIO": {"throttleWriteBpsDevice": [device]}})
    fast = seconds({})
    assert slow > 3 and fast < slow / 2, (slow, fast)  # 4 MiB at 1 MiB a second


# ---- huge pages ----

HUGE = """
import mmap, sys
m = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
m[0] = 1
m[2 << 20] = 1
print("both")
"""


def test_huge_pages_beyond_the_limit_are_refused(make):
    pages = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    if not pages.exists() or not os.path.exists("/usr/bin/python3"):
        pytest.skip("no huge pages of 2 MiB, or no Python for the payload")
    before = pages.read_text()
    pages.write_text("8")
    try:
        if int(pages.read_text()) < 4:
            pytest.skip("the kernel has no memory for huge pages")

        def run(resources):
            c = limit(make(), **resources).args("/usr/bin/python3", "-c", HUGE)
            for path in ("/usr", "/lib", "/lib64"):
                c.config["mounts"].append({"destination": path, "type": "bind", "source": os.path.realpath(path), "options": ["rbind", "ro"]})
            return c.run(timeout=120)

        r = run({"hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MIB}]})
        assert r.status and "both" not in r.out, r
        r = run({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]})
        assert (r.status, r.out) == (0, "both\n"), r
    finally:
        pages.write_text(before)


# ---- devices: a program of BPF ----


def device_container(make, *rules):
    c = make()
    for kind in ("bounding", "effective", "permitted"):
        c.config["process"]["capabilities"][kind].append("CAP_MKNOD")
    c.config["linux"]["resources"]["devices"] += rules
    return c


def disk_rule(allow, access="rwm"):
    number = os.stat(DISK).st_dev
    return {"allow": allow, "type": "b", "major": os.major(number), "minor": os.minor(number), "access": access}


def disk_node(then):
    number = os.stat(DISK).st_dev
    return f"mknod /tmp/disk b {os.major(number)} {os.minor(number)} && echo made; {then}"


READ = "head -c 1 /tmp/disk >/dev/null && echo read"


@needs_disk
def test_a_device_that_is_not_allowed_cannot_be_opened(make):
    r = device_container(make).sh(disk_node(READ)).run()
    assert r.out == "made\n" and "not permitted" in r.err, r
    r = device_container(make, disk_rule(True, "r")).sh(disk_node(READ)).run()
    assert r.out == "made\nread\n", r
    r = device_container(make, disk_rule(True, "r")).sh(disk_node("echo x 1<>/tmp/disk && echo written")).run()
    assert "written" not in r.out and "not permitted" in r.err, r


@needs_disk
def test_a_later_rule_wins(make):
    r = device_container(make, disk_rule(True), disk_rule(False)).sh(disk_node(READ)).run()
    assert r.out == "made\n", r
    r = device_container(make, disk_rule(False), disk_rule(True)).sh(disk_node(READ)).run()
    assert r.out == "made\nread\n", r


def test_the_usual_devices_can_be_used(make):
    r = make().sh("head -c 1 /dev/zero | wc -c; head -c 1 /dev/urandom | wc -c; echo x >/dev/null; tty; : </dev/full && echo full").run()
    assert r.out.split("\n")[:2] == ["1", "1"] and r.out.endswith("full\n"), r


# ---- the life of a group ----


def test_pause_stops_and_resume_goes_on(container):
    container.sh("n=0; while :; do n=$((n+1)); echo $n >>/tmp/n; sleep 0.05; done").up()
    counted = container.rootfs / "tmp/n"  # lines are added: a file that is written anew is empty for a moment
    time.sleep(1)
    assert container.call("pause", container.id).status == 0
    assert container.status() == "paused"
    at = counted.read_text()
    time.sleep(0.7)
    assert counted.read_text() == at
    assert container.call("resume", container.id).status == 0
    time.sleep(1)
    assert int(counted.read_text().split()[-1]) > int(at.split()[-1])


def test_kill_all_and_delete_leave_no_process_and_no_group(container):
    container.sh("sleep 101 & sleep 102 & (setsid sleep 103 &) ; sleep 104; :").up()
    time.sleep(0.5)
    group = group_of(container)
    pids = (group / "cgroup.procs").read_text().split()
    assert len(pids) == 5
    assert container.call("ps", "--format", "json", container.id).out.strip() == "[" + ",".join(sorted(pids, key=int)) + "]"
    assert container.call("kill", "--all", container.id, "KILL").status == 0
    assert container.wait_for("stopped")
    assert container.delete(force=False).status == 0
    assert not group.exists()
    assert not [p for p in pids if os.path.exists(f"/proc/{p}")]


def test_a_paused_container_is_deleted_by_force(container):
    container.sh("sleep 100").up()
    group = group_of(container)
    assert container.call("pause", container.id).status == 0
    assert container.delete().status == 0
    assert not group.exists()


def test_the_namespace_shows_the_own_group_as_the_root(container):
    assert container.sh("cat /proc/self/cgroup").run().out == "0::/\n"


def own_groups(c):
    c.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup2", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "rw"]})
    return c


def test_groups_of_the_payload_go_with_the_container(container):
    own_groups(container).sh("mkdir -p /sys/fs/cgroup/a/b && echo $$ >/sys/fs/cgroup/a/b/cgroup.procs && sleep 100").up()
    time.sleep(0.5)
    top = ROOT / container.id
    inner = group_of(container)
    assert inner.name == "b" and inner.exists()
    assert container.exec("true").status == 0
    assert container.delete().status == 0
    assert not inner.exists() and not top.exists()


def test_exec_goes_on_where_the_payload_took_the_controllers_down(container):
    """Its own group then takes no process: an exec lands in the group of the payload's first process."""
    script = ("mkdir /sys/fs/cgroup/init && echo 1 >/sys/fs/cgroup/init/cgroup.procs && "
              "echo +pids >/sys/fs/cgroup/cgroup.subtree_control && echo done >/tmp/done; sleep 100")
    own_groups(container).sh(script).up()
    end = time.monotonic() + 10
    while not (container.rootfs / "tmp/done").exists() and time.monotonic() < end:
        time.sleep(0.05)
    r = container.exec("cat", "/proc/self/cgroup")
    assert (r.status, r.out) == (0, "0::/init\n"), r


@pytest.mark.parametrize("path", ["/bulkhead-v2-test/deep/er", "bulkhead-v2-relative/it"])
def test_paths_lead_below_the_root(container, path):
    container.config["linux"]["cgroupsPath"] = path
    limit(container, pids={"limit": 50}).sh("sleep 100").up()
    group = group_of(container)
    assert str(group).endswith("/" + path.lstrip("/"))
    container.delete()
    assert not group.exists()
    for above in list(group.parents)[: path.strip("/").count("/")]:
        if above.name.startswith(("bulkhead-v2", "deep")) and above.exists():
            above.rmdir()


def test_numbers_of_events_are_those_of_the_group(container):
    limit(container, memory={"limit": 256 * MIB}, pids={"limit": 33}).sh("sleep 100 & sleep 100; :").up()
    time.sleep(0.3)
    stats = json.loads(container.call("events", "--stats", container.id).out)["data"]
    assert stats["pids"]["current"] == 3 and stats["pids"]["limit"] == 33
    usage = stats["memory"]["usage"]
    assert usage["limit"] == 256 * MIB and 0 < usage["usage"] < 64 * MIB
    assert stats["cpu"]["usage"]["total"] > 0


def test_a_controller_that_is_not_there_stops_the_start(container):
    r = limit(container, network={"classID": 1048577}).sh("true").run()
    assert r.status == 1 and "net_cls" in r.err, r
    assert not (ROOT / container.id).exists()


def test_an_unknown_file_of_unified_stops_the_start(container):
    r = limit(container, unified={"memory.no-such-file": "1"}).sh("true").run()
    assert r.status == 1 and "memory.no-such-file" in r.err, r
    assert not (ROOT / container.id).exists()
