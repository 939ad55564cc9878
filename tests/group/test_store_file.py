# SPDX-License-Identifier: LGPL-2.1-or-later
"""The store in a file, as its controller and its operator see it."""
import os
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest
from etcd_world import PROBE, Probe

pytestmark = pytest.mark.skipif(not os.path.exists(PROBE), reason="store_probe is not built")


@pytest.fixture
def probe(tmp_path):
    probes = []

    def start(**options):
        probes.append(Probe(str(tmp_path / "kept/state.db"), **options))
        return probes[-1]
    yield start
    for p in probes:
        p.end()


def test_what_is_done_outlasts_kill(probe):
    a = probe()
    a.expect("lead")
    a.write("commit web 1 {1}")
    a.write("state web sure")
    a.write("soon web soon")
    a.write("event web hello")
    a.process.send_signal(signal.SIGKILL)
    a.process.wait()
    b = probe()
    assert b.expect("lead")[1] == "lead web@1={1}/soon/0"
    b.write("event web again")
    b.expect("told 2")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_what_must_outlast_a_loss_of_power_is_synced_and_nothing_else(tmp_path):
    trace = tmp_path / "trace"
    lines = ["commit web 1 {}"] + [f"soon web {n}" for n in range(5)] + ["leads"] + [f"state web {n}" for n in range(10, 15)] + ["leads", "soon web x"]
    subprocess.run(["strace", "-f", "-o", str(trace), "-e", "trace=fdatasync,fsync,write", PROBE, str(tmp_path / "state.db")], input="\n".join(lines) + "\n",
                   text=True, check=True, capture_output=True, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))  # which a tracer prevents
    soon, sure = re.split(r"leads yes.*\n", trace.read_text())[:2]
    after_commit = soon.partition("done 1 ok")[2]
    assert "done 6 ok" in after_commit and "sync(" not in after_commit
    for n in range(7, 12):
        part = sure.partition(f"done {n} ok")[0].rpartition("done ")[2]
        assert "sync(" in part, n


def test_a_copy_is_made_while_it_runs(probe, tmp_path):
    a = probe()
    a.expect("lead")
    a.write("commit web 1 {1}")
    copy = tmp_path / "copy/state.db"
    copy.parent.mkdir(mode=0o700)
    source, target = sqlite3.connect(tmp_path / "kept/state.db"), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()
    a.write("state web goes-on")
    b = Probe(str(copy))
    assert b.expect("lead")[1] == "lead web@1={1}/-/0"
    b.end()


def test_a_second_controller_is_refused_with_the_pid_of_the_first(probe):
    a = probe()
    a.expect("lead")
    b = probe()
    assert b.ended() == 1
    assert any(f"pid {a.process.pid}" in line for line in b.errors)
    a.end()
    probe().expect("lead")


def test_a_full_disk_is_an_error_and_what_was_there_stays(tmp_path):
    """A file that may not grow stands for a full disk."""
    path = tmp_path / "state.db"
    a = Probe(str(path))
    a.expect("lead")
    a.write("commit web 1 {1}")
    a.say("stop")
    a.expect("stopped")
    a.process.wait(10)
    limited = subprocess.run(["bash", "-c", f"trap '' XFSZ; ulimit -f 100; exec {PROBE} {path}"],
                             input="bench web 1 300000\nstate web small\n", text=True, capture_output=True, check=False)
    assert "bench store.failed" in limited.stdout, limited
    assert "done 1 ok" in limited.stdout
    b = Probe(str(path))
    assert b.expect("lead")[1] == "lead web@1={1}/small/0"
    b.end()
