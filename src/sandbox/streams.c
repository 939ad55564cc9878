/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "os/file.h"
#include "sandbox/terminal.h"

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
        /* Output goes to the terminal that input comes from, unless it is said to go elsewhere. */
        if (i && s[0].kind == PLAN_STREAM_TTY && (s[i].kind == PLAN_STREAM_TTY || (s[i].kind == PLAN_STREAM_INHERIT && (i == 1 || s[1].kind == PLAN_STREAM_INHERIT))))
                return 0;
        /* A descriptor that was handed over is shared where "inherit" stands; standard error then goes with the output, as it always does. */
        const bool given = s[0].kind == PLAN_STREAM_SOCKET || s[0].kind == PLAN_STREAM_NAMED, passes = s[1].kind == PLAN_STREAM_INHERIT && s[1].origin;
        if (i && given && s[i].kind == PLAN_STREAM_INHERIT && passes)
                return 0;
        if (i == 2 && s[1].kind == PLAN_STREAM_TTY && s[2].kind == PLAN_STREAM_TTY)
                return 1;
        if (i == 2 && s[1].kind != PLAN_STREAM_INHERIT && s[1].kind != PLAN_STREAM_LOG && (s[2].kind == PLAN_STREAM_INHERIT || is_same_file(&s[1], &s[2])))
                return shared_stream(s, 1);
        return i && s[i].kind == PLAN_STREAM_FILE && is_same_file(&s[0], &s[i]) ? 0 : i;
}

/* In memory, and nobody can change it. */
static int open_data(const struct text *input)
{
        CLEAN_FD int fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r = fd < 0 ? -errno : file_write_all(fd, input->data ? input->data : "", input->length);
        if (r == 0 && (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 || lseek(fd, 0, SEEK_SET) < 0))
                r = -errno;
        return r < 0 ? r : TAKE_FD(fd);
}

/* A file for input that is one for output too is opened once, for both. */
static int open_stream(const struct plan *p, size_t i)
{
        const struct plan_stream *s = p->process.streams;
        static const int flags[] = { [PLAN_STREAM_FILE] = 0, [PLAN_STREAM_APPEND] = O_APPEND, [PLAN_STREAM_TRUNCATE] = O_TRUNC };
        if (s[i].kind == PLAN_STREAM_TTY)
                return terminal_open(&p->process);
        if (s[i].kind == PLAN_STREAM_SOCKET || s[i].kind == PLAN_STREAM_NAMED)
                return -ENOENT; /* whoever has some puts it there before */
        if (s[i].kind == PLAN_STREAM_DATA)
                return open_data(&p->process.input);
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
                if (s[i].kind == PLAN_STREAM_INHERIT || s[i].kind == PLAN_STREAM_LOG || shared_stream(s, i) != i || fds[i] >= 0)
                        continue;
                fds[i] = open_stream(p, i);
                if (fds[i] >= 0)
                        continue;
                if (s[i].kind == PLAN_STREAM_SOCKET || s[i].kind == PLAN_STREAM_NAMED) {
                        const char *named = s[i].kind == PLAN_STREAM_NAMED ? " of this name" : "";
                        error_set(e, ENOENT, "stdio.socket", "there is no socket%s for %s: only a service that a socket unit starts is given any", named, rows[i].name);
                        error_status(e, rows[i].exit_status);
                        return error_while(e, "applying %s", s[i].origin);
                }
                const char *what = s[i].path ? s[i].path : s[i].kind == PLAN_STREAM_TTY ? p->process.tty.path ? p->process.tty.path : "/dev/console"
                                   : s[i].kind == PLAN_STREAM_DATA ? "memory" : "/dev/null";
                error_errno(e, fds[i], "stdio.file", "opening %s for %s", what, rows[i].name);
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
