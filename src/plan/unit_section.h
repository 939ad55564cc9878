/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a section of a unit into a struct, by a table of names: what [Timer], [Socket] and [Path] have in common. Pure.
 *
 * An empty value sets what a directive had before all files. A value that cannot be read is an error, or a note if lenient, as are names that
 * systemd does not know; names that it knows and the table does not are passed over.
 */
#pragma once

#include "base/error.h"
#include "plan/directive.h"
#include "plan/unit_file.h"

struct section_row;

struct section_reading {
        void *object;
        const void *defaults; /* an object as it was before */
        const struct facts *facts;
        void *context;
};

typedef int section_reader(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e);

struct section_row {
        const char *name;
        section_reader *read;
        size_t offset;          /* of the member in the object */
        uint64_t min, max;      /* of numbers */
        const char *const *words; /* of section_word, ended by NULL */
};

/* Errors get the place and the assignment as their line "while". Ids: "directive.unknown", and those of the readers. */
int section_read(const struct unit_file *f, const char *section, const struct section_row *rows, size_t count, const struct section_reading *r, bool lenient,
                 struct strings *notes, struct error *e);

/* The same of one line, without a line "while". */
int section_read_line(const struct unit_line *l, const struct section_row *rows, size_t count, const struct section_reading *r, struct error *e);

/* Whether the table has it, and not only to refuse it. */
bool section_applies(const struct section_row *rows, size_t count, const char *name);

/* Readers, with the type of the member; id "directive.value". */
section_reader section_bool;    /* bool */
section_reader section_span;    /* uint64_t, microseconds; infinity is UINT64_MAX */
section_reader section_number;  /* int64_t, decimal, octal or hexadecimal as in C, from min to max (taken as signed) */
section_reader section_size;    /* int64_t bytes, from min to max */
section_reader section_mode;    /* mode_t */
section_reader section_text;    /* char *, specifiers expanded; empty: NULL */
section_reader section_word;    /* int, the index in words; names in any case */
section_reader section_refused; /* a directive that Bulkhead does not carry out and that must not be passed over; "directive.unsupported" */

void *section_member(const struct section_reading *r, const struct section_row *row);
int section_bad(const char *value, const char *wanted, struct error *e);
