# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Azure plugin against Azure on loopback (azure_fixture.py)."""
import concurrent.futures
import json
import pathlib
import re
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import azure_fixture as fixture  # noqa: E402
from azure_plugin import PROGRAM, Failure, Plugin, document, variables  # noqa: E402

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the Azure plugin is not built: it needs libcurl")

VM, NIC = r"virtualMachines/[\w.-]+$", r"networkInterfaces/[\w.-]+$"


@pytest.fixture
def azure():
    a = fixture.Azure()
    server = fixture.serve(a)
    yield a
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(azure, tmp_path):
    """Starts plugins, and ends them: each must end well, with nothing to say."""
    started = []

    def begin(*options, environment=None):
        folder = tmp_path / f"plugin{len(started)}"
        folder.mkdir()
        plugin = Plugin(folder, environment or variables(azure), *options)
        started.append(plugin)
        return plugin

    yield begin
    for plugin in started:
        if plugin.process.poll() is None:
            assert plugin.stop() == 0, plugin.stderr.read_text()
        assert plugin.stderr.read_text() == ""


@pytest.fixture
def plugin(start):
    return start()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def nothing_left(azure):
    with azure.lock:
        azure.tick()
        return not azure.machines and not azure.interfaces


# ---- provisioning ----

def test_a_machine_is_made_with_its_interface_first_and_its_tags_in_the_same_request(azure, plugin):
    name = plugin.provision("t1", Init="#!/bin/sh\necho hello\n")
    machine, interface = azure.machines[name], azure.interfaces[name + "-nic"]
    assert machine["tags"] == {"infrakit.group": "web", "infrakit.config.hash": "hash", "bulkhead.token": "t1"} == interface["tags"]
    assert interface["machine"] == name and machine["interfaces"] == [(interface, "Delete")]
    assert machine["properties"]["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    assert azure.secrets_seen[name]["customData"] == "#!/bin/sh\necho hello\n"
    puts = azure.find("^PUT")
    assert [q.path.split("/")[-2] for q in puts] == ["networkInterfaces", "virtualMachines"]
    assert all(q.headers["If-None-Match"] == "*" for q in puts)


def test_one_token_gives_one_machine_however_often_it_is_asked_for(azure, plugin):
    names = {plugin.provision("t1") for _ in range(3)}
    assert len(names) == 1 and set(azure.machines) == names
    assert azure.count("^PUT .*" + VM) == 1


def test_one_token_gives_one_machine_when_many_ask_at_once_of_two_plugins(azure, start):
    azure.operation_seconds = 0.5
    plugins = [start(), start()]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda i: plugins[i % 2].provision("t1"), range(8)))
    assert len(names) == 1 and set(azure.machines) == names and len(azure.interfaces) == 1


def test_tokens_and_groups_give_machines_of_their_own(azure, plugin):
    names = {plugin.provision("t1"), plugin.provision("t2"), plugin.provision("t1", group="db")}
    assert len(names) == 3 == len(azure.machines) == len(azure.interfaces)


def test_without_a_token_each_call_gives_another_machine(azure, plugin):
    assert plugin.provision() != plugin.provision()
    assert len(azure.machines) == 2


def test_a_logical_id_is_the_address_of_the_interface_and_is_told_again(azure, plugin):
    name = plugin.provision("t1", LogicalID="10.0.0.4")
    address = azure.interfaces[name + "-nic"]["properties"]["ipConfigurations"][0]["properties"]
    assert (address["privateIPAddress"], address["privateIPAllocationMethod"]) == ("10.0.0.4", "Static")
    assert address["subnet"]["id"] == fixture.SUBNET
    assert plugin.describe()[name]["LogicalID"] == "10.0.0.4"
    with pytest.raises(Failure, match="PrivateIPAddressInUse"):
        plugin.provision("t2", LogicalID="10.0.0.4")
    assert set(azure.machines) == {name} and len(azure.interfaces) == 1


