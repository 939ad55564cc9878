/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/filter_cache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "os/file.h"

enum { PROGRAM_MAX = 4096 }; /* BPF_MAXINSNS */

/* Everything that the program depends on, as bytes. */
static void describe(const struct filter *f, bool notify, struct text *t)
{
        text_addf(t, "bulkhead %s filter 1 %d %d %d\n", BULKHEAD_VERSION, f->allow_list, f->default_error, notify);
        text_add_bytes(t, (const char *)f->rules, f->count * sizeof *f->rules);
}

static void entry_name(const struct filter *f, bool notify, char ret[40])
{
        static const uint8_t keys[2][16] = { "bulkhead filter", "cached programs" };
        CLEAN_TEXT struct text t = { 0 };
        describe(f, notify, &t);
        (void)snprintf(ret, 40, "%016llx%016llx", (unsigned long long)hash_sip24(t.data, t.length, keys[0]),
                       (unsigned long long)hash_sip24(t.data, t.length, keys[1]));
}

static int open_folder(const char *path)
{
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || st.st_mode & 022)
                return -EPERM;
        return TAKE_FD(fd);
}

/* The entry starts with a checksum of the rest: a torn or damaged one is no program. */
static bool load(int folder, const char *name, struct filter_program *ret)
{
        static const uint8_t key[16] = "checksum of it ";
        CLEAN_TEXT struct text t = { 0 };
        uint64_t sum;
        if (file_read(folder, name, sizeof sum + PROGRAM_MAX * sizeof(struct sock_filter), &t) < 0)
                return false;
        size_t size = t.length - sizeof sum;
        if (t.length <= sizeof sum || size % sizeof(struct sock_filter))
                return false;
        memcpy(&sum, t.data, sizeof sum);
        if (sum != hash_sip24(t.data + sizeof sum, size, key))
                return false;
        ret->count = (unsigned short)(size / sizeof(struct sock_filter));
        ret->code = xalloc(ret->count, sizeof *ret->code);
        memcpy(ret->code, t.data + sizeof sum, size);
        return true;
}

static void save(int folder, const char *name, const struct filter_program *p)
{
        static const uint8_t key[16] = "checksum of it ";
        CLEAN_TEXT struct text t = { 0 };
        size_t size = p->count * sizeof *p->code;
        uint64_t sum = hash_sip24(p->code, size, key);
        text_add_bytes(&t, (const char *)&sum, sizeof sum);
        text_add_bytes(&t, (const char *)p->code, size);
        (void)file_replace(folder, name, t.data, t.length, 0600);
}

int filter_cache_compile(const char *folder, const struct filter *f, bool notify, struct filter_program *ret, struct error *e)
{
        char name[40];
        CLEAN_FD int fd = open_folder(folder);
        entry_name(f, notify, name);
        if (fd >= 0 && load(fd, name, ret))
                return 0;
        int r = filter_compile(f, notify, ret, e);
        if (r == 0 && fd >= 0)
                save(fd, name, ret);
        return r;
}
