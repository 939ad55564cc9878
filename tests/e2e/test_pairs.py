# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pairs of directives, drawn with a seed, over one tree; every run is compared with a model of what must hold.

The model knows nothing of how mounts are made.  It answers for a path, after links: is there something that replaces
content, which rule on writing is nearest, which rule on running is nearest, is it below something hidden.

    BULKHEAD_SEED   the first seed (a failure prints its own)      BULKHEAD_PAIRS   how many
"""
import errno
import json
import os
import random
import stat
import subprocess

import pytest

from conftest import Result, binary

SEED = int(os.environ.get("BULKHEAD_SEED", "20250701"))
COUNT = int(os.environ.get("BULKHEAD_PAIRS", "500"))
CHUNKS = 20

FOLDERS = ["a", "a/b", "a/b/c", "a/empty", "d", "d/e", "d/e/g", "target", "target/in"]
FILES = ["a/f", "a/b/f", "a/b/c/f", "d/f", "d/e/f", "d/e/g/f", "target/in/f", "top"]
LINKS = {"l_dir": "a/b", "l_file": "d/e/f", "a/up": "../d", "d/abs": "{}/a/b", "l_chain": "l_dir", "a/b/out": "../../target", "l_dangling": "no/where"}
FIFOS = ["pipe", "a/b/pipe"]
# Whether the tree makes exec possible: the probe is linked there.
PROGRAMS = ["a/run", "a/b/run", "a/b/c/run", "d/run", "d/e/run", "target/in/run"]
SYSTEM = ["/etc/hostname", "/etc", "/usr", "/usr/bin", "/usr/bin/pathchk", "/home", "/root", "/tmp", "/var/tmp", "/var", "/run", "/opt", "/dev", "/dev/null",
          "/dev/shm", "/boot", "/run/user", "/proc/sys/kernel", "/proc/kallsyms", "/proc/kmsg", "/sys", "/sys/kernel", "/sys/fs/cgroup", "/dev/kmsg"]


def within(path, folder):
    return path == folder or folder == "/" or path.startswith(folder + "/")


class Host:
    """The tree as it lies on the host; paths are absolute."""

    def __init__(self, root):
        self.root = str(root)
        self.links = {f"{root}/{k}": v.format(root) for k, v in LINKS.items()}

    def resolve(self, path, limit=40):
        """The path without links, or None where something is missing."""
        for _ in range(limit):
            for name, value in self.links.items():
                if within(path, name):
                    path = os.path.normpath(os.path.join(os.path.dirname(name), value)) + path[len(name):]
                    break
            else:
                return path if os.path.lexists(path) else None
        return None


def make_tree(root, probe):
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    for name in FILES:
        (root / name).write_text(name)
        (root / name).chmod(0o666)
    for name in PROGRAMS:
        (root / name).write_bytes(probe.read_bytes())
        (root / name).chmod(0o777)
    for name, value in LINKS.items():
        (root / name).symlink_to(value.format(root))
    for name in FIFOS:
        os.mkfifo(root / name)
        (root / name).chmod(0o666)
    for name in FOLDERS:
        (root / name).chmod(0o777)
    root.chmod(0o777)


# ---- the model ----

class Rule:
    def __init__(self, kind, path, source=None, read_only=False, implicit=False, optional=True):
        self.kind, self.path, self.source, self.read_only, self.implicit, self.optional = kind, path, source, read_only, implicit, optional


CONTENT = {"bind", "tmpfs", "tmp", "dev"}
# Of two rules on one path, the first of these wins.
STRENGTH = ["hidden", "bind", "tmp", "dev", "tmpfs", "ro", "rw", "noexec", "exec"]


class Model:
    """What is to be expected under a list of (directive, words)."""

    def __init__(self, host, properties):
        self.host = host
        self.error = None
        self.devices_closed = False
        self.bound_twice = False  # which one wins is not specified
        self.rules, self.missing, self.named, self.targets = [], [], [], []
        self.user = 0
        self.credentials = False
        for directive, words in properties:
            getattr(self, "add_" + directive)(words)
        # A path through a link that lies in what is hidden or replaced: whether it is missing is not specified.
        self.unspecified = any(not self.is_plain_way(path) for path in self.named)
        self.unspecified |= bool(self.error) and any(self.hidden_above(t) or self.hidden_at(t) for t in self.targets)
        self.drop_missing()
        for kind, path in self.missing:
            self.unspecified |= self.repeats(Rule(kind, path))
            if not self.hidden_above(path):
                self.error = 226
        self.strict = any(r.kind == "ro" and r.path == "/" for r in self.rules)

    def add_path(self, kind, words):
        for word in words:
            optional, path = word.startswith("-"), word.lstrip("-+")
            self.named.append(path)
            # Rules speak of what is there once content is replaced.
            real = self.host.resolve(path)
            if real is None and not optional:
                self.missing.append((kind, path))
            if real is not None:
                self.rules.append(Rule(kind, real, optional=optional))

    def is_there(self, rule):
        rules = self.rules
        if rule.kind == "hidden":  # at the same path it goes before content, which is then not put there
            self.rules = [r for r in rules if r.kind not in CONTENT or r.path != rule.path]
        where, nearest = self.content(rule.path), self.nearest(rule.path, CONTENT)
        self.rules = rules
        return where is not None and os.path.exists(where) or nearest and nearest[0].path == rule.path

    def drop_missing(self):
        """A rule may speak of what is gone once content is replaced: an error unless "-" allows it."""
        for rule in list(self.rules):
            if rule.kind in CONTENT:
                continue
            there = self.is_there(rule)
            # What is mounted below makes the folders above it; but below what is hidden nothing is mounted.
            below = rule.kind != "hidden" and self.is_mount_parent(rule.path)
            if there or rule.path.startswith("/dev/") and rule.path != "/dev/kmsg" or below:
                continue
            # What has no effect, being hidden or the same as above, need not be there.
            self.unspecified |= bool(self.hidden_above(rule.path)) or self.repeats(rule)
            if not rule.optional:
                self.error = 226
            self.rules.remove(rule)

    def repeats(self, rule):
        return any(r.kind == rule.kind and within(rule.path, r.path) and r is not rule for r in self.rules)

    def add_ReadOnlyPaths(self, words):
        self.add_path("ro", words)

    def add_ReadWritePaths(self, words):
        self.add_path("rw", words)

    def add_InaccessiblePaths(self, words):
        self.add_path("hidden", words)

    def add_NoExecPaths(self, words):
        self.add_path("noexec", words)

    def add_ExecPaths(self, words):
        self.add_path("exec", words)

    def add_bind(self, words, read_only):
        for word in words:
            source, target = word.lstrip("-").split(":")
            self.targets.append(self.host.resolve(target))
            self.bound_twice |= self.targets.count(self.targets[-1]) > 1
            if self.host.resolve(source) is None:
                if not word.startswith("-"):
                    self.error = 226
                self.bound_twice |= any(r.kind in CONTENT and r.path == self.host.resolve(target) for r in self.rules)
                continue
            self.bound_twice |= any(r.kind in CONTENT and r.path == self.host.resolve(target) for r in self.rules)
            self.rules.append(Rule("bind", self.host.resolve(target), self.host.resolve(source), read_only))

    def add_BindPaths(self, words):
        self.add_bind(words, False)

    def add_BindReadOnlyPaths(self, words):
        self.add_bind(words, True)

    def add_TemporaryFileSystem(self, words):
        for word in words:
            path, _, options = word.partition(":")
            self.bound_twice |= any(r.kind in CONTENT and r.path == self.host.resolve(path) for r in self.rules)
            self.rules.append(Rule("tmpfs", self.host.resolve(path), read_only=options == "ro"))

    def add_ProtectSystem(self, words):
        places = {"no": [], "yes": ["/usr", "/boot"], "full": ["/usr", "/boot", "/etc"], "strict": ["/"]}[words[0]]
        self.rules += [Rule("ro", p, implicit=True) for p in places]
        if words[0] == "strict":
            self.rules += [Rule("rw", p, implicit=True) for p in ("/proc", "/sys", "/dev", "/home", "/root", "/run/user")]

    def add_ProtectHome(self, words):
        kind = {"no": None, "yes": "hidden", "read-only": "ro", "tmpfs": "tmpfs"}[words[0]]
        self.rules += [Rule(kind, p, read_only=True) for p in ("/home", "/root", "/run/user") if kind]

    def add_PrivateTmp(self, words):
        if words[0] != "no":
            self.rules += [Rule("tmp", "/tmp"), Rule("tmp", "/var/tmp")]

    def add_PrivateDevices(self, words):
        if words[0] == "yes":
            self.rules.append(Rule("dev", "/dev", read_only=True))

    def add_fixed(self, **kinds):
        self.rules += [Rule(kind, p, implicit=True) for kind, paths in kinds.items() for p in paths if os.path.exists(p)]

    def add_ProtectKernelTunables(self, words):
        self.add_fixed(ro=["/proc/sys", "/sys", "/sys/kernel/debug", "/sys/kernel/tracing"], rw=["/sys/fs/cgroup"], hidden=["/proc/kallsyms", "/proc/kcore"])

    def add_ProtectKernelLogs(self, words):
        self.add_fixed(hidden=["/proc/kmsg", "/dev/kmsg"])

    def add_ProtectControlGroups(self, words):
        self.add_fixed(ro=["/sys/fs/cgroup"])

    def add_SetCredential(self, words):
        self.credentials = True
        self.rules += [Rule("tmpfs", "/run/credentials", read_only=True), Rule("tmp", "/run/credentials/unit", read_only=True)]

    def add_DevicePolicy(self, words):
        self.devices_closed = words[0] != "auto"

    def add_nothing(self, words):
        pass

    add_LimitNOFILE = add_LimitMEMLOCK = add_Nice = add_CPUAffinity = add_IgnoreSIGPIPE = add_PassEnvironment = add_nothing
    add_UnsetEnvironment = add_CPUWeight = add_Delegate = add_nothing
    add_IPAddressDeny = add_SocketBindDeny = add_RestrictNetworkInterfaces = add_BindNetworkInterface = add_nothing
    add_PrivateNetwork = add_PrivateIPC = add_PrivatePIDs = add_PrivateMounts = add_ProtectHostname = add_NoNewPrivileges = add_nothing
    add_ProtectKernelModules = add_ProtectClock = add_RestrictNamespaces = add_RestrictAddressFamilies = add_MemoryDenyWriteExecute = add_nothing
    add_KeyringMode = add_RestrictRealtime = add_LockPersonality = add_SystemCallArchitectures = add_nothing

    def add_User(self, words):
        self.user = int(words[0])

    def nearest(self, path, kinds):
        """The rule on the nearest folder above; of equals all."""
        found = [r for r in self.rules if r.kind in kinds and within(path, r.path)]
        depth = max((len(r.path.rstrip("/")) for r in found), default=None)
        found = [r for r in found if len(r.path.rstrip("/")) == depth]
        explicit = [r for r in found if not r.implicit]
        if any(r.implicit and r.kind == "rw" for r in found) and explicit:
            found = [r for r in found if not (r.implicit and r.kind == "rw")]
        return sorted(found, key=lambda r: STRENGTH.index(r.kind))

    def hidden_above(self, path):
        return [r for r in self.rules if r.kind == "hidden" and within(path, r.path) and path != r.path]

    def hidden_at(self, path):
        return any(r.kind == "hidden" and r.path == path for r in self.rules)

    def content(self, path):
        """Where on the host the content of path lies; None: nowhere (a new file system)."""
        found = self.nearest(path, CONTENT)
        if not found:
            return path
        if found[0].kind == "bind":
            return found[0].source + path[len(found[0].path):]
        return None

    def writable(self, path):
        found = self.nearest(path, {"ro", "rw"} | CONTENT)
        return not any(r.kind == "ro" or r.read_only for r in found)

    def runnable(self, path):
        # Only ExecPaths opens what NoExecPaths closed; of both on one path the prohibition holds.
        found = self.nearest(path, {"noexec", "exec"})
        return not any(r.kind == "noexec" for r in found)

    def is_mount_parent(self, path):
        return [r for r in self.rules if r.kind in CONTENT and within(r.path, path) and r.path != path]

    def expect(self, path):
        """The answer for a path: a dict of what must be seen, or None where the model has no opinion."""
        real = self.host.resolve(path)
        if real is None:
            return {"stat": errno.ENOENT} if self.is_open_way(path) else None
        if self.hidden_above(real):
            return {"stat": errno.EACCES if self.user else errno.ENOENT}
        # A link that lies below something hidden or replaced is not there to be followed.
        if path != real and not (self.is_plain_way(path) and self.is_open_way(path)):
            return None
        if self.hidden_at(real):
            return {"stat": 0, "mode": 0, "read": errno.EACCES if self.user else 0, "hidden": os.stat(real).st_ino}
        where = self.content(real)
        if where is None:
            found = self.nearest(real, CONTENT)[0]
            if found.kind == "dev" and real in ("/dev/null", "/dev/shm"):
                # Nodes work on a read-only file system; /dev/shm is a mount of its own, which only a rule of the user's closes.
                closed = any(r.kind == "ro" and not r.implicit and within("/dev", r.path) for r in self.rules)
                return {"stat": 0, "write": errno.EROFS if closed and real == "/dev/shm" else 0}
            if real == found.path:
                answer = {"stat": 0, "write": self.write_answer(real, found)}
                if self.user and not self.in_tree(real) and found.kind == "tmpfs":
                    answer.pop("write")
                if not self.is_mount_parent(real) and found.kind != "dev":
                    answer["entries"] = 0
                return answer
            return None if self.is_mount_parent(real) else {"stat": errno.ENOENT}
        if not os.path.lexists(where):
            return None if self.is_mount_parent(real) else {"stat": errno.ENOENT}
        if os.path.islink(where):
            return None
        st = os.stat(where)
        answer = {"stat": 0, "ino": st.st_ino}
        special = not (stat.S_ISDIR(st.st_mode) or stat.S_ISREG(st.st_mode))
        # What the kernel makes up has numbers of its own in each mount, and takes nothing new.
        if real.startswith(("/proc/", "/sys/")) or real == "/sys":
            return {"stat": 0, "read_only": int(not self.writable(real))}
        if self.user and not self.in_tree(where):
            return answer
        answer["read"] = 0
        writable = self.writable(real)
        if special and self.devices_closed and real == "/dev/kmsg":
            answer["read"] = answer["write"] = errno.EPERM
        elif special:
            # Read-only mounts do not stop writing to a pipe or a device; the seal's Landlock rules below strict do.
            writable = writable or not self.strict
            # Landlock speaks of the folder itself: one that is bound somewhere writable has its rule in both places.
            if not writable and any(r.kind == "bind" for r in self.rules):
                answer.pop("write", None)
            else:
                answer["write"] = 0 if writable else errno.EACCES
        elif self.user and not st.st_mode & 2:
            pass  # a folder that was made as the target of a bind: root's
        else:
            answer["write"] = 0 if writable else errno.EROFS
        if stat.S_ISREG(st.st_mode) and st.st_mode & 0o111 and self.in_tree(real):
            answer["exec"] = 0 if self.runnable(real) else errno.EACCES
        return answer

    def write_answer(self, real, found):
        if not self.writable(real):
            return errno.EROFS
        return errno.EACCES if self.user and found.kind == "tmpfs" else 0

    def in_tree(self, path):
        return within(path, self.host.root)

    def ways(self, path):
        """The links on the way."""
        for _ in range(40):
            for name, value in self.host.links.items():
                if within(path, name):
                    yield name
                    path = os.path.normpath(os.path.join(os.path.dirname(name), value)) + path[len(name):]
                    break
            else:
                return

    def is_plain_way(self, path):
        """No link on the way lies in what is replaced."""
        return not any(self.nearest(name, CONTENT) for name in self.ways(path))

    def is_open_way(self, path):
        """No link on the way lies in what is hidden."""
        return not any(self.hidden_above(name) for name in self.ways(path))


# ---- drawing ----

def draw(rng, root):
    """Two or three assignments of two directives."""
    tree = [f"{root}/{p}" for p in FOLDERS + FILES + FIFOS + list(LINKS)] + [str(root)]
    folders = [f"{root}/{p}" for p in FOLDERS]
    plain_files = [f"{root}/{p}" for p in FILES]
    outside = ["/etc", "/etc/hostname", "/usr/bin/pathchk", "/home", "/opt", "/var/tmp", "/tmp", "/dev", "/root"]

    def paths():
        words = []
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
            path = rng.choice(tree if rng.random() < 0.85 else outside)
            if rng.random() < 0.05:
                path = rng.choice(("/nonexist", f"{root}/a/none"))
            words.append(("-" if path.endswith(("l_dangling", "none", "nonexist")) and rng.random() < 0.8 or rng.random() < 0.1 else "") + path)
        return words

    def binds():
        if rng.random() < 0.3:
            source, target = rng.sample(plain_files, 2)
        else:
            source, target = rng.sample(folders, 2)
        if rng.random() < 0.05:
            source = "/nonexist"
        return [("-" if rng.random() < 0.2 else "") + f"{source}:{target}"]

    draws = {
        "ReadOnlyPaths": paths, "ReadWritePaths": paths, "InaccessiblePaths": paths, "NoExecPaths": paths, "ExecPaths": paths,
        "BindPaths": binds, "BindReadOnlyPaths": binds,
        "TemporaryFileSystem": lambda: [rng.choice(folders) + rng.choice(("", "", ":ro"))],
        "ProtectSystem": lambda: [rng.choice(("yes", "full", "strict", "strict"))],
        "ProtectHome": lambda: [rng.choice(("yes", "read-only", "tmpfs"))],
        "PrivateTmp": lambda: [rng.choice(("yes", "disconnected"))],
        "PrivateDevices": lambda: ["yes"], "PrivateNetwork": lambda: ["yes"], "PrivateIPC": lambda: ["yes"], "PrivatePIDs": lambda: ["yes"],
        "PrivateMounts": lambda: ["yes"], "ProtectHostname": lambda: [rng.choice(("yes", "private", "yes:some-name"))], "KeyringMode": lambda: [rng.choice(("private", "shared"))], "ProtectKernelTunables": lambda: ["yes"], "ProtectKernelModules": lambda: ["yes"],
        "ProtectKernelLogs": lambda: ["yes"], "ProtectControlGroups": lambda: ["yes"], "ProtectClock": lambda: ["yes"],
        "RestrictNamespaces": lambda: ["yes"], "RestrictAddressFamilies": lambda: ["none"], "MemoryDenyWriteExecute": lambda: ["yes"],
        "RestrictRealtime": lambda: ["yes"], "LockPersonality": lambda: ["yes"], "SystemCallArchitectures": lambda: ["native"], "NoNewPrivileges": lambda: ["yes"], "User": lambda: ["65534"],
        # These must change nothing about paths.
        "LimitNOFILE": lambda: ["64"], "LimitMEMLOCK": lambda: ["0"], "Nice": lambda: ["19"], "CPUAffinity": lambda: ["0-8191"],
        "IgnoreSIGPIPE": lambda: ["no"], "PassEnvironment": lambda: ["TERM"], "UnsetEnvironment": lambda: ["TERM"], "CPUWeight": lambda: ["50"],
        "SetCredential": lambda: ["key:secret"], "Delegate": lambda: [rng.choice(("yes", "pids"))],
        "DevicePolicy": lambda: ["closed"], "IPAddressDeny": lambda: ["any"], "SocketBindDeny": lambda: ["tcp:80"],
        "RestrictNetworkInterfaces": lambda: [rng.choice(("lo", "~lo"))], "BindNetworkInterface": lambda: ["lo"],
    }
    weights = [4 if draws[k] in (paths, binds) or k == "TemporaryFileSystem" else 2 if k.startswith("P") else 1 for k in draws]
    names = rng.choices(list(draws), weights, k=2)
    if rng.random() < 0.3:
        names.append(rng.choice(names))
    lists = {"ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "NoExecPaths", "ExecPaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem"}
    chosen = []
    for name in names:
        if name in lists or name not in [c[0] for c in chosen]:
            chosen.append((name, draws[name]()))
    return chosen


def breaks_probe(model, tools):
    """The probe itself must be there to answer, and root's folders to be looked up."""
    return any(r.kind in ("hidden", "noexec") and within(str(tools), r.path) for r in model.rules)


