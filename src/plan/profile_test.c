/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "os/seccomp.h"
#include "plan/bpf_judge.h"
#include "plan/oci_seccomp.h"
#include "plan/profile.h"

#define ERRNO(n) (SECCOMP_RET_ERRNO | (n))
#define KILL SECCOMP_RET_KILL_PROCESS
#define ALLOW SECCOMP_RET_ALLOW

static void clean_profile(struct profile **p)
{
        profile_free(*p);
}
#define CLEAN_PROFILE CLEAN(clean_profile)

static int read_profile(const char *text, struct profile **ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("config.json", text, strlen(text), &d, e);
        if (r < 0)
                return r;
        struct json_place top = json_top(&d, "config.json");
        return oci_read_seccomp(&top, ret, e);
}

static void compile(const char *text, struct profile_program *ret)
{
        CLEAN_PROFILE struct profile *p = NULL;
        struct error e = { 0 };
        if (read_profile(text, &p, &e) < 0 || profile_compile(p, ret, &e) < 0)
                fail_msg("%s: %s", text, e.cause);
}

static uint32_t judge(const struct filter_program *p, const struct seccomp_data *data)
{
        uint32_t verdict = 0;
        if (!bpf_judge(p->code, p->count, data, &verdict))
                fail_msg("not a program that the kernel takes");
        return verdict;
}

/* The errors that config.json's reader finds, and where it says that they are. */
static void what_cannot_be_kept_is_an_error_that_names_its_place(void **state)
{
        (void)state;
        static const struct {
                const char *text, *cause;
        } rows[] = {
                { "{}", "/defaultAction: is missing" },
                { "[]", "expected an object" },
                { "{'defaultAction':'SCMP_ACT_KIL'}", "/defaultAction: unknown word \"SCMP_ACT_KIL\"" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','defaultErrnoRet':1}", "/defaultErrnoRet: only SCMP_ACT_ERRNO" },
                { "{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':4095}", "/defaultErrnoRet: is not from 0 to 4094" },
                { "{'defaultAction':'SCMP_ACT_TRACE','defaultErrnoRet':65536}", "/defaultErrnoRet: is not from 0 to 65535" },
                { "{'defaultAction':'SCMP_ACT_NOTIFY','listenerPath':'/a'}", "/defaultAction: SCMP_ACT_NOTIFY cannot" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X86','VAX']}", "/architectures/1: unknown" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_NEW_LISTENER']}", "/flags/0: unknown" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','listenerMetadata':'x'}", "/listenerMetadata: is set without listenerPath" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'action':'SCMP_ACT_ALLOW'}]}", "/syscalls/0/names: is missing" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':[],'action':'SCMP_ACT_LOG'}]}", "/syscalls/0/names: names no" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['read']}]}", "/syscalls/0/action: is missing" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['read'],'action':'SCMP_ACT_TRAP','errnoRet':5}]}",
                  "/syscalls/0/errnoRet: only" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['mount'],'action':'SCMP_ACT_NOTIFY'}]}",
                  "/listenerPath: is missing" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'a','syscalls':[{'names':['mount'],'action':'SCMP_ACT_NOTIFY'}]}",
                  "/listenerPath: is not an absolute path" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/a','syscalls':[{'names':['read','write'],'action':'SCMP_ACT_NOTIFY'}]}",
                  "/syscalls/0/names: SCMP_ACT_NOTIFY cannot be used for write" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['read'],'action':'SCMP_ACT_TRAP','args':[{'index':6,'value':0,"
                  "'op':'SCMP_CMP_EQ'}]}]}",
                  "/syscalls/0/args/0/index: is not from 0 to 5" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['read'],'action':'SCMP_ACT_TRAP','args':[{'index':0,"
                  "'op':'SCMP_CMP_EQ'}]}]}",
                  "/syscalls/0/args/0/value: is missing" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['read'],'action':'SCMP_ACT_TRAP','args':[{'index':0,"
                  "'value':-1,'op':'SCMP_CMP_EQ'}]}]}",
                  "/syscalls/0/args/0/value: is not from" },
                { "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['read'],'action':'SCMP_ACT_TRAP','args':[{'index':0,"
                  "'value':1,'op':'SCMP_CMP_IN'}]}]}",
                  "/syscalls/0/args/0/op: unknown" },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_PROFILE struct profile *p = NULL;
                CLEAN_FREE char *text = xstrdup(rows[i].text);
                struct error e = { 0 };
                for (char *s = text; *s; s++)
                        *s = *s == '\'' ? '"' : *s;
                if (read_profile(text, &p, &e) != -EINVAL || !strstr(e.cause, rows[i].cause) || p)
                        fail_msg("%s: \"%s\" instead of \"%s\"", text, e.cause, rows[i].cause);
                assert_string_equal(e.id, "json.value");
        }
}

static void numbers_of_64_bits_are_kept_and_actions_have_their_numbers(void **state)
{
        (void)state;
        CLEAN_PROFILE struct profile *p = NULL;
        struct error e = { 0 };
        static const char text[] =
                "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"],"
                "\"architectures\":[\"SCMP_ARCH_X86\"],\"listenerPath\":\"/run/a\",\"listenerMetadata\":\"m\",\"syscalls\":["
                "{\"names\":[\"read\",\"open\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65535,\"args\":[{\"index\":5,\"value\":18446744073709551615,"
                "\"valueTwo\":9223372036854775809,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_NOTIFY\"},"
                "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"},{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0}]}";
        assert_int_equal(read_profile(text, &p, &e), 0);
        assert_int_equal(p->default_action, ERRNO(38));
        assert_int_equal(p->flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC);
        assert_int_equal(p->rule_count, 4);
        assert_int_equal(p->rules[0].names.count, 2);
        assert_int_equal(p->rules[0].action, SECCOMP_RET_TRACE | 65535);
        assert_int_equal(p->rules[0].args[0].index, 5);
        assert_int_equal(p->rules[0].args[0].op, PROFILE_MASKED_EQ);
        assert_true(p->rules[0].args[0].value == UINT64_MAX);
        assert_true(p->rules[0].args[0].value_two == UINT64_C(9223372036854775809));
        assert_int_equal(p->rules[1].action, SECCOMP_RET_USER_NOTIF);
        assert_int_equal(p->rules[2].action, ERRNO(EPERM));
        assert_int_equal(p->rules[3].action, ERRNO(0));
        assert_string_equal(p->listener_path, "/run/a");
        assert_string_equal(p->listener_metadata, "m");
}

