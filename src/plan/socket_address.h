/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses of ListenStream= and its siblings, as systemd.socket(5) writes them. Pure. */
#pragma once

#include "os/socket_listen.h"

enum { SOCKET_ADDRESS_MAX = 4096 };

/*
 * "/PATH", "@ABSTRACT", "PORT", "1.2.3.4:PORT", "[v6]:PORT", "[v6]:PORT%INTERFACE", "vsock:CID:PORT". type: SOCK_STREAM, SOCK_DGRAM or
 * SOCK_SEQPACKET; the last is for the first two only. Id of errors: "socket.address".
 */
int socket_address_parse(const char *s, int type, struct listen_address *ret, struct error *e);
/* "kobject-uevent 1" */
int socket_address_parse_netlink(const char *s, struct listen_address *ret, struct error *e);
/* A FIFO, a special file or a message queue. */
int socket_address_parse_file(const char *s, enum listen_kind kind, struct listen_address *ret, struct error *e);
