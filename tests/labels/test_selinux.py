# SPDX-License-Identifier: LGPL-2.1-or-later
"""SELinux, enforcing policy.cil: a label is there, and stops what it should; the twin without it, or with another, works."""
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from conftest import PROGRAM

PROBE = pathlib.Path(__file__).parent / "probe"
HOST = "system_u:system_r:host_t:s0-s0:c0.c3"
PROCESS, FILES = "system_u:system_r:container_t:s0:c1,c2", "system_u:object_r:container_file_t:s0:c1,c2"
SHARED, STRANGE, OTHER = "system_u:object_r:container_file_t:s0", "system_u:object_r:container_file_t:s0:c3", "system_u:object_r:other_t:s0"
pytestmark = pytest.mark.skipif(not os.path.exists("/sys/fs/selinux/enforce"), reason="SELinux is not enabled on this host")


@pytest.fixture(scope="module", autouse=True)
def policy():
    """SELINUX_POLICY, compiled; the guest is the test's own and has none yet."""
    pathlib.Path("/sys/fs/selinux/load").write_bytes(pathlib.Path(os.environ["SELINUX_POLICY"]).read_bytes())
    pathlib.Path("/sys/fs/selinux/enforce").write_text("1")
    assert pathlib.Path("/proc/self/attr/current").read_text().rstrip("\0\n") == HOST


def label(path, text):
    """All below, links left out: the policy knows of none."""
    for folder, _, files in os.walk(path):
        for name in [".", *files]:
            if not os.path.islink(os.path.join(folder, name)):
                os.setxattr(os.path.join(folder, name), "security.selinux", text.encode())
    if not path.is_dir():
        os.setxattr(path, "security.selinux", text.encode())


