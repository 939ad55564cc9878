# SPDX-License-Identifier: LGPL-2.1-or-later
"""The three engines: how each is started, asked and ended, on an island of its own."""
import itertools
import json
import os
import pathlib
import shutil
import signal
import time

import image
from island import PATIENCE, Island, until

IMAGE = image.NAME
NOTHING = {"processes": [], "mounts": [], "groups": [], "runtime": []}


class Missing(Exception):
    """A program of the engine is not installed."""


def says_missing(text, program):
    """Names the program, in words by which docker and podman know that it is missing."""
    return program in text and ("executable file not found" in text or "no such file or directory" in text.lower())


class Engine:
    name = None
    programs = ()

    def __init__(self):
        for p in (*self.programs, "tini", "nsenter", "unshare"):
            if not shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                raise Missing(f"{p} is not installed (packaging/install-deps engines)")
        self.island = Island(self.name)
        self.folder = self.island.folder
        self.numbers = itertools.count(1)
        self.made = []

    def open(self):
        self.island.open()
        self.configure()
        self.start_daemon()
        self.load(image.write_archive(self.folder))
        return self

    def close(self):
        try:
            self.stop_daemon()
        finally:
            self.island.close()

    def configure(self):
        pass

    def start_daemon(self):
        pass

    def stop_daemon(self):
        pass

    def words(self, *argv):
        raise NotImplementedError

    def call(self, *argv, **kw):
        return self.island.call(*self.words(*argv), env=self.env(), **kw)

    def ok(self, *argv, **kw):
        """The output of a command that must not fail."""
        r = self.call(*argv, **kw)
        assert r.status == 0, (argv, r)
        return r.out

    def terminal(self, *argv):
        return self.island.terminal(*self.words(*argv), env=self.env())

    def env(self):
        return {}

    def new_name(self):
        self.made.append(f"box{next(self.numbers)}")
        return self.made[-1]

    def remove_made(self):
        names, self.made = self.made, []
        if names:
            self.remove(*names)

    def remove(self, *names):
        raise NotImplementedError

    def pid(self, name):
        """The first process of a container, as it is numbered on the island."""
        raise NotImplementedError

    def proc(self, name):
        """The folder in /proc of a container's first process."""
        return self.island.root / "proc" / str(self.pid(name))

    def settled(self):
        """What is on the island now that nothing runs in it that it began with."""
        island = self.island
        return {"processes": sorted(w for p, w in island.processes().items() if p not in self.own_pids()),
                "mounts": sorted(m for m in island.mounts() - island.first_mounts if not self.own_mount(m)),
                "groups": sorted(str(g) for g in island.cgroups() if g.name != "conmon"),
                "runtime": sorted(self.runtime_state())}

    def wait_until_settled(self, seconds=30):
        end = time.monotonic() + seconds
        while self.settled() != NOTHING and time.monotonic() < end:
            time.sleep(0.1)
        assert self.settled() == NOTHING

    def own_pids(self):
        return self.island.first_pids

    def own_mount(self, path):
        """The mounts that an engine keeps as long as it lives, for itself."""
        return False

    def runtime_state(self):
        """What lies in the folders that hold the runtime's state."""
        return [str(p) for root in self.state_roots() if root.is_dir() for p in root.iterdir()]

    def state_roots(self):
        """--root of every call so far, as seen from here; without one, the folders of /run that are a runtime's."""
        given = {c[c.index("--root") + 1] for c in self.island.calls() if "--root" in c}
        root = self.island.root
        return [root / g.lstrip("/") for g in given] or [root / "run/runc", root / "run/bulkhead-oci"]

    def state_of(self, identity):
        """Whether the runtime keeps a folder of that container."""
        tops = self.state_roots() + [self.island.root / "run"]
        return [p for top in tops for p, folders, _ in os.walk(top) if pathlib.Path(p).name == identity]


class Daemon:
    """A process in the background, ended by its own signal."""

    def __init__(self, island, argv, log, marker, env=None):
        self.island, self.argv, self.log, self.marker, self.env = island, argv, log, marker, env
        self.process = None

    def start(self, answers):
        self.process = self.island.daemon(*self.argv, log=self.log, env=self.env)
        until(lambda: answers() or self.process.poll() is not None, f"{self.argv[0]} answers")
        assert self.process.poll() is None, self.island.log(self.log)

    def pid(self):
        return next((p for p, words in self.island.processes().items() if words.startswith(self.marker)), None)

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            pid = self.pid()
            if pid:
                self.island.kill(pid, number)
            self.process.wait(PATIENCE)
        self.process = None


