# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unit files and their drop-ins: which are found, in which order, and what is wrong in them. systemd's own tools judge where they are installed."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess

import pytest

from conftest import binary

STOCK = pathlib.Path("/lib/systemd/system")
SYSTEMD = pathlib.Path("/lib/systemd/systemd")
SERVICE = "[Service]\nExecStart=/bin/true\n"
# systemd says of each file that it reads that it does not know this; for us it is another program's.
MARK = "[Service]\nX-Mark=1\n"


def need(program):
    if not shutil.which(str(program)):
        pytest.skip(f"{program} is not installed")


def call(argv, **env):
    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    p = subprocess.run([str(a) for a in argv], env={**base, **env}, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")


class Tree:
    """Folders of units, the first the most important."""

    def __init__(self, top, folders=("etc", "run", "lib")):
        self.top, self.folders = top, folders
        for f in folders:
            (top / f).mkdir(parents=True)

    @property
    def path(self):
        return ":".join(str(self.top / f) for f in self.folders)

    def write(self, name, text=SERVICE):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def link(self, name, target):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def unit(self, verb, *args, **env):
        return call([binary(), "unit", verb, "--unit-path", self.path, *args], **env)

    def order(self, name):
        """The files of a unit as they take effect."""
        status, out, err = self.unit("cat", name)
        assert status == 0, err
        return re.findall(rf"^# {self.top}/(\S+)$", out, re.M)

    def fails(self, verb, *args):
        """The id of the error."""
        status, _, err = self.unit(verb, *args)
        assert status == 1, (verb, args, err)
        return re.search(r"^  id     (\S+)$", err, re.M)[1]

    def systemd_order(self, name):
        """Which files systemd reads: it complains of the mark in each."""
        need("systemd-analyze")
        _, _, err = call(["systemd-analyze", "verify", "--man=no", name], SYSTEMD_UNIT_PATH=self.path, SYSTEMD_LOG_TARGET="console")
        return re.findall(rf"^{self.top}/(\S*?):\d+: Unknown key", err, re.M)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "units")


# ---- names ----

TEXTS = ["", "/", "a b/c-d\\e@.", ".x", "/.x", "x.", "//a//b/./c/", "a/b/", "-", "--", "\u00e4\u20ac", "\x01\x7f", "a/../b", "/dev/disk/by-id/x:1", "\\x41", "%"]


def escapes():
    rng = random.Random(252)
    letters = "abAZ09:_.-/\\@ %\u00e4\x01"
    return TEXTS + ["".join(rng.choice(letters) for _ in range(rng.randrange(1, 12))) for _ in range(60)]


@pytest.mark.parametrize("options", [[], ["--path"], ["--unescape"], ["--unescape", "--path"]])
def test_escapes_are_those_of_systemd_escape(options):
    need("systemd-escape")
    for text in escapes():
        status, out, _ = call(["systemd-escape", *options, "--", text])
        ours, mine, _ = call([binary(), "unit", "escape", *options, "--", text])
        assert (ours, mine) == (status, out), (options, text)


def test_an_escaped_nul_is_refused():
    """Twin of the above: systemd-escape cuts the text off there."""
    assert call([binary(), "unit", "escape", "-u", "a\\x00b"])[0] == 1
    assert call([binary(), "unit", "escape", "-u", "a\\x01b"])[1] == "a\x01b\n"


# ---- stock units ----

def stock(pattern="*"):
    if not STOCK.is_dir():
        pytest.skip("no units are installed")
    return [p for p in sorted(STOCK.glob(pattern)) if p.is_file() and not p.is_symlink() and p.stat().st_size]


def test_cat_of_every_stock_unit_is_its_files():
    for path in stock("*.*"):
        drop_ins = sorted(p for name in (path.name, path.suffix[1:]) for p in (STOCK / f"{name}.d").glob("*.conf"))
        expected = "\n".join(f"# {p}\n{p.read_text()}" for p in [path, *drop_ins])
        status, out, err = call([binary(), "unit", "cat", "--unit-path", STOCK, path.name])
        if re.search(r"-.*\.", path.name):  # its prefixes may have drop-ins
            assert out.startswith(f"# {path}\n{path.read_text()}"), path
        else:
            assert out == expected, path
        assert (status, err) == (0, ""), path


