# SPDX-License-Identifier: LGPL-2.1-or-later
"""config.json: process, but for capabilities and the terminal."""
import ctypes
import os
import platform
import resource
import signal

import pytest

from kit import linux, session_keyring, until


# ---- args, cwd, env

def test_arguments_reach_the_program_unchanged(box):
    argv = ["/probe", "", "two words", "-x", "ü", 'quote"\\', "$HOME", "*"]
    assert box.report(argv=argv)["args"] == [a if a != "ü" else "Ã¼" for a in argv]


def test_a_bare_name_is_looked_up_in_the_PATH_of_env(box):
    (box.rootfs / "opt/tools").mkdir(parents=True)
    os.link(box.rootfs / "probe", box.rootfs / "opt/tools/found-by-path")
    box.process["env"] = ["PATH=/nowhere:/opt/tools"]
    assert box.report(argv=["found-by-path"])["executable"] == "/opt/tools/found-by-path"


def test_a_name_with_a_slash_is_not_looked_up_in_PATH(box):
    (box.rootfs / "opt").mkdir(exist_ok=True)
    os.link(box.rootfs / "probe", box.rootfs / "opt/here")
    box.process["cwd"] = "/opt"
    assert box.report(argv=["./here"])["executable"] == "/opt/here"


def test_no_arguments_are_refused(box):
    box.process["args"] = []
    box.refused()


def test_an_empty_program_name_is_refused(box):
    box.process["args"] = [""]
    box.refused()


def test_the_working_directory(box):
    box.process["cwd"] = "/home"
    assert box.report()["cwd"] == "/home"


def test_a_missing_working_directory_is_created(box):
    box.process["cwd"] = "/srv/new/deep"
    assert box.report()["cwd"] == "/srv/new/deep"


def test_a_relative_working_directory_is_refused(box):
    box.process["cwd"] = "home"
    box.refused()


def test_a_working_directory_that_is_a_file_is_refused(box):
    box.process["cwd"] = "/etc/passwd"
    box.refused()


def test_a_missing_cwd_field_is_refused(box):
    del box.process["cwd"]
    box.refused()


def test_a_working_directory_only_the_user_may_enter(box):
    (box.rootfs / "home/user").mkdir()
    os.chown(box.rootfs / "home/user", 1000, 1000)
    (box.rootfs / "home/user").chmod(0o700)
    box.process.update(cwd="/home/user", user={"uid": 1000, "gid": 1000})
    assert box.report()["cwd"] == "/home/user"


def test_a_working_directory_through_a_link_stays_in_the_root(box):
    (box.rootfs / "out").symlink_to("/../../../../../../home")
    box.process["cwd"] = "/out"
    assert box.report()["cwd"] == "/home"


def test_the_environment_is_what_is_given_and_nothing_of_the_callers(box):
    box.process["env"] = ["PATH=/bin", "A=1", "EMPTY=", "EQUALS=a=b", "HOME=/x"]
    seen = box.report(env={**os.environ, "OF_THE_CALLER": "1"})["env"]
    assert sorted(seen) == sorted(box.process["env"])


def test_HOME_is_of_the_users_entry_in_passwd_unless_given(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    assert box.report().environment()["HOME"] == "/home/user"


def test_HOME_of_an_unknown_user_is_the_root(box):
    box.process["user"] = {"uid": 4321, "gid": 4321}
    assert box.report().environment()["HOME"] == "/"


def test_without_env_the_program_still_starts(box):
    del box.process["env"]
    assert set(box.report().environment()) <= {"HOME", "PATH"}


# ---- user

def test_user_and_group(box):
    box.process["user"] = {"uid": 1000, "gid": 2001}
    seen = box.report()
    assert (seen["uids"], seen["gids"], seen["groups"]) == ([1000] * 3, [2001] * 3, [])


def test_root_has_no_groups_of_the_callers(box):
    assert box.report(preexec_fn=lambda: os.setgroups([7, 8]))["groups"] == []


def test_additional_groups(box):
    box.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 6, 70000]}
    assert sorted(box.report()["groups"]) == [5, 6, 70000]


def test_a_user_unknown_to_passwd_runs(box):
    box.process["user"] = {"uid": 123456, "gid": 654321}
    assert box.report()["uids"] == [123456] * 3


