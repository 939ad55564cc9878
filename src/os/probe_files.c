/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attempts at files: the system's, homes, devices, kernel settings, control groups, processes, sockets, and what a plan hides. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "os/probe_internal.h"

enum { ENTRIES_MAX = 4000 /* of one walk */ };

static bool may(const char *path, int mode)
{
        return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

/* ---- a walk ---- */

struct walk {
        struct probe *p;
        bool (*visit)(struct walk *w, const char *path, const struct stat *st); /* false: not below this */
        unsigned left, depth;
        const char *top;
};

static void walk(struct walk *w, const char *folder, unsigned depth)
{
        char path[PROBE_DETAIL_MAX];
        DIR *d = opendir(folder);
        if (!d)
                return;
        for (struct dirent *x; w->left && (x = readdir(d));) {
                struct stat st;
                if (text_equal(x->d_name, ".") || text_equal(x->d_name, "..") ||
                    (size_t)snprintf(path, sizeof path, "%s/%s", text_equal(folder, "/") ? "" : folder, x->d_name) >= sizeof path || lstat(path, &st) < 0)
                        continue;
                w->left--;
                if (w->visit(w, path, &st) && S_ISDIR(st.st_mode) && depth)
                        walk(w, path, depth - 1);
        }
        (void)closedir(d);
}

/* ---- the system ---- */

enum { SYSTEM_OTHER = 3, SYSTEM_ETC = 5, SYSTEM_WHOLE = 10 };

static uint64_t system_part(const char *path)
{
        static const char *const whole[] = { "/usr", "/boot", "/efi", "/bin", "/sbin", "/lib", "/lib64" };
        for (size_t i = 0; i < ELEMENTS(whole); i++)
                if (path_is_below(path, whole[i]))
                        return SYSTEM_WHOLE;
        return path_is_below(path, "/etc") ? SYSTEM_ETC : 0;
}

static void note_writable(struct probe *p, const char *path, uint64_t value)
{
        if (value > p->value && probe_may_make_files(path)) {
                p->value = value;
                probe_detail(p, "%s", path);
        }
}

/* The plan's own writable paths count where they are of the system: "writable.PATH=". */
static void try_system(struct probe *p, const struct probe_attempt *a)
{
        static const struct {
                const char *path;
                uint64_t value;
        } rows[] = {
                { "/usr", SYSTEM_WHOLE },     { "/usr/bin", SYSTEM_WHOLE }, { "/usr/sbin", SYSTEM_WHOLE }, { "/usr/lib", SYSTEM_WHOLE },
                { "/usr/local", SYSTEM_WHOLE }, { "/boot", SYSTEM_WHOLE },  { "/etc", SYSTEM_ETC },        { "/etc/systemd/system", SYSTEM_ETC },
                { "/etc/cron.d", SYSTEM_ETC }, { "/", SYSTEM_OTHER },       { "/var", SYSTEM_OTHER },      { "/var/lib", SYSTEM_OTHER },
                { "/opt", SYSTEM_OTHER },     { "/srv", SYSTEM_OTHER },
        };
        static const char key[] = "writable.";
        (void)a;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                note_writable(p, rows[i].path, rows[i].value);
        for (char *const *f = p->facts; *f; f++)
                if (text_starts(*f, key)) {
                        CLEAN_FREE char *path = xstrndup(*f + sizeof key - 1, strcspn(*f + sizeof key - 1, "="));
                        note_writable(p, path, system_part(path));
                }
}

static void try_root(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        if (!probe_fact(p, "node./"))
                probe_unknown(p, "the host's root folder cannot be told");
        else
                p->value = probe_is_host_node(p, "node", "/");
}

static void try_tmp(struct probe *p, const struct probe_attempt *a)
{
        static const char *const folders[] = { "/tmp", "/var/tmp" };
        (void)a;
        for (size_t i = 0; i < ELEMENTS(folders) && !p->value; i++)
                if (probe_is_host_node(p, "node", folders[i]) && may(folders[i], X_OK)) {
                        p->value = 1;
                        probe_detail(p, "%s", folders[i]);
                }
}

/* ---- homes ---- */

enum { HOME_SEEN = 1, HOME_READ = 5, HOME_WRITTEN = 10 };

static bool has_entries(const char *folder)
{
        DIR *d = opendir(folder);
        bool found = false;
        for (struct dirent *x; d && !found && (x = readdir(d));)
                found = !text_equal(x->d_name, ".") && !text_equal(x->d_name, "..");
        if (d)
                (void)closedir(d);
        return found;
}

static void raise_to(struct probe *p, uint64_t value, const char *path)
{
        if (value > p->value) {
                p->value = value;
                probe_detail(p, "%s", path);
        }
}

/* A folder that is mounted below an empty one. */
static bool visit_mounted(struct walk *w, const char *path, const struct stat *st)
{
        struct stat above;
        if (S_ISDIR(st->st_mode) && stat(w->top, &above) == 0 && above.st_dev != st->st_dev && may(path, X_OK))
                raise_to(w->p, probe_may_make_files(path) ? HOME_WRITTEN : HOME_READ, path);
        return false;
}

static void try_home(struct probe *p, const struct probe_attempt *a)
{
        static const char *const homes[] = { "/home", "/root", "/run/user" };
        (void)a;
        for (size_t i = 0; i < ELEMENTS(homes); i++) {
                struct walk w = { .p = p, .visit = visit_mounted, .left = ENTRIES_MAX, .top = homes[i] };
                struct stat st;
                /* One of mode 0 is a stand-in; root may enter it, and there is nothing. */
                if (stat(homes[i], &st) < 0 || !(st.st_mode & 0777) || !may(homes[i], X_OK))
                        continue;
                raise_to(p, HOME_SEEN, homes[i]);
                if (!probe_is_host_node(p, "node", homes[i])) {
                        walk(&w, homes[i], 0);
                        continue;
                }
                if (may(homes[i], R_OK) && has_entries(homes[i]))
                        raise_to(p, HOME_READ, homes[i]);
                if (probe_may_make_files(homes[i]))
                        raise_to(p, HOME_WRITTEN, homes[i]);
        }
}

/* ---- devices ---- */

/* null, zero, full, random, urandom, kmsg (of ProtectKernelLogs=), tty, console, ptmx and terminals. */
static bool is_standard_device(const struct stat *st)
{
        unsigned major_number = major(st->st_rdev), minor_number = minor(st->st_rdev);
        if (!S_ISCHR(st->st_mode))
                return false;
        return st->st_rdev == 0 || (major_number == 1 && (minor_number == 3 || minor_number == 5 || (minor_number >= 7 && minor_number <= 9) || minor_number == 11)) ||
               (major_number == 5 && minor_number <= 2) || (major_number >= 136 && major_number <= 143);
}

static bool visit_device(struct walk *w, const char *path, const struct stat *st)
{
        if ((S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) && !is_standard_device(st) && (may(path, R_OK) || may(path, W_OK)) && !w->p->value++)
                probe_detail(w->p, "%s", path);
        return true;
}

/* Asking for access asks the control group too; nothing is opened. */
static void find_devices(struct probe *p)
{
        struct walk w = { .p = p, .visit = visit_device, .left = ENTRIES_MAX };
        walk(&w, "/dev", 2);
}

static void try_devices(struct probe *p, const struct probe_attempt *a)
{
        (void)a;
        find_devices(p);
}

/* A node of mode 0 that is gone at once: whether it can be made, and whether the control group would let it be used. */
static bool may_make_node(mode_t type, dev_t device, bool *ret_usable)
{
        static const char *const folders[] = { "/dev", "/run", "/var/lib", "/var/tmp", "/tmp", "." };
        char path[64];
        /* What is made must be taken away again: whoever may not ends here, before anything is there. */
        if (unlink("/.bulkhead-probe-nothing") == 0 || (errno != ENOENT && errno != EROFS) || !may("/", F_OK))
                return false;
        for (size_t i = 0; i < ELEMENTS(folders); i++) {
                struct statvfs fs;
                (void)snprintf(path, sizeof path, "%s/.bulkhead-probe-%ld", folders[i], (long)getpid());
                if (mknod(path, type, device) < 0)
                        continue;
                *ret_usable = may(path, R_OK) && statvfs(folders[i], &fs) == 0 && !(fs.f_flag & ST_NODEV);
                (void)unlink(path);
                return true;
        }
        return false;
}

static void try_make_node(struct probe *p, const struct probe_attempt *a)
{
        bool usable = false;
        (void)a;
        p->value = may_make_node(S_IFCHR, makedev(1, 3), &usable);
}

/* Any device but the standard ones: one that is there, or a node of a loop device of a number that nobody uses. */
static void try_any_device(struct probe *p, const struct probe_attempt *a)
{
        enum { LOOP_MAJOR = 7, UNUSED = 0xfffff };
        bool usable = false;
        (void)a;
        find_devices(p);
        if (!p->value && may_make_node(S_IFBLK, makedev(LOOP_MAJOR, UNUSED), &usable) && usable) {
                p->value = 1;
                probe_detail(p, "a node that it makes");
        }
}

/* ---- kernel settings, control groups ---- */

static void try_tunables(struct probe *p, const struct probe_attempt *a)
{
        static const char *const files[] = {
                "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/panic",
                "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/file-max", "/proc/sys/fs/suid_dumpable",
                "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state",
        };
        (void)a;
        for (size_t i = 0; i < ELEMENTS(files); i++)
                if (probe_may_open(files[i], O_WRONLY) && !p->value++)
                        probe_detail(p, "%s", files[i]);
}

static bool visit_group(struct walk *w, const char *path, const struct stat *st)
{
        const char *name = strrchr(path, '/') + 1;
        if (S_ISREG(st->st_mode) && text_equal(name, "cgroup.procs") && probe_may_open(path, O_WRONLY) && !w->p->value++)
                probe_detail(w->p, "%s", path);
        return !w->p->value;
}

static void try_groups_of_control(struct probe *p, const struct probe_attempt *a)
{
        struct walk w = { .p = p, .visit = visit_group, .left = ENTRIES_MAX };
        (void)a;
        walk(&w, "/sys/fs/cgroup", 2);
}

/* ---- processes ---- */

enum { PROCESSES_SEEN = 1, PROCESSES_READ = 3 };

static bool visit_process(struct walk *w, const char *path, const struct stat *st)
{
        char status[PROBE_DETAIL_MAX + 8];
        const char *name = strrchr(path, '/') + 1;
        if (!isdigit((unsigned char)*name) || (st->st_uid == geteuid() && !text_equal(name, "1")))
                return false;
        (void)snprintf(status, sizeof status, "%s/status", path);
        raise_to(w->p, probe_may_open(status, O_RDONLY) ? PROCESSES_READ : PROCESSES_SEEN, path);
        return false;
}

/* In a process namespace of its own there are no others, whatever their numbers. */
static void try_processes(struct probe *p, const struct probe_attempt *a)
{
        struct walk w = { .p = p, .visit = visit_process, .left = ENTRIES_MAX };
        bool unknown = false;
        (void)a;
        if (!probe_is_host_namespace(p, "pid", &unknown))
                return;
        walk(&w, "/proc", 0);
}

static void try_proc_files(struct probe *p, const struct probe_attempt *a)
{
        static const char *const files[] = { "/proc/meminfo", "/proc/cpuinfo", "/proc/sys", "/proc/stat" };
        (void)a;
        for (size_t i = 0; i < ELEMENTS(files) && !p->value; i++)
                if (may(files[i], F_OK)) {
                        p->value = 1;
                        probe_detail(p, "%s", files[i]);
                }
}

/* ---- sockets of the host, by path ---- */

/* Who may talk to one of these can have the host's root do things. */
static bool is_door_to_root(const char *path)
{
        static const char *const names[] = { "docker.sock", "containerd.sock", "crio.sock", "podman.sock", "libvirt-sock", "snapd.socket", "systemd/private" };
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                CLEAN_FREE char *end = xprintf("/%s", names[i]);
                if (text_ends(path, end))
                        return true;
        }
        return geteuid() == 0 && text_ends(path, "/system_bus_socket");
}