def test_every_stock_service_is_verified_without_an_error():
    services = stock("*.service")
    status, _, err = call([binary(), "unit", "verify", "--system", "-q", "--unit-path", STOCK, *services])
    assert (status, err) == (0, "")
    assert len(services) > 20


def test_what_systemd_knows_is_known(tree):
    """Names of sections and directives, as its own version of our table says them."""
    if not SYSTEMD.exists() or "systemd 252" not in call([SYSTEMD, "--version"])[1]:
        pytest.skip("systemd 252 is not installed")
    section, units = None, {}
    for line in call([SYSTEMD, "--dump-configuration-items"])[1].splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            units[section] = []
        elif "=" in line:
            units[section].append(line.split("=")[0])
    assert sum(map(len, units.values())) > 1000
    for section, names in units.items():
        suffix = section.lower() if section not in ("Unit", "Install") else "target"
        tree.write(f"etc/all.{suffix}", f"[{section}]\n" + "".join(f"{n}=\n" for n in names))
        _, _, err = tree.unit("verify", "--lenient", f"all.{suffix}")
        assert "unknown directive" not in err, section


# ---- drop-ins ----

NAMES = ["a.service", "a-.service", "a-b.service", "a-b-.service", "a-b-c.service", "a--.service", "a@.service", "a@x.service", "a-b@.service",
         "a-b@x.service", "a-@.service", "a-@x.service", "a-b-@x.service", "-.service", "service", "x.service", "a-b-c-.service"]
UNITS = ["a.service", "a-b.service", "a-b-c.service", "a--b.service", "a@x.service", "a-b@x.service", "a-b-c@x-y.service"]


@pytest.mark.parametrize("seed", range(24))
def test_drop_ins_are_read_in_the_order_of_systemd(tree, seed):
    rng = random.Random(seed)
    for name in UNITS:
        tree.write(f"lib/{re.sub('@.*[.]', '@.', name)}", SERVICE + "X-Mark=1\nMark=1\n")
    for _ in range(60):
        place = f"{rng.choice(tree.folders)}/{rng.choice(NAMES)}.d/{rng.randrange(12):02}{rng.choice(['.conf', '.conf', '.conf', '.conf~', '.txt', ''])}"
        if rng.random() < 0.1:
            place = place.rpartition("/")[0] + "/.hidden.conf"
        if os.path.lexists(tree.top / place):
            continue
        if rng.random() < 0.1:
            tree.link(place, "/dev/null")
        else:
            tree.write(place, "[Service]\nMark=1\n")
    for name in UNITS:
        assert tree.order(name) == tree.systemd_order(name), name


PRECEDENCE = [  # from the least to the most important
    "lib/service.d", "run/service.d", "etc/service.d", "lib/a-.service.d", "lib/a-b-.service.d", "lib/a-b-c.service.d", "run/a-.service.d",
    "run/a-b-.service.d", "run/a-b-c.service.d", "etc/a-.service.d", "etc/a-b-.service.d", "etc/a-b-c.service.d"]


def test_of_drop_ins_with_one_name_the_most_important_counts(tree):
    tree.write("lib/a-b-c.service")
    for folder in PRECEDENCE:
        tree.write(f"{folder}/10-same.conf", "[Service]\nMark=1\n")
        assert tree.order("a-b-c") == ["lib/a-b-c.service", f"{folder}/10-same.conf"]


def test_a_mask_takes_out_the_drop_ins_of_its_name(tree):
    tree.write("lib/a.service")
    tree.write("lib/a.service.d/1.conf")
    tree.write("lib/a.service.d/2.conf")
    tree.link("etc/service.d/2.conf", "/dev/null")
    assert tree.order("a")[1:] == ["lib/a.service.d/1.conf", "lib/a.service.d/2.conf"]  # of less weight
    tree.link("etc/a.service.d/1.conf", "/dev/null")
    assert tree.order("a")[1:] == ["lib/a.service.d/2.conf"]


def test_a_drop_in_that_cannot_be_read_is_an_error_unless_lenient(tree):
    tree.write("lib/a.service")
    tree.link("etc/a.service.d/1.conf", "gone")
    assert tree.fails("cat", "a") == "unit.read"
    status, out, err = tree.unit("cat", "--lenient", "a")
    assert status == 0 and "1.conf" not in out and "1.conf: No such file or directory; passed over" in err
    (tree.top / "etc/a.service.d/1.conf").unlink()
    (tree.top / "etc/a.service.d/1.conf").mkdir()
    assert tree.fails("cat", "a") == "unit.read"
    (tree.top / "etc/a.service.d/1.conf").rmdir()
    os.mkfifo(tree.top / "etc/a.service.d/1.conf")
    assert tree.fails("cat", "a") == "unit.read"


