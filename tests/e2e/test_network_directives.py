# SPDX-License-Identifier: LGPL-2.1-or-later
"""What sockets may do: addresses, ports, network devices.  By their effect, on loopback and between two networks of the test's own.

Everything runs in a network namespace that the test makes: nothing of the host's network is seen or changed.
"""
import ctypes
import json
import os
import subprocess

import pytest

from conftest import binary, make_box, remove
from lifecycle import PATIENCE, eventually

BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}.get(os.uname().machine)  # the number of bpf(2)


def v2_folder():
    """Where control groups v2 are mounted."""
    for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.exists(f"{path}/cgroup.controllers"):
            return path
    pytest.skip("no control groups v2")


def programs():
    """Ids of the loaded programs that are ours by their name."""
    libc = ctypes.CDLL(None, use_errno=True)
    found, attr = [], (ctypes.c_uint32 * 36)()
    while True:
        if libc.syscall(BPF, 11, attr, ctypes.sizeof(attr)) < 0:  # BPF_PROG_GET_NEXT_ID
            return found
        number = attr[1]
        attr[0] = number
        by_id = (ctypes.c_uint32 * 36)(number)
        fd = libc.syscall(BPF, 13, by_id, ctypes.sizeof(by_id))  # BPF_PROG_GET_FD_BY_ID
        if fd < 0:
            continue
        info = (ctypes.c_char * 256)()
        ask = (ctypes.c_uint32 * 36)()
        ask[0], ask[1] = fd, 256
        ctypes.memmove(ctypes.byref(ask, 8), ctypes.byref(ctypes.c_uint64(ctypes.addressof(info))), 8)
        libc.syscall(BPF, 15, ask, ctypes.sizeof(ask))  # BPF_OBJ_GET_INFO_BY_FD
        os.close(fd)
        if info.raw[64:80].startswith(b"bulkhead_") and not info.raw[64:80].startswith(b"bulkhead_dev"):
            found.append(number)


def attached(unit):
    """Ids of the programs that hold for the group of a run."""
    libc, found = ctypes.CDLL(None, use_errno=True), set()
    for folder in [f for f, _, _ in os.walk(v2_folder()) if unit in f]:
        fd = os.open(folder, os.O_RDONLY)
        for kind in range(64):
            ids, attr = (ctypes.c_uint32 * 64)(), (ctypes.c_uint32 * 36)(fd, kind)
            ctypes.memmove(ctypes.byref(attr, 16), ctypes.byref(ctypes.c_uint64(ctypes.addressof(ids))), 8)
            attr[6] = 64
            if libc.syscall(BPF, 16, attr, ctypes.sizeof(attr)) == 0:  # BPF_PROG_QUERY
                found.update(ids[:attr[6]])
        os.close(fd)
    return found


@pytest.fixture(autouse=True)
def cgroups():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    v2_folder()


