# SPDX-License-Identifier: LGPL-2.1-or-later
"""Instances that are containers of this host, made of one bundle that stays as it is."""
import json
import os
import shutil
import subprocess
import threading
import time

import pytest

from local_plugins import Events, Failed, Host, eventually, gone, kill
from ports import free_ports

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
BUSYBOX = shutil.which("busybox")
if not BUSYBOX:
    pytest.skip("needs busybox", allow_module_level=True)


class Containers(Host):
    def __init__(self):
        super().__init__()
        self.bundle = self.base / "bundle"
        for name in ("bin", "proc", "dev", "sys", "tmp", "etc"):
            (self.bundle / "rootfs" / name).mkdir(parents=True)
        shutil.copy(BUSYBOX, self.bundle / "rootfs/bin/busybox")
        for name in ("sh", "sleep", "httpd", "echo", "id", "touch", "cat", "env"):
            os.symlink("busybox", self.bundle / "rootfs/bin" / name)
        subprocess.run([self.env["BULKHEAD_OCI"], "spec"], cwd=self.bundle, check=True, capture_output=True)
        config = json.loads((self.bundle / "config.json").read_text())
        config["process"].update(args=["sleep", "3600"], terminal=True, env=["PATH=/bin", f"BULKHEAD_TEST={self.base.name}"])
        config["root"]["readonly"] = False
        config["linux"]["cgroupsPath"] = "/shared-by-all"
        self.write(config)
        self.container_root = f"{self.base}/run/instances/container.oci"
        self.instances = self.plugin("bulkhead-instance-container")

    def write(self, config):
        (self.bundle / "config.json").write_text(json.dumps(config))

    def properties(self, **kw):
        return dict({"Bundle": str(self.bundle)}, **kw)

    def oci(self, *args):
        return subprocess.run([self.env["BULKHEAD_OCI"], "--root", self.container_root, *args], capture_output=True, text=True, check=True, timeout=60).stdout

    def containers(self):
        return {c["id"]: c for c in json.loads(self.oci("list", "--format", "json")) or []} if os.path.isdir(self.container_root) else {}

    def close(self):
        for p in self.plugins:
            if p.process.poll() is None:
                p.stop()
        for c in self.containers():
            self.oci("delete", "--force", c)
        super().close()


@pytest.fixture
def host():
    h = Containers()
    yield h
    h.close()


def test_a_configuration_that_somebody_edited_is_described_as_another(host):
    one = host.instances.provision(host.properties(), token="a")
    assert host.instances.describe()[one]["Properties"]["Bundle"] == str(host.bundle)
    path = host.base / f"run/instances/container/{one}/config.json"
    config = json.loads(path.read_text())
    config["process"]["args"] = ["sleep", "1"]
    path.write_text(json.dumps(config))
    assert host.instances.describe()[one]["Properties"]["Bundle"] == f"{host.bundle} with another config.json"


def test_an_instance_is_provisioned_described_labelled_and_destroyed(host):
    one = host.instances.provision(host.properties(StopTimeout="1m"), token="a", tags={"infrakit.group": "web"}, logical_id="10.0.0.1")
    found = host.instances.describe(**{"infrakit.group": "web"})
    assert list(found) == [one] and found[one]["LogicalID"] == "10.0.0.1" and found[one]["Properties"]["Running"]["Name"] == one
    host.instances.label(one, x="y")
    assert list(host.instances.describe(x="y")) == [one]
    assert host.containers()[one]["status"] == "running"
    pid = host.containers()[one]["pid"]
    started = time.monotonic()
    host.instances.destroy(one)
    assert time.monotonic() - started < 50  # sleep is deaf to SIGTERM there: it is not waited for
    assert gone(pid) and host.containers() == {} and host.instances.describe() == {}
    assert os.listdir(host.base / "run/instances/container") == ["lock"]
    with pytest.raises(Failed) as e:
        host.instances.destroy(one)
    assert e.value.id == "instance.missing"


