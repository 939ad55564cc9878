/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/directive.h"
#include "plan/explain.h"

static const struct facts facts = { .unit = "a.service", .boot_id = "b", .machine_id = "m", .hostname = "h", .user_name = "root", .home = "/root", .shell = "/bin/sh",
                                    .runtime_folder = "/run", .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log",
                                    .configuration_folder = "/etc", .capabilities = 1, .memory_bytes = 1 << 30, .pids_max = 1000 };

static int compile(struct plan *p, bool lenient, struct error *e, const char *const *lines)
{
        CLEAN_SETTINGS struct settings s = { .lenient = lenient };
        *e = (struct error){ 0 };
        for (; *lines; lines++) {
                int r = settings_assign(&s, &facts, *lines, e);
                if (r < 0)
                        return r;
        }
        return settings_compile(&s, &facts, p, e);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define PLAN(...)                                                                                            \
        CLEAN_PLAN struct plan p = { 0 };                                                                    \
        struct error e;                                                                                      \
        assert_int_equal(compile(&p, false, &e, LINES(__VA_ARGS__)), 0)

/* "+10.0.0.0/8 -::/0; +tcp 80; devices" */
static void assert_network(const struct plan *p, const char *expected)
{
        const struct plan_network *n = &p->network;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < n->addresses.count; i++) {
                CLEAN_FREE char *words = plan_prefix_words(&n->addresses.items[i]);
                text_addf(&t, "%s%c%s", t.length ? " " : "", n->addresses.items[i].allow ? '+' : '-', words);
        }
        for (size_t i = 0; i < n->binds.count; i++) {
                CLEAN_FREE char *words = plan_bind_words(&n->binds.items[i]);
                text_addf(&t, "%s%c%s", t.length ? "; " : "", n->binds.items[i].allow ? '+' : '-', words);
        }
        if (n->interfaces_origin)
                text_addf(&t, "%s%s", t.length ? "; " : "", n->interfaces_allowed ? "only" : "not");
        for (size_t i = 0; i < n->interfaces.count; i++)
                text_addf(&t, " %s", n->interfaces.items[i]);
        assert_string_equal(t.data, expected);
}

static void words_for_addresses(void **state)
{
        (void)state;
        PLAN("IPAddressAllow=localhost link-local", "IPAddressDeny=any multicast");
        assert_network(&p, "+127.0.0.0/8 +::1/128 +169.254.0.0/16 +fe80::/64 -0.0.0.0/0 -::/0 -224.0.0.0/4 -ff00::/8");
        assert_true(plan_network_is_restricted(&p.network));
        assert_string_equal(p.network.deny_origin, "IPAddressDeny=any multicast");
}

static void prefixes(void **state)
{
        (void)state;
        PLAN("IPAddressDeny=10.1.2.3/8 10.1.2.3", "IPAddressDeny=2001:db8:ffff::1/33", "IPAddressDeny=fe80::1", "IPAddressDeny=1.2.3.4/31");
        assert_network(&p, "-10.0.0.0/8 -10.1.2.3/32 -2001:db8:8000::/33 -fe80::1/128 -1.2.3.4/31");
}

/* Its packets are those of v4. */
static void mapped_addresses_are_of_v4(void **state)
{
        (void)state;
        PLAN("IPAddressDeny=::ffff:192.0.2.1 ::ffff:0:0/96 ::ffff:10.1.2.3/104 ::ffff:0:0/95");
        assert_network(&p, "-192.0.2.1/32 -0.0.0.0/0 -10.0.0.0/8 -::fffe:0:0/95");
}

static void an_empty_assignment_resets_its_list_alone(void **state)
{
        (void)state;
        PLAN("IPAddressDeny=any", "IPAddressAllow=10.0.0.0/8", "IPAddressDeny=", "SocketBindDeny=any", "SocketBindAllow=80", "SocketBindDeny=",
             "RestrictNetworkInterfaces=lo", "RestrictNetworkInterfaces=");
        assert_network(&p, "+10.0.0.0/8; +80");
        assert_false(plan_network_is_restricted(&p.network));
}

static void ports(void **state)
{
        (void)state;
        PLAN("SocketBindAllow=ipv4:tcp:80-90", "SocketBindAllow=ipv6", "SocketBindAllow=udp", "SocketBindAllow=ipv6:udp", "SocketBindAllow=65535",
             "SocketBindAllow=tcp:1-65535", "SocketBindDeny=any", "SocketBindDeny=ipv6:1 ");
        assert_network(&p, "+ipv4 tcp 80-90; +ipv6 any port; +udp any port; +ipv6 udp any port; +65535; +tcp 1-65535; -any port; -ipv6 1");
}

