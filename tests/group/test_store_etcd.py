# SPDX-License-Identifier: LGPL-2.1-or-later
"""The store that controllers share, on a real etcd: election, fencing, partition, restart."""
import os
import pathlib
import socket
import subprocess
import threading
import time

import pytest
from etcd_world import ETCD, PROBE, Etcd, Network, Probe, Relay, free_ports, until

pytestmark = [pytest.mark.skipif(not ETCD, reason="etcd is not installed (packaging/install-deps test)"),
              pytest.mark.skipif(not os.path.exists(PROBE), reason="store_probe is not built")]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
def etcd(tmp_path, ends):
    return ends(Etcd(tmp_path)).start()


@pytest.fixture
def probe(etcd, ends):
    def start(name, **options):
        port = options.pop("port", etcd.client)
        return ends(Probe(f"etcd://127.0.0.1:{port}", name=name, address=f"at-{name}", **{"lease": 15, **options}))
    return start


def leading(p):
    """Asks a controller again and again whether it leads, until it says no; gives when it said yes for the last time."""
    while True:
        p.say("leads")
        if p.expect("leads")[1] == "leads no":
            return p.last("leads yes")
        time.sleep(0.02)


def leader_of(*probes):
    return until(lambda: next((p for p in probes if any(line == "lead" or line.startswith("lead ") for _, line in p.all)), None))


def test_what_is_written_is_read_by_the_next_leader(etcd, probe):
    a = probe("a")
    assert a.expect("lead")[1] == "lead"
    for line in ("commit web 1 {1}", "commit db/eu 1 {d}", "state web some words", "flags web 5", "commit web 2 {2}", "document web 2 {2b}",
                 "event web hello", "audit Commit web"):
        a.write(line)
    a.say("stop")
    a.expect("stopped")
    b = probe("b")
    assert b.expect("lead")[1] == "lead db/eu@1={d}/-/0 web@2={2b}/some words/5"
    b.say("history web", "events 1 10", "audits 0 10")
    assert b.expect("history")[1] == "history 2={2b}/probe 1={1}/probe"
    assert b.expect("log")[1].endswith("last=1 1:hello")
    assert b.expect("log")[1].endswith("last=1 1:Commit(web)")
    b.write("event web again")
    b.expect("told 2")
    assert etcd.get("/bulkhead/v1/version") == "1"


def test_history_is_bounded_and_a_group_is_forgotten_whole(etcd, probe):
    a = probe("a", history=2)
    a.expect("lead")
    for n in range(1, 6):
        a.write(f"commit web {n} d{n}")
    a.say("history web")
    assert a.expect("history")[1] == "history 5=d5/probe 4=d4/probe 3=d3/probe"
    a.write("state web s")
    a.write("forget web")
    assert etcd.keys("/bulkhead/v1/") == ["/bulkhead/v1/leader", "/bulkhead/v1/version"]
    a.write("commit web 1 again")


def test_what_does_not_follow_is_refused(probe):
    a = probe("a")
    a.expect("lead")
    a.write("commit web 2 x", "store.conflict")
    a.write("state web x", "store.conflict")
    a.write("commit web 1 x")
    a.write("commit web 1 x", "store.conflict")
    a.write("document web 3 x", "store.conflict")
    a.write("commit web 2 y")


def test_what_etcd_would_not_take_is_refused_before_it_is_asked(probe):
    a = probe("a", lease=30)
    a.expect("lead")
    a.write("commit web 1 x")
    a.say("bench web 1 1500000")
    assert a.expect("bench")[1].startswith("bench store.too-large")
    b = None
    a.say("bench web 1 1200000")
    assert a.expect("bench")[1].startswith("bench usec")
    # A log is cut into pieces.
    a.write("flood web 2000 1000")
    a.say("events 1995 3")
    assert a.expect("log")[1].startswith("log next=1998")


def test_one_of_three_leads_and_the_others_name_it(probe):
    probes = [probe(name, lease=30) for name in "abc"]
    first = leader_of(*probes)
    others = [p for p in probes if p is not first]
    name = "abc"[probes.index(first)]
    for p in others:
        until(lambda p=p: any(line == f"leader at-{name}" for _, line in p.all))
        p.write("commit web 1 x", "store.lost")
        p.say("leads")
        p.expect("leads no")
    first.write("commit web 1 x")
    first.say("stop")
    first.expect("stopped")
    # No lease to wait for: its end was told.
    began = time.monotonic()
    second = leader_of(*others)
    assert time.monotonic() - began < 10
    assert second.expect("lead")[1] == "lead web@1=x/-/0"


