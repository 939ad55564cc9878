/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

int file_read_descriptor(int fd, size_t max, struct text *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (;;) {
                char chunk[4096];
                ssize_t n = read(fd, chunk, sizeof chunk);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if (t.length + (size_t)n > max)
                        return -EFBIG;
                text_add_bytes(&t, chunk, (size_t)n);
        }
        *ret = t;
        t = (struct text){ 0 };
        return 0;
}

int file_read(int dir_fd, const char *path, size_t max, struct text *ret)
{
        CLEAN_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        return fd < 0 ? -errno : file_read_descriptor(fd, max, ret);
}

int file_read_short(int dir_fd, const char *path, size_t max, struct text *ret)
{
        char start[4096];
        CLEAN_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof start);
        if (n < 0)
                return -errno;
        if (n == (ssize_t)sizeof start)
                return lseek(fd, 0, SEEK_SET) < 0 ? -errno : file_read_descriptor(fd, max, ret);
        if ((size_t)n > max)
                return -EFBIG;
        text_clear(ret);
        text_add(ret, "");
        text_add_bytes(ret, start, (size_t)n);
        return 0;
}

int file_read_value(int dir_fd, const char *path, struct text *ret)
{
        char value[1024];
        CLEAN_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof value);
        if (n < 0)
                return -errno;
        if (n == (ssize_t)sizeof value)
                return -EFBIG;
        text_clear(ret);
        text_add(ret, "");
        text_add_bytes(ret, value, (size_t)n);
        return 0;
}

int file_write_all(int fd, const void *data, size_t size)
{
        const char *p = data;
        while (size) {
                ssize_t n = write(fd, p, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int file_write(int dir_fd, const char *path, const char *data)
{
        CLEAN_FD int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        return file_write_all(fd, data, strlen(data));
}

int file_create(int dir_fd, const char *path, const char *data, size_t size, mode_t mode)
{
        CLEAN_FD int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        int r = fchmod(fd, mode) < 0 ? -errno : file_write_all(fd, data, size);
        if (r < 0)
                (void)unlinkat(dir_fd, path, 0);
        return r;
}

int file_replace(int dir_fd, const char *path, const char *data, size_t size, mode_t mode)
{
        char temporary[320];
        int n = snprintf(temporary, sizeof temporary, "%s.new", path);
        if (n < 0 || (size_t)n >= sizeof temporary)
                return -ENAMETOOLONG;
        CLEAN_FD int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        int r = fchmod(fd, mode) < 0 ? -errno : file_write_all(fd, data, size);
        if (r == 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir_fd, temporary, 0);
        return r;
}

int file_make_folders(const char *path, mode_t mode, struct error *e)
{
        CLEAN_FREE char *copy = xstrdup(path);
        for (char *p = copy + 1;; p++) {
                if (*p && *p != '/')
                        continue;
                char held = *p;
                *p = 0;
                if (mkdir(copy, mode) < 0 && errno != EEXIST && !(errno == EROFS && access(copy, F_OK) == 0))
                        return error_errno(e, errno, "file.make-folder", "mkdir(%s)", copy);
                *p = held;
                if (!held)
                        return 0;
        }
}

static int remove_below(int fd, dev_t device, int depth)
{
        if (depth > 512)
                return -ELOOP;
        int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = again < 0 ? NULL : fdopendir(again);
        if (!dir) {
                fd_close(again);
                return -errno;
        }
        int result = 0;
        for (struct dirent *d; (d = readdir(dir));) {
                if (text_equal(d->d_name, ".") || text_equal(d->d_name, ".."))
                        continue;
                /* Another may remove the same tree: what is gone is as good as removed. */
                if (unlinkat(fd, d->d_name, 0) == 0 || errno == ENOENT)
                        continue;
                if (errno != EISDIR && errno != EPERM) {
                        result = -errno;
                        continue;
                }
                CLEAN_FD int child = openat(fd, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                struct stat st;
                if (child < 0 && errno == ENOENT)
                        continue;
                if (child < 0 || fstat(child, &st) < 0 || st.st_dev != device) {
                        result = child < 0 ? -errno : -EXDEV;
                        continue;
                }
                int r = remove_below(child, device, depth + 1);
                if (r == 0 && unlinkat(fd, d->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        r = -errno;
                if (r < 0)
                        result = r;
        }
        closedir(dir);
        return result;
}

int file_remove_tree(int dir_fd, const char *name)
{
        CLEAN_FD int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : errno == ENOTDIR || errno == ELOOP ? (unlinkat(dir_fd, name, 0) < 0 ? -errno : 0) : -errno;
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        int r = -ENOTEMPTY;
        /* Something may be added between our look and the removal. */
        for (int tries = 0; r == -ENOTEMPTY && tries < 8; tries++) {
                r = remove_below(fd, st.st_dev, 0);
                if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        r = -errno;
        }
        return r;
}

int file_list_type(int dir_fd, unsigned char type, struct strings *ret)
{
        int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
                fd_close(copy);
                return -errno;
        }
        for (struct dirent *d; (d = readdir(dir));)
                if ((type == DT_UNKNOWN || d->d_type == type || d->d_type == DT_UNKNOWN) && !text_equal(d->d_name, ".") && !text_equal(d->d_name, ".."))
                        strings_add(ret, d->d_name);
        closedir(dir);
        return 0;
}

int file_list(int dir_fd, struct strings *ret)
{
        return file_list_type(dir_fd, DT_UNKNOWN, ret);
}

void file_random_hex(char *ret, size_t size)
{
        unsigned char bytes[64];
        if (size > sizeof bytes)
                size = sizeof bytes;
        while (getrandom(bytes, size, 0) != (ssize_t)size)
                ;
        for (size_t i = 0; i < size; i++)
                ret[i] = "0123456789abcdef"[bytes[i] & 15];
}

bool file_is_on(int fd, long magic)
{
        struct statfs st;
        return fstatfs(fd, &st) == 0 && (long)st.f_type == magic;
}
