# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container of an ordinary user who has one id, no helper and no control group."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from user import CGROUPS, on_terminal, wait


def status_line(text, key):
    return re.search(rf"^{key}:\s*(.*)$", text, re.M).group(1).split()


# ---- ids ----

def test_what_spec_rootless_writes_runs(user, container):
    r = container.args("id").run()
    assert (r.status, r.out, r.err) == (0, "uid=0(root) gid=0(root)\n", ""), r


def test_what_spec_rootless_writes_runs_without_a_change_on_a_terminal(user, container):
    place = container.bundle
    user.give(place)
    assert container.user.call(user.program, "spec", "--rootless", cwd=str(place)).status == 0
    user.give(place)
    words = [*user.words(), "sh", "-c", f"echo ready; exec {user.program} run {container.id}"]
    status, said = on_terminal(words, str(place), "id; tty; exit 3\n")
    assert status == 3 and "uid=0(root)" in said and "/dev/pts/0" in said, said


def test_one_id_is_mapped_and_groups_are_denied(user, container):
    r = container.sh("cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups").run()
    assert r.out.split() == ["0", str(user.uid), "1"] * 2 + ["deny"], r


def test_the_helpers_are_not_asked_for_ones_own_id(user, container):
    user.path = "/nowhere"
    assert container.args("id").run().out.startswith("uid=0"), "a helper was looked for"


def test_seen_from_the_host_the_container_is_the_user(user, container):
    container.args("sleep", "60").up()
    assert status_line(container.proc("status").read_text(), "Uid") == [str(user.uid)] * 4


