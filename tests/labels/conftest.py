# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of security modules' labels: they need a kernel that enforces them and a policy that is theirs alone, as the guest of tests/vm has."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oci"))
import bundle as oci  # noqa: E402

PROGRAM = os.environ.get("BULKHEAD") or str(oci.SOURCE / "build/src/bulkhead")

folder, make = oci.folder_fixture("bulkhead-labels-"), oci.make