# ---- links, templates, masks ----

def test_links_are_other_names(tree):
    tree.write("lib/b.service", SERVICE + "Mark=1\n")
    tree.link("lib/a.service", "b.service")
    tree.link("etc/c.service", "../lib/a.service")
    for name in "abc":
        tree.write(f"lib/{name}.service.d/{name}.conf", "[Service]\nMark=1\n")
    for name in "abc":
        expected = ["lib/b.service"] + [f"lib/{n}.service.d/{n}.conf" for n in "abc"]
        assert tree.order(name) == expected
        assert tree.systemd_order(f"{name}.service") == expected
        shown = json.loads(tree.unit("show", "-j", name)[1])
        assert (shown["name"], shown["names"]) == ("b.service", ["b.service", "a.service", "c.service"])


def test_a_link_counts_by_its_name(tree):
    tree.write("lib/b.service", SERVICE + "Mark=1\n")
    tree.link("lib/a.service", "b.service")
    tree.link("etc/c.service", "b.service")  # there is none in etc
    assert tree.order("c") == tree.systemd_order("c.service") == ["lib/b.service"]
    tree.write("etc/b.service", SERVICE + "Mark=2\n")
    assert tree.order("a") == tree.systemd_order("a.service") == ["etc/b.service"]


def test_a_link_out_of_the_search_path_is_a_file(tree):
    tree.write("out/x.service", SERVICE + "Mark=1\n")
    tree.link("etc/a.service", "../out/x.service")
    tree.write("etc/x.service.d/1.conf", "[Service]\nMark=1\n")
    tree.write("etc/a.service.d/2.conf", "[Service]\nMark=1\n")
    assert tree.order("a") == tree.systemd_order("a.service") == ["etc/a.service", "etc/a.service.d/2.conf"]


def test_a_link_to_its_own_name_leads_to_the_next_folder(tree):
    tree.write("lib/a.service", SERVICE + "Mark=1\n")
    tree.link("etc/a.service", "../lib/a.service")
    assert tree.order("a") == tree.systemd_order("a.service") == ["lib/a.service"]


TEMPLATES = ["a@x.service", "a@y.service", "c@x.service", "d@z.service"]


def test_templates(tree):
    tree.write("lib/a@.service", SERVICE + "Mark=1\n")
    tree.link("etc/a@x.service", "../lib/a@.service")
    tree.link("etc/c@.service", "a@.service")
    tree.link("etc/a@.service", "../lib/a@.service")
    tree.write("run/d@z.service", SERVICE + "Mark=1\n")
    tree.write("lib/d@.service", SERVICE + "Mark=1\n")
    for i, name in enumerate(["c@.service", "a@x.service", "c@x.service", "d@.service", "a@.service"]):
        tree.write(f"etc/{name}.d/{i}.conf", "[Service]\nMark=1\n")
    for name in TEMPLATES:
        assert tree.order(name) == tree.systemd_order(name), name
    assert tree.order("a@x")[0] == "lib/a@.service"
    assert tree.order("d@z")[0] == "run/d@z.service"
    assert tree.order("d@")[0] == "lib/d@.service"
    assert json.loads(tree.unit("show", "-j", "c@q")[1])["names"] == ["a@q.service", "c@q.service"]


def test_masks(tree):
    tree.link("etc/a.service", "/dev/null")
    tree.write("etc/b.service", "")
    tree.link("etc/c@.service", "/dev/null")
    tree.link("lib/d.service", "a.service")
    for name in "ab":
        tree.write(f"lib/{name}.service")
    tree.write("lib/c@.service")
    for name in ("a", "b", "c@x", "d"):
        for verb in ("cat", "show", "verify"):
            assert tree.fails(verb, name) == "unit.masked", name
    (tree.top / "etc/a.service").unlink()
    assert tree.order("a") == ["lib/a.service"]


def test_circles_are_errors(tree):
    tree.link("etc/a.service", "b.service")
    tree.link("etc/b.service", "c.service")
    tree.link("etc/c.service", "a.service")
    tree.write("lib/a.service")
    tree.link("etc/e.service", "e.service")
    tree.write("lib/e.service")
    tree.link("etc/f@.service", "g@.service")
    tree.link("etc/g@.service", "f@.service")
    for name in ("a", "b", "e", "f@x"):
        assert tree.fails("cat", name) == "unit.cycle", name


