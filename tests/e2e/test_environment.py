# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the payload's variables, its standard input and output, and the modes of its folders come from."""
import os
import shutil
import stat

import pytest


def variables(box, properties, options=(), env=None):
    out = box.good(properties, "env", "-0", options=options, env=box.env(**(env or {})))
    return dict(entry.split("=", 1) for entry in out.split("\0") if entry)


def test_pass_environment(any_box):
    given = {"ONE": "1 one", "TWO": "2", "THREE": "3"}
    seen = variables(any_box, "PassEnvironment=ONE NOTSET\nPassEnvironment=TWO", env=given)
    assert seen["ONE"] == "1 one" and seen["TWO"] == "2" and "THREE" not in seen and "NOTSET" not in seen
    assert "ONE" not in variables(any_box, "PassEnvironment=ONE\nPassEnvironment=", env=given)
    assert variables(any_box, "PassEnvironment=ONE\nEnvironment=ONE=own", env=given)["ONE"] == "own"


def test_unset_environment(any_box):
    seen = variables(any_box, "Environment=A=1 B=2 C=3\nUnsetEnvironment=A B=2 C=other LANG INVOCATION_ID")
    assert not {"A", "B", "LANG", "INVOCATION_ID"} & set(seen) and seen["C"] == "3"
    seen = variables(any_box, "Environment=A=1\nUnsetEnvironment=A\nUnsetEnvironment=\nUnsetEnvironment=PATH")
    assert seen["A"] == "1" and "PATH" not in seen


FILE = """# a comment
; another \\
 SPACED = b c \t
QUOTED="a \\" \\$x \\n \\
joined" 'and more'
SINGLE='it\\'
LINES="one
two"
CONTINUED=a\\
b
PLAIN=x # y
EMPTY=
A=file
"""


def test_environment_file(any_box):
    path = any_box.data / "env file"
    path.write_text(FILE)
    seen = variables(any_box, f"EnvironmentFile={path}\nEnvironment=A=directive B=b")
    assert seen["SPACED"] == "b c" and seen["QUOTED"] == 'a " $x \\n joinedand more' and seen["SINGLE"] == "it\\"
    assert seen["LINES"] == "one\ntwo" and seen["CONTINUED"] == "ab" and seen["PLAIN"] == "x # y" and seen["EMPTY"] == ""
    assert seen["A"] == "file" and seen["B"] == "b"
    other = any_box.data / "other"
    other.write_text("A=other\n")
    assert variables(any_box, f"EnvironmentFile={path}\nEnvironmentFile={other}")["A"] == "other"
    assert variables(any_box, f"EnvironmentFile={other}\nEnvironmentFile={path}\nUnsetEnvironment=EMPTY")["A"] == "file"
    assert "A" not in variables(any_box, f"EnvironmentFile={path}\nEnvironmentFile=")


def test_environment_files_by_pattern(box):
    for name in ("1.env", "2.env", "3.txt", ".4.env"):
        (box.data / name).write_text(f"A={name}\nV{name[0] if name[0] != '.' else 'hidden'}=1\n")
    seen = variables(box, f"EnvironmentFile={box.data}/*.env")
    assert seen["A"] == "2.env" and "V1" in seen and "V3" not in seen and "Vhidden" not in seen
    r = box.run(f"EnvironmentFile={box.data}/*.none", "true")
    assert r.status == 1 and "EnvironmentFile=" in r.err
    assert box.run(f"EnvironmentFile=-{box.data}/*.none", "true").status == 0


def test_environment_files_that_are_wrong(box):
    path = box.data / "bad"
    r = box.run(f"EnvironmentFile={path}", "true")
    assert r.status == 1 and "No such file" in r.err and f"EnvironmentFile={path}" in r.err and "hint" in r.err
    assert box.run(f"EnvironmentFile=-{path}", "true").status == 0
    for text, cause in (("A=1\nexport B=2\n", "bad:2"), ("A=1\nnothing\n", "bad:2"), ("A=1\nC='open\n", "quote"), ("A=1\nB=\x1b[2J\n", "control")):
        path.write_text(text)
        r = box.run(f"EnvironmentFile={path}", "true")
        assert r.status == 1 and cause in r.err and "environment.syntax" in r.err and "\x1b" not in r.err, r
        r = box.call("run", "-P", "--lenient", "-p", f"EnvironmentFile={path}", "sh", "-c", "echo $A")
        assert r.status == 0 and r.out == "1\n" and "note:" in r.err
    path.write_text("#" * (1 << 20) + "\n")
    assert "environment.limit" in box.run(f"EnvironmentFile={path}", "true").err
    assert box.leftovers() == []
    path.unlink()
    path.mkdir()
    assert box.run(f"EnvironmentFile={path}", "true").status == 1


