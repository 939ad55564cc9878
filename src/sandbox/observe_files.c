/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that name files: what was opened, looked at, made, removed, changed and executed. */
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "sandbox/caller.h"
#include "sandbox/observe_internal.h"

enum { WORKING = -1 /* the working directory */ };

/* ---- paths ---- */

bool observe_path_argument(const struct thread *t, int path, int folder, bool last_link, char ret[PATH_MAX])
{
        char text[PATH_MAX];
        int fd = folder < 0 ? AT_FDCWD : (int)t->args[folder];
        return caller_read_string(t->pid, t->args[path], text) && caller_resolve(t->pid, fd, text, last_link, ret);
}

bool observe_descriptor_path(const struct thread *t, int fd, char ret[PATH_MAX])
{
        char link[64];
        (void)snprintf(link, sizeof link, "/proc/%d/fd/%d", t->pid, fd);
        ssize_t n = readlink(link, ret, PATH_MAX - 1);
        ret[n > 0 ? n : 0] = 0;
        return n > 0 && ret[0] == '/' && strncmp(ret, "/memfd:", 7) != 0;
}

static void folder_of(const char *path, char ret[PATH_MAX])
{
        size_t n = (size_t)(strrchr(path, '/') - path);
        n = n ? n : 1;
        memcpy(ret, path, n);
        ret[n] = 0;
}

/* /proc of its own processes is of no interest, that of others only as such. */
static bool is_process(struct observer_context *c, const char *path)
{
        char *end;
        if (strncmp(path, "/proc/", 6) != 0)
                return false;
        unsigned long pid = strtoul(path + 6, &end, 10);
        if (end == path + 6)
                return !strncmp(path + 6, "self", 4) || !strncmp(path + 6, "thread-self", 11);
        if (!observe_is_own(c, pid))
                c->o->traits[TRAIT_OTHER_PROCESSES] = true;
        return true;
}

void observe_path(struct observer_context *c, const struct thread *t, const char *path, unsigned uses)
{
        (void)t;
        const char *others = c->watch->passed_over;
        if (path[0] != '/' || is_process(c, path) || (others && path_is_below(path, others)))
                return;
        if (!strncmp(path, "/proc/", 6) && uses & (unsigned)USE_ANY)
                c->o->traits[TRAIT_PROC_SYSTEM] = true;
        observations_add_path(c->o, path, uses);
}

/* Something is made in the folder of a path, or taken from it. */
static void folder_changed(struct observer_context *c, struct thread *t, const char *path)
{
        char folder[PATH_MAX];
        folder_of(path, folder);
        observe_permission(c, t, folder, true);
        observe_path(c, t, folder, USE_CHANGE | USE_FOLDER);
}

static void made(struct observer_context *c, struct thread *t, const char *path, unsigned uses)
{
        char seen[PATH_MAX + 32];
        struct stat st;
        folder_changed(c, t, path);
        observe_path(c, t, path, USE_MADE | uses);
        (void)snprintf(seen, sizeof seen, "/proc/%d/root%s", t->pid, path);
        if (lstat(seen, &st) < 0 || S_ISLNK(st.st_mode) || S_ISSOCK(st.st_mode))
                return;
        c->o->made_modes |= st.st_mode & 07777U;
        c->o->traits[TRAIT_SET_ID_FILE] |= (st.st_mode & (S_ISUID | S_ISGID)) && !S_ISDIR(st.st_mode);
}

/* What is not there must not become what is forbidden. */
static void missed(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX];
        CLEAN_FREE char *clean = NULL;
        if (result != -ENOENT)
                return;
        if (observe_path_argument(t, i->path, i->folder, true, path))
                observe_path(c, t, path, USE_MISS);
        else if (caller_read_string(t->pid, t->args[i->path], path) && path_normalize(path, &clean) == 0)
                observe_path(c, t, clean, USE_MISS);
}

static void look_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX];
        missed(c, t, i, result);
        if (result >= 0 && observe_path_argument(t, i->path, i->folder, false, path)) {
                observe_permission(c, t, path, false);
                observe_path(c, t, path, USE_LOOK);
        }
}

static void change_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX];
        if (result >= 0 && observe_path_argument(t, i->path, i->folder, false, path))
                observe_path(c, t, path, USE_WRITE);
}

static void make_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX];
        if (result >= 0 && observe_path_argument(t, i->path, i->folder, true, path))
                made(c, t, path, !strncmp(i->name, "mkdir", 5) ? USE_FOLDER : USE_WRITE);
}