#if defined(__x86_64__)

enum { X64 = AUDIT_ARCH_X86_64, X86 = AUDIT_ARCH_I386, X32_BIT = 0x40000000 };

#define ALL_X86 "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]"
#define KILL_DEFAULT "\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\""
#define ALLOW_DEFAULT "\"defaultAction\":\"SCMP_ACT_ALLOW\""
#define RULE(name, action, more) "{\"names\":[\"" name "\"],\"action\":\"SCMP_ACT_" action "\"" more "}"
#define ARG(index, op, value) "{\"index\":" #index ",\"op\":\"SCMP_CMP_" op "\",\"value\":" #value "}"
#define ARGS(list) ",\"args\":[" list "]"

/* Numbers: read 0 (x86: 3), write 1 (4), getpid 39 (20), openat2 437, futex_wait 455, mseal 462. */
static void each_profile_answers_each_call_as_the_specification_says(void **state)
{
        (void)state;
        static const struct {
                const char *profile;
                uint32_t arch;
                int nr;
                uint64_t args[3];
                uint32_t verdict;
        } rows[] = {
                /* every action, and the default one */
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", "") "]}", X64, 0, { 0 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", "") "]}", X64, 1, { 0 }, KILL },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "KILL", "") "]}", X64, 0, { 0 }, SECCOMP_RET_KILL_THREAD },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "KILL_THREAD", "") "]}", X64, 0, { 0 }, SECCOMP_RET_KILL_THREAD },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "KILL_PROCESS", "") "]}", X64, 0, { 0 }, KILL },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "TRAP", "") "]}", X64, 0, { 0 }, SECCOMP_RET_TRAP },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "LOG", "") "]}", X64, 0, { 0 }, SECCOMP_RET_LOG },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "ERRNO", "") "]}", X64, 0, { 0 }, ERRNO(EPERM) },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "ERRNO", ",\"errnoRet\":0") "]}", X64, 0, { 0 }, ERRNO(0) },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "ERRNO", ",\"errnoRet\":4094") "]}", X64, 0, { 0 }, ERRNO(4094) },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("read", "TRACE", ",\"errnoRet\":7") "]}", X64, 0, { 0 }, SECCOMP_RET_TRACE | 7 },
                { "{" ALLOW_DEFAULT ",\"listenerPath\":\"/a\",\"syscalls\":[" RULE("read", "NOTIFY", "") "]}",
                  X64, 0, { 0 }, SECCOMP_RET_USER_NOTIF },
                { "{" ALLOW_DEFAULT ",\"listenerPath\":\"/a\",\"syscalls\":[" RULE("sendmsg", "NOTIFY", "") "]}",
                  X64, 46, { 0 }, SECCOMP_RET_USER_NOTIF },
                { "{\"defaultAction\":\"SCMP_ACT_ERRNO\"}", X64, 39, { 0 }, ERRNO(EPERM) },
                { "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":13}", X64, 39, { 0 }, ERRNO(EACCES) },
                { "{" ALLOW_DEFAULT "}", X64, 39, { 0 }, ALLOW },
                { "{" ALLOW_DEFAULT "}", X64, 5000, { 0 }, ALLOW },

                /* every operator, on both halves */
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(2, "EQ", 4294967301))) "]}", X64, 0, { 0, 0, 0x100000005 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(2, "EQ", 4294967301))) "]}", X64, 0, { 0, 0, 5 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(2, "NE", 5))) "]}", X64, 0, { 0, 0, 0x100000005 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(2, "NE", 5))) "]}", X64, 0, { 0, 0, 5 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "LT", 4294967296))) "]}", X64, 0, { 0, 0xffffffff }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "LT", 4294967296))) "]}", X64, 0, { 0, 0x100000000 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "LE", 4294967296))) "]}", X64, 0, { 0, 0x100000000 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "LE", 4294967296))) "]}", X64, 0, { 0, 0x100000001 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "GE", 4294967296))) "]}", X64, 0, { 0, 0x100000000 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "GE", 4294967296))) "]}", X64, 0, { 0, 0xffffffff }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "GT", 4294967296))) "]}", X64, 0, { 0, 0x200000000 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(1, "GT", 4294967296))) "]}", X64, 0, { 0, 0x100000000 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("clone", "ALLOW", ARGS("{\"index\":0,\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":2114060288,\"valueTwo\":0}")) "]}",
                  X64, 56, { 0x11 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("clone", "ALLOW", ARGS("{\"index\":0,\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":2114060288,\"valueTwo\":0}")) "]}",
                  X64, 56, { 0x10000011 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("clone", "ALLOW", ARGS("{\"index\":0,\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":12,\"valueTwo\":8}")) "]}",
                  X64, 56, { 0x100000019 }, ALLOW },

                /* conditions of one rule: all; on one argument: any; rules: any */
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1) "," ARG(1, "EQ", 2))) "]}", X64, 0, { 1, 2 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1) "," ARG(1, "EQ", 2))) "]}", X64, 0, { 1, 3 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1) "," ARG(0, "EQ", 2))) "]}", X64, 0, { 2 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1) "," ARG(0, "EQ", 2))) "]}", X64, 0, { 3 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1) "," ARG(0, "EQ", 2) "," ARG(1, "EQ", 9))) "]}",
                  X64, 0, { 3, 9 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1))) "," RULE("read", "ALLOW", ARGS(ARG(1, "EQ", 9))) "]}",
                  X64, 0, { 3, 9 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", ARGS(ARG(0, "EQ", 1))) "," RULE("read", "TRAP", "") "]}", X64, 0, { 1 }, SECCOMP_RET_TRAP },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", "") "," RULE("read", "ALLOW", "") "]}", X64, 0, { 0 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", "") "," RULE("read", "TRAP", "") "]}", X64, 0, { 0 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "KILL_PROCESS", "") "," RULE("read", "ALLOW", "") "]}", X64, 0, { 0 }, ALLOW },

                /* architectures */
                { "{" ALLOW_DEFAULT "}", X86, 20, { 0 }, KILL },
                { "{" ALLOW_DEFAULT "}", X64, X32_BIT | 39, { 0 }, KILL },
                { "{" ALLOW_DEFAULT "}", AUDIT_ARCH_ARM, 20, { 0 }, KILL },
                { "{" ALLOW_DEFAULT "," ALL_X86 "}", X86, 20, { 0 }, ALLOW },
                { "{" ALLOW_DEFAULT "," ALL_X86 "}", X64, X32_BIT | 39, { 0 }, ALLOW },
                { "{" ALLOW_DEFAULT ",\"architectures\":[\"SCMP_ARCH_ARM\",\"SCMP_ARCH_S390X\",\"SCMP_ARCH_LOONGARCH64\"]}", X64, 39, { 0 }, ALLOW },
                { "{" ALLOW_DEFAULT ",\"architectures\":[\"SCMP_ARCH_ARM\",\"SCMP_ARCH_S390X\"]}", AUDIT_ARCH_ARM, 20, { 0 }, KILL },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("getpid", "ALLOW", "") "]}", X86, 20, { 0 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("getpid", "ALLOW", "") "]}", X86, 39, { 0 }, KILL },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("getpid", "ALLOW", "") "]}", X64, X32_BIT | 39, { 0 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("waitpid", "ALLOW", "") "]}", X86, 7, { 0 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("waitpid", "ALLOW", "") "]}", X64, 7, { 0 }, KILL },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("bind", "ALLOW", "") "]}", X86, 102, { 2 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("bind", "ALLOW", "") "]}", X86, 102, { 3 }, KILL },
                { "{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("shmat", "ERRNO", "") "]}", X86, 117, { 21 }, ERRNO(EPERM) },
                { "{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("shmat", "ERRNO", "") "]}", X86, 117, { 0x20015 }, ERRNO(ENOSYS) },
                { "{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("shmat", "ERRNO", "") "]}", X86, 117, { 23 }, ALLOW },
                { "{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("shmat", "ERRNO", "") "]}", X64, 117, { 0x20015 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("shmat", "ALLOW", "") "]}", X86, 117, { 0x20015 }, KILL },

                /* calls newer than what is named; x32's numbers from 512 to 547 are old ones */
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", "") "]}", X64, 322, { 0 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("read", "ALLOW", "") "]}", X64, 323, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 436, { 0 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 438, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "KILL_PROCESS", "") "]}", X64, 436, { 0 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "KILL_PROCESS", "") "]}", X64, 438, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 9999, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 9999, { 0 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X86, 9999, { 0 }, KILL },
                { "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 438, { 0 }, ERRNO(ENOSYS) },
                { "{\"defaultAction\":\"SCMP_ACT_TRAP\",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 438, { 0 }, ERRNO(ENOSYS) },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 438, { 0 }, ERRNO(ENOSYS) },
                { "{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 438, { 0 }, SECCOMP_RET_LOG },
                { "{\"defaultAction\":\"SCMP_ACT_TRACE\",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, 438, { 0 }, SECCOMP_RET_TRACE | EPERM },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X86, 438, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X86, 437, { 0 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X86, 359, { 0 }, KILL },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 437, { 0 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 438, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 511, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 512, { 0 }, KILL },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 547, { 0 }, KILL },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("openat2", "ALLOW", "") "]}", X64, X32_BIT | 548, { 0 }, ERRNO(ENOSYS) },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("execve", "ALLOW", "") "]}", X64, X32_BIT | 520, { 0 }, ALLOW },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("execve", "ALLOW", "") "]}", X64, X32_BIT | 438, { 0 }, ERRNO(ENOSYS) },

                /* calls younger than the library */
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("futex_wait", "ALLOW", "") "]}", X64, 455, { 0 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("futex_wait", "ALLOW", "") "]}", X64, 454, { 0 }, KILL },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("futex_wait", "ALLOW", "") "]}", X64, 456, { 0 }, ERRNO(ENOSYS) },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("futex_wait", "ERRNO", "") "]}", X64, 455, { 0 }, ERRNO(EPERM) },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("futex_wait", "ERRNO", "") "]}", X86, 455, { 0 }, KILL },
                { "{" ALLOW_DEFAULT ",\"syscalls\":[" RULE("futex_wait", "ERRNO", "") "]}", X64, X32_BIT | 455, { 0 }, KILL },
                { "{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("futex_wait", "ERRNO", "") "]}", X86, 455, { 0 }, ERRNO(EPERM) },
                { "{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("futex_wait", "ERRNO", "") "]}", X64, X32_BIT | 455, { 0 }, ERRNO(EPERM) },
                { "{" KILL_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("futex_wait", "TRAP", "") "," RULE("mseal", "ALLOW", "") "]}",
                  X64, X32_BIT | 462, { 0 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("mseal", "ALLOW", ARGS(ARG(0, "EQ", 1))) "," RULE("mseal", "TRAP", "") "]}",
                  X64, 462, { 1 }, SECCOMP_RET_TRAP },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("mseal", "ALLOW", "") "," RULE("mseal", "TRAP", "") "]}", X64, 462, { 1 }, ALLOW },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("mseal", "ALLOW", ARGS(ARG(0, "EQ", 1))) "," RULE("mseal", "TRAP", ARGS(ARG(0, "EQ", 2))) "]}",
                  X64, 462, { 2 }, SECCOMP_RET_TRAP },
                { "{" KILL_DEFAULT ",\"syscalls\":[" RULE("mseal", "ALLOW", ARGS(ARG(0, "EQ", 1))) "," RULE("mseal", "TRAP", ARGS(ARG(0, "EQ", 2))) "]}",
                  X64, 462, { 3 }, KILL },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_PROFILE_PROGRAM struct profile_program p = { 0 };
                struct seccomp_data d = { .nr = rows[i].nr, .arch = rows[i].arch };
                memcpy(d.args, rows[i].args, sizeof rows[i].args);
                compile(rows[i].profile, &p);
                uint32_t verdict = judge(&p.filter, &d);
                if (verdict != rows[i].verdict)
                        fail_msg("row %zu, %s: call %#x of %#x gets %#x instead of %#x", i, rows[i].profile, d.nr, d.arch, verdict,
                                 rows[i].verdict);
        }
}

