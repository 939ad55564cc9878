/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/plugin_call.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 2000 };

void plugin_target_done(struct plugin_target *t)
{
        free(t->name);
        free(t->type);
        endpoint_done(&t->at);
}

int plugin_target_open(const char *reference, struct plugin_target *ret, struct error *e)
{
        CLEAN_FREE char *folder = plugins_folder();
        int r = plugin_reference_parse(reference, &ret->name, &ret->type, e);
        return r < 0 ? r : plugin_find(folder, ret->name, &ret->at, e);
}

int plugin_target_call(const struct plugin_target *t, const char *method, const char *params, uint64_t timeout_usec, struct json_document *ret,
                       const struct json_node **ret_result, struct error *e)
{
        return rpc_call_wait(t->name, &t->at, method, params, timeout_usec, ret, ret_result, e);
}

int controller_call(const char *method, const char *params, uint64_t timeout_usec, struct json_document *ret, const struct json_node **ret_result,
                    struct error *e)
{
        CLEAN_PLUGIN_TARGET struct plugin_target t = { 0 };
        int r = plugin_target_open(CONTROLLER_NAME, &t, e);
        return r < 0 ? r : plugin_target_call(&t, method, params, timeout_usec, ret, ret_result, e);
}

bool plugin_listens(const struct endpoint *at, pid_t *ret_pid)
{
        struct ucred peer = { 0 };
        socklen_t size = sizeof peer, error_size = sizeof(int);
        bool connecting = false;
        int fd = -1, errnum = 0;
        int r = at->path ? stream_connect_path(at->path, &connecting, &fd, NULL) : stream_connect_tcp(at->host, at->port, &connecting, &fd, NULL);
        if (r < 0)
                return false;
        CLEAN_FD int own = fd;
        struct pollfd p = { .fd = own, .events = POLLOUT };
        if (connecting && (poll(&p, 1, CONNECT_MS) != 1 || getsockopt(own, SOL_SOCKET, SO_ERROR, &errnum, &error_size) < 0 || errnum))
                return false;
        if (ret_pid)
                *ret_pid = at->path && getsockopt(own, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
        return true;
}

/* ---- answers ---- */

const char *view_text(const struct json_node *n, const char *name)
{
        const struct json_node *m = n ? json_member(n, name) : NULL;
        return m && m->type == JSON_STRING ? m->text : "";
}

uint64_t view_number(const struct json_node *n, const char *name)
{
        const struct json_node *m = n ? json_member(n, name) : NULL;
        uint64_t v = 0;
        if (!m || m->type != JSON_NUMBER)
                return 0;
        CLEAN_FREE char *digits = xstrndup(m->text, m->length);
        return text_parse_uint(digits, UINT64_MAX, &v) < 0 ? 0 : v;
}

bool view_true(const struct json_node *n, const char *name)
{
        const struct json_node *m = n ? json_member(n, name) : NULL;
        return m && m->type == JSON_TRUE;
}

const struct json_node *view_next(const struct json_node *array, const struct json_node *element)
{
        if (!array || array->type != JSON_ARRAY || !array->count)
                return NULL;
        const struct json_node *n = element ? element + element->span : array + 1;
        return n < array + array->span ? n : NULL;
}

const struct json_node *view_next_member(const struct json_node *object, const struct json_node *value)
{
        if (!object || object->type != JSON_OBJECT || !object->count)
                return NULL;
        const struct json_node *n = (value ? value + value->span : object + 1) + 1;
        return n < object + object->span ? n : NULL;
}

/* ---- params ---- */

void params_add_raw(struct text *t, const char *name, const char *json)
{
        text_add(t, t->length ? "," : "");
        text_add_json(t, name);
        text_add(t, ":");
        text_add(t, json);
}

void params_add(struct text *t, const char *name, const char *value)
{
        CLEAN_TEXT struct text quoted = { 0 };
        text_add_json(&quoted, value);
        params_add_raw(t, name, quoted.data);
}