class Containerd(Engine):
    name = "containerd"
    programs = ("containerd", "ctr", "containerd-shim-runc-v2")

    def configure(self):
        self.namespace = self.island.group
        self.socket = self.folder / "containerd.sock"
        (self.folder / "config.toml").write_text(f"""version = 2
root = "{self.folder}/root"
state = "{self.folder}/state"
oom_score = 0
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{self.socket}"
[debug]
  level = "info"
""")
        (self.folder / "first").mkdir()
        (self.folder / "first/runc").symlink_to(self.island.program)
        argv = ["containerd", "--config", self.folder / "config.toml"]
        path = {"PATH": f"{self.folder}/first:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.daemon = Daemon(self.island, argv, "containerd.log", f"containerd --config {self.folder}/", path)

    def start_daemon(self):
        self.daemon.start(lambda: self.call("version").status == 0)

    def stop_daemon(self, number=signal.SIGTERM):
        self.daemon.stop(number)

    def load(self, archive):
        self.ok("images", "import", archive)

    def own_pids(self):
        return self.island.first_pids | {self.daemon.pid()}

    def run_words(self, *options):
        return ["run", "--runtime", "io.containerd.runc.v2", "--runc-binary", self.island.program, *options]

    def run(self, *argv, options=(), name=None, **kw):
        """In the foreground, to its end, and removed."""
        return self.call(*self.run_words("--rm", *options), IMAGE, name or self.new_name(), *argv, **kw)

    def up(self, *argv, options=()):
        """A container in the background; its output goes to a file."""
        name = self.new_name()
        log = self.folder / (name + ".log")
        words = self.run_words("--detach", "--log-uri", f"file://{log}", *options)
        self.ok(*words, IMAGE, name, *(argv or ("sleep", "100000")))
        return name

    def logs(self, name):
        path = self.folder / (name + ".log")
        return path.read_text(errors="replace") if path.exists() else ""

    def exec(self, name, *argv, options=(), **kw):
        return self.call("tasks", "exec", "--exec-id", f"exec{next(self.numbers)}", *options, name, *argv, **kw)

    def tasks(self):
        """name → (pid on the island, state)"""
        return {w[0]: (int(w[1]), w[2]) for w in (line.split() for line in self.ok("tasks", "ls").splitlines()[1:])}

    def pid(self, name):
        return self.tasks()[name][0]

    def remove(self, *names):
        present = self.ok("containers", "ls", "--quiet").split()
        tasks = self.tasks()
        for name in names:
            if name in tasks and tasks[name][1] == "PAUSED":
                self.call("tasks", "resume", name)
            if name in tasks:
                self.call("tasks", "rm", "--force", name)
            if name in present:
                self.call("containers", "rm", name)

    def words(self, *argv):
        return ["ctr", "--address", self.socket, "--namespace", self.namespace, *argv]


class CommandLine(Engine):
    """What docker and podman have in common: nearly the whole command line."""

    def run(self, *argv, options=(), image=IMAGE, **kw):
        """In the foreground, to its end, and removed."""
        name = self.new_name()
        return self.call("run", "--rm", "--name", name, *self.run_options(), *options, image, *argv, **kw)

    def up(self, *argv, options=()):
        """A container in the background."""
        name = self.new_name()
        self.ok("run", "--detach", "--name", name, *self.run_options(), *options, IMAGE, *(argv or ("sleep", "100000")))
        return name

    def exec(self, name, *argv, options=(), **kw):
        return self.call("exec", *options, name, *argv, **kw)

    def inspect(self, name):
        return json.loads(self.ok("container", "inspect", name))[0]

    def state(self, name):
        return self.inspect(name)["State"]

    def status(self, name):
        return self.state(name)["Status"]

    def pid(self, name):
        return self.state(name)["Pid"]

    def logs(self, name):
        r = self.call("logs", name)
        return r.out + r.err

    def at_once(self):
        """The option of rm that spares the time for a gentle stop."""
        return []

    def remove(self, *names):
        self.call("rm", "--force", "--volumes", *self.at_once(), *names)

    def run_options(self):
        return []


class Podman(CommandLine):
    name = "podman"
    programs = ("podman", "conmon", "runc")

    def configure(self):
        # What podman asks for by default may lie above the hard limits that root has here.
        (self.folder / "containers.conf").write_text("""[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
lock_type = "file"
""")
        (self.folder / "storage.conf").write_text("[storage]\n" 'driver = "overlay"\n'
                                                  f'graphroot = "{self.folder}/root"\nrunroot = "{self.folder}/runroot"\n')
        (self.folder / "networks").mkdir()

    def env(self):
        return {"CONTAINERS_CONF": str(self.folder / "containers.conf"),
                "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")}

    def load(self, archive):
        self.ok("load", "--input", archive)

    def words(self, *argv):
        return ["podman", "--root", self.folder / "root", "--runroot", self.folder / "runroot", "--tmpdir",
                self.folder / "tmp", "--runtime", self.island.program, "--cgroup-manager", "cgroupfs",
                "--events-backend", "file", "--network-config-dir", self.folder / "networks", *argv]

    def run_options(self):
        return ["--cgroup-parent", "/" + self.island.group]

    def at_once(self):
        return ["--time", "0"]

    def own_mount(self, path):
        return path in ("/run/netns", str(self.folder / "root/overlay"))


class Docker(CommandLine):
    name = "docker"
    programs = ("dockerd", "docker", "containerd", "containerd-shim-runc-v2", "iptables")

    def configure(self):
        self.socket = self.folder / "docker.sock"
        (self.folder / "daemon.json").write_text(json.dumps({
            "data-root": str(self.folder / "data"), "exec-root": str(self.folder / "exec"),
            "pidfile": str(self.folder / "docker.pid"), "hosts": [f"unix://{self.socket}"], "group": "root",
            "runtimes": {"bulkhead": {"path": str(self.island.program)}}, "live-restore": True,
            "cgroup-parent": "/" + self.island.group, "storage-driver": "overlay2", "oom-score-adjust": 0,
        }))
        argv = ["dockerd", "--config-file", self.folder / "daemon.json"]
        self.daemon = Daemon(self.island, argv, "dockerd.log", f"dockerd --config-file {self.folder}/")

    def start_daemon(self):
        self.daemon.start(lambda: self.call("version").status == 0)

    def stop_daemon(self, number=signal.SIGTERM):
        self.daemon.stop(number)

    def load(self, archive):
        self.ok("load", "--input", archive)

    def words(self, *argv):
        return ["/usr/bin/docker", "--host", f"unix://{self.socket}", *argv]

    def run_options(self):
        return ["--runtime", "bulkhead"]

    def own_pids(self):
        inner = f"containerd --config {self.folder}/"
        return self.island.first_pids | {p for p, w in self.island.processes().items()
                                         if w.startswith((self.daemon.marker, inner))}

    def own_mount(self, path):
        return path in (str(self.folder / "data"), str(self.folder / "exec/netns/default"))
