/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime/criu.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "os/descriptor.h"

enum { MESSAGE_MAX = 16384, VARINT_BITS = 7, WIRE_BITS = 3 };
enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Fields of the messages around the options. */
enum { REQ_TYPE = 1, REQ_OPTIONS = 2, REQ_NOTIFY_SUCCESS = 3 };
enum { RESP_TYPE = 1, RESP_SUCCESS = 2, RESP_RESTORE = 4, RESP_NOTIFY = 5, RESP_MESSAGE = 9 };
enum { RESTORE_PID = 1 };
enum { NOTIFY_SCRIPT = 1, NOTIFY_PID = 2 };
enum { INHERIT_KEY = 1, INHERIT_FD = 2 };
enum { SERVER_ADDRESS = 1, SERVER_PORT = 2 };

/* ---- writing ---- */

static void add_varint(struct text *t, uint64_t n)
{
        do {
                char byte = (char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
                text_add_bytes(t, &byte, 1);
                n >>= VARINT_BITS;
        } while (n);
}

static void add_number(struct text *t, unsigned field, uint64_t n)
{
        add_varint(t, field << WIRE_BITS | WIRE_VARINT);
        add_varint(t, n);
}

static void add_bytes(struct text *t, unsigned field, const char *data, size_t size)
{
        add_varint(t, field << WIRE_BITS | WIRE_BYTES);
        add_varint(t, size);
        text_add_bytes(t, data, size);
}

void criu_add_number(struct text *options, enum criu_option field, uint64_t n)
{
        add_number(options, field, n);
}

void criu_add_text(struct text *options, enum criu_option field, const char *s)
{
        add_bytes(options, field, s, strlen(s));
}

void criu_add_inherited(struct text *options, const char *key, int fd)
{
        CLEAN_TEXT struct text t = { 0 };
        add_bytes(&t, INHERIT_KEY, key, strlen(key));
        add_number(&t, INHERIT_FD, (uint64_t)fd);
        add_bytes(options, CRIU_INHERIT_FD, t.data, t.length);
}

void criu_add_page_server(struct text *options, const char *address, unsigned port)
{
        CLEAN_TEXT struct text t = { 0 };
        add_bytes(&t, SERVER_ADDRESS, address, strlen(address));
        add_number(&t, SERVER_PORT, port);
        add_bytes(options, CRIU_PAGE_SERVER, t.data, t.length);
}

/* ---- reading ---- */

struct field {
        uint64_t number, value; /* value: of a varint */
        const char *data;       /* of bytes; not terminated */
        size_t size;
};

static bool take_varint(const char **at, const char *end, uint64_t *ret)
{
        *ret = 0;
        for (unsigned shift = 0; *at < end && shift < 64; shift += VARINT_BITS) {
                unsigned char byte = (unsigned char)*(*at)++;
                *ret |= (uint64_t)(byte & 0x7f) << shift;
                if (!(byte & 0x80))
                        return true;
        }
        return false;
}

/* 1 and a field, 0 at the end, or -EBADMSG. */
static int take_field(const char **at, const char *end, struct field *ret)
{
        uint64_t tag, size = 0;
        *ret = (struct field){ 0 };
        if (*at == end)
                return 0;
        if (!take_varint(at, end, &tag))
                return -EBADMSG;
        ret->number = tag >> WIRE_BITS;
        switch (tag & 7) {
        case WIRE_VARINT:
                return take_varint(at, end, &ret->value) ? 1 : -EBADMSG;
        case WIRE_BYTES:
                if (!take_varint(at, end, &size))
                        return -EBADMSG;
                break;
        case WIRE_64:
                size = 8;
                break;
        case WIRE_32:
                size = 4;
                break;
        default:
                return -EBADMSG;
        }
        if (size > (uint64_t)(end - *at))
                return -EBADMSG;
        *ret = (struct field){ .number = ret->number, .data = *at, .size = (size_t)size };
        *at += size;
        return 1;
}

static void keep_text(char *to, size_t room, const struct field *f)
{
        size_t n = f->size < room ? f->size : room - 1;
        if (n > 0)
                memcpy(to, f->data, n);
        while (n > 0 && to[n - 1] == '\n')
                n--;
        to[n] = 0;
}

static int parse_inner(const struct field *outer, struct criu_response *ret)
{
        struct field f;
        int r;
        if (!outer->data)
                return -EBADMSG;
        const char *at = outer->data, *end = at + outer->size;
        while ((r = take_field(&at, end, &f)) > 0)
                if (outer->number == RESP_NOTIFY && f.number == NOTIFY_SCRIPT)
                        keep_text(ret->script, sizeof ret->script, &f);
                else if (f.number == (outer->number == RESP_NOTIFY ? NOTIFY_PID : RESTORE_PID))
                        ret->pid = f.value;
        return r;
}

int criu_parse(const void *data, size_t size, struct criu_response *ret)
{
        struct field f;
        const char *at = data, *end = at + size;
        int r;
        *ret = (struct criu_response){ 0 };
        while ((r = take_field(&at, end, &f)) > 0) {
                if (f.number == RESP_TYPE)
                        ret->type = f.value;
                else if (f.number == RESP_SUCCESS)
                        ret->success = f.value != 0;
                else if (f.number == RESP_MESSAGE)
                        keep_text(ret->message, sizeof ret->message, &f);
                else if ((f.number == RESP_RESTORE || f.number == RESP_NOTIFY) && (r = parse_inner(&f, ret)) < 0)
                        return r;
        }
        return r;
}

/* ---- talking ---- */

static int send_message(int socket, const struct text *t, struct error *e)
{
        ssize_t n = send(socket, t->data, t->length, MSG_NOSIGNAL);
        return n == (ssize_t)t->length ? 0 : error_errno(e, n < 0 ? errno : EMSGSIZE, "checkpoint.failed", "asking criu");
}

static int send_request(int socket, enum criu_request type, const struct text *options, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        add_number(&t, REQ_TYPE, type);
        add_bytes(&t, REQ_OPTIONS, options->data, options->length);
        return send_message(socket, &t, e);
}

static int confirm(int socket, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        add_number(&t, REQ_TYPE, CRIU_NOTIFY);
        add_number(&t, REQ_NOTIFY_SUCCESS, true);
        return send_message(socket, &t, e);
}

static int receive(int socket, struct criu_response *ret, int *ret_fd, struct error *e)
{
        char data[MESSAGE_MAX];
        size_t count = 0;
        ssize_t n;
        *ret_fd = -EBADF;
        while ((n = descriptor_receive(socket, data, sizeof data, ret_fd, 1, &count)) == -EINTR)
                ;
        if (n <= 0)
                return error_set(e, ECONNRESET, "checkpoint.failed", "criu ended without an answer");
        if (criu_parse(data, (size_t)n, ret) < 0) {
                fd_close(*ret_fd);
                return error_set(e, EBADMSG, "checkpoint.failed", "criu answered with a message that is none of its protocol");
        }
        return 0;
}

int criu_ask(int socket, enum criu_request type, const struct text *options, struct criu_answer *ret, struct error *e)
{
        struct criu_response s;
        int r = send_request(socket, type, options, e);
        while (r == 0) {
                CLEAN_FD int fd = -EBADF;
                r = receive(socket, &s, &fd, e);
                if (r < 0 || s.type != CRIU_NOTIFY)
                        break;
                if (strcmp(s.script, "orphan-pts-master") == 0 && fd >= 0 && ret->terminal_fd < 0) {
                        ret->terminal_fd = fd;
                        fd = -EBADF;
                }
                r = confirm(socket, e);
        }
        if (r < 0)
                return r;
        if (!s.success || s.type != (uint64_t)type || (type == CRIU_RESTORE && (s.pid < 2 || s.pid > INT_MAX)))
                return error_set(e, EIO, "checkpoint.failed", "criu could not %s the container%s%.200s", type == CRIU_RESTORE ? "restore" : "save", s.message[0] ? ": " : "", s.message);
        ret->pid = (pid_t)s.pid;
        return 0;
}
