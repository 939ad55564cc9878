# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system call fails: the command ends with an error and leaves nothing, or has done all that it was asked for."""
import pytest

import walk

ALL = [walk.Create, walk.Run, walk.Start, walk.Exec, walk.Kill, walk.Delete]
NAMES = list(walk.ERRORS)


def go(place, operation, process, shift):
    w = walk.Walker(place, operation())
    calls = [c for c in w.of_set_up(process) if c.name not in walk.NEVER_FAIL]
    if not calls:
        pytest.fail(f"{operation.name} has no process {process}")
    w.learn()
    for i, call in enumerate(walk.choose(calls, shift)):
        for error in NAMES if walk.FULL else [NAMES[(i + shift) % len(NAMES)]]:
            w.fail(call, error)
    print(f"{w.points} points of {len(calls)} calls")
    assert not w.violations, w.result()


def name(operation):
    return operation.name


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_a_call_of_the_runtime_that_fails_is_an_error_or_of_no_consequence(plain, operation):
    go(plain, operation, 0, 0)


@pytest.mark.parametrize("operation", [walk.Create, walk.Run, walk.Exec], ids=name)
def test_a_call_of_the_first_helper_that_fails_is_an_error_or_of_no_consequence(plain, operation):
    go(plain, operation, 1, 1)


def test_a_call_of_the_set_up_of_exec_that_fails_is_an_error_or_of_no_consequence(plain):
    go(plain, walk.Exec, 2, 2)


def test_a_set_up_that_fails_before_the_runtime_goes_on_says_why(plain):
    """The process is dead by the time that it is put on record."""
    box = plain.container
    box.args("/etc/passwd").save()
    outcome, _ = plain.walk(["run", "--bundle", box.bundle, plain.id], "-m", "count", "-d", 300)
    assert outcome.end == "exit 126" and "/etc/passwd" in outcome.err, outcome
    assert not plain.left()


@pytest.mark.parametrize("process", [0, 1], ids=["runtime", "set-up"])
def test_a_call_that_fails_on_the_way_to_a_user_namespace_is_an_error_or_of_no_consequence(users, process):
    go(users, walk.Create, process, 3)
