/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/credentials.h"

#include <fcntl.h>
#include <sched.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "base/exit_status.h"
#include "os/file.h"
#include "os/mount.h"
#include "sandbox/credential_key.h"
#include "sandbox/credential_sealed.h"

enum { FOLDER_DEPTH_MAX = 16, SOCKET_TIMEOUT_S = 30 };

static void wipe(struct text *t)
{
        if (t->data)
                explicit_bzero(t->data, t->length);
        text_clear(t);
}

void credentials_done(struct sandbox_credentials *c)
{
        for (size_t i = 0; i < c->count; i++) {
                free(c->items[i].name);
                wipe(&c->items[i].data);
        }
        free(c->items);
        *c = (struct sandbox_credentials){ 0 };
}

static bool has(const struct sandbox_credentials *c, const char *name)
{
        for (size_t i = 0; i < c->count; i++)
                if (text_equal(c->items[i].name, name))
                        return true;
        return false;
}

/* Takes data, in success and failure. */
static int keep(struct sandbox_credentials *c, const char *name, struct text *data, struct error *e)
{
        size_t bytes = strlen(name) + data->length;
        if (bytes > CREDENTIAL_BYTES_MAX - c->bytes || c->count == CREDENTIALS_MAX) {
                wipe(data);
                return error_set(e, E2BIG, "credential.limit", "with %s: more than %d bytes or %d credentials", name, CREDENTIAL_BYTES_MAX, CREDENTIALS_MAX);
        }
        c->items = xgrow(c->items, &c->room, c->count + 1, sizeof *c->items);
        c->items[c->count++] = (struct sandbox_credential){ xstrdup(name), *data };
        c->bytes += bytes;
        *data = (struct text){ 0 };
        return 0;
}

/* ---- sources ---- */

/* Into one large room, so that no copy is left behind where a text grew. */
static int read_all(int fd, size_t max, struct text *ret)
{
        struct text t = { .data = xalloc(max + 1, 1) };
        ssize_t n = 1;
        while (n > 0 && t.length <= max) {
                n = read(fd, t.data + t.length, max + 1 - t.length);
                if (n < 0 && errno == EINTR)
                        n = 1;
                else if (n > 0)
                        t.length += (size_t)n;
        }
        int r = n < 0 ? -errno : t.length > max ? -EFBIG : 0;
        if (r == 0)
                *ret = (struct text){ .data = memcpy(xalloc(t.length + 1, 1), t.data, t.length), .length = t.length, .room = t.length + 1 };
        wipe(&t);
        return r;
}

/* The name that we connect from tells the other side what is asked for: an abstract one, "RANDOM/unit/UNIT/CREDENTIAL". */
static int bind_name(int fd, const char *unit, const char *name)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        char random[17] = "";
        file_random_hex(random, 16);
        int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s/unit/%s/%s", random, unit, name);
        if (n < 0 || (size_t)n >= sizeof a.sun_path - 1)
                return 0; /* it has no room: we stay without a name, as systemd does */
        return bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0 ? -errno : 0;
}

static int read_socket(const char *path, const char *unit, const char *name, size_t max, struct text *ret)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        const struct timeval patience = { .tv_sec = SOCKET_TIMEOUT_S };
        CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (strlen(path) >= sizeof a.sun_path)
                return -ENAMETOOLONG;
        memcpy(a.sun_path, path, strlen(path));
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
                return -errno;
        int r = bind_name(fd, unit, name);
        if (r == 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
                r = -errno;
        r = r == 0 ? read_all(fd, max, ret) : r;
        return r == -EAGAIN ? -ETIMEDOUT : r;
}

struct loading {
        struct sandbox_credentials *c;
        const char *unit;
        struct strings *notes;
        bool encrypted; /* what is read is to be decrypted */
};

static size_t bytes_max(const struct loading *l)
{
        return l->encrypted ? CREDENTIAL_SEALED_BYTES_MAX : CREDENTIAL_BYTES_MAX;
}

