/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/start_limit.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "shim/state.h"

enum { BOOT_ID_SIZE = 36, LINE_MAX_SIZE = 128 };
static const char name[] = "starts";

static int read_boot_id(char ret[BOOT_ID_SIZE + 1])
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &t);
        if (r == 0 && t.length < BOOT_ID_SIZE)
                r = -EBADMSG;
        if (r == 0)
                (void)snprintf(ret, BOOT_ID_SIZE + 1, "%s", t.data);
        return r;
}

void start_count_load(int dir_fd, struct rate_count *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        char boot[BOOT_ID_SIZE + 1], mine[BOOT_ID_SIZE + 1];
        unsigned long long since;
        unsigned count;
        *ret = (struct rate_count){ 0 };
        if (file_read(dir_fd, name, LINE_MAX_SIZE, &t) < 0 || !t.length || sscanf(t.data, "%36s %20llu %9u", boot, &since, &count) != 3)
                return;
        if (read_boot_id(mine) == 0 && text_equal(boot, mine) && since <= state_boot_usec())
                *ret = (struct rate_count){ since, count };
}

int start_count_save(int dir_fd, const struct rate_count *c)
{
        char boot[BOOT_ID_SIZE + 1], line[LINE_MAX_SIZE];
        int r = read_boot_id(boot);
        if (r < 0)
                return r;
        int n = snprintf(line, sizeof line, "%s %llu %u\n", boot, (unsigned long long)c->since_usec, c->count);
        return file_replace(dir_fd, name, line, (size_t)n, 0600);
}

void start_count_forget(int dir_fd)
{
        (void)unlinkat(dir_fd, name, 0);
}

/* ---- the limit ---- */

static int read_action(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        return !*value || text_equal(value, "none") ? 0 : section_refused(r, row, value, e);
}

int start_limit_read(const struct unit_file *u, const struct facts *facts, struct start_limit *ret, struct error *e)
{
        static const struct section_row rows[] = {
                { "StartLimitIntervalSec", section_span, offsetof(struct start_limit, interval_usec), 0, 0, NULL },
                { "StartLimitBurst", section_number, offsetof(struct start_limit, burst), 0, UINT32_MAX, NULL },
                { "StartLimitAction", read_action, 0, 0, 0, NULL },
                { "FailureAction", read_action, 0, 0, 0, NULL },
                { "SuccessAction", read_action, 0, 0, 0, NULL },
        };
        static const struct start_limit defaults = { .interval_usec = 10000000, .burst = 5 };
        const struct section_reading reading = { .object = ret, .defaults = &defaults, .facts = facts };
        *ret = defaults;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct unit_line *line;
                for (size_t at = 0; (line = unit_file_next(u, "Unit", rows[i].name, &at));) {
                        int r = section_read_line(line, &rows[i], 1, &reading, e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int start_limit_error(struct error *e, const char *unit, unsigned count, uint64_t interval_usec)
{
        error_set(e, EBUSY, "service.start-limit", "it was started %u times within %llu ms of the first, and is not again before that time is over", count,
                  (unsigned long long)interval_usec / 1000);
        error_hint(e, "bulkhead unit reset-failed %s forgets the starts", unit);
        return -EBUSY;
}

int start_limit_count(int dir_fd, const char *unit, const struct start_limit *l, struct error *e)
{
        struct rate_count c;
        if (!l->burst || !l->interval_usec)
                return 0;
        start_count_load(dir_fd, &c);
        if (!rate_take(&c, state_boot_usec(), l->interval_usec, (uint64_t)l->burst))
                return start_limit_error(e, unit, c.count, l->interval_usec);
        int r = start_count_save(dir_fd, &c);
        return r < 0 ? error_errno(e, r, "state.save", "counting the start of %s", unit) : 0;
}

/* ---- forgetting ---- */

int run_reset_failed(int dir_fd)
{
        CLEAN_RUN_STATE struct run_state st = { 0 };
        start_count_forget(dir_fd);
        int r = run_load_state(dir_fd, &st, NULL);
        if (r < 0 || st.phase != RUN_FAILED)
                return r;
        st.phase = RUN_EXITED;
        st.restarts = 0;
        (void)snprintf(st.result, sizeof st.result, "success");
        if (st.sub[0])
                (void)snprintf(st.sub, sizeof st.sub, "dead");
        free(st.error_id);
        free(st.error_cause);
        free(st.error_hint);
        st.error_id = st.error_cause = st.error_hint = NULL;
        return run_record_end(dir_fd, &st);
}
