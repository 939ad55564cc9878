# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three bulkhead-groupd on one etcd, each in a network of its own, with one provider whose instances are files that all of them see."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
from etcd_world import ETCD, Etcd, Network, until

BUILD = pathlib.Path(os.environ.get("BULKHEAD") or pathlib.Path(__file__).parents[2] / "build/src/bulkhead").resolve().parents[1]
GROUPD = BUILD / "src/bulkhead-groupd"
PLUGINS = [("file", BUILD / "plugins/instance-file/bulkhead-instance-file"), ("vanilla", BUILD / "plugins/flavor-vanilla/bulkhead-flavor-vanilla")]
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
              pytest.mark.skipif(not ETCD, reason="etcd is not installed (packaging/install-deps test)"),
              pytest.mark.skipif(not all(p.exists() for p in [GROUPD] + [p for _, p in PLUGINS]), reason="not built")]
LEASE = 5


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("h", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Refused(Exception):
    pass


class Controller:
    """A controller and its plugins, in a network and a folder of plugins of their own."""

    def __init__(self, folder, name, network, instances):
        self.name, self.folder, self.network = name, folder / name, network
        self.folder.mkdir()
        self.processes = [self.start(path, "--name", plugin, *(["--dir", str(instances)] if plugin == "file" else [])) for plugin, path in PLUGINS]
        until(lambda: all((self.folder / f"{plugin}.pid").exists() for plugin, _ in PLUGINS))  # written when it listens
        self.main = self.start(GROUPD, "--store", "etcd://10.98.0.1:2379", "--etcd-plain", "--address", f"at-{name}", "--lease", str(LEASE), "--poll", "1s")
        self.processes.append(self.main)
        until(lambda: (self.folder / "group.pid").exists())

    def start(self, program, *words):
        with open(self.folder.parent / f"{self.name}.log", "ab") as log:
            return subprocess.Popen([*self.network.prefix(), str(program), *words, "--plugins", str(self.folder)], stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log)

    def call(self, method, **params):
        c = Connection(self.folder / "group")
        c.request("POST", "/", json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}), {"Content-Type": "application/json"})
        answer = json.loads(c.getresponse().read())
        c.close()
        if answer.get("error"):
            raise Refused(json.dumps(answer["error"]))
        return answer["result"]

    def leads(self):
        try:
            self.call("Group.DescribeGroup", ID="cattle")
            return True
        except Refused as e:
            return "group.unknown" in str(e)

    def signal(self, number):
        self.main.send_signal(number)

    def end(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
                p.wait()


class World:
    def __init__(self, folder, ends):
        hub = ends(Network())
        home = ends(Network(hub, "10.98.0.1"))
        self.etcd = ends(Etcd(folder, host="10.98.0.1", ports=(2379, 2380), inside=home)).start()
        self.instances = folder / "instances"
        self.instances.mkdir()
        self.controllers = [ends(Controller(folder, name, ends(Network(hub, f"10.98.0.{i}")), self.instances)) for i, name in enumerate("abc", 11)]

    def leader(self, but=None, timeout=60):
        return until(lambda: next((c for c in self.controllers if c is not but and c.leads()), None), timeout)

    def files(self):
        found = {}
        for path in self.instances.glob("instance-*"):
            try:
                found[path.name] = json.loads(path.read_text())
            except (OSError, ValueError):  # in the making, or just gone
                pass
        return found

    def lose_one(self):
        """A machine dies."""
        victim = sorted(self.files())[0]
        (self.instances / victim).unlink()
        return victim

    def expect(self, count, timeout=60):
        """So many, all of tokens of their own, and no more a second later."""
        until(lambda: len(self.files()) == count, timeout)
        for _ in range(10):
            time.sleep(0.1)
            assert len(self.files()) == count
        tokens = [f["Tags"].get("bulkhead.token") for f in self.files().values()]
        assert len(set(tokens)) == count and all(tokens)


@pytest.fixture
def world(tmp_path):
    things = []
    try:
        yield World(tmp_path, lambda thing: things.append(thing) or thing)
    finally:
        for thing in reversed(things):
            thing.end() if hasattr(thing, "end") else thing.stop()


def document(size, note="v1"):
    return {"ID": "cattle", "Properties": {"Allocation": {"Size": size}, "Instance": {"Plugin": "file", "Properties": {"Note": note}},
                                           "Flavor": {"Plugin": "vanilla", "Properties": {"Init": ["echo hi"]}}}}


def test_a_leader_is_stopped_cut_off_and_etcd_is_restarted(world):
    first = world.leader()
    first.call("Group.CommitGroup", Spec=document(5), Pretend=False)
    world.expect(5)
    for c in world.controllers:
        if c is not first:
            with pytest.raises(Refused, match=f"at-{first.name}"):
                c.call("Group.CommitGroup", Spec=document(9), Pretend=False)

    # The leader is stopped past its lease. The next one heals, once.
    first.signal(signal.SIGSTOP)
    second = world.leader(but=first)
    world.lose_one()
    world.expect(5)
    # It wakes up, and with it what it would have done: nothing comes of that.
    world.lose_one()
    first.signal(signal.SIGCONT)
    world.expect(5)
    until(lambda: not first.leads())
    with pytest.raises(Refused, match=f"at-{second.name}"):
        first.call("Group.CommitGroup", Spec=document(1), Pretend=False)

    # The leader is cut off from etcd, not from its provider: it must do nothing all the same.
    second.network.cut()
    third = world.leader(but=second)
    world.lose_one()
    world.expect(5)
    third.call("Group.CommitGroup", Spec=document(7), Pretend=False)
    world.expect(7)
    assert not second.leads()
    second.network.mend()

    # etcd dies and comes back: what was committed is there, and healing goes on.
    world.etcd.stop()
    time.sleep(1)
    world.etcd.start()
    world.leader()
    world.lose_one()
    world.expect(7)
    groups = world.leader().call("Group.InspectGroups")["Groups"]
    assert [g["Properties"]["Allocation"]["Size"] for g in groups] == [7]


def test_the_leader_is_killed_in_the_middle_of_its_work(world):
    """Each in turn, at whatever it is about: no duplicate, no orphan, and the last one ends what the first began."""
    world.leader().call("Group.CommitGroup", Spec=document(60), Pretend=False)
    for _ in range(2):
        leader = world.leader()
        until(lambda: len(world.files()) > 3)
        leader.end()
        world.controllers.remove(leader)
        for path in list(world.files())[:10]:
            (world.instances / path).unlink(missing_ok=True)
    world.leader()
    world.expect(60)
