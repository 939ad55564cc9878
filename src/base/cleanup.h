/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Visible owners.  A variable marked CLEAN_FREE or CLEAN_FD gives its resource back when it leaves its
 * scope; TAKE_PTR and TAKE_FD hand the resource on instead.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEAN(f) __attribute__((cleanup(f)))
#define ELEMENTS(a) (sizeof(a) / sizeof *(a))

static inline void clean_free(void *p)
{
        free(*(void **)p);
}

/* Closes fd unless it is negative; keeps errno; returns -EBADF, so that "fd = fd_close(fd)" forgets it. */
static inline int fd_close(int fd)
{
        if (fd >= 0) {
                int saved = errno;
                (void)close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void clean_fd(int *fd)
{
        (void)fd_close(*fd);
}

#define CLEAN_FREE CLEAN(clean_free)
#define CLEAN_FD CLEAN(clean_fd)

#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) taken_ = (p);                                                                  \
                (p) = NULL;                                                                                  \
                taken_;                                                                                      \
        })

#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int taken_ = (fd);                                                                           \
                (fd) = -EBADF;                                                                               \
                taken_;                                                                                      \
        })
