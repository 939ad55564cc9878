# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots of a unit's own: a folder, an image, what is mounted in them, and that nothing leads out."""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from conftest import binary
from lifecycle import PATIENCE

TOOLS = ("sh", "ls", "cat", "touch", "stat", "id", "readlink", "sleep", "grep", "mkdir", "chroot", "head")


@pytest.fixture
def busybox():
    path = shutil.which("busybox")
    if not path:
        pytest.skip("needs a static busybox")
    return path


def make_tree(top, busybox, uid):
    for name in ("bin", "etc", "tmp", "var/tmp", "var/lib", "usr", "home", "root", "opt/in", "dev", "proc", "sys", "run"):
        (top / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox, top / "bin/busybox")
    for name in TOOLS:
        (top / "bin" / name).symlink_to("busybox")
    (top / "etc/mine").write_text("inside")
    (top / "etc/passwd").write_text("insider:x:4711:4711::/:/bin/sh\n")
    (top / "out").symlink_to("../../../../../../../../etc")
    (top / "absolute").symlink_to("/etc")
    for folder, folders, files in os.walk(top):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(folder, name), uid, uid, follow_symlinks=False)


@pytest.fixture
def tree(any_box, busybox):
    top = any_box.data / "root"
    top.mkdir()
    make_tree(top, busybox, any_box.uid)
    return top


@pytest.fixture
def root_tree(box, busybox):
    top = box.data / "root"
    top.mkdir()
    make_tree(top, busybox, 0)
    return top


def test_the_tree_is_all_that_is_seen(any_box, tree):
    r = any_box.shell(f"RootDirectory={tree}", "cat /etc/mine; echo; ls -d /srv; stat -c %i /; chroot / ls -d /srv")
    assert "inside" in r.out and str(os.stat(tree).st_ino) in r.out.split() and "/srv\n" not in r.out, r
    twin = any_box.shell("", "ls -d /srv; test ! -e /etc/mine")
    assert "/srv" in twin.out and twin.status == 0, twin


def test_a_bare_name_is_looked_for_inside(any_box, tree):
    (tree / "bin/only-inside").write_text("#!/bin/sh\necho found")
    (tree / "bin/only-inside").chmod(0o755)
    assert any_box.good(f"RootDirectory={tree}", "only-inside") == "found\n"
    r = any_box.run(f"RootDirectory={tree}", "python3")
    assert r.status == 203 and "python3" in r.err, r


def test_api_file_systems(any_box, tree):
    script = "readlink /proc/self; test -d /sys/kernel && test -c /dev/null && ls /run && grep -c ' /run ' /proc/self/mountinfo"
    r = any_box.shell(f"RootDirectory={tree}", script)
    assert r.status == 0 and len(r.out.split()) == 2, r
    for more in ("MountAPIVFS=no", "BindLogSockets=no\nMountAPIVFS=no"):
        r = any_box.shell(f"RootDirectory={tree}\n{more}", "ls /proc /sys /dev; cat /etc/mine")
        assert r.out == "/dev:\n\n/proc:\n\n/sys:\ninside", r


def test_what_is_mounted_already_stays(box, root_tree):
    """In a mount namespace of the test's own."""
    script = f"""mount -t tmpfs none {root_tree}/run && echo kept >{root_tree}/run/file
mount -t tmpfs none {root_tree}/opt && echo below >{root_tree}/opt/file
{binary()} run -q -P -p RootDirectory={root_tree} -- /bin/sh -c 'cat /run/file /opt/file'"""
    p = subprocess.run(["unshare", "-m", "sh", "-c", script], env=box.env(), stdout=subprocess.PIPE, text=True, check=False)
    assert p.stdout == "kept\nbelow\n", p


def test_binds_lead_into_it(any_box, tree):
    source = any_box.data / "source"
    source.mkdir()
    (source / "f").write_text("of the host")
    os.chown(source, any_box.uid, any_box.uid)
    r = any_box.shell(f"RootDirectory={tree}\nBindPaths={source}:/opt/in\nBindReadOnlyPaths={source}:/opt/new", "cat /opt/in/f /opt/new/f; touch /opt/in/made; touch /opt/new/no || echo closed")
    assert r.out == "of the hostof the hostclosed\n" and (source / "made").exists(), r
    r = any_box.shell(f"RootDirectory={tree}\nBindPaths={source}/missing:/opt/in", "true")
    assert r.status == 226 and "missing" in r.err, r


