# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scopes of systemd, asked for over D-Bus: what arrives at the other side of the socket, and what happens when that refuses, fails or is silent."""
import json
import os
import pathlib
import socket
import struct
import subprocess
import threading

import pytest

TOOL = pathlib.Path(os.environ.get("CGROUP_TOOL", pathlib.Path(__file__).resolve().parents[2] / "build/tests/cgroup_tool"))
pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
MANAGER = "org.freedesktop.systemd1.Manager"
JOB = "/org/freedesktop/systemd1/job/7"


class Reader:
    """Values of a body by their signature."""
    SIZES = {"y": ("B", 1), "b": ("I", 4), "u": ("I", 4), "t": ("Q", 8), "x": ("q", 8), "i": ("i", 4)}

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def align(self, n):
        while self.at % n:
            assert self.data[self.at] == 0, "padding is zero"
            self.at += 1

    def take(self, n):
        assert self.at + n <= len(self.data)
        self.at += n
        return self.data[self.at - n:self.at]

    @staticmethod
    def split(signature):
        """The first complete type and the rest."""
        if signature[0] == "a":
            first, rest = Reader.split(signature[1:])
            return "a" + first, rest
        if signature[0] == "(":
            depth = 0
            for i, c in enumerate(signature):
                depth += (c == "(") - (c == ")")
                if depth == 0:
                    return signature[:i + 1], signature[i + 1:]
        return signature[0], signature[1:]

    @staticmethod
    def alignment(t):
        return {"y": 1, "g": 1, "v": 1, "(": 8, "t": 8, "x": 8}.get(t[0], 4)

    def value(self, t):
        self.align(self.alignment(t))
        if t in self.SIZES:
            code, size = self.SIZES[t]
            n = struct.unpack("<" + code, self.take(size))[0]
            assert t != "b" or n in (0, 1)
            return bool(n) if t == "b" else n
        if t in "sog":
            n = self.take(1)[0] if t == "g" else self.value("u")
            text = self.take(n).decode()
            assert self.take(1) == b"\0"
            return text
        if t == "v":
            return self.value(self.value("g"))
        if t[0] == "(":
            return tuple(self.values(t[1:-1]))
        n = self.value("u")
        self.align(self.alignment(t[1:]))
        end, items = self.at + n, []
        while self.at < end:
            items.append(self.value(t[1:]))
        assert self.at == end
        return items

    def values(self, signature):
        result = []
        while signature:
            first, signature = self.split(signature)
            result.append(self.value(first))
        return result


def string(s):
    return struct.pack("<I", len(s)) + s.encode() + b"\0"


def pad(data, n):
    return data + b"\0" * (-len(data) % n)


def message(kind, fields, body=b"", signature=""):
    raw = b""
    for code, t, value in fields + ([(8, "g", signature)] if signature else []):
        raw = pad(raw, 8) + bytes([code, len(t)]) + t.encode() + b"\0"
        raw = raw + bytes([len(value)]) + value.encode() + b"\0" if t == "g" else pad(raw, 4) + (struct.pack("<I", value) if t == "u" else string(value))
    return pad(b"l" + bytes([kind, 1, 1]) + struct.pack("<III", len(body), 99, len(raw)) + raw, 8) + body


def reply(serial, path=None):
    return message(2, [(5, "u", serial)], string(path) if path else b"", "o" if path else "")


def refusal(serial, name, words):
    return message(3, [(5, "u", serial), (4, "s", name)], string(words), "s")


def job_removed(result, job=JOB):
    body = pad(struct.pack("<I", 7) + string(job), 4)
    body = pad(body + string("unit.scope"), 4) + string(result)
    return message(4, [(1, "o", "/org/freedesktop/systemd1"), (2, "s", MANAGER), (3, "s", "JobRemoved")], body, "uoss")


