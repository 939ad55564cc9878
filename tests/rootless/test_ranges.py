# SPDX-License-Identifier: LGPL-2.1-or-later
"""A range of ids, which newuidmap and newgidmap give to an ordinary user."""
import os
import shutil

import pytest

COUNT = 1000  # a user has them to itself, behind its own id


@pytest.fixture
def first(user):
    """The first of the user's range."""
    for program in ("newuidmap", "newgidmap"):
        if not shutil.which(program, path="/usr/bin:/bin"):
            pytest.skip(f"{program} is not installed (packaging/install-deps test)")
    return user.uid + 1


@pytest.fixture
def ranged(user, container, first):
    """A container of a user with COUNT ids, all of them mapped."""
    user.give_ranges(first, COUNT)
    container.map_range(first, COUNT)
    return container


def test_a_range_is_mapped(user, ranged, first):
    r = ranged.sh("cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups").run()
    assert r.status == 0 and r.out.split() == ["0", str(user.uid), "1", "1", str(first), str(COUNT)] * 2 + ["allow"], r


def test_the_programs_user_and_groups_are_of_the_range(user, ranged, first):
    ranged.config["process"]["user"] = {"uid": 5, "gid": 7, "additionalGids": [8, 1000]}
    ranged.args("sleep", "60").up()
    lines = dict(line.split(":", 1) for line in ranged.proc("status").read_text().splitlines() if ":" in line)
    assert lines["Uid"].split() == [str(first + 4)] * 4 and lines["Gid"].split() == [str(first + 6)] * 4
    assert lines["Groups"].split() == [str(first + 7), str(first + 999)]
    r = ranged.exec("id")
    assert r.out == "uid=5 gid=7 groups=8,1000(user)\n" or r.out.startswith("uid=5 gid=7 groups=8,1000"), r
    assert ranged.exec("id", options=("--user", "0:0")).out.startswith("uid=0")


def test_ps_shows_processes_of_all_ids(ranged):
    ranged.config["process"]["user"] = {"uid": 5, "gid": 7}
    ranged.args("sleep", "71").up()
    assert "sleep 71" in ranged.call("ps", ranged.id).out


def test_kill_and_delete_reach_processes_of_all_ids(ranged):
    ranged.config["process"]["user"] = {"uid": 5, "gid": 7}
    ranged.args("sleep", "71").up()
    assert ranged.kill().status == 0 and ranged.wait_for("stopped")
    assert ranged.delete(force=False).status == 0


@pytest.mark.parametrize("id", [0, 1, 1000])
def test_files_can_be_given_to_mapped_ids(user, ranged, first, id):
    r = ranged.capable("CAP_CHOWN").sh(f"touch /tmp/f && chown {id}:{id} /tmp/f && echo given").run()
    st = os.stat(ranged.rootfs / "tmp/f")
    assert r.out == "given\n" and st.st_uid == st.st_gid == (first + id - 1 if id else user.uid), r
    os.unlink(ranged.rootfs / "tmp/f")


def test_files_cannot_be_given_to_other_ids(user, ranged):
    r = ranged.capable("CAP_CHOWN").sh(f"touch /tmp/f; for i in {COUNT + 1} 65534 {user.uid}; do chown $i /tmp/f && echo given; done; echo over").run()
    assert r.out == "over\n", r


@pytest.mark.parametrize("member, helper", [("uidMappings", "newuidmap"), ("gidMappings", "newgidmap")])
def test_one_id_too_many_is_refused_in_the_helpers_words(user, ranged, first, member, helper):
    ranged.config["linux"][member][1]["size"] = COUNT + 1
    r = ranged.args("echo", "ran").run()
    assert r.status == 1 and "ran" not in r.out and "id     namespace.map\n" in r.err, r
    assert f"cause  {helper}: " in r.err and "not allowed" in r.err and f"/linux/{member}" in r.err and "/etc/subuid" in r.err, r
    assert ranged.left() == [] and user.processes() == {}


def test_without_ranges_the_error_says_who_gives_them(user, container, first):
    user.give_ranges(first, 0)
    container.map_range(first, COUNT)
    r = container.args("echo", "ran").run()
    assert r.status == 1 and "id     namespace.map\n" in r.err and "/etc/subuid" in r.err, r
    assert container.left() == []


def test_without_the_helper_the_error_names_it(user, container, first):
    user.path = "/nowhere"
    container.map_range(first, COUNT)
    r = container.args("echo", "ran").run()
    assert r.status == 1 and "id     namespace.helper\n" in r.err and "newgidmap" in r.err and "uidmap" in r.err, r
    assert container.left() == [] and user.processes() == {}


def test_the_log_of_an_engine_has_the_helpers_words(user, ranged):
    ranged.config["linux"]["uidMappings"][1]["size"] = COUNT + 1
    ranged.save()
    log = user.home / "log"
    user.call(ranged.program, "--log", log, "--log-format", "json", "--root", ranged.root, "run", "--bundle", ranged.bundle, ranged.id)
    assert "newuidmap" in log.read_text()


def test_another_user_of_the_range_does_not_reach_the_container(make_user, ranged):
    """Two users with ranges of their own, as it should be."""
    ranged.config["process"]["user"] = {"uid": 5, "gid": 7}
    ranged.args("sleep", "60").up()
    other = make_user()
    other.give_ranges(other.uid + 1, COUNT)
    assert other.call("kill", "-KILL", str(ranged.pid())).status != 0
    assert other.call("unshare", "--map-auto", "--map-root-user", "kill", "-KILL", str(ranged.pid())).status != 0
    assert ranged.status() == "running"
