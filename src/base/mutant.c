/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* As in tests/security/mutants.py; tests/tools/mutant_names.py compares. */
static const char *const names[] = {
        "follow-links",
        "dots-climb",
        "mount-by-path",
        "mkdir-by-path",
        "trust-proc",
        "any-proc",
        "no-mask",
        "no-readonly",
        "exec-trust-proc",
        "follow-dev",
        "trust-dev-null",
        "chown-stdio",
        "reopen-stdio",
        "follow-console",
        "allow-devices",
        "keep-fds",
        "keep-cwd",
        "exec-keep-cwd",
        "join-early",
        "join-with-fd",
        "dumpable",
        "start-early",
        "writable-exe",
        "session-keyring",
        "exec-keyring",
        "no-setsid",
        "allow-uid-wrap",
        "digits-prefix",
        "user-by-name",
        "cut-maps",
        "id-as-path",
        "delete-any",
        "cgroup-dots",
        "open-state",
        "bare-pid",
        "raw-listing",
        "raw-sysctl",
        "host-sysctl",
        "cgroup-rw",
        "pass-hook-env",
        "ignore-lsm",
        "ignore-mount-label",
        "ignore-unknown",
        "keep-caps",
        "exec-all-caps",
        "exec-no-nnp",
        "exec-no-seccomp",
        "exec-no-cgroup",
        "keep-groups",
        "keep-env",
        "unbounded-passwd",
        "host-passwd",
        "json-twice",
        "json-zero",
        "no-seccomp",
        "seccomp-one-abi",
        "seccomp-low-half",
        "seccomp-no-enosys",
        "plan-unsaved-intent",
        "plan-unsaved-leave",
        "plan-new-token",
        "plan-no-backoff",
        "plan-unsure-free",
        "plan-no-floor",
        "plan-more-surge",
        "plan-any-tag",
        "plan-late-lists",
        "plan-unprotected",
        "plan-all-drift",
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
