# SPDX-License-Identifier: LGPL-2.1-or-later
"""bulkhead plugin, instance and flavor."""
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from fleet import FAKE, Fleet, until


@pytest.fixture
def fleet():
    f = Fleet()
    yield f
    f.close()


def fleet_file_pid(fleet):
    fleet("plugin", "start", "file", "--detach")
    return fleet.listed()["file"]["PID"]


def read_until(process, count):
    return [process.stdout.readline() for _ in range(count)]


def test_start_says_when_each_listens_and_ends_with_all_of_them(fleet):
    p = fleet.start("plugin", "start", "file", "simulator:sim")
    lines = read_until(p, 2)
    assert sorted(line.split(" (")[0] for line in lines) == [f"{n}: listens at {fleet.plugins}/{n}" for n in ("file", "sim")]
    pids = {v["PID"] for v in fleet.listed().values()}
    p.send_signal(signal.SIGTERM)
    assert p.wait(60) == 0
    assert not [f.name for f in fleet.plugins.iterdir()], "sockets and pid files are gone"
    assert not pids & set(fleet.processes())


def test_detached_ones_go_on_in_sandboxes_until_they_are_stopped(fleet):
    fleet("plugin", "start", "file", "vanilla", "--detach")
    listed = fleet.listed()
    assert {n: (p["State"], p["Sandbox"]) for n, p in listed.items()} == {"file": ("answers", True), "vanilla": ("answers", True)}
    assert "Instance/0.6.1" in listed["file"]["Objects"]
    assert "listens already" in fleet("plugin", "start", "file", "--detach").out
    assert fleet("plugin", "stop", "file").out == "file: stopped\n"
    assert list(fleet.listed()) == ["vanilla"]
    fleet("plugin", "stop", "--all")
    until(lambda: not fleet.processes())
    assert fleet("plugin", "stop", "file", status=1).err.count("plugin.missing") == 1


def test_no_sandbox_is_shown(fleet):
    fleet("plugin", "start", "file", "--no-sandbox", "--detach")
    assert fleet.listed()["file"]["Sandbox"] is False
    assert "  no " in fleet("plugin", "ls").out


def test_one_that_dies_is_started_again_and_one_that_is_stopped_is_not(fleet):
    p = fleet.start("plugin", "start", "file", "simulator")
    read_until(p, 2)
    os.kill(fleet.listed()["file"]["PID"], signal.SIGKILL)
    assert "file: died" in p.stdout.readline()
    assert "file: listens again" in p.stdout.readline()
    fleet("plugin", "stop", "file")
    assert p.stdout.readline() == "file: stopped\n"
    assert list(fleet.listed()) == ["simulator"]
    fleet("plugin", "stop", "simulator")
    assert p.wait(60) == 0, "nothing is left to look after"


def test_one_that_ends_badly_and_one_that_is_down_are_stopped_for_good(fleet):
    p = fleet.start("plugin", "start", f"other={FAKE} --grumpy")
    read_until(p, 1)
    for _ in range(5):  # so that it is down for more than a second
        os.kill(fleet.listed()["other"]["PID"], signal.SIGTERM)
        assert "other: died with status 1" in p.stdout.readline()
        if _ < 4:
            assert "other: listens again" in p.stdout.readline()
    assert "looked after already" in fleet("plugin", "start", f"other={FAKE}", "--detach").out or fleet.listed()
    fleet("plugin", "stop", "other")
    assert p.wait(60) == 0
    fleet("plugin", "start", f"other={FAKE} --grumpy", "--detach")
    fleet("plugin", "stop", "other")
    until(lambda: not fleet.processes())


def test_what_a_crash_left_is_no_obstacle(fleet):
    fleet.plugins.mkdir(mode=0o700)
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(fleet.plugins / "file"))
    s.listen()
    s.close()
    (fleet.plugins / "file.pid").write_text("1\n")
    assert fleet.listed()["file"]["State"] == "gone"
    fleet("plugin", "start", "file", "--detach")
    assert fleet.listed()["file"]["State"] == "answers"


def test_one_that_does_not_begin_ends_the_others(fleet):
    done = fleet("plugin", "start", "file", f"other={FAKE} --die", status=1)
    assert "other: ended with status 3 before it answered" in done.out
    assert not fleet.listed()
    until(lambda: not fleet.processes())
    assert "plugin.program" in fleet("plugin", "start", "nosuch", status=1).err
    assert "plugin.word" in fleet("plugin", "start", "x='open", status=1).err
    assert "plugin.word" in fleet("plugin", "start", "file", "simulator:file", status=1).err
    assert "plugin.name" in fleet("plugin", "start", "../x", status=1).err


def test_a_foreign_plugin_is_held_until_it_is_let_out(fleet):
    outside = fleet.folder / "outside"
    outside.mkdir()
    victim = outside / "file"

    def outcome(*options):
        victim.unlink(missing_ok=True)
        fleet("plugin", "start", f"other={FAKE} --touch {victim}", "--detach", *options)
        fleet("plugin", "stop", "other", "--time=1s", status=None)
        return (fleet.plugins / "other.outcome").read_text()

    assert outcome() == "Read-only file system"
    assert outcome("-p", f"ReadWritePaths={outside}") == "written"
    assert outcome("--no-sandbox") == "written"


