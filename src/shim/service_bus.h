/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Type=dbus: whether somebody owns the service's name on its bus. For the supervisor's own files. */
#pragma once

#include "shim/service_supervisor.h"

/* Connects, for one activation. Ids: those of os/dbus.h. */
int service_bus_open(struct supervisor *s, struct error *e);
void service_bus_close(struct supervisor *s);
/* There is something to be read. */
void service_on_bus(struct supervisor *s);
