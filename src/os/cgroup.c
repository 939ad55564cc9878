/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "base/mutant.h"
#include "base/path.h"
#include "os/cgroup_devices.h"
#include "os/cgroup_folder.h"
#include "os/cgroup_layout.h"
#include "os/cgroup_write.h"
#include "os/file.h"

/* ---- folders ---- */

struct maker {
        const struct cgroup_wish *wish;
        struct cgroup_layout *layout;
        struct cgroup *c;
        uint32_t made;  /* bit N: folder N is new */
        char *path;     /* begins with a slash */
        bool relative;
};

static int refused(int r, const char *what, const char *path, struct error *e)
{
        error_errno(e, r, "cgroup.refused", "%s %s", what, path);
        if (r == -EACCES || r == -EPERM || r == -EROFS)
                error_hint(e, "needs root, or a delegated cgroup v2 folder; in a container, control groups mounted writable");
        error_status(e, STATUS_CGROUP);
        return r;
}

static int find_path(const struct cgroup_wish *w, struct maker *m, struct error *e)
{
        const char *path = w->path ? w->path : w->id;
        m->relative = w->path ? *w->path != '/' : w->rootless || geteuid() != 0;
        CLEAN_FREE char *slashed = xprintf("/%s", path);
        int r = MUTANT("cgroup-dots") ? !(m->path = xstrdup(slashed)) : path_normalize(slashed, &m->path);
        if (r < 0 || text_equal(m->path, "/")) {
                error_set(e, EINVAL, "cgroup.path", "\"%.200s\" names no control group", path);
                error_hint(e, "a path below the top, without \"..\"");
                error_status(e, STATUS_CGROUP);
                return -EINVAL;
        }
        return 0;
}

