# SPDX-License-Identifier: LGPL-2.1-or-later
"""The flavors vanilla and combo, with InfraKit's properties."""
import os

import pytest

from local_plugins import Failed, Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
INSTANCE = {"ID": "a", "LogicalID": None, "Tags": {}}


@pytest.fixture
def host():
    h = Host()
    yield h
    h.close()


@pytest.fixture
def vanilla(host):
    return host.plugin("bulkhead-flavor-vanilla")


@pytest.fixture
def combo(host, vanilla):
    return host.plugin("bulkhead-flavor-combo")


def combined(*properties):
    return {"Flavors": [{"Plugin": "vanilla", "Properties": p} for p in properties]}


def test_vanilla_adds_its_lines_tags_and_attachments(vanilla):
    spec = vanilla.prepare({"Init": ["echo hi", "echo there"], "Tags": {"tier": "web", "x": "new"}, "Attachments": [{"ID": "ebs1", "Type": "ebs"}]},
                           {"Properties": {"Note": 1}, "Tags": {"x": "old", "y": "1"}, "Init": "first", "LogicalID": "10.0.0.1",
                            "Attachments": [{"ID": "nic1", "Type": "nic"}]})
    assert spec == {"Properties": {"Note": 1}, "Tags": {"tier": "web", "x": "new", "y": "1"}, "Init": "first\necho hi\necho there", "LogicalID": "10.0.0.1",
                    "Attachments": [{"ID": "nic1", "Type": "nic"}, {"ID": "ebs1", "Type": "ebs"}]}


@pytest.mark.parametrize("properties", [None, {}, {"Init": None}, {"Init": []}])
def test_vanilla_without_anything_changes_nothing(vanilla, properties):
    assert vanilla.validate(properties)
    before = {"Properties": {}, "Tags": {"a": "b"}, "Init": "x", "LogicalID": None, "Attachments": None}
    assert vanilla.prepare(properties, before) == before


def test_vanilla_reads_scripts_by_url(host, vanilla):
    (host.base / "script").write_text("line 1\nline 2\n")
    assert vanilla.prepare({"InitScriptTemplateURL": f"file://{host.base}/script"}, {"Init": "before"})["Init"] == "before\nline 1\nline 2\n"
    assert vanilla.prepare({"InitScriptTemplateURL": "str://echo hi"})["Init"] == "echo hi"
    assert vanilla.prepare({"InitScriptTemplateURL": f"str://a {{{{ range list 1 2 }}}}{{{{ . }}}} {{{{ end }}}}{{{{ include \"file://{host.base}/script\" }}}}"})["Init"] \
        == "a 1 2 line 1\nline 2\n"
    assert vanilla.prepare({"InitScriptTemplateURL": "", "Init": ["a"]})["Init"] == "a"


@pytest.mark.parametrize("properties, id", [
    ({"Init": ["a"], "InitScriptTemplateURL": "str://b"}, "json.value"),
    ({"Init": "a"}, "json.value"),
    ({"Init": [1]}, "json.value"),
    ({"Tags": {"a": 1}}, "json.value"),
    ({"Attachments": [{"Type": "ebs"}]}, "json.value"),
    ({"InitScriptTemplateURL": "http://10.0.0.1/x"}, "flavor.url"),
    ({"InitScriptTemplateURL": "file://relative"}, "flavor.url"),
    ({"InitScriptTemplateURL": "file:///nowhere/at/all"}, "flavor.url"),
    ({"InitScriptTemplateURL": "str://echo {{ var \"x\" }}"}, "template.value"),
    ({"InitScriptTemplateURL": "str://echo {{ env \"PATH\" }}"}, "template.value"),
    ({"InitScriptTemplateURL": "str://echo {{ nothing }}"}, "template.syntax"),
    ({"InitScriptTemplateURL": "str://{{ include \"/etc/passwd\" }}"}, "flavor.url"),
])
def test_vanilla_refuses_what_it_cannot_carry_out(vanilla, properties, id):
    for call in (vanilla.validate, vanilla.prepare):
        with pytest.raises(Failed) as e:
            call(properties)
        assert e.value.id == id


def test_vanilla_instances_are_good_and_drained_at_once(vanilla):
    assert vanilla.health({}, INSTANCE) == 1 and vanilla.drain({}, INSTANCE)


def test_combo_joins_what_its_flavors_make(combo):
    spec = combo.prepare(combined({"Init": ["one"], "Tags": {"a": "1", "same": "x"}, "Attachments": [{"ID": "e", "Type": "ebs"}]},
                                  {"Init": ["two"], "Tags": {"b": "2", "same": "x"}}),
                         {"Init": "zero", "Tags": {"c": "3"}, "LogicalID": "10.0.0.1", "Attachments": [{"ID": "n", "Type": "nic"}]})
    assert spec == {"Properties": {}, "Tags": {"a": "1", "b": "2", "c": "3", "same": "x"}, "Init": "zero\none\ntwo", "LogicalID": "10.0.0.1",
                    "Attachments": [{"ID": "n", "Type": "nic"}, {"ID": "e", "Type": "ebs"}]}
    assert combo.validate(combined({}, {}))
    assert combo.health(combined({}, {}), INSTANCE) == 1 and combo.drain(combined({}, {}), INSTANCE)


def test_combos_nest(combo):
    inner = {"Plugin": "combo", "Properties": combined({"Init": ["b"]}, {"Init": ["c"]})}
    assert combo.prepare({"Flavors": [{"Plugin": "vanilla", "Properties": {"Init": ["a"]}}, inner]})["Init"] == "a\nb\nc"


def test_flavors_that_want_different_things_are_refused(combo):
    with pytest.raises(Failed) as e:
        combo.prepare(combined({"Tags": {"a": "1"}}, {"Tags": {"a": "2"}}))
    assert e.value.id == "flavor.conflict" and "tag a" in str(e.value)
    # One that goes back to what the spec had wants nothing.
    assert combo.prepare(combined({"Tags": {"a": "1"}}, {"Tags": {"a": "0"}}), {"Tags": {"a": "0"}})["Tags"] == {"a": "1"}


@pytest.mark.parametrize("properties, words", [
    ({}, "Flavors"), ({"Flavors": []}, "no flavor"), ({"Flavors": [{}]}, "Plugin"), ({"Flavors": [{"Plugin": "nowhere"}]}, "nowhere"),
    ({"Flavors": [{"Plugin": "../x"}]}, "x"), (combined({"Init": "a"}), "Init"), (combined(*[{}] * 17), "at most"),
])
def test_combo_refuses_what_it_cannot_ask(combo, properties, words):
    with pytest.raises(Failed) as e:
        combo.validate(properties)
    assert words in str(e.value)


def test_what_one_flavor_says_of_health_counts(host, combo):
    host.plugin("bulkhead-flavor-zookeeper")
    sick = {"Flavors": [{"Plugin": "vanilla"}, {"Plugin": "zookeeper", "Properties": {"ClientPort": host.free_port(), "Timeout": "1s"}}]}
    assert combo.health(sick, {"ID": "a", "LogicalID": "127.0.0.1", "Tags": {}}) == 2
