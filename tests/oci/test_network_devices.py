# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network devices of the runtime's network namespace, which here is one of the test's own."""
import subprocess
import uuid

import pytest

ADDRESSES = "ip -o addr show dev {}"


@pytest.fixture
def network(folder):
    name = "bh" + uuid.uuid4().hex[:8]
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        pytest.skip("no network namespaces here")

    def ip(*argv, check=True):
        return subprocess.run(["ip", "-n", name, *argv], check=check, capture_output=True, text=True)

    if ip("link", "add", "dummy0", "type", "dummy", check=False).returncode:
        # Where there are no dummy devices, one end of a pair serves.
        ip("link", "add", "dummy0", "type", "veth", "peer", "name", "other0")
    ip.name = name
    yield ip
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def inside(network, make):
    c = make()
    c.prefix = ("nsenter", f"--net=/run/netns/{network.name}")
    c.config["process"]["capabilities"] = {k: ["CAP_NET_ADMIN", "CAP_KILL"] for k in ("bounding", "effective", "permitted")}
    return c


def test_a_device_moves_with_its_addresses_and_comes_up(network, inside):
    network("addr", "add", "10.77.0.5/24", "dev", "dummy0")
    network("addr", "add", "fd77::5/64", "dev", "dummy0")
    network("link", "set", "dummy0", "mtu", "1400", "address", "02:00:00:00:77:01")
    inside.config["linux"]["netDevices"] = {"dummy0": {}}
    r = inside.sh("ip link show dev dummy0; ip addr show dev dummy0").run()
    assert r.status == 0, r
    for words in ("10.77.0.5/24", "fd77::5/64", "mtu 1400", "02:00:00:00:77:01", "UP"):
        assert words in r.out, (words, r.out)


def test_a_device_is_renamed(network, inside):
    inside.config["linux"]["netDevices"] = {"dummy0": {"name": "lan0"}}
    r = inside.sh("ip link").run()
    assert r.status == 0 and "lan0" in r.out and "dummy0" not in r.out, r


def test_the_kernels_pattern_takes_the_first_free_number(network, inside):
    inside.config["linux"]["netDevices"] = {"dummy0": {"name": "lan%d"}}
    r = inside.sh("ip link").run()
    assert r.status == 0 and "lan0" in r.out, r


def test_a_device_that_is_not_there_stops_the_start(inside):
    inside.config["linux"]["netDevices"] = {"nosuch0": {}}
    r = inside.run()
    assert r.status == 1 and "network.device" in r.err and "nosuch0" in r.err and "/linux/netDevices/nosuch0" in r.err
    assert inside.state() is None


def test_a_name_that_is_taken_stops_the_start_and_the_device_stays(network, inside):
    network("addr", "add", "10.77.0.6/24", "dev", "dummy0")
    inside.config["linux"]["netDevices"] = {"dummy0": {"name": "lo"}}
    r = inside.run()
    assert r.status == 1 and "network.device" in r.err, r
    assert "10.77.0.6/24" in network("addr", "show", "dev", "dummy0").stdout


def test_devices_are_back_when_the_start_fails_later(network, inside):
    network("addr", "add", "10.77.0.7/24", "dev", "dummy0")
    inside.config["linux"]["netDevices"] = {"dummy0": {"name": "lan0"}}
    inside.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    r = inside.run()
    assert r.status == 1 and "hook.failed" in r.err, r
    assert "10.77.0.7/24" in network("addr", "show", "dev", "dummy0").stdout


def test_the_first_device_is_back_when_the_second_cannot_move(network, inside):
    network("addr", "add", "10.77.0.8/24", "dev", "dummy0")
    inside.config["linux"]["netDevices"] = {"dummy0": {}, "nosuch0": {}}
    assert inside.run().status == 1
    assert "10.77.0.8/24" in network("addr", "show", "dev", "dummy0").stdout


def test_a_namespace_by_path_gets_the_device_and_keeps_it(network, inside):
    other = network.name + "x"
    subprocess.run(["ip", "netns", "add", other], check=True)
    try:
        inside.config["linux"]["netDevices"] = {"dummy0": {"name": "lan0"}}
        for n in inside.config["linux"]["namespaces"]:
            if n["type"] == "network":
                n["path"] = f"/run/netns/{other}"
        r = inside.sh("ip link").run()
        assert r.status == 0 and "lan0" in r.out, r
        # The owner of the namespace decides about its devices.
        kept = subprocess.run(["ip", "-n", other, "link", "show", "lan0"], capture_output=True)
        assert kept.returncode == 0
    finally:
        subprocess.run(["ip", "netns", "del", other], check=True)


def test_intel_rdt_without_resctrl_stops_the_start(container):
    import os
    if os.path.exists("/sys/fs/resctrl/schemata"):
        pytest.skip("resctrl is mounted here")
    container.config["linux"]["intelRdt"] = {"closID": "gold", "l3CacheSchema": "L3:0=f"}
    r = container.run()
    assert r.status == 1 and "rdt.missing" in r.err and "/linux/intelRdt" in r.err
    assert container.state() is None
