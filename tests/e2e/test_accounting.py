# SPDX-License-Identifier: LGPL-2.1-or-later
"""What services use: packets by IPAccounting=, and CPU, memory, tasks and disks by the control groups that the other directives ask for."""
import json
import os
import re

import pytest

from lifecycle import IS_ROOT, eventually
from services import Services
from test_network_directives import v2_folder

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")

# Sends so many packets of 100 bytes to itself, by v4 and by v6: with their headers 128 and 148.
SEND = ("import socket, sys\n"
        "for family, host, count in ((socket.AF_INET, '127.0.0.1', int(sys.argv[1])), (socket.AF_INET6, '::1', int(sys.argv[2]))):\n"
        "    s = socket.socket(family, socket.SOCK_DGRAM); s.bind((host, 0))\n"
        "    for _ in range(count): s.sendto(b'x' * 100, s.getsockname()); s.recv(200)\n")
IP = ("IPIngressBytes", "IPIngressPackets", "IPEgressBytes", "IPEgressPackets")


@pytest.fixture
def s():
    services = Services()
    (services.base / "send.py").write_text(SEND)
    yield services
    services.close()


@pytest.fixture
def user():
    services = Services(uid=65534)
    yield services
    services.close()


def send(s, v4, v6=0):
    return f"/usr/bin/python3 {s.base}/send.py {v4} {v6}"


def traffic(s, name):
    usage = s.status(name).get("usage", {})
    return tuple(usage[k] for k in IP) if IP[0] in usage else None


@pytest.fixture
def counted():
    v2_folder()


def test_packets_are_counted_to_the_byte(s, counted):
    u = s.up("a", f"Type=oneshot\nIPAccounting=yes\nPrivateNetwork=yes\nExecStart={send(s, 5)}")
    s.over(u)
    assert traffic(s, u) == (5 * 128, 5, 5 * 128, 5)
    assert re.search(r"^ +IP: 640B in, 640B out$", s("unit", "status", u).stdout, re.M)
    s.assert_clean()


def test_packets_of_both_families_count(s, counted):
    u = s.up("a", f"Type=oneshot\nIPAccounting=yes\nPrivateNetwork=yes\nExecStart={send(s, 3, 2)}")
    s.over(u)
    assert traffic(s, u)[1::2] == (5, 5) and traffic(s, u)[0] == 3 * 128 + 2 * 148


def test_they_are_counted_while_it_runs_and_from_all_its_commands(s, counted):
    u = s.up("a", f"IPAccounting=yes\nPrivateNetwork=yes\nExecStartPre={send(s, 2)}\nExecStart=/bin/sh -c '{send(s, 3)}; echo done >>DATA/events; exec sleep 1000'")
    s.heard("done")
    assert traffic(s, u) == (5 * 128, 5, 5 * 128, 5)
    assert json.loads(s.ok("inspect", u))["usage"]["IPEgressPackets"] == 5
    s.ok("unit", "stop", u)
    assert traffic(s, u) == (5 * 128, 5, 5 * 128, 5)
    s.assert_clean()


def test_each_start_counts_anew(s, counted):
    u = s.up("a", f"IPAccounting=yes\nPrivateNetwork=yes\nExecStart=/bin/sh -c '{send(s, 3)}; echo done >>DATA/events; exec sleep 1000'")
    s.heard("done")
    s.ok("unit", "restart", u)
    s.heard("done")
    assert traffic(s, u)[1] == 3
    s.ok("unit", "stop", u)


def test_what_is_not_asked_for_is_not_counted(s, counted):
    u = s.up("a", f"Type=oneshot\nIPAccounting=no\nPrivateNetwork=yes\nExecStart={send(s, 5)}")
    s.over(u)
    assert traffic(s, u) is None and "IP:" not in s("unit", "status", u).stdout


def test_counting_takes_no_part_in_what_is_allowed(s, counted):
    u = s.unit("a", f"Type=oneshot\nIPAccounting=yes\nIPAddressDeny=any\nPrivateNetwork=yes\nExecStart={send(s, 1)}")
    r = s("unit", "start", u)
    assert r.returncode and "Operation not permitted" in s("logs", u).stderr
    u = s.up("b", f"Type=oneshot\nIPAccounting=yes\nIPAddressDeny=any\nIPAddressAllow=localhost\nPrivateNetwork=yes\nExecStart={send(s, 4)}")
    s.over(u)
    assert traffic(s, u)[1] == 4
    s.assert_clean()


