# SPDX-License-Identifier: LGPL-2.1-or-later
"""ps, list, pause, resume, update, events, features, spec, mounts, and the options of all commands."""
import json
import os
import re
import select
import shutil
import socket
import subprocess

import pytest

from kit import CAPABILITIES, NAMESPACES, Listener, last_object, need_controller, session_keyring, until

MIB = 1 << 20


@pytest.fixture
def up(box):
    return box.idle()


# ---- ps, list

def test_ps_as_json(up):
    r = up.call("ps", "--format", "json", up.id)
    assert r.status == 0 and json.loads(r.out) == [up.pid]


def test_ps_as_a_table(up):
    r = up.call("ps", up.id)
    if r.status != 0 and not shutil.which("ps"):
        pytest.skip("no ps on this machine")
    lines = r.out.splitlines()
    assert "PID" in lines[0] and len(lines) == 2 and str(up.pid) in lines[1], r


def test_list_as_a_table(up):
    lines = up.call("list").out.splitlines()
    assert lines[0].split()[:4] == ["ID", "PID", "STATUS", "BUNDLE"]
    assert lines[1].split()[:4] == [up.id, str(up.pid), "running", str(up.bundle)]


def test_list_as_json(up):
    entry, = json.loads(up.call("list", "--format", "json").out)
    assert (entry["id"], entry["pid"], entry["status"], entry["bundle"]) == (up.id, up.pid, "running", str(up.bundle))


def test_list_of_ids(make):
    ids = sorted(make().idle().id for _ in range(2))
    assert sorted(make().call("list", "--quiet").out.split()) == ids
    assert sorted(make().call("list", "-q").out.split()) == ids


def test_list_of_nothing(box):
    r = box.call("list", "-q")
    assert (r.status, r.out) == (0, "")
    r = box.call("list", "-f", "json")
    assert r.status == 0 and json.loads(r.out or "[]") in ([], None)


def test_list_has_stopped_and_created_containers(make):
    a, b = make(), make()
    a.args("true").up().ended()
    b.args("sleep", "1000").create()
    states = {e["id"]: e["status"] for e in json.loads(a.call("list", "-f", "json").out)}
    assert states == {a.id: "stopped", b.id: "created"}


@pytest.mark.parametrize("command", ["list", "ps"])
def test_an_unknown_format_is_refused(up, command):
    argv = (command, "--format", "yaml") + ((up.id,) if command == "ps" else ())
    assert up.call(*argv).status != 0


# ---- pause, resume

def test_pause_and_resume(box):
    box.args("sh", "-c", "while :; do echo tick; sleep 0.05; done").up()
    until(lambda: "tick" in box.out())
    assert box.call("pause", box.id).status == 0
    assert box.status() == "paused"
    state = open(f"/proc/{box.pid}/stat").read().rsplit(")", 1)[1].split()[0]
    assert state == "D" or "frozen 1" in (box.cgroup("unified") / "cgroup.events").read_text(), "it is not frozen"
    size = len(box.out())
    assert box.call("resume", box.id).status == 0
    assert box.status() == "running"
    until(lambda: len(box.out()) > size)


def test_pause_of_what_does_not_run(box):
    box.args("true").up().ended()
    assert box.call("pause", box.id).status != 0


def test_resume_of_what_is_not_paused(up):
    assert up.call("resume", up.id).status != 0 and up.status() == "running"


def test_a_paused_container_can_be_killed(up):
    assert up.call("pause", up.id).status == 0
    assert up.kill("KILL").status == 0
    if up.status() != "stopped":
        until(lambda: up.status() in ("stopped", "paused"))
        up.call("resume", up.id)
    up.ended()


# ---- update

