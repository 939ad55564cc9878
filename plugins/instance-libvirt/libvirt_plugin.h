/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances are domains of libvirt: OWNER-NAME, where NAME and the UUID follow from the token.  What is known of an instance
 * (group/instance_record.h) stands in the domain's own definition, in an element of our namespace, from the moment that it is
 * defined on; so that no crash leaves a domain without it.  Domains without the element, or of another owner, are never touched.
 */
#pragma once

#include <pthread.h>

#include <libvirt/libvirt.h>

#include "group/instance_record.h"
#include "group/plugin_state.h"
#include "os/background.h"

#define METADATA_KEY "bulkhead"
#define METADATA_URI "urn:bulkhead:instance:1"
enum { LANES = 64, OWNER_MAX = 32, DOMAIN_NAME_MAX = OWNER_MAX + 1 + INSTANCE_NAME_SIZE };

/* ---- properties (properties.c) ---- */

enum { DISKS_MAX = 16, NICS_MAX = 16 };
struct disk {
        char *pool, *base, *base_format, *format;
        uint64_t size_bytes;
};
struct nic {
        char *network, *bridge, *mac; /* one of the first two */
};
struct properties {
        char *uri, *xml; /* xml: a whole domain */
        char *type, *arch, *machine, *init_key;
        uint64_t memory_bytes;
        uint32_t cpus;
        bool keep_stopped;
        struct disk disks[DISKS_MAX];
        size_t disk_count;
        struct nic nics[NICS_MAX];
        size_t nic_count;
};
void properties_done(struct properties *p);
#define CLEAN_PROPERTIES CLEAN(properties_done)
/* A whole domain can name any file and device of the host: it is taken only where the operator allows it. */
int properties_read(const struct json_place *at, bool allow_xml, struct properties *ret, struct error *e);
int properties_parse(const char *text, bool allow_xml, struct properties *ret, struct error *e);

/* ---- XML (domain_xml.c) ---- */

/* "ours-NAME-0.qcow2": of the disk with that index. Allocated. */
char *disk_volume(const struct properties *p, const char *domain, size_t index);
/* The domain to define. Id "libvirt.xml". */
int domain_xml(const struct properties *p, const char *domain, const char *owner, const struct instance_record *r, const char *init, char **ret,
               struct error *e);
/* The element with the record. Allocated. */
char *metadata_xml(const char *owner, const struct instance_record *r);
/* 1 and the record when it is the element of this owner, 0 when it is another's. Id "instance.record". */
int metadata_parse(const char *xml, const char *domain, const char *owner, struct instance_record *ret, struct error *e);
/* The volume to make for a disk; base_path may be NULL. Allocated. */
char *volume_xml(const struct disk *d, const char *name, const char *base_path);

/* ---- connections (connection.c) ---- */

struct libvirt;
struct connection {
        struct libvirt *owner;
        char *uri;
        virConnectPtr now; /* NULL: not connected. Under the lock */
        int callbacks[2];
        struct instances known; /* as last told of; for the watcher alone */
        bool has_known, told_away;
};
struct libvirt {
        char *domain_owner;
        bool allow_xml;
        struct connection *connections;
        size_t count;
        uint64_t check_usec;
        pthread_mutex_t lock;         /* of the connections */
        pthread_mutex_t lanes[LANES]; /* of names: who changes a domain holds its lane */
        pthread_t events_thread;
        bool events_running, ending;
        struct instance_events *events;
        struct background *watcher;
};
/* Says what libvirt said last on this thread. Id "libvirt.failed"; -errnum. */
int libvirt_fail(struct error *e, int errnum, const char *what, const char *name);
/* A reference to an open connection, opened if need be; NULL with the error "libvirt.unreachable". */
virConnectPtr connection_use(struct connection *c, struct error *e);
void connection_close(struct connection *c);
int events_start(struct libvirt *l, struct error *e);
void events_stop(struct libvirt *l);

static inline void clean_connect(virConnectPtr *c)
{
        if (*c)
                (void)virConnectClose(*c);
}
static inline void clean_domain(virDomainPtr *d)
{
        if (*d)
                (void)virDomainFree(*d);
}
#define CLEAN_CONNECT CLEAN(clean_connect)
#define CLEAN_DOMAIN CLEAN(clean_domain)

/* ---- domains (domain.c); who calls these holds the lane ---- */

pthread_mutex_t *lane_of(struct libvirt *l, const char *domain);
/* 1 and the record, 0: not ours. */
int domain_record(const struct libvirt *l, virDomainPtr d, struct instance_record *ret, struct error *e);
/* Writes the record down, where the domain keeps it. */
int domain_write(const struct libvirt *l, virDomainPtr d, const struct instance_record *r, struct error *e);
/* Makes what the domain needs, and starts it. When that fails all is cleared away again, now or later. */
int domain_bring_up(const struct libvirt *l, virConnectPtr c, virDomainPtr d, struct instance_record *r, struct error *e);
/* Ends it and removes it with its disks: the definition last, so that until then it is known what it was. */
int domain_bring_down(const struct libvirt *l, virConnectPtr c, virDomainPtr d, const struct instance_record *r, struct error *e);
/* What it is now, in place of the properties that were asked for (group/observed.h). */
void domain_observe(virDomainPtr d, const struct instance_record *r, char **properties);
/* Whether it counts as an instance: not when it has stopped, unless its properties say so. */
bool domain_counts(virDomainPtr d, const struct instance_record *r);
/* Calls each for all domains of ours; it gives 0, or what ends the walk. */
int domain_each(const struct libvirt *l, virConnectPtr c, int (*each)(void *context, virDomainPtr d, const char *name, struct instance_record *r, struct error *e),
                void *context, struct error *e);

/* ---- life (life.c, watch.c) ---- */

int libvirt_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e);
int libvirt_label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e);
int libvirt_destroy(void *self, const char *type, const char *id, const char *reason, struct error *e);
int libvirt_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e);
void libvirt_watch(void *self);
