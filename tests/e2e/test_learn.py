# SPDX-License-Identifier: LGPL-2.1-or-later
"""learn: what a program did when it was watched it does again under the drop-in, and what it did not do is denied."""
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

import conftest
from lifecycle import eventually

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def learner(tools):
    """The probe of these tests; it is told what to do, word by word."""
    path = tools / "learn_probe"
    if (HERE / "learn_probe").exists():
        path.write_bytes((HERE / "learn_probe").read_bytes())
        path.chmod(0o755)
    else:
        subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", path, HERE / "learn_probe.c"], check=True)
    return path


@pytest.fixture
def world(box):
    """Folders that a program may want, each with a file."""
    paths = {}
    for name in ("r0", "r1", "r2", "w0", "w1", "w2", "w3", "w4", "w5"):
        folder = box.data / name
        folder.mkdir()
        (folder / "file").write_text("content\n")
        paths[name] = folder / "file"
    return paths


def learn(box, *argv, options=(), status=0, timeout=180, **more):
    r = box.call("learn", "--json", "-q", *options, "--", *argv, timeout=timeout, **more)
    assert r.status == status, r
    if status:
        return r
    # What the command prints comes first.
    return json.loads(r.out[r.out.index('{"runs":'):])


def assignments(learned):
    lines = learned["drop_in"].splitlines()
    return [line for line in lines if not line.startswith("#") and "=" in line]


def under(box, learned, *argv, **more):
    return box.run(assignments(learned), *argv, **more)


def steps_under(box, learned, learner, *steps):
    r = under(box, learned, learner, *steps)
    assert r.out, r
    return json.loads(r.out)


def plain(box, learner, *steps):
    return json.loads(box.good([], learner, *steps))


def dropped(learned):
    return {row["directive"]: row["dropped"] for row in learned["rows"] if row["dropped"]}


# ---- a program and its drop-in ----

def test_an_ordinary_program_works_under_its_drop_in(box):
    learned = learn(box, "/bin/ls", "/etc")
    assert learned["verified"] and not dropped(learned)
    assert under(box, learned, "/bin/ls", "/etc").out == box.good([], "/bin/ls", "/etc")
    assert learned["before"]["exposure"] > 9 and learned["after"]["exposure"] < 1.5


@pytest.mark.parametrize("attack", [["/bin/sh", "-c", "true"], ["/bin/cat", "/etc/shadow"], ["/bin/ls", "/srv"], ["/bin/ls", "/root"]])
def test_what_the_program_did_not_do_is_stopped(box, attack):
    learned = learn(box, "/bin/ls", "/etc")
    assert box.run([], *attack).status == 0
    assert under(box, learned, *attack).status != 0


def test_every_line_has_its_reason_and_text_and_json_agree(box):
    r = box.call("learn", "/bin/true")
    lines = r.out.splitlines()
    assert r.status == 0 and "[Service]" in lines
    assert "learn: exposure before: 9.6 UNSAFE" in r.err and "learn: exposure after:" in r.err
    for i, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            above = lines[i - 1]
            assert above.startswith("# ") or above.split("=")[0] in ("SystemCallFilter", "ProtectSystem", "CapabilityBoundingSet", "NoExecPaths",
                                                                     "RestrictAddressFamilies", "DevicePolicy", "DeviceAllow"), line
    learned = learn(box, "/bin/true")
    assert [a for row in learned["rows"] for a in row["assignments"]] == [line for line in lines if "=" in line and line[0] != "#"]


# Of no other suite, and not among those that the kernel gives to clients, of which one may be in use at any time.
PORT = 15000 + os.getpid() % 5000
STEPS = ["read:{r0}", "read:{r1}", "read:{r2}", "write:{w0}", "write:{w1}", "make:{w2}.new", "exec:/bin/sh", "exec:/bin/true", f"listen:{PORT}",
         "raw", "netlink", "suid:{w3}.suid", "wx", "chown:{w4}", "unshare:net", "unshare:uts", "realtime", "personality", "mknod:{w5}.node", "shm",
         "read:/etc/shadow", "read:/etc/ssl/private", "read:/proc/meminfo", "read:/proc/1/cmdline", "read:/proc/kmsg", "vfork", "seccomp"]
# Whether the drop-in can tell them from what is done otherwise: reading what everybody may read, or what is like another step, is not denied.
ALWAYS_LEFT = {"vfork", "seccomp"}


