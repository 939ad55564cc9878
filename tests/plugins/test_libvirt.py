# SPDX-License-Identifier: LGPL-2.1-or-later
"""instance-libvirt with libvirt's test driver, in a libvirtd of the test's own so that it outlasts the plugin. test_libvirt_qemu.py has QEMU."""
import os
import re

import pytest

from libvirt_daemon import LIBVIRTD, VIRSH, Daemon, Virsh
from plugin import BUILD, Plugin, Refused, eventually

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="libvirtd here takes root"),
              pytest.mark.skipif(not (BUILD / "instance-libvirt/bulkhead-instance-libvirt").exists(), reason="built without libvirt"),
              pytest.mark.skipif(not LIBVIRTD or not VIRSH, reason="there is no libvirtd or virsh (packaging/install-deps test)")]
SMALL = {"Type": "test", "Memory": "64M", "CPUs": 1}
WITH_DISK = {**SMALL, "Disks": [{"Pool": "default-pool", "Size": "1G", "Format": "raw"}, {"Pool": "default-pool", "Size": "2G"}]}


@pytest.fixture
def daemon(folder):
    d = Daemon(folder)
    yield d
    d.stop()


@pytest.fixture
def virsh(daemon):
    v = Virsh(daemon.uri("test", "default"))
    yield v
    v.close()


@pytest.fixture
def libvirt(folder, virsh):
    with Plugin("libvirt", folder, ["--uri", virsh.uri, "--check", "60s"]) as p:
        yield p


def test_a_domain_is_provisioned_described_labelled_and_destroyed(libvirt, virsh):
    i = libvirt.provision(WITH_DISK, {"infrakit.group": "web"}, "t", LogicalID="10.0.0.3")
    assert re.fullmatch("bulkhead-[0-9a-f]{32}", i) and i in virsh.active()
    assert virsh.volumes() == [f"{i}-0.raw", f"{i}-1.qcow2"]
    [d] = libvirt.describe({"infrakit.group": "web"}, properties=True)
    assert d == {"ID": i, "LogicalID": "10.0.0.3", "Tags": {"infrakit.group": "web", "bulkhead.token": "t"}, "Properties": WITH_DISK}
    libvirt.label(i, color="<red> & 'blue' \x7f \ufffe é")
    assert libvirt.describe()[0]["Tags"]["color"] == "<red> & 'blue' \x7f \ufffe é"
    assert libvirt.ids({"infrakit.group": "db"}) == []
    libvirt.destroy(i)
    assert libvirt.ids() == [] and virsh.domains() == ["test"] and virsh.volumes() == []
    with pytest.raises(Refused, match="no instance"):
        libvirt.destroy(i)


def test_a_domain_that_somebody_changed_is_described_as_it_is(libvirt, virsh):
    asked = {**SMALL, "CPUs": 2, "OnStop": "keep"}
    i = libvirt.provision(asked, token="t")
    assert libvirt.describe(properties=True)[0]["Properties"] == asked
    virsh("setvcpus", i, "1")
    assert libvirt.describe(properties=True)[0]["Properties"] == {**asked, "CPUs": 1}
    virsh("destroy", i)
    virsh("setmaxmem", i, "131072")
    assert libvirt.describe(properties=True)[0]["Properties"]["Memory"] == "128M"


def test_the_domain_is_what_the_document_says(libvirt, virsh):
    i = libvirt.provision({**WITH_DISK, "CPUs": 2, "Networks": ["default", {"Network": "default", "MAC": "52:54:00:00:00:07"}], "InitKey": "opt/x/y"},
                          token="t", Init="#!/bin/sh\necho <hi>\n")
    xml = virsh("dumpxml", "--inactive", i)
    assert "<memory unit='KiB'>65536</memory>" in xml and ">2</vcpu>" in xml and "mac address='52:54:00:00:00:07'" in xml
    assert xml.count("<source network='default'/>") == 2 and f"<source pool='default-pool' volume='{i}-0.raw'/>" in xml
    assert "<entry name='opt/x/y'>#!/bin/sh\necho &lt;hi&gt;\n</entry>" in xml
    assert virsh("domuuid", i).replace("-", "") == i.removeprefix("bulkhead-")


