#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""man_plugins.py ROOT PROGRAM...: each plugin, and bulkhead-tls, has a manual page that says what the program does, and nothing else.

Options: what --help says and what the page says are the same.  Properties: what the readers of documents know is what the tables of the
page have.  Variables of the environment that the source names are in the page.  Examples are JSON."""
import json
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
programs = {pathlib.Path(p).name: p for p in sys.argv[2:]}
SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLE", "EXIT STATUS", "SEE ALSO")
PLUGIN_SECTIONS = ("PROPERTIES", "ENVIRONMENT", "FILES")
# Where documents are read, and up to which words of that file.
READERS = {
    "flavor-combo": ("combo.c", None), "flavor-etcd": ("etcd.c", None), "flavor-vanilla": ("vanilla.c", None), "flavor-zookeeper": ("zookeeper.c", None),
    "instance-azure": ("body.c", None), "instance-container": ("config.c", None), "instance-ec2": ("document.c", None), "instance-file": None,
    "instance-libvirt": ("properties.c", None), "instance-service": ("unit.c", None), "instance-simulator": None,
    "instance-ssh": ("pool.c", "/* ---- what we know of a host"), "instance-vagrant": ("properties.c", None),
}
# What such a reader knows beside: the inside of a vendor's own object.
INSIDE = {"instance-ec2": {"Key", "Value"}}
ARGP_OWN = {"usage", "version"}
problems = []


def section(page, title):
    found = re.search(rf"^# {title}\n(.*?)(?=^# |\Z)", page, re.M | re.S)
    return found.group(1) if found else None


def differ(name, what, page, program):
    for x in sorted(program - page):
        problems.append(f"man/{name}.8.scd: {what} {x} is missing")
    for x in sorted(page - program):
        problems.append(f"man/{name}.8.scd: {what} {x} is not known to the program")


def options_of_page(text):
    heads = re.findall(r"^(\*.*)$", text, re.M)
    return set(re.findall(r"\*(--[a-z-]+|[a-z-]+=)\*", "\n".join(heads)))


def options_of_program(path):
    text = subprocess.run([path, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    own = set(re.findall(r"^ +(?:-\w, +)?(?:-\?, +)?(--[a-z-]+)", text, re.M)) | set(re.findall(r"^  ([a-z-]+=)[A-Z]", text, re.M))
    return own - {f"--{o}" for o in ARGP_OWN}


def check_properties(name, folder, page):
    text = section(page, "PROPERTIES") or ""
    tables = re.findall(r"^\[\[ \*Property\*\n(.*?)\n\n", text + "\n", re.M | re.S)
    in_page = {p for t in tables for p in re.findall(r"^\|  (\w+)$", t, re.M)}
    in_source = set()
    if READERS[folder]:
        file, end = READERS[folder]
        source = (root / "plugins" / folder / file).read_text()
        source = source[: source.index(end)] if end else source
        in_source = set(re.findall(r'\{ "(\w+)", [a-z]\w+, ', source)) - INSIDE.get(folder, set())
        if not in_source:
            problems.append(f"plugins/{folder}/{file}: the table of properties was not found")
    differ(name, "the property", in_page, in_source)


def check_variables(name, folder, page):
    for file in sorted((root / "plugins" / folder).glob("*.c")):
        if file.name.endswith("_test.c"):
            continue
        for v in re.findall(r'"((?:AWS|AZURE|BULKHEAD|CREDENTIALS|INFRAKIT)_[A-Z0-9_]+)"|getenv\("(\w+)"\)', file.read_text()):
            v = v[0] or v[1]
            if not re.search(rf"\*{v}\*", section(page, "ENVIRONMENT") or ""):
                problems.append(f"man/{name}.8.scd: the variable {v} is missing")


def check_examples(name, page):
    blocks = re.findall(r"^```\n(.*?)^```", section(page, "EXAMPLE") or "", re.M | re.S)
    for block in blocks:
        try:
            document = json.loads(block.replace("\\\\", "\\"))
            kind = "Flavor" if "-flavor-" in name else "Instance"
            assert document["Properties"][kind]["Plugin"].split("/")[0] == name.split("-", 2)[2]
        except (ValueError, KeyError, AssertionError) as e:
            problems.append(f"man/{name}.8.scd: the example is no document of a group with this plugin: {e!r}")
    if not blocks:
        problems.append(f"man/{name}.8.scd: there is no example of a document")


def check(name, folder):
    path = root / "man" / f"{name}.8.scd"
    if not path.exists():
        problems.append(f"{name}: there is no manual page")
        return
    page = path.read_text()
    for title in SECTIONS + (PLUGIN_SECTIONS if folder else ()):
        if not (section(page, title) or "").strip():
            problems.append(f"man/{name}.8.scd: the section {title} is missing")
    if folder:
        check_properties(name, folder, page)
        check_variables(name, folder, page)
        check_examples(name, page)
    if name in programs: # what was not built cannot be asked
        options = options_of_page(section(page, "OPTIONS") or "")
        differ(name, "the option", options if folder else options | {"--help"}, options_of_program(programs[name]))


folders = sorted(p.parent.name for p in (root / "plugins").glob("*/meson.build") if re.match("(instance|flavor)-", p.parent.name))
assert len(folders) > 10 and len(programs) > 8, "the plugins were not found"
for f in folders:
    if f not in READERS:
        problems.append(f"tests/tools/man_plugins.py: it is not said where {f} reads its documents")
    else:
        check(f"bulkhead-{f}", f)
check("bulkhead-tls", None)
print("\n".join(problems))
sys.exit(bool(problems))
