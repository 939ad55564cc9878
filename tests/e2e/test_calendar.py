# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calendar events: their normalised form and their times. systemd-analyze judges where it is installed."""
import calendar
import datetime
import json
import os
import random
import re
import shutil
import subprocess
import zoneinfo

import pytest

from conftest import binary

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Europe/Dublin", "Africa/Casablanca",
         "Asia/Kathmandu", "Antarctica/Troll", "America/Havana"]
# Around them clocks are set somewhere: Apia left a day out, Sao Paulo and Havana set theirs at midnight, Troll by two hours.
BASES = ["2011-12-28 10:00:00", "2017-10-13 22:13:14", "2025-10-25 23:30:00", "2026-03-28 20:00:00", "2026-03-08 03:59:59", "2025-11-02 05:30:00", "2026-01-01 00:00:00",
         "1999-12-31 23:59:59", "2098-02-27 12:00:00"]
MANUAL = """Sat,Thu,Mon..Wed,Sat..Sun|Mon,Sun 12-*-* 2,1:23|Wed *-1|Wed..Wed,Wed *-1|Wed, 17:48|Wed..Sat,Tue 12-10-15 1:2:3|*-*-7 0:0:0|10-15|monday *-12-* 17:00
Mon,Fri *-*-3,1,2 *:30:45|12,14,13,12:20,10,30|12..14:10,20,30|mon,fri *-1/2-1,3 *:30:45|03-05 08:05:40|08:05:40|05:40|Sat,Sun 12-05 08:05:40|Sat,Sun 08:05:40
2003-03-05 05:40|05:40:23.4200004/3.1700005|2003-02..04-05|2003-03-05 05:40 UTC|2003-03-05|03-05|hourly|daily|daily UTC|monthly|weekly|weekly Pacific/Auckland|yearly
annually|*:2/3|minutely|quarterly|semiannually|semi-annually|biannually|bi-annually|anually|DAILY|Thu,Fri 2012-*-1,5 11:12:13|*-02~03|Mon *-05~07/1|*-*~1..3"""
EDGES = """|*| daily|daily |daily  UTC|daily UTC |daily utc|@1795000000 Europe/Berlin|@0|@7258118399|@7258118400|@99999999999999|@|@1.5|mon @1795000000|mon |mon daily|mon,,tue|mon..tue..wed
mon-wed|monday..sunday|mon,|mon ,tue|mon..|mon.|mon.tue|sun..mon|mon..mon|mondays|monda|m|mon,10:00|mon1:1|mon 1:1|12/3-1-1|1990..10-1-1|1990..2035/7-1-1|2-30|2-29|2-29 12:00
*-*~1..31|*-*~31/2|*-*~28|*-*~29|*-*~28/3|*-*~5/2|*-*~3/3|*-*~7..7|*-*~2..8/3|*-*~2,1|*~*|*~5|*-*~*|5~1 3:0|2026~1-1|1~1~1|1:1-1|1-1:1|10:00 mon|2026-01-15  10:00|2026-1-1T10:00
10|*:*|*:*:*|*:*:0/1|*:*:0..59|*:*:0..59,3|daily posix/Europe/Berlin|daily Europe|daily Europe/Berlin UTC|daily ../zoneinfo/UTC|daily /usr/share/zoneinfo/UTC|daily Europe//Berlin
daily tzdata.zi|daily Nowhere/Town|Europe/Berlin|UTC| UTC|0:0:0..0|0:0:5..5.0000001|0:0:5..4|0:0:5,4..3|0:5..7/9:0|0:5..7/2:0|2026-1-1,10:00|1:1,:1|1:1,|1/0:0|0:0/60|0:0/59|0:1/59|1/11-1
2/11-1|2199/1-1-1|2000/199-1-1|2000/200-1-1|2147483648-1-1|99999999999999999999-1-1|0:0:2147483648|100-1-1|-1-1|+1-1|0:0:1.5..3.5|0:0:1.5..3.7/0.1|0:0:0/0.0000001|0:0:0/0.0000006
0:0:5..5|0:0:5..5.5|0:0:5..5.5/0.1|0:0:5..5/0.1|0:0:5..6/2|22..25/5:0|22..99/100:0|23/1:0|22/1:0|1..99:0|5,5:0|5/2,5:0|5/2,5/3,5..7:0|0:0:58/1|0:0:59/1|0:0:59/0.5|0:0:0/59.999999|0:0:0/60
70-1-1|69-1-1|2199-12-31 23:59:59|2200-1-1|1969-1-1|69..70-1-1|70..69-1-1|60..2080-1-1|0:0:1.5.7|0:0:1...7|0:0:1.a|1.5:0:0|0:0:1..2..3|0:0:1/2/3|0:0:1/2..3|0:0:59.9999999|0:0:60|0:60|24:0
0000000002026-1-1|0:0:0.0000005|0:0:0.00000049999|*/2:0|1,*:0|*,1:0|*..2:0|1-32|13-1|0-1|1-0|1 1:1|*-*-* 00:00:00 00|+5min|now|tomorrow|mon..fri,sat..sun 1:1|fri-sun,mon,|1:2,1,1,1..3:1"""


