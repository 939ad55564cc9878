/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process can do, found out from inside by trying. Each attempt is made so that it changes nothing outside of the process
 * that makes it: calls with arguments that the kernel refuses only after it has asked for the right, files opened and not written,
 * unnamed files, a datagram to itself. Nothing is loaded, set, mounted or connected to.
 *
 * Each attempt is a child of its own, so that a filter that kills ends one attempt and not the rest.
 */
#pragma once

#include "base/text.h"

/* The first word of the command line that makes this program the probe. */
#define PROBE_COMMAND "__probe"

/*
 * What the host is, as words for the probe's command line, "KEY=VALUE": inside, the same is compared with it. Keys: "ns.KIND" inodes
 * of namespaces, "node.PATH" the device and inode of a folder, "keyring" the session keyring.
 */
void probe_host_facts(struct strings *ret);
/* One folder or file more, to be found again inside: "KEY.PATH=DEVICE:INODE". Nothing if it is not there. */
void probe_add_node(struct strings *ret, const char *key, const char *path);

/*
 * Makes all attempts and writes a line for each to descriptor 1, "NAME VALUE [DETAIL]": VALUE is a number, 0 where nothing was
 * possible, or "?" where it could not be told. The exit status.
 */
int probe_main(int argc, char **argv);
