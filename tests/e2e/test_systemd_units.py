# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's own judge of execution environments: the units of Debian's package systemd-tests check from inside that they got what they
ask for, and end with a status that says so. Each is run by `bulkhead unit run` in a mount namespace with folders of its own.

The units are not ours and not in our tree; BULKHEAD_SYSTEMD_UNITS names another folder with them.
"""
import grp
import json
import os
import pathlib
import platform
import pwd
import shutil
import subprocess

import pytest

from conftest import binary

UNITS = pathlib.Path(os.environ.get("BULKHEAD_SYSTEMD_UNITS") or "/usr/lib/systemd/tests/testdata/test-execute")

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
              pytest.mark.skipif(not UNITS.is_dir(), reason="systemd-tests is not installed (packaging/install-deps test)")]

# ---- how they end: what "unit status --json" says; None: whatever it is ----

SUCCESS = ("success", "exited", 0)


def ends(status):
    return "exit-code", "exited", status


def is_killed(number):
    return "signal", "killed", number


ENDS = {
    "exec-condition-failed": ("exit-code", None, None),
    "exec-condition-skip": ("exec-condition", None, None),
    "exec-ignoresigpipe-no": is_killed(13),
    "exec-restrictnamespaces-mnt-deny-list": ends(1),
    "exec-restrictnamespaces-yes": ends(1),
    "exec-systemcallerrornumber-name": ends(13),
    "exec-systemcallerrornumber-number": ends(255),
    "exec-systemcallfilter-failing": is_killed(31),
    "exec-systemcallfilter-failing2": is_killed(31),
    "exec-systemcallfilter-failing3": is_killed(31),
    "exec-systemcallfilter-override-error-action": is_killed(31),
    "exec-systemcallfilter-override-error-action2": ends(84),
    "exec-systemcallfilter-with-errno-in-allow-list": ends(84),
    "exec-systemcallfilter-with-errno-multi": ends(84),
    "exec-systemcallfilter-with-errno-name": ends(84),
    "exec-systemcallfilter-with-errno-number": ends(255),
}

# ---- what they need ----

ENVIRONMENT_FILE = """VAR1='word1 word2'
VAR2=word3\x20
# a comment

; another
 ; # and one more
this line assigns nothing
VAR3='$word 5 6'
VAR4='new
line'
VAR5=password\\with\\backslashes
"""
VARIABLES = {"VAR1": "word1 word2", "VAR2": "word3", "VAR3": "$word 5 6", "VAR4": "new\nline", "VAR5": "passwordwithbackslashes"}


def write(path, text):
    return f"cat >{path} <<'END'\n{text}END\n"


def other_root():
    """A drop-in that puts two programs with their libraries into the unit's own root, and the commands that use them."""
    programs = {name: os.path.realpath(shutil.which(name)) for name in ("touch", "test")}
    needed = set()
    for path in programs.values():
        out = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True, text=True).stdout
        needed |= {word for word in out.split() if word.startswith("/")}
    lines = ["[Service]", f"ExecStart={programs['touch']} /aaa", f"ExecStart={programs['test']} -f /aaa",
             "BindReadOnlyPaths=" + " ".join(sorted(needed | set(programs.values())))]
    folder = '"$units/exec-mount-apivfs-no.service.d"'
    return f"mkdir -p /tmp/test-exec-mount-apivfs-no/root {folder}\n" + write(f"{folder}/root.conf", "\n".join(lines) + "\n")