@pytest.mark.parametrize("script", ["su -s /bin/sh user -c id", "touch /tmp/f && chown 1000 /tmp/f", "touch /tmp/f && chown :1000 /tmp/f"])
def test_the_payload_gains_no_other_id(container, script):
    container.capable("CAP_CHOWN", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID").config["process"]["noNewPrivileges"] = False
    r = container.sh(f"echo began; {script} && echo gained").run()
    assert "began" in r.out and "gained" not in r.out, r


def test_a_users_container_holds_no_capability_outside_of_its_own_namespace(container):
    """Twin: what it holds inside it may use there."""
    container.capable("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    container.config["linux"]["readonlyPaths"] = []
    r = container.sh("mount -t tmpfs none /mnt && echo mounted; echo 1 >/proc/sys/kernel/panic || echo refused").run()
    assert r.out.split() == ["mounted", "refused"], r


@pytest.mark.parametrize("what, member, told", [
    ({"additionalGids": [5]}, "identity.groups", "/process/user/additionalGids"),
    ({"uid": 7, "gid": 0}, "identity.user", "/process/user")])
def test_an_id_that_is_not_mapped_is_an_error_that_says_so(container, what, member, told):
    container.config["process"]["user"] = {"uid": 0, "gid": 0, **what}
    r = container.args("id").run()
    assert r.status == 1 and f"id     {member}\n" in r.err and told in r.err and "hint" in r.err, r
    assert container.left() == []


def test_a_map_of_somebody_elses_id_is_refused(user, container):
    for kind in ("uidMappings", "gidMappings"):
        container.config["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 1}]
    r = container.args("id").run()
    assert r.status == 1 and "id     namespace." in r.err and "uid=" not in r.out, r
    assert container.left() == []


# ---- the commands ----

def test_the_life_of_a_container(user, container):
    assert container.args("sleep", "60").create().status == 0
    assert container.status() == "created"
    assert container.start().status == 0
    assert container.status() == "running"
    row = json.loads(container.call("list", "--format", "json").out)[0]
    assert (row["id"], row["status"], row["owner"]) == (container.id, "running", str(user.uid)), row
    assert container.kill("TERM").status == 0
    container.kill()
    assert container.wait_for("stopped")
    assert container.delete(force=False).status == 0
    assert container.state() is None and container.left() == []


def test_exec_is_in_the_containers_namespaces_with_its_ids(container):
    container.args("sleep", "60").up()
    r = container.exec("sh", "-c", "id; hostname; for n in user mnt pid ipc uts; do readlink /proc/self/ns/$n; done; exit 5")
    seen = [os.readlink(container.proc(f"ns/{n}")) for n in ("user", "mnt", "pid", "ipc", "uts")]
    assert r.status == 5 and r.out.split("\n")[:-1] == ["uid=0(root) gid=0(root)", "bulkhead", *seen], r


def test_exec_leaves_nothing_of_the_host_open(container):
    container.args("sleep", "60").up()
    r = container.exec("sh", "-c", "ls -l /proc/self/fd; readlink /proc/self/cwd")
    assert r.status == 0 and "bulkhead-oci" not in r.out and str(container.root) not in r.out, r


def test_exec_has_a_terminal(user, container):
    container.args("sleep", "60").up()
    status, said = on_terminal([*container.command("exec", "-t", container.id, "sh", "-c", "tty; echo ready; read x; echo got $x; exit 4")],
                               str(user.home), "word\n")
    assert status == 4 and "/dev/pts/0" in said and "got word" in said, said


def test_ps_shows_the_containers_processes_without_control_groups(container):
    container.sh("sleep 61 & sleep 62").up()
    assert wait(lambda: {"sleep 61 ", "sleep 62 "} <= set(container.user.processes().values()))
    r = container.call("ps", container.id)
    assert r.status == 0 and {"sleep 61", "sleep 62"} <= {" ".join(line.split()[7:]) for line in r.out.splitlines()}, r
    assert container.pid() in json.loads(container.call("ps", "--format", "json", container.id).out)


def test_ps_shows_nobody_else(user, make):
    one, other = make(), make()
    one.args("sleep", "61").up()
    other.args("sleep", "62").up()
    r = one.call("ps", one.id)
    assert "sleep 61" in r.out and "sleep 62" not in r.out, r


def test_kill_all_reaches_every_process_without_control_groups(container):
    container.config["process"]["args"] = ["sh", "-c", "trap 'echo first' USR1; sh -c \"trap 'echo second >/tmp/second' USR1;"
                                           " echo up >/tmp/up; while :; do sleep 0.1; done\" & while :; do wait; sleep 0.1; done"]
    container.up()
    up, second = container.rootfs / "tmp/up", container.rootfs / "tmp/second"
    assert wait(up.exists) and container.call("kill", "--all", container.id, "USR1").status == 0
    assert wait(second.exists), "the second process got no signal"


def test_delete_ends_processes_of_a_shared_process_namespace(user, container):
    container.config["linux"]["namespaces"] = [n for n in container.config["linux"]["namespaces"] if n["type"] != "pid"]
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] != "/proc"]
    container.config["mounts"].insert(0, {"destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"]})
    del container.config["linux"]["maskedPaths"], container.config["linux"]["readonlyPaths"]
    container.sh("sleep 63 & sleep 64").up()
    assert wait(lambda: len(user.processes()) == 2)
    assert container.delete().status == 0
    assert wait(lambda: user.processes() == {}), user.processes()


def test_hooks_run_on_the_host_as_the_user(user, container):
    log = user.home / "hooks"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"echo $(id -u) $NAME $(cat | grep -c {container.id}) >>{log}"]}
    names = ("createRuntime", "createContainer", "startContainer", "poststart", "poststop")
    container.config["hooks"] = {n: [{**hook, "env": [f"NAME={n}", "PATH=/usr/bin:/bin"]}] for n in names if n != "startContainer"}
    assert container.args("true").run().status == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [line[1] for line in lines] == [n for n in names if n != "startContainer"], lines
    assert all(line[2] == "1" for line in lines)
    # In its own namespaces the user is root of these; outside it is itself.
    assert {line[1]: line[0] for line in lines} == {"createRuntime": str(user.uid), "createContainer": "0", "poststart": str(user.uid),
                                                   "poststop": str(user.uid)}


# ---- files ----

