# SPDX-License-Identifier: LGPL-2.1-or-later
"""instance-vagrant with a stand-in for vagrant: what must hold when it is slow, fails or is killed. test_vagrant_real.py has the real one."""
import json
import pathlib

import pytest

from plugin import Plugin, Refused, eventually

BOX = {"Box": "debian/bookworm64", "CPUs": 2, "Memory": "512M"}
STAND_IN = pathlib.Path(__file__).parent / "vagrant_stand_in"


class World:
    """What the stand-in knows."""

    def __init__(self, path):
        self.path = path

    def machines(self):
        return sorted(p.name for p in (self.path / "machines").glob("*"))

    def calls(self):
        return (self.path / "calls").read_text().splitlines() if (self.path / "calls").exists() else []

    def ended(self):
        return (self.path / "ended").read_text().splitlines() if (self.path / "ended").exists() else []

    def set(self, name):
        (self.path / name).touch()

    def unset(self, name):
        (self.path / name).unlink()

    def begun(self):
        return (self.path / "begun").exists()


@pytest.fixture
def world(folder):
    path = folder / "world"
    path.mkdir()
    w = World(path)
    yield w
    (path / "slow-up").unlink(missing_ok=True)


@pytest.fixture
def vagrant(folder, world):
    p = Plugin("vagrant", folder, ["--dir", folder / "state", "--vagrant", STAND_IN, "--environment", "WORLD", "--check", "100ms"],
               {"WORLD": str(world.path), "SECRET": "of ours"})
    with p:
        yield p


def test_an_instance_is_provisioned_described_labelled_and_destroyed(vagrant, world, folder):
    i = vagrant.provision(BOX, {"infrakit.group": "web"}, "token-1", LogicalID="192.168.56.7")
    assert world.machines() == [i]
    [d] = vagrant.describe({"infrakit.group": "web"}, properties=True)
    assert d["ID"] == i and d["LogicalID"] == "192.168.56.7" and d["Properties"] == BOX
    assert d["Tags"] == {"infrakit.group": "web", "bulkhead.token": "token-1"}
    assert vagrant.ids({"infrakit.group": "other"}) == []
    vagrant.label(i, color="red")
    vagrant.label(i, **{"infrakit.group": "web2"})
    assert vagrant.describe()[0]["Tags"] == {"infrakit.group": "web2", "bulkhead.token": "token-1", "color": "red"}
    text = (folder / "state" / i / "Vagrantfile").read_text()
    assert "config.vm.box = 'debian/bookworm64'" in text and "ip: '192.168.56.7'" in text and "provider.memory = 512" in text
    vagrant.destroy(i)
    assert vagrant.ids() == [] and world.machines() == []
    assert [p.name for p in (folder / "state").iterdir()] == [".lock"]


def test_a_vagrantfile_that_somebody_edited_is_described_as_another(vagrant, folder):
    i = vagrant.provision(BOX, token="t")
    path = folder / "state" / i / "Vagrantfile"
    path.write_text(path.read_text().replace("provider.memory = 512", "provider.memory = 4096"))
    assert vagrant.describe(properties=True)[0]["Properties"] == {**BOX, "Box": "debian/bookworm64 with another Vagrantfile"}


def test_what_is_not_there_cannot_be_labelled_or_destroyed(vagrant):
    for act in (lambda: vagrant.destroy("bh-" + "0" * 32), lambda: vagrant.label("bh-" + "0" * 32, a="b"), lambda: vagrant.destroy("../world")):
        with pytest.raises(Refused, match="no instance"):
            act()


def test_the_same_token_twice_gives_one_and_no_token_gives_another_each_time(vagrant, world):
    assert vagrant.provision(BOX, token="t") == vagrant.provision(BOX, token="t")
    assert len(world.machines()) == 1
    assert vagrant.provision(BOX) != vagrant.provision(BOX)
    assert len(world.machines()) == 3


def test_the_same_token_at_the_same_time_gives_one(vagrant, world):
    world.set("slow-up")
    threads = [vagrant.provision_in_background(BOX, token="t") for _ in range(4)]
    eventually(world.begun)
    # Known while it is being made, and with its tags, so that nobody makes another.
    assert len(vagrant.ids({"bulkhead.token": "t"})) == 1
    world.unset("slow-up")
    for t in threads:
        t.join(60)
    assert {t.outcome for t in threads} == set(world.machines()) and len(world.machines()) == 1
    assert sum(" up " in c for c in world.calls()) == 1


def test_one_slow_machine_holds_up_no_other(vagrant, world):
    world.set("slow-up")
    slow = vagrant.provision_in_background(BOX, token="slow")
    eventually(world.begun)
    vagrant.label(vagrant.ids()[0], seen="yes")
    assert vagrant.describe()[0]["Tags"]["seen"] == "yes"
    world.unset("slow-up")
    slow.join(60)
    assert vagrant.describe()[0]["Tags"]["seen"] == "yes", "the label is lost when the machine is ready"


