# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands of socket units: when they run, as whom and in what, what follows when they fail; and the network that the sockets are in."""
import os
import socket
import subprocess

import pytest

from lifecycle import IS_ROOT, eventually, kill
from services import PATIENCE

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def sockets(s, text):
    s.write("echo.service", "[Service]\nExecStart=ACT say=service stay")
    return s.write("echo.socket", f"[Socket]\nListenStream=DATA/socket\nRemoveOnStop=yes\n{text}")


def connect(s):
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(PATIENCE)
    c.connect(str(s.base / "data/socket"))
    return c


def test_commands_run_around_the_socket(s):
    there = "/bin/sh -c 'test -S DATA/socket && exec ACT say={0}-there || exec ACT say={0}-not'"
    u = sockets(s, "\n".join(f"Exec{n}={there.format(n)}" for n in ("StartPre", "StartPost", "StopPre", "StopPost")))
    s.ok("unit", "start", u)
    s.heard("StartPre-not", "StartPost-there")
    assert s.status(u)["sub"] == "listening"
    s.ok("unit", "stop", u)
    s.heard("StopPre-there", "StopPost-not")
    assert (s.status(u)["state"], s.status(u)["result"]) == ("exited", "success")
    s.assert_clean()


def test_all_commands_of_a_kind_run_in_their_order(s):
    u = sockets(s, "ExecStartPre=ACT say=1\nExecStartPre=-ACT say=2 exit=9\nExecStartPre=ACT say=3")
    s.ok("unit", "start", u)
    s.heard("1", "2", "3")
    s.ok("unit", "stop", u)


def test_a_start_waits_for_the_commands(s):
    u = sockets(s, "ExecStartPost=ACT say=post hear=DATA/go")
    p = s.popen("unit", "start", u)
    s.heard("post")
    s.until(u, state="starting", sub="start-post")
    assert p.poll() is None
    s.go("go")
    assert p.wait(PATIENCE) == 0
    s.ok("unit", "stop", u)


def test_a_command_that_fails_is_a_failed_start(s):
    u = sockets(s, "ExecStartPre=ACT say=pre exit=7\nExecStopPost=ACT say=post")
    r = s("unit", "start", u)
    assert r.returncode and "exit-code" in r.stderr and "status 7" in r.stderr, r.stderr
    s.heard("pre")
    assert s.over(u)["result"] == "exit-code" and s.silent() and not os.path.exists(s.base / "data/socket")
    s.assert_clean()


def test_a_failure_once_it_is_open_closes_it(s):
    u = sockets(s, "ExecStartPost=ACT exit=1\nExecStopPre=ACT say=stop-pre\nExecStopPost=ACT say=stop-post")
    assert s("unit", "start", u).returncode
    s.heard("stop-pre", "stop-post")
    assert s.over(u)["result"] == "exit-code" and not os.path.exists(s.base / "data/socket")


def test_a_program_that_is_missing_is_named(s):
    u = sockets(s, "ExecStartPre=/nonexistent/program")
    r = s("unit", "start", u)
    assert r.returncode and "/nonexistent/program" in r.stderr
    s.assert_clean()


def test_a_socket_that_cannot_be_opened_runs_its_stop_commands(s):
    (s.base / "data/socket").mkdir()
    u = sockets(s, "ExecStartPre=ACT say=pre\nExecStopPost=ACT say=stop-post")
    r = s("unit", "start", u)
    assert r.returncode and "listen." in r.stderr, r.stderr
    s.heard("pre", "stop-post")
    assert s.over(u)["result"] == "resources"


def test_a_command_that_takes_too_long_is_ended(s):
    u = sockets(s, "TimeoutSec=500ms\nExecStartPre=ACT ignore pid=pre child=pid+child,stay stay")
    assert s("unit", "start", u).returncode
    assert s.over(u)["result"] == "timeout"
    pids = [int(line.split()[1]) for line in s.rest()]  # whoever came as far as to say so in its time
    assert eventually(lambda: not any(kill(p, 0) for p in pids))
    s.assert_clean()


