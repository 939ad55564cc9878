# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixture of EC2 proven with AWS's own client: it takes what that sends, and that reads what it answers."""
import json
import os
import subprocess

import pytest

from ec2_fixture import REGION, Fixture

AWS = "/usr/bin/aws"
pytestmark = pytest.mark.skipif(not os.path.exists(AWS), reason="awscli is not installed (packaging/install-deps test)")


@pytest.fixture(name="fixture")
def _fixture():
    with Fixture() as f:
        yield f


def aws(fixture, tmp_path, *words, key="AKIDTEST", secret="secret/of+test", check=True):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
           "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}
    done = subprocess.run([AWS, "--endpoint-url", fixture.url, "--output", "json", *words], env=env, capture_output=True, text=True, timeout=60)
    if not check:
        return done
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_the_vendors_client_runs_lists_tags_and_ends_an_instance(fixture, tmp_path):
    run = ["ec2", "run-instances", "--image-id", "ami-1", "--instance-type", "t3.micro", "--client-token", "t1", "--security-group-ids", "sg-1",
           "--tag-specifications", "ResourceType=instance,Tags=[{Key=infrakit.group,Value=web}]", "--count", "1"]
    first = aws(fixture, tmp_path, *run)["Instances"][0]
    assert first["ImageId"] == "ami-1" and first["Tags"] == [{"Key": "infrakit.group", "Value": "web"}]
    assert aws(fixture, tmp_path, *run)["Instances"][0]["InstanceId"] == first["InstanceId"]
    ident = first["InstanceId"]
    aws(fixture, tmp_path, "ec2", "create-tags", "--resources", ident, "--tags", "Key=a b,Value=ü*")
    filters = ["--filters", "Name=tag:infrakit.group,Values=web", "Name=instance-state-name,Values=pending,running"]
    found = aws(fixture, tmp_path, "ec2", "describe-instances", *filters)["Reservations"]
    assert [i["InstanceId"] for r in found for i in r["Instances"]] == [ident]
    assert {"Key": "a b", "Value": "ü*"} in found[0]["Instances"][0]["Tags"]
    ended = aws(fixture, tmp_path, "ec2", "terminate-instances", "--instance-ids", ident)["TerminatingInstances"][0]
    assert ended["CurrentState"]["Name"] == "shutting-down"
    assert aws(fixture, tmp_path, "ec2", "describe-instances", *filters)["Reservations"] == []


def test_the_vendors_client_follows_its_pages(fixture, tmp_path):
    for n in range(23):
        fixture.ec2.new_instance({}, {"n": str(n)})
    found = aws(fixture, tmp_path, "ec2", "describe-instances", "--page-size", "5")["Reservations"]
    assert len(found) == 23 and len(fixture.ec2.calls) == 5


def test_what_is_signed_with_another_key_is_refused(fixture, tmp_path):
    done = aws(fixture, tmp_path, "ec2", "describe-instances", secret="another", check=False)
    assert done.returncode != 0 and "SignatureDoesNotMatch" in done.stderr
    done = aws(fixture, tmp_path, "ec2", "describe-instances", key="AKIDOTHER", check=False)
    assert done.returncode != 0 and "AuthFailure" in done.stderr


def test_the_vendors_client_understands_refusals(fixture, tmp_path):
    done = aws(fixture, tmp_path, "ec2", "terminate-instances", "--instance-ids", "i-0123456789abcdef0", check=False)
    assert "InvalidInstanceID.NotFound" in done.stderr
    fixture.ec2.faults.throttle = 9
    done = aws(fixture, tmp_path, "ec2", "describe-instances", check=False)
    assert "RequestLimitExceeded" in done.stderr
    fixture.ec2.faults.throttle = 0
    run = ["ec2", "run-instances", "--image-id", "ami-1", "--client-token", "t", "--count", "1"]
    aws(fixture, tmp_path, *run)
    assert "IdempotentParameterMismatch" in aws(fixture, tmp_path, *run, "--key-name", "k", check=False).stderr