UPDATES = [("--memory", str(48 * MIB), "memory", "memory.limit_in_bytes", str(48 * MIB)),
           ("--memory-reservation", str(16 * MIB), "memory", "memory.soft_limit_in_bytes", str(16 * MIB)),
           ("--cpu-share", "300", "cpu", "cpu.shares", "300"),
           ("--cpu-quota", "30000", "cpu", "cpu.cfs_quota_us", "30000"),
           ("--cpu-period", "60000", "cpu", "cpu.cfs_period_us", "60000"),
           ("--cpuset-cpus", "0", "cpuset", "cpuset.cpus", "0"),
           ("--cpuset-mems", "0", "cpuset", "cpuset.mems", "0"), ("--pids-limit", "33", "pids", "pids.max", "33"),
           ("--cpu-idle", "1", "cpu", "cpu.idle", "1"), ("--blkio-weight", "444", "blkio", "blkio.bfq.weight", "444")]


@pytest.mark.parametrize("option,value,controller,file,seen", UPDATES, ids=[u[0] for u in UPDATES])
def test_update_by_option(up, option, value, controller, file, seen):
    need_controller(controller)
    path = up.cgroup(controller) / file
    if not path.exists():
        pytest.skip(f"no {file} in this kernel")
    r = up.call("update", option, value, up.id)
    assert r.status == 0, r
    assert path.read_text().split()[-1] == seen


def test_update_of_memory_and_swap_together(up):
    need_controller("memory")
    r = up.call("update", "--memory", 64 * MIB, "--memory-swap", 96 * MIB, up.id)
    assert r.status == 0, r
    assert up.limit("memory", "memory.memsw.limit_in_bytes") == str(96 * MIB)
    r = up.call("update", "--memory", 32 * MIB, "--memory-swap", 32 * MIB, up.id)
    assert r.status == 0, r
    assert up.limit("memory", "memory.memsw.limit_in_bytes") == str(32 * MIB) == up.limit("memory",
            "memory.limit_in_bytes")


def test_update_of_the_burst(up):
    need_controller("cpu")
    r = up.call("update", "--cpu-quota", "50000", "--cpu-period", "100000", "--cpu-burst", "20000", up.id)
    assert r.status == 0, r
    assert up.limit("cpu", "cpu.cfs_burst_us") == "20000"


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_update_from_a_file_and_from_stdin(up, folder, how):
    need_controller("pids")
    text = json.dumps({"pids": {"limit": 21}, "memory": {"limit": 40 * MIB}, "cpu": {"shares": 200}})
    (folder / "resources.json").write_text(text)
    r = up.call("update", "--resources", folder / "resources.json" if how == "file" else "-", up.id,
                input=text if how == "stdin" else None)
    assert r.status == 0, r
    assert (up.limit("pids", "pids.max"), up.limit("memory", "memory.limit_in_bytes"),
            up.limit("cpu", "cpu.shares")) == \
        ("21", str(40 * MIB), "200")


def test_update_leaves_what_it_does_not_name(box):
    need_controller("pids")
    box.resources.update(pids={"limit": 55}, cpu={"shares": 321})
    box.idle()
    assert box.call("update", "--cpu-quota", "40000", box.id).status == 0
    assert (box.limit("pids", "pids.max"), box.limit("cpu", "cpu.shares")) == ("55", "321")


def test_update_keeps_the_rules_for_devices(up):
    assert up.call("update", "--pids-limit", "77", up.id).status == 0
    assert up.reports("open", "/dev/zero")["errno"] == 0


def test_update_of_a_created_container(box):
    need_controller("pids")
    box.args("sleep", "1000").create()
    assert box.call("update", "--pids-limit", "44", box.id).status == 0
    assert box.limit("pids", "pids.max") == "44"


@pytest.mark.parametrize("options",
                         [("--memory", "lots"), ("--pids-limit", "x"), ("--cpu-quota", "5"), ("--cpuset-cpus", "999"),
                          ("--no-such", "1"),
                                     ("--cpu-share", "-1")], ids=lambda o: o[0] + o[1])
def test_an_update_refused(up, options):
    r = up.call("update", *options, up.id)
    assert r.status != 0 and r.err.strip()


@pytest.mark.parametrize("text", ["", "{", "[]", "{\"pids\": {\"limit\": \"x\"}}"])
def test_an_update_from_a_bad_file_is_refused(up, text):
    assert up.call("update", "-r", "-", up.id, input=text).status != 0


