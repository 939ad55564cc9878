# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runtime or one of its helpers dies at a system call: state does not lie, and delete takes all away."""
import pytest

import walk

MAKERS = [walk.Create, walk.Run]
ALL = [*MAKERS, walk.Start, walk.Exec, walk.Kill, walk.Delete]
WITH_CHILDREN = [*MAKERS, walk.Exec]
LINGER_MS = 30


def modes(i):
    """Both are walked with --full; else they alternate."""
    return ("entry", "exit") if walk.FULL else (("entry", "exit")[i % 2],)


def go(place, operation, process, shift, *options, only=None):
    w = walk.Walker(place, operation())
    calls = w.of_process(process)
    if not calls:
        pytest.fail(f"{operation.name} has no process {process}")
    for i, call in enumerate(walk.choose(calls, shift)):
        for mode in (only,) if only else modes(i):
            w.kill(call, mode, *options)
    print(f"{w.points} points of {len(calls)} calls")
    assert not w.violations, w.result()


def name(operation):
    return operation.name


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_a_runtime_killed_at_any_call_leaves_what_delete_can_undo(plain, operation):
    go(plain, operation, 0, 0)


@pytest.mark.parametrize("operation", WITH_CHILDREN, ids=name)
def test_a_runtime_killed_after_its_children_went_ahead_leaves_what_delete_can_undo(plain, operation):
    go(plain, operation, 0, 5, "-l", LINGER_MS, only="entry")


@pytest.mark.parametrize("operation", WITH_CHILDREN, ids=name)
def test_a_runtime_killed_with_all_its_helpers_leaves_what_delete_can_undo(plain, operation):
    go(plain, operation, 0, 9, "-t")


@pytest.mark.parametrize("operation", WITH_CHILDREN, ids=name)
def test_a_runtime_whose_first_helper_is_killed_says_so_and_leaves_nothing_behind(plain, operation):
    go(plain, operation, 1, 3)


def test_an_exec_whose_set_up_is_killed_says_so_and_leaves_nothing_behind(plain):
    go(plain, walk.Exec, 2, 2)


@pytest.mark.parametrize("process", [0, 1], ids=["runtime", "set-up"])
@pytest.mark.parametrize("operation", MAKERS, ids=name)
def test_a_container_with_a_user_namespace_is_left_no_worse(users, operation, process):
    go(users, operation, process, 7)
