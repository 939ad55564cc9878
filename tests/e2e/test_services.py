# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services as they live: systemd's kinds, ends, limits and words, with real processes. What they do is told by actor.c."""
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from lifecycle import IS_ROOT, eventually, kill
from services import Services

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")

SEED = int(os.environ.get("BULKHEAD_TEST_SEED", "1"))


@pytest.fixture
def user():
    services = Services(uid=65534)
    yield services
    services.close()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_supervisor(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return b"bulkhead-service" in f.read()
    except OSError:
        return False


def stopped(s, name):
    s.ok("unit", "stop", name)
    assert s.status(name)["state"] in ("exited", "failed")


# ---- kinds ----

def test_simple_is_up_at_once_and_ends_with_its_program(s):
    u = s.up("a", "ExecStart=ACT say=hello hear=DATA/go exit=0")
    s.heard("hello")
    r = s.status(u)
    assert (r["state"], r["sub"]) == ("running", "running") and alive(r["pid"])
    s.go("go")
    assert s.over(u)["result"] == "success"
    s.assert_clean()


def test_exec_says_why_it_could_not_start(s):
    u = s.unit("a", "Type=exec\nExecStart=/nonexistent/program")
    r = s("unit", "start", u)
    assert r.returncode and "/nonexistent/program" in r.stderr, r.stderr
    assert s.over(u)["error"]["id"]
    s.assert_clean()


def test_exec_that_ends_at_once_has_started(s):
    u = s.up("a", "Type=exec\nExecStart=ACT say=ran exit=0\nExecStartPost=ACT say=post")
    s.heard("ran", "post")
    assert s.over(u)["result"] == "success"


@pytest.mark.parametrize("kind", ["oneshot", "notify", "forking", "simple"])
def test_a_program_that_is_missing_is_named(s, kind):
    u = s.unit("a", f"Type={kind}\nExecStart=/nonexistent/program")
    r = s("unit", "start", u)
    if kind == "simple":
        assert s.over(u)["result"] == "exit-code"
    else:
        assert r.returncode and "/nonexistent/program" in r.stderr, r.stderr
    assert s.over(u)["status"] in (0, 203)
    s.assert_clean()


def test_oneshot_runs_its_commands_one_after_another(s):
    s.up("a", "Type=oneshot\nExecStart=ACT say=1\nExecStart=-ACT say=2 exit=9\nExecStart=ACT say=3")
    s.heard("1", "2", "3")
    s.assert_clean()


def test_oneshot_that_fails_is_a_failed_start(s):
    u = s.unit("a", "Type=oneshot\nExecStart=ACT say=1 exit=7\nExecStart=ACT say=2")
    r = s("unit", "start", u)
    assert r.returncode and "status 7" in r.stderr, r.stderr
    s.heard("1")
    assert s.over(u)["result"] == "exit-code" and s.silent()


def test_remain_after_exit_stays_until_it_is_stopped(s):
    u = s.up("a", "Type=oneshot\nRemainAfterExit=yes\nExecStart=ACT say=up\nExecStop=ACT say=down")
    s.heard("up")
    assert (s.status(u)["state"], s.status(u)["sub"]) == ("running", "exited")
    s.ok("unit", "start", u)
    stopped(s, u)
    s.heard("down")
    assert s.silent()
    s.assert_clean()


def test_forking_guesses_its_main_process(s):
    u = s.up("a", "Type=forking\nExecStart=ACT daemon pid=main stay")
    main = s.number("main")
    s.until(u, pid=main)
    kill(main, signal.SIGTERM)
    assert s.over(u)["result"] == "success"
    s.assert_clean()


@pytest.mark.parametrize("by", ["itself", "post", "later", "renamed"])
def test_forking_has_a_pid_file(s, by):
    if by == "itself":
        u = s.unit("a", "Type=forking\nPIDFile=DATA/pid\nExecStart=ACT daemon pid=main hear=DATA/go pidfile=DATA/pid stay")
    elif by in ("later", "renamed"):  # in a folder that is not there yet
        u = s.unit("a", "Type=forking\nPIDFile=DATA/new/er/pid\nExecStart=ACT daemon pid=main pidfile=DATA/hidden stay")
    else:
        u = s.unit("a", "Type=forking\nPIDFile=DATA/pid\nExecStart=ACT daemon pid=main pidfile=DATA/hidden stay\n"
                        "ExecStartPost=/bin/sh -c 'while ! cp DATA/hidden DATA/pid; do :; done'")
    p = s.popen("unit", "start", u)
    main = s.number("main")
    if by == "itself":
        s.until(u, state="starting", sub="start")  # the record follows what is begun
        s.go("go")
    if by in ("later", "renamed"):
        s.until(u, sub="start")
        (s.base / "data/new/er").mkdir(parents=True)
        (s.base / "data/new/er/pid").write_text("1\n")  # none of ours
        assert p.poll() is None
        assert eventually(lambda: (s.base / "data/hidden").exists())
        if by == "renamed":
            (s.base / "data/hidden").rename(s.base / "data/new/er/pid")
        else:
            (s.base / "data/new/er/pid").write_text((s.base / "data/hidden").read_text())
    assert p.wait(60) == 0, p.stderr.read()
    s.until(u, pid=main, sub="running")
    stopped(s, u)
    s.assert_clean()


def test_a_pid_file_is_waited_for_without_looking(s):
    """The supervisor sleeps until something happens to the path."""
    u = s.unit("a", "Type=forking\nPIDFile=DATA/pid\nExecStart=ACT daemon pid=main stay")
    p = s.popen("unit", "start", u)
    s.number("main")
    supervisor = s.until(u, sub="start")["supervisor_pid"]

    def wakes():
        with open(f"/proc/{supervisor}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt"))
    def rests():
        before = wakes()
        time.sleep(0.2)
        return wakes() == before
    assert eventually(rests)
    s.ok("unit", "stop", u)
    p.communicate(timeout=60)


