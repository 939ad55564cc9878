/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What directives stopped in a service, beside its record: the supervisor writes it, whoever shows the service reads it. */
#pragma once

#include "plan/denial_table.h"

/* Replaces the file as a whole. 0 or -errno. */
int denial_file_save(int dir_fd, const struct denial_table *t);
/* -ENOENT: nobody watched, which has no words; else those of denial_table_parse, and "state.load". */
int denial_file_load(int dir_fd, struct denial_table *ret, struct error *e);
