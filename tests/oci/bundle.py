# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles for tests of the OCI runtime, and the runtime's own commands.

The runtime under test is build/src/bulkhead-oci, or what BULKHEAD_OCI names (runc and crun serve to check a test).
A bundle's root holds a static busybox with its links, and /probe if a test wants one.  Everything lies in a folder
of the test's own; what a test leaves behind is found by Baseline.
"""
import atexit
import collections
import contextlib
import copy
import fcntl
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import uuid

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUSYBOX = "/bin/busybox"

Result = collections.namedtuple("Result", "status out err")

DEFAULT_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
DEFAULT_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
     "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
]
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def default_config():
    """What `runc spec` writes, without a terminal."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["true"], "cwd": "/", "noNewPrivileges": True,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "capabilities": {name: list(DEFAULT_CAPABILITIES) for name in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "bulkhead",
        "mounts": copy.deepcopy(DEFAULT_MOUNTS),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": list(MASKED), "readonlyPaths": list(READ_ONLY),
        },
    }


def runtime():
    path = os.environ.get("BULKHEAD_OCI") or str(SOURCE / "build/src/bulkhead-oci")
    return shutil.which(path) or str(pathlib.Path(path).resolve())


def linux():
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])


def need_linux(version, what):
    if linux() < tuple(int(n) for n in version.split(".")):
        pytest.skip(f"{what} needs Linux {version}")


@functools.lru_cache(maxsize=None)
def applets():
    return subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()


def named_in(folder):
    """The names of busybox's commands that stand in a suite's sources, which are those that its tests can use."""
    words = {word for source in folder.glob("*.py") for word in re.findall(r"[\w.\[-]+", source.read_text())}
    return [name for name in applets() if name in words]


@functools.lru_cache(maxsize=None)
def shared_programs():
    """A folder with busybox and its links, each of which all roots have as one of theirs: to make them anew takes longer than many a test."""
    place = tempfile.mkdtemp(prefix="bulkhead-busybox-", dir="/srv")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    shutil.copy(BUSYBOX, place)
    for name in applets():
        if name != "busybox":
            os.symlink("busybox", f"{place}/{name}")
    return place


def make_rootfs(path, names=None, own=False):
    """A root with busybox, links of these names to it (or of all it knows), and the folders that mounts need.

    own: with a busybox of its own, where its owner will be changed."""
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc", "root", "home", "run", "var", "usr/bin", "sbin", "mnt"):
        os.makedirs(path / name, exist_ok=True)
    (path / "tmp").chmod(0o1777)
    programs = shared_programs()
    for name in {"busybox", *(names or applets())}:
        if name == "busybox" and own:
            shutil.copy(BUSYBOX, path / "bin")
        else:
            os.link(f"{programs}/{name}", f"{path}/bin/{name}", follow_symlinks=False)
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\nuser:x:1000:\nextra:x:2000:user\n")
    return path


