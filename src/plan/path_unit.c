/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/path_unit.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include "base/path.h"
#include "plan/specifier.h"
#include "plan/unit_section.h"

/* ---- the kinds ---- */

#define GOES (IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB)
#define HOLDS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

static const struct {
        const char *name;
        uint32_t mask;
} kinds[PATH_KINDS] = {
        [PATH_IS_THERE] = { "PathExists", GOES },
        [PATH_GLOB_IS_THERE] = { "PathExistsGlob", GOES },
        [PATH_IS_CHANGED] = { "PathChanged", GOES | HOLDS | IN_CLOSE_WRITE },
        [PATH_IS_MODIFIED] = { "PathModified", GOES | HOLDS | IN_CLOSE_WRITE | IN_MODIFY },
        [PATH_IS_FILLED] = { "DirectoryNotEmpty", GOES | IN_CREATE | IN_MOVED_TO },
};

uint32_t path_kind_mask(enum path_kind kind)
{
        return kinds[kind].mask;
}

const char *path_kind_name(enum path_kind kind)
{
        return kinds[kind].name;
}

/* ---- reading ---- */

static void forget_specs(struct path_unit *p)
{
        for (size_t i = 0; i < p->count; i++)
                free(p->specs[i].path);
        p->count = 0;
}

/* An empty value forgets all paths, whatever their kind. */
static int read_spec(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        struct path_unit *p = r->object;
        CLEAN_FREE char *expanded = NULL;
        char *path = NULL;
        if (!*value) {
                forget_specs(p);
                return 0;
        }
        if (p->count >= PATH_SPECS_MAX)
                return error_set(e, E2BIG, "path.limit", "more than %d paths", PATH_SPECS_MAX);
        int k = specifier_expand(value, r->facts, &expanded, e);
        if (k < 0)
                return k;
        if (path_normalize(expanded, &path) < 0)
                return section_bad(expanded, "an absolute path without \"..\"", e);
        p->specs = xgrow(p->specs, &p->room, p->count + 1, sizeof *p->specs);
        p->specs[p->count++] = (struct path_spec){ (enum path_kind)row->min, path };
        return 0;
}

static const struct section_row rows[] = {
        { "PathExists", read_spec, 0, PATH_IS_THERE, 0, NULL },
        { "PathExistsGlob", read_spec, 0, PATH_GLOB_IS_THERE, 0, NULL },
        { "PathChanged", read_spec, 0, PATH_IS_CHANGED, 0, NULL },
        { "PathModified", read_spec, 0, PATH_IS_MODIFIED, 0, NULL },
        { "DirectoryNotEmpty", read_spec, 0, PATH_IS_FILLED, 0, NULL },
        { "Unit", section_text, offsetof(struct path_unit, unit), 0, 0, NULL },
        { "MakeDirectory", section_bool, offsetof(struct path_unit, make_directory), 0, 0, NULL },
        { "DirectoryMode", section_mode, offsetof(struct path_unit, directory_mode), 0, 0, NULL },
        { "TriggerLimitIntervalSec", section_span, offsetof(struct path_unit, trigger_limit_interval_usec), 0, 0, NULL },
        { "TriggerLimitBurst", section_number, offsetof(struct path_unit, trigger_limit_burst), 0, UINT32_MAX, NULL },
};

static const struct path_unit defaults = { .directory_mode = 0755, .trigger_limit_interval_usec = 2000000, .trigger_limit_burst = 200 };

int path_unit_parse(const struct unit_file *f, const struct unit_name *name, const struct facts *facts, bool lenient, struct strings *notes,
                    struct path_unit *ret, struct error *e)
{
        CLEAN_PATH_UNIT struct path_unit p = defaults;
        const struct section_reading r = { &p, &defaults, facts, NULL };
        int k = section_read(f, "Path", rows, ELEMENTS(rows), &r, lenient, notes, e);
        if (k == 0 && !unit_name_activated(name, &p.unit))
                k = error_set(e, EINVAL, "path.unit", "Unit=%.80s is no unit that a path can activate", p.unit);
        if (k == 0 && !p.count)
                k = error_set(e, EINVAL, "path.empty", "it watches nothing: PathExists= or one of its siblings is missing");
        if (k < 0)
                return k;
        *ret = p;
        p = (struct path_unit){ 0 };
        return 0;
}

int path_unit_check(const struct unit_line *l, const struct facts *facts, struct error *e)
{
        CLEAN_PATH_UNIT struct path_unit p = defaults;
        const struct section_reading r = { &p, &defaults, facts, NULL };
        return section_read_line(l, rows, ELEMENTS(rows), &r, e);
}

bool path_unit_applies(const char *name)
{
        return section_applies(rows, ELEMENTS(rows), name);
}

void path_unit_done(struct path_unit *p)
{
        forget_specs(p);
        free(p->specs);
        free(p->unit);
        *p = (struct path_unit){ 0 };
}
