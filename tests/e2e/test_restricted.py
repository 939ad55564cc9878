# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the host refuses: in a container as Docker makes them, and as an ordinary user.

Each directive works, or is refused with its reason and a status of the table; leniently it runs and names what is
not applied.  The container is one of our own: Docker's default capabilities and what its seccomp profile denies.
"""
import os
import pwd
import stat

import pytest

from lifecycle import BULKHEAD, IS_ROOT, Bulkhead

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")

DOCKER_CAPABILITIES = ("CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SETFCAP "
                       "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE")
MOUNT_CALLS = "@mount fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr unshare setns clone3:ENOSYS"

DIRECTIVES = {
    "DynamicUser=yes": {217, 226}, "User=nobody": {216, 217, 226}, "Group=nogroup": {216, 217, 226},
    "SupplementaryGroups=nogroup": {216, 217, 226}, "CapabilityBoundingSet=CAP_CHOWN": {218, 226},
    "CapabilityBoundingSet=~CAP_NET_RAW": {218, 226}, "PrivateTmp=yes": {226}, "PrivateTmp=disconnected": {226},
    "PrivateDevices=yes": {218, 226}, "PrivateNetwork=yes": {225, 226}, "PrivateIPC=yes": {226}, "PrivatePIDs=yes": {226},
    "PrivateUsers=self": {217, 226}, "PrivateUsers=identity": {217, 226}, "PrivateUsers=full": {217, 226},
    "PrivateMounts=yes": {226}, "ProtectSystem=yes": {226}, "ProtectSystem=full": {226}, "ProtectSystem=strict": {226},
    "ProtectHome=yes": {226}, "ProtectHome=read-only": {226}, "ProtectHome=tmpfs": {226}, "ProtectHostname=yes": {226},
    "ReadWritePaths=/tmp": {226}, "ReadOnlyPaths=/etc": {226}, "InaccessiblePaths=/opt": {226}, "ExecPaths=/usr": {226},
    "NoExecPaths=/tmp": {226}, "BindPaths=/usr:/mnt": {226}, "BindReadOnlyPaths=/usr:/mnt": {226},
    "BindPaths=/etc": {226}, "TemporaryFileSystem=/mnt": {226}, "RuntimeDirectory={token}": {1, 233},
    "StateDirectory={token}": {1, 238}, "CacheDirectory={token}": {1, 239}, "LogsDirectory={token}": {1, 240},
    "ConfigurationDirectory={token}": {1, 241}, "WorkingDirectory=/tmp": set(), "Environment=A=B": set(), "UMask=077": set(),
    "ProtectKernelTunables=yes": {226}, "ProtectKernelModules=yes": {218, 226}, "ProtectKernelLogs=yes": {218, 226},
    "ProtectControlGroups=yes": {226}, "ProtectClock=yes": {218, 226}, "ProtectProc=invisible": {226}, "ProcSubset=pid": {226},
    "RestrictNamespaces=yes": set(), "RestrictRealtime=yes": set(), "LockPersonality=yes": set(), "RestrictAddressFamilies=AF_UNIX": set(),
    "SystemCallArchitectures=native": set(), "MemoryDenyWriteExecute=yes": set(),
    "AmbientCapabilities=CAP_CHOWN": {218}, "SecureBits=noroot": {213, 226}, "KeyringMode=private": {237}, "KeyringMode=inherit": set(),
    "KeyringMode=shared": {237}, "ProtectHostname=private:some-name": {226}, "ProtectHostname=yes:some-name": {226},
    "NoNewPrivileges=yes": set(), "RestrictSUIDSGID=yes": set(), "RemoveIPC=yes": set(),
    "SystemCallFilter=@system-service": set(), "SystemCallFilter=~@mount": set(), "SystemCallErrorNumber=EPERM": set(),
    "MemoryMax=100M": {219}, "TasksMax=50": {219}, "CPUQuota=50%": {219},
    "LimitNOFILE=100:200": set(), "LimitCORE=0": set(), "LimitNOFILE=infinity": {205}, "LimitNICE=-20": {205},
    "Nice=19": set(), "Nice=-5": {201}, "OOMScoreAdjust=1000": set(), "OOMScoreAdjust=-1000": {206}, "TimerSlackNSec=1ms": set(),
    "IOSchedulingClass=idle": set(), "IOSchedulingClass=realtime": {211}, "CPUSchedulingPolicy=batch": set(), "CPUSchedulingPolicy=fifo": {214},
    "CPUAffinity=0": set(), "NUMAPolicy=default": {242}, "Personality=x86": set(), "CoredumpFilter=all": set(), "IgnoreSIGPIPE=no": set(),
    "PassEnvironment=HOME": set(), "UnsetEnvironment=HOME": set(), "EnvironmentFile=-/nonexist": set(), "ExecSearchPath=/usr/bin:/bin": set(),
    "StandardInput=null": set(), "StandardError=null": set(), "StandardOutput=inherit": set(), "StateDirectoryMode=0700": set(),
    "RuntimeDirectoryPreserve=yes": set(),
    "CPUWeight=50": {219}, "CPUQuotaPeriodSec=10ms": set(), "AllowedCPUs=0": {219}, "IOReadIOPSMax=/ 1000": {219}, "DevicePolicy=closed": {219},
    "DeviceAllow=/dev/null": {219}, "IPAddressDeny=any": {219}, "IPAddressAllow=any": set(), "SocketBindDeny=80": {219}, "SocketBindAllow=80": set(),
    "IPAccounting=yes": set(), "MemoryAccounting=yes": set(), "SystemCallLog=@mount": set(), "RestrictNetworkInterfaces=lo": {219}, "BindNetworkInterface=lo": {219}, "RestrictFileSystems=~xenfs": {219},
}
REARRANGING = {"DynamicUser=yes", "BindPaths=/usr:/mnt", "BindReadOnlyPaths=/usr:/mnt", "TemporaryFileSystem=/mnt"}
# What is more than a protection is refused, leniently too.
NEEDS_ROOT = {"AmbientCapabilities", "SecureBits", "User", "Group", "SupplementaryGroups", "MemoryMax", "TasksMax", "CPUQuota", "CPUWeight", "AllowedCPUs", "IOReadIOPSMax", "PrivateUsers",
              "RuntimeDirectory", "DevicePolicy", "DeviceAllow",
              "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"}


class Place(Bulkhead):
    """A place to run in: the whole program goes into it."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        os.chmod(self.folder, 0o755)
        inner = os.path.join(self.folder, "inner")
        os.mkdir(inner, 0o700)
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        self.inner = ["env", f"BULKHEAD_RUNTIME_DIR={inner}", f"HOME={self.home}", f"XDG_RUNTIME_DIR={self.home}"]
        if kind == "user":
            nobody = pwd.getpwnam("nobody")
            for path in (inner, self.home):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            self.outer = ["setpriv", "--reuid", "nobody", "--regid", str(nobody.pw_gid), "--clear-groups", "--inh-caps=-all"]
        elif kind == "no-userns":
            # The count of user namespaces below one of its own is nobody else's.
            self.outer = ["unshare", "-U", "--map-root-user", "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces; "
                          "exec setpriv --bounding-set -sys_admin --inh-caps=-sys_admin \"$@\"", "sh"]
        else:
            denied = MOUNT_CALLS
            words = ["-p", f"CapabilityBoundingSet={DOCKER_CAPABILITIES}"]
            if kind == "docker":
                # Names cannot look into the flags of clone, as Docker's profile does: namespaces can be made, mounts not.
                words += ["-p", f"SystemCallFilter=~{denied}", "-p", "SystemCallErrorNumber=EPERM"]
            self.outer = [BULKHEAD, "run", "-q", "-P", "--seal=off", "-u", self.name("outer"), *words]

    def inside(self, *args, timeout=120):
        self.command = []
        try:
            return self(*self.outer, *self.inner, BULKHEAD, *args, timeout=timeout)
        finally:
            self.command = [BULKHEAD]


