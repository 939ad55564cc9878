# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: ociVersion, root, hostname, domainname, maskedPaths, readonlyPaths, rootfsPropagation, annotations and what is ignored."""
import json
import os
import subprocess

import pytest

from kit import holder


def test_the_machine_is_protected_from_a_runtime_that_errs(tools):
    """Guards the harness."""
    with pytest.raises(OSError, match="Read-only"):
        open("/usr/bin/of-a-test", "w")


# ---- ociVersion

@pytest.mark.parametrize("version",
                         ["1.0.0", "1.0.2", "1.0.2-dev", "1.0.0-rc5", "1.1.0", "1.2.0", "1.2.1", "1.3.0",
                          "1.3.1+build.5",
                                     "1.9.0"])
def test_any_version_of_the_first_major_one_is_accepted(box, version):
    box.config["ociVersion"] = version
    assert box.report()["pid"] == 1


@pytest.mark.parametrize("version", ["2.0.0", "0.2.0", "", "1", "1.0", "one", "1.0.x", "v1.0.0", 1])
def test_any_other_version_is_refused(box, version):
    box.config["ociVersion"] = version
    box.refused()


def test_a_missing_version_is_refused(box):
    del box.config["ociVersion"]
    box.refused()


# ---- the file itself

@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\"text\"", "{\"ociVersion\": \"1.0.2\"} trailing", "\x00"],
                         ids=repr)
def test_a_file_that_is_no_object_is_refused(box, text):
    box.save()
    (box.bundle / "config.json").write_text(text)
    r = box.call("run", "--bundle", box.bundle, box.id)
    assert r.status != 0 and r.err.strip() and box.state() is None


def test_a_bundle_without_config_is_refused(box):
    r = box.call("run", "--bundle", box.bundle, box.id)
    assert r.status != 0 and "config.json" in r.err


def test_a_bundle_that_does_not_exist_is_refused(box):
    r = box.call("create", "--bundle", box.bundle / "nothing", box.id)
    assert r.status != 0 and "nothing" in r.err


def test_the_current_folder_is_the_default_bundle(box):
    box.sh("echo here").save()
    r = box.call("run", box.id)
    assert (r.status, r.out) == (0, "here\n"), r


def test_unknown_properties_are_ignored_everywhere(box):
    box.config["new"] = {"a": [1]}
    for part in (box.process, box.process["user"], box.config["root"], box.linux, box.resources,
                 box.config["mounts"][0],
                 box.linux["namespaces"][0]):
        part["ofTheFuture"] = {"x": [None, 1.5, "y"]}
    assert box.report()["pid"] == 1


def test_the_sections_of_other_platforms_and_of_virtual_machines_are_ignored(box):
    box.config["vm"] = {"hypervisor": {"path": "/usr/bin/none", "parameters": ["a"]}, "kernel": {"path": "/none"},
                        "image": {"path": "/none", "format": "raw"}, "hwConfig": {"vcpus": 1, "memory": 64}}
    box.config["windows"] = {"layerFolders": ["C:\\x"]}
    box.config["solaris"] = {"milestone": "none"}
    box.config["freebsd"] = {"devices": []}
    box.config["zos"] = {"namespaces": []}
    assert box.report()["pid"] == 1


@pytest.mark.parametrize("place",
                         [("hooks",), ("annotations",), ("domainname",), ("process", "rlimits"),
                          ("process", "capabilities"),
                                   ("process", "oomScoreAdj"), ("process", "user", "additionalGids"),
                                   ("linux", "seccomp"),
                                   ("linux", "resources"), ("linux", "devices"), ("linux", "sysctl"),
                                   ("linux", "maskedPaths"),
                                   ("linux", "resources", "memory"), ("linux", "uidMappings"), ("linux", "intelRdt")],
                                   ids="/".join)
def test_null_is_as_if_it_were_not_there(box, place):
    where = box.config
    for step in place[:-1]:
        where = where[step]
    where[place[-1]] = None
    assert box.report()["pid"] == 1