static int make_parents(int mount_fd, const char *path)
{
        CLEAN_FREE char *copy = xstrdup(path);
        for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                if (mkdirat(mount_fd, copy, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return 0;
}

/* 1: made, 0: it was there and may be, or -errno. path has no slash before it. */
static int make_folder(const struct maker *m, int mount_fd, const char *path)
{
        if (mkdirat(mount_fd, path, 0755) == 0)
                return 1;
        if (errno == ENOENT) {
                int r = make_parents(mount_fd, path);
                if (r < 0)
                        return r;
                if (mkdirat(mount_fd, path, 0755) == 0)
                        return 1;
        }
        if (errno != EEXIST)
                return -errno;
        if (m->wish->may_exist)
                return 0;
        /* What an ended run left is empty: a new folder has no old limits. */
        if (unlinkat(mount_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return -errno;
        return mkdirat(mount_fd, path, 0755) < 0 ? -errno : 1;
}

/*
 * The same, with the folder opened. Where systemd is in charge it may still be at work on the slices that it has made for a scope, and removes what is
 * empty of hierarchies that it does not use: then it is made once more, and who is in it first keeps it.
 */
static int make_and_open(const struct maker *m, int mount_fd, const char *path, int *ret_fd)
{
        enum { TRIES = 100 };
        for (unsigned i = 0;; i++) {
                int r = make_folder(m, mount_fd, path);
                int fd = r < 0 ? -1 : openat(mount_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (r >= 0 && fd < 0) {
                        int error = errno;
                        if (r == 1)
                                (void)unlinkat(mount_fd, path, AT_REMOVEDIR);
                        r = -error;
                }
                *ret_fd = fd;
                if (r != -ENOENT || !m->wish->may_exist || i == TRIES)
                        return r;
                (void)usleep(1000);
        }
}

static struct cgroup_folder *add_folder(struct maker *m, struct cgroup_hierarchy *h, const char *path, int *ret, struct error *e)
{
        CLEAN_FREE char *whole = xprintf("%s/%s", h->mount, path);
        if (m->c->count == CGROUP_FOLDERS_MAX) {
                *ret = refused(-E2BIG, "making", whole, e);
                return NULL;
        }
        int r = m->wish->note ? m->wish->note(m->wish->context, whole) : 0;
        if (r < 0) {
                *ret = refused(r, "noting", whole, e);
                return NULL;
        }
        int fd = -EBADF;
        r = make_and_open(m, h->fd, path, &fd);
        if (r == -EBUSY || r == -ENOTEMPTY) {
                *ret = error_set(e, EBUSY, "cgroup.busy", "the control group %s exists, with processes or groups in it", whole);
                error_hint(e, "another container uses it, or an earlier one was not deleted; choose another cgroupsPath or id");
                error_status(e, STATUS_CGROUP);
                return NULL;
        }
        if (r < 0) {
                *ret = refused(r, "making", whole, e);
                return NULL;
        }
        m->made |= (uint32_t)r << m->c->count;
        struct cgroup_folder *f = &m->c->folders[m->c->count++];
        *f = (struct cgroup_folder){ xstrdup(h->controllers), TAKE_PTR(whole), strlen(h->mount), fd, -EBADF };
        return f;
}

static bool is_made(const struct maker *m, const struct cgroup_folder *f)
{
        return f && m->made >> (f - m->c->folders) & 1;
}

/*
 * A cpuset takes nobody before it has cpus and memory: what is empty, as a new one is, gets what the folder above has.
 */
static int inherit_cpuset(int mount_fd, const char *path, const char *file, bool made, struct text *ret)
{
        CLEAN_FREE char *name = *path ? xprintf("%s/%s", path, file) : xstrdup(file);
        CLEAN_TEXT struct text above = { 0 };
        int r = made ? 0 : file_read_short(mount_fd, name, 65536, ret);
        if (!made && (r < 0 || ret->data[strspn(ret->data, " \n")] || !*path))
                return r;
        const char *slash = strrchr(path, '/');
        CLEAN_FREE char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);
        r = inherit_cpuset(mount_fd, parent, file, false, &above);
        if (r == 0)
                r = file_write(mount_fd, name, above.data);
        text_clear(ret);
        *ret = above;
        above = (struct text){ 0 };
        return r;
}

static int set_up_v1(struct cgroup_hierarchy *h, const char *path, bool made, struct cgroup_folder *f, struct error *e)
{
        static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
        for (size_t i = 0; cgroup_names_controller(h->controllers, "cpuset") && i < ELEMENTS(files); i++) {
                CLEAN_TEXT struct text t = { 0 };
                int r = inherit_cpuset(h->fd, path, files[i], made, &t);
                if (r < 0)
                        return refused(r, files[i], f->path, e);
        }
        f->procs_fd = openat(f->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return f->procs_fd < 0 ? refused(-errno, "opening cgroup.procs of", f->path, e) : 0;
}

static int make_v1(struct maker *m, struct cgroup_hierarchy *h, struct error *e)
{
        int r = -EIO;
        const char *own = m->relative && !text_equal(h->own, "/") ? h->own : "";
        CLEAN_FREE char *path = xprintf("%s%s", own, m->path);
        struct cgroup_folder *f = add_folder(m, h, path + 1, &r, e);
        return f ? set_up_v1(h, path + 1, is_made(m, f), f, e) : r;
}

/* ---- v2 ---- */

/*
 * What the folder does not have yet of what it should: "+cpu +io".  On a host with v2 alone that is all there is, for engines look for
 * its numbers; beside v1 it is what is needed, so that the host's own groups stay as they are.
 */
static char *missing_controllers(const struct maker *m, const char *needed, int folder_fd)
{
        CLEAN_TEXT struct text have = { 0 }, missing = { 0 };
        CLEAN_STRINGS struct strings words = { 0 }, present = { 0 };
        text_split_words(m->wish->all && !m->layout->v1_count ? m->layout->v2_controllers : needed, &words);
        text_add(&missing, "");
        if (words.count && file_read(folder_fd, "cgroup.controllers", 4096, &have) == 0)
                text_split_words(have.data, &present);
        for (size_t i = 0; i < words.count; i++)
                if (!strings_has(&present, words.items[i]))
                        text_addf(&missing, "%s+%s", missing.length ? " " : "", words.items[i]);
        return TAKE_PTR(missing.data);
}

/* Words that the folder does not hand down yet. The folders above a delegated one do already, and are not ours to write to. */
static char *words_left(int mount_fd, const char *file, const struct strings *words)
{
        CLEAN_TEXT struct text have = { 0 }, left = { 0 };
        CLEAN_STRINGS struct strings present = { 0 };
        if (file_read(mount_fd, file, 4096, &have) == 0)
                text_split_words(have.data, &present);
        text_add(&left, "");
        for (size_t i = 0; i < words->count; i++)
                if (!strings_has(&present, words->items[i] + 1))
                        text_addf(&left, "%s%s", left.length ? " " : "", words->items[i]);
        return TAKE_PTR(left.data);
}

static int enable_at(int mount_fd, const char *folder, const char *words, const char *needed, const char **ret_word)
{
        CLEAN_FREE char *file = xprintf("%s%scgroup.subtree_control", folder, *folder ? "/" : "");
        CLEAN_STRINGS struct strings each = { 0 };
        text_split_words(words, &each);
        CLEAN_FREE char *left = words_left(mount_fd, file, &each);
        if (!*left || file_write(mount_fd, file, left) == 0)
                return 0;
        strings_clear(&each);
        text_split_words(left, &each);
        for (size_t i = 0; i < each.count; i++) {
                CLEAN_FREE char *word = xprintf(" %s ", each.items[i] + 1);
                const char *found = strstr(needed, word);
                int r = file_write(mount_fd, file, each.items[i]);
                if (r < 0 && found) {
                        *ret_word = found;
                        return r;
                }
        }
        return 0;
}

/* Hands the controllers down from the top to the folder. What nobody needs may be refused. */
static int enable_v2(const struct maker *m, const char *path, const char *needed, int folder_fd, struct error *e)
{
        CLEAN_FREE char *words = missing_controllers(m, needed, folder_fd);
        CLEAN_FREE char *copy = xstrdup(path);
        const char *word = NULL;
        if (!*words)
                return 0;
        char *slash = copy;
        for (bool top = true; top || slash; top = false) {
                size_t length = top ? 0 : (size_t)(slash - copy);
                CLEAN_FREE char *folder = xstrndup(copy, length);
                int r = enable_at(m->layout->v2.fd, folder, words, needed, &word);
                if (r < 0) {
                        error_errno(e, r, "cgroup.controller", "enabling the %.*s controller in %s/%s", (int)strcspn(word + 1, " "), word + 1,
                                    m->layout->v2.mount, folder);
                        error_hint(e, r == -EBUSY || r == -EOPNOTSUPP ? "processes stand in that folder itself: move them into one below it first"
                                                                      : "needs root, or a delegated cgroup v2 folder with this controller");
                        error_status(e, STATUS_CGROUP);
                        return r;
                }
                slash = strchr(copy + length + !top, '/');
        }
        return 0;
}

static int make_v2_at(struct maker *m, const char *base, const char *needed, struct error *e)
{
        CLEAN_FREE char *path = xprintf("%s%s", text_equal(base, "/") ? "" : base, m->path);
        int r = -EIO;
        struct cgroup_folder *f = add_folder(m, &m->layout->v2, path + 1, &r, e);
        if (!f)
                return r;
        /* The kernel would say so too, but only when the process is to be born there. */
        if (m->wish->rootless && faccessat(f->fd, "cgroup.procs", W_OK, AT_EACCESS) < 0)
                return refused(-errno, "entering", f->path, e);
        m->c->into_fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
        if (m->c->into_fd < 0)
                return refused(-errno, "opening", f->path, e);
        return enable_v2(m, path + 1, needed, f->fd, e);
}

static int make_v2(struct maker *m, const char *needed, struct error *e)
{
        const char *own = m->layout->v2.own;
        if (!m->relative || m->wish->v2_at_top || text_equal(own, "/"))
                return make_v2_at(m, "/", needed, e);
        /* We stand in our own folder, which therefore cannot share controllers out: beside it is better, where we may. */
        CLEAN_FREE char *beside = xstrndup(own, (size_t)(strrchr(own, '/') - own));
        unsigned before = m->c->count;
        int r = make_v2_at(m, *beside ? beside : "/", needed, e);
        if (r < 0 && m->c->count == before && (r == -EACCES || r == -EPERM || r == -EROFS))
                r = make_v2_at(m, own, needed, e);
        return r;
}

/* ---- what is about to be made ---- */

static void add_intended(const struct maker *m, const struct cgroup_hierarchy *h, const char *base, struct cgroup *all)
{
        CLEAN_FREE char *path = xprintf("%s%s%s", h->mount, text_equal(base, "/") ? "" : base, m->path);
        /* What is there already is not ours alone, and may have processes in it. */
        if (all->count < CGROUP_FOLDERS_MAX && access(path, F_OK) < 0)
                all->folders[all->count++] = (struct cgroup_folder){ xstrdup(h->controllers), TAKE_PTR(path), strlen(h->mount), -ENOENT, -EBADF };
}

static int tell_intent(const struct maker *m, struct error *e)
{
        struct cgroup all = { .into_fd = -EBADF };
        const struct cgroup_hierarchy *v2 = &m->layout->v2;
        int r = 0;
        for (unsigned i = 0; i < m->layout->v1_count; i++) {
                struct cgroup_hierarchy *h = &m->layout->v1[i];
                int k = cgroup_hierarchy_open(m->layout, h);
                if (k == 0)
                        add_intended(m, h, m->relative ? h->own : "/", &all);
                else if (k != -ENOENT && r == 0)
                        r = refused(k, "opening the hierarchy", h->controllers, e);
        }
        if (m->layout->has_v2 && m->relative && !m->wish->v2_at_top && !text_equal(v2->own, "/")) {
                CLEAN_FREE char *beside = xstrndup(v2->own, (size_t)(strrchr(v2->own, '/') - v2->own));
                add_intended(m, v2, beside, &all);
                add_intended(m, v2, v2->own, &all);
        } else if (m->layout->has_v2) {
                add_intended(m, v2, "/", &all);
        }
        if (r == 0)
                r = m->wish->intend(m->wish->context, &all, e);
        cgroup_done(&all);
        return r;
}

/* ---- make ---- */

static char *joined_v1(const struct cgroup_layout *l)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (unsigned i = 0; i < l->v1_count; i++)
                text_addf(&t, "%s%s", i ? "," : "", l->v1[i].controllers);
        return TAKE_PTR(t.data);
}

/* " memory io " of those that writes go to in v2; "" for none at all. */
static char *needed_v2(const struct maker *m, const struct cgroup_writes *w)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < w->count; i++) {
                const struct cgroup_write *row = &w->items[i];
                CLEAN_FREE char *of_file = xstrndup(row->file, strcspn(row->file, "."));
                const char *name = *row->controller ? row->controller : of_file;
                CLEAN_FREE char *word = xprintf(" %s ", name);
                if (!*row->controller || cgroup_layout_v2_offers(m->layout, name)) {
                        if (!t.length)
                                text_add(&t, " ");
                        if (!text_equal(name, "cgroup") && !strstr(t.data, word))
                                text_addf(&t, "%s ", name);
                }
        }
        return TAKE_PTR(t.data);
}

/* The first row that asks for a folder in this hierarchy; h NULL: in v2. NULL: none does. */
static const struct cgroup_write *asker(const struct maker *m, const struct cgroup_hierarchy *h, const struct cgroup_writes *w)
{
        for (size_t i = 0; i < w->count; i++) {
                const char *controller = w->items[i].controller;
                if (h ? cgroup_names_controller(h->controllers, controller) : !*controller || cgroup_layout_v2_offers(m->layout, controller))
                        return &w->items[i];
        }
        return NULL;
}

static int not_made(int r, const struct cgroup_write *by, struct error *e)
{
        if (by)
                error_while(e, "applying %s (%s controller)", by->origin, *by->controller ? by->controller : "v2");
        return r;
}

static int not_made_v2(const struct maker *m, int r, const struct cgroup_write *by, struct error *e)
{
        if (!by && m->wish->v2_origin)
                error_while(e, "applying %s (control groups v2)", m->wish->v2_origin);
        return not_made(r, by, e);
}

static bool may_be_refused(const struct maker *m, bool needed, int r)
{
        return m->wish->rootless && !needed && (r == -EACCES || r == -EPERM || r == -EROFS);
}

/* Folders from the count on that could not be made ready and need not be: a group that we are not in is not ours. */
static void forget_folders(struct maker *m, unsigned count)
{
        while (m->c->count > count) {
                struct cgroup_folder *f = &m->c->folders[--m->c->count];
                if (m->made >> m->c->count & 1)
                        (void)rmdir(f->path);
                m->made &= ~(UINT32_C(1) << m->c->count);
                if (!*f->controllers && m->c->into_fd >= 0)
                        m->c->into_fd = fd_close(m->c->into_fd);
                fd_close(f->procs_fd);
                fd_close(f->fd);
                free(f->path);
                free(f->controllers);
                *f = (struct cgroup_folder){ .fd = -EBADF, .procs_fd = -EBADF };
        }
}

/* h NULL: v2. Whatever its controllers, processes are followed by name=systemd. */
static bool is_delegated(const struct maker *m, const struct cgroup_hierarchy *h)
{
        const struct strings *d = m->wish->delegated;
        for (size_t i = 0; d && h && i < d->count; i++)
                if (cgroup_names_controller(h->controllers, d->items[i]))
                        return true;
        return d && (!h || cgroup_names_controller(h->controllers, "name=systemd"));
}

/* Adds those that v2 has to the needed ones. */
static void add_delegated(const struct maker *m, char **needed)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, **needed ? *needed : " ");
        for (size_t i = 0; i < m->wish->delegated->count; i++) {
                CLEAN_FREE char *word = xprintf(" %s ", m->wish->delegated->items[i]);
                if (cgroup_layout_v2_offers(m->layout, m->wish->delegated->items[i]) && !strstr(t.data, word))
                        text_add(&t, word + 1);
        }
        free(*needed);
        *needed = TAKE_PTR(t.data);
}

