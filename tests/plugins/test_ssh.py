# SPDX-License-Identifier: LGPL-2.1-or-later
"""instance-ssh with real OpenSSH servers on loopback: each port is a host."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest

from plugin import Plugin, Refused, eventually
from ports import free_ports

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="sshd here takes root"), pytest.mark.skipif(not SSHD, reason="there is no sshd")]
CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
PrintMotd no
MaxStartups 100
SetEnv WORLD={folder} HOME={folder}
"""
# Every command writes down that it ran; files in the host's folder make it slow or let it fail.
PROVISION = ('echo "provision $BULKHEAD_INSTANCE $BULKHEAD_LOGICAL_ID" >>$WORLD/calls; cat "$BULKHEAD_INIT" >>$WORLD/inits; '
             'while [ -e $WORLD/slow ]; do sleep 0.05; done; [ ! -e $WORLD/fail-provision ] || { echo "no room left"; exit 3; }')
DESTROY = 'echo "destroy $BULKHEAD_INSTANCE" >>$WORLD/calls; [ ! -e $WORLD/fail-destroy ] || { echo "still in use"; exit 4; }'


class Host:
    def __init__(self, folder, authorized):
        folder.mkdir()
        self.folder = folder
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
        self.key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        shutil.copy(authorized, folder / "authorized_keys")
        [self.port] = free_ports()
        (folder / "sshd_config").write_text(CONFIG.format(port=self.port, folder=folder))
        self.process = None
        self.start()

    def start(self):
        # In a mount namespace: what sshd wants below /run is not the host's. In one of processes, so that all that it started ends with it.
        self.process = subprocess.Popen(["unshare", "-m", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                                         'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$0" "$@"',
                                         SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stderr=subprocess.DEVNULL, start_new_session=True)

        def up():
            assert self.process.poll() is None
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        eventually(up)

    def stop(self):
        """The server, all its sessions and what they run: the host is out of reach, and nothing there writes any more."""
        if self.process:
            [first] = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            os.kill(int(first), signal.SIGKILL)  # it ends after all the others, and unshare after it
            self.process.wait()
            self.process = None

    def set(self, name):
        (self.folder / name).touch()

    def unset(self, name):
        (self.folder / name).unlink(missing_ok=True)

    def calls(self):
        path = self.folder / "calls"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def claim(self):
        try:
            return (self.folder / "claims/claim").read_text()
        except FileNotFoundError:
            return None

    def document(self):
        return {"Address": "127.0.0.1", "Port": self.port, "User": "root", "HostKey": self.key, "Folder": str(self.folder / "claims")}


class Pool:
    def __init__(self, hosts):
        self.hosts = hosts

    def document(self, **more):
        return {"Hosts": [h.document() for h in self.hosts], "Provision": PROVISION, "Destroy": DESTROY, "Limit": "60s", **more}

    def of(self, instance):
        [host] = [h for h in self.hosts if f":{h.port}-" in instance]
        return host

    def claimed(self):
        return [h for h in self.hosts if h.claim()]


@pytest.fixture
def pool(folder):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "identity"], check=True)
    p = Pool([Host(folder / f"h{i}", folder / "identity.pub") for i in range(3)])
    yield p
    for h in p.hosts:
        h.unset("slow")
        h.stop()


@pytest.fixture
def ssh(folder, pool):
    with Plugin("ssh", folder, ["--dir", folder / "state", "--identity", folder / "identity", "--check", "300ms"]) as p:
        yield p


def test_a_host_is_claimed_described_labelled_and_released(ssh, pool):
    i = ssh.provision(pool.document(), {"infrakit.group": "db"}, "t", Init="echo from-init\n")
    host = pool.of(i)
    assert host.calls() == ["provision"] and (host.folder / "inits").read_text() == "echo from-init\n"
    [d] = ssh.describe({"infrakit.group": "db"}, properties=True)
    assert d["ID"] == i and d["Tags"] == {"infrakit.group": "db", "bulkhead.token": "t"} and d["Properties"] == pool.document()
    assert ssh.ids({"infrakit.group": "web"}) == []
    ssh.label(i, color="it's \"red\"\n")
    ssh.label(i, size="big")
    assert ssh.describe()[0]["Tags"] == {"infrakit.group": "db", "bulkhead.token": "t", "color": "it's \"red\"\n", "size": "big"}
    assert not (host.folder / "claims/init").exists()
    ssh.destroy(i)
    assert host.calls() == ["provision", "destroy"] and ssh.ids() == [] and pool.claimed() == []
    with pytest.raises(Refused, match="no instance"):
        ssh.destroy(i)


