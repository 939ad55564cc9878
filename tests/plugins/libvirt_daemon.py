# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirtd of the test's own: in namespaces of its own, so that what it starts ends with it; its sockets are in the test's folder."""
import os
import pathlib
import shutil
import signal
import subprocess
from socket import AF_UNIX, socket as unix

from plugin import eventually

LIBVIRTD = shutil.which("libvirtd", path="/usr/sbin:/usr/bin")
VIRSH = shutil.which("virsh")
CONFIG = """\
unix_sock_group = "root"
unix_sock_rw_perms = "0600"
unix_sock_ro_perms = "0600"
unix_sock_dir = "{folder}/sockets"
auth_unix_rw = "none"
auth_unix_ro = "none"
listen_tls = 0
log_outputs = "2:file:{folder}/libvirtd.log"
"""
# What libvirtd keeps is its own; the host's is not seen. /dev/kvm and the like stay.
HIDE = """set -e
mount --make-rprivate /
for d in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; do
    [ ! -d $d ] || mount -t tmpfs -o mode=755 tmpfs $d
done
mkdir -p /etc/libvirt /run/lock
printf 'user = "root"\\ngroup = "root"\\nsecurity_driver = "none"\\ncgroup_controllers = []\\nnamespaces = []\\nremember_owner = 0\\nstdio_handler = "file"\\n' >/etc/libvirt/qemu.conf
# The user that the package libvirt-daemon-system would make.
for f in passwd group; do
    grep -q '^libvirt-qemu:' /etc/$f || { cp /etc/$f "$FOLDER/$f" && mount --bind "$FOLDER/$f" /etc/$f; }
done
grep -q '^libvirt-qemu:' /etc/passwd || echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>/etc/passwd
grep -q '^libvirt-qemu:' /etc/group || echo 'libvirt-qemu:x:64055:' >>/etc/group
ip link set lo up
# Processes of its own inside, so that nothing outlasts the shell; who joins the shell's namespaces sees the host's processes. A shell is the first
# there, for libvirtd would not wait for its machines when they have ended, and count them as alive: each would take a minute to be destroyed.
setpriv --pdeathsig KILL unshare -m -p --fork --kill-child --mount-proc sh -c '"$0" "$@" & wait $!' "$0" "$@" &
wait $!
"""


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Daemon:
    def __init__(self, folder):
        self.folder = folder
        (folder / "sockets").mkdir()
        (folder / "libvirtd.conf").write_text(CONFIG.format(folder=folder))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["unshare", "-m", "-n", "sh", "-c", HIDE, LIBVIRTD, "--config", self.folder / "libvirtd.conf",
                                         "--pid-file", self.folder / "libvirtd.pid"],
                                        stdout=subprocess.DEVNULL, stderr=open(self.folder / "libvirtd.err", "ab"), start_new_session=True,
                                        env={**os.environ, "FOLDER": str(self.folder)})
        socket = self.folder / "sockets/libvirt-sock"

        def listens():
            with unix(AF_UNIX) as s:
                return s.connect_ex(str(socket)) == 0
        eventually(lambda: listens() or self.process.poll() is not None)
        assert self.process.poll() is None, (self.folder / "libvirtd.err").read_text()

    def uri(self, driver, path):
        return f"{driver}+unix:///{path}?socket={self.folder}/sockets/libvirt-sock"

    def stop(self):
        """With all that it has started, machines and servers of networks; returns when nobody answers any more."""
        if self.process.poll() is None:
            # Its namespace's first process ends after all the others, and those around it after that one. Ended from the outside inwards, libvirtd
            # would be the last, and still answer.
            [unshare] = children(self.process.pid)
            [first] = children(unshare)
            os.kill(first, signal.SIGKILL)
        self.process.wait(60)
        for path in (self.folder / "sockets").iterdir():
            path.unlink()


class Virsh:
    """Held open, so that the test driver's world lasts; and for short commands."""

    def __init__(self, uri):
        self.uri = uri
        self.holder = subprocess.Popen([VIRSH, "-q", "-c", uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.holder.stdin.write("uri\n")
        self.holder.stdin.flush()
        self.holder.stdout.readline()

    def __call__(self, *words):
        done = subprocess.run([VIRSH, "-q", "-c", self.uri, *map(str, words)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def domains(self):
        return sorted(self("list", "--all", "--name").split())

    def active(self):
        return sorted(self("list", "--name").split())

    def volumes(self, pool="default-pool"):
        return sorted(line.split()[0] for line in self("vol-list", pool).splitlines())

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(60)
        self.holder.stdout.close()