class Stub(threading.Thread):
    """Takes one connection; answers(member, serial) gives the bytes for each call."""

    def __init__(self, path, answers):
        super().__init__(daemon=True)
        self.answers, self.calls, self.auth, self.error = answers, [], b"", None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.start()

    def read(self, s, n):
        data = b""
        while len(data) < n:
            more = s.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def line(self, s):
        data = b""
        while not data.endswith(b"\r\n"):
            data += self.read(s, 1)
        return data

    def run(self):
        s = self.listener.accept()[0]
        try:
            self.auth = self.line(s)
            s.sendall(b"OK 0123456789abcdef\r\n")
            assert self.line(s) == b"BEGIN\r\n"
            while True:
                head = self.read(s, 16)
                body_size, serial, fields_size = struct.unpack("<III", head[4:])
                assert head[:1] == b"l" and head[1] == 1 and head[3] == 1
                fields = dict(Reader(head + self.read(s, fields_size + -fields_size % 8), 12).value("a(yv)"))
                body = Reader(self.read(s, body_size))
                values = body.values(fields.get(8, ""))
                assert body.at == body_size
                self.calls.append((fields, values))
                s.sendall(self.answers(fields[3], serial))
        except (EOFError, ConnectionError):
            pass
        except BaseException as e:
            self.error = e
        finally:
            s.close()


def all_well(member, serial):
    return reply(serial, JOB) + job_removed("done") if member in ("StartTransientUnit", "StopUnit") else reply(serial)


@pytest.fixture
def stub(tmp_path):
    made = []

    def new(answers=all_well):
        made.append(Stub(tmp_path / "socket", answers))
        return made[-1]

    yield new
    for s in made:
        s.join(60)
        assert s.error is None, s.error


def scope(tmp_path, action="start", kind="direct", version="v2", path="machine-web.slice:docker:one", pid=4242, resources="{}"):
    return subprocess.run([TOOL, "scope", action, tmp_path / "socket", kind, version, path, str(pid), resources], capture_output=True, text=True, timeout=120)


LIMITS = """{"memory": {"limit": 1000000, "swap": 1500000, "reservation": 500000}, "pids": {"limit": 7},
             "cpu": {"shares": 1024, "quota": 25000, "period": 100000, "cpus": "0,9-11"}}"""


def test_a_scope_with_the_process_slice_and_limits_is_asked_for(stub, tmp_path):
    s = stub()
    r = scope(tmp_path, resources=LIMITS)
    assert r.returncode == 0, r.stderr
    assert r.stdout == "docker-one.scope machine-web.slice /machine.slice/machine-web.slice/docker-one.scope\n"
    assert s.auth == b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n"
    (fields, (name, mode, properties, others)), = s.calls
    assert (fields[1], fields[2], fields[3], fields[8]) == ("/org/freedesktop/systemd1", MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))")
    assert (name, mode, others) == ("docker-one.scope", "fail", [])
    have = dict(properties)
    assert len(have) == len(properties)
    want = {"Slice": "machine-web.slice", "Delegate": True, "DefaultDependencies": False, "PIDs": [4242], "MemoryMax": 1000000, "MemorySwapMax": 500000,
            "MemoryLow": 500000, "TasksMax": 7, "CPUWeight": 100, "CPUQuotaPerSecUSec": 250000, "CPUQuotaPeriodUSec": 100000, "AllowedCPUs": [1, 14],
            "MemoryAccounting": True, "TasksAccounting": True, "CPUAccounting": True, "Description": "Bulkhead container docker-one.scope"}
    assert have == want


def test_on_v1_the_properties_have_the_names_of_v1(stub, tmp_path):
    s = stub()
    assert scope(tmp_path, version="v1", resources=LIMITS).returncode == 0
    have = dict(s.calls[0][1][2])
    assert have["MemoryLimit"] == 1000000 and have["CPUShares"] == 1024 and not {"MemoryMax", "CPUWeight", "AllowedCPUs"} & set(have)


