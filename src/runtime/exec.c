/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/exec.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mutant.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/path.h"
#include "os/process.h"
#include "runtime/filters.h"
#include "runtime/resources.h"

static int check_status(const struct record *r, const struct exec_options *x, struct error *e)
{
        enum record_status status = record_status(r);
        if (status == RECORD_RUNNING || status == RECORD_CREATED || (status == RECORD_PAUSED && x->ignore_paused))
                return 0;
        error_set(e, EBUSY, "container.status", "cannot exec in container \"%s\": it is %s", r->id, record_status_name(status));
        if (status == RECORD_PAUSED)
                error_hint(e, "resume it, or give --ignore-paused: the program then stands still as well");
        return -EBUSY;
}

/* What the container has already is not made again. */
static void leave_process(struct plan *p)
{
        struct plan_container *k = p->container;
        free(k->root.path);
        k->root.path = NULL;
        p->namespaces = 0;
        k->new_users = false;
        k->sysctl_count = k->net_device_count = 0;
        free(k->hostname);
        free(k->domainname);
        k->hostname = k->domainname = NULL;
        k->terminal = false;
        k->rows = k->columns = 0;
}

/* ---- what the options change ---- */

static int parse_id(const char *text, uint32_t *ret, const char *what, struct error *e)
{
        uint64_t n;
        if (MUTANT("digits-prefix"))
                n = strtoull(text, NULL, 10);
        else if (text_parse_uint(text, MUTANT("allow-uid-wrap") ? UINT64_MAX : UINT32_MAX - 1, &n) < 0) {
                error_set(e, EINVAL, "exec.user", "\"%.60s\" is no %s", text, what);
                error_hint(e, "numbers from 0 to 4294967294; names are the engine's to look up");
                return -EINVAL;
        }
        *ret = (uint32_t)n;
        return 0;
}

/* UID[:GID] */
static int set_user(struct plan_identity *i, const char *user, struct error *e)
{
        CLEAN_FREE char *copy = xstrdup(user);
        char *colon = strchr(copy, ':');
        if (colon)
                *colon++ = 0;
        int r = parse_id(copy, &i->uid, "user id", e);
        return r == 0 && colon ? parse_id(colon, &i->gid, "group id", e) : r;
}

static int add_groups(struct plan_identity *i, const struct strings *gids, struct error *e)
{
        size_t room = i->group_count;
        for (size_t k = 0; k < gids->count; k++) {
                gid_t gid;
                int r = parse_id(gids->items[k], &gid, "group id", e);
                if (r < 0)
                        return r;
                i->groups = xgrow(i->groups, &room, i->group_count + 1, sizeof *i->groups);
                i->groups[i->group_count++] = gid;
        }
        return 0;
}

static int add_capabilities(struct plan_capabilities *c, const struct strings *names, struct error *e)
{
        for (size_t i = 0; i < names->count; i++) {
                unsigned n;
                if (capability_parse(names->items[i], &n) < 0)
                        return error_set(e, EINVAL, "exec.capability", "unknown capability \"%.60s\"", names->items[i]);
                c->bounding |= UINT64_C(1) << n;
                c->effective |= UINT64_C(1) << n;
                c->permitted |= UINT64_C(1) << n;
        }
        return 0;
}

static void set_text(char **place, const char *text)
{
        if (!text)
                return;
        free(*place);
        *place = xstrdup(text);
}

/* NAME alone is passed over: there is nothing to take it from. */
static void set_variables(struct strings *environment, const struct strings *variables)
{
        for (size_t i = 0; i < variables->count; i++) {
                const char *v = variables->items[i];
                size_t n = strcspn(v, "=") + 1;
                bool set = false;
                for (size_t k = 0; k < environment->count; k++)
                        if (!strncmp(environment->items[k], v, n)) {
                                free(environment->items[k]);
                                environment->items[k] = xstrdup(v);
                                set = true;
                        }
                if (!set)
                        strings_add(environment, v);
        }
}

static int apply_options(struct plan *p, const struct exec_options *x, struct error *e)
{
        struct plan_container *k = p->container;
        strings_clear(&p->argv);
        for (size_t i = 0; i < x->argv.count; i++)
                strings_add(&p->argv, x->argv.items[i]);
        if (!p->argv.count)
                return error_set(e, EINVAL, "exec.command", "which program?");
        if (x->cwd && *x->cwd != '/')
                return error_set(e, EINVAL, "exec.directory", "the working directory \"%.80s\" is not absolute", x->cwd);
        set_text(&p->working_directory, x->cwd);
        set_text(&k->apparmor, x->apparmor);
        set_text(&k->process_label, x->process_label);
        set_variables(&p->environment, &x->environment);
        p->no_new_privileges |= x->no_new_privileges;
        k->terminal = x->tty;
        int r = x->user ? set_user(&k->identity, x->user, e) : 0;
        if (r == 0)
                r = add_groups(&k->identity, &x->additional_gids, e);
        return r == 0 ? add_capabilities(&k->capabilities, &x->capabilities, e) : r;
}

