/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is worked out before anything is written: rows for v1 and v2, lists and programs of devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "os/cgroup_devices.h"
#include "os/cgroup_write.h"

static const struct cgroup_offer only_v1 = { "cpuset,cpu,cpuacct,memory,blkio,pids,hugetlb,rdma,net_cls,net_prio", "", false };
static const struct cgroup_offer only_v2 = { "", " cpuset cpu io memory hugetlb pids rdma ", true };
static const struct cgroup_offer hybrid = { "memory,cpu", " hugetlb ", true };

/* The rows as "file=value" lines in their order. */
static char *rows_of(const struct cgroup_resources *r, const struct cgroup_offer *offer, const struct cgroup_live *live, struct error *e)
{
        CLEAN_WRITES struct cgroup_writes w = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        *e = (struct error){ 0 };
        if (cgroup_writes_plan(r, offer, live, &w, e) < 0)
                return xstrdup(e->id);
        text_add(&t, "");
        for (size_t i = 0; i < w.count; i++) {
                text_addf(&t, "%s=%s", w.items[i].file, w.items[i].value ? w.items[i].value : w.items[i].controller);
                if (w.items[i].other_file)
                        text_addf(&t, "|%s=%s", w.items[i].other_file, w.items[i].other_value ? w.items[i].other_value : w.items[i].value);
                text_add(&t, ";");
        }
        return TAKE_PTR(t.data);
}

static void check_live(const struct cgroup_resources *r, const struct cgroup_offer *offer, const struct cgroup_live *live, const char *want)
{
        struct error e;
        CLEAN_FREE char *have = rows_of(r, offer, live, &e);
        assert_string_equal(have, want);
}

static void check(const struct cgroup_resources *r, const struct cgroup_offer *offer, const char *want)
{
        check_live(r, offer, NULL, want);
}

struct value {
        enum cgroup_setting setting;
        int64_t n;
};

#define VALUES(...) ((const struct value[]){ __VA_ARGS__, { CGROUP_SETTINGS, 0 } })

static struct cgroup_resources with(const struct value *v)
{
        struct cgroup_resources r = { 0 };
        for (; v->setting < CGROUP_SETTINGS; v++)
                cgroup_set(&r, v->setting, v->n);
        return r;
}

static void shares_keep_the_least_the_default_and_the_most(void **state)
{
        static const uint64_t rows[][2] = { { 0, 0 }, { 1, 1 }, { 2, 1 }, { 3, 2 }, { 512, 59 }, { 1024, 100 }, { 2048, 174 }, { 262144, 10000 }, { 999999, 10000 } };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(cgroup_weight_of_shares(rows[i][0]), rows[i][1]);
        for (uint64_t s = 3; s <= 262144; s += 7)
                assert_true(cgroup_weight_of_shares(s) >= cgroup_weight_of_shares(s - 1));
}

static void weights_of_block_devices_reach_from_end_to_end(void **state)
{
        static const uint64_t rows[][2] = { { 0, 0 }, { 1, 1 }, { 10, 1 }, { 100, 910 }, { 1000, 10000 }, { 5000, 10000 } };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(cgroup_io_weight_of(rows[i][0]), rows[i][1]);
}

static void nothing_asked_for_is_nothing_written(void **state)
{
        const struct cgroup_resources none = { 0 };
        (void)state;
        check(&none, &only_v1, "");
        check(&none, &only_v2, "");
        check(&none, &hybrid, "");
}

static void zero_is_written_where_it_was_set_and_not_where_it_means_nothing_said(void **state)
{
        struct cgroup_resources r = { 0 };
        (void)state;
        cgroup_ask(&r, CGROUP_MEMORY_LIMIT, 0);
        cgroup_ask(&r, CGROUP_CPU_QUOTA, 0);
        cgroup_ask(&r, CGROUP_PIDS_LIMIT, 0);
        check(&r, &only_v1, "");
        cgroup_ask(&r, CGROUP_MEMORY_SWAPPINESS, 0);
        cgroup_ask(&r, CGROUP_CPU_IDLE, 0);
        check(&r, &only_v1, "cpu.idle=0;memory.swappiness=0;");
        r = (struct cgroup_resources){ 0 };
        cgroup_set(&r, CGROUP_PIDS_LIMIT, 0);
        check(&r, &only_v2, "pids.max=0;");
}

