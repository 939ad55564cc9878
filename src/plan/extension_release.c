/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/extension_release.h"

#include <string.h>

/* The later of two holds; what is not there is empty. */
static const char *find(const struct strings *l, const char *name)
{
        size_t n = strlen(name);
        for (size_t i = l->count; i-- > 0;)
                if (!strncmp(l->items[i], name, n) && l->items[i][n] == '=')
                        return l->items[i] + n + 1;
        return "";
}

/* systemd's names of what uname calls otherwise. */
static const char *architecture_of(const char *machine)
{
        static const char *const names[][2] = { { "x86_64", "x86-64" }, { "i386", "x86" },       { "i486", "x86" },         { "i586", "x86" },
                                                { "i686", "x86" },      { "aarch64", "arm64" }, { "ppc64le", "ppc64-le" }, { "ppcle", "ppc-le" } };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (text_equal(names[i][0], machine))
                        return names[i][1];
        return machine;
}

static int differs(const char *name, const char *has, const char *wants, struct error *e)
{
        return error_set(e, EINVAL, "extension.release", "it was made for %s=%s, and this is %s", name, *has ? has : "(nothing)", *wants ? wants : "(nothing)");
}

static int check_same(const struct strings *extension, const struct strings *system, const char *name, struct error *e)
{
        const char *has = find(extension, name), *wants = find(system, name);
        return *has && text_equal(has, wants) ? 0 : differs(name, has, wants, e);
}

int extension_release_check(const struct strings *extension, const struct strings *system, const char *machine, struct error *e)
{
        const char *architecture = find(extension, "ARCHITECTURE"), *level = find(system, "SYSEXT_LEVEL");
        if (*architecture && !text_equal(architecture, "_any") && !text_equal(architecture, architecture_of(machine)))
                return differs("ARCHITECTURE", architecture, architecture_of(machine), e);
        if (text_equal(find(extension, "ID"), "_any"))
                return 0;
        int r = check_same(extension, system, "ID", e);
        if (r < 0)
                return r;
        if (*level && *find(extension, "SYSEXT_LEVEL"))
                return check_same(extension, system, "SYSEXT_LEVEL", e);
        if (*find(system, "VERSION_ID"))
                return check_same(extension, system, "VERSION_ID", e);
        /* A system without versions takes all that is made for it; one with a level alone takes what names none. */
        return 0;
}

char *extension_release_name(const char *path, bool folder)
{
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        size_t n = strlen(name);
        return xstrndup(name, !folder && text_ends(name, ".raw") && n > 4 ? n - 4 : n);
}