def test_forking_whose_daemon_is_gone_fails(s):
    u = s.unit("a", "Type=forking\nPIDFile=DATA/pid\nExecStart=ACT daemon say=gone exit=0")
    r = s("unit", "start", u)
    assert r.returncode and s.over(u)["result"] == "protocol", r.stderr
    s.assert_clean()


def test_notify_is_up_when_it_says_so(s):
    u = s.unit("a", "Type=notify\nExecStart=ACT say=begun hear=DATA/go notify=STATUS=all\\nis\\nREADY=1 stay")
    p = s.popen("unit", "start", u)
    s.heard("begun")
    s.until(u, sub="start")
    assert p.poll() is None
    s.go("go")
    assert p.wait(60) == 0
    stopped(s, u)


def test_notify_that_ends_without_a_word_fails(s):
    u = s.unit("a", "Type=notify\nExecStart=ACT exit=0")
    assert s("unit", "start", u).returncode
    assert s.over(u)["result"] == "protocol"
    s.assert_clean()


def test_idle_is_up_as_simple_is(s):
    u = s.up("a", "Type=idle\nExecStart=ACT say=up stay")
    s.heard("up")
    stopped(s, u)


# ---- commands ----

def test_commands_run_in_their_order(s):
    u = s.unit("a", "ExecCondition=ACT say=condition\nExecStartPre=ACT say=pre1\nExecStartPre=-ACT say=pre2 exit=3\n"
                    "ExecStart=ACT say=start stay\nExecStartPost=ACT hear=DATA/go say=post\nExecStop=ACT say=stop\nExecStopPost=ACT say=stop-post")
    p = s.popen("unit", "start", u)
    s.heard("condition", "pre1", "pre2", "start")
    s.go("go")
    s.heard("post")
    assert p.wait(60) == 0
    stopped(s, u)
    s.heard("stop", "stop-post")
    assert s.silent()
    s.assert_clean()


def test_a_condition_that_does_not_hold_is_no_failure(s):
    u = s.unit("a", "ExecCondition=ACT say=no exit=1\nExecStart=ACT say=start\nExecStopPost=ACT env=SERVICE_RESULT")
    assert s("unit", "start", u).returncode == 0
    s.heard("no", "SERVICE_RESULT=exec-condition")
    r = s.over(u)
    assert (r["state"], r["result"]) == ("exited", "exec-condition") and s.silent()


@pytest.mark.parametrize("end", ["exit=255", "signal=9"])
def test_a_condition_that_fails_is_a_failure(s, end):
    u = s.unit("a", f"ExecCondition=ACT {end}\nExecStart=ACT say=start")
    assert s("unit", "start", u).returncode
    assert s.over(u)["state"] == "failed" and s.silent()


def test_a_failed_preparation_skips_start_and_stop(s):
    u = s.unit("a", "ExecStartPre=ACT exit=1\nExecStart=ACT say=start\nExecStop=ACT say=stop\nExecStopPost=ACT say=stop-post")
    assert s("unit", "start", u).returncode
    s.over(u)
    s.heard("stop-post")
    assert s.silent()


@pytest.mark.parametrize("end,result,code,status", [("exit=0", "success", "exited", "0"), ("exit=3", "exit-code", "exited", "3"),
                                                    ("signal=9", "signal", "killed", "KILL")])
def test_the_last_commands_know_how_it_ended(s, end, result, code, status):
    u = s.up("a", f"ExecStart=ACT hear=DATA/go {end}\nExecStopPost=ACT env=SERVICE_RESULT env=EXIT_CODE env=EXIT_STATUS env=MAINPID")
    s.go("go")
    s.heard(f"SERVICE_RESULT={result}", f"EXIT_CODE={code}", f"EXIT_STATUS={status}", "MAINPID=-")
    assert s.over(u)["result"] == result


def test_commands_know_the_main_process(s):
    u = s.unit("a", "ExecStart=ACT pid=main stay\nExecStartPost=ACT hear=DATA/go env=MAINPID\nExecReload=ACT env=MAINPID\n"
                    "ExecStop=ACT env=MAINPID env=SERVICE_RESULT")
    p = s.popen("unit", "start", u)
    main = s.number("main")
    s.go("go")
    s.heard(f"MAINPID={main}")
    assert p.wait(60) == 0
    s.ok("unit", "reload", u)
    s.heard(f"MAINPID={main}")
    stopped(s, u)
    s.heard(f"MAINPID={main}", "SERVICE_RESULT=success")


