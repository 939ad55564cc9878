# SPDX-License-Identifier: LGPL-2.1-or-later
"""R8, R13 and R14: what is not known is refused, what belongs to the host is not set, what cannot be applied stops the start."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

import bundle as oci
import hostile

# Each is set to the value that it has: a runtime that does write it changes nothing.
HOST_SYSCTLS = ["kernel.core_pattern", "kernel/core_pattern", "kernel.modprobe", "vm.panic_on_oom", "kernel.hostname", "kernel.panic", "fs.suid_dumpable",
                "user.max_user_namespaces", "kernel.randomize_va_space"]
CROOKED = ["net.ipv4/../../kernel.core_pattern", "net/../kernel/core_pattern", "net...kernel.core_pattern", "net/ipv4/../../kernel/core_pattern",
           "net.", ".net", "net..ipv4.ip_default_ttl", "", "/proc/sys/kernel/core_pattern", "net.ipv4.ip_default_ttl\n", "fs.mqueue/../suid_dumpable",
           "kernel.shm_rmid_forced+kernel.core_pattern", "net.ipv4.ip_default_ttl=1+kernel.core_pattern"]


def present(name):
    path = pathlib.Path("/proc/sys", name.replace(".", "/"))
    return path.read_text().rstrip("\n") if path.is_file() else "0"


@pytest.mark.parametrize("name", HOST_SYSCTLS)
def test_a_setting_of_the_host_is_refused(container, name):
    """CVE-2022-0811, CVE-2022-0532, GHSA-w2j5 (P15)"""
    before = present("kernel.core_pattern")
    container.config["linux"]["sysctl"] = {name: present(name)}
    assert container.args("true").run().status != 0
    assert present("kernel.core_pattern") == before


@pytest.mark.parametrize("name", CROOKED)
def test_a_setting_with_a_crooked_name_is_refused(container, name):
    """CVE-2022-0811 (P15): separators and dots in the name"""
    container.config["linux"]["sysctl"] = {name: present("kernel.core_pattern")}
    assert container.args("true").run().status != 0


@pytest.mark.parametrize("value", ["1+kernel.core_pattern=core", "1\nkernel.core_pattern=core", "1 kernel.core_pattern=core"])
def test_a_setting_with_a_separator_in_its_value_sets_nothing_else(container, value):
    """CVE-2022-0811 (P15): a line break is refused, what else the kernel takes for a number is its own"""
    before = present("kernel.core_pattern"), present("kernel.shm_rmid_forced")
    container.config["linux"]["sysctl"] = {"kernel.shm_rmid_forced": value}
    r = container.args("true").run()
    assert r.status != 0 or "\n" not in value, r
    assert (present("kernel.core_pattern"), present("kernel.shm_rmid_forced")) == before


SHARED = [("network", "net.ipv4.ip_default_ttl"), ("network", "net.ipv4.ip_forward"), ("ipc", "kernel.msgmax"), ("ipc", "kernel.shm_rmid_forced"),
          ("ipc", "fs.mqueue.msg_max")]


@pytest.mark.parametrize("how", ["not-listed", "path-to-the-hosts", "link-to-the-hosts"])
@pytest.mark.parametrize("kind, name", SHARED)
def test_a_setting_of_a_namespace_that_is_the_hosts_is_refused(container, folder, kind, name, how):
    """CVE-2022-0532, GHSA-w2j5 (P15): the value is the one that is set, so nothing changes"""
    if how == "not-listed":
        hostile.without_namespace(container.config, kind)
    else:
        path = f"/proc/self/ns/{ {'network': 'net'}.get(kind, kind)}"
        if how == "link-to-the-hosts":
            (folder / "ns").symlink_to(path)
            path = str(folder / "ns")
        hostile.namespace(container.config, kind)["path"] = path
    container.config["linux"]["sysctl"] = {name: present(name)}
    assert container.args("true").run().status != 0


def test_settings_of_the_containers_own_namespaces_work(container):
    """Twin of the above."""
    container.config["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77", "kernel.msgmax": "9000", "kernel.shm_rmid_forced": "1",
                                           "fs.mqueue.msg_max": "20"}
    r = container.sh("cd /proc/sys; cat net/ipv4/ip_default_ttl kernel/msgmax kernel/shm_rmid_forced fs/mqueue/msg_max").run()
    assert (r.status, r.out.split()) == (0, ["77", "9000", "1", "20"]), r


CGROUP_MOUNT = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime"]}
FIND = "find /sys/fs/cgroup /sys/kernel -name release_agent -o -name notify_on_release -o -name cgroup.procs -o -name cgroup.clone_children"


def cgroup_mount(*options):
    return {**CGROUP_MOUNT, "options": [*CGROUP_MOUNT["options"], *options]}


@pytest.mark.parametrize("privileges", [[], ["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_MKNOD"]])
def test_no_release_agent_opens_for_writing(container, privileges):
    """CVE-2022-0492 and docker in docker (table 2e): cgroups mounted read-only; nothing is written"""
    container.config["mounts"].append(cgroup_mount("ro"))
    hostile.give(container.config, *privileges)
    r = container.sh(f"/probe open-write $({FIND}) /none; mkdir /tmp/c; mount -t cgroup -o memory none /tmp/c && echo mounted;"
                     " mount -t cgroup2 none /tmp/c && echo mounted; true").run()
    assert r.status == 0 and "mounted" not in r.out, r
    told = hostile.pairs(r.out)
    assert any("cgroup.procs" in p for p in told), "no cgroup was seen"
    assert [p for p, error in told.items() if error == 0] == [], r


def test_no_release_agent_is_there_where_cgroups_are_writable(container):
    """CVE-2022-0492 (table 2e): in a cgroup namespace the root of the mount is the container's own cgroup, which has no such file"""
    container.config["mounts"].append(cgroup_mount("rw"))
    r = container.sh(f"{FIND}; ls /sys/fs/cgroup").run()
    assert r.status == 0 and "release_agent" not in r.out, r
    assert "cgroup.procs" in r.out, "no cgroup was seen"


