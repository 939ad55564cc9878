/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/path_watch.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/* Of what is on the way: that it goes, or changes so that others may pass. Of the last that exists also: that something comes. */
static const uint32_t way_mask = IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB, comes_mask = IN_CREATE | IN_MOVED_TO;

int path_watch_open(struct path_watch *w, struct error *e)
{
        *w = (struct path_watch){ .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
        if (w->fd >= 0)
                return 0;
        int error = errno;
        w->fd = -EBADF;
        return error_errno(e, error, "watch.failed", "watching paths");
}

void path_watch_add(struct path_watch *w, const char *path, uint32_t mask)
{
        w->items = xgrow(w->items, &w->room, w->count + 1, sizeof *w->items);
        w->items[w->count++] = (struct watched_path){ .path = xstrdup(path), .mask = mask, .primary = -1 };
}

void path_watch_keep(struct path_watch *w, size_t count)
{
        while (w->count > count) {
                struct watched_path *p = &w->items[--w->count];
                for (size_t k = 0; k < p->place_count; k++) {
                        w->left = xgrow(w->left, &w->left_room, w->left_count + 1, sizeof *w->left);
                        w->left[w->left_count++] = p->places[k].number;
                }
                free(p->path);
                free(p->places);
        }
}

static bool is_watched(const struct path_watch *w, int watch)
{
        for (size_t i = 0; i < w->count; i++)
                for (size_t k = 0; k < w->items[i].place_count; k++)
                        if (w->items[i].places[k].number == watch)
                                return true;
        return false;
}

/* IN_MASK_ADD: another path may watch the same object for more. */
static int watch_one(struct path_watch *w, struct watched_path *p, const char *path, uint32_t mask, size_t length)
{
        int n = inotify_add_watch(w->fd, path, mask | IN_MASK_ADD | (length ? 0 : IN_DONT_FOLLOW));
        if (n < 0)
                return -errno;
        p->places = xgrow(p->places, &p->place_room, p->place_count + 1, sizeof *p->places);
        p->places[p->place_count++] = (struct watched_place){ n, mask, length };
        return n;
}

/* A link itself, and what it leads to: where it is none both are one. The second's number, or -errno. */
static int watch_both(struct path_watch *w, struct watched_path *p, size_t length, uint32_t mask)
{
        CLEAN_FREE char *part = xstrndup(p->path, length);
        int r = watch_one(w, p, part, way_mask, 0);
        return r < 0 ? r : watch_one(w, p, part, mask, length);
}

static bool is_away(int r)
{
        return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP;
}

/* The length of the path's next part: "/", then up to the end of each name. */
static size_t next_part(const char *path, size_t length)
{
        const size_t from = length == 1 ? 1 : length + 1;
        return from + strcspn(path + from, "/");
}

/* From the top down, as far as it is there. What is followed by something that is there need not wait for it. */
static int watch_way(struct path_watch *w, struct watched_path *p)
{
        const size_t whole = strlen(p->path);
        size_t above = 0;
        p->primary = -1;
        for (size_t length = 1;; length = next_part(p->path, length)) {
                int r = watch_both(w, p, length, length >= whole ? p->mask : way_mask | comes_mask);
                if (r < 0)
                        return is_away(r) ? 0 : r;
                if (above)
                        p->places[above].need = way_mask;
                above = p->place_count - 1;
                if (length >= whole) {
                        p->primary = r;
                        return 0;
                }
        }
}

static uint32_t need_of(const struct path_watch *w, int watch)
{
        uint32_t need = 0;
        for (size_t i = 0; i < w->count; i++)
                for (size_t k = 0; k < w->items[i].place_count; k++)
                        if (w->items[i].places[k].number == watch)
                                need |= w->items[i].places[k].need;
        return need;
}

/* Folders in which much happens are not to wake us for nothing. If one has just been replaced, its old watch tells. */
static void forgo(struct path_watch *w)
{
        for (size_t i = 0; i < w->count; i++)
                for (size_t k = 0; k < w->items[i].place_count; k++) {
                        const struct watched_place *place = &w->items[i].places[k];
                        CLEAN_FREE char *part = xstrndup(w->items[i].path, place->length);
                        if (place->length)
                                (void)inotify_add_watch(w->fd, part, need_of(w, place->number));
                }
}

int path_watch_renew(struct path_watch *w, struct error *e)
{
        CLEAN_FREE int *old = TAKE_PTR(w->left);
        size_t count = w->left_count, room = w->left_room;
        int r = 0;
        w->left_count = w->left_room = 0;
        for (size_t i = 0; i < w->count; i++) {
                for (size_t k = 0; k < w->items[i].place_count; k++) {
                        old = xgrow(old, &room, count + 1, sizeof *old);
                        old[count++] = w->items[i].places[k].number;
                }
                w->items[i].place_count = 0;
        }
        for (size_t i = 0; i < w->count && r == 0; i++)
                if ((r = watch_way(w, &w->items[i])) < 0)
                        error_errno(e, r, "watch.failed", "watching %s", w->items[i].path);
        for (size_t i = 0; i < count && r == 0; i++)
                if (!is_watched(w, old[i]))
                        (void)inotify_rm_watch(w->fd, old[i]); /* it may be gone */
        if (r == 0)
                forgo(w);
        return r;
}

static void take_event(struct path_watch *w, const struct inotify_event *event)
{
        for (size_t i = 0; i < w->count; i++) {
                struct watched_path *p = &w->items[i];
                p->changed |= event->mask & IN_Q_OVERFLOW || (p->primary == event->wd && event->mask & p->mask);
        }
}

bool path_watch_read(struct path_watch *w)
{
        union {
                struct inotify_event event;
                char room[8192];
        } buffer;
        bool any = false;
        for (size_t i = 0; i < w->count; i++)
                w->items[i].changed = false;
        for (ssize_t n; (n = read(w->fd, &buffer, sizeof buffer)) > 0;)
                for (ssize_t at = 0; at < n;) {
                        const struct inotify_event *event = (const struct inotify_event *)(buffer.room + at);
                        /* What is no longer watched was taken away by ourselves. */
                        if (event->mask & IN_Q_OVERFLOW || is_watched(w, event->wd)) {
                                take_event(w, event);
                                any = true;
                        }
                        at += (ssize_t)(sizeof *event + event->len);
                }
        return any;
}

void path_watch_close(struct path_watch *w)
{
        for (size_t i = 0; i < w->count; i++) {
                free(w->items[i].path);
                free(w->items[i].places);
        }
        free(w->items);
        free(w->left);
        fd_close(w->fd);
        *w = (struct path_watch)PATH_WATCH_INIT;
}
