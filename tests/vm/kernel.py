# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's cloud kernel: downloaded and unpacked, never installed; and its modules, in the order in which they load."""
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import cache
from failure import Failure

META = "linux-image-cloud-amd64"
PREFIX = "linux-image-"

# The guest's own devices need these.
BOOT = ["virtio_mmio", "virtio_console"]
# In every guest's /lib/modules, so that mounting a file system or making an interface loads what it needs.
AVAILABLE = ["overlay", "fuse", "squashfs", "erofs", "loop", "dm-verity", "dm-crypt", "virtio_blk", "veth", "bridge",
             "br_netfilter", "dummy", "tun", "macvlan", "ipvlan", "vxlan", "nf_tables", "nft_*", "nf_nat", "nf_conntrack",
             "nf_conntrack_netlink", "nf_reject_*", "nf_log_syslog", "nfnetlink_log", "xt_MASQUERADE", "xt_conntrack",
             "xt_addrtype", "xt_comment", "sch_*", "cls_bpf", "cls_u32", "act_mirred", "act_bpf", "vsock_loopback"]


def call(*argv, **options):
    program = shutil.which(argv[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not program:
        raise Failure(f"no {argv[0]} on this host (packaging/install-deps vm)")
    p = subprocess.run([program, *map(str, argv[1:])], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                       env={**os.environ, "LC_ALL": "C"}, **options)
    if p.returncode:
        raise Failure(f"{argv[0]} failed: {(p.stderr or p.stdout).strip()}")
    return p.stdout


def package():
    """The package that the meta package stands for today."""
    out = call("apt-cache", "depends", META)
    found = re.search(r"Depends: (" + PREFIX + r"\S+-cloud-amd64)\s", out)
    if not found:
        raise Failure(f"apt knows no package {META}: packaging/install-deps vm, or apt-get update")
    return found[1]


def download(name, target):
    """Unpacks a package's kernel and modules into a folder."""
    with tempfile.TemporaryDirectory(dir=cache.folder(), prefix=".new-deb-") as folder:
        try:
            call("apt-get", "-q", "-o", "APT::Sandbox::User=", "download", name, cwd=folder)
        except Failure as why:
            raise Failure(f"cannot download {name} (apt-get update may help): {why}") from None
        deb = next(pathlib.Path(folder).glob("*.deb"))
        call("dpkg-deb", "-x", deb, target)
    version = name[len(PREFIX):]
    (target / "boot" / f"System.map-{version}").unlink(missing_ok=True)
    call("depmod", "-b", target, version)


class Kernel:
    def __init__(self, path):
        self.version = path.name[len(PREFIX):]
        self.image = path / "boot" / f"vmlinuz-{self.version}"
        self.modules = path / "lib/modules" / self.version
        self.depends = {}
        self.files = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            file, needs = line.split(":")
            self.depends[file] = needs.split()
            self.files[name_of(file)] = file

    def matching(self, patterns):
        """The files of modules by name or pattern; a name without a module is a mistake."""
        found = []
        for pattern in patterns:
            names = fnmatch.filter(self.files, pattern.replace("-", "_"))
            if not names and not self.builtin(pattern):
                raise Failure(f"kernel {self.version} has no module {pattern}")
            found += [self.files[n] for n in names]
        return found

    def builtin(self, name):
        lines = (self.modules / "modules.builtin").read_text().splitlines()
        return name.replace("-", "_") in {name_of(line) for line in lines}

    def load_order(self, patterns):
        """The files to load, each after those that it needs.  modules.dep lists them the other way round."""
        order = {}
        for file in self.matching(patterns):
            for needed in [*reversed(self.depends[file]), file]:
                order.setdefault(needed)
        return list(order)

    def indexes(self, files):
        """modules.dep and the other lists that modprobe reads, cut down to these files."""
        names = {name_of(f) for f in files}
        yield "modules.dep", "".join(f"{f}: {' '.join(self.depends[f])}\n" for f in files)
        for index in ("modules.alias", "modules.symbols"):
            lines = (self.modules / index).read_text().splitlines(keepends=True)
            yield index, "".join(line for line in lines if line.split()[-1].replace("-", "_") in names)
        for index in ("modules.builtin", "modules.order"):
            yield index, (self.modules / index).read_text()


def name_of(file):
    return pathlib.PurePath(file).name.removesuffix(".ko").replace("-", "_")


def get():
    """The kernel that is unpacked already, the newest if there are several; or else it is downloaded."""
    have = [p for p in cache.folder().glob(PREFIX + "*") if p.is_dir()]
    if have:
        return Kernel(max(have, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)]))
    name = package()
    return Kernel(cache.entry(name, lambda path: download(name, path)))
