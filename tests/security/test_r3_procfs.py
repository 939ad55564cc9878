# SPDX-License-Identifier: LGPL-2.1-or-later
"""R3: what is written to the kernel goes through a procfs of the runtime's own, and what a container sees of procfs is covered."""
import os
import pathlib
import subprocess

import pytest

import hostile

WRITES = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/fs/binfmt_misc/register",
          "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/proc/irq/default_smp_affinity", "/proc/sys/vm/panic_on_oom",
          "/proc/bus/pci/00/00.0", "/sys/power/state", "/proc/sys/kernel/poweroff_cmd", "/proc/sys/kernel/usermodehelper/bset"]
READS = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/proc/sched_debug", "/proc/latency_stats",
         "/sys/firmware", "/sys/devices/virtual/powercap"]
TTL = "net.ipv4.ip_default_ttl"


def ttl_seen_from_the_host(container):
    pid = hostile.init_pid(container)
    p = subprocess.run(["nsenter", "-t", str(pid), "-n", "cat", "/proc/sys/net/ipv4/ip_default_ttl"], capture_output=True, text=True,
                       check=True)
    return int(p.stdout)


def fake_proc(folder, canary):
    """A folder that looks like procfs; what could be written is a link to the host or a file that would keep it."""
    fake = folder / "fake"
    for name in ("self/attr/exec", "self/attr/keycreate", "self/oom_score_adj", "self/setgroups", "self/uid_map", "self/comm",
                 "thread-self/attr/exec", "1/oom_score_adj", "keys", "timer_list"):
        (fake / name).parent.mkdir(parents=True, exist_ok=True)
        (fake / name).write_text("fake\n")
    (fake / "self/fd").mkdir()
    (fake / "sys/net/ipv4").mkdir(parents=True)
    (fake / "sys/net/ipv4/ip_default_ttl").symlink_to(canary.path / "secret")
    (fake / "sys/kernel").mkdir()
    (fake / "sys/kernel/core_pattern").write_text("fake\n")
    (fake / "sys/kernel/cap_last_cap").write_text("3\n")
    return fake


def content(folder):
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()}


def with_tree(config, rootfs, fake, how):
    """The ways of an image or a volume to have its own files where procfs should be."""
    if how == "no-proc-mount":
        subprocess.run(["cp", "-a", f"{fake}/.", str(rootfs / "proc")], check=True)
        hostile.without_mount(config, "/proc")
        config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
    elif how == "bind-over-proc":
        config["mounts"].append(hostile.bind(fake, "/proc"))
    elif how == "bind-instead-of-proc":
        hostile.without_mount(config, "/proc")
        config["mounts"].insert(0, hostile.bind(fake, "/proc"))
    elif how == "tmpfs-over-proc":
        config["mounts"].append({"destination": "/proc", "type": "tmpfs", "source": "tmpfs"})
    elif how == "bind-below":
        config["mounts"].append(hostile.bind(fake / "sys/net", "/proc/sys/net"))
    elif how == "bind-self":
        config["mounts"].append(hostile.bind(fake / "self", "/proc/self"))
    elif how == "bind-attr":
        config["mounts"].append(hostile.bind(fake / "self/attr", "/proc/1/attr"))
    return config


TREES = ["no-proc-mount", "bind-over-proc", "bind-instead-of-proc", "tmpfs-over-proc", "bind-below", "bind-self", "bind-attr"]


@pytest.mark.parametrize("how", TREES)
def test_a_setting_reaches_the_kernel_or_the_start_fails(container, canary, folder, how):
    """CVE-2025-52881, youki CVE-2025-62596, CVE-2019-16884, CVE-2019-19921, LXC CVE-2015-1334 (P11): a sysctl is never written into
    what an image has put in the place of procfs."""
    fake = fake_proc(folder, canary)
    before = content(fake)
    with_tree(container.config, container.rootfs, fake, how)
    container.config["linux"]["sysctl"] = {TTL: "77"}
    r = container.args("sleep", "60").create()
    if r.status == 0:
        assert ttl_seen_from_the_host(container) == 77
    assert content(fake) == before
    canary.untouched()


@pytest.mark.parametrize("how", TREES)
def test_the_oom_score_reaches_the_kernel_or_the_start_fails(container, canary, folder, how):
    """CVE-2025-52881, LXC CVE-2017-5985 kin (P11)"""
    fake = fake_proc(folder, canary)
    before = content(fake)
    with_tree(container.config, container.rootfs, fake, how)
    container.config["process"]["oomScoreAdj"] = 500
    r = container.args("sleep", "60").create()
    if r.status == 0:
        assert pathlib.Path(f"/proc/{hostile.init_pid(container)}/oom_score_adj").read_text() == "500\n"
    assert content(fake) == before
    canary.untouched()


