/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where credentials come from, in the order of AWS's tools; the first source that applies decides, and if it fails nothing else is tried:
 *
 *   1. the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   2. a role by a web identity: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE
 *   3. the profile in the shared files: keys, or a role with source_profile or web_identity_token_file
 *   4. the endpoint of a container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI
 *   5. the metadata service of an EC2 instance, version 2
 *
 * With --profile the search begins at 3.  What expires is fetched anew five minutes before; when that fails, the old is used as
 * long as it lasts.  For any number of threads.
 */
#pragma once

#include "exchange.h"
#include "settings.h"

struct credential_chain;
/* settings and web must outlive it. */
struct credential_chain *credential_chain_new(const struct ec2_settings *settings, struct web_client *web);
void credential_chain_free(struct credential_chain *c);

/* Finds the region, from settings, profile or metadata service; before credentials are asked for. Id "aws.region". The text is the chain's. */
int credential_chain_region(struct credential_chain *c, const char **ret, struct error *e);
/* ret must hold nothing. Ids: "aws.credentials", "aws.credentials-file", "aws.metadata", and those of exchange.h. e must not be NULL. */
int credential_chain_get(struct credential_chain *c, struct aws_credentials *ret, struct error *e);
/* The service did not take these: who asks next gets new ones, where there are any. */
void credential_chain_refused(struct credential_chain *c, const struct aws_credentials *refused);
