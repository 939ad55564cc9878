# SPDX-License-Identifier: LGPL-2.1-or-later
"""bulkhead-instance-azure as a process, spoken to as controllers do: JSON-RPC over HTTP on its socket."""
import http.client
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import azure_fixture as fixture

BUILD = pathlib.Path(os.environ.get("BULKHEAD", "build/src/bulkhead")).resolve().parent.parent
PROGRAM = BUILD / "plugins/instance-azure/bulkhead-instance-azure"
numbers = itertools.count(1)


class Failure(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.id = (error.get("data") or {}).get("id")


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("plugin", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def variables(azure, **others):
    """What the plugin is told by its environment: the login by client secret, and where everything is."""
    return {"AZURE_TENANT_ID": fixture.TENANT, "AZURE_CLIENT_ID": fixture.CLIENT, "AZURE_CLIENT_SECRET": fixture.SECRET,
            "AZURE_SUBSCRIPTION_ID": fixture.SUBSCRIPTION, "AZURE_RESOURCE_GROUP": fixture.GROUP, "AZURE_LOCATION": "westeurope",
            "AZURE_AUTHORITY_HOST": azure.base, "AZURE_RESOURCE_MANAGER_ENDPOINT": azure.base,
            **{k: os.environ[k] for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "PATH") if k in os.environ}, **others}


class Plugin:
    def __init__(self, folder, environment, *options):
        self.socket, self.stderr = folder / "azure", folder / "stderr"
        self.command, self.environment = [PROGRAM, "--listen", self.socket, *options], environment
        self.start()

    def start(self):
        with open(self.stderr, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stderr=log, stdout=log)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.socket(socket.AF_UNIX).connect(str(self.socket))
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(self.stderr.read_text())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def call(self, method, timeout=120, **params):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": next(numbers)})
        c = Connection(str(self.socket), timeout)
        try:
            c.request("POST", "/", body, {"Content-Type": "application/json"})
            reply = json.loads(c.getresponse().read())
        finally:
            c.close()
        if reply.get("error"):
            raise Failure(reply["error"])
        return reply["result"]

    def provision(self, token=None, group="web", properties=None, tags=(), **spec):
        tags = {"infrakit.group": group, "infrakit.config.hash": "hash", **dict(tags)}
        if token:
            tags["bulkhead.token"] = token
        return self.call("Instance.Provision", Spec={"Properties": document() if properties is None else properties, "Tags": tags, **spec})["ID"]

    def describe(self, tags=None, properties=False):
        found = self.call("Instance.DescribeInstances", Tags=tags, Properties=properties)["Descriptions"]
        return {d["ID"]: d for d in found}

    def destroy(self, name):
        self.call("Instance.Destroy", Instance=name, Context={"Reason": "terminate"})

    def label(self, name, **labels):
        self.call("Instance.Label", Instance=name, Labels=labels)


def document(**machine):
    """The properties of a small machine."""
    return {"VM": {"properties": {"hardwareProfile": {"vmSize": "Standard_B1s"},
                                  "storageProfile": {"imageReference": {"publisher": "Debian", "offer": "debian-12", "sku": "12", "version": "latest"}},
                                  "osProfile": {"adminUsername": "admin"}, **machine}},
            "NetworkInterface": {"properties": {"ipConfigurations": [{"name": "main", "properties": {"subnet": {"id": fixture.SUBNET}}}]}}}
