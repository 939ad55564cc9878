/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "os/file.h"
#include "os/path_watch.h"

enum { EXISTS = IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB, CHANGES = EXISTS | IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM };

static char *top;
static char at[256];

static const char *in(const char *name)
{
        (void)snprintf(at, sizeof at, "%s/%s", top, name);
        return at;
}

static void put(const char *name)
{
        CLEAN_FD int fd = open(in(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0 && write(fd, "x", 1) == 1);
}

static int set_up(void **state)
{
        (void)state;
        top = xstrdup("/tmp/bulkhead-watch-XXXXXX");
        return mkdtemp(top) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        int r = file_remove_tree(AT_FDCWD, top);
        free(top);
        return r;
}

/* Whether the kernel tells of something, taken and watched anew. */
static bool told(struct path_watch *w)
{
        struct pollfd p = { .fd = w->fd, .events = POLLIN };
        bool any = poll(&p, 1, 0) > 0 && path_watch_read(w);
        if (any)
                assert_int_equal(path_watch_renew(w, NULL), 0);
        return any;
}

static void open_on(struct path_watch *w, const char *name, uint32_t mask)
{
        assert_int_equal(path_watch_open(w, NULL), 0);
        path_watch_add(w, in(name), mask);
        assert_int_equal(path_watch_renew(w, NULL), 0);
        assert_false(told(w));
}

static void a_path_that_comes_piece_by_piece(void **state)
{
        (void)state;
        CLEAN_PATH_WATCH struct path_watch w;
        open_on(&w, "a/b/c", CHANGES);
        assert_true(w.items[0].primary < 0);
        put("other"); /* the nearest that exists tells of all that comes */
        assert_true(told(&w) && !told(&w));
        assert_int_equal(mkdir(in("a"), 0700), 0);
        assert_true(told(&w));
        put("another"); /* and of nothing once the way goes on */
        assert_false(told(&w));
        assert_int_equal(mkdir(in("a/b"), 0700), 0);
        assert_true(told(&w) && !w.items[0].changed);
        put("a/b/c");
        assert_true(told(&w) && w.items[0].primary >= 0);
        while (told(&w))
                ;
        put("a/b/c");
        assert_true(told(&w) && w.items[0].changed);
        put("a/b/d");
        assert_false(told(&w));
}

static void what_goes_and_comes_again(void **state)
{
        (void)state;
        CLEAN_PATH_WATCH struct path_watch w;
        CLEAN_FREE char *from = NULL;
        assert_int_equal(mkdir(in("f"), 0700), 0);
        put("f/x");
        open_on(&w, "f/x", EXISTS);
        assert_int_equal(unlink(in("f/x")), 0);
        assert_true(told(&w) && w.items[0].changed && w.items[0].primary < 0);
        put("f/x");
        assert_true(told(&w) && w.items[0].primary >= 0);
        while (told(&w))
                ;
        /* The whole way is moved off, and made anew. */
        from = xstrdup(in("f"));
        assert_int_equal(rename(from, in("g")), 0);
        assert_true(told(&w) && w.items[0].primary < 0);
        while (told(&w))
                ;
        put("g/x");
        assert_false(told(&w));
        assert_int_equal(mkdir(from, 0700), 0);
        put("f/x");
        assert_true(told(&w));
        while (told(&w))
                ;
        assert_true(w.items[0].primary >= 0);
}

static void a_file_that_is_replaced(void **state)
{
        (void)state;
        CLEAN_PATH_WATCH struct path_watch w;
        CLEAN_FREE char *new = NULL;
        put("r");
        open_on(&w, "r", CHANGES);
        put("new");
        assert_false(told(&w));
        new = xstrdup(in("new"));
        assert_int_equal(rename(new, in("r")), 0);
        assert_true(told(&w) && w.items[0].changed);
        put("r");
        assert_true(told(&w) && w.items[0].changed);
}

static void links_that_turn(void **state)
{
        (void)state;
        CLEAN_PATH_WATCH struct path_watch w;
        CLEAN_FREE char *two = NULL;
        assert_true(mkdir(in("one"), 0700) == 0 && mkdir(in("two"), 0700) == 0 && symlink("one", in("link")) == 0 && symlink("two", in("turned")) == 0);
        open_on(&w, "link/x", CHANGES);
        put("one/x");
        assert_true(told(&w) && w.items[0].primary >= 0);
        while (told(&w))
                ;
        two = xstrdup(in("turned"));
        assert_int_equal(rename(two, in("link")), 0);
        assert_true(told(&w) && w.items[0].primary < 0);
        while (told(&w))
                ;
        put("one/x");
        assert_false(told(&w));
        put("two/x");
        assert_true(told(&w) && w.items[0].primary >= 0);
}

static void paths_that_share_their_way(void **state)
{
        (void)state;
        CLEAN_PATH_WATCH struct path_watch w;
        assert_int_equal(mkdir(in("s"), 0700), 0);
        put("s/here");
        assert_int_equal(path_watch_open(&w, NULL), 0);
        path_watch_add(&w, in("s/here"), CHANGES);
        path_watch_add(&w, in("s/not-yet"), EXISTS);
        path_watch_add(&w, in("s"), CHANGES);
        path_watch_add(&w, "/", EXISTS);
        assert_int_equal(path_watch_renew(&w, NULL), 0);
        put("s/here");
        assert_true(told(&w) && w.items[0].changed && !w.items[1].changed && !w.items[3].changed);
        put("s/not-yet");
        assert_true(told(&w) && !w.items[0].changed && w.items[2].changed && w.items[1].primary >= 0 && w.items[3].primary >= 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_path_that_comes_piece_by_piece, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_goes_and_comes_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_file_that_is_replaced, set_up, tear_down),
                cmocka_unit_test_setup_teardown(links_that_turn, set_up, tear_down),
                cmocka_unit_test_setup_teardown(paths_that_share_their_way, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