class Container:
    """One bundle and the container made of it.  names: of busybox's commands, where a test can do with few."""
    prefix = ()  # put before the runtime: nsenter, unshare...
    names = None  # of busybox's commands: those that a suite uses; all, where it does not say
    own_busybox = False

    def __init__(self, folder, state_root, program=None, config=None, names=None):
        self.id = "t" + uuid.uuid4().hex[:10]
        self.bundle = folder / self.id
        self.bundle.mkdir(mode=0o755)
        self.rootfs = make_rootfs(self.bundle / "rootfs", names or self.names, self.own_busybox)
        self.root = state_root
        self.program = program or runtime()
        self.config = config or default_config()
        self.background = None

    def save(self):
        (self.bundle / "config.json").write_text(json.dumps(self.config))

    def args(self, *argv):
        self.config["process"]["args"] = list(argv)
        return self

    def sh(self, script):
        return self.args("sh", "-c", script)

    def command(self, *argv):
        return [*self.prefix, self.program, "--root", str(self.root), *[str(a) for a in argv]]

    def call(self, *argv, timeout=120, input=None, env=None, **options):
        """RUNTIME --root ROOT ARGV...: status, stdout and stderr as text."""
        p = subprocess.run(self.command(*argv), capture_output=True, timeout=timeout, input=input, env=env, text=True,
                           errors="replace", cwd=str(self.bundle), **options)
        return Result(p.returncode, p.stdout, p.stderr)

    def run(self, *options, **kw):
        """In the foreground, to its end."""
        self.save()
        return self.call("run", *options, "--bundle", self.bundle, self.id, **kw)

    def create(self, *options, stdio=None, **kw):
        """The container's own output goes to files out and err in the bundle (a pipe would be held open)."""
        self.save()
        with open(self.bundle / "out", "wb") as out, open(self.bundle / "err", "wb") as err:
            p = subprocess.run(self.command("create", *options, "--bundle", self.bundle, self.id), stdin=subprocess.DEVNULL,
                               stdout=out, stderr=err, timeout=kw.pop("timeout", 120), cwd=str(self.bundle), **kw)
        return Result(p.returncode, self.out(), self.err())

    def start(self):
        return self.call("start", self.id)

    def up(self, *options):
        """Created and started, or an assertion with what was said."""
        r = self.create(*options)
        assert r.status == 0, r
        r = self.start()
        assert r.status == 0, r
        return self

    def out(self):
        return (self.bundle / "out").read_text(errors="replace")

    def err(self):
        return (self.bundle / "err").read_text(errors="replace")

    def state(self):
        r = self.call("state", self.id)
        return json.loads(r.out) if r.status == 0 else None

    def status(self):
        s = self.state()
        return s["status"] if s else None

    def wait_for(self, status, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.status() == status:
                return True
            time.sleep(0.02)
        return False

    def exec(self, *argv, options=(), **kw):
        return self.call("exec", *options, self.id, *argv, **kw)

    def kill(self, signal="KILL"):
        return self.call("kill", self.id, signal)

    def delete_what_is_there(self):
        """A container that has no state is gone, and the runtime need not be asked."""
        if os.path.lexists(f"{self.root}/{self.id}"):
            self.delete()

    def delete(self, force=True):
        return self.call("delete", *(["--force"] if force else []), self.id)


def mounts_below(path):
    return [point for point in (line.split()[4] for line in open("/proc/self/mountinfo")) if point.startswith(str(path) + "/")]


def remove_tree(path):
    """Unmounts what lies below, deepest first, and removes a tree of ours; never follows a link or crosses a mount.

    A bind mount of the same file system is nothing that rm would notice: while one is left, nothing is removed."""
    for point in sorted(mounts_below(path), key=len, reverse=True):
        subprocess.run(["umount", "-l", "--", point], check=False, capture_output=True)
    left = mounts_below(path)
    if left:
        raise RuntimeError(f"mounted below {path}, so it stays: {left}")
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # what it cannot do: a very deep tree
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(path)], check=False)


@contextlib.contextmanager
def shared_out(controller):
    """What the top of v2 beside v1 hands down meanwhile is taken back at the end, unless it was so before or another suite's test needs it:
    suites run side by side, and the top is one for all."""
    top = pathlib.Path("/sys/fs/cgroup/unified")
    if not (top / "cgroup.subtree_control").exists():
        yield
        return
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        before = (top / "cgroup.subtree_control").read_text().split()
        yield
        with contextlib.suppress(OSError):  # others are using it, of our own or not
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if controller not in before:
                (top / "cgroup.subtree_control").write_text(f"-{controller}")
    finally:
        os.close(fd)


@contextlib.contextmanager
def folder_in_srv(prefix):
    """A folder of the test's own, world-readable and outside of /tmp."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/srv"))
    path.chmod(0o755)
    yield path
    remove_tree(path)


def folder_fixture(prefix):
    """A fixture "folder" of a suite: of each test's own, as folder_in_srv has it."""
    @pytest.fixture
    def folder():
        if os.geteuid() != 0:
            pytest.skip("needs root")
        pathlib.Path("/srv").mkdir(exist_ok=True)
        with folder_in_srv(prefix) as path:
            yield path
    return folder


@contextlib.contextmanager
def containers_in(folder):
    """new(): another container, deleted afterwards."""
    made = []

    def new(**kw):
        made.append(Container(folder, folder / "state", **kw))
        return made[-1]

    yield new
    for c in made:
        c.delete_what_is_there()


@pytest.fixture
def make(folder):
    """make(): another container, deleted afterwards."""
    with containers_in(folder) as new:
        yield new


@pytest.fixture
def container(make):
    return make()
