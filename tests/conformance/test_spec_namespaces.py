# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: linux.namespaces, uidMappings and gidMappings, timeOffsets, sysctl, netDevices."""
import os
import re
import subprocess
import time

import pytest

from kit import NAMESPACES, holder, inode, need_linux, until

FRESH = [n for n in NAMESPACES if n not in ("user", "time")]


def own(kind):
    return os.readlink(f"/proc/self/ns/{kind}")


def need_namespace(kind):
    if not os.path.exists(f"/proc/self/ns/{kind}"):
        pytest.skip(f"no {kind} namespaces in this kernel")


# ---- new ones

@pytest.mark.parametrize("type", FRESH)
def test_a_new_namespace(box, type):
    assert box.report()["namespaces"][NAMESPACES[type]] != own(NAMESPACES[type])


def test_a_new_user_namespace(box):
    box.mapped()
    assert box.report()["namespaces"]["user"] != own("user")


def test_a_new_time_namespace(box):
    need_namespace("time")
    box.namespace("time")
    assert box.report()["namespaces"]["time"] != own("time")


@pytest.mark.parametrize("type", ["pid", "network", "ipc", "uts", "cgroup", "user", "time"])
def test_without_the_entry_the_namespace_is_the_runtimes(box, type):
    box.without_namespace(type)
    if type == "uts":
        del box.config["hostname"]
    if type == "network":
        box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] != "sysfs"]
    if type == "ipc":
        box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] != "mqueue"]
    assert box.report()["namespaces"][NAMESPACES[type]] == own(NAMESPACES[type])


def test_without_namespaces_at_all_it_is_refused_or_nothing_of_the_host_changes(box):
    """A private copy of the mounts stands for the host's."""
    box.linux["namespaces"] = []
    box.config["mounts"] = []
    del box.config["hostname"]
    box.linux["maskedPaths"] = box.linux["readonlyPaths"] = []
    box.prefix = ("unshare", "-m", "--propagation", "private")
    r = box.args("/probe").run()
    assert r.status != 0 or '"pid":' in r.out
    assert str(box.bundle) not in open("/proc/self/mountinfo").read()


# ---- joined ones

@pytest.mark.parametrize("type", ["cgroup", "ipc", "network", "pid", "uts"])
def test_a_namespace_joined_by_path(make, type):
    first, second = make().idle(), make()
    kind = NAMESPACES[type]
    path = f"/proc/{first.pid}/ns/{kind}"
    second.namespace(type, path)
    if type == "uts":
        del second.config["hostname"]
    assert second.report()["namespaces"][kind] == os.readlink(path) != own(kind)


def test_a_time_namespace_joined_by_path(make):
    need_namespace("time")
    first, second = make(), make()
    first.namespace("time")
    first.idle()
    second.namespace("time", f"/proc/{first.pid}/ns/time")
    assert second.report()["namespaces"]["time"] == os.readlink(f"/proc/{first.pid}/ns/time") != own("time")


def test_a_user_namespace_joined_by_path(make):
    first, second = make(), make()
    first.mapped()
    first.idle()
    second.namespace("user", f"/proc/{first.pid}/ns/user")
    seen = second.report()
    assert seen["namespaces"]["user"] == os.readlink(f"/proc/{first.pid}/ns/user")
    assert seen["uid_map"].split() == ["0", "100000", "65536"]


def test_a_mount_namespace_joined_by_path(box):
    with holder("-m", "--propagation", "private") as pid:
        box.namespace("mount", f"/proc/{pid}/ns/mnt")
        box.config["mounts"] = []
        box.linux["maskedPaths"] = box.linux["readonlyPaths"] = []
        box.sh("ls /bin/busybox && mkdir /proc2 2>/dev/null; sleep 1000").up()
        assert os.readlink(f"/proc/{box.pid}/ns/mnt") == os.readlink(f"/proc/{pid}/ns/mnt")
        box.delete()


def test_all_of_another_containers_namespaces(make):
    """As the second container of a pod: it sees the first one's processes, network and queues."""
    first, second = make().idle(), make()
    for type in ("ipc", "network", "pid", "uts"):
        second.namespace(type, f"/proc/{first.pid}/ns/{NAMESPACES[type]}")
    del second.config["hostname"]
    assert "sleep 1000" in second.sh("ps -o args").ran()


