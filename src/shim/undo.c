/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/undo.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "os/file.h"
#include "os/ipc.h"
#include "os/process.h"

enum { UNDO_SIZE_MAX = 1 << 20, PROCS_SIZE_MAX = 1 << 20, KILL_ROUNDS = 500, CGROUP_DEPTH_MAX = 32, SPARE_ROUNDS = 50, SPARE_PAUSE_MS = 20 };

static void pause_ms(long ms)
{
        struct timespec t = { .tv_nsec = ms * 1000000 };
        (void)nanosleep(&t, NULL);
}

static int append_line(int dir_fd, const char *line)
{
        CLEAN_FD int fd = openat(dir_fd, "undo", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return file_write_all(fd, line, strlen(line));
}

int run_undo_note(int dir_fd, const char *kind, const char *path)
{
        CLEAN_FREE char *normal = NULL;
        if (strchr(path, '\n') || path_normalize(path, &normal) < 0)
                return -EINVAL;
        CLEAN_FREE char *line = xprintf("%s %s\n", kind, normal);
        return append_line(dir_fd, line);
}

int run_undo_made(int dir_fd, const char *at, const char *path)
{
        CLEAN_FREE char *normal = NULL;
        struct stat st;
        if (strchr(path, '\n') || path_normalize(path, &normal) < 0)
                return -EINVAL;
        if (lstat(at, &st) < 0)
                return -errno;
        CLEAN_FREE char *line = xprintf("made %llx:%llx %s\n", (unsigned long long)st.st_dev,
                                        (unsigned long long)st.st_ino, normal);
        return append_line(dir_fd, line);
}

/* Reads the list and splits it into lines; *t keeps the text. */
static int read_lines(int dir_fd, struct strings *lines)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(dir_fd, "undo", UNDO_SIZE_MAX, &t);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (rest && *line) /* a last line without its newline was cut short: its thing was never made */
                        strings_add(lines, line);
        return 0;
}

/* The path of a line of that kind, or NULL. */
static const char *line_path(const char *line, const char *kind)
{
        size_t n = strlen(kind);
        return !strncmp(line, kind, n) && line[n] == ' ' && line[n + 1] == '/' && !strstr(line, "/../") ? line + n + 1 : NULL;
}

static bool cgroup_is_ours(const char *path)
{
        return strstr(path, "/bulkhead/") && !text_ends(path, "/..");
}

/* The state root of a run's folder: two above it. */
static int state_root_of(int dir_fd, char *ret, size_t size)
{
        char link[64];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
        ssize_t n = readlink(link, ret, size - 1);
        if (n <= 0)
                return n < 0 ? -errno : -EINVAL;
        ret[n] = 0;
        for (int i = 0; i < 2; i++) {
                char *slash = strrchr(ret, '/');
                if (!slash || slash == ret)
                        return -EINVAL;
                *slash = 0;
        }
        return 0;
}

static bool has_marker(const char *path)
{
        static const char marker[] = "systemd-private-";
        const char *last = strrchr(path, '/'), *second = last;
        if (text_starts(last + 1, marker))
                return true;
        while (second > path && second[-1] != '/')
                second--;
        return second > path && text_starts(second, marker);
}

static bool was_made(const struct strings *lines, const char *path)
{
        struct stat st;
        if (lstat(path, &st) < 0)
                return false;
        CLEAN_FREE char *want = xprintf("made %llx:%llx %s", (unsigned long long)st.st_dev,
                                        (unsigned long long)st.st_ino, path);
        return strings_has(lines, want);
}

static bool path_is_ours(const struct strings *lines, int dir_fd, const char *path)
{
        char root[4096];
        if (has_marker(path) || was_made(lines, path))
                return true;
        return state_root_of(dir_fd, root, sizeof root) == 0 && path_is_below(path, root) && !text_equal(path, root);
}

/* ---- processes ---- */

/* Whether the process is still in the cgroup: a pid may have been used again since it was read. */
static bool process_is_in(pid_t pid, const char *tail)
{
        char path[64];
        CLEAN_TEXT struct text t = { 0 };
        (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
        return file_read(AT_FDCWD, path, PROCS_SIZE_MAX, &t) == 0 && strstr(t.data, tail);
}

static int signal_one(pid_t pid, int signal, const char *tail)
{
        CLEAN_FD int pidfd = process_open(pid);
        if (pidfd < 0 || (tail && !process_is_in(pid, tail)))
                return 0;
        return process_signal(pidfd, signal) == 0;
}

static int signal_procs(int cgroup_fd, const char *tail, int signal, pid_t except)
{
        CLEAN_TEXT struct text t = { 0 };
        int count = 0;
        if (file_read(cgroup_fd, "cgroup.procs", PROCS_SIZE_MAX, &t) < 0)
                return 0;
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));) {
                uint64_t pid;
                if (text_parse_uint(line, INT32_MAX, &pid) == 0 && pid > 0 && (pid_t)pid != except &&
                    (pid_t)pid != getpid())
                        count += signal_one((pid_t)pid, signal, tail);
        }
        return count;
}

