/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/explain_root.h"

#include <sys/mount.h>

static const char *propagation_word(uint64_t propagation)
{
        return propagation == MS_SHARED ? "shared" : propagation == MS_SLAVE ? "slave" : propagation == MS_PRIVATE ? "private" : NULL;
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
        json_origin(t, "propagation", propagation_word(r->propagation), r->propagation_origin);
        text_add(t, "}");
}
