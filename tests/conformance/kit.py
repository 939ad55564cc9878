# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the conformance tests share: a container that reports on itself, its cgroups, sockets that receive descriptors."""
import contextlib
import ctypes
import errno
import functools
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oci"))
import bundle as oci  # noqa: E402
from bundle import linux, need_linux  # noqa: E402,F401

CAPABILITIES = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"]
NAMESPACES = {"cgroup": "cgroup", "ipc": "ipc", "mount": "mnt", "network": "net", "pid": "pid", "time": "time",
              "user": "user",
              "uts": "uts"}
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def session_keyring():
    """The number of ours, as the probe tells that of its own."""
    keyctl, get_keyring_id, session = 250, 0, -3
    return ctypes.CDLL(None).syscall(keyctl, get_keyring_id, session, 0)


def names_of(mask):
    """The capabilities of a hexadecimal mask, sorted."""
    bits = int(mask, 16)
    return sorted(name for i, name in enumerate(CAPABILITIES) if bits >> i & 1)


class Mount:
    """A line of mountinfo."""

    def __init__(self, line):
        before, _, after = line.partition(" - ")
        fields = before.split()
        self.root, self.point, self.options = fields[3], fields[4], fields[5].split(",")
        self.optional = fields[6:]
        self.type, self.source, super_options = after.split(" ", 2)
        self.super = super_options.split(",")

    def propagation(self):
        """Words such as shared and slave; empty for private."""
        words = {"shared": "shared", "master": "slave", "unbindable": "unbindable"}
        return sorted(words[o.split(":")[0]] for o in self.optional if o.split(":")[0] in words)


class Report(dict):
    """What the probe said of its process."""

    def capabilities(self, which):
        return names_of(self["status"][{"inheritable": "CapInh", "permitted": "CapPrm", "effective": "CapEff",
                                        "bounding": "CapBnd", "ambient": "CapAmb"}[which]])

    def mounts(self, point):
        return [m for m in map(Mount, self["mountinfo"]) if m.point == point]

    def mount(self, point):
        """The topmost mount there."""
        found = self.mounts(point)
        assert found, (point, self["mountinfo"])
        return found[-1]

    def environment(self):
        return dict(e.split("=", 1) for e in self["env"])


def last_object(text):
    """The last line that is a JSON object (a runtime's warning may stand before it)."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise AssertionError(f"no answer of the probe in {text!r}")


class Box(oci.Container):
    """A container with the probe in it."""
    probe = None  # the compiled probe, set by the fixture
    names = oci.named_in(HERE)

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        os.link(self.probe, self.rootfs / "probe")

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    @property
    def resources(self):
        return self.linux.setdefault("resources", {})

    def mount(self, destination, source=None, type=None, options=(), **more):
        entry = {"destination": destination, **more}
        if source is not None:
            entry["source"] = str(source)
        if type is not None:
            entry["type"] = type
        if options:
            entry["options"] = list(options)
        self.config.setdefault("mounts", []).append(entry)
        return self

    def tmpfs(self, destination, *options):
        return self.mount(destination, "tmpfs", "tmpfs", options)

    def bind(self, source, destination, *options, **more):
        return self.mount(destination, source, "bind", options or ("bind",), **more)

    def namespace(self, type, path=None):
        """Adds the namespace, or replaces the one of its type."""
        self.without_namespace(type)
        self.linux["namespaces"].append({"type": type, **({"path": str(path)} if path else {})})
        return self

    def without_namespace(self, type):
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != type]
        return self

    def mapped(self, host=100000, size=65536):
        """In a user namespace of its own."""
        self.namespace("user")
        for kind in ("uidMappings", "gidMappings"):
            self.linux[kind] = [{"containerID": 0, "hostID": host, "size": size}]
        return self

    def capable(self, *names, sets=("bounding", "effective", "permitted")):
        """Adds capabilities to those it has."""
        for s in sets:
            have = self.process["capabilities"].setdefault(s, [])
            have.extend(n for n in names if n not in have)
        return self

    # -- running

    def call(self, *argv, timeout=120, **kw):
        return super().call(*argv, timeout=timeout, **kw)

    def ran(self, *options, **kw):
        """Run to its end with success: its output."""
        r = self.run(*options, **kw)
        assert r.status == 0, r
        return r.out

    def report(self, *options, argv=("/probe",), **kw):
        """What the probe sees as the container's process."""
        self.args(*argv)
        return Report(last_object(self.ran(*options, **kw)))

    def tries(self, *argv, **kw):
        """One verb of the probe as the container's process: its answer."""
        return self.report(argv=("/probe", *[str(a) for a in argv]), **kw)

    def errno(self, *argv):
        """The name of the error one call got, or None."""
        e = self.tries(*argv)["errno"]
        return errno.errorcode[e] if e else None

    def reports(self, *argv, options=(), **kw):
        """The same through exec."""
        r = self.exec("/probe", *argv, options=options, **kw)
        assert r.status == 0, r
        return Report(last_object(r.out))

    def refused(self, *options, **kw):
        """Create must fail, say why, run nothing and leave nothing: what was said."""
        witness = self.bundle / "rootfs/ran"
        if "args" in self.process and self.process["args"] == ["true"]:
            self.sh("echo ran > /ran")
        r = self.run(*options, **kw)
        said = r.err + r.out
        assert r.status != 0 and said.strip(), ("must be refused", r)
        assert r.status > 0 and "goroutine " not in said, ("it crashed", r)
        assert not witness.exists(), "the program ran"
        assert self.state() is None, "the container exists"
        return said

    def idle(self, *options):
        """Up, with a program that waits."""
        return self.args("sleep", "1000").up(*options)

    @property
    def pid(self):
        return self.state()["pid"]

    def ended(self, seconds=60):
        assert self.wait_for("stopped", seconds), self.state()
        return self

    # -- from outside

    def cgroup(self, controller=None, pid=None):
        """The folder of its cgroup in a hierarchy of version 1, or in that of version 2 ("unified"); without a name, in any."""
        controller = controller or ("pids" if "pids" in controllers() else "unified")
        for line in open(f"/proc/{pid or self.pid}/cgroup"):
            _, names, path = line.rstrip("\n").split(":", 2)
            if controller in names.split(",") or (controller == "unified" and not names):
                return (unified() if controller == "unified" else CGROUPS / controller) / path.lstrip("/")
        raise AssertionError(f"no hierarchy of {controller}")

    def limit(self, controller, file):
        """The text of a file of its cgroup; skips if the kernel has no such file."""
        path = self.cgroup(controller) / file
        if not path.exists():
            pytest.skip(f"no {file} in this kernel's cgroups")
        return path.read_text().strip()

    def cgroups(self):
        """All folders below the cgroup root that carry its id."""
        return [pathlib.Path(top) for top, _, _ in os.walk(CGROUPS) if self.id in os.path.basename(top)]

    def signals(self):
        path = self.rootfs / "signals"
        return [int(n) for n in path.read_text().split()] if path.exists() else []


