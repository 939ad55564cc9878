#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""reaper.py COMMAND...: runs a command and waits for every process that is orphaned below it; its status is the command's.

That is the work of a host's first process, and some do it only now and then: the last process of a namespace, which ends when all others have
been waited for, would stay for seconds, and with it whoever waits for its end."""
import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36

if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
command = os.fork()  # posix_spawn would have it ignore some signals
if command == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, lambda n, _: os.kill(command, n))
signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the command gets it too
ended = 0
while ended != command:
    ended, status = os.wait()
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
