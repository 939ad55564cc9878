# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: hooks."""
import json
import os

import pytest

from kit import gone, until

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
BEFORE_CREATED = KINDS[:3]
OUTSIDE = ["prestart", "createRuntime", "poststart", "poststop"]


def shell(script, **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **more}


def log(box, kind):
    """Where a hook of the kind can write, and where the test reads it: the root folder, seen from either side."""
    return "/log" if kind == "startContainer" else str(box.rootfs / "log")


def read(box, name="log"):
    path = box.rootfs / name
    return path.read_text() if path.exists() else ""


def add(box, kind, *hooks):
    box.config.setdefault("hooks", {}).setdefault(kind, []).extend(hooks)
    return box


def all_hooks(box, script="cat > {log}.state.{kind}; echo {kind} >> {log}"):
    for kind in KINDS:
        add(box, kind, shell(script.format(log=log(box, kind), kind=kind)))
    return box


def test_all_hooks_run_in_their_order(box):
    all_hooks(box).sh("echo program >> /log; sleep 1000")
    assert box.create().status == 0
    assert read(box).split() == BEFORE_CREATED
    assert box.start().status == 0
    until(lambda: "program" in read(box))
    assert read(box).split()[:4] == KINDS[:4]
    assert sorted(read(box).split()[4:]) == ["poststart", "program"]
    assert box.delete().status == 0
    assert read(box).split()[-1] == "poststop"


def test_run_runs_all_hooks_too(box):
    all_hooks(box).sh("true")
    assert box.run().status == 0
    assert [w for w in read(box).split()] == KINDS


