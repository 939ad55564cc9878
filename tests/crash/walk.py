# SPDX-License-Identifier: LGPL-2.1-or-later
"""Walks through the system calls of a command of the runtime and looks, at each, what a death there leaves behind.

A Place is one bundle, with a state root, control groups and an id of its own.  Its baseline is what there is when no
container is: everything that a command leaves beyond it, and that delete does not take away, is a violation.
"""
import collections
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oci"))
import bundle as oci  # noqa: E402

FULL = os.environ.get("BULKHEAD_CHECK") == "--full"
STEP = int(os.environ.get("BULKHEAD_CRASH_STEP", "0"))
POINTS = 7  # in a test, where no step is given: all tests together then take about a minute
ERRORS = {"ENOSPC": 28, "EMFILE": 24, "ENOMEM": 12, "EINTR": 4, "EPERM": 1}
# Calls that cannot fail in the ways above, or whose failure ends any program.
NEVER_FAIL = {"exit", "exit_group", "close", "mmap", "munmap", "brk", "mprotect", "mremap", "rt_sigreturn", "rt_sigaction",
              "rt_sigprocmask", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "getrandom", "getpid",
              "geteuid", "getuid", "umask", "clock_gettime", "clock_nanosleep", "readlink", "uname", "futex", "gettid",
              "fstatfs"}
# Refused like that where there is another way, which looks otherwise: the host's node; in user namespaces, the host's mount.
WAYS_ROUND = {("mknodat", "EPERM")}
WAYS_ROUND_OF_USERS = WAYS_ROUND | {(name, "EPERM") for name in ("fsopen", "fsconfig", "fsmount")}
PAYLOAD = "hostname; id; umask; ls -l /dev | cut -c1-10; ls /proc/self/fd | wc -l; cat /proc/sys/kernel/msgmax; exec sleep 1000"
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
STATUS_LINES = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")
LIMIT_FILES = ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.shares", "cpu.weight")

Call = collections.namedtuple("Call", "process number name")
Outcome = collections.namedtuple("Outcome", "hit end out err")  # end: "exit 0", "signal 9", "hang"


# ---- processes of ours ----

def descendants(pid="self"):
    """All processes below this one, which adopts what is orphaned."""
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        for task in tasks:
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    found += [int(child), *descendants(child)]
    except OSError:
        pass
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_ending(pid):
    """On its way out, which only the kernel can hold up: killed and not yet gone, or without its memory."""
    kill_bit, exiting = 1 << signal.SIGKILL - 1, 0x4
    try:
        with open(f"/proc/{pid}/status") as f:
            pending = [int(line.split()[1], 16) for line in f if line.startswith(("SigPnd:", "ShdPnd:"))]
        with open(f"/proc/{pid}/stat") as f:
            flags = int(f.read().rpartition(")")[2].split()[6])
    except OSError:
        return True
    return flags & exiting or any(p & kill_bit for p in pending) or not exe(pid)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def wait(p, seconds):
    """For a command of ours, while what it orphans is reaped: the end of a container waits for that of its processes."""
    end = time.monotonic() + seconds
    while True:
        r = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if r and r.si_pid == p.pid:
            return p.wait()
        if r:
            os.waitpid(r.si_pid, 0)
        else:
            time.sleep(0.001)
        if time.monotonic() > end:
            p.kill()
            p.wait()
            raise subprocess.TimeoutExpired(p.args, seconds)


def living():
    reap()
    return {p for p in descendants() if is_alive(p)}


