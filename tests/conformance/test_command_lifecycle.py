# SPDX-License-Identifier: LGPL-2.1-or-later
"""runtime.md: create, start, state, kill, delete, and run: what they do and what they refuse in each state."""
import json
import os
import signal
import subprocess
import time

import pytest

from kit import gone, until

NAMES = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "CONT", "WINCH"]


def listening(box):
    box.args("/probe", "signals").up()
    until(lambda: "ready" in box.out())
    return box


def fails(result, *words):
    assert result.status != 0 and result.err.strip(), result
    for word in words:
        assert word in result.err, result
    return result


# ---- the way of a container

def test_the_states_of_a_container(box):
    assert box.state() is None
    assert box.args("sleep", "1000").create().status == 0
    assert box.status() == "created"
    assert box.start().status == 0
    assert box.status() == "running"
    assert box.kill("KILL").status == 0
    box.ended()
    assert box.delete(force=False).status == 0
    assert box.state() is None


def test_the_program_does_not_run_before_start(box):
    assert box.sh("echo ran > /ran; sleep 1000").create().status == 0
    time.sleep(0.2)
    assert not (box.rootfs / "ran").exists()
    box.start()
    until(lambda: (box.rootfs / "ran").exists())


def test_the_state_of_a_container(box):
    box.config["annotations"] = {"com.example": "yes"}
    box.idle()
    state = box.state()
    assert state["id"] == box.id and state["bundle"] == str(box.bundle) and state["annotations"] == {"com.example": "yes"}
    assert state["ociVersion"].startswith("1.") and state["status"] == "running"
    assert open(f"/proc/{state['pid']}/comm").read() == "sleep\n"