def shown_between(before, names):
    """Whether these are the network devices of the host: others' tests may make and remove some meanwhile."""
    after = os.listdir("/sys/class/net")
    return set(before) & set(after) <= set(names) <= set(before) | set(after)


def test_sys_is_the_hosts_and_read_only(container):
    before = os.listdir("/sys/class/net")
    r = container.sh("ls /sys/class/net; touch /sys/fs/cgroup/x || echo no; mkdir /sys/fs/cgroup/pids/x || echo no; cat /proc/self/mountinfo").run()
    assert shown_between(before, set(r.out.split()) & {*before, *os.listdir("/sys/class/net")}), r
    below = [line.split() for line in r.out.splitlines() if re.search(r" /sys(/| )", line)]
    assert below and all("ro" in f[5].split(",") for f in below if " ".join(f).find("tmpfs none") < 0), below


def test_a_sysfs_is_the_hosts_own_where_the_network_is(container):
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] != "/sys"]
    container.config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid", "noexec", "nodev"]})
    before = os.listdir("/sys/class/net")
    r = container.args("ls", "/sys/class/net").run()
    assert r.status == 0 and shown_between(before, r.out.split()), r


def test_a_network_of_its_own_has_a_sysfs_of_its_own(container):
    container.config["linux"]["namespaces"].append({"type": "network"})
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] != "/sys"]
    container.config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid", "noexec", "nodev"]})
    r = container.args("ls", "/sys/class/net").run()
    assert r.status == 0 and "lo" in r.out.split() and "eth0" not in r.out.split(), r


def test_proc_is_the_containers_own(container):
    r = container.sh("ls /proc | grep -c '^[0-9]'; echo x >/proc/sys/kernel/hostname || echo refused").run()
    assert int(r.out.split()[0]) < 8 and "refused" in r.out, r


@pytest.mark.parametrize("name, rdev", [("null", (1, 3)), ("zero", (1, 5)), ("full", (1, 7)), ("random", (1, 8)), ("urandom", (1, 9)), ("tty", (5, 0))])
def test_the_default_devices_are_the_hosts_nodes(container, name, rdev):
    container.args("sleep", "60").up()
    r = container.exec("stat", "-c", "%F %t %T", f"/dev/{name}")
    assert r.out.split() == ["character", "special", "file", f"{rdev[0]:x}", f"{rdev[1]:x}"], r


def test_the_default_devices_work(container):
    r = container.sh("echo x >/dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c; echo x >/dev/full || echo full").run()
    assert r.out.split() == ["4", "4", "full"], r


def test_a_device_of_the_host_is_bound_and_no_other_can_be_made(container):
    container.config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}]
    r = container.sh("mknod /tmp/n c 1 3 || echo refused; stat -c %t:%T /dev/mine").run()
    if r.status == 0:
        assert r.out.split() == ["refused", "1:3"], r
    else:
        assert "id     device.failed\n" in r.err and "/linux/devices/0" in r.err, r


def test_a_device_that_the_user_may_not_open_stays_shut(container):
    container.config["linux"]["devices"] = [{"path": "/dev/vda", "type": "b", "major": os.major(os.stat("/dev/vda").st_rdev),
                                             "minor": os.minor(os.stat("/dev/vda").st_rdev)}] if pathlib.Path("/dev/vda").exists() else []
    if not container.config["linux"]["devices"]:
        pytest.skip("there is no /dev/vda")
    r = container.sh("echo began; head -c 1 /dev/vda >/dev/null && echo read").run()
    assert "read" not in r.out and ("began" in r.out or "device.failed" in r.err), r


# ---- where the state is ----

def test_the_state_is_below_xdg_runtime_dir(user, container):
    container.args("sleep", "60").save()
    with open(os.devnull, "wb") as null:
        subprocess.run([*user.words(), str(user.program), "run", "--detach", "--bundle", str(container.bundle), container.id], check=True,
                       stdin=subprocess.DEVNULL, stdout=null, stderr=null)
    folder = user.runtime_dir / "bulkhead/oci" / container.id
    assert folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == user.uid
    assert user.oci("list", "--quiet").out.split() == [container.id]
    assert user.oci("delete", "--force", container.id).status == 0 and not folder.exists()