@pytest.mark.parametrize("user", [{"uid": -1, "gid": 0}, {"uid": 0, "gid": -1}, {"uid": 4294967296, "gid": 0},
                                  {"uid": "root", "gid": 0}, {"uid": 1.5, "gid": 0},
                                  {"uid": 0, "gid": 0, "additionalGids": [-1]}], ids=str)
def test_a_user_that_is_no_id_is_refused(box, user):
    box.process["user"] = user
    box.refused()


def test_the_umask(box):
    box.process["user"]["umask"] = 0o027
    assert box.report()["umask"] == 0o027


def test_without_umask_it_is_022_whatever_the_callers(box):
    """As runc and crun have it: engines call with a umask of 0."""
    for mask in (0o037, 0):
        assert box.report(preexec_fn=lambda: os.umask(mask))["umask"] == 0o022


def test_a_umask_of_zero_is_set(box):
    box.process["user"]["umask"] = 0
    assert box.report()["umask"] == 0


# ---- rlimits

@pytest.mark.parametrize("name,soft,hard", [
    ("RLIMIT_AS", 1 << 40, 1 << 41), ("RLIMIT_CORE", 0, 4096), ("RLIMIT_CPU", 1000, 2000),
    ("RLIMIT_DATA", 1 << 40, 1 << 41),
    ("RLIMIT_FSIZE", 1 << 30, 1 << 31), ("RLIMIT_LOCKS", 100, 200), ("RLIMIT_MEMLOCK", 4096, 8192),
    ("RLIMIT_MSGQUEUE", 1000, 2000), ("RLIMIT_NICE", 0, 0), ("RLIMIT_NOFILE", 512, 700), ("RLIMIT_NPROC", 3000, 4000),
    ("RLIMIT_RSS", 1 << 20, 1 << 21), ("RLIMIT_RTPRIO", 0, 0), ("RLIMIT_RTTIME", 1000000, 2000000),
    ("RLIMIT_SIGPENDING", 50, 60), ("RLIMIT_STACK", 1 << 22, 1 << 23)])
def test_resource_limit(box, name, soft, hard):
    own = resource.getrlimit(getattr(resource, name, resource.RLIMIT_NPROC)) if name != "RLIMIT_LOCKS" else (-1, -1)
    if own[1] != -1 and own[1] < hard:
        soft, hard = min(soft, own[1]), own[1]
    box.process["rlimits"] = [{"type": name, "soft": soft, "hard": hard}]
    assert box.report()["rlimits"][name] == [soft, hard]


def test_limits_that_are_not_named_are_the_callers(box):
    box.process["rlimits"] = []
    seen = box.report(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, (33, 44)))
    assert seen["rlimits"]["RLIMIT_SIGPENDING"] == [33, 44]


def test_a_limit_by_its_effect(box):
    box.process["rlimits"] = [{"type": "RLIMIT_MEMLOCK", "soft": 8192, "hard": 8192}]
    assert box.errno("lock", 4096) == "ENOMEM"


@pytest.mark.parametrize("limits", [
    [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}, {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
    [{"type": "RLIMIT_OF_NOTHING", "soft": 1, "hard": 1}],
    [{"type": "NOFILE", "soft": 10, "hard": 20}],
    [{"type": "", "soft": 10, "hard": 20}],
    [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 50}],
    [{"type": "RLIMIT_NOFILE", "soft": -5, "hard": 50}],
    [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]],
    ids=["twice", "unknown", "without prefix", "empty", "soft above hard", "negative", "above what the kernel allows"])
def test_limits_refused(box, limits):
    box.process["rlimits"] = limits
    box.refused()


def test_a_limit_of_descriptors_does_not_hinder_the_start(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 4, "hard": 4}]
    assert box.report()["rlimits"]["RLIMIT_NOFILE"] == [4, 4]


# ---- small settings

def test_no_new_privileges(box):
    assert box.report()["no_new_privileges"] == 1


def test_without_no_new_privileges(box):
    box.process["noNewPrivileges"] = False
    assert box.report()["no_new_privileges"] == 0


def test_no_new_privileges_is_off_by_default(box):
    del box.process["noNewPrivileges"]
    assert box.report()["no_new_privileges"] == 0


