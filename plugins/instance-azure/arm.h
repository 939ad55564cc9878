/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to the Azure Resource Manager: with the token, repeated where that helps, and followed until what they began has ended.
 *
 * Every request that is made here may be repeated: PUT and DELETE say what is to be, PATCH of tags merges.  So a reply that got lost is no
 * trouble: the same request is made again.
 *
 * What a request came to, by its errno:
 *      -ENOENT  404       -EEXIST  412, it is there already       -EBUSY   409       -EINVAL  400 and its kin: asked wrongly
 *      -EACCES  401, 403  -EDQUOT  no capacity, quota, size       -EAGAIN  throttled or out of order for longer than we wait
 *      -EIO     unreachable: it may have had an effect            -EPROTO  an answer that makes no sense
 *      -ECANCELED  an operation ended badly                       -ETIME   an operation did not end in time
 */
#pragma once

#include "config.h"
#include "credential.h"

struct arm {
        const struct azure_config *config;
        struct web_client *web;
        struct credential *credential;
};

struct arm_request {
        const char *method, *path;    /* path: from "/subscriptions/" on, with its api-version; or an absolute address of the endpoint's */
        const char *body;             /* NULL: none */
        bool create;                  /* If-None-Match: *: never change what is there */
        uint64_t patience_usec;       /* for all its repetitions; 0: the configuration's */
        const char *const *secrets;   /* of the body, that no error may repeat; ends with NULL; NULL: none */
};

/* Monotonic, in microseconds. */
uint64_t arm_now_usec(void);
void arm_sleep_ms(uint64_t ms);

/* 0 when the answer is 2xx. */
int arm_call(const struct arm *arm, const struct arm_request *q, struct transfer_reply *ret, struct error *e);
/* As arm_call of "GET path". */
int arm_get(const struct arm *arm, const char *path, struct transfer_reply *ret, struct error *e);
/*
 * Waits for what reply said to have begun: by Azure-AsyncOperation, else by Location. 0 when it ended well; also when the reply names neither or we may
 * not look there, and then *ret_followed is false: whoever cares looks at the resource.
 */
int arm_follow(const struct arm *arm, const struct transfer_reply *reply, uint64_t deadline_usec, bool *ret_followed, struct error *e);

/* "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines[/NAME][/TAIL]?api-version=V". Allocated. */
char *arm_machine_path(const struct azure_config *c, const char *name, const char *tail);
char *arm_interface_path(const struct azure_config *c, const char *name);
/* Of the tags of a machine. */
char *arm_tags_path(const struct azure_config *c, const char *machine);