def test_a_stop_ends_a_start_that_waits(s):
    u = sockets(s, "ExecStartPre=ACT pid=pre stay\nExecStopPost=ACT say=post")
    p = s.popen("unit", "start", u)
    s.number("pre")
    s.ok("unit", "stop", u)
    s.heard("post")
    p.communicate(timeout=PATIENCE)
    assert s.over(u)["result"] == "success"
    s.assert_clean()


def test_what_commands_leave_behind_ends_with_the_unit_or_stays(s):
    for mode, stays in (("control-group", False), ("none", True)):
        u = sockets(s, f"KillMode={mode}\nExecStartPre=ACT child=apart,pid+child,stay exit=0")
        s.ok("unit", "start", u)
        pid = s.number("child")
        assert kill(pid, 0)
        s.ok("unit", "stop", u)
        if stays:
            assert kill(pid, 0) and s.cgroups()
            kill(pid)
        assert eventually(lambda: not kill(pid, 0))
        s.ok("unit", "start", u)  # takes the group again
        kill(s.number("child"))
        s.ok("unit", "stop", u)
    assert eventually(lambda: not s.cgroups())


def test_commands_have_the_sections_sandbox(s):
    inside = "test $(id -u) = 65534 && ! touch DATA/new && test -z \"$(ls /tmp)\" && test $X = y && echo into-the-log"
    u = sockets(s, f"User=nobody\nProtectSystem=strict\nPrivateTmp=yes\nEnvironment=X=y\nExecStartPre=/bin/sh -ec '{inside}'\nExecStartPost=+/bin/sh -c 'test $(id -u) = 0 && touch DATA/new'")
    s.ok("unit", "start", u)
    assert "into-the-log" in s.logs(u) and (s.base / "data/new").exists()
    connect(s).close()  # the sockets themselves are the host's
    s.heard("service")
    s.ok("unit", "stop", u)
    s.ok("unit", "stop", s.name("echo"))
    s.assert_clean()


def test_no_sockets_are_handed_to_commands(s):
    u = sockets(s, "ExecStartPost=ACT fds env=LISTEN_FDS")
    s.ok("unit", "start", u)
    s.heard("0 descriptors, -, not mine", "LISTEN_FDS=-")
    s.ok("unit", "stop", u)


@pytest.fixture
def network():
    name = f"bulkhead-{os.urandom(4).hex()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_sockets_are_opened_in_the_network_that_is_named(s, network):
    s.write("echo.service", "[Service]\nExecStart=ACT say=service stay")
    u = s.write("echo.socket", f"[Socket]\nListenStream=127.0.0.1:4711\nNetworkNamespacePath=/run/netns/{network}")
    s.ok("unit", "start", u)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 4711), 5)
    assert s.silent()
    subprocess.run(["ip", "netns", "exec", network, "/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4711"], check=True)
    s.heard("service")
    s.ok("unit", "stop", u)
    s.ok("unit", "stop", s.name("echo"))


def test_a_private_network_cuts_sockets_off(s):
    s.write("echo.service", "[Service]\nExecStart=ACT say=service stay")
    u = s.write("echo.socket", "[Socket]\nListenStream=127.0.0.1:4712\nPrivateNetwork=yes")
    s.ok("unit", "start", u)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 4712), 5)
    s.ok("unit", "stop", u)
    assert s.silent()
    s.assert_clean()


def test_a_network_that_is_not_there_stops_the_start(s):
    s.write("echo.service", "[Service]\nExecStart=ACT stay")
    u = s.write("echo.socket", "[Socket]\nListenStream=127.0.0.1:4713\nNetworkNamespacePath=/run/netns/no-such-network")
    r = s("unit", "start", u)
    assert r.returncode and "namespace.join" in r.stderr, r.stderr


def test_a_killed_supervisor_leaves_nothing_of_its_commands(s):
    u = sockets(s, "ExecStartPre=ACT child=apart,pid+child,stay exit=0")
    s.ok("unit", "start", u)
    pid = s.number("child")
    kill(s.status(u)["supervisor_pid"])
    assert eventually(lambda: s.status(u)["result"] == "supervisor-killed")
    assert eventually(lambda: not kill(pid, 0))
    s.assert_clean()