def exe(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def is_busybox(pid):
    return exe(pid) == "busybox"


def is_runtime(pid):
    """Of the runtime's own file, which a waiting child shows through a mount that has no name (os/self.h)."""
    try:
        return os.path.samefile(f"/proc/{pid}/exe", oci.runtime())
    except OSError:
        return False


def describe(pids):
    def line(pid):
        try:
            with open(f"/proc/{pid}/stat") as f:
                state = f.read().rpartition(")")[2].split()[0]
        except OSError:
            state = "gone"
        return f"{pid} {exe(pid)} {state}"
    return ", ".join(line(p) for p in sorted(pids))


# ---- the place ----

def hierarchies():
    rows = [line.split() for line in open("/proc/self/mountinfo")]
    return [pathlib.Path(r[4]) for r in rows if r[r.index("-") + 1] in ("cgroup", "cgroup2")]


def tree(path):
    return {os.path.join(folder, name) for folder, folders, files in os.walk(path) for name in [*folders, *files]}


class Place:
    def __init__(self, folder, tool, users=False):
        self.folder, self.tool, self.users = folder, tool, users
        self.cgroup = f"bulkhead-crash-{folder.name[-8:]}-{'users' if users else 'plain'}"
        self.tops = [h / self.cgroup for h in hierarchies()]
        for top in self.tops:
            top.mkdir(exist_ok=True)
        names = ["sh", "sleep", "hostname", "id", "ls", "cut", "cat", "wc", "true"]
        self.container = oci.Container(folder, folder / "state", config=self.config(users), names=names)
        self.container.save()
        self.id, self.root = self.container.id, self.container.root
        self.pid_file = folder / f"pid-{self.id}"
        self.out, self.err, self.report, self.said = (folder / f"{name}-{self.id}" for name in ("out", "err", "report", "said"))
        self.baseline = {"files": set()}
        try:
            # Once through makes the mount points in the root that any container needs.
            self.ok("create", "--bundle", self.container.bundle, self.id)
            self.ok("start", self.id)
            self.ok("delete", "--force", self.id)
        except BaseException:
            self.baseline = {"files": tree(self.container.bundle)}
            self.close()
            raise
        self.baseline = self.look()

    def config(self, users):
        c = oci.default_config()
        c["process"]["args"] = ["sh", "-c", PAYLOAD]
        c["process"]["user"]["additionalGids"] = [7]
        c["process"]["oomScoreAdj"] = 500
        c["linux"]["cgroupsPath"] = f"/{self.cgroup}/c"
        c["linux"]["resources"].update(memory={"limit": 1 << 28}, pids={"limit": 64}, cpu={"shares": 512})
        c["linux"]["sysctl"] = {"kernel.msgmax": "8000"}
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                                 "syscalls": [{"names": ["kexec_load", "swapon"], "action": "SCMP_ACT_ERRNO"}]}
        if users:
            c["linux"]["namespaces"].append({"type": "user"})
            c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        return c

    def call(self, *argv):
        """To its end, with files of its own for its output: a container that stays would hold a pipe."""
        said, wrong = self.said, self.said.with_suffix(".err")
        with open(said, "wb") as out, open(wrong, "wb") as err:
            p = subprocess.Popen(self.container.command(*argv), stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.container.bundle)
            wait(p, 120)
        return oci.Result(p.returncode, said.read_text(errors="replace"), wrong.read_text(errors="replace"))

    def ok(self, *argv):
        r = self.call(*argv)
        assert r.status == 0, (argv, r)
        return r

    def state(self):
        return self.container.state()

    def look(self):
        """What there is, by kind: processes, cgroups, mounts, namespaces, sockets, files."""
        ours = living()
        spaces = {os.readlink(f"/proc/{p}/ns/{n}") for p in ["self", *ours] for n in NAMESPACES if os.path.exists(f"/proc/{p}/ns/{n}")}
        return {
            "processes": {describe([p]) for p in ours},
            "cgroups": {str(p) for top in self.tops for p in top.rglob("*") if p.is_dir()},
            "mounts": {" ".join(line.split()[3:6]) for line in open("/proc/self/mountinfo")},
            "namespaces": spaces,
            "sockets": {line.split()[-1] for line in open("/proc/net/unix") if "/" in line},
            "files": tree(self.root) | tree(self.container.bundle),
        }

    def left(self):
        """What differs from the baseline, as text; "" when nothing does.

        What is on its way out already is waited for."""
        eventually(lambda: not any(map(is_ending, living())))
        now = self.look()
        wrong = []
        for kind, before in self.baseline.items():
            if now[kind] != before:
                wrong.append(f"{kind}: " + ", ".join([f"+{x}" for x in sorted(now[kind] - before)] + [f"-{x}" for x in sorted(before - now[kind])]))
        return "; ".join(wrong)

    def sweep(self):
        """By hand, after a violation: the next point begins at the baseline."""
        for top in self.tops:
            for state in top.rglob("freezer.state"):
                state.write_text("THAWED")
        for pid in living():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        eventually(lambda: not living())
        for top in self.tops:
            for path in sorted((p for p in top.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
                eventually(lambda p=path: not p.exists() or remove(p))
        reap()
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(self.root / self.id)], check=False)
        for name in tree(self.container.bundle) - self.baseline["files"]:
            os.unlink(name)

    def close(self):
        self.sweep()
        for top in self.tops:
            eventually(lambda t=top: not t.exists() or remove(t))

    # ---- the tool ----

    def walk(self, argv, *options):
        """The command under the tool. The pid file is the caller's own, whatever becomes of the command."""
        for path in (self.pid_file, self.pid_file.with_name(self.pid_file.name + ".new")):
            path.unlink(missing_ok=True)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            p = subprocess.Popen([self.tool, "-o", self.report, *map(str, options), *self.container.command(*argv)], stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=err, cwd=self.container.bundle, extra_groups=[4242])
            wait(p, 120)
        assert p.returncode == 0, (p, self.err.read_text(errors="replace"))
        lines = self.report.read_text().splitlines()
        hit = next((line[4:] for line in lines if line.startswith("hit ")), None)
        return Outcome(hit, lines[-1], self.out.read_text(errors="replace"), self.err.read_text(errors="replace")), lines

    def count(self, argv):
        outcome, lines = self.walk(argv, "-m", "count")
        assert outcome.end == "exit 0", outcome
        rows = [line.split() for line in lines[:-1]]
        return [Call(int(p), int(n), name) for p, n, name in rows]


