/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What providers have in common: the options of their own, and the folder that they keep things in. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* "--dir PATH", "--dir=PATH", "--allow-xml". */
struct plugin_option {
        const char *name;    /* "--dir" */
        const char **value;  /* the last that is given, borrowed from the words; or */
        struct strings *all; /* each that is given; or */
        bool *flag;
};
/* table ends with a NULL name. Id "plugin.option". */
int plugin_options(const struct strings *words, const struct plugin_option *table, struct error *e);
/* As text_parse_span_usec; NULL leaves it as it is. Id "plugin.option". */
int plugin_option_span(const char *name, const char *value, uint64_t *usec, struct error *e);

struct plugin_folder {
        char *path;
        int fd;      /* the folder, mode 0700 */
        int lock_fd; /* held while we use it */
};
/*
 * Opens path, or for NULL $BULKHEAD_STATE_DIR/NAME, else /var/lib/bulkhead/NAME as root, else bulkhead/NAME in the user's folder of states.
 * It is made where it is missing, must be ours and closed to others, and is taken for this process alone. Ids: "plugin.folder", "plugin.in-use".
 */
int plugin_folder_open(const char *path, const char *name, struct plugin_folder *ret, struct error *e);
void plugin_folder_close(struct plugin_folder *f);

/* Takes the lock of a file, made where it is missing, below dir_fd; waits for it at most so long. The descriptor; -EBUSY; -errno. */
int plugin_lock(int dir_fd, const char *name, uint64_t wait_usec);
/* Replaces a file so that it outlasts a loss of power. 0 or -errno. */
int plugin_save(int dir_fd, const char *name, const char *data, size_t size);
