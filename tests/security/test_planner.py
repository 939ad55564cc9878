# SPDX-License-Identifier: LGPL-2.1-or-later
"""Some lives of the simulated fleet (tests/sim), so that mutants of the planner have a test that must notice them."""
import os
import pathlib
import subprocess

import pytest

SIMULATE = pathlib.Path(os.environ.get("BULKHEAD_OCI", "")).resolve().parents[1] / "tests/sim/simulate"


def test_what_must_hold_in_a_fleet_holds():
    """Twin of the planner's mutants: with all protections in place nothing of a simulated fleet is lost, doubled or too few."""
    if not SIMULATE.exists():
        pytest.skip("needs a build of ours")
    r = subprocess.run([SIMULATE, "--seeds", "1..150"], capture_output=True, text=True, check=False, timeout=600)
    assert r.returncode == 0, r.stderr
