/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/resources.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/mutant.h"
#include "os/cgroup_systemd.h"
#include "os/file.h"
#include "os/process.h"
#include "os/resctrl.h"
#include "os/users.h"

/* ---- systemd ---- */

static struct cgroup_systemd manager_here(void)
{
        return (struct cgroup_systemd){ .user = users_in_session() };
}

/* Whether systemd itself is on v2 here. */
static bool v2_alone(void)
{
        return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

/* The user manager's own folder where it does not tell: what it makes is below it. */
static char *user_folder(void)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *name = xprintf("/user@%u.service", users_outside());
        if (file_read(AT_FDCWD, "/proc/self/cgroup", 65536, &t) == 0)
                for (const char *line = t.data; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                        const char *end = strchrnul(line, '\n'), *at = strstr(line, name), *path = strchr(line, ':');
                        path = path && path < end ? strchr(path + 1, ':') : NULL;
                        if (at && at < end && path && path < at)
                                return xstrndup(path + 1, (size_t)(at - path - 1) + strlen(name));
                }
        return xprintf("/user.slice/user-%u.slice/user@%u.service", users_outside(), users_outside());
}

/*
 * systemd makes a scope around a process that is there, but ours is to be born into its group: a stand-in keeps the scope until then.
 * It dies with us.
 */
