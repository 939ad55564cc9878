# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lives of groups under a simulated provider (simulate.c): 1,000 seeds, with BULKHEAD_CHECK=--full 100,000. BULKHEAD_SEEDS=A..B chooses others."""
import concurrent.futures
import os
import pathlib
import subprocess

SIMULATE = pathlib.Path(os.environ["BULKHEAD"]).resolve().parents[1] / "tests/sim/simulate"
CHUNK = 50


def seeds():
    chosen = os.environ.get("BULKHEAD_SEEDS")
    if chosen:
        return tuple(map(int, chosen.split("..")))
    return 1, 100000 if os.environ.get("BULKHEAD_CHECK") == "--full" else 1000


def simulate(first, last, *options):
    return subprocess.run([SIMULATE, "--seeds", f"{first}..{last}", *options], capture_output=True, text=True, check=False)


def test_what_must_hold_holds_in_every_life():
    first, last = seeds()
    chunks = [(at, min(at + CHUNK - 1, last)) for at in range(first, last + 1, CHUNK)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        broken = [r.stderr for r in pool.map(lambda c: simulate(*c), chunks) if r.returncode != 0]
    assert not broken, "".join(broken)


def test_the_same_seed_is_the_same_life():
    first, _ = seeds()
    once, twice = (simulate(first, first + 9, "--sum") for _ in range(2))
    assert once.returncode == 0 and once.stdout == twice.stdout
    traces = [simulate(first, first, "--trace").stdout for _ in range(2)]
    assert traces[0] == traces[1] and len(traces[0].splitlines()) > 10
    sums = once.stdout.split()[1:20:2]
    assert len(set(sums)) == len(sums), "other seeds are other lives"
