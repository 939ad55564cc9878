#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A folder of src/ includes itself and the folders before it in ORDER, and nothing else."""
import pathlib, re, sys

ORDER = "base os plan sandbox trust image vm runtime shim engine group cli programs".split()
SYSCALL_ALLOWED = {"os"}


def violations(root):
    for path in sorted((root / "src").rglob("*.[ch]")):
        folder = path.relative_to(root / "src").parts[0]
        text = path.read_text()
        if folder not in ORDER:
            yield f"{path}: folder {folder} is not in the order"
            continue
        if not text.startswith("/* SPDX-License-Identifier: LGPL-2.1-or-later */"):
            yield f"{path}: no SPDX line"
        if folder not in SYSCALL_ALLOWED and re.search(r"\bsyscall\(", text):
            yield f"{path}: raw system calls belong into src/os"
        for name in re.findall(r'^#include "([^"]+)"', text, re.M):
            other = name.split("/")[0]
            if other not in ORDER or ORDER.index(other) > ORDER.index(folder):
                yield f"{path}: includes {name}, which is above {folder}"


found = list(violations(pathlib.Path(sys.argv[1])))
print("\n".join(found))
sys.exit(bool(found))
