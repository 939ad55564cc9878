# SPDX-License-Identifier: LGPL-2.1-or-later
"""R4: nothing of an image's /dev is trusted, and a device that was not asked for does not open."""
import os
import pathlib
import re
import stat
import subprocess

import pytest

import bundle as oci
import hostile

HOW = ["absolute", "climbing", "magic"]
MASKS = ["/proc/timer_list", "/proc/keys", "/proc/acpi"]
NULL_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def own_dev(container):
    """The image's /dev is used as it is."""
    hostile.without_mount(container.config, "/dev")
    return container.rootfs / "dev"


def not_null(container, dev, folder, kind):
    """Something in the image's /dev under the name of null."""
    if kind == "file":
        (dev / "null").write_text("the image's\n")
    elif kind == "link-to-file":
        (container.rootfs / "etc/marker").write_text("the image's\n")
        (dev / "null").symlink_to("/etc/marker")
    elif kind == "link-to-setting":
        (dev / "null").symlink_to("/proc/sys/kernel/hostname")
    elif kind == "link-to-host":
        (dev / "null").symlink_to(folder / "canary/secret")
    elif kind == "other-device":
        os.mknod(dev / "null", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif kind == "link-to-procfs":
        (dev / "null").symlink_to("/proc")


@pytest.mark.parametrize("mounted", ["tmpfs-mounted", "image-dev"])
@pytest.mark.parametrize("how", HOW)
def test_dev_as_a_link_does_not_lead_to_the_host(container, canary, how, mounted):
    """CVE-2026-41579, CVE-2026-47766 (P05): ptmx of the folder is not removed, links and nodes are not made there."""
    if mounted == "image-dev":
        own_dev(container)
    hostile.place_link(container.rootfs, "dev", hostile.links_to(canary.path)[how])
    canary.untouched(container.sh("cat /dev/secret; true").run())


@pytest.mark.parametrize("name", ["ptmx", "null", "fd", "stdin", "core", "console", "shm", "pts", "mqueue", "tty"])
@pytest.mark.parametrize("how", HOW[:2])
def test_a_link_inside_the_image_dev_does_not_lead_to_the_host(container, canary, name, how):
    """CVE-2026-41579, CVE-2026-47766, CVE-2025-52565, CVE-2026-88264 (P05, P08)"""
    dev = own_dev(container)
    container.config["mounts"] += [m for m in oci.DEFAULT_MOUNTS if m["destination"] == f"/dev/{name}"]
    target = canary.path / ("folder" if name in ("shm", "pts", "mqueue", "fd") else "ptmx" if name == "ptmx" else "made")
    (dev / name).symlink_to(hostile.links_to(target)[how])
    canary.untouched(container.args("true").run())


def test_the_default_devices_are_there(container):
    """Twin of the two above."""
    r = container.args("/probe", "stat", *(f"/dev/{n}" for n in NULL_DEVICES)).run()
    assert r.status == 0, r
    for name, (major, minor) in NULL_DEVICES.items():
        assert re.search(rf"^char {major}:{minor} .* /dev/{name}$", r.out, re.M), r
    r = container.sh("for l in ptmx fd stdin; do readlink /dev/$l; done; echo x >/dev/null; head -c 3 /dev/zero | wc -c; ls /dev/pts/ptmx").run()
    assert r.out.split() == ["pts/ptmx", "/proc/self/fd", "/proc/self/fd/0", "3", "/dev/pts/ptmx"], r


@pytest.mark.parametrize("mounted", ["image-dev", "bound-dev"])
@pytest.mark.parametrize("kind", ["file", "link-to-file", "link-to-setting", "link-to-host", "other-device", "link-to-procfs"])
def test_what_an_image_calls_null_does_not_mask(container, canary, folder, kind, mounted):
    """CVE-2025-31133, youki CVE-2025-62161 (P06): refused, or masked by something that is empty and not the image's."""
    dev = own_dev(container)
    if mounted == "bound-dev":
        (folder / "dev").mkdir()
        container.config["mounts"].append(hostile.bind(folder / "dev", "/dev"))
        dev = folder / "dev"
    not_null(container, dev, folder, kind)
    container.config["linux"]["maskedPaths"] = MASKS
    r = container.sh(f"/probe empty {' '.join(MASKS)}; /probe stat {' '.join(MASKS)}; ls {' '.join(MASKS)}; "
                     "sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* /mounted /' /proc/self/mountinfo").run()
    if r.status == 0:
        told = hostile.pairs(r.out)
        assert sorted(told) == sorted(MASKS) and not any(told.values()), r
        # An empty file may be the mask: then it is a mount of its own, on a file system that is not procfs.
        for path in re.findall(r"^file .* (/proc/\S+)$", r.out, re.M):
            assert re.search(rf"^mounted {path} .*\bro\b.* - tmpfs ", r.out, re.M), f"{path} is not masked: {r}"
    canary.untouched(r)


def test_masks_work_with_a_true_null(container):
    """Twin of the above: the image's own /dev without tricks."""
    dev = own_dev(container)
    os.mknod(dev / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (dev / "null").chmod(0o666)
    container.config["linux"]["maskedPaths"] = MASKS
    r = container.sh(f"/probe empty {' '.join(MASKS)}; echo x >/dev/null").run()
    assert r.status == 0 and not any(hostile.pairs(r.out).values()), r


def with_stdio(container, verb, payload, files):
    """Starts a payload that has these very files as stdin, stdout and stderr; whether it was started."""
    start = [container.program, "--root", str(container.root)]
    if verb == "create":
        container.args(*payload).save()
        argv = [*start, "create", "--bundle", str(container.bundle), container.id]
    else:
        if container.args("sleep", "60").create().status or container.start().status:
            return False
        argv = [*start, "exec", "--detach", container.id, *payload]
    with open(files[0], "rb") as i, open(files[1], "ab") as o, open(files[2], "ab") as e:
        status = subprocess.run(argv, stdin=i, stdout=o, stderr=e, timeout=120, check=False).returncode
    return status == 0 and (verb == "exec" or container.start().status == 0)


STAT_STDIO = ["sh", "-c",
              "exec 3>&1; /probe stat 0 3 2 >/seen; echo to-stdout; echo to-stderr >&2; touch /seen-all; exec sleep 60"]


def seen_stdio(container):
    """The payload's own view of its stdio: one line each."""
    end = oci.time.monotonic() + 60
    while not (container.rootfs / "seen-all").exists() and oci.time.monotonic() < end:
        oci.time.sleep(0.02)
    return (container.rootfs / "seen").read_text().splitlines()


def identity(path):
    st = os.stat(path)
    return f"{st.st_dev:x}:{st.st_ino}"


@pytest.fixture
def null(folder):
    """A null device of the test's own: nothing can happen to the host's."""
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "null").chmod(0o666)
    return folder / "null"


@pytest.mark.parametrize("kind", ["file", "link-to-file", "other-device"])
@pytest.mark.parametrize("verb", ["create", "exec"])
def test_the_callers_null_is_not_swapped_for_the_images(container, folder, null, kind, verb):
    """CVE-2026-88265 (P07)"""
    not_null(container, own_dev(container), folder, kind)
    if with_stdio(container, verb, STAT_STDIO, [null] * 3):
        assert [line.split()[1] for line in seen_stdio(container)] == ["1:3"] * 3


@pytest.mark.parametrize("kind", ["file", "link-to-file"])
@pytest.mark.parametrize("verb", ["create", "exec"])
def test_the_callers_files_are_not_swapped_for_the_images(container, folder, kind, verb):
    """CVE-2026-88265 (P07): st_rdev of any plain file is 0, and so is that of an image's plain file called null."""
    not_null(container, own_dev(container), folder, kind)
    files = [folder / n for n in ("in", "out", "err")]
    for f in files:
        f.write_text("")
    if with_stdio(container, verb, STAT_STDIO, files):
        assert [line.split()[2] for line in seen_stdio(container)] == [identity(f) for f in files]
        assert (files[1].read_text(), files[2].read_text()) == ("to-stdout\n", "to-stderr\n")


@pytest.mark.parametrize("verb", ["create", "exec"])
def test_the_callers_stdio_arrives(container, folder, null, verb):
    """Twin of the two above."""
    (folder / "out").write_text("")
    assert with_stdio(container, verb, STAT_STDIO, [null, folder / "out", folder / "out"])
    assert [line.split()[1:3] for line in seen_stdio(container)][0][0] == "1:3"
    assert (folder / "out").read_text() == "to-stdout\nto-stderr\n"


def stdio_on_own_mounts(container, files):
    """Whether stdin, stdout and stderr of the payload lie on mounts of its own."""
    assert with_stdio(container, "create", ["sleep", "60"], files)
    proc = pathlib.Path("/proc", str(container.state()["pid"]))
    own = {line.split()[0] for line in (proc / "mountinfo").read_text().splitlines()}
    return [re.search(r"mnt_id:\s*(\d+)", (proc / f"fdinfo/{i}").read_text())[1] in own for i in range(3)]


def test_the_callers_null_device_becomes_the_containers(container, null):
    """It would hold a mount of the host, which criu cannot save."""
    assert stdio_on_own_mounts(container, [null] * 3) == [True] * 3


def test_a_file_of_the_caller_stays_on_the_hosts_mount(container, folder, null):
    """Twin: nothing else is replaced."""
    (folder / "out").write_text("")
    assert stdio_on_own_mounts(container, [null, folder / "out", folder / "out"]) == [True, False, False]


@pytest.mark.parametrize("device", ["null", "zero"])
@pytest.mark.parametrize("image", ["plain-dev", "null-of-the-image"])
def test_a_device_of_the_caller_keeps_its_owner(container, folder, null, image, device):
    """CVE-2026-88265, CVE-2018-6954 kin (P07): stdio that is a device is not given to the container's user. The null device is replaced
    before that is asked, others are not."""
    if device == "zero":
        null = folder / "zero"
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    if image != "plain-dev":
        not_null(container, own_dev(container), folder, "file")
    (container.rootfs).chmod(0o777)
    container.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    started = with_stdio(container, "create", STAT_STDIO, [null] * 3)
    assert started or image != "plain-dev"
    assert os.stat(null).st_uid == 0


def console_of(container, console, script="/probe stat /dev/console 0; cat /proc/self/mountinfo; echo en''d"):
    """Starts a container on a terminal: what it printed, or None where the start was refused."""
    container.config["process"]["terminal"] = True
    container.sh(script)
    r = container.create("--console-socket", console.path)
    if r.status or container.start().status:
        return None
    return console.read("end\n")


def test_a_console_works(container, console):
    """Twin of the tests of consoles."""
    said = console_of(container, console)
    assert said and re.search(r"^char 136:\d+ .* /dev/console$", said, re.M) and re.search(r"^char 136:\d+ .* 0$", said, re.M), said
    assert os.major(os.fstat(console.main).st_rdev) in (5, 128), "the other side is no terminal"


@pytest.mark.parametrize("name, mounted", [("console", "image-dev"), ("console", "bound-dev"), ("dev", "image-dev")])
@pytest.mark.parametrize("how", HOW)
def test_the_console_is_not_made_through_a_link(container, canary, folder, console, how, mounted, name):
    """CVE-2026-88264, CVE-2025-52565 (P08)"""
    dev = own_dev(container)
    if mounted == "bound-dev" and name == "console":
        dev = folder / "dev"
        dev.mkdir()
        container.config["mounts"].append(hostile.bind(dev, "/dev"))
    if name == "console":
        (dev / "console").symlink_to(hostile.links_to(canary.path / "made")[how])
    else:
        hostile.place_link(container.rootfs, "dev", hostile.links_to(canary.path)[how])
    console_of(container, console)
    canary.untouched()
    assert [m for m in hostile.host_mounts() if str(canary.path) in m] == []


@pytest.mark.parametrize("what", ["file", "link-to-setting", "link-to-file"])
def test_a_terminal_of_the_images_making_is_not_bound_on_the_console(container, folder, canary, console, what):
    """CVE-2025-52565 (P08): /dev/pts/0 or /dev/ptmx is not the kernel's."""
    dev = own_dev(container)
    target = {"link-to-setting": "/proc/sys/kernel/hostname", "link-to-file": "/etc/passwd"}.get(what)
    (dev / "pts").mkdir()
    for name in ("pts/0", "pts/1", "ptmx", "pts/ptmx"):
        if target:
            (dev / name).symlink_to(target)
        else:
            (dev / name).write_text("the image's\n")
    said = console_of(container, console)
    if said is not None:
        assert not re.search(r"^(file|dir) .* (/dev/console|0)$", said, re.M), said
    canary.untouched()


def test_pts_that_is_swapped_meanwhile_does_not_get_onto_the_console(make, folder, canary, probe):
    """CVE-2025-52565, CVE-2025-52881 (P08, P10): /dev is on a volume where pts is exchanged."""
    share = folder / "dev"
    for side in ("pts", "other"):
        (share / side).mkdir(parents=True)
    for n in range(4):
        (share / "other" / str(n)).symlink_to("/proc/sys/kernel/hostname")
    (share / "ptmx").symlink_to("pts/ptmx")
    c = make()
    hostile.without_mount(c.config, "/dev")
    c.config["mounts"] += [hostile.bind(share, "/dev"), next(m for m in oci.DEFAULT_MOUNTS if m["destination"] == "/dev/pts")]
    c.config["process"]["terminal"] = True
    c.sh("/probe stat /dev/console 0; echo en''d")
    end = oci.time.monotonic() + hostile.race_seconds()
    n = 0
    with hostile.swapping(probe, share / "pts", share / "other"):
        while oci.time.monotonic() < end or n < 3:
            n += 1
            console = hostile.Console(folder / f"c{n}")
            if c.create("--console-socket", console.path).status == 0 and c.start().status == 0:
                said = console.read("end\n")
                assert not re.search(r"^(file|dir|missing) .* (/dev/console|0)$", said, re.M), said
            c.delete()
            console.close()
            (folder / f"c{n}").unlink()
    canary.untouched()


def harmless_devices(folder):
    """Devices which no runtime allows by itself, and which may be opened and closed without any effect: the disk below this
    folder, for reading, and FUSE.  A container's node of them must not open, though the same node opens here."""
    disk = os.stat(folder).st_dev
    found = {}
    for name, kind, number in (("disk", stat.S_IFBLK, disk), ("fuse", stat.S_IFCHR, os.makedev(10, 229)),
                               ("loop", stat.S_IFCHR, os.makedev(10, 237))):
        node = folder / f"node-{name}"
        try:
            os.mknod(node, kind | 0o666, number)
            os.close(os.open(node, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            continue
        found[name] = ("b" if kind == stat.S_IFBLK else "c", os.major(number), os.minor(number))
    if not found:
        pytest.skip("no device opens here")
    return found


@pytest.mark.parametrize("resources", ["deny-all", "empty-list", "no-list", "no-resources"])
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_device_that_was_not_asked_for_does_not_open(container, folder, resources, verb):
    """GHSA-g54h-m393-cpwq (P17): the list of devices is one of what is allowed, also when it is empty or missing."""
    devices = harmless_devices(folder)
    linux = container.config["linux"]
    if resources == "no-resources":
        del linux["resources"]
    elif resources == "no-list":
        linux["resources"] = {}
    elif resources == "empty-list":
        linux["resources"] = {"devices": []}
    hostile.give(container.config, "CAP_MKNOD")
    tries = "".join(f"mknod /tmp/{n} {t} {a} {b}; /probe open-read /tmp/{n};" for n, (t, a, b) in devices.items())
    if verb == "run":
        r = container.sh(tries).run()
    else:
        container.args("sleep", "60").up()
        r = container.exec("sh", "-c", tries)
    told = hostile.pairs(r.out)
    assert r.status == 0 and sorted(told) == sorted(f"/tmp/{n}" for n in devices), r
    assert 0 not in told.values(), r


def test_a_device_that_is_allowed_opens(container, folder):
    """Twin of the above."""
    name, (kind, major, minor) = [d for d in harmless_devices(folder).items() if d[0] != "disk"][0]
    hostile.give(container.config, "CAP_MKNOD")
    container.config["linux"]["resources"]["devices"].append({"allow": True, "type": kind, "major": major, "minor": minor, "access": "rm"})
    r = container.sh(f"mknod /tmp/n {kind} {major} {minor}; /probe open-read /tmp/n /dev/zero; /probe open-write /tmp/n").run()
    assert r.out == "0 /tmp/n\n0 /dev/zero\n1 /tmp/n\n", r


def test_no_node_of_the_image_opens_a_device(container, folder):
    """GHSA-g54h-m393-cpwq, CVE-2019-18837 kin (P17): the node is in the image already, so that mknod is not needed."""
    devices = harmless_devices(folder)
    for name, (kind, major, minor) in devices.items():
        os.mknod(container.rootfs / "mnt" / name, (stat.S_IFBLK if kind == "b" else stat.S_IFCHR) | 0o666, os.makedev(major, minor))
        (container.rootfs / "mnt" / name).chmod(0o666)
    r = container.args("/probe", "open-read", *(f"/mnt/{n}" for n in devices)).run()
    assert hostile.pairs(r.out) == {f"/mnt/{n}": 1 for n in devices}, r
