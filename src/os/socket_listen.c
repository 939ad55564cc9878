/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/socket_listen.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/socket_listen_path.h"

void listen_address_done(struct listen_address *a)
{
        free(a->path);
        free(a->text);
        *a = (struct listen_address){ 0 };
}

static bool is_owned(const struct stat *st, const struct listen_options *o)
{
        uid_t uid = o->uid == (uid_t)-1 ? geteuid() : o->uid;
        gid_t gid = o->gid == (gid_t)-1 ? getegid() : o->gid;
        return st->st_uid == uid && st->st_gid == gid && (st->st_mode & 07777) == o->mode;
}

/* ---- sockets in the file system ---- */

/* Of a node that nobody can open yet. */
static int give_away(int node, const struct listen_address *a, const struct listen_options *o, struct error *e)
{
        char self[40];
        (void)snprintf(self, sizeof self, "/proc/self/fd/%d", node);
        if ((o->uid != (uid_t)-1 || o->gid != (gid_t)-1) && fchownat(node, "", o->uid, o->gid, AT_EMPTY_PATH) < 0)
                return error_errno(e, errno, "listen.file", "giving %s away", a->text);
        if (chmod(self, o->mode) < 0)
                return error_errno(e, errno, "listen.file", "setting the mode of %s", a->text);
        return 0;
}

/* Only a socket is replaced. */
static int remove_stale(int folder, const char *name, const struct listen_address *a, struct error *e)
{
        struct stat st;
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_errno(e, errno, "listen.file", "looking at %s", a->text);
        if (!S_ISSOCK(st.st_mode))
                return error_set(e, EEXIST, "listen.file", "%s is there, and is no socket", a->text);
        return unlinkat(folder, name, 0) == 0 || errno == ENOENT ? 0 : error_errno(e, errno, "listen.file", "replacing %s", a->text);
}

/*
 * The address must be the path as it is written: services look at it. So the kernel looks it up once more, and what it made is then
 * looked for in the folder that was checked.
 */
static int bind_file(int fd, const struct listen_address *a, const struct listen_options *o, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_FD int folder = listen_folder(a->path, o->directory_mode, &name, e);
        struct stat st;
        if (folder < 0)
                return folder;
        int r = remove_stale(folder, name, a, e);
        if (r < 0)
                return r;
        mode_t before = umask(0177);
        r = bind(fd, &a->address.any, a->length) < 0 ? -errno : 0;
        (void)umask(before);
        if (r < 0)
                return error_errno(e, r, "listen.address", "binding to %s", a->text);
        CLEAN_FD int node = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (node < 0 || fstat(node, &st) < 0 || !S_ISSOCK(st.st_mode))
                return error_set(e, ELOOP, "listen.link", "%s was not made where it belongs: somebody changes the folders on the way", a->text);
        return give_away(node, a, o, e);
}

static int open_socket(const struct listen_address *a, const struct listen_options *o, int *ret_fd, struct error *e)
{
        struct listen_address own = *a;
        CLEAN_FD int fd = socket(own.address.any.sa_family, own.type | SOCK_CLOEXEC | SOCK_NONBLOCK, own.protocol);
        if (fd < 0 && errno == EAFNOSUPPORT && own.port_only) {
                own.address.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = a->address.in6.sin6_port };
                own.length = sizeof own.address.in;
                fd = socket(AF_INET, own.type | SOCK_CLOEXEC | SOCK_NONBLOCK, own.protocol);
        }
        if (fd < 0)
                return error_errno(e, errno, "listen.address", "making a socket for %s", a->text);
        if (*own.interface) {
                own.address.in6.sin6_scope_id = if_nametoindex(own.interface);
                if (!own.address.in6.sin6_scope_id)
                        return error_errno(e, errno, "listen.address", "looking for the interface of %s", a->text);
        }
        int r = listen_prepare(fd, &own, o, e);
        r = r < 0 ? r : listen_apply(fd, &own, o, e);
        if (r < 0)
                return r;
        if (own.path)
                r = bind_file(fd, &own, o, e);
        else if (bind(fd, &own.address.any, own.length) < 0)
                r = error_errno(e, errno, "listen.address", "binding to %s", a->text);
        if (r < 0)
                return r;
        if ((own.type == SOCK_STREAM || own.type == SOCK_SEQPACKET) && listen(fd, o->backlog > INT_MAX ? INT_MAX : (int)o->backlog) < 0)
                return error_errno(e, errno, "listen.address", "listening on %s", a->text);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* ---- other files ---- */

