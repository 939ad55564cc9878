# SPDX-License-Identifier: LGPL-2.1-or-later
"""The suites in a guest with Debian's own kernel, which has the calls of i386: on cgroup v2 with all controllers, and on the older layouts."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("BULKHEAD_OCI", SOURCE / "build/src/bulkhead-oci")).resolve().parent.parent
# How many tests must have passed at least: a suite that skips all of itself shows nothing.
SUITES = {"v2": 27, "oci": 110, "e2e": 600, "conformance": 1000, "security": 500}

# Of the end-to-end tests what asks the kernel: not what reads, scores and writes text, drives servers that are not in there, or is large by itself.
LEFT_OUT = {"e2e": ("calendar", "completions", "hostile", "learn", "many_services", "profiles", "real_services", "restricted", "score", "score_measured",
                    "score_suggest", "systemd_units", "unit_files")}

# Bundles lie on the disk: in this kernel a tmpfs takes no map of ids. So do the folders that a Debian machine has on its disk.
SCRIPT = """set -e
mkdir -p /boot /home /opt /srv /var/tmp
mount --bind /disk /srv
for f in home tmp var/tmp; do mkdir -p -m 1777 /disk/.$f; mount --bind /disk/.$f /$f; done
chmod 755 /home
for g in sys:x:3 adm:x:4; do grep -q "^${g%%:*}:" /etc/group || echo "$g:" >>/etc/group; done
exec python3 -m pytest -q -rfEs -p no:cacheprovider "tests/$0" "$@\""""


PACKAGES = ("bash", "coreutils", "criu", "iproute2", "iptables", "libc-bin", "procps", "util-linux")
# What criu asks sockets of; and the scheduler of disks that knows weights.
MODULES = ("bfq", "af_packet_diag", "inet_diag", "netlink_diag", "tcp_diag", "tun", "udp_diag", "unix_diag")
PROBES = ("conformance/probe", "e2e/probe", "e2e/actor", "security/probe")


@pytest.fixture(scope="module")
def probes(tmp_path_factory):
    """The suites' probes: a compiler would be slow in there."""
    folder = tmp_path_factory.mktemp("probes")
    for probe in PROBES:
        (folder / probe).parent.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", folder / probe, SOURCE / "tests" / f"{probe}.c"], check=True)
    return folder


@pytest.mark.parametrize("suite, cgroups", [*((s, "v2") for s in SUITES), ("oci", "v1"), ("oci", "hybrid")])
def test_a_suite_passes(suite, cgroups, probes):
    brought = [SOURCE / "completions", *(SOURCE / "tests" / f for f in ("oci", "conformance", "e2e", "security", "v2"))]
    brought += [f"{probes / p}:/src/tests/{p}" for p in PROBES]
    brought += [f"{BUILD / 'tests/cgroup_tool'}:/src/build/tests/cgroup_tool"]
    packages = [w for name in PACKAGES for w in ("--package", name)] + [w for name in MODULES for w in ("--module", name)]
    command = [HERE / "run", "--build", BUILD, "--python", *packages, *[w for f in brought for w in ("--with", f)], "--memory", "3072",
               "--cpus", "2", "--ext4", "2G", "--cgroups", cgroups, "--env", "BULKHEAD_PAIRS=100", "--timeout", "3000",
               "--command", "--", "sh", "-c", SCRIPT, suite,
               *(f"--ignore=tests/{suite}/test_{name}.py" for name in LEFT_OUT.get(suite, ()))]
    p = subprocess.Popen([sys.executable, *map(str, command)], cwd=SOURCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    for line in p.stdout:  # as it comes: it takes long, and a run that is cut off has said how far it came
        print(line, end="", flush=True)
        said += line
    assert p.wait() == 0
    passed = re.search(r"(\d+) passed", said)
    assert passed and int(passed[1]) >= SUITES[suite]
