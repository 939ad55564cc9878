# SPDX-License-Identifier: LGPL-2.1-or-later
"""Timers, sockets and paths: which values are wrong. systemd-analyze judges where it is installed."""
import pathlib
import random
import re
import shutil
import subprocess

import pytest

from conftest import binary

STOCK = pathlib.Path("/lib/systemd/system")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "TZ": "UTC"}

# A name, values that are good, and values that are not.
SPANS = ["5", "5min 20s", "1h30m", "1.5s", "infinity", "0"], ["x", "5 bananas", "-1"]
FLAGS = ["yes", "no", "1", "off", "TRUE"], ["maybe", "2"]
TIMER = {
    "OnActiveSec": SPANS, "OnBootSec": SPANS, "OnStartupSec": SPANS, "OnUnitActiveSec": SPANS, "OnUnitInactiveSec": SPANS, "AccuracySec": SPANS, "RandomizedDelaySec": SPANS,
    "OnCalendar": (["daily", "Mon..Fri 10:00", "*-*~1 UTC", "*:0/7 Europe/Berlin"], ["never", "25:00", "daily Nowhere"]),
    "Persistent": FLAGS, "WakeSystem": FLAGS, "RemainAfterElapse": FLAGS, "FixedRandomDelay": FLAGS, "OnClockChange": FLAGS, "OnTimezoneChange": FLAGS,
}
SOCKET = {
    "ListenStream": (["80", "1.2.3.4:80", "[::1]:80", "/run/x", "@x", "vsock:2:3", "vsock::3", "[fe80::1]:80%%lo"], ["0", "65536", "1.2.3.4", "[::1]", "x", "1.2.3:4", "vsock:x:3", "[::1]:x"]),
    "ListenDatagram": (["80", "/run/y"], ["y"]),
    "ListenSequentialPacket": (["/run/z", "@z"], []),
    "ListenFIFO": (["/run/fifo"], ["fifo"]),
    "ListenNetlink": (["kobject-uevent 1", "audit", "route 2"], ["nothing"]),
    "ListenMessageQueue": (["/q"], ["q"]),
    "Backlog": (["0", "5", "4294967295"], ["-1", "x"]),
    "BindIPv6Only": (["default", "both", "ipv6-only"], ["ipv4", "maybe"]),
    "SocketMode": (["0600", "0666", "777"], ["0999", "rw"]),
    "DirectoryMode": (["0755"], ["x"]),
    "KeepAliveTimeSec": SPANS, "KeepAliveIntervalSec": SPANS, "DeferAcceptSec": SPANS, "TriggerLimitIntervalSec": SPANS,
    "KeepAlive": FLAGS, "NoDelay": FLAGS, "FreeBind": FLAGS, "Transparent": FLAGS, "Broadcast": FLAGS, "PassCredentials": FLAGS, "PassSecurity": FLAGS, "PassPacketInfo": FLAGS,
    "ReusePort": FLAGS, "RemoveOnStop": FLAGS, "FlushPending": FLAGS, "Writable": FLAGS, "SendSIGHUP": FLAGS, "SendSIGKILL": FLAGS,
    "Timestamping": (["off", "us", "usec", "µs", "ns", "nsec"], ["ms", "maybe"]),
    "IPTOS": (["low-delay", "throughput", "reliability", "low-cost", "16", "0x10"], ["high", "x"]),
    "ReceiveBuffer": (["64K", "1M", "100"], ["x", "-1"]), "SendBuffer": (["64K"], ["x"]), "PipeSize": (["64K"], ["x"]),
    "SocketProtocol": ([], ["tcp"]),
    "FileDescriptorName": (["a", "a b"], ["a:b"]),
    "MaxConnections": (["1", "100"], ["x"]), "MaxConnectionsPerSource": (["0", "3"], ["x"]), "TriggerLimitBurst": (["0", "3"], ["x"]),
    "KillMode": (["control-group", "process", "mixed"], ["all"]),
    "ExecStartPre": (["/bin/true", "-/bin/true a"], ['"/bin/true']),
}


