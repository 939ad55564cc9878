/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <libxml/parser.h>

#include "group/serve.h"
#include "libvirt_plugin.h"

enum { URIS_MAX = 16, STOP_USEC = 10000000 };

static int set_up(struct libvirt *l, const struct strings *uris, const char *owner, struct error *e)
{
        if (!*owner || strlen(owner) > OWNER_MAX || owner[strspn(owner, "abcdefghijklmnopqrstuvwxyz0123456789-")])
                return error_set(e, EINVAL, "plugin.option", "--owner takes up to %d small letters, digits and dashes: %s", OWNER_MAX, owner);
        if (uris->count > URIS_MAX)
                return error_set(e, EINVAL, "plugin.option", "there are at most %d URIs", URIS_MAX);
        l->domain_owner = xstrdup(owner);
        l->count = uris->count ? uris->count : 1;
        l->connections = xalloc(l->count, sizeof *l->connections);
        for (size_t i = 0; i < l->count; i++)
                l->connections[i] = (struct connection){ .owner = l, .uri = xstrdup(uris->count ? uris->items[i] : "qemu:///system"),
                                                         .callbacks = { -1, -1 } };
        return 0;
}

static int read_options(struct libvirt *l, const struct strings *words, struct error *e)
{
        CLEAN_STRINGS struct strings uris = { 0 };
        const char *owner = "bulkhead", *check = NULL;
        const struct plugin_option table[] = {
                { "--uri", .all = &uris },
                { "--owner", .value = &owner },
                { "--allow-xml", .flag = &l->allow_xml },
                { "--check", .value = &check },
                { 0 },
        };
        int r = plugin_options(words, table, e);
        if (r == 0)
                r = plugin_option_span("--check", check, &l->check_usec, e);
        return r < 0 ? r : set_up(l, &uris, owner, e);
}

static void stop(void *self)
{
        struct libvirt *l = self;
        if (!background_stop(l->watcher, STOP_USEC))
                return; /* it may be cut off anywhere, as by a crash */
        for (size_t i = 0; i < l->count; i++)
                connection_close(l->connections + i);
        events_stop(l);
        for (size_t i = 0; i < l->count; i++) {
                instances_done(&l->connections[i].known);
                free(l->connections[i].uri);
        }
        for (int i = 0; i < LANES; i++)
                (void)pthread_mutex_destroy(l->lanes + i);
        (void)pthread_mutex_destroy(&l->lock);
        free(l->connections);
        free(l->domain_owner);
        free(l);
}

static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct libvirt *l = xalloc(1, sizeof *l);
        (void)loop;
        *l = (struct libvirt){ .events = events, .check_usec = 10000000 };
        (void)pthread_mutex_init(&l->lock, NULL);
        for (int i = 0; i < LANES; i++)
                (void)pthread_mutex_init(l->lanes + i, NULL);
        xmlInitParser();
        int r = read_options(l, options, e);
        if (r == 0)
                r = events_start(l, e);
        if (r == 0)
                r = background_start(&l->watcher, l->check_usec, libvirt_watch, l, e);
        if (r < 0) {
                stop(l);
                return r;
        }
        *ret_self = l;
        return 0;
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        (void)type;
        return properties_read(properties, ((struct libvirt *)self)->allow_xml, &p, e);
}

static const struct instance_plugin plugin = {
        .name = "libvirt",
        .version = BULKHEAD_VERSION,
        .summary = "domains of libvirt",
        .concurrent = true,
        .start = start,
        .stop = stop,
        .tells = true,
        .validate = validate,
        .provision = libvirt_provision,
        .label = libvirt_label,
        .destroy = libvirt_destroy,
        .describe = libvirt_describe,
};

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --uri URI        a libvirt to connect to, default qemu:///system; may be given again\n"
        "  --owner WORD     what the names of domains begin with, default bulkhead\n"
        "  --allow-xml      documents may hold a whole domain: DomainXML\n"
        "  --check TIME     how often the plugin looks by itself, default 10s\n";

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-libvirt", .instance = &plugin, .options = own_options };
        return plugin_main(&program, argc, argv);
}
