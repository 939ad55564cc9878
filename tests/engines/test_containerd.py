# SPDX-License-Identifier: LGPL-2.1-or-later
"""containerd's own client with the runtime under io.containerd.runc.v2."""
import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import bundle as oci
from engine import IMAGE, says_missing
from island import until


@pytest.fixture(scope="module")
def lasting(containerd_daemon):
    """A container for the tests that only look into one."""
    name = containerd_daemon.up()
    containerd_daemon.made.remove(name)
    yield name
    containerd_daemon.remove(name)


def status_line(text, key):
    return re.search(rf"^{key}:\s*(.*)$", text, re.M).group(1).split()


def own_config(ctr, name, **process):
    """A config.json by hand, with a root of its own."""
    config = oci.default_config()
    config["root"]["path"] = str(oci.make_rootfs(ctr.folder / (name + ".root")))
    config["hostname"] = "by-hand"
    config["process"].update(process)
    config["linux"]["cgroupsPath"] = f"/{ctr.island.group}/{name}"
    path = ctr.folder / (name + ".json")
    path.write_text(json.dumps(config))
    return path


# Running.

def test_a_run_hands_on_output_errors_and_exit_status(ctr):
    r = ctr.run("sh", "-c", "echo to out; echo to err >&2; exit 7")
    assert (r.status, r.out, r.err) == (7, "to out\n", "to err\n")


def test_not_a_byte_of_a_large_output_is_lost(ctr):
    assert ctr.run("seq", "1", "200000").out == "".join(f"{i}\n" for i in range(1, 200001))


def test_the_shim_used_the_runtime_under_test(ctr):
    before = len(ctr.island.calls())
    name = ctr.up()
    calls = ctr.island.calls()[before:]
    assert [[w for w in ("create", "start") if w in c] for c in calls] == [["create"], ["start"]]
    assert all(c[-1] == name for c in calls)
    root = calls[0][calls[0].index("--root") + 1]
    assert root.endswith("/" + ctr.namespace)
    assert ctr.state_of(name), "the runtime keeps no folder of that name"
    ctr.remove(name)
    until(lambda: not ctr.state_of(name), "the runtime's folder goes with the container")


def test_a_detached_run_is_listed_and_writes_its_log(ctr):
    name = ctr.up("sh", "-c", "echo one; echo two >&2; sleep 100000")
    until(lambda: {"one", "two"} <= set(ctr.logs(name).split()), "both lines are in the log")
    pid, state = ctr.tasks()[name]
    assert state == "RUNNING"
    assert "sleep 100000" in ctr.island.processes()[pid]


def test_a_task_of_a_container_made_before_uses_what_is_called_runc(ctr):
    """Without --runc-binary the shim looks for "runc", which the daemon's PATH leads to the runtime under test."""
    name = ctr.new_name()
    ctr.ok("containers", "create", "--config", own_config(ctr, name, args=["sh", "-c", "echo now; exit 3"]), name)
    before = len(ctr.island.calls())
    r = ctr.call("tasks", "start", name)
    assert (r.status, r.out) == (3, "now\n")
    assert any("create" in c and c[-1] == name for c in ctr.island.calls()[before:])


def test_the_exit_of_a_task_is_kept_until_it_is_deleted(ctr):
    name = ctr.up("sh", "-c", "exit 5")
    until(lambda: ctr.tasks()[name][1] == "STOPPED", "it ends")
    assert "exit code 5" in ctr.call("tasks", "rm", name).err
    assert name not in ctr.tasks()
    assert ctr.call("containers", "rm", name).status == 0


def test_environment_folder_and_annotation_of_a_run(ctr):
    r = ctr.run("sh", "-c", "pwd; echo $A $FROM_IMAGE",
                options=["--env", "A=b", "--cwd", "/made/here", "--annotation", "some=thing"])
    assert (r.status, r.out) == (0, "/made/here\nb yes\n")


def test_a_missing_program_is_named_and_leaves_nothing(ctr):
    name = ctr.new_name()
    r = ctr.run("no-such-program", name=name)
    assert r.status != 0
    assert "OCI runtime create failed" in r.err
    assert says_missing(r.err, "no-such-program")
    assert name not in ctr.tasks() and name not in ctr.ok("containers", "ls", "--quiet").split()
    until(lambda: not ctr.state_of(name) and ctr.island.cgroup("pids", name) is None, "nothing is left of it")


def test_a_file_that_may_not_be_executed_is_named(ctr):
    r = ctr.run("/etc/passwd")
    assert r.status != 0
    assert "/etc/passwd" in r.err and "permission denied" in r.err.lower()


# Exec.

