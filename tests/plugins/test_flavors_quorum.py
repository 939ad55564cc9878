# SPDX-License-Identifier: LGPL-2.1-or-later
"""Flavors of quorum systems: real members of etcd on addresses of the loopback; and ZooKeeper's answers, by a server of the test's.
test_zookeeper_real.py has the real one."""
import json
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request

import pytest

from local_plugins import Failed, Host, eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def host():
    h = Host()
    yield h
    h.close()


@pytest.fixture
def zookeeper(host):
    return host.plugin("bulkhead-flavor-zookeeper")


@pytest.fixture
def etcd(host):
    return host.plugin("bulkhead-flavor-etcd")


MEMBERS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def run_script(script, folder, **variables):
    subprocess.run(["/bin/sh", "-c", script], env=dict(os.environ, STATE_DIRECTORY=str(folder), **variables), check=True)


@pytest.mark.parametrize("flavor", ["zookeeper", "etcd"])
@pytest.mark.parametrize("logical_ids, words", [
    (None, "logical ids"), (["10.0.0.1", "10.0.0.1"], "twice"), (["a"], "no IP"), (["10.0.0.01"], "no IP"), (["1.2.3.4;rm"], "no IP"), (["0::1"], "usual form"),
])
def test_members_are_addresses_each_once(host, flavor, logical_ids, words):
    with pytest.raises(Failed) as e:
        host.plugin(f"bulkhead-flavor-{flavor}").validate({}, logical_ids=logical_ids)
    assert e.value.id == "flavor.members" and words in str(e.value)


@pytest.mark.parametrize("flavor", ["zookeeper", "etcd"])
def test_an_instance_is_one_of_the_members(host, flavor):
    plugin = host.plugin(f"bulkhead-flavor-{flavor}")
    assert plugin.validate({}, logical_ids=MEMBERS)
    for logical_id in (None, "127.0.0.4"):
        with pytest.raises(Failed) as e:
            plugin.prepare({}, {"LogicalID": logical_id}, logical_ids=MEMBERS)
        assert e.value.id == "flavor.members"


@pytest.mark.parametrize("properties", [{"ClientPort": 0}, {"DataDir": "relative"}, {"DataDir": "/a b"}, {"DataDir": "/a/../b"}, {"DataDir": "/$(x)"},
                                        {"Timeout": "1h"}, {"Timeout": 5}])
@pytest.mark.parametrize("flavor", ["zookeeper", "etcd"])
def test_bad_properties_are_refused(host, flavor, properties):
    with pytest.raises(Failed):
        host.plugin(f"bulkhead-flavor-{flavor}").validate(properties, logical_ids=MEMBERS)


# ---- ZooKeeper ----

def test_zookeeper_writes_the_configuration_of_each_member(host, zookeeper):
    spec = zookeeper.prepare({"ClientPort": 2222, "Config": {"tickTime": "500", "autopurge.purgeInterval": "1"}}, {"LogicalID": "127.0.0.2", "Init": "true"},
                             logical_ids=MEMBERS)
    assert spec["Tags"] == {"bulkhead.quorum": ",".join(MEMBERS)} and spec["Init"].startswith("true\n")
    run_script(spec["Init"], host.base)
    assert (host.base / "data/myid").read_text() == "2\n"
    lines = (host.base / "zoo.cfg").read_text().splitlines()
    assert {f"dataDir={host.base}/data", "clientPort=2222", "clientPortAddress=127.0.0.2", "tickTime=500", "autopurge.purgeInterval=1",
            "server.1=127.0.0.1:2888:3888", "server.3=127.0.0.3:2888:3888"} <= set(lines)
    assert len([x for x in lines if x.startswith("tickTime")]) == 1


def test_a_group_may_allow_more_words_of_zookeeper(host, zookeeper):
    spec = zookeeper.prepare({"Config": {"4lw.commands.whitelist": "mntr,conf"}}, {"LogicalID": "127.0.0.1"}, logical_ids=MEMBERS)
    run_script(spec["Init"], host.base)
    lines = (host.base / "zoo.cfg").read_text().splitlines()
    assert [x for x in lines if x.startswith("4lw")] == ["4lw.commands.whitelist=ruok,srvr,mntr,conf"]


@pytest.mark.parametrize("config", [{"a": "$(x)"}, {"a`": "b"}, {"dataDir": "/"}, {"server.9": "x"}, {"a": "b\nc"}, {"a": "b'"}, {"peerType": "observer"}])
def test_zookeepers_lines_mean_nothing_to_a_shell(zookeeper, config):
    with pytest.raises(Failed):
        zookeeper.validate({"Config": config}, logical_ids=MEMBERS)


