# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said when something cannot be: which program, which file of it, which entry of the configuration."""
import json
import os
import shutil

import pytest


def says(result, *words, status=None):
    assert result.status != 0, result
    for word in words:
        assert word in result.err, (word, result.err)
    if status is not None:
        assert result.status == status, result
    return result


def program(box, content, mode=0o755):
    path = box.rootfs / "program"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return box.args("/program")


def interpreter_of(box, path):
    """A copy of the probe's header with another interpreter is hard to make by hand: a dynamic program of the host serves."""
    shutil.copy("/bin/true", box.rootfs / "program")
    return box.args("/program")


# ---- programs: for the first process and for exec

@pytest.fixture(params=["run", "exec"])
def attempt(request, box):
    """Tries a program either way."""
    def go():
        argv = box.process["args"]
        if request.param == "run":
            return box.run()
        box.idle()
        return box.exec(*argv)
    return go


def test_a_missing_program(box, attempt):
    box.args("/nothing/here")
    says(attempt(), "/nothing/here", status=127)


def test_a_program_that_is_nowhere_in_PATH(box, attempt):
    box.args("no-such-program")
    says(attempt(), "no-such-program", "PATH", status=127)


def test_a_program_that_may_not_be_executed(box, attempt):
    program(box, "#!/bin/sh\n", 0o644)
    says(attempt(), "/program", "ermission", status=126)


def test_a_folder_as_program(box, attempt):
    box.args("/home")
    says(attempt(), "/home", status=126)


def test_a_missing_ELF_interpreter(box, attempt):
    interpreter_of(box, "/bin/true")
    says(attempt(), "/program", "ld-linux")


def test_a_missing_script_interpreter(box, attempt):
    program(box, "#!/usr/bin/python9 -x\nprint(1)\n")
    says(attempt(), "/program", "/usr/bin/python9")


def test_a_script_with_carriage_returns(box, attempt):
    program(box, "#!/bin/sh\r\necho x\r\n")
    r = says(attempt(), "/program")
    assert "carriage return" in r.err.lower() or "CRLF" in r.err or "\\r" in r.err, r.err


def test_an_empty_script_line(box, attempt):
    program(box, "#!\necho x\n")
    says(attempt(), "/program")


def test_a_program_of_another_architecture(box, attempt):
    with open("/bin/busybox", "rb") as f:
        header = bytearray(f.read(4096))
    header[18:20] = (183).to_bytes(2, "little")  # AArch64
    program(box, bytes(header))
    r = says(attempt(), "/program")
    assert "aarch64" in r.err.lower() or "arm64" in r.err.lower(), r.err


def test_a_file_that_is_no_program(box, attempt):
    program(box, "just text\n")
    r = says(attempt(), "/program")
    assert "format" in r.err.lower() or "#!" in r.err, r.err


def test_a_program_on_a_mount_without_exec(box, folder, attempt):
    shutil.copy(box.rootfs / "probe", folder / "tool")
    box.bind(folder, "/mnt", "bind", "noexec").args("/mnt/tool")
    r = says(attempt(), "/mnt/tool")
    assert "noexec" in r.err, r.err


# ---- entries of the configuration

def test_a_mount_that_fails_is_named(box, folder):
    box.bind(folder / "nothing", "/mnt")
    index = len(box.config["mounts"]) - 1
    says(box.run(), f"/mounts/{index}", str(folder / "nothing"))


def test_a_mount_that_the_kernel_refuses_is_named(box):
    box.config["mounts"].insert(3,
                                {"destination": "/mnt", "type": "tmpfs", "source": "x",
                                 "options": ["no_such_option=1"]})
    says(box.run(), "/mounts/3")


def bad(*path, value):
    """A change of one value: its JSON pointer names it."""
    return pytest.param(path, value, id="/" + "/".join(map(str, path)))