def test_without_xdg_runtime_dir_the_state_is_in_a_folder_of_the_users_own(user, container):
    place = pathlib.Path(f"/tmp/bulkhead-{user.uid}")
    try:
        container.args("id").save()
        r = user.oci("run", "--bundle", container.bundle, container.id, env={"XDG_RUNTIME_DIR": None})
        assert r.status == 0 and r.out.startswith("uid=0"), r
        assert place.stat().st_uid == user.uid and place.stat().st_mode & 0o022 == 0
        assert list((place / "oci").iterdir()) == []
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("what", ["another's", "open", "link", "another's below"])
def test_a_folder_in_tmp_that_others_could_write_to_is_refused(user, make_user, container, what):
    place, other = pathlib.Path(f"/tmp/bulkhead-{user.uid}"), make_user()
    try:
        if what == "link":
            target = other.home / "trap"
            target.mkdir()
            os.chmod(other.home, 0o755)
            os.chmod(target, 0o777)
            place.symlink_to(target)
        else:
            (place / "oci").mkdir(parents=True)
            os.chmod(place, 0o777 if what == "open" else 0o755)
            os.chmod(place / "oci", 0o755)
            user.give(place)
            if what == "another's":
                other.give(place)
            if what == "another's below":
                other.give(place / "oci")
        container.args("id").save()
        for argv in (("run", "--bundle", container.bundle, container.id), ("list",)):
            r = user.oci(*argv, env={"XDG_RUNTIME_DIR": None})
            assert r.status == 1 and "id     state.root\n" in r.err and "XDG_RUNTIME_DIR" in r.err and r.out == "", r
    finally:
        place.unlink() if place.is_symlink() else shutil.rmtree(place, ignore_errors=True)


def test_the_program_is_found_in_a_folder_that_only_the_user_can_enter(user, container):
    own = user.home / "private"
    own.mkdir(mode=0o700)
    program = shutil.copy(user.program, own)
    user.give(own)
    container.program = program
    container.args("sleep", "60").up()
    assert container.exec("id").out.startswith("uid=0")


# ---- what cannot be limited ----

LIMITS = {"pids": {"limit": 5}, "memory": {"limit": 1 << 26}, "cpu": {"shares": 512}, "unified": {"pids.max": "5"}}


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_that_cannot_be_had_stops_the_start(user, container, what):
    r = container.args("echo", "ran").limit(**{what: LIMITS[what]}).run()
    assert r.status == 1 and "ran" not in r.out and "id     cgroup." in r.err and "/linux/resources/" in r.err and "hint" in r.err, r
    assert container.left() == [] and user.processes() == {}


def test_device_rules_alone_stop_no_start(container):
    """Devices are guarded by the user namespace and the permissions of the host's nodes."""
    r = container.args("echo", "ran").limit(devices=[{"allow": False, "access": "rwm"}]).run()
    assert (r.status, r.out) == (0, "ran\n"), r


@pytest.mark.parametrize("path", ["/bulkhead-nobody/x", "bulkhead-nobody/x"])
def test_a_group_that_nothing_is_asked_of_may_be_missing(user, container, path):
    container.config["linux"]["cgroupsPath"] = path
    r = container.args("echo", "ran").run()
    assert (r.status, r.out) == (0, "ran\n"), r
    assert [str(p) for p in CGROUPS.glob("*/bulkhead-nobody")] == []


def test_another_group_is_not_taken_for_the_containers(user, make_user, container):
    """A path that others' processes are in: nobody there is listed or ended."""
    other = make_user()
    name = other.delegate("pids", "freezer", "systemd", "unified")
    for top in other.groups.values():
        (top / "theirs").mkdir()
        other.give(top / "theirs")
    container.config["linux"]["cgroupsPath"] = f"/{name}/theirs"
    container.args("sleep", "60").up()
    assert all((top / "theirs/cgroup.procs").read_text() == "" for top in other.groups.values())
    assert json.loads(container.call("ps", "--format", "json", container.id).out) == [container.pid()]
    assert container.delete().status == 0
    assert all((top / "theirs").is_dir() for top in other.groups.values())