def test_an_update_of_cache_classes_is_refused_without_resctrl(up):
    if os.path.isdir("/sys/fs/resctrl/info"):
        pytest.skip("resctrl is mounted")
    assert up.call("update", "--l3-cache-schema", "L3:0=f", up.id).status != 0
    assert up.call("update", "--mem-bw-schema", "MB:0=20", up.id).status != 0


def test_an_update_of_a_stopped_container_is_refused(box):
    box.args("true").up().ended()
    assert box.call("update", "--pids-limit", "44", box.id).status != 0


# ---- events

def test_statistics_once(box):
    box.resources.update(pids={"limit": 44}, memory={"limit": 64 * MIB})
    box.idle()
    r = box.call("events", "--stats", box.id)
    assert r.status == 0, r
    event = json.loads(r.out)
    assert (event["type"], event["id"]) == ("stats", box.id)
    data = event["data"]
    assert data["pids"]["current"] == 1 and data["pids"]["limit"] == 44
    assert data["memory"]["usage"]["limit"] == 64 * MIB and data["memory"]["usage"]["usage"] > 0
    assert data["cpu"]["usage"]["total"] > 0 and {"kernel", "user"} <= set(data["cpu"]["usage"])
    assert {"blkio", "hugetlb"} <= set(data) or "blkio" in data


def test_events_until_the_container_is_gone(up):
    p = subprocess.Popen(up.command("events", "--interval", "50ms", up.id), stdout=subprocess.PIPE,
                         stdin=subprocess.DEVNULL, text=True)
    try:
        assert json.loads(p.stdout.readline())["type"] == "stats"
        up.delete()
        p.wait(60)
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


# ---- features, spec