FIXTURES = {  # by the beginning of the name, shell
    "exec-bindpaths": "mkdir -p /tmp/test-exec-bindpaths /tmp/test-exec-bindreadonlypaths\n",
    "exec-environmentfile": write("/tmp/test-exec_environmentfile.conf", ENVIRONMENT_FILE),
    "exec-execsearchpath-environmentfile": write("/tmp/test-exec_execsearchpath_environmentfile.conf", ENVIRONMENT_FILE),
    "exec-execsearchpath-environmentfile-set": write("/tmp/test-exec_execsearchpath_environmentfile-set.conf", ENVIRONMENT_FILE + "PATH=/usr\n"),
    "exec-mount-apivfs-no": other_root,
    # Any interface beside the loopback's tells that the namespace is not the unit's; the type "dummy" is not in every kernel.
    "exec-privatenetwork-yes": "ip link add dummy-test-exec type dummy || ip link add dummy-test-exec type bridge\n",
    "exec-privatetmp": "touch /tmp/test-exec_privatetmp\n",
    "exec-workingdirectory": "mkdir /tmp/test-exec_workingdirectory\n",
}
CALLERS_VARIABLES = {
    "exec-passenvironment": VARIABLES,
    "exec-passenvironment-absent": {},
    "exec-execsearchpath-passenvironment": VARIABLES,
    "exec-execsearchpath-passenvironment-set": {**VARIABLES, "PATH": "/usr"},
}
MOUNTS = "it mounts something itself, which the seal is there to prevent"
OPTIONS = {  # and why
    "exec-inaccessiblepaths-mount-propagation": ("--seal=off", MOUNTS),
    "exec-protectkernelmodules-yes-mount-propagation": ("--seal=off", MOUNTS),
    "exec-readonlypaths-mount-propagation": ("--seal=off", MOUNTS),
    "exec-readwritepaths-mount-propagation": ("--seal=off", MOUNTS),
    "exec-environmentfile": ("--lenient", "a line that assigns nothing"),
    "exec-execsearchpath-environmentfile": ("--lenient", "a line that assigns nothing"),
    "exec-execsearchpath-environmentfile-set": ("--lenient", "a line that assigns nothing"),
    "exec-restrictnamespaces-merge-and": ("--lenient", 'a namespace that is called "usr"'),
    "exec-systemcallfilter-failing2": ("--lenient", "system calls that there are not"),
    "exec-systemcallfilter-failing3": ("--lenient", "system calls that there are not"),
}
MIGRATION = "exec-dynamicuser-statedir-migrate-step"
RUNTIME = "exec-dynamicuser-runtimedirectory"
# Units that go on where others left off, and shell between them.
ORDERS = {
    f"{MIGRATION}1": [f"{MIGRATION}1", f"{MIGRATION}2", f"{MIGRATION}1"],
    f"{MIGRATION}2": [f"{MIGRATION}1", f"{MIGRATION}2"],
    f"{RUNTIME}2": [f"{RUNTIME}1", f"{RUNTIME}2"],
    f"{RUNTIME}3": [f"{RUNTIME}1", f"{RUNTIME}2", f"{RUNTIME}3"],
    "exec-execsearchpath": ["$mkdir /tmp/test-exec_execsearchpath && cp /bin/ls /tmp/test-exec_execsearchpath/ls_temp", "exec-execsearchpath",
                            "$rm /tmp/test-exec_execsearchpath/ls_temp", ("exec-execsearchpath", ends(203))],
    "exec-specifier@": ["exec-specifier@foo-bar"],
}


# ---- what cannot run here ----

def has_pair(name):
    """Whether there is a user of that name with a group of that name as its own."""
    try:
        return pwd.getpwnam(name).pw_gid == grp.getgrnam(name).gr_gid
    except KeyError:
        return False


def holds(capability):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("CapEff:\t")[1].split()[0], 16) >> capability & 1


def cannot_run(name):
    """The reason, or None."""
    architecture = name.removeprefix("exec-personality-") if name.startswith("exec-personality-") else None
    here = {"x86_64": ("x86-64", "x86"), "i686": ("x86",)}.get(platform.machine(), (platform.machine(),))
    if name.endswith("-nfsnobody") and not has_pair("nfsnobody"):
        return "there is no user and group nfsnobody"
    if name in ("exec-group-nobody", "exec-runtimedirectory-owner-nobody") and not has_pair("nobody"):
        return "the group of nobody has another name here"
    if name in ("exec-group-nogroup", "exec-runtimedirectory-owner-nogroup") and has_pair("nobody"):
        return "the group of nobody is nobody here"
    if name.startswith("exec-dynamicuser-fixeduser-") and name.rsplit("-", 1)[1] in ("adm", "games") and not has_pair(name.rsplit("-", 1)[1]):
        return "there is no such user with a group of the same name"
    if architecture and architecture not in here:
        return "of another architecture"
    if name == "exec-cpuaffinity3" and not {0, 1, 2} <= os.sched_getaffinity(0):
        return "needs three CPUs"
    if name == "exec-oomscoreadjust-negative" and not holds(24):
        return "needs CAP_SYS_RESOURCE"
    return None


