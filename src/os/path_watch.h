/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits for something to happen to paths that may not be there yet (inotify): each is watched, and the folders above it, of which the nearest that
 * exists tells when more of the path comes. Links on the way are watched as well as what they lead to. What an event means is the caller's to
 * look for: it may come for nothing, but never fails to come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct watched_place {
        int number;    /* of the watch */
        uint32_t need; /* of IN_* */
        size_t length; /* of the part of the path that it is at; 0: a link itself */
};

struct watched_path {
        char *path;
        uint32_t mask; /* of IN_*: what of the object itself is told as its change */
        bool changed;  /* since path_watch_read was called */
        struct watched_place *places; /* the path and its parents */
        size_t place_count, place_room;
        int primary;   /* the watch of the object itself, or -1 */
};

struct path_watch {
        int fd; /* readable when something happened; or -EBADF */
        struct watched_path *items;
        size_t count, room;
        int *left; /* watches of paths that are no longer wanted, until path_watch_renew */
        size_t left_count, left_room;
};
#define PATH_WATCH_INIT { .fd = -EBADF }

/* Ids: "watch.failed". */
int path_watch_open(struct path_watch *w, struct error *e);
/* An absolute path without ".."; it is watched from path_watch_renew on. */
void path_watch_add(struct path_watch *w, const char *path, uint32_t mask);
/* Forgets all but the first so many paths, from path_watch_renew on. */
void path_watch_keep(struct path_watch *w, size_t count);
/* Watches all as they are now. To be called after adding, and after path_watch_read returned true; then is the time to look at the paths. */
int path_watch_renew(struct path_watch *w, struct error *e);
/* Takes what has happened: sets changed, new for each path. Whether there was anything. */
bool path_watch_read(struct path_watch *w);
void path_watch_close(struct path_watch *w);
#define CLEAN_PATH_WATCH CLEAN(path_watch_close)