@pytest.mark.parametrize("place",
                         [("process", "args", 1), ("process", "env", 0), ("process", "cwd"), ("hostname",),
                          ("mounts", 0, "destination"),
                                   ("root", "path"), ("linux", "maskedPaths", 0)], ids=str)
def test_a_zero_byte_in_a_text_is_refused(box, place):
    """A reader in C would see another text than the one that was checked."""
    box.args("sh", "-c", "echo ran > /ran")
    where = box.config
    for step in place[:-1]:
        where = where[step]
    where[place[-1]] = str(where[place[-1]]) + "\0tail"
    box.refused()


def test_a_large_config(box):
    box.process["env"] += [f"VARIABLE_{i}=" + "x" * 50 for i in range(5000)]
    box.config["annotations"] = {f"com.example.{i}": "y" * 50 for i in range(3000)}
    box.linux["maskedPaths"] += [f"/nothing/{i}" for i in range(1000)]
    assert len(box.report()["env"]) >= 5000


def test_a_deeply_nested_config_is_refused_or_ignored(box):
    box.save()
    text = (box.bundle / "config.json").read_text()
    (box.bundle / "config.json").write_text(text[:-1] + ', "deep": ' + "[" * 100000 + "]" * 100000 + "}")
    r = box.call("run", "--bundle", box.bundle, box.id)
    assert r.status == 0 or (0 < r.status < 128 and r.err.strip()), r


def test_the_config_is_read_at_create_and_not_again(box):
    box.sh("echo as created")
    assert box.create().status == 0
    box.args("echo", "changed later").save()
    assert box.start().status == 0
    box.ended()
    assert box.out() == "as created\n"


# ---- root

def test_the_root_is_the_given_folder(box):
    (box.rootfs / "mark").write_text("of this root")
    assert box.sh("cat /mark").ran() == "of this root"


def test_the_root_by_absolute_path(box):
    box.config["root"]["path"] = str(box.rootfs)
    assert box.report()["pid"] == 1


def test_nothing_is_above_the_root(box):
    assert box.sh("ls -d /../.. && cd / && cd .. && pwd -P && ls /../srv 2>/dev/null | grep -c bulkhead-oci").run().out == "/../..\n/\n0\n"


def test_the_hosts_mounts_are_not_seen(box):
    seen = box.report()
    assert len(seen.mounts("/")) == 1
    assert not any(line.split()[4].startswith(("/srv", "/oldroot", "/.")) for line in seen["mountinfo"])


def test_the_root_is_writable_by_default(box):
    del box.config["root"]["readonly"]
    assert box.sh("echo x > /made").run().status == 0
    assert (box.rootfs / "made").read_text() == "x\n"


def test_a_read_only_root(box):
    box.config["root"]["readonly"] = True
    seen = box.report()
    assert "ro" in seen.mount("/").options
    r = box.sh("echo x > /made").run()
    assert r.status != 0 and "Read-only" in r.err and not (box.rootfs / "made").exists()


def test_mounts_in_a_read_only_root_are_writable(box):
    box.config["root"]["readonly"] = True
    box.tmpfs("/mnt")
    assert box.sh("echo x > /mnt/a && echo y > /dev/shm/b && echo z > /dev/null").run().status == 0


def test_a_read_only_root_leaves_the_host_writable(box):
    box.config["root"]["readonly"] = True
    box.report()
    (box.rootfs / "still").write_text("")


@pytest.mark.parametrize("root",
                         [None, {}, {"path": ""}, {"path": "nothing"}, {"path": "/nothing/there"},
                          {"path": "config.json"},
                                  {"path": 5}], ids=str)
def test_a_root_that_is_no_folder_is_refused(box, root):
    if root is None:
        del box.config["root"]
    else:
        box.config["root"] = root
    box.refused()


# ---- hostname, domainname

def test_the_hostname(box):
    box.config["hostname"] = "some-host.example"
    assert box.report()["hostname"] == "some-host.example"


def test_the_domainname(box):
    box.config["domainname"] = "some.domain"
    assert box.report()["domainname"] == "some.domain"


