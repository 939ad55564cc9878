# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ordinary user for a test: a number without an account, a folder, and the runtime's commands as that user.

The program is copied to where the user can reach it: a clone may lie in a folder that others cannot enter.  Where a
helper looks accounts up, the commands run in a mount namespace with copies of the files in /etc; the host's are left alone.
"""
import json
import os
import pathlib
import pty
import random
import select
import shutil
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "oci"))
import bundle as oci  # noqa: E402

NAMES = ("sh", "cat", "chown", "cp", "date", "dd", "echo", "find", "grep", "head", "hostname", "id", "kill", "ls", "mkdir", "mknod", "mount", "od", "ps",
         "readlink", "seq", "sleep", "stat", "stty", "su", "tail", "tee", "test", "touch", "tr", "true", "tty", "umount", "wc", "wget")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
FILES = ("passwd", "group", "subuid", "subgid")


def free_number():
    """An id that no account, no range and no process has, and so the thousands behind it."""
    while True:
        n = random.randrange(3_000_000, 2_000_000_000, 5000)
        if not processes_of(n):
            return n


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def processes_of(uid):
    """pid → command line of the living processes that an id belongs to."""
    found = {}
    for p in pathlib.Path("/proc").iterdir():
        try:
            lines = (p / "status").read_text().splitlines() if p.name.isdigit() else []
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            if str(uid) in fields.get("Uid", "").split() and fields["State"].split()[0] not in "ZX":
                found[int(p.name)] = (p / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def overlay(folder, user, first=0, count=0):
    """Copies of /etc/passwd and its like with the user in them, and with count ids from first on where count is not 0."""
    etc = folder / f"etc-{user.uid}"
    etc.mkdir()
    ranges = f"{user.name}:{first}:{count}\n" if count else ""
    texts = {"passwd": f"root:x:0:0:root:/root:/bin/sh\n{user.name}:x:{user.uid}:{user.uid}::{user.home}:/bin/sh\n",
             "group": f"root:x:0:\n{user.name}:x:{user.uid}:\n", "subuid": ranges, "subgid": ranges}
    for name in FILES:
        (etc / name).write_text(texts[name])
    # /etc may lack some of them: a folder of its own, with what the host has below.
    script = f'set -e; mount -t overlay -o ro,lowerdir={etc}:/etc none /etc; exec "$@"'
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")


def on_terminal(words, cwd, keys="", seconds=120):
    """Runs a program on a terminal of its own and types what is given once it has said "ready": status and what it said."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.chdir(cwd)
            os.execvp(words[0], words)
        finally:
            os._exit(127)
    said, end = "", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            break
        said += data.decode(errors="replace")
        if keys and "ready" in said:
            os.write(fd, keys.encode())
            keys = ""
    else:
        os.kill(pid, 9)
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


