/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By effect, in a folder of its own. As root also what belongs to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/socket_listen.h"

static char folder[40];

static int set_up(void **state)
{
        (void)state;
        strcpy(folder, "/tmp/bulkhead-listen.XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        return file_remove_tree(AT_FDCWD, folder);
}

static const struct listen_options plain = {
        .backlog = 16, .mode = 0640, .directory_mode = 0750, .priority = -1, .receive_buffer = -1, .send_buffer = -1, .ip_tos = -1, .ip_ttl = -1, .mark = -1,
        .keep_alive_probes = -1, .pipe_size = -1, .queue_messages = -1, .queue_message_size = -1, .uid = (uid_t)-1, .gid = (gid_t)-1,
};

static struct listen_address file(enum listen_kind kind, const char *path)
{
        struct listen_address a = { .kind = kind, .type = SOCK_STREAM, .path = xstrdup(path), .text = xstrdup(path) };
        a.address.un.sun_family = AF_UNIX;
        strcpy(a.address.un.sun_path, path);
        a.length = sizeof a.address.un;
        return a;
}
#define CLEAN_ADDRESS CLEAN(listen_address_done)

static char *below(const char *name)
{
        return xprintf("%s/%s", folder, name);
}

static int open_file(enum listen_kind kind, const char *name, const struct listen_options *o, struct error *e)
{
        CLEAN_FREE char *path = below(name);
        CLEAN_ADDRESS struct listen_address a = file(kind, path);
        int fd = -EBADF, r = listen_open(&a, o, &fd, e);
        return r < 0 ? r : fd;
}

static mode_t mode_of(const char *name)
{
        CLEAN_FREE char *path = below(name);
        struct stat st;
        assert_int_equal(lstat(path, &st), 0);
        return st.st_mode;
}

static int connect_to(const char *name)
{
        CLEAN_FREE char *path = below(name);
        CLEAN_ADDRESS struct listen_address a = file(LISTEN_SOCKET, path);
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return connect(fd, &a.address.any, a.length) == 0 ? 0 : -errno;
}

static void test_a_socket_file(void **state)
{
        (void)state;
        CLEAN_FD int fd = open_file(LISTEN_SOCKET, "deep/er/s", &plain, NULL);
        assert_true(fd >= 0);
        assert_int_equal(connect_to("deep/er/s"), 0);
        assert_int_equal(mode_of("deep/er/s"), S_IFSOCK | 0640);
        assert_int_equal(mode_of("deep"), S_IFDIR | 0750);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        struct sockaddr_un un;
        socklen_t size = sizeof un;
        CLEAN_FREE char *path = below("deep/er/s");
        assert_int_equal(getsockname(fd, (struct sockaddr *)&un, &size), 0);
        assert_string_equal(un.sun_path, path);
        /* Left behind by somebody who died, or not: it is replaced. */
        CLEAN_FD int second = open_file(LISTEN_SOCKET, "deep/er/s", &plain, NULL);
        assert_true(second >= 0);
        assert_int_equal(connect_to("deep/er/s"), 0);
        CLEAN_ADDRESS struct listen_address a = file(LISTEN_SOCKET, path);
        assert_int_equal(listen_remove(&a, NULL), 0);
        assert_int_equal(listen_remove(&a, NULL), 0);
        assert_int_equal(connect_to("deep/er/s"), -ENOENT);
}

static void test_only_sockets_are_replaced(void **state)
{
        (void)state;
        CLEAN_FREE char *path = below("kept"), *link = below("link");
        struct error e = { 0 };
        assert_int_equal(file_create(AT_FDCWD, path, "text", 4, 0600), 0);
        assert_int_equal(symlink("kept", link), 0);
        assert_int_equal(open_file(LISTEN_SOCKET, "kept", &plain, &e), -EEXIST);
        assert_string_equal(e.id, "listen.file");
        assert_int_equal(open_file(LISTEN_SOCKET, "link", &plain, NULL), -EEXIST);
        assert_int_equal(open_file(LISTEN_FIFO, "link", &plain, NULL), -EEXIST);
        assert_int_equal(open_file(LISTEN_FIFO, "kept", &plain, NULL), -EEXIST);
        assert_int_equal(mode_of("kept"), S_IFREG | 0600);
        assert_true(S_ISLNK(mode_of("link")));
        CLEAN_ADDRESS struct listen_address a = file(LISTEN_SOCKET, path);
        assert_int_equal(listen_remove(&a, NULL), -EEXIST);
        assert_int_equal(mode_of("kept"), S_IFREG | 0600);
}

static void test_links_on_the_way(void **state)
{
        (void)state;
        CLEAN_FREE char *real = below("real"), *mine = below("mine"), *loop = below("loop"), *theirs = below("theirs");
        struct error e = { 0 };
        assert_int_equal(mkdir(real, 0755), 0);
        assert_int_equal(symlink(real, mine), 0);
        assert_int_equal(symlink("loop", loop), 0);
        CLEAN_FD int fd = open_file(LISTEN_SOCKET, "mine/s", &plain, NULL);
        assert_true(fd >= 0);
        assert_int_equal(connect_to("real/s"), 0);
        assert_int_equal(open_file(LISTEN_SOCKET, "loop/s", &plain, &e), -ELOOP);
        assert_string_equal(e.id, "listen.link");
        if (geteuid() != 0)
                return;
        assert_int_equal(symlink(real, theirs), 0);
        assert_int_equal(lchown(theirs, 12345, 12345), 0);
        assert_int_equal(open_file(LISTEN_SOCKET, "theirs/t", &plain, &e), -ELOOP);
        assert_int_equal(open_file(LISTEN_FIFO, "theirs/t", &plain, &e), -ELOOP);
        assert_int_equal(connect_to("real/t"), -ENOENT);
}

static void test_owners(void **state)
{
        (void)state;
        struct listen_options o = plain;
        struct stat st;
        if (geteuid() != 0)
                skip();
        o.uid = 12345;
        o.gid = 23456;
        for (int kind = LISTEN_SOCKET; kind <= LISTEN_FIFO; kind++) {
                const char *name = kind == LISTEN_FIFO ? "owned-fifo" : "owned-socket";
                CLEAN_FREE char *path = below(name);
                CLEAN_FD int fd = open_file((enum listen_kind)kind, name, &o, NULL);
                assert_true(fd >= 0);
                assert_int_equal(lstat(path, &st), 0);
                assert_true(st.st_uid == 12345 && st.st_gid == 23456 && (st.st_mode & 07777) == 0640);
        }
        /* Whose FIFO it is matters when it is there already. */
        CLEAN_FD int same = open_file(LISTEN_FIFO, "owned-fifo", &o, NULL);
        assert_true(same >= 0);
        o.uid = 1;
        assert_int_equal(open_file(LISTEN_FIFO, "owned-fifo", &o, NULL), -EEXIST);
}

static void test_fifos(void **state)
{
        (void)state;
        struct listen_options o = plain;
        char got[4] = { 0 };
        CLEAN_FREE char *path = below("fifo");
        o.pipe_size = 8192;
        CLEAN_FD int fd = open_file(LISTEN_FIFO, "fifo", &o, NULL);
        assert_true(fd >= 0);
        assert_int_equal(mode_of("fifo"), S_IFIFO | 0640);
        assert_int_equal(fcntl(fd, F_GETPIPE_SZ), 8192);
        CLEAN_FD int writer = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(writer, "abc", 3), 3);
        assert_int_equal(read(fd, got, sizeof got), 3);
        assert_string_equal(got, "abc");
        o.mode = 0600;
        assert_int_equal(open_file(LISTEN_FIFO, "fifo", &o, NULL), -EEXIST);
}