def test_the_same_token_gives_the_same_container(host):
    ids = []
    threads = [threading.Thread(target=lambda: ids.append(host.instances.provision(host.properties(), token="a"))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(ids) == 4 and len(set(ids)) == 1 and list(host.containers()) == [ids[0]]
    assert host.instances.provision(host.properties(), token="b") not in ids
    assert len(host.containers()) == len(host.instances.describe()) == 2


@pytest.mark.parametrize("delay", [0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16])
def test_a_plugin_killed_in_the_middle_of_a_provision_makes_one_when_asked_again(host, delay):
    def ask():
        try:
            host.instances.provision(host.properties(), token="a", timeout=5)
        except Exception:
            pass
    t = threading.Thread(target=ask)
    t.start()
    time.sleep(delay)
    host.instances.kill()
    t.join()
    host.instances.start()
    one = host.instances.provision(host.properties(), token="a")
    assert list(host.instances.describe()) == [one]
    assert {i: c["status"] for i, c in host.containers().items()} == {one: "running"}


def test_what_the_runtime_is_about_when_the_plugin_dies_is_waited_for(host):
    """Killed with it, or passed over, it would leave half a container, or one of which nobody knows."""
    host.instances.stop()
    slow, begun, runtime = host.base / "slow", host.base / "begun", host.base / "runtime"
    slow.touch()
    runtime.write_text(f"#!/bin/sh\ncase \" $* \" in *\" run \"*) touch {begun}; while [ -e {slow} ]; do sleep 0.02; done;; esac\n"
                       f"exec {host.env['BULKHEAD_OCI']} \"$@\"\n")
    runtime.chmod(0o755)
    host.env["BULKHEAD_OCI"] = str(runtime)
    host.instances.start()
    t = threading.Thread(target=lambda: pytest.raises(Exception, host.instances.provision, host.properties(), token="a", tags={"x": "1"}))
    t.start()
    assert eventually(begun.exists)
    host.instances.kill()
    t.join()
    again = threading.Thread(target=host.instances.start)
    again.start()
    time.sleep(0.3)
    assert not host.instances.answers(), "it looked for what was not made yet"
    slow.unlink()
    again.join()
    [(one, found)] = host.instances.describe().items()
    assert found["Tags"]["x"] == "1" and {i: c["status"] for i, c in host.containers().items()} == {one: "running"}
    assert host.instances.provision(host.properties(), token="a") == one


def test_a_kill_is_told_within_50_ms_and_leaves_nothing(host):
    events = Events(host.instances)
    times = []
    for n in range(40):
        one = host.instances.provision(host.properties(), token=f"t{n}")
        victim = host.containers()[one]["pid"]
        before = time.monotonic()
        kill(victim)
        times.append(events.vanished(one) - before)
        assert one not in host.instances.describe()
        if n >= 4 and min(times) < 0.05:
            break
    assert min(times) < 0.05, times  # on a busy host most take longer; polling would never be as fast
    assert eventually(lambda: host.containers() == {})
    assert eventually(lambda: os.listdir(host.base / "run/instances/container") == ["lock"])
    events.close()


def test_tags_and_containers_outlast_the_plugin(host):
    one = host.instances.provision(host.properties(), token="a", tags={"x": "1"})
    two = host.instances.provision(host.properties(), token="b")
    host.instances.stop()
    kill(host.containers()[two]["pid"])  # while nobody looks
    host.instances.start()
    assert list(host.instances.describe()) == [one] and host.instances.describe()[one]["Tags"]["x"] == "1"
    assert list(host.containers()) == [one]
    events = Events(host.instances)
    kill(host.containers()[one]["pid"])
    events.vanished(one)
    events.close()


def test_the_bundle_is_shared_and_only_the_instances_own_folders_can_be_written(host):
    before = (host.bundle / "config.json").read_text()
    log = host.base / "log"
    script = "touch /x; touch /tmp/y && echo written; echo $PORT $BULKHEAD_INSTANCE $BULKHEAD_LOGICAL_ID $A; cat /proc/self/cgroup; echo end; exec sleep 3600"
    low = free_ports(10)[0]
    ids = [host.instances.provision(host.properties(Args=["sh", "-c", script], Env=["A=b {{tag tier}}"], Tmpfs=["/tmp"], Log=f"{log}{n}", Port=f"{low}-{low + 9}"),
                                    token=f"t{n}", tags={"tier": "gold"}, logical_id=f"10.0.0.{n}", init="echo init") for n in range(2)]
    texts = []
    for n, one in enumerate(ids):
        port = host.instances.describe()[one]["Tags"]["bulkhead.port"]
        assert eventually(lambda n=n: os.path.exists(f"{log}{n}") and open(f"{log}{n}").read().endswith("end\n"))
        texts.append(open(f"{log}{n}").read())
        assert texts[n].startswith("init\n") and "Read-only" in texts[n] and "written" in texts[n] and "shared-by-all" not in texts[n]
        assert f"{port} {one} 10.0.0.{n} b gold\n" in texts[n]
    assert host.instances.describe()[ids[0]]["Properties"]["Running"]["Port"] != host.instances.describe()[ids[1]]["Properties"]["Running"]["Port"]
    assert (host.bundle / "config.json").read_text() == before and not (host.bundle / "rootfs/x").exists()


@pytest.mark.parametrize("properties, words", [
    ({}, "Bundle"), ({"Bundle": "relative"}, "absolute"), ({"Bundle": "/nowhere/at/all"}, "config.json"), ({"Bundle": "/", "args": []}, "not known"),
    ({"Bundle": "/", "Env": ["A"]}, "NAME=VALUE"), ({"Bundle": "/", "Args": ["{{x}}"]}, "{{x}}"), ({"Bundle": "/", "Tmpfs": ["../x"]}, "absolute"),
    ({"Bundle": "/", "StopTimeout": "1h"}, "time"),
])
def test_what_makes_no_sense_is_refused(host, properties, words):
    with pytest.raises(Failed) as e:
        host.instances.call("Instance.Validate", Properties=properties)
    assert words in str(e.value)
    with pytest.raises(Failed):
        host.instances.provision(properties, token="a")
    assert host.instances.describe() == {} and host.containers() == {}
    assert host.instances.call("Instance.Validate", Properties=host.properties())["OK"]


def test_a_container_that_cannot_start_says_why_and_leaves_nothing(host):
    with pytest.raises(Failed) as e:
        host.instances.provision(host.properties(Args=["/nowhere"]), token="a")
    assert e.value.id == "container.runtime" and "/nowhere" in str(e.value)
    assert host.instances.describe() == {} and host.containers() == {}
    assert os.listdir(host.base / "run/instances/container") == ["lock"]


@pytest.mark.parametrize("config", ["", "[]", "{}", '{"process":{}}', '{"process":{},"root":{}}', '{"process":{},"root":{"path":5}}', "x" * 100])
def test_bundles_without_sense_are_refused(host, config):
    (host.bundle / "config.json").write_text(config)
    with pytest.raises(Failed) as e:
        host.instances.provision(host.properties(), token="a")
    assert e.value.id in ("container.config", "json.syntax", "json.value")
