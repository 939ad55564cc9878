# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports that a server of a test is told to listen on, now or later, and again after it was stopped."""
import itertools
import os
import pathlib
import socket

LOWEST, HIGHEST = 10000, 60000
held = []  # as long as this process lives
chosen = itertools.count()


def outgoing():
    """The ports that the kernel gives to who connects: one of those may be gone at any moment, and a client may even be joined to itself there."""
    try:
        low, high = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return range(int(low), int(high) + 1)
    except OSError:
        return range(32768, 61000)


def hold(port):
    """Whether no other suite has it and nobody listens on it. A name in the abstract namespace of sockets ends with its process."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0bulkhead-test-port-{port}")
        with socket.socket() as s:
            s.bind(("", port))
    except OSError:
        mark.close()
        return False
    held.append(mark)
    return True


def free_ports(count=1):
    """So many that follow each other, and are this process's as long as it lives."""
    avoided = outgoing()
    span = [p for p in range(LOWEST, HIGHEST, count) if p not in avoided and p + count - 1 not in avoided]
    start = os.getpid() * 7919
    for _ in range(len(span)):
        first = span[(start + next(chosen)) % len(span)]
        if all(hold(first + i) for i in range(count)):
            return list(range(first, first + count))
    raise AssertionError("no port is free")