@pytest.mark.parametrize("path,value", [
    bad("ociVersion", value="2.0.0"), bad("root", value=None), bad("root", "path", value="nothing"),
    bad("process", "args", value=[]),
    bad("process", "args", 0, value=5), bad("process", "cwd", value="relative"), bad("process", "env", 1, value=7),
    bad("process", "user", "uid", value=-1), bad("process", "rlimits", 0, "type", value="RLIMIT_X"),
    bad("process", "capabilities", "bounding", 1, value=5), bad("process", "oomScoreAdj", value=5000),
    bad("process", "scheduler", value={"policy": "SCHED_X"}),
    bad("process", "ioPriority", value={"class": "X", "priority": 0}),
    bad("process", "noNewPrivileges", value="yes"), bad("mounts", 2, "destination", value=5),
    bad("mounts", 1, "options", 0, value=5),
    bad("mounts", value={}), bad("linux", "namespaces", 0, "type", value="pids"),
    bad("linux", "resources", "devices", 0, "access", value="q"),
    bad("linux", "maskedPaths", 1, value=5), bad("linux", "rootfsPropagation", value="x"),
    bad("linux", "sysctl", value={"kernel.panic": "1"}),
    bad("linux", "devices", value=[{"type": "z", "path": "/x"}]), bad("linux", "seccomp", value={"defaultAction": "X"}),
    bad("linux", "personality", value={"domain": "X"}), bad("linux", "resources", "pids", value={"limit": "x"}),
    bad("linux", "uidMappings", value=[{"containerID": 0, "hostID": 0, "size": -1}]),
    bad("linux", "memoryPolicy", value={"mode": "X"}),
    bad("linux", "intelRdt", value={"closID": "a/b"}), bad("hooks", value={"createRuntime": [{"path": "relative"}]}),
    bad("annotations", value={"key": 5}), bad("hostname", value=5), bad("hostname", value="x" * 100)])
def test_a_refused_value_is_named_by_its_pointer(box, path, value):
    place = box.config
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    said = box.refused()
    parts = [str(p) for p in path]
    assert "/" + "/".join(parts) in said or (value is None and "root" in said), said


def test_bad_json_is_named_by_its_line(box):
    box.save()
    text = (box.bundle / "config.json").read_text()
    (box.bundle / "config.json").write_text(json.dumps(json.loads(text), indent=1).replace('"hostname"',
            '"hostname" oops', 1))
    r = says(box.call("run", "--bundle", box.bundle, box.id), "config.json")
    line = next(i for i, l in enumerate((box.bundle / "config.json").read_text().splitlines(), 1) if "oops" in l)
    assert str(line) in r.err, r.err


def test_a_key_given_twice_is_refused(box):
    """Two readers could see two different values."""
    box.save()
    text = (box.bundle / "config.json").read_text()
    (box.bundle / "config.json").write_text(text.replace('"hostname":', '"hostname": "a", "hostname":', 1))
    says(box.call("run", "--bundle", box.bundle, box.id), "hostname")


def test_a_namespace_that_cannot_be_joined_is_named(box):
    box.namespace("network", "/nothing/here")
    says(box.run(), "/nothing/here")


def test_a_user_that_is_not_mapped_is_told(box):
    box.mapped(100000, 100)
    box.process["user"] = {"uid": 500, "gid": 0}
    says(box.args("true").run(), "500")


def test_errors_are_short_and_without_traces(box):
    r = box.args("/nothing/here").run()
    assert r.status != 0 and len(r.err.splitlines()) <= 8 and "goroutine" not in r.err and "runtime/" not in r.err


def test_the_programs_own_output_stays_apart_from_what_the_runtime_says(box):
    r = box.sh("echo out; echo err >&2; exit 3").run()
    assert (r.status, r.out, r.err) == (3, "out\n", "err\n")


def test_an_unreadable_config(box):
    box.save()
    os.unlink(box.bundle / "config.json")
    os.mkdir(box.bundle / "config.json")
    says(box.call("run", "--bundle", box.bundle, box.id), "config.json")
    os.rmdir(box.bundle / "config.json")
