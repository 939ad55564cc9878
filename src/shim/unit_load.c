/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/unit_load.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "os/file.h"
#include "plan/unit_words.h"

struct folder {
        char *path;
        int fd;
        dev_t device;
        ino_t inode;
};

struct search {
        struct folder *of;
        size_t count, room;
        bool lenient;
        size_t bytes; /* that were read */
        struct error *e;
};

/* ---- the folders ---- */

static const struct folder *find_folder(const struct search *s, const struct stat *st)
{
        for (size_t i = 0; i < s->count; i++)
                if (s->of[i].device == st->st_dev && s->of[i].inode == st->st_ino)
                        return &s->of[i];
        return NULL;
}

/* What is not there is no folder; one that has two paths counts once, where it stands first. */
static int add_folder(struct search *s, const char *path)
{
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(s->e, errno, "unit.read", "opening the folder %s", path);
        if (find_folder(s, &st))
                return 0;
        s->of = xgrow(s->of, &s->room, s->count + 1, sizeof *s->of);
        s->of[s->count++] = (struct folder){ xstrdup(path), TAKE_FD(fd), st.st_dev, st.st_ino };
        return 0;
}

static void search_done(struct search *s)
{
        for (size_t i = 0; i < s->count; i++) {
                (void)fd_close(s->of[i].fd);
                free(s->of[i].path);
        }
        free(s->of);
        *s = (struct search){ 0 };
}

/* ---- one entry of a folder ---- */

enum entry {
        ENTRY_NONE,
        ENTRY_FILE,
        ENTRY_ALIAS,   /* a link to another name in the search path */
        ENTRY_MASK,    /* empty, or a link to /dev/null */
        ENTRY_BROKEN,  /* a link to nothing */
        ENTRY_CYCLE,   /* a link in a circle */
        ENTRY_FOREIGN, /* a link to what can be no other name of this unit */
};

