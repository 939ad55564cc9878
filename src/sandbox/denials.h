/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which directive stopped which call on which path.
 *
 * An observer, a fork of the supervisor outside the sandbox, listens to a seccomp filter that asks it about the
 * calls that a filter denies and those that name paths.  It decides nothing about paths: the kernel carries
 * those calls out and refuses them by itself.  Denied calls it refuses as the filter would have; without an
 * observer the kernel refuses them with ENOSYS.
 *
 * It ends when the last process that has the filter is gone. The observer of a run is its supervisor's child, and then writes a report as text.
 * That of a service's command (report_live) is no child: a supervisor of services takes each child for a part of its service. It tells of
 * denials as they happen, in messages into one pipe.
 */
#pragma once

#include "sandbox/sandbox.h"

/* Atomic on a pipe. Texts are cut to their room. */
struct denial_message {
        uint64_t more;  /* denials since the observer's last message about this row */
        uint32_t last;  /* the service's processes are gone: nothing more comes about it */
        char call[32], object[256], origin[200]; /* call "": there was no room for these */
};

/* Forks the observer; the listener arrives on the socket *ret_socket, which is for denials_hand_over. */
int denials_observe(struct sandbox *s, int *ret_socket, struct error *e);
/* In the child, last before exec: installs the filter and hands its listener to the observer. */
int denials_hand_over(struct sandbox *s, int socket, struct error *e);
/* Compiles the observed filter from those of the plan. */
int denials_build_filter(struct sandbox *s, struct error *e);
