/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which capabilities a call would have failed without.  Modes, owners and ids say so in most cases; access lists are not read, and
 * what a driver asks for does not show.  What is too much or too little is found by running the command under the result.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "sandbox/observe_internal.h"

enum { CHECKED_MAX = 1 << 16, SCAN_MAX = 65536 };

static const char *field(const char *status, const char *name)
{
        const char *at = strstr(status, name);
        return at ? at + strlen(name) : "";
}

static void scan_ids(const char *s, uint32_t ret[4])
{
        char *end;
        for (size_t i = 0; i < 4; i++, s = end)
                ret[i] = (uint32_t)strtoul(s, &end, 10);
}

static bool read_credentials(pid_t pid, struct credentials *ret)
{
        char path[48];
        CLEAN_TEXT struct text t = { 0 };
        (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
        *ret = (struct credentials){ 0 };
        if (file_read(AT_FDCWD, path, SCAN_MAX, &t) < 0 || !t.data)
                return false;
        scan_ids(field(t.data, "\nUid:"), ret->uid);
        scan_ids(field(t.data, "\nGid:"), ret->gid);
        char *end;
        for (const char *s = field(t.data, "\nGroups:"); ret->group_count < OBSERVE_GROUPS_MAX; s = end) {
                while (*s == ' ' || *s == '\t')
                        s++;
                unsigned long n = strtoul(s, &end, 10);
                if (end == s || *s == '\n')
                        break;
                ret->groups[ret->group_count++] = (uint32_t)n;
        }
        ret->effective = strtoull(field(t.data, "\nCapEff:"), NULL, 16);
        ret->known = true;
        return true;
}

const struct credentials *observe_credentials(struct thread *t)
{
        if (!t->who.known)
                (void)read_credentials(t->pid, &t->who);
        return &t->who;
}

static bool holds(struct thread *t, unsigned n)
{
        return observe_credentials(t)->effective >> n & 1;
}

void observe_needs(struct thread *t, unsigned n)
{
        if (holds(t, n))
                t->needs |= 1ULL << n;
}

static bool in_group(const struct credentials *w, gid_t gid)
{
        if (w->gid[3] == gid)
                return true;
        for (size_t i = 0; i < w->group_count; i++)
                if (w->groups[i] == gid)
                        return true;
        return false;
}

/* wanted: bits of 4 (read), 2 (write) and 1 (execute or search). */
static bool mode_allows(const struct credentials *w, const struct stat *st, unsigned wanted)
{
        unsigned shift = st->st_uid == w->uid[3] ? 6 : in_group(w, st->st_gid) ? 3 : 0;
        return (st->st_mode >> shift & wanted) == wanted;
}

static bool see(const struct thread *t, const char *path, struct stat *st)
{
        char seen[PATH_MAX + 32];
        (void)snprintf(seen, sizeof seen, "/proc/%d/root%s", t->pid, path);
        return lstat(seen, st) == 0 && !S_ISLNK(st->st_mode);
}

/* True the first time: what was looked at once need not be again. */
static bool is_new(struct observer_context *c, const char *path, uint32_t uid, bool write)
{
        uint64_t h = 14695981039346656037ULL ^ uid ^ ((uint64_t)write << 33);
        for (; *path; path++)
                h = (h ^ (unsigned char)*path) * 1099511628211ULL;
        h |= 1;
        if (!c->checked)
                c->checked = xalloc(CHECKED_MAX, sizeof *c->checked);
        size_t at = (size_t)(h >> 20) % CHECKED_MAX;
        for (; c->checked[at]; at = (at + 1) % CHECKED_MAX)
                if (c->checked[at] == h)
                        return false;
        if (c->checked_count < CHECKED_MAX / 2) {
                c->checked[at] = h;
                c->checked_count++;
        }
        return true;
}

void observe_permission(struct observer_context *c, struct thread *t, const char *path, bool write)
{
        const struct credentials *w = observe_credentials(t);
        char above[PATH_MAX];
        struct stat st;
        if (!(w->effective >> CAP_DAC_OVERRIDE & 1 || w->effective >> CAP_DAC_READ_SEARCH & 1) || !is_new(c, path, w->uid[3], write))
                return;
        if (see(t, path, &st)) {
                unsigned wanted = write ? 2 : 4;
                if (S_ISDIR(st.st_mode) && write)
                        wanted = 3;
                if (!mode_allows(w, &st, wanted))
                        observe_needs(t, write || !holds(t, CAP_DAC_READ_SEARCH) ? CAP_DAC_OVERRIDE : CAP_DAC_READ_SEARCH);
        }
        (void)snprintf(above, sizeof above, "%s", path);
        for (char *slash; (slash = strrchr(above, '/')) && slash != above;) {
                *slash = 0;
                if (see(t, above, &st) && S_ISDIR(st.st_mode) && !mode_allows(w, &st, 1))
                        observe_needs(t, holds(t, CAP_DAC_READ_SEARCH) ? CAP_DAC_READ_SEARCH : CAP_DAC_OVERRIDE);
        }
}

void observe_owner_begins(struct observer_context *c, struct thread *t, const char *path)
{
        struct stat st;
        (void)c;
        if (see(t, path, &st) && st.st_uid != observe_credentials(t)->uid[3])
                observe_needs(t, CAP_FOWNER);
}

void observe_chown_begins(struct observer_context *c, struct thread *t, const char *path, uint32_t uid, uint32_t gid)
{
        const struct credentials *w = observe_credentials(t);
        struct stat st;
        (void)c;
        if (!see(t, path, &st))
                return;
        bool mine = st.st_uid == w->uid[3];
        if ((uid != (uint32_t)-1 && (uid != st.st_uid || !mine)) || (gid != (uint32_t)-1 && (!mine || !in_group(w, gid))))
                observe_needs(t, CAP_CHOWN);
}

void observe_removal_begins(struct observer_context *c, struct thread *t, const char *path)
{
        char above[PATH_MAX];
        struct stat st, folder;
        uint32_t me = observe_credentials(t)->uid[3];
        (void)c;
        (void)snprintf(above, sizeof above, "%s", path);
        char *slash = strrchr(above, '/');
        if (!slash)
                return;
        slash[slash == above] = 0;
        if (see(t, above, &folder) && folder.st_mode & S_ISVTX && folder.st_uid != me && see(t, path, &st) && st.st_uid != me)
                observe_needs(t, CAP_FOWNER);
}

void observe_ids_begin(struct thread *t, bool user, unsigned count)
{
        const struct credentials *w = observe_credentials(t);
        const uint32_t *own = user ? w->uid : w->gid;
        bool foreign = false;
        for (unsigned i = 0; i < count; i++) {
                uint32_t id = (uint32_t)t->args[i];
                foreign |= id != (uint32_t)-1 && id != own[0] && id != own[1] && id != own[2];
        }
        if (foreign)
                observe_needs(t, user ? CAP_SETUID : CAP_SETGID);
        /* setuid as root sets all three, which to anybody else would be the effective one alone: the same where they are equal. */
        if (count == 1 && !(own[0] == (uint32_t)t->args[0] && own[2] == (uint32_t)t->args[0]))
                observe_needs(t, user ? CAP_SETUID : CAP_SETGID);
}

void observe_kill_begins(struct observer_context *c, struct thread *t)
{
        const struct credentials *w = observe_credentials(t);
        struct credentials other;
        pid_t pid = (pid_t)t->args[0];
        if (!holds(t, CAP_KILL) || pid == t->pid || pid == 0)
                return;
        /* Numbers of another process namespace are not ours: then it may well be another's process. */
        if (pid < 0 || !observe_is_own(c, (unsigned long)pid) || !read_credentials(pid, &other))
                observe_needs(t, CAP_KILL);
        else if (w->uid[1] != other.uid[0] && w->uid[1] != other.uid[2] && w->uid[0] != other.uid[0] && w->uid[0] != other.uid[2])
                observe_needs(t, CAP_KILL);
}
