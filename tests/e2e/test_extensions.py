# SPDX-License-Identifier: LGPL-2.1-or-later
"""MountImages=, ExtensionImages= and ExtensionDirectories=: what they show, that it is read-only, and what is refused."""
import os
import shutil

import pytest

from services import Services
from test_roots import busybox, make_image, make_tree, root_tree, wait_for_none  # noqa: F401

OS = {line.split("=", 1)[0]: line.strip().split("=", 1)[1].strip('"') for line in open("/etc/os-release") if "=" in line}


def extension(box, name, release=None, **files):
    """A folder with an extension; files by their path with "_" for "/"."""
    top = box.data / name
    folder = top / "usr/lib/extension-release.d"
    folder.mkdir(parents=True)
    if release is None:
        release = f"ID={OS['ID']}\nVERSION_ID={OS['VERSION_ID']}\n"
    if release:
        (folder / f"extension-release.{name}").write_text(release)
    for path, text in files.items():
        where = top / path.replace("_", "/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
    return top


def image(box, name, **more):
    top = extension(box, name, **more)
    made = make_image(box, top, "ext4")
    target = box.data / f"{name}.raw"
    made.rename(target)
    return target


def test_folders_are_laid_over_usr_and_opt(box):
    one, two = extension(box, "one", usr_share_who="first\n", opt_bulkhead="x\n"), extension(box, "two", usr_share_who="second\n")
    before = len([n for n in os.listdir("/usr/bin") if not n.startswith("probe-")])  # which another suite's probe may just have made
    r = box.shell(f"ExtensionDirectories={one} {two}", "cat /usr/share/who /opt/bulkhead; ls /usr/bin | grep -vc ^probe-; touch /usr/x /opt/x || echo closed")
    assert r.out.split() == ["second", "x", str(before), "closed"], r
    assert not os.path.exists("/usr/share/who")
    r = box.shell(f"ExtensionDirectories={two}\nExtensionDirectories={one}", "cat /usr/share/who; mount -o remount,rw /usr || echo closed")
    assert r.out.split() == ["first", "closed"], r


def test_the_host_sees_none_of_it(box):
    before = open("/proc/self/mountinfo").read()
    one = extension(box, "one", usr_share_who="first\n")
    t = box.terminal("run", "-q", "-t", "-p", f"ExtensionDirectories={one}", "/bin/sh", "-c", "cat /usr/share/who; read x")
    t.expect("first")
    assert open("/proc/self/mountinfo").read() == before and not os.path.exists("/usr/share/who")
    t.send("\n")
    t.wait()


def test_images_are_laid_under_folders(box):
    raw, one = image(box, "two", usr_share_who="image\n", usr_share_only="image\n"), extension(box, "one", usr_share_who="folder\n")
    r = box.shell(f"ExtensionDirectories={one}\nExtensionImages={raw}", "cat /usr/share/who /usr/share/only; grep -c ext4 /proc/self/mountinfo")
    assert r.out.split()[:2] == ["folder", "image"], r
    wait_for_none(raw)


def test_in_a_root_of_its_own(box, root_tree):
    (root_tree / "usr/lib").mkdir()
    (root_tree / "usr/lib/os-release").write_text("ID=mine\nVERSION_ID=1\n")
    shutil.rmtree(root_tree / "opt")
    mine = extension(box, "mine", release="ID=mine\nVERSION_ID=1\n", usr_who="x\n", opt_who="y\n")
    other = extension(box, "other", usr_who="x\n")
    lines = f"RootDirectory={root_tree}"
    assert box.shell(f"{lines}\nExtensionDirectories={mine}", "cat /usr/who /opt/who; touch /opt/x || echo closed").out.split() == ["x", "y", "closed"]
    r = box.shell(f"{lines}\nExtensionDirectories={other}", "echo started")
    assert r.status == 226 and "extension.release" in r.err and not r.out, r


@pytest.mark.parametrize("release, words", [("ID=none\n", "ID=none"), ("", "reading /usr/lib/extension-release.d/extension-release.bad"),
                                            ("ID=_any\nARCHITECTURE=s390\n", "ARCHITECTURE=s390"), ("VERSION_ID=1\n", "ID=(nothing)"), ("ID='open\n", "environment.syntax"),
                                            (f"ID={OS['ID']}\nVERSION_ID=0\n", "VERSION_ID=0")])
def test_what_was_not_made_for_it_is_refused(box, release, words):
    bad, good = extension(box, "bad", release=release, usr_share_who="x"), extension(box, "good", release="ID=_any\n")
    for lines in (f"ExtensionDirectories={bad}", f"ExtensionDirectories={good} {bad}"):
        for options in ([], ["--lenient"]):
            r = box.shell(lines, "echo started", options=options)
            assert r.status == 226 and words in r.err and "extension" in r.err and not r.out, r


def test_it_cannot_say_what_the_system_is(box):
    bad = extension(box, "bad")
    (bad / "usr/lib/os-release").write_text("ID=evil\n")
    r = box.shell(f"ExtensionDirectories={bad}", "echo started")
    assert r.status == 226 and "os-release" in r.err, r


def test_links_in_it_stay_in_it(box):
    bad = extension(box, "bad", release="")
    os.symlink("/etc/os-release", bad / "usr/lib/extension-release.d/extension-release.bad")
    r = box.shell(f"ExtensionDirectories={bad}", "echo started")
    assert r.status == 226 and "extension.release" in r.err, r


def test_an_image_with_another_name(box):
    raw = image(box, "named", usr_share_who="x\n")
    other = raw.rename(box.data / "other.raw")
    r = box.shell(f"ExtensionImages={other}", "true")
    assert r.status == 226 and "extension-release.other" in r.err, r
    r = box.shell(f"ExtensionImages={other}:x-systemd.relax-extension-release-check", "cat /usr/share/who")
    assert r.out == "x\n", r
    wait_for_none(other)


def test_what_is_missing(box):
    for name, path in (("ExtensionDirectories", "/nonexistent"), ("ExtensionImages", "/nonexistent.raw"), ("MountImages", "/nonexistent.raw:/mnt")):
        r = box.shell(f"{name}={path}", "echo started")
        assert r.status == 226 and "mount.missing" in r.err and not r.out, r
        assert box.shell(f"{name}=-{path}", "true").status == 0


# ---- MountImages= ----

def test_an_image_at_a_path(box, root_tree):
    raw = make_image(box, root_tree, "ext4")
    at = f"{box.data}/new/in"  # is made for it
    r = box.shell(f"MountImages={raw}:{at}:nosuid,noexec", f"cat {at}/etc/mine; echo; touch {at}/x || echo closed; grep {at} /proc/self/mountinfo")
    assert r.out.startswith("inside\nclosed\n") and all(w in r.out for w in ("nosuid", "noexec", "nodev", "ro")), r
    wait_for_none(raw)


def test_in_a_root_and_written_to(box, root_tree):
    raw = make_image(box, root_tree, "ext4")
    lines = f"RootDirectory={root_tree}\nMountImages={raw}:/opt/in:root:rw"
    assert box.shell(lines, "echo kept >/opt/in/file && cat /opt/in/etc/mine").out == "inside"
    assert box.shell(lines, "cat /opt/in/file").out == "kept\n"
    assert not (root_tree / "opt/in/file").exists()
    wait_for_none(raw)


@pytest.mark.parametrize("lines", ["DevicePolicy=closed", "DevicePolicy=strict", "PrivateDevices=yes", "ProtectSystem=strict\nPrivateTmp=yes\nDynamicUser=yes"])
def test_where_devices_are_closed(box, root_tree, lines):
    raw = make_image(box, root_tree, "ext4")
    r = box.shell(f"MountImages={raw}:/opt\n{lines}", "cat /opt/etc/mine")
    assert r.out == "inside", r
    r = box.shell(f"RootImage={raw}\n{lines}", "cat /etc/mine")
    assert r.out == "inside", r
    wait_for_none(raw)


def test_other_devices_stay_closed(box, root_tree):
    raw = make_image(box, root_tree, "ext4")
    number = 200
    node = box.data / "loop"
    os.mknod(node, 0o60600, os.makedev(7, number))
    r = box.shell(f"MountImages={raw}:/opt\nDevicePolicy=closed", f"dd if={node} count=0 2>&1 | grep -c permitted")
    assert r.out == "1\n", r


def test_hidden_paths_stay_hidden(box, root_tree):
    raw = make_image(box, root_tree, "ext4")
    r = box.shell(f"MountImages={raw}:/opt\nInaccessiblePaths=/opt/etc\nReadOnlyPaths=/opt", "ls /opt/etc | wc -l; cat /opt/etc/mine || echo closed")
    assert r.out.split() == ["0", "closed"], r


def test_a_service_and_its_commands(box):
    s = Services()
    try:
        top = extension(box, "one", usr_share_who="seen\n")
        name = s.up("extended", f'Type=oneshot\nExtensionDirectories={top}\nExecStartPre=/bin/cat /usr/share/who\nExecStart=/bin/cat /usr/share/who\n')
        s.over(name)
        assert s.logs(name).split() == ["seen", "seen"]
        s.assert_clean()
    finally:
        s.close()


def test_users_have_no_images(user_box):
    raw = user_box.data / "x.raw"
    raw.write_bytes(b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + b"\0" * 4096)
    raw.chmod(0o644)
    for lines in (f"MountImages={raw}:/mnt", f"ExtensionImages={raw}"):
        r = user_box.shell(lines, "echo started")
        assert r.status == 226 and "need root" in r.err and not r.out, r


@pytest.mark.parametrize("assignment", ["MountImages=/a", "MountImages=a:/b", "MountImages=/a:b", "MountImages=/a:/", "MountImages=/a:/b:home:ro", "MountImages=/a:/b:",
                                        "ExtensionImages=a", "ExtensionImages=/a:x:y", "ExtensionDirectories=a", "ExtensionDirectories=/a:ro", "ExtensionDirectories=/"])
def test_bad_values(any_box, assignment):
    r = any_box.run(assignment, "true")
    assert r.status == 1 and "directive.value" in r.err, r


def test_limits_reset_and_explain(box):
    many = " ".join(f"/x{i}" for i in range(13))
    r = box.run(f"ExtensionDirectories={many}", "true")
    assert r.status == 1 and "root.limit" in r.err, r
    assert box.run(f"ExtensionDirectories={many}\nExtensionDirectories=", "true").status == 0
    r = box.call("explain", "-p", "MountImages=-/srv/a\\:b:/mnt:nosuid", "-p", "ExtensionDirectories=/srv/e", "true")
    assert "/srv/a:b" in r.out and "if there" in r.out and "/srv/e" in r.out and "with extensions over it" in r.out, r
    r = box.call("explain", "--json", "-p", "ExtensionImages=/srv/e.raw", "true")
    assert '"kind":"extension"' in r.out.replace(": ", ":"), r
