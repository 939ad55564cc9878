# SPDX-License-Identifier: LGPL-2.1-or-later
"""Azure on loopback: the login, the instance metadata service, and of the resource manager what machines need. In memory, one
subscription, one resource group. Faults are switched on by tests. tests/cloud/test_azure_client.py shows that the vendor's own
client takes it for Azure."""
import base64
import collections
import http.server
import json
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-aaaaaaaaaaaa"
SECRET = "s3cret~of+the/client"
ASSERTION = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3b3JrbG9hZCJ9.c2lnbmF0dXJl"
SUBSCRIPTION = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
GROUP = "fleet"
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/virtualNetworks/net/subnets/default"

Request = collections.namedtuple("Request", "method path query headers body at")
Reply = collections.namedtuple("Reply", "status body headers", defaults=(None, {}))


class Fault(Exception):
    """An error in the resource manager's form."""

    def __init__(self, status, code, message, **headers):
        super().__init__(code)
        self.reply = Reply(status, {"error": {"code": code, "message": message}}, headers)


class Rule:
    """What goes wrong with requests whose "METHOD path" the pattern finds, so many times."""

    def __init__(self, pattern, times, act):
        self.pattern, self.times, self.act, self.hits = re.compile(pattern), times, act, 0


DROP_BEFORE, DROP_AFTER = "drop before", "drop after"


