# SPDX-License-Identifier: LGPL-2.1-or-later
"""An etcd that asks for users: logging in, tokens that end, what a user may not, and passwords that stay where they are."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from etcd_world import ETCD, PROBE, Etcd, Probe, Relay, until
from test_store_etcd import TLS, Stranger, make_authority, make_certificate, needs_tls, reply

CTL = shutil.which("etcdctl")
pytestmark = [pytest.mark.skipif(not ETCD or not CTL, reason="etcd is not installed (packaging/install-deps test)"),
              pytest.mark.skipif(not os.path.exists(PROBE), reason="store_probe is not built")]
GROUPD = os.environ.get("BULKHEAD_GROUPD") or str(pathlib.Path(PROBE).parents[1] / "src/bulkhead-groupd")
PASSWORD = 'ope"n\\ sesame é'
ROLE = ("role", "grant-permission", "keeper", "--prefix=true", "readwrite", "/bulkhead/v1/")


class Guarded:
    """An etcd with users: root; keeper, who may write where controllers do; guest, who may nothing."""

    def __init__(self, folder, ends, *more, tls=None):
        self.folder = folder
        self.words = tls or []
        self.etcd = ends(Etcd(folder, more=("--bcrypt-cost", "4", *more), tls=bool(tls))).start()
        for words in (("user", "add", "root:root"), ("user", "grant-role", "root", "root"), ("role", "add", "keeper"), ROLE,
                      ("user", "add", f"keeper:{PASSWORD}"), ("user", "grant-role", "keeper", "keeper"), ("user", "add", f"guest:{PASSWORD}"),
                      ("auth", "enable")):
            self.ctl(*words, user=None)
        self.file = folder / "password"
        self.write(PASSWORD + "\n")

    def write(self, text, mode=0o600):
        self.file.write_text(text)
        self.file.chmod(mode)

    def ctl(self, *words, user="root:root"):
        command = [CTL, "--endpoints", f"{self.etcd.scheme}://127.0.0.1:{self.etcd.client}", *self.words, *(["--user", user] if user else []), *words]
        return subprocess.run(command, env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]}, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def guarded(tmp_path, ends):
    return lambda *more, **options: Guarded(tmp_path, ends, *more, **options)


@pytest.fixture
def probe(ends):
    def start(g, name="a", **options):
        options = {"lease": 15, "user": "keeper", "password": g.file, **options}
        port = options.pop("port", g.etcd.client)
        return ends(Probe(f"etcd://127.0.0.1:{port}", name=name, address=f"at-{name}", **{k: v for k, v in options.items() if v is not None}))
    return start


def is_silent(p, word, seconds=0.7):
    time.sleep(seconds)
    return not any(line == word or line.startswith(word + " ") for _, line in p.all)


class Logins:
    """A way to etcd that writes down when something was asked for, and when a token was."""

    def __init__(self, ends, g):
        self.asked, self.seen = [], []
        self.port = ends(Relay(g.etcd.client, holds=self.look)).port

    def look(self, data):
        self.asked.append(time.monotonic())
        if b"/v3/auth/authenticate" in data:
            self.seen.append(time.monotonic())

    def silences(self, seconds):
        """How often nothing was asked for for so long."""
        return sum(after - before > seconds for before, after in zip(self.asked, self.asked[1:]))


def test_controllers_with_user_and_password(guarded, probe):
    g = guarded()
    a = probe(g, "a")
    a.expect("lead")
    a.write("commit web 1 first")
    a.write("flood web 3000 300")
    a.say("events 1 1000", "history web")
    assert a.expect("log")[1].split()[-1].startswith("1000:xxx")
    assert a.expect("history")[1] == "history 1=first/probe"
    b = probe(g, "b")
    b.expect("leader at-a")
    a.say("stop")
    assert b.expect("lead")[1] == "lead web@1=first/-/0"
    assert not any(line.startswith("trouble") for p in (a, b) for _, line in p.all)
    # Nobody who looks at processes or output learns it.
    shown = pathlib.Path(f"/proc/{b.process.pid}/cmdline").read_text() + pathlib.Path(f"/proc/{b.process.pid}/environ").read_text()
    assert "sesame" not in shown + repr(a.all) + repr(a.errors) + repr(b.all) + repr(b.errors)


def test_a_wrong_password_is_told_and_a_right_one_taken_up(guarded, probe, ends):
    g = guarded()
    logins = Logins(ends, g)
    g.write("open barley")
    a = probe(g, port=logins.port, lease=6)
    assert "keeper" in a.expect("trouble etcd.login")[1]
    until(lambda: len(logins.seen) == 3)
    # It does not knock on and on: once in a second.
    assert logins.seen[2] - logins.seen[0] > 1.9 and not any(line == "lead" for _, line in a.all)
    a.say("events 1 10")
    a.expect("etcd.login")
    assert "barley" not in repr(a.all) + repr(a.errors)
    g.write(PASSWORD)
    a.expect("trouble over")
    a.expect("lead")
    a.write("commit web 1 first")


def test_a_token_that_has_ended_is_renewed(guarded, probe, ends):
    g = guarded("--auth-token-ttl", "1")
    logins = Logins(ends, g)
    a = probe(g, port=logins.port, lease=30)
    a.expect("lead")
    a.write("commit web 1 first")
    for n in range(2, 4):
        time.sleep(3.2)
        a.write(f"commit web {n} later")
        a.say("history web")
        a.expect("history")
    # One to begin with, and one each time that the token was not used for so long that it has ended: after 2.5 s for certain, after 1 s perhaps.
    assert logins.silences(2.5) >= 1 and 1 + logins.silences(2.5) <= len(logins.seen) <= 1 + logins.silences(0.9)
    assert is_silent(a, "trouble") and is_silent(a, "lost", 0)


def test_a_watch_is_begun_with_a_token_that_is_good(guarded, probe):
    """etcd says that of a watch in words of its own."""
    g = guarded("--auth-token-ttl", "1")
    a, b = probe(g, "a", lease=30), probe(g, "b", lease=30)
    first = until(lambda: next((p for p in (a, b) if any(line == "lead" for _, line in p.all)), None))
    second = b if first is a else a
    time.sleep(3.2)
    g.etcd.stop()
    g.etcd.start(wait=False)
    first.write("commit web 1 first")
    g.ctl("put", "/bulkhead/v1/groups/web", '{"revision":1,"flags":9}')
    first.expect("lost store.lost")
    assert first.expect("lead")[1] == "lead web@1=first/-/9"
    first.say("stop")
    second.expect("lead")


def test_etcd_forgets_tokens_when_it_starts_again(guarded, probe):
    g = guarded()
    a = probe(g, lease=30)
    a.expect("lead")
    a.write("commit web 1 first")
    g.etcd.stop()
    g.etcd.start(wait=False)
    a.write("commit web 2 second")
    assert is_silent(a, "lost")


def test_tokens_that_are_signed_are_renewed_when_users_change(tmp_path, guarded, probe):
    """A JWT names the revision of etcd's users, and is of no use after it."""
    subprocess.run(["openssl", "genrsa", "-out", "jwt.key", "2048"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", "jwt.key", "-pubout", "-out", "jwt.pub"], cwd=tmp_path, check=True, capture_output=True)
    g = guarded("--auth-token", f"jwt,pub-key={tmp_path}/jwt.pub,priv-key={tmp_path}/jwt.key,sign-method=RS256,ttl=2s")
    a = probe(g, lease=30)
    a.expect("lead")
    a.write("commit web 1 first")
    g.ctl("user", "add", "another:x")
    a.write("commit web 2 second")
    time.sleep(2.5)
    a.write("commit web 3 third")
    assert is_silent(a, "lost")


def test_a_user_without_permission(guarded, probe):
    g = guarded()
    a = probe(g, user="guest")
    assert "permission denied" in a.expect("trouble etcd.permission")[1]
    assert is_silent(a, "lead", 2.5)
    assert sum(line.startswith("trouble") for _, line in a.all) == 1
    g.ctl("user", "grant-role", "guest", "keeper")
    a.expect("trouble over")
    a.expect("lead")
    a.write("commit web 1 first")


def test_permission_that_is_taken_away_from_a_leader(guarded, probe):
    g = guarded()
    a = probe(g)
    a.expect("lead")
    a.write("commit web 1 first")
    g.ctl("user", "revoke-role", "keeper", "keeper")
    a.write("commit web 2 second", "etcd.permission")
    a.expect("lost etcd.permission")
    a.say("leads")
    a.expect("leads no")
    g.ctl("user", "grant-role", "keeper", "keeper")
    assert a.expect("lead")[1] == "lead web@1=first/-/0"
    a.write("commit web 2 second")


def test_an_etcd_that_asks_for_users_when_none_is_named(guarded, probe):
    a = probe(guarded(), user=None, password=None)
    a.expect("trouble etcd.login")
    assert is_silent(a, "lead")


def test_an_etcd_that_asks_for_no_users_when_one_is_named(guarded, probe):
    """What was to be guarded is open to everybody: nothing is kept there."""
    g = guarded()
    g.ctl("auth", "disable")
    a = probe(g)
    assert "not enabled" in a.expect("trouble etcd.login")[1]
    assert is_silent(a, "lead")
    g.ctl("auth", "enable", user=None)
    a.expect("lead")


@pytest.mark.parametrize("answer, trouble", [
    (reply('{"token":"a\\r\\nX: y"}'), "etcd.reply"), (reply('{"token":""}'), "etcd.reply"), (reply('{"token":"' + "a" * 9000 + '"}'), "etcd.reply"),
    (reply("{}"), "etcd.login"), (reply('{"token":"of no use"}'), "etcd.reply"), (None, "etcd.timeout"),
])
def test_what_is_no_token_is_not_sent_on(tmp_path, ends, answer, trouble):
    stranger = ends(Stranger(answer))
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    a = ends(Probe(f"etcd://127.0.0.1:{stranger.port}", name="a", lease=2, user="keeper", password=tmp_path / "password"))
    a.expect(f"trouble {trouble}")


@pytest.mark.parametrize("prepare, words", [
    (lambda f: f.chmod(0o644), "mode 644"), (lambda f: f.chmod(0o620), "mode 620"), (lambda f: f.write_text(""), "empty"), (lambda f: f.write_text("\n"), "empty"),
    (lambda f: f.write_bytes(b"a\0b"), "no text"), (lambda f: f.write_text("x" * 5000), "4096"), (lambda f: f.unlink(), "No such file"),
    (lambda f: (f.unlink(), f.mkdir()), "no regular file"), (lambda f: (f.unlink(), os.mkfifo(f)), "no regular file"),
    (lambda f: os.chown(f, 12345, 0), "no regular file of root's or of ours"),
])
def test_a_password_that_others_know_or_that_is_none(tmp_path, ends, prepare, words):
    file = tmp_path / "password"
    file.write_text("x")
    file.chmod(0o600)
    if "ours" in words and os.geteuid():
        pytest.skip("giving files away needs root")
    prepare(file)
    a = ends(Probe("etcd://127.0.0.1:1", user="keeper", password=file))
    assert a.ended() == 1
    assert any("etcd.password" in line for line in a.errors)
    assert words in "".join(a.errors)


def test_a_password_as_a_credential(guarded, probe, ends, tmp_path):
    g = guarded()
    where = f"etcd://127.0.0.1:{g.etcd.client}"
    a = ends(Probe(where, name="a", lease=15, user="keeper", password="password", environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}))
    a.expect("lead")
    b = ends(Probe(where, name="b", lease=15, user="keeper", password="password", environment={"CREDENTIALS_DIRECTORY": ""}))
    assert b.ended() == 1
    assert any("CREDENTIALS_DIRECTORY" in line for line in b.errors)


@pytest.mark.parametrize("options", [{"user": "keeper"}, {"password": "/etc/hostname"}, {"user": "", "password": "/etc/hostname"},
                                     {"user": "x" * 256, "password": "/etc/hostname"}])
def test_a_user_and_a_password_come_together(ends, options):
    a = ends(Probe("etcd://127.0.0.1:1", **options))
    assert a.ended() == 1
    assert any("store.address" in line for line in a.errors)


@needs_tls
def test_certificates_and_a_user(tmp_path, guarded, ends):
    """etcd's gateway refuses a certificate with a common name when there are users: it would take the name for one of them, and cannot."""
    make_authority(tmp_path, "ours")
    make_certificate(tmp_path, "ours", "server", "IP:127.0.0.1")
    make_certificate(tmp_path, "ours", "client", "DNS:controller", "/O=controllers")
    make_certificate(tmp_path, "ours", "named", "DNS:controller")
    files = {"ca": tmp_path / "ours.pem", "certificate": tmp_path / "client.pem", "key": tmp_path / "client.key"}
    g = guarded("--cert-file", str(tmp_path / "server.pem"), "--key-file", str(tmp_path / "server.key"), "--client-cert-auth", "--trusted-ca-file",
                str(files["ca"]), tls=["--cacert", files["ca"], "--cert", files["certificate"], "--key", files["key"]])
    options = {"address": "at", "lease": 30, "tls": TLS, "user": "keeper", "password": g.file, **files}
    named = ends(Probe(f"etcds://127.0.0.1:{g.etcd.client}", **{**options, "certificate": tmp_path / "named.pem", "key": tmp_path / "named.key"}))
    assert "CommonName" in named.expect("trouble etcd.reply")[1]
    a = ends(Probe(f"etcds://127.0.0.1:{g.etcd.client}", **options))
    a.expect("lead")
    a.write("commit web 1 first")
    a.say("stop")
    a.expect("stopped")
    a.process.stdin.close()
    assert a.ended() == 0


@pytest.mark.skipif(not os.path.exists(GROUPD), reason="bulkhead-groupd is not built")
def test_the_controller_takes_user_and_password(guarded, tmp_path):
    g = guarded()
    command = [GROUPD, "--plugins", str(tmp_path / "p"), "--store", f"etcd://127.0.0.1:{g.etcd.client}", "--etcd-user", "keeper", "--etcd-password-file", str(g.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            get = ("get", "/bulkhead/v1/leader", "--print-value-only")
            until(lambda: g.ctl(*get))
            assert json.loads(g.ctl(*get))["address"]
        finally:
            p.terminate()
        assert p.wait(60) == 0
    g.write(PASSWORD, 0o604)
    r = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and "etcd.password" in r.stderr and "chmod 0600" in r.stderr


def test_a_password_in_an_address_is_not_repeated(ends):
    a = ends(Probe("etcds://keeper:sesame@127.0.0.1:1"))
    assert a.ended() == 1
    assert any("store.address" in line for line in a.errors)
    assert "sesame" not in "".join(a.errors) and "--etcd-user" in "".join(a.errors)