def kind(step):
    return "system" if step in ("read:/proc/meminfo", "read:/proc/kmsg") else step


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_can_do_what_they_did_and_nothing_else(box, learner, world, seed):
    rng = random.Random(seed)
    steps = [s.format(**world) for s in STEPS]
    chosen = rng.sample(steps, rng.randint(1, 9))
    bare = {s: v for step in steps if step not in ALWAYS_LEFT for s, v in plain(box, learner, step).items()}
    learned = learn(box, learner, *chosen)
    assert learned["verified"], learned["drop_in"]
    again = steps_under(box, learned, learner, *chosen)
    assert again == plain(box, learner, *chosen), learned["drop_in"]
    for step in steps:
        # What it did not do, could do before, and is of another kind than all it did.
        if step in chosen or step in ALWAYS_LEFT or bare.get(step) != 0 or dropped(learned):
            continue
        # ProcSubset= hides all that the kernel shows, or nothing of it.
        if kind(step) in {kind(s) for s in chosen}:
            continue
        r = under(box, learned, learner, step)
        assert r.status != 0 or json.loads(r.out)[step] != 0, (step, chosen, learned["drop_in"])


# ---- ways to live ----

@pytest.mark.parametrize("steps", [
    ["fork", "read:/etc/hostname"], ["thread", "read:/etc/hostname"], ["vfork", "exec:/bin/true"], ["seccomp", "read:/etc/hostname"],
    ["chroot:/srv", "read:/etc/hostname"], ["setuid:65534", "read:/etc/hostname", "read:/etc/shadow"], ["trace"], ["exit:7"], ["wx", "exit:3"],
    ["signal:9"], ["signal:15"], ["exec:/bin/nothing"], ["unshare:net", "unshare:uts"], ["exec:/bin/sh", "exec:/bin/true"],
], ids=lambda s: s[0])
def test_the_watched_program_ends_and_prints_as_the_unwatched(box, learner, steps):
    bare = box.run([], learner, *steps)
    r = box.call("learn", "-q", "--json", "--", learner, *steps, timeout=180)
    assert r.status == 0, r
    at = r.out.index('{"runs":')
    assert r.out[:at] == bare.out
    learned = json.loads(r.out[at:])
    assert learned["observations"]["outcomes"] == [bare.status]
    again = under(box, learned, learner, *steps)
    assert (again.status, again.out) == (bare.status, bare.out), learned["drop_in"]


def test_a_part_that_was_traced_by_another_is_told(box, learner):
    learned = learn(box, learner, "trace")
    assert any("traced" in note for note in learned["notes"])


def test_a_script_needs_its_interpreter(box):
    script = box.data / "tool"
    script.write_text("#!/bin/sh\ncat /etc/hostname\n")
    script.chmod(0o755)
    learned = learn(box, script)
    assert not dropped(learned)
    assert under(box, learned, script).out == pathlib.Path("/etc/hostname").read_text()
    assert under(box, learned, "/bin/ls").status != 0


def test_input_from_a_file_is_there_for_the_trial_as_well(box):
    (box.data / "in").write_text("a line\n")
    with open(box.data / "in") as f:
        p = subprocess.run([str(conftest.binary()), "learn", "-q", "--json", "--", "/bin/grep", "line"], stdin=f, env=box.env(), cwd="/",
                           capture_output=True, text=True, timeout=100)
    assert p.returncode == 0, p.stderr
    assert p.stdout.startswith("a line\n") and json.loads(p.stdout[p.stdout.index('{"runs":'):])["verified"]


# ---- paths ----

def test_a_folder_of_its_own_is_asked_of_the_manager(box, learner):
    name = f"bulkhead-e2e-{os.getpid()}"
    folder = pathlib.Path("/var/lib") / name
    try:
        learned = learn(box, learner, f"mkdir:{folder}", f"make:{folder}/f")
        assert f"StateDirectory={name}" in assignments(learned)
        assert steps_under(box, learned, learner, f"make:{folder}/g", "make:/var/lib/other") == {f"make:{folder}/g": 0, "make:/var/lib/other": 30}
    finally:
        conftest.remove(folder)


def test_names_that_a_unit_cannot_hold_are_held_by_their_folder(box, learner):
    folder = box.data / "odd"
    folder.mkdir()
    for name in ("new\nline", 'quo"te', "back\\slash"):
        (folder / name).mkdir()
    steps = [f"make:{folder}/new\nline/f", f'make:{folder}/quo"te/f', f"make:{folder}/back\\slash/f"]
    r = box.call("learn", "-q", "--", learner, *steps)
    assert r.status == 0, r
    assert f"ReadWritePaths={folder}" in r.out.splitlines()


def test_blanks_and_percent_signs_are_written_as_units_have_them(box, learner):
    folder = box.data / "a b%n"
    folder.mkdir()
    learned = learn(box, learner, f"make:{folder}/f")
    assert not dropped(learned)
    assert steps_under(box, learned, learner, f"make:{folder}/f", f"make:{box.data}/f") == {f"make:{folder}/f": 0, f"make:{box.data}/f": 30}


