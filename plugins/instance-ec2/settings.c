/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <string.h>

enum { PATIENCE_DEFAULT = 60, PATIENCE_MAX = 3600 };
#define METADATA_ENDPOINT "http://169.254.169.254"
#define CONTAINER_ENDPOINT "http://169.254.170.2"

/* In order: the first that is set wins, and an option before all. */
static const struct {
        const char *variable;
        size_t offset;
} variables[] = {
        { "AWS_REGION", offsetof(struct ec2_settings, region) },
        { "AWS_DEFAULT_REGION", offsetof(struct ec2_settings, region) },
        { "AWS_ENDPOINT_URL_EC2", offsetof(struct ec2_settings, endpoint) },
        { "AWS_ENDPOINT_URL", offsetof(struct ec2_settings, endpoint) },
        { "AWS_ENDPOINT_URL_STS", offsetof(struct ec2_settings, sts_endpoint) },
        { "AWS_ENDPOINT_URL", offsetof(struct ec2_settings, sts_endpoint) },
        { "AWS_SHARED_CREDENTIALS_FILE", offsetof(struct ec2_settings, credentials_file) },
        { "AWS_CONFIG_FILE", offsetof(struct ec2_settings, config_file) },
        { "AWS_EC2_METADATA_SERVICE_ENDPOINT", offsetof(struct ec2_settings, metadata_endpoint) },
        { "AWS_ROLE_ARN", offsetof(struct ec2_settings, role_arn) },
        { "AWS_ROLE_SESSION_NAME", offsetof(struct ec2_settings, role_session_name) },
        { "AWS_WEB_IDENTITY_TOKEN_FILE", offsetof(struct ec2_settings, web_identity_token_file) },
        { "AWS_CONTAINER_CREDENTIALS_FULL_URI", offsetof(struct ec2_settings, container_uri) },
        { "AWS_CONTAINER_AUTHORIZATION_TOKEN", offsetof(struct ec2_settings, container_token) },
        { "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", offsetof(struct ec2_settings, container_token_file) },
        { "AWS_CA_BUNDLE", offsetof(struct ec2_settings, ca_bundle) },
        { "AWS_ACCESS_KEY_ID", offsetof(struct ec2_settings, environment.access_key) },
        { "AWS_SECRET_ACCESS_KEY", offsetof(struct ec2_settings, environment.secret_key) },
        { "AWS_SESSION_TOKEN", offsetof(struct ec2_settings, environment.session_token) },
};

void ec2_settings_done(struct ec2_settings *s)
{
        for (size_t i = 0; i < ELEMENTS(variables); i++) {
                char **target = (char **)((char *)s + variables[i].offset);
                secret_free(*target);
                *target = NULL;
        }
        free(s->profile);
        *s = (struct ec2_settings){ 0 };
}

static void set(char **target, const char *value)
{
        free(*target);
        *target = xstrdup(value);
}

static int set_region(struct ec2_settings *s, const char *value)
{
        set(&s->region, value);
        return 0;
}

static int set_endpoint(struct ec2_settings *s, const char *value)
{
        set(&s->endpoint, value);
        return 0;
}

static int set_profile(struct ec2_settings *s, const char *value)
{
        set(&s->profile, value);
        s->profile_chosen = s->profile_option = true;
        return 0;
}

static int set_patience(struct ec2_settings *s, const char *value)
{
        uint64_t seconds = 0;
        int r = text_parse_uint(value, PATIENCE_MAX, &seconds);
        s->patience_usec = seconds * 1000000;
        return r;
}

static int set_plain(struct ec2_settings *s, const char *value)
{
        (void)value;
        s->plain_http = true;
        return 0;
}

static const struct {
        const char *name;
        bool has_value;
        int (*set)(struct ec2_settings *s, const char *value);
} option_table[] = {
        { "--endpoint", true, set_endpoint },
        { "--patience", true, set_patience },
        { "--plain-http", false, set_plain },
        { "--profile", true, set_profile },
        { "--region", true, set_region },
};

/* The row of "--name" or "--name=value", or -1. */
static int find_option(const char *word)
{
        size_t n = strcspn(word, "=");
        for (size_t i = 0; i < ELEMENTS(option_table); i++)
                if (strlen(option_table[i].name) == n && !strncmp(option_table[i].name, word, n) && (option_table[i].has_value || !word[n]))
                        return (int)i;
        return -1;
}

static int read_options(const struct strings *options, struct ec2_settings *s, struct error *e)
{
        for (size_t i = 0; i < options->count; i++) {
                const char *word = options->items[i], *value = strchr(word, '=');
                int row = find_option(word);
                if (row < 0)
                        return error_set(e, EINVAL, "aws.option", "%s is none of the plugin's options: --endpoint URL, --patience SECONDS, "
                                         "--plain-http, --profile NAME, --region NAME", word);
                if (!value && option_table[row].has_value)
                        value = i + 1 < options->count ? options->items[++i] : "";
                else if (value)
                        value++;
                if ((value && !*value) || option_table[row].set(s, value) < 0)
                        return error_set(e, EINVAL, "aws.option", "%s: not a value that it takes", option_table[row].name);
        }
        return 0;
}

static const char *lookup(char *(*environment)(const char *name), const char *name)
{
        const char *value = environment(name);
        return value && *value ? value : NULL;
}

static void read_variables(char *(*environment)(const char *name), struct ec2_settings *s)
{
        const char *home = lookup(environment, "HOME"), *disabled = lookup(environment, "AWS_EC2_METADATA_DISABLED");
        const char *relative = lookup(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), *profile = lookup(environment, "AWS_PROFILE");
        if (relative && *relative == '/')
                s->container_uri = xprintf(CONTAINER_ENDPOINT "%s", relative);
        for (size_t i = 0; i < ELEMENTS(variables); i++) {
                const char *value = lookup(environment, variables[i].variable);
                char **target = (char **)((char *)s + variables[i].offset);
                if (value && !*target)
                        *target = xstrdup(value);
        }
        if (!s->credentials_file && home)
                s->credentials_file = xprintf("%s/.aws/credentials", home);
        if (!s->config_file && home)
                s->config_file = xprintf("%s/.aws/config", home);
        if (!s->metadata_endpoint)
                s->metadata_endpoint = xstrdup(METADATA_ENDPOINT);
        if (!s->profile) {
                s->profile_chosen = profile != NULL;
                s->profile = xstrdup(profile ? profile : "default");
        }
        s->metadata_disabled = disabled && !strcasecmp(disabled, "true");
}

int ec2_settings_read(const struct strings *options, char *(*environment)(const char *name), struct ec2_settings *ret, struct error *e)
{
        struct ec2_settings s = { .patience_usec = UINT64_C(1000000) * PATIENCE_DEFAULT };
        int r = read_options(options, &s, e);
        if (r == 0)
                read_variables(environment, &s);
        if (r == 0 && s.region && !region_is_valid(s.region))
                r = error_set(e, EINVAL, "aws.option", "\"%.64s\" is not the name of a region, such as eu-west-1", s.region);
        if (r < 0)
                ec2_settings_done(&s);
        else
                *ret = s;
        return r;
}
