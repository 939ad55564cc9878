# SPDX-License-Identifier: LGPL-2.1-or-later
"""What kind of process the payload is: limits, scheduling and other attributes."""
import os
import platform
import resource
import subprocess

import pytest

from conftest import AHEAD, NOBODY_ELSE, binary, has_capability

# As the file limits in /proc names them.
NAMES = {"CPU": "cpu time", "FSIZE": "file size", "DATA": "data size", "STACK": "stack size", "CORE": "core file size", "RSS": "resident set",
         "NOFILE": "open files", "AS": "address space", "NPROC": "processes", "MEMLOCK": "locked memory", "LOCKS": "file locks",
         "SIGPENDING": "pending signals", "MSGQUEUE": "msgqueue size", "NICE": "nice priority", "RTPRIO": "realtime priority",
         "RTTIME": "realtime timeout"}


def all_cpus():
    """Those that a process may have that asks for all, which may be more than our caller left us."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(1024))
    found = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ours)
    return sorted(found)


SYS_NICE, SYS_RESOURCE = 23, 24


def limits(text):
    """{name: (soft, hard)} of /proc/self/limits."""
    found = {}
    for line in text.splitlines()[1:]:
        words = line[26:].split()
        found[line[4:26].strip()] = tuple(-1 if w == "unlimited" else int(w) for w in words[:2])
    return found


LIMITS = [
    ("LimitCPU=2", 2, 2), ("LimitCPU=1500ms:1min", 2, 60), ("LimitFSIZE=1M:2M", 1 << 20, 2 << 20), ("LimitDATA=256M", 256 << 20, 256 << 20),
    ("LimitSTACK=1M:infinity", 1 << 20, -1), ("LimitCORE=0", 0, 0), ("LimitRSS=1G", 1 << 30, 1 << 30), ("LimitNOFILE=16:64", 16, 64),
    ("LimitAS=1G:infinity", 1 << 30, -1), ("LimitNPROC=100:200", 100, 200), ("LimitMEMLOCK=64K", 64 << 10, 64 << 10), ("LimitLOCKS=7", 7, 7),
    ("LimitSIGPENDING=5:6", 5, 6), ("LimitMSGQUEUE=1K", 1024, 1024), ("LimitNICE=0", 0, 0), ("LimitRTPRIO=0", 0, 0),
    ("LimitRTTIME=5000:1s", 5000, 1000000),
]


@pytest.mark.parametrize("assignment, soft, hard", LIMITS)
@pytest.mark.parametrize("more", ["", "PrivateTmp=yes\nProtectSystem=strict\nSystemCallFilter=~@resources\nSystemCallErrorNumber=EPERM"])
def test_limits(any_box, assignment, soft, hard, more):
    name = NAMES[assignment[len("Limit"):].split("=")[0]]
    before = limits(any_box.good("", "cat", "/proc/self/limits"))
    after = limits(any_box.good([assignment, *more.split()], "cat", "/proc/self/limits"))
    assert after.pop(name) == (soft, hard)
    had = before.pop(name)
    assert had != (soft, hard) or name in ("nice priority", "realtime priority", "core file size")
    assert after == before


def test_the_last_assignment_counts_and_the_empty_one_resets(box):
    before = limits(box.good("", "cat", "/proc/self/limits"))["open files"]
    assert limits(box.good("LimitNOFILE=10\nLimitNOFILE=20", "cat", "/proc/self/limits"))["open files"] == (20, 20)
    assert limits(box.good("LimitNOFILE=10\nLimitNOFILE=", "cat", "/proc/self/limits"))["open files"] == before


def test_limits_have_their_effect(box):
    write = f"python3 -c 'open(\"{box.data}/f\", \"wb\", 0).write(bytes(65536))'"
    assert box.shell("LimitFSIZE=64K", write).status == 0
    assert box.shell("LimitFSIZE=32K", write + " && test $(stat -c %s " + str(box.data) + "/f) = 65536").status != 0
    many = "python3 -c 'x = [open(\"/dev/null\") for _ in range(50)]'"
    assert box.shell("LimitNOFILE=200", many).status == 0
    assert box.shell("LimitNOFILE=40", many).status == 1
    assert box.run("LimitAS=64M", box.probe, "eat", str(256 << 20)).status == 98
    assert box.run("LimitAS=1G", box.probe, "eat", str(256 << 20)).status == 0
    r = box.run(f"LimitCPU=1\n{AHEAD}", box.probe, "spin", "60000")
    assert r.status == 255, r
    made = box.json(f"User={NOBODY_ELSE}\nLimitNPROC=5", "fork", "20")
    assert made["made"] < 5 and made["error"], made
    assert box.json(f"User={NOBODY_ELSE}\nLimitNPROC=50", "fork", "20") == {"made": 20, "error": 0}


def test_the_smallest_limits_do_not_stop_the_setup(box):
    """What the set-up itself needs it has; the limit holds from the program on."""
    out = box.good("LimitNOFILE=3\nProtectSystem=strict\nPrivateTmp=yes\nSystemCallFilter=~reboot", box.probe, "spin", "0")
    assert "cpu_ms" in out
    assert box.json("LimitFSIZE=0\nLimitMEMLOCK=0\nLimitCORE=0\nPrivateTmp=yes\nDynamicUser=yes", "spin", "0")


def test_a_hard_limit_is_not_raised_without_the_capability(any_box):
    """The caller's hard limit is lowered first; CAP_SYS_RESOURCE is not there for an ordinary user, and not on each host for root."""
    if any_box.uid == 0 and has_capability(SYS_RESOURCE):
        pytest.skip("root may raise its limits here")

    def call(*options):
        return subprocess.run([str(binary()), "run", "-P", *options, "-p", "LimitNOFILE=150:300", "cat", "/proc/self/limits"], env=any_box.env(), cwd="/",
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)), capture_output=True, text=True, **any_box.identity())
    r = call("-q")
    assert r.returncode == 205 and "LimitNOFILE=150:300" in r.stderr and "CAP_SYS_RESOURCE" in r.stderr and r.stdout == ""
    r = call("--lenient")
    assert r.returncode == 0 and limits(r.stdout)["open files"] == (150, 200)
    assert "note: LimitNOFILE=150:300: not applied in full" in r.stderr


