# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conformance of an OCI runtime to version 1.3 of the specification: BULKHEAD_OCI names it, or build/src/bulkhead-oci.

The tests run in a mount namespace of their own in which the host's programs and settings are read-only: a runtime that
errs, and what removes its traces afterwards, shall not be able to harm the machine.
"""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import kit  # noqa: E402
from kit import oci  # noqa: E402


PROTECTED = ("/etc", "/usr", "/boot", "/home", "/root", "/opt")
CLONE_NEWNS = 0x20000


def protect():
    """Leaves the host's mount namespace, in which a runtime's mistake would last."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for path in filter(os.path.isdir, PROTECTED):
        subprocess.run(["mount", "--rbind", path, path], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
    if any(oci.SOURCE.is_relative_to(path) for path in PROTECTED):  # reports are written there
        subprocess.run(["mount", "--rbind", oci.SOURCE, oci.SOURCE], check=True)
        subprocess.run(["mount", "-o", "remount,bind,rw", oci.SOURCE], check=True)


@pytest.fixture(scope="session")
def tools():
    """A world-readable folder outside of /tmp with the probe in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not os.access(oci.runtime(), os.X_OK):
        pytest.exit(f"{oci.runtime()} is not built", 2)
    protect()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-tools-", dir="/srv"))
    folder.chmod(0o755)
    built = kit.HERE / "probe"  # brought by who has no compiler: tests/vm/test_suites.py
    if built.exists():
        shutil.copy(built, folder / "probe")
    else:
        subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", folder / "probe", kit.HERE / "probe.c"], check=True)
    kit.Box.probe = folder / "probe"
    yield folder
    oci.remove_tree(folder)


@pytest.fixture
def folder(tools):
    path = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-oci-", dir="/srv"))
    path.chmod(0o755)
    yield path
    oci.remove_tree(path)


@pytest.fixture
def make(folder):
    """make(): another container, deleted afterwards."""
    made = []

    def new(**kw):
        made.append(kit.Box(folder, folder / "state", **kw))
        return made[-1]

    yield new
    for c in made:
        sweep(c)


@pytest.fixture
def box(make):
    return make()


def sweep(c):
    """Deletes a container, and by hand what a runtime that failed has left of it."""
    if (c.bundle / "config.json").exists():
        try:
            c.delete_what_is_there()
        except subprocess.TimeoutExpired:
            pass  # what follows ends its processes
    for path in sorted(c.cgroups(), key=lambda p: len(p.parts), reverse=True):
        state = path / "freezer.state"
        if state.exists():
            state.write_text("THAWED")
        try:
            for pid in (path / "cgroup.procs").read_text().split():
                os.kill(int(pid), 9)
        except (FileNotFoundError, ProcessLookupError):
            pass
        for _ in range(100):
            try:
                path.rmdir()
                break
            except OSError:
                time.sleep(0.01)