def test_exec_hands_on_output_errors_and_exit_status(ctr, lasting):
    r = ctr.exec(lasting, "sh", "-c", "echo to out; echo to err >&2; exit 9")
    assert (r.status, r.out, r.err) == (9, "to out\n", "to err\n")


def test_exec_reads_its_input_to_the_end(ctr, lasting):
    r = ctr.exec(lasting, "sh", "-c", "cat; echo over", input="a\nb\n")
    assert (r.status, r.out) == (0, "a\nb\nover\n")


def test_exec_has_the_user_and_folder_that_are_asked_for(ctr, lasting):
    r = ctr.exec(lasting, "sh", "-c", "id -u; id -g; pwd; echo $FROM_IMAGE",
                 options=["--user", "1000:2000", "--cwd", "/usr/bin"])
    assert (r.status, r.out) == (0, "1000\n2000\n/usr/bin\nyes\n")


def test_exec_is_as_confined_as_the_container(ctr, lasting):
    wanted = "cat /proc/self/status; for n in mnt pid net; do readlink /proc/self/ns/$n; done"
    inside = ctr.exec(lasting, "sh", "-c", wanted).out
    first = (ctr.proc(lasting) / "status").read_text()
    for key in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"):
        assert status_line(inside, key) == status_line(first, key), key
    for kind in ("mnt", "pid", "net"):
        assert os.readlink(ctr.proc(lasting) / "ns" / kind) in inside, kind


def test_exec_of_a_missing_program_names_it_and_does_no_harm(ctr, lasting):
    r = ctr.exec(lasting, "no-such-program")
    assert r.status != 0
    assert says_missing(r.err, "no-such-program")
    assert ctr.exec(lasting, "echo", "alive").out == "alive\n"


def test_a_detached_exec_can_be_signalled_by_its_id(ctr, lasting):
    assert ctr.call("tasks", "exec", "--detach", "--exec-id", "apart", lasting, "sleep", "100001").status == 0
    until(lambda: ctr.island.running("sleep 100001"), "it runs")
    ctr.ok("tasks", "kill", "--exec-id", "apart", "--signal", "KILL", lasting)
    until(lambda: not ctr.island.running("sleep 100001"), "it is gone")
    assert ctr.tasks()[lasting][1] == "RUNNING"
    assert ctr.call("tasks", "rm", "--exec-id", "apart", lasting).status == 137


# Terminals.

def test_a_terminal_is_one_and_follows_its_size(ctr):
    t = ctr.terminal(*ctr.run_words("--rm", "--tty"), IMAGE, ctr.new_name(), "sh")
    t.expect("# ")
    t.type("tty; test -t 0 && test -t 1 && test -t 2 && echo all'-three'\r")
    t.expect("/dev/pts/0")
    t.expect("all-three")
    t.resize(40, 133)
    t.type("until [ \"$(stty size 2>&1)\" = '40 133' ]; do sleep 0.1; done; echo re'sized'\r")
    t.expect("resized")
    t.type("exit 5\r")
    assert t.end()[0] == 5


def test_exec_with_a_terminal(ctr, lasting):
    t = ctr.terminal("tasks", "exec", "--tty", "--exec-id", "terminal", lasting, "sh")
    t.expect("# ")
    t.type("tty; echo b'ye'; exit 6\r")
    t.expect("/dev/pts/0")
    t.expect("bye")
    assert t.end()[0] == 6
    until(lambda: ctr.exec(lasting, "ls", "/dev/pts").out.split() == ["ptmx"], "the terminal goes with its exec")


# Signals, pausing.

def test_a_killed_task_has_status_137(ctr):
    name = ctr.up()
    ctr.ok("tasks", "kill", "--signal", "KILL", name)
    until(lambda: ctr.tasks()[name][1] == "STOPPED", "it is dead")
    assert "exit code 137" in ctr.call("tasks", "rm", name).err


def test_the_usual_signal_lets_the_program_end_by_itself(ctr):
    name = ctr.up("sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 1000 & wait $!; done")
    until(lambda: "ready" in ctr.logs(name), "the trap is set")
    ctr.ok("tasks", "kill", name)
    until(lambda: ctr.tasks()[name][1] == "STOPPED", "it ends")
    assert "exit code 7" in ctr.call("tasks", "rm", name).err


def test_a_signal_to_all_reaches_the_children(ctr):
    name = ctr.up("sh", "-c", "trap 'echo first' USR1; (trap 'echo second' USR1; echo ready; while :; do sleep 0.1; done) & "
                  "echo ready; while :; do sleep 0.1; done")
    until(lambda: ctr.logs(name).count("ready") == 2, "both traps are set")
    ctr.call("tasks", "kill", "--all", "--signal", "USR1", name)
    until(lambda: {"first", "second"} <= set(ctr.logs(name).split()), "both heard it")


