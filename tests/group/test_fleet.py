# SPDX-License-Identifier: LGPL-2.1-or-later
"""bulkhead plan, apply, status, events, group and template."""
import json
import os
import signal
import time

import pytest

from fleet import FAKE, Fleet, document, until


@pytest.fixture
def fleet():
    f = Fleet()
    yield f
    f.close()


@pytest.fixture
def running(fleet):
    """With a controller and the plugins of the documents."""
    fleet("plugin", "start", "group", "file", "vanilla", "--detach")
    return fleet


def test_apply_starts_what_is_missing_and_waits(fleet):
    web = fleet.write("web.json", document("web"), document("api", 2))
    assert "plugin.missing" in fleet("plan", web, status=1).err
    done = fleet("apply", web)
    assert "2 to create, 0 to change, 0 as wanted." in done.out
    assert "web: 3/3 current" in done.err and "api: 2/2 current" in done.err
    assert sorted(fleet.listed()) == ["file", "group", "vanilla"]
    assert len(fleet.instances()) == 5
    fleet.instances()[0].unlink()
    until(lambda: len(fleet.instances()) == 5)
    fleet.converged()
    assert {g["ID"]: g["Converged"] for g in fleet.json("status")["Groups"]} == {"api": True, "web": True}


def test_plan_tells_by_its_status_and_in_words_and_json(running):
    web = running.write("web.json", document())
    assert "+ web  Managing 3 instances" in running("plan", web, status=2).out
    assert not running.instances(), "a plan changes nothing"
    running("apply", web)
    assert "= web  Noop" in running("plan", web).out
    web = running.write("web.json", document(size=4, note="v2"))
    plan = running("plan", web, status=2).out
    assert "~ web  Performing a rolling update on 3 instances, then adding 1 instances to increase the group size to 4 (now at revision 1)" in plan
    assert '/Properties/Instance/Properties/Note\n        - "v1"\n        + "v2"\n' in plan and "size 3 -> 4" in plan
    found = running.json("plan", web, status=2)
    assert found["Pending"] and found["Groups"][0]["Roll"] and found["Groups"][0]["Size"] == {"Old": 3, "New": 4}
    assert "\033" not in plan


def test_a_plan_is_applied_as_it_was_shown_or_not_at_all(running):
    web = running.write("web.json", document())
    kept = running.folder / "kept.plan"
    running("plan", web, "--out", kept, status=2)
    assert kept.stat().st_mode & 0o777 == 0o600
    web.write_text("{}")  # the plan has its documents in it
    running("apply", "--plan", kept)
    assert len(running.instances()) == 3
    assert "fleet.stale" in running("apply", "--plan", kept, status=1).err
    assert len(running.instances()) == 3
    changed = json.loads(kept.read_text())
    changed["Version"] = 2
    kept.write_text(json.dumps(changed))
    assert "fleet.plan" in running("apply", "--plan", kept, status=1).err
    assert running("apply", "--plan", kept, web, status=64).err


def test_on_a_terminal_there_is_a_table_and_a_question_before_instances_go(running):
    web = running.write("web.json", document())
    shown, status = running.terminal("apply", web)
    assert status == 0 and "[####################] 3/3 current" in shown and "[y/N]" not in shown
    web = running.write("web.json", document(note="v2"))
    shown, status = running.terminal("apply", web, answer="n")
    assert status == 1 and "[y/N]" in shown and "group.declined" in shown
    assert running.json("status")["Groups"][0]["Revision"] == 1
    shown, status = running.terminal("apply", web, answer="y")
    assert status == 0 and running.json("status")["Groups"][0]["Revision"] == 2
    shown, status = running.terminal("group", "destroy", "web", answer="n")
    assert status == 1 and running.instances()
    shown, status = running.terminal("group", "destroy", "web", "-y")
    assert status == 0 and "[y/N]" not in shown
    until(lambda: not running.instances())


def test_waiting_ends_and_the_controller_goes_on(running):
    held = running.folder / "held"
    held.touch()
    running("plugin", "start", f"slow={FAKE} --held {held}", "--detach", "--no-sandbox")
    web = running.write("web.json", document(plugin="slow", size=1))
    assert "the time is over" in running("apply", web, "--timeout", "300ms", status=3).err
    p = running.start("apply", web)
    said = p.stdout.readline()
    while "0/1" not in said:  # it waits
        assert said, "it ended"
        said = p.stdout.readline()
    p.send_signal(signal.SIGINT)
    assert p.wait(60) == 130 and "the controller goes on" in p.stdout.read()
    assert running.json("status")["Groups"][0]["Live"] == 0, "nobody waited for the instance"
    held.unlink()
    until(lambda: running.json("status")["Groups"][0]["Live"] == 1)
    assert running("apply", web, "--no-wait").status == 0