class Azure:
    def __init__(self):
        self.lock = threading.RLock()
        self.machines, self.interfaces, self.operations = {}, {}, {}
        self.due = []           # (time, what then happens)
        self.log = []           # every request
        self.secrets_seen = {}  # what was sent for a machine and is never given back
        self.tokens, self.logins = {}, []
        self.rules = []
        # Switches.
        self.token_seconds = 3600
        self.operation_seconds = 0.05
        self.retry_after = "0"
        self.page_size = 50
        self.fail_next_machine = None    # a code: its operation ends with it
        self.lose_operation_headers = False  # neither Azure-AsyncOperation nor Location
        self.leave_interfaces = False    # deleteOption is ignored
        self.reserve_seconds = 0         # an interface of a machine that failed cannot go for so long
        self.ignore_if_none_match = False
        self.repeat_secrets = False      # errors repeat what was sent
        self.elsewhere = None            # addresses of operations lead there
        self.base = ""

    # ---- faults ----

    def throttle(self, pattern, times, retry_after="0", status=429):
        headers = {"Retry-After": retry_after} if retry_after is not None else {}
        return self.rule(pattern, times, Reply(status, {"error": {"code": "TooManyRequests", "message": "slow down"}}, headers))

    def rule(self, pattern, times, act):
        self.rules.append(Rule(pattern, times, act))
        return self.rules[-1]

    def find_rule(self, line):
        for rule in self.rules:
            if rule.times > 0 and rule.pattern.search(line):
                rule.times -= 1
                rule.hits += 1
                return rule.act
        return None

    def count(self, pattern):
        with self.lock:
            return len(self.find(pattern))

    def settle(self):
        """Whether nothing is under way any more."""
        with self.lock:
            self.tick()
            return not self.due

    def find(self, pattern):
        """The requests whose "METHOD path" the pattern finds."""
        return [q for q in self.log if re.search(pattern, f"{q.method} {q.path}")]

    # ---- time ----

    def after(self, seconds, what):
        self.due.append((time.monotonic() + seconds, what))

    def hurry(self):
        """What is under way is done now."""
        with self.lock:
            self.due = [(0, what) for _, what in self.due]
            self.tick()

    def tick(self):
        now = time.monotonic()
        ready = [d for d in self.due if d[0] <= now]
        self.due = [d for d in self.due if d[0] > now]
        for _, what in sorted(ready, key=lambda d: d[0]):
            what()

    # ---- requests ----

    def answer(self, method, target, headers, body):
        """One request: a Reply, or one of the DROPs."""
        url = urllib.parse.urlsplit(target)
        path, query = url.path, dict(urllib.parse.parse_qsl(url.query))
        with self.lock:
            self.tick()
            self.log.append(Request(method, path, query, dict(headers.items()), body, time.monotonic()))
            act = self.find_rule(f"{method} {path}")
            if act == DROP_BEFORE or isinstance(act, Reply):
                return act
            try:
                reply = self.route(method, path, query, headers, body)
            except Fault as f:
                reply = f.reply
            return DROP_AFTER if act == DROP_AFTER else reply

    def route(self, method, path, query, headers, body):
        if path == "/metadata/endpoints":
            return self.endpoints()
        if path.startswith("/metadata/"):
            return self.metadata(query, headers)
        if re.fullmatch(r"/[^/]+/oauth2/(v2\.0/)?token", path) and method == "POST":
            return self.login(path, body)
        if path.endswith("/.well-known/openid-configuration"):
            return self.discovery(path)
        self.check_token(headers)
        if "api-version" not in query:
            raise Fault(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
        for pattern, handle in self.ROUTES:
            found = re.fullmatch(pattern, path, re.I)
            if found:
                return handle(self, method, query, headers, body, *found.groups())
        raise Fault(404, "InvalidResourceType", f"nothing is served at {path}")

    # ---- identity ----

    def issue(self, kind):
        token = f"token-{uuid.uuid4().hex}"
        self.tokens[token] = time.monotonic() + self.token_seconds
        self.logins.append(kind)
        return token

    def revoke(self):
        with self.lock:
            self.tokens.clear()

    def check_token(self, headers):
        kind, _, token = headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or self.tokens.get(token, 0) < time.monotonic():
            raise Fault(401, "ExpiredAuthenticationToken", "The access token expired" + (f": {token}" if self.repeat_secrets else ""))

    def login(self, path, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        tenant = path.split("/")[1]
        good = form.get("client_secret") == SECRET
        kind = "secret"
        if "client_assertion" in form:
            kind = "federated"
            good = (form["client_assertion"] == ASSERTION
                    and form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        scope = form.get("scope", "")
        if tenant not in (TENANT, "adfs") or form.get("client_id") != CLIENT or form.get("grant_type") != "client_credentials" or "/.default" not in scope:
            return Reply(400, {"error": "invalid_request", "error_description": "AADSTS900144: the request is not as it should be"})
        if not good:
            said = form.get("client_secret") or form.get("client_assertion") if self.repeat_secrets else ""
            return Reply(401, {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid client secret provided. {said}"})
        return Reply(200, {"token_type": "Bearer", "expires_in": self.token_seconds, "ext_expires_in": self.token_seconds,
                           "access_token": self.issue(kind)})

    def metadata(self, query, headers):
        if headers.get("Metadata") != "true" or "X-Forwarded-For" in headers:
            return Reply(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
        if not query.get("resource") or query.get("api-version") != "2018-02-01":
            return Reply(400, {"error": "invalid_request", "error_description": "resource and api-version are required"})
        return Reply(200, {"access_token": self.issue("managed"), "expires_in": str(self.token_seconds), "resource": query["resource"],
                           "token_type": "Bearer", "client_id": query.get("client_id", "")})

    def endpoints(self):
        """Where everything is, as a cloud of one's own says it. Its login is named as that of an Azure Stack is, for to validate any other the
        client would ask Microsoft."""
        return Reply(200, {"galleryEndpoint": self.base, "graphEndpoint": self.base, "portalEndpoint": self.base,
                           "authentication": {"loginEndpoint": f"{self.base}/adfs", "audiences": [f"{self.base}/"]}})

    def discovery(self, path):
        tenant = path.split("/")[1]
        if tenant == "adfs":
            return Reply(200, {"issuer": f"{self.base}/adfs", "authorization_endpoint": f"{self.base}/adfs/oauth2/authorize",
                               "token_endpoint": f"{self.base}/adfs/oauth2/token"})
        return Reply(200, {"issuer": f"{self.base}/{tenant}/v2.0", "authorization_endpoint": f"{self.base}/{tenant}/oauth2/v2.0/authorize",
                           "token_endpoint": f"{self.base}/{tenant}/oauth2/v2.0/token", "tenant_region_scope": None,
                           "device_authorization_endpoint": f"{self.base}/{tenant}/oauth2/v2.0/devicecode"})

    # ---- operations ----

    def begin(self, status, body, seconds, ends):
        """An asynchronous operation; ends() gives None or (code, message)."""
        name = uuid.uuid4().hex
        self.operations[name] = {"status": "InProgress"}

        def end():
            fault = ends()
            self.operations[name] = {"status": "Succeeded"} if not fault else {
                "status": "Failed", "error": {"code": fault[0], "message": fault[1]}}

        self.after(seconds, end)
        base = self.elsewhere or self.base
        at = f"{base}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/{name}?api-version=2024-07-01"
        headers = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
        if not self.lose_operation_headers:
            headers["Azure-AsyncOperation"] = at
            if status == 202:
                headers["Location"] = at + "&monitor=true"
        return Reply(status, body, headers)

    def operation(self, method, query, headers, body, name):
        o = self.operations.get(name)
        if not o:
            raise Fault(404, "NotFound", "no such operation")
        again = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
        if query.get("monitor"):
            return Reply(202 if o["status"] == "InProgress" else 200, None, again)
        return Reply(200, dict(o, name=name), again)

    # ---- what both kinds of resources have ----

    @staticmethod
    def parse(body):
        try:
            value = json.loads(body)
        except ValueError:
            raise Fault(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized") from None
        if not isinstance(value, dict) or not value.get("location"):
            raise Fault(400, "LocationRequired", "The location property is required for this definition.")
        return value

    @staticmethod
    def check_tags(tags):
        if len(tags) > 50:
            raise Fault(400, "InvalidTags", "more than 50 tags")
        for name, value in tags.items():
            if len(name) > 512 or len(value) > 256 or set(name) & set("<>%&\\?/"):
                raise Fault(400, "InvalidTagNameCharacters", f"the tag {name} is not as it should be")
        if len({n.lower() for n in tags}) != len(tags):
            raise Fault(400, "InvalidTags", "two tags differ in case only")

    def refuse_existing(self, there, headers, name):
        if there and headers.get("If-None-Match") == "*" and not self.ignore_if_none_match:
            raise Fault(412, "PreconditionFailed", f"{name} exists")

    def page(self, kind, items, query, render):
        names = sorted(items)
        start = int(query.get("$skiptoken", 0))
        value = [render(items[n]) for n in names[start:start + self.page_size]]
        reply = {"value": value}
        if start + self.page_size < len(names):
            reply["nextLink"] = f"{self.base}{self.path_of(kind)}?{urllib.parse.urlencode({**query, '$skiptoken': start + self.page_size})}"
        return Reply(200, reply)

    @staticmethod
    def path_of(kind, name=""):
        provider = "Microsoft.Compute" if kind == "virtualMachines" else "Microsoft.Network"
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{provider}/{kind}" + (f"/{name}" if name else "")

    # ---- interfaces ----

    def render_interface(self, n):
        body = {"id": self.path_of("networkInterfaces", n["name"]), "name": n["name"], "type": "Microsoft.Network/networkInterfaces",
                "location": n["location"], "tags": n["tags"], "etag": f'W/"{n["etag"]}"',
                "properties": dict(n["properties"], provisioningState=n["state"])}
        if n["machine"]:
            body["properties"]["virtualMachine"] = {"id": self.path_of("virtualMachines", n["machine"])}
        return body

    def list_interfaces(self, method, query, headers, body):
        return self.page("networkInterfaces", self.interfaces, query, self.render_interface)

    def interface(self, method, query, headers, body, name):
        there = self.interfaces.get(name)
        if method == "GET":
            if not there:
                raise Fault(404, "ResourceNotFound", f"The Resource 'Microsoft.Network/networkInterfaces/{name}' was not found.")
            return Reply(200, self.render_interface(there))
        if method == "DELETE":
            return self.delete_interface(name, there)
        if method != "PUT":
            raise Fault(405, "MethodNotAllowed", method)
        self.refuse_existing(there, headers, name)
        value = self.parse(body)
        self.check_tags(value.get("tags") or {})
        configurations = value.get("properties", {}).get("ipConfigurations") or []
        if not configurations or not configurations[0]["properties"].get("subnet", {}).get("id"):
            raise Fault(400, "InvalidRequestFormat", "an IP configuration needs a subnet")
        wanted = {c["properties"].get("privateIPAddress") for c in configurations} - {None}
        for other in self.interfaces.values():
            taken = {c["properties"].get("privateIPAddress") for c in other["properties"]["ipConfigurations"]}
            if other["name"] != name and wanted & taken:
                raise Fault(400, "PrivateIPAddressInUse", f"{wanted & taken} is in use by {other['name']}")
        n = {"name": name, "location": value["location"], "tags": value.get("tags") or {}, "properties": value["properties"], "machine":
             there["machine"] if there else None, "etag": uuid.uuid4(), "state": "Updating", "reserved": 0}
        self.interfaces[name] = n
        return self.begin(200 if there else 201, self.render_interface(n), self.operation_seconds, lambda: n.update(state="Succeeded"))

    def delete_interface(self, name, there):
        if not there:
            return Reply(204)
        if there["machine"]:
            raise Fault(400, "NicInUse", f"Network Interface {name} is used by existing resource {there['machine']}.")
        if there["reserved"] > time.monotonic():
            raise Fault(400, "NicReservedForAnotherVm", f"Nic(s) in request is reserved for another Virtual Machine for 180 seconds. {name}")
        there["state"] = "Deleting"

        def end():
            self.interfaces.pop(name, None)
        return self.begin(202, None, self.operation_seconds, end)

    # ---- machines ----

    def render_machine(self, m):
        return {"id": self.path_of("virtualMachines", m["name"]), "name": m["name"], "type": "Microsoft.Compute/virtualMachines",
                "location": m["location"], "tags": m["tags"], "properties": dict(m["properties"], provisioningState=m["state"], vmId=m["id"])}

    def list_machines(self, method, query, headers, body):
        return self.page("virtualMachines", self.machines, query, self.render_machine)

    def machine(self, method, query, headers, body, name):
        there = self.machines.get(name)
        if method == "GET":
            if not there:
                raise Fault(404, "ResourceNotFound", f"The Resource 'Microsoft.Compute/virtualMachines/{name}' was not found.")
            shown = self.render_machine(there)
            if query.get("$expand") == "instanceView":
                shown["properties"]["instanceView"] = self.render_view(there)
            return Reply(200, shown)
        if method == "DELETE":
            return self.delete_machine(name, there)
        if method != "PUT":
            raise Fault(405, "MethodNotAllowed", method)
        self.refuse_existing(there, headers, name)
        return self.put_machine(name, there, self.parse(body))

    def take_os_profile(self, name, value):
        profile = value["properties"].get("osProfile")
        if profile is None:
            return
        data = base64.b64decode(profile.get("customData", ""), validate=True)
        if len(data) > 65535:
            raise Fault(400, "InvalidParameter", "Custom data is too large")
        if not profile.get("computerName"):
            raise Fault(400, "InvalidParameter", "osProfile.computerName is required")
        self.secrets_seen[name] = {"customData": data.decode(), "adminPassword": profile.get("adminPassword")}
        if self.repeat_secrets:
            raise Fault(400, "InvalidParameter", f"not {profile.get('adminPassword')} nor {profile.get('customData')} nor {data.decode()}")
        for secret in "customData", "adminPassword":
            profile.pop(secret, None)

    def put_machine(self, name, there, value):
        properties = value.get("properties") or {}
        self.check_tags(value.get("tags") or {})
        if not properties.get("hardwareProfile", {}).get("vmSize"):
            raise Fault(400, "InvalidParameter", "hardwareProfile.vmSize is required")
        attached = []
        for reference in properties.get("networkProfile", {}).get("networkInterfaces", []):
            n = self.interfaces.get(reference["id"].rsplit("/", 1)[1])
            if not n:
                raise Fault(404, "NotFound", f"{reference['id']} not found")
            if n["machine"] not in (None, name) or n["reserved"] > time.monotonic():
                raise Fault(400, "NicReservedForAnotherVm", "the interface is another's")
            attached.append((n, reference.get("properties", {}).get("deleteOption")))
        self.take_os_profile(name, value)
        m = there or {"id": str(uuid.uuid4()), "name": name}
        m.update(location=value["location"], tags=value.get("tags") or {}, properties=properties, state="Updating" if there else "Creating",
                 interfaces=attached, power="PowerState/starting")
        self.machines[name] = m
        for n, _ in attached:
            n["machine"] = name
        failure, self.fail_next_machine = self.fail_next_machine, None

        def end():
            if failure:
                m.update(state="Failed", power="PowerState/stopped")
                return failure, "it was meant to fail"
            m.update(state="Succeeded", power="PowerState/running")
            return None
        return self.begin(200 if there else 201, self.render_machine(m), self.operation_seconds, end)

    def delete_machine(self, name, there):
        if not there:
            return Reply(204)
        failed, there["state"] = there["state"] == "Failed", "Deleting"

        def end():
            if self.machines.pop(name, None) is None:
                return
            for n, option in there["interfaces"]:
                n["machine"] = None
                if failed:
                    n["reserved"] = time.monotonic() + self.reserve_seconds
                if option == "Delete" and not self.leave_interfaces and not (failed and self.reserve_seconds):
                    self.interfaces.pop(n["name"], None)
        return self.begin(202, None, self.operation_seconds, end)

    def instance_view(self, method, query, headers, body, name):
        there = self.machines.get(name)
        if not there:
            raise Fault(404, "ResourceNotFound", name)
        return Reply(200, self.render_view(there))

    @staticmethod
    def render_view(m):
        return {"statuses": [{"code": f"ProvisioningState/{m['state'].lower()}"}, {"code": m["power"]}]}

    def tags(self, method, query, headers, body, name):
        there = self.machines.get(name)
        if not there:
            raise Fault(404, "ResourceNotFound", name)
        if method == "PATCH":
            value = json.loads(body)
            operation = value["operation"].lower()
            new = value["properties"]["tags"]
            if operation == "merge":
                new = {**there["tags"], **new}
            elif operation == "delete":
                new = {k: v for k, v in there["tags"].items() if k not in new}
            self.check_tags(new)
            there["tags"] = new
        return Reply(200, {"id": f"{self.path_of('virtualMachines', name)}/providers/Microsoft.Resources/tags/default", "name": "default",
                           "type": "Microsoft.Resources/tags", "properties": {"tags": there["tags"]}})

    # ---- what the vendor's client asks beside ----

    def subscriptions(self, method, query, headers, body):
        return Reply(200, {"value": [self.render_subscription()]})

    def subscription(self, method, query, headers, body):
        return Reply(200, self.render_subscription())

    @staticmethod
    def render_subscription():
        return {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "displayName": "loopback",
                "state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": []}

    def tenants(self, method, query, headers, body):
        return Reply(200, {"value": [{"id": f"/tenants/{TENANT}", "tenantId": TENANT}]})

    OF = rf"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/"
    ROUTES = [
        (r"/subscriptions/?", subscriptions),
        (r"/tenants/?", tenants),
        (rf"/subscriptions/{SUBSCRIPTION}/?", subscription),
        (rf"/subscriptions/{SUBSCRIPTION}/providers/Microsoft\.Compute/locations/westeurope/operations/(\w+)", operation),
        (OF + r"Microsoft\.Network/networkInterfaces", list_interfaces),
        (OF + r"Microsoft\.Network/networkInterfaces/([\w.-]+)", interface),
        (OF + r"Microsoft\.Compute/virtualMachines", list_machines),
        (OF + r"Microsoft\.Compute/virtualMachines/([\w.-]+)", machine),
        (OF + r"Microsoft\.Compute/virtualMachines/([\w.-]+)/instanceView", instance_view),
        (OF + r"Microsoft\.Compute/virtualMachines/([\w.-]+)/providers/Microsoft\.Resources/tags/default", tags),
    ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.azure.answer(self.command, self.path, self.headers, body)
        if not isinstance(reply, Reply):
            self.close_connection = True
            return
        data = b"" if reply.body is None else reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if data:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = do_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # clients that go away


def make_certificates(folder):
    """A certificate authority of our own and a certificate of it for 127.0.0.1. Returns the paths of the authority, the certificate, its key."""
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    run("x509", "-req", "-days", "2", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
        "-extfile", "ext")
    return folder / "ca.pem", folder / "server.pem", folder / "server.key"


def serve(azure, certificate=None, key=None):
    """Starts it on a free port of 127.0.0.1 and returns the server; azure.base is its address."""
    server = Server(("127.0.0.1", 0), Handler)
    server.azure = azure
    scheme = "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    azure.base = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