def test_prefixes(s):
    u = s.up("a", "Type=oneshot\nUser=nobody\nProtectSystem=strict\nEnvironment=WORD=value\n"
                  "ExecStart=/bin/sh -c 'echo plain $$(id -u) $$(touch /srv/x-TOKEN 2>/dev/null || echo shut)'\n"
                  "ExecStart=+/bin/sh -c 'echo plus $$(id -u) $$(test -w /srv && echo open)'\n"
                  "ExecStart=!/bin/sh -c 'echo bang $$(id -u) $$(touch /srv/x-TOKEN 2>/dev/null || echo shut)'\n"
                  "ExecStart=:/bin/echo colon $WORD\n"
                  "ExecStart=/bin/echo word $WORD\n"
                  "ExecStart=@/bin/sh other -c 'echo at $$0'\n"
                  "ExecStart=-/bin/false\n".replace("TOKEN", s.token))
    r = s.over(u)
    assert r["result"] == "success", r
    assert s.logs(u).splitlines() == ["plain 65534 shut", "plus 0 open", "bang 0 shut", "colon $WORD", "word value", "at other"], s.logs(u)
    v = s.up("b", "Type=oneshot\nExecStart=|echo shell $$0")
    s.over(v)
    assert s.logs(v).split()[0] == "shell"


def test_commands_share_network_tmp_and_dynamic_user(s):
    u = s.up("a", "Type=oneshot\nPrivateNetwork=yes\nPrivateTmp=yes\nDynamicUser=yes\n"
                  "ExecStartPre=/bin/sh -c 'readlink /proc/self/ns/net; id -u; echo left > /tmp/left'\n"
                  "ExecStart=/bin/sh -c 'readlink /proc/self/ns/net; id -u; cat /tmp/left'\n"
                  "ExecStopPost=/bin/sh -c 'readlink /proc/self/ns/net; id -u; cat /tmp/left'")
    assert s.over(u)["result"] == "success", s.logs(u)
    out = s.logs(u).splitlines()
    assert len(out) == 8 and out[0] == out[2] == out[5] != os.readlink("/proc/self/ns/net")
    assert out[1] == out[3] == out[6] != "0" and out[4] == out[7] == "left"
    s.assert_clean()


# ---- what a service says ----

def test_status_text_and_main_process_can_be_said(s):
    u = s.unit(
        "a", "Type=notify\nNotifyAccess=all\nExecStart=ACT child=pid+new,notify+MAINPID+%%p,barrier,say+said,stay hear=DATA/go "
             "\"notify=READY=1\\\\nSTATUS=all is well\" barrier say=up stay")
    p = s.popen("unit", "start", u)
    new = s.number("new")
    s.heard("said")
    s.go("go")
    s.heard("up")
    assert p.wait(60) == 0
    s.until(u, status_text="all is well", pid=new)
    assert "all is well" in s.ok("unit", "status", u)
    # It is no child of the supervisor's, and its end is noticed.
    kill(new)
    s.over(u)
    s.assert_clean()


@pytest.mark.parametrize("access,who", [("main", "main"), ("exec", "main exec"), ("all", "main exec child"), ("none", "")])
def test_who_is_believed(s, access, who):
    u = s.up("a", f"NotifyAccess={access}\nExecStart=ACT hear=DATA/main notify=STATUS=main barrier say=main child=notify+STATUS+child,barrier,say+child,stay stay\n"
                  "ExecReload=ACT notify=STATUS=exec barrier say=exec") if access != "none" else s.up(
        "a", "NotifyAccess=none\nExecStart=ACT hear=DATA/main env=NOTIFY_SOCKET stay\nExecReload=ACT env=NOTIFY_SOCKET")
    s.go("main")
    if access == "none":
        s.heard("NOTIFY_SOCKET=-")
        stopped(s, u)
        return
    s.heard("main", "child")
    expected = "child" if access == "all" else "main"
    s.until(u, status_text=expected)
    r = s("unit", "reload", u)
    assert r.returncode == 0, r.stderr
    if access == "main":
        assert s.line() == "no socket"
        os.kill(s.status(u)["pid"], 0)
    else:
        s.heard("exec")
        s.until(u, status_text="exec")
    stopped(s, u)


def test_a_stranger_is_not_believed(s):
    u = s.up("a", "NotifyAccess=all\nExecStart=ACT notify=STATUS=own barrier say=up stay")
    s.heard("up")
    s.until(u, status_text="own")
    path = str(s.base / "run/notify" / s.notify_sockets()[0])
    subprocess.run([s.actor, s.fifo, "notify=STATUS=strange", "barrier", "say=sent"], env={"NOTIFY_SOCKET": path}, check=True)
    s.heard("sent")
    assert s.status(u)["status_text"] == "own"
    stopped(s, u)


def test_descriptors_outlive_a_restart(s):
    u = s.up("a", "NotifyAccess=main\nFileDescriptorStoreMax=2\nRestart=always\nRestartSec=0\n"
                  "ExecStart=ACT fds store=one store=two store=three barrier say=up hear=DATA/go exit=0")
    s.heard("0 descriptors, -, not mine", "up")
    s.go("go")
    s.heard("2 descriptors, one:two, mine")
    os.unlink(s.base / "data/go")
    stopped(s, u)
    s.assert_clean()


def test_a_descriptor_can_be_taken_out(s):
    u = s.up("a", "FileDescriptorStoreMax=4\nRestart=always\nRestartSec=0\n"
                  "ExecStart=ACT fds store=one store=two notify=FDSTOREREMOVE=1\\\\nFDNAME=one barrier say=up hear=DATA/go exit=0")
    s.heard("0 descriptors, -, not mine", "up")
    s.go("go")
    s.heard("1 descriptors, two, mine")
    os.unlink(s.base / "data/go")
    stopped(s, u)