def test_two_domainnames_are_refused(box):
    box.config["domainname"] = "some.domain"
    box.linux["sysctl"] = {"kernel.domainname": "other.domain"}
    assert "/linux/sysctl/kernel.domainname" in box.refused()
    box.linux["sysctl"] = {"kernel.domainname": "some.domain"}
    assert box.report()["domainname"] == "some.domain"


def test_without_a_hostname_it_is_the_hosts(box):
    del box.config["hostname"]
    assert box.report()["hostname"] == os.uname().nodename


@pytest.mark.parametrize("field", ["hostname", "domainname"])
def test_a_name_without_a_uts_namespace_is_refused(box, field):
    """The host's name is not the container's to change."""
    before = os.uname()
    box.config.pop("hostname")
    box.config[field] = "intruder"
    box.without_namespace("uts").refused()
    assert os.uname() == before


@pytest.mark.parametrize("field", ["hostname", "domainname"])
def test_a_name_that_is_too_long_is_refused(box, field):
    box.config[field] = "x" * 65
    box.refused()


# ---- maskedPaths, readonlyPaths

def test_a_masked_file_is_empty(box):
    (box.rootfs / "etc/secret").write_text("secret")
    box.linux["maskedPaths"] = ["/etc/secret"]
    assert box.sh("cat /etc/secret; echo .").ran() == ".\n"
    assert (box.rootfs / "etc/secret").read_text() == "secret"


def test_a_masked_folder_is_empty_and_read_only(box):
    (box.rootfs / "etc/secrets").mkdir()
    (box.rootfs / "etc/secrets/a").write_text("secret")
    box.linux["maskedPaths"] = ["/etc/secrets"]
    r = box.sh("ls -A /etc/secrets; echo x > /etc/secrets/new").run()
    assert r.out == "" and "Read-only" in r.err


def test_several_masked_folders(box):
    for name in "abc":
        (box.rootfs / name).mkdir()
        (box.rootfs / name / "file").write_text("")
    box.linux["maskedPaths"] = ["/a", "/b", "/c"]
    assert box.sh("ls -A /a /b /c | grep file; echo .").ran() == ".\n"


def test_masking_holds_against_a_file_of_proc(box):
    box.linux["maskedPaths"] = ["/proc/version", "/proc/bus"]
    assert box.sh("cat /proc/version; ls /proc/bus; echo .").ran() == ".\n"


@pytest.mark.parametrize("path", ["/nothing/here", "/etc/passwd/below"])
def test_a_masked_path_that_is_not_there_is_ignored(box, path):
    box.linux["maskedPaths"] = [path]
    assert box.report()["pid"] == 1
    assert not (box.rootfs / "nothing").exists()


def test_a_masked_link_does_not_leave_the_root(box, folder):
    outside = folder / "outside"
    outside.write_text("of the host")
    (box.rootfs / "link").symlink_to(outside)
    box.linux["maskedPaths"] = ["/link"]
    box.run()
    assert outside.read_text() == "of the host"


def test_read_only_paths(box):
    (box.rootfs / "etc/fixed").mkdir()
    (box.rootfs / "etc/file").write_text("as it was")
    box.linux["readonlyPaths"] = ["/etc/fixed", "/etc/file", "/proc/sys"]
    r = box.sh("echo x > /etc/fixed/a; echo x > /etc/file; echo 1 > /proc/sys/kernel/panic; cat /etc/file; echo x > /etc/other").run()
    assert (r.status, r.out, r.err.count("Read-only")) == (0, "as it was", 3), r


def test_a_read_only_path_keeps_what_is_mounted_below_visible(box):
    box.tmpfs("/mnt").tmpfs("/mnt/inner")
    box.linux["readonlyPaths"] = ["/mnt"]
    seen = box.report()
    assert "ro" in seen.mount("/mnt").options and seen.mount("/mnt/inner").type == "tmpfs"


def test_a_read_only_path_keeps_its_other_flags(box):
    box.tmpfs("/mnt", "nosuid", "nodev", "noexec")
    box.linux["readonlyPaths"] = ["/mnt"]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(box.report().mount("/mnt").options)


@pytest.mark.parametrize("path", ["/nothing/here", "/etc/passwd/below"])
def test_a_read_only_path_that_is_not_there_is_ignored(box, path):
    box.linux["readonlyPaths"] = [path]
    assert box.report()["pid"] == 1


