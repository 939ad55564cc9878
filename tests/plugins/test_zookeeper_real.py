# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ensemble of Debian's ZooKeeper on addresses of the loopback, as a group of services under bulkhead-groupd."""
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import pytest

from local_plugins import BULKHEAD, Host, Plugin, eventually
from zookeeper_client import Session, Writer, values, word

JAR = "/usr/share/java/zookeeper.jar"
JAVA = shutil.which("java", path="/usr/bin")
pytestmark = [pytest.mark.skipif(os.environ.get("BULKHEAD_CHECK") != "--full", reason="takes long: ./check --full"),
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
              pytest.mark.skipif(not (JAVA and os.path.exists(JAR)), reason="missing: zookeeper (packaging/install-deps zookeeper)")]
PATIENCE = 300  # several Java machines on a busy processor
SERVES = {"leader", "follower"}
# The compiler at run time needs pages that are written and executed; the rest is what any server on a network needs.
JAVA_WORDS = "-Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.net.preferIPv4Stack=true"


class Groupd(Plugin):
    def __init__(self, host):
        self.store = host.base / "groups.db"
        super().__init__("bulkhead-groupd", str(host.base / "plugins"), host.env, "--store", str(self.store), name="group")

    def start(self):
        self.program = BULKHEAD.parent / "bulkhead-groupd"
        super().start()


class Ensemble:
    def __init__(self, host):
        net = os.getpid() % 200 + 10
        self.host = host
        self.members = [f"127.78.{net}.{n}" for n in (1, 2, 3)]
        self.name = f"bh-zk-{os.getpid()}"
        self.ports = {name: host.free_port() for name in ("ClientPort", "PeerPort", "ElectionPort")}
        self.port = self.ports["ClientPort"]
        for program in ("bulkhead-flavor-zookeeper", "bulkhead-instance-service"):
            host.plugin(program)
        self.group = Groupd(host)
        host.plugins.append(self.group)

    def document(self, **config):
        service = {"ExecStart": f"{JAVA} {JAVA_WORDS} -cp {JAR} org.apache.zookeeper.server.quorum.QuorumPeerMain ${{STATE_DIRECTORY}}/zoo.cfg",
                   "StateDirectory": f"{self.name}-{{{{logical_id}}}}", "Type": "exec", "PrivateNetwork": False, "MemoryDenyWriteExecute": False,
                   "RestrictAddressFamilies": "AF_INET AF_UNIX", "SuccessExitStatus": "143"}
        return {"ID": "zk", "Properties": {
            "Allocation": {"LogicalIDs": self.members},
            "Flavor": {"Plugin": "zookeeper", "Properties": {**self.ports, "Timeout": "5s", "Wait": "60s",
                                                             "Config": {"4lw.commands.whitelist": "mntr", **config}}},
            "Instance": {"Plugin": "service", "Properties": {"Unit": {"Service": service}}},
            "Health": {"Interval": "1s", "Grace": "4m"}, "Updating": {"Deadline": "4m"}}}

    def commit(self, document):
        return self.group.call("Group.CommitGroup", Spec=document, Pretend=False)

    def status(self):
        return self.group.call("Fleet.Status", ID="zk", Instances=True)["Groups"][0]

    def instances(self):
        """By logical id: those that live."""
        return {i["LogicalID"]: i["ID"] for i in self.status()["Instances"] if i["Phase"] == "live" and i["ID"]}

    def converged(self):
        s = self.status()
        return s["Converged"] and len(self.serving()) == 3

    def logs(self):
        return "\n".join(self.host.bulkhead("logs", i, check=False).stdout[-3000:] for i in self.instances().values())

    def mode(self, member):
        found = re.search(r"^Mode: (\S+)$", word(member, self.port, "srvr"), re.M)
        return found and found[1]

    def serving(self):
        return [m for m in self.members if self.mode(m) in SERVES]

    def leader(self):
        return next((m for m in self.members if self.mode(m) == "leader"), None)

    def folder(self, member):
        return pathlib.Path(f"/var/lib/private/{self.name}-{member}")

    def kill(self, member):
        instance = self.instances()[member]
        os.kill(self.host.runs()[f"{instance}.service"]["pid"], 9)
        return instance

    def get(self, member, path):
        with Session(member, self.port) as s:
            return s.get(path)[0]

    def clean(self):
        for base in ("/var/lib", "/var/lib/private"):
            for path in pathlib.Path(base).glob(f"{self.name}-*"):
                subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=False)


