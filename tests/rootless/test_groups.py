# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups that root has given to an ordinary user: what can be limited then."""
import json

import pytest

from user import CGROUPS, oci, wait

V1 = ("pids", "memory", "cpu", "cpuset", "freezer")


def skip_without(*hierarchies):
    for h in hierarchies:
        if not (CGROUPS / h / "cgroup.procs").exists():
            pytest.skip(f"{h} is not mounted at {CGROUPS}/{h}")


@pytest.fixture
def grouped(user, container):
    """A container of a user with groups of its own in v1."""
    skip_without(*V1)
    user.delegate(*V1)
    return container


def groups_of(container):
    """hierarchy → path of the group of the container's process."""
    lines = [line.split(":", 2) for line in container.proc("cgroup").read_text().splitlines()]
    return {name or "unified": path for _, name, path in lines}


def test_a_container_is_below_the_users_groups(user, grouped):
    grouped.args("sleep", "60").up()
    groups = groups_of(grouped)
    assert {h: groups[h] for h in V1} == {h: f"/{user.groups[h].name}/{grouped.id}" for h in V1}
    assert grouped.delete().status == 0 and user.groups_left() == []


def test_a_path_of_the_configuration_may_lie_in_the_users_groups(user, grouped):
    grouped.config["linux"]["cgroupsPath"] = f"/{user.groups['pids'].name}/deep/one"
    grouped.limit(pids={"limit": 40}).args("sleep", "60").up()
    assert groups_of(grouped)["pids"] == f"/{user.groups['pids'].name}/deep/one"
    assert grouped.delete().status == 0
    (user.groups["pids"] / "deep").rmdir()
    for h in V1[1:]:
        if (user.groups[h] / "deep").exists():
            (user.groups[h] / "deep").rmdir()


def test_a_limit_of_processes_holds(grouped):
    # They stay as long as the shell, which is the first process of its namespace.
    r = grouped.limit(pids={"limit": 5}).sh("for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all").run()
    assert r.status == 2 and "can't fork" in r.err and "all" not in r.out, r


def test_without_the_limit_the_same_works(grouped):
    """Twin of the above."""
    r = grouped.sh("for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all").run()
    assert (r.status, r.out) == (0, "all\n"), r


@pytest.mark.parametrize("limit, ends", [(16 << 20, 137), (256 << 20, 0)])
def test_a_limit_of_memory_holds(user, grouped, limit, ends):
    grouped.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"})
    # Swap would be a way out, where there is some.
    swap = {"swap": limit} if (user.groups["memory"] / "memory.memsw.limit_in_bytes").exists() else {}
    r = grouped.limit(memory={"limit": limit, **swap}).args("dd", "if=/dev/zero", "of=/mnt/f", "bs=1M", "count=64").run()
    assert r.status == ends, r


def test_a_limit_can_be_changed_while_it_runs(user, grouped):
    grouped.args("sleep", "60").up()
    assert grouped.call("update", "--pids-limit", "2", grouped.id).status == 0
    assert (user.groups["pids"] / grouped.id / "pids.max").read_text() == "2\n"
    r = grouped.exec("sh", "-c", "sleep 0.1 & sleep 0.1 & wait; echo all")
    assert "all" not in r.out, r
    assert grouped.call("update", "--pids-limit", "-1", grouped.id).status == 0
    assert grouped.exec("sh", "-c", "sleep 0.1 & sleep 0.1 & wait; echo all").out == "all\n"


def test_processors_can_be_chosen(user, grouped):
    grouped.limit(cpu={"cpus": "0"}).args("sleep", "60").up()
    assert "Cpus_allowed_list:\t0\n" in grouped.proc("status").read_text()


def test_a_container_is_paused(grouped):
    grouped.sh("while :; do echo >>/tmp/f; sleep 0.02; done").up()
    assert wait((grouped.rootfs / "tmp/f").exists)
    assert grouped.call("pause", grouped.id).status == 0 and grouped.status() == "paused"
    size = (grouped.rootfs / "tmp/f").stat().st_size
    r = grouped.exec("true")
    assert r.status != 0 and "container.status" in r.err, r
    assert (grouped.rootfs / "tmp/f").stat().st_size == size
    assert grouped.call("resume", grouped.id).status == 0 and grouped.status() == "running"