# ---- reload ----

def test_reload_runs_its_commands(s):
    u = s.up("a", "ExecStart=ACT echo say=up stay\nExecReload=/bin/kill -USR1 $MAINPID\nExecReload=ACT say=second")
    s.heard("up")
    s.ok("unit", "reload", u)
    assert {s.line(), s.line()} == {"SIGUSR1", "second"}
    stopped(s, u)


def test_a_failed_reload_says_so_and_the_service_goes_on(s):
    u = s.up("a", "ExecStart=ACT say=up stay\nExecReload=ACT exit=1")
    s.heard("up")
    r = s("unit", "reload", u)
    assert r.returncode and "ExecReload=" in r.stderr
    assert s.status(u)["sub"] == "running"
    stopped(s, u)


def test_reload_takes_no_longer_than_it_may(s):
    u = s.up("a", "TimeoutStartSec=100ms\nExecStart=ACT say=up stay\nExecReload=ACT say=reload stay")
    s.heard("up")
    r = s("unit", "reload", u)
    assert r.returncode and "ExecReload=" in r.stderr, r.stderr
    assert s.status(u)["sub"] == "running"
    stopped(s, u)
    s.assert_clean()
    assert s.rest() in ([], ["reload"])  # its time may be over before its first word


def test_reload_by_signal_waits_for_the_word(s):
    u = s.up("a", "Type=notify-reload\nExecStart=ACT reloads notify=READY=1 stay stay")
    s.ok("unit", "reload", u)
    s.heard("reloads")
    assert s.until(u, sub="running")
    stopped(s, u)


@pytest.mark.parametrize("text", ["ExecStart=ACT say=up stay", "ExecStart=ACT say=up exit=0"])
def test_what_cannot_be_reloaded_says_so(s, text):
    u = s.up("a", text)
    s.heard("up")
    if "exit" in text:
        s.over(u)
    assert s("unit", "reload", u).returncode


# ---- the end ----

def family(s, mode, more=""):
    u = s.up("a", f"KillMode={mode}\n{more}ExecStart=ACT child=ignore,pid+deaf,stay child=apart,pid+apart,stay pid=main stay")
    pids = dict(line.split() for line in (s.line(), s.line(), s.line()))
    return u, {k: int(v) for k, v in pids.items()}


def test_control_group_ends_all(s):
    u, pids = family(s, "control-group", "TimeoutStopSec=200ms\n")
    stopped(s, u)
    assert not any(map(alive, pids.values()))
    assert s.status(u)["result"] == "timeout"  # one was deaf
    s.assert_clean()


def test_mixed_asks_the_main_process_and_kills_the_rest(s):
    u, pids = family(s, "mixed")
    stopped(s, u)
    assert not any(map(alive, pids.values())) and s.status(u)["result"] == "success"
    s.assert_clean()


def test_process_leaves_the_others_alone(s):
    """As sessions outlive the restart of their server."""
    u, pids = family(s, "process")
    main = pids.pop("main")
    s.ok("unit", "restart", u)
    again = dict(line.split() for line in (s.line(), s.line(), s.line()))
    assert not alive(main) and all(map(alive, pids.values()))
    stopped(s, u)
    assert not alive(int(again["main"]))
    rest = [*pids.values(), *(int(v) for k, v in again.items() if k != "main")]
    assert len(rest) == 4 and all(map(alive, rest))
    for pid in rest:
        kill(pid)
    assert eventually(lambda: not any(map(alive, rest)))
    s("stop", u)
    s.assert_clean()


def test_none_leaves_all_alone(s):
    u, pids = family(s, "none", "ExecStop=ACT say=stop\n")
    s.ok("unit", "stop", u)
    s.heard("stop")
    record = s.status(u)
    assert (record["state"], record["result"], record.get("pid", 0)) == ("exited", "success", 0)
    assert all(map(alive, pids.values())) and s.cgroups()
    shown = s("unit", "status", u)
    assert shown.returncode == 3 and "3 processes" in shown.stdout, shown.stdout
    # The next one lives beside them, and its end does not touch them either.
    s.ok("unit", "start", u)
    again = dict(line.split() for line in (s.line(), s.line(), s.line()))
    assert s.status(u)["pid"] == int(again["main"]) and all(map(alive, pids.values()))
    s.ok("unit", "stop", u)
    s.heard("stop")
    rest = [*pids.values(), *map(int, again.values())]
    assert len(rest) == 6 and all(map(alive, rest))
    for pid in rest:
        kill(pid)
    assert eventually(lambda: not any(map(alive, rest)))
    assert "processes" not in s("unit", "status", u).stdout
    s("stop", u)
    s.assert_clean()


def test_none_leaves_all_alone_through_restarts(s):
    u, pids = family(s, "none")
    s.ok("unit", "restart", u)
    again = {k: int(v) for k, v in (s.line().split() for _ in range(3))}
    assert all(map(alive, [*pids.values(), *again.values()])) and s.until(u, sub="running")["pid"] == again["main"]
    for pid in pids.values():
        kill(pid)
    assert s.status(u)["sub"] == "running"
    kill(again["main"])
    assert s.over(u)["result"] == "signal"
    for pid in again.values():
        kill(pid)
    assert eventually(lambda: not any(map(alive, again.values())))
    s("stop", u)
    s.assert_clean()


