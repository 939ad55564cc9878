/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/filters.h"

#include <sys/stat.h>

#include "base/mutant.h"
#include "os/file.h"
#include "runtime/record.h"
#include "sandbox/filter_cache.h"
#include "sandbox/notify.h"

/* Beside the containers, wherever these are kept: a profile is the same for all. */
static char *cache_folder(void)
{
        if (MUTANT_BUILD)
                return xstrdup(""); /* what a mutant compiles is for nobody else */
        CLEAN_FREE char *root = record_default_root();
        CLEAN_FREE char *folder = xprintf("%s-filters", root);
        struct stat st;
        if (stat(folder, &st) < 0 && errno == ENOENT)
                (void)file_make_folders(folder, 0700, NULL);
        return TAKE_PTR(folder);
}

int filters_build(struct sandbox *s, struct error *e)
{
        const struct profile *p = s->plan->container->profile;
        if (!p)
                return 0;
        CLEAN_FREE char *folder = cache_folder();
        int r = filter_cache_compile_profile(folder, p, &s->profile, e);
        for (size_t i = 0; r == 0 && i < s->profile.notes.count; i++)
                strings_add(&s->plan->notes, s->profile.notes.items[i]);
        return r < 0 ? error_while(e, "applying /linux/seccomp") : 0;
}

int filters_hand_over(const struct profile *p, const struct notify_state *state, int number, int pidfd, struct error *e)
{
        CLEAN_FD int listener = notify_take(number, pidfd, e);
        if (listener < 0)
                return listener;
        int r = notify_hand_over(p->listener_path, state, listener, e);
        return r < 0 ? error_while(e, "applying /linux/seccomp/listenerPath") : 0;
}
