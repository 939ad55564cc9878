# SPDX-License-Identifier: LGPL-2.1-or-later
"""What kind of process the payload is: limits."""
import resource
import subprocess

import pytest

# As the file limits in /proc names them.
NAMES = {"CPU": "cpu time", "FSIZE": "file size", "DATA": "data size", "STACK": "stack size", "CORE": "core file size", "RSS": "resident set",
         "NOFILE": "open files", "AS": "address space", "NPROC": "processes", "MEMLOCK": "locked memory", "LOCKS": "file locks",
         "SIGPENDING": "pending signals", "MSGQUEUE": "msgqueue size", "NICE": "nice priority", "RTPRIO": "realtime priority",
         "RTTIME": "realtime timeout"}


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
    r = box.run("LimitCPU=1", box.probe, "spin", "10000")
    assert r.status == 255, r
    made = box.json("User=54322\nLimitNPROC=5", "fork", "20")
    assert made["made"] < 5 and made["error"], made
    assert box.json("User=54322\nLimitNPROC=50", "fork", "20") == {"made": 20, "error": 0}


def test_the_smallest_limits_do_not_stop_the_setup(box):
    """What the set-up itself needs it has; the limit holds from the program on."""
    out = box.good("LimitNOFILE=3\nProtectSystem=strict\nPrivateTmp=yes\nSystemCallFilter=~reboot", box.probe, "spin", "0")
    assert "cpu_ms" in out
    assert box.json("LimitFSIZE=0\nLimitMEMLOCK=0\nLimitCORE=0\nPrivateTmp=yes\nDynamicUser=yes", "spin", "0")


def test_a_hard_limit_is_not_raised_without_the_capability(any_box):
    """The caller's hard limit is lowered first; CAP_SYS_RESOURCE is not there for an ordinary user, and not on each host for root."""
    import os
    from conftest import binary
    if os.geteuid() == 0 and any_box.uid == 0:
        with open("/proc/self/status") as f:
            effective = next(int(line.split()[1], 16) for line in f if line.startswith("CapEff"))
        if effective >> 24 & 1:
            pytest.skip("root may raise its limits here")

    def call(*options):
        return subprocess.run([str(binary()), "run", "-P", *options, "-p", "LimitNOFILE=150:300", "cat", "/proc/self/limits"], env=any_box.env(), cwd="/",
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)), capture_output=True, text=True, **any_box.identity())
    r = call("-q")
    assert r.returncode == 205 and "LimitNOFILE=150:300" in r.stderr and "CAP_SYS_RESOURCE" in r.stderr and r.stdout == ""
    r = call("--lenient")
    assert r.returncode == 0 and limits(r.stdout)["open files"] == (150, 200)
    assert "note: LimitNOFILE=150:300: not applied in full" in r.stderr


@pytest.mark.parametrize("assignment", ["LimitCPU=x", "LimitNOFILE=1K", "LimitNOFILE=2:1", "LimitNICE=+20", "LimitNICE=41", "LimitFSIZE=1X",
                                        "LimitRTTIME=1x", "LimitAS=1:2:3", "LimitCORE=-1", "LimitFOO=1"])
def test_values_that_are_refused(box, assignment):
    r = box.run(assignment, "true")
    assert r.status == 1 and assignment.split("=")[0] in r.err and "cause" in r.err and r.out == ""
    assert box.leftovers() == []
