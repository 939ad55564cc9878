/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program per group decides on devices.  It has no maps and calls nothing. */
#include "os/cgroup_devices.h"

#include <fcntl.h>
#include <stdint.h>

enum { RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, WANTED = BPF_REG_2, TYPE = BPF_REG_3, MAJOR = BPF_REG_4, MINOR = BPF_REG_5, SCRATCH = BPF_REG_6 };

static void add_load(struct bpf_program *p, int dst, size_t offset)
{
        bpf_add(p, BPF_LDX | BPF_MEM | BPF_W, dst, CONTEXT, (int)offset, 0);
}

enum { SKIPS_MAX = 4 };

/* A jump over the rest of the rule, to be aimed at its end. */
static void add_skip(struct bpf_program *p, uint8_t condition, int reg, int64_t value, size_t *skips, size_t *count)
{
        skips[(*count)++] = p->count;
        bpf_add(p, (uint8_t)(BPF_JMP32 | condition | BPF_K), reg, 0, 0, (int32_t)(uint32_t)value);
}

/*
 * Rules are tried from the last to the first.  An allowed access is taken out of what is wanted, and nothing being left allows;
 * a denied access that is still wanted refuses.  True where no rule before this one can be reached.
 */
static bool add_rule(struct bpf_program *p, const struct cgroup_device_rule *rule)
{
        size_t skips[SKIPS_MAX], count = 0;
        if (rule->type != 'a')
                add_skip(p, BPF_JNE, TYPE, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, skips, &count);
        if (rule->major >= 0)
                add_skip(p, BPF_JNE, MAJOR, rule->major, skips, &count);
        if (rule->minor >= 0)
                add_skip(p, BPF_JNE, MINOR, rule->minor, skips, &count);
        bool whole = rule->access == CGROUP_ACCESS_ALL, last = whole && count == 0;
        if (!whole && rule->allow) {
                bpf_add(p, BPF_ALU | BPF_AND | BPF_K, WANTED, 0, 0, (int32_t)(CGROUP_ACCESS_ALL & ~rule->access));
                add_skip(p, BPF_JNE, WANTED, 0, skips, &count);
        } else if (!whole) {
                bpf_add(p, BPF_ALU | BPF_MOV | BPF_X, SCRATCH, WANTED, 0, 0);
                bpf_add(p, BPF_ALU | BPF_AND | BPF_K, SCRATCH, 0, 0, (int32_t)rule->access);
                add_skip(p, BPF_JEQ, SCRATCH, 0, skips, &count);
        }
        bpf_add_answer(p, rule->allow);
        for (size_t i = 0; i < count; i++)
                bpf_land(p, skips[i]);
        return last;
}

void cgroup_device_program_of(const struct cgroup_device_rule *rules, size_t count, struct bpf_program *ret)
{
        struct bpf_program p = { 0 };
        bool last = false;
        add_load(&p, WANTED, offsetof(struct bpf_cgroup_dev_ctx, access_type));
        add_load(&p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
        add_load(&p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
        bpf_add(&p, BPF_ALU | BPF_MOV | BPF_X, TYPE, WANTED, 0, 0);
        bpf_add(&p, BPF_ALU | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
        bpf_add(&p, BPF_ALU | BPF_RSH | BPF_K, WANTED, 0, 0, 16);
        for (size_t i = count; i-- > 0 && !last;)
                if (rules[i].access)
                        last = add_rule(&p, &rules[i]);
        if (!last)
                bpf_add_answer(&p, false);
        *ret = p;
}

static const struct bpf_kind kind = { BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, "bulkhead_dev", NULL, 0 };

int cgroup_device_program_attach(int folder_fd, const struct bpf_program *p, bool fresh)
{
        int old[BPF_PRESENT_MAX];
        /* The kernel takes no O_PATH descriptor here. */
        CLEAN_FD int folder = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CLEAN_FD int program = folder < 0 ? -EBADF : bpf_load(&kind, p);
        if (folder < 0 || program < 0)
                return folder < 0 ? -errno : program;
        int count = fresh ? 0 : bpf_present(&kind, folder, old);
        if (count < 0)
                return count;
        int r = bpf_attach(&kind, folder, program, count > 0 ? old[0] : -EBADF);
        for (int i = 0; i < count; i++) {
                if (r == 0 && i > 0)
                        r = bpf_detach(&kind, folder, old[i]);
                fd_close(old[i]);
        }
        return r;
}
