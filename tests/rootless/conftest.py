# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import user as users  # noqa: E402
from user import oci  # noqa: E402


@pytest.fixture
def folder():
    """World-readable, outside of /tmp."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become an ordinary user of its own")
    if not os.access(oci.runtime(), os.X_OK):
        pytest.skip(f"there is no runtime {oci.runtime()} (BULKHEAD_OCI names another)")
    with oci.folder_in_srv("bulkhead-rootless-") as path:
        yield path


@pytest.fixture
def make_user(folder):
    made = []

    def new():
        made.append(users.User(folder))
        return made[-1]

    yield new
    for u in made:
        u.close()


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def make(user):
    """make(): another container of the user, deleted afterwards; then nothing of it is left."""
    made = []

    def new(owner=user):
        made.append(users.Container(owner))
        return made[-1]

    yield new
    for c in made:
        c.delete()
    assert {c.user.name: c.left() for c in made if c.left()} == {}, "the state root is not empty"
    end = time.monotonic() + 60  # who was killed takes a moment to be gone
    while any(c.user.processes() for c in made) and time.monotonic() < end:
        time.sleep(0.02)
    assert {c.user.name: c.user.processes() for c in made if c.user.processes()} == {}, "processes are left"
    assert [g for c in made for g in c.user.groups_left()] == [], "control groups are left"


@pytest.fixture
def container(make):
    return make()