# ---- running ----

PROLOGUE = """set -e
mount --make-rshared /
units=/run/systemd-units
mount -t tmpfs -o mode=755 none /run
cp -r "$source" $units
mkdir /run/built && mount --bind "$built" /run/built
for folder in /tmp /var/tmp /root /var/lib /dev/shm; do mount -t tmpfs -o mode=755 none $folder; done
chmod 1777 /tmp /var/tmp /dev/shm
"""


def longest(table, name):
    """Of the rows whose name is a beginning of this one, the most exact."""
    return max((key for key in table if name.startswith(key)), key=len, default=None)


def run_one(unit):
    """Shell that runs the unit, and then says how it ended on standard output, one line."""
    options = OPTIONS.get(unit, ("",))[0]
    variables = CALLERS_VARIABLES.get(longest(CALLERS_VARIABLES, unit), {})
    given = " ".join("'" + f"{k}={v}" + "'" for k, v in variables.items())
    return (f"env {given} /run/built/bulkhead unit run --unit-path $units {options} {unit}.service </dev/null >&2 || true\n"
            f"/run/built/bulkhead unit status --json {unit}.service | tr -d '\\n'; echo\n")


def run_all(steps, fixture):
    """What each unit ended as, and all that was said."""
    script = PROLOGUE + fixture
    for step in steps:
        unit = step if isinstance(step, str) else step[0]
        script += unit[1:] + "\n" if unit[0] == "$" else run_one(unit)
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "source": str(UNITS),
           "built": str(binary().parent), "BULKHEAD_RUNTIME_DIR": "/run/bulkhead-judged"}
    r = subprocess.run(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script], env=env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    err = r.stderr.decode(errors="replace")
    assert "Sanitizer" not in err, err
    return [json.loads(line) if line else {} for line in r.stdout.decode(errors="replace").splitlines()], err


def names():
    return [p.stem for p in sorted(UNITS.glob("exec-*.service"))] if UNITS.is_dir() else ["all"]


@pytest.mark.parametrize("name", names())
def test_systemds_unit_ends_as_it_should(name):
    reason = cannot_run(name)
    if reason:
        pytest.skip(reason)
    steps = ORDERS.get(name, [name])
    fixture = FIXTURES.get(longest(FIXTURES, name), "")
    ended, err = run_all(steps, fixture if isinstance(fixture, str) else fixture())
    units = [step for step in steps if step[0] != "$"]
    assert len(ended) == len(units), err
    for unit, end in zip(units, ended):
        unit, wanted = (unit, ENDS.get(unit, SUCCESS)) if isinstance(unit, str) else unit
        got = end.get("result"), end.get("code"), end.get("status")
        assert all(w is None or w == g for w, g in zip(wanted, got)), (unit, got, err)


def test_the_judge_can_say_no(tmp_path, monkeypatch):
    """A twin of them all: without what the unit asks for, its check fails."""
    for unit, directive in (("exec-privatetmp-yes", "PrivateTmp=yes"), ("exec-readonlypaths-simple", "ReadOnlyPaths=/tmp"),
                            ("exec-privatenetwork-yes", "PrivateNetwork=yes"), ("exec-capabilityboundingset-invert", "CapabilityBoundingSet=~CAP_CHOWN")):
        text = (UNITS / f"{unit}.service").read_text()
        assert f"{directive}\n" in text
        (tmp_path / f"{unit}.service").write_text(text.replace(f"{directive}\n", "\n"))
        monkeypatch.setitem(globals(), "UNITS", tmp_path)
        ended, err = run_all([unit], FIXTURES.get(longest(FIXTURES, unit), ""))
        monkeypatch.undo()
        assert [e.get("result") for e in ended] == ["exit-code"], (unit, err)


def test_a_unit_that_mounts_fails_in_the_seal():
    """A twin of those with --seal=off: the seal is what they would fail at."""
    unit = "exec-readonlypaths-mount-propagation"
    options = OPTIONS.pop(unit)
    try:
        ended, err = run_all([unit], "")
    finally:
        OPTIONS[unit] = options
    assert [e.get("result") for e in ended] == ["exit-code"] and "permission denied" in err, err
