/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/socket_unit.h"

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/signal_name.h"
#include "plan/socket_address.h"
#include "plan/specifier.h"
#include "plan/unit_section.h"

/* ---- readers of what the tables below cannot say ---- */

enum listens { LISTENS_STREAM, LISTENS_DATAGRAM, LISTENS_SEQUENTIAL, LISTENS_FIFO, LISTENS_SPECIAL, LISTENS_QUEUE, LISTENS_NETLINK };

static void forget_addresses(struct socket_unit *s)
{
        for (size_t i = 0; i < s->count; i++)
                listen_address_done(&s->addresses[i]);
        s->count = 0;
}

static int parse_address(const char *s, enum listens what, struct listen_address *ret, struct error *e)
{
        static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
        static const enum listen_kind kinds[] = { LISTEN_FIFO, LISTEN_SPECIAL, LISTEN_QUEUE };
        if (what == LISTENS_NETLINK)
                return socket_address_parse_netlink(s, ret, e);
        return what <= LISTENS_SEQUENTIAL ? socket_address_parse(s, types[what], ret, e) : socket_address_parse_file(s, kinds[what - LISTENS_FIFO], ret, e);
}

/* An empty value forgets the addresses of all kinds. */
static int read_listen(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        struct socket_unit *s = r->object;
        CLEAN_FREE char *expanded = NULL;
        if (!*value) {
                forget_addresses(s);
                return 0;
        }
        if (s->count >= SOCKET_ADDRESSES_MAX)
                return error_set(e, E2BIG, "socket.limit", "more than %d addresses", SOCKET_ADDRESSES_MAX);
        int k = specifier_expand(value, r->facts, &expanded, e);
        if (k < 0)
                return k;
        s->addresses = xgrow(s->addresses, &s->room, s->count + 1, sizeof *s->addresses);
        k = parse_address(expanded, (enum listens)row->min, &s->addresses[s->count], e);
        s->count += k == 0;
        return k;
}

static int read_commands(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        return exec_lines_assign(section_member(r, row), value, r->facts, e);
}

static int read_links(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        struct strings *links = section_member(r, row), words = { 0 };
        int k = text_split_words(value, &words) < 0 ? section_bad(value, "a list of paths", e) : 0;
        if (!*value)
                strings_clear(links);
        for (size_t i = 0; i < words.count && k == 0; i++) {
                char *expanded = NULL;
                k = specifier_expand(words.items[i], r->facts, &expanded, e);
                if (k == 0 && (*expanded != '/' || strlen(expanded) >= PATH_MAX))
                        k = section_bad(expanded, "an absolute path", e);
                if (k == 0 && links->count >= SOCKET_LINKS_MAX)
                        k = error_set(e, E2BIG, "socket.limit", "more than %d links", SOCKET_LINKS_MAX);
                if (k == 0)
                        strings_take(links, TAKE_PTR(expanded));
                free(expanded);
        }
        strings_clear(&words);
        return k;
}

/* A name, or what the kernel takes. */
static int read_tos(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        static const struct {
                const char *name;
                int64_t value;
        } names[] = { { "low-delay", 0x10 }, { "throughput", 0x08 }, { "reliability", 0x04 }, { "low-cost", 0x02 } };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (text_equal(names[i].name, value)) {
                        *(int64_t *)section_member(r, row) = names[i].value;
                        return 0;
                }
        return section_number(r, row, value, e);
}

static int read_timestamps(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        static const char *const words[] = { "off", "us", "ns", NULL };
        static const struct {
                const char *alias, *word;
        } aliases[] = { { "usec", "us" }, { "\u00b5s", "us" }, { "\u03bcs", "us" }, { "nsec", "ns" } };
        const struct section_row own = { row->name, section_word, row->offset, 0, 0, words };
        for (size_t i = 0; i < ELEMENTS(aliases); i++)
                if (text_equal(aliases[i].alias, value))
                        value = aliases[i].word;
        return section_word(r, &own, value, e);
}

static int read_protocol(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        int *protocol = section_member(r, row);
        if (!*value)
                *protocol = 0;
        else if (text_equal(value, "udplite"))
                *protocol = IPPROTO_UDPLITE;
        else if (text_equal(value, "sctp"))
                *protocol = IPPROTO_SCTP;
        else
                return section_bad(value, "udplite or sctp", e);
        return 0;
}