static int failed(const struct loading *l, struct error *e, int r, const char *path)
{
        if (r == -EFBIG)
                return error_set(e, EFBIG, "credential.limit", "%s holds more than %zu bytes", path, bytes_max(l));
        if (r == -EINVAL)
                return error_set(e, EINVAL, "credential.source", "%s is neither a file nor a folder nor a socket", path);
        return error_errno(e, r, "credential.source", "reading %s", path);
}

/* Puts what is inside of sealed into ret. */
static int open_sealed(struct loading *l, const char *name, const struct text *sealed, struct text *ret, struct error *e)
{
        CLEAN(credential_secret_done) struct credential_secret secret = { .size = 0 };
        enum credential_key key = CREDENTIAL_KEY_NULL;
        struct timespec now;
        int r = credential_sealed_key(sealed, &key, e);
        if (r == 0)
                r = key == CREDENTIAL_KEY_HOST ? credential_secret_load(&secret, e) : credential_null_key_allowed(e);
        if (r < 0)
                return r;
        if (key == CREDENTIAL_KEY_NULL)
                strings_take(l->notes, xprintf("the credential %s was encrypted without a key: it was no secret, and may be anybody's", name));
        (void)clock_gettime(CLOCK_REALTIME, &now);
        const struct credential_expected expected = { name, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 };
        return credential_sealed_open(sealed, secret.data, secret.size, &expected, ret, e);
}

/* Replaces what was read by what is inside. */
static int decrypt(struct loading *l, const char *name, const char *where, struct text *data, struct error *e)
{
        CLEAN_TEXT struct text sealed = { 0 };
        struct text value = { 0 };
        int r = credential_sealed_read(data, &sealed, e);
        if (r == 0)
                r = open_sealed(l, name, &sealed, &value, e);
        wipe(data);
        *data = value;
        return r < 0 ? error_while(e, "decrypting %s", where) : 0;
}

/* One source that is no folder; fd is open on it with O_PATH. */
static int load_one(struct loading *l, const char *name, int fd, const struct stat *st, const char *path, struct error *e)
{
        struct text data = { 0 };
        char link[48];
        int r = -EINVAL;
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (S_ISSOCK(st->st_mode))
                r = read_socket(link, l->unit, name, bytes_max(l), &data);
        else if (S_ISREG(st->st_mode) || S_ISCHR(st->st_mode)) {
                CLEAN_FD int readable = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                r = readable < 0 ? -errno : read_all(readable, bytes_max(l), &data);
        }
        if (r < 0)
                return failed(l, e, r, path);
        r = l->encrypted ? decrypt(l, name, path, &data, e) : 0;
        return r < 0 ? r : keep(l->c, name, &data, e);
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_sorted(int fd, struct strings *names)
{
        int r = file_list(fd, names);
        if (r == 0 && names->count)
                qsort(names->items, names->count, sizeof *names->items, compare);
        return r;
}

static int load_folder(struct loading *l, const char *name, int fd, const char *path, int depth, struct error *e);

/* Links, and names with a dot in front, are passed over as systemd does: a folder gives what lies in it, and no more. */
static int load_entry(struct loading *l, const char *name, int folder, const char *entry, const char *path, int depth, struct error *e)
{
        CLEAN_FREE char *own = xprintf("%s_%s", name, entry), *below = xprintf("%s/%s", path, entry);
        CLEAN_FD int fd = openat(folder, entry, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (*entry == '.')
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return errno == ENOENT ? 0 : failed(l, e, -errno, below);
        if (S_ISDIR(st.st_mode))
                return load_folder(l, own, fd, below, depth + 1, e);
        if ((!S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode)) || has(l->c, own))
                return 0;
        if (credential_name_valid(own))
                return load_one(l, own, fd, &st, below, e);
        strings_take(l->notes, xprintf("%s: \"%s\" is no name of a credential; passed over", below, own));
        return 0;
}

static int load_folder(struct loading *l, const char *name, int fd, const char *path, int depth, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = depth > FOLDER_DEPTH_MAX ? -ELOOP : readable < 0 ? -errno : list_sorted(readable, &names);
        if (r < 0)
                return failed(l, e, r, path);
        for (size_t i = 0; r == 0 && i < names.count; i++)
                r = load_entry(l, name, readable, names.items[i], path, depth, e);
        return r;
}

/* -ENOENT without an error where path is not there. */
static int load_path(struct loading *l, const char *name, const char *path, struct error *e)
{
        struct stat st;
        CLEAN_FD int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 || fstat(fd, &st) < 0)
                return failed(l, e, -errno, path);
        return S_ISDIR(st.st_mode) ? load_folder(l, name, fd, path, 0, e) : load_one(l, name, fd, &st, path, e);
}