static int open_fifo(const struct listen_address *a, const struct listen_options *o, int *ret_fd, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_FD int folder = listen_folder(a->path, o->directory_mode, &name, e);
        struct stat st;
        if (folder < 0)
                return folder;
        bool made = mkfifoat(folder, name, 0600) == 0;
        if (!made && errno != EEXIST)
                return error_errno(e, errno, "listen.file", "making the FIFO %s", a->text);
        CLEAN_FD int node = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (node < 0 || fstat(node, &st) < 0)
                return error_errno(e, errno, "listen.file", "looking at %s", a->text);
        if (!S_ISFIFO(st.st_mode) || (!made && !is_owned(&st, o)))
                return error_set(e, EEXIST, "listen.file", "%s is there, and is no FIFO of that mode and owner", a->text);
        int r = made ? give_away(node, a, o, e) : 0;
        if (r < 0)
                return r;
        CLEAN_FD int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        struct stat opened;
        if (fd < 0 || fstat(fd, &opened) < 0)
                return error_errno(e, errno, "listen.file", "opening %s", a->text);
        if (opened.st_ino != st.st_ino || opened.st_dev != st.st_dev)
                return error_set(e, EEXIST, "listen.file", "%s is being exchanged", a->text);
        if (o->pipe_size != LISTEN_UNSET && fcntl(fd, F_SETPIPE_SZ, (int)o->pipe_size) < 0)
                return error_errno(e, errno, "listen.option", "PipeSize=%lld for %s", (long long)o->pipe_size, a->text);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* A character device, or a file of the kernel's. */
static int open_special(const struct listen_address *a, const struct listen_options *o, int *ret_fd, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_FD int folder = listen_folder(a->path, LISTEN_MAKE_NO_FOLDER, &name, e);
        struct stat st;
        if (folder < 0)
                return folder;
        /* Looked at before it is opened: opening a device may do something. */
        CLEAN_FD int node = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (node < 0 || fstat(node, &st) < 0)
                return error_errno(e, errno, "listen.file", "opening %s", a->text);
        if (!S_ISCHR(st.st_mode) && !(S_ISREG(st.st_mode) && (file_is_on(node, PROC_SUPER_MAGIC) || file_is_on(node, SYSFS_MAGIC))))
                return error_set(e, EEXIST, "listen.file", "%s is no character device and no file of /proc or /sys", a->text);
        char self[40];
        (void)snprintf(self, sizeof self, "/proc/self/fd/%d", node);
        int fd = open(self, (o->writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, errno, "listen.file", "opening %s", a->text);
        *ret_fd = fd;
        return 0;
}

static int open_queue(const struct listen_address *a, const struct listen_options *o, int *ret_fd, struct error *e)
{
        bool sized = o->queue_messages != LISTEN_UNSET;
        struct mq_attr attributes = { .mq_flags = O_NONBLOCK, .mq_maxmsg = sized ? (long)o->queue_messages : 0, .mq_msgsize = sized ? (long)o->queue_message_size : 0 };
        struct stat st;
        CLEAN_FD int fd = mq_open(a->path, O_RDONLY | O_NONBLOCK | O_CREAT | O_EXCL, 0600, sized ? &attributes : NULL);
        bool made = fd >= 0;
        if (!made && errno == EEXIST)
                fd = mq_open(a->path, O_RDONLY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(e, errno, "listen.file", "opening the message queue %s", a->text);
        if (!made && !is_owned(&st, o))
                return error_set(e, EEXIST, "listen.file", "the message queue %s is there, with another mode or owner", a->text);
        if (made && (((o->uid != (uid_t)-1 || o->gid != (gid_t)-1) && fchown(fd, o->uid, o->gid) < 0) || fchmod(fd, o->mode) < 0))
                return error_errno(e, errno, "listen.file", "giving %s away", a->text);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int listen_open(const struct listen_address *a, const struct listen_options *o, int *ret_fd, struct error *e)
{
        switch (a->kind) {
        case LISTEN_FIFO: return open_fifo(a, o, ret_fd, e);
        case LISTEN_SPECIAL: return open_special(a, o, ret_fd, e);
        case LISTEN_QUEUE: return open_queue(a, o, ret_fd, e);
        default: return open_socket(a, o, ret_fd, e);
        }
}

/* ---- links, and the end ---- */

/* Whether name in the folder is a link to target, as it is written. */
static bool leads_to(int folder, const char *name, const char *target)
{
        char found[PATH_MAX];
        ssize_t n = readlinkat(folder, name, found, sizeof found);
        return n > 0 && (size_t)n < sizeof found && (size_t)n == strlen(target) && memcmp(found, target, (size_t)n) == 0;
}

int listen_link(const struct listen_address *a, const char *link, mode_t directory_mode, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_FD int folder = listen_folder(link, directory_mode, &name, e);
        struct stat st;
        if (folder < 0)
                return folder;
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                if (leads_to(folder, name, a->path))
                        return 0;
                if (!S_ISLNK(st.st_mode))
                        return error_set(e, EEXIST, "listen.file", "%s is there, and is no link", link);
                (void)unlinkat(folder, name, 0);
        }
        return symlinkat(a->path, folder, name) == 0 ? 0 : error_errno(e, errno, "listen.file", "linking %s to %s", link, a->text);
}

int listen_unlink(const struct listen_address *a, const char *link, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_FD int folder = listen_folder(link, LISTEN_MAKE_NO_FOLDER, &name, NULL);
        if (folder < 0)
                return folder == -ENOENT ? 0 : error_errno(e, folder, "listen.file", "removing %s", link);
        if (leads_to(folder, name, a->path) && unlinkat(folder, name, 0) < 0 && errno != ENOENT)
                return error_errno(e, errno, "listen.file", "removing %s", link);
        return 0;
}

int listen_remove(const struct listen_address *a, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        struct stat st;
        if (!a->path || a->kind == LISTEN_SPECIAL)
                return 0;
        if (a->kind == LISTEN_QUEUE)
                return mq_unlink(a->path) == 0 || errno == ENOENT ? 0 : error_errno(e, errno, "listen.file", "removing the message queue %s", a->text);
        CLEAN_FD int folder = listen_folder(a->path, LISTEN_MAKE_NO_FOLDER, &name, NULL);
        if (folder < 0)
                return folder == -ENOENT ? 0 : error_errno(e, folder, "listen.file", "removing %s", a->text);
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_errno(e, errno, "listen.file", "removing %s", a->text);
        if (a->kind == LISTEN_FIFO ? !S_ISFIFO(st.st_mode) : !S_ISSOCK(st.st_mode))
                return error_set(e, EEXIST, "listen.file", "%s is something else now, and stays", a->text);
        return unlinkat(folder, name, 0) == 0 || errno == ENOENT ? 0 : error_errno(e, errno, "listen.file", "removing %s", a->text);
}