def test_who_does_not_listen_is_killed(s):
    u = s.up("a", "TimeoutStopSec=100ms\nExecStart=ACT ignore say=up stay")
    s.heard("up")
    stopped(s, u)
    r = s.status(u)
    assert (r["result"], r["code"], r["status"]) == ("timeout", "killed", 9)


def test_signals_can_be_chosen(s):
    u = s.up("a", "KillSignal=SIGUSR1\nSendSIGHUP=yes\nExecStart=ACT echo pid=main stay")
    main = s.number("main")
    p = s.popen("unit", "stop", u)
    assert {s.line(), s.line()} == {"SIGUSR1", "SIGHUP"}
    kill(main)
    assert p.wait(60) == 0, p.stderr.read()


def test_success_can_be_another_status(s):
    u = s.up("a", "SuccessExitStatus=7 SIGKILL\nExecStart=ACT exit=7")
    assert s.over(u)["state"] == "exited"
    v = s.up("b", "SuccessExitStatus=7 SIGKILL\nExecStart=ACT signal=9")
    assert s.over(v)["state"] == "exited"


def test_a_start_takes_no_longer_than_it_may(s):
    u = s.unit("a", "Type=notify\nTimeoutStartSec=100ms\nExecStart=ACT say=begun stay")
    r = s("unit", "start", u)
    assert r.returncode and "timeout" in r.stderr
    assert s.over(u)["result"] == "timeout"
    assert s.rest() in ([], ["begun"])


def test_more_time_can_be_asked_for(s):
    u = s.unit("a", "Type=notify\nTimeoutStartSec=3s\nExecStart=ACT notify=EXTEND_TIMEOUT_USEC=60000000 barrier say=begun hear=DATA/go notify=READY=1 stay")
    p = s.popen("unit", "start", u)
    s.heard("begun")
    time.sleep(3.1)  # the time that it had at first
    s.go("go")
    assert p.wait(60) == 0
    stopped(s, u)


def test_a_life_takes_no_longer_than_it_may(s):
    u = s.up("a", "RuntimeMaxSec=100ms\nExecStart=ACT say=up stay")
    assert s.over(u)["result"] == "timeout"
    assert s.rest() in ([], ["up"])


def test_a_watchdog_that_is_not_fed_bites(s):
    u = s.up("a", "Type=notify\nWatchdogSec=200ms\nWatchdogSignal=SIGKILL\nExecStart=ACT env=WATCHDOG_USEC say=up notify=READY=1 notify=WATCHDOG=1 stay")
    s.heard("WATCHDOG_USEC=200000", "up")
    assert s.over(u)["result"] == "watchdog"


def test_a_watchdog_can_be_called(s):
    u = s.up("a", "Type=notify\nWatchdogSec=1h\nRestart=on-watchdog\nRestartSec=0\nExecStart=ACT notify=READY=1 say=up hear=DATA/go notify=WATCHDOG=trigger stay")
    s.heard("up")
    s.go("go")
    s.heard("up")
    os.unlink(s.base / "data/go")
    assert eventually(lambda: s.status(u)["restarts"] >= 1)
    s.ok("unit", "stop", u)


@pytest.mark.parametrize("policy,result", [("stop", "oom-kill"), ("continue", "success")])
def test_memory_that_runs_out(s, policy, result):
    u = s.unit("a", f"OOMPolicy={policy}\nMemoryMax=20M\nMemorySwapMax=0\nExecStart=ACT child=say+eats,eat+100 say=up hear=DATA/go exit=0")
    r = s("unit", "start", u)
    if r.returncode:
        pytest.skip(r.stderr)
    assert {s.line(), s.line()} == {"eats", "up"}
    if policy == "continue":
        s.go("go")
    assert s.over(u)["result"] == result
    s.assert_clean()


# ---- restarts ----

@pytest.mark.parametrize("policy,end,again", [
    ("no", "exit=1", False), ("always", "exit=0", True), ("on-success", "exit=0", True), ("on-success", "exit=1", False),
    ("on-failure", "exit=1", True), ("on-failure", "exit=0", False), ("on-abnormal", "signal=9", True), ("on-abnormal", "exit=1", False),
    ("on-abort", "signal=11", True), ("on-abort", "exit=1", False), ("on-watchdog", "signal=9", False)])
def test_restart_by_its_policy(s, policy, end, again):
    u = s.up("a", f"Restart={policy}\nRestartSec=0\nExecStart=ACT say=run hear=DATA/go {end}")
    s.heard("run")
    s.go("go")
    if again:
        s.heard("run")
        s("unit", "stop", u)
    r = s.over(u)
    assert r["restarts"] >= 1 if again else r["restarts"] == 0
    s.assert_clean()


def test_statuses_that_prevent_or_force_it(s):
    u = s.up("a", "Restart=always\nRestartSec=0\nRestartPreventExitStatus=4\nExecStart=ACT exit=4")
    assert s.over(u)["restarts"] == 0
    v = s.up("b", "Restart=no\nRestartSec=1h\nRestartForceExitStatus=5\nExecStart=ACT exit=5")
    s.until(v, sub="auto-restart")
    s.ok("unit", "stop", v)
    s.assert_clean()


