/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <stdio.h>

#include "vagrant.h"

enum { TRIES = 3, STATUS_USEC = 60000000, WAIT_SLACK_USEC = 10000000 };

/* ---- steps on a machine whose lock we hold ---- */

/* Makes the machine vanish, and then its folder. When that fails the folder stays, at its stage. */
static int bring_down(const struct vagrant *v, struct machine *m, struct error *e)
{
        static const char *const words[] = { "destroy", "--force", "--no-color", NULL };
        int r = vagrant_run(v, m->id, m->work_fd, v->down_usec, words, NULL, e);
        return r < 0 ? r : machine_forget(v, m, e);
}

/* Makes the machine run. When that fails all is cleared away again, now or later. */
static int bring_up(const struct vagrant *v, struct machine *m, struct error *e)
{
        /* --provision: an earlier attempt may have been killed after Vagrant noted that it would provision. */
        const char *words[] = { "up", "--provision", "--no-color", v->provider ? "--provider" : NULL, v->provider, NULL };
        struct error later = { 0 };
        int r = vagrant_run(v, m->id, m->work_fd, v->up_usec, words, NULL, e);
        if (r == 0)
                return machine_change(m, STAGE_READY, NULL, e);
        if (machine_change(m, STAGE_FAILED, NULL, &later) < 0 || bring_down(v, m, &later) < 0)
                error_hint(e, "it could not be cleared away yet: %s", later.cause);
        return r;
}

/* ---- the functions of the plugin ---- */

/* 1 when there is none any more and all begins again. */
static int carry_on(const struct vagrant *v, struct machine *m, struct error *e)
{
        switch (m->record.stage) {
        case STAGE_READY:
                return 0;
        case STAGE_MAKING:
                return bring_up(v, m, e);
        default: {
                int r = bring_down(v, m, e);
                return r < 0 ? r : 1;
        }
        }
}

static int provision_once(struct vagrant *v, const struct instance_spec *spec, const struct instance_record *record, const struct properties *p,
                          const char *id, struct error *e)
{
        CLEAN_MACHINE struct machine m = { .fd = -EBADF, .work_fd = -EBADF };
        int r = machine_create(v, record, p, spec->init, e);
        if (r < 0)
                return r;
        /* Another attempt at the same token may be at work: its end is ours. */
        r = machine_open(v, id, (int64_t)(v->up_usec + WAIT_SLACK_USEC), &m, e);
        if (r == -ENOENT)
                return 1;
        if (r == 0 && record->token)
                r = instance_record_check(&m.record, spec, e);
        return r < 0 ? r : carry_on(v, &m, e);
}

int vagrant_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        CLEAN_INSTANCE_RECORD struct instance_record record = { 0 };
        unsigned char room[16];
        struct vagrant *v = self;
        (void)type;
        int r = properties_parse(spec->properties, v->allow_vagrantfile, &p, e);
        if (r < 0)
                return r;
        if (spec->logical_id && inet_pton(AF_INET, spec->logical_id, room) != 1)
                return error_set(e, EINVAL, "vagrant.logical-id", "a LogicalID is the IPv4 address of the machine: %s", spec->logical_id);
        instance_record_begin(&record, spec);
        CLEAN_FREE char *id = xprintf(MACHINE_PREFIX "%s", record.name);
        for (int i = 0; i < TRIES; i++) {
                r = provision_once(v, spec, &record, &p, id, e);
                if (r < 0)
                        return r;
                if (r == 0) {
                        *ret_id = TAKE_PTR(id);
                        return 0;
                }
        }
        return error_set(e, EBUSY, "vagrant.busy", "%s was removed again and again while it was made", id);
}

static int missing(const char *id, int r, struct error *e)
{
        return r == -ENOENT ? error_set(e, ENOENT, "instance.missing", "there is no instance %s", id) : r;
}

int vagrant_label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        CLEAN_MACHINE struct machine m = { .fd = -EBADF, .work_fd = -EBADF };
        (void)type;
        int r = machine_open(self, id, -1, &m, e);
        return r < 0 ? missing(id, r, e) : machine_label(&m, labels, e);
}

