# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: linux.cgroupsPath and linux.resources (but for devices), by effect where a test can see it, else by the kernel's file."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from kit import CGROUPS, controllers, need_controller, need_unified, oci, unified, until

MIB = 1 << 20
V1 = sorted({"memory", "cpu", "cpuset", "pids", "blkio", "devices", "freezer"} & controllers()) or ["unified"]


# ---- cgroupsPath

@pytest.mark.parametrize("controller", V1)
def test_the_container_has_a_cgroup_of_its_own(box, controller):
    box.idle()
    assert box.cgroup(controller) not in (CGROUPS / controller, unified())
    assert str(box.pid) in (box.cgroup(controller) / "cgroup.procs").read_text().split()


@pytest.mark.parametrize("controller", V1)
def test_an_absolute_path(box, controller):
    box.linux["cgroupsPath"] = f"/{box.id}/below"
    box.idle()
    assert box.cgroup(controller) == (unified() if controller == "unified" else CGROUPS / controller) / box.id / "below"


def test_a_relative_path(box):
    box.linux["cgroupsPath"] = f"{box.id}/below"
    box.idle()
    assert str(box.cgroup()).endswith(f"{box.id}/below")


def test_the_same_path_means_the_same_place_again(box):
    box.linux["cgroupsPath"] = box.id + "-group"
    box.idle()
    first = box.cgroup()
    box.delete()
    box.idle()
    assert box.cgroup() == first


def test_without_a_path_two_containers_have_different_cgroups(make):
    a, b = make().idle(), make().idle()
    assert a.cgroup() != b.cgroup()


@pytest.mark.parametrize("path", ["/../../outside", "../outside", "/a/../../../outside"])
def test_a_path_that_leaves_the_hierarchy_is_refused_or_confined(box, path):
    box.linux["cgroupsPath"] = path + box.id
    outside = [CGROUPS / ("outside" + box.id), CGROUPS.parent / ("outside" + box.id)]
    try:
        r = box.args("sleep", "1000").create()
        assert not any(p.exists() for p in outside), "made outside of all hierarchies"
        if r.status == 0:
            assert box.cgroup() not in (CGROUPS / "pids", unified()) and ".." not in str(box.cgroup())
    finally:
        for p in filter(pathlib.Path.exists, outside):
            shutil.rmtree(p)


def test_a_path_that_is_no_text_is_refused(box):
    box.linux["cgroupsPath"] = 5
    box.refused()


@pytest.mark.parametrize("controller", V1)
def test_delete_removes_the_cgroups(box, controller):
    box.linux["cgroupsPath"] = f"/{box.id}"
    box.idle()
    place = box.cgroup(controller)
    assert place.is_dir()
    assert box.delete().status == 0
    assert not place.exists() and box.cgroups() == []


def test_delete_removes_cgroups_that_the_container_made_below(box):
    box.linux["cgroupsPath"] = f"/{box.id}"
    box.idle()
    (box.cgroup() / "nested").mkdir()
    place = box.cgroup()
    assert box.delete().status == 0
    assert not place.exists()


def test_delete_leaves_a_cgroup_that_was_there_before(box):
    need_controller("pids")
    parent = CGROUPS / "pids" / f"{box.id}-parent"
    parent.mkdir()
    try:
        box.linux["cgroupsPath"] = f"/{box.id}-parent/child"
        box.idle()
        assert (parent / "child").is_dir()
        box.delete()
        assert parent.is_dir() and not (parent / "child").exists()
    finally:
        parent.rmdir()


def test_the_cgroup_namespace_hides_the_hosts_path(box):
    seen = box.report()
    assert all(line.split(":")[2] == "/" for line in seen["cgroup"] if set(line.split(":")[1].split(",")) & {*V1,
            ""}), seen["cgroup"]


def test_a_failed_create_leaves_no_cgroup(box):
    box.linux["cgroupsPath"] = f"/{box.id}"
    box.bind("/nothing/there", "/mnt").refused()
    assert box.cgroups() == []


# ---- memory

@pytest.fixture
def memory():
    need_controller("memory")


