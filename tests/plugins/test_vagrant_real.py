# SPDX-License-Identifier: LGPL-2.1-or-later
"""instance-vagrant with the real vagrant, vagrant-libvirt and QEMU (TCG), on a network of the test's own."""
import subprocess

import pytest

from libvirt_daemon import Daemon, Virsh
from machines import KERNEL_WORDS, box, needs
from plugin import Plugin, Refused, eventually

pytestmark = needs("vagrant", "libvirtd", "qemu-system-x86_64", "dnsmasq", "debootstrap", "nsenter")
# Each command over SSH takes a second or two under emulation, and Vagrant would try some thirty to find out what the guest is.
SETTINGS = """\
Vagrant.configure('2') do |config|
  config.vm.boot_timeout = 1500
  config.ssh.insert_key = false
  config.vm.guest = :debian
  config.vm.allow_fstab_modification = false
  config.vm.provider 'libvirt' do |l|
    l.uri = '{uri}'
    l.driver = 'qemu'
    l.cpu_mode = 'custom'
    l.cpu_model = 'qemu64'
    l.kernel = '{box}/vmlinuz'
    l.initrd = '{box}/initrd.img'
    l.cmd_line = 'root=/dev/vda rw console=ttyS0 quiet {words}'
    l.graphics_type = 'none'
    l.video_type = 'none'
  end
end
"""


@pytest.fixture
def daemon(folder):
    d = Daemon(folder)
    yield d
    d.stop()


@pytest.fixture
def virsh(daemon):
    v = Virsh(daemon.uri("qemu", "system"))
    yield v
    for name in v.active():
        v("destroy", name)
    v.close()


@pytest.fixture
def vagrant(folder, daemon, virsh):
    home = folder / "vagrant-home"
    home.mkdir()
    (home / "Vagrantfile").write_text(SETTINGS.format(uri=virsh.uri, box=box(), words=KERNEL_WORDS))
    p = Plugin("vagrant", folder, ["--dir", folder / "state", "--provider", "libvirt", "--up-limit", "30min", "--check", "5s"],
               {"VAGRANT_HOME": str(home), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    # Beside libvirtd, for the machines are on its network.
    p.prefix = ["nsenter", "-t", str(daemon.process.pid), "-m", "-n"]
    subprocess.run([*p.prefix, "env", f"HOME={folder}", f"VAGRANT_HOME={home}", "vagrant", "box", "add", "--name", "bulkhead-test",
                    box() / "bulkhead-test.box"], check=True, capture_output=True, timeout=300)
    with p:
        yield p


def test_a_machine_boots_runs_its_init_is_missed_and_goes(vagrant, virsh, folder):
    document = {"Box": "bulkhead-test", "Memory": 384}
    with pytest.raises(Refused, match="bulkhead-none"):
        vagrant.provision({"Box": "bulkhead-none"}, token="none", timeout=1800)
    assert vagrant.ids() == [] and virsh.domains() == []

    making = vagrant.provision_in_background(document, {"infrakit.group": "web"}, "t", timeout=1800, Init="hostname >/home/vagrant/ran\n")
    # Its tags are on record before there is a machine.
    eventually(lambda: vagrant.ids({"infrakit.group": "web"}), 60, 0.01)
    assert virsh.domains() == []
    # Killed in the middle: what runs goes on, what is asked again waits for it.
    eventually(virsh.active, 600)
    assert len(vagrant.ids({"infrakit.group": "web"})) == 1
    vagrant.kill()
    making.join()
    vagrant.start()
    i = vagrant.provision(document, {"infrakit.group": "web"}, "t", timeout=1800)
    assert vagrant.ids({"infrakit.group": "web"}) == [i] and virsh.active() == [f"{i}_default"]
    said = subprocess.run([*vagrant.prefix, "env", f"HOME={folder}", f"VAGRANT_HOME={folder}/vagrant-home", "sh", "-c",
                           f"cd {folder}/state/{i} && vagrant ssh -c 'cat /home/vagrant/ran'"], capture_output=True, text=True, timeout=600)
    assert said.stdout.strip() == "bulkhead-test", said.stderr

    events = vagrant.events()
    virsh("destroy", f"{i}_default")
    events.tell("vanished", i)
    eventually(lambda: virsh.domains() == [], 300)
    assert vagrant.ids() == []


def test_a_machine_is_destroyed(vagrant, virsh, folder):
    i = vagrant.provision({"Box": "bulkhead-test", "Memory": 384}, token="t", timeout=1800)
    vagrant.label(i, color="red")
    assert [d["Tags"]["color"] for d in vagrant.describe()] == ["red"] and virsh.active() == [f"{i}_default"]
    vagrant.destroy(i)
    assert vagrant.ids() == [] and virsh.domains() == [] and not (folder / "state" / i).exists()
