/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/btf.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "os/btf.h"
#include "os/cgroup_file_systems.h"

/* A description with "struct file { f_mode; f_inode }" behind types of several kinds, and the function "bpf_lsm_file_open". */
static const char strings[] = "\0file\0f_mode\0f_inode\0bpf_lsm_file_open\0int";
enum { FILE_NAME = 1, F_MODE = 6, F_INODE = 13, FUNCTION = 21, INT_NAME = 39 };

static size_t describe(char *data)
{
        const uint32_t types[] = {
                INT_NAME, BTF_KIND_INT << 24, 4, 32,                                           /* 1 */
                0, BTF_KIND_PTR << 24, 1,                                                      /* 2 */
                0, BTF_KIND_ENUM << 24 | 2, 4, 0, 0, 0, 1,                                     /* 3 */
                0, BTF_KIND_FUNC_PROTO << 24 | 1, 1, 0, 2,                                     /* 4 */
                FILE_NAME, BTF_KIND_FWD << 24, 0,                                              /* 5: another thing of that name */
                FILE_NAME, BTF_KIND_STRUCT << 24 | 2, 32, F_MODE, 1, 0, F_INODE, 2, 128,       /* 6 */
                FUNCTION, BTF_KIND_FUNC << 24, 4,                                              /* 7 */
        };
        const struct btf_header h = { .magic = BTF_MAGIC, .version = 1, .hdr_len = sizeof h, .type_len = sizeof types, .str_off = sizeof types, .str_len = sizeof strings };
        memcpy(data, &h, sizeof h);
        memcpy(data + sizeof h, types, sizeof types);
        memcpy(data + sizeof h + sizeof types, strings, sizeof strings);
        return sizeof h + sizeof types + sizeof strings;
}

static int ask(const void *data, size_t size, uint32_t *ret_function, uint32_t *ret_inode)
{
        const struct btf_question questions[] = { { NULL, "bpf_lsm_file_open", ret_function }, { "file", "f_inode", ret_inode } };
        return btf_ask_data(data, size, questions, ELEMENTS(questions));
}

static void members_and_functions_are_found(void **state)
{
        char data[512];
        uint32_t function = 0, inode = 0;
        size_t size = describe(data);
        (void)state;
        assert_int_equal(ask(data, size, &function, &inode), 0);
        assert_int_equal(function, 7);
        assert_int_equal(inode, 16);
        const struct btf_question missing = { "file", "f_nothing", &inode }, no_structure = { "inode", "i_sb", &inode };
        assert_int_equal(btf_ask_data(data, size, &missing, 1), -ENOENT);
        assert_int_equal(btf_ask_data(data, size, &no_structure, 1), -ENOENT);
}

static void what_is_cut_or_changed_is_survived(void **state)
{
        char data[512], changed[512];
        uint32_t a, b;
        size_t size = describe(data);
        (void)state;
        for (size_t length = 0; length < size; length++) {
                CLEAN_FREE char *exact = xalloc(1, length);
                memcpy(exact, data, length);
                assert_true(ask(exact, length, &a, &b) < 0);
        }
        for (size_t at = 0; at < size; at++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        memcpy(changed, data, size);
                        changed[at] ^= (char)(1 << bit);
                        CLEAN_FREE char *exact = xalloc(1, size);
                        memcpy(exact, changed, size);
                        (void)ask(exact, size, &a, &b);
                }
}

static void the_kernel_describes_itself(void **state)
{
        uint32_t inode = 0, super = 0, magic = 0;
        const struct btf_question questions[] = { { "file", "f_inode", &inode }, { "inode", "i_sb", &super }, { "super_block", "s_magic", &magic } };
        (void)state;
        if (access(BTF_KERNEL, R_OK) < 0)
                skip();
        assert_int_equal(btf_ask(BTF_KERNEL, questions, ELEMENTS(questions)), 0);
        assert_true(super > 0 && magic > 0 && inode < 512 && super < 1024 && magic < 1024);
}

/* The answer for a file of this file system, by following the program through structures of our own. */
static int judge(const struct bpf_program *p, uint32_t magic)
{
        uint64_t super[4] = { [2] = magic }, inode[4] = { [1] = (uintptr_t)super }, file[4] = { [3] = (uintptr_t)inode }, context[1] = { (uintptr_t)file };
        uint64_t at = (uintptr_t)context, result = 9;
        for (size_t i = 0; i < p->count; i++) {
                const struct bpf_insn *n = &p->items[i];
                if (n->code == (BPF_LDX | BPF_MEM | BPF_DW))
                        at = *(uint64_t *)(uintptr_t)(at + (uint64_t)n->off);
                else if (n->code == (BPF_JMP32 | BPF_JEQ | BPF_K))
                        i += (uint32_t)at == (uint32_t)n->imm ? (size_t)n->off : 0;
                else if (n->code == (BPF_ALU64 | BPF_MOV | BPF_K))
                        result = (uint64_t)n->imm;
                else
                        return (int)result;
        }
        return -1;
}

static void programs_know_their_file_systems(void **state)
{
        const struct cgroup_open_hook h = { 1, 24, 8, 16 };
        const uint32_t magics[] = { 0x9fa0, 0xf2f52010, 0x01021994 };
        (void)state;
        for (int allow = 0; allow < 2; allow++)
                for (size_t count = 0; count <= ELEMENTS(magics); count++) {
                        CLEAN_PROGRAM struct bpf_program p = { 0 };
                        cgroup_open_program_of(&h, magics, count, allow, &p);
                        for (size_t i = 0; i < ELEMENTS(magics); i++)
                                assert_int_equal(judge(&p, magics[i]), (i < count) == allow);
                        assert_int_equal(judge(&p, 0xef53), !allow);
                }
}

static void a_refusal_says_why(void **state)
{
        CLEAN_PROGRAMS struct cgroup_programs programs = { 0 };
        struct error e = { 0 };
        (void)state;
        if (cgroup_programs_add_open(&programs, (const uint32_t[]){ 0x9fa0 }, 1, false, "RestrictFileSystems=~proc", &e) == 0) {
                assert_true(programs.count == 1 && programs.items[0].at_exec);
                return;
        }
        assert_string_equal(e.id, "bpf.lsm");
        assert_int_equal(e.exit_status, 219);
        assert_non_null(strstr(e.cause, "RestrictFileSystems=~proc"));
        assert_non_null(strstr(e.hint, "/sys/kernel/security/lsm"));
        assert_int_equal(programs.count, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(members_and_functions_are_found), cmocka_unit_test(what_is_cut_or_changed_is_survived), cmocka_unit_test(the_kernel_describes_itself),
                cmocka_unit_test(programs_know_their_file_systems), cmocka_unit_test(a_refusal_says_why),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
