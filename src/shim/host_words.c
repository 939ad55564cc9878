/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/host_words.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"
#include "plan/environment_file.h"

enum { FILE_MAX_BYTES = 16 << 20 };

/* As systemd calls machines. */
static char *architecture(const char *machine)
{
        static const char *const names[][2] = { { "x86_64", "x86-64" }, { "i386", "x86" },    { "i486", "x86" },    { "i586", "x86" },
                                                { "i686", "x86" },      { "aarch64", "arm64" }, { "armv7l", "arm" }, { "armv6l", "arm" },
                                                { "ppc64le", "ppc64-le" } };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (text_equal(names[i][0], machine))
                        return xstrdup(names[i][1]);
        return xstrdup(machine);
}

static char *of_kernel(char letter)
{
        struct utsname u;
        if (uname(&u) < 0)
                return xstrdup("");
        if (letter == 'l')
                u.nodename[strcspn(u.nodename, ".")] = 0;
        return letter == 'a' ? architecture(u.machine) : xstrdup(letter == 'v' ? u.release : u.nodename);
}

/* The value of a name in a file of NAME=VALUE lines; NULL where it is not there. */
static char *of_file(const char *path, const char *name)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_STRINGS struct strings variables = { 0 }, notes = { 0 };
        CLEAN_FREE char *start = xprintf("%s=", name);
        if (file_read(AT_FDCWD, path, ENVIRONMENT_FILE_MAX, &t) < 0 ||
            environment_file_parse(&variables, path, t.data, t.length, true, &notes, NULL) < 0)
                return NULL;
        for (size_t i = variables.count; i-- > 0;)
                if (text_starts(variables.items[i], start))
                        return xstrdup(variables.items[i] + strlen(start));
        return NULL;
}

static char *of_system(const char *name)
{
        const char *path = access("/etc/os-release", F_OK) == 0 ? "/etc/os-release" : "/usr/lib/os-release";
        char *value = of_file(path, name);
        return value ? value : xstrdup("");
}

/* Of our own group, from the file; its number where it has none. */
static char *group_name(void)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *gid = xprintf("%u", getegid());
        char *rest = file_read(AT_FDCWD, "/etc/group", FILE_MAX_BYTES, &t) == 0 ? t.data : NULL;
        for (char *line; (line = rest ? strsep(&rest, "\n") : NULL);) {
                const char *name = strsep(&line, ":");
                (void)(line && strsep(&line, ":"));
                const char *number = line ? strsep(&line, ":") : NULL;
                if (number && text_equal(number, gid))
                        return xstrdup(name);
        }
        return TAKE_PTR(gid);
}

char *host_word(char letter)
{
        static const struct {
                char letter;
                const char *name;
        } rows[] = { { 'A', "IMAGE_VERSION" }, { 'B', "BUILD_ID" }, { 'M', "IMAGE_ID" }, { 'o', "ID" }, { 'w', "VERSION_ID" }, { 'W', "VARIANT_ID" } };
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].letter == letter)
                        return of_system(rows[i].name);
        if (letter == 'q') {
                char *pretty = of_file("/etc/machine-info", "PRETTY_HOSTNAME");
                return pretty ? pretty : of_kernel('n');
        }
        return letter == 'g' ? group_name() : strchr("avl", letter) ? of_kernel(letter) : NULL;
}