def test_features(box):
    r = box.call("features")
    assert r.status == 0, r
    f = json.loads(r.out)
    version = lambda v: tuple(map(int, re.match(r"(\d+)\.(\d+)\.(\d+)", v).groups()))
    assert version(f["ociVersionMin"]) == (1, 0, 0) and version(f["ociVersionMax"]) >= (1, 3, 0)
    assert set(f["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                               "poststop"}
    assert {"ro", "rw", "bind", "rbind", "rro", "rnosuid", "idmap", "ridmap", "tmpcopyup", "nosymfollow", "remount",
            "private", "rslave", "lazytime",
            "iversion", "silent", "loud", "runbindable", "dirsync"} <= set(f["mountOptions"])
    linux = f["linux"]
    assert set(linux["namespaces"]) == set(NAMESPACES)
    assert set(linux["capabilities"]) == set(CAPABILITIES)
    assert linux["cgroup"]["v1"] is True and linux["cgroup"]["v2"] is True
    assert linux["seccomp"]["enabled"] is True
    assert {"SCMP_ACT_NOTIFY", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG",
            "SCMP_ACT_TRACE"} <= set(linux["seccomp"]["actions"])
    assert set(linux["seccomp"]["operators"]) == {"SCMP_CMP_" + o for o in ("EQ", "NE", "LT", "LE", "GE", "GT",
            "MASKED_EQ")}
    assert set(linux["seccomp"]["supportedFlags"]) <= set(linux["seccomp"]["knownFlags"])
    assert linux["mountExtensions"]["idmap"]["enabled"] is True
    assert isinstance(linux["intelRdt"]["enabled"], bool) and isinstance(linux["apparmor"]["enabled"], bool)
    assert isinstance(linux["selinux"]["enabled"], bool)
    assert linux["netDevices"]["enabled"] is True
    assert {"MPOL_DEFAULT", "MPOL_BIND", "MPOL_LOCAL"} <= set(linux["memoryPolicy"]["modes"])
    assert set(linux["memoryPolicy"]["flags"]) == {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES",
                                                   "MPOL_F_NUMA_BALANCING"}
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in f.get("annotations", {}).items())


def test_every_mount_option_of_features_is_accepted(box, folder):
    """Claimed means recognized: none is handed to the filesystem as unknown data."""
    skip = {"remount", "bind", "rbind", "idmap", "ridmap", "acl", "noacl", "copy-symlink", "src-nofollow"}  # the last two are about a bind's source
    refused = []
    for option in json.loads(box.call("features").out)["mountOptions"]:
        if option in skip:
            continue
        box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/mnt"]
        box.tmpfs("/mnt", option)
        if box.sh("true").run().status != 0:
            refused.append(option)
    assert refused == []


def test_the_versions_of_features_are_accepted(box):
    f = json.loads(box.call("features").out)
    for version in (f["ociVersionMin"], f["ociVersionMax"]):
        box.config["ociVersion"] = version
        assert box.report()["pid"] == 1


def test_spec_writes_a_config_that_runs(box, folder):
    new = folder / "new"
    new.mkdir()
    assert box.call("spec", "--bundle", new).status == 0
    config = json.loads((new / "config.json").read_text())
    assert config["process"]["terminal"] is True and config["root"]["path"] == "rootfs" and config["process"]["args"] == ["sh"]
    config["process"].update(terminal=False, args=["/probe"])
    config["root"]["readonly"] = False
    box.config = config
    assert last_object(box.ran())["no_new_privileges"] == 1


def test_spec_does_not_overwrite(box, folder):
    (folder / "config.json").write_text("mine")
    r = box.call("spec", "--bundle", folder)
    assert r.status != 0 and (folder / "config.json").read_text() == "mine"


def test_spec_for_an_ordinary_user(box, folder):
    new = folder / "new"
    new.mkdir()
    assert box.call("spec", "--rootless", "--bundle", new).status == 0
    config = json.loads((new / "config.json").read_text())
    assert "user" in [n["type"] for n in config["linux"]["namespaces"]] and "network" not in [n["type"] for n in config["linux"]["namespaces"]]
    assert config["linux"]["uidMappings"] and config["linux"]["gidMappings"] and "resources" not in config["linux"]


# ---- options of all commands

def test_the_version(box):
    r = box.call("--version")
    assert r.status == 0 and re.search(r"^spec: 1\.\d+\.\d+", r.out, re.M), r


@pytest.mark.parametrize("argv", [("--help",), ("create", "--help"), ("exec", "--help")], ids=" ".join)
def test_help(box, argv):
    r = box.call(*argv)
    assert r.status == 0 and len(r.out) > 200


@pytest.mark.parametrize("argv",
                         [("nonsense",), ("--nonsense",), ("create", "--nonsense", "x"), ("run", "--bundle"), ()],
                         ids=str)
def test_a_command_line_refused(box, argv):
    r = box.call(*argv)
    assert r.status != 0 and (r.err + r.out).strip() or argv == ()


def test_errors_go_to_the_log_file_as_json(box, folder):
    r = box.call("--log", folder / "log", "--log-format", "json", "state", "nothing-here")
    assert r.status != 0
    entries = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    error = [e for e in entries if e["level"] == "error"]
    assert error and "nothing-here" in error[-1]["msg"] and re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
                                                                     error[-1]["time"]), entries


def test_errors_of_a_container_that_cannot_start_go_to_the_log_file(box, folder):
    box.args("/nothing/here").save()
    r = box.call("--log", folder / "log", "--log-format", "json", "run", "--bundle", box.bundle, box.id)
    assert r.status != 0
    assert any("/nothing/here" in json.loads(line)["msg"] for line in (folder / "log").read_text().splitlines())


def test_errors_go_to_the_log_file_as_text(box, folder):
    box.call("--log", folder / "log", "--log-format", "text", "state", "nothing-here")
    assert "nothing-here" in (folder / "log").read_text()


def test_the_log_file_is_appended_to(box, folder):
    (folder / "log").write_text("before\n")
    box.call("--log", folder / "log", "state", "nothing-here")
    assert (folder / "log").read_text().startswith("before\n") and "nothing-here" in (folder / "log").read_text()


