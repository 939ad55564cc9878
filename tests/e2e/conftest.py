# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the built bulkhead in folders of the test's own, as root or as an ordinary user, with or without a terminal."""
import collections
import ctypes
import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import zlib

import pytest

from lifecycle import PATIENCE, eventually
from services import Services, remove_actor

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
USER = 65534
CLONE_NEWNS = 0x20000



def has_capability(number):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1], 16) for line in f if line.startswith("CapEff")) >> number & 1


# For who is to have a processor whatever else runs, where root may ask for that (CAP_SYS_NICE).
AHEAD = "Nice=-19" if has_capability(23) else "Nice=0"
# A user that no account and no other suite has: what is counted or removed by user is then ours alone.
NOBODY_ELSE = 100000 + os.getpid()
Result = collections.namedtuple("Result", "status out err")


def binary():
    path = pathlib.Path(os.environ.get("BULKHEAD") or SOURCE / "build/src/bulkhead").resolve()
    if not path.exists():
        pytest.exit(f"{path} is not built", 2)
    return path


def remove(path):
    """Removes a tree of ours; never follows a link, never crosses into a mount."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(path)], check=False)


def pytest_configure():
    """As root in a mount namespace of our own: what other suites mount meanwhile is no mount that a run of ours has left. There our folders lie in
    memory: some disks take most of their time to make and remove as many files as we do."""
    if os.geteuid() == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        if not SOURCE.is_relative_to("/srv") and not binary().is_relative_to("/srv"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "bulkhead-tests", "/srv"], check=True)


@pytest.fixture(scope="session")
def tools():
    """A world-readable folder outside of /tmp, with the probe in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-tools-", dir="/srv"))
    folder.chmod(0o755)
    # Where there is no compiler, the probe has been brought.
    if (HERE / "probe").exists():
        shutil.copy(HERE / "probe", folder / "probe")
    else:
        subprocess.run(["gcc", "-O1", "-static", "-o", folder / "probe", HERE / "probe.c"], check=True)
    yield folder
    remove(folder)


@pytest.fixture(scope="session", autouse=True)
def the_actor():
    """Built by the first service that needs it."""
    yield
    remove_actor()


@pytest.fixture
def s():
    """Services of root's; modules that want more of them have a fixture of that name."""
    services = Services()
    yield services
    services.close()


class Terminal:
    """A child on a pseudo terminal of its own."""

    def __init__(self, argv, env, rows=24, columns=80, **options):
        self.main, side = pty.openpty()
        self.resize(rows, columns)
        self.seen = b""
        self.process = subprocess.Popen([str(a) for a in argv], stdin=side, stdout=side, stderr=side, env=env,
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **options)
        os.close(side)

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, data):
        os.write(self.main, data.encode() if isinstance(data, str) else data)

    def read(self, seconds):
        """What comes within the time; None at the end."""
        if not select.select([self.main], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.main, 65536)
        except OSError:
            return None
        if not data:
            return None
        self.seen += data
        return data

    def expect(self, text, seconds=PATIENCE):
        """Reads until the text comes; returns what came before it, and forgets both."""
        text = text.encode() if isinstance(text, str) else text
        end = time.monotonic() + seconds
        while text not in self.seen:
            if time.monotonic() > end or self.read(max(0.0, min(0.5, end - time.monotonic()))) is None and text not in self.seen:
                raise AssertionError(f"{text!r} did not come; came: {self.seen.decode(errors='replace')}")
        before, self.seen = self.seen.split(text, 1)
        return before.decode(errors="replace").replace("\r\n", "\n")

    def command(self, line, seconds=PATIENCE):
        """Runs one line of shell: what it printed, and its status."""
        self.send(f"{line}; echo \"<en\"\"d $?>\"\n")
        out = self.expect("<end ", seconds)
        return out, int(self.expect(">", seconds))

    def wait(self, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        if self.process.poll() is None:
            raise AssertionError(f"it does not end; came: {self.seen.decode(errors='replace')}")
        while self.read(0):
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)


