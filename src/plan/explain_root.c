/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/explain_root.h"

#include <sys/mount.h>

static const char *propagation_word(uint64_t propagation)
{
        return propagation == MS_SHARED ? "shared" : propagation == MS_SLAVE ? "slave" : propagation == MS_PRIVATE ? "private" : NULL;
}

static char *image_words(const struct plan_image *i)
{
        const char *options = i->options ? i->options : i->extension ? "" : "read-only", *missing = i->optional ? "if there" : "";
        return xprintf("%s%s%s%s%s", i->folder ? "a folder" : "a file system", *options ? ": " : "", options, *missing ? ", " : "", missing);
}

void explain_root_text(const struct view *v)
{
        const struct plan_unit_root *r = &v->p->unit_root;
        if (r->folder)
                line(v, "root", r->folder, "a folder of the host, all that is seen", r->origin);
        if (r->image) {
                CLEAN_FREE char *words = xprintf("an image of a file system%s%s", r->options ? ": " : ", read-only", r->options ? r->options : "");
                line(v, "root", r->image, words, r->origin);
        }
        for (size_t i = 0; i < r->image_count; i++) {
                CLEAN_FREE char *words = image_words(&r->images[i]);
                line(v, r->images[i].extension ? "extension" : "image", r->images[i].path, words, r->images[i].origin);
        }
        if (r->start_only)
                line(v, "root", "ExecStart=", "alone sees it; other commands of a service see the host's tree", r->start_only_origin);
        if (r->propagation)
                line(v, "mounts", propagation_word(r->propagation), "how they spread", r->propagation_origin);
}

void explain_root_json(const struct view *v)
{
        const struct plan_unit_root *r = &v->p->unit_root;
        struct text *t = v->t;
        key(t, "root");
        text_add(t, "{");
        json_string(t, "folder", r->folder);
        json_string(t, "image", r->image);
        json_string(t, "options", r->options);
        json_string(t, "origin", r->origin);
        json_bool(t, "start_only", r->start_only);
        key(t, "images");
        text_add(t, "[");
        for (size_t i = 0; i < r->image_count; i++) {
                next(t);
                text_add(t, "{");
                json_string(t, "path", r->images[i].path);
                json_string(t, "kind", r->images[i].folder ? "extension-folder" : r->images[i].extension ? "extension" : "mount");
                json_string(t, "options", r->images[i].options);
                json_bool(t, "optional", r->images[i].optional);
                json_string(t, "origin", r->images[i].origin);
                text_add(t, "}");
        }
        text_add(t, "]");
        json_origin(t, "propagation", propagation_word(r->propagation), r->propagation_origin);
        text_add(t, "}");
}
