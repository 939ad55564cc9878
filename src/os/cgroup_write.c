/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/cgroup_write.h"

#include <string.h>

#include "base/exit_status.h"
#include "os/file.h"

void cgroup_writes_done(struct cgroup_writes *w)
{
        for (size_t i = 0; i < w->count; i++) {
                struct cgroup_write *row = &w->items[i];
                char *owned[] = { row->file, row->value, row->other_file, row->other_value, row->origin };
                for (size_t k = 0; k < ELEMENTS(owned); k++)
                        free(owned[k]);
        }
        free(w->items);
        *w = (struct cgroup_writes){ 0 };
}

struct cgroup_write *cgroup_writes_add(struct cgroup_writes *w, const char *controller, char *file, char *value, char *origin)
{
        w->items = xgrow(w->items, &w->room, w->count + 1, sizeof *w->items);
        w->items[w->count] = (struct cgroup_write){ .controller = controller, .file = file, .value = value, .origin = origin };
        return &w->items[w->count++];
}

char *cgroup_origin_at(const struct cgroup_resources *r, const char *tail)
{
        return xprintf("%s/%s", r->pointer ? r->pointer : "/linux/resources", tail);
}

char *cgroup_origin_or(const struct cgroup_resources *r, const char *origin, const char *tail)
{
        return origin ? xstrdup(origin) : cgroup_origin_at(r, tail);
}

char *cgroup_origin(const struct cgroup_resources *r, enum cgroup_setting s)
{
        return r->origins[s] ? xstrdup(r->origins[s]) : cgroup_origin_at(r, cgroup_setting_pointer(s));
}

static int write_row(const struct cgroup_write *row, const struct cgroup_folder *f)
{
        int r = row->flags & CGROUP_WRITE_NOTHING ? 0 : file_write(f->fd, row->file, row->value);
        if (r == -ENOENT && row->other_file)
                r = file_write(f->fd, row->other_file, row->other_value ? row->other_value : row->value);
        if (r == -ENOENT && row->flags & CGROUP_WRITE_IF_THERE)
                return 0;
        return r == -EOPNOTSUPP && row->flags & CGROUP_WRITE_IF_ABLE ? 0 : r;
}

static int refused(const struct cgroup_write *row, const struct cgroup_folder *f, int r, struct error *e)
{
        const char *controller = *row->controller ? row->controller : "unified";
        error_errno(e, r, "cgroup.refused", "writing \"%.100s\" to %s/%s for %s (%s controller)", row->value, f->path, row->file,
                    row->origin, controller);
        if (r == -ENOENT)
                error_hint(e, "this kernel's %s controller has no %s", controller, row->file);
        else if (r == -EBUSY)
                error_hint(e, "more is in use than the new value allows");
        else if (r == -EINVAL)
                error_hint(e, "the value is out of the kernel's range, or not within what the folder above allows");
        else if (r == -EACCES || r == -EPERM || r == -EROFS)
                error_hint(e, "needs root, or a delegated cgroup v2 folder with the %s controller", controller);
        error_status(e, STATUS_CGROUP);
        return r;
}

static int missing(const struct cgroup_write *row, struct error *e)
{
        error_set(e, ENOENT, "cgroup.controller", "%s asks for %s, and there is no %s controller", row->origin, row->file,
                  *row->controller ? row->controller : "v2");
        error_hint(e, "not as a mounted v1 hierarchy, not in cgroup.controllers of v2, or not among the groups that an ordinary user could make");
        error_status(e, STATUS_CGROUP);
        return -ENOENT;
}

int cgroup_writes_apply(const struct cgroup_writes *w, const struct cgroup *c, struct error *e)
{
        CLEAN_FREE bool *done = xalloc(w->count + 1, sizeof *done);
        for (;;) {
                bool moved = false;
                size_t first_refused = w->count;
                int why = 0;
                for (size_t i = 0; i < w->count; i++) {
                        const struct cgroup_write *row = &w->items[i];
                        const struct cgroup_folder *f = cgroup_folder_of(c, row->controller);
                        if (done[i])
                                continue;
                        if (!f && !(row->flags & CGROUP_WRITE_IF_THERE))
                                return missing(row, e);
                        int r = f ? write_row(row, f) : 0;
                        done[i] = r == 0;
                        moved |= r == 0;
                        if (r < 0 && r != -EINVAL && r != -EBUSY)
                                return refused(row, f, r, e);
                        if (r < 0 && first_refused == w->count) {
                                first_refused = i;
                                why = r;
                        }
                }
                if (first_refused == w->count)
                        return 0;
                if (!moved) {
                        const struct cgroup_write *row = &w->items[first_refused];
                        return refused(row, cgroup_folder_of(c, row->controller), why, e);
                }
        }
}

/* ---- planning ---- */

