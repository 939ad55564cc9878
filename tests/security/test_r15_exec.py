# SPDX-License-Identifier: LGPL-2.1-or-later
"""R15: a process gets what its container has and no more, whichever way it comes in."""
import json
import os

import pytest

import hostile

VERBS = ["run", "create", "exec", "exec-process", "exec-terminal"]
HELD = hostile.bits(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"])
SECCOMP = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
           "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]}


def come_in(container, verb, *payload, options=(), user=None):
    """Runs a payload in a container: what it says."""
    if verb == "run":
        container.config["process"]["user"].update(user or {})
        r = container.args(*payload).run()
        assert r.status == 0, r
        return r.out
    if verb == "create":
        container.config["process"]["user"].update(user or {})
        container.args(*payload).up()
        assert container.wait_for("stopped")
        return container.out()
    if container.state() is None:
        container.args("sleep", "60").up()
    if user:
        options = [*options, "--user", f"{user['uid']}:{user['gid']}"]
    if verb == "exec-process":
        process = {"args": list(payload), "cwd": "/", "env": container.config["process"]["env"], "user": {"uid": 0, "gid": 0, **(user or {})}}
        for key in ("capabilities", "noNewPrivileges", "rlimits"):
            process[key] = container.config["process"].get(key)
        (container.bundle / "process.json").write_text(json.dumps({k: v for k, v in process.items() if v is not None}))
        r = container.call("exec", "--process", container.bundle / "process.json", container.id)
    elif verb == "exec-terminal":
        console = hostile.Console(container.bundle / "console")
        try:
            r = container.call("exec", "--tty", "--detach", "--console-socket", console.path, *options, container.id,
                               "sh", "-c", '"$@"; echo en""d', "sh", *payload)
            assert r.status == 0, r
            return console.read("end\n").replace("end\n", "")
        finally:
            console.close()
            console.path.unlink()
    else:
        r = container.exec(*payload, options=options)
    assert r.status == 0, r
    return r.out


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("verb", VERBS)
def test_capabilities_are_those_of_the_container_and_none_are_handed_down(container, verb, uid):
    """CVE-2016-8867, CVE-2022-24769, CVE-2022-27649, CVE-2022-27650, CVE-2022-27651, CVE-2022-27652, CVE-2022-29162, CVE-2018-10856,
    CVE-2021-20188, CVE-2025-27612 (P13)"""
    c = hostile.creds(come_in(container, verb, "/probe", "creds", user={"uid": uid, "gid": uid}))
    assert c["uid"] == [uid] * 3
    assert (c["bounding"], c["inheritable"], c["ambient"]) == (HELD, 0, 0), c
    assert c["effective"] == c["permitted"] == (HELD if uid == 0 else 0), c


@pytest.mark.parametrize("verb", ["run", "create", "exec", "exec-process"])
def test_ambient_capabilities_are_given_where_they_are_asked_for(container, verb):
    """Twin of the above."""
    hostile.give(container.config, "CAP_KILL", where=("ambient", "inheritable"))
    c = hostile.creds(come_in(container, verb, "/probe", "creds", user={"uid": 1000, "gid": 1000}))
    assert c["effective"] == c["permitted"] == c["inheritable"] == c["ambient"] == hostile.bits(["CAP_KILL"]), c


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_capability_that_exec_adds_is_not_handed_down(container, uid):
    """CVE-2022-29162 (P13): `exec --cap`"""
    said = come_in(container, "exec", "/probe", "creds", options=("--cap", "CAP_NET_RAW"), user={"uid": uid, "gid": uid})
    c = hostile.creds(said)
    assert c["inheritable"] == 0, c
    assert c["bounding"] & ~(HELD | hostile.bits(["CAP_NET_RAW"])) == 0, c
    # Twin: for root it is there.
    assert uid or c["effective"] & hostile.bits(["CAP_NET_RAW"]), c


@pytest.mark.parametrize("verb", VERBS)
def test_no_new_privileges_holds_for_every_process(container, verb):
    """P13, R15: crun's exec forgot it"""
    assert hostile.creds(come_in(container, verb, "/probe", "creds"))["nnp"] == 1


@pytest.mark.parametrize("verb", VERBS)
def test_new_privileges_are_allowed_where_that_is_asked_for(container, verb):
    """Twin of the above."""
    container.config["process"]["noNewPrivileges"] = False
    assert hostile.creds(come_in(container, verb, "/probe", "creds"))["nnp"] == 0


@pytest.mark.parametrize("nnp", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_the_system_call_filter_holds_for_every_process(container, verb, nnp):
    """R15, R19: with no_new_privs and without, in exec as in the first process"""
    container.config["process"]["noNewPrivileges"] = nnp
    container.config["linux"]["seccomp"] = SECCOMP
    assert come_in(container, verb, "/probe", "call", "83", "/tmp/made", "0700").strip() == "errno 99"


@pytest.mark.parametrize("verb", VERBS)
def test_calls_that_the_filter_does_not_name_work(container, verb):
    """Twin of the above."""
    container.config["linux"]["seccomp"] = SECCOMP
    assert come_in(container, verb, "sh", "-c", ">/tmp/made && rm /tmp/made && echo made").strip() == "made"


@pytest.mark.parametrize("verb", ["run", "create", "exec"])
def test_supplementary_groups_are_those_of_the_configuration(container, verb):
    """CVE-2022-36109, CVE-2022-2989, CVE-2022-2990, CVE-2022-2995, CVE-2023-25173: neither the caller's nor the image's"""
    container.config["process"]["user"]["additionalGids"] = [2000, 3000]
    options = ("--additional-gids", "2000", "--additional-gids", "3000") if verb == "exec" else ()
    if verb == "exec":
        container.args("sleep", "60").up()
        if "additional-gids" not in container.call("exec", "--help").out:
            pytest.skip("exec has no --additional-gids")
    said = come_in(container, verb, "/probe", "creds", options=options, user={"uid": 1000, "gid": 1000})
    assert sorted(set(hostile.creds(said)["groups"]) - {1000}) == [2000, 3000]


@pytest.mark.parametrize("verb", ["run", "create", "exec"])
def test_no_group_of_the_caller_is_kept(container, verb):
    """CVE-2022-36109 (R15): the caller is in groups that the container has nothing of"""
    before = os.getgroups()
    os.setgroups([4000, 4001])
    try:
        said = come_in(container, verb, "/probe", "creds", user={"uid": 1000, "gid": 1000})
    finally:
        os.setgroups(before)
    assert set(hostile.creds(said)["groups"]) <= {1000}, said


def test_a_group_that_is_denied_a_file_stays_denied(container):
    """CVE-2022-2989 (the negative group): a file of mode 0604, for a member of its group and for a stranger, who is the twin"""
    denied = container.rootfs / "tmp/denied"
    denied.write_text("for others only\n")
    os.chown(denied, 0, 2000)
    denied.chmod(0o604)
    container.config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [2000]}
    r = container.args("/probe", "open-read", "/tmp/denied").run()
    assert hostile.pairs(r.out) == {"/tmp/denied": 13}, r
    container.config["process"]["user"]["additionalGids"] = []
    r = container.args("/probe", "open-read", "/tmp/denied").run()
    assert hostile.pairs(r.out) == {"/tmp/denied": 0}, r


@pytest.mark.parametrize("verb", ["run", "exec", "exec-process"])
def test_limits_hold_for_every_process(container, verb):
    """R15; the twin is the other value"""
    for files in (100, 200):
        container.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": files, "hard": files}]
        assert come_in(container, verb, "sh", "-c", "ulimit -Hn").strip() == str(files)
        container.delete()


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_every_process_is_in_the_cgroup_of_its_container(container, verb):
    """CVE-2025-47291: seen from inside, a cgroup namespace shows "/" only to those who are in it"""
    said = come_in(container, verb, "cat", "/proc/self/cgroup")
    paths = {line.split(":", 2)[2] for line in said.split()}
    assert said and paths == {"/"}, said


def test_a_process_in_another_cgroup_is_noticed(container):
    """Twin of the above: without a cgroup namespace the true path is seen, and it is the container's for exec too."""
    hostile.without_namespace(container.config, "cgroup")
    container.config["linux"]["cgroupsPath"] = f"/bulkhead-test-{container.id}"
    container.args("sleep", "60").up()
    first, second = (open(f"/proc/{hostile.init_pid(container)}/cgroup").read(), container.exec("cat", "/proc/self/cgroup").out)
    assert f"/bulkhead-test-{container.id}" in first and first == second


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_environment_is_that_of_the_configuration(container, verb):
    """CVE-2021-21334, CVE-2020-14370 (R8): nothing of the caller's, nothing of the container before"""
    container.config["process"]["env"] = ["PATH=/bin", "MINE=1"]
    caller = {**os.environ, "CALLERS": "secret", "LD_PRELOAD": ""}
    if verb == "run":
        r = container.args("env").run(env=caller)
    else:
        container.args("sleep", "60").up()
        r = container.exec("env", env=caller)
    names = {line.split("=")[0] for line in r.out.split()}
    assert names - {"HOME", "PWD", "SHLVL", "TERM", "HOSTNAME", "_"} == {"PATH", "MINE"}, r


def test_two_containers_have_two_environments(make):
    """CVE-2021-21334 (R8)"""
    first, second = make(), make()
    first.config["process"]["env"] += ["FIRST=1"]
    second.config["process"]["env"] += ["SECOND=1"]
    assert "SECOND" not in first.args("env").run().out and "FIRST" in first.run().out
    assert "FIRST" not in second.args("env").run().out and "SECOND" in second.run().out