static bool wants_devices(const struct cgroup_wish *w)
{
        return w->devices != CGROUP_DEVICES_OPEN;
}

static int no_v2(const char *origin, struct error *e)
{
        error_set(e, ENOENT, "cgroup.unified", "%s takes control groups v2, and none are mounted", origin);
        error_hint(e, "beside v1 they are mostly at /sys/fs/cgroup/unified: mount -t cgroup2 none /sys/fs/cgroup/unified");
        error_status(e, STATUS_CGROUP);
        return -ENOENT;
}

static int make_folders(struct maker *m, const struct cgroup_writes *w, struct error *e)
{
        CLEAN_FREE char *needed = needed_v2(m, w);
        if (m->wish->delegated && m->layout->has_v2)
                add_delegated(m, &needed);
        bool devices_done = !wants_devices(m->wish) || m->wish->devices == CGROUP_DEVICES_TRIED;
        for (unsigned i = 0; i < m->layout->v1_count; i++) {
                struct cgroup_hierarchy *h = &m->layout->v1[i];
                bool devices = wants_devices(m->wish) && cgroup_names_controller(h->controllers, "devices");
                const struct cgroup_write *need = asker(m, h, w);
                int r = m->wish->all || need || devices || is_delegated(m, h) ? cgroup_hierarchy_open(m->layout, h) : -ENOENT;
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return refused(r, "opening the hierarchy", h->controllers, e);
                unsigned before = m->c->count;
                r = make_v1(m, h, e);
                if (r < 0 && !may_be_refused(m, need || !devices_done, r) && !(devices && !need && devices_done && !m->wish->all && !is_delegated(m, h)))
                        return not_made(r, need, e);
                if (r < 0)
                        forget_folders(m, before);
                devices_done |= devices && r == 0;
        }
        if (m->wish->v2_origin && !m->layout->has_v2)
                return no_v2(m->wish->v2_origin, e);
        if (m->layout->has_v2 && (m->wish->all || *needed || !devices_done || m->wish->v2_origin)) {
                unsigned before = m->c->count;
                int r = make_v2(m, needed, e);
                if (r < 0 && !may_be_refused(m, *needed || !devices_done || m->wish->v2_origin, r))
                        return not_made_v2(m, r, asker(m, NULL, w), e);
                if (r < 0)
                        forget_folders(m, before);
        }
        return 0;
}

