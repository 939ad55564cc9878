/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One program per group decides on devices.  It is made and loaded here: it has no maps, calls nothing and branches forward only, so
 * that a library would add nothing but its size to the hot path.
 */
#include "os/cgroup_devices.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

void cgroup_device_program_done(struct cgroup_device_program *p)
{
        free(p->items);
        *p = (struct cgroup_device_program){ 0 };
}

enum { RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, WANTED = BPF_REG_2, TYPE = BPF_REG_3, MAJOR = BPF_REG_4, MINOR = BPF_REG_5, SCRATCH = BPF_REG_6 };

static void add(struct cgroup_device_program *p, uint8_t code, int dst, int src, int offset, int32_t immediate)
{
        p->items = xgrow(p->items, &p->room, p->count + 1, sizeof *p->items);
        p->items[p->count++] = (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = (int16_t)offset, .imm = immediate };
}

static void add_load(struct cgroup_device_program *p, int dst, size_t offset)
{
        add(p, BPF_LDX | BPF_MEM | BPF_W, dst, CONTEXT, (int)offset, 0);
}

static void add_answer(struct cgroup_device_program *p, bool allow)
{
        add(p, BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, allow);
        add(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

enum { SKIPS_MAX = 4 };

/* A jump over the rest of the rule, to be aimed at its end. */
static void add_skip(struct cgroup_device_program *p, uint8_t condition, int reg, int64_t value, size_t *skips, size_t *count)
{
        skips[(*count)++] = p->count;
        add(p, (uint8_t)(BPF_JMP32 | condition | BPF_K), reg, 0, 0, (int32_t)(uint32_t)value);
}

/*
 * Rules are tried from the last to the first.  An allowed access is taken out of what is wanted, and nothing being left allows;
 * a denied access that is still wanted refuses.  True where no rule before this one can be reached.
 */
static bool add_rule(struct cgroup_device_program *p, const struct cgroup_device_rule *rule)
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
                add(p, BPF_ALU | BPF_AND | BPF_K, WANTED, 0, 0, (int32_t)(CGROUP_ACCESS_ALL & ~rule->access));
                add_skip(p, BPF_JNE, WANTED, 0, skips, &count);
        } else if (!whole) {
                add(p, BPF_ALU | BPF_MOV | BPF_X, SCRATCH, WANTED, 0, 0);
                add(p, BPF_ALU | BPF_AND | BPF_K, SCRATCH, 0, 0, (int32_t)rule->access);
                add_skip(p, BPF_JEQ, SCRATCH, 0, skips, &count);
        }
        add_answer(p, rule->allow);
        for (size_t i = 0; i < count; i++)
                p->items[skips[i]].off = (int16_t)(p->count - skips[i] - 1);
        return last;
}

void cgroup_device_program_of(const struct cgroup_device_rule *rules, size_t count, struct cgroup_device_program *ret)
{
        struct cgroup_device_program p = { 0 };
        bool last = false;
        add_load(&p, WANTED, offsetof(struct bpf_cgroup_dev_ctx, access_type));
        add_load(&p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
        add_load(&p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
        add(&p, BPF_ALU | BPF_MOV | BPF_X, TYPE, WANTED, 0, 0);
        add(&p, BPF_ALU | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
        add(&p, BPF_ALU | BPF_RSH | BPF_K, WANTED, 0, 0, 16);
        for (size_t i = count; i-- > 0 && !last;)
                if (rules[i].access)
                        last = add_rule(&p, &rules[i]);
        if (!last)
                add_answer(&p, false);
        *ret = p;
}

static int bpf(int command, union bpf_attr *attr, size_t size)
{
        long r = syscall(SYS_bpf, command, attr, size);
        return r < 0 ? -errno : (int)r;
}

static int load(const struct cgroup_device_program *p)
{
        union bpf_attr attr = { 0 };
        attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        attr.insns = (uintptr_t)p->items;
        attr.insn_cnt = (uint32_t)p->count;
        attr.license = (uintptr_t)"LGPL-2.1-or-later";
        strcpy(attr.prog_name, "bulkhead_dev");
        return bpf(BPF_PROG_LOAD, &attr, sizeof attr);
}

static int attach(int folder_fd, int program_fd, int replaced_fd)
{
        union bpf_attr attr = { 0 };
        attr.target_fd = (uint32_t)folder_fd;
        attr.attach_bpf_fd = (uint32_t)program_fd;
        attr.attach_type = BPF_CGROUP_DEVICE;
        /* MULTI: groups below may have programs of their own; all that stand on the path must agree. */
        attr.attach_flags = BPF_F_ALLOW_MULTI | (replaced_fd >= 0 ? BPF_F_REPLACE : 0);
        attr.replace_bpf_fd = replaced_fd >= 0 ? (uint32_t)replaced_fd : 0;
        return bpf(BPF_PROG_ATTACH, &attr, sizeof attr);
}

static int detach(int folder_fd, int program_fd)
{
        union bpf_attr attr = { 0 };
        attr.target_fd = (uint32_t)folder_fd;
        attr.attach_bpf_fd = (uint32_t)program_fd;
        attr.attach_type = BPF_CGROUP_DEVICE;
        return bpf(BPF_PROG_DETACH, &attr, sizeof attr);
}

enum { PROGRAMS_MAX = 64 };

/* Descriptors of the programs on the folder itself. The count or -errno. */
static int present(int folder_fd, int *fds)
{
        uint32_t ids[PROGRAMS_MAX];
        union bpf_attr attr = { 0 };
        attr.query.target_fd = (uint32_t)folder_fd;
        attr.query.attach_type = BPF_CGROUP_DEVICE;
        attr.query.prog_ids = (uintptr_t)ids;
        attr.query.prog_cnt = PROGRAMS_MAX;
        int r = bpf(BPF_PROG_QUERY, &attr, sizeof attr), count = 0;
        for (uint32_t i = 0; r == 0 && i < attr.query.prog_cnt; i++) {
                union bpf_attr by_id = { 0 };
                by_id.prog_id = ids[i];
                int fd = bpf(BPF_PROG_GET_FD_BY_ID, &by_id, sizeof by_id);
                if (fd >= 0)
                        fds[count++] = fd;
                else if (fd != -ENOENT)
                        r = fd;
        }
        for (int i = 0; r < 0 && i < count; i++)
                fd_close(fds[i]);
        return r < 0 ? r : count;
}

int cgroup_device_program_attach(int folder_fd, const struct cgroup_device_program *p, bool fresh)
{
        int old[PROGRAMS_MAX];
        /* The kernel takes no O_PATH descriptor here. */
        CLEAN_FD int folder = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CLEAN_FD int program = folder < 0 ? -EBADF : load(p);
        if (folder < 0 || program < 0)
                return folder < 0 ? -errno : program;
        int count = fresh ? 0 : present(folder, old);
        if (count < 0)
                return count;
        int r = attach(folder, program, count > 0 ? old[0] : -EBADF);
        for (int i = 0; i < count; i++) {
                if (r == 0 && i > 0)
                        r = detach(folder, old[i]);
                fd_close(old[i]);
        }
        return r;
}
