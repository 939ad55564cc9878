/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "plan/service.h"
#include "plan/unit_words.h"

static const struct facts facts = { .unit = "u.service", .runtime_folder = "/run", .hostname = "host", .user_name = "root", .home = "/root", .shell = "/bin/sh" };

static int read_text(const char *text, bool lenient, struct service *ret, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        assert_int_equal(unit_file_parse(&u, "u", text, strlen(text), unit_sections(UNIT_SERVICE), false, e), 0);
        return service_read(&u, &facts, lenient, ret, e);
}

/* ---- each row: a value, and the field that it sets ---- */

#define SECOND UINT64_C(1000000)
#define F(member) offsetof(struct service, member), sizeof(((struct service *)0)->member)
static const struct {
        const char *line;
        size_t offset, size;
        uint64_t expected;
} fields[] = {
        { "Type=notify", F(type), SERVICE_NOTIFY },
        { "Type=notify-reload", F(type), SERVICE_NOTIFY_RELOAD },
        { "Type=idle", F(type), SERVICE_IDLE },
        { "Type=dbus\nBusName=org.example.Web", F(type), SERVICE_DBUS },
        { "BusName=org.example.Web", F(type), SERVICE_DBUS },
        { "BusName=org.example.Web\nType=simple", F(type), SERVICE_SIMPLE },
        { "Type=forking", F(type), SERVICE_FORKING },
        { "Type=exec", F(type), SERVICE_EXEC },
        { "Type=oneshot", F(type), SERVICE_ONESHOT },
        { "Type=oneshot", F(timeout_start_usec), SERVICE_NEVER },
        { "Type=oneshot\nTimeoutStartSec=3", F(timeout_start_usec), 3 * SECOND },
        { "ExitType=cgroup", F(exit_type), EXIT_GROUP },
        { "Restart=on-abnormal", F(restart), RESTART_ON_ABNORMAL },
        { "RestartSec=2min", F(restart_usec), 120 * SECOND },
        { "RestartSteps=4", F(restart_steps), 4 },
        { "RestartMaxDelaySec=9", F(restart_max_usec), 9 * SECOND },
        { "TimeoutStartSec=7", F(timeout_start_usec), 7 * SECOND },
        { "TimeoutStartSec=0", F(timeout_start_usec), SERVICE_NEVER },
        { "TimeoutStartSec=infinity", F(timeout_start_usec), SERVICE_NEVER },
        { "TimeoutStopSec=7", F(timeout_stop_usec), 7 * SECOND },
        { "TimeoutStopSec=7", F(timeout_abort_usec), 7 * SECOND },
        { "TimeoutAbortSec=3\nTimeoutStopSec=7", F(timeout_abort_usec), 3 * SECOND },
        { "TimeoutAbortSec=3\nTimeoutAbortSec=\nTimeoutStopSec=7", F(timeout_abort_usec), 7 * SECOND },
        { "TimeoutSec=5", F(timeout_start_usec), 5 * SECOND },
        { "TimeoutSec=5", F(timeout_stop_usec), 5 * SECOND },
        { "Type=oneshot\nTimeoutSec=5", F(timeout_start_usec), 5 * SECOND },
        { "TimeoutStartFailureMode=abort", F(start_failure), FAILURE_ABORT },
        { "TimeoutStopFailureMode=kill", F(stop_failure), FAILURE_KILL },
        { "RuntimeMaxSec=1h", F(runtime_max_usec), 3600 * SECOND },
        { "WatchdogSec=30", F(watchdog_usec), 30 * SECOND },
        { "WatchdogSec=0", F(watchdog_usec), SERVICE_NEVER },
        { "WatchdogSec=30", F(notify_access), NOTIFY_MAIN },
        { "WatchdogSignal=SIGUSR2", F(watchdog_signal), SIGUSR2 },
        { "KillMode=mixed", F(kill_mode), KILL_MODE_MIXED },
        { "KillSignal=QUIT", F(kill_signal), SIGQUIT },
        { "RestartKillSignal=SIGHUP", F(restart_kill_signal), SIGHUP },
        { "FinalKillSignal=SIGABRT", F(final_kill_signal), SIGABRT },
        { "ReloadSignal=10", F(reload_signal), SIGUSR1 },
        { "SendSIGKILL=no", F(no_sigkill), true },
        { "SendSIGKILL=yes", F(no_sigkill), false },
        { "SendSIGHUP=yes", F(send_sighup), true },
        { "RemainAfterExit=yes", F(remain_after_exit), true },
        { "GuessMainPID=no", F(no_main_guess), true },
        { "NotifyAccess=all", F(notify_access), NOTIFY_ALL },
        { "Type=notify", F(notify_access), NOTIFY_MAIN },
        { "Type=notify\nNotifyAccess=none", F(notify_access), NOTIFY_MAIN },
        { "Type=notify\nNotifyAccess=exec", F(notify_access), NOTIFY_EXEC },
        { "FileDescriptorStoreMax=3", F(notify_access), NOTIFY_MAIN },
        { "FileDescriptorStoreMax=3", F(stored_fds_max), 3 },
        { "OOMPolicy=kill", F(oom_policy), OOM_KILL },
        { "StartLimitInterval=5", F(start_limit_usec), 5 * SECOND },
        { "StartLimitBurst=9", F(start_limit_burst), 9 },
        { "[Unit]\nStartLimitIntervalSec=5", F(start_limit_usec), 5 * SECOND },
        { "[Unit]\nStartLimitBurst=0", F(start_limit_burst), 0 },
        { "[Unit]\nFailureAction=none\nStartLimitAction=none\nSuccessAction=none", F(type), SERVICE_SIMPLE },
        /* What is not said. */
        { "", F(type), SERVICE_SIMPLE },
        { "", F(kill_signal), SIGTERM },
        { "", F(final_kill_signal), SIGKILL },
        { "", F(watchdog_signal), SIGABRT },
        { "", F(reload_signal), SIGHUP },
        { "", F(restart_kill_signal), 0 },
        { "", F(timeout_start_usec), 90 * SECOND },
        { "", F(timeout_stop_usec), 90 * SECOND },
        { "", F(timeout_abort_usec), 90 * SECOND },
        { "", F(runtime_max_usec), SERVICE_NEVER },
        { "", F(watchdog_usec), SERVICE_NEVER },
        { "", F(restart_usec), SECOND / 10 },
        { "", F(start_limit_usec), 10 * SECOND },
        { "", F(start_limit_burst), 5 },
        { "", F(notify_access), NOTIFY_NONE },
        { "", F(kill_mode), KILL_MODE_CONTROL_GROUP },
        { "", F(oom_policy), OOM_STOP },
};

