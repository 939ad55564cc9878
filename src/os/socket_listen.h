/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens what services are activated by: sockets, FIFOs, special files, message queues; with the options of systemd.socket(5).
 *
 * Paths: the last component is never followed if it is a link. Links above it are followed only where root or the caller made them: who else
 * can write to a folder on the way cannot lead us elsewhere. What cannot be applied is an error.
 */
#pragma once

#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/text.h"

enum listen_kind { LISTEN_SOCKET, LISTEN_FIFO, LISTEN_SPECIAL, LISTEN_QUEUE };

struct listen_address {
        enum listen_kind kind;
        int type;     /* SOCK_STREAM and so on */
        int protocol; /* 0, IPPROTO_UDPLITE, IPPROTO_SCTP, or the family of netlink */
        union {
                struct sockaddr any;
                struct sockaddr_un un;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_vm vm;
                struct sockaddr_nl nl;
        } address;
        socklen_t length;
        bool port_only;                /* IPv4 where there is no IPv6 */
        char interface[IF_NAMESIZE];   /* the scope of an IPv6 address; "": none */
        char *path;                    /* of a file, or the name of a queue; NULL: none */
        char *text;                    /* as it is written, for errors */
};

enum { LISTEN_UNSET = -1 };
enum listen_timestamps { LISTEN_TIMESTAMPS_OFF, LISTEN_TIMESTAMPS_USEC, LISTEN_TIMESTAMPS_NSEC };
enum listen_v6 { LISTEN_V6_DEFAULT, LISTEN_V6_BOTH, LISTEN_V6_ONLY };

struct listen_options {
        int64_t backlog;
        int bind_ipv6_only; /* enum listen_v6 */
        int timestamps;     /* enum listen_timestamps */
        bool free_bind, transparent, broadcast, reuse_port, keep_alive, no_delay, pass_credentials, pass_security, pass_packet_info, writable;
        /* LISTEN_UNSET: as the kernel has it */
        int64_t priority, receive_buffer, send_buffer, ip_tos, ip_ttl, mark, keep_alive_probes, pipe_size, queue_messages, queue_message_size;
        uint64_t keep_alive_time_usec, keep_alive_interval_usec, defer_accept_usec; /* 0: as the kernel has it */
        char *device, *congestion; /* NULL: none */
        mode_t mode, directory_mode;
        uid_t uid; /* of files; (uid_t)-1: the caller's */
        gid_t gid;
};

/*
 * A descriptor, close-on-exec and non-blocking, that listens where that makes sense. A socket file that is there already is replaced; other
 * files are errors, as are FIFOs and queues with another mode or owner. Ids: "listen.address", "listen.option", "listen.file", "listen.link".
 */
int listen_open(const struct listen_address *a, const struct listen_options *o, int *ret_fd, struct error *e);
/* The options that hold for a connection as well, for one that was accepted. */
int listen_apply(int fd, const struct listen_address *a, const struct listen_options *o, struct error *e);
/* Links to the file of an address, in the place of other links; of what else is there they are an error. Id: "listen.file". */
int listen_link(const struct listen_address *a, const char *link, mode_t directory_mode, struct error *e);
/* Removes the file or queue of an address, if it is of that kind; missing is success. Links are removed if they lead to it. */
int listen_remove(const struct listen_address *a, struct error *e);
int listen_unlink(const struct listen_address *a, const char *link, struct error *e);
void listen_address_done(struct listen_address *a);
