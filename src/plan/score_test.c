/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "plan/score.h"

/* The lines stand in [Service], unless they begin with a section. */
static int score_named(const char *name, const char *lines, bool lenient, struct score *ret, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_FREE char *text = xprintf("%s%s\n", *lines == '[' ? "" : "[Service]\n", lines);
        *e = (struct error){ 0 };
        assert_int_equal(unit_file_parse(&u, "f", text, strlen(text), NULL, false, e), 0);
        return score_unit(&u, name, lenient, ret, e);
}

static const struct score_row *row_of(const struct score *s, const char *check)
{
        for (size_t i = 0; i < s->count; i++)
                if (text_equal(s->rows[i].check, check))
                        return &s->rows[i];
        fail_msg("no check %s", check);
        return NULL;
}

static const struct {
        const char *lines;
        unsigned exposure;
        const char *rating;
} numbers[] = {
        { "", 96, "UNSAFE" },
        { "[Unit]\nDefaultDependencies=no", 95, "UNSAFE" },
        { "KeyringMode=shared\nNotifyAccess=all", 99, "UNSAFE" },
        { "KeyringMode=shared\nNotifyAccess=all\nAmbientCapabilities=CAP_KILL\nDelegate=yes\nUMask=0", 100, "DANGEROUS" },
        { "User=daemon", 92, "UNSAFE" },
        { "DynamicUser=yes", 84, "EXPOSED" },
        { "DynamicUser=yes\nUser=root", 88, "EXPOSED" },
        { "CapabilityBoundingSet=", 71, "MEDIUM" },
        { "SystemCallFilter=@system-service", 82, "EXPOSED" },
        { "PrivateDevices=yes", 90, "UNSAFE" },
        { "ProtectClock=yes\nPrivateDevices=yes", 87, "EXPOSED" },
        { "RestrictAddressFamilies=none", 89, "EXPOSED" },
};

static void test_numbers(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                CLEAN_SCORE struct score s = { 0 };
                struct error e;
                assert_int_equal(score_named("a.service", numbers[i].lines, false, &s, &e), 0);
                if (s.exposure != numbers[i].exposure || !text_equal(s.rating, numbers[i].rating))
                        fail_msg("%s: %u %s, not %u %s", numbers[i].lines, s.exposure, s.rating, numbers[i].exposure, numbers[i].rating);
        }
}

/* Everything shut but one. */
static void test_a_perfect_service(void **state)
{
        static const char lines[] =
                "DynamicUser=yes\nPrivateNetwork=yes\nPrivateDevices=yes\nPrivateMounts=yes\nPrivateUsers=yes\nProtectControlGroups=yes\n"
                "ProtectKernelModules=yes\nProtectKernelTunables=yes\nProtectKernelLogs=yes\nProtectHome=yes\nProtectHostname=yes\n"
                "LockPersonality=yes\nMemoryDenyWriteExecute=yes\nCapabilityBoundingSet=\nRootDirectory=/srv/a\nUMask=0077\n"
                "ProtectProc=invisible\nProcSubset=pid\nRestrictRealtime=yes\nRestrictNamespaces=yes\nRestrictAddressFamilies=none\n"
                "SystemCallArchitectures=native\nSystemCallFilter=@default\nIPAddressDeny=any\nProtectClock=yes\n";
        CLEAN_SCORE struct score s = { 0 };
        struct error e;
        (void)state;
        assert_int_equal(score_named("a.service", lines, false, &s, &e), 0);
        /* The clock that ProtectClock= leaves readable is an entry of DeviceAllow=. */
        for (size_t i = 0; i < s.count; i++)
                assert_int_equal(s.rows[i].badness, text_equal(s.rows[i].check, "DeviceAllow") ? 5 : 0);
        assert_int_equal(s.exposure, 1);
        assert_string_equal(s.rating, "SAFE");
}

