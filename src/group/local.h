/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What providers of instances on this host share: which instances there are, on record, with their tags; tokens; ports; and the word when one
 * has vanished.  What an instance is and how it comes and goes is the provider's (struct local_kind).
 *
 *      FOLDER/lock            held by the provider for as long as it lives: one at a time
 *      FOLDER/ID/record.json  the instance: {"Version":1,"Instance":{ID,LogicalID,Tags,Properties}}
 *      FOLDER/ID/...          the provider's own
 *
 * The record is the intent: it is written before anything is made, and removed after all is gone. A provider that is started
 * again asks the host about each record: what is there is its own again, with all tags; what is not was never finished or has ended, and
 * what is left of it is taken away. An id follows from the token; so after a death at any point the same token gives the same instance.
 * What has no record is nobody's: nothing that others made is touched.
 *
 * The folder lies where runs do, which do not outlast a reboot either.
 *
 * All functions but local_open and local_close may be called from any thread; those of the kind are called without a lock, for one instance by
 * one thread at a time.
 */
#pragma once

#include "group/instance.h"
#include "os/event_loop.h"

struct local;

enum local_phase { LOCAL_MAKING, LOCAL_LIVE, LOCAL_ENDING };

struct local_instance {
        struct instance instance; /* properties as they were asked for; tags change under the lock */
        uint16_t port;            /* 0: none. The tag TAG_PORT as well */
        char *folder;             /* FOLDER/ID */

        struct local *local; /* of local.c */
        enum local_phase phase;
        uint64_t token_hash;
        struct loop_source source;
        struct loop_job watch, gone;
        bool watch_queued;
        struct local_instance *next;
};

struct local_kind {
        const char *name; /* "service": of the folder below the runtime folder's "instances", and in errors */
        /*
         * Makes it, or takes what an earlier try with the same token has made. ret_fd: becomes readable when it has ended, or has news of it;
         * -EBADF: none.
         */
        int (*make)(void *self, const struct local_instance *i, const struct instance_spec *spec, int *ret_fd, struct error *e);
        /* Of a record that was found at the start: whether it is there, and the same descriptor. -ENOENT: it is not. */
        int (*find)(void *self, const struct local_instance *i, int *ret_fd, struct error *e);
        /* Ends it and takes away what is left; what is gone already is no error. */
        int (*end)(void *self, const struct local_instance *i, struct error *e);
        /* Takes away what is left of one that has ended by itself, or whose making failed. Must not fail on what is not there. */
        void (*clean)(void *self, const struct local_instance *i);
        /* Its descriptor is readable: whether it has ended. On the loop's thread; must not wait. */
        bool (*ended)(void *self, const struct local_instance *i, int fd);
        /* What it is now, in place of the properties that were asked for (group/observed.h). With the lock held; NULL: nothing else can be seen. */
        void (*observe)(void *self, const struct local_instance *i, char **properties);
};

/* Ports that instances may be given; low 0: none is wanted. */
struct port_range {
        uint16_t low, high;
};
/* "8000-8999", "8080", or the number 8080. */
int port_range_read(const struct json_place *at, void *into, struct error *e);

/*
 * Reads the records below folder (made if need be), and finds their instances. self is the kind's own. Ids: "local.folder", "local.busy",
 * "local.record", and the kind's.
 */
int local_open(const struct local_kind *kind, void *self, const char *folder, struct loop *loop, struct instance_events *events, struct local **ret,
               struct error *e);
/* Waits for what is being cleaned up, on the loop's thread; the loop must not turn any more. Instances go on. */
void local_close(struct local *l);

/* The same as of struct instance_plugin. Ids: "local.port", "local.record", "instance.missing", "instance.tag", and the kind's. */
int local_provision(struct local *l, const struct instance_spec *spec, const struct port_range *ports, char **ret_id, struct error *e);
int local_label(struct local *l, const char *id, const struct tags *labels, struct error *e);
int local_destroy(struct local *l, const char *id, struct error *e);
int local_describe(struct local *l, const struct tags *match, bool properties, struct instances *ret, struct error *e);

/* "--dir FOLDER" of a plugin's own words; else ROOT/instances/NAME. Allocated. Ids: "local.option". */
int local_folder(const struct local_kind *kind, const struct strings *options, const char *root_path, char **ret, struct error *e);
