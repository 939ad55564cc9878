# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: mounts."""
import os
import subprocess

import pytest

from kit import last_object, need_linux

# Mounts of a throw-away namespace: the runtime is called inside of it.
NESTED = "mount -t tmpfs -o {options} none {outer} && mkdir {outer}/inner && mount -t tmpfs -o {options} none {outer}/inner && " \
         "touch {outer}/file {outer}/inner/file && exec \"$@\""


def nested(box, folder, options="mode=755"):
    """A mount with another in it on the host's side; its path."""
    outer = folder / "outer"
    outer.mkdir()
    box.prefix = ("unshare", "-m", "--propagation", "private", "sh", "-c", NESTED.format(outer=outer, options=options),
                  "sh")
    return outer


# ---- types

@pytest.mark.parametrize("type,source",
                         [("tmpfs", "anything"), ("proc", "proc"), ("sysfs", "sysfs"), ("mqueue", "mqueue"),
                                         ("devpts", "devpts"), ("ramfs", "ramfs")])
def test_a_filesystem_by_type(box, type, source):
    (box.rootfs / "mnt/x").mkdir()
    box.mount("/mnt/x", source, type)
    m = box.report().mount("/mnt/x")
    assert (m.type, m.source) == (type, source)


def test_the_default_mounts(box):
    seen = box.report()
    assert [seen.mount(p).type for p in ("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys")] == \
        ["proc", "tmpfs", "devpts", "tmpfs", "mqueue", "sysfs"]
    assert {"nosuid", "noexec", "nodev", "ro"} <= set(seen.mount("/sys").options)
    assert {"size=65536k", "mode=755"} <= set(seen.mount("/dev").super)
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= set(seen.mount("/dev/pts").super)


def test_an_overlay(box, folder):
    for name in ("lower", "upper", "work"):
        (folder / name).mkdir()
    (folder / "lower/a").write_text("below")
    box.mount("/mnt", "overlay", "overlay",
              [f"lowerdir={folder}/lower", f"upperdir={folder}/upper", f"workdir={folder}/work"])
    assert box.sh("cat /mnt/a; echo new > /mnt/b").ran() == "below"
    assert (folder / "upper/b").read_text() == "new\n" and not (folder / "lower/b").exists()


@pytest.mark.parametrize("type", ["nosuchfs", "", 5])
def test_an_unknown_type_is_refused(box, type):
    box.mount("/mnt", "x", type)
    box.refused()


def test_the_cgroups_of_the_container(box):
    box.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"])
    box.config["mounts"][-2]["options"].remove("ro")  # /sys
    box.resources["pids"] = {"limit": 77}
    if os.path.isdir("/sys/fs/cgroup/pids"):
        out = box.sh("cat /sys/fs/cgroup/pids/pids.max; echo 5 > /sys/fs/cgroup/pids/pids.max && echo written; true").ran()
    else:
        out = box.sh("cat /sys/fs/cgroup/pids.max; echo 5 > /sys/fs/cgroup/pids.max && echo written; true").ran()
    assert out == "77\n"


def test_the_cgroups_of_the_container_without_a_cgroup_namespace(box):
    box.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"])
    box.without_namespace("cgroup")
    box.resources["pids"] = {"limit": 78}
    place = "/sys/fs/cgroup/pids/pids.max" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup/pids.max"
    assert box.sh(f"cat {place}").ran() == "78\n"


# ---- options that show in the mount's flags

