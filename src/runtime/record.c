/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/record.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mutant.h"
#include "os/account.h"
#include "os/descriptor.h"
#include "os/file.h"
#include "os/process.h"
#include "os/users.h"
#include "plan/zone.h"

static const char *const names[] = { "creating", "created", "running", "paused", "stopped" };

const char *record_status_name(enum record_status status)
{
        return names[status];
}

static const char id_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";

bool record_id_valid(const char *id)
{
        size_t n = strspn(id, id_characters);
        return MUTANT("id-as-path") || (n && n <= RECORD_ID_MAX && !id[n] && *id != '-' && *id != '.');
}

char *record_default_root(void)
{
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        if (!users_in_session())
                return xstrdup("/run/bulkhead/oci");
        return runtime && *runtime == '/' ? xprintf("%s/bulkhead/oci", runtime) : xprintf("/tmp/bulkhead-%u/oci", geteuid());
}

/* In /tmp anybody can have made it before us: what others could write would be their word about our containers. */
static int check_temporary(const char *path, struct error *e)
{
        CLEAN_FREE char *above = xprintf("/tmp/bulkhead-%u", geteuid()), *own = xprintf("%s/oci", above);
        const char *const folders[] = { above, own };
        struct stat st;
        for (size_t i = 0; text_equal(path, own) && i < ELEMENTS(folders); i++) {
                if (lstat(folders[i], &st) < 0 || (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022)))
                        continue;
                error_set(e, EPERM, "state.root", "%s is not a folder that you alone can write to", folders[i]);
                error_hint(e, "set XDG_RUNTIME_DIR, or give --root");
                return -EPERM;
        }
        return 0;
}

int record_root_open(const char *path, bool make, struct error *e)
{
        int checked = check_temporary(path, e);
        if (checked < 0)
                return checked;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && make) {
                int r = file_make_folders(path, MUTANT("open-state") ? 0777 : 0711, e);
                if (r < 0)
                        return r;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                /* What we made is for us alone to list, whatever the umask. */
                if (fd >= 0 && !MUTANT("open-state"))
                        (void)fchmod(fd, 0711);
        }
        return fd < 0 ? error_errno(e, errno, "state.root", "opening %s", path) : fd;
}

/* ---- making ---- */

static int bad_id(const char *id, struct error *e)
{
        char c = id[strspn(id, id_characters)];
        if (c > ' ' && c < 127)
                error_set(e, EINVAL, "container.id", "invalid character `%c` in the container ID \"%.60s\"", c, id);
        else
                error_set(e, EINVAL, "container.id", "invalid container ID \"%.60s\"", id);
        error_hint(e, "up to %d letters, digits and _ + - . are, not starting with - or .", RECORD_ID_MAX);
        return -EINVAL;
}

/* In UTC, and without the C library, which would read the local time zone first. */
static char *time_now(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_REALTIME, &t);
        const struct date d = date_of_days(t.tv_sec / 86400);
        int second = (int)(t.tv_sec % 86400);
        return xprintf("%04lld-%02d-%02dT%02d:%02d:%02d.%09ldZ", (long long)d.year, d.month, d.day, second / 3600, second / 60 % 60, second % 60,
                       t.tv_nsec);
}

int record_make(int root_fd, const char *id, struct record *ret, struct error *e)
{
        if (!record_id_valid(id))
                return bad_id(id, e);
        if (mkdirat(root_fd, id, MUTANT("open-state") ? 0777 : 0700) < 0) {
                error_errno(e, errno, errno == EEXIST ? "container.exists" : "state.failed", "making the container %s", id);
                if (errno == EEXIST)
                        error_hint(e, "delete it first, or choose another name");
                return e ? e->code : -EEXIST;
        }
        CLEAN_FD int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int r = error_errno(e, errno, "state.failed", "locking the container %s", id);
                (void)unlinkat(root_fd, id, AT_REMOVEDIR);
                return r;
        }
        *ret = (struct record)RECORD_INIT;
        ret->root_fd = root_fd;
        ret->dir_fd = TAKE_FD(fd);
        ret->id = xstrdup(id);
        ret->created = time_now();
        return 0;
}

void record_unlock(const struct record *r)
{
        (void)flock(r->dir_fd, LOCK_UN);
}

static void add_member(struct text *t, const char *name, const char *value)
{
        if (!value)
                return;
        text_addf(t, ",\"%s\":", name);
        text_add_json(t, value);
}