static bool holds(unsigned op, uint64_t a, uint64_t value, uint64_t two)
{
        switch (op) {
        case PROFILE_NE: return a != value;
        case PROFILE_LT: return a < value;
        case PROFILE_LE: return a <= value;
        case PROFILE_EQ: return a == value;
        case PROFILE_GE: return a >= value;
        case PROFILE_GT: return a > value;
        default: return (a & value) == (two & value);
        }
}

static const uint64_t edges[] = { 0, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000005, 0x7fffffffffffffff, UINT64_MAX };

/* mseal is younger than libseccomp, read is not: one goes through our own comparison, the other through the library's. */
static void all_operators_compare_both_halves_of_old_and_young_calls(void **state)
{
        (void)state;
        static char read_name[] = "read", mseal_name[] = "mseal", *names[] = { read_name, mseal_name };
        static const int numbers[] = { 0, 462 };
        for (unsigned n = 0; n < 2; n++) {
                for (unsigned op = 0; op < 7; op++) {
                        for (size_t i = 0; i < ELEMENTS(edges) * ELEMENTS(edges); i++) {
                                CLEAN_PROFILE_PROGRAM struct profile_program p = { 0 };
                                struct profile_arg arg = { 3, op, edges[i % 10], op == PROFILE_MASKED_EQ ? edges[i / 10] : 0 };
                                struct profile_rule rule = { .names = { &names[n], 1, 1 }, .action = ALLOW, .args = &arg, .arg_count = 1 };
                                struct profile profile = { .default_action = KILL, .rules = &rule, .rule_count = 1 };
                                if (op != PROFILE_MASKED_EQ && i / 10)
                                        break;
                                assert_int_equal(profile_compile(&profile, &p, NULL), 0);
                                for (size_t j = 0; j < ELEMENTS(edges); j++) {
                                        struct seccomp_data d = { .nr = numbers[n], .arch = X64, .args = { 0, 0, 0, edges[j] } };
                                        bool want = holds(op, edges[j], arg.value, arg.value_two);
                                        if (judge(&p.filter, &d) != (want ? ALLOW : KILL))
                                                fail_msg("%s: operator %u, %#lx against %#lx/%#lx", names[n], op, edges[j], arg.value, arg.value_two);
                                }
                        }
                }
        }
}

