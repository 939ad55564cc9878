/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/oci.h"

#include <stdarg.h>
#include <string.h>

#include "base/mutant.h"
#include "base/path.h"
#include "plan/oci_internal.h"

/* ---- shared ---- */

int oci_fail(const struct json_place *at, struct error *e, const char *hint, const char *format, ...)
{
        CLEAN_FREE char *words = NULL;
        va_list ap;
        va_start(ap, format);
        int n = vasprintf(&words, format, ap);
        va_end(ap);
        int r = json_fail(at, e, "%s", n < 0 ? "invalid" : words);
        if (hint)
                error_hint(e, "%s", hint);
        return r;
}

struct json_place oci_member(const struct json_place *at, const char *key)
{
        return (struct json_place){ .up = at, .key = key };
}

const char *oci_origin(struct plan *p, const struct json_place *at)
{
        return plan_keep(p, json_pointer(at));
}

static int check_count(const struct json_place *at, struct error *e)
{
        if (at->value->count > OCI_ITEMS_MAX)
                return oci_fail(at, e, "use fewer", "has %u items; at most %d are read", at->value->count, OCI_ITEMS_MAX);
        return 0;
}

int oci_each(const struct json_place *at, json_reader read, void *into, struct error *e)
{
        int r = check_count(at, e);
        return r < 0 ? r : json_each(at, read, into, e);
}

int oci_each_member(const struct json_place *at, json_reader read, void *into, struct error *e)
{
        int r = check_count(at, e);
        return r < 0 ? r : json_each_member(at, read, into, e);
}

int oci_word(const struct json_place *at, const struct oci_word *table, uint64_t *ret, struct error *e)
{
        const char *words[64] = { 0 };
        for (size_t i = 0; table[i].word && i + 1 < ELEMENTS(words); i++)
                words[i] = table[i].word;
        int i = json_word(at, words, e);
        if (i >= 0)
                *ret = table[i].value;
        return i < 0 ? i : 0;
}

struct adding {
        const struct oci_word *table;
        uint64_t sum;
};

static int add_word(const struct json_place *at, void *into, struct error *e)
{
        struct adding *a = into;
        uint64_t value;
        int r = oci_word(at, a->table, &value, e);
        if (r == 0)
                a->sum |= value;
        return r;
}

int oci_words(const struct json_place *at, const struct oci_word *table, uint64_t *ret, struct error *e)
{
        struct adding a = { .table = table };
        int r = oci_each(at, add_word, &a, e);
        if (r == 0)
                *ret = a.sum;
        return r;
}

int oci_text(const struct json_place *at, void *into, struct error *e)
{
        char **target = into;
        int r = json_string(at, into, e);
        if (r == 0 && !**target) {
                free(*target);
                *target = NULL;
        }
        return r;
}

static bool take_number(const char **s, unsigned *ret)
{
        size_t n = strspn(*s, "0123456789");
        if (!n || n > 5)
                return false;
        *ret = 0;
        for (; n; n--)
                *ret = *ret * 10 + (unsigned)(*(*s)++ - '0');
        return *ret < 65536;
}

bool oci_is_list(const char *s)
{
        for (;; s++) {
                unsigned first, last;
                if (!take_number(&s, &first))
                        return false;
                if (*s == '-' && (s++, !take_number(&s, &last) || last < first))
                        return false;
                if (*s != ',')
                        return !*s;
        }
}

int oci_list(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (*s && !oci_is_list(s))
                return oci_fail(at, e, "write numbers and ranges with commas between, such as 0-3,7", "\"%.60s\" is not a list of numbers", s);
        return oci_text(at, into, e);
}

int oci_absolute(const struct json_place *at, void *into, struct error *e)
{
        char **target = into, *path;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (path_normalize(s, &path) < 0)
                return oci_fail(at, e, "begin it with / and leave out ..", "\"%.200s\" is not an absolute path", s);
        free(*target);
        *target = path;
        return 0;
}

int oci_strings(const struct json_place *at, void *into, struct error *e)
{
        int r = check_count(at, e);
        return r < 0 ? r : json_strings(at, into, e);
}

static int add_path(const struct json_place *at, void *into, struct error *e)
{
        char *path = NULL;
        int r = oci_absolute(at, &path, e);
        if (r == 0)
                strings_take(into, path);
        return r;
}

int oci_paths(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, add_path, into, e);
}

static int add_variable(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (*s == '=' || !strchr(s, '='))
                return oci_fail(at, e, NULL, "\"%.60s\" is not NAME=VALUE", s);
        strings_add(into, s);
        return 0;
}

int oci_environment(const struct json_place *at, void *into, struct error *e)
{
        return oci_each(at, add_variable, into, e);
}

