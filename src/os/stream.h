/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection on an event loop: what comes is handed to its owner, what is sent is written at once as far as possible and the rest
 * when there is room again.
 */
#pragma once

#include "base/text.h"
#include "os/event_loop.h"

struct stream {
        /* Both return false when the stream was closed or freed meanwhile. */
        bool (*input)(struct stream *s, const char *data, size_t size);
        bool (*ended)(struct stream *s, int errnum); /* 0: the other side closed; called once, and nothing after it */
        void (*drained)(struct stream *s);           /* all was written; NULL: nobody wants to know. May close */

        struct loop *loop; /* from here on the stream's own */
        struct loop_source source;
        struct text out;
        size_t sent;
        bool paused, connecting, over;
};

/* Takes the descriptor, which is made non-blocking. connecting: it was told to connect, and has not yet. 0 or -errno, and fd is closed. */
int stream_open(struct stream *s, struct loop *l, int fd, bool connecting);
/* Forgets and closes all; may be called at any time, also twice. */
void stream_close(struct stream *s);
/* Sends; errors come as `ended`, later. */
void stream_send(struct stream *s, const void *data, size_t size);
/* Does not read for the time being. An end of the connection is still told, unless input is left. */
void stream_pause(struct stream *s, bool pause);
static inline size_t stream_backlog(const struct stream *s)
{
        return s->out.length - s->sent;
}
/* A non-blocking socket that connects. ret_connecting: it is not done yet. Ids: "socket.connect". */
int stream_connect_path(const char *path, bool *ret_connecting, int *ret_fd, struct error *e);
/* address: a number, v4 or v6, or "localhost"; names are not looked up. */
int stream_connect_tcp(const char *address, const char *port, bool *ret_connecting, int *ret_fd, struct error *e);
