# SPDX-License-Identifier: LGPL-2.1-or-later
"""Credentials: where they come from, how the payload sees them, and that nobody else does."""
import os
import socket
import subprocess
import threading

import pytest

from conftest import binary

SHOW = 'cd "$CREDENTIALS_DIRECTORY" && for f in $(ls -A); do echo "$f=$(cat $f)"; done'


def env_of(box):
    folder = box.folder / "xdg"
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, box.uid, box.uid)
    return {} if box.uid == 0 else {"XDG_RUNTIME_DIR": str(folder)}


def found(box, properties, **env):
    r = box.shell(properties, SHOW, env=box.env(**env_of(box), **env))
    assert r.status == 0, r
    return dict(line.split("=", 1) for line in r.out.splitlines())


@pytest.fixture
def secret(any_box):
    path = any_box.data / "secret"
    path.write_text("open sesame")
    path.chmod(0o400)
    os.chown(path, any_box.uid, any_box.uid)
    return path


def test_a_file(any_box, secret):
    assert found(any_box, f"LoadCredential=key:{secret}") == {"key": "open sesame"}
    r = any_box.shell("", 'test -z "$CREDENTIALS_DIRECTORY"')
    assert r.status == 0, r


def test_an_empty_assignment_resets(any_box, secret):
    r = any_box.shell(f"LoadCredential=key:{secret}\nLoadCredential=", 'test -z "$CREDENTIALS_DIRECTORY"', env=any_box.env(**env_of(any_box)))
    assert r.status == 0, r


def test_a_folder_with_folders(any_box):
    top = any_box.data / "creds"
    (top / "sub").mkdir(parents=True)
    for name, text in (("one", "1"), ("sub/two", "2"), (".hidden", "no")):
        (top / name).write_text(text)
    (top / "link").symlink_to("one")
    (top / "bad:name").write_text("no")
    assert found(any_box, f"LoadCredential=c:{top}") == {"c_one": "1", "c_sub_two": "2"}


def serve(path, answers, peers):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen(8)
    os.chmod(path, 0o666)

    def loop():
        for answer in answers:
            c, _ = s.accept()
            peers.append(c.getpeername())
            c.sendall(answer)
            c.close()
        s.close()
    t = threading.Thread(target=loop, daemon=True)
    t.start()
    return t


def test_a_socket_that_is_told_what_for(any_box):
    path, peers = any_box.data / "sock", []
    t = serve(path, [b"from a socket"], peers)
    name = any_box.name()
    r = any_box.shell(f"LoadCredential=key:{path}", SHOW, options=["-u", name], env=any_box.env(**env_of(any_box)))
    t.join(60)
    assert r.out == "key=from a socket\n", r
    assert peers[0].startswith(b"\0") and peers[0].decode().split("/", 1)[1] == f"unit/{name}.service/key"


def test_set_is_only_what_holds_without_a_source(any_box, secret):
    missing = any_box.data / "missing"
    assert found(any_box, f"SetCredential=key:own\nLoadCredential=key:{secret}") == {"key": "open sesame"}
    assert found(any_box, f"SetCredential=key:own\nLoadCredential=key:{missing}") == {"key": "own"}
    assert found(any_box, "SetCredential=key:first\nSetCredential=key:own:2") == {"key": "own:2"}
    r = any_box.shell(f"LoadCredential=key:{missing}", "true", env=any_box.env(**env_of(any_box)))
    assert r.status == 243 and "credential.source" in r.err and str(missing) in r.err, r


def test_values_have_escapes_and_zeros(any_box):
    r = any_box.shell(r"SetCredential=key:a\x00b\n\t\101", 'od -An -c $CREDENTIALS_DIRECTORY/key', env=any_box.env(**env_of(any_box)))
    assert r.out.split() == ["a", r"\0", "b", r"\n", r"\t", "A"], r


def test_names_are_looked_for_at_the_caller(any_box):
    own = any_box.data / "own"
    own.mkdir()
    for name in ("app.a", "app.b", "other"):
        (own / name).write_text(name)
    env = {"CREDENTIALS_DIRECTORY": str(own)}
    assert found(any_box, "LoadCredential=other\nLoadCredential=mine:app.a\nLoadCredential=nowhere", **env) == {"other": "other", "mine": "app.a"}
    assert found(any_box, "ImportCredential=app.*", **env) == {"app.a": "app.a", "app.b": "app.b"}
    assert found(any_box, "ImportCredential=app.*:new.", **env) == {"new.a": "app.a", "new.b": "app.b"}
    assert found(any_box, "ImportCredential=app.?\nLoadCredential=app.a:other\nSetCredential=app.b:no", **env) == {"app.a": "other", "app.b": "app.b"}


def test_owner_modes_and_mount(box):
    script = 'stat -c "%n %a %U" . key; stat -f -c %T .; touch new 2>/dev/null || echo closed'
    r = box.shell("SetCredential=key:x\nUser=nobody", f'cd "$CREDENTIALS_DIRECTORY"; {script}; cat key')
    assert r.out == ". 500 nobody\nkey 400 nobody\nramfs\nclosed\nx", r
    flags = box.shell("SetCredential=key:x", 'grep " $CREDENTIALS_DIRECTORY " /proc/self/mountinfo').out
    for flag in ("ro", "nosuid", "nodev", "noexec", "nosymfollow"):
        assert flag in flags.split()[5].split(","), flags