@pytest.mark.parametrize("options,has,lacks", [
    (["ro"], ["ro"], []), (["rw"], ["rw"], ["ro"]), (["ro", "rw"], ["rw"], ["ro"]), (["rw", "ro"], ["ro"], ["rw"]),
    (["nosuid"], ["nosuid"], []), (["nosuid", "suid"], [], ["nosuid"]), (["suid", "nosuid"], ["nosuid"], []),
    (["nodev"], ["nodev"], []), (["nodev", "dev"], [], ["nodev"]),
    (["noexec"], ["noexec"], []), (["noexec", "exec"], [], ["noexec"]),
    (["noatime"], ["noatime"], ["relatime"]), (["noatime", "atime"], ["relatime"], ["noatime"]),
    (["relatime"], ["relatime"], []), (["strictatime"], [], ["relatime", "noatime"]),
    (["strictatime", "nostrictatime"], ["relatime"], ["noatime"]),
    (["nodiratime"], ["nodiratime"], []), (["nodiratime", "diratime"], [], ["nodiratime"]),
    (["nosymfollow"], ["nosymfollow"], []), (["nosymfollow", "symfollow"], [], ["nosymfollow"]),
    (["defaults"], ["rw"], ["nosuid", "nodev", "noexec"]), ([], ["rw", "relatime"], ["nosuid", "nodev", "noexec"]),
    (["norelatime"], [], ["noatime"]), (["nosuid", "nodev", "noexec", "ro"], ["nosuid", "nodev", "noexec", "ro"], []),
    (["async"], ["rw"], []), (["mand"], ["rw"], []), (["nomand"], ["rw"], []), (["iversion"], ["rw"], []),
    (["noiversion"], ["rw"], []), (["silent"], ["rw"], []), (["loud"], ["rw"], []), (["nolazytime"], ["rw"], []),
], ids=str)
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_mount_flags(box, folder, kind, options, has, lacks):
    if kind == "tmpfs":
        box.tmpfs("/mnt", *options)
    else:
        box.bind(folder, "/mnt", "bind", *options)
    seen = set(box.report().mount("/mnt").options)
    assert set(has) <= seen and not set(lacks) & seen, seen


@pytest.mark.parametrize("options,has,lacks", [
    (["sync"], ["sync"], []), (["sync", "async"], [], ["sync"]), (["dirsync"], ["dirsync"], []),
    (["lazytime"], ["lazytime"], []), (["lazytime", "nolazytime"], [], ["lazytime"]),
    (["size=64k"], ["size=64k"], []), (["mode=1711"], ["mode=1711"], []),
    (["uid=1000", "gid=1001"], ["uid=1000", "gid=1001"], []),
    (["nr_inodes=50"], ["nr_inodes=50"], []), (["size=64k", "nosuid", "mode=700"], ["size=64k", "mode=700"], [])],
    ids=str)
def test_options_of_the_filesystem(box, options, has, lacks):
    box.tmpfs("/mnt", *options)
    seen = set(box.report().mount("/mnt").super)
    assert set(has) <= seen and not set(lacks) & seen, seen


@pytest.mark.parametrize("options", [["size=abc"], ["no_such_option"], ["mode=9"], [5]], ids=str)
def test_an_option_the_filesystem_does_not_know_is_refused(box, options):
    box.tmpfs("/mnt", *options)
    box.refused()


def test_remount_changes_a_mount_that_is_there(box):
    box.tmpfs("/mnt", "nosuid").mount("/mnt", "tmpfs", "tmpfs", ["remount", "ro", "nosuid"])
    seen = box.report()
    assert len(seen.mounts("/mnt")) == 1 and {"ro", "nosuid"} <= set(seen.mount("/mnt").options)


def test_flags_by_their_effect(box, folder):
    os.link(box.rootfs / "probe", folder / "program")
    (folder / "program").chmod(0o755)
    (folder / "link").symlink_to("program")
    box.bind(folder, "/mnt", "bind", "noexec", "ro", "nosymfollow")
    r = box.sh("/mnt/program; echo $?; echo x > /mnt/file; cat /mnt/link").run()
    assert r.out == "126\n" and "Read-only" in r.err and "symbolic links" in r.err, r


# ---- recursive attributes

RECURSIVE = [("rro", "ro", "ro"), ("rnosuid", "nosuid", "nosuid"), ("rnodev", "nodev", "nodev"),
             ("rnoexec", "noexec", "noexec"),
             ("rnoatime", "noatime", "noatime"), ("rnodiratime", "nodiratime", "nodiratime"),
             ("rnosymfollow", "nosymfollow", "nosymfollow"), ("rrelatime", "relatime", "relatime")]


