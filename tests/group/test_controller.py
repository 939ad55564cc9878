# SPDX-License-Identifier: LGPL-2.1-or-later
"""The controller with its real plugins: what it heals, rolls, refuses and remembers."""
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

from fleet_world import Failure, Floor, document, steady, until


def sick_flavor(world, **orders):
    """A flavor in Python whose answers the test chooses."""
    path = world.folder / "orders"
    path.write_text(json.dumps(orders))
    script = pathlib.Path(__file__).parent / "sick_flavor.py"
    process = subprocess.Popen([sys.executable, str(script), str(world.plugins / "sick"), str(path)], stdout=world.log, stderr=world.log)
    world.processes["sick"] = process
    until(lambda: (world.plugins / "sick").exists())
    return path


def order(path, **orders):
    path.with_suffix(".new").write_text(json.dumps(orders))
    path.with_suffix(".new").rename(path)


# ---- count, tags, what is not ours ----


def test_a_lost_instance_is_replaced_at_once(world):
    world.start_all("--poll", "1h")
    world.commit(document(3))
    world.converged("cattle")
    before = set(world.instances())
    (world.files / sorted(before)[1]).unlink()
    until(lambda: world.count() == 3 and set(world.instances()) != before)
    assert len(before & set(world.instances())) == 2
    assert "instance/lost" in world.topics()


def test_what_does_not_carry_our_tag_is_left_alone(world):
    world.start_all()
    strangers = [world.client("file").call("Instance.Provision", Spec={"Tags": tags})["ID"] for tags in ({}, {"infrakit.group": "other"}, {"group": "cattle"})]
    world.commit(document(2))
    world.converged("cattle")
    world.client().call("Group.SetSize", ID="cattle", Size=0)
    until(lambda: world.count() == 3)
    world.client().call("Group.DestroyGroup", ID="cattle")
    until(lambda: not world.client().call("Group.InspectGroups", ID="")["Groups"])
    assert set(world.instances()) == set(strangers)


def test_a_group_is_scaled_to_zero_and_back(world):
    world.start_all()
    world.commit(document(3))
    world.converged("cattle")
    for size in (0, 2, 0, 5):
        world.client().call("Group.SetSize", ID="cattle", Size=size)
        until(lambda: world.count() == size)
        assert world.converged("cattle")["Size"] == size


def test_instances_of_another_controller_are_taken_over_without_a_change(world):
    world.start_all()
    tags = {"infrakit.group": "cattle", "infrakit.config.hash": "exemksx4tnkcpagwrtbbvcsjvys6otrk"}
    made = {world.client("file").call("Instance.Provision", Spec={"Tags": tags, "Properties": {"Note": "v1"}})["ID"] for _ in range(3)}
    assert world.commit(document(3), Pretend=True) == "Noop"
    world.commit(document(3))
    world.converged("cattle")
    assert set(world.instances()) == made


def test_instances_that_ask_to_be_adopted_get_the_real_hash(world):
    world.start_all()
    tags = {"infrakit.group": "cattle", "infrakit.config.hash": "bootstrap"}
    made = world.client("file").call("Instance.Provision", Spec={"Tags": tags})["ID"]
    world.commit(document(1))
    until(lambda: world.instances()[made]["Tags"]["infrakit.config.hash"] == "exemksx4tnkcpagwrtbbvcsjvys6otrk")
    assert list(world.instances()) == [made]


def test_an_unknown_instance_is_not_destroyed_and_the_size_stays(world):
    world.start_all()
    world.commit(document(3))
    world.converged("cattle")
    with pytest.raises(Failure) as refused:
        world.client().call("Group.DestroyInstances", ID="cattle", Instances=[sorted(world.instances())[0], "instance-nobody"])
    assert refused.value.id == "instance.missing"
    assert world.count() == 3 and world.client().call("Group.Size", ID="cattle")["Size"] == 3