def test_what_is_said_in_the_kernels_words_are_properties_too(stub, tmp_path):
    s = stub()
    words = {"memory.max": "1000000", "memory.high": "900000", "memory.low": "1", "memory.min": "2", "memory.swap.max": "max", "pids.max": "7", "cpu.weight": "50",
             "cpu.max": "25000 50000", "cpuset.cpus": "0,9-11", "cpuset.mems": "0", "io.max": "8:0 rbps=1"}
    assert scope(tmp_path, resources=json.dumps({"unified": words})).returncode == 0
    have = {k: v for k, v in s.calls[0][1][2] if k not in ("Slice", "Delegate", "DefaultDependencies", "PIDs", "Description") and not k.endswith("Accounting")}
    assert have == {"MemoryMax": 1000000, "MemoryHigh": 900000, "MemoryLow": 1, "MemoryMin": 2, "MemorySwapMax": 2**64 - 1, "TasksMax": 7, "CPUWeight": 50,
                    "CPUQuotaPerSecUSec": 500000, "CPUQuotaPeriodUSec": 50000, "AllowedCPUs": [1, 14], "AllowedMemoryNodes": [1]}


DEVICES = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}, {"allow": True, "type": "b", "access": "m"},
           {"allow": True, "type": "c", "major": 136, "access": "rwm"}]


def test_on_v1_systemd_knows_the_devices_for_it_could_open_them_all(stub, tmp_path):
    s = stub()
    assert scope(tmp_path, version="v1", resources=json.dumps({"devices": DEVICES})).returncode == 0
    have = [p for p in s.calls[0][1][2] if p[0].startswith("Device")]
    assert have == [("DevicePolicy", "strict"), ("DeviceAllow", []),
                    ("DeviceAllow", [("/dev/char/1:3", "rw"), ("block-*", "m"), ("char-136", "rwm")])]


@pytest.mark.parametrize("version, devices", [("v2", DEVICES), ("v1", [{"allow": True, "access": "rwm"}])], ids=["v2", "all"])
def test_elsewhere_it_is_told_of_none(stub, tmp_path, version, devices):
    s = stub()
    assert scope(tmp_path, version=version, resources=json.dumps({"devices": devices})).returncode == 0
    assert not [p for p in s.calls[0][1][2] if p[0].startswith("Device")]


@pytest.mark.parametrize("action", ["start", "update"])
def test_a_systemd_that_knows_no_period_is_asked_without(stub, tmp_path, action):
    def old(member, serial):
        if "CPUQuotaPeriodUSec" in dict(s.calls[-1][1][2]):
            return refusal(serial, "org.freedesktop.DBus.Error.PropertyReadOnly", "Cannot set property CPUQuotaPeriodUSec, or unknown property.")
        return all_well(member, serial)
    s = stub(old)
    assert scope(tmp_path, action, resources=LIMITS).returncode == 0
    assert [dict(c[1][2]).get("CPUQuotaPeriodUSec") for c in s.calls] == [100000, None]


def test_on_a_bus_it_says_hello_and_subscribes_first(stub, tmp_path):
    s = stub()
    assert scope(tmp_path, kind="bus").returncode == 0
    assert [f[3] for f, _ in s.calls] == ["Hello", "AddMatch", "Subscribe", "StartTransientUnit"]
    assert s.calls[-1][0][6] == "org.freedesktop.systemd1"


def test_a_job_that_ends_before_its_name_is_known_is_not_missed(stub, tmp_path):
    def early(member, serial):
        return job_removed("done", "/org/freedesktop/systemd1/job/1") + job_removed("done") + reply(serial, JOB)
    stub(early)
    assert scope(tmp_path).returncode == 0


def test_jobs_of_others_are_waited_past(stub, tmp_path):
    def busy(member, serial):
        others = b"".join(job_removed("failed", f"/org/freedesktop/systemd1/job/{n}") for n in range(100, 150))
        return others + reply(serial, JOB) + others + job_removed("done")
    stub(busy)
    assert scope(tmp_path).returncode == 0


