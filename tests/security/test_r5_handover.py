# SPDX-License-Identifier: LGPL-2.1-or-later
"""R5 and R6: what a payload takes over from the runtime is what was listed, and who joins a container brings nothing along."""
import ctypes
import errno
import fcntl
import hashlib
import os
import pathlib
import pty
import re
import shutil
import subprocess
import termios
import time

import pytest

import hostile
from bundle import need_linux

NUMBERS = [*range(3, 12), 20]
HITS = re.compile(r"^hit .*$", re.M)


@pytest.fixture
def host_fd(canary):
    """The caller has a folder of the host open, and forgot to close it."""
    fd = hostile.host_folder_fd(canary.path / "folder")
    yield fd
    os.close(fd)


@pytest.mark.parametrize("prefix", ["/proc/self/fd/", "/proc/thread-self/fd/", "/proc/1/fd/", "/dev/fd/"])
def test_a_descriptor_as_working_directory_does_not_lead_to_the_host(container, canary, host_fd, prefix):
    """CVE-2024-21626 (P03): of every number, among them those of descriptors that the caller left open."""
    for n in [*NUMBERS, host_fd]:
        container.config["process"]["cwd"] = f"{prefix}{n}"
        r = container.sh("cat file ../secret; pwd; ls; touch made; true").run(pass_fds=(host_fd,))
        canary.untouched(r)
        assert "the host's" not in r.out, f"fd {n}: {r}"
        container.delete()


@pytest.mark.parametrize("where", ["config", "link-in-the-image", "exec", "exec-through-a-link"])
def test_exec_does_not_start_in_a_folder_of_the_host(container, canary, host_fd, where):
    """CVE-2024-21626 (P03, P04): exec --cwd, and a link of the image to /proc/self/fd/N."""
    hit = []
    if where.startswith("exec"):
        container.args("sleep", "60").up()
    for n in [*NUMBERS, host_fd]:
        path = f"/proc/self/fd/{n}"
        if "link" in where:
            hostile.place_link(container.rootfs, "home", path)
            path = "/home"
        script = ["sh", "-c", "cat file ../secret; ls ..; true"]
        if where.startswith("exec"):
            r = container.exec(*script, options=("--cwd", path), pass_fds=(host_fd,))
        else:
            container.config["process"]["cwd"] = path
            r = container.args(*script).run(pass_fds=(host_fd,))
            container.delete()
        canary.untouched(r)
        hit += [n] if "the host's" in r.out or "rootfs" in r.out else []
    assert hit == []


def test_exec_starts_in_the_folder_that_is_asked_for(container):
    """Twin of the two above."""
    container.config["process"]["cwd"] = "/usr"
    assert container.args("pwd").run().out == "/usr\n"
    container.args("sleep", "60").up()
    assert container.exec("pwd", options=("--cwd", "/tmp")).out == "/tmp\n"


def descriptors(text):
    return {int(m[1]): m[2] for m in re.finditer(r"^(\d+) \w+ \S+ ?(.*)$", text, re.M)}


@pytest.mark.parametrize("verb", ["run", "create", "exec"])
@pytest.mark.parametrize("number", [3, 7, 100, 1000])
def test_no_descriptor_of_the_caller_or_of_the_runtime_is_inherited(container, canary, verb, number):
    """CVE-2024-21626, CVE-2016-9962 and fd leaks (P04)"""
    fd = hostile.host_folder_fd(canary.path)
    placed = fcntl.fcntl(fd, fcntl.F_DUPFD, number)
    os.close(fd)
    try:
        os.set_inheritable(placed, True)
        if verb == "run":
            r = container.args("/probe", "fds").run(pass_fds=(placed,))
            assert r.status == 0, r
            said = r.out
        elif verb == "create":
            container.args("/probe", "fds").save()
            assert container.create(pass_fds=(placed,)).status == 0
            assert container.start().status == 0
            assert container.wait_for("stopped")
            said = container.out()
        else:
            container.args("sleep", "60").up()
            r = container.exec("/probe", "fds", pass_fds=(placed,))
            assert r.status == 0, r
            said = r.out
    finally:
        os.close(placed)
    assert sorted(descriptors(said)) == [0, 1, 2], said


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_descriptors_that_are_to_be_passed_arrive(container, folder, verb):
    """Twin of the above: --preserve-fds 2 passes 3 and 4 and no more."""
    for n in (3, 4, 5):
        (folder / f"f{n}").write_text(f"file {n}\n")
    options = ["--preserve-fds", "2"]
    argv = [container.program, "--root", str(container.root)]
    payload = ["sh", "-c", "cat <&3; cat <&4; /probe fds"]
    if verb == "run":
        container.args(*payload).save()
        argv += ["run", *options, "--bundle", str(container.bundle), container.id]
    else:
        container.args("sleep", "60").up()
        argv += ["exec", *options, container.id, *payload]
    line = " ".join(f"{n}<{folder}/f{n}" for n in (3, 4, 5))
    r = subprocess.run(["/bin/sh", "-c", f'exec "$@" {line}', "sh", *argv], capture_output=True, text=True, timeout=120, check=False)
    assert r.stdout.startswith("file 3\nfile 4\n"), r
    assert sorted(descriptors(r.stdout)) == [0, 1, 2, 3, 4], r


