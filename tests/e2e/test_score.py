# SPDX-License-Identifier: LGPL-2.1-or-later
"""bulkhead score gives the numbers of "systemd-analyze security --offline=true", version 252."""
import json
import os
import pathlib
import re
import subprocess

import pytest

import score_units
from conftest import binary

STOCK = pathlib.Path("/lib/systemd/system")
EVERY = 500


def score(*arguments, folder=None):
    return subprocess.run([binary(), "score", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def judge():
    if not score_units.program():
        pytest.skip("systemd-analyze is missing (Debian: systemd)")
    if score_units.version() != 252:
        pytest.skip(f"systemd-analyze is version {score_units.version()}; the numbers are those of 252")
    return score_units.judge


def table_of(unit):
    return {c["check"]: (c["state"], str(c["exposure"]) if c.get("exposure") else None) for c in unit["checks"]}


def ours(folder, units, *options):
    p = score("--json", *options, *units, folder=folder)
    return {u["unit"]: (str(u["exposure"]), u["rating"], table_of(u)) for u in json.loads(p.stdout)}, p


def assert_same(theirs, mine):
    assert sorted(theirs) == sorted(mine)
    for name, (number, rating, checks) in theirs.items():
        assert mine[name][:2] == (number, rating), name
        assert mine[name][2] == checks, name


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)


SERVICE = "[Service]\nExecStart=/bin/true\n"
APART = "[Service]\nPrivateNetwork=yes\n"
TOGETHER = "[Service]\nPrivateNetwork=no\n"

# ---- the same numbers ----


def test_stock_units_have_the_numbers_of_systemd(judge):
    units = sorted(p.name for p in STOCK.glob("*.service") if os.path.realpath(p) != "/dev/null")
    if not units:
        pytest.skip(f"no services in {STOCK}")
    theirs, _ = judge(STOCK, units)
    mine, p = ours(STOCK, units)
    assert p.returncode == 0, p.stderr
    # Of other names of a unit both know the one.
    assert_same(theirs, {name: mine[name] for name in theirs})


def test_valid_random_units_have_the_numbers_of_systemd(judge, tmp_path):
    units = score_units.write(tmp_path, EVERY, odd=False)
    theirs, _ = judge(tmp_path, units)
    mine, p = ours(tmp_path, units)
    assert len(theirs) == EVERY and (p.returncode, p.stderr) == (0, "")
    assert_same(theirs, mine)


def test_odd_random_units_have_the_numbers_of_systemd_when_lenient(judge, tmp_path):
    units = score_units.write(tmp_path, EVERY, odd=True)
    theirs, _ = judge(tmp_path, units)
    mine, p = ours(tmp_path, units, "--lenient")
    assert len(theirs) == EVERY and p.returncode == 0
    assert_same(theirs, mine)


def test_odd_random_units_are_errors_where_systemd_warns(judge, tmp_path):
    units = score_units.write(tmp_path, 100, odd=True)
    theirs, said = judge(tmp_path, units)
    p = score("--json", *units, folder=tmp_path)
    good = {u["unit"] for u in json.loads(p.stdout)}
    warned = {name for name in theirs if re.search(rf"/{re.escape(name)}:\d+: .*(?i:ignoring|invalid|failed)", said)}
    # systemd names the line by the file: the template for its instance.
    assert not good & warned and p.returncode == 2


DROP_INS = {
    "own": ("a.service", {"a.service.d/x.conf": APART}),
    "without suffix": ("a.service", {"a.service.d/x": APART}),
    "hidden": ("a.service", {"a.service.d/.x.conf": APART}),
    "by name": ("a.service", {"a.service.d/y.conf": APART, "a.service.d/X.conf": TOGETHER}),
    "dash": ("a-b.service", {"a-.service.d/x.conf": APART}),
    "nearer dash": ("a-b-c.service", {"a-.service.d/x.conf": APART, "a-b-.service.d/x.conf": TOGETHER}),
    "dashes by name": ("a-b-c.service", {"a-.service.d/y.conf": APART, "a-b-.service.d/x.conf": TOGETHER}),
    "type": ("a.service", {"service.d/x.conf": APART}),
    "type by name": ("a.service", {"service.d/z.conf": APART, "a.service.d/y.conf": TOGETHER}),
    "type hidden": ("a.service", {"service.d/z.conf": APART, "a.service.d/z.conf": TOGETHER}),
    "type masked": ("a.service", {"service.d/z.conf": APART, "a.service.d/z.conf": "-> /dev/null"}),
    "type emptied": ("a.service", {"service.d/z.conf": APART, "a.service.d/z.conf": ""}),
    "template": ("a@.service", {"a@.service.d/x.conf": APART}),
    "instance of template": ("a@i.service", {"a@.service.d/x.conf": APART}),
    "template with instance": ("a@.service", {"a@i.service.d/x.conf": APART}),
    "template dash": ("a-b@.service", {"a-@.service.d/x.conf": APART}),
    "template plain dash": ("a-b@.service", {"a-.service.d/x.conf": APART}),
    "folder": ("a.service", {"a.service.d/y.conf/k": APART}),
    "section of its own": ("a.service", {"a.service.d/x.conf": "[Unit]\nDefaultDependencies=no\n" + APART}),
    "reset": ("a.service", {"a.service.d/x.conf": "[Service]\nIPAddressDeny=any\n", "a.service.d/y.conf": "[Service]\nIPAddressDeny=\n"}),
    "alias": ("b.service", {"a.service": SERVICE, "b.service": "-> a.service", "b.service.d/x.conf": APART}),
    "alias of unit with": ("b.service", {"a.service": SERVICE, "b.service": "-> a.service", "a.service.d/x.conf": APART}),
    "alias of template": ("b@.service", {"a@.service": "[Service]\nExecStart=/bin/a\nUser=%p\n", "b@.service": "-> a@.service"}),
    "continued": ("a.service", {"a.service": SERVICE + "PrivateNetwork=\\\n# comment\n yes\nPrivateTmp=yes # no comment\n"}),
    "dropped section": ("a.service", {"a.service": SERVICE + "[X-Other]\nPrivateNetwork=yes\n"}),
}


@pytest.mark.parametrize("case", DROP_INS)
def test_drop_ins_count_as_for_systemd(judge, tmp_path, case):
    unit, files = DROP_INS[case]
    write(tmp_path, {unit: SERVICE, **files} if unit not in files else files)
    theirs, said = judge(tmp_path, [unit])
    mine, p = ours(tmp_path, [unit], "--lenient")
    assert p.returncode == 0, p.stderr
    assert theirs, said
    assert_same(theirs, mine)


# ---- the command ----


def test_one_file_gives_a_table(tmp_path):
    write(tmp_path, {"a.service": SERVICE + "PrivateNetwork=yes\n"})
    p = score(tmp_path / "a.service")
    lines = p.stdout.splitlines()
    assert (p.returncode, p.stderr) == (0, "")
    assert re.match(r"DIRECTIVE +EXPOSURE +THE SERVICE$", lines[0])
    assert any(re.match(r"PrivateNetwork= +0\.0  has no network of the host$", line) for line in lines)
    assert any(re.match(r"RemoveIPC= +-  does not matter for root$", line) for line in lines)
    assert lines[-2:] == ["", "a.service: 9.1 UNSAFE"]


def test_several_files_give_a_line_each(tmp_path):
    write(tmp_path, {"a.service": SERVICE, "b.service": SERVICE + "CapabilityBoundingSet=\n"})
    p = score("b.service", "a.service", folder=tmp_path)
    assert (p.returncode, p.stdout) == (0, "b.service: 7.1 MEDIUM\na.service: 9.6 UNSAFE\n")


def test_json_has_the_rows(tmp_path):
    write(tmp_path, {"a.service": SERVICE + "UMask=0027\n"})
    (unit,) = json.loads(score("--json", "a.service", folder=tmp_path).stdout)
    assert [unit[k] for k in ("file", "unit", "exposure", "rating")] == ["a.service", "a.service", 9.6, "UNSAFE"]
    row = next(c for c in unit["checks"] if c["check"] == "UMask")
    assert row == {"check": "UMask", "directive": "UMask=", "description": "makes files that its group may read", "state": "bad", "badness": 1,
                   "range": 10, "weight": 100, "exposure": 0.1}


@pytest.mark.parametrize("threshold, status", [("96", 0), ("95", 1), ("100", 0), ("0", 1)])
def test_threshold_sets_the_status(tmp_path, threshold, status):
    write(tmp_path, {"a.service": SERVICE, "b.service": SERVICE + "CapabilityBoundingSet=\n"})
    assert score("--threshold", threshold, "a.service", "b.service", folder=tmp_path).returncode == status


@pytest.mark.parametrize("threshold", ["101", "-1", "9.6", ""])
def test_threshold_takes_whole_numbers_to_a_hundred(tmp_path, threshold):
    write(tmp_path, {"a.service": SERVICE})
    p = score(f"--threshold={threshold}", "a.service", folder=tmp_path)
    assert p.returncode not in (0, 1, 2) and "--threshold takes a number from 0 to 100" in p.stderr and p.stdout == ""


def test_an_invalid_value_is_an_error_unless_lenient(tmp_path):
    write(tmp_path, {"a.service": SERVICE + "PrivateNetwork=perhaps\n", "b.service": SERVICE})
    p = score("a.service", "b.service", folder=tmp_path)
    assert p.returncode == 2 and p.stdout == "b.service: 9.6 UNSAFE\n"
    assert 'PrivateNetwork= has "perhaps", which is neither yes nor no' in p.stderr and "a.service:3" in p.stderr and "score.value" in p.stderr
    p = score("--lenient", "a.service", "b.service", folder=tmp_path)
    assert p.returncode == 0 and p.stdout == "a.service: 9.6 UNSAFE\nb.service: 9.6 UNSAFE\n"
    assert p.stderr == 'bulkhead: note: ./a.service:3: PrivateNetwork= has "perhaps", which is neither yes nor no\n'


def test_what_is_no_service_is_said(tmp_path):
    write(tmp_path, {"a.socket": "[Socket]\n", "masked.service": "-> /dev/null", "bad.service": "PrivateNetwork=yes\n"})
    for name, identity in (("a.socket", "score.kind"), ("masked.service", "unit.masked"), ("gone.service", "unit.missing"), ("bad.service", "unit.syntax")):
        p = score(name, folder=tmp_path)
        assert p.returncode == 2 and p.stdout == "" and identity in p.stderr, name
    assert score(folder=tmp_path).returncode not in (0, 1, 2)