/* ---- against libseccomp ---- */

/* xorshift: the same everywhere. */
static uint64_t seed;
static uint32_t dice(uint32_t sides)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (uint32_t)(seed >> 32) % sides;
}

/* Of all kinds: behind multiplexers, only on i386, with other numbers on x32, new ones. */
static const char *const some_calls[] = {
        "read", "open", "openat", "clone", "execve", "ioctl", "bind", "socket", "sendmsg", "shmget", "msgrcv", "waitpid", "mmap", "mmap2",
        "getpid", "rt_sigaction", "ptrace", "personality", "openat2", "clone3", "faccessat2", "process_mrelease", "stat64", "arch_prctl",
        "futex", "futex_time64", "kill", "umount2", "mount", "setuid", "setuid32", "readv", "preadv2", "select", "_newselect",
};

static const uint32_t some_actions[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                                         SECCOMP_RET_ERRNO | 1, SECCOMP_RET_ERRNO | 13, SECCOMP_RET_TRACE | 3, SECCOMP_RET_LOG };

static struct profile *random_profile(void)
{
        struct profile *p = xalloc(1, sizeof *p);
        p->default_action = some_actions[dice(ELEMENTS(some_actions))];
        p->architectures = dice(8);
        p->rule_count = 1 + dice(dice(4) ? 12 : 40);
        p->rules = xalloc(p->rule_count, sizeof *p->rules);
        for (size_t i = 0; i < p->rule_count; i++) {
                struct profile_rule *r = &p->rules[i];
                r->action = some_actions[dice(ELEMENTS(some_actions))];
                for (uint32_t n = 1 + dice(3); n; n--)
                        strings_add(&r->names, some_calls[dice(ELEMENTS(some_calls))]);
                r->arg_count = dice(2) ? dice(4) : 0;
                r->args = xalloc(r->arg_count, sizeof *r->args);
                for (size_t j = 0; j < r->arg_count; j++)
                        r->args[j] = (struct profile_arg){ dice(3), dice(7), edges[dice(8)], edges[dice(8)] };
        }
        return p;
}

static const int operators[] = { SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ };

/* Adds one rule for one call; conditions on the same argument are rules of their own. */
static int add_reference(scmp_filter_ctx c, const struct profile_rule *r, const char *name)
{
        struct scmp_arg_cmp args[PROFILE_ARGS_MAX];
        bool split = false;
        for (size_t j = 0; j < r->arg_count; j++) {
                args[j] = (struct scmp_arg_cmp){ r->args[j].index, (enum scmp_compare)operators[r->args[j].op], r->args[j].value, r->args[j].value_two };
                for (size_t k = 0; k < j; k++)
                        split = split || args[k].arg == args[j].arg;
        }
        int nr = seccomp_syscall_resolve_name(name), s = 0;
        if (!split)
                return seccomp_rule_add_array(c, r->action, nr, (unsigned)r->arg_count, args);
        for (size_t j = 0; s == 0 && j < r->arg_count; j++)
                s = seccomp_rule_add_array(c, r->action, nr, 1, &args[j]);
        return s;
}