def test_a_protected_group_is_neither_destroyed_nor_emptied(world):
    world.start_all()
    world.commit(document(2, Protection={"Group": True}))
    world.converged("cattle")
    for method, more in (("DestroyGroup", {}), ("SetSize", {"Size": 0})):
        with pytest.raises(Failure) as refused:
            world.client().call(f"Group.{method}", ID="cattle", **more)
        assert refused.value.id == "group.protected"
    assert world.count() == 2
    world.client().call("Group.SetSize", ID="cattle", Size=1)  # the twin: what is not protected works
    until(lambda: world.count() == 1)
    world.commit(document(1))
    world.client().call("Group.DestroyGroup", ID="cattle")
    until(lambda: world.count() == 0)


def test_a_document_that_no_plugin_takes_is_refused_and_nothing_is_kept(world):
    world.start_all()
    rows = [(document(plugin="nosuch"), "rpc.unreachable"), (document(plugin="no such"), "json.value"), (document(flavor="nosuch"), "rpc.unreachable"),
            (document(Allocation={}), "json.value"), (document(Allocation={"Size": 1, "LogicalIDs": ["a"]}), "json.value"),
            (document(Updating={"Surg": 1}), "json.value")]
    for spec, id in rows:
        with pytest.raises(Failure) as refused:
            world.commit(spec)
        assert refused.value.id in (id, "plugin.name"), refused.value
    assert world.client().call("Group.InspectGroups", ID="")["Groups"] == []


# ---- rolls ----


@pytest.mark.parametrize("size,batch", [(1, 1), (3, 1), (10, 3), (20, "50%")])
def test_a_roll_replaces_all_and_never_has_fewer(world, size, batch):
    world.start_all()
    world.commit(document(size, Updating={"Batch": batch, "Surge": batch}))
    world.converged("cattle")
    before = set(world.instances())
    with Floor(world) as floor:
        world.commit(document(size, "v2", Updating={"Batch": batch, "Surge": batch}))
        until(lambda: not before & set(world.instances()))
        world.converged("cattle")
    assert floor.least >= size
    assert {i["Spec"]["Properties"]["Note"] for i in world.instances().values()} == {"v2"}
    assert world.topics()[-2:] == ["roll/done", "group/converged"]


def test_a_sick_revision_is_rolled_back_by_its_deadline(world):
    world.start_all()
    orders = sick_flavor(world, sick=["v2"])
    updating = {"Surge": 1, "Deadline": "2s", "OnFailure": "rollback"}
    world.commit(document(3, flavor="sick", Updating=updating))
    world.converged("cattle")
    before = set(world.instances())
    with Floor(world) as floor:
        world.commit(document(3, "v2", flavor="sick", Updating=updating))
        until(lambda: world.status("cattle")["Revision"] == 3)
        world.converged("cattle")
    assert floor.least >= 3
    assert set(world.instances()) == before and orders.exists()
    history = world.client().call("Fleet.History", ID="cattle")["Revisions"]
    assert [r["Revision"] for r in history] == [3, 2, 1] and "rolled back" in history[0]["Reason"]
    assert history[0]["Document"]["Properties"]["Instance"] == history[2]["Document"]["Properties"]["Instance"]


def test_a_sick_revision_stops_and_waits_where_that_is_wanted(world):
    world.start_all()
    orders = sick_flavor(world, sick=["v2"])
    world.commit(document(3, flavor="sick", Updating={"Deadline": "500ms", "OnFailure": "pause"}))
    world.converged("cattle")
    world.commit(document(3, "v2", flavor="sick", Updating={"Deadline": "500ms", "OnFailure": "pause"}))
    until(lambda: world.status("cattle")["Roll"]["Phase"] in ("failed", "paused"))
    notes = [i["Spec"]["Properties"]["Note"] for i in world.instances().values()]
    assert notes.count("v1") == 3
    order(orders, sick=[])
    # The same configuration with more time: half a second is short for a machine that has much else to do.
    world.commit(document(3, "v2", flavor="sick", Updating={"Deadline": "60s", "OnFailure": "pause"}))
    assert world.status("cattle")["Roll"]["Phase"] in ("failed", "paused")
    world.client().call("Fleet.Resume", ID="cattle")
    world.converged("cattle")
    assert {i["Spec"]["Properties"]["Note"] for i in world.instances().values()} == {"v2"}