def test_the_score_of_the_oom_killer(box):
    box.process["oomScoreAdj"] = 543
    assert box.report()["oom_score_adj"] == "543"


def test_the_score_of_the_oom_killer_is_the_callers_if_not_given(box):
    def raised():
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write("77")

    assert box.report(preexec_fn=raised)["oom_score_adj"] == "77"


@pytest.mark.parametrize("score", [1001, -1001, "500"])
def test_a_score_outside_of_the_range_is_refused(box, score):
    box.process["oomScoreAdj"] = score
    box.refused()


def test_a_score_below_the_callers_is_set_or_refused_never_forgotten(box):
    box.process["oomScoreAdj"] = -500
    r = box.args("/probe").run()
    assert r.status != 0 or '"oom_score_adj":"-500"' in r.out, r


# ---- scheduler

POLICIES = {"SCHED_OTHER": 0, "SCHED_BATCH": 3, "SCHED_IDLE": 5}


@pytest.mark.parametrize("policy", POLICIES)
def test_scheduling_policy(box, policy):
    box.process["scheduler"] = {"policy": policy}
    seen = box.report()["scheduler"]
    assert (seen["policy"], seen["priority"]) == (POLICIES[policy], 0)


@pytest.mark.parametrize("policy", ["SCHED_OTHER", "SCHED_BATCH"])
def test_nice_value(box, policy):
    box.process["scheduler"] = {"policy": policy, "nice": 7}
    seen = box.report()["scheduler"]
    assert (seen["policy"], seen["nice"]) == (POLICIES[policy], 7)


def test_a_nice_value_below_the_callers(box):
    box.process["scheduler"] = {"policy": "SCHED_OTHER", "nice": -3}
    assert box.report()["scheduler"]["nice"] == -3


@pytest.mark.parametrize("policy,number", [("SCHED_FIFO", 1), ("SCHED_RR", 2)])
def test_realtime_policy_is_set_or_the_kernels_refusal_is_told(box, policy, number):
    """A cgroup of version 1 has no realtime budget by default: the kernel refuses then."""
    box.process["scheduler"] = {"policy": policy, "priority": 12}
    r = box.args("/probe").run()
    if r.status != 0:
        assert "sched" in r.err.lower(), r
        pytest.skip("realtime scheduling is refused in this cgroup")
    assert f'"policy":{number}' in r.out and '"priority":12' in r.out