static void node_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        mode_t mode = (mode_t)t->args[i->more];
        if (result >= 0 && (S_ISCHR(mode) || S_ISBLK(mode)))
                observe_needs(t, CAP_MKNOD);
        make_ended(c, t, i, result);
}

static void removal_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        char path[PATH_MAX];
        if (!observe_path_argument(t, i->path, i->folder, true, path))
                return;
        observe_removal_begins(c, t, path);
        t->before = xstrdup(path);
}

static void removal_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (void)i;
        if (result >= 0 && t->before)
                folder_changed(c, t, t->before);
}

static void rename_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX];
        removal_ended(c, t, i, result);
        if (result >= 0 && observe_path_argument(t, i->more, i->folder < 0 ? WORKING : i->more - 1, true, path))
                made(c, t, path, USE_WRITE);
}

/* ---- opening ---- */

static uint64_t open_flags(const struct thread *t, const struct call_info *i)
{
        uint64_t flags = O_WRONLY | O_CREAT | O_TRUNC;
        size_t n;
        if (i->more >= 0)
                flags = t->args[i->more];
        if (text_equal(i->name, "openat2") && !caller_read(t->pid, t->args[i->more], &flags, sizeof flags, &n))
                flags = 0;
        return flags;
}

static void open_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        char path[PATH_MAX], seen[PATH_MAX + 32];
        (void)c;
        if (!(open_flags(t, i) & O_CREAT) || !observe_path_argument(t, i->path, i->folder, false, path))
                return;
        (void)snprintf(seen, sizeof seen, "/proc/%d/root%s", t->pid, path);
        t->made = access(seen, F_OK) < 0;
}

static void open_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX], link[64];
        struct stat st;
        missed(c, t, i, result);
        if (result < 0 || !observe_descriptor_path(t, (int)result, path))
                return;
        (void)snprintf(link, sizeof link, "/proc/%d/fd/%d", t->pid, (int)result);
        if (stat(link, &st) < 0)
                return;
        uint64_t flags = open_flags(t, i);
        bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
        /* What has no name is made in a folder all the same (O_TMPFILE), or was removed already. */
        if (st.st_nlink == 0) {
                if (writes)
                        folder_changed(c, t, path);
                return;
        }
        if (t->made) {
                made(c, t, path, USE_WRITE);
                return;
        }
        unsigned uses = flags & O_PATH ? USE_LOOK : ((flags & O_ACCMODE) == O_WRONLY ? 0 : USE_READ) | (writes ? USE_WRITE : 0);
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                uses |= USE_DEVICE;
        if (S_ISDIR(st.st_mode))
                uses |= USE_FOLDER;
        if (!(flags & O_PATH))
                observe_permission(c, t, path, writes);
        observe_path(c, t, path, uses);
}

static void descriptor_change_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        char path[PATH_MAX];
        (void)i;
        if (result >= 0 && observe_descriptor_path(t, (int)t->args[0], path))
                observe_path(c, t, path, USE_WRITE);
}

/* ---- owners and modes ---- */

static void mode_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        char path[PATH_MAX];
        bool known = i->path < 0 ? observe_descriptor_path(t, (int)t->args[0], path) : observe_path_argument(t, i->path, i->folder, false, path);
        if (known)
                observe_owner_begins(c, t, path);
}

static void mode_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        mode_t mode = (mode_t)t->args[i->more];
        if (result < 0)
                return;
        (i->path < 0 ? descriptor_change_ended : change_ended)(c, t, i, result);
        c->o->traits[TRAIT_SET_ID_FILE] |= (mode & (S_ISUID | S_ISGID)) != 0;
}

static void chown_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        char path[PATH_MAX];
        bool known = i->path < 0 ? observe_descriptor_path(t, (int)t->args[0], path) : observe_path_argument(t, i->path, i->folder, false, path);
        if (known)
                observe_chown_begins(c, t, path, (uint32_t)t->args[i->more], (uint32_t)t->args[i->more + 1]);
}

static void chown_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (i->path < 0 ? descriptor_change_ended : change_ended)(c, t, i, result);
}

static void times_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        if (t->args[i->path])
                mode_begins(c, t, i);
}

static void times_ended(struct observer_context *c, struct thread *t, const struct call_info *i, int64_t result)
{
        (t->args[i->path] ? change_ended : descriptor_change_ended)(c, t, i, result);
}

/* ---- programs ---- */

static void execute_begins(struct observer_context *c, struct thread *t, const struct call_info *i)
{
        char path[PATH_MAX];
        (void)c;
        if (observe_path_argument(t, i->path, i->folder, false, path))
                t->before = xstrdup(path);
}

