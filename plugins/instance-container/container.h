/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances that are containers of this host: each made by bulkhead-oci of a bundle, with a config.json of its own.  Their state is kept below
 * a root of the provider's own, beside its folder: FOLDER.oci; so containers of others are out of its reach.
 */
#pragma once

#include "group/instance.h"

extern const struct instance_plugin container_plugin;