def test_cgroups_can_be_read(container):
    """Twin of the two above; and what is asked to be writable is."""
    container.config["mounts"].append(cgroup_mount("rw"))
    r = container.sh("f=$(find /sys/fs/cgroup -name cgroup.procs | grep -E 'pids|unified|cgroup/cgroup.procs' | head -n 1); cat $f;"
                     " /probe open-write $f").run()
    assert r.out.split()[0] == "1" and re.search(r"^0 /sys/fs/cgroup", r.out, re.M), r


def writable_cgroup_mounts(text):
    """Mounts of cgroups in a mountinfo that are not read-only."""
    found = []
    for line in text.splitlines():
        if " - cgroup" in line:
            fields = line.split(" - ")[0].split()
            if "ro" not in fields[5].split(","):
                found.append(fields[4])
    return found


@pytest.fixture
def rootless(container, folder):
    """The same container for an ordinary user, who has made everything: rootless(mounts) runs it."""
    uid = 65534
    home = folder / "rootless"
    home.mkdir()
    program = shutil.copy(container.program, home / "runtime")
    shutil.move(container.bundle, home / "bundle")
    container.bundle, container.rootfs = home / "bundle", home / "bundle/rootfs"
    hostile.without_namespace(container.config, "cgroup")
    hostile.without_namespace(container.config, "network")
    container.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        container.config["linux"][kind] = [{"containerID": 0, "hostID": uid, "size": 1}]
    del container.config["linux"]["resources"]
    # What cannot be had there: other groups, a sysfs without a network of one's own.
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] not in ("/sys", "/dev/pts")]

    def run(*mounts):
        container.config["mounts"] += mounts
        container.save()
        subprocess.run(["chown", "-R", "-h", f"{uid}:{uid}", str(home)], check=True)
        p = subprocess.run([program, "--root", str(home / "state"), "run", "--bundle", str(container.bundle), container.id],
                           capture_output=True, text=True, timeout=120, check=False, user=uid, group=uid, extra_groups=[],
                           cwd=home, env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(home), "HOME": str(home),
                                          **{k: v for k, v in os.environ.items() if k == "BULKHEAD_MUTANT"}})
        return oci.Result(p.returncode, p.stdout, p.stderr)
    return run


@pytest.mark.parametrize("how", ["rbind", "bind"])
def test_cgroups_are_read_only_for_a_user_without_a_cgroup_namespace(container, rootless, how):
    """CVE-2023-25809: the host's sysfs is bound read-only, and below it lie cgroups that are another mount"""
    container.args("cat", "/proc/self/mountinfo")
    r = rootless({"destination": "/sys", "type": "none", "source": "/sys", "options": [how, "nosuid", "noexec", "nodev", "ro"]})
    if r.status == 0:
        assert "/sys" in [m[0] for m in hostile.mounts_in(r.out)]
        assert writable_cgroup_mounts(r.out) == [], r


def test_a_container_of_an_ordinary_user_works(container, rootless):
    """Twin of the above."""
    r = rootless() if container.args("/probe", "creds") else None
    assert r.status == 0 and hostile.creds(r.out)["uid"] == [0, 0, 0], r


