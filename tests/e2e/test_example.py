# SPDX-License-Identifier: LGPL-2.1-or-later
"""The headline example, on a real terminal, and every way that root in there has of taking it apart."""
import glob
import json
import os
import subprocess

import pytest

PROPERTIES = ["InaccessiblePaths=/etc/passwd", "ReadOnlyPaths=/etc", "PrivateTmp=true"]
# What takes a mount away, changes its flags, or covers it, by way of each interface of the kernel.
UNDO = ["mount_setattr", "remount", "umount", "bind", "tmpfs", "proc", "propagation", "move", "open_tree", "fsopen", "fsmount", "fspick",
        "move_mount", "pivot_root", "open_by_handle_at", "tiocsti", "setns", "pidfd_setns", "root_link", "ptrace", "userns_umount",
        "userns_remount", "chroot_escape"]
# No seal is needed for these: the kernel refuses them by itself.
NEVER = {"userns_umount", "userns_remount", "chroot_escape"}


@pytest.fixture
def outside():
    """A root process with no more capabilities than ours: PID 1 may be out of reach for other reasons."""
    p = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
    yield p.pid
    p.kill()
    p.wait()


def start(box, *options, properties=PROPERTIES, program=("bash",), quiet=True):
    argv = ["run", *(["-q"] if quiet else []), *options, *(w for p in properties for w in ("-p", p)), "-t", *program]
    return box.terminal(*argv, columns=200)


def shell(box, *options, **more):
    t = start(box, *options, **more)
    t.send("stty -echo; PS1=\n")
    t.command("true")
    t.command("true")
    return t


def private_folders(unit):
    return glob.glob(f"/tmp/systemd-private-*-{unit}*") + glob.glob(f"/var/tmp/systemd-private-*-{unit}*")


@pytest.mark.parametrize("seal", ["auto", "landlock", "userns"])
def test_example(box, outside, seal):
    unit = box.name(".service")
    t = shell(box, f"--seal={seal}", "-u", unit)
    out, status = t.command("ls -l /etc/passwd")
    assert out.strip().startswith("----------") and status == 0
    out, status = t.command("cat /etc/passwd")
    assert out.strip() == "" and status == 0
    out, status = t.command("echo x >/etc/asdqwe")
    assert "Read-only file system" in out and status != 0
    assert not os.path.exists("/etc/asdqwe")

    out, status = t.command("ls -A /tmp | wc -l; stat -c %a /tmp; echo y >/tmp/mine && cat /tmp/mine")
    assert out.split() == ["0", "1777", "y"] and status == 0
    out, _ = t.command("ls -A /var/tmp | wc -l; stat -c %a /var/tmp")
    assert out.split() == ["0", "1777"]
    assert not os.path.exists("/tmp/mine")
    folders = private_folders(unit)
    assert len(folders) == 2 and all(os.stat(f).st_mode & 0o7777 == 0o700 for f in folders)
    assert sum(os.path.exists(f"{f}/tmp/mine") for f in folders) == 1

    out, _ = t.command("id -u; grep CapEff /proc/self/status | cut -f2")
    with open("/proc/self/status") as f:
        ours = next(line.split()[1] for line in f if line.startswith("CapEff"))
    uid, caps = out.split()
    assert uid == "0" and int(caps, 16) & int(ours, 16) == int(ours, 16), "the payload is root with all capabilities: the seal alone holds it"
    for command in ("umount /etc/passwd", "umount -l /etc/passwd", "mount -o remount,bind,rw /etc", "mount -o remount,rw /etc",
                    "mount --make-rprivate /", "mount -t proc proc /proc", "mount -t tmpfs none /etc", "mount -t tmpfs none /tmp",
                    "mount --bind /usr /etc", "mount --move /etc/passwd /etc/hostname", f"nsenter -t {outside} -m true",
                    "nsenter -t 1 -m true", "unshare -m umount /etc/passwd", "unshare -Urm umount /etc/passwd",
                    "unshare -m mount -o remount,bind,rw /etc"):
        out, status = t.command(command)
        assert status != 0, f"{command} succeeded"
    out, _ = t.command("cat /etc/passwd; echo x >/etc/asdqwe; stat -c %a /etc/passwd")
    assert "Read-only file system" in out and out.strip().endswith("\n0") and "root:" not in out
    t.send("exit 7\n")
    assert t.wait() == 7
    assert private_folders(unit) == []
    assert box.leftovers() in ([], [unit])


@pytest.mark.parametrize("seal", ["auto", "userns"])
@pytest.mark.parametrize("name", UNDO)
def test_undo_is_refused(box, outside, seal, name):
    t = start(box, f"--seal={seal}", program=(box.probe, "undo", name, "/etc", "/etc/passwd", outside))
    t.wait()
    assert json.loads(t.seen.decode())[name] != 0


