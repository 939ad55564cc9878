/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "group/observed.h"
#include "os/file.h"
#include "vagrant.h"

#define RECORD "instance.json"
#define WRITTEN "written" /* a note of the Vagrantfile */
#define NEW_PREFIX ".new-"
#define OLD_PREFIX ".old-"
enum { CHANGE_WAIT_USEC = 10000000, RANDOM_DIGITS = 16 };

void machine_close(struct machine *m)
{
        m->fd = fd_close(m->fd);
        m->work_fd = fd_close(m->work_fd);
        instance_record_done(&m->record);
}

bool machine_is_id(const char *id)
{
        size_t prefix = sizeof MACHINE_PREFIX - 1;
        return text_starts(id, MACHINE_PREFIX) && strlen(id) == MACHINE_ID_SIZE - 1 &&
               strspn(id + prefix, "0123456789abcdef") == INSTANCE_NAME_SIZE - 1;
}

/* ---- making ---- */

static int fill(int fd, const struct instance_record *record, const struct properties *p, const char *init)
{
        CLEAN_TEXT struct text json = { 0 }, vagrantfile = { 0 };
        instance_record_format(&json, record);
        properties_vagrantfile(&vagrantfile, p, record->logical_id);
        int r = plugin_save(fd, "Vagrantfile", vagrantfile.data, vagrantfile.length);
        if (r == 0)
                r = observed_note(fd, WRITTEN, vagrantfile.data, vagrantfile.length);
        if (r == 0 && init && *init)
                r = plugin_save(fd, "init", init, strlen(init));
        return r < 0 ? r : plugin_save(fd, RECORD, json.data, json.length);
}