def test_a_document_with_a_network_profile_of_its_own_needs_no_interface(azure, plugin):
    properties = document(networkProfile={"networkApiVersion": "2020-11-01", "networkInterfaceConfigurations": []})
    del properties["NetworkInterface"]
    name = plugin.provision("t1", properties=properties)
    assert set(azure.machines) == {name} and not azure.interfaces
    plugin.destroy(name)
    assert nothing_left(azure)


def test_bad_documents_are_refused_before_anything_is_asked_of_azure(azure, plugin):
    bad = document()
    bad["VMs"] = {}
    password = document(osProfile={"adminPassword": "hunter22"})
    for properties in bad, password, {}:
        with pytest.raises(Failure) as failure:
            plugin.call("Instance.Validate", Properties=properties)
        assert failure.value.id in ("azure.document", "json.value") and "hunter22" not in str(failure.value)
        with pytest.raises(Failure):
            plugin.provision("t1", properties=properties)
    assert plugin.call("Instance.Validate", Properties=document())["OK"]
    assert azure.log == []


# ---- what gets lost ----

@pytest.mark.parametrize("act", [fixture.DROP_AFTER, fixture.DROP_BEFORE])
@pytest.mark.parametrize("request_line", ["^PUT .*" + NIC, "^PUT .*" + VM, "^GET .*operations/", "^POST .*token"])
def test_an_answer_that_is_lost_makes_no_second_machine(azure, plugin, request_line, act):
    rule = azure.rule(request_line, 1, act)
    name = plugin.provision("t1")
    assert rule.hits == 1
    assert set(azure.machines) == {name} and set(azure.interfaces) == {name + "-nic"}


@pytest.mark.parametrize("request_line", ["^DELETE .*" + VM, "^PATCH .*tags"])
def test_labels_and_ends_outlast_lost_answers(azure, plugin, request_line):
    name = plugin.provision("t1")
    rule = azure.rule(request_line, 2, fixture.DROP_AFTER)
    plugin.label(name, a="b")
    assert azure.machines[name]["tags"]["a"] == "b"
    plugin.destroy(name)
    assert rule.hits >= 1 and nothing_left(azure)


@pytest.mark.parametrize("line", ["^PUT .*" + NIC, "^PUT .*" + VM])
def test_a_plugin_that_is_killed_while_it_makes_a_machine_finds_it_again(azure, start, line):
    azure.operation_seconds = 0.7
    plugin = start()
    threading.Thread(target=lambda: pytest.raises(Exception, plugin.provision, "t1"), daemon=True).start()
    wait_for(lambda: azure.count(line) == 1)
    plugin.kill()
    plugin.start()
    name = plugin.provision("t1")
    assert set(azure.machines) == {name} and set(azure.interfaces) == {name + "-nic"}
    assert azure.machines[name]["state"] == "Succeeded"


def test_a_machine_is_followed_by_its_own_state_where_azure_names_no_operation(azure, plugin):
    azure.lose_operation_headers = True
    name = plugin.provision("t1")
    assert azure.machines[name]["state"] == "Succeeded"
    plugin.destroy(name)
    assert nothing_left(azure)


@pytest.mark.parametrize("status", [403, 404])
def test_a_machine_is_followed_by_its_own_state_where_its_operation_may_not_be_seen(azure, plugin, status):
    azure.rule("operations/", 10**6, fixture.Reply(status, {"error": {"code": "AuthorizationFailed", "message": "no rights there"}}))
    name = plugin.provision("t1")
    assert azure.machines[name]["state"] == "Succeeded"
    azure.fail_next_machine = "AllocationFailed"
    with pytest.raises(Failure) as failure:
        plugin.provision("t2")
    assert failure.value.id == "azure.failed" and set(azure.machines) == {name}
    plugin.destroy(name)
    wait_for(lambda: nothing_left(azure))


def test_a_service_that_knows_no_if_none_match_gets_no_second_request(azure, plugin):
    azure.ignore_if_none_match = True
    name = plugin.provision("t1")
    plugin.label(name, mine="kept")
    plugin.provision("t1")
    assert azure.machines[name]["tags"]["mine"] == "kept" and azure.count("^PUT .*" + VM) == 1


