/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's description of its own types (BTF), as far as programs need it that look into them: where members are. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A member of a structure: its offset in bytes is written to ret.  Without structure: a function, whose number is written. */
struct btf_question {
        const char *structure, *name;
        uint32_t *ret;
};
/* All answers, or -errno: -ENOENT where one is not there, -EBADMSG where this is no description, and what reading gives. */
int btf_ask(const char *path, const struct btf_question *questions, size_t count);
/* The same of a description in memory. */
int btf_ask_data(const void *data, size_t size, const struct btf_question *questions, size_t count);
/* Where the kernel has its own. */
#define BTF_KERNEL "/sys/kernel/btf/vmlinux"
