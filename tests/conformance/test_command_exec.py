# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exec command."""
import json
import os
import pathlib
import subprocess

import pytest

from kit import CAPABILITIES, NAMESPACES, last_object, need_controller, until


@pytest.fixture
def up(box):
    return box.idle()


def test_a_program_in_a_running_container(up):
    r = up.exec("sh", "-c", "echo out; echo err >&2")
    assert (r.status, r.out, r.err) == (0, "out\n", "err\n")


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_its_exit_status(up, status):
    assert up.exec("sh", "-c", f"exit {status}").status == status


def test_the_status_of_a_program_that_a_signal_ends(up):
    assert up.exec("sh", "-c", "kill -TERM $$").status == 143


def test_its_stdin(up):
    assert up.exec("cat", input="words\n").out == "words\n"


def test_its_arguments_are_not_taken_for_options(up):
    r = up.exec("/probe", "--env", "-u", "--", "-t")
    assert last_object(r.out)["args"] == ["/probe", "--env", "-u", "--", "-t"]


def test_it_is_in_all_namespaces_of_the_container(up):
    seen = up.reports()
    for kind in NAMESPACES.values():
        assert seen["namespaces"][kind] == os.readlink(f"/proc/{up.pid}/ns/{kind}")


def test_it_is_in_the_user_namespace_of_the_container(box):
    box.mapped().idle()
    seen = box.reports()
    assert seen["namespaces"]["user"] == os.readlink(f"/proc/{box.pid}/ns/user") and seen["uids"] == [0] * 3


def test_it_is_in_a_time_namespace_of_the_container(box):
    box.namespace("time")
    box.linux["timeOffsets"] = {"monotonic": {"secs": 1000000}}
    box.idle()
    seen = box.reports()
    assert seen["namespaces"]["time"] == os.readlink(f"/proc/{box.pid}/ns/time") and seen["monotonic"] > 1000000


def test_it_is_no_laxer_than_the_first_process(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    box.process["oomScoreAdj"] = 321
    box.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    box.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 4}
    box.process["user"]["umask"] = 0o027
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                            "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}
    box.args("sh", "-c", "/probe; sleep 1000").up()
    first = until(lambda: box.out().count("\n") and last_object(box.out()))
    seen = box.reports()
    for key in ("rlimits", "no_new_privileges", "seccomp", "securebits", "oom_score_adj", "uids", "gids", "groups",
                "cwd", "umask",
                "ioprio", "scheduler", "dumpable", "personality", "hostname"):
        assert seen[key] == first[key], key
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp"):
        assert seen["status"][key] == first["status"][key], key


def test_its_environment_is_the_first_processs(up):
    seen = up.reports().environment()
    assert {k: v for k, v in seen.items() if k != "HOME"} == dict(e.split("=", 1) for e in up.process["env"])


def test_only_the_standard_streams_are_open(up):
    assert sorted(up.reports()["fds"]) == ["0", "1", "2"]


# ---- options

def test_the_working_directory(up):
    assert up.reports(options=("--cwd", "/home"))["cwd"] == "/home"


def test_a_relative_working_directory_is_refused(up):
    assert up.exec("true", options=("--cwd", "home")).status != 0


def test_a_missing_working_directory_is_refused(up):
    r = up.exec("true", options=("--cwd", "/nothing/here"))
    assert r.status != 0 and "/nothing/here" in r.err


def test_variables_are_added_to_those_of_the_container(up):
    seen = up.reports(options=("--env", "A=1", "--env", "B=two words", "--env", "TERM=other")).environment()
    assert (seen["A"], seen["B"], seen["TERM"]) == ("1", "two words", "other") and "PATH" in seen


@pytest.mark.parametrize("option,uids,gids",
                         [("1000", 1000, 0), ("1000:1001", 1000, 1001), ("0:5", 0, 5),
                          ("123456:654321", 123456, 654321)])
def test_the_user(up, option, uids, gids):
    seen = up.reports(options=("--user", option))
    assert (seen["uids"], seen["gids"]) == ([uids] * 3, [gids] * 3)


