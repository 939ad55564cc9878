/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/labels.h"

#include <string.h>

#include "base/exit_status.h"
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
