/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <libvirt/virterror.h>

#include "libvirt_plugin.h"

enum { TRIES = 3 };

/* ---- finding ---- */

static struct connection *connection_of(struct libvirt *l, const struct properties *p, struct error *e)
{
        if (!p->uri)
                return l->connections;
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->connections[i].uri, p->uri))
                        return l->connections + i;
        error_set(e, EPERM, "libvirt.uri", "the plugin was not started with this URI: %s", p->uri);
        error_hint(e, "a URI can name programs to run, so that it is the operator who gives it: --uri");
        return NULL;
}

/* The domain of that name, NULL where there is none (result 0) or on failure. */
static virDomainPtr find_on(virConnectPtr c, const char *name, int *result, struct error *e)
{
        virDomainPtr d = virDomainLookupByName(c, name);
        *result = d || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? 0 : libvirt_fail(e, EIO, "finding", name);
        return d;
}

/* One of ours, wherever it is, with its record; -ENOENT. */
static int find(struct libvirt *l, const char *id, virConnectPtr *ret_c, virDomainPtr *ret_d, struct instance_record *ret, struct error *e)
{
        for (size_t i = 0; i < l->count; i++) {
                CLEAN_CONNECT virConnectPtr c = connection_use(l->connections + i, e);
                int r = -EHOSTUNREACH;
                CLEAN_DOMAIN virDomainPtr d = c ? find_on(c, id, &r, e) : NULL;
                if (d)
                        r = domain_record(l, d, ret, e);
                if (r < 0)
                        return r;
                if (d && r == 1) {
                        *ret_c = TAKE_PTR(c);
                        *ret_d = TAKE_PTR(d);
                        return 0;
                }
        }
        return error_set(e, ENOENT, "instance.missing", "there is no instance %s", id);
}

/* ---- provision ---- */

static int define(struct libvirt *l, virConnectPtr c, const struct properties *p, const char *name, const struct instance_record *r, const char *init,
                  struct error *e)
{
        CLEAN_FREE char *xml = NULL;
        int result = domain_xml(p, name, l->domain_owner, r, init, &xml, e);
        if (result < 0)
                return result;
        CLEAN_DOMAIN virDomainPtr d = virDomainDefineXML(c, xml);
        return d ? 0 : libvirt_fail(e, EINVAL, "defining", name);
}

/* 1: all begins again. Holding the lane. */
static int carry_on(struct libvirt *l, virConnectPtr c, virDomainPtr d, const char *name, const struct instance_spec *spec, struct error *e)
{
        CLEAN_INSTANCE_RECORD struct instance_record now = { 0 };
        int r = domain_record(l, d, &now, e);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(e, EEXIST, "libvirt.foreign", "there is a domain %s that is not ours", name);
        if (tags_get(&spec->tags, TAG_TOKEN)) {
                r = instance_record_check(&now, spec, e);
                if (r < 0)
                        return r;
        }
        if (now.stage == STAGE_READY && domain_counts(d, &now))
                return 0;
        if (now.stage == STAGE_MAKING)
                return domain_bring_up(l, c, d, &now, e);
        r = domain_bring_down(l, c, d, &now, e);
        return r < 0 ? r : 1;
}

static int provision_once(struct libvirt *l, virConnectPtr c, const struct properties *p, const char *name, const struct instance_record *record,
                          const struct instance_spec *spec, struct error *e)
{
        int r;
        CLEAN_DOMAIN virDomainPtr d = find_on(c, name, &r, e);
        if (r < 0 || d)
                return r < 0 ? r : carry_on(l, c, d, name, spec, e);
        r = define(l, c, p, name, record, spec->init, e);
        return r < 0 ? r : 1;
}

int libvirt_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        CLEAN_INSTANCE_RECORD struct instance_record record = { 0 };
        struct libvirt *l = self;
        (void)type;
        int r = properties_parse(spec->properties, l->allow_xml, &p, e);
        if (r < 0)
                return r;
        struct connection *own = connection_of(l, &p, e);
        if (!own)
                return -EPERM;
        CLEAN_CONNECT virConnectPtr c = connection_use(own, e);
        if (!c)
                return -EHOSTUNREACH;
        instance_record_begin(&record, spec);
        CLEAN_FREE char *name = xprintf("%s-%s", l->domain_owner, record.name);
        pthread_mutex_t *lane = lane_of(l, name);
        (void)pthread_mutex_lock(lane);
        r = 1;
        for (int i = 0; r == 1 && i < 2 * TRIES; i++)
                r = provision_once(l, c, &p, name, &record, spec, e);
        (void)pthread_mutex_unlock(lane);
        if (r == 1)
                return error_set(e, EBUSY, "libvirt.foreign", "%s vanishes again and again while it is made", name);
        if (r == 0)
                *ret_id = TAKE_PTR(name);
        return r;
}

/* ---- the others ---- */

int libvirt_label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        CLEAN_INSTANCE_RECORD struct instance_record now = { 0 };
        CLEAN_CONNECT virConnectPtr c = NULL;
        CLEAN_DOMAIN virDomainPtr d = NULL;
        pthread_mutex_t *lane = lane_of(self, id);
        (void)type;
        (void)pthread_mutex_lock(lane);
        int r = find(self, id, &c, &d, &now, e);
        if (r == 0) {
                tags_merge(&now.tags, labels);
                r = now.tags.count > TAGS_MAX ? error_set(e, E2BIG, "instance.tags", "%s would have more than %d tags", id, TAGS_MAX)
                                              : domain_write(self, d, &now, e);
        }
        (void)pthread_mutex_unlock(lane);
        return r;
}

int libvirt_destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        CLEAN_INSTANCE_RECORD struct instance_record now = { 0 };
        CLEAN_CONNECT virConnectPtr c = NULL;
        CLEAN_DOMAIN virDomainPtr d = NULL;
        pthread_mutex_t *lane = lane_of(self, id);
        (void)type;
        (void)reason;
        (void)pthread_mutex_lock(lane);
        int r = find(self, id, &c, &d, &now, e);
        if (r == 0) {
                now.stage = STAGE_REMOVING;
                r = domain_write(self, d, &now, e);
        }
        if (r == 0)
                r = domain_bring_down(self, c, d, &now, e);
        (void)pthread_mutex_unlock(lane);
        return r;
}

struct listing {
        const struct tags *match;
        bool properties;
        struct instances *ret;
};

static int list_one(void *context, virDomainPtr d, const char *name, struct instance_record *r, struct error *e)
{
        struct listing *to = context;
        (void)e;
        size_t before = to->ret->count;
        if (domain_counts(d, r))
                instance_record_list(r, name, to->match, to->properties, to->ret);
        if (to->properties && to->ret->count > before)
                domain_observe(d, r, &to->ret->items[before].properties);
        return 0;
}

int libvirt_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        struct libvirt *l = self;
        struct listing to = { match, properties, ret };
        (void)type;
        for (size_t i = 0; i < l->count; i++) {
                CLEAN_CONNECT virConnectPtr c = connection_use(l->connections + i, e);
                if (!c)
                        return -EHOSTUNREACH;
                int r = domain_each(l, c, list_one, &to, e);
                if (r < 0)
                        return r;
        }
        return 0;
}