# ---- attributes ----

def look(box, properties, what):
    return box.good(properties, box.probe, "attribute", what).strip()


ATTRIBUTES = [
    ("Nice=19", "nice", "19"), ("OOMScoreAdjust=700", "oom", "700"), ("TimerSlackNSec=12345", "slack", "12345"), ("TimerSlackNSec=1us", "slack", "1000"),
    ("IOSchedulingClass=idle", "io", "(3, 4)"), ("IOSchedulingPriority=6", "io", "(2, 6)"), ("IOSchedulingClass=best-effort\nIOSchedulingPriority=1", "io", "(2, 1)"),
    ("IOSchedulingClass=none\nIOSchedulingPriority=1", "io", "(2, 4)"), ("CPUSchedulingPolicy=batch", "policy", str(os.SCHED_BATCH)),
    ("CPUSchedulingPolicy=idle", "policy", str(os.SCHED_IDLE)), ("Nice=18\nCPUSchedulingPolicy=batch", "nice", "18"), ("CPUSchedulingResetOnFork=yes", "reset", "True"),
    ("CPUAffinity=0", "cpus", "[0]"), ("CPUAffinity=0-8191", "cpus", str(all_cpus())), ("CoredumpFilter=elf-headers private-huge", "core", "48"),
    ("CoredumpFilter=1\nCoredumpFilter=2", "core", "3"),
]


@pytest.mark.parametrize("assignment, what, value", ATTRIBUTES)
def test_attributes(any_box, assignment, what, value):
    before = look(any_box, "", what)
    assert look(any_box, assignment, what) == value
    assert before != value or assignment == "CPUAffinity=0-8191" or len(os.sched_getaffinity(0)) == 1
    name = assignment.split("=")[0]
    assert look(any_box, f"{assignment.splitlines()[0]}\n{name}=", what) == before
    assert look(any_box, f"{assignment}\nPrivateUsers=yes\nPrivateTmp=yes\nNoNewPrivileges=yes", what) == value


@pytest.mark.skipif(not has_capability(SYS_NICE), reason="needs CAP_SYS_NICE")
@pytest.mark.parametrize("assignment, what, value", [("Nice=-5", "nice", "-5"), ("User=daemon\nNice=-5\nDynamicUser=no", "nice", "-5"),
                                                     ("IOSchedulingClass=realtime\nIOSchedulingPriority=2", "io", "(1, 2)")])
def test_attributes_of_root(box, assignment, what, value):
    assert look(box, assignment, what) == value


def test_several_cpus(box):
    there = sorted(os.sched_getaffinity(0))
    if len(there) < 2:
        pytest.skip("one CPU")
    assert look(box, f"CPUAffinity={there[0]}\nCPUAffinity={there[1]}", "cpus") == str(there[:2])
    assert look(box, f"CPUAffinity={there[0]}\nCPUAffinity=\nCPUAffinity={there[1]}", "cpus") == str(there[1:2])


