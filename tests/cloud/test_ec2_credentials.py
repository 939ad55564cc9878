# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the EC2 plugin finds credentials, region and endpoint; what it does when they expire; that they are told to nobody."""
import time

import pytest

from ec2_fixture import REGION, Key
from plugin import Refused

NONE = {}
DOCUMENT = {"RunInstancesInput": {"ImageId": "ami-1"}}


def used(cloud):
    """The access key of the last call to EC2."""
    last = [h for method, _, h, body in cloud.requests if method == "POST" and b"Action=Assume" not in body][-1]
    return last["Authorization"].split("Credential=")[1].split("/")[0]


def kind(cloud):
    """Which source the last call's session came from."""
    return cloud.keys[used(cloud)].token.split("/")[0]


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.fixture
def files(tmp_path, cloud):
    for name in ("ENV", "DEFAULT", "OTHER", "CONFIG"):
        cloud.keys["AKID" + name] = Key(name + "/secret")
    credentials = write(tmp_path / "credentials", """# shared
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = DEFAULT/secret

[other]
aws_access_key_id=AKIDOTHER
aws_secret_access_key=OTHER/secret
""")
    config = write(tmp_path / "config", f"""[default]
region = {REGION}
s3 =
    aws_access_key_id = AKIDNESTED
[profile other]
region = {REGION}
[profile in-config]
aws_access_key_id = AKIDCONFIG
aws_secret_access_key = CONFIG/secret
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = other
[profile process]
credential_process = /bin/false
[profile half]
aws_access_key_id = AKIDDEFAULT
""")
    return {"AWS_SHARED_CREDENTIALS_FILE": credentials, "AWS_CONFIG_FILE": config}


ENV = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "ENV/secret"}


# ---- precedence ----