/* Walks a cgroup and those below it, the deepest first; removes them when asked. */
static int walk_cgroup(int parent_fd, const char *name, const char *tail, int signal, pid_t except, bool removes,
                       int depth)
{
        CLEAN_FD int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
        int count = 0;
        if (!dir)
                return 0;
        for (struct dirent *d; depth < CGROUP_DEPTH_MAX && (d = readdir(dir));)
                if (d->d_type == DT_DIR && d->d_name[0] != '.')
                        count += walk_cgroup(fd, d->d_name, tail, signal, except, removes, depth + 1);
        closedir(dir);
        if (signal)
                count += signal_procs(fd, tail, signal, except);
        if (removes)
                (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
        return count;
}

static int signal_cgroup(const char *path, int signal, pid_t except)
{
        return walk_cgroup(AT_FDCWD, path, strstr(path, "/bulkhead/"), signal, except, false, 0);
}

static void kill_cgroup(const char *path)
{
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return;
        /* One write kills all, forks in flight too; but not when it would hit ourselves. */
        if (!process_is_in(getpid(), strstr(path, "/bulkhead/")))
                (void)file_write(fd, "cgroup.kill", "1");
        for (int i = 0; i < KILL_ROUNDS && signal_cgroup(path, SIGKILL, 0) > 0; i++)
                pause_ms(i < 20 ? 1 : 10);
}

static int remove_cgroup(const char *path)
{
        for (int i = 0; i < 200; i++) {
                (void)walk_cgroup(AT_FDCWD, path, NULL, 0, 0, true, 0);
                if (access(path, F_OK) < 0)
                        return 0;
                pause_ms(5); /* the kernel empties it a little after the last exit */
        }
        return -EBUSY;
}

static int each_cgroup(int dir_fd, int (*act)(const char *path, int signal, pid_t except), int signal, pid_t except)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        int count = 0;
        (void)read_lines(dir_fd, &lines);
        for (size_t i = 0; i < lines.count; i++) {
                const char *path = line_path(lines.items[i], "cgroup");
                if (path && cgroup_is_ours(path))
                        count += act(path, signal, except);
        }
        return count;
}

int run_signal_cgroups(int dir_fd, int signal, pid_t except)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        (void)read_lines(dir_fd, &lines);
        for (size_t i = 0; i < lines.count; i++) {
                const char *path = line_path(lines.items[i], "cgroup");
                int count = path && cgroup_is_ours(path) ? signal_cgroup(path, signal, except) : 0;
                if (count > 0) /* the hierarchies hold the same processes: signal them once */
                        return count;
        }
        return 0;
}

void run_read_usage(int dir_fd, struct cgroup_usage *ret)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        (void)read_lines(dir_fd, &lines);
        for (size_t i = 0; i < lines.count; i++) {
                const char *path = line_path(lines.items[i], "cgroup");
                if (path && cgroup_is_ours(path))
                        cgroup_usage_read(path, ret);
        }
}

/* The processes of a group and of those below it, each once: several hierarchies hold the same. */
static void collect_procs(int parent_fd, const char *name, struct strings *pids, int depth)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FD int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
        if (!dir)
                return;
        for (struct dirent *d; depth < CGROUP_DEPTH_MAX && (d = readdir(dir));)
                if (d->d_type == DT_DIR && d->d_name[0] != '.')
                        collect_procs(fd, d->d_name, pids, depth + 1);
        closedir(dir);
        if (file_read(fd, "cgroup.procs", PROCS_SIZE_MAX, &t) < 0)
                return;
        char *rest = t.data;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (*line && !strings_has(pids, line))
                        strings_add(pids, line);
}

size_t run_count_left(int dir_fd)
{
        CLEAN_STRINGS struct strings lines = { 0 }, pids = { 0 };
        (void)read_lines(dir_fd, &lines);
        for (size_t i = 0; i < lines.count; i++) {
                const char *path = line_path(lines.items[i], "left");
                if (path && cgroup_is_ours(path))
                        collect_procs(AT_FDCWD, path, &pids, 0);
        }
        return pids.count;
}

