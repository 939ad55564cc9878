# SPDX-License-Identifier: LGPL-2.1-or-later
"""A place for an engine: namespaces of its own, a folder of its own, and a record of how it calls its runtime.

An engine and all its helpers live in a PID, a mount, a network, an IPC and a UTS namespace, with a root of their own that
holds the host's /usr and little else.  So the host's firewall, its bridges, /etc, /run and the state of other
engines are never touched, and whatever an engine forgets (a process, a mount, a file, a control group) is found on the
island and nowhere else.  The control groups are the host's own: the engine gets a parent group of a name that
nobody else uses.
"""
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import sys
import subprocess
import tempfile
import termios
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "oci"))
import bundle as oci  # noqa: E402

CGROUPS = pathlib.Path("/sys/fs/cgroup")
MASKED = ("/run", "/dev/shm", "/var", "/tmp")  # empty on the island
PATIENCE = 60
LIMITS = {"memory": ("memory.limit_in_bytes", "memory.max"), "cpu": ("cpu.cfs_quota_us", "cpu.max"),
          "pids": ("pids.max", "pids.max")}


WRAPPER = """#!/bin/sh
# Writes down how the engine calls the runtime, one word between each pair of separators, and gives way to the runtime.
{{ printf '%s\\037' "$@"; echo; }} >>{log}
exec {program} "$@"
"""


def until(condition, what, seconds=PATIENCE):
    """What condition() gives once it is true; an assertion with the last value if it never is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what} (last: {value!r})"
        time.sleep(0.05)


class Terminal:
    """A program on a pseudo-terminal of its own, driven as a user does."""

    def __init__(self, argv, rows=24, columns=80):
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvp(argv[0], argv)
            finally:
                os._exit(127)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self, seconds):
        """One piece of output; None at its end, "" when nothing came."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return ""
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody holds the other side any more
            return None
        return data.decode(errors="replace") or None

    def expect(self, text, seconds=PATIENCE):
        """Everything said since the last expect, up to and with the text."""
        end = time.monotonic() + seconds
        while text not in self.said:
            piece = self._read(0.2)
            assert piece is not None, f"the end came before {text!r}: {self.said!r}"
            assert time.monotonic() < end, f"no {text!r}: {self.said!r}"
            self.said += piece
        before, self.said = self.said.split(text, 1)
        return before + text

    def end(self, seconds=PATIENCE):
        """Reads to the end: exit status and what was said."""
        stop = time.monotonic() + seconds
        while True:
            piece = self._read(0.2)
            if piece is None:
                break
            self.said += piece
            assert time.monotonic() < stop, f"does not end: {self.said!r}"
        pid, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status), self.said

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
        os.close(self.fd)


def make_root(root):
    """The island's root: links as the host has them, and an /etc by hand, so that nothing depends on the host's."""
    for name in ("usr", "dev", "sys", "proc", "old", "etc/alternatives", "etc/containers", "root", "srv"):
        (root / name).mkdir(parents=True)
    for link in pathlib.Path("/").iterdir():
        if link.is_symlink() and os.readlink(link).startswith("usr/"):
            (root / link.name).symlink_to(os.readlink(link))
    files = {
        "passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n", "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n", "resolv.conf": "nameserver 127.0.0.1\n",
        "containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n', "containers/registries.conf": "",
    }
    for name, text in files.items():
        (root / "etc" / name).write_text(text)
    for name in ("iptables", "ip6tables"):
        (root / "etc/alternatives" / name).symlink_to(f"/usr/sbin/{name}-nft")
        (root / "etc/alternatives" / (name + "-save")).symlink_to(f"/usr/sbin/{name}-nft-save")
        (root / "etc/alternatives" / (name + "-restore")).symlink_to(f"/usr/sbin/{name}-nft-restore")


