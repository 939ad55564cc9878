/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images of file systems: opened by the supervisor, which may (image_open), mounted by the child (image_mount).  Both read the same options, so that
 * what is locked for writing is what is written to.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "os/cgroup_resources.h"

/* An option that is read elsewhere (extensions.h). */
#define IMAGE_RELAXED "x-systemd.relax-extension-release-check"

struct image {
        int fd; /* of the block device, held; or negative */
        const char *type;
        bool writable;
};


struct image_wish {
        const char *path, *options; /* options: separated by commas, or NULL */
        const char *options_origin;
        bool read_only; /* whatever the options say */
};

/* Who writes to an image is alone with it. -ENOENT, "mount.missing": it is not there. */
int image_open(const struct image_wish *w, struct image *ret, struct error *e);
/* Where devices are shut out, the kernel asks its group about the image's as well when it is mounted: that one is let in, to read or also to write. */
void image_allow(const struct image *i, struct cgroup_resources *r);
/* A detached mount, or -errno. */
int image_mount(const struct image *i, const struct image_wish *w, struct error *e);