void record_format(const struct record *r, struct text *t)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        text_addf(t, "{\"version\":%d,\"id\":", RECORD_VERSION);
        text_add_json(t, r->id);
        add_member(t, "bundle", r->bundle);
        add_member(t, "rootfs", r->rootfs);
        add_member(t, "created", r->created);
        add_member(t, "ociVersion", r->oci_version);
        add_member(t, "owner", r->owner);
        add_member(t, "scope", r->scope);
        add_member(t, "rdt", r->rdt);
        text_addf(t, ",\"rdtMade\":%s,\"rdtMonitored\":%s", r->rdt_made ? "true" : "false", r->rdt_monitored ? "true" : "false");
        text_addf(t, ",\"pid\":%d,\"pidStart\":%llu,\"namespaces\":%llu,\"terminal\":%s,\"cgroup\":[", r->pid,
                  (unsigned long long)r->pid_start, (unsigned long long)r->namespaces, r->terminal ? "true" : "false");
        cgroup_save(&r->cgroup, &lines);
        for (size_t i = 0; i < lines.count; i++) {
                text_add(t, i ? "," : "");
                text_add_json(t, lines.items[i]);
        }
        text_add(t, "]}\n");
}

int record_save(const struct record *r, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        record_format(r, &t);
        int k = file_replace(r->dir_fd, "state.json", t.data, t.length, 0600);
        return k < 0 ? error_errno(e, k, "state.failed", "writing the state of %s", r->id) : 0;
}

/* ---- opening ---- */

/* What a container's folder holds; state.json goes last, so that what is left after a crash is known as what it is. */
static const char *const files[] = { "start", "config.json", "config.json.new", "state.json.new", "mounts", "mounts.new", "notify", "state.json" };

/* Without a state: a creator died early, unless something stands here that is not ours. */
static bool is_ours(int dir_fd)
{
        CLEAN_STRINGS struct strings found = { 0 };
        if (MUTANT("delete-any"))
                return true;
        if (file_list(dir_fd, &found) < 0)
                return false;
        for (size_t i = 0; i < found.count; i++) {
                size_t k = 0;
                while (k < ELEMENTS(files) && !text_equal(files[k], found.items[i]))
                        k++;
                if (k == ELEMENTS(files))
                        return false;
        }
        return true;
}

struct loaded {
        uint32_t version;
        int32_t pid;
        struct strings cgroup;
};

int record_parse(const char *text, size_t size, struct record *ret, struct strings *groups, struct error *e)
{
        static const struct json_field of_state[] = {
                { "version", json_u32, offsetof(struct loaded, version), JSON_REQUIRED },
                { "pid", json_i32, offsetof(struct loaded, pid), JSON_REQUIRED },
                { "cgroup", json_strings, offsetof(struct loaded, cgroup), JSON_REQUIRED },
                { 0 },
        };
        static const struct json_field of_record[] = {
                { "id", json_string, offsetof(struct record, id), JSON_REQUIRED },
                { "bundle", json_string, offsetof(struct record, bundle), 0 },
                { "rootfs", json_string, offsetof(struct record, rootfs), 0 },
                { "created", json_string, offsetof(struct record, created), 0 },
                { "ociVersion", json_string, offsetof(struct record, oci_version), 0 },
                { "owner", json_string, offsetof(struct record, owner), 0 },
                { "pidStart", json_u64, offsetof(struct record, pid_start), 0 },
                { "namespaces", json_u64, offsetof(struct record, namespaces), 0 },
                { "terminal", json_bool, offsetof(struct record, terminal), 0 },
                { "scope", json_string, offsetof(struct record, scope), 0 },
                { "rdt", json_string, offsetof(struct record, rdt), 0 },
                { "rdtMade", json_bool, offsetof(struct record, rdt_made), 0 },
                { "rdtMonitored", json_bool, offsetof(struct record, rdt_monitored), 0 },
                { 0 },
        };
        CLEAN_JSON struct json_document d = { 0 };
        struct loaded l = { 0 };
        int k = json_parse("state.json", text, size, &d, e);
        if (k < 0)
                return k;
        const struct json_place top = json_top(&d, "state.json");
        k = json_object(&top, of_state, &l, e);
        if (k == 0 && l.version > RECORD_VERSION)
                k = error_set(e, EPROTO, "state.version", "the state is of version %u; this program knows up to %d", l.version, RECORD_VERSION);
        if (k == 0)
                k = json_object(&top, of_record, ret, e);
        if (k == 0 && (l.pid < 0 || !record_id_valid(ret->id)))
                k = error_set(e, EPROTO, "state.failed", "the state is of no container that we could have made");
        if (k == 0) {
                ret->pid = l.pid;
                *groups = l.cgroup;
                l.cgroup = (struct strings){ 0 };
        }
        strings_clear(&l.cgroup);
        return k;
}

static int load(struct record *r, const char *id, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings groups = { 0 };
        int k = file_read(r->dir_fd, "state.json", RECORD_SIZE_MAX, &t);
        if (k == -ENOENT && is_ours(r->dir_fd))
                return 0;
        if (k == -ENOENT)
                return error_set(e, ENOENT, "container.unknown", "container \"%s\" does not exist", id);
        if (k < 0)
                return error_errno(e, k, "state.failed", "reading the state of %s", id);
        k = record_parse(t.data, t.length, r, &groups, e);
        /* What is removed goes by this name. */
        if (k == 0 && !text_equal(r->id, id))
                k = error_set(e, EPROTO, "state.failed", "the state is of another container, %s", r->id);
        if (k == 0)
                k = cgroup_load(&groups, &r->cgroup, e);
        return k < 0 ? error_while(e, "reading the state of %s", id) : 0;
}