static int read_descriptor_name(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        int k = section_text(r, row, value, e);
        const char *name = *(char **)section_member(r, row);
        if (k < 0 || !name)
                return k;
        bool good = strlen(name) <= 255;
        for (const char *p = name; *p; p++)
                good &= *p >= ' ' && *p < 127 && *p != ':';
        return good ? 0 : section_bad(value, "a name of at most 255 printable characters without a colon", e);
}

static int read_signal(const struct section_reading *r, const struct section_row *row, const char *value, struct error *e)
{
        const int number = *value ? signal_from_name(value) : *(const int *)((const char *)r->defaults + row->offset);
        if (number < 0)
                return section_bad(value, "a signal", e);
        *(int *)section_member(r, row) = number;
        return 0;
}

/* ---- the table ---- */

#define MEMBER(member) offsetof(struct socket_unit, member)
#define OPTION(member) offsetof(struct socket_unit, options.member)
#define BOOL(name, at) { name, section_bool, at, 0, 0, NULL }
#define SPAN(name, at) { name, section_span, at, 0, 0, NULL }
#define NUMBER(name, at, low, high) { name, section_number, at, (uint64_t)(low), high, NULL }
#define SIZE(name, at) { name, section_size, at, 1, INT_MAX, NULL }
#define LISTEN(name, what) { name, read_listen, 0, what, 0, NULL }
#define COMMANDS(name, which) { name, read_commands, MEMBER(commands[which]), 0, 0, NULL }
#define REFUSED(name) { name, section_refused, 0, 0, 0, NULL }

static const char *const v6_words[] = { "default", "both", "ipv6-only", NULL }, *const kill_words[] = { "control-group", "mixed", "process", "none", NULL };

