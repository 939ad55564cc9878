/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/identity.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "base/hash.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/ipc.h"
#include "plan/directive.h"
#include "sandbox/unit_root.h"

static const uint8_t uid_key[16] = { 0x37, 0x53, 0x7e, 0x31, 0xcf, 0xce, 0x48, 0xf5, 0x8a, 0xbb, 0x39, 0x57, 0x8d, 0xd9, 0xec, 0x59 };
static const uint8_t name_key[16] = { 0x58, 0x1a, 0xaf, 0xe6, 0x28, 0x58, 0x4e, 0x96, 0xb4, 0x4e, 0xf5, 0x3b, 0x8c, 0x92, 0x07, 0xec };

static uid_t clamp(uint32_t n)
{
        return n % (DYNAMIC_UID_MAX - DYNAMIC_UID_MIN + 1) + DYNAMIC_UID_MIN;
}

uid_t identity_dynamic_uid(const char *name)
{
        return clamp((uint32_t)hash_sip24(name, strlen(name), uid_key));
}

char *identity_unit_user(const char *unit)
{
        size_t n = strcspn(unit, "@");
        const char *dot = strrchr(unit, '.');
        if (dot && (size_t)(dot - unit) < n)
                n = (size_t)(dot - unit);
        CLEAN_FREE char *prefix = xstrndup(unit, n);
        if (directive_user_name_valid(prefix))
                return TAKE_PTR(prefix);
        return xprintf("_du%016llx", (unsigned long long)hash_sip24(prefix, strlen(prefix), name_key));
}

static bool is_held(const char *path)
{
        CLEAN_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Takes the lock of a candidate id, or -EBUSY. */
static int try_uid(const struct sandbox *s, const char *folder, uid_t uid, const char *name)
{
        CLEAN_FREE char *systemds = xprintf("/run/systemd/dynamic-uid/%u", uid);
        CLEAN_FREE char *path = xprintf("%s/%u", folder, uid);
        if (access(systemds, F_OK) == 0 || account_id_taken(uid) || ipc_owned_by(uid))
                return -EBUSY;
        if (is_held(path))
                return -EBUSY;
        int r = s->host->note(s->host->context, "lock", path);
        if (r < 0)
                return r;
        for (;;) {
                CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
                struct stat st;
                if (fd < 0)
                        return -errno;
                if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                        return -EBUSY;
                /* Its last holder may have removed it between our open and our lock. */
                if (fstat(fd, &st) < 0 || st.st_nlink == 0)
                        continue;
                r = ftruncate(fd, 0) < 0 ? -errno : 0;
                if (r == 0)
                        r = file_write_all(fd, name, strlen(name));
                if (r < 0)
                        return r;
                return TAKE_FD(fd);
        }
}

/* The owners of the state folders that are there come first, then the hash, then chance. */
static int allocate(struct sandbox *s, const char *name, struct error *e)
{
        static const char *const bases[] = { "/run/private", "/var/lib/private", "/var/cache/private", "/var/log/private", NULL };
        CLEAN_FREE char *folder = xprintf("%s/dynamic-uid", s->host->shared_folder);
        if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                return error_errno(e, errno, "identity.dynamic", "mkdir(%s)", folder);
        uid_t candidates[100];
        size_t n = 0;
        for (size_t i = 0; i < s->plan->folder_count && n < 8; i++) {
                const struct plan_folder *f = &s->plan->folders[i];
                struct stat st;
                if (!bases[f->kind])
                        continue;
                CLEAN_FREE char *path = xprintf("%s/%s", bases[f->kind], f->name);
                if (lstat(path, &st) == 0 && st.st_uid >= DYNAMIC_UID_MIN && st.st_uid <= DYNAMIC_UID_MAX)
                        candidates[n++] = st.st_uid;
        }
        candidates[n++] = identity_dynamic_uid(name);
        for (uint32_t random; n < ELEMENTS(candidates); n++) {
                char hex[8];
                file_random_hex(hex, sizeof hex);
                memcpy(&random, hex, sizeof random);
                candidates[n] = clamp(random * 2654435761U);
        }
        int r = -EBUSY;
        for (size_t i = 0; i < n && r == -EBUSY; i++) {
                r = try_uid(s, folder, candidates[i], name);
                if (r >= 0) {
                        s->uid_lock_fd = r;
                        s->account.uid = s->account.gid = candidates[i];
                        return 0;
                }
        }
        return error_errno(e, r, "identity.dynamic", "finding a free user id for %s", name);
}

static void show_database(struct plan *p, const char *target, const char *source)
{
        struct plan_mount *m = plan_add_mount(p, PLAN_FILE, target, p->identity_origin);
        m->source = xstrdup(source);
        m->optional = true;
}

static int resolve_dynamic(struct sandbox *s, struct error *e)
{
        struct plan *p = s->plan;
        if (!s->privileged) {
                error_set(e, EPERM, "identity.dynamic", "a dynamic user needs root");
                error_hint(e, "run as root, or leave DynamicUser= out: the payload then runs as you");
                return -EPERM;
        }
        if (!p->user)
                p->user = identity_unit_user(p->unit);
        if (account_find(p->user, &s->account) == 0)
                return 0; /* a static account of that name is used as it is */
        s->account = (struct account){ .name = xstrdup(p->user), .home = xstrdup("/"), .shell = xstrdup("/usr/sbin/nologin") };
        int r = allocate(s, p->user, e);
        if (r < 0)
                return r;
        static const char *const databases[] = { "passwd", "group" };
        for (size_t i = 0; i < ELEMENTS(databases); i++) {
                CLEAN_FREE char *text = identity_database(s, databases[i]);
                CLEAN_FREE char *target = xprintf("/etc/%s", databases[i]);
                CLEAN_FREE char *source = xprintf("%s/%s", s->host->run_folder, databases[i]);
                show_database(p, target, source);
                if (s->host->beside)
                        show_database(s->host->beside, target, source);
                r = file_replace(AT_FDCWD, source, text, strlen(text), 0644);
                if (r < 0)
                        return error_errno(e, r, "identity.dynamic", "writing %s", source);
        }
        return 0;
}

char *identity_database(const struct sandbox *s, const char *database)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *path = xprintf("/etc/%s", database);
        const struct account *a = &s->account;
        if (unit_root_read(s->plan, path, 16 << 20, &t) < 0)
                text_add(&t, "");
        if (t.length && t.data[t.length - 1] != '\n')
                text_add(&t, "\n");
        if (text_equal(database, "passwd"))
                text_addf(&t, "%s:!*:%u:%u:Dynamic User:%s:%s\n", a->name, a->uid, a->gid, a->home, a->shell);
        else
                text_addf(&t, "%s:!*:%u:\n", a->name, a->gid);
        return TAKE_PTR(t.data);
}