/* The tables, as bits of struct profile's architectures count them. */
static const uint32_t tables[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };

static bool table_has(size_t table, const char *name)
{
        int nr = seccomp_syscall_resolve_name_arch(tables[table], name);
        return nr >= 0 || (tables[table] == SCMP_ARCH_X86 && nr > -10000);
}

/* The same rules for one table as libseccomp itself translates them. -EEXIST: they contradict each other. */
static int compile_reference(const struct profile *p, size_t table, struct filter_program *ret)
{
        scmp_filter_ctx c = seccomp_init(p->default_action);
        int r = table ? seccomp_arch_add(c, tables[table]) : 0;
        if (r == 0 && table)
                r = seccomp_arch_remove(c, tables[0]);
        assert_int_equal(r, 0);
        for (size_t i = 0; r == 0 && i < p->rule_count; i++)
                for (size_t j = 0; r == 0 && p->rules[i].action != p->default_action && j < p->rules[i].names.count; j++)
                        if (table_has(table, p->rules[i].names.items[j]))
                                r = add_reference(c, &p->rules[i], p->rules[i].names.items[j]);
        if (r == 0)
                r = filter_export(c, NULL, 0, ret, NULL);
        seccomp_release(c);
        return r;
}

static bool has_table(const struct profile *p, size_t table)
{
        return table == 0 || p->architectures & 1U << table;
}

static size_t table_of(const struct seccomp_data *d)
{
        return d->arch == X86 ? 1 : d->nr & X32_BIT ? 2 : 0;
}

/* Of some_calls: those that i386 has behind a multiplexer and, later, directly. */
static int direct_number(const char *name)
{
        static const struct {
                const char *name;
                int nr;
        } rows[] = { { "socket", 359 }, { "bind", 361 }, { "sendmsg", 370 }, { "shmget", 395 }, { "msgrcv", 401 } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (!strcmp(rows[i].name, name))
                        return rows[i].nr;
        return -1;
}

/* The newest number that a profile names, as x86-64, i386 and x32 count. */
static uint32_t newest(const struct profile *p, uint32_t arch, uint32_t at_least, uint32_t below)
{
        uint32_t most = at_least;
        for (size_t i = 0; i < p->rule_count; i++) {
                for (size_t j = 0; j < p->rules[i].names.count; j++) {
                        int nr = seccomp_syscall_resolve_name_arch(arch, p->rules[i].names.items[j]);
                        if (arch == SCMP_ARCH_X86 && nr < 0)
                                nr = direct_number(p->rules[i].names.items[j]);
                        if (nr > (int)most && (uint32_t)nr < below)
                                most = (uint32_t)nr;
                }
        }
        return most;
}

/* Whether the call is one that we answer with ENOSYS instead. */
static bool is_newer(const struct profile *p, const struct seccomp_data *d)
{
        uint32_t action = p->default_action & SECCOMP_RET_ACTION_FULL, nr = (uint32_t)d->nr;
        if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || action == SECCOMP_RET_TRACE)
                return false;
        if (d->arch == X86)
                return p->architectures & 2 && nr > newest(p, SCMP_ARCH_X86, 358, UINT32_MAX);
        if (nr & X32_BIT)
                return p->architectures & 4 && nr > newest(p, SCMP_ARCH_X32, X32_BIT | 322, X32_BIT | 512) &&
                       (nr < (X32_BIT | 512) || nr > (X32_BIT | 547));
        return nr > newest(p, SCMP_ARCH_X86_64, 322, UINT32_MAX);
}

static struct seccomp_data random_call(const struct profile *p)
{
        uint32_t arch = tables[dice(3)];
        const struct strings *names = &p->rules[dice((uint32_t)p->rule_count)].names;
        int nr = seccomp_syscall_resolve_name_arch(arch, names->items[dice((uint32_t)names->count)]);
        struct seccomp_data d = { .arch = arch == SCMP_ARCH_X86 ? X86 : X64 };
        d.nr = dice(4) && nr >= 0 ? nr : (int)(dice(560) | (arch == SCMP_ARCH_X32 ? X32_BIT : 0));
        if (arch == SCMP_ARCH_X86 && nr < 0 && dice(2))
                d.nr = dice(2) ? 102 : 117; /* socketcall, ipc */
        for (size_t i = 0; i < 6; i++)
                d.args[i] = edges[dice(ELEMENTS(edges))] & (arch == SCMP_ARCH_X86 ? UINT32_MAX : UINT64_MAX);
        if (d.nr == 102 || d.nr == 117)
                d.args[0] = dice(25);
        return d;
}

struct counts {
        unsigned compared, contradictions, decided;
};

/* i386 has arguments, and so values, of 32 bits. */
static bool all_hold(const struct profile_arg *args, size_t count, const struct seccomp_data *d)
{
        uint64_t width = d->arch == X86 ? UINT32_MAX : UINT64_MAX;
        for (size_t i = 0; i < count; i++)
                if (!holds(args[i].op, d->args[args[i].index], args[i].value & width, args[i].value_two & width))
                        return false;
        return true;
}

static bool has_double_index(const struct profile_rule *r)
{
        for (size_t i = 0; i < r->arg_count; i++)
                for (size_t j = 0; j < i; j++)
                        if (r->args[i].index == r->args[j].index)
                                return true;
        return false;
}

static bool rule_holds(const struct profile_rule *r, const struct seccomp_data *d)
{
        if (!has_double_index(r))
                return all_hold(r->args, r->arg_count, d);
        for (size_t i = 0; i < r->arg_count; i++)
                if (all_hold(&r->args[i], 1, d))
                        return true;
        return false;
}

