/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What folders of a group say, on files of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/cgroup_usage.h"
#include "os/file.h"

struct content {
        const char *file, *text;
};

static struct cgroup_usage read_folder(const struct content *files, size_t count)
{
        char path[] = "/tmp/bulkhead-usage-XXXXXX";
        struct cgroup_usage u = { 0 };
        assert_non_null(mkdtemp(path));
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(file_create(fd, files[i].file, files[i].text, strlen(files[i].text), 0600), 0);
        cgroup_usage_read(path, &u);
        fd_close(fd);
        assert_int_equal(file_remove_tree(AT_FDCWD, path), 0);
        return u;
}

static void assert_use(const struct cgroup_usage *u, enum cgroup_use use, uint64_t value)
{
        assert_true(cgroup_use_is_known(u, use));
        assert_int_equal(u->values[use], value);
}

static void folders_of_v2_say_all(void **state)
{
        static const struct content files[] = {
                { "cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n" }, { "memory.current", "4096\n" }, { "memory.peak", "8192\n" },
                { "pids.current", "3\n" }, { "io.stat", "8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n" },
        };
        const struct cgroup_usage u = read_folder(files, ELEMENTS(files));
        (void)state;
        assert_use(&u, CGROUP_USE_CPU_NSEC, 1500000);
        assert_use(&u, CGROUP_USE_MEMORY, 4096);
        assert_use(&u, CGROUP_USE_MEMORY_PEAK, 8192);
        assert_use(&u, CGROUP_USE_TASKS, 3);
        assert_use(&u, CGROUP_USE_IO_READ, 101);
        assert_use(&u, CGROUP_USE_IO_WRITE, 22);
        assert_false(cgroup_use_is_known(&u, CGROUP_USE_IP_IN_BYTES));
}

static void folders_of_v1_say_their_part(void **state)
{
        static const struct content memory[] = { { "memory.usage_in_bytes", "4096\n" }, { "memory.max_usage_in_bytes", "5000\n" } };
        static const struct content cpu[] = { { "cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n" }, { "cpuacct.usage", "77\n" } };
        static const struct content disks[] = { { "blkio.throttle.io_service_bytes_recursive", "8:0 Read 512\n8:0 Write 1024\n8:0 Sync 0\n8:0 Total 1536\nTotal 1536\n" } };
        struct cgroup_usage u = read_folder(memory, ELEMENTS(memory));
        (void)state;
        assert_use(&u, CGROUP_USE_MEMORY, 4096);
        assert_use(&u, CGROUP_USE_MEMORY_PEAK, 5000);
        assert_int_equal(u.known, 1U << CGROUP_USE_MEMORY | 1U << CGROUP_USE_MEMORY_PEAK);
        u = read_folder(cpu, ELEMENTS(cpu));
        assert_use(&u, CGROUP_USE_CPU_NSEC, 77);
        assert_int_equal(u.known, 1U << CGROUP_USE_CPU_NSEC);
        u = read_folder(disks, ELEMENTS(disks));
        assert_use(&u, CGROUP_USE_IO_READ, 512);
        assert_use(&u, CGROUP_USE_IO_WRITE, 1024);
}

static void what_is_no_number_is_not_known(void **state)
{
        static const struct content files[] = { { "cpu.stat", "usage_usec \n" }, { "memory.current", "many\n" }, { "pids.current", "" }, { "io.stat", "" } };
        struct cgroup_usage u = read_folder(files, ELEMENTS(files));
        (void)state;
        assert_int_equal(u.known, 1U << CGROUP_USE_IO_READ | 1U << CGROUP_USE_IO_WRITE);
        assert_use(&u, CGROUP_USE_IO_READ, 0);
        u = (struct cgroup_usage){ 0 };
        cgroup_usage_read("/nonexistent", &u);
        assert_int_equal(u.known, 0);
}

static void of_an_end_what_has_been_used_stays(void **state)
{
        struct cgroup_usage u = { 0 };
        (void)state;
        for (unsigned i = 0; i < CGROUP_USES; i++)
                cgroup_use_set(&u, (enum cgroup_use)i, i);
        cgroup_usage_end(&u);
        assert_false(cgroup_use_is_known(&u, CGROUP_USE_MEMORY) || cgroup_use_is_known(&u, CGROUP_USE_TASKS));
        assert_use(&u, CGROUP_USE_MEMORY_PEAK, CGROUP_USE_MEMORY_PEAK);
        assert_string_equal(cgroup_use_name(CGROUP_USE_IP_OUT_PACKETS), "IPEgressPackets");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(folders_of_v2_say_all), cmocka_unit_test(folders_of_v1_say_their_part),
                cmocka_unit_test(what_is_no_number_is_not_known), cmocka_unit_test(of_an_end_what_has_been_used_stays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