def test_a_joined_process_namespace_keeps_hooks_and_limits(make, folder):
    """What is set up outside of it is as it is elsewhere: the state's process is the one that runs, hooks of the host stay there."""
    need_linux("6.17", "a procfs of another process namespace")
    first, second = make().idle(), make()
    second.namespace("pid", f"/proc/{first.pid}/ns/pid")
    second.linux["resources"] = {"pids": {"limit": 50}}
    mark = folder / "seen"
    second.config["hooks"] = {k: [{"path": "/bin/sh", "args": ["sh", "-c", f"readlink /proc/self/ns/pid >>{mark}"]}]
                              for k in ("createRuntime", "createContainer", "poststart")}
    second.idle()
    joined = os.readlink(f"/proc/{first.pid}/ns/pid")
    assert os.readlink(f"/proc/{second.pid}/ns/pid") == joined
    assert set(mark.read_text().split()) == {own("pid")}
    with open(f"/proc/{second.pid}/cgroup") as mine, open("/proc/self/cgroup") as ours:
        assert mine.read() != ours.read()
    assert second.kill("KILL").status == 0
    until(lambda: second.state()["status"] == "stopped")
    assert second.delete().status == 0 and first.state()["status"] == "running"


def test_a_joined_network_namespace_keeps_what_is_in_it(make):
    first, second = make(), make()
    first.capable("CAP_NET_ADMIN")
    first.sh("ip link set lo up; sleep 1000").up()
    second.namespace("network", f"/proc/{first.pid}/ns/net")
    until(lambda: "LOWER_UP" in first.exec("ip", "link").out)
    assert "LOWER_UP" in second.args("ip", "link", "show", "lo").ran()


# ---- what is refused

@pytest.mark.parametrize("type", ["pid", "network", "ipc", "uts", "cgroup", "mount", "user", "time"])
def test_a_path_to_a_namespace_of_another_type_is_refused(box, type):
    box.namespace(type, "/proc/self/ns/" + ("net" if type != "network" else "uts"))
    if type == "uts":
        del box.config["hostname"]
    box.refused()


@pytest.mark.parametrize("path", ["/nothing/here", "/etc/passwd", "/proc/1/ns", "relative/path"])
def test_a_path_that_is_no_namespace_is_refused(box, path):
    box.namespace("network", path)
    box.refused()


@pytest.mark.parametrize("type", FRESH + ["user", "time"])
def test_a_type_given_twice_is_refused(box, type):
    if type == "user":
        box.mapped()
    box.linux["namespaces"].append({"type": type})
    if type in ("user", "time"):
        box.linux["namespaces"].append({"type": type})
    box.refused()


@pytest.mark.parametrize("entry", [{"type": "net"}, {"type": ""}, {}, {"type": 5}, {"path": "/proc/self/ns/net"}],
                         ids=str)
def test_an_unknown_type_is_refused(box, entry):
    box.linux["namespaces"].append(entry)
    box.refused()


# ---- maps

def test_the_maps_of_a_user_namespace(box):
    box.mapped(200000, 1000)
    box.linux["gidMappings"] = [{"containerID": 0, "hostID": 300000, "size": 500},
                                {"containerID": 500, "hostID": 400000, "size": 5}]
    seen = box.report()
    assert seen["uid_map"].split() == ["0", "200000", "1000"]
    assert seen["gid_map"].split() == ["0", "300000", "500", "500", "400000", "5"]
    assert (seen["uids"], seen["gids"]) == ([0] * 3, [0] * 3)


def test_the_hosts_view_of_a_mapped_process(box):
    box.mapped()
    box.process["user"] = {"uid": 1000, "gid": 1001}
    box.idle()
    status = open(f"/proc/{box.pid}/status").read()
    assert re.search(r"^Uid:\s+101000\b", status, re.M) and re.search(r"^Gid:\s+101001\b", status, re.M)


def test_a_mapped_root_has_no_power_over_the_host(box):
    box.mapped()
    box.capable("CAP_SYS_ADMIN", "CAP_SYS_TIME", "CAP_DAC_OVERRIDE")
    (box.rootfs / "etc/hosts-own").write_text("x")
    (box.rootfs / "etc/hosts-own").chmod(0o600)
    assert box.errno("open", "/etc/hosts-own", "rw") == "EACCES"


def test_additional_groups_in_a_user_namespace(box):
    box.mapped()
    box.process["user"]["additionalGids"] = [10, 20]
    assert sorted(box.report()["groups"]) == [10, 20]


def test_devices_in_a_user_namespace(box):
    box.mapped()
    out = box.sh("echo x > /dev/null && head -c 3 /dev/zero | wc -c && test -c /dev/full && test -c /dev/tty && echo all").ran()
    assert out == "3\nall\n"


@pytest.mark.parametrize("host", [0, 100000])
def test_a_device_that_the_host_lacks_is_made_in_a_user_namespace(box, host):
    box.mapped(host)
    box.linux["devices"] = [{"type": "b", "path": "/dev/made", "major": 1, "minor": 5, "fileMode": 0o157, "uid": 10, "gid": 11}]
    assert box.sh("stat -c '%F|%a|%u|%g|%t:%T' /dev/made").ran() == "block special file|157|10|11|1:5\n"


