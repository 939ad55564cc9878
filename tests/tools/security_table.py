#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/security.md and tests/security name each other: every test in the table exists, every test is in the table, and so is every
public id that a test's docstring claims; every mutant's tests exist."""
import ast
import pathlib
import re
import sys

ID = re.compile(r"\b(?:CVE-\d{4}-\d{4,7}|GHSA(?:-[a-z0-9]{4}){1,3})\b")

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
folder = root / "tests/security"
page = (root / "docs/security.md").read_text()
rows = [line for line in page.splitlines() if "::test_" in line]
named = {t for line in rows for t in re.findall(r"`(\w+\.py::\w+)`", line)}
problems, tests = [], {}
for path in sorted(folder.glob("test_*.py")):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            tests[f"{path.name}::{node.name}"] = ast.get_docstring(node) or ""
problems += [f"docs/security.md: {t} does not exist" for t in sorted(named - set(tests))]
problems += [f"docs/security.md: {t} is missing" for t in tests if t not in named]
problems += [f"docs/security.md: no status \"test\": {line}" for line in rows if not line.endswith("| test |")]
problems += [f"tests/security/{t}: needs a docstring with the public ids, or \"Twin\"" for t, text in tests.items() if not text]

# A claim in a test must be found by who looks for the id on the page.
for t, text in tests.items():
    problems += [f"docs/security.md: {i}, claimed by {t}, is missing" for i in ID.findall(text) if i not in page]

sys.dont_write_bytecode = True
sys.path.insert(0, str(folder))
from mutants import MUTANTS  # noqa: E402


def exists(test):
    """Of this folder, or with a path from here."""
    path, _, name = test.split("[")[0].rpartition("::")
    if "/" not in path:
        return f"{path}::{name}" in tests
    return (folder / path).exists() and name in {n.name for n in ast.parse((folder / path).read_text()).body if isinstance(n, ast.FunctionDef)}


for mutant, (_, wanted) in MUTANTS.items():
    problems += [f"tests/security/mutants.py: {mutant}: {t} does not exist" for t in wanted if not exists(t)]
print("\n".join(problems))
sys.exit(bool(problems))
