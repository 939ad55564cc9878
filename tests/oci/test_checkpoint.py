# SPDX-License-Identifier: LGPL-2.1-or-later
"""checkpoint and restore. A program that stands in for criu shows what it is asked for and what becomes of its failures; criu itself is used
where the kernel and it get along."""
import json
import os
import select
import shutil
import socket
import subprocess
import time

import pytest

STAND_IN = r"""#!/usr/bin/python3
# Speaks criu's protocol (images/rpc.proto), and notes what it was asked for in the words of criu's command line.
import array, ctypes, json, os, pty, socket, sys
DUMP, RESTORE, PRE_DUMP, NOTIFY = 1, 2, 4, 6
FLAGS = {3: "--leave-running", 4: "--ext-unix-sk", 5: "--tcp-established", 7: "--shell-job", 8: "--file-locks", 12: "notify", 15: "--track-mem",
         16: "--auto-dedup", 18: "--link-remap", 26: "--restore-sibling", 46: "--skip-in-flight", 48: "--lazy-pages", 50: "--orphan-pts-master"}
NUMBERS = {2: "--tree", 9: "-v", 34: "--manage-cgroups", 38: "--empty-ns"}
FOLDERS = {1: "--images-dir", 17: "--work-dir", 49: "--status-fd"}
TEXTS = {51: "--config", 10: "--log-file", 13: "--root", 14: "--prev-images-dir", 37: "--external", 44: "--freeze-cgroup", 53: "--lsm-profile", 63: "--lsm-mount-context"}

def varint(b, i):
    n = shift = 0
    while True:
        n |= (b[i] & 127) << shift
        shift += 7
        i += 1
        if not b[i - 1] & 128:
            return n, i

def fields(b):
    i, out = 0, []
    while i < len(b):
        tag, i = varint(b, i)
        n, i = varint(b, i)
        if tag & 7 == 2:
            n, i = b[i:i + n], i + n
        out.append((tag >> 3, n))
    return out

def number(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])

def message(*pairs):
    return b"".join(number(f << 3 | (2 if isinstance(v, bytes) else 0)) + (number(len(v)) + v if isinstance(v, bytes) else number(v)) for f, v in pairs)

assert sys.argv[1] == "swrk"
s = socket.socket(fileno=int(sys.argv[2]))
request = fields(s.recv(1 << 16))
kind = dict(request)[1]
argv, inherited = [{DUMP: "dump", RESTORE: "restore", PRE_DUMP: "pre-dump"}[kind]], {}
for f, v in fields(dict(request)[2]):
    if f in FLAGS:
        assert v == 1
        argv.append(FLAGS[f])
    elif f in NUMBERS:
        argv += [NUMBERS[f], str(v)]
    elif f in FOLDERS:
        argv += [FOLDERS[f], os.readlink(f"/proc/{os.getppid()}/fd/{v}")]
    elif f in TEXTS:
        argv += [TEXTS[f], v.decode()]
    elif f == 11:
        server = dict(fields(v))
        argv += ["--page-server", "--address", server[1].decode(), "--port", str(server[2])]
    elif f == 27:
        pair = dict(fields(v))
        inherited[pair[1].decode()] = pair[2]
    else:
        sys.exit(f"option {f} is not known")
value = lambda name: argv[argv.index(name) + 1]
here = os.path.dirname(os.path.abspath(__file__))
mounts = [l.split()[4] for l in open("/proc/self/mountinfo")]
json.dump({"argv": argv, "inherited": inherited, "mounts": mounts, "cgroup": open("/proc/self/cgroup").read(),
           "fds": sorted(map(int, os.listdir("/proc/self/fd")))}, open(os.path.join(here, "asked.json"), "w"))
mode = open(os.path.join(here, "mode")).read() if os.path.exists(os.path.join(here, "mode")) else ""
if mode == "fail":
    log = os.path.join(value("--work-dir"), value("--log-file"))
    open(log, "w").write("(00.1) fine\n(00.2) Error (criu/tty.c:2): tty is outside\n(00.3) Error (criu/cr-dump.c:1): Dumping FAILED\n(00.4) end\n")
    s.send(message((1, kind), (2, 0), (7, 22), (9, b"a message of its own")))
    sys.exit(1)
if mode == "silent":
    sys.exit(0)
if mode == "garbage":
    s.send(b"\x0a\xff\xff\xff\xff\x0f")
    s.recv(1)
    sys.exit(0)

def notify(name, *fds):
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    s.sendmsg([message((1, NOTIFY), (2, 1), (5, message((1, name), (2, os.getpid()))))], ancillary)
    answer = dict(fields(s.recv(4096)))
    assert answer == {1: NOTIFY, 3: 1}, answer

if kind != RESTORE:
    notify(b"network-lock")
    open(os.path.join(value("--images-dir"), "inventory.img"), "w").close()
    s.send(message((1, kind), (2, 1), (3, b"")))
else:
    main = slave = None
    if mode == "terminal":
        main, slave = pty.openpty()
        notify(b"orphan-pts-master", main)
    CLONE_PARENT, SIGCHLD = 0x8000, 17
    pid = ctypes.CDLL(None, use_errno=True).syscall(56, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        if slave is not None:
            os.login_tty(slave) if hasattr(os, "login_tty") else [os.dup2(slave, n) for n in (0, 1, 2)]
        os.execv("/bin/busybox", ["busybox", "sh", "-c", "echo restored; exec busybox sleep ${SLEEP:-0}"])
    s.send(message((1, kind), (2, 1), (4, message((1, pid)))))
"""


