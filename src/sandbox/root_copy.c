/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tmpcopyup: a tmpfs starts with what its mount point held. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "sandbox/root.h"

enum { DEPTH_MAX = 128 };

static int copy_bytes(int from, int to)
{
        char chunk[65536];
        for (;;) {
                ssize_t n = read(from, chunk, sizeof chunk);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                int r = file_write_all(to, chunk, (size_t)n);
                if (r < 0)
                        return r;
        }
}

static int copy_attributes(int folder, const char *name, const struct stat *st)
{
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        if (fchownat(folder, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISLNK(st->st_mode) && fchmodat(folder, name, st->st_mode & 07777, 0) < 0)
                return -errno;
        return utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name)
{
        CLEAN_FD int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        CLEAN_FD int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return in < 0 || out < 0 ? -errno : copy_bytes(in, out);
}

static int copy_link(int from, int to, const char *name)
{
        char text[4096];
        ssize_t n = readlinkat(from, name, text, sizeof text - 1);
        if (n < 0)
                return -errno;
        text[n] = 0;
        return symlinkat(text, to, name) < 0 ? -errno : 0;
}

static int copy_folder(int from, int to, int depth);

static int copy_below(int from, int to, const char *name, int depth)
{
        CLEAN_FD int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (in < 0 || mkdirat(to, name, 0700) < 0)
                return -errno;
        CLEAN_FD int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return out < 0 ? -errno : copy_folder(in, out, depth + 1);
}

static int copy_entry(int from, int to, const char *name, int depth)
{
        struct stat st;
        int r;
        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        switch (st.st_mode & S_IFMT) {
        case S_IFREG: r = copy_file(from, to, name); break;
        case S_IFLNK: r = copy_link(from, to, name); break;
        case S_IFDIR: r = copy_below(from, to, name, depth); break;
        default: r = mknodat(to, name, st.st_mode & (S_IFMT | 07777), st.st_rdev) < 0 ? -errno : 0;
        }
        return r < 0 ? r : copy_attributes(to, name, &st);
}

static int copy_folder(int from, int to, int depth)
{
        CLEAN_STRINGS struct strings names = { 0 };
        int r = depth > DEPTH_MAX ? -ELOOP : file_list(from, &names);
        for (size_t i = 0; r == 0 && i < names.count; i++)
                r = copy_entry(from, to, names.items[i], depth);
        return r;
}

int root_copy_up(int from, int to)
{
        struct stat st;
        if (fstat(from, &st) < 0)
                return -errno;
        int r = copy_folder(from, to, 0);
        return r < 0 ? r : copy_attributes(to, ".", &st);
}
