/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Observations keep what is put into them; what is derived from them lets all of it happen again, and is valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <sys/socket.h>

#include "base/path.h"
#include "plan/directive.h"
#include "plan/filter.h"
#include "plan/learn.h"

static const struct facts facts = { .unit = "learn.service", .capabilities = (1ULL << 41) - 1, .runtime_folder = "/run", .state_folder = "/var/lib",
                                    .cache_folder = "/var/cache", .logs_folder = "/var/log", .configuration_folder = "/etc", .boot_id = "b",
                                    .machine_id = "m", .hostname = "h", .user_name = "root", .home = "/root", .shell = "/bin/sh" };

/* ---- what is derived ---- */

static void derive(const struct observations *o, struct learned *ret)
{
        const struct learn_facts f = { .seen = o };
        learn_derive(&f, ret);
}

static const struct learned_row *row(const struct learned *l, const char *directive)
{
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->rows[i].directive, directive))
                        return &l->rows[i];
        return NULL;
}

static bool has(const struct learned *l, const char *assignment)
{
        CLEAN_STRINGS struct strings all = { 0 };
        learn_assignments(l, &all);
        return strings_has(&all, assignment);
}

/* Takes each of them as run does. */
static void check_valid(const struct learned *l, struct plan *p)
{
        CLEAN_STRINGS struct strings all = { 0 };
        CLEAN_SETTINGS struct settings s = { 0 };
        struct error e = { 0 };
        learn_assignments(l, &all);
        for (size_t i = 0; i < all.count; i++)
                if (settings_assign(&s, &facts, all.items[i], &e) < 0)
                        fail_msg("%s: %s", all.items[i], e.cause);
        if (settings_compile(&s, &facts, p, &e) < 0)
                fail_msg("%s", e.cause);
}

static void see_call(struct observations *o, const char *name)
{
        struct observed_call *c = observations_call(o, name, false);
        assert_non_null(c);
        c->times++;
        c->succeeded = true;
}

static void test_nothing_seen_is_everything_shut(void **state)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        CLEAN_LEARNED struct learned l = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        (void)state;
        see_call(&o, "write");
        derive(&o, &l);
        check_valid(&l, &p);
        static const char *const shut[] = { "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateNetwork=yes", "PrivateDevices=yes",
                                            "RestrictAddressFamilies=none", "RestrictNamespaces=yes", "NoNewPrivileges=yes", "UMask=0077",
                                            "MemoryDenyWriteExecute=yes", "ProtectClock=yes", "SystemCallFilter=write", "CapabilityBoundingSet=" };
        for (size_t i = 0; i < ELEMENTS(shut); i++)
                if (!has(&l, shut[i]))
                        fail_msg("%s is missing", shut[i]);
}

static void test_each_trait_keeps_its_directive_away(void **state)
{
        static const struct {
                enum trait trait;
                const char *assignment;
        } rows[] = {
                { TRAIT_WRITABLE_CODE, "MemoryDenyWriteExecute=yes" }, { TRAIT_REALTIME, "RestrictRealtime=yes" }, { TRAIT_PERSONALITY, "LockPersonality=yes" },
                { TRAIT_SET_ID_FILE, "RestrictSUIDSGID=yes" }, { TRAIT_SET_ID_PROGRAM, "NoNewPrivileges=yes" }, { TRAIT_CLOCK, "ProtectClock=yes" },
                { TRAIT_MODULE, "ProtectKernelModules=yes" }, { TRAIT_KERNEL_LOG, "ProtectKernelLogs=yes" }, { TRAIT_HOSTNAME, "ProtectHostname=yes" },
                { TRAIT_KEYRING, "KeyringMode=private" }, { TRAIT_IPC, "PrivateIPC=yes" }, { TRAIT_OTHER_PROCESSES, "ProtectProc=invisible" },
                { TRAIT_PROC_SYSTEM, "ProcSubset=pid" }, { TRAIT_NETWORK, "PrivateNetwork=yes" }, { TRAIT_ABSTRACT_PEER, "PrivateNetwork=yes" },
        };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_OBSERVATIONS struct observations o = { 0 };
                CLEAN_LEARNED struct learned with = { 0 }, without = { 0 };
                derive(&o, &without);
                assert_true(has(&without, rows[i].assignment));
                o.traits[rows[i].trait] = true;
                derive(&o, &with);
                assert_false(has(&with, rows[i].assignment));
        }
}

