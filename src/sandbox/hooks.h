/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks of an OCI configuration: programs that get the container's state on their standard input. */
#pragma once

#include "base/error.h"
#include "plan/container.h"

/*
 * Runs the hooks of a kind, one after another, with their own environment alone and state (JSON) on standard input.  The
 * first that fails, by its status or its timeout, ends it.  0 or -errno; the error names the hook and what it wrote
 * on standard error.
 */
int hooks_run(const struct plan_container *k, enum plan_hook_kind kind, const char *state, struct error *e);
/* The same, and goes on after a failure: the first is told. */
int hooks_run_all(const struct plan_container *k, enum plan_hook_kind kind, const char *state, struct error *e);
const char *hooks_kind_name(enum plan_hook_kind kind);
