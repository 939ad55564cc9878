# SPDX-License-Identifier: LGPL-2.1-or-later
"""Instances whose properties are changed behind the controller's back: that is told, or they are replaced; and what is no drift is neither."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from fleet_world import BUILD, document, until

HERE = pathlib.Path(__file__).parent
QUICK = {"Interval": "1s"}
REPLACE = {"Interval": "1s", "Action": "replace"}
LOOKS = 3.5  # seconds in which the controller has looked at least twice


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
    time.sleep(LOOKS)
    assert len(events(running, "instance/drift")) == 1
    edit(running, name, Note="edited again")
    until(lambda: len(events(running, "instance/drift")) == 2)
    edit(running, name, Note="v1")
    until(lambda: events(running, "instance/drift-mended"))
    assert running.status("cattle")["Drifted"] == 0 and running.count() == 5 and name in running.instances()


def test_where_nothing_is_edited_nothing_is_told(running):
    commit(running, Drift=REPLACE)
    before = set(running.instances())
    for name in before: # what only one side has, and what is written in another way, is no drift
        edit(running, name, More={"than": "asked"})
    time.sleep(LOOKS)
    assert not [t for t in running.topics("cattle") if "drift" in t] and running.status("cattle")["Drifted"] == 0
    assert set(running.instances()) == before


def test_nobody_looks_who_is_told_not_to(running):
    commit(running, Drift={"Interval": "0s"})
    edit(running, sorted(running.instances())[0], Note="edited")
    time.sleep(LOOKS)
    assert not [t for t in running.topics("cattle") if "drift" in t]


def test_the_drifted_are_replaced_within_the_budget_and_the_others_serve(running):
    commit(running, size=10, Drift=REPLACE, Health={"Budget": 2})
    before = set(running.instances())
    edited = sorted(before)[:4]
    for name in edited:
        edit(running, name, Note="edited")
    least = 10
    end = time.monotonic() + 20
    while set(edited) & set(running.instances()) or running.count() < 10:
        least = min(least, running.count())
        assert time.monotonic() < end
    assert least >= 8
    running.converged("cattle")
    now = running.instances()
    assert before - set(now) == set(edited) and {i["Spec"]["Properties"]["Note"] for i in now.values()} == {"v1"}
    assert {e["ID"] for e in events(running, "instance/drift")} <= set(edited)


def test_too_many_are_left_alone(running):
    commit(running, size=10, Drift=REPLACE, Health={"Budget": 2})
    before = set(running.instances())
    for name in before:
        edit(running, name, Note="edited")
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
    time.sleep(LOOKS)
    assert name in running.instances() and running.status("cattle")["Drifted"] == 1


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
    time.sleep(LOOKS)
    assert not [t for t in running.topics("cattle") if "drift" in t] and set(running.instances()) == before
    # What the flavor left alone is watched.
    edit(running, sorted(before)[0], Size=8, Note="whatever")
    assert until(lambda: events(running, "instance/drift"))[0]["Message"] == "/Size is 8, not 7"


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
