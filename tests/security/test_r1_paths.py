# SPDX-License-Identifier: LGPL-2.1-or-later
"""R1 and R2: below a container's root everything is resolved inside of it, and acted on by descriptor."""
import contextlib
import os

import pytest

import bundle as oci
import hostile

HOW = ["absolute", "climbing", "magic", "magic-of-init"]


def mount_of(kind, destination, folder):
    """A mount of each kind that has to create what it lands on, or to find it."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("from the source\n")
    return {"folder": hostile.bind(source, destination), "file": hostile.bind(source / "file", destination),
            "tmpfs": {"destination": destination, "type": "tmpfs", "source": "tmpfs"},
            "mqueue": {"destination": destination, "type": "mqueue", "source": "mqueue"}}[kind]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind, below", [("folder", ""), ("folder", "/new/deep"), ("file", "/new"), ("file", "/new/deep"), ("tmpfs", "/folder"),
                                         ("tmpfs", "/new"), ("mqueue", "/new")])
def test_a_link_of_the_image_does_not_lead_a_mount_to_the_host(container, canary, folder, how, kind, below):
    """CVE-2015-3627, CVE-2019-18837, crun issue 111, CVE-2025-0750, CVE-2024-5154, CVE-2019-10152, CVE-2024-1753, CVE-2024-9341,
    CVE-2024-9407, CVE-2024-9675, CVE-2025-9566, CVE-2026-44517, bubblewrap CVE-2026-87766, flatpak CVE-2024-42472 (P09)"""
    hostile.place_link(container.rootfs, "mnt/link", hostile.links_to(canary.path)[how])
    container.config["mounts"].append(mount_of(kind, "/mnt/link" + below, folder))
    r = container.sh("cat /mnt/link/secret; echo changed >/mnt/link/folder/file; touch /mnt/link/made; true").run()
    canary.untouched(r)


@pytest.mark.parametrize("kind, destination", [("folder", "/mnt/new/deep"), ("file", "/mnt/new-file"), ("tmpfs", "/mnt/new"), ("folder", "/mnt")])
def test_a_mount_on_a_plain_destination_works(container, folder, kind, destination):
    """Twin of the above."""
    container.config["mounts"].append(mount_of(kind, destination, folder))
    r = container.args("cat", "/proc/self/mountinfo").run()
    assert r.status == 0, r
    assert destination in [m[0] for m in hostile.mounts_in(r.out)]


@pytest.mark.parametrize("target", ["/run", "../run"])
def test_a_link_that_stays_inside_carries_a_mount(container, folder, target):
    """Twin: /var/run leading to /run broke with the fix of CVE-2026-41568."""
    hostile.place_link(container.rootfs, "var/run", target)
    container.config["mounts"].append(mount_of("folder", "/var/run/data", folder))
    r = container.args("cat", "/run/data/file").run()
    assert (r.status, r.out) == (0, "from the source\n"), r


@pytest.mark.parametrize("kind, seen", [("file", "/etc/localtime"), ("folder", "/etc/localtime/file")])
@pytest.mark.parametrize("target", ["../usr/share/zone/Rome", "/usr/share/zone/Rome", "../" * 24 + "usr/share/zone/Rome", "other"])
def test_a_link_to_what_is_missing_has_that_made_inside_of_the_root(container, folder, kind, seen, target):
    """Twin: images without time zones have such a link, and callers mount the host's /etc/localtime on it."""
    hostile.place_link(container.rootfs, "etc/localtime", target)
    hostile.place_link(container.rootfs, "etc/other", "../usr/share/zone/Rome")
    container.config["mounts"].append(mount_of(kind, "/etc/localtime", folder))
    r = container.args("cat", seen, "/proc/self/mountinfo").run()
    assert r.status == 0 and r.out.startswith("from the source\n"), r
    assert "/usr/share/zone/Rome" in [m[0] for m in hostile.mounts_in(r.out.split("\n", 1)[1])]
    assert (container.rootfs / "usr/share/zone/Rome").exists()


