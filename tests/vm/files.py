# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which files of the host go where in the guest: programs with the libraries that they need, and folders."""
import os
import pathlib
import re
import subprocess

from failure import Failure

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
TREE = "/src"
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
COVERED = ("dev", "proc", "sys", "")            # by mounts
SKIPPED = {"__pycache__", ".pytest_cache", ".hypothesis", ".git"}


def merged(path):
    """The guest's /bin, /lib and so on are links into /usr, as on the host, and /var/run is one to /run."""
    if path.startswith("/var/run/"):
        path = path[len("/var"):]
    first = path.lstrip("/").split("/", 1)[0]
    return os.path.normpath("/usr" + path if first in MERGED else path)


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def libraries(program):
    """The shared libraries and the loader of a program, as paths of the host."""
    p = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    if p.returncode:
        return []
    missing = re.findall(r"(\S+) => not found", p.stdout)
    if missing:
        raise Failure(f"{program} needs {', '.join(missing)}, not found on this host")
    return re.findall(r"(?:=> |^\s+)(/\S+) \(0x", p.stdout, re.M)


class Files:
    """Guest path -> (kind, content): what the guest gets beside its skeleton."""

    def __init__(self):
        self.entries = {}

    def add_text(self, target, text, mode=0o644):
        self.entries[merged(target)] = ("data", text.encode(), mode)

    def add_link(self, target, to):
        self.entries[merged(target)] = ("link", to, 0o777)

    def add_file(self, source, target):
        """A file of the host under its own mode; a program brings its libraries."""
        self.entries[merged(target)] = ("file", str(source), os.stat(source).st_mode & 0o7777)
        if is_elf(source):
            for library in libraries(source):
                self.entries.setdefault(merged(library), ("file", library, 0o755))

    def add_folder(self, source, target):
        for folder, folders, names in os.walk(source):
            folders[:] = sorted(f for f in folders if f not in SKIPPED)
            here = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
            self.entries.setdefault(merged(here), ("folder", None, os.stat(folder).st_mode & 0o7777))
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    self.add_link(f"{here}/{name}", os.readlink(path))
                elif os.path.isfile(path):
                    self.add_file(path, f"{here}/{name}")

    def add(self, source, target=None):
        """A file or folder; without a target it lies in the guest as on the host, or as in the tree under /src."""
        path = pathlib.Path(os.path.abspath(source))
        if not path.exists():
            raise Failure(f"no such file: {source}")
        target = target or place(path)
        if not target.startswith("/") or target.split("/")[1] in COVERED:
            raise Failure(f"{source} cannot lie at {target} in the guest: FILE:PATH names another place")
        if path.is_dir():
            self.add_folder(path, target)
        else:
            self.add_file(path.resolve(), target)
        return target

    def add_program(self, name):
        """A program of the host, found in PATH, under the path that it has there."""
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin".split(":")
        for folder in filter(None, path):
            program = os.path.join(folder, name)
            if os.access(program, os.X_OK) and os.path.isfile(program):
                return self.add(program)
        raise Failure(f"no program {name} on this host")


def place(path):
    """Where a file of the host lies in the guest unless said otherwise."""
    with_links = pathlib.Path(os.path.realpath(path.parent)) / path.name
    if with_links.is_relative_to(SOURCE):
        return f"{TREE}/{with_links.relative_to(SOURCE)}"
    return str(path)
