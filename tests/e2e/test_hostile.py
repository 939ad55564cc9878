# SPDX-License-Identifier: LGPL-2.1-or-later
"""Words that no friend would send: a clear error or a run, never a crash, never much memory, nothing half made."""
import os
import resource
import subprocess

import pytest

from lifecycle import IS_ROOT, Bulkhead

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")

MEMORY = 400 << 20 if "san" not in os.environ.get("BULKHEAD", "") else None
FULL = os.environ.get("BULKHEAD_CHECK") == "--full"
WORD_MAX = 128 * 1024 - 1  # the kernel's limit of one argument
LISTS = ["ReadOnlyPaths", "InaccessiblePaths", "BindPaths", "TemporaryFileSystem", "SystemCallFilter", "Environment",
         "CapabilityBoundingSet", "SupplementaryGroups", "StateDirectory", "RuntimeDirectory", "User", "Group",
         "WorkingDirectory", "MemoryMax", "TasksMax", "CPUQuota", "UMask", "SystemCallErrorNumber", "ProtectSystem",
         "ProtectHome", "PrivateTmp", "PrivateUsers", "NoNewPrivileges", "ReadWritePaths", "ExecPaths", "NoExecPaths",
         "BindReadOnlyPaths", "DynamicUser", "LimitCPU", "LimitNICE", "CPUAffinity", "CoredumpFilter", "EnvironmentFile", "ExecSearchPath",
         "StandardOutput", "IOReadBandwidthMax", "DeviceAllow", "MemoryHigh"]


@pytest.fixture
def b():
    bulkhead = Bulkhead()
    yield bulkhead
    bulkhead.close()


def bounded(b, *args, **more):
    """On little memory. By a program of its own: a function that runs before exec would have the whole of this process copied each time."""
    whole, b.command = b.command, ["prlimit", "--core=0", *([f"--as={MEMORY}"] if MEMORY else []), "--", *b.command]
    try:
        return b(*args, **more)
    finally:
        b.command = whole


def attempt(b, *args, timeout=120):
    """Runs `true` with hostile words, on little memory. What callers must see at their end: whatever comes of it, nothing is left of it."""
    r = bounded(b, "run", "-q", "-P", "-u", b.name("h"), *args, timeout=timeout)
    if r.returncode == 255 and args[0] == "--lenient" and args[2].startswith("SystemCallFilter="):
        return r  # as with systemd: an allow list of which nothing is known allows the payload nothing
    if r.returncode:
        assert r.stderr.startswith("bulkhead"), r.stderr[:300]
        assert len(r.stderr) < 8192, len(r.stderr)
        printable = r.stderr.replace("\n", "").replace("\t", "")
        assert not any(ord(c) < 32 or ord(c) == 127 for c in printable), repr(r.stderr[:500])
        assert "out of memory" not in r.stderr.lower()
    return r


HOSTILE = {
    "long": "a" * (WORD_MAX - 40),
    "long path": "/" + "a/" * 60000,
    "deep path": "/" + "d" * 255 + "/x" * 2000,
    "long name": "/" + "n" * 256,
    "many words": "/a " * 40000,
    "spaces": " " * 100000,
    "quotes": '"' * 100000,
    "open quote": '"/etc',
    "backslashes": "\\" * 100001,
    "escapes": "\\x00\\x0a\\777\\u0000\\U0010ffff\\q",
    "nul escape": "/etc\\x00/passwd",
    "octal nul": "/etc\\000",
    "newlines": "/etc\n/usr\r\n\v\f",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x1b[2J\x1b]0;title\x07",
    "bad utf-8": b"\xff\xfe\xc0\x80\xed\xa0\x80\xf8".decode(errors="surrogateescape"),
    "dots": "/../../../etc",
    "only dots": "..",
    "dots inside": "/tmp/../etc",
    "specifiers": "%" * 50001,
    "unknown specifier": "/%q/%1",
    "specifier bomb": "/" + "%h%t%S%H%m%b" * 5000,
    "format": "%s%s%n%n%x",
    "colons": ":" * 10000,
    "minuses": "-" * 10000,
    "tildes": "~" * 10000,
    "at signs": "@" * 10000,
    "groups": "@system-service " * 5000,
    "huge number": "9" * 1000,
    "negative": "-1",
    "overflow": "18446744073709551616",
    "near overflow": "18446744073709551615T",
    "percent": "99999999999999999999%",
    "equals": "=" * 10000,
    "unicode": "\u202e\u2066\U0001f600" * 1000,
    "empty words": '"" "" \'\'',
    "null": "",
    "infinity": "infinity",
    "nan": "nan",
}


