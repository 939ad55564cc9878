# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bundle as oci  # noqa: E402


@pytest.fixture
def folder():
    """World-readable, outside of /tmp."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-oci-", dir="/srv"))
    path.chmod(0o755)
    yield path
    oci.remove_tree(path)


@pytest.fixture
def make(folder):
    """make(): another container, deleted afterwards."""
    made = []

    def new(**kw):
        made.append(oci.Container(folder, folder / "state", **kw))
        return made[-1]

    yield new
    for c in made:
        c.delete()


@pytest.fixture
def container(make):
    return make()
