/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives src/os/cgroup.h from test_cgroup_layout.py:
 *
 *      cgroup_tool make RECORD ROOT PATH FLAGS RESOURCES     FLAGS: words of all, track, exist, rootless, closed, default, apart with commas
 *      cgroup_tool run RECORD SUB COMMAND...                 starts it in the group and ends as it does; SUB "@PID": beside PID
 *      cgroup_tool update RECORD RESOURCES
 *      cgroup_tool freeze|thaw|frozen|list|kill|stats|oom RECORD
 *      cgroup_tool remove RECORD [MS]                        MS: how long processes in it may take to be gone
 *      cgroup_tool attach RECORD SUB PID
 *      cgroup_tool signal RECORD NUMBER
 *      cgroup_tool delegate RECORD UID
 *      cgroup_tool scope start|update|stop SOCKET bus|direct v1|v2 PATH PID RESOURCES    prints unit, slice and path
 *
 * RECORD is a file; "-" for ROOT, PATH and SUB stands for none.  Errors: "ID: CAUSE" on standard error and status 1.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "os/cgroup.h"
#include "os/cgroup_systemd.h"
#include "os/file.h"
#include "os/process.h"
#include "plan/oci_resources.h"

enum { TIMEOUT_MS = 60000 };

static const char *or_null(const char *s)
{
        return text_equal(s, "-") ? NULL : s;
}

static int read_resources(const char *text, struct cgroup_resources **ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        int r = json_parse("resources.json", text, strlen(text), &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "resources.json");
        return oci_read_resources(&top, ret, e);
}

static int save(const char *path, const struct cgroup *c, struct error *e)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        cgroup_save(c, &lines);
        text_add(&t, "");
        for (size_t i = 0; i < lines.count; i++)
                text_addf(&t, "%s\n", lines.items[i]);
        int r = file_replace(AT_FDCWD, path, t.data, t.length, 0644);
        return r < 0 ? error_errno(e, r, "tool.record", "%s", path) : 0;
}

static int load(const char *path, struct cgroup *ret, struct error *e)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, path, 1 << 16, &t);
        if (r < 0)
                return error_errno(e, r, "tool.record", "%s", path);
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (*line)
                        strings_add(&lines, line);
        return cgroup_load(&lines, ret, e);
}

static int print_note(void *context, const char *path)
{
        (void)context;
        printf("%s %s\n", access(path, F_OK) == 0 ? "there" : "new", path);
        return 0;
}

static int make(char **argv, struct error *e)
{
        struct cgroup_resources *r = NULL;
        struct cgroup c;
        int k = read_resources(argv[4], &r, e);
        if (k == 0 && strstr(argv[3], "default"))
                cgroup_add_default_rules(r);
        const struct cgroup_wish w = { .root = or_null(argv[1]), .path = or_null(argv[2]), .id = "bulkhead-test-id", .resources = r,
                                       .all = strstr(argv[3], "all"), .track = strstr(argv[3], "track"), .may_exist = strstr(argv[3], "exist"),
                                       .rootless = strstr(argv[3], "rootless"), .note = print_note,
                                       .devices = strstr(argv[3], "closed") ? CGROUP_DEVICES_CLOSED : CGROUP_DEVICES_OPEN };
        if (k == 0)
                k = cgroup_make(&w, &c, e);
        if (k == 0) {
                k = save(argv[0], &c, e);
                cgroup_done(&c);
        }
        oci_resources_free(r);
        return k;
}

