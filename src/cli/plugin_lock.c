/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/plugin_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "group/discovery.h"
#include "os/file.h"
#include "os/process.h"

static char *path_of(const char *folder, const char *name, const char *what)
{
        return xprintf("%s/.%s.%s", folder, name, what);
}

/* Whether the file that is locked is still the one at the path: the one before may just have been taken away. */
static bool is_current(int fd, const char *path)
{
        struct stat mine, there;
        return fstat(fd, &mine) == 0 && lstat(path, &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

int plugin_lock(const char *folder, const char *name, struct error *e)
{
        CLEAN_FREE char *path = path_of(folder, name, "supervisor");
        for (;;) {
                CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (fd < 0)
                        return error_errno(e, errno, "file.write", "opening %s", path);
                if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                        return errno == EWOULDBLOCK ? -EBUSY : error_errno(e, errno, "file.write", "locking %s", path);
                if (is_current(fd, path))
                        return TAKE_FD(fd);
        }
}

void plugin_lock_sign(int fd)
{
        CLEAN_FREE char *pid = xprintf("%-10d\n", (int)getpid()); /* always as long: no reader sees a part */
        if (pwrite(fd, pid, strlen(pid), 0) < 0)
                return; /* a full disk: "plugin stop" will not find us, and says so */
}

void plugin_unlock(const char *folder, const char *name, int fd)
{
        CLEAN_FREE char *path = path_of(folder, name, "supervisor");
        if (fd < 0)
                return;
        if (is_current(fd, path))
                (void)unlink(path);
        (void)fd_close(fd);
}

pid_t plugin_locked_by(const char *folder, const char *name)
{
        CLEAN_FREE char *path = path_of(folder, name, "supervisor");
        char digits[16] = "";
        CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
                return 0;
        return pread(fd, digits, sizeof digits - 1, 0) > 0 ? (pid_t)strtol(digits, NULL, 10) : 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int plugin_names(const char *folder, struct strings *ret)
{
        static const char ending[] = ".supervisor";
        CLEAN_STRINGS struct strings files = { 0 };
        CLEAN_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : plugins_list(folder, ret);
        if (r == 0)
                r = file_list(fd, &files);
        for (size_t i = 0; r == 0 && i < files.count; i++) {
                const char *file = files.items[i];
                if (*file != '.' || !text_ends(file, ending))
                        continue;
                CLEAN_FREE char *name = xstrndup(file + 1, strlen(file) - sizeof ending);
                if (plugin_name_valid(name) && !strings_has(ret, name) && plugin_locked_by(folder, name))
                        strings_add(ret, name);
        }
        if (ret->count)
                qsort(ret->items, ret->count, sizeof *ret->items, by_name);
        return r == -ENOENT ? 0 : r;
}

int plugin_stop_ask(const char *folder, const char *name, pid_t supervisor, struct error *e)
{
        CLEAN_FREE char *mark = path_of(folder, name, "stop");
        CLEAN_FD int pidfd = process_open(supervisor);
        int r = pidfd < 0 ? pidfd : 0;
        if (r == 0 && plugin_locked_by(folder, name) != supervisor) /* it ended meanwhile, and the number may be another's */
                return 0;
        if (r == 0)
                r = file_replace(AT_FDCWD, mark, "", 0, 0600);
        if (r == 0)
                r = process_signal(pidfd, PLUGIN_STOP_SIGNAL);
        return r < 0 && r != -ESRCH ? error_errno(e, -r, "plugin.stop", "asking the supervisor of \"%.64s\", process %d", name, (int)supervisor) : 0;
}

bool plugin_stop_asked(const char *folder, const char *name)
{
        CLEAN_FREE char *mark = path_of(folder, name, "stop");
        return unlink(mark) == 0;
}