# ---- throttling ----

@pytest.mark.parametrize("status", [429, 503])
def test_a_throttled_request_is_made_again_when_azure_says(azure, plugin, status):
    rule = azure.throttle("^PUT .*" + VM, 1, retry_after="2", status=status)
    assert plugin.provision("t1") in azure.machines
    first, second = (q.at for q in azure.find("^PUT .*" + VM))
    assert rule.hits == 1 and 1.95 <= second - first < 60


def test_a_broken_service_is_asked_again_in_growing_steps(azure, plugin):
    azure.rule("^GET .*virtualMachines$", 4, fixture.Reply(500, b"<html>oops</html>"))
    assert plugin.describe() == {}
    assert azure.count("^GET .*virtualMachines$") == 5


def test_patience_has_an_end(azure, start):
    plugin = start("patience=3s")
    azure.throttle("virtualMachines", 10**6, retry_after=None)
    begun = time.monotonic()
    with pytest.raises(Failure) as failure:
        plugin.provision("t1")
    assert failure.value.id == "azure.busy" and time.monotonic() - begun < 60
    assert azure.count("virtualMachines") <= 24
    azure.rules.clear()
    azure.throttle("virtualMachines", 1, retry_after="3000")
    begun = time.monotonic()
    with pytest.raises(Failure, match="slow down"):
        plugin.describe()
    assert time.monotonic() - begun < 60  # it would be longer than we wait, so we do not


# ---- failures ----

@pytest.mark.parametrize("reserve_seconds", [0, 2])
def test_a_machine_that_fails_is_removed_with_its_interface_and_azures_reason_told(azure, plugin, reserve_seconds):
    azure.fail_next_machine, azure.reserve_seconds = "AllocationFailed", reserve_seconds
    with pytest.raises(Failure, match="AllocationFailed: it was meant to fail") as failure:
        plugin.provision("t1")
    assert failure.value.id == "azure.failed"
    assert nothing_left(azure)
    assert plugin.provision("t1") in azure.machines  # the token is good for another attempt


def test_what_azure_refuses_leaves_no_interface_behind(azure, plugin):
    azure.rule("^PUT .*" + VM, 1, fixture.Reply(409, {"error": {"code": "OperationNotAllowed", "message": "exceeding approved Cores quota"}}))
    with pytest.raises(Failure, match="Cores quota") as failure:
        plugin.provision("t1")
    assert failure.value.id == "azure.capacity" and nothing_left(azure)


def test_a_failed_machine_that_a_crash_left_behind_is_made_anew_with_its_token(azure, plugin):
    name = plugin.provision("t1")
    azure.machines[name].update(state="Failed", power="PowerState/stopped")
    before = azure.machines[name]["id"]
    assert plugin.describe() == {}
    assert plugin.provision("t1") == name
    assert azure.machines[name]["id"] != before and azure.machines[name]["state"] == "Succeeded"


def test_a_machine_that_failed_and_runs_is_there(azure, plugin):
    name = plugin.provision("t1")
    azure.machines[name].update(state="Failed", power="PowerState/running")
    assert set(plugin.describe()) == {name}
    before = azure.machines[name]["id"]
    assert plugin.provision("t1") == name and azure.machines[name]["id"] == before


def test_a_machine_of_the_name_with_another_token_is_not_taken_for_ours(azure, plugin):
    name = plugin.provision("t1")
    azure.machines[name]["tags"]["bulkhead.token"] = "other"
    with pytest.raises(Failure) as failure:
        plugin.provision("t1")
    assert failure.value.id == "azure.conflict"
    assert set(azure.machines) == {name} and azure.interfaces[name + "-nic"]["machine"] == name