static int kill_action(const char *path, int signal, pid_t except)
{
        (void)signal, (void)except;
        kill_cgroup(path);
        return 0;
}

void run_kill_cgroups(int dir_fd)
{
        (void)each_cgroup(dir_fd, kill_action, SIGKILL, 0);
}

static bool environment_has(pid_t pid, const char *entry)
{
        char path[64];
        CLEAN_TEXT struct text t = { 0 };
        (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
        if (file_read(AT_FDCWD, path, 4 << 20, &t) < 0)
                return false;
        for (size_t at = 0; at < t.length; at += strlen(t.data + at) + 1)
                if (text_equal(t.data + at, entry))
                        return true;
        return false;
}

static int kill_invocation_once(const char *entry)
{
        DIR *dir = opendir("/proc");
        int count = 0;
        if (!dir)
                return 0;
        for (struct dirent *d; (d = readdir(dir));) {
                uint64_t pid;
                if (text_parse_uint(d->d_name, INT32_MAX, &pid) < 0 || (pid_t)pid == getpid() ||
                    !environment_has((pid_t)pid, entry))
                        continue;
                CLEAN_FD int pidfd = process_open((pid_t)pid);
                if (pidfd >= 0 && environment_has((pid_t)pid, entry) && process_signal(pidfd, SIGKILL) == 0)
                        count++;
        }
        closedir(dir);
        return count;
}

void run_kill_invocation(const char *invocation_id)
{
        if (!invocation_id || strlen(invocation_id) < 32)
                return;
        CLEAN_FREE char *entry = xprintf("INVOCATION_ID=%s", invocation_id);
        for (int i = 0; i < 20 && kill_invocation_once(entry) > 0; i++)
                pause_ms(5);
}

static int signal_children(pid_t pid, pid_t task, int signal, pid_t except, int depth)
{
        char path[96];
        CLEAN_TEXT struct text t = { 0 };
        int count = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)task);
        if (depth > CGROUP_DEPTH_MAX || file_read(AT_FDCWD, path, PROCS_SIZE_MAX, &t) < 0)
                return 0;
        char *rest = t.data;
        for (char *word; (word = strsep(&rest, " \n"));) {
                uint64_t child;
                /* A session is closed, and not ended, when its command has been; who passes for one of it still has to die with the others. */
                if (text_parse_uint(word, INT32_MAX, &child) < 0 || child == 0 || (signal != SIGKILL && process_holds_session((pid_t)child)))
                        continue;
                count += signal_children((pid_t)child, (pid_t)child, signal, except, depth + 1);
                if ((pid_t)child != except)
                        count += signal_one((pid_t)child, signal, NULL);
        }
        return count;
}

int run_signal_descendants(pid_t pid, int signal, pid_t except)
{
        return signal_children(pid, pid, signal, except, 0);
}

/* ---- doing it ---- */

/* Whoever undoes has let go of its own hold before; a set-up child of a dead supervisor may still be dying with its copy. */
static int remove_lock(const char *path)
{
        CLEAN_FD int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
                if (errno != EWOULDBLOCK || tries == 100)
                        return errno == EWOULDBLOCK ? 0 : -errno; /* a new owner's by now */
                pause_ms(5);
        }
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_ipc(const char *number)
{
        uint64_t uid;
        return text_parse_uint(number, UINT32_MAX - 1, &uid) < 0 ? -EINVAL : ipc_remove_of((uid_t)uid);
}

static int undo_line(const struct strings *lines, int dir_fd, const char *line)
{
        const char *path;
        if ((path = line_path(line, "cgroup")))
                return cgroup_is_ours(path) ? remove_cgroup(path) : -EPERM;
        if ((path = line_path(line, "left"))) {
                if (cgroup_is_ours(path))
                        (void)rmdir(path);
                return 0;
        }
        if ((path = line_path(line, "tree")) || (path = line_path(line, "runtime"))) {
                if (access(path, F_OK) < 0 && errno == ENOENT)
                        return 0;
                return path_is_ours(lines, dir_fd, path) ? file_remove_tree(AT_FDCWD, path) : -EPERM;
        }
        if ((path = line_path(line, "lock")))
                return path_is_ours(lines, dir_fd, path) ? remove_lock(path) : -EPERM;
        if ((path = line_path(line, "ipc")))
                return remove_ipc(path + 1);
        if ((path = line_path(line, "file"))) {
                struct stat st;
                if (lstat(path, &st) < 0)
                        return errno == ENOENT ? 0 : -errno;
                if (!path_is_ours(lines, dir_fd, path))
                        return -EPERM;
                return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
        }
        return 0;
}

