# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests with real machines share: whether they run, and the box, with kernel and initrd, which is dear to make and kept."""
import fcntl
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
# Without time stamps that are right from the start, half of the boots under TCG hang.
KERNEL_WORDS = "net.ifnames=0 tsc_early_khz=2000000 lpj=4000000 no_timer_check"


def needs(*programs):
    missing = [p for p in programs if not shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    return [pytest.mark.skipif(os.environ.get("BULKHEAD_CHECK") != "--full", reason="takes long: ./check --full"),
            pytest.mark.skipif(os.geteuid() != 0, reason="takes root"),
            pytest.mark.skipif(bool(missing), reason=f"missing: {' '.join(missing)} (packaging/install-deps machines)")]


def box():
    """The folder with bulkhead-test.box, vmlinuz and initrd.img."""
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = pathlib.Path(os.environ.get("BULKHEAD_BOX_CACHE") or base / "bulkhead-box")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([HERE / "make-vagrant-box", folder], check=True, timeout=1800)
    return folder