static bool is_null_device(const struct stat *st)
{
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* An instance may be a link to a template: it is then an instance of that. */
static char *name_behind(const struct unit_name *from, const struct unit_name *to)
{
        if (from->type != to->type || !from->instance != !to->instance)
                return NULL;
        if (unit_name_is_instance(from) && unit_name_is_template(to))
                return unit_name_instance(to, from->instance);
        return text_equal(from->instance ? from->instance : "", to->instance ? to->instance : "") ? xstrdup(to->whole) : NULL;
}

/* Where a link leads by name, if that is within the search path: only the first step counts. */
static enum entry read_alias(const struct search *s, const struct folder *in, const struct unit_name *n, char **ret)
{
        char target[PATH_MAX];
        ssize_t length = readlinkat(in->fd, n->whole, target, sizeof target);
        if (length <= 0 || (size_t)length == sizeof target)
                return ENTRY_BROKEN;
        target[length] = 0;
        char *slash = strrchr(target, '/'), *base = slash ? slash + 1 : target;
        CLEAN_FREE char *above = slash ? xstrndup(target, (size_t)(slash - target) + 1) : xstrdup(".");
        CLEAN_FD int fd = openat(in->fd, above, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return ENTRY_BROKEN;
        if (!find_folder(s, &st))
                return ENTRY_FILE;
        CLEAN_UNIT_NAME struct unit_name to = { 0 };
        if (text_equal(base, n->whole)) /* to a folder of less weight, where it is found next */
                return ENTRY_NONE;
        if (unit_name_parse(base, &to, NULL) < 0 || !(*ret = name_behind(n, &to)))
                return ENTRY_FOREIGN;
        return ENTRY_ALIAS;
}

/* What a name is in a folder; *ret: the other name of an alias. */
static enum entry look_at(const struct search *s, const struct folder *in, const struct unit_name *n, char **ret)
{
        struct stat st, own;
        if (fstatat(in->fd, n->whole, &own, AT_SYMLINK_NOFOLLOW) < 0)
                return ENTRY_NONE;
        int missing = fstatat(in->fd, n->whole, &st, 0) < 0 ? errno : 0;
        if (!missing && is_null_device(&st))
                return ENTRY_MASK;
        /* A link to another name counts even if no file of that name is in the very folder. */
        enum entry kind = S_ISLNK(own.st_mode) ? read_alias(s, in, n, ret) : ENTRY_FILE;
        if (kind == ENTRY_NONE && missing == ELOOP)
                return ENTRY_CYCLE;
        if (kind != ENTRY_FILE)
                return kind;
        if (missing)
                return missing == ELOOP ? ENTRY_CYCLE : S_ISLNK(own.st_mode) ? ENTRY_BROKEN : ENTRY_NONE;
        /* A folder of that name is no unit. */
        return !S_ISREG(st.st_mode) ? ENTRY_NONE : st.st_size == 0 ? ENTRY_MASK : ENTRY_FILE;
}

/* ---- from the name to the file ---- */

struct found {
        const struct folder *in;
        char *entry; /* the name in that folder: of an instance its template's, mostly */
        char *alias;
        enum entry kind;
};

static void found_done(struct found *f)
{
        free(f->entry);
        free(f->alias);
        *f = (struct found){ 0 };
}
#define CLEAN_FOUND CLEAN(found_done)

static bool find_entry(const struct search *s, const struct unit_name *n, struct found *ret)
{
        for (size_t i = 0; i < s->count; i++) {
                char *alias = NULL;
                enum entry kind = look_at(s, &s->of[i], n, &alias);
                if (kind == ENTRY_NONE)
                        continue;
                *ret = (struct found){ &s->of[i], xstrdup(n->whole), alias, kind };
                return true;
        }
        return false;
}

/* The same of an instance's template; an alias then names the instance of the other template. */
static bool find_template(const struct search *s, const struct unit_name *n, struct found *ret)
{
        CLEAN_FREE char *whole = unit_name_is_instance(n) ? unit_name_template(n) : NULL;
        CLEAN_UNIT_NAME struct unit_name of_template = { 0 }, to = { 0 };
        if (!whole || unit_name_parse(whole, &of_template, NULL) < 0 || !find_entry(s, &of_template, ret))
                return false;
        if (ret->kind == ENTRY_ALIAS && unit_name_parse(ret->alias, &to, NULL) == 0) {
                free(ret->alias);
                ret->alias = unit_name_instance(&to, n->instance);
        }
        return true;
}

static bool find(const struct search *s, const struct unit_name *n, struct found *ret)
{
        if (find_entry(s, n, ret)) {
                /* "a@b.service" that is a link to "a@.service" says nothing that was not known. */
                if (ret->kind != ENTRY_ALIAS || !text_equal(ret->alias, n->whole))
                        return true;
                found_done(ret);
        }
        return find_template(s, n, ret);
}

static int fail_at(const struct search *s, const struct found *f)
{
        const char *folder = f->in->path, *name = f->entry;
        switch (f->kind) {
        case ENTRY_MASK:
                return error_set(s->e, ESHUTDOWN, "unit.masked", "%s is masked: %s/%s is empty or a link to /dev/null", name, folder, name);
        case ENTRY_CYCLE:
                return error_set(s->e, ELOOP, "unit.cycle", "%s/%s is a link that leads back to itself", folder, name);
        case ENTRY_FOREIGN:
                error_set(s->e, EINVAL, "unit.link", "%s/%s is a link to a name that cannot be another one of this unit", folder, name);
                error_hint(s->e, "a link's name and its target have the same type, and both or neither are templates");
                return -EINVAL;
        default:
                return error_set(s->e, ENOENT, "unit.missing", "%s/%s is a link to what is not there", folder, name);
        }
}

static int fail_missing(const struct search *s, const char *name)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < s->count; i++)
                text_addf(&t, "%s%s", i ? ", " : "", s->of[i].path);
        error_set(s->e, ENOENT, "unit.missing", "there is no unit file %s", name);
        error_hint(s->e, "looked in: %.300s", *t.data ? t.data : "no folder: none of the search path exists");
        return -ENOENT;
}

/* Follows names until there is a file; n becomes that file's name. */
static int resolve(const struct search *s, struct unit_name *n, struct found *ret)
{
        CLEAN_STRINGS struct strings seen = { 0 };
        for (;;) {
                CLEAN_FOUND struct found f = { 0 };
                strings_add(&seen, n->whole);
                if (!find(s, n, &f))
                        return fail_missing(s, n->whole);
                if (f.kind == ENTRY_FILE) {
                        *ret = f;
                        f = (struct found){ 0 };
                        return 0;
                }
                if (f.kind != ENTRY_ALIAS)
                        return fail_at(s, &f);
                if (strings_has(&seen, f.alias))
                        return error_set(s->e, ELOOP, "unit.cycle", "the names of %s lead back to %s", seen.items[0], f.alias);
                if (seen.count == UNIT_LINKS_MAX)
                        return error_set(s->e, ELOOP, "unit.limit", "more than %d links lead from %s to another name", UNIT_LINKS_MAX, seen.items[0]);
                unit_name_done(n);
                int r = unit_name_parse(f.alias, n, s->e);
                if (r < 0)
                        return r;
        }
}

