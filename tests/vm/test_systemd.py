# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/systemd in guests: a real systemd in charge of control groups of version 2, and of both versions."""
import pytest

import inside

MODULE = "tests/systemd/test_scopes.py"
V2_ALONE = ("test_what_is_asked_for_in_the_kernels_words_holds", "test_groups_of_its_own_are_the_containers",
            "test_a_users_container_is_a_scope_of_the_users_manager_with_limits_that_hold")
CASES = [(g, t) for g in ("v2", "hybrid") for t in inside.tests_in(MODULE) if g == "v2" or t not in V2_ALONE]


@pytest.fixture(scope="module", params=["v2", "hybrid"])
def guest(request):
    inside.need("systemd")
    return inside.run(MODULE, "--package", "systemd", "--package", "procps", "--env", "BULKHEAD_GUEST=yes", "--memory", "2048", "--cpus", "2",
                      "--cgroups", request.param, "--timeout", "1200")


@pytest.mark.parametrize("guest, name", CASES, indirect=["guest"], scope="module")
def test_in_the_guest(guest, name):
    ends, said = guest
    assert ends.get(name) == {"PASSED"}, said