@pytest.mark.parametrize("user",
                         ["-1", "1000:-1", "4294967296", "1000:x", "x", ":", "1000:", "1000:1:1", " 5", "5 ", "1e3",
                          "0x10", "4294967295"])
def test_a_user_that_is_no_number_is_refused(up, user):
    r = up.exec("sh", "-c", "id -u", options=(f"--user={user}",))
    assert r.status != 0 and r.out == "", r


def test_additional_groups(up):
    seen = up.reports(options=("-u", "1000:1000", "-g", "5", "-g", "70000"))
    assert sorted(seen["groups"]) == [5, 70000]


def test_a_capability_is_added(up):
    seen = up.reports(options=("--cap", "CAP_CHOWN", "--cap", "CAP_FOWNER"))
    assert {"CAP_CHOWN", "CAP_FOWNER", "CAP_KILL"} <= set(seen.capabilities("effective"))


def test_no_new_privileges_is_switched_on(box):
    box.process["noNewPrivileges"] = False
    box.idle()
    assert box.reports()["no_new_privileges"] == 0
    assert box.reports(options=("--no-new-privs",))["no_new_privileges"] == 1


def test_a_process_file(up, folder):
    process = {**up.process, "args": ["/probe", "x"], "cwd": "/home", "env": ["PATH=/bin", "ONLY=this"],
               "noNewPrivileges": True,
               "user": {"uid": 1000, "gid": 1001, "additionalGids": [7], "umask": 0o077},
               "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}],
               "capabilities": {s: ["CAP_KILL"] for s in ("bounding", "effective", "permitted", "inheritable",
                                                          "ambient")}, "oomScoreAdj": 200}
    (folder / "process.json").write_text(json.dumps(process))
    r = up.call("exec", "--process", folder / "process.json", up.id)
    assert r.status == 0, r
    seen = type(up.reports())(last_object(r.out))
    assert (seen["args"], seen["cwd"], seen["uids"], seen["gids"], seen["groups"], seen["umask"]) == \
        (["/probe", "x"], "/home", [1000] * 3, [1001] * 3, [7], 0o077)
    assert seen.environment()["ONLY"] == "this" and "TERM" not in seen.environment()
    assert seen["rlimits"]["RLIMIT_NOFILE"] == [50, 60] and seen["oom_score_adj"] == "200"
    assert seen.capabilities("effective") == seen.capabilities("ambient") == ["CAP_KILL"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "{\"args\": []}", "{\"args\": [\"true\"], \"cwd\": \"x\"}"])
def test_a_process_file_refused(up, folder, text):
    (folder / "process.json").write_text(text)
    r = up.call("exec", "--process", folder / "process.json", up.id)
    assert r.status != 0 and r.err.strip()


def test_a_process_file_that_is_not_there(up, folder):
    r = up.call("exec", "--process", folder / "nothing.json", up.id)
    assert r.status != 0 and "nothing.json" in r.err


