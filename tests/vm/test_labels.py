# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/labels in guests whose kernel enforces SELinux, and AppArmor."""
import os
import subprocess

import pytest

import inside

LABELS = inside.SOURCE / "tests/labels"
MODULES = ("selinux", "apparmor")
NEEDED = {"selinux": ("secilc",), "apparmor": ("apparmor_parser",)}


def brought(module, folder):
    """What the module finds beside itself, as options of the harness."""
    if module == "apparmor":
        return ["--package", "apparmor"]
    subprocess.run(["gcc", "-O1", "-static", "-o", folder / "probe", LABELS / "probe.c"], check=True)
    subprocess.run(["secilc", "-c", "33", "-o", folder / "policy", "-f", os.devnull, LABELS / "policy.cil"], check=True)
    return ["--with", f"{folder}/probe:/src/tests/labels/probe", "--with", f"{folder}/policy:/vm/policy", "--env", "SELINUX_POLICY=/vm/policy"]


@pytest.fixture(scope="module", params=MODULES)
def guest(request, tmp_path_factory):
    module = request.param
    inside.need(*NEEDED[module])
    return inside.run(f"tests/labels/test_{module}.py", *brought(module, tmp_path_factory.mktemp(module)), "--memory", "1024",
                      "--kernel-arg", f"lsm=landlock,lockdown,yama,integrity,{module},bpf")


@pytest.mark.parametrize("guest, name", [(m, t) for m in MODULES for t in inside.tests_in(f"tests/labels/test_{m}.py")], indirect=["guest"], scope="module")
def test_in_the_guest(guest, name):
    ends, said = guest
    assert ends.get(name) == {"PASSED"}, said