static void test_special_files(void **state)
{
        (void)state;
        CLEAN_ADDRESS struct listen_address null = file(LISTEN_SPECIAL, "/dev/null"), proc = file(LISTEN_SPECIAL, "/proc/self/mounts"), regular = file(LISTEN_SPECIAL, "/etc/passwd");
        CLEAN_FD int fd = -EBADF, mounts = -EBADF, none = -EBADF;
        struct listen_options o = plain;
        assert_int_equal(listen_open(&null, &o, &fd, NULL), 0);
        assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        fd = fd_close(fd);
        o.writable = true;
        assert_int_equal(listen_open(&null, &o, &fd, NULL), 0);
        assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
        assert_int_equal(listen_open(&proc, &plain, &mounts, NULL), 0);
        assert_int_equal(listen_open(&regular, &plain, &none, NULL), -EEXIST);
}

static void test_symlinks(void **state)
{
        (void)state;
        CLEAN_FREE char *path = below("target"), *link = below("links/a"), *regular = below("regular");
        CLEAN_ADDRESS struct listen_address a = file(LISTEN_SOCKET, path);
        CLEAN_FD int fd = open_file(LISTEN_SOCKET, "target", &plain, NULL);
        assert_true(fd >= 0);
        assert_int_equal(listen_link(&a, link, 0755, NULL), 0);
        assert_int_equal(listen_link(&a, link, 0755, NULL), 0);
        assert_int_equal(connect_to("links/a"), 0);
        assert_int_equal(file_create(AT_FDCWD, regular, "x", 1, 0600), 0);
        assert_int_equal(listen_link(&a, regular, 0755, NULL), -EEXIST);
        assert_int_equal(listen_unlink(&a, regular, NULL), 0);
        assert_true(S_ISREG(mode_of("regular")));
        assert_int_equal(listen_unlink(&a, link, NULL), 0);
        assert_int_equal(connect_to("links/a"), -ENOENT);
}