/* What the documentation says, worked out from the rules themselves; for calls that are behind no multiplexer. */
static uint32_t evaluate(const struct profile *p, const struct seccomp_data *d)
{
        const struct profile_rule *found = NULL;
        for (size_t i = 0; i < p->rule_count; i++) {
                const struct profile_rule *r = &p->rules[i];
                bool about = false;
                for (size_t j = 0; j < r->names.count; j++)
                        about = about || seccomp_syscall_resolve_name_arch(tables[table_of(d)], r->names.items[j]) == d->nr;
                if (!about || r->action == p->default_action)
                        continue;
                if (!r->arg_count)
                        return r->action;
                if (!found && rule_holds(r, d))
                        found = r;
        }
        return found ? found->action : p->default_action;
}

/* libseccomp looks at the lower half alone on x32, whose registers have 64 bits. */
static uint32_t expect(const struct profile *p, const struct filter_program *references, const struct seccomp_data *d)
{
        size_t table = table_of(d);
        if (!has_table(p, table))
                return KILL;
        if (is_newer(p, d))
                return ERRNO(ENOSYS);
        return references && table != 2 ? judge(&references[table], d) : evaluate(p, d);
}

/* Numbers that i386 shares between calls; there only libseccomp is asked. */
static bool is_plain(const struct seccomp_data *d)
{
        return d->arch != X86 || (d->nr != 102 && d->nr != 117 && (d->nr < 359 || d->nr > 402));
}

static void compare_calls(const struct profile *p, const struct filter_program *ours, const struct filter_program *references, struct counts *n)
{
        for (unsigned call = 0; call < 300; call++) {
                struct seccomp_data d = random_call(p);
                if (!references && !is_plain(&d))
                        continue;
                uint32_t verdict = judge(ours, &d), expected = expect(p, references, &d);
                if (verdict != expected)
                        fail_msg("call %#x of %#x gets %#x instead of %#x", d.nr, d.arch, verdict, expected);
                n->compared++;
                n->decided += expected != p->default_action && expected != KILL && expected != ERRNO(ENOSYS);
        }
}

static void compare_with_libseccomp(const struct profile *p, const struct profile_program *ours, struct counts *n)
{
        struct filter_program references[3] = { 0 };
        for (size_t i = 0; i < 3; i++)
                if (has_table(p, i))
                        assert_int_equal(compile_reference(p, i, &references[i]), 0);
        compare_calls(p, &ours->filter, references, n);
        for (size_t i = 0; i < 3; i++)
                filter_program_clear(&references[i]);
}

static void compare_profile(const struct profile *p, bool with_libseccomp, struct counts *n)
{
        CLEAN_PROFILE_PROGRAM struct profile_program ours = { 0 };
        struct error e = { 0 };
        int r = profile_compile(p, &ours, &e);
        if (r < 0) {
                assert_string_equal(e.id, "seccomp.contradiction");
                n->contradictions++;
        } else if (with_libseccomp) {
                compare_with_libseccomp(p, &ours, n);
        } else {
                compare_calls(p, &ours.filter, NULL, n);
        }
}

static void start_dice(unsigned round)
{
        seed = 0x9e3779b97f4a7c15 + round;
        for (int i = 0; i < 8; i++)
                (void)dice(2);
}

/* One rule for each call, without two conditions on one argument: libseccomp 2.5.4 does not end for some sets of more. */
static void make_simple(struct profile *p)
{
        size_t next = dice(ELEMENTS(some_calls));
        for (size_t i = 0; i < p->rule_count; i++) {
                struct profile_rule *r = &p->rules[i];
                strings_clear(&r->names);
                strings_add(&r->names, some_calls[next++ % ELEMENTS(some_calls)]);
                for (size_t j = 0; j < r->arg_count; j++)
                        r->args[j].index = (uint32_t)j;
        }
        while (p->rule_count > ELEMENTS(some_calls)) {
                struct profile_rule *r = &p->rules[--p->rule_count];
                strings_clear(&r->names);
                free(r->args);
        }
}

static void random_profiles_of_any_rules_answer_as_documented(void **state)
{
        (void)state;
        struct counts n = { 0 };
        for (unsigned round = 0; round < 600; round++) {
                start_dice(round);
                CLEAN_PROFILE struct profile *p = random_profile();
                compare_profile(p, false, &n);
        }
        assert_true(n.compared > 50000 && n.decided > 10000 && n.contradictions > 0);
}

static void random_profiles_answer_as_libseccomp_does(void **state)
{
        (void)state;
        struct counts n = { 0 };
        (void)seccomp_api_set(5);
        for (unsigned round = 0; round < 600; round++) {
                start_dice(round);
                CLEAN_PROFILE struct profile *p = random_profile();
                make_simple(p);
                compare_profile(p, true, &n);
        }
        assert_true(n.compared > 50000 && n.decided > 10000 && n.contradictions == 0);
}

/* In one context for all tables libseccomp forgets to load the number: the rules after a call that only i386 has were dead. */
static void a_call_of_i386_alone_leaves_the_other_rules_in_force(void **state)
{
        (void)state;
        CLEAN_PROFILE_PROGRAM struct profile_program p = { 0 };
        compile("{" ALLOW_DEFAULT "," ALL_X86 ",\"syscalls\":[" RULE("setuid32", "TRAP", "") "," RULE("openat", "TRAP", "") "]}", &p);
        struct seccomp_data calls[] = { { .nr = 257, .arch = X64 }, { .nr = X32_BIT | 257, .arch = X64 }, { .nr = 295, .arch = X86 }, { .nr = 213, .arch = X86 } };
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                assert_int_equal(judge(&p.filter, &calls[i]), SECCOMP_RET_TRAP);
}
#endif

/* ---- a large profile, of the kind that engines give to every container ---- */

#include "plan/profile_test_names.h"

static struct profile *large_profile(void)
{
        CLEAN_TEXT struct text t = { 0 };
        struct profile *p = NULL;
        struct error e = { 0 };
        text_add(&t, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,"
                     "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_ARM\"],\"syscalls\":[{\"names\":[");
        for (size_t i = 0; i < ELEMENTS(allowed_names); i++)
                text_addf(&t, "%s\"%s\"", i ? "," : "", allowed_names[i]);
        text_add(&t, "],\"action\":\"SCMP_ACT_ALLOW\"}");
        static const char *const values[] = { "0", "8", "131072", "131080", "4294967295" };
        for (size_t i = 0; i < ELEMENTS(values); i++)
                text_addf(&t, ",{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%s,\"op\":\"SCMP_CMP_EQ\"}]}", values[i]);
        text_add(&t, ",{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":40,\"op\":\"SCMP_CMP_NE\"}]}"
                     ",{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}"
                     ",{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]}");
        if (read_profile(t.data, &p, &e) < 0)
                fail_msg("%s", e.cause);
        return p;
}