static const struct section_row rows[] = {
        LISTEN("ListenStream", LISTENS_STREAM),
        LISTEN("ListenDatagram", LISTENS_DATAGRAM),
        LISTEN("ListenSequentialPacket", LISTENS_SEQUENTIAL),
        LISTEN("ListenFIFO", LISTENS_FIFO),
        LISTEN("ListenSpecial", LISTENS_SPECIAL),
        LISTEN("ListenMessageQueue", LISTENS_QUEUE),
        LISTEN("ListenNetlink", LISTENS_NETLINK),
        REFUSED("ListenUSBFunction"),
        { "SocketProtocol", read_protocol, MEMBER(protocol), 0, 0, NULL },
        { "BindIPv6Only", section_word, OPTION(bind_ipv6_only), 0, 0, v6_words },
        NUMBER("Backlog", OPTION(backlog), 0, UINT32_MAX),
        { "BindToDevice", section_text, OPTION(device), 0, 0, NULL },
        { "SocketUser", section_text, MEMBER(user), 0, 0, NULL },
        { "SocketGroup", section_text, MEMBER(group), 0, 0, NULL },
        { "SocketMode", section_mode, OPTION(mode), 0, 0, NULL },
        { "DirectoryMode", section_mode, OPTION(directory_mode), 0, 0, NULL },
        BOOL("Accept", MEMBER(accept)),
        BOOL("Writable", OPTION(writable)),
        BOOL("FlushPending", MEMBER(flush_pending)),
        NUMBER("MaxConnections", MEMBER(max_connections), 1, UINT32_MAX),
        NUMBER("MaxConnectionsPerSource", MEMBER(max_connections_per_source), 0, UINT32_MAX),
        BOOL("KeepAlive", OPTION(keep_alive)),
        SPAN("KeepAliveTimeSec", OPTION(keep_alive_time_usec)),
        SPAN("KeepAliveIntervalSec", OPTION(keep_alive_interval_usec)),
        NUMBER("KeepAliveProbes", OPTION(keep_alive_probes), 1, 127),
        BOOL("NoDelay", OPTION(no_delay)),
        NUMBER("Priority", OPTION(priority), 0, INT_MAX),
        SPAN("DeferAcceptSec", OPTION(defer_accept_usec)),
        SIZE("ReceiveBuffer", OPTION(receive_buffer)),
        SIZE("SendBuffer", OPTION(send_buffer)),
        { "IPTOS", read_tos, OPTION(ip_tos), 0, 255, NULL },
        NUMBER("IPTTL", OPTION(ip_ttl), 1, 255),
        NUMBER("Mark", OPTION(mark), 0, INT_MAX),
        BOOL("ReusePort", OPTION(reuse_port)),
        REFUSED("SmackLabel"),
        REFUSED("SmackLabelIPIn"),
        REFUSED("SmackLabelIPOut"),
        REFUSED("SELinuxContextFromNet"),
        SIZE("PipeSize", OPTION(pipe_size)),
        NUMBER("MessageQueueMaxMessages", OPTION(queue_messages), 1, INT_MAX),
        NUMBER("MessageQueueMessageSize", OPTION(queue_message_size), 1, INT_MAX),
        BOOL("FreeBind", OPTION(free_bind)),
        BOOL("Transparent", OPTION(transparent)),
        BOOL("Broadcast", OPTION(broadcast)),
        BOOL("PassCredentials", OPTION(pass_credentials)),
        BOOL("PassSecurity", OPTION(pass_security)),
        BOOL("PassPacketInfo", OPTION(pass_packet_info)),
        { "Timestamping", read_timestamps, OPTION(timestamps), 0, 0, NULL },
        { "TCPCongestion", section_text, OPTION(congestion), 0, 0, NULL },
        COMMANDS("ExecStartPre", SOCKET_START_PRE),
        COMMANDS("ExecStartPost", SOCKET_START_POST),
        COMMANDS("ExecStopPre", SOCKET_STOP_PRE),
        COMMANDS("ExecStopPost", SOCKET_STOP_POST),
        SPAN("TimeoutSec", MEMBER(timeout_usec)),
        { "Service", section_text, MEMBER(service), 0, 0, NULL },
        BOOL("RemoveOnStop", MEMBER(remove_on_stop)),
        { "Symlinks", read_links, MEMBER(links), 0, 0, NULL },
        { "FileDescriptorName", read_descriptor_name, MEMBER(descriptor_name), 0, 0, NULL },
        SPAN("TriggerLimitIntervalSec", MEMBER(trigger_limit_interval_usec)),
        NUMBER("TriggerLimitBurst", MEMBER(trigger_limit_burst), 0, UINT32_MAX),
        { "KillMode", section_word, MEMBER(kill_mode), 0, 0, kill_words },
        { "KillSignal", read_signal, MEMBER(kill_signal), 0, 0, NULL },
        { "FinalKillSignal", read_signal, MEMBER(final_kill_signal), 0, 0, NULL },
        BOOL("SendSIGHUP", MEMBER(send_sighup)),
        BOOL("SendSIGKILL", MEMBER(send_sigkill)),
};

/* ---- what must hold between them ---- */

static int check_service(struct socket_unit *s, const struct unit_name *name, struct error *e)
{
        CLEAN_UNIT_NAME struct unit_name n = { 0 };
        if (s->accept && s->service)
                return error_set(e, EINVAL, "socket.service", "Service= and Accept=yes exclude each other: each connection has an instance of %s@.service", name->prefix);
        if (!s->service && s->accept)
                s->service = xprintf("%s@.service", name->prefix);
        else if (!s->service)
                s->service = xprintf("%s%s%s.service", name->prefix, name->instance ? "@" : "", name->instance ? name->instance : "");
        if (unit_name_parse(s->service, &n, NULL) < 0 || n.type != UNIT_SERVICE || (unit_name_is_template(&n) && !s->accept))
                return error_set(e, EINVAL, "socket.service", "Service=%.80s is no service that can be activated", s->service);
        return 0;
}

/* Each connection has a service only where there are connections. */
static bool has_connections(const struct listen_address *a)
{
        return a->kind == LISTEN_SOCKET && (a->type == SOCK_STREAM || a->type == SOCK_SEQPACKET);
}

