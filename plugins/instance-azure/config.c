/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "reply.h"
#include "transfer.h"

void azure_config_done(struct azure_config *c)
{
        secret_clear(&c->client_secret);
        char *owned[] = { c->subscription, c->resource_group, c->location, c->endpoint, c->audience, c->authority, c->tenant, c->client_id,
                          c->client_secret_file, c->federated_token_file, c->metadata, c->ca_file, c->secrets_folder, c->compute_version,
                          c->network_version, c->tags_version };
        for (size_t i = 0; i < ELEMENTS(owned); i++)
                free(owned[i]);
        *c = (struct azure_config){ 0 };
}

/* ---- readers of values: 0 or -EINVAL with an error ---- */

typedef int (*value_reader)(const char *name, const char *value, void *into, struct error *e);

static int refuse(const char *name, const char *what, struct error *e)
{
        return error_set(e, EINVAL, "azure.option", "%s: %s", name, what);
}

static int read_text(const char *name, const char *value, void *into, struct error *e)
{
        if (!*value)
                return refuse(name, "is empty", e);
        free(*(char **)into);
        *(char **)into = xstrdup(value);
        return 0;
}

/* What becomes a part of a path: ids, names of groups, tenants. */
static int read_segment(const char *name, const char *value, void *into, struct error *e)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.()";
        if (strlen(value) > 90 || strspn(value, allowed) != strlen(value) || *value == '.')
                return refuse(name, "at most 90 letters, digits and -_.()", e);
        return read_text(name, value, into, e);
}

static int read_path(const char *name, const char *value, void *into, struct error *e)
{
        if (*value != '/')
                return refuse(name, "expected an absolute path", e);
        return read_text(name, value, into, e);
}

/* Kept as its origin: what follows the host is ours to say. */
static int read_origin(const char *name, const char *value, void *into, struct error *e)
{
        CLEAN_FREE char *origin = web_origin(value);
        const char *path = origin ? strstr(value, "://") : NULL;
        path = path ? strchr(path + 3, '/') : NULL;
        if (!origin || (path && path[1]))
                return error_set(e, EINVAL, "azure.endpoint", "%s: expected an address such as https://management.azure.com", name);
        free(*(char **)into);
        *(char **)into = TAKE_PTR(origin);
        return 0;
}

static int read_private_origin(const char *name, const char *value, void *into, struct error *e)
{
        int r = read_origin(name, value, into, e);
        if (r == 0 && !transfer_is_private(*(char **)into)) {
                (void)error_set(e, EINVAL, "azure.endpoint", "%s: secrets would travel in the clear to %s", name, *(char **)into);
                error_hint(e, "https; or http to this host itself, for tests");
                return -EINVAL;
        }
        return r;
}

static int read_span(const char *name, const char *value, void *into, struct error *e)
{
        if (text_parse_span_usec(value, into) < 0 || *(uint64_t *)into == 0 || *(uint64_t *)into == UINT64_MAX)
                return refuse(name, "expected a time such as 20min", e);
        return 0;
}

static int read_credential(const char *name, const char *value, void *into, struct error *e)
{
        static const char *const words[] = { [CREDENTIAL_AUTO] = "auto", [CREDENTIAL_SECRET] = "secret", [CREDENTIAL_FEDERATED] = "federated",
                                             [CREDENTIAL_MANAGED] = "managed" };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_equal(words[i], value)) {
                        *(enum azure_credential *)into = (enum azure_credential)i;
                        return 0;
                }
        return refuse(name, "auto, secret, federated or managed", e);
}

#define ROW(name, variable, reader, member) { name, variable, reader, offsetof(struct azure_config, member) }
static const struct row {
        const char *name, *variable; /* either may be NULL: a secret is no word of a command line, which everybody can read */
        value_reader read;
        size_t offset;
} rows[] = {
        ROW("subscription", "AZURE_SUBSCRIPTION_ID", read_segment, subscription),
        ROW("resource-group", "AZURE_RESOURCE_GROUP", read_segment, resource_group),
        ROW("location", "AZURE_LOCATION", read_segment, location),
        ROW("endpoint", "AZURE_RESOURCE_MANAGER_ENDPOINT", read_private_origin, endpoint),
        ROW("audience", "AZURE_RESOURCE_MANAGER_AUDIENCE", read_text, audience),
        ROW("authority", "AZURE_AUTHORITY_HOST", read_private_origin, authority),
        ROW("tenant", "AZURE_TENANT_ID", read_segment, tenant),
        ROW("client-id", "AZURE_CLIENT_ID", read_segment, client_id),
        ROW(NULL, "AZURE_CLIENT_SECRET", read_text, client_secret),
        ROW("client-secret-file", "AZURE_CLIENT_SECRET_FILE", read_path, client_secret_file),
        ROW("federated-token-file", "AZURE_FEDERATED_TOKEN_FILE", read_path, federated_token_file),
        ROW("metadata", NULL, read_origin, metadata),
        ROW("ca-file", NULL, read_path, ca_file),
        ROW("secrets", "CREDENTIALS_DIRECTORY", read_path, secrets_folder),
        ROW("compute-version", NULL, read_segment, compute_version),
        ROW("network-version", NULL, read_segment, network_version),
        ROW("tags-version", NULL, read_segment, tags_version),
        ROW("credential", NULL, read_credential, credential),
        ROW("wait", NULL, read_span, wait_usec),
        ROW("patience", NULL, read_span, patience_usec),
        ROW("sweep", NULL, read_span, sweep_usec),
};

