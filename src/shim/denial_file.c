/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/denial_file.h"

#include "os/file.h"

static const char file[] = "denials.json";

int denial_file_save(int dir_fd, const struct denial_table *t)
{
        CLEAN_TEXT struct text text = { 0 };
        denial_table_format(t, &text);
        return file_replace(dir_fd, file, text.data, text.length, 0600);
}

int denial_file_load(int dir_fd, struct denial_table *ret, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(dir_fd, file, DENIAL_JSON_MAX, &t);
        if (r == -ENOENT)
                return r;
        if (r < 0)
                return error_errno(e, r, "state.load", "read %s", file);
        return denial_table_parse(ret, file, t.data ? t.data : "", t.length, e);
}
