/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/ipc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include "os/file.h"

enum { TABLE_MAX = 16 << 20, UID_FIELD_SHM = 7, UID_FIELD_SEM = 4, UID_FIELD_MSG = 7 };

static int remove_shm(int id)
{
        return shmctl(id, IPC_RMID, NULL);
}

static int remove_sem(int id)
{
        return semctl(id, 0, IPC_RMID);
}

static int remove_msg(int id)
{
        return msgctl(id, IPC_RMID, NULL);
}

/* proc(5): tables with the id in the second field and the owner in a fixed one. */
static const struct table {
        const char *path;
        size_t uid_field;
        int (*remove)(int id);
} tables[] = {
        { "/proc/sysvipc/shm", UID_FIELD_SHM, remove_shm },
        { "/proc/sysvipc/sem", UID_FIELD_SEM, remove_sem },
        { "/proc/sysvipc/msg", UID_FIELD_MSG, remove_msg },
};

static const char *const folders[] = { "/dev/shm", "/dev/mqueue" };

/* Removes (or only counts) what uid owns in one table. */
static unsigned walk_table(const struct table *t, uid_t uid, bool removes)
{
        CLEAN_TEXT struct text text = { 0 };
        unsigned found = 0;
        if (file_read(AT_FDCWD, t->path, TABLE_MAX, &text) < 0)
                return 0;
        char *rest = text.data;
        for (char *line; (line = strsep(&rest, "\n"));) {
                CLEAN_STRINGS struct strings field = { 0 };
                uint64_t id, owner;
                if (text_split_words(line, &field) < 0 || field.count <= t->uid_field ||
                    text_parse_uint(field.items[1], INT32_MAX, &id) < 0 ||
                    text_parse_uint(field.items[t->uid_field], UINT32_MAX, &owner) < 0 || owner != uid)
                        continue;
                found++;
                if (removes)
                        (void)t->remove((int)id);
        }
        return found;
}

static unsigned walk_folder(const char *path, uid_t uid, bool removes)
{
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CLEAN_STRINGS struct strings names = { 0 };
        unsigned found = 0;
        if (fd < 0 || file_list(fd, &names) < 0)
                return 0;
        for (size_t i = 0; i < names.count; i++) {
                struct stat st;
                if (fstatat(fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != uid)
                        continue;
                found++;
                if (removes)
                        (void)file_remove_tree(fd, names.items[i]);
        }
        return found;
}

static unsigned walk(uid_t uid, bool removes)
{
        unsigned found = 0;
        for (size_t i = 0; i < ELEMENTS(tables); i++)
                found += walk_table(&tables[i], uid, removes);
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                found += walk_folder(folders[i], uid, removes);
        return found;
}

bool ipc_owned_by(uid_t uid)
{
        return walk(uid, false) > 0;
}

int ipc_remove_of(uid_t uid)
{
        if (uid == 0)
                return -EPERM; /* the system's own */
        (void)walk(uid, true);
        return walk(uid, false) ? -EBUSY : 0;
}
