# SPDX-License-Identifier: LGPL-2.1-or-later
"""checkpoint and restore. A program that stands in for criu shows what it is asked for and what becomes of its failures; criu itself is used
where the kernel and it get along."""
import json
import os
import shutil
import subprocess
import time

import pytest

STAND_IN = r"""#!/usr/bin/python3
import ctypes, json, os, sys
argv = sys.argv[1:]
value = lambda name: argv[argv.index(name) + 1]
here = os.path.dirname(os.path.abspath(__file__))
mounts = [l.split()[4] for l in open("/proc/self/mountinfo")]
json.dump({"argv": argv, "mounts": mounts, "cgroup": open("/proc/self/cgroup").read(), "fds": sorted(map(int, os.listdir("/proc/self/fd")))},
          open(os.path.join(here, "asked.json"), "w"))
if os.path.exists(os.path.join(here, "fail")):
    log = os.path.join(value("--work-dir"), value("--log-file"))
    open(log, "w").write("(00.1) fine\n(00.2) Error (criu/tty.c:2): tty is outside\n(00.3) Error (criu/cr-dump.c:1): Dumping FAILED\n(00.4) end\n")
    sys.exit(1)
if argv[0] in ("dump", "pre-dump"):
    open(os.path.join(value("--images-dir"), "inventory.img"), "w").close()
else:
    CLONE_PARENT, SIGCHLD = 0x8000, 17
    pid = ctypes.CDLL(None, use_errno=True).syscall(56, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os.execv("/bin/busybox", ["busybox", "sh", "-c", "echo restored; exec busybox sleep ${SLEEP:-0}"])
    open(os.path.join(value("--work-dir"), value("--pidfile")), "w").write(str(pid))
"""


class Criu:
    def __init__(self, folder):
        self.folder = folder / "stand-in"
        self.folder.mkdir()
        self.program = self.folder / "criu"
        self.program.write_text(STAND_IN)
        self.program.chmod(0o755)
        self.env = {**os.environ, "CRIU": str(self.program)}

    def fail(self):
        (self.folder / "fail").touch()

    def asked(self):
        return json.loads((self.folder / "asked.json").read_text())


@pytest.fixture
def criu(folder):
    return Criu(folder)


def pairs(argv, name):
    return [argv[i + 1] for i, word in enumerate(argv) if word == name]


def test_a_container_is_saved_and_removed(container, criu, folder):
    container.args("sleep", "60").up()
    pid = container.state()["pid"]
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env=criu.env)
    assert r.status == 0, r
    argv = criu.asked()["argv"]
    assert argv[0] == "dump" and pairs(argv, "--tree") == [str(pid)] and pairs(argv, "--images-dir") == [str(folder / "images")]
    assert "--manage-cgroups=soft" in argv and "--leave-running" not in argv
    assert container.state() is None


def test_a_container_that_is_left_running_goes_on(container, criu, folder):
    container.args("sleep", "60").up()
    for option in ("--leave-running", "--pre-dump"):
        r = container.call("checkpoint", option, "--image-path", folder / "images", container.id, env=criu.env)
        assert r.status == 0, r
        assert container.status() == "running"
    assert criu.asked()["argv"][0] == "pre-dump"


def test_every_option_reaches_criu(container, criu, folder):
    container.args("sleep", "60").up()
    read, write = os.pipe()
    r = container.call("checkpoint", "--image-path", folder / "images", "--work-path", folder / "work", "--parent-path", "../earlier", "--tcp-established",
                       "--ext-unix-sk", "--shell-job", "--file-locks", "--manage-cgroups-mode", "full", "--empty-ns", "network", "--auto-dedup",
                       "--lazy-pages", "--page-server", "192.0.2.1:27", "--link-remap", "--tcp-skip-in-flight", "--status-fd", str(write), container.id,
                       env=criu.env, pass_fds=[write])
    os.close(read)
    os.close(write)
    assert r.status == 0, r
    argv = criu.asked()["argv"]
    for word in ("--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks", "--manage-cgroups=full", "--auto-dedup", "--lazy-pages",
                 "--page-server", "--link-remap", "--skip-in-flight", "--track-mem"):
        assert word in argv, word
    for name, value in (("--work-dir", str(folder / "work")), ("--prev-images-dir", "../earlier"), ("--empty-ns", "net"), ("--address", "192.0.2.1"),
                        ("--port", "27"), ("--status-fd", str(write))):
        assert pairs(argv, name) == [value], name
    assert set(criu.asked()["fds"]) <= {0, 1, 2, 3, 4, write}


def test_mounts_and_networks_from_outside_are_named(make, criu, folder):
    c = make()
    (folder / "data").mkdir()
    c.config["mounts"].append({"destination": "/mnt", "type": "bind", "source": str(folder / "data"), "options": ["bind"]})
    c.args("sleep", "60").up()
    assert c.call("checkpoint", "--image-path", folder / "images", c.id, env=criu.env).status == 0
    assert "mnt[/mnt]:/mnt" in pairs(criu.asked()["argv"], "--external")
    r = c.call("restore", "--image-path", folder / "images", "--bundle", c.bundle, c.id, env=criu.env)
    assert r.status == 0, r
    assert f"mnt[/mnt]:{folder}/data" in pairs(criu.asked()["argv"], "--external")


