# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the control group of a run shares out: weights, memory, CPUs, disks, devices; on v1, v2 and both."""
import errno
import os
import stat
import tempfile

import pytest

# Prints the file of the payload's own group: of the v1 controller, or else of v2.
LOOK = """import os, sys
controller, old, new = sys.argv[1:]
groups = {}
for line in open("/proc/self/cgroup"):
    _, names, path = line.rstrip("\\n").split(":", 2)
    groups.update((n, (names, path)) for n in names.split(","))
if controller in groups:
    names, path = groups[controller]
    folder, name = f"/sys/fs/cgroup/{controller}{path}", old
else:
    root = "/sys/fs/cgroup/unified" if os.path.exists("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
    folder, name = root + groups[""][1], new
print(open(f"{folder}/{name}").read().strip())"""


def on_v1(controller):
    with open("/proc/self/cgroup") as f:
        return any(controller in line.split(":")[1].split(",") for line in f)


def look(box, properties, controller, old, new):
    return box.good(properties, "python3", "-IS", "-c", LOOK, controller, old, new).strip()


def has_controller(name):
    if on_v1(name):
        return True
    try:
        with open("/sys/fs/cgroup/cgroup.controllers") as f:
            return name in f.read().split()
    except OSError:
        return False


def need(controller):
    if not has_controller(controller):
        pytest.skip(f"no {controller} controller")


def test_cpu_weight(box):
    need("cpu")
    for weight, shares in ((100, 1024), (1, 10), (300, 3072)):
        assert look(box, f"CPUWeight={weight}", "cpu", "cpu.shares", "cpu.weight") == str(shares if on_v1("cpu") else weight)
    assert look(box, "CPUWeight=300\nCPUWeight=", "cpu", "cpu.shares", "cpu.weight") in ("1024", "100")
    assert look(box, "CPUWeight=idle", "cpu", "cpu.idle", "cpu.idle") == "1"


def test_cpu_quota_period(box):
    need("cpu")
    for period, want in (("10ms", (5000, 10000)), ("", (50000, 100000)), ("1us", (1000, 2000)), ("1min", (500000, 1000000))):
        properties = f"CPUQuota=50%\nCPUQuotaPeriodSec={period}"
        if on_v1("cpu"):
            got = tuple(int(look(box, properties, "cpu", f"cpu.cfs_{n}_us", "")) for n in ("quota", "period"))
        else:
            got = tuple(map(int, look(box, properties, "cpu", "", "cpu.max").split()))
        assert got == want, period


def test_the_cpus_of_the_group_cannot_be_left(box):
    need("cpuset")
    there = sorted(os.sched_getaffinity(0))
    if len(there) < 2:
        pytest.skip("one CPU")
    script = "import os; os.sched_setaffinity(0, range(%d)); print(sorted(os.sched_getaffinity(0)))" % (there[-1] + 1)
    assert box.good("", "python3", "-IS", "-c", script).strip() == str(there)
    assert box.good(f"AllowedCPUs={there[1]}", "python3", "-IS", "-c", script).strip() == str(there[1:2])
    assert box.good(f"AllowedCPUs={there[0]}\nAllowedCPUs={there[1]}", "python3", "-IS", "-c", script).strip() == str(there[:2])
    assert box.good(f"AllowedCPUs={there[0]}\nAllowedCPUs=", "python3", "-IS", "-c", script).strip() == str(there)
    r = box.run("AllowedCPUs=8000", "true")
    assert r.status == 219 and "AllowedCPUs=8000" in r.err


def test_memory_nodes(box):
    need("cpuset")
    assert box.shell("AllowedMemoryNodes=0", "grep Mems_allowed_list /proc/self/status").out.split() == ["Mems_allowed_list:", "0"]
    r = box.run("AllowedMemoryNodes=900", "true")
    assert r.status == 219 and "AllowedMemoryNodes=900" in r.err


@pytest.mark.parametrize("assignment, file, value", [("MemoryHigh=64M", "memory.high", "67108864"), ("MemoryLow=1M", "memory.low", "1048576"),
                                                     ("MemoryMin=1M", "memory.min", "1048576"), ("MemoryHigh=infinity", "memory.high", "max")])
def test_memory(box, assignment, file, value):
    need("memory")
    if on_v1("memory"):
        r = box.run(assignment, "true")
        assert r.status == 219 and assignment in r.err and "v1" in r.err and "hint" in r.err
    else:
        assert look(box, assignment, "memory", "", file) == value


def test_swap(box):
    need("memory")
    if not on_v1("memory"):
        assert look(box, "MemorySwapMax=1M", "memory", "", "memory.swap.max") == "1048576"
        return
    assert look(box, "MemoryMax=64M\nMemorySwapMax=1M", "memory", "memory.memsw.limit_in_bytes", "") == str(65 << 20)
    assert look(box, "MemoryMax=64M\nMemorySwapMax=0", "memory", "memory.memsw.limit_in_bytes", "") == str(64 << 20)
    assert look(box, "MemoryMax=64M\nMemorySwapMax=infinity", "memory", "memory.limit_in_bytes", "") == str(64 << 20)
    r = box.run("MemorySwapMax=1M", "true")
    assert r.status == 219 and "MemorySwapMax=1M" in r.err and "add a limit of memory" in r.err