def label_of(path):
    return os.getxattr(path, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()


@pytest.fixture
def confined(make):
    """confined(): a container with both labels; other words change them, None leaves one out."""
    def new(process=PROCESS, files=FILES):
        c = make()
        shutil.copy(PROBE, c.rootfs / "probe")
        label(c.rootfs, SHARED)
        if process:
            c.config["process"]["selinuxLabel"] = process
        if files:
            c.config["linux"]["mountLabel"] = files
        return c
    return new


def bind(container, folder, name, text):
    """A file of the host's with a label, seen in the container under its name."""
    path = folder / name
    path.write_text(f"this is {name}\n")
    label(path, text)
    container.config["mounts"].append({"destination": f"/mnt/{name}", "source": str(path), "type": "bind", "options": ["bind"]})
    return container


def probe(container, *paths):
    r = container.args("/probe", *paths).run()
    assert r.status == 0, r
    return dict(line.split(" ", 1) for line in r.out.splitlines())


# ---- the process ----

def test_the_process_and_its_session_keyring_have_the_label(confined):
    seen = probe(confined())
    assert (seen["process"], seen["keyring"]) == (PROCESS, PROCESS), seen


def test_without_a_label_the_process_has_the_callers(confined):
    seen = probe(confined(None, None))
    assert (seen["process"], seen["keyring"]) == (HOST, HOST), seen


@pytest.mark.parametrize("text, allowed", [(FILES, True), (SHARED, True), (STRANGE, False), (OTHER, False)], ids=["own", "shared", "strange", "other"])
def test_the_policy_decides_which_files_a_container_reads_and_writes(confined, folder, text, allowed):
    script = "cat /mnt/file && echo more >>/mnt/file && echo written"
    r = bind(confined(), folder, "file", text).sh(script).run()
    assert (r.status == 0, "this is file" in r.out, "written" in r.out) == (allowed,) * 3, r
    assert allowed or "Permission denied" in r.err
    r = bind(confined(None, None), folder, "file", text).sh(script).run()
    assert r.status == 0, f"who has no label may: {r}"


def test_exec_has_the_containers_label_or_its_own(confined):
    c = confined().sh("sleep 1000").up()
    current = ("cat", "/proc/self/attr/current")
    assert c.exec(*current).out.rstrip("\0\n") == PROCESS
    assert c.exec("/probe").out.splitlines() == [f"process {PROCESS}", f"keyring {PROCESS}"]
    wider = PROCESS.replace("c1,c2", "c1")
    assert c.exec(*current, options=("--process-label", wider)).out.rstrip("\0\n") == wider


@pytest.mark.parametrize("key", ["selinuxLabel", "mountLabel"])
def test_a_label_that_the_policy_does_not_know_stops_the_start(confined, key):
    unknown = "system_u:system_r:no_such_t:s0"
    c = confined(unknown) if key == "selinuxLabel" else confined(files=unknown)
    r = c.sh("echo ran").run()
    assert r.status != 0 and "ran" not in r.out, r
    assert key in r.err or "/mounts/" in r.err, r
    assert c.state() is None


# ---- what is mounted ----

def test_what_is_mounted_has_the_mount_label_and_what_has_the_policys_keeps_it(confined):
    seen = probe(confined(), "/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/firmware", "/proc/version", "/sys/kernel", "/bin")
    for path in ("/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/firmware"):
        assert seen[path] == FILES, seen
    assert seen["/bin"] == SHARED and ":proc_t:" in seen["/proc/version"] and ":proc_t:" in seen["/sys/kernel"], seen


def test_a_container_writes_to_its_own_mounts_for_they_have_its_label(confined):
    script = "echo text >/dev/shm/file && cat /dev/shm/file"
    assert confined().sh(script).run().out == "text\n"
    for files in (None, STRANGE, OTHER):
        r = confined(files=files).sh(script).run()
        assert r.status != 0 and "Permission denied" in r.err, (files, r)


def test_a_mount_may_have_a_label_of_its_own(confined):
    own = FILES.replace("c1,c2", "c1")
    for text in (f'context="{FILES}"', f"context={own}"):
        c = confined(files=OTHER)
        c.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", text, "size=64k"]})
        assert probe(c, "/mnt")["/mnt"] == text.split("=", 1)[1].strip('"')


def test_a_user_namespace_changes_nothing(confined):
    c = confined()
    c.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        c.config["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    seen = probe(c, "/dev", "/dev/null", "/dev/shm", "/dev/mqueue")
    assert seen.pop("process") == seen.pop("keyring") == PROCESS
    assert set(seen.values()) == {FILES}, seen
    assert c.sh("echo text >/dev/null && echo text >/dev/shm/file && cat /dev/shm/file").run().out == "text\n"


def test_the_terminal_has_the_mount_label(confined):
    c = confined()
    c.config["process"]["terminal"] = True
    c.args("/probe", "/dev/pts/0", "/dev/console").save()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(c.bundle / "console"))
        s.listen()
        with subprocess.Popen(c.command("create", "--console-socket", c.bundle / "console", "--bundle", c.bundle, c.id)) as p:
            with s.accept()[0] as peer:
                _, [main], *_ = socket.recv_fds(peer, 100, 1)
            assert p.wait(60) == 0
    c.start()
    said = b""
    try:
        while chunk := os.read(main, 1000):
            said += chunk
    except OSError:  # the end of a terminal
        pass
    os.close(main)
    assert {f"/dev/pts/0 {FILES}", f"/dev/console {FILES}"} <= set(said.decode().split("\r\n")), said


def test_a_tmpfs_that_is_added_later_has_it_too(confined):
    c = confined().sh("sleep 1000").up()
    r = c.call("mounts", "add", c.id, "-", input='[{"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}]')
    assert r.status == 0, r
    assert label_of(f"/proc/{c.state()['pid']}/root/mnt") == FILES


# ---- services ----

def service(directives, *command):
    words = [w for d in directives for w in ("-p", d)]
    return subprocess.run([PROGRAM, "run", "-P", *words, *command], capture_output=True, text=True, timeout=60)


def test_a_service_has_its_context_and_may_do_what_that_may(folder):
    (folder / "file").write_text("text\n")
    shutil.copy(PROBE, folder / "probe")
    label(folder, SHARED)
    shutil.copy("/bin/busybox", folder / "cat")
    label(folder / "cat", SHARED)
    r = service([f"SELinuxContext={PROCESS}"], str(folder / "probe"))
    assert r.stdout.splitlines()[0] == f"process {PROCESS}", r
    for text, allowed in ((SHARED, True), (OTHER, False)):
        label(folder / "file", text)
        r = service([f"SELinuxContext={PROCESS}"], str(folder / "cat"), str(folder / "file"))
        assert (r.returncode == 0 and r.stdout == "text\n") == allowed, r
        assert service([], str(folder / "cat"), str(folder / "file")).stdout == "text\n"


def test_a_service_with_an_unknown_context_does_not_start_unless_it_may_do_without():
    r = service(["SELinuxContext=system_u:system_r:no_such_t:s0"], "echo", "ran")
    assert r.returncode == 229 and "ran" not in r.stdout and "SELinuxContext=" in r.stderr, r
    assert service(["SELinuxContext=-system_u:system_r:no_such_t:s0"], "echo", "ran").stdout == "ran\n"


def test_features_tell_of_selinux(make):
    assert '"selinux"' in make().call("features").out
