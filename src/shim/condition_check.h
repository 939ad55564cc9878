/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the conditions of a unit hold on this host, now. */
#pragma once

#include "plan/condition.h"

enum condition_answer { CONDITIONS_HOLD, CONDITIONS_SKIP, CONDITIONS_FAIL };

/*
 * All that do not trigger must hold, and one of those that do. What does not hold is told in *ret_origin (of c). For the Condition...= first,
 * CONDITIONS_SKIP; then for the Assert...=, CONDITIONS_FAIL. What cannot be found out does not hold.
 */
enum condition_answer conditions_check(const struct conditions *c, const char **ret_origin);

/* What ConditionPathExistsGlob= and ConditionDirectoryNotEmpty= ask, for path units as well. The first match, to be freed, or NULL. */
char *condition_first_match(const char *pattern);
bool condition_folder_is_filled(const char *path);
/*
 * Reads and checks those of a unit: 0, or -ECANCELED, "condition.unmet", where a condition does not hold, -EPERM, "condition.assert", for an
 * assertion, or what reading them says.
 */
int conditions_hold(const struct unit_file *u, const struct facts *facts, bool lenient, struct error *e);