@pytest.mark.parametrize("option,flag", [(o, f) for o, f, _ in RECURSIVE])
def test_recursive_attribute(box, folder, option, flag):
    outer = nested(box, folder, "mode=755,strictatime" if option == "rrelatime" else "mode=755")
    box.bind(outer, "/mnt", "rbind", option)
    seen = box.report()
    for point in ("/mnt", "/mnt/inner"):
        assert flag in seen.mount(point).options, (point, seen.mount(point).options)


@pytest.mark.parametrize("option,flag", [("rrw", "ro"), ("rsuid", "nosuid"), ("rdev", "nodev"), ("rexec", "noexec"),
                                         ("ratime", "noatime"), ("rdiratime", "nodiratime"),
                                         ("rsymfollow", "nosymfollow"),
                                         ("rstrictatime", "relatime"), ("rnorelatime", "noatime"),
                                         ("rnostrictatime", None)])
def test_recursive_attribute_taken_away(box, folder, option, flag):
    options = {"rrw": "mode=755", "rnostrictatime": "strictatime", "rnorelatime": "mode=755"}.get(option,
            f"mode=755,{flag}")
    outer = nested(box, folder, options)
    if option == "rrw":  # a file system that is made read-only cannot be filled
        box.prefix = (*box.prefix[:-2], box.prefix[-2].replace("exec ", f"mount -o remount,bind,ro {outer}/inner && "
                                                               f"mount -o remount,bind,ro {outer} && exec "), "sh")
    box.bind(outer, "/mnt", "rbind", option)
    seen = box.report()
    for point in ("/mnt", "/mnt/inner"):
        if flag:
            assert flag not in seen.mount(point).options, (point, seen.mount(point).options)
        else:
            assert "relatime" in seen.mount(point).options, (point, seen.mount(point).options)


def test_an_ordinary_attribute_is_not_recursive(box, folder):
    box.bind(nested(box, folder), "/mnt", "rbind", "ro")
    seen = box.report()
    assert "ro" in seen.mount("/mnt").options and "ro" not in seen.mount("/mnt/inner").options


# ---- propagation of one mount

@pytest.mark.parametrize("option,words",
                         [("private", []), ("rprivate", []), ("shared", ["shared"]), ("rshared", ["shared"]),
                                          ("slave", []), ("rslave", []), ("unbindable", ["unbindable"]),
                                          ("runbindable", ["unbindable"])])
def test_propagation_of_a_mount(box, option, words):
    box.tmpfs("/mnt", option)
    assert box.report().mount("/mnt").propagation() == words


def test_propagation_is_recursive_only_where_asked(box, folder):
    box.bind(nested(box, folder), "/mnt", "rbind", "shared")
    seen = box.report()
    assert seen.mount("/mnt").propagation() == ["shared"] and seen.mount("/mnt/inner").propagation() == []
    box.config["mounts"][-1]["options"] = ["rbind", "rshared"]
    seen = box.report()
    assert seen.mount("/mnt/inner").propagation() == ["shared"]


def test_a_slave_bind_mount_follows_the_host(box, folder):
    outer = folder / "outer"
    outer.mkdir()
    box.linux["rootfsPropagation"] = "rslave"
    box.bind(outer, "/mnt", "rbind", "rslave")
    box.prefix = ("unshare", "-m", "--propagation", "shared", "sh", "-c", f"mount -t tmpfs none {outer} && exec \"$@\"",
                  "sh")
    assert box.report().mount("/mnt").propagation() == ["slave"]


# ---- bind mounts

def test_a_folder(box, folder):
    (folder / "file").write_text("of the host")
    box.bind(folder, "/mnt")
    assert box.sh("cat /mnt/file; echo back > /mnt/made").ran() == "of the host"
    assert (folder / "made").read_text() == "back\n"


def test_a_file_on_a_file(box, folder):
    (folder / "file").write_text("of the host")
    box.bind(folder / "file", "/etc/passwd", "bind", "ro")
    r = box.sh("cat /etc/passwd; echo x > /etc/passwd").run()
    assert r.out == "of the host" and "Read-only" in r.err


def test_a_bind_mount_without_type(box, folder):
    (folder / "file").write_text("x")
    box.mount("/mnt", folder, None, ["bind"])
    assert box.sh("cat /mnt/file").ran() == "x"


