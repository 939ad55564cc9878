/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A unit's files as they were when it was started, kept in the folder of its run: what was checked is what is carried out, and what a
 * restart starts again. The file holds, of each, a line with two lengths in bytes, the path, and the text; byte by byte as they were.
 */
#pragma once

#include "shim/unit_load.h"

enum { UNIT_SNAPSHOT_MAX = 64 << 20 };

/* Ids: "unit.snapshot". */
int unit_snapshot_save(int dir_fd, const struct unit *u, struct error *e);
/* Parsed again; lenient: as unit_file_parse. */
int unit_snapshot_load(int dir_fd, enum unit_type type, bool lenient, struct unit_file *ret, struct error *e);
