# SPDX-License-Identifier: LGPL-2.1-or-later
"""AppArmor with profiles of the test's own: each is there, and stops what it should; the twin without it works."""
import os
import pathlib
import subprocess

import pytest

from conftest import PROGRAM

NAME = "bulkhead-test-container"
# The way in is the runtime's own program, which executes the payload; within, all may be done but what is denied.
PROFILE = f"""
profile {NAME} flags=(attach_disconnected,mediate_deleted) {{
    file,
    capability,
    network,
    signal,
    deny /mnt/secret rwklx,
}}
profile {NAME}-strict flags=(attach_disconnected,mediate_deleted) {{
    file,
    capability,
    signal,
    deny /mnt/** w,
}}
"""
pytestmark = pytest.mark.skipif(not os.path.exists("/sys/kernel/security/apparmor"), reason="AppArmor is not enabled on this host")


@pytest.fixture(scope="module", autouse=True)
def profiles(tmp_path_factory):
    """The guest is the test's own and has no other."""
    path = tmp_path_factory.mktemp("profiles") / "profile"
    path.write_text(PROFILE)
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", path], check=True)


@pytest.fixture
def confined(make):
    """confined(profile): a container with two files at /mnt."""
    def new(profile=NAME):
        c = make()
        for name in ("secret", "open"):
            (c.rootfs / "mnt" / name).write_text(f"this is {name}\n")
        if profile:
            c.config["process"]["apparmorProfile"] = profile
        return c
    return new


CURRENT = ("cat", "/proc/self/attr/apparmor/current")


def test_the_process_has_the_profile(confined):
    assert confined().args(*CURRENT).run().out == f"{NAME} (enforce)\n"
    assert confined(None).args(*CURRENT).run().out == "unconfined\n"


def test_the_profile_stops_what_it_denies_and_nothing_else(confined):
    r = confined().sh("cat /mnt/secret; cat /mnt/open; echo new >/mnt/new && cat /mnt/new").run()
    assert r.out == "this is open\nnew\n" and "'/mnt/secret': Permission denied" in r.err, r
    assert confined(None).sh("cat /mnt/secret").run().out == "this is secret\n"


@pytest.mark.parametrize("privileges", [False, True], ids=["no-new-privileges", "new-privileges"])
def test_it_is_entered_with_and_without_new_privileges(confined, privileges):
    c = confined().sh("cat /mnt/secret || cat /proc/self/attr/apparmor/current")
    c.config["process"]["noNewPrivileges"] = not privileges
    assert c.run().out == f"{NAME} (enforce)\n"


def test_exec_has_the_containers_profile_or_its_own(confined):
    c = confined().sh("sleep 1000").up()
    assert c.exec(*CURRENT).out == f"{NAME} (enforce)\n"
    assert c.exec("cat", "/mnt/secret").status != 0
    assert c.exec(*CURRENT, options=("--apparmor", f"{NAME}-strict")).out == f"{NAME}-strict (enforce)\n"
    assert c.exec("sh", "-c", "echo new >/mnt/new", options=("--apparmor", f"{NAME}-strict")).status != 0
    assert c.exec("sh", "-c", "echo new >/mnt/new").status == 0


def test_a_container_of_a_user_namespace_has_it_too(confined):
    c = confined().sh("cat /mnt/secret || cat /proc/self/attr/apparmor/current")
    c.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        c.config["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    assert c.run().out == f"{NAME} (enforce)\n"


def test_a_profile_that_is_not_loaded_stops_the_start(confined):
    c = confined("bulkhead-test-missing")
    r = c.sh("echo ran").run()
    assert r.status != 0 and "ran" not in r.out, r
    assert "bulkhead-test-missing" in r.err and "not loaded" in r.err and "/process/apparmorProfile" in r.err, r
    assert c.state() is None


def test_the_container_cannot_leave_its_profile(confined):
    script = "echo 'changeprofile unconfined' >/proc/self/attr/apparmor/current; cat /proc/self/attr/apparmor/current"
    r = confined().sh(script).run()
    assert r.out == f"{NAME} (enforce)\n", r


def service(directives, *command):
    words = [w for d in directives for w in ("-p", d)]
    return subprocess.run([PROGRAM, "run", "-P", *words, *command], capture_output=True, text=True, timeout=60)


def test_a_service_has_its_profile(folder):
    secret = pathlib.Path("/mnt/secret")
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("text\n")
    assert service([f"AppArmorProfile={NAME}"], *CURRENT).stdout == f"{NAME} (enforce)\n"
    r = service([f"AppArmorProfile={NAME}"], "cat", str(secret))
    assert r.returncode != 0 and "Permission denied" in r.stderr, r
    assert service([], "cat", str(secret)).stdout == "text\n"
    secret.unlink()


def test_a_service_with_an_unknown_profile_does_not_start_unless_it_may_do_without():
    r = service(["AppArmorProfile=bulkhead-test-missing"], "echo", "ran")
    assert r.returncode == 231 and "ran" not in r.stdout and "AppArmorProfile=" in r.stderr, r
    assert service(["AppArmorProfile=-bulkhead-test-missing"], "echo", "ran").stdout == "ran\n"
