# SPDX-License-Identifier: LGPL-2.1-or-later
"""InfraKit's other objects on the controller: Metadata, Updatable, Controller, Manager."""
import json

import pytest

from fleet_world import Failure, document, until


def spec(size, note="v1", name="cattle"):
    return {"kind": "group", "version": "", "metadata": {"name": name, "tags": None}, "properties": document(size, note)["Properties"]}


def test_the_methods_of_metadata(world):
    world.start_all()
    world.commit(document(2))
    world.converged("cattle")
    client = world.client()
    assert client.call("Metadata.Keys", Name="group", Path="") == {"Name": "group", "Nodes": ["groups"]}
    assert client.call("Metadata.Keys", Name="group", Path="groups") == {"Name": "group", "Nodes": ["cattle"]}
    assert client.call("Metadata.Keys", Name="group", Path="groups/cattle/document")["Nodes"] == ["ID", "Properties"]
    assert client.call("Metadata.Get", Name="group", Path="groups/cattle/document/Properties/Allocation/Size") == {"Name": "group", "Value": 2}
    assert client.call("Metadata.Get", Name="group", Path="groups/cattle/status/Live")["Value"] == 2
    assert client.call("Metadata.Get", Name="group", Path=["groups", "cattle", "status", "Instances", "0", "Health"])["Value"] in ("good", "unknown")
    assert client.call("Metadata.Get", Name="group", Path="groups/none")["Value"] is None
    assert client.call("Metadata.Keys", Name="group", Path="groups/none")["Nodes"] == []


def test_the_methods_of_updatable(world):
    world.start_all()
    world.commit(document(2))
    world.converged("cattle")
    client = world.client()
    path = "groups/cattle/document/Properties/Allocation/Size"
    assert client.call("Updatable.Get", Name="group", Path=path)["Value"] == 2 and client.call("Updatable.Keys", Name="group", Path="groups")["Nodes"] == ["cattle"]
    changes = [{"Path": path, "Value": 4}, {"Path": "groups/cattle/document/Properties/Poll", "Value": "1h"}]
    proposal = client.call("Updatable.Changes", Name="group", Changes=changes)
    assert set(proposal) == {"Name", "Original", "Proposed", "Cas"} and len(proposal["Cas"]) == 32
    assert proposal["Original"]["groups"]["cattle"]["document"] == document(2)
    assert proposal["Proposed"]["groups"]["cattle"]["document"]["Properties"]["Poll"] == "1h" and world.count() == 2
    assert client.call("Updatable.Commit", Name="group", Proposed=proposal["Proposed"], Cas=proposal["Cas"]) == {"Name": "group"}
    until(lambda: world.count() == 4)
    with pytest.raises(Failure) as stale:
        client.call("Updatable.Commit", Name="group", Proposed=proposal["Proposed"], Cas=proposal["Cas"])
    assert stale.value.id == "fleet.stale"


def test_the_methods_of_a_controller(world):
    world.start_all()
    client = world.client()
    plan = client.call("Controller.Plan", Name="group", Operation=0, Spec=spec(2))
    assert plan["Name"] == "group" and plan["Plan"] == {"Message": ["Managing 2 instances"]} and world.count() == 0
    done = client.call("Controller.Commit", Name="group", Operation=0, Spec=spec(2))
    assert done["Object"]["metadata"]["name"] == "cattle" and done["Object"]["kind"] == "group" and "state" in done["Object"]
    world.converged("cattle")
    assert client.call("Controller.Plan", Name="group", Operation=0, Spec=spec(2))["Plan"]["Message"] == ["Noop"]
    objects = client.call("Controller.Describe", Name="group", Metadata=None)["Objects"]
    assert objects[0]["properties"] == document(2)["Properties"] and objects[0]["state"]["Live"] == 2
    assert client.call("Controller.Describe", Name="group", Metadata={"name": "cattle"})["Objects"][0]["metadata"]["id"] == "cattle"
    with pytest.raises(Failure) as unknown:
        client.call("Controller.Describe", Name="group", Metadata={"name": "none"})
    assert unknown.value.id == "group.unknown"
    freed = client.call("Controller.Free", Name="group", Metadata={"name": "cattle"})
    assert len(freed["Objects"]) == 1 and client.call("Controller.Describe", Name="group", Metadata=None)["Objects"] == [] and world.count() == 2
    client.call("Controller.Commit", Name="group", Operation=0, Spec=spec(2))
    assert client.call("Controller.Commit", Name="group", Operation=1, Spec=spec(2))["Plan"]["Message"] == ["Destroying the group"]
    until(lambda: world.count() == 0)


@pytest.mark.parametrize("wrong", [{"kind": "pool"}, {"metadata": {}}, {"properties": {"Allocation": {"Size": -1}}}, {"properties": None}])
def test_a_spec_that_is_no_group_is_refused(world, wrong):
    world.start_all()
    with pytest.raises(Failure):
        world.client().call("Controller.Commit", Name="group", Operation=0, Spec=dict(spec(1), **wrong))
    with pytest.raises(Failure):
        world.client().call("Controller.Commit", Name="group", Operation=2, Spec=spec(1))
    assert world.client().call("Controller.Describe", Name="group", Metadata=None)["Objects"] == []


def test_the_methods_of_the_manager(world):
    world.start_all()
    client = world.client()
    assert client.call("Stack.IsLeader") == {"Leader": True}
    assert set(client.call("Stack.LeaderLocation")["Location"]) >= {"Scheme", "Host", "Path"}
    assert client.call("Stack.Enforce", Specs=[spec(2), spec(1, name="pets")]) == {}
    world.converged("cattle"), world.converged("pets")
    assert world.count() == 3
    assert [s["metadata"]["name"] for s in client.call("Stack.Specs")["Specs"]] == ["cattle", "pets"]
    assert [o["state"]["Live"] for o in client.call("Stack.Inspect")["Objects"]] == [2, 1]
    assert client.call("Stack.Terminate", Specs=[spec(2)]) == {}
    until(lambda: world.count() == 1)
    assert json.loads(client.get("/info/api.json")[1])["Vendor"]["Name"] == "group"
