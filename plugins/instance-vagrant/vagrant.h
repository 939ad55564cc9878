/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances are machines of Vagrant, each in a folder of its own:
 *
 *      DIR/bh-NAME/instance.json   the record (group/instance_record.h), written before the machine is made
 *      DIR/bh-NAME/Vagrantfile     written from the properties
 *      DIR/bh-NAME/init            what to run at the first boot, until it has run
 *      DIR/bh-NAME/.vagrant        Vagrant's own
 *      DIR/bh-NAME/work            locked by whoever runs vagrant on it, until that has ended: also when we die before
 *      DIR/bh-NAME/change          locked while the record is changed
 *
 * A folder appears whole, by renaming, and vanishes in one step, after its machine.
 */
#pragma once

#include "group/instance_record.h"
#include "group/plugin_state.h"
#include "os/background.h"

#define MACHINE_PREFIX "bh-"
enum { MACHINE_ID_SIZE = sizeof MACHINE_PREFIX - 1 + INSTANCE_NAME_SIZE };

struct vagrant {
        struct plugin_folder folder;
        char *program, *provider; /* provider: NULL for Vagrant's own choice */
        struct strings environment;
        bool allow_vagrantfile;
        uint64_t up_usec, down_usec, check_usec;
        struct instance_events *events;
        struct background *watcher;
};

/* ---- properties (properties.c) ---- */

enum network_kind { NETWORK_PRIVATE, NETWORK_PUBLIC, NETWORK_FORWARD };
struct network {
        enum network_kind kind;
        char *ip, *bridge;
        uint32_t guest, host; /* ports */
};
enum { VAGRANTFILE_MAX = 1 << 20 };
struct properties {
        char *box, *box_version, *hostname, *provider, *vagrantfile;
        uint32_t cpus, memory_mib;
        bool keep_stopped;
        struct network *networks;
        size_t network_count, network_room;
};
void properties_done(struct properties *p);
#define CLEAN_PROPERTIES CLEAN(properties_done)
/* A document may hold a whole Vagrantfile, which is a program, only where the operator allows it. */
int properties_read(const struct json_place *at, bool allow_vagrantfile, struct properties *ret, struct error *e);
/* The same of JSON text; NULL is no properties. */
int properties_parse(const char *text, bool allow_vagrantfile, struct properties *ret, struct error *e);
/* The text of a Vagrantfile. logical_id, unless NULL, is the address of a private network. */
void properties_vagrantfile(struct text *t, const struct properties *p, const char *logical_id);

/* ---- the program (command.c) ---- */

enum machine_state {
        MACHINE_UNKNOWN, /* of a kind that says nothing about whether it is there */
        MACHINE_RUNNING,
        MACHINE_STOPPED,
        MACHINE_ABSENT,
};
/* Of what `vagrant status --machine-readable` writes. Of several machines one that runs decides, then one that is unknown. */
enum machine_state status_parse(const char *text, size_t size);
/* Runs vagrant with these words in a folder; work_fd is held until it has ended. ret_output may be NULL. Id "vagrant.failed". */
int vagrant_run(const struct vagrant *v, const char *id, int work_fd, uint64_t limit_usec, const char *const *words, struct text *ret_output,
                struct error *e);

/* ---- folders (machine.c) ---- */

struct machine {
        char id[MACHINE_ID_SIZE];
        int fd, work_fd; /* the folder; its lock */
        struct instance_record record;
};
void machine_close(struct machine *m);
#define CLEAN_MACHINE CLEAN(machine_close)
bool machine_is_id(const char *id);
/* Makes the folder with all that is needed; one that is there is left as it is. */
int machine_create(const struct vagrant *v, const struct instance_record *record, const struct properties *p, const char *init, struct error *e);
/* What it is now, in place of the properties that were asked for (group/observed.h). */
void machine_observe(const struct machine *m, char **properties);
/* Opens the folder, and takes its lock when wait_usec is not negative. -ENOENT, -EBUSY (id "vagrant.busy"). */
int machine_open(const struct vagrant *v, const char *id, int64_t wait_usec, struct machine *ret, struct error *e);
/* Changes what is written down: another stage, and labels when there are any. */
int machine_change(struct machine *m, enum instance_stage stage, const struct tags *labels, struct error *e);
/* The same without a stage. */
int machine_label(struct machine *m, const struct tags *labels, struct error *e);
/* The folder goes away. */
int machine_forget(const struct vagrant *v, struct machine *m, struct error *e);
/* The ids that have a folder. */
int machine_list(const struct vagrant *v, struct strings *ret, struct error *e);
/* Removes what was never finished. */
void machine_tidy(const struct vagrant *v);

/* ---- life (life.c): the functions of the plugin ---- */

int vagrant_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e);
int vagrant_label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e);
int vagrant_destroy(void *self, const char *type, const char *id, const char *reason, struct error *e);
int vagrant_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e);
/* Looks at all machines that nobody works on: finishes, clears away, tells of what is gone. */
void vagrant_watch(void *self);