class Criu:
    def __init__(self, folder):
        self.folder = folder / "stand-in"
        self.folder.mkdir()
        self.program = self.folder / "criu"
        self.program.write_text(STAND_IN)
        self.program.chmod(0o755)
        self.env = {**os.environ, "CRIU": str(self.program)}

    def will(self, mode):
        (self.folder / "mode").write_text(mode)

    def asked(self):
        return json.loads((self.folder / "asked.json").read_text())


@pytest.fixture
def criu(folder):
    return Criu(folder)


class Console:
    """The engine's end of a console socket."""
    def __init__(self, path):
        self.path, self.terminal = path, None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        if self.terminal is not None:
            os.close(self.terminal)

    def receive(self):
        if self.terminal is None:
            self.listener.settimeout(60)
            with self.listener.accept()[0] as s:
                _, fds, _, _ = socket.recv_fds(s, 4096, 1)
            self.terminal = fds[0]

    def read_until(self, word, seconds=60):
        self.receive()
        text, end = "", time.monotonic() + seconds
        while word not in text and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                text += os.read(self.terminal, 4096).decode()
        return text


def pairs(argv, name):
    return [argv[i + 1] for i, word in enumerate(argv) if word == name]


WITH_FILE = 'mkdir -p "$2/upper/criu" "$2/work" && touch "$2/upper/criu/$1" && ' \
            'mount -t overlay -o "lowerdir=/etc,upperdir=$2/upper,workdir=$2/work" overlay /etc && shift 2 && exec "$@"'


@pytest.mark.parametrize("name", ["bulkhead-oci.conf", "crun.conf", "runc.conf"])
def test_the_administrators_options_for_criu_are_taken(container, criu, folder, name):
    container.args("sleep", "60").up()
    words = container.command("checkpoint", "--leave-running", "--image-path", folder / "images", container.id)
    subprocess.run(["unshare", "--mount", "sh", "-c", WITH_FILE, "sh", name, folder / "etc", *words], env=criu.env, check=True, timeout=120)
    assert pairs(criu.asked()["argv"], "--config") == [f"/etc/criu/{name}"]
    subprocess.run(words, env=criu.env, check=True, timeout=120)
    assert "--config" not in criu.asked()["argv"]