static int make_whole(int dir_fd, const char *temporary, const char *id, const struct instance_record *record, const struct properties *p,
                      const char *init)
{
        if (mkdirat(dir_fd, temporary, 0700) < 0)
                return -errno;
        CLEAN_FD int fd = openat(dir_fd, temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        int r = fill(fd, record, p, init);
        if (r < 0)
                return r;
        /* One that is there is not empty, so that this fails. */
        if (renameat(dir_fd, temporary, dir_fd, id) < 0)
                return errno == ENOTEMPTY || errno == EEXIST ? -EEXIST : -errno;
        return fsync(dir_fd) < 0 ? -errno : 0;
}

int machine_create(const struct vagrant *v, const struct instance_record *record, const struct properties *p, const char *init, struct error *e)
{
        char id[MACHINE_ID_SIZE], temporary[sizeof NEW_PREFIX + RANDOM_DIGITS] = NEW_PREFIX;
        (void)snprintf(id, sizeof id, MACHINE_PREFIX "%s", record->name);
        if (faccessat(v->folder.fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        file_random_hex(temporary + sizeof NEW_PREFIX - 1, RANDOM_DIGITS);
        int r = make_whole(v->folder.fd, temporary, id, record, p, init);
        if (r < 0)
                (void)file_remove_tree(v->folder.fd, temporary);
        if (r < 0 && r != -EEXIST)
                return error_errno(e, r, "vagrant.folder", "making %s/%s", v->folder.path, id);
        return 0;
}

/* ---- what it is now ---- */

/* Of a Vagrantfile that we have written, and that is another now, it cannot be told which member that would be. */
void machine_observe(const struct machine *m, char **properties)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        CLEAN_TEXT struct text now = { 0 };
        if (!observed_changed(m->fd, WRITTEN, "Vagrantfile", VAGRANTFILE_MAX, &now) || properties_parse(*properties, true, &p, NULL) < 0)
                return;
        CLEAN_FREE char *other = p.box ? xprintf("%s with another Vagrantfile", p.box) : NULL;
        if (p.vagrantfile || !other)
                observed_set_text(properties, "Vagrantfile", now.length ? now.data : "");
        else
                observed_set_text(properties, "Box", other);
}

/* ---- opening ---- */

static int load(const struct vagrant *v, struct machine *m, struct error *e)
{
        CLEAN_TEXT struct text text = { 0 };
        CLEAN_FREE char *where = xprintf("%s/%s/" RECORD, v->folder.path, m->id);
        int r = file_read(m->fd, RECORD, INSTANCE_RECORD_MAX, &text);
        if (r == -ENOENT)
                return r; /* not ours */
        if (r < 0)
                return error_errno(e, r, "vagrant.folder", "reading %s", where);
        instance_record_done(&m->record);
        return instance_record_parse(where, text.data, text.length, &m->record, e);
}

/* Whether the folder that we have open is still the one of that name. */
static bool still_there(const struct vagrant *v, const struct machine *m)
{
        struct stat ours, named;
        return fstat(m->fd, &ours) == 0 && fstatat(v->folder.fd, m->id, &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino &&
               ours.st_dev == named.st_dev;
}

int machine_open(const struct vagrant *v, const char *id, int64_t wait_usec, struct machine *ret, struct error *e)
{
        CLEAN_MACHINE struct machine m = { .fd = -EBADF, .work_fd = -EBADF };
        if (!machine_is_id(id))
                return -ENOENT;
        memcpy(m.id, id, sizeof m.id);
        m.fd = openat(v->folder.fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (m.fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? -ENOENT
                                                                             : error_errno(e, errno, "vagrant.folder", "opening %s/%s", v->folder.path, id);
        /* Nothing is left in a folder that is not ours. */
        if (faccessat(m.fd, RECORD, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return -ENOENT;
        if (wait_usec >= 0) {
                m.work_fd = plugin_lock(m.fd, "work", (uint64_t)wait_usec);
                if (m.work_fd == -EBUSY)
                        return error_set(e, EBUSY, "vagrant.busy", "vagrant is at work on %s", id);
                if (m.work_fd < 0)
                        return error_errno(e, m.work_fd, "vagrant.folder", "locking %s/%s", v->folder.path, id);
                if (!still_there(v, &m))
                        return -ENOENT;
        }
        int r = load(v, &m, e);
        if (r < 0)
                return r;
        *ret = m;
        m = (struct machine){ .fd = -EBADF, .work_fd = -EBADF };
        return 0;
}

/* ---- changing ---- */

static int save(struct machine *m, const enum instance_stage *stage, const struct tags *labels, struct error *e)
{
        CLEAN_FD int change = plugin_lock(m->fd, "change", CHANGE_WAIT_USEC);
        CLEAN_TEXT struct text old = { 0 }, json = { 0 };
        if (change < 0)
                return error_errno(e, change, "vagrant.folder", "locking the record of %s", m->id);
        /* What others have changed since stays. */
        int r = file_read(m->fd, RECORD, INSTANCE_RECORD_MAX, &old);
        if (r < 0)
                return error_errno(e, r, "vagrant.folder", "reading the record of %s", m->id);
        instance_record_done(&m->record);
        r = instance_record_parse(m->id, old.data, old.length, &m->record, e);
        if (r < 0)
                return r;
        if (stage)
                m->record.stage = *stage;
        if (labels)
                tags_merge(&m->record.tags, labels);
        if (m->record.tags.count > TAGS_MAX)
                return error_set(e, E2BIG, "instance.tags", "%s would have more than %d tags", m->id, TAGS_MAX);
        instance_record_format(&json, &m->record);
        r = plugin_save(m->fd, RECORD, json.data, json.length);
        return r < 0 ? error_errno(e, r, "vagrant.folder", "writing the record of %s", m->id) : 0;
}

int machine_change(struct machine *m, enum instance_stage stage, const struct tags *labels, struct error *e)
{
        int r = save(m, &stage, labels, e);
        /* What ran at the first boot is not kept: it may hold what is secret. */
        if (r == 0 && stage == STAGE_READY && unlinkat(m->fd, "init", 0) < 0 && errno != ENOENT)
                return error_errno(e, errno, "vagrant.folder", "removing the init of %s", m->id);
        return r;
}

int machine_label(struct machine *m, const struct tags *labels, struct error *e)
{
        return save(m, NULL, labels, e);
}

int machine_forget(const struct vagrant *v, struct machine *m, struct error *e)
{
        char old[sizeof OLD_PREFIX + RANDOM_DIGITS] = OLD_PREFIX;
        file_random_hex(old + sizeof OLD_PREFIX - 1, RANDOM_DIGITS);
        if (renameat(v->folder.fd, m->id, v->folder.fd, old) < 0)
                return error_errno(e, errno, "vagrant.folder", "removing %s/%s", v->folder.path, m->id);
        /* What is left of it after a failure goes at the next start. */
        (void)file_remove_tree(v->folder.fd, old);
        return 0;
}

/* ---- all of them ---- */

int machine_list(const struct vagrant *v, struct strings *ret, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        int r = file_list(v->folder.fd, &names);
        if (r < 0)
                return error_errno(e, r, "vagrant.folder", "listing %s", v->folder.path);
        for (size_t i = 0; i < names.count; i++)
                if (machine_is_id(names.items[i]))
                        strings_add(ret, names.items[i]);
        return 0;
}

void machine_tidy(const struct vagrant *v)
{
        CLEAN_STRINGS struct strings names = { 0 };
        if (file_list(v->folder.fd, &names) < 0)
                return;
        for (size_t i = 0; i < names.count; i++)
                if (text_starts(names.items[i], NEW_PREFIX) || text_starts(names.items[i], OLD_PREFIX))
                        (void)file_remove_tree(v->folder.fd, names.items[i]);
}
