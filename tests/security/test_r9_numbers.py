# SPDX-License-Identifier: LGPL-2.1-or-later
"""R9: numbers are read whole, and what does not fit is refused."""
import os

import pytest

import hostile

REFUSED_CONFIG = [-1, 4294967295, 4294967296, 4294968296, 18446744073709551615, 18446744073709551616, 1.5, "1000"]
REFUSED_TEXT = ["4294967295", "4294967296", "4294968296", "18446744073709551616", "18446744073709552616", "-1", "+1", "0x3e8", " 1000",
                "1000 ", "1e3", "1x", "0day", "x", "1000:-1", "1000:4294967296", "1000:x", ":1000", "1000:1000:0", "99999999999999999999999"]


@pytest.mark.parametrize("uid", REFUSED_CONFIG)
@pytest.mark.parametrize("key", ["uid", "gid", "additionalGids"])
def test_an_id_that_does_not_fit_is_refused(container, key, uid):
    """CVE-2024-40635, CVE-2026-46680, systemd CVE-2017-1000082 (P12): in config.json; (uid_t)-1 means "unchanged" to the kernel"""
    container.config["process"]["user"] = {"uid": 1000, "gid": 1000, key: [uid] if key == "additionalGids" else uid}
    r = container.args("/probe", "creds").run()
    assert r.status != 0 and '"uid"' not in r.out, r


@pytest.mark.parametrize("uid", [0, 1, 1000, 65534, 65536, 2147483647, 2147483648, 4294967294])
def test_an_id_that_fits_is_exact(container, uid):
    """Twin of the above."""
    container.config["process"]["user"] = {"uid": uid, "gid": uid, "additionalGids": [uid]}
    c = hostile.creds(container.args("/probe", "creds").run().out)
    assert (c["uid"], c["gid"], c["groups"]) == ([uid] * 3, [uid] * 3, [uid])


@pytest.mark.parametrize("user", REFUSED_TEXT)
def test_a_user_that_is_no_number_is_refused_by_exec(container, user):
    """CVE-2024-40635, CVE-2026-30892, systemd CVE-2017-1000082 (P12): never read as another user, least of all as root"""
    container.args("sleep", "60").up()
    r = container.exec("/probe", "creds", options=(f"--user={user}",))
    assert r.status != 0 and '"uid"' not in r.out, r


def test_exec_takes_the_user_that_is_asked_for(container):
    """CVE-2026-30892 (P12): `exec -u 1` was read as root; twin of the above."""
    container.args("sleep", "60").up()
    for user, uid, gid in (("1", 1, None), ("1000", 1000, None), ("1000:1001", 1000, 1001), ("4294967294:7", 4294967294, 7), ("0:0", 0, 0)):
        for option in ("--user", "-u"):
            r = container.exec("/probe", "creds", options=(option, user))
            assert r.status == 0, r
            c = hostile.creds(r.out)
            assert c["uid"] == [uid] * 3 and gid in (None, c["gid"][0]), (user, c)


@pytest.mark.parametrize("line", ["1000:x:0:0:root:/root:/bin/sh", "1000:x:0:0::/:", "1:x:0:0::/:"])
def test_a_number_is_not_looked_up_as_a_name(container, line):
    """CVE-2016-3697 (P12): the image's passwd has a user whose name is a number."""
    passwd = container.rootfs / "etc/passwd"
    passwd.write_text(line + "\n" + passwd.read_text())
    container.args("sleep", "60").up()
    number = line.split(":")[0]
    c = hostile.creds(container.exec("/probe", "creds", options=("--user", number)).out)
    assert c["uid"] == [int(number)] * 3


@pytest.mark.parametrize("umask", [-1, 4294967296 + 0o22, 2 ** 64])
def test_a_umask_that_does_not_fit_is_refused(container, umask):
    """The class of CVE-2024-40635 for other numbers"""
    container.config["process"]["user"]["umask"] = umask
    r = container.args("/probe", "creds").run()
    assert r.status != 0 and '"uid"' not in r.out, r


@pytest.mark.parametrize("what, value", [("oomScoreAdj", 2 ** 32), ("oomScoreAdj", 1001), ("oomScoreAdj", -2 ** 32)])
def test_an_oom_score_that_does_not_fit_is_refused(container, what, value):
    """The class of CVE-2024-40635 for other numbers"""
    container.config["process"][what] = value
    r = container.args("/probe", "creds").run()
    assert r.status != 0 and '"uid"' not in r.out, r


@pytest.mark.parametrize("where, value", [("uid", {"hostID": 4294967296}), ("uid", {"containerID": 4294967296}), ("uid", {"size": 4294967297}),
                                          ("uid", {"hostID": 4294967290}), ("gid", {"hostID": -1})])
def test_an_id_map_that_does_not_fit_is_refused(container, where, value):
    """CVE-2021-43784, CVE-2022-36109 kin: no line of a map wraps to the host's root"""
    hostile.in_user_namespace(container.config)
    container.config["linux"][f"{where}Mappings"][0].update(value)
    r = container.sh("cat /proc/self/uid_map /proc/self/gid_map").run()
    assert r.status != 0, r


def map_lines(count):
    return [{"containerID": n, "hostID": 100000 + n, "size": 1} for n in range(count)]


@pytest.mark.parametrize("count", [341, 2000, 4000])
def test_more_id_map_lines_than_the_kernel_takes_are_refused(container, count):
    """CVE-2021-43784: 70 kB of mappings overflowed the length of a message, and what followed was taken for other settings"""
    hostile.in_user_namespace(container.config)
    os.chown(container.bundle, 100000, 100000)
    container.config["linux"]["uidMappings"] = map_lines(count)
    r = container.args("cat", "/proc/self/uid_map").run()
    assert r.status != 0 and r.out == "", r


def test_as_many_id_map_lines_as_the_kernel_takes_work(container):
    """Twin of the above: 340 is the kernel's limit."""
    hostile.in_user_namespace(container.config)
    os.chown(container.bundle, 100000, 100000)
    container.config["linux"]["uidMappings"] = map_lines(300)
    r = container.args("cat", "/proc/self/uid_map").run()
    assert r.status == 0 and [int(n) for n in r.out.split()] == [v for n in range(300) for v in (n, 100000 + n, 1)], r


@pytest.mark.parametrize("kind", ["net", "ipc", "uts", "pid", "mount"])
@pytest.mark.parametrize("length", [4097, 70000])
def test_a_namespace_path_that_is_too_long_is_refused(container, kind, length):
    """CVE-2021-43784: the same overflow by another member"""
    kind = {"net": "network"}.get(kind, kind)
    hostile.namespace(container.config, kind)["path"] = "/proc/self/ns/" + "/" * length + "x"
    r = container.args("true").run()
    assert r.status != 0, r


@pytest.mark.parametrize("member", ["hostname", "cgroupsPath", "cwd"])
def test_a_text_that_is_too_long_is_refused(container, member):
    """CVE-2021-43784 and crun's realpath overflow (1.28): 70 kB"""
    text = "/" + "a" * 70000
    if member == "hostname":
        container.config["hostname"] = text[1:]
    elif member == "cgroupsPath":
        container.config["linux"]["cgroupsPath"] = text
    else:
        container.config["process"]["cwd"] = text
    r = container.args("true").run()
    assert r.status != 0, r


def test_texts_of_the_longest_length_work(container):
    """Twin of the above."""
    container.config["hostname"] = "h" * 64
    r = container.args("hostname").run()
    assert (r.status, r.out) == (0, "h" * 64 + "\n"), r
