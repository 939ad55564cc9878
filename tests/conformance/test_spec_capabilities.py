# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: process.capabilities."""
import pytest

from kit import CAPABILITIES, names_of

SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def own():
    """What this test itself could hand on."""
    for line in open("/proc/self/status"):
        if line.startswith("CapBnd"):
            return names_of(line.split()[1])


def test_five_sets_that_differ(box):
    box.process["capabilities"] = {
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_FOWNER"],
        "permitted": ["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
        "inheritable": ["CAP_CHOWN"], "effective": ["CAP_KILL", "CAP_CHOWN"], "ambient": ["CAP_CHOWN"]}
    box.process["user"] = {"uid": 1000, "gid": 1000}
    seen = box.report()
    assert seen.capabilities("bounding") == sorted(["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_FOWNER"])
    assert seen.capabilities("inheritable") == ["CAP_CHOWN"]
    # An ordinary user's program gets through exec what is ambient.
    assert seen.capabilities("ambient") == seen.capabilities("permitted") == seen.capabilities("effective") == ["CAP_CHOWN"]


def test_root_gets_what_the_bounding_set_allows(box):
    box.process["capabilities"] = {s: ["CAP_KILL", "CAP_SETUID"] for s in ("bounding", "effective", "permitted")}
    seen = box.report()
    for s in ("bounding", "effective", "permitted"):
        assert seen.capabilities(s) == ["CAP_KILL", "CAP_SETUID"]
    assert seen.capabilities("inheritable") == seen.capabilities("ambient") == []


def test_an_ordinary_user_without_ambient_ones_has_none(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    seen = box.report()
    assert seen.capabilities("effective") == seen.capabilities("permitted") == []
    assert seen.capabilities("bounding") == sorted(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"])


@pytest.mark.parametrize("capabilities", [None, {}, {"bounding": []}], ids=str)
def test_without_capabilities_there_are_none(box, capabilities):
    if capabilities is None:
        del box.process["capabilities"]
    else:
        box.process["capabilities"] = capabilities
    seen = box.report()
    for s in ("bounding", "effective", "permitted", "ambient"):
        assert seen.capabilities(s) == []


@pytest.mark.parametrize("name", CAPABILITIES)
def test_each_capability_has_its_bit(box, name):
    if name not in own():
        pytest.skip(f"this machine's root has no {name}")
    box.process["capabilities"] = {s: [name] for s in SETS}
    box.process["user"] = {"uid": 1000, "gid": 1000}
    seen = box.report()
    for s in SETS:
        assert seen.capabilities(s) == [name]


def test_a_capability_by_its_effect(box):
    box.capable("CAP_SYS_ADMIN")
    assert box.errno("call", "sethostname", "@abc", 3) is None


def test_without_the_capability_the_call_is_refused(box):
    assert box.errno("call", "sethostname", "@abc", 3) == "EPERM"


def test_an_unknown_capability_is_a_warning(box):
    box.capable("CAP_OF_NOTHING")
    r = box.args("/probe").run()
    assert r.status == 0, r
    assert "CAP_OF_NOTHING" in r.err


def test_a_capability_the_caller_lacks_is_a_warning(box):
    missing = [c for c in CAPABILITIES if c not in own()]
    if not missing:
        pytest.skip("this machine's root lacks no capability")
    box.capable(missing[0])
    r = box.args("/probe").run()
    assert r.status == 0, r
    assert missing[0] in r.err


def test_an_ambient_capability_that_is_not_inheritable_is_not_had(box):
    box.process["capabilities"]["ambient"] = ["CAP_KILL"]
    box.process["user"] = {"uid": 1000, "gid": 1000}
    r = box.args("/probe").run()
    assert r.status != 0 or '"CapAmb":"0000000000000000"' in r.out


def test_a_capability_that_is_no_text_is_refused(box):
    box.process["capabilities"]["bounding"] = [5]
    box.refused()
