/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /dev of a container.  Nothing that an image brings there is trusted: a node that is to be is made by us; where nodes
 * cannot be made, our supervisor's or else the host's own is bound over an empty file; a name that holds anything else
 * is made free first.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mutant.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path.h"
#include "sandbox/id_maps.h"
#include "sandbox/labels.h"
#include "sandbox/root.h"

static const struct plan_device defaults[] = {
        { (char *)"/dev/null", S_IFCHR, 1, 3, 0666, 0, 0, NULL },   { (char *)"/dev/zero", S_IFCHR, 1, 5, 0666, 0, 0, NULL },
        { (char *)"/dev/full", S_IFCHR, 1, 7, 0666, 0, 0, NULL },   { (char *)"/dev/random", S_IFCHR, 1, 8, 0666, 0, 0, NULL },
        { (char *)"/dev/urandom", S_IFCHR, 1, 9, 0666, 0, 0, NULL }, { (char *)"/dev/tty", S_IFCHR, 5, 0, 0666, 0, 0, NULL },
};

static const char *const links[][2] = { { "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
                                        { "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" } };

static int failed(struct error *e, const struct plan_device *d, int r, const char *what)
{
        error_errno(e, r, "device.failed", "%s %s", what, d->path);
        return error_while(e, "applying %s", d->origin ? d->origin : "the default devices");
}

static bool is_wanted(int folder, const char *name, const struct plan_device *d)
{
        struct stat st;
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & S_IFMT) != d->type)
                return false;
        return d->type == S_IFIFO || st.st_rdev == makedev(d->major, d->minor);
}

/* ---- nodes for a user namespace ---- */

/* Of the devices with the defaults before them. */
static char *node_name(const struct plan_container *k, const struct plan_device *d)
{
        return xprintf("%zu", d->origin ? ELEMENTS(defaults) + (size_t)(d - k->devices) : (size_t)(d - defaults));
}

/* The owner is known to the container only through its maps; where these lack root, the node stays nobody's there. */
static int find_owner(const struct plan_container *k, const struct plan_device *d, uid_t *uid, gid_t *gid)
{
        bool known = (id_maps_outside(k->maps.uids, k->maps.uid_count, d->uid, uid) || !d->uid) &&
                     (id_maps_outside(k->maps.gids, k->maps.gid_count, d->gid, gid) || !d->gid);
        return known ? 0 : -EINVAL;
}

static int make_kept_node(int folder, const struct plan_container *k, const struct plan_device *d)
{
        uid_t uid = 0;
        gid_t gid = 0;
        CLEAN_FREE char *name = node_name(k, d);
        int r = find_owner(k, d, &uid, &gid);
        if (r < 0)
                return r;
        if (mknodat(folder, name, d->type, makedev(d->major, d->minor)) < 0)
                return errno == EPERM ? 0 : -errno; /* we are in one ourselves: the host's own node has to do */
        /* Last, as the caller's umask does not count here; and to another owner nothing of the mode is lost. */
        return fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(folder, name, d->mode, 0) < 0 ? -errno : 0;
}

int root_make_nodes(const struct plan_container *k, struct error *e)
{
        const struct mount_option options[] = { { "mode", "0755" }, labels_of_mount(k, "tmpfs", NULL), { NULL, NULL } };
        CLEAN_FD int nodes = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (nodes < 0)
                return error_errno(e, nodes, "device.failed", "mounting a file system for the devices");
        for (size_t i = 0; i < ELEMENTS(defaults) + k->device_count; i++) {
                const struct plan_device *d = i < ELEMENTS(defaults) ? &defaults[i] : &k->devices[i - ELEMENTS(defaults)];
                int r = d->type == S_IFIFO ? 0 : make_kept_node(nodes, k, d);
                if (r < 0)
                        failed(e, d, r, "making");
                if (r == -EINVAL)
                        error_hint(e, "owners of devices have to be in the container's id maps");
                if (r < 0)
                        return r;
        }
        return TAKE_FD(nodes);
}