def test_too_many_starts_are_the_end(s):
    u = s.unit("a", "Restart=always\nRestartSec=0\nExecStart=ACT say=run exit=1", unit="StartLimitBurst=3\nStartLimitIntervalSec=1h")
    s("unit", "start", u)
    s.heard("run", "run", "run")
    assert s.over(u)["result"] == "start-limit-hit" and s.silent()
    s.assert_clean()


def test_starts_count_beyond_a_supervisor(s):
    u = s.unit("a", "Type=oneshot\nExecStart=ACT say=run", unit="StartLimitBurst=3\nStartLimitIntervalSec=1h")
    for _ in range(3):
        s.ok("unit", "start", u)
        s.heard("run")
    r = s("unit", "start", u)
    assert r.returncode and "service.start-limit" in r.stderr and s.silent(), r.stderr
    assert (s.over(u)["state"], s.over(u)["result"]) == ("failed", "start-limit-hit")
    assert s("unit", "restart", u).returncode and s.silent()
    s.ok("unit", "reset-failed", u)
    assert (s.status(u)["state"], s.status(u)["sub"], s.status(u)["result"]) == ("exited", "dead", "success")
    s.ok("unit", "start", u)
    s.heard("run")
    s.assert_clean()


def test_a_limit_of_none_and_one_that_is_over(s):
    free = s.unit("a", "Type=oneshot\nExecStart=/bin/true", unit="StartLimitIntervalSec=0")
    short = s.unit("b", "Type=oneshot\nExecStart=/bin/true", unit="StartLimitIntervalSec=1ms\nStartLimitBurst=1")
    for _ in range(7):
        s.ok("unit", "start", free)
        s.ok("unit", "start", short)


def test_the_default_limit_is_systemds(s):
    """Five in ten seconds: the supervisor's own starts, which take no time."""
    u = s.unit("a", "Restart=on-failure\nRestartSec=0\nExecStart=ACT say=run exit=1")
    s("unit", "start", u)
    s.heard(*["run"] * 5)
    assert s.over(u)["result"] == "start-limit-hit" and s.silent()


@pytest.mark.parametrize("text", ["", "x", "0" * 36 + " 1 9", "{boot} 99999999999999999999 9", "{boot} 1", "{boot} 18446744073709551615 9", "\0" * 100])
def test_a_damaged_count_limits_nothing(s, text):
    u = s.unit("a", "Type=oneshot\nExecStart=/bin/true", unit="StartLimitBurst=1\nStartLimitIntervalSec=1h")
    s.ok("unit", "start", u)
    with open("/proc/sys/kernel/random/boot_id") as f:
        (s.base / "run/runs" / u / "starts").write_text(text.format(boot=f.read().strip()))
    s.ok("unit", "start", u)


def test_reset_of_a_service_that_runs(s):
    u = s.up("a", "ExecStart=ACT say=up stay", unit="StartLimitBurst=2\nStartLimitIntervalSec=1h")
    s.heard("up")
    for _ in range(3):
        s.ok("unit", "reset-failed", u)
        s.ok("unit", "restart", u)
        s.heard("up")
    assert s.status(u)["sub"] == "running"
    stopped(s, u)


def test_reset_of_all_and_of_none(s):
    for i in "ab":
        assert s("unit", "start", s.unit(i, "Type=oneshot\nExecStart=/bin/false")).returncode
    up = s.up("c", "ExecStart=ACT stay")
    s.ok("unit", "reset-failed")
    assert {s.status(s.name(i))["state"] for i in "ab"} == {"exited"} and s.status(up)["sub"] == "running"
    r = s("unit", "reset-failed", s.name("nothing"))
    assert r.returncode and "unit.unknown" in r.stderr
    stopped(s, up)


def test_runtime_folders_can_outlive_a_restart(s):
    u = s.up("a", f"RuntimeDirectory={s.token}-kept\nRuntimeDirectoryPreserve=restart\nRestart=on-failure\nRestartSec=0\n"
                  f"ExecStart=/bin/sh -c 'if [ -e /run/{s.token}-kept/file ]; then exec {s.act} say=kept stay; fi; >/run/{s.token}-kept/file; exit 1'")
    s.heard("kept")
    stopped(s, u)
    assert not os.path.exists(f"/run/{s.token}-kept")


def test_unit_restart_reads_the_file_again(s):
    u = s.up("a", "ExecStart=ACT say=old stay\nExecStop=ACT say=stop-old")
    s.heard("old")
    supervisor = s.status(u)["supervisor_pid"]
    s.unit("a", "ExecStart=ACT say=new stay\nExecStop=ACT say=stop-new")
    s.ok("unit", "restart", u)
    # It was stopped as it was started.
    s.heard("stop-old", "new")
    assert s.status(u)["supervisor_pid"] == supervisor
    s.unit("a", "ExecStart=ACT say=broken\nProtectSystem=perhaps")
    r = s("unit", "restart", u)
    assert r.returncode and "ProtectSystem" in r.stderr
    assert s.status(u)["sub"] == "running" and s.silent()
    stopped(s, u)
    s.heard("stop-new")


def test_a_restart_that_fails_says_so(s):
    u = s.up("a", "Type=exec\nExecStart=ACT say=old stay")
    s.heard("old")
    s.unit("a", "Type=exec\nExecStart=/nonexistent/program")
    r = s("unit", "restart", u)
    assert r.returncode and "/nonexistent/program" in r.stderr
    s.over(u)
    s.assert_clean()


