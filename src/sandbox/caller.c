/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/caller.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "os/path.h"

bool caller_read(pid_t pid, uint64_t address, void *ret, size_t size, size_t *ret_size)
{
        char path[40];
        (void)snprintf(path, sizeof path, "/proc/%d/mem", pid);
        CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : pread(fd, ret, size, (off_t)address);
        if (n <= 0 && fd >= 0) {
                /* A string near the end of its page: stop at the page. */
                size_t rest = 4096 - address % 4096;
                n = rest < size ? pread(fd, ret, rest, (off_t)address) : -1;
        }
        *ret_size = n > 0 ? (size_t)n : 0;
        return n > 0;
}

bool caller_read_string(pid_t pid, uint64_t address, char ret[PATH_MAX])
{
        size_t n;
        if (!caller_read(pid, address, ret, PATH_MAX - 1, &n))
                return false;
        ret[n] = 0;
        return ret[0] != 0;
}

/* Where the link of a process leads, such as "cwd". "" when it is no path. */
static void read_link(pid_t pid, const char *what, char ret[PATH_MAX])
{
        char link[64];
        (void)snprintf(link, sizeof link, "/proc/%d/%s", pid, what);
        ssize_t n = readlink(link, ret, PATH_MAX - 1);
        ret[n > 0 && ret[0] == '/' ? n : 0] = 0;
}

/* The folder that a relative path begins at, seen from the caller's root. "" when it is not below. */
static void base_of(pid_t pid, int folder, char ret[PATH_MAX])
{
        char what[24] = "cwd", root[PATH_MAX];
        if (folder != AT_FDCWD)
                (void)snprintf(what, sizeof what, "fd/%d", folder);
        read_link(pid, what, ret);
        read_link(pid, "root", root);
        size_t n = strlen(root);
        if (n <= 1)
                return;
        bool below = !strncmp(ret, root, n) && (ret[n] == '/' || !ret[n]);
        memmove(ret, below && ret[n] ? ret + n : below ? "/" : "", below && ret[n] ? strlen(ret + n) + 1 : below + 1U);
}

/* "/proc/self" would be whoever resolves it. */
static char *name_caller(pid_t pid, char *whole)
{
        static const char *const selves[] = { "/proc/self", "/proc/thread-self" };
        const char *rest = whole;
        while (rest[0] == '/' && rest[1] == '/')
                rest++;
        for (size_t i = 0; i < ELEMENTS(selves); i++) {
                size_t n = strlen(selves[i]);
                if (!strncmp(rest, selves[i], n) && (rest[n] == '/' || !rest[n])) {
                        char *named = xprintf("/proc/%d%s", pid, rest + n);
                        free(whole);
                        return named;
                }
        }
        return whole;
}

bool caller_resolve(pid_t pid, int folder, const char *path, bool last_link, char ret[PATH_MAX])
{
        char link[64], base[PATH_MAX] = "";
        if (*path != '/') {
                base_of(pid, folder, base);
                if (!base[0])
                        return false;
        }
        CLEAN_FREE char *whole = name_caller(pid, xprintf("%s/%s", base, path));
        (void)snprintf(link, sizeof link, "/proc/%d/root", pid);
        CLEAN_FD int root = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC), proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0 || proc < 0)
                return false;
        CLEAN_FD int fd = path_open_in(root, whole, last_link ? O_NOFOLLOW : 0);
        if (fd >= 0)
                return path_of(proc, fd, ret, PATH_MAX) == 0;
        for (size_t n = strlen(whole); n > 1 && whole[n - 1] == '/'; n--)
                whole[n - 1] = 0;
        char *slash = strrchr(whole, '/');
        CLEAN_FREE char *name = xstrdup(slash + 1);
        slash[slash == whole] = 0;
        CLEAN_FD int parent = path_open_in(root, whole, 0);
        char above[PATH_MAX];
        if (parent < 0 || path_of(proc, parent, above, sizeof above) < 0)
                return false;
        return snprintf(ret, PATH_MAX, "%s/%s", text_equal(above, "/") ? "" : above, name) < PATH_MAX;
}
