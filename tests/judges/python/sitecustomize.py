# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests take from the os of Python 3.12, for older ones."""
import ctypes
import os


def call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


if not hasattr(os, "setns"):
    os.CLONE_NEWNET, os.CLONE_NEWNS = 0x40000000, 0x20000
    os.unshare = lambda flags: call("unshare", flags)

    def setns(fd, nstype=0):
        if isinstance(fd, str):
            fd = os.open(fd, os.O_RDONLY | os.O_CLOEXEC)
        call("setns", fd, nstype)

    os.setns = setns
