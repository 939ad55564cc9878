/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instances as EC2's replies tell them. Pure. */
#pragma once

#include "group/instance.h"
#include "xml.h"

/* Whether it has the form of an instance's id: "i-0123456789abcdef0". */
bool ec2_id_is_valid(const char *id);
/* Whether an instance in this state is there: "pending" and "running", as InfraKit counts. */
bool ec2_state_counts(const char *state);

/*
 * Adds the instances of one page of DescribeInstances that count and whose tags match.  Their logical id is that of their tag, else their private
 * address; their properties, when asked for, are what EC2 says, under the names that the API has in JSON.  ret_next is the token of
 * the next page, allocated, or NULL.  Id "aws.reply".
 */
int ec2_page_read(const struct xml_document *d, const struct tags *match, bool properties, struct instances *ret, char **ret_next,
                  struct error *e);
/* Adds the tags of an instance's element. */
void ec2_tags_read(const struct xml_document *d, const struct xml_node *item, struct tags *ret);
/* The first instance of a reply of DescribeInstances or RunInstances; NULL: there is none. */
const struct xml_node *ec2_first_instance(const struct xml_document *d);
