# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/labels in guests whose kernel enforces SELinux, and AppArmor. One guest answers for all tests of a module, each of which is one here."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
LABELS = SOURCE / "tests/labels"
BUILD = pathlib.Path(os.environ.get("BULKHEAD_OCI", SOURCE / "build/src/bulkhead-oci")).resolve().parent.parent
MODULES = ("selinux", "apparmor")
PACKAGES = {"selinux": (), "apparmor": ("apparmor",)}
NEEDED = {"selinux": ("qemu-system-x86_64", "secilc"), "apparmor": ("qemu-system-x86_64", "apparmor_parser")}


def names_in(module):
    return re.findall(r"^def (test_\w+)", (LABELS / f"test_{module}.py").read_text(), re.M)


def brought(module, folder):
    """What the module finds beside itself, as options of the harness."""
    if module != "selinux":
        return []
    subprocess.run(["gcc", "-O1", "-static", "-o", folder / "probe", LABELS / "probe.c"], check=True)
    subprocess.run(["secilc", "-c", "33", "-o", folder / "policy", "-f", os.devnull, LABELS / "policy.cil"], check=True)
    return ["--with", f"{folder}/probe:/src/tests/labels/probe", "--with", f"{folder}/policy:/vm/policy", "--env", "SELINUX_POLICY=/vm/policy"]


@pytest.fixture(scope="module", params=MODULES)
def guest(request, tmp_path_factory):
    """The module's tests and how they ended: {name: {PASSED, ...}}."""
    module = request.param
    missing = [p for p in NEEDED[module] if not shutil.which(p, path="/usr/bin:/usr/sbin:/sbin:/bin")]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: packaging/install-deps vm")
    mutant = os.environ.get("BULKHEAD_MUTANT")
    command = [HERE / "run", "--build", BUILD, "--python", "--with", SOURCE / "tests/oci", "--with", LABELS, "--memory", "1024",
               *(w for p in ("coreutils", "libc-bin", "util-linux", *PACKAGES[module]) for w in ("--package", p)),
               "--kernel-arg", f"lsm=landlock,lockdown,yama,integrity,{module},bpf", *brought(module, tmp_path_factory.mktemp(module)),
               *(["--env", f"BULKHEAD_MUTANT={mutant}"] if mutant else []), "--command", "--",
               "python3", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", f"tests/labels/test_{module}.py"]
    p = subprocess.run([sys.executable, *map(str, command)], cwd=SOURCE, capture_output=True, text=True, check=False)
    ends = {}
    for how, name in re.findall(r"^(PASSED|FAILED|ERROR) tests/labels/\w+\.py::(\w+)", p.stdout, re.M):
        ends.setdefault(name, set()).add(how)
    return module, ends, p.stdout + p.stderr


@pytest.mark.parametrize("guest, name", [(m, t) for m in MODULES for t in names_in(m)], indirect=["guest"], scope="module")
def test_in_the_guest(guest, name):
    _, ends, said = guest
    assert ends.get(name) == {"PASSED"}, said
