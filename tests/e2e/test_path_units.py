# SPDX-License-Identifier: LGPL-2.1-or-later
"""Path units: what starts their service, and what does not."""
import os
import pathlib
import shutil
import time

import pytest

from lifecycle import IS_ROOT, eventually, kill
from services import PATIENCE, Services

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def watch(s, path, service="ExecStart=ACT say=started stay", unit=""):
    s.write("w.service", f"[Unit]\n{unit}\n[Service]\n{service}")
    return s.write("w.path", f"[Path]\n{path}")


def data(s, name):
    return s.base / "data" / name


def put(s, name, text="x"):
    data(s, name).parent.mkdir(parents=True, exist_ok=True)
    data(s, name).write_text(text)


def stop(s, u):
    s.ok("unit", "stop", u)
    s.ok("unit", "stop", s.name("w"))


KINDS = [("PathExists=DATA/f", "f"), ("PathExists=DATA/a/b/f", "a/b/f"), ("PathExistsGlob=DATA/*.q", "x.q"), ("PathExistsGlob=DATA/*/in", "d/in"),
         ("DirectoryNotEmpty=DATA/d", "d/new"), ("PathChanged=DATA/f", "f"), ("PathModified=DATA/f", "f"), ("PathChanged=DATA/d", "d/new")]


@pytest.mark.parametrize("line,comes", KINDS)
def test_what_comes_starts_the_service(s, line, comes):
    u = watch(s, line)
    s.ok("unit", "start", u)
    put(s, "other/file")
    assert s.status(u)["sub"] == "waiting" and s.silent()
    put(s, comes)
    s.heard("started")
    s.until(u, sub="running")
    s.ok("unit", "stop", u)
    assert s.status(u)["sub"] == "dead" and s.status(s.name("w"))["sub"] == "running"
    s.ok("unit", "stop", s.name("w"))
    s.assert_clean()


def test_what_comes_in_a_folder_that_a_pattern_leads_through(s):
    """However much later than the folder."""
    u = watch(s, "PathExistsGlob=DATA/*/x?/in")
    for folder in ("old/x1", "new/x2"):
        s.ok("unit", "start", u)
        data(s, folder).mkdir(parents=True)
        time.sleep(0.2)  # it may look at both before there is anything in them
        assert s.status(u)["sub"] == "waiting" and s.silent()
        put(s, f"{folder}/in")
        s.heard("started")
        stop(s, u)
        data(s, f"{folder}/in").unlink()


@pytest.mark.parametrize("line,comes", KINDS)
def test_what_is_there_already(s, line, comes):
    """Only what is to be there starts the service at once."""
    put(s, comes)
    u = watch(s, line)
    s.ok("unit", "start", u)
    if line.startswith(("PathChanged", "PathModified")):
        assert s.status(u)["sub"] == "waiting" and s.silent()
        if "d/new" in comes:
            data(s, comes).unlink()
        else:
            put(s, comes, "y")
    s.heard("started")
    stop(s, u)


def test_modified_tells_of_each_write_and_changed_of_the_end(s):
    put(s, "f")
    changed = watch(s, "PathChanged=DATA/f")
    s.write("m.service", "[Service]\nExecStart=ACT say=modified stay")
    modified = s.write("m.path", "[Path]\nPathModified=DATA/f")
    s.ok("unit", "start", changed, modified)
    with open(data(s, "f"), "a") as f:
        f.write("more")
        f.flush()
        s.heard("modified")
        assert s.status(changed)["sub"] == "waiting" and s.silent()
    s.heard("started")
    s.ok("unit", "stop", changed, modified)
    s.ok("unit", "stop", s.name("w"), s.name("m"))


