# SPDX-License-Identifier: LGPL-2.1-or-later
"""A read-only image (erofs) of Debian packages that are installed on this host, with all that they depend on.

The image holds the host's files of these packages, without documentation.  It is cached under a hash of the files' names,
sizes, modes and times: whoever upgrades a package gets another image.
"""
import functools
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess

import cache
from failure import Failure
from files import merged

FORMAT = "1"
PYTHON = ["python3", "python3-pytest", "python3-hypothesis"]
FIELDS = r"${Package}\t${db:Status-Status}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
NOT_WANTED = ("/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/share/locale", "/usr/share/lintian",
              "/usr/share/bug", "/var", "/boot", "/dev")


class Database:
    """What dpkg has installed: the words of dependencies, versions left out, since dpkg has checked them."""

    def __init__(self):
        out = subprocess.run(["dpkg-query", "-W", "-f", FIELDS], capture_output=True, text=True, check=True).stdout
        self.needs = {}
        self.providers = {}
        for line in out.splitlines():
            name, status, needs, provides = line.split("\t")
            if status != "installed":
                continue
            self.needs[name] = [[bare(a) for a in one.split("|")] for one in needs.split(",") if one.strip()]
            for virtual in filter(None, map(bare, provides.split(","))):
                self.providers.setdefault(virtual, name)

    def installed(self, name):
        return name if name in self.needs else self.providers.get(name)

    def closure(self, names):
        todo, found = list(names), set()
        missing = [n for n in names if not self.installed(n)]
        if missing:
            raise Failure(f"Debian packages missing on this host: {' '.join(missing)} (packaging/install-deps vm, or apt-get install)")
        while todo:
            name = self.installed(todo.pop())
            if name in found:
                continue
            found.add(name)
            for alternatives in self.needs[name]:
                todo += [a for a in alternatives if self.installed(a)][:1]
        return sorted(found)


def bare(word):
    return re.sub(r"[:(\[].*", "", word.strip()).strip()


def wanted(path):
    return path.startswith("/") and not any(path == p or path.startswith(p + "/") for p in NOT_WANTED)


def compiled(path):
    """Python's compiled form of a source file: made at installation, not in the package's list, and dear to do without."""
    folder, name = os.path.split(path)
    return pathlib.Path(folder, "__pycache__").glob(f"{name[:-3]}.cpython-*.pyc")


def alternative(path):
    """The links of /etc/alternatives that lead to a program are in no package's list."""
    return os.path.islink(path) and os.readlink(path).startswith("/etc/alternatives/")


def links_of_alternatives():
    if os.path.isdir("/etc/alternatives"):
        yield from (entry.path for entry in os.scandir("/etc/alternatives"))
    for folder in ("/usr/bin", "/usr/sbin"):
        for entry in os.scandir(folder):
            if alternative(entry.path):
                yield entry.path


@functools.cache
def real_folder(path):
    return os.path.realpath(path)


def contents(packages):
    """The paths of all files, links and folders of packages."""
    out = subprocess.run(["dpkg-query", "-L", *packages], capture_output=True, text=True, check=True).stdout
    found = set()
    for path in map(merged, [*out.splitlines(), *links_of_alternatives()]):
        # A package may list files below a link to a folder: in the image they lie where the link leads.
        path = os.path.join(real_folder(os.path.dirname(path)), os.path.basename(path))
        if not wanted(path) or not os.path.lexists(path):
            continue
        found.add(path)
        if path.endswith(".py"):
            found.update(str(c) for c in compiled(path))
    return found


def without_dangling_alternatives(found):
    """Only those links of /etc/alternatives whose program is there."""
    def there(path):
        seen = 0
        while path in found and os.path.islink(path) and seen < 10:
            path = merged(os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path))))
            seen += 1
        return path in found
    return {path for path in found if not (path.startswith("/etc/alternatives/") or alternative(path)) or there(path)}


def fingerprint(found):
    digest = hashlib.sha256(FORMAT.encode())
    for path in sorted(found):
        s = os.lstat(path)
        content = "" if stat.S_ISDIR(s.st_mode) else f"{s.st_size} {s.st_mtime_ns}"
        digest.update(f"{path} {s.st_mode:o} {content}\n".encode())
    return digest.hexdigest()[:24]


def stage(found, folder):
    for path in sorted(found):
        target = folder / path.lstrip("/")
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(mode):
            target.symlink_to(os.readlink(path))
        elif stat.S_ISREG(mode):
            shutil.copy2(path, target)


def make_image(found, image):
    if not shutil.which("mkfs.erofs"):
        raise Failure("no mkfs.erofs on this host: package erofs-utils (packaging/install-deps vm)")
    tree = image.with_name(image.name + ".tree")
    try:
        stage(found, tree)
        p = subprocess.run(["mkfs.erofs", "--all-root", "-U", "00000000-0000-0000-0000-000000000000", str(image), str(tree)],
                           capture_output=True, text=True, check=False)
        if p.returncode:
            raise Failure(f"mkfs.erofs failed: {p.stderr.strip()}")
    finally:
        cache.remove(tree)


def image(names):
    """The path of the image of these packages and what they need."""
    packages = Database().closure(names)
    found = without_dangling_alternatives(contents(packages))
    path = cache.entry(f"packages-{fingerprint(found)}.erofs", lambda new: make_image(found, new))
    cache.prune("packages-*.erofs")
    return path
