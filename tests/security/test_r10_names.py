# SPDX-License-Identifier: LGPL-2.1-or-later
"""R10 and R12: an id is a name and not a path, only what is ours is deleted, and the state is nobody else's."""
import contextlib
import os
import pathlib
import re
import subprocess
import time

import pytest

import bundle as oci
import hostile

# An absolute path is one of the test's own canary (added below): what a broken runtime deletes must be nobody's.
BAD_IDS = ["..", ".", "../x", "a/b", "x/..", "x/../..", "../../canary", "", "a\nb", "a\x1bb", "a b", "x" * 2000, "a\\b", "ü"]
VERBS = [["state"], ["kill"], ["delete"], ["delete", "--force"], ["start"], ["pause"], ["resume"], ["ps"], ["exec"], ["update"], ["events"],
         ["create"], ["run"]]


@pytest.fixture
def deep(make, folder, canary):
    """A container whose state lies deep in a folder of the test, with canaries beside and above it."""
    c = make()
    root = folder / "outer/state"
    root.mkdir(parents=True)
    for p in (folder / "outer/keep", folder / "outer/other/keep", folder / "keep"):
        p.parent.mkdir(exist_ok=True)
        p.write_text("keep\n")
    c.root = root
    return c


def call_with_id(container, verb, name):
    argv = [*verb]
    if verb[0] in ("create", "run"):
        container.args("true").save()
        argv += ["--bundle", str(container.bundle)]
    argv += [name]
    argv += {"exec": ["true"], "kill": ["KILL"]}.get(verb[0], [])
    # A container that is created in spite of its id would hold the pipes: that is a failure by time.
    return container.call(*argv, stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_id_that_is_a_path_is_refused_by_every_command(deep, folder, canary, verb):
    """CVE-2014-9357 kin, crun 1.28 (`delete --force ..`), CVE-2016-10124 kin (P14)"""
    before = sorted(str(p) for p in (folder / "outer").rglob("*") if "state" not in p.name)
    for name in [*BAD_IDS, str(canary.path)]:
        r = call_with_id(deep, verb, name)
        assert r.status != 0, (name, r)
        assert sorted(str(p) for p in (folder / "outer").rglob("*") if "state" not in p.name) == before, name
        assert (folder / "keep").exists() and deep.root.is_dir(), name
    canary.untouched()


def test_an_id_that_is_a_name_works(deep):
    """Twin of the above."""
    for name in ("a", "A-1_b.c", "0", "x" * 100):
        deep.id = name
        deep.args("sleep", "60").up()
        assert deep.status() == "running"
        assert deep.delete().status == 0


@pytest.mark.parametrize("name", ["--force", "-x", "--no-such-option"])
def test_an_id_that_looks_like_an_option_is_refused(deep, folder, name):
    """Incus CVE-2026-48755 kin, CVE-2019-13139 kin (R18)"""
    deep.args("true").save()
    r = deep.call("run", "--bundle", deep.bundle, "--", name)
    assert r.status != 0, r
    assert (folder / "outer/keep").exists()


def test_delete_takes_away_only_what_is_a_container(deep, folder):
    """CVE-2024-23652 kin, R10: a folder among the containers that is none of ours stays"""
    foreign = deep.root / "foreign"
    foreign.mkdir()
    (foreign / "data").write_text("keep\n")
    (deep.root / "linked").symlink_to(folder / "outer/other")
    for name in ("foreign", "linked"):
        deep.call("delete", "--force", name)
    assert (foreign / "data").exists() and (folder / "outer/other/keep").exists()


def test_delete_takes_a_container_away(deep):
    """Twin of the above."""
    deep.args("true").up()
    assert deep.wait_for("stopped")
    assert deep.delete(force=False).status == 0
    assert deep.state() is None and not (deep.root / deep.id).exists()


CLIMBING = ["/../../../../..{}", "../../../../..{}", "x/../../../../../..{}", "/a/../../../../../..{}"]


@pytest.mark.parametrize("path", CLIMBING)
def test_a_cgroup_path_that_climbs_makes_nothing_outside(container, canary, path):
    """crun 1.28, CVE-2022-0811 kin (P14): cgroupsPath with dots"""
    container.config["linux"]["cgroupsPath"] = path.format(canary.path / "cgroup")
    container.args("true").run()
    canary.untouched()
    assert not list(canary.path.glob("cgroup*"))


@pytest.mark.parametrize("annotation", ["run.oci.delegate-cgroup", "run.oci.systemd.subgroup"])
def test_an_annotation_that_climbs_makes_nothing_outside(container, canary, annotation):
    """crun 1.28 (P14): the name of a delegated cgroup with dots"""
    container.config["annotations"] = {annotation: "../" * 12 + str(canary.path / "cgroup").lstrip("/")}
    container.args("true").run()
    canary.untouched()


def test_a_cgroup_path_that_does_not_climb_works(container):
    """Twin of the two above."""
    name = f"bulkhead-names-{container.id}"
    container.config["linux"]["cgroupsPath"] = f"/{name}/inner"
    container.args("sleep", "60").up()
    told = pathlib.Path(f"/proc/{hostile.init_pid(container)}/cgroup").read_text()
    assert f"/{name}/inner" in told
    container.delete()
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{name}/inner")), "its cgroup is still there"


@pytest.fixture(autouse=True)
def no_cgroups_left():
    """Parents of a cgroup that a test named are the test's to remove; no other test names one so."""
    yield
    for p in sorted(pathlib.Path("/sys/fs/cgroup").glob("*/bulkhead-names-*/**/"), reverse=True):
        with contextlib.suppress(OSError):
            p.rmdir()


LOOK = """
import os, sys
bad = []
for p in sys.argv[1:]:
    if os.access(p, os.W_OK) or os.path.isfile(p) and os.access(p, os.R_OK):
        bad.append(p)
print(chr(10).join(bad))
"""


def others_can_reach(path):
    """Files that an ordinary user can read or write, folders that they can write, below a path: names are no secret."""
    p = subprocess.run(["/usr/bin/python3", "-c", LOOK, *map(str, [path, *path.rglob("*")])], capture_output=True, text=True,
                       check=True, user=65534, group=65534, extra_groups=[])
    return p.stdout.split()


@pytest.mark.parametrize("umask", [0, 0o22, 0o77])
def test_the_state_is_nobody_elses(container, umask):
    """CVE-2021-41103, CVE-2021-21284, CVE-2021-41091, CVE-2024-25621, CVE-2016-6349 (P14): whatever the caller's umask is"""
    container.args("sleep", "60").save()
    assert container.create(umask=umask).status == 0
    assert others_can_reach(container.root) == []
    assert container.start().status == 0
    assert others_can_reach(container.root) == []
    for p in [container.root, *container.root.rglob("*")]:
        if not p.is_symlink():
            assert not p.stat().st_mode & 0o022 or not others_can_reach(p.parent), p


def test_what_is_open_to_others_is_found(folder):
    """Twin: the search does find what an ordinary user can reach."""
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    (folder / "open/file").write_text("")
    assert len(others_can_reach(folder / "open")) == 2


@pytest.mark.parametrize("umask", [0, 0o77])
def test_the_callers_umask_does_not_reach_the_container(container, umask):
    """CVE-2021-41103 kin: files that a payload makes have the usual mode"""
    container.args("/probe", "creds").save()
    r = container.run(umask=umask)
    assert hostile.creds(r.out)["umask"] == 0o22, r


def reap(pid):
    """Waits for the container's process where this process is its parent by adoption."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
        if not pathlib.Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def adopted():
    """Orphans of this process come to it, so that a process number is free as soon as it says so."""
    hostile.set_subreaper(True)
    yield
    hostile.set_subreaper(False)


@pytest.mark.parametrize("verb", [["kill", "KILL"], ["kill", "--all", "KILL"], ["delete", "--force"], ["pause"], ["exec", "true"]], ids=" ".join)
def test_who_has_the_number_of_a_dead_container_is_left_alone(container, probe, adopted, verb):
    """PID reuse (table 2e), LXD CVE-2025-54288, systemd CVE-2025-4598: the state names a process, not a number"""
    container.args("sleep", "60").up()
    pid = hostile.init_pid(container)
    os.kill(pid, 9)
    assert reap(pid), "the container's process is not reaped"
    victim = subprocess.Popen([str(probe), "claim", str(pid)], stdout=subprocess.PIPE, text=True)
    try:
        line = victim.stdout.readline()
        if not line.startswith("have"):
            pytest.skip(f"the number could not be taken again: {line.strip()}")
        argv = {"kill": [*verb[:-1], container.id, verb[-1]], "exec": ["exec", container.id, "true"]}.get(verb[0], [*verb, container.id])
        assert container.status() in ("stopped", None), "a stranger is taken for the container"
        r = container.call(*argv)
        assert verb[0] not in ("exec", "pause") or r.status != 0, r
        time.sleep(0.1)
        assert victim.poll() is None, "the stranger was killed"
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        assert state in "SR", "the stranger was stopped"
    finally:
        victim.kill()
        victim.wait()


def test_a_living_container_is_killed(container):
    """Twin of the above."""
    container.args("sleep", "60").up()
    assert container.kill().status == 0
    assert container.wait_for("stopped")


def test_listings_show_no_control_characters(make, folder):
    """flatpak CVE-2023-28101 (R18): what is printed cannot drive the reader's terminal"""
    c = make()
    odd = c.bundle.with_name("b\x1b[31mred\x07")
    c.bundle.rename(odd)
    c.bundle, c.rootfs = odd, odd / "rootfs"
    c.config["annotations"] = {"title": "\x1b[2Jgone"}
    c.args("sleep", "60").up()
    r = c.call("list")
    assert r.status == 0 and c.id in r.out, r
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", r.out), repr(r.out)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", c.call("state", c.id).out)
    bad = c.call("state", "no\x1b[31msuch")
    assert bad.status != 0 and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", bad.err), bad
    assert oci.json.loads(c.call("state", c.id).out)["bundle"] == str(odd)
