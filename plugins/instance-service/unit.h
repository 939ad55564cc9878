/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an instance's properties say, and the unit files that they become.
 *
 *      {"Unit": "[Service]\nExecStart=/usr/sbin/httpd -p ${PORT}\n",            the text of a unit file; or its sections:
 *       "Unit": {"Service": {"ExecStart": "...", "Environment": ["A=1", "B=2"], "Restart": "always"}},
 *       "Port": 8080 or "8000-8999",      a port for each instance, or none
 *       "Profile": "strict"}              strict (where nothing is said), default, trusted: the lines that come before the unit's
 *
 * In the unit the places of group/expand.h are filled in. Before its lines stand, in a file of their own, so that the unit may change them:
 * Environment= with BULKHEAD_INSTANCE, BULKHEAD_LOGICAL_ID and PORT; and with Init, LoadCredential=init:... and an ExecStartPre= that has
 * /bin/sh run it before each start.
 */
#pragma once

#include "group/local.h"
#include "shim/unit_load.h"

enum { SERVICE_UNIT_TEXT_MAX = 1 << 20 };

struct service_properties {
        char *unit;     /* text of a unit file, with places */
        char *profile;  /* never NULL once read */
        struct port_range ports;
};
void service_properties_done(struct service_properties *p);
#define CLEAN_SERVICE_PROPERTIES CLEAN(service_properties_done)
/* Of the JSON text of properties, or NULL. Ids: "json.syntax", "json.value", "expand.syntax". */
int service_properties_parse(const char *text, struct service_properties *ret, struct error *e);
int service_properties_read(const struct json_place *at, struct service_properties *ret, struct error *e);

/*
 * The unit of an instance; in memory alone. folder is where its files lie: init of them is named when init is true.
 * Ids: those of expand.h; "unit.file-name".
 */
int service_unit_make(const struct service_properties *p, const struct instance *i, const char *folder, bool init, struct unit *ret, struct error *e);
