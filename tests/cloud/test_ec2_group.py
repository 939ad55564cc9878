# SPDX-License-Identifier: LGPL-2.1-or-later
"""A group of instances of EC2 under the real controller, with the faults of a cloud."""
import os
import time

import pytest

from plugin import Plugin, program


def document(size, image="ami-1", type_=None, **more):
    return {"ID": "web", "Properties": {
        "Allocation": {"Size": size},
        "Instance": {"Plugin": "aws/ec2-instance", "Properties": {"RunInstancesInput": {"ImageId": image, **({"InstanceType": type_} if type_ else {})}}},
        "Flavor": {"Plugin": "vanilla", "Properties": {"Init": ["echo hi"]}},
        "Limits": {"Backoff": "100ms", "BackoffMax": "500ms", "Attempts": 50}, "Poll": "500ms", **more}}


@pytest.fixture(name="world")
def _world(tmp_path, start_ec2):
    for name in ("bulkhead-groupd", "bulkhead-flavor-vanilla"):
        if not program(name).exists():
            pytest.skip(f"{name} is not in this build")
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o700)

    def aws():
        return start_ec2(path=folder / "aws")

    others = [Plugin("bulkhead-flavor-vanilla", tmp_path, {}, path=folder / "vanilla").start(),
              Plugin("bulkhead-groupd", tmp_path, {}, "--plugins", str(folder), "--store", str(tmp_path / "state.db"), path=folder / "group")]
    plugin = aws()
    yield {"aws": plugin, "start": aws, "group": others[1].start()}
    for p in reversed(others):
        p.stop()


def commit(world, *args, **more):
    return world["group"].call("Group.CommitGroup", Name="group", Spec=document(*args, **more), Pretend=False)


def wait(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.1)


def settled(cloud, size, image="ami-1"):
    return sorted(i["parameters"]["ImageId"] for i in cloud.running()) == [image] * size


def test_a_group_comes_rolls_and_goes(world, cloud):
    cloud.faults.lag = 1
    cloud.faults.drop = {"RunInstances": 2}
    cloud.faults.throttle = 3
    commit(world, 3)
    wait(lambda: settled(cloud, 3))
    assert all(i["tags"]["infrakit.group"] == "web" and i["tags"]["infrakit.config.hash"] for i in cloud.running())
    commit(world, 3, image="ami-2")
    wait(lambda: settled(cloud, 3, "ami-2"), 120)
    time.sleep(2)
    assert settled(cloud, 3, "ami-2")
    world["group"].call("Group.DestroyGroup", Name="group", ID="web")
    wait(lambda: not cloud.running())


def drift_of(world):
    events = world["group"].call("Fleet.Events", Group="web", Max=1000)["Events"]
    return [(e["ID"], e["Message"]) for e in events if e["Topic"] == "instance/drift"]


def test_an_instance_of_another_type_than_its_document_says_has_drifted(world, cloud):
    commit(world, 2, type_="t3.micro", Drift={"Interval": "1s"})
    wait(lambda: settled(cloud, 2))
    time.sleep(3)
    assert not drift_of(world)
    changed = cloud.running()[0]
    changed["parameters"]["InstanceType"] = "m5.large"
    wait(lambda: drift_of(world))
    assert drift_of(world) == [(changed["id"], '/RunInstancesInput/InstanceType is "m5.large", not "t3.micro"')]
    assert world["group"].call("Fleet.Status", ID="web")["Groups"][0]["Drifted"] == 1
    commit(world, 2, type_="t3.micro", Drift={"Interval": "1s", "Action": "replace"})
    wait(lambda: settled(cloud, 2) and {i["parameters"]["InstanceType"] for i in cloud.running()} == {"t3.micro"})


@pytest.mark.skipif(os.environ.get("BULKHEAD_CHECK") != "--full", reason="the absence of an instance so young is believed after a minute: --full")
@pytest.mark.parametrize("told", [True, False], ids=["told", "reply-lost"])
def test_a_group_heals_what_others_ended(world, cloud, told):
    cloud.faults.drop = {} if told else {"RunInstances": 1}
    commit(world, 3)
    wait(lambda: len(cloud.instances) == 3)
    first = next(iter(cloud.instances.values()))
    first["ended"] = time.monotonic()
    wait(lambda: settled(cloud, 3), 150)
    assert len(cloud.instances) == 4


def test_a_plugin_that_is_killed_while_it_provisions_leaves_no_instance_too_many(world, cloud):
    cloud.faults.drop = {"RunInstances": 10**6}
    commit(world, 4)
    wait(lambda: cloud.running())
    world["aws"].stop(kill=True)
    cloud.faults.drop = {}
    world["start"]()
    wait(lambda: settled(cloud, 4))
    time.sleep(3)
    assert settled(cloud, 4) and len(cloud.instances) == 4
