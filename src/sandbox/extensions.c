/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/extensions.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/exit_status.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "plan/environment_file.h"
#include "plan/extension_release.h"

enum { RELEASE_BYTES_MAX = 1 << 16, LAYERS_MAX = PLAN_EXTENSIONS_MAX + 1 };

static int failed(const char *origin, int r, struct error *e)
{
        error_status(e, STATUS_NAMESPACE);
        error_while(e, "applying %s", origin);
        return r;
}

static struct image_wish wish_of(const struct plan_image *i)
{
        return (struct image_wish){ i->path, i->options, i->origin, i->extension };
}

int extensions_prepare(struct sandbox *s, struct error *e)
{
        const struct plan_unit_root *root = &s->plan->unit_root;
        s->images = root->image_count ? xalloc(root->image_count, sizeof *s->images) : NULL;
        for (size_t k = 0; k < root->image_count; k++)
                s->images[k] = (struct image){ .fd = -EBADF };
        for (size_t k = 0; k < root->image_count; k++) {
                const struct plan_image *i = &root->images[k];
                const struct image_wish wish = wish_of(i);
                struct error own = { 0 };
                int r = i->folder ? 0 : image_open(&wish, &s->images[k], &own);
                if (r == -ENOENT && i->optional && text_equal(own.id, "mount.missing"))
                        s->images[k].fd = -ENOENT;
                else if (r < 0) {
                        failed(i->origin, r, &own);
                        if (e)
                                *e = own;
                        return r;
                }
        }
        return 0;
}

void extensions_allow(const struct sandbox *s, struct cgroup_resources *r)
{
        image_allow(&s->image, r);
        for (size_t k = 0; s->images && k < s->plan->unit_root.image_count; k++)
                image_allow(&s->images[k], r);
}

bool extensions_are(const struct plan_mount *m)
{
        return m->kind == PLAN_IMAGE || m->kind == PLAN_OVERLAY;
}

/* ---- one tree ---- */

/* The tree of an extension or image, as a descriptor. EXTENSIONS_NOTHING: it is not there and need not be. */
static int open_tree(struct child *c, size_t k, struct error *e)
{
        const struct plan_image *i = &c->s->plan->unit_root.images[k];
        const struct image *image = &c->s->images[k];
        const struct image_wish wish = wish_of(i);
        if (!i->folder)
                return image->fd == -ENOENT ? EXTENSIONS_NOTHING : image_mount(image, &wish, e);
        int fd = path_open_in(c->host_fd, i->path, O_DIRECTORY);
        if (fd == -ENOENT && i->optional)
                return EXTENSIONS_NOTHING;
        return fd < 0 ? error_errno(e, fd, fd == -ENOENT ? "mount.missing" : "mount.failed", "opening the extension %s", i->path) : fd;
}

static int read_release(int tree, const char *path, struct strings *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        CLEAN_FD int fd = path_open_as(tree, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, PATH_LINKS);
        int r = fd < 0 ? fd : file_read_descriptor(fd, RELEASE_BYTES_MAX, &t);
        return r < 0 ? r : environment_file_parse(ret, path, t.data ? t.data : "", t.length, false, &notes, e);
}

/* What the tree under the extensions says of itself. */
static int read_system(const struct child *c, struct strings *ret, struct error *e)
{
        int r = read_release(c->root_fd, "/etc/os-release", ret, e);
        if (r == -ENOENT)
                r = read_release(c->root_fd, "/usr/lib/os-release", ret, e);
        return r < 0 && !(e && e->code) ? error_errno(e, r, "extension.release", "reading the os-release of what is to be extended") : r;
}

/* The only extension-release file of the tree, whatever its name. Allocated, or NULL. */
static char *find_only(int tree)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int folder = path_open_as(tree, "/usr/lib/extension-release.d", O_RDONLY | O_DIRECTORY, 0, PATH_LINKS);
        if (folder < 0 || file_list(folder, &names) < 0 || names.count != 1 || !text_starts(names.items[0], "extension-release."))
                return NULL;
        return xprintf("/usr/lib/extension-release.d/%s", names.items[0]);
}

static int check_extension(const struct child *c, const struct plan_image *i, int tree, struct error *e)
{
        CLEAN_FREE char *name = extension_release_name(i->path, i->folder);
        CLEAN_FREE char *path = i->options && strstr(i->options, IMAGE_RELAXED) ? find_only(tree) : NULL;
        CLEAN_STRINGS struct strings extension = { 0 }, system = { 0 };
        struct utsname host;
        if (!path)
                path = xprintf("/usr/lib/extension-release.d/extension-release.%s", name);
        int r = read_release(tree, path, &extension, e);
        if (r < 0 && !e->code) {
                error_errno(e, r, "extension.release", "reading %s in %s", path, i->path);
                error_hint(e, "it says what the extension was made for: ID=, and VERSION_ID= or SYSEXT_LEVEL=, as in os-release(5)");
        }
        if (r < 0)
                return r;
        CLEAN_FD int own = path_open_in(tree, "/usr/lib/os-release", 0);
        if (own != -ENOENT)
                return error_set(e, EINVAL, "extension.release", "%s would replace /usr/lib/os-release", i->path);
        r = read_system(c, &system, e);
        if (r < 0)
                return r;
        (void)uname(&host);
        return extension_release_check(&extension, &system, host.machine, e);
}