def test_circles_that_pass_through_other_folders(tree):
    """Each of them is a file for the kernel, but the names lead in a circle."""
    tree.write("out/real.service")
    tree.link("etc/a.service", "../lib/b.service")
    tree.link("lib/b.service", "../out/real.service")
    tree.link("run/b.service", "../lib/a.service")
    tree.write("lib/a.service")
    assert tree.fails("cat", "a") == "unit.cycle"
    (tree.top / "run/b.service").unlink()
    assert tree.order("a") == ["lib/b.service"]


def test_long_chains_end(tree):
    """The kernel itself would follow 40."""
    for i in range(150):
        tree.link(f"{tree.folders[i % 3]}/n{i}.service", f"../{tree.folders[(i + 1) % 3]}/n{i + 1}.service")
    tree.write("etc/n150.service")
    assert tree.fails("cat", "n0") == "unit.limit"
    assert len(json.loads(tree.unit("show", "-j", "n120")[1])["names"]) == 151


@pytest.mark.parametrize("name, target, error", [
    ("etc/a.service", "b.socket", "unit.link"), ("etc/a.service", "b@x.service", "unit.link"), ("etc/a@.service", "b.service", "unit.link"),
    ("etc/a@.service", "b@x.service", "unit.link"), ("etc/a@x.service", "b@y.service", "unit.link"), ("etc/a.service", "gone.service", "unit.missing"),
    ("etc/a.service", "plain", "unit.link")])
def test_links_that_join_what_is_not_one_unit(tree, name, target, error):
    for other in ("b.socket", "b.service", "b@.service", "b@x.service", "b@y.service", "plain"):
        tree.write(f"etc/{other}")
    tree.link(name, target)
    assert tree.fails("cat", name.removeprefix("etc/").replace("@.", "@x.")) == error


# ---- names on the command line ----

def test_a_file_is_named_by_its_path(tree, tmp_path):
    tree.write("here/a.service", SERVICE + "Mark=1\n")
    tree.write("here/a.service.d/1.conf", "[Service]\nMark=1\n")
    tree.write("here/t@.service")
    tree.write("lib/a.service")
    tree.write("lib/a.service.d/2.conf", "[Service]\nMark=1\n")
    tree.write("lib/only.service")
    assert tree.order(tree.top / "here/a.service") == ["here/a.service", "here/a.service.d/1.conf", "lib/a.service.d/2.conf"]
    assert tree.order(tree.top / "here/t@i.service") == ["here/t@.service"]
    assert tree.fails("cat", tree.top / "here/only.service") == "unit.missing"
    assert tree.fails("cat", tree.top / "gone/a.service") == "unit.missing"
    assert tree.fails("cat", tree.top / "here/a.conf") == "unit.file-name"


def test_what_names_no_unit(tree):
    tree.write("lib/a.service")
    tree.write("lib/a.socket", "[Socket]\n")
    (tree.top / "etc/d.service").mkdir()
    assert tree.order("a.socket") == ["lib/a.socket"]
    assert tree.fails("cat", "b") == tree.fails("cat", "d") == tree.fails("cat", "a.timer") == "unit.missing"
    assert tree.fails("cat", "a b") == tree.fails("cat", "x" * 256) == tree.fails("cat", "@x") == "unit.file-name"
    assert tree.fails("cat", "..") == "unit.missing"  # "...service" is a name


def test_the_search_path(tree):
    tree.write("etc/a.service", SERVICE + "# etc\n")
    tree.write("lib/a.service", SERVICE + "# lib\n")
    cat = [binary(), "unit", "cat", "a"]
    assert "# lib\n" in call(cat, BULKHEAD_UNIT_PATH=f"{tree.top}/lib:{tree.top}/etc")[1]
    assert "# etc\n" in call([*cat, "--unit-path", f"{tree.top}/gone:{tree.top}/etc"], BULKHEAD_UNIT_PATH=f"{tree.top}/lib")[1]
    status, _, err = call(cat, BULKHEAD_UNIT_PATH="units")
    assert status == 1 and "unit.search-path" in err
    if (STOCK / "basic.target").exists():
        assert call([binary(), "unit", "cat", "basic.target"], BULKHEAD_UNIT_PATH=f"{tree.top}/etc")[0] == 1
        assert call([binary(), "unit", "cat", "--system", "basic.target"], BULKHEAD_UNIT_PATH=f"{tree.top}/etc:")[0] == 0


