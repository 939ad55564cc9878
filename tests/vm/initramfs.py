# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the guest's initramfs: a cpio archive ("newc") in memory, so that no file is left behind.

    /init, /vm/        the first stage (guest/init) and what it reads
    /base/             the skeleton of the guest's root: busybox, accounts, kernel modules
    /extra/            what the run named: programs, the tree's binaries, the script
"""
import os
import pathlib
import shutil
import stat
import subprocess

from failure import Failure
from files import libraries, merged

HERE = pathlib.Path(__file__).resolve().parent
BLOCK = 4
BUSYBOX = "/bin/busybox"
# What the two stages call: always busybox's, whatever the run brings under the same names.
TOOLS = ["cat", "chmod", "cp", "grep", "hostname", "insmod", "ip", "ln", "ls", "mkdir", "mkfifo", "mount", "poweroff", "setsid",
         "sleep", "switch_root", "tar", "umount"]
FOLDERS = ["dev", "proc", "sys", "run", "tmp", "etc", "root", "home", "mnt", "srv", "opt", "var/tmp", "var/log", "var/lib",
           "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/lib32", "usr/libx32", "usr/local/bin", "usr/libexec"]
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "lib32": "usr/lib32",
         "libx32": "usr/libx32", "var/run": "/run", "etc/mtab": "../proc/self/mounts", "etc/localtime": "/usr/share/zoneinfo/UTC"}
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                  "user:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost guest\n::1 localhost\n",
    "etc/hostname": "guest\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": "ID=guest\nPRETTY_NAME=\"Guest of tests/vm\"\n",
    "etc/resolv.conf": "",
}


class Archive:
    def __init__(self):
        self.fd = os.memfd_create("initramfs")
        self.out = os.fdopen(os.dup(self.fd), "wb")
        self.inode = 0
        self.folders = set()
        self.shadowed = set()

    def entry(self, path, mode, size=0, device=(0, 0)):
        """A header: everything belongs to root and has no time, so that equal content is an equal archive."""
        self.inode += 1
        name = path.encode() + b"\0"
        numbers = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, *device, len(name), 0]
        self.out.write(b"070701" + b"".join(b"%08X" % n for n in numbers) + name)
        self.pad()

    def pad(self):
        self.out.write(b"\0" * (-self.out.tell() % BLOCK))

    def parents(self, path):
        for parent in reversed(pathlib.PurePosixPath(path).parents):
            self.folder(str(parent))

    def folder(self, path, mode=0o755):
        if path != "." and path not in self.folders:
            self.parents(path)
            self.folders.add(path)
            self.entry(path, stat.S_IFDIR | mode)

    def wants(self, path):
        """What the run named stands instead of what the skeleton has at the same place: busybox's cp would write through
        the skeleton's link.  So extra/ is written first."""
        if path.startswith("extra/"):
            self.shadowed.add(path.replace("extra/", "base/", 1))
        return path not in self.shadowed

    def data(self, path, data, mode=0o644):
        if not self.wants(path):
            return
        self.parents(path)
        self.entry(path, stat.S_IFREG | mode, len(data))
        self.out.write(data)
        self.pad()

    def file(self, path, source, mode=0o644):
        if not self.wants(path):
            return
        self.parents(path)
        with open(source, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            self.entry(path, stat.S_IFREG | mode, size)
            start = self.out.tell()
            shutil.copyfileobj(f, self.out, 1 << 20)
        if self.out.tell() - start != size:
            raise Failure(f"{source} changed while it was read")
        self.pad()

    def link(self, path, to):
        if not self.wants(path):
            return
        self.parents(path)
        self.entry(path, stat.S_IFLNK | 0o777, len(to.encode()))
        self.out.write(to.encode())
        self.pad()

    def node(self, path, major, minor):
        self.parents(path)
        self.entry(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self):
        """The descriptor of the complete archive."""
        self.inode = -1
        self.entry("TRAILER!!!", 0)
        self.out.close()
        return self.fd


def add_busybox(archive):
    """busybox with links for its applets.  Where it is not static, its libraries come, and links by which it finds them
    in the first stage."""
    if not os.access(BUSYBOX, os.X_OK):
        raise Failure(f"no {BUSYBOX}: package busybox-static (packaging/install-deps vm)")
    archive.file("base/usr/bin/busybox", BUSYBOX, 0o755)
    for library in libraries(BUSYBOX):
        archive.file("base" + merged(library), library, 0o755)
    for name in ("lib", "lib64"):
        archive.link(name, f"base/usr/{name}")
    applets = subprocess.run([BUSYBOX, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    for applet in map(pathlib.PurePosixPath, applets):
        folder = "sbin" if applet.parent.name == "sbin" else "bin"
        if applet.name != "busybox":
            archive.link(f"base/usr/{folder}/{applet.name}", "../bin/busybox")


def add_tools(archive):
    for tool in TOOLS:
        archive.link(f"tools/{tool}", "../base/usr/bin/busybox")
        archive.link(f"extra/vm/tools/{tool}", "/usr/bin/busybox")


def add_skeleton(archive):
    for folder in FOLDERS:
        archive.folder(f"base/{folder}")
    for name, to in LINKS.items():
        archive.link(f"base/{name}", to)
    for name, text in TEXTS.items():
        archive.data(f"base/{name}", text.encode())
    add_busybox(archive)


def add_modules(archive, kernel, files):
    top = f"base/usr/lib/modules/{kernel.version}"
    for file in files:
        archive.file(f"{top}/{file}", kernel.modules / file)
    for name, text in kernel.indexes(files):
        archive.data(f"{top}/{name}", text.encode())


def add_files(archive, files):
    for target, (kind, content, mode) in files.entries.items():
        path = "extra" + target
        if kind == "data":
            archive.data(path, content, mode)
        elif kind == "link":
            archive.link(path, content)
        elif kind == "folder":
            archive.folder(path, mode)
        else:
            archive.file(path, content, mode)


def make(kernel, load, available, files, settings):
    """load: modules that the first stage loads; available: those in /lib/modules; settings: NAME -> text for the stages."""
    archive = Archive()
    lines = "".join(f"{name}={text}\n" for name, text in settings.items()).encode()
    archive.data("extra/vm/settings", lines)
    archive.file("extra/vm/job", HERE / "guest/job", 0o755)
    add_files(archive, files)
    add_tools(archive)
    add_skeleton(archive)
    add_modules(archive, kernel, list(dict.fromkeys(load + available)))
    archive.node("dev/console", 5, 1)
    archive.file("init", HERE / "guest/init", 0o755)
    archive.data("vm/load", "".join(f"/base/usr/lib/modules/{kernel.version}/{m}\n" for m in load).encode())
    archive.data("vm/settings", lines)
    return archive.finish()