static int apply_file(struct plan *p, const struct exec_options *x, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        int r = file_read(AT_FDCWD, x->process_file, OCI_CONFIG_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "config.unreadable", "reading %s", x->process_file);
        r = json_parse("process", t.data, t.length, &d, e);
        if (r < 0)
                return r;
        const struct json_place top = json_top(&d, "process");
        r = oci_compile_process(&top, p, e);
        if (r == 0 && x->tty)
                p->container->terminal = true;
        return r;
}

/* ---- making ---- */

static int on_born(void *context, pid_t pid, struct error *e)
{
        struct creation *c = context;
        c->child.pid = pid;
        return resources_add(c->container, pid, e);
}

/* [CONTROLLER:]PATH: of one hierarchy, or of all. As in runc, PATH begins at the container's group, with a slash or without. */
static int open_entry(struct record *r, const char *sub, struct error *e)
{
        if (sub && *sub == '/' && !*(sub += strspn(sub, "/")))
                sub = NULL;
        const char *colon = sub ? strchr(sub, ':') : NULL;
        int k = cgroup_open_entry(&r->cgroup, colon ? NULL : sub, r->pid, e);
        if (k < 0 || !colon)
                return k;
        CLEAN_FREE char *controller = xstrndup(sub, (size_t)(colon - sub));
        struct cgroup_folder *f = (struct cgroup_folder *)cgroup_v1_folder_of(&r->cgroup, controller);
        if (!f)
                return error_set(e, ENOENT, "cgroup.refused", "there is no control group of %s", controller);
        CLEAN_FREE char *path = xprintf("%s/cgroup.procs", colon + 1);
        int fd = path_open_as(f->fd, path, O_WRONLY, 0, PATH_NO_LINKS);
        if (fd < 0)
                return error_errno(e, fd, "cgroup.refused", "entering %s%s", f->path, colon + 1);
        fd_close(f->procs_fd);
        f->procs_fd = fd;
        return 0;
}

static int make(struct record *container, const struct exec_options *x, struct creation *c, struct error *e)
{
        int r = check_status(container, x, e);
        if (r == 0)
                r = container_plan(container, &c->config, &c->plan, e);
        if (r < 0)
                return r;
        leave_process(&c->plan);
        r = x->process_file ? apply_file(&c->plan, x, e) : apply_options(&c->plan, x, e);
        if (r < 0)
                return r;
        c->host = (struct sandbox_host){ .run_folder = "", .shared_folder = "", .invocation_id = "", .report_fd = -EBADF, .born = on_born, .context = c };
        r = container_prepare(&c->sandbox, &c->plan, &c->host, e);
        if (r == 0)
                r = filters_build(&c->sandbox, e);
        if (r < 0)
                return r;
        c->sandbox.keep_keyring = c->o->no_new_keyring;
        c->sandbox.joined = true;
        c->sandbox.join_flags = container->namespaces;
        c->sandbox.join_pidfd = record_pidfd(container);
        if (c->sandbox.join_pidfd < 0)
                return error_set(e, ESRCH, "container.status", "container \"%s\" has ended", container->id);
        c->record.pid = container->pid;
        c->record.id = xstrdup(container->id);
        c->record.bundle = container->bundle ? xstrdup(container->bundle) : NULL;
        c->record.oci_version = container->oci_version ? xstrdup(container->oci_version) : NULL;
        r = open_entry(container, x->sub_cgroup, e);
        if (r < 0)
                return r;
        c->sandbox.cgroup = container->cgroup; /* lent */
        c->container = container;
        return creation_spawn(c, e);
}

int exec_make(struct record *container, const struct exec_options *x, struct creation *c, struct error *e)
{
        *c = (struct creation)CREATION_INIT;
        c->o = &x->o;
        int r = make(container, x, c, e);
        if (r < 0 && c->child.pidfd >= 0) {
                (void)process_signal(c->child.pidfd, SIGKILL);
                while (waitpid(c->child.pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        return r;
}