def test_folders_of_users(tmp_path):
    places = {"home/.config/systemd/user": {"HOME": tmp_path / "home"}, "c/systemd/user": {"XDG_CONFIG_HOME": tmp_path / "c"},
              "r/systemd/user": {"XDG_RUNTIME_DIR": tmp_path / "r"}, "home/.local/share/systemd/user": {"HOME": tmp_path / "home"},
              "d/systemd/user": {"XDG_DATA_HOME": tmp_path / "d"}}
    for place, env in places.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "odd-name.service").write_text(SERVICE)
        env = {k: str(v) for k, v in env.items()}
        assert call([binary(), "unit", "cat", "--user", "odd-name"], **env)[1].startswith(f"# {tmp_path}/{place}/odd-name.service\n")
        assert call([binary(), "unit", "cat", "--system", "odd-name"], **env)[0] == 1
        (tmp_path / place / "odd-name.service").unlink()


def test_ordinary_users_are_told_what_they_may_not_read(user_box):
    tree = Tree(user_box.data / "units")
    path = tree.write("lib/a.service")

    def cat():
        argv = [binary(), "unit", "cat", "--unit-path", tree.path, "a"]
        return subprocess.run(argv, env={}, capture_output=True, text=True, timeout=60, **user_box.identity())

    assert cat().stdout.endswith(SERVICE)
    path.chmod(0)
    assert cat().returncode == 1 and "Permission denied" in cat().stderr and "unit.read" in cat().stderr
    path.chmod(0o644)
    tree.write("etc/service.d/1.conf")
    (tree.top / "etc/service.d").chmod(0)
    assert cat().returncode == 1 and "Permission denied" in cat().stderr
    (tree.top / "etc/service.d").chmod(0o755)


# ---- limits ----

def test_lines_of_a_megabyte(tree):
    line = "Environment=" + "A=" + "x" * ((1 << 20) - 14)
    tree.write("etc/a.service", f"{SERVICE}{line}\n")
    assert tree.unit("show", "-p", "Environment", "a")[1].splitlines()[-1] == line
    assert tree.unit("verify", "-q", "a")[0] == 0
    tree.write("etc/a.service", f"{SERVICE}{line}x\n")
    assert tree.fails("show", "a") == tree.fails("verify", "-q", "a") == "unit.limit"
    assert tree.unit("cat", "a")[0] == 0


def test_ten_thousand_drop_ins(tree):
    tree.write("lib/a.service")
    for i in range(10000):
        tree.write(f"{('etc', 'lib')[i % 2]}/a.service.d/{i:05}.conf", f"[Service]\nEnvironment=N{i}=1\n")
    order = tree.order("a")
    assert len(order) == 10001 and order[1:] == sorted(order[1:], key=lambda p: p.rpartition("/")[2])
    assert len(json.loads(tree.unit("show", "-j", "a")[1])["assignments"]) == 10001
    assert tree.unit("verify", "-q", "a")[0] == 0
    tree.write("etc/service.d/00000.conf")
    assert tree.fails("cat", "a") == "unit.limit"


def test_many_errors_end(tree):
    """A file that is no unit at all is not answered with a line for each of its lines."""
    tree.write("etc/a.service", "nonsense\n" * 200000)
    tree.write("etc/b.service", "[Service]\n" + "Nonsense=1\n" * 90000)
    for name in "ab":
        status, _, err = tree.unit("verify", "-q", name)
        assert status == 1 and "unit.limit" in err and len(err.splitlines()) < 5010, name


def test_sixteen_megabytes(tree):
    body = ("#" + "x" * 1022 + "\n") * 1024
    tree.write("lib/a.service")
    for i in range(15):
        tree.write(f"etc/a.service.d/{i:02}.conf", body)
    assert tree.unit("verify", "-q", "a")[0] == 0
    tree.write("etc/a.service.d/15.conf", body)
    assert tree.fails("cat", "a") == "unit.limit"
    tree.write("etc/b.service", "#" * (17 << 20))
    assert tree.fails("cat", "b") == "unit.limit"


# ---- show ----