def test_a_bind_mount_of_type_none(box, folder):
    (folder / "file").write_text("x")
    box.mount("/mnt", folder, "none", ["rbind", "rw"])
    assert box.sh("cat /mnt/file").ran() == "x"


def test_a_relative_source_is_of_the_bundle(box):
    (box.bundle / "data").mkdir()
    (box.bundle / "data/file").write_text("of the bundle")
    box.bind("data", "/mnt")
    assert box.sh("cat /mnt/file").ran() == "of the bundle"


def test_bind_is_not_recursive_and_rbind_is(box, folder):
    outer = nested(box, folder)
    box.bind(outer, "/mnt", "bind")
    assert box.sh("ls /mnt/inner").ran() == ""
    box.config["mounts"][-1]["options"] = ["rbind"]
    assert box.sh("ls /mnt/inner").ran() == "file\n"


def test_a_read_only_bind_mount_leaves_the_source_writable(box, folder):
    box.bind(folder, "/mnt", "bind", "ro")
    assert box.sh("echo x > /mnt/file").run().status != 0
    (folder / "file").write_text("")


def test_the_flags_of_the_source_are_kept(box, folder):
    outer = nested(box, folder, "mode=755,nosuid,nodev,noexec")
    box.bind(outer, "/mnt", "rbind")
    assert {"nosuid", "nodev", "noexec"} <= set(box.report().mount("/mnt").options)


def test_a_missing_source_is_refused(box, folder):
    box.bind(folder / "nothing", "/mnt")
    assert str(folder / "nothing") in box.refused()
    assert not (folder / "nothing").exists()


def test_a_bind_mount_without_source_is_refused(box):
    box.mount("/mnt", None, "bind", ["bind"])
    box.refused()


def test_a_folder_on_a_file_is_refused(box, folder):
    box.bind(folder, "/etc/passwd")
    box.refused()


def test_a_socket_and_a_fifo_can_be_bound(box, folder):
    os.mkfifo(folder / "pipe")
    box.bind(folder / "pipe", "/run/pipe")
    assert box.sh("test -p /run/pipe && echo pipe").ran() == "pipe\n"


# ---- destinations

def test_a_missing_folder_is_made_with_its_parents(box, folder):
    box.bind(folder, "/very/new/place")
    box.tmpfs("/other/new/place")
    seen = box.report()
    assert seen.mount("/very/new/place") and seen.mount("/other/new/place")
    assert (box.rootfs / "very/new/place").is_dir()


def test_a_missing_file_is_made_with_its_parents(box, folder):
    (folder / "file").write_text("x")
    box.bind(folder / "file", "/very/new/file")
    assert box.sh("cat /very/new/file").ran() == "x"
    assert (box.rootfs / "very/new/file").read_text() == ""


def test_a_relative_destination_is_of_the_root(box):
    box.tmpfs("mnt/relative")
    assert box.report().mount("/mnt/relative").type == "tmpfs"


def test_a_destination_with_dots_stays_in_the_root(box, folder):
    box.bind(folder, "/mnt/../../../../mnt")
    assert box.report().mount("/mnt")


def test_an_absolute_link_in_the_way_is_followed_inside_of_the_root(box, folder):
    outside = folder / "outside"
    outside.mkdir()
    (box.rootfs / "link").symlink_to(outside)
    box.tmpfs("/link/new")
    box.run()
    assert list(outside.iterdir()) == []


def test_a_link_to_above_the_root_stays_inside(box):
    (box.rootfs / "link").symlink_to("../../../../../mnt")
    box.tmpfs("/link")
    assert box.report().mount("/mnt").type == "tmpfs"


@pytest.mark.parametrize("options, shown", [(("bind", "dest-nofollow"), "file"), (("bind", "dest-nofollow", "src-nofollow"), "link")], ids=["file", "link"])
def test_a_link_itself_is_covered_with_dest_nofollow(box, folder, options, shown):
    (folder / "file").write_text("inside")
    (folder / "source").symlink_to(folder / "file")
    (box.rootfs / "target").symlink_to("nowhere")
    box.bind(folder / "source", "/target", *options)
    box.sh("cat /target" if shown == "file" else "readlink /target")
    assert box.ran().strip() == ("inside" if shown == "file" else str(folder / "file"))
    assert os.readlink(box.rootfs / "target") == "nowhere" and not (box.rootfs / "nowhere").exists()


