# SPDX-License-Identifier: LGPL-2.1-or-later
"""podman as an ordinary user: it is root of a user namespace of its own, has no control groups, and asks for none."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

import image
from engine import IMAGE

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "rootless"))
import user as users  # noqa: E402
from user import oci  # noqa: E402

COUNT = 65536
PROGRAMS = ("podman", "conmon", "newuidmap", "newgidmap")
WRAPPER = "#!/bin/sh\n{{ echo \"$(id -u) $*\"; }} >>{log}\nexec {program} \"$@\"\n"


class Podman:
    def __init__(self, folder):
        self.user = users.User(folder)
        self.user.give_ranges(self.user.uid + 100_000, COUNT)
        self.made, self.removed = [], 0
        home = self.user.home
        self.calls = home / "calls"
        self.program = home / "bulkhead"
        self.program.write_text(WRAPPER.format(log=self.calls, program=self.user.program))
        self.program.chmod(0o755)
        # What podman asks for by default may lie above the hard limits here.
        (home / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024"]\n[engine]\nlock_type = "file"\n'
                                              f'[engine.runtimes]\nbulkhead = ["{self.program}"]\n')
        (home / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/root"\nrunroot = "{home}/runroot"\n')
        (home / ".config/containers").mkdir(parents=True)
        (home / ".config/containers/policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
        archive = image.write_archive(home)
        self.user.give(home)
        self.ok("load", "--input", archive)

    def env(self):
        home = self.user.home
        return {"CONTAINERS_CONF": f"{home}/containers.conf", "CONTAINERS_STORAGE_CONF": f"{home}/storage.conf", "USER": self.user.name}

    def words(self, *argv):
        return ["podman", "--runtime", "bulkhead", "--cgroup-manager", "cgroupfs", "--events-backend", "none", *argv]

    def call(self, *argv, **kw):
        return self.user.call(*self.words(*argv), env=self.env(), timeout=120, **kw)

    def ok(self, *argv):
        r = self.call(*argv)
        assert r.status == 0, (argv, r)
        return r.out

    def run(self, *argv, options=("--network=none",), **kw):
        return self.call("run", *self.name(), *options, IMAGE, *argv, **kw)

    def name(self):
        """Of a container that is removed later.  podman 4.3 may wait 20 seconds at the end of a run, with runc just as well."""
        self.made.append(f"box{len(self.made)}")
        return "--name", self.made[-1]

    def up(self, *argv, options=("--network=none",)):
        name = self.name()[1]
        self.ok("run", "--detach", "--name", name, *options, IMAGE, *(argv or ("sleep", "1000")))
        return name

    def state(self, name):
        return json.loads(self.ok("container", "inspect", name))[0]["State"]

    def remove_made(self):
        left = self.made[self.removed:]
        if left:
            self.call("rm", "--force", "--ignore", "--time", "0", *left)
        self.removed = len(self.made)

    def runtime_state(self):
        root = self.user.runtime_dir / "bulkhead/oci"
        return sorted(p.name for p in root.iterdir()) if root.is_dir() else []


@pytest.fixture(scope="module")
def engine():
    if os.geteuid() != 0:
        pytest.skip("needs root, to become an ordinary user of its own")
    for p in PROGRAMS:
        if not shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            pytest.skip(f"{p} is not installed (packaging/install-deps engines)")
    folder = pathlib.Path(subprocess.run(["mktemp", "-d", "/srv/bulkhead-rootless-podman-XXXXXX"], check=True, capture_output=True, text=True).stdout.strip())
    folder.chmod(0o755)
    made = Podman.__new__(Podman)
    try:
        made.__init__(folder)
        yield made
    finally:
        if hasattr(made, "user"):
            made.user.close()
        oci.remove_tree(folder)


@pytest.fixture
def podman(engine):
    yield engine
    engine.remove_made()
    end = time.monotonic() + 10
    while engine.runtime_state() and time.monotonic() < end:
        time.sleep(0.05)
    assert engine.runtime_state() == [], "the runtime's state is not empty"


def test_a_run_hands_on_output_errors_and_exit_status(podman):
    r = podman.run("sh", "-c", "echo to out; echo to err >&2; exit 7")
    assert (r.status, r.out) == (7, "to out\n") and "to err\n" in r.err


def test_the_engine_used_the_runtime_under_test_as_root_of_its_namespace(podman):
    name = podman.up()
    identity = json.loads(podman.ok("container", "inspect", name))[0]["Id"]
    made = [line.split() for line in podman.calls.read_text().splitlines() if " create " in line and line.endswith(identity)]
    assert len(made) == 1 and made[0][0] == "0"
    assert podman.runtime_state() == [identity]


def test_the_ids_are_the_users_ranges(podman):
    r = podman.run("cat", "/proc/self/uid_map")
    assert r.out.split() == ["0", str(podman.user.uid), "1", "1", str(podman.user.uid + 100_000), str(COUNT)], r


def test_another_user_of_the_image_runs(podman):
    name = podman.up("sleep", "1000", options=("--network=none", "--user", "1000:1000"))
    pid = podman.state(name)["Pid"]
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"^Uid:\s*(\d+)", status, re.M).group(1) == str(podman.user.uid + 100_000 + 999)


def test_input_is_read_to_its_end(podman):
    text = "".join(f"line {i}\n" for i in range(5000))
    r = podman.user.call("sh", "-c", f"seq 5000 | sed 's/^/line /' | {' '.join(podman.words('run', *podman.name(), '-i', '--network=none', IMAGE, 'cat'))}",
                         env=podman.env())
    assert r.status == 0 and r.out == text.replace("line 0\n", "") + "line 5000\n"


def test_ps_logs_exec_kill_and_rm(podman):
    name = podman.up("sh", "-c", "echo hello; sleep 1000")
    assert podman.ok("ps", "--format", "{{.Names}} {{.Status}}").split()[:2] == [name, "Up"]
    r = podman.call("exec", name, "sh", "-c", "id -u; exit 3")
    assert (r.status, r.out) == (3, "0\n"), r
    assert podman.ok("logs", name) == "hello\n"
    podman.ok("kill", name)
    assert podman.call("wait", name).out.strip() == "137"
    podman.ok("rm", name)
    assert podman.ok("ps", "--all", "--quiet") == ""


def test_exec_with_a_terminal(podman):
    name = podman.up()
    words = [*podman.user.words(podman.env()), *podman.words("exec", "-t", "-i", name, "sh", "-c", "tty; echo ready; read x; echo got $x; exit 4")]
    status, said = users.on_terminal(words, str(podman.user.home), "word\n", seconds=90)
    assert status == 4 and "/dev/pts/" in said and "got word" in said, said


def test_run_with_a_terminal(podman):
    words = [*podman.user.words(podman.env()), *podman.words("run", *podman.name(), "-t", "-i", "--network=none", IMAGE, "sh", "-c",
                                                            "tty; echo ready; read x; echo got $x; exit 5")]
    status, said = users.on_terminal(words, str(podman.user.home), "word\n", seconds=90)
    assert status == 5 and "/dev/pts/" in said and "got word" in said, said


def test_top_and_stop_and_start_again(podman):
    name = podman.up("sleep", "987")
    assert "sleep 987" in podman.ok("top", name)
    podman.ok("stop", "--time", "1", name)
    assert podman.state(name)["Status"] == "exited"
    podman.ok("start", name)
    assert podman.state(name)["Status"] == "running"


def test_no_network_and_the_hosts(podman):
    assert podman.run("ls", "/sys/class/net").out.split() == ["lo"]
    assert set(os.listdir("/sys/class/net")) == set(podman.run("ls", "/sys/class/net", options=("--network=host",)).out.split())


def test_the_callers_own_id_can_be_kept(podman):
    r = podman.run("id", "-u", options=("--network=none", "--userns=keep-id"))
    assert (r.status, r.out) == (0, f"{podman.user.uid}\n"), r


def test_volumes_and_a_read_only_root(podman):
    place = podman.user.home / "volume"
    place.mkdir()
    podman.user.give(place)
    r = podman.run("sh", "-c", "echo x >/v/f; echo x >/f || echo refused", options=("--network=none", "--read-only", "-v", f"{place}:/v"))
    assert r.out == "refused\n" and (place / "f").stat().st_uid == podman.user.uid, r


def test_capabilities_and_new_privileges_are_as_the_engine_asks(podman):
    r = podman.run("sh", "-c", "grep -E 'CapBnd|NoNewPrivs' /proc/self/status", options=("--network=none", "--cap-drop=all", "--security-opt=no-new-privileges"))
    assert r.out.split() == ["CapBnd:", "0" * 16, "NoNewPrivs:", "1"], r


def test_the_system_call_profile_of_the_engine_is_on(podman):
    assert re.search(r"Seccomp:\s*2", podman.run("grep", "Seccomp:", "/proc/self/status").out)


def test_a_program_that_is_not_there(podman):
    r = podman.run("nonsense")
    assert r.status == 127 and "nonsense" in r.err, r