def test_root_cannot_change_them(box):
    r = box.shell("SetCredential=key:x", 'cd "$CREDENTIALS_DIRECTORY"; echo y >key || mount -o remount,rw,bind . || chmod 666 key || echo closed')
    assert r.out == "closed\n", r


def test_with_a_dynamic_user_and_all_that_closes(box):
    assert found(box, "DynamicUser=yes\nSetCredential=key:x\nProtectSystem=strict\nPrivateTmp=yes\nPrivateUsers=yes") == {"key": "x"}


def test_the_specifier(any_box):
    r = any_box.shell("Environment=A=%d/key\nSetCredential=key:x", 'test "$A" = "$CREDENTIALS_DIRECTORY/key" && cat "$A"', env=any_box.env(**env_of(any_box)))
    assert r.out == "x", r


def test_those_of_others_are_not_seen(box):
    """A tree of the service manager's, in a mount namespace of the test's own, so that the host has none."""
    script = f"""mount -t tmpfs none /run/credentials 2>/dev/null || {{ mkdir /run/credentials && mount -t tmpfs none /run/credentials; }}
mkdir /run/credentials/other.service; echo secret >/run/credentials/other.service/key
ask='cat /run/credentials/other.service/key 2>&1 | grep -c secret'
{binary()} run -q -P -- sh -c "$ask"
{binary()} run -q -P -p ProtectHome=yes -- sh -c "$ask"
{binary()} run -q -P -p SetCredential=a:b -- sh -c "$ask"
"""
    box.good("SetCredential=a:b", "true")  # the folder is there
    out = subprocess.run(["unshare", "-m", "sh", "-c", script], env=box.env(), stdout=subprocess.PIPE, text=True, check=False).stdout
    assert out.split() == ["1", "0", "0"], out


def test_nothing_shows_on_the_host(box):
    before = open("/proc/self/mountinfo").read()
    t = box.terminal("run", "-q", "-t", "-p", "SetCredential=key:x", "/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/key; echo .; read x")
    t.expect("x.")
    assert open("/proc/self/mountinfo").read() == before
    assert not [f for _, _, files in os.walk("/run/credentials") for f in files if f == "key"]
    t.send("\n")
    t.wait()


def test_a_value_is_not_shown(any_box):
    for options in ([], ["--json"]):
        r = any_box.call("explain", *options, "-p", "SetCredential=key:TOPSECRET", "true")
        assert r.status == 0 and "TOPSECRET" not in r.out and "key" in r.out, r


LARGE = 1 << 20

BAD = [("LoadCredential=a b:/etc/passwd", "name of a credential"), ("LoadCredential=:/etc/passwd", "name of a credential"),
       ("LoadCredential=a:/etc/../x", "absolute path"), ("LoadCredential=a:b/c", "name of a credential"), ("SetCredential=a", "NAME:VALUE"),
       ("SetCredential=a:\\q", "escape"), ("SetCredential=..:x", "name of a credential"), ("ImportCredential=a/*", "PATTERN"),
       ("ImportCredential=a:b/c", "PATTERN"), ("SetCredential=" + "n" * 256 + ":x", "name of a credential")]


@pytest.mark.parametrize("assignment, words", BAD)
def test_a_bad_value(any_box, assignment, words):
    r = any_box.run(assignment, "true")
    assert r.status == 1 and words in r.err, r


def test_limits(box):
    path = box.data / "large"
    path.write_bytes(b"x" * (LARGE - 3))
    assert box.shell(f"LoadCredential=key:{path}", "wc -c <$CREDENTIALS_DIRECTORY/key").out.strip() == str(LARGE - 3)
    for size, more in ((LARGE - 2, ""), (LARGE + 1, ""), (LARGE - 3, "\nSetCredential=a:")):
        path.write_bytes(b"x" * size)
        r = box.shell(f"LoadCredential=key:{path}{more}", "true")
        assert r.status == 243 and "credential.limit" in r.err, r
    many = box.data / "many"
    many.mkdir()
    for i in range(1025):
        (many / str(i)).touch()
    r = box.shell(f"LoadCredential=m:{many}", "true")
    assert r.status == 243 and "credential.limit" in r.err, r
    os.mkfifo(box.data / "pipe")
    r = box.shell(f"LoadCredential=p:{box.data}/pipe", "true")
    assert r.status == 243 and "credential.source" in r.err, r


def test_refused_by_the_kernel(box):
    """Where no mount can be made, a lenient start does not go on without them either."""
    command = f"{binary()} run -q -P --lenient -p SetCredential=key:x -- true"
    p = subprocess.run(["unshare", "-U", "-r", "sh", "-c", "echo 0 >/proc/sys/user/max_mnt_namespaces && exec " + command], env=box.env(),
                       stderr=subprocess.PIPE, text=True, check=False)
    assert p.returncode == 226 and "SetCredential=key:..." in p.stderr, p
