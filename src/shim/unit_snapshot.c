/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/unit_snapshot.h"

#include <limits.h>
#include <string.h>

#include "os/file.h"
#include "plan/unit_words.h"

static const char name[] = "unit";

int unit_snapshot_save(int dir_fd, const struct unit *u, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < u->count; i++) {
                const struct unit_source *s = &u->sources[i];
                text_addf(&t, "%zu %zu\n%s", strlen(s->path), s->text.length, s->path);
                if (s->text.length)
                        text_add_bytes(&t, s->text.data, s->text.length);
        }
        int r = file_replace(dir_fd, name, t.data ? t.data : "", t.length, 0600);
        return r < 0 ? error_errno(e, r, "unit.snapshot", "keeping the unit's files") : 0;
}

/* A number and the character behind it; -EINVAL if it is not so, or more than what is left could hold. */
static int take_length(const struct text *t, size_t *at, char behind, size_t *ret)
{
        size_t n = 0, digits = 0;
        for (; *at < t->length && t->data[*at] >= '0' && t->data[*at] <= '9' && n <= UNIT_SNAPSHOT_MAX; digits++)
                n = n * 10 + (size_t)(t->data[(*at)++] - '0');
        if (!digits || *at >= t->length || t->data[(*at)++] != behind || n > t->length)
                return -EINVAL;
        *ret = n;
        return 0;
}

static int take_source(const struct text *t, size_t *at, const char *const *sections, bool lenient, struct unit_file *file, struct error *e)
{
        size_t path_length, length;
        if (take_length(t, at, ' ', &path_length) < 0 || take_length(t, at, '\n', &length) < 0 || path_length > PATH_MAX ||
            path_length + length > t->length - *at)
                return error_set(e, EBADMSG, "unit.snapshot", "the unit's kept files are damaged");
        CLEAN_FREE char *path = xstrndup(t->data + *at, path_length);
        *at += path_length;
        int r = unit_file_parse(file, path, t->data + *at, length, sections, lenient, e);
        *at += length;
        return r;
}

int unit_snapshot_load(int dir_fd, enum unit_type type, bool lenient, struct unit_file *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        int r = file_read(dir_fd, name, UNIT_SNAPSHOT_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "unit.snapshot", "reading the unit's kept files");
        for (size_t at = 0; r == 0 && at < t.length;)
                r = take_source(&t, &at, unit_sections(type), lenient, &file, e);
        if (r < 0)
                return r;
        *ret = file;
        file = (struct unit_file){ 0 };
        return 0;
}