@pytest.mark.parametrize("argv, id", [(("pause",), "cgroup.freeze"), (("update", "--pids-limit", "5"), "cgroup.controller"),
                                      (("update", "--memory", "32M"), "cgroup.controller"), (("events", "--stats"), "cgroup.controller")])
def test_what_takes_a_group_says_that_there_is_none(container, argv, id):
    container.args("sleep", "60").up()
    r = container.call(*argv, container.id)
    assert r.status == 1 and f"id     {id}\n" in r.err and r.out == "", r
    assert container.status() == "running"


@pytest.mark.parametrize("what, id", [({"oomScoreAdj": -900}, "attribute.refused"), ({"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1 << 30, "soft": 5}]},
                                                                                   "attribute.refused")])
def test_what_takes_privilege_is_an_error_that_names_it(container, what, id):
    container.config["process"].update(what)
    r = container.args("echo", "ran").run()
    assert r.status == 1 and "ran" not in r.out and f"id     {id}\n" in r.err and "/process/" in r.err, r
    assert container.left() == []


# ---- others ----

def test_another_user_neither_sees_nor_ends_nor_enters_a_container(user, make_user, container):
    container.args("sleep", "60").up()
    other = make_user()
    for argv in (("state", container.id), ("exec", container.id, "id"), ("kill", container.id, "KILL"), ("delete", "--force", container.id),
                 ("list",), ("ps", container.id), ("pause", container.id)):
        r = other.call(user.program, "--root", container.root, *argv)
        assert container.id not in r.out and "uid=" not in r.out, r
        assert r.status != 0, (argv, r)
    assert other.call("kill", "-KILL", str(container.pid())).status != 0
    assert other.call("ls", f"/proc/{container.pid()}/root/").status != 0
    assert other.call("nsenter", "-t", str(container.pid()), "-U", "-m", "true").status != 0
    assert container.status() == "running"


def test_the_same_user_does(user, container):
    """Twin of the above."""
    container.args("sleep", "60").up()
    r = user.call(user.program, "--root", container.root, "exec", container.id, "id")
    assert r.status == 0 and r.out.startswith("uid=0"), r
    assert user.call("ls", f"/proc/{container.pid()}/root/").status == 0


def test_a_container_reads_nothing_that_its_user_could_not(user, folder, container):
    secret = folder / "secret"
    secret.write_text("of root\n")
    secret.chmod(0o600)
    container.config["mounts"].append({"destination": "/mnt/secret", "type": "none", "source": str(secret), "options": ["bind"]})
    container.capable("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    r = container.sh("ls /mnt; cat /mnt/secret").run()
    assert "secret" in r.out and "of root" not in r.out, r
    secret.chmod(0o644)
    assert "of root" in container.run().out, "the twin: what the user may read"


def test_a_container_does_not_see_the_state_of_its_user(user, container):
    r = container.sh(f"ls {container.root} {user.runtime_dir}; find / -xdev -name state.json; echo looked").run()
    assert r.out == "looked\n", r


# ---- nothing is left ----

@pytest.mark.parametrize("fault", [{"mount": "nowhere"}, {"hook": "createRuntime"}, {"hook": "createContainer"}, {"args": ["/nowhere"]}])
def test_a_start_that_fails_leaves_nothing(user, container, fault):
    if "mount" in fault:
        container.config["mounts"].append({"destination": "/mnt", "type": "none", "source": "/nowhere", "options": ["bind"]})
    if "hook" in fault:
        container.config["hooks"] = {fault["hook"]: [{"path": "/bin/false"}]}
    r = container.args(*fault.get("args", ["true"])).run()
    assert r.status != 0 and "id     " in r.err, r
    assert container.left() == [] and wait(lambda: user.processes() == {})
