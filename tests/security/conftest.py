# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles, canaries and the probe for the tests of published escapes."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "oci"), str(HERE)]
import bundle as oci  # noqa: E402
import hostile  # noqa: E402

oci.Container.names = oci.named_in(HERE)


def pytest_collection_modifyitems(items):
    if not os.access(oci.runtime(), os.X_OK):
        pytest.exit(f"{oci.runtime()} is not built", 2)


@pytest.fixture(scope="session")
def probe():
    """The static program that asks the kernel; it also runs on the host."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-probe-", dir="/srv"))
    folder.chmod(0o755)
    built = HERE / "probe"  # brought by who has no compiler: tests/vm/test_suites.py
    if built.exists():
        shutil.copy(built, folder / "probe")
    else:
        subprocess.run(["gcc", "-O1", "-static", "-o", folder / "probe", HERE / "probe.c"], check=True)
    yield folder / "probe"
    oci.remove_tree(folder)


@pytest.fixture
def folder():
    """World-readable, outside of /tmp."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-sec-", dir="/srv"))
    path.chmod(0o755)
    yield path
    left = [m for m in hostile.host_mounts() if m.startswith(f"{path}/")]
    oci.remove_tree(path)
    assert not left, f"mounts were left behind on the host: {left}"


@pytest.fixture
def make(folder, probe):
    """make(): another container with /probe in its root, deleted afterwards."""
    made = []

    def new(**kw):
        c = oci.Container(folder, folder / "state", **kw)
        os.link(probe, c.rootfs / "probe")
        made.append(c)
        return c

    yield new
    for c in made:
        c.delete_what_is_there()


@pytest.fixture
def container(make):
    return make()


@pytest.fixture
def canary(folder):
    return hostile.Canary(folder / "canary")


@pytest.fixture
def console(folder):
    c = hostile.Console(folder / "console")
    yield c
    c.close()


@pytest.fixture(scope="session")
def abi(probe):
    """abi(name) skips where the kernel has no such system calls."""
    def need(name, number):
        r = subprocess.run([str(probe), name, str(number)], capture_output=True, text=True, check=False).stdout
        if not r.startswith("result"):
            pytest.skip(f"this kernel answers {'32-bit' if name == 'call32' else 'x32'} system calls with {r.strip()!r}")
    return need
