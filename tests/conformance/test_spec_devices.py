# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: linux.devices and linux.resources.devices."""
import os

import pytest

FUSE = {"type": "c", "major": 10, "minor": 229}


def details(box, path):
    return box.sh(f"stat -c '%F|%a|%u|%g|%t|%T' {path}").ran().strip().split("|")


# ---- what is always there

@pytest.mark.parametrize("path,major,minor",
                         [("/dev/null", 1, 3), ("/dev/zero", 1, 5), ("/dev/full", 1, 7), ("/dev/random", 1, 8),
                                              ("/dev/urandom", 1, 9), ("/dev/tty", 5, 0)])
def test_default_device(box, path, major, minor):
    kind, mode, _, _, t, T = details(box, path)
    assert (kind, int(t, 16), int(T, 16)) == ("character special file", major, minor)
    assert mode == "666"


def test_default_devices_work(box):
    out = box.sh("echo x > /dev/null; head -c 2 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/full; true").run()
    assert out.out == "2\n4\n" and "No space" in out.err


def test_default_devices_work_for_a_user(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    assert box.sh("echo x > /dev/null && head -c 2 /dev/zero | wc -c && head -c 2 /dev/random | wc -c").ran() == "2\n2\n"


def test_ptmx_is_the_containers(box):
    assert box.sh("readlink /dev/ptmx || stat -c %t:%T /dev/ptmx").ran().strip() in ("pts/ptmx", "/dev/pts/ptmx", "5:2")
    assert box.errno("open", "/dev/ptmx", "rw") is None


@pytest.mark.parametrize("link,target", [("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"),
                                         ("/dev/stdout", "/proc/self/fd/1"), ("/dev/stderr", "/proc/self/fd/2")])
def test_default_link(box, link, target):
    assert box.sh(f"readlink {link}").ran().strip() == target


def test_no_console_without_a_terminal(box):
    assert box.sh("test -e /dev/console && echo there; true").ran() == ""


def test_nothing_of_the_images_dev_is_taken_for_a_device(box):
    """An image that brings its own /dev/null gets the real one over it."""
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    (box.rootfs / "dev/null").write_text("a trap")
    r = box.sh("stat -c %F /dev/null").run()
    assert r.status != 0 or r.out.strip() == "character special file"


# ---- linux.devices

@pytest.mark.parametrize("type,path,kind,numbers", [("c", "/dev/made", "character special file", (10, 229)),
                                                    ("u", "/dev/unbuffered", "character special file", (10, 229)),
                                                    ("b", "/dev/block", "block special file", (7, 3)),
                                                    ("c", "/opt/deep/dev", "character special file", (10, 229))])
def test_a_device(box, type, path, kind, numbers):
    box.linux["devices"] = [{"type": type, "path": path, "major": numbers[0], "minor": numbers[1], "fileMode": 0o640,
                             "uid": 12, "gid": 34}]
    got = details(box, path)
    assert got[:4] == [kind, "640", "12", "34"]
    assert (int(got[4], 16), int(got[5], 16)) == numbers


def test_a_fifo(box):
    box.linux["devices"] = [{"type": "p", "path": "/dev/pipe", "fileMode": 0o620, "uid": 1, "gid": 2}]
    assert details(box, "/dev/pipe")[:4] == ["fifo", "620", "1", "2"]


def test_a_device_without_mode_and_owner(box):
    box.linux["devices"] = [{"path": "/dev/made", **FUSE}]
    kind, _, uid, gid, _, _ = details(box, "/dev/made")
    assert (kind, uid, gid) == ("character special file", "0", "0")


def test_large_device_numbers(box):
    box.linux["devices"] = [{"type": "c", "path": "/dev/large", "major": 300, "minor": 70000, "fileMode": 0o600}]
    assert details(box, "/dev/large")[4:] == ["12c", "11170"]


def test_the_umask_does_not_change_a_devices_mode(box):
    box.linux["devices"] = [{"path": "/dev/made", "fileMode": 0o666, **FUSE}]
    box.sh("stat -c %a /dev/made /dev/null")
    assert box.ran(preexec_fn=lambda: os.umask(0o077)) == "666\n666\n"


def test_a_device_that_is_there_already_as_wanted(box):
    box.linux["devices"] = [{"type": "c", "path": "/dev/zero", "major": 1, "minor": 5, "fileMode": 0o600, "uid": 0,
                             "gid": 0}]
    assert details(box, "/dev/zero")[0] == "character special file"


def test_a_file_in_the_place_of_a_device_is_refused(box):
    (box.rootfs / "opt").mkdir()
    (box.rootfs / "opt/device").write_text("a file")
    box.linux["devices"] = [{"path": "/opt/device", **FUSE}]
    box.refused()
    assert (box.rootfs / "opt/device").read_text() == "a file"


def test_another_device_in_its_place_is_refused(box):
    (box.rootfs / "opt").mkdir()
    os.mknod(box.rootfs / "opt/device", 0o20666, os.makedev(1, 5))
    box.linux["devices"] = [{"path": "/opt/device", **FUSE}]
    box.refused()


def test_a_device_through_a_link_stays_in_the_root(box, folder):
    (folder / "outside").mkdir()
    (box.rootfs / "link").symlink_to(folder / "outside")
    box.linux["devices"] = [{"path": "/link/device", **FUSE}]
    box.run()
    assert list((folder / "outside").iterdir()) == []


@pytest.mark.parametrize("device", [
    {"path": "/dev/x", "type": "z", "major": 1, "minor": 3}, {"path": "/dev/x", "major": 1, "minor": 3},
    {"path": "/dev/x", "type": "c"},
    {"type": "c", "major": 1, "minor": 3}, {"path": "dev/x", "type": "c", "major": 1, "minor": 3},
    {"path": "/dev/x", "type": "c", "major": -1, "minor": 3},
    {"path": "/dev/x", "type": "c", "major": 1, "minor": 1 << 32},
    {"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": "0600"}], ids=str)
def test_a_device_refused(box, device):
    box.linux["devices"] = [device]
    box.refused()


# ---- resources.devices, by effect

@pytest.fixture
def fuse(box):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse to try rules with")
    box.linux["devices"] = [{"path": "/dev/fuse", "fileMode": 0o666, **FUSE}]
    box.capable("CAP_MKNOD")
    return box


DENY_ALL = {"allow": False, "access": "rwm"}


def test_what_is_not_allowed_is_denied(fuse):
    fuse.resources["devices"] = [DENY_ALL]
    assert fuse.errno("open", "/dev/fuse", "rw") == "EPERM"


def test_what_is_allowed_can_be_opened(fuse):
    fuse.resources["devices"] = [DENY_ALL, {"allow": True, "access": "rw", **FUSE}]
    assert fuse.errno("open", "/dev/fuse", "rw") is None


@pytest.mark.parametrize("access,mode,error",
                         [("r", "r", None), ("r", "rw", "EPERM"), ("w", "r", "EPERM"), ("w", "w", None),
                                               ("rw", "rw", None), ("m", "r", "EPERM")])
def test_access_is_what_is_named(fuse, access, mode, error):
    fuse.resources["devices"] = [DENY_ALL, {"allow": True, "access": access, **FUSE}]
    assert fuse.errno("open", "/dev/fuse", mode) == error


@pytest.mark.parametrize("access,error", [("m", None), ("rwm", None)])
def test_making_a_device_where_m_is_allowed(fuse, access, error):
    fuse.resources["devices"] = [DENY_ALL, {"allow": True, "access": access, "type": "b", "major": 7, "minor": 9}]
    assert fuse.errno("mknod", "/tmp/x", "b", 7, 9) == error


def test_the_rules_apply_in_their_order(fuse):
    allow, deny = {"allow": True, "access": "rwm", **FUSE}, {"allow": False, "access": "rwm", **FUSE}
    fuse.resources["devices"] = [DENY_ALL, allow, deny]
    assert fuse.errno("open", "/dev/fuse", "rw") == "EPERM"
    fuse.resources["devices"] = [DENY_ALL, deny, allow]
    assert fuse.errno("open", "/dev/fuse", "rw") is None


def test_a_part_of_the_access_is_taken_back(fuse):
    fuse.resources["devices"] = [DENY_ALL, {"allow": True, "access": "rw", **FUSE},
                                 {"allow": False, "access": "w", **FUSE}]
    assert fuse.errno("open", "/dev/fuse", "rw") == "EPERM"
    assert fuse.errno("open", "/dev/fuse", "r") is None


def test_a_whole_major_number(fuse):
    fuse.resources["devices"] = [DENY_ALL, {"allow": True, "type": "c", "major": 10, "access": "rw"}]
    assert fuse.errno("open", "/dev/fuse", "rw") is None


def test_allowing_all_and_denying_one(fuse):
    fuse.resources["devices"] = [{"allow": True, "access": "rwm"}, {"allow": False, "access": "rwm", **FUSE}]
    assert fuse.errno("open", "/dev/fuse", "rw") == "EPERM"


def test_the_type_a_means_all(fuse):
    fuse.resources["devices"] = [DENY_ALL, {"allow": True, "type": "a", "access": "rwm"}]
    assert fuse.errno("open", "/dev/fuse", "rw") is None


def test_the_default_devices_are_allowed_whatever_is_denied(box):
    box.resources["devices"] = [DENY_ALL]
    for path in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
        assert box.errno("open", path, "rw") is None, path


def test_the_rules_hold_in_exec(fuse):
    fuse.resources["devices"] = [DENY_ALL]
    fuse.idle()
    assert fuse.reports("open", "/dev/fuse", "rw")["errno"] == 1


@pytest.mark.parametrize("rule", [{"allow": True, "access": "x"}, {"allow": True, "type": "z", "access": "r"},
                                  {"allow": "yes", "access": "r"}, {"allow": True, "access": 7}, {"access": "rwm"}],
                                  ids=str)
def test_a_rule_refused(box, rule):
    box.resources["devices"] = [DENY_ALL, rule]
    box.refused()