@pytest.fixture(params=["docker", "no-seccomp", "no-userns", "user"])
def place(request):
    if request.param == "user" and not os.stat(os.path.dirname(BULKHEAD)).st_mode & stat.S_IXOTH:
        pytest.skip("the program cannot be reached by others")
    p = Place(request.param)
    yield p
    for base in ("/run", "/var/lib", "/var/cache", "/var/log", "/etc", "/var/lib/private", "/var/cache/private", "/var/log/private"):
        path = os.path.join(base, p.token)
        if os.path.islink(path):
            os.unlink(path)
        elif os.path.isdir(path):
            os.rmdir(path)
    p.close()


def directive_of(property_):
    return property_.partition("=")[0]


def test_plain_runs_work(place):
    r = place.inside("run", "-q", "-P", "sh", "-c", "echo here; exit 3")
    assert (r.returncode, r.stdout) == (3, "here\n"), r.stderr
    place.assert_clean()


def test_each_directive_works_or_is_refused_with_its_reason_and_leniently_runs(place):
    refused, statuses_had = {}, {}
    for template, statuses in DIRECTIVES.items():
        p = template.format(token=place.token)
        r = place.inside("run", "-q", "-P", "-p", p, "sh", "-c", "echo here")
        statuses_had[template] = r.returncode
        if r.returncode == 0:
            assert r.stdout == "here\n", (p, r.stderr)
            continue
        refused[p] = r.stderr
        assert r.returncode in statuses, (p, r.returncode, r.stderr)
        assert "here" not in r.stdout
        assert "\n  cause  " in r.stderr and "\n  id     " in r.stderr, (p, r.stderr)
        assert directive_of(p) in r.stderr, (p, r.stderr)
    place.assert_clean()
    if place.kind == "docker":
        assert "PrivateTmp=yes" in refused and "ProtectSystem=strict" in refused
    leniently_it_runs_and_says_what_is_not_applied(place, statuses_had)


