/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON-RPC 2.0 as InfraKit's plugins speak it: requests and replies as text, and what they mean.  Pure.
 *
 *      {"jsonrpc":"2.0","method":"Instance.Provision","params":{...},"id":5577006791947779410}
 *      {"jsonrpc":"2.0","result":{...},"id":5577006791947779410}
 *      {"jsonrpc":"2.0","error":{"code":-32000,"message":"...","data":null},"id":5577006791947779410}
 *
 * An id is given back as it was written: 63 bits do not pass through a double.
 */
#pragma once

#include "base/json.h"

enum { RPC_PARSE = -32700, RPC_INVALID = -32600, RPC_FAILED = -32000 };
enum { RPC_METHOD_MAX = 128, RPC_ID_MAX = 128, RPC_BODY_MAX = 16 << 20, RPC_REPLY_MAX = 256 << 20 };

struct rpc_request {
        struct json_document document;
        char interface[RPC_METHOD_MAX], method[RPC_METHOD_MAX]; /* "Instance", "Provision" */
        const struct json_node *params;                         /* an object, or NULL */
        char id[RPC_ID_MAX];                                    /* JSON text; empty: a notification, which gets no answer */
};
void rpc_request_done(struct rpc_request *r);
#define CLEAN_RPC_REQUEST CLEAN(rpc_request_done)

/* Reads a request. On failure ret_code says which of JSON-RPC's codes it is, and ret->id is filled in where it was understood. Ids: "rpc.request", "json.syntax". */
int rpc_request_parse(const char *text, size_t size, struct rpc_request *ret, int *ret_code, struct error *e);
/* Appends a request. params is JSON text, or NULL for {}. */
void rpc_request_format(struct text *t, const char *method, const char *params, uint64_t id);

/* Appends an answer: to the id, which is not empty. result is JSON text. */
void rpc_result_format(struct text *t, const char *id, const char *result, size_t result_size);
/* The message is the cause with its hint; data holds the error's fields, for those who know them. */
void rpc_error_format(struct text *t, const char *id, int code, const struct error *e);
/*
 * Reads an answer: ret is the document, ret_result points to the result in it.  An error of the other side becomes "rpc.remote", or
 * the error that it was where data holds one of ours. Lenient as InfraKit's own client: neither id nor version are looked at.
 */
int rpc_reply_parse(const char *text, size_t size, struct json_document *ret, const struct json_node **ret_result, struct error *e);
/* Appends microseconds of the wall clock as a JSON string, in UTC, as RFC 3339 has it. */
void rpc_time_format(struct text *t, uint64_t usec);
