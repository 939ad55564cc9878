# SPDX-License-Identifier: LGPL-2.1-or-later
"""Credentials that systemd-creds encrypted: with the key of a host of the test's own, or without one."""
import base64
import os
import shutil
import subprocess

import pytest

from conftest import Result, binary

SHOW = 'cd "$CREDENTIALS_DIRECTORY" && for f in $(ls -A); do echo "$f=$(cat $f)"; done'
IDS = {"chip": "0c7cc07b117645919c4b0bea08bc20fe"}


class Host:
    """Commands that see another /var/lib/systemd, where the host's key lies."""

    def __init__(self, box):
        self.box = box
        self.keys = box.folder / "keys"
        self.keys.mkdir(mode=0o700)

    def __call__(self, *argv, input=None, **env):
        where = 'mount --bind "$0" /var/lib/systemd && exec "$@"'
        p = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", where, self.keys, *map(str, argv)], env=self.box.env(**env),
                           input=input, capture_output=True, check=False)
        return Result(p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))

    def encrypt(self, value, *options, key="host"):
        r = self("systemd-creds", "encrypt", f"--with-key={key}", *options, "-", "-", input=value)
        assert r.status == 0, r
        return r.out

    def run(self, *properties, script=SHOW, **env):
        return self(binary(), *self.box.arguments(properties, ["-P"]), "/bin/sh", "-c", script, **env)

    def found(self, *properties, **env):
        r = self.run(*properties, **env)
        assert r.status == 0, r
        return dict(line.split("=", 1) for line in r.out.splitlines())

    def refused(self, words, *properties, error="credential.encrypted"):
        r = self.run(*properties, script="echo started")
        assert r.status == 243 and error in r.err and words in r.err and not r.out, r


@pytest.fixture
def host(box):
    if not shutil.which("systemd-creds"):
        pytest.skip("systemd-creds is missing (Debian: systemd)")
    return Host(box)


def put(host, name, data):
    path = host.box.data / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def joined(text):
    return "".join(text.split())


def test_a_file_with_the_hosts_key(host):
    text = host.encrypt(b"open sesame", "--name=key")
    path = put(host, "sealed", text)
    assert b"sesame" not in path.read_bytes()
    assert host.found(f"LoadCredentialEncrypted=key:{path}") == {"key": "open sesame"}
    binary_form = put(host, "binary", base64.b64decode(text))
    assert host.found(f"LoadCredentialEncrypted=key:{binary_form}") == {"key": "open sesame"}


def test_a_value_in_a_directive(host):
    text = joined(host.encrypt(b"a\0b\n", "--name=key"))
    r = host.run(f"SetCredentialEncrypted=key:{text}", script="od -An -c $CREDENTIALS_DIRECTORY/key")
    assert r.out.split() == ["a", r"\0", "b", r"\n"], r
    # What is loaded comes first, as of those that are not encrypted.
    path = put(host, "plain", "loaded")
    assert host.found(f"SetCredentialEncrypted=key:{text}", f"LoadCredential=key:{path}") == {"key": "loaded"}
    assert host.found(f"SetCredentialEncrypted=key:{text}", "LoadCredential=key:/nowhere")["key"].startswith("a")


def test_the_later_of_two_holds_and_the_empty_one_resets_both(host):
    text = joined(host.encrypt(b"sealed", "--name=key"))
    assert host.found(f"SetCredentialEncrypted=key:{text}", "SetCredential=key:plain") == {"key": "plain"}
    assert host.found("SetCredential=key:plain", f"SetCredentialEncrypted=key:{text}") == {"key": "sealed"}
    r = host.run("SetCredential=a:b", f"SetCredentialEncrypted=key:{text}", "SetCredentialEncrypted=", script='test -z "$CREDENTIALS_DIRECTORY"')
    assert r.status == 0, r


def test_without_a_key_with_a_note(host):
    path = put(host, "sealed", host.encrypt(b"x", "--name=key", key="tpm2-absent"))
    r = host(binary(), "run", "-P", "-p", f"LoadCredentialEncrypted=key:{path}", "sh", "-c", SHOW)
    assert r.out == "key=x\n" and "encrypted without a key" in r.err, r


def test_an_ordinary_user_has_no_key_of_the_hosts(user_box):
    if not shutil.which("systemd-creds"):
        pytest.skip("systemd-creds is missing (Debian: systemd)")
    folder = user_box.folder / "xdg"
    folder.mkdir(mode=0o700)
    os.chown(folder, user_box.uid, user_box.uid)
    env = user_box.env(XDG_RUNTIME_DIR=str(folder))
    r = subprocess.run(["systemd-creds", "encrypt", "--with-key=tpm2-absent", "--name=key", "-", "-"], input=b"x", capture_output=True, check=True)
    assert user_box.shell("SetCredentialEncrypted=key:" + joined(r.stdout.decode()), SHOW, env=env).out == "key=x\n"
    sealed = base64.b64decode(joined(r.stdout.decode()))
    forged = base64.b64encode(bytes.fromhex("5a1c6a86df9d4096b1d5a65e0862f19a") + sealed[16:]).decode()
    r = user_box.shell("SetCredentialEncrypted=key:" + forged, "echo started", env=env)
    assert r.status == 243 and "credential.key" in r.err and not r.out, r