@pytest.mark.parametrize("restarted", [True, False], ids=["finished-by-itself", "asked-again"])
def test_kill_9_in_the_middle_of_a_provision_makes_no_second(vagrant, world, folder, restarted):
    world.set("slow-up")
    vagrant.provision_in_background(BOX, {"infrakit.group": "web"}, "t")
    eventually(world.begun)
    vagrant.kill()
    if restarted:
        vagrant.start()
        assert len(vagrant.ids({"infrakit.group": "web"})) == 1
        world.unset("slow-up")
        record = folder / "state" / vagrant.ids()[0] / "instance.json"
        eventually(lambda: json.loads(record.read_text())["Stage"] == "ready")
    else:
        world.unset("slow-up")
        vagrant.start()
    i = vagrant.provision(BOX, {"infrakit.group": "web"}, "t")
    assert vagrant.ids() == [i] and world.machines() == [i]


def test_a_vagrant_that_outlives_its_plugin_is_waited_for(vagrant, world):
    world.set("slow-up")
    vagrant.provision_in_background(BOX, token="t")
    eventually(world.begun)
    vagrant.kill()
    vagrant.start()
    again = vagrant.provision_in_background(BOX, token="t")
    again.join(0.5)
    assert again.is_alive() and sum(" up " in c for c in world.calls()) == 1, "two vagrants in one folder"
    world.unset("slow-up")
    again.join(60)
    assert world.machines() == [again.outcome]


def test_a_plugin_that_is_told_to_end_does_not_wait_for_what_it_finishes_by_itself(vagrant, world):
    world.set("slow-up")
    vagrant.provision_in_background(BOX, token="t")
    eventually(world.begun)
    vagrant.kill()
    # The first one ends, so that it is the next plugin's own work.
    world.set("fail-up"), world.set("fail-destroy"), world.unset("slow-up")
    eventually(lambda: any(c.endswith(" up") for c in world.ended()))
    [i] = world.machines()
    world.unset("fail-up"), world.unset("fail-destroy"), world.set("slow-up")
    vagrant.start()
    eventually(lambda: sum(" up " in c for c in world.calls()) == 2)
    vagrant.stop()
    world.unset("slow-up")
    vagrant.start()
    assert vagrant.provision(BOX, token="t") == i and world.machines() == [i]


def test_what_cannot_be_made_is_cleared_away_and_told(vagrant, world, folder):
    world.set("fail-up")
    with pytest.raises(Refused, match="no such box"):
        vagrant.provision(BOX, token="t")
    assert vagrant.ids() == [] and world.machines() == []
    world.unset("fail-up")
    assert world.machines() == [] and vagrant.provision(BOX, token="t") in world.machines()


def test_what_can_neither_be_made_nor_cleared_away_is_cleared_later(vagrant, world):
    world.set("fail-up"), world.set("fail-destroy")
    with pytest.raises(Refused, match="no such box"):
        vagrant.provision(BOX, token="t")
    assert vagrant.ids() == [] and len(world.machines()) == 1
    with pytest.raises(Refused, match="hypervisor"):
        vagrant.provision(BOX, token="t")
    world.unset("fail-destroy")
    eventually(lambda: world.machines() == [])


def test_a_failed_destroy_is_told_and_forgets_nothing(vagrant, world):
    i = vagrant.provision(BOX, {"infrakit.group": "web"}, "t")
    world.set("fail-destroy")
    with pytest.raises(Refused, match="cannot reach the hypervisor"):
        vagrant.destroy(i)
    assert vagrant.ids({"infrakit.group": "web"}) == [i] and world.machines() == [i]
    world.unset("fail-destroy")
    eventually(lambda: vagrant.ids() == [] and world.machines() == [])


def test_a_machine_that_stops_is_told_and_cleared_away(vagrant, world):
    i = vagrant.provision(BOX, token="t")
    kept = vagrant.provision({**BOX, "OnStop": "keep"}, token="u")
    events = vagrant.events()
    for name in (i, kept):
        (world.path / "machines" / name).write_text("poweroff\n")
    events.tell("vanished", i)
    eventually(lambda: world.machines() == [kept])
    assert vagrant.ids() == [kept]


def test_a_state_that_says_nothing_takes_nothing_away(vagrant, world):
    i = vagrant.provision(BOX, token="t")
    before = len(world.calls())
    (world.path / "machines" / i).write_text("saved\n")
    eventually(lambda: len(world.calls()) > before + 2)
    assert vagrant.ids() == [i] and world.machines() == [i]


def test_folders_of_others_are_left_alone(vagrant, world, folder):
    foreign = folder / "state" / ("bh-" + "1" * 32)
    foreign.mkdir()
    (foreign / "Vagrantfile").write_text("another's")
    other = folder / "state" / "mine"
    other.mkdir()
    assert vagrant.ids() == []
    with pytest.raises(Refused, match="no instance"):
        vagrant.destroy(foreign.name)
    vagrant.stop()
    vagrant.start()
    assert [p.name for p in foreign.iterdir()] == ["Vagrantfile"] and other.exists() and world.calls() == []