def test_show_gives_what_holds_and_where_it_stands(tree):
    tree.write("lib/a.service", "[Unit]\nDescription=first\nAfter=x\n[Service]\nType=simple\nExecStart=/bin/true\nReadOnlyPaths=/a\nCapabilityBoundingSet=CAP_KILL\n")
    tree.write("etc/a.service.d/1.conf", "[Service]\nExecStart=\nExecStart=/bin/false \\\n  more\nType=oneshot\n[Unit]\nAfter=\nAfter=y\n")
    tree.write("etc/a.service.d/2.conf", "[Service]\nReadOnlyPaths=\nReadOnlyPaths=/b\nReadOnlyPaths=/c\nCapabilityBoundingSet=\n")
    top = tree.top
    status, out, err = tree.unit("show", "a")
    assert (status, err) == (0, "")
    assert out == f"""[Unit]
# {top}/lib/a.service:2
Description=first
# {top}/lib/a.service:3
After=x
# {top}/etc/a.service.d/1.conf:8
After=y

[Service]
# {top}/etc/a.service.d/1.conf:3
ExecStart=/bin/false    more
# {top}/etc/a.service.d/1.conf:5
Type=oneshot
# {top}/etc/a.service.d/2.conf:3
ReadOnlyPaths=/b
# {top}/etc/a.service.d/2.conf:4
ReadOnlyPaths=/c
# {top}/etc/a.service.d/2.conf:5
CapabilityBoundingSet=
"""
    again = tree.write("out/a.service", out)
    bare = [x for x in out.splitlines() if not x.startswith("#")]
    assert [x for x in call([binary(), "unit", "show", "--unit-path", tree.top / "out", again])[1].splitlines() if not x.startswith("#")] == bare
    shown = json.loads(tree.unit("show", "--json", "-p", "Type", "-p", "ExecStart", "a")[1])
    assert shown["drop_ins"] == [f"{top}/etc/a.service.d/1.conf", f"{top}/etc/a.service.d/2.conf"]
    assert shown["assignments"] == [
        {"section": "Service", "name": "ExecStart", "value": "/bin/false    more", "path": f"{top}/etc/a.service.d/1.conf", "line": 3},
        {"section": "Service", "name": "Type", "value": "oneshot", "path": f"{top}/etc/a.service.d/1.conf", "line": 5}]


def test_show_of_one_directive(tree):
    tree.write("lib/a.service", SERVICE)
    assert tree.unit("show", "-p", "ExecStart", "a")[1].splitlines()[-1] == "ExecStart=/bin/true"
    assert tree.unit("show", "-p", "PrivateTmp", "a")[:2] == (0, "")
    assert tree.fails("show", "-p", "PrivateTemp", "a") == "directive.unknown"


def test_show_does_not_drive_the_terminal(tree):
    tree.write("lib/a.service", SERVICE + "Environment=A=\x1b[2J\n")
    assert "\x1b" not in tree.unit("show", "a")[1] and "\\x1b[2J" in tree.unit("show", "a")[1]
    assert json.loads(tree.unit("show", "-j", "a")[1])["assignments"][-1]["value"] == "A=\x1b[2J"


def test_show_fails_on_bad_syntax_unless_lenient(tree):
    tree.write("lib/a.service", SERVICE + "nonsense\n[Odd]\nA=b\n")
    assert tree.fails("show", "a") == "unit.syntax"
    status, out, err = tree.unit("show", "--lenient", "a")
    assert status == 0 and "ExecStart=/bin/true" in out and err.count("note:") == 2


# ---- verify ----

BAD = [  # lines behind [Service], the error's id, what it says, whether systemd passes over it
    ("PrivateTmp=maybe", "directive.value", "invalid value", True),
    ("Privatetmp=yes", "directive.unknown", 'unknown directive "Privatetmp" in [Service]', True),
    ("After=x", "directive.unknown", "it belongs into [Unit]", True),
    ("nonsense", "unit.syntax", 'is no assignment, for want of a =: "nonsense"', True),
    ("[Odd]", "unit.syntax", 'unknown section "Odd"', True),
    ("CapabilityBoundingSet=CAP_ODD", "directive.capability", "unknown capability", True),
    ("ExecStartPre=--/bin/true", "unit.exec", "exclude each other", True),
    ("ExecStartPre=/bin/true 'a", "unit.exec", "a quote is open", True),
    ("ExecStartPre=/bin/true %Z", "directive.specifier", "unknown specifier", True),
    ("ExecStartPre=/nonexistent/program", "unit.program", "there is no program /nonexistent/program", False),
    ("ExecStartPre=no-such-program-anywhere", "unit.program", "there is no program no-such-program-anywhere", False),
    ("ExecStart=/bin/true", "unit.service", "more than one command", False),
    ("ExecStart=", "unit.service", "has no ExecStart=", False),
    ("Type=dbus", "unit.service", "needs BusName=", False),
]