def test_cgroups_that_are_asked_to_be_read_only_are(container):
    """CVE-2023-25809: in a user namespace without a cgroup namespace"""
    hostile.in_user_namespace(container.config)
    subprocess.run(["chown", "-R", "-h", "100000:100000", str(container.rootfs)], check=True)
    hostile.without_namespace(container.config, "cgroup")
    container.config["mounts"].append(cgroup_mount("ro"))
    r = container.args("cat", "/proc/self/mountinfo").run()
    assert r.status == 0 and "/sys/fs/cgroup" in r.out and writable_cgroup_mounts(r.out) == [], r


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "mount", "cgroup"])
def test_a_namespace_that_is_listed_is_not_the_hosts(container, kind):
    """Sharing of namespaces (table 2e): seen from the host"""
    container.args("sleep", "60").up()
    name = {"network": "net", "mount": "mnt"}.get(kind, kind)
    assert os.stat(f"/proc/{hostile.init_pid(container)}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino


@pytest.mark.parametrize("kind", ["network", "ipc", "uts"])
def test_a_namespace_that_is_not_listed_is_the_callers(container, kind):
    """Twin of the above."""
    hostile.without_namespace(container.config, kind)
    if kind == "uts":
        del container.config["hostname"]
    if kind == "ipc":
        container.config["mounts"] = [m for m in container.config["mounts"] if m["type"] != "mqueue"]
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] != "/sys" or kind != "network"]
    container.args("sleep", "60").up()
    name = {"network": "net"}.get(kind, kind)
    assert os.stat(f"/proc/{hostile.init_pid(container)}/ns/{name}").st_ino == os.stat(f"/proc/self/ns/{name}").st_ino


@pytest.fixture
def abstract_socket():
    name = "bulkhead-test-" + os.urandom(6).hex()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("\0" + name)
        s.listen(4)
        yield name


def test_abstract_sockets_of_the_host_are_out_of_reach(container, abstract_socket):
    """CVE-2020-15257 (table 2e): with a network namespace"""
    r = container.args("/probe", "connect", abstract_socket).run()
    assert r.status == 0 and r.out != "0\n", r


def test_abstract_sockets_of_the_host_are_in_reach_without_a_network_namespace(container, abstract_socket):
    """Twin of the above."""
    hostile.without_namespace(container.config, "network")
    container.config["mounts"] = [m for m in container.config["mounts"] if m["destination"] != "/sys"]
    r = container.args("/probe", "connect", abstract_socket).run()
    assert (r.status, r.out) == (0, "0\n"), r


def test_no_socket_of_the_runtime_is_abstract_or_open_to_all(container):
    """CVE-2020-15257, CVE-2025-9074: no listener beyond those that were there before"""
    def listeners():
        unix = {line.split()[-1] for line in open("/proc/net/unix") if line.rstrip().split()[-1].startswith("@")}
        tcp = {line.split()[1] for f in ("tcp", "tcp6") for line in open(f"/proc/net/{f}") if line.split()[3] == "0A"}
        return unix, tcp
    container.args("sleep", "60").up()
    pids = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and str(container.id) in cmdline(p)]
    inodes = {name for pid in pids for name in open_files(pid)}
    mine = {line.split()[-1] for line in open("/proc/net/unix") if f"socket:[{line.split()[6]}]" in inodes and "@" in line}
    assert mine == set()
    assert container.id not in " ".join(listeners()[0])


def open_files(pid):
    """Of a process that may end meanwhile, and which may close them."""
    found = []
    with contextlib.suppress(OSError):
        for f in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(f))
    return found


def cmdline(p):
    try:
        return (p / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def hook(path, *args, env=None):
    found = {"path": str(path), "args": [str(path), *map(str, args)]}
    return {**found, "env": env} if env is not None else found


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "poststart", "poststop"])
def test_a_hook_has_its_own_environment_and_not_the_images(container, folder, kind):
    """NVIDIA CVE-2025-23266, CVE-2020-14370 (R8): LD_PRELOAD of the image would run in a process of the host"""
    script = folder / "hook"
    script.write_text(f"#!/bin/sh\ncat >/dev/null\nenv >{folder}/seen\n")
    script.chmod(0o755)
    container.config["process"]["env"] += ["LD_PRELOAD=/image.so", "IMAGE=yes", "BASH_ENV=/image.sh"]
    container.config["hooks"] = {kind: [hook(script, env=["OWN=yes"])]}
    r = container.sh("echo $IMAGE").run(env={**os.environ, "CALLERS": "yes"})
    assert (r.status, r.out) == (0, "yes\n"), r
    seen = (folder / "seen").read_text().split("\n")
    assert "OWN=yes" in seen
    assert not [v for v in seen if v.startswith(("LD_PRELOAD=", "IMAGE=", "BASH_ENV=", "CALLERS="))], seen


