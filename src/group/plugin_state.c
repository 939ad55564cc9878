/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/plugin_state.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "os/file.h"

enum { LOCK_STEP_USEC = 50000 };

/* ---- options ---- */

static const struct plugin_option *find(const struct plugin_option *table, const char *word, const char **ret_value)
{
        for (; table->name; table++) {
                size_t n = strlen(table->name);
                if (strncmp(word, table->name, n) || (word[n] && word[n] != '='))
                        continue;
                *ret_value = word[n] ? word + n + 1 : NULL;
                return table;
        }
        return NULL;
}

static int unknown(const char *word, const struct plugin_option *table, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        for (; table->name; table++)
                text_addf(&t, "%s%s", t.length ? ", " : "", table->name);
        int r = error_set(e, EINVAL, "plugin.option", "unknown option: %s", word);
        error_hint(e, "there are %s", t.data ? t.data : "none");
        return r;
}

int plugin_options(const struct strings *words, const struct plugin_option *table, struct error *e)
{
        for (size_t i = 0; words && i < words->count; i++) {
                const char *value, *word = words->items[i];
                const struct plugin_option *o = find(table, word, &value);
                if (!o)
                        return unknown(word, table, e);
                if (o->flag) {
                        if (value)
                                return error_set(e, EINVAL, "plugin.option", "%s takes no value", o->name);
                        *o->flag = true;
                        continue;
                }
                if (!value && i + 1 < words->count)
                        value = words->items[++i];
                if (!value || !*value)
                        return error_set(e, EINVAL, "plugin.option", "%s takes a value", o->name);
                if (o->all)
                        strings_add(o->all, value);
                else
                        *o->value = value;
        }
        return 0;
}

int plugin_option_span(const char *name, const char *value, uint64_t *usec, struct error *e)
{
        uint64_t span;
        if (!value)
                return 0;
        int r = text_parse_span_usec(value, &span);
        if (r < 0 || span == 0 || span == UINT64_MAX)
                return error_set(e, EINVAL, "plugin.option", "%s is no time span: %s", name, value);
        *usec = span;
        return 0;
}

/* ---- the folder ---- */

static char *default_path(const char *name)
{
        const char *set = getenv("BULKHEAD_STATE_DIR"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        if (set && *set == '/')
                return xprintf("%s/%s", set, name);
        if (geteuid() == 0)
                return xprintf("/var/lib/bulkhead/%s", name);
        if (state && *state == '/')
                return xprintf("%s/bulkhead/%s", state, name);
        return home && *home == '/' ? xprintf("%s/.local/state/bulkhead/%s", home, name) : NULL;
}

static int check_folder(int fd, const char *path, struct error *e)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_errno(e, errno, "plugin.folder", "looking at %s", path);
        if (st.st_uid != geteuid() || st.st_mode & 077)
                return error_set(e, EPERM, "plugin.folder", "%s must be ours, and of mode 0700", path);
        return 0;
}

int plugin_folder_open(const char *path, const char *name, struct plugin_folder *ret, struct error *e)
{
        CLEAN_FREE char *own = path ? xstrdup(path) : default_path(name);
        if (!own || *own != '/')
                return error_set(e, EINVAL, "plugin.folder", "the folder to keep things in must be an absolute path: %s", own ? own : "there is none");
        int r = file_make_folders(own, 0700, e);
        if (r < 0)
                return r;
        CLEAN_FD int fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, errno, "plugin.folder", "opening %s", own);
        r = check_folder(fd, own, e);
        if (r < 0)
                return r;
        CLEAN_FD int lock = plugin_lock(fd, ".lock", 0);
        if (lock == -EBUSY) {
                error_set(e, EBUSY, "plugin.in-use", "another process uses %s", own);
                error_hint(e, "two plugins need folders of their own: --dir");
                return -EBUSY;
        }
        if (lock < 0)
                return error_errno(e, lock, "plugin.folder", "locking %s", own);
        *ret = (struct plugin_folder){ TAKE_PTR(own), TAKE_FD(fd), TAKE_FD(lock) };
        return 0;
}

void plugin_folder_close(struct plugin_folder *f)
{
        free(f->path);
        f->path = NULL;
        f->fd = fd_close(f->fd);
        f->lock_fd = fd_close(f->lock_fd);
}

int plugin_lock(int dir_fd, const char *name, uint64_t wait_usec)
{
        CLEAN_FD int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        for (uint64_t waited = 0;; waited += LOCK_STEP_USEC) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return TAKE_FD(fd);
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return -errno;
                if (waited >= wait_usec)
                        return -EBUSY;
                struct timespec step = { .tv_nsec = LOCK_STEP_USEC * 1000 };
                (void)nanosleep(&step, NULL);
        }
}

int plugin_save(int dir_fd, const char *name, const char *data, size_t size)
{
        char temporary[NAME_MAX + 1];
        if (snprintf(temporary, sizeof temporary, "%s.new", name) >= (int)sizeof temporary)
                return -ENAMETOOLONG;
        CLEAN_FD int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        int r = file_write_all(fd, data, size);
        if (r < 0)
                return r;
        if (fsync(fd) < 0 || renameat(dir_fd, temporary, dir_fd, name) < 0 || fsync(dir_fd) < 0)
                return -errno;
        return 0;
}
