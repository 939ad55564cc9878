# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directives of systemd that are older names, without effect, or refused: each one that systemd knows is one of these or applied."""
import json
import os
import subprocess

import pytest

from conftest import binary

SYSTEMD = "/usr/lib/systemd/systemd"
# How services live is not the sandbox's matter.
OF_LIFE = {"Type", "ExitType", "PIDFile", "BusName", "Sockets", "NotifyAccess", "FileDescriptorStoreMax", "NonBlocking", "PermissionsStartOnly", "RemainAfterExit",
           "GuessMainPID", "OOMPolicy", "RebootArgument", "FailureAction", "SuccessExitStatus", "USBFunctionDescriptors", "USBFunctionStrings", "RuntimeMaxSec",
           "RuntimeRandomizedExtraSec", "SendSIGHUP", "SendSIGKILL", "KillMode", "KillSignal", "FinalKillSignal"}
STARTS = ("Exec", "Restart", "Timeout", "Watchdog", "StartLimit")
# Filters of the network.
OF_NETWORK = {"IPAccounting", "IPAddressAllow", "IPAddressDeny", "IPIngressFilterPath", "IPEgressFilterPath", "BPFProgram", "SocketBindAllow", "SocketBindDeny",
              "RestrictNetworkInterfaces"}


def test_every_directive_of_systemd_is_known(any_box):
    if not os.path.exists(SYSTEMD):
        pytest.skip("needs systemd's own list")
    dump = subprocess.run([SYSTEMD, "--dump-configuration-items"], stdout=subprocess.PIPE, text=True, check=True).stdout
    section = dump.split("[Service]\n")[1].split("\n\n")[0].split("\n[")[0]
    names = {line.split("=")[0] for line in section.splitlines() if "=" in line}
    assert len(names) > 200
    asked = [n for n in sorted(names - OF_LIFE - OF_NETWORK) if not n.startswith(STARTS) or n in ("ExecPaths", "ExecSearchPath", "TimeoutCleanSec")]
    words = [w for name in asked for w in ("-p", f"{name}=")]
    # Leniently a value that is none is a note; what is unknown is an error all the same.
    r = any_box.call("explain", "--lenient", *words, "true")
    assert r.status == 0, r
    r = any_box.call("explain", "--lenient", *words, "-p", "NoSuchDirective=", "true")
    assert r.status != 0 and "directive.unknown" in r.err and "NoSuchDirective" in r.err, r


TOLD = ["SyslogIdentifier=web", "SyslogFacility=daemon", "SyslogLevel=info", "SyslogLevelPrefix=no", "LogLevelMax=3", "LogExtraFields=A=b", "LogRateLimitBurst=3",
        "LogRateLimitIntervalSec=5s", "LogNamespace=x", "UtmpIdentifier=x", "UtmpMode=login", "TimeoutCleanSec=infinity", "Slice=a.slice",
        "StartupCPUWeight=idle", "StartupAllowedCPUs=0-1", "DefaultMemoryLow=1M", "ManagedOOMSwap=kill", "ManagedOOMPreference=omit"]


@pytest.mark.parametrize("assignment", TOLD)
def test_what_has_no_effect_is_said(box, assignment):
    assert box.shell(assignment, "true").status == 0
    plan = json.loads(box.call("explain", "--json", "-p", assignment, "true").out)
    assert [t["origin"] for t in plan["no_effect"]] == [assignment]
    assert plan["notes"] == []
    out = box.call("explain", "-p", assignment, "-p", assignment.split("=")[0] + "=", "true").out
    assert "no effect" not in out


@pytest.mark.parametrize("assignment", ["SyslogFacility=none", "SyslogLevel=loud", "LogRateLimitBurst=many", "LogExtraFields=x", "UtmpMode=x", "Slice=a.service",
                                        "MemoryAccounting=maybe", "StartupCPUWeight=0", "ManagedOOMSwap=yes", "TimeoutCleanSec=soon"])
def test_bad_values(any_box, assignment):
    r = any_box.run(assignment, "true")
    assert r.status == 1 and "directive.value" in r.err, r
    assert any_box.run(assignment, "true", options=["--lenient"]).status == 0


REFUSED = ["RootHash=abc", "RootVerity=/x", "CPUShares=100",
           "BlockIOWeight=100"]


@pytest.mark.parametrize("assignment", REFUSED)
def test_what_is_refused_says_why(any_box, assignment):
    name = assignment.split("=")[0]
    r = any_box.run(assignment, "true")
    assert r.status == 1 and "directive.unsupported" in r.err and f"{name}= is not applied: " in r.err, r
    assert any_box.run(f"{name}=no", "true").status == 0
    assert any_box.run(f"{name}=", "true").status == 0
    r = any_box.call("run", "-P", "--lenient", "-p", assignment, "true")
    assert r.status == 0 and f"note: {assignment}" in r.err, r


def test_older_names(any_box):
    (any_box.data / "keep").mkdir()
    os.chown(any_box.data / "keep", any_box.uid, any_box.uid)
    script = f"touch {any_box.data}/keep/f"
    assert any_box.shell("", script).status == 0
    assert any_box.shell(f"ReadOnlyDirectories={any_box.data}", script).status != 0
    assert any_box.shell(f"ReadOnlyDirectories={any_box.data}\nReadWriteDirectories={any_box.data}/keep", script).status == 0
    assert any_box.shell(f"InaccessibleDirectories={any_box.data}", script).status != 0
    plan = json.loads(any_box.call("explain", "--json", "-p", "MemoryLimit=64M", "true").out)
    assert plan["limits"]["memory_max_bytes"] == {"value": 64 << 20, "origin": "MemoryLimit=64M"}


def test_verify_tells_them(box):
    path = box.data / "x.service"
    path.write_text("[Service]\nExecStart=/bin/true\nCPUShares=100\nSyslogIdentifier=x\nRootHash=abc\n")
    p = subprocess.run([str(binary()), "unit", "verify", str(path)], env=box.env(), stderr=subprocess.PIPE, text=True, check=False)
    assert p.returncode == 0 and "CPUShares=: " in p.stderr and "RootHash=" in p.stderr and "SyslogIdentifier" not in p.stderr, p
