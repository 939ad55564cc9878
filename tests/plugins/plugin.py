# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin as a process, and calls to it over its socket."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

TOKEN = "bulkhead.token"
BUILD = pathlib.Path(os.environ.get("BULKHEAD_PLUGINS", pathlib.Path(__file__).resolve().parents[2] / "build/plugins"))


class Refused(Exception):
    """The plugin answered with an error."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def eventually(true, seconds=60, step=0.02):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(step)
    return value


class Plugin:
    def __init__(self, kind, folder, options=(), environment=None):
        self.program = BUILD / f"instance-{kind}" / f"bulkhead-instance-{kind}"
        self.folder = folder
        self.socket = folder / kind
        self.options = list(map(str, options))
        self.environment = environment or {}
        self.prefix = []  # of the command
        self.process = None

    def start(self):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **self.environment}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([*self.prefix, self.program, "--listen", self.socket, *self.options], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.log.close()

        def up():
            assert self.process.poll() is None, self.words()
            with socket.socket(socket.AF_UNIX) as s:
                return s.connect_ex(str(self.socket)) == 0
        eventually(up)
        return self

    def words(self):
        return (self.folder / "log").read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0, self.words()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def call(self, method, timeout=120, **params):
        connection = Connection(self.socket, timeout)
        try:
            connection.request("POST", "/", json.dumps({"jsonrpc": "2.0", "id": 1, "method": f"Instance.{method}", "params": {"Type": "", **params}}),
                               {"Content-Type": "application/json"})
            reply = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if reply.get("error"):
            raise Refused(reply["error"]["message"])
        return reply["result"]

    def validate(self, properties):
        return self.call("Validate", Properties=properties)

    def provision(self, properties, tags=None, token=None, timeout=120, **spec):
        tags = dict(tags or {})
        if token:
            tags[TOKEN] = token
        return self.call("Provision", timeout, Spec={"Properties": properties, "Tags": tags, "Init": "", **spec})["ID"]

    def provision_in_background(self, *arguments, **named):
        """The thread; its outcome lands in thread.outcome: an id, or an exception."""
        def run():
            try:
                thread.outcome = self.provision(*arguments, **named)
            except Exception as e:  # whatever it was, the test looks at it
                thread.outcome = e
        thread = threading.Thread(target=run, daemon=True)
        thread.outcome = None
        thread.start()
        return thread

    def describe(self, tags=None, properties=False):
        return self.call("DescribeInstances", Tags=tags or {}, Properties=properties)["Descriptions"] or []

    def ids(self, tags=None):
        return sorted(d["ID"] for d in self.describe(tags))

    def label(self, instance, **labels):
        self.call("Label", Instance=instance, Labels=labels)

    def destroy(self, instance, reason="terminate"):
        self.call("Destroy", Instance=instance, Context={"Reason": reason})

    def events(self):
        return Events(self.socket)


class Events:
    """What the plugin tells, from now on: it has begun to answer."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.sendall(b"GET /events?topic=/ HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        self.seen = b""
        while b"\r\n\r\n" not in self.seen:
            assert (data := self.socket.recv(65536)), self.seen
            self.seen += data
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while data := self.socket.recv(65536):
            self.seen += data

    def tell(self, word, instance):
        def found():
            for line in self.seen.split(b"\n")[:-1]:  # the last may have come in part
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event.get("Type") == word and event.get("ID") == instance:
                        return event
            return None
        return eventually(found)