def test_exec_is_in_the_containers_groups(grouped):
    grouped.config["linux"]["namespaces"] = [n for n in grouped.config["linux"]["namespaces"] if n["type"] != "cgroup"]
    grouped.args("sleep", "60").up()
    own = groups_of(grouped)
    r = grouped.exec("cat", "/proc/self/cgroup")
    seen = dict(line.split(":", 2)[1:] for line in r.out.splitlines())
    assert {h: seen[h] for h in V1} == {h: own[h] for h in V1}, r


def test_what_was_not_given_cannot_be_limited(user, container):
    skip_without("pids", "memory")
    user.delegate("pids")
    r = container.limit(pids={"limit": 5}, memory={"limit": 1 << 26}).args("echo", "ran").run()
    assert r.status == 1 and "ran" not in r.out and "id     cgroup.refused\n" in r.err and "/linux/resources/memory" in r.err, r
    assert container.left() == [] and user.groups_left() == []


def test_numbers_are_shown(grouped):
    grouped.args("sleep", "60").up()
    data = json.loads(grouped.call("events", "--stats", grouped.id).out)["data"]
    assert data["pids"]["current"] == 1 and data["memory"]["usage"]["usage"] > 0


def test_the_payload_cannot_lift_its_limit(user, grouped):
    grouped.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]})
    r = grouped.limit(pids={"limit": 20}).sh("cat /sys/fs/cgroup/pids/pids.max; echo max >/sys/fs/cgroup/pids/pids.max; echo over").run()
    assert r.out == "20\nover\n" and "Read-only" in r.err, r


# ---- v2 ----

@pytest.fixture
def unified(user, container):
    skip_without("unified")
    user.delegate("unified")
    return container


def test_a_container_is_beside_the_users_session_in_v2(user, unified):
    unified.args("sleep", "60").up()
    assert groups_of(unified)["unified"] == f"/{user.groups['unified'].name}/{unified.id}"
    assert unified.delete().status == 0 and user.groups_left() == []


def test_a_container_is_paused_in_v2(user, unified):
    unified.args("sleep", "60").up()
    assert unified.call("pause", unified.id).status == 0 and unified.status() == "paused"
    assert "frozen 1" in (user.groups["unified"] / unified.id / "cgroup.events").read_text()
    assert unified.call("resume", unified.id).status == 0 and unified.status() == "running"


def test_processes_that_left_their_parents_are_ended_in_v2(user, unified):
    """In a shared process namespace the group knows them all."""
    unified.config["linux"]["namespaces"] = [n for n in unified.config["linux"]["namespaces"] if n["type"] != "pid"]
    unified.config["mounts"] = [m for m in unified.config["mounts"] if m["destination"] != "/proc"]
    del unified.config["linux"]["maskedPaths"], unified.config["linux"]["readonlyPaths"]
    unified.sh("sh -c 'sleep 65 &'; sleep 66").up()
    assert wait(lambda: {"sleep 65 ", "sleep 66 "} <= set(user.processes().values())), user.processes()
    assert unified.delete().status == 0 and wait(lambda: user.processes() == {}), user.processes()


def test_a_limit_of_v2_is_written(user, unified):
    if "hugetlb" not in (CGROUPS / "unified/cgroup.controllers").read_text().split():
        pytest.skip("v2 has no hugetlb here")
    with oci.shared_out("hugetlb"):
        for folder in (CGROUPS / "unified", user.groups["unified"]):
            (folder / "cgroup.subtree_control").write_text("+hugetlb")
        unified.limit(unified={"hugetlb.2MB.max": "2097152"}).args("sleep", "60").up()
        assert (user.groups["unified"] / unified.id / "hugetlb.2MB.max").read_text() == "2097152\n"
        assert unified.delete().status == 0
        (user.groups["unified"] / "cgroup.subtree_control").write_text("-hugetlb")