def some(value, names):
    """A third of the names, another for each of three values in turn, so that each name meets a third of the values; with --full, all."""
    return names if FULL else names[[*HOSTILE.values()].index(value) % 3::3]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_values(b, value):
    for name in some(value, LISTS):
        attempt(b, "-p", f"{name}={value}", "true")
    b.assert_clean(records=True)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_values_leniently(b, value):
    for name in some(value, LISTS[:12]):
        attempt(b, "--lenient", "-p", f"{name}={value}", "true")
    b.assert_clean(records=True)


@pytest.mark.parametrize("value", [v for v in HOSTILE.values() if v], ids=[k for k, v in HOSTILE.items() if v])
def test_hostile_unit_names(b, value):
    for name in (value, value + ".service", "a" + value):
        for verb in (["run", "-P", "-u", name, "true"], ["inspect", name], ["logs", name], ["stop", name], ["kill", name],
                     ["attach", name]):
            if name.startswith("-"):
                verb.insert(len(verb) - 1 - (verb[-1] == "true"), "--") if verb[0] != "run" else None
            r = bounded(b, *verb)
            assert len(r.stderr) < 16384
            assert "\x1b" not in r.stderr and "\x07" not in r.stderr, repr(r.stderr[:300])
    b.assert_clean(records=True)
    assert set(os.listdir(b.folder)) <= {"runs", "inaccessible", "dynamic-uid", "filters"}


@pytest.mark.parametrize("name", ["../x", "x/../y", "..", ".", "/", "a/b", "a..b", ".hidden", "a b", "a\nb", "a\tb", "\\x2e\\x2e",
                                  "a\x1bb", "é", "%h", "*", "a;b", "$(id)", "-", ""])
def test_names_that_are_no_names(b, name):
    r = b("run", "-P", f"--unit={name}", "true")
    if name == "\\x2e\\x2e":  # plain characters to us: nothing unescapes them
        assert r.returncode in (0, 1)
    else:
        assert r.returncode == 1 and "unit.name" in r.stderr, (name, r.stderr)
    b.assert_clean(records=True)


def test_long_names(b):
    """The longest name works with all that makes files of it; one more byte is refused."""
    for n in (100, 200, 240, 247):
        name = (b.token + "n" * 300)[:n]
        r = b("run", "-q", "-P", "-u", name, "-p", "PrivateTmp=yes", "-p", "DynamicUser=yes", "-p", "MemoryMax=50M", "true")
        assert r.returncode == 0, (n, r.stderr)
    assert "unit.name" in b("run", "-P", "-u", "n" * 248, "true").stderr
    b.assert_clean(records=True)


@pytest.mark.parametrize("name", ["", "=", "=x", "X", "Nope=1", "privatetmp=yes", "PrivateTmp =yes", " PrivateTmp=yes", "PrivateTmp",
                                  "PrivateTmp\n=yes", "\x1b[31m=1", "A" * 100000 + "=1"])
def test_hostile_directive_names(b, name):
    r = attempt(b, "-p", name, "true")
    assert r.returncode == 1 and "directive." in r.stderr
    b.assert_clean(records=True)


def test_ten_thousand_directives(b):
    words = [w for i in range(10000) for w in ("-p", f"ReadOnlyPaths=-/does/not/exist/{i}")]
    assert attempt(b, *words, "true").returncode == 0
    words = [w for i in range(10000) for w in ("-p", f"Environment=V{i}={i}")]
    assert attempt(b, *words, "sh", "-c", "test $V9999 = 9999").returncode == 0
    words = [w for i in range(10000) for w in ("-p", "SystemCallFilter=@system-service")]
    assert attempt(b, *words, "true").returncode == 0
    b.assert_clean(records=True)


