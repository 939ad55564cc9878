# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every directive, as root and as an ordinary user: it stops what it should, and the same act works without it.

What cannot work for a user is refused with an error that names the directive, and leaves nothing half-made.
"""
import errno
import glob
import os
import pwd
import shutil
import socket
import subprocess

import pytest

from conftest import AHEAD, NOBODY_ELSE, binary



class Scene:
    """What the scripts act on; {names} in a row are taken from here."""

    def __init__(self, box, tools):
        self.d = box.data
        self.probe = box.probe
        self.uid = box.uid
        for name in ("keep", "keep/inner", "other"):
            (box.data / name).mkdir()
        for name in ("keep/f", "keep/inner/f", "other/f"):
            (box.data / name).write_text("x")
        shutil.copy(box.probe, box.data / "keep/probe")
        shutil.copy(box.probe, box.data / "keep/inner/probe")
        for folder, folders, files in os.walk(box.data):
            for name in folders + files:
                os.chown(os.path.join(folder, name), box.uid, box.uid)
        self.suid = box.folder / "suid-id"
        shutil.copy("/usr/bin/id", self.suid)
        self.suid.chmod(0o4755)
        self.marker = f"/tmp/bulkhead-marker-{os.urandom(6).hex()}"
        with open(self.marker, "w") as f:
            f.write("x")
        os.chmod(self.marker, 0o644)
        self.sleeper = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        self.pid = self.sleeper.pid
        standard = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "hugepages", "fd", "stdin", "stdout", "stderr",
                    "core", "log", "char"}
        self.device = next(f"/dev/{n}" for n in sorted(os.listdir("/dev")) if n not in standard)
        self.abstract = "bulkhead-" + os.urandom(6).hex()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind("\0" + self.abstract)
        self.socket.listen(64)
        self.shm = subprocess.check_output(["ipcmk", "-M", "4096", "-p", "0666"], text=True).split()[-1]
        self.mnt = os.readlink("/proc/self/ns/mnt")
        self.net = os.readlink("/proc/self/ns/net")
        # As root the hostname calls need a namespace of their own, so that nothing happens to the host's name.
        self.keyring = subprocess.check_output([str(box.probe), "keyring"], text=True, **box.identity()).strip()
        self.unshare = "unshare" if box.uid == 0 else "unshare -U"
        self.uts = "unshare -u" if box.uid == 0 else "unshare -Ur --uts"

    def close(self):
        self.sleeper.kill()
        self.sleeper.wait()
        self.socket.close()
        os.unlink(self.marker)
        subprocess.run(["ipcrm", "-m", self.shm], check=False)

    def fill(self, text):
        for name, value in vars(self).items():
            text = text.replace("{" + name + "}", str(value))
        return text


@pytest.fixture
def scene(any_box, tools):
    s = Scene(any_box, tools)
    s.box = any_box
    yield s
    s.close()


READ_ONLY = "python3 -IS -c 'import os, sys; sys.exit(bool(os.statvfs(sys.argv[1]).f_flag & os.ST_RDONLY))'"
CONNECT = "python3 -IS -c 'import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + \"{abstract}\")'"

SOCKET = "python3 -IS -c 'import socket as s, sys; s.socket(*[getattr(s, a) for a in sys.argv[1:]])'"

SEND = "python3 -IS -c 'import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(bytes(1), (\"127.0.0.1\", 9))'"
BIND = ("python3 -IS -c 'import socket as s, sys; k = s.socket(getattr(s, sys.argv[1])); k.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1); "
        "k.bind((sys.argv[2], int(sys.argv[3])))'")

# (directives, without them, a script): with the directives the script fails, without it works.
STOPS = [
    ("ReadOnlyPaths={d}/keep", "", "echo y >>{d}/keep/f"),
    ("ReadOnlyPaths={d}/keep", "", "mkdir {d}/keep/new && rmdir {d}/keep/new"),
    ("ReadOnlyPaths={d}/keep", "ReadOnlyPaths={d}/keep\nReadWritePaths={d}/keep/inner", "echo y >>{d}/keep/inner/f"),
    ("InaccessiblePaths={d}/keep", "", "test -s {d}/keep/f"),
    ("InaccessiblePaths={d}/keep/f", "", "grep x {d}/keep/f"),
    ("InaccessiblePaths={d}/keep/f", "", "echo y >>{d}/keep/f"),
    ("NoExecPaths={d}/keep", "", "{d}/keep/probe exit 0"),
    ("NoExecPaths={d}/keep", "NoExecPaths={d}/keep\nExecPaths={d}/keep/inner", "{d}/keep/inner/probe exit 0"),
    ("NoExecPaths={d}/keep", "", "python3 -IS -c 'import mmap; f = open(\"{d}/keep/probe\", \"rb\"); mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)'"),
    ("BindReadOnlyPaths={d}/other:{d}/keep", "BindPaths={d}/other:{d}/keep", "test ! -e {d}/keep/inner && echo y >>{d}/keep/f"),
    ("BindPaths={d}/other:{d}/keep", "", "test -e {d}/keep/inner"),
    ("TemporaryFileSystem={d}/keep", "", "test -e {d}/keep/f"),
    ("TemporaryFileSystem={d}/keep:ro", "TemporaryFileSystem={d}/keep", "test ! -e {d}/keep/f && touch {d}/keep/new"),
    ("ProtectSystem=yes", "", READ_ONLY + " /usr"),
    ("ProtectSystem=full", "ProtectSystem=yes", READ_ONLY + " /etc"),
    ("ProtectSystem=strict", "ProtectSystem=full", "echo y >>{d}/keep/f"),
    ("ProtectSystem=strict", "ProtectSystem=strict\nReadWritePaths={d}", "echo y >>{d}/keep/f"),
    ("ProtectSystem=strict", "ProtectSystem=full", "mkdir /tmp/{abstract} && rmdir /tmp/{abstract}"),
    ("ProtectHome=yes", "", "test $(stat -c %a /home) != 0"),
    ("ProtectHome=read-only", "", READ_ONLY + " /home"),
    ("ProtectHome=tmpfs", "", "test $(stat -f -c %T /home) != tmpfs"),
    ("PrivateTmp=yes", "", "test -e {marker}"),
    ("PrivateTmp=disconnected", "", "test -e {marker}"),
    ("PrivateDevices=yes", "", "test -e {device}"),
    ("PrivateDevices=yes", "", "{probe} call iopl | grep -v ':1[,}]'"),
    ("PrivateDevices=yes", "", "{probe} call 32:iopl | grep -v ':1[,}]'"),
    ("PrivateNetwork=yes", "", CONNECT),
    ("PrivateNetwork=yes", "", "test $(readlink /proc/self/ns/net) = {net}"),
    ("PrivateIPC=yes", "", "ipcs -m -i {shm} | grep -q bytes="),
    ("PrivatePIDs=yes", "", "test -d /proc/{pid}"),
    ("PrivatePIDs=yes", "", "test $$ != 1"),
    ("PrivateUsers=yes", "", "grep -q '^ *0 *0 *4294967295' /proc/self/uid_map"),
    ("PrivateMounts=yes", "", "test $(readlink /proc/self/ns/mnt) = {mnt}"),
    ("ProtectHostname=yes", "", "{uts} {probe} call sethostname setdomainname | grep -q ':0,.*:0'"),
    ("ProtectHostname=yes", "", "{uts} {probe} call 32:sethostname 32:setdomainname | grep -q ':0,.*:0'"),
    ("ProtectHostname=yes", "", READ_ONLY + " /proc/sys/kernel/hostname"),
    ("ProtectHostname=yes", "ProtectHostname=private", READ_ONLY + " /proc/sys/kernel/hostname"),
    ("ProtectHostname=private:other-name", "", "test $(hostname) != other-name"),
    ("ProtectHostname=yes:other-name", "", "test $(hostname) != other-name"),
    ("KeyringMode=private", "KeyringMode=inherit", "test $({probe} keyring) = {keyring}"),
    ("KeyringMode=shared", "KeyringMode=inherit", "test $({probe} keyring) = {keyring}"),
    ("RestrictSUIDSGID=yes", "", "chmod 4755 {d}/keep/f"),
    ("RestrictSUIDSGID=yes", "", "chmod 2755 {d}/keep"),
    ("RestrictSUIDSGID=yes", "", "cd /tmp; {probe} call chmod_suid | grep -v ':1[,}]'"),
    ("RestrictSUIDSGID=yes", "", "cd /tmp; {probe} call 32:chmod_suid | grep -v ':1[,}]'"),
    ("ProtectKernelTunables=yes", "", READ_ONLY + " /proc/sys"),
    ("ProtectKernelTunables=yes", "", READ_ONLY + " /sys"),
    ("ProtectKernelTunables=yes", "", "grep -q . /proc/kallsyms"),
    ("ProtectKernelTunables=yes\nPrivateNetwork=yes", "PrivateNetwork=yes", READ_ONLY + " /sys"),
    ("ProtectControlGroups=yes", "ProtectKernelTunables=yes", READ_ONLY + " /sys/fs/cgroup"),
    ("ProtectControlGroups=yes\nProtectKernelTunables=yes", "", READ_ONLY + " /sys/fs/cgroup"),
    ("ProtectKernelModules=yes", "", "capsh --has-b=cap_sys_module"),
    ("ProtectKernelLogs=yes", "", "capsh --has-b=cap_syslog"),
    ("ProtectKernelLogs=yes", "", "test $(stat -c %a /proc/kmsg) != 0"),
    ("ProtectKernelLogs=yes", "", "test $(stat -c %a /dev/kmsg) != 0"),
    ("ProtectClock=yes", "", "capsh --has-b=cap_sys_time"),
    ("ProtectClock=yes", "", "capsh --has-b=cap_wake_alarm"),
    ("ProtectClock=yes", "", "{probe} call adjtimex | grep -v ':1[,}]'"),
    ("ProtectClock=yes", "", "{probe} call 32:adjtimex | grep -v ':1[,}]'"),
    ("PrivatePIDs=yes\nProcSubset=pid", "PrivatePIDs=yes", "cat /proc/cpuinfo"),
    ("RestrictNamespaces=yes", "", "{unshare} -u true"),
    ("RestrictNamespaces=ipc user", "RestrictNamespaces=uts user", "{unshare} -u true"),
    ("RestrictNamespaces=~uts", "RestrictNamespaces=~ipc", "{unshare} -u true"),
    ("RestrictNamespaces=~user", "", "unshare -U true"),
    ("RestrictNamespaces=yes", "", "{probe} call setns | grep -v ':1[,}]'"),
    ("RestrictNamespaces=~net", "RestrictNamespaces=~uts", "{probe} call setns_net | grep -v ':1[,}]'"),
    ("RestrictNamespaces=yes", "", "{probe} call clone3 | grep -v ':38[,}]'"),
    ("RestrictNamespaces=yes", "", "{probe} call 32:setns | grep -v ':1[,}]'"),
    ("RestrictRealtime=yes", "", "{probe} call fifo_bad | grep -v ':1[,}]'"),
    ("RestrictRealtime=yes", "", "{probe} call sched_setattr | grep -v ':38[,}]'"),
    ("RestrictRealtime=yes", "", "{probe} call 32:fifo_bad | grep -v ':1[,}]'"),
    ("LockPersonality=yes", "", "setarch -R true"),
    ("LockPersonality=yes", "", "{probe} call 32:personality | grep -q ':0[,}]'"),
    ("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_UNIX AF_INET", SOCKET + " AF_INET"),
    ("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_INET", SOCKET + " AF_INET"),
    ("RestrictAddressFamilies=none", "RestrictAddressFamilies=AF_UNIX", SOCKET + " AF_UNIX"),
    ("RestrictAddressFamilies=~AF_INET", "RestrictAddressFamilies=~AF_INET6", SOCKET + " AF_INET"),
    ("RestrictAddressFamilies=AF_INET", "RestrictAddressFamilies=AF_NETLINK", "{probe} call netlink | grep -q ':0[,}]'"),
    ("RestrictAddressFamilies=AF_INET", "RestrictAddressFamilies=AF_NETLINK", "{probe} call 32:netlink | grep -q ':0[,}]'"),
    ("SystemCallArchitectures=native", "SystemCallArchitectures=x86", "{probe} call 32:getpid"),
    ("MemoryDenyWriteExecute=yes", "", "{probe} call mmap_wx | grep -q ':0[,}]'"),
    ("MemoryDenyWriteExecute=yes", "", "{probe} call mprotect_x | grep -q ':0[,}]'"),
    ("MemoryDenyWriteExecute=yes", "", "{probe} call shmat_x | grep -v ':1[,}]'"),
    ("MemoryDenyWriteExecute=yes", "", "{probe} call 32:shmat_version | grep -q ':22[,}]'"),
    ("SystemCallFilter=~shmat\nSystemCallErrorNumber=EPERM", "", "{probe} call 32:shmat_version | grep -q ':22[,}]'"),
    ("SystemCallFilter=~uname", "", "uname"),
    ("SystemCallFilter=~uname\nSystemCallErrorNumber=EPERM", "", "{probe} call uname | grep -q ':0'"),
    ("SystemCallFilter=~uname", "", "{probe} call 32:uname"),
    ("SystemCallFilter=~uname\nSystemCallErrorNumber=EPERM", "", "{probe} call 32:uname | grep -q ':0'"),
    ("SystemCallFilter=~@process", "", "{probe} fork 1"),
    ("CapabilityBoundingSet=", "", "grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status"),
    ("CapabilityBoundingSet=~CAP_SYS_ADMIN", "", "capsh --has-b=cap_sys_admin"),
    ("UMask=0077", "", "rm -f {d}/new; touch {d}/new; test $(stat -c %a {d}/new) = 644"),
    ("LimitNOFILE=32", "", "python3 -IS -c 'x = [open(\"/dev/null\") for _ in range(40)]'"),
    ("LimitFSIZE=0", "", "echo y >>{d}/keep/f"),
    ("IgnoreSIGPIPE=no", "", "sh -c 'kill -PIPE $$'"),
    ("UnsetEnvironment=PATH", "", "env | grep -q ^PATH="),
    ("StandardInput=null", "StandardInput=file:{d}/keep/f", "grep -q x"),
    ("WorkingDirectory={d}/keep", "WorkingDirectory={d}", "test -d keep"),
    ("Environment=A=b", "", "test -z \"$A\""),
    ("NoNewPrivileges=yes\n{drop}", "{drop}", "test $({suid} -u) = 0"),
    ("ReadOnlyDirectories={d}/keep", "", "echo y >>{d}/keep/f"),
    ("RootDirectory={d}\nBindReadOnlyPaths=/usr /bin /lib /lib64", "RootDirectory=/", "test -e /etc/passwd"),
    ("RootDirectory={d}\nBindReadOnlyPaths=/usr /bin /lib /lib64\nReadOnlyPaths=+/keep", "RootDirectory={d}\nBindReadOnlyPaths=/usr /bin /lib /lib64\nReadOnlyPaths=/keep",
     "echo y >>/keep/f"),
    ("RootDirectory={d}\nBindReadOnlyPaths=/usr /bin /lib /lib64\nMountAPIVFS=no", "RootDirectory={d}\nBindReadOnlyPaths=/usr /bin /lib /lib64", "test -d /proc/self"),
    ("MountFlags=slave\nPrivateMounts=yes", "PrivateMounts=yes", "head -1 /proc/self/mountinfo | grep -q shared:"),
    ("StandardInputText=no", "StandardInputText=x", "grep -q x"),
]
ROOT_STOPS = [
    ("SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM", "", "{probe} call sync reboot swapoff | grep -vE 'reboot\":1,\"swapoff\":1'"),
    ("SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM", "", "{probe} call sync 32:reboot 32:swapoff | grep -vE '32:reboot\":1,\"32:swapoff\":1'"),
    ("ProtectHostname=yes:other-name", "ProtectHostname=private:other-name", "hostname third && test $(hostname) = third"),
    ("User=daemon", "User=daemon\nAmbientCapabilities=CAP_CHOWN", "chown root {d}/keep/f"),
    ("User=daemon\nAmbientCapabilities=CAP_CHOWN CAP_KILL\nAmbientCapabilities=~CAP_CHOWN", "User=daemon\nAmbientCapabilities=CAP_CHOWN CAP_KILL",
     "chown root {d}/keep/f"),
    ("DynamicUser=yes\nBindPaths={d}", "DynamicUser=yes\nBindPaths={d}\nAmbientCapabilities=CAP_CHOWN", "chown root {d}/keep/f"),
    ("SecureBits=noroot", "", "chown daemon {d}/keep/f"),
    ("SecureBits=noroot", "SecureBits=keep-caps", "chown daemon {d}/keep/f"),
    ("SecureBits=noroot\nUser=daemon", "User=daemon", "capsh --print | grep -q 'secure-noroot: no'"),
    ("RestrictNamespaces=yes", "", "{probe} call clone_uts | grep -v ':1[,}]'"),
    ("RestrictRealtime=yes", "", "chrt -f 1 true"),
    ("RestrictRealtime=yes", "", "chrt -d -T 1000000 -D 2000000 -P 2000000 0 true"),
    ("RestrictAddressFamilies=~AF_PACKET", "", SOCKET + " AF_PACKET SOCK_RAW"),
    ("RestrictNamespaces=net", "RestrictNamespaces=mnt", "unshare -m true"),
    ("ProtectKernelTunables=yes", "", "echo $(cat /proc/sys/vm/swappiness) >/proc/sys/vm/swappiness"),
    ("ProtectKernelModules=yes", "", "{probe} call init_module | grep -v ':1[,}]'"),
    ("ProtectKernelModules=yes", "", "{probe} call 32:init_module | grep -v ':1[,}]'"),
    ("ProtectKernelLogs=yes", "", "{probe} call syslog | grep -v ':1[,}]'"),
    ("ProtectKernelLogs=yes", "", "{probe} call 32:syslog | grep -v ':1[,}]'"),
    ("ProtectProc=noaccess\nUser=daemon", "User=daemon", "cat /proc/{pid}/stat"),
    ("ProtectProc=noaccess\nUser=daemon", "ProtectProc=noaccess", "cat /proc/{pid}/stat"),
    ("ProtectProc=invisible\nUser=daemon", "ProtectProc=noaccess\nUser=daemon", "test -d /proc/{pid}"),
    ("ProtectProc=ptraceable\nUser=daemon", "ProtectProc=default\nUser=daemon", "test -d /proc/{pid}"),
    ("ProcSubset=pid", "ProcSubset=all", "cat /proc/cpuinfo"),
    ("User=daemon", "", "test $(id -u) = 0"),
    ("Group=daemon", "", "test $(id -g) = 0"),
    ("User=daemon\nSupplementaryGroups=sys", "User=daemon", "! id -Gn | grep -q sys"),
    ("DynamicUser=yes", "", "test $(id -u) = 0"),
    ("DynamicUser=yes", "", "echo y >>{d}/keep/f"),
    ("PrivateUsers=yes", "", "chown daemon {d}/keep/f"),
    ("PrivateUsers=identity", "", "chown 70000 {d}/keep/f"),
    ("PrivateUsers=full", "", "mknod {d}/node c 1 3"),
    ("CapabilityBoundingSet=~CAP_CHOWN", "", "chown daemon {d}/keep/f"),
    ("PrivateDevices=yes", "", "mknod {d}/node c 1 3"),
    ("PrivateDevices=yes\nBindPaths={d}:{d}", "", "mknod {d}/node b 8 0"),
    ("TasksMax=5", "", "{probe} fork 20 | grep -q made.:20"),
    ("MemoryMax=24M", "", "{probe} eat 104857600"),
    ("DevicePolicy=closed", "DevicePolicy=closed\nDeviceAllow=/dev/kmsg", "mknod {d}/kmsg-{abstract} c 1 11 && : <{d}/kmsg-{abstract}"),
    ("DevicePolicy=strict", "DevicePolicy=closed", ": </dev/zero"),
    ("DeviceAllow=/dev/zero", "DeviceAllow=/dev/kmsg r", "head -c0 /dev/kmsg"),
    ("IPAddressDeny=any", "IPAddressDeny=any\nIPAddressAllow=localhost", SEND),
    ("IPAddressDeny=localhost", "IPAddressDeny=link-local", SEND),
    ("IPAddressDeny=127.0.0.1", "IPAddressDeny=127.0.0.2", SEND),
    ("IPAddressAllow=10.0.0.0/8\nIPAddressDeny=127.0.0.0/8", "IPAddressAllow=127.0.0.1\nIPAddressDeny=127.0.0.1", SEND),
    ("RestrictNetworkInterfaces=~lo", "RestrictNetworkInterfaces=lo", SEND),
    ("SocketBindDeny=any", "", BIND + " AF_INET 127.0.0.1 0"),
    ("SocketBindDeny=any\nSocketBindAllow=udp", "SocketBindDeny=any\nSocketBindAllow=tcp", BIND + " AF_INET 127.0.0.1 0"),
    ("SocketBindDeny=ipv6", "SocketBindDeny=ipv4", BIND + " AF_INET6 ::1 0"),
    ("SocketBindDeny=tcp:61000-61999", "SocketBindDeny=tcp:62000-62999", BIND + " AF_INET 127.0.0.1 61421"),
    ("BindNetworkInterface=lo", "", "python3 -IS -c 'import socket; assert not socket.socket().getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)'"),
    ("SetCredential=key:x", "SetCredential=key:x\nSetCredential=", "test -z \"$CREDENTIALS_DIRECTORY\""),
    ("SetCredential=key:x\nUser=daemon", "SetCredential=key:x", "echo y >$CREDENTIALS_DIRECTORY/key || test $(stat -c %u $CREDENTIALS_DIRECTORY/key) = 0"),
    ("SetLoginEnvironment=yes", "", "test -z \"$LOGNAME\""),
    ("NetworkNamespacePath=/proc/{pid}/ns/net\nPrivateNetwork=yes", "PrivateNetwork=yes", "test $(readlink /proc/self/ns/net) != {net}"),
    # What others do on the machine takes from both, little from who is served first; the limited one never has that much.
    (f"CPUQuota=20%\n{AHEAD}", AHEAD, "for i in 1 2 3 4 5; do {probe} spin 600 | grep -qE ':([3-9][0-9][0-9])' && exit 0; done; exit 1"),
]


def fill(scene, text):
    text = text.replace("{drop}", "User=65534" if scene.uid == 0 else "UMask=0022")
    return [line for line in scene.fill(text).split("\n") if line]


def name_of(row):
    return f"{row[0].splitlines()[0]} {row[2][:40]}"


def need_abi(box, script):
    """Kernels can be built or booted without the 32-bit calls; the unit tests then judge the filters alone."""
    if "32:" in script and box.shell("", f"{box.probe} call 32:getpid").status != 0:
        pytest.skip("this kernel has no 32-bit calls (ia32_emulation)")


def check(scene, row):
    need_abi(scene.box, row[2])
    stops, twin, script = fill(scene, row[0]), fill(scene, row[1]), scene.fill(row[2])
    without = scene.box.shell(twin, script)
    assert without.status == 0, f"the twin: {without}"
    r = scene.box.shell(stops, script)
    assert r.status != 0, "it is not stopped"
    assert "bulkhead: cannot" not in r.err, r.err


@pytest.mark.parametrize("row", STOPS, ids=name_of)
def test_stops(scene, row):
    check(scene, row)


@pytest.mark.parametrize("any_box", ["root"], indirect=True)
@pytest.mark.parametrize("row", ROOT_STOPS, ids=name_of)
def test_stops_root(scene, row):
    check(scene, row)


@pytest.mark.parametrize("tree", ["ProtectSystem=strict", "ReadOnlyPaths=/", "ReadOnlyPaths=/\nReadWritePaths=/proc", "InaccessiblePaths=/srv"])
@pytest.mark.parametrize("users", ["self", "identity", "full"])
def test_users_are_mapped_whatever_is_read_only(box, tree, users):
    assert box.good(f"PrivateUsers={users}\n{tree}", "id", "-u") == "0\n"


def test_remove_ipc(box):
    for more, left in (("", 1), ("\nRemoveIPC=yes", 0)):
        out = box.good(f"User={NOBODY_ELSE}{more}", "ipcmk", "-M", "4096")
        shm = out.split()[-1]
        r = subprocess.run(["ipcs", "-m", "-i", shm], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        there = f"uid={NOBODY_ELSE}" in r.stdout
        subprocess.run(["ipcrm", "-m", shm], stderr=subprocess.DEVNULL)
        assert there == bool(left), more


QUEUES = """mount -t overlay overlay -o lowerdir=/dev,upperdir={d}/upper,workdir={d}/work /dev
mkdir -p /dev/mqueue; mount -t mqueue mqueue /dev/mqueue; touch /dev/mqueue/host
exec {program} run -q -P {properties} -- sh -c 'echo /dev/mqueue/*; touch /dev/mqueue/own && rm /dev/mqueue/own'"""


@pytest.mark.parametrize("properties, seen", [("-p PrivateMounts=yes", "/dev/mqueue/host"), ("-p PrivateIPC=yes", "/dev/mqueue/*"),
                                              ("-p PrivateIPC=yes -p PrivateDevices=yes", "/dev/mqueue/*")])
def test_message_queues(box, properties, seen):
    """On a /dev with queues mounted, in namespaces of the test's own."""
    for name in ("upper", "work"):
        (box.data / name).mkdir()
    script = QUEUES.format(d=box.data, program=binary(), properties=properties)
    r = subprocess.run(["unshare", "-m", "-i", "sh", "-ec", script], capture_output=True, text=True, env=dict(os.environ, BULKHEAD_RUNTIME_DIR=str(box.runtime)))
    assert (r.returncode, r.stdout.strip()) == (0, seen), r


