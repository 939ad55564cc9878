# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces that are there already, entered by path."""
import json
import os
import subprocess

import pytest


@pytest.fixture
def holder(box):
    """A process in namespaces of its own, whose loopback is down."""
    p = subprocess.Popen(["unshare", "-n", "-i", "sh", "-c", "echo up; exec sleep 600"], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "up\n"
    yield p.pid
    p.kill()
    p.wait()


@pytest.mark.parametrize("more", ["", "PrivateNetwork=yes\nPrivateIPC=yes", "ProtectSystem=strict\nPrivateTmp=yes\nUser=nobody", "PrivateUsers=yes"])
def test_they_are_entered(box, holder, more):
    lines = f"NetworkNamespacePath=/proc/{holder}/ns/net\nIPCNamespacePath=/proc/{holder}/ns/ipc"
    r = box.shell(f"{lines}\n{more}" if more else lines, "readlink /proc/self/ns/net /proc/self/ns/ipc; ls /sys/class/net; cat /sys/class/net/lo/operstate")
    assert r.out.split()[:2] == [os.readlink(f"/proc/{holder}/ns/net"), os.readlink(f"/proc/{holder}/ns/ipc")], r
    assert r.out.split()[2:] == ["lo", "down"], r
    twin = box.shell("", "readlink /proc/self/ns/net")
    assert twin.out.strip() == os.readlink("/proc/self/ns/net")


def test_two_runs_share_one(box, holder):
    lines = f"NetworkNamespacePath=/proc/{holder}/ns/net"
    script = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9))"
    assert box.run(lines, "python3", "-c", script).status != 0  # its loopback stays down: it is not ours to set up
    subprocess.run(["nsenter", "-n", "-t", str(holder), "ip", "link", "set", "lo", "up"], check=True)
    assert box.run(lines, "python3", "-c", script).status == 0


@pytest.mark.parametrize("name, status", [("Network", 225), ("IPC", 226)])
def test_what_cannot_be_entered(any_box, name, status):
    for path in ("/nonexistent", "/etc/passwd", "/proc/self/ns/uts"):
        r = any_box.shell(f"{name}NamespacePath={path}", "true")
        assert r.status == status and "namespace.join" in r.err and f"{name}NamespacePath={path}" in r.err, r
    r = any_box.shell(f"{name}NamespacePath=relative", "true")
    assert r.status == 1 and "absolute path" in r.err, r


def test_it_takes_privilege(user_box):
    r = user_box.shell("NetworkNamespacePath=/proc/self/ns/net", "true")
    assert r.status == 225 and "Operation not permitted" in r.err, r


def test_explain(any_box):
    plan = json.loads(any_box.call("explain", "--json", "-p", "NetworkNamespacePath=/run/netns/x", "true").out)
    assert {"type": "network", "path": "/run/netns/x", "origin": "NetworkNamespacePath=/run/netns/x"} in plan["namespaces"]
    assert "that of /run/netns/x" in any_box.call("explain", "-p", "NetworkNamespacePath=/run/netns/x", "true").out
