/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bulkhead-instance-azure: instances that are virtual machines of Azure. */
#include "group/serve.h"
#include "machine.h"

static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct azure *a;
        (void)loop, (void)events;
        int r = azure_new(options, &a, e);
        if (r == 0)
                *ret_self = a;
        return r;
}

static void stop(void *self)
{
        azure_free(self);
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        (void)type;
        return azure_validate(self, properties, e);
}

static int provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        (void)type;
        return azure_provision(self, spec, ret_id, e);
}

static int label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        (void)type;
        return azure_label(self, id, labels, e);
}

static int destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        (void)type, (void)reason;
        return azure_destroy(self, id, e);
}

static int describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        (void)type;
        return azure_describe(self, match, properties, ret, e);
}

int main(int argc, char **argv)
{
        static const struct instance_plugin azure = {
                .name = "azure", .version = BULKHEAD_VERSION, .summary = "Virtual machines of Azure, in one resource group.", .concurrent = true, .late = true,
                .start = start, .stop = stop, .validate = validate, .provision = provision, .label = label, .destroy = destroy, .describe = describe,
        };
        static const struct plugin_program program = { .name = "bulkhead-instance-azure", .instance = &azure };
        return plugin_main(&program, argc, argv);
}
