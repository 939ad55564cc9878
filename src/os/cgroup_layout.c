/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_layout.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "os/file.h"
#include "os/users.h"

static void hierarchy_done(struct cgroup_hierarchy *h)
{
        free(h->controllers);
        free(h->own);
        free(h->mount);
        fd_close(h->fd);
}

void cgroup_layout_done(struct cgroup_layout *l)
{
        for (unsigned i = 0; i < l->v1_count; i++)
                hierarchy_done(&l->v1[i]);
        if (l->has_v2)
                hierarchy_done(&l->v2);
        free(l->root);
        free(l->v2_controllers);
        *l = (struct cgroup_layout){ 0 };
}

/* One line "N:CONTROLLERS:PATH"; a path that was renamed to end in " (deleted)" is taken for the top. */
static void read_line(char *line, struct cgroup_layout *l, char **v2_own)
{
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
                return;
        *controllers++ = *path++ = 0;
        if (!*controllers) {
                free(*v2_own);
                *v2_own = xstrdup(path);
        } else if (l->v1_count < CGROUP_HIERARCHIES_MAX) {
                l->v1[l->v1_count++] = (struct cgroup_hierarchy){ xstrdup(controllers), xstrdup(path), NULL, -EBADF };
        }
}

static int open_folder(const char *path, long magic)
{
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && !file_is_on(fd, magic)) {
                fd_close(fd);
                return -ENOENT;
        }
        return fd < 0 ? -errno : fd;
}

/* In a container that shares its host's control group namespace, the mount begins at our own folder already. */
static void correct_own(struct cgroup_hierarchy *h)
{
        bool missing = !h->own || text_equal(h->own, "/") || strstr(h->own, "/..") || faccessat(h->fd, h->own + 1, F_OK, 0) < 0;
        if (missing) {
                free(h->own);
                h->own = xstrdup("/");
        }
}

/* No mount there, or none that an ordinary user may look at. Other errors must not be taken for a hierarchy that is missing. */
static bool is_absent(int r)
{
        return r == -ENOENT || r == -ENOTDIR || ((r == -EACCES || r == -EPERM) && users_ordinary());
}

static int open_v2(struct cgroup_layout *l, const char *mount, char **own)
{
        int fd = open_folder(mount, CGROUP2_SUPER_MAGIC);
        CLEAN_TEXT struct text t = { 0 };
        if (fd < 0)
                return fd;
        l->v2 = (struct cgroup_hierarchy){ xstrdup(""), TAKE_PTR(*own), xstrdup(mount), fd };
        l->has_v2 = true;
        correct_own(&l->v2);
        (void)file_read_value(fd, "cgroup.controllers", &t);
        l->v2_controllers = xprintf(" %s ", t.data ? t.data : "");
        char *newline = strchr(l->v2_controllers, '\n');
        if (newline)
                *newline = ' ';
        return 0;
}

int cgroup_layout_open(const char *root, struct cgroup_layout *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_LAYOUT struct cgroup_layout l = { .root = xstrdup(root ? root : "/sys/fs/cgroup") };
        CLEAN_FREE char *own = NULL, *unified = xprintf("%s/unified", l.root);
        int r = file_read_short(AT_FDCWD, "/proc/self/cgroup", 1 << 20, &t);
        if (r < 0)
                return error_errno(e, r, "cgroup.refused", "reading /proc/self/cgroup");
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));)
                read_line(line, &l, &own);
        r = open_v2(&l, l.root, &own);
        if (r == 0) {
                for (unsigned i = 0; i < l.v1_count; i++)
                        hierarchy_done(&l.v1[i]);
                l.v1_count = 0;
        } else if (is_absent(r)) {
                r = open_v2(&l, unified, &own);
        }
        if (r < 0 && !is_absent(r))
                return error_errno(e, r, "cgroup.refused", "opening the hierarchies in %s", l.root);
        *ret = l;
        l = (struct cgroup_layout){ 0 };
        return 0;
}

static int try_mount(const struct cgroup_layout *l, struct cgroup_hierarchy *h, const char *name, size_t length)
{
        CLEAN_FREE char *path = xprintf("%s/%.*s", l->root, (int)length, name);
        int fd = open_folder(path, CGROUP_SUPER_MAGIC);
        if (fd < 0)
                return fd;
        h->fd = fd;
        h->mount = TAKE_PTR(path);
        correct_own(h);
        return 0;
}

/* Mounted together, controllers have a folder by all their names, and often a link by each. */
int cgroup_hierarchy_open(const struct cgroup_layout *l, struct cgroup_hierarchy *h)
{
        const char *name = text_starts(h->controllers, "name=") ? h->controllers + 5 : h->controllers;
        if (h->fd != -EBADF)
                return h->fd < 0 ? -ENOENT : 0;
        int r = try_mount(l, h, name, strlen(name));
        for (const char *p = name; is_absent(r) && *p; p += strcspn(p, ","), p += *p == ',')
                r = try_mount(l, h, p, strcspn(p, ","));
        if (!is_absent(r))
                return r;
        h->fd = -ENOENT;
        return -ENOENT;
}

bool cgroup_names_controller(const char *controllers, const char *controller)
{
        size_t n = strlen(controller);
        for (const char *p = controllers; *p; p += strcspn(p, ","), p += *p == ',')
                if (strcspn(p, ",") == n && !strncmp(p, controller, n))
                        return true;
        return false;
}

bool cgroup_layout_v2_offers(const struct cgroup_layout *l, const char *controller)
{
        CLEAN_FREE char *word = xprintf(" %s ", controller);
        return l->has_v2 && strstr(l->v2_controllers, word);
}

struct cgroup_hierarchy *cgroup_layout_v1(struct cgroup_layout *l, const char *controller)
{
        for (unsigned i = 0; i < l->v1_count; i++)
                if (cgroup_names_controller(l->v1[i].controllers, controller))
                        return cgroup_hierarchy_open(l, &l->v1[i]) == 0 ? &l->v1[i] : NULL;
        return NULL;
}