@pytest.fixture
def program_copy(folder):
    """The runtime itself as canary: a copy, so that nothing can happen to the one that is installed."""
    import bundle
    source = bundle.runtime()
    if pathlib.Path(source).read_bytes()[:4] != b"\x7fELF":
        pytest.skip("the runtime under test is a script around the program")
    path = folder / "the-runtime"
    shutil.copy(source, path)
    path.chmod(0o755)
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def watched(container, canary, seconds, during, capabilities):
    """The container's first process looks through everything that shows up in its process namespace meanwhile."""
    hostile.give(container.config, *capabilities)
    container.args("/probe", "watch", str(seconds), str(canary.path / "secret")).up()
    assert hostile.wait_for_text(container.bundle / "out", "watching")
    during()
    (container.rootfs / "tmp/stop").touch()
    assert hostile.wait_for_text(container.bundle / "out", "looked"), container.out()
    return container.out()


PRIVILEGES = {"default": [], "ptrace": ["CAP_SYS_PTRACE"], "admin": ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]}


@pytest.mark.parametrize("privilege", PRIVILEGES)
@pytest.mark.parametrize("identity", ["root", "in-user-namespace"])
def test_who_joins_a_container_shows_it_no_way_to_the_host(make, canary, privilege, identity):
    """CVE-2016-9962, CVE-2022-1227, LXC CVE-2017-5985, LXC CVE-2016-8649 (P02): root, cwd and descriptors of each joining process
    are tried by a process that watches, with and without CAP_SYS_PTRACE."""
    c = make()
    if identity == "in-user-namespace":
        hostile.in_user_namespace(c.config)
        subprocess.run(["chown", "-R", "-h", "100000:100000", str(c.rootfs)], check=True)

    def during():
        end = time.monotonic() + max(2.0, hostile.race_seconds() / 2)
        while time.monotonic() < end:
            assert c.exec("true").status == 0
        # One more stays until the watcher, which may have missed all that came and went, has seen it.
        p = subprocess.Popen(c.command("exec", c.id, "sleep", "1000"), stdin=subprocess.DEVNULL)
        try:
            assert hostile.wait_for_text(c.bundle / "out", "sees another" if privilege == "default" else "reaches another")
        finally:
            p.kill()
            p.wait()

    said = watched(c, canary, 300, during, PRIVILEGES[privilege])
    assert HITS.findall(said) == []
    assert "exe writable" not in said, said
    m = re.search(r"looked (\d+) reached (\d+)", said)
    # Twin: the watcher does see the payloads, and with the capability gets at their folders.
    assert int(m[1]) > 0
    if privilege != "default":
        assert int(m[2]) > 0, said


@pytest.mark.parametrize("privilege", ["default", "ptrace"])
@pytest.mark.parametrize("entry", ["link", "script", "exec", "exec-link", "exec-script"])
def test_the_runtimes_own_file_cannot_be_written_from_inside(make, canary, program_copy, privilege, entry):
    """CVE-2019-5736, flatpak CVE-2019-8308 (P01): the image makes the runtime execute itself, and keeps a handle for later.
    The runtime is a copy; the handle is opened for writing and closed."""
    c = make(program=str(program_copy))
    before = digest(program_copy)
    (c.rootfs / "bin/evil-link").symlink_to("/proc/self/exe")
    (c.rootfs / "bin/evil-script").write_text("#!/proc/self/exe\n")
    (c.rootfs / "bin/evil-script").chmod(0o755)
    program = {"link": "/bin/evil-link", "script": "/bin/evil-script"}.get(entry.replace("exec-", ""), "/proc/self/exe")
    if not entry.startswith("exec"):
        # Two containers: one in whose process namespace the other starts.
        watcher, c = c, make(program=str(program_copy))
        for f in ("evil-link", "evil-script"):
            subprocess.run(["cp", "-a", str(watcher.rootfs / "bin" / f), str(c.rootfs / "bin" / f)], check=True)
    else:
        watcher = c

    def during():
        for _ in range(8):
            if entry.startswith("exec"):
                c.exec(program, "--version")
                c.exec("sleep", "0.02")
            else:
                hostile.namespace(c.config, "pid")["path"] = f"/proc/{hostile.init_pid(watcher)}/ns/pid"
                c.args(program, "--version").run()
                c.delete()

    said = watched(watcher, canary, 300, during, PRIVILEGES[privilege])
    assert "exe writable" not in said, said
    assert digest(program_copy) == before