@pytest.mark.parametrize("how", ["replace", "remove", "touch"])
def test_other_changes(s, how):
    put(s, "f")
    put(s, "g")
    u = watch(s, "PathChanged=DATA/f")
    s.ok("unit", "start", u)
    if how == "replace":
        data(s, "g").rename(data(s, "f"))
    elif how == "remove":
        data(s, "f").unlink()
    else:
        os.utime(data(s, "f"))
    s.heard("started")
    stop(s, u)


def test_it_waits_again_when_the_service_has_ended(s):
    u = watch(s, "PathChanged=DATA/f", "Type=oneshot\nExecStart=ACT say=run")
    put(s, "f")
    s.ok("unit", "start", u)
    for i in range(3):
        s.until(u, sub="waiting")
        put(s, "f", str(i))
        s.heard("run")
    s.until(u, sub="waiting")
    assert s.silent()
    s.ok("unit", "stop", u)


def test_what_is_still_there_starts_it_again_until_it_is_too_often(s):
    put(s, "f")
    u = watch(s, "PathExists=DATA/f\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=3", "Type=oneshot\nExecStart=ACT say=run", "StartLimitIntervalSec=0")
    s.ok("unit", "start", u)
    s.heard("run", "run", "run")
    assert s.over(u)["result"] == "trigger-limit-hit" and s.silent()


def test_a_service_over_its_own_limit_ends_it(s):
    put(s, "f")
    u = watch(s, "PathExists=DATA/f", "Type=oneshot\nExecStart=ACT say=run", "StartLimitIntervalSec=1h\nStartLimitBurst=2")
    s.ok("unit", "start", u)
    s.heard("run", "run")
    assert s.over(u)["result"] == "unit-start-limit-hit" and s.silent()


def test_a_service_whose_condition_does_not_hold_is_not_started(s):
    """As systemd's test 63 has it: that counts as no start of the service."""
    u = watch(s, "PathExists=DATA/f\nTriggerLimitIntervalSec=1h\nTriggerLimitBurst=10", "ExecStart=ACT say=started", "ConditionPathExists=/nonexistent")
    s.ok("unit", "start", u)
    put(s, "f")
    assert s.over(u)["result"] == "trigger-limit-hit" and s.silent()
    assert s.status(s.name("w"))["result"] == "exec-condition"


def test_who_empties_the_folder_is_left_in_peace(s):
    u = watch(s, "DirectoryNotEmpty=DATA/q\nMakeDirectory=yes\nDirectoryMode=0750", "Type=oneshot\nExecStart=/bin/sh -c 'rm DATA/q/*; exec ACT say=emptied'")
    s.ok("unit", "start", u)
    assert data(s, "q").stat().st_mode & 0o7777 == 0o750
    for i in range(3):
        s.until(u, sub="waiting")
        put(s, "q/job")
        s.heard("emptied")
    s.until(u, sub="waiting")
    assert s.silent()
    s.ok("unit", "stop", u)


def test_folders_that_are_only_waited_for_are_not_made(s):
    u = watch(s, "PathExists=DATA/a\nPathExistsGlob=DATA/b*\nPathChanged=DATA/c/d\nMakeDirectory=yes")
    s.ok("unit", "start", u)
    assert not data(s, "a").exists() and data(s, "c/d").is_dir() and s.silent()
    s.ok("unit", "stop", u)


def test_the_service_is_told_why(s):
    u = watch(s, "PathExistsGlob=DATA/*.job\nPathExists=DATA/other", "ExecStart=ACT env=TRIGGER_PATH env=TRIGGER_UNIT stay")
    s.ok("unit", "start", u)
    put(s, "one.job")
    s.heard(f"TRIGGER_PATH={data(s, 'one.job')}", f"TRIGGER_UNIT={u}")
    stop(s, u)


def test_another_unit(s):
    s.write("other.service", "[Service]\nExecStart=ACT say=other stay")
    u = s.write("w.path", "[Path]\nPathExists=DATA/f\nUnit=@other@.service")
    s.ok("unit", "start", u)
    put(s, "f")
    s.heard("other")
    s.ok("unit", "stop", u, s.name("other"))


