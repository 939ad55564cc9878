/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between us and the program stands a keeper: a process that reads what the program writes, watches the clock, and holds the lock.  So all
 * of that outlasts us where it should.  It lives between clone and _exit of a process that may have threads, so it calls
 * nothing that takes a lock or memory; what it found out it leaves in memory that we share.
 */
#include "os/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "os/file.h"
#include "os/process.h"

enum { GRACE_USEC = 2000000, CHUNK = 16384, LEFT_CHUNKS = 64, WORDS_MAX = 320, EXIT_NOT_RUN = 127 };

/* What the keeper tells us. errors is a ring. */
struct findings {
        atomic_bool complete;
        bool late, cut;
        int status, start_errno;
        size_t output_size, errors_written;
        char errors[PROGRAM_ERRORS_MAX];
        char output[];
};

struct keeper {
        const struct program_run *run;
        struct findings *found;
        int input_fd, output_fd, errors_fd; /* of pipes, ours of the two ends; input is a file */
        int program_output_fd, program_errors_fd;
        int parent_fd; /* a pidfd: to see whether who started us is still there when we ask to die with it */
        int program_fd; /* a pidfd */
        pid_t program;
};

static uint64_t now_usec(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool gone(int pidfd)
{
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        return poll(&p, 1, 0) > 0;
}

/* ---- the program ---- */

static _Noreturn void become_program(const struct keeper *k)
{
        const struct program_run *p = k->run;
        if (dup2(k->input_fd, STDIN_FILENO) < 0 || dup2(k->program_output_fd, STDOUT_FILENO) < 0 ||
            dup2(k->program_errors_fd, STDERR_FILENO) < 0 || chdir(p->folder ? p->folder : "/") < 0)
                goto fail;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (process_cloexec_from(3) < 0)
                goto fail;
        execve(p->argv[0], p->argv, p->environment);
fail:
        k->found->start_errno = errno;
        _exit(EXIT_NOT_RUN);
}

/* ---- the keeper ---- */

static void take_output(struct findings *f, size_t max, const char *data, size_t n)
{
        size_t room = max - f->output_size, take = n < room ? n : room;
        memcpy(f->output + f->output_size, data, take);
        f->output_size += take;
        f->cut |= take < n;
}

static void take_errors(struct findings *f, const char *data, size_t n)
{
        for (size_t i = 0; i < n; i++)
                f->errors[f->errors_written++ % PROGRAM_ERRORS_MAX] = data[i];
}

/* Reads once. False at the end, or when there is nothing now. */
static bool take(struct keeper *k, int fd)
{
        char chunk[CHUNK];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0)
                return false;
        if (fd == k->output_fd)
                take_output(k->found, k->run->output_max, chunk, (size_t)n);
        else
                take_errors(k->found, chunk, (size_t)n);
        return true;
}

/* Until the program ends; true when it did not do so until due. Its pipes may stay open longer, in the hands of what it left behind. */
static bool watch(struct keeper *k, uint64_t due)
{
        struct pollfd p[] = { { .fd = k->program_fd, .events = POLLIN },
                              { .fd = k->output_fd, .events = POLLIN },
                              { .fd = k->errors_fd, .events = POLLIN } };
        for (;;) {
                uint64_t now = now_usec();
                if (now >= due)
                        return true;
                uint64_t left_ms = (due - now) / 1000 + 1;
                if (poll(p, ELEMENTS(p), left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) < 0 && errno != EINTR)
                        return true;
                for (size_t i = 1; i < ELEMENTS(p); i++)
                        if (p[i].revents && !take(k, p[i].fd) && errno != EAGAIN)
                                p[i].fd = -1;
                if (p[0].revents)
                        return false;
        }
}

static void end_group(struct keeper *k)
{
        k->found->late = true;
        (void)kill(-k->program, SIGTERM);
        (void)watch(k, now_usec() + GRACE_USEC);
        (void)kill(-k->program, SIGKILL);
}

static _Noreturn void become_keeper(struct keeper *k)
{
        uint64_t due = now_usec() + k->run->limit_usec;
        process_forget_signals();
        (void)setsid();
        if (k->run->hold_fd < 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (gone(k->parent_fd))
                        _exit(1);
        }
        int kept[] = { k->input_fd, k->output_fd, k->errors_fd, k->program_output_fd, k->program_errors_fd, k->run->hold_fd };
        process_close_others(kept, ELEMENTS(kept), 3);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; null >= 0 && fd < 3; fd++)
                (void)dup2(null, fd);
        k->program = process_clone(0, -1, &k->program_fd);
        if (k->program < 0) {
                k->found->start_errno = -k->program;
                _exit(1);
        }
        if (k->program == 0) {
                (void)setpgid(0, 0);
                become_program(k);
        }
        (void)setpgid(k->program, k->program);
        (void)close(k->program_output_fd);
        (void)close(k->program_errors_fd);
        if (watch(k, due))
                end_group(k);
        while (waitpid(k->program, &k->found->status, 0) < 0 && errno == EINTR)
                ;
        /* What is left in the pipes, and no more: others may go on writing. */
        for (int i = 0; i < LEFT_CHUNKS && take(k, k->output_fd); i++)
                ;
        for (int i = 0; i < LEFT_CHUNKS && take(k, k->errors_fd); i++)
                ;
        atomic_store(&k->found->complete, true);
        _exit(0);
}

