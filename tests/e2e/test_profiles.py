# SPDX-License-Identifier: LGPL-2.1-or-later
"""--profile: one word for a whole sandbox, which -p and units open where it must be."""
import json

import pytest

PROFILES = ("strict", "default", "trusted")


def run(box, profile, script, *properties, **more):
    return box.call("run", "-P", "-q", "--profile", profile, *(w for p in properties for w in ("-p", p)), "--", "/bin/sh", "-c", script, **more)


def out(box, profile, script, *properties, **more):
    r = run(box, profile, script, *properties, **more)
    assert r.status == 0, r
    return r.out


# A script that prints "no" where it is stopped, the profiles that stop it, and the line that opens it again for them.
CASES = [
    ("touch /usr/.bulkhead-x 2>/dev/null && rm /usr/.bulkhead-x && echo yes || echo no", {"strict", "default"}, None),
    ("ls /root >/dev/null 2>&1 && echo yes || echo no", {"strict", "default"}, ("ProtectHome=no", "DynamicUser=no")),
    ("test $(ls /sys/class/net | wc -l) -gt 1 && echo yes || echo no", {"strict"}, ("PrivateNetwork=no",)),
    ("grep -q '^CapBnd:.*[1-9a-f]' /proc/self/status && echo yes || echo no", {"strict"}, ("CapabilityBoundingSet=CAP_KILL",)),
    ("test $(id -u) = 0 && echo yes || echo no", {"strict", "default"}, ("DynamicUser=no",)),
    ("test -e /proc/meminfo && echo yes || echo no", {"strict"}, ("ProcSubset=all",)),
    ("grep -q '^NoNewPrivs:.*0' /proc/self/status && echo yes || echo no", {"strict", "default"}, None),
    ("unshare -U true 2>/dev/null && echo yes || echo no", {"strict", "default"}, ("RestrictNamespaces=no",)),
    ("ls /dev | grep -qv -e null -e zero -e full -e random -e urandom -e tty -e pts -e ptmx -e shm -e mqueue -e hugepages -e std -e fd -e core -e log && echo yes || echo no",
     {"strict", "default"}, ("PrivateDevices=no",)),
    ("test $(umask) = 0022 && echo yes || echo no", {"strict", "default"}, ("UMask=0022",)),
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", CASES, ids=[c[0][:30] for c in CASES])
def test_a_profile_stops_what_it_says_and_a_line_opens_it(box, profile, case):
    script, stopped, opens = case
    if out(box, "trusted", script) != "yes\n" and profile != "trusted":
        pytest.skip("this host has nothing of that")
    if profile not in stopped:
        if profile != "trusted":
            assert out(box, profile, script) == "yes\n"
        return
    assert out(box, profile, script) == "no\n"
    if opens:
        assert out(box, profile, script, *opens) == "yes\n"


@pytest.mark.parametrize("profile", PROFILES)
def test_programs_run_in_every_profile(any_box, profile):
    assert out(any_box, profile, "echo hello; ls / >/dev/null; cat /etc/passwd >/dev/null; echo x > /tmp/x && cat /tmp/x") == "hello\nx\n"


@pytest.mark.parametrize("profile, least, most", [("strict", 0.0, 0.5), ("default", 0.5, 2.5), ("trusted", 8.0, 9.5)])
def test_profiles_have_their_scores(box, profile, least, most):
    (unit,) = json.loads(box.call("score", "--json", "--profile", profile).out)
    assert least <= unit["exposure"] <= most
    (unit,) = json.loads(box.call("score", "--json", "--measured", "--profile", profile).out)
    assert unit["measured"] <= unit["exposure"] and unit["whole"]


def test_explain_names_the_profile(box):
    text = box.call("explain", "--profile", "strict", "-p", "PrivateNetwork=no").out
    assert "ProtectSystem=strict (profile strict)" in text and "RestrictNamespaces=yes (profile strict)" in text
    assert "network  " not in text.replace("namespace     network", "!")
    plan = json.loads(box.call("explain", "--json", "--profile", "default").out)
    assert "(profile default)" in json.dumps(plan)


def test_a_unit_opens_a_profile_and_p_comes_last(box):
    unit = box.folder / "web.service"
    unit.write_text("[Service]\nExecStart=/bin/false\nUMask=0027\nDynamicUser=no\nEnvironment=A=unit\n")
    r = box.call("run", "-P", "-q", "--profile", "strict", "--like", unit, "-p", "UMask=0007", "--", "/bin/sh", "-c", "umask; id -u; echo $A; ls /home 2>&1 | head -c 3")
    assert r.status == 0 and r.out.startswith("0007\n0\nunit\n")
    text = box.call("explain", "--profile", "strict", "--like", unit).out
    assert "ProtectSystem=strict (profile strict)" in text


def test_an_ordinary_user_gets_all_but_what_root_alone_can_have(user_box):
    text = user_box.call("explain", "--profile", "strict").out
    assert "DynamicUser" not in text and "ProtectSystem=strict (profile strict)" in text
    assert out(user_box, "strict", "ls /home >/dev/null 2>&1 && echo yes || echo no; ls /sys/class/net") == "no\nlo\n"


def test_a_profile_that_is_none_is_an_error(box):
    for command in (["run", "-P", "--profile", "paranoid", "/bin/true"], ["explain", "--profile", "paranoid"], ["score", "--profile", "paranoid"]):
        r = box.call(*command)
        assert r.status in (1, 2) and "profile.unknown" in r.err and "strict, default or trusted" in r.err