/* One folder to find the processes in; none at all is no error. */
static void make_tracker(struct maker *m)
{
        static const char *const preferred[] = { "name=systemd", "pids" };
        if (m->c->count || (m->layout->has_v2 && make_v2(m, "", NULL) == 0))
                return;
        forget_folders(m, 0);
        for (size_t i = 0; i < ELEMENTS(preferred) && !m->c->count; i++) {
                struct cgroup_hierarchy *h = cgroup_layout_v1(m->layout, preferred[i]);
                if (h && make_v1(m, h, NULL) < 0)
                        forget_folders(m, 0);
        }
}

static int unsupported_rule(const struct cgroup_resources *r, size_t rule, struct error *e)
{
        CLEAN_FREE char *tail = xprintf("devices/%zu", rule), *origin = cgroup_origin_or(r, r->devices_origin, tail);
        error_set(e, EOPNOTSUPP, "cgroup.unsupported", "%s: the v1 devices controller cannot say this: the rule takes a part out of a wider one", origin);
        error_hint(e, "name the devices one by one, or use a host with control groups v2");
        error_status(e, STATUS_CGROUP);
        return -EOPNOTSUPP;
}

/* v1 where there is one: its list costs less than a program. What it cannot say is said to v2. */
int cgroup_apply_devices(const struct cgroup *c, const struct cgroup_resources *r, bool fresh, struct error *e)
{
        const struct cgroup_folder *v1 = cgroup_v1_folder_of(c, "devices"), *v2 = cgroup_v2_folder(c);
        struct cgroup_exceptions x = { 0 };
        struct bpf_program p = { 0 };
        CLEAN_FREE char *line = NULL;
        size_t rule = 0;
        int k;
        if (v1 && (k = cgroup_exceptions_of(r->rules, r->rule_count, &x, &rule)) == 0) {
                k = cgroup_exceptions_write(v1->fd, &x, fresh, &line);
                cgroup_exceptions_done(&x);
                if (k < 0) {
                        CLEAN_FREE char *origin = cgroup_origin_or(r, r->devices_origin, "devices");
                        error_errno(e, k, "cgroup.refused", "writing %s in %s for %s (devices controller)", line ? line : "rules", v1->path, origin);
                        error_hint(e, "the folder above allows less, or holds the file against us");
                }
        } else if (v2) {
                if (v1 && !fresh)
                        (void)file_write(v1->fd, "devices.allow", "a");
                cgroup_device_program_of(r->rules, r->rule_count, &p);
                k = cgroup_device_program_attach(v2->fd, &p, fresh);
                bpf_program_done(&p);
                if (k < 0) {
                        CLEAN_FREE char *origin = cgroup_origin_or(r, r->devices_origin, "devices");
                        error_errno(e, k, "cgroup.refused", "giving %s a program for %s (devices)", v2->path, origin);
                        error_hint(e, "takes CAP_BPF or root, CAP_NET_ADMIN and a kernel with CONFIG_CGROUP_BPF");
                }
        } else if (v1) {
                k = unsupported_rule(r, rule, e);
        } else {
                k = error_set(e, ENOENT, "cgroup.controller", "%s: there is neither a v1 devices hierarchy nor v2",
                              r->devices_origin ? r->devices_origin : "device rules");
        }
        if (k < 0)
                error_status(e, STATUS_CGROUP);
        return k;
}

