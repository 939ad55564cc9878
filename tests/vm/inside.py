# SPDX-License-Identifier: LGPL-2.1-or-later
"""Modules of pytest that run in a guest, so that each of their tests is one of the host's."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("BULKHEAD_OCI", SOURCE / "build/src/bulkhead-oci")).resolve().parent.parent
PACKAGES = ("bash", "coreutils", "libc-bin", "util-linux")


def tests_in(path):
    return re.findall(r"^def (test_\w+)", (SOURCE / path).read_text(), re.M)


def need(*programs):
    """Skips without these programs of this host, or without QEMU."""
    missing = [p for p in ("qemu-system-x86_64", *programs) if not shutil.which(p, path="/usr/bin:/usr/sbin:/sbin:/bin:/lib/systemd")]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: packaging/install-deps vm")


def run(path, *options):
    """How the tests of a module ended, {name: {PASSED, ...}}, and all that was said. options: of the harness."""
    mutant = os.environ.get("BULKHEAD_MUTANT")
    command = [HERE / "run", "--build", BUILD, "--python", "--with", SOURCE / "tests/oci", "--with", SOURCE / path.rpartition("/")[0],
               *(w for p in PACKAGES for w in ("--package", p)), *options, *(["--env", f"BULKHEAD_MUTANT={mutant}"] if mutant else []),
               "--command", "--", "python3", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", path]
    p = subprocess.run([sys.executable, *map(str, command)], cwd=SOURCE, capture_output=True, text=True, check=False)
    ends = {}
    for how, name in re.findall(r"^(PASSED|FAILED|ERROR) " + re.escape(path) + r"::(\w+)", p.stdout, re.M):
        ends.setdefault(name, set()).add(how)
    return ends, p.stdout + p.stderr
