# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of published escapes share: canaries on the host, links that lead to them, races, consoles.

A test lets a bundle try one class of escape and then looks at the canary.  A runtime may refuse or contain; so each class
has a twin which shows that the thing itself still works, and refusing everything fails.
"""
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import re
import secrets
import select
import socket
import stat
import subprocess
import threading
import time

ALL_CAPABILITIES = (1 << 64) - 1
CAP = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13,
       "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27, "CAP_AUDIT_WRITE": 29}


def race_seconds():
    return float(os.environ.get("BULKHEAD_RACE_SECONDS", "3"))


def bits(names):
    return sum(1 << CAP[n] for n in names)


class Canary:
    """A folder on the host that no container is given; changes() says what has happened to it."""

    def __init__(self, path):
        self.path = path
        self.secret = secrets.token_hex(16)
        path.mkdir()
        path.chmod(0o755)
        (path / "secret").write_text(self.secret + "\n")
        (path / "ptmx").write_text("the host's\n")
        (path / "folder").mkdir()
        (path / "folder/file").write_text("the host's\n")
        (path / "passwd").write_text("root:x:0:0:root:/canary-home:/bin/sh\n")
        self.before = self.look()

    def look(self):
        seen = {}
        for p in [self.path, *self.path.rglob("*")]:
            st = os.lstat(p)
            content = ""
            if stat.S_ISREG(st.st_mode):
                content = hashlib.sha256(p.read_bytes()).hexdigest()
            elif stat.S_ISLNK(st.st_mode):
                content = os.readlink(p)
            seen[str(p.relative_to(self.path))] = (st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_ino, st.st_mtime_ns, content)
        return seen

    def changes(self):
        after = self.look()
        found = [f"{n}: {self.before.get(n)} -> {after.get(n)}" for n in sorted({*self.before, *after}) if self.before.get(n) != after.get(n)]
        return found + [m for m in host_mounts() if m.startswith(str(self.path))]

    def untouched(self, *results):
        """The canary is as it was, and nothing of it can be read in what containers said."""
        assert self.changes() == []
        for r in results:
            assert self.secret not in r.out, "the host's secret came out"
        return True


def host_mounts():
    return [line.split()[4] for line in open("/proc/self/mountinfo")]


def links_to(path):
    """Ways to write a link that leads from a container's root to a path of the host, if it is followed by name."""
    return {"absolute": str(path), "climbing": "../" * 24 + str(path).lstrip("/"), "magic": f"/proc/self/root{path}",
            "magic-of-init": f"/proc/1/root{path}"}


def place_link(rootfs, name, target):
    """Puts a link into a root in place of whatever is there."""
    at = rootfs / name
    at.parent.mkdir(parents=True, exist_ok=True)
    if at.is_dir() and not at.is_symlink():
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(at)], check=True)
    elif at.is_symlink() or at.exists():
        at.unlink()
    at.symlink_to(target)


def without_mount(config, *destinations):
    """An image's own /dev is used where no tmpfs is mounted over it."""
    config["mounts"] = [m for m in config["mounts"] if not any(m["destination"] == d or m["destination"].startswith(d + "/")
                                                               for d in destinations)]
    return config


def bind(source, destination, *options):
    return {"destination": destination, "source": str(source), "type": "bind", "options": ["rbind", *(options or ["rw"])]}


def give(config, *names, where=("bounding", "effective", "permitted")):
    """More capabilities for the container."""
    for s in where:
        held = config["process"]["capabilities"].setdefault(s, [])
        held += [n for n in names if n not in held]
    return config


def namespace(config, kind):
    return next((n for n in config["linux"]["namespaces"] if n["type"] == kind), None)


def without_namespace(config, kind):
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != kind]
    return config


def in_user_namespace(config, base=100000, size=65536):
    config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        config["linux"][kind] = [{"containerID": 0, "hostID": base, "size": size}]
    return config


def init_pid(container):
    return container.state()["pid"]


def creds(text):
    """What `probe creds` printed, somewhere in a text."""
    return json.loads(re.search(r"^\{.*\}$", text, re.M).group())


def pairs(text):
    """Lines "NUMBER PATH" as a dict."""
    return {m[2]: int(m[1]) for m in re.finditer(r"^(-?\d+) (\S+)$", text, re.M)}


def mounts_in(text):
    """The mounts of a mountinfo: (point, type, source, flags of the mount)."""
    found = []
    for line in text.splitlines():
        if " - " in line:
            left, right = line.split(" - ", 1)
            left, right = left.split(), right.split()
            found.append((left[4], right[0], right[1], left[5].split(",")))
    return found


@contextlib.contextmanager
def swapping(probe, a, b):
    """Two names are exchanged as fast as the kernel can."""
    p = subprocess.Popen([str(probe), "swap", str(a), str(b)])
    try:
        yield p
        assert p.poll() is None, "the swapper ended early: nothing was raced"
    finally:
        p.kill()
        p.wait()


def repeat(container, check, seconds=None):
    """Runs one bundle again and again while something is raced; check(result) after each.  Returns how many starts succeeded."""
    end = time.monotonic() + (seconds or race_seconds())
    worked = tries = 0
    while time.monotonic() < end or tries < 3:
        r = container.run()
        tries += 1
        worked += r.status == 0
        check(r)
        if r.status:
            container.delete()
    return worked


class Console:
    """The socket that a runtime sends a terminal to."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(4)
        self.main = None
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            peer, _ = self.socket.accept()
            with peer:
                _, fds, _, _ = socket.recv_fds(peer, 4096, 4)
                self.main = fds[0] if fds else None

    def read(self, until, seconds=60):
        """What comes from the terminal up to a text or the end."""
        seen, end = b"", time.monotonic() + seconds
        while self.main is None and time.monotonic() < end:
            time.sleep(0.01)
        assert self.main is not None, "no terminal came"
        while until.encode() not in seen and time.monotonic() < end:
            if not select.select([self.main], [], [], 1)[0]:
                continue
            try:
                data = os.read(self.main, 4096)
            except OSError:
                break
            if not data:
                break
            seen += data
        return seen.decode(errors="replace").replace("\r\n", "\n")

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(60)
        if self.main is not None:
            os.close(self.main)


def wait_for_text(path, text, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and text in path.read_text(errors="replace"):
            return True
        time.sleep(0.02)
    return False


def host_folder_fd(path):
    """A descriptor of a folder of the host that programs started by the test inherit."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(fd, True)
    return fd


def value_of(setting):
    return pathlib.Path("/proc/sys", setting.replace(".", "/")).read_text().rstrip("\n")


def set_subreaper(on):
    """Orphaned descendants of this process come to it rather than to process 1."""
    if ctypes.CDLL(None, use_errno=True).prctl(36, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
