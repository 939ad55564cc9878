/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plugins as the command line names them, calls to them, and what is taken out of their answers. */
#pragma once

#include "group/rpc_client.h"
#include "os/stream.h"

/* Of a call that is quick, and of one that makes or removes a machine. */
#define CALL_QUICK_USEC (60ULL * 1000000)
#define CALL_LONG_USEC (15ULL * 60 * 1000000)
#define CONTROLLER_NAME "group"

struct plugin_target {
        char *name, *type; /* "aws" and "ec2-instance" */
        struct endpoint at;
};
void plugin_target_done(struct plugin_target *t);
#define CLEAN_PLUGIN_TARGET CLEAN(plugin_target_done)

/* Finds "NAME" or "NAME/TYPE" in the folder of plugins. Ids: "plugin.name", "plugin.missing", "plugin.endpoint". */
int plugin_target_open(const char *reference, struct plugin_target *ret, struct error *e);
/* Calls a method. params is JSON text. ret_result points into ret. */
int plugin_target_call(const struct plugin_target *t, const char *method, const char *params, uint64_t timeout_usec, struct json_document *ret,
                       const struct json_node **ret_result, struct error *e);
/* The same of the controller. */
int controller_call(const char *method, const char *params, uint64_t timeout_usec, struct json_document *ret, const struct json_node **ret_result,
                    struct error *e);
/* Whether somebody accepts connections there; ret_pid (or NULL): who, where that can be known, else 0. */
bool plugin_listens(const struct endpoint *at, pid_t *ret_pid);

/* Members of an answer: what is not there, or of another type, is "", 0 or false. */
const char *view_text(const struct json_node *n, const char *name);
uint64_t view_number(const struct json_node *n, const char *name);
bool view_true(const struct json_node *n, const char *name);
/* Elements of an array, one after another: (NULL) gives the first, NULL is after the last. Of what is no array there are none. */
const struct json_node *view_next(const struct json_node *array, const struct json_node *element);
/* Members of an object in the same way: the name is the node before the value. */
const struct json_node *view_next_member(const struct json_node *object, const struct json_node *value);

/* Appends ,"NAME":"VALUE"; the comma only where something stands before. */
void params_add(struct text *t, const char *name, const char *value);
/* The same with JSON as value. */
void params_add_raw(struct text *t, const char *name, const char *json);
