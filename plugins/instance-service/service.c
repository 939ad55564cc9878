/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "group/expand.h"
#include "group/local.h"
#include "group/observed.h"
#include "os/file.h"
#include "plan/service.h"
#include "shim/activation.h"
#include "shim/client.h"
#include "shim/facts.h"
#include "shim/service_launch.h"
#include "shim/state.h"
#include "unit.h"

enum { CLEANED_BETWEEN_PRUNES = 64 };

struct services {
        struct local *local;
        int root_fd;
        char *root_path;
        bool user_mode;
        pthread_mutex_t launching; /* compiling a unit and forking is done by one thread at a time */
        unsigned cleaned;
};

/* ---- the run of an instance ---- */

static char *unit_of(const struct local_instance *i)
{
        return xprintf("%s.service", i->instance.id);
}

/* The run is ours if it was started from our file: a name alone says nothing. */
static bool is_ours(int dir_fd, const struct local_instance *i)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        CLEAN_FREE char *source = xprintf("%s/%s.service", i->folder, i->instance.id);
        return run_load_state(dir_fd, &st, NULL) == 0 && st.source && text_equal(st.source, source);
}

/* The folder of its run; -ENOENT without words when it has none. */
static int open_run(const struct services *s, const struct local_instance *i)
{
        CLEAN_FREE char *unit = unit_of(i);
        CLEAN_FD int dir_fd = run_open(s->root_fd, unit, NULL);
        if (dir_fd < 0)
                return dir_fd;
        return is_ours(dir_fd, i) ? TAKE_FD(dir_fd) : -ENOENT;
}

/* The connection to its supervisor, over which its end is told. -ENOENT: it has none that lives. */
static int join(const struct services *s, const struct local_instance *i, struct error *e)
{
        static const struct client_options quiet = { .wait_only = true };
        CLEAN_FD int dir_fd = open_run(s, i);
        if (dir_fd < 0 || !run_is_live(dir_fd))
                return -ENOENT;
        CLEAN_FD int fd = client_connect(dir_fd, e);
        int r = fd < 0 ? fd : client_hello(fd, &quiet, e);
        if (r < 0)
                return run_is_live(dir_fd) ? r : -ENOENT;
        return TAKE_FD(fd);
}

/* Stops it, if it lives, and waits until its supervisor is gone; what a dead one left is taken away. */
static int stop(const struct services *s, const struct local_instance *i, struct error *e)
{
        CLEAN_FREE char *unit = unit_of(i);
        CLEAN_FD int fd = join(s, i, e);
        int r = fd == -ENOENT ? 0 : fd < 0 ? fd : client_stop(fd, WIRE_STOP_DEFAULT, e);
        if (r == 0 && fd >= 0)
                r = client_wait_stopped(fd, e);
        if (r == 0 && fd >= 0)
                client_wait_gone(fd);
        CLEAN_FD int left = join(s, i, NULL);
        if (r < 0 && left >= 0)
                return r;
        CLEAN_FD int dir_fd = open_run(s, i);
        if (dir_fd >= 0)
                (void)run_reconcile(s->root_fd, unit);
        return 0;
}

/* ---- what struct local_kind asks for ---- */

/* Where service_unit_make has the unit's own lines. */
static char *unit_file(const struct local_instance *i)
{
        return xprintf("%s/%s.service.d/unit.conf", i->folder, i->instance.id);
}

static char *note_file(const struct local_instance *i)
{
        return xprintf("%s/written", i->folder);
}

static int note_unit(const struct local_instance *i, const struct unit *u)
{
        CLEAN_FREE char *unit = unit_file(i), *note = note_file(i);
        for (size_t k = 0; k < u->count; k++)
                if (text_equal(u->sources[k].path, unit))
                        return observed_note(AT_FDCWD, note, u->sources[k].text.data, u->sources[k].text.length);
        return 0;
}

