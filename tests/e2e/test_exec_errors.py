# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a failing start says: the stage's exit status, the directive, and what exactly is missing."""
import os

import pytest


def script(box, name, text, mode=0o755):
    path = box.data / name
    path.write_bytes(text)
    path.chmod(mode)
    return path


def identifier(result):
    return [line.split(None, 1)[1] for line in result.err.splitlines() if line.startswith("  id ")]


def test_a_script_whose_interpreter_is_missing_is_named(box):
    r = box.run("", script(box, "s", b"#!/nonexistent/python\nprint(1)\n"))
    assert r.status == 203 and identifier(r) == ["exec.interpreter"] and "/nonexistent/python" in r.err


def test_a_script_with_windows_line_ends_is_recognized(box):
    r = box.run("", script(box, "s", b"#!/bin/sh\r\necho hi\r\n"))
    assert r.status == 203 and "CRLF" in r.err and "sed -i" in r.err


def test_a_program_without_its_elf_interpreter_names_it(box):
    data, ours = open("/bin/true", "rb").read(), b"/lib64/ld-linux-x86-64.so.2"
    assert data.count(ours + b"\0") == 1
    r = box.run("", script(box, "p", data.replace(ours, b"/nonexistent/ld.so".ljust(len(ours), b"\0"))))
    assert r.status == 203 and identifier(r) == ["exec.interpreter"] and "/nonexistent/ld.so" in r.err


def test_a_program_for_another_machine_is_recognized(box):
    data = bytearray(open("/bin/true", "rb").read())
    data[18:20] = (243).to_bytes(2, "little")  # EM_RISCV
    r = box.run("", script(box, "riscv", bytes(data)))
    assert r.status == 203 and identifier(r) == ["exec.architecture"] and "243" in r.err


def test_a_file_that_is_no_program_is_recognized(box):
    r = box.run("", script(box, "text", b"just text\n"))
    assert r.status == 203 and identifier(r) == ["exec.format"]


def test_a_file_without_the_execute_bit_is_refused(box):
    r = box.run("", script(box, "plain", b"#!/bin/sh\n", 0o644))
    assert r.status == 203 and "Permission denied" in r.err


def test_a_program_that_a_directive_hides_is_missing_inside_only(box):
    program = script(box, "s", b"#!/bin/sh\necho ran\n")
    assert box.good("", program) == "ran\n"
    r = box.run(f"InaccessiblePaths={box.data}", program)
    assert r.status == 203


@pytest.mark.parametrize("properties,status,words", [
    ("InaccessiblePaths=/nonexist", 226, ["InaccessiblePaths=/nonexist", "does not exist", "write -/nonexist"]),
    ("User=nosuchuser", 217, ["User=nosuchuser", "does not exist"]),
    ("Group=nosuchgroup", 216, ["nosuchgroup"]),
    ("WorkingDirectory=/nonexist", 200, ["WorkingDirectory=/nonexist", "No such file or directory"]),
    ("BindPaths=/nonexist:/mnt", 226, ["bind source /nonexist", "BindPaths=/nonexist:/mnt"]),
])
def test_a_failing_stage_says_directive_path_and_cause(box, properties, status, words):
    r = box.run(properties, "/bin/true")
    assert r.status == status, r
    assert all(word in r.err for word in words), r.err
    assert r.err.startswith("bulkhead: cannot start") and "  cause " in r.err and "  id " in r.err
    assert box.leftovers() == []


def test_the_same_errors_reach_the_caller_of_a_detached_run(box):
    r = box.call("run", "-q", "-u", box.name(), "-p", "ReadOnlyPaths=/nonexist", "/bin/true")
    assert r.status == 226 and "ReadOnlyPaths=/nonexist" in r.err


@pytest.mark.parametrize("argument,words", [
    ("Foo=bar", ["unknown directive", "Foo"]),
    ("ProtectSystem=maybe", ["ProtectSystem=maybe", "no, yes, full, strict"]),
    ("privatetmp=yes", ["did you mean PrivateTmp"]),
    ("PrivateTmp", ["NAME=VALUE"]),
    ("CapabilityBoundingSet=CAP_NOPE", ["CAP_NOPE"]),
    ("SystemCallFilter=@nosuch", ["@nosuch"]),
])
def test_a_bad_directive_is_refused_before_anything_starts(box, argument, words):
    r = box.run([argument], "/bin/true")
    assert r.status == 1 and all(word in r.err for word in words), r
    assert box.leftovers() == []


def test_hostile_names_do_not_reach_the_terminal(box):
    r = box.run(["ReadOnlyPaths=/x\x1b[31m\x07"], "/bin/true")
    assert r.status != 0 and "\x1b" not in r.err and "\x07" not in r.err


def test_a_missing_program_is_said_before_anything_starts(box):
    r = box.run("", "no-such-program-anywhere")
    assert r.status == 1 and "Failed to find executable no-such-program-anywhere" in r.err
    assert os.listdir(box.runtime / "runs") == [] if (box.runtime / "runs").exists() else True