class Network:
    """Two network namespaces with two pairs of devices between them: near (where bulkhead runs) and far."""

    def __init__(self, box):
        self.box = box
        self.near, self.far = self.hold(), self.hold()
        for i in (1, 2):
            far = f"/proc/{self.far.pid}/ns/net"
            self.do(self.near, f"ip link add near{i} type veth peer name far{i} netns {far}")
            for where, name, last in ((self.near, f"near{i}", 1), (self.far, f"far{i}", 2)):
                self.do(where, f"ip link set {name} up; ip addr add 192.0.2.{i * 16 + last}/28 dev {name}; ip -6 addr add 2001:db8:{i}::{last}/64 dev {name} nodad")

    def hold(self):
        p = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"up\n"
        return p

    @staticmethod
    def enter(where):
        return ["nsenter", f"--net=/proc/{where.pid}/ns/net"]

    def do(self, where, script):
        subprocess.run([*self.enter(where), "sh", "-ec", script], check=True)

    def run(self, properties, *argv, options=(), mode="-P", timeout=2 * PATIENCE):
        """As Box.run, in the near namespace."""
        if isinstance(properties, str):
            properties = properties.split("\n") if properties else []
        p = subprocess.run([*self.enter(self.near), str(binary()), *self.box.arguments(properties, [mode, *options]), *argv], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, env=self.box.env(), timeout=timeout)
        return p

    def python(self, properties, script, **more):
        return self.run(properties, "python3", "-IS", "-c", script, **more)

    def serve(self, where):
        """Echoes what comes by TCP and UDP, to port 7000, v4 and v6, until the end."""
        p = subprocess.Popen([*self.enter(where), "python3", "-IS", "-c", SERVER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"up\n"
        return p

    def close(self):
        for p in (self.near, self.far):
            p.kill()
            p.wait()
            p.stdin.close()
            p.stdout.close()


SERVER = """
import socket, threading
def tcp(s):
    while True:
        c, _ = s.accept()
        threading.Thread(target=lambda: (c.sendall(c.recv(100)), c.close())).start()
def udp(s):
    while True:
        data, who = s.recvfrom(100)
        s.sendto(data, who)
for family, any in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for kind, serve in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
        s = socket.socket(family, kind)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((any, 7000))
        if serve is tcp:
            s.listen(16)
        threading.Thread(target=serve, args=(s,)).start()
print("up", flush=True)
"""

# What of "tcp@ADDRESS@SECONDS" and "udp@ADDRESS@SECONDS" is answered: "yes", "EPERM", or "no" where nothing comes in that time.
ASK = """
import errno, socket, sys
def ask(kind, address, seconds):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(float(seconds))
    try:
        if kind == "tcp":
            s.connect((address, 7000))
            s.sendall(b"x")
        else:
            s.sendto(b"x", (address, 7000))
        return "yes" if s.recv(10) == b"x" else "no"
    except TimeoutError:
        return "no"
    except OSError as e:
        return errno.errorcode[e.errno]
from concurrent.futures import ThreadPoolExecutor
print(*ThreadPoolExecutor(16).map(lambda a: ask(*a.split("@")), sys.argv[1:]), flush=True)
"""


@pytest.fixture(scope="module")
def network(tools):
    box = make_box(tools, 0)
    n = Network(box)
    yield n
    n.close()
    box.close()
    remove(box.folder)


@pytest.fixture(scope="module")
def served(network):
    servers = [network.serve(network.near), network.serve(network.far)]
    yield network
    for p in servers:
        p.kill()
        p.wait()
        p.stdout.close()


def timed(questions, answers):
    """What is to be answered has its time, whatever else the machine does; for what is not, a third of a second has to do."""
    return [f"{q}@{PATIENCE if a == 'yes' else 0.33}" for q, a in zip(questions, answers, strict=True)]


def expect(network, properties, questions, answers):
    r = network.run(properties, "python3", "-IS", "-c", ASK, *timed(questions, answers))
    assert r.returncode == 0 and r.stdout.split() == answers, r


FAR = ["tcp@192.0.2.18", "udp@192.0.2.18", "tcp@2001:db8:1::2", "udp@2001:db8:1::2"]
LOCAL = ["tcp@127.0.0.1", "udp@127.0.0.1", "tcp@::1", "udp@::1"]
OPEN, SHUT = ["yes"] * 4, ["no", "EPERM"] * 2

ADDRESSES = [
    ("", OPEN, OPEN),
    ("IPAddressDeny=any", SHUT, SHUT),
    ("IPAddressDeny=any\nIPAddressAllow=localhost", SHUT, OPEN),
    ("IPAddressAllow=localhost\nIPAddressDeny=any", SHUT, OPEN),
    ("IPAddressDeny=localhost", OPEN, SHUT),
    ("IPAddressDeny=192.0.2.18", SHUT[:2] + OPEN[:2], OPEN),
    ("IPAddressDeny=2001:db8:1::2", OPEN[:2] + SHUT[:2], OPEN),
    ("IPAddressDeny=192.0.2.0/24 2001:db8::/32", SHUT, OPEN),
    ("IPAddressDeny=192.0.2.19 2001:db8:1::3", OPEN, OPEN),
    ("IPAddressDeny=192.0.2.0/24 2001:db8::/32\nIPAddressAllow=192.0.2.18/31 2001:db8:1::2", OPEN, OPEN),
    # What allows wins, also over a longer prefix.
    ("IPAddressDeny=192.0.2.18 2001:db8:1::2\nIPAddressAllow=192.0.2.0/24 2001:db8:1::/64", OPEN, OPEN),
    ("IPAddressDeny=any\nIPAddressDeny=", OPEN, OPEN),
    ("IPAddressDeny=any\nIPAddressAllow=any\nIPAddressAllow=", SHUT, SHUT),
    ("IPAddressDeny=any\nIPAddressDeny=\nIPAddressDeny=localhost", OPEN, SHUT),
    ("IPAddressAllow=localhost", OPEN, OPEN),
    ("IPAddressDeny=0.0.0.0/0", SHUT[:2] + OPEN[:2], SHUT[:2] + OPEN[:2]),
    ("IPAddressDeny=::/0", OPEN[:2] + SHUT[:2], OPEN[:2] + SHUT[:2]),
    ("IPAddressDeny=::ffff:192.0.2.18", SHUT[:2] + OPEN[:2], OPEN),
    ("IPAddressDeny=multicast link-local", OPEN, OPEN),
    ("IPAccounting=yes", OPEN, OPEN),
    # Devices: what is local goes through lo, whatever the address.
    ("RestrictNetworkInterfaces=near1", OPEN, SHUT),
    ("RestrictNetworkInterfaces=lo", SHUT, OPEN),
    ("RestrictNetworkInterfaces=lo near1", OPEN, OPEN),
    ("RestrictNetworkInterfaces=~near1", SHUT, OPEN),
    ("RestrictNetworkInterfaces=~near2", OPEN, OPEN),
    ("RestrictNetworkInterfaces=~lo", OPEN, SHUT),
    ("RestrictNetworkInterfaces=lo\nRestrictNetworkInterfaces=near1\nRestrictNetworkInterfaces=~lo", OPEN, SHUT),
    ("RestrictNetworkInterfaces=~lo\nRestrictNetworkInterfaces=lo", OPEN, OPEN),
    ("RestrictNetworkInterfaces=lo\nRestrictNetworkInterfaces=~lo", SHUT, SHUT),
    ("RestrictNetworkInterfaces=lo\nRestrictNetworkInterfaces=", OPEN, OPEN),
    ("RestrictNetworkInterfaces=lo near1\nIPAddressDeny=localhost", OPEN, SHUT),
    ("RestrictNetworkInterfaces=lo near1\nIPAddressDeny=any\nIPAddressAllow=192.0.2.18 2001:db8:1::2\nSocketBindDeny=any\nUser=daemon", OPEN, SHUT),
]


@pytest.mark.parametrize("properties, far, local", ADDRESSES, ids=lambda v: v.replace("\n", " ") if isinstance(v, str) else "")
def test_connections(served, properties, far, local):
    expect(served, properties, FAR + LOCAL, far + local)


def test_a_connection_is_one_by_v4_whatever_its_socket(served):
    """Mapped addresses are those of v4."""
    questions = ["tcp@::ffff:192.0.2.18", "udp@::ffff:192.0.2.18"]
    expect(served, "", questions, ["yes", "yes"])
    expect(served, "IPAddressDeny=192.0.2.18", questions, ["no", "EPERM"])
    expect(served, "IPAddressDeny=::/0", questions, ["yes", "yes"])


LISTEN = """
import socket, sys
t, u = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); t.bind(("0.0.0.0", 7100)); t.listen(); u.bind(("0.0.0.0", 7100))
print("up", flush=True)
sys.stdin.readline()
for s, take in ((t, lambda: t.accept()), (u, lambda: u.recv(10))):
    s.settimeout(0.5)
    try:
        take()
        print("yes")
    except TimeoutError:
        print("no")
"""
KNOCK = """
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.sendto(b"x", ("192.0.2.17", 7100))
t = socket.socket()
t.settimeout(3)
try:
    t.connect(("192.0.2.17", 7100))
except TimeoutError:
    pass
"""


@pytest.mark.parametrize("properties, answer", [("", "yes"), ("IPAddressDeny=192.0.2.18", "no"), ("IPAddressDeny=any\nIPAddressAllow=192.0.2.18", "yes"),
                                                ("IPAddressDeny=192.0.2.17", "yes"), ("RestrictNetworkInterfaces=lo", "no"),
                                                ("RestrictNetworkInterfaces=~near2", "yes")])
def test_what_comes_in(network, properties, answer):
    """It is the other side's address that counts, and where it comes in."""
    p = subprocess.Popen([*network.enter(network.near), str(binary()), *network.box.arguments(properties.split("\n") if properties else [], ["-P"]), "python3", "-IS", "-c", LISTEN],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=network.box.env())
    assert p.stdout.readline() == "up\n"
    subprocess.run([*network.enter(network.far), "python3", "-IS", "-c", KNOCK], check=True)
    out, _ = p.communicate("\n", timeout=2 * PATIENCE)
    assert out.split() == [answer] * 2


def test_many_prefixes(served):
    """A thousand, in a hundred assignments, allowed and denied in turns; each is looked at."""
    deny = [f"IPAddressDeny={' '.join(f'10.{i}.{j}.0/24 2001:db9:{i:x}:{j:x}::/64' for j in range(5))}" for i in range(100)]
    expect(served, "\n".join(deny), FAR + LOCAL, OPEN + OPEN)
    expect(served, "\n".join([*deny, "IPAddressDeny=192.0.2.18 2001:db8:1::2"]), FAR + LOCAL, SHUT + OPEN)
    many = "".join(f" 198.51.{i // 256}.{i % 256}" for i in range(4000))
    expect(served, f"IPAddressDeny={many} 127.0.0.1", LOCAL[:2], SHUT[:2])
    expect(served, f"IPAddressDeny=any\nIPAddressAllow={many} 127.0.0.1", LOCAL[:2], OPEN[:2])


def test_processes_below_and_other_users_are_held(served):
    script = f"setpriv --reuid 65534 --clear-groups python3 -IS -c '{ASK}' {' '.join(timed(FAR, SHUT))} & wait"
    r = served.run("IPAddressDeny=192.0.2.18 2001:db8:1::2", "sh", "-c", script)
    assert r.stdout.split() == SHUT


def test_a_group_below_is_held(served):
    """A payload that makes groups of its own in its group does not get out by that."""
    folder = v2_folder()
    script = (f"own={folder}$(sed -n s/^0:://p /proc/self/cgroup); mkdir $own/below && echo 0 >$own/below/cgroup.procs && grep -q below /proc/self/cgroup &&"
              f" python3 -IS -c '{ASK}' {' '.join(timed(FAR, SHUT))}")
    r = served.run("IPAddressDeny=any", "sh", "-c", script)
    assert r.stdout.split() == SHUT, r


def test_a_socket_stays_with_the_group_that_made_it(served):
    """One that is inherited is not concerned."""
    outer = ("import os, socket, subprocess, sys; s = socket.create_connection(('192.0.2.18', 7000)); os.dup2(s.fileno(), 0); "
             "sys.exit(subprocess.call(sys.argv[1:], stdin=0))")
    inner = "import socket; s = socket.socket(fileno=0); s.sendall(b'x'); print(s.recv(10))"
    argv = [str(binary()), *served.box.arguments(["IPAddressDeny=any"], ["-P"]), "python3", "-IS", "-c", inner]
    r = subprocess.run([*served.enter(served.near), "python3", "-IS", "-c", outer, *argv], capture_output=True, text=True, env=served.box.env(), timeout=2 * PATIENCE)
    assert r.stdout.strip() == "b'x'", r


# ---- ports ----

BIND = """
import errno, socket, sys
for word in sys.argv[1:]:
    family, kind, port = word.split(":")
    s = socket.socket(socket.AF_INET if family == "4" else socket.AF_INET6, socket.SOCK_STREAM if kind == "t" else socket.SOCK_DGRAM)
    try:
        s.bind(("127.0.0.1" if family == "4" else "::1", int(port)))
        print("yes", end=" ")
    except OSError as e:
        print(errno.errorcode[e.errno], end=" ")
"""
PORTS = [f"{family}:{kind}:{port}" for family in "46" for kind in "tu" for port in (0, 80, 1024, 5353, 65535)]


def binds(properties):
    """Who may bind, by a model of the documentation."""
    rules = [line.split("=") for line in properties.split("\n") if line]

    def holds(rule, family, kind, port):
        words = rule.split(":")
        for word in words:
            if word in ("ipv4", "ipv6") and word[3] != family or word in ("tcp", "udp") and word[0] != kind:
                return False
            if word[0].isdigit():
                first, _, last = word.partition("-")
                if not int(first) <= port <= int(last or first):
                    return False
        return True

    def answer(family, kind, port):
        hit = [d for d, rule in rules if holds(rule, family, kind, int(port))]
        return "yes" if "SocketBindAllow" in hit or "SocketBindDeny" not in hit else "EPERM"
    return [answer(*p.split(":")) for p in PORTS]


RULES = ["", "SocketBindDeny=any", "SocketBindDeny=ipv6", "SocketBindDeny=ipv4", "SocketBindDeny=tcp", "SocketBindDeny=udp", "SocketBindDeny=ipv6:udp",
         "SocketBindDeny=80", "SocketBindDeny=80-1024", "SocketBindDeny=tcp:1-1023", "SocketBindDeny=ipv4:udp:5353", "SocketBindDeny=ipv6:1024-65535",
         "SocketBindDeny=any\nSocketBindAllow=80", "SocketBindDeny=any\nSocketBindAllow=tcp", "SocketBindDeny=any\nSocketBindAllow=ipv6:tcp:1024-65535",
         "SocketBindAllow=udp:5353\nSocketBindAllow=ipv4:tcp:80\nSocketBindDeny=any", "SocketBindAllow=80", "SocketBindDeny=65535\nSocketBindDeny=1",
         "SocketBindDeny=1-65535", "SocketBindDeny=ipv4\nSocketBindAllow=any"]


@pytest.mark.parametrize("properties", RULES, ids=lambda v: v.replace("\n", " "))
def test_ports(network, properties):
    r = network.run(properties, "python3", "-IS", "-c", BIND, *PORTS)
    assert r.stdout.split() == binds(properties), r


def test_ports_reset_and_many(network):
    def got(*lines):
        return network.run("\n".join(lines), "python3", "-IS", "-c", BIND, *PORTS).stdout.split()
    assert got("SocketBindDeny=any", "SocketBindDeny=") == binds("")
    assert got("SocketBindDeny=any", "SocketBindAllow=any", "SocketBindAllow=") == binds("SocketBindDeny=any")
    many = [f"SocketBindDeny={'tcp:' if i % 2 else ''}{2000 + i * 2}-{2001 + i * 2}" for i in range(500)]
    assert got(*many) == binds("")
    assert got(*many, "SocketBindDeny=5353") == binds("SocketBindDeny=5353")
    r = network.run("\n".join([*many, *many]), "true")
    assert r.returncode != 0 and "directive.limit" in r.stderr


def test_a_client_needs_no_port_of_its_own(served):
    expect(served, "SocketBindDeny=any", FAR + LOCAL, OPEN + OPEN)


# ---- the device of sockets ----

def test_bound_to_a_device(served):
    """The second device's far side is reached through it; what is behind the first, and the host itself, are not."""
    questions = ["tcp@192.0.2.34", "udp@192.0.2.34", "tcp@2001:db8:2::2", "udp@2001:db8:2::2"]
    expect(served, "BindNetworkInterface=near2", questions, OPEN)
    others = [*FAR[2:], *LOCAL]
    r = served.run("BindNetworkInterface=near2", "python3", "-IS", "-c", ASK, *timed(others, ["no"] * len(others)))
    assert r.returncode == 0 and len(r.stdout.split()) == len(others) and "yes" not in r.stdout, r
    script = "import socket; print(*[socket.socket(f).getsockopt(1, 25, 16) for f in (socket.AF_INET, socket.AF_INET6)])"
    assert served.python("BindNetworkInterface=near2", script).stdout.split() == [r"b'near2\x00'"] * 2
    assert served.python("BindNetworkInterface=near2\nBindNetworkInterface=", script).stdout.split() == ["b''"] * 2


@pytest.mark.parametrize("assignment", ["BindNetworkInterface=nosuch", "RestrictNetworkInterfaces=~nosuch"])
def test_a_device_that_is_not_there(network, assignment):
    r = network.run(assignment, "true")
    assert r.returncode == 219 and "network.unknown" in r.stderr and assignment in r.stderr
    r = network.run(assignment, "true", options=["--lenient"])
    assert r.returncode == 0


def test_a_device_that_is_not_there_allows_nothing(served):
    expect(served, "RestrictNetworkInterfaces=nosuch near1", FAR + LOCAL, OPEN + SHUT)
    expect(served, "RestrictNetworkInterfaces=nosuch", FAR + LOCAL, SHUT + SHUT)


# ---- beside other directives ----

def test_a_private_network_is_restricted_too(network):
    script = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 7000)); s.settimeout(1); "
              "s.sendto(b'x', ('127.0.0.1', 7000)); print(s.recv(10))")
    assert network.python("PrivateNetwork=yes", script).returncode == 0
    for more in ("IPAddressDeny=any", "SocketBindDeny=7000", "RestrictNetworkInterfaces=~lo", "RestrictNetworkInterfaces=near1"):
        r = network.python(f"PrivateNetwork=yes\n{more}", script)
        assert r.returncode == 1 and "PermissionError" in r.stderr, more
    assert network.python("PrivateNetwork=yes\nIPAddressDeny=any\nIPAddressAllow=localhost\nRestrictNetworkInterfaces=lo", script).returncode == 0


