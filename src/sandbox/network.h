/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs for what a plan says of its sockets: made before the run's control group, tied to it before anybody enters. */
#pragma once

#include "sandbox/sandbox.h"

/* Fills s->programs.  What is refused is an error with exit status 219; leniently it is left out, and noted. */
int network_make_programs(struct sandbox *s, struct error *e);
/* Ties them to the group, but for those that are tied at exec. Likewise. */
int network_attach_programs(struct sandbox *s, struct error *e);
/* Those that are left, when the child asks for it. 0 or -errno. */
bool network_has_late_programs(const struct sandbox *s);
int network_attach_late_programs(struct sandbox *s, struct error *e);
/* Leniently: forgets all programs, with a note for each who asked. */
void network_leave_out(struct sandbox *s, int error);
