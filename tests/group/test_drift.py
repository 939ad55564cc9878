# SPDX-License-Identifier: LGPL-2.1-or-later
"""Instances whose properties are changed behind the controller's back: that is told, or they are replaced; and what is no drift is neither."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from fleet_world import BUILD, Floor, document, until

HERE = pathlib.Path(__file__).parent
QUICK = {"Interval": "1s"}
REPLACE = {"Interval": "1s", "Action": "replace"}
LOOKS = 2.5  # seconds in which the controller has looked twice; for what can only be seen not to happen


@pytest.fixture
def running(world):
    world.start_all()
    return world


def edit(world, name, **properties):
    """As a person with an editor does."""
    path = world.files / name
    content = json.loads(path.read_text())
    content["Spec"]["Properties"].update(properties)
    new = world.files / ".edited"
    new.write_text(json.dumps(content))
    os.rename(new, path)


def events(world, topic):
    return [e for e in world.client().call("Fleet.Events", Group="cattle", Max=1000)["Events"] if e["Topic"] == topic]


def look(world, name):
    """Waits until the controller has looked once more: it sees this one edited."""
    before = len(events(world, "instance/drift"))
    edit(world, name, Note=f"edit {before}")
    until(lambda: [e for e in events(world, "instance/drift")[before:] if e["ID"] == name])


def commit(world, size=5, **more):
    world.commit(document(size=size, **more))
    return world.converged("cattle")


def test_a_change_is_told_once_with_pointer_and_values_and_so_is_its_mending(running):
    commit(running, Drift=QUICK)
    name = sorted(running.instances())[0]
    edit(running, name, Note="edited")
    told = until(lambda: events(running, "instance/drift"))
    assert [(e["ID"], e["Message"]) for e in told] == [(name, '/Note is "edited", not "v1"')]
    status = running.status("cattle", Instances=True)
    assert status["Drifted"] == 1 and status["Converged"]
    assert {i["ID"]: i.get("Drift") for i in status["Instances"]}[name] == '/Note is "edited", not "v1"'
    assert sum("Drift" in i for i in status["Instances"]) == 1
    described = running.client().call("Group.DescribeGroup", Name="group", ID="cattle")["Description"]
    assert described["Drifted"] == 1 and sum("Drift" in i for i in described["Instances"]) == 1
    others = sorted(running.instances())[1:3]
    for other in others:
        look(running, other)
    assert [e["ID"] for e in events(running, "instance/drift")] == [name, *others]
    edit(running, name, Note="edited again")
    until(lambda: len(events(running, "instance/drift")) == 4)
    for edited in (name, *others):
        edit(running, edited, Note="v1")
    until(lambda: len(events(running, "instance/drift-mended")) == 3)
    assert running.status("cattle")["Drifted"] == 0 and running.count() == 5 and name in running.instances()


def test_where_nothing_is_edited_nothing_is_told(running):
    commit(running, Drift=REPLACE)
    before = set(running.instances())
    for name in before: # what only one side has, and what is written in another way, is no drift
        edit(running, name, More={"than": "asked"})
    # Twice it looks at all of them: at another each time, which is told and replaced.
    for name in (others := sorted(before)[:2]):
        look(running, name)
        until(lambda name=name: name not in running.instances() and running.count() == 5)
    assert [e["ID"] for e in events(running, "instance/drift")] == others and before - set(running.instances()) == set(others)


def test_nobody_looks_who_is_told_not_to(running):
    commit(running, Drift={"Interval": "0s"})
    edit(running, sorted(running.instances())[0], Note="edited")
    time.sleep(LOOKS)
    assert not [t for t in running.topics("cattle") if "drift" in t]


def test_the_drifted_are_replaced_within_the_budget_and_the_others_serve(running):
    commit(running, size=10, Drift=REPLACE, Health={"Budget": 2})
    before = set(running.instances())
    edited = sorted(before)[:4]
    with Floor(running) as floor:
        for name in edited:
            edit(running, name, Note="edited")
        until(lambda: not set(edited) & set(running.instances()) and running.count() == 10)
        running.converged("cattle")
    assert floor.least >= 8
    now = running.instances()
    assert before - set(now) == set(edited) and {i["Spec"]["Properties"]["Note"] for i in now.values()} == {"v1"}
    assert {e["ID"] for e in events(running, "instance/drift")} <= set(edited)


def test_too_many_are_left_alone(running):
    commit(running, size=10, Drift=REPLACE, Health={"Budget": 2})
    before = set(running.instances())
    # All at once: who looked in between would see few, and replace them.
    running.processes["file"].send_signal(signal.SIGSTOP)
    for name in before:
        edit(running, name, Note="edited")
    running.processes["file"].send_signal(signal.SIGCONT)
    until(lambda: events(running, "drift/stopped"))
    time.sleep(LOOKS)
    left = set(running.instances()) & before
    assert len(left) >= 8 and running.status("cattle")["DriftStopped"] and not running.status("cattle")["Converged"]


def test_the_protected_stay(running):
    commit(running, Drift=QUICK)
    name = sorted(running.instances())[0]
    running.commit(document(size=5, Drift=REPLACE, Protection={"Instances": [name]}))
    edit(running, name, Note="edited")
    until(lambda: events(running, "instance/drift"))
    for other in sorted(set(running.instances()) - {name})[:2]:  # the twins
        look(running, other)
        until(lambda other=other: other not in running.instances() and running.count() == 5)
    assert name in running.instances()
    until(lambda: running.status("cattle")["Drifted"] == 1)


def test_secrets_are_not_told(running):
    running.commit({"ID": "cattle", "Properties": dict(document(size=1)["Properties"], Drift=QUICK,
                                                       Instance={"Plugin": "file", "Properties": {"Password": "hunter2", "Env": ["TOKEN=abc"]}})})
    running.converged("cattle")
    edit(running, list(running.instances())[0], Password="hunter3", Env=["TOKEN=def"])
    told = until(lambda: events(running, "instance/drift"))
    assert told[0]["Message"] == "/Password has changed; /Env has changed"


@pytest.mark.parametrize("drift", [QUICK, REPLACE])
def test_what_a_flavor_changes_is_no_drift_nor_after_a_restart(running, drift):
    flavor = subprocess.Popen([sys.executable, HERE / "drifting_flavor.py", running.plugins / "shaper"], stdin=subprocess.DEVNULL)
    running.processes["shaper"] = flavor
    until((running.plugins / "shaper").exists)
    document_ = document(size=3, flavor="shaper", Drift=drift)
    document_["Properties"]["Instance"]["Properties"]["Size"] = 7
    running.commit(document_)
    running.converged("cattle")
    before = set(running.instances())
    assert {i["Tags"]["bulkhead.prepared"] for i in running.instances().values()} == {"/Note"}
    running.kill("group")
    running.start("bulkhead-groupd")
    # What the flavor left alone is watched; when the controller has seen that it has looked at the others as well, twice.
    edited = sorted(before)[:2]
    for name in edited:
        told = len(events(running, "instance/drift"))
        edit(running, name, Size=8, Note="whatever")
        until(lambda told=told: len(events(running, "instance/drift")) > told)
    assert [(e["ID"], e["Message"]) for e in events(running, "instance/drift")] == [(name, "/Size is 8, not 7") for name in edited]
    assert before - set(running.instances()) <= set(edited if drift is REPLACE else [])


def test_plan_status_and_describe_show_it(running):
    commit(running, size=3, Drift=QUICK)

    def bulkhead(*words):
        return subprocess.run([BUILD / "src/bulkhead", *words], env=running.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout

    name = sorted(running.instances())[0]
    edit(running, name, Note="edited")
    until(lambda: running.status("cattle")["Drifted"])
    file = running.folder / "fleet.json"
    file.write_text(json.dumps(document(size=3, Drift=QUICK)))
    plan = bulkhead("plan", str(file))
    assert "1 of its instances has drifted, and stays" in plan
    shown = json.loads(bulkhead("plan", "--json", str(file)))
    assert shown["Groups"][0]["Drifted"] == 1 and shown["Groups"][0]["DriftAction"] == "tell"
    assert "DRIFTED" in bulkhead("status") and json.loads(bulkhead("status", "--json"))["Groups"][0]["Drifted"] == 1
    one = bulkhead("status", "cattle")
    assert f'drifted: /Note is "edited", not "v1"' in one
    described = bulkhead("group", "describe", "cattle")
    assert 'drifted: /Note is "edited", not "v1"' in described and "1 drifted, converged" in described
