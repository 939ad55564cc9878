/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/exit_status.h"

static const struct {
        const char *name;
        int exit_status;
} rows[PLAN_STREAMS] = { { "standard input", STATUS_STDIN }, { "standard output", STATUS_STDOUT }, { "standard error", STATUS_STDERR } };

static bool is_same_file(const struct plan_stream *a, const struct plan_stream *b)
{
        return a->path && b->path && a->kind == b->kind && text_equal(a->path, b->path);
}

/* Which stream before it this one shares, or i. */
static size_t shared_stream(const struct plan_stream *s, size_t i)
{
        if (i == 2 && s[1].kind != PLAN_STREAM_INHERIT && (s[2].kind == PLAN_STREAM_INHERIT || is_same_file(&s[1], &s[2])))
                return shared_stream(s, 1);
        return i && s[i].kind == PLAN_STREAM_FILE && is_same_file(&s[0], &s[i]) ? 0 : i;
}

/* A file for input that is one for output too is opened once, for both. */
static int open_stream(const struct plan *p, size_t i)
{
        const struct plan_stream *s = p->process.streams;
        static const int flags[] = { [PLAN_STREAM_FILE] = 0, [PLAN_STREAM_APPEND] = O_APPEND, [PLAN_STREAM_TRUNCATE] = O_TRUNC };
        bool null = s[i].kind == PLAN_STREAM_NULL, both = i == 0 && (is_same_file(&s[0], &s[1]) || is_same_file(&s[0], &s[2]));
        int access = i == 0 ? (both ? O_RDWR | O_CREAT : O_RDONLY) : null ? O_WRONLY : O_WRONLY | O_CREAT | flags[s[i].kind];
        mode_t mask = umask(p->umask);
        int fd = open(null ? "/dev/null" : s[i].path, access | O_CLOEXEC | O_NOCTTY, 0666), error = errno;
        umask(mask);
        return fd < 0 ? -error : fd;
}

int streams_open(const struct plan *p, int fds[PLAN_STREAMS], struct error *e)
{
        const struct plan_stream *s = p->process.streams;
        for (size_t i = 0; i < PLAN_STREAMS; i++) {
                if (s[i].kind == PLAN_STREAM_INHERIT || shared_stream(s, i) != i || fds[i] >= 0)
                        continue;
                fds[i] = open_stream(p, i);
                if (fds[i] >= 0)
                        continue;
                error_errno(e, fds[i], "stdio.file", "opening %s for %s", s[i].path ? s[i].path : "/dev/null", rows[i].name);
                error_status(e, rows[i].exit_status);
                return error_while(e, "applying %s", s[i].origin);
        }
        return 0;
}

void streams_close(int fds[PLAN_STREAMS])
{
        for (size_t i = 0; i < PLAN_STREAMS; i++)
                fds[i] = fd_close(fds[i]);
}

void streams_place(const struct plan *p, const int fds[PLAN_STREAMS], int from[PLAN_STREAMS])
{
        for (size_t i = 0; i < PLAN_STREAMS; i++) {
                size_t like = shared_stream(p->process.streams, i);
                if (like != i)
                        from[i] = from[like];
                else if (fds[i] >= 0)
                        from[i] = fds[i];
        }
}