/* ---- the table ---- */

const struct call_info observe_file_calls[] = {
        { "open", open_begins, open_ended, 0, WORKING, 1 },
        { "openat", open_begins, open_ended, 1, 0, 2 },
        { "openat2", open_begins, open_ended, 1, 0, 2 },
        { "creat", open_begins, open_ended, 0, WORKING, -1 },
        { "stat", NULL, look_ended, 0, WORKING, 0 },
        { "lstat", NULL, look_ended, 0, WORKING, 0 },
        { "stat64", NULL, look_ended, 0, WORKING, 0 },
        { "lstat64", NULL, look_ended, 0, WORKING, 0 },
        { "newfstatat", NULL, look_ended, 1, 0, 0 },
        { "fstatat64", NULL, look_ended, 1, 0, 0 },
        { "statx", NULL, look_ended, 1, 0, 0 },
        { "access", NULL, look_ended, 0, WORKING, 0 },
        { "faccessat", NULL, look_ended, 1, 0, 0 },
        { "faccessat2", NULL, look_ended, 1, 0, 0 },
        { "readlink", NULL, look_ended, 0, WORKING, 0 },
        { "readlinkat", NULL, look_ended, 1, 0, 0 },
        { "chdir", NULL, look_ended, 0, WORKING, 0 },
        { "statfs", NULL, look_ended, 0, WORKING, 0 },
        { "getxattr", NULL, look_ended, 0, WORKING, 0 },
        { "lgetxattr", NULL, look_ended, 0, WORKING, 0 },
        { "listxattr", NULL, look_ended, 0, WORKING, 0 },
        { "inotify_add_watch", NULL, look_ended, 1, WORKING, 0 },
        { "name_to_handle_at", NULL, look_ended, 1, 0, 0 },
        { "truncate", NULL, change_ended, 0, WORKING, 0 },
        { "setxattr", NULL, change_ended, 0, WORKING, 0 },
        { "lsetxattr", NULL, change_ended, 0, WORKING, 0 },
        { "removexattr", NULL, change_ended, 0, WORKING, 0 },
        { "lremovexattr", NULL, change_ended, 0, WORKING, 0 },
        { "fsetxattr", NULL, descriptor_change_ended, -1, -1, 0 },
        { "fremovexattr", NULL, descriptor_change_ended, -1, -1, 0 },
        { "utime", mode_begins, change_ended, 0, WORKING, 0 },
        { "utimes", mode_begins, change_ended, 0, WORKING, 0 },
        { "futimesat", times_begins, times_ended, 1, 0, 0 },
        { "utimensat", times_begins, times_ended, 1, 0, 0 },
        { "chmod", mode_begins, mode_ended, 0, WORKING, 1 },
        { "fchmod", mode_begins, mode_ended, -1, -1, 1 },
        { "fchmodat", mode_begins, mode_ended, 1, 0, 2 },
        { "fchmodat2", mode_begins, mode_ended, 1, 0, 2 },
        { "chown", chown_begins, chown_ended, 0, WORKING, 1 },
        { "lchown", chown_begins, chown_ended, 0, WORKING, 1 },
        { "fchown", chown_begins, chown_ended, -1, -1, 1 },
        { "fchownat", chown_begins, chown_ended, 1, 0, 2 },
        { "mkdir", NULL, make_ended, 0, WORKING, 0 },
        { "mkdirat", NULL, make_ended, 1, 0, 0 },
        { "mknod", NULL, node_ended, 0, WORKING, 1 },
        { "mknodat", NULL, node_ended, 1, 0, 2 },
        { "symlink", NULL, make_ended, 1, WORKING, 0 },
        { "symlinkat", NULL, make_ended, 2, 1, 0 },
        { "link", NULL, make_ended, 1, WORKING, 0 },
        { "linkat", NULL, make_ended, 3, 2, 0 },
        { "unlink", removal_begins, removal_ended, 0, WORKING, 0 },
        { "unlinkat", removal_begins, removal_ended, 1, 0, 0 },
        { "rmdir", removal_begins, removal_ended, 0, WORKING, 0 },
        { "rename", removal_begins, rename_ended, 0, WORKING, 1 },
        { "renameat", removal_begins, rename_ended, 1, 0, 3 },
        { "renameat2", removal_begins, rename_ended, 1, 0, 3 },
        { "execve", execute_begins, missed, 0, WORKING, 0 },
        { "execveat", execute_begins, missed, 1, 0, 0 },
        { 0 },
};