/* ---- all names of a unit ---- */

/* A link that may be another name; find_alias says whether it is. */
struct alias {
        struct unit_name from;
        const struct folder *in;
        char *to;
};

struct aliases {
        struct alias *of;
        size_t count, room;
};

static void aliases_done(struct aliases *l)
{
        for (size_t i = 0; i < l->count; i++) {
                unit_name_done(&l->of[i].from);
                free(l->of[i].to);
        }
        free(l->of);
        *l = (struct aliases){ 0 };
}

/* By the last word of where it leads: the many links of a host are read once, and only those that matter are followed. */
static void add_alias(const struct folder *in, const char *name, enum unit_type type, struct aliases *l)
{
        CLEAN_UNIT_NAME struct unit_name to = { 0 };
        struct unit_name n = { 0 };
        char target[PATH_MAX];
        ssize_t length = readlinkat(in->fd, name, target, sizeof target);
        if (length <= 0 || (size_t)length == sizeof target || unit_name_parse(name, &n, NULL) < 0)
                return;
        target[length] = 0;
        char *slash = strrchr(target, '/');
        CLEAN_FREE char *behind = unit_name_parse(slash ? slash + 1 : target, &to, NULL) == 0 ? name_behind(&n, &to) : NULL;
        if (n.type == type && behind) {
                l->of = xgrow(l->of, &l->room, l->count + 1, sizeof *l->of);
                l->of[l->count++] = (struct alias){ n, in, TAKE_PTR(behind) };
                n = (struct unit_name){ 0 };
        }
        unit_name_done(&n);
}

/* A link counts only where its name is found first, and leads into the search path. */
static bool find_alias(const struct search *s, const struct alias *a)
{
        CLEAN_FOUND struct found f = { 0 };
        return find_entry(s, &a->from, &f) && f.in == a->in && f.kind == ENTRY_ALIAS;
}

static int list_aliases(const struct search *s, enum unit_type type, struct aliases *ret)
{
        CLEAN_FREE char *suffix = xprintf(".%s", unit_type_word(type));
        for (size_t i = 0; i < s->count; i++) {
                CLEAN_STRINGS struct strings names = { 0 };
                int r = file_list_type(s->of[i].fd, DT_LNK, &names);
                if (r < 0)
                        return error_errno(s->e, r, "unit.read", "listing %s", s->of[i].path);
                for (size_t k = 0; k < names.count; k++)
                        if (text_ends(names.items[k], suffix))
                                add_alias(&s->of[i], names.items[k], type, ret);
        }
        return 0;
}