def test_a_link_to_what_is_missing_on_the_host_makes_nothing_there(container, folder):
    """CVE-2024-5154, CVE-2025-0750 kin: what is made in a link's place is made inside of the root."""
    outside = folder / "outside"
    outside.mkdir()
    hostile.place_link(container.rootfs, "mnt/link", str(outside / "new"))
    hostile.place_link(container.rootfs, "mnt/climbing", "../" * 24 + str(outside / "more").lstrip("/"))
    container.config["mounts"] += [mount_of("folder", "/mnt/link", folder), mount_of("file", "/mnt/climbing", folder)]
    assert container.args("true").run().status == 0
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("first", ["a", "self", "l0"])
def test_links_that_lead_to_one_another_end(container, folder, first):
    """CVE-2024-5154 kin: links that are followed by us have an end, as the kernel's have."""
    for name, target in (("a", "b/x"), ("b", "a/y"), ("self", "self/x")):
        hostile.place_link(container.rootfs, f"mnt/{name}", target)
    for i in range(60):
        hostile.place_link(container.rootfs, f"mnt/l{i}", f"missing{i}/../l{i + 1}")
    container.config["mounts"].append(mount_of("folder", f"/mnt/{first}", folder))
    r = container.args("true").run()
    assert r.status != 0 and f"/mnt/{first}" in r.err and "Too many levels" in r.err, r


