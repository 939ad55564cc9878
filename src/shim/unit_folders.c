/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In which folders units are looked for. */
#include <string.h>

#include "shim/unit_load.h"

/* In the order of systemd.unit(5): what a program set while the system ran, the administrator's, generators' and packages'. */
static const char *const system_folders[] = {
        "/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",        "/run/systemd/generator.early",
        "/etc/systemd/system",         "/etc/systemd/system.attached", "/run/systemd/system",          "/run/systemd/system.attached",
        "/run/systemd/generator",      "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",     "/lib/systemd/system",
        "/run/systemd/generator.late",
};

static void add_user_folder(struct strings *l, const char *variable, const char *below_home, const char *rest)
{
        const char *top = getenv(variable), *home = getenv("HOME");
        if (top && *top == '/')
                strings_take(l, xprintf("%s%s", top, rest));
        else if (below_home && home && *home == '/')
                strings_take(l, xprintf("%s%s%s", home, below_home, rest));
}

/* Of a user's units: below which variable's folder, or below home where it is unset; without a variable the path itself. */
static const struct {
        const char *variable, *below_home, *rest;
} user_folders[] = {
        { "XDG_CONFIG_HOME", "/.config", "/systemd/user.control" },
        { "XDG_RUNTIME_DIR", NULL, "/systemd/user.control" },
        { "XDG_RUNTIME_DIR", NULL, "/systemd/transient" },
        { "XDG_RUNTIME_DIR", NULL, "/systemd/generator.early" },
        { "XDG_CONFIG_HOME", "/.config", "/systemd/user" },
        { NULL, NULL, "/etc/systemd/user" },
        { "XDG_RUNTIME_DIR", NULL, "/systemd/user" },
        { NULL, NULL, "/run/systemd/user" },
        { "XDG_RUNTIME_DIR", NULL, "/systemd/generator" },
        { "XDG_DATA_HOME", "/.local/share", "/systemd/user" },
        { NULL, NULL, "/usr/local/share/systemd/user" },
        { NULL, NULL, "/usr/share/systemd/user" },
        { NULL, NULL, "/usr/local/lib/systemd/user" },
        { NULL, NULL, "/usr/lib/systemd/user" },
        { "XDG_RUNTIME_DIR", NULL, "/systemd/generator.late" },
};

static void add_usual_folders(bool user_mode, struct strings *l)
{
        for (size_t i = 0; !user_mode && i < ELEMENTS(system_folders); i++)
                strings_add(l, system_folders[i]);
        for (size_t i = 0; user_mode && i < ELEMENTS(user_folders); i++)
                if (user_folders[i].variable)
                        add_user_folder(l, user_folders[i].variable, user_folders[i].below_home, user_folders[i].rest);
                else
                        strings_add(l, user_folders[i].rest);
}

int unit_folders(const char *given, bool user_mode, struct strings *ret, struct error *e)
{
        const char *s = given;
        CLEAN_STRINGS struct strings l = { 0 };
        for (; s && *s;) {
                size_t n = strcspn(s, ":");
                if (*s != '/' || l.count == UNIT_FOLDERS_MAX) {
                        error_set(e, EINVAL, "unit.search-path", *s != '/' ? "the search path of units names a folder that is not absolute: \"%.80s\""
                                                                           : "the search path of units has too many folders, from \"%.80s\" on", s);
                        return -EINVAL;
                }
                strings_take(&l, xstrndup(s, n));
                s += n;
                if (*s && !*++s)
                        add_usual_folders(user_mode, &l);
        }
        if (!l.count)
                add_usual_folders(user_mode, &l);
        *ret = l;
        l = (struct strings){ 0 };
        return 0;
}
