# SPDX-License-Identifier: LGPL-2.1-or-later
"""The EC2 plugin against the fixture: its life, its faults, its limits. The fixture checks each signature."""
import base64
import concurrent.futures
import json
import time
import urllib.parse

import pytest

from plugin import Refused

DOCUMENT = {"RunInstancesInput": {"ImageId": "ami-1", "InstanceType": "t3.micro", "SecurityGroupIds": ["sg-1"]}, "Tags": {"team": "a b"}}
GROUP = {"infrakit.group": "web"}


def tags(token, **more):
    return {**GROUP, "bulkhead.token": token, **more}


def actions(cloud):
    return [a for a, _ in cloud.calls]


# ---- life ----

def test_an_instance_is_provisioned_labelled_described_and_destroyed(ec2, cloud):
    ident = ec2.provision(DOCUMENT, tags("t1"), Init="#!/bin/sh\necho ü\n")
    assert ec2.describe(GROUP) == [{"ID": ident, "LogicalID": "10.0.0.1", "Tags": {"team": "a b", **tags("t1")}}]
    assert base64.b64decode(cloud.instances[ident]["parameters"]["UserData"]).decode() == "#!/bin/sh\necho ü\n"
    ec2.label(ident, {"infrakit.config.hash": "abc", "team": "c"})
    assert ec2.describe({**GROUP, "team": "c"})[0]["Tags"]["infrakit.config.hash"] == "abc"
    assert ec2.describe({"infrakit.group": "other"}) == []
    ec2.destroy(ident)
    assert ec2.describe() == [] and not cloud.running()


def test_the_tags_are_there_from_the_first_moment_on(ec2, cloud):
    ec2.provision(DOCUMENT, tags("t1"))
    assert actions(cloud) == ["RunInstances"]
    assert cloud.running()[0]["tags"] == {"team": "a b", **tags("t1")}


def test_an_address_is_the_identity_of_an_instance(ec2, cloud):
    ident = ec2.provision(DOCUMENT, tags("t1"), LogicalID="10.9.8.7")
    assert cloud.instances[ident]["address"] == "10.9.8.7"
    assert ec2.describe(GROUP)[0]["LogicalID"] == "10.9.8.7"
    other = ec2.provision(DOCUMENT, tags("t2"), LogicalID="manager-1")
    assert [i["LogicalID"] for i in ec2.describe(GROUP) if i["ID"] == other] == ["manager-1"]


def test_the_name_of_the_type_is_infrakits(ec2):
    assert ec2.call("Instance.DescribeInstances", Type="ec2-instance", Tags={}, Properties=False)["Descriptions"] == []


def test_volumes_are_attached_once_it_runs(ec2, cloud):
    cloud.boot = 0.3
    cloud.volumes = {"vol-0aaa": None, "vol-0bbb": None}
    document = {**DOCUMENT, "AttachedVolumeIDs": ["vol-0aaa"]}
    ident = ec2.provision(document, tags("t1"), Attachments=[{"ID": "vol-0bbb", "Type": "ebs"}])
    assert cloud.volumes == {"vol-0aaa": ident, "vol-0bbb": ident}
    assert ec2.provision(document, tags("t1"), Attachments=[{"ID": "vol-0bbb", "Type": "ebs"}]) == ident


def test_an_instance_whose_volume_is_not_there_is_ended(ec2, cloud):
    with pytest.raises(Refused, match="InvalidVolume.NotFound"):
        ec2.provision({**DOCUMENT, "AttachedVolumeIDs": ["vol-0ccc"]}, tags("t1"))
    assert not cloud.running()


# ---- one token, one instance ----

def test_the_same_token_twice_gives_one_instance(ec2, cloud):
    assert ec2.provision(DOCUMENT, tags("t1")) == ec2.provision(DOCUMENT, tags("t1"))
    assert len(cloud.instances) == 1
    assert ec2.provision(DOCUMENT, tags("t2")) != ec2.provision(DOCUMENT, {}) != ec2.provision(DOCUMENT, {})


