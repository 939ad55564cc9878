/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wire between a shim and its clients: SOCK_SEQPACKET, so one packet is one message: a type byte and then
 * at most WIRE_PAYLOAD_MAX bytes.  Both ends are on one machine: numbers are in host order.  A structure may
 * grow at its end: a reader takes the part that it knows and zero for what is missing.
 *
 *   client to shim                                   shim to client
 *   HELLO    struct wire_hello, first, to attach     STARTED   empty: exec succeeded (or had)
 *   WAIT     empty: tell me the end                  FAILED    struct error: set-up failed, EXITED follows
 *   INPUT    bytes for the payload's stdin           NOTE      text: a leniency that the start made
 *   INPUT_EOF                                        OUTPUT    a stream byte (1, 2), then bytes
 *   RESIZE   struct wire_resize                      EXITED    struct wire_exited, the last message
 *   STOP     struct wire_stop
 *   KILL     struct wire_kill
 *   DETACHED empty: good-bye                         DONE      int32: how RELOAD went, 0 or -errno
 *   RELOAD   empty: services
 *   RESTART  struct wire_restart: services; STARTED or FAILED follow, or DONE with -ESTALE: it is over, and has to be started anew
 *   START    empty: services; DONE with 0 and then as RESTART. Who waits for a stop that this overtakes gets OVERTAKEN
 *   RESET    empty: services; DONE with 0: failures and counted starts are forgotten
 *   SOCKETS  empty: sockets; SOCKETS follows, with      SOCKETS   their names, between colons
 *            the descriptors
 */
#pragma once

#include <stdint.h>

enum { WIRE_PAYLOAD_MAX = 65535, WIRE_OUTPUT_MAX = 16384, WIRE_VERSION = 1 };

enum wire_type {
        WIRE_HELLO = 1,
        WIRE_WAIT = 2,
        WIRE_INPUT = 3,
        WIRE_INPUT_EOF = 4,
        WIRE_RESIZE = 5,
        WIRE_STOP = 6,
        WIRE_KILL = 7,
        WIRE_DETACHED = 8,
        WIRE_RELOAD = 9,
        WIRE_RESTART = 10,
        WIRE_SOCKETS = 11,
        WIRE_START = 12,
        WIRE_RESET = 13,

        WIRE_STARTED = 16,
        WIRE_FAILED = 17,
        WIRE_NOTE = 18,
        WIRE_OUTPUT = 19,
        WIRE_EXITED = 20,
        WIRE_DONE = 21,
        WIRE_OVERTAKEN = 22,
};

enum wire_hello_flags {
        WIRE_HELLO_OUTPUT = 1,  /* send me the output */
        WIRE_HELLO_INPUT = 2,   /* I may send input */
        WIRE_HELLO_PATIENT = 4, /* the run is mine: when I am slow the payload waits, as with a pipe */
};

struct wire_hello {
        uint32_t version;
        uint32_t flags;
        uint16_t rows, cols; /* 0: unknown */
};

struct wire_resize {
        uint16_t rows, cols;
};

#define WIRE_STOP_DEFAULT UINT32_MAX
struct wire_stop {
        uint32_t timeout_ms; /* WIRE_STOP_DEFAULT: as the run was started with */
};

enum { WIRE_KILL_ALL = 1 };
struct wire_kill {
        int32_t signal;
        uint32_t flags;
};

enum { WIRE_RESTART_REPORT = 1 }; /* watch for denials from now on */
struct wire_restart {
        uint32_t flags;
};

enum wire_code { WIRE_CODE_NONE, WIRE_CODE_EXITED, WIRE_CODE_KILLED, WIRE_CODE_DUMPED };

struct wire_exited {
        uint32_t code;  /* enum wire_code */
        int32_t status; /* exit status or signal */
        uint64_t cpu_usec;
        uint64_t runtime_usec;
        char result[32]; /* "success", "exit-code", "signal", "core-dump", "timeout" */
};

_Static_assert(sizeof(struct wire_hello) == 12, "wire layout");
_Static_assert(sizeof(struct wire_resize) == 4, "wire layout");
_Static_assert(sizeof(struct wire_stop) == 4, "wire layout");
_Static_assert(sizeof(struct wire_kill) == 8, "wire layout");
_Static_assert(sizeof(struct wire_restart) == 4, "wire layout");
_Static_assert(sizeof(struct wire_exited) == 56, "wire layout");
