/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a run's state.json: what loads can be saved, and loads again as the same. The first byte says how much of the rest is "exit". */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "shim/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/dev/shm/bulkhead-fuzz-XXXXXX";

static void remove_folder(void)
{
        (void)file_remove_tree(AT_FDCWD, path);
}

static int folder(void)
{
        static int fd = -1;
        if (fd < 0 && mkdtemp(path)) {
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                (void)atexit(remove_folder);
        }
        return fd;
}

static void put(int dir_fd, const char *name, const uint8_t *data, size_t size)
{
        CLEAN_FD int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || file_write_all(fd, (const char *)data, size) < 0)
                abort();
}

/* The record as JSON, which must be valid whatever bytes it came from. */
static char *render(const struct run_state *s)
{
        struct text t = { 0 };
        run_state_json(s, &t);
        json_t *o = json_loadb(t.data, t.length, JSON_REJECT_DUPLICATES, NULL);
        if (!o || t.length > STATE_SIZE_MAX)
                abort();
        json_decref(o);
        return t.data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_RUN_STATE struct run_state s = { 0 }, again = { 0 };
        struct error e = { 0 };
        if (!size || size > STATE_SIZE_MAX)
                return 0;
        int dir_fd = folder();
        size_t end = data[0] < size ? data[0] : size - 1;
        put(dir_fd, "exit", data + 1, end);
        put(dir_fd, "state.json", data + 1 + end, size - 1 - end);
        if (run_load_state(dir_fd, &s, &e) < 0) {
                if (!e.id[0])
                        abort();
                return 0;
        }
        CLEAN_FREE char *before = render(&s);
        put(dir_fd, "exit", data, 0);
        put(dir_fd, "state.json", (const uint8_t *)before, strlen(before));
        if (run_load_state(dir_fd, &again, &e) < 0)
                abort();
        CLEAN_FREE char *after = render(&again);
        if (s.phase != again.phase || s.status != again.status || s.pid != again.pid || s.ended_usec != again.ended_usec)
                abort();
        return 0;
}
