/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of unit files (systemd.unit(5)): "PREFIX.TYPE", "PREFIX@INSTANCE.TYPE", and "PREFIX@.TYPE" for a template; and
 * how other texts, paths above all, are written within them. Pure: no system call, no privilege.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum { UNIT_FILE_NAME_MAX = 255, UNIT_ESCAPE_MAX = 65536 /* bytes of a text that is escaped or read back */ };

enum unit_type {
        UNIT_SERVICE, UNIT_SOCKET, UNIT_TARGET, UNIT_DEVICE, UNIT_MOUNT, UNIT_AUTOMOUNT, UNIT_SWAP, UNIT_TIMER, UNIT_PATH, UNIT_SLICE,
        UNIT_SCOPE, UNIT_TYPES
};

struct unit_name {
        char *whole, *prefix;
        char *instance; /* NULL: no template; "": a template itself */
        enum unit_type type;
};

/* -EINVAL with the id "unit.file-name" when s is no unit's name. */
int unit_name_parse(const char *s, struct unit_name *ret, struct error *e);
void unit_name_done(struct unit_name *n);
#define CLEAN_UNIT_NAME CLEAN(unit_name_done)

const char *unit_type_word(enum unit_type t);
static inline bool unit_name_is_template(const struct unit_name *n)
{
        return n->instance && !*n->instance;
}
/*
 * What a timer or path of that name activates: *unit, or where that is NULL the service of the same name, which is then put there. False: it is none
 * that can be activated, such as one of its own kind or a template.
 */
bool unit_name_activated(const struct unit_name *of, char **unit);
static inline bool unit_name_is_instance(const struct unit_name *n)
{
        return n->instance && *n->instance;
}
/* "PREFIX@.TYPE" of an instance or a template; NULL if it is neither. */
char *unit_name_template(const struct unit_name *n);
/* The name of a template's instance, not checked for its length. */
char *unit_name_instance(const struct unit_name *of_template, const char *instance);
/*
 * The names whose folders "NAME.d" hold drop-ins of this unit, from the most to the least particular, each once: its own; of an
 * instance its template's; and those of its prefixes that end with a dash. The type's own folder is none of them.
 */
void unit_name_drop_in_names(const struct unit_name *n, struct strings *ret);

/* As systemd-escape writes a text, and reads it again. Reading: -EINVAL where it is not so written, or holds a NUL; -E2BIG. */
char *unit_escape(const char *s);
int unit_unescape(const char *s, char **ret);
/* The same with --path: slashes at the ends and doubled ones vanish, "/" is "-". -EINVAL for ".." */
int unit_escape_path(const char *path, char **ret);
int unit_unescape_path(const char *s, char **ret);
