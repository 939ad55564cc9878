/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths: what stays writable, what may be executed, what is hidden. */
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "plan/directive.h"
#include "plan/learn_internal.h"

enum { LIBRARIES_MAX = 3 /* mapped files of one folder that are named each; more become the folder */ };

/* ---- lists of paths ---- */

static bool can_be_named(const char *path)
{
        for (const char *c = path; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\'' || *c == '\\')
                        return false;
        return true;
}

/* What a unit file cannot name is held by what it can: the folder above. */
static void add_path(struct strings *list, const char *path)
{
        CLEAN_FREE char *named = xstrdup(path);
        while (!can_be_named(named)) {
                char *slash = strrchr(named, '/');
                slash[slash == named] = 0;
        }
        for (size_t i = 0; i < list->count; i++)
                if (path_is_below(named, list->items[i]))
                        return;
        /* Those below the new one go. */
        size_t kept = 0;
        for (size_t i = 0; i < list->count; i++) {
                if (path_is_below(list->items[i], named))
                        free(list->items[i]);
                else
                        list->items[kept++] = list->items[i];
        }
        list->count = kept;
        strings_add(list, named);
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One assignment with all of them; prefix: "" or "-". */
static void assign_list(struct learned_row *row, const char *name, struct strings *list, const char *prefix)
{
        CLEAN_TEXT struct text t = { 0 };
        if (!list->count)
                return;
        qsort(list->items, list->count, sizeof *list->items, compare);
        for (size_t i = 0; i < list->count; i++) {
                bool quote = strchr(list->items[i], ' ') != NULL;
                text_addf(&t, "%s%s%s", t.length ? " " : "", quote ? "\"" : "", prefix);
                for (const char *c = list->items[i]; *c; c++)
                        text_addf(&t, *c == '%' ? "%%%%" : "%c", *c);
                text_add(&t, quote ? "\"" : "");
        }
        learn_assign(row, name, t.data);
}

/* ---- temporary files and homes ---- */

static bool is_temporary(const char *path)
{
        return path_is_below(path, "/tmp") || path_is_below(path, "/var/tmp");
}

/* A file in a temporary folder that the run has not made belongs to others, who must be seen there. */
static bool shares_temporary(const struct observations *o)
{
        for (size_t i = 0; i < o->path_count; i++) {
                const struct observed_path *p = &o->paths[i];
                bool top = text_equal(p->path, "/tmp") || text_equal(p->path, "/var/tmp");
                if (!is_temporary(p->path) || top || p->uses & USE_MADE || !(p->uses & (unsigned)USE_ANY))
                        continue;
                /* What lies in a folder that it made is its own as well. */
                bool own = false;
                for (size_t k = 0; !own && k < o->path_count; k++)
                        own = o->paths[k].uses & USE_MADE && path_is_below(p->path, o->paths[k].path);
                if (!own)
                        return true;
        }
        return false;
}

static bool make_temporary_private(const struct learn_facts *f, struct learned *l)
{
        const char *given = learn_given(f, "PrivateTmp");
        bool yes = false;
        if (given && (text_equal(given, "disconnected") || (text_parse_bool(given, &yes) == 0 && yes)))
                return true;
        if (shares_temporary(f->seen))
                return false;
        bool used = observations_used_below(f->seen, "/tmp", (unsigned)USE_ANY) || observations_used_below(f->seen, "/var/tmp", (unsigned)USE_ANY);
        learn_assign(learn_row(l, "PrivateTmp", "%s", used ? "used no temporary file of others" : "used no temporary files"), "PrivateTmp", "yes");
        return true;
}

static const char *const homes[] = { "/home", "/root", "/run/user" };

static bool is_home(const char *path)
{
        for (size_t i = 0; i < ELEMENTS(homes); i++)
                if (path_is_below(path, homes[i]))
                        return true;
        return false;
}

static bool uses_home(const struct observations *o, unsigned uses)
{
        for (size_t i = 0; i < o->path_count; i++)
                if (o->paths[i].uses & uses && (is_home(o->paths[i].path) || (o->paths[i].uses & USE_BELOW && text_equal(o->paths[i].path, "/run"))))
                        return true;
        return false;
}

static void protect_home(const struct learn_facts *f, struct learned *l)
{
        const char *given = learn_given(f, "ProtectHome");
        bool used = uses_home(f->seen, (unsigned)USE_ANY), missed = uses_home(f->seen, USE_MISS), yes = false;
        bool read_only = given && text_equal(given, "read-only");
        if (given && (text_equal(given, "tmpfs") || (read_only && used) || (text_parse_bool(given, &yes) == 0 && yes)))
                return;
        /* What is looked for in vain must still be missing, not forbidden: the folders stay, empty. */
        learn_assign(learn_row(l, "ProtectHome", "%s", used ? "used homes" : missed ? "looked for things in homes that are not there" : "used nothing in homes"),
                     "ProtectHome", used ? "read-only" : missed ? "tmpfs" : "yes");
}

/* ---- writing ---- */

/* The folders that systemd makes for a unit, so that what is above can stay read-only. */
static const struct {
        const char *directive, *base;
} folders[] = { { "StateDirectory", "/var/lib" }, { "CacheDirectory", "/var/cache" }, { "LogsDirectory", "/var/log" }, { "RuntimeDirectory", "/run" } };

static bool is_own_name(const char *s)
{
        return *s && *s != '.' && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(s);
}

/* The folders that the run made in base, if that is all it changed there. */
static bool own_folders(const struct observations *o, const char *base, struct strings *ret)
{
        size_t n = strlen(base);
        /* Of several users one made them for another: systemd would make them for the first. */
        if (!(observations_uses(o, base) & USE_CHANGE) || o->user_count > 1)
                return false;
        for (size_t i = 0; i < o->path_count; i++) {
                const struct observed_path *p = &o->paths[i];
                if (strncmp(p->path, base, n) != 0 || p->path[n] != '/' || strchr(p->path + n + 1, '/') || !(p->uses & USE_MADE))
                        continue;
                if (!(p->uses & USE_FOLDER) || !is_own_name(p->path + n + 1))
                        return false;
                strings_add(ret, p->path + n + 1);
        }
        return ret->count > 0;
}

static void assign_folders(const struct learn_facts *f, struct learned *l, struct strings *served)
{
        for (size_t i = 0; i < ELEMENTS(folders); i++) {
                CLEAN_STRINGS struct strings names = { 0 };
                CLEAN_TEXT struct text t = { 0 };
                if (learn_given(f, folders[i].directive) || !own_folders(f->seen, folders[i].base, &names))
                        continue;
                for (size_t k = 0; k < names.count; k++)
                        text_addf(&t, "%s%s", k ? " " : "", names.items[k]);
                learn_assign(learn_row(l, folders[i].directive, "made %s in %s", t.data, folders[i].base), folders[i].directive, t.data);
                strings_add(served, folders[i].base);
        }
}

/* Not of the kernel, and not a pseudo device: those stay writable or have directives of their own. */
static bool is_file_system_of_kernel(const char *path)
{
        return path_is_below(path, "/proc") || path_is_below(path, "/sys") || path_is_below(path, "/dev");
}

static void write_paths(const struct learn_facts *f, struct learned *l, bool private_tmp)
{
        const struct observations *o = f->seen;
        CLEAN_STRINGS struct strings list = { 0 }, served = { 0 };
        size_t files = 0;
        assign_folders(f, l, &served);
        for (size_t i = 0; i < o->path_count; i++) {
                const struct observed_path *p = &o->paths[i];
                files += p->uses & USE_WRITE && !(p->uses & USE_DEVICE);
                if (!(p->uses & (USE_WRITE | USE_CHANGE)) || p->uses & (USE_MADE | USE_DEVICE) || is_file_system_of_kernel(p->path))
                        continue;
                if ((private_tmp && is_temporary(p->path)) || strings_has(&served, p->path))
                        continue;
                add_path(&list, p->path);
        }
        if (strings_has(&list, "/"))
                return;
        struct learned_row *row = list.count ? learn_row(l, "ProtectSystem", "wrote to %zu files, in these places", files)
                                             : learn_row(l, "ProtectSystem", "wrote to no files but those that are its own");
        learn_assign(row, "ProtectSystem", "strict");
        assign_list(row, "ReadWritePaths", &list, "");
}

/* ---- executing ---- */

static size_t mapped_beside(const struct observations *o, const char *path)
{
        size_t n = (size_t)(strrchr(path, '/') - path) + 1, count = 0;
        for (size_t i = 0; i < o->path_count; i++)
                count += o->paths[i].uses & USE_MAP && !strncmp(o->paths[i].path, path, n) && !strchr(o->paths[i].path + n, '/');
        return count;
}

/* A folder that holds programs is never named as a whole: it would open them all. */
static bool holds_programs(const char *folder, size_t n)
{
        size_t at = n;
        while (at > 0 && folder[at - 1] != '/')
                at--;
        size_t length = n - at;
        return (length == 3 && !strncmp(folder + at, "bin", 3)) || (length == 4 && !strncmp(folder + at, "sbin", 4)) || n <= 4;
}

static void execute_paths(const struct learn_facts *f, struct learned *l)
{
        const struct observations *o = f->seen;
        CLEAN_STRINGS struct strings list = { 0 };
        size_t programs = 0, libraries = 0;
        for (size_t i = 0; i < o->path_count; i++) {
                const struct observed_path *p = &o->paths[i];
                CLEAN_FREE char *folder = xstrndup(p->path, (size_t)(strrchr(p->path, '/') - p->path));
                if (!(p->uses & (USE_EXECUTE | USE_MAP)))
                        continue;
                programs += (p->uses & USE_EXECUTE) != 0;
                libraries += !(p->uses & USE_EXECUTE);
                bool own = p->uses & USE_MADE && *folder;
                bool many = !(p->uses & USE_EXECUTE) && mapped_beside(o, p->path) > LIBRARIES_MAX && !holds_programs(folder, strlen(folder));
                add_path(&list, p->uses & USE_BELOW || !(own || many) ? p->path : folder);
        }
        if (!programs || learn_given(f, "NoExecPaths") || strings_has(&list, "/"))
                return;
        struct learned_row *row = learn_row(l, "NoExecPaths", "executed %zu programs, with code of %zu other files", programs, libraries);
        learn_assign(row, "NoExecPaths", "/");
        assign_list(row, "ExecPaths", &list, "");
}

/* ---- hiding ---- */

static void hide_paths(const struct learn_facts *f, struct learned *l)
{
        CLEAN_STRINGS struct strings list = { 0 };
        for (size_t i = 0; f->hidden && i < f->hidden->count; i++)
                if (can_be_named(f->hidden->items[i]) && !observations_used_below(f->seen, f->hidden->items[i], ~0U))
                        add_path(&list, f->hidden->items[i]);
        if (!list.count)
                return;
        struct learned_row *row = learn_row(l, "InaccessiblePaths", "used nothing in these, which are whole trees or not for everybody to read");
        assign_list(row, "InaccessiblePaths", &list, "-");
}

void learn_paths(const struct learn_facts *f, struct learned *l)
{
        if (f->seen->lost)
                return;
        protect_home(f, l);
        bool private_tmp = make_temporary_private(f, l);
        write_paths(f, l, private_tmp);
        execute_paths(f, l);
        hide_paths(f, l);
}