int record_open(int root_fd, const char *id, struct record *ret, struct error *e)
{
        if (!record_id_valid(id))
                return bad_id(id, e);
        CLEAN_RECORD struct record r = RECORD_INIT;
        r.root_fd = root_fd;
        r.id = xstrdup(id);
        r.dir_fd = root_fd < 0 ? -1 : openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        /* Only what is surely not there is unknown: delete --force takes that for success. */
        if (r.dir_fd < 0 && root_fd >= 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
                return error_errno(e, errno, "state.failed", "opening the container %s", id);
        if (r.dir_fd < 0)
                return error_set(e, ENOENT, "container.unknown", "container \"%s\" does not exist", id);
        int k = load(&r, id, e);
        if (k < 0)
                return k;
        *ret = r;
        r = (struct record)RECORD_INIT;
        return 0;
}

int record_config(const struct record *r, struct json_document *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int k = file_read(r->dir_fd, "config.json", 16 << 20, &t);
        if (k < 0)
                return error_errno(e, k, "state.failed", "reading the configuration of %s", r->id);
        return json_parse("config.json", t.data, t.length, ret, e);
}

/* ---- asking the kernel ---- */

uint64_t record_process_start(pid_t pid)
{
        char path[40];
        CLEAN_TEXT struct text t = { 0 };
        (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
        if (pid <= 0 || file_read_short(AT_FDCWD, path, 8192, &t) < 0)
                return 0;
        /* The name, in parentheses, may hold anything; behind its end the state is field 3 and the start field 22. */
        char *rest = strrchr(t.data, ')');
        uint64_t start = 0;
        if (!rest || strlen(rest) < 4 || rest[2] == 'Z' || rest[2] == 'X')
                return 0;
        rest += 2;
        for (int i = 3; i < 22 && rest; i++)
                (void)strsep(&rest, " ");
        char *word = rest ? strsep(&rest, " ") : NULL;
        return word && text_parse_uint(word, UINT64_MAX, &start) == 0 ? start : 0;
}

int record_pidfd(const struct record *r)
{
        if (r->pid <= 0)
                return -ESRCH;
        CLEAN_FD int fd = process_open(r->pid);
        uint64_t start = fd < 0 ? 0 : record_process_start(r->pid);
        return start && (start == r->pid_start || MUTANT("bare-pid")) ? TAKE_FD(fd) : -ESRCH;
}

/* Only a process that waits for its start has the socket open. */
static bool listens(const struct record *r)
{
        CLEAN_FREE char *path = xprintf("/proc/self/fd/%d/start", r->dir_fd);
        CLEAN_FD int fd = descriptor_connect(path, SOCK_SEQPACKET);
        return fd >= 0;
}

/* Another holds the lock: the container is being created. The lock goes with our copy of the descriptor. */
static bool is_locked(const struct record *r)
{
        CLEAN_FD int fd = openat(r->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

enum record_status record_status(const struct record *r)
{
        bool lives = r->pid > 0 && (record_process_start(r->pid) == r->pid_start || MUTANT("bare-pid")) && r->pid_start;
        if (is_locked(r))
                return RECORD_CREATING;
        if (!lives)
                return RECORD_STOPPED;
        if (cgroup_is_frozen(&r->cgroup))
                return RECORD_PAUSED;
        return listens(r) ? RECORD_CREATED : RECORD_RUNNING;
}

/* ---- the end ---- */

int record_remove(const struct record *r)
{
        if (MUTANT("delete-any"))
                return file_remove_tree(r->root_fd, r->id);
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                int k = file_remove_tree(r->dir_fd, files[i]);
                if (k < 0)
                        return k;
        }
        return unlinkat(r->root_fd, r->id, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

void record_done(struct record *r)
{
        char *const texts[] = { r->id, r->bundle, r->rootfs, r->created, r->oci_version, r->owner, r->scope, r->rdt };
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                free(texts[i]);
        fd_close(r->dir_fd);
        cgroup_done(&r->cgroup);
        *r = (struct record)RECORD_INIT;
}

void record_state(const struct record *r, pid_t pid, const char *status, const struct strings *annotations, struct text *t)
{
        text_add(t, "{\"ociVersion\":");
        text_add_json(t, r->oci_version ? r->oci_version : "1.0.0");
        add_member(t, "id", r->id);
        add_member(t, "status", status);
        text_addf(t, ",\"pid\":%d", pid);
        add_member(t, "bundle", r->bundle ? r->bundle : "");
        add_member(t, "rootfs", r->rootfs);
        add_member(t, "created", r->created);
        add_member(t, "owner", r->owner);
        text_add(t, ",\"annotations\":{");
        for (size_t i = 0; i + 1 < annotations->count; i += 2) {
                text_add(t, i ? "," : "");
                text_add_json(t, annotations->items[i]);
                text_add(t, ":");
                text_add_json(t, annotations->items[i + 1]);
        }
        text_add(t, "}}");
}