static int read_environment(struct azure_config *c, struct error *e)
{
        for (const struct row *row = rows; row < rows + ELEMENTS(rows); row++) {
                const char *value = row->variable ? getenv(row->variable) : NULL;
                int r = value && *value ? row->read(row->variable, value, (char *)c + row->offset, e) : 0;
                if (r < 0)
                        return r;
        }
        char *secret = getenv("AZURE_CLIENT_SECRET");
        if (secret)
                explicit_bzero(secret, strlen(secret));
        return 0;
}

static int read_word(struct azure_config *c, const char *word, struct error *e)
{
        const char *name = text_starts(word, "--") ? word + 2 : word, *equals = strchr(name, '=');
        for (const struct row *row = rows; equals && row < rows + ELEMENTS(rows); row++)
                if (row->name && strlen(row->name) == (size_t)(equals - name) && strncmp(row->name, name, strlen(row->name)) == 0)
                        return row->read(row->name, equals + 1, (char *)c + row->offset, e);
        CLEAN_TEXT struct text known = { 0 };
        for (const struct row *row = rows; row < rows + ELEMENTS(rows); row++)
                if (row->name)
                        text_addf(&known, "%s%s", known.length ? ", " : "", row->name);
        (void)error_set(e, EINVAL, "azure.option", "\"%.*s\" is no option of this plugin", equals ? (int)(equals - word) : (int)strlen(word), word);
        error_hint(e, "NAME=VALUE, where NAME is one of %s", known.data);
        return -EINVAL;
}

static void set_default(char **target, const char *value)
{
        if (!*target)
                *target = xstrdup(value);
}

static void set_defaults(struct azure_config *c)
{
        set_default(&c->endpoint, "https://management.azure.com");
        set_default(&c->audience, c->endpoint);
        set_default(&c->authority, "https://login.microsoftonline.com");
        set_default(&c->metadata, "http://169.254.169.254");
        set_default(&c->compute_version, "2024-07-01"); /* it has If-None-Match */
        set_default(&c->network_version, "2023-11-01");
        set_default(&c->tags_version, "2021-04-01");
        if (!c->wait_usec)
                c->wait_usec = UINT64_C(1200) * 1000000;
        if (!c->patience_usec)
                c->patience_usec = UINT64_C(120) * 1000000;
        if (!c->sweep_usec)
                c->sweep_usec = UINT64_C(600) * 1000000;
        if (c->credential != CREDENTIAL_AUTO)
                return;
        if (c->client_secret || c->client_secret_file)
                c->credential = CREDENTIAL_SECRET;
        else
                c->credential = c->federated_token_file ? CREDENTIAL_FEDERATED : CREDENTIAL_MANAGED;
}

static int check(const struct azure_config *c, struct error *e)
{
        if (!c->subscription || !c->resource_group) {
                (void)error_set(e, EINVAL, "azure.option", "%s is not said", c->subscription ? "resource-group" : "subscription");
                error_hint(e, "%s", c->subscription ? "resource-group=NAME or AZURE_RESOURCE_GROUP" : "subscription=ID or AZURE_SUBSCRIPTION_ID");
                return -EINVAL;
        }
        if (c->credential == CREDENTIAL_MANAGED)
                return 0;
        if (!c->tenant || !c->client_id)
                return error_set(e, EINVAL, "azure.credential", "there is a secret to log in with, but no %s", c->tenant ? "AZURE_CLIENT_ID" : "AZURE_TENANT_ID");
        if (c->credential == CREDENTIAL_SECRET ? !c->client_secret && !c->client_secret_file : !c->federated_token_file)
                return error_set(e, EINVAL, "azure.credential", "credential=%s, but neither %s", c->credential == CREDENTIAL_SECRET ? "secret" : "federated",
                                 c->credential == CREDENTIAL_SECRET ? "AZURE_CLIENT_SECRET_FILE nor AZURE_CLIENT_SECRET is set" : "option nor AZURE_FEDERATED_TOKEN_FILE is set");
        return 0;
}

int azure_config_read(const struct strings *options, struct azure_config *ret, struct error *e)
{
        CLEAN_CONFIG struct azure_config c = { 0 };
        int r = read_environment(&c, e);
        for (size_t i = 0; r == 0 && options && i < options->count; i++)
                r = read_word(&c, options->items[i], e);
        if (r < 0)
                return r;
        set_defaults(&c);
        r = check(&c, e);
        if (r < 0)
                return r;
        *ret = c;
        c = (struct azure_config){ 0 };
        return 0;
}