def test_what_criu_says_is_in_the_error_and_the_container_goes_on(container, criu, folder):
    container.args("sleep", "60").up()
    criu.fail()
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env=criu.env)
    assert r.status == 1 and "checkpoint.failed" in r.err and "tty is outside" in r.err and "FAILED" not in r.err, r
    assert container.status() == "running"


def test_without_criu_the_error_says_so(container, folder):
    container.args("sleep", "60").up()
    r = container.call("checkpoint", "--image-path", folder / "images", container.id, env={**os.environ, "CRIU": "/nonexistent/criu"})
    assert r.status == 1 and "checkpoint.missing" in r.err, r
    assert container.status() == "running"


def test_a_container_is_restored_in_the_foreground_and_removed(container, criu, folder):
    (folder / "images").mkdir()
    (folder / "images/inventory.img").touch()
    container.save()
    r = container.call("restore", "--image-path", folder / "images", "--bundle", container.bundle, container.id, env=criu.env)
    assert (r.status, r.out) == (0, "restored\n"), r
    asked = criu.asked()
    argv = asked["argv"]
    assert argv[0] == "restore" and "--restore-sibling" in argv and pairs(argv, "--root") == [str(container.rootfs)]
    assert str(container.rootfs) in asked["mounts"] and container.id in asked["cgroup"]
    assert str(container.rootfs) not in [line.split()[4] for line in open("/proc/self/mountinfo")]
    assert container.state() is None


def test_a_container_is_restored_in_the_background_with_state_and_pid_file(container, criu, folder):
    (folder / "images").mkdir()
    (folder / "images/inventory.img").touch()
    container.save()
    with open(container.bundle / "out", "wb") as out:
        p = subprocess.run(container.command("restore", "--detach", "--pid-file", folder / "pid", "--image-path", folder / "images",
                                             "--bundle", container.bundle, container.id), env={**criu.env, "SLEEP": "60"}, stdout=out, stderr=out, timeout=60)
    assert p.returncode == 0, container.out()
    state = container.state()
    assert state["status"] == "running" and str(state["pid"]) == (folder / "pid").read_text()
    assert container.id in open(f"/proc/{state['pid']}/cgroup").read()
    assert container.kill().status == 0
    assert container.wait_for("stopped")


def test_nothing_is_left_when_a_restore_fails(container, criu, folder):
    (folder / "images").mkdir()
    container.save()
    restore = ("restore", "--image-path", folder / "images", "--bundle", container.bundle, container.id)
    r = container.call(*restore, env=criu.env)
    assert r.status == 1 and "checkpoint.image" in r.err, r
    (folder / "images/inventory.img").touch()
    criu.fail()
    r = container.call(*restore, env=criu.env)
    assert r.status == 1 and "tty is outside" in r.err, r
    assert container.state() is None


@pytest.mark.parametrize("options, words", [(["--page-server", "nowhere"], "--page-server"), (["--empty-ns", "pid"], "--empty-ns"),
                                            (["--status-fd", "x"], "--status-fd")])
def test_wrong_options_are_errors(container, criu, folder, options, words):
    container.args("sleep", "60").up()
    r = container.call("checkpoint", "--image-path", folder / "images", *options, container.id, env=criu.env)
    assert r.status == 1 and words in r.err, r


def test_a_stopped_container_cannot_be_saved(container, criu):
    container.up()
    assert container.wait_for("stopped")
    r = container.call("checkpoint", container.id, env=criu.env)
    assert r.status == 1 and "container.status" in r.err, r


def test_with_criu_itself_a_counter_goes_on_where_it_was(container, folder):
    if not shutil.which("criu"):
        pytest.skip("criu is not installed")
    check = subprocess.run(["criu", "check"], capture_output=True, text=True)
    if check.returncode:
        pytest.skip("criu does not get along with this kernel: " + (check.stdout + check.stderr).strip().split("\n")[0])
    container.sh("n=0; while :; do n=$((n+1)); echo $n; echo $n >/tmp/n; sleep 0.1; done").save()
    count = container.rootfs / "tmp/n"

    def start(*words):
        """With the null device and a pipe of ours, as engines start it: what came through that until close."""
        ours, theirs = os.pipe()
        p = subprocess.run(container.command(*words), stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, timeout=120)
        os.close(theirs)
        return p.returncode, open(ours)

    status, pipe = start("run", "--detach", "--bundle", container.bundle, container.id)
    assert status == 0
    time.sleep(1)
    r = container.call("checkpoint", "--image-path", folder / "images", container.id)
    assert r.status == 0, (r, (folder / "images/dump.log").read_text()[-3000:])
    before = int(count.read_text())
    assert [int(line) for line in pipe][0] == 1
    status, pipe = start("restore", "--detach", "--work-path", folder / "work", "--image-path", folder / "images", "--bundle", container.bundle, container.id)
    assert status == 0, (folder / "work/restore.log").read_text()[-3000:]
    time.sleep(1)
    assert int(count.read_text()) > before > 1
    assert container.kill("KILL").status == 0
    assert [int(line) for line in pipe][0] >= before > 1