@pytest.mark.parametrize("kind", ["createRuntime", "prestart", "createContainer"])
def test_a_hook_is_a_program_of_the_host(container, folder, kind):
    """NVIDIA CVE-2024-0132 kin, CVE-2022-1227 (R7): a file of the same name in the image is not run in its place"""
    for where, word in ((folder / "hook", "host"), (container.rootfs / str(folder)[1:] / "hook", "image")):
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(f"#!/bin/sh\ncat >/dev/null\necho {word} >>{folder}/said\n")
        where.chmod(0o755)
    container.config["hooks"] = {kind: [hook(folder / "hook")]}
    assert container.args("true").run().status == 0
    assert (folder / "said").read_text() == "host\n"


def test_configuration_inside_the_image_is_ignored(container, folder):
    """nspawn CVE-2026-40226, Incus CVE-2026-48749 (R8)"""
    script = folder / "evil"
    script.write_text(f"#!/bin/sh\ntouch {folder}/was-run\n")
    script.chmod(0o755)
    config = oci.default_config()
    config["process"]["args"] = ["echo", "the image's"]
    config["hooks"] = {"createRuntime": [hook(script)]}
    for name in ("config.json", ".nspawn", "runtime.json", "etc/bulkhead.json"):
        (container.rootfs / name).write_text(json.dumps(config))
    r = container.args("echo", "the caller's").run()
    assert (r.status, r.out) == (0, "the caller's\n"), r
    assert not (folder / "was-run").exists()


PATH_ANNOTATIONS = ["run.oci.hooks.stdout", "run.oci.hooks.stderr", "run.oci.seccomp_bpf_file", "run.oci.seccomp.receiver", "run.oci.pidfd_receiver",
                    "run.oci.handler", "org.criu.config", "run.oci.mount_context_type", "org.systemd.property.ExecStart",
                    "org.systemd.property.RootDirectory", "run.bulkhead.log", "run.bulkhead.path", "io.kubernetes.cri.log-path"]


@pytest.mark.parametrize("name", PATH_ANNOTATIONS)
def test_an_annotation_chooses_nothing_on_the_host(container, canary, folder, name):
    """CVE-2023-6476, CVE-2024-3154, CVE-2026-53488, Kata CVE-2026-44210 (R8): annotations come from images.  What an annotation can do
    is listed by `features`, so that engines can leave it out."""
    (folder / "hook").write_text("#!/bin/sh\ncat >/dev/null\necho from the hook\n")
    (folder / "hook").chmod(0o755)
    container.config["hooks"] = {"createRuntime": [hook(folder / "hook")]}
    container.config["annotations"] = {name: str(canary.path / "new")}
    r = container.args("true").run()
    features = container.call("features")
    listed = json.loads(features.out).get("potentiallyUnsafeConfigAnnotations", []) if features.status == 0 else []
    if not any(name == u or u.endswith(".") and name.startswith(u) for u in listed):
        assert r.status == 0, f"an annotation that means nothing stops the start: {r}"
        canary.untouched(r)


@pytest.mark.parametrize("name", ["org.opencontainers.image.title", "com.example.anything"])
def test_an_annotation_without_meaning_is_kept(container, name):
    """Twin of the above."""
    container.config["annotations"] = {name: "value"}
    container.args("sleep", "60").up()
    assert container.state()["annotations"][name] == "value"


@pytest.mark.parametrize("member", ["apparmorProfile", "selinuxLabel", "mountLabel"])
def test_a_label_that_cannot_be_applied_stops_the_start(container, member):
    """Apptainer CVE-2026-48785, CVE-2019-16884 (R14)"""
    if member == "apparmorProfile" and os.path.exists("/sys/kernel/security/apparmor"):
        pytest.skip("this kernel has AppArmor")
    if member != "apparmorProfile" and os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("this kernel has SELinux")
    if member == "mountLabel":
        container.config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    else:
        container.config["process"][member] = "bulkhead-test-profile"
    assert container.args("true").run().status != 0


@pytest.mark.parametrize("member", ["apparmorProfile", "selinuxLabel", "mountLabel"])
def test_an_empty_label_asks_for_nothing(container, member):
    """Twin of the above."""
    (container.config["linux"] if member == "mountLabel" else container.config["process"])[member] = ""
    assert container.args("true").run().status == 0


