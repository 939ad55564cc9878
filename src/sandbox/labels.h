/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels of security modules, which the payload gets when it is executed. */
#pragma once

#include "sandbox/child.h"

int labels_apply(struct child *c, struct error *e);