def test_no_link_leads_out(any_box, tree):
    """Links of a hostile tree, as targets of mounts: nothing of the host is covered or made."""
    source = any_box.data / "source"
    source.mkdir()
    (source / "f").write_text("x")
    for link in ("out", "absolute"):
        r = any_box.shell(f"RootDirectory={tree}\nBindPaths={source}:/{link}/sub\nReadOnlyPaths=+/{link}", "cat /etc/sub/f; touch /etc/no || echo closed")
        assert r.out == "xclosed\n", r
        os.rmdir(tree / "etc/sub")
        r = any_box.shell(f"RootDirectory={tree}\nInaccessiblePaths=+/{link}/mine", "cat /etc/mine | grep -c inside")
        assert r.out.strip() == "0", r
    r = any_box.shell(f"RootDirectory={tree}\nTemporaryFileSystem=/out", "ls -A /etc; ls /out/")
    assert r.out == "", r
    assert not {"no", "sub"} & set(os.listdir("/etc"))


def test_paths_with_and_without_plus(any_box, tree):
    write = "touch /etc/no 2>/dev/null && echo open || echo closed; touch /opt/no 2>/dev/null && echo open || echo closed"
    for lines, expected in ((f"ReadOnlyPaths={tree}/etc", "closed open"), ("ReadOnlyPaths=+/etc", "closed open"), ("ReadOnlyPaths=-+/etc -+/none", "closed open"),
                            (f"ReadOnlyPaths={tree.parent}", "closed closed"), (f"ReadOnlyPaths={tree}\nReadWritePaths=+/opt", "closed open"), ("", "open open")):
        r = any_box.shell([f"RootDirectory={tree}", *lines.split("\n")] if lines else f"RootDirectory={tree}", write)
        assert r.out.split() == expected.split(), (lines, r)
    r = any_box.call("run", "-P", "-p", f"RootDirectory={tree}", "-p", "ReadOnlyPaths=/etc", "/bin/sh", "-c", write)
    assert r.out.split() == ["open", "open"] and "note: ReadOnlyPaths=/etc" in r.err, r
    r = any_box.shell(f"RootDirectory={tree}\nReadOnlyPaths=+/none", "true")
    assert r.status == 226 and "ReadOnlyPaths=+/none" in r.err, r


def test_protections_hold_inside(box, root_tree):
    r = box.shell(f"RootDirectory={root_tree}\nProtectSystem=strict\nPrivateTmp=yes\nPrivateDevices=yes",
                  "touch /opt/no || echo closed; touch /tmp/yes && ls /tmp; test ! -e /dev/loop-control && test -c /dev/null && echo dev")
    assert r.out == "closed\nyes\ndev\n", r
    assert not (root_tree / "tmp/yes").exists()


def test_hidden_folders_inside_are_empty(box, root_tree):
    """What stands in for them must not be the root itself."""
    r = box.shell(f"RootDirectory={root_tree}\nInaccessiblePaths=+/opt\nProtectHome=yes", "ls -a /opt /home; stat -c %a /opt /home")
    assert r.out.split() == ["/home:", ".", "..", "/opt:", ".", "..", "0", "0"], r


def test_folders_and_dynamic_users(box, root_tree):
    name = "e2e-roots-" + os.urandom(4).hex()
    try:
        r = box.shell(f"RootDirectory={root_tree}\nDynamicUser=yes\nRuntimeDirectory={name}\nStateDirectory={name}",
                      f"touch /run/{name}/f /var/lib/{name}/f && id -un; grep -c insider /etc/passwd; touch /opt/no || echo closed", options=["-u", name])
        assert r.status == 0 and r.out.split()[1:] == ["1", "closed"], r
        assert os.path.exists(f"/var/lib/private/{name}/f") and not os.path.exists(f"/run/{name}")
    finally:
        shutil.rmtree(f"/var/lib/private/{name}", ignore_errors=True)
        if os.path.islink(f"/var/lib/{name}"):
            os.unlink(f"/var/lib/{name}")


