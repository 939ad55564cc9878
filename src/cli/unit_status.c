/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead unit status: how a service is, what it said last, and why it is not what it should be. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/exit_status.h"
#include "base/signal_name.h"
#include "cli/record.h"
#include "cli/target.h"
#include "cli/unit.h"
#include "os/file.h"
#include "plan/service_machine.h"
#include "shim/denial_file.h"
#include "shim/undo.h"

enum { LINES_SHOWN = 10, DENIALS_SHOWN = 5, LOG_READ_MAX = 64 << 20, STATUS_NOT_RUNNING = 3, STATUS_NO_SUCH_UNIT = 4 };

/* "active", of the state's own word. */
static const char *activity_of(const struct run_state *st)
{
        for (unsigned i = 0; i < SERVICE_STATES; i++)
                if (text_equal(service_state_word((enum service_state)i), st->sub))
                        return service_activity_word((enum service_state)i);
        return st->phase == RUN_RUNNING ? "active" : st->phase == RUN_STARTING ? "activating" : st->phase == RUN_FAILED ? "failed" : "inactive";
}

static void print_time(const char *label, uint64_t usec)
{
        char text[64];
        struct tm tm;
        time_t t = (time_t)(usec / 1000000);
        if (usec && localtime_r(&t, &tm) && strftime(text, sizeof text, "%a %Y-%m-%d %H:%M:%S %Z", &tm))
                printf("%12s: %s\n", label, text);
}

static void print_text(const char *label, const char *text)
{
        if (!text || !*text)
                return;
        printf("%12s: ", label);
        text_print_safe(stdout, text);
        putchar('\n');
}

static void print_end(const struct run_state *st)
{
        char buffer[16];
        const bool exited = text_equal(st->code, "exited");
        const char *name = exited ? exit_status_name(st->status) : signal_name(st->status, buffer);
        if (st->code[0])
                printf("%12s: code=%s, status=%d%s%s\n", "Main process", st->code, st->status, name ? "/" : "", name ? name : "");
}

/* The last lines of the log, without the columns that are for programs. */
static void print_log(int dir_fd)
{
        CLEAN_TEXT struct text t = { 0 };
        size_t from, lines = 0;
        if (file_read(dir_fd, "log", LOG_READ_MAX, &t) < 0 || !t.length)
                return;
        putchar('\n');
        for (from = t.length - 1; from > 0 && lines < LINES_SHOWN; from--)
                lines += t.data[from - 1] == '\n';
        from += from > 0 || lines == LINES_SHOWN;
        char *rest = t.data + from;
        for (char *line; (line = strsep(&rest, "\n")) && *line;) {
                const char *text = line;
                for (int i = 0; i < 3 && text && (text = strchr(text, ' ')); i++)
                        text++;
                text_print_safe(stdout, text ? text : line);
                putchar('\n');
        }
}

/* The last of what directives stopped, where that is watched. */
static void print_denials(int dir_fd)
{
        CLEAN_DENIALS struct denial_table t = { 0 };
        if (denial_file_load(dir_fd, &t, NULL) < 0)
                return;
        if (!t.count)
                print_text("Stopped", "nothing so far");
        const size_t first = t.count > DENIALS_SHOWN ? t.count - DENIALS_SHOWN : 0;
        for (size_t i = first; i < t.count; i++) {
                CLEAN_TEXT struct text line = { 0 };
                denial_text(&t.rows[i], &line);
                print_text("Stopped", line.data);
        }
        if (first || t.lost)
                printf("%12s  and others, %zu kept\n", "", t.count);
}

static void print_status(const struct target *t)
{
        const struct run_state *st = &t->state;
        const bool ended = run_state_ended(st);
        const size_t left = run_count_left(t->dir_fd);
        printf("%s", st->unit);
        if (st->description && *st->description) {
                fputs(" - ", stdout);
                text_print_safe(stdout, st->description);
        }
        putchar('\n');
        print_text("Loaded", st->source);
        printf("%12s: %s (%s)%s%s\n", "Active", activity_of(st), st->sub[0] ? st->sub : run_phase_name(st->phase),
               ended && st->result[0] ? ", result " : "", ended ? st->result : "");
        print_time(ended ? "Ended" : "Since", ended ? st->ended_usec : st->started_usec);
        if (!ended && st->pid > 0)
                printf("%12s: %d\n", "Main PID", (int)st->pid);
        if (!ended)
                printf("%12s: %d\n", "Supervisor", (int)st->supervisor_pid);
        else
                print_end(st);
        if (st->restarts)
                printf("%12s: %u\n", "Restarts", (unsigned)st->restarts);
        if (left)
                printf("%12s: %zu %s, which KillMode= leaves alone\n", "Left", left, left == 1 ? "process" : "processes");
        unit_usage_print(&st->usage);
        print_text("Status", st->status_text);
        print_text("Cause", st->error_cause);
        print_text("Hint", st->error_hint);
        print_denials(t->dir_fd);
        print_log(t->dir_fd);
}

/* The statuses are those of systemctl and of init scripts: 3 for a unit that does not run, 4 for none. */
int unit_cmd_status(int argc, char **argv)
{
        static const struct argp_option options[] = { UNIT_OPTIONS_SEARCH, { "json", 'j', NULL, 0, "Print JSON", 1 }, { 0 } };
        CLEAN_UNIT_OPTIONS struct unit_options o = { 0 };
        int status = 0;
        if (!unit_options_parse(&o, options, "NAME...", "Say how services are", argc, argv))
                return 1;
        for (size_t i = 0; i < o.names.count; i++) {
                CLEAN_TARGET struct target t = TARGET_INIT;
                struct error e = { 0 };
                const char *word = strrchr(o.names.items[i], '/') ? strrchr(o.names.items[i], '/') + 1 : o.names.items[i];
                if (target_open(word, &t, &e) < 0) {
                        (void)target_fail("show", o.names.items[i], &e);
                        status = STATUS_NO_SUCH_UNIT;
                        continue;
                }
                record_refresh(&t);
                if (i && !o.json)
                        putchar('\n');
                if (o.json)
                        (void)record_print_json(&t, &e);
                else
                        print_status(&t);
                if (run_state_ended(&t.state) && status == 0)
                        status = STATUS_NOT_RUNNING;
        }
        return fflush(stdout) == 0 ? status : 1;
}