def test_a_token_stands_for_its_instance_after_the_document_has_changed(ec2, cloud):
    ident = ec2.provision(DOCUMENT, tags("t1"))
    assert ec2.provision({"RunInstancesInput": {"ImageId": "ami-2"}}, tags("t1")) == ident
    assert len(cloud.instances) == 1


def test_the_token_of_an_instance_that_has_ended_makes_no_other(ec2, cloud):
    ident = ec2.provision(DOCUMENT, tags("t1"))
    ec2.destroy(ident)
    assert ec2.provision(DOCUMENT, tags("t1")) == ident
    assert len(cloud.instances) == 1 and ec2.describe(GROUP) == []


@pytest.mark.parametrize("token", ["t1", None])
def test_a_reply_that_is_lost_makes_no_second_instance(ec2, cloud, token):
    cloud.faults.drop = {"RunInstances": 2}
    ident = ec2.provision(DOCUMENT, tags(token) if token else {})
    assert list(cloud.instances) == [ident] and len(cloud.calls) == 3


def test_a_plugin_that_dies_at_any_moment_leaves_one_instance(start_ec2, cloud):
    cloud.faults.drop = {"RunInstances": 10**6}
    for _ in range(3):
        p = start_ec2()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            call = pool.submit(p.provision, DOCUMENT, tags("t1"))
            before = len(cloud.calls)
            while len(cloud.calls) == before:
                time.sleep(0.01)
            p.stop(kill=True)
            with pytest.raises(Exception):
                call.result()
    cloud.faults.drop = {}
    p = start_ec2()
    assert [i["ID"] for i in p.describe(GROUP)] == [p.provision(DOCUMENT, tags("t1"))]
    assert len(cloud.instances) == 1


def test_other_calls_may_be_made_twice_as_well(ec2, cloud):
    ident = ec2.provision(DOCUMENT, tags("t1"))
    cloud.faults.drop = {"CreateTags": 1, "DescribeInstances": 1, "TerminateInstances": 1}
    ec2.label(ident, {"a": "1"})
    assert ec2.describe({"a": "1"})[0]["ID"] == ident
    ec2.destroy(ident)
    assert not cloud.running()


# ---- faults ----

@pytest.mark.parametrize("fault, count", [("throttle", 4), ("broken", 3), ("broken_html", 3)])
def test_a_service_that_has_enough_to_do_is_asked_again_later(ec2, cloud, fault, count):
    setattr(cloud.faults, fault, count)
    ident = ec2.provision(DOCUMENT, tags("t1"))
    assert [i["id"] for i in cloud.running()] == [ident]
    assert getattr(cloud.faults, fault) == 0


def test_patience_ends(start_ec2, cloud):
    p = start_ec2("--patience", "2")
    cloud.faults.throttle = 10**6
    began = time.monotonic()
    with pytest.raises(Refused, match="RequestLimitExceeded"):
        p.describe()
    assert time.monotonic() - began < 60
    assert 2 <= len(cloud.calls) < 100


def test_refusals_are_not_tried_again(ec2, cloud):
    cloud.faults.no_capacity = 1
    with pytest.raises(Refused, match="InsufficientInstanceCapacity"):
        ec2.provision(DOCUMENT, tags("t1"))
    assert actions(cloud) == ["RunInstances"]
    with pytest.raises(Refused, match="i-0123456789abcdef0"):
        ec2.destroy("i-0123456789abcdef0")
    with pytest.raises(Refused, match="not the id of an instance"):
        ec2.destroy("../x")


def test_a_reply_that_is_no_reply_is_an_error(ec2, cloud):
    cloud.faults.garbage = 1
    with pytest.raises(Refused, match="not the XML"):
        ec2.describe()


def test_an_instance_that_ec2_does_not_know_yet_is_known_to_us(ec2, cloud):
    cloud.faults.lag = 1000
    ident = ec2.provision(DOCUMENT, tags("t1"))
    assert [i["ID"] for i in ec2.describe(GROUP, properties=True)] == [ident]
    assert ec2.describe({"infrakit.group": "other"}) == []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        call = pool.submit(ec2.label, ident, {"a": "1"})
        while not call.done() and "CreateTags" not in actions(cloud):
            time.sleep(0.01)
        assert "a" not in cloud.instances[ident]["tags"]
        cloud.instances[ident]["visible"] = 0
        call.result()
    assert cloud.instances[ident]["tags"]["a"] == "1"