/* How one check ends: its badness, or -1 where it does not apply. */
static const struct {
        const char *lines, *check;
        int badness;
} cases[] = {
        /* Booleans: the last counts, an unknown word is for the lenient. */
        { "PrivateTmp=no\nPrivateTmp=YES", "PrivateTmp", 0 },
        { "PrivateTmp=yes\nPrivateTmp=off", "PrivateTmp", 1 },
        { "PrivateTmp=yes\nPrivateTmp=", "PrivateTmp", 0 },
        { "[Unit]\nPrivateTmp=yes", "PrivateTmp", 1 },
        { "[Unit]\nDefaultDependencies=no\n[Service]\nPrivateTmp=yes", "PrivateTmp", -1 },
        { "[Unit]\nDefaultDependencies=no", "RootDirectoryOrRootImage", -1 },
        /* Words. */
        { "ProtectSystem=full", "ProtectSystem", 3 },
        { "ProtectSystem=yes", "ProtectSystem", 5 },
        { "ProtectSystem=strict\nProtectSystem=no", "ProtectSystem", 10 },
        { "ProtectHome=tmpfs", "ProtectHome", 1 },
        { "ProtectHome=Tmpfs", "ProtectHome", 10 },
        { "ProtectProc=noaccess", "ProtectProc", 1 },
        { "NotifyAccess=exec", "NotifyAccess", 0 },
        { "Delegate=", "Delegate", 1 },
        { "Delegate=cpu\nDelegate=no", "Delegate", 0 },
        { "UMask=0027", "UMask", 1 },
        { "UMask=0007", "UMask", 2 },
        { "UMask=0022", "UMask", 5 },
        { "UMask=0", "UMask", 10 },
        /* Users. */
        { "User=nobody", "UserOrDynamicUser", 9 },
        { "User=daemon\nUser=", "UserOrDynamicUser", 10 },
        { "User=%u", "UserOrDynamicUser", 10 },
        { "SupplementaryGroups=adm", "SupplementaryGroups", -1 },
        { "User=daemon\nSupplementaryGroups=adm", "SupplementaryGroups", 1 },
        { "User=daemon\nSupplementaryGroups=adm\nSupplementaryGroups=", "SupplementaryGroups", 0 },
        { "RemoveIPC=yes", "RemoveIPC", -1 },
        { "DynamicUser=yes\nRemoveIPC=no", "RemoveIPC", 0 },
        { "DynamicUser=yes\nProtectSystem=no", "ProtectSystem", 0 },
        { "DynamicUser=yes\nProtectHome=no", "ProtectHome", 5 },
        { "DynamicUser=yes\nProtectHome=tmpfs", "ProtectHome", 1 },
        { "DynamicUser=yes\nDynamicUser=no", "NoNewPrivileges", 1 },
        /* Capabilities: lists merge. */
        { "CapabilityBoundingSet=~CAP_KILL", "CapabilityBoundingSet_CAP_KILL", 0 },
        { "CapabilityBoundingSet=~CAP_KILL", "CapabilityBoundingSet_CAP_SYS_ADMIN", 1 },
        { "CapabilityBoundingSet=~CAP_KILL\nCapabilityBoundingSet=CAP_KILL", "CapabilityBoundingSet_CAP_KILL", 1 },
        { "CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=CAP_MKNOD", "CapabilityBoundingSet_CAP_KILL", 1 },
        { "CapabilityBoundingSet=CAP_KILL CAP_CHOWN\nCapabilityBoundingSet=~cap_kill", "CapabilityBoundingSet_CAP_KILL", 0 },
        { "CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=~", "CapabilityBoundingSet_CAP_SYS_ADMIN", 1 },
        { "CapabilityBoundingSet=~CAP_KILL\nCapabilityBoundingSet=", "CapabilityBoundingSet_CAP_SYS_ADMIN", 0 },
        { "CapabilityBoundingSet=CAP_SYS_MODULE\nProtectKernelModules=yes", "CapabilityBoundingSet_CAP_SYS_MODULE", 0 },
        { "AmbientCapabilities=CAP_KILL\nAmbientCapabilities=", "AmbientCapabilities", 0 },
        { "AmbientCapabilities=~CAP_KILL", "AmbientCapabilities", 1 },
        /* Namespaces. */
        { "RestrictNamespaces=yes", "RestrictNamespaces_user", 0 },
        { "RestrictNamespaces=~user", "RestrictNamespaces_net", 1 },
        { "RestrictNamespaces=~user", "RestrictNamespaces_user", 0 },
        { "RestrictNamespaces=user", "RestrictNamespaces_net", 0 },
        { "RestrictNamespaces=yes\nRestrictNamespaces=user", "RestrictNamespaces_user", 1 },
        { "RestrictNamespaces=yes\nRestrictNamespaces=", "RestrictNamespaces_net", 1 },
        { "RestrictNamespaces=net user foo", "RestrictNamespaces_pid", 1 },
        /* Address families. */
        { "RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies_AF_UNIX", 1 },
        { "RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies_OTHER", 0 },
        { "RestrictAddressFamilies=AF_UNIX AF_CAN", "RestrictAddressFamilies_OTHER", 1 },
        { "RestrictAddressFamilies=~AF_CAN", "RestrictAddressFamilies_OTHER", 0 },
        { "RestrictAddressFamilies=~AF_INET6", "RestrictAddressFamilies_AF_INET_INET6", 0 },
        { "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=~AF_UNIX", "RestrictAddressFamilies_AF_UNIX", 0 },
        { "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=none", "RestrictAddressFamilies_AF_UNIX", 0 },
        { "RestrictAddressFamilies=none\nRestrictAddressFamilies=", "RestrictAddressFamilies_AF_UNIX", 1 },
        /* System calls. */
        { "SystemCallFilter=~@clock", "SystemCallFilter_clock", 0 },
        { "SystemCallFilter=~@clock", "SystemCallFilter_swap", 10 },
        { "SystemCallFilter=@clock", "SystemCallFilter_clock", 9 },
        { "SystemCallFilter=@clock", "SystemCallFilter_swap", 0 },
        { "SystemCallFilter=@clock\nSystemCallFilter=~@clock:EPERM", "SystemCallFilter_clock", 0 },
        { "SystemCallFilter=~@clock\nSystemCallFilter=clock_settime", "SystemCallFilter_clock", 10 },
        { "SystemCallFilter=~@clock\nSystemCallFilter=", "SystemCallFilter_clock", 10 },
        { "SystemCallFilter=~@clock:ENOSYS @mount", "SystemCallFilter_mount", 0 },
        { "SystemCallFilter=foo", "SystemCallFilter_clock", 0 },
        { "SystemCallFilter=~\"@clock\"", "SystemCallFilter_clock", 10 },
        { "SystemCallFilter=~@clo\\ck", "SystemCallFilter_clock", 0 },
        { "RestrictNamespaces=~us\\er", "RestrictNamespaces_user", 0 },
        { "RestrictNamespaces=~\"user\"", "RestrictNamespaces_user", 1 },
        { "SystemCallArchitectures=native", "SystemCallArchitectures", 0 },
        { "SystemCallArchitectures=native x86", "SystemCallArchitectures", 8 },
        { "SystemCallArchitectures=native\nSystemCallArchitectures=", "SystemCallArchitectures", 10 },
        /* Devices. */
        { "DeviceAllow=/dev/null", "DeviceAllow", 10 },
        { "DevicePolicy=strict", "DeviceAllow", 0 },
        { "DevicePolicy=closed\nDeviceAllow=char-pts rw", "DeviceAllow", 5 },
        { "DevicePolicy=closed\nDeviceAllow=/dev/a\nDeviceAllow=", "DeviceAllow", 0 },
        { "PrivateDevices=yes\nDevicePolicy=auto", "DeviceAllow", 0 },
        { "PrivateDevices=yes\nLoadCredentialEncrypted=a:/b", "DeviceAllow", 5 },
        { "PrivateDevices=yes\nLoadCredentialEncrypted=a:/b\nLoadCredential=a:/b", "DeviceAllow", 0 },
        { "PrivateDevices=yes\nSetCredentialEncrypted=a: Y Q ==", "DeviceAllow", 5 },
        { "PrivateDevices=yes\nSetCredentialEncrypted=a:yq==", "DeviceAllow", 0 },
        { "DevicePolicy=closed\nRootImage=/", "DeviceAllow", 5 },
        { "DevicePolicy=closed\nMountImages=/a:/b", "DeviceAllow", 5 },
        { "RootImage=/", "RootDirectoryOrRootImage", 1 },
        { "RootDirectory=/%i", "RootDirectoryOrRootImage", 1 },
        { "RootDirectory=/%p", "RootDirectoryOrRootImage", 0 },
        /* Addresses. */
        { "IPAddressDeny=any", "IPAddressDeny", 0 },
        { "IPAddressDeny=0.0.0.0/0", "IPAddressDeny", 10 },
        { "IPAddressDeny=0.0.0.0/0\nIPAddressDeny=::/0", "IPAddressDeny", 0 },
        { "IPAddressDeny=any\nIPAddressAllow=127.0.0.1 localhost", "IPAddressDeny", 2 },
        { "IPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.0/8", "IPAddressDeny", 5 },
        { "IPAddressDeny=any\nIPAddressAllow=127.0.0.0/7", "IPAddressDeny", 5 },
        { "IPAddressDeny=any\nIPAddressAllow=10.0.0.1\nIPAddressAllow=", "IPAddressDeny", 0 },
        { "IPIngressFilterPath=/sys/fs/bpf/a", "IPAddressDeny", 0 },
};

