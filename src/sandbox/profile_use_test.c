/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a compiled profile: its place in the cache, and the way of its listener to the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/process.h"
#include "os/seccomp.h"
#include "sandbox/filter_cache.h"
#include "sandbox/notify.h"

static char folder[64];

static int make_folder(void **state)
{
        (void)state;
        strcpy(folder, "/tmp/bulkhead-test-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        (void)state;
        return file_remove_tree(AT_FDCWD, folder);
}

/* One rule, for a call that a test names; unknown ones make notes. */
struct sample {
        struct strings names;
        struct profile_rule rule;
        struct profile profile;
};

static void sample_init(struct sample *s, const char *name, uint32_t action)
{
        *s = (struct sample){ 0 };
        strings_add(&s->names, name);
        strings_add(&s->names, "no_such_call");
        s->rule = (struct profile_rule){ .names = s->names, .action = action };
        s->profile = (struct profile){ .default_action = SECCOMP_RET_ALLOW, .rules = &s->rule, .rule_count = 1, .flags = SECCOMP_FILTER_FLAG_LOG };
}

static void compile(const char *cache, const struct sample *s, struct profile_program *ret)
{
        struct error e = { 0 };
        if (filter_cache_compile_profile(cache, &s->profile, ret, &e) < 0)
                fail_msg("%s", e.cause);
}

static void assert_same(const struct profile_program *a, const struct profile_program *b)
{
        assert_int_equal(a->flags, b->flags);
        assert_int_equal(a->filter.count, b->filter.count);
        assert_memory_equal(a->filter.code, b->filter.code, a->filter.count * sizeof *a->filter.code);
        assert_int_equal(a->notes.count, b->notes.count);
        for (size_t i = 0; i < a->notes.count; i++)
                assert_string_equal(a->notes.items[i], b->notes.items[i]);
}

/* The path of the only entry. */
static char *only_entry(const char *cache)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(file_list(fd, &names), 0);
        assert_int_equal(names.count, 1);
        return xprintf("%s/%s", cache, names.items[0]);
}