def test_a_device_whose_owner_is_not_mapped_is_refused(box):
    box.mapped(100000, 100)
    box.linux["devices"] = [{"type": "c", "path": "/dev/made", "major": 1, "minor": 3, "uid": 500}]
    assert "/linux/devices/0" in box.refused()


def test_a_user_that_is_not_mapped_is_refused(box):
    box.mapped(100000, 100)
    box.process["user"] = {"uid": 500, "gid": 0}
    box.refused()


def test_a_user_namespace_without_maps_has_all_ids(box):
    """Nothing is asked to be kept out, and that is said; the capabilities are of the namespace all the same."""
    box.namespace("user")
    r = box.sh("cat /proc/self/uid_map").run()
    assert r.status == 0 and r.out.split() == ["0", "0", "4294967295"], r


@pytest.mark.parametrize("maps", [
    [{"containerID": 0, "hostID": 1000}], [{"containerID": 0, "hostID": 1000, "size": 0}],
    [{"containerID": 0, "hostID": -1, "size": 5}], [{"hostID": 0, "size": "5"}],
    [{"containerID": 0, "hostID": 1000, "size": 10}, {"containerID": 5, "hostID": 5000, "size": 10}],
    [{"containerID": 0, "hostID": 4294967295, "size": 2}]], ids=str)
def test_maps_refused(box, maps):
    box.mapped()
    box.linux["uidMappings"] = maps
    box.refused()


# ---- time

def test_offsets_of_the_clocks(box):
    need_namespace("time")
    box.namespace("time")
    box.linux["timeOffsets"] = {"monotonic": {"secs": 1000000, "nanosecs": 5}, "boottime": {"secs": 2000000}}
    before = time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)
    seen = box.report()
    assert [line.split() for line in seen["timens_offsets"]] == [["monotonic", "1000000", "5"],
                                                                 ["boottime", "2000000", "0"]]
    assert seen["monotonic"] >= before[0] + 1000000 - 1 and seen["boottime"] >= before[1] + 2000000 - 1


def test_an_offset_below_zero(box):
    need_namespace("time")
    box.namespace("time")
    box.linux["timeOffsets"] = {"boottime": {"secs": -3, "nanosecs": 999999999}}
    assert [line.split() for line in box.report()["timens_offsets"]][1] == ["boottime", "-3", "999999999"]


@pytest.mark.parametrize("offsets",
                         [{"realtime": {"secs": 5}}, {"monotonic": {"secs": "5"}},
                          {"monotonic": {"nanosecs": 1000000000}},
                                     {"monotonic": 5}], ids=str)
def test_offsets_refused(box, offsets):
    need_namespace("time")
    box.namespace("time")
    box.linux["timeOffsets"] = offsets
    box.refused()


def test_offsets_without_a_time_namespace_are_refused(box):
    box.linux["timeOffsets"] = {"monotonic": {"secs": 5}}
    box.refused()


# ---- sysctl

@pytest.mark.parametrize("name,value,file", [
    ("net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"), ("net.core.somaxconn", "321", "net/core/somaxconn"),
    ("kernel.msgmax", "12345", "kernel/msgmax"), ("kernel.shmmni", "99", "kernel/shmmni"),
    ("kernel.sem", "10\t20\t30\t40", "kernel/sem"),
    ("kernel.shm_rmid_forced", "1", "kernel/shm_rmid_forced"), ("fs.mqueue.msg_max", "17", "fs/mqueue/msg_max"),
    ("kernel.domainname", "a.domain", "kernel/domainname"), ("net/ipv4/ip_forward", "1", "net/ipv4/ip_forward"),
    ("net.ipv4.conf.lo.forwarding", "1", "net/ipv4/conf/lo/forwarding")])
def test_a_sysctl_of_an_own_namespace(box, name, value, file):
    if not os.path.exists("/proc/sys/" + file):
        pytest.skip(f"no {name} in this kernel")
    before = open("/proc/sys/" + file).read()
    box.linux["sysctl"] = {name: value}
    assert box.sh(f"cat /proc/sys/{file}").ran().split() == value.split()
    assert open("/proc/sys/" + file).read() == before


@pytest.mark.parametrize("name,without", [
    ("kernel.panic", None), ("vm.swappiness", None), ("fs.file-max", None), ("kernel.core_pattern", None),
    ("net.ipv4.ip_forward", "network"),
    ("kernel.msgmax", "ipc"), ("fs.mqueue.msg_max", "ipc"), ("kernel.domainname", "uts"), ("no.such.key", None),
    ("", None),
    ("net.ipv4.../../../kernel/panic", None), ("net.ipv4/../../kernel/panic", None), ("net.no.such", None)])