def test_a_link_above_the_destination_is_followed_with_dest_nofollow(box, folder):
    (folder / "file").write_text("inside")
    (box.rootfs / "real").mkdir()
    (box.rootfs / "link").symlink_to("/real")
    box.bind(folder / "file", "/link/file", "bind", "dest-nofollow")
    assert box.sh("cat /real/file").ran() == "inside"


# ---- a tmpfs over a folder

@pytest.mark.parametrize("options, mode", [((), "712"), (("ro",), "712"), (("mode=750",), "750"), (("size=1m",), "712")], ids=str)
def test_a_tmpfs_has_the_mode_of_the_folder_that_it_covers_unless_told(box, options, mode):
    (box.rootfs / "covered").mkdir()
    (box.rootfs / "covered").chmod(0o712)
    box.tmpfs("/covered", *options)
    assert box.sh("stat -c %a /covered").ran().strip() == mode


def test_a_tmpfs_where_nothing_was_is_open_to_all(box):
    box.tmpfs("/fresh")
    assert box.sh("stat -c %a /fresh").ran().strip() == "1777"


def test_the_root_itself_as_destination_of_a_file_is_refused(box, folder):
    (folder / "file").write_text("x")
    box.bind(folder / "file", "/")
    box.refused()


@pytest.mark.parametrize("mount", [{}, {"source": "x", "type": "tmpfs"}, {"destination": "", "type": "tmpfs"},
                                   {"destination": 5, "type": "tmpfs"},
                                   {"destination": "/mnt", "type": "tmpfs", "options": "ro"}], ids=str)
def test_a_mount_without_destination_is_refused(box, mount):
    box.config["mounts"].append(mount)
    box.refused()


def test_a_destination_below_a_magic_link_of_proc_does_not_leave_the_root(box, folder):
    box.bind(folder, "/proc/self/root/mnt")
    r = box.args("/probe").run()
    assert r.status != 0 or f"{folder} /mnt " in r.out, r


# ---- order

def test_mounts_are_made_in_their_order(box, folder):
    (folder / "file").write_text("x")
    box.tmpfs("/mnt").bind(folder, "/mnt/below")
    assert box.sh("cat /mnt/below/file").ran() == "x"


def test_a_later_mount_hides_an_earlier_one(box, folder):
    (folder / "file").write_text("x")
    box.bind(folder, "/mnt/below").tmpfs("/mnt")
    assert box.sh("ls -A /mnt").ran() == ""


def test_the_last_of_two_mounts_on_one_place_is_on_top(box):
    box.tmpfs("/mnt", "size=64k").tmpfs("/mnt", "size=128k")
    assert "size=128k" in box.report().mount("/mnt").super


def test_many_mounts(box):
    for i in range(150):
        box.tmpfs(f"/mnt/{i}", "size=4k")
    seen = box.report()
    assert sum(line.split()[4].startswith("/mnt/") for line in seen["mountinfo"]) == 150


# ---- tmpcopyup

def test_a_tmpfs_with_the_content_that_was_there(box):
    (box.rootfs / "data/sub").mkdir(parents=True)
    (box.rootfs / "data/sub/file").write_text("content")
    (box.rootfs / "data/sub/file").chmod(0o640)
    os.chown(box.rootfs / "data/sub/file", 1000, 1001)
    (box.rootfs / "data/link").symlink_to("sub/file")
    box.tmpfs("/data", "tmpcopyup").capable("CAP_DAC_OVERRIDE")
    out = box.sh("cat /data/link; stat -c '%a %u %g' /data/sub/file; echo x > /data/sub/file").ran()
    assert out == "content640 1000 1001\n"
    assert (box.rootfs / "data/sub/file").read_text() == "content"
    assert "tmpcopyup" not in box.report().mount("/data").super


# ---- idmap

