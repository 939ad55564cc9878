/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_file_systems.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/exit_status.h"
#include "base/text.h"
#include "os/btf.h"
#include "os/file.h"

void cgroup_open_program_of(const struct cgroup_open_hook *h, const uint32_t *magics, size_t count, bool allow, struct bpf_program *ret)
{
        /* From the hook's first argument, a struct file, to the number of its file system; the kernel checks each step by its types. */
        const uint32_t steps[] = { 0, h->file_inode, h->inode_super, h->super_magic };
        struct bpf_program p = { 0 };
        for (size_t i = 0; i < ELEMENTS(steps); i++)
                bpf_add(&p, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_1, (int)steps[i], 0);
        size_t first = p.count;
        for (size_t i = 0; i < count; i++)
                bpf_add(&p, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, (int32_t)magics[i]);
        bpf_add_answer(&p, !allow);
        for (size_t i = 0; i < count; i++)
                bpf_land(&p, first + i);
        if (count)
                bpf_add_answer(&p, allow);
        *ret = p;
}

enum { LSM_LIST_MODULES = 461, LSM_NUMBER_OF_BPF = 110 };

static bool lists_bpf(void)
{
        uint64_t ids[64];
        uint32_t size = sizeof ids;
        long n = syscall(LSM_LIST_MODULES, ids, &size, 0);
        for (long i = 0; i < n; i++)
                if (ids[i] == LSM_NUMBER_OF_BPF)
                        return true;
        return false;
}

/*
 * Without "bpf" among its security modules the kernel loads such programs, ties them, and never asks them.  Newer kernels (Linux 6.8) say
 * by a call which modules there are; older ones in a file.
 */
static bool is_asked(void)
{
        CLEAN_TEXT struct text t = { 0 };
        if (lists_bpf())
                return true;
        if (file_read(AT_FDCWD, "/sys/kernel/security/lsm", 4096, &t) < 0)
                return false;
        for (char *rest = t.data, *word; (word = strsep(&rest, ",\n"));)
                if (text_equal(word, "bpf"))
                        return true;
        return false;
}

static int refused(int r, const char *why, const char *origin, struct error *e)
{
        error_errno(e, r, "bpf.lsm", "%s for %s", why, origin);
        error_hint(e, "takes root, Linux 6.0 with CONFIG_BPF_LSM and CONFIG_DEBUG_INFO_BTF, and bpf in /sys/kernel/security/lsm (lsm= on the kernel's command line)");
        error_status(e, STATUS_CGROUP);
        return r;
}

int cgroup_programs_add_open(struct cgroup_programs *l, const uint32_t *magics, size_t count, bool allow, const char *origin, struct error *e)
{
        struct cgroup_open_hook h;
        const struct btf_question questions[] = { { NULL, "bpf_lsm_file_open", &h.function }, { "file", "f_inode", &h.file_inode },
                                                  { "inode", "i_sb", &h.inode_super }, { "super_block", "s_magic", &h.super_magic } };
        CLEAN_PROGRAM struct bpf_program p = { 0 };
        struct error own = { 0 };
        if (!is_asked())
                return refused(-EOPNOTSUPP, "the kernel asks no BPF programs about opening files: not applied", origin, e);
        int r = btf_ask(BTF_KERNEL, questions, ELEMENTS(questions));
        if (r < 0)
                return refused(r, "reading " BTF_KERNEL, origin, e);
        cgroup_open_program_of(&h, magics, count, allow, &p);
        /* The kernel takes programs at these hooks under the GPL alone, to which ours may be changed (LGPL 2.1, section 3). */
        const struct bpf_kind kind = { BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, "bulkhead_open", "GPL", h.function };
        r = cgroup_programs_load(l, &kind, &p, origin, &own);
        if (r < 0)
                return refused(r, "loading a program", origin, e);
        l->items[l->count - 1].at_exec = true;
        return 0;
}