PATH = {
    "PathExists": (["/a", "/a//b/"], ["a"]), "PathExistsGlob": (["/a*/b?"], ["a*"]), "PathChanged": (["/a"], ["a"]), "PathModified": (["/a"], ["./a"]),
    "DirectoryNotEmpty": (["/a"], ["a"]), "MakeDirectory": FLAGS, "DirectoryMode": (["0700", "755"], ["0999", "rw"]), "TriggerLimitIntervalSec": SPANS,
    "TriggerLimitBurst": (["0", "3"], ["x"]),
}


def call(*argv):
    p = subprocess.run([str(a) for a in argv], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return p.returncode, p.stdout, p.stderr


def lines_of_ours(path):
    code, _, err = call(binary(), "unit", "verify", "-q", path)
    return {int(n) for n in re.findall(rf"{re.escape(str(path))}:(\d+)", err)}, code, err


def lines_of_theirs(path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    _, _, err = call("systemd-analyze", "verify", "--man=no", path)
    return {int(n) for n in re.findall(rf"{re.escape(str(path))}:(\d+): ", err)}, err


def write(folder, name, section, base, lines):
    (folder / name.replace(name.rsplit(".")[-1], "service")).write_text("[Service]\nExecStart=/bin/true\n")
    path = folder / name
    path.write_text(f"[{section}]\n{base}\n" + "".join(f"{n}={v}\n" for n, v in lines))
    return path


@pytest.mark.parametrize("name, section, base, table", [("t.timer", "Timer", "OnBootSec=1h", TIMER), ("s.socket", "Socket", "ListenStream=/run/base", SOCKET),
                                                       ("p.path", "Path", "PathExists=/base", PATH)])
def test_bad_values_are_told_on_the_lines_that_systemd_names(tmp_path, name, section, base, table):
    lines = [(n, v) for n, (good, bad) in table.items() for v in good + bad]
    path = write(tmp_path, name, section, base, lines)
    wanted = {i + 3 for i, (n, v) in enumerate(lines) if v in table[n][1]}
    ours, code, err = lines_of_ours(path)
    assert ours == wanted, [lines[i - 3] for i in ours ^ wanted]
    assert code == 1
    theirs, said = lines_of_theirs(path)
    assert theirs == wanted, [lines[i - 3] for i in theirs ^ wanted]


@pytest.mark.parametrize("name, section, base, table", [("t.timer", "Timer", "OnBootSec=1h", TIMER), ("s.socket", "Socket", "ListenStream=/run/base", SOCKET),
                                                       ("p.path", "Path", "PathExists=/base", PATH)])
def test_random_good_ones_have_no_error(tmp_path, name, section, base, table):
    r = random.Random(name)
    for i in range(30):
        lines = [(n, r.choice(good)) for n, (good, _) in table.items() if good and r.random() < 0.4]
        ours, code, err = lines_of_ours(write(tmp_path, name, section, base, lines))
        assert code == 0 and not ours, err


@pytest.mark.parametrize("suffix", ["timer", "socket", "path"])
def test_stock_units_have_no_error(suffix):
    units = sorted(p for p in STOCK.glob(f"*.{suffix}") if p.is_file() and not p.is_symlink())
    if not units:
        pytest.skip("no stock units")
    for path in units:
        code, _, err = call(binary(), "unit", "verify", "-q", path)
        assert not re.search(r"id +(timer|socket|path|calendar|directive)\.", err), (path, err)


@pytest.mark.parametrize("name, text, said", [
    ("t.timer", "[Timer]\nPersistent=yes\n", "timer.empty"),
    ("t.timer", "[Timer]\nOnBootSec=1\nUnit=x.timer\n", "timer.unit"),
    ("p.path", "[Path]\nMakeDirectory=yes\n", "path.empty"),
    ("p.path", "[Path]\nPathExists=/a\nUnit=x.path\n", "path.unit"),
    ("s.socket", "[Socket]\nAccept=no\n", "socket.empty"),
    ("s.socket", "[Socket]\nListenDatagram=80\nAccept=yes\n", "socket.value"),
    ("s.socket", "[Socket]\nListenStream=80\nSmackLabel=x\n", "directive.unsupported"),
])
def test_what_does_not_fit_together(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    code, _, err = call(binary(), "unit", "verify", "-q", tmp_path / name)
    assert code == 1 and said in err