static bool visit_socket(struct walk *w, const char *path, const struct stat *st)
{
        /* One of mode 0 is a stand-in, at which nobody listens. */
        if (!S_ISSOCK(st->st_mode) || !(st->st_mode & 0777) || !may(path, W_OK))
                return true;
        if (!w->p->value++)
                probe_detail(w->p, "%s", path);
        if (is_door_to_root(path))
                probe_find(w->p, "door", path);
        return true;
}

static void look_at(struct walk *w, const char *path)
{
        struct stat st;
        if (stat(path, &st) < 0)
                return;
        if (S_ISDIR(st.st_mode))
                walk(w, path, 2);
        else
                (void)visit_socket(w, path, &st);
}

/* To connect takes the right to write; nothing is connected to. */
static void try_sockets(struct probe *p, const struct probe_attempt *a)
{
        static const char key[] = "bound.";
        struct walk w = { .p = p, .visit = visit_socket, .left = ENTRIES_MAX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)a;
        if (fd < 0) {
                probe_detail(p, "no sockets of that family");
                return;
        }
        (void)close(fd);
        look_at(&w, "/run");
        for (char *const *f = p->facts; *f; f++)
                if (text_starts(*f, key)) {
                        CLEAN_FREE char *path = xstrndup(*f + sizeof key - 1, strcspn(*f + sizeof key - 1, "="));
                        if (!path_is_below(path, "/run"))
                                look_at(&w, path);
                }
}

