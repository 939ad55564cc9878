/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an instance's properties say, and the config.json that they make of a bundle's.  Pure.
 *
 *      {"Bundle": "/srv/bundles/web",     a folder with config.json and a root; nothing in it is changed
 *       "Args": ["httpd", "-f", "-p", "{{port}}"],   instead of process.args; places are those of group/expand.h
 *       "Env": ["A=1"],                   behind process.env
 *       "Tmpfs": ["/tmp"],                folders that the instance may write to, and that are empty at its start
 *       "Port": 8080 or "8000-8999",      a port for each instance, or none
 *       "Log": "/var/log/web.log",        where its output is added to; nothing: nowhere
 *       "StopTimeout": "10s"}             between SIGTERM and SIGKILL
 *
 * The root of the bundle is shared by all its instances, so it is read-only. The instance has BULKHEAD_INSTANCE, BULKHEAD_LOGICAL_ID and PORT in
 * its environment, no terminal, and a control group of its own. With Init, /bin/sh of the image runs that first, and then the program.
 */
#pragma once

#include "group/local.h"

enum { CONTAINER_CONFIG_MAX = 4 << 20, CONTAINER_INIT_MAX = 100000, CONTAINER_TMPFS_MAX = 32 };

struct container_properties {
        char *bundle, *log;
        struct strings args, env, tmpfs;
        struct port_range ports;
        uint64_t stop_usec;
};
void container_properties_done(struct container_properties *p);
#define CLEAN_CONTAINER_PROPERTIES CLEAN(container_properties_done)
/* Ids: "json.value", "expand.syntax"; of a text "json.syntax" as well. */
int container_properties_read(const struct json_place *at, struct container_properties *ret, struct error *e);
int container_properties_parse(const char *text, struct container_properties *ret, struct error *e);

/* The bundle's config.json, changed as above; what is not mentioned there stays byte by byte. init may be NULL. Ids: "container.config", those of expand.h. */
int container_config_make(const char *text, size_t size, const struct container_properties *p, const struct instance *i, const char *init, struct text *ret,
                          struct error *e);