def test_an_operation_without_end_is_given_up_and_found_again(azure, start):
    azure.operation_seconds = 1000
    plugin = start("wait=1s")
    with pytest.raises(Failure) as failure:
        plugin.provision("t1")
    assert failure.value.id == "azure.timeout"
    azure.operation_seconds = 0.05
    azure.hurry()
    patient = start()
    assert patient.provision("t1") in azure.machines and len(azure.machines) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"value":{}}', b'{"value":[{"name":7}]}', b'{"value":[],"value":[]}', b"\xff" * 100])
def test_nonsense_is_an_error_and_not_an_empty_list(azure, plugin, body):
    azure.rule("^GET .*virtualMachines$", 1, fixture.Reply(200, body))
    with pytest.raises(Failure) as failure:
        plugin.describe()
    assert failure.value.id == "azure.reply"
    assert plugin.describe() == {}


def test_an_answer_without_end_is_cut_off(azure, plugin):
    azure.rule("^GET .*virtualMachines$", 1, fixture.Reply(200, b"[" + b" " * (33 << 20)))
    with pytest.raises(Failure, match="more than") as failure:
        plugin.describe()
    assert failure.value.id == "azure.reply"


# ---- listing ----

def test_all_pages_are_read_and_only_what_matches_is_told(azure, plugin):
    azure.page_size = 7
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        web = set(pool.map(lambda i: plugin.provision(f"t{i}"), range(20)))
        db = set(pool.map(lambda i: plugin.provision(f"t{i}", group="db"), range(10)))
    assert set(plugin.describe({"infrakit.group": "web"})) == web
    assert set(plugin.describe({"infrakit.group": "db", "infrakit.config.hash": "hash"})) == db
    assert plugin.describe({"infrakit.group": "db", "infrakit.config.hash": "other"}) == {}
    assert set(plugin.describe()) == web | db
    assert azure.count("^GET .*virtualMachines$") == 4 * 5


def test_pages_in_a_circle_are_an_error(azure, plugin):
    at = f"{azure.base}{azure.path_of('virtualMachines')}?api-version=x"
    azure.rule("^GET .*virtualMachines$", 5, fixture.Reply(200, {"value": [], "nextLink": at}))
    with pytest.raises(Failure, match="no end"):
        plugin.describe()


def test_a_machine_counts_from_its_creation_to_its_deletion(azure, plugin):
    azure.operation_seconds = 1000
    thread = threading.Thread(target=plugin.provision, args=("t1",))
    thread.start()
    wait_for(lambda: azure.interfaces)
    azure.hurry()
    wait_for(lambda: azure.machines)
    assert len(plugin.describe()) == 1
    azure.hurry()
    thread.join()
    name, = azure.machines
    thread = threading.Thread(target=plugin.destroy, args=(name,))
    thread.start()
    wait_for(lambda: azure.machines[name]["state"] == "Deleting")
    assert plugin.describe() == {}
    azure.hurry()
    thread.join()


def test_properties_are_told_when_they_are_asked_for_and_hold_no_secret(azure, plugin):
    name = plugin.provision("t1", Init="secret of the first boot")
    azure.machines[name]["properties"]["osProfile"].update(adminPassword="hunter22", customData="hunter23")
    assert "Properties" not in plugin.describe()[name] or plugin.describe()[name]["Properties"] is None
    told = plugin.describe(properties=True)[name]["Properties"]
    assert told["properties"]["hardwareProfile"]["vmSize"] == "Standard_B1s"
    assert "hunter" not in json.dumps(told)


def test_what_can_change_is_told_where_documents_have_it(azure, plugin):
    name = plugin.provision("t1")
    assert plugin.describe(properties=True)[name]["Properties"]["VM"]["properties"]["hardwareProfile"] == {"vmSize": "Standard_B1s"}
    azure.machines[name]["properties"]["hardwareProfile"]["vmSize"] = "Standard_D8s_v5"
    assert plugin.describe(properties=True)[name]["Properties"]["VM"]["properties"]["hardwareProfile"] == {"vmSize": "Standard_D8s_v5"}


# ---- labels and ends ----

