#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
EC2's Query API as far as instances go, on a loopback address, with faults at will; and beside it STS, the metadata service of an
instance (version 2) and the credentials' endpoint of a container.  It checks Signature Version 4 itself.  tests/cloud/test_ec2_fixture.py
proves it with AWS's own client.

As a program:  ec2_fixture.py [PORT]   prints its address, and serves until it is ended.
"""
import datetime
import hashlib
import hmac
import http.server
import json
import re
import secrets
import ssl
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

REGION = "us-test-1"
NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}
INSTANCE_ID = re.compile(r"^i-[0-9a-f]{8,17}$")


class Refusal(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


class Dropped(Exception):
    """The call has had its effect, and nobody is told."""


def xml(name, value):
    """Elements of dicts, lists (as <item>), booleans and text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        inner = "".join(xml(k, v) for k, v in value.items())
    elif isinstance(value, list):
        inner = "".join(xml("item", v) for v in value)
    elif isinstance(value, bool):
        inner = "true" if value else "false"
    else:
        inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"


def sign(secret, date, region, service, text):
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def wildcard(pattern):
    """EC2's filters: * and ? stand for others, \\ takes that from them."""
    out, chars = "", iter(pattern)
    for c in chars:
        if c == "\\":
            out += re.escape(next(chars, "\\"))
        else:
            out += {"*": ".*", "?": "."}.get(c, re.escape(c))
    return re.compile(out, re.S)


class Key:
    def __init__(self, secret, token=None, expires=None):
        self.secret, self.token, self.expires = secret, token, expires


class Faults:
    """Each counts the calls that it still befalls."""

    def __init__(self):
        self.throttle = 0          # RequestLimitExceeded before anything is done
        self.broken = 0            # status 500
        self.broken_html = 0       # status 503 and no XML, as a balancer answers
        self.drop = {}             # by action: acts, then closes the connection
        self.garbage = 0           # status 200 and no XML
        self.no_capacity = 0       # RunInstances: InsufficientInstanceCapacity
        self.lag = 0.0             # seconds until a new instance is known to calls other than its own
        self.stale = 0.0           # seconds that a terminated instance is still shown as running
        self.silent_token = False  # the metadata service's token does not come through (hop limit)
        self.page = 1000           # the most that a page has


