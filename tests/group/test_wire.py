# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes over the wire, to the byte where InfraKit's clients and plugins depend on it."""
import json
import os
import socket
import stat
import threading

import pytest

from fleet_world import BUILD, Failure, document, until

HASH_V1 = "exemksx4tnkcpagwrtbbvcsjvys6otrk"
HASH_V2 = "gpl7rxknme4yis3dulln7tjphjeya57l"


def raw(path, data, to_the_end=False):
    """Sends bytes as they are and gives one whole answer, or all that comes until the other side closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(path))
        s.sendall(data)
        got = b""
        while True:
            part = s.recv(1 << 16)
            got += part
            if not part:
                return got
            if to_the_end:
                continue
            head, _, body = got.partition(b"\r\n\r\n")
            length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
            if length and len(body) >= length[0]:
                return got


def rpc(method, params="{}", id="1"):
    return f'{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":{id}}}'


def request(body, head="POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"):
    body = body.encode()
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


# ---- JSON-RPC ----


@pytest.mark.parametrize("id", ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "5577006791947779410", '"a\\u00e9b"', "0", "1.50"])
def test_an_id_comes_back_as_it_was_written(world, id):
    world.start_file()
    _, _, body = world.client("file").post(rpc("Instance.Validate", id=id))
    given = json.loads(body, parse_int=str, parse_float=str)["id"]
    assert given == json.loads(id, parse_int=str, parse_float=str)


def test_a_notification_gets_no_answer_and_has_its_effect(world):
    world.start_file()
    for text in (rpc("Instance.Provision", '{"Spec":{"Tags":{"a":"1"}}}', "null"),
                 '{"jsonrpc":"2.0","method":"Instance.Provision","params":{"Spec":{"Tags":{"a":"1"}}}}'):
        status, _, body = world.client("file").post(text)
        assert (status, body) == (200, b"")
    assert world.count() == 2


def test_params_may_be_an_array_with_one_or_absent(world):
    world.start_file()
    for text in (rpc("Instance.Provision", '[{"Spec":{"Tags":{"a":"1"}}}]'), rpc("Handshake.Hello", "null"), rpc("Handshake.Hello", "[]"),
                 '{"jsonrpc":"2.0","method":"Handshake.Hello","id":1}'):
        assert "result" in json.loads(world.client("file").post(text)[2])
    assert world.count() == 1


@pytest.mark.parametrize("text,code", [
    ("", -32700), ("{", -32700), ("nonsense", -32700), ('{"jsonrpc":"2.0","method":"a.b","id":1,"id":2}', -32700),
    ("[" * 100 + "]" * 100, -32700), ("[]", -32600), ("1", -32600), ('{"id":1}', -32600), ('{"jsonrpc":"1.0","method":"a.b","id":1}', -32600),
    ('{"jsonrpc":"2.0","method":"ab","id":1}', -32600), ('{"jsonrpc":"2.0","method":7,"id":1}', -32600),
    ('{"jsonrpc":"2.0","method":"a.b","params":"x","id":1}', -32600), ('{"jsonrpc":"2.0","method":"a.b","params":[{},{}],"id":1}', -32600),
    ('{"jsonrpc":"2.0","method":"a.b","id":{}}', -32600), (rpc("No.Such"), -32000), (rpc("Instance.NoSuch"), -32000),
    (rpc("Instance.Provision", '{"Spec":7}'), -32000), (rpc("Instance.Validate", '{"Type":"nosuch"}'), -32000),
])
def test_what_is_wrong_is_told_with_its_code_and_the_plugin_goes_on(world, text, code):
    world.start_file()
    client = world.client("file")
    status, _, body = client.post(text)
    assert status == 200 and json.loads(body)["error"]["code"] == code
    assert world.client("file").call("Instance.Validate", Properties={})


def test_unknown_names_are_told_in_infrakits_words(world):
    world.start_file()
    with pytest.raises(Failure, match="rpc: can't find service No.Such"):
        world.client("file").call("No.Such")
    with pytest.raises(Failure, match="rpc: can't find method Instance.NoSuch"):
        world.client("file").call("Instance.NoSuch")


# ---- HTTP ----


def test_other_methods_and_types_are_refused(world):
    world.start_file()
    client = world.client("file")
    assert client.get("/")[0] == 405
    assert world.client("file").get("/nothing")[0] == 404
    assert world.client("file").post(rpc("Handshake.Hello"), "text/plain")[0] == 415
    assert world.client("file").post(rpc("Handshake.Hello"), None)[0] == 415
    assert world.client("file").post(rpc("Handshake.Hello"), "application/json; charset=utf-8")[0] == 200
    assert b"400" in raw(world.plugins / "file", b"nonsense\r\n\r\n").split(b"\r\n")[0]


def test_chunked_bodies_and_pipelined_requests_are_read(world):
    world.start_file()
    body = rpc("Handshake.Implements").encode()
    chunked = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for byte in body:
        chunked += b"1\r\n" + bytes([byte]) + b"\r\n"
    assert b'"APIs"' in raw(world.plugins / "file", chunked + b"0\r\n\r\n")
    two = request(rpc("Handshake.Hello", id="1")) + request(rpc("Handshake.Types", id="2"), "POST / HTTP/1.0\r\nContent-Type: application/json\r\n")
    got = raw(world.plugins / "file", two, to_the_end=True)
    assert got.index(b'"Objects"') < got.index(b'"Types"')


def test_a_request_of_http_1_0_is_answered_and_the_connection_ends(world):
    world.start_file()
    got = raw(world.plugins / "file", request(rpc("Handshake.Hello"), "POST / HTTP/1.0\r\nContent-Type: application/json\r\n"))
    assert got.startswith(b"HTTP/1.1 200") and b"Connection: close" in got and b'"Objects"' in got


def test_a_hundred_megabytes_are_refused_without_being_kept(world):
    process = world.start_file()
    head = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n"
    assert b" 413 " in raw(world.plugins / "file", head).split(b"\r\n")[0]
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(world.plugins / "file"))
        s.sendall(b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(200):
                s.sendall(block)
    peak = [int(line.split()[1]) for line in open(f"/proc/{process.pid}/status") if line.startswith("VmHWM")][0]
    assert peak < 64 * 1024 or "asan" in str(world.processes)  # a sanitizer keeps more
    assert world.client("file").call("Instance.Validate", Properties={})


def test_clients_that_say_nothing_or_half_hold_up_nobody(world):
    world.start_file()
    held = []
    for i in range(50):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(world.plugins / "file"))
        if i % 2:
            s.sendall(b"POST / HTTP/1.1\r\nContent-Le")
        held.append(s)
    assert world.client("file").call("Instance.Validate", Properties={})
    for s in held:
        s.close()
    assert world.client("file").call("Instance.Validate", Properties={})


# ---- the handshake ----


def test_the_handshake_is_answered_old_and_new(world):
    world.start_all()
    hello = world.client("file").call("Handshake.Hello")
    assert hello["Objects"]["Instance/0.6.1"] == [{"Name": ".", "ProxyFor": ""}]
    assert {"Name": "Instance", "Version": "0.6.1"} in world.client("file").call("Handshake.Implements")["APIs"]
    assert world.client("file").call("Handshake.Types")["Types"]["Instance/0.6.1"] == ["."]
    assert "Flavor/0.1.1" in world.client("vanilla").call("Handshake.Hello")["Objects"]
    assert "Group/0.1.1" in world.client("group").call("Handshake.Hello")["Objects"]
    world.start("bulkhead-instance-simulator")
    names = [o["Name"] for o in world.client("simulator").call("Handshake.Hello")["Objects"]["Instance/0.6.1"]]
    assert names == [".", "compute", "net", "disk"]


def test_a_plugin_describes_itself(world):
    world.start_file()
    status, body = world.client("file").get("/info/api.json")
    api = json.loads(body)
    assert status == 200 and {"Name": "Instance", "Version": "0.6.1", "Sub": ""} in api["Implements"]
    methods = [m["Request"]["method"] for i in api["Interfaces"] if i["Name"] == "Instance" for m in i["Methods"]]
    assert methods == ["Instance.Validate", "Instance.Provision", "Instance.Label", "Instance.Destroy", "Instance.DescribeInstances"]
    assert json.loads(world.client("file").get("/info/functions.json")[1]) == {}


# ---- Instance, Flavor, Group: every method, every member ----


def test_the_methods_of_an_instance_plugin(world):
    world.start_file()
    client = world.client("file")
    assert client.call("Instance.Validate", Type="", Properties={"Note": "x"}) == {"Type": "", "OK": True}
    spec = {"Properties": {"Note": "x", "n": 12345678901234567890}, "Tags": {"infrakit.group": "g", "name": "\u00e9<&>"}, "Init": "#!/bin/sh\n",
            "LogicalID": "10.0.0.1", "Attachments": [{"ID": "disk-1", "Type": "ebs"}]}
    made = client.call("Instance.Provision", Type="", Spec=spec)
    assert set(made) == {"Type", "ID"} and made["Type"] == ""
    assert client.call("Instance.Label", Type="", Instance=made["ID"], Labels={"more": "1"}) == {"Type": "", "OK": True}
    found = client.call("Instance.DescribeInstances", Type="", Tags={"infrakit.group": "g", "more": "1"}, Properties=True)
    tags = {"infrakit.group": "g", "name": "\u00e9<&>", "more": "1"}
    assert found == {"Type": "", "Descriptions": [{"ID": made["ID"], "LogicalID": "10.0.0.1", "Tags": tags, "Properties": spec["Properties"]}]}
    assert client.call("Instance.DescribeInstances", Type="", Tags={"infrakit.group": "g", "more": "2"}, Properties=False)["Descriptions"] == []
    assert "Properties" not in client.call("Instance.DescribeInstances", Type="", Tags=None, Properties=False)["Descriptions"][0]
    assert client.call("Instance.Destroy", Type="", Instance=made["ID"], Context={"Reason": "terminate"}) == {"Type": "", "OK": True}
    with pytest.raises(Failure) as missing:
        client.call("Instance.Destroy", Type="", Instance=made["ID"], Context={"Reason": "terminate"})
    assert missing.value.id == "instance.missing"


def test_the_methods_of_a_flavor_plugin(world):
    world.start("bulkhead-flavor-vanilla")
    client = world.client("vanilla")
    properties = {"Init": ["echo one", "echo two"], "Tags": {"tier": "web"}}
    allocation = {"Size": 2, "LogicalIDs": None}
    assert client.call("Flavor.Validate", Type="", Properties=properties, Allocation=allocation) == {"Type": "", "OK": True}
    spec = {"Properties": {"a": 1}, "Tags": {"infrakit.group": "g"}, "Init": "", "LogicalID": None, "Attachments": None}
    made = client.call("Flavor.Prepare", Type="", Properties=properties, Spec=spec, Allocation=allocation, Index={"Group": "g", "Sequence": 1})
    assert made["Type"] == "" and made["Spec"]["Tags"] == {"infrakit.group": "g", "tier": "web"} and made["Spec"]["Properties"] == {"a": 1}
    assert "echo one\necho two" in made["Spec"]["Init"]
    instance = {"ID": "i", "LogicalID": None, "Tags": {}}
    assert client.call("Flavor.Healthy", Type="", Properties=properties, Instance=instance) == {"Type": "", "Health": 1}
    assert client.call("Flavor.Drain", Type="", Properties=properties, Instance=instance) == {"Type": "", "OK": True}


def test_the_methods_of_the_group_plugin(world):
    world.start_all()
    client = world.client()
    spec = document(2)
    assert client.call("Group.CommitGroup", Name="group", Spec=spec, Pretend=True) == {"Name": "group", "ID": "cattle", "Details": "Managing 2 instances"}
    assert world.count() == 0
    assert client.call("Group.CommitGroup", Name="group", Spec=spec, Pretend=False)["Details"] == "Managing 2 instances"
    world.converged("cattle")
    shown = client.call("Group.DescribeGroup", Name="group", ID="cattle")
    assert set(shown) == {"Name", "ID", "Description"} and shown["Description"]["Converged"] is True
    assert {i["ID"] for i in shown["Description"]["Instances"]} == set(world.instances())
    tags = shown["Description"]["Instances"][0]["Tags"]
    assert tags["infrakit.group"] == "cattle" and tags["infrakit.config.hash"] == HASH_V1
    inspected = client.call("Group.InspectGroups", Name="group", ID="")["Groups"]
    assert [g["ID"] for g in inspected] == ["cattle"]
    assert inspected[0]["Properties"]["Allocation"] == {"Size": 2, "LogicalIDs": None}
    assert inspected[0]["Properties"]["Updating"]["SkipBeforeInstanceDestroy"] is None
    assert client.call("Group.Size", Name="group", ID="cattle") == {"Name": "group", "ID": "cattle", "Size": 2}
    assert client.call("Group.SetSize", Name="group", ID="cattle", Size=4) == {"Name": "group", "ID": "cattle"}
    until(lambda: world.count() == 4)
    world.converged("cattle")
    victim = sorted(world.instances())[0]
    assert client.call("Group.DestroyInstances", Name="group", ID="cattle", Instances=[victim]) == {"Name": "group", "ID": "cattle"}
    until(lambda: world.count() == 3)
    until(lambda: client.call("Group.Size", Name="group", ID="cattle")["Size"] == 3)
    assert victim not in world.instances()
    assert client.call("Group.FreeGroup", Name="group", ID="cattle") == {"Name": "group", "ID": "cattle"}
    assert client.call("Group.InspectGroups", Name="group", ID="")["Groups"] == [] and world.count() == 3
    assert client.call("Group.CommitGroup", Name="group", Spec=document(3), Pretend=True)["Details"] == "Noop"
    client.call("Group.CommitGroup", Name="group", Spec=document(3), Pretend=False)
    world.converged("cattle")
    assert client.call("Group.DestroyGroup", Name="group", ID="cattle") == {"Name": "group", "ID": "cattle"}
    until(lambda: world.count() == 0)


def test_configurations_have_infrakits_hash(world):
    world.start_all()
    spec = document(1, "v2")
    spec["Properties"]["Flavor"]["Properties"]["Tags"] = {"tier": "web"}
    world.commit(spec)
    world.converged("cattle")
    assert [i["Tags"]["infrakit.config.hash"] for i in world.instances().values()] == [HASH_V2]


def test_what_a_commit_does_is_told_in_infrakits_words(world):
    world.start_all()
    world.commit(document(3))
    world.converged("cattle")
    rows = [(document(3), "Noop"), (document(5), "Adding 2 instances to increase the group size to 5"),
            (document(1), "Terminating 2 instances to reduce the group size to 1"), (document(3, "v2"), "Performing a rolling update on 3 instances"),
            (document(4, "v2"), "Performing a rolling update on 3 instances, then adding 1 instances to increase the group size to 4"),
            (document(2, "v2"), "Terminating 1 instances to reduce the group size to 2, then performing a rolling update on 2 instances")]
    for spec, words in rows:
        assert world.commit(spec, Pretend=True) == words


# ---- events and sockets ----


def read_events(world, name, topic, found, ready):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(world.plugins / name))
        s.sendall(f"GET /events?topic={topic} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            assert (part := s.recv(4096))
            data += part
        assert b"text/event-stream" in data
        data = data.split(b"\r\n\r\n", 1)[1]
        ready.set()
        while len(found) < 2:
            assert (part := s.recv(4096))
            data += part
            *whole, data = data.split(b"\n\n")
            found += [json.loads(w.removeprefix(b"data: ")) for w in whole]


def test_events_are_streamed_to_who_asks_for_their_topic(world):
    world.start_file()
    assert world.client("file").call("Event.List", Topic="") == {"Nodes": ["instances"]}
    found, ready = [], threading.Event()
    thread = threading.Thread(target=read_events, args=(world, "file", "instances", found, ready))
    thread.start()
    assert ready.wait(60)
    made = world.client("file").call("Instance.Provision", Spec={"Tags": {"a": "1"}})["ID"]
    os.unlink(world.files / made)
    thread.join(60)
    assert [(e["Topic"], e["Type"], e["ID"]) for e in found] == [("instances", "appeared", made), ("instances", "vanished", made)]
    assert found[0]["Data"]["Tags"] == {"a": "1"} and set(found[0]) >= {"Topic", "Type", "ID", "Message", "Timestamp", "Data", "Error"}


def test_sockets_are_private_and_a_stale_one_is_no_obstacle(world):
    world.start_all()
    for name in ("file", "vanilla", "group"):
        assert stat.S_IMODE(os.stat(world.plugins / name).st_mode) == 0o600
        assert int((world.plugins / f"{name}.pid").read_text()) == world.processes[name].pid
    for name in ("file", "vanilla", "group"):
        world.kill(name)
        assert (world.plugins / name).exists() and (world.plugins / f"{name}.pid").exists()
    world.start_all()
    assert world.stop("file") == 0
    assert not (world.plugins / "file").exists() and not (world.plugins / "file.pid").exists()


def test_a_socket_that_somebody_listens_on_is_not_taken_over(world):
    import subprocess
    from fleet_world import program
    world.start_file()
    second = subprocess.run([program("bulkhead-instance-file"), "--dir", str(world.files)], env=world.environment, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and "rpc.taken" in second.stderr
    assert world.client("file").call("Instance.Validate", Properties={})


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM"])
def test_plugins_in_the_foreground_end_with_their_supervisor(world, signal_name):
    import signal
    import subprocess
    bulkhead = os.environ.get("BULKHEAD", str(BUILD / "src/bulkhead"))
    environment = dict(world.environment, INFRAKIT_INSTANCE_FILE_DIR=str(world.files))
    process = subprocess.Popen([bulkhead, "plugin", "start", "group", "file", "vanilla"], env=environment, stdout=world.log, stderr=world.log)
    until(lambda: all((world.plugins / name).exists() for name in ("group", "file", "vanilla")))
    until(lambda: all((world.plugins / f"{name}.pid").exists() for name in ("group", "file", "vanilla")))
    until(lambda: world.client("group").call("Handshake.Hello"))
    world.commit(document(2))
    world.converged("cattle")
    pids = [int((world.plugins / f"{name}.pid").read_text()) for name in ("group", "file", "vanilla")]
    runs = [int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]) for pid in pids]  # who supervises each
    process.send_signal(getattr(signal, signal_name))
    process.wait(60)
    until(lambda: not any((world.plugins / name).exists() for name in ("group", "file", "vanilla")))
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids + runs))
    assert world.count() == 2  # instances are not the plugins'