def test_root_cannot_come_back(box, root_tree):
    script = "mkdir -p /x; cd /; for i in 1 2 3; do chroot /x /bin/ls 2>/dev/null; cd ..; done; ls -d srv 2>/dev/null; ls -d /proc/self/root/srv 2>/dev/null; echo end"
    for seal in ("auto", "off"):
        assert box.shell(f"RootDirectory={root_tree}", script, options=[f"--seal={seal}"]).out == "end\n"


def test_missing_and_wrong_roots(any_box, tree):
    for lines, words in (("RootDirectory=/nonexistent", "does not exist"), (f"RootDirectory={tree}/etc/mine", "not a folder")):
        r = any_box.shell(lines, "true")
        assert r.status == 226 and words in r.err and lines in r.err, r
    # Strict even where leniency is asked for: the payload would go astray.
    r = any_box.shell("RootDirectory=/nonexistent", "true", options=["--lenient"])
    assert r.status == 226, r


@pytest.mark.parametrize("lines, words", [("RootDirectory=relative", "absolute path"), ("RootDirectory=/a/../b", "absolute path"), ("RootImage=x", "absolute path"),
                                          ("RootDirectory=/srv\nRootImage=/x", "root.two"), ("RootImageOptions=usr:ro", "partitions"), ("MountAPIVFS=maybe", "boolean"),
                                          ("BindLogSockets=maybe", "boolean"), ("MountFlags=rshared", "shared, slave, private")])
def test_bad_values(any_box, lines, words):
    r = any_box.run(lines, "true")
    assert r.status == 1 and words in r.err, r


def test_specifiers_and_reset(any_box, tree):
    unit = any_box.name()
    os.rename(tree, tree.parent / unit)
    r = any_box.shell(f"RootDirectory={tree.parent}/%N", "cat /etc/mine", options=["-u", unit])
    assert r.out == "inside", r
    assert any_box.shell(f"RootDirectory={tree}\nRootDirectory=", "test -d /srv").status == 0
    assert any_box.shell("RootDirectory=/", "test -d /srv").status == 0


def test_refused_by_the_kernel(box, root_tree):
    command = f"echo 0 >/proc/sys/user/max_mnt_namespaces && exec {binary()} run -q -P --lenient -p RootDirectory={root_tree} -- /bin/sh -c true"
    p = subprocess.run(["unshare", "-U", "-r", "sh", "-c", command], env=box.env(), stderr=subprocess.PIPE, text=True, check=False)
    assert p.returncode == 226 and f"RootDirectory={root_tree}" in p.stderr, p


def test_propagation(box):
    for word, expected in (("", "shared"), ("MountFlags=shared", "shared"), ("MountFlags=slave", "none"), ("MountFlags=private", "none")):
        r = box.shell(f"PrivateMounts=yes\n{word}" if word else "PrivateMounts=yes", "head -1 /proc/self/mountinfo")
        fields = r.out.split()[6:]
        assert any(f.startswith("shared") for f in fields[:fields.index("-")]) == (expected == "shared"), (word, r)


# ---- images ----

def loops():
    """What loop devices are on, by their files."""
    found = {}
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            with open(path) as f:
                found[path] = f.read().strip()
        except OSError:
            pass
    return found


