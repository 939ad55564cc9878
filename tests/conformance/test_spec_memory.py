# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: linux.personality, linux.memoryPolicy, linux.intelRdt."""
import os
import platform

import pytest

from kit import Mount, need_linux


# ---- personality

def test_the_domain_LINUX32(box):
    if platform.machine() != "x86_64":
        pytest.skip("what uname says is known for x86_64 only")
    box.linux["personality"] = {"domain": "LINUX32"}
    seen = box.report()
    assert (seen["machine"], seen["personality"] & 0xff) == ("i686", 8)


def test_the_domain_LINUX(box):
    box.linux["personality"] = {"domain": "LINUX"}
    seen = box.report()
    assert (seen["machine"], seen["personality"]) == (platform.machine(), 0)


def test_the_personality_holds_in_exec(box):
    box.linux["personality"] = {"domain": "LINUX32"}
    box.idle()
    assert box.reports()["personality"] & 0xff == 8


@pytest.mark.parametrize("personality",
                         [{"domain": "SOLARIS"}, {"domain": ""}, {}, {"domain": 8},
                          {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE_X"]}],
                         ids=str)
def test_personality_refused(box, personality):
    box.linux["personality"] = personality
    box.refused()


# ---- memoryPolicy

MODES = {"MPOL_PREFERRED": 1, "MPOL_BIND": 2, "MPOL_INTERLEAVE": 3, "MPOL_PREFERRED_MANY": 5,
         "MPOL_WEIGHTED_INTERLEAVE": 6}
STATIC, RELATIVE, BALANCING = 1 << 15, 1 << 14, 1 << 13


@pytest.fixture
def numa():
    if not os.path.isdir("/sys/devices/system/node/node0"):
        pytest.skip("a kernel without NUMA")


@pytest.mark.parametrize("mode", MODES)
def test_a_policy_with_nodes(box, numa, mode):
    if mode == "MPOL_WEIGHTED_INTERLEAVE":
        need_linux("6.9", mode)
    box.linux["memoryPolicy"] = {"mode": mode, "nodes": "0"}
    seen = box.report()
    assert (seen["mempolicy"], seen["mempolicy_nodes"]) == (MODES[mode], 1)


@pytest.mark.parametrize("mode,number", [("MPOL_DEFAULT", 0), ("MPOL_LOCAL", 4)])
@pytest.mark.parametrize("nodes", [None, ""])
def test_a_policy_without_nodes(box, numa, mode, number, nodes):
    box.linux["memoryPolicy"] = {"mode": mode, **({} if nodes is None else {"nodes": nodes})}
    assert box.report()["mempolicy"] == number


def test_preferred_without_nodes_is_local(box, numa):
    box.linux["memoryPolicy"] = {"mode": "MPOL_PREFERRED", "nodes": ""}
    assert box.report()["mempolicy"] in (1, 4)


@pytest.mark.parametrize("flag,bit", [("MPOL_F_STATIC_NODES", STATIC), ("MPOL_F_RELATIVE_NODES", RELATIVE)])
def test_flags_of_a_policy(box, numa, flag, bit):
    box.linux["memoryPolicy"] = {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": [flag]}
    assert box.report()["mempolicy"] == 3 | bit


def test_balancing_between_nodes_is_set_or_refused(box, numa):
    box.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}
    r = box.args("/probe").run()
    if r.status != 0:
        assert "mempolicy" in r.err or "memoryPolicy" in r.err, r
        pytest.skip("the kernel does not balance between nodes")
    assert f'"mempolicy":{2 | BALANCING}' in r.out, r.out[:3000]


def test_the_policy_is_inherited_by_children(box, numa):
    box.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    assert box.report(argv=("sh", "-c", "/probe; true"))["mempolicy"] == 2


@pytest.mark.parametrize("policy", [
    {"mode": "MPOL_NONE"}, {"mode": ""}, {}, {"nodes": "0"}, {"mode": "MPOL_BIND"}, {"mode": "MPOL_BIND", "nodes": "x"},
    {"mode": "MPOL_BIND", "nodes": "3-1"}, {"mode": "MPOL_BIND", "nodes": "1000000"},
    {"mode": "MPOL_BIND", "nodes": "60"},
    {"mode": "MPOL_DEFAULT", "nodes": "0"}, {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_UNKNOWN"]},
    {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}], ids=str)
def test_a_policy_refused(box, numa, policy):
    box.linux["memoryPolicy"] = policy
    box.refused()


# ---- intelRdt

@pytest.fixture
def no_resctrl():
    if any(Mount(line.rstrip("\n")).type == "resctrl" for line in open("/proc/self/mountinfo")):
        pytest.skip("resctrl is mounted: a real test would change the host's classes of service")


@pytest.mark.parametrize("rdt", [{"closID": "guaranteed"}, {"l3CacheSchema": "L3:0=f"}, {"memBwSchema": "MB:0=20"}, {},
                                 {"schemata": ["L3:0=f", "MB:0=20"]}, {"enableMonitoring": True}, {"enableCMT": True},
                                 {"enableMBM": True}], ids=str)
def test_cache_and_bandwidth_classes_are_refused_without_resctrl(box, no_resctrl, rdt):
    box.linux["intelRdt"] = rdt
    said = box.refused().lower()
    assert "rdt" in said or "resctrl" in said, said


@pytest.mark.parametrize("rdt",
                         [{"closID": "../x"}, {"closID": "a/b"}, {"memBwSchema": "L3:0=f"},
                          {"l3CacheSchema": "L3:0=f\nMB:0=5", "memBwSchema": 5}],
                         ids=str)
def test_bad_classes_are_refused(box, rdt):
    box.linux["intelRdt"] = rdt
    box.refused()