class User:
    def __init__(self, folder):
        self.folder = folder
        self.uid = free_number()
        self.name = f"u{self.uid}"
        self.home = folder / self.name
        self.home.mkdir(mode=0o700)
        self.runtime_dir = self.home / "run"
        self.runtime_dir.mkdir(mode=0o700)
        self.program = folder / "bulkhead-oci"
        if not self.program.exists():
            shutil.copy(oci.runtime(), self.program)
            self.program.chmod(0o755)
        self.before = ()  # words put before all others
        self.path = "/usr/sbin:/usr/bin:/sbin:/bin"
        self.groups = {}
        self.give(self.home)

    def give(self, *paths):
        """Makes the user the owner of all that is there."""
        subprocess.run(["chown", "-R", "-h", f"{self.uid}:{self.uid}", *map(str, paths)], check=True)

    def give_ranges(self, first, count):
        self.before = (*overlay(self.folder, self, first, count), *self.before)

    def words(self, env=None):
        variables = {"PATH": self.path, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime_dir), "TERM": "xterm",
                     **{k: v for k, v in os.environ.items() if k in ("BULKHEAD_MUTANT", "ASAN_OPTIONS")}, **(env or {})}
        return (*self.before, "setpriv", "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", "/usr/bin/env", "-i",
                *[f"{k}={v}" for k, v in variables.items() if v is not None])

    def call(self, *argv, env=None, timeout=120, **options):
        """Any program as this user."""
        options.setdefault("cwd", str(self.home))
        options.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.run([*self.words(env), *map(str, argv)], capture_output=True, text=True, errors="replace", timeout=timeout,
                           check=False, **options)
        return oci.Result(p.returncode, p.stdout, p.stderr)

    def oci(self, *argv, **kw):
        """The runtime without --root."""
        return self.call(self.program, *argv, **kw)

    def processes(self):
        return processes_of(self.uid)

    # ---- control groups ----

    def delegate(self, *hierarchies):
        """A folder of the user's own in each hierarchy, which the commands stand in from then on."""
        name = "bulkhead-rootless-" + uuid.uuid4().hex[:8]
        script = "set -e\n"
        for h in hierarchies:
            top = CGROUPS / h / name
            own = top / "session" if h == "unified" else top
            own.mkdir(parents=True)
            self.groups[h] = top
            if h == "cpuset":
                for f in ("cpuset.cpus", "cpuset.mems"):
                    (own / f).write_text((CGROUPS / h / f).read_text())
            for folder in {top, own}:
                for f in [folder, *(folder / n for n in ("cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads"))]:
                    if f.exists():
                        os.chown(f, self.uid, self.uid)
            script += f"echo $$ >{own}/cgroup.procs\n"
        self.before = (*self.before, "sh", "-c", script + 'exec "$@"', "sh")
        return name

    def groups_left(self):
        """Folders below the delegated ones, but the one that the user's commands stand in."""
        return [str(p) for top in self.groups.values() for p in top.rglob("*") if p.is_dir() and p.name != "session"]

    def close(self):
        for pid in self.processes():
            subprocess.run(["kill", "-KILL", str(pid)], check=False, capture_output=True)
        for top in self.groups.values():
            for p in sorted([top, *(p for p in top.rglob("*") if p.is_dir())], key=lambda p: -len(p.parts)):
                for _ in range(2000):
                    try:
                        p.rmdir()
                        break
                    except OSError:
                        subprocess.run(["sleep", "0.02"], check=True)


class Container(oci.Container):
    """A container of an ordinary user, made from what `spec --rootless` writes."""

    own_busybox = True

    def __init__(self, user, **kw):
        self.user = user
        super().__init__(user.home, user.home / "state", program=str(user.program), names=NAMES, config=self.default(user), **kw)

    @staticmethod
    def default(user):
        place = user.home / ("spec-" + uuid.uuid4().hex[:8])
        place.mkdir()
        user.give(place)
        r = user.call(user.program, "spec", "--rootless", "--bundle", place)
        assert r.status == 0, r
        config = json.loads((place / "config.json").read_text())
        config["process"]["terminal"] = False
        config["root"]["readonly"] = False
        return config

    @property
    def prefix(self):
        return self.user.words()

    def save(self):
        super().save()
        self.user.give(self.bundle)

    def map_range(self, first, count):
        """The user is 0, and 1 to count are those of the range."""
        for kind in ("uidMappings", "gidMappings"):
            self.config["linux"][kind] = [{"containerID": 0, "hostID": self.user.uid, "size": 1},
                                          {"containerID": 1, "hostID": first, "size": count}]

    def pid(self):
        return self.state()["pid"]

    def proc(self, name):
        """A file of the container's process in /proc, as root of the host sees it."""
        return pathlib.Path(f"/proc/{self.pid()}/{name}")

    def limit(self, **resources):
        self.config["linux"]["resources"] = resources
        return self

    def capable(self, *names):
        self.config["process"]["capabilities"] = {k: list(names) for k in ("bounding", "effective", "permitted")}
        return self

    def left(self):
        """What is in the state root."""
        root = pathlib.Path(self.root)
        return sorted(p.name for p in root.iterdir()) if root.is_dir() else []