def wait_for_none(image, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while str(image) in loops().values():
        assert time.monotonic() < end, loops()
        time.sleep(0.02)


MAKERS = {"erofs": ["mkfs.erofs", "{image}", "{tree}"], "ext4": ["mkfs.ext4", "-q", "-d", "{tree}", "{image}"],
          "squashfs": ["mksquashfs", "{tree}", "{image}", "-quiet", "-no-progress"]}


def make_image(box, tree, kind):
    image = box.data / f"image.{kind}"
    if not shutil.which(MAKERS[kind][0], path=box.env()["PATH"]):
        pytest.skip(f"needs {MAKERS[kind][0]}")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("needs loop devices")
    if kind == "ext4":
        with open(image, "wb") as f:
            f.truncate(16 << 20)
    subprocess.run([w.format(image=image, tree=tree) for w in MAKERS[kind]], env=box.env(), check=True, stdout=subprocess.DEVNULL)
    return image


@pytest.mark.parametrize("kind", MAKERS)
def test_an_image(box, root_tree, kind):
    image = make_image(box, root_tree, kind)
    r = box.shell(f"RootImage={image}", "cat /etc/mine; touch /opt/no || echo closed; head -1 /proc/self/mountinfo; test -c /dev/null && echo dev")
    assert r.out.startswith("insideclosed\n") and f" - {kind} " in r.out and "nodev" in r.out and r.out.endswith("dev\n"), r
    wait_for_none(image)


def test_an_image_that_is_written_to(box, root_tree):
    image = make_image(box, root_tree, "ext4")
    lines = f"RootImage={image}\nRootImageOptions=rw,noatime"
    assert box.shell(lines, "echo kept >/opt/file && head -1 /proc/self/mountinfo | grep -c noatime").out == "1\n"
    assert box.shell(lines, "cat /opt/file").out == "kept\n"
    assert box.shell(f"{lines}\nReadOnlyPaths=/opt", "touch /opt/no || echo closed").out == "closed\n"
    wait_for_none(image)


def test_who_writes_is_alone(box, root_tree):
    image = make_image(box, root_tree, "ext4")
    t = box.terminal("run", "-q", "-t", "-p", f"RootImage={image}", "-p", "RootImageOptions=rw", "/bin/sh", "-c", "echo up; sleep 600")
    t.expect("up")
    for options in ("", "\nRootImageOptions=rw"):
        r = box.shell(f"RootImage={image}{options}", "true")
        assert r.status == 226 and "root.image" in r.err and "alone" in r.err, r
    t.send("\x03")
    t.wait()
    wait_for_none(image)
    assert box.shell(f"RootImage={image}", "cat /etc/mine").out == "inside"


def test_nothing_is_left_when_the_supervisor_is_killed(box, root_tree):
    image = make_image(box, root_tree, "ext4")
    unit = box.name()
    p = subprocess.Popen([str(binary()), "run", "-q", "-P", "-u", unit, "-p", f"RootImage={image}", "/bin/sh", "-c", "echo up; sleep 600"], env=box.env(),
                         stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "up\n" and str(image) in loops().values()
    p.send_signal(signal.SIGKILL)
    p.wait()
    wait_for_none(image)


def test_images_that_are_none(any_box, tree):
    image = any_box.data / "image"
    for content, words in ((b"x" * 70000, "no image of a file system"), (b"", "no image"), (b"\0" * 512 + b"EFI PART" + b"\0" * 1000, "table of partitions")):
        image.write_bytes(content)
        os.chown(image, any_box.uid, any_box.uid)
        r = any_box.shell(f"RootImage={image}", "true")
        assert r.status == 226 and words in r.err, r
    r = any_box.shell("RootImage=/nonexistent", "true")
    assert r.status == 226 and "mount.missing" in r.err, r
    r = any_box.shell(f"RootImage={tree}", "true")
    assert r.status == 226 and "neither a file nor a block device" in r.err, r


def test_a_broken_image(box):
    image = box.data / "broken"
    image.write_bytes(b"\0" * 1080 + b"\x53\xef" + os.urandom(4096))
    r = box.shell(f"RootImage={image}", "true")
    assert r.status == 226 and "root.image" in r.err and "ext4" in r.err, r
    wait_for_none(image)


def test_images_need_root(user_box, busybox, tools):
    image = user_box.data / "image"
    image.write_bytes(b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + b"\0" * 4096)
    image.chmod(0o644)
    r = user_box.shell(f"RootImage={image}", "true")
    assert r.status == 226 and "need root" in r.err, r


def test_explain(any_box, tree):
    r = any_box.call("explain", "-p", f"RootDirectory={tree}", "-p", "ReadOnlyPaths=+/etc", "-p", "MountFlags=slave", "true")
    assert r.status == 0 and "all that is seen" in r.out and "MountAPIVFS=yes (implied by RootDirectory=" in r.out, r
    plan = json.loads(any_box.call("explain", "--json", "-p", "RootImage=/x.raw", "-p", "RootImageOptions=rw,noatime", "true").out)
    assert plan["root"]["image"] == "/x.raw" and plan["root"]["options"] == "rw,noatime" and plan["root"]["folder"] is None
