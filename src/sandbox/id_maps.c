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

/* newuidmap PID INSIDE OUTSIDE COUNT ... */
static int ask_helper(const char *program, pid_t pid, const struct plan_id_map *maps, size_t count)
{
        CLEAN_STRINGS struct strings argv = { 0 };
        int pidfd = -EBADF, status = 0;
        strings_add(&argv, program);
        strings_take(&argv, xprintf("%d", pid));
        for (size_t i = 0; i < count; i++) {
                strings_take(&argv, xprintf("%u", maps[i].inside));
                strings_take(&argv, xprintf("%u", maps[i].outside));
                strings_take(&argv, xprintf("%u", maps[i].count));
        }
        pid_t helper = process_clone(0, -1, &pidfd);
        if (helper < 0)
                return helper;
        if (helper == 0) {
                execvpe(program, argv.items, environ);
                _exit(127);
        }
        fd_close(pidfd);
        while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : -EPERM;
}

/* An ordinary user may map itself alone, and only once setgroups is denied. */
static bool is_self(const struct plan_id_map *maps, size_t count, uint32_t id)
{
        return count == 1 && maps[0].count == 1 && maps[0].outside == id;
}

static int write_groups(int proc, pid_t pid, const struct plan_id_maps *maps)
{
        CLEAN_FREE char *text = map_text(maps->gids, maps->gid_count);
        int r = file_write(proc, "gid_map", text);
        if (r != -EPERM && r != -EACCES)
                return r;
        if (is_self(maps->gids, maps->gid_count, getegid())) {
                r = file_write(proc, "setgroups", "deny");
                return r == 0 || r == -ENOENT ? file_write(proc, "gid_map", text) : r;
        }
        return ask_helper("newgidmap", pid, maps->gids, maps->gid_count);
}

int id_maps_write(pid_t pid, const struct plan_id_maps *maps, struct error *e)
{
        CLEAN_FREE char *folder = xprintf("/proc/%d", pid), *text = map_text(maps->uids, maps->uid_count);
        CLEAN_FD int proc = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (proc < 0)
                return error_errno(e, errno, "namespace.map", "opening %s", folder);
        int r = write_groups(proc, pid, maps);
        if (r < 0) {
                error_errno(e, r, "namespace.map", "mapping group ids");
                error_while(e, "applying /linux/gidMappings");
        } else {
                r = file_write(proc, "uid_map", text);
                if ((r == -EPERM || r == -EACCES) && !is_self(maps->uids, maps->uid_count, geteuid()))
                        r = ask_helper("newuidmap", pid, maps->uids, maps->uid_count);
                if (r < 0) {
                        error_errno(e, r, "namespace.map", "mapping user ids");
                        error_while(e, "applying /linux/uidMappings");
                }
        }
        if (r == -ENOENT)
                error_hint(e, "an ordinary user needs newuidmap and newgidmap (Debian: uidmap) to map a range of ids");
        else if (r < 0)
                error_hint(e, "an ordinary user may map the ranges that /etc/subuid and /etc/subgid give");
        return r;
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