/* Where the nodes are put for as long as they are copied: folders of the host, in the mount namespace that is to be the container's. */
static const char *const node_places[] = { "/sys", "/dev", "/mnt" };

static int attach_nodes(struct root *b)
{
        int r = -ENOENT;
        for (size_t i = 0; r < 0 && i < ELEMENTS(node_places); i++) {
                r = mount_attach(b->c->s->nodes_fd, AT_FDCWD, node_places[i]);
                b->nodes_place = r < 0 ? NULL : node_places[i];
        }
        return r;
}

static int detach_nodes(struct root *b)
{
        const char *place = b->nodes_place;
        b->nodes_place = NULL;
        return place && umount2(place, MNT_DETACH) < 0 ? -errno : 0;
}

/* Ours, where one was made; else, and for no other reason, the host's. Kernels before 6.15 copy no mount that is not attached. */
static int clone_node(struct root *b, const struct plan_device *d)
{
        CLEAN_FREE char *name = node_name(b->k, d);
        int fd = b->c->s->nodes_fd < 0 ? -ENOENT : mount_clone_tree(b->c->s->nodes_fd, name, false);
        if (fd == -EINVAL && !b->nodes_place && (fd = attach_nodes(b)) == 0)
                fd = mount_clone_tree(b->c->s->nodes_fd, name, false);
        return fd == -ENOENT ? mount_clone_source(d->path, false, true) : fd;
}

/* ---- nodes ---- */

/* A node made before, checked to be that device, over an empty file. */
static int bind_node(struct root *b, int folder, const char *name, const struct plan_device *d)
{
        if (d->type == S_IFIFO)
                return mknodat(folder, name, S_IFIFO | d->mode, 0) < 0 && errno != EEXIST ? -errno : 0;
        CLEAN_FD int source = clone_node(b, d);
        struct stat st;
        if (source < 0)
                return source;
        if (fstat(source, &st) < 0 || (st.st_mode & S_IFMT) != d->type || st.st_rdev != makedev(d->major, d->minor))
                return -ENODEV;
        if (mknodat(folder, name, S_IFREG | 0666, 0) < 0 && errno != EEXIST)
                return -errno;
        CLEAN_FD int target = path_open_as(folder, name, O_PATH | O_NOFOLLOW, 0, PATH_NO_LINKS);
        return target < 0 ? target : mount_attach(source, target, "");
}

