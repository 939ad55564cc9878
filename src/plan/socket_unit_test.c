/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "plan/socket_address.h"
#include "plan/socket_unit.h"

static const struct facts facts = { .unit = "web.socket", .runtime_folder = "/run" };

static int read_text(const char *text, bool lenient, struct strings *notes, struct socket_unit *ret, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        CLEAN_FREE char *whole = xprintf("[Socket]\n%s\n", text);
        assert_int_equal(unit_file_parse(&f, "web.socket", whole, strlen(whole), NULL, false, NULL), 0);
        assert_int_equal(unit_name_parse("web.socket", &n, NULL), 0);
        return socket_unit_parse(&f, &n, &facts, lenient, notes, ret, e);
}

static const struct {
        const char *text;
        int type, family; /* family 0: not taken */
} addresses[] = {
        { "/run/x", SOCK_STREAM, AF_UNIX },    { "@x", SOCK_SEQPACKET, AF_UNIX },  { "80", SOCK_STREAM, AF_INET6 },       { "1.2.3.4:80", SOCK_DGRAM, AF_INET },
        { "[::1]:80", SOCK_STREAM, AF_INET6 }, { "[fe80::1]:80%lo", SOCK_STREAM, AF_INET6 }, { "vsock:2:1234", SOCK_STREAM, AF_VSOCK }, { "vsock::1", SOCK_STREAM, AF_VSOCK },
        { "", SOCK_STREAM, 0 },                { "x", SOCK_STREAM, 0 },            { "0", SOCK_STREAM, 0 },               { "65536", SOCK_STREAM, 0 },
        { "1.2.3.4", SOCK_STREAM, 0 },         { "1.2.3:80", SOCK_STREAM, 0 },     { "[::1]", SOCK_STREAM, 0 },           { "[::1]:", SOCK_STREAM, 0 },
        { "::1:80", SOCK_STREAM, 0 },          { "[1.2.3.4]:80", SOCK_STREAM, 0 }, { "[::1]:80%", SOCK_STREAM, 0 },       { "[::1]:80%toolonganinterfacename", SOCK_STREAM, 0 },
        { "@", SOCK_STREAM, 0 },               { "/run/../x", SOCK_STREAM, 0 },    { "/run/", SOCK_STREAM, 0 },           { "80", SOCK_SEQPACKET, 0 },
        { "vsock:x:1", SOCK_STREAM, 0 },       { "vsock:1", SOCK_STREAM, 0 },      { "+80", SOCK_STREAM, 0 },             { " 80", SOCK_STREAM, 0 },
        { "localhost:80", SOCK_STREAM, 0 },
};

static void test_addresses(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(addresses); i++) {
                struct listen_address a = { 0 };
                struct error e = { 0 };
                int k = socket_address_parse(addresses[i].text, addresses[i].type, &a, &e);
                assert_int_equal(k, addresses[i].family ? 0 : -EINVAL);
                if (k < 0)
                        assert_string_equal(e.id, "socket.address");
                else
                        assert_int_equal(a.address.any.sa_family, addresses[i].family);
                listen_address_done(&a);
        }
        char longest[200] = "/", abstract[200] = "@";
        struct listen_address a = { 0 };
        memset(longest + 1, 'a', 106);
        assert_int_equal(socket_address_parse(longest, SOCK_STREAM, &a, NULL), 0);
        assert_int_equal(a.length, sizeof(struct sockaddr_un));
        listen_address_done(&a);
        strcat(longest, "a");
        assert_int_equal(socket_address_parse(longest, SOCK_STREAM, &a, NULL), -EINVAL);
        strcat(abstract, "name");
        assert_int_equal(socket_address_parse(abstract, SOCK_STREAM, &a, NULL), 0);
        assert_true(a.address.un.sun_path[0] == 0 && a.length == offsetof(struct sockaddr_un, sun_path) + 5 && !a.path);
        listen_address_done(&a);
        assert_int_equal(socket_address_parse("[fe80::1]:80%lo", SOCK_STREAM, &a, NULL), 0);
        assert_string_equal(a.interface, "lo");
        assert_int_equal(ntohs(a.address.in6.sin6_port), 80);
        listen_address_done(&a);
}

