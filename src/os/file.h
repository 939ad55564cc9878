/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files and folders.  Every descriptor is born close-on-exec; every size is bounded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

/* Reads at most max bytes of a regular or kernel file below dir_fd.  -EFBIG beyond. Probe: no error text. */
int file_read(int dir_fd, const char *path, size_t max, struct text *ret);
/* The same of a descriptor, such as standard input. */
int file_read_descriptor(int fd, size_t max, struct text *ret);
/* As file_read, of a regular file that is mostly short: one that one read does not fill has ended there. */
int file_read_short(int dir_fd, const char *path, size_t max, struct text *ret);
/* The same of a kernel file that holds one short value, as most of cgroupfs do: one read gives all of it. */
int file_read_value(int dir_fd, const char *path, struct text *ret);
/* Writes all of data to an existing file (procfs, cgroupfs). 0 or -errno. */
int file_write(int dir_fd, const char *path, const char *data);
int file_write_all(int fd, const void *data, size_t size);
/* Makes a file that is not there yet. Whoever reads it must have another way to know that it is whole. 0 or -errno. */
int file_create(int dir_fd, const char *path, const char *data, size_t size, mode_t mode);
/* Replaces path atomically: temporary, rename.  State lives on a tmpfs: no fsync needed against power loss. */
int file_replace(int dir_fd, const char *path, const char *data, size_t size, mode_t mode);
/* mkdir -p with the given mode for what is made. */
int file_make_folders(const char *path, mode_t mode, struct error *e);
/*
 * Removes a folder with all below, never leaving its file system and never following a link. Missing is success.
 */
int file_remove_tree(int dir_fd, const char *name);
/* The names in a folder, without "." and "..". 0 or -errno. */
int file_list(int dir_fd, struct strings *ret);
/* Those of one type (DT_LNK...), and those whose type the file system does not tell there. */
int file_list_type(int dir_fd, unsigned char type, struct strings *ret);
/* Fills size bytes with random hex digits (no NUL is added). */
void file_random_hex(char *ret, size_t size);
/* True when the descriptor is on a file system of that magic number. */
bool file_is_on(int fd, long magic);
