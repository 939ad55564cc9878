/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <argp.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/target.h"
#include "shim/log.h"

enum { POLL_MS = 50, TIME_LENGTH = 30, ALL_LINES = -1 };

struct logs {
        bool follow, timestamps;
        long tail;
        bool counts;          /* only count the lines */
        long lines, skip;     /* counted; still to be left out */
        char *unit;
        struct text pending;  /* the piece of a line that has not ended */
        bool middle[3];       /* per stream: the last piece had no newline */
        bool left_out[3];     /* per stream: the line that it is in is not shown */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct logs *l = state->input;
        uint64_t n;
        switch (key) {
        case 'f':
                l->follow = true;
                return 0;
        case 'n':
                if (text_parse_uint(arg, 1000000000, &n) < 0)
                        argp_error(state, "%s is not a number of lines", arg);
                else
                        l->tail = (long)n;
                return 0;
        case 't':
                l->timestamps = true;
                return 0;
        case ARGP_KEY_ARG:
                if (l->unit)
                        argp_error(state, "one unit only");
                l->unit = arg;
                return 0;
        case ARGP_KEY_NO_ARGS:
                argp_error(state, "which unit?");
                return EINVAL;
        default:
                return ARGP_ERR_UNKNOWN;
        }
}

/* "2016-10-06T00:17:09.669794202Z stdout F text": the text and its tags, or false when it is not such a line. */
static bool split_line(char *line, size_t length, int *ret_stream, bool *ret_full, char **ret_text)
{
        if (length < TIME_LENGTH + 10 || line[TIME_LENGTH] != ' ' || line[TIME_LENGTH + 7] != ' ' ||
            line[TIME_LENGTH + 9] != ' ')
                return false;
        *ret_stream = !strncmp(line + TIME_LENGTH + 1, "stderr", 6) ? 2 : 1;
        *ret_full = line[TIME_LENGTH + 8] == 'F';
        *ret_text = line + TIME_LENGTH + 10;
        return true;
}

/* Prints one log line; pieces are put together again. */
static void print_line(struct logs *l, char *line, size_t length)
{
        int stream;
        bool full;
        char *text;
        if (!split_line(line, length, &stream, &full, &text))
                return;
        /* A line counts where it begins: the streams' lines may lie in pieces between each other. */
        bool begins = !l->middle[stream];
        l->middle[stream] = !full;
        l->lines += begins;
        if (begins) {
                l->left_out[stream] = l->counts || l->skip > 0;
                l->skip -= l->skip > 0;
        }
        if (l->left_out[stream])
                return;
        FILE *f = stream == 2 ? stderr : stdout;
        if (l->timestamps && begins)
                fprintf(f, "%.*s ", TIME_LENGTH, line);
        (void)fwrite(text, 1, length - (size_t)(text - line), f);
        if (full)
                fputc('\n', f);
}

/* Takes bytes of the log file, and prints the lines that are whole. */
static void take_bytes(struct logs *l, const char *data, size_t size)
{
        text_add_bytes(&l->pending, data, size);
        size_t at = 0;
        for (char *newline; l->pending.length > at &&
                            (newline = memchr(l->pending.data + at, '\n', l->pending.length - at));) {
                size_t end = (size_t)(newline - l->pending.data);
                print_line(l, l->pending.data + at, end - at);
                at = end + 1;
        }
        memmove(l->pending.data, l->pending.data + at, l->pending.length - at);
        l->pending.length -= at;
}

/* Prints a file from where it stands to its present end. */
static void print_rest(struct logs *l, int fd)
{
        char data[65536];
        for (ssize_t n; (n = read(fd, data, sizeof data)) > 0;)
                take_bytes(l, data, (size_t)n);
        (void)fflush(stdout);
        (void)fflush(stderr);
}

static int open_log(int dir_fd, const char *name)
{
        return openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* Reads what stands there now: the rotated part, then the log. */
static void read_past(struct logs *l, int old, int fd)
{
        if (old >= 0 && lseek(old, 0, SEEK_SET) == 0)
                print_rest(l, old);
        if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0)
                print_rest(l, fd);
}

/* Prints what stands there now; returns the open log, from which following goes on. */
static int print_past(struct logs *l, int dir_fd)
{
        CLEAN_FD int old = open_log(dir_fd, "log.1");
        CLEAN_FD int fd = open_log(dir_fd, "log");
        if (l->tail != ALL_LINES) {
                /* Both parts are bounded, so counting first is cheap and right for lines in pieces, too. */
                struct logs counter = { .counts = true };
                read_past(&counter, old, fd);
                l->skip = counter.lines > l->tail ? counter.lines - l->tail : 0;
                text_clear(&counter.pending);
        }
        read_past(l, old, fd);
        return TAKE_FD(fd);
}

/* Whether the log was rotated away under the reader. */
static bool is_replaced(int dir_fd, int fd)
{
        struct stat mine, there;
        return fd < 0 || (fstat(fd, &mine) == 0 && fstatat(dir_fd, "log", &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                          mine.st_ino != there.st_ino);
}

static void follow(struct logs *l, int dir_fd, int *fd)
{
        for (bool live = true; live;) {
                live = run_is_live(dir_fd); /* asked before reading, so that the last lines are read after the end */
                if (*fd >= 0)
                        print_rest(l, *fd);
                if (is_replaced(dir_fd, *fd)) {
                        if (*fd >= 0)
                                print_rest(l, *fd); /* what came between the read and the rotation */
                        (void)fd_close(*fd);
                        *fd = open_log(dir_fd, "log");
                        if (*fd >= 0)
                                print_rest(l, *fd);
                }
                if (live)
                        (void)poll(NULL, 0, POLL_MS);
        }
}

int cmd_logs(int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "follow", 'f', NULL, 0, "Go on until the run ends", 0 },
                { "tail", 'n', "N", 0, "Only the last N lines", 0 },
                { "timestamps", 't', NULL, 0, "Begin each line with its time", 0 },
                { 0 },
        };
        static const struct argp argp = { options, parse_option, "UNIT", "Show the output of a run", NULL, NULL, NULL };
        struct logs l = { .tail = ALL_LINES };
        struct error e = { 0 };
        CLEAN_TARGET struct target t = TARGET_INIT;
        if (argp_parse(&argp, argc, argv, 0, NULL, &l) != 0)
                return 1;
        if (target_open(l.unit, &t, &e) < 0)
                return target_fail("show the log of", l.unit, &e);
        CLEAN_FD int fd = print_past(&l, t.dir_fd);
        if (l.follow)
                follow(&l, t.dir_fd, &fd);
        text_clear(&l.pending);
        return ferror(stdout) ? 1 : 0;
}