@pytest.mark.parametrize("more", ["DynamicUser=yes", "PrivateUsers=yes", "ProtectSystem=strict\nProtectControlGroups=yes", "PrivatePIDs=yes", "TasksMax=50\nMemoryMax=500M",
                                  "DevicePolicy=closed", "SystemCallFilter=@system-service", "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_INET AF_INET6"])
def test_beside_other_directives(served, more):
    expect(served, f"{more}\nIPAddressDeny=192.0.2.18 2001:db8:1::2", FAR + LOCAL, SHUT + OPEN)
    r = served.run(f"{more}\nSocketBindDeny=80", "python3", "-IS", "-c", BIND, "4:t:80", "4:t:5353")
    assert r.stdout.split() == ["EPERM", "yes"]


@pytest.mark.parametrize("mode", ["-P", "--wait"])
def test_nothing_is_left(network, mode):
    """While it runs its programs are in the list of all; then they are not."""
    unit, up, end = network.box.name(), network.box.data / f"up{mode}", network.box.data / f"end{mode}"
    properties = ["IPAddressDeny=any", "SocketBindDeny=any", "RestrictNetworkInterfaces=lo", "BindNetworkInterface=lo"]
    p = subprocess.Popen([*network.enter(network.near), str(binary()), *network.box.arguments(properties, [mode, "-u", unit, "-G"]), "sh", "-c",
                          f"touch {up}; until [ -e {end} ]; do sleep 0.02; done"], stdin=subprocess.DEVNULL, env=network.box.env())
    assert eventually(up.exists)
    ours = attached(unit)
    assert len(ours) >= 4 and ours <= set(programs())
    end.touch()
    assert p.wait(PATIENCE) == 0
    # The kernel gives programs back a moment after their group.
    assert eventually(lambda: not ours & set(programs()))
    assert not [f for f, _, _ in os.walk(v2_folder()) if unit in f]
    assert network.box.leftovers() == []


