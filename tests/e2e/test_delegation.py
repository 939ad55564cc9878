# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delegate= and DelegateSubgroup=: a control group that is the payload's to divide, and nothing of it that is left behind."""
import glob
import os
import re

import pytest

from services import Services

# Each group that the shell is in and that is the run's, as folders.
OWN = r"""own() { while IFS=: read -r n names path; do case $path in *bulkhead/*)
for d in /sys/fs/cgroup/$names /sys/fs/cgroup/${names#name=} /sys/fs/cgroup/unified /sys/fs/cgroup; do
[ -d "$d$path" ] && { echo "$d$path"; break; }; done;; esac; done </proc/self/cgroup | sort -u; }
"""
DIVIDE = OWN + r"""for d in $(own); do mkdir -p $d/a/b && echo "$(stat -c %U $d $d/cgroup.procs | tr '\n' ' ')$d"; done"""


def groups(name):
    return [p for pattern in ("/sys/fs/cgroup", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*/*") for p in glob.glob(f"{pattern}/bulkhead/{name}*")]


def test_the_users_group_can_be_divided_and_is_gone_at_the_end(box):
    name = box.name()
    r = box.shell("Delegate=yes\nUser=nobody", DIVIDE, options=["-u", name])
    assert r.status == 0 and r.out, r
    for line in r.out.splitlines():
        assert line.startswith("nobody nobody /"), r
    assert not groups(name)


def test_without_it_nothing_can_be_divided(box):
    r = box.shell("User=nobody\nTasksMax=50", OWN + "for d in $(own); do mkdir $d/a 2>/dev/null && echo made; done; own | grep -c .")
    assert r.status == 0 and "made" not in r.out and r.out.strip() != "0", r


def test_limits_stay_the_supervisors(box):
    r = box.shell("Delegate=memory pids\nUser=nobody\nTasksMax=50\nMemoryMax=64M", OWN + """
for d in $(own); do for f in pids.max memory.max memory.limit_in_bytes; do [ -e $d/$f ] && { stat -c '%U %n' $d/$f; echo max 2>/dev/null >$d/$f && echo written; }; done; done; true""")
    owners = [line.split()[0] for line in r.out.splitlines()]
    assert "written" not in owners and owners.count("root") >= 2 and set(owners) == {"root"}, r


def test_a_umask_hides_no_group(box):
    before = os.umask(0o077)
    try:
        r = box.shell("Delegate=pids\nUser=nobody\nTasksMax=50", OWN + "for d in $(own); do stat -c %A $d; done")
    finally:
        os.umask(before)
    assert r.status == 0 and set(r.out.split()) == {"drwxr-xr-x"}, r


def test_processes_move_within_and_not_out(box):
    r = box.shell("Delegate=yes\nUser=nobody", OWN + """
for d in $(own); do case $d in *cpuset*) continue;; esac; mkdir $d/in; echo $$ >$d/in/cgroup.procs || echo stuck; done
for d in $(own); do echo $$ 2>/dev/null >${d%/*/*/*}/cgroup.procs && echo escaped; done; own""")
    assert r.status == 0 and "escaped" not in r.out and "stuck" not in r.out and "/in" in r.out, r


def test_a_subgroup(box):
    name = box.name()
    r = box.shell("Delegate=pids\nDelegateSubgroup=main\nUser=nobody", OWN + "own", options=["-u", name])
    assert r.out and all(line.endswith("/main") for line in r.out.splitlines() if "unified" in line or "pids" in line), r
    assert not groups(name)
    r = box.run("DelegateSubgroup=main", "true")
    assert r.status == 0, r


@pytest.mark.parametrize("assignment, words", [("Delegate=foo", "controllers"), ("Delegate=cpu foo", "controllers"), ("DelegateSubgroup=../x", "name of a control group"),
                                               ("DelegateSubgroup=cgroup.procs", "name of a control group"), ("Delegate=yes\nRestrictFileSystems=ext4", "cgroup.delegated")])
def test_bad_values(box, assignment, words):
    r = box.run(assignment, "true")
    assert r.status == 1 and words in r.err, r


def test_no_takes_it_back(box):
    r = box.shell("Delegate=yes\nDelegate=no\nTasksMax=50\nUser=nobody", OWN + "for d in $(own); do stat -c %U $d; done")
    assert set(r.out.split()) == {"root"}, r


def test_explain(box):
    r = box.call("explain", "-p", "Delegate=memory", "-p", "DelegateSubgroup=main", "true")
    assert re.search("control group +the payload's to divide, with memory", r.out) and re.search("it starts in +main", r.out), r
    r = box.call("explain", "--json", "-p", "Delegate=io", "true")
    assert re.search(r'"delegation": ?\{"controllers": ?\["io", ?"blkio"\]', r.out), r


def test_where_groups_are_refused_it_does_not_start(user_box):
    if os.access("/sys/fs/cgroup", os.W_OK) and os.geteuid():
        pytest.skip("control groups may be made here")
    r = user_box.shell("Delegate=yes", "echo started")
    assert r.status == 219 and not r.out, r


def test_a_service_with_groups_of_its_own_ends_and_starts_again():
    s = Services()
    try:
        (s.base / "data/divide").write_text(DIVIDE + "\n")
        name = s.up("divider", "Type=exec\nUser=nobody\nDelegate=yes\nDelegateSubgroup=main\nExecStartPre=/bin/sh DATA/divide\nExecStart=ACT say=up stay\n")
        s.heard("up")
        assert any(os.path.isdir(p + "/main/a/b") or os.path.isdir(p + "/main") for p in groups(name)), groups(name)
        s.ok("unit", "restart", name)
        s.heard("up")
        s.ok("unit", "stop", name)
        assert not groups(name)
        s.assert_clean()
    finally:
        s.close()
