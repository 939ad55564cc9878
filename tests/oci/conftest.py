# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bundle as oci  # noqa: E402

oci.Container.names = oci.named_in(pathlib.Path(__file__).resolve().parent)


@pytest.fixture
def folder():
    """World-readable, outside of /tmp."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with oci.folder_in_srv("bulkhead-oci-") as path:
        yield path


@pytest.fixture
def make(folder):
    """make(): another container, deleted afterwards."""
    with oci.containers_in(folder) as new:
        yield new


@pytest.fixture
def container(make):
    return make()
