# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: process.terminal and consoleSize; --console-socket, exec --tty."""
import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import termios
import threading

import pytest

from kit import Listener, last_object, read_until


class Console:
    """Receives the terminal's other end."""

    def __init__(self, folder):
        self.listener = Listener(folder / "console")
        self.got = None
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        self.got = self.listener.take()

    @property
    def option(self):
        return "--console-socket", str(self.listener.path)

    @property
    def fd(self):
        self.thread.join(60)
        assert self.got and len(self.got[1]) == 1, self.got
        return self.got[1][0]

    def close(self):
        if self.thread.is_alive():  # nobody has come
            with socket.socket(socket.AF_UNIX) as nobody:
                nobody.connect(str(self.listener.path))
        self.thread.join(60)
        self.listener.socket.close()
        for fd in self.got[1] if self.got else []:
            os.close(fd)


@pytest.fixture
def console(folder):
    c = Console(folder)
    yield c
    c.close()


def up(box, console, *argv):
    box.process["terminal"] = True
    box.args(*argv)
    r = box.create(*console.option)
    assert r.status == 0, r
    assert box.start().status == 0
    return console.fd


def test_the_process_has_a_terminal(box, console):
    fd = up(box, console, "/probe")
    seen = last_object(read_until(fd, '"mountinfo":') + read_until(fd, "\n"))
    terminal = seen["terminal"]
    assert (terminal["stdin"], terminal["stdout"], terminal["stderr"]) == (1, 1, 1)
    assert terminal["name"] == "/dev/console" or terminal["name"].startswith("/dev/pts/")
    assert seen["sid"] == seen["pid"] == terminal["foreground"], "it leads the session of its terminal"


def test_what_is_received_is_a_terminals_main_side(box, console):
    fd = up(box, console, "sleep", "1000")
    assert os.isatty(fd) and stat.S_ISCHR(os.fstat(fd).st_mode)


def test_what_is_typed_reaches_the_program_and_the_other_way(box, console):
    fd = up(box, console, "sh", "-c", "read line; echo got $line; sleep 1000")
    os.write(fd, b"some words\n")
    assert "got some words" in read_until(fd, "got some words")


def test_dev_console_is_the_terminal(box, console):
    fd = up(box, console, "sh", "-c", "test -c /dev/console && echo by-console > /dev/console; sleep 1000")
    assert "by-console" in read_until(fd, "by-console")


def test_the_size_of_the_terminal(box, console):
    box.process["consoleSize"] = {"height": 31, "width": 97}
    fd = up(box, console, "sh", "-c", "stty size; sleep 1000")
    assert "31 97" in read_until(fd, "31 97")
    assert struct.unpack("4H", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))[:2] == (31, 97)


def test_control_c_interrupts(box, console):
    fd = up(box, console, "sh", "-c", "trap 'echo caught; exit 0' INT; echo ready; while :; do sleep 0.1; done")
    read_until(fd, "ready")
    os.write(fd, b"\x03")
    assert "caught" in read_until(fd, "caught")


def test_the_terminal_belongs_to_the_user(box, console):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    fd = up(box, console, "sh", "-c",
            "stat -c 'owner %u' -L /proc/self/fd/0; echo x > $(tty) && echo opened; sleep 1000")
    text = read_until(fd, "opened")
    assert "owner 1000" in text and "opened" in text


def test_output_is_not_changed_by_the_terminal_of_others(box, console):
    """A line ends with carriage return and line feed only if the terminal is told so; runtimes switch ONLCR off."""
    fd = up(box, console, "sh", "-c", "printf 'a\\nend'; sleep 1000")
    assert read_until(fd, "end").replace("\r\n", "\n") == "a\nend"


def test_the_size_is_ignored_without_a_terminal(box):
    box.process["consoleSize"] = {"height": 31, "width": 97}
    assert box.report()["terminal"]["stdin"] == 0


def test_create_with_a_terminal_needs_a_socket(box):
    box.process["terminal"] = True
    r = box.args("sleep", "1").create()
    assert r.status != 0 and "console" in r.err.lower() and box.state() is None


def test_a_socket_without_a_terminal_is_refused(box, console):
    r = box.args("sleep", "1").create(*console.option)
    assert r.status != 0 and box.state() is None


def test_a_socket_that_nobody_listens_at_is_refused(box, folder):
    box.process["terminal"] = True
    r = box.args("sleep", "1").create("--console-socket", folder / "nobody")
    assert r.status != 0 and box.state() is None


def test_run_in_the_foreground_on_a_terminal(box):
    """The runtime itself has the terminal and hands through what is typed and said, and the size."""
    box.process["terminal"] = True
    box.args("sh", "-c", "stty size; read x; echo got $x; exit 5").save()
    main, side = os.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 44, 132, 0, 0))
    p = subprocess.Popen(box.command("run", "--bundle", box.bundle, box.id), stdin=side, stdout=side, stderr=side,
                         start_new_session=True,
                         preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(side)
    try:
        seen = read_until(main, "44 132")
        os.write(main, b"words\n")
        seen += read_until(main, "got words")
        assert "44 132" in seen and "got words" in seen, seen
        assert p.wait(60) == 5
    finally:
        p.kill()
        p.wait()
        os.close(main)


def test_exec_with_a_terminal(box, folder):
    box.idle()
    console = Console(folder)
    try:
        r = box.exec("sh", "-c", "test -t 0 && tty; sleep 1000", options=("--tty", "--detach", *console.option))
        assert r.status == 0, r
        assert "/dev/" in read_until(console.fd, "/dev/")
    finally:
        console.close()


def test_exec_takes_the_size_from_its_process_file(box, folder):
    box.idle()
    (folder / "process.json").write_text(json.dumps({**box.process, "terminal": True,
                                                     "consoleSize": {"height": 20, "width": 33},
                                                     "args": ["sh", "-c", "stty size; sleep 1000"]}))
    console = Console(folder)
    try:
        r = box.call("exec", "--process", folder / "process.json", "--detach", *console.option, box.id)
        assert r.status == 0, r
        assert "20 33" in read_until(console.fd, "20 33")
    finally:
        console.close()


def test_a_terminal_in_a_user_namespace(box, console):
    box.mapped()
    fd = up(box, console, "sh", "-c", "test -t 0 && stat -c 'owner %u' -L /proc/self/fd/0; sleep 1000")
    assert "owner 0" in read_until(fd, "owner 0")


@pytest.mark.parametrize("size",
                         [{"height": -1, "width": 5}, {"height": "5", "width": 5}, {"height": 70000, "width": 5}],
                         ids=str)
def test_a_size_refused(box, console, size):
    box.process.update(terminal=True, consoleSize=size)
    r = box.args("sleep", "1000").create(*console.option)
    assert r.status != 0


def test_a_terminal_in_a_joined_process_namespace_is_the_controlling_one(make, console):
    """The process that starts there is not the one that was set up: the session and the terminal are its own all the same."""
    first, box = make().idle(), make()
    box.namespace("pid", f"/proc/{first.pid}/ns/pid")
    fd = up(box, console, "sh", "-c", "echo over the terminal >/dev/tty; ps -o pid,sid,args; sleep 1000")
    said = read_until(fd, "ps -o pid")
    assert "over the terminal" in said
    leader = next(line for line in said.splitlines() if "sh -c echo" in line).split()
    assert leader[0] == leader[1] != "1"
    os.close(fd)
    console.got = None
