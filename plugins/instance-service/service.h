/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances that are services of this host: each a unit with a supervisor of its own (bulkhead-service), in the sandbox that its unit says.
 * The name of the unit is the instance's id with ".service"; `bulkhead unit status`, `logs` and the others know it as any other.
 */
#pragma once

#include "group/instance.h"

extern const struct instance_plugin service_plugin;
