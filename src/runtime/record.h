/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the OCI runtime keeps of a container: ROOT/ID/, mode 0700.
 *
 *   state.json   written first as an intent, before anything is made; then with the process, by rename
 *   config.json  the configuration as it was read: exec and the later hooks go by it, whatever becomes of the bundle
 *   start        the socket at which the container's process waits for the word to start
 *
 * The status is asked of the kernel, never of a file: whether the process lives (its start time is compared, so that a
 * pid used again is nobody's), whether it still listens, whether its group is frozen.  A create that is under way
 * holds the folder's lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "os/cgroup.h"

enum { RECORD_VERSION = 1, RECORD_SIZE_MAX = 1 << 20, RECORD_ID_MAX = 255 };

enum record_status { RECORD_CREATING, RECORD_CREATED, RECORD_RUNNING, RECORD_PAUSED, RECORD_STOPPED };

struct record {
        int root_fd; /* borrowed */
        int dir_fd;
        char *id, *bundle, *rootfs, *created, *oci_version, *owner;
        pid_t pid; /* 0: not yet */
        uint64_t pid_start; /* clock ticks after boot */
        uint64_t namespaces; /* CLONE_NEW* that are not the caller's */
        bool terminal;
        struct cgroup cgroup;
        char *scope; /* systemd's unit around the groups, or NULL */
        char *rdt;   /* the class of cache and bandwidth (os/resctrl.h), or NULL */
        bool rdt_made, rdt_monitored;
};
#define RECORD_INIT { .root_fd = -EBADF, .dir_fd = -EBADF, .cgroup = { .into_fd = -EBADF } }

/* Letters, digits and "_+-.", not starting with "-" or "."; at most 255 bytes, what a file name can hold. */
bool record_id_valid(const char *id);
/* Where containers are kept without --root. Allocated. */
char *record_default_root(void);
/* Opens the folder of all containers; with make it is made. -ENOENT without words where it is not there. */
int record_root_open(const char *path, bool make, struct error *e);

/* Makes and locks the folder of a new container: "container.exists" when there is one. */
int record_make(int root_fd, const char *id, struct record *ret, struct error *e);
/* Its creation is over: others may act on it while we live. */
void record_unlock(const struct record *r);
int record_save(const struct record *r, struct error *e);
/* The text of state.json and back: groups takes the lines that are cgroup_load's. A failure may leave members set, for record_done. */
void record_format(const struct record *r, struct text *t);
int record_parse(const char *text, size_t size, struct record *ret, struct strings *groups, struct error *e);
/* Opens an existing container: "container.unknown". */
int record_open(int root_fd, const char *id, struct record *ret, struct error *e);
/* The configuration that it was made from. */
int record_config(const struct record *r, struct json_document *ret, struct error *e);
enum record_status record_status(const struct record *r);
const char *record_status_name(enum record_status status);
/* A pidfd of its process, surely not of another, or -ESRCH. */
int record_pidfd(const struct record *r);
/* The time at which a process started, or 0 when there is none or it is a zombie. */
uint64_t record_process_start(pid_t pid);
/* Removes the folder. 0 or -errno. */
int record_remove(const struct record *r);
void record_done(struct record *r);
#define CLEAN_RECORD CLEAN(record_done)

/* The state as the specification has it, on one line. annotations: KEY, VALUE, KEY, VALUE... */
void record_state(const struct record *r, pid_t pid, const char *status, const struct strings *annotations, struct text *t);