@pytest.mark.parametrize("what", ["mount-type", "namespace", "rlimit", "seccomp-action", "seccomp-operator", "propagation", "capability", "device-type"])
def test_a_word_that_is_not_known_is_refused(container, what):
    """R13, R14: what is asked for and not understood is no protection"""
    linux, process = container.config["linux"], container.config["process"]
    if what == "mount-type":
        container.config["mounts"].append({"destination": "/mnt", "type": "nosuchfs", "source": "x"})
    elif what == "namespace":
        linux["namespaces"].append({"type": "nosuch"})
    elif what == "rlimit":
        process["rlimits"].append({"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1})
    elif what == "seccomp-action":
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_NOSUCH"}
    elif what == "seccomp-operator":
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_NOSUCH"}]}]}
    elif what == "propagation":
        linux["rootfsPropagation"] = "nosuch"
    elif what == "capability":
        for s in process["capabilities"].values():
            s.append("CAP_NOSUCH")
    else:
        linux["devices"] = [{"path": "/dev/x", "type": "q", "major": 1, "minor": 3}]
    r = container.args("echo", "ran").run()
    if what == "capability" and r.status == 0:
        pytest.skip("the specification lets a runtime warn of an unknown capability")
    assert r.status != 0 and "ran" not in r.out, r


def test_words_that_are_known_work(container):
    """Twin of the above."""
    linux, process = container.config["linux"], container.config["process"]
    container.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "x"})
    process["rlimits"].append({"type": "RLIMIT_CORE", "soft": 0, "hard": 0})
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
        {"names": ["getpgid"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]}
    linux["rootfsPropagation"] = "private"
    linux["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]
    r = container.args("echo", "ran").run()
    assert (r.status, r.out) == (0, "ran\n"), r


def test_the_default_specification_is_narrow(container, folder):
    """The shocker of 2014: `spec` gives no capability that leads to the host, masks what is to be masked, and has its own namespaces"""
    (folder / "spec").mkdir()
    r = subprocess.run([container.program, "spec"], cwd=folder / "spec", capture_output=True, text=True, check=False)
    assert r.returncode == 0, r
    spec = json.loads((folder / "spec/config.json").read_text())
    for names in spec["process"]["capabilities"].values():
        assert not {"CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_NET_ADMIN",
                    "CAP_SYSLOG", "CAP_BPF", "CAP_PERFMON", "CAP_MAC_ADMIN", "CAP_SYS_TIME"} & set(names)
    assert not spec["process"]["capabilities"].get("inheritable") and not spec["process"]["capabilities"].get("ambient")
    assert spec["process"]["noNewPrivileges"] is True
    assert {n["type"] for n in spec["linux"]["namespaces"]} >= {"pid", "network", "ipc", "uts", "mount"}
    assert set(spec["linux"]["maskedPaths"]) >= {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware", "/proc/acpi"}
    assert set(spec["linux"]["readonlyPaths"]) >= {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"}
    assert {"allow": False, "access": "rwm"} in spec["linux"]["resources"]["devices"]


def test_files_are_not_opened_by_handle(container):
    """The shocker of 2014: open_by_handle_at needs CAP_DAC_READ_SEARCH, which is no default"""
    r = container.args("/probe", "handle", "/bin/busybox").run()
    assert (r.status, r.out) == (0, "1\n"), r


def test_files_are_opened_by_handle_with_the_capability(container):
    """Twin of the above: on a file of the container's own."""
    hostile.give(container.config, "CAP_DAC_READ_SEARCH")
    r = container.args("/probe", "handle", "/bin/busybox").run()
    assert (r.status, r.out) == (0, "0\n"), r


def test_a_list_of_processes_runs_nothing_of_the_image(container, folder):
    """CVE-2022-1227, CVE-2019-14271, CVE-2026-41567 (R7): `ps` reads the host's procfs"""
    for name in ("ps", "sh", "nsenter", "top"):
        trap = container.rootfs / "usr/bin" / name
        trap.write_text("#!/bin/busybox sh\n/bin/busybox touch /was-run\n")
        trap.chmod(0o755)
    container.config["process"]["env"] = ["PATH=/usr/bin:/bin"]
    container.args("/bin/busybox", "sleep", "60").up()
    r = container.call("ps", container.id)
    pid = hostile.init_pid(container)
    assert r.status == 0 and str(pid) in r.out, r
    assert not (container.rootfs / "was-run").exists()