/* A group that can be removed held nothing: the usual case, told by one call. */
static bool remove_empty_cgroups(const struct strings *lines)
{
        bool all = true;
        for (size_t i = 0; i < lines->count; i++) {
                const char *path = line_path(lines->items[i], "cgroup");
                if (path && cgroup_is_ours(path))
                        all &= rmdir(path) == 0 || errno == ENOENT;
        }
        return all;
}

/* All lines but those in kept, and the groups' processes first. 0 or the first -errno. */
static int undo_lines(const struct strings *lines, int dir_fd, const struct strings *kept)
{
        int result = 0;
        if (!remove_empty_cgroups(lines))
                run_kill_cgroups(dir_fd);
        for (size_t i = lines->count; i-- > 0;) { /* what was made last goes first */
                int r = strings_has(kept, lines->items[i]) ? 0 : undo_line(lines, dir_fd, lines->items[i]);
                if (result == 0)
                        result = r;
        }
        return result;
}

/* Groups that were left to processes which are still in them. */
static void lines_of_left(const struct strings *lines, struct strings *ret)
{
        for (size_t i = 0; i < lines->count; i++) {
                const char *path = line_path(lines->items[i], "left");
                if (path && cgroup_is_ours(path) && access(path, F_OK) == 0)
                        strings_add(ret, lines->items[i]);
        }
}

static int replace_lines(int dir_fd, const struct strings *lines)
{
        CLEAN_TEXT struct text t = { 0 };
        for (size_t i = 0; i < lines->count; i++)
                text_addf(&t, "%s\n", lines->items[i]);
        if (t.length)
                return file_replace(dir_fd, "undo", t.data, t.length, 0600);
        return unlinkat(dir_fd, "undo", 0) < 0 && errno != ENOENT ? -errno : 0;
}

int run_undo_all(int dir_fd)
{
        CLEAN_STRINGS struct strings lines = { 0 }, left = { 0 };
        int result = read_lines(dir_fd, &lines);
        if (lines.count == 0)
                return result;
        int r = undo_lines(&lines, dir_fd, &left);
        if (result == 0)
                result = r;
        lines_of_left(&lines, &left);
        return result == 0 ? replace_lines(dir_fd, &left) : result;
}

/* The lines of folders that stay, and those that say that they are ours. */
static void lines_that_stay(const struct strings *lines, struct strings *ret)
{
        CLEAN_STRINGS struct strings paths = { 0 };
        for (size_t i = 0; i < lines->count; i++)
                if (line_path(lines->items[i], "runtime"))
                        strings_add(&paths, line_path(lines->items[i], "runtime"));
        for (size_t i = 0; i < lines->count; i++) {
                const char *line = lines->items[i], *path = text_starts(line, "made ") ? strchr(line + 5, ' ') : NULL;
                if (line_path(line, "runtime") || (path && strings_has(&paths, path + 1)))
                        strings_add(ret, line);
        }
}

int run_undo_for_restart(int dir_fd)
{
        CLEAN_STRINGS struct strings lines = { 0 }, kept = { 0 };
        int result = read_lines(dir_fd, &lines);
        if (result < 0)
                return result;
        lines_that_stay(&lines, &kept);
        if (!kept.count)
                return run_undo_all(dir_fd);
        result = undo_lines(&lines, dir_fd, &kept);
        lines_of_left(&lines, &kept);
        return result == 0 ? replace_lines(dir_fd, &kept) : result;
}

/*
 * Whether somebody is left in a group. Who is spared may be about to end by itself, as sessions do whose daemon has ended: a moment's
 * patience in all, so that no empty group stays behind for them.
 */
static bool stays_busy(const char *path, int *patience)
{
        while (rmdir(path) < 0 && errno == EBUSY) {
                if ((*patience)-- <= 0)
                        return true;
                pause_ms(SPARE_PAUSE_MS);
        }
        return false;
}

int run_undo_spare(int dir_fd)
{
        CLEAN_STRINGS struct strings lines = { 0 }, spared = { 0 };
        int r = read_lines(dir_fd, &lines), patience = SPARE_ROUNDS;
        for (size_t i = 0; i < lines.count; i++) {
                const char *path = line_path(lines.items[i], "cgroup");
                bool busy = path && cgroup_is_ours(path) && stays_busy(path, &patience);
                strings_take(&spared, busy ? xprintf("left %s", path) : xstrdup(lines.items[i]));
        }
        return r < 0 || !lines.count ? r : replace_lines(dir_fd, &spared);
}