static void test_what_is_given_and_tighter_stays(void **state)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        CLEAN_LEARNED struct learned l = { 0 };
        CLEAN_STRINGS struct strings given = { 0 };
        (void)state;
        strings_add(&given, "ProtectControlGroups=strict");
        strings_add(&given, "PrivateTmp=disconnected");
        strings_add(&given, "NoNewPrivileges=1");
        const struct learn_facts f = { .seen = &o, .given = &given };
        learn_derive(&f, &l);
        assert_null(row(&l, "ProtectControlGroups"));
        assert_null(row(&l, "PrivateTmp"));
        assert_null(row(&l, "NoNewPrivileges"));
}

static void test_whole_groups_of_calls_are_named_as_groups(void **state)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        CLEAN_LEARNED struct learned l = { 0 };
        static const char *const calls[] = { "chown", "fchown", "fchownat", "lchown", "getpid", "mlock" };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                see_call(&o, calls[i]);
        /* What was only ever refused need not be allowed. */
        observations_call(&o, "mount", false)->errors[0] = 1 << EPERM;
        derive(&o, &l);
        assert_true(has(&l, "SystemCallFilter=@chown mlock"));
}

static void test_folders_of_its_own_are_asked_of_the_manager(void **state)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        CLEAN_LEARNED struct learned l = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        (void)state;
        observations_add_path(&o, "/var/lib", USE_CHANGE | USE_FOLDER);
        observations_add_path(&o, "/var/lib/web", USE_MADE | USE_FOLDER | USE_CHANGE);
        observations_add_path(&o, "/var/lib/web/data", USE_MADE | USE_WRITE);
        observations_add_path(&o, "/srv/other file", USE_WRITE);
        observations_add_path(&o, "/srv/50%", USE_WRITE);
        observations_add_path(&o, "/srv/new\nline/x", USE_WRITE);
        derive(&o, &l);
        check_valid(&l, &p);
        assert_true(has(&l, "StateDirectory=web"));
        assert_true(has(&l, "ReadWritePaths=/srv"));
}

/* ---- paths ---- */

static void test_many_files_become_their_folder(void **state)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        (void)state;
        observations_add_path(&o, "/srv/other", USE_READ);
        for (unsigned i = 0; i < 10000; i++) {
                CLEAN_FREE char *path = xprintf("/srv/data/%u", i);
                observations_add_path(&o, path, i % 2 ? USE_READ : USE_WRITE);
        }
        assert_true(o.path_count < 1000);
        assert_int_equal(o.lost, 0);
        assert_int_equal(observations_uses(&o, "/srv/data/never/seen"), USE_READ | USE_WRITE | USE_BELOW | USE_FOLDER);
        assert_int_equal(observations_uses(&o, "/srv/other"), USE_READ);
        assert_int_equal(observations_uses(&o, "/srv"), 0);
}

static void test_the_number_of_paths_is_bounded(void **state)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        (void)state;
        for (unsigned i = 0; i < 3 * OBSERVED_PATHS_MAX; i++) {
                CLEAN_FREE char *path = xprintf("/srv/%u/%u", i / 3, i);
                observations_add_path(&o, path, USE_READ);
        }
        assert_true(o.path_count <= OBSERVED_PATHS_MAX);
        assert_true(o.lost > 0);
        CLEAN_LEARNED struct learned l = { 0 };
        derive(&o, &l);
        assert_null(row(&l, "ProtectSystem")); /* what was lost might have been written */
        assert_null(row(&l, "SystemCallFilter"));
}

