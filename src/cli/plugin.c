/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead plugin: what listens, and its end. plugin_start.c has the beginning. */
#include "cli/plugin.h"

#include <argp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/plugin_call.h"
#include "cli/plugin_lock.h"
#include "cli/target.h"
#include "os/file.h"
#include "os/process.h"

#define HELLO_USEC (2ULL * 1000000)
enum { STOP_MS = 10000, TURN_MS = 10, STATUS_FILE_MAX = 64 * 1024 };

struct options {
        struct strings names;
        bool all, json;
        uint64_t timeout_ms;
};

/* ---- ls ---- */

struct plugin_view {
        const char *name;
        struct endpoint at;
        struct text interfaces; /* "Instance/0.6.1, Flavor/0.1.1" */
        struct text objects;    /* the answer's Objects, JSON */
        pid_t pid;
        bool listens, answers, supervised;
        const char *sandbox; /* "yes", "no" or "?" */
};

static void view_done(struct plugin_view *v)
{
        endpoint_done(&v->at);
        text_clear(&v->interfaces);
        text_clear(&v->objects);
}

/* Ours always have a filter of calls; one that runs bare has none. */
static const char *sandbox_of(pid_t pid)
{
        CLEAN_FREE char *path = xprintf("/proc/%d/status", (int)pid);
        CLEAN_TEXT struct text t = { 0 };
        if (pid <= 0 || file_read(AT_FDCWD, path, STATUS_FILE_MAX, &t) < 0)
                return "?";
        const char *line = strstr(t.data, "\nSeccomp:");
        return line && strchr(line, '2') && strchr(line, '2') < strchr(line + 1, '\n') ? "yes" : "no";
}

static void add_interfaces(struct plugin_view *v, const struct json_node *result)
{
        const struct json_node *objects = json_member(result, "Objects");
        v->answers = true;
        if (objects)
                json_add(&v->objects, objects);
        for (const struct json_node *o = NULL; (o = view_next_member(objects, o));)
                text_addf(&v->interfaces, "%s%s", v->interfaces.length ? ", " : "", o[-1].text);
}

static void look(const char *folder, struct plugin_view *v)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *result;
        struct error e = { 0 };
        v->sandbox = "?";
        v->supervised = plugin_locked_by(folder, v->name);
        if (plugin_find(folder, v->name, &v->at, NULL) < 0)
                return;
        v->listens = plugin_listens(&v->at, &v->pid);
        if (!v->listens)
                return;
        v->sandbox = sandbox_of(v->pid);
        if (rpc_call_wait(v->name, &v->at, "Handshake.Hello", "{}", HELLO_USEC, &d, &result, &e) == 0)
                add_interfaces(v, result);
        else
                v->answers = text_equal(e.id, "rpc.remote");
}

static const char *state_of(const struct plugin_view *v)
{
        return v->answers ? "answers" : v->listens ? "silent" : v->supervised ? "down" : "gone";
}

static void format_json(struct text *t, const struct plugin_view *v)
{
        CLEAN_TEXT struct text row = { 0 };
        CLEAN_FREE char *address = v->at.path ? xprintf("unix://%s", v->at.path) : v->at.host ? xprintf("tcp://%s:%s", v->at.host, v->at.port) : NULL;
        CLEAN_FREE char *pid = xprintf("%d", (int)v->pid);
        params_add(&row, "Name", v->name);
        if (address)
                params_add(&row, "Address", address);
        params_add(&row, "State", state_of(v));
        params_add_raw(&row, "PID", v->pid > 0 ? pid : "null");
        params_add_raw(&row, "Sandbox", *v->sandbox == '?' ? "null" : *v->sandbox == 'y' ? "true" : "false");
        params_add_raw(&row, "Objects", v->objects.length ? v->objects.data : "{}");
        text_addf(t, "{%s}", row.data);
}

static void print_row(const struct plugin_view *v, int width)
{
        CLEAN_FREE char *pid = v->pid > 0 ? xprintf("%d", (int)v->pid) : xstrdup("-");
        printf("%-*s  %-8s  %-8s  %-7s  ", width, v->name, state_of(v), pid, v->listens ? v->sandbox : "-");
        text_print_safe(stdout, v->interfaces.length ? v->interfaces.data : "-");
        putchar('\n');
}