def test_the_bundle_in_the_state_is_absolute(box):
    box.args("sleep", "1000").save()
    assert subprocess.run(box.command("create", "--bundle", ".", box.id), cwd=box.bundle, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    assert box.state()["bundle"] == str(box.bundle)


def test_the_state_of_a_stopped_container(box):
    box.args("true").up().ended()
    state = box.state()
    assert state["status"] == "stopped" and state.get("pid", 0) == 0 and state["bundle"] == str(box.bundle)


def test_an_id_can_be_used_again_after_delete(box):
    for _ in range(3):
        box.args("true").up().ended()
        assert box.delete(force=False).status == 0


def test_two_containers_of_one_bundle(box):
    box.args("sleep", "1000").save()
    other = box.id + "-b"
    box.up()
    try:
        assert subprocess.run(box.command("create", "--bundle", box.bundle, other), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        assert box.call("start", other).status == 0
        assert json.loads(box.call("state", other).out)["status"] == "running" == box.status()
    finally:
        box.call("delete", "--force", other)


def test_roots_do_not_see_each_other(box, folder):
    box.idle()
    p = subprocess.run([box.program, "--root", str(folder / "elsewhere"), "state", box.id], capture_output=True)
    assert p.returncode != 0


def test_the_pid_file(box):
    box.args("sleep", "1000").up("--pid-file", box.bundle / "pid")
    assert (box.bundle / "pid").read_text() == str(box.pid)


def test_nothing_is_left_after_delete(box):
    box.idle()
    pid = box.pid
    assert box.delete().status == 0
    until(lambda: gone(pid))
    assert box.cgroups() == []
    assert box.id not in open("/proc/self/mountinfo").read()
    assert not any(box.id in name for name in os.listdir(box.root))


# ---- in the wrong state

@pytest.mark.parametrize("command",
                         [("state",), ("start",), ("kill",), ("delete",), ("exec", "true"), ("pause",), ("resume",),
                          ("ps",),
                                     ("update", "--pids-limit", "5"), ("events", "--stats")], ids=lambda c: c[0])
def test_a_container_that_does_not_exist(box, command):
    box.save()
    first, *rest = command
    argv = (first, "nothing-here", *rest) if first == "exec" else (first, *rest, "nothing-here")
    fails(box.call(*argv))


@pytest.mark.parametrize("command", ["state", "start", "exec"])
def test_the_error_names_the_container(box, command):
    box.save()
    fails(box.call(command, "nothing-here", *(["true"] if command == "exec" else [])), "nothing-here")


def test_delete_with_force_of_nothing_is_no_error(box):
    box.save()
    assert box.call("delete", "--force", "nothing-here").status == 0


@pytest.mark.parametrize("command",
                         ["state", "start", "kill", "delete", "create", "run", "exec", "pause", "resume", "ps"])
def test_an_id_is_needed(box, command):
    box.save()
    fails(box.call(command))


def test_start_of_a_running_container(box):
    box.idle()
    pid = box.pid
    fails(box.start())
    assert (box.status(), box.pid) == ("running", pid)


def test_start_of_a_stopped_container(box):
    box.args("true").up().ended()
    fails(box.start())
    assert box.status() == "stopped"


def test_kill_of_a_stopped_container(box):
    box.args("true").up().ended()
    fails(box.kill("TERM"))


def test_kill_of_a_created_container(box):
    box.args("sleep", "1000").create()
    assert box.kill("KILL").status == 0
    box.ended()


def test_delete_of_a_running_container(box):
    box.idle()
    pid = box.pid
    fails(box.delete(force=False))
    assert (box.status(), box.pid) == ("running", pid)


def test_delete_of_a_created_container_is_whole_or_refused(box):
    """The specification asks for an error; engines rely on its removal."""
    box.args("sleep", "1000").create()
    r = box.delete(force=False)
    assert box.status() == (None if r.status == 0 else "created")
    assert r.status != 0 or box.cgroups() == []


@pytest.mark.parametrize("state", ["created", "running", "stopped", "paused"])
def test_delete_with_force(box, state):
    box.args("true" if state == "stopped" else "sleep", *([] if state == "stopped" else ["1000"])).create()
    if state != "created":
        box.start()
    if state == "paused" and box.call("pause", box.id).status != 0:
        pytest.skip("cannot pause here")
    box.wait_for(state)
    r = box.delete()
    assert r.status == 0 and box.state() is None and box.cgroups() == [], r


@pytest.mark.parametrize("state", ["created", "running", "stopped"])
def test_an_id_that_is_taken(box, make, state):
    box.args("true" if state == "stopped" else "sleep", *([] if state == "stopped" else ["1000"])).create()
    if state != "created":
        box.start()
    box.wait_for(state)
    other = make()
    other.sh("echo ran > /ran").save()
    fails(other.call("run", "--bundle", other.bundle, box.id))
    assert box.status() == state and not (other.rootfs / "ran").exists()
    assert box.state()["bundle"] == str(box.bundle)


def test_start_fails_if_the_process_was_killed(box):
    box.args("sleep", "1000").create()
    os.kill(box.pid, signal.SIGKILL)
    box.ended()
    fails(box.start())


# ---- ids

@pytest.mark.parametrize("id", ["a", "A", "0", "a-b", "a_b", "a.b", "a+b", "x" * 200])
def test_an_id_that_is_allowed(box, id):
    id = (box.id + id)[:128]
    box.sh("true").save()
    r = box.call("run", "--bundle", box.bundle, id)
    assert r.status == 0, r


@pytest.mark.parametrize("id",
                         ["", ".", "..", "a/b", "../a", "/a", "a b", "a\nb", "ü", "a*", "a:b", "a\\b", "x" * 2000],
                         ids=repr)
def test_an_id_that_is_refused(box, id):
    box.sh("echo ran > /ran").save()
    fails(box.call("run", "--bundle", box.bundle, id))
    assert not (box.rootfs / "ran").exists()


@pytest.mark.parametrize("command", ["state", "kill", "delete", "exec"])
def test_a_bad_id_is_refused_everywhere(box, command):
    box.idle()
    argv = (command, f"../state/{box.id}") + (("true",) if command == "exec" else ())
    fails(box.call(*argv))
    assert box.status() == "running"


# ---- kill

@pytest.mark.parametrize("form", ["{name}", "SIG{name}", "{number}"])
def test_kill_by_name_and_number(box, form):
    listening(box)
    for name in NAMES:
        number = getattr(signal, "SIG" + name)
        assert box.kill(form.format(name=name, number=int(number))).status == 0
        until(lambda: int(number) in box.signals(), said=name)
    assert len(box.signals()) == len(NAMES)


def test_kill_without_a_signal_is_SIGTERM(box):
    listening(box)
    assert box.call("kill", box.id).status == 0
    until(lambda: box.signals() == [15])


def test_kill_with_a_realtime_signal(box):
    listening(box)
    assert box.kill("40").status == 0
    until(lambda: box.signals() == [40])


@pytest.mark.parametrize("name", ["RTMIN+3", "SIGRTMAX-1"])
def test_kill_by_the_name_of_a_realtime_signal(box, name):
    listening(box)
    number = signal.SIGRTMIN + 3 if "MIN" in name else signal.SIGRTMAX - 1
    assert box.kill(name).status == 0
    until(lambda: box.signals() == [number])


@pytest.mark.parametrize("name", ["term", "sigterm"])
def test_the_case_of_a_signals_name_does_not_matter(box, name):
    listening(box)
    assert box.kill(name).status == 0
    until(lambda: box.signals() == [15])


@pytest.mark.parametrize("name", ["NOSUCH", "", "-1", "65", "1000", "9x", "SIGSIGTERM"])
def test_an_unknown_signal_is_refused(box, name):
    listening(box)
    fails(box.call("kill", "--", box.id, name))
    assert box.status() == "running" and box.signals() == []


def test_signal_zero_tries_only(box):
    listening(box)
    r = box.kill("0")
    assert box.status() == "running" and box.signals() == [], r


def test_kill_all_ends_every_process(box):
    """With the host's process ids, where the end of the first process does not end the others."""
    box.without_namespace("pid")
    box.sh("sleep 1000 & sleep 1000 & wait").up()
    until(lambda: len((box.cgroup() / "cgroup.procs").read_text().split()) == 3)
    place = box.cgroup() / "cgroup.procs"
    assert box.call("kill", "--all", box.id, "KILL").status == 0
    until(lambda: not place.exists() or not place.read_text().split())


def test_delete_ends_every_process_without_a_pid_namespace(box):
    box.without_namespace("pid")
    box.sh("sleep 1000 & sleep 1000 & wait").up()
    until(lambda: len((box.cgroup() / "cgroup.procs").read_text().split()) == 3)
    pids = (box.cgroup() / "cgroup.procs").read_text().split()
    assert box.delete().status == 0
    until(lambda: all(map(gone, pids)))


# ---- run

@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_run_passes_the_exit_status(box, status):
    assert box.sh(f"exit {status}").run().status == status


def test_run_of_a_program_that_a_signal_ends(box):
    assert box.sh("kill -9 $PPID; /probe signals & kill -9 $!; wait $!; exit $?").run().status == 137


def test_run_of_a_first_process_that_is_killed(box):
    box.args("sleep", "1000").save()
    p = subprocess.Popen(box.command("run", "--bundle", box.bundle, box.id), stdin=subprocess.DEVNULL)
    assert box.wait_for("running")
    os.kill(box.pid, signal.SIGKILL)
    assert p.wait(60) == 128 + 9


def test_run_hands_on_stdin_stdout_and_stderr(box):
    r = box.sh("cat; echo to-err >&2").run(input="words\n" * 1000)
    assert (r.out, r.err) == ("words\n" * 1000, "to-err\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_run_forwards_signals(box, number):
    box.args("/probe", "signals").save()
    p = subprocess.Popen(box.command("run", "--bundle", box.bundle, box.id), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
    try:
        assert p.stdout.readline() == b"ready\n"
        p.send_signal(number)
        until(lambda: number in box.signals(), said=f"it got {box.signals()}")
    finally:
        box.delete()
        p.wait(60)
        p.stdout.close()


def test_run_removes_the_container(box):
    assert box.sh("true").run().status == 0
    assert box.state() is None and box.cgroups() == []


def test_run_keep_leaves_it(box):
    r = box.sh("true").run("--keep")
    if r.status != 0 and "keep" in r.err:
        pytest.skip("no --keep")
    assert box.status() == "stopped"


def test_run_detached(box):
    box.args("sleep", "1000").save()
    with open(box.bundle / "out", "wb") as out:
        p = subprocess.run(box.command("run", "--detach", "--pid-file", box.bundle / "pid", "--bundle", box.bundle,
                                       box.id),
                           stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=120)
    assert p.returncode == 0, box.out()
    assert box.status() == "running" and (box.bundle / "pid").read_text() == str(box.pid)


def test_a_detached_run_hands_its_streams_to_the_program(box):
    box.sh("echo said; sleep 1000").save()
    with open(box.bundle / "out", "wb") as out:
        assert subprocess.run(box.command("run", "-d", "-b", box.bundle, box.id), stdin=subprocess.DEVNULL, stdout=out,
                              stderr=out).returncode == 0
    until(lambda: box.out() == "said\n")


def test_run_waits_for_no_process_that_left_the_container_first(box):
    assert box.sh("sleep 1000 & exit 4").run().status == 4


def test_many_at_once(make):
    boxes = [make() for _ in range(6)]
    for b in boxes:
        b.sh("exit 3").save()
    running = [subprocess.Popen(b.command("run", "--bundle", b.bundle, b.id), stdin=subprocess.DEVNULL) for b in boxes]
    assert [p.wait(60) for p in running] == [3] * 6