# ---- what cannot be had ----

EACH = ["IPAddressDeny=any", "SocketBindDeny=80", "RestrictNetworkInterfaces=lo", "BindNetworkInterface=lo"]


@pytest.mark.parametrize("assignment", EACH)
def test_an_ordinary_user_is_refused(user_box, assignment):
    r = user_box.run(assignment, "touch", user_box.data / "ran")
    assert r.status == 219 and assignment in r.err and "bpf.refused" in r.err and "\n  hint   " in r.err
    assert not (user_box.data / "ran").exists()
    r = user_box.call("run", "--lenient", "-P", "-p", assignment, "--", "touch", user_box.data / "ran")
    assert r.status == 0 and f"note: {assignment}: not applied" in r.err and (user_box.data / "ran").exists()


@pytest.mark.parametrize("assignment", EACH)
def test_root_without_the_right_is_refused(box, assignment):
    """In a run of ours that leaves neither CAP_NET_ADMIN, CAP_BPF nor CAP_SYS_ADMIN."""
    outer = [str(binary()), *box.arguments(["CapabilityBoundingSet=~CAP_NET_ADMIN CAP_BPF CAP_SYS_ADMIN"], ["-P"])]
    inner = [str(binary()), "run", "-P", "-p", assignment]
    r = subprocess.run([*outer, f"--setenv=BULKHEAD_RUNTIME_DIR={box.runtime}", "--", *inner, "--", "echo", "ran"], capture_output=True, text=True, env=box.env(), timeout=2 * PATIENCE)
    assert r.returncode == 219 and "bpf.refused" in r.stderr and assignment in r.stderr and "ran" not in r.stdout, r
    r = subprocess.run([*outer, f"--setenv=BULKHEAD_RUNTIME_DIR={box.runtime}", "--", *inner, "--lenient", "--", "echo", "ran"], capture_output=True, text=True, env=box.env(), timeout=2 * PATIENCE)
    assert r.returncode == 0 and f"note: {assignment}: not applied" in r.stderr and "ran" in r.stdout, r


