/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a document says of instances of EC2, in InfraKit's shape, and the call that it becomes:
 *
 *      {"RunInstancesInput": {"ImageId": "ami-0abc", "InstanceType": "t3.micro", "SubnetId": "subnet-1", ...},
 *       "Tags": {"team": "web"},
 *       "AttachedVolumeIDs": ["vol-0abc"]}
 *
 * RunInstancesInput holds the parameters of RunInstances under their names in the API, as JSON.  They are carried over by rule, so
 * that what EC2 learns needs nothing here.  UserData is plain text.  What the plugin itself says must not be in it: ClientToken, DryRun; MinCount
 * and MaxCount are 1.  Pure.
 */
#pragma once

#include "group/instance.h"
#include "query.h"

#define EC2_API_VERSION "2016-11-15"

enum {
        EC2_PARAMETERS_MAX = 2000, EC2_USER_DATA_MAX = 16384, EC2_CLIENT_TOKEN_MAX = 64, EC2_TAGS_MAX = 50, EC2_TAG_NAME_MAX = 127,
        EC2_TAG_VALUE_MAX = 255, EC2_VOLUMES_MAX = 25
};

/* What one call is made of. */
struct ec2_launch {
        struct query query;
        struct tags tags; /* all that the instance carries from its first moment on */
        char *logical_id; /* NULL: none was asked for */
        struct strings volumes;
        char client_token[EC2_CLIENT_TOKEN_MAX + 1];
};
void ec2_launch_done(struct ec2_launch *l);
#define CLEAN_EC2_LAUNCH CLEAN(ec2_launch_done)

/*
 * Reads properties and spec.  token names the intent: TAG_TOKEN, or random words where the caller gave none.
 * Ids: "json.value", "aws.tag", "aws.init", "aws.volume". 0 or -errno.
 */
int ec2_launch_read(const struct json_place *properties, const struct instance_spec *spec, const char *token, struct ec2_launch *ret,
                    struct error *e);
/* Whether EC2 takes a tag: 0 or -EINVAL with "aws.tag". */
int ec2_tags_check(const struct tags *tags, struct error *e);
/* Adds PREFIXTag.1.Key=..&PREFIXTag.1.Value=.. for each. */
void ec2_tags_add(struct query *q, const char *prefix, const struct tags *tags);