static void swap_is_counted_with_memory_in_v1_and_alone_in_v2(void **state)
{
        static const struct {
                struct value values[3];
                const char *v1, *v2;
        } rows[] = {
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_MEMORY_SWAP, 300 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=100;memory.memsw.limit_in_bytes=300;", "memory.swap.max=200;memory.max=100;" },
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_MEMORY_SWAP, 100 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=100;memory.memsw.limit_in_bytes=100;", "memory.swap.max=0;memory.max=100;" },
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_MEMORY_SWAP, -1 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=100;memory.memsw.limit_in_bytes=-1;", "memory.swap.max=max;memory.max=100;" },
                { { { CGROUP_MEMORY_LIMIT, -1 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=-1;memory.memsw.limit_in_bytes=-1;", "memory.swap.max=max;memory.max=max;" },
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_SETTINGS, 0 } }, "memory.limit_in_bytes=100;", "memory.max=100;" },
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_MEMORY_SWAP, 99 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=100;memory.memsw.limit_in_bytes=99;", "cgroup.value" },
                { { { CGROUP_MEMORY_SWAP, 99 }, { CGROUP_SETTINGS, 0 } }, "memory.memsw.limit_in_bytes=99;", "cgroup.value" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct cgroup_resources r = with(rows[i].values);
                check(&r, &only_v1, rows[i].v1);
                check(&r, &only_v2, rows[i].v2);
        }
}

static void words_of_v2_are_translated_for_v1_where_it_has_the_like(void **state)
{
        static const struct {
                struct value values[3];
                const char *v1, *v2;
        } rows[] = {
                { { { CGROUP_CPU_WEIGHT, 100 }, { CGROUP_SETTINGS, 0 } }, "cpu.shares=1024;", "cpu.weight=100;" },
                { { { CGROUP_CPU_WEIGHT, 1 }, { CGROUP_SETTINGS, 0 } }, "cpu.shares=10;", "cpu.weight=1;" },
                { { { CGROUP_CPU_WEIGHT, 10000 }, { CGROUP_SETTINGS, 0 } }, "cpu.shares=102400;", "cpu.weight=10000;" },
                { { { CGROUP_MEMORY_HIGH, 5 }, { CGROUP_SETTINGS, 0 } }, "cgroup.unsupported", "memory.high=5;" },
                { { { CGROUP_MEMORY_LOW, 5 }, { CGROUP_MEMORY_MIN, -1 }, { CGROUP_SETTINGS, 0 } }, "cgroup.unsupported", "memory.low=5;memory.min=max;" },
                { { { CGROUP_MEMORY_SWAP_ALONE, 0 }, { CGROUP_SETTINGS, 0 } }, "cgroup.unsupported", "memory.swap.max=0;" },
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_MEMORY_SWAP_ALONE, 7 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=100;memory.memsw.limit_in_bytes=107;", "memory.max=100;memory.swap.max=7;" },
                { { { CGROUP_MEMORY_LIMIT, 100 }, { CGROUP_MEMORY_SWAP_ALONE, -1 }, { CGROUP_SETTINGS, 0 } },
                  "memory.limit_in_bytes=100;memory.memsw.limit_in_bytes=-1;", "memory.max=100;memory.swap.max=max;" },
                { { { CGROUP_IO_WEIGHT_V2, 10000 }, { CGROUP_SETTINGS, 0 } }, "blkio.bfq.weight=1000|blkio.weight=1000;",
                  "io.weight=default 10000|io.bfq.weight=1000;io.bfq.weight=1000;" },
                { { { CGROUP_IO_WEIGHT_V2, 50 }, { CGROUP_SETTINGS, 0 } }, "blkio.bfq.weight=50|blkio.weight=250;",
                  "io.weight=default 50|io.bfq.weight=50;io.bfq.weight=50;" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct cgroup_resources r = with(rows[i].values);
                check(&r, &only_v1, rows[i].v1);
                check(&r, &only_v2, rows[i].v2);
        }
        struct cgroup_device_weight weight = { .major = 8, .minor = 0, .weight_v2 = 200, .origin = "IODeviceWeight=/dev/sda 200" };
        const struct cgroup_resources one = { .weights = &weight, .weight_count = 1 };
        check(&one, &only_v1, "blkio.bfq.weight_device=8:0 109|blkio.weight_device=8:0 1000;");
        check(&one, &only_v2, "io.weight=8:0 200|io.bfq.weight=8:0 109;io.bfq.weight=8:0 109;");
}

static void an_update_of_one_part_takes_the_other_from_the_live_group(void **state)
{
        const struct cgroup_live live = { .memory_limit = 100, .quota = 20000 };
        struct cgroup_resources swap = with(VALUES({ CGROUP_MEMORY_SWAP, 250 })), period = with(VALUES({ CGROUP_CPU_PERIOD, 50000 }));
        struct cgroup_resources quota = with(VALUES({ CGROUP_CPU_QUOTA, 30000 })), lifted = with(VALUES({ CGROUP_CPU_QUOTA, -1 }));
        (void)state;
        check_live(&swap, &only_v2, &live, "memory.swap.max=150;");
        check_live(&period, &only_v2, &live, "cpu.max=20000 50000;");
        check_live(&quota, &only_v2, &live, "cpu.max=30000;");
        check_live(&lifted, &only_v2, &live, "cpu.max=max;");
        check(&period, &only_v2, "cpu.max=max 50000;");
}

static void settings_have_their_files_in_both_versions(void **state)
{
        struct cgroup_resources r = with(VALUES({ CGROUP_MEMORY_RESERVATION, 5 }, { CGROUP_CPU_SHARES, 1024 }, { CGROUP_CPU_QUOTA, 10000 }, { CGROUP_CPU_PERIOD, 20000 },
                                                { CGROUP_CPU_BURST, 300 }, { CGROUP_CPU_IDLE, 1 }, { CGROUP_PIDS_LIMIT, -1 }, { CGROUP_IO_WEIGHT, 100 }));
        (void)state;
        r.cpus = xstrdup("0-1");
        r.mems = xstrdup("0");
        check(&r, &only_v1, "cpuset.cpus=0-1;cpuset.mems=0;cpu.shares=1024;cpu.cfs_period_us=20000;cpu.cfs_quota_us=10000;cpu.cfs_burst_us=300;cpu.idle=1;"
                            "memory.soft_limit_in_bytes=5;pids.max=max;blkio.bfq.weight=100|blkio.weight=100;");
        check(&r, &only_v2, "cpuset.cpus=0-1;cpuset.mems=0;cpu.weight=100;cpu.max=10000 20000;cpu.max.burst=300;cpu.idle=1;memory.low=5;pids.max=max;"
                            "io.bfq.weight=100|io.weight=910;");
        cgroup_resources_done(&r);
}

static void devices_have_weights_and_throttles_in_both_versions(void **state)
{
        struct cgroup_device_weight weights[] = { { 8, 0, 500, 0 } };
        struct cgroup_throttle throttles[] = { { CGROUP_READ_BPS, 8, 0, 600 }, { CGROUP_WRITE_IOPS, 8, 16, 0 } };
        struct cgroup_hugepage pages[] = { { (char *)(uintptr_t) "2MB", 4194304 } };
        struct cgroup_rdma rdma[] = { { (char *)(uintptr_t) "mlx5_1", true, true, 3, 10000 } };
        const struct cgroup_resources r = { .weights = weights, .weight_count = 1, .throttles = throttles, .throttle_count = 2, .hugepages = pages,
                                            .hugepage_count = 1, .rdma = rdma, .rdma_count = 1 };
        (void)state;
        check(&r, &only_v1, "blkio.bfq.weight_device=8:0 500|blkio.weight_device=8:0 500;blkio.throttle.read_bps_device=8:0 600;"
                            "blkio.throttle.write_iops_device=8:16 0;hugetlb.2MB.limit_in_bytes=4194304;hugetlb.2MB.rsvd.limit_in_bytes=4194304;"
                            "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;");
        check(&r, &only_v2, "io.bfq.weight=8:0 500|io.weight=8:0 4950;io.max=8:0 rbps=600;io.max=8:16 wiops=max;hugetlb.2MB.max=4194304;"
                            "hugetlb.2MB.rsvd.max=4194304;rdma.max=mlx5_1 hca_handle=3 hca_object=10000;");
}

static void what_v2_cannot_do_is_an_error_that_names_its_pointer(void **state)
{
        static const struct value rows[] = { { CGROUP_MEMORY_KERNEL, 5 },           { CGROUP_MEMORY_KERNEL_TCP, 5 },      { CGROUP_MEMORY_SWAPPINESS, 0 },
                                             { CGROUP_MEMORY_DISABLE_OOM_KILLER, 1 }, { CGROUP_MEMORY_USE_HIERARCHY, 0 }, { CGROUP_CPU_REALTIME_RUNTIME, 5 },
                                             { CGROUP_CPU_REALTIME_PERIOD, 5 },     { CGROUP_IO_LEAF_WEIGHT, 5 } };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct cgroup_resources r = { 0 };
                struct error e;
                cgroup_set(&r, rows[i].setting, rows[i].n);
                CLEAN_FREE char *have = rows_of(&r, &only_v2, NULL, &e);
                assert_string_equal(have, "cgroup.unsupported");
                assert_non_null(strstr(e.cause, cgroup_setting_pointer(rows[i].setting)));
                CLEAN_FREE char *v1 = rows_of(&r, &only_v1, NULL, &e);
                assert_int_equal(e.code, 0);
        }
        struct cgroup_resources harmless = with(VALUES({ CGROUP_MEMORY_KERNEL, -1 }, { CGROUP_MEMORY_KERNEL_TCP, -1 }, { CGROUP_MEMORY_DISABLE_OOM_KILLER, 0 },
                                                       { CGROUP_MEMORY_USE_HIERARCHY, 1 }, { CGROUP_CPU_REALTIME_RUNTIME, 0 }));
        check(&harmless, &only_v2, "");
}

static void a_controller_that_is_not_there_is_an_error_that_names_who_asked(void **state)
{
        struct cgroup_resources pids = with(VALUES({ CGROUP_PIDS_LIMIT, 9 })), net = with(VALUES({ CGROUP_NETWORK_CLASS, 1 }));
        struct error e;
        (void)state;
        pids.origins[CGROUP_PIDS_LIMIT] = "TasksMax=9";
        CLEAN_FREE char *have = rows_of(&pids, &hybrid, NULL, &e);
        assert_string_equal(have, "cgroup.controller");
        assert_non_null(strstr(e.cause, "TasksMax=9"));
        check(&net, &only_v2, "cgroup.controller");
        check(&net, &only_v1, "net_cls.classid=1;");
}

static void keys_of_unified_are_written_line_by_line_where_v2_has_the_controller(void **state)
{
        static const struct {
                const char *key, *value, *want;
                const struct cgroup_offer *offer;
        } rows[] = {
                { "io.max", "8:0 rbps=1\n8:16 wbps=2\n", "io.max=8:0 rbps=1;io.max=8:16 wbps=2;", &only_v2 },
                { "hugetlb.2MB.max", "0", "hugetlb.2MB.max=0;", &hybrid },
                { "cgroup.max.depth", "2", "cgroup.max.depth=2;", &only_v2 },
                { "memory.high", "1", "cgroup.controller", &hybrid },
                { "memory.high", "1", "cgroup.controller", &only_v1 },
                { "misc.max", "1", "cgroup.controller", &only_v2 },
                { "memory/../../x", "1", "cgroup.value", &only_v2 },
                { "memory", "1", "cgroup.value", &only_v2 },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct cgroup_resources r = { 0 };
                strings_add(&r.unified, rows[i].key);
                strings_add(&r.unified, rows[i].value);
                check(&r, rows[i].offer, rows[i].want);
                cgroup_resources_done(&r);
        }
}

/* ---- devices ---- */

struct ask {
        char type;
        uint32_t major, minor;
        unsigned access;
};

/* The meaning of rules, by their definition. */
static bool allowed(const struct cgroup_device_rule *rules, size_t count, const struct ask *q)
{
        for (unsigned bit = 1; bit <= CGROUP_WRITE; bit <<= 1) {
                bool answer = false;
                for (size_t i = 0; i < count; i++)
                        if (rules[i].access & bit && (rules[i].type == 'a' || rules[i].type == q->type) && (rules[i].major < 0 || rules[i].major == q->major) &&
                            (rules[i].minor < 0 || rules[i].minor == q->minor))
                                answer = rules[i].allow;
                if (q->access & bit && !answer)
                        return false;
        }
        return true;
}

/* As much of the machine as such programs use. Fails on what the kernel's verifier would refuse. */
static bool interpret(const struct bpf_program *p, const struct ask *q)
{
        const struct bpf_cgroup_dev_ctx context = { .access_type = q->access << 16 | (q->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
                                                    .major = q->major, .minor = q->minor };
        uint64_t reg[11] = { 0 };
        bool set[11] = { [1] = true };
        for (size_t at = 0;; at++) {
                assert_true(at < p->count);
                const struct bpf_insn *i = &p->items[at];
                uint64_t other = BPF_SRC(i->code) == BPF_X ? reg[i->src_reg] : (uint64_t)(int64_t)i->imm;
                bool alu = BPF_CLASS(i->code) == BPF_ALU || BPF_CLASS(i->code) == BPF_ALU64;
                if (i->code == (BPF_LDX | BPF_MEM | BPF_W)) {
                        assert_int_equal(i->src_reg, 1);
                        assert_true(i->off >= 0 && (size_t)i->off + 4 <= sizeof context);
                        uint32_t word;
                        memcpy(&word, (const char *)&context + i->off, 4);
                        reg[i->dst_reg] = word;
                        set[i->dst_reg] = true;
                } else if (alu) {
                        assert_true(set[i->dst_reg] || BPF_OP(i->code) == BPF_MOV);
                        uint64_t *d = &reg[i->dst_reg];
                        switch (BPF_OP(i->code)) {
                        case BPF_MOV: *d = other; break;
                        case BPF_AND: *d &= other; break;
                        case BPF_RSH: *d >>= other; break;
                        default: fail();
                        }
                        if (BPF_CLASS(i->code) == BPF_ALU)
                                *d = (uint32_t)*d;
                        set[i->dst_reg] = true;
                } else if (i->code == (BPF_JMP | BPF_EXIT)) {
                        assert_true(set[0]);
                        assert_true(reg[0] <= 1);
                        return reg[0];
                } else {
                        assert_int_equal(BPF_CLASS(i->code), BPF_JMP32);
                        assert_true(set[i->dst_reg] && i->off >= 0);
                        bool equal = (uint32_t)reg[i->dst_reg] == (uint32_t)other;
                        assert_true(BPF_OP(i->code) == BPF_JEQ || BPF_OP(i->code) == BPF_JNE);
                        if (equal == (BPF_OP(i->code) == BPF_JEQ))
                                at += (size_t)i->off;
                }
        }
}

/* What the v1 controller makes of a list: one exception must hold the whole access. */
static bool listed(const struct cgroup_exceptions *x, const struct ask *q, unsigned access)
{
        for (size_t i = 0; i < x->count; i++) {
                const struct cgroup_device_rule *r = &x->items[i];
                bool meets = r->type == q->type && (r->major < 0 || r->major == q->major) && (r->minor < 0 || r->minor == q->minor);
                if (meets && (x->from_all ? (r->access & access) != 0 : (access & ~r->access) == 0))
                        return !x->from_all;
        }
        return x->from_all;
}

static unsigned seed = 1;

static unsigned draw(unsigned below)
{
        seed = seed * 1103515245 + 12345;
        return seed / 65536 % below;
}

static void programs_and_lists_mean_what_the_rules_say(void **state)
{
        static const char types[] = "abc";
        size_t lists = 0;
        (void)state;
        for (int round = 0; round < 3000; round++) {
                struct cgroup_device_rule rules[8];
                size_t count = draw(ELEMENTS(rules) + 1), rule;
                struct bpf_program p = { 0 };
                struct cgroup_exceptions x = { 0 };
                for (size_t i = 0; i < count; i++)
                        rules[i] = (struct cgroup_device_rule){ draw(2), types[draw(3)], (int64_t)draw(3) - 1, (int64_t)draw(3) - 1, 1 + draw(7) };
                cgroup_device_program_of(rules, count, &p);
                bool has_list = cgroup_exceptions_of(rules, count, &x, &rule) == 0;
                lists += has_list;
                for (unsigned n = 0; n < 2 * 9 * 7; n++) {
                        const struct ask q = { n % 2 ? 'b' : 'c', n / 2 % 3, n / 6 % 3, 1 + n / 18 };
                        bool want = allowed(rules, count, &q);
                        assert_int_equal(interpret(&p, &q), want);
                        /* One access at a time: a list may refuse two at once that it allows one by one, never the other way. */
                        bool single = (q.access & (q.access - 1)) == 0;
                        if (has_list && (single || !want))
                                assert_int_equal(listed(&x, &q, q.access), want);
                }
                bpf_program_done(&p);
                cgroup_exceptions_done(&x);
        }
        assert_true(lists > 500);
}

static void no_rules_refuse_every_device(void **state)
{
        struct bpf_program p = { 0 };
        struct cgroup_exceptions x = { 0 };
        const struct ask null = { 'c', 1, 3, CGROUP_READ };
        size_t rule;
        (void)state;
        cgroup_device_program_of(NULL, 0, &p);
        assert_int_equal(cgroup_exceptions_of(NULL, 0, &x, &rule), 0);
        assert_false(interpret(&p, &null));
        assert_false(listed(&x, &null, CGROUP_READ));
        bpf_program_done(&p);
}

static void a_part_of_a_wider_exception_cannot_be_listed(void **state)
{
        static const struct cgroup_device_rule rules[] = { { true, 'c', 1, -1, CGROUP_ACCESS_ALL }, { false, 'c', 1, 3, CGROUP_WRITE } };
        struct cgroup_exceptions x = { 0 };
        size_t rule = 9;
        (void)state;
        assert_int_equal(cgroup_exceptions_of(rules, ELEMENTS(rules), &x, &rule), -EOPNOTSUPP);
        assert_int_equal(rule, 1);
}

static void the_default_rules_make_a_dev_that_works(void **state)
{
        static const struct {
                struct ask ask;
                bool want;
        } rows[] = { { { 'c', 1, 3, CGROUP_READ | CGROUP_WRITE }, true }, { { 'c', 5, 2, CGROUP_READ | CGROUP_WRITE }, true },
                     { { 'c', 136, 77, CGROUP_READ | CGROUP_WRITE }, true }, { { 'b', 8, 0, CGROUP_MKNOD }, true },
                     { { 'b', 8, 0, CGROUP_READ }, false }, { { 'c', 1, 1, CGROUP_READ }, false }, { { 'c', 10, 200, CGROUP_WRITE }, false } };
        struct cgroup_resources r = { 0 };
        struct bpf_program p = { 0 };
        struct cgroup_exceptions x = { 0 };
        size_t rule;
        (void)state;
        cgroup_add_default_rules(&r);
        cgroup_device_program_of(r.rules, r.rule_count, &p);
        assert_int_equal(cgroup_exceptions_of(r.rules, r.rule_count, &x, &rule), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                assert_int_equal(interpret(&p, &rows[i].ask), rows[i].want);
                assert_int_equal(listed(&x, &rows[i].ask, rows[i].ask.access), rows[i].want);
        }
        bpf_program_done(&p);
        cgroup_exceptions_done(&x);
        cgroup_resources_done(&r);
}

/* ---- record ---- */

static void a_record_of_something_else_is_refused(void **state)
{
        static const char *const lines[] = { "memory 21 /tmp", "", "memory", "memory 21", "memory x /sys", "memory 0 /usr", "v2 0 /usr", "memory 4 /sys/../usr",
                                             "memory 4 /usr/", "memory 0 relative", "memory 99 /sys/fs/cgroup/memory" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                CLEAN_STRINGS struct strings l = { 0 };
                struct cgroup c;
                struct error e = { 0 };
                strings_add(&l, lines[i]);
                assert_true(cgroup_load(&l, &c, &e) < 0);
                assert_string_equal(e.id, "cgroup.record");
        }
}

static void a_folder_that_is_gone_is_still_a_record(void **state)
{
        CLEAN_STRINGS struct strings l = { 0 }, again = { 0 };
        struct cgroup c;
        struct error e = { 0 };
        (void)state;
        strings_add(&l, "cpu,cpuacct 15 /nowhere/cgroup/bulkhead test/gone");
        assert_int_equal(cgroup_load(&l, &c, &e), 0);
        cgroup_save(&c, &again);
        assert_string_equal(again.items[0], l.items[0]);
        assert_non_null(cgroup_v1_folder_of(&c, "cpuacct"));
        assert_null(cgroup_v1_folder_of(&c, "cpuset"));
        assert_int_equal(cgroup_kill(&c, 100, &e), 0);
        assert_int_equal(cgroup_remove(&c, 100, &e), 0);
        cgroup_done(&c);
}

static void what_is_counted_asks_for_its_folder(void **state)
{
        const struct cgroup_resources r = { .counted = { "CPUAccounting=yes", "MemoryAccounting=yes", "IOAccounting=yes", "TasksAccounting=yes" } };
        const struct cgroup_resources one = { .counted = { [CGROUP_COUNT_TASKS] = "TasksAccounting=yes" } };
        (void)state;
        check(&r, &only_v1, "cgroup.procs=cpuacct;memory.current=memory;io.stat=blkio;pids.current=pids;");
        check(&r, &only_v2, "cgroup.procs=;memory.current=memory;io.stat=io;pids.current=pids;");
        check(&r, &hybrid, "cgroup.procs=;memory.current=memory;"); /* of what has no controller nothing is counted */
        check(&one, &only_v2, "pids.current=pids;");
        check(&one, &hybrid, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shares_keep_the_least_the_default_and_the_most),
                cmocka_unit_test(weights_of_block_devices_reach_from_end_to_end),
                cmocka_unit_test(nothing_asked_for_is_nothing_written),
                cmocka_unit_test(zero_is_written_where_it_was_set_and_not_where_it_means_nothing_said),
                cmocka_unit_test(swap_is_counted_with_memory_in_v1_and_alone_in_v2),
                cmocka_unit_test(an_update_of_one_part_takes_the_other_from_the_live_group),
                cmocka_unit_test(settings_have_their_files_in_both_versions),
                cmocka_unit_test(devices_have_weights_and_throttles_in_both_versions),
                cmocka_unit_test(what_v2_cannot_do_is_an_error_that_names_its_pointer),
                cmocka_unit_test(a_controller_that_is_not_there_is_an_error_that_names_who_asked),
                cmocka_unit_test(words_of_v2_are_translated_for_v1_where_it_has_the_like),
                cmocka_unit_test(keys_of_unified_are_written_line_by_line_where_v2_has_the_controller),
                cmocka_unit_test(programs_and_lists_mean_what_the_rules_say),
                cmocka_unit_test(no_rules_refuse_every_device),
                cmocka_unit_test(a_part_of_a_wider_exception_cannot_be_listed),
                cmocka_unit_test(the_default_rules_make_a_dev_that_works),
                cmocka_unit_test(what_is_counted_asks_for_its_folder),
                cmocka_unit_test(a_record_of_something_else_is_refused),
                cmocka_unit_test(a_folder_that_is_gone_is_still_a_record),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