/* Of the default devices what an image has in their place goes; at one that was asked for the specification wants an error. */
static int make_node(struct root *b, int folder, const char *name, const struct plan_device *d)
{
        struct stat st;
        if ((MUTANT("trust-dev-null") || MUTANT("reopen-stdio")) && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        int r = mknodat(folder, name, d->type | d->mode, makedev(d->major, d->minor)) < 0 ? -errno : 0;
        if (r == -EEXIST) {
                if (is_wanted(folder, name, d))
                        return 0;
                if (d->origin)
                        return -EEXIST;
                if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
                        return -errno;
                r = mknodat(folder, name, d->type | d->mode, makedev(d->major, d->minor)) < 0 ? -errno : 0;
        }
        if (r < 0)
                return r == -EPERM ? bind_node(b, folder, name, d) : r;
        if ((d->uid || d->gid) && fchownat(folder, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

/* The folder of a device and its name there. On /dev it is the mount that we put there. */
static int open_folder(const struct root *b, const char *path, const char **ret_name)
{
        static const char dev[] = "/dev/";
        bool below_dev = text_starts(path, dev);
        const char *rest = below_dev ? path + strlen(dev) : path, *slash = strrchr(rest, '/');
        *ret_name = slash ? slash + 1 : rest;
        if (!**ret_name || text_equal(*ret_name, ".") || text_equal(*ret_name, ".."))
                return -EINVAL;
        CLEAN_FREE char *above = slash ? xstrndup(rest, (size_t)(slash - rest)) : xstrdup("");
        if (!*above)
                return fcntl(below_dev ? b->dev_fd : b->fd, F_DUPFD_CLOEXEC, 3);
        return path_make_in(below_dev ? b->dev_fd : b->fd, above, true, PATH_NO_LINKS);
}

static int make_device(struct root *b, const struct plan_device *d, struct error *e)
{
        const char *name;
        CLEAN_FD int folder = open_folder(b, d->path, &name);
        int r = folder < 0 ? folder : make_node(b, folder, name, d);
        return r < 0 ? failed(e, d, r, "making") : 0;
}

static bool is_listed(const struct plan_container *k, const char *path)
{
        for (size_t i = 0; i < k->device_count; i++)
                if (text_equal(k->devices[i].path, path))
                        return true;
        return false;
}

static int make_links(const struct root *b, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(links); i++) {
                bool is_ptmx = text_equal(links[i][1], "ptmx");
                /* An image's ptmx would be a terminal of another instance. */
                if (is_ptmx && unlinkat(b->dev_fd, links[i][1], 0) < 0 && errno != ENOENT)
                        return error_errno(e, errno, "device.failed", "removing /dev/ptmx");
                if (symlinkat(links[i][0], b->dev_fd, links[i][1]) < 0 && errno != EEXIST)
                        return error_errno(e, errno, "device.failed", "making the link /dev/%s", links[i][1]);
        }
        return 0;
}

/* ---- the console ---- */

/* A terminal of the container's own devpts; without one, of the host's. */
static int open_terminal(const struct root *b, int ret[2], struct error *e)
{
        CLEAN_FD int main = b->pts_fd >= 0 ? openat(b->pts_fd, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW)
                                           : open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (main < 0)
                return error_errno(e, errno, "terminal.failed", "opening a new terminal");
        if (b->pts_fd >= 0 && !file_is_on(main, DEVPTS_SUPER_MAGIC))
                return error_set(e, EINVAL, "terminal.failed", "/dev/pts/ptmx is not on devpts");
        int unlock = 0;
        CLEAN_FD int side = ioctl(main, TIOCSPTLCK, &unlock) < 0 ? -1 : ioctl(main, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (side < 0)
                return error_errno(e, errno, "terminal.failed", "opening the terminal's other side");
        const struct winsize size = { .ws_row = b->k->rows, .ws_col = b->k->columns };
        if (b->k->rows || b->k->columns)
                (void)ioctl(main, TIOCSWINSZ, &size);
        if (b->k->identity.uid && fchown(side, b->k->identity.uid, (gid_t)-1) < 0)
                return error_errno(e, errno, "terminal.failed", "giving the terminal to user %u", b->k->identity.uid);
        int r = b->k->mount_label ? labels_set(side, b->k->mount_label) : 0;
        if (r < 0)
                return error_errno(e, r, "terminal.failed", "labelling the terminal");
        ret[0] = TAKE_FD(main);
        ret[1] = TAKE_FD(side);
        return 0;
}

/* Through the descriptor: the name /dev/pts/N may have come to mean something else. */
static int bind_console(const struct root *b, int side, struct error *e)
{
        if (!MUTANT("follow-console") && unlinkat(b->dev_fd, "console", 0) < 0 && errno != ENOENT)
                return error_errno(e, errno, "terminal.failed", "removing /dev/console");
        const int new = MUTANT("follow-console") ? 0 : O_EXCL | O_NOFOLLOW;
        CLEAN_FD int file = openat(b->dev_fd, "console", O_RDONLY | O_CREAT | new | O_CLOEXEC, 0600);
        CLEAN_FD int tree = file < 0 ? -errno : mount_clone_tree(side, "", false);
        int r = tree < 0 ? tree : mount_attach(tree, file, "");
        return r < 0 ? error_errno(e, r, "terminal.failed", "binding /dev/console") : 0;
}

/* With console: it also becomes /dev/console. */
static int make_terminal(struct root *b, bool console, struct error *e)
{
        struct child *c = b->c;
        int ends[2] = { -EBADF, -EBADF };
        if (!b->k->terminal || c->io->console_fd < 0)
                return 0;
        int r = open_terminal(b, ends, e);
        if (r < 0)
                return r;
        CLEAN_FD int main = ends[0];
        c->terminal_fd = ends[1];
        if (console && b->dev_fd >= 0)
                r = bind_console(b, c->terminal_fd, e);
        if (r < 0)
                return r;
        r = descriptor_send(c->io->console_fd, "/dev/ptmx", strlen("/dev/ptmx"), &main, 1);
        return r < 0 ? error_errno(e, r, "terminal.failed", "sending the terminal to the console socket") : 0;
}

static bool is_null(int fd)
{
        struct stat st;
        return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/*
 * The caller's null device on 0, 1 and 2 leads to a mount of the host: what criu finds there, it cannot save.  Only the device
 * itself takes its place, from the container's /dev or not at all; another file of the caller's stays what it is (CVE-2026-88265).
 */
static void replace_null(const struct root *b)
{
        for (int i = 0; i < 3; i++) {
                int flags = is_null(i) ? fcntl(i, F_GETFL) : -1;
                if (flags < 0)
                        continue;
                CLEAN_FD int fd = path_open_as(b->dev_fd, "null", (flags & O_ACCMODE) | O_NOCTTY, 0, PATH_NO_LINKS);
                if (fd >= 0 && is_null(fd))
                        (void)dup2(fd, i);
        }
}

/* /dev of the configuration's mounts; else the root's own folder, which must be one. */
static int find_dev(struct root *b, bool *ret_of_host, struct error *e)
{
        for (size_t i = 0; i < b->k->attach_count; i++) {
                const struct plan_attach *a = &b->k->attaches[i];
                if (a->bind && (text_equal(a->target, "/dev") || text_equal(a->target, "dev") || text_equal(a->target, "/dev/")))
                        *ret_of_host = true;
        }
        if (b->dev_fd < 0) {
                b->dev_fd = MUTANT("follow-dev") ? openat(b->fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC)
                                                 : path_open_as(b->fd, "dev", O_PATH | O_DIRECTORY, 0, PATH_NO_LINKS);
                if (b->dev_fd == -ENOENT && mkdirat(b->fd, "dev", 0755) == 0)
                        b->dev_fd = path_open_as(b->fd, "dev", O_PATH | O_DIRECTORY, 0, PATH_NO_LINKS);
        }
        if (b->dev_fd < 0) {
                error_errno(e, b->dev_fd, "device.failed", "opening /dev in the root file system");
                error_hint(e, "/dev must be a folder, not a symbolic link");
                return e ? e->code : -EIO;
        }
        return 0;
}

int root_make_devices(struct root *b, struct error *e)
{
        bool of_host = false;
        int r = find_dev(b, &of_host, e);
        for (size_t i = 0; r == 0 && !of_host && i < ELEMENTS(defaults); i++)
                if (!is_listed(b->k, defaults[i].path))
                        r = make_device(b, &defaults[i], e);
        for (size_t i = 0; r == 0 && !of_host && i < b->k->device_count; i++)
                r = make_device(b, &b->k->devices[i], e);
        int detached = detach_nodes(b);
        if (r == 0 && detached < 0)
                r = error_errno(e, detached, "device.failed", "taking the file system of the devices away");
        if (r == 0 && !of_host)
                r = make_links(b, e);
        if (r == 0 && !of_host)
                replace_null(b);
        return r == 0 ? make_terminal(b, true, e) : r;
}

int root_join_terminal(struct child *c, struct error *e)
{
        struct root b = { .c = c, .k = c->s->plan->container, .fd = c->root_fd, .dev_fd = -EBADF };
        if (!b.k->terminal || c->io->console_fd < 0)
                return 0;
        CLEAN_FD int pts = b.pts_fd = path_open_as(c->root_fd, "dev/pts", O_PATH | O_DIRECTORY, 0, PATH_NO_LINKS);
        if (pts < 0 || !file_is_on(pts, DEVPTS_SUPER_MAGIC))
                return error_set(e, EINVAL, "terminal.failed", "/dev/pts of the container is not devpts");
        return make_terminal(&b, false, e);
}