int vagrant_destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        CLEAN_MACHINE struct machine m = { .fd = -EBADF, .work_fd = -EBADF };
        struct vagrant *v = self;
        (void)type;
        (void)reason;
        int r = machine_open(v, id, (int64_t)(v->up_usec + WAIT_SLACK_USEC), &m, e);
        if (r < 0)
                return missing(id, r, e);
        r = machine_change(&m, STAGE_REMOVING, NULL, e);
        return r < 0 ? r : bring_down(v, &m, e);
}

static void list_machine(const struct machine *m, const struct tags *match, bool properties, struct instances *ret)
{
        size_t before = ret->count;
        instance_record_list(&m->record, m->id, match, properties, ret);
        if (properties && ret->count > before)
                machine_observe(m, &ret->items[before].properties);
}

int vagrant_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        CLEAN_STRINGS struct strings ids = { 0 };
        (void)type;
        int r = machine_list(self, &ids, e);
        for (size_t i = 0; r == 0 && i < ids.count; i++) {
                CLEAN_MACHINE struct machine m = { .fd = -EBADF, .work_fd = -EBADF };
                r = machine_open(self, ids.items[i], -1, &m, e);
                if (r == 0)
                        list_machine(&m, match, properties, ret);
                else if (r == -ENOENT)
                        r = 0;
        }
        return r;
}

/* ---- watching ---- */

static bool has_stopped(const struct vagrant *v, const struct machine *m)
{
        static const char *const words[] = { "status", "--machine-readable", NULL };
        CLEAN_TEXT struct text output = { 0 };
        CLEAN_PROPERTIES struct properties p = { 0 };
        struct error e = { 0 };
        if (vagrant_run(v, m->id, m->work_fd, STATUS_USEC, words, &output, &e) < 0)
                return false; /* nothing is known */
        enum machine_state s = status_parse(output.data, output.length);
        if (s != MACHINE_STOPPED)
                return s == MACHINE_ABSENT;
        return properties_parse(m->record.properties, true, &p, &e) == 0 && !p.keep_stopped;
}

static void tell(const char *what, const char *id, const struct error *e)
{
        CLEAN_FREE char *subject = xprintf("%s %s", what, id);
        error_print(stderr, "bulkhead-instance-vagrant", subject, e);
}

static void vanished(const struct vagrant *v, const char *id, const struct tags *tags)
{
        if (v->events)
                v->events->notify(v->events, INSTANCE_VANISHED, "", id, tags);
}

static void look_at(struct vagrant *v, const char *id)
{
        CLEAN_MACHINE struct machine m = { .fd = -EBADF, .work_fd = -EBADF };
        CLEAN_TAGS struct tags tags = { 0 };
        struct error e = { 0 };
        if (machine_open(v, id, 0, &m, &e) < 0)
                return; /* gone, or somebody is at work on it */
        tags_copy(&tags, &m.record.tags);
        enum instance_stage stage = m.record.stage;
        if (stage == STAGE_READY) {
                if (!has_stopped(v, &m))
                        return;
                /* No longer an instance, whether or not what is left of it can be cleared away. */
                if (machine_change(&m, STAGE_FAILED, NULL, &e) == 0)
                        vanished(v, id, &tags);
        }
        int r = stage == STAGE_MAKING ? bring_up(v, &m, &e) : bring_down(v, &m, &e);
        if (r < 0)
                tell(stage == STAGE_MAKING ? "cannot finish" : "cannot clear away", id, &e);
        if (r < 0 ? stage == STAGE_MAKING : stage == STAGE_REMOVING)
                vanished(v, id, &tags);
}

void vagrant_watch(void *self)
{
        CLEAN_STRINGS struct strings ids = { 0 };
        struct error e = { 0 };
        if (machine_list(self, &ids, &e) < 0)
                return;
        for (size_t i = 0; i < ids.count; i++)
                look_at(self, ids.items[i]);
}
