/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Intel RDT and what is like it: shares of cache and memory bandwidth, through the resctrl file system.  A class is a folder with a
 * file of schemata and a list of tasks; "/" is the class that all tasks start in.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

struct resctrl_wish {
        const char *class_id;          /* name of the class; "/": the one at the top */
        bool given;                    /* the configuration names it: one that is there is used, and must be as asked */
        const struct strings *schemata; /* lines such as "L3:0=f;1=f" */
        const char *monitor_id;        /* a group of its own to be counted; NULL: none */
};

/* Opens the file system; place NULL: where it is mounted. A descriptor, or "rdt.missing". */
int resctrl_open(const char *place, struct error *e);
/* Finds or makes the class and writes what is asked for. *ret_made: it was not there. On failure nothing is left. */
int resctrl_make(int fd, const struct resctrl_wish *w, bool *ret_made, struct error *e);
/* Puts a process into the class and, unless NULL, its group to be counted. */
int resctrl_enter(int fd, const char *class_id, const char *monitor_id, pid_t pid, struct error *e);
/* Writes lines into the schemata of a class. */
int resctrl_set(int fd, const char *class_id, const struct strings *schemata, struct error *e);
/* Takes the group to be counted away, and with made the class. What is gone is no error. */
int resctrl_remove(int fd, const char *class_id, const char *monitor_id, bool made, struct error *e);