@pytest.mark.parametrize("privilege", ["default", "ptrace"])
def test_who_starts_in_the_process_namespace_of_another_shows_it_no_way_to_the_host(make, canary, privilege):
    """CVE-2016-9962 kin (P02): a container that shares the process namespace of a running one is set up before it can be seen there.
    Before Linux 6.17 procfs has no pidns=, and who may trace sees the set-up: docs/security.md says so."""
    if privilege == "ptrace":
        need_linux("6.17", "hiding the set-up from who may trace")
    first, second = make(), make()

    def during():
        hostile.namespace(second.config, "pid")["path"] = f"/proc/{hostile.init_pid(first)}/ns/pid"
        for _ in range(20):
            r = second.args("true").run()
            assert r.status == 0, r

    said = watched(first, canary, 300, during, PRIVILEGES[privilege])
    assert HITS.findall(said) == []


def test_a_program_of_the_image_is_found_through_links(container):
    """Twin: a link to a program and a script with an interpreter work, and the watcher's own kind of handle opens what is writable."""
    (container.rootfs / "bin/linked").symlink_to("/probe")
    (container.rootfs / "bin/script").write_text("#!/bin/linked creds\n")
    (container.rootfs / "bin/script").chmod(0o755)
    assert hostile.creds(container.args("linked", "creds").run().out)["uid"] == [0, 0, 0]
    assert hostile.creds(container.args("script").run().out)["uid"] == [0, 0, 0]


def test_the_watcher_reports_a_program_that_can_be_written(container, canary):
    """Twin: a program of the image is such a one."""
    shutil.copy(container.rootfs / "probe", container.rootfs / "bin/other")
    said = watched(container, canary, 300, lambda: container.exec("/bin/other", "watch", "1", "/none"), ["CAP_SYS_PTRACE"])
    assert "exe writable" in said, said


KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, KEYCTL_SETPERM = 250, 1, 5
libc = ctypes.CDLL(None, use_errno=True)


def join_keyring_with(description, name=None):
    """A session keyring of the caller, of that name, with a key in it, gone when the caller ends."""
    def join():
        libc.syscall(KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, name and name.encode())
        if name and libc.syscall(KEYCTL, KEYCTL_SETPERM, -3, 0x3f1b0000, 0) < 0:  # its user may search it, as runc sets it
            os._exit(98)
        # 248: add_key; -3: the session keyring
        if libc.syscall(248, b"user", description.encode(), b"secret", 6, -3) < 0:
            os._exit(99)
    return join


@pytest.mark.parametrize("verb", ["run", "create", "exec"])
def test_the_callers_session_keyring_is_not_inherited(container, verb):
    """The keyring leak of 2014, CVE-2014-9529 era (P16)"""
    name = "canary-" + os.urandom(6).hex()
    join = join_keyring_with(name)
    if verb == "run":
        said = container.args("/probe", "key", name).run(preexec_fn=join).out
    elif verb == "create":
        container.args("/probe", "key", name)
        assert container.create(preexec_fn=join).status == 0
        assert container.start().status == 0 and container.wait_for("stopped")
        said = container.out()
    else:
        container.args("sleep", "60").up()
        said = container.exec("/probe", "key", name, preexec_fn=join).out
    assert re.fullmatch(r"\d+\n", said) and said != "0\n", said


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_callers_session_keyring_is_not_found_by_the_name_that_runtimes_give_it(container, verb):
    """Two runtimes, or two roots of state, know containers by the same id; who may search a keyring may join it by its name"""
    name = "canary-" + os.urandom(6).hex()
    join = join_keyring_with(name, f"_ses.{container.id}")
    if verb == "run":
        said = container.args("/probe", "key", name).run(preexec_fn=join).out
    else:
        container.args("sleep", "60").up()
        said = container.exec("/probe", "key", name, preexec_fn=join).out
    assert re.fullmatch(r"\d+\n", said) and said != "0\n", said