class Box:
    """One test's own runtime folder, and ways to run bulkhead in it."""

    def __init__(self, tools, folder, uid):
        self.tools, self.folder, self.uid = tools, folder, uid
        self.probe = tools / "probe"
        self.runtime = folder / "run"
        self.home = folder / "home"
        self.data = folder / "data"
        self.terminals = []
        self.units = []
        for path, mode in ((self.runtime, 0o711), (self.home, 0o755), (self.data, 0o755)):
            path.mkdir()
            path.chmod(mode)
            os.chown(path, uid, uid)

    def env(self, **more):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb",
                "HOME": str(self.home), "BULKHEAD_RUNTIME_DIR": str(self.runtime), **more}

    def identity(self):
        return {} if self.uid == 0 else {"user": self.uid, "group": self.uid, "extra_groups": []}

    def call(self, *argv, input=None, timeout=2 * PATIENCE, env=None, cwd="/"):
        p = subprocess.run([str(binary()), *map(str, argv)], input=input, stdin=subprocess.DEVNULL if input is None else None,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout,
                           env=env or self.env(), cwd=cwd, **self.identity())
        return Result(p.returncode, p.stdout, p.stderr)

    @staticmethod
    def arguments(properties, options=()):
        return ["run", "-q", *options, *(w for p in properties for w in ("-p", p))]

    def run(self, properties, *argv, options=(), mode="-P", **more):
        """bulkhead run -P with properties given as NAME=VALUE."""
        if isinstance(properties, str):
            properties = properties.split("\n") if properties else []
        return self.call(*self.arguments(properties, [mode, *options]), *argv, **more)

    def shell(self, properties, script, *arguments, **more):
        return self.run(properties, "/bin/sh", "-c", script, "sh", *arguments, **more)

    def good(self, properties, *argv, **more):
        """The output of a run that must end well."""
        r = self.run(properties, *argv, **more)
        assert r.status == 0, r
        return r.out

    def json(self, properties, *argv, **more):
        return json.loads(self.good(properties, self.probe, *argv, **more))

    def access(self, properties, *paths, **more):
        return self.json(properties, "access", *paths, **more)

    def terminal(self, *argv, **more):
        t = Terminal([binary(), *argv], self.env(), cwd="/", **self.identity(), **more)
        self.terminals.append(t)
        return t

    def name(self, suffix=""):
        """A unit name that no other run has."""
        name = f"e2e-{os.getpid()}-{os.urandom(4).hex()}{suffix}"
        self.units.append(name)
        return name

    def leftovers(self):
        """What runs of this box left below its runtime folder."""
        return sorted(p.name for p in (self.runtime / "runs").glob("*")) if (self.runtime / "runs").exists() else []

    def close(self):
        for name in self.units:
            self.call("kill", "--signal=KILL", name)
        for t in self.terminals:
            t.close()
        eventually(lambda: not any(self.supervised()))

    def supervised(self):
        """Pids of shims that hold something in our runtime folder; only to wait for them."""
        for entry in self.leftovers():
            try:
                state = json.loads((self.runtime / "runs" / entry / "state.json").read_text())
                if state.get("phase") in ("running", "starting") and os.path.exists(f"/proc/{state['supervisor_pid']}"):
                    yield state["supervisor_pid"]
            except (OSError, ValueError, KeyError):
                continue


def make_box(tools, uid):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-e2e-", dir="/srv"))
    folder.chmod(0o755)
    return Box(tools, folder, uid)


@pytest.fixture
def box(tools):
    """Runs as root."""
    b = make_box(tools, 0)
    yield b
    b.close()
    remove(b.folder)


@pytest.fixture
def user_box(tools):
    """Runs as an ordinary user without groups, capabilities or a login."""
    b = make_box(tools, USER)
    yield b
    b.close()
    remove(b.folder)


@pytest.fixture(params=["root", "user"])
def any_box(request, tools):
    b = make_box(tools, 0 if request.param == "root" else USER)
    yield b
    b.close()
    remove(b.folder)


def pytest_collection_modifyitems(config, items):
    """BULKHEAD_SAMPLE=N: of a test with more than eight rows one row in N, always the same ones. ./check does so on instrumented programs, where
    rows of one test go through the same code; with --full there is no sample."""
    sample = int(os.environ.get("BULKHEAD_SAMPLE", "1"))
    if sample <= 1:
        return
    rows = collections.Counter((item.fspath, item.originalname) for item in items if hasattr(item, "callspec"))
    kept, left = [], []
    for item in items:
        many = hasattr(item, "callspec") and rows[item.fspath, item.originalname] > 8
        (left if many and zlib.crc32(item.nodeid.encode()) % sample else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