def lines(text):
    return [x for line in text.split("\n") for x in line.split("|")]


def ours(zone, base, expressions, iterations=5):
    env = {"PATH": "/usr/bin:/bin", "TZ": zone, "LC_ALL": "C.UTF-8"}
    p = subprocess.run([str(binary()), "unit", "calendar", f"--iterations={iterations}", f"--base-time={base} UTC", "--json", "--", *expressions],
                       env=env, capture_output=True, timeout=120)
    assert p.returncode in (0, 1), p.stderr
    return {x["expression"]: (x["normalised"], [t["usec"] // 1000000 for t in x["times"]]) for x in json.loads(p.stdout)}


def seconds(line):
    d = datetime.datetime.strptime(line.split(" ", 1)[1].rsplit(" ", 1)[0], "%Y-%m-%d %H:%M:%S")
    return int(d.replace(tzinfo=datetime.timezone.utc).timestamp())


def theirs(zone, base, expressions, iterations=5):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    env = {"PATH": "/usr/bin:/bin", "TZ": zone, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"}
    p = subprocess.run(["systemd-analyze", "calendar", f"--iterations={iterations}", f"--base-time={base} UTC", "--", *expressions],
                       env=env, capture_output=True, text=True, timeout=120)
    failed = re.findall(r"Failed to parse calendar specification '(.*)': ", p.stderr)
    # Around clocks that are set at midnight it gives up on some that it can read: these are left to the model.
    lost = re.findall(r"Failed to determine next elapse for '(.*)': ", p.stderr)
    valid = [x for x in expressions if x not in failed and x not in lost]
    blocks = p.stdout.split("Normalized form: ")[1:]
    assert len(blocks) == len(valid), p.stderr
    found = {}
    for expression, block in zip(valid, blocks):
        utc = re.findall(r"\(in UTC\): (.*)", block) or re.findall(r"(?:Next elapse|Iter\. #\d+): (\w{3} .* UTC)$", block, re.M)
        found[expression] = (block.split("\n")[0], [seconds(x) for x in utc])
    return found, lost


# ---- where systemd 252 is wrong, this decides ----


def field_has(text, low, high, days=0):
    """Whether a field of a normal form has a value from low to high; days: those of the month, when it counts from its end."""
    if text == "*":
        return True
    for part in text.split(","):
        span, _, step = part.partition("/")
        start, _, stop = span.partition("..")
        start, stop = float(start), float(stop) if stop else float("inf") if step else float(start)
        step = float(step or 1)
        if days:
            start, stop = (days + 1 - stop, days + 1 - start) if ".." in span else (days + 1 - start, stop if step and stop == float("inf") else days + 1 - start)
        while start < low - 1e-7:
            start += step
        if start <= min(high, stop) + 1e-7:
            return True
    return False


def happens(normalised, zone, second):
    """Whether the clocks of the zone show something within this second that the normal form has."""
    m = re.fullmatch(r"(?:([A-Z][\w,.]*) )?(\S+)-(\S+)([-~])(\S+) ([^:]+):([^:]+):(\S+)(?: (\S+))?", normalised)
    weekdays, year, month, separator, day, hour, minute, sec, suffix = m.groups()
    d = datetime.datetime.fromtimestamp(second, zoneinfo.ZoneInfo(suffix or zone))
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    if weekdays and not any(names.index(x[:3]) <= d.weekday() <= names.index(x[-3:]) for x in weekdays.split(",")):
        return False
    days = calendar.monthrange(d.year, d.month)[1] if separator == "~" else 0
    return not d.fold and field_has(day, d.day, d.day, days) and field_has(sec, d.second, d.second + 0.999999) and all(
        field_has(f, v, v) for f, v in [(year, d.year), (month, d.month), (hour, d.hour), (minute, d.minute)])


def is_right(zone, ours, theirs):
    """Of what one has and the other has not, as far as both were asked, the model agrees with us."""
    (normalised, a), (_, b) = ours, theirs
    horizon = min(x[-1] if len(x) == 5 else 1 << 40 for x in (a, b))
    return all(happens(normalised, zone, t) == (t in a) for t in set(a) ^ set(b) if t <= horizon)


def is_list_of_last_days(ours):
    """systemd takes each further value of a list of such days only if it is three less than the last could be."""
    days = re.search(r"~(\S+)", ours[0]) if ours else None
    return days and any(int(x) > 28 - 3 * i for i, part in enumerate(days[1].split(",")) for x in re.split(r"\.\.", part.split("/")[0]))


def same(zone, base, expressions):
    a, (b, lost) = ours(zone, base, expressions), theirs(zone, base, expressions)
    assert all(happens(a[x][0], zone, t) for x in lost for t in a[x][1]), (zone, base, lost)
    expressions = [x for x in expressions if x not in lost]
    different = [(x, a.get(x), b.get(x)) for x in expressions if a.get(x) != b.get(x)]
    wrong = [x for x in different if not (x[1] and x[2] and x[1][0] == x[2][0] and is_right(zone, *x[1:])) and not (x[2] is None and is_list_of_last_days(x[1]))]
    assert not wrong, (zone, base, len(wrong), wrong[:5])
    assert len(different) <= len(expressions) // 10
    return b


def value(r, low, high, level):
    if r.random() < 0.03:
        return str(r.choice([0, high + 1, 99, 100, 2199, 2200]))
    text = str(r.randint(low, high))
    if r.random() < 0.2:
        text = text.zfill(2)
    if level == "second" and r.random() < 0.3:
        text += "." + str(r.randint(0, 9999999)).zfill(r.randint(1, 7))
    return text


def field(r, low, high, level):
    if r.random() < 0.3:
        return "*"
    parts = []
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        part = value(r, low, high, level)
        if r.random() < 0.25:
            part += ".." + value(r, min(high, int(float(part))), high, level)
        if r.random() < 0.25:
            part += "/" + value(r, 1, max(1, (high - low) // 3), level)
        parts.append(part)
    return ",".join(parts)


def expression(r):
    days = ["Mon", "tue", "Wednesday", "THU", "Fri", "sat", "Sunday"]
    text = []
    if r.random() < 0.35:
        day = lambda: r.choice(days)
        text.append(",".join(day() if r.random() < 0.7 else f"{day()}..{day()}" for _ in range(r.randint(1, 3))))
    if r.random() < 0.7:
        date = field(r, 1, 12, "month") + r.choice("----~") + field(r, 1, 31 if r.random() < 0.7 else 28, "day")
        if r.random() < 0.6:
            date = field(r, 2010, 2100, "year") + "-" + date
        text.append(date)
    if r.random() < 0.7 or not text:
        time = field(r, 0, 23, "hour") + ":" + field(r, 0, 59, "minute")
        if r.random() < 0.5:
            time += ":" + field(r, 0, 59, "second")
        text.append(time)
    if r.random() < 0.15:
        text.append(r.choice(ZONES + ["Nowhere/Town"]))
    text = " ".join(text)
    if r.random() < 0.08:
        at = r.randrange(len(text))
        text = text[:at] + r.choice(["", ",", ".", "/", "*", "~", ":", " ", "-", "1", "@"]) + text[at + r.randint(0, 1):]
    return text


@pytest.mark.parametrize("zone", ZONES)
def test_fixed_expressions_are_read_and_elapse_as_systemd_says(zone):
    for base in BASES[:4]:
        same(zone, base, lines(MANUAL) + lines(EDGES))


def test_the_manuals_examples_are_all_valid():
    assert len(ours("UTC", BASES[0], lines(MANUAL))) == len(lines(MANUAL))


@pytest.mark.parametrize("zone", ZONES)
def test_generated_expressions_are_read_and_elapse_as_systemd_says(zone):
    r = random.Random(os.environ.get("BULKHEAD_SEED", "calendar") + zone)
    valid = 0
    for base in BASES:
        batch = list(dict.fromkeys(expression(r) for _ in range(int(os.environ.get("BULKHEAD_CALENDARS", "40")))))
        valid += len(same(zone, base, batch))
    assert valid > 100


def test_local_times_left_out_do_not_happen_and_those_shown_twice_happen_once():
    at = lambda base, x, n: [datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%d %H:%M") for t in ours("Europe/Berlin", base, [x], n)[x][1]]
    assert at("2026-03-28 20:00:00", "02:30", 2) == ["30 00:30", "31 00:30"]
    assert at("2025-10-25 23:30:00", "02:30", 2) == ["26 00:30", "27 01:30"]
    assert at("2025-10-26 00:45:00", "02:30", 1) == ["27 01:30"]
    assert at("2025-10-26 01:10:00", "02:30", 1) == ["26 01:30"]
    assert at("2025-10-25 23:30:00", "02:30 CET", 2) == ["26 01:30", "27 01:30"]
    assert at("2025-10-24 23:30:00", "02:30 CEST", 5) == ["25 00:30", "26 00:30", "30 00:30", "31 00:30", "01 00:30"]


def call(*argv, **env):
    p = subprocess.run([str(binary()), "unit", "calendar", *argv], env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **env}, capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


def test_a_bad_expression_is_an_error_and_the_others_are_shown():
    code, out, err = call("daily", "nonsense", "hourly", "--base-time=@1774742400", TZ="UTC")
    assert code == 1 and "calendar.syntax" in err and '"nonsense"' in err
    assert "next        Mon 2026-03-30 00:00:00 UTC" in out and "normalised  *-*-* *:00:00" in out


def test_a_zone_that_is_none_is_named():
    code, _, err = call("daily Nowhere/Town")
    assert code == 1 and 'no time zone is called "Nowhere/Town"' in err
    code, _, err = call("daily", TZ="Nowhere/Town")
    assert code == 1 and "zone.unknown" in err
    code, _, err = call("daily right/Europe/Berlin")
    assert code == 1


def test_the_local_zone_may_be_a_rule():
    code, out, _ = call("--base-time=2026-03-28 20:00 UTC", "--iterations=2", "03:30", TZ="CET-1CEST,M3.5.0,M10.5.0/3")
    assert code == 0 and "Sun 2026-03-29 03:30:00 CEST  (Sun 2026-03-29 01:30:00 UTC)" in out


@pytest.mark.parametrize("time, first", [("2026-03-01", "Mon 2026-03-02"), ("Sun 2026-03-01 12:00", "Mon 2026-03-02"), ("@1772323200", "Mon 2026-03-02"),
                                         ("2026-03-01 02:00 Asia/Tokyo", "Sun 2026-03-01")])
def test_base_times(time, first):
    assert f"next        {first} 00:00:00 UTC" in call(f"--base-time={time}", "daily", TZ="UTC")[1]


@pytest.mark.parametrize("time", ["", "x", "2026-02-30", "Mon 2026-03-01", "2026-*-1", "-100000weeks", "2026-03-29 02:30 Europe/Berlin", "+"])
def test_bad_base_times(time):
    code, _, err = call(f"--base-time={time}", "daily", TZ="UTC")
    assert code == 1 and "cannot read" in err
