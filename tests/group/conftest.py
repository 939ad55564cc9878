# SPDX-License-Identifier: LGPL-2.1-or-later
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "tools")]
from fleet_world import World


@pytest.fixture
def world():
    # A socket's path has 107 bytes: pytest's own folders may be longer.
    folder = tempfile.mkdtemp(prefix="bulkhead-group.", dir="/tmp")
    w = World(folder)
    yield w
    w.close()
    shutil.rmtree(folder)


@pytest.fixture
def ends():
    """Things with an end(), or a stop(), ended in the order opposite to that in which they were added."""
    things = []
    yield lambda thing: things.append(thing) or thing
    for thing in reversed(things):
        thing.end() if hasattr(thing, "end") else thing.stop()