def test_each_instance_has_a_host_and_then_there_are_none(ssh, pool):
    ids = [ssh.provision(pool.document(), token=f"t{n}") for n in range(3)]
    assert len({pool.of(i) for i in ids}) == 3 and ssh.ids() == sorted(ids)
    with pytest.raises(Refused, match="none of 3 hosts is free: 3 are taken"):
        ssh.provision(pool.document(), token="t3")
    ssh.destroy(ids[1])
    assert pool.of(ssh.provision(pool.document(), token="t3")) is pool.of(ids[1])


def test_many_at_once_get_a_host_each(ssh, pool):
    threads = [ssh.provision_in_background(pool.document(), token=f"t{n}") for n in range(3)]
    for t in threads:
        t.join(60)
    outcomes = {t.outcome for t in threads if isinstance(t.outcome, str)}
    # One that met another at its host may have been told that none is free just then; asked again it gets one.
    outcomes |= {ssh.provision(pool.document(), token=f"t{n}") for n in range(3)}
    assert len(outcomes) == 3 and ssh.ids() == sorted(outcomes) and len(pool.claimed()) == 3


def test_the_same_token_twice_gives_one(ssh, pool):
    assert ssh.provision(pool.document(), token="t") == ssh.provision(pool.document(), token="t")
    threads = [ssh.provision_in_background(pool.document(), token="u") for _ in range(4)]
    for t in threads:
        t.join(60)
    assert len({t.outcome for t in threads}) == 1 and len(pool.claimed()) == 2
    assert [len(h.calls()) for h in pool.claimed()] == [1, 1]


def test_a_logical_id_names_the_host(ssh, pool):
    documents = pool.document()
    i = ssh.provision(documents, token="t", LogicalID="127.0.0.1")
    assert ssh.describe()[0]["LogicalID"] == "127.0.0.1"
    assert "127.0.0.1" in (pool.of(i).folder / "calls").read_text()
    with pytest.raises(Refused, match="none of 3"):
        ssh.provision(documents, token="u", LogicalID="10.0.0.9")


def slow_provision(ssh, pool, token="t"):
    for h in pool.hosts:
        h.set("slow")
    ssh.provision_in_background(pool.document(), {"infrakit.group": "db"}, token)
    eventually(lambda: any("provision" in h.calls() for h in pool.hosts))


def free_all(pool):
    for h in pool.hosts:
        h.unset("slow")


def test_what_is_being_made_is_listed_with_its_tags(ssh, pool):
    slow_provision(ssh, pool)
    assert len(ssh.ids({"infrakit.group": "db"})) == 1
    free_all(pool)


def test_what_is_being_made_can_be_labelled_and_destroyed(ssh, pool):
    slow_provision(ssh, pool)
    [i] = ssh.ids()
    ssh.label(i, seen="yes")
    assert ssh.describe()[0]["Tags"]["seen"] == "yes"
    free_all(pool)
    ssh.destroy(i)
    eventually(lambda: ssh.ids() == [] and pool.claimed() == [])


def test_kill_9_in_the_middle_of_a_provision_then_the_same_token_gives_one(ssh, pool):
    slow_provision(ssh, pool)
    ssh.kill()
    ssh.start()
    assert len(ssh.ids({"infrakit.group": "db"})) == 1
    free_all(pool)
    i = ssh.provision(pool.document(), {"infrakit.group": "db"}, "t")
    assert ssh.ids() == [i] and len(pool.claimed()) == 1 and " ready" in pool.of(i).claim()


def test_kill_9_in_the_middle_of_a_provision_is_finished_without_asking(ssh, pool):
    slow_provision(ssh, pool)
    ssh.kill()
    [host] = pool.claimed()
    free_all(pool)
    ssh.start()
    eventually(lambda: " ready" in (host.claim() or ""))
    assert len(ssh.ids({"infrakit.group": "db"})) == 1


