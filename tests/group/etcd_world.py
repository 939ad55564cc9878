# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real etcd, controllers that only keep (store_probe), networks of their own, and a relay that holds back what is said."""
import base64
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

from ports import free_ports

PROBE = os.environ.get("BULKHEAD_STORE_PROBE") or str(pathlib.Path(__file__).parents[2] / "build/tests/store_probe")
ETCD = shutil.which("etcd")


PATIENCE = 60  # of a machine that has much else to do; what takes as long is wrong


def until(what, timeout=PATIENCE):
    """Waits for what() to be true, and gives that."""
    end = time.monotonic() + timeout
    while not (result := what()):
        assert time.monotonic() < end, f"not in {timeout} s: {what}"
        time.sleep(0.02)
    return result


class Etcd:
    """One member. inside: a Network that it runs in."""

    def __init__(self, folder, name="one", host="127.0.0.1", ports=None, cluster=None, inside=None, more=(), tls=False):
        self.client, self.peer = ports or free_ports(2)
        self.host, self.inside = host, inside
        self.scheme = "https" if tls else "http"
        self.data = folder / f"etcd-{name}"
        self.log = folder / f"etcd-{name}.log"
        client, peer = f"{self.scheme}://{host}:{self.client}", f"http://{host}:{self.peer}"
        beat = "100" if cluster else "20"  # one alone waits for its own election, and for nobody else
        self.command = [ETCD, "--name", name, "--data-dir", str(self.data), "--listen-client-urls", client, "--advertise-client-urls", client,
                        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster or f"{name}={peer}",
                        "--heartbeat-interval", beat, "--election-timeout", beat + "0", *more]
        self.process = None

    def start(self, wait=True):
        prefix = self.inside.prefix() if self.inside else []
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(prefix + self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            until(self.is_up)
        return self

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        if self.scheme == "https" or self.inside:
            return "ready to serve client requests" in self.log.read_text().rpartition("etcd Version")[2]
        try:
            return bool(self.call("kv/range", timeout=5, key="x"))
        except OSError:
            return False

    def call(self, path, port=None, timeout=PATIENCE, **body):
        encoded = {k: base64.b64encode(v.encode()).decode() if k in ("key", "value", "range_end") else v for k, v in body.items()}
        request = urllib.request.Request(f"http://{self.host}:{port or self.client}/v3/{path}", json.dumps(encoded).encode())
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return json.load(reply)

    def get(self, key):
        kvs = self.call("kv/range", key=key).get("kvs")
        return base64.b64decode(kvs[0].get("value", "")).decode() if kvs else None

    def keys(self, prefix):
        kvs = self.call("kv/range", key=prefix, range_end=prefix[:-1] + chr(ord(prefix[-1]) + 1), keys_only=True).get("kvs", [])
        return [base64.b64decode(kv["key"]).decode() for kv in kvs]

    def put(self, key, value):
        return int(self.call("kv/put", key=key, value=value)["header"]["revision"])

    def stop(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()


class Probe:
    """A controller. Its lines are kept with the time at which it said them."""

    def __init__(self, where, inside=None, environment=None, **options):
        command = (inside.prefix() if inside else []) + [PROBE, where] + [f"{k}={v}" for k, v in options.items()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                                        env={**os.environ, **(environment or {})})
        self.lines, self.all, self.errors = queue.Queue(), [], []
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)]
        for t in self.readers:
            t.start()

    def _read(self):
        for line in self.process.stdout:
            usec, _, words = line.rstrip("\n").partition(" ")
            entry = (int(usec) / 1e6, words)
            self.all.append(entry)
            self.lines.put(entry)

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def expect(self, start, timeout=PATIENCE):
        """Passes over lines until one begins so: (when, line)."""
        end = time.monotonic() + timeout
        while True:
            try:
                when, line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {start!r} in {timeout} s, but {self.all} {self.errors}") from None
            if line == start or line.startswith((start + " ", start + ":")):
                return when, line

    def last(self, line):
        """When it said so for the last time."""
        return max((when for when, said in self.all if said == line), default=0.0)

    def ended(self):
        """The status that it ends with, once all that it said is there."""
        status = self.process.wait(PATIENCE)
        for t in self.readers:
            t.join(PATIENCE)
        return status

    def write(self, line, result="ok", timeout=PATIENCE):
        self.say(line)
        _, done = self.expect("done", timeout)
        assert done.split()[2] == result, done

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Network:
    """A network namespace with an address, on a hub that is one too."""

    def __init__(self, hub=None, address=None):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        self.run("ip", "link", "set", "lo", "up")
        if not hub:
            self.run("ip", "link", "add", "hub", "type", "bridge")
            self.run("ip", "link", "set", "hub", "up")
            return
        port = "p" + address.rpartition(".")[2]
        hub.run("ip", "link", "add", port, "type", "veth", "peer", "name", "up0", "netns", str(self.holder.pid))
        hub.run("ip", "link", "set", port, "master", "hub", "up")
        self.run("ip", "addr", "add", f"{address}/24", "dev", "up0")
        self.run("ip", "link", "set", "up0", "up")

    def prefix(self):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def run(self, *command):
        subprocess.run(self.prefix() + list(command), check=True)

    def cut(self):
        self.run("ip", "link", "set", "up0", "down")

    def mend(self):
        self.run("ip", "link", "set", "up0", "up")

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Relay:
    """Passes connections on to a port; what holds(data) says is kept back until release. told hears all that is answered."""

    def __init__(self, port, holds=lambda data: False, told=lambda data: None):
        self.to, self.holds, self.told = port, holds, told
        self.held, self.answers = threading.Event(), []
        self.released = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            state = {"late": False}
            threading.Thread(target=self._up, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client, state), daemon=True).start()

    def _up(self, client, server, state):
        try:
            while data := client.recv(1 << 16):
                if self.holds(data):
                    state["late"] = True
                    self.held.set()
                    self.released.wait()
                server.sendall(data)
        except OSError:
            pass
        if not state["late"]:
            server.close()

    def _down(self, server, client, state):
        try:
            while data := server.recv(1 << 16):
                if state["late"]:
                    self.answers.append(data)
                client.sendall(data)
                self.told(data)
        except OSError:
            pass
        client.close()

    def end(self):
        self.released.set()
        self.listener.close()