def test_a_service_that_runs_already_is_watched(s):
    put(s, "f")
    u = watch(s, "PathExists=DATA/f")
    s.ok("unit", "start", s.name("w"))
    s.heard("started")
    s.ok("unit", "start", u)
    s.until(u, sub="running")
    assert s.silent()
    s.ok("unit", "stop", s.name("w"))
    s.heard("started")  # the path is there, so it comes again
    stop(s, u)


def test_a_service_that_cannot_be_read_ends_it(s):
    u = s.write("w.path", "[Path]\nPathExists=DATA/f")
    s.ok("unit", "start", u)
    put(s, "f")
    assert s.over(u)["result"] == "resources" and "w.service" in s.status(u)["error"]["cause"]


def test_links_and_folders_on_the_way_may_turn(s):
    put(s, "one/other")
    (s.base / "data/two").mkdir()
    data(s, "link").symlink_to("one")
    u = watch(s, "PathExists=DATA/link/f")
    s.ok("unit", "start", u)
    data(s, "new").symlink_to("two")
    data(s, "new").rename(data(s, "link"))
    put(s, "one/f")
    assert s.status(u)["sub"] == "waiting"
    shutil.rmtree(data(s, "two"))
    put(s, "two/f")
    s.heard("started")
    stop(s, u)


@pytest.mark.parametrize("text,id", [("", "path.empty"), ("PathExists=relative", "directive.value"), ("PathExists=/a\nUnit=@w@.path", "path.unit"),
                                     ("PathExists=/a\nMakeDirectory=perhaps", "directive.value")])
def test_paths_that_cannot_be(s, text, id):
    u = watch(s, text)
    r = s("unit", "start", u)
    assert r.returncode and id in r.stderr and s.silent()
    assert s("unit", "verify", "-q", u).returncode and id in s("unit", "verify", "-q", u).stderr


def test_verify_has_nothing_to_note(s):
    u = watch(s, "PathExists=/a\nPathExistsGlob=/b*\nPathChanged=/c\nPathModified=/d\nDirectoryNotEmpty=/e\nMakeDirectory=yes\nDirectoryMode=0700\n"
                 "TriggerLimitIntervalSec=1\nTriggerLimitBurst=2")
    r = s("unit", "verify", u)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_boot_units_starts_paths_and_not_their_services(s):
    u = watch(s, "PathExists=DATA/f")
    p = s.popen("boot-units", str(s.base / "units"))
    s.until(u, sub="waiting") if eventually(lambda: u in s.ps("-a")) else None
    assert s.silent()
    put(s, "f")
    s.heard("started")
    p.terminate()
    p.communicate(timeout=PATIENCE)
    assert p.returncode == 0
    s.assert_clean()


def test_a_killed_supervisor_is_seen(s):
    u = watch(s, "PathExists=DATA/f")
    s.ok("unit", "start", u)
    kill(s.status(u)["supervisor_pid"])
    assert eventually(lambda: s.status(u)["result"] == "supervisor-killed")
    put(s, "f")
    s.ok("unit", "start", u)
    s.heard("started")
    stop(s, u)


def test_as_an_ordinary_user(s):
    user = Services(uid=65534)
    try:
        u = watch(user, "PathExists=DATA/f")
        user.ok("unit", "start", u)
        put(user, "f")
        user.heard("started")
        stop(user, u)
        user.assert_clean()
    finally:
        user.close()


SYSTEMDS = pathlib.Path("/usr/lib/systemd/tests/testdata/test-path")


@pytest.mark.skipif(not SYSTEMDS.is_dir(), reason="systemd's tests are not installed")
def test_systemds_own_units_are_read(s):
    for path in sorted(SYSTEMDS.glob("*.path")):
        r = s("unit", "verify", path)
        assert r.returncode == 0 and "note" not in r.stderr, (path, r.stderr)