def test_kill_9_before_the_claim_leaves_an_intent_and_the_retry_goes_to_the_same_host(ssh, pool, folder):
    """The last host of the pool is written down as the one that was asked: the retry asks it first, and no other."""
    i = ssh.provision(pool.document(), token="t")
    state = next((folder / "state/hosts").glob("*.json"))
    name = json.loads(state.read_text())["Claim"]["Name"]
    ssh.destroy(i)
    last = pool.hosts[-1]
    other = ssh.provision({**pool.document(), "Hosts": [last.document()]}, token="other")
    [state] = (folder / "state/hosts").glob("*.json")
    text = state.read_text()
    ssh.destroy(other)
    ssh.kill()
    known = json.loads(text)
    del known["Claim"]
    known["Intent"] = name
    state.write_text(json.dumps(known))
    ssh.start()
    last.stop()
    with pytest.raises(Refused, match=f"port {last.port}"):
        ssh.provision(pool.document(), token="t")
    assert pool.claimed() == [], "another host was taken while the first may hold the instance"
    free = ssh.provision(pool.document(), token="u")
    assert pool.of(free) is not last, "other tokens are not held up"
    last.start()
    assert pool.of(ssh.provision(pool.document(), token="t")) is last


def test_a_host_out_of_reach_is_told_and_not_lost(ssh, pool):
    i = ssh.provision(pool.document(), {"infrakit.group": "db"}, "t")
    pool.of(i).stop()
    [d] = ssh.describe({"infrakit.group": "db"})
    assert d["ID"] == i and d["Tags"]["bulkhead.unreachable"] == "yes"
    with pytest.raises(Refused, match="Connection refused"):
        ssh.destroy(i)
    with pytest.raises(Refused, match="Connection refused"):
        ssh.label(i, a="b")
    with pytest.raises(Refused, match="Connection refused"):
        ssh.provision(pool.document(), {"infrakit.group": "db"}, "t")
    ssh.kill()
    ssh.start()
    assert ssh.ids({"infrakit.group": "db"}) == [i]
    assert pool.of(ssh.provision(pool.document(), token="u")) is not pool.of(i)
    pool.of(i).start()
    [d] = ssh.describe({"infrakit.group": "db"})
    assert "bulkhead.unreachable" not in d["Tags"]


def test_a_pool_with_a_host_out_of_reach_uses_the_others(ssh, pool):
    pool.hosts[0].stop()
    assert pool.of(ssh.provision(pool.document(), token="t")) is pool.hosts[1]


