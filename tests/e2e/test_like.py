# SPDX-License-Identifier: LGPL-2.1-or-later
"""run and explain --like: the sandbox of a unit's file."""
import json

import pytest


@pytest.fixture
def units(box):
    folder = box.folder / "units"
    folder.mkdir()
    folder.chmod(0o755)

    def write(name, *lines, section="Service"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([f"[{section}]", *lines]) + "\n")
        return path
    return write


def like(box, unit, *argv, options=(), mode="-P"):
    return box.call("run", "-q", mode, "--like", unit, *options, "--", *argv, env=box.env(BULKHEAD_UNIT_PATH=str(box.folder / "units")))


def good(box, unit, *argv, **more):
    r = like(box, unit, *argv, **more)
    assert r.status == 0, r
    return r.out


def test_a_command_gets_the_sandbox_of_a_unit(box, units):
    units("web.service", "ExecStart=/bin/false", "ProtectSystem=strict", "PrivateNetwork=yes", "Environment=COLOUR=blue")
    script = "touch /usr/x 2>/dev/null && echo wrote; ls /sys/class/net; echo $COLOUR"
    assert good(box, "web", "/bin/sh", "-c", script) == "lo\nblue\n"


def test_drop_ins_count_and_an_empty_value_resets(box, units):
    units("web.service", "InaccessiblePaths=/srv", "PrivateNetwork=yes")
    units("web.service.d/more.conf", "InaccessiblePaths=", "PrivateNetwork=no")
    assert str(box.data) in good(box, "web.service", "/bin/ls", "-d", box.data)
    assert good(box, "web", "/bin/readlink", "/proc/self/ns/net") == box.good([], "/bin/readlink", "/proc/self/ns/net")


def test_the_callers_own_properties_come_last(box, units):
    units("web.service", "UMask=0077", "Environment=A=unit")
    assert good(box, "web", "/bin/sh", "-c", "umask; echo $A", options=["-p", "UMask=0027", "-p", "Environment=A=mine"]) == "0027\nmine\n"


def test_a_file_is_named_by_its_path(box, units):
    path = units("else.service", "UMask=0077")
    assert good(box, path, "/bin/sh", "-c", "umask") == "0077\n"


def test_without_a_command_it_is_the_units(box, units):
    units("web.service", "Environment=WHO=you 'AND=a b'", "ExecStart=-@/bin/sh own-name -c 'echo $0 $1 \"$2\" $3' x $WHO ${AND} $$HOME %p")
    assert good(box, "web") == "x you a b $HOME\n"
    units("name.service", "ExecStart=@/bin/sh own-name -c 'cat /proc/$$$$/cmdline | tr \"\\\\\\\\0\" \" \"'")
    assert good(box, "name").startswith("own-name -c ")


def test_an_instance_fills_the_template(box, units):
    units("web@.service", "ExecStart=/bin/echo %i %I %p", "Environment=PORT=%i")
    assert good(box, "web@a-b.service") == "a-b a/b web\n"
    assert good(box, "web@80", "/bin/sh", "-c", "echo $PORT") == "80\n"


def test_the_command_has_the_variables_of_the_unit_and_of_its_files(box, units):
    (box.data / "variables").write_text('OPTIONS="-a -b"\nGONE=1\nPORT=81\n')
    units("web.service", "ExecStart=/bin/echo $OPTIONS ${PORT} $GONE end", "Environment=PORT=80", f"EnvironmentFile={box.data}/variables",
          "EnvironmentFile=-/nonexistent/file", "UnsetEnvironment=GONE")
    assert good(box, "web") == "-a -b 81 end\n"
    units("bad.service", "ExecStart=/bin/echo $OPTIONS", "EnvironmentFile=/nonexistent/file")
    r = like(box, "bad")
    assert r.status != 0 and "environment.file" in r.err and r.out == "", r


def test_how_a_service_lives_is_passed_over(box, units):
    units("web.service", "Type=notify", "Restart=always", "ExecStartPre=/bin/false", "ExecReload=/bin/kill -HUP $MAINPID", "KillMode=process",
          "TimeoutStopSec=5", "PIDFile=/run/web.pid", "StandardOutput=journal", "SyslogIdentifier=web", "Slice=system.slice", "MemoryAccounting=yes",
          "WatchdogSec=10", "ExecStart=/bin/echo done")
    assert good(box, "web") == "done\n"


@pytest.mark.parametrize("line, where, id", [("RootHash=abc", "RootHash=abc", "directive.unsupported"), ("ProtectSytem=yes", "web.service:3", "directive.unknown"),
                                             ("ProtectSystem=some", "ProtectSystem=some", "directive.value")], ids=["systemd's", "nobody's", "value"])
def test_what_cannot_be_applied_stops_the_start_and_is_a_note_if_lenient(box, units, line, where, id):
    units("web.service", "ExecStart=/bin/echo ran", line)
    r = like(box, "web")
    assert r.status == 1 and where in r.err and id in r.err and r.out == "", r
    r = box.call("run", "-P", "--lenient", "--like", "web", env=box.env(BULKHEAD_UNIT_PATH=str(box.folder / "units")))
    assert r.status == 0 and r.out == "ran\n" and "note:" in r.err and line.split("=")[0] in r.err, r


@pytest.mark.parametrize("lines, words", [([], "is missing"), (["ExecStart=/bin/true", "ExecStart=/bin/true"], "more than one command"),
                                          (["ExecStart=+/bin/true"], "outside of a part of the sandbox")], ids=["none", "two", "privileged"])
def test_a_unit_without_one_command_to_run_needs_one(box, units, lines, words):
    units("web.service", "Type=oneshot", *lines)
    r = like(box, "web")
    assert r.status == 1 and "unit.command" in r.err and words in r.err, r
    assert good(box, "web", "/bin/echo", "other") == "other\n"


def test_units_that_are_not_there_or_start_nothing_are_errors(box, units):
    units("some.target", section="Unit")
    r = like(box, "missing", "/bin/true")
    assert r.status == 1 and "unit.missing" in r.err, r
    r = like(box, "some.target", "/bin/true")
    assert r.status == 1 and "unit.kind" in r.err, r


def test_explain_tells_what_of_it_holds(box, units):
    units("web.service", "Type=oneshot", "ProtectSystem=full", "NoNewPrivileges=yes")
    env = box.env(BULKHEAD_UNIT_PATH=str(box.folder / "units"))
    r = box.call("explain", "--like", "web", env=env)
    assert r.status == 0 and "ProtectSystem=full" in r.out and "NoNewPrivileges=yes" in r.out, r
    r = box.call("explain", "--json", "--like", "web", env=env)
    assert r.status == 0 and "ProtectSystem=full" in json.dumps(json.loads(r.out)), r
