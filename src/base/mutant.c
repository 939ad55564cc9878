/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* As in tests/security/mutants.py; tests/tools/mutant_names.py compares. */
static const char *const names[] = {
        "session-keyring",
};

static const char *chosen;

/* Before main, so that a name that means nothing is never taken for a protection that nothing tests. */
__attribute__((constructor)) static void choose(void)
{
        const char *wanted = getenv("BULKHEAD_MUTANT");
        if (!wanted)
                return;
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (!strcmp(names[i], wanted))
                        chosen = names[i];
        if (!chosen) {
                fputs("BULKHEAD_MUTANT names no mutant of this build\n", stderr);
                exit(1);
        }
}

bool mutant_is(const char *name)
{
        return chosen && !strcmp(chosen, name);
}