static void test_how_lines_add_up(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                CLEAN_SCORE struct score s = { 0 };
                struct error e;
                assert_int_equal(score_named("a.service", cases[i].lines, true, &s, &e), 0);
                const struct score_row *r = row_of(&s, cases[i].check);
                int badness = r->applies ? (int)r->badness : -1;
                if (badness != cases[i].badness)
                        fail_msg("%s: %s is %d, not %d", cases[i].lines, cases[i].check, badness, cases[i].badness);
        }
}

static const struct {
        const char *lines, *cause;
        bool always; /* an error for the lenient as well */
} refused[] = {
        { "PrivateTmp=maybe", "PrivateTmp= has \"maybe\", which is neither yes nor no", false },
        { "DynamicUser=", "DynamicUser= has \"\", which is neither yes nor no", true },
        { "ProtectSystem=STRICT", "ProtectSystem= has \"STRICT\", which is no word of it", false },
        { "UMask=9", "UMask= has \"9\", which is no file mode", false },
        { "CapabilityBoundingSet=CAP_KILL CAP_FOO", "CapabilityBoundingSet= has \"CAP_FOO\", which is no capability", false },
        { "RestrictNamespaces=foo", "RestrictNamespaces= has \"foo\", which is no kind of namespace", false },
        { "RestrictAddressFamilies=AF_UNIX \"AF_INET", "RestrictAddressFamilies= has \"AF_UNIX \"AF_INET\", where a quote is not closed or a backslash is the last", false },
        { "RestrictAddressFamilies=unix", "RestrictAddressFamilies= has \"unix\", which is no address family", false },
        { "SystemCallArchitectures=i386", "SystemCallArchitectures= has \"i386\", which is no architecture", false },
        { "SystemCallFilter=@foo", "there is no system call or group \"@foo\"", false },
        { "SystemCallFilter=read:EPERM", "SystemCallFilter= has \"read:EPERM\", where what is allowed has an error", false },
        { "SystemCallFilter=~read:EFOO", "SystemCallFilter= has \"read:EFOO\", where the error cannot be used", false },
        { "DeviceAllow=/tmp", "DeviceAllow= has \"/tmp\", which is no device", false },
        { "DeviceAllow=/dev/null x", "DeviceAllow= has \"/dev/null x\", where rights other than r, w and m stand", false },
        { "IPAddressDeny=1.2.3.4/33", "IPAddressDeny= has \"1.2.3.4/33\", which is no range of addresses", false },
        { "IPAddressAllow=127.1", "IPAddressAllow= has \"127.1\", which is no range of addresses", false },
        { "IPEgressFilterPath=a", "IPEgressFilterPath= has \"a\", which is no absolute path", false },
        { "Delegate=foo", "Delegate= has \"foo\", which is no controller", false },
        { "MountImages=/a", "MountImages= has \"/a\", which does not name an image and a folder", false },
        { "LoadCredential=a/:b", "LoadCredential= has \"a/:b\", which is no name of a credential", false },
        { "SetCredentialEncrypted=a:Y", "SetCredentialEncrypted= has \"a:Y\", where the data is no Base64", false },
        { "User=-", "User= has \"-\", which is no user", true },
        { "User=65535", "User= has \"65535\", which is no user", true },
        { "User=%i", "User= has \"%i\", which is no user", true },
        { "SupplementaryGroups=a:b", "SupplementaryGroups= has \"a:b\", which is no group", true },
        { "RootDirectory=a", "RootDirectory= has \"a\", which is no absolute path", true },
        { "RootImage=/a/../b", "RootImage= has \"/a/../b\", which is no absolute path", true },
};

