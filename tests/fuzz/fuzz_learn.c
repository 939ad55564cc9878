/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as observations: what is read is written and read again the same, and what is learned from it are valid directives. */
#include <stdlib.h>
#include <string.h>

#include "plan/directive.h"
#include "plan/learn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_learned(const struct observations *o)
{
        static const struct facts facts = { .unit = "learn.service", .capabilities = (1ULL << 41) - 1, .runtime_folder = "/run", .state_folder = "/var/lib",
                                            .cache_folder = "/var/cache", .logs_folder = "/var/log", .configuration_folder = "/etc", .boot_id = "b",
                                            .machine_id = "m", .hostname = "h", .user_name = "root", .home = "/root", .shell = "/bin/sh" };
        CLEAN_LEARNED struct learned l = { 0 };
        CLEAN_STRINGS struct strings head = { 0 }, all = { 0 };
        CLEAN_SETTINGS struct settings s = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_PLAN struct plan p = { 0 };
        struct error e = { 0 };
        const struct learn_facts f = { .seen = o };
        learn_derive(&f, &l);
        learn_format(&l, &head, &t);
        learn_assignments(&l, &all);
        for (size_t i = 0; i < all.count; i++)
                check(!strchr(all.items[i], '\n') && settings_assign(&s, &facts, all.items[i], &e) == 0);
        check(settings_compile(&s, &facts, &p, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_OBSERVATIONS struct observations o = { 0 }, again = { 0 };
        CLEAN_TEXT struct text first = { 0 }, second = { 0 };
        struct error e = { 0 };
        if (observations_parse(&o, "f", (const char *)data, size, &e) < 0)
                return 0;
        observations_format(&o, &first);
        check(observations_parse(&again, "f", first.data, first.length, &e) == 0);
        observations_format(&again, &second);
        check(again.call_count == o.call_count && again.capabilities == o.capabilities && again.outcome_count == o.outcome_count);
        check_learned(&o);
        return 0;
}