def test_settings_reach_the_kernel_through_a_true_procfs(container):
    """Twin of the two above."""
    container.config["linux"]["sysctl"] = {TTL: "77"}
    container.config["process"]["oomScoreAdj"] = 500
    container.args("sleep", "60").up()
    assert ttl_seen_from_the_host(container) == 77
    assert pathlib.Path(f"/proc/{hostile.init_pid(container)}/oom_score_adj").read_text() == "500\n"


@pytest.mark.parametrize("how", ["bind-over-proc", "bind-instead-of-proc", "tmpfs-over-proc", "bind-below", "bind-self", "bind-attr"])
def test_a_volume_over_procfs_is_refused(container, canary, folder, how):
    """CVE-2015-3630, CVE-2015-3631, CVE-2019-16884 (P11): with it the process would tell its label to a plain file."""
    with_tree(container.config, container.rootfs, fake_proc(folder, canary), how)
    r = container.args("true").run()
    assert r.status != 0, r


def test_a_file_over_meminfo_is_allowed(container, folder):
    """Twin: lxcfs puts such files there."""
    (folder / "meminfo").write_text("MemTotal: 1 kB\n")
    container.config["mounts"].append(hostile.bind(folder / "meminfo", "/proc/meminfo"))
    r = container.args("cat", "/proc/meminfo").run()
    assert (r.status, r.out) == (0, "MemTotal: 1 kB\n"), r


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("how", ["absolute", "climbing", "magic"])
def test_procfs_or_sysfs_as_a_link_does_not_lead_to_the_host(container, canary, name, how):
    """CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, youki CVE-2025-54867 (P11)"""
    hostile.place_link(container.rootfs, name, hostile.links_to(canary.path / "folder")[how])
    canary.untouched(container.sh("cat /proc/file /sys/file; true").run())


@pytest.mark.parametrize("order", ["before", "after"])
def test_procfs_as_a_link_into_a_volume_is_refused_or_covered(container, canary, folder, probe, order):
    """CVE-2019-19921, CVE-2023-27561, CVE-2023-28642 (P11): a volume that another container swaps holds the mount point of procfs."""
    share = folder / "share"
    for side in ("a", "b"):
        (share / side / "proc").mkdir(parents=True)
    (share / "b/proc/keys").write_text("fake\n")
    hostile.place_link(container.rootfs, "proc", "/share/a/proc")
    at = 0 if order == "before" else len(container.config["mounts"])
    container.config["mounts"].insert(at, hostile.bind(share, "/share"))
    container.sh("for p in /proc /share/a/proc /share/b/proc; do"
                 " [ $(stat -f -c %T $p) = proc ] && /probe empty $p/keys $p/timer_list && /probe open-write $p/sys/kernel/core_pattern;"
                 " done; true")

    def check(r):
        if r.status == 0:
            told = hostile.pairs(r.out)
            assert all(n == 0 for p, n in told.items() if not p.endswith("core_pattern")), r
            assert all(n != 0 for p, n in told.items() if p.endswith("core_pattern")), r

    with hostile.swapping(probe, share / "a", share / "b"):
        hostile.repeat(container, check)
    canary.untouched()


def test_settings_of_the_host_do_not_open_for_writing(container):
    """CVE-2015-3630, CVE-2017-16539, CVE-2022-0492 and the class core_pattern, modprobe, uevent_helper, binfmt_misc, sysrq, hotplug
    (P11).  Nothing is written: the files are opened and closed."""
    container.config["linux"]["maskedPaths"] += ["/sys/devices/virtual/powercap"]
    there = [p for p in WRITES if os.path.exists(p)]
    assert len(there) >= 4, "this kernel has too few of the files"
    r = container.args("/probe", "open-write", *there).run()
    assert r.status == 0, r
    told = hostile.pairs(r.out)
    assert sorted(told) == sorted(there)
    assert [p for p, error in told.items() if error == 0] == []


def test_files_of_a_process_itself_open_for_writing(container):
    """Twin: procfs is not read-only as a whole; and without readonlyPaths the files above do open."""
    r = container.args("/probe", "open-write", "/proc/self/comm", "/proc/self/oom_score_adj").run()
    assert hostile.pairs(r.out) == {"/proc/self/comm": 0, "/proc/self/oom_score_adj": 0}, r
    container.config["linux"]["readonlyPaths"] = []
    r = container.args("/probe", "open-write", "/proc/sys/kernel/hostname").run()
    assert hostile.pairs(r.out) == {"/proc/sys/kernel/hostname": 0}, r


