# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walks have mounts and a network of their own: what other programs of the host do is not in the picture, and what
a runtime that errs does to the host's programs and settings is refused."""
import ctypes
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import walk  # noqa: E402
from walk import oci  # noqa: E402

PROTECTED = ("/etc", "/usr", "/boot", "/home", "/root", "/opt")
CLONE_NEWNS, CLONE_NEWNET, PR_SET_CHILD_SUBREAPER = 0x20000, 0x40000000, 36


def protect():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 or libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for path in filter(os.path.isdir, PROTECTED):
        subprocess.run(["mount", "--rbind", path, path], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
    if any(oci.SOURCE.is_relative_to(path) for path in PROTECTED):  # reports are written there
        subprocess.run(["mount", "--rbind", oci.SOURCE, oci.SOURCE], check=True)
        subprocess.run(["mount", "-o", "remount,bind,rw", oci.SOURCE], check=True)


@pytest.fixture(scope="session")
def folder():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if platform.machine() != "x86_64":
        pytest.skip("the tool that stops at system calls knows only x86-64")
    if not os.access(oci.runtime(), os.X_OK):
        pytest.exit(f"{oci.runtime()} is not built", 2)
    protect()
    path = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-crash-", dir="/srv"))
    path.chmod(0o755)
    yield path
    oci.remove_tree(path)


@pytest.fixture(scope="session")
def tool(folder):
    path = folder / "crashwalk"
    subprocess.run(["gcc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-o", path, walk.HERE / "crashwalk.c", "-lseccomp"], check=True)
    return path


@pytest.fixture
def plain(folder, tool):
    place = walk.Place(folder, tool)
    yield place
    place.close()


@pytest.fixture
def users(folder, tool):
    """With a user namespace: the runtime writes the maps of its child."""
    place = walk.Place(folder, tool, users=True)
    yield place
    place.close()
