/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the verbs of "bulkhead unit" share: options, loading, and errors. */
#pragma once

#include <argp.h>

#include "os/cgroup_usage.h"
#include "shim/unit_load.h"

struct unit_options {
        const char *unit_path; /* --unit-path, or NULL: BULKHEAD_UNIT_PATH */
        bool user_mode, lenient, json, quiet, unescape, as_path, no_wait, report_denials, names_optional;
        const char *profile; /* --profile, or NULL */
        const char *seal; /* --seal, checked, or NULL */
        size_t names_max; /* 0: any number */
        const char *base_time; /* --base-time, or NULL */
        unsigned iterations;
        struct strings names, properties;
        struct strings folders;
};

enum { KEY_UNIT_PATH = 0x400, KEY_USER, KEY_SYSTEM, KEY_LENIENT, KEY_PATH, KEY_NO_BLOCK, KEY_PROFILE, KEY_SEAL, KEY_ITERATIONS, KEY_BASE_TIME, KEY_REPORT };
enum { UNIT_ITERATIONS_MAX = 1000 };

/* Rows of argp's options that several verbs have. */
#define UNIT_OPTIONS_SEARCH                                                                                  \
        { "unit-path", KEY_UNIT_PATH, "FOLDERS", 0, "Look for units in these folders, between colons", 9 },  \
        { "user", KEY_USER, NULL, 0, "Units of an ordinary user", 9 },                                       \
        { "system", KEY_SYSTEM, NULL, 0, "Units of the system", 9 }
#define UNIT_OPTION_LENIENT { "lenient", KEY_LENIENT, NULL, 0, "Pass over what cannot be read, as systemd does", 9 }

/* Parses a verb's words and finds the folders of the search path. false: an error was printed. */
bool unit_options_parse(struct unit_options *o, const struct argp_option *options, const char *arguments, const char *about, int argc, char **argv);
void unit_options_done(struct unit_options *o);
#define CLEAN_UNIT_OPTIONS CLEAN(unit_options_done)

/* Loads a unit: "cron" is "cron.service". An error is printed below "cannot VERB NAME". Notes are printed. */
int unit_open(const struct unit_options *o, const char *verb, const char *name, struct unit *ret);

/* A line for each thing that is known of what a service uses. */
void unit_usage_print(const struct cgroup_usage *u);

/* The verbs. */
int unit_cmd_run(int argc, char **argv);
int unit_cmd_start(int argc, char **argv);
int unit_cmd_stop(int argc, char **argv);
int unit_cmd_restart(int argc, char **argv);
int unit_cmd_reload(int argc, char **argv);
int unit_cmd_reset_failed(int argc, char **argv);
int unit_cmd_status(int argc, char **argv);
int unit_cmd_calendar(int argc, char **argv);
int unit_cmd_cat(int argc, char **argv);
int unit_cmd_escape(int argc, char **argv);
int unit_cmd_show(int argc, char **argv);
int unit_cmd_verify(int argc, char **argv);