@pytest.mark.parametrize("how", HOW)
def test_a_link_of_the_image_does_not_lead_a_device_node_to_the_host(container, canary, how):
    """CVE-2019-18837, CVE-2026-41579 (P09): linux.devices below a link."""
    hostile.place_link(container.rootfs, "mnt/link", hostile.links_to(canary.path)[how])
    container.config["linux"]["devices"] = [{"path": "/mnt/link/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]
    canary.untouched(container.args("true").run())


def test_a_device_node_on_a_plain_path_works(container):
    """Twin of the above."""
    container.config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]
    container.config["linux"]["resources"]["devices"] += [{"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}]
    r = container.args("/probe", "stat", "/dev/mine").run()
    assert r.status == 0 and r.out.startswith("char 1:3 "), r


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("below", ["", "/new", "/new/deep"])
def test_a_link_of_the_image_does_not_lead_the_working_directory_to_the_host(container, canary, how, below):
    """CVE-2026-55686, CVE-2024-21626 kin (P09): WORKDIR below a link is neither made nor entered on the host."""
    hostile.place_link(container.rootfs, "mnt/link", hostile.links_to(canary.path)[how])
    container.config["process"]["cwd"] = "/mnt/link" + below
    canary.untouched(container.sh("cat ./secret; touch made; true").run())


def test_a_plain_working_directory_works(container):
    """Twin of the above."""
    container.config["process"]["cwd"] = "/usr/bin"
    r = container.args("pwd").run()
    assert (r.status, r.out) == (0, "/usr/bin\n"), r


@pytest.mark.parametrize("how", HOW[:2])
@pytest.mark.parametrize("name", ["etc", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"])
def test_a_link_among_the_files_that_engines_mount_does_not_lead_to_the_host(container, canary, folder, how, name):
    """CVE-2025-24965, CVE-2024-5154, CVE-2025-0750: files that an engine puts into a root."""
    hostile.place_link(container.rootfs, name, hostile.links_to(canary.path / "new-file" if "/" in name else canary.path)[how])
    destination = "/" + name if "/" in name else "/etc/hosts"
    container.config["mounts"].append(mount_of("file", destination, folder))
    container.config["process"]["cwd"] = "/"
    canary.untouched(container.sh("cat /etc/hosts /etc/mtab; true").run())


@pytest.mark.parametrize("path", ["maskedPaths", "readonlyPaths"])
@pytest.mark.parametrize("how", HOW)
def test_a_link_of_the_image_does_not_lead_a_mask_to_the_host(container, canary, how, path):
    """CVE-2019-16884 kin (P09): a mask below a link covers nothing of the host."""
    hostile.place_link(container.rootfs, "mnt/link", hostile.links_to(canary.path)[how])
    container.config["linux"][path] += ["/mnt/link/secret", "/mnt/link/folder"]
    canary.untouched(container.sh("cat /mnt/link/secret; true").run())


@pytest.mark.parametrize("how", HOW[:2])
def test_a_root_that_was_changed_by_its_container_starts_again_inside(container, canary, folder, how):
    """CVE-2015-3629: at the second start the mount point is a link to the host."""
    container.config["mounts"].append(mount_of("folder", "/data/deep", folder))
    target = hostile.links_to(canary.path)[how]
    first = container.args("true").run()
    assert first.status == 0, first
    hostile.place_link(container.rootfs, "data", target)
    canary.untouched(container.sh("cat /data/secret; true").run())


@pytest.mark.parametrize("destination", ["/..", "/../../..", "/mnt/../..", "exact"])
def test_dots_in_a_destination_stay_inside(container, canary, folder, destination):
    """CVE-2026-33748 kin (P09): a destination that climbs."""
    climbing = "/" + os.path.relpath(canary.path, container.rootfs) if destination == "exact" else destination + str(canary.path)
    container.config["mounts"].append(mount_of("folder", climbing + "/new", folder))
    canary.untouched(container.args("true").run())


@pytest.fixture
def share(folder, canary):
    """A volume of two containers: `a` is a folder and `b` a link to the host, to be swapped."""
    path = folder / "share"
    (path / "a").mkdir(parents=True)
    (path / "b").symlink_to(canary.path)
    return path


@pytest.mark.parametrize("kind, below", [("tmpfs", ""), ("tmpfs", "/sub/deep"), ("folder", "/sub/deep"), ("file", "/sub/file")])
def test_a_destination_that_is_swapped_for_a_link_meanwhile_does_not_lead_to_the_host(container, canary, folder, share, probe, kind, below):
    """CVE-2021-30465, CVE-2024-45310, CVE-2024-23651, CVE-2026-41568, CVE-2026-42306, CVE-2025-47290 (P10).  What succeeds must
    also have its mount: one that went astray is gone with the old root."""
    container.config["mounts"] += [hostile.bind(share, "/share"), mount_of(kind, "/share/a" + below, folder)]
    container.args("cat", "/proc/self/mountinfo")
    real = os.open(share / "a", os.O_RDONLY | os.O_DIRECTORY)

    def check(r):
        assert canary.changes() == [], "the canary was changed from a container's volume"
        if r.status == 0:
            points = [m[0] for m in hostile.mounts_in(r.out)]
            inside = ("/share/a", "/share/b", str(canary.path))     # the link, resolved inside of the root, is as good
            assert any(p.startswith(inside) for p in points), f"the mount went astray: {points}"
        for name in ("sub/deep", "sub/file", "sub"):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=real)
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=real)

    try:
        with hostile.swapping(probe, share / "a", share / "b"):
            hostile.repeat(container, check)
    finally:
        os.close(real)


def test_a_destination_on_a_volume_that_nobody_swaps_works(container, folder, share):
    """Twin of the race."""
    container.config["mounts"] += [hostile.bind(share, "/share"), mount_of("tmpfs", "/share/a/sub", folder)]
    r = container.args("cat", "/proc/self/mountinfo").run()
    assert r.status == 0 and "/share/a/sub" in [m[0] for m in hostile.mounts_in(r.out)], r


def test_nothing_of_a_container_stays_mounted_on_the_host(container, folder):
    """CVE-2024-23652 kin: what a delete leaves, and that it takes nothing else."""
    source = folder / "source"
    container.config["mounts"].append(mount_of("folder", "/mnt", folder))
    before = oci.pathlib.Path(source / "file").read_text()
    assert container.sh("true").run().status == 0
    assert [m for m in hostile.host_mounts() if m.startswith(str(folder))] == []
    assert (source / "file").read_text() == before