def test_hooks_of_a_kind_run_in_the_listed_order(box):
    for kind in KINDS:
        add(box, kind, *[shell(f"echo {kind}{i} >> {log(box, kind)}") for i in range(3)])
    assert box.sh("true").run().status == 0
    assert read(box).split() == [f"{kind}{i}" for kind in KINDS for i in range(3)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_on_the_hooks_stdin(box, kind):
    box.config["annotations"] = {"com.example": "yes"}
    all_hooks(box).args("sleep", "1000").up()
    pid = box.pid
    box.delete()
    state = json.loads(read(box, f"log.state.{kind}"))
    assert (state["id"], state["bundle"], state["annotations"]) == (box.id, str(box.bundle), {"com.example": "yes"})
    assert state["ociVersion"]
    statuses = {"prestart": "created", "createRuntime": "creating", "createContainer": "creating", "startContainer": "created",
                "poststart": "running", "poststop": "stopped"}
    assert state["status"] == statuses[kind]
    if kind in ("prestart", "createRuntime", "poststart"):
        assert state["pid"] == pid
    if kind == "poststop":
        assert state.get("pid", 0) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_and_environment_of_a_hook(box, kind):
    target = log(box, kind)
    add(box, kind, {"path": "/bin/sh",
                    "args": ["sh", "-c", f'{{ echo "$0 $*"; env; }} > {target}', "zero", "one", "two words"],
                    "env": ["PATH=/bin:/usr/bin", "HOOK=yes"]})
    assert box.sh("true").run(env={**os.environ, "OF_THE_CALLER": "1"}).status == 0
    lines = read(box).splitlines()
    assert lines[0] == "zero one two words"
    assert "HOOK=yes" in lines and "PATH=/bin:/usr/bin" in lines and not any("OF_THE_CALLER" in x for x in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_without_arguments_and_environment(box, kind):
    script = box.rootfs / "hook"
    script.write_text(f"#!/bin/sh\necho called >> {log(box, kind)}\n")
    script.chmod(0o755)
    add(box, kind, {"path": "/hook" if kind == "startContainer" else str(script)})
    assert box.sh("true").run().status == 0
    assert read(box) == "called\n"


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_hook_outside_is_in_the_runtimes_namespaces(box, kind):
    add(box, kind, shell(f"for n in mnt net uts pid; do readlink /proc/self/ns/$n; done > {log(box, kind)}"))
    assert box.sh("true").run().status == 0
    assert read(box).split() == [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "net", "uts", "pid")]


@pytest.mark.parametrize("kind", ["createContainer", "startContainer"])
def test_a_hook_inside_is_in_the_containers_namespaces(box, kind):
    add(box, kind, shell(f"for n in mnt net uts; do readlink /proc/self/ns/$n; done > {log(box, kind)}"))
    box.args("sleep", "1000").up()
    until(lambda: read(box).count("\n") == 3)
    assert read(box).split() == [os.readlink(f"/proc/{box.pid}/ns/{n}") for n in ("mnt", "net", "uts")]


def test_startContainer_sees_what_the_program_will_see(box):
    add(box, "startContainer", shell("hostname > /log; pwd -P >> /log; ls -d /bin/busybox /proc/self >> /log"))
    box.sh("true").ran()
    assert read(box).split() == ["bulkhead", "/", "/bin/busybox", "/proc/self"]


def test_createContainer_finds_its_program_on_the_host_and_startContainer_in_the_root(box):
    (box.rootfs / "only-inside").write_text("#!/bin/sh\necho inside > /inside\n")
    (box.bundle / "only-outside").write_text(f"#!/bin/sh\necho outside > {box.rootfs}/outside\n")
    for path in (box.rootfs / "only-inside", box.bundle / "only-outside"):
        path.chmod(0o755)
    add(box, "createContainer", {"path": str(box.bundle / "only-outside")})
    add(box, "startContainer", {"path": "/only-inside"})
    assert box.sh("true").run().status == 0
    assert (read(box, "inside"), read(box, "outside")) == ("inside\n", "outside\n")


def test_mounts_are_there_for_createRuntime_and_createContainer(box):
    """The root is prepared but not yet entered: its mounts show below the bundle's path, in the container's namespace."""
    box.tmpfs("/mnt")
    add(box, "createContainer", shell(f"grep -c ' {box.rootfs}/mnt ' /proc/self/mountinfo > {box.rootfs}/log; true"))
    assert box.sh("true").run().status == 0
    assert read(box).strip() == "1"


def test_prestart_can_prepare_the_network(box):
    box.capable("CAP_NET_ADMIN")
    add(box, "prestart", shell("pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | head -n 1); nsenter -t $pid -n ip link set lo up"))
    assert "LOWER_UP" in box.sh("ip link show lo").ran()


def test_the_program_does_not_run_before_startContainer_is_done(box):
    add(box, "startContainer", shell("sleep 0.2; echo hook >> /log"))
    assert box.sh("echo program >> /log").run().status == 0
    assert read(box).split() == ["hook", "program"]


def test_start_returns_after_poststart(box):
    add(box, "poststart", shell(f"sleep 0.2; echo done > {log(box, 'poststart')}"))
    box.args("sleep", "1000").up()
    assert read(box) == "done\n"


# ---- failures

@pytest.mark.parametrize("kind", BEFORE_CREATED)
def test_a_failing_hook_of_create_undoes_the_container(box, kind):
    add(box, kind, shell("exit 3"))
    add(box, "poststop", shell(f"echo poststop >> {log(box, 'poststop')}"))
    r = box.sh("echo program >> /log").create()
    assert r.status != 0 and r.err.strip(), r
    assert box.state() is None and box.cgroups() == []
    assert read(box).split() == ["poststop"]


@pytest.mark.parametrize("kind", BEFORE_CREATED)
def test_what_follows_a_failing_hook_does_not_run(box, kind):
    add(box, kind, shell("exit 1"), shell(f"echo later >> {log(box, kind)}"))
    assert box.sh("echo program >> /log").run().status != 0
    assert read(box) == ""


def test_a_failing_startContainer_stops_the_container_before_the_program(box):
    add(box, "startContainer", shell("exit 3"))
    add(box, "poststop", shell(f"echo poststop >> {log(box, 'poststop')}"))
    assert box.sh("echo program >> /log").create().status == 0
    r = box.start()
    assert r.status != 0 and r.err.strip()
    assert "program" not in read(box) and box.state() is None and read(box).split() == ["poststop"]


def test_a_failing_poststart_stops_and_undoes_the_container(box):
    """Since version 1.3; a warning before."""
    box.config["ociVersion"] = "1.3.0"
    add(box, "poststart", shell("exit 3"))
    add(box, "poststop", shell(f"echo poststop >> {log(box, 'poststop')}"))
    assert box.args("sleep", "1000").create().status == 0
    pid = box.pid
    r = box.start()
    assert r.status != 0 and r.err.strip()
    until(lambda: gone(pid))
    assert box.state() is None and read(box).split() == ["poststop"]


def test_a_failing_poststop_is_a_warning_and_the_others_run(box):
    add(box, "poststop", shell("exit 3"), shell(f"echo second >> {log(box, 'poststop')}"))
    box.sh("true").up().ended()
    r = box.delete(force=False)
    assert r.status == 0 and r.err.strip(), r
    assert read(box) == "second\n" and box.state() is None


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_takes_too_long_is_ended(box, kind):
    add(box, kind, shell("exec sleep 60", timeout=1))
    r = box.args("sleep", "1000").create()
    if kind in ("startContainer", "poststart"):
        assert r.status == 0, r
        r = box.start()
    assert r.status != 0 and r.err.strip(), r


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_does_not_exist_fails(box, kind):
    add(box, kind, {"path": "/nothing/here"})
    assert box.sh("true").run().status != 0


@pytest.mark.parametrize("kind", ["createRuntime", "startContainer"])
def test_a_failing_hook_is_named(box, kind):
    add(box, kind, shell("exit 3"))
    r = box.sh("true").run()
    assert kind in r.err and ("3" in r.err), r


@pytest.mark.parametrize("hook", [{"path": "bin/sh"}, {"path": ""}, {"args": ["x"]}, {"path": "/bin/sh", "timeout": 0},
                                  {"path": "/bin/sh", "timeout": -1}, {"path": "/bin/sh", "args": "x"},
                                  {"path": "/bin/sh", "env": "x"}, "x"], ids=str)
@pytest.mark.parametrize("kind", ["createRuntime", "poststop"])
def test_a_hook_refused(box, kind, hook):
    box.config["hooks"] = {kind: [hook]}
    box.refused()


def test_an_empty_list_of_hooks(box):
    box.config["hooks"] = {kind: [] for kind in KINDS}
    assert box.report()["pid"] == 1


def test_hooks_are_those_of_create(box):
    add(box, "poststop", shell(f"echo old >> {log(box, 'poststop')}"))
    box.sh("true").up().ended()
    box.config["hooks"] = {"poststop": [shell(f"echo new >> {log(box, 'poststop')}")]}
    box.save()
    box.delete()
    assert read(box) == "old\n"


def test_a_hook_cannot_read_the_callers_stdin(box):
    """Its stdin is the state and nothing else."""
    add(box, "createRuntime", shell(f"cat > {log(box, 'createRuntime')}"))
    assert box.sh("cat").run(input="of the caller\n").out == "of the caller\n"
    assert json.loads(read(box))["id"] == box.id


def test_hooks_keep_no_descriptors_of_the_runtime(box):
    add(box, "createRuntime", shell(f"ls /proc/self/fd | wc -l > {log(box, 'createRuntime')}"))
    assert box.sh("true").run().status == 0
    assert int(read(box)) <= 4
