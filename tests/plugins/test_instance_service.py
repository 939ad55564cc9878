# SPDX-License-Identifier: LGPL-2.1-or-later
"""Instances that are services of this host: provisioned once per token, told of at once when they vanish, and nothing else is touched."""
import json
import os
import shutil
import threading
import time
import urllib.request

import pytest

from local_plugins import Events, Failed, Host, eventually, gone, kill
from ports import free_ports

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SLEEP = {"Unit": {"Service": {"ExecStart": "/bin/sleep 3600"}}}
BUSYBOX = shutil.which("busybox")


@pytest.fixture
def host():
    h = Host()
    yield h
    h.close()


@pytest.fixture
def service(host):
    return host.plugin("bulkhead-instance-service")


def http_unit(low, high, extra=None):
    """busybox httpd under the strict profile, with the holes that it needs."""
    return {"Unit": {"Service": dict({"ExecStart": f"{BUSYBOX} httpd -f -p 127.0.0.1:${{PORT}} -h /usr/share", "PrivateNetwork": False,
                                      "RestrictAddressFamilies": "AF_INET"}, **(extra or {}))},
            "Port": f"{low}-{high}"}


def get(port, path="/"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code
    except OSError:
        return 0


def test_an_instance_is_provisioned_described_labelled_and_destroyed(host, service):
    one = service.provision(SLEEP, token="a", tags={"infrakit.group": "web", "tier": "1"}, logical_id="10.0.0.1")
    assert one.startswith("web-")
    found = service.describe(tier="1")
    assert list(found) == [one]
    assert found[one]["LogicalID"] == "10.0.0.1"
    assert found[one]["Tags"]["infrakit.group"] == "web" and found[one]["Tags"]["bulkhead.token"] == "a"
    assert found[one]["Properties"] == dict(SLEEP, Running=found[one]["Properties"]["Running"]) and found[one]["Properties"]["Running"]["Name"] == one
    assert "Properties" not in service.describe(properties=False)[one]
    assert service.describe(tier="2") == {}
    assert f"{one}.service" in host.runs()
    service.label(one, tier="2", more="x")
    assert list(service.describe(tier="2", more="x", **{"infrakit.group": "web"})) == [one]
    service.destroy(one)
    assert service.describe() == {} and host.runs() == {}
    assert os.listdir(host.base / "run/instances/service") == ["lock"]
    assert f"{one}.service" not in os.listdir(host.base / "run/runs")
    with pytest.raises(Failed) as e:
        service.destroy(one)
    assert e.value.id == "instance.missing"
    with pytest.raises(Failed):
        service.label(one, a="b")


def test_a_unit_that_somebody_edited_is_described_as_it_stands(host, service):
    one = service.provision(SLEEP, token="a")
    text = {"Unit": "[Service]\nExecStart=/bin/sleep 3600\n# {{id}}\n"}
    two = service.provision(text, token="b")

    def units():
        return {i: d["Properties"]["Unit"] for i, d in service.describe().items()}

    assert units() == {one: SLEEP["Unit"], two: text["Unit"]}
    for i in (one, two):
        with open(host.base / f"run/instances/service/{i}/{i}.service.d/unit.conf", "a") as f:
            f.write("User=root\n")
    assert units() == {one: "[Service]\nExecStart=/bin/sleep 3600\nUser=root\n", two: f"[Service]\nExecStart=/bin/sleep 3600\n# {two}\nUser=root\n"}
    service.label(one, more="x")
    assert units()[one].endswith("User=root\n")


def test_the_same_token_gives_the_same_instance(host, service):
    one = service.provision(SLEEP, token="a")
    assert service.provision(SLEEP, token="a") == one
    assert service.provision(SLEEP, token="b") != one
    assert service.provision(SLEEP) != service.provision(SLEEP)
    assert len(host.runs()) == len(service.describe()) == 4


def test_many_calls_with_one_token_at_once_give_one_instance(host, service):
    ids = []
    threads = [threading.Thread(target=lambda: ids.append(service.provision(SLEEP, token="a"))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(ids) == 8 and len(set(ids)) == 1 and len(host.runs()) == 1


def test_tags_and_instances_outlast_the_plugin(host, service):
    one = service.provision(SLEEP, token="a", tags={"x": "1"})
    service.label(one, y="2")
    service.stop()
    assert len(host.runs()) == 1
    service.start()
    assert service.describe()[one]["Tags"].items() >= {"x": "1", "y": "2", "bulkhead.token": "a"}.items()
    assert service.provision(SLEEP, token="a") == one
    events = Events(service)
    kill(host.runs()[f"{one}.service"]["pid"])
    events.vanished(one)
    events.close()
    assert eventually(lambda: service.describe() == {})


@pytest.mark.parametrize("delay", [0, 0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.03])
def test_a_plugin_killed_in_the_middle_of_a_provision_makes_one_when_asked_again(host, service, delay):
    def ask():
        try:
            service.provision(SLEEP, token="a", timeout=5)
        except Exception:
            pass
    t = threading.Thread(target=ask)
    t.start()
    time.sleep(delay)
    service.kill()
    t.join()
    service.start()
    one = service.provision(SLEEP, token="a")
    assert list(service.describe()) == [one]
    assert list(host.runs()) == [f"{one}.service"]


@pytest.mark.parametrize("who", ["pid", "supervisor_pid"])
def test_a_kill_is_told_within_50_ms(host, service, who):
    events = Events(service)
    times = []
    for n in range(40):
        one = service.provision(SLEEP, token=f"t{n}")
        record = json.loads(host.bulkhead("inspect", f"{one}.service").stdout)
        victim, payload = record[who], record["pid"]
        before = time.monotonic()
        kill(victim)
        times.append(events.vanished(one) - before)
        assert one not in service.describe()
        assert eventually(lambda: gone(payload))
        if n >= 4 and min(times) < 0.05:
            break
    assert min(times) < 0.05, times  # on a busy host most take longer; polling would never be as fast
    assert eventually(lambda: os.listdir(host.base / "run/instances/service") == ["lock"])
    events.close()


def test_a_service_that_restarts_itself_does_not_vanish(host, service):
    one = service.provision({"Unit": {"Service": {"ExecStart": "/bin/sleep 3600", "Restart": "always", "RestartSec": "10ms"}}}, token="a")
    first = host.runs()[f"{one}.service"]["pid"]
    kill(first)
    assert eventually(lambda: host.runs()[f"{one}.service"]["pid"] not in (0, None, first))
    assert list(service.describe()) == [one]


def test_foreign_units_are_not_touched(host, service):
    host.bulkhead("run", "-q", "-u", "other", "/bin/sleep", "3600")
    one = service.provision(SLEEP, token="a")
    with pytest.raises(Failed):
        service.destroy("other")
    service.destroy(one)
    # One that has the very name of an instance, while the plugin is away.
    service.stop()
    host.bulkhead("run", "-q", "-u", one, "/bin/sleep", "3600")
    service.start()
    assert service.describe() == {}
    with pytest.raises(Failed) as e:
        service.provision(SLEEP, token="a")
    assert e.value.id == "unit.exists"
    assert set(host.runs()) == {"other.service", f"{one}.service"}
    assert service.describe() == {}


@pytest.mark.skipif(not BUSYBOX, reason="needs busybox")
def test_instances_of_one_http_service_have_ports_of_their_own(host, service):
    low = free_ports(10)[0]
    ids = [service.provision(http_unit(low, low + 9), token=f"t{n}") for n in range(3)]
    found = service.describe()
    ports = [int(found[i]["Tags"]["bulkhead.port"]) for i in ids]
    assert len(set(ports)) == 3 and all(low <= p <= low + 9 for p in ports)
    assert [found[i]["Properties"]["Running"]["Port"] for i in ids] == ports and found[ids[0]]["Tags"]["bulkhead.address"] == "127.0.0.1"
    for port in ports:
        assert eventually(lambda p=port: get(p) in (200, 404))
    service.destroy(ids[0])
    assert get(ports[0]) == 0
    another = service.provision(http_unit(low, low + 9), token="t9")
    assert service.describe()[another]["Tags"]["bulkhead.port"] == str(ports[0])
    # A port that somebody else listens on is passed over; without one left nothing is made.
    with pytest.raises(Failed) as e:
        service.provision(http_unit(ports[1], ports[1]), token="t10")
    assert e.value.id == "local.port" and len(service.describe()) == 3


@pytest.mark.skipif(not BUSYBOX, reason="needs busybox")
def test_without_a_hole_there_is_no_network(host, service):
    port = host.free_port()
    unit = http_unit(port, port, {"PrivateNetwork": True})
    one = service.provision(unit, token="a")
    time.sleep(0.3)
    assert get(port) == 0
    service.destroy(one)
    assert eventually(lambda: service.provision(http_unit(port, port), token="b"))
    assert eventually(lambda: get(port) in (200, 404))


def test_the_profile_is_strict_where_nothing_is_said(host, service):
    (host.base / "out").mkdir()
    (host.base / "out").chmod(0o777)
    unit = {"Unit": f"[Service]\nType=oneshot\nRemainAfterExit=yes\nReadWritePaths={host.base}/out\n"
                    f"ExecStart=/bin/sh -c 'id -u >{host.base}/out/uid; (touch /usr/x 2>&1 || true) >{host.base}/out/touch; "
                    f"grep -E NoNewPrivs /proc/self/status >{host.base}/out/status'\n"}
    service.provision(unit, token="a")
    assert int((host.base / "out/uid").read_text()) != 0
    assert "ead-only" in (host.base / "out/touch").read_text()
    assert (host.base / "out/status").read_text().split() == ["NoNewPrivs:", "1"]


def test_init_and_places_reach_the_service(host, service):
    (host.base / "out").mkdir()
    (host.base / "out").chmod(0o777)
    out = host.base / "out/{{id}}"
    unit = {"Unit": {"Service": {"Type": "oneshot", "RemainAfterExit": True, "ReadWritePaths": str(host.base / "out"),
                                 "ExecStart": f"/bin/sh -c 'echo $BULKHEAD_INSTANCE $BULKHEAD_LOGICAL_ID {{{{tag tier}}}} >>{out}'"}}}
    one = service.provision(unit, token="a", tags={"tier": "gold"}, logical_id="10.1.1.1", init=f"echo init $BULKHEAD_INSTANCE >>{host.base}/out/$BULKHEAD_INSTANCE\n")
    assert (host.base / "out" / one).read_text() == f"init {one}\n{one} 10.1.1.1 gold\n"


@pytest.mark.parametrize("properties, words", [
    ({}, "Unit"),
    ({"Unit": ""}, "bytes"),
    ({"Unit": {"Service": {"ExecStart": "/bin/sleep 1\n[Unit]"}}}, "one line"),
    ({"Unit": {"Ser]vice": {}}}, "name"),
    ({"Unit": "[Service]\nExecStart=/bin/sleep 1\n", "profile": "trusted"}, "not known"),
    ({"Unit": "[Service]\nExecStart=/bin/sleep 1\n", "Profile": "none"}, "strict"),
    ({"Unit": "[Service]\nExecStart=/bin/sleep {{prot}}\n"}, "prot"),
    ({"Unit": "[Service]\nExecStart=/bin/sleep 1\n", "Port": "9-8"}, "port"),
    ({"Unit": "[Service]\nExecStart=/bin/sleep 1\nProtectSystm=yes\n"}, "ProtectSystm"),
    ({"Unit": "[Service]\nReadOnlyPaths=relative\nExecStart=/bin/sleep 1\n"}, "relative"),
    ({"Unit": "[Service]\n"}, "ExecStart"),
])
def test_what_makes_no_sense_is_refused(host, service, properties, words):
    with pytest.raises(Failed) as e:
        service.call("Instance.Validate", Properties=properties)
    assert words in str(e.value)
    with pytest.raises(Failed):
        service.provision(properties, token="a")
    assert service.describe() == {} and host.runs() == {}


def test_good_properties_are_valid(service):
    assert service.call("Instance.Validate", Properties=SLEEP)["OK"]
    assert service.call("Instance.Validate", Properties=http_unit(8000, 8001))["OK"]


def test_what_cannot_start_leaves_nothing_but_its_log(host, service):
    unit = {"Unit": {"Service": {"Type": "oneshot", "ExecStart": "/bin/sh -c 'echo why; exit 7'"}}}
    with pytest.raises(Failed) as e:
        service.provision(unit, token="a")
    assert e.value.id
    assert service.describe() == {} and host.runs() == {}
    assert os.listdir(host.base / "run/instances/service") == ["lock"]


def test_the_tags_of_the_provider_are_its_own(service):
    one = service.provision(SLEEP, token="a")
    for name in ("bulkhead.token", "bulkhead.port", "bulkhead.address"):
        with pytest.raises(Failed) as e:
            service.label(one, **{name: "x"})
        assert e.value.id == "instance.tag"


def test_two_providers_do_not_share_a_folder(host, service):
    with pytest.raises(AssertionError, match="local.busy"):
        host.plugin("bulkhead-instance-service", name="second")
    host.plugins.clear()
    host.plugins.append(service)
    second = host.plugin("bulkhead-instance-service", "--dir", str(host.base / "run/second"), name="second")
    one, two = service.provision(SLEEP, token="a"), second.provision(SLEEP, token="b")
    assert list(service.describe()) == [one] and list(second.describe()) == [two]