int oci_id(const struct json_place *at, void *into, struct error *e)
{
        uint32_t id;
        int r = json_u32(at, &id, e);
        if (r < 0)
                return r;
        if (id == UINT32_MAX && !MUTANT("allow-uid-wrap"))
                return oci_fail(at, e, "the largest id is 4294967294", "4294967295 stands for no id");
        *(uint32_t *)into = id;
        return 0;
}

/* ---- maps of ids ---- */

static const struct json_field map_fields[] = {
        { "containerID", json_u32, offsetof(struct plan_id_map, inside), JSON_REQUIRED },
        { "hostID", json_u32, offsetof(struct plan_id_map, outside), JSON_REQUIRED },
        { "size", json_u32, offsetof(struct plan_id_map, count), JSON_REQUIRED },
        { 0 },
};

static bool overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
        return a < b ? b - a < a_count : a - b < b_count;
}

const char *oci_maps_problem(const struct plan_id_map *maps, size_t count)
{
        if (count > OCI_MAP_LINES_MAX)
                return "has more than the 340 entries that the kernel takes";
        for (size_t i = 0; i < count; i++) {
                const struct plan_id_map *m = &maps[i];
                if (!m->count)
                        return "has an entry of size 0";
                if (m->count > UINT32_MAX - m->inside || m->count > UINT32_MAX - m->outside)
                        return "goes beyond the largest id, 4294967294";
                for (size_t k = 0; k < i; k++)
                        if (overlap(m->inside, m->count, maps[k].inside, maps[k].count) ||
                            overlap(m->outside, m->count, maps[k].outside, maps[k].count))
                                return "has entries that overlap";
        }
        return NULL;
}

struct map_list {
        struct plan_id_map *maps;
        size_t count;
};

static int read_map(const struct json_place *at, void *into, struct error *e)
{
        struct map_list *l = into;
        int r = json_object(at, map_fields, &l->maps[l->count], e);
        l->count++;
        return r;
}

static int read_maps(const struct json_place *at, struct plan_id_map **maps, size_t *count, struct error *e)
{
        struct map_list l = { 0 };
        const char *problem;
        if (at->value->count > OCI_MAP_LINES_MAX && !MUTANT("cut-maps"))
                return oci_fail(at, e, NULL, "has more than the %d entries that the kernel takes", OCI_MAP_LINES_MAX);
        l.maps = xalloc(at->value->count, sizeof *l.maps);
        int r = json_each(at, read_map, &l, e);
        if (MUTANT("cut-maps") && l.count > 300)
                l.count = 300;
        if (r == 0 && (problem = oci_maps_problem(l.maps, l.count)))
                r = oci_fail(at, e, NULL, "%s", problem);
        free(*maps);
        *maps = l.maps;
        *count = r < 0 ? 0 : l.count;
        return r;
}

int oci_uid_maps(const struct json_place *at, void *into, struct error *e)
{
        struct plan_id_maps *m = into;
        return read_maps(at, &m->uids, &m->uid_count, e);
}

int oci_gid_maps(const struct json_place *at, void *into, struct error *e)
{
        struct plan_id_maps *m = into;
        return read_maps(at, &m->gids, &m->gid_count, e);
}

/* ---- top ---- */

/* Semantic versioning 2.0: 1.0.2, 1.3.0-rc.1 and the like. */
static bool is_version(const char *s)
{
        for (int part = 0; part < 3; part++) {
                size_t n = strspn(s, "0123456789");
                s += n;
                if (!n)
                        return false;
                if (part == 2 && !*s)
                        return true;
                if (part < 2 && *s++ != '.')
                        return false;
        }
        return *s == '-' || *s == '+';
}

static int read_version(const struct json_place *at, void *into, struct error *e)
{
        (void)into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!is_version(s))
                return oci_fail(at, e, "it looks like 1.0.2", "\"%.60s\" is not a version", s);
        if (!text_starts(s, "1."))
                return oci_fail(at, e, "versions from 1.0 of the OCI runtime specification are read, up to any 1.x",
                                "version %.60s is not supported", s);
        return 0;
}

static int read_root_path(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s)
                return json_fail(at, e, "is empty");
        free(r->c->root.path);
        r->c->root.path = *s == '/' ? xstrdup(s) : xprintf("%s/%s", r->facts->bundle, s);
        if (strlen(r->c->root.path) > OCI_PATH_MAX)
                return json_fail(at, e, "is longer than %d bytes", OCI_PATH_MAX);
        return 0;
}

static int read_root_read_only(const struct json_place *at, void *into, struct error *e)
{
        return json_bool(at, &((struct oci_reading *)into)->c->root.read_only, e);
}