/* The name by which a link leads to one of the names, or NULL: of a template's link the same instance. */
static char *name_before(const struct alias *a, const struct unit_name *n)
{
        CLEAN_UNIT_NAME struct unit_name to = { 0 };
        if (text_equal(a->to, n->whole))
                return xstrdup(a->from.whole);
        if (!unit_name_is_instance(n) || !unit_name_is_template(&a->from) || unit_name_parse(a->to, &to, NULL) < 0)
                return NULL;
        CLEAN_FREE char *behind = unit_name_instance(&to, n->instance);
        return text_equal(behind, n->whole) ? unit_name_instance(&a->from, n->instance) : NULL;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* u->names: the file's own, then the others in the order of the alphabet. */
static int gather_names(const struct search *s, struct unit *u)
{
        CLEAN(aliases_done) struct aliases l = { 0 };
        int r = list_aliases(s, u->name.type, &l);
        strings_add(&u->names, u->name.whole);
        for (size_t i = 0; r == 0 && i < u->names.count; i++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                r = unit_name_parse(u->names.items[i], &n, s->e);
                for (size_t k = 0; r == 0 && k < l.count; k++) {
                        CLEAN_FREE char *before = name_before(&l.of[k], &n);
                        if (!before || strings_has(&u->names, before) || !find_alias(s, &l.of[k]))
                                continue;
                        if (u->names.count == UNIT_ALIASES_MAX)
                                return error_set(s->e, E2BIG, "unit.limit", "%s has more than %d names", u->name.whole, UNIT_ALIASES_MAX);
                        strings_take(&u->names, TAKE_PTR(before));
                }
        }
        if (r == 0)
                qsort(u->names.items + 1, u->names.count - 1, sizeof *u->names.items, compare_names);
        return r;
}

/* ---- reading ---- */

/* Takes path. 1: it is a mask. */
static int read_source(struct search *s, int folder_fd, const char *name, char *path, struct unit *u)
{
        CLEAN_FREE char *owned = path;
        CLEAN_FD int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(s->e, errno, "unit.read", "opening %s", path);
        if (is_null_device(&st))
                return 1;
        if (!S_ISREG(st.st_mode))
                return error_set(s->e, EINVAL, "unit.read", "%s is no regular file", path);
        struct text t = { 0 };
        int r = file_read_descriptor(fd, UNIT_BYTES_MAX - s->bytes, &t);
        if (r == -EFBIG)
                return error_set(s->e, E2BIG, "unit.limit", "with %s the unit is larger than %d bytes", path, UNIT_BYTES_MAX);
        if (r < 0)
                return error_errno(s->e, r, "unit.read", "reading %s", path);
        s->bytes += t.length;
        u->sources = xgrow(u->sources, &u->room, u->count + 1, sizeof *u->sources);
        u->sources[u->count++] = (struct unit_source){ TAKE_PTR(owned), t };
        return 0;
}

/* ---- drop-ins ---- */

struct drop_in {
        char *name;
        size_t weight; /* the folder's place: the least wins */
};

struct drop_ins {
        struct folder *folders;
        size_t folder_count, folder_room;
        struct drop_in *of;
        size_t count, room;
};

static void drop_ins_done(struct drop_ins *l)
{
        for (size_t i = 0; i < l->folder_count; i++) {
                (void)fd_close(l->folders[i].fd);
                free(l->folders[i].path);
        }
        for (size_t i = 0; i < l->count; i++)
                free(l->of[i].name);
        free(l->folders);
        free(l->of);
        *l = (struct drop_ins){ 0 };
}

static int add_drop_ins(const struct search *s, const struct folder *above, const char *unit_name, struct drop_ins *l)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FREE char *name = xprintf("%s.d", unit_name), *path = xprintf("%s/%s", above->path, name);
        CLEAN_FD int fd = openat(above->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG))
                return 0;
        int r = fd < 0 ? -errno : file_list(fd, &names);
        if (r < 0)
                return error_errno(s->e, r, "unit.read", "opening the folder %s", path);
        for (size_t i = 0; i < names.count; i++) {
                if (names.items[i][0] == '.' || !text_ends(names.items[i], ".conf"))
                        continue;
                if (l->count == UNIT_DROP_INS_MAX)
                        return error_set(s->e, E2BIG, "unit.limit", "there are more than %d drop-ins, from %s on", UNIT_DROP_INS_MAX, path);
                l->of = xgrow(l->of, &l->room, l->count + 1, sizeof *l->of);
                l->of[l->count++] = (struct drop_in){ xstrdup(names.items[i]), l->folder_count };
        }
        l->folders = xgrow(l->folders, &l->folder_room, l->folder_count + 1, sizeof *l->folders);
        l->folders[l->folder_count++] = (struct folder){ TAKE_PTR(path), TAKE_FD(fd), 0, 0 };
        return 0;
}

/* The weight of folders: those of the file's own name, then of its other names, then the type's; in each the search path. */
static int list_drop_ins(const struct search *s, const struct unit *u, struct drop_ins *ret)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < u->names.count; i++) {
                CLEAN_UNIT_NAME struct unit_name n = { 0 };
                CLEAN_STRINGS struct strings names = { 0 };
                r = unit_name_parse(u->names.items[i], &n, s->e);
                if (r < 0)
                        return r;
                unit_name_drop_in_names(&n, &names);
                for (size_t k = 0; r == 0 && k < s->count * names.count; k++)
                        r = add_drop_ins(s, &s->of[k / names.count], names.items[k % names.count], ret);
        }
        for (size_t k = 0; r == 0 && k < s->count; k++)
                r = add_drop_ins(s, &s->of[k], unit_type_word(u->name.type), ret);
        return r;
}

static int compare_drop_ins(const void *a, const void *b)
{
        const struct drop_in *x = a, *y = b;
        int r = strcmp(x->name, y->name);
        return r ? r : x->weight < y->weight ? -1 : x->weight > y->weight;
}

