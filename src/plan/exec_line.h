/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command lines of ExecStart= and its siblings, as systemd.service(5) has them: prefixes, quotes, escapes, ";" between
 * commands, specifiers, and the variables that are put in later, when the environment is known.
 * Pure: no system call, no privilege.
 *
 * What systemd would take for a part of the program's name, such as a prefix that stands there twice, is an error here.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "plan/directive.h"

enum {
        EXEC_VALUE_MAX = 1 << 20,  /* bytes of one assignment */
        EXEC_COMMANDS_MAX = 1000,  /* of one directive */
        EXEC_WORDS_MAX = 32768,    /* of one command, with its variables */
        EXEC_BYTES_MAX = 4 << 20,  /* of one command, with its specifiers and variables */
        EXEC_PROGRAM_MAX = 4095,
        EXEC_NOTES_MAX = 100,      /* of one directive; more are not told */
};

enum exec_flag {
        EXEC_IGNORE_FAILURE = 1 << 0, /* "-" */
        EXEC_OWN_NAME = 1 << 1,       /* "@": argv[0] is the second word; with EXEC_SHELL: a login shell */
        EXEC_NO_VARIABLES = 1 << 2,   /* ":" */
        EXEC_PRIVILEGED = 1 << 3,     /* "+": without users, capabilities and mounts of the unit */
        EXEC_KEEP_USER = 1 << 4,      /* "!": without the change of user, groups and capabilities */
        EXEC_AMBIENT = 1 << 5,        /* "!!": that only where the kernel has no ambient capabilities */
        EXEC_SHELL = 1 << 6,          /* "|": by the user's shell */
};

struct exec_line {
        char *program; /* an absolute path, or a name that is to be searched for; NULL with EXEC_SHELL: the shell alone */
        struct strings argv;
        unsigned flags;
};

struct exec_lines {
        struct exec_line *items;
        size_t count, room;
        struct strings notes; /* of escapes that are unknown, and stay in the words as they are written */
};

/*
 * The commands of one value are added; an empty value removes all. All or nothing. Ids of errors: "unit.exec", "unit.limit", and that
 * of specifiers.
 */
int exec_lines_assign(struct exec_lines *l, const char *value, const struct facts *facts, struct error *e);
void exec_lines_done(struct exec_lines *l);
#define CLEAN_EXEC_LINES CLEAN(exec_lines_done)

/*
 * The words of a command with its variables: "$NAME" that is a word becomes the words of its value, "${NAME}" anywhere its value,
 * "$$" a dollar sign; all else stays. environment: "NAME=VALUE", ended by NULL. What is not set is empty, and its name is added to
 * ret_unset (or NULL). Id of errors: "unit.limit".
 */
int exec_line_expand(const struct exec_line *l, const char *const *environment, struct strings *ret, struct strings *ret_unset, struct error *e);
