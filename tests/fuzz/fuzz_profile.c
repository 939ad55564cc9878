/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as /linux/seccomp of a config.json: what is read and compiled is a program that answers every call. */
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

#include "plan/bpf_judge.h"
#include "plan/oci_seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void clean_profile(struct profile **p)
{
        profile_free(*p);
}

static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM };
static const uint32_t numbers[] = { 0, 1, 41, 102, 117, 135, 257, 322, 323, 359, 437, 455, 462, 5000, 0x40000000, 0x40000208, 0x400001ce, UINT32_MAX };

static void ask(const struct filter_program *p)
{
        for (size_t i = 0; i < ELEMENTS(arches) * ELEMENTS(numbers); i++) {
                struct seccomp_data d = { .arch = arches[i % ELEMENTS(arches)], .nr = (int)numbers[i / ELEMENTS(arches)], .args = { i, 1, UINT64_MAX } };
                uint32_t verdict;
                if (!bpf_judge(p->code, p->count, &d, &verdict))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN(clean_profile) struct profile *p = NULL;
        CLEAN_PROFILE_PROGRAM struct profile_program program = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        if (json_parse("config.json", (const char *)data, size, &d, &e) < 0)
                return 0;
        struct json_place top = json_top(&d, "config.json");
        if (oci_read_seccomp(&top, &p, &e) < 0) {
                if (!e.id[0] || p)
                        abort();
                return 0;
        }
        profile_describe(p, &t);
        if (profile_compile(p, &program, &e) < 0) {
                if (!e.id[0])
                        abort();
                return 0;
        }
        ask(&program.filter);
        return 0;
}