def test_a_shared_keyring_has_the_keys_of_the_user(box):
    name = "bulkhead-" + os.urandom(6).hex()
    try:
        assert subprocess.run([str(box.probe), "add-key", name]).returncode == 0
        found = {m: box.run(f"KeyringMode={m}", box.probe, "find-key", name).status for m in ("private", "shared")}
        as_daemon = box.run("KeyringMode=shared\nUser=daemon", box.probe, "find-key", name).status
    finally:
        subprocess.run([str(box.probe), "drop-key", name], check=True)
    assert found == {"private": 1, "shared": 0} and as_daemon == 1


@pytest.mark.parametrize("properties, status, why", [
    ("User=daemon\nAmbientCapabilities=CAP_MKNOD\nPrivateDevices=yes", 218, "CAP_MKNOD is not in the bounding set"),
    ("User=daemon\nAmbientCapabilities=CAP_CHOWN CAP_KILL\nCapabilityBoundingSet=CAP_KILL", 218, "CAP_CHOWN is not in the bounding set")])
def test_what_cannot_be_ambient_is_refused(box, properties, status, why):
    r = box.run(properties, "true")
    assert r.status == status and why in r.err and "AmbientCapabilities=" in r.err


def test_ambient_capabilities_are_all_that_a_user_has(box):
    properties = "AmbientCapabilities=CAP_NET_BIND_SERVICE\nUser=daemon\nSystemCallFilter=~@swap\nSecureBits=noroot-locked\nPrivateTmp=yes"
    out = box.good(properties, "cat", "/proc/self/status")
    for name in ("Inh", "Prm", "Eff", "Amb"):
        assert f"Cap{name}:\t0000000000000400\n" in out
    assert "NoNewPrivs:\t0" in out


