#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual and the completions know every directive, every command and every option of "run" and "learn"."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])


def read(name):
    return (root / name).read_text()


def table(name, start):
    """The text of the table that starts with start, up to its closing brace."""
    text = read(name)
    at = text.index(start)
    return text[at : text.index("\n};", at)]


directives = re.findall(r'^\s+\[D_\w+\] = \{ "(\w+)"', table("src/plan/directive.c", "static const struct directive table["), re.M)
options = re.findall(r'\{ "([\w-]+)", (?:\'(\w)\'|KEY_\w+), (NULL|"[^"]*")', table("src/cli/run.c", "static const struct argp_option options[]"))
commands = re.findall(r'\{ "(\w+)", cmd_\w+, "', table("src/programs/bulkhead.c", "static const struct command {"))
assert len(directives) > 30 and len(options) > 10 and len(commands) > 5, "the tables were not found"

problems = []


def need(name, pattern, what):
    if not re.search(pattern, read(name), re.M):
        problems.append(f"{name}: {what} is missing")


for d in directives:
    need("man/bulkhead.directives.5.scd", rf"^\*{d}=", f"{d}=")
for d in re.findall(r"^\*(\w+)=", read("man/bulkhead.directives.5.scd"), re.M):
    if d not in directives:
        problems.append(f"man/bulkhead.directives.5.scd: {d}= is not in src/plan/directive.c")
for long, short, argument in options:
    need("man/bulkhead-run.1.scd", rf"^{f'[*]-{short}[*], ' if short else ''}[*]--{long}[*]{' _' if argument != 'NULL' else '$'}", f"--{long}")
    need("completions/bulkhead.bash", rf"--{long}\b", f"--{long}")
    need("completions/_bulkhead", rf"--{long}\b", f"--{long}")
    need("completions/bulkhead.fish", rf"-l {long}\b", f"--{long}")
learn = re.findall(r'\{ "([\w-]+)", (?:\'\w\'|KEY_\w+), (?:NULL|"[^"]*"), ', table("src/cli/learn.c", "static const struct argp_option options[]"))
assert len(learn) > 8, "the options of learn were not found"
for long in learn:
    need("man/bulkhead-learn.1.scd", rf"[*]--{long}[*]", f"--{long}")
    for name, pattern in (("completions/bulkhead.bash", rf"--{long}\b"), ("completions/_bulkhead", rf"--{long}\b"), ("completions/bulkhead.fish", rf"-l {long}\b")):
        need(name, pattern, f"--{long}")
for c in commands:
    need("man/bulkhead.1.scd", rf"^\*{c}\*$", c)
    for name in ("completions/bulkhead.bash", "completions/_bulkhead", "completions/bulkhead.fish"):
        need(name, rf"\b{c}\b", c)
print("\n".join(problems))
sys.exit(bool(problems))