static void devices(void **state)
{
        (void)state;
        {
                PLAN("RestrictNetworkInterfaces=eth0 lo", "RestrictNetworkInterfaces=wlan0 lo", "RestrictNetworkInterfaces=~eth0");
                assert_network(&p, "only wlan0 lo");
        }
        {
                PLAN("RestrictNetworkInterfaces=~eth0 lo", "RestrictNetworkInterfaces=lo", "RestrictNetworkInterfaces=~ wlan0");
                assert_network(&p, "not eth0 wlan0");
        }
        {
                PLAN("RestrictNetworkInterfaces=eth0", "RestrictNetworkInterfaces=~eth0");
                assert_network(&p, "only");
                assert_true(plan_network_is_restricted(&p.network));
        }
        {
                PLAN("RestrictNetworkInterfaces=~eth0", "RestrictNetworkInterfaces=eth0");
                assert_network(&p, "");
                assert_false(plan_network_is_restricted(&p.network));
        }
        PLAN("RestrictNetworkInterfaces=~eth0", "RestrictNetworkInterfaces=", "RestrictNetworkInterfaces=lo", "BindNetworkInterface=vrf-1");
        assert_network(&p, "only lo");
        assert_string_equal(p.network.bound_interface, "vrf-1");
}

static void assert_file_systems(const struct plan *p, bool allowed, const char *expected)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < p->file_systems.names.count; i++)
                text_addf(&t, "%s%s", i ? " " : "", p->file_systems.names.items[i]);
        assert_non_null(p->file_systems.origin);
        assert_int_equal(p->file_systems.allowed, allowed);
        assert_string_equal(t.data, expected);
}

static void file_systems(void **state)
{
        (void)state;
        {
                PLAN("RestrictFileSystems=ext4 @temporary", "RestrictFileSystems=~ramfs @network", "RestrictFileSystems=proc");
                assert_file_systems(&p, true, "ext4 tmpfs proc");
        }
        {
                PLAN("RestrictFileSystems=~@historical-block tmpfs", "RestrictFileSystems=minix");
                assert_file_systems(&p, false, "ext2 ext3 tmpfs");
                assert_string_equal(p.file_systems.origin, "RestrictFileSystems=~@historical-block tmpfs");
        }
        {
                PLAN("RestrictFileSystems=~tmpfs", "RestrictFileSystems=tmpfs");
                assert_null(p.file_systems.origin);
        }
        PLAN("RestrictFileSystems=@known", "RestrictFileSystems=~@known");
        assert_file_systems(&p, true, "");
}

static void groups_have_file_systems_that_are_known(void **state)
{
        static const char *const groups[] = { "@anonymous", "@application", "@auxiliary-api", "@basic-api", "@common-block", "@historical-block", "@known", "@network",
                                              "@privileged-api", "@security", "@temporary" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(groups); i++) {
                CLEAN_STRINGS struct strings members = { 0 };
                assert_true(file_system_group(groups[i], &members));
                assert_true(members.count > 0);
                for (size_t k = 0; k < members.count; k++) {
                        const struct file_system *f = file_system_find(members.items[k]);
                        assert_true(f && f->magics[0]);
                }
        }
}

static void bad_values(void **state)
{
        static const char *const lines[] = {
                "IPAddressDeny=all", "IPAddressDeny=10.0.0.0/33", "IPAddressDeny=10.0.0/8", "IPAddressDeny=10.0.0.0/", "IPAddressDeny=10.0.0.0/-1", "IPAddressDeny=::/129",
                "IPAddressDeny=10.0.0.256", "IPAddressDeny=fe80::1%%lo", "IPAddressDeny=~10.0.0.0/8", "IPAddressDeny=10.0.0.0/255.0.0.0", "IPAddressDeny=\"any",
                "IPAddressAllow=any,localhost", "IPAddressAllow=example.org", "IPAddressAllow=any/8", "IPAddressDeny=0x0a000001", "IPAddressDeny=:::",
                "IPAccounting=maybe", "SocketBindDeny=0", "SocketBindDeny=65536", "SocketBindDeny=80-79", "SocketBindDeny=80-", "SocketBindDeny=-80", "SocketBindDeny=sctp:80",
                "SocketBindDeny=tcp:ipv4:80", "SocketBindDeny=ipv4:any", "SocketBindDeny=any:80", "SocketBindDeny=ipv4:", "SocketBindDeny=tcp:", "SocketBindDeny=:80",
                "SocketBindDeny=ipv4:tcp:80:90", "SocketBindDeny=80 90", "SocketBindDeny=tcp:80,90", "SocketBindDeny=ipv4:udp:", "SocketBindDeny=1-2-3", "SocketBindDeny=+80",
                "RestrictNetworkInterfaces=a/b", "RestrictNetworkInterfaces=.", "RestrictNetworkInterfaces=..", "RestrictNetworkInterfaces=a:b", "RestrictNetworkInterfaces=12",
                "RestrictNetworkInterfaces=sixteen-letters-", "RestrictNetworkInterfaces=~~lo", "RestrictNetworkInterfaces=lo \"\"", "RestrictNetworkInterfaces=\"a b\"",
                "BindNetworkInterface=a b", "BindNetworkInterface=a/b", "RestrictFileSystems=ext5", "RestrictFileSystems=@", "RestrictFileSystems=@ext4",
                "RestrictFileSystems=~~ext4", "RestrictFileSystems=EXT4", "RestrictFileSystems=ext4,xfs",
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                CLEAN_PLAN struct plan p = { 0 };
                struct error e;
                if (compile(&p, false, &e, LINES(lines[i])) >= 0)
                        fail_msg("%s was accepted", lines[i]);
                assert_string_equal(e.id, "directive.value");
        }
}