@pytest.mark.parametrize("options, variables, key", [
    ([], ENV, "AKIDENV"),
    ([], {**ENV, "AWS_PROFILE": "other"}, "AKIDENV"),
    (["--profile", "other"], ENV, "AKIDOTHER"),
    (["--profile=in-config"], ENV, "AKIDCONFIG"),
    ([], {}, "AKIDDEFAULT"),
    ([], {"AWS_PROFILE": "other"}, "AKIDOTHER"),
    ([], {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"}, "AKIDDEFAULT"),
])
def test_the_first_source_that_applies_decides(start_ec2, cloud, files, options, variables, key):
    p = start_ec2(*options, keys=NONE, **files, **variables)
    p.describe()
    assert used(cloud) == key


@pytest.mark.parametrize("variables, why", [
    ({"AWS_ACCESS_KEY_ID": "AKIDENV"}, "without its secret"),
    ({"AWS_PROFILE": "nobody"}, "none of the shared files"),
    ({"AWS_PROFILE": "process"}, "credential_process"),
    ({"AWS_PROFILE": "half"}, "without its secret"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent"}, "AWS_ROLE_ARN"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent", "AWS_ROLE_ARN": "arn:x"}, "/nonexistent"),
])
def test_a_source_that_fails_is_not_passed_over(start_ec2, cloud, files, variables, why):
    p = start_ec2(keys=NONE, **files, **variables)
    with pytest.raises(Refused, match=why):
        p.describe()
    assert not cloud.calls


def test_a_file_that_others_may_write_is_not_believed(start_ec2, tmp_path, cloud):
    path = write(tmp_path / "c", "[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = secret/of+test\n", 0o622)
    p = start_ec2(keys=NONE, AWS_SHARED_CREDENTIALS_FILE=path)
    with pytest.raises(Refused, match="may write it"):
        p.describe()
    (tmp_path / "c").chmod(0o644)
    p.describe()
    assert used(cloud) == "AKIDTEST"


def test_the_profile_has_the_region(start_ec2, cloud, files):
    start_ec2(keys=NONE, AWS_REGION=None, **files).describe()
    assert used(cloud) == "AKIDDEFAULT"


# ---- roles ----

def test_a_role_is_assumed_with_the_keys_of_its_source(start_ec2, cloud, files):
    start_ec2("--profile", "role", keys=NONE, **files).describe()
    assert [a for a, _ in cloud.calls] == ["AssumeRole", "DescribeInstances"]
    assert kind(cloud) == "role"


def test_a_role_is_assumed_with_a_web_identity(start_ec2, cloud, tmp_path, files):
    token = write(tmp_path / "token", "identity-token\n")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"}
    start_ec2(keys=NONE, **files, **web).describe()
    assert kind(cloud) == "web"


def test_a_web_identity_that_is_refused_is_not_repeated_to_anybody(start_ec2, tmp_path):
    token = write(tmp_path / "token", "stolen-token")
    p = start_ec2(keys=NONE, AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN="arn:aws:iam::1:role/pod")
    with pytest.raises(Refused, match="InvalidIdentityToken") as refused:
        p.describe()
    assert "stolen-token" not in str(refused.value) and "stolen-token" not in p.said()


def test_a_container_has_an_endpoint_of_its_own(start_ec2, cloud, ec2_server, tmp_path):
    uri = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": ec2_server.url + "/container/x"}
    start_ec2(keys=NONE, AWS_CONTAINER_AUTHORIZATION_TOKEN="Basic container", **uri).describe()
    assert kind(cloud) == "container"
    file = write(tmp_path / "authorization", "Basic container\n")
    start_ec2(keys=NONE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file, **uri).describe()
    with pytest.raises(Refused, match="status 403"):
        start_ec2(keys=NONE, **uri).describe()


@pytest.mark.parametrize("uri", ["http://192.0.2.1/x", "http://127.0.0.1.example.com/x", "http://user@127.0.0.1/x", "ftp://127.0.0.1/x"])
def test_a_containers_endpoint_without_tls_is_this_machines(start_ec2, uri):
    with pytest.raises(Refused, match="aws.endpoint|not an endpoint|another machine"):
        start_ec2(keys=NONE, AWS_CONTAINER_CREDENTIALS_FULL_URI=uri).describe()


# ---- the metadata service ----

def metadata_calls(cloud, method):
    return [path for m, path, _, _ in cloud.requests if m == method]


def test_an_instances_role_is_found_with_a_token_alone(start_ec2, cloud):
    p = start_ec2(keys=NONE, AWS_REGION=None)
    p.describe()
    p.describe()
    assert kind(cloud) == "instance"
    assert metadata_calls(cloud, "PUT") == ["/latest/api/token"]
    assert len(metadata_calls(cloud, "GET")) == 3
    assert all("x-aws-ec2-metadata-token" in {k.lower() for k in h} for m, _, h, _ in cloud.requests if m == "GET")


def test_a_token_that_has_expired_is_asked_for_anew(start_ec2, cloud):
    cloud.role_lifetime = 2
    p = start_ec2(keys=NONE)
    p.describe()
    cloud.metadata_tokens = dict.fromkeys(cloud.metadata_tokens, 0)
    time.sleep(2.1)
    p.describe()
    assert len(metadata_calls(cloud, "PUT")) == 2


def test_a_token_beyond_the_hop_limit_is_no_reason_to_go_without(start_ec2, cloud):
    cloud.faults.silent_token = True
    p = start_ec2(keys=NONE)
    with pytest.raises(Refused, match="no token.*hop limit"):
        p.describe()
    assert not metadata_calls(cloud, "GET")


def test_the_metadata_service_can_be_left_alone(start_ec2, cloud):
    p = start_ec2(keys=NONE, AWS_EC2_METADATA_DISABLED="true")
    with pytest.raises(Refused, match="no credentials"):
        p.describe()
    assert not cloud.requests


def test_an_instance_without_a_role_has_no_credentials(start_ec2, cloud):
    cloud.role_name = None
    with pytest.raises(Refused, match="no role"):
        start_ec2(keys=NONE).describe()


@pytest.mark.parametrize("name", ["../../user-data", "a b", "", "x\r\nHost: y"])
def test_a_role_has_a_name(start_ec2, cloud, name):
    cloud.role_name = name or " "
    with pytest.raises(Refused, match="names no role|no role"):
        start_ec2(keys=NONE).describe()
    assert all("user-data" not in path for path in metadata_calls(cloud, "GET"))


# ---- expiry ----

def test_credentials_that_expire_are_replaced_before_the_service_refuses(start_ec2, cloud):
    cloud.role_lifetime = 2
    p = start_ec2(keys=NONE)
    p.describe()
    first = used(cloud)
    time.sleep(2.1)
    p.describe()
    assert used(cloud) != first


def test_credentials_that_are_refused_are_replaced_once(start_ec2, cloud):
    p = start_ec2(keys=NONE)
    p.describe()
    first = used(cloud)
    cloud.keys[first].expires = 1  # revoked early
    ident = p.provision(DOCUMENT, {"bulkhead.token": "t1"})
    assert used(cloud) != first and list(cloud.instances) == [ident]


def test_a_key_that_was_rotated_in_the_file_is_read_anew(start_ec2, cloud, files, tmp_path):
    p = start_ec2(keys=NONE, **files)
    p.describe()
    del cloud.keys["AKIDDEFAULT"]
    with pytest.raises(Refused, match="AuthFailure"):
        p.describe()
    cloud.keys["AKIDNEW"] = Key("new")
    write(tmp_path / "credentials", "[default]\naws_access_key_id = AKIDNEW\naws_secret_access_key = new\n")
    p.describe()
    assert used(cloud) == "AKIDNEW"


def test_a_service_that_is_down_does_not_take_credentials_that_last(start_ec2, cloud):
    cloud.role_lifetime = 100  # due from the beginning on
    p = start_ec2(keys=NONE)
    p.describe()
    cloud.role_name = None
    time.sleep(0.1)
    p.describe()
    assert kind(cloud) == "instance"


# ---- secrets ----

def test_secrets_are_in_no_error_and_no_log(start_ec2, cloud):
    p = start_ec2(keys={"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "wrong/secret", "AWS_SESSION_TOKEN": "session-token"})
    with pytest.raises(Refused, match="SignatureDoesNotMatch") as refused:
        p.provision({**DOCUMENT, "Tags": {"a": "1"}}, Init="the-password")
    p.stop()
    for secret in ("wrong/secret", "session-token", "the-password", "dGhlLXBhc3N3b3Jk"):
        assert secret not in str(refused.value) and secret not in p.said()


def test_a_bad_line_of_a_file_is_not_shown(start_ec2, tmp_path):
    path = write(tmp_path / "c", "[default]\naws_access_key_id = AKIDTEST\nwJalrXUtnFEMI\n")
    with pytest.raises(Refused, match="line 3") as refused:
        start_ec2(keys=NONE, AWS_SHARED_CREDENTIALS_FILE=path).describe()
    assert "wJalrXUtnFEMI" not in str(refused.value)


# ---- endpoints ----

@pytest.mark.parametrize("options, variables", [
    (["--endpoint", "URL"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}),
    ([], {"AWS_ENDPOINT_URL_EC2": "URL", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}),
    ([], {"AWS_ENDPOINT_URL": "URL/"}),
])
def test_the_endpoint_is_the_nearest_that_is_said(start_ec2, cloud, ec2_server, options, variables):
    def put(s):
        return s.replace("URL", ec2_server.url) if not s.startswith("--") else s
    p = start_ec2(*map(put, options), **{k: put(v) if v.startswith("URL") else v for k, v in variables.items()})
    p.describe()
    assert len(cloud.calls) == 1


@pytest.mark.parametrize("endpoint, why", [
    ("http://192.0.2.1", "hides nothing"),
    ("http://127.0.0.1.example.com", "hides nothing"),
    ("ftp://127.0.0.1", "not an endpoint"),
    ("https://a/b", "not an endpoint"),
    ("https://user:pw@a", "not an endpoint"),
])
def test_an_endpoint_that_cannot_be_trusted_is_refused_at_the_start(start_ec2, endpoint, why):
    with pytest.raises(AssertionError, match=why):
        start_ec2("--endpoint", endpoint)


def test_an_option_that_is_none_is_refused_at_the_start(start_ec2):
    for words in (["--regoin", "x"], ["--patience", "soon"], ["--region"], ["--plain-http=yes"]):
        with pytest.raises(AssertionError, match="aws.option"):
            start_ec2(*words)
