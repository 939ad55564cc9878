/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "os/file.h"
#include "shim/undo.h"

enum { EXIT_RECORD_SIZE = 512 };

static uint64_t clock_usec(clockid_t clock)
{
        struct timespec t;
        (void)clock_gettime(clock, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t state_now_usec(void)
{
        return clock_usec(CLOCK_REALTIME);
}

uint64_t state_boot_usec(void)
{
        return clock_usec(CLOCK_BOOTTIME);
}

static bool is_alnum(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of units that have a supervisor. */
static const char *unit_suffix(const char *name)
{
        static const char *const suffixes[] = { ".service", ".socket", ".timer", ".path" };
        for (size_t i = 0; i < ELEMENTS(suffixes); i++)
                if (text_ends(name, suffixes[i]))
                        return suffixes[i];
        return NULL;
}

bool unit_name_valid(const char *name)
{
        size_t n = strlen(name);
        const char *suffix = unit_suffix(name);
        if (n > UNIT_NAME_MAX || !suffix || n == strlen(suffix) || strstr(name, "..") || (!is_alnum(name[0]) && name[0] != '_'))
                return false;
        for (; *name; name++)
                if (!is_alnum(*name) && !strchr(":-_.\\@", *name))
                        return false;
        return true;
}

/* ---- the root ---- */

static int check_owner(int fd, const char *path, bool private, struct error *e)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_errno(e, errno, "state.root", "fstat(%s)", path);
        if (st.st_uid != geteuid())
                return error_set(e, EPERM, "state.root", "%s belongs to user %u, not to user %u", path,
                                 (unsigned)st.st_uid, (unsigned)geteuid());
        if (st.st_mode & (private ? 0077 : 0022))
                return error_set(e, EPERM, "state.root", "%s has mode %04o, so that others could reach into it", path,
                                 (unsigned)st.st_mode & 07777);
        return 0;
}

static char *choose_root(bool user_mode, bool *ret_private)
{
        struct stat st;
        const char *env = getenv("BULKHEAD_RUNTIME_DIR"), *xdg = getenv("XDG_RUNTIME_DIR");
        *ret_private = true;
        if (env && *env == '/')
                return xstrdup(env);
        if (!user_mode) {
                *ret_private = false;
                return xstrdup("/run/bulkhead");
        }
        if (xdg && *xdg == '/' && stat(xdg, &st) == 0 && st.st_uid == geteuid())
                return xprintf("%s/bulkhead", xdg);
        CLEAN_FREE char *run = xprintf("/run/user/%u", (unsigned)geteuid());
        if (lstat(run, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
                return xprintf("%s/bulkhead", run);
        return xprintf("/tmp/bulkhead-run-%u", (unsigned)geteuid());
}

int state_root_open(bool user_mode, char **ret_path, struct error *e)
{
        bool private;
        CLEAN_FREE char *path = choose_root(user_mode, &private);
        /* Parents of our own place may be missing in a bare container: only there are they made. */
        const mode_t mode = private ? 0700 : 0711;
        if (mkdir(path, mode) == 0)
                (void)chmod(path, mode); /* whatever our umask is: users of their own pass through to the sockets of their services */
        else if (errno == ENOENT) {
                int r = file_make_folders(path, mode, e);
                if (r < 0)
                        return r;
        } else if (errno != EEXIST && access(path, F_OK) < 0)
                return error_errno(e, errno, "state.root", "mkdir(%s)", path);
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, errno, "state.root", "open(%s)", path);
        /* A folder that the user names with the variable may be readable by others; never writable. */
        int r = check_owner(fd, path, private && text_starts(path, "/tmp/bulkhead-run-"), e);
        if (r < 0)
                return r;
        if (mkdirat(fd, "runs", 0700) < 0 && errno != EEXIST)
                return error_errno(e, errno, "state.root", "mkdir(%s/runs)", path);
        if (ret_path)
                *ret_path = TAKE_PTR(path);
        return TAKE_FD(fd);
}

static int open_folder(int dir_fd, const char *name)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* ---- the end, in reserved room ---- */

static int reserve_end(int dir_fd)
{
        char room[EXIT_RECORD_SIZE];
        memset(room, ' ', sizeof room);
        return file_replace(dir_fd, "exit", room, sizeof room, 0600);
}

static int write_end(int dir_fd, const struct run_state *s)
{
        char record[EXIT_RECORD_SIZE];
        int n = snprintf(record, sizeof record, "%s %s %d %s %llu %llu\n", run_phase_name(s->phase),
                         s->code[0] ? s->code : "-", s->status, s->result, (unsigned long long)s->ended_usec,
                         (unsigned long long)s->cpu_usec);
        if (n < 0 || (size_t)n >= sizeof record)
                return -EINVAL;
        memset(record + n, ' ', sizeof record - (size_t)n);
        CLEAN_FD int fd = openat(dir_fd, "exit", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* Overwrites bytes that exist: a full disk does not matter. */
        return pwrite(fd, record, sizeof record, 0) == (ssize_t)sizeof record ? 0 : -EIO;
}

/* Lays the reserved record over a state.json that could not be replaced any more. */
static void overlay_end(int dir_fd, struct run_state *s)
{
        CLEAN_TEXT struct text t = { 0 };
        char phase[16], code[8], result[32];
        int status;
        unsigned long long ended, cpu;
        if (file_read_short(dir_fd, "exit", EXIT_RECORD_SIZE, &t) < 0 || !t.data || t.data[0] == ' ' ||
            sscanf(t.data, "%15s %7s %d %31s %llu %llu", phase, code, &status, result, &ended, &cpu) != 6)
                return;
        /* A damaged record says nothing. */
        if (result[strspn(result, "abcdefghijklmnopqrstuvwxyz-")] || code[strspn(code, "abcdefghijklmnopqrstuvwxyz-")] ||
            ended > INT64_MAX || cpu > INT64_MAX)
                return;
        s->phase = text_equal(phase, "exited") ? RUN_EXITED : RUN_FAILED;
        (void)snprintf(s->code, sizeof s->code, "%s", text_equal(code, "-") ? "" : code);
        (void)snprintf(s->result, sizeof s->result, "%s", result);
        s->status = status;
        s->ended_usec = ended;
        s->cpu_usec = cpu;
}

int run_record_end(int dir_fd, const struct run_state *s)
{
        int reserved = write_end(dir_fd, s);
        int r = run_save_state(dir_fd, s, NULL);
        if (r < 0) {
                (void)unlinkat(dir_fd, "log.1", 0); /* the older half of the log is worth less than the end */
                r = run_save_state(dir_fd, s, NULL);
        }
        return r < 0 ? reserved : 0;
}

int run_load_state(int dir_fd, struct run_state *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read_short(dir_fd, "state.json", STATE_SIZE_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "state.load", "read state.json");
        CLEAN_RUN_STATE struct run_state s = { 0 };
        r = run_state_parse(t.data ? t.data : "", t.length, &s, e);
        if (r < 0)
                return r;
        if (!run_state_ended(&s))
                overlay_end(dir_fd, &s);
        *ret = s;
        s = (struct run_state){ 0 };
        return 0;
}

/* ---- the lock ---- */

/* Opens a run's lock and takes it. -EWOULDBLOCK when it is held, -ESTALE when the folder was removed meanwhile. */
static int take_lock(int dir_fd, int operation)
{
        struct stat mine, there;
        CLEAN_FD int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return errno == ENOENT ? -ESTALE : -errno;
        while (flock(fd, operation | LOCK_NB) < 0)
                if (errno != EINTR)
                        return -errno;
        if (fstat(fd, &mine) < 0 || fstatat(dir_fd, "lock", &there, AT_SYMLINK_NOFOLLOW) < 0 ||
            mine.st_ino != there.st_ino)
                return -ESTALE;
        return TAKE_FD(fd);
}

/* As take_lock for a supervisor to be; a glance of ps holds the lock shared for a moment. */
static int take_lock_patiently(int dir_fd)
{
        int fd = -EWOULDBLOCK;
        for (int i = 0; i < 20 && fd == -EWOULDBLOCK; i++) {
                if (i)
                        (void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
                fd = take_lock(dir_fd, LOCK_EX);
        }
        return fd;
}

bool run_is_live(int dir_fd)
{
        CLEAN_FD int fd = openat(dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* Ends a run whose lock the caller holds. */
static int reconcile_locked(int dir_fd)
{
        CLEAN_RUN_STATE struct run_state s = { 0 };
        if (run_load_state(dir_fd, &s, NULL) < 0) {
                (void)run_undo_all(dir_fd); /* died before its first record */
                return -EBADMSG;
        }
        if (run_state_ended(&s))
                return 0;
        run_kill_cgroups(dir_fd);
        run_kill_invocation(s.invocation_id);
        (void)run_undo_all(dir_fd);
        s.phase = RUN_FAILED;
        s.ended_usec = state_now_usec();
        (void)snprintf(s.result, sizeof s.result, "supervisor-killed");
        if (s.sub[0])
                (void)snprintf(s.sub, sizeof s.sub, "failed");
        return run_record_end(dir_fd, &s);
}

int run_reconcile(int root_fd, const char *unit)
{
        CLEAN_FD int dir_fd = run_open(root_fd, unit, NULL);
        if (dir_fd < 0)
                return dir_fd;
        CLEAN_FD int lock_fd = take_lock(dir_fd, LOCK_EX);
        if (lock_fd < 0)
                return lock_fd == -EWOULDBLOCK ? 0 : lock_fd;
        return reconcile_locked(dir_fd);
}

/* As run_load_state, of a run that may just be about to begin: its folder is there and locked before its first record. */
static int load_first(int dir_fd, struct run_state *ret, struct error *e)
{
        int r = run_load_state(dir_fd, ret, e);
        for (int i = 0; r == -ENOENT && i < 200 && run_is_live(dir_fd); i++) {
                (void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
                r = run_load_state(dir_fd, ret, e);
        }
        return r;
}

int run_refresh(int root_fd, const char *unit, struct run_state *ret, struct error *e)
{
        CLEAN_FD int dir_fd = run_open(root_fd, unit, e);
        if (dir_fd < 0)
                return dir_fd;
        CLEAN_RUN_STATE struct run_state s = { 0 };
        int r = load_first(dir_fd, &s, e);
        if (r < 0 && r != -EPROTONOSUPPORT && !run_is_live(dir_fd)) {
                /* It died before its first record, or the record is damaged, which is kept to be looked at. */
                (void)(r == -ENOENT ? run_remove(root_fd, unit) : run_reconcile(root_fd, unit));
                return r;
        }
        if (r < 0)
                return r;
        if (!run_state_ended(&s) && !run_is_live(dir_fd)) {
                (void)run_reconcile(root_fd, unit);
                run_state_done(&s);
                r = run_load_state(dir_fd, &s, e);
                if (r < 0)
                        return r;
        }
        *ret = s;
        s = (struct run_state){ 0 };
        return 0;
}

/* ---- runs ---- */

int run_open(int root_fd, const char *unit, struct error *e)
{
        if (!unit_name_valid(unit))
                return error_set(e, EINVAL, "unit.name", "\"%s\" is not a unit name", unit);
        char path[sizeof "runs/" + UNIT_NAME_MAX];
        (void)snprintf(path, sizeof path, "runs/%s", unit);
        int fd = open_folder(root_fd, path);
        if (fd == -ENOENT) {
                (void)error_set(e, ENOENT, "unit.unknown", "there is no run named %s", unit);
                error_hint(e, "bulkhead ps -a lists all runs");
                return -ENOENT;
        }
        return fd < 0 ? error_errno(e, fd, "state.open", "open the folder of %s", unit) : fd;
}

static int open_socket(int dir_fd)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* Through the descriptor, since the whole path may be longer than a socket address. */
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", dir_fd);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || fchmodat(dir_fd, "sock", 0600, 0) < 0 ||
            listen(fd, 64) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void wipe(int dir_fd)
{
        static const char *const names[] = { "state.json", "exit", "unit", "sock", "log", "log.1", "state.json.new", "denials.json", "denials.json.new" };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                (void)unlinkat(dir_fd, names[i], 0);
}

static int lock_folder(int runs_fd, const char *unit, struct run *run, bool *ret_fresh)
{
        for (int i = 0; i < 8; i++) {
                *ret_fresh = mkdirat(runs_fd, unit, 0700) == 0;
                if (!*ret_fresh && errno != EEXIST)
                        return -errno;
                CLEAN_FD int dir_fd = open_folder(runs_fd, unit);
                if (dir_fd == -ENOENT)
                        continue;
                if (dir_fd < 0)
                        return dir_fd;
                int lock_fd = take_lock_patiently(dir_fd);
                if (lock_fd == -ESTALE)
                        continue;
                if (lock_fd < 0)
                        return lock_fd;
                run->dir_fd = TAKE_FD(dir_fd);
                run->lock_fd = lock_fd;
                return 0;
        }
        return -EAGAIN;
}

int run_create(int root_fd, const char *unit, struct run *ret, struct error *e)
{
        if (!unit_name_valid(unit)) {
                (void)error_set(e, EINVAL, "unit.name", "\"%s\" is not a unit name", unit);
                error_hint(e, "letters, digits and :-_.\\@, at most %d, ending in .service", UNIT_NAME_MAX);
                return -EINVAL;
        }
        CLEAN_RUN struct run run = RUN_INIT;
        bool fresh = false;
        run.runs_fd = open_folder(root_fd, "runs");
        int r = run.runs_fd < 0 ? run.runs_fd : lock_folder(run.runs_fd, unit, &run, &fresh);
        if (r == -EWOULDBLOCK) {
                (void)error_set(e, EEXIST, "unit.exists", "a run named %s is live", unit);
                error_hint(e, "bulkhead stop %s, or choose another name with --unit=", unit);
                return -EEXIST;
        }
        if (r < 0)
                return error_errno(e, r, "state.create", "make the folder of %s", unit);
        if (!fresh) {
                (void)reconcile_locked(run.dir_fd);
                if (run_undo_all(run.dir_fd) < 0) /* else it lists groups that were left to their processes, at most */
                        (void)unlinkat(run.dir_fd, "undo", 0);
                wipe(run.dir_fd);
        }
        r = reserve_end(run.dir_fd);
        if (r == 0)
                r = run.sock_fd = open_socket(run.dir_fd);
        if (r < 0) {
                (void)file_remove_tree(run.runs_fd, unit);
                return error_errno(e, r, "state.create", "prepare the folder of %s", unit);
        }
        run.unit = xstrdup(unit);
        *ret = run;
        run = (struct run)RUN_INIT;
        return 0;
}

void run_close(struct run *run)
{
        (void)fd_close(run->runs_fd);
        (void)fd_close(run->dir_fd);
        (void)fd_close(run->lock_fd);
        (void)fd_close(run->sock_fd);
        free(run->unit);
        *run = (struct run)RUN_INIT;
}

void run_abandon(struct run *run)
{
        if (run->dir_fd < 0)
                return;
        int r = run_undo_all(run->dir_fd);
        if (r == 0 || r == -EPERM) /* else the list stays for whoever looks next */
                (void)file_remove_tree(run->runs_fd, run->unit);
        run_close(run);
}

void run_remove_own(int dir_fd, const char *unit)
{
        CLEAN_FD int runs_fd = open_folder(dir_fd, "..");
        struct stat mine, there;
        if (runs_fd >= 0 && unit && unit_name_valid(unit) && fstat(dir_fd, &mine) == 0 &&
            fstatat(runs_fd, unit, &there, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino)
                (void)file_remove_tree(runs_fd, unit);
}

int run_take_ended(int dir_fd)
{
        int fd = take_lock_patiently(dir_fd);
        if (fd >= 0)
                (void)reconcile_locked(dir_fd);
        return fd;
}

int run_remove(int root_fd, const char *unit)
{
        CLEAN_FD int dir_fd = run_open(root_fd, unit, NULL);
        if (dir_fd < 0)
                return dir_fd;
        CLEAN_FD int lock_fd = take_lock_patiently(dir_fd);
        if (lock_fd == -EWOULDBLOCK)
                return -EBUSY;
        if (lock_fd < 0)
                return lock_fd == -ESTALE ? -ENOENT : lock_fd;
        (void)reconcile_locked(dir_fd);
        (void)run_undo_all(dir_fd);
        CLEAN_FD int runs_fd = open_folder(root_fd, "runs");
        return runs_fd < 0 ? runs_fd : file_remove_tree(runs_fd, unit);
}

int runs_list(int root_fd, int (*callback)(void *data, int runs_fd, const char *unit), void *data)
{
        int runs_fd = open_folder(root_fd, "runs");
        if (runs_fd < 0)
                return runs_fd == -ENOENT ? 0 : runs_fd;
        DIR *dir = fdopendir(runs_fd);
        int r = 0;
        if (!dir) {
                r = -errno;
                (void)fd_close(runs_fd);
                return r;
        }
        for (struct dirent *d; r == 0 && (d = readdir(dir));)
                if (unit_name_valid(d->d_name))
                        r = callback(data, runs_fd, d->d_name);
        closedir(dir);
        return r;
}

struct ended {
        uint64_t when;
        char *unit;
};

struct ended_list {
        struct ended *items;
        size_t count, room;
};

static int collect_ended(void *data, int runs_fd, const char *unit)
{
        struct ended_list *l = data;
        CLEAN_RUN_STATE struct run_state s = { 0 };
        CLEAN_FD int dir_fd = open_folder(runs_fd, unit);
        if (dir_fd >= 0 && run_load_state(dir_fd, &s, NULL) == 0 && run_state_ended(&s) && !run_is_live(dir_fd)) {
                l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
                l->items[l->count++] = (struct ended){ .when = s.ended_usec, .unit = xstrdup(unit) };
        }
        return 0;
}

static int newest_first(const void *a, const void *b)
{
        const struct ended *x = a, *y = b;
        return (x->when < y->when) - (x->when > y->when);
}

int runs_prune(int root_fd)
{
        struct ended_list l = { 0 };
        int r = runs_list(root_fd, collect_ended, &l);
        if (l.count)
                qsort(l.items, l.count, sizeof *l.items, newest_first);
        for (size_t i = 0; i < l.count; i++) {
                if (i >= STATE_ENDED_KEPT)
                        (void)run_remove(root_fd, l.items[i].unit);
                free(l.items[i].unit);
        }
        free(l.items);
        return r;
}
