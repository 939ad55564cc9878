/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"

enum { FIRST_INODE = (int)0xEFFFFFFDU }; /* PROC_USER_INIT_INO of the kernel */

static bool in_first_namespace(void)
{
        struct stat st;
        return stat("/proc/self/ns/user", &st) < 0 || st.st_ino == (unsigned)FIRST_INODE;
}

bool users_ordinary(void)
{
        return geteuid() != 0 || !in_first_namespace();
}

bool users_in_session(void)
{
        const char *runtime = getenv("XDG_RUNTIME_DIR"), *user = getenv("USER");
        return geteuid() != 0 || (!in_first_namespace() && runtime && *runtime == '/' && !(user && text_equal(user, "root")));
}

uid_t users_outside(void)
{
        CLEAN_TEXT struct text t = { 0 };
        uid_t own = geteuid();
        if (in_first_namespace() || file_read(AT_FDCWD, "/proc/self/uid_map", 65536, &t) < 0)
                return own;
        for (const char *line = t.data; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                unsigned inside, outside, count;
                if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && own >= inside && own - inside < count)
                        return outside + (own - inside);
        }
        return own;
}