def test_what_does_not_go_on_by_itself_is_said(running):
    assert "nobody" in running("apply", running.write("web.json", document(plugin="nobody")), status=1).err
    running("plugin", "start", f"failing={FAKE} --fail", "--detach")
    web = running.write("web.json", document(plugin="failing", size=1, Limits={"Attempts": 2, "Backoff": "10ms", "BackoffMax": "10ms"}))
    done = running("apply", web, "--timeout", "20s", status=3)
    assert "does not go on by itself" in done.err and "circuit open: the provider fails" in done.err
    assert "circuit open" in running("status").out


def test_groups_by_infrakits_words(running):
    commit = json.dumps(document())
    assert running("group", "commit", "--pretend", commit).out == "Committing web would involve: Managing 3 instances\n"
    assert running("group", "commit", "-", text=commit).out == "Committed web: Managing 3 instances\n"
    running.converged()
    assert len(running.instances()) == 3
    assert running("group", "ls", "-q").out == "web\n"
    assert running("group", "ls").out.splitlines()[1].split() == ["web", "3", "file", "vanilla"]
    ids = running("group", "ls", "web", "-q").out.split()
    assert sorted(ids) == sorted(f.name for f in running.instances())
    assert running("group", "describe", "web").out.endswith("\nconverged\n")
    assert json.loads(running("group", "inspect", "web").out)["Properties"]["Allocation"]["Size"] == 3
    assert running("group", "scale", "web").out == "Group web at 3 instances\n"
    assert running("group", "scale", "web", "4", "--reason", "more guests").out == "Group web at 3 instances, scale to 4\n"
    running.converged()
    assert len(running.instances()) == 4
    running("group", "destroy-instances", "web", ids[0])
    until(lambda: len(running.instances()) == 3)
    running.converged()
    assert ids[0] not in running("group", "ls", "web", "-q").out
    assert "more guests" in running("group", "history", "web").out
    assert running("group", "free", "web").out == "Freed web\n"
    running.instances()[0].unlink()
    time.sleep(0.5)
    assert len(running.instances()) == 2, "nobody cares any more"
    running("group", "commit", commit)
    running("group", "destroy", "web")
    until(lambda: not running.instances())


def test_undo_and_history(running):
    running("group", "commit", json.dumps(document(note="v1")), "--reason", "first")
    running.converged()
    running("group", "commit", json.dumps(document(note="v2")), "--reason", "second")
    running.converged("web")
    assert running("group", "undo", "web").out.startswith("web is at revision 3 now: Performing a rolling update on 3 instances")
    running.converged("web")
    assert len(running.instances()) == 3 and all('"v1"' in f.read_text() for f in running.instances())
    revisions = running.json("group", "history", "web")["Revisions"]
    assert [r["Revision"] for r in revisions] == [3, 2, 1] and [r["Reason"] for r in revisions][1:] == ["second", "first"]
    assert running("group", "undo", "web", "99", status=1).err
    assert running("group", "pause", "web").out == "Paused web\n" and running("group", "resume", "web").out == "Resumed web\n"


def test_errors_of_groups(running):
    for verb in ("describe", "inspect", "scale", "free", "destroy", "pause", "resume", "undo", "history"):
        assert "group.unknown" in running("group", verb, "nosuch", status=1).err, verb
    assert "group.unknown" in running("status", "nosuch", status=1).err
    assert running("group", "scale", "nosuch", "x", status=1).err.count("json.value") == 1
    assert running("group", "enlarge", status=2).err.startswith('bulkhead group: unknown verb "enlarge"')
    assert running("group", "destroy-instances", "web", status=64).err


def test_status_shows_instances(running):
    running("apply", running.write("web.json", document()))
    rows = running("status", "web").out.splitlines()
    assert rows[1].split() == ["web", "1", "3", "3", "3", rows[1].split()[5], "0", "0", "converged"]
    assert len([r for r in rows if "current" in r and "live" in r]) == 3