static int number_of(int fd, int level, int option)
{
        int value = -1;
        socklen_t size = sizeof value;
        assert_int_equal(getsockopt(fd, level, option, &value, &size), 0);
        return value;
}

static void test_options_of_tcp(void **state)
{
        (void)state;
        struct listen_address a = { .type = SOCK_STREAM, .length = sizeof a.address.in };
        struct listen_options o = plain;
        struct error e = { 0 };
        a.address.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        a.text = xstrdup("127.0.0.1:0");
        o.no_delay = o.keep_alive = o.reuse_port = o.free_bind = true;
        o.keep_alive_time_usec = 30500000;
        o.keep_alive_probes = 3;
        o.ip_tos = 0x10;
        o.ip_ttl = 7;
        o.priority = 3;
        CLEAN_FD int fd = -EBADF, none = -EBADF;
        assert_int_equal(listen_open(&a, &o, &fd, NULL), 0);
        assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(number_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(number_of(fd, SOL_SOCKET, SO_REUSEPORT), 1);
        assert_int_equal(number_of(fd, IPPROTO_IP, IP_FREEBIND), 1);
        assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 31);
        assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
        assert_int_equal(number_of(fd, IPPROTO_IP, IP_TTL), 7);
        assert_int_equal(number_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
        struct sockaddr_in bound;
        socklen_t size = sizeof bound;
        assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
        CLEAN_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&bound, size), 0);
        /* What cannot be applied is an error. */
        o.congestion = (char *)(uintptr_t)"nosuchalgorithm";
        assert_true(listen_open(&a, &o, &none, &e) < 0);
        assert_string_equal(e.id, "listen.option");
        listen_address_done(&a);
}

static void test_other_families(void **state)
{
        (void)state;
        CLEAN_FD int v6 = -EBADF, abstract = -EBADF, again = -EBADF, link = -EBADF, queue = -EBADF;
        struct listen_options o = plain;
        struct listen_address a = { .type = SOCK_STREAM, .length = sizeof a.address.in6, .port_only = true, .text = xstrdup("0") };
        a.address.in6.sin6_family = AF_INET6;
        o.bind_ipv6_only = LISTEN_V6_ONLY;
        assert_int_equal(listen_open(&a, &o, &v6, NULL), 0);
        if (number_of(v6, SOL_SOCKET, SO_DOMAIN) == AF_INET6)
                assert_int_equal(number_of(v6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
        listen_address_done(&a);
        CLEAN_ADDRESS struct listen_address n = { .type = SOCK_DGRAM, .text = xstrdup("@") };
        n.address.un.sun_family = AF_UNIX;
        n.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)snprintf(n.address.un.sun_path + 1, 100, "%s", folder));
        o.pass_credentials = true;
        assert_int_equal(listen_open(&n, &o, &abstract, NULL), 0);
        assert_int_equal(number_of(abstract, SOL_SOCKET, SO_PASSCRED), 1);
        assert_int_equal(listen_open(&n, &o, &again, NULL), -EADDRINUSE);
        CLEAN_ADDRESS struct listen_address nl = { .type = SOCK_RAW, .protocol = NETLINK_KOBJECT_UEVENT, .length = sizeof nl.address.nl, .text = xstrdup("kobject-uevent") };
        nl.address.nl.nl_family = AF_NETLINK;
        assert_int_equal(listen_open(&nl, &plain, &link, NULL), 0);
        CLEAN_FREE char *name = xprintf("/%s", strrchr(folder, '/') + 1);
        CLEAN_ADDRESS struct listen_address q = file(LISTEN_QUEUE, name);
        o.queue_messages = 3;
        o.queue_message_size = 100;
        int r = listen_open(&q, &o, &queue, NULL);
        if (r == -ENOSYS || r == -EACCES)
                skip();
        assert_int_equal(r, 0);
        o.mode = 0600;
        assert_int_equal(listen_open(&q, &o, &again, NULL), -EEXIST);
        assert_int_equal(listen_remove(&q, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_socket_file), cmocka_unit_test(test_only_sockets_are_replaced), cmocka_unit_test(test_links_on_the_way), cmocka_unit_test(test_owners),
                cmocka_unit_test(test_fifos), cmocka_unit_test(test_special_files), cmocka_unit_test(test_symlinks), cmocka_unit_test(test_options_of_tcp),
                cmocka_unit_test(test_other_families),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
