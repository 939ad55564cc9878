# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line of groups in folders of the test's own. What a test started it also ends."""
import collections
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BULKHEAD = pathlib.Path(os.environ.get("BULKHEAD") or SOURCE / "build/src/bulkhead").resolve()
FAKE = pathlib.Path(__file__).resolve().parent / "fake_plugin.py"
Result = collections.namedtuple("Result", "status out err")


def document(name="web", size=3, note="v1", plugin="file", **more):
    return {"ID": name, "Properties": {"Allocation": {"Size": size}, "Instance": {"Plugin": plugin, "Properties": {"Note": note}},
                                       "Flavor": {"Plugin": "vanilla", "Properties": {"Init": ["true"]}}, **more}}


class Fleet:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-fleet-", dir="/tmp"))
        self.plugins = self.folder / "plugins"
        self.files = self.folder / "files"
        self.started = []
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "TERM": "vt220",
                            "BULKHEAD_PLUGINS_DIR": str(self.plugins), "INFRAKIT_INSTANCE_FILE_DIR": str(self.files),
                            "BULKHEAD_RUNTIME_DIR": str(self.folder / "run"),
                            **{k: v for k, v in os.environ.items() if k in ("BULKHEAD_PLUGIN_PATH", "ASAN_OPTIONS")}}

    def __call__(self, *words, status=0, text=None, timeout=120):
        done = subprocess.run([BULKHEAD, *map(str, words)], env=self.environment, cwd=self.folder, input=text, text=True, capture_output=True, timeout=timeout,
                              stdin=None if text is not None else subprocess.DEVNULL)
        assert status is None or done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *words):
        """A command in the background, its lines readable."""
        p = subprocess.Popen([BULKHEAD, *map(str, words)], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        self.started.append(p)
        return p

    def terminal(self, *words, answer=None, timeout=120):
        """On a terminal; answer is typed once a question is there. All that was shown, and the status."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(BULKHEAD, [str(BULKHEAD), *map(str, words)], self.environment)
        shown, end = b"", time.monotonic() + timeout
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if answer and b"[y/N]" in shown:
                os.write(fd, answer.encode() + b"\n")
                answer = None
        os.close(fd)
        return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def json(self, *words, **more):
        return json.loads(self(*words, "--json", **more).out)

    def write(self, name, *documents):
        path = self.folder / name
        path.write_text(json.dumps({"Groups": list(documents)}))
        return path

    def listed(self):
        return {p["Name"]: p for p in self.json("plugin", "ls")}

    def instances(self):
        return [f for f in self.files.iterdir() if not f.name.startswith(".")] if self.files.exists() else []

    def converged(self, *groups):
        """Waits until they are as wanted: files are there, or gone, before the controller hears of it."""
        until(lambda: all(g["Converged"] for g in self.json("status", *groups)["Groups"]))

    def processes(self):
        """Those that have our folder in their environment: all that we started."""
        found = []
        for p in pathlib.Path("/proc").iterdir():
            try:
                if p.name.isdigit() and int(p.name) != os.getpid() and str(self.folder).encode() in (p / "environ").read_bytes():
                    found.append(int(p.name))
            except OSError:
                pass
        return found

    def close(self):
        if self.plugins.exists():
            subprocess.run([BULKHEAD, "plugin", "stop", "--all"], env=self.environment, capture_output=True, timeout=120)
        for p in self.started:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        end = time.monotonic() + 60
        while (left := self.processes()) and time.monotonic() < end:
            for p in self.started:
                p.poll()
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for p in self.started:
            p.wait()
        subprocess.run(["rm", "-rf", "--one-file-system", "--", self.folder], check=False)
        assert not left, f"processes were left: {left}"


def until(condition, timeout=60):
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.02)
    return value