def compare(model, got, path):
    want = model.expect(path)
    if want is None:
        return []
    seen = got[path]
    bad = []
    for key, value in want.items():
        if key == "hidden":
            # Root may open the stand-in of a pipe, which is a pipe; it leads nowhere.
            if seen.get("entries", 0) or seen.get("bytes", 0) or not seen.get("write") and seen.get("type") != 1 or seen.get("ino") == value:
                bad.append(f"{path}: hidden, yet {seen}")
        elif key == "read" and model.hidden_at(model.host.resolve(path)) and seen["type"] in (1, 2, 12):
            continue  # a stand-in of another type
        elif seen.get(key) != value:
            bad.append(f"{path}: {key} is {seen.get(key)}, expected {value}")
    return bad


@pytest.fixture(scope="module")
def tree(tools):
    import pathlib
    import tempfile
    from conftest import remove
    root = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-pairs-", dir="/srv"))
    make_tree(root, tools / "probe")
    yield root
    remove(root)


def credential_faults(model, got, path):
    """Whatever else holds, the payload reads its credential and cannot write it."""
    seen = got[path]
    if not model.credentials:
        return [] if seen.get("stat") else [f"{path}: there is a credential, yet none was given"]
    return [] if seen.get("read") == 0 and seen.get("write") in (errno.EROFS, errno.EACCES) else [f"{path}: a credential, yet {seen}"]


