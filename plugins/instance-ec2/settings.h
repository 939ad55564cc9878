/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the plugin was told: its options, then the variables that AWS's tools know. Pure but for the environment that it is given.
 *
 *      --region NAME        AWS_REGION, AWS_DEFAULT_REGION, the profile's region, the metadata service
 *      --endpoint URL       AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL; of STS: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL
 *      --profile NAME       AWS_PROFILE. The option also passes over keys in the environment
 *      --patience SECONDS   how long one call to EC2 is tried again while it is throttled or there is no answer; 60
 *      --plain-http         endpoints without TLS may be other machines
 */
#pragma once

#include "aws_credentials.h"
#include "aws_endpoint.h"

struct ec2_settings {
        char *region; /* NULL: not said */
        char *endpoint, *sts_endpoint; /* URLs; NULL: those of the region */
        char *profile;
        bool profile_chosen, profile_option;
        bool plain_http, metadata_disabled;
        char *credentials_file, *config_file; /* NULL: there is no home folder to look in */
        char *metadata_endpoint;
        char *role_arn, *role_session_name, *web_identity_token_file;
        char *container_uri, *container_token, *container_token_file;
        char *ca_bundle;
        struct aws_credentials environment; /* keys of the environment; NULL: not there */
        uint64_t patience_usec;
};
void ec2_settings_done(struct ec2_settings *s);
#define CLEAN_EC2_SETTINGS CLEAN(ec2_settings_done)

/* environment is getenv, or a test's. Ids: "aws.option". 0 or -EINVAL. */
int ec2_settings_read(const struct strings *options, char *(*environment)(const char *name), struct ec2_settings *ret, struct error *e);
