/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about images that are shown beside the root, and about extensions of /usr and /opt. */
#include <string.h>

#include "base/path.h"
#include "plan/directive_internal.h"

void plan_images_done(struct plan_unit_root *r)
{
        for (size_t i = 0; i < r->image_count; i++) {
                free(r->images[i].path);
                free(r->images[i].options);
        }
        free(r->images);
}

/* ---- reading: values are kept as "[-]SOURCE\nTARGET\nOPTIONS" ---- */

/* The text up to the next colon, in which "\:" is one; *s goes on behind it, or to NULL. */
static char *next_part(const char **s)
{
        CLEAN_TEXT struct text t = { 0 };
        const char *p = *s;
        text_add(&t, "");
        for (; *p && *p != ':'; p++) {
                p += *p == '\\' && p[1] == ':';
                text_add_bytes(&t, p, 1);
        }
        *s = *p ? p + 1 : NULL;
        return TAKE_PTR(t.data);
}

/* "[root:]OPTIONS": an image without partitions has the one that is called root. */
static int check_options(const char *s, const char **ret)
{
        if (text_starts(s, "root:"))
                s += 5;
        *ret = s;
        return !*s || strchr(s, ':') || strchr(s, '\n') ? -EINVAL : 0;
}

static int check(const char *word, bool has_target, bool has_options, const char *expected, char **ret, struct error *e)
{
        const char *rest = word + (*word == '-'), *options = "";
        CLEAN_FREE char *first = next_part(&rest), *second = has_target && rest ? next_part(&rest) : NULL, *source = NULL, *target = NULL;
        bool ok = path_normalize(first, &source) == 0 && !strchr(source, '\n') && !text_equal(source, "/");
        ok = ok && (!has_target || (second && path_normalize(second, &target) == 0 && !strchr(target, '\n') && !text_equal(target, "/")));
        ok = ok && (!rest || (has_options && check_options(rest, &options) == 0));
        if (!ok)
                return directive_bad_value(e, word, expected);
        *ret = xprintf("%s%s\n%s\n%s", *word == '-' ? "-" : "", source, target ? target : "", options);
        return 0;
}

static int check_mount(const char *word, char **ret, struct error *e)
{
        return check(word, true, true, "[-]IMAGE:PATH[:[root:]OPTIONS], with absolute paths and \"\\:\" for a colon in them", ret, e);
}

static int check_extension(const char *word, char **ret, struct error *e)
{
        return check(word, false, true, "[-]IMAGE[:[root:]OPTIONS], an absolute path, with \"\\:\" for a colon in it", ret, e);
}

static int check_folder(const char *word, char **ret, struct error *e)
{
        return check(word, false, false, "[-]FOLDER, an absolute path", ret, e);
}

/* "\:" is ours to read: the word splitter is given "\\:". */
static int read_list(const struct reader *r, const char *value, directive_check each, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (const char *p = value; *p; p++) {
                if (*p == '\\' && p[1] == ':')
                        text_add(&t, "\\");
                text_add_bytes(&t, p, 1);
                if (*p == '\\' && p[1])
                        text_add_bytes(&t, ++p, 1);
        }
        return directive_read_words(r, t.data, each, e);
}

int directive_read_mount_images(const struct reader *r, const char *value, struct error *e)
{
        return read_list(r, value, check_mount, e);
}

int directive_read_extension_images(const struct reader *r, const char *value, struct error *e)
{
        return read_list(r, value, check_extension, e);
}

int directive_read_extension_folders(const struct reader *r, const char *value, struct error *e)
{
        return read_list(r, value, check_folder, e);
}

/* ---- compiling ---- */

static struct plan_image *add(struct plan_unit_root *root, const struct value *v, const char **ret_target, size_t *ret_target_length)
{
        const char *path = v->text + (*v->text == '-'), *line = strchr(path, '\n'), *end = strchr(line + 1, '\n');
        root->images = xgrow(root->images, &root->image_room, root->image_count + 1, sizeof *root->images);
        struct plan_image *i = &root->images[root->image_count++];
        *i = (struct plan_image){ .path = xstrndup(path, (size_t)(line - path)), .options = end[1] ? xstrdup(end + 1) : NULL,
                                  .optional = *v->text == '-', .origin = v->origin };
        *ret_target = line + 1;
        *ret_target_length = (size_t)(end - line - 1);
        return i;
}

static bool is_full(const struct plan_unit_root *r, bool extension)
{
        size_t extensions = 0;
        for (size_t i = 0; i < r->image_count; i++)
                extensions += r->images[i].extension;
        return r->image_count == PLAN_IMAGES_MAX || (extension && extensions == PLAN_EXTENSIONS_MAX);
}

static void add_overlays(struct plan *p, const char *origin)
{
        static const char *const extended[] = { "/usr", "/opt" };
        for (size_t i = 0; i < p->mount_count; i++)
                if (p->mounts[i].kind == PLAN_OVERLAY)
                        return;
        for (size_t i = 0; i < ELEMENTS(extended); i++)
                plan_add_mount(p, PLAN_OVERLAY, extended[i], origin)->read_only = true;
}

int directive_compile_images(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        enum directive_id id = directive_of(s, v);
        const char *target;
        size_t length;
        (void)facts;
        for (size_t k = 0; k < v->count; k++) {
                if (is_full(&p->unit_root, id != D_MOUNT_IMAGES)) {
                        error_set(e, E2BIG, "root.limit", "more than %d images or %d extensions", PLAN_IMAGES_MAX, PLAN_EXTENSIONS_MAX);
                        return error_while(e, "applying %s", v->list[k].origin);
                }
                struct plan_image *i = add(&p->unit_root, &v->list[k], &target, &length);
                i->extension = id != D_MOUNT_IMAGES;
                i->folder = id == D_EXTENSION_DIRECTORIES;
                if (i->extension)
                        add_overlays(p, i->origin);
                else {
                        CLEAN_FREE char *path = xstrndup(target, length);
                        plan_add_mount(p, PLAN_IMAGE, path, i->origin)->source = xprintf("%zu", p->unit_root.image_count - 1);
                }
        }
        return 0;
}
