/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox/filter_cache.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "os/file.h"

enum { PROGRAM_MAX = 4096 }; /* BPF_MAXINSNS */
enum { ENTRY_MAX = 1 << 20, NAME_SIZE = 40 };

/*
 * An entry: this, the source that it was compiled from, the notes (each ends with NUL) and the instructions.  The
 * checksum is over all that follows it: a torn or damaged entry is no program.  With the source in it, two sources of
 * one hash do no harm.
 */
struct head {
        uint64_t checksum;
        uint32_t source_size, notes_size, count, flags;
};

static uint64_t checksum(const char *entry, size_t size)
{
        static const uint8_t key[16] = "checksum of it ";
        return hash_sip24(entry + sizeof(uint64_t), size - sizeof(uint64_t), key);
}

/* Everything that a program depends on besides what it is compiled from. The number counts changes of the compilers. */
static void describe_compiler(struct text *t, const char *kind)
{
        const struct scmp_version *v = seccomp_version();
        text_addf(t, "bulkhead %s %s 3 %u.%u.%u %x\n", BULKHEAD_VERSION, kind, v ? v->major : 0, v ? v->minor : 0, v ? v->micro : 0,
                  seccomp_arch_native());
}

static void entry_name(const struct text *source, char ret[NAME_SIZE])
{
        static const uint8_t keys[2][16] = { "bulkhead filter", "cached programs" };
        (void)snprintf(ret, NAME_SIZE, "%016llx%016llx", (unsigned long long)hash_sip24(source->data, source->length, keys[0]),
                       (unsigned long long)hash_sip24(source->data, source->length, keys[1]));
}

static bool is_private(int fd, mode_t type)
{
        struct stat st;
        return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_folder(const char *path)
{
        CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        return -errno;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (fd < 0)
                return -errno;
        return is_private(fd, S_IFDIR) ? TAKE_FD(fd) : -EPERM;
}

/* A whole entry of the right owner, or false. */
static bool read_entry(int folder, const char *name, struct text *ret)
{
        CLEAN_FD int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || !is_private(fd, S_IFREG) || fstat(fd, &st) < 0 || st.st_size > ENTRY_MAX || st.st_size <= (off_t)sizeof(struct head))
                return false;
        CLEAN_FREE char *data = xalloc((size_t)st.st_size, 1);
        if (read(fd, data, (size_t)st.st_size) != st.st_size)
                return false;
        *ret = (struct text){ .data = TAKE_PTR(data), .length = (size_t)st.st_size, .room = (size_t)st.st_size };
        return true;
}

static bool is_whole(const struct text *entry, const struct head *h, const struct text *source)
{
        const char *body = entry->data + sizeof *h;
        uint64_t size = sizeof *h + (uint64_t)h->source_size + h->notes_size + (uint64_t)h->count * sizeof(struct sock_filter);
        return size == entry->length && h->count && h->count <= PROGRAM_MAX && h->checksum == checksum(entry->data, entry->length) &&
               h->source_size == source->length && memcmp(body, source->data, source->length) == 0 &&
               (!h->notes_size || body[h->source_size + h->notes_size - 1] == '\0');
}

static bool load(int folder, const char *name, const struct text *source, struct profile_program *ret)
{
        CLEAN_TEXT struct text entry = { 0 };
        struct head h;
        if (!read_entry(folder, name, &entry))
                return false;
        memcpy(&h, entry.data, sizeof h);
        if (!is_whole(&entry, &h, source))
                return false;
        const char *notes = entry.data + sizeof h + h.source_size, *code = notes + h.notes_size;
        for (const char *s = notes; s < code; s += strlen(s) + 1)
                strings_add(&ret->notes, s);
        ret->flags = h.flags;
        ret->filter.count = (unsigned short)h.count;
        ret->filter.code = xalloc(h.count, sizeof *ret->filter.code);
        memcpy(ret->filter.code, code, h.count * sizeof *ret->filter.code);
        return true;
}

