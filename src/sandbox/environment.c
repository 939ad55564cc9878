/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What directives add to the payload's environment and take from it, in the supervisor, with the caller's rights. */
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "os/file.h"
#include "plan/environment_file.h"
#include "sandbox/environment.h"

void environment_set(struct strings *l, const char *assignment)
{
        size_t n = strcspn(assignment, "=") + 1;
        for (size_t i = 0; i < l->count; i++)
                if (!strncmp(l->items[i], assignment, n)) {
                        free(l->items[i]);
                        l->items[i] = xstrdup(assignment);
                        return;
                }
        strings_add(l, assignment);
}

void environment_pass(struct strings *l, const struct plan_process *p)
{
        for (size_t i = 0; i < p->pass.count; i++) {
                const char *value = getenv(p->pass.items[i]);
                CLEAN_FREE char *assignment = value ? xprintf("%s=%s", p->pass.items[i], value) : NULL;
                if (assignment)
                        environment_set(l, assignment);
        }
}

void environment_add_search_path(struct strings *l, const struct plan_process *p)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "PATH=");
        for (size_t i = 0; i < p->search_path.count; i++)
                text_addf(&t, "%s%s", i ? ":" : "", p->search_path.items[i]);
        if (p->search_path.count)
                environment_set(l, t.data);
}

/* NAME: whatever its value; NAME=VALUE: only so. */
static bool is_unset(const struct plan_process *p, const char *assignment)
{
        size_t n = strcspn(assignment, "=");
        for (size_t i = 0; i < p->unset.count; i++) {
                const char *u = p->unset.items[i];
                if (strchr(u, '=') ? text_equal(u, assignment) : strlen(u) == n && !strncmp(u, assignment, n))
                        return true;
        }
        return false;
}

void environment_unset(struct strings *l, const struct plan_process *p)
{
        size_t kept = 0;
        for (size_t i = 0; i < l->count; i++)
                if (is_unset(p, l->items[i]))
                        free(l->items[i]);
                else
                        l->items[kept++] = l->items[i];
        l->count = kept;
}

void environment_remove(struct strings *l, const char *name)
{
        size_t kept = 0, n = strlen(name);
        for (size_t i = 0; i < l->count; i++)
                if (!strncmp(l->items[i], name, n) && l->items[i][n] == '=')
                        free(l->items[i]);
                else
                        l->items[kept++] = l->items[i];
        l->count = kept;
        if (l->items)
                l->items[kept] = NULL;
}

/* ---- files ---- */

static int add_file(struct strings *l, const char *path, bool optional, bool lenient, struct strings *notes, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings variables = { 0 };
        int r = file_read(AT_FDCWD, path, ENVIRONMENT_FILE_MAX, &t);
        if (r < 0 && optional)
                return 0;
        if (r == -EFBIG)
                return error_set(e, EFBIG, "environment.limit", "%s is longer than %d bytes", path, ENVIRONMENT_FILE_MAX);
        if (r < 0) {
                error_errno(e, r, "environment.file", "reading %s", path);
                error_hint(e, "with - before the path a file that cannot be read is passed over");
                return e ? e->code : r;
        }
        r = environment_file_parse(&variables, path, t.data ? t.data : "", t.length, lenient, notes, e);
        for (size_t i = 0; r == 0 && i < variables.count; i++)
                environment_set(l, variables.items[i]);
        return r;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What matches the pattern in the last part of path, sorted. -ENOENT when nothing does. */
static int expand(const char *path, struct strings *ret)
{
        const char *pattern = strrchr(path, '/') + 1;
        CLEAN_FREE char *folder = xstrndup(path, (size_t)(pattern - path));
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : file_list(fd, &names);
        if (r < 0)
                return r;
        if (names.count)
                qsort(names.items, names.count, sizeof *names.items, compare);
        for (size_t i = 0; i < names.count; i++)
                if (fnmatch(pattern, names.items[i], FNM_PERIOD) == 0)
                        strings_take(ret, xprintf("%s%s", folder, names.items[i]));
        return ret->count ? 0 : -ENOENT;
}

static int add_files(struct strings *l, const char *entry, bool lenient, struct strings *notes, struct error *e)
{
        bool optional = *entry == '-';
        const char *path = entry + optional;
        CLEAN_STRINGS struct strings found = { 0 };
        if (!strpbrk(path, "*?["))
                return add_file(l, path, optional, lenient, notes, e);
        int r = expand(path, &found);
        if (r < 0 && !optional)
                return error_errno(e, r, "environment.file", "looking for %s", path);
        r = 0;
        for (size_t i = 0; r == 0 && i < found.count; i++)
                r = add_file(l, found.items[i], optional, lenient, notes, e);
        return r;
}

int environment_add_files(struct strings *l, const struct plan *p, struct strings *notes, struct error *e)
{
        for (size_t i = 0; i < p->process.files.count; i++) {
                int r = add_files(l, p->process.files.items[i], p->lenient, notes, e);
                if (r < 0)
                        return error_while(e, "applying EnvironmentFile=%s", p->process.files.items[i]);
        }
        return 0;
}
