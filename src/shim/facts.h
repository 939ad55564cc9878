/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host tells the plan's compiler. */
#pragma once

#include "os/account.h"
#include "plan/directive.h"

struct host_facts {
        struct facts facts; /* borrows from what follows */
        struct account account;
        char boot_id[33], machine_id[33], hostname[65];
        struct strings folders;
};

void facts_gather(struct host_facts *f, const char *unit, bool user_mode);
void facts_done(struct host_facts *f);
#define CLEAN_FACTS CLEAN(facts_done)