def remove(path):
    try:
        path.rmdir()
        return True
    except OSError:
        return False


def eventually(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def choose(calls, shift=0):
    """Every STEP-th of them, all with --full, else a number that is spread over all; shift: which in each step."""
    step = STEP or (1 if FULL else max(1, -(-len(calls) // POINTS)))
    return calls[shift % step::step] if len(calls) else []


# ---- what a container looks like ----

def fingerprint(place, pid):
    """What the set-up has made of a process, without numbers that differ from one container to the next."""
    def read(name):
        with open(f"/proc/{pid}/{name}", errors="replace") as f:
            return f.read()
    mounts = []
    for line in read("mountinfo").splitlines():
        f = line.split()
        dash = f.index("-")
        mounts.append((f[3], f[4], f[5], [o.split(":")[0] for o in f[6:dash]], f[dash + 1:]))
    status = dict(line.split(":", 1) for line in read("status").splitlines() if ":" in line)
    cgroups = sorted(line.split(":", 1)[1] for line in read("cgroup").splitlines())
    # In a user namespace the kernel refuses devices: the group's rules are a second wall, which may be missing.
    names = LIMIT_FILES if place.users else (*LIMIT_FILES, "devices.list")
    limits = {str(p): p.read_text() for top in place.tops for name in names for p in [top / "c" / name] if p.exists()}
    return {
        "mounts": mounts, "cgroups": cgroups, "limits": limits, "rlimits": read("limits"), "oom": read("oom_score_adj"),
        "status": {k: status.get(k, "").split() for k in STATUS_LINES},
        "namespaces": {n: os.readlink(f"/proc/{pid}/ns/{n}") == os.readlink(f"/proc/self/ns/{n}") for n in NAMESPACES},
        "directory": (os.readlink(f"/proc/{pid}/cwd"), os.readlink(f"/proc/{pid}/root")),
        # HOME is guessed from the image's passwd, which may be unreadable.
        "environment": sorted(v for v in read("environ").split("\0") if not v.startswith("HOME=")) if exe(pid) == "busybox" else None,
    }


def difference(a, b):
    """The lines of a that are not as in b: of mappings and lists what differs in them."""
    def one(name, x, y):
        if isinstance(x, dict) and isinstance(y, dict):
            return ", ".join(filter(None, (one(f"{name} {k}", x.get(k), y.get(k)) for k in {**x, **y})))
        if isinstance(x, list) and isinstance(y, list) and name != "status Groups":
            more, less = [i for i in x if i not in y], [i for i in y if i not in x]
            return f"{name}: more {more}, less {less}" if x != y else ""
        return f"{name}: {x} instead of {y}" if x != y else ""
    return one("", a, b)


# ---- operations ----

class Operation:
    """A command of the runtime: how to come to where it is given, and what may be true after it died."""
    name = ""
    statuses = ()      # that state may tell after a crash; None: unknown
    makes = False      # a container: an error must leave nothing

    def prepare(self, place):
        pass

    def argv(self, place):
        return [self.name, place.id]

    def done(self, place):
        """After success: the text of what is not as it should be."""
        return ""

    def sign(self, place):
        """After success: what the process looks like, for comparison."""
        return None


def created(place):
    return fingerprint(place, place.state()["pid"])


def payload(place, pid, out):
    """A payload that has said all it has to say."""
    eventually(lambda: not is_alive(pid) or b"sleep" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()[:6])
    return {**fingerprint(place, pid), "output": out.read_text(errors="replace")}


class Create(Operation):
    name, statuses, makes = "create", (None, "stopped", "created"), True

    def argv(self, place):
        return ["create", "--bundle", place.container.bundle, "--pid-file", place.pid_file, place.id]

    def done(self, place):
        s = place.state()
        if not s or s["status"] != "created":
            return f"create succeeded, and the state is {s}"
        if place.pid_file.read_text() != str(s["pid"]):
            return f"the pid file says {place.pid_file.read_text()}, the state {s['pid']}"
        return ""

    def sign(self, place):
        return created(place)


class Run(Create):
    name, statuses = "run", (None, "stopped", "running")

    def argv(self, place):
        return ["run", "--detach", "--bundle", place.container.bundle, "--pid-file", place.pid_file, place.id]

    def done(self, place):
        s = place.state()
        return "" if s and s["status"] == "running" else f"run succeeded, and the state is {s}"

    def sign(self, place):
        return payload(place, place.state()["pid"], place.out)


class Start(Operation):
    name, statuses = "start", ("created", "running")

    def prepare(self, place):
        place.ok("create", "--bundle", place.container.bundle, place.id)

    def done(self, place):
        s = place.state()
        return "" if s and s["status"] == "running" else f"start succeeded, and the state is {s}"


class Exec(Operation):
    name, statuses = "exec", ("running",)

    def prepare(self, place):
        place.ok("run", "--detach", "--bundle", place.container.bundle, place.id)
        self.init = place.state()["pid"]

    def argv(self, place):
        return ["exec", "--detach", "--pid-file", place.pid_file, place.id, "sleep", "900"]

    def child(self):
        others = living() - {self.init}
        return others.pop() if len(others) == 1 else 0

    def done(self, place):
        s = place.state()
        if not s or s["status"] != "running":
            return f"exec succeeded, and the state is {s}"
        return "" if eventually(lambda: exe(self.child()) == "busybox") else f"exec succeeded, and the processes are {describe(living())}"

    def sign(self, place):
        # A helper of exec may be about to end.
        assert eventually(self.child), describe(living())
        return fingerprint(place, self.child())


class Kill(Operation):
    name, statuses = "kill", ("running", "stopped")

    def prepare(self, place):
        place.ok("run", "--detach", "--bundle", place.container.bundle, place.id)

    def argv(self, place):
        return ["kill", place.id, "KILL"]

    def done(self, place):
        return "" if eventually(lambda: place.state()["status"] == "stopped") else f"kill succeeded, and the state is {place.state()}"


class Delete(Kill):
    name, statuses = "delete", ("running", "stopped", None)

    def argv(self, place):
        return ["delete", "--force", place.id]

    def done(self, place):
        left = place.left()
        return f"delete succeeded, and there is {left}" if left else ""


# ---- checks ----

def lie(place, operation):
    """What the state says and is not so; "" when it is honest."""
    s = place.state()
    ours = living()
    status = s and s["status"]
    if status not in operation.statuses:
        return f"the state is {status}"
    if status is None:
        left = place.left()
        return f"the container is unknown, and there is {left}" if left else ""
    if status == "stopped":
        return f"the state is stopped, and there is {describe(ours)}" if ours else ""
    if s["pid"] not in ours:
        return f"the state is {status}, and its process {s['pid']} is not there"
    known = is_busybox if status == "running" else is_runtime
    strangers = {p for p in ours if not known(p) or (p != s["pid"] and operation.name != "exec")}
    return f"the state is {status} of {s['pid']}, and there is {describe(strangers)}" if strangers else ""


def honest(place, operation):
    """A process that dies with another takes its moment: the state may be of the way there for that long."""
    wrong = []
    eventually(lambda: not wrong.append(lie(place, operation)) and not wrong[-1], 20)
    return wrong[-1]


def undo(place):
    """delete --force, and what it leaves."""
    r = place.call("delete", "--force", place.id)
    if r.status != 0:
        return f"delete --force fails: {r.err.strip()}"
    left = place.left()
    return f"after delete --force there is {left}" if left else ""


def again(place):
    """A container of the same name can be made at once."""
    r = place.call("create", "--bundle", place.container.bundle, place.id)
    return f"another create fails: {r.err.strip()}" if r.status != 0 else undo(place)


class Walker:
    def __init__(self, place, operation):
        self.place, self.operation = place, operation
        place.sweep()
        operation.prepare(place)
        self.calls = place.count(operation.argv(place))
        wrong = operation.done(place)
        assert not wrong, wrong
        self.normal = None
        # The last process that is born becomes the payload, and says so before: what ends it later is the payload's end.
        self.set_up = max(c.process for c in self.calls) or None
        self.last_word = max((c.number for c in self.of_process(self.set_up) if c.name in ("write", "sendto")), default=0)
        undo(place)
        self.violations, self.points = [], 0

    def of_process(self, number):
        return [c for c in self.calls if c.process == number]

    def of_set_up(self, number):
        """Without those after the word that all is ready: then the process is the container's, and may end as any."""
        calls = self.of_process(number)
        if self.operation.name != "create" or not number:
            return calls
        return calls[:max(i for i, c in enumerate(calls) if c.name == "write") + 1]

    def learn(self):
        """The look of what succeeds."""
        self.operation.prepare(self.place)
        outcome, _ = self.place.walk(self.operation.argv(self.place), "-m", "count")
        assert outcome.end == "exit 0", outcome
        self.normal = self.operation.sign(self.place)
        wrong = undo(self.place)
        assert not wrong, wrong

    def note(self, call, how, wrong):
        self.points += 1
        if wrong:
            self.violations.append(f"{self.operation.name}: process {call.process} call {call.number} {call.name}, {how}: {wrong}")
            self.place.sweep()

    def result(self):
        return f"{len(self.violations)} of {self.points} points:\n" + "\n".join(self.violations)

    def kill(self, call, mode, *options):
        place, operation = self.place, self.operation
        operation.prepare(place)
        outcome, _ = place.walk(operation.argv(place), "-p", call.process, "-n", call.number, "-m", mode, *options)
        wrong = self.after_kill(call, outcome)
        self.note(call, f"killed at its {mode} {' '.join(map(str, options))}", wrong)

    def after_kill(self, call, outcome):
        place, operation = self.place, self.operation
        if outcome.end == "hang":
            return "the command hangs"
        wrong = ""
        if call.process and outcome.end != "exit 0":
            # The runtime lived, and has seen its child die: that is an error like any other.
            wrong = place.left() and f"the command failed and left {place.left()}" if operation.makes else honest(place, operation)
            if not outcome.err:
                wrong = wrong or f"{outcome.end} without a word"
        elif outcome.end == "exit 0" and outcome.hit and call.process == self.set_up and call.number < self.last_word:
            wrong = "the command succeeds though its process died before it was set up"
        elif outcome.end == "exit 0" and not (call.process == self.set_up and outcome.hit):
            wrong = operation.done(place)
        return wrong or honest(place, operation) or undo(place) or (again(place) if operation.makes else "")

    def fail(self, call, error):
        place, operation = self.place, self.operation
        operation.prepare(place)
        outcome, _ = place.walk(operation.argv(place), "-p", call.process, "-n", call.number, "-m", "fail", "-e", ERRORS[error])
        self.note(call, f"fails with {error}", self.after_failure(outcome, (call.name, error) in (WAYS_ROUND_OF_USERS if place.users else WAYS_ROUND)))

    def after_failure(self, outcome, may_differ):
        place, operation = self.place, self.operation
        if outcome.end == "hang":
            return "the command hangs"
        if outcome.end.startswith("signal"):
            return f"the command ends by {outcome.end}"
        if outcome.end == "exit 0":
            wrong = operation.done(place)
            if not wrong and self.normal and not may_differ:
                wrong = difference(operation.sign(place), self.normal)
            return wrong or undo(place)
        if not outcome.err:
            return f"{outcome.end} without a word"
        left = place.left() if operation.makes else ""
        if left:
            return f"the command failed and left {left}; it said {outcome.err.strip()!r}"
        return ("" if operation.makes else failed_honestly(place, operation)) or undo(place)


def failed_honestly(place, operation):
    """A start that fails may end the container."""
    if operation.name == "start" and place.state() and place.state()["status"] == "stopped":
        return f"the state is stopped, and there is {describe(living())}" if living() else ""
    return honest(place, operation)
