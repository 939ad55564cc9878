/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A build with -Dmutants=true can be asked to leave one protection out, so that the tests can be tested: with the
 * variable BULKHEAD_MUTANT naming it, MUTANT("name") is true.  In every other build it is the constant false, and
 * the compiler drops it.  The names are listed in mutant.c and in tests/security/mutants.py.
 */
#pragma once

#include <stdbool.h>

#ifdef BULKHEAD_MUTANTS
enum { MUTANT_BUILD = true };
bool mutant_is(const char *name);
#define MUTANT(name) mutant_is(name)
#else
enum { MUTANT_BUILD = false };
#define MUTANT(name) false
#endif
