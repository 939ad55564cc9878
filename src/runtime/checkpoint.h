/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Saving the processes of a container as files, and making a container of these, by criu(8) as a process. */
#pragma once

#include "runtime/create.h"

struct checkpoint_options {
        const char *image_path; /* NULL: "checkpoint" */
        const char *work_path;  /* where criu logs; NULL: the images' folder */
        const char *parent_path;
        const char *cgroups_mode; /* of --manage-cgroups-mode; NULL: soft, at restore ignore */
        const char *empty_namespaces; /* "network", or NULL */
        const char *page_server;  /* ADDRESS:PORT, or NULL */
        const char *lsm_profile, *lsm_mount_context;
        int status_fd; /* negative: none */
        bool leave_running, tcp_established, tcp_skip_in_flight, ext_unix_sk, shell_job, file_locks, pre_dump, auto_dedup, lazy_pages, link_remap;
};

/* "checkpoint.missing", "checkpoint.failed" with the first error of criu's log. */
int checkpoint_dump(struct record *r, const struct checkpoint_options *x, struct error *e);
/* In the place of creation_spawn: the restored process is our child, in the groups that were made. */
int checkpoint_restore(struct creation *c, struct error *e);