def test_the_callers_keyring_is_kept_where_that_is_asked_for(container):
    """Twin of the above."""
    name = "canary-" + os.urandom(6).hex()
    r = container.args("/probe", "key", name).run("--no-new-keyring", preexec_fn=join_keyring_with(name))
    assert r.out == "0\n", r


def test_two_containers_have_two_session_keyrings(make):
    """The keyring leak of 2014 (P16)"""
    seen = [make().args("/probe", "keyring").run().out for _ in range(2)]
    host = libc.syscall(KEYCTL, 0, -3, 0)
    assert all(int(s) > 0 for s in seen) and len({*map(int, seen), host}) == 3, (seen, host)


def on_the_callers_terminal(container, *argv):
    """Runs the runtime with a terminal as stdin that is the caller's controlling one: what it printed, what was typed."""
    main, side = pty.openpty()
    try:
        settings = termios.tcgetattr(side)
        settings[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(side, termios.TCSANOW, settings)
        p = subprocess.Popen(argv, stdin=side, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        out, err = p.communicate(timeout=120)
        os.set_blocking(side, False)
        try:
            typed = os.read(side, 100)
        except BlockingIOError:
            typed = b""
        return out, err, typed
    finally:
        os.close(main)
        os.close(side)


def start_on_terminal(container, verb, payload):
    argv = [container.program, "--root", str(container.root)]
    if verb == "exec":
        container.args("sleep", "60").up()
        return [*argv, "exec", container.id, *payload]
    container.args(*payload).save()
    return [*argv, "run", "--bundle", str(container.bundle), container.id]


def typing_is_refused_to_all():
    """Kernels before 6.2 have no such switch, and allow it."""
    switch = pathlib.Path("/proc/sys/dev/tty/legacy_tiocsti")
    return switch.exists() and switch.read_text() != "1\n"


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_payload_cannot_type_into_the_callers_terminal(container, verb):
    """LXC CVE-2016-10124, bubblewrap CVE-2017-5226, flatpak CVE-2019-10063, CVE-2023-28100 (P16): TIOCSTI needs the terminal as
    controlling terminal, so a session of its own is enough."""
    if typing_is_refused_to_all():
        pytest.skip("this kernel refuses TIOCSTI to everybody")
    out, err, typed = on_the_callers_terminal(container, *start_on_terminal(container, verb, ["/probe", "tiocsti"]))
    assert re.fullmatch(r"\d+\n", out) and out != "0\n", (out, err)
    assert typed == b""


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_payload_does_not_have_the_callers_terminal(container, verb):
    """bubblewrap CVE-2017-5226 (P16): /dev/tty leads to the controlling terminal, and there is none."""
    out, err, _ = on_the_callers_terminal(container, *start_on_terminal(container, verb, ["/probe", "open-read", "/dev/tty"]))
    assert out == f"{errno.ENXIO} /dev/tty\n", (out, err)


def test_a_payload_has_the_terminal_that_was_made_for_it(container, console):
    """Twin of the above."""
    container.config["process"]["terminal"] = True
    container.sh("/probe open-read /dev/tty; /probe creds; echo en''d")
    assert container.create("--console-socket", console.path).status == 0 and container.start().status == 0
    said = console.read("end\n")
    c = hostile.creds(said)
    assert "0 /dev/tty" in said and c["sid"] == 1, said


def test_typing_is_noticed(probe):
    """Twin: outside of a container the probe does type."""
    if typing_is_refused_to_all():
        pytest.skip("this kernel refuses TIOCSTI to everybody")
    out, _, typed = on_the_callers_terminal(None, str(probe), "tiocsti")
    assert (out, typed) == ("0\n", b"x")


def test_the_program_is_not_set_user_id():
    """bubblewrap CVE-2016-8659, CVE-2020-5291, CVE-2026-41163, LXC CVE-2018-6556, CVE-2022-47952, Apptainer CVE-2023-30549"""
    import bundle
    program = pathlib.Path(bundle.runtime())
    for p in [program, *program.parent.glob("bulkhead*")]:
        assert not p.stat().st_mode & 0o6000, p
    assert "security.capability" not in os.listxattr(program)
