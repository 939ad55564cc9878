/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/id_maps.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/mount.h"
#include "os/process.h"

extern char **environ;

static char *map_text(const struct plan_id_map *maps, size_t count)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < count; i++)
                text_addf(&t, "%u %u %u\n", maps[i].inside, maps[i].outside, maps[i].count);
        return TAKE_PTR(t.data);
}

/* The first line of what a helper says, without its end; then the rest is read so that it can go on. */
static char *first_line(int fd)
{
        char said[512], rest[512];
        ssize_t n = read(fd, said, sizeof said - 1);
        while (n > 0 && read(fd, rest, sizeof rest) > 0)
                ;
        said[n > 0 ? n : 0] = 0;
        said[strcspn(said, "\n")] = 0;
        return xstrdup(said);
}

/* newuidmap PID INSIDE OUTSIDE COUNT ... */
static int ask_helper(const char *program, pid_t pid, const struct plan_id_map *maps, size_t count, struct error *e)
{
        CLEAN_STRINGS struct strings argv = { 0 };
        int pidfd = -EBADF, status = 0, ends[2];
        strings_add(&argv, program);
        strings_take(&argv, xprintf("%d", pid));
        for (size_t i = 0; i < count; i++) {
                strings_take(&argv, xprintf("%u", maps[i].inside));
                strings_take(&argv, xprintf("%u", maps[i].outside));
                strings_take(&argv, xprintf("%u", maps[i].count));
        }
        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(e, errno, "namespace.map", "pipe");
        CLEAN_FD int in = ends[0], out = ends[1];
        pid_t helper = process_clone(0, -1, &pidfd);
        if (helper < 0)
                return error_errno(e, helper, "spawn.failed", "clone");
        if (helper == 0) {
                if (dup2(out, 2) == 2)
                        execvpe(program, argv.items, environ);
                _exit(127);
        }
        out = fd_close(out);
        fd_close(pidfd);
        CLEAN_FREE char *said = first_line(in);
        while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
                error_set(e, ENOENT, "namespace.helper", "%s, which a map of more than one's own id takes, is not to be found", program);
                error_hint(e, "install it (Debian: uidmap), or map the user's own id alone");
                return -ENOENT;
        }
        error_set(e, EPERM, "namespace.map", "%s", *said ? said : program);
        error_hint(e, "an ordinary user may map the ranges that /etc/subuid and /etc/subgid give");
        return -EPERM;
}

/* An ordinary user may map itself alone, and only once setgroups is denied. */
static bool is_self(const struct plan_id_map *maps, size_t count, uint32_t id)
{
        return count == 1 && maps[0].count == 1 && maps[0].outside == id;
}

static int refused(struct error *e, int r, const char *what)
{
        error_errno(e, r, "namespace.map", "mapping %s", what);
        if (r == -EPERM || r == -EACCES)
                error_hint(e, "an ordinary user may map its own id, and the ranges that /etc/subuid and /etc/subgid give");
        return r;
}

static int write_groups(int proc, pid_t pid, const struct plan_id_maps *maps, struct error *e)
{
        CLEAN_FREE char *text = map_text(maps->gids, maps->gid_count);
        int r = file_write(proc, "gid_map", text);
        if (r == -EPERM || r == -EACCES) {
                if (!is_self(maps->gids, maps->gid_count, getegid()))
                        return ask_helper("newgidmap", pid, maps->gids, maps->gid_count, e);
                r = file_write(proc, "setgroups", "deny");
                if (r == 0 || r == -ENOENT)
                        r = file_write(proc, "gid_map", text);
        }
        return r < 0 ? refused(e, r, "group ids") : 0;
}

static int write_users(int proc, pid_t pid, const struct plan_id_maps *maps, struct error *e)
{
        CLEAN_FREE char *text = map_text(maps->uids, maps->uid_count);
        int r = file_write(proc, "uid_map", text);
        if ((r == -EPERM || r == -EACCES) && !is_self(maps->uids, maps->uid_count, geteuid()))
                return ask_helper("newuidmap", pid, maps->uids, maps->uid_count, e);
        return r < 0 ? refused(e, r, "user ids") : 0;
}

int id_maps_write(pid_t pid, const struct plan_id_maps *maps, struct error *e)
{
        CLEAN_FREE char *folder = xprintf("/proc/%d", pid);
        CLEAN_FD int proc = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (proc < 0)
                return error_errno(e, errno, "namespace.map", "opening %s", folder);
        int r = write_groups(proc, pid, maps, e);
        if (r < 0)
                return error_while(e, "applying /linux/gidMappings");
        r = write_users(proc, pid, maps, e);
        return r < 0 ? error_while(e, "applying /linux/uidMappings") : 0;
}

bool id_maps_outside(const struct plan_id_map *maps, size_t count, uint32_t inside, uint32_t *ret)
{
        for (size_t i = 0; i < count; i++) {
                if (inside < maps[i].inside || inside - maps[i].inside >= maps[i].count)
                        continue;
                *ret = maps[i].outside + (inside - maps[i].inside);
                return true;
        }
        return false;
}

/* A user namespace that lives only as long as its map is needed. */
static int make_users(const struct plan_id_maps *maps, struct error *e)
{
        int pidfd = -EBADF;
        pid_t pid = process_clone(CLONE_NEWUSER, -1, &pidfd);
        if (pid < 0)
                return error_errno(e, pid, "namespace.refused", "making a user namespace for an id map");
        if (pid == 0)
                for (;;)
                        (void)pause();
        int r = id_maps_write(pid, maps, e);
        CLEAN_FREE char *path = xprintf("/proc/%d/ns/user", pid);
        int fd = r < 0 ? r : open(path, O_RDONLY | O_CLOEXEC);
        if (r == 0 && fd < 0)
                fd = error_errno(e, errno, "namespace.map", "opening %s", path);
        (void)process_signal(pidfd, SIGKILL);
        fd_close(pidfd);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return fd;
}

int id_maps_apply(int mount_fd, const struct plan_id_maps *maps, bool recursive, struct error *e)
{
        CLEAN_FD int users = make_users(maps, e);
        if (users < 0)
                return users;
        int r = mount_map_ids(mount_fd, users, recursive);
        if (r < 0) {
                error_errno(e, r, "mount.idmap", "mapping the ids of a mount");
                error_hint(e, "the source's file system may have no id-mapped mounts, or is itself mapped already");
        }
        return r;
}
