/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/terminal.h"

#include <fcntl.h>
#include <linux/vt.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>

#include "base/exit_status.h"

enum { TTY_MAJOR = 4, VT_MAX = 63 };

static int open_terminal(const char *path)
{
        /* Without O_NONBLOCK a serial line waits for its carrier. */
        int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (!isatty(fd)) {
                fd_close(fd);
                return -ENOTTY;
        }
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0)
                return fd;
        int error = errno;
        fd_close(fd);
        return -error;
}

/* The virtual terminal that fd is, or 0. */
static unsigned virtual_number(int fd)
{
        struct stat st;
        bool is = fstat(fd, &st) == 0 && major(st.st_rdev) == TTY_MAJOR && minor(st.st_rdev) <= VT_MAX;
        return is ? minor(st.st_rdev) : 0;
}

/* Frees what it shows and remembers; one that is in use is only cleared. */
static int disallocate(int fd, unsigned number)
{
        static const char clear[] = "\033[r\033[H\033[3J";
        CLEAN_FD int tty0 = open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (tty0 >= 0 && ioctl(tty0, VT_DISALLOCATE, (int)number) == 0)
                return 0;
        return write(fd, clear, sizeof clear - 1) < 0 ? -errno : 0;
}

static int reset(int fd)
{
        struct termios t;
        (void)ioctl(fd, TIOCNXCL);
        if (tcgetattr(fd, &t) < 0)
                return -errno;
        t.c_iflag = (t.c_iflag & ~(tcflag_t)(IGNBRK | BRKINT | ISTRIP | INLCR | IGNCR | IUCLC)) | ICRNL | IMAXBEL | IUTF8;
        t.c_oflag = (t.c_oflag & ~(tcflag_t)(OLCUC | OCRNL | ONOCR | ONLRET)) | ONLCR | OPOST;
        t.c_cflag |= CREAD;
        t.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
        t.c_cc[VINTR] = 03;
        t.c_cc[VQUIT] = 034;
        t.c_cc[VERASE] = 0177;
        t.c_cc[VKILL] = 025;
        t.c_cc[VEOF] = 04;
        t.c_cc[VSTART] = 021;
        t.c_cc[VSTOP] = 023;
        t.c_cc[VSUSP] = 032;
        t.c_cc[VLNEXT] = 026;
        t.c_cc[VWERASE] = 027;
        t.c_cc[VREPRINT] = 022;
        t.c_cc[VEOL] = t.c_cc[VEOL2] = 0;
        t.c_cc[VTIME] = 0;
        t.c_cc[VMIN] = 1;
        return tcsetattr(fd, TCSANOW, &t) < 0 || tcflush(fd, TCIOFLUSH) < 0 ? -errno : 0;
}

static int set_size(int fd, const struct plan_tty *t)
{
        struct winsize size;
        if (!t->rows && !t->columns)
                return 0;
        if (ioctl(fd, TIOCGWINSZ, &size) < 0)
                return -errno;
        size.ws_row = t->rows ? (unsigned short)t->rows : size.ws_row;
        size.ws_col = t->columns ? (unsigned short)t->columns : size.ws_col;
        return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int terminal_open(const struct plan_process *p)
{
        const struct plan_tty *t = &p->tty;
        const char *path = t->path ? t->path : "/dev/console";
        CLEAN_FD int fd = open_terminal(path);
        if (fd < 0)
                return fd;
        int r = 0;
        if (t->hang_up) {
                /* Whoever had it open has lost it, and so have we. */
                r = ioctl(fd, TIOCVHANGUP) < 0 ? -errno : 0;
                fd = fd_close(fd);
                fd = r == 0 ? open_terminal(path) : r;
                if (fd < 0)
                        return fd;
        }
        if (t->disallocate && virtual_number(fd))
                r = disallocate(fd, virtual_number(fd));
        if (r == 0 && t->reset)
                r = reset(fd);
        if (r == 0)
                r = set_size(fd, t);
        return r < 0 ? r : TAKE_FD(fd);
}

int terminal_take(const struct plan *p, int fd, struct error *e)
{
        const struct plan_stream *s = &p->process.streams[0];
        const struct timespec pause = { .tv_nsec = 50000000 };
        while (ioctl(fd, TIOCSCTTY, s->tty == PLAN_TTY_FORCE) < 0) {
                if (errno == EPERM && s->tty == PLAN_TTY_WAIT) {
                        (void)nanosleep(&pause, NULL); /* another session has it: until it lets go, or we are told to end */
                        continue;
                }
                error_errno(e, errno, "session.terminal", "taking %s", p->process.tty.path ? p->process.tty.path : "/dev/console");
                error_status(e, STATUS_STDIN);
                return error_while(e, "applying %s", s->origin);
        }
        return 0;
}