def test_secure_bits_and_ambient_capabilities_need_the_right_to_them(user_box):
    for p, status in (("AmbientCapabilities=CAP_CHOWN", 218), ("SecureBits=noroot", 213)):
        r = user_box.run(p, "true")
        assert r.status == status and p in r.err


ALL_RESTRICTIONS = ["RestrictNamespaces=yes", "RestrictRealtime=yes", "LockPersonality=yes", "RestrictAddressFamilies=AF_UNIX AF_INET",
                    "SystemCallArchitectures=native", "MemoryDenyWriteExecute=yes", "RestrictSUIDSGID=yes", "ProtectKernelTunables=yes",
                    "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectClock=yes", "ProtectHostname=yes", "PrivateDevices=yes",
                    "SystemCallFilter=~@swap"]


@pytest.mark.parametrize("options", [(), ("--report-denials",)])
def test_all_restrictions_at_once_let_work_go_on(any_box, options):
    """Threads, sockets, other programs, batch scheduling: what is not restricted."""
    script = ("import socket, threading, subprocess, mmap, os\n"
              "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
              "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); socket.socketpair()\n"
              "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))\n"
              "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC); mmap.mmap(-1, 4096)\n"
              "subprocess.run(['echo', 'program'], check=True)\n")
    r = any_box.run(ALL_RESTRICTIONS, "python3", "-IS", "-c", script, options=list(options))
    assert (r.status, sorted(r.out.split())) == (0, ["program", "thread"]), r


