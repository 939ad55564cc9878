/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /mounts of an OCI configuration, and the one table of all words in a mount's options. */
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>

#include "plan/oci_internal.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

struct mount_reading {
        struct plan_attach a;
        struct oci_reading *r;
        struct text data;  /* words for the file system, */
        size_t data_index; /* the first of them */
};

/* ---- options ---- */

struct option {
        const char *name;
        void (*apply)(struct plan_attach *a, const struct option *o);
        uint64_t value; /* MOUNT_ATTR_*, or MS_* of a propagation, or the offset of a bool */
        uint64_t super; /* MS_* of the file system */
};

static void apply_nothing(struct plan_attach *a, const struct option *o)
{
        (void)a, (void)o;
}

static void change(uint64_t *on, uint64_t *off, uint64_t bits)
{
        *on |= bits;
        *off &= ~bits;
}

static void apply_set(struct plan_attach *a, const struct option *o)
{
        change(&a->set, &a->clear, o->value);
        a->super |= o->super;
}

static void apply_clear(struct plan_attach *a, const struct option *o)
{
        change(&a->clear, &a->set, o->value);
        a->super &= ~o->super;
}

static void apply_set_below(struct plan_attach *a, const struct option *o)
{
        change(&a->set_below, &a->clear_below, o->value);
}

static void apply_clear_below(struct plan_attach *a, const struct option *o)
{
        change(&a->clear_below, &a->set_below, o->value);
}

/* The ways to keep access times are one field: the kernel wants all of it cleared before one is set. */
static void choose_atime(uint64_t *set, uint64_t *clear, uint64_t way)
{
        *set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | way;
        *clear |= MOUNT_ATTR__ATIME;
}

/* "Not this way" leads back to the kernel's default, relatime, unless another way was chosen before. */
static void refuse_atime(uint64_t *set, uint64_t *clear, uint64_t way)
{
        if (!(*clear & MOUNT_ATTR__ATIME) || (*set & MOUNT_ATTR__ATIME) == way)
                choose_atime(set, clear, MOUNT_ATTR_RELATIME);
}

static void apply_atime(struct plan_attach *a, const struct option *o)
{
        choose_atime(&a->set, &a->clear, o->value);
}

static void apply_not_atime(struct plan_attach *a, const struct option *o)
{
        refuse_atime(&a->set, &a->clear, o->value);
}

static void apply_atime_below(struct plan_attach *a, const struct option *o)
{
        choose_atime(&a->set_below, &a->clear_below, o->value);
}

static void apply_not_atime_below(struct plan_attach *a, const struct option *o)
{
        refuse_atime(&a->set_below, &a->clear_below, o->value);
}

static void apply_propagation(struct plan_attach *a, const struct option *o)
{
        a->propagation = o->value;
}

static void apply_flag(struct plan_attach *a, const struct option *o)
{
        *(bool *)((char *)a + o->value) = true;
}

static void apply_rbind(struct plan_attach *a, const struct option *o)
{
        (void)o;
        a->bind = a->recursive = true;
}

static void apply_ridmap(struct plan_attach *a, const struct option *o)
{
        (void)o;
        a->id_mapped = a->id_mapped_below = true;
}

