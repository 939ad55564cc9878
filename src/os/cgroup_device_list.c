/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_devices.h"

#include <fcntl.h>
#include <string.h>

#include "os/file.h"

void cgroup_exceptions_done(struct cgroup_exceptions *x)
{
        free(x->items);
        *x = (struct cgroup_exceptions){ 0 };
}

static bool covers(int64_t wide, int64_t narrow)
{
        return wide < 0 || wide == narrow;
}

static bool meets(int64_t a, int64_t b)
{
        return a < 0 || b < 0 || a == b;
}

/* The access of a rule becomes an exception; one with the same numbers takes it in, as the kernel does. */
static void add(struct cgroup_exceptions *x, const struct cgroup_device_rule *rule)
{
        for (size_t i = 0; i < x->count; i++) {
                struct cgroup_device_rule *have = &x->items[i];
                if (have->type == rule->type && have->major == rule->major && have->minor == rule->minor) {
                        have->access |= rule->access;
                        return;
                }
        }
        x->items = xgrow(x->items, &x->room, x->count + 1, sizeof *x->items);
        x->items[x->count++] = *rule;
}

/* The access of a rule ceases to be an exception. */
static int take_away(struct cgroup_exceptions *x, const struct cgroup_device_rule *rule)
{
        size_t kept = 0;
        int r = 0;
        for (size_t i = 0; i < x->count; i++) {
                struct cgroup_device_rule have = x->items[i];
                if (have.type == rule->type && have.access & rule->access) {
                        if (covers(rule->major, have.major) && covers(rule->minor, have.minor))
                                have.access &= ~rule->access;
                        else if (meets(rule->major, have.major) && meets(rule->minor, have.minor))
                                r = -EOPNOTSUPP;
                }
                if (have.access)
                        x->items[kept++] = have;
        }
        x->count = kept;
        return r;
}

static int follow(struct cgroup_exceptions *x, const struct cgroup_device_rule *rule)
{
        static const char types[] = { 'b', 'c' };
        if (rule->type == 'a' && rule->major < 0 && rule->minor < 0 && rule->access == CGROUP_ACCESS_ALL) {
                x->from_all = rule->allow;
                x->count = 0;
                return 0;
        }
        for (size_t i = 0; i < sizeof types; i++) {
                struct cgroup_device_rule one = *rule;
                one.type = types[i];
                if (rule->type != 'a' && rule->type != one.type)
                        continue;
                if (rule->allow != x->from_all)
                        add(x, &one);
                else if (take_away(x, &one) < 0)
                        return -EOPNOTSUPP;
        }
        return 0;
}

int cgroup_exceptions_of(const struct cgroup_device_rule *rules, size_t count, struct cgroup_exceptions *ret, size_t *ret_rule)
{
        struct cgroup_exceptions x = { 0 };
        for (size_t i = 0; i < count; i++)
                if (follow(&x, &rules[i]) < 0) {
                        cgroup_exceptions_done(&x);
                        *ret_rule = i;
                        return -EOPNOTSUPP;
                }
        *ret = x;
        return 0;
}

static char *number(int64_t n)
{
        return n < 0 ? xstrdup("*") : xprintf("%lld", (long long)n);
}

static char *line_of(const struct cgroup_device_rule *x)
{
        CLEAN_FREE char *major = number(x->major), *minor = number(x->minor);
        CLEAN_FREE char *access = cgroup_access_text(x->access);
        return xprintf("%c %s:%s %s", x->type, major, minor, access);
}

static int write_line(int folder_fd, const char *file, const char *line, char **ret_line)
{
        int r = file_write(folder_fd, file, line);
        if (r < 0)
                *ret_line = xprintf("\"%s\" to %s", line, file);
        return r;
}

/* Takes out what the folder allows and the new list does not, so that nothing that stays is refused for a moment. */
static int drop_others(int folder_fd, const char *list, const struct cgroup_exceptions *x, char **ret_line)
{
        int r = 0;
        for (const char *at = list; r == 0 && *at; at += strcspn(at, "\n"), at += *at == '\n') {
                CLEAN_FREE char *line = xstrndup(at, strcspn(at, "\n"));
                bool stays = false;
                for (size_t i = 0; i < x->count && !stays; i++) {
                        CLEAN_FREE char *wanted = line_of(&x->items[i]);
                        stays = text_equal(line, wanted);
                }
                /* A wider access of the same device: out it goes, and the exception is written again behind it. */
                if (!stays && *line)
                        r = write_line(folder_fd, "devices.deny", line, ret_line);
        }
        return r;
}

int cgroup_exceptions_write(int folder_fd, const struct cgroup_exceptions *x, bool fresh, char **ret_line)
{
        CLEAN_TEXT struct text list = { 0 };
        int r = fresh ? 0 : file_read(folder_fd, "devices.list", 1 << 20, &list);
        bool was_closed = !fresh && r == 0 && !text_starts(list.data, "a ");
        if (r == 0 && !x->from_all && was_closed)
                r = drop_others(folder_fd, list.data, x, ret_line);
        else if (r == 0)
                r = write_line(folder_fd, x->from_all ? "devices.allow" : "devices.deny", "a", ret_line);
        const char *file = x->from_all ? "devices.deny" : "devices.allow";
        /* Opened once: most containers have a dozen lines. */
        CLEAN_FD int fd = r == 0 && x->count ? openat(folder_fd, file, O_WRONLY | O_CLOEXEC) : -EBADF;
        if (r == 0 && x->count && fd < 0)
                r = -errno;
        for (size_t i = 0; r == 0 && i < x->count; i++) {
                CLEAN_FREE char *line = line_of(&x->items[i]);
                r = file_write_all(fd, line, strlen(line));
                if (r < 0)
                        *ret_line = xprintf("\"%s\" to %s", line, file);
        }
        return r;
}