static int write_files(const struct local_instance *i, const struct unit *u, const char *init, struct error *e)
{
        CLEAN_FREE char *drop_ins = xprintf("%s/%s.d", i->folder, u->name.whole), *script = xprintf("%s/init", i->folder);
        int r = mkdir(drop_ins, 0700) < 0 && errno != EEXIST ? -errno : 0;
        for (size_t k = 0; r == 0 && k < u->count; k++)
                r = file_replace(AT_FDCWD, u->sources[k].path, u->sources[k].text.data, u->sources[k].text.length, 0600);
        if (r == 0)
                r = note_unit(i, u);
        if (r == 0 && init)
                r = file_replace(AT_FDCWD, script, init, strlen(init), 0600);
        return r < 0 ? error_errno(e, r, "local.record", "writing the unit of %s", i->instance.id) : 0;
}

static int launch(struct services *s, const struct local_instance *i, const struct service_properties *p, const struct unit *u, struct error *e)
{
        CLEAN_STRINGS struct strings notes = { 0 };
        const struct service_launch how = { .root_fd = s->root_fd, .root_path = s->root_path, .user_mode = s->user_mode, .profile = p->profile,
                                            .program = getenv("BULKHEAD_SERVICE"), .orphan = true };
        struct error why = { 0 };
        (void)pthread_mutex_lock(&s->launching);
        int fd = service_launch(&how, u, &notes, &why);
        (void)pthread_mutex_unlock(&s->launching);
        if (fd != -EEXIST) {
                if (fd < 0 && e)
                        *e = why;
                return fd;
        }
        fd = join(s, i, NULL); /* an earlier try has started it, if it is ours */
        if (fd == -ENOENT && e)
                *e = why;
        return fd == -ENOENT ? -EEXIST : fd;
}

