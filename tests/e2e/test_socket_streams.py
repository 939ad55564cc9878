# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sockets as standard streams of the services that they start, as inetd gave them."""
import socket
import time

import pytest

from lifecycle import IS_ROOT
from services import PATIENCE

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def connect(s, name="socket", kind=socket.SOCK_STREAM):
    c = socket.socket(socket.AF_UNIX, kind)
    c.settimeout(PATIENCE)
    c.connect(str(s.base / "data" / name))
    return c


def talk(s, service, sends=b"hello\n"):
    """What a client of a service for each connection hears, to the end."""
    u = s.write("each.socket", "[Socket]\nListenStream=DATA/socket\nAccept=yes")
    s.write("each@.service", f"[Service]\n{service}")
    s.ok("unit", "start", u)
    c, heard = connect(s), b""
    c.sendall(sends)
    while (more := c.recv(1000)):
        heard += more
    s.ok("unit", "stop", u)
    return heard


def test_a_connection_is_input_and_output(s):
    assert talk(s, "StandardInput=socket\nStandardOutput=socket\nExecStart=/bin/sh -c 'read x; echo got $x; echo LISTEN=$LISTEN_FDS; ls /proc/self/fd | wc -l'") == b"got hello\nLISTEN=\n4\n"


def test_inherit_is_the_connection_and_errors_follow(s):
    assert talk(s, "StandardInput=socket\nStandardOutput=inherit\nExecStart=/bin/sh -c 'read x; echo $x; echo wrong >&2'") == b"hello\nwrong\n"


def test_output_is_the_log_unless_it_is_said(s):
    assert talk(s, "StandardInput=socket\nExecStart=/bin/sh -c 'read x; echo out; echo wrong >&2'") == b""


def test_errors_alone(s):
    assert talk(s, "StandardInput=socket\nStandardError=socket\nExecStart=/bin/sh -c 'read x; echo out; echo wrong >&2'") == b"wrong\n"


def test_all_commands_have_it(s):
    assert talk(s, "StandardInput=socket\nStandardOutput=socket\nExecStartPre=/bin/echo pre\nExecStart=/bin/sh -c 'read x; echo $x'\nExecStopPost=/bin/echo post") == b"pre\nhello\npost\n"


def test_a_user_and_a_sandbox_of_its_own(s):
    assert talk(s, "User=nobody\nPrivateUsers=yes\nProtectSystem=strict\nPrivateDevices=yes\nStandardInput=socket\nStandardOutput=socket\nExecStart=/bin/sh -c 'read x; id -un'") == b"nobody\n"


def test_one_socket_that_listens(s):
    u = s.write("echo.socket", "[Socket]\nListenDatagram=DATA/socket")
    s.write("echo.service", "[Service]\nStandardInput=socket\nExecStart=/bin/sh -c 'dd bs=100 count=1 status=none >DATA/got; exec ACT fds'")
    s.ok("unit", "start", u)
    connect(s, kind=socket.SOCK_DGRAM).send(b"datagram")
    assert s.line().startswith("0 descriptors")
    assert (s.base / "data/got").read_bytes() == b"datagram"
    s.ok("unit", "stop", u)


def test_several_sockets_are_by_name(s):
    front = s.write("front.socket", "[Socket]\nListenDatagram=DATA/front\nFileDescriptorName=front\nService=@two@.service")
    back = s.write("back.socket", "[Socket]\nListenDatagram=DATA/back\nFileDescriptorName=stdin\nService=@two@.service")
    s.write("two.service", "[Unit]\n[Service]\nSockets=@front@.socket @back@.socket\nStandardInput=fd\nStandardError=fd:front\n"
                           "ExecStart=/bin/sh -c 'echo waits >DATA/events; dd bs=100 count=1 status=none >DATA/back-got; dd bs=100 count=1 status=none <&2 >DATA/front-got; exec ACT fds stay'")
    s.ok("unit", "start", front, back)
    s.ok("unit", "start", s.name("two"))
    s.heard("waits")
    time.sleep(0.1)  # so that it waits for what has not come: a stream that does not block would end here
    connect(s, "back", socket.SOCK_DGRAM).send(b"to the back")
    connect(s, "front", socket.SOCK_DGRAM).send(b"to the front")
    assert s.line().startswith("2 descriptors")
    assert (s.base / "data/back-got").read_bytes() == b"to the back" and (s.base / "data/front-got").read_bytes() == b"to the front"
    s.ok("unit", "stop", front, back, s.name("two"))


@pytest.mark.parametrize("stream,status", [("StandardInput=socket", 208), ("StandardOutput=fd:front", 209), ("StandardError=fd", 222)])
def test_without_a_socket_it_does_not_start(s, stream, status):
    u = s.write("one.service", f"[Service]\nType=exec\n{stream}\nExecStart=ACT say=started")
    r = s("unit", "start", u)
    assert r.returncode == status and "stdio.socket" in r.stderr and s.silent(), r.stderr
    assert s.over(u)["result"] == "resources"
    s.assert_clean()


def test_with_two_sockets_neither_is_it(s):
    u = s.write("two.socket", "[Socket]\nListenStream=DATA/a\nListenStream=DATA/b")
    s.write("two.service", "[Service]\nType=exec\nStandardInput=socket\nExecStart=ACT say=started")
    s.ok("unit", "start", u)
    r = s("unit", "start", s.name("two"))
    assert r.returncode and "stdio.socket" in r.stderr and "2 sockets" in r.stderr and s.silent(), r.stderr
    s.ok("unit", "stop", u)


def test_explain_says_so(s):
    out = s.ok("explain", "-p", "StandardInput=socket", "-p", "StandardOutput=inherit", "true")
    assert "the socket that the service is started by" in out and out.count("where standard input comes from") == 2
    out = s.ok("explain", "-p", "StandardInput=fd:front", "true")
    assert "the descriptor front that the service is given" in out
