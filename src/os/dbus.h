/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * As much of D-Bus as it takes to ask a service manager for something, and to hear who owns a name: a connection over a unix socket, one call at a
 * time, the end of a job.  No library: those that speak D-Bus are larger than the runtime.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* ---- writing: little endian, each value aligned to its own size from the start of the body ---- */

void dbus_add_u8(struct text *b, uint8_t n);
void dbus_add_u32(struct text *b, uint32_t n);
void dbus_add_u64(struct text *b, uint64_t n);
void dbus_add_bool(struct text *b, bool n);
void dbus_add_string(struct text *b, const char *s);
void dbus_add_signature(struct text *b, const char *s);
void dbus_align(struct text *b, size_t size);
/* An array of elements that are aligned to element: begin gives what end takes. */
size_t dbus_begin_array(struct text *b, size_t element);
void dbus_end_array(struct text *b, size_t at, size_t element);

/* ---- a connection ---- */

enum { DBUS_JOBS_MAX = 16 };

struct dbus {
        int fd;
        uint32_t serial;
        bool is_bus; /* there is a bus daemon in between, which needs a greeting and a destination */
        struct {
                char *path, *result;
        } jobs[DBUS_JOBS_MAX]; /* ended while we waited for something else */
        unsigned job_count;
};

/* Connects and authenticates as the effective user. "dbus.connect". */
int dbus_open(const char *socket_path, bool is_bus, struct dbus *ret, struct error *e);
/* The same of an address of D-Bus, "unix:path=...;unix:abstract=...": the first that can be had. "dbus.address" if none is of that kind. */
int dbus_open_address(const char *address, bool is_bus, struct dbus *ret, struct error *e);
void dbus_close(struct dbus *d);
/*
 * Calls a method and waits for its answer, at most 30 seconds.  ret_path, unless NULL: the object path or string that the answer
 * begins with, or that it has as a variant.  "dbus.refused" with the words of the other side; "dbus.protocol".
 */
int dbus_call(struct dbus *d, const char *destination, const char *path, const char *interface, const char *member,
              const char *signature, const struct text *body, char **ret_path, struct error *e);
/* Waits for the signal JobRemoved of that job: 0 if its result is "done", else "dbus.job". */
int dbus_wait_job(struct dbus *d, const char *job, struct error *e);

/*
 * Has the bus tell when a name gets an owner or loses it, and finds out whether it has one now. Then, whenever there is something to be read,
 * dbus_hear_name takes a message: 1, and whether the name is owned; 0: it was about something else; -errno: the bus is gone. Only the bus itself
 * is believed.
 */
int dbus_watch_name(struct dbus *d, const char *name, bool *ret_owned, struct error *e);
int dbus_hear_name(struct dbus *d, const char *name, bool *ret_owned, struct error *e);
