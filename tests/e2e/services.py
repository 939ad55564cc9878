# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services in a folder of the test's own. What they do they say through a fifo (actor.c), so that tests wait for events and never for time."""
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile
import time

from lifecycle import PATIENCE, Bulkhead, eventually

HERE = pathlib.Path(__file__).resolve().parent
built = None


def actor():
    """The actor, built once."""
    global built
    if built is None:
        built = tempfile.mkdtemp(prefix="bulkhead-actor-", dir="/srv")
        os.chmod(built, 0o755)
        if (HERE / "actor").exists():  # where there is no compiler, it has been brought
            shutil.copy(HERE / "actor", built + "/actor")
        else:
            subprocess.run(["gcc", "-O1", "-static", "-o", built + "/actor", HERE / "actor.c"], check=True)
    return built + "/actor"


def remove_actor():
    global built
    if built:
        shutil.rmtree(built, ignore_errors=True)
    built = None


class Services(Bulkhead):
    """Bulkhead with unit files, and what they tell."""

    def __init__(self, uid=0):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-services-", dir="/srv"))
        self.base.chmod(0o755)
        self.uid = uid
        for name in ("run", "units", "data"):
            (self.base / name).mkdir()
            os.chown(self.base / name, uid, uid)
        (self.base / "run").chmod(0o711)
        (self.base / "data").chmod(0o777)
        super().__init__(folder=str(self.base / "run"))
        self.actor = actor()
        self.fifo = str(self.base / "data/events")
        os.mkfifo(self.fifo)
        os.chmod(self.fifo, 0o666)
        self.events = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.seen = b""
        self.act = f"{self.actor} {self.fifo}"
        self.env["BULKHEAD_UNIT_PATH"] = str(self.base / "units")
        if uid:
            self.env.update(HOME=str(self.base / "data"), XDG_RUNTIME_DIR=str(self.base / "run"))

    def __call__(self, *args, **kw):
        if self.uid:
            kw.update(user=self.uid, group=self.uid, extra_groups=[])
        return super().__call__(*args, **kw)

    def unit(self, suffix, service, unit=""):
        """Writes a unit file: its full name. "ACT" stands for the actor and the fifo."""
        name = self.name(suffix) + ".service"
        text = f"[Unit]\nDescription=Service of a test\n{unit}\n[Service]\nEnvironment=BULKHEAD_TEST={self.token}\n{service}\n"
        (self.base / "units" / name).write_text(text.replace("ACT", self.act).replace("DATA", str(self.base / "data")))
        return name

    def write(self, name, text):
        """A unit of any type; "@x@" stands for the full name of x, so that none is another test's."""
        text = re.sub(r"@(\w+)@", lambda m: self.name(m[1]), text)
        for section in ("[Service]", "[Socket]") if "Exec" in text else ():
            text = text.replace(section, f"{section}\nEnvironment=BULKHEAD_TEST={self.token}")
        (self.base / "units" / self.name(name)).write_text(text.replace("ACT", self.act).replace("DATA", str(self.base / "data")))
        return self.name(name)

    def up(self, suffix, service, unit=""):
        name = self.unit(suffix, service, unit)
        self.ok("unit", "start", name)
        return name

    def status(self, name):
        r = self("unit", "status", "--json", name)
        assert r.returncode in (0, 3), r.stderr
        return json.loads(r.stdout)

    def line(self):
        """The next event."""
        end = time.monotonic() + PATIENCE
        while b"\n" not in self.seen:
            assert select.select([self.events], [], [], max(0, end - time.monotonic()))[0], f"nothing came; left: {self.seen}"
            self.seen += os.read(self.events, 65536)
        line, _, self.seen = self.seen.partition(b"\n")
        return line.decode()

    def heard(self, *expected):
        """The next events, in this order."""
        came = [self.line() for _ in expected]
        assert came == list(expected), came

    def number(self, text):
        """The number behind this text, the next event."""
        line = self.line()
        assert line.startswith(text + " "), line
        return int(line[len(text):])

    def rest(self):
        """All that was said and not heard yet: of who was ended in the midst of it, perhaps nothing."""
        lines = []
        while not self.silent():
            lines.append(self.line())
        return lines

    def silent(self):
        """Whether nothing more was said."""
        return not self.seen and not select.select([self.events], [], [], 0)[0]

    def go(self, name):
        """What an actor waits for with hear=."""
        (self.base / "data" / name).write_text("")

    def until(self, name, **fields):
        """Waits until the record has these."""
        record = {}

        def look():
            record.clear()
            record.update(self.status(name))
            return all(record.get(k) == v for k, v in fields.items())
        assert eventually(look), {k: record.get(k) for k in [*fields, "result", "error"]}
        return dict(record)

    def over(self, name):
        """The record of a service that has ended."""
        def look():
            record = self.status(name)
            return record if record["state"] in ("exited", "failed") and record["ended_usec"] else None
        record = eventually(look)
        assert record, self.status(name)
        return record

    def logs(self, name):
        return self.ok("logs", name)

    def notify_sockets(self):
        folder = self.base / "run/notify"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def leftovers(self, records=False):
        left = super().leftovers(records)
        if self.notify_sockets():
            left["sockets"] = self.notify_sockets()
        return left

    def close(self):
        try:
            super().close()
        finally:
            os.close(self.events)
            shutil.rmtree(self.base, ignore_errors=True)
