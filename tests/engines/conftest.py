# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import engine as engines  # noqa: E402
import bundle as oci  # noqa: E402


def pytest_configure(config):
    """Told to end, the tests still end their engines and remove what these have made."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM"))


def opened(kind):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not os.access(oci.runtime(), os.X_OK):
        pytest.skip(f"there is no runtime {oci.runtime()} (BULKHEAD_OCI names another)")
    try:
        return kind()
    except engines.Missing as e:
        pytest.skip(str(e))


def running(kind):
    e = opened(kind)
    try:
        yield e.open()
    finally:
        e.close()


@pytest.fixture(scope="module")
def containerd_daemon():
    yield from running(engines.Containerd)


@pytest.fixture(scope="module", params=[engines.Docker, engines.Podman], ids=["docker", "podman"])
def cli_engine(request):
    yield from running(request.param)


@pytest.fixture
def ctr(containerd_daemon):
    """containerd; whatever containers a test has made go at its end."""
    yield containerd_daemon
    containerd_daemon.remove_made()


@pytest.fixture
def cli(cli_engine):
    """docker, then podman; whatever containers a test has made go at its end."""
    yield cli_engine
    cli_engine.remove_made()


@pytest.fixture
def only(cli):
    """only("docker", why): the rest of a test is for one engine."""
    def choose(name, why):
        if cli.name != name:
            pytest.skip(why)
    return choose