static uint32_t verdict_of(const struct filter_program *p, const char *name, uint64_t arg)
{
        int nr;
        assert_true(filter_call_number(name, &nr));
        struct seccomp_data d = { .nr = nr, .args = { arg } };
#if defined(__x86_64__)
        d.arch = AUDIT_ARCH_X86_64;
#else
        d.arch = AUDIT_ARCH_AARCH64;
#endif
        return judge(p, &d);
}

static void a_large_profile_allows_what_it_names_and_nothing_else(void **state)
{
        (void)state;
        CLEAN_PROFILE struct profile *p = large_profile();
        CLEAN_PROFILE_PROGRAM struct profile_program program = { 0 };
        static const char *const refused[] = { "mount", "umount2", "ptrace_none", "init_module", "kexec_load", "bpf", "keyctl", "unshare", "setns", "reboot" };
        struct error e = { 0 };
        assert_true(ELEMENTS(allowed_names) >= 300);
        if (profile_compile(p, &program, &e) < 0)
                fail_msg("%s", e.cause);
        assert_int_equal(program.notes.count, 0);
        for (size_t i = 0; i < ELEMENTS(allowed_names); i++) {
                int nr;
                if (filter_call_number(allowed_names[i], &nr) && nr >= 0 && verdict_of(&program.filter, allowed_names[i], 0) != ALLOW)
                        fail_msg("%s is refused", allowed_names[i]);
        }
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                int nr;
                if (filter_call_number(refused[i], &nr))
                        assert_int_equal(verdict_of(&program.filter, refused[i], 0), ERRNO(EPERM));
        }
        assert_int_equal(verdict_of(&program.filter, "personality", 8), ALLOW);
        assert_int_equal(verdict_of(&program.filter, "personality", 0xffffffff), ALLOW);
        assert_int_equal(verdict_of(&program.filter, "personality", 9), ERRNO(EPERM));
        assert_int_equal(verdict_of(&program.filter, "socket", 1), ALLOW);
        assert_int_equal(verdict_of(&program.filter, "socket", 40), ERRNO(EPERM));
        assert_int_equal(verdict_of(&program.filter, "clone", 0x11), ALLOW);
        assert_int_equal(verdict_of(&program.filter, "clone", 0x10000000), ERRNO(EPERM));
        assert_int_equal(verdict_of(&program.filter, "clone3", 0), ERRNO(ENOSYS));
}

/* Steps of the program until it answers: what a call costs. */
static unsigned steps(const struct filter_program *p, int nr, uint32_t arch)
{
        unsigned low = 0;
        struct seccomp_data d = { .nr = nr, .arch = arch };
        uint32_t a = 0, memory[BPF_MEMWORDS] = { 0 };
        for (const struct sock_filter *i = p->code;; i++, low++) {
                switch (BPF_CLASS(i->code)) {
                case BPF_LD: a = BPF_MODE(i->code) == BPF_MEM ? memory[i->k] : *(const uint32_t *)((const char *)&d + i->k); break;
                case BPF_ST: memory[i->k] = a; break;
                case BPF_ALU: a &= i->k; break;
                case BPF_RET: return low + 1;
                default: {
                        bool yes = BPF_OP(i->code) == BPF_JEQ ? a == i->k : BPF_OP(i->code) == BPF_JGT ? a > i->k : BPF_OP(i->code) == BPF_JGE ? a >= i->k : (a & i->k) != 0;
                        i += BPF_OP(i->code) == BPF_JA ? i->k : yes ? i->jt : i->jf;
                }
                }
        }
}

static void no_call_of_a_large_profile_takes_more_than_a_short_walk(void **state)
{
        (void)state;
#if defined(__x86_64__)
        uint32_t arch = AUDIT_ARCH_X86_64;
#else
        uint32_t arch = AUDIT_ARCH_AARCH64;
#endif
        CLEAN_PROFILE struct profile *p = large_profile();
        CLEAN_PROFILE_PROGRAM struct profile_program program = { 0 };
        assert_int_equal(profile_compile(p, &program, NULL), 0);
        for (int nr = 0; nr < 500; nr++)
                if (steps(&program.filter, nr, arch) > 60)
                        fail_msg("call %d takes %u steps", nr, steps(&program.filter, nr, arch));
}

/* ---- the rest ---- */

static void a_contradiction_names_the_rule_and_the_call(void **state)
{
        (void)state;
        static const char *const names[] = { "read", "mseal" };
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                CLEAN_PROFILE struct profile *p = NULL;
                CLEAN_PROFILE_PROGRAM struct profile_program program = { 0 };
                struct error e = { 0 };
                CLEAN_FREE char *text = xprintf(
                        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
                        "{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]},"
                        "{\"names\":[\"open\",\"%s\"],\"action\":\"SCMP_ACT_TRAP\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
                        names[i], names[i]);
                assert_int_equal(read_profile(text, &p, &e), 0);
                assert_int_equal(profile_compile(p, &program, &e), -EINVAL);
                assert_string_equal(e.id, "seccomp.contradiction");
                assert_non_null(strstr(e.cause, "/linux/seccomp/syscalls/1"));
                assert_non_null(strstr(e.cause, names[i]));
        }
}

static void unknown_calls_are_passed_over_with_a_note(void **state)
{
        (void)state;
        CLEAN_PROFILE_PROGRAM struct profile_program p = { 0 };
        compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"no_such_call\",\"waitpid\"],\"action\":\"SCMP_ACT_ALLOW\"}]}", &p);
        assert_int_equal(p.notes.count, 1);
        assert_non_null(strstr(p.notes.items[0], "\"no_such_call\""));
        assert_int_equal(verdict_of(&p.filter, "read", 0), ALLOW);
}

