# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the state of what is measured lies."""
import contextlib
import ctypes
import os
import sys

CLONE_NEWNS, MS_REC, MS_SLAVE, MNT_DETACH = 0x20000, 0x4000, 0x80000, 2


@contextlib.contextmanager
def private_tmpfs(path):
    """A tmpfs that only this process and its children see."""
    libc = ctypes.CDLL(None, use_errno=True)
    path.mkdir()
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None) or \
            libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"mode=0755"):
        sys.exit("bench: tmpfs: " + os.strerror(ctypes.get_errno()))
    yield
    libc.umount2(os.fsencode(path), MNT_DETACH)