def test_nothing_new_is_needed_for_what_is_restricted(box):
    """A user of its own keeps the right to new privileges; root without restrictions too."""
    out = box.good("RestrictNamespaces=yes\nMemoryDenyWriteExecute=yes\nUser=daemon", "grep", "NoNewPrivs", "/proc/self/status")
    assert out.split() == ["NoNewPrivs:", "0"]


def in_place(box, script):
    """Runs a shell script in a mount namespace of the test's own."""
    r = subprocess.run(["unshare", "-m", "sh", "-ec", script], capture_output=True, text=True, env=dict(os.environ, BULKHEAD_RUNTIME_DIR=str(box.runtime)))
    assert r.returncode == 0, r
    return r


@pytest.mark.parametrize("properties, seen", [("-p PrivateMounts=yes", "/usr/lib/modules/version"), ("-p ProtectKernelModules=yes", "/usr/lib/modules/*")])
def test_kernel_modules_are_hidden(box, properties, seen):
    (box.data / "upper/modules/version").mkdir(parents=True)
    (box.data / "work").mkdir()
    r = in_place(box, f"mount -t overlay overlay -o lowerdir=/usr/lib,upperdir={box.data}/upper,workdir={box.data}/work /usr/lib\n"
                 f"{binary()} run -q -P {properties} -- sh -c 'echo /usr/lib/modules/*'")
    assert r.stdout.strip() == seen


