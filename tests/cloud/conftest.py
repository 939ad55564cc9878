# SPDX-License-Identifier: LGPL-2.1-or-later
import pytest

from ec2_fixture import REGION, Fixture
from plugin import Plugin, program

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret/of+test"}


@pytest.fixture
def ec2_server():
    with Fixture() as f:
        yield f


@pytest.fixture
def cloud(ec2_server):
    """The fixture's state: what is in the cloud, and its faults."""
    return ec2_server.ec2


@pytest.fixture
def start_ec2(ec2_server, tmp_path):
    """Starts the plugin against the fixture, with other credentials and options on request."""
    if not program("bulkhead-instance-ec2").exists():
        pytest.skip("this build has no plugins for clouds (libcurl4-gnutls-dev, libexpat1-dev)")
    started = []

    def start(*options, keys=KEYS, path=None, **environment):
        folder = tmp_path / f"plugin{len(started)}"
        folder.mkdir()
        base = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": ec2_server.url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": ec2_server.url}
        merged = {k: v for k, v in {**base, **keys, **environment}.items() if v is not None}
        p = Plugin("bulkhead-instance-ec2", folder, merged, *options, path=path)
        started.append(p)
        return p.start()

    yield start
    for p in started:
        ran = p.process.poll() is None
        assert (p.stop() == 0 or not ran) and "Sanitizer" not in p.said(), p.said()


@pytest.fixture
def ec2(start_ec2):
    return start_ec2()