static int resolve_static(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        CLEAN_FREE char *self = xprintf("%u", geteuid());
        const char *name = p->user ? p->user : self;
        int r = account_find(name, &s->account);
        if (r < 0) {
                error_set(e, ESRCH, "identity.user", "user %s does not exist", name);
                return -ESRCH;
        }
        if (!p->user)
                s->account.gid = getegid();
        return 0;
}

static int resolve_group(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        if (p->group && account_find_group(p->group, &s->account.gid) < 0) {
                error_set(e, ESRCH, "identity.group", "group %s does not exist", p->group);
                error_status(e, STATUS_GROUP);
                return -ESRCH;
        }
        return 0;
}

static int resolve_groups(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        s->set_groups = p->user || p->supplementary.count;
        if (!s->set_groups)
                return 0;
        account_groups(s->account.name, s->account.gid, &s->groups, &s->group_count);
        for (size_t i = 0; i < p->supplementary.count; i++) {
                gid_t gid;
                if (account_find_group(p->supplementary.items[i], &gid) < 0) {
                        error_set(e, ESRCH, "identity.group", "group %s does not exist", p->supplementary.items[i]);
                        error_status(e, STATUS_GROUP);
                        return -ESRCH;
                }
                size_t room = s->group_count;
                s->groups = xgrow(s->groups, &room, s->group_count + 1, sizeof *s->groups);
                s->groups[s->group_count++] = gid;
        }
        return 0;
}

int identity_resolve(struct sandbox *s, struct error *e)
{
        const struct plan *p = s->plan;
        int r = p->dynamic_user ? resolve_dynamic(s, e) : resolve_static(s, e);
        if (r == 0)
                r = resolve_group(s, e);
        if (r == 0)
                r = resolve_groups(s, e);
        s->change_user = p->user || p->group || p->supplementary.count;
        bool able = !s->users_first && s->held >> CAP_SETUID & 1;
        if (r == 0 && s->change_user && !able &&
            (s->account.uid != geteuid() || s->account.gid != getegid() || p->supplementary.count)) {
                error_set(e, EPERM, "identity.user", "changing to user %s needs root", s->account.name);
                r = -EPERM;
        }
        if (r == 0 && p->remove_ipc && s->account.uid != 0 && s->change_user && !(p->namespaces & CLONE_NEWIPC)) {
                CLEAN_FREE char *uid = xprintf("/%u", s->account.uid);
                r = s->host->note(s->host->context, "ipc", uid);
        }
        if (!able)
                s->change_user = false; /* it is the caller's own */
        if (r < 0) {
                error_status(e, STATUS_USER);
                error_while(e, "applying %s", p->identity_origin ? p->identity_origin : "the caller's identity");
        }
        return r;
}
