/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One error: what was being done, to what, why it failed and what to try.
 *
 * Every function that can fail takes a struct error (or NULL, in probes) and returns 0 or a negative errno.
 * error_set is called once where the failure is found; error_while once per layer that knows something new.
 * The struct is flat and holds no pointer, so a child sends it through a pipe as it is and the user reads the
 * child's own cause.  Libraries never print; programs print with error_print or error_json.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { ERROR_ID_MAX = 48, ERROR_CAUSE_MAX = 512, ERROR_HINT_MAX = 384, ERROR_WHILE_MAX = 4, ERROR_LINE_MAX = 320 };

struct error {
        int32_t code;        /* negative errno; 0 means that no error was set */
        int32_t exit_status; /* the status that a program should end with; 0: the caller's default */
        int32_t lines;       /* how many of the "while" lines are in use, innermost first */
        char id[ERROR_ID_MAX];
        char cause[ERROR_CAUSE_MAX];
        char hint[ERROR_HINT_MAX];
        char whiles[ERROR_WHILE_MAX][ERROR_LINE_MAX];
};

/* Records a failure: errnum is positive or negative errno; id is stable ("mount.refused").  Returns -errno. */
int error_set(struct error *e, int errnum, const char *id, const char *format, ...)
        __attribute__((format(printf, 4, 5), cold));

/* An error that another process told, with its own id and words. */
int error_restore(struct error *e, int errnum, const char *id, const char *cause);

/* As error_set, and appends ": strerror(errnum)" to the cause. */
int error_errno(struct error *e, int errnum, const char *id, const char *format, ...)
        __attribute__((format(printf, 4, 5), cold));

/* Says what was going on; called from the inside out.  Returns e->code, or -EIO without e. */
int error_while(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* What the reader could try.  The first hint stays. */
void error_hint(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The first status stays, being nearest to the cause. */
void error_status(struct error *e, int exit_status);

/* Prints "PROGRAM: note: WORDS" on one line. Control characters are escaped. */
void error_note(FILE *f, const char *program, const char *words);

/* Prints "PROGRAM: SUBJECT" and the chain below it, as docs/errors.md shows.  Control characters are escaped. */
void error_print(FILE *f, const char *program, const char *subject, const struct error *e);