def test_a_container_is_saved_and_removed(container, criu, folder):
    container.args("sleep", "60").up()
    pid = container.state()["pid"]
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env=criu.env)
    assert r.status == 0, r
    argv = criu.asked()["argv"]
    assert argv[0] == "dump" and pairs(argv, "--tree") == [str(pid)] and pairs(argv, "--images-dir") == [str(folder / "images")]
    assert pairs(argv, "--manage-cgroups") == ["3"] and "--leave-running" not in argv and "--orphan-pts-master" in argv
    assert container.state() is None


def test_a_container_that_is_left_running_goes_on(container, criu, folder):
    container.args("sleep", "60").up()
    for option in ("--leave-running", "--pre-dump"):
        r = container.call("checkpoint", option, "--image-path", folder / "images", container.id, env=criu.env)
        assert r.status == 0, r
        assert container.status() == "running"
    assert criu.asked()["argv"][0] == "pre-dump"


def test_every_option_reaches_criu(container, criu, folder):
    container.args("sleep", "60").up()
    read, write = os.pipe()
    r = container.call("checkpoint", "--image-path", folder / "images", "--work-path", folder / "work", "--parent-path", "../earlier", "--tcp-established",
                       "--ext-unix-sk", "--shell-job", "--file-locks", "--manage-cgroups-mode", "full", "--empty-ns", "network", "--auto-dedup",
                       "--lazy-pages", "--page-server", "192.0.2.1:27", "--link-remap", "--tcp-skip-in-flight", "--status-fd", str(write), container.id,
                       env=criu.env, pass_fds=[write])
    pipe = os.readlink(f"/proc/self/fd/{write}")
    os.close(read)
    os.close(write)
    assert r.status == 0, r
    argv = criu.asked()["argv"]
    for word in ("--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks", "--auto-dedup", "--lazy-pages",
                 "--page-server", "--link-remap", "--skip-in-flight", "--track-mem"):
        assert word in argv, word
    for name, value in (("--work-dir", str(folder / "work")), ("--prev-images-dir", "../earlier"), ("--empty-ns", str(0x40000000)), ("--manage-cgroups", "4"), ("--address", "192.0.2.1"),
                        ("--port", "27"), ("--status-fd", pipe)):
        assert pairs(argv, name) == [value], name
    fds = criu.asked()["fds"]
    assert fds[:3] == [0, 1, 2] and len(fds) <= 5, "the socket, the listing, and nothing else"


def test_mounts_and_networks_from_outside_are_named(make, criu, folder):
    c = make()
    (folder / "data").mkdir()
    c.config["mounts"].append({"destination": "/mnt", "type": "bind", "source": str(folder / "data"), "options": ["bind"]})
    c.args("sleep", "60").up()
    assert c.call("checkpoint", "--image-path", folder / "images", c.id, env=criu.env).status == 0
    assert "mnt[/mnt]:/mnt" in pairs(criu.asked()["argv"], "--external")
    r = c.call("restore", "--image-path", folder / "images", "--bundle", c.bundle, c.id, env=criu.env)
    assert r.status == 0, r
    assert f"mnt[/mnt]:{folder}/data" in pairs(criu.asked()["argv"], "--external")


def test_what_criu_says_is_in_the_error_and_the_container_goes_on(container, criu, folder):
    container.args("sleep", "60").up()
    criu.will("fail")
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env=criu.env)
    assert r.status == 1 and "checkpoint.failed" in r.err and "tty is outside" in r.err and "FAILED" not in r.err, r
    assert container.status() == "running"


def test_without_criu_the_error_says_so(container, folder):
    container.args("sleep", "60").up()
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env={**os.environ, "CRIU": "/nonexistent/criu"})
    assert r.status == 1 and "checkpoint.missing" in r.err, r
    assert container.status() == "running"


def test_a_container_is_restored_in_the_foreground_and_removed(container, criu, folder):
    (folder / "images").mkdir()
    (folder / "images/inventory.img").touch()
    container.save()
    r = container.call("restore", "--image-path", folder / "images", "--bundle", container.bundle, container.id, env=criu.env)
    assert (r.status, r.out) == (0, "restored\n"), r
    asked = criu.asked()
    argv = asked["argv"]
    assert argv[0] == "restore" and "--restore-sibling" in argv and pairs(argv, "--root") == [str(container.rootfs)]
    assert str(container.rootfs) in asked["mounts"] and container.id in asked["cgroup"]
    assert str(container.rootfs) not in [line.split()[4] for line in open("/proc/self/mountinfo")]
    assert container.state() is None


