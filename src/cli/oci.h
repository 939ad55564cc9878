/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of bulkhead-oci: options of runc and of crun, a file per command. */
#pragma once

#include <argp.h>
#include <stdbool.h>

#include "runtime/create.h"

/* What stands before the command. */
struct oci_globals {
        const char *root;   /* owned by the program */
        const char *log;    /* a file, or NULL: errors go to standard error alone */
        bool log_json, debug;
        enum cgroup_manager manager;
};

struct oci_command {
        const char *name;
        int (*run)(const struct oci_globals *g, int argc, char **argv);
        const char *summary;
};
/* Ends with a NULL name. */
extern const struct oci_command oci_commands[];

/* Whether the log can be written to; if not, that is said. */
bool oci_log_opens(const struct oci_globals *g);
/* Says what failed, on standard error and in the log; returns the exit status: status, or 1 when it is 0. */
int oci_say_failed(const struct oci_globals *g, const char *subject, const struct error *e);
/* The number of --preserve-fds: -EINVAL, or -EBADF when not all of the descriptors from 3 on are open. */
int oci_parse_preserve_fds(const char *s, unsigned *ret);
/* What a shell would end with when a program could not be executed, 126 or 127; for other errors otherwise. */
int oci_exec_status(const struct error *e, int otherwise);
/* Opens the folder of all containers; make: where it is missing. A descriptor or -errno. */
int oci_open_root(const struct oci_globals *g, bool make, struct error *e);
/* Opens a container. */
int oci_open(const struct oci_globals *g, const char *id, struct record *ret, struct error *e);
/* Reads a file of at most max bytes, or with "-" standard input to its end. 0 or -errno. */
int oci_read_file(const char *file, size_t max, struct text *ret);
/* Parses a command's options; id takes the first argument, the rest is refused unless rest takes it. */
struct oci_arguments {
        const struct argp_option *options;
        error_t (*parse)(int key, char *arg, struct argp_state *state); /* state->input is input; NULL: no options */
        void *input;
        const char *usage, *doc;
        const char *id;      /* out */
        char **rest;         /* out: the arguments behind the id */
        int rest_count;
        bool takes_rest, id_optional;
};
/* 0, or an exit status with what is wrong said. */
int oci_parse(struct oci_arguments *a, int argc, char **argv);

int oci_cmd_create(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_start(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_run(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_state(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_kill(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_delete(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_exec(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_list(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_ps(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_pause(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_resume(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_update(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_events(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_features(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_spec(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_checkpoint(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_restore(const struct oci_globals *g, int argc, char **argv);
int oci_cmd_mounts(const struct oci_globals *g, int argc, char **argv);