static int make(void *self, const struct local_instance *i, const struct instance_spec *spec, int *ret_fd, struct error *e)
{
        struct services *s = self;
        CLEAN_SERVICE_PROPERTIES struct service_properties p = { 0 };
        CLEAN_UNIT struct unit u = { 0 };
        const char *init = spec->init && *spec->init ? spec->init : NULL;
        int r = service_properties_parse(i->instance.properties, &p, e);
        if (r == 0)
                r = service_unit_make(&p, &i->instance, i->folder, init != NULL, &u, e);
        if (r == 0)
                r = write_files(i, &u, init, e);
        if (r < 0)
                return r;
        CLEAN_FD int fd = launch(s, i, &p, &u, e);
        r = fd < 0 ? fd : client_wait_started(fd, NULL, e);
        if (r < 0)
                return error_while(e, "starting %s", u.name.whole);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int find(void *self, const struct local_instance *i, int *ret_fd, struct error *e)
{
        int fd = join(self, i, e);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

static int end(void *self, const struct local_instance *i, struct error *e)
{
        const struct services *s = self;
        CLEAN_FREE char *unit = unit_of(i);
        int r = stop(s, i, e);
        CLEAN_FD int dir_fd = r < 0 ? r : open_run(s, i);
        if (dir_fd >= 0)
                (void)run_remove(s->root_fd, unit);
        return r;
}

/* The run stays on record, so that its log says why it ended; the oldest of those go. */
static void clean(void *self, const struct local_instance *i)
{
        struct services *s = self;
        (void)stop(s, i, NULL);
        (void)pthread_mutex_lock(&s->launching);
        if (++s->cleaned % CLEANED_BETWEEN_PRUNES == 0)
                (void)runs_prune(s->root_fd);
        (void)pthread_mutex_unlock(&s->launching);
}

static bool ended(void *self, const struct local_instance *i, int fd)
{
        struct client_news news = { 0 };
        (void)self, (void)i;
        return client_hear(fd, &news) < 0 || news.kind == CLIENT_NEWS_EXITED;
}

/* The unit as it stands on disk, where that is not what was written. */
static void observe(void *self, const struct local_instance *i, char **properties)
{
        CLEAN_FREE char *unit = unit_file(i), *note = note_file(i);
        CLEAN_TEXT struct text now = { 0 };
        (void)self;
        if (observed_changed(AT_FDCWD, note, unit, 2 * SERVICE_UNIT_TEXT_MAX, &now))
                observed_set_text(properties, "Unit", now.length ? now.data : "");
}

static const struct local_kind kind = {
        .name = "service", .make = make, .find = find, .end = end, .clean = clean, .ended = ended, .observe = observe,
};

/* ---- the plugin ---- */

static void stop_plugin(void *self)
{
        struct services *s = self;
        if (s->local)
                local_close(s->local);
        (void)fd_close(s->root_fd);
        (void)pthread_mutex_destroy(&s->launching);
        free(s->root_path);
        free(s);
}

static int start_plugin(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct services *s = xalloc(1, sizeof *s);
        CLEAN_FREE char *folder = NULL;
        *s = (struct services){ .user_mode = geteuid() != 0 };
        (void)pthread_mutex_init(&s->launching, NULL);
        s->root_fd = state_root_open(s->user_mode, &s->root_path, e);
        int r = s->root_fd < 0 ? s->root_fd : local_folder(&kind, options, s->root_path, &folder, e);
        if (r == 0)
                r = local_open(&kind, s, folder, loop, events, &s->local, e);
        if (r < 0) {
                stop_plugin(s);
                return r;
        }
        *ret_self = s;
        return 0;
}

/* As the unit of an instance would be: what can be known before there is one. */
static int check_unit(struct services *s, const struct unit *u, const char *profile, struct error *e)
{
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        CLEAN_FACTS struct host_facts facts = { 0 };
        CLEAN_SERVICE struct service service = { 0 };
        CLEAN_SETTINGS struct settings settings = { 0 };
        CLEAN_PLAN struct plan plan = { 0 };
        int r = unit_parse(u, false, &file, e);
        if (r < 0)
                return r;
        facts_gather(&facts, u->name.whole, s->user_mode);
        r = service_read(&file, &facts.facts, false, &service, e);
        return r < 0 ? r : activation_compile(&file, "Service", &facts.facts, profile, false, &settings, &plan, e);
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        struct services *s = self;
        CLEAN_SERVICE_PROPERTIES struct service_properties p = { 0 };
        CLEAN_UNIT struct unit u = { 0 };
        struct instance example = { .id = xstrdup("instance-example"), .logical_id = xstrdup("127.0.0.1") };
        struct error why = { 0 };
        (void)type;
        int r = service_properties_read(properties, &p, e);
        if (r == 0 && p.ports.low)
                tags_set(&example.tags, TAG_PORT, "1");
        tags_set(&example.tags, TAG_ADDRESS, "127.0.0.1");
        if (r == 0)
                r = service_unit_make(&p, &example, "/", false, &u, &why);
        instance_done(&example);
        if (r == -ENOENT) /* a tag, which an instance will have or not */
                return 0;
        if (r == 0) {
                (void)pthread_mutex_lock(&s->launching);
                r = check_unit(s, &u, p.profile, &why);
                (void)pthread_mutex_unlock(&s->launching);
        }
        if (why.code && e)
                *e = why;
        return r;
}

static int provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        struct services *s = self;
        CLEAN_SERVICE_PROPERTIES struct service_properties p = { 0 };
        (void)type;
        if (spec->attachment_count)
                return error_set(e, ENOTSUP, "instance.attachments", "services of this host take no attachments");
        int r = service_properties_parse(spec->properties, &p, e);
        return r < 0 ? r : local_provision(s->local, spec, &p.ports, ret_id, e);
}

static int label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        struct services *s = self;
        (void)type;
        return local_label(s->local, id, labels, e);
}

static int destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        struct services *s = self;
        (void)type, (void)reason;
        return local_destroy(s->local, id, e);
}

static int describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        struct services *s = self;
        (void)type;
        return local_describe(s->local, match, properties, ret, e);
}

const struct instance_plugin service_plugin = {
        .name = "service", .version = BULKHEAD_VERSION, .summary = "Instances are sandboxed services of this host.",
        .concurrent = true, .start = start_plugin, .stop = stop_plugin, .tells = true,
        .validate = validate, .provision = provision, .label = label, .destroy = destroy, .describe = describe,
};