def test_a_memory_limit_by_its_effect(box, memory):
    box.resources["memory"] = {"limit": 24 * MIB, "swap": 24 * MIB}
    assert box.sh("/probe eat 64; echo $?; /probe eat 8").ran().splitlines()[0] in ("137",)


def test_below_the_limit_nothing_happens(box, memory):
    box.resources["memory"] = {"limit": 64 * MIB}
    assert box.tries("eat", 16)["return"] == 0


@pytest.mark.parametrize("setting,file,value", [
    ({"limit": 32 * MIB}, "memory.limit_in_bytes", str(32 * MIB)),
    ({"limit": 32 * MIB, "reservation": 16 * MIB}, "memory.soft_limit_in_bytes", str(16 * MIB)),
    ({"limit": 32 * MIB, "swap": 64 * MIB}, "memory.memsw.limit_in_bytes", str(64 * MIB)),
    ({"limit": 32 * MIB, "swap": 32 * MIB}, "memory.memsw.limit_in_bytes", str(32 * MIB)),
    ({"swappiness": 20}, "memory.swappiness", "20"), ({"swappiness": 0}, "memory.swappiness", "0"),
    ({"disableOOMKiller": True}, "memory.oom_control", "oom_kill_disable 1"),
    ({"disableOOMKiller": False}, "memory.oom_control", "oom_kill_disable 0"),
    ({"kernelTCP": 8 * MIB}, "memory.kmem.tcp.limit_in_bytes", str(8 * MIB)),
    ({"useHierarchy": True}, "memory.use_hierarchy", "1")], ids=str)
def test_memory_setting(box, memory, setting, file, value):
    box.resources["memory"] = setting
    box.idle()
    assert box.limit("memory", file).splitlines()[0] == value


def test_memory_without_a_limit(box, memory):
    box.resources["memory"] = {"limit": -1, "swap": -1}
    box.idle()
    assert int(box.limit("memory", "memory.limit_in_bytes")) > 1 << 60


def test_the_deprecated_kernel_limit_does_not_hinder(box, memory):
    box.resources["memory"] = {"limit": 32 * MIB, "kernel": 16 * MIB}
    assert box.report()["pid"] == 1


def test_checkBeforeUpdate_is_accepted(box, memory):
    box.resources["memory"] = {"limit": 32 * MIB, "checkBeforeUpdate": True}
    assert box.report()["pid"] == 1


@pytest.mark.parametrize("setting",
                         [{"limit": -2}, {"swappiness": 101}, {"limit": "32M"}, {"limit": 32 * MIB, "swap": 16 * MIB},
                                     {"limit": 1.5}, {"disableOOMKiller": "yes"}], ids=str)
def test_memory_setting_refused(box, memory, setting):
    box.resources["memory"] = setting
    box.refused()


def test_a_small_memory_limit_is_the_containers_alone(box, memory):
    """The runtime's own memory is not the container's: a tiny program starts within a few MiB."""
    box.resources["memory"] = {"limit": 3 * MIB}
    assert box.args("true").run().status == 0


# ---- cpu

@pytest.mark.parametrize("setting,file,value", [
    ({"shares": 512}, "cpu.shares", "512"), ({"quota": 50000, "period": 100000}, "cpu.cfs_quota_us", "50000"),
    ({"quota": 50000, "period": 200000}, "cpu.cfs_period_us", "200000"), ({"quota": -1}, "cpu.cfs_quota_us", "-1"),
    ({"period": 50000}, "cpu.cfs_period_us", "50000"),
    ({"quota": 50000, "period": 100000, "burst": 20000}, "cpu.cfs_burst_us", "20000"), ({"idle": 1}, "cpu.idle", "1"),
    ({"idle": 0}, "cpu.idle", "0")], ids=str)
def test_cpu_setting(box, setting, file, value):
    need_controller("cpu")
    box.resources["cpu"] = setting
    box.idle()
    assert box.limit("cpu", file) == value


