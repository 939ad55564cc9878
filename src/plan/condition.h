/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Condition...= and Assert...= of [Unit] (systemd.unit(5)), as they are written. Whether they hold is the host's to say. Pure. */
#pragma once

#include "plan/directive.h"
#include "plan/unit_file.h"

enum condition_kind {
        CONDITION_ARCHITECTURE, CONDITION_VIRTUALIZATION, CONDITION_HOST, CONDITION_KERNEL_COMMAND_LINE, CONDITION_KERNEL_VERSION,
        CONDITION_VERSION, CONDITION_CREDENTIAL, CONDITION_ENVIRONMENT, CONDITION_SECURITY, CONDITION_CAPABILITY, CONDITION_AC_POWER,
        CONDITION_NEEDS_UPDATE, CONDITION_FIRST_BOOT, CONDITION_PATH_EXISTS, CONDITION_PATH_EXISTS_GLOB, CONDITION_PATH_IS_DIRECTORY,
        CONDITION_PATH_IS_SYMBOLIC_LINK, CONDITION_PATH_IS_MOUNT_POINT, CONDITION_PATH_IS_READ_WRITE, CONDITION_PATH_IS_SOCKET,
        CONDITION_DIRECTORY_NOT_EMPTY, CONDITION_FILE_NOT_EMPTY, CONDITION_FILE_IS_EXECUTABLE, CONDITION_USER, CONDITION_GROUP,
        CONDITION_CONTROL_GROUP_CONTROLLER, CONDITION_MEMORY, CONDITION_CPUS, CONDITION_CPU_FEATURE, CONDITION_OS_RELEASE,
        CONDITION_KINDS
};

struct condition {
        enum condition_kind kind;
        bool asserts;  /* Assert...=: if it does not hold the start is a failure, not passed over */
        bool triggers; /* "|": one of these must hold */
        bool negated;  /* "!" */
        char *value;
        char *origin; /* "ConditionPathExists=!/etc/x" */
};

struct conditions {
        struct condition *items;
        size_t count, room;
};

/* All of a unit. What is not known: "condition.unknown", or passed over if lenient; values: "condition.value". */
int conditions_read(const struct unit_file *u, const struct facts *facts, bool lenient, struct conditions *ret, struct error *e);
/* Whether a directive of [Unit] is one that is read here. */
bool condition_is_known(const char *name);
void conditions_done(struct conditions *c);
#define CLEAN_CONDITIONS CLEAN(conditions_done)

/* Compares versions as Condition...Version= do: "OPERATOR WORD", operators < <= = == != >= > and, without one, a shell pattern. */
bool condition_compare_version(const char *have, const char *want);
/* ">= 4G" and the like, of a number; the reader of the right side is given. -EINVAL where that is no number. */
int condition_compare_number(uint64_t have, const char *want, int (*parse)(const char *s, uint64_t *ret), bool *ret);
