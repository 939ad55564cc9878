/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/notify_message.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum kind { IS_ONE, IS_WATCHDOG, IS_STATUS, IS_FD_NAME, IS_ERRNO, IS_PID, IS_SPAN };

static const struct {
        const char *name;
        enum kind kind;
        size_t offset, set_offset;
} rows[] = {
        { "READY", IS_ONE, offsetof(struct notify_message, ready), 0 },
        { "RELOADING", IS_ONE, offsetof(struct notify_message, reloading), 0 },
        { "STOPPING", IS_ONE, offsetof(struct notify_message, stopping), 0 },
        { "FDSTORE", IS_ONE, offsetof(struct notify_message, store_fds), 0 },
        { "FDSTOREREMOVE", IS_ONE, offsetof(struct notify_message, remove_fds), 0 },
        { "BARRIER", IS_ONE, offsetof(struct notify_message, barrier), 0 },
        { "WATCHDOG", IS_WATCHDOG, 0, 0 },
        { "STATUS", IS_STATUS, 0, 0 },
        { "FDNAME", IS_FD_NAME, 0, 0 },
        { "ERRNO", IS_ERRNO, 0, 0 },
        { "MAINPID", IS_PID, 0, 0 },
        { "WATCHDOG_USEC", IS_SPAN, offsetof(struct notify_message, watchdog_usec), offsetof(struct notify_message, sets_watchdog) },
        { "EXTEND_TIMEOUT_USEC", IS_SPAN, offsetof(struct notify_message, extend_usec), offsetof(struct notify_message, extends) },
};

bool notify_fd_name_valid(const char *s)
{
        size_t n = strlen(s);
        if (!n || n > NOTIFY_FD_NAME_MAX)
                return false;
        for (; *s; s++)
                if (*s < 0x20 || *s > 0x7e || *s == ':')
                        return false;
        return true;
}

static void replace(char **field, const char *value, size_t max)
{
        free(*field);
        *field = xstrndup(value, max);
}

static void take_value(struct notify_message *m, size_t row, const char *value)
{
        bool *flag = (bool *)((char *)m + rows[row].offset);
        uint64_t n;
        switch (rows[row].kind) {
        case IS_ONE:
                *flag |= text_equal(value, "1");
                return;
        case IS_WATCHDOG:
                m->alive |= text_equal(value, "1");
                m->trigger |= text_equal(value, "trigger");
                return;
        case IS_STATUS:
                replace(&m->status, value, NOTIFY_STATUS_MAX);
                return;
        case IS_FD_NAME:
                if (notify_fd_name_valid(value))
                        replace(&m->fd_name, value, NOTIFY_FD_NAME_MAX);
                return;
        case IS_ERRNO:
                if (text_parse_uint(value, 4095, &n) == 0)
                        m->error = (int)n;
                return;
        case IS_PID:
                if (text_parse_uint(value, INT_MAX, &n) == 0 && n > 0)
                        m->main_pid = (pid_t)n;
                return;
        case IS_SPAN:
                if (text_parse_uint(value, UINT64_MAX, &n) < 0)
                        return;
                *(uint64_t *)((char *)m + rows[row].offset) = n;
                *(bool *)((char *)m + rows[row].set_offset) = true;
        }
}

static void take_line(struct notify_message *m, char *line)
{
        char *sign = strchr(line, '=');
        if (!sign)
                return;
        *sign = 0;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (text_equal(rows[i].name, line))
                        take_value(m, i, sign + 1);
}

void notify_message_parse(const char *data, size_t size, struct notify_message *ret)
{
        char copy[NOTIFY_MESSAGE_MAX + 1];
        *ret = (struct notify_message){ 0 };
        if (size > NOTIFY_MESSAGE_MAX || memchr(data, 0, size))
                return;
        memcpy(copy, data, size);
        copy[size] = 0;
        char *rest = copy;
        for (char *line; (line = strsep(&rest, "\n"));)
                take_line(ret, line);
}

void notify_message_done(struct notify_message *m)
{
        free(m->status);
        free(m->fd_name);
        *m = (struct notify_message){ 0 };
}