@pytest.mark.parametrize("field", ["maskedPaths", "readonlyPaths"])
@pytest.mark.parametrize("path", ["etc", "", 5], ids=repr)
def test_a_path_that_is_not_absolute_is_refused(box, field, path):
    box.linux[field] = [path]
    box.refused()


# ---- rootfsPropagation

@pytest.mark.parametrize("value,words", [("private", []), ("slave", ["slave"]), ("shared", ["shared"]),
                                         ("unbindable", ["unbindable"]), ("rprivate", []), ("rslave", ["slave"]),
                                         ("rshared", ["shared"])])
def test_propagation_of_the_root(box, value, words):
    """The host's mounts are shared here, so that a slave has someone to follow."""
    box.linux["rootfsPropagation"] = value
    with holder("-m", "--propagation", "shared") as pid:
        box.prefix = ("nsenter", "-t", str(pid), "-m", "--")
        assert box.report().mount("/").propagation() == words


@pytest.mark.parametrize("value,words", [("private", []), ("shared", ["shared"]), ("rshared", ["shared"])])
def test_propagation_of_a_root_below_a_shared_mount_of_its_own(box, value, words):
    """As where /var/lib is a file system apart: a root that is shared cannot be changed to, and its copy would be."""
    box.linux["rootfsPropagation"] = value
    with holder("-m", "--propagation", "shared") as pid:
        box.prefix = ("nsenter", "-t", str(pid), "-m", "--")
        for command in (["mount", "--bind", box.bundle, box.bundle], ["mount", "--make-shared", box.bundle]):
            subprocess.run([*box.prefix, *command], check=True)
        assert box.report().mount("/").propagation() == words


def test_by_default_the_root_does_not_propagate_to_the_host(box):
    with holder("-m", "--propagation", "shared") as pid:
        box.prefix = ("nsenter", "-t", str(pid), "-m", "--")
        assert "shared" not in box.report().mount("/").propagation()


def test_a_shared_root_does_not_reach_the_host(box):
    """Whatever is mounted inside never shows in the caller's namespace."""
    box.linux["rootfsPropagation"] = "shared"
    box.capable("CAP_SYS_ADMIN")
    box.process["noNewPrivileges"] = False
    with holder("-m", "--propagation", "shared") as pid:
        box.prefix = ("nsenter", "-t", str(pid), "-m", "--")
        box.args("sh", "-c", "mount -t tmpfs none /mnt && touch /mnt/inside && sleep 1000").up()
        assert str(box.rootfs / "mnt") not in open(f"/proc/{pid}/mountinfo").read()
        box.delete()


@pytest.mark.parametrize("value", ["public", 1])
def test_an_unknown_propagation_is_refused(box, value):
    box.linux["rootfsPropagation"] = value
    box.refused()


# ---- annotations, mountLabel

def test_annotations_are_in_the_state(box):
    box.config["annotations"] = {"com.example.key": "value", "empty": "", "ü": "\u2603 \"quoted\"\n"}
    box.idle()
    assert box.state()["annotations"] == box.config["annotations"]


def test_annotations_of_others_are_no_hindrance(box):
    box.config["annotations"] = {"run.oci.unknown": "1", "org.opencontainers.image.os": "linux",
                                 "org.systemd.property.X": "'y'"}
    assert box.report()["pid"] == 1


@pytest.mark.parametrize("annotations", [{"key": 5}, {"": "empty key"}, ["list"]], ids=json.dumps)
def test_annotations_that_are_no_texts_are_refused(box, annotations):
    box.config["annotations"] = annotations
    box.refused()


def test_a_mount_label_is_applied_or_refused(box):
    box.linux["mountLabel"] = "system_u:object_r:container_file_t:s0"
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("SELinux is on: the policy's names would be needed")
    assert "selinux" in box.refused().lower()


def test_linux_section_is_optional_in_parts(box):
    for field in ("resources", "maskedPaths", "readonlyPaths"):
        del box.linux[field]
    assert box.report()["pid"] == 1