def leniently_it_runs_and_says_what_is_not_applied(place, statuses_had):
    for template, strict in statuses_had.items():
        p = template.format(token=place.token)
        r = place.inside("run", "--lenient", "-P", "-p", p, "sh", "-c", "echo here")
        if strict == 0:
            assert r.returncode == 0, (p, r.stderr)
        elif template in REARRANGING or directive_of(p) in NEEDS_ROOT:
            assert r.returncode == strict or (r.returncode == 0 and directive_of(p) in r.stderr), (p, r.stderr)
        else:
            assert r.returncode == 0, (p, r.stderr)
            assert any("note" in line and directive_of(p) in line for line in r.stderr.splitlines()), (p, r.stderr)
    place.assert_clean()


def test_leniently_all_at_once_lists_each(place):
    protections = ["PrivateTmp=yes", "PrivateDevices=yes", "PrivateNetwork=yes", "ProtectSystem=full", "ProtectHome=yes",
                   "ReadOnlyPaths=/srv", "NoNewPrivileges=yes", "SystemCallFilter=@system-service"]
    r = place.inside("run", "--lenient", "-P", *[w for p in protections for w in ("-p", p)], "sh", "-c",
                     "grep NoNewPrivs /proc/self/status; grep '^Seccomp:' /proc/self/status")
    assert r.returncode == 0, r.stderr
    assert r.stdout.split() == ["NoNewPrivs:", "1", "Seccomp:", "2"]
    if "note" in r.stderr:
        for p in protections[:6]:
            assert directive_of(p) in r.stderr, (p, r.stderr)


def test_detached_runs_work(place):
    """Each of its own, since the container ends with its first process."""
    script = (f"{BULKHEAD} run -q -u one -p Environment=BULKHEAD_TEST={place.token} sleep 1000 && {BULKHEAD} ps --json && "
              f"{BULKHEAD} stop one && {BULKHEAD} ps -a --json")
    place.command = []
    r = place(*place.outer, *place.inner, "sh", "-c", script, timeout=120)
    place.command = [BULKHEAD]
    assert r.returncode == 0, r.stderr
    assert '"state":"running"' in r.stdout and r.stdout.endswith("[]\n")
    place.assert_clean()