def test_labels_are_added_to_the_tags_and_none_is_lost(azure, plugin):
    name = plugin.provision("t1")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: plugin.label(name, **{f"label{i}": str(i)}), range(16)))
    plugin.label(name, **{"infrakit.config.hash": "new"})
    tags = azure.machines[name]["tags"]
    assert all(tags[f"label{i}"] == str(i) for i in range(16))
    assert tags["infrakit.config.hash"] == "new" and tags["bulkhead.token"] == "t1"


@pytest.mark.parametrize("labels", [{"a/b": "c"}, {"a": "v" * 257}, {f"l{i}": "" for i in range(48)}, {"INFRAKIT.GROUP": "x"}])
def test_labels_that_azure_would_not_take_are_refused(azure, plugin, labels):
    name = plugin.provision("t1")
    before = dict(azure.machines[name]["tags"])
    with pytest.raises(Failure) as failure:
        plugin.label(name, **labels)
    assert failure.value.id == "azure.tags"
    assert azure.machines[name]["tags"] == before and azure.count("^PATCH") == 0


def test_destroying_leaves_nothing_and_may_be_repeated(azure, plugin):
    name = plugin.provision("t1")
    plugin.destroy(name)
    assert nothing_left(azure)
    with pytest.raises(Failure) as failure:
        plugin.destroy(name)
    assert failure.value.id == "azure.missing"


def test_an_interface_that_azure_leaves_is_removed(azure, plugin):
    azure.leave_interfaces = True
    name = plugin.provision("t1")
    plugin.destroy(name)
    assert nothing_left(azure)


def test_an_interface_whose_machine_is_gone_is_removed_when_the_machine_is_destroyed(azure, plugin):
    name = plugin.provision("t1")
    del azure.machines[name]
    azure.interfaces[name + "-nic"]["machine"] = None
    with pytest.raises(Failure):
        plugin.destroy(name)
    assert nothing_left(azure)


def test_what_carries_no_tag_of_ours_is_not_seen_and_not_touched(azure, plugin):
    name = plugin.provision("t1")
    before = {"name": "theirs"}
    azure.machines[name]["tags"] = dict(before)
    azure.interfaces[name + "-nic"]["tags"] = {}
    assert plugin.describe() == {}
    for call in (lambda: plugin.destroy(name), lambda: plugin.label(name, a="b")):
        with pytest.raises(Failure) as failure:
            call()
        assert failure.value.id == "azure.foreign"
    del azure.machines[name]
    azure.interfaces[name + "-nic"]["machine"] = None
    with pytest.raises(Failure):
        plugin.destroy(name)
    assert set(azure.interfaces) == {name + "-nic"}
    assert azure.count("^(DELETE|PATCH)") == 0


@pytest.mark.parametrize("name", ["", "..", "a/b", "x?y", "x/../../y", "%2e%2e", "a" * 200])
def test_an_id_that_is_no_name_is_not_there_and_asks_nothing(azure, plugin, name):
    for method, params in ("Instance.Destroy", {}), ("Instance.Label", {"Labels": {"a": "b"}}):
        with pytest.raises(Failure):
            plugin.call(method, Instance=name, **params)
    assert azure.log == []


# ---- what crashes leave behind ----

def test_interfaces_without_a_machine_are_swept_up_at_the_second_sight(azure, start):
    plugin = start("sweep=1s")
    kept = plugin.provision("t1")
    with azure.lock:
        for name, tags in ("web-lost-nic", {"bulkhead.token": "t9"}), ("theirs-nic", {}), ("web-lost", {"bulkhead.token": "t9"}):
            azure.interfaces[name] = dict(azure.interfaces[kept + "-nic"], name=name, tags=tags, machine=None, etag=name)
    plugin.describe()
    assert "web-lost-nic" in azure.interfaces
    time.sleep(1.1)
    plugin.describe()
    wait_for(lambda: azure.settle() and "web-lost-nic" not in azure.interfaces)
    assert set(azure.interfaces) == {kept + "-nic", "theirs-nic", "web-lost"}