def test_a_damaged_record_is_told_and_nothing_is_done(vagrant, folder):
    i = vagrant.provision(BOX, token="t")
    record = folder / "state" / i / "instance.json"
    whole = record.read_text()
    record.write_text(whole[:40])
    for act in (vagrant.describe, lambda: vagrant.destroy(i), lambda: vagrant.provision(BOX, token="t")):
        with pytest.raises(Refused, match="instance.json"):
            act()
    record.write_text(whole)
    assert vagrant.ids() == [i]


def test_documents_run_no_code_here(vagrant, folder, world):
    evil = "x'; system('touch %s/hit'); '" % folder
    for bad in ({"Box": evil}, {"Box": "-x"}, {"Box": "b", "Hostname": "a'b"}, {"Box": "b", "BoxVersion": evil}, {"Box": "b", "Networks": [{"Kind": "public", "Bridge": evil}]},
                {"Box": "b", "Networks": ["private_network, ip: '1'"]}, {"Vagrantfile": "system 'true'"}, {"Box": "b", "Memory": 0}, {"Box": "b", "CPUs": 0},
                {"Box": "b", "Networks": [{"Kind": "private", "IP": "1.2.3"}]}, {"Box": "b", "Networks": [{"Kind": "forward", "Guest": 80}]}, {}):
        with pytest.raises(Refused):
            vagrant.validate(bad)
        with pytest.raises(Refused):
            vagrant.provision(bad, token="t")
    with pytest.raises(Refused, match="LogicalID"):
        vagrant.provision(BOX, token="t", LogicalID=evil)
    assert world.calls() == [] and vagrant.ids() == []
    good = {"Box": "b", "Networks": ["private_network", {"Kind": "forward", "Guest": 80, "Host": 8080}, {"Kind": "public", "Bridge": "br0", "IP": "10.0.0.2"}]}
    vagrant.validate(good)


def test_a_vagrantfile_is_taken_where_the_operator_allows_it(vagrant, folder):
    vagrant.stop()
    vagrant.options.append("--allow-vagrantfile")
    vagrant.start()
    i = vagrant.provision({"Vagrantfile": "Vagrant.configure('2') { }\n"}, token="t")
    assert (folder / "state" / i / "Vagrantfile").read_text() == "Vagrant.configure('2') { }\n"


def test_vagrant_sees_only_the_environment_that_is_meant_for_it(vagrant, folder, world):
    seen = folder / "seen"
    script = folder / "show"
    script.write_text(f"#!/bin/sh\nenv >{seen}.$$\nmv {seen}.$$ {seen}\nls -l /proc/self/fd >{seen}.$$\nmv {seen}.$$ {seen}.fds\nexec {STAND_IN} \"$@\"\n")
    script.chmod(0o755)
    vagrant.stop()
    vagrant.options[vagrant.options.index("--vagrant") + 1] = str(script)
    vagrant.start()
    vagrant.provision(BOX, token="t")
    names = {line.split("=")[0] for line in seen.read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "LANG", "HOME", "WORLD", "VAGRANT_NO_COLOR", "VAGRANT_CHECKPOINT_DISABLE"}
    assert str(vagrant.socket) not in pathlib.Path(f"{seen}.fds").read_text() and "socket:" not in pathlib.Path(f"{seen}.fds").read_text()


def test_init_is_there_for_the_first_boot_and_not_kept(vagrant, folder, world):
    world.set("slow-up")
    t = vagrant.provision_in_background(BOX, token="t", Init="echo secret\n")
    eventually(world.begun)
    i = vagrant.ids()[0]
    init = folder / "state" / i / "init"
    assert init.read_text() == "echo secret\n" and init.stat().st_mode & 0o077 == 0
    world.unset("slow-up")
    t.join(60)
    assert not init.exists()
    vagrant.stop()  # or it would write while we read
    for p in (folder / "state").rglob("*"):
        assert p.is_dir() or "secret" not in p.read_text()


def test_a_time_limit_ends_vagrant_and_all_that_it_started(vagrant, folder, world):
    vagrant.stop()
    vagrant.options += ["--up-limit", "500ms"]
    vagrant.start()
    world.set("slow-up")
    with pytest.raises(Refused, match="did not end in 0.5 s"):
        vagrant.provision(BOX, token="t")
    assert vagrant.ids() == [] and world.machines() == []


def test_one_folder_has_one_plugin(vagrant, folder):
    (folder / "second").mkdir()
    second = Plugin("vagrant", folder / "second", vagrant.options, vagrant.environment)
    with pytest.raises(AssertionError):
        second.start()
    assert "plugin.in-use" in second.words()


def test_leftovers_of_a_crash_are_tidied(vagrant, folder):
    vagrant.stop()
    for name in (".new-0123456789abcdef", ".old-0123456789abcdef"):
        (folder / "state" / name).mkdir()
        (folder / "state" / name / "Vagrantfile").touch()
    vagrant.start()
    assert [p.name for p in (folder / "state").iterdir()] == [".lock"]