def test_a_roll_is_paused_resumed_and_undone(world):
    world.start_all()
    orders = sick_flavor(world, sick=["v2"], drain=0.1)
    world.commit(document(4, flavor="sick"))
    world.converged("cattle")
    before = set(world.instances())
    world.commit(document(4, "v2", flavor="sick"))
    # The first of the new ones is not good yet, and the others wait for it.
    until(lambda: sorted(i["Spec"]["Properties"]["Note"] for i in world.instances().values()) == ["v1"] * 4 + ["v2"])
    world.client().call("Fleet.Pause", ID="cattle")
    until(lambda: world.status("cattle")["Roll"]["Phase"] == "paused")
    order(orders, drain=0.1)
    until(lambda: world.count() == 4)  # what is in hand ends: it is good, and one of the former ones goes
    held = set(world.instances())
    time.sleep(1)
    assert set(world.instances()) == held and len(held & before) == 3 and world.status("cattle")["Old"] == 3
    world.client().call("Fleet.Resume", ID="cattle")
    world.converged("cattle")
    assert {i["Spec"]["Properties"]["Note"] for i in world.instances().values()} == {"v2"}
    assert set(pathlib.Path(str(orders) + ".drained").read_text().split()) == before
    assert world.client().call("Fleet.Undo", ID="cattle", Revision=0)["Revision"] == 3
    world.converged("cattle")
    assert {i["Spec"]["Properties"]["Note"] for i in world.instances().values()} == {"v1"}


# ---- health ----


def test_a_sick_instance_is_replaced_in_steady_state(world):
    world.start_all()
    orders = sick_flavor(world)
    world.commit(document(3, flavor="sick", Health={"Interval": "100ms", "Grace": "100ms", "Failures": 2, "Budget": 1}))
    world.converged("cattle")
    until(lambda: world.status("cattle")["Good"] == 3)
    victim = sorted(world.instances())[0]
    order(orders, sick=[victim])
    until(lambda: victim not in world.instances())
    until(lambda: world.status("cattle")["Good"] == 3)
    assert world.count() == 3


def test_when_most_are_sick_nothing_is_replaced(world):
    world.start_all()
    orders = sick_flavor(world)
    world.commit(document(5, flavor="sick", Health={"Interval": "100ms", "Grace": "100ms", "Failures": 2, "Budget": 1}))
    world.converged("cattle")
    until(lambda: world.status("cattle")["Good"] == 5)
    before = set(world.instances())
    order(orders, sick=["v1"])
    until(lambda: world.status("cattle")["RemediationStopped"])
    time.sleep(1)
    assert len(before & set(world.instances())) >= 3
    order(orders)
    until(lambda: world.status("cattle")["Good"] == 5 and not world.status("cattle")["RemediationStopped"])


# ---- providers that fail ----


def test_a_failing_provider_is_asked_seldom_and_the_circuit_opens(world):
    world.start_all()
    world.start("bulkhead-instance-simulator", "--fail", "100")
    world.commit(document(10, plugin="simulator", Limits={"Attempts": 3, "Backoff": "50ms", "BackoffMax": "200ms", "Reset": "1h"}))
    until(lambda: world.status("cattle")["CircuitOpen"])
    failures = steady(lambda: world.topics().count("provision/failed"))
    assert "circuit/open" in world.topics() and 3 <= failures <= 40
    assert not world.status("cattle")["Converged"]


def test_a_provider_that_fails_now_and_then_is_worth_the_wait(world):
    world.start_all()
    world.start("bulkhead-instance-simulator", "--fail", "20", "--fail-after", "20")
    world.commit(document(30, plugin="simulator", Limits={"Attempts": 100, "Backoff": "10ms", "BackoffMax": "50ms"}))
    world.converged("cattle")
    found = world.client("simulator").call("Instance.DescribeInstances", Tags={"infrakit.group": "cattle"})["Descriptions"]
    tokens = [i["Tags"]["bulkhead.token"] for i in found]
    assert len(found) == 30 and len(set(tokens)) == 30


