/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a container's state.json: what parses can be written, and parses again as the same. */
#include <stdlib.h>
#include <string.h>

#include "runtime/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && !strcmp(a, b));
}

static void check_same(const struct record *a, const struct record *b)
{
        check(same(a->id, b->id) && same(a->bundle, b->bundle) && same(a->rootfs, b->rootfs) && same(a->created, b->created));
        check(same(a->oci_version, b->oci_version) && same(a->owner, b->owner));
        check(a->pid == b->pid && a->pid_start == b->pid_start && a->namespaces == b->namespaces && a->terminal == b->terminal);
}

/* What would be removed by this record is a control group or not there, and never the top of a mount. */
static void check_groups(const struct strings *groups)
{
        struct cgroup c = { .into_fd = -EBADF };
        struct error e = { 0 };
        if (cgroup_load(groups, &c, &e) < 0) {
                check(e.id[0]);
                return;
        }
        check(c.count == groups->count);
        for (unsigned i = 0; i < c.count; i++) {
                const struct cgroup_folder *f = &c.folders[i];
                check(f->path[0] == '/' && f->tail + 1 < strlen(f->path) && f->path[f->tail] == '/' && !strstr(f->path, "/../"));
        }
        cgroup_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_RECORD struct record r = RECORD_INIT, again = RECORD_INIT;
        CLEAN_STRINGS struct strings groups = { 0 }, none = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        if (record_parse((const char *)data, size, &r, &groups, &e) < 0) {
                check(e.id[0]);
                return 0;
        }
        check(record_id_valid(r.id) && r.pid >= 0);
        check_groups(&groups);
        record_format(&r, &t);
        check(record_parse(t.data, t.length, &again, &none, &e) == 0);
        check_same(&r, &again);
        return 0;
}
