# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups by their effect, through cgroup_tool.c: v1 hierarchies, v2 beside them, and v2 alone where a test needs no controller."""
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import time
import uuid

import pytest

from bundle import shared_out

ROOT = pathlib.Path("/sys/fs/cgroup")
UNIFIED = ROOT / "unified"
TOOL = pathlib.Path(os.environ.get("CGROUP_TOOL", pathlib.Path(__file__).resolve().parents[2] / "build/tests/cgroup_tool"))
PYTHON = "/usr/bin/python3"
HOG = "import sys; b = bytearray(int(sys.argv[1])); b[::4096] = bytes([1]) * len(b[::4096])"

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
              pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")]


def has_v1(controller):
    return (ROOT / controller / "cgroup.procs").exists() and not (ROOT / "cgroup.controllers").exists()


needs_v1 = pytest.mark.skipif(not has_v1("memory"), reason="no v1 hierarchies here")
needs_unified = pytest.mark.skipif(not (UNIFIED / "cgroup.controllers").exists(), reason="no v2 hierarchy beside v1 here")


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    return what()


def command_name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


class Group:
    def __init__(self, folder):
        self.name = f"bulkhead-test-{uuid.uuid4().hex[:8]}"
        self.record = folder / self.name
        self.children = []

    def tool(self, command, *args, record=None):
        return subprocess.run([TOOL, command, record or self.record, *map(str, args)], capture_output=True, text=True, timeout=120)

    def ok(self, command, *args, **kw):
        r = self.tool(command, *args, **kw)
        assert r.returncode == 0, r.stderr
        return r.stdout

    def make(self, resources=None, flags="all", root="-", path=None):
        return self.tool("make", root, path or f"/{self.name}/it", flags, json.dumps(resources or {}))

    def made(self, *args, **kw):
        r = self.make(*args, **kw)
        assert r.returncode == 0, r.stderr
        return self

    def run(self, *command, sub="-"):
        return self.tool("run", sub, *command)

    def start(self, *command, sub="-"):
        p = subprocess.Popen([TOOL, "run", self.record, sub, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.children.append(p)
        # Until the command runs its process may have entered some hierarchies only.
        assert until(lambda: p.poll() is not None or any(command_name(pid) not in ("", TOOL.name) for pid in children(p.pid)))
        return p

    def pids(self):
        return [int(x) for x in self.ok("list").split()]

    def path(self, controller="unified", file=""):
        return ROOT / controller / self.name / "it" / file

    def read(self, controller, file):
        return self.path(controller, file).read_text().strip()

    def folders(self):
        return sorted(d for d, _, _ in os.walk(ROOT) if self.name in d)

    def stats(self):
        return json.loads(self.ok("stats"))

    def clean(self):
        for folder in self.folders():
            for file, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if os.path.exists(f"{folder}/{file}"):
                    pathlib.Path(folder, file).write_text(text)
            for pid in pathlib.Path(folder, "cgroup.procs").read_text().split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for p in self.children:
            p.communicate(timeout=60)
        self.children.clear()
        for folder in sorted(self.folders(), key=len, reverse=True):
            until(lambda: not os.path.exists(folder) or not pathlib.Path(folder, "cgroup.procs").read_text())
            os.rmdir(folder)


@pytest.fixture
def group(tmp_path):
    g = Group(tmp_path)
    yield g
    g.clean()


# ---- making ----

@needs_v1
def test_every_hierarchy_that_is_mounted_gets_a_folder_and_each_path_is_noted_before_it_is_made(group):
    lines = group.made().ok("list") or group.record.read_text().splitlines()
    names = [line.split(":")[1].removeprefix("name=") or "unified" for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    want = {str(ROOT / n / group.name / "it") for n in names if (ROOT / n / "cgroup.procs").exists()}
    assert len(want) > 3
    assert {line.split(" ", 2)[2] for line in lines} == want
    assert all(os.path.isdir(path) for path in want)
    group.ok("remove")
    noted = group.make().stdout.split()
    assert set(noted[1::2]) == want and set(noted[::2]) == {"new"}


@needs_v1
def test_only_what_is_needed_gets_a_folder_when_not_all_is_asked_for(group):
    group.made({"pids": {"limit": 5}}, flags="-")
    assert group.folders() == [str(ROOT / "pids" / group.name), str(group.path("pids"))]


@needs_v1
def test_a_process_stands_in_all_its_groups_and_nowhere_else(group):
    out = group.made().run("cat", "/proc/self/cgroup").stdout.splitlines()
    mounted = [line for line in out if line.startswith("0::") or (ROOT / line.split(":")[1].removeprefix("name=")).exists()]
    assert mounted and all(line.endswith(f":/{group.name}/it") for line in mounted)


def test_a_relative_path_is_below_our_own_group(group):
    own = {line.split(":")[1]: line.split(":", 2)[2] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()}
    group.made(path=f"{group.name}/it", flags="all")
    for line in group.record.read_text().splitlines():
        controllers, tail, path = line.split(" ", 2)
        if controllers != "v2" and os.path.isdir(path[:int(tail)] + own[controllers]):
            assert path[int(tail):] == own[controllers].rstrip("/") + f"/{group.name}/it"


@pytest.mark.parametrize("path", ["/", "..", "/../x", "a/../../b", ""])
def test_a_path_that_names_no_group_is_refused(group, path):
    r = group.tool("make", "-", path, "all", "{}")
    assert r.returncode == 1 and r.stderr.startswith("cgroup.path: ")


def test_a_group_that_is_in_use_is_refused_unless_it_may_exist(group):
    group.made().start("sleep", "100")
    before = group.folders()
    r = group.make()
    assert r.returncode == 1 and r.stderr.startswith("cgroup.busy: ") and group.name in r.stderr
    assert group.folders() == before and len(group.pids()) == 1
    assert group.make(flags="all,exist").returncode == 0
    assert len(group.pids()) == 1


@needs_v1
def test_an_empty_group_that_was_left_behind_is_made_anew_without_its_old_limits(group):
    group.made({"pids": {"limit": 7}})
    assert group.read("pids", "pids.max") == "7"
    group.made()
    assert group.read("pids", "pids.max") == "max"


@needs_v1
def test_a_group_made_before_keeps_its_limits_when_it_may_exist(group):
    group.made({"pids": {"limit": 7}})
    group.made({"cpu": {"shares": 300}}, flags="all,exist")
    assert group.read("pids", "pids.max") == "7" and group.read("cpu", "cpu.shares") == "300"


def test_a_frozen_group_is_refused_instead_of_standing_still_in_it(group):
    group.made().ok("freeze")
    r = group.make(flags="all,exist")
    assert r.returncode == 1 and r.stderr.startswith("cgroup.frozen: ")


@needs_v1
def test_a_refused_value_names_file_value_pointer_and_controller_and_leaves_nothing(group):
    r = group.make({"memory": {"limit": 1 << 30}, "cpu": {"shares": 100, "cpus": "4000"}})
    assert r.returncode == 1 and r.stderr.startswith("cgroup.refused: ")
    assert '"4000"' in r.stderr and f"/{group.name}/it/cpuset.cpus" in r.stderr and "/cpu/cpus" in r.stderr and "cpuset controller" in r.stderr
    assert not [f for f in group.folders() if f.endswith("/it")]


@needs_v1
def test_a_controller_that_is_nowhere_is_named(group):
    r = group.make({"rdma": {"x": {"hcaHandles": 1}}})
    if "rdma" in pathlib.Path("/proc/cgroups").read_text():
        pytest.skip("this kernel has the rdma controller")
    assert r.returncode == 1 and r.stderr.startswith("cgroup.controller: ") and "/rdma/x" in r.stderr and not group.folders()


# ---- limits, by what they do ----

@needs_v1
def test_who_takes_more_memory_than_allowed_is_killed_and_who_does_not_lives(group):
    group.made({"memory": {"limit": 40 << 20, "swap": 40 << 20}})
    assert group.run(PYTHON, "-c", HOG, str(8 << 20)).returncode == 0
    assert group.run(PYTHON, "-c", HOG, str(120 << 20)).returncode == 128 + signal.SIGKILL


@needs_v1
def test_lack_of_memory_is_reported(group):
    group.made({"memory": {"limit": 20 << 20, "swap": 20 << 20}})
    watcher = subprocess.Popen([TOOL, "oom", group.record], stdout=subprocess.PIPE, text=True)
    group.children.append(watcher)
    assert watcher.stdout.readline() == "watching\n"
    group.run(PYTHON, "-c", HOG, str(100 << 20))
    assert int(watcher.stdout.readline()) >= 1


@needs_v1
def test_watching_for_lack_of_memory_ends_with_the_group(group):
    group.made()
    watcher = subprocess.Popen([TOOL, "oom", group.record], stdout=subprocess.PIPE, text=True)
    group.children.append(watcher)
    assert watcher.stdout.readline() == "watching\n"
    group.ok("remove")
    assert int(watcher.stdout.readline()) < 0


@needs_v1
def test_more_processes_than_allowed_are_refused(group):
    script = "import os\nn = 0\ntry:\n    while os.fork():\n        n += 1\n    else:\n        import time; time.sleep(60)\nexcept BlockingIOError:\n    print(n)"
    group.made({"pids": {"limit": 6}})
    p = group.start(PYTHON, "-c", script)
    assert p.stdout.readline() == "5\n"


@needs_v1
def test_a_quota_of_cpu_time_throttles(group):
    group.made({"cpu": {"quota": 5000, "period": 50000}})
    group.start(PYTHON, "-c", "while True: pass")
    # The kernel counts a period when it ends and the time when the group may go on: each has its own moment.
    for counter in ("throttledPeriods", "throttledTime"):
        assert until(lambda: group.stats()["cpu"]["throttling"][counter] > 0), counter
    assert group.stats()["cpu"]["usage"]["total"] > 0


@needs_v1
def test_a_set_of_cpus_binds_and_what_is_not_said_is_taken_from_above(group):
    group.made({"cpu": {"cpus": "0"}})
    assert re.search(r"Cpus_allowed_list:\s+0$", group.run("cat", "/proc/self/status").stdout, re.M)
    assert group.read("cpuset", "cpuset.mems") == (ROOT / "cpuset/cpuset.mems").read_text().strip()


@needs_v1
def test_weights_and_shares_are_written(group):
    group.made({"cpu": {"shares": 512}, "blockIO": {"weight": 200}, "memory": {"reservation": 8 << 20, "swappiness": 10, "disableOOMKiller": True}})
    assert group.read("cpu", "cpu.shares") == "512" and group.read("memory", "memory.swappiness") == "10"
    assert group.read("memory", "memory.soft_limit_in_bytes") == str(8 << 20) and "oom_kill_disable 1" in group.read("memory", "memory.oom_control")
    weights = [group.read("blkio", f) for f in ("blkio.bfq.weight", "blkio.weight") if group.path("blkio", f).exists()]
    assert weights == ["200"]


@needs_unified
def test_keys_of_unified_are_written_and_their_controller_is_enabled(group):
    if "hugetlb" not in (UNIFIED / "cgroup.controllers").read_text():
        pytest.skip("no controller in v2 here")
    with shared_out("hugetlb"):
        group.made({"unified": {"hugetlb.2MB.max": "4194304", "cgroup.max.depth": "3"}, "hugepageLimits": []})
        assert group.read("unified", "hugetlb.2MB.max") == "4194304" and group.read("unified", "cgroup.max.depth") == "3"
        group.made({"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]})
        assert group.read("unified", "hugetlb.2MB.max") == "2097152" == group.read("unified", "hugetlb.2MB.rsvd.max")
        assert "2MB" in group.stats()["hugetlb"]
        group.clean()


@needs_unified
def test_a_controller_that_v1_has_is_not_sought_in_v2(group):
    r = group.make({"unified": {"memory.high": "1000000"}})
    assert r.returncode == 1 and r.stderr.startswith("cgroup.controller: ") and "/unified/memory.high" in r.stderr and "v1" in r.stderr


# ---- devices ----

NULL, ZERO, KMSG = (1, 3), (1, 5), (1, 11)
OPEN = r"""
try() {
    letter=$1; shift
    if said=$( ("$@") 2>&1 ); then
        printf %s "$letter"
    else
        case $said in *"Operation not permitted") ;; *) echo "$said" >&2; exit 1 ;; esac
    fi
}
read_it() { exec 3<"$1"; }
write_it() { exec 3>>"$1"; }
try m mknod -m 600 "$1" c "$2" "$3" && try r read_it "$4" && try w write_it "$4"
"""


def access(group, tmp_path, device):
    """What of m, r and w a process of the group may do with a device; r and w are tried on a node that stands already."""
    node, fresh = tmp_path / f"node-{uuid.uuid4().hex}", tmp_path / f"fresh-{uuid.uuid4().hex}"
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(*device))
    r = group.run("/bin/busybox", "sh", "-c", OPEN, "sh", str(fresh), str(device[0]), str(device[1]), str(node))
    assert r.returncode == 0, r.stderr
    return r.stdout.strip()


def rule(allow, access="rwm", **kw):
    return {"allow": allow, "access": access, **kw}


def device_places():
    return [pytest.param("-", "devices", marks=needs_v1, id="v1"), pytest.param(str(UNIFIED), "unified", marks=needs_unified, id="v2")]


@pytest.mark.parametrize("root, _", device_places())
def test_devices_are_refused_unless_a_rule_allows_them(group, tmp_path, root, _):
    group.made(flags="all,closed", root=root)
    assert access(group, tmp_path, NULL) == ""
    group.ok("remove")
    group.made(flags="all,closed,default", root=root)
    assert access(group, tmp_path, NULL) == "mrw" and access(group, tmp_path, KMSG) == "m"


@pytest.mark.parametrize("root, _", device_places())
def test_the_last_rule_that_speaks_of_an_access_decides(group, tmp_path, root, _):
    group.made({"devices": [rule(False), rule(True, type="c", major=1, minor=3), rule(True, "r", type="c", major=1, minor=5),
                            rule(True, type="c", major=1, minor=11), rule(False, "w", type="c", major=1)]}, flags="all,closed", root=root)
    assert access(group, tmp_path, NULL) == "mr"
    assert access(group, tmp_path, ZERO) == "r"
    assert access(group, tmp_path, KMSG) == "mr"


@pytest.mark.parametrize("root, _", device_places())
def test_all_but_one_can_be_allowed(group, tmp_path, root, _):
    group.made({"devices": [rule(True), rule(False, type="c", major=1, minor=11)]}, flags="all,closed", root=root)
    assert access(group, tmp_path, ZERO) == "mrw" and access(group, tmp_path, KMSG) == ""


@pytest.mark.parametrize("root, _", device_places())
def test_an_update_of_device_rules_takes_the_place_of_those_before(group, tmp_path, root, _):
    group.made({"devices": [rule(True, type="c", major=1, minor=3)]}, flags="all,closed", root=root)
    for _ in range(3):
        group.ok("update", json.dumps({"devices": [rule(True, type="c", major=1, minor=5)]}))
        assert access(group, tmp_path, NULL) == "" and access(group, tmp_path, ZERO) == "mrw"
        group.ok("update", json.dumps({"devices": [rule(True), rule(False, "w", type="c", major=1, minor=3)]}))
        assert access(group, tmp_path, NULL) == "mr" and access(group, tmp_path, ZERO) == "mrw"


@needs_v1
@needs_unified
def test_what_the_list_of_v1_cannot_say_is_said_to_v2_beside_it(group, tmp_path):
    group.made({"devices": [rule(True, type="c", major=1), rule(False, "w", type="c", major=1, minor=5)]}, flags="all,closed")
    assert access(group, tmp_path, NULL) == "mrw" and access(group, tmp_path, ZERO) == "mr"


# ---- living groups ----

@needs_v1
def test_memory_limits_are_raised_and_lowered_in_the_right_order(group):
    group.made({"memory": {"limit": 30 << 20, "swap": 40 << 20}})
    for limit, swap in ((100 << 20, 120 << 20), (10 << 20, 10 << 20), (50 << 20, 50 << 20), (-1, -1), (20 << 20, 30 << 20), (-1, None)):
        memory = {"limit": limit} if swap is None else {"limit": limit, "swap": swap}
        group.ok("update", json.dumps({"memory": memory}))
        have = [int(group.read("memory", f"memory.{f}limit_in_bytes")) for f in ("", "memsw.")]
        want = [limit, limit if swap is None else swap]
        assert [h > 1 << 60 if w == -1 else h == w for h, w in zip(have, want)] == [True, True], (have, want)


@needs_v1
def test_quota_period_and_burst_change_together_in_either_direction(group):
    group.made({"cpu": {"quota": 20000, "period": 100000, "burst": 20000}})
    for quota, period, burst in ((5000, 10000, 1000), (90000, 100000, 90000), (1000, 2000, 0), (-1, 100000, 0)):
        group.ok("update", json.dumps({"cpu": {"quota": quota, "period": period, "burst": burst}}))
        assert [group.read("cpu", f"cpu.cfs_{f}_us") for f in ("quota", "period", "burst")] == [str(quota), str(period), str(burst)]


@needs_v1
def test_a_limit_below_what_is_in_use_is_refused_and_says_so(group):
    group.made()
    p = group.start(PYTHON, "-c", HOG + "; print('ready', flush=True); sys.stdin.read()", str(50 << 20))
    r = None
    if p.stdout.readline() == "ready\n":
        r = group.tool("update", json.dumps({"memory": {"limit": 4096 * 64, "swap": 4096 * 64}}))
    # With swap or reclaim the kernel may find room; a process of anonymous memory without swap stays.
    assert r is not None and (r.returncode == 1) == (int(group.read("memory", "memory.limit_in_bytes")) > 1 << 20)
    assert r.returncode == 0 or ("memory.limit_in_bytes" in r.stderr and "in use" in r.stderr)


def counter():
    return (PYTHON, "-uc", "import time\nn = 0\nwhile True:\n    n += 1; print(n); time.sleep(0.01)")


@pytest.mark.parametrize("root", [pytest.param("-", marks=needs_v1, id="hybrid"), pytest.param(str(UNIFIED), marks=needs_unified, id="v2")])
def test_what_is_frozen_stands_still_until_it_is_thawed(group, root):
    group.made(root=root)
    p = group.start(*counter())
    assert p.stdout.readline() == "1\n" and group.ok("frozen") == "no\n"
    group.ok("freeze")
    assert group.ok("frozen") == "yes\n"
    os.set_blocking(p.stdout.fileno(), False)
    while p.stdout.read(4096):
        pass
    time.sleep(0.2)
    assert not p.stdout.read(4096)
    group.ok("thaw")
    assert group.ok("frozen") == "no\n" and until(lambda: p.stdout.read(4096))


@needs_v1
def test_a_group_that_only_v1_holds_is_frozen_killed_and_removed_as_well(group):
    """The record without its v2 line is what a host with v1 alone has."""
    group.made()
    lines = group.record.read_text().splitlines(keepends=True)
    os.rmdir(group.path("unified")) if group.path("unified").exists() else None
    group.record.write_text("".join(line for line in lines if not line.startswith("v2 ")))
    p = group.start(*counter())
    group.ok("freeze")
    assert group.read("freezer", "freezer.state") == "FROZEN" and group.ok("frozen") == "yes\n"
    group.ok("kill")
    assert p.wait(60) == 128 + signal.SIGKILL and not group.pids()
    group.ok("remove")
    assert not [f for f in group.folders() if f.endswith("/it")]


@pytest.mark.parametrize("root", [pytest.param("-", marks=needs_v1, id="hybrid"), pytest.param(str(UNIFIED), marks=needs_unified, id="v2")])
def test_a_frozen_group_dies_when_it_is_killed(group, root):
    group.made(root=root)
    p = group.start("sleep", "100")
    group.ok("freeze")
    group.ok("kill")
    assert p.wait(60) == 128 + signal.SIGKILL and not group.pids()


FORKS = "import os, time\nend = time.time() + 30\nwhile time.time() < end:\n    try:\n        if os.fork(): os._exit(0)\n    except OSError: pass"


@needs_v1
@pytest.mark.parametrize("v2", [True, False])
def test_who_forks_all_the_time_does_not_get_away(group, v2):
    group.made({"pids": {"limit": 40}})
    if not v2:
        lines = group.record.read_text().splitlines(keepends=True)
        group.record.write_text("".join(line for line in lines if not line.startswith("v2 ")))
    for _ in range(3):
        group.start(PYTHON, "-c", FORKS)
    group.ok("kill")
    assert not group.pids()
    group.ok("remove") if v2 else None


def test_a_signal_reaches_all_and_those_in_sub_groups(group):
    group.made()
    for f in group.folders():
        if f.endswith("/it"):
            os.makedirs(f"{f}/below/deeper")
    for file in ("cpuset.cpus", "cpuset.mems"):
        for below in ("below", "below/deeper"):
            if group.path("cpuset", file).exists():
                group.path("cpuset", f"{below}/{file}").write_text(group.read("cpuset", file))
    a = group.start("sleep", "100")
    b = subprocess.Popen([TOOL, "run", group.record, "below/deeper", "sleep", "100"])
    group.children.append(b)
    assert until(lambda: sorted(map(command_name, group.pids())) == ["sleep", "sleep"])
    assert group.ok("signal", signal.SIGUSR1) == "2\n"
    assert a.wait(60) == b.wait(60) == 128 + signal.SIGUSR1
    group.ok("remove")
    assert not [f for f in group.folders() if "/it" in f]


def test_a_process_is_put_into_the_group_and_below_it(group):
    group.made()
    p = subprocess.Popen(["sleep", "100"])
    group.children.append(p)
    group.ok("attach", "-", p.pid)
    assert group.pids() == [p.pid]
    r = group.tool("attach", "below", p.pid)
    assert r.returncode == 1 and r.stderr.startswith("cgroup.refused: ") and "below" in r.stderr
    for bad in ("..", "../x", "/", "a/../../b", ""):
        assert group.tool("attach", bad, p.pid).stderr.startswith("cgroup.path: ")


def test_a_group_with_a_process_in_it_is_not_removed_and_says_why(group):
    group.made().start("sleep", "100")
    r = group.tool("remove", 100)
    assert r.returncode == 1 and r.stderr.startswith("cgroup.remove: ") and "still" in r.stderr
    group.ok("kill")
    group.ok("remove")
    assert not [f for f in group.folders() if f.endswith("/it")]
    group.ok("remove")  # what is gone is removed


@needs_v1
def test_numbers_of_use_are_those_of_the_group(group, tmp_path):
    group.made({"memory": {"limit": 64 << 20}, "pids": {"limit": 9}})
    p = group.start(PYTHON, "-c", HOG + "; print('ready', flush=True); import time; time.sleep(100)", str(20 << 20))
    assert p.stdout.readline() == "ready\n"
    s = group.stats()
    assert s["memory"]["usage"]["limit"] == 64 << 20 and 20 << 20 < s["memory"]["usage"]["usage"] < 64 << 20
    assert s["pids"] == {"current": 1, "limit": 9}
    assert s["cpu"]["usage"]["total"] > 0 and len(s["cpu"]["usage"]["percpu"]) >= os.cpu_count()
    assert s["memory"]["raw"]["rss"] > 20 << 20


@needs_unified
def test_v2_alone_has_numbers_and_pressure(group):
    group.made(root=UNIFIED)
    group.run(PYTHON, "-c", "sum(range(2000000))")
    s = group.stats()
    assert s["cpu"]["usage"]["total"] > 0 and s["cpu"]["usage"]["user"] + s["cpu"]["usage"]["kernel"] <= s["cpu"]["usage"]["total"] * 1.01 + 20000
    if group.path("unified", "cpu.pressure").exists():
        assert set(s["cpu"]["psi"]) >= {"some"} and set(s["cpu"]["psi"]["some"]) == {"avg10", "avg60", "avg300", "total"}


@needs_unified
def test_only_what_may_be_delegated_changes_its_owner(group):
    group.made().ok("delegate", 1234)
    files = pathlib.Path("/sys/kernel/cgroup/delegate").read_text().split()
    owned = {f.name for f in group.path("unified").iterdir() if f.stat().st_uid == 1234}
    assert group.path("unified").stat().st_uid == 1234 and "cgroup.procs" in owned
    assert owned == {f for f in files if group.path("unified", f).exists()}
    assert group.path("pids").stat().st_uid == 0 if group.path("pids").exists() else True


@needs_unified
def test_beside_a_process_one_enters_below_a_group_that_shares_out(group):
    """exec into a container whose first process has moved on into a sub-group."""
    if "hugetlb" not in (UNIFIED / "cgroup.controllers").read_text():
        pytest.skip("no controller in v2 here")
    with shared_out("hugetlb"):
        group.made({"unified": {"hugetlb.2MB.max": "0"}}, root=UNIFIED)
        first = group.start("sleep", "100")
        pid, = group.pids()
        group.path("unified", "init").mkdir()
        group.path("unified", "init/cgroup.procs").write_text(str(pid))
        group.path("unified", "cgroup.subtree_control").write_text("+hugetlb")
        r = group.run("cat", "/proc/self/cgroup")
        assert r.returncode != 0 and "busy" in r.stderr
        assert f"0::/{group.name}/it/init\n" in group.run("cat", "/proc/self/cgroup", sub=f"@{pid}").stdout
        # A process that stands elsewhere leads nowhere else.
        assert group.run("cat", "/proc/self/cgroup", sub=f"@{os.getpid()}").returncode != 0
        assert first.poll() is None
        group.clean()


# ---- without rights ----

@needs_unified
def test_a_user_with_a_delegated_folder_gets_limits_without_touching_what_is_above_it(group):
    if "hugetlb" not in (UNIFIED / "cgroup.controllers").read_text():
        pytest.skip("no controller in v2 here")
    with shared_out("hugetlb"):
        group.made({"unified": {"hugetlb.2MB.max": "8388608"}}, root=UNIFIED, path=f"/{group.name}/theirs")
        for file in ("", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(UNIFIED / group.name / "theirs" / file, 65534, 65534)
        os.chmod(group.record.parent, 0o777)
        for parent in list(group.record.parents)[1:3]:
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
        r = subprocess.run([TOOL, "make", f"{group.record}-2", UNIFIED, f"/{group.name}/theirs/web/it", "all,rootless", '{"unified": {"hugetlb.2MB.max": "2097152"}}'],
                           capture_output=True, text=True, user=65534, group=65534, extra_groups=[])
        assert r.returncode == 0, r.stderr
        assert (UNIFIED / group.name / "theirs/web/it/hugetlb.2MB.max").read_text() == "2097152\n"
        group.clean()


def test_without_rights_the_error_says_what_it_takes_and_a_rootless_container_goes_without(group):
    def unprivileged(flags, resources="{}"):
        return subprocess.run([TOOL, "make", group.record, "-", f"/{group.name}/it", flags, resources], capture_output=True, text=True,
                              user=65534, group=65534, extra_groups=[])
    os.chmod(group.record.parent, 0o777)
    for parent in list(group.record.parents)[1:3]:
        os.chmod(parent, os.stat(parent).st_mode | 0o011)
    r = unprivileged("all")
    assert r.returncode == 1 and r.stderr.startswith("cgroup.refused: ") and "root" in r.stderr
    r = unprivileged("all,rootless")
    assert r.returncode == 0 and group.record.read_text() == "", r.stderr
    r = unprivileged("all,rootless", '{"pids": {"limit": 5}}')
    assert r.returncode == 1 and "cgroup." in r.stderr and "/pids/limit" in r.stderr