static void test_fields(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(fields); i++) {
                CLEAN_SERVICE struct service s = { 0 };
                struct error e = { 0 };
                CLEAN_FREE char *text = xprintf("[Service]\nExecStart=/a\n%s\n", fields[i].line);
                if (read_text(text, false, &s, &e) < 0)
                        fail_msg("%s: %s", fields[i].line, e.cause);
                uint64_t value = 0;
                memcpy(&value, (char *)&s + fields[i].offset, fields[i].size);
                if (value != fields[i].expected)
                        fail_msg("%s: %llu", fields[i].line, (unsigned long long)value);
        }
}

/* ---- what is refused ---- */

static const struct {
        const char *text, *id;
} bad[] = {
        { "ExecStart=/a\nType=perhaps", "service.value" },
        { "ExecStart=/a\nRestart=perhaps", "service.value" },
        { "ExecStart=/a\nRestartSec=-1", "service.value" },
        { "ExecStart=/a\nTimeoutStartSec=soon", "service.value" },
        { "ExecStart=/a\nTimeoutSec=1 x", "service.value" },
        { "ExecStart=/a\nTimeoutAbortSec=x", "service.value" },
        { "ExecStart=/a\nKillSignal=SIGNONE", "service.value" },
        { "ExecStart=/a\nKillSignal=99", "service.value" },
        { "ExecStart=/a\nSendSIGKILL=2", "service.value" },
        { "ExecStart=/a\nSendSIGHUP=x", "service.value" },
        { "ExecStart=/a\nSuccessExitStatus=256", "service.value" },
        { "ExecStart=/a\nSuccessExitStatus=SIGNONE", "service.value" },
        { "ExecStart=/a\nRestartSteps=-2", "service.value" },
        { "ExecStart=/a\nFileDescriptorStoreMax=99999999999", "service.value" },
        { "ExecStart=/a\nPIDFile=../../../x", NULL },
        { "ExecStart=", "service.invalid" },
        { "Type=dbus\nExecStart=/a", "service.invalid" },
        { "BusName=web\nExecStart=/a", "service.value" },
        { "BusName=org..web\nExecStart=/a", "service.value" },
        { "BusName=.web\nExecStart=/a", "service.value" },
        { "BusName=org.web.\nExecStart=/a", "service.value" },
        { "BusName=org.1web\nExecStart=/a", "service.value" },
        { "BusName=:1.5\nExecStart=/a", "service.value" },
        { "BusName=org.we'b\nExecStart=/a", "service.value" },
        { "ExecStart=\"/a", "unit.exec" },
        { "ExecStart=/a\nNotifyAccess=some", "service.value" },
        { "", "service.invalid" },
        { "RemainAfterExit=yes", "service.invalid" },
        { "ExecStop=/s", "service.invalid" },
        { "ExecStart=/a\nExecStart=/b", "service.invalid" },
        { "Type=oneshot\nExecStart=/a\nRestart=always", "service.invalid" },
        { "Type=oneshot\nExecStart=/a\nRestart=on-success", "service.invalid" },
        { "ExecStart=/a\nRestartSec=5\nRestartMaxDelaySec=4", "service.invalid" },
        { "ExecStart=/a\nUSBFunctionStrings=/x", "service.unsupported" },
        { "ExecStart=/a\nNoSuchThing=1", "directive.unknown" },
        { "ExecStart=/a\n[Unit]\nFailureAction=reboot", "service.unsupported" },
};

