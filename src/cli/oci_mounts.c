/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mounts add, mounts remove: mounts of a container that runs. */
#include "cli/oci.h"

#include "runtime/live_mounts.h"

enum { MOUNTS_SIZE_MAX = 1 << 20 };

static int read_mounts(const char *file, struct json_document *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = oci_read_file(file, MOUNTS_SIZE_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "config.unreadable", "reading the mounts in %s", file);
        return json_parse("mounts", t.data, t.length, ret, e);
}

static int change(const struct oci_globals *g, bool add, const char *id, const char *file, struct error *e)
{
        CLEAN_RECORD struct record r = RECORD_INIT;
        CLEAN_JSON struct json_document d = { 0 };
        int k = oci_open(g, id, &r, e);
        if (k == 0)
                k = read_mounts(file, &d, e);
        enum record_status s = k < 0 ? RECORD_STOPPED : record_status(&r);
        if (k == 0 && s != RECORD_CREATED && s != RECORD_RUNNING && s != RECORD_PAUSED)
                k = error_set(e, EBUSY, "container.status", "container \"%s\" is %s", r.id, record_status_name(s));
        if (k < 0)
                return k;
        return add ? live_mounts_add(&r, &d, e) : live_mounts_remove(&r, &d, e);
}

int oci_cmd_mounts(const struct oci_globals *g, int argc, char **argv)
{
        struct oci_arguments a = { .usage = "add|remove CONTAINER FILE", .takes_rest = true,
                                   .doc = "Add mounts to a container that runs, or take away what was added.\vFILE (-: standard input) holds "
                                          "an array of mounts as /mounts of a configuration does: binds and tmpfs." };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        bool add = text_equal(a.id, "add");
        if ((!add && !text_equal(a.id, "remove")) || a.rest_count != 2) {
                error_set(&e, EINVAL, "command.arguments", "mounts takes \"add\" or \"remove\", a container and a file");
                return oci_say_failed(g, "cannot change the mounts", &e);
        }
        return change(g, add, a.rest[0], a.rest[1], &e) < 0 ? oci_say_failed(g, "cannot change the mounts", &e) : 0;
}
