/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite can load extensions, which nobody here asks it to.  In a static program these take the place of the C library's functions, which would
 * look for shared objects of the same library on the host: nothing is ever loaded.
 */
#include <dlfcn.h>
#include <stddef.h>

void *dlopen(const char *path, int flags)
{
        (void)path;
        (void)flags;
        return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
        (void)handle;
        (void)name;
        return NULL;
}

int dlclose(void *handle)
{
        (void)handle;
        return 0;
}

char *dlerror(void)
{
        return NULL;
}
