# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that need every controller on cgroup v2: a host that has nothing else, or the guest of tests/vm."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oci"))
import bundle as oci  # noqa: E402

CONTROLLERS = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")


def pytest_collection_modifyitems(items):
    known = CONTROLLERS.read_text().split() if CONTROLLERS.exists() else []
    missing = [c for c in ("cpu", "cpuset", "io", "memory", "pids") if c not in known]
    reason = "needs root" if os.geteuid() else f"cgroup v2 has no controllers here: {', '.join(missing)}" if missing else None
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


folder, make, container = oci.folder_fixture("bulkhead-v2-"), oci.make, oci.container
