# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes unit files of random directives, and asks "systemd-analyze security --offline=true" about unit files."""
import json
import os
import random
import re
import shutil
import subprocess

FLAGS = ["DynamicUser", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices", "PrivateMounts",
         "PrivateNetwork", "PrivateTmp", "PrivateUsers", "ProtectClock", "ProtectControlGroups", "ProtectHostname",
         "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC", "RestrictRealtime",
         "RestrictSUIDSGID"]
CAPABILITIES = """AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER
    FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW
    PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO
    SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM""".split()
NAMESPACES = ["cgroup", "ipc", "net", "mnt", "pid", "user", "uts"]
FAMILIES = ["AF_UNIX", "AF_LOCAL", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_BLUETOOTH", "AF_CAN", "AF_VSOCK", "AF_ALG",
            "AF_X25", "af_unix", "AF_ROUTE", "AF_XDP"]
GROUPS = """@aio @basic-io @chown @clock @cpu-emulation @debug @default @file-system @io-event @ipc @keyring @known @memlock @module
    @mount @network-io @obsolete @pkey @privileged @process @raw-io @reboot @resources @setuid @signal @swap @sync @system-service
    @timer""".split()
CALLS = ["read", "clock_settime", "adjtimex", "mount", "umount2", "swapon", "swapoff", "reboot", "ptrace", "init_module", "iopl", "ioperm",
         "setuid", "chown", "_sysctl", "modify_ldt", "setpriority", "kexec_load", "bpf", "chroot", "pciconfig_read", "chown32"]


def some(r, words, most=6):
    return r.sample(words, r.randint(1, min(most, len(words))))


def names(words, odd):
    """A list of words, sometimes without the ~, sometimes a few words that are none."""
    def make(r, is_odd):
        chosen = some(r, words)
        if is_odd and r.random() < 0.5:
            chosen.insert(r.randint(0, len(chosen)), r.choice(odd))
        return r.choice(["", "~", "~"]) + r.choice([" ", "  "]).join(chosen)
    return make


def one_of(good, odd=()):
    return lambda r, is_odd: r.choice([*good, *(odd if is_odd else ())])


def capabilities(r, is_odd):
    chosen = some(r, CAPABILITIES, r.choice([3, 40]))
    chosen = [r.choice([f"CAP_{c}", f"CAP_{c}", f"cap_{c.lower()}", f'"CAP_{c}"']) for c in chosen]
    if is_odd and r.random() < 0.4:
        chosen.append(r.choice(["FOO", "64", "CAP_KILL,CAP_CHOWN", "CAP_\\x4bILL", "~CAP_KILL"]))
    if r.random() < 0.2:
        chosen.append(r.choice(["5", "0x15", "012", "37"]))
    return r.choice(["", "~", "~ "]) + " ".join(chosen)


def calls(r, is_odd):
    invert = r.random() < 0.6
    chosen = some(r, GROUPS, r.choice([2, 8])) + (some(r, CALLS) if r.random() < 0.5 else [])
    if invert:
        chosen = [c + r.choice([":EPERM", ":kill", ":13", ":ENOSYS"]) if r.random() < 0.2 else c for c in chosen]
    if is_odd and r.random() < 0.5:
        chosen.insert(0, r.choice(["@foo", "foo", '"@clock"', "read:EPERM", "@swap:FOO", "@swap:4096", "@clock:0", "@clock:eperm", "@reboot:"]))
    return ("~" if invert else "") + " ".join(chosen)