static void flags_follow_the_profile_and_its_listener(void **state)
{
        (void)state;
        static const char head[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/a\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
                                   "\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]";
        CLEAN_PROFILE_PROGRAM struct profile_program plain = { 0 }, asks = { 0 };
        CLEAN_FREE char *without = xprintf("%s}", head);
        CLEAN_FREE char *with = xprintf("%s,\"syscalls\":[{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}", head);
        compile(without, &plain);
        compile(with, &asks);
        assert_int_equal(plain.flags, SECCOMP_FILTER_FLAG_LOG);
        assert_int_equal(asks.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static void too_large_a_profile_says_so(void **state)
{
        (void)state;
        struct profile *p = xalloc(1, sizeof *p);
        CLEAN_PROFILE struct profile *owner = p;
        CLEAN_PROFILE_PROGRAM struct profile_program program = { 0 };
        struct error e = { 0 };
        p->default_action = ALLOW;
        p->rule_count = 1500;
        p->rules = xalloc(p->rule_count, sizeof *p->rules);
        for (size_t i = 0; i < p->rule_count; i++) {
                strings_add(&p->rules[i].names, "mseal");
                p->rules[i].action = ERRNO(1);
                p->rules[i].args = xalloc(1, sizeof *p->rules[i].args);
                p->rules[i].arg_count = 1;
                p->rules[i].args[0] = (struct profile_arg){ 0, PROFILE_EQ, i, 0 };
        }
        assert_int_equal(profile_compile(p, &program, &e), -E2BIG);
        assert_string_equal(e.id, "seccomp.compile");
}

static void equal_profiles_have_equal_descriptions_and_others_do_not(void **state)
{
        (void)state;
        CLEAN_PROFILE struct profile *a = large_profile(), *b = large_profile();
        struct text texts[6] = { 0 };
        profile_describe(a, &texts[0]);
        profile_describe(b, &texts[1]);
        assert_int_equal(texts[0].length, texts[1].length);
        assert_memory_equal(texts[0].data, texts[1].data, texts[0].length);
        b->flags = SECCOMP_FILTER_FLAG_LOG;
        profile_describe(b, &texts[2]);
        b->flags = 0;
        b->rules[1].args[0].value++;
        profile_describe(b, &texts[3]);
        b->rules[1].args[0].value--;
        b->architectures ^= 1;
        profile_describe(b, &texts[4]);
        b->architectures ^= 1;
        b->rules[0].names.items[7][0] = 'x';
        profile_describe(b, &texts[5]);
        for (size_t i = 1; i < ELEMENTS(texts); i++) {
                assert_true(i < 2 || texts[i].length != texts[0].length || memcmp(texts[i].data, texts[0].data, texts[0].length));
                text_clear(&texts[i]);
        }
        text_clear(&texts[0]);
}

static int run_child(bool (*what)(void))
{
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(what() ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static bool install_and_try(void)
{
        CLEAN_PROFILE struct profile *p = large_profile();
        CLEAN_PROFILE_PROGRAM struct profile_program program = { 0 };
        struct error e = { 0 };
        p->flags = seccomp_knows_flag(SECCOMP_FILTER_FLAG_LOG) ? SECCOMP_FILTER_FLAG_LOG : 0;
        if (profile_compile(p, &program, &e) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return false;
        if (seccomp_install_flags(program.filter.code, program.filter.count, program.flags) != 0)
                return false;
        return getppid() > 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
}

static void the_kernel_takes_a_large_profile_with_its_flags(void **state)
{
        (void)state;
        assert_int_equal(run_child(install_and_try), 0);
}

/* What a build of 2017 has must be there; what there can be no such thing of must not. */
static void flags_and_actions_of_the_kernel_are_found_out_by_trying(void **state)
{
        (void)state;
        assert_true(seccomp_knows_flag(SECCOMP_FILTER_FLAG_TSYNC));
        assert_true(seccomp_knows_flag(SECCOMP_FILTER_FLAG_LOG));
        assert_false(seccomp_knows_flag(1UL << 30));
        assert_true(seccomp_knows_action(SECCOMP_RET_ALLOW));
        assert_true(seccomp_knows_action(SECCOMP_RET_KILL_PROCESS));
        assert_false(seccomp_knows_action(0x12340000));
        for (const struct profile_word *w = profile_actions; w->name; w++)
                assert_true(strncmp(w->name, "SCMP_ACT_", 9) == 0);
        assert_int_equal(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_cannot_be_kept_is_an_error_that_names_its_place),
                cmocka_unit_test(numbers_of_64_bits_are_kept_and_actions_have_their_numbers),
#if defined(__x86_64__)
                cmocka_unit_test(each_profile_answers_each_call_as_the_specification_says),
                cmocka_unit_test(all_operators_compare_both_halves_of_old_and_young_calls),
                cmocka_unit_test(random_profiles_of_any_rules_answer_as_documented),
                cmocka_unit_test(random_profiles_answer_as_libseccomp_does),
                cmocka_unit_test(a_call_of_i386_alone_leaves_the_other_rules_in_force),
#endif
                cmocka_unit_test(a_large_profile_allows_what_it_names_and_nothing_else),
                cmocka_unit_test(no_call_of_a_large_profile_takes_more_than_a_short_walk),
                cmocka_unit_test(a_contradiction_names_the_rule_and_the_call),
                cmocka_unit_test(unknown_calls_are_passed_over_with_a_note),
                cmocka_unit_test(flags_follow_the_profile_and_its_listener),
                cmocka_unit_test(too_large_a_profile_says_so),
                cmocka_unit_test(equal_profiles_have_equal_descriptions_and_others_do_not),
                cmocka_unit_test(the_kernel_takes_a_large_profile_with_its_flags),
                cmocka_unit_test(flags_and_actions_of_the_kernel_are_found_out_by_trying),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