def test_realtime(box):
    """Where the kernel hands realtime out by control groups and ours has none, the error says so."""
    r = box.run("CPUSchedulingPolicy=rr\nCPUSchedulingPriority=3", box.probe, "attribute", "priority")
    if r.status == 0:
        assert r.out == "3\n"
        assert look(box, "CPUSchedulingPolicy=fifo", "policy") == str(os.SCHED_FIFO)
    else:
        assert r.status == 214 and "CPUSchedulingPolicy=rr" in r.err, r


@pytest.mark.skipif(platform.machine() != "x86_64", reason="of this machine")
def test_personality(box):
    assert look(box, "Personality=x86", "machine") == "i686"
    assert look(box, "Personality=x86-64", "machine") == "x86_64"
    assert box.run("Personality=arm", "true").status == 1
    # The lock keeps what the run starts with, and that alone.
    change = "import ctypes; print(ctypes.CDLL(None).personality({}))"
    assert box.good("Personality=x86\nLockPersonality=yes", "python3", "-c", change.format(8)).strip() == "8"
    assert box.good("Personality=x86\nLockPersonality=yes", "python3", "-c", change.format(0)).strip() == "-1"
    assert box.good("Personality=x86", "python3", "-c", change.format(0)).strip() == "8"


def test_memory_policy(box):
    if not os.path.exists("/sys/devices/system/node/online"):
        pytest.skip("no NUMA")
    first = "grep -m1 -oE '(default|bind|prefer|interleave|local)(:[0-9]+|=[a-z]+:[0-9]+)?' /proc/self/numa_maps"
    for assignment, seen in (("NUMAPolicy=bind\nNUMAMask=0", "bind:0"), ("NUMAPolicy=bind\nNUMAMask=all", "bind:0"), ("NUMAPolicy=interleave\nNUMAMask=0", "interleave:0"),
                             ("NUMAPolicy=preferred\nNUMAMask=0", "prefer:0"), ("NUMAPolicy=local", "local"), ("NUMAPolicy=default\nNUMAMask=0", "default"),
                             ("NUMAMask=0", "default")):
        assert box.shell(assignment, first).out.strip().startswith(seen), assignment
    r = box.run("NUMAPolicy=bind\nNUMAMask=900", "true")
    assert r.status == 242 and "NUMAPolicy=bind" in r.err


def test_sigpipe(any_box):
    """Ignored by default: the shell's write fails; else it ends the writer."""
    status = "sh -c 'kill -PIPE $$; echo alive'"
    assert any_box.shell("", status).out == "alive\n"
    assert any_box.shell("IgnoreSIGPIPE=yes", status).out == "alive\n"
    assert any_box.shell("IgnoreSIGPIPE=no", status).out == ""


REFUSED = [("Nice=-5", 201), ("OOMScoreAdjust=-500", 206), ("IOSchedulingClass=realtime", 211), ("CPUSchedulingPolicy=fifo", 214), ("CPUAffinity=8000", 215)]


@pytest.mark.parametrize("assignment, status", REFUSED)
def test_refused_to_a_user(user_box, assignment, status):
    r = user_box.run(assignment, "echo", "here")
    assert r.status == status and assignment in r.err and "hint" in r.err and r.out == "", r
    r = user_box.call("run", "-P", "--lenient", "-p", assignment, "echo", "here")
    assert r.status == 0 and r.out == "here\n" and f"note: {assignment}: not applied" in r.err


def test_refused_to_root(box):
    assert box.run("CPUAffinity=8000", "true").status == 215
    if not has_capability(SYS_RESOURCE):
        assert box.run("OOMScoreAdjust=-1000", "true").status == 206


@pytest.mark.parametrize("assignment", ["Nice=20", "OOMScoreAdjust=1001", "TimerSlackNSec=-1", "IOSchedulingClass=fast", "IOSchedulingPriority=8",
                                        "CPUSchedulingPolicy=deadline", "CPUSchedulingPriority=100", "CPUSchedulingPriority=5", "CPUAffinity=numa", "CPUAffinity=3-1",
                                        "NUMAPolicy=bind", "NUMAMask=x", "Personality=z80", "CoredumpFilter=none", "IgnoreSIGPIPE=2", "LimitCPU=x", "LimitNOFILE=1K", "LimitNOFILE=2:1", "LimitNICE=+20", "LimitNICE=41", "LimitFSIZE=1X",
                                        "LimitRTTIME=1x", "LimitAS=1:2:3", "LimitCORE=-1", "LimitFOO=1"])
def test_values_that_are_refused(box, assignment):
    r = box.run(assignment, "true")
    assert r.status == 1 and assignment.split("=")[0] in r.err and "cause" in r.err and r.out == ""
    assert box.leftovers() == []
