/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of ../web with the errors of this plugin. */
#pragma once

#include "base/error.h"
#include "web.h"

/*
 * ret_body is written on success only, and then its data is never NULL; any status is success.  Ids: "aws.unreachable" (-ETIMEDOUT where it
 * took too long, else -ECONNRESET: the call may have had an effect), "aws.certificate" (-EPROTO), "aws.reply" (-EMSGSIZE).
 */
int aws_web_call(struct web_client *c, const struct web_request *r, long *ret_status, struct text *ret_body, struct error *e);
