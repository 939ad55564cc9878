/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes as a service's unit file: what is strictly read is read leniently as the same, and what is read can live: its states are walked through
 * with the same bytes as events.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "plan/service_machine.h"
#include "plan/unit_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct facts facts = {
        .unit = "fuzz.service", .boot_id = "0123456789abcdef0123456789abcdef", .machine_id = "fedcba9876543210fedcba9876543210",
        .hostname = "host", .user_name = "root", .home = "/root", .shell = "/bin/sh", .runtime_folder = "/run",
        .state_folder = "/var/lib", .cache_folder = "/var/cache", .logs_folder = "/var/log", .configuration_folder = "/etc",
};

static void check(bool holds)
{
        if (!holds)
                abort();
}

static void check_same(const struct service *a, const struct service *b)
{
        check(a->type == b->type && a->restart == b->restart && a->kill_mode == b->kill_mode && a->notify_access == b->notify_access);
        check(a->timeout_start_usec == b->timeout_start_usec && a->timeout_stop_usec == b->timeout_stop_usec && a->watchdog_usec == b->watchdog_usec);
        check(!memcmp(&a->success, &b->success, sizeof a->success) && !a->pid_file == !b->pid_file);
        for (unsigned i = 0; i < SERVICE_LISTS; i++)
                check(a->lines[i].count == b->lines[i].count);
}

static void check_whole(const struct service *s)
{
        check(s->lines[SERVICE_START].count <= 1 || s->type == SERVICE_ONESHOT);
        check(s->lines[SERVICE_START].count || s->lines[SERVICE_STOP].count);
        check(!s->pid_file || *s->pid_file == '/');
        check(s->kill_signal > 0 && s->kill_signal <= SIGRTMAX && s->final_kill_signal > 0 && s->watchdog_signal > 0 && s->reload_signal > 0);
        check(s->timeout_start_usec && s->timeout_stop_usec && s->timeout_abort_usec && s->runtime_max_usec && s->watchdog_usec);
        check(service_type_word(s->type) && service_restart_word(s->restart));
}

/* ---- a life ---- */

struct world {
        struct machine machine;
        uint64_t clock;
        bool open;
        unsigned fails;
};

static uint64_t op_now(void *context)
{
        return ((struct world *)context)->clock;
}

static int op_open(void *context)
{
        struct world *w = context;
        check(!w->open);
        w->open = true;
        return 0;
}

static void op_close(void *context, bool restarts)
{
        struct world *w = context;
        (void)restarts;
        check(w->open);
        w->open = false;
}

static int op_spawn(void *context, enum service_list list, size_t index, enum machine_process as)
{
        struct world *w = context;
        (void)as;
        check(w->open && index < w->machine.service->lines[list].count);
        return w->fails++ % 7 == 6 ? -EAGAIN : 0;
}

static bool op_kill(void *context, unsigned processes, int signal, bool also_hup)
{
        const struct world *w = context;
        (void)signal, (void)also_hup;
        return (processes & PROCESS_MAIN && w->machine.main_alive) || (processes & PROCESS_CONTROL && w->machine.control_alive);
}

static bool op_group_lives(void *context)
{
        const struct world *w = context;
        return w->machine.main_alive || w->machine.control_alive;
}

static int op_find_main(void *context)
{
        (void)context;
        return 1;
}

static void live(const struct service *s, const uint8_t *data, size_t size)
{
        static const struct machine_ops ops = { op_now, op_open, op_close, op_spawn, op_kill, op_group_lives, op_find_main, NULL };
        struct world w = { .clock = 1 };
        machine_init(&w.machine, s, &ops, &w);
        (void)machine_start(&w.machine);
        for (size_t i = 0; i < size && i < 256; i++) {
                const struct process_exit x = { data[i] & 0x40 ? EXIT_CODE_KILLED : EXIT_CODE_EXITED, data[i] & 0x30 ? 0 : data[i] & 0xf };
                switch (data[i] % 8) {
                case 0: case 1: machine_main_exited(&w.machine, x); break;
                case 2: case 3: machine_control_exited(&w.machine, x); break;
                case 4: machine_ready(&w.machine); break;
                case 5: (void)machine_reload(&w.machine); break;
                case 6: (void)machine_start(&w.machine); break;
                default:
                        if (machine_deadline(&w.machine)) {
                                w.clock = machine_deadline(&w.machine) > w.clock ? machine_deadline(&w.machine) : w.clock;
                                machine_time(&w.machine);
                        }
                }
                check(w.open == (!machine_is_over(&w.machine) && w.machine.state != STATE_AUTO_RESTART));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_UNIT_FILE struct unit_file u = { 0 };
        CLEAN_SERVICE struct service strict = { 0 }, lenient = { 0 };
        struct error e = { 0 };
        if (unit_file_parse(&u, "f", (const char *)data, size, unit_sections(UNIT_SERVICE), false, NULL) < 0)
                return 0;
        int r = service_read(&u, &facts, false, &strict, &e), k = service_read(&u, &facts, true, &lenient, NULL);
        check(r <= 0 && (r == 0 || *e.id) && (r < 0 || k == 0));
        if (k == 0) {
                check_whole(&lenient);
                live(&lenient, data, size);
        }
        if (r == 0) {
                check_same(&strict, &lenient);
                check(lenient.notes.count == strict.notes.count); /* of escapes that are kept */
        }
        return 0;
}