/* ---- the overlay ---- */

struct layers {
        int trees[LAYERS_MAX]; /* of images, attached where no path leads until the overlay holds them; else -EBADF */
        int folders[LAYERS_MAX]; /* from the lowest up */
        size_t count;
};

static void layers_done(struct layers *l)
{
        for (size_t i = 0; i < l->count; i++) {
                CLEAN_FREE char *path = xprintf("/proc/self/fd/%d", l->trees[i]);
                if (l->trees[i] >= 0)
                        (void)mount_detach(path);
                fd_close(l->trees[i]);
                fd_close(l->folders[i]);
        }
}

/* A layer must be mounted in our namespace: over a folder of the run's own, which shows again when we let go of it. */
static int hold(const struct child *c, bool folder, int tree, struct error *e)
{
        int r = folder ? 0 : mount_attach(tree, c->run_fd, "");
        return r < 0 ? error_errno(e, r, "mount.refused", "attaching an extension") : 0;
}

static int add_layer(struct child *c, size_t k, const char *path, struct layers *l, struct error *e)
{
        const struct plan_image *i = &c->s->plan->unit_root.images[k];
        CLEAN_FD int tree = open_tree(c, k, e);
        if (tree < 0)
                return tree == EXTENSIONS_NOTHING ? 0 : tree;
        int r = check_extension(c, i, tree, e);
        if (r < 0)
                return r;
        CLEAN_FD int folder = path_open_in(tree, path, O_DIRECTORY);
        if (folder == -ENOENT)
                return 0;
        if (folder < 0)
                return error_errno(e, folder, "mount.failed", "opening %s in the extension %s", path, i->path);
        r = hold(c, i->folder, tree, e);
        if (r < 0)
                return r;
        l->trees[l->count] = i->folder ? -EBADF : TAKE_FD(tree);
        l->folders[l->count++] = TAKE_FD(folder);
        return 0;
}

static int mount_layers(const struct layers *l, const char *path, struct error *e)
{
        char message[256] = "";
        CLEAN_TEXT struct text lower = { 0 };
        /* The kernel's list begins at the top. */
        for (size_t i = l->count; i-- > 0;)
                text_addf(&lower, "%s/proc/self/fd/%d", lower.length ? ":" : "", l->folders[i]);
        const struct mount_option options[] = { { "lowerdir", lower.data }, { 0 } };
        const struct mount_request request = { .type = "overlay", .source = "extensions", .options = options, .attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
                                               .message = message, .message_size = sizeof message };
        int r = mount_new_with(&request);
        if (r >= 0)
                return r;
        error_errno(e, r, r == -EPERM ? "mount.refused" : "mount.failed", "laying extensions over %s%s%s", path, *message ? ": " : "", message);
        error_hint(e, "extensions take overlayfs, and a user who may mount it");
        return r;
}

static int open_overlay(struct child *c, const char *path, struct error *e)
{
        CLEAN(layers_done) struct layers l = { .count = 0 };
        int base = path_open_in(c->root_fd, path, O_DIRECTORY);
        if (base < 0 && base != -ENOENT)
                return error_errno(e, base, "mount.failed", "opening %s", path);
        if (base >= 0) {
                l.trees[0] = -EBADF;
                l.folders[l.count++] = base;
        }
        for (size_t k = 0; k < c->s->plan->unit_root.image_count; k++) {
                int r = c->s->plan->unit_root.images[k].extension ? add_layer(c, k, path, &l, e) : 0;
                if (r < 0)
                        return failed(c->s->plan->unit_root.images[k].origin, r, e);
        }
        if (l.count == (base >= 0))
                return EXTENSIONS_NOTHING;
        if (l.count > 1)
                return mount_layers(&l, path, e);
        /* Nothing is under it: an overlay of one would be refused. */
        int r = mount_clone_tree(l.folders[0], "", false);
        int k = r < 0 ? r : mount_set(r, "", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, 0, true);
        if (k == 0)
                return r;
        fd_close(r >= 0 ? r : -EBADF);
        return error_errno(e, k, "mount.failed", "showing %s of an extension", path);
}

int extensions_open(struct child *c, const struct plan_mount *m, struct error *e)
{
        if (m->kind == PLAN_OVERLAY) {
                int r = open_overlay(c, m->path, e);
                return r < 0 && r != EXTENSIONS_NOTHING && !e->lines ? failed(m->origin, r, e) : r;
        }
        int r = open_tree(c, (size_t)strtoul(m->source, NULL, 10), e);
        return r < 0 && r != EXTENSIONS_NOTHING ? failed(m->origin, r, e) : r;
}