def test_the_same_token_twice_and_at_the_same_time_gives_one(libvirt, virsh):
    threads = [libvirt.provision_in_background(SMALL, token="t") for _ in range(4)]
    for t in threads:
        t.join(60)
    assert {t.outcome for t in threads} == {libvirt.provision(SMALL, token="t")}
    assert len(virsh.domains()) == 2
    assert libvirt.provision(SMALL) != libvirt.provision(SMALL)


def half_made(libvirt, virsh, stage="making"):
    """What a crash between defining and starting leaves: the definition, with what is known in it."""
    i = libvirt.provision(WITH_DISK, {"infrakit.group": "web"}, "t")
    libvirt.kill()
    xml = virsh("metadata", i, "urn:bulkhead:instance:1", "--config").replace('"ready"', f'"{stage}"')
    virsh("destroy", i)
    virsh("metadata", i, "urn:bulkhead:instance:1", "--config", "--key", "bulkhead", "--set", xml)
    for v in virsh.volumes():
        virsh("vol-delete", v, "default-pool")
    return i


def test_what_a_crash_left_half_made_is_finished(libvirt, virsh):
    i = half_made(libvirt, virsh)
    libvirt.start()
    assert libvirt.ids({"infrakit.group": "web"}) == [i]
    eventually(lambda: i in virsh.active())
    assert libvirt.provision(WITH_DISK, {"infrakit.group": "web"}, "t") == i
    assert len(virsh.domains()) == 2 and len(virsh.volumes()) == 2


def test_what_a_crash_left_half_removed_is_cleared_away(libvirt, virsh):
    half_made(libvirt, virsh, "removing")
    libvirt.start()
    eventually(lambda: virsh.domains() == ["test"])
    assert libvirt.ids() == []


@pytest.mark.parametrize("after", [0, 0.005, 0.02, 0.05])
def test_kill_9_in_the_middle_of_a_provision_then_the_same_token_gives_one(libvirt, virsh, after):
    t = libvirt.provision_in_background(WITH_DISK, token="t")
    t.join(after)
    libvirt.kill()
    for d in virsh.domains():
        assert d == "test" or "token" in virsh("dumpxml", "--inactive", d).lower(), "a domain without its tags"
    libvirt.start()
    i = libvirt.provision(WITH_DISK, token="t")
    assert libvirt.ids() == [i] and virsh.domains() == sorted([i, "test"]) and virsh.volumes() == [f"{i}-0.raw", f"{i}-1.qcow2"]


def test_a_domain_that_stops_is_told_at_once_and_cleared_away(libvirt, virsh):
    i = libvirt.provision(WITH_DISK, {"infrakit.group": "web"}, "t")
    kept = libvirt.provision({**SMALL, "OnStop": "keep"}, token="u")
    eventually(lambda: sorted(libvirt.ids()) == sorted([i, kept]))
    events = libvirt.events()
    virsh("destroy", i)
    virsh("destroy", kept)
    # The plugin looks by itself once a minute only: it was told.
    events.tell("vanished", i)
    eventually(lambda: virsh.domains() == sorted([kept, "test"]) and virsh.volumes() == [])
    assert libvirt.ids() == [kept]


def test_domains_of_others_are_left_alone(libvirt, virsh, folder):
    i = libvirt.provision(SMALL, token="t")
    xml = virsh("dumpxml", "--inactive", i)
    # Another owner's; a copy of ours under another name; one of ours by name alone.
    foreign = {"other-" + "1" * 32: xml.replace('owner="bulkhead"', 'owner="other"').replace("owner='bulkhead'", "owner='other'"),
               "bulkhead-" + "2" * 32: xml, "bulkhead-" + "3" * 32: re.sub("<metadata>.*</metadata>", "", xml, flags=re.S)}
    for n, (name, text) in enumerate(foreign.items()):
        text = re.sub("<uuid>.*?</uuid>", f"<uuid>11111111-0000-0000-0000-00000000000{n}</uuid>", text).replace(f"<name>{i}</name>", f"<name>{name}</name>")
        path = folder / "foreign.xml"
        path.write_text(re.sub("<mac .*?/>|<alias .*?/>", "", text))
        virsh("define", path)
    assert libvirt.ids() == [i]
    for name in [*foreign, "test"]:
        for act in (libvirt.destroy, lambda n: libvirt.label(n, a="b")):
            with pytest.raises(Refused, match="no instance"):
                act(name)
    libvirt.stop()
    libvirt.start()
    assert libvirt.ids() == [i] and virsh.domains() == sorted([i, "test", *foreign])