def test_a_quota_by_its_effect(box):
    need_controller("cpu")
    box.resources["cpu"] = {"quota": 5000, "period": 50000}
    box.args("/probe", "spin", "1000000").up()  # to its end: a busy host may give it less than its quota for a while
    until(lambda: int(re.search(r"nr_throttled (\d+)", box.limit("cpu", "cpu.stat")).group(1)) > 0)


def test_a_realtime_budget_is_set_or_refused(box):
    need_controller("cpu")
    box.resources["cpu"] = {"realtimeRuntime": 1000, "realtimePeriod": 1000000}
    r = box.args("sleep", "1000").create()
    if r.status != 0:
        pytest.skip("the parent cgroup gives no realtime budget: " + r.err.strip()[-200:])
    assert box.limit("cpu", "cpu.rt_runtime_us") == "1000"


def test_processors_by_effect(box):
    need_controller("cpuset")
    cpu = sorted(os.sched_getaffinity(0))[-1]
    box.resources["cpu"] = {"cpus": str(cpu), "mems": "0"}
    seen = box.report()
    assert seen["affinity"] == [cpu] and seen["status"]["Mems_allowed_list"] == "0"


def test_processors_as_a_list(box):
    need_controller("cpuset")
    if os.cpu_count() < 2:
        pytest.skip("one processor")
    box.resources["cpu"] = {"cpus": "0,1"}
    # What the caller itself was bound to would hold as well.
    assert box.report(preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count())))["affinity"] == [0, 1]


def test_an_exec_stays_on_the_containers_processors(box):
    need_controller("cpuset")
    box.resources["cpu"] = {"cpus": "0"}
    box.idle()
    assert box.reports()["affinity"] == [0]


@pytest.mark.parametrize("setting",
                         [{"cpus": "x"}, {"cpus": "4000"}, {"mems": "900"}, {"quota": 500}, {"period": 1},
                          {"shares": -1},
                                     {"quota": 10000, "burst": 20000, "period": 100000}, {"idle": 7}], ids=str)
def test_cpu_setting_refused(box, setting):
    need_controller("cpu")
    box.resources["cpu"] = setting
    box.refused()


# ---- pids

def test_a_limit_of_processes_by_its_effect(box):
    need_controller("pids")
    box.resources["pids"] = {"limit": 10}
    answer = box.tries("forks", 50)
    assert (answer["made"], answer["errno"]) == (9, 11)


@pytest.mark.parametrize("limit,value", [(10, "10"), (-1, "max"), (1, "1")])
def test_a_limit_of_processes(box, limit, value):
    need_controller("pids")
    box.resources["pids"] = {"limit": limit}
    box.idle()
    assert box.limit("pids", "pids.max") == value


def test_a_limit_of_processes_that_is_no_number_is_refused(box):
    box.resources["pids"] = {"limit": "many"}
    box.refused()


# ---- blockIO

def disk():
    for name in sorted(os.listdir("/sys/block")):
        if name.startswith(("vd", "sd", "nvme", "loop", "zram")):
            return tuple(map(int, open(f"/sys/block/{name}/dev").read().split(":")))
    pytest.skip("no block device")