/* ---- JSON, and all of it at random ---- */

static uint64_t random_state;

static unsigned pick(unsigned n)
{
        random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (unsigned)(random_state >> 33) % n;
}

static char *random_path(void)
{
        static const char *const parts[] = { "/usr/bin", "/var/lib", "/home/me", "/tmp", "/dev/sda", "/srv/a b", "/etc", "/proc/sys", "/run", "/x\"y",
                                             "/n\nl", "/p%d", "/bin", "/a", "/lib-1.so", "/\xff" };
        CLEAN_TEXT struct text t = { 0 };
        for (unsigned i = 1 + pick(3); i > 0; i--)
                text_add(&t, parts[pick(ELEMENTS(parts))]);
        return TAKE_PTR(t.data);
}

static void make_random(struct observations *o)
{
        static const char *const calls[] = { "read", "write", "openat", "chown", "fchown", "lchown", "fchownat", "mount", "clone3", "socket", "bind" };
        for (unsigned i = pick(12); i > 0; i--) {
                struct observed_call *c = observations_call(o, calls[pick(ELEMENTS(calls))], false);
                c->times += pick(9);
                c->succeeded |= pick(2);
                c->errors[0] |= 1ULL << pick(40);
        }
        for (unsigned i = pick(30); i > 0; i--) {
                CLEAN_FREE char *path = random_path();
                observations_add_path(o, path, (1U << pick(12)) | (1U << pick(12)));
        }
        for (unsigned i = pick(4); i > 0; i--)
                observations_add_socket(o, pick(2) ? AF_INET : AF_UNIX, 1, 0);
        for (unsigned i = pick(3); i > 0; i--)
                observations_add_peer(o, pick(2) ? "127.0.0.1" : "10.0.0.9", 6, 80);
        observations_add_outcome(o, (int)pick(256));
        observations_add_user(o, pick(3));
        o->traits[pick(TRAIT_COUNT)] = true;
        o->capabilities = pick(2) ? 1ULL << pick(41) : 0;
        o->made_modes = pick(010000);
        o->runs = 1;
}

static void format(const struct observations *o, struct text *t)
{
        observations_format(o, t);
}

static void test_json_keeps_all(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 300; i++) {
                CLEAN_OBSERVATIONS struct observations o = { 0 }, back = { 0 }, again = { 0 };
                CLEAN_TEXT struct text first = { 0 }, second = { 0 }, third = { 0 };
                struct error e = { 0 };
                random_state = i;
                make_random(&o);
                format(&o, &first);
                assert_int_equal(observations_parse(&back, "f", first.data, first.length, &e), 0);
                format(&back, &second);
                assert_int_equal(observations_parse(&again, "f", second.data, second.length, &e), 0);
                format(&again, &third);
                assert_string_equal(second.data, third.data);
                /* The first has bytes that JSON cannot hold; all else is the same. */
                assert_int_equal(back.capabilities, o.capabilities);
                assert_int_equal(back.call_count, o.call_count);
                assert_memory_equal(back.traits, o.traits, sizeof o.traits);
                for (size_t k = 0; k < o.path_count; k++)
                        assert_int_equal(observations_uses(&back, o.paths[k].path) & o.paths[k].uses & (unsigned)~USE_MADE,
                                         o.paths[k].uses & (unsigned)~USE_MADE);
        }
}

/* The deepest mount that holds a path says so. */
static bool is_executable(const struct plan *p, const char *path)
{
        const struct plan_mount *best = NULL;
        for (size_t i = 0; i < p->mount_count; i++)
                if (path_is_below(path, p->mounts[i].path) && (!best || strlen(p->mounts[i].path) >= strlen(best->path)))
                        best = &p->mounts[i];
        return best && best->kind != PLAN_NOEXEC && !best->no_exec;
}