@pytest.fixture
def ensemble():
    host = Host()
    had = os.path.isdir("/var/lib/private")
    e = Ensemble(host)
    yield e
    host.close()
    e.clean()
    if not had and os.path.isdir("/var/lib/private") and not os.listdir("/var/lib/private"):
        os.rmdir("/var/lib/private")


class Watch:
    """How many members were there at any time, as the controller's provider and the members themselves say."""

    def __init__(self, ensemble):
        self.ensemble, self.least, self.stopping = ensemble, 3, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stopping.is_set():
            answering = sum(word(m, self.ensemble.port, "ruok") == "imok" for m in self.ensemble.members)
            self.least = min(self.least, answering)
            self.stopping.wait(0.1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)


def test_an_ensemble_forms_heals_and_rolls_under_writes(ensemble):
    e = ensemble
    e.commit(e.document())
    assert eventually(e.converged, PATIENCE, 0.5), (e.status(), e.logs())

    # The ensemble as its members tell it.
    said = {m: values(word(m, e.port, "mntr")) for m in e.members}
    assert sorted(s["zk_server_state"] for s in said.values()) == ["follower", "follower", "leader"]
    assert said[e.leader()]["zk_synced_followers"] == "2"
    assert [word(m, e.port, "ruok") for m in e.members] == ["imok"] * 3
    assert "not in the whitelist" in word(e.members[0], e.port, "conf")
    for number, m in enumerate(e.members, 1):
        assert (e.folder(m) / "data/myid").read_text() == f"{number}\n"
    with Session(e.members[0], e.port) as s:
        s.create("/kept", b"value")
        s.create("/counter", b"0")
    assert [e.get(m, "/kept") for m in e.members] == [b"value"] * 3

    # One is killed, and it is the leader: the others go on, and its place is taken by one that is the same to them.
    leader, was = e.leader(), e.instances()
    with Writer([m for m in e.members if m != leader], e.port, "/counter") as writer:
        gone = e.kill(leader)
        assert eventually(lambda: e.instances().get(leader, gone) != gone and e.converged(), PATIENCE, 0.5), (e.status(), e.logs())
    assert not writer.lost and writer.count
    now = e.instances()
    assert {m: i for m, i in now.items() if m != leader} == {m: i for m, i in was.items() if m != leader}
    assert (e.folder(leader) / "data/myid").read_text() == f"{e.members.index(leader) + 1}\n"
    assert e.get(leader, "/kept") == b"value" and int(e.get(leader, "/counter")) >= writer.acknowledged

    # One loses its data as well: it has them from the others.
    follower = next(m for m in e.members if m != e.leader())
    shutil.rmtree(e.folder(follower) / "data/version-2")
    gone = e.kill(follower)
    assert eventually(lambda: e.instances().get(follower, gone) != gone and e.converged(), PATIENCE, 0.5), (e.status(), e.logs())
    assert e.get(follower, "/kept") == b"value" and int(e.get(follower, "/counter")) >= writer.acknowledged

    # All are replaced for another configuration, one after another.
    was = e.instances()
    with Writer(e.members, e.port, "/counter") as writer, Watch(e) as watch:
        e.commit(e.document(maxClientCnxns="77"))
        assert eventually(lambda: not set(was.values()) & set(e.instances().values()) and e.converged(), PATIENCE * 2, 0.5), (e.status(), e.logs())
        time.sleep(1)
    assert watch.least == 2, "one at a time"
    # An election or two, and the time in which one that is gone is missed: never the start of a member.
    assert not writer.lost and writer.count > 10 and writer.longest < 30
    print(f"roll: {writer.count} writes, {writer.moved} moves of the writer, longest pause {writer.longest:.1f} s")
    for m in e.members:
        assert "maxClientCnxns=77\n" in (e.folder(m) / "zoo.cfg").read_text()
        assert e.get(m, "/kept") == b"value" and int(e.get(m, "/counter")) == writer.acknowledged

    # Two at once: there is no majority. The one that is left has the last of the data, and is no worse than before: it stays.
    was = e.instances()
    left = e.members[0]
    for m in e.members[1:]:
        e.kill(m)
    assert eventually(lambda: all(e.instances().get(m, was[m]) != was[m] for m in e.members[1:]) and e.converged(), PATIENCE, 0.5), (e.status(), e.logs())
    assert e.instances()[left] == was[left]
    for m in e.members:
        assert e.get(m, "/kept") == b"value" and int(e.get(m, "/counter")) == writer.acknowledged

    # All of it may go, though the last have no majority.
    e.group.call("Group.DestroyGroup", ID="zk", timeout=300)
    assert eventually(lambda: e.host.runs() == {}, PATIENCE)