def test_a_container_is_restored_in_the_background_with_state_and_pid_file(container, criu, folder):
    (folder / "images").mkdir()
    (folder / "images/inventory.img").touch()
    container.save()
    with open(container.bundle / "out", "wb") as out:
        p = subprocess.run(container.command("restore", "--detach", "--pid-file", folder / "pid", "--image-path", folder / "images",
                                             "--bundle", container.bundle, container.id), env={**criu.env, "SLEEP": "60"}, stdout=out, stderr=out, timeout=120)
    assert p.returncode == 0, container.out()
    state = container.state()
    assert state["status"] == "running" and str(state["pid"]) == (folder / "pid").read_text()
    assert container.id in open(f"/proc/{state['pid']}/cgroup").read()
    assert container.kill().status == 0
    assert container.wait_for("stopped")


def test_nothing_is_left_when_a_restore_fails(container, criu, folder):
    (folder / "images").mkdir()
    container.save()
    restore = ("restore", "--image-path", folder / "images", "--bundle", container.bundle, container.id)
    r = container.call(*restore, env=criu.env)
    assert r.status == 1 and "checkpoint.image" in r.err, r
    (folder / "images/inventory.img").touch()
    criu.will("fail")
    r = container.call(*restore, env=criu.env)
    assert r.status == 1 and "tty is outside" in r.err, r
    assert container.state() is None


@pytest.mark.parametrize("options, words", [(["--page-server", "nowhere"], "--page-server"), (["--page-server", "192.0.2.1:70000"], "port"), (["--empty-ns", "pid"], "--empty-ns"), (["--manage-cgroups-mode", "some"], "--manage-cgroups-mode"),
                                            (["--status-fd", "x"], "--status-fd")])
def test_wrong_options_are_errors(container, criu, folder, options, words):
    container.args("sleep", "60").up()
    r = container.call("checkpoint", "--image-path", folder / "images", *options, container.id, env=criu.env)
    assert r.status == 1 and words in r.err, r


def test_a_stopped_container_cannot_be_saved(container, criu):
    container.up()
    assert container.wait_for("stopped")
    r = container.call("checkpoint", container.id, env=criu.env)
    assert r.status == 1 and "container.status" in r.err, r


@pytest.mark.parametrize("mode, words", [("silent", "without an answer"), ("garbage", "none of its protocol")])
def test_a_criu_that_does_not_answer_is_an_error(container, criu, folder, mode, words):
    container.args("sleep", "60").up()
    criu.will(mode)
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env=criu.env)
    assert r.status == 1 and "checkpoint.failed" in r.err and words in r.err, r
    assert container.status() == "running"


def with_terminal(container, folder):
    (folder / "images").mkdir()
    (folder / "images/inventory.img").touch()
    container.config["process"]["terminal"] = True
    container.save()
    return ("restore", "--image-path", folder / "images", "--bundle", container.bundle)