def test_a_run_counts_as_well(s, counted):
    name = s.name("a") + ".service"
    s.ok("run", "-q", "--wait", f"--unit={name}", "-p", "IPAccounting=yes", "-p", "PrivateNetwork=yes", "--", *send(s, 5).split())
    assert json.loads(s.ok("inspect", name))["usage"]["IPIngressPackets"] == 5


def test_whoever_may_not_count_is_told(user):
    u = user.unit("a", "Type=oneshot\nIPAccounting=yes\nMemoryAccounting=yes\nExecStart=/bin/true")
    user.ok("unit", "start", u)
    assert "IPAccounting=yes: not applied" in user("logs", u).stderr
    assert "IPIngressBytes" not in user.status(u).get("usage", {})
    user.assert_clean()


ALL = "CPUAccounting=yes\nMemoryAccounting=yes\nTasksAccounting=yes\nIOAccounting=yes\n"


def need(*controllers):
    have = open("/proc/cgroups").read().split()
    for c in controllers:
        if c not in have:
            pytest.skip(f"no {c} controller")


def test_what_is_used_is_shown_while_it_runs(s):
    need("memory", "pids", "cpuacct")
    u = s.up("a", ALL + "ExecStart=/usr/bin/python3 -c 'import time; b = bytearray(64 << 20)\\nwhile time.process_time() < 0.3: pass\\n"
                        "open(\"DATA/events\", \"w\").write(\"done\\\\n\"); time.sleep(1000)'")
    s.heard("done")
    usage = s.status(u)["usage"]
    assert usage["TasksCurrent"] == 1 and 64 << 20 <= usage["MemoryCurrent"] <= 160 << 20 and usage["MemoryPeak"] >= usage["MemoryCurrent"]
    assert 200_000_000 <= usage["CPUUsageNSec"] <= 5_000_000_000
    shown = s.ok("unit", "status", u)
    for pattern in (r"Tasks: 1$", r"Memory: \d+\.\dM \(peak: \d+\.\dM\)$", r"CPU: (\d+ms|\d+\.\d{3}s)$"):
        assert re.search(rf"^ +{pattern}", shown, re.M), shown
    s.ok("unit", "stop", u)
    last = s.status(u)["usage"]
    assert last["MemoryPeak"] >= 64 << 20 and last["CPUUsageNSec"] >= 200_000_000 and "TasksCurrent" not in last and "MemoryCurrent" not in last
    assert re.search(r"^ +Mem peak: \d+\.\dM$", s("unit", "status", u).stdout, re.M)
    s.assert_clean()


def test_a_limit_counts_by_itself(s):
    need("memory", "pids")
    u = s.up("a", "MemoryMax=500M\nTasksMax=50\nExecStart=/bin/sleep 1000")
    assert eventually(lambda: s.status(u).get("usage", {}).get("MemoryCurrent")) and s.status(u)["usage"]["TasksCurrent"] == 1
    s.ok("unit", "stop", u)
    s.assert_clean()


def test_without_them_no_group_is_made_for_it(s):
    need("memory")
    u = s.up("a", "MemoryAccounting=no\nCPUAccounting=no\nExecStart=/bin/sleep 1000")
    assert "MemoryCurrent" not in s.status(u).get("usage", {}) or not os.path.exists("/sys/fs/cgroup/memory")
    s.ok("unit", "stop", u)


def test_explain_says_what_is_counted(s):
    words = [w for p in [*ALL.split(), "IPAccounting=yes"] for w in ("-p", p)]
    out = s.ok("explain", *words, "true")
    for line in ("CPU time +counted +CPUAccounting=yes", "memory +counted +MemoryAccounting=yes", "tasks +counted +TasksAccounting=yes",
                 "reading and writing +counted +IOAccounting=yes", "packets +counted, with their bytes +IPAccounting=yes"):
        assert re.search(line, out), out
    plan = json.loads(s.ok("explain", "--json", *words, "true"))
    assert plan["resources"]["memory_accounting"]["origin"] == "MemoryAccounting=yes" and plan["network"]["accounting"]["value"] == "counted"
    older = json.loads(s.ok("explain", "--json", "-p", "BlockIOAccounting=yes", "true"))
    assert older["resources"]["io_accounting"]["value"] == "counted"