static int read_drop_ins(struct search *s, struct unit *u)
{
        CLEAN(drop_ins_done) struct drop_ins l = { 0 };
        int r = list_drop_ins(s, u, &l);
        if (r < 0)
                return r;
        if (l.count)
                qsort(l.of, l.count, sizeof *l.of, compare_drop_ins);
        for (size_t i = 0; i < l.count; i++) {
                const struct folder *in = &l.folders[l.of[i].weight];
                struct error own = { 0 }, *outer = s->e;
                if (i && text_equal(l.of[i].name, l.of[i - 1].name))
                        continue;
                s->e = &own;
                r = read_source(s, in->fd, l.of[i].name, xprintf("%s/%s", in->path, l.of[i].name), u);
                s->e = outer;
                if (r < 0 && s->lenient && r != -E2BIG) {
                        strings_take(&u->notes, xprintf("%s; passed over", own.cause));
                        continue;
                }
                if (r < 0) {
                        if (outer)
                                *outer = own;
                        return r;
                }
        }
        return 0;
}

/* ---- the whole ---- */

static int load(struct search *s, const char *name, size_t above, struct unit *u)
{
        CLEAN_FOUND struct found f = { 0 };
        int r = unit_name_parse(name, &u->name, s->e);
        if (r == 0)
                r = resolve(s, &u->name, &f);
        if (r < 0)
                return r;
        /* Who names a file does not mean another one of that name elsewhere. */
        if (above && f.in != s->of && u->name.whole && text_equal(name, u->name.whole))
                return error_set(s->e, ENOENT, "unit.missing", "there is no unit file %s in %s", name, s->of->path);
        r = gather_names(s, u);
        if (r == 0)
                r = read_source(s, f.in->fd, f.entry, xprintf("%s/%s", f.in->path, f.entry), u);
        if (r == 1)
                return error_set(s->e, ESHUTDOWN, "unit.masked", "%s is masked", name);
        return r < 0 ? r : read_drop_ins(s, u);
}

int unit_load(const struct strings *folders, const char *name, bool lenient, struct unit *ret, struct error *e)
{
        CLEAN(search_done) struct search s = { .lenient = lenient, .e = e };
        CLEAN_UNIT struct unit u = { 0 };
        const char *slash = strrchr(name, '/');
        int r = 0;
        if (slash) {
                CLEAN_FREE char *above = xstrndup(name, slash == name ? 1 : (size_t)(slash - name));
                r = add_folder(&s, above);
                if (r == 0 && !s.count)
                        r = error_set(e, ENOENT, "unit.missing", "there is no folder %s", above);
        }
        for (size_t i = 0; r == 0 && i < folders->count; i++)
                r = add_folder(&s, folders->items[i]);
        if (r == 0)
                r = load(&s, slash ? slash + 1 : name, slash ? 1 : 0, &u);
        if (r < 0)
                return r;
        *ret = u;
        u = (struct unit){ 0 };
        return 0;
}

void unit_list_names(const struct strings *folders, struct strings *ret)
{
        CLEAN(search_done) struct search s = { 0 };
        for (size_t i = 0; i < folders->count; i++)
                (void)add_folder(&s, folders->items[i]);
        for (size_t i = 0; i < s.count; i++) {
                CLEAN_STRINGS struct strings names = { 0 };
                (void)file_list(s.of[i].fd, &names);
                for (size_t k = 0; k < names.count; k++) {
                        CLEAN_UNIT_NAME struct unit_name n = { 0 };
                        if (unit_name_parse(names.items[k], &n, NULL) == 0)
                                strings_add(ret, names.items[k]);
                }
        }
        if (ret->count)
                qsort(ret->items, ret->count, sizeof *ret->items, compare_names);
}

int unit_parse(const struct unit *u, bool lenient, struct unit_file *ret, struct error *e)
{
        for (size_t i = 0; i < u->count; i++) {
                const struct unit_source *s = &u->sources[i];
                int r = unit_file_parse(ret, s->path, s->text.data, s->text.length, unit_sections(u->name.type), lenient, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

void unit_done(struct unit *u)
{
        unit_name_done(&u->name);
        strings_clear(&u->names);
        strings_clear(&u->notes);
        for (size_t i = 0; i < u->count; i++) {
                free(u->sources[i].path);
                text_clear(&u->sources[i].text);
        }
        free(u->sources);
        *u = (struct unit){ 0 };
}
