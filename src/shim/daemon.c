/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/daemon.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "os/file.h"

static int quiet_stdio(void)
{
        CLEAN_FD int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (int i = 0; i < 3; i++)
                if (i != fd && dup2(fd, i) < 0)
                        return -errno;
        return 0;
}

int daemon_detach(struct error *e)
{
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return error_errno(e, errno, "shim.start", "become subreaper");
        (void)umask(077);
        (void)setsid();
        if (chdir("/") < 0 || quiet_stdio() < 0)
                return error_errno(e, errno, "shim.start", "leave the caller's folder and stdio");
        (void)file_write(AT_FDCWD, "/proc/self/oom_score_adj", "-900"); /* where it is allowed */
        return 0;
}

/* Drops the pages of one object's segments that are never written: they stand in the page cache anyway. */
static int drop_constant_pages(struct dl_phdr_info *info, size_t size, void *data)
{
        (void)size, (void)data;
        for (size_t i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
                        continue;
                uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
                (void)madvise((void *)from, info->dlpi_addr + p->p_vaddr + p->p_memsz - from, MADV_DONTNEED);
        }
        return 1; /* the first object is the program itself */
}

/* What deeper calls left below the stack's end is read by nobody. A kilobyte is kept for this frame and a signal's red zone. */
__attribute__((noinline)) static void drop_stack(void)
{
        enum { KEPT = 1024, DEPTH = 256 << 10 };
        const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = ((uintptr_t)__builtin_frame_address(0) - KEPT) & ~(page - 1);
        (void)madvise((void *)(end - DEPTH), DEPTH, MADV_DONTNEED); /* what is not mapped there is passed over */
}

void daemon_shrink(void)
{
        drop_stack();
        (void)malloc_trim(0);
        (void)dl_iterate_phdr(drop_constant_pages, NULL);
}
