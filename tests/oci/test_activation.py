# SPDX-License-Identifier: LGPL-2.1-or-later
"""LISTEN_FDS and NOTIFY_SOCKET, as a service manager sets them."""
import os
import socket
import subprocess
import time

import pytest

PYTHON_TELL = r"""
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(sys.argv[1].encode().decode("unicode_escape").encode(), os.environ["NOTIFY_SOCKET"])
"""


@pytest.fixture
def manager(folder):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(str(folder / "manager"))
    s.settimeout(60)
    yield s
    s.close()


def listen_as(container, count, *argv, preserve=()):
    """Runs the runtime with LISTEN_PID set to itself, as a manager does."""
    script = f'LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES=web exec "$@"'
    return ["sh", "-c", script, "sh", *container.command("run", *argv, "--bundle", container.bundle, container.id)]


def run_with(fds, command):
    """Descriptors fds become 3, 4, ... of the command."""
    def put():
        high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
            os.close(fd)
    return subprocess.run(command, preexec_fn=put, close_fds=False, capture_output=True, text=True, timeout=120)


def test_listening_sockets_reach_the_container(container, folder):
    (folder / "text").write_text("from the socket\n")
    fd = os.open(folder / "text", os.O_RDONLY)
    container.sh("echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; cat <&3; ls /proc/self/fd | grep -c .")
    container.save()
    r = run_with([fd], listen_as(container, 1))
    os.close(fd)
    assert r.returncode == 0, r
    assert r.stdout.splitlines()[:2] == ["1 1 web", "from the socket"]


def test_sockets_for_another_process_are_not_handed_on(container, folder):
    (folder / "text").write_text("secret\n")
    fd = os.open(folder / "text", os.O_RDONLY)
    container.sh("echo ${LISTEN_FDS:-none}; cat <&3")
    container.save()
    command = ["env", "LISTEN_PID=1", "LISTEN_FDS=1", *container.command("run", "--bundle", container.bundle, container.id)]
    r = run_with([fd], command)
    os.close(fd)
    assert r.stdout.startswith("none") and "secret" not in r.stdout, r


def test_descriptors_that_are_preserved_stand_behind_the_sockets(container, folder):
    fds = []
    for word in ("first", "second"):
        (folder / word).write_text(word + "\n")
        fds.append(os.open(folder / word, os.O_RDONLY))
    container.sh("cat <&3; cat <&4")
    container.save()
    r = run_with(fds, listen_as(container, 1, "--preserve-fds", "1"))
    for fd in fds:
        os.close(fd)
    assert r.stdout == "first\nsecond\n", r


def notify_config(c):
    """The host's Python, read-only, for a payload that can send datagrams."""
    for path in ("/usr", "/lib", "/lib64"):
        if os.path.exists(path):
            c.config["mounts"].append({"destination": path, "type": "bind", "source": os.path.realpath(path), "options": ["rbind", "ro"]})
    (c.rootfs / "tell.py").write_text(PYTHON_TELL)
    return c


def tell(message):
    return f"/usr/bin/python3 /tell.py '{message}'"


def env_of(manager):
    return {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}


def test_in_the_foreground_the_state_of_the_service_goes_on(container, manager):
    notify_config(container).sh(tell(r"READY=1\nSTATUS=fine\nMAINPID=1\nFDSTORE=1"))
    r = container.run(env=env_of(manager))
    assert r.status == 0, r
    assert manager.recv(4096) == b"READY=1\nSTATUS=fine\n"


def test_start_waits_until_the_container_is_ready_and_tells_its_pid(container, manager):
    notify_config(container).sh("sleep 0.5; " + tell("STATUS=soon") + "; " + tell("READY=1") + "; exec sleep 60")
    r = container.create(env=env_of(manager))
    assert r.status == 0, r
    began = time.monotonic()
    r = container.call("start", container.id, env=env_of(manager))
    assert r.status == 0 and time.monotonic() - began > 0.4, r
    assert manager.recv(4096) == b"STATUS=soon\n"
    assert manager.recv(4096) == f"READY=1\nMAINPID={container.state()['pid']}\n".encode()


def test_start_ends_when_the_container_ends_without_being_ready(container, manager):
    notify_config(container).sh("exit 3")
    assert container.create(env=env_of(manager)).status == 0
    assert container.call("start", container.id, env=env_of(manager)).status == 0
    assert container.wait_for("stopped")
    assert container.delete(force=False).status == 0
    assert not (container.root / container.id).exists()


def test_a_detached_run_waits_as_well(container, manager):
    notify_config(container).sh(tell("READY=1") + "; exec sleep 60")
    container.save()
    with open(container.bundle / "out", "wb") as out:
        p = subprocess.run(container.command("run", "--detach", "--bundle", container.bundle, container.id), env=env_of(manager), stdin=subprocess.DEVNULL,
                           stdout=out, stderr=out, timeout=120)
    assert p.returncode == 0, container.out()
    assert manager.recv(4096) == f"READY=1\nMAINPID={container.state()['pid']}\n".encode()


def test_without_a_manager_there_is_no_socket(container):
    r = container.sh("echo ${NOTIFY_SOCKET:-none}; ls /run").run(env={k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"})
    assert r.out == "none\n", r


def test_the_container_cannot_fill_the_folder_of_the_socket(container, manager):
    r = container.sh("echo x >/run/notify/file; rm /run/notify/notify.sock; ls /run/notify").run(env=env_of(manager))
    assert r.out == "notify.sock\n" and "Read-only" in r.err, r
    assert not (container.root / container.id).exists()
