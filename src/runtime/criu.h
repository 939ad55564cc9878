/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to criu(8), run as the worker of its caller ("criu swrk"): messages of its images/rpc.proto (protobuf, proto2), each whole on
 * a SOCK_SEQPACKET socket. Its command line could do all but one thing, to hand over the main side of a restored terminal.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* The numbers of rpc.proto. */
enum criu_request { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4, CRIU_NOTIFY = 6 };

enum criu_option {
        CRIU_IMAGES_FD = 1, CRIU_PID = 2, CRIU_LEAVE_RUNNING = 3, CRIU_EXT_UNIX_SK = 4, CRIU_TCP_ESTABLISHED = 5, CRIU_SHELL_JOB = 7,
        CRIU_FILE_LOCKS = 8, CRIU_LOG_LEVEL = 9, CRIU_LOG_FILE = 10, CRIU_PAGE_SERVER = 11, CRIU_NOTIFY_SCRIPTS = 12, CRIU_ROOT = 13,
        CRIU_PARENT_IMAGES = 14, CRIU_TRACK_MEM = 15, CRIU_AUTO_DEDUP = 16, CRIU_WORK_FD = 17, CRIU_LINK_REMAP = 18, CRIU_SIBLING = 26,
        CRIU_INHERIT_FD = 27, CRIU_CGROUPS_MODE = 34, CRIU_EXTERNAL = 37, CRIU_EMPTY_NS = 38, CRIU_FREEZE_CGROUP = 44,
        CRIU_TCP_SKIP_IN_FLIGHT = 46, CRIU_LAZY_PAGES = 48, CRIU_STATUS_FD = 49, CRIU_ORPHAN_PTS_MASTER = 50, CRIU_CONFIG_FILE = 51, CRIU_LSM_PROFILE = 53,
        CRIU_LSM_MOUNT_CONTEXT = 63,
};

/* Options are collected in their encoding. */
void criu_add_number(struct text *options, enum criu_option, uint64_t);
void criu_add_text(struct text *options, enum criu_option, const char *);
/* The descriptor fd, which criu itself has under that number, in the place of what the images call key. */
void criu_add_inherited(struct text *options, const char *key, int fd);
void criu_add_page_server(struct text *options, const char *address, unsigned port);

/* What a response says; scripts are those of criu(8), --action-script. */
struct criu_response {
        uint64_t type;
        bool success;
        uint64_t pid;       /* the restored process, or the one that a script is about; 0: none told */
        char script[32];    /* of a notification, cut to fit */
        char message[256];  /* of an error, cut to fit; may be empty */
};

/* 0, or -EBADMSG for bytes that are no such message. */
int criu_parse(const void *data, size_t size, struct criu_response *ret);

struct criu_answer {
        pid_t pid;       /* restored process */
        int terminal_fd; /* main side of its terminal, owned by the caller; negative: it has none */
};
#define CRIU_ANSWER_INIT { .terminal_fd = -EBADF }

/*
 * Sends the request to the worker at the other end and answers its notifications until it is done. "checkpoint.failed" when it said that
 * it failed, or ended without a word.
 */
int criu_ask(int socket, enum criu_request, const struct text *options, struct criu_answer *ret, struct error *e);
