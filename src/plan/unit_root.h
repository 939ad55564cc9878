/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a plan that says what tree a unit sees in the place of the host's: a folder of it, or an image of a file system. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More that is shown of an image or, of extensions, a folder. */
struct plan_image {
        char *path, *options; /* of the host; options: separated by commas, or NULL */
        bool optional;        /* what is not there is passed over */
        bool extension;       /* laid over /usr and /opt; else mounted by a PLAN_IMAGE */
        bool folder;          /* an extension that is no image */
        const char *origin;
};

enum { PLAN_IMAGES_MAX = 64, PLAN_EXTENSIONS_MAX = 12 /* the kernel takes 255 bytes for the names of all layers */ };

struct plan_unit_root {
        char *folder;       /* normalized; NULL: no folder */
        char *image;        /* likewise, of a file; at most one of the two */
        char *options;      /* of the image, separated by commas; NULL: none */
        const char *origin; /* NULL: the host's own tree */
        const char *options_origin;
        bool start_only;    /* services: only the commands of ExecStart= see it */
        const char *start_only_origin;
        struct plan_image *images; /* extensions from the lowest up */
        size_t image_count, image_room;
        uint64_t propagation; /* MS_SHARED, MS_SLAVE or MS_PRIVATE of all mounts; 0: the default, shared among its own */
        const char *propagation_origin;
};

void plan_unit_root_done(struct plan_unit_root *r);
void plan_images_done(struct plan_unit_root *r);