def test_a_plugin_that_is_not_there_yet_is_waited_for(world):
    world.start_all()
    world.commit(document(2))
    world.converged("cattle")
    world.kill("file")
    for path in list(world.files.iterdir()):
        path.unlink()
    time.sleep(0.5)
    world.start_file()
    until(lambda: world.count() == 2)
    world.converged("cattle")


# ---- crashes ----


def test_a_controller_that_was_killed_goes_on_where_it_was(world):
    world.start_all()
    sick_flavor(world, drain=0.05)
    world.commit(document(6, flavor="sick"))
    world.converged("cattle")
    with Floor(world) as floor:
        world.commit(document(6, "v2", flavor="sick"))
        chance = random.Random(1)
        for _ in range(8):
            time.sleep(chance.uniform(0, 0.1))
            world.kill("group")
            world.start("bulkhead-groupd")
        world.converged("cattle")
    assert floor.least >= 6
    found = world.instances()
    assert len(found) == 6 and {i["Spec"]["Properties"]["Note"] for i in found.values()} == {"v2"}


def test_killed_while_it_provisions_nothing_is_made_twice(world):
    world.start_all()
    world.commit(document(0))
    chance = random.Random(2)
    size = 0
    for _ in range(6):
        size += 40
        world.client().call("Group.SetSize", ID="cattle", Size=size)
        time.sleep(chance.uniform(0, 0.03))
        name = chance.choice(["group", "file", "vanilla"])
        world.kill(name)
        world.start({"group": "bulkhead-groupd", "file": "bulkhead-instance-file", "vanilla": "bulkhead-flavor-vanilla"}[name],
                    *(["--dir", str(world.files)] if name == "file" else []))
        until(lambda: world.count() == size)
        world.converged("cattle")
        assert world.count() == size
    tokens = [i["Tags"]["bulkhead.token"] for i in world.instances().values()]
    assert len(set(tokens)) == size


def test_destroying_goes_on_after_a_crash(world):
    world.start_all()
    world.commit(document(50))
    world.converged("cattle")
    world.client().call("Group.DestroyGroup", ID="cattle")
    world.kill("group")
    world.start("bulkhead-groupd")
    until(lambda: world.count() == 0)
    until(lambda: not world.client().call("Group.InspectGroups", ID="")["Groups"])


# ---- quorum ----


def test_each_logical_id_exists_once(world):
    world.start_all()
    ids = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    world.commit(document(Allocation={"LogicalIDs": ids}))
    world.converged("cattle")
    assert sorted(i["LogicalID"] for i in world.instances().values()) == ids
    victim = next(name for name, i in world.instances().items() if i["LogicalID"] == ids[1])
    (world.files / victim).unlink()
    until(lambda: sorted(i["LogicalID"] for i in world.instances().values()) == ids)
    world.commit(document(note="v2", Allocation={"LogicalIDs": ids}))
    world.converged("cattle")
    assert sorted(i["LogicalID"] for i in world.instances().values()) == ids
    assert {i["Spec"]["Properties"]["Note"] for i in world.instances().values()} == {"v2"}
    with pytest.raises(Failure) as refused:
        world.client().call("Group.SetSize", ID="cattle", Size=5)
    assert refused.value.id == "group.quorum"
    with pytest.raises(Failure) as refused:
        world.commit(document(3))
    assert refused.value.id == "group.quorum" and world.count() == 3


# ---- plans, roles, records ----