def test_a_leader_that_is_killed_is_followed_when_its_lease_is_over(etcd, probe, ends):
    renewed = []
    relay = ends(Relay(etcd.client, lambda data: renewed.append(time.monotonic()) if b"/v3/lease/" in data else None))
    a = probe("a", port=relay.port, lease=3)
    a.expect("lead")
    b = probe("b", lease=3)
    b.expect("leader at-a")
    a.write("commit web 1 x")
    a.end()
    when, line = b.expect("lead", 30)
    assert line == "lead web@1=x/-/0"
    assert when - renewed[-1] > 3


def test_a_leader_that_slept_past_its_lease_does_not_write(etcd, probe):
    a = probe("a", lease=3)
    a.expect("lead")
    a.write("commit web 1 first")
    b = probe("b")
    b.expect("leader at-a")
    a.pause()
    b.expect("lead")
    b.write("state web of-b")
    a.say("leads", "state web of-a", "leads")
    a.go_on()
    a.expect("leads no")
    assert a.expect("done")[1].endswith("store.lost")
    a.expect("leads no")
    assert any(line.startswith("lost store.lost") for _, line in a.all) or a.expect("lost")
    assert etcd.get("/bulkhead/v1/states/web") == "of-b"
    # It follows from then on, and leads again when it is its turn.
    until(lambda: a.all[-1][1] == "leader at-b")
    b.say("stop")
    assert a.expect("lead")[1] == "lead web@1=first/of-b/0"


def test_a_write_that_was_sent_in_time_and_comes_late_is_refused_by_the_fence(etcd, probe, ends):
    """What no clock of the leader's can prevent: the network holds the write back until somebody else leads."""
    relay = ends(Relay(etcd.client, lambda data: b"kv/txn" in data and b"aGVsZA==" in data))  # "held", the value of the state
    a = probe("a", port=relay.port, lease=4)
    a.expect("lead")
    a.write("commit web 1 first")
    b = probe("b")
    b.expect("leader at-a")
    a.say("state web held")
    assert relay.held.wait(60)
    a.pause()
    b.expect("lead")
    b.write("state web of-b")
    relay.released.set()
    until(lambda: b"header" in b"".join(relay.answers))
    assert b"succeeded" not in b"".join(relay.answers)
    assert etcd.get("/bulkhead/v1/states/web") == "of-b"
    a.go_on()
    assert a.expect("done")[1].endswith("store.lost")


def test_the_same_write_is_carried_out_while_it_leads(etcd, probe, ends):
    """The twin: held back for a moment, not until somebody else leads."""
    relay = ends(Relay(etcd.client, lambda data: b"kv/txn" in data and b"aGVsZA==" in data))
    a = probe("a", port=relay.port, lease=30)
    a.expect("lead")
    a.write("commit web 1 first")
    a.say("state web held")
    assert relay.held.wait(60)
    time.sleep(0.5)
    relay.released.set()
    assert a.expect("done")[1].endswith("ok")
    assert etcd.get("/bulkhead/v1/states/web") == "held"


def test_etcd_is_killed_and_comes_back(etcd, probe):
    a = probe("a", lease=60)
    a.expect("lead")
    a.write("commit web 1 first")
    b = probe("b", lease=60)
    b.expect("leader at-a")
    etcd.stop()
    a.say("state web meanwhile")
    a.expect("trouble etcd.unreachable")
    time.sleep(1)
    etcd.start()
    # The write was not lost, leading was not either, and the watch goes on: b hears at once that a is gone.
    assert a.expect("done")[1].endswith("ok")
    assert etcd.get("/bulkhead/v1/states/web") == "meanwhile"
    assert not any(line.startswith("lost") for _, line in a.all)
    a.say("stop")
    a.expect("stopped")
    began = time.monotonic()
    assert b.expect("lead")[1] == "lead web@1=first/meanwhile/0"
    assert time.monotonic() - began < 15  # by itself it looks after half a minute