def test_exec_search_path(box):
    for name in ("first", "second"):
        (box.data / name).mkdir()
        (box.data / name / "own-program").write_text(f"#!/bin/sh\necho {name} $PATH\n")
        (box.data / name / "own-program").chmod(0o755)
    first, second = box.data / "first", box.data / "second"
    assert box.good(f"ExecSearchPath={first}:{second}", "own-program") == f"first {first}:{second}\n"
    assert box.good(f"ExecSearchPath={second}\nExecSearchPath={first}", "own-program") == f"second {second}:{first}\n"
    assert box.good(f"ExecSearchPath={second}\nEnvironment=PATH=/usr/bin", "own-program") == "second /usr/bin\n"
    r = box.run(f"ExecSearchPath={first}", "cat")
    assert r.status == 1 and "ExecSearchPath=" in r.err
    assert box.run(f"ExecSearchPath={first}\nExecSearchPath=", "own-program").status == 1
    # Inside, where a bind makes the program appear.
    assert box.good(f"ExecSearchPath=/mnt\nBindPaths={second}:/mnt", "own-program").startswith("second")
    assert box.run(f"ExecSearchPath=/mnt\nBindPaths={second}:/mnt", "cat").status == 203


# ---- standard input and output ----

TALK = "cat; echo out; echo err >&2"


def test_files_for_output(any_box):
    d = any_box.data
    (d / "in").write_text("input\n")
    (d / "f").write_text("0123456789abcdef\n")
    (d / "f").chmod(0o666)
    r = any_box.shell(f"StandardInput=file:{d}/in\nStandardOutput=file:{d}/f\nStandardError=truncate:{d}/e", TALK)
    assert (r.status, r.out, r.err) == (0, "", "")
    assert (d / "f").read_text() == "input\nout\nabcdef\n" and (d / "e").read_text() == "err\n"
    for _ in range(2):
        assert any_box.shell(f"StandardInput=null\nStandardOutput=append:{d}/a\nStandardError=truncate:{d}/e", TALK).status == 0
    assert (d / "a").read_text() == "out\nout\n" and (d / "e").read_text() == "err\n"
    assert stat.S_IMODE((d / "a").stat().st_mode) == 0o644
    any_box.shell(f"StandardOutput=file:{d}/private\nUMask=0077", "true")
    assert stat.S_IMODE((d / "private").stat().st_mode) == 0o600


def test_errors_follow_output(any_box):
    d = any_box.data
    for extra in ("", "\nStandardError=inherit", f"\nStandardError=truncate:{d}/both"):
        r = any_box.shell(f"StandardInput=null\nStandardOutput=truncate:{d}/both{extra}", TALK)
        assert (r.status, r.out, r.err) == (0, "", "")
        assert (d / "both").read_text() == "out\nerr\n"
    r = any_box.shell("StandardInput=null\nStandardOutput=null", TALK)
    assert (r.status, r.out, r.err) == (0, "", "")
    r = any_box.shell("StandardInput=null\nStandardOutput=inherit\nStandardError=null", TALK)
    assert (r.status, r.out, r.err) == (0, "out\n", "")
    r = any_box.shell("StandardInput=null\nStandardError=inherit", TALK)
    assert (r.status, r.out, r.err) == (0, "out\n", "err\n")


def test_one_file_for_both_ways(box):
    f = box.data / "f"
    f.write_text("one\ntwo\n")
    assert box.shell(f"StandardInput=file:{f}\nStandardOutput=file:{f}", "read x; read y; echo $y$x").status == 0
    assert f.read_text() == "one\ntwo\ntwoone\n"


def test_in_the_background_too(box):
    unit, f = box.name(), box.data / "f"
    r = box.run(f"StandardOutput=append:{f}\nPrivateTmp=yes\nProtectSystem=strict", "sh", "-c", "echo out; echo err >&2", mode="--wait", options=["-u", unit])
    assert r.status == 0 and f.read_text() == "out\nerr\n"