# ---- disks ----

def disk():
    """A disk of this host: its node and its numbers; else none."""
    st = os.stat("/")
    for name in sorted(os.listdir("/sys/block")):
        if name.startswith(("loop", "ram", "zram")) or not os.path.exists(f"/dev/{name}"):
            continue
        with open(f"/sys/block/{name}/dev") as f:
            return f"/dev/{name}", f.read().strip(), st
    pytest.skip("no disk")


IO = [("IOReadBandwidthMax", "read_bps", "rbps", "5M", 5000000), ("IOWriteBandwidthMax", "write_bps", "wbps", "1G", 1000000000),
      ("IOReadIOPSMax", "read_iops", "riops", "1K", 1000), ("IOWriteIOPSMax", "write_iops", "wiops", "77", 77)]


@pytest.mark.parametrize("directive, old, new, word, number", IO)
def test_rates(box, directive, old, new, word, number):
    need("blkio" if on_v1("blkio") else "io")
    node, numbers, _ = disk()
    controller = "blkio" if on_v1("blkio") else "io"
    got = look(box, f"{directive}={node} 1\n{directive}={node} {word}", controller, f"blkio.throttle.{old}_device", "io.max")
    assert got == f"{numbers} {number}" if controller == "blkio" else got.startswith(numbers) and f"{new}={number}" in got
    assert look(box, f"{directive}={node} infinity", controller, f"blkio.throttle.{old}_device", "io.max") == ""
    assert look(box, f"{directive}={node} 5\n{directive}=\nTasksMax=50\nIOReadIOPSMax={node} 9", controller, f"blkio.throttle.{old}_device", "io.max") in (
        "", f"{numbers} 9", f"{numbers} rbps=max wbps=max riops=9 wiops=max")


@pytest.fixture
def on_disk():
    """The folders of tests may lie in memory."""
    with tempfile.NamedTemporaryFile(prefix="bulkhead-e2e-", dir="/var/tmp") as f:
        f.write(bytes(2 << 20))
        f.flush()
        os.fsync(f.fileno())
        yield f.name


def test_rates_have_their_effect(box, on_disk):
    """Read past the cache, twice as much as a second allows takes a second at least."""
    need("blkio" if on_v1("blkio") else "io")
    node, numbers, st = disk()
    if f"{os.major(st.st_dev)}:{os.minor(st.st_dev)}" != numbers:
        pytest.skip("/ is not on it")
    script = f"""import os, mmap, time
fd = os.open("{on_disk}", os.O_RDONLY | os.O_DIRECT)
page = mmap.mmap(-1, 65536)
begin = time.monotonic()
for i in range(32):
    os.preadv(fd, [page], i * 65536)
print(time.monotonic() - begin)"""
    r = box.run("", "python3", "-IS", "-c", script)
    if r.status:
        pytest.skip(f"no direct reading: {r.err}")
    assert float(box.good(f"IOReadBandwidthMax={node} 1M", "python3", "-IS", "-c", script)) > 0.9


def test_disks_by_a_file_on_them(box):
    need("blkio" if on_v1("blkio") else "io")
    node, numbers, st = disk()
    if f"{os.major(st.st_dev)}:{os.minor(st.st_dev)}" != numbers:
        pytest.skip("/ is not on it")
    got = look(box, "IOReadIOPSMax=/ 55", "blkio" if on_v1("blkio") else "io", "blkio.throttle.read_iops_device", "io.max")
    assert got.startswith(numbers) and "55" in got


@pytest.mark.parametrize("path", ["/proc", "/nonexist", "/dev/null"])
def test_what_is_no_disk(box, path):
    r = box.run(f"IOReadBandwidthMax={path} 1M", "true")
    assert r.status == 219 and f"IOReadBandwidthMax={path} 1M" in r.err and "cgroup.device" in r.err
    r = box.call("run", "-P", "--lenient", "-p", f"IOReadBandwidthMax={path} 1M", "true")
    assert r.status == 0 and f"note: IOReadBandwidthMax={path} 1M: not applied" in r.err


def test_disk_weights(box):
    """Where no disk scheduler knows shares, the error says which file is missing."""
    controller = "blkio" if on_v1("blkio") else "io"
    need(controller)
    node, numbers, _ = disk()
    for assignment, old, new in (("IOWeight=200", "blkio.bfq.weight", "io.weight"), (f"IODeviceWeight={node} 200", "blkio.bfq.weight_device", "io.weight")):
        r = box.run(assignment, "python3", "-IS", "-c", LOOK, controller, old, new)
        if r.status == 0:
            assert "109" in r.out or "200" in r.out or "1000" in r.out, r
        else:
            assert r.status == 219 and assignment in r.err and "weight" in r.err, r


# ---- devices ----

def opens(box, properties, path):
    return box.access(properties, path)[path]["read"]


