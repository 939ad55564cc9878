/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/unit_root.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/exit_status.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/mount.h"
#include "os/path.h"

enum { LOCK_TRIES = 100, OPTIONS_MAX = 32, HEAD_BYTES = 66000 };

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

/* ---- an image ---- */

/* What the kernel is let loose on: file systems that are known by their first bytes. */
static const struct image_type {
        const char *name, *magic;
        size_t offset, length;
} types[] = {
        { "erofs", "\xe2\xe1\xf5\xe0", 1024, 4 }, { "squashfs", "hsqs", 0, 4 }, { "ext4", "\x53\xef", 1080, 2 },
        { "xfs", "XFSB", 0, 4 },                  { "btrfs", "_BHRfS_M", 65600, 8 },
};

static const struct image_type *find_type(int fd, const char *path, struct error *e)
{
        CLEAN_FREE char *head = xalloc(HEAD_BYTES, 1);
        ssize_t n = pread(fd, head, HEAD_BYTES, 0);
        if (n < 0) {
                error_errno(e, errno, "root.image", "reading %s", path);
                return NULL;
        }
        for (size_t i = 0; i < ELEMENTS(types); i++)
                if ((size_t)n >= types[i].offset + types[i].length && !memcmp(head + types[i].offset, types[i].magic, types[i].length))
                        return &types[i];
        if (n >= 520 && !memcmp(head + 512, "EFI PART", 8)) {
                error_set(e, ENOTSUP, "root.image", "%s has a table of partitions", path);
                error_hint(e, "Bulkhead takes the image of one file system");
        } else
                error_set(e, EINVAL, "root.image", "%s is no image of a file system: erofs, squashfs, ext4, xfs or btrfs", path);
        return NULL;
}

struct image_options {
        struct strings words; /* owns */
        struct mount_option of[OPTIONS_MAX];
        uint64_t attributes;
        bool writable;
};

static void image_options_done(struct image_options *o)
{
        strings_clear(&o->words);
}

static bool take_flag(struct image_options *o, const char *word)
{
        static const struct {
                const char *word;
                uint64_t attribute;
        } flags[] = { { "nosuid", MOUNT_ATTR_NOSUID }, { "nodev", MOUNT_ATTR_NODEV }, { "noexec", MOUNT_ATTR_NOEXEC },
                      { "noatime", MOUNT_ATTR_NOATIME }, { "nodiratime", MOUNT_ATTR_NODIRATIME }, { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
                      { "relatime", 0 }, { "", 0 } };
        if (text_equal(word, "ro") || text_equal(word, "rw")) {
                o->writable = *word == 'r' && word[1] == 'w';
                return true;
        }
        for (size_t i = 0; i < ELEMENTS(flags); i++)
                if (text_equal(flags[i].word, word)) {
                        o->attributes |= flags[i].attribute;
                        return true;
                }
        return false;
}

/* Read-only unless "rw" is said; never with devices. */
static int read_options(const struct plan *p, struct image_options *o, struct error *e)
{
        CLEAN_FREE char *copy = xstrdup(p->unit_root.options ? p->unit_root.options : "");
        char *rest = copy;
        size_t n = 0;
        o->attributes = MOUNT_ATTR_NODEV;
        for (char *word; (word = strsep(&rest, ","));) {
                if (take_flag(o, word))
                        continue;
                if (n + 2 >= OPTIONS_MAX) {
                        error_set(e, E2BIG, "root.image", "more than %d options", OPTIONS_MAX);
                        return error_while(e, "applying %s", p->unit_root.options_origin);
                }
                strings_add(&o->words, word);
                char *kept = o->words.items[o->words.count - 1], *eq = strchr(kept, '=');
                if (eq)
                        *eq++ = 0;
                o->of[n++] = (struct mount_option){ kept, eq };
        }
        if (!o->writable)
                o->of[n++] = (struct mount_option){ "ro", NULL };
        return 0;
}

/*
 * Two that write to one image, or one that writes below another that reads, destroy it.  The loop device keeps the lock with the file as
 * long as it lives; that of a run which has ended may live a moment longer.
 */
static int lock_image(int fd, bool writable)
{
        for (int tries = 0; flock(fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0; tries++) {
                const struct timespec pause = { .tv_nsec = 10000000 };
                if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
                        return -errno;
                (void)nanosleep(&pause, NULL);
        }
        return 0;
}

/* The device is ours from here on; the image's file cannot be exchanged under it. */
static int attach_image(struct sandbox *s, bool writable, struct error *e)
{
        const char *path = s->plan->unit_root.image;
        CLEAN_FD int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0) {
                error_errno(e, errno, errno == ENOENT ? "mount.missing" : "root.image", "opening %s", path);
                return e->code;
        }
        if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(e, EINVAL, "root.image", "%s is neither a file nor a block device", path);
        int locked = lock_image(fd, writable);
        if (locked < 0) {
                error_errno(e, locked, "root.image", "locking %s", path);
                error_hint(e, "a run that writes to an image is alone with it");
                return e->code;
        }
        const struct image_type *type = find_type(fd, path, e);
        if (!type)
                return e->code;
        s->image_type = type->name;
        s->image_fd = S_ISBLK(st.st_mode) ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : loop_attach(fd, !writable);
        if (s->image_fd >= 0)
                return 0;
        error_errno(e, s->image_fd, "root.image", "making a loop device of %s", path);
        error_hint(e, "images need root, and a kernel with loop devices");
        return e->code;
}

int unit_root_prepare(struct sandbox *s, struct error *e)
{
        CLEAN(image_options_done) struct image_options o = { 0 };
        struct error own = { 0 };
        if (!s->plan->unit_root.image)
                return 0;
        int r = read_options(s->plan, &o, &own);
        if (r == 0)
                r = attach_image(s, o.writable, &own);
        if (r < 0) {
                failed(s->plan, r, &own);
                if (e)
                        *e = own;
        }
        return r;
}

/* How the device is called in /dev, which mount tables then show; else the way through our descriptor. */
static char *device_path(int fd)
{
        struct stat st, named;
        CLEAN_FREE char *path = fstat(fd, &st) == 0 ? xprintf("/dev/loop%u", minor(st.st_rdev)) : NULL;
        if (path && stat(path, &named) == 0 && S_ISBLK(named.st_mode) && named.st_rdev == st.st_rdev)
                return TAKE_PTR(path);
        return xprintf("/proc/self/fd/%d", fd);
}

static int mount_image(const struct sandbox *s, struct error *e)
{
        CLEAN(image_options_done) struct image_options o = { 0 };
        char message[256] = "";
        CLEAN_FREE char *source = device_path(s->image_fd);
        int r = read_options(s->plan, &o, e);
        if (r < 0)
                return r;
        const struct mount_request request = { .type = s->image_type, .source = source, .options = o.of,
                                               .attributes = o.attributes | (o.writable ? 0 : MOUNT_ATTR_RDONLY),
                                               .message = message, .message_size = sizeof message };
        r = mount_new_with(&request);
        if (r < 0)
                error_errno(e, r, "root.image", "mounting %s as %s%s%s", s->plan->unit_root.image, s->image_type, *message ? ": " : "", message);
        return r;
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
         * Over an empty folder of ours, into which no path leads.  On top of a root, the host's or its own, ".." beyond that root
         * would go from one tree into the other.
         */
        int r = mount_attach(tree, c->stand_ins_fd, "dir");
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