# Of a host with v2 alone: the payload sees its own group as the top.
OWN_GROUP = "grep -q ^0::/$ /proc/self/cgroup && test -e /sys/fs/cgroup/cgroup.type && ! test -e /sys/fs/cgroup/unified"
NEW_GROUP = "mkdir /sys/fs/cgroup/new && rmdir /sys/fs/cgroup/new"


@pytest.mark.parametrize("word, script, works", [("no", OWN_GROUP, False), ("private", OWN_GROUP, True), ("strict", OWN_GROUP, True), ("no", NEW_GROUP, True),
                                                 ("yes", NEW_GROUP, False), ("private", NEW_GROUP, True), ("strict", NEW_GROUP, False),
                                                 ("strict -p PrivateNetwork=yes", NEW_GROUP, False)])
def test_control_groups_of_its_own(box, word, script, works):
    r = in_place(box, f"mount -t cgroup2 none /sys/fs/cgroup\n{binary()} run -q -P -p ProtectControlGroups={word} -- sh -c '{script}' && echo it works || echo it is stopped")
    assert r.stdout.strip() == ("it works" if works else "it is stopped"), r


@pytest.mark.parametrize("word, writable", [("private", True), ("strict", False)])
def test_a_namespace_of_control_groups_that_is_refused(box, word, writable):
    """Leniently the host's groups stay, read-only if that was asked for."""
    outer = f"{binary()} run -q -P --seal=off -p SystemCallFilter=~unshare:EPERM --setenv=BULKHEAD_RUNTIME_DIR={box.runtime} --"
    inner = f"-p ProtectControlGroups={word} -- sh -c '{NEW_GROUP} && test -e /sys/fs/cgroup/cgroup.procs && ! test -e /sys/fs/cgroup/cgroup.type && echo it works || echo it is stopped'"
    r = in_place(box, f"mount -t cgroup2 none /sys/fs/cgroup\n{outer} {binary()} run -q -P {inner} || echo status $?\n"
                 f"{outer} {binary()} run --lenient -P {inner}")
    assert r.stdout.split("\n")[:2] == ["status 226", "it works" if writable else "it is stopped"], r
    assert f"ProtectControlGroups={word}: not applied" in r.stderr and f"applying ProtectControlGroups={word}" in r.stderr