static void test_values(void **state)
{
        (void)state;
        CLEAN_SOCKET_UNIT struct socket_unit s = { 0 }, accept = { 0 }, reset = { 0 };
        assert_int_equal(read_text("ListenStream=80\nListenFIFO=%t/f\nListenNetlink=kobject-uevent 1\nListenMessageQueue=/q\nSocketMode=0600\nBacklog=5\nIPTOS=low-delay\n"
                                   "Timestamping=usec\nReceiveBuffer=64K\nMark=0x10\nBindIPv6Only=both\nSymlinks=/run/a /run/b\nExecStartPre=/bin/true x\nFileDescriptorName=a\nKillMode=mixed\n"
                                   "MessageQueueMaxMessages=4\nMessageQueueMessageSize=5\nTriggerLimitBurst=\nTimeoutSec=5",
                                   false, NULL, &s, NULL),
                         0);
        assert_int_equal(s.count, 4);
        assert_string_equal(s.addresses[1].path, "/run/f");
        assert_true(s.addresses[2].protocol == NETLINK_KOBJECT_UEVENT && s.addresses[2].address.nl.nl_groups == 1);
        assert_true(s.options.mode == 0600 && s.options.backlog == 5 && s.options.ip_tos == 0x10 && s.options.timestamps == LISTEN_TIMESTAMPS_USEC);
        assert_true(s.options.receive_buffer == 65536 && s.options.mark == 16 && s.options.bind_ipv6_only == LISTEN_V6_BOTH && s.links.count == 2);
        assert_true(s.commands[SOCKET_START_PRE].count == 1 && s.kill_mode == SOCKET_KILL_MIXED && s.trigger_limit_burst == 20 && s.timeout_usec == 5000000);
        assert_string_equal(s.service, "web.service");
        assert_string_equal(s.descriptor_name, "a");
        assert_int_equal(read_text("ListenStream=@x\nAccept=yes", false, NULL, &accept, NULL), 0);
        assert_string_equal(accept.service, "web@.service");
        assert_string_equal(accept.descriptor_name, "connection");
        assert_int_equal(accept.trigger_limit_burst, 200);
        assert_int_equal(read_text("ListenStream=80\nListenDatagram=\nListenStream=81\nSocketMode=0600\nSocketMode=\nPrivateTmp=yes", false, NULL, &reset, NULL), 0);
        assert_true(reset.count == 1 && reset.options.mode == 0666);
}

static const struct {
        const char *text, *id;
} bad[] = {
        { "", "socket.empty" },
        { "ListenStream=80\nListenFIFO=", "socket.empty" },
        { "ListenStream=x", "socket.address" },
        { "ListenFIFO=x", "socket.address" },
        { "ListenMessageQueue=/a/b", "socket.address" },
        { "ListenNetlink=nothing 1", "socket.address" },
        { "ListenDatagram=80\nAccept=yes", "socket.value" },
        { "ListenStream=80\nAccept=yes\nService=a.service", "socket.service" },
        { "ListenStream=80\nService=a.socket", "socket.service" },
        { "ListenStream=80\nSymlinks=/a", "socket.value" },
        { "ListenFIFO=/f\nSymlinks=a", "directive.value" },
        { "ListenStream=80\nSocketProtocol=udplite", "socket.value" },
        { "ListenStream=80\nMessageQueueMaxMessages=3", "socket.value" },
        { "ListenStream=80\nSocketMode=0999", "directive.value" },
        { "ListenStream=80\nSocketMode=77777", "directive.value" },
        { "ListenStream=80\nMaxConnections=0", "directive.value" },
        { "ListenStream=80\nIPTTL=256", "directive.value" },
        { "ListenStream=80\nMark=-1", "directive.value" },
        { "ListenStream=80\nFileDescriptorName=a:b", "directive.value" },
        { "ListenStream=80\nKillSignal=SIG TERM", "directive.value" },
        { "ListenStream=80\nSmackLabel=x", "directive.unsupported" },
        { "ListenStream=80\nSELinuxContextFromNet=yes", "directive.unsupported" },
        { "ListenStream=80\nListenUSBFunction=/x", "directive.unsupported" },
        { "ListenStream=80\nListen=x", "directive.unknown" },
        { "ListenStream=80\nExecStartPre=", NULL },
        { "ListenStream=80\nExecStartPre=\"/bin/true", "unit.exec" },
        { "ListenStream=80\nBindToDevice=0123456789012345", "socket.value" },
        { "ListenStream=80\nSELinuxContextFromNet=no", NULL },
};

static void test_bad_ones(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                CLEAN_SOCKET_UNIT struct socket_unit s = { 0 };
                struct error e = { 0 };
                int k = read_text(bad[i].text, false, NULL, &s, &e);
                assert_int_equal(k < 0, bad[i].id != NULL);
                if (k < 0)
                        assert_string_equal(e.id, bad[i].id);
        }
        CLEAN_SOCKET_UNIT struct socket_unit s = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct error e = { 0 };
        assert_int_equal(read_text("ListenStream=x\nListenStream=80\nIPTTL=0", true, &notes, &s, &e), 0);
        assert_true(notes.count == 2 && s.count == 1);
        /* A label that is not set would be a protection that is missing. */
        struct socket_unit none;
        assert_int_equal(read_text("ListenStream=80\nSmackLabel=x", true, &notes, &none, &e), -EOPNOTSUPP);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_addresses), cmocka_unit_test(test_values), cmocka_unit_test(test_bad_ones) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