def test_etcd_stays_away_past_the_lease(etcd, probe):
    a = probe("a", lease=3)
    a.expect("lead")
    a.write("commit web 1 first")
    etcd.stop()
    began = time.monotonic()
    a.say("state web never")
    assert leading(a) - began < 3
    until(lambda: any(line.startswith("lost store.lost") for _, line in a.all))
    assert next(line for _, line in a.all if line.startswith("done 2")).endswith("store.lost")
    etcd.start()
    assert a.expect("lead")[1] == "lead web@1=first/-/0"


def test_what_somebody_changes_by_hand_is_read_again(etcd, probe, ends):
    watched = []
    a = probe("a", port=ends(Relay(etcd.client, told=watched.append)).port)
    a.expect("lead")
    a.write("commit web 1 first")
    a.write("commit db 1 first")
    etcd.put("/bulkhead/v1/groups/web", '{"revision":1,"flags":9}')
    a.expect("lost store.lost")
    assert a.expect("lead")[1] == "lead db@1=first/-/0 web@1=first/-/9"
    etcd.call("kv/deleterange", key="/bulkhead/v1/groups/db")
    a.expect("lost store.lost")
    assert a.expect("lead")[1] == "lead web@1=first/-/9"
    a.write("commit web 2 second")
    # What it writes itself it does not take for somebody else's. Only a group that is there again before it has heard of its end is read once more,
    # and nobody but itself knows when it has.
    for _ in range(20):
        watched.clear()
        a.write("forget web")
        until(lambda: b"DELETE" in b"".join(watched))
        a.write("commit web 1 again")
        a.say("leads")
        if a.expect("leads")[1] == "leads yes":
            return
        assert a.expect("lead")[1] == "lead web@1=again/-/0"
    raise AssertionError("it takes what it wrote itself for somebody else's")


def test_changes_that_etcd_dropped_are_made_up_for(etcd, probe):
    a = probe("a", lease=60)
    a.expect("lead")
    a.write("commit web 1 first")
    a.pause()
    etcd.stop()
    etcd.start()
    etcd.put("/bulkhead/v1/groups/web", '{"revision":1,"flags":1}')
    revision = etcd.put("/bulkhead/v1/groups/web", '{"revision":1,"flags":2}')
    etcd.call("kv/compaction", revision=str(revision), physical=True)
    a.go_on()
    assert "compaction" in a.expect("lost store.lost", 40)[1]
    assert a.expect("lead", 40)[1] == "lead web@1=first/-/2"
    a.write("commit web 2 second")
    etcd.put("/bulkhead/v1/groups/web", '{"revision":2,"flags":3}')
    assert a.expect("lead")[1] == "lead web@2=second/-/3"


def test_the_leaders_key_is_removed_by_hand(etcd, probe):
    a = probe("a")
    a.expect("lead")
    a.write("commit web 1 first")
    etcd.call("kv/deleterange", key="/bulkhead/v1/leader")
    a.expect("lost store.lost")
    assert a.expect("lead")[1] == "lead web@1=first/-/0"


def test_a_newer_layout_is_refused(etcd, probe):
    etcd.put("/bulkhead/v1/version", "2")
    a = probe("a")
    a.expect("lost store.version")
    time.sleep(0.5)
    assert etcd.get("/bulkhead/v1/leader") is None


def test_damage_is_told_and_nothing_is_guessed(etcd, probe):
    etcd.put("/bulkhead/v1/groups/web", '{"revision":1}')
    a = probe("a")
    assert "no document" in a.expect("trouble store.damaged")[1]
    assert not any(line == "lead" for _, line in a.all)
    etcd.put("/bulkhead/v1/revisions/web/0000000000000001", '{"document":"mended"}')
    a.expect("trouble over")
    assert a.expect("lead")[1] == "lead web@1=mended/-/0"


def test_old_events_go(etcd, probe):
    a = probe("a", events=300)
    a.expect("lead")
    a.write("flood web 2000 10")
    until(lambda: len(etcd.keys("/bulkhead/v1/events/")) <= 3)
    a.say("events 1 1000")
    line = a.expect("log")[1].split()
    assert line[2] == "last=2000" and 300 <= len(line) - 3 <= 600
    a.write("event web next")
    a.expect("told 2001")


