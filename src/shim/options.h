/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command lines of supervisors, which other programs of ours execute: one table of rows makes them and reads them. All descriptors
 * are inherited and at least 3.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"

/* The field at offset is an int (-EBADF: none), a pid_t, a uint32_t, a bool, a const char * (NULL: none), an unsigned (0: left out). */
enum option_kind { OPTION_FD, OPTION_PID, OPTION_MS, OPTION_FLAG, OPTION_TEXT, OPTION_COUNT };

struct option_row {
        const char *name;
        size_t offset;
        enum option_kind kind;
};

/* Id of errors: "shim.option". */
int options_parse(const struct option_row *rows, size_t count, int argc, char **argv, void *into, struct error *e);
/* Adds the words to argv. Descriptors below 3, where stdio will be, are moved, and all survive exec. Id: "shim.exec". */
int options_format(const struct option_row *rows, size_t count, void *from, struct strings *argv, struct error *e);
/*
 * Replaces this process by a program of ours, at path, or found by its name beside this program. Returns only on failure: "shim.exec".
 */
int options_exec(const char *path, const char *name, char *const *argv, char *const *environment, struct error *e);
