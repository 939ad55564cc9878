/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/mutant.h"
#include "base/text.h"

int path_open_as(int root_fd, const char *path, int flags, mode_t mode, enum path_trust trust)
{
        struct open_how how = { .flags = (uint64_t)(O_CLOEXEC | flags), .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
                                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (trust == PATH_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0) };
        long fd;
        if (trust == PATH_LAST_LINK)
                how.flags |= O_NOFOLLOW;
        if (MUTANT("follow-links"))
                how.resolve = 0, path += strspn(path, "/"), path = *path ? path : ".";
        do
                fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
        while (fd < 0 && (errno == EAGAIN || errno == EINTR));
        return fd < 0 ? -errno : (int)fd;
}

int path_open_in(int root_fd, const char *path, int extra_flags)
{
        return path_open_as(root_fd, path, O_PATH | extra_flags, 0, PATH_LINKS);
}

enum { LINKS_MAX = 40 }; /* as the kernel has it */

struct making {
        int root_fd;
        enum path_trust trust;
        unsigned links; /* that led to nothing and were followed by us */
};

static int make(struct making *m, const char *path, bool folder);

/* The folder that holds the last component, made where it is missing. */
static int make_parent(const struct making *m, const char *path, const char *slash)
{
        struct making up = { .root_fd = m->root_fd, .trust = m->trust == PATH_LAST_LINK ? PATH_LINKS : m->trust, .links = m->links };
        CLEAN_FREE char *above = xstrndup(path, (size_t)(slash - path));
        int fd = path_open_as(m->root_fd, *above ? above : "/", O_PATH | O_DIRECTORY, 0, up.trust);
        return fd == -ENOENT && *above ? make(&up, above, true) : fd;
}

/* What the link in parent names is missing. Its text is only a path like any other: the resolver keeps it inside the root. */
static int make_what_link_names(struct making *m, const char *path, const char *slash, int parent, bool folder)
{
        char text[4096];
        ssize_t n = readlinkat(parent, slash + 1, text, sizeof text);
        if (n <= 0 || (size_t)n == sizeof text)
                return n < 0 ? -errno : -ENAMETOOLONG;
        if (++m->links > LINKS_MAX)
                return -ELOOP;
        CLEAN_FREE char *named = *text == '/' ? xstrndup(text, (size_t)n) : xprintf("%.*s/%.*s", (int)(slash - path), path, (int)n, text);
        return make(m, named, folder);
}

static int make(struct making *m, const char *path, bool folder)
{
        size_t length = strlen(path);
        while (length > 1 && path[length - 1] == '/')
                length--;
        CLEAN_FREE char *whole = xprintf("%s%.*s", *path == '/' ? "" : "/", (int)length, path);
        int there = path_open_as(m->root_fd, whole, O_PATH, 0, m->trust);
        if (there != -ENOENT)
                return there;
        const char *slash = strrchr(whole, '/');
        CLEAN_FD int parent = make_parent(m, whole, slash);
        if (parent < 0)
                return parent;
        if (MUTANT("mkdir-by-path") && folder)
                (void)mkdirat(m->root_fd, whole + 1, 0755);
        else if ((folder ? mkdirat(parent, slash + 1, 0755) : mknodat(parent, slash + 1, S_IFREG | 0644, 0)) < 0 && errno != EEXIST)
                return -errno;
        there = path_open_as(m->root_fd, whole, O_PATH, 0, m->trust);
        return there == -ENOENT && m->trust == PATH_LINKS ? make_what_link_names(m, whole, slash, parent, folder) : there;
}

int path_make_in(int root_fd, const char *path, bool folder, enum path_trust trust)
{
        struct making m = { .root_fd = root_fd, .trust = trust };
        return make(&m, path, folder);
}

int path_of(int proc_fd, int fd, char *ret, unsigned long size)
{
        char link[48];
        (void)snprintf(link, sizeof link, "self/fd/%d", fd);
        ssize_t n = readlinkat(proc_fd, link, ret, size - 1);
        if (n < 0)
                return -errno;
        if ((unsigned long)n == size - 1)
                return -ENAMETOOLONG;
        ret[n] = 0;
        return 0;
}