static void the_second_time_gives_the_same_program_flags_and_notes(void **state)
{
        (void)state;
        CLEAN_PROFILE_PROGRAM struct profile_program fresh = { 0 }, kept = { 0 }, direct = { 0 };
        CLEAN_FREE char *cache = xprintf("%s/a", folder);
        struct sample s;
        struct stat st;
        sample_init(&s, "mount", SECCOMP_RET_ERRNO | 1);
        compile(cache, &s, &fresh);
        CLEAN_FREE char *entry = only_entry(cache);
        assert_int_equal(stat(entry, &st), 0);
        ino_t first = st.st_ino;
        compile(cache, &s, &kept);
        assert_int_equal(stat(entry, &st), 0);
        assert_int_equal(st.st_ino, first); /* it was read, not made again */
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(stat(cache, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
        assert_int_equal(profile_compile(&s.profile, &direct, NULL), 0);
        assert_int_equal(fresh.notes.count, 1);
        assert_same(&fresh, &direct);
        assert_same(&fresh, &kept);
        strings_clear(&s.names);
}

/* Overwrites the byte at offset (from the end if negative) of a file. */
static void damage(const char *path, off_t offset)
{
        CLEAN_FD int fd = open(path, O_RDWR | O_CLOEXEC);
        char byte;
        off_t at = lseek(fd, offset, offset < 0 ? SEEK_END : SEEK_SET);
        assert_true(at >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte = (char)~byte;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void spoil_program(const char *entry)
{
        damage(entry, -3);
}

static void spoil_head(const char *entry)
{
        damage(entry, 9);
}

static void cut_short(const char *entry)
{
        assert_int_equal(truncate(entry, 50), 0);
}

static void empty_it(const char *entry)
{
        assert_int_equal(truncate(entry, 0), 0);
}

static void open_to_all(const char *entry)
{
        spoil_program(entry);
        assert_int_equal(chmod(entry, 0666), 0);
}

static void give_away(const char *entry)
{
        spoil_program(entry);
        assert_int_equal(chown(entry, 4242, 4242), 0);
}

static void make_link(const char *entry)
{
        CLEAN_FREE char *other = xprintf("%s.moved", entry);
        assert_int_equal(rename(entry, other), 0);
        assert_int_equal(symlink(other, entry), 0);
}

static void a_damaged_or_foreign_entry_is_compiled_anew(void **state)
{
        (void)state;
        void (*const ways[])(const char *) = { spoil_program, spoil_head, cut_short, empty_it, open_to_all, give_away, make_link };
        for (size_t i = 0; i < ELEMENTS(ways); i++) {
                CLEAN_PROFILE_PROGRAM struct profile_program fresh = { 0 }, again = { 0 };
                CLEAN_FREE char *cache = xprintf("%s/way%zu", folder, i);
                struct sample s;
                struct stat st;
                if (ways[i] == give_away && geteuid() != 0) {
                        print_message("an entry of another owner: not tried, it takes root to make one\n");
                        continue;
                }
                sample_init(&s, "mount", SECCOMP_RET_ERRNO | 1);
                compile(cache, &s, &fresh);
                CLEAN_FREE char *entry = only_entry(cache);
                ways[i](entry);
                compile(cache, &s, &again);
                assert_same(&fresh, &again);
                assert_int_equal(lstat(entry, &st), 0);
                assert_int_equal(st.st_mode, S_IFREG | 0600);
                assert_int_equal(st.st_uid, geteuid());
                strings_clear(&s.names);
        }
}

static void other_profiles_have_entries_of_their_own(void **state)
{
        (void)state;
        CLEAN_PROFILE_PROGRAM struct profile_program one = { 0 }, two = { 0 };
        CLEAN(filter_program_clear) struct filter_program unit = { 0 };
        CLEAN_FREE char *cache = xprintf("%s/others", folder);
        CLEAN(filter_clear) struct filter f = { 0 };
        CLEAN_STRINGS struct strings names = { 0 };
        struct sample a, b;
        sample_init(&a, "mount", SECCOMP_RET_ERRNO | 1);
        sample_init(&b, "mount", SECCOMP_RET_ERRNO | 2);
        compile(cache, &a, &one);
        compile(cache, &b, &two);
        assert_int_equal(filter_add(&f, "~mount", false, NULL, NULL), 0);
        assert_int_equal(filter_cache_compile(cache, &f, false, &unit, NULL), 0);
        CLEAN_FD int fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(file_list(fd, &names), 0);
        assert_int_equal(names.count, 3);
        assert_true(one.filter.count == two.filter.count && memcmp(one.filter.code, two.filter.code, one.filter.count * sizeof *one.filter.code));
        strings_clear(&a.names);
        strings_clear(&b.names);
}

static void restrictions_have_entries_of_their_own(void **state)
{
        static const struct restriction rows[] = { { RESTRICTION_FAMILIES, 2, true }, { RESTRICTION_FAMILIES, 4, true }, { RESTRICTION_FAMILIES, 2, false },
                                                   { RESTRICTION_REALTIME, 2, true } };
        CLEAN_FREE char *cache = xprintf("%s/restrictions", folder);
        CLEAN_STRINGS struct strings names = { 0 };
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN(filter_program_clear) struct filter_program fresh = { 0 }, first = { 0 }, second = { 0 };
                assert_int_equal(restriction_compile(&rows[i], &fresh, NULL), 0);
                assert_int_equal(filter_cache_compile_restriction(cache, &rows[i], &first, NULL), 0);
                assert_int_equal(filter_cache_compile_restriction(cache, &rows[i], &second, NULL), 0);
                assert_int_equal(fresh.count, second.count);
                assert_memory_equal(fresh.code, first.code, fresh.count * sizeof *fresh.code);
                assert_memory_equal(fresh.code, second.code, fresh.count * sizeof *fresh.code);
        }
        CLEAN_FD int fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(file_list(fd, &names), 0);
        assert_int_equal(names.count, ELEMENTS(rows));
}

static void a_folder_that_others_may_write_is_not_used(void **state)
{
        (void)state;
        CLEAN_PROFILE_PROGRAM struct profile_program p = { 0 };
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FREE char *cache = xprintf("%s/open", folder);
        struct sample s;
        assert_int_equal(mkdir(cache, 0700), 0);
        assert_int_equal(chmod(cache, 0777), 0);
        sample_init(&s, "mount", SECCOMP_RET_ERRNO | 1);
        compile(cache, &s, &p);
        CLEAN_FD int fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(file_list(fd, &names), 0);
        assert_int_equal(names.count, 0);
        strings_clear(&s.names);
}

/* ---- the listener ---- */

static void example(struct notify_state *s, struct strings *annotations)
{
        strings_add(annotations, "key \"quoted\"");
        strings_add(annotations, "value\n");
        *s = (struct notify_state){ .oci_version = "1.3.0", .id = "c1", .status = "creating", .bundle = "/bundle", .pid = 4422,
                                    .annotations = annotations, .metadata = "opaque" };
}

static void check_state(const char *data, size_t size)
{
        json_t *o = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL), *state;
        assert_non_null(o);
        state = json_object_get(o, "state");
        assert_string_equal(json_string_value(json_object_get(o, "ociVersion")), "1.3.0");
        assert_int_equal(json_array_size(json_object_get(o, "fds")), 1);
        assert_string_equal(json_string_value(json_array_get(json_object_get(o, "fds"), 0)), "seccompFd");
        assert_int_equal(json_integer_value(json_object_get(o, "pid")), 4422);
        assert_string_equal(json_string_value(json_object_get(o, "metadata")), "opaque");
        assert_string_equal(json_string_value(json_object_get(state, "ociVersion")), "1.3.0");
        assert_string_equal(json_string_value(json_object_get(state, "id")), "c1");
        assert_string_equal(json_string_value(json_object_get(state, "status")), "creating");
        assert_int_equal(json_integer_value(json_object_get(state, "pid")), 4422);
        assert_string_equal(json_string_value(json_object_get(state, "bundle")), "/bundle");
        assert_string_equal(json_string_value(json_object_get(json_object_get(state, "annotations"), "key \"quoted\"")), "value\n");
        json_decref(o);
}

static void what_is_not_set_is_left_out_of_the_state(void **state)
{
        (void)state;
        CLEAN_TEXT struct text t = { 0 };
        struct notify_state s = { .oci_version = "1.0.2", .id = "x", .status = "creating", .bundle = "/b", .pid = 1, .metadata = "" };
        notify_format(&s, &t);
        assert_string_equal(t.data, "{\"ociVersion\":\"1.0.2\",\"fds\":[\"seccompFd\"],\"pid\":1,\"state\":{\"ociVersion\":\"1.0.2\",\"id\":\"x\","
                                    "\"status\":\"creating\",\"pid\":1,\"bundle\":\"/b\"}}");
}

/* Reads to the end; the descriptor must come with the first part. */
static void receive(int fd, struct text *t, int *ret_fd)
{
        *ret_fd = -EBADF;
        for (;;) {
                char room[CMSG_SPACE(sizeof(int))], data[1024];
                struct iovec part = { data, sizeof data };
                struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
                ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
                assert_true(n >= 0);
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                if (c) {
                        assert_int_equal(t->length, 0);
                        memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
                }
                if (n == 0)
                        return;
                text_add_bytes(t, data, (size_t)n);
        }
}

static void assert_same_file(int a, int b)
{
        struct stat x, y;
        assert_int_equal(fstat(a, &x), 0);
        assert_int_equal(fstat(b, &y), 0);
        assert_true(x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static void the_state_and_the_descriptor_arrive_together(void **state)
{
        (void)state;
        CLEAN_STRINGS struct strings annotations = { 0 };
        CLEAN_TEXT struct text sent = { 0 }, got = { 0 };
        struct notify_state s;
        int pair[2], fd;
        CLEAN_FD int file = open(folder, O_RDONLY | O_CLOEXEC);
        example(&s, &annotations);
        notify_format(&s, &sent);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(notify_send(pair[0], &sent, file, NULL), 0);
        close(pair[0]);
        receive(pair[1], &got, &fd);
        close(pair[1]);
        assert_same_file(fd, file);
        close(fd);
        check_state(got.data, got.length);
}

/* path is a name in a folder that may be too deep for an address. */
static int listen_in(const char *deep, const char *name)
{
        CLEAN_FD int dir = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static void the_agent_is_reached_by_a_path_of_any_length(void **state)
{
        (void)state;
        CLEAN_STRINGS struct strings annotations = { 0 };
        CLEAN_TEXT struct text got = { 0 };
        struct notify_state s;
        int fd;
        struct error e = { 0 };
        CLEAN_FREE char *deep = xprintf("%s/%0150d", folder, 7), *path = xprintf("%s/agent", deep);
        assert_int_equal(mkdir(deep, 0700), 0);
        CLEAN_FD int server = listen_in(deep, "agent");
        CLEAN_FD int file = open(folder, O_RDONLY | O_CLOEXEC);
        example(&s, &annotations);
        if (notify_hand_over(path, &s, file, &e) < 0)
                fail_msg("%s", e.cause);
        CLEAN_FD int connection = accept(server, NULL, NULL);
        receive(connection, &got, &fd);
        assert_same_file(fd, file);
        close(fd);
        check_state(got.data, got.length);
}

static void an_agent_that_is_not_there_is_an_error_with_its_path(void **state)
{
        (void)state;
        struct notify_state s = { .oci_version = "1.0.2", .id = "x", .status = "creating", .bundle = "/b" };
        struct error e = { 0 };
        assert_int_equal(notify_hand_over("/nowhere/agent", &s, 0, &e), -ENOENT);
        assert_string_equal(e.id, "seccomp.listener");
        assert_non_null(strstr(e.cause, "/nowhere/agent"));
}

/* Installs a profile that asks for getsid, announces the listener and asks. */
static void payload(int pipe_fd)
{
        CLEAN_PROFILE_PROGRAM struct profile_program p = { 0 };
        struct sample s;
        sample_init(&s, "getsid", SECCOMP_RET_USER_NOTIF);
        if (profile_compile(&s.profile, &p, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(10);
        int listener = seccomp_install_flags(p.filter.code, p.filter.count, p.flags);
        if (listener < 0)
                _exit(11);
        if (notify_announce(pipe_fd, listener) < 0)
                _exit(12);
        pid_t r = getsid(0);
        _exit(r == -1 && errno == ENOTTY ? 0 : 13);
}

static void a_listener_is_announced_taken_and_answers(void **state)
{
        (void)state;
        int pair[2], pidfd = -EBADF, status;
        struct seccomp_call call;
        struct error e = { 0 };
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        pid_t pid = process_clone(0, -1, &pidfd);
        assert_true(pid >= 0);
        if (pid == 0)
                payload(pair[1]);
        close(pair[1]);
        int32_t number;
        assert_int_equal(read(pair[0], &number, sizeof number), sizeof number);
        CLEAN_FD int listener = notify_take(number, pidfd, &e);
        if (listener < 0)
                fail_msg("%s", e.cause);
        assert_int_equal(seccomp_receive(listener, &call), 0);
        assert_int_equal(call.nr, SYS_getsid);
        assert_int_equal(seccomp_answer(listener, call.id, ENOTTY), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(pair[0]);
        close(pidfd);
}

static void a_process_that_has_no_such_listener_is_an_error(void **state)
{
        (void)state;
        struct error e = { 0 };
        CLEAN_FD int self = process_open(getpid());
        assert_int_equal(notify_take(1000, self, &e), -EBADF);
        assert_string_equal(e.id, "seccomp.listener");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_second_time_gives_the_same_program_flags_and_notes),
                cmocka_unit_test(a_damaged_or_foreign_entry_is_compiled_anew),
                cmocka_unit_test(other_profiles_have_entries_of_their_own),
                cmocka_unit_test(restrictions_have_entries_of_their_own),
                cmocka_unit_test(a_folder_that_others_may_write_is_not_used),
                cmocka_unit_test(what_is_not_set_is_left_out_of_the_state),
                cmocka_unit_test(the_state_and_the_descriptor_arrive_together),
                cmocka_unit_test(the_agent_is_reached_by_a_path_of_any_length),
                cmocka_unit_test(an_agent_that_is_not_there_is_an_error_with_its_path),
                cmocka_unit_test(a_listener_is_announced_taken_and_answers),
                cmocka_unit_test(a_process_that_has_no_such_listener_is_an_error),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