@pytest.mark.parametrize("word, taken", [("private", "no"), ("strict", "yes")])
def test_control_groups_beside_v1_are_protected_as_far_as_can_be(box, word, taken):
    r = in_place(box, f"umount -l /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup\n{binary()} run -P -p ProtectControlGroups={word} -- sh -c '{NEW_GROUP}' || true")
    assert f"taken as {taken}" in r.stderr and ("Read-only" in r.stderr) == (taken == "yes"), r


def test_a_private_proc_shows_what_is_ones_own(box):
    out = box.good("ProtectProc=invisible\nProcSubset=pid\nUser=daemon", "sh", "-c", "cat /proc/self/comm /proc/$$/comm; ls /proc | grep -v '[0-9]'")
    assert out.split() == ["cat", "sh", "self", "thread-self"]
    # What another directive protects in /proc may be gone with the rest of it.
    assert box.shell("ProcSubset=pid\nProtectKernelTunables=yes\nProtectKernelLogs=yes\nProtectHostname=yes", "test ! -e /proc/sys").status == 0


def test_a_user_has_a_private_proc_with_processes_of_its_own(user_box):
    for p in ("ProtectProc=invisible", "ProcSubset=pid"):
        r = user_box.shell(p, "true")
        assert r.status == 226 and p in r.err and "PrivatePIDs=yes" in r.err
        assert user_box.shell(f"{p}\nPrivatePIDs=yes", "test -e /proc/self").status == 0
        lenient = user_box.call("run", "--lenient", "-P", "-p", p, "sh", "-c", "test -e /proc/cpuinfo")
        assert lenient.status == 0 and f"note: {p}: not applied" in lenient.err


