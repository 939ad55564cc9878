# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of security modules' labels: they need a kernel that enforces them and a policy that is theirs alone, as the guest of tests/vm has."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oci"))
import bundle as oci  # noqa: E402

PROGRAM = os.environ.get("BULKHEAD") or str(oci.SOURCE / "build/src/bulkhead")


@pytest.fixture
def folder():
    pathlib.Path("/srv").mkdir(exist_ok=True)
    with oci.folder_in_srv("bulkhead-labels-") as path:
        yield path


@pytest.fixture
def make(folder):
    """make(): another container, deleted afterwards."""
    with oci.containers_in(folder) as new:
        yield new
