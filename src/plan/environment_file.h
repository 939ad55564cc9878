/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of EnvironmentFile= (systemd.exec(5)): NAME=VALUE lines, comments, quotes and continued lines.  Pure.
 *
 * systemd passes over lines without "=", names that are none and quotes that stay open; here they are errors, unless
 * lenient, when they are notes.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum {
        ENVIRONMENT_FILE_MAX = 1 << 20, /* bytes of one file */
        ENVIRONMENT_FILE_VARIABLES_MAX = 10000,
};

/*
 * Appends "NAME=VALUE" of each line to ret, in their order. Ids of errors: "environment.syntax", "environment.limit"; after one,
 * ret may hold what stands before it.
 */
int environment_file_parse(struct strings *ret, const char *path, const char *data, size_t size, bool lenient, struct strings *notes, struct error *e);
/* A letter or "_", then letters, digits and "_". */
bool environment_name_valid(const char *name, size_t length);