static void save(int folder, const char *name, const struct text *source, const struct profile_program *p)
{
        CLEAN_TEXT struct text notes = { 0 }, t = { 0 };
        for (size_t i = 0; i < p->notes.count; i++)
                text_add_bytes(&notes, p->notes.items[i], strlen(p->notes.items[i]) + 1);
        struct head h = { .source_size = (uint32_t)source->length, .notes_size = (uint32_t)notes.length, .count = p->filter.count,
                          .flags = p->flags };
        if (source->length > ENTRY_MAX / 2 || notes.length > ENTRY_MAX / 4)
                return; /* nobody runs such a thing often */
        text_add_bytes(&t, (const char *)&h, sizeof h);
        text_add_bytes(&t, source->data, source->length);
        if (notes.length)
                text_add_bytes(&t, notes.data, notes.length);
        text_add_bytes(&t, (const char *)p->filter.code, p->filter.count * sizeof *p->filter.code);
        h.checksum = checksum(t.data, t.length);
        memcpy(t.data, &h, sizeof h);
        (void)file_replace(folder, name, t.data, t.length, 0600);
}

/* What is compiled, and how. */
struct job {
        int (*compile)(const struct job *j, struct profile_program *ret, struct error *e);
        const struct filter *filter;
        bool notify;
        const struct profile *profile;
        const struct restriction *restriction;
        struct text source;
};

static int compile_through(const char *folder, const struct job *j, struct profile_program *ret, struct error *e)
{
        char name[NAME_SIZE];
        CLEAN_FD int fd = open_folder(folder);
        entry_name(&j->source, name);
        if (fd >= 0 && load(fd, name, &j->source, ret))
                return 0;
        int r = j->compile(j, ret, e);
        if (r == 0 && fd >= 0)
                save(fd, name, &j->source, ret);
        return r;
}

static int compile_filter(const struct job *j, struct profile_program *ret, struct error *e)
{
        return filter_compile(j->filter, j->notify, &ret->filter, e);
}

static int compile_profile(const struct job *j, struct profile_program *ret, struct error *e)
{
        return profile_compile(j->profile, ret, e);
}

static int compile_restriction(const struct job *j, struct profile_program *ret, struct error *e)
{
        return restriction_compile(j->restriction, &ret->filter, e);
}

static void clean_job(struct job *j)
{
        text_clear(&j->source);
}

int filter_cache_compile(const char *folder, const struct filter *f, bool notify, struct filter_program *ret, struct error *e)
{
        CLEAN(clean_job) struct job j = { .compile = compile_filter, .filter = f, .notify = notify };
        struct profile_program p = { 0 };
        describe_compiler(&j.source, "filter");
        text_addf(&j.source, "%d %d %d %d %d\n", f->set, f->logs, f->allow_list, f->default_error, notify);
        if (f->count)
                text_add_bytes(&j.source, (const char *)f->rules, f->count * sizeof *f->rules);
        int r = compile_through(folder, &j, &p, e);
        if (r == 0)
                *ret = p.filter;
        return r;
}

int filter_cache_compile_profile(const char *folder, const struct profile *profile, struct profile_program *ret, struct error *e)
{
        CLEAN(clean_job) struct job j = { .compile = compile_profile, .profile = profile };
        describe_compiler(&j.source, "profile");
        profile_describe(profile, &j.source);
        return compile_through(folder, &j, ret, e);
}

int filter_cache_compile_restriction(const char *folder, const struct restriction *r, struct filter_program *ret, struct error *e)
{
        CLEAN(clean_job) struct job j = { .compile = compile_restriction, .restriction = r };
        struct profile_program p = { 0 };
        describe_compiler(&j.source, "restriction");
        text_addf(&j.source, "%d %llx %d\n", r->kind, (unsigned long long)r->mask, r->allow_list);
        int k = compile_through(folder, &j, &p, e);
        if (k == 0)
                *ret = p.filter;
        return k;
}
