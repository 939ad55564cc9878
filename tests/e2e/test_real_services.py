# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real services under the unit files of their packages, used by their own clients; then under drop-ins that learn wrote for them.

Each test has mounts and a network of its own: what a service writes to /etc, /var, /run or /tmp is gone with them.
"""
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from lifecycle import BULKHEAD, CGROUP_ROOT, PATIENCE, eventually, kill

CAP_SYS_RESOURCE = 24
# Overlays keep what is written in a tmpfs that only these mounts know.
ENTER = """set -e
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs "$1"
for d in etc var; do
    mkdir "$1/$d" "$1/$d.work"
    mount -t overlay -o "lowerdir=/$d,upperdir=$1/$d,workdir=$1/$d.work" overlay /$d
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -m 1777 /run/lock
echo ready
exec cat
"""


def capable(number):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("CapEff:")[1].split()[0], 16) >> number & 1


def namespace(pid, kind="net"):
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None


def control_groups(name):
    return {folder for folder, _, _ in os.walk(CGROUP_ROOT) if name in os.path.basename(folder)}


class World:
    """Namespaces with a copy of /etc and /var. Everything in its network is the test's own."""

    def __init__(self, name):
        self.name = name
        self.groups = control_groups(name)
        self.base = tempfile.mkdtemp(prefix="bulkhead-real-", dir="/srv")
        self.holder = subprocess.Popen(["unshare", "-m", "-n", "-i", "--propagation", "private", "sh", "-c", ENTER, "sh", self.base],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            self.holder.stdin.close()
            self.holder.wait()
            os.rmdir(self.base)
            pytest.skip("no overlays in namespaces here: " + self.holder.stderr.read().strip())
        self.network = namespace(self.holder.pid)

    def __call__(self, *argv, timeout=120, **more):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BULKHEAD_") and k != "NOTIFY_SOCKET"}
        r = subprocess.run(["nsenter", "-t", str(self.holder.pid), "-m", "-n", "-i", "--", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           stdin=None if "input" in more else subprocess.DEVNULL, text=True, cwd="/", timeout=timeout, errors="replace",
                           env=dict(environment, LC_ALL="C.UTF-8", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), **more)
        assert "Sanitizer" not in r.stderr, r.stderr
        return r

    def ok(self, *argv, **more):
        r = self(*argv, **more)
        assert r.returncode == 0, (argv, r.stdout[-2000:], r.stderr[-2000:])
        return r.stdout

    def unit(self, verb):
        r = self(BULKHEAD, "unit", verb, self.name)
        assert r.returncode == 0, (verb, r.stderr, self(BULKHEAD, "unit", "status", self.name).stdout)

    def write(self, path, text, mode=0o644):
        self.ok("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1"', "sh", path, f"{mode:o}", input=text)

    def drop_in(self, name, text):
        self.write(f"/etc/systemd/system/{self.name}.service.d/{name}.conf", "[Service]\n" + text)

    def processes(self):
        """All in this network but its holder: services, supervisors and what clients left."""
        return [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != self.holder.pid and namespace(p) == self.network]

    def left(self):
        return self.processes() + sorted(control_groups(self.name) - self.groups)

    def close(self):
        try:
            self(BULKHEAD, "unit", "stop", self.name)
            left = [] if eventually(lambda: not self.left()) else self.left()
            for pid in self.processes():
                kill(pid, signal.SIGKILL)
            eventually(lambda: not self.processes())
        finally:
            self.holder.stdin.close()
            self.holder.wait()
            os.rmdir(self.base)
        assert not left, f"left behind: {left}"


# ---- clients: what the service said, or an error ----

def nginx_client(w):
    return "nginx" in w.ok("curl", "-m", "30", "-sf", "http://127.0.0.1/")


def redis_client(w):
    w.ok("redis-cli", "set", "key", "value")
    return w.ok("redis-cli", "get", "key").strip() == "value" and w.ok("redis-cli", "save").strip() == "OK"


def sql(w, text):
    return w("runuser", "-u", "postgres", "--", "psql", "-AtqX", "-v", "ON_ERROR_STOP=1", "-c", text)


def postgres_client(w):
    r = sql(w, "create table if not exists t (x int); insert into t values (41); select max(x) + 1 from t; checkpoint")
    assert r.returncode == 0, r
    return "42" in r.stdout.split()


SSH = ["ssh", "-F", "none", "-i", "/etc/ssh/test_key", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]


def ssh_client(w):
    return w.ok(*SSH, "guest-of-test@127.0.0.1", "echo inside").strip() == "inside"


def chrony_client(w):
    return "Stratum" in w.ok("chronyc", "-n", "tracking")


MEMCACHED_TALK = r"""
import socket
s = socket.create_connection(("127.0.0.1", 11211), 30)
s.sendall(b"set key 0 0 5\r\nvalue\r\nget key\r\n")
f = s.makefile()
assert [f.readline().strip() for _ in range(3)] == ["STORED", "VALUE key 0 5", "value"]
print("ok")
"""


def memcached_client(w):
    return w.ok("python3", "-c", MEMCACHED_TALK).strip() == "ok"


# ---- what has to be there before a service starts ----

def ssh_prepare(w):
    """A user, and a key that lets in; nothing is read from anybody's home."""
    w.ok("useradd", "-M", "-d", "/", "-s", "/bin/sh", "guest-of-test")
    w.ok("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/test_key")
    w.write("/etc/ssh/sshd_config.d/test.conf", "AuthorizedKeysFile /etc/ssh/test_key.pub\n")


def chrony_prepare(w):
    """The clock is the host's: it is left alone."""
    w.write("/etc/default/chrony", 'DAEMON_OPTS="-F 1 -x"\n')


def memcached_prepare(w):
    w.ok("mkdir", "-m", "777", "/var/lib/anybody")


def nothing(w):
    pass


# ---- attacks by the service's own powers: True if they worked ----

def nginx_spoil(w):
    w.ok("sed", "-i", "s/^user .*/user root;/", "/etc/nginx/nginx.conf")
    w.ok("sed", "-i", "s#server_name _;#&\\nlocation = /leak { alias /etc/shadow; }#", "/etc/nginx/sites-available/default")


def nginx_attack(w):
    """A location that shows a file of the host, by workers that stayed root."""
    return "root:" in w("curl", "-m", "30", "-sf", "http://127.0.0.1/leak").stdout


def redis_attack(w):
    """Another port, opened by a client."""
    w("redis-cli", "config", "set", "port", "6390")
    return w("redis-cli", "-p", "6390", "ping").stdout.strip() == "PONG"


def postgres_attack(w):
    """A program run by the database."""
    return "owned" in sql(w, "create temp table o (x text); copy o from program '/bin/echo owned'; select * from o").stdout


def ssh_attack(w):
    """A port on the server, opened for whoever logged in."""
    script = 'exec "$@" "exec bash -c \\"exec 3<>/dev/tcp/127.0.0.1/8022; head -c 7 <&3\\""'
    r = w("sh", "-c", script, "sh", *SSH, "-o", "ExitOnForwardFailure=yes", "-R", "8022:127.0.0.1:22", "guest-of-test@127.0.0.1")
    return "SSH-2.0" in r.stdout


def chrony_attack(w):
    """A server of time for all, opened by a client."""
    w("chronyc", "allow", "all")
    return ":123 " in w.ok("ss", "-Huln")


def memcached_spoil(w):
    w.ok("sed", "-i", "s#^-P .*#-P /var/lib/anybody/file#", "/etc/memcached.conf")


def memcached_attack(w):
    """A file where anybody may write."""
    there = w("test", "-e", "/var/lib/anybody/file").returncode == 0
    w.ok("rm", "-f", "/var/lib/anybody/file")
    return there


@dataclasses.dataclass
class Service:
    name: str
    programs: str
    client: object
    exercise: str
    attack: object
    prepare: object = nothing
    spoil: object = nothing
    # For hosts where root may not raise limits: systemd goes on with less there.
    weak_host: str = ""


PSQL = "cd / && runuser -u postgres -- psql -AtqX -c "
SERVICES = [
    Service("nginx", "nginx curl", nginx_client, "curl -m 5 -sf http://127.0.0.1/", nginx_attack, spoil=nginx_spoil),
    Service("redis-server", "redis-server redis-cli", redis_client, "redis-cli set key value && redis-cli get key && redis-cli save", redis_attack,
            weak_host="LimitNOFILE=1024\n"),
    Service("postgresql@15-main", "/usr/lib/postgresql/15/bin/postgres psql", postgres_client,
            PSQL + "'create table if not exists t (x int); insert into t values (41); select max(x) + 1 from t' && " + PSQL + "checkpoint",
            postgres_attack, weak_host="OOMScoreAdjust=0\n"),
    Service("ssh", "/usr/sbin/sshd ssh", ssh_client, " ".join(SSH) + " guest-of-test@127.0.0.1 'echo inside'", ssh_attack, prepare=ssh_prepare),
    Service("chrony", "chronyd chronyc ss", chrony_client, "chronyc -n tracking", chrony_attack, prepare=chrony_prepare),
    Service("memcached", "memcached", memcached_client, "/run/talk", memcached_attack, prepare=memcached_prepare, spoil=memcached_spoil),
]


def ids(service):
    return service.name


@pytest.fixture
def service(request):
    s = request.param
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in [*s.programs.split(), "nsenter", "unshare", "ip", "runuser", "/lib/systemd/system/" + s.name.split("@")[0] +
                    ("@" if "@" in s.name else "") + ".service"]:
        if not (os.path.exists(program) if program[0] == "/" else shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")):
            pytest.skip(f"no {program} here")
    return s


@pytest.fixture
def world(service):
    w = World(service.name)
    try:
        service.prepare(w)
        w.write("/run/talk", "#!/usr/bin/python3\n" + MEMCACHED_TALK, 0o755)
        if service.weak_host and not capable(CAP_SYS_RESOURCE):
            w.drop_in("weak-host", service.weak_host)
        yield w
    finally:
        w.close()


def serves(service, w):
    """Type=exec and clients that come too early: only until it listens."""
    def look():
        try:
            return service.client(w)
        except AssertionError as e:
            seen.append(e)
            return False
    seen = []
    assert eventually(look), (seen[-1:], w(BULKHEAD, "unit", "status", w.name).stdout, w(BULKHEAD, "logs", w.name).stdout[-3000:])


# ---- under the package's own unit ----

@pytest.mark.parametrize("service", SERVICES, ids=ids, indirect=True)
def test_a_service_works_under_the_unit_of_its_package(service, world):
    world.unit("start")
    # simple and exec are up before they listen; the others have said that they are ready.
    if service.name == "memcached":
        serves(service, world)
    assert service.client(world)
    world.unit("restart")
    serves(service, world)
    world.unit("stop")
    assert eventually(lambda: not world.left()), world.left()


@pytest.mark.parametrize("service", SERVICES[:1], ids=ids, indirect=True)
def test_nginx_takes_a_new_configuration_when_it_is_reloaded(service, world):
    world.unit("start")
    world.write("/etc/nginx/conf.d/more.conf", "server { listen 127.0.0.1:8080; return 200 'more'; }\n")
    assert world("curl", "-m", "30", "-sf", "http://127.0.0.1:8080/").returncode != 0
    world.unit("reload")
    assert eventually(lambda: world("curl", "-m", "30", "-sf", "http://127.0.0.1:8080/").stdout == "more")
    assert nginx_client(world)


# ---- under what was learned ----

@pytest.mark.parametrize("service", SERVICES, ids=ids, indirect=True)
def test_what_was_learned_lets_a_service_work_and_stops_an_attack(service, world):
    world.ok(BULKHEAD, "learn", "--unit", service.name, "--exercise", service.exercise, "--output", "/run/learned.conf", timeout=300)
    service.spoil(world)
    world.unit("start")
    serves(service, world)
    assert service.attack(world), "it works without the drop-in"
    world.unit("stop")

    world.ok("install", "-D", "-m", "644", "/run/learned.conf", f"/etc/systemd/system/{service.name}.service.d/learned.conf")
    world.unit("start")
    serves(service, world)
    assert not service.attack(world)
    serves(service, world)
    world.unit("stop")