def need_controller(name):
    if name not in controllers():
        pytest.skip(f"no {name} controller of cgroup version 1")


@functools.lru_cache(maxsize=None)
def controllers():
    found = set()
    for line in open("/proc/self/mountinfo"):
        m = Mount(line.rstrip("\n"))
        if m.type == "cgroup":
            found.update(m.super)
    return found


def unified():
    """Where the hierarchy of version 2 is mounted, or None."""
    for line in open("/proc/self/mountinfo"):
        m = Mount(line.rstrip("\n"))
        if m.type == "cgroup2" and m.point.startswith(str(CGROUPS)):
            return pathlib.Path(m.point)
    return None


def need_unified(name):
    if not unified() or name not in (unified() / "cgroup.controllers").read_text().split():
        pytest.skip(f"no {name} controller of cgroup version 2")


def until(what, seconds=60, said="it did not happen"):
    """Polls until what() is true; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(said)


@contextlib.contextmanager
def holder(*unshare):
    """A process that keeps namespaces open: its process id."""
    p = subprocess.Popen(["unshare", *unshare, "sleep", "1000"], stdin=subprocess.DEVNULL)
    try:
        until(lambda: os.readlink(f"/proc/{p.pid}/exe").endswith("sleep"))
        yield p.pid
    finally:
        p.kill()
        p.wait()


class Listener:
    """A unix socket that takes one message and the descriptors sent with it."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen(4)
        self.socket.settimeout(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def take(self, enough=lambda data: False):
        """The bytes of one connection and its descriptors: to its end, or until the bytes are enough."""
        connection, _ = self.socket.accept()
        connection.settimeout(60)
        got, fds = b"", []
        with connection:
            while not enough(got):
                data, more, _, _ = socket.recv_fds(connection, 1 << 16, 8)
                fds += more
                if not data:
                    break
                got += data
        return got, fds


def is_json(data):
    try:
        json.loads(data)
        return True
    except ValueError:
        return False


def read_until(fd, mark, seconds=60):
    """Reads a terminal until a text appears."""
    got, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        got += data
        if mark and mark.encode() in got:
            break
    return got.decode(errors="replace")


def gone(pid):
    """Ended; whether its parent has read the status is the parent's matter."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def inode(link):
    return re.search(r"\[(\d+)\]", link).group(1)

