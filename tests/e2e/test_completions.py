# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the three shells themselves make of the completions."""
import os
import shutil
import subprocess

import pytest

from conftest import SOURCE, Terminal, binary

COMPLETIONS = SOURCE / "completions"
CASES = [("bulkhead run -p MemoryM", "MemoryMax="), ("bulkhead run --work", "--working-directory"), ("bulkhead insp", "inspect"),
         ("bulkhead unit ver", "verify"), ("bulkhead unit show --prop", "--property"),
         ("bulkhead unit cat ssh-odd-na", "ssh-odd-name.service"), ("bulkhead run --like ssh-odd-na", "ssh-odd-name.service"),
         ("bulkhead run -p ProtectSys", "ProtectSystem="), ("bulkhead explain --js", "--json"), ("bulkhead score --thr", "--threshold"), ("bulkhead sco", "score"),
         ("bulkhead run --profile tru", "trusted"), ("bulkhead score --meas", "--measured"),
         ("bulkhead-oci chec", "checkpoint"), ("bulkhead-oci create --console", "--console-socket"), ("bulkhead-oci exec --proc", "--process")]
BASH = """. {folder}/{program}.bash
COMP_WORDS=({line}) COMP_LINE="{line}" COMP_POINT={length} COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
$(complete -p {program} | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p') {program} "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}" 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}\""""
ZSH = "PS1=ready'>' fpath=({folder} $fpath); unsetopt prompt_cr prompt_sp; autoload -U compinit; compinit -D -u; bindkey '^I' complete-word\n"


def environment(tmp_path):
    """A home without anyone's settings, a PATH with the build's programs first, and one unit."""
    (tmp_path / "units").mkdir(exist_ok=True)
    (tmp_path / "units/ssh-odd-name.service").touch()
    return {"PATH": f"{binary().parent}:/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TERM": "dumb",
            "BULKHEAD_RUNTIME_DIR": str(tmp_path / "run"), "BULKHEAD_UNIT_PATH": str(tmp_path / "units")}


def need(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


def lines_of(argv, tmp_path):
    return subprocess.run(argv, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout.splitlines()


@pytest.mark.parametrize("line, word", CASES)
def test_bash(tmp_path, line, word):
    script = BASH.format(folder=COMPLETIONS, program=line.split()[0], line=line, length=len(line))
    assert word in lines_of(["bash", "--norc", "-c", script], tmp_path)


@pytest.mark.parametrize("line, word", CASES)
def test_fish(tmp_path, line, word):
    need("fish")
    program = line.split()[0]
    found = lines_of(["fish", "-N", "-c", f"source {COMPLETIONS}/{program}.fish; complete -C '{line}'"], tmp_path)
    assert word in [x.split("\t")[0] for x in found]


@pytest.mark.parametrize("line, word", CASES)
def test_zsh(tmp_path, line, word):
    need("zsh")
    t = Terminal(["zsh", "-f", "-i"], environment(tmp_path))
    try:
        t.send(ZSH.format(folder=COMPLETIONS))
        t.expect("ready>")
        t.send(line + "\t")
        t.expect(word)
    finally:
        t.close()


def test_the_shells_are_asked(tmp_path):
    """Twin: a word that is none of ours completes to nothing."""
    assert lines_of(["bash", "--norc", "-c", BASH.format(folder=COMPLETIONS, program="bulkhead", line="bulkhead nosuch", length=15)], tmp_path) in ([], [""])
    assert os.path.exists(COMPLETIONS / "_bulkhead")