def test_a_host_with_another_key_is_not_believed(ssh, pool, folder):
    """A twin of every other test here, where the key is the right one."""
    wrong = {**pool.hosts[0].document(), "HostKey": pool.hosts[1].key}
    with pytest.raises(Refused, match="1 cannot be asked"):
        ssh.provision(pool.document(Hosts=[wrong]), token="t")
    assert pool.hosts[0].calls() == [] and pool.claimed() == []
    i = ssh.provision(pool.document(), token="t")
    host = pool.of(i)
    # A host that answers with another key later is not gone, and is told nothing.
    host.stop()
    ssh.stop()
    os.replace(host.folder / "host_key", host.folder / "former_key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host.folder / "host_key"], check=True)
    host.start()
    ssh.start()
    assert ssh.describe()[0]["Tags"]["bulkhead.unreachable"] == "yes"
    with pytest.raises(Refused, match="(?i)host key"):
        ssh.destroy(i)
    assert host.calls() == ["provision"]


def test_a_command_that_fails_is_told_and_cleared_away(ssh, pool):
    for h in pool.hosts:
        h.set("fail-provision")
    with pytest.raises(Refused, match="status 3: no room left"):
        ssh.provision(pool.document(), token="t")
    assert ssh.ids() == [] and pool.claimed() == []
    [tried] = [h for h in pool.hosts if h.calls()]
    assert tried.calls() == ["provision", "destroy"]
    for h in pool.hosts:
        h.unset("fail-provision")
    assert pool.of(ssh.provision(pool.document(), token="t")) is not tried, "the host that failed is taken last"


def test_what_can_neither_be_made_nor_cleared_away_is_cleared_later(ssh, pool):
    for h in pool.hosts:
        h.set("fail-provision"), h.set("fail-destroy")
    with pytest.raises(Refused, match="no room left"):
        ssh.provision(pool.document(), token="t")
    [host] = pool.claimed()
    assert ssh.ids() == []
    with pytest.raises(Refused, match="still in use|goes on|runs on"):
        ssh.provision(pool.document(), token="t")
    assert pool.claimed() == [host]
    host.unset("fail-destroy")
    eventually(lambda: pool.claimed() == [])


def test_a_failed_destroy_is_told_and_forgets_nothing(ssh, pool):
    i = ssh.provision(pool.document(), token="t")
    host = pool.of(i)
    host.set("fail-destroy")
    with pytest.raises(Refused, match="status 4: still in use"):
        ssh.destroy(i)
    assert ssh.ids() == [i] and host.claim()
    host.unset("fail-destroy")
    eventually(lambda: ssh.ids() == [] and host.claim() is None)


def test_a_claim_that_somebody_takes_away_is_told(ssh, pool):
    i = ssh.provision(pool.document(), token="t")
    events = ssh.events()
    (pool.of(i).folder / "claims/claim").unlink()
    events.tell("vanished", i)
    assert ssh.ids() == []


@pytest.mark.parametrize("claim", ["another program's\n", "bulkhead-claim 1 %s ready\n{}\n" % ("0" * 32), "", "bulkhead-claim 2 x\n"],
                         ids=["not-ours", "of-another", "empty", "newer"])
def test_claims_of_others_are_left_alone(ssh, pool, claim):
    for h in pool.hosts[:2]:
        (h.folder / "claims").mkdir()
        (h.folder / "claims/claim").write_text(claim)
    assert pool.of(ssh.provision(pool.document(), token="t")) is pool.hosts[2]
    with pytest.raises(Refused, match="none of 3"):
        ssh.provision(pool.document(), token="u")
    assert len(ssh.ids()) == 1
    assert all(h.claim() == claim and h.calls() == [] for h in pool.hosts[:2])


def test_two_plugins_share_a_pool(ssh, pool, folder):
    second = Plugin("ssh", folder, ["--dir", folder / "second", "--identity", folder / "identity"])
    second.socket = folder / "ssh2"
    with second:
        a, b = ssh.provision(pool.document(), token="t"), second.provision(pool.document(), token="u")
        assert pool.of(a) is not pool.of(b) and ssh.ids() == [a] and second.ids() == [b]
        with pytest.raises(Refused, match="no instance"):
            second.destroy(a)


def test_a_provision_command_has_a_limit(ssh, pool):
    for h in pool.hosts:
        h.set("slow")
    with pytest.raises(Refused, match="took too long"):
        ssh.provision(pool.document(Limit="1s"), token="t")
    free_all(pool)


def test_a_long_init_arrives_whole_and_is_not_kept(ssh, pool, folder):
    init = "".join(f"echo '{n}' \"$x\" `true` \\\\ é\n" for n in range(20000))
    i = ssh.provision(pool.document(), token="t", Init=init)
    assert (pool.of(i).folder / "inits").read_text() == init
    for p in [*(folder / "state").rglob("*"), *(pool.of(i).folder / "claims").rglob("*")]:
        assert not p.is_file() or "19999" not in p.read_text()


def test_without_a_command_the_init_runs(ssh, pool):
    document = pool.document()
    del document["Provision"]
    i = ssh.provision(document, token="t", Init="echo ran >$WORLD/ran\n")
    assert (pool.of(i).folder / "ran").read_text() == "ran\n"
    ssh.provision(document, token="u")


def test_bad_documents_are_refused(ssh, pool):
    host = pool.hosts[0].document()
    for bad in ({"Address": "-oProxyCommand=touch /tmp/x"}, {"Address": "a b"}, {"User": "-x"}, {"Port": 0}, {"Port": 65536}, {"HostKey": "x"},
                {"HostKey": host["HostKey"] + "\n* " + host["HostKey"]}, {"Folder": "-rf"}, {"Folder": "a'b"}, {"HostKey": None}):
        with pytest.raises(Refused):
            ssh.validate(pool.document(Hosts=[{**host, **bad}]))
    for bad in ({}, {"Hosts": []}, {"Hosts": ["a"]}, pool.document(Limit="0"), pool.document(Limit=3)):
        with pytest.raises(Refused):
            ssh.validate(bad)
    ssh.validate(pool.document())
    ssh.validate({"Hosts": [{"Address": "::1", "HostKey": host["HostKey"] + " root@host"}]})


def test_nothing_of_the_user_configures_ssh(ssh, pool, folder):
    (folder / ".ssh").mkdir()
    (folder / ".ssh/config").write_text(f"Host *\n ProxyCommand touch {folder}/hit\n PermitLocalCommand yes\n LocalCommand touch {folder}/hit\n")
    ssh.provision(pool.document(), token="t")
    assert not (folder / "hit").exists()
