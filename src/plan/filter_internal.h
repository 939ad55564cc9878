/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What filter.c (words to rules) and filter_compile.c (rules to BPF) share. */
#pragma once

#include "plan/filter.h"

struct young_call {
        char name[20];
        int nr;
};
enum { FILTER_YOUNG_CALLS = 20 };
extern const struct young_call filter_young_calls[FILTER_YOUNG_CALLS];

/* NULL: there is none for it. */
struct filter_rule *filter_find_rule(const struct filter *f, int nr);