static int run(struct cgroup *c, char **argv, struct error *e)
{
        int pidfd = -EBADF, status;
        bool beside = argv[1][0] == '@';
        int k = cgroup_open_entry(c, beside ? NULL : or_null(argv[1]), beside ? atoi(argv[1] + 1) : 0, e);
        if (k < 0)
                return k;
        pid_t pid = process_clone(0, c->into_fd, &pidfd);
        if (pid == 0) {
                k = cgroup_enter(c);
                if (k == 0)
                        execvp(argv[2], argv + 2);
                fprintf(stderr, "%s\n", strerror(k < 0 ? -k : errno));
                _exit(126);
        }
        fd_close(pidfd);
        if (pid < 0)
                return error_errno(e, pid, "tool.clone", "clone");
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int update(struct cgroup *c, char **argv, struct error *e)
{
        struct cgroup_resources *r = NULL;
        int k = read_resources(argv[1], &r, e);
        if (k == 0)
                k = cgroup_update(c, r, e);
        oci_resources_free(r);
        return k;
}

static int freeze(struct cgroup *c, char **argv, struct error *e)
{
        (void)argv;
        return cgroup_freeze(c, e);
}

static int thaw(struct cgroup *c, char **argv, struct error *e)
{
        (void)argv;
        return cgroup_thaw(c, e);
}

static int frozen(struct cgroup *c, char **argv, struct error *e)
{
        (void)argv, (void)e;
        puts(cgroup_is_frozen(c) ? "yes" : "no");
        return 0;
}

static int list(struct cgroup *c, char **argv, struct error *e)
{
        struct cgroup_pids p = { 0 };
        int k = cgroup_list(c, &p, e);
        (void)argv;
        for (size_t i = 0; i < p.count; i++)
                printf("%d\n", p.items[i]);
        cgroup_pids_done(&p);
        return k;
}

static int kill_all(struct cgroup *c, char **argv, struct error *e)
{
        (void)argv;
        return cgroup_kill(c, TIMEOUT_MS, e);
}

static int remove_all(struct cgroup *c, char **argv, struct error *e)
{
        return cgroup_remove(c, argv[1] ? (unsigned)atoi(argv[1]) : TIMEOUT_MS, e);
}

static int stats(struct cgroup *c, char **argv, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int k = cgroup_stats(c, &t, e);
        (void)argv;
        if (k == 0)
                puts(t.data);
        return k;
}

static int oom(struct cgroup *c, char **argv, struct error *e)
{
        struct cgroup_oom o;
        int k = cgroup_oom_open(c, &o, e), total = 0;
        (void)argv;
        if (k < 0)
                return k;
        puts("watching");
        fflush(stdout);
        while (total == 0 && poll(&(struct pollfd){ .fd = o.fd, .events = POLLIN }, 1, 10000) > 0) {
                total = cgroup_oom_read(&o);
                printf("%d\n", total);
                fflush(stdout);
        }
        cgroup_oom_close(&o);
        return 0;
}

static int attach(struct cgroup *c, char **argv, struct error *e)
{
        return cgroup_attach(c, (pid_t)atoi(argv[2]), or_null(argv[1]), e);
}

static int delegate(struct cgroup *c, char **argv, struct error *e)
{
        return cgroup_delegate(c, (uid_t)atoi(argv[1]), e);
}

static int signal_all(struct cgroup *c, char **argv, struct error *e)
{
        int k = cgroup_signal(c, atoi(argv[1]));
        printf("%d\n", k);
        return k < 0 ? error_errno(e, k, "tool.signal", "signal") : 0;
}

/* argv: ACTION SOCKET KIND VERSION PATH PID RESOURCES */
static int scope(char **argv, struct error *e)
{
        struct cgroup_resources *r = NULL;
        struct cgroup_scope s = { 0 };
        const struct cgroup_systemd m = { .socket = or_null(argv[1]), .is_bus = text_equal(argv[2], "bus") };
        bool v2 = text_equal(argv[3], "v2");
        int k = cgroup_scope_parse(or_null(argv[4]), "id", false, &s, e);
        if (k == 0)
                k = read_resources(argv[6], &r, e);
        if (k == 0)
                printf("%s %s %s\n", s.unit, s.slice, s.path);
        if (k == 0 && text_equal(argv[0], "start"))
                k = cgroup_scope_start(&m, &s, atoi(argv[5]), r, v2, NULL, e);
        else if (k == 0 && text_equal(argv[0], "update"))
                k = cgroup_scope_update(&m, s.unit, r, v2, e);
        else if (k == 0)
                k = cgroup_scope_stop(&m, s.unit, e);
        cgroup_scope_done(&s);
        oci_resources_free(r);
        return k;
}

static const struct {
        const char *name;
        int least;
        int (*act)(struct cgroup *c, char **argv, struct error *e);
} actions[] = { { "run", 3, run },       { "update", 2, update }, { "freeze", 1, freeze },     { "thaw", 1, thaw },   { "frozen", 1, frozen },
                { "list", 1, list },     { "kill", 1, kill_all }, { "remove", 1, remove_all }, { "stats", 1, stats }, { "oom", 1, oom },
                { "attach", 3, attach }, { "signal", 2, signal_all },
                { "delegate", 2, delegate } };

int main(int argc, char **argv)
{
        struct error e = { 0 };
        struct cgroup c = { .into_fd = -EBADF };
        int k = -EINVAL;
        if (argc == 7 && text_equal(argv[1], "make"))
                k = make(argv + 2, &e);
        if (argc == 9 && text_equal(argv[1], "scope"))
                k = scope(argv + 2, &e);
        for (size_t i = 0; argc > 2 && i < ELEMENTS(actions); i++)
                if (text_equal(argv[1], actions[i].name) && argc - 2 >= actions[i].least) {
                        k = load(argv[2], &c, &e);
                        if (k == 0)
                                k = actions[i].act(&c, argv + 2, &e);
                }
        cgroup_done(&c);
        if (k < 0)
                fprintf(stderr, "%s: %s (%s) %s\n", e.id, e.cause, e.hint, e.whiles[0]);
        return k < 0;
}
