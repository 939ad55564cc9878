# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin of the build, started by a test and called as a group's controller calls it."""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

BUILD = pathlib.Path(os.environ.get("BULKHEAD", "build/src/bulkhead")).resolve().parents[1]


def program(name):
    beside = BUILD / "src" / name
    return beside if beside.exists() else BUILD / "plugins" / name.removeprefix("bulkhead-") / name


class Refused(Exception):
    """The error of a reply: message as a whole."""


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("plugin", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Plugin:
    def __init__(self, name, folder, environment, *options, path=None):
        self.path, self.log = str(path or folder / "p"), folder / f"{name}.log"
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}
        self.command = [str(program(name)), "--listen", self.path, *options]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)
        for _ in range(3000):
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(self.path)
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        raise AssertionError(self.said())

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            (self.process.kill if kill else self.process.terminate)()
        return self.process.wait(60) if self.process else 0

    def call(self, method, timeout=120, **params):
        connection = Unix(self.path, timeout)
        try:
            body = json.dumps({"jsonrpc": "2.0", "method": method, "params": {"Type": "", **params}, "id": 1})
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            reply = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if reply.get("error"):
            raise Refused(json.dumps(reply["error"]))
        return reply["result"]

    def provision(self, properties, tags=None, **spec):
        whole = {"Properties": properties, "Tags": tags or {}, "Init": "", "LogicalID": None, "Attachments": None, **spec}
        return self.call("Instance.Provision", Spec=whole)["ID"]

    def describe(self, tags=None, properties=False):
        return self.call("Instance.DescribeInstances", Tags=tags or {}, Properties=properties)["Descriptions"]

    def label(self, ident, labels):
        return self.call("Instance.Label", Instance=ident, Labels=labels)

    def destroy(self, ident, reason="terminate"):
        return self.call("Instance.Destroy", Instance=ident, Context={"Reason": reason})

    def validate(self, properties):
        return self.call("Instance.Validate", Properties=properties)