def test_a_rule_outlives_what_won_over_it_and_is_not_there(box):
    """A bind whose source is missing leaves the read-only rule of the same path."""
    p = f"BindPaths=-/nonexist:{box.data}\nReadOnlyPaths={box.data}"
    assert "Read-only" in box.shell(p, f"touch {box.data}/x").err
    assert box.shell(f"BindReadOnlyPaths=-/nonexist:{box.data}", f"touch {box.data}/x").status == 0


FOLDERS = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log", "ConfigurationDirectory": "/etc"}


@pytest.mark.parametrize("directive", FOLDERS)
def test_folders(box, directive):
    name = box.name()
    path = f"{FOLDERS[directive]}/{name}"
    variable = directive.replace("Directory", "_DIRECTORY").upper()
    try:
        owner = "root" if directive == "ConfigurationDirectory" else "daemon"
        r = box.shell(["User=daemon", f"{directive}={name}", "ProtectSystem=strict"], f"echo ${variable}; stat -c '%U %a' ${variable}; touch ${variable}/f")
        assert r.out.splitlines() == [path, f"{owner} 755"]
        assert (r.status == 0) == (owner == "daemon")
        assert os.path.exists(path) == (directive != "RuntimeDirectory")
        assert box.shell(["User=daemon", "ProtectSystem=strict"], f"touch {path}/f").status != 0
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("directive", ["StateDirectory", "CacheDirectory", "LogsDirectory"])
def test_dynamic_user_folders(box, directive):
    base, name = FOLDERS[directive], box.name()
    try:
        properties = ["DynamicUser=yes", f"{directive}={name}"]
        variable = directive.replace("Directory", "_DIRECTORY").upper()
        assert box.shell(properties, f"echo 1 >${variable}/f && cat {base}/{name}/f").out == "1\n"
        assert os.readlink(f"{base}/{name}") == f"private/{name}"
        assert os.stat(f"{base}/private").st_mode & 0o7777 == 0o700
        # Another run finds it again, whatever its user id is.
        assert box.shell([*properties, "User=other-name"], f"cat {base}/{name}/f").out == "1\n"
        assert box.shell(["User=daemon"], f"cat {base}/{name}/f").status != 0
    finally:
        shutil.rmtree(f"{base}/private/{name}", ignore_errors=True)
        if os.path.islink(f"{base}/{name}"):
            os.unlink(f"{base}/{name}")  # "private" is left: others may just be about to use it