class FakeZooKeeper(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, port, ruok=b"imok", mode="follower"):
        self.answers = {b"ruok": ruok, b"srvr": f"Zookeeper version: 3.8.0\nMode: {mode}\nNode count: 5\n".encode() if mode
                        else b"This ZooKeeper instance is not currently serving requests\n"}
        super().__init__((address, port), FakeHandler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class FakeHandler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.server.answers.get(self.request.recv(4), b""))


@pytest.mark.parametrize("ruok, mode, health", [
    (b"imok", "leader", 1), (b"imok", "standalone", 1), (b"ruok is not executed because it is not in the whitelist.", "follower", 1),
    (b"imok", None, 2), (b"", "leader", 2), (b"imok", "read-only", 2), (b"imok", "observer", 2),
])
def test_zookeeper_is_asked_whether_it_serves(host, zookeeper, ruok, mode, health):
    port = host.free_port()
    member = {"ID": "a", "LogicalID": "127.0.0.1", "Tags": {}}
    properties = {"ClientPort": port, "Timeout": "20s"}
    server = FakeZooKeeper("127.0.0.1", port, ruok, mode)
    assert zookeeper.health(properties, member) == health
    server.end()
    assert zookeeper.health(properties, member) == 2


def test_a_member_without_a_majority_is_not_at_fault(host, zookeeper):
    """Replaced for it, the last that has the data would go."""
    port = host.free_port()
    member = {"ID": "a", "LogicalID": MEMBERS[0], "Tags": {"bulkhead.quorum": ",".join(MEMBERS)}}
    properties = {"ClientPort": port, "Timeout": "20s"}
    servers = [FakeZooKeeper(MEMBERS[0], port, mode=None), FakeZooKeeper(MEMBERS[1], port, mode=None)]
    assert zookeeper.health(properties, member) == 0
    servers.pop().end()
    assert zookeeper.health(properties, member) == 0
    servers += [FakeZooKeeper(m, port) for m in MEMBERS[1:]]
    assert zookeeper.health(properties, member) == 2, "the others serve"
    servers.pop().end()
    servers.pop(0).end()
    assert zookeeper.health(properties, member) == 2, "it is gone"
    servers.pop().end()


def test_what_does_not_answer_holds_a_drain_up_no_longer_than_asked(host, zookeeper):
    port = host.free_port()
    member = {"ID": "a", "LogicalID": MEMBERS[0], "Tags": {"bulkhead.quorum": ",".join(MEMBERS)}}
    server = FakeZooKeeper(MEMBERS[0], port)
    with socket.create_server((MEMBERS[1], port)), socket.create_server((MEMBERS[2], port)):
        before = time.monotonic()
        assert zookeeper.drain({"ClientPort": port, "Timeout": "1s", "Wait": "3s"}, member)
        assert 3 < time.monotonic() - before < 30
    server.end()


def test_a_member_is_drained_once_the_others_have_a_majority(host, zookeeper):
    port = host.free_port()
    member = {"ID": "a", "LogicalID": "127.0.0.1", "Tags": {"bulkhead.quorum": ",".join(MEMBERS)}}
    properties = {"ClientPort": port, "Timeout": "20s", "Wait": "50s"}
    servers = [FakeZooKeeper(a, port) for a in MEMBERS[:2]]
    done = []
    t = threading.Thread(target=lambda: done.append(zookeeper.drain(properties, member)))
    t.start()
    time.sleep(0.7)
    assert not done
    servers.append(FakeZooKeeper(MEMBERS[2], port))
    t.join(40)  # not as long as it would wait
    assert done == [True]
    servers.pop().end()
    before = time.monotonic()
    assert zookeeper.drain(dict(properties, Wait="500ms"), member)  # never longer than that
    assert 0.4 < time.monotonic() - before < 40
    for s in servers:
        s.end()


# ---- etcd ----

def test_etcd_begins_a_new_cluster_where_none_runs(host, etcd):
    properties = {"ClientPort": host.free_port(), "PeerPort": host.free_port(), "Timeout": "1s"}
    spec = etcd.prepare(properties, {"LogicalID": "127.0.0.2"}, logical_ids=MEMBERS, group="my group")
    assert spec["Tags"] == {"bulkhead.quorum": ",".join(MEMBERS)}
    run_script(spec["Init"], host.base)
    config = dict(line.split(": ", 1) for line in (host.base / "etcd.conf.yml").read_text().splitlines())
    peer = properties["PeerPort"]
    assert config["name"] == "m-127-0-0-2" and config["initial-cluster-state"] == "new" and config["initial-cluster-token"] == "bulkhead-my-group"
    assert config["initial-cluster"] == ",".join(f"m-127-0-0-{n}=http://127.0.0.{n}:{peer}" for n in (1, 2, 3))
    assert config["data-dir"] == f"{host.base}/data" and os.stat(host.base / "data").st_mode & 0o777 == 0o700