static pid_t start_stand_in(int *ret_pidfd, struct error *e)
{
        pid_t parent = getpid(), pid = process_clone(0, -1, ret_pidfd);
        if (pid < 0)
                return error_errno(e, pid, "spawn.failed", "clone");
        if (pid > 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        process_close_others(NULL, 0, 0);
        for (int n = 1; n < NSIG; n++)
                (void)signal(n, SIG_DFL);
        while (getppid() == parent)
                (void)pause();
        _exit(0);
}

static void end_stand_in(struct creation *c)
{
        if (c->stand_in <= 0)
                return;
        (void)process_signal(c->stand_in_fd, SIGKILL);
        while (waitpid(c->stand_in, NULL, 0) < 0 && errno == EINTR)
                ;
        c->stand_in_fd = fd_close(c->stand_in_fd);
        c->stand_in = 0;
}

/* The path of the scope's group, or NULL. */
static char *make_scope(struct creation *c, struct error *e)
{
        const struct cgroup_systemd m = manager_here();
        const struct plan_container *k = c->plan.container;
        CLEAN(cgroup_scope_done) struct cgroup_scope s = { 0 };
        if (cgroup_scope_parse(k->cgroups_path, c->record.id, m.user, &s, e) < 0)
                return NULL;
        c->stand_in = start_stand_in(&c->stand_in_fd, e);
        CLEAN_FREE char *folder = NULL;
        if (c->stand_in < 0 || cgroup_scope_start(&m, &s, c->stand_in, k->resources, v2_alone(), m.user ? &folder : NULL, e) < 0)
                return NULL;
        c->record.scope = TAKE_PTR(s.unit);
        if (m.user && !folder)
                folder = user_folder();
        return folder ? xprintf("%s%s", folder, s.path) : TAKE_PTR(s.path);
}

/* ---- control groups ---- */

/* Before the first of them is made, so that whoever finds us dead can take them away. */
static int save_groups(void *context, const struct cgroup *folders, struct error *e)
{
        struct creation *c = context;
        c->record.cgroup = *folders; /* lent */
        int r = record_save(&c->record, e);
        c->record.cgroup = (struct cgroup){ .into_fd = -EBADF };
        return r;
}

static int make_groups(struct creation *c, struct error *e)
{
        const struct plan_container *k = c->plan.container;
        bool rootless = users_ordinary(), systemd = c->o->manager == MANAGER_SYSTEMD;
        CLEAN_FREE char *path = systemd ? make_scope(c, e) : NULL;
        if (systemd && !path)
                return e && e->code ? e->code : -EIO;
        const struct cgroup_wish wish = { .path = systemd ? path : k->cgroups_path, .id = c->record.id, .all = true, .track = true, .may_exist = true,
                                          .rootless = rootless, .devices = rootless || k->new_users ? CGROUP_DEVICES_TRIED : CGROUP_DEVICES_CLOSED,
                                          .resources = k->resources, .intend = save_groups, .context = c };
        return cgroup_make(&wish, &c->record.cgroup, e);
}

/* ---- cache and bandwidth ---- */

/* A schema without its resource in front is one of L3 or MB. */
static void add_schema(struct strings *lines, const char *schema, const char *prefix)
{
        if (!schema || !*schema)
                return;
        CLEAN_FREE char *copy = xstrdup(schema);
        char *rest = copy;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (*line)
                        strings_take(lines, strchr(line, ':') ? xstrdup(line) : xprintf("%s:%s", prefix, line));
}

static int make_class(struct creation *c, struct error *e)
{
        const struct plan_intel_rdt *p = &c->plan.container->intel_rdt;
        CLEAN_STRINGS struct strings lines = { 0 };
        if (!p->set)
                return 0;
        CLEAN_FD int fd = resctrl_open(NULL, e);
        add_schema(&lines, p->l3_cache_schema, "L3");
        add_schema(&lines, p->memory_bandwidth_schema, "MB");
        for (size_t i = 0; i < p->schemata.count; i++)
                add_schema(&lines, p->schemata.items[i], "L3");
        const struct resctrl_wish w = { .class_id = p->clos_id ? p->clos_id : c->record.id, .given = p->clos_id, .schemata = &lines,
                                        .monitor_id = p->enable_monitoring ? c->record.id : NULL };
        int r = fd < 0 ? fd : resctrl_make(fd, &w, &c->record.rdt_made, e);
        if (r < 0)
                return error_while(e, "applying /linux/intelRdt");
        c->record.rdt = xstrdup(w.class_id);
        c->record.rdt_monitored = w.monitor_id;
        return 0;
}

int resources_add(const struct record *r, pid_t pid, struct error *e)
{
        if (!r->rdt)
                return 0;
        CLEAN_FD int fd = resctrl_open(NULL, e);
        return fd < 0 ? fd : resctrl_enter(fd, r->rdt, r->rdt_monitored ? r->id : NULL, pid, e);
}

/* ---- all of it ---- */

int resources_make(struct creation *c, struct error *e)
{
        struct plan_container *k = c->plan.container;
        if (!k->resources)
                k->resources = xalloc(1, sizeof *k->resources);
        cgroup_add_default_rules(k->resources);
        if (MUTANT("allow-devices"))
                cgroup_add_rule(k->resources, &(struct cgroup_device_rule){ true, 'a', -1, -1, CGROUP_ACCESS_ALL });
        int r = c->o->manager == MANAGER_DISABLED ? 0 : make_groups(c, e);
        if (r == 0)
                r = make_class(c, e);
        /* What the control groups are is recorded with the process; what nothing else records, now. */
        return r == 0 && (c->record.rdt || c->o->manager == MANAGER_DISABLED) ? record_save(&c->record, e) : r;
}

void resources_entered(struct creation *c)
{
        end_stand_in(c);
}

static int update_class(const struct record *r, const char *l3, const char *bandwidth, struct error *e)
{
        CLEAN_STRINGS struct strings lines = { 0 };
        add_schema(&lines, l3, "L3");
        add_schema(&lines, bandwidth, "MB");
        if (!lines.count)
                return 0;
        if (!r->rdt) {
                error_set(e, ENOENT, "rdt.class", "container \"%s\" has no class of its own", r->id);
                error_hint(e, "give it one with /linux/intelRdt when it is created");
                return -ENOENT;
        }
        CLEAN_FD int fd = resctrl_open(NULL, e);
        return fd < 0 ? fd : resctrl_set(fd, r->rdt, &lines, e);
}

int resources_update(struct record *r, const struct cgroup_resources *resources, const char *l3, const char *bandwidth, struct error *e)
{
        const struct cgroup_systemd m = manager_here();
        int k = cgroup_update(&r->cgroup, resources, e);
        if (k == 0 && r->scope)
                k = cgroup_scope_update(&m, r->scope, resources, v2_alone(), e);
        return k == 0 ? update_class(r, l3, bandwidth, e) : k;
}

int resources_remove(struct record *r, unsigned timeout_ms, struct error *e)
{
        const struct cgroup_systemd m = manager_here();
        struct error first = { 0 };
        /* All of it is tried, and the first failure told. */
        int k = r->scope ? cgroup_scope_stop(&m, r->scope, &first) : 0;
        int groups = cgroup_remove(&r->cgroup, timeout_ms, k < 0 ? NULL : &first);
        if (groups < 0 && k == 0)
                k = groups;
        if (r->rdt) {
                CLEAN_FD int fd = resctrl_open(NULL, k < 0 ? NULL : &first);
                int n = fd < 0 ? fd : resctrl_remove(fd, r->rdt, r->rdt_monitored ? r->id : NULL, r->rdt_made, k < 0 ? NULL : &first);
                k = n < 0 && k == 0 ? n : k;
        }
        if (k < 0 && e)
                *e = first;
        return k;
}
