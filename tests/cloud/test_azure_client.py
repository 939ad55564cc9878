# SPDX-License-Identifier: LGPL-2.1-or-later
"""The vendor's own client (Debian's azure-cli) takes azure_fixture.py for Azure, and sees there what our plugin made."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import azure_fixture as fixture  # noqa: E402
from azure_plugin import PROGRAM, Plugin, variables  # noqa: E402

pytestmark = [
    pytest.mark.skipif(os.environ.get("BULKHEAD_CHECK") != "--full", reason="takes minutes: ./check --full"),
    pytest.mark.skipif(not shutil.which("az"), reason="azure-cli is missing: packaging/install-deps azure"),
    pytest.mark.skipif(not PROGRAM.exists(), reason="the Azure plugin is not built: it needs libcurl"),
]

MACHINE = "Microsoft.Compute", "virtualMachines", "2020-06-01"
INTERFACE = "Microsoft.Network", "networkInterfaces", "2018-11-01"


class Client:
    """az with a cloud of its own registered and logged in to, its files in a folder of their own."""

    def __init__(self, azure, folder, ca):
        self.azure = azure
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "AZURE_CONFIG_DIR": str(folder / "az"),
                            "REQUESTS_CA_BUNDLE": str(ca), "AZURE_CORE_COLLECT_TELEMETRY": "no", "NO_PROXY": "*"}
        # The versions of its interfaces that Debian's package has whole are those of this profile.
        self.run("cloud", "register", "-n", "Loopback", "--profile", "2020-09-01-hybrid", "--endpoint-resource-manager", azure.base)
        self.run("cloud", "set", "-n", "Loopback")
        self.run("login", "--service-principal", "-u", fixture.CLIENT, "-p", fixture.SECRET, "--tenant", fixture.TENANT)

    def run(self, *words, fails=None):
        r = subprocess.run(["az", *words, "-o", "json"], env=self.environment, capture_output=True, text=True, timeout=300)
        if fails:
            assert r.returncode and fails in r.stderr, r.stderr
            return None
        assert r.returncode == 0, r.stderr
        return json.loads(r.stdout) if r.stdout.strip() else None

    def rest(self, method, kind, name, body=None, fails=None, **headers):
        _, plural, version = kind
        words = ["rest", "--method", method, "--url", f"{self.azure.path_of(plural, name)}?api-version={version}"]
        if body is not None:
            words += ["--body", json.dumps(body)]
        if headers:
            words += ["--headers", *(f"{k.replace('_', '-')}={v}" for k, v in headers.items())]
        return self.run(*words, fails=fails)


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ca, certificate, key = fixture.make_certificates(folder)
    a = fixture.Azure()
    a.ca = ca
    server = fixture.serve(a, certificate, key)
    yield a
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def client(azure, tmp_path_factory):
    return Client(azure, tmp_path_factory.mktemp("client"), azure.ca)


def test_a_machine_is_made_shown_tagged_and_deleted_by_the_vendors_client(azure, client):
    interface = {"location": "westeurope", "properties": {"ipConfigurations": [{"name": "main", "properties": {"subnet": {"id": fixture.SUBNET}}}]}}
    machine = {"location": "westeurope", "tags": {"infrakit.group": "web"}, "properties": {
        "hardwareProfile": {"vmSize": "Standard_B1s"}, "networkProfile": {"networkInterfaces": [
            {"id": azure.path_of("networkInterfaces", "n1"), "properties": {"deleteOption": "Delete"}}]}}}
    assert client.rest("put", INTERFACE, "n1", interface)["name"] == "n1"
    assert client.rest("put", MACHINE, "m1", machine, If_None_Match="*")["properties"]["provisioningState"] == "Creating"
    client.rest("put", MACHINE, "m1", machine, If_None_Match="*", fails="PreconditionFailed")
    shown = client.run("vm", "show", "-g", fixture.GROUP, "-n", "m1")
    assert (shown["name"], shown["provisioningState"], shown["hardwareProfile"]["vmSize"]) == ("m1", "Succeeded", "Standard_B1s")
    assert shown["networkProfile"]["networkInterfaces"][0]["id"] == azure.path_of("networkInterfaces", "n1")
    view = client.run("vm", "get-instance-view", "-g", fixture.GROUP, "-n", "m1")
    assert "PowerState/running" in [s["code"] for s in view["instanceView"]["statuses"]]
    client.run("tag", "update", "--resource-id", azure.path_of("virtualMachines", "m1"), "--operation", "merge", "--tags", "infrakit.config.hash=x")
    assert azure.machines["m1"]["tags"] == {"infrakit.group": "web", "infrakit.config.hash": "x"}
    client.run("vm", "delete", "-g", fixture.GROUP, "-n", "m1", "--yes")
    assert not azure.machines and not azure.interfaces
    client.run("vm", "show", "-g", fixture.GROUP, "-n", "m1", fails="ResourceNotFound")


def test_what_the_plugin_made_is_what_the_vendors_client_shows(azure, client, tmp_path):
    plugin = Plugin(tmp_path, variables(azure), f"ca-file={azure.ca}")
    try:
        azure.page_size = 2
        names = {plugin.provision(f"t{i}", LogicalID=f"10.0.0.{i + 4}") for i in range(5)}
        listed = client.run("vm", "list", "-g", fixture.GROUP)
        assert {m["name"] for m in listed} == names
        assert {m["tags"]["infrakit.logical_id"] for m in listed} == {f"10.0.0.{i + 4}" for i in range(5)}
        interfaces = client.run("network", "nic", "list", "-g", fixture.GROUP)
        assert {n["ipConfigurations"][0]["privateIpAddress"] for n in interfaces} == {f"10.0.0.{i + 4}" for i in range(5)}
        assert {n["virtualMachine"]["id"].rsplit("/", 1)[1] for n in interfaces} == names
        # What a person does with the client, the plugin sees.
        gone = sorted(names)[0]
        client.run("vm", "delete", "-g", fixture.GROUP, "-n", gone, "--yes")
        assert set(plugin.describe({"infrakit.group": "web"})) == names - {gone}
        for name in names - {gone}:
            plugin.destroy(name)
        assert client.run("vm", "list", "-g", fixture.GROUP) == []
    finally:
        assert plugin.stop() == 0


def test_the_vendors_client_is_refused_as_ours_is(azure, client):
    client.run("login", "--service-principal", "-u", fixture.CLIENT, "-p", "wrong", "--tenant", fixture.TENANT, fails="AADSTS7000215")
    azure.rule("^PUT .*virtualMachines", 1, fixture.Reply(409, {"error": {"code": "OperationNotAllowed", "message": "exceeding approved Cores quota"}}))
    client.rest("put", MACHINE, "m2", {"location": "x"}, fails="Cores quota")