static void leniently_what_is_valid_counts(void **state)
{
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        (void)state;
        assert_int_equal(compile(&p, true, &e, LINES("IPAddressDeny=10.0.0.0/8 nonsense 1.1.1.1", "SocketBindDeny=x", "RestrictNetworkInterfaces=a/b lo")), 0);
        assert_network(&p, "-10.0.0.0/8 -1.1.1.1/32; only lo");
        assert_int_equal(p.notes.count, 3);
}

static void limits(void **state)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        struct error e;
        (void)state;
        text_add(&t, "IPAddressDeny=");
        for (int i = 0; i <= CGROUP_PREFIXES_MAX; i++)
                text_add(&t, "1.2.3.4 ");
        assert_int_equal(compile(&p, false, &e, LINES(t.data)), -E2BIG);
        assert_string_equal(e.id, "directive.limit");
}

static char *explained(const char *const *lines, bool json)
{
        const struct explain_host host = { .privileged = true, .landlock = true, .capabilities = 1 };
        CLEAN_PLAN struct plan p = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e;
        assert_int_equal(compile(&p, false, &e, lines), 0);
        strings_add(&p.argv, "id");
        (json ? explain_json : explain_text)(&p, &host, &t);
        return TAKE_PTR(t.data);
}

static void assert_has(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in: %s", part, text);
}

static void explain(void **state)
{
        const char *const *lines = LINES("IPAddressDeny=any", "IPAddressAllow=1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 5.5.5.5", "SocketBindDeny=ipv6:udp:53",
                                         "RestrictNetworkInterfaces=~lo", "BindNetworkInterface=vrf", "IPAccounting=yes", "RestrictFileSystems=~@temporary");
        CLEAN_FREE char *text = explained(lines, false), *json = explained(lines, true), *idle = explained(LINES("SocketBindAllow=80", "IPAddressAllow=any"), false);
        (void)state;
        assert_has(text, "packets to and from       1.1.1.1/32 2.2.2.2/32 3.3.3.3/32 4.4.4.4/32 and 1 more  IPAddressAllow=");
        assert_has(text, "no packets to and from    0.0.0.0/0 ::/0  ");
        assert_has(text, "may not bind              ipv6 udp 53  ");
        assert_has(text, "devices not used          lo  ");
        assert_has(text, "sockets go through        vrf  ");
        assert_has(text, "counted, with their bytes");
        assert_has(text, "these do not open         ramfs tmpfs  ");
        assert_has(json, "\"file_systems\":{\"allow\":false,\"names\":[\"ramfs\",\"tmpfs\"],\"origin\":\"RestrictFileSystems=~@temporary\"}");
        assert_has(idle, "80: no effect without SocketBindDeny=");
        assert_has(idle, "0.0.0.0/0 ::/0: no effect without IPAddressDeny=");
        assert_has(json, "{\"prefix\":\"0.0.0.0/0\",\"allow\":false,\"origin\":\"IPAddressDeny=any\"}");
        assert_has(json, "\"bind\":[{\"family\":\"ipv6\",\"protocol\":\"udp\",\"first\":53,\"last\":53,\"allow\":false,\"origin\":\"SocketBindDeny=ipv6:udp:53\"}]");
        assert_has(json, "\"interfaces\":{\"allow\":false,\"names\":[\"lo\"],\"origin\":\"RestrictNetworkInterfaces=~lo\"}");
        assert_has(json, "\"bound_interface\":{\"value\":\"vrf\",\"origin\":\"BindNetworkInterface=vrf\"}");
        assert_has(json, "\"accounting\":{\"value\":\"counted\",");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_for_addresses), cmocka_unit_test(prefixes), cmocka_unit_test(mapped_addresses_are_of_v4),
                cmocka_unit_test(an_empty_assignment_resets_its_list_alone), cmocka_unit_test(ports), cmocka_unit_test(devices), cmocka_unit_test(file_systems),
                cmocka_unit_test(groups_have_file_systems_that_are_known), cmocka_unit_test(bad_values),
                cmocka_unit_test(leniently_what_is_valid_counts), cmocka_unit_test(limits), cmocka_unit_test(explain),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
