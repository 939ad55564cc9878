/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What learn takes from the host: the unit, what lies around that can be hidden, and the score. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/learn.h"
#include "base/path.h"
#include "os/file.h"
#include "plan/score.h"
#include "shim/state.h"

enum { HIDDEN_MAX = 128, CHILDREN_MAX = 64, DEPTH_MAX = 3 };

/* ---- the unit ---- */

int learn_load_unit(struct learn_session *s, struct error *e)
{
        const struct learn_options *o = s->o;
        const struct unit_line *line;
        int r = o->unit ? like_load(o->unit, o->user_mode, o->lenient, &s->like, e) : 0;
        if (r == 0 && learn_is_service(s)) {
                r = state_root_open(o->user_mode, &s->state_root, e);
                fd_close(r);
        }
        if (r < 0)
                return r;
        for (size_t at = 0; o->unit && (line = unit_file_next(&s->like.file, s->like.section, NULL, &at));)
                strings_take(&s->given, xprintf("%s=%s", line->name, line->value));
        for (size_t i = 0; i < o->properties.count; i++)
                strings_add(&s->given, o->properties.items[i]);
        return 0;
}

/* ---- what can be hidden ---- */

static bool is_needed_by_all(const char *name)
{
        static const char *const needed[] = { "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "proc", "root", "run", "sbin", "sys",
                                              "tmp", "usr", "var" };
        for (size_t i = 0; i < ELEMENTS(needed); i++)
                if (text_equal(name, needed[i]))
                        return true;
        return false;
}

static bool list(const char *path, struct strings *ret)
{
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 && file_list(fd, ret) == 0;
}

static void hide(struct learn_session *s, const char *path)
{
        struct stat st;
        const char *root = s->state_root; /* where its supervisor is heard of */
        if (root && (path_is_below(root, path) || path_is_below(path, root)))
                return;
        if (s->hidden.count < HIDDEN_MAX && lstat(path, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
                strings_add(&s->hidden, path);
}

/* A tree that was not used goes as a whole; of one that was, what lies beside the paths that were. */
static void hide_beside(struct learn_session *s, const char *path, unsigned depth)
{
        CLEAN_STRINGS struct strings names = { 0 };
        if (!observations_used_below(&s->seen, path, ~0U)) {
                hide(s, path);
                return;
        }
        /* Who lists a folder, makes files in it or only goes there may want any of them next. */
        if (depth == DEPTH_MAX || observations_uses(&s->seen, path))
                return;
        if (!list(path, &names) || names.count > CHILDREN_MAX)
                return;
        for (size_t i = 0; i < names.count; i++) {
                CLEAN_FREE char *child = xprintf("%s/%s", path, names.items[i]);
                hide_beside(s, child, depth + 1);
        }
}

/* What not everybody may read, and who was watched has not. */
static void hide_secrets(struct learn_session *s, const char *path, unsigned depth)
{
        CLEAN_STRINGS struct strings names = { 0 };
        if (!list(path, &names))
                return;
        for (size_t i = 0; i < names.count; i++) {
                CLEAN_FREE char *child = xprintf("%s/%s", path, names.items[i]);
                struct stat st;
                if (lstat(child, &st) < 0 || text_equal(child, "/run/bulkhead"))
                        continue;
                bool open_to_all = st.st_mode & S_IROTH && (!S_ISDIR(st.st_mode) || st.st_mode & S_IXOTH);
                if (!open_to_all && !observations_used_below(&s->seen, child, ~0U))
                        hide(s, child);
                else if (S_ISDIR(st.st_mode) && depth > 1)
                        hide_secrets(s, child, depth - 1);
        }
}

void learn_find_hidden(struct learn_session *s)
{
        static const char *const homes[] = { "/home", "/root" };
        static const struct {
                const char *path;
                unsigned depth;
        } places[] = { { "/etc", 2 }, { "/var", 1 }, { "/var/lib", 1 }, { "/var/log", 1 }, { "/var/cache", 1 }, { "/var/spool", 2 }, { "/run", 1 } };
        CLEAN_STRINGS struct strings top = { 0 };
        strings_clear(&s->hidden);
        (void)list("/", &top);
        for (size_t i = 0; i < top.count; i++) {
                CLEAN_FREE char *path = xprintf("/%s", top.items[i]);
                struct stat st;
                if (!is_needed_by_all(top.items[i]) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
                        hide_beside(s, path, 0);
        }
        /* Homes that are not used at all are ProtectHome='s. */
        for (size_t i = 0; i < ELEMENTS(homes); i++)
                if (observations_used_below(&s->seen, homes[i], (unsigned)USE_ANY))
                        hide_beside(s, homes[i], 0);
        for (size_t i = 0; i < ELEMENTS(places); i++)
                hide_secrets(s, places[i].path, places[i].depth);
}

/* ---- the score ---- */

static int add_given(const struct learn_session *s, struct unit_file *u, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        const struct unit_file *f = &s->like.file;
        for (size_t i = 0; i < f->count; i++)
                text_addf(&t, "[%s]\n%s=%s\n", f->lines[i].section, f->lines[i].name, f->lines[i].value);
        text_add(&t, "[Service]\n");
        for (size_t i = 0; i < s->o->properties.count; i++)
                text_addf(&t, "%s\n", s->o->properties.items[i]);
        return unit_file_parse(u, "given", t.data, t.length, NULL, true, e);
}

void learn_score(const struct learn_session *s, const char *drop_in, unsigned *ret_exposure, const char **ret_rating)
{
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_SCORE struct score score = { 0 };
        struct error e = { 0 };
        *ret_exposure = 0;
        *ret_rating = "";
        int r = add_given(s, &u, &e);
        if (r == 0 && drop_in)
                r = unit_file_parse(&u, "drop-in", drop_in, strlen(drop_in), NULL, true, &e);
        if (r == 0)
                r = score_unit(&u, s->o->unit ? s->like.unit.name.whole : "learned.service", true, &score, &e);
        if (r == 0) {
                *ret_exposure = score.exposure;
                *ret_rating = score.rating;
        }
}
