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

/* For --help; the manual page has the same. */
static const char own_options[] =
        "Options of its own are words NAME=VALUE, and stand before the variable:\n"
        "  subscription=ID            $AZURE_SUBSCRIPTION_ID; required\n"
        "  resource-group=NAME        $AZURE_RESOURCE_GROUP; required\n"
        "  location=NAME              $AZURE_LOCATION\n"
        "  endpoint=URL               $AZURE_RESOURCE_MANAGER_ENDPOINT, default https://management.azure.com\n"
        "  audience=URL               $AZURE_RESOURCE_MANAGER_AUDIENCE, default the endpoint\n"
        "  authority=URL              $AZURE_AUTHORITY_HOST, default https://login.microsoftonline.com\n"
        "  tenant=ID                  $AZURE_TENANT_ID\n"
        "  client-id=ID               $AZURE_CLIENT_ID\n"
        "  client-secret-file=PATH    $AZURE_CLIENT_SECRET_FILE\n"
        "  federated-token-file=PATH  $AZURE_FEDERATED_TOKEN_FILE\n"
        "  credential=KIND            secret, federated, managed or auto, the default\n"
        "  metadata=URL               the instance metadata service, default http://169.254.169.254\n"
        "  secrets=DIR                $CREDENTIALS_DIRECTORY: the folder of passwords that documents name\n"
        "  ca-file=PATH               certificates to trust in the place of the system's\n"
        "  wait=TIME                  how long an operation may take, default 20min\n"
        "  patience=TIME              how long a request is repeated, default 2min\n"
        "  sweep=TIME                 between looks for interfaces that were left behind, default 10min\n"
        "  compute-version=DATE       of the interface, default 2024-07-01\n"
        "  network-version=DATE       of the interface, default 2023-11-01\n"
        "  tags-version=DATE          of the interface, default 2021-04-01\n";

int main(int argc, char **argv)
{
        static const struct instance_plugin azure = {
                .name = "azure", .version = BULKHEAD_VERSION, .summary = "Virtual machines of Azure, in one resource group.", .concurrent = true, .late = true,
                .start = start, .stop = stop, .validate = validate, .provision = provision, .label = label, .destroy = destroy, .describe = describe,
        };
        static const struct plugin_program program = { .name = "bulkhead-instance-azure", .instance = &azure, .options = own_options };
        return plugin_main(&program, argc, argv);
}
