# SPDX-License-Identifier: LGPL-2.1-or-later
"""instance-libvirt with real QEMU (TCG)."""
import os
import re
import signal

import pytest

from libvirt_daemon import Daemon, Virsh
from machines import KERNEL_WORDS, box, needs
from plugin import BUILD, Plugin, eventually

pytestmark = [*needs("libvirtd", "virsh", "qemu-system-x86_64", "qemu-img"),
              pytest.mark.skipif(not (BUILD / "instance-libvirt/bulkhead-instance-libvirt").exists(), reason="built without libvirt")]
POOL = "<pool type='dir'><name>default</name><target><path>{folder}/pool</path></target></pool>"
KERNEL = """\
<domain type='qemu'>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64'>hvm</type><kernel>{box}/vmlinuz</kernel><initrd>{box}/initrd.img</initrd><cmdline>console=ttyS0 panic=1 {words}</cmdline></os>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <on_reboot>destroy</on_reboot>
  <devices><serial type='file'><source path='{folder}/console'/></serial></devices>
</domain>
"""


@pytest.fixture
def virsh(folder):
    daemon = Daemon(folder)
    v = Virsh(daemon.uri("qemu", "system"))
    (folder / "pool").mkdir()
    (folder / "pool.xml").write_text(POOL.format(folder=folder))
    v("pool-create", folder / "pool.xml")
    v("vol-create-as", "default", "base.qcow2", "64M", "--format", "qcow2")
    yield v
    for name in v.active():
        v("destroy", name)
    v.close()
    daemon.stop()


@pytest.fixture
def libvirt(folder, virsh):
    with Plugin("libvirt", folder, ["--uri", virsh.uri, "--allow-xml", "--check", "60s"]) as p:
        yield p


def document():
    return {"Type": "qemu", "Memory": "64M", "Disks": [{"Base": "base.qcow2"}]}


def process_of(name):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read()
        except OSError:
            continue
        if f"guest={name}," in words:
            return int(pid)
    return None


def test_a_machine_runs_and_is_told_when_its_process_dies(libvirt, virsh):
    i = libvirt.provision(document(), {"infrakit.group": "web"}, "t")
    assert virsh.active() == [i] and virsh.volumes("default") == ["base.qcow2", f"{i}-0.qcow2"]
    libvirt.label(i, color="red")
    assert libvirt.describe({"infrakit.group": "web"})[0]["Tags"]["color"] == "red"
    eventually(lambda: libvirt.ids() == [i])
    events = libvirt.events()
    os.kill(process_of(i), signal.SIGKILL)
    events.tell("vanished", i)
    eventually(lambda: virsh.domains() == [] and virsh.volumes("default") == ["base.qcow2"])
    assert libvirt.ids() == []


@pytest.mark.parametrize("after", [0.02, 0.1, 0.3, 0.6])
def test_kill_9_in_the_middle_of_a_provision_then_the_same_token_gives_one(libvirt, virsh, after):
    libvirt.provision_in_background(document(), {"infrakit.group": "web"}, "t").join(after)
    libvirt.kill()
    for name in virsh.domains():
        assert "infrakit.group" in virsh("dumpxml", "--inactive", name)
    libvirt.start()
    i = libvirt.provision(document(), {"infrakit.group": "web"}, "t")
    assert libvirt.ids({"infrakit.group": "web"}) == [i] and virsh.domains() == virsh.active() == [i]
    libvirt.destroy(i)
    assert virsh.domains() == [] and virsh.volumes("default") == ["base.qcow2"] and process_of(i) is None


def test_a_kernel_boots_from_a_whole_domain_and_its_init_is_handed_over(libvirt, virsh, folder):
    xml = KERNEL.format(box=box(), folder=folder, words=KERNEL_WORDS)
    i = libvirt.provision({"DomainXML": xml}, token="t", Init="echo hello\n")
    words = open(f"/proc/{process_of(i)}/cmdline").read()
    assert "name=opt/bulkhead/init,string=echo hello" in words

    def booted():
        return re.search(r"Linux version \d", (folder / "console").read_text(errors="replace"))
    eventually(booted, 300)
    libvirt.destroy(i)
    assert virsh.domains() == []
