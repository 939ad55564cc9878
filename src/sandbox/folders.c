/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/folders.h"
#include "sandbox/unit_root.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "os/file.h"
#include "os/path.h"
#include "sandbox/sandbox.h"

static const struct folder_kind {
        const char *directive, *variable, *base;
        enum user_folder user_base; /* but for those that go with the run: they lie below XDG_RUNTIME_DIR */
        int exit_status;
        bool owned, removed;
} kinds[PLAN_FOLDER_KINDS] = {
        [PLAN_RUNTIME_FOLDER] = { "RuntimeDirectory", "RUNTIME_DIRECTORY", "/run", USER_HOME, STATUS_RUNTIME_DIRECTORY, true, true },
        [PLAN_STATE_FOLDER] = { "StateDirectory", "STATE_DIRECTORY", "/var/lib", USER_STATE, STATUS_STATE_DIRECTORY, true, false },
        [PLAN_CACHE_FOLDER] = { "CacheDirectory", "CACHE_DIRECTORY", "/var/cache", USER_CACHE, STATUS_CACHE_DIRECTORY, true, false },
        [PLAN_LOGS_FOLDER] = { "LogsDirectory", "LOGS_DIRECTORY", "/var/log", USER_LOGS, STATUS_LOGS_DIRECTORY, true, false },
        [PLAN_CONFIGURATION_FOLDER] = { "ConfigurationDirectory", "CONFIGURATION_DIRECTORY", "/etc", USER_CONFIGURATION, STATUS_CONFIGURATION_DIRECTORY, false, false },
};

/* The place of all folders of one kind. */
struct place {
        struct sandbox *s;
        enum plan_folder_kind kind;
        char *base;
        int fd;        /* of base, O_PATH */
        bool removed;  /* the folders go with the run */
        bool private;  /* they lie below base/private */
};
#define PLACE_INIT { .fd = -EBADF }

static void place_done(struct place *at)
{
        free(at->base);
        fd_close(at->fd);
}
#define CLEAN_PLACE CLEAN(place_done)

static char *base_of(const struct sandbox *s, const struct folder_kind *k)
{
        if (!s->plan->user_mode)
                return xstrdup(k->base);
        if (k->removed)
                return xstrdup(getenv("XDG_RUNTIME_DIR") ? getenv("XDG_RUNTIME_DIR") : s->host->shared_folder);
        return account_folder(&s->account, k->user_base);
}

