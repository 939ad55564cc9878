# SPDX-License-Identifier: LGPL-2.1-or-later
"""Folders of the run beyond their names: links to them, read-only ones, those that lie in each other, and what others planted there."""
import os
import shutil

import pytest

BASE = "/var/lib"


def state_folders():
    return ["StateDirectory", "/var/lib"], ["RuntimeDirectory", "/run"]


@pytest.fixture
def place(box):
    """A name below /var/lib, and what is left there is taken away, but for "private": others may just be about to use it."""
    name = box.name()
    yield name
    for entry in [e for e in os.listdir(BASE) if e.startswith(name)]:
        path = f"{BASE}/{entry}"
        if os.path.islink(path):
            os.unlink(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    for entry in [e for e in os.listdir(f"{BASE}/private") if e.startswith(name)] if os.path.isdir(f"{BASE}/private") else []:
        shutil.rmtree(f"{BASE}/private/{entry}", ignore_errors=True)


@pytest.mark.parametrize("directive, base", state_folders())
def test_links_lead_to_a_folder(box, place, directive, base):
    lines = [f"{directive}={place}/a:{place}-one {place}/b {place}/a:{place}/b/two", "User=daemon"]
    script = f"touch {base}/{place}/b/two/f && ls {base}/{place}-one && readlink {base}/{place}-one {base}/{place}/b/two"
    for _ in range(2):
        assert box.good(lines, "/bin/sh", "-c", script).split() == ["f", f"{place}/a", f"../../{place}/a"]
        assert os.path.lexists(f"{base}/{place}-one") == (directive == "StateDirectory"), "links go with the folders that go"
    assert os.path.lexists(f"{base}/{place}/a") == (directive == "StateDirectory")


def test_the_variable_lists_folders_by_path(box, place):
    lines = [f"StateDirectory={place}-x {place}/b {place}", "DynamicUser=yes"]
    assert box.good(lines, "/bin/sh", "-c", "echo $STATE_DIRECTORY") == f"{BASE}/{place}:{BASE}/{place}/b:{BASE}/{place}-x\n"


@pytest.mark.parametrize("user", ["User=daemon", "DynamicUser=yes"])
def test_a_read_only_folder(box, place, user):
    os.mkdir(f"{BASE}/{place}")
    with open(f"{BASE}/{place}/f", "w", encoding="ascii") as f:
        f.write("x")
    script = f"cat {BASE}/{place}/f; touch {BASE}/{place}/g && echo wrote"
    assert box.shell([f"StateDirectory={place}::ro", user], script).out == "x"
    assert box.shell([f"StateDirectory={place}", user], script).out == "xwrote\n"
    inside = f"touch {BASE}/{place}/in/g && echo wrote; touch {BASE}/{place}/g || echo not"
    assert box.shell([f"StateDirectory={place}::ro {place}/in", user], inside).out == "wrote\nnot\n"
    assert box.shell([f"StateDirectory={place} {place}/in::ro", user], inside.replace("/g ||", "/h ||")).out == ""


def test_a_folder_moves_below_private_and_back(box, place):
    for lines, private in (([], False), (["DynamicUser=yes"], True), (["DynamicUser=yes"], True), (["User=daemon"], False), (["DynamicUser=yes"], True)):
        r = box.shell([f"StateDirectory={place}/in", *lines], f"echo x >>{BASE}/{place}/in/f && stat -c %U {BASE}/{place}/in/f")
        assert r.status == 0, r
        assert os.path.islink(f"{BASE}/{place}/in") == private and os.path.isdir(f"{BASE}/private/{place}/in") == private
    with open(f"{BASE}/{place}/in/f", encoding="ascii") as f:
        assert f.read() == "x\n" * 5


@pytest.mark.parametrize("user", ["User=daemon", "DynamicUser=yes"])
def test_what_a_payload_planted_is_not_followed(box, place, user):
    victim = box.folder / "victim"
    victim.mkdir()
    lines = [f"StateDirectory={place}", user]
    assert box.shell(lines, f"ln -s {victim} {BASE}/{place}/out && mkdir {BASE}/{place}/in").status == 0
    for value in (f"{place} {place}/out/in", f"{place} {place}/out", f"{place}:{place}/out/link"):
        r = box.shell([f"StateDirectory={value}", user], "true")
        assert r.status == 238 and "folder.failed" in r.err, r
    assert not list(victim.iterdir()) and victim.stat().st_uid == 0
    assert box.shell([f"StateDirectory={place} {place}/in/in {place}/in:{place}/link", user], f"touch {BASE}/{place}/link/in/f").status == 0


def test_what_stands_in_a_links_place_is_an_error(box, place):
    lines = [f"StateDirectory={place}:{place}-link"]
    for make in (lambda p: os.symlink("elsewhere", p), os.mkdir):
        make(f"{BASE}/{place}-link")
        r = box.shell(lines, "true")
        assert r.status == 238 and f"making the link {place}-link" in r.err, r
        if os.path.islink(f"{BASE}/{place}-link"):
            os.unlink(f"{BASE}/{place}-link")
    os.rmdir(f"{BASE}/{place}-link")
    assert box.shell(lines, "true").status == 0


def test_a_private_folder_and_a_public_one_of_the_same_name(box, place):
    lines = [f"StateDirectory={place}", "DynamicUser=yes"]
    assert box.shell(lines, "true").status == 0
    os.unlink(f"{BASE}/{place}")
    os.mkdir(f"{BASE}/{place}")
    assert "folder.failed" in box.shell(lines, "true").err
    os.rmdir(f"{BASE}/{place}")
    assert box.shell(lines, "true").status == 0


def test_folders_above_are_passable_whatever_the_umask_is(box, place):
    mask = os.umask(0o077)
    try:
        r = box.shell([f"StateDirectory={place}/a/b:{place}-l/c", "User=daemon"], f"touch {BASE}/{place}/a/b/f {BASE}/{place}-l/c/g")
    finally:
        os.umask(mask)
    assert r.status == 0, r


TMPFS = [("", "rw,nodev", "mode=755"), ("ro,mode=0700,nostrictatime", "ro,nodev,relatime", "mode=700"), ("dev,exec,suid", "rw", "mode=755"),
         ("noexec,nosuid,noatime", "rw,nosuid,nodev,noexec,noatime", "mode=755"), ("noatime,strictatime,nr_inodes=7,nodiratime", "rw,nodev,nodiratime", "nr_inodes=7")]


@pytest.mark.parametrize("options, attributes, data", TMPFS)
def test_options_of_a_tmpfs(box, options, attributes, data):
    line = box.good([f"TemporaryFileSystem=/opt{options and ':' + options}"], "/bin/grep", " /opt ", "/proc/self/mountinfo").split()
    assert line[5] == attributes and data in line[-1].split(","), line


def test_an_option_that_is_unknown_stops_the_start(box):
    assert box.run(["TemporaryFileSystem=/srv:nonsense"], "/bin/true").status == 226
