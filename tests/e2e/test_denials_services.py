# SPDX-License-Identifier: LGPL-2.1-or-later
"""--report-denials of services: their log and their status say which directive stopped which call on which path."""
import os
import signal

import pytest

from lifecycle import eventually
from services import Services

REPORT = "--report-denials"


@pytest.fixture
def s():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    services = Services()
    yield services
    services.close()


@pytest.fixture
def user():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    services = Services(uid=65534)
    yield services
    services.close()


def started(s, suffix, service, *options):
    name = s.unit(suffix, service, unit="StartLimitIntervalSec=0")
    s.ok("unit", "start", REPORT, *options, name)
    return name


def rows(s, name):
    return {(d["call"], d["object"]): (d["times"], d["origin"]) for d in s.status(name)["denials"]}


def told(s, name):
    """The lines of the log about denials, which are told as errors are."""
    return [line for line in s("logs", name).stderr.splitlines() if line.startswith("bulkhead: stopped ")]


def test_a_denial_is_in_the_log_and_the_status_while_the_service_runs(s):
    u = started(s, "a", "ReadOnlyPaths=DATA\nReadWritePaths=DATA/events\nExecStart=/bin/sh -c 'true >DATA/new; sleep 1000'")
    data = f"{s.base}/data"
    assert eventually(lambda: rows(s, u))
    assert list(rows(s, u)) == [("openat", f"{data}/new")]
    assert rows(s, u)["openat", f"{data}/new"] == (1, f"ReadOnlyPaths={data}")
    assert told(s, u) == [f"bulkhead: stopped openat({data}/new)  by ReadOnlyPaths={data}"]
    shown = s.ok("unit", "status", u)
    assert f"Stopped: openat({data}/new)  by ReadOnlyPaths={data}\n" in shown, shown
    s.ok("unit", "stop", u)
    s.assert_clean()


def test_a_denial_that_repeats_is_one_row_with_its_number(s):
    u = started(s, "a", "Type=oneshot\nReadOnlyPaths=DATA\nExecStart=/bin/sh -c 'i=0; while [ $$i -lt 2345 ]; do true >DATA/new; i=$$((i+1)); done' x")
    assert s.over(u)["result"] in ("success", "exit-code")
    assert [times for times, _ in rows(s, u).values()] == [2345]
    lines = told(s, u)
    assert len(lines) == 2 and lines[-1].endswith("  2345 times"), lines


def test_counts_survive_restarts_and_each_denial_is_logged_once_at_first(s):
    u = started(s, "a", "Restart=always\nRestartSec=0\nReadOnlyPaths=DATA\nReadWritePaths=DATA/events\nReadWritePaths=-DATA/free\n"
                        "ExecStart=/bin/sh -c 'true >DATA/new; [ -e DATA/free/go ] && exec sleep 1000; exit 1'")
    assert eventually(lambda: s.status(u)["restarts"] >= 3), s.status(u)
    os.makedirs(s.base / "data/free")
    s.go("free/go")
    s.until(u, sub="running")
    assert eventually(lambda: sum(t for t, _ in rows(s, u).values()) > s.status(u)["restarts"] - 1)
    assert len(rows(s, u)) == 1
    s.ok("unit", "restart", u)
    before = sum(t for t, _ in rows(s, u).values())
    assert eventually(lambda: sum(t for t, _ in rows(s, u).values()) >= before)
    s.ok("unit", "stop", u)
    lines = told(s, u)
    assert sum("times" not in line for line in lines) == 1, lines
    s.assert_clean()


def test_filtered_calls_get_their_errno_and_are_named(s):
    u = started(s, "a", "Type=oneshot\nSystemCallFilter=~chroot:ENOTTY\nRestrictNamespaces=yes\nExecStart=-/bin/sh -c 'chroot / true; unshare -n true'")
    s.over(u)
    assert "Inappropriate ioctl" in s("logs", u).stderr
    named = {call: origin for (call, _), (_, origin) in rows(s, u).items()}
    assert named["chroot"] == "SystemCallFilter=~chroot:ENOTTY" and named["unshare"] == "RestrictNamespaces=yes", named
    s.assert_clean()


def test_a_call_that_kills_still_kills(s):
    u = started(s, "a", "SystemCallFilter=~chroot\nExecStart=/usr/sbin/chroot / /bin/true")
    record = s.over(u)
    assert (record["code"], record["status"]) in (("killed", signal.SIGKILL), ("dumped", signal.SIGSYS)), record
    assert any(call == "chroot" and "killed" in o for call, o in rows(s, u))