# ---- what an ordinary user cannot have ----

REFUSED = ["DynamicUser=yes", "User=daemon", "User=root", "Group=daemon", "SupplementaryGroups=daemon", "PrivateUsers=identity", "PrivateUsers=full",
           "MemoryMax=50M", "TasksMax=10", "CPUQuota=20%", "BindPaths=/etc:/mnt/bulkhead-new", "ReadOnlyPaths=/root/below", "StateDirectory=x",
           "CacheDirectory=x", "LogsDirectory=x", "ConfigurationDirectory=x", "IPAddressDeny=any", "SocketBindDeny=any", "RestrictNetworkInterfaces=lo",
           "BindNetworkInterface=lo", "RestrictFileSystems=~proc"]


def traces(box, unit):
    """What a run of that name may have left anywhere."""
    found = box.leftovers()
    for base in ("/tmp", "/var/tmp"):
        found += glob.glob(f"{base}/systemd-private-*{unit}*")
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(folder, n) for n in folders if unit in n]
    with open("/proc/self/mountinfo") as f:
        found += [line for line in f if unit in line or str(box.folder) in line]
    return found


@pytest.mark.parametrize("mode", ["-P", "--wait"])
@pytest.mark.parametrize("assignment", REFUSED)
def test_refused_to_a_user(user_box, assignment, mode):
    unit = user_box.name()
    # Their folders lie in a home that they do not have.
    more = {"env": user_box.env(HOME="/nonexistent")} if "Directory=" in assignment else {}
    r = user_box.run(["PrivateTmp=yes", assignment], "touch", user_box.data / "ran", mode=mode, options=["-G", "-u", unit], **more)
    assert r.status >= 200, r
    assert assignment.split("=")[0] in r.err and "\n  cause  " in r.err and "\n  id     " in r.err
    assert not (user_box.data / "ran").exists(), "the payload has run"
    assert traces(user_box, unit) == []


@pytest.mark.parametrize("mode", ["-P", "--wait"])
@pytest.mark.parametrize("assignment", ["InaccessiblePaths=/nonexist", "User=nosuch", "WorkingDirectory=/nonexist", "BindPaths=/nonexist:/mnt",
                                        "NoExecPaths=/usr"])
def test_refused_to_root_leaves_nothing(box, assignment, mode):
    unit = box.name()
    r = box.run(["PrivateTmp=yes", f"RuntimeDirectory={unit}", "MemoryMax=64M", "PrivateDevices=yes", assignment], "touch", box.data / "ran", mode=mode,
                options=["-G", "-u", unit])
    assert r.status >= 200
    assert not (box.data / "ran").exists() and not os.path.exists(f"/run/{unit}")
    assert traces(box, unit) == []


def test_a_failed_start_is_on_record(box):
    """Without -G a failure stays to be asked about; nothing else of it does."""
    unit = box.name()
    assert box.run(["PrivateTmp=yes", "InaccessiblePaths=/nonexist"], "true", mode="--wait", options=["-u", unit]).status == 226
    assert traces(box, unit) == [f"{unit}.service"]
    assert box.run("PrivateTmp=yes", "true", mode="--wait", options=["-u", unit]).status == 0


def test_a_user_keeps_its_own_identity(user_box):
    uid = str(user_box.uid)
    for properties in ("", "PrivateTmp=yes", "PrivateUsers=yes", f"User={uid}", "PrivatePIDs=yes\nPrivateNetwork=yes"):
        assert user_box.shell(properties, "id -u; id -g").out.split() == [uid, uid], properties


def test_a_user_has_no_capabilities(user_box):
    for properties in ("", "PrivateTmp=yes", "PrivateNetwork=yes\nPrivateDevices=yes"):
        out = user_box.good(properties, "cat", "/proc/self/status")
        assert "CapEff:\t0000000000000000" in out, properties


def test_foreign_abi_is_seen(box):
    """Twin of the i386 rows: the helper really makes calls of that ABI."""
    need_abi(box, "32:")
    got = box.json("", "call", "32:getpid", "32:uname", "32:getppid")
    assert set(got.values()) == {0}
    got = box.json("SystemCallFilter=~uname:ENOTTY", "call", "uname", "32:uname", "32:getpid")
    assert got == {"uname": errno.ENOTTY, "32:uname": errno.ENOTTY, "32:getpid": 0}
    assert box.run("SystemCallFilter=~uname", box.probe, "call", "32:uname").status == 255


def test_root_to_user_change_drops_all(box):
    out = box.good("User=daemon", "cat", "/proc/self/status")
    assert "CapEff:\t0000000000000000" in out and "CapPrm:\t0000000000000000" in out and "CapAmb:\t0000000000000000" in out
    assert "Uid:\t" + "\t".join([str(pwd.getpwnam("daemon").pw_uid)] * 4) in out
