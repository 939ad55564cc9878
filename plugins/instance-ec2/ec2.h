/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the plugin holds, and its functions by concern. All may be called by several threads at once. */
#pragma once

#include "credentials.h"
#include "group/instance.h"
#include "recent.h"

struct ec2 {
        struct ec2_settings settings;
        struct web_client *web;
        struct credential_chain *credentials;
        struct aws_service service;
        struct recent *recent;
};

extern const struct instance_plugin ec2_plugin;

/*
 * One call to EC2, again and again as long as the settings are patient, and once more with new credentials where those that were at hand
 * have expired.  For calls that may be made twice, as all of ours. 0: answered, ret->verdict is AWS_DONE or AWS_REFUSED, and the error is set where it is
 * refused. Else the error's code. e is never NULL here and below.
 */
int ec2_call(struct ec2 *c, const struct query *q, struct aws_answer *ret, struct error *e);
/*
 * One call about an instance that exists, or did: one that EC2 does not know is asked for again for a while, if we made it a
 * moment ago. Refusals are errors; not there is -ENOENT.
 */
int ec2_call_on_instance(struct ec2 *c, const struct query *q, const char *id, struct aws_answer *ret, struct error *e);

int ec2_provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e);
int ec2_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e);
/* Ends an instance. */
int ec2_terminate(struct ec2 *c, const char *id, struct error *e);

/* Attaches volumes to an instance, once it runs. Those that are attached to it already are passed over. */
int ec2_attach(struct ec2 *c, const char *id, const struct strings *volumes, struct error *e);