static void test_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_SERVICE struct service s = { 0 };
                struct error e = { 0 };
                CLEAN_FREE char *text = xprintf("[Service]\n%s\n", bad[i].text);
                int r = read_text(text, false, &s, &e);
                if (!bad[i].id)
                        continue;
                if (r == 0 || !text_equal(e.id, bad[i].id))
                        fail_msg("%s: %d, %s: %s", bad[i].text, r, e.id, e.cause);
        }
}

/* A lenient start passes over single lines, and says so; never what does not fit together. */
static void test_lenient(void **state)
{
        (void)state;
        CLEAN_SERVICE struct service s = { 0 };
        struct error e = { 0 };
        assert_int_equal(read_text("[Service]\nExecStart=/a\nRestart=perhaps\nUSBFunctionStrings=/x\nNoSuchThing=1\nX-Mine=1\n", true, &s, &e), 0);
        assert_int_equal(s.notes.count, 3);
        assert_int_equal(s.restart, RESTART_NO);
        assert_non_null(strstr(s.notes.items[0], "perhaps"));
        CLEAN_SERVICE struct service none = { 0 };
        assert_true(read_text("[Service]\nExecStart=/a\nExecStart=/b\n", true, &none, &e) < 0);
}

/* ---- what is more than a number ---- */

static void test_commands(void **state)
{
        (void)state;
        CLEAN_SERVICE struct service s = { 0 };
        struct error e = { 0 };
        assert_int_equal(read_text("[Service]\nType=oneshot\nExecStart=/a ; /b\nExecStart=\nExecStart=-/c %n\nExecStartPre=+/p\nExecStop=/s\nExecStop=/t\n", false, &s, &e), 0);
        assert_int_equal(s.lines[SERVICE_START].count, 1);
        assert_string_equal(s.lines[SERVICE_START].items[0].argv.items[1], "u.service");
        assert_int_equal(s.lines[SERVICE_START].items[0].flags, EXEC_IGNORE_FAILURE);
        assert_int_equal(s.lines[SERVICE_START_PRE].items[0].flags, EXEC_PRIVILEGED);
        assert_int_equal(s.lines[SERVICE_STOP].count, 2);
        assert_int_equal(s.lines[SERVICE_RELOAD].count, 0);
        for (unsigned i = 0; i < SERVICE_LISTS; i++)
                assert_true(text_starts(service_list_name(i), "Exec"));
}

static void test_texts(void **state)
{
        (void)state;
        CLEAN_SERVICE struct service s = { 0 };
        struct error e = { 0 };
        assert_int_equal(read_text("[Unit]\nDescription=of %n\n[Service]\nExecStart=/a\nPIDFile=x//y.pid\nSockets=a.socket b.socket\nSockets=c.socket\n", false, &s, &e), 0);
        assert_string_equal(s.description, "of u.service");
        assert_string_equal(s.pid_file, "/run/x/y.pid");
        assert_int_equal(s.sockets.count, 3);
        CLEAN_SERVICE struct service t = { 0 };
        assert_int_equal(read_text("[Service]\nExecStart=/a\nPIDFile=/a/b\nPIDFile=\nSockets=a.socket\nSockets=\n", false, &t, &e), 0);
        assert_null(t.pid_file);
        assert_int_equal(t.sockets.count, 1); /* systemd.service(5): that it is cleared is not supported */
}

static void test_exit_sets(void **state)
{
        (void)state;
        CLEAN_SERVICE struct service s = { 0 };
        struct error e = { 0 };
        assert_int_equal(read_text("[Service]\nExecStart=/a\nSuccessExitStatus=0 63 64 255 TEMPFAIL SIGKILL\nRestartPreventExitStatus=1\nRestartPreventExitStatus=\n"
                                   "RestartForceExitStatus=1\nRestartForceExitStatus=2 USR1\n", false, &s, &e), 0);
        for (int i = -1; i < 300; i++)
                assert_int_equal(exit_set_has(&s.success, false, i), i == 0 || i == 63 || i == 64 || i == 255 || i == 75);
        for (int i = -1; i < 70; i++)
                assert_int_equal(exit_set_has(&s.success, true, i), i == SIGKILL);
        assert_true(exit_set_is_empty(&s.prevent_restart));
        assert_true(exit_set_has(&s.force_restart, false, 1) && exit_set_has(&s.force_restart, false, 2) && exit_set_has(&s.force_restart, true, SIGUSR1));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields), cmocka_unit_test(test_refused), cmocka_unit_test(test_lenient), cmocka_unit_test(test_commands),
                cmocka_unit_test(test_texts), cmocka_unit_test(test_exit_sets),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