@pytest.mark.parametrize("answers, error, words", [
    (lambda m, s: refusal(s, "org.freedesktop.systemd1.UnitExists", "Unit docker-one.scope already exists."), "dbus.refused", "already exists"),
    (lambda m, s: reply(s, JOB) + job_removed("failed"), "dbus.job", "failed"),
    (lambda m, s: b"\0" * 64, "dbus.protocol", "D-Bus"),
    (lambda m, s: message(2, [(5, "u", s)], b"\xff\xff\xff\x7f", "o"), "dbus.protocol", "damaged"),
    (lambda m, s: b"l\2\1\1" + struct.pack("<III", 0xffffffff, 1, 0xfffffff0), "dbus.protocol", "D-Bus"),
])
def test_refusal_failure_and_nonsense_are_errors_in_words(stub, tmp_path, answers, error, words):
    stub(answers)
    r = scope(tmp_path)
    assert r.returncode == 1 and r.stderr.startswith(error + ": ") and words in r.stderr, r.stderr


def test_who_hangs_up_in_the_middle_of_an_answer_is_an_error(stub, tmp_path):
    def cut(member, serial):
        raise EOFError
    stub(cut)
    r = scope(tmp_path)
    assert r.returncode == 1 and r.stderr.startswith("dbus.protocol: ") and "hung up" in r.stderr


def test_stopping_a_unit_waits_for_its_end_and_one_that_is_gone_is_stopped(stub, tmp_path):
    s = stub()
    assert scope(tmp_path, "stop").returncode == 0
    assert [f[3] for f, _ in s.calls] == ["StopUnit", "ResetFailedUnit"] and s.calls[0][1] == ["docker-one.scope", "replace"]


def test_a_unit_that_is_gone_counts_as_stopped(stub, tmp_path):
    stub(lambda m, s: refusal(s, "org.freedesktop.systemd1.NoSuchUnit", "Unit docker-one.scope not loaded."))
    assert scope(tmp_path, "stop").returncode == 0


def test_an_update_tells_the_new_limits(stub, tmp_path):
    s = stub()
    assert scope(tmp_path, "update", resources='{"memory": {"limit": -1}, "cpu": {"quota": -1}}').returncode == 0
    (fields, (name, runtime, properties)), = s.calls
    assert fields[3] == "SetUnitProperties" and name == "docker-one.scope" and runtime is True
    assert dict(properties) == {"MemoryMax": 2**64 - 1, "CPUQuotaPerSecUSec": 2**64 - 1}


@pytest.mark.parametrize("path, want", [
    ("::x", "x.scope system.slice /system.slice/x.scope"),
    ("user-1000.slice:crio:abc", "crio-abc.scope user-1000.slice /user.slice/user-1000.slice/crio-abc.scope"),
    ("-.slice:libpod:x", "libpod-x.scope -.slice /libpod-x.scope"),
    ("a-b-c.slice::y", "y.scope a-b-c.slice /a.slice/a-b.slice/a-b-c.slice/y.scope"),
])
def test_a_path_names_slice_and_unit(stub, tmp_path, path, want):
    stub()
    assert scope(tmp_path, path=path).stdout == want + "\n"


@pytest.mark.parametrize("path", ["/plain/path", "a:b", "a.slice:b:c:d", "a:b:c", "../x.slice:b:c", "a--b.slice:b:c", "-a.slice:b:c", ".slice:b:c", "a.slice:b:", "a.slice:b:../c",
                                  "a.slice:b/c:d", "a.slice:b:c d"])
def test_a_path_that_names_no_unit_is_refused_before_anything_is_asked(tmp_path, path):
    r = scope(tmp_path, path=path)
    assert r.returncode == 1 and r.stderr.startswith("cgroup.path: ") and "systemd" in r.stderr


@pytest.mark.skipif(os.path.exists("/run/systemd/private") or os.path.exists("/run/dbus/system_bus_socket"), reason="a systemd or a bus is here")
def test_without_systemd_the_error_says_what_to_leave_out():
    r = subprocess.run([TOOL, "scope", "start", "-", "direct", "v2", "::x", "1", "{}"], capture_output=True, text=True)
    assert r.returncode == 1 and r.stderr.startswith("systemd.missing: ") and "--systemd-cgroup" in r.stderr
