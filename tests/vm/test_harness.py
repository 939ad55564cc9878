# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest harness itself.  A boot costs seconds, so that one guest answers most questions."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid

import pytest

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE / "run"
sys.path.insert(0, str(HERE))
import machine  # noqa: E402
import outcome  # noqa: E402

FACTS = [line.split('"')[1] for line in (HERE / "example").read_text().splitlines() if 'check "' in line]
BIG = 5_000_000


@pytest.fixture(autouse=True, scope="session")
def tools():
    missing = [p for p in ("qemu-system-x86_64", "mkfs.erofs", "depmod") if not shutil.which(p, path="/usr/bin:/usr/sbin:/sbin:/bin")]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: packaging/install-deps vm")


def call(*argv, **options):
    return subprocess.run([str(RUN), *map(str, argv)], capture_output=True, text=True, errors="replace", timeout=900, check=False, **options)


def script(folder, text):
    path = folder / "script"
    path.write_text("#!/bin/sh\n" + text)
    return path


def processes_with(mark):
    """The processes, zombies left out, whose command line has a mark."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def wait_until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.1)


# --- the example, in one guest

@pytest.fixture(scope="module")
def example():
    return call("--ext4", "64M", HERE / "example")


@pytest.mark.parametrize("fact", FACTS)
def test_in_the_guest(example, fact):
    if "bulkhead" in fact and not (HERE.parent.parent / "build/src/bulkhead").exists():
        pytest.skip("build/src/bulkhead is not built")
    lines = [line for line in example.stdout.splitlines() if line.endswith(" - " + fact)]
    assert len(lines) == 1 and lines[0].startswith("ok "), example


def test_a_script_that_succeeds_ends_with_0(example):
    assert example.returncode == 0, example
    assert example.stderr == ""


# --- what comes back, in one guest

@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """A script that does a bit of everything, and leaves a process behind that holds its output open."""
    folder = tmp_path_factory.mktemp("answers")
    (folder / "data").mkdir()
    (folder / "data/file").write_text("brought along\n")
    temporary = folder / "temporary"
    temporary.mkdir()
    (folder / "input").write_bytes(random.Random(1).randbytes(BIG))
    text = f"""
        echo "args: $# $1 $2"; echo "variable: $VARIABLE"; cat /data/file; cat /proc/cmdline; lsmod; nproc
        cat /input; echo; echo reopened >/dev/stdout
        echo to stderr >&2
        mkdir "$VM_OUT/sub"; cp /input "$VM_OUT/sub/copy"; echo text >"$VM_OUT/a file"; ln -s /etc/passwd "$VM_OUT/link"
        python3 -m pytest -q -p no:cacheprovider /suite >"$VM_OUT/pytest"; echo "pytest: $?"
        ls -l /dev/scratch; bash -c 'echo "bash: $BASH_VERSION"'
        sleep 1000 & (trap "" TERM HUP; sleep 1000) &
        echo end
        exit 42
        """
    (folder / "suite").mkdir()
    (folder / "suite/test_one.py").write_text("import hypothesis\n\ndef test_good():\n    pass\n\ndef test_bad():\n    assert 1 == 2\n")
    p = subprocess.run([str(RUN), "--python", "--program", "bash", "--with", f"{folder}/data:/data", "--with", f"{folder}/input:/input",
                        "--with", f"{folder}/suite:/suite", "--env", "VARIABLE=two words", "--kernel-arg", "some.thing=1",
                        "--module", "dm-verity", "--cpus", "2", "--disk", "16M", "--out", str(folder / "out"),
                        str(script(folder, text)), "a b", "$HOME"],
                       capture_output=True, timeout=900, check=False, env={**os.environ, "TMPDIR": str(temporary)})
    p.folder, p.temporary = folder, temporary
    return p


def test_the_exit_status_comes_back(answers):
    assert answers.returncode == 42, answers.stderr


def test_arguments_and_variables_arrive_as_they_are(answers):
    assert b"args: 2 a b $HOME\nvariable: two words\nbrought along\n" in answers.stdout


def test_kernel_arguments_modules_and_processors_are_those_asked_for(answers):
    before = answers.stdout.split(b"bash: ")[0]
    assert b" some.thing=1" in before and b"\ndm_verity " in before and b"\n2\n" in before


def test_all_of_a_large_output_comes_through_unchanged(answers):
    assert (answers.folder / "input").read_bytes() + b"\nreopened\n" in answers.stdout
    assert answers.stdout.endswith(b"\nend\n")


def test_standard_error_comes_apart_from_standard_output(answers):
    assert answers.stderr.startswith(b"to stderr\n")
    assert b"to stderr" not in answers.stdout


def test_files_come_back(answers):
    out = answers.folder / "out"
    assert (out / "sub/copy").read_bytes() == (answers.folder / "input").read_bytes()
    assert (out / "a file").read_text() == "text\n"


def test_a_link_is_not_brought_back_and_that_is_said(answers):
    assert not os.path.lexists(answers.folder / "out/link")
    assert b"not brought back" in answers.stderr


def test_programs_of_the_host_run_with_their_libraries(answers):
    assert b"\nbash: 5" in answers.stdout


def test_suites_of_pytest_run_inside(answers):
    assert b"\npytest: 1\n" in answers.stdout
    assert "1 failed, 1 passed" in (answers.folder / "out/pytest").read_text()


def test_no_temporary_file_is_left(answers):
    assert list(answers.temporary.iterdir()) == []


# --- ends that are not the script's

def test_a_hanging_script_is_ended_by_the_time_limit_with_the_last_lines_of_the_console(tmp_path):
    mark = uuid.uuid4().hex
    p = call("--timeout", 5, "--kernel-arg", f"test.mark={mark}", script(tmp_path, "sleep 10000\n"))
    assert p.returncode == 125
    assert "the time limit of 5 s is over; the console's last lines:\n  | " in p.stderr
    assert processes_with(mark) == []


@pytest.fixture(scope="module")
def switched_off(tmp_path_factory):
    text = "mount --version; sort --help 2>&1 | head -n 1; echo last words >/dev/kmsg; poweroff -f\n"
    return call("--program", "mount", script(tmp_path_factory.mktemp("off"), text))


def test_a_guest_that_ends_without_a_status_is_a_failure_with_the_last_lines_of_the_console(switched_off):
    assert switched_off.returncode == 125
    assert "no status came back" in switched_off.stderr and "last words" in switched_off.stderr


def test_programs_of_the_host_go_before_those_of_busybox_and_do_not_damage_it(switched_off):
    lines = switched_off.stdout.splitlines()
    assert lines[0].startswith("mount from util-linux") and lines[1].startswith("BusyBox v"), switched_off


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_harness_leaves_neither_qemu_nor_files(tmp_path, number):
    mark = uuid.uuid4().hex
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen([str(RUN), "--disk", "1G", "--kernel-arg", f"test.mark={mark}", str(script(tmp_path, "sleep 10000\n"))],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(temporary)}) as p:
        wait_until(lambda: len(processes_with(mark)) == 2)
        p.send_signal(number)
        assert p.wait(60) == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: processes_with(mark) == [])
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("argv, words", [
    (["--package", "no-such-package", "SCRIPT"], "packages missing on this host: no-such-package"),
    (["--module", "no-such-module", "SCRIPT"], "has no module no-such-module"),
    (["--program", "no-such-program", "SCRIPT"], "no program no-such-program"),
    (["--with", "/no/such/file", "SCRIPT"], "no such file: /no/such/file"),
    (["--with", "/etc/hostname:/proc/name", "SCRIPT"], "cannot lie at /proc/name"),
    (["/no/such/script"], "no such script: /no/such/script"),
    (["--memory", "1", "SCRIPT"], "no status came back"),
])
def test_what_cannot_be_had_is_a_failure_that_names_it(tmp_path, argv, words):
    path = script(tmp_path, "true\n")
    p = call(*[str(path) if a == "SCRIPT" else a for a in argv])
    assert p.returncode == 125
    assert words in p.stderr
    assert p.stdout == ""


def test_without_qemu_the_package_is_named(tmp_path):
    (tmp_path / "ldd").symlink_to(shutil.which("ldd"))
    p = call(script(tmp_path, "true\n"), env={**os.environ, "PATH": str(tmp_path)})
    assert p.returncode == 125
    assert "no qemu-system-x86_64 on this host: package qemu-system-x86 (packaging/install-deps vm)" in p.stderr


# --- the end of a port, without a guest

@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_port_ends_at_its_mark_however_the_bytes_arrive(step):
    mark, got = machine.mark_of("0123"), []
    port = machine.Port(mark, got.append)
    data = b"text \x01vm-end 99\n\x01\x01vm-\x01" + mark + b"rest"
    for at in range(0, len(data), step):
        port.feed(data[at:at + step])
    assert port.ended
    assert b"".join(got) == b"text \x01vm-end 99\n\x01\x01vm-\x01"


def test_what_looks_like_the_beginning_of_a_mark_is_output_when_nothing_follows():
    got = []
    port = machine.Port(machine.mark_of("0123"), got.append)
    port.feed(b"text\x01vm-end")
    assert b"".join(got) == b"text"
    port.flush()
    assert not port.ended
    assert b"".join(got) == b"text\x01vm-end"


@pytest.mark.parametrize("name", ["../out", "sub/../../out", "/../out"])
def test_a_file_of_the_guest_cannot_leave_its_folder(tmp_path, name):
    assert outcome.target_of(tmp_path, name) is None


def test_an_absolute_name_of_the_guest_lies_in_the_folder(tmp_path):
    assert outcome.target_of(tmp_path, "/etc/passwd") == tmp_path / "etc/passwd"