def test_a_member_of_three_is_killed(tmp_path, ends):
    ports = [free_ports(2) for _ in range(3)]
    cluster = ",".join(f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(ports))
    members = [ends(Etcd(tmp_path, f"m{i}", ports=ports[i], cluster=cluster)).start(wait=False) for i in range(3)]
    for m in members:
        until(m.is_up)
    where = "etcd://" + ",".join(f"127.0.0.1:{client}" for client, _ in ports)
    a = ends(Probe(where, name="a", address="at-a", lease=60))
    a.expect("lead")
    a.write("commit web 1 first")
    members[0].stop()
    a.write("state web on", timeout=50)
    a.say("leads", "history web")
    a.expect("leads yes")
    assert a.expect("history")[1] == "history 1=first/probe"
    assert not any(line.startswith("lost") for _, line in a.all)


class Stranger:
    """Something at an endpoint that is no etcd: it answers this, or takes what is said and stays silent (None)."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        kept = []
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.asked += 1
            kept.append(connection)
            if self.answer is not None:
                self._reply(connection)

    def _reply(self, connection):
        """Closed with something unread, a connection would be reset, and the answer lost."""
        try:
            connection.recv(1 << 16)
            connection.sendall(self.answer)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(2)
            while connection.recv(1 << 16):
                pass
        except OSError:
            pass
        connection.close()

    def end(self):
        self.listener.close()


def reply(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("answer, trouble", [
    (None, "etcd.timeout"),
    (b"", "etcd.unreachable"),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "http.syntax"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "etcd.unreachable"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{", "http.size"),
    (reply("404 page not found", "404 Not Found"), "etcd.reply"),
    (reply("[" * 100), "etcd.reply"),
    (reply("{}"), "etcd.refused"),
    (reply('{"error":{"grpc_code":14,"message":"no leader"}}', "503 Service Unavailable"), "etcd.refused"),
])
def test_an_endpoint_that_is_no_etcd_is_passed_over(etcd, ends, answer, trouble):
    stranger = ends(Stranger(answer))
    alone = ends(Probe(f"etcd://127.0.0.1:{stranger.port}", name="alone", lease=3))
    alone.expect(f"trouble {trouble}")
    until(lambda: stranger.asked > 2)
    alone.say("leads")
    alone.expect("leads no")
    if answer == reply("{}"):
        return  # a member that says nothing wrong: nobody passes it over
    a = ends(Probe(f"etcd://127.0.0.1:{stranger.port},127.0.0.1:{etcd.client}", name="a", lease=15))
    a.expect("lead")
    a.write("commit web 1 x")


def test_what_waits_goes_together(etcd, probe):
    """A hundred writes at once take few transactions, and the order is kept."""
    a = probe("a")
    a.expect("lead")
    a.write("commit web 1 x")
    before = int(etcd.call("kv/range", key="x")["header"]["revision"])
    a.say(*[f"state web {n}" for n in range(100)], *[f"event web e{n}" for n in range(100)])
    until(lambda: sum(line.startswith("done") for _, line in a.all) == 201)
    assert [line for _, line in a.all if line.startswith("done")] == [f"done {n} ok" for n in range(1, 202)]
    assert [line for _, line in a.all if line.startswith("told")] == [f"told {n + 1} e{n}" for n in range(100)]
    assert etcd.get("/bulkhead/v1/states/web") == "99"
    assert int(etcd.call("kv/range", key="x")["header"]["revision"]) - before < 50


@needs_root
def test_partition_of_three_controllers(tmp_path, ends):
    """Each in a network of its own. Who is cut off stops by its own clock before another begins; nobody leads twice."""
    hub = ends(Network())
    home = ends(Network(hub, "10.99.0.1"))
    ends(Etcd(tmp_path, host="10.99.0.1", ports=(2379, 2380), inside=home)).start()
    networks = {name: ends(Network(hub, f"10.99.0.{i}")) for i, name in enumerate("abc", 11)}
    probes = {name: ends(Probe("etcd://10.99.0.1:2379", inside=network, name=name, address=f"at-{name}", lease=4, plain="yes"))
              for name, network in networks.items()}
    first = leader_of(*probes.values())
    name = next(n for n, p in probes.items() if p is first)
    first.write("commit web 1 first")
    others = [p for p in probes.values() if p is not first]
    networks[name].cut()
    first.say("state web cut-off")
    until_then = leading(first)
    second = leader_of(*others)
    led, line = second.expect("lead")
    assert line == "lead web@1=first/-/0"
    assert until_then < led
    until(lambda: any(line.startswith("lost store.lost") for _, line in first.all))
    first.say("state web cut-off-again")
    second.write("state web of-the-second")
    networks[name].mend()
    second_name = next(n for n, p in probes.items() if p is second)
    first.expect(f"leader at-{second_name}")
    second.say("stop")
    until(lambda: any("of-the-second" in line for p in probes.values() if p is not second for _, line in p.all if line.startswith("lead ")))


# ---- with TLS ----

TLS = os.environ.get("BULKHEAD_TLS") or str(pathlib.Path(PROBE).parents[1] / "src/bulkhead-tls")
needs_tls = pytest.mark.skipif(not os.path.exists(TLS), reason="bulkhead-tls is not built")


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(folder, authority, name, alternatives, subject=None):
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject or f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.csr")
    (folder / f"{name}.ext").write_text(f"subjectAltName={alternatives}\n")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem")


@pytest.fixture
def secure(tmp_path, ends):
    """An etcd that asks for certificates, and a way to start controllers with them."""
    for name in ("ours", "theirs"):
        make_authority(tmp_path, name)
    make_certificate(tmp_path, "ours", "server", "IP:127.0.0.1,DNS:localhost")
    make_certificate(tmp_path, "ours", "elsewhere", "DNS:etcd.example")
    make_certificate(tmp_path, "ours", "client", "DNS:controller")
    make_certificate(tmp_path, "theirs", "stranger", "DNS:controller")

    def start(server="server", **options):
        etcd = ends(Etcd(tmp_path, tls=True, more=("--cert-file", str(tmp_path / f"{server}.pem"), "--key-file", str(tmp_path / f"{server}.key"),
                                                  "--client-cert-auth", "--trusted-ca-file", str(tmp_path / "ours.pem")))).start()
        files = {k: str(tmp_path / v) for k, v in {"ca": "ours.pem", "certificate": "client.pem", "key": "client.key", **options}.items() if v}
        host = files.pop("host", "127.0.0.1")
        return ends(Probe(f"etcds://{os.path.basename(host)}:{etcd.client}", name="a", address="at-a", lease=10, tls=TLS, **files))
    return start


@needs_tls
def test_tls_with_certificates_on_both_sides(secure):
    a = secure()
    a.expect("lead")
    a.write("commit web 1 first")
    a.write("flood web 3000 300")
    a.say("events 1 1000")
    assert a.expect("log")[1].split()[-1].startswith("1000:xxx")
    a.say("stop")
    a.expect("stopped")
    a.process.stdin.close()
    assert a.ended() == 0


@needs_tls
def test_tls_by_name(secure):
    a = secure(host="localhost")
    a.expect("lead")


def refused(probe, words):
    probe.expect("trouble etcd.unreachable")
    until(lambda: any(words in line for line in probe.errors))
    time.sleep(0.3)
    assert not any(line.startswith("lead") for _, line in probe.all)


@needs_tls
def test_an_etcd_of_another_authority_is_not_believed(secure):
    refused(secure(ca="theirs.pem"), "tls.certificate")


@needs_tls
def test_an_etcd_of_another_name_is_not_believed(secure):
    refused(secure(server="elsewhere"), "tls.certificate")


@needs_tls
def test_etcd_does_not_believe_who_has_no_certificate_of_its_authority(secure):
    a = secure(certificate="stranger.pem", key="stranger.key")
    a.expect("trouble etcd.unreachable")
    time.sleep(0.5)
    assert not any(line.startswith("lead") for _, line in a.all)


@needs_tls
def test_a_key_that_everybody_can_read_is_refused(secure, tmp_path):
    (tmp_path / "open.key").write_text("")
    os.chmod(tmp_path / "open.key", 0o644)
    a = secure(key="open.key")
    assert a.ended() == 1
    assert any("can be read by everybody" in line for line in a.errors)


def test_without_tls_only_this_machine_is_asked(ends):
    a = ends(Probe("etcd://10.0.0.1:2379"))
    assert a.ended() == 1
    assert any("store.address" in line for line in a.errors)
