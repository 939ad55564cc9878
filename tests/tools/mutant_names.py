#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Usage: mutant_names.py SOURCE-ROOT: each mutant of tests/security/mutants.py is known to src/base/mutant.c and stands in the
source, none is there that these do not list, and none is both wired and planned."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "tests/security"))
sys.dont_write_bytecode = True
from mutants import MUTANTS, PLANNED  # noqa: E402


def main():
    listed = set(MUTANTS)
    known = re.findall(r'^ +"([a-z-]+)",$', (ROOT / "src/base/mutant.c").read_text(), re.M)
    used = {name for path in sorted((ROOT / "src").rglob("*.c")) for name in re.findall(r'MUTANT\("([^"]*)"\)', path.read_text())}
    problems = [f"{name}: in mutants.py, but not known to mutant.c" for name in listed - set(known)]
    problems += [f"{name}: in mutants.py, but nothing in src is switched off by it" for name in listed - used]
    problems += [f"{name}: in mutant.c, but without a test in mutants.py" for name in set(known) - listed]
    problems += [f"{name}: stands in src, but is not in mutants.py" for name in used - listed]
    problems += [f"{name}: both wired and planned" for name in listed & set(PLANNED)]
    problems += [f"{name}: twice in mutant.c" for name in {name for name in known if known.count(name) > 1}]
    print(*sorted(problems), sep="\n", end="\n" if problems else "")
    return int(bool(problems) or not known)


sys.exit(main())