def test_a_restart_waits_for_the_new_one(s):
    u = s.unit("a", "Type=notify\nExecStart=ACT say=up hear=DATA/go notify=READY=1 stay")
    s.go("go")
    s.ok("unit", "start", u)
    s.heard("up")
    os.unlink(s.base / "data/go")
    p = s.popen("unit", "restart", u)
    s.heard("up")
    assert p.poll() is None
    s.go("go")
    assert p.wait(60) == 0
    stopped(s, u)


def test_restart_starts_what_does_not_run(s):
    u = s.unit("a", "ExecStart=ACT say=up stay")
    s.ok("unit", "restart", u)
    s.heard("up")
    stopped(s, u)


# ---- commands of the user's ----

def test_start_of_what_runs_is_success_and_changes_nothing(s):
    u = s.up("a", "ExecStart=ACT say=up stay")
    s.heard("up")
    pid = s.status(u)["pid"]
    s.ok("unit", "start", u)
    assert s.status(u)["pid"] == pid and s.silent()
    stopped(s, u)


def test_two_starts_at_once_start_once_and_both_wait(s):
    u = s.unit("a", "Type=notify\nExecStart=ACT say=up hear=DATA/go notify=READY=1 stay")
    first = s.popen("unit", "start", u)
    s.heard("up")
    second = s.popen("unit", "start", u)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.2)
    s.go("go")
    assert first.wait(60) == 0 and second.wait(60) == 0, second.stderr.read()
    assert s.silent()
    stopped(s, u)


def test_a_start_during_the_stop_starts_again(s):
    u = s.up("a", "ExecStart=ACT say=up stay\nExecStop=ACT say=stop hear=DATA/go")
    s.heard("up")
    stop = s.popen("unit", "stop", u)
    s.heard("stop")
    start = s.popen("unit", "start", u)
    assert stop.wait(60) == 1 and b"service.overtaken" in stop.stderr.read()  # so the start was heard
    assert start.poll() is None
    s.go("go")
    s.heard("up")
    assert start.wait(60) == 0, start.stderr.read()
    assert s.until(u, sub="running")
    stopped(s, u)


def test_stop_of_what_is_not_there(s):
    u = s.unit("a", "ExecStart=ACT exit=0")
    assert s("unit", "stop", u).returncode
    s.ok("unit", "start", u)
    s.over(u)
    s.ok("unit", "stop", u)


def test_status_has_systemctls_statuses(s):
    u = s.up("a", "ExecStart=ACT say=up stay")
    s.heard("up")
    assert s("unit", "status", u).returncode == 0
    stopped(s, u)
    assert s("unit", "status", u).returncode == 3
    assert s("unit", "status", s.name("none")).returncode == 4


def test_run_ends_as_the_service_ends(s):
    u = s.unit("a", "ExecStart=/bin/sh -c 'echo out; echo err >&2; exit 5'")
    r = s("unit", "run", u)
    assert (r.returncode, r.stdout, r.stderr) == (5, "out\n", "err\n")
    assert (s.logs(u), s("logs", u).stderr) == ("out\n", "err\n")
    s.assert_clean()


def test_a_broken_file_makes_nothing(s):
    u = s.unit("a", "ExecStart=ACT say=up\nType=sometimes")
    r = s("unit", "start", u)
    assert r.returncode and "Type=" in r.stderr
    assert s.records() == [] and s.silent()


def test_many_clients_at_once(s):
    u = s.up("a", "Type=notify\nExecStart=ACT notify=READY=1 say=up stay\nExecReload=ACT exit=0")
    s.heard("up")
    failures = []

    def ask(i):
        for _ in range(4):
            r = s("unit", ["status", "start", "reload"][i % 3], u)
            if r.returncode and not (i % 3 == 2 and "reload" in r.stderr):
                failures.append(r.stderr)
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[0]
    assert s.status(u)["sub"] == "running"
    stopped(s, u)
    s.assert_clean()


def test_filters_hold_for_commands_that_come_later(s):
    """Between commands the supervisor keeps no filters; whatever runs next has them all the same."""
    look = "/bin/grep Seccomp_filters /proc/self/status"
    u = s.up("a", "Type=exec\nNoNewPrivileges=yes\nSystemCallFilter=@system-service\nRestrictAddressFamilies=AF_UNIX\nRestrictSUIDSGID=yes\n"
                  f"ExecStartPre={look}\nExecStart=ACT say=up stay\nExecReload={look}\nExecReload=+{look}\nExecStop={look}")
    s.heard("up")
    s.ok("unit", "reload", u)
    s.ok("unit", "reload", u)
    stopped(s, u)
    counts = [int(line.split()[1]) for line in s.logs(u).splitlines()]
    assert counts[0] > 2 and counts == [counts[0], counts[0], counts[2], counts[0], counts[2], counts[0]] and counts[2] < counts[0], counts


# ---- sudden death ----

LIVES = ["TimeoutStopSec=100ms\nExecStart=ACT child=ignore,stay child=apart,stay stay",
         "Type=notify\nPrivateTmp=yes\nDynamicUser=yes\nReadWritePaths=DATA\nExecStart=ACT notify=READY=1 stay",
         "Type=forking\nPrivateNetwork=yes\nExecStart=ACT daemon stay",
         "Type=oneshot\nRemainAfterExit=yes\nRuntimeDirectory={unit}\nExecStart=ACT exit=0",
         "ExecStartPre=ACT exit=0\nExecStart=ACT stay\nExecStartPost=ACT exit=0\nExecStop=ACT stay\nTimeoutStopSec=10s",
         "Restart=always\nRestartSec=0\nExecStart=ACT exit=0"]