def test_a_sysctl_of_the_host_is_refused(box, name, without):
    def seen():
        return [open("/proc/sys/" + f).read() for f in ("kernel/panic", "vm/swappiness", "fs/file-max",
                                                        "kernel/core_pattern",
                                                        "net/ipv4/ip_forward", "kernel/msgmax", "kernel/domainname")]

    before = seen()
    if without:
        box.without_namespace(without)
    if without == "uts":
        del box.config["hostname"]
    box.linux["sysctl"] = {name: "1"}
    if without in ("network", "ipc"):
        box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] not in ("sysfs", "mqueue")]
    box.refused()
    assert seen() == before


@pytest.mark.parametrize("sysctl",
                         [{"net.ipv4.ip_forward": 1}, {"net.ipv4.ip_forward": "abc"}, ["net.ipv4.ip_forward"]], ids=str)
def test_a_sysctl_with_a_bad_value_is_refused(box, sysctl):
    box.linux["sysctl"] = sysctl
    box.refused()


# ---- netDevices

def inside(pid, *argv, check=True):
    return subprocess.run(["nsenter", "-t", str(pid), "-n", "--", *argv], check=check, capture_output=True,
                          text=True).stdout


@pytest.fixture
def network(box):
    """A network namespace that stands for the host's, with a pair of devices; the runtime is called inside of it."""
    with holder("-n") as pid:
        inside(pid, "ip", "link", "add", "left0", "type", "veth", "peer", "name", "right0")
        inside(pid, "ip", "addr", "add", "192.0.2.7/24", "dev", "left0")
        inside(pid, "ip", "-6", "addr", "add", "2001:db8::7/64", "dev", "left0", "nodad")
        inside(pid, "ip", "link", "set", "right0", "up")
        inside(pid, "ip", "link", "set", "left0", "up")
        box.prefix = ("nsenter", "-t", str(pid), "-n", "--")
        yield pid
        box.delete()


def test_a_device_moves_into_the_container_with_its_addresses_and_is_up(box, network):
    box.linux["netDevices"] = {"left0": {}}
    out = box.sh("ip addr show left0").ran()
    assert "192.0.2.7/24" in out and "2001:db8::7/64" in out and "UP" in out


def test_a_device_gets_another_name(box, network):
    box.linux["netDevices"] = {"left0": {"name": "eth0"}}
    out = box.sh("ip addr show eth0; ip link show left0; true").ran()
    assert "192.0.2.7/24" in out and "UP" in out


def test_the_device_is_no_longer_on_the_host(box, network):
    box.linux["netDevices"] = {"left0": {"name": "inside0"}}
    box.idle()
    host = inside(network, "ip", "link")
    assert not re.search(r"^\d+: left0", host, re.M) and "right0" in host
    assert "inside0" in inside(box.pid, "ip", "link")


def test_the_name_may_be_a_pattern(box, network):
    box.linux["netDevices"] = {"left0": {"name": "net%d"}}
    assert "net0" in box.sh("ip link").ran()


def test_attributes_of_the_device_are_kept(box, network):
    inside(network, "ip", "link", "set", "left0", "mtu", "1234")
    inside(network, "ip", "link", "set", "left0", "address", "02:00:00:00:00:42")
    box.linux["netDevices"] = {"left0": {}}
    out = box.sh("ip link show left0").ran()
    assert "mtu 1234" in out and "02:00:00:00:00:42" in out


def test_a_device_into_a_joined_network(make, box, network):
    first = make()
    first.prefix = box.prefix
    first.idle()
    box.namespace("network", f"/proc/{first.pid}/ns/net")
    box.linux["netDevices"] = {"left0": {"name": "joined0"}}
    assert "joined0" in box.sh("ip link").ran()


@pytest.mark.parametrize("devices",
                         [{"nothing0": {}}, {"left0": {"name": "lo"}}, {"left0": {"name": "far-too-long-a-name"}},
                                     {"left0": {"name": "a/b"}}, {"left0": {"name": ".."}}, {"left0": "eth0"}, {"": {}},
                                     {"left0": {"name": "same"}, "right0": {"name": "same"}}], ids=str)
def test_a_device_that_cannot_move_is_refused(box, network, devices):
    box.linux["netDevices"] = devices
    box.refused()
    assert re.search(r"^\d+: left0", inside(network, "ip", "link"), re.M), "the device is lost"


def test_devices_without_a_network_namespace_are_refused(box, network):
    box.linux["netDevices"] = {"left0": {"name": "renamed0"}}
    box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] != "sysfs"]
    box.without_namespace("network").refused()
    assert re.search(r"^\d+: left0", inside(network, "ip", "link"), re.M)


def test_inode_of_a_link():
    assert inode("net:[4026531833]") == "4026531833"