def test_a_log_that_cannot_be_written_stops_all_but_delete(box, folder):
    box.idle()
    log = folder / "missing/log"
    for words in (["list"], ["state", box.id], ["kill", box.id, "KILL"]):
        r = box.call("--log", log, *words)
        assert r.status == 1 and "missing/log" in r.err, words
    assert box.state()["status"] == "running"
    assert box.call("--log", log, "delete", "--force", box.id).status == 0


def test_an_unknown_log_format_is_refused(box, folder):
    assert box.call("--log", folder / "log", "--log-format", "yaml", "list").status != 0


def test_the_systemd_driver_is_refused_where_there_is_no_systemd(box):
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("systemd runs here")
    box.args("true").save()
    r = box.call("--systemd-cgroup", "run", "--bundle", box.bundle, box.id)
    assert r.status != 0 and "systemd" in r.err and box.state() is None


def test_no_pivot(box):
    """For roots that cannot be pivoted from, such as an initial ramdisk."""
    (box.rootfs / "mark").write_text("of this root")
    assert box.sh("cat /mark; ls /srv 2>/dev/null").run("--no-pivot").out == "of this root"


def test_no_new_keyring(box):
    keyrings = box.report("--no-new-keyring")
    if keyrings["keyring"] < 0:
        pytest.skip("no keyrings in this kernel")
    assert keyrings["keyring"] == session_keyring()


