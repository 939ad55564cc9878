/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/activation.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "os/file.h"
#include "plan/run_profile.h"
#include "plan/unit_words.h"
#include "sandbox/pam_session.h"
#include "sandbox/streams.h"
#include "shim/condition_check.h"
#include "shim/undo.h"
#include "shim/unit_snapshot.h"

/* ---- reading ---- */

static int assign(const struct unit_file *u, const struct unit_line *l, const struct facts *facts, struct settings *s, struct error *e)
{
        CLEAN_FREE char *assignment = xprintf("%s=%s", l->name, l->value);
        int r = settings_assign(s, facts, assignment, e);
        if (r == 0)
                return 0;
        CLEAN_FREE char *place = unit_file_place(u, l);
        return error_while(e, "reading %s", place);
}

int activation_compile(const struct unit_file *u, const char *section, const struct facts *facts, const char *profile, bool lenient,
                       struct settings *settings, struct plan *plan, struct error *e)
{
        const struct unit_line *l;
        settings->lenient = lenient;
        int r = run_profile_assign(profile, facts, settings, e);
        for (size_t at = 0; r == 0 && (l = unit_file_next(u, section, NULL, &at));)
                if (directive_is_known(l->name))
                        r = assign(u, l, facts, settings, e);
        return r == 0 ? settings_compile(settings, facts, plan, e) : r;
}

static void drop_settings(struct activation *a)
{
        if (a->settings)
                settings_done(a->settings);
        free(a->settings);
        a->settings = NULL;
}

static void forget(struct activation *a)
{
        drop_settings(a);
        plan_done(&a->beside); /* its origins are the other's */
        plan_done(&a->plan);
        facts_done(&a->facts);
        a->plan = a->beside = (struct plan){ 0 };
        a->facts = (struct host_facts){ 0 };
}

int activation_read(struct activation *a, struct service *service, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        struct service fresh;
        int r = unit_snapshot_load(a->run->dir_fd, UNIT_SERVICE, a->lenient, &file, e);
        if (r < 0)
                return r;
        forget(a);
        a->settings = xalloc(1, sizeof *a->settings);
        facts_gather(&a->facts, a->name, a->user_mode);
        r = service_read(&file, &a->facts.facts, a->lenient, &fresh, e);
        if (r < 0)
                return r;
        service_done(service);
        *service = fresh;
        r = conditions_hold(&file, &a->facts.facts, a->lenient, e);
        if (r == 0)
                r = activation_compile(&file, "Service", &a->facts.facts, a->profile, a->lenient, a->settings, &a->plan, e);
        if (r == 0 && a->plan.unit_root.start_only)
                r = settings_compile_beside(a->settings, &a->facts.facts, &a->beside, e);
        a->plan.seal = a->seal;
        return r;
}

int activation_read_life(struct activation *a, struct service *service, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        struct service fresh;
        int r = unit_snapshot_load(a->run->dir_fd, UNIT_SERVICE, a->lenient, &file, e);
        if (r < 0)
                return r;
        forget(a);
        facts_gather(&a->facts, a->name, a->user_mode);
        r = service_read(&file, &a->facts.facts, a->lenient, &fresh, e);
        if (r < 0)
                return r;
        service_done(service);
        *service = fresh;
        return 0;
}

int activation_read_section(struct activation *a, const struct unit_file *file, const char *section, struct error *e)
{
        forget(a);
        a->settings = xalloc(1, sizeof *a->settings);
        facts_gather(&a->facts, a->name, a->user_mode);
        int r = activation_compile(file, section, &a->facts.facts, a->profile, a->lenient, a->settings, &a->plan, e);
        a->plan.seal = a->seal;
        return r;
}

/* ---- preparing ---- */

static int note(void *context, const char *kind, const char *path)
{
        const struct activation *a = context;
        return run_undo_note(a->run->dir_fd, kind, path);
}

static int made(void *context, const char *at, const char *path)
{
        const struct activation *a = context;
        return run_undo_made(a->run->dir_fd, at, path);
}

/* Whatever covers it, the service can reach it. */
static void show_notify_socket(struct plan *p, const char *path)
{
        if (!(p->namespaces & CLONE_NEWNS))
                return;
        struct plan_mount *m = plan_add_mount(p, PLAN_BIND, path, "NotifyAccess=");
        m->source = xstrdup(path);
        m->optional = true;
        plan_normalize_mounts(p);
}

/* Where services hear of us. Its place is in everybody's reach, other than the folders of runs. */
static int name_notify_socket(struct activation *a, const struct service *s, struct error *e)
{
        if (!s || s->notify_access == NOTIFY_NONE)
                return 0;
        CLEAN_FREE char *folder = xprintf("%s/notify", a->root_path);
        if ((mkdir(folder, 0711) < 0 && errno != EEXIST) || chmod(folder, 0711) < 0) /* whatever our umask is: users of their own pass through */
                return error_errno(e, errno, "service.notify", "mkdir(%s)", folder);
        a->notify_path = xprintf("%s/%.16s", folder, a->invocation_id);
        show_notify_socket(&a->plan, a->notify_path);
        if (a->plan.unit_root.start_only)
                show_notify_socket(&a->beside, a->notify_path);
        int r = run_undo_note(a->run->dir_fd, "file", a->notify_path);
        return r < 0 ? error_errno(e, r, "service.notify", "noting %s", a->notify_path) : 0;
}

