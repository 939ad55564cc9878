/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folders of a run: RuntimeDirectory= and its siblings. They are made on the host before the payload is there, given to its user,
 * linked, and added to the plan's mounts and to the variables that name them.
 *
 * Below a folder that belongs to a payload's user anything may stand: paths are walked from the base on, which is the host's, and no
 * link is followed.
 */
#pragma once

#include "base/error.h"

struct sandbox;

/* A step of sandbox_prepare. Id of errors: "folder.failed". */
int folders_prepare(struct sandbox *s, struct error *e);