#define FLAG(member) apply_flag, offsetof(struct plan_attach, member)
static const struct option options[] = {
        { "defaults", apply_nothing },
        /* of the mount */
        { "ro", apply_set, MOUNT_ATTR_RDONLY, MS_RDONLY },
        { "rw", apply_clear, MOUNT_ATTR_RDONLY, MS_RDONLY },
        { "nosuid", apply_set, MOUNT_ATTR_NOSUID },
        { "suid", apply_clear, MOUNT_ATTR_NOSUID },
        { "nodev", apply_set, MOUNT_ATTR_NODEV },
        { "dev", apply_clear, MOUNT_ATTR_NODEV },
        { "noexec", apply_set, MOUNT_ATTR_NOEXEC },
        { "exec", apply_clear, MOUNT_ATTR_NOEXEC },
        { "nosymfollow", apply_set, MOUNT_ATTR_NOSYMFOLLOW },
        { "symfollow", apply_clear, MOUNT_ATTR_NOSYMFOLLOW },
        { "nodiratime", apply_set, MOUNT_ATTR_NODIRATIME },
        { "diratime", apply_clear, MOUNT_ATTR_NODIRATIME },
        { "noatime", apply_atime, MOUNT_ATTR_NOATIME },
        { "atime", apply_not_atime, MOUNT_ATTR_NOATIME },
        { "strictatime", apply_atime, MOUNT_ATTR_STRICTATIME },
        { "nostrictatime", apply_not_atime, MOUNT_ATTR_STRICTATIME },
        { "relatime", apply_atime, MOUNT_ATTR_RELATIME },
        { "norelatime", apply_nothing }, /* relatime is what the kernel does where nothing is said */
        /* of it and all mounts below */
        { "rro", apply_set_below, MOUNT_ATTR_RDONLY },
        { "rrw", apply_clear_below, MOUNT_ATTR_RDONLY },
        { "rnosuid", apply_set_below, MOUNT_ATTR_NOSUID },
        { "rsuid", apply_clear_below, MOUNT_ATTR_NOSUID },
        { "rnodev", apply_set_below, MOUNT_ATTR_NODEV },
        { "rdev", apply_clear_below, MOUNT_ATTR_NODEV },
        { "rnoexec", apply_set_below, MOUNT_ATTR_NOEXEC },
        { "rexec", apply_clear_below, MOUNT_ATTR_NOEXEC },
        { "rnosymfollow", apply_set_below, MOUNT_ATTR_NOSYMFOLLOW },
        { "rsymfollow", apply_clear_below, MOUNT_ATTR_NOSYMFOLLOW },
        { "rnodiratime", apply_set_below, MOUNT_ATTR_NODIRATIME },
        { "rdiratime", apply_clear_below, MOUNT_ATTR_NODIRATIME },
        { "rnoatime", apply_atime_below, MOUNT_ATTR_NOATIME },
        { "ratime", apply_not_atime_below, MOUNT_ATTR_NOATIME },
        { "rstrictatime", apply_atime_below, MOUNT_ATTR_STRICTATIME },
        { "rnostrictatime", apply_not_atime_below, MOUNT_ATTR_STRICTATIME },
        { "rrelatime", apply_atime_below, MOUNT_ATTR_RELATIME },
        { "rnorelatime", apply_nothing },
        /* of the file system; the kernel has no such attribute of mounts, so the words with r are the same */
        { "sync", apply_set, 0, MS_SYNCHRONOUS },
        { "async", apply_clear, 0, MS_SYNCHRONOUS },
        { "dirsync", apply_set, 0, MS_DIRSYNC },
        { "mand", apply_set, 0, MS_MANDLOCK },
        { "nomand", apply_clear, 0, MS_MANDLOCK },
        { "rsync", apply_set, 0, MS_SYNCHRONOUS },
        { "rasync", apply_clear, 0, MS_SYNCHRONOUS },
        { "rdirsync", apply_set, 0, MS_DIRSYNC },
        { "rmand", apply_set, 0, MS_MANDLOCK },
        { "rnomand", apply_clear, 0, MS_MANDLOCK },
        { "iversion", apply_set, 0, MS_I_VERSION },
        { "noiversion", apply_clear, 0, MS_I_VERSION },
        { "lazytime", apply_set, 0, MS_LAZYTIME },
        { "nolazytime", apply_clear, 0, MS_LAZYTIME },
        { "silent", apply_set, 0, MS_SILENT },
        { "loud", apply_clear, 0, MS_SILENT },
        { "remount", apply_set, 0, MS_REMOUNT },
        /* what is mounted, and how */
        { "bind", FLAG(bind) },
        { "rbind", apply_rbind },
        { "tmpcopyup", FLAG(copy_up) },
        { "copy-symlink", FLAG(copy_symlink) },
        { "src-nofollow", FLAG(source_no_follow) },
        { "dest-nofollow", FLAG(target_no_follow) },
        { "idmap", FLAG(id_mapped) },
        { "ridmap", apply_ridmap },
        /* propagation */
        { "shared", apply_propagation, MS_SHARED },
        { "rshared", apply_propagation, MS_SHARED | MS_REC },
        { "slave", apply_propagation, MS_SLAVE },
        { "rslave", apply_propagation, MS_SLAVE | MS_REC },
        { "private", apply_propagation, MS_PRIVATE },
        { "rprivate", apply_propagation, MS_PRIVATE | MS_REC },
        { "unbindable", apply_propagation, MS_UNBINDABLE },
        { "runbindable", apply_propagation, MS_UNBINDABLE | MS_REC },
};

const char *oci_mount_option(size_t n)
{
        return n < ELEMENTS(options) ? options[n].name : NULL;
}

static const struct option *find_option(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (text_equal(options[i].name, name))
                        return &options[i];
        return NULL;
}

/* ---- idmap=uids=0-1-10#10-11-10;gids=... ---- */

static bool take_u32(const char **s, char end, uint32_t *ret)
{
        size_t n = strspn(*s, "0123456789");
        CLEAN_FREE char *digits = xstrndup(*s, n);
        uint64_t value;
        if (text_parse_uint(digits, UINT32_MAX, &value) < 0 || (end && (*s)[n] != end))
                return false;
        *ret = (uint32_t)value;
        *s += n + (end != 0);
        return true;
}

