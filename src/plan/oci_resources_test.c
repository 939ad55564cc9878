/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "plan/oci_resources.h"

static int read_text(const char *text, struct cgroup_resources **ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        *e = (struct error){ 0 };
        assert_int_equal(json_parse("config.json", text, strlen(text), &d, e), 0);
        const struct json_place top = json_top(&d, "config.json");
        return oci_read_resources(&top, ret, e);
}

static void every_controller_is_read(void **state)
{
        static const char text[] =
                "{\"memory\":{\"limit\":536870912,\"reservation\":-1,\"swap\":9223372036854775807,\"kernel\":-1,\"kernelTCP\":7,\"swappiness\":0,"
                "\"disableOOMKiller\":false,\"useHierarchy\":true,\"checkBeforeUpdate\":true},"
                "\"cpu\":{\"shares\":1024,\"quota\":1000000,\"burst\":1000000,\"period\":500000,\"realtimeRuntime\":950000,\"realtimePeriod\":1000000,"
                "\"cpus\":\"2-3\",\"mems\":\"0-7\",\"idle\":0},"
                "\"pids\":{\"limit\":32771},"
                "\"blockIO\":{\"weight\":10,\"leafWeight\":11,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":500,\"leafWeight\":300}],"
                "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":18446744073709551615}],"
                "\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":2}],\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":2,\"rate\":3}],"
                "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":300}]},"
                "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":209715200}],"
                "\"network\":{\"classID\":1048577,\"priorities\":[{\"name\":\"eth0\",\"priority\":500}]},"
                "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3},\"mlx4_0\":{\"hcaObjects\":1000}},"
                "\"unified\":{\"memory.high\":\"1\"},"
                "\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"},{\"allow\":true,\"type\":\"b\"}],"
                "\"somethingNew\":{}}";
        struct cgroup_resources *r = NULL;
        struct error e;
        (void)state;
        assert_int_equal(read_text(text, &r, &e), 0);
        static const int64_t want[CGROUP_SETTINGS] = {
                [CGROUP_MEMORY_LIMIT] = 536870912, [CGROUP_MEMORY_RESERVATION] = -1, [CGROUP_MEMORY_SWAP] = INT64_MAX, [CGROUP_MEMORY_KERNEL] = -1,
                [CGROUP_MEMORY_KERNEL_TCP] = 7, [CGROUP_MEMORY_USE_HIERARCHY] = 1, [CGROUP_MEMORY_CHECK_BEFORE_UPDATE] = 1, [CGROUP_CPU_SHARES] = 1024,
                [CGROUP_CPU_QUOTA] = 1000000, [CGROUP_CPU_BURST] = 1000000, [CGROUP_CPU_PERIOD] = 500000, [CGROUP_CPU_REALTIME_RUNTIME] = 950000,
                [CGROUP_CPU_REALTIME_PERIOD] = 1000000, [CGROUP_PIDS_LIMIT] = 32771, [CGROUP_IO_WEIGHT] = 10, [CGROUP_IO_LEAF_WEIGHT] = 11,
                [CGROUP_NETWORK_CLASS] = 1048577 };
        for (unsigned i = 0; i < CGROUP_MEMORY_HIGH /* the directives' own begin */; i++) {
                assert_true(cgroup_is_set(r, i));
                assert_int_equal(r->values[i], want[i]);
        }
        assert_string_equal(r->cpus, "2-3");
        assert_string_equal(r->mems, "0-7");
        assert_int_equal(r->weights[0].leaf_weight, 300);
        assert_int_equal(r->throttle_count, 4);
        assert_true(r->throttles[0].kind == CGROUP_READ_BPS && r->throttles[0].rate == UINT64_MAX);
        assert_true(r->throttles[3].kind == CGROUP_WRITE_IOPS && r->throttles[3].minor == 16);
        assert_string_equal(r->hugepages[0].size, "2MB");
        assert_string_equal(r->priorities[0].interface, "eth0");
        assert_true(r->rdma[0].handles_set && !r->rdma[0].objects_set && r->rdma[1].objects == 1000);
        assert_string_equal(r->unified.items[0], "memory.high");
        assert_int_equal(r->rule_count, 3);
        assert_true(!r->rules[0].allow && r->rules[0].type == 'a' && r->rules[0].major == -1 && r->rules[0].access == CGROUP_ACCESS_ALL);
        assert_true(r->rules[1].allow && r->rules[1].minor == 229 && r->rules[1].access == (CGROUP_READ | CGROUP_WRITE));
        assert_true(r->rules[2].type == 'b' && r->rules[2].minor == -1 && r->rules[2].access == CGROUP_ACCESS_ALL);
        oci_resources_free(r);
}

