/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as a unit with [Timer], [Socket] and [Path]: what is strictly read is leniently read as the same, without a note; a timer's times are not before
 * what they count from; each address has what opening it takes.
 */
#include <stdlib.h>
#include <string.h>

#include "plan/path_unit.h"
#include "plan/socket_unit.h"
#include "plan/timer_unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
        if (!holds)
                abort();
}

static const struct facts facts = { .unit = "x.timer", .boot_id = "b", .machine_id = "m", .hostname = "h", .user_name = "u", .home = "/h", .shell = "/s", .runtime_folder = "/r",
                                    .state_folder = "/v", .cache_folder = "/c", .logs_folder = "/l", .configuration_folder = "/e" };

static void check_timer(const struct unit_file *f, const struct unit_name *n)
{
        CLEAN_TIMER_UNIT struct timer_unit strict = { 0 }, lenient = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct error e = { 0 };
        const struct timer_moments m = { .now = { 1774742400000000, 5000000 }, .startup = { 1774742399000000, 4000000 }, .random = 12345678901234567 };
        struct timer_next next;
        int r = timer_unit_parse(f, n, &facts, NULL, false, NULL, &strict, &e), k = timer_unit_parse(f, n, &facts, NULL, true, &notes, &lenient, &e);
        check(r <= 0 && k <= 0 && (r < 0 || (k == 0 && notes.count == 0 && lenient.count == strict.count)));
        if (k < 0)
                return;
        check(lenient.unit != NULL);
        timer_next(&lenient, &m, &next);
        check(!next.has_realtime || next.realtime >= 1774742399000000);
}

static void check_path(const struct unit_file *f, const struct unit_name *n)
{
        CLEAN_PATH_UNIT struct path_unit strict = { 0 }, lenient = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct error e = { 0 };
        int r = path_unit_parse(f, n, &facts, false, NULL, &strict, &e), k = path_unit_parse(f, n, &facts, true, &notes, &lenient, &e);
        check(r <= 0 && k <= 0 && (r < 0 || (k == 0 && notes.count == 0 && lenient.count == strict.count)));
        for (size_t i = 0; k == 0 && i < lenient.count; i++)
                check(*lenient.specs[i].path == '/' && lenient.specs[i].kind < PATH_KINDS);
        check(k < 0 || (lenient.count && lenient.unit && lenient.directory_mode <= 07777));
}

static void check_address(const struct listen_address *a)
{
        check(a->text != NULL);
        if (a->kind != LISTEN_SOCKET)
                check(a->path && *a->path == '/');
        else
                check(a->length > 2 && a->length <= sizeof a->address && a->address.any.sa_family);
}

static void check_socket(const struct unit_file *f, const struct unit_name *n)
{
        CLEAN_SOCKET_UNIT struct socket_unit strict = { 0 }, lenient = { 0 };
        CLEAN_STRINGS struct strings notes = { 0 };
        struct error e = { 0 };
        int r = socket_unit_parse(f, n, &facts, false, NULL, &strict, &e), k = socket_unit_parse(f, n, &facts, true, &notes, &lenient, &e);
        check(r <= 0 && k <= 0 && (r < 0 || (k == 0 && notes.count == 0 && lenient.count == strict.count)));
        for (size_t i = 0; k == 0 && i < lenient.count; i++)
                check_address(&lenient.addresses[i]);
        check(k < 0 || (lenient.count && lenient.service && lenient.descriptor_name && lenient.options.mode <= 07777));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const sections[] = { "Timer", "Socket", "Path", NULL };
        CLEAN_UNIT_FILE struct unit_file f = { 0 };
        CLEAN_UNIT_NAME struct unit_name timer = { 0 }, sockets = { 0 }, paths = { 0 };
        if (unit_file_parse(&f, "f", (const char *)data, size, sections, true, NULL) < 0)
                return 0;
        check(unit_name_parse("x.path", &paths, NULL) == 0 && unit_name_parse("x.timer", &timer, NULL) == 0 && unit_name_parse("x@1.socket", &sockets, NULL) == 0);
        check_timer(&f, &timer);
        check_socket(&f, &sockets);
        check_path(&f, &paths);
        return 0;
}