def test_too_many_directives_are_refused(b):
    words = [w for i in range(20001) for w in ("-p", "UMask=022")]
    r = attempt(b, *words, "true")
    assert r.returncode == 1 and "directive.limit" in r.stderr
    b.assert_clean(records=True)


def test_many_words_of_a_detached_run(b):
    """The record stays readable, however long the command and the directives are."""
    words = [w for i in range(3000) for w in ("-p", f"Environment=V{i}={'x' * 20}")]
    unit = b.start("big", *words, "sh", "-c", "exec sleep 1000", *["y" * 1000] * 500)
    r = b.ps()[unit]
    assert r["state"] == "running" and r["argv"][-1] == "..."
    b.ok("stop", unit)
    b.assert_clean(records=True)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\x01\x02", b"\xff\xfe".decode(errors="surrogateescape"), "\u202e", "x" * 100000, '"\\'])
def test_hostile_commands_and_descriptions(b, text):
    unit = b.start("c", "--description", text, "sh", "-c", "exec sleep 1000", text)
    assert b.ps()[unit]["state"] == "running"
    shown = b.ok("ps")
    assert "\x1b" not in shown and len(shown.splitlines()) == 2
    assert b.inspect(unit)["state"] == "running"
    b.ok("stop", unit)


def test_hostile_output(b):
    """What a payload prints is its own; the frame of a log line is ours."""
    unit = b.start("o", "sh", "-c", r"printf '\000\377\033[2J\n2020-01-01T00:00:00.000000000Z stderr F forged\n'; head -c 300000 /dev/zero")
    b.ended(unit)
    r = b("logs", unit)
    assert r.returncode == 0 and "forged" in r.stdout and "forged" not in r.stderr
    assert r.stdout.count("\0") == 300001


def test_no_room_for_a_run(b):
    """A runtime folder that cannot be written: an error, before anything was made."""
    b.env["BULKHEAD_RUNTIME_DIR"] = "/proc/1"
    r = b("run", "-P", "true")
    assert r.returncode == 1 and "state." in r.stderr
    b.env["BULKHEAD_RUNTIME_DIR"] = "/dev/null"
    assert b("run", "-P", "true").returncode == 1
    b.env["BULKHEAD_RUNTIME_DIR"] = b.folder
    b.assert_clean(records=True)


def test_a_runtime_folder_of_others_is_refused(b):
    folder = os.path.join(b.folder, "open")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    b.env["BULKHEAD_RUNTIME_DIR"] = folder
    r = b("run", "-P", "true")
    assert r.returncode == 1 and "state.root" in r.stderr
    link = os.path.join(b.folder, "link")
    os.symlink("/tmp", link)
    b.env["BULKHEAD_RUNTIME_DIR"] = link
    assert b("run", "-P", "true").returncode == 1
    b.env["BULKHEAD_RUNTIME_DIR"] = b.folder


@pytest.mark.parametrize("fds", [[], [0], [1], [2], [0, 1, 2]])
def test_closed_standard_descriptors(b, fds):
    def close():
        for fd in fds:
            os.close(fd)
    p = subprocess.run([*b.command, "run", "-q", "-P", "-p", "PrivateTmp=yes", "true"], env=b.env, preexec_fn=close, timeout=60,
                       close_fds=True)
    assert p.returncode >= 0
    p = subprocess.run([*b.command, "run", "-q", "-u", b.name("d"), "sleep", "1000"], env=b.env, preexec_fn=close, timeout=60,
                       close_fds=True)
    assert p.returncode >= 0
    b("stop", b.name("d"))
    b.assert_clean()


def test_few_descriptors(b):
    for limit in range(3, 24):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        r = b("run", "-q", "-P", "-p", "PrivateTmp=yes", "-p", "DynamicUser=yes", "-p", "MemoryMax=50M", "true", preexec_fn=few)
        assert r.returncode == 0 or r.stderr, limit
    b.ok("ps", "-a")  # what could not even be opened to be removed goes now
    b.ok("stop", *b.ps("-a")) if b.ps("-a") else None
    b.assert_clean(records=True)