def test_an_instance_that_was_ended_by_others_is_not_kept(ec2, cloud):
    ident = ec2.provision(DOCUMENT, tags("t1"))
    cloud.instances[ident]["ended"] = time.monotonic()
    assert ec2.describe(GROUP) == []


def test_an_instance_that_was_destroyed_is_listed_no_more(ec2, cloud):
    cloud.faults.stale = 30
    ident = ec2.provision(DOCUMENT, tags("t1"))
    ec2.destroy(ident)
    assert ec2.describe(GROUP) == []


def test_an_instance_that_is_gone_is_not_there(ec2, cloud):
    cloud.ending = 1000
    ident = ec2.provision(DOCUMENT, tags("t1"))
    ec2.destroy(ident)
    ec2.destroy(ident)  # it is still shutting down
    cloud.ending = 0
    with pytest.raises(Refused, match="was terminated before"):
        ec2.destroy(ident)


def test_a_proxy_hears_nothing_that_is_not_hidden(start_ec2, cloud):
    start_ec2(http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1").describe()
    assert actions(cloud) == ["DescribeInstances"]


def test_a_protected_instance_stays(ec2, cloud):
    ident = ec2.provision({"RunInstancesInput": {"ImageId": "ami-1", "DisableApiTermination": True}}, tags("t1"))
    with pytest.raises(Refused, match="OperationNotPermitted"):
        ec2.destroy(ident)
    assert [i["ID"] for i in ec2.describe(GROUP)] == [ident]


# ---- lists ----

def test_2500_instances_are_listed_page_by_page(ec2, cloud):
    for n in range(2500):
        cloud.new_instance({}, {"infrakit.group": "web" if n % 5 else "other", "n": str(n)})
    found = ec2.describe(GROUP)
    assert {i["Tags"]["n"] for i in found} == {str(n) for n in range(2500) if n % 5} and len(found) == 2000
    assert actions(cloud) == ["DescribeInstances"] * 2
    assert len(ec2.describe()) == 2500 and len(cloud.calls) == 5
    cloud.faults.page = 7
    assert len(ec2.describe(GROUP)) == 2000


def test_a_tag_is_meant_as_it_is_written(ec2, cloud):
    values = ["a*", "a?", "ab", "a\\*", "a\\", "", "ü<&>\"'", " a  b "]
    idents = {v: ec2.provision(DOCUMENT, {"k": v, "bulkhead.token": f"t{n}"}) for n, v in enumerate(values)}
    for v in values:
        assert [i["ID"] for i in ec2.describe({"k": v})] == [idents[v]]


def test_many_calls_at_once(ec2, cloud):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        idents = list(pool.map(lambda n: ec2.provision(DOCUMENT, tags(f"t{n % 20}")), range(40)))
    assert len(set(idents)) == len(cloud.instances) == 20
    assert {i["ID"] for i in ec2.describe(GROUP)} == set(idents)


# ---- what is refused before EC2 is asked ----

@pytest.mark.parametrize("document, why", [
    ({}, "RunInstancesInput"),
    ({"RunInstancesInput": {"ClientToken": "x"}}, "ClientToken"),
    ({"RunInstancesInput": {"MaxCount": 3}}, "must be 1"),
    ({"RunInstancesInput": {"SecurityGroupIds": "sg-1"}}, "must be a list"),
    ({"RunInstancesInput": {}, "Tags": {"aws:x": "1"}}, "aws:"),
])
def test_validation_names_what_is_wrong(ec2, cloud, document, why):
    with pytest.raises(Refused, match=why):
        ec2.validate(document)
    with pytest.raises(Refused, match=why):
        ec2.provision(document)
    assert not cloud.calls


def test_what_may_be_said_validates(ec2, cloud):
    assert ec2.validate(DOCUMENT)["OK"] is True
    assert not cloud.calls


# ---- against botocore ----

botocore = pytest.importorskip("botocore.session")


def test_our_signature_is_botocores(ec2, cloud):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    ec2.provision(DOCUMENT, tags("t1"), Init="ü")
    method, path, headers, body = cloud.requests[-1]
    request = AWSRequest(method, f"http://{headers['Host']}{path}", {"Content-Type": headers["Content-Type"], "X-Amz-Date": headers["X-Amz-Date"]}, body)
    signer = SigV4Auth(Credentials("AKIDTEST", "secret/of+test"), "ec2", "us-test-1")
    request.context["timestamp"] = headers["X-Amz-Date"]
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert headers["Authorization"].endswith("Signature=" + signer.signature(to_sign, request))


def every_member(shape, name="", depth=0):
    """A value with all that a shape may hold; two elements to each list."""
    if shape.type_name == "structure":
        return {k: every_member(m, k, depth + 1) for k, m in shape.members.items()}
    if shape.type_name == "list":
        return [every_member(shape.member, name, depth + 1) for _ in range(2)]
    return {"boolean": True, "integer": 7, "long": 8}.get(shape.type_name, f"{name} {depth} *ü&=")


def test_every_parameter_of_the_api_is_carried_over_as_botocore_does(ec2, cloud):
    from botocore.serialize import create_serializer

    model = botocore.get_session().get_service_model("ec2")
    operation = model.operation_model("RunInstances")
    document = every_member(operation.input_shape)
    for ours in ("ClientToken", "DryRun", "MinCount", "MaxCount", "UserData", "PrivateIpAddress"):
        document.pop(ours, None)
    document["InstanceMarketOptions"]["SpotOptions"]["ValidUntil"] = "2026-12-01T00:00:00Z"
    for t in document["TagSpecifications"]:
        t["ResourceType"] = "volume"
    expected = create_serializer("ec2", False).serialize_to_request(document, operation)["body"]
    ec2.provision({"RunInstancesInput": document}, {"bulkhead.token": "t1"})
    sent = dict(urllib.parse.parse_qsl(cloud.requests[-1][3].decode(), keep_blank_values=True))
    own = {k: sent.pop(k) for k in list(sent) if k in ("ClientToken", "MinCount", "MaxCount") or k.startswith("TagSpecification.3.")}
    assert sent == {k: str(v) for k, v in expected.items()}
    assert own["TagSpecification.3.ResourceType"] == "instance" and own["MaxCount"] == "1"


def test_what_can_change_is_described_where_documents_have_it(ec2, cloud):
    document = {"RunInstancesInput": {"ImageId": "resolve:ssm:/image", "InstanceType": "t3.micro", "SubnetId": "subnet-1", "SecurityGroupIds": ["sg-1", "sg-2"]}}
    ec2.provision(document, tags("t1"))

    def described():
        return ec2.describe(GROUP, properties=True)[0]["Properties"]["RunInstancesInput"]

    assert described() == {"InstanceType": "t3.micro", "SubnetId": "subnet-1", "EbsOptimized": "false", "SecurityGroupIds": ["sg-1", "sg-2"],
                           "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": "1"}}
    cloud.running()[0]["parameters"].update({"InstanceType": "m5.large", "MetadataOptions.HttpTokens": "optional"})
    assert described()["InstanceType"] == "m5.large" and described()["MetadataOptions"]["HttpTokens"] == "optional"



def test_properties_are_what_botocore_reads(ec2, cloud):
    from botocore.parsers import create_parser

    ec2.provision(DOCUMENT, tags("t1"))
    described = ec2.describe(GROUP, properties=True)[0]["Properties"]
    body = "<DescribeInstancesResponse><requestId>1</requestId>" + __import__("ec2_fixture").xml(
        "reservationSet", [cloud.reservation(cloud.running()[0])]) + "</DescribeInstancesResponse>"
    shape = botocore.get_session().get_service_model("ec2").operation_model("DescribeInstances").output_shape
    parsed = create_parser("ec2").parse({"body": body.encode(), "headers": {}, "status_code": 200}, shape)
    expected = parsed["Reservations"][0]["Instances"][0]
    expected["LaunchTime"] = "2026-11-29T12:00:00.000Z"
    described.pop("RunInstancesInput")  # ours: what the document has
    assert described == json.loads(json.dumps(expected, default=str))
