/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/unit_root.h"

#include <fcntl.h>
#include <string.h>

#include "base/exit_status.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "sandbox/image.h"

bool unit_root_is_asked(const struct plan *p)
{
        return p->unit_root.origin;
}

static int failed(const struct plan *p, int r, struct error *e)
{
        error_status(e, STATUS_NAMESPACE);
        error_while(e, "applying %s", p->unit_root.origin);
        return r;
}

/* ---- the image ---- */

static struct image_wish wish_of(const struct plan *p)
{
        return (struct image_wish){ p->unit_root.image, p->unit_root.options, p->unit_root.options_origin, false };
}

int unit_root_prepare(struct sandbox *s, struct error *e)
{
        struct error own = { 0 };
        if (!s->plan->unit_root.image)
                return 0;
        const struct image_wish wish = wish_of(s->plan);
        int r = image_open(&wish, &s->image, &own);
        if (r < 0) {
                failed(s->plan, r, &own);
                if (e)
                        *e = own;
        }
        return r;
}

static int mount_image(const struct sandbox *s, struct error *e)
{
        const struct image_wish wish = wish_of(s->plan);
        return image_mount(&s->image, &wish, e);
}

/* ---- the tree ---- */

static int clone_folder(const struct child *c, struct error *e)
{
        const char *path = c->s->plan->unit_root.folder;
        CLEAN_FD int fd = path_open_in(c->root_fd, path, O_DIRECTORY);
        int tree = fd < 0 ? fd : mount_clone_tree(fd, "", true);
        if (tree == -ENOENT)
                error_set(e, ENOENT, "mount.missing", "%s does not exist", path);
        else if (tree == -ENOTDIR)
                error_set(e, ENOTDIR, "mount.failed", "%s is not a folder", path);
        else if (tree < 0)
                error_errno(e, tree, tree == -EPERM || tree == -EACCES ? "mount.refused" : "mount.failed", "opening the root %s", path);
        return tree;
}

int unit_root_open(struct child *c, struct error *e)
{
        const struct plan *p = c->s->plan;
        CLEAN_FD int tree = p->unit_root.image ? mount_image(c->s, e) : clone_folder(c, e);
        if (tree < 0)
                return failed(p, tree, e);
        /*
         * Over an empty folder of ours, into which no path leads, and which stands in for nothing: what stands in must stay empty.  On top of a root, the host's or its own, ".." beyond that root
         * would go from one tree into the other.
         */
        int r = mount_attach(tree, c->stand_ins_fd, "root");
        if (r < 0) {
                error_errno(e, r, r == -EPERM ? "mount.refused" : "mount.failed", "attaching the root");
                return failed(p, r, e);
        }
        c->root_fd = TAKE_FD(tree);
        return 0;
}

int unit_root_enter(struct child *c, struct error *e)
{
        int r = mount_pivot(c->root_fd);
        if (r == 0)
                return 0;
        error_errno(e, r, "mount.refused", "changing to the root");
        return failed(c->s->plan, r, e);
}

int unit_root_read(const struct plan *p, const char *path, size_t max, struct text *ret)
{
        if (!unit_root_is_asked(p))
                return file_read(AT_FDCWD, path, max, ret);
        CLEAN_FD int root = p->unit_root.folder ? open(p->unit_root.folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        if (root < 0)
                return -ENOENT;
        CLEAN_FD int fd = path_open_as(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, PATH_LINKS);
        return fd < 0 ? fd : file_read_descriptor(fd, max, ret);
}