/* ---- directives ---- */

static bool is_set(const struct plan_credentials *c, const char *name)
{
        for (size_t i = 0; i < c->count; i++)
                if (c->items[i].kind == PLAN_CREDENTIAL_SET && text_equal(c->items[i].name, name))
                        return true;
        return false;
}

/* What the caller was given itself, then the stores. */
static void list_stores(const char *variable, const struct strings *stores, struct strings *ret)
{
        const char *own = getenv(variable);
        if (own && *own == '/')
                strings_add(ret, own);
        for (size_t i = 0; i < stores->count; i++)
                strings_add(ret, stores->items[i]);
}

static int load(struct loading *l, const struct plan_credentials *c, const struct plan_credential *wish, const struct strings *stores, struct error *e)
{
        if (*wish->source == '/') {
                int r = load_path(l, wish->name, wish->source, e);
                if (r != -ENOENT || (e && e->code))
                        return r;
                if (is_set(c, wish->name))
                        return 0;
                error_errno(e, ENOENT, "credential.source", "reading %s", wish->source);
                error_hint(e, "SetCredential=%s:VALUE says what holds where it is missing", wish->name);
                return -ENOENT;
        }
        for (size_t i = 0; i < stores->count; i++) {
                CLEAN_FREE char *path = xprintf("%s/%s", stores->items[i], wish->source);
                int r = load_path(l, wish->name, path, e);
                if (r != -ENOENT || (e && e->code))
                        return r;
        }
        return 0; /* what a store lacks is left out, as systemd does */
}

static char *renamed(const struct plan_credential *wish, const char *name)
{
        size_t fixed = strcspn(wish->name, "*?");
        return wish->source ? xprintf("%s%s", wish->source, wish->name[fixed] ? name + fixed : "") : xstrdup(name);
}

static int import_from(struct loading *l, const struct plan_credential *wish, const char *store, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        CLEAN_FD int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : list_sorted(fd, &names);
        if (r < 0)
                return r == -ENOENT ? 0 : failed(l, e, r, store);
        for (size_t i = 0; r == 0 && i < names.count; i++) {
                CLEAN_FREE char *name = renamed(wish, names.items[i]), *path = xprintf("%s/%s", store, names.items[i]);
                struct stat st;
                if (fnmatch(wish->name, names.items[i], 0) != 0 || !credential_name_valid(name) || has(l->c, name))
                        continue;
                CLEAN_FD int file = openat(fd, names.items[i], O_PATH | O_CLOEXEC);
                if (file >= 0 && fstat(file, &st) == 0 && S_ISREG(st.st_mode))
                        r = load_one(l, name, file, &st, path, e);
        }
        return r;
}

static int import(struct loading *l, const struct plan_credential *wish, const struct strings *stores, struct error *e)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < stores->count; i++)
                r = import_from(l, wish, stores->items[i], e);
        return r;
}