/* ---- what the plan hides ---- */

/* What is mounted upon is not renamed by those who see the mount. */
static bool is_mount(const char *path)
{
        struct statx sx;
        return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &sx) == 0 && sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* A folder above that could be moved away: the next start would cover what stands in its place. */
static bool may_be_moved(const char *path, char ret[PROBE_DETAIL_MAX])
{
        char above[PROBE_DETAIL_MAX];
        if ((size_t)snprintf(above, sizeof above, "%s", path) >= sizeof above)
                return false;
        for (char *slash = strrchr(above, '/'); slash && slash > above; slash = strrchr(above, '/')) {
                *slash = 0; /* the folder that would be moved */
                char *next = strrchr(above, '/');
                CLEAN_FREE char *parent = !next ? NULL : next == above ? xstrdup("/") : xstrndup(above, (size_t)(next - above));
                struct stat st, up;
                if (!parent || stat(above, &st) < 0 || stat(parent, &up) < 0 || is_mount(above))
                        continue;
                bool sticky = up.st_mode & S_ISVTX && geteuid() != 0 && st.st_uid != geteuid();
                if (st.st_dev == up.st_dev && !sticky && probe_may_make_files(parent)) {
                        (void)snprintf(ret, PROBE_DETAIL_MAX, "%s", above);
                        return true;
                }
        }
        return false;
}