static int check_values(struct socket_unit *s, struct error *e)
{
        size_t files = 0;
        if (s->count == 0)
                return error_set(e, EINVAL, "socket.empty", "the socket listens on nothing: ListenStream= or one of its siblings is missing");
        for (size_t i = 0; i < s->count; i++) {
                struct listen_address *a = &s->addresses[i];
                files += a->path && (a->kind == LISTEN_FIFO || a->kind == LISTEN_SOCKET);
                if (s->accept && !has_connections(a))
                        return error_set(e, EINVAL, "socket.value", "Accept=yes is for streams and sequential packets, which %.80s has not", a->text);
                if (s->protocol && a->kind == LISTEN_SOCKET && (a->address.any.sa_family == AF_INET || a->address.any.sa_family == AF_INET6))
                        a->protocol = s->protocol;
                if (a->protocol == IPPROTO_UDPLITE && s->protocol == IPPROTO_UDPLITE && a->type != SOCK_DGRAM)
                        return error_set(e, EINVAL, "socket.value", "SocketProtocol=udplite is for datagrams, which %.80s has not", a->text);
        }
        if (s->links.count && files != 1)
                return error_set(e, EINVAL, "socket.value", "Symlinks= needs one socket in the file system or one FIFO; there are %zu", files);
        if ((s->options.queue_messages == LISTEN_UNSET) != (s->options.queue_message_size == LISTEN_UNSET))
                return error_set(e, EINVAL, "socket.value", "MessageQueueMaxMessages= and MessageQueueMessageSize= need each other");
        if (s->options.device && strlen(s->options.device) >= IF_NAMESIZE)
                return error_set(e, EINVAL, "socket.value", "BindToDevice=%.40s is no name of an interface", s->options.device);
        if (s->trigger_limit_burst == LISTEN_UNSET)
                s->trigger_limit_burst = s->accept ? 200 : 20;
        return 0;
}

static const struct socket_unit defaults = {
        .options = { .backlog = UINT32_MAX, .mode = 0666, .directory_mode = 0755, .priority = LISTEN_UNSET, .receive_buffer = LISTEN_UNSET, .send_buffer = LISTEN_UNSET,
                     .ip_tos = LISTEN_UNSET, .ip_ttl = LISTEN_UNSET, .mark = LISTEN_UNSET, .keep_alive_probes = LISTEN_UNSET, .pipe_size = LISTEN_UNSET,
                     .queue_messages = LISTEN_UNSET, .queue_message_size = LISTEN_UNSET, .uid = (uid_t)-1, .gid = (gid_t)-1 },
        .max_connections = 64, .timeout_usec = 90000000, .kill_signal = SIGTERM, .final_kill_signal = SIGKILL,
        .trigger_limit_interval_usec = 2000000, .trigger_limit_burst = LISTEN_UNSET, .send_sigkill = true,
};

int socket_unit_parse(const struct unit_file *f, const struct unit_name *name, const struct facts *facts, bool lenient, struct strings *notes,
                      struct socket_unit *ret, struct error *e)
{
        CLEAN_SOCKET_UNIT struct socket_unit s = defaults;
        const struct section_reading r = { &s, &defaults, facts, NULL };
        int k = section_read(f, "Socket", rows, ELEMENTS(rows), &r, lenient, notes, e);
        k = k < 0 ? k : check_values(&s, e);
        k = k < 0 ? k : check_service(&s, name, e);
        if (k < 0)
                return k;
        if (!s.descriptor_name)
                s.descriptor_name = xstrdup(s.accept ? "connection" : name->whole);
        *ret = s;
        s = (struct socket_unit){ 0 };
        return 0;
}

int socket_unit_check(const struct unit_line *l, const struct facts *facts, struct error *e)
{
        CLEAN_SOCKET_UNIT struct socket_unit s = defaults;
        const struct section_reading r = { &s, &defaults, facts, NULL };
        return section_read_line(l, rows, ELEMENTS(rows), &r, e);
}

bool socket_unit_applies(const char *name)
{
        return section_applies(rows, ELEMENTS(rows), name);
}

void socket_unit_done(struct socket_unit *s)
{
        forget_addresses(s);
        free(s->addresses);
        free(s->options.device);
        free(s->options.congestion);
        free(s->user);
        free(s->group);
        free(s->service);
        free(s->descriptor_name);
        strings_clear(&s->links);
        for (size_t i = 0; i < SOCKET_COMMANDS; i++)
                exec_lines_done(&s->commands[i]);
        *s = (struct socket_unit){ 0 };
}
