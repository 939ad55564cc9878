/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What runs of a command were seen to do: the union over all of them, bounded in every part.  Gathered by sandbox/observe.h, kept as
 * JSON, and made into directives by plan/learn.h.  Pure: no system call, no privilege.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

enum {
        OBSERVED_CALLS_MAX = 1024,
        OBSERVED_PATHS_MAX = 16384,
        OBSERVED_FOLDER_MAX = 256, /* paths directly in one folder; more become that folder and all below */
        OBSERVED_SOCKETS_MAX = 256,
        OBSERVED_PORTS_MAX = 1024,
        OBSERVED_PEERS_MAX = 1024,
        OBSERVED_USERS_MAX = 64,
        OBSERVED_OUTCOMES_MAX = 16,
        OBSERVED_ERRNO_MAX = 192,
        OBSERVED_JSON_MAX = 64 << 20, /* bytes of a file of observations */
};

enum path_use {
        USE_LOOK = 1 << 0,    /* its attributes, or where a link leads */
        USE_READ = 1 << 1,
        USE_WRITE = 1 << 2,
        USE_CHANGE = 1 << 3,  /* of a folder: something was made in it, removed from it or renamed */
        USE_MADE = 1 << 4,    /* the run made it */
        USE_EXECUTE = 1 << 5,
        USE_MAP = 1 << 6,     /* its content was mapped as code */
        USE_DEVICE = 1 << 7,
        USE_CONNECT = 1 << 8, /* a unix socket that was there before */
        USE_FOLDER = 1 << 9,
        USE_BELOW = 1 << 10,  /* stands for all below as well */
        USE_MISS = 1 << 11,   /* looked for and not there */
};
enum { USE_ANY = ~USE_MISS };
const char *path_use_name(unsigned bit); /* NULL beyond the last */

enum trait {
        TRAIT_WRITABLE_CODE,   /* memory that is both writable and executable, or became executable */
        TRAIT_REALTIME, TRAIT_PERSONALITY, TRAIT_SET_ID_FILE, TRAIT_SET_ID_PROGRAM, TRAIT_CLOCK, TRAIT_MODULE, TRAIT_KERNEL_LOG, TRAIT_HOSTNAME,
        TRAIT_KEYRING, TRAIT_IPC,
        TRAIT_OTHER_PROCESSES, /* looked at in /proc */
        TRAIT_PROC_SYSTEM,     /* what /proc has beside processes */
        TRAIT_LISTENS,
        TRAIT_NETWORK,         /* spoke or listened by another family than AF_UNIX */
        TRAIT_ABSTRACT_PEER,   /* connected to an abstract unix socket that is not its own */
        TRAIT_UNSEEN,          /* a part traced another: what that one did was not seen */
        TRAIT_COUNT
};
const char *trait_name(unsigned t); /* NULL beyond the last */

struct observed_call {
        char *name;
        bool foreign; /* of another architecture than the machine's own */
        bool succeeded;
        uint64_t times;
        uint64_t errors[OBSERVED_ERRNO_MAX / 64]; /* bit N: failed with errno N */
};

struct observed_path {
        char *path; /* absolute, normalized */
        unsigned uses;
};

struct observed_socket {
        int32_t family, type, protocol;
};

struct observed_port {
        int32_t family, protocol; /* AF_INET or AF_INET6, IPPROTO_TCP or IPPROTO_UDP */
        uint16_t port;            /* 0: the kernel chose one */
};

struct observed_peer {
        char *address;
        int32_t protocol;
        uint16_t port;
};

struct observations {
        struct strings command;
        uint32_t runs;
        int32_t outcomes[OBSERVED_OUTCOMES_MAX]; /* exit statuses; 256 + N for signal N */
        size_t outcome_count;
        struct observed_call *calls;
        size_t call_count, call_room;
        struct observed_path *paths;
        size_t path_count, path_room;
        uint32_t *path_slots; /* a hash table of paths: index + 1 */
        size_t path_slot_count;
        bool full; /* no folder is left that could stand for many paths */
        struct observed_socket sockets[OBSERVED_SOCKETS_MAX];
        size_t socket_count;
        struct observed_port ports[OBSERVED_PORTS_MAX];
        size_t port_count;
        struct observed_peer *peers;
        size_t peer_count, peer_room;
        uint32_t users[OBSERVED_USERS_MAX]; /* effective ids */
        size_t user_count;
        bool traits[TRAIT_COUNT];
        uint64_t namespaces;   /* CLONE_NEW* */
        uint64_t capabilities; /* without which a call would have failed, as far as calls show it */
        uint32_t made_modes;   /* all mode bits of files and folders that it made */
        uint64_t tasks, memory_bytes; /* at most */
        uint64_t lost;         /* what the limits above left out: conclusions from absence are not safe then */
};

/* The row of a call, made if missing; NULL when there are too many. The pointer holds until the next is made. */
struct observed_call *observations_call(struct observations *o, const char *name, bool foreign);
void observations_add_path(struct observations *o, const char *path, unsigned uses);
/* The uses of a path, itself or by a folder that stands for it; 0: not seen. */
unsigned observations_uses(const struct observations *o, const char *path);
/* Whether a path was used in one of these ways, itself or anything below it. */
bool observations_used_below(const struct observations *o, const char *folder, unsigned uses);
void observations_add_socket(struct observations *o, int family, int type, int protocol);
void observations_add_port(struct observations *o, int family, int protocol, uint16_t port);
void observations_add_peer(struct observations *o, const char *address, int protocol, uint16_t port);
void observations_add_user(struct observations *o, uint32_t uid);
void observations_add_outcome(struct observations *o, int outcome);
bool observations_has_outcome(const struct observations *o, int outcome);
/* Adds all of other. */
void observations_merge(struct observations *o, const struct observations *other);
void observations_done(struct observations *o);
#define CLEAN_OBSERVATIONS CLEAN(observations_done)

/* As JSON, with a newline at the end. Paths that JSON cannot hold are given as their folder and all below. */
void observations_format(const struct observations *o, struct text *ret);
/*
 * Adds what a file holds; name stands for it in errors. Ids: "json.syntax", "json.value", "learn.version" for one of a newer Bulkhead,
 * "learn.limit". After an error o may hold a part.
 */
int observations_parse(struct observations *o, const char *name, const char *data, size_t size, struct error *e);
