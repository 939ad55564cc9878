# SPDX-License-Identifier: LGPL-2.1-or-later
"""As many services as a host has: they start, are listed and stop, each in little memory."""
import os

import pytest

from lifecycle import IS_ROOT

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def private_dirty(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_Dirty:"))


def test_five_hundred_services(s):
    """Started, listed and stopped, in memory that is bounded for each and does not grow with their number."""
    count = 500
    names = [s.unit(f"many{i}", "ExecStart=ACT say=up stay" if i % 10 else "NoNewPrivileges=yes\nSystemCallFilter=@system-service\nExecStart=ACT say=up stay")
             for i in range(count)]
    s.ok("unit", "start", *names, timeout=300)
    for _ in names:
        assert s.line() == "up"
    records = s.ps()
    assert len(records) == count and {r["state"] for r in records.values()} == {"running"}
    sizes = sorted(private_dirty(r["supervisor_pid"]) for r in records.values())
    # With sanitizers a process is as large as it is.
    if not os.environ.get("ASAN_OPTIONS") and sizes[0] < 2000:
        assert sizes[-1] <= 400 and sizes[0] * 2 > sizes[len(sizes) // 2], (sizes[0], sizes[-1])
    assert s("unit", "status", *names).stdout.count("Active: active (running)") == count
    s.ok("unit", "stop", *names, timeout=300)
    s.assert_clean(timeout=30)
