/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/path.h"

#include <string.h>

#include "base/text.h"

int path_normalize(const char *path, char **ret)
{
        CLEAN_TEXT struct text t = { 0 };
        if (*path != '/' || strlen(path) > 4095)
                return -EINVAL;
        while (*path) {
                path += strspn(path, "/");
                size_t n = strcspn(path, "/");
                if (n == 2 && path[0] == '.' && path[1] == '.')
                        return -EINVAL;
                if (n && !(n == 1 && *path == '.')) {
                        text_add(&t, "/");
                        text_add_bytes(&t, path, n);
                }
                path += n;
        }
        if (!t.length)
                text_add(&t, "/");
        *ret = TAKE_PTR(t.data);
        return 0;
}

bool path_is_below(const char *path, const char *prefix)
{
        size_t n = strlen(prefix);
        if (n == 1)
                return true;
        return !strncmp(path, prefix, n) && (path[n] == 0 || path[n] == '/');
}
