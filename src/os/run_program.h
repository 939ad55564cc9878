/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs another program to its end: with the environment that is given and no more, without a shell, within a time limit, and
 * with what it writes bounded.  May be called on several threads at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum { PROGRAM_ERRORS_MAX = 4096 };

struct program_run {
        char *const *argv;        /* argv[0] is an absolute path */
        char *const *environment; /* ends with NULL */
        const char *folder;       /* to run in; NULL: / */
        const char *input;        /* on its standard input; NULL: /dev/null */
        size_t input_size;
        size_t output_max;        /* so many bytes of its standard output are kept, its first; the rest is thrown away */
        uint64_t limit_usec;      /* after it: SIGTERM to its process group, SIGKILL two seconds later */
        /*
         * A descriptor that is held open until the program has ended, even when we are killed before: the lock of what the
         * program works on.  The program goes on then, and the limit still holds.  Negative: the program dies with us.
         */
        int hold_fd;
};

struct program_end {
        int status; /* the exit status, or -1: a signal ended it */
        int signal;
        bool late;  /* the limit ended it */
        bool cut;   /* there was more output */
        struct text output;
        struct text errors; /* the end of what it wrote on standard error */
};
void program_end_done(struct program_end *p);
#define CLEAN_PROGRAM_END CLEAN(program_end_done)

/* 0 whatever became of it; negative when it could not be started. Ids: "program.path", "program.refused". */
int program_run(const struct program_run *p, struct program_end *ret, struct error *e);
/* "exit status 3: WORDS", "did not end in 30 s: WORDS", for a program that failed; of its errors the end, on one line. Allocated. */
char *program_end_words(const struct program_run *p, const struct program_end *end);