static int check_thawed(const struct maker *m, struct error *e)
{
        const struct cgroup *c = m->c;
        bool all_made = true;
        for (unsigned i = 0; i < c->count; i++)
                all_made = all_made && is_made(m, &c->folders[i]);
        if (all_made || !cgroup_is_frozen(c))
                return 0;
        error_set(e, EBUSY, "cgroup.frozen", "the control group %s is frozen: what enters it stands still", c->folders[0].path);
        error_hint(e, "thaw it, or choose another cgroupsPath");
        error_status(e, STATUS_CGROUP);
        return -EBUSY;
}

static int fill(struct maker *m, struct error *e)
{
        static const struct cgroup_resources none;
        const struct cgroup_resources *r = m->wish->resources ? m->wish->resources : &none;
        CLEAN_WRITES struct cgroup_writes writes = { 0 };
        CLEAN_FREE char *v1 = joined_v1(m->layout);
        const struct cgroup_offer offer = { v1, m->layout->v2_controllers ? m->layout->v2_controllers : "", m->layout->has_v2 };
        int k = cgroup_writes_plan(r, &offer, NULL, &writes, e);
        if (k == 0 && m->wish->intend)
                k = tell_intent(m, e);
        if (k == 0)
                k = make_folders(m, &writes, e);
        if (k == 0 && m->wish->track)
                make_tracker(m);
        if (k == 0 && m->wish->may_exist)
                k = check_thawed(m, e);
        if (k == 0)
                k = cgroup_writes_apply(&writes, m->c, e);
        bool fresh = !m->wish->may_exist || (is_made(m, cgroup_v1_folder_of(m->c, "devices")) && is_made(m, cgroup_v2_folder(m->c)));
        if (k == 0 && m->wish->devices == CGROUP_DEVICES_CLOSED)
                k = cgroup_apply_devices(m->c, r, fresh, e);
        else if (k == 0 && wants_devices(m->wish) && m->c->count)
                (void)cgroup_apply_devices(m->c, r, fresh, NULL);
        return k;
}

