/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds a unit's file and its drop-ins on the host, and reads them, as systemd.unit(5) says: folders in order of weight, links as
 * other names, templates, masks, drop-ins by name, template, prefix and type. It stands in this layer because it needs the system
 * and plan/unit_name.h at once, and because who looks after runs is who loads what they are made of.
 *
 * Everything is opened once, relative to the descriptor of its folder, and read from the descriptor that was looked at.
 */
#pragma once

#include "base/error.h"
#include "plan/unit_file.h"
#include "plan/unit_name.h"

enum {
        UNIT_DROP_INS_MAX = 10000,
        UNIT_BYTES_MAX = 16 << 20, /* of a unit's file and its drop-ins together */
        UNIT_LINKS_MAX = 100,      /* from name to name */
        UNIT_ALIASES_MAX = 1000,   /* names of one unit */
        UNIT_FOLDERS_MAX = 100,
};

struct unit_source {
        char *path;
        struct text text;
};

struct unit {
        struct unit_name name; /* the file's own, behind all links; with the instance that was asked for */
        struct strings names;  /* that one, and all links that lead to it */
        struct unit_source *sources; /* the file, then its drop-ins, in the order in which they take effect */
        size_t count, room;
        struct strings notes; /* what was passed over, if lenient */
};

/*
 * The folders in which units are looked for, the most important first: those that given names, between colons; if it ends with a
 * colon, the usual ones follow. given NULL or "": the usual ones. -EINVAL, "unit.search-path", when one of them is not absolute.
 */
int unit_folders(const char *given, bool user_mode, struct strings *ret, struct error *e);

/*
 * Loads a unit by its name, or by the path of its file if there is a slash in it; the file's folder then comes before all others.
 * With no folders, what stands beside the file is all that counts.
 * lenient: a drop-in that cannot be opened is a note. Ids: "unit.file-name", "unit.missing", "unit.masked", "unit.cycle", "unit.link",
 * "unit.read", "unit.limit".
 */
int unit_load(const struct strings *folders, const char *name, bool lenient, struct unit *ret, struct error *e);
/* The names of all files in the folders that are units' names, in the order of the alphabet; more than once, if in many. */
void unit_list_names(const struct strings *folders, struct strings *ret);
/* Parses what was loaded. Sections: those of the unit's type. Lenient: see unit_file_parse. */
int unit_parse(const struct unit *u, bool lenient, struct unit_file *ret, struct error *e);
void unit_done(struct unit *u);
#define CLEAN_UNIT CLEAN(unit_done)
