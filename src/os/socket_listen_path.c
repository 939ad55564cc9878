/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/socket_listen_path.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where we are, and what is left to go: links put what they hold in front of it. */
struct walk {
        int fd;
        char *rest;
        unsigned links;
};

static void walk_done(struct walk *w)
{
        w->fd = fd_close(w->fd);
        free(w->rest);
}

/* Takes the first component off. NULL: there is none. */
static char *take_component(struct walk *w)
{
        char *start = w->rest + strspn(w->rest, "/");
        size_t n = strcspn(start, "/");
        if (n == 0)
                return NULL;
        char *taken = xstrndup(start, n), *rest = xstrdup(start + n);
        free(w->rest);
        w->rest = rest;
        return taken;
}

static bool is_last(const struct walk *w)
{
        return w->rest[strspn(w->rest, "/")] == 0;
}

static int go_to_root(struct walk *w)
{
        w->fd = fd_close(w->fd);
        w->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return w->fd < 0 ? -errno : 0;
}

/* The link is read from the descriptor that was looked at. */
static int follow(struct walk *w, int link, const struct stat *st)
{
        char target[PATH_MAX];
        if ((st->st_uid != 0 && st->st_uid != geteuid()) || ++w->links > LISTEN_LINKS_MAX)
                return -ELOOP;
        ssize_t n = readlinkat(link, "", target, sizeof target);
        if (n <= 0 || (size_t)n >= sizeof target)
                return n < 0 ? -errno : -ENAMETOOLONG;
        char *rest = xprintf("%.*s/%s", (int)n, target, w->rest);
        free(w->rest);
        w->rest = rest;
        return *target == '/' ? go_to_root(w) : 0;
}

static int step(struct walk *w, const char *component, mode_t mode)
{
        struct stat st;
        CLEAN_FD int next = openat(w->fd, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && errno == ENOENT && mode != LISTEN_MAKE_NO_FOLDER) {
                /* Opened again, whoever made it: it is looked at as any other. */
                mode_t before = umask(0);
                int r = mkdirat(w->fd, component, mode) < 0 && errno != EEXIST ? -errno : 0;
                (void)umask(before);
                if (r < 0)
                        return r;
                next = openat(w->fd, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        }
        if (next < 0 || fstat(next, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return follow(w, next, &st);
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        (void)fd_close(w->fd);
        w->fd = TAKE_FD(next);
        return 0;
}

static int walk(struct walk *w, mode_t mode, char **ret_name)
{
        /* Behind a link there is always a folder to come, so that the last component is that of the path itself. */
        CLEAN_FREE char *component = NULL;
        int r = go_to_root(w);
        while (r == 0) {
                component = take_component(w);
                if (!component)
                        return -EINVAL;
                if (is_last(w))
                        break;
                r = step(w, component, mode);
                free(TAKE_PTR(component));
        }
        if (r == 0)
                *ret_name = TAKE_PTR(component);
        return r;
}

int listen_folder(const char *path, mode_t mode, char **ret_name, struct error *e)
{
        CLEAN(walk_done) struct walk w = { .fd = -EBADF, .rest = xstrdup(path) };
        size_t n = strlen(path);
        bool bad = *path != '/' || path[n - 1] == '/' || text_ends(path, "/..") || text_ends(path, "/.");
        int r = bad ? -EINVAL : walk(&w, mode, ret_name);
        if (r == -ELOOP) {
                error_set(e, ELOOP, "listen.link", "on the way to %s there is a link that neither root nor the caller made, or too many links", path);
                return -ELOOP;
        }
        if (r < 0)
                return error_errno(e, r, "listen.file", "on the way to %s", path);
        return TAKE_FD(w.fd);
}