int cgroup_make(const struct cgroup_wish *w, struct cgroup *ret, struct error *e)
{
        CLEAN_LAYOUT struct cgroup_layout layout = { 0 };
        struct cgroup c = { .into_fd = -EBADF };
        struct maker m = { .wish = w, .layout = &layout, .c = &c };
        int r = find_path(w, &m, e);
        if (r == 0)
                r = cgroup_layout_open(w->root, &layout, e);
        if (r == 0) {
                mode_t before = umask(022); /* whoever makes the group that all share: others must get through to theirs */
                r = fill(&m, e);
                (void)umask(before);
        }
        free(m.path);
        if (r < 0) {
                for (unsigned i = c.count; i-- > 0;)
                        if (m.made >> i & 1)
                                (void)rmdir(c.folders[i].path);
                cgroup_done(&c);
                *ret = (struct cgroup){ .into_fd = -EBADF };
                return r;
        }
        *ret = c;
        return 0;
}

int cgroup_enter(const struct cgroup *c)
{
        for (unsigned i = 0; i < c->count; i++) {
                int r = c->folders[i].procs_fd >= 0 ? file_write_all(c->folders[i].procs_fd, "0", 1) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

void cgroup_done(struct cgroup *c)
{
        if (c->into_fd > 0)
                fd_close(c->into_fd);
        for (unsigned i = 0; i < c->count; i++) {
                fd_close(c->folders[i].procs_fd);
                fd_close(c->folders[i].fd);
                free(c->folders[i].path);
                free(c->folders[i].controllers);
        }
        *c = (struct cgroup){ .into_fd = -EBADF };
}

const struct cgroup_folder *cgroup_v1_folder_of(const struct cgroup *c, const char *controller)
{
        for (unsigned i = 0; i < c->count; i++)
                if (cgroup_names_controller(c->folders[i].controllers, controller))
                        return &c->folders[i];
        return NULL;
}

const struct cgroup_folder *cgroup_v2_folder(const struct cgroup *c)
{
        for (unsigned i = 0; i < c->count; i++)
                if (!*c->folders[i].controllers)
                        return &c->folders[i];
        return NULL;
}

const struct cgroup_folder *cgroup_folder_of(const struct cgroup *c, const char *controller)
{
        const struct cgroup_folder *v1 = *controller ? cgroup_v1_folder_of(c, controller) : NULL;
        return v1 ? v1 : cgroup_v2_folder(c);
}