/* An id of the container's user namespace as the host sees it; the whole range lies in one entry of the map. */
static bool to_host(const struct plan_id_map *maps, size_t count, uint32_t *id, uint32_t size)
{
        for (size_t i = 0; i < count; i++)
                if (*id >= maps[i].inside && *id - maps[i].inside < maps[i].count && size <= maps[i].count - (*id - maps[i].inside)) {
                        *id = maps[i].outside + (*id - maps[i].inside);
                        return true;
                }
        return false;
}

/* FIRST-SECOND-COUNT: what the file system holds, what it looks like, how many; with @, SECOND is an id inside the container. */
static const char *parse_triplet(const char **s, const struct plan_id_map *outer, size_t outer_count, struct plan_id_map *ret)
{
        bool relative = **s == '@';
        *s += relative;
        if (!take_u32(s, '-', &ret->inside) || !take_u32(s, '-', &ret->outside) || !take_u32(s, 0, &ret->count))
                return "is not FIRST-SECOND-COUNT";
        if (relative && !to_host(outer, outer_count, &ret->outside, ret->count))
                return "names with @ what the container's own map does not hold";
        return NULL;
}

static const char *parse_triplets(const char **s, const struct plan_id_map *outer, size_t outer_count,
                                  struct plan_id_map **maps, size_t *count)
{
        size_t room = 0;
        free(*maps);
        *maps = NULL;
        *count = 0;
        for (;; (*s)++) {
                *maps = xgrow(*maps, &room, *count + 1, sizeof **maps);
                const char *problem = parse_triplet(s, outer, outer_count, &(*maps)[*count]);
                if (problem)
                        return problem;
                if (++*count > OCI_MAP_LINES_MAX || **s != '#')
                        return oci_maps_problem(*maps, *count);
        }
}

static const char *parse_inline_maps(const char *s, const struct plan_id_maps *outer, struct plan_id_maps *ret)
{
        const char *problem = NULL;
        while (!problem) {
                if (text_starts(s, "uids=")) {
                        s += 5;
                        problem = parse_triplets(&s, outer->uids, outer->uid_count, &ret->uids, &ret->uid_count);
                } else if (text_starts(s, "gids=")) {
                        s += 5;
                        problem = parse_triplets(&s, outer->gids, outer->gid_count, &ret->gids, &ret->gid_count);
                } else
                        return "is not uids=... or gids=...";
                if (!problem && *s != ';')
                        break;
                s++;
        }
        if (!problem && *s)
                return "is not FIRST-SECOND-COUNT";
        return problem ? problem : !ret->uid_count || !ret->gid_count ? "does not map both uids and gids" : NULL;
}

static int read_inline_maps(const struct json_place *at, struct mount_reading *m, const char *maps, struct error *e)
{
        const char *problem = parse_inline_maps(maps, &m->r->c->maps, &m->a.maps);
        if (problem)
                return oci_fail(at, e, "it looks like idmap=uids=0-1000-10#10-2000-5;gids=0-1000-10", "the map %s", problem);
        m->a.id_mapped = true;
        return 0;
}

/* ---- one mount ---- */

static int read_option(const struct json_place *at, void *into, struct error *e)
{
        struct mount_reading *m = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        const struct option *o = find_option(s);
        if (o) {
                o->apply(&m->a, o);
                return 0;
        }
        if (text_starts(s, "ridmap=") || text_starts(s, "idmap=")) {
                m->a.id_mapped_below |= *s == 'r';
                return read_inline_maps(at, m, strchr(s, '=') + 1, e);
        }
        if (!*s)
                return 0;
        if (!m->data.length)
                m->data_index = at->index;
        text_addf(&m->data, "%s%s", m->data.length ? "," : "", s);
        return 0;
}

static int read_options(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, read_option, into, e);
}

static int read_target(const struct json_place *at, void *into, struct error *e)
{
        char **target = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strlen(s) >= OCI_PATH_MAX)
                return json_fail(at, e, *s ? "is too long" : "is empty");
        free(*target);
        *target = *s == '/' ? xstrdup(s) : xprintf("/%s", s);
        return 0;
}

static const struct json_field mount_fields[] = {
        { "destination", read_target, offsetof(struct mount_reading, a.target), JSON_REQUIRED },
        { "type", oci_text, offsetof(struct mount_reading, a.type), 0 },
        { "source", oci_text, offsetof(struct mount_reading, a.source), 0 },
        { "options", read_options, 0, 0 },
        { "uidMappings", oci_uid_maps, offsetof(struct mount_reading, a.maps), 0 },
        { "gidMappings", oci_gid_maps, offsetof(struct mount_reading, a.maps), 0 },
        { 0 },
};