def test_an_interface_that_waits_for_its_machine_is_not_swept_up(azure, start):
    plugin = start("sweep=200ms")
    rule = azure.throttle("^PUT .*" + VM, 10**6, retry_after="1")
    thread = threading.Thread(target=plugin.provision, args=("t1",))
    thread.start()
    wait_for(lambda: rule.hits)
    for _ in range(5):
        plugin.describe()
        time.sleep(0.3)
    assert not azure.machines  # all that time the interface had none
    rule.times = 0
    thread.join()
    assert azure.count("^DELETE") == 0 and len(azure.machines) == 1


# ---- tokens and logins ----

def test_one_login_serves_many_requests_and_is_renewed_before_it_ends(azure, plugin):
    azure.token_seconds = 4
    begun = time.monotonic()
    for _ in range(3):
        plugin.describe()
    logins = len(azure.logins)
    assert logins == 1 or time.monotonic() - begun > 1.9  # half its life, on a slow machine
    time.sleep(2.2)
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: plugin.describe(), range(8)))
    assert len(azure.logins) == logins + 1 or len(azure.logins) > logins and time.monotonic() - begun > 1.9
    assert set(azure.logins) == {"secret"}
    assert all(q.path.endswith("/oauth2/v2.0/token") for q in azure.find("^POST"))


def test_a_token_that_is_revoked_is_replaced_once(azure, plugin):
    name = plugin.provision("t1")
    azure.revoke()
    assert set(plugin.describe()) == {name}
    assert len(azure.logins) == 2


def test_a_login_that_is_refused_is_told_and_not_tried_for_ever(azure, start):
    plugin = start(environment=variables(azure, AZURE_CLIENT_SECRET="wrong-secret"))
    azure.repeat_secrets = True
    with pytest.raises(Failure, match="AADSTS7000215") as failure:
        plugin.describe()
    assert failure.value.id == "azure.login" and "wrong-secret" not in str(failure.value)
    assert azure.count("POST") == 1


def test_requests_that_stay_unauthorised_end(azure, plugin):
    azure.rule("virtualMachines", 100, fixture.Reply(401, {"error": {"code": "InvalidAuthenticationToken", "message": "no"}}))
    with pytest.raises(Failure) as failure:
        plugin.describe()
    assert failure.value.id == "azure.forbidden" and azure.count("virtualMachines") == 2


def test_a_managed_identity_needs_no_secret(azure, start):
    environment = variables(azure)
    del environment["AZURE_CLIENT_SECRET"]
    plugin = start(f"metadata={azure.base}", environment=environment)
    azure.rule("^GET /metadata", 1, fixture.Reply(404, {"error": "not ready"}))  # as it answers while a machine starts
    assert plugin.provision("t1") in azure.machines
    assert azure.logins == ["managed"]
    assert azure.find("^GET /metadata")[1].query["client_id"] == fixture.CLIENT


def test_a_federated_token_is_read_from_its_file_each_time(azure, start, tmp_path):
    file = tmp_path / "token"
    file.write_text("stale.token.of.yesterday")
    environment = variables(azure, AZURE_FEDERATED_TOKEN_FILE=str(file))
    del environment["AZURE_CLIENT_SECRET"]
    plugin = start(environment=environment)
    with pytest.raises(Failure) as failure:
        plugin.describe()
    assert failure.value.id == "azure.login"
    file.write_text(fixture.ASSERTION + "\n")
    assert plugin.describe() == {}
    assert azure.logins == ["federated"]


def test_a_secret_may_come_from_a_file(azure, start, tmp_path):
    file = tmp_path / "secret"
    file.write_text(fixture.SECRET + "\n")
    environment = variables(azure, AZURE_CLIENT_SECRET_FILE=str(file))
    del environment["AZURE_CLIENT_SECRET"]
    assert start(environment=environment).describe() == {}


# ---- secrets stay where they are ----