static int list(const struct options *o)
{
        CLEAN_FREE char *folder = plugins_folder();
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_TEXT struct text json = { 0 };
        struct error e = { 0 };
        int width = 4, r = plugin_names(folder, &names);
        if (r < 0)
                return target_fail("list", "plugins", (error_errno(&e, -r, "file.read", "reading %s", folder), &e));
        for (size_t i = 0; i < names.count; i++)
                width = (int)strlen(names.items[i]) > width ? (int)strlen(names.items[i]) : width;
        if (!o->json)
                printf("%-*s  %-8s  %-8s  %-7s  %s\n", width, "NAME", "STATE", "PID", "SANDBOX", "INTERFACES");
        for (size_t i = 0; i < names.count; i++) {
                CLEAN(view_done) struct plugin_view v = { .name = names.items[i] };
                look(folder, &v);
                if (!o->json) {
                        print_row(&v, width);
                        continue;
                }
                text_add(&json, i ? "," : "");
                format_json(&json, &v);
        }
        if (o->json)
                printf("[%s]\n", json.length ? json.data : "");
        return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- stop ---- */

/* A descriptor of the process that listens: asked twice, so that the number is not another's meanwhile. */
static int open_listener(const struct endpoint *at, const char *name, struct error *e)
{
        pid_t pid = 0, again = 0;
        if (!plugin_listens(at, &pid))
                return -ESRCH;
        if (pid <= 0)
                return error_set(e, EREMOTE, "plugin.stop", "\"%.64s\" listens elsewhere, and is stopped there", name);
        CLEAN_FD int fd = process_open(pid);
        if (fd < 0)
                return fd == -ESRCH ? fd : error_errno(e, -fd, "plugin.stop", "opening the process %d", (int)pid);
        if (!plugin_listens(at, &again) || again != pid)
                return -ESRCH;
        return TAKE_FD(fd);
}

static int still_there(const char *name, uint64_t timeout_ms, struct error *e)
{
        error_set(e, ETIMEDOUT, "plugin.stop", "\"%.64s\" is still there after %.1f s", name, (double)timeout_ms / 1000);
        error_hint(e, "it finishes the calls in hand; --time gives it longer");
        return -ETIMEDOUT;
}

/* Has the supervisor end it: nobody else can keep it from being started again. */
static int stop_supervised(const char *folder, const char *name, pid_t supervisor, uint64_t timeout_ms, struct error *e)
{
        int r = plugin_stop_ask(folder, name, supervisor, e);
        for (uint64_t waited_ms = 0; r == 0 && plugin_locked_by(folder, name) == supervisor; waited_ms += TURN_MS) {
                if (waited_ms >= timeout_ms)
                        return still_there(name, timeout_ms, e);
                (void)usleep(TURN_MS * 1000);
        }
        return r;
}

static int stop_alone(const struct endpoint *at, const char *name, uint64_t timeout_ms, struct error *e)
{
        CLEAN_FD int fd = open_listener(at, name, e);
        if (fd < 0)
                return fd == -ESRCH ? 0 : fd;
        int r = process_signal(fd, SIGTERM);
        if (r < 0)
                return error_errno(e, -r, "plugin.stop", "ending \"%.64s\"", name);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        return poll(&p, 1, (int)timeout_ms) == 1 ? 0 : still_there(name, timeout_ms, e);
}

static int stop(const char *folder, const char *name, uint64_t timeout_ms, struct error *e)
{
        CLEAN_ENDPOINT struct endpoint at = { 0 };
        pid_t supervisor = plugin_name_valid(name) ? plugin_locked_by(folder, name) : 0;
        int r = supervisor ? 0 : plugin_find(folder, name, &at, e);
        if (r < 0)
                return r;
        r = supervisor ? stop_supervised(folder, name, supervisor, timeout_ms, e) : stop_alone(&at, name, timeout_ms, e);
        if (r == 0)
                plugin_remove_stale(folder, name);
        return r;
}

/* The controller first: it must not take the end of the others for a failure. */
static int stop_all(const struct options *o)
{
        CLEAN_FREE char *folder = plugins_folder();
        CLEAN_STRINGS struct strings names = { 0 };
        struct error e = { 0 };
        int r = o->all ? plugin_names(folder, &names) : 0, status = 0;
        if (r < 0)
                return target_fail("stop", "plugins", (error_errno(&e, -r, "file.read", "reading %s", folder), &e));
        for (size_t i = 0; i < o->names.count; i++)
                strings_add(&names, o->names.items[i]);
        for (int first = 1; first >= 0; first--)
                for (size_t i = 0; i < names.count; i++) {
                        e = (struct error){ 0 };
                        if (text_equal(names.items[i], CONTROLLER_NAME) != first)
                                continue;
                        if (stop(folder, names.items[i], o->timeout_ms, &e) < 0)
                                status = target_fail("stop", names.items[i], &e);
                        else
                                printf("%s: stopped\n", names.items[i]);
                }
        return fflush(stdout) == 0 ? status : 1;
}

/* ---- the command ---- */

enum { KEY_ALL = 0x100 };

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct options *o = state->input;
        uint64_t usec;
        switch (key) {
        case KEY_ALL: o->all = true; return 0;
        case 'j': o->json = true; return 0;
        case 't':
                if (text_parse_span_usec(arg, &usec) < 0 || usec / 1000 > 1000000000)
                        argp_error(state, "--time takes a span such as 10s");
                o->timeout_ms = usec / 1000;
                return 0;
        case ARGP_KEY_ARG: strings_add(&o->names, arg); return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

int plugin_cmd_ls(int argc, char **argv)
{
        static const struct argp_option options[] = { { "json", 'j', NULL, 0, "Print JSON", 0 }, { 0 } };
        static const struct argp argp = { options, parse_option, NULL, "List the plugins that listen", NULL, NULL, NULL };
        struct options o = { 0 };
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        if (o.names.count) {
                fputs("bulkhead: plugin ls takes no arguments\n", stderr);
                strings_clear(&o.names);
                return 2;
        }
        return list(&o);
}

int plugin_cmd_stop(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "all", KEY_ALL, NULL, 0, "All that listen", 0 },
                { "time", 't', "SPAN", 0, "How long to wait for each (10s)", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "NAME...", "Stop plugins and wait until they are gone", NULL, NULL, NULL };
        struct options o = { .timeout_ms = STOP_MS };
        if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
                return 1;
        if (o.all == (o.names.count > 0)) {
                fputs("bulkhead: plugin stop takes names, or --all\n", stderr);
                strings_clear(&o.names);
                return 2;
        }
        int status = stop_all(&o);
        strings_clear(&o.names);
        return status;
}

static const struct verb {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *summary;
} verbs[] = {
        { "ls", plugin_cmd_ls, "List the plugins that listen" },
        { "start", plugin_cmd_start, "Start plugins, each in a sandbox, and look after them" },
        { "stop", plugin_cmd_stop, "Stop plugins and wait until they are gone" },
};

static int usage(FILE *f)
{
        fputs("usage: bulkhead plugin VERB [OPTION...] [NAME...]\n\n", f);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                fprintf(f, "  %-6s %s\n", verbs[i].name, verbs[i].summary);
        fputs("\n\"bulkhead plugin VERB --help\" tells more.\n", f);
        return f == stdout ? 0 : 2;
}

int cmd_plugin(int argc, char **argv)
{
        if (argc < 2)
                return usage(stderr);
        if (text_equal(argv[1], "--help") || text_equal(argv[1], "-?"))
                return usage(stdout);
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
                if (text_equal(argv[1], verbs[i].name)) {
                        CLEAN_FREE char *name = xprintf("bulkhead plugin %s", argv[1]);
                        argv[1] = name;
                        return verbs[i].run(argc - 1, argv + 1);
                }
        fputs("bulkhead plugin: unknown verb \"", stderr);
        text_print_safe(stderr, argv[1]);
        fputs("\"\n", stderr);
        return usage(stderr);
}