def test_the_pid_file_and_detach(up, folder):
    r = subprocess.run(up.command("exec", "--detach", "--pid-file", folder / "pid", up.id, "sleep", "999"),
                       stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    assert r.returncode == 0
    pid = int((folder / "pid").read_text())
    until(lambda: open(f"/proc/{pid}/cmdline").read() == "sleep\x00999\x00")
    assert pid != up.pid and os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{up.pid}/ns/pid")


def test_descriptors_that_are_kept(up, folder):
    (folder / "file").write_text("kept")
    fd = os.open(folder / "file", os.O_RDONLY)
    try:
        r = up.exec("sh", "-c", "cat <&3", options=("--preserve-fds", "1"), close_fds=False,
                    preexec_fn=lambda: os.dup2(fd, 3))
    finally:
        os.close(fd)
    assert (r.status, r.out) == (0, "kept"), r


def test_labels_are_applied_or_refused(up):
    if not os.path.exists("/sys/fs/selinux/enforce"):
        assert up.exec("true", options=("--process-label", "system_u:system_r:container_t:s0")).status != 0
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        assert up.exec("true", options=("--apparmor", "none-such")).status != 0


def test_a_subfolder_of_the_cgroups(up):
    need_controller("pids")
    (up.cgroup("pids") / "below").mkdir()
    r = up.exec("sleep", "0", options=("--cgroup", "pids:/below"))
    if r.status != 0 and "flag" in r.err:
        pytest.skip("no --cgroup")
    assert r.status == 0, r


def groups_of(pid):
    """The folders of its control groups, of every hierarchy that is mounted."""
    for line in open(f"/proc/{pid}/cgroup").read().splitlines():
        _, controllers, path = line.split(":", 2)
        names = [controllers.removeprefix("name=")] if controllers else ["unified", "."]
        yield from [g for g in (pathlib.Path("/sys/fs/cgroup") / n / path[1:] for n in names) if (g / "cgroup.procs").exists()][:1]


@pytest.mark.parametrize("path", ["below", "/below"])
def test_a_subgroup_of_all_hierarchies(up, path):
    for group in groups_of(up.pid):
        (group / "below").mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists() and (group / file).read_text().strip():
                (group / "below" / file).write_text((group / file).read_text())
    r = up.exec("cat", "/proc/self/cgroup", options=("--cgroup", path))
    assert r.status == 0, r
    assert all(line.endswith("/below") for line in r.out.splitlines()), r.out


def test_a_subgroup_that_is_none_is_refused(up):
    assert up.exec("true", options=("--cgroup", "/nosuch")).status != 0
    assert up.exec("true", options=("--cgroup", "/../below")).status != 0
    assert up.exec("true", options=("--cgroup", "/")).status == 0


# ---- states

def test_a_created_container_can_be_looked_into(box):
    """As with runc: its namespaces are there; the program waits on."""
    box.args("sleep", "1000").create()
    assert box.exec("sh", "-c", "echo > /ran").status == 0 and (box.rootfs / "ran").exists()
    assert box.status() == "created"
    assert box.start().status == 0


def test_a_stopped_container_is_refused(box):
    box.args("true").up().ended()
    r = box.exec("true")
    assert r.status != 0 and r.err.strip()


def test_a_paused_container_is_refused(up):
    if up.call("pause", up.id).status != 0:
        pytest.skip("cannot pause here")
    r = up.exec("true")
    assert r.status != 0 and "paused" in r.err
    assert up.call("resume", up.id).status == 0
    assert up.exec("true").status == 0


def test_a_paused_container_with_ignore_paused(up, folder):
    if up.call("pause", up.id).status != 0:
        pytest.skip("cannot pause here")
    p = subprocess.Popen(up.command("exec", "--ignore-paused", up.id, "true"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL)
    try:
        assert up.call("resume", up.id).status == 0
        assert p.wait(60) == 0
    finally:
        p.kill()
        p.wait()


def test_no_program_is_refused(up):
    r = up.exec()
    assert r.status != 0 and r.err.strip()


def test_exec_and_the_end_of_the_container(up):
    """The end of the first process ends all others of its namespace, and exec says so with a status."""
    p = subprocess.Popen(up.command("exec", up.id, "sh", "-c", "echo > /begun; sleep 1000"), stdin=subprocess.DEVNULL)
    until(lambda: (up.rootfs / "begun").exists())
    up.kill("KILL")
    assert p.wait(60) == 137


def test_many_at_once(up):
    running = [subprocess.Popen(up.command("exec", up.id, "sh", "-c", f"exit {i}"),
                                stdin=subprocess.DEVNULL) for i in range(8)]
    assert [p.wait(60) for p in running] == list(range(8))


def test_exec_forwards_signals(up):
    p = subprocess.Popen(up.command("exec", up.id, "/probe", "signals"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
    try:
        assert p.stdout.readline() == b"ready\n"
        p.terminate()
        until(lambda: 15 in up.signals())
    finally:
        up.kill("KILL")
        p.wait(60)
        p.stdout.close()


def test_the_known_capabilities_are_complete():
    """Guards the table of names: the kernel's last one is in it."""
    assert len(CAPABILITIES) == int(open("/proc/sys/kernel/cap_last_cap").read()) + 1