def without_v2(box, script):
    """In a mount namespace of the test's own, where only a folder is left of the control groups."""
    return subprocess.run(["unshare", "-m", "sh", "-ec", "mount -t tmpfs none /sys/fs/cgroup; " + script], capture_output=True, text=True, env=box.env(), timeout=2 * PATIENCE)


@pytest.mark.parametrize("assignment", EACH)
def test_without_control_groups_v2_it_is_refused(box, assignment):
    r = without_v2(box, f"{binary()} run -P -p {assignment} -- echo ran || echo status $?")
    assert r.stdout.split() == ["status", "219"] and "cgroup.unified" in r.stderr and "hint" in r.stderr, r
    r = without_v2(box, f"{binary()} run -P --lenient -p {assignment} -- echo ran || echo status $?")
    assert r.stdout.split() == ["ran"] and f"note: {assignment}: not applied" in r.stderr, r


def test_what_denies_nothing_needs_nothing(user_box):
    """Lists that have no effect are not refused to anyone."""
    for p in ("IPAddressAllow=localhost", "SocketBindAllow=80", "IPAccounting=yes", "IPAddressDeny=any\nIPAddressDeny=", "IPAddressDeny=10.0.0.1\nIPAddressAllow=10.0.0.0/8"):
        assert user_box.run(p, "true").status == 0, p


