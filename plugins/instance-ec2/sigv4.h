/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AWS Signature Version 4 of a request that carries all it says in its body (the Query APIs of EC2 and STS).  Pure: the time is given.
 * What is signed: the method, the path "/", no query, the headers content-type, host, x-amz-date and, with temporary
 * credentials, x-amz-security-token, and the SHA-256 of the body.
 */
#pragma once

#include <stddef.h>
#include <time.h>

#include "aws_credentials.h"

struct sigv4_request {
        const char *method;       /* "POST" */
        const char *host;         /* as the header Host says it: with the port where that is not the scheme's own */
        const char *content_type; /* NULL: the request has no such header, and none is signed */
        const char *body;         /* NULL: empty */
        size_t body_size;
        const char *region, *service;
        time_t now;
};

/* Adds the headers to send, "Name: value" each: Host, Content-Type, X-Amz-Date, X-Amz-Security-Token where there is one, Authorization. */
void sigv4_headers(const struct sigv4_request *r, const struct aws_credentials *c, struct strings *headers);

/* SHA-256 as 64 hexadecimal digits and a NUL. */
void sha256_hex(const void *data, size_t size, char ret[65]);
