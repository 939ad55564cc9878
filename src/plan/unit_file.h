/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The syntax of systemd's unit files (systemd.syntax(7)), without the meaning of any line: sections, assignments, comments and
 * continued lines, in the order in which they stand. A unit and its drop-ins are read into one struct, one after another.
 * Pure: no system call, no privilege.
 *
 * systemd passes over what it cannot read; here that is an error, unless lenient, when it is a note.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum {
        UNIT_LINE_MAX = 1 << 20,    /* bytes of one line, continued ones together */
        UNIT_FILE_MAX = 16 << 20,   /* bytes of one file */
        UNIT_LINES_MAX = 100000,    /* assignments of a unit and its drop-ins */
        UNIT_FILES_MAX = 20000,
        UNIT_NOTES_MAX = 1000,      /* that are passed over */
        UNIT_NAMES_MAX = 4096,      /* different names of sections and directives: systemd knows some 600 */
};

struct unit_line {
        const char *section, *name; /* owned by the unit's strings */
        char *value;                /* without blanks at its ends; may be empty, which resets in most directives */
        unsigned file;              /* index of files */
        unsigned number;            /* of the line where it begins, from 1 */
};

struct unit_file {
        struct unit_line *lines;
        size_t count, room;
        struct strings files;   /* the paths that were read */
        struct strings strings; /* names of sections and directives, each once */
        struct strings notes;   /* "PATH:LINE: what was passed over" */
};

/*
 * Appends the lines of a file. sections: those that may occur, ended by NULL; others are an error or noted, except those that begin
 * with "X-", which are for other programs and passed over, as are names that do. NULL: any may.
 * Ids of errors: "unit.syntax", "unit.limit"; after one, u may hold lines that stand before the bad one.
 */
int unit_file_parse(struct unit_file *u, const char *path, const char *data, size_t size, const char *const *sections, bool lenient, struct error *e);
/* The next line of a section, from index *at on, which is then behind it; name NULL: of any name. NULL at the end. */
const struct unit_line *unit_file_next(const struct unit_file *u, const char *section, const char *name, size_t *at);
/* "PATH:LINE", for errors. Free it. */
char *unit_file_place(const struct unit_file *u, const struct unit_line *l);
void unit_file_done(struct unit_file *u);
#define CLEAN_UNIT_FILE CLEAN(unit_file_done)