def test_a_kill_of_a_task_that_has_ended_says_so(ctr):
    name = ctr.up("true")
    until(lambda: ctr.tasks()[name][1] == "STOPPED", "it ends")
    r = ctr.call("tasks", "kill", "--signal", "KILL", name)
    assert r.status != 0 and "not found" in r.err


def test_a_paused_task_stands_still_and_goes_on(ctr):
    name = ctr.up("sh", "-c", "while :; do date +%s%N >/now; done")
    now = ctr.proc(name) / "root/now"
    until(now.exists, "it runs")
    ctr.ok("tasks", "pause", name)
    assert ctr.tasks()[name][1] == "PAUSED"
    assert ctr.island.frozen(name)
    before = now.read_text()
    assert ctr.tasks()[name][1] == "PAUSED" and now.read_text() == before
    ctr.ok("tasks", "resume", name)
    assert ctr.tasks()[name][1] == "RUNNING" and not ctr.island.frozen(name)
    until(lambda: now.read_text() not in ("", before), "it goes on")


# Limits, figures.

def test_limits_of_a_run_are_in_its_control_group(ctr):
    name = ctr.up(options=["--memory-limit", str(48 << 20), "--cpus", "0.5"])
    assert (ctr.island.limit(name, "memory"), ctr.island.limit(name, "cpu")) == (48 << 20, 0.5)
    for controller in ("memory", "cpu", "pids"):
        assert len((ctr.island.cgroup(controller, name) / "cgroup.procs").read_text().split()) == 1


def test_metrics_and_processes(ctr):
    name = ctr.up("sh", "-c", "sleep 100000 & sleep 100000 & echo ready; wait", options=["--memory-limit", str(64 << 20)])
    until(lambda: "ready" in ctr.logs(name), "it runs")
    until(lambda: len(ctr.ok("tasks", "ps", name).splitlines()) == 4, "a heading and three processes")
    shown = json.loads(ctr.ok("tasks", "metrics", "--format", "json", name))
    assert shown["pids"]["current"] == 3
    memory = shown["memory"]["usage"]
    assert memory["limit"] == 64 << 20 and 0 < memory["usage"] < memory["limit"]
    assert shown["cpu"]["usage"]["total"] > 0


def test_running_out_of_memory_is_an_event(ctr):
    events = ctr.folder / "events"
    with open(events, "wb") as f:
        listener = subprocess.Popen(ctr.island.enter(*ctr.words("events")), stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                    env=ctr.island.environment())
        try:
            # A first event proves that the listener is connected.
            until(lambda: ctr.call("namespaces", "label", ctr.namespace, "seen=yes").status == 0
                  and b"/namespaces/" in events.read_bytes(), "events arrive")
            name = ctr.up("tail", "/dev/zero", options=["--memory-limit", str(24 << 20)])
            until(lambda: ctr.tasks()[name][1] == "STOPPED", "it is killed")
            assert "exit code 137" in ctr.call("tasks", "rm", name).err
            until(lambda: re.search(rf"/tasks/oom .*{name}\b", events.read_text()), "the event")
        finally:
            listener.kill()
            listener.wait()
            for pid, words in ctr.island.processes().items():
                if words.startswith("ctr ") and words.endswith(" events"):
                    ctr.island.kill(pid, signal.SIGKILL)


# Mounts, privilege.

def test_bound_folders_and_a_read_only_root(ctr):
    shared = ctr.folder / "shared"
    shared.mkdir()
    (shared / "from-host").write_text("hello\n")
    r = ctr.run("sh", "-c", "cat /shared/from-host; echo back >/shared/from-box; echo no >/closed/x; echo no >/x; "
                "grep -c ' / .*ro,' /proc/mounts",
                options=["--read-only", "--mount", f"type=bind,src={shared},dst=/shared,options=rbind:rw",
                         "--mount", f"type=bind,src={shared},dst=/closed,options=rbind:ro"])
    assert r.out == "hello\n1\n", "the folders for both mounts were made before the root became read-only"
    assert r.err.count("Read-only file system") == 2
    assert (shared / "from-box").read_text() == "back\n"


def test_capabilities_can_be_taken_and_given(ctr):
    net_raw, net_admin = 1 << 13, 1 << 12

    def effective(*options):
        return int(status_line(ctr.run("cat", "/proc/self/status", options=options).out, "CapEff")[0], 16)

    usual = effective()
    assert usual & net_raw and not usual & net_admin
    assert effective("--cap-add", "CAP_NET_ADMIN", "--cap-drop", "CAP_NET_RAW") == usual & ~net_raw | net_admin