@pytest.mark.parametrize("field,file", [("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
                                        ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
                                        ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
                                        ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device")])
def test_throttling(box, field, file):
    need_controller("blkio")
    major, minor = disk()
    box.resources["blockIO"] = {field: [{"major": major, "minor": minor, "rate": 123456}]}
    box.idle()
    assert box.limit("blkio", file) == f"{major}:{minor} 123456"


def test_a_weight_is_set_or_refused(box):
    need_controller("blkio")
    box.resources["blockIO"] = {"weight": 300}
    r = box.args("sleep", "1000").create()
    if r.status != 0:
        pytest.skip("no blkio weight in this kernel: " + r.err.strip()[-200:])
    place = box.cgroup("blkio")
    files = [place / f for f in ("blkio.weight", "blkio.bfq.weight") if (place / f).exists()]
    assert any("300" in f.read_text() for f in files), "the weight was forgotten"


@pytest.mark.parametrize("setting",
                         [{"leafWeight": 300}, {"weightDevice": [{"major": 254, "minor": 0, "weight": 200}]}], ids=str)
def test_other_weights_are_set_or_refused(box, setting):
    need_controller("blkio")
    box.resources["blockIO"] = setting
    r = box.args("sleep", "1000").create()
    if r.status != 0:
        pytest.skip("the kernel has no such weight: " + r.err.strip()[-200:])
    text = "".join(f.read_text() for f in box.cgroup("blkio").glob("blkio*weight*"))
    assert re.search("300|200", text), "the weight was forgotten"


@pytest.mark.parametrize("setting",
                         [{"weight": 5000}, {"weight": 70000},
                          {"throttleReadBpsDevice": [{"major": 250, "minor": 99, "rate": 5}]},
                                     {"throttleReadBpsDevice": [{"rate": 5}]}, {"throttleReadBpsDevice": {"rate": 5}}],
                                     ids=str)
def test_block_io_setting_refused(box, setting):
    need_controller("blkio")
    box.resources["blockIO"] = setting
    box.refused()


# ---- hugepageLimits, network, rdma, unified: by file, or refused where the controller is missing

@pytest.fixture
def hugetlb():
    with oci.shared_out("hugetlb"):
        yield


def test_huge_pages_are_limited_or_refused(hugetlb, box):
    size = next((d[10:] for d in os.listdir("/sys/kernel/mm/hugepages") if d.startswith("hugepages-2048kB")), None)
    if not size:
        pytest.skip("no huge pages of 2 MB")
    box.resources["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 * MIB}]
    r = box.args("sleep", "1000").create()
    if r.status != 0:
        assert "huge" in r.err.lower(), r
        return
    texts = []
    for controller in ("hugetlb", "unified"):
        if controller in controllers() or (controller == "unified" and unified()):
            texts += [f.read_text().strip() for f in box.cgroup(controller).glob("hugetlb.2MB.*") if f.name.endswith(("max", "limit_in_bytes"))]
    assert str(4 * MIB) in texts, "the limit was forgotten"


@pytest.mark.parametrize("size", ["3MB", "2mb", "2048", ""])
def test_huge_pages_of_an_impossible_size_are_refused(box, size):
    box.resources["hugepageLimits"] = [{"pageSize": size, "limit": 4 * MIB}]
    box.refused()


@pytest.mark.parametrize("setting,controller",
                         [({"classID": 1048577}, "net_cls"),
                          ({"priorities": [{"name": "lo", "priority": 5}]}, "net_prio")],
                         ids=str)
def test_network_classes_are_set_or_refused(box, setting, controller):
    box.resources["network"] = setting
    r = box.args("sleep", "1000").create()
    if controller not in controllers():
        assert r.status != 0 and controller in r.err, "the setting was forgotten"
    else:
        text = (box.cgroup(controller) / ("net_cls.classid" if controller == "net_cls" else "net_prio.ifpriomap")).read_text()
        assert "1048577" in text or "lo 5" in text


def test_rdma_limits_are_set_or_refused(box):
    box.resources["rdma"] = {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}
    assert "rdma" in box.refused().lower()


@pytest.mark.parametrize("unified", [{"memory.max": "1000000"}, {"pids.max": "10"}, {"nosuch.max": "1"}], ids=str)
def test_settings_of_version_2_are_refused_where_version_1_has_the_controller(box, unified):
    need_controller("memory")
    box.resources["unified"] = unified
    box.refused()


def test_settings_of_version_2_are_applied_to_a_controller_that_is_there(hugetlb, box):
    need_unified("hugetlb")
    box.resources["unified"] = {"hugetlb.2MB.max": str(4 * MIB)}
    r = box.args("sleep", "1000").create()
    if r.status != 0:
        assert "unified" in r.err, r
        return
    assert (box.cgroup("unified") / "hugetlb.2MB.max").read_text().strip() == str(4 * MIB)


@pytest.mark.parametrize("unified", [{"../../x": "1"}, {"/etc/x": "1"}, {"memory.max": 5}, {"": "1"}], ids=str)
def test_names_that_are_no_file_of_a_cgroup_are_refused(box, unified):
    box.resources["unified"] = unified
    box.refused()


# ---- the same on version 2

@pytest.mark.parametrize("controller,setting,file,values", [
    ("memory", {"memory": {"limit": 32 * MIB}}, "memory.max", [str(32 * MIB)]),
    ("memory", {"memory": {"limit": 32 * MIB, "reservation": 16 * MIB}}, "memory.low", [str(16 * MIB)]),
    ("memory", {"memory": {"limit": 32 * MIB, "swap": 48 * MIB}}, "memory.swap.max", [str(16 * MIB)]),
    ("memory", {"memory": {"limit": 32 * MIB, "swap": 32 * MIB}}, "memory.swap.max", ["0"]),
    ("memory", {"memory": {"limit": -1, "swap": -1}}, "memory.max", ["max"]),
    ("cpu", {"cpu": {"shares": 1024}}, "cpu.weight", ["39", "100"]),
    ("cpu", {"cpu": {"quota": 50000, "period": 200000}}, "cpu.max", ["50000 200000"]),
    ("cpu", {"cpu": {"period": 50000}}, "cpu.max", ["max 50000"]),
    ("cpu", {"cpu": {"quota": -1}}, "cpu.max", ["max 100000"]),
    ("cpu", {"cpu": {"quota": 50000, "burst": 20000}}, "cpu.max.burst", ["20000"]),
    ("cpu", {"cpu": {"idle": 1}}, "cpu.idle", ["1"]),
    ("cpuset", {"cpu": {"cpus": "0"}}, "cpuset.cpus", ["0"]), ("cpuset", {"cpu": {"mems": "0"}}, "cpuset.mems", ["0"]),
    ("pids", {"pids": {"limit": 10}}, "pids.max", ["10"]), ("pids", {"pids": {"limit": -1}}, "pids.max", ["max"]),
    ("pids", {"unified": {"pids.max": "11"}}, "pids.max", ["11"]),
    ("memory", {"unified": {"memory.high": str(MIB * 20)}}, "memory.high", [str(MIB * 20)])], ids=str)
def test_setting_of_version_2(box, controller, setting, file, values):
    need_unified(controller)
    box.resources.update(setting)
    box.idle()
    assert box.limit("unified", file) in values


@pytest.mark.parametrize("field,key", [("throttleReadBpsDevice", "rbps"), ("throttleWriteBpsDevice", "wbps"),
                                       ("throttleReadIOPSDevice", "riops"), ("throttleWriteIOPSDevice", "wiops")])
def test_throttling_on_version_2(box, field, key):
    need_unified("io")
    major, minor = disk()
    box.resources["blockIO"] = {field: [{"major": major, "minor": minor, "rate": 123456}]}
    box.idle()
    assert f"{key}=123456" in box.limit("unified", "io.max")


def test_limits_by_their_effect_on_version_2(box):
    need_unified("memory")
    need_unified("pids")
    box.resources.update(memory={"limit": 24 * MIB, "swap": 24 * MIB}, pids={"limit": 10})
    assert box.sh("/probe eat 64; echo $?").ran() == "137\n"
    assert box.tries("forks", 50)["made"] == 9


@pytest.mark.parametrize("setting",
                         [{"memory": {"swappiness": 20}}, {"cpu": {"realtimeRuntime": 1000}},
                          {"unified": {"nosuch.max": "1"}},
                                     {"network": {"classID": 5}}], ids=str)
def test_what_version_2_cannot_do_is_refused(box, setting):
    need_unified("memory")
    box.resources.update(setting)
    box.refused()


# ---- together

def test_limits_hold_for_the_child_processes_and_for_exec(box):
    need_controller("pids")
    box.resources["pids"] = {"limit": 6}
    box.idle()
    assert box.reports("forks", 50)["made"] <= 4


def test_exec_is_in_the_containers_cgroups(box):
    box.idle()
    p = subprocess.Popen(box.command("exec", box.id, "sleep", "1000"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL)
    try:
        until(lambda: len((box.cgroup() / "cgroup.procs").read_text().split()) == 2)
    finally:
        box.kill("KILL")
        p.wait()


def test_resources_of_wrong_types_are_refused(box):
    box.linux["resources"] = []
    box.refused()
