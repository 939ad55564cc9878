/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of explain that is about containers.  For explain.c alone. */
#pragma once

#include "plan/explain_write.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* All of a container but its new namespaces and its bounding set. */
void explain_container_text(const struct view *v);
void explain_container_open_text(const struct view *v);
/* The member "container", or nothing. */
void explain_container_json(const struct view *v);
void explain_container_open_json(const struct view *v);
