/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor of a path unit: watches what it names, and starts its unit when that is there or changes. */
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/path_watch.h"
#include "plan/path_unit.h"
#include "plan/service_machine.h"
#include "shim/client.h"
#include "shim/condition_check.h"
#include "shim/service_launch.h"
#include "shim/trigger.h"

enum { SOURCE_WATCH = TRIGGER_SOURCE, SOURCE_UNIT };
enum { WAYS_MAX = 10000 };

struct path {
        struct trigger t;
        struct path_unit unit;
        struct path_watch watch; /* a path of it for each of the unit, in their order, then ways of patterns */
        bool *was_there;         /* of each */
        struct trigger_limit limit;
        int unit_fd;             /* connection to what was started, while it runs; or -EBADF */
};

/* ---- what is there ---- */

/* What is there by which the unit may be started: a path to be freed, or NULL. */
static char *look(const struct path_spec *s)
{
        if (s->kind == PATH_GLOB_IS_THERE)
                return condition_first_match(s->path);
        return (s->kind == PATH_IS_FILLED ? condition_folder_is_filled(s->path) : access(s->path, F_OK) == 0) ? xstrdup(s->path) : NULL;
}

/*
 * Why the unit is to be started now, or NULL. Where a change is waited for, a path that comes or goes is one, but not if it did so before it was looked
 * at first, or while the unit ran.
 */
static char *find_reason(struct path *k, bool first, bool after_unit)
{
        char *reason = NULL;
        for (size_t i = 0; i < k->unit.count; i++) {
                const struct path_spec *s = &k->unit.specs[i];
                CLEAN_FREE char *there = look(s);
                const bool changed = (there != NULL) != k->was_there[i] && !first && !after_unit;
                k->was_there[i] = there != NULL;
                if (!reason && (path_kind_is_event(s->kind) ? changed : there != NULL))
                        reason = there ? TAKE_PTR(there) : xstrdup(s->path);
        }
        return reason;
}

/* ---- watching ---- */

/* What comes below the folders that a pattern leads through is seen in them alone: each that there is by now is watched for the rest of the pattern. */
static void add_ways(struct path *k, const char *pattern, uint32_t mask)
{
        const char *wild = pattern + strcspn(pattern, "*?["), *rest = wild + strcspn(wild, "/");
        CLEAN_FREE char *head = xstrndup(pattern, (size_t)(rest - pattern));
        glob_t g = { 0 };
        if (*rest && glob(head, GLOB_NOSORT | GLOB_ONLYDIR, NULL, &g) == 0)
                for (size_t i = 0; i < g.gl_pathc && k->watch.count < WAYS_MAX; i++) {
                        CLEAN_FREE char *path = xprintf("%s%s", g.gl_pathv[i], rest);
                        path_watch_add(&k->watch, path, mask);
                        add_ways(k, path, mask);
                }
        globfree(&g);
}

static int renew(struct path *k, struct error *e)
{
        path_watch_keep(&k->watch, k->unit.count);
        for (size_t i = 0; i < k->unit.count; i++)
                if (k->unit.specs[i].kind == PATH_GLOB_IS_THERE)
                        add_ways(k, k->unit.specs[i].path, path_kind_mask(PATH_GLOB_IS_THERE));
        return path_watch_renew(&k->watch, e);
}

/* ---- starting ---- */

static void let_go(struct path *k)
{
        hub_unwatch(&k->t.hub, SOURCE_UNIT);
        k->unit_fd = fd_close(k->unit_fd);
}

static void hold(struct path *k, int fd)
{
        let_go(k);
        k->unit_fd = fd;
        hub_watch(&k->t.hub, SOURCE_UNIT, fd);
        trigger_set(&k->t, "running");
}

/* One that runs stays as it is, and one that is about to stop is started again: whether it is, only its supervisor knows. */
static void start(struct path *k, const char *reason)
{
        if (trigger_is_over_limit(&k->limit)) {
                trigger_fail(&k->t, "trigger-limit-hit", NULL);
                return;
        }
        CLEAN_FREE char *variables = xprintf("TRIGGER_UNIT=%s\nTRIGGER_PATH=%s", k->t.run.unit, reason);
        trigger_set(&k->t, "running"); /* before it can be seen to run: who is told that we wait may rely on it */
        int fd = trigger_launch(&k->t, k->unit.unit, NULL, 0, NULL, strchr(reason, '\n') ? NULL : variables);
        if (fd >= 0)
                hold(k, fd);
        else if (fd == -EAGAIN)
                trigger_set(&k->t, k->unit_fd >= 0 ? "running" : "waiting");
        else
                trigger_fail(&k->t, "resources", &k->t.launch_error);
}

