/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/self.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/prctl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "os/file.h"
#include "os/mount.h"

extern char **environ;

/* In a mount namespace that is a copy of the one we started in, our file's mount is not ours to clone: but its copy is. */
static int clone_by_name(void)
{
        char path[PATH_MAX];
        struct stat own, found;
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        path[n > 0 ? n : 0] = 0;
        CLEAN_FD int mount = n > 0 ? mount_clone_source(path, false, true) : -ENOENT;
        if (mount < 0)
                return mount;
        if (stat("/proc/self/exe", &own) < 0 || fstat(mount, &found) < 0 || own.st_dev != found.st_dev || own.st_ino != found.st_ino)
                return -ESTALE; /* an upgrade has put another file in its place */
        return TAKE_FD(mount);
}

/* Where no mount can be cloned: a sealed copy in memory, which costs its size and a little time. */
int self_copy_sealed(void)
{
        static const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
        CLEAN_FD int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = memfd_create("bulkhead", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ssize_t n;
        if (from < 0 || to < 0)
                return -errno;
        while ((n = sendfile(to, from, NULL, 1 << 24)) > 0)
                ;
        if (n < 0 || fcntl(to, F_ADD_SEALS, seals) < 0)
                return -errno;
        char link[32];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", to);
        int fd = open(link, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int self_open_read_only(void)
{
        char link[32];
        CLEAN_FD int mount = mount_clone_source("/proc/self/exe", false, false);
        if (mount == -EINVAL)
                mount = clone_by_name();
        int r = mount < 0 ? mount : mount_change(mount, MOUNT_ATTR_RDONLY, 0, 0, false);
        if (r < 0)
                return self_copy_sealed();
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", mount);
        int fd = open(link, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

bool self_is_read_only(void)
{
        struct statvfs st;
        return statvfs("/proc/self/exe", &st) == 0 && st.f_flag & ST_RDONLY;
}

bool self_can_exchange(void)
{
        unsigned size = 0;
        return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 && size == sizeof(struct prctl_mm_map);
}

int self_execute(int fd, char **argv)
{
        (void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
        return -errno;
}

struct exchange {
        int fd;
        int result;
};

static uintptr_t page_down(uintptr_t at)
{
        return at & ~((uintptr_t)getpagesize() - 1);
}

static uintptr_t page_up(uintptr_t at)
{
        return page_down(at + (uintptr_t)getpagesize() - 1);
}

/* What is never written is the same in the file. */
static int exchange_constant(int fd, const ElfW(Phdr) *p, uintptr_t from, size_t size)
{
        int protection = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_X ? PROT_EXEC : 0);
        void *at = mmap((void *)from, size, protection, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, fd, (off_t)page_down(p->p_offset));
        return at == MAP_FAILED ? -errno : 0;
}

/* A sanitizer's memcpy would find fault with what the sanitizer itself keeps between variables. */
#ifdef __SANITIZE_ADDRESS__
__attribute__((no_sanitize("address"))) static void copy_pages(char *to, const char *from, size_t size)
{
        for (size_t i = 0; i < size; i++)
                ((volatile char *)to)[i] = from[i];
}
#else
static void copy_pages(char *to, const char *from, size_t size)
{
        memcpy(to, from, size);
}
#endif

/* What may be written moves as it is into memory of no file; between the copy and the move nothing of it changes. */
static int exchange_data(uintptr_t from, size_t size)
{
        void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (copy == MAP_FAILED)
                return -errno;
        copy_pages(copy, (const char *)from, size);
        return mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)from) == MAP_FAILED ? -errno : 0;
}

static int exchange_segment(const struct dl_phdr_info *info, const ElfW(Phdr) *p, int fd)
{
        uintptr_t start = info->dlpi_addr + p->p_vaddr, from = page_down(start);
        size_t size = page_up(start + p->p_filesz) - from;
        if (!p->p_filesz)
                return 0;
        return p->p_flags & PF_W ? exchange_data(from, size) : exchange_constant(fd, p, from, size);
}

/* The first object is the program itself. */
static int exchange_object(struct dl_phdr_info *info, size_t size, void *data)
{
        struct exchange *x = data;
        (void)size;
        for (size_t i = 0; x->result == 0 && i < info->dlpi_phnum; i++)
                if (info->dlpi_phdr[i].p_type == PT_LOAD)
                        x->result = exchange_segment(info, &info->dlpi_phdr[i], x->fd);
        /* The relocated part of the data is read-only again. */
        for (size_t i = 0; x->result == 0 && i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                uintptr_t start = info->dlpi_addr + p->p_vaddr, from = page_down(start), to = page_down(start + p->p_memsz);
                if (p->p_type == PT_GNU_RELRO && to > from && mprotect((void *)from, to - from, PROT_READ) < 0)
                        x->result = -errno;
        }
        return 1;
}

/* What does not change while a program runs, so that a child has it from its parent. */
static struct prctl_mm_map known;

/* proc(5): the fields of stat that PR_SET_MM_MAP wants back, by number. */
static int read_map(void)
{
        char text[2048];
        CLEAN_FD int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (n <= 0)
                return -EIO;
        text[n] = 0;
        char *rest = strrchr(text, ')');
        uint64_t field[53] = { 0 };
        if (!rest)
                return -EIO;
        rest += 2;
        for (int i = 3; i <= 51 && rest; i++) {
                char *word = strsep(&rest, " ");
                (void)text_parse_uint(word, UINT64_MAX, &field[i]);
        }
        known = (struct prctl_mm_map){ .start_code = field[26], .end_code = field[27], .start_stack = field[28], .start_data = field[45],
                                       .end_data = field[46], .start_brk = field[47], .arg_start = field[48], .arg_end = field[49],
                                       .env_start = field[50], .env_end = field[51] };
        return 0;
}

int self_prepare(void)
{
        return known.start_code ? 0 : read_map();
}

int self_exchange(int fd)
{
        struct exchange x = { .fd = fd };
        int r = self_prepare();
        if (r < 0)
                return r;
        struct prctl_mm_map map = known;
        map.brk = (uint64_t)(uintptr_t)sbrk(0);
        (void)dl_iterate_phdr(exchange_object, &x);
        if (x.result < 0)
                return x.result;
        map.exe_fd = (uint32_t)fd;
        return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) < 0 ? -errno : 0;
}