MAP = [{"containerID": 0, "hostID": 1000, "size": 1000}]


def owners(box, path="/mnt/file"):
    return box.sh(f"stat -c '%u %g' {path}").ran().strip()


@pytest.fixture
def data(folder):
    (folder / "data").mkdir()
    (folder / "data").chmod(0o755)
    (folder / "data/file").write_text("x")
    os.chown(folder / "data/file", 5, 6)
    return folder / "data"


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_a_mount_with_its_own_mapping(box, data, option):
    box.bind(data, "/mnt", "rbind" if option == "ridmap" else "bind", option, uidMappings=MAP, gidMappings=MAP)
    assert owners(box) == "1005 1006"


def test_a_mount_with_its_own_mapping_without_the_option(box, data):
    box.bind(data, "/mnt", "bind", uidMappings=MAP, gidMappings=MAP)
    assert owners(box) == "1005 1006"


def test_different_mappings_of_users_and_groups(box, data):
    box.bind(data, "/mnt", "bind", "idmap", uidMappings=MAP,
             gidMappings=[{"containerID": 6, "hostID": 4242, "size": 1}])
    assert owners(box) == "1005 4242"


def test_files_made_through_a_mapped_mount(box, data):
    data.chmod(0o777)
    box.process["user"] = {"uid": 1007, "gid": 1008}
    box.bind(data, "/mnt", "bind", "idmap", uidMappings=MAP, gidMappings=MAP)
    box.sh("touch /mnt/made").ran()
    assert (os.stat(data / "made").st_uid, os.stat(data / "made").st_gid) == (7, 8)


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_the_mapping_of_the_containers_user_namespace(box, data, option):
    box.mapped()
    box.bind(data, "/mnt", "rbind" if option == "ridmap" else "bind", option)
    assert owners(box) == "5 6"


def test_without_idmap_a_user_namespace_does_not_see_the_owner(box, data):
    box.mapped()
    box.bind(data, "/mnt")
    assert owners(box) == "65534 65534"


def test_ridmap_maps_what_is_mounted_below_and_idmap_does_not(box, folder):
    need_linux("6.3", "a tmpfs with a map of ids")
    outer = nested(box, folder)
    box.bind(outer, "/mnt", "rbind", "ridmap", uidMappings=MAP, gidMappings=MAP)
    assert (owners(box), owners(box, "/mnt/inner/file")) == ("1000 1000", "1000 1000")
    box.config["mounts"][-1]["options"] = ["rbind", "idmap"]
    assert (owners(box), owners(box, "/mnt/inner/file")) == ("1000 1000", "0 0")


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_idmap_without_any_mapping_is_refused(box, data, option):
    box.bind(data, "/mnt", "bind", option)
    box.refused()


@pytest.mark.parametrize("field", ["uidMappings", "gidMappings"])
def test_one_mapping_without_the_other_is_refused(box, data, field):
    box.bind(data, "/mnt", "bind", "idmap", **{field: MAP})
    box.refused()


@pytest.mark.parametrize("mapping",
                         [[], [{"containerID": 0, "hostID": 0}], [{"containerID": 0, "hostID": 0, "size": 0}],
                                     [{"containerID": 0, "hostID": 0, "size": -1}],
                                     [{"containerID": 4294967290, "hostID": 0, "size": 20}],
                                     [{"containerID": 0, "hostID": 10, "size": 5},
                                      {"containerID": 3, "hostID": 20, "size": 5}]], ids=str)
def test_a_mapping_that_cannot_be_is_refused(box, data, mapping):
    box.bind(data, "/mnt", "bind", "idmap", uidMappings=mapping, gidMappings=MAP)
    box.refused()


def test_nothing_of_the_mounts_is_left_on_the_host(box, folder):
    box.bind(folder, "/mnt").tmpfs("/run")
    box.report()
    assert str(box.bundle) not in open("/proc/self/mountinfo").read()


def test_the_report_reads_one_object():
    """Guards the helper: a warning before the report does not hide it."""
    assert last_object("warning\n{\"a\":1}\n") == {"a": 1}
    assert subprocess.run(["true"]).returncode == 0