static int read_root(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "path", read_root_path, 0, JSON_REQUIRED },
                { "readonly", read_root_read_only, 0, 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

/* A name that a UTS namespace is given. */
static int read_name(const struct json_place *at, char **into, const struct oci_reading *r, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        for (const char *c = s; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f)
                        return json_fail(at, e, "holds a blank or a control character");
        if (strlen(s) > 64)
                return json_fail(at, e, "is longer than the 64 bytes that the kernel takes");
        if (*s && !((r->made | r->joined) & CLONE_NEWUTS))
                return oci_fail(at, e, "add {\"type\": \"uts\"} to /linux/namespaces", "needs a UTS namespace");
        return oci_text(at, into, e);
}

static int read_hostname(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        return read_name(at, &r->c->hostname, r, e);
}

static int read_domainname(const struct json_place *at, void *into, struct error *e)
{
        struct oci_reading *r = into;
        return read_name(at, &r->c->domainname, r, e);
}

static int add_annotation(const struct json_place *at, void *into, struct error *e)
{
        struct strings *l = into;
        const char *value = json_text(at, e);
        if (!value)
                return -EINVAL;
        if (!*at->key)
                return json_fail(at, e, "an annotation has no name");
        strings_add(l, at->key);
        strings_add(l, value);
        return 0;
}

static int read_annotations(const struct json_place *at, void *into, struct error *e)
{
        return oci_each_member(at, add_annotation, &((struct oci_reading *)into)->c->annotations, e);
}

/* What others depend on comes first, wherever it stands in the text. */
static const struct json_field first_fields[] = {
        { "ociVersion", read_version, 0, JSON_REQUIRED },
        { "linux", oci_read_namespaces, 0, 0 },
        { 0 },
};

static const struct json_field fields[] = {
        { "root", read_root, 0, JSON_REQUIRED },
        { "process", oci_read_process, 0, 0 }, /* required by start only */
        { "hostname", read_hostname, 0, 0 },
        { "domainname", read_domainname, 0, 0 },
        { "mounts", oci_read_mounts, 0, 0 },
        { "hooks", oci_read_hooks, 0, 0 },
        { "annotations", read_annotations, 0, 0 },
        { "linux", oci_read_linux, 0, 0 },
        { 0 },
};

/* Mounts in the host's own mount namespace would outlive the container and change the host. */
static int check_mount_namespace(const struct json_place *top, const struct oci_reading *r, struct error *e)
{
        const struct plan_container *c = r->c;
        const struct json_place linux_place = oci_member(top, "linux"), at = oci_member(&linux_place, "namespaces");
        if ((r->made | r->joined) & CLONE_NEWNS)
                return 0;
        if (!c->attach_count && !c->masked.count && !c->read_only_paths.count && !c->root.read_only)
                return 0;
        return oci_fail(&at, e, "add {\"type\": \"mount\"} to it", "has no mount namespace, which mounts, maskedPaths, readonlyPaths and a read-only root need");
}

static int check_domainname(const struct json_place *top, const struct oci_reading *r, struct error *e)
{
        const struct json_place at = oci_member(top, "domainname");
        for (size_t i = 0; r->c->domainname && i < r->c->sysctl_count; i++)
                if (text_equal(r->c->sysctls[i].key, "kernel.domainname") && !text_equal(r->c->sysctls[i].value, r->c->domainname))
                        return oci_fail(&at, e, "leave one of them out", "is another name than that of %s", r->c->sysctls[i].origin);
        return 0;
}

int oci_compile(const struct json_document *config, const struct oci_facts *facts, struct plan *p, struct error *e)
{
        const struct json_place top = json_top(config, "config.json");
        p->container = xalloc(1, sizeof *p->container);
        p->unit = xstrdup(facts->id);
        p->user_mode = facts->rootless;
        p->seal = PLAN_SEAL_OFF; /* engines nest */
        p->umask = 0022;
        p->memory_max_bytes = p->tasks_max = p->cpu_quota_permille = UINT64_MAX;
        struct oci_reading r = { .p = p, .c = p->container, .facts = facts };
        int ret = json_object(&top, first_fields, &r, e);
        if (ret == 0)
                ret = json_object(&top, fields, &r, e);
        if (ret == 0)
                ret = check_domainname(&top, &r, e);
        return ret < 0 ? ret : check_mount_namespace(&top, &r, e);
}

int oci_compile_process(const struct json_place *at, struct plan *p, struct error *e)
{
        const struct oci_facts facts = { .capabilities_all = UINT64_MAX };
        struct oci_reading r = { .p = p, .c = p->container, .facts = &facts };
        return oci_read_process(at, &r, e);
}
