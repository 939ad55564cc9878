# SPDX-License-Identifier: LGPL-2.1-or-later
"""features, spec, update and events."""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

GROUPS = pathlib.Path("/sys/fs/cgroup")
# The score goes up for the whole pipe: while tail is still giving its memory back, head may meet the limit again, and the kernel then ends
# another one of the group. That one must not be the container's first process.
EAT = "echo 1000 >/proc/self/oom_score_adj; head -c {} /dev/zero | tail >/dev/null"


def v1(controller):
    return pytest.mark.skipif(not (GROUPS / controller / "cgroup.procs").exists(), reason=f"no v1 hierarchy of {controller} here")


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    return what()


def group(c, controller):
    """The folder of the container's process, as the kernel tells it."""
    for line in open(f"/proc/{c.state()['pid']}/cgroup"):
        _, names, path = line.rstrip("\n").split(":", 2)
        if controller in names.split(","):
            return GROUPS / controller / path.lstrip("/")
    raise AssertionError(f"not in a group of {controller}")


# ---- features ----


@pytest.fixture
def features(container):
    r = container.call("features")
    assert r.status == 0, r
    return json.loads(r.out)


def test_features_tells_versions_hooks_and_namespaces(features):
    assert (features["ociVersionMin"], features["ociVersionMax"]) == ("1.0.0", "1.3.0")
    assert set(features["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
    assert set(features["linux"]["namespaces"]) == {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
    assert features["potentiallyUnsafeConfigAnnotations"] == []


def test_features_names_every_kind_of_support(features):
    linux = features["linux"]
    assert linux["cgroup"] == {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True}
    assert linux["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    assert linux["mountExtensions"] == {"idmap": {"enabled": True}} and linux["netDevices"] == {"enabled": True}
    assert "CAP_CHOWN" in linux["capabilities"] and "CAP_CHECKPOINT_RESTORE" in linux["capabilities"]
    assert {"SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO"} <= set(linux["seccomp"]["actions"])
    assert "SCMP_ARCH_X86_64" in linux["seccomp"]["archs"] and "SCMP_CMP_MASKED_EQ" in linux["seccomp"]["operators"]
    assert set(linux["seccomp"]["supportedFlags"]) <= set(linux["seccomp"]["knownFlags"])
    assert "SECCOMP_FILTER_FLAG_LOG" in linux["seccomp"]["supportedFlags"]


def test_every_mount_option_of_features_is_taken(features, make):
    c = make(names=["true"])
    mount = {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}
    c.config["mounts"].append(mount)
    # tmpcopyup is for tmpfs; the others would need what is not there: a source that is a link, or ids that are mapped.
    left_out = {"copy-symlink", "idmap", "ridmap", "bind", "rbind", "src-nofollow", "dest-nofollow"}
    refused = []
    for word in features["mountOptions"]:
        if word in left_out or word.startswith("r") and word[1:] in ("private", "slave", "shared", "unbindable"):
            continue
        mount["options"] = [word]
        r = c.run()
        if "unknown" in r.err:
            refused.append((word, r.err))
    assert not refused


def test_every_memory_policy_of_features_is_understood(features, container):
    for mode in features["linux"]["memoryPolicy"]["modes"]:
        nodes = "" if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") else "0"
        container.config["linux"]["memoryPolicy"] = {"mode": mode, "nodes": nodes}
        r = container.run()
        assert "unknown word" not in r.err, (mode, r.err)


def test_features_and_spec_take_no_container(container):
    for command in ("features", "spec"):
        r = container.call(command, "extra")
        assert r.status == 1 and "extra" in r.err


# ---- spec ----


def test_spec_writes_a_configuration_that_runs(container):
    r = container.call("spec")
    assert r.status == 0, r
    config = json.loads((container.bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["echo", "it runs"])
    container.config = config
    r = container.run()
    assert (r.status, r.out) == (0, "it runs\n"), r


def test_spec_writes_into_another_bundle_and_file(container, folder):
    (folder / "other").mkdir()
    assert container.call("spec", "--bundle", folder / "other", "-f", "mine.json").status == 0
    assert json.loads((folder / "other/mine.json").read_text())["process"]["args"] == ["sh"]


def test_spec_never_replaces_a_file(container):
    (container.bundle / "config.json").write_text("mine")
    r = container.call("spec")
    assert r.status == 1 and "config.unwritable" in r.err
    assert (container.bundle / "config.json").read_text() == "mine"


def test_spec_rootless_has_a_user_namespace_of_the_caller(container):
    assert container.call("spec", "--rootless").status == 0
    linux = json.loads((container.bundle / "config.json").read_text())["linux"]
    assert {"type": "user"} in linux["namespaces"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": os.getuid(), "size": 1}]


# ---- update ----


@v1("memory")
def test_a_limit_of_memory_that_update_sets_ends_a_hog(container):
    container.args("sleep", "60").up()
    assert container.exec("sh", "-c", EAT.format(40000000)).status == 0
    r = container.call("update", "--memory", "16m", "--memory-swap", "16m", container.id)
    assert r.status == 0, r
    assert container.exec("sh", "-c", EAT.format(40000000)).status == 137
    assert container.call("update", "--memory=-1", "--memory-swap=-1", container.id).status == 0
    assert container.exec("sh", "-c", EAT.format(40000000)).status == 0


@v1("pids")
def test_a_limit_of_tasks_that_update_sets_is_felt(container):
    container.args("sleep", "60").up()
    assert container.call("update", "--pids-limit", "3", container.id).status == 0
    # They stay until the shell, which ends at the first that it cannot start, has ended, and hold none of our pipes.
    r = container.exec("sh", "-c", "for i in 1 2 3 4; do sleep 1000 >/dev/null 2>&1 & done; wait")
    assert "can't fork" in r.err, r


@v1("memory")
def test_zeros_as_engines_send_them_leave_all_as_it_is(container):
    container.config["linux"]["resources"].update(memory={"limit": 64 << 20, "swap": 64 << 20}, cpu={"shares": 512}, pids={"limit": 50})
    container.args("sleep", "60").up()
    sent = {"memory": {"limit": 0, "reservation": 0, "swap": 0, "kernel": 0}, "cpu": {"shares": 0, "quota": 50000, "period": 100000},
            "pids": {"limit": 0}, "blockIO": {"weight": 0}}
    r = container.call("update", "--resources", "-", container.id, input=json.dumps(sent))
    assert r.status == 0, r
    assert (group(container, "memory") / "memory.limit_in_bytes").read_text().strip() == str(64 << 20)
    assert (group(container, "cpu") / "cpu.shares").read_text().strip() == "512"
    assert (group(container, "cpu") / "cpu.cfs_quota_us").read_text().strip() == "50000"
    assert (group(container, "pids") / "pids.max").read_text().strip() == "50"


@v1("cpu")
def test_each_option_reaches_its_file_and_overrules_a_file_of_resources(container):
    container.args("sleep", "60").up()
    (container.bundle / "r.json").write_text(json.dumps({"cpu": {"shares": 100, "cpus": "0"}, "pids": {"limit": 9}}))
    r = container.call("update", f"--resources={container.bundle}/r.json", "--cpu-share", "333", "--cpu-period", "50000", "--cpu-quota", "20000",
                       "--memory-reservation", "33554432", container.id)
    assert r.status == 0, r
    rows = [("cpu", "cpu.shares", "333"), ("cpu", "cpu.cfs_period_us", "50000"), ("cpu", "cpu.cfs_quota_us", "20000"), ("pids", "pids.max", "9"),
            ("cpuset", "cpuset.cpus", "0"), ("memory", "memory.soft_limit_in_bytes", "33554432")]
    for controller, file, value in rows:
        assert (group(container, controller) / file).read_text().strip() == value, file


@pytest.mark.parametrize("options, words", [
    (["--memory", "much"], "--memory"), (["--pids-limit", "-2"], "--pids-limit"), (["--cpuset-cpus", "a"], "--cpuset-cpus"),
    (["--cpuset-cpus", "0-99999"], "cpuset"), (["-r", "/nonexistent"], "/nonexistent"), (["--l3-cache-schema", "0=f"], "rdt."),
])
def test_update_refuses_what_makes_no_sense(container, options, words):
    container.args("sleep", "60").up()
    r = container.call("update", *options, container.id)
    assert r.status == 1 and words in r.err, r


def test_update_refuses_resources_that_are_no_resources(container):
    container.args("sleep", "60").up()
    for text in ("", "[]", '{"memory": {"limit": "64m"}}', '{"devices": [{"allow": "yes"}]}'):
        r = container.call("update", "-r", "-", container.id, input=text)
        assert r.status == 1 and "json." in r.err, (text, r)


def test_update_of_a_stopped_or_unknown_container_fails(container):
    container.up()
    assert container.wait_for("stopped")
    assert "container.status" in container.call("update", "--pids-limit", "9", container.id).err
    assert container.call("update", "--pids-limit", "9", "nobody").status == 1


# ---- events ----


def test_events_once_shows_what_is_used(container):
    container.args("sleep", "60").up()
    r = container.call("events", "--stats", container.id)
    assert r.status == 0, r
    line = json.loads(r.out)
    assert line["type"] == "stats" and line["id"] == container.id
    assert line["data"]["pids"]["current"] == 1
    assert line["data"]["cpu"]["usage"]["total"] > 0


def test_events_go_on_until_the_container_ends(container):
    container.args("sleep", "60").up()
    p = subprocess.Popen(container.command("events", "--interval", "50ms", container.id), stdout=subprocess.PIPE, text=True)
    try:
        lines = [json.loads(p.stdout.readline()) for _ in range(3)]
        assert all(x["type"] == "stats" for x in lines)
        container.kill()
        assert p.wait(60) == 0
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def waits_for_events(pid):
    """Whether a process has an eventfd and sleeps: by then it has told the kernel of it."""
    proc = pathlib.Path(f"/proc/{pid}")
    try:
        names = [os.readlink(f) for f in (proc / "fd").iterdir()]
    except FileNotFoundError:
        return False
    return any("eventfd" in n for n in names) and (proc / "stat").read_text().rsplit(")", 1)[1].split()[0] == "S"


@v1("memory")
def test_events_tell_that_memory_ran_out(container):
    container.config["linux"]["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    container.args("sleep", "60").up()
    p = subprocess.Popen(container.command("events", "--interval", "60s", container.id), stdout=subprocess.PIPE, text=True)
    try:
        assert until(lambda: waits_for_events(p.pid))
        assert container.exec("sh", "-c", EAT.format(40000000)).status == 137
        assert json.loads(p.stdout.readline()) == {"type": "oom", "id": container.id}
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait()
        p.stdout.close()


def test_events_of_a_container_that_does_not_run_fail(container):
    container.up()
    assert container.wait_for("stopped")
    r = container.call("events", "--stats", container.id)
    assert r.status == 1 and "container.status" in r.err
    for interval in ("0s", "-1s", "often"):
        r = container.call("events", f"--interval={interval}", container.id)
        assert r.status == 1 and "--interval" in r.err


# ---- as callers of other runtimes expect it ----


def test_start_waits_for_a_create_that_is_still_at_work(container, folder):
    gate = folder / "gate"
    container.sh("echo started").config["hooks"] = {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"until [ -e {gate} ]; do sleep 0.02; done"]}]}
    container.save()
    with open(container.bundle / "out", "wb") as out:
        create = subprocess.Popen(container.command("create", "--bundle", container.bundle, container.id), stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.PIPE)
    start = None
    try:
        assert until(lambda: container.status() == "creating")
        start = subprocess.Popen(container.command("start", container.id), stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
        assert start.poll() is None, "start did not wait: " + start.communicate()[1]
        gate.touch()
        assert start.communicate(timeout=60)[1] == "" and start.returncode == 0
        assert create.wait(60) == 0
        assert container.wait_for("stopped") and container.out() == "started\n"
    finally:
        gate.touch()
        for p in filter(None, (create, start)):
            p.kill()
            p.communicate()


def test_the_letter_that_makes_an_id_invalid_is_named(container):
    container.id = "this/is/invalid"
    r = container.run()
    assert r.status != 0 and 'invalid character `/` in the container ID "this/is/invalid"' in r.err


def test_a_bind_in_place_of_a_tmpfs_keeps_its_attributes_and_notes_the_rest(container, folder):
    (folder / "shown").mkdir()
    container.config["mounts"].append({"destination": "/shown", "source": str(folder / "shown"), "type": "bind",
                                       "options": ["bind", "ro", "mode=755,size=1k"]})
    r = container.sh("grep ' /shown ' /proc/self/mountinfo; ! touch /shown/x").run()
    assert r.status == 0 and " ro," in r.out, r
    assert "/shown is a bind, which has no mode=755,size=1k: left out" in r.err


@pytest.mark.parametrize("word", ["ro=1", "mode=0,ro", "nosiud"])
def test_a_mistyped_attribute_of_a_bind_is_refused(container, folder, word):
    container.config["mounts"].append({"destination": "/shown", "source": str(folder), "type": "bind", "options": ["bind", word]})
    r = container.sh("true").run()
    assert r.status != 0 and f'unknown for a bind: "{word}"' in r.err


def test_a_terminal_of_a_detached_run_asks_for_a_console_socket(container):
    container.config["process"]["terminal"] = True
    r = container.run("--detach")
    assert r.status != 0 and "use --console-socket" in r.err


def test_many_at_once_join_one_process_namespace(make):
    """The process that sets up such a container ends early: it has to be on record by then, however busy the host is."""
    first = make(names=["sleep"]).args("sleep", "1000").up()
    path = f"/proc/{first.state()['pid']}/ns/pid"
    boxes = [make(names=["sleep"]).args("sleep", "100") for _ in range(24)]
    for box in boxes:
        next(n for n in box.config["linux"]["namespaces"] if n["type"] == "pid")["path"] = path
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda box: box.create(), boxes))
    assert [r for r in results if r.status] == []
