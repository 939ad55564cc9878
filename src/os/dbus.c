/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/dbus.h"
#include "os/users.h"

#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { METHOD_CALL = 1, METHOD_RETURN = 2, ERROR_REPLY = 3, SIGNAL = 4 };
enum { FIELD_PATH = 1, FIELD_INTERFACE = 2, FIELD_MEMBER = 3, FIELD_ERROR_NAME = 4, FIELD_REPLY_SERIAL = 5, FIELD_DESTINATION = 6, FIELD_SENDER = 7, FIELD_SIGNATURE = 8 };
enum { TIMEOUT_MS = 30000, MESSAGE_MAX = 1 << 20, BUS_MESSAGE_MAX = 1 << 27, HEADER_SIZE = 16 };

static const char bus[] = "org.freedesktop.DBus", bus_path[] = "/org/freedesktop/DBus";

/* ---- writing ---- */

void dbus_align(struct text *b, size_t size)
{
        while (b->length % size)
                text_add_bytes(b, "", 1);
}

void dbus_add_u8(struct text *b, uint8_t n)
{
        text_add_bytes(b, (const char *)&n, 1);
}

static void add_number(struct text *b, uint64_t n, size_t size)
{
        dbus_align(b, size);
        for (size_t i = 0; i < size; i++)
                dbus_add_u8(b, (uint8_t)(n >> 8 * i));
}

void dbus_add_u32(struct text *b, uint32_t n)
{
        add_number(b, n, 4);
}

void dbus_add_u64(struct text *b, uint64_t n)
{
        add_number(b, n, 8);
}

void dbus_add_bool(struct text *b, bool n)
{
        dbus_add_u32(b, n);
}

void dbus_add_string(struct text *b, const char *s)
{
        dbus_add_u32(b, (uint32_t)strlen(s));
        text_add_bytes(b, s, strlen(s) + 1);
}

void dbus_add_signature(struct text *b, const char *s)
{
        dbus_add_u8(b, (uint8_t)strlen(s));
        text_add_bytes(b, s, strlen(s) + 1);
}

static void put_u32(struct text *b, size_t at, uint32_t n)
{
        for (size_t i = 0; i < 4; i++)
                b->data[at + i] = (char)(uint8_t)(n >> 8 * i);
}

size_t dbus_begin_array(struct text *b, size_t element)
{
        dbus_add_u32(b, 0);
        size_t at = b->length - 4;
        dbus_align(b, element);
        return at;
}

void dbus_end_array(struct text *b, size_t at, size_t element)
{
        size_t begin = (at + 4 + element - 1) / element * element; /* the length does not count what aligns the first */
        put_u32(b, at, (uint32_t)(b->length - begin));
}

static void add_field(struct text *b, uint8_t code, const char *signature, const char *value)
{
        if (!value || !*value)
                return;
        dbus_align(b, 8);
        dbus_add_u8(b, code);
        dbus_add_signature(b, signature);
        if (*signature == 'g')
                dbus_add_signature(b, value);
        else
                dbus_add_string(b, value);
}

/* ---- reading ---- */

struct cursor {
        const unsigned char *data;
        size_t at, end;
        bool failed;
};

static void skip_to(struct cursor *c, size_t size)
{
        c->at = (c->at + size - 1) / size * size;
}

