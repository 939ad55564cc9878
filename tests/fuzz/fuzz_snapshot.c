/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as the kept files of a unit: damaged ones are refused, and what is loaded is what a file with the same bytes as sources gives. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "plan/unit_words.h"
#include "shim/unit_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/dev/shm/bulkhead-fuzz-XXXXXX";

static void check(bool holds)
{
        if (!holds)
                abort();
}

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

static void put(int dir_fd, const uint8_t *data, size_t size)
{
        CLEAN_FD int fd = openat(dir_fd, "unit", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        check(fd >= 0 && file_write_all(fd, (const char *)data, size) == 0);
}

/* The bytes as two files of a unit: what is saved of them loads as what they say. */
static void there_and_back(int dir_fd, const char *data, size_t size)
{
        const size_t first = size / 2;
        struct unit_source sources[2] = { { .path = xstrdup("/a b/u.service") }, { .path = xstrdup("/c\n/d.conf") } };
        const struct unit u = { .sources = sources, .count = 2 };
        CLEAN_UNIT_FILE struct unit_file direct = { 0 }, loaded = { 0 };
        text_add_bytes(&sources[0].text, data, first);
        text_add_bytes(&sources[1].text, data + first, size - first);
        check(unit_snapshot_save(dir_fd, &u, NULL) == 0);
        int r = unit_file_parse(&direct, sources[0].path, sources[0].text.data ? sources[0].text.data : "", first, unit_sections(UNIT_SERVICE), true, NULL);
        if (r == 0)
                r = unit_file_parse(&direct, sources[1].path, sources[1].text.data ? sources[1].text.data : "", size - first, unit_sections(UNIT_SERVICE), true, NULL);
        int k = unit_snapshot_load(dir_fd, UNIT_SERVICE, true, &loaded, NULL);
        check((r < 0) == (k < 0));
        check(k < 0 || direct.count == loaded.count);
        for (size_t i = 0; k == 0 && i < direct.count; i++)
                check(!strcmp(direct.lines[i].name, loaded.lines[i].name) && !strcmp(direct.lines[i].value, loaded.lines[i].value));
        for (size_t i = 0; i < 2; i++) {
                free(sources[i].path);
                text_clear(&sources[i].text);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CLEAN_UNIT_FILE struct unit_file file = { 0 };
        struct error e = { 0 };
        int dir_fd = folder();
        put(dir_fd, data, size);
        int r = unit_snapshot_load(dir_fd, UNIT_SERVICE, size & 1, &file, &e);
        check(r == 0 || (r < 0 && *e.id));
        there_and_back(dir_fd, (const char *)data, size);
        return 0;
}