def test_a_token_goes_to_nobody_but_azure(azure, plugin):
    other = fixture.Azure()
    server = fixture.serve(other)
    azure.elsewhere = other.base
    with pytest.raises(Failure, match="the token stays here"):
        plugin.provision("t1")
    azure.elsewhere = None
    azure.rule("virtualMachines$", 1, fixture.Reply(200, {"value": [], "nextLink": other.base + "/next"}))
    with pytest.raises(Failure, match="the token stays here"):
        plugin.describe()
    azure.rule("virtualMachines$", 1, fixture.Reply(307, None, {"Location": other.base + "/next"}))
    with pytest.raises(Failure) as failure:
        plugin.describe()
    assert failure.value.id == "azure.reply"
    assert other.log == []
    server.shutdown()
    server.server_close()


def test_secrets_are_in_no_tag_no_error_no_environment_and_no_log(azure, start, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "admin").write_text("correct-horse-battery\n")
    plugin = start(f"secrets={secrets}")
    properties = {**document(), "AdminPasswordSecret": "admin"}
    init = "#!/bin/sh\necho key-of-first-boot\n"
    name = plugin.provision("t1", properties=properties, Init=init)
    assert azure.secrets_seen[name] == {"customData": init, "adminPassword": "correct-horse-battery"}
    azure.repeat_secrets = True
    azure.revoke()
    azure.rule("virtualMachines$", 2, fixture.Reply(401, {"error": {"code": "x", "message": "no"}}))
    said = []
    for call in (lambda: plugin.provision("t2", properties=properties, Init=init), plugin.describe,
                 lambda: plugin.provision("t3", properties={**properties, "AdminPasswordSecret": "none"})):
        with pytest.raises(Failure) as failure:
            call()
        said.append(str(failure.value))
    assert "not ****" in said[0]
    everything = "\n".join(said) + json.dumps(plugin.describe(properties=True)) + plugin.stderr.read_text() + json.dumps(azure.machines[name]["tags"])
    environment = pathlib.Path(f"/proc/{plugin.process.pid}/environ").read_bytes()
    arguments = pathlib.Path(f"/proc/{plugin.process.pid}/cmdline").read_bytes()
    for secret in "correct-horse-battery", "key-of-first-boot", fixture.SECRET, *azure.tokens:
        assert secret not in everything and secret.encode() not in environment + arguments
    assert b"AZURE_CLIENT_ID=" + fixture.CLIENT.encode() in environment


@pytest.mark.parametrize("name", ["../admin", "/etc/passwd", ".", ""])
def test_a_password_comes_from_the_folder_of_secrets_alone(azure, start, tmp_path, name):
    plugin = start(f"secrets={tmp_path}")
    with pytest.raises(Failure):
        plugin.provision("t1", properties={**document(), "AdminPasswordSecret": name})
    assert azure.log == []


# ---- TLS ----

def test_only_a_server_with_a_certificate_that_is_trusted_gets_a_secret(start, tmp_path):
    ca, certificate, key = fixture.make_certificates(tmp_path)
    azure = fixture.Azure()
    server = fixture.serve(azure, certificate, key)
    trusting = start(f"ca-file={ca}", environment=variables(azure))
    name = trusting.provision("t1")
    assert set(trusting.describe()) == {name}
    seen = len(azure.log)
    with pytest.raises(Failure) as failure:
        start(environment=variables(azure)).describe()
    assert failure.value.id == "azure.certificate" and len(azure.log) == seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("option", ["endpoint=http://192.0.2.1", "authority=http://login.example", "endpoint=ftp://127.0.0.1", "resource-group=a/b", "nonsense=1",
                                    "client-secret=hunter22"])
def test_options_that_are_unsafe_stop_the_start(azure, tmp_path, option):
    with pytest.raises(AssertionError) as failure:
        Plugin(tmp_path, variables(azure), option)
    assert re.search(r"id +azure\.(endpoint|option)", str(failure.value)) and "hunter22" not in str(failure.value)
