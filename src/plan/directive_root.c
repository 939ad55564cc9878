/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about the root of a unit, and how paths of the others are meant then. */
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/path.h"
#include "plan/directive_internal.h"

void plan_unit_root_done(struct plan_unit_root *r)
{
        free(r->folder);
        free(r->image);
        free(r->options);
        plan_images_done(r);
}

/* ---- reading ---- */

static int check_root(const char *word, char **ret, struct error *e)
{
        return path_normalize(word, ret) < 0 ? directive_bad_value(e, word, "an absolute path without \"..\"") : 0;
}

int directive_read_root(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_root, e);
}

/* "[PARTITION:]OPTIONS": an image without partitions has the one that is called root. */
static int check_options(const char *word, char **ret, struct error *e)
{
        const char *colon = strchr(word, ':');
        bool root = colon && (size_t)(colon - word) == 4 && text_starts(word, "root:");
        if (!*word || (colon && !root))
                return directive_bad_value(e, word, "[root:]OPTIONS, separated by commas: the image has no other partitions");
        *ret = xstrdup(root ? colon + 1 : word);
        return 0;
}

int directive_read_root_options(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_options, e);
}

/* ---- compiling ---- */

int directive_compile_root(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        bool image = directive_of(s, v) == D_ROOT_IMAGE;
        struct plan_unit_root *root = &p->unit_root;
        (void)facts;
        if (root->origin) {
                error_set(e, EINVAL, "root.two", "a unit has one root: RootDirectory= or RootImage=");
                return error_while(e, "applying %s", v->origin);
        }
        if (!image && text_equal(v->text, "/"))
                return 0;
        *(image ? &root->image : &root->folder) = xstrdup(v->text);
        root->origin = v->origin;
        plan_need_namespace(p, CLONE_NEWNS, v->origin);
        return 0;
}

int directive_compile_root_options(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        CLEAN_TEXT struct text joined = { 0 };
        (void)s, (void)facts, (void)e;
        for (size_t i = 0; i < v->count; i++)
                text_addf(&joined, "%s%s", i ? "," : "", v->list[i].text);
        p->unit_root.options = TAKE_PTR(joined.data);
        p->unit_root.options_origin = directive_origins(p, v);
        return 0;
}

int directive_compile_root_start_only(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->unit_root.start_only = v->number && p->unit_root.origin;
        p->unit_root.start_only_origin = v->origin;
        return 0;
}

int directive_compile_mount_flags(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        static const uint64_t flags[] = { MS_SHARED, MS_SLAVE, MS_PRIVATE };
        (void)s, (void)facts, (void)e;
        p->unit_root.propagation = flags[v->number];
        p->unit_root.propagation_origin = v->origin;
        /* With shared mounts the host's would be changed: systemd makes a namespace for the other words only. */
        if (v->number)
                plan_need_namespace(p, CLONE_NEWNS, v->origin);
        return 0;
}

/* ---- paths of other directives ---- */

/*
 * The text of a list of paths is "[-][+]PATH".  With a root of its own a path is one of the host's, unless there is a "+"
 * before it: then, and with an image, it is one inside.  NULL: it is not seen at all.
 */
static const char *path_inside(const struct plan_unit_root *root, const char *path, bool inside, bool hides)
{
        if (!root->folder || inside)
                return path;
        if (path_is_below(path, root->folder))
                return path[strlen(root->folder)] ? path + strlen(root->folder) : "/";
        /* What holds for a folder above the root holds for all of it; to hide it all cannot be meant. */
        return path_is_below(root->folder, path) && !hides ? "/" : NULL;
}

void directive_add_paths(struct plan *p, const struct setting *v, enum plan_mount_kind kind)
{
        for (size_t i = 0; i < v->count; i++) {
                const char *text = v->list[i].text;
                bool optional = *text == '-', inside = text[optional] == '+';
                const char *path = path_inside(&p->unit_root, text + optional + inside, inside, kind == PLAN_INACCESSIBLE);
                if (path)
                        plan_add_mount(p, kind, path, v->list[i].origin)->optional = optional;
                else
                        strings_take(&p->notes, xprintf("%s: %s is outside of %s and not seen; with + before it a path is one inside", v->list[i].origin,
                                                        text + optional, p->unit_root.origin));
        }
}

static bool has_content(const struct plan *p, const char *path)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (p->mounts[i].kind >= PLAN_BIND && p->mounts[i].kind <= PLAN_TMPFS && text_equal(p->mounts[i].path, path))
                        return true;
        return false;
}

static void bind_from_host(struct plan *p, const char *path, const char *origin, bool optional, bool unless_mounted)
{
        if (has_content(p, path))
                return;
        struct plan_mount *m = plan_add_mount(p, PLAN_BIND, path, origin);
        m->source = xstrdup(path);
        m->recursive = true;
        m->optional = optional;
        m->unless_mounted = unless_mounted;
}

static const char *implied(struct plan *p, const struct setting *v, const char *assignment)
{
        return v->set ? v->origin : plan_keep(p, xprintf("%s (implied by %s)", assignment, p->unit_root.origin));
}

void directive_finish_root(const struct settings *s, struct plan *p)
{
        static const char *const kernels[] = { "/dev", "/proc", "/sys" };
        static const char *const log_sockets[] = { "/dev/log", "/run/systemd/journal/socket", "/run/systemd/journal/stdout" };
        const struct setting *api = &s->of[D_MOUNT_API_VFS], *logs = &s->of[D_BIND_LOG_SOCKETS];
        if (!p->unit_root.origin)
                return;
        bool with_api = !api->set || api->number, with_logs = logs->set ? logs->number : with_api;
        const char *origin = with_api ? implied(p, api, "MountAPIVFS=yes") : NULL;
        for (size_t i = 0; with_api && i < ELEMENTS(kernels); i++)
                bind_from_host(p, kernels[i], origin, false, true);
        if (with_api && !has_content(p, "/run")) {
                struct plan_mount *m = plan_add_mount(p, PLAN_TMPFS, "/run", origin);
                m->source = xstrdup("mode=0755,size=20%,nr_inodes=800k,nosuid");
                m->unless_mounted = true;
        }
        origin = with_logs ? implied(p, logs, "BindLogSockets=yes") : NULL;
        for (size_t i = 0; with_logs && i < ELEMENTS(log_sockets); i++)
                bind_from_host(p, log_sockets[i], origin, true, false);
}