static void null_and_zero_are_not_asked_for(void **state)
{
        struct cgroup_resources *r = NULL;
        struct error e;
        (void)state;
        assert_int_equal(read_text("{\"memory\":{\"limit\":0,\"swap\":null},\"cpu\":{\"shares\":0,\"quota\":0},\"pids\":{\"limit\":0},\"unified\":null}", &r, &e), 0);
        assert_int_equal(r->set, 0);
        oci_resources_free(r);
}

static void a_bad_value_is_refused_with_its_pointer(void **state)
{
        static const char *const rows[][2] = {
                { "{\"memory\":{\"limit\":-2}}", "/memory/limit" },
                { "{\"memory\":{\"limit\":9223372036854775808}}", "/memory/limit" },
                { "{\"memory\":{\"limit\":\"1\"}}", "/memory/limit" },
                { "{\"memory\":{\"swappiness\":101}}", "/memory/swappiness" },
                { "{\"memory\":{\"disableOOMKiller\":1}}", "/memory/disableOOMKiller" },
                { "{\"memory\":[]}", "/memory" },
                { "{\"cpu\":{\"cpus\":\"0\\n1\"}}", "/cpu/cpus" },
                { "{\"cpu\":{\"idle\":2}}", "/cpu/idle" },
                { "{\"cpu\":{\"quota\":10,\"burst\":11}}", "/cpu/burst" },
                { "{\"blockIO\":{\"weight\":65536}}", "/blockIO/weight" },
                { "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}}", "/blockIO/weightDevice/0" },
                { "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0}]}}", "/blockIO/throttleReadBpsDevice/0/rate" },
                { "{\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]}", "/hugepageLimits/0/pageSize" },
                { "{\"hugepageLimits\":[{\"pageSize\":\"2mb\",\"limit\":1}]}", "/hugepageLimits/0/pageSize" },
                { "{\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}}", "/network/priorities/0/name" },
                { "{\"rdma\":{\"x\":{}}}", "/rdma/x" },
                { "{\"rdma\":{\"a b\":{\"hcaHandles\":1}}}", "/rdma/a b" },
                { "{\"unified\":{\"../x.y\":\"1\"}}", "/unified/" },
                { "{\"unified\":{\"memory.high\":1}}", "/unified/memory.high" },
                { "{\"devices\":[{\"type\":\"c\"}]}", "/devices/0/allow" },
                { "{\"devices\":[{\"allow\":true,\"type\":\"x\"}]}", "/devices/0/type" },
                { "{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}", "/devices/0/access" },
                { "{\"devices\":[{\"allow\":true,\"major\":-2}]}", "/devices/0/major" },
                { "{\"devices\":[{\"allow\":true,\"minor\":4294967296}]}", "/devices/0/minor" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct cgroup_resources *r = NULL;
                struct error e;
                assert_int_equal(read_text(rows[i][0], &r, &e), -EINVAL);
                assert_non_null(strstr(e.cause, rows[i][1]));
                oci_resources_free(r);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_controller_is_read),
                cmocka_unit_test(null_and_zero_are_not_asked_for),
                cmocka_unit_test(a_bad_value_is_refused_with_its_pointer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