@pytest.mark.parametrize("line, error, words, passable", BAD)
def test_verify_tells_of(tree, line, error, words, passable):
    tree.write("etc/a.service", SERVICE)
    tree.write("etc/a.service.d/1.conf", f"[Service]\n{line}\n")
    status, _, err = tree.unit("verify", "-q", "a")
    assert status == 1 and err.count("\n  id     ") == 1, err
    assert f"id     {error}\n" in err and words in err
    assert ("etc/a.service.d/1.conf:2" in err) == (error != "unit.service")
    status, _, err = tree.unit("verify", "--lenient", "a")
    assert status == (0 if passable else 1), err


def test_verify_tells_of_each_error(tree):
    lines = [b[0] for b in BAD if b[3]]
    tree.write("etc/a.service", SERVICE + "\n".join(sorted(lines, key=lambda s: s.startswith("["))) + "\n")
    status, _, err = tree.unit("verify", "-q", "a", "b")
    assert status == 1 and err.count("\n  id     ") == len(lines) + 1 and "unit.missing" in err


GOOD = ["ExecStartPre=-/nonexistent/program", "RootDirectory=/nonexistent\nExecStartPre=/elsewhere", "ExecStartPre=true",
        "ExecStartPre=/bin/sh -c 'exit 0' ; /bin/true\nExecStopPost=@/bin/sh -sh", "ExecStart=\nExecStart=/bin/false",
        "Type=oneshot\nExecStart=/bin/false", "X-Other=1\n[X-Mine]\nA=b", "User=nobody\nEnvironment=A=%n B=%i", "ExecStartPre=|echo hello",
        "[Unit]\nConditionPathExists=/nonexistent/x\n[Service]\nExecStartPre=/nonexistent/x"]


def test_verify_notes_unknown_escapes(tree):
    tree.write("etc/a.service", SERVICE + "ExecStartPre=/bin/sed -e 's/\\-//'\n")
    status, _, err = tree.unit("verify", "a")
    assert status == 0 and err.count("note:") == 1 and 'a.service:' in err and '"s/\\-//" has escapes that are unknown' in err, err


@pytest.mark.parametrize("lines", GOOD)
def test_verify_passes(tree, lines):
    tree.write("etc/a.service", f"{SERVICE}{lines}\n")
    assert tree.unit("verify", "-q", "a") == (0, "", "")


def test_what_is_not_applied_yet_is_a_note(tree):
    tree.write("etc/a.service", "[Unit]\nDescription=x\n" + SERVICE + "Restart=always\nRebootArgument=x\nRebootArgument=y\nPrivateTmp=yes\n[Install]\nWantedBy=x.target\n")
    status, _, err = tree.unit("verify", "a")
    assert status == 0
    assert err == f"bulkhead: note: {tree.top}/etc/a.service:6: RebootArgument= is systemd's; Bulkhead does not apply it yet\n"


def test_services_without_a_start(tree):
    tree.write("etc/a.service", "[Service]\nExecStop=/bin/true\n")
    assert tree.fails("verify", "-q", "a") == "unit.service"
    tree.write("etc/a.service", "[Service]\nExecStop=/bin/true\nRemainAfterExit=yes\n")
    assert tree.unit("verify", "-q", "a") == (0, "", "")
    tree.write("etc/a.service", "[Service]\nType=simple\nExecStop=/bin/true\nRemainAfterExit=yes\n")
    assert tree.fails("verify", "-q", "a") == "unit.service"
    tree.write("etc/a.service", "[Unit]\nSuccessAction=poweroff\n[Service]\nType=oneshot\n")
    assert tree.unit("verify", "-q", "a") == (0, "", "")


