/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a seccomp program returns for a call, worked out here: for calls that an observer answers in the kernel's place,
 * and for tests.  A kernel may be built or booted without 32-bit calls, and then only this judges the filters for them.
 */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* False when the program is none that the kernel takes: an unknown instruction, or one that leads out of it. */
static inline bool bpf_judge(const struct sock_filter *code, size_t count, const struct seccomp_data *data, uint32_t *ret)
{
        uint32_t a = 0, memory[BPF_MEMWORDS] = { 0 };
        for (size_t at = 0; at < count; at++) {
                const struct sock_filter *i = &code[at];
                bool in_data = i->k <= sizeof *data - 4 && i->k % 4 == 0, in_memory = i->k < BPF_MEMWORDS;
                switch (i->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        if (!in_data)
                                return false;
                        memcpy(&a, (const char *)data + i->k, 4);
                        break;
                case BPF_LD | BPF_MEM:
                        if (!in_memory)
                                return false;
                        a = memory[i->k];
                        break;
                case BPF_ST:
                        if (!in_memory)
                                return false;
                        memory[i->k] = a;
                        break;
                case BPF_ALU | BPF_AND | BPF_K: a &= i->k; break;
                case BPF_JMP | BPF_JA: at += i->k; break;
                case BPF_JMP | BPF_JEQ | BPF_K: at += a == i->k ? i->jt : i->jf; break;
                case BPF_JMP | BPF_JGT | BPF_K: at += a > i->k ? i->jt : i->jf; break;
                case BPF_JMP | BPF_JGE | BPF_K: at += a >= i->k ? i->jt : i->jf; break;
                case BPF_JMP | BPF_JSET | BPF_K: at += a & i->k ? i->jt : i->jf; break;
                case BPF_RET | BPF_K: *ret = i->k; return true;
                default: return false;
                }
        }
        return false;
}
