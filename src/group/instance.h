/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances, and what a program that provides them implements (InfraKit's Instance, version 0.6.1).
 *
 * A provider fills in a struct instance_plugin and hands it to plugin_main (group/serve.h), which does the rest: the socket, the
 * protocol, events, the sandbox.  Its functions are called one at a time, on the thread of the loop; with `concurrent`
 * set, several at once on threads of their own, so that one slow call holds up no other.  They must then not share state without a lock.
 *
 * Provisioning is idempotent: a spec carries the tag TAG_TOKEN, and a second call with the same token gives the instance that the
 * first one made, and makes no other.  That must hold across a crash of the provider, at any point.  Whoever calls without the
 * tag, as InfraKit's controllers do, gets a new instance each time.
 */
#pragma once

#include "group/tags.h"

enum { INSTANCE_ID_MAX = 255, INSTANCE_INIT_MAX = 1 << 20, INSTANCE_ATTACHMENTS_MAX = 256 };

struct attachment {
        char *id, *type;
};

/* What is asked for. */
struct instance_spec {
        char *properties; /* JSON text as the document has it; NULL: none */
        struct tags tags;
        char *init;       /* what to run at the first boot; NULL: nothing */
        char *logical_id; /* an identity that outlasts this instance, such as an address; NULL: none */
        struct attachment *attachments;
        size_t attachment_count, attachment_room;
};
void instance_spec_done(struct instance_spec *s);
#define CLEAN_INSTANCE_SPEC CLEAN(instance_spec_done)

/* What is there. */
struct instance {
        char *id;
        char *logical_id; /* NULL: none */
        struct tags tags;
        char *properties; /* JSON text; NULL where it was not asked for */
};
struct instances {
        struct instance *items;
        size_t count, room;
};
void instance_done(struct instance *i);
void instances_done(struct instances *l);
#define CLEAN_INSTANCES CLEAN(instances_done)
/* Appends one with the id, for the caller to fill in. Valid until the next is added. */
struct instance *instances_add(struct instances *l, const char *id);

/* Readers and writers of the wire's form: {Properties,Tags,Init,LogicalID,Attachments}, {ID,LogicalID,Tags,Properties}. */
int instance_spec_read(const struct json_place *at, void *into, struct error *e); /* into a struct instance_spec */
void instance_spec_format(struct text *t, const struct instance_spec *s);
int instance_read(const struct json_place *at, void *into, struct error *e);  /* into a struct instance */
int instances_read(const struct json_place *at, void *into, struct error *e); /* into a struct instances, added to */
void instance_format(struct text *t, const struct instance *i);

/* What happened to an instance; a provider tells it as soon as it knows (struct instance_events). */
enum instance_change { INSTANCE_APPEARED, INSTANCE_CHANGED, INSTANCE_VANISHED };

/* Given to a provider that can tell by itself. notify may be called on any thread, the strings are copied. */
struct instance_events {
        void (*notify)(struct instance_events *to, enum instance_change change, const char *type, const char *id, const struct tags *tags);
};

struct loop;

struct instance_plugin {
        const char *name;    /* "file": what it is called when nothing else is said */
        const char *version; /* of the provider */
        const char *summary; /* a line for people */
        /* Subtypes, as in "simulator/compute"; NULL for the plain one alone. Ends with NULL; "" stands for the plain one. */
        const char *const *types;
        bool concurrent;
        /*
         * Called once before all others. options are the words after the plugin's own on its command line; loop is for
         * descriptors and timers of its own (os/loop_events.h), events for telling what happens, valid until stop. ret_self is
         * handed to all others. NULL: nothing to do.
         */
        int (*start)(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e);
        void (*stop)(void *self);
        bool late;  /* its lists may lack what was just made, or have what is just gone, for up to a minute */
        bool tells; /* it tells of every change that it did not make itself, so nobody needs to ask again and again */

        /* properties is the JSON value. */
        int (*validate)(void *self, const char *type, const struct json_place *properties, struct error *e);
        int (*provision)(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e);
        /* Merges labels into the tags; takes none away. */
        int (*label)(void *self, const char *type, const char *id, const struct tags *labels, struct error *e);
        /* reason: "terminate" or "rolling_update", or other words, for people. An instance that is not there is -ENOENT. */
        int (*destroy)(void *self, const char *type, const char *id, const char *reason, struct error *e);
        /* All whose tags match; with their properties when asked. */
        int (*describe)(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e);
};