IN_ROOT = {"ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "NoExecPaths", "ExecPaths"}


def in_root(name, words):
    """The same meant inside of a root."""
    return [w.replace("/", "+/", 1) for w in words] if name in IN_ROOT else words


def run_in_root(box, assignments, argv, options):
    """A root that holds all that the host does, in a mount namespace of the test's own: what holds on the host must hold in it."""
    root = box.data / "root"
    root.mkdir(exist_ok=True)
    whole = box.arguments([f"RootDirectory={root}", "MountAPIVFS=no", "BindLogSockets=no", *assignments], ["-P", *options])
    p = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --rbind / "$0" && exec "$@"', root, binary(), *whole, *map(str, argv)],
                       env=box.env(), capture_output=True, text=True, errors="replace", check=False)
    return Result(p.returncode, p.stdout, p.stderr)


def check_pair(box, tree, seed, rooted=False):
    rng = random.Random(seed)
    host = Host(tree)
    properties = draw(rng, tree)
    model = Model(host, properties)
    if breaks_probe(model, box.tools) or model.bound_twice or model.unspecified:
        return []
    assignments = [f"{name}={' '.join(in_root(name, words) if rooted else words)}" for name, words in properties]
    paths = [f"{tree}/{p}" for p in FOLDERS + FILES + FIFOS + PROGRAMS + list(LINKS)] + [str(tree)] + SYSTEM
    paths += [f"{tree}/l_dir/f", f"{tree}/a/up/e/f", f"{tree}/d/abs/c/f", f"{tree}/l_chain/c", f"{tree}/a/b/out/in/f"]
    unit = box.name()
    credential = f"/run/credentials/{unit}.service/key"
    argv = [box.probe, "access", *paths, credential]
    r = run_in_root(box, assignments, argv, ["-u", unit]) if rooted else box.run(assignments, *argv, options=["-u", unit])
    head = f"BULKHEAD_SEED={seed} BULKHEAD_PAIRS=1{' in a root' if rooted else ''}:\n  -p " + " -p ".join(assignments)
    if model.error:
        return [] if r.status == model.error else [f"{head}\n  status {r.status}, expected {model.error}: {r.err}"]
    if r.status != 0:
        return [f"{head}\n  status {r.status}: {r.err}"]
    got = json.loads(r.out)
    bad = [line for path in paths for line in compare(model, got, path)] + credential_faults(model, got, credential)
    return [head + "".join(f"\n  {line}" for line in bad)] if bad else []


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_pairs(box, tree, chunk):
    failures = []
    for seed in range(SEED + chunk, SEED + COUNT, CHUNKS):
        failures += check_pair(box, tree, seed)
    print(f"seeds from {SEED}, {COUNT} pairs")
    assert not failures, f"{len(failures)} of {len(range(SEED + chunk, SEED + COUNT, CHUNKS))} pairs:\n" + "\n".join(failures[:20])


@pytest.mark.parametrize("chunk", range(5))
def test_pairs_in_a_root(box, tree, chunk):
    """Fewer of the same, with RootDirectory= beside them."""
    failures = []
    for seed in range(SEED + chunk, SEED + COUNT // 5, 5):
        failures += check_pair(box, tree, seed, rooted=True)
    assert not failures, f"{len(failures)} pairs:\n" + "\n".join(failures[:20])


def test_the_model_can_fail(box, tree):
    """The model is no tautology: asked about other directives than those in force, it disagrees."""
    host = Host(tree)
    for held, believed in (("ReadOnlyPaths", "ReadWritePaths"), ("InaccessiblePaths", "ReadOnlyPaths"), ("ReadWritePaths", "InaccessiblePaths"),
                           ("ExecPaths", "NoExecPaths"), ("NoExecPaths", "ExecPaths")):
        paths = [f"{tree}/{p}" for p in FOLDERS + FILES + PROGRAMS]
        got = box.access(f"{held}={tree}/a", *paths)
        assert not [b for p in paths for b in compare(Model(host, [(held, [f"{tree}/a"])]), got, p)]
        assert [b for p in paths for b in compare(Model(host, [(believed, [f"{tree}/a"])]), got, p)]
