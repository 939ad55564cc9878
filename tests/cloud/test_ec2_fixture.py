# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixture of EC2 proven with AWS's own client: it takes what that sends, and that reads what it answers."""
import json

import pytest

from aws_cli import AwsCli, installed
from ec2_fixture import REGION, Fixture

pytestmark = pytest.mark.skipif(not installed(), reason="awscli is not installed (packaging/install-deps test)")


@pytest.fixture(name="fixture")
def _fixture():
    with Fixture() as f:
        yield f


@pytest.fixture(name="cli", scope="module")
def _cli(tmp_path_factory):
    """Its profiles differ in their keys."""
    home = tmp_path_factory.mktemp("home")
    (home / "credentials").write_text("""[default]
aws_access_key_id = AKIDTEST
aws_secret_access_key = secret/of+test
[wrong-secret]
aws_access_key_id = AKIDTEST
aws_secret_access_key = another
[unknown-key]
aws_access_key_id = AKIDNOBODY
aws_secret_access_key = secret/of+test
""")
    cli = AwsCli({"PATH": "/usr/bin:/bin", "HOME": str(home), "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"), "AWS_DEFAULT_REGION": REGION,
                  "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "", "LC_ALL": "C.UTF-8"})
    yield cli
    cli.close()


@pytest.fixture(name="aws")
def _aws(fixture, cli):
    def call(*words, check=True):
        reply = cli("--endpoint-url", fixture.url, "--output", "json", *words)
        if not check:
            return reply
        assert reply["status"] == 0, reply["err"]
        return json.loads(reply["out"]) if reply["out"].strip() else None
    return call


def test_the_vendors_client_runs_lists_tags_and_ends_an_instance(aws):
    run = ["ec2", "run-instances", "--image-id", "ami-1", "--instance-type", "t3.micro", "--client-token", "t1", "--security-group-ids", "sg-1",
           "--tag-specifications", "ResourceType=instance,Tags=[{Key=infrakit.group,Value=web}]", "--count", "1"]
    first = aws(*run)["Instances"][0]
    assert first["ImageId"] == "ami-1" and first["Tags"] == [{"Key": "infrakit.group", "Value": "web"}]
    assert aws(*run)["Instances"][0]["InstanceId"] == first["InstanceId"]
    ident = first["InstanceId"]
    aws("ec2", "create-tags", "--resources", ident, "--tags", "Key=a b,Value=ü*")
    filters = ["--filters", "Name=tag:infrakit.group,Values=web", "Name=instance-state-name,Values=pending,running"]
    found = aws("ec2", "describe-instances", *filters)["Reservations"]
    assert [i["InstanceId"] for r in found for i in r["Instances"]] == [ident]
    assert {"Key": "a b", "Value": "ü*"} in found[0]["Instances"][0]["Tags"]
    ended = aws("ec2", "terminate-instances", "--instance-ids", ident)["TerminatingInstances"][0]
    assert ended["CurrentState"]["Name"] == "shutting-down"
    assert aws("ec2", "describe-instances", *filters)["Reservations"] == []


def test_the_vendors_client_follows_its_pages(fixture, aws):
    for n in range(23):
        fixture.ec2.new_instance({}, {"n": str(n)})
    found = aws("ec2", "describe-instances", "--page-size", "5")["Reservations"]
    assert len(found) == 23 and len(fixture.ec2.calls) == 5


def test_what_is_signed_with_another_key_is_refused(aws):
    done = aws("--profile", "wrong-secret", "ec2", "describe-instances", check=False)
    assert done["status"] != 0 and "SignatureDoesNotMatch" in done["err"]
    done = aws("--profile", "unknown-key", "ec2", "describe-instances", check=False)
    assert done["status"] != 0 and "AuthFailure" in done["err"]


def test_the_vendors_client_understands_refusals(fixture, aws):
    done = aws("ec2", "terminate-instances", "--instance-ids", "i-0123456789abcdef0", check=False)
    assert "InvalidInstanceID.NotFound" in done["err"]
    fixture.ec2.faults.throttle = 9
    done = aws("ec2", "describe-instances", check=False)
    assert "RequestLimitExceeded" in done["err"]
    fixture.ec2.faults.throttle = 0
    run = ["ec2", "run-instances", "--image-id", "ami-1", "--client-token", "t", "--count", "1"]
    aws(*run)
    assert "IdempotentParameterMismatch" in aws(*run, "--key-name", "k", check=False)["err"]
