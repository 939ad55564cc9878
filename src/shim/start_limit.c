/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/start_limit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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

void start_count_load(int dir_fd, struct start_count *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        char boot[BOOT_ID_SIZE + 1], mine[BOOT_ID_SIZE + 1];
        unsigned long long since;
        unsigned count;
        struct timespec now;
        *ret = (struct start_count){ 0 };
        if (file_read(dir_fd, name, LINE_MAX_SIZE, &t) < 0 || !t.length || sscanf(t.data, "%36s %20llu %9u", boot, &since, &count) != 3)
                return;
        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        if (read_boot_id(mine) == 0 && text_equal(boot, mine) && since <= (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000)
                *ret = (struct start_count){ since, count };
}

int start_count_save(int dir_fd, const struct start_count *c)
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
