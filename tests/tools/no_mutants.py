#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Usage: no_mutants.py yes|no PROGRAM...: only a build with -Dmutants=true asks for the variable BULKHEAD_MUTANT."""
import pathlib
import sys


def main():
    wanted = sys.argv[1] == "yes"
    wrong = [p for p in sys.argv[2:] if (b"BULKHEAD_MUTANT" in pathlib.Path(p).read_bytes()) != wanted]
    print(*(f"{p}: {'does not ask' if wanted else 'asks'} for BULKHEAD_MUTANT" for p in wrong), sep="\n", end="\n" if wrong else "")
    return int(bool(wrong) or len(sys.argv) < 3)


sys.exit(main())
