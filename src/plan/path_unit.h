/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The [Path] section (systemd.path(5)). Pure; os/path_watch.h watches what it says. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "plan/directive.h"
#include "plan/unit_file.h"
#include "plan/unit_name.h"

enum { PATH_SPECS_MAX = 1000 };

enum path_kind { PATH_IS_THERE, PATH_GLOB_IS_THERE, PATH_IS_CHANGED, PATH_IS_MODIFIED, PATH_IS_FILLED, PATH_KINDS };

struct path_spec {
        enum path_kind kind;
        char *path; /* absolute and normal; of a glob with its signs */
};

struct path_unit {
        struct path_spec *specs;
        size_t count, room;
        char *unit; /* that it activates */
        bool make_directory;
        mode_t directory_mode;
        uint64_t trigger_limit_interval_usec;
        int64_t trigger_limit_burst; /* 0: no limit */
};

/*
 * -EINVAL, "path.empty", if it watches nothing; "path.unit" if its unit is none, or a path; "path.limit"; ids of plan/unit_section.h.
 */
int path_unit_parse(const struct unit_file *f, const struct unit_name *name, const struct facts *facts, bool lenient, struct strings *notes,
                    struct path_unit *ret, struct error *e);
/* Whether one line of [Path] can be read. */
int path_unit_check(const struct unit_line *l, const struct facts *facts, struct error *e);
/* Whether a directive of [Path] is carried out. */
bool path_unit_applies(const char *name);
void path_unit_done(struct path_unit *p);
#define CLEAN_PATH_UNIT CLEAN(path_unit_done)

/* Of the object itself, what counts as a change or may be one: a mask of IN_*. */
uint32_t path_kind_mask(enum path_kind kind);
/* Whether an event at the object is by itself what is waited for; else what is there decides. */
static inline bool path_kind_is_event(enum path_kind kind)
{
        return kind == PATH_IS_CHANGED || kind == PATH_IS_MODIFIED;
}
/* "PathExists" */
const char *path_kind_name(enum path_kind kind);