def with_descriptors(box, folder, count, script, *options, env=None):
    """Runs with files open as descriptors 3 and up."""
    opened = []
    for i in range(count):
        (folder / f"fd{i}").write_text(f"file {i}\n")
        opened.append(f"{3 + i}<{folder}/fd{i}")
    box.sh(script).save()
    return subprocess.run(["sh", "-c", f"exec {' '.join(opened)}; export LISTEN_PID=$$; exec \"$@\"", "sh",
                           *box.command("run", *options, "--bundle", box.bundle, box.id)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)


def test_descriptors_that_are_kept(box, folder):
    p = with_descriptors(box, folder, 2, "cat <&3; cat <&4; ls /proc/self/fd | wc -l", "--preserve-fds", "2")
    assert (p.returncode, p.stdout) == (0, "file 0\nfile 1\n6\n"), p


def test_descriptors_that_are_not_kept(box, folder):
    p = with_descriptors(box, folder, 2, "cat <&3; cat <&4; true", "--preserve-fds", "1")
    assert p.stdout == "file 0\n", p


def test_more_descriptors_than_there_are_are_refused(box, folder):
    p = with_descriptors(box, folder, 1, "echo ran > /ran", "--preserve-fds", "5")
    assert p.returncode != 0 and not (box.rootfs / "ran").exists()


def test_sockets_handed_over_by_LISTEN_FDS(box, folder):
    p = with_descriptors(box, folder, 1, "echo $LISTEN_FDS $LISTEN_PID; cat <&3", env={**os.environ, "LISTEN_FDS": "1"})
    assert (p.returncode, p.stdout) == (0, "1 1\nfile 0\n"), p


def test_LISTEN_FDS_and_kept_descriptors_together(box, folder):
    p = with_descriptors(box, folder, 2, "echo $LISTEN_FDS; cat <&3; cat <&4", "--preserve-fds", "1",
                         env={**os.environ, "LISTEN_FDS": "1"})
    assert (p.returncode, p.stdout) == (0, "1\nfile 0\nfile 1\n"), p


def test_NOTIFY_SOCKET_is_handed_through(box, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(folder / "notify"))
        s.settimeout(60)
        env = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        box.args("sh", "-c", "/probe notify READY=1; sleep 1000")
        assert box.create(env=env).status == 0
        assert box.call("start", box.id, env=env).status == 0
        got = ""
        while "READY=1" not in got or "MAINPID=" not in got:
            got += s.recv(4096).decode() + "\n"
    assert f"MAINPID={box.pid}" in got


def test_the_hosts_notify_socket_is_not_in_the_environment(box, folder):
    """Inside, the variable names a path of the container."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(folder / "notify"))
        env = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        box.args("sh", "-c", "/probe notify READY=1; echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET && echo socket; sleep 1000")
        box.create(env=env)
        box.call("start", box.id, env=env)
    until(lambda: "socket" in box.out())
    assert str(folder) not in box.out()


def test_the_pidfd_socket_of_create(box, folder):
    with Listener(folder / "pidfd") as listener:
        assert box.args("sleep", "1000").create("--pidfd-socket", folder / "pidfd").status == 0
        _, fds = listener.take()
    assert len(fds) == 1
    try:
        info = open(f"/proc/self/fdinfo/{fds[0]}").read()
        assert f"Pid:\t{box.pid}\n" in info
        assert select.select([fds[0]], [], [], 0)[0] == []
        box.kill("KILL")
        assert select.select([fds[0]], [], [], 60)[0] == fds
    finally:
        os.close(fds[0])


def test_the_pidfd_socket_of_exec(up, folder):
    with Listener(folder / "pidfd") as listener:
        r = up.exec("sh", "-c", "exec sleep 998 >/dev/null 2>&1", options=("--detach", "--pidfd-socket", folder / "pidfd", "--pid-file",
                                             folder / "pid"))
        assert r.status == 0, r
        _, fds = listener.take()
    info = open(f"/proc/self/fdinfo/{fds[0]}").read()
    os.close(fds[0])
    assert f"Pid:\t{(folder / 'pid').read_text()}\n" in info


# ---- the dialect of crun

def test_a_config_file_of_another_name(box, folder):
    box.sh("echo as configured").save()
    (box.bundle / "config.json").rename(folder / "other.json")
    r = box.call("run", "--config", folder / "other.json", "--bundle", box.bundle, box.id)
    assert (r.status, r.out) == (0, "as configured\n"), r
    (folder / "other.json").rename(box.bundle / "config.json")


@pytest.mark.parametrize("manager", ["cgroupfs", "disabled"])
def test_the_cgroup_manager(box, manager):
    box.sh("echo runs").save()
    r = box.call("--cgroup-manager", manager, "run", "--bundle", box.bundle, box.id)
    assert (r.status, r.out) == (0, "runs\n"), r


def test_the_disabled_cgroup_manager_makes_no_cgroup(box):
    box.args("sleep", "1000").save()
    p = subprocess.run(box.command("--cgroup-manager=disabled", "run", "--detach", "--bundle", box.bundle, box.id),
                       stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert p.returncode == 0 and box.cgroups() == []


def test_an_unknown_cgroup_manager_is_refused(box):
    box.args("true").save()
    assert box.call("--cgroup-manager", "magic", "run", "--bundle", box.bundle, box.id).status != 0


@pytest.mark.parametrize("level", ["error", "warning", "debug"])
def test_the_log_level(box, level):
    box.sh("echo runs").save()
    assert box.call("--log-level", level, "run", "--bundle", box.bundle, box.id).out == "runs\n"


def test_mounts_are_added_to_and_removed_from_a_running_container(up, folder):
    (folder / "file").write_text("added later")
    mounts = folder / "mounts.json"
    mounts.write_text(json.dumps([{"destination": "/mnt", "source": str(folder), "type": "bind",
                                   "options": ["bind", "ro"]}]))
    r = up.call("mounts", "add", up.id, mounts)
    assert r.status == 0, r
    assert up.exec("cat", "/mnt/file").out == "added later"
    assert up.exec("touch", "/mnt/x").status != 0
    r = up.call("mounts", "remove", up.id, mounts)
    assert r.status == 0, r
    assert up.exec("cat", "/mnt/file").status != 0


def test_delete_by_pattern(make):
    boxes = [make() for _ in range(3)]
    for i, b in enumerate(boxes):
        b.id = ("keep-" if i == 2 else "drop-") + b.id
        b.idle()
    r = boxes[0].call("delete", "--force", "--regex", "drop-.*")
    assert r.status == 0, r
    assert [b.status() for b in boxes] == [None, None, "running"]


def test_no_subreaper_is_accepted(box):
    assert box.sh("echo runs").run("--no-subreaper").out == "runs\n"