static int finish_maps(const struct json_place *at, struct mount_reading *m, struct error *e)
{
        struct plan_attach *a = &m->a;
        const struct json_place place = oci_member(at, a->maps.uid_count ? "gidMappings" : "uidMappings");
        const struct json_place option = oci_member(at, "options");
        if (!a->maps.uid_count != !a->maps.gid_count)
                return oci_fail(&place, e, "an id-mapped mount maps both", "is missing");
        a->id_mapped |= a->maps.uid_count > 0;
        if (a->id_mapped && !a->maps.uid_count && !((m->r->made | m->r->joined) & CLONE_NEWUSER))
                return oci_fail(&option, e, "add uidMappings and gidMappings to the mount, or a user namespace to the container",
                                "idmap without a map");
        return 0;
}

/* Of a tmpfs, when a bundle shows a folder in its place. mount(2) ignores them; all else might be a protection that is mistyped. */
static bool is_of_tmpfs(const char *words)
{
        static const char *const names[] = { "mode=", "size=", "nr_inodes=", "nr_blocks=" };
        for (const char *s = words; s; s = strchr(s, ',')) {
                bool known = false;
                s += *s == ',';
                for (size_t i = 0; i < ELEMENTS(names) && !known; i++)
                        known = text_starts(s, names[i]);
                if (!known)
                        return false;
        }
        return true;
}

static int finish_bind(const struct json_place *at, struct mount_reading *m, struct error *e)
{
        struct plan_attach *a = &m->a;
        const struct json_place source = oci_member(at, "source"), all = oci_member(at, "options");
        const struct json_place word = { .up = &all, .index = m->data_index };
        if (!a->source)
                return oci_fail(&source, e, "a bind shows a file or folder of the host", "is missing");
        if (m->data.length && is_of_tmpfs(m->data.data)) {
                strings_take(&m->r->p->notes, xprintf("%s is a bind, which has no %.100s: left out", a->target, m->data.data));
                text_clear(&m->data);
        }
        if (m->data.length)
                return oci_fail(&word, e, "a bind takes attributes such as ro or nosuid and propagation; options for a file system have no meaning for it",
                                "unknown for a bind: \"%.100s\"", m->data.data);
        if (*a->source != '/') {
                char *path = xprintf("%s/%s", m->r->facts->bundle, a->source);
                free(a->source);
                a->source = path;
        }
        free(a->type);
        a->type = NULL;
        a->super &= MS_REMOUNT; /* the file system is there already, with options of its own */
        return 0;
}

static int finish_new(const struct json_place *at, struct mount_reading *m, struct error *e)
{
        struct plan_attach *a = &m->a;
        const struct json_place type = oci_member(at, "type"), option = oci_member(at, "options");
        if (a->copy_symlink || a->source_no_follow)
                return oci_fail(&option, e, "add bind or rbind", "%s is for binds only", a->copy_symlink ? "copy-symlink" : "src-nofollow");
        if (a->super & MS_REMOUNT)
                return 0;
        if (!a->type || text_equal(a->type, "none"))
                return oci_fail(&type, e, "name a type of file system such as tmpfs, or add bind or rbind to the options",
                                a->type ? "\"none\" is for binds only" : "is missing");
        a->is_cgroup = text_equal(a->type, "cgroup");
        return 0;
}

static int finish_mount(const struct json_place *at, struct mount_reading *m, struct error *e)
{
        struct plan_attach *a = &m->a;
        const struct json_place option = oci_member(at, "options");
        a->bind |= a->type && text_equal(a->type, "bind");
        int r = finish_maps(at, m, e);
        if (r == 0)
                r = a->bind ? finish_bind(at, m, e) : finish_new(at, m, e);
        if (r == 0 && a->copy_up && (!a->type || !text_equal(a->type, "tmpfs")))
                r = oci_fail(&option, e, NULL, "tmpcopyup is for mounts of type tmpfs only");
        if (r == 0)
                a->data = TAKE_PTR(m->data.data);
        return r;
}

static int read_mount(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        struct plan_container *c = r->c;
        struct mount_reading m = { .r = r, .a.origin = oci_origin(r->p, at) };
        int ret = json_object(at, mount_fields, &m, e);
        if (ret == 0)
                ret = finish_mount(at, &m, e);
        text_clear(&m.data);
        c->attaches = xgrow(c->attaches, &c->attach_room, c->attach_count + 1, sizeof *c->attaches);
        c->attaches[c->attach_count++] = m.a;
        return ret;
}

int oci_read_mounts(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, read_mount, into, e);
}