static void wait_for(struct path *k, bool first, bool after_unit)
{
        if (k->unit_fd >= 0)
                return;
        trigger_set(&k->t, "waiting");
        CLEAN_FREE char *reason = find_reason(k, first, after_unit);
        if (reason)
                start(k, reason);
}

/* ---- what happens ---- */

static void on_watch(struct path *k)
{
        struct error e = { 0 };
        const char *changed = NULL;
        if (!path_watch_read(&k->watch))
                return;
        for (size_t i = 0; i < k->unit.count && !changed; i++)
                if (k->watch.items[i].changed && path_kind_is_event(k->unit.specs[i].kind))
                        changed = k->unit.specs[i].path;
        if (renew(k, &e) < 0) {
                trigger_fail(&k->t, "resources", &e);
                return;
        }
        if (changed) {
                CLEAN_FREE char *known = find_reason(k, true, false); /* what is there by now is no change later */
                start(k, changed);
        } else
                wait_for(k, false, false);
}

static void on_unit(struct path *k)
{
        struct client_news news;
        int r = client_hear(k->unit_fd, &news);
        if (r == 0 && news.kind != CLIENT_NEWS_EXITED)
                return;
        let_go(k);
        if (r == 0 && text_equal(news.exit.result, service_result_word(RESULT_START_LIMIT)))
                trigger_fail(&k->t, "unit-start-limit-hit", NULL);
        else
                wait_for(k, false, true);
}

static void on_source(void *context, unsigned id, uint32_t events)
{
        (void)events;
        if (id == SOURCE_UNIT)
                on_unit(context);
        else
                on_watch(context);
}

/* ---- all ---- */

/* Of what is only to be there nothing is made: it would be, then. */
static void make_folders(struct path *k)
{
        struct error e = { 0 };
        mode_t ours = umask(0); /* the mode that is asked for is the one that they get */
        for (size_t i = 0; i < k->unit.count && k->unit.make_directory; i++) {
                const struct path_spec *s = &k->unit.specs[i];
                if (s->kind != PATH_IS_THERE && s->kind != PATH_GLOB_IS_THERE && file_make_folders(s->path, k->unit.directory_mode, &e) < 0)
                        trigger_log(&k->t, &e);
        }
        (void)umask(ours);
}

static int set_up(struct path *k, struct error *e)
{
        int r = path_unit_parse(&k->t.file, &k->t.name, &k->t.facts.facts, k->t.o.lenient, &k->t.notes, &k->unit, e);
        if (r == 0)
                r = path_watch_open(&k->watch, e);
        if (r < 0)
                return r;
        k->limit = (struct trigger_limit){ .interval_usec = k->unit.trigger_limit_interval_usec, .burst = (uint64_t)k->unit.trigger_limit_burst };
        make_folders(k);
        k->was_there = xalloc(k->unit.count, sizeof *k->was_there);
        for (size_t i = 0; i < k->unit.count; i++)
                path_watch_add(&k->watch, k->unit.specs[i].path, path_kind_mask(k->unit.specs[i].kind));
        r = renew(k, e);
        if (r < 0)
                return r;
        hub_watch(&k->t.hub, SOURCE_WATCH, k->watch.fd);
        return 0;
}

/* If its unit runs already, so does it. */
static void look_for_unit(struct path *k)
{
        CLEAN_FD int dir_fd = run_open(k->t.root_fd, k->unit.unit, NULL);
        int fd = dir_fd < 0 || !run_is_live(dir_fd) ? -EBADF : service_join(k->t.root_fd, k->unit.unit, false, NULL);
        if (fd >= 0)
                hold(k, fd);
}

int path_supervise(const struct service_options *o, struct error *e)
{
        static struct path k;
        k = (struct path){ .watch = PATH_WATCH_INIT, .unit_fd = -EBADF };
        k.t.source = on_source, k.t.context = &k;
        int r = trigger_open(&k.t, o, UNIT_PATH, e);
        if (r < 0)
                return r;
        struct error why = { 0 };
        if (trigger_check(&k.t, &why) < 0 || set_up(&k, &why) < 0)
                trigger_give_up(&k.t, &why);
        else {
                look_for_unit(&k);
                trigger_is_up(&k.t, k.unit_fd >= 0 ? "running" : "waiting");
                wait_for(&k, true, false);
        }
        while (!k.t.stops) {
                hub_want(&k.t.hub, SOURCE_WATCH, EPOLLIN);
                hub_want(&k.t.hub, SOURCE_UNIT, EPOLLIN);
                hub_turn(&k.t.hub, -1);
        }
        trigger_finish(&k.t);
        return 0;
}
