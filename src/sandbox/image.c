/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "os/loop.h"
#include "os/mount.h"

enum { LOCK_TRIES = 100, OPTIONS_MAX = 32, HEAD_BYTES = 66000 };

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
static int read_options(const struct image_wish *w, struct image_options *o, struct error *e)
{
        CLEAN_FREE char *copy = xstrdup(w->options ? w->options : "");
        char *rest = copy;
        size_t n = 0;
        o->attributes = MOUNT_ATTR_NODEV;
        for (char *word; (word = strsep(&rest, ","));) {
                if (take_flag(o, word) || text_equal(word, IMAGE_RELAXED))
                        continue;
                if (n + 2 >= OPTIONS_MAX) {
                        error_set(e, E2BIG, "root.image", "more than %d options", OPTIONS_MAX);
                        return error_while(e, "applying %s", w->options_origin);
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
static int attach(const char *path, bool writable, struct image *ret, struct error *e)
{
        CLEAN_FD int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0) {
                int r = -errno;
                return error_errno(e, r, r == -ENOENT ? "mount.missing" : "root.image", "opening %s", path);
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
        ret->type = type->name;
        ret->writable = writable;
        ret->fd = S_ISBLK(st.st_mode) ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : loop_attach(fd, !writable);
        if (ret->fd >= 0)
                return 0;
        error_errno(e, ret->fd, "root.image", "making a loop device of %s", path);
        error_hint(e, "images need root, and a kernel with loop devices");
        return e->code;
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

int image_open(const struct image_wish *w, struct image *ret, struct error *e)
{
        CLEAN(image_options_done) struct image_options o = { 0 };
        int r = read_options(w, &o, e);
        return r == 0 ? attach(w->path, o.writable && !w->read_only, ret, e) : r;
}

void image_allow(const struct image *i, struct cgroup_resources *r)
{
        struct stat st;
        if (i->fd < 0 || fstat(i->fd, &st) < 0)
                return; /* mounting it says why */
        const struct cgroup_device_rule rule = { true, 'b', major(st.st_rdev), minor(st.st_rdev), CGROUP_READ | (i->writable ? CGROUP_WRITE : 0) };
        cgroup_add_rule(r, &rule);
}

int image_mount(const struct image *i, const struct image_wish *w, struct error *e)
{
        CLEAN(image_options_done) struct image_options o = { 0 };
        char message[256] = "";
        CLEAN_FREE char *source = device_path(i->fd);
        int r = read_options(w, &o, e);
        if (r < 0)
                return r;
        const struct mount_request request = { .type = i->type, .source = source, .options = o.of,
                                               .attributes = o.attributes | (o.writable && !w->read_only ? 0 : MOUNT_ATTR_RDONLY),
                                               .message = message, .message_size = sizeof message };
        r = mount_new_with(&request);
        if (r < 0)
                error_errno(e, r, "root.image", "mounting %s as %s%s%s", w->path, i->type, *message ? ": " : "", message);
        return r;
}