@pytest.fixture
def node(box):
    """A node of a driver that is not of the closed set: mem's kmsg is in each kernel."""
    st = os.stat("/dev/kmsg")
    assert stat.S_ISCHR(st.st_mode)
    path = box.data / "kmsg"
    os.mknod(path, stat.S_IFCHR | 0o666, st.st_rdev)
    return str(path)


def test_device_policy(box, node):
    assert opens(box, "", node) == 0
    assert opens(box, "DevicePolicy=auto", node) == 0
    assert opens(box, "DevicePolicy=closed", node) == 1
    assert opens(box, "DevicePolicy=closed", "/dev/null") == 0 and opens(box, "DevicePolicy=closed", "/dev/urandom") == 0
    assert opens(box, "DevicePolicy=strict", node) == 1 and opens(box, "DevicePolicy=strict", "/dev/null") == 1
    assert opens(box, "DevicePolicy=strict\nDevicePolicy=", node) == 0


def test_device_allow(box, node):
    assert opens(box, "DeviceAllow=/dev/kmsg", node) == 0
    assert opens(box, "DeviceAllow=/dev/null", node) == 1, "a list closes the rest"
    assert opens(box, "DeviceAllow=/dev/tty rw", "/dev/zero") == 0
    assert opens(box, "DevicePolicy=strict\nDeviceAllow=/dev/zero r", "/dev/zero") == 0
    assert opens(box, "DevicePolicy=strict\nDeviceAllow=/dev/zero r", "/dev/null") == 1
    got = box.access("DevicePolicy=strict\nDeviceAllow=/dev/zero r", "/dev/zero")["/dev/zero"]
    assert got["read"] == 0 and got["write"] == 1
    assert opens(box, "DevicePolicy=strict\nDeviceAllow=char-mem r", node) == 0
    assert opens(box, "DevicePolicy=strict\nDeviceAllow=char-m?m r", node) == 0
    assert opens(box, "DevicePolicy=strict\nDeviceAllow=char-tty*", node) == 1
    assert opens(box, "DeviceAllow=/dev/kmsg\nDeviceAllow=", node) == 0


def test_making_nodes(box):
    make = f"mknod {box.data}/new c 1 3 && rm {box.data}/new"
    assert box.shell("DevicePolicy=closed", make).status == 0
    assert box.shell("DevicePolicy=strict\nDeviceAllow=/dev/null rw", make).status != 0
    assert box.shell("DevicePolicy=strict\nDeviceAllow=/dev/null m", make).status == 0


def test_private_devices_and_policies(box, node):
    for policy, null in (("auto", 0), ("closed", 0), ("strict", 1)):
        got = box.access(f"PrivateDevices=yes\nDevicePolicy={policy}", "/dev/null", node)
        assert got["/dev/null"]["read"] == null and got[node]["read"] == 1, policy
    assert opens(box, "PrivateDevices=yes\nDeviceAllow=/dev/kmsg r", node) == 0


def test_devices_that_are_not_there(box):
    for device in ("/dev/no-such-device", "/dev/shm"):
        r = box.run(f"DeviceAllow={device}", "true")
        assert r.status == 219 and f"DeviceAllow={device}" in r.err and "cgroup.device" in r.err
        r = box.call("run", "-P", "--lenient", "-p", f"DeviceAllow={device}", "true")
        assert r.status == 0 and f"note: DeviceAllow={device}: not applied" in r.err


def test_drivers_that_this_host_has_not_allow_nothing(box, node):
    for driver in ("char-nosuchdriver", "block-nosuch*"):
        r = box.call("run", "-P", "-p", f"DeviceAllow={driver}", "true")
        assert r.status == 0 and f"note: DeviceAllow={driver}: this host has no such driver" in r.err
        assert opens(box, f"DeviceAllow={driver}", node) == errno.EPERM


@pytest.mark.parametrize("assignment", ["CPUWeight=50", "AllowedCPUs=0", "DevicePolicy=closed", "DeviceAllow=/dev/null"])
def test_refused_to_a_user(user_box, assignment):
    r = user_box.run(assignment, "echo", "here")
    assert r.status == 219 and assignment in r.err and "hint" in r.err and r.out == "", r


@pytest.mark.parametrize("assignment", ["MemoryHigh=0", "MemoryLow=x", "MemorySwapMax=-1", "CPUWeight=0", "CPUWeight=10001", "CPUQuotaPeriodSec=x", "IOWeight=0",
                                        "IODeviceWeight=/dev/sda", "IOReadBandwidthMax=sda 5", "IOWriteIOPSMax=/dev/sda 0", "AllowedCPUs=x", "AllowedMemoryNodes=all",
                                        "DevicePolicy=yes", "DeviceAllow=/etc/passwd", "DeviceAllow=/dev/null x"])
def test_values_that_are_refused(box, assignment):
    r = box.run(assignment, "true")
    assert r.status == 1 and assignment.split("=")[0] in r.err and "hint" in r.err and r.out == ""
    assert box.leftovers() == []
