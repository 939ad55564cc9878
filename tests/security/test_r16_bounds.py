# SPDX-License-Identifier: LGPL-2.1-or-later
"""R16: what is read from a container's root or from its configuration is bounded, and only plain files are read."""
import json
import os
import stat
import subprocess

import pytest

import hostile

VERBS = ["run", "exec", "exec-user"]
SECONDS = 60    # hangs are meant, not slowness


def home_of(container, verb):
    """HOME as a payload sees it, after something was done to the image's passwd."""
    if verb == "run":
        return container.sh("echo home=$HOME").run(timeout=SECONDS)
    if container.args("sleep", "60").create(timeout=SECONDS).status or container.start().status:
        return None
    return container.exec("sh", "-c", "echo home=$HOME", options=("--user", "1000") if verb == "exec-user" else (), timeout=SECONDS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["passwd", "group"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "zero-device", "link-to-zero", "folder", "loop", "huge", "long-line", "many-groups"])
def test_passwd_of_the_image_cannot_hold_up_the_runtime(container, kind, name, verb):
    """CVE-2024-9676, CVE-2021-20291, CVE-2023-25153, CVE-2026-47262 (R16)"""
    path = container.rootfs / "etc" / name
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o666)
    elif kind == "zero-device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif kind == "link-to-zero":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(name)
    elif kind == "huge":
        with open(path, "wb") as f:
            f.truncate(1 << 30)
    elif kind == "long-line":
        path.write_text("x" * (1 << 22) + "\n" + "root:x:0:0::/root:/bin/sh\n")
    else:
        path.write_text("".join(f"g{n}:x:{n}:user,root\n" for n in range(100000)))
    home_of(container, verb)    # refused or not: it must end


@pytest.mark.parametrize("verb", VERBS)
def test_home_is_read_from_the_image(container, verb):
    """Twin of the above."""
    (container.rootfs / "etc/passwd").write_text("root:x:0:0::/image-root:/bin/sh\nuser:x:1000:1000::/image-user:/bin/sh\n")
    r = home_of(container, verb)
    assert (r.status, r.out) == (0, f"home=/image-{'user' if verb == 'exec-user' else 'root'}\n"), r


@pytest.mark.parametrize("how", ["absolute", "climbing", "magic", "magic-of-init"])
@pytest.mark.parametrize("verb", VERBS)
def test_passwd_is_not_read_from_the_host(container, canary, verb, how):
    """CVE-2025-24965, CVE-2024-5154 kin (R1, R7): the image's passwd is a link to the host's"""
    hostile.place_link(container.rootfs, "etc/passwd", hostile.links_to(canary.path / "passwd")[how])
    r = home_of(container, verb)
    assert r is None or "canary-home" not in r.out, r
    canary.untouched()


def limited(container, *argv, megabytes=512):
    """The runtime with a bound on its memory."""
    return subprocess.run(["prlimit", f"--as={megabytes << 20}:{megabytes << 20}", container.program, "--root", str(container.root), *argv],
                          capture_output=True, text=True, timeout=SECONDS, check=False, cwd=container.bundle, errors="replace")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100000, '{"a":' * 100000, '{"ociVersion": "1.0.2", "ociVersion": "1.0.2"}',
                                  '{"ociVersion": "1.0.2"} x', "\0" * 100, '{"process": {"args": ["\ud800"]}}', '{"ociVersion": 1e999999}',
                                  '{"ociVersion": ' + "9" * 100000 + "}"],
                         ids=["empty", "open", "list", "null", "deep-list", "deep-object", "twice", "trailing", "zeros", "surrogate", "huge-number",
                              "long-number"])
def test_a_configuration_that_is_no_configuration_is_refused(container, text):
    """CVE-2021-41190 kin, CVE-2021-21285 (R16, R17): refused, without a signal and in bounded memory"""
    (container.bundle / "config.json").write_text(text, errors="surrogatepass")
    r = container.call("run", "--bundle", container.bundle, container.id, timeout=SECONDS)
    assert 0 < r.status < 128, r


@pytest.mark.parametrize("kind", ["fifo", "zero-device", "folder", "huge"])
def test_a_configuration_that_is_no_plain_file_is_refused(container, kind):
    """CVE-2024-9676 kin (R16)"""
    container.args("true").save()
    path = container.bundle / "config.json"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero-device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with open(path, "wb") as f:
            f.truncate(1 << 32)
    r = limited(container, "run", "--bundle", str(container.bundle), container.id, megabytes=2048)
    assert 0 < r.returncode < 128, r


def test_a_key_that_stands_there_twice_is_refused(container):
    """CVE-2026-34040 kin, CVE-2021-41190 (R17): who checked the configuration may have looked at the other one"""
    container.args("echo", "ran").save()
    path = container.bundle / "config.json"
    text = path.read_text()
    at = text.index('"noNewPrivileges": true')
    path.write_text(text[:at] + '"noNewPrivileges": false, ' + text[at:])
    r = container.call("run", "--bundle", container.bundle, container.id)
    assert r.status != 0 and "ran" not in r.out, r


def test_a_large_configuration_works(container):
    """Twin of those above: 10 000 variables are fine."""
    container.config["process"]["env"] += [f"V{n}={n}" for n in range(10000)]
    container.config["annotations"] = {f"a{n}": "x" * 50 for n in range(1000)}
    r = container.sh("echo $V9999").run()
    assert (r.status, r.out) == (0, "9999\n"), r
    assert json.loads((container.bundle / "config.json").read_text())


@pytest.mark.parametrize("where", ["args", "env", "cwd", "hostname", "root", "mount-destination", "mount-source", "cgroupsPath", "annotation", "masked"])
def test_a_zero_byte_in_a_text_is_refused(container, where):
    """Incus CVE-2026-23953, CVE-2022-4318 kin (R18): what was checked to its end is not used to its middle"""
    config, text = container.config, "/mnt\0/../../etc"
    config["process"]["args"] = ["echo", "ran"]
    {"args": lambda: config["process"]["args"].append(text), "env": lambda: config["process"]["env"].append("A=" + text),
     "cwd": lambda: config["process"].update(cwd=text), "hostname": lambda: config.update(hostname="a\0b"),
     "root": lambda: config["root"].update(path="rootfs\0x"),
     "mount-destination": lambda: config["mounts"].append({"destination": text, "type": "tmpfs", "source": "x"}),
     "mount-source": lambda: config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "x\0y"}),
     "cgroupsPath": lambda: config["linux"].update(cgroupsPath="/a\0b"), "annotation": lambda: config.update(annotations={"a\0b": "c"}),
     "masked": lambda: config["linux"]["maskedPaths"].append("/proc/keys\0x")}[where]()
    r = container.run()
    assert r.status != 0 and "ran" not in r.out, r
