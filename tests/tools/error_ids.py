#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error id in src/ and plugins/ has an entry "### ID" in docs/errors.md, and the other way round."""
import pathlib
import re
import sys

ID = re.compile(r"^[a-z]+(\.[a-z-]+)+$")
# Here the id is a parameter.
PASSED_ON = {"src/base/error.c", "src/base/error.h"}


def arguments(text, at):
    """The arguments of the call whose "(" stands before at, split at its own commas."""
    depth, start, found, quoted = 0, at, [], False
    while depth >= 0:
        c = text[at]
        if c == "\\" and quoted:
            at += 1
        elif c == '"':
            quoted = not quoted
        elif not quoted and c in "([{":
            depth += 1
        elif not quoted and (c in ")]}" or c == "," and depth == 0):
            depth -= c != ","
            if depth < 0 or c == ",":
                found.append(text[start:at])
                start = at + 1
        at += 1
    return found


def ids_in(root):
    found, problems = {}, []
    for path in sorted(p for top in ("src", "plugins") for p in (root / top).rglob("*.[ch]")):
        name = str(path.relative_to(root))
        if name in PASSED_ON or name.endswith("_test.c"):
            continue
        text = path.read_text()
        for call in re.finditer(r"\berror_(?:set|errno)\(", text):
            line = text.count("\n", 0, call.start()) + 1
            ids = re.findall(r'"([^"]*)"', arguments(text, call.end())[2])
            if not ids or not all(map(ID.match, ids)):
                problems.append(f"{name}:{line}: the id must be a literal such as \"mount.refused\"")
            for i in ids:
                found.setdefault(i, f"{name}:{line}")
    return found, problems


root = pathlib.Path(sys.argv[1])
found, problems = ids_in(root)
written = re.findall(r"^### (\S+)$", (root / "docs/errors.md").read_text(), re.M)
problems += [f"{where}: {i} has no entry in docs/errors.md" for i, where in found.items() if i not in written]
problems += [f"docs/errors.md: {i} is nowhere in src/ or plugins/" for i in written if i not in found]
problems += [f"docs/errors.md: {i} stands there twice" for i in set(written) if written.count(i) > 1]
if written != sorted(written):
    problems.append("docs/errors.md: the entries are not in alphabetical order")
print("\n".join(problems))
sys.exit(bool(problems))
