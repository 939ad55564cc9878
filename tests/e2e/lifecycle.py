# SPDX-License-Identifier: LGPL-2.1-or-later
"""A runtime folder of a test's own, and the search for what a run may have left behind.

Everything a test starts carries its token: in the unit's name (so in control groups and private /tmp folders) and in
a variable of the payload's environment.  So tests find their own things only, whatever else runs on the host.
"""
import glob
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BULKHEAD = os.path.abspath(os.environ.get("BULKHEAD", os.path.join(HERE, "../../build/src/bulkhead")))
IS_ROOT = os.geteuid() == 0
CGROUP_ROOT = "/sys/fs/cgroup"
PATIENCE = 60  # for what comes for certain, on a machine that has much else to do


def eventually(check, timeout=PATIENCE):
    """Calls check until it is true or time is up; returns its last value."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)


def host_mounts():
    with open("/proc/self/mountinfo") as f:
        return set(f.read().splitlines())


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def kill(pid, number=signal.SIGKILL):
    assert pid > 0, "that would be our own process group"
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


class Bulkhead:
    def __init__(self, folder=None, command=None):
        self.token = "t" + secrets.token_hex(5)
        self.folder = folder or tempfile.mkdtemp(prefix=f"bulkhead-{self.token}-")
        self.command = command or [BULKHEAD]
        self.env = dict(os.environ, BULKHEAD_RUNTIME_DIR=self.folder, LC_ALL="C.UTF-8")
        self.mounts = host_mounts()

    # ---- running ----

    def name(self, suffix):
        return f"{self.token}-{suffix}"

    def __call__(self, *args, timeout=2 * PATIENCE, **kw):
        """Runs the program; text out, never a shell."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        r = subprocess.run([*self.command, *map(os.fsencode, args)], env=self.env, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout, **kw)
        r.stdout, r.stderr = (s.decode(errors="surrogateescape") for s in (r.stdout, r.stderr))
        assert r.returncode >= 0, f"died of signal {-r.returncode}: {args!r:.300}\n{r.stderr[:2000]}"
        assert "Sanitizer" not in r.stderr, r.stderr
        return r

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.returncode == 0, f"{args!r:.300}: status {r.returncode}\n{r.stderr[:2000]}"
        return r.stdout

    def popen(self, *args, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([*self.command, *args], env=self.env, **kw)

    def start(self, suffix, *args, properties=(), **kw):
        """A detached run; its full unit name."""
        options = [x for p in (*properties, f"Environment=BULKHEAD_TEST={self.token}") for x in ("-p", p)]
        self.ok("run", "-q", "-u", self.name(suffix), *options, *args, **kw)
        return self.name(suffix) + ".service"

    # ---- looking ----

    def ps(self, *args):
        return {r["unit"]: r for r in json.loads(self.ok("ps", "--json", *args))}

    def inspect(self, unit):
        return json.loads(self.ok("inspect", unit))

    def ended(self, unit, timeout=PATIENCE):
        """The record of a run, once it has ended."""
        def look():
            record = self.inspect(unit)
            return record if record["state"] in ("exited", "failed") else None
        record = eventually(look, timeout)
        assert record, f"{unit} has not ended"
        return record

    def processes(self):
        """Pids of payloads and shims of this test. Zombies have nothing left to hold."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/stat", "rb") as f:
                    if f.read().rpartition(b")")[2].split()[0] == b"Z":
                        continue
                with open(f"/proc/{entry}/environ", "rb") as f:
                    marks = [w for w in f.read().split(b"\0") if w == b"BULKHEAD_TEST=" + self.token.encode()]
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            shim = words[0].endswith((b"bulkhead-shim", b"bulkhead-service")) and any(self.token.encode() in w for w in words)
            if marks or shim:
                found.append(int(entry))
        return found

    def cgroups(self):
        return [d for d, _, _ in os.walk(CGROUP_ROOT) if self.token in os.path.basename(d)]

    def private_folders(self):
        return [p for base in ("/tmp", "/var/tmp") for p in glob.glob(f"{base}/systemd-private-*{self.token}*")]

    def uid_locks(self):
        return glob.glob(os.path.join(self.folder, "dynamic-uid", "*"))

    def records(self):
        return sorted(os.listdir(os.path.join(self.folder, "runs"))) if os.path.isdir(self.folder + "/runs") else []

    def leftovers(self, records=False):
        """All that should be gone when every run has ended; with records, the records too."""
        left = {"processes": self.processes(), "cgroups": self.cgroups(), "folders": self.private_folders(),
                "uid locks": self.uid_locks(), "mounts": sorted(host_mounts() - self.mounts)}
        if records:
            left["records"] = self.records()
        return {k: v for k, v in left.items() if v}

    def assert_clean(self, records=False, timeout=PATIENCE):
        left = {}

        def look():
            left.clear()
            left.update(self.leftovers(records))
            return not left
        assert eventually(look, timeout), f"left behind: {left}"

    # ---- the end ----

    def close(self):
        for pid in self.processes():
            kill(pid)
        try:
            units = list(self.ps("-a"))
            if units:
                self("stop", *units)
        finally:
            for pid in self.processes():
                kill(pid)
            shutil.rmtree(self.folder, ignore_errors=True)
            for path in self.private_folders():
                shutil.rmtree(path, ignore_errors=True)
            for path in sorted(self.cgroups(), key=len, reverse=True):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
