# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 at each point where something becomes durable: the controller's writes to its store, the plugin's files.

strace kills the process at the Nth call that makes something last; N counts up until a run goes through without reaching it. After each death the
program is started again, without strace, and must bring to an end what was begun: nothing twice, nothing left over, never too few.
"""
import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from fleet_world import Floor, document, program, until

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is missing")


def socket_of(name):
    return "group" if name == "bulkhead-groupd" else name.split("-", 2)[2]


def start_to_die(world, name, call, number, *words):
    """Starts a program that is killed at its Nth call, and waits until it answers or is dead. Whether it answers."""
    socket_name = socket_of(name)
    process = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}",
                                program(name), *words], env=world.environment, stdin=subprocess.DEVNULL, stdout=world.log, stderr=world.log)
    world.processes[socket_name] = process

    def answers():
        if process.poll() is not None:
            return "dead"
        try:
            return world.client(socket_name).call("Handshake.Hello") and "answers"
        except OSError:
            return None

    return until(answers) == "answers"


def ask(world, method, **params):
    """A call that may end with the death of who is asked."""
    try:
        return world.client().call(method, **params)
    except Exception:
        return None


def done_or_dead(world, process):
    """Waits until what was asked for is done, or the program is dead."""
    until(lambda: process.poll() is not None or (ask(world, "Fleet.Status", ID="cattle") or {"Groups": [{}]})["Groups"][0].get("Converged"))


def settle(world, size, note):
    """What must hold in the end."""
    until(lambda: ask(world, "Group.CommitGroup", Name="group", Spec=document(size, note)))
    world.converged("cattle")
    found = world.instances()
    tokens = [i["Tags"]["bulkhead.token"] for i in found.values()]
    assert len(found) == size and len(set(tokens)) == size
    assert {i["Spec"]["Properties"]["Note"] for i in found.values()} == {note}
    assert not [name for name in world.files.iterdir() if name.name.startswith(".")]


def crash_while(world, name, call, number, words, act):
    """One program dies at its Nth such call, while act is under way or when it is to end after that. Whether it did: strace ends as it has."""
    alive = start_to_die(world, name, call, number, *words)
    process = world.processes.pop(socket_of(name))
    if alive:
        pid = int((world.plugins / f"{socket_of(name)}.pid").read_text())
        act()
        done_or_dead(world, process)
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it dies at this moment
                os.kill(pid, signal.SIGTERM)
    status = process.wait(60)
    assert status in (0, -signal.SIGKILL), status
    world.start(name, *words)
    return status == -signal.SIGKILL


def walk(world, name, call, words, size):
    """Provision from nothing, then a roll, with a death at each point in turn."""
    points = 0
    for phase in ("provision", "roll"):
        for number in range(1, 200):
            if phase == "provision":
                world.client().call("Group.SetSize", ID="cattle", Size=0)
                until(lambda: world.count() == 0)
                world.converged("cattle")
            note = "v1" if phase == "provision" else f"v{number + 1}"
            world.stop(socket_of(name))
            with Floor(world) as floor:
                dead = crash_while(world, name, call, number, words, lambda: ask(world, "Group.CommitGroup", Name="group", Spec=document(size, note)))
                settle(world, size, note)
            assert phase == "provision" or floor.least >= size, (phase, number)
            points += dead
            if not dead:
                break
        else:
            pytest.fail("it never came to the end of its calls")
    return points


def begin(world, size):
    world.start_all()
    world.commit(document(size))
    world.converged("cattle")


def test_the_controller_dies_at_each_write_to_its_store(world):
    begin(world, 3)
    assert walk(world, "bulkhead-groupd", "fdatasync", [], 3) >= 6


@pytest.mark.parametrize("call,least", [("renameat2", 4), ("unlinkat", 3)])
def test_the_plugin_dies_at_each_file_that_it_makes_or_removes(world, call, least):
    begin(world, 3)
    assert walk(world, "bulkhead-instance-file", call, ["--dir", str(world.files)], 3) >= least
