# SPDX-License-Identifier: LGPL-2.1-or-later
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "tools")]


@pytest.fixture
def folder():
    """A folder of the test's own with a short path, for sockets are in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="bh-plugins."))
    yield path
    shutil.rmtree(path)
