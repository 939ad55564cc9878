# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runtime under a real systemd: the first process of a process namespace, in charge of all control groups. Only for a machine that is the
tests' own, as the guest of tests/vm is."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oci"))
import bundle as oci  # noqa: E402

SYSTEMD = "/lib/systemd/systemd"
UID = 1000
# A manager for user 1000, as user@.service starts one, without PAM.
USERS = f"""[Service]
User={UID}
Type=notify
Delegate=pids memory cpu
Environment=XDG_RUNTIME_DIR=/run/user/{UID} HOME=/tmp
ExecStart={SYSTEMD} --user --unit=basic.target
KillMode=mixed
"""
BEGIN = f"""set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system /run/user/{UID}
chown {UID}:{UID} /run/user/{UID}
printf '[Unit]\\nDefaultDependencies=no\\n' >/run/systemd/system/bulkhead-test.target
printf '%s' "$USERS" >/run/systemd/system/manager.service
exec env -i container=bulkhead-test PATH="$PATH" {SYSTEMD} --system --unit=bulkhead-test.target --log-target=null --show-status=no
"""


class Systemd:
    def __init__(self):
        self.outer = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", BEGIN], env={**os.environ, "USERS": USERS})
        self.pid = self.wait(self.first)
        self.enter = ("nsenter", "--target", str(self.pid), "--mount", "--pid", "--")
        self.wait(lambda: self("is-system-running", check=False) in ("running", "degraded"))

    def first(self):
        text = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        return int(text[0]) if text and os.path.exists(f"/proc/{text[0]}/root/run/systemd/private") else None

    @staticmethod
    def wait(what, seconds=60):
        end = time.monotonic() + seconds
        while not (value := what()):
            assert time.monotonic() < end, "systemd does not come up"
            time.sleep(0.1)
        return value

    def __call__(self, *words, check=True):
        p = subprocess.run([*self.enter, "systemctl", *words], capture_output=True, text=True, check=False, timeout=60)
        assert not check or p.returncode == 0, p
        return p.stdout.strip()

    def show(self, unit, *names):
        lines = self("show", unit, *(f"-p{n}" for n in names)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def stop(self):
        os.kill(self.pid, 9)
        self.outer.wait()


@pytest.fixture(scope="session")
def systemd():
    if not shutil.which(SYSTEMD) or os.environ.get("BULKHEAD_GUEST") != "yes":
        pytest.skip("a real systemd in charge of all groups: in the guest alone")
    s = Systemd()
    yield s
    s.stop()


folder = oci.folder_fixture("bulkhead-systemd-")


@pytest.fixture
def make(folder, systemd):
    """make(): a container whose group is a scope of systemd's."""
    with oci.containers_in(folder) as new:
        def under_systemd():
            c = new()
            c.prefix = systemd.enter
            c.command = lambda *argv: [*c.prefix, c.program, "--root", str(c.root), "--systemd-cgroup", *[str(a) for a in argv]]
            c.config["linux"]["cgroupsPath"] = f"bulkhead-test.slice:bulkhead:{c.id}"
            c.unit = f"bulkhead-{c.id}.scope"
            return c
        yield under_systemd
