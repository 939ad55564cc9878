/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What providers have in common: the options of their own, and the folder that they keep things in. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* "--dir PATH", "--dir=PATH", "--allow-xml". */
struct provider_option {
        const char *name;    /* "--dir" */
        const char **value;  /* the last that is given, borrowed from the words; or */
        struct strings *all; /* each that is given; or */
        bool *flag;
};
/* table ends with a NULL name. Id "provider.option". */
int provider_options(const struct strings *words, const struct provider_option *table, struct error *e);
/* As text_parse_span_usec; NULL leaves it as it is. Id "provider.option". */
int provider_option_span(const char *name, const char *value, uint64_t *usec, struct error *e);

struct provider_folder {
        char *path;
        int fd;      /* the folder, mode 0700 */
        int lock_fd; /* held while we use it */
};
/*
 * Opens path, or for NULL $BULKHEAD_STATE_DIR/NAME, else /var/lib/bulkhead/NAME as root, else bulkhead/NAME in the user's folder of states.
 * It is made where it is missing, must be ours and closed to others, and is taken for this process alone. Ids: "provider.folder", "provider.in-use".
 */
int provider_folder_open(const char *path, const char *name, struct provider_folder *ret, struct error *e);
void provider_folder_close(struct provider_folder *f);

/* Takes the lock of a file, made where it is missing, below dir_fd; waits for it at most so long. The descriptor; -EBUSY; -errno. */
int provider_lock(int dir_fd, const char *name, uint64_t wait_usec);
/* Replaces a file so that it outlasts a loss of power. 0 or -errno. */
int provider_save(int dir_fd, const char *name, const char *data, size_t size);