def test_masked_files_give_nothing_away(container):
    """CVE-2017-16539, CVE-2018-10892 and the class kcore, keys, timer_list, RAPL (P11)"""
    container.config["linux"]["maskedPaths"] = READS
    there = [p for p in READS if os.path.exists(p)]
    r = container.args("/probe", "empty", *there).run()
    assert r.status == 0, r
    told = hostile.pairs(r.out)
    assert sorted(told) == sorted(there) and not any(told.values()), r


def test_files_that_are_not_masked_can_be_read(container):
    """Twin of the above."""
    container.config["linux"]["maskedPaths"] = []
    r = container.args("/probe", "empty", "/proc/timer_list", "/proc/meminfo", "/sys/firmware").run()
    told = hostile.pairs(r.out)
    assert told["/proc/timer_list"] > 0 and told["/proc/meminfo"] > 0 and told["/sys/firmware"] > 0, r


@pytest.mark.parametrize("capabilities", [[], ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_MKNOD", "CAP_NET_RAW"]])
def test_no_trick_with_mounts_opens_what_is_covered(container, capabilities):
    """The class core_pattern (table 2e): umount, remount, a new procfs, a bind, the same in a user namespace of the payload's own."""
    hostile.give(container.config, *capabilities)
    container.config["process"]["noNewPrivileges"] = False
    r = container.args("/probe", "undo").run()
    assert r.status == 0 and r.out.count("tried") >= 5, r
    assert [line for line in r.out.splitlines() if line.startswith("open")] == [], r


def test_the_tricks_open_something_where_nothing_is_covered(container):
    """Twin: the probe does see an open way."""
    hostile.give(container.config, "CAP_SYS_ADMIN")
    container.config["linux"]["readonlyPaths"] = container.config["linux"]["maskedPaths"] = []
    r = container.args("/probe", "undo").run()
    assert "open new-proc" in r.out and "open remount" in r.out, r


def test_exec_trusts_no_procfs_that_the_container_has_replaced(container, canary):
    """LXC CVE-2015-1334, LXC CVE-2017-5985, CVE-2025-52881: the container puts a tmpfs with files of its own over its /proc."""
    hostile.give(container.config, "CAP_SYS_ADMIN")
    container.config["process"]["oomScoreAdj"] = 500    # so that exec has something to write
    container.sh("mount -t tmpfs none /proc && mkdir -p /proc/self/attr /proc/self/fd /proc/1/attr /proc/thread-self/attr /proc/sys/kernel;"
                 " for f in self/attr/exec self/attr/keycreate thread-self/attr/exec self/setgroups self/oom_score_adj self/loginuid; do"
                 " echo fake >/proc/$f; done; echo 3 >/proc/sys/kernel/cap_last_cap;"
                 f" ln -s {canary.path}/folder/file /proc/self/uid_map; echo ready; exec sleep 60").up()
    assert hostile.wait_for_text(container.bundle / "out", "ready")
    r = container.exec("/probe", "creds")
    if r.status == 0:
        c = hostile.creds(r.out)
        held = hostile.bits(container.config["process"]["capabilities"]["bounding"])
        assert (c["bounding"], c["inheritable"], c["ambient"], c["nnp"]) == (held, 0, 0, 1)
    seen = subprocess.run(["nsenter", "-t", str(hostile.init_pid(container)), "-m", "--", "/bin/busybox", "sh", "-c",
                           "cat /proc/self/attr/* /proc/thread-self/attr/* /proc/self/setgroups /proc/self/oom_score_adj"
                           " /proc/self/loginuid; ls /proc/self/fd"], capture_output=True, text=True, check=False)
    assert seen.stdout == "fake\n" * 6, seen
    canary.untouched(r)


def test_exec_works_with_a_true_procfs(container):
    """Twin of the above."""
    hostile.give(container.config, "CAP_SYS_ADMIN")
    container.args("sleep", "60").up()
    r = container.exec("/probe", "creds")
    assert r.status == 0 and hostile.creds(r.out)["uid"] == [0, 0, 0], r


def test_a_label_is_read_back_from_the_host(container):
    """CVE-2019-16884: with a label, what the host sees of the process is that label."""
    if not os.path.exists("/sys/kernel/security/apparmor") and not os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("the kernel has neither AppArmor nor SELinux enabled")
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("no policy for containers is loaded")
    container.config["process"]["apparmorProfile"] = "unconfined"
    container.args("sleep", "60").up()
    assert pathlib.Path(f"/proc/{hostile.init_pid(container)}/attr/current").read_text().startswith("unconfined")