LISTS = {
    "AmbientCapabilities": lambda r, odd: r.choice(["CAP_KILL", "~CAP_KILL", "CAP_CHOWN CAP_BPF", "~", "", "63"] + (["FOO"] if odd else [])),
    "CapabilityBoundingSet": capabilities,
    "RestrictNamespaces": lambda r, odd: r.choice(["yes", "no", "ON"]) if r.random() < 0.3 else names(NAMESPACES + ["time"], ["foo", "USER", '"net"'])(r, odd),
    "RestrictAddressFamilies": lambda r, odd: "none" if r.random() < 0.2 else names(FAMILIES, ["AF_FOO", "unix", "none", "AF_UNSPEC", "1"])(r, odd),
    "SystemCallArchitectures": lambda r, odd: " ".join(some(r, ["native", "native", "x86", "x86-64", "arm64"] + (["foo", "~native"] if odd else []), 2)),
    "SystemCallFilter": calls,
    "SupplementaryGroups": one_of(["adm", "adm video", "0", "a%p"]),
    "IPAddressDeny": one_of(["any", "any", "0.0.0.0/0 ::/0", "10.0.0.0/8", "0.0.0.0/0", "::/0", "localhost", "multicast any"],
                            ["ANY", '"any"', "foo any", "1.2.3.4/33", "0.0.0.0/00 ::/0", "0.0.0.0/08", "any foo", "1.2.3.4/0 ff::/0"]),
    "IPAddressAllow": one_of(["localhost", "127.0.0.0/8", "::1", "10.0.0.0/8", "127.0.0.1 fe80::/10", "link-local", "any", "127.0.0.0/7",
                              "::1/127", "a.localhost", "::ffff:127.0.0.1", "127.0.0.1/32"], ["LOCALHOST", "foo", "127.1", "127.0.0.1/+8", "LINK-LOCAL", "::1%lo"]),
    "IPIngressFilterPath": one_of(["/sys/fs/bpf/a"], ["a", "/a/../b"]),
    "IPEgressFilterPath": one_of(["/sys/fs/bpf/a", "/%p"], ['"/a"']),
    "DeviceAllow": one_of(["/dev/null", "/dev/null rw", "char-pts", "block-loop rwm", "/dev/%p r", '"/dev/a b" r', "/dev/", "/dev//sda m"],
                          ["foo", "/dev/null rwx", "/dev/../x", "/tmp", "charx", "/dev/null r w"]),
    "MountImages": one_of(["/a:/b", "-/a:/b:root:ro", "/a:/b /c:/d", "/a\\:c:/b"], ["a", "/a", "/a:b"]),
    "LoadCredential": one_of(["a:/b", "b:/c", "a"], ["a/:b", "c:../b"]),
    "LoadCredentialEncrypted": one_of(["a:/b", "c:/d", "b"], ["a/:b", "c:../b", ":/c"]),
    "SetCredential": one_of(["a:text", "d:x"]),
    "SetCredentialEncrypted": one_of(["a:YQ==", "b: Y Q = =", "c:YWJj"], ["a:Y", "b", "c:"]),
}
WORDS = {
    "Delegate": one_of(["yes", "no", "cpu memory", "pids", "bpf-devices"], ["foo", "cpu foo", '"yes"']),
    "DevicePolicy": one_of(["auto", "closed", "strict"], ["foo", ""]),
    "KeyringMode": one_of(["private", "inherit", "shared"], ["foo", ""]),
    "NotifyAccess": one_of(["none", "main", "exec", "all"], ["ALL", ""]),
    "ProcSubset": one_of(["pid", "all"], ["x", ""]),
    "ProtectHome": one_of(["yes", "no", "tmpfs", "read-only", "TRUE"], ["Tmpfs", "maybe", ""]),
    "ProtectProc": one_of(["invisible", "ptraceable", "noaccess", "default"], ["x", ""]),
    "ProtectSystem": one_of(["yes", "no", "full", "strict", "1"], ["STRICT", "maybe", ""]),
    "RootDirectory": one_of(["/", "/srv/a", "//", "/./", "/%i", "", "/%p"]),
    "RootImage": one_of(["/a.raw", "/", "", "/b/"]),
    "UMask": one_of(["0077", "77", "027", "0022", "0002", "0000", "0007", "0037", "0067", "4077", "7777"], ["8", "foo", "", "10000", "+77", "0x3f"]),
    "User": one_of(["root", "0", "nobody", "daemon", "1000", "65534", "", "a%n", "%p", "Foo.bar", "%u", "%U", "0x0", "1a"]),
}


def unit(number, odd, seed=0):
    """(name, text): the same for the same arguments. odd: with values that systemd passes over."""
    r = random.Random(f"{seed}.{number}.{odd}")
    lines = []
    share = r.choice([0.05, 0.2, 0.5, 0.9])
    for d in FLAGS:
        if r.random() < share:
            lines.append(f"{d}=" + r.choice(["yes"] * 6 + ["no", "on", "1", "True", "off", "t"] + (["maybe", "", '"yes"', "%i1"] if odd and d != "DynamicUser" else [])))
    for d, make in WORDS.items():
        for _ in range(r.choice([0, 0, 1, 2]) if r.random() < 0.9 else 0):
            if r.random() < share + 0.1:
                lines.append(f"{d}={make(r, odd)}")
    for d, make in LISTS.items():
        for _ in range(r.choice([0, 1, 1, 2, 3])):
            if r.random() < share + 0.1:
                lines.append(f"{d}=" + ("" if r.random() < 0.08 else make(r, odd)))
    r.shuffle(lines)
    if r.random() < 0.2:
        lines = ["Description=random", "DefaultDependencies=" + r.choice(["no", "no", "yes"] + (["", "x"] if odd else [])), "[Service]"] + lines
        head = "[Unit]\n"
    else:
        head = "[Service]\n"
    stem = r.choice(["u", "u", "u", "a-b", "nobody"]) + f"{number:04}"
    if r.random() < 0.02:
        stem = r.choice(["root@", "nobody@", "0@"]) + f"{number}"
    return f"{stem}.service", head + "\n".join(lines) + "\nExecStart=/bin/true\n"


def write(folder, count, odd):
    folder.mkdir(exist_ok=True)
    made = [unit(i, odd) for i in range(count)]
    for name, text in made:
        (folder / name).write_text(text)
    return [name for name, _ in made]


def program():
    """The judge, or None."""
    return shutil.which("systemd-analyze")


def version():
    out = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout
    return int(out.split()[1])


def judge(folder, units):
    """{unit's name: (number, rating, {check: (state, exposure)})}, without those that systemd does not load, and what it says."""
    env = dict(os.environ, SYSTEMD_UNIT_PATH=str(folder), SYSTEMD_COLORS="0", LC_ALL="C.UTF-8")
    command = [program(), "security", "--offline=true", "--no-pager"]
    text = subprocess.run([*command, *units], cwd=folder, env=env, capture_output=True, text=True, check=False)
    tables = subprocess.run([*command, "--json=short", *units], cwd=folder, env=env, capture_output=True, text=True, check=False)
    verdicts = re.findall(r"^\S+ Overall exposure level for (\S+): ([\d.]+) (\w+)", text.stdout, re.M)
    rows = [json.loads(line) for line in tables.stdout.splitlines() if line]
    assert len(rows) == len(verdicts)
    states = {True: "good", False: "bad", None: "ignored"}
    return {name: (number, rating, {row["json_field"].rstrip(")"): (states[row["set"]], row["exposure"]) for row in table})
            for (name, number, rating), table in zip(verdicts, rows)}, text.stderr