def test_ten_thousand_files_become_their_folder(box, learner):
    folder = box.data / "full"
    folder.mkdir()
    learned = learn(box, learner, f"fill:{folder}", timeout=400)
    seen = learned["observations"]
    assert len(seen["paths"]) < 1000 and seen["lost"] == 0
    assert f"ReadWritePaths={folder}" in assignments(learned)


def test_the_longest_path_is_no_trouble(box, learner):
    learned = learn(box, learner, f"deep:{box.data}", options=["--verify=no"])
    assert learned["observations"]["calls"]
    subprocess.run(["rm", "-rf", "--one-file-system", str(box.data / ("d" * 200))], check=True)


def test_many_calls_cost_no_memory(box, learner):
    learned = learn(box, learner, "many:30000", options=["--verify=no"], timeout=400)
    [row] = [c for c in learned["observations"]["calls"] if c["name"] in ("openat", "open")]
    assert row["times"] >= 30000 and len(learned["observations"]["paths"]) < 100


# ---- more than one run ----

def test_runs_add_up(box, learner, world):
    kept = box.data / "seen.json"
    first = learn(box, learner, f"read:{world['r0']}", "wx", options=["--merge", kept, "--verify=no"])
    assert "MemoryDenyWriteExecute=yes" not in assignments(first)
    both = learn(box, learner, f"write:{world['w0']}", options=["--merge", kept])
    assert both["runs"] == 2 and both["observations"]["runs"] == 2
    assert "MemoryDenyWriteExecute=yes" not in assignments(both)
    steps = [f"read:{world['r0']}", f"write:{world['w0']}", "wx"]
    assert steps_under(box, both, learner, *steps) == {s: 0 for s in steps}
    assert steps_under(box, both, learner, f"read:{world['r1']}")[f"read:{world['r1']}"] != 0


def test_runs_are_counted(box):
    learned = learn(box, "/bin/true", options=["--runs", "3"])
    assert learned["runs"] == 3


@pytest.mark.parametrize("text, id", [("{", "json.syntax"), ('{"version":9}', "learn.version"), ('{"version":1}', "json.value")])
def test_bad_observations_stop_it(box, text, id):
    kept = box.data / "seen.json"
    kept.write_text(text)
    r = box.call("learn", "--merge", kept, "--", "/bin/true")
    assert r.status == 1 and f"id     {id}" in r.err and not r.out
    assert kept.read_text() == text


# ---- verification ----

def test_what_breaks_it_is_dropped_and_said(box, learner):
    # What is done by a part that another part traces is not seen: running it shows that it is needed.
    script = box.data / "hidden"
    if not os.path.exists("/usr/bin/strace"):
        pytest.skip("strace is not installed")
    script.write_text(f"#!/bin/sh\nexec /usr/bin/strace -o /dev/null {learner} wx exit:0\n")
    script.chmod(0o755)
    learned = learn(box, script, timeout=400)
    assert learned["verified"] and dropped(learned), learned["drop_in"]
    for directive, why in dropped(learned).items():
        assert f"# {directive}= is left out: {why}" in learned["drop_in"]
    assert under(box, learned, script).status == 0


def test_capabilities_are_those_that_it_does_not_work_without(box, learner, world):
    learned = learn(box, learner, f"chown:{world['w0']}")
    assert "CapabilityBoundingSet=CAP_CHOWN" in assignments(learned)
    other = learn(box, learner, "listen:81", "setuid:65534")
    [row] = [r for r in other["rows"] if r["directive"] == "CapabilityBoundingSet"]
    assert set(row["assignments"][-1].split("=")[1].split()) == {"CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"}


def test_what_does_not_end_the_same_way_twice_cannot_be_verified(box):
    command = ["/bin/mkdir", box.data / "once"]
    r = box.call("learn", "--output", box.data / "out.conf", "--", *command)
    assert r.status == 1 and "id     learn.unstable" in r.err and "--verify=no" in r.err
    assert not (box.data / "out.conf").exists()
    (box.data / "once").rmdir()
    learned = learn(box, *command, options=["--verify=no"])
    assert not learned["verified"] and "# Not verified" in learned["drop_in"]


# ---- services ----

def test_a_service_is_exercised_and_its_drop_in_stops_attacks(box, learner):
    port = PORT + 2 * 5000
    site = box.data / "site"
    site.mkdir()
    (site / "page").write_text("hello\n")
    client = f"/usr/bin/python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:{port}/page\").read())'"
    server = ["/usr/bin/python3", "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", site]
    r = box.call("learn", "-q", "--json", "--exercise", client, "--", *server, timeout=400)
    assert r.status == 0, r
    learned = json.loads(r.out[r.out.index('{"runs":'):])
    assert learned["verified"]
    for attack in ("import os; os.execl('/bin/sh', 'sh', '-c', 'true')", "open('/etc/shadow')", "open('/var/lib/x', 'w')", "import os; os.chmod('/proc/self/fd/1', 0o4755)",
                   "import ctypes; exit(ctypes.CDLL(None, use_errno=True).syscall(175, 0, 0, 0) == -1 and ctypes.get_errno() == 1)",
                   "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"):
        assert under(box, learned, "/usr/bin/python3", "-c", attack).status != 0, attack
    assert under(box, learned, "/usr/bin/python3", "-c", "print(1)").out == "1\n"