def test_all_commands_are_watched_but_those_without_a_sandbox(s):
    u = started(s, "a", "Type=oneshot\nReadOnlyPaths=DATA\nExecStartPre=-/bin/sh -c ': >DATA/pre'\nExecStart=+/bin/sh -c ': >DATA/privileged'\n"
                        "ExecStart=-/bin/sh -c ': >DATA/main'\nExecStopPost=-/bin/sh -c ': >DATA/post'")
    s.over(u)
    assert {os.path.basename(o) for _, o in rows(s, u)} == {"pre", "main", "post"}
    assert (s.base / "data/privileged").exists()
    s.assert_clean()


@pytest.mark.parametrize("kind", ["forking", "notify"])
def test_kinds_of_services_stay_what_they_are(s, kind):
    start = {"forking": "ExecStart=ACT daemon pid=main stay", "notify": "NotifyAccess=all\nExecStart=ACT pid=main notify=READY=1 stay"}[kind]
    u = started(s, "a", f"Type={kind}\nReadOnlyPaths=/usr\n{start}")
    main = s.number("main")
    s.until(u, pid=main, sub="running")
    s.ok("unit", "stop", u)
    assert s.over(u)["result"] == "success" and s.status(u)["denials"] == []
    assert "Stopped: nothing so far" in s("unit", "status", u).stdout
    s.assert_clean()


def test_a_service_that_is_not_watched_has_no_report(s):
    u = s.up("a", "Type=oneshot\nReadOnlyPaths=DATA\nExecStart=-/bin/sh -c ': >DATA/new'")
    s.over(u)
    assert "denials" not in s.status(u) and not told(s, u) and "Stopped:" not in s("unit", "status", u).stdout


def test_restart_begins_to_watch(s):
    u = s.up("a", "ReadOnlyPaths=DATA\nExecStart=/bin/sh -c 'true >DATA/new; sleep 1000'")
    assert "denials" not in s.status(u)
    s.ok("unit", "restart", REPORT, u)
    assert eventually(lambda: rows(s, u))
    s.ok("unit", "stop", u)
    s.assert_clean()


def test_run_prints_the_report_at_its_end(s):
    u = s.unit("a", "Type=oneshot\nReadOnlyPaths=DATA\nExecStart=/bin/sh -c ': >DATA/new'")
    r = s("unit", "run", REPORT, u)
    data = f"{s.base}/data"
    assert r.returncode == 2
    assert r.stderr.split(f"Denials of {u}:\n")[1].splitlines()[:2] == [f"stopped  openat({data}/new)  by ReadOnlyPaths={data}", f"bulkhead: cannot run {u}"], r.stderr
    u = s.unit("b", "Type=oneshot\nExecStart=/bin/true")
    assert s("unit", "run", REPORT, u).stderr.endswith("No directive stopped anything.\n")
    s.assert_clean()


def test_a_service_cannot_fill_memory_or_log(s):
    u = started(s, "a", "Type=oneshot\nReadOnlyPaths=DATA\nExecStart=-/usr/bin/python3 -c "
                """'import os\\nfor i in range(3000):\\n  try: os.mkdir("DATA/" + str(i))\\n  except OSError: pass'""")
    s.over(u)
    record = s.status(u)
    made = [d for d in record["denials"] if d["call"] == "mkdir"]
    assert len(record["denials"]) == 256 and len(made) + record["denials_lost"] >= 3000 - 256
    assert sum(d["times"] for d in made) + record["denials_lost"] == 3000 or record["denials_lost"] >= 2700
    assert len(told(s, u)) <= 256


def test_a_name_with_a_newline_is_one_line(s):
    u = started(s, "a", "Type=oneshot\nReadOnlyPaths=DATA\n"
                        """ExecStart=-/usr/bin/python3 -c 'import os\\nos.mkdir("DATA/a\\\\nbulkhead: stopped all")'""")
    s.over(u)
    assert any(o.endswith("/a?bulkhead: stopped all") for _, o in rows(s, u))
    assert len(told(s, u)) == 1


def test_an_ordinary_user_is_told_too(user):
    u = started(user, "a", "Type=oneshot\nReadOnlyPaths=DATA\nExecStart=-/bin/sh -c ': >DATA/new'")
    user.over(u)
    assert [os.path.basename(o) for _, o in rows(user, u)] == ["new"]
    user.assert_clean()
