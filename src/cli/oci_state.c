/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state, kill, delete, pause, resume: one look at the container, one act. */
#include "base/signal_name.h"
#include "cli/oci.h"

#include <regex.h>
#include <string.h>

#include "os/file.h"

/* ---- state ---- */

static int read_annotations(const struct record *r, struct strings *ret)
{
        CLEAN_JSON struct json_document config = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        if (container_plan(r, &config, &p, NULL) < 0)
                return 0;
        *ret = p.container->annotations;
        p.container->annotations = (struct strings){ 0 };
        return 0;
}

int oci_cmd_state(const struct oci_globals *g, int argc, char **argv)
{
        struct oci_arguments a = { .doc = "Show the state of a container" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        CLEAN_STRINGS struct strings annotations = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        if (oci_open(g, a.id, &r, &e) < 0)
                return oci_say_failed(g, "cannot show the state", &e);
        enum record_status s = record_status(&r);
        (void)read_annotations(&r, &annotations);
        record_state(&r, s == RECORD_STOPPED ? 0 : r.pid, record_status_name(s), &annotations, &t);
        puts(t.data);
        return 0;
}

/* ---- kill ---- */

enum { KEY_REGEX = 256 };

struct killing {
        bool all, regex;
};

static error_t parse_kill(int key, char *arg, struct argp_state *state)
{
        struct killing *k = state->input;
        (void)arg;
        switch (key) {
        case 'a': k->all = true; return 0;
        case KEY_REGEX: k->regex = true; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/* Calls act with each container whose id matches; its results are counted together. */
static int each_matching(const struct oci_globals *g, const char *pattern, int (*act)(struct record *r, void *data, struct error *e),
                         void *data, struct error *e)
{
        regex_t expression;
        CLEAN_STRINGS struct strings names = { 0 };
        if (regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) != 0)
                return error_set(e, EINVAL, "container.pattern", "\"%.80s\" is no regular expression", pattern);
        CLEAN_FD int fd = record_root_open(g->root, false, NULL);
        int result = fd < 0 ? 0 : file_list(fd, &names);
        for (size_t i = 0; i < names.count; i++) {
                CLEAN_RECORD struct record r = RECORD_INIT;
                if (!record_id_valid(names.items[i]) || regexec(&expression, names.items[i], 0, NULL, 0) != 0 ||
                    record_open(fd, names.items[i], &r, NULL) < 0)
                        continue;
                int k = act(&r, data, e);
                if (k < 0)
                        result = k;
        }
        regfree(&expression);
        return result;
}

struct kill_request {
        int signal;
        bool all;
};

static int kill_one(struct record *r, void *data, struct error *e)
{
        const struct kill_request *k = data;
        return container_kill(r, k->signal, k->all, e);
}

int oci_cmd_kill(const struct oci_globals *g, int argc, char **argv)
{
        static const struct argp_option options[] = { { "all", 'a', NULL, 0, "Send it to every process of the container", 0 },
                                                      { "regex", KEY_REGEX, NULL, 0, "To all containers whose name matches", 0 }, { 0 } };
        struct killing k = { 0 };
        struct oci_arguments a = { .options = options, .parse = parse_kill, .input = &k, .usage = "CONTAINER [SIGNAL]", .takes_rest = true,
                                   .doc = "Send a signal to a container (default: TERM)" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        struct kill_request request = { a.rest_count ? signal_from_name(a.rest[0]) : 15, k.all };
        if (a.rest_count > 1 || request.signal < 0) {
                error_set(&e, EINVAL, "container.signal", "\"%.60s\" is no signal", a.rest[a.rest_count > 1 ? 1 : 0]);
                return oci_say_failed(g, "cannot kill the container", &e);
        }
        int r2 = k.regex ? each_matching(g, a.id, kill_one, &request, &e) : oci_open(g, a.id, &r, &e);
        if (r2 == 0 && !k.regex)
                r2 = kill_one(&r, &request, &e);
        return r2 < 0 ? oci_say_failed(g, "cannot kill the container", &e) : 0;
}

/* ---- delete ---- */

struct deleting {
        bool force, regex;
};

static error_t parse_delete(int key, char *arg, struct argp_state *state)
{
        struct deleting *d = state->input;
        (void)arg;
        switch (key) {
        case 'f': d->force = true; return 0;
        case KEY_REGEX: d->regex = true; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static int delete_one(struct record *r, void *data, struct error *e)
{
        return container_delete(r, *(bool *)data, e);
}

int oci_cmd_delete(const struct oci_globals *g, int argc, char **argv)
{
        static const struct argp_option options[] = { { "force", 'f', NULL, 0, "Kill it first if it runs; one that is not there is no error", 0 },
                                                      { "regex", KEY_REGEX, NULL, 0, "All containers whose name matches", 0 }, { 0 } };
        struct deleting d = { 0 };
        struct oci_arguments a = { .options = options, .parse = parse_delete, .input = &d, .doc = "Remove a container" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        int k = d.regex ? each_matching(g, a.id, delete_one, &d.force, &e) : oci_open(g, a.id, &r, &e);
        if (k == -ENOENT && d.force)
                return 0;
        if (k == 0 && !d.regex)
                k = container_delete(&r, d.force, &e);
        return k < 0 ? oci_say_failed(g, "cannot delete the container", &e) : 0;
}

/* ---- pause, resume ---- */

static int change(const struct oci_globals *g, int argc, char **argv, bool pause)
{
        struct oci_arguments a = { .doc = pause ? "Suspend all processes of a container" : "Go on after pause" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        int k = oci_open(g, a.id, &r, &e);
        enum record_status s = k < 0 ? RECORD_STOPPED : record_status(&r);
        if (k == 0 && !(pause ? s == RECORD_RUNNING || s == RECORD_CREATED : s == RECORD_PAUSED))
                k = error_set(&e, EBUSY, "container.status", "container \"%s\" is %s", r.id, record_status_name(s));
        if (k == 0)
                k = pause ? cgroup_freeze(&r.cgroup, &e) : cgroup_thaw(&r.cgroup, &e);
        return k < 0 ? oci_say_failed(g, pause ? "cannot pause the container" : "cannot resume the container", &e) : 0;
}

int oci_cmd_pause(const struct oci_globals *g, int argc, char **argv)
{
        return change(g, argc, argv, true);
}

int oci_cmd_resume(const struct oci_globals *g, int argc, char **argv)
{
        return change(g, argc, argv, false);
}