static void test_what_is_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                CLEAN_SCORE struct score s = { 0 };
                struct error e;
                assert_int_equal(score_named("a.service", refused[i].lines, false, &s, &e), -EINVAL);
                assert_string_equal(e.cause, refused[i].cause);
                assert_string_equal(e.whiles[0], "reading f:2");
                assert_int_equal(score_named("a.service", refused[i].lines, true, &s, &e), refused[i].always ? -EINVAL : 0);
                assert_int_equal(s.notes.count, refused[i].always ? 0 : 1);
        }
        CLEAN_SCORE struct score s = { 0 };
        struct error e;
        static const char *const kinds[] = { "a.socket", "a", ".service", "@.service", "a/b.service" };
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                assert_int_equal(score_named(kinds[i], "", true, &s, &e), -EINVAL);
                assert_string_equal(e.id, "score.kind");
        }
}

/* The user of a dynamic unit without User= is called as the unit. */
static void test_names(void **state)
{
        static const struct {
                const char *name, *lines, *unit;
                int user;
        } names[] = {
                { "root.service", "DynamicUser=yes", "root.service", 10 },    { "nobody@x.service", "DynamicUser=yes", "nobody@x.service", 9 },
                { "0.service", "DynamicUser=yes", "0.service", 0 },           { "root.x.service", "DynamicUser=yes", "root.x.service", 0 },
                { "a@.service", "User=%i", "a@i.service", 0 },                { "a@root.service", "User=%i", "a@root.service", 10 },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                CLEAN_SCORE struct score s = { 0 };
                struct error e;
                assert_int_equal(score_named(names[i].name, names[i].lines, false, &s, &e), 0);
                assert_string_equal(s.unit, names[i].unit);
                assert_int_equal(row_of(&s, "UserOrDynamicUser")->badness, names[i].user);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),         cmocka_unit_test(test_a_perfect_service), cmocka_unit_test(test_how_lines_add_up),
                cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