static int set(struct loading *l, const struct plan_credential *wish, struct error *e)
{
        size_t room = wish->data.length + 1;
        struct text data = { .data = xalloc(room, 1), .length = wish->data.length, .room = room };
        memcpy(data.data, wish->data.data ? wish->data.data : "", wish->data.length);
        int r = wish->encrypted ? decrypt(l, wish->name, "what the directive says", &data, e) : 0;
        return r < 0 ? r : keep(l->c, wish->name, &data, e);
}

/* Who has mounts of its own sees none of what a service manager keeps for other units. Ours are in no tree but the payload's. */
static void hide_others(struct plan *p)
{
        const char *asked = p->namespace_origin[plan_namespace_slot(CLONE_NEWNS)];
        if (!plan_has_mounts(p) || p->user_mode || p->credentials.folder)
                return;
        const char *origin = plan_keep(p, xprintf("%s: credentials of other units", asked ? asked : "default"));
        plan_add_mount(p, PLAN_INACCESSIBLE, "/run/credentials", origin)->optional = true;
}

int credentials_load(struct sandbox *s, struct error *e)
{
        const struct plan_credentials *c = &s->plan->credentials;
        CLEAN_STRINGS struct strings stores = { 0 }, encrypted_stores = { 0 };
        struct loading l = { &s->credentials, s->plan->unit, &s->notes, false };
        struct error own = { 0 };
        list_stores("ENCRYPTED_CREDENTIALS_DIRECTORY", &c->encrypted_stores, &encrypted_stores);
        list_stores("CREDENTIALS_DIRECTORY", &c->stores, &encrypted_stores);
        list_stores("CREDENTIALS_DIRECTORY", &c->stores, &stores);
        hide_others(s->plan);
        if (s->host->beside)
                hide_others(s->host->beside);
        for (enum plan_credential_kind kind = 0; kind < PLAN_CREDENTIAL_KINDS; kind++)
                for (size_t i = 0; i < c->count; i++) {
                        const struct plan_credential *wish = &c->items[i];
                        if (wish->kind != kind || has(l.c, wish->name))
                                continue;
                        l.encrypted = wish->encrypted;
                        int r = kind == PLAN_CREDENTIAL_LOAD ? load(&l, c, wish, l.encrypted ? &encrypted_stores : &stores, &own)
                                : kind == PLAN_CREDENTIAL_IMPORT ? import(&l, wish, &stores, &own) : set(&l, wish, &own);
                        if (r == 0)
                                continue;
                        error_status(&own, STATUS_CREDENTIALS);
                        error_while(&own, "applying %s", wish->origin);
                        if (e)
                                *e = own;
                        return r;
                }
        return 0;
}

/* ---- the mount ---- */

static int write_one(int folder, const struct sandbox_credential *c, const struct sandbox *s)
{
        CLEAN_FD int fd = openat(folder, c->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int r = fd < 0 ? -errno : file_write_all(fd, c->data.data, c->data.length);
        if (r == 0 && (fchmod(fd, 0400) < 0 || (s->change_user && fchown(fd, s->account.uid, s->account.gid) < 0)))
                r = -errno;
        return r;
}

int credentials_mount(const struct sandbox *s)
{
        static const struct mount_option options[] = { { "mode", "0700" }, { 0 } };
        const uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
        /* Pages of a ramfs are never written to swap. */
        CLEAN_FD int fd = mount_new("ramfs", options, attributes);
        int r = fd < 0 ? fd : 0;
        for (size_t i = 0; r == 0 && i < s->credentials.count; i++)
                r = write_one(fd, &s->credentials.items[i], s);
        if (r < 0)
                return r;
        CLEAN_FD int top = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (top < 0 || fchmod(top, 0500) < 0 || (s->change_user && fchown(top, s->account.uid, s->account.gid) < 0))
                return -errno;
        r = mount_set(fd, "", MOUNT_ATTR_RDONLY, 0, false);
        return r < 0 ? r : TAKE_FD(fd);
}