class Island:
    """The namespaces, the folder and the group of one engine."""

    def __init__(self, name):
        self.group = "bulkhead-" + name + "-" + uuid.uuid4().hex[:8]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-" + name + "-", dir="/srv"))
        self.folder.chmod(0o755)
        self.terminals = []
        self.holder = None
        self.calls_file = self.folder / "calls"
        self.calls_file.touch()
        self.program = self.folder / "bulkhead-oci"
        self.program.write_text(WRAPPER.format(log=self.calls_file, program=oci.runtime()))
        self.program.chmod(0o755)

    def open(self):
        """The first process reads a pipe whose other end only we hold: whatever becomes of us, the island ends with us."""
        root = self.folder / "root-of-island"
        make_root(root)
        program = pathlib.Path(oci.runtime()).parent
        binds = {"/usr": "bind,ro", str(self.folder): "bind"}
        if not program.is_relative_to("/usr"):
            binds[str(program)] = "bind,ro"
        script = f"cd {root}\nmount --bind . .\ncd {root}\n"
        script += "".join(f"mount --rbind {d} .{d}\n" for d in ("/dev", "/sys"))
        for d, how in binds.items():
            script += f"mkdir -p .{d}\nmount -o {how} {d} .{d}\n"
        script += "".join(f"mkdir -p .{m}\nmount -t tmpfs -o mode=1777 tmpfs .{m}\n" for m in MASKED)
        script += f"""
            mkdir -p var/tmp var/lib
            mount -t proc proc proc
            ip link set lo up
            pivot_root . old
            cd /
            umount -l old
            : >{self.folder}/ready
            exec tini -- cat"""
        self.holder = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--net",
             "--uts", "--ipc", "sh", "-ec", script], stdin=subprocess.PIPE, start_new_session=True)
        until(lambda: (self.folder / "ready").exists() or self.holder.poll() is not None, "an island")
        assert self.holder.poll() is None, "the namespaces could not be made"
        children = pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        self.init = int(until(lambda: children.read_text().split(), "the first process of the island")[0])
        self.root = pathlib.Path(f"/proc/{self.init}/root")
        until(lambda: "cat" in self.processes().values(), "the second process of the island")
        self.first_pids = self.pids()
        self.first_mounts = self.mounts()
        self.first_files = self.files()
        return self

    def enter(self, *argv):
        """The words of a command that runs ARGV on the island."""
        words = ["nsenter", "-t", str(self.init), "--pid", "--mount", "--net", "--uts", "--ipc", "--"]
        return words + [str(a) for a in argv]

    def call(self, *argv, timeout=PATIENCE * 2, input=None, env=None):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        p = subprocess.run(self.enter(*argv), capture_output=True, timeout=timeout, text=True, errors="replace",
                           env=self.environment(env), cwd="/", **given)
        return oci.Result(p.returncode, p.stdout, p.stderr)

    def environment(self, more=None):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "TERM": "xterm"}
        env.update(more or {})
        return env

    def terminal(self, *argv, env=None):
        words = [f"{k}={v}" for k, v in self.environment(env).items()]
        t = Terminal(["env", "-i", *words, *self.enter(*argv)])
        self.terminals.append(t)
        return t

    def daemon(self, *argv, log, env=None):
        with open(self.folder / log, "ab") as f:
            return subprocess.Popen(self.enter(*argv), stdin=subprocess.DEVNULL, stdout=f, stderr=f, cwd="/",
                                    env=self.environment(env), start_new_session=True)

    def log(self, name):
        return (self.folder / name).read_text(errors="replace")[-3000:]

    # What is there now.

    def processes(self):
        """pid on the island → command line."""
        found = {}
        for p in (self.root / "proc").iterdir():
            if p.name.isdigit():
                try:
                    words = (p / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    state = (p / "stat").read_text().rsplit(")", 1)[1].split()[0]
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if state not in "ZX":
                    found[int(p.name)] = words
        return found

    def pids(self):
        return set(self.processes())

    def kill(self, pid, signal_number):
        """Signals a process by its id on the island."""
        assert self.call("kill", f"-{int(signal_number)}", pid).status == 0

    def mounts(self):
        return {line.split()[4] for line in open(f"/proc/{self.init}/mountinfo")}

    def files(self):
        """Everything in the folders that are the island's own."""
        found = set()
        for m in MASKED:
            for path, folders, names in os.walk(self.root / m.lstrip("/")):
                found |= {os.path.join(path, n)[len(str(self.root)):] for n in folders + names}
        return found

    def cgroups(self):
        """Every control group below our parent group, in each hierarchy."""
        found = []
        for hierarchy in CGROUPS.iterdir():
            if hierarchy.is_symlink():
                continue
            for path, folders, _ in os.walk(hierarchy / self.group):
                found += [pathlib.Path(path) / f for f in folders]
        return found

    def cgroup(self, controller, marker):
        """The group of a controller whose name holds the marker (v1, or v2 where everything is in one)."""
        root = CGROUPS / controller if (CGROUPS / controller).is_dir() else CGROUPS
        for path, folders, _ in os.walk(root / self.group):
            for f in folders:
                if marker in f and "conmon" not in f:
                    return pathlib.Path(path) / f
        return None

    def limit(self, marker, what):
        """A limit as the kernel holds it: memory and pids as numbers, cpu as a share of one processor; None for none."""
        v1, v2 = LIMITS[what]
        group = self.cgroup(what, marker)
        assert group, f"no group of {marker} for {what}"
        words = ((group / v1) if (group / v1).exists() else (group / v2)).read_text().split()
        if words[0] in ("max", "-1") or int(words[0]) > 1 << 60:
            return None
        if what != "cpu":
            return int(words[0])
        period = words[1] if len(words) > 1 else (group / "cpu.cfs_period_us").read_text()
        return int(words[0]) / int(period)

    def frozen(self, marker):
        """By the freezer of v1 or by that of v2: where a host has both, either will do."""
        for controller, name, value in (("freezer", "freezer.state", "FROZEN"), ("unified", "cgroup.events", "frozen 1")):
            group = self.cgroup(controller, marker)
            if group and (group / name).exists() and value in (group / name).read_text():
                return True
        return False

    def running(self, words):
        """The ids of the processes of just that command line."""
        return [p for p, w in self.processes().items() if w == words]

    # How the runtime was called.

    def calls(self):
        return [line.split("\037")[:-1] for line in self.calls_file.read_text(errors="replace").splitlines()]

    def calls_with(self, word):
        return [c for c in self.calls() if word in c]

    # The end.

    def remove_groups(self, marker):
        """Empty groups whose path holds the marker, deepest first."""
        for g in sorted(self.cgroups(), key=lambda p: len(p.parts), reverse=True):
            if marker in str(g):
                remove_group(g)

    def close(self):
        for t in self.terminals:
            t.close()
        if self.holder:
            for g in self.cgroups():
                thaw(g)
            self.holder.stdin.close()
            self.holder.wait(PATIENCE)
        self.remove_groups("")
        for hierarchy in CGROUPS.iterdir():
            if (hierarchy / self.group).is_dir():
                remove_group(hierarchy / self.group)
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(self.folder)], check=True)


def thaw(group):
    for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        if (group / name).exists():
            (group / name).write_text(value)


def remove_group(group):
    """A group whose last process has just died can be busy for a moment."""
    def gone():
        try:
            group.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True
    until(gone, f"{group} can be removed", 10)
