/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels of security modules: the payload's, which it gets when it is executed, and those of what is made for a container. */
#pragma once

#include "os/mount.h"
#include "sandbox/child.h"

int labels_apply(struct child *c, struct error *e);
/*
 * linux.mountLabel: the option that a new file system of a type shall be mounted with; the end of options where nobody asked for one, its own
 * options (data, may be NULL) name one, or the type has labels of the policy's for each file that have to stay: proc, sysfs, and those that
 * have one instance for several mounts.  The label is k's.
 */
struct mount_option labels_of_mount(const struct plan_container *k, const char *type, const char *data);
/* Gives a file, folder or device that is open (not with O_PATH) an SELinux label, unless it has that one.  0 or -errno. */
int labels_set(int fd, const char *label);
/* The same for the root of a mount, whose descriptor may be O_PATH. */
int labels_set_root(int mount_fd, const char *label);