class Cluster:
    """A group of etcd on the loopback: what a controller does, by hand."""

    def __init__(self, host):
        net = os.getpid() % 200 + 10
        self.members = [f"127.77.{net}.{n}" for n in (1, 2, 3)]
        self.flavor, self.instance = host.plugin("bulkhead-flavor-etcd"), host.plugin("bulkhead-instance-service")
        self.properties = {"ClientPort": host.free_port(), "PeerPort": host.free_port(), "Timeout": "10s", "Wait": "20s"}
        self.unit = {"Unit": {"Service": {
            "ExecStart": f"{shutil.which('etcd')} --config-file=${{STATE_DIRECTORY}}/etcd.conf.yml", "Type": "exec",
            "RuntimeDirectory": "{{id}}", "Environment": ["STATE_DIRECTORY=/run/{{id}}", "ETCD_HEARTBEAT_INTERVAL=100"],
            "PrivateNetwork": False, "RestrictAddressFamilies": "AF_INET AF_UNIX"}}}
        self.serial = 0
        self.made = []

    def provision(self, member):
        self.serial += 1
        spec = self.flavor.prepare(self.properties, {"LogicalID": member, "Tags": {"infrakit.group": "etcd"}}, logical_ids=self.members, group="etcd")
        self.made.append(self.instance.provision(self.unit, token=f"{member}-{self.serial}", tags=spec["Tags"], init=spec["Init"],
                                                 logical_id=spec["LogicalID"]))
        return self.made[-1], spec

    def leave(self, member, instance):
        """A member that has left its cluster ends by itself: it may be gone before it is destroyed."""
        self.flavor.drain(self.properties, self.described(member))
        try:
            self.instance.destroy(instance)
        except Failed as e:
            assert e.id == "instance.missing"

    def described(self, member):
        return next(d for d in self.instance.describe().values() if d["LogicalID"] == member)

    def good(self, member):
        return self.flavor.health(self.properties, self.described(member)) == 1

    def ask(self, member, path, body):
        r = urllib.request.Request(f"http://{member}:{self.properties['ClientPort']}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(r, timeout=60) as answer:
            return json.loads(answer.read())

    def listed(self, member):
        return {m["peerURLs"][0].split("/")[2].split(":")[0]: m for m in self.ask(member, "/v3/cluster/member/list", {})["members"]}


@pytest.mark.skipif(not shutil.which("etcd"), reason="needs etcd-server")
def test_a_group_of_etcd_lives_loses_and_replaces_members(host):
    c = Cluster(host)
    ids = {m: c.provision(m)[0] for m in c.members}
    for m in c.members:
        assert eventually(lambda m=m: c.good(m)), host.bulkhead("logs", ids[m]).stdout[-2000:]
    a, b, d = c.members
    c.ask(a, "/v3/kv/put", {"key": "a2V5", "value": "dmFsdWU="})

    # In turn, as a roll does: drained, destroyed, and another in its place.
    c.leave(d, ids[d])
    assert eventually(lambda: set(c.listed(a)) == {a, b})  # each member says what it knows itself
    ids[d], spec = c.provision(d)
    assert "initial-cluster-state: existing" in spec["Init"]
    assert eventually(lambda: c.good(d)), host.bulkhead("logs", ids[d]).stdout[-2000:]
    assert eventually(lambda: set(c.listed(a)) == {a, b, d}) and c.ask(d, "/v3/kv/range", {"key": "a2V5"})["kvs"][0]["value"] == "dmFsdWU="

    # One dies with its data, undrained: its place is taken.
    os.kill(host.runs()[f"{ids[b]}.service"]["supervisor_pid"], 9)
    assert eventually(lambda: ids[b] not in c.instance.describe())
    was = c.listed(a)[b]["ID"]
    ids[b], spec = c.provision(b)
    assert eventually(lambda: c.good(b)), host.bulkhead("logs", ids[b]).stdout[-2000:]
    assert eventually(lambda: len(c.listed(a)) == 3 and c.listed(a)[b]["ID"] != was)

    # One is left, with the last of the data: it is no worse than before, and is not to be replaced. It may go, if it must.
    left = c.described(a)
    for m in (b, d):
        os.kill(host.runs()[f"{ids[m]}.service"]["supervisor_pid"], 9)
    assert eventually(lambda: c.flavor.health(c.properties, left) == 0)
    assert eventually(lambda: set(c.instance.describe()) == {ids[a]})
    c.leave(a, ids[a])
    assert c.flavor.health(c.properties, left) == 2
    assert eventually(lambda: host.runs() == {})
    assert eventually(lambda: not set(c.made) & set(os.listdir("/run")))
