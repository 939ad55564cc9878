# SPDX-License-Identifier: LGPL-2.1-or-later
"""The three engines: how each is started, asked and ended, on an island of its own."""
import json
import shutil
import signal

import image
from island import PATIENCE, Island, until


class Missing(Exception):
    """A program of the engine is not installed."""


class Engine:
    name = None
    programs = ()

    def __init__(self):
        for p in (*self.programs, "tini", "nsenter", "unshare"):
            if not shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                raise Missing(f"{p} is not installed (packaging/install-deps engines)")
        self.island = Island(self.name)
        self.folder = self.island.folder

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


class Daemon:
    """A process in the background, ended by its own signal."""

    def __init__(self, island, argv, log, marker):
        self.island, self.argv, self.log, self.marker = island, argv, log, marker
        self.process = None

    def start(self, answers):
        self.process = self.island.daemon(*self.argv, log=self.log)
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
        argv = ["containerd", "--config", self.folder / "config.toml"]
        self.daemon = Daemon(self.island, argv, "containerd.log", f"containerd --config {self.folder}/")

    def start_daemon(self):
        self.daemon.start(lambda: self.call("version").status == 0)

    def stop_daemon(self, number=signal.SIGTERM):
        self.daemon.stop(number)

    def load(self, archive):
        self.ok("images", "import", archive)

    def words(self, *argv):
        return ["ctr", "--address", self.socket, "--namespace", self.namespace, *argv]


class Podman(Engine):
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


class Docker(Engine):
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
