# SPDX-License-Identifier: LGPL-2.1-or-later
"""bulkhead score --suggest: which directives a command goes on working with."""
import json

import pytest


def suggest(box, *options, command=(), **more):
    r = box.call("score", "--suggest", "--json", *options, *(["--", *command] if command else []), timeout=180, **more)
    assert r.status == 0, r
    return json.loads(r.out)


def results(found):
    return {s["directive"]: s["result"] for s in found["suggestions"]}


@pytest.fixture
def unit(box):
    def write(command, *lines):
        path = box.folder / "web.service"
        path.write_text("\n".join(["[Service]", f"ExecStart={command}", *lines]) + "\n")
        return path
    return write


def test_what_a_command_needs_breaks_it_and_the_rest_is_ok(box):
    found = suggest(box, command=["/bin/sh", "-c", f"ls /sys/class/net | grep -qv '^lo$' || [ $(ls /sys/class/net | wc -l) != 1 ] && touch {box.data}/x && umask 022"])
    verdicts = results(found)
    assert verdicts["ProtectHome=yes"] == verdicts["LockPersonality=yes"] == "ok"
    assert found["reachable"] < found["exposure"]


def test_a_home_that_is_needed_is_not_hidden(box):
    found = suggest(box, "-p", "User=root", command=["/bin/sh", "-c", "ls /root >/dev/null && test -w /root"])
    verdicts = results(found)
    assert verdicts["ProtectHome=yes"] == verdicts["ProtectHome=read-only"] == "breaks" and verdicts["ProtectKernelLogs=yes"] == "ok"
    why = next(s["why"] for s in found["suggestions"] if s["directive"] == "ProtectHome=yes")
    assert why.startswith("status ")


def test_a_unit_is_tried_with_its_own_command(box, unit):
    path = unit("/bin/sh -c 'echo x > /etc/bulkhead-suggest-test && rm /etc/bulkhead-suggest-test'")
    verdicts = results(suggest(box, path))
    assert verdicts["ProtectSystem=strict"] == verdicts["ProtectSystem=full"] == "breaks" and verdicts["ProtectSystem=yes"] == "ok"


def test_the_largest_gain_is_tried_first_and_what_is_there_is_not_suggested(box, unit):
    found = suggest(box, unit("/bin/true", "PrivateNetwork=yes", "NoNewPrivileges=yes"))
    names = [s["directive"] for s in found["suggestions"]]
    assert names[0] == "CapabilityBoundingSet=" and "PrivateNetwork=yes" not in names and "NoNewPrivileges=yes" not in names
    # What a broader one covers is not tried again.
    assert not any(n.startswith("CapabilityBoundingSet=~") for n in names)


def test_the_drop_in_makes_the_unit_as_good_as_was_said_and_it_works(box, unit):
    path = unit(f"/bin/sh -c 'echo done > {box.data}/out'")
    drop_in = box.folder / "web.service.d" / "hardening.conf"
    drop_in.parent.mkdir()
    found = suggest(box, path, "--output", drop_in)
    (after,) = json.loads(box.call("score", "--json", path).out)
    assert after["exposure"] == found["reachable"] < 2.0
    (box.data / "out").unlink()
    r = box.call("run", "-P", "-q", "--like", path)
    assert r.status == 0 and (box.data / "out").read_text() == "done\n"
    again = box.call("score", "--suggest", path, "--output", drop_in, timeout=180)
    assert again.status == 2 and "score.output" in again.err and drop_in.read_text().startswith("# Found by")


def test_a_drop_in_can_be_printed(box):
    r = box.call("score", "--suggest", "--output", "-", "--", "/bin/true", timeout=180)
    lines = r.out.splitlines()
    assert r.status == 0 and lines[1] == "[Service]" and "PrivateNetwork=yes" in lines and all("=" in line for line in lines[2:])


def test_a_service_that_runs_on_is_judged_by_running_on(box, unit):
    # Each trial that runs on takes the whole time, in which the others have to fail: so only a few are left to be tried.
    opened = ["ProtectHome=no", "ProtectKernelLogs=no", "DynamicUser=no", "IPAddressDeny=any", "RestrictAddressFamilies=none"]
    found = suggest(box, unit("/bin/sh -c 'test -w /root && exec sleep 600'", *opened), "--profile", "strict", "--timeout", "3s")
    verdicts = results(found)
    assert verdicts["ProtectHome=yes"] == "breaks" and verdicts["ProtectKernelLogs=yes"] == "ok"
    assert box.leftovers() == []


def test_a_command_that_fails_as_it_is_tells_nothing(box):
    r = box.call("score", "--suggest", "--", "/bin/sh", "-c", "echo broken as it is >&2; exit 3")
    assert r.status == 2 and "score.trial" in r.err and "status 3: broken as it is" in r.err and r.out == ""


def test_something_must_be_named(box):
    assert box.call("score", "--suggest").status not in (0, 1, 2)
    assert box.call("score", "--suggest", "-p", "User=daemon").status == 2
    assert box.call("score", "--suggest", "--measured", "--", "/bin/true").status not in (0, 1, 2)
    assert box.call("score", "--output", "x", "a.service").status not in (0, 1, 2)
    assert box.call("score", "a.service", "--", "/bin/true").status not in (0, 1, 2)


@pytest.mark.parametrize("time", ["0", "2h", "x", ""])
def test_the_time_has_limits(box, time):
    r = box.call("score", "--suggest", f"--timeout={time}", "--", "/bin/true")
    assert r.status not in (0, 1, 2) and "--timeout takes a time" in r.err