@pytest.mark.parametrize("name", UNDO)
def test_undo_works_without_the_seal(box, outside, name):
    t = start(box, "--seal=off", program=(box.probe, "undo", name, "/etc", "/etc/passwd", outside))
    t.wait()
    error = json.loads(t.seen.decode())[name]
    assert error != 0 if name in NEVER else error == 0


def test_all_ways_are_tried(box):
    assert set(subprocess.check_output([box.probe, "undo-names"], text=True).split()) == set(UNDO)


def test_commands_work_without_the_seal(box, outside):
    t = shell(box, "--seal=off")
    for command in (f"nsenter -t {outside} -m true", "umount /etc/passwd", "test -s /etc/passwd", "mount -o remount,bind,rw /etc",
                    "test -w /etc", "mount -t proc proc /mnt", "mount -t tmpfs none /mnt"):
        out, status = t.command(command)
        assert status == 0, f"{command}: {out}"
    t.send("exit\n")
    assert t.wait() == 0


def test_example_as_user(user_box):
    """The same line without root: same effects, the user keeps its own id."""
    t = shell(user_box)
    out, _ = t.command("ls -l /etc/passwd; cat /etc/passwd")
    assert out.strip().startswith("----------") and "Permission denied" in out
    out, status = t.command("ls -A /tmp | wc -l; stat -c %a /tmp; echo y >/tmp/mine && cat /tmp/mine; id -u")
    assert out.split() == ["0", "1777", "y", "65534"]
    for command in ("umount /etc/passwd", "mount -t tmpfs none /tmp", "unshare -Urm umount /etc/passwd"):
        assert t.command(command)[1] != 0
    t.send("exit 3\n")
    assert t.wait() == 3


def test_detach_and_attach(box):
    unit = box.name(".service")
    t = shell(box, "-u", unit, quiet=False)
    t.command("mark=here")
    t.send(b"\x1d\x1d\x1d")
    assert t.wait() == 0
    r = box.call("ps")
    assert unit in r.out
    a = box.terminal("attach", unit, columns=200)
    out, _ = a.command("echo $mark-$((40+2))")
    assert "here-42" in out
    a.send("exit 9\n")
    assert a.wait() == 9


def test_two_detach_keys_do_nothing(box):
    t = shell(box)
    t.send(b"\x1d\x1d\n")
    out, _ = t.command("echo still")
    assert "still" in out
    t.send("exit\n")
    assert t.wait() == 0 or t.process.returncode == 127


def test_window_size(box):
    t = shell(box)
    out, _ = t.command("stty size")
    assert out.split()[-2:] == ["24", "200"]
    t.command("trap 'echo \"<wi\"\"nch>\"' WINCH")
    t.resize(50, 132)
    t.process.send_signal(__import__("signal").SIGWINCH)
    t.send("\n")
    t.expect("<winch>")
    out, _ = t.command("stty size")
    assert out.split()[-2:] == ["50", "132"]
    t.send("exit\n")
    t.wait()


def test_terminal_is_controlling(box):
    t = shell(box)
    out, _ = t.command("tty; ps -o tty= -p $$; echo z >/dev/tty")
    assert "/dev/pts/" in out and "z" in out and "?" not in out
    t.send("trap 'echo \"<in\"\"t>\"' INT; echo \"<rea\"\"dy>\"; sleep 100\n")
    t.expect("<ready>")
    for _ in range(100):  # one that comes before sleep has started is only seen after it
        t.send(b"\x03")
        t.read(0.1)
        if b"<int>" in t.seen:
            break
    t.expect("<int>")
    for _ in range(30):  # the first may have come just before sleep, which then goes on; what is typed meanwhile is lost
        t.send(b"\x03")
        t.read(0.2)
        t.send("echo 'ali''ve'\n")
        t.read(1)
        if b"\nalive" in t.seen:
            break
    t.expect("alive")
    out, status = t.command("echo again")
    assert "again" in out and status == 0
    t.send("exit\n")
    t.wait()


@pytest.mark.parametrize("line, status", [("exit 0", 0), ("exit 1", 1), ("exit 41", 41), ("exit 255", 255), ("kill -KILL $$", 255),
                                          ("trap - TERM; kill -TERM $$", 0), ("kill -ABRT $$", 255), ("kill -HUP $$", 0)])
def test_exit_status(box, line, status):
    t = start(box, program=("sh", "-c", line))
    assert t.wait() == status


def test_terminal_is_restored(box):
    t = box.terminal("run", "-q", "-t", "true")
    t.wait()
    import termios
    assert termios.tcgetattr(t.main)[3] & termios.ECHO and termios.tcgetattr(t.main)[3] & termios.ICANON