static int place_open(struct sandbox *s, enum plan_folder_kind kind, struct place *ret)
{
        const struct folder_kind *k = &kinds[kind];
        struct place at = { .s = s, .kind = kind, .base = base_of(s, k), .removed = k->removed && !s->plan->runtime_folders_kept };
        at.private = s->plan->dynamic_user && s->uid_lock_fd >= 0 && k->owned && !at.removed;
        int r = file_make_folders(at.base, 0755, NULL);
        at.fd = r < 0 ? r : open(at.base, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (at.fd < 0) {
                r = r < 0 ? r : -errno;
                place_done(&at);
                return r;
        }
        *ret = at;
        return 0;
}

/* ---- paths below the place ---- */

/* The folder that holds the last component of path, made where it is missing, and that component. */
static int open_parent(const struct place *at, const char *path, const char **ret_last)
{
        const char *slash = strrchr(path, '/');
        *ret_last = slash ? slash + 1 : path;
        if (!slash)
                return path_open_as(at->fd, "/", O_PATH | O_DIRECTORY, 0, PATH_NO_LINKS);
        CLEAN_FREE char *above = xstrndup(path, (size_t)(slash - path));
        return path_make_in(at->fd, above, true, PATH_NO_LINKS);
}

static bool is_there(const struct place *at, const char *path)
{
        CLEAN_FD int fd = path_open_as(at->fd, path, O_PATH | O_NOFOLLOW, 0, PATH_LAST_LINK);
        return fd >= 0;
}

/* Whether path, followed, is the folder that other is. */
static bool leads_to(const struct place *at, const char *path, const char *other)
{
        struct stat a, b;
        CLEAN_FD int x = path_open_as(at->fd, path, O_PATH, 0, PATH_LINKS);
        CLEAN_FD int y = path_open_as(at->fd, other, O_PATH, 0, PATH_NO_LINKS);
        return x >= 0 && y >= 0 && fstat(x, &a) == 0 && fstat(y, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* 0: nothing is there. */
static mode_t type_of(int parent, const char *last)
{
        struct stat st;
        return fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & S_IFMT : 0;
}

static int move(int from, const char *name, int to, const char *new_name)
{
        return renameat2(from, name, to, new_name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* "../" for each folder that path lies in, and then to. */
static char *relative(const char *path, const char *to)
{
        CLEAN_TEXT struct text t = { 0 };
        for (const char *c = path; (c = strchr(c, '/')); c++)
                text_add(&t, "../");
        text_add(&t, to);
        return TAKE_PTR(t.data);
}

/* ---- owners ---- */

static int own_tree(int fd, uid_t uid, gid_t gid, int depth);

static int own_entry(int fd, const char *name, uid_t uid, gid_t gid, int depth)
{
        if (fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        CLEAN_FD int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return child < 0 ? 0 : own_tree(child, uid, gid, depth + 1);
}

static int own_tree(int fd, uid_t uid, gid_t gid, int depth)
{
        CLEAN_STRINGS struct strings names = { 0 };
        int r = depth > 256 ? -ELOOP : file_list(fd, &names);
        for (size_t i = 0; r == 0 && i < names.count; i++)
                r = own_entry(fd, names.items[i], uid, gid, depth);
        return r;
}

/* Owner of the folder and all below, only when the top is wrong; never through a link. */
static int own_folder(const struct place *at, const char *path, mode_t mode)
{
        const struct account *a = &at->s->account;
        CLEAN_FD int fd = path_open_as(at->fd, path, O_RDONLY | O_DIRECTORY, 0, PATH_NO_LINKS);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return fd < 0 ? fd : -errno;
        if (st.st_uid != a->uid || st.st_gid != a->gid) {
                int r = own_tree(fd, a->uid, a->gid, 0);
                if (r < 0 || fchown(fd, a->uid, a->gid) < 0)
                        return r < 0 ? r : -errno;
        }
        return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* ---- what goes with the run ---- */

/*
 * What is made under a name that the undo believes is noted as ours under its own before it gets that: at no moment could it be left
 * behind. kind: of the undo list.
 */
static int give_name(const struct place *at, const char *kind, const char *fresh, const char *path)
{
        const struct sandbox_host *h = at->s->host;
        CLEAN_FREE char *fresh_path = xprintf("%s/%s", at->base, fresh), *whole = xprintf("%s/%s", at->base, path);
        const char *last;
        CLEAN_FD int parent = open_parent(at, path, &last);
        int r = parent < 0 ? parent : h->made(h->context, fresh_path, whole);
        if (r == 0)
                r = h->note(h->context, kind, whole);
        return r == 0 ? move(at->fd, fresh, parent, last) : r;
}

static char *fresh_name(const struct place *at)
{
        return xprintf("systemd-private-%s", at->s->host->invocation_id);
}

static int note_fresh(const struct place *at, const char *kind, const char *fresh)
{
        CLEAN_FREE char *path = xprintf("%s/%s", at->base, fresh);
        return at->s->host->note(at->s->host->context, kind, path);
}

static const char *kind_of_removed(const struct place *at)
{
        return at->s->plan->runtime_folders_outlast ? "runtime" : "tree";
}

/* Unless it was there before. */
static int make_removed(const struct place *at, const char *name)
{
        CLEAN_FREE char *fresh = fresh_name(at);
        if (is_there(at, name))
                return 0;
        int r = note_fresh(at, "tree", fresh);
        if (r == 0 && mkdirat(at->fd, fresh, 0755) < 0)
                r = -errno;
        return r == 0 ? give_name(at, kind_of_removed(at), fresh, name) : r;
}

/* ---- private and back ---- */

static char *private_path(const char *name)
{
        return xprintf("private/%s", name);
}

/* A folder below private/, to which a link leads from its usual place, comes back: the user is no dynamic one any more. */
static int leave_private(const struct place *at, const char *name)
{
        CLEAN_FREE char *private = private_path(name), *fresh = fresh_name(at);
        const char *last, *private_last;
        if (!is_there(at, name) || !is_there(at, private))
                return 0;
        CLEAN_FD int parent = open_parent(at, name, &last);
        if (parent < 0 || type_of(parent, last) != S_IFLNK || !leads_to(at, name, private))
                return 0;
        CLEAN_FD int from = open_parent(at, private, &private_last);
        int r = from;
        if (r >= 0 && at->removed) {
                r = note_fresh(at, "tree", fresh);
                if (r == 0)
                        r = move(from, private_last, at->fd, fresh);
        }
        if (r >= 0 && unlinkat(parent, last, 0) < 0)
                r = -errno;
        if (r < 0)
                return r;
        return at->removed ? give_name(at, kind_of_removed(at), fresh, name) : move(from, private_last, parent, last);
}

/* Nothing of others may be reached by who gets a user id that was used before. */
static int make_private_root(const struct place *at)
{
        CLEAN_FD int fd = path_make_in(at->fd, "private", true, PATH_NO_LINKS);
        if (fd < 0)
                return fd;
        return fchmodat(at->fd, "private", 0700, 0) < 0 ? -errno : 0;
}

/* The link at the usual place; one that leads there already may be written otherwise. */
static int link_private(const struct place *at, const char *name, const char *private)
{
        const char *last;
        CLEAN_FREE char *target = relative(name, private);
        CLEAN_FD int parent = open_parent(at, name, &last);
        if (parent < 0)
                return parent;
        if (symlinkat(target, parent, last) == 0)
                return 0;
        return errno == EEXIST && type_of(parent, last) == S_IFLNK && leads_to(at, name, private) ? 0 : -errno;
}

/* Below private/; a folder that a static user had moves over. What lies in another folder of the run is there already. */
static int make_private(const struct place *at, const struct plan_folder *f, const char *private)
{
        const char *last, *private_last;
        int r = make_private_root(at);
        if (r < 0)
                return r;
        CLEAN_FD int to = open_parent(at, private, &private_last);
        if (to < 0)
                return to;
        if (!f->above && !type_of(to, private_last) && is_there(at, f->name)) {
                CLEAN_FD int from = open_parent(at, f->name, &last);
                if (from >= 0 && type_of(from, last) == S_IFDIR)
                        r = move(from, last, to, private_last);
        }
        if (r < 0)
                return r;
        CLEAN_FD int made = path_make_in(at->fd, private, true, PATH_NO_LINKS);
        if (made < 0)
                return made;
        return f->above ? 0 : link_private(at, f->name, private);
}

static int make_plain(const struct place *at, const struct plan_folder *f)
{
        int r = leave_private(at, f->name);
        if (r == 0 && at->removed)
                r = make_removed(at, f->name);
        if (r < 0)
                return r;
        CLEAN_FD int fd = path_make_in(at->fd, f->name, true, PATH_NO_LINKS);
        return fd < 0 ? fd : 0;
}

/* What configures the payload is not its own: links of the host's lead to it, and what is there keeps its mode. */
static int make_unowned(const struct plan_folder *f, const char *path)
{
        if (access(path, F_OK) == 0)
                return 0;
        int r = file_make_folders(path, 0755, NULL);
        return r == 0 && chmod(path, f->mode) < 0 ? -errno : r;
}

/* ---- what the payload sees ---- */

/* What lies in another folder of the run is seen and written with that. */
static bool is_seen(const struct plan_folder *f)
{
        return !f->above || f->above->read_only != f->read_only;
}

static void show_private(struct plan *p, const struct place *at, const struct plan_folder *f, const char *path)
{
        CLEAN_FREE char *root = xprintf("%s/private", at->base);
        struct plan_mount *m = plan_add_mount(p, PLAN_TMPFS, root, f->origin);
        m->source = xstrdup("mode=0755,size=64k");
        m = plan_add_mount(p, PLAN_BIND, path, f->origin);
        m->source = xstrdup(path);
        m->recursive = true;
        m->read_only = f->read_only;
}

/* A root of the unit's own has nothing there, nor the link that leads to a private folder. */
static void show_in_root(struct plan *p, const struct place *at, const struct plan_folder *f, const char *path)
{
        CLEAN_FREE char *public = xprintf("%s/%s", at->base, f->name);
        struct plan_mount *m = plan_add_mount(p, PLAN_BIND, public, f->origin);
        m->source = xstrdup(path);
        m->recursive = true;
        m->read_only = f->read_only;
}

static void show(struct plan *p, const struct place *at, const struct plan_folder *f, const char *path)
{
        if (!is_seen(f))
                return;
        if (at->private)
                show_private(p, at, f, path);
        if (unit_root_is_asked(p))
                show_in_root(p, at, f, path);
        else if (at->private)
                return;
        else if (plan_has_mounts(p))
                plan_add_mount(p, f->read_only ? PLAN_READ_ONLY : PLAN_READ_WRITE, path, f->origin);
}

static int make_folder(const struct place *at, const struct plan_folder *f)
{
        CLEAN_FREE char *private = private_path(f->name);
        const char *name = at->private ? private : f->name;
        CLEAN_FREE char *path = xprintf("%s/%s", at->base, name);
        bool owned = kinds[at->kind].owned;
        int r = !owned ? make_unowned(f, path) : at->private ? make_private(at, f, private) : make_plain(at, f);
        if (r == 0 && owned)
                r = own_folder(at, name, f->mode);
        if (r == 0)
                show(at->s->plan, at, f, path);
        if (r == 0 && at->s->host->beside)
                show(at->s->host->beside, at, f, path);
        return r;
}

/* ---- links ---- */

/* Where the link really stands: a folder of the run that it lies in may itself lie below private/. */
static char *place_of_link(const struct place *at, const char *link)
{
        const struct plan *p = at->s->plan;
        for (size_t i = 0; at->private && i < p->folder_count; i++) {
                size_t n = strlen(p->folders[i].name);
                if (p->folders[i].kind == at->kind && !strncmp(link, p->folders[i].name, n) && link[n] == '/')
                        return private_path(link);
        }
        return xstrdup(link);
}

/* One that goes with its folder is made aside, as that is. */
static int make_removed_link(const struct place *at, const char *link, const char *target)
{
        CLEAN_FREE char *fresh = fresh_name(at);
        int r = note_fresh(at, "file", fresh);
        if (r == 0 && symlinkat(target, at->fd, fresh) < 0)
                r = -errno;
        return r == 0 ? give_name(at, "file", fresh, link) : r;
}

static int make_link(const struct place *at, const struct plan_folder *f, const char *link)
{
        CLEAN_FREE char *real = place_of_link(at, link), *target = relative(link, f->name);
        char there[4096];
        const char *last;
        CLEAN_FD int parent = open_parent(at, real, &last);
        if (parent < 0)
                return parent;
        ssize_t n = readlinkat(parent, last, there, sizeof there - 1);
        if (n >= 0) {
                there[n] = 0;
                return text_equal(there, target) ? 0 : -EEXIST;
        }
        if (errno != ENOENT)
                return errno == EINVAL ? -EEXIST : -errno; /* something else than a link stands there */
        if (at->removed)
                return make_removed_link(at, real, target);
        return symlinkat(target, parent, last) < 0 ? -errno : 0;
}

/* ---- the whole ---- */

static int failed(const struct plan_folder *f, int r, const char *what, const char *name, struct error *e)
{
        error_errno(e, r, "folder.failed", "making the %s %s", what, name);
        error_status(e, kinds[f->kind].exit_status);
        return error_while(e, "applying %s", f->origin);
}

static void set_variable(struct sandbox *s, enum plan_folder_kind kind, const struct text *paths)
{
        if (paths->length)
                strings_take(&s->folder_variables, xprintf("%s=%s", kinds[kind].variable, paths->data));
}

static int make_kind(struct sandbox *s, enum plan_folder_kind kind, struct error *e)
{
        CLEAN_PLACE struct place at = PLACE_INIT;
        CLEAN_TEXT struct text paths = { 0 };
        const struct plan *p = s->plan;
        for (size_t i = 0; i < p->folder_count; i++) {
                const struct plan_folder *f = &p->folders[i];
                if (f->kind != kind)
                        continue;
                int r = at.fd < 0 ? place_open(s, kind, &at) : 0;
                if (r == 0)
                        r = make_folder(&at, f);
                if (r < 0)
                        return failed(f, r, "folder", f->name, e);
                text_addf(&paths, "%s%s/%s", paths.length ? ":" : "", at.base, f->name);
        }
        /* When all folders are there: a link may lie in another of them. */
        for (size_t i = 0; at.fd >= 0 && i < p->folder_count; i++)
                for (size_t k = 0; p->folders[i].kind == kind && k < p->folders[i].links.count; k++) {
                        int r = make_link(&at, &p->folders[i], p->folders[i].links.items[k]);
                        if (r < 0)
                                return failed(&p->folders[i], r, "link", p->folders[i].links.items[k], e);
                }
        set_variable(s, kind, &paths);
        return 0;
}

int folders_prepare(struct sandbox *s, struct error *e)
{
        /* Whatever the caller's or the supervisor's is: who the folder is for comes through those above. */
        mode_t mask = umask(0022);
        int r = 0;
        for (int k = 0; r >= 0 && k < PLAN_FOLDER_KINDS; k++)
                r = make_kind(s, (enum plan_folder_kind)k, e);
        umask(mask);
        plan_normalize_mounts(s->plan);
        if (s->host->beside)
                plan_normalize_mounts(s->host->beside);
        return r;
}
