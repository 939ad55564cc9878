/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/network.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/exit_status.h"
#include "os/cgroup_file_systems.h"
#include "os/file.h"
#include "os/network.h"

static void note(struct sandbox *s, const char *origin, const char *why)
{
        CLEAN_FREE char *words = xprintf("%s: not applied: %s", origin, why);
        if (!strings_has(&s->notes, words))
                strings_add(&s->notes, words);
}

void network_leave_out(struct sandbox *s, int error)
{
        for (size_t i = 0; i < s->programs.count; i++)
                note(s, s->programs.items[i].origin, strerror(-error));
        cgroup_programs_done(&s->programs);
}

static int no_device(const char *name, int error, const char *origin, struct error *e)
{
        error_errno(e, error, "network.unknown", "looking for the network device %s", name);
        error_hint(e, "ip link shows those that are there; it must exist when the run starts");
        error_status(e, STATUS_CGROUP);
        return error_while(e, "applying %s", origin);
}

/* ---- one for each directive ---- */

static int make_addresses(struct sandbox *s, struct error *e)
{
        const struct plan_network *n = &s->plan->network;
        return n->deny_origin ? cgroup_programs_add_addresses(&s->programs, &n->addresses, n->deny_origin, e) : 0;
}

static int make_binds(struct sandbox *s, struct error *e)
{
        const struct plan_network *n = &s->plan->network;
        return n->bind_deny_origin ? cgroup_programs_add_binds(&s->programs, &n->binds, n->bind_deny_origin, e) : 0;
}

/*
 * A device that is not there cannot be allowed: nothing is opened by going on, and what it is called may be known to be optional.  One that is
 * to be denied may come later, under an index that is not known yet: that is an error.
 */
static int make_interfaces(struct sandbox *s, struct error *e)
{
        const struct plan_network *n = &s->plan->network;
        if (!n->interfaces_origin)
                return 0;
        CLEAN_FREE uint32_t *indexes = xalloc(n->interfaces.count, sizeof *indexes);
        size_t count = 0;
        for (size_t i = 0; i < n->interfaces.count; i++) {
                int r = network_find_device(n->interfaces.items[i], &indexes[count]);
                if (r == 0)
                        count++;
                else if (r == -ENODEV && (n->interfaces_allowed || s->plan->lenient))
                        strings_take(&s->notes, xprintf("%s: there is no network device %s", n->interfaces_origin, n->interfaces.items[i]));
                else
                        return no_device(n->interfaces.items[i], r, n->interfaces_origin, e);
        }
        return cgroup_programs_add_interfaces(&s->programs, indexes, count, n->interfaces_allowed, n->interfaces_origin, e);
}

static int make_bound_device(struct sandbox *s, struct error *e)
{
        const struct plan_network *n = &s->plan->network;
        uint32_t index;
        if (!n->bound_origin)
                return 0;
        int r = network_find_device(n->bound_interface, &index);
        return r < 0 ? no_device(n->bound_interface, r, n->bound_origin, e) : cgroup_programs_add_bound_device(&s->programs, index, n->bound_origin, e);
}

static int make_open(struct sandbox *s, struct error *e)
{
        const struct plan_file_systems *f = &s->plan->file_systems;
        uint32_t magics[CGROUP_MAGICS_MAX];
        size_t count = 0;
        if (!f->origin)
                return 0;
        for (size_t i = 0; i < f->names.count; i++) {
                const struct file_system *known = file_system_find(f->names.items[i]);
                for (size_t m = 0; known && m < FILE_SYSTEM_MAGICS && known->magics[m] && count < CGROUP_MAGICS_MAX; m++)
                        magics[count++] = known->magics[m];
        }
        return cgroup_programs_add_open(&s->programs, magics, count, f->allowed, f->origin, e);
}

/* Nobody is protected by numbers: where they cannot be had, that is a note. */
static int make_counts(struct sandbox *s, struct error *e)
{
        const struct plan_network *n = &s->plan->network;
        return n->accounting_origin ? cgroup_programs_add_counts(&s->programs, n->accounting_origin, e) : 0;
}

bool network_may_leave_out(const struct sandbox *s)
{
        return s->plan->lenient || !(plan_network_is_restricted(&s->plan->network) || s->plan->file_systems.origin);
}

/* ---- all ---- */

static const char *first_origin(const struct plan *p, size_t step)
{
        const struct plan_network *n = &p->network;
        const char *const origins[] = { n->deny_origin, n->bind_deny_origin, n->interfaces_origin, n->bound_origin, p->file_systems.origin, n->accounting_origin };
        return origins[step];
}

int network_make_programs(struct sandbox *s, struct error *e)
{
        static int (*const steps[])(struct sandbox *, struct error *) = { make_addresses, make_binds, make_interfaces, make_bound_device,
                                                                          make_open, make_counts };
        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                struct error own = { 0 };
                size_t before = s->programs.count;
                int r = steps[i](s, &own);
                if (r == 0)
                        continue;
                if (!s->plan->lenient && steps[i] != make_counts) {
                        if (e)
                                *e = own;
                        return r;
                }
                /* Half of a directive is none. */
                while (s->programs.count > before)
                        fd_close(s->programs.items[--s->programs.count].fd);
                note(s, first_origin(s->plan, i), own.cause);
        }
        return 0;
}

/* The group below, or -errno. It goes with the run's group. */
static int make_last_group(struct sandbox *s, int folder_fd, struct error *e)
{
        const char *why = "making a control group below the run's";
        if (mkdirat(folder_fd, NETWORK_LAST_GROUP, 0755) < 0 && errno != EEXIST) {
                error_errno(e, errno, "cgroup.refused", "%s", why);
                error_status(e, STATUS_CGROUP);
                return e ? e->code : -EIO;
        }
        int fd = openat(folder_fd, NETWORK_LAST_GROUP, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && s->last_group_fd < 0)
                s->last_group_fd = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || s->last_group_fd < 0) {
                int r = error_errno(e, errno, "cgroup.refused", "%s", why);
                error_status(e, STATUS_CGROUP);
                fd_close(fd);
                return r;
        }
        return fd;
}

static int attach_one(struct sandbox *s, const struct cgroup_program *p, int folder_fd, struct error *e)
{
        if (!p->at_exec)
                return cgroup_program_attach(p, folder_fd, e);
        CLEAN_FD int below = make_last_group(s, folder_fd, e);
        return below < 0 ? below : cgroup_program_attach(p, below, e);
}

int network_attach_programs(struct sandbox *s, struct error *e)
{
        const struct cgroup_folder *folder = cgroup_v2_folder(&s->cgroup);
        struct error own = { 0 };
        int r = 0;
        for (size_t i = 0; r == 0 && i < s->programs.count; i++)
                r = attach_one(s, &s->programs.items[i], folder ? folder->fd : -EBADF, &own);
        if (r < 0 && network_may_leave_out(s)) {
                /* Some may hold: less is said than done. */
                network_leave_out(s, r);
                s->last_group_fd = fd_close(s->last_group_fd);
                r = 0;
        } else if (r < 0 && e) {
                *e = own;
        }
        /* The group holds them from here on. */
        cgroup_programs_done(&s->programs);
        return r;
}

int network_enter_last_group(const struct sandbox *s, pid_t pid, struct error *e)
{
        CLEAN_FREE char *number = xprintf("%d", pid);
        int r = file_write_all(s->last_group_fd, number, strlen(number));
        return r < 0 ? error_errno(e, r, "cgroup.refused", "entering the control group %s", NETWORK_LAST_GROUP) : 0;
}