const struct cgroup_writer cgroup_writers[CGROUP_CONTROLLERS] = {
        { "cpuset", "cpuset", cgroup_v1_cpuset, cgroup_v2_cpuset },
        { "cpu", "cpu", cgroup_v1_cpu, cgroup_v2_cpu },
        { "memory", "memory", cgroup_v1_memory, cgroup_v2_memory },
        { "pids", "pids", cgroup_v1_pids, cgroup_v2_pids },
        { "blkio", "io", cgroup_v1_blkio, cgroup_v2_io },
        { "hugetlb", "hugetlb", cgroup_v1_hugetlb, cgroup_v2_hugetlb },
        { "rdma", "rdma", cgroup_v1_rdma, cgroup_v2_rdma },
        { "net_cls", NULL, cgroup_v1_net_cls, NULL },
        { "net_prio", NULL, cgroup_v1_net_prio, NULL },
};

static bool v2_offers(const struct cgroup_offer *o, const char *controller)
{
        CLEAN_FREE char *word = controller ? xprintf(" %s ", controller) : NULL;
        return word && o->has_v2 && strstr(o->v2, word);
}

static bool v1_offers(const struct cgroup_offer *o, const char *controller)
{
        size_t n = strlen(controller);
        for (const char *p = o->v1; *p; p += strcspn(p, ","), p += *p == ',')
                if (strcspn(p, ",") == n && !strncmp(p, controller, n))
                        return true;
        return false;
}

/* A key is a file of the group's own folder; its first word is the controller that has it. */
static int plan_unified(const struct cgroup_resources *r, const struct cgroup_offer *o, struct cgroup_writes *w, struct error *e)
{
        for (size_t i = 0; i + 1 < r->unified.count; i += 2) {
                const char *key = r->unified.items[i], *value = r->unified.items[i + 1];
                CLEAN_FREE char *tail = xprintf("unified/%.80s", key), *origin = cgroup_origin_at(r, tail);
                CLEAN_FREE char *controller = xstrndup(key, strcspn(key, "."));
                bool core = text_equal(controller, "cgroup");
                if (!*controller || !strchr(key, '.') || strchr(key, '/'))
                        return error_set(e, EINVAL, "cgroup.value", "%s: \"%.80s\" is no file of a control group", origin, key);
                if (!core && !v2_offers(o, controller)) {
                        error_set(e, ENOENT, "cgroup.controller", "%s asks for the %s controller, which v2 does not have here", origin, controller);
                        error_hint(e, v1_offers(o, controller) ? "it is in a v1 hierarchy on this host: use the fields of v1 instead"
                                                               : "v2 offers:%s", o->has_v2 ? o->v2 : " nothing");
                        error_status(e, STATUS_CGROUP);
                        return -ENOENT;
                }
                /* The kernel takes one line at a time. */
                for (const char *line = value; *line; line += strcspn(line, "\n"), line += *line == '\n')
                        if (*line != '\n')
                                cgroup_writes_add(w, "", xstrdup(key), xstrndup(line, strcspn(line, "\n")), xstrdup(origin));
        }
        return 0;
}

/* A folder with the controller counts by itself; CPU time any folder of v2 does. */
static void plan_counted(const struct cgroup_resources *r, const struct cgroup_offer *o, struct cgroup_writes *w)
{
        static const struct {
                const char *v1, *v2, *file;
        } rows[CGROUP_COUNTED] = {
                [CGROUP_COUNT_CPU] = { "cpuacct", "", "cgroup.procs" }, [CGROUP_COUNT_MEMORY] = { "memory", "memory", "memory.current" },
                [CGROUP_COUNT_IO] = { "blkio", "io", "io.stat" }, [CGROUP_COUNT_TASKS] = { "pids", "pids", "pids.current" },
        };
        for (size_t i = 0; i < CGROUP_COUNTED; i++) {
                bool v1 = v1_offers(o, rows[i].v1), v2 = o->has_v2 && (!*rows[i].v2 || v2_offers(o, rows[i].v2));
                if (r->counted[i] && (v1 || v2))
                        cgroup_writes_add(w, v1 ? rows[i].v1 : rows[i].v2, xstrdup(rows[i].file), NULL, xstrdup(r->counted[i]))->flags = CGROUP_WRITE_NOTHING;
        }
}

int cgroup_writes_plan(const struct cgroup_resources *r, const struct cgroup_offer *offer, const struct cgroup_live *live,
                       struct cgroup_writes *w, struct error *e)
{
        for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
                const struct cgroup_writer *c = &cgroup_writers[i];
                size_t before = w->count;
                bool v2 = v2_offers(offer, c->v2);
                /* Where neither has it, the rows of the main version say who asks for it. */
                bool as_v2 = v2 || (c->v2 && !v1_offers(offer, c->v1) && offer->has_v2 && !*offer->v1);
                int k = as_v2 ? c->write_v2(r, live, w, e) : c->write_v1(r, w, e);
                if (k < 0) {
                        error_status(e, STATUS_CGROUP);
                        return k;
                }
                for (size_t n = before; n < w->count; n++)
                        if (!v2 && !v1_offers(offer, c->v1) && !(w->items[n].flags & CGROUP_WRITE_IF_THERE))
                                return missing(&w->items[n], e);
        }
        plan_counted(r, offer, w);
        return plan_unified(r, offer, w, e);
}