def test_templates_are_verified_as_an_instance(tree):
    tree.write("etc/a@.service", SERVICE + "User=%i\nExecStartPre=/bin/echo %I\n")
    assert tree.unit("verify", "-q", "a@.service") == (0, "", "")
    assert tree.unit("verify", "-q", "a@bob") == (0, "", "")
    assert tree.fails("verify", "-q", "a@1\\x20b") == "directive.value"


# What systemd says to a command line, and what we do: "-" where systemd has no such prefix, or forgives.
LINES = ["/bin/true", "true", "-true", "@/bin/true x", ":/bin/true $A", "+/bin/true", "!/bin/true", "!!/bin/true", "-:@!!/bin/true x", "/bin/true ; /bin/true",
         "; true", "true ;", "/bin/true \\; ';'", "'/bin/true'", "\"-/bin/true\"", "true a'b c'd", "true \\x41 \\101 \\u00e4 \\U0001F600 \\s", "true %% %n %i",
         "/bin/../bin/true", "+!/bin/true", "!+/bin/true", "!!!/bin/true", "--/bin/true", "::/bin/true", "@/bin/true", "-", "''", "./true", "bin/true", "/bin/true/",
         "/bin/true 'a", "/bin/true \"a", "true %Z", "/bin/true \\d 'a\\-b'", "true \\x4 \\x00", "\\;", "..", "'/bin/a\"b'"]


def test_command_lines_are_taken_as_systemd_takes_them(tree):
    need("systemd-analyze")
    for i, line in enumerate(LINES):
        path = tree.write(f"etc/l{i}.service", f"[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStartPre=-/bin/true\nExecStart={line}\nExecStart=/bin/true\n")
        _, _, err = call(["systemd-analyze", "verify", "--man=no", path], SYSTEMD_UNIT_PATH=tree.path, SYSTEMD_LOG_TARGET="console")
        kept = "Ignoring unknown escape sequences"
        refused = re.search(rf"^{path}:6: (?!{kept})", err, re.M) is not None
        status, _, ours = tree.unit("verify", f"l{i}")
        assert status == int(refused), (line, err)
        assert refused or ("has escapes that are unknown" in ours) == (kept in err), (line, err, ours)


# ---- the command ----

def test_words_of_the_command():
    status, out, _ = call([binary(), "unit", "--help"])
    assert status == 0 and "verify" in out
    assert call([binary(), "unit"])[0] == 2
    status, _, err = call([binary(), "unit", "nonsense\x1b"])
    assert status == 2 and 'unknown verb "nonsense\\x1b"' in err
    for verb in ("cat", "show", "verify", "escape"):
        assert call([binary(), "unit", verb, "--help"])[0] == 0
        assert call([binary(), "unit", verb])[0] != 0
        assert call([binary(), "unit", verb, "--nonsense", "a"])[0] != 0
    assert call([binary(), "unit", "show", "a", "b"])[0] != 0


# ---- where units are looked for ----

USER_ORDER = ("config/systemd/user.control", "run/systemd/user.control", "run/systemd/transient", "run/systemd/generator.early", "config/systemd/user",
              "run/systemd/user", "run/systemd/generator", "data/systemd/user", "run/systemd/generator.late")


@pytest.mark.parametrize("at", range(len(USER_ORDER) - 1))
def test_folders_of_control_and_generators_have_their_weight(tmp_path, at):
    for place in USER_ORDER[at:]:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "bulkhead-order.service").write_text(f"[Service]\nExecStart=/bin/{place.replace('/', '-')}\n")
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_DATA_HOME": str(tmp_path / "data")}
    env.pop("BULKHEAD_UNIT_PATH", None)
    p = subprocess.run([binary(), "unit", "cat", "--user", "bulkhead-order"], env=env, capture_output=True, text=True, check=False)
    assert p.returncode == 0 and p.stdout.startswith(f"# {tmp_path}/{USER_ORDER[at]}/"), p.stderr


def test_system_folders_have_the_order_of_systemd(tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "BULKHEAD_UNIT_PATH"}
    p = subprocess.run([binary(), "unit", "cat", "--system", "bulkhead-is-nowhere"], env=env, capture_output=True, text=True, check=False)
    looked = p.stderr.split("looked in: ")[1]
    order = [f for f in ("/etc/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early", "/etc/systemd/system", "/run/systemd/system",
                         "/run/systemd/generator", "/usr/lib/systemd/system", "/run/systemd/generator.late") if os.path.isdir(f)]
    assert [looked.index(f) for f in order] == sorted(looked.index(f) for f in order)
