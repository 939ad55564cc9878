/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/resctrl.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"

enum { RESCTRL_MAGIC = 0x7655821, SCHEMATA_MAX = 65536 };

int resctrl_open(const char *place, struct error *e)
{
        static const char usual[] = "/sys/fs/resctrl";
        CLEAN_FD int fd = open(place ? place : usual, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && (place || file_is_on(fd, RESCTRL_MAGIC)))
                return TAKE_FD(fd);
        error_set(e, EOPNOTSUPP, "rdt.missing", "there is no resctrl file system at %s", place ? place : usual);
        error_hint(e, "mount -t resctrl resctrl %s, on processors and kernels that have it; or leave /linux/intelRdt out", usual);
        return -EOPNOTSUPP;
}

/* One component, which is no way out. */
static bool is_name(const char *s)
{
        return *s && *s != '.' && !strchr(s, '/') && strlen(s) < 200 && !text_equal(s, "info") && !text_equal(s, "mon_groups") &&
               !text_equal(s, "mon_data");
}

static int open_class(int fd, const char *class_id)
{
        if (text_equal(class_id, "/"))
                return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = is_name(class_id) ? openat(fd, class_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        return is_name(class_id) ? r < 0 ? -errno : r : -EINVAL;
}

/* What the kernel says of a line that it does not take. */
static int refused(int fd, int r, const char *what, const char *object, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        error_errno(e, r, "rdt.refused", "%s %s", what, object);
        if (file_read(fd, "info/last_cmd_status", 4096, &t) == 0 && t.length && !text_starts(t.data, "ok")) {
                t.data[strcspn(t.data, "\n")] = 0;
                error_hint(e, "the kernel says: %s", t.data);
        }
        return r;
}

static int write_line(int class_fd, const char *line)
{
        CLEAN_FREE char *whole = xprintf("%s\n", line);
        return file_write(class_fd, "schemata", whole);
}

int resctrl_set(int fd, const char *class_id, const struct strings *schemata, struct error *e)
{
        CLEAN_FD int class_fd = open_class(fd, class_id);
        if (class_fd < 0)
                return refused(fd, class_fd, "opening the class", class_id, e);
        for (size_t i = 0; i < schemata->count; i++) {
                int r = write_line(class_fd, schemata->items[i]);
                if (r < 0)
                        return refused(fd, r, "writing the schema", schemata->items[i], e);
        }
        return 0;
}

/* "0=ff;1=f" as parts; the order and leading zeroes do not matter. */
static bool has_part(const char *line, const char *part, size_t length)
{
        const char *value = memchr(part, '=', length);
        if (!value)
                return false;
        size_t head = (size_t)(value - part) + 1;
        const char *digits = part + head;
        size_t n = length - head;
        while (n > 1 && *digits == '0')
                digits++, n--;
        for (const char *p = strchr(line, ':'); p;) {
                p++;
                p += strspn(p, " ");
                if (!strncmp(p, part, head)) {
                        const char *q = p + head;
                        size_t k = strcspn(q, ";\n");
                        while (k > 1 && *q == '0')
                                q++, k--;
                        return k == n && !strncasecmp(q, digits, n);
                }
                p = strpbrk(p, ";\n");
                if (p && *p == '\n')
                        p = NULL;
        }
        return false;
}

/* The line of the same resource in the file of a class, or NULL. */
static const char *line_of(const char *all, const char *wanted)
{
        size_t n = strcspn(wanted, ":");
        for (const char *line = all; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                line += strspn(line, " ");
                if (!strncmp(line, wanted, n) && line[n] == ':')
                        return line;
        }
        return NULL;
}

static bool agrees(const char *all, const char *wanted)
{
        const char *line = line_of(all, wanted), *p = strchr(wanted, ':');
        while (line && p && *p) {
                size_t n = strcspn(++p, ";");
                if (n && !has_part(line, p, n))
                        return false;
                p += n;
        }
        return line;
}

/* A class that others use is never changed: it is as asked for, or it is not ours. */
static int compare(int class_fd, const struct resctrl_wish *w, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(class_fd, "schemata", SCHEMATA_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "rdt.refused", "reading the schemata of %s", w->class_id);
        for (size_t i = 0; i < w->schemata->count; i++) {
                if (agrees(t.data, w->schemata->items[i]))
                        continue;
                error_set(e, EEXIST, "rdt.class", "the class %s is there and has other shares than %s", w->class_id, w->schemata->items[i]);
                error_hint(e, "name another closID, or leave the schemata out to use it as it is");
                return -EEXIST;
        }
        return 0;
}

static int make_monitor(int class_fd, const char *monitor_id, struct error *e)
{
        CLEAN_FREE char *path = xprintf("mon_groups/%s", monitor_id);
        if (!is_name(monitor_id) || mkdirat(class_fd, path, 0755) < 0)
                return error_errno(e, is_name(monitor_id) ? errno : EINVAL, "rdt.refused", "making the monitoring group %s", monitor_id);
        return 0;
}

static int fill(int fd, const struct resctrl_wish *w, bool made, struct error *e)
{
        CLEAN_FD int class_fd = open_class(fd, w->class_id);
        if (class_fd < 0)
                return refused(fd, class_fd, "opening the class", w->class_id, e);
        int r = made ? resctrl_set(fd, w->class_id, w->schemata, e) : compare(class_fd, w, e);
        return r == 0 && w->monitor_id ? make_monitor(class_fd, w->monitor_id, e) : r;
}

int resctrl_make(int fd, const struct resctrl_wish *w, bool *ret_made, struct error *e)
{
        bool top = text_equal(w->class_id, "/"), made = false;
        if (!top && !is_name(w->class_id))
                return error_set(e, EINVAL, "rdt.class", "\"%.60s\" is no name of a class", w->class_id);
        if (!top && w->given && !w->schemata->count && faccessat(fd, w->class_id, F_OK, 0) < 0) {
                error_set(e, ENOENT, "rdt.class", "the class %s is not there, and nothing says what it should be", w->class_id);
                error_hint(e, "give schemata in /linux/intelRdt, or make the class first");
                return -ENOENT;
        }
        if (!top) {
                made = mkdirat(fd, w->class_id, 0755) == 0;
                if (!made && (errno != EEXIST || !w->given))
                        return refused(fd, -errno, "making the class", w->class_id, e);
        }
        int r = fill(fd, w, made, e);
        if (r < 0 && made)
                (void)unlinkat(fd, w->class_id, AT_REMOVEDIR);
        if (r == 0)
                *ret_made = made;
        return r;
}

int resctrl_enter(int fd, const char *class_id, const char *monitor_id, pid_t pid, struct error *e)
{
        CLEAN_FD int class_fd = open_class(fd, class_id);
        CLEAN_FREE char *line = xprintf("%d\n", pid), *path = xprintf("mon_groups/%s/tasks", monitor_id ? monitor_id : "");
        int r = class_fd < 0 ? class_fd : file_write(class_fd, "tasks", line);
        if (r == 0 && monitor_id)
                r = file_write(class_fd, path, line);
        return r < 0 ? refused(fd, r, "entering the class", class_id, e) : 0;
}

int resctrl_remove(int fd, const char *class_id, const char *monitor_id, bool made, struct error *e)
{
        CLEAN_FD int class_fd = open_class(fd, class_id);
        CLEAN_FREE char *path = xprintf("mon_groups/%s", monitor_id ? monitor_id : "");
        if (class_fd < 0)
                return class_fd == -ENOENT ? 0 : refused(fd, class_fd, "opening the class", class_id, e);
        if (monitor_id && is_name(monitor_id) && unlinkat(class_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return refused(fd, -errno, "removing the monitoring group", monitor_id, e);
        if (made && is_name(class_id) && unlinkat(fd, class_id, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return refused(fd, -errno, "removing the class", class_id, e);
        return 0;
}