class Ec2:
    def __init__(self):
        self.lock = threading.RLock()
        self.faults = Faults()
        self.keys = {"AKIDTEST": Key("secret/of+test")}
        self.instances, self.tokens, self.pages = {}, {}, {}
        self.volumes = {}            # id: instance or None
        self.calls = []              # [(action, parameters)]
        self.requests = []           # [(method, path, headers, body)]
        self.boot = 0.0              # seconds from pending to running
        self.ending = 0.2            # seconds from the end to terminated
        self.next_address = 0
        self.role_lifetime = 3600    # of sessions
        self.identities = {"identity-token": "arn:aws:iam::1:role/pod"}
        self.metadata_token_lifetime = 21600
        self.metadata_tokens = {}
        self.role_name = "node-role"
        self.container_authorization = "Basic container"

    # ---- instances ----

    def new_instance(self, parameters, tags, token=None):
        now = time.monotonic()
        address = parameters.get("PrivateIpAddress") or parameters.get("NetworkInterface.1.PrivateIpAddress")
        if not address:
            self.next_address += 1
            address = f"10.{self.next_address >> 16}.{self.next_address >> 8 & 255}.{self.next_address & 255}"
        if any(i["address"] == address and i["ended"] is None for i in self.instances.values()):
            raise Refusal("InvalidIPAddress.InUse", f"Address {address} is in use.")
        i = {"id": "i-" + secrets.token_hex(8)[:17], "tags": dict(tags), "token": token, "address": address, "made": now,
             "ended": None, "visible": now + self.faults.lag, "parameters": parameters, "reservation": "r-" + secrets.token_hex(8),
             "volumes": {"/dev/xvda": "vol-" + secrets.token_hex(8)}}
        self.instances[i["id"]] = i
        return i

    def state_of(self, i):
        now = time.monotonic()
        if i["ended"] is not None:
            if now < i["ended"] + self.faults.stale:
                return "running"
            return "shutting-down" if now < i["ended"] + self.ending else "terminated"
        return "pending" if now < i["made"] + self.boot else "running"

    def running(self):
        return [i for i in self.instances.values() if i["ended"] is None]

    def find(self, ident):
        if not INSTANCE_ID.match(ident):
            raise Refusal("InvalidInstanceID.Malformed", f'Invalid id: "{ident}"')
        i = self.instances.get(ident)
        if not i or time.monotonic() < i["visible"]:
            raise Refusal("InvalidInstanceID.NotFound", f"The instance ID '{ident}' does not exist")
        return i

    def item(self, i):
        state = self.state_of(i)
        p = i["parameters"]
        groups = [{"groupId": v, "groupName": "of " + v} for v in listed(p, "SecurityGroupId")]
        return {
            "instanceId": i["id"], "imageId": p.get("ImageId", "ami-0"), "instanceState": {"code": STATES[state], "name": state},
            "privateDnsName": "ip-" + i["address"].replace(".", "-"), "dnsName": "", "reason": "", "amiLaunchIndex": 0,
            "productCodes": [], "instanceType": p.get("InstanceType", "m1.small"), "launchTime": "2026-11-29T12:00:00.000Z",
            "placement": {"availabilityZone": REGION + "a", "groupName": "", "tenancy": "default"},
            "monitoring": {"state": "disabled"}, "subnetId": p.get("SubnetId", "subnet-1"), "vpcId": "vpc-1",
            "privateIpAddress": i["address"], "sourceDestCheck": True, "groupSet": groups, "architecture": "x86_64",
            "rootDeviceType": "ebs", "rootDeviceName": "/dev/xvda",
            "blockDeviceMapping": [{"deviceName": d, "ebs": {"volumeId": v, "status": "attached", "deleteOnTermination": d == "/dev/xvda"}}
                                   for d, v in i["volumes"].items()],
            "virtualizationType": "hvm", "clientToken": i["token"] or "",
            "tagSet": [{"key": k, "value": v} for k, v in i["tags"].items()], "hypervisor": "xen",
            "networkInterfaceSet": [{"networkInterfaceId": "eni-1", "status": "in-use", "privateIpAddress": i["address"], "groupSet": groups,
                                     "attachment": {"attachmentId": "eni-attach-1", "deviceIndex": 0, "deleteOnTermination": True},
                                     "privateIpAddressesSet": [{"privateIpAddress": i["address"], "primary": True}],
                                     "ipv6AddressesSet": [], "sourceDestCheck": True}],
            "ebsOptimized": False, "enaSupport": True, "cpuOptions": {"coreCount": 1, "threadsPerCore": 2},
            "metadataOptions": {"state": "applied", "httpTokens": p.get("MetadataOptions.HttpTokens", "optional"),
                                "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
            "enclaveOptions": {"enabled": False}, "hibernationOptions": {"configured": False},
        }

    def reservation(self, i):
        return {"reservationId": i["reservation"], "ownerId": "1", "groupSet": [], "instancesSet": [self.item(i)]}

    # ---- actions ----

    def run_instances(self, p):
        if p.get("MinCount") != "1" or p.get("MaxCount") != "1":
            raise Refusal("InvalidParameterValue", "this fixture makes one at a time")
        token = p.get("ClientToken")
        if token is not None and (len(token) > 64 or not token.isascii()):
            raise Refusal("InvalidParameterValue", "ClientToken is too long")
        parameters = {k: v for k, v in p.items() if k not in ("Action", "Version")}
        if token in self.tokens:
            i, before = self.tokens[token]
            if before != parameters:
                raise Refusal("IdempotentParameterMismatch", "The request uses the same client token as a previous, but non-identical request.")
            if i["ended"] is not None:
                raise Refusal("IdempotentInstanceTerminated", "The instance of this client token has been terminated.")
            return self.reservation(i)
        if p.get("DryRun") == "true":
            raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        if self.faults.no_capacity:
            self.faults.no_capacity -= 1
            raise Refusal("InsufficientInstanceCapacity", "We currently do not have sufficient capacity.", 500)
        tags, n = {}, 1
        while (kind := p.get(f"TagSpecification.{n}.ResourceType")) is not None:
            if kind == "instance":
                tags = self.tags_of(p, f"TagSpecification.{n}.")
            n += 1
        i = self.new_instance(parameters, tags, token)
        if token is not None:
            self.tokens[token] = (i, parameters)
        return self.reservation(i)

    @staticmethod
    def tags_of(p, prefix):
        tags, n = {}, 1
        while (key := p.get(f"{prefix}Tag.{n}.Key")) is not None:
            if len(key) > 127 or len(p.get(f"{prefix}Tag.{n}.Value", "")) > 255 or key.startswith("aws:"):
                raise Refusal("InvalidParameterValue", "Tag is not valid")
            tags[key] = p.get(f"{prefix}Tag.{n}.Value", "")
            n += 1
        if len(tags) > 50:
            raise Refusal("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
        return tags

    def matches(self, i, name, values):
        if name == "instance-state-name":
            text = self.state_of(i)
        elif name == "client-token":
            text = i["token"] or ""
        elif name == "instance-id":
            text = i["id"]
        elif name.startswith("tag:"):
            text = i["tags"].get(name[4:])
        else:
            raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
        return text is not None and any(v.fullmatch(text) for v in values)

    def describe_instances(self, p):
        ids = listed(p, "InstanceId")
        if ids and "MaxResults" in p:
            raise Refusal("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
        if "NextToken" in p:
            if p["NextToken"] not in self.pages:
                raise Refusal("InvalidNextToken", "The token is not valid")
            found = self.pages.pop(p["NextToken"])
        else:
            now = time.monotonic()
            found = [self.find(i) for i in ids] or [i for i in self.instances.values() if now >= i["visible"]]
            n = 1
            while (name := p.get(f"Filter.{n}.Name")) is not None:
                values = [wildcard(v) for v in listed(p, f"Filter.{n}.Value")]
                found = [i for i in found if self.matches(i, name, values)]
                n += 1
        size = int(p.get("MaxResults", len(found) or 5))
        if "MaxResults" in p and not 5 <= size <= 1000:
            raise Refusal("InvalidParameterValue", "MaxResults must be between 5 and 1000")
        if "MaxResults" in p or "NextToken" in p:
            size = min(size, self.faults.page)
        page, rest = found[:size], found[size:]
        answer = {"reservationSet": [self.reservation(i) for i in page]}
        if rest:
            answer["nextToken"] = secrets.token_urlsafe(24)
            self.pages[answer["nextToken"]] = rest
        return answer

    def create_tags(self, p):
        tags = self.tags_of(p, "")
        instances = [self.find(i) for i in listed(p, "ResourceId")]
        for i in instances:
            if len(i["tags"] | tags) > 50:
                raise Refusal("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
        for i in instances:
            i["tags"].update(tags)
        return {"return": True}

    def terminate_instances(self, p):
        instances = [self.find(i) for i in listed(p, "InstanceId")]
        changes = []
        for i in instances:
            before = self.state_of(i)
            if i["parameters"].get("DisableApiTermination") == "true":
                raise Refusal("OperationNotPermitted", f"The instance '{i['id']}' may not be terminated. Modify its "
                              "'disableApiTermination' instance attribute and try again.")
            if i["ended"] is None:
                i["ended"] = time.monotonic()
                for v in i["volumes"].values():
                    self.volumes[v] = None
            after = "terminated" if before == "terminated" else "shutting-down"
            changes.append({"instanceId": i["id"], "currentState": {"code": STATES[after], "name": after},
                            "previousState": {"code": STATES[before], "name": before}})
        return {"instancesSet": changes}

    def attach_volume(self, p):
        i, volume, device = self.find(p["InstanceId"]), p["VolumeId"], p["Device"]
        if volume not in self.volumes:
            raise Refusal("InvalidVolume.NotFound", f"The volume '{volume}' does not exist.")
        if self.volumes[volume]:
            raise Refusal("VolumeInUse", f"{volume} is already attached to an instance")
        if self.state_of(i) != "running":
            raise Refusal("IncorrectState", f"Instance '{i['id']}' is not 'running'.")
        if device in i["volumes"]:
            raise Refusal("InvalidParameterValue", f"Attachment point {device} is already in use")
        i["volumes"][device] = volume
        self.volumes[volume] = i["id"]
        return {"volumeId": volume, "instanceId": i["id"], "device": device, "status": "attaching"}

    # ---- STS ----

    def session(self, kind):
        name, expires = "ASIA" + secrets.token_hex(8).upper(), time.time() + self.role_lifetime
        self.keys[name] = Key(secrets.token_hex(20), f"{kind}/{secrets.token_urlsafe(40)}==", expires)
        return name, self.keys[name]

    def session_xml(self, kind):
        name, key = self.session(kind)
        return {"AccessKeyId": name, "SecretAccessKey": key.secret, "SessionToken": key.token, "Expiration": iso(key.expires)}

    def assume_role(self, p):
        return {"AssumeRoleResult": {"Credentials": self.session_xml("role"), "AssumedRoleUser": {"Arn": p["RoleArn"], "AssumedRoleId": "x"}}}

    def assume_role_with_web_identity(self, p):
        if self.identities.get(p.get("WebIdentityToken")) != p.get("RoleArn"):
            raise Refusal("InvalidIdentityToken", "The token " + p.get("WebIdentityToken", "") + " is not valid")
        return {"AssumeRoleWithWebIdentityResult": {"Credentials": self.session_xml("web")}}

    ACTIONS = {"RunInstances": run_instances, "DescribeInstances": describe_instances, "CreateTags": create_tags,
               "TerminateInstances": terminate_instances, "AttachVolume": attach_volume,
               "AssumeRole": assume_role, "AssumeRoleWithWebIdentity": assume_role_with_web_identity}
    UNSIGNED = {"AssumeRoleWithWebIdentity"}
    STS = {"AssumeRole", "AssumeRoleWithWebIdentity"}

    # ---- signatures ----

    def check_signature(self, request, body, service):
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
                         request.headers.get("Authorization", ""))
        if not m:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        name, date, region, scope, signed, signature = m.groups()
        key = self.keys.get(name)
        if not key:
            raise Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        stamp = request.headers.get("X-Amz-Date", "")
        signed_headers = signed.split(";")
        if "host" not in signed_headers or "x-amz-date" not in signed_headers or not stamp.startswith(date):
            raise Refusal("IncompleteSignature", "The request signature does not conform: " + request.headers["Authorization"])
        if key.token is not None and ("x-amz-security-token" not in signed_headers or request.headers.get("X-Amz-Security-Token") != key.token):
            raise Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(at - time.time()) > 900 or (key.expires and time.time() >= key.expires):
            raise Refusal("RequestExpired", "Request has expired.")
        headers = "".join(f"{h}:{' '.join((request.headers.get(h) or '').split())}\n" for h in signed_headers)
        canonical = "\n".join([request.command, "/", "", headers, signed, hashlib.sha256(body).hexdigest()])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{date}/{region}/{scope}/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        right = sign(key.secret, date, region, scope, to_sign)
        if region != REGION or scope != service or signed_headers != sorted(signed_headers) or not hmac.compare_digest(right, signature):
            raise Refusal("SignatureDoesNotMatch", "The Canonical String for this request should have been\n" + canonical, 403)

    # ---- calls ----

    def perform(self, request, body):
        pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
        p = dict(pairs)
        action = p.get("Action")
        if len(p) != len(pairs) or action not in self.ACTIONS:
            raise Refusal("InvalidAction", f"The action {action} is not valid for this web service.")
        sts = action in self.STS
        self.calls.append((action, p))
        if action not in self.UNSIGNED:
            self.check_signature(request, body, "sts" if sts else "ec2")
        if self.faults.throttle:
            self.faults.throttle -= 1
            raise Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
        if self.faults.broken:
            self.faults.broken -= 1
            raise Refusal("InternalError", "An internal error has occurred", 500)
        answer = self.ACTIONS[action](self, p)
        if self.faults.drop.get(action):
            self.faults.drop[action] -= 1
            raise Dropped
        namespace = "https://sts.amazonaws.com/doc/2011-06-15/" if sts else NAMESPACE
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{namespace}"><requestId>{secrets.token_hex(8)}</requestId>'
                + "".join(xml(k, v) for k, v in answer.items()) + f"</{action}Response>")

    # ---- the metadata service, and that of containers ----

    def metadata(self, request):
        path = request.path
        if request.command == "PUT" and path == "/latest/api/token":
            ttl = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            if not ttl.isdigit() or not 1 <= int(ttl) <= 21600 or request.headers.get("X-Forwarded-For"):
                return 400, ""
            token = secrets.token_urlsafe(32) + "=="
            self.metadata_tokens[token] = time.time() + min(int(ttl), self.metadata_token_lifetime)
            return 200, token
        if self.metadata_tokens.get(request.headers.get("X-aws-ec2-metadata-token", ""), 0) <= time.time():
            return 401, ""
        roles = "/latest/meta-data/iam/security-credentials/"
        if path == "/latest/meta-data/placement/region":
            return 200, REGION
        if path == roles and self.role_name:
            return 200, self.role_name
        if path == roles + str(self.role_name):
            return 200, self.session_json("instance")
        return 404, ""

    def session_json(self, kind):
        name, key = self.session(kind)
        return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": name, "SecretAccessKey": key.secret, "Token": key.token,
                           "Expiration": iso(key.expires)})

    def container(self, request):
        if request.headers.get("Authorization") != self.container_authorization:
            return 403, ""
        return 200, self.session_json("container")