def test_the_controllers_and_plugins_own_sandboxes_keep_them_from_the_system(fleet):
    fleet("plugin", "start", "group", "file", "--detach")
    for plugin in fleet.listed().values():
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{plugin['PID']}/status").read().splitlines() if ":\t" in line)
        assert int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1"
        root = [line.split() for line in open(f"/proc/{plugin['PID']}/mountinfo") if line.split()[4] == "/"]
        assert "ro" in root[-1][5].split(",")
    # The twin: what they are for works.
    fleet("instance", "provision", "file", "{}")
    assert len(fleet.instances()) == 1


def test_a_command_that_is_one_of_ours_is_held_as_ours(fleet):
    ours = os.readlink("/proc/%d/exe" % fleet_file_pid(fleet))
    fleet("plugin", "stop", "file")
    fleet("plugin", "start", f"mine={ours} --dir {fleet.folder}/mine", "--detach")
    assert fleet("instance", "provision", "mine", "{}").out.startswith("instance-")
    assert len(list((fleet.folder / "mine").iterdir())) == 1, "its folder was opened for it"


def test_older_plugins_that_know_no_hello_are_plugins(fleet):
    fleet("plugin", "start", f"old={FAKE} --old", "--detach")
    assert fleet.listed()["old"]["State"] == "answers"
    assert fleet("instance", "provision", "old", "{}").out == "fake-0\n"


def test_instances_by_hand(fleet):
    fleet("plugin", "start", "file", "--detach")
    properties = fleet.folder / "properties.json"
    properties.write_text('{"Note": {{ var "note" | quote }}}')
    assert fleet("instance", "validate", "file", "{}").out == "valid\n"
    one = fleet("instance", "provision", "file", properties, "--var", "note=v1", "--tag", "a=1", "--tag", "b=2", "--logical-id", "10.0.0.1").out.strip()
    two = fleet("instance", "provision", "file", "-", "--tag", "a=1", text="{}").out.strip()
    found = fleet.json("instance", "describe", "file", "--tag", "a=1", "--properties")["Descriptions"]
    assert {i["ID"] for i in found} == {one, two}
    first = next(i for i in found if i["ID"] == one)
    assert first["LogicalID"] == "10.0.0.1" and first["Tags"] == {"a": "1", "b": "2"} and first["Properties"] == {"Note": "v1"}
    assert fleet("instance", "describe", "file", "--tag", "b=2", "-q").out == one + "\n"
    fleet("instance", "label", "file", two, "--tag", "b=3")
    assert "a=1,b=3" in fleet("instance", "describe", "file", "--tag", "b=3").out
    fleet("instance", "destroy", "file", one, two)
    assert not fleet.instances()
    assert "instance.missing" in fleet("instance", "destroy", "file", "nosuch", status=1).err
    assert fleet("instance", "validate", "file", "[1]", status=1).err.count("json.value") == 1


def test_flavors_by_hand(fleet):
    fleet("plugin", "start", "vanilla", "--detach")
    assert fleet("flavor", "validate", "vanilla", '{"Init":["a"]}', "--size", "3").out == "valid\n"
    spec = json.loads(fleet("flavor", "prepare", "vanilla", '{"Init":["a","b"],"Tags":{"tier":"web"}}', "--tag", "x=y", "--group", "web").out)["Spec"]
    assert spec["Init"].split() == ["a", "b"] and spec["Tags"] == {"tier": "web", "x": "y"}
    assert fleet("flavor", "healthy", "vanilla", '{"Init":["a"]}', "some-instance").out == "healthy\n"
    assert fleet("flavor", "drain", "vanilla", '{"Init":["a"]}', '{"ID":"some-instance","LogicalID":null,"Tags":{}}').out == "drained\n"
    assert fleet("flavor", "validate", "vanilla", '{"Init":["a"],"InitScriptTemplateURL":"str://b"}', status=1).err


def test_words_that_are_wrong(fleet):
    assert fleet("plugin", "begin", status=2).err.startswith('bulkhead plugin: unknown verb "begin"')
    assert fleet("instance", "make", status=2).err.startswith('bulkhead instance: unknown verb "make"')
    assert fleet("plugin", "stop", status=2).err
    assert "plugin.missing" in fleet("instance", "describe", "nobody", status=1).err
    assert "plugin.name" in fleet("instance", "describe", "a/b/c", status=1).err
    assert fleet("plugin", "ls").out.split() == ["NAME", "STATE", "PID", "SANDBOX", "INTERFACES"]


def test_the_folder_of_the_file_plugin_can_be_said(world):
    bulkhead = os.environ.get("BULKHEAD", str(pathlib.Path(__file__).parents[2] / "build/src/bulkhead"))
    process = subprocess.Popen([bulkhead, "plugin", "start", "file", "--dir", "said"], cwd=world.folder, env=world.environment, stdout=world.log, stderr=world.log)
    try:
        until(lambda: (world.plugins / "file.pid").exists())
        world.client("file").call("Instance.Provision", Spec={"Tags": {"a": "1"}})
        assert len(list((world.folder / "said").glob("instance-*"))) == 1
    finally:
        process.terminate()
        process.wait(60)