def test_a_client_that_fails_is_an_error(box):
    r = box.call("learn", "--exercise", "exit 5", "--", "/bin/sleep", "30", timeout=100)
    assert r.status == 1 and "id     learn.exercise" in r.err and "status 5" in r.err


def test_a_service_is_ended_after_its_time(box, learner):
    begin = time.monotonic()
    learned = learn(box, learner, f"listen:{PORT + 5000}", "serve", options=["--for", "1", "--verify=no"])
    assert 1 <= time.monotonic() - begin < 60
    assert learned["observations"]["outcomes"] == [0]


def test_a_unit_keeps_what_it_has_and_its_drop_in_adds_to_it(box, learner, world):
    folder = box.folder / "units"
    folder.mkdir()
    folder.chmod(0o755)
    unit = folder / "probe.service"
    unit.write_text(f"[Unit]\nDescription=x\n[Service]\nExecStart={learner} write:{world['w0']} read:{world['r0']}\nProtectHome=tmpfs\nUser=root\n")
    (folder / "probe.service.d").mkdir()
    out = folder / "probe.service.d/learned.conf"
    r = box.call("learn", "--unit", unit, "--output", out, timeout=180)
    assert r.status == 0, r
    text = out.read_text()
    assert "ProtectHome" not in text
    score = box.call("score", unit)
    number = score.out.splitlines()[-1].split(": ")[1]
    assert f"learn: exposure after:  {number}" in r.err
    again = box.call("run", "-q", "-P", "--like", unit)
    assert again.status == 0 and set(json.loads(again.out).values()) == {0}
    stopped = box.call("run", "-q", "-P", "--like", unit, "--", learner, f"read:{world['r1']}", f"write:{world['w1']}", "exec:/bin/sh")
    assert 0 not in json.loads(stopped.out).values()


# ---- the rest ----

@pytest.mark.parametrize("when", [0.05, 0.3, 1.0])
def test_an_interrupt_leaves_nothing_behind(box, learner, when):
    out = box.data / "out.conf"
    p = subprocess.Popen([str(conftest.binary()), "learn", "--output", str(out), "--", str(learner), "sleep:60000"], env=box.env(), cwd="/",
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    time.sleep(when)
    os.killpg(p.pid, signal.SIGINT)
    p.communicate(timeout=60)
    assert p.returncode in (130, -signal.SIGINT)
    assert not out.exists() and not box.leftovers()
    assert subprocess.run(["pgrep", "-f", f"^{learner} sleep:60000"], capture_output=True).returncode == 1


def test_a_killed_learner_takes_the_payload_with_it(box, learner):
    p = subprocess.Popen([str(conftest.binary()), "learn", "--", str(learner), "sleep:60001"], env=box.env(), cwd="/",
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    def is_there():
        return subprocess.run(["pgrep", "-f", f"^{learner} sleep:60001"], capture_output=True).returncode == 0
    assert eventually(is_there)
    p.kill()
    p.wait()
    assert eventually(lambda: not is_there() and not box.leftovers()), "the payload lives on"


def test_an_ordinary_user_learns_too(user_box, learner):
    learned = learn(user_box, "/bin/sh", "-c", "cat /etc/hostname", timeout=300)
    assert learned["verified"]
    assert under(user_box, learned, "/bin/sh", "-c", "cat /etc/hostname").out == pathlib.Path("/etc/hostname").read_text()
    assert under(user_box, learned, "/bin/ls").status != 0


@pytest.mark.parametrize("argv, words", [
    ([], "which command"), (["--runs", "0", "true"], "--runs takes a number"), (["--for", "x", "true"], "--for takes a number"),
    (["--verify=perhaps", "true"], "--verify takes"), (["--", "/no/such/program"], "id     exec.missing"),
    (["-p", "ProtectSystem=maybe", "--", "/bin/true"], "id     directive.value"), (["--unit", "/no/such.service"], "id     unit.missing"),
])
def test_errors_say_what_is_wrong(box, argv, words):
    r = box.call("learn", *argv)
    assert r.status != 0 and words in r.err and not r.out, r


def test_an_output_that_cannot_be_written_is_an_error(box):
    r = box.call("learn", "--verify=no", "--output", box.folder / "missing/out.conf", "--", "/bin/true")
    assert r.status == 1 and "id     learn.write" in r.err
