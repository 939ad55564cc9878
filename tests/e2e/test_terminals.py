# SPDX-License-Identifier: LGPL-2.1-or-later
"""A terminal of the host as standard input and output, and input that stands in a directive."""
import base64
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pytest

from conftest import binary
from lifecycle import PATIENCE


class Line:
    """A pseudo terminal by its path."""

    def __init__(self, uid):
        self.main, self.side = pty.openpty()
        self.path = os.ttyname(self.side)
        os.chown(self.path, uid, -1)

    def read(self, until, seconds=PATIENCE):
        seen, end = b"", time.monotonic() + seconds
        while until not in seen:
            assert time.monotonic() < end, seen
            if select.select([self.main], [], [], 0.2)[0]:
                seen += os.read(self.main, 4096)
        return seen

    def close(self):
        os.close(self.main)
        os.close(self.side)


@pytest.fixture
def line(any_box):
    x = Line(any_box.uid)
    yield x
    x.close()


def test_a_terminal(any_box, line):
    os.write(line.main, b"typed\n")
    r = any_box.shell(f"StandardInput=tty\nTTYPath={line.path}", 'read x; echo "got $x"; echo err >&2; tty; echo there >/dev/tty')
    assert r.status == 0 and r.out == "" and r.err == "", r
    seen = line.read(b"there\r\n")
    assert b"got typed\r\nerr\r\n" in seen and line.path.encode() in seen, seen


def test_output_may_go_elsewhere(any_box, line):
    r = any_box.shell(f"StandardInput=tty\nTTYPath={line.path}\nStandardOutput=journal", "echo out; echo err >&2")
    assert r.out == "out\n" and r.err == "err\n", r
    r = any_box.shell(f"StandardInput=tty\nTTYPath={line.path}\nStandardError=journal", "echo out; echo err >&2")
    assert r.out == "" and r.err == "err\n" and b"out\r\n" in line.read(b"out\r\n"), r
    r = any_box.shell(f"TTYPath={line.path}\nStandardOutput=tty", "echo out; tty -s </dev/tty 2>/dev/null && echo controls; true")
    assert r.status == 0 and b"out\r\n" in line.read(b"out\r\n"), r


@pytest.fixture
def taken(line):
    """A session of another's that has the terminal as its controlling one."""
    p = subprocess.Popen(["sleep", "600"], stdin=line.side, stdout=line.side, stderr=line.side, start_new_session=True,
                         preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    yield p
    if p.poll() is None:
        p.kill()
    p.wait()


def test_a_terminal_that_another_has(any_box, line, taken):
    r = any_box.shell(f"StandardInput=tty-fail\nTTYPath={line.path}", "true")
    assert r.status == 208 and "session.terminal" in r.err, r
    if any_box.uid == 0:
        assert any_box.shell(f"StandardInput=tty-force\nTTYPath={line.path}", "echo mine").status == 0
        assert b"mine" in line.read(b"mine")
    else:
        r = any_box.shell(f"StandardInput=tty-force\nTTYPath={line.path}", "true")
        assert r.status == 208, r


def test_waiting_for_it(any_box, line, taken):
    p = subprocess.Popen([str(binary()), *any_box.arguments([f"StandardInput=tty", f"TTYPath={line.path}"], ["-P"]), "echo", "at last"], env=any_box.env(),
                         **any_box.identity())
    time.sleep(0.3)
    assert p.poll() is None
    taken.kill()
    taken.wait()
    assert p.wait(PATIENCE) == 0 and b"at last" in line.read(b"at last")


def test_size_and_reset(any_box, line):
    modes = termios.tcgetattr(line.side)
    modes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(line.side, termios.TCSANOW, modes)
    lines = f"StandardInput=tty\nTTYPath={line.path}\nStandardOutput=journal"
    assert "-icanon" in any_box.shell(lines, "stty -a").out
    out = any_box.shell(f"{lines}\nTTYReset=yes\nTTYRows=33\nTTYColumns=99\nTTYVTDisallocate=yes", "stty -a").out
    assert " icanon" in out and "rows 33" in out and "columns 99" in out, out
    assert struct.unpack("HHHH", fcntl.ioctl(line.side, termios.TIOCGWINSZ, b"\0" * 8))[:2] == (33, 99)


def test_hanging_up(box):
    line = Line(0)
    try:
        r = box.shell(f"StandardInput=tty\nTTYPath={line.path}\nTTYVHangup=yes\nStandardOutput=journal", "tty")
        assert r.status == 0 and r.out.strip() == line.path, r
        assert os.read(line.side, 10) == b""  # who had it open before has lost it
    finally:
        line.close()


def test_what_is_no_terminal(any_box):
    for path, words in (("/dev/null", "Inappropriate ioctl"), ("/nonexistent", "No such file")):
        r = any_box.shell(f"StandardInput=tty\nTTYPath={path}", "true")
        assert r.status == 208 and words in r.err and path in r.err, r


def test_input_of_the_plan(any_box):
    data = base64.b64encode(b"\0\xff bytes").decode()
    r = any_box.shell(["StandardInputText=one %%\\x41", f"StandardInputData={data[:5]} {data[5:]}", "StandardInputText= two"], "od -An -tx1 | tr -d ' \\n'")
    assert bytes.fromhex(r.out) == b"one %A\n\0\xff bytestwo\n", r
    assert any_box.shell("StandardInputText=gone\nStandardInputData=\nStandardInputText=here", "cat").out == "here\n"
    assert any_box.shell("StandardInputText=x\nStandardInput=null", "cat").out == ""
    assert any_box.shell("StandardInput=data", "cat").out == ""
    r = any_box.shell("StandardInputText=x", "echo y 2>/dev/null >/proc/self/fd/0; echo z >>/dev/stdin; cat")
    assert r.out in ("x\n", ""), r


@pytest.mark.parametrize("assignment", ["StandardInputData=a", "StandardInputData=!!!!", "StandardInputData=ab=c", "StandardInputData====", "StandardInputText=\\q", "TTYPath=tty",
                                        "TTYRows=65536", "TTYColumns=x", "TTYReset=maybe", "TTYVHangup=2", "TTYVTDisallocate=x", "StandardOutput=tty-force", "StandardError=data"])
def test_bad_values(any_box, assignment):
    r = any_box.run(assignment, "true")
    assert r.status == 1 and "directive.value" in r.err, r


def test_explain(any_box):
    arguments = [w for p in ("StandardInput=tty-force", "TTYPath=/dev/tty9", "StandardOutput=journal") for w in ("-p", p)]
    plan = json.loads(any_box.call("explain", "--json", *arguments, "true").out)
    assert plan["streams"]["input"] == {"kind": "tty", "path": "/dev/tty9", "origin": "StandardInput=tty-force"}
    assert plan["streams"]["output"]["kind"] == "log"
    assert "by force /dev/tty9" in any_box.call("explain", *arguments, "true").out
    assert "2 bytes of the plan's" in any_box.call("explain", "-p", "StandardInputText=x", "true").out