def test_filter_and_new_privileges(ctr):
    text = ctr.run("cat", "/proc/self/status").out
    assert status_line(text, "NoNewPrivs") == ["1"] and status_line(text, "Seccomp") == ["0"]
    r = ctr.run("sh", "-c", "cat /proc/self/status; unshare -U true", options=["--seccomp", "--allow-new-privs"])
    assert status_line(r.out, "NoNewPrivs") == ["0"] and status_line(r.out, "Seccomp") == ["2"] and r.status != 0


def test_a_namespace_is_joined_by_its_path(ctr, lasting):
    pid = ctr.pid(lasting)
    name = ctr.up(options=["--with-ns", f"network:/proc/{pid}/ns/net", "--with-ns", f"ipc:/proc/{pid}/ns/ipc"])
    for kind in ("net", "ipc"):
        assert os.readlink(ctr.proc(name) / "ns" / kind) == os.readlink(ctr.proc(lasting) / "ns" / kind), kind
    assert os.readlink(ctr.proc(name) / "ns/uts") != os.readlink(ctr.proc(lasting) / "ns/uts")


def test_a_root_and_a_configuration_of_one_s_own(ctr):
    name = ctr.new_name()
    config = own_config(
        ctr, name, args=["sh", "-c", "hostname; id -u; id -G; ulimit -n; cat /proc/self/oom_score_adj; echo $X; pwd"],
        user={"uid": 1000, "gid": 1000, "additionalGids": [5, 6]}, env=["PATH=/bin", "X=y"], oomScoreAdj=111,
        cwd="/new/place", rlimits=[{"type": "RLIMIT_NOFILE", "hard": 77, "soft": 66}])
    r = ctr.call(*ctr.run_words("--rm", "--config", config), name)
    assert (r.status, r.out) == (0, "by-hand\n1000\n1000 5 6\n66\n111\ny\n/new/place\n"), r


def test_the_network_of_the_island(ctr):
    name = ctr.up(options=["--net-host"])
    assert os.readlink(ctr.proc(name) / "ns/net") == os.readlink(f"/proc/{ctr.island.init}/ns/net")


# Many; restarts; the end.

def test_fifty_containers_at_once(ctr):
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda _: ctr.up(), range(50)))
    tasks = ctr.tasks()
    assert {tasks[n][1] for n in names} == {"RUNNING"} and len({tasks[n][0] for n in names}) == 50
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda n: ctr.exec(n, "sh", "-c", "ps | grep -c '[s]leep'").out, names[::10]))
        assert said == ["1\n"] * 5
        killed = list(pool.map(lambda n: ctr.call("tasks", "kill", "--signal", "KILL", n), names))
    assert [r for r in killed if r.status] == []
    until(lambda: {ctr.tasks()[n][1] for n in names} == {"STOPPED"}, "all are dead")
    assert ctr.call("tasks", "rm", *names).err.count("exit code 137") == 50
    assert ctr.call("containers", "rm", *names).status == 0
    assert not set(names) & set(ctr.tasks())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_tasks_outlive_the_daemon(ctr, lasting, number):
    ends = ctr.up("sh", "-c", "echo ready; until [ -e /end ]; do sleep 0.1; done; echo bye; exit 11")
    until(lambda: "ready" in ctr.logs(ends), "it runs")
    pid, root = ctr.pid(lasting), ctr.proc(ends) / "root"
    ctr.stop_daemon(number)
    assert "sleep 100000" in ctr.island.processes()[pid], "the container runs without the daemon"
    (root / "end").touch()
    until(lambda: "bye" in ctr.logs(ends), "the log is written without the daemon")
    ctr.start_daemon()
    assert ctr.tasks()[lasting] == (pid, "RUNNING")
    assert ctr.exec(lasting, "echo", "alive").out == "alive\n"
    until(lambda: ctr.tasks()[ends][1] == "STOPPED", "the one that ended is seen to have ended")
    assert "exit code 11" in ctr.call("tasks", "rm", ends).err


def test_a_shim_that_is_killed_is_cleaned_up_after(ctr):
    name = ctr.up()
    pid = ctr.pid(name)
    shim = next(p for p, words in ctr.island.processes().items()
                if "containerd-shim-runc-v2" in words and words.split()[4] == name)
    ctr.island.kill(shim, signal.SIGKILL)
    until(lambda: pid not in ctr.island.pids(), "the container does not stay without its shim")
    until(lambda: not ctr.state_of(name), "the runtime has forgotten it")
    until(lambda: not [g for g in ctr.island.cgroups() if g.name == name], "its groups are gone")


def test_nothing_is_left_of_containers_that_are_gone(containerd_daemon):
    containerd_daemon.remove(*containerd_daemon.ok("containers", "ls", "--quiet").split())
    containerd_daemon.wait_until_settled()
