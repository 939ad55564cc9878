/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that run and explain share. */
#pragma once

#include "plan/directive.h"

struct run_options {
        const char *verb; /* for errors: "start" or "explain" */
        struct strings properties, variables, argv;
        const char *unit, *description, *like, *profile;
        char *unit_name, *unit_word; /* unit_word: what like points to, where it is ours */
        int report_fd; /* the report of denials arrives here */
        int observe_fd; /* of learn: the observer is at the other end; 0: none */
        bool trial;     /* the run is to leave a service of the same folders and user alone */
        int program_fd; /* executed in place of the file that the command names; 0: none */
        bool pty, pipe, shell, wait, collect, quiet, same_dir, expand, user_mode, lenient, json, report;
        enum plan_seal seal;
};

int run_options_compile(struct run_options *o, struct plan *p, struct error *e);
/* Compiles, starts, and follows as far as the options ask; prints errors and notes. The exit status. */
int run_options_start(struct run_options *o);
void run_options_done(struct run_options *o);
int run_options_parse(struct run_options *o, int argc, char **argv, const char *doc);