int activation_open(struct activation *a, const struct service *service, struct error *e)
{
        a->keeps_folders = false;
        file_random_hex(a->invocation_id, 32);
        a->invocation_id[32] = 0;
        int r = name_notify_socket(a, service, e);
        if (r < 0)
                return r;
        a->host = (struct sandbox_host){ .run_folder = NULL, .shared_folder = a->root_path, .invocation_id = a->invocation_id, .report_fd = a->report_fd > 0 ? a->report_fd : -EBADF,
                                         .track = true, .outlives = a->outlives, .per_command = true, .beside = a->plan.unit_root.start_only ? &a->beside : NULL,
                                         .report_live = true, .observe_fd = a->observe_fd, .note = note, .made = made, .context = a };
        CLEAN_FREE char *folder = xprintf("%s/runs/%s", a->root_path, a->run->unit);
        a->host.run_folder = plan_keep(&a->plan, TAKE_PTR(folder));
        a->open = true;
        r = sandbox_prepare(&a->sandbox, &a->plan, &a->host, NULL, e);
        return r == 0 ? command_share_namespaces(&a->sandbox, e) : r;
}

/* ---- commands ---- */

bool activation_uses_socket(const struct activation *a)
{
        for (size_t i = 0; i < PLAN_STREAMS; i++)
                if (a->plan.process.streams[i].kind == PLAN_STREAM_SOCKET)
                        return true;
        return false;
}

static int many_sockets(const struct plan_stream *s, unsigned count, struct error *e)
{
        error_set(e, EINVAL, "stdio.socket", "the service has %u sockets, and a standard stream can be one", count);
        error_hint(e, "fd:NAME takes the one that FileDescriptorName= names");
        return error_while(e, "applying %s", s->origin);
}

/* Where there is none, whoever opens the streams says so. */
static int place_given(const struct activation *a, int fds[PLAN_STREAMS], struct error *e)
{
        const struct service_notify *n = a->given;
        for (size_t i = 0; n && i < PLAN_STREAMS; i++) {
                const struct plan_stream *s = &a->plan.process.streams[i];
                int found = -EBADF;
                if (s->kind == PLAN_STREAM_SOCKET && n->listen_count > 1)
                        return many_sockets(s, n->listen_count, e);
                if (s->kind == PLAN_STREAM_SOCKET && n->listen_count)
                        found = n->fds[0];
                for (unsigned k = n->count; s->kind == PLAN_STREAM_NAMED && k-- > 0;)
                        if (text_equal(n->names[k], s->path))
                                found = n->fds[k]; /* the first of that name */
                if (found < 0)
                        continue;
                fds[i] = fcntl(found, F_DUPFD_CLOEXEC, 3 + (int)n->room);
                /* Who reads a standard stream waits for it. The flag is the socket's own, so that whoever else holds it waits, too: as with systemd. */
                if (fds[i] < 0 || fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) & ~O_NONBLOCK) < 0)
                        return error_errno(e, errno, "stdio.failed", "duplicating a socket");
        }
        return 0;
}

int activation_spawn(struct activation *a, const struct exec_line *line, bool start, const struct strings *variables, const struct sandbox_io *io,
                     struct sandbox_child *ret, struct error *e)
{
        CLEAN_COMMAND struct command c = { 0 };
        int r = sandbox_wake(&a->sandbox, e);
        if (r == 0)
                r = command_prepare(&a->sandbox, line, variables, io->keep_fds, start, &c, e);
        if (r == 0)
                r = place_given(a, c.sandbox.stream_fds, e);
        if (r == 0)
                r = pam_session_spawn(&c.sandbox, &c.environment, false, io, ret, e);
        streams_close(c.sandbox.stream_fds); /* of a start that came to nothing */
        return r;
}

void activation_rest(struct activation *a)
{
        drop_settings(a); /* the plan has what it needs of them */
        if (a->open)
                sandbox_rest(&a->sandbox);
}

void activation_close(struct activation *a, bool restarts, bool spares)
{
        if (!a->open)
                return;
        a->open = false;
        sandbox_done(&a->sandbox); /* the lock of a dynamic user among it: the undo takes it away only if nobody holds it */
        if (spares)
                (void)run_undo_spare(a->run->dir_fd);
        (void)(restarts ? run_undo_for_restart(a->run->dir_fd) : run_undo_all(a->run->dir_fd));
        free(a->notify_path);
        a->notify_path = NULL;
        forget(a);
}