@pytest.mark.parametrize("i", range(len(LIVES)))
def test_a_killed_supervisor_is_noticed(s, i):
    u = s.up(i, LIVES[i].format(unit=s.name(i)), unit="StartLimitIntervalSec=0")
    r = s.status(u)
    assert kill(r["supervisor_pid"])
    # A process that it had just forked holds its lock until it is what it was forked for.
    after = s.until(u, result="supervisor-killed")
    assert after["state"] == "failed"
    s.assert_clean()
    # Its name is free again.
    s.ok("unit", "start", u)
    again = s.status(u)["supervisor_pid"]
    s.ok("unit", "stop", u) if i != 4 else kill(again)
    assert eventually(lambda: not alive(again))
    s.status(u)
    s.assert_clean()


def test_death_at_any_moment(s):
    """The supervisor dies while it starts, restarts or stops a service."""
    rng = random.Random(SEED)
    units = [s.unit(i, text.format(unit=s.name(i)), unit="StartLimitIntervalSec=0") for i, text in enumerate(LIVES)]
    for i in range(30):
        u = units[i % len(units)]
        verb = rng.choice(["start", "start", "restart", "stop"])
        p = s.popen("unit", verb, u, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + rng.random() * 0.02
        while time.monotonic() < until:
            pass
        victims = [pid for pid in s.processes() if is_supervisor(pid)] if i % 2 else []
        record = s("unit", "status", "--json", u)
        if victims:
            kill(rng.choice(victims))
        elif record.returncode == 0:
            kill(json.loads(record.stdout)["supervisor_pid"])
        p.wait(60)
    for u in units:
        s("unit", "status", u)
    for u in units:
        record = s("unit", "status", "--json", u)
        if record.returncode == 0:
            kill(json.loads(record.stdout)["supervisor_pid"])
            assert eventually(lambda: s.status(u)["state"] == "failed")
    s.assert_clean()


# ---- an ordinary user ----

def test_a_user_has_services_of_their_own(user):
    s = user
    u = s.up("a", "Type=notify\nNotifyAccess=all\nExecStart=ACT env=NOTIFY_SOCKET notify=READY=1\\\\nSTATUS=mine say=up stay\nExecStop=ACT say=stop")
    assert s.line().startswith("NOTIFY_SOCKET=/")
    s.heard("up")
    r = s.until(u, status_text="mine")
    assert os.stat(f"/proc/{r['pid']}").st_uid == 65534
    s.ok("unit", "restart", u)
    s.heard("stop")
    s.line()
    s.heard("up")
    stopped(s, u)
    s.assert_clean()


def test_a_users_services_have_namespaces(user):
    s = user
    u = s.up("a", "Type=oneshot\nPrivateUsers=yes\nPrivateNetwork=yes\nPrivateTmp=yes\nProtectSystem=strict\n"
                  "ExecStart=/bin/sh -c 'readlink /proc/self/ns/net; touch /tmp/mine && echo tmp'")
    r = s.over(u)
    assert r["result"] == "success", s.logs(u)
    assert "tmp" in s.logs(u) and os.readlink("/proc/self/ns/net") not in s.logs(u)
    s.assert_clean()


def test_a_users_supervisor_that_is_killed(user):
    s = user
    u = s.up("a", "ExecStart=ACT child=ignore,stay child=apart,stay say=up stay")
    s.heard("up")
    kill(s.status(u)["supervisor_pid"])
    assert eventually(lambda: s.status(u)["result"] == "supervisor-killed")
    s.assert_clean()


def test_a_first_process_that_the_kernel_tells_nothing_is_stopped_at_once(s):
    unit = s.unit("deaf", "ExecStart=/bin/sleep 3600\nPrivatePIDs=yes\nTimeoutStopSec=60")
    s.ok("unit", "start", unit)
    before = time.monotonic()
    s.ok("unit", "stop", unit)
    assert time.monotonic() - before < 50
    record = s.ended(unit)
    assert (record["code"], record["status"], record["result"]) == ("killed", signal.SIGTERM, "success")


def test_a_first_process_that_catches_the_signal_ends_by_itself(s):
    unit = s.unit("hears", "ExecStart=/bin/sh -c 'trap \"echo caught >DATA/caught; exit 0\" TERM; echo >DATA/ready; while :; do sleep 0.05; done'\n"
                           "PrivatePIDs=yes\nTimeoutStopSec=60")
    s.ok("unit", "start", unit)
    assert eventually(lambda: (s.base / "data/ready").exists())
    s.ok("unit", "stop", unit)
    assert (s.base / "data/caught").read_text() == "caught\n"
    assert s.ended(unit)["code"] == "exited"


def test_a_first_process_that_ignores_the_signal_has_its_time(s):
    unit = s.unit("ignores", "ExecStart=/bin/sh -c 'trap \"\" TERM; echo >DATA/ready; while :; do sleep 0.05; done'\nPrivatePIDs=yes\nTimeoutStopSec=1")
    s.ok("unit", "start", unit)
    assert eventually(lambda: (s.base / "data/ready").exists())
    before = time.monotonic()
    s.ok("unit", "stop", unit)
    assert time.monotonic() - before >= 1
    assert s.ended(unit)["result"] == "timeout"