def iso(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def listed(p, name):
    found, n = [], 1
    while (v := p.get(f"{name}.{n}")) is not None:
        found.append(v)
        n += 1
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AmazonEC2"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="text/xml;charset=UTF-8"):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        ec2 = self.server.ec2
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            with ec2.lock:
                ec2.requests.append((self.command, self.path, dict(self.headers), body))
                if ec2.faults.broken_html:
                    ec2.faults.broken_html -= 1
                    return self.answer(503, "<html><body>No server is available", "text/html")
                if ec2.faults.garbage:
                    ec2.faults.garbage -= 1
                    return self.answer(200, "<RunInstancesResponse>")
                self.answer(200, ec2.perform(self, body))
        except Refusal as r:
            sts = b"Action=Assume" in body
            error = xml("Error", {"Code": r.code, "Message": r.message})
            outer = f"<ErrorResponse>{error}</ErrorResponse>" if sts else f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>"
            self.answer(r.status, '<?xml version="1.0" encoding="UTF-8"?>\n' + outer)
        except Dropped:
            self.close_connection = True

    def do_GET(self):
        ec2 = self.server.ec2
        with ec2.lock:
            ec2.requests.append((self.command, self.path, dict(self.headers), b""))
            silent = ec2.faults.silent_token and self.command == "PUT"
            status, body = ec2.container(self) if self.path.startswith("/container") else ec2.metadata(self)
        if silent:  # the answer's hop limit is used up on its way
            time.sleep(1.5)
            self.close_connection = True
            return
        self.answer(status, body, "text/plain")

    do_PUT = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Fixture:
    """A fixture that serves on threads of its own, as a context; with TLS when it is given a certificate (a file with its key)."""

    def __init__(self, port=0, certificate=None):
        self.ec2 = Ec2()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.ec2 = self.ec2
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


if __name__ == "__main__":
    fixture = Fixture(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(fixture.url, flush=True)
    try:
        fixture.server.serve_forever()
    except KeyboardInterrupt:
        pass
