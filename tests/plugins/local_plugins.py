# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins that the tests start: each in folders of the test's own, called over its socket."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from ports import free_ports

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BULKHEAD = pathlib.Path(os.environ.get("BULKHEAD") or SOURCE / "build/src/bulkhead").resolve()
BUILD = BULKHEAD.parent.parent
PATIENCE = 60


class Failed(Exception):
    """The plugin's answer was an error; id is that of docs/errors.md."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.id = (error.get("data") or {}).get("id", "")


def eventually(check, timeout=PATIENCE, pause=0.02):
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value or time.monotonic() > end:
            return value
        time.sleep(pause)


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=PATIENCE):
        super().__init__("h", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Plugin:
    """A process of a plugin. Killed or ended, it can be started again."""

    def __init__(self, program, plugins, env, *words, name=None):
        self.program = BUILD / "plugins" / program.removeprefix("bulkhead-") / program
        self.name = name or program.split("-", 2)[2]
        self.words, self.env, self.plugins = words, env, plugins
        self.socket = f"{plugins}/{self.name}"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program, "--name", self.name, "--plugins", self.plugins, *self.words], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if not eventually(lambda: self.answers() or self.process.poll() is not None) or self.process.poll() is not None:
            raise AssertionError(f"{self.name} does not answer: {self.process.stderr.read() if self.process.poll() is not None else ''}")

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.socket)
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        out = self.process.stderr.read()
        status = self.process.wait(PATIENCE)
        self.process.stderr.close()
        assert "Sanitizer" not in out, out
        assert status == 0, (status, out)

    def call(self, method, timeout=PATIENCE, **params):
        c = Connection(self.socket, timeout)
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
        c.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(c.getresponse().read())
        c.close()
        if answer.get("error"):
            raise Failed(answer["error"])
        return answer["result"]

    # ---- instances ----

    def provision(self, properties, token=None, tags=None, init="", logical_id=None, **kw):
        tags = dict(tags or {}, **({"bulkhead.token": token} if token else {}))
        return self.call("Instance.Provision", Spec={"Properties": properties, "Tags": tags, "Init": init, "LogicalID": logical_id}, **kw)["ID"]

    def describe(self, properties=True, **tags):
        found = self.call("Instance.DescribeInstances", Tags=tags or None, Properties=properties)["Descriptions"]
        return {d["ID"]: d for d in found}

    def destroy(self, instance):
        return self.call("Instance.Destroy", Instance=instance, Context={"Reason": "terminate"})

    def label(self, instance, **labels):
        return self.call("Instance.Label", Instance=instance, Labels=labels)

    # ---- flavors ----

    def prepare(self, properties, spec=None, size=1, logical_ids=None, group="g", sequence=0):
        spec = dict({"Properties": {}, "Tags": {}, "Init": "", "LogicalID": None, "Attachments": None}, **(spec or {}))
        return self.call("Flavor.Prepare", Properties=properties, Spec=spec, Allocation={"Size": 0 if logical_ids else size, "LogicalIDs": logical_ids},
                         Index={"Group": group, "Sequence": sequence})["Spec"]

    def validate(self, properties, size=1, logical_ids=None):
        return self.call("Flavor.Validate", Properties=properties, Allocation={"Size": 0 if logical_ids else size, "LogicalIDs": logical_ids})["OK"]

    def health(self, properties, instance):
        return self.call("Flavor.Healthy", Properties=properties, Instance=instance)["Health"]

    def drain(self, properties, instance):
        return self.call("Flavor.Drain", Properties=properties, Instance=instance)["OK"]


class Events:
    """What a plugin tells, with the time of each."""

    def __init__(self, plugin, topic="instances"):
        self.seen = []
        self.connection = Connection(plugin.socket, timeout=None)
        self.connection.request("GET", f"/events?topic={topic}")
        self.sock = self.connection.sock  # the answer takes it
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.answer:
                if line.startswith(b"data: "):
                    self.seen.append((time.monotonic(), json.loads(line[6:])))
        except (OSError, ValueError, http.client.HTTPException):
            pass

    def vanished(self, instance, timeout=PATIENCE):
        """When it was told that the instance has vanished."""
        def look():
            return [t for t, e in self.seen if e["ID"] == instance and e["Type"] == "vanished"]
        times = eventually(look, timeout, 0.001)
        assert times, f"nothing was told of {instance}: {self.seen}"
        return times[0]

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.connection.close()


class Host:
    """Folders of a test's own, what was started in them, and their end."""

    def __init__(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-plugins-", dir="/srv"))
        self.base.chmod(0o755)
        (self.base / "run").mkdir(mode=0o711)
        (self.base / "run").chmod(0o711)
        (self.base / "plugins").mkdir(mode=0o700)
        self.env = dict(os.environ, BULKHEAD_RUNTIME_DIR=str(self.base / "run"), BULKHEAD_PLUGINS_DIR=str(self.base / "plugins"),
                        BULKHEAD_SERVICE=str(BULKHEAD.parent / "bulkhead-service"), BULKHEAD_OCI=str(BULKHEAD.parent / "bulkhead-oci"), LC_ALL="C.UTF-8")
        self.plugins = []

    def plugin(self, program, *words, name=None):
        p = Plugin(program, str(self.base / "plugins"), self.env, *words, name=name)
        self.plugins.append(p)
        return p

    def bulkhead(self, *args, check=True):
        return subprocess.run([BULKHEAD, *args], env=self.env, capture_output=True, text=True, timeout=120, check=check)

    def runs(self):
        """Names of units that run now, and the pids of their supervisors and processes."""
        return {r["unit"]: r for r in json.loads(self.bulkhead("ps", "--json").stdout)}

    def free_port(self):
        return free_ports()[0]

    def close(self):
        for p in self.plugins:
            if p.process.poll() is None:
                p.stop()
            elif not p.process.stderr.closed:
                p.process.stderr.close()
        for unit in self.runs():
            self.bulkhead("stop", unit, check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(self.base)], check=False)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat", "rb") as f:
        return f.read().rpartition(b")")[2].split()[0] == b"Z"


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def tool(name):
    return shutil.which(name)