def test_files_are_the_hosts_and_opened_by_the_caller(box):
    """As systemd: before the sandbox is made, so that it may be closed to the payload."""
    f = box.data / "f"
    f.write_text("")
    f.chmod(0o600)
    box.good(f"User=daemon\nInaccessiblePaths={box.data}\nStandardOutput=append:{f}", "echo", "here")
    assert f.read_text() == "here\n"


@pytest.mark.parametrize("stream, status", [("Input", 208), ("Output", 209), ("Error", 222)])
def test_files_that_cannot_be_opened(any_box, stream, status):
    r = any_box.run(f"Standard{stream}=file:/nonexist/x", "true")
    assert r.status == status and f"Standard{stream}=file:/nonexist/x" in r.err and "/nonexist/x" in r.err
    if any_box.uid:
        r = any_box.run("StandardOutput=append:/etc/passwd", "true")
        assert r.status == 209 and "Permission denied" in r.err


# ---- folders ----

FOLDERS = {"Runtime": "/run", "State": "/var/lib", "Cache": "/var/cache", "Logs": "/var/log", "Configuration": "/etc"}


@pytest.mark.parametrize("kind", FOLDERS)
def test_modes_of_folders(box, kind):
    name = box.name()
    path = f"{FOLDERS[kind]}/{name}"
    try:
        look = f"stat -c %a {path} {path}/below"
        properties = [f"{kind}Directory={name} {name}/below"]
        assert box.shell([*properties, f"{kind}DirectoryMode=0750"], look).out == "750\n750\n"
        again = box.shell([*properties, f"{kind}DirectoryMode=2711"], look).out
        assert again == ("750\n750\n" if kind == "Configuration" else "2711\n2711\n")
        reset = box.shell([*properties, f"{kind}DirectoryMode=0700", f"{kind}DirectoryMode="], look).out
        assert reset == ("750\n750\n" if kind == "Configuration" else "755\n755\n")
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("value, kept", [("no", False), ("restart", False), ("yes", True)])
def test_runtime_folders_that_stay(box, value, kept):
    name = box.name()
    path = f"/run/{name}"
    try:
        assert box.shell([f"RuntimeDirectory={name}", f"RuntimeDirectoryPreserve={value}"], f"echo x >{path}/f").status == 0
        assert os.path.exists(path) == kept
        assert (box.shell([f"RuntimeDirectory={name}"], f"cat {path}/f").out == "x\n") == kept
    finally:
        shutil.rmtree(path, ignore_errors=True)


def test_a_dynamic_users_runtime_folder_that_stays(box):
    name = box.name()
    try:
        properties = ["DynamicUser=yes", f"RuntimeDirectory={name}", "RuntimeDirectoryPreserve=yes"]
        assert box.shell(properties, f"echo x >/run/{name}/f").status == 0
        assert os.readlink(f"/run/{name}") == f"private/{name}" and os.stat("/run/private").st_mode & 0o7777 == 0o700
        assert box.shell([*properties, "User=other-name"], f"cat /run/{name}/f").out == "x\n"
    finally:
        shutil.rmtree(f"/run/private/{name}", ignore_errors=True)
        if os.path.islink(f"/run/{name}"):
            os.unlink(f"/run/{name}")  # "private" is left: others may just be about to use it


@pytest.mark.parametrize("assignment,status", [("StandardInput=socket", 208), ("StandardOutput=fd:x", 209), ("StandardError=fd", 222)])
def test_a_run_has_no_sockets_for_its_streams(box, assignment, status):
    r = box.run(assignment, "true")
    assert r.status == status and "stdio.socket" in r.err and r.out == ""
    assert box.leftovers() == []


@pytest.mark.parametrize("assignment", ["PassEnvironment=A=b", "PassEnvironment=1A", "UnsetEnvironment==x", "EnvironmentFile=relative", "EnvironmentFile=/a*/b",
                                        "ExecSearchPath=bin", "StandardInput=fd:", "StandardOutput=kmsg", "StandardOutput=file:x", "StandardError=fd:a:b",
                                        "RuntimeDirectoryMode=9", "StateDirectoryMode=70000", "RuntimeDirectoryPreserve=perhaps"])
def test_values_that_are_refused(box, assignment):
    r = box.run(assignment, "true")
    assert r.status == 1 and assignment.split("=")[0] in r.err and "hint" in r.err and r.out == ""
    assert box.leftovers() == []