def test_events_and_the_audit_log(running):
    running("apply", running.write("fleet.json", document("web", 1), document("api", 1)), "--reason", "a start")
    topics = [json.loads(line) for line in running("events", "--json").out.splitlines()]
    assert {"group/committed", "group/converged"} <= {t["Topic"] for t in topics} and {t["Group"] for t in topics} == {"web", "api"}
    assert {json.loads(line)["Group"] for line in running("events", "--json", "--group", "api").out.splitlines()} == {"api"}
    assert len(running("events", "-n", "1").out.splitlines()) == 1
    entry = [json.loads(line) for line in running("events", "--audit", "--json").out.splitlines()][-1]
    assert entry["Method"] == "Fleet.Apply" and entry["Reason"] == "a start" and entry["UID"] == os.geteuid() and entry["Outcome"] == "ok"


def test_following_misses_nothing_and_tells_nothing_twice_across_a_restart(running):
    running("apply", running.write("web.json", document(size=1)))
    p = running.start("events", "-f", "--json")
    first = [json.loads(p.stdout.readline())]
    os.kill(running.listed()["group"]["PID"], signal.SIGKILL)
    until(lambda: running.listed().get("group", {}).get("State") == "answers")
    running("group", "scale", "web", "2")
    running("group", "scale", "web", "3")
    running.converged()
    wanted = [json.loads(line) for line in running("events", "--json").out.splitlines()]
    seen = first + [json.loads(p.stdout.readline()) for _ in range(len(wanted) - 1)]
    assert [e["Sequence"] for e in seen] == [e["Sequence"] for e in wanted]


def test_templates(fleet):
    (fleet.folder / "parts").mkdir()
    (fleet.folder / "parts/init.sh").write_text('echo "{{ var "who" }}"')
    main = fleet.folder / "main.json"
    main.write_text('{"Init": {{ include "file://parts/init.sh" | quote }}, "Stage": {{ env "STAGE" | default "test" | quote }}}')
    assert json.loads(fleet("template", main, "--var", "who=you").out) == {"Init": 'echo "you"', "Stage": "test"}
    fleet.environment["STAGE"] = "live"
    assert json.loads(fleet("template", "main.json", "--var", "who=you").out)["Stage"] == "live"
    assert "template.value" in fleet("template", main, status=1).err and "init.sh:1" in fleet("template", main, status=1).err
    assert "template.include" in fleet("template", "-", text='{{ include "https://example.org/x" }}', status=1).err
    assert "file.read" in fleet("template", "-", text='{{ include "nosuch" }}', status=1).err
    assert "template.syntax" in fleet("template", "-", text="{{ if }}", status=1).err
    assert fleet("template", "-", "--var", "n=7", text='{{port}} {{ tag a.b }} {{ id }} {{ var "n" }}').out == "{{port}} {{ tag a.b }} {{ id }} 7"
    assert "template." in fleet("template", "-", text="{{ ports }}", status=1).err
    assert fleet("template", "-", text="{{ include \"str://{{ add 1 2 }}\" }}").out == "3"


def test_fleet_files_of_all_shapes_and_their_errors(running):
    one, two = document("a", 1), document("b", 1)
    (running.folder / "one.json").write_text(json.dumps(one))
    (running.folder / "list.json").write_text(json.dumps([two]))
    assert "2 to create" in running("plan", "one.json", "list.json", status=2).out
    assert "1 to create" in running("plan", json.dumps({"Groups": [one]}), status=2).out
    wrapped = [{"Plugin": "group", "Properties": one}, {"kind": "group", "metadata": {"name": "b"}, "properties": two["Properties"]}]
    found = running("plan", json.dumps(wrapped), status=2).out
    assert "+ a " in found and "+ b " in found and "2 to create" in found
    assert running("plan", "--json", json.dumps(wrapped), status=2).out == running("plan", "--json", json.dumps([one, two]), status=2).out
    for text in ('{"kind":"group","properties":{}}', '{"kind":"group","metadata":{"name":7},"properties":{}}', '{"kind":"vm","metadata":{"name":"b"},"properties":{}}'):
        assert "json.value" in running("plan", "-", text=text, status=1).err, text
    assert "+ x " in running("plan", "-", "--var", "n=x", text=json.dumps(one).replace('"a"', '{{ var "n" | quote }}'), status=2).out
    for text, words in (("{", "json.syntax"), ("[]", "fleet.documents"), ('{"Groups":[]}', "fleet.documents"), (json.dumps([one, one]), "fleet.documents"),
                        ('{"ID":"x"}', "json.value"), ('{"Groups":[{"ID":"x","Properties":{"Allocation":{"Size":-1}}}]}', "/Groups/0/Properties")):
        assert words in running("plan", "-", text=text, status=1).err, text
    assert "file.read" in running("plan", "nosuch.json", status=1).err
    assert "which file?" in running("plan", status=64).err
