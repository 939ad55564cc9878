# SPDX-License-Identifier: LGPL-2.1-or-later
"""What comes back from the guest: output as it comes, at the end the status and the files."""
import os
import shutil
import sys
import tarfile
import tempfile

from failure import Failure
from machine import PORTS, Console, Port


def writer(fd):
    """Writes all of it to a descriptor."""
    def write(data):
        while data:
            data = data[os.write(fd, data):]
    return write


class Outcome:
    def __init__(self, mark, stack, console_sink):
        self.status = b""
        self.archive = stack.enter_context(tempfile.TemporaryFile(dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.console = Console(console_sink)
        self.qemu = Console()
        to = {"out": writer(sys.stdout.fileno()), "err": writer(sys.stderr.fileno()), "status": self.add_status,
              "files": self.archive.write}
        self.ports = {name: Port(mark, to[name]) for name in PORTS}
        self.sinks = {**self.ports, "console": self.console, "qemu": self.qemu}

    def add_status(self, data):
        self.status = (self.status + data)[-16:]

    def flush(self):
        for name in ("out", "err"):
            self.ports[name].flush()

    def finish(self, folder):
        """The script's exit status; its files are in the folder."""
        if not all(port.ended for port in self.ports.values()):
            self.flush()
            raise Failure(self.why())
        if not self.status.strip().isdigit():
            raise Failure(f"the guest sent {self.status!r} as status")
        self.archive.seek(0)
        try:
            unpack(self.archive, folder)
        except (tarfile.TarError, EOFError) as why:
            raise Failure(f"the guest's files cannot be read: {why}") from None
        return int(self.status)

    def why(self):
        if self.qemu.kept:
            return f"no status came back; QEMU says:\n{self.qemu.last_lines()}\nthe console's last lines:\n{self.console.last_lines()}"
        return f"no status came back; the console's last lines:\n{self.console.last_lines()}"


def target_of(folder, name):
    """Where a file goes, or None: the guest does not choose places outside of the folder."""
    parts = [p for p in name.split("/") if p not in ("", ".")]
    return folder.joinpath(*parts) if ".." not in parts else None


def unpack(archive, folder):
    """Regular files and folders only."""
    with tarfile.open(fileobj=archive, mode="r:") as tar:
        for member in tar:
            if member.name in (".", "./"):
                continue
            if not folder:
                print("vm/run: the files in $VM_OUT are dropped, no --out DIR was given", file=sys.stderr)
                return
            target = target_of(folder, member.name)
            if target and member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif target and member.isreg():
                target.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
            else:
                print(f"vm/run: not brought back, neither file nor folder: {member.name}", file=sys.stderr)
