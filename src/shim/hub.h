/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop of a supervisor: its descriptors, the clients of its socket (wire.h), and the output of what it supervises, which goes
 * into the log and to the clients that asked for it. What the supervisor does about it is its own: it is called back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "shim/log.h"
#include "shim/wire.h"

/* Descriptors are named by these; clients come last. */
enum { HUB_SIGNAL, HUB_LISTEN, HUB_OWN, HUB_OWN_MAX = HUB_OWN + 12, HUB_CLIENT = HUB_OWN_MAX, HUB_CLIENTS_MAX = 16,
       HUB_SOURCES = HUB_CLIENT + HUB_CLIENTS_MAX };

struct hub_source {
        int fd;
        uint32_t want, have; /* epoll events */
        bool added;
};

struct hub_client {
        bool used, output, input, patient;
        bool owed;           /* the chunk in hand has not reached it yet */
        uint64_t stalled_ms; /* since when */
        unsigned serial;     /* no other client has had it */
};

struct hub {
        int epoll_fd, sock_fd;
        struct hub_source sources[HUB_SOURCES];
        struct hub_client clients[HUB_CLIENTS_MAX];
        struct log log;
        size_t chunk_size;
        unsigned serials;
        void (*signal)(void *context, int number, pid_t from);
        void (*source)(void *context, unsigned id, uint32_t events); /* of HUB_OWN on */
        void (*message)(void *context, unsigned client, const unsigned char *m, size_t size);
        void *context;
};

/* Milliseconds of a clock that only goes forward, and goes on while the machine sleeps. */
uint64_t hub_now_ms(void);

/*
 * Takes the signals that it waits for and opens the loop; sock_fd is made in the folder if it is negative. All descriptors that it is given stay
 * the caller's to close. Ids: "shim.start".
 */
int hub_open(struct hub *h, int dir_fd, int sock_fd, const int *signals, size_t signal_count, struct error *e);
void hub_watch(struct hub *h, unsigned id, int fd); /* non-blocking from now on */
void hub_unwatch(struct hub *h, unsigned id);
static inline void hub_want(struct hub *h, unsigned id, uint32_t events)
{
        h->sources[id].want = events;
}
/* Waits, at most timeout_ms (negative: no limit), and calls back for what happened. Clients that do not read in time are dropped. */
void hub_turn(struct hub *h, int timeout_ms);

/* Small messages: a client whose socket is so full that even these do not fit waits a little, or is dropped. */
void hub_send(struct hub *h, unsigned client, enum wire_type type, const void *payload, size_t size);
/* Whoever is connected hears it, asked or not: a run may end before the client got to say that it waits. */
void hub_send_all(struct hub *h, enum wire_type type, const void *payload, size_t size);
/* Notes what a client said with WIRE_HELLO. */
void hub_hello(struct hub *h, unsigned client, const struct wire_hello *hello);
void hub_drop(struct hub *h, unsigned client);
/* Clients that connected but were not heard yet are heard, so that nobody waits for an end that has passed. */
void hub_hear_late(struct hub *h);

/* Whether a client has not got the last piece of output yet: none is read before. */
bool hub_owes(const struct hub *h);
/* Waits for clients that are owed it, each until its patience ends. */
void hub_settle(struct hub *h);
/* Reads all that there is of a source until a client is owed a piece: without clients the log has then everything. The number of pieces is bounded. */
void hub_pump_now(struct hub *h, unsigned id, int stream);
/* Reads a piece of output, logs it and offers it to all. The read's result: 0 at the end, -EAGAIN when there is none. */
ssize_t hub_pump(struct hub *h, unsigned id, int stream);
/* Writes a line of the supervisor's own into the log; hub_say: to whoever is connected as well, who takes it for a note. */
void hub_log(struct hub *h, const char *line);
void hub_say(struct hub *h, const char *line);
