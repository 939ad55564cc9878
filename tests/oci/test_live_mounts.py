# SPDX-License-Identifier: LGPL-2.1-or-later
"""mounts add and mounts remove, at containers that run."""
import json
import subprocess

import pytest


@pytest.fixture
def running(container):
    data = container.bundle / "data"
    data.mkdir()
    (data / "word").write_text("hello")
    container.data = data
    return container.args("sleep", "60").up()


def change(c, what, *mounts):
    return c.call("mounts", what, c.id, "-", input=json.dumps(list(mounts)))


def bind(c, target="/mnt/data", *options):
    return {"destination": target, "type": "bind", "source": str(c.data), "options": ["bind", *options]}


def test_a_folder_of_the_host_appears_and_goes(running):
    r = change(running, "add", bind(running))
    assert r.status == 0, r
    assert running.exec("cat", "/mnt/data/word").out == "hello"
    assert running.exec("sh", "-c", "echo more >/mnt/data/new").status == 0
    assert (running.data / "new").read_text() == "more\n"
    r = change(running, "remove", bind(running))
    assert r.status == 0, r
    assert running.exec("ls", "/mnt/data").out == ""
    assert (running.data / "word").read_text() == "hello"


def test_the_options_hold(running):
    assert change(running, "add", bind(running, "/mnt/data", "ro", "noexec")).status == 0
    r = running.exec("sh", "-c", "echo x >/mnt/data/word")
    assert "Read-only" in r.err
    assert "noexec" in running.exec("sh", "-c", "grep /mnt/data /proc/mounts").out


def test_a_file_can_be_mounted_and_taken_away(running):
    m = {"destination": "/etc/passwd", "type": "bind", "source": str(running.data / "word"), "options": ["bind", "ro"]}
    assert change(running, "add", m).status == 0
    assert running.exec("cat", "/etc/passwd").out == "hello"
    assert change(running, "remove", m).status == 0
    assert running.exec("cat", "/etc/passwd").out.startswith("root:")


def test_a_tmpfs_can_be_added(running):
    m = {"destination": "/mnt/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "nosuid"]}
    assert change(running, "add", m).status == 0
    assert running.exec("sh", "-c", "grep /mnt/t /proc/mounts").out.startswith("tmpfs /mnt/t tmpfs rw,nosuid")


def test_nothing_stays_when_one_of_several_fails(running):
    r = change(running, "add", bind(running, "/mnt/one"), bind(running, "/proc/sys"))
    assert r.status == 1 and "mount.proc" in r.err, r
    assert "/mnt/one" not in running.exec("cat", "/proc/mounts").out


@pytest.mark.parametrize("target", ["/proc", "/proc/sys/kernel", "/"])
def test_neither_proc_nor_the_root_is_covered(running, target):
    r = change(running, "add", bind(running, target))
    assert r.status == 1 and "mount.proc" in r.err, r


def test_a_link_in_the_root_leads_nowhere_outside(running, folder):
    outside = folder / "outside"
    outside.mkdir()
    for link in (f"/../../../../../..{outside}", str(outside)):
        assert running.exec("ln", "-sfn", link, "/tmp/link").status == 0
        assert change(running, "add", bind(running, "/tmp/link/place")).status in (0, 1)
    assert list(outside.iterdir()) == []


def test_mounts_of_the_container_itself_cannot_be_taken_away(running):
    for target in ("/proc", "/sys", "/proc/sys", "/dev"):
        r = change(running, "remove", bind(running, target))
        assert r.status == 1 and "mount.live" in r.err, r
    assert change(running, "remove", bind(running, "/mnt")).status == 1


def test_a_link_cannot_turn_remove_against_a_mask(running):
    assert change(running, "add", bind(running, "/mnt/a/sys")).status == 0
    assert running.exec("sh", "-c", "mv /mnt/a /mnt/b && ln -s /proc /mnt/a").status == 0
    r = change(running, "remove", bind(running, "/mnt/a/sys"))
    assert r.status == 1 and "mount.live" in r.err, r


def test_the_hosts_mounts_do_not_change(running):
    before = subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, text=True).stdout.count(str(running.bundle))
    assert change(running, "add", bind(running)).status == 0
    after = subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, text=True).stdout.count(str(running.bundle))
    assert before == after


def test_it_works_into_a_user_namespace(make):
    c = make()
    c.data = c.bundle / "data"
    c.data.mkdir()
    (c.data / "word").write_text("hello")
    c.config["linux"]["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c.config["linux"].update(uidMappings=maps, gidMappings=maps)
    c.args("sleep", "60").up()
    r = change(c, "add", bind(c))
    assert r.status == 0, r
    assert c.exec("cat", "/mnt/data/word").out == "hello"


@pytest.mark.parametrize("argv, words", [
    (["add"], "command.arguments"), (["shuffle", "x", "-"], "command.arguments"), (["add", "nobody", "-"], "container.unknown"),
])
def test_wrong_arguments_are_errors(container, argv, words):
    r = container.call("mounts", *argv, input="[]")
    assert r.status == 1 and words in r.err, r


def test_wrong_mounts_are_errors(running):
    for text, words in (("{}", "json."), ("", "json."), ('[{"destination": "/x", "type": "proc", "source": "proc"}]', "mount.live"),
                        ('[{"destination": "/x", "type": "bind", "source": "/nonexistent", "options": ["bind"]}]', "mount.missing")):
        r = running.call("mounts", "add", running.id, "-", input=text)
        assert r.status == 1 and words in r.err, (text, r)


def test_a_stopped_container_takes_no_mounts(container):
    container.up()
    assert container.wait_for("stopped")
    r = container.call("mounts", "add", container.id, "-", input="[]")
    assert r.status == 1 and "container.status" in r.err