def test_a_plan_shows_what_changes_and_apply_does_exactly_that(world):
    world.start_all()
    plan = world.client().call("Fleet.Plan", Documents=[document(2), document(1, group="pets")])
    assert plan["Pending"] and [(g["ID"], g["Action"], g["Message"]) for g in plan["Groups"]] == [
        ("cattle", "create", "Managing 2 instances"), ("pets", "create", "Managing 1 instances")]
    assert world.count() == 0
    world.client().call("Fleet.Apply", Documents=[document(2), document(1, group="pets")], Token=plan["Token"])
    world.converged("cattle"), world.converged("pets")
    again = world.client().call("Fleet.Plan", Documents=[document(2)])
    assert not again["Pending"] and again["Groups"][0]["Action"] == "none"
    update = world.client().call("Fleet.Plan", Documents=[document(3, "v2")])
    assert update["Groups"][0]["Changes"] == [{"Path": "/Properties/Allocation/Size", "Old": 2, "New": 3},
                                              {"Path": "/Properties/Instance/Properties/Note", "Old": "v1", "New": "v2"}]
    world.client().call("Group.SetSize", ID="cattle", Size=5)
    world.converged("cattle")
    with pytest.raises(Failure) as stale:
        world.client().call("Fleet.Apply", Documents=[document(3, "v2")], Token=update["Token"])
    assert stale.value.id == "fleet.stale" and world.count() == 6


def test_roles_say_who_may_do_what_and_it_is_written_down(world):
    world.start_all("--socket-group", "12345", "--view", "54321", "--operate", "54322", "--admin", "@54323")
    world.commit(document(2))
    world.converged("cattle")
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.setgroups([12345] + ([54323] if sys.argv[3] == "54324" else []))
os.setgid(65534)
os.setuid(int(sys.argv[3]))
from fleet_world import Client, Failure
for method, params in (("Group.Size", {"ID": "cattle"}), ("Group.SetSize", {"ID": "cattle", "Size": 2}), ("Group.DestroyGroup", {"ID": "nobody"})):
    try:
        Client(sys.argv[2]).call(method, **params)
        print("yes", end=" ")
    except Failure as e:
        print("no" if e.id == "rpc.forbidden" else "yes", end=" ")
"""
    os.chmod(world.folder, 0o755)
    os.chmod(world.plugins, 0o755)
    expected = {54321: "yes no no", 54322: "yes yes no", 54324: "yes yes yes", 54325: "no no no"}
    here = pathlib.Path(__file__).parent
    for uid, answers in expected.items():
        out = subprocess.run([sys.executable, "-B", "-c", script, str(here), str(world.plugins / "group"), str(uid)], capture_output=True, text=True, timeout=60)
        assert out.stdout.strip() == answers, (uid, out.stderr)
    entries = world.client().call("Fleet.Audit", Max=1000)["Entries"]
    assert ("uid 54321", "Group.SetSize", "cattle") in [(e["Actor"], e["Method"], e["Object"]) for e in entries if e["Outcome"].startswith("rpc.forbidden")]
    assert ("uid 54322", "Group.SetSize", "ok") in [(e["Actor"], e["Method"], e["Outcome"]) for e in entries]


def test_who_is_not_in_the_sockets_group_cannot_connect(world):
    world.start_all()
    os.chmod(world.folder, 0o755)
    os.chmod(world.plugins, 0o755)
    out = subprocess.run([sys.executable, "-c", "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
                          "socket.socket(socket.AF_UNIX).connect(sys.argv[1])", str(world.plugins / "group")], capture_output=True, text=True, timeout=60)
    assert "PermissionError" in out.stderr


def test_the_log_of_events_and_the_history_outlast_a_restart(world):
    world.start_all()
    world.commit(document(2), Reason="first")
    world.converged("cattle")
    world.commit(document(2, "v2"), Reason="second")
    world.converged("cattle")
    before = world.client().call("Fleet.Events", Max=1000)
    world.stop("group")
    world.start("bulkhead-groupd")
    after = world.client().call("Fleet.Events", Max=1000)
    assert after["Events"][:len(before["Events"])] == before["Events"]
    history = world.client().call("Fleet.History", ID="cattle")["Revisions"]
    assert [(r["Revision"], r["Reason"]) for r in history] == [(2, "second"), (1, "first")]