# ---- reports and explanations ----

def report(r):
    return [line for line in r.stderr.splitlines() if line.startswith("stopped")]


def test_denials_are_named(served):
    script = f"{ASK}\nimport subprocess, os; subprocess.run(['python3', '-IS', '-c', {BIND!r}, '4:t:80', '6:u:80', '4:t:5353', '4:u:80'])"
    properties = "IPAddressDeny=192.0.2.18\nIPAddressDeny=2001:db8:1::/64\nSocketBindDeny=tcp:80\nSocketBindDeny=ipv6:udp"
    r = served.run(properties, "python3", "-IS", "-c", script,
                   *timed(["tcp@192.0.2.18", "tcp@2001:db8:1::2", "tcp@127.0.0.1", "tcp@::ffff:192.0.2.18"], ["no", "no", "yes", "no"]), options=["--report-denials"])
    assert r.stdout.split() == ["no", "no", "yes", "no", "EPERM", "EPERM", "yes", "yes"]
    lines = report(r)
    for want in ("connect(192.0.2.18:7000)  by IPAddressDeny=192.0.2.18", "connect([2001:db8:1::2]:7000)  by IPAddressDeny=2001:db8:1::/64",
                 "connect([::ffff:192.0.2.18]:7000)  by IPAddressDeny=192.0.2.18", "bind(127.0.0.1:80)  by SocketBindDeny=tcp:80", "bind([::1]:80)  by SocketBindDeny=ipv6:udp"):
        assert f"stopped  {want}" in lines, lines
    assert len(lines) == 5, lines


