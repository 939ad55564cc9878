#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual and the completions know every command and every option of bulkhead-oci."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
PAGES = ("man/bulkhead-oci.8.scd", "completions/bulkhead-oci.bash", "completions/_bulkhead-oci", "completions/bulkhead-oci.fish")


def read(name):
    return (root / name).read_text()


commands = re.findall(r'\{ "(\w+)", oci_cmd_\w+, "', read("src/cli/oci.c"))
options = set()
for path in [root / "src/programs/bulkhead-oci.c", *(root / "src/cli").glob("oci*.c")]:
    text = path.read_text()
    options |= set(re.findall(r'\{ "([a-z][\w-]+)", (?:\'\w\'|KEY_\w+), (?:NULL|")', text))
    options |= set(re.findall(r'\{ "--([a-z][\w-]+)", "', text))
assert len(commands) > 10 and len(options) > 50, "the tables were not found"

problems = []
for name in PAGES:
    text = read(name)
    for c in commands:
        if not re.search(rf"(?<![\w-]){c}(?![\w-])", text):
            problems.append(f"{name}: the command {c} is missing")
    for o in sorted(options):
        if not re.search(rf"(--|-l ){o}(?![\w-])", text):
            problems.append(f"{name}: --{o} is missing")
print("\n".join(problems))
sys.exit(bool(problems))
