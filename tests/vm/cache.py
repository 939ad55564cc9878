# SPDX-License-Identifier: LGPL-2.1-or-later
"""The folder of what is dear to make and the same for every run: the unpacked kernel, images of packages.

BULKHEAD_VM_CACHE, or bulkhead-vm in XDG_CACHE_HOME (~/.cache).  An entry appears complete, by a rename, or not at all;
what a killed run left half made, the next one that makes something removes.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil

KEPT_IMAGES = 6


def folder():
    named = os.environ.get("BULKHEAD_VM_CACHE")
    if named:
        path = pathlib.Path(named)
    else:
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        path = pathlib.Path(base) / "bulkhead-vm"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()


@contextlib.contextmanager
def locked():
    """One maker at a time; the kernel lets go of the lock of one that dies."""
    with open(folder() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def entry(name, make):
    """The path of an entry; make(path) makes it where it is missing.  An entry's time is that of its last use."""
    path = folder() / name
    if not path.exists():
        with locked():
            for stale in folder().glob(".new-*"):
                remove(stale)
            if not path.exists():
                new = folder() / (".new-" + name)
                try:
                    make(new)
                    new.rename(path)
                finally:
                    remove(new)
    os.utime(path)
    return path


def prune(pattern, keep=KEPT_IMAGES):
    """Removes all but the entries used last.  A run that has one open keeps it."""
    with locked():
        by_use = sorted(folder().glob(pattern), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in by_use[keep:]:
            remove(old)