/* "hidden.PATH=DEVICE:INODE" of each path that is to be inaccessible; below "bound.PATH=SOURCE" it may be seen again. */
static void try_hidden(struct probe *p, const struct probe_attempt *a)
{
        static const char key[] = "hidden.";
        char moved[PROBE_DETAIL_MAX];
        (void)a;
        for (char *const *f = p->facts; *f; f++) {
                if (!text_starts(*f, key))
                        continue;
                CLEAN_FREE char *path = xstrndup(*f + sizeof key - 1, strcspn(*f + sizeof key - 1, "="));
                p->value++;
                if (probe_is_host_node(p, "hidden", path))
                        probe_find(p, "seen", path);
                else if (may_be_moved(path, moved))
                        probe_find(p, "movable", moved);
        }
}

const struct probe_attempt probe_files[] = {
        { "system", try_system, 0 },
        { "root", try_root, 0 },
        { "tmp", try_tmp, 0 },
        { "home", try_home, 0 },
        { "devices", try_devices, 0 },
        { "make-node", try_make_node, 0 },
        { "any-device", try_any_device, 0 },
        { "tunables", try_tunables, 0 },
        { "control-groups", try_groups_of_control, 0 },
        { "processes", try_processes, 0 },
        { "proc-files", try_proc_files, 0 },
        { "sockets", try_sockets, 0 },
        { "hidden", try_hidden, 0 },
        { 0 },
};