static void test_what_was_done_stays_possible(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 300; i++) {
                CLEAN_OBSERVATIONS struct observations o = { 0 };
                CLEAN_LEARNED struct learned l = { 0 };
                CLEAN_PLAN struct plan p = { 0 };
                random_state = 7000 + i;
                make_random(&o);
                derive(&o, &l);
                check_valid(&l, &p);
                for (size_t k = 0; k < o.call_count; k++)
                        if (o.calls[k].succeeded)
                                assert_int_equal(filter_verdict(&p.filter, o.calls[k].name), 0);
                for (size_t k = 0; row(&l, "NoExecPaths") && k < o.path_count; k++)
                        if (o.paths[k].uses & (USE_EXECUTE | USE_MAP))
                                if (!is_executable(&p, o.paths[k].path))
                                        fail_msg("%s: %s", o.paths[k].path, row(&l, "NoExecPaths")->assignments.items[1]);
                assert_int_equal(o.capabilities & ~p.bounding, 0);
        }
}

static void test_merging_is_a_union(void **state)
{
        CLEAN_OBSERVATIONS struct observations a = { 0 }, b = { 0 };
        CLEAN_LEARNED struct learned l = { 0 };
        (void)state;
        see_call(&a, "read");
        see_call(&b, "write");
        observations_add_path(&a, "/srv/one", USE_READ);
        observations_add_path(&b, "/srv/one", USE_WRITE);
        a.runs = b.runs = 1;
        b.traits[TRAIT_REALTIME] = true;
        observations_merge(&a, &b);
        assert_int_equal(a.runs, 2);
        assert_int_equal(a.call_count, 2);
        assert_int_equal(observations_uses(&a, "/srv/one"), USE_READ | USE_WRITE);
        derive(&a, &l);
        assert_false(has(&l, "RestrictRealtime=yes"));
        assert_true(has(&l, "SystemCallFilter=read write"));
}

static void refuse(const char *text, const char *id)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 };
        struct error e = { 0 };
        assert_true(observations_parse(&o, "f", text, strlen(text), &e) < 0);
        assert_string_equal(e.id, id);
}

static void test_bad_observations_are_refused(void **state)
{
        (void)state;
        refuse("{", "json.syntax");
        refuse("{\"version\":2,\"runs\":1,\"outcomes\":[],\"calls\":[],\"paths\":[],\"traits\":[],\"capabilities\":[]}", "learn.version");
        refuse("{\"version\":1,\"runs\":1,\"outcomes\":[],\"calls\":[],\"paths\":[{\"path\":\"/a/../b\",\"uses\":[]}],\"traits\":[],\"capabilities\":[]}", "json.value");
        refuse("{\"version\":1,\"runs\":1,\"outcomes\":[],\"calls\":[{\"name\":\"a\\nb\"}],\"paths\":[],\"traits\":[],\"capabilities\":[]}", "json.value");
        refuse("{\"version\":1,\"runs\":1,\"outcomes\":[999],\"calls\":[],\"paths\":[],\"traits\":[],\"capabilities\":[]}", "json.value");
        refuse("{\"version\":1,\"runs\":1,\"outcomes\":[],\"calls\":[],\"paths\":[],\"traits\":[\"flying\"],\"capabilities\":[]}", "json.value");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_seen_is_everything_shut),
                cmocka_unit_test(test_each_trait_keeps_its_directive_away),
                cmocka_unit_test(test_what_is_given_and_tighter_stays),
                cmocka_unit_test(test_whole_groups_of_calls_are_named_as_groups),
                cmocka_unit_test(test_folders_of_its_own_are_asked_of_the_manager),
                cmocka_unit_test(test_many_files_become_their_folder),
                cmocka_unit_test(test_the_number_of_paths_is_bounded),
                cmocka_unit_test(test_json_keeps_all),
                cmocka_unit_test(test_what_was_done_stays_possible),
                cmocka_unit_test(test_merging_is_a_union),
                cmocka_unit_test(test_bad_observations_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