def test_deadline_scheduling(box):
    box.process["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 20000000,
                                "period": 30000000,
                                "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    r = box.args("/probe").run()
    if r.status != 0:
        assert "sched" in r.err.lower(), r
        pytest.skip("deadline scheduling is refused here: " + r.err.strip()[:200])
    for part in ('"policy":6', '"runtime":1000000', '"deadline":20000000', '"period":30000000'):
        assert part in r.out, r.out[:4000]


def test_scheduling_flag_reset_on_fork(box):
    box.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    seen = box.report()["scheduler"]
    assert (seen["policy"], seen["flags"] & 1) == (3, 1)


@pytest.mark.parametrize("scheduler", [
    {"policy": "SCHED_NICE"}, {"policy": ""}, {}, {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_UNKNOWN"]},
    {"policy": "SCHED_FIFO", "priority": 1000}, {"policy": "SCHED_OTHER", "nice": 99},
    {"policy": "SCHED_DEADLINE", "runtime": 30000000, "deadline": 20000000, "period": 10000000}], ids=str)
def test_scheduling_refused(box, scheduler):
    box.process["scheduler"] = scheduler
    box.refused()


# ---- ioPriority

@pytest.mark.parametrize("name,number,priority", [("IOPRIO_CLASS_RT", 1, 2), ("IOPRIO_CLASS_BE", 2, 6),
                                                  ("IOPRIO_CLASS_IDLE", 3, 0)])
def test_io_priority(box, name, number, priority):
    box.process["ioPriority"] = {"class": name, "priority": priority}
    assert box.report()["ioprio"] == [number, priority]


@pytest.mark.parametrize("io",
                         [{"class": "IOPRIO_CLASS_NONE_SUCH", "priority": 1},
                          {"class": "IOPRIO_CLASS_BE", "priority": 8},
                                {"class": "IOPRIO_CLASS_BE", "priority": -1}, {"priority": 3}], ids=str)
def test_io_priority_refused(box, io):
    box.process["ioPriority"] = io
    box.refused()


# ---- execCPUAffinity

def test_affinity_of_exec_is_not_the_first_processs(box):
    box.process["execCPUAffinity"] = {"initial": "0", "final": "1"}
    if os.cpu_count() < 2:
        pytest.skip("one processor")
    box.args("sh", "-c", "/probe; sleep 1000").up()
    until(lambda: box.out().endswith("\n"))
    assert f'"affinity":[{",".join(map(str, sorted(os.sched_getaffinity(0))))}]' in box.out()
    assert box.reports()["affinity"] == [1]


def test_affinity_of_exec_without_a_final_one_is_left_to_the_kernel(box):
    """Since Linux 6.2 a change of the control group keeps what was set, as far as its cpuset allows; before, it may be all of that."""
    box.process["execCPUAffinity"] = {"initial": "0"}
    box.idle()
    whole = sorted(os.sched_getaffinity(box.pid))
    assert box.reports()["affinity"] in ([[0]] if linux() >= (6, 2) else [[0], whole])


def test_affinity_as_a_list_with_ranges(box):
    box.process["execCPUAffinity"] = {"final": "0-0,1"}
    box.idle()
    assert box.reports()["affinity"] == [0, 1]


@pytest.mark.parametrize("cpus", ["x", "1-", "3-1", "-1", "0,,1", "0 1"])
def test_affinity_refused(box, cpus):
    box.process["execCPUAffinity"] = {"final": cpus}
    box.refused()


# ---- labels

def test_an_apparmor_profile_is_applied_or_refused(box):
    box.process["apparmorProfile"] = "bulkhead-test-of-none"
    if os.path.exists("/sys/kernel/security/apparmor/profiles"):
        pytest.skip("AppArmor is on: the name of a loaded profile would be needed")
    assert "apparmor" in box.refused().lower()


def test_an_selinux_label_is_applied_or_refused(box):
    box.process["selinuxLabel"] = "system_u:system_r:container_t:s0:c1,c2"
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("SELinux is on: the policy's names would be needed")
    assert "selinux" in box.refused().lower()


# ---- what else a process inherits

def test_only_the_standard_streams_are_open(box):
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        seen = box.report(close_fds=False)
    finally:
        for fd in fds:
            os.close(fd)
    assert sorted(seen["fds"], key=int) == ["0", "1", "2"]


RT_SIGACTION = 134 if platform.machine() == "aarch64" else 13


def test_no_signal_is_ignored_or_blocked(box):
    def block():
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        # As posix_spawn leaves those that the C library has for itself: the handler 1 is "ignore".
        for number in (32, 33):
            ctypes.CDLL(None).syscall(RT_SIGACTION, number, (ctypes.c_uint64 * 4)(1), None, 8)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})

    status = box.report(preexec_fn=block)["status"]
    assert (int(status["SigIgn"], 16), int(status["SigBlk"], 16)) == (0, 0)


def test_the_process_is_the_first_of_its_namespace_and_leads_its_session(box):
    seen = box.report()
    assert (seen["pid"], seen["ppid"]) == (1, 0)


def test_the_process_is_dumpable_like_any_other(box):
    assert box.report()["dumpable"] == 1


def test_securebits_are_clear(box):
    assert box.report()["securebits"] == 0


def test_process_is_needed_to_run(box):
    del box.config["process"]
    r = box.run()
    assert r.status != 0 and r.err.strip()


def test_process_is_needed_by_start_only(box):
    del box.config["process"]
    assert box.create().status == 0
    assert box.status() == "created"
    r = box.start()
    assert r.status != 0 and "/process" in r.err
    box.ended()
    assert box.delete(force=False).status == 0


def test_a_container_has_a_session_keyring_of_its_own(box):
    own = box.report()
    if own["keyring"] < 0:
        pytest.skip("no keyrings in this kernel")
    assert own["keyring"] not in (session_keyring(), box.report()["keyring"])


def test_the_windows_field_commandLine_is_ignored(box):
    box.process["commandLine"] = "nothing"
    assert box.report()["pid"] == 1
