# SPDX-License-Identifier: LGPL-2.1-or-later
"""The EC2 plugin speaks to whom a certificate that it trusts names, and to nobody else."""
import shutil
import subprocess

import pytest

from ec2_fixture import Fixture
from plugin import Refused

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed (packaging/install-deps test)")


def certificate(folder, name, subject):
    path = folder / name
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", path,
                    "-out", folder / "own", "-subj", "/CN=fixture", "-addext", f"subjectAltName={subject}"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (folder / "own").read_bytes())
    return str(path)


@pytest.fixture(scope="module", name="certificates")
def _certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return {"right": certificate(folder, "right", "IP:127.0.0.1"), "other": certificate(folder, "other", "IP:127.0.0.1"),
            "misnamed": certificate(folder, "misnamed", "DNS:ec2.example.com")}


@pytest.mark.parametrize("serves, trusts, accepted", [
    ("right", "right", True), ("right", "other", False), ("misnamed", "misnamed", False), ("right", None, False),
])
def test_a_service_proves_who_it_is(start_ec2, certificates, serves, trusts, accepted):
    with Fixture(certificate=certificates[serves]) as f:
        p = start_ec2(AWS_ENDPOINT_URL=f.url, AWS_CA_BUNDLE=certificates.get(trusts))
        if accepted:
            ident = p.provision({"RunInstancesInput": {"ImageId": "ami-1"}}, {"bulkhead.token": "t1"})
            assert [i["ID"] for i in p.describe(properties=True)] == [ident]
        else:
            with pytest.raises(Refused, match="certificate"):
                p.describe()
        assert bool(f.ec2.requests) is accepted
