/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/oci.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "os/file.h"

const struct oci_command oci_commands[] = {
        { "create", oci_cmd_create, "Make a container, up to the point where its program would start" },
        { "start", oci_cmd_start, "Start the program of a container that was created" },
        { "run", oci_cmd_run, "Create and start a container" },
        { "state", oci_cmd_state, "Show the state of a container" },
        { "kill", oci_cmd_kill, "Send a signal to a container" },
        { "delete", oci_cmd_delete, "Remove a container" },
        { "exec", oci_cmd_exec, "Run another program in a container" },
        { "list", oci_cmd_list, "List containers" },
        { "ps", oci_cmd_ps, "List the processes of a container" },
        { "pause", oci_cmd_pause, "Suspend all processes of a container" },
        { "resume", oci_cmd_resume, "Go on after pause" },
        { "update", oci_cmd_update, "Change what a container may use" },
        { "events", oci_cmd_events, "Show what a container uses, and when its memory runs out" },
        { "mounts", oci_cmd_mounts, "Add mounts to a container that runs" },
        { "checkpoint", oci_cmd_checkpoint, "Save the processes of a container as files" },
        { "restore", oci_cmd_restore, "Make a container of what checkpoint saved" },
        { "features", oci_cmd_features, "Show what this runtime understands" },
        { "spec", oci_cmd_spec, "Write a configuration to start from" },
        { 0 },
};

/* ---- errors ---- */

static void describe(struct text *t, const char *subject, const struct error *e)
{
        text_add(t, subject);
        for (int i = e->lines - 1; i >= 0; i--)
                text_addf(t, ": %s", e->whiles[i]);
        text_addf(t, ": %s", e->cause);
        if (e->hint[0])
                text_addf(t, " (%s)", e->hint);
}

/* Engines look for these words as their own language writes them, to tell what is missing from what is forbidden. */
static void use_engine_words(char *message)
{
        static const char *const phrases[] = { "No such file or directory", "Permission denied", "Operation not permitted", "Exec format error" };
        for (size_t i = 0; i < ELEMENTS(phrases); i++)
                for (char *p = message; (p = strstr(p, phrases[i])); p++)
                        *p = (char)(*p + ('a' - 'A'));
}

static int open_log(const struct oci_globals *g)
{
        return open(g->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
}

bool oci_log_opens(const struct oci_globals *g)
{
        struct error e = { 0 };
        CLEAN_FD int fd = g->log ? open_log(g) : -EBADF;
        if (!g->log || fd >= 0)
                return true;
        error_errno(&e, errno, "command.log", "opening the log %s", g->log);
        error_print(stderr, "bulkhead-oci", "cannot log", &e);
        return false;
}

/* One line for each error, as engines read it back; the log's folder may be gone by now, which is no second error. */
static void write_log(const struct oci_globals *g, const char *message)
{
        CLEAN_TEXT struct text line = { 0 };
        char now[40];
        struct tm tm;
        time_t t = time(NULL);
        if (!g->log)
                return;
        CLEAN_FD int fd = open_log(g);
        if (fd < 0)
                return;
        (void)strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        if (g->log_json) {
                text_add(&line, "{\"level\":\"error\",\"msg\":");
                text_add_json(&line, message);
                text_addf(&line, ",\"time\":\"%s\"}\n", now);
        } else {
                text_addf(&line, "time=\"%s\" level=error msg=", now);
                text_add_json(&line, message);
                text_add(&line, "\n");
        }
        (void)file_write_all(fd, line.data, line.length);
}

int oci_say_failed(const struct oci_globals *g, const char *subject, const struct error *e)
{
        CLEAN_TEXT struct text message = { 0 };
        describe(&message, subject, e);
        use_engine_words(message.data);
        write_log(g, message.data);
        error_print(stderr, "bulkhead-oci", subject, e);
        return 1;
}

int oci_parse_preserve_fds(const char *s, unsigned *ret)
{
        uint64_t n;
        if (text_parse_uint(s, 4096, &n) < 0)
                return -EINVAL;
        for (int i = 0; i < (int)n; i++)
                if (fcntl(3 + i, F_GETFD) < 0)
                        return -EBADF;
        *ret = (unsigned)n;
        return 0;
}

int oci_exec_status(const struct error *e, int otherwise)
{
        return !text_starts(e->id, "exec.") ? otherwise : e->code == -ENOENT ? 127 : 126;
}

/* ---- shared by commands ---- */

int oci_open_root(const struct oci_globals *g, bool make, struct error *e)
{
        return record_root_open(g->root, make, e);
}

int oci_open(const struct oci_globals *g, const char *id, struct record *ret, struct error *e)
{
        static int root_fd = -EBADF; /* borrowed by the record; the program is short-lived */
        if (root_fd < 0)
                root_fd = record_root_open(g->root, false, e);
        if (root_fd < 0 && root_fd != -ENOENT && root_fd != -ENOTDIR)
                return root_fd;
        if (root_fd < 0 && e)
                *e = (struct error){ 0 };
        return record_open(root_fd, id, ret, e);
}

int oci_read_file(const char *file, size_t max, struct text *ret)
{
        return text_equal(file, "-") ? file_read_descriptor(STDIN_FILENO, max, ret) : file_read(AT_FDCWD, file, max, ret);
}

static error_t parse_any(int key, char *arg, struct argp_state *state)
{
        struct oci_arguments *a = state->input;
        if (key == ARGP_KEY_ARG && !a->id) {
                a->id = arg;
                return 0;
        }
        if (key == ARGP_KEY_ARG && a->takes_rest) {
                a->rest = state->argv + state->next - 1;
                a->rest_count = state->argc - state->next + 1;
                state->next = state->argc;
                return 0;
        }
        if (key == ARGP_KEY_ARG)
                argp_error(state, "too many arguments: %s", arg);
        if (key == ARGP_KEY_END && !a->id && !a->id_optional)
                argp_error(state, "which container?");
        if (!a->parse || key == ARGP_KEY_ARG || key == ARGP_KEY_END)
                return ARGP_ERR_UNKNOWN;
        struct argp_state inner = *state;
        inner.input = a->input;
        return a->parse(key, arg, &inner);
}

int oci_parse(struct oci_arguments *a, int argc, char **argv)
{
        const struct argp argp = { a->options, parse_any, a->usage ? a->usage : "CONTAINER", a->doc, NULL, NULL, NULL };
        argp_err_exit_status = 1;
        /* What stands behind the id is another program's: its options are not ours. */
        return argp_parse(&argp, argc, argv, a->takes_rest ? ARGP_IN_ORDER : 0, NULL, a) ? 1 : 0;
}