/* ---- us ---- */

void program_end_done(struct program_end *p)
{
        text_clear(&p->output);
        text_clear(&p->errors);
}

/* A file: a program that does not read its input holds nobody up. */
static int open_input(const struct program_run *p)
{
        if (!p->input) {
                int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
                return null < 0 ? -errno : null;
        }
        CLEAN_FD int fd = memfd_create("input", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = file_write_all(fd, p->input, p->input_size);
        return r < 0 ? r : lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

static void read_findings(const struct findings *f, struct program_end *ret)
{
        *ret = (struct program_end){ .late = f->late, .cut = f->cut, .status = -1 };
        if (WIFEXITED(f->status))
                ret->status = WEXITSTATUS(f->status);
        else
                ret->signal = WTERMSIG(f->status);
        text_add_bytes(&ret->output, f->output, f->output_size);
        size_t from = f->errors_written > PROGRAM_ERRORS_MAX ? f->errors_written % PROGRAM_ERRORS_MAX : 0;
        size_t size = f->errors_written > PROGRAM_ERRORS_MAX ? PROGRAM_ERRORS_MAX : f->errors_written;
        text_add_bytes(&ret->errors, f->errors + from, size - from);
        text_add_bytes(&ret->errors, f->errors, from);
}

static int run_kept(struct keeper *k, struct program_end *ret, struct error *e)
{
        CLEAN_FD int keeper_fd = -EBADF;
        pid_t pid = process_clone(0, -1, &keeper_fd);
        if (pid < 0)
                return error_errno(e, pid, "program.refused", "starting %s", k->run->argv[0]);
        if (pid == 0)
                become_keeper(k);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (k->found->start_errno)
                return error_errno(e, k->found->start_errno, "program.refused", "starting %s", k->run->argv[0]);
        if (!atomic_load(&k->found->complete))
                return error_set(e, EIO, "program.refused", "what watched over %s was killed", k->run->argv[0]);
        read_findings(k->found, ret);
        return 0;
}

int program_run(const struct program_run *p, struct program_end *ret, struct error *e)
{
        int output[2] = { -1, -1 }, errors[2] = { -1, -1 };
        if (*p->argv[0] != '/')
                return error_set(e, EINVAL, "program.path", "%s is not an absolute path", p->argv[0]);
        size_t size = sizeof(struct findings) + p->output_max;
        struct findings *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (found == MAP_FAILED)
                return error_errno(e, errno, "program.refused", "memory for what %s writes", p->argv[0]);
        CLEAN_FD int input = open_input(p), parent = process_open(getpid());
        int r = input < 0 ? input : parent < 0 ? parent : 0;
        if (r == 0 && (pipe2(output, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0))
                r = -errno;
        if (r < 0) {
                error_errno(e, r, "program.refused", "pipes for %s", p->argv[0]);
        } else {
                /* Only our ends: what the program inherits must block as programs expect. */
                (void)fcntl(output[0], F_SETFL, O_NONBLOCK);
                (void)fcntl(errors[0], F_SETFL, O_NONBLOCK);
                struct keeper k = { .run = p, .found = found, .input_fd = input, .output_fd = output[0], .errors_fd = errors[0],
                                    .program_output_fd = output[1], .program_errors_fd = errors[1], .parent_fd = parent };
                r = run_kept(&k, ret, e);
        }
        for (int i = 0; i < 2; i++) {
                (void)fd_close(output[i]);
                (void)fd_close(errors[i]);
        }
        (void)munmap(found, size);
        return r;
}

/* The end of a text on one line: blanks and control characters become single blanks. */
static void add_end(struct text *t, const struct text *from, size_t max)
{
        bool blank = true;
        for (size_t i = from->length > max ? from->length - max : 0; i < from->length; i++) {
                bool now = (unsigned char)from->data[i] <= ' ' || from->data[i] == 0x7f;
                if (!now && blank && t->length)
                        text_add(t, " ");
                if (!now)
                        text_add_bytes(t, from->data + i, 1);
                blank = now;
        }
}

char *program_end_words(const struct program_run *p, const struct program_end *end)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_TEXT struct text words = { 0 };
        add_end(&words, &end->errors, WORDS_MAX);
        if (end->late)
                text_addf(&t, "did not end in %g s", (double)p->limit_usec / 1e6);
        else if (end->signal)
                text_addf(&t, "was ended by signal %d", end->signal);
        else
                text_addf(&t, "exit status %d", end->status);
        if (words.length)
                text_addf(&t, ": %s", words.data);
        return TAKE_PTR(t.data);
}
