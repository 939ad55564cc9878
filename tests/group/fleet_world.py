# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins and a controller in folders of a test's own, and calls of them as any client of InfraKit's makes them."""
import ctypes
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

BUILD = pathlib.Path(os.environ.get("BULKHEAD", pathlib.Path(__file__).parents[2] / "build/src/bulkhead")).resolve().parent.parent


def program(name):
    if name == "bulkhead-groupd":
        return str(BUILD / "src" / name)
    return str(BUILD / "plugins" / name.removeprefix("bulkhead-") / name)


PATIENCE = 60  # of a machine that has much else to do; what takes as long is wrong


def until(what, seconds=PATIENCE, every=0.01):
    """Waits for what() to be true and gives it."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(every)


def steady(what, seconds=1.0):
    """Waits until what() has been the same for so long, and gives it."""
    end, value, since = time.monotonic() + PATIENCE, what(), time.monotonic()
    while time.monotonic() < since + seconds:
        time.sleep(0.05)
        if (now := what()) != value:
            assert time.monotonic() < end, f"it does not end: {now}"
            value, since = now, time.monotonic()
    return value


class Failure(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.id = (error.get("data") or {}).get("id")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("plugin", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class Client:
    """Keeps its connection, as InfraKit's does not."""

    def __init__(self, path):
        self.connection = Connection(path)

    def post(self, text, kind="application/json"):
        try:
            self.connection.request("POST", "/", text, {"Content-Type": kind} if kind else {})
            reply = self.connection.getresponse()
            return reply.status, reply.getheader("Content-Type"), reply.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise

    def call(self, method, id=1, **params):
        status, _, body = self.post(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": id}))
        assert status == 200
        answer = json.loads(body)
        assert answer["id"] == id and answer["jsonrpc"] == "2.0"
        if "error" in answer:
            raise Failure(answer["error"])
        return answer["result"]

    def get(self, target):
        self.connection.request("GET", target)
        reply = self.connection.getresponse()
        return reply.status, reply.read()


class Floor:
    """The least instances that there are at any moment of it, as the kernel tells of each that comes and goes."""
    MOVED_FROM, MOVED_TO, CREATE, DELETE, OVERFLOW = 0x40, 0x80, 0x100, 0x200, 0x4000

    def __init__(self, world):
        self.folder, self.least = world.files, None

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, bytes(self.folder), self.MOVED_FROM | self.MOVED_TO | self.CREATE | self.DELETE) >= 0
        self.there = {name for name in os.listdir(self.folder) if not name.startswith(".")}
        self.least = len(self.there)
        return self

    def __exit__(self, *_):
        try:
            while data := os.read(self.fd, 1 << 16):
                self.take(data)
        except BlockingIOError:
            pass
        finally:
            os.close(self.fd)

    def take(self, data):
        while data:
            _, mask, _, size = struct.unpack_from("iIII", data)
            name, data = data[16:16 + size].rstrip(b"\0").decode(), data[16 + size:]
            assert not mask & self.OVERFLOW
            if not name.startswith("."):
                (self.there.add if mask & (self.MOVED_TO | self.CREATE) else self.there.discard)(name)
            self.least = min(self.least, len(self.there))


class World:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.plugins = self.folder / "plugins"
        self.files = self.folder / "instances"
        self.files.mkdir()
        self.processes = {}
        self.environment = dict(os.environ, BULKHEAD_PLUGINS_DIR=str(self.plugins), BULKHEAD_RUNTIME_DIR=str(self.folder / "run"))
        self.environment.pop("INFRAKIT_PLUGINS_DIR", None)
        self.log = open(self.folder / "log", "ab")

    def start(self, name, *words, as_name=None, **variables):
        """A plugin by its program; waits until it answers."""
        socket_name = as_name or {"bulkhead-groupd": "group"}.get(name, name.split("-", 2)[2] if name.count("-") > 1 else name)
        words = (["--name", as_name] if as_name else []) + list(words)
        process = subprocess.Popen([program(name), *words], env=dict(self.environment, **variables), stdin=subprocess.DEVNULL, stdout=self.log,
                                   stderr=self.log)
        self.processes[socket_name] = process

        def answers():
            assert process.poll() is None, f"{name} ended: {(self.folder / 'log').read_text()[-2000:]}"
            try:
                return self.client(socket_name).call("Handshake.Hello")
            except OSError:
                return None

        until(answers)
        return process

    def start_file(self):
        return self.start("bulkhead-instance-file", "--dir", str(self.files))

    def start_all(self, *groupd):
        self.start_file()
        self.start("bulkhead-flavor-vanilla")
        return self.start("bulkhead-groupd", *groupd)

    def client(self, name="group"):
        return Client(self.plugins / name)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def close(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.log.close()

    # ---- what is there ----

    def instances(self, folder=None):
        """The files of the file plugin, by id, of one group or all."""
        found = {}
        for path in (folder or self.files).iterdir():
            if path.name.startswith("."):
                continue
            try:
                found[path.name] = json.loads(path.read_text())
            except FileNotFoundError:
                pass
        return found

    def count(self):
        return sum(1 for name in os.listdir(self.files) if not name.startswith("."))

    def status(self, group, **more):
        return self.client().call("Fleet.Status", ID=group, **more)["Groups"][0]

    def commit(self, document, **more):
        return self.client().call("Group.CommitGroup", Name="group", Spec=document, **more)["Details"]

    def converged(self, group, seconds=PATIENCE):
        return until(lambda: (lambda s: s if s["Converged"] else None)(self.status(group)), seconds)

    def topics(self, group=""):
        return [event["Topic"] for event in self.client().call("Fleet.Events", Group=group, Max=1000)["Events"]]


def document(size=3, note="v1", group="cattle", plugin="file", flavor="vanilla", **more):
    properties = {
        "Allocation": {"Size": size},
        "Instance": {"Plugin": plugin, "Properties": {"Note": note}},
        "Flavor": {"Plugin": flavor, "Properties": {"Init": ["echo hi"]}},
    }
    properties.update(more)
    return {"ID": group, "Properties": properties}