def test_a_restored_terminal_goes_to_the_console_socket(container, criu, folder):
    words = with_terminal(container, folder)
    criu.will("terminal")
    with Console(folder / "console") as console:
        p = subprocess.run(container.command(*words, "--detach", "--console-socket", folder / "console", container.id), env={**criu.env, "SLEEP": "60"},
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
        assert p.returncode == 0, p.stderr
        assert "restored" in console.read_until("restored")
        assert container.status() == "running"


def test_a_restored_terminal_is_shown_in_the_foreground(container, criu, folder):
    words = with_terminal(container, folder)
    criu.will("terminal")
    r = container.call(*words, container.id, env=criu.env)
    assert r.status == 0 and "restored" in r.out, r


def test_a_terminal_that_the_images_have_not_is_an_error_and_nothing_is_left(container, criu, folder):
    words = with_terminal(container, folder)
    r = container.call(*words, container.id, env={**criu.env, "SLEEP": "60"})
    assert r.status == 1 and "terminal" in r.err, r
    assert container.state() is None
    r = container.call(*words, "--detach", container.id, env=criu.env)
    assert r.status == 1 and "--console-socket" in r.err, r
    assert container.state() is None


@pytest.fixture
def real_criu():
    if not shutil.which("criu"):
        pytest.skip("criu is not installed")
    check = subprocess.run(["criu", "check"], capture_output=True, text=True)
    if check.returncode:
        pytest.skip("criu does not get along with this kernel: " + (check.stdout + check.stderr).strip().split("\n")[0])


def test_with_criu_itself_a_terminal_comes_back(container, folder, real_criu):
    container.config["process"]["terminal"] = True
    container.sh("n=0; while read line; do n=$((n+1)); echo heard $n $line; done").save()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "timeout": 120}

    def start(console, *words):
        p = subprocess.run(container.command(*words, "--detach", "--console-socket", console.path, "--bundle", container.bundle, container.id), **quiet)
        log = folder / "work/restore.log"
        assert p.returncode == 0, (p.stderr, log.read_text()[-3000:] if log.exists() else "")

    def say(console, word, answer):
        console.receive()
        os.write(console.terminal, f"{word}\n".encode())
        text = console.read_until(answer)
        assert answer in text, text

    with Console(folder / "first") as console:
        start(console, "run")
        say(console, "one", "heard 1 one")
        r = container.call("checkpoint", "--image-path", folder / "images", container.id)
        assert r.status == 0, (r, (folder / "images/dump.log").read_text()[-3000:])
    with Console(folder / "second") as console:
        start(console, "restore", "--work-path", folder / "work", "--image-path", folder / "images")
        say(console, "two", "heard 2 two")
        assert container.status() == "running"


@pytest.mark.parametrize("groups", ["hidden", "own", "of the host"])
def test_with_criu_itself_a_counter_goes_on_where_it_was(container, folder, real_criu, groups):
    if groups != "hidden":
        container.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]})
    if groups == "of the host":
        linux = container.config["linux"]
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "cgroup"]
    container.sh("n=0; while :; do n=$((n+1)); echo $n; echo $n >>/tmp/n; sleep 0.1; done").save()

    def count():
        """What was counted last: added to the file, since a file that is written anew is empty for a moment."""
        path = container.rootfs / "tmp/n"
        return int(["0", *(path.read_text().split() if path.exists() else [])][-1])

    def counted_beyond(number):
        end = time.monotonic() + 60
        while count() <= number and time.monotonic() < end:
            time.sleep(0.05)
        return count() > number

    def start(*words):
        """With the null device and a pipe of ours, as engines start it: what came through that until close."""
        ours, theirs = os.pipe()
        p = subprocess.run(container.command(*words), stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, timeout=120)
        os.close(theirs)
        return p.returncode, open(ours)

    status, pipe = start("run", "--detach", "--bundle", container.bundle, container.id)
    assert status == 0
    assert counted_beyond(1)
    r = container.call("checkpoint", "--image-path", folder / "images", container.id)
    assert r.status == 0, (r, (folder / "images/dump.log").read_text()[-3000:])
    before = count()
    assert [int(line) for line in pipe][0] == 1
    status, pipe = start("restore", "--detach", "--work-path", folder / "work", "--image-path", folder / "images", "--bundle", container.bundle, container.id)
    assert status == 0, (folder / "work/restore.log").read_text()[-3000:]
    assert before > 1 and counted_beyond(before)
    if groups != "hidden":
        shown = container.exec("sh", "-c", "cat /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/pids/cgroup.procs 2>/dev/null").out.split()
        assert ("1" if groups == "own" else "0") in shown or "1" in shown, shown
    assert container.kill("KILL").status == 0
    assert [int(line) for line in pipe][0] >= before > 1
