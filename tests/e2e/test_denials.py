# SPDX-License-Identifier: LGPL-2.1-or-later
"""--report-denials: which directive stopped which call on which path."""
import pytest

REPORT = ["--report-denials"]


def report(result):
    """The lines after "Denials of"."""
    lines = result.err.splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith("Denials of ")]
    assert start, result.err
    return lines[start[0] + 1:]


def has(lines, call, where, directive):
    return any(line.startswith(f"stopped  {call}({where}") and directive in line for line in lines)


def test_a_write_below_a_read_only_path_is_named(box):
    r = box.shell(f"ReadOnlyPaths={box.data}", f"echo x >{box.data}/new; mkdir {box.data}/d; cat /etc/hostname", options=REPORT)
    lines = report(r)
    assert has(lines, "openat", f"{box.data}/new", f"ReadOnlyPaths={box.data}")
    assert has(lines, "mkdir", f"{box.data}/d", f"ReadOnlyPaths={box.data}")
    assert not any("hostname" in line for line in lines)


def test_a_hidden_file_is_named(box):
    r = box.shell("InaccessiblePaths=/etc/hostname", "cat /etc/hostname; ln -s /etc/hostname /tmp/x.$$; cat /tmp/x.$$; rm /tmp/x.$$",
                   options=REPORT)
    assert has(report(r), "openat", "/etc/hostname", "InaccessiblePaths=/etc/hostname")


def test_a_filtered_call_gets_its_errno_and_is_named(box):
    r = box.shell("SystemCallFilter=~chroot:ENOTTY", "chroot / true", options=REPORT)
    assert "Inappropriate ioctl" in r.err
    assert has(report(r), "chroot", "", "SystemCallFilter=~chroot:ENOTTY")


def test_a_call_that_kills_still_kills_and_is_named(box):
    r = box.shell("SystemCallFilter=~chroot", "chroot / true; echo survived", options=REPORT)
    assert "survived" in r.out and has(report(r), "chroot", "", "SystemCallFilter=~chroot")
    r = box.run("SystemCallFilter=~chroot", "/usr/sbin/chroot", "/", "true", options=REPORT)
    assert r.status == 255 and has(report(r), "chroot", "", "SystemCallFilter=~chroot")


def test_an_allow_list_is_observed_as_well(box):
    r = box.shell("SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM", "chroot / true; echo after", options=REPORT)
    assert "after" in r.out and has(report(r), "chroot", "", "SystemCallFilter=@system-service")


def test_the_seal_is_named(box):
    r = box.shell("InaccessiblePaths=/etc/hostname", "umount /etc/hostname", options=REPORT)
    assert any("umount2(/etc/hostname" in line and "seal" in line for line in report(r)), r.err


def test_a_connection_out_of_a_private_network_is_named(box):
    r = box.run("PrivateNetwork=yes", "/bin/bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80", options=REPORT)
    assert has(report(r), "connect", "192.0.2.1:80", "PrivateNetwork=yes")


RESTRICTED = [("RestrictNamespaces=yes", "unshare -n true", "unshare"), ("RestrictRealtime=yes", "chrt -f 1 true", "sched_setscheduler"),
              ("LockPersonality=yes", "setarch -R true", "personality"),
              ("RestrictAddressFamilies=AF_UNIX", "python3 -c 'import socket; socket.socket()'", "socket"),
              ("ProtectClock=yes", "date -s @0", "clock_settime"), ("ProtectKernelLogs=yes", "dmesg --syslog", "syslog"),
              ("ProtectHostname=yes", "hostname some-other", "sethostname"),
              ("ProtectKernelTunables=yes", "echo 1 >/proc/sys/vm/swappiness", "openat"),
              ("ProtectControlGroups=yes", "mkdir /sys/fs/cgroup/x", "mkdir")]


@pytest.mark.parametrize("directive, script, call", RESTRICTED, ids=lambda v: v.partition("=")[0])
def test_what_restricts_calls_by_their_arguments_is_named(box, directive, script, call):
    plain, r = box.shell(directive, script), box.shell(directive, script, options=REPORT)
    assert plain.status == r.status != 0, (plain, r)
    lines = report(r)
    assert any(line.startswith(f"stopped  {call}(") and directive in line for line in lines), lines
    assert not any("clone3" in line for line in lines)


def test_what_is_not_restricted_works_observed(box):
    r = box.shell("RestrictNamespaces=net\nRestrictAddressFamilies=AF_INET AF_UNIX\nRestrictRealtime=yes",
                  "unshare -n true && chrt -b 0 true && python3 -c 'import socket; socket.socket()'", options=REPORT)
    assert r.status == 0 and report(r) == ["No directive stopped anything."], r


def test_nothing_stopped_is_said(box):
    assert report(box.run("ReadOnlyPaths=/usr", "/bin/true", options=REPORT)) == ["No directive stopped anything."]


@pytest.mark.parametrize("mode", ["--wait", "-P"])
def test_the_exit_status_and_output_stay_as_they_are(box, mode):
    r = box.shell("ReadOnlyPaths=/usr", "touch /usr/x; exit 7", options=REPORT, mode=mode)
    assert r.status == 7 and has(report(r), "openat", "/usr/x", "ReadOnlyPaths=/usr")


def test_an_ordinary_user_gets_a_report_too(user_box):
    r = user_box.shell(f"ReadOnlyPaths={user_box.data}", f"touch {user_box.data}/x", options=REPORT)
    assert has(report(r), "openat", f"{user_box.data}/x", f"ReadOnlyPaths={user_box.data}")


def test_a_detached_run_has_nobody_to_report_to(box):
    r = box.call("run", "--report-denials", "/bin/true")
    assert r.status == 1 and "--report-denials needs" in r.err
