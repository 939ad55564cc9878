/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/labels.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/exit_status.h"
#include "base/mutant.h"
#include "os/file.h"

/* Below thread-self; the first that is there is written to. */
static const struct row {
        const char *module, *format, *files[2];
        int exit_status;
} rows[PLAN_LABELS] = {
        [PLAN_LABEL_SELINUX] = { "SELinux", "%s", { "attr/selinux/exec", "attr/exec" }, STATUS_SELINUX_CONTEXT },
        [PLAN_LABEL_APPARMOR] = { "AppArmor", "exec %s", { "attr/apparmor/exec", "attr/exec" }, STATUS_APPARMOR },
        [PLAN_LABEL_SMACK] = { "Smack", "%s", { "attr/smack/current", "attr/current" }, STATUS_SMACK_PROCESS_LABEL },
};

static int apply(const struct child *c, const struct row *row, const char *label)
{
        CLEAN_FREE char *text = text_equal(row->format, "%s") ? xstrdup(label) : xprintf("exec %s", label);
        int r = -ENOENT;
        for (size_t i = 0; r == -ENOENT && i < ELEMENTS(row->files); i++) {
                CLEAN_FREE char *path = xprintf("thread-self/%s", row->files[i]);
                r = file_write(c->proc_fd, path, text);
        }
        return r;
}

/* ---- of what is made for a container ---- */

static bool names_context(const char *data)
{
        for (const char *p = data; p && *p; p += strcspn(p, ","), p += *p == ',')
                if (text_starts(p, "context="))
                        return true;
        return false;
}

struct mount_option labels_of_mount(const struct plan_container *k, const char *type, const char *data)
{
        static const char *const own[] = { "proc", "sysfs", "cgroup", "cgroup2", "mqueue" };
        bool takes = k->mount_label && !names_context(data) && !MUTANT("ignore-mount-label");
        for (size_t i = 0; takes && i < ELEMENTS(own); i++)
                takes = !text_equal(type, own[i]);
        return takes ? (struct mount_option){ "context", k->mount_label } : (struct mount_option){ 0 };
}

int labels_set(int fd, const char *label)
{
        char had[4096];
        ssize_t n = fgetxattr(fd, "security.selinux", had, sizeof had - 1);
        had[n > 0 ? n : 0] = 0; /* the kernel's copy may end with a NUL of its own */
        if (text_equal(had, label))
                return 0;
        return fsetxattr(fd, "security.selinux", label, strlen(label) + 1, 0) < 0 ? -errno : 0;
}

int labels_set_root(int mount_fd, const char *label)
{
        CLEAN_FD int fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : labels_set(fd, label);
}

/* ---- the payload's ---- */

int labels_apply(struct child *c, struct error *e)
{
        for (size_t i = 0; i < PLAN_LABELS; i++) {
                const struct plan_label *l = &c->s->plan->process.labels[i];
                int r = l->text ? apply(c, &rows[i], l->text) : 0;
                if (r == 0)
                        continue;
                if (l->optional || c->s->plan->lenient) {
                        child_note(c, "%s: not applied: %s", l->origin, strerror(-r));
                        continue;
                }
                error_errno(e, r, "attribute.refused", "setting the %s label %.200s", rows[i].module, l->text);
                error_hint(e, "%s must be there and know the label; with - before it the start goes on without", rows[i].module);
                error_status(e, rows[i].exit_status);
                return error_while(e, "applying %s", l->origin);
        }
        return 0;
}
