/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/unit_section.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "plan/specifier.h"
#include "plan/unit_words.h"

void *section_member(const struct section_reading *r, const struct section_row *row)
{
        return (char *)r->object + row->offset;
}

int section_bad(const char *value, const char *wanted, struct error *e)
{
        return error_set(e, EINVAL, "directive.value", "\"%.80s\" is not %s", value, wanted);
}

/* true: the value was empty, and the member is as before all files. */
static bool reset(const struct section_reading *r, const struct section_row *row, const char *value, size_t size)
{
        if (*value)
                return false;
        memcpy(section_member(r, row), (const char *)r->defaults + row->offset, size);
        return true;
}

int section_bool(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        bool *member = section_member(r, row);
        return reset(r, row, value, sizeof *member) || text_parse_bool(value, member) == 0 ? 0 : section_bad(value, "yes or no", e);
}

int section_span(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        uint64_t *member = section_member(r, row);
        return reset(r, row, value, sizeof *member) || text_parse_span_usec(value, member) == 0 ? 0 : section_bad(value, "a time span such as 5min 20s", e);
}

static int keep_number(const struct section_reading *r, const struct section_row *row, const char *value, int64_t n, struct error *e)
{
        int64_t min = (int64_t)row->min, max = (int64_t)row->max;
        if (n < min || n > max)
                return error_set(e, ERANGE, "directive.value", "\"%.80s\" is not from %" PRId64 " to %" PRId64, value, min, max);
        *(int64_t *)section_member(r, row) = n;
        return 0;
}

int section_number(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        char *end;
        if (reset(r, row, value, sizeof(int64_t)))
                return 0;
        errno = 0;
        long long n = strtoll(value, &end, 0);
        if (errno || *end || end == value || strchr(" \t", *value))
                return section_bad(value, "a number", e);
        return keep_number(r, row, value, n, e);
}

int section_size(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        uint64_t n;
        if (reset(r, row, value, sizeof(int64_t)))
                return 0;
        if (text_parse_size_bytes(value, &n) < 0 || n > INT64_MAX)
                return section_bad(value, "a size such as 64K", e);
        return keep_number(r, row, value, (int64_t)n, e);
}

int section_mode(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        mode_t *member = section_member(r, row), mode = 0;
        if (reset(r, row, value, sizeof *member))
                return 0;
        for (const char *p = value; *p; p++) {
                if (*p < '0' || *p > '7' || mode > 0777)
                        return section_bad(value, "an octal mode such as 0660", e);
                mode = mode * 8 + (mode_t)(*p - '0');
        }
        *member = mode;
        return 0;
}

int section_text(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        char **member = section_member(r, row), *expanded = NULL;
        if (*value) {
                int k = specifier_expand(value, r->facts, &expanded, e);
                if (k < 0)
                        return k;
        }
        free(*member);
        *member = expanded;
        return 0;
}

int section_word(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        int *member = section_member(r, row);
        if (reset(r, row, value, sizeof *member))
                return 0;
        for (int i = 0; row->words[i]; i++)
                if (strcasecmp(row->words[i], value) == 0) {
                        *member = i;
                        return 0;
                }
        CLEAN_TEXT struct text t = { 0 };
        for (int i = 0; row->words[i]; i++)
                text_addf(&t, "%s%s", i ? ", " : "one of ", row->words[i]);
        return section_bad(value, t.data, e);
}

int section_refused(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        bool off;
        (void)r;
        if (!*value || (text_parse_bool(value, &off) == 0 && !off))
                return 0;
        return error_set(e, EOPNOTSUPP, "directive.unsupported", "Bulkhead does not carry out %s=", row->name);
}

bool section_applies(const struct section_row *rows, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (text_equal(name, rows[i].name))
                        return rows[i].read != section_refused;
        return false;
}

int section_read_line(const struct unit_line *l, const struct section_row *rows, size_t count, const struct section_reading *r, struct error *e)
{
        for (size_t i = 0; i < count; i++)
                if (text_equal(l->name, rows[i].name))
                        return rows[i].read(r, &rows[i], l->value, e);
        if (unit_word_kind(l->section, l->name) != UNIT_WORD_UNKNOWN || directive_is_known(l->name))
                return 0;
        return error_set(e, EINVAL, "directive.unknown", "unknown directive \"%.80s\" in [%s]", l->name, l->section);
}

int section_read(const struct unit_file *f, const char *section, const struct section_row *rows, size_t count, const struct section_reading *r, bool lenient,
                 struct strings *notes, struct error *e)
{
        const struct unit_line *l;
        for (size_t at = 0; (l = unit_file_next(f, section, NULL, &at)) != NULL;) {
                struct error own = { 0 };
                if (section_read_line(l, rows, count, r, &own) == 0)
                        continue;
                CLEAN_FREE char *place = unit_file_place(f, l);
                if (!lenient || text_equal(own.id, "directive.unsupported")) {
                        error_while(&own, "reading %.80s=%.100s (%.120s)", l->name, l->value, place);
                        if (e)
                                *e = own;
                        return own.code;
                }
                if (notes && notes->count < UNIT_NOTES_MAX)
                        strings_take(notes, xprintf("%s: %.80s=: %s; passed over", place, l->name, own.cause));
        }
        return 0;
}
