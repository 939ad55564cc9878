/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/service_bus.h"

#include <stdlib.h>
#include <sys/epoll.h>

/* The bus of the system; of an ordinary user's services that of the session. */
static char *choose_address(const struct supervisor *s)
{
        const char *named = getenv(s->o.user_mode ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS"), *folder = getenv("XDG_RUNTIME_DIR");
        if (named && *named)
                return xstrdup(named);
        return s->o.user_mode && folder ? xprintf("unix:path=%s/bus", folder) : xstrdup("unix:path=/run/dbus/system_bus_socket");
}

int service_bus_open(struct supervisor *s, struct error *e)
{
        CLEAN_FREE char *address = choose_address(s);
        bool owned = false;
        if (s->service.type != SERVICE_DBUS)
                return 0;
        int r = dbus_open_address(address, true, &s->bus, e);
        if (r == 0)
                r = dbus_watch_name(&s->bus, s->service.bus_name, &owned, e);
        if (r < 0) {
                service_bus_close(s);
                return error_while(e, "watching BusName=%s on its bus", s->service.bus_name);
        }
        machine_bus_name(&s->machine, owned);
        hub_watch(&s->hub, SOURCE_BUS, s->bus.fd);
        hub_want(&s->hub, SOURCE_BUS, EPOLLIN);
        return 0;
}

void service_bus_close(struct supervisor *s)
{
        hub_unwatch(&s->hub, SOURCE_BUS);
        if (s->bus.fd >= 0)
                dbus_close(&s->bus);
}

/* Without its bus it has no name. */
void service_on_bus(struct supervisor *s)
{
        struct error e = { 0 };
        bool owned = false;
        int r = dbus_hear_name(&s->bus, s->service.bus_name, &owned, &e);
        if (r < 0) {
                hub_log(&s->hub, e.cause);
                service_bus_close(s);
        }
        if (r != 0)
                machine_bus_name(&s->machine, owned);
}