def test_a_domain_of_others_in_our_place_is_not_taken(libvirt, virsh, folder):
    i = libvirt.provision(SMALL, token="t")
    xml = re.sub("<metadata>.*</metadata>", "", virsh("dumpxml", "--inactive", i), flags=re.S)
    libvirt.destroy(i)
    (folder / "foreign.xml").write_text(xml)
    virsh("define", folder / "foreign.xml")
    with pytest.raises(Refused, match="not ours"):
        libvirt.provision(SMALL, token="t")
    assert i in virsh.domains() and i not in virsh.active()


def test_what_cannot_be_made_is_cleared_away_and_told(libvirt, virsh):
    with pytest.raises(Refused, match="none"):
        libvirt.provision({**SMALL, "Disks": [{"Pool": "default-pool", "Size": "1G"}, {"Pool": "none", "Size": "1G"}]}, token="t")
    assert virsh.domains() == ["test"] and virsh.volumes() == [] and libvirt.ids() == []
    with pytest.raises(Refused, match="base.qcow2"):
        libvirt.provision({**SMALL, "Disks": [{"Pool": "default-pool", "Base": "base.qcow2"}]}, token="t")
    assert virsh.domains() == ["test"]


def test_documents_name_no_uri_and_no_file_of_the_host(libvirt, virsh):
    xml = "<domain type='test'><memory>1024</memory><os><type>hvm</type></os></domain>"
    for bad in ({"URI": "qemu+ext:///system?command=/bin/sh"}, {"DomainXML": xml}, {"Disks": [{"Pool": "/etc", "Base": "x"}]},
                {"Disks": [{"Base": "/etc/shadow"}]}, {"Disks": [{}]}, {"Networks": [{"Network": "a", "Bridge": "b"}]}, {"Networks": ["a'/>"]},
                {"Memory": 0}, {"CPUs": 0}, {"Type": "xen"}, {"InitKey": "etc/x"}, {"OnStop": "explode"}):
        with pytest.raises(Refused):
            libvirt.provision({**SMALL, **bad}, token="t")
    assert virsh.domains() == ["test"]
    libvirt.provision({**SMALL, "URI": virsh.uri}, token="t")
    libvirt.stop()
    libvirt.options.append("--allow-xml")
    libvirt.start()
    named = xml.replace("<memory>", "<name>test</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid><metadata>"
                        "<i:instance xmlns:i='urn:bulkhead:instance:1' owner='x'/><a:b xmlns:a='urn:a'/></metadata><memory>")
    i = libvirt.provision({"DomainXML": named}, token="u")
    text = virsh("dumpxml", i)
    assert i in libvirt.ids() and text.count("<bulkhead:instance ") == 1 and "<i:instance" not in text and "<a:b" in text
    for bad in ("<domain", "<network/>", "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain type='test'><memory>&x;</memory></domain>"):
        with pytest.raises(Refused):
            libvirt.provision({"DomainXML": bad}, token="v")
    assert len(virsh.domains()) == 3


def test_a_libvirtd_out_of_reach_is_told_and_found_again(libvirt, daemon, virsh):
    i = libvirt.provision(SMALL, token="t")
    assert libvirt.ids() == [i]
    daemon.stop()
    for act in (libvirt.describe, lambda: libvirt.destroy(i), lambda: libvirt.provision(SMALL, token="t")):
        with pytest.raises(Refused):
            act()
    daemon.start()
    # The test driver's world is a new one.
    assert libvirt.ids() == []


def test_the_plain_test_driver(folder):
    with Plugin("libvirt", folder, ["--uri", "test:///default", "--owner", "mine"]) as p:
        i = p.provision(SMALL, {"a": "b"}, "t")
        assert i.startswith("mine-") and p.provision(SMALL, {"a": "b"}, "t") == i and p.ids({"a": "b"}) == [i]
        p.destroy(i)
        assert p.ids() == []