def test_a_thread_that_binds_is_named(network):
    script = "import socket, threading; t = threading.Thread(target=lambda: socket.socket().bind(('127.0.0.1', 80))); t.start(); t.join()"
    r = network.python("SocketBindDeny=any", script, options=["--report-denials"])
    assert report(r) == ["stopped  bind(127.0.0.1:80)  by SocketBindDeny=any"]


def test_what_is_allowed_is_not_named(served):
    r = served.run("IPAddressDeny=any\nIPAddressAllow=localhost\nSocketBindDeny=any\nSocketBindAllow=80", "sh", "-c",
                   f"python3 -IS -c '{BIND}' 4:t:80; python3 -IS -c '{ASK}' tcp@127.0.0.1@{PATIENCE}", options=["--report-denials"])
    assert r.stdout.split() == ["yes", "yes"] and report(r) == []


def test_explain(box):
    r = box.call("explain", "--json", "-p", "IPAddressDeny=any", "-p", "SocketBindDeny=tcp:80-90", "-p", "RestrictNetworkInterfaces=~lo", "-p", "IPAccounting=yes")
    network = json.loads(r.out)["network"]
    assert [a["prefix"] for a in network["addresses"]] == ["0.0.0.0/0", "::/0"] and not network["addresses"][0]["allow"]
    assert network["bind"] == [{"family": None, "protocol": "tcp", "first": 80, "last": 90, "allow": False, "origin": "SocketBindDeny=tcp:80-90"}]
    assert network["interfaces"] == {"allow": False, "names": ["lo"], "origin": "RestrictNetworkInterfaces=~lo"}
    assert network["accounting"]["value"] == "counted"


@pytest.mark.parametrize("assignment", ["IPAddressDeny=10.0.0.0/33", "IPAddressAllow=localhosts", "SocketBindDeny=80-79", "SocketBindDeny=sctp", "SocketBindAllow=80 90",
                                        "RestrictNetworkInterfaces=a/b", "BindNetworkInterface=a b", "IPAccounting=some"])
def test_bad_values(box, assignment):
    r = box.run(assignment, "true")
    assert r.status == 1 and "directive.value" in r.err and assignment in r.err
    assert box.run(assignment, "true", options=["--lenient"]).status == 0