def test_a_name_that_is_not_its_own(host):
    path = put(host, "sealed", host.encrypt(b"x", "--name=key"))
    host.refused('encrypted as "key", not as "other"', f"LoadCredentialEncrypted=other:{path}")
    path = put(host, "any", host.encrypt(b"x", "--name="))
    assert host.found(f"LoadCredentialEncrypted=other:{path}") == {"other": "x"}


def test_a_folder(host):
    folder = host.box.data / "folder"
    folder.mkdir()
    put(host, "folder/one", host.encrypt(b"1", "--name=c_one"))
    assert host.found(f"LoadCredentialEncrypted=c:{folder}") == {"c_one": "1"}
    put(host, "folder/two", host.encrypt(b"2", "--name=two"))
    host.refused('not as "c_two"', f"LoadCredentialEncrypted=c:{folder}")


def test_the_time_until_which_it_holds(host):
    path = put(host, "old", host.encrypt(b"x", "--name=key", "--timestamp=2020-01-01", "--not-after=2020-06-01"))
    host.refused("is over", f"LoadCredentialEncrypted=key:{path}")
    path = put(host, "young", host.encrypt(b"x", "--name=key", "--not-after=2099-01-01"))
    assert host.found(f"LoadCredentialEncrypted=key:{path}") == {"key": "x"}


def test_what_was_cut_or_changed(host):
    data = base64.b64decode(host.encrypt(b"open sesame", "--name=key"))
    for at in (0, 20, 40, 60, len(data) // 2, len(data) - 20, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        host.refused("", f"LoadCredentialEncrypted=key:{put(host, 'changed', base64.b64encode(changed))}")
    for size in (0, 15, 16, 31, 60, len(data) - 1):
        host.refused("", f"LoadCredentialEncrypted=key:{put(host, 'cut', base64.b64encode(data[:size]))}")
    host.refused("neither base64", f"LoadCredentialEncrypted=key:{put(host, 'plain', 'open sesame!')}")


def test_a_key_of_a_chip_is_refused_with_the_reason(host):
    data = bytes.fromhex(IDS["chip"]) + bytes(200)
    host.refused("TPM2", f"LoadCredentialEncrypted=key:{put(host, 'chip', base64.b64encode(data))}")


def test_the_hosts_key_is_held_to(host):
    path = put(host, "sealed", host.encrypt(b"x", "--name=key"))
    wish = f"LoadCredentialEncrypted=key:{path}"
    secret = host.keys / "credential.secret"
    good = secret.read_bytes()
    secret.chmod(0o440)
    host.refused("0400", wish, error="credential.key")
    for data, words in ((bytes([good[0] ^ 1]) + good[1:], "another id"), (good[:16], "size"), (good + b"x", "size"), (b"", "size")):
        secret.unlink()
        secret.write_bytes(data)
        secret.chmod(0o400)
        host.refused(words, wish, error="credential.key")
    secret.unlink()
    host.refused("No such file", wish, error="credential.key")
    assert not list(host.keys.iterdir()), "a key was made"
    secret.write_bytes(good[:16] + bytes(4096))
    secret.chmod(0o400)
    host.refused("another key", wish)


def test_names_are_looked_for_in_stores(host):
    own = host.box.data / "own"
    own.mkdir()
    put(host, "own/key", host.encrypt(b"x", "--name=key"))
    for variable in ("ENCRYPTED_CREDENTIALS_DIRECTORY", "CREDENTIALS_DIRECTORY"):
        assert host.found("LoadCredentialEncrypted=key", **{variable: str(own)}) == {"key": "x"}
    r = host.run("LoadCredentialEncrypted=key", script="ls $CREDENTIALS_DIRECTORY | wc -l")
    assert r.out == "0\n", r
    assert "/etc/credstore.encrypted" in host(binary(), "explain", "--json", "-p", "LoadCredentialEncrypted=key", "true").out


def test_bad_values(box):
    for assignment, words in (("SetCredentialEncrypted=key:x!", "not base64"), ("SetCredentialEncrypted=key", "NAME:VALUE"),
                              ("LoadCredentialEncrypted=a b:/x", "name of a credential"), ("LoadCredentialEncrypted=a:/../x", "absolute path")):
        r = box.run(assignment, "true")
        assert r.status == 1 and words in r.err, r


def test_explain(box):
    r = box.call("explain", "-p", "LoadCredentialEncrypted=key:/srv/key", "true")
    assert "encrypted, from /srv/key" in r.out, r
    r = box.call("explain", "--json", "-p", "SetCredentialEncrypted=key:AAAA", "true")
    assert '"encrypted": true' in r.out.replace('":true', '": true'), r