static uint32_t get_u32(struct cursor *c)
{
        skip_to(c, 4);
        if (c->failed || c->at + 4 > c->end) {
                c->failed = true;
                return 0;
        }
        const unsigned char *p = c->data + c->at;
        c->at += 4;
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint8_t get_u8(struct cursor *c)
{
        if (c->failed || c->at >= c->end) {
                c->failed = true;
                return 0;
        }
        return c->data[c->at++];
}

static const char *get_chars(struct cursor *c, size_t length)
{
        if (c->failed || length >= c->end - c->at || c->data[c->at + length] != 0) {
                c->failed = true;
                return "";
        }
        const char *s = (const char *)c->data + c->at;
        c->at += length + 1;
        return s;
}

static const char *get_string(struct cursor *c)
{
        uint32_t n = get_u32(c);
        return get_chars(c, n);
}

struct message {
        uint8_t type;
        uint32_t reply_serial;
        const char *member, *error_name, *signature, *sender;
        struct cursor body;
        struct text bytes;
};

static void message_done(struct message *m)
{
        text_clear(&m->bytes);
}
#define CLEAN_MESSAGE CLEAN(message_done)

static int protocol(struct error *e, const char *what)
{
        return error_set(e, EPROTO, "dbus.protocol", "the other side of the D-Bus socket %s", what);
}

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int receive(struct dbus *d, void *into, size_t size, int64_t end, struct error *e)
{
        char *p = into;
        while (size) {
                int64_t left = end - now_ms();
                int k = left > 0 ? poll(&(struct pollfd){ .fd = d->fd, .events = POLLIN }, 1, (int)left) : 0;
                if (k == 0)
                        return error_set(e, ETIMEDOUT, "dbus.protocol", "no answer over D-Bus within %d seconds", TIMEOUT_MS / 1000);
                ssize_t n = k < 0 ? -1 : recv(d->fd, p, size, 0);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (n < 0)
                        return error_errno(e, errno, "dbus.protocol", "reading from the D-Bus socket");
                if (n == 0)
                        return protocol(e, "hung up");
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

static int transmit(struct dbus *d, const void *data, size_t size, struct error *e)
{
        const char *p = data;
        while (size) {
                ssize_t n = send(d->fd, p, size, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(e, errno, "dbus.protocol", "writing to the D-Bus socket");
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

static uint32_t number_at(const unsigned char *p)
{
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t big_number_at(const unsigned char *p)
{
        return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

/* The fields that we know the kinds of; others are passed over by their signature, which is one letter in all of them. */
static void read_fields(struct message *m, struct cursor *c)
{
        while (!c->failed && c->at < c->end) {
                skip_to(c, 8);
                if (c->at >= c->end)
                        return;
                uint8_t code = get_u8(c);
                const char *signature = get_chars(c, get_u8(c));
                const char *text = "";
                uint32_t n = 0;
                if (*signature == 's' || *signature == 'o')
                        text = get_string(c);
                else if (*signature == 'g')
                        text = get_chars(c, get_u8(c));
                else if (*signature == 'u')
                        n = get_u32(c);
                else
                        c->failed = true;
                if (code == FIELD_MEMBER)
                        m->member = text;
                else if (code == FIELD_ERROR_NAME)
                        m->error_name = text;
                else if (code == FIELD_SENDER)
                        m->sender = text;
                else if (code == FIELD_SIGNATURE)
                        m->signature = text;
                else if (code == FIELD_REPLY_SERIAL)
                        m->reply_serial = n;
        }
}

static int discard(struct dbus *d, uint64_t size, int64_t end, struct error *e)
{
        char chunk[16384];
        int r = 0;
        for (size_t n; r == 0 && size; size -= n) {
                n = size < sizeof chunk ? (size_t)size : sizeof chunk;
                r = receive(d, chunk, n, end, e);
        }
        return r;
}

/*
 * Type 0: one that we do not understand, and that is passed over: on a bus anybody may send us anything, and must not be able to cut us off from it.
 * What no sound other side sends at all is an error.
 */
static int receive_message(struct dbus *d, struct message *m, int64_t end, struct error *e)
{
        unsigned char head[HEADER_SIZE];
        int r = receive(d, head, sizeof head, end, e);
        if (r < 0)
                return r;
        const bool big = head[0] == 'B';
        uint64_t body = big ? big_number_at(head + 4) : number_at(head + 4), fields = big ? big_number_at(head + 12) : number_at(head + 12);
        const uint64_t padded = (fields + 7) / 8 * 8, most = d->is_bus ? BUS_MESSAGE_MAX : MESSAGE_MAX;
        if ((head[0] != 'l' && !(big && d->is_bus)) || head[3] != 1 || body > most || fields > most)
                return protocol(e, "sent no D-Bus message that we understand");
        *m = (struct message){ .type = head[1], .member = "", .error_name = "", .signature = "", .sender = "" };
        if (big || body > MESSAGE_MAX || fields > MESSAGE_MAX) {
                m->type = 0;
                return discard(d, padded + body, end, e);
        }
        char *bytes = xalloc(padded + body + 1, 1);
        m->bytes = (struct text){ bytes, padded + body, padded + body + 1 };
        r = receive(d, bytes, padded + body, end, e);
        if (r < 0)
                return r;
        /* The header's own 16 bytes keep the alignment of what follows. */
        struct cursor c = { (const unsigned char *)bytes, 0, fields, false };
        read_fields(m, &c);
        m->body = (struct cursor){ (const unsigned char *)bytes + padded, 0, body, false };
        if (c.failed && !d->is_bus)
                return protocol(e, "sent a damaged D-Bus header");
        m->type = c.failed ? 0 : m->type;
        return 0;
}

/* ---- the connection ---- */

static int receive_line(struct dbus *d, char *ret, size_t size, struct error *e)
{
        int64_t end = now_ms() + TIMEOUT_MS;
        for (size_t n = 0; n + 1 < size; n++) {
                int r = receive(d, ret + n, 1, end, e);
                if (r < 0)
                        return r;
                if (ret[n] == '\n') {
                        ret[n] = 0;
                        return 0;
                }
        }
        return protocol(e, "sent a line without an end");
}

static int authenticate(struct dbus *d, struct error *e)
{
        CLEAN_FREE char *uid = xprintf("%u", (unsigned)users_outside());
        CLEAN_TEXT struct text t = { 0 };
        char line[512];
        text_add_bytes(&t, "", 1);
        text_add(&t, "AUTH EXTERNAL ");
        for (const char *p = uid; *p; p++)
                text_addf(&t, "%02x", (unsigned)(unsigned char)*p);
        /*
         * Both at once, as libsystemd's own clients do: a server of that library that reads BEGIN and the first message in one go does not look at the
         * message before more comes. So it has read BEGIN before it answers, and there is no message before the answer.
         */
        text_add(&t, "\r\nBEGIN\r\n");
        int r = transmit(d, t.data, t.length, e);
        if (r == 0)
                r = receive_line(d, line, sizeof line, e);
        if (r == 0 && !text_starts(line, "OK "))
                return error_set(e, EACCES, "dbus.connect", "the D-Bus socket does not take user %s", uid);
        return r;
}

/* The name of an abstract socket is exactly as long as it is. */
static int open_socket(const char *name, bool abstract, bool is_bus, struct dbus *ret, struct error *e)
{
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        struct dbus d = { .fd = -EBADF, .is_bus = is_bus };
        const size_t length = strlen(name);
        if (length >= sizeof a.sun_path)
                return error_set(e, ENAMETOOLONG, "dbus.connect", "the path %s is too long for a socket", name);
        memcpy(a.sun_path + abstract, name, length);
        d.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const socklen_t size = abstract ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length) : (socklen_t)sizeof a;
        int r = d.fd < 0 || connect(d.fd, (const struct sockaddr *)&a, size) < 0 ? error_errno(e, errno, "dbus.connect", "connecting to %s", name) : 0;
        if (r == 0)
                r = authenticate(&d, e);
        if (r == 0 && is_bus)
                r = dbus_call(&d, bus, bus_path, bus, "Hello", "", NULL, NULL, e);
        if (r < 0) {
                dbus_close(&d);
                return r;
        }
        *ret = d;
        return 0;
}

int dbus_open(const char *socket_path, bool is_bus, struct dbus *ret, struct error *e)
{
        return open_socket(socket_path, false, is_bus, ret, e);
}

static int hex_digit(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of a key among KEY=VALUE between commas, its escapes (%2f) undone; NULL: there is none, or it cannot be. */
static char *address_value(const char *keys, const char *key)
{
        const size_t n = strlen(key);
        while (strncmp(keys, key, n) != 0 || keys[n] != '=') {
                keys = strchr(keys, ',');
                if (!keys++)
                        return NULL;
        }
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (const char *p = keys + n + 1; *p && *p != ','; p++) {
                const int high = *p == '%' ? hex_digit(p[1]) : 0, low = *p == '%' && high >= 0 ? hex_digit(p[2]) : 0;
                const char c = *p == '%' ? (char)(high << 4 | low) : *p;
                if (high < 0 || low < 0 || !c)
                        return NULL;
                p += *p == '%' ? 2 : 0;
                text_add_bytes(&t, &c, 1);
        }
        return t.length ? TAKE_PTR(t.data) : NULL;
}

int dbus_open_address(const char *address, bool is_bus, struct dbus *ret, struct error *e)
{
        CLEAN_FREE char *copy = xstrdup(address);
        char *rest = copy;
        int r = error_set(e, EINVAL, "dbus.address", "\"%.200s\" has no unix socket", address);
        for (char *one; r < 0 && (one = strsep(&rest, ";"));) {
                if (!text_starts(one, "unix:"))
                        continue;
                CLEAN_FREE char *path = address_value(one + strlen("unix:"), "path"), *abstract = address_value(one + strlen("unix:"), "abstract");
                struct error why = { 0 };
                if (!path && !abstract)
                        continue;
                r = open_socket(path ? path : abstract, !path, is_bus, ret, &why);
                if (r < 0 && e)
                        *e = why;
        }
        return r;
}

void dbus_close(struct dbus *d)
{
        fd_close(d->fd);
        for (unsigned i = 0; i < d->job_count; i++) {
                free(d->jobs[i].path);
                free(d->jobs[i].result);
        }
        *d = (struct dbus){ .fd = -EBADF };
}

/* A job may end before we have read which one ours is. */
static void keep_job(struct dbus *d, struct message *m)
{
        if (m->type != SIGNAL || !text_equal(m->member, "JobRemoved") || !text_equal(m->signature, "uoss") || d->job_count == DBUS_JOBS_MAX)
                return;
        (void)get_u32(&m->body);
        const char *path = get_string(&m->body);
        (void)get_string(&m->body);
        const char *result = get_string(&m->body);
        if (m->body.failed)
                return;
        d->jobs[d->job_count].path = xstrdup(path);
        d->jobs[d->job_count++].result = xstrdup(result);
}

static void add_call(struct dbus *d, struct text *t, const char *destination, const char *path, const char *interface, const char *member,
                     const char *signature, const struct text *body)
{
        static const uint8_t head[] = { 'l', METHOD_CALL, 0, 1 };
        text_add_bytes(t, (const char *)head, sizeof head);
        dbus_add_u32(t, body ? (uint32_t)body->length : 0);
        dbus_add_u32(t, ++d->serial);
        size_t fields = dbus_begin_array(t, 8);
        add_field(t, FIELD_PATH, "o", path);
        add_field(t, FIELD_INTERFACE, "s", interface);
        add_field(t, FIELD_MEMBER, "s", member);
        add_field(t, FIELD_DESTINATION, "s", d->is_bus ? destination : NULL);
        add_field(t, FIELD_SIGNATURE, "g", signature);
        dbus_end_array(t, fields, 8);
        dbus_align(t, 8);
        if (body && body->length)
                text_add_bytes(t, body->data, body->length);
}

/* The text that a body begins with, by itself or as a variant; "" for anything else. */
static const char *first_text(struct message *m)
{
        const char *signature = m->signature;
        if (text_equal(signature, "v")) {
                uint8_t n = get_u8(&m->body);
                signature = get_chars(&m->body, n);
        }
        return *signature == 's' || *signature == 'o' ? get_string(&m->body) : "";
}

int dbus_call(struct dbus *d, const char *destination, const char *path, const char *interface, const char *member,
              const char *signature, const struct text *body, char **ret_path, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        int64_t end = now_ms() + TIMEOUT_MS;
        add_call(d, &t, destination, path, interface, member, signature, body);
        int r = transmit(d, t.data, t.length, e);
        while (r == 0) {
                CLEAN_MESSAGE struct message m = { 0 };
                r = receive_message(d, &m, end, e);
                if (r < 0)
                        return r;
                if (m.type == SIGNAL)
                        keep_job(d, &m);
                if ((m.type != METHOD_RETURN && m.type != ERROR_REPLY) || m.reply_serial != d->serial)
                        continue;
                if (d->is_bus && text_equal(destination, bus) && *m.sender && !text_equal(m.sender, bus))
                        continue; /* nobody else answers for the bus, which names the sender of what others say */
                const char *first = first_text(&m);
                if (m.body.failed)
                        return protocol(e, "sent a damaged answer");
                if (m.type == ERROR_REPLY)
                        return error_set(e, EREMOTEIO, "dbus.refused", "%s: %.200s (%.100s)", member, first, m.error_name);
                if (ret_path)
                        *ret_path = xstrdup(first);
                return 0;
        }
        return r;
}

int dbus_wait_job(struct dbus *d, const char *job, struct error *e)
{
        int64_t end = now_ms() + TIMEOUT_MS;
        for (unsigned seen = 0;;) {
                for (; seen < d->job_count; seen++) {
                        if (!text_equal(d->jobs[seen].path, job))
                                continue;
                        const char *result = d->jobs[seen].result;
                        return text_equal(result, "done") ? 0 : error_set(e, EIO, "dbus.job", "the job of the service manager ended as \"%.40s\"", result);
                }
                /* Jobs of others: forget them, so that ours finds room. */
                if (d->job_count == DBUS_JOBS_MAX)
                        while (d->job_count) {
                                free(d->jobs[--d->job_count].path);
                                free(d->jobs[d->job_count].result);
                                seen = 0;
                        }
                CLEAN_MESSAGE struct message m = { 0 };
                int r = receive_message(d, &m, end, e);
                if (r < 0)
                        return r;
                keep_job(d, &m);
        }
}

/* ---- owners of names ---- */

int dbus_watch_name(struct dbus *d, const char *name, bool *ret_owned, struct error *e)
{
        CLEAN_FREE char *rule = xprintf("type='signal',sender='%s',path='%s',interface='%s',member='NameOwnerChanged',arg0='%s'", bus, bus_path, bus, name);
        CLEAN_FREE char *owner = NULL;
        CLEAN_TEXT struct text match = { 0 }, asked = { 0 };
        struct error why = { 0 };
        dbus_add_string(&match, rule);
        dbus_add_string(&asked, name);
        int r = dbus_call(d, bus, bus_path, bus, "AddMatch", "s", &match, NULL, e);
        if (r < 0)
                return r;
        /* What was told before the answer is older than it. */
        r = dbus_call(d, bus, bus_path, bus, "GetNameOwner", "s", &asked, &owner, &why);
        if (r < 0 && !strstr(why.cause, "org.freedesktop.DBus.Error.NameHasNoOwner")) {
                if (e)
                        *e = why;
                return r;
        }
        *ret_owned = r == 0;
        return 0;
}

int dbus_hear_name(struct dbus *d, const char *name, bool *ret_owned, struct error *e)
{
        CLEAN_MESSAGE struct message m = { 0 };
        int r = receive_message(d, &m, now_ms() + TIMEOUT_MS, e);
        if (r < 0)
                return r;
        if (m.type != SIGNAL || !text_equal(m.sender, bus) || !text_equal(m.member, "NameOwnerChanged") || !text_equal(m.signature, "sss"))
                return 0;
        const char *which = get_string(&m.body);
        (void)get_string(&m.body);
        const char *now = get_string(&m.body);
        if (m.body.failed || !text_equal(which, name))
                return 0;
        *ret_owned = *now;
        return 1;
}
