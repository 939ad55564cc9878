/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* explain: which credentials the payload gets, never their values. */
#pragma once

#include "plan/explain_write.h"

void explain_credentials_text(const struct view *v);
void explain_credentials_json(const struct view *v);
