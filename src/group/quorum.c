/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/quorum.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "group/spec.h"

enum { DURATION_MAX_S = 600, TRY_AGAIN_MS = 250 };

/* Written as the C library writes it, so that one address is one text, and safe in a script. */
static bool is_address(const char *s)
{
        unsigned char bytes[16];
        char again[INET6_ADDRSTRLEN];
        int family = strchr(s, ':') ? AF_INET6 : AF_INET;
        return inet_pton(family, s, bytes) == 1 && inet_ntop(family, bytes, again, sizeof again) && text_equal(s, again);
}

int quorum_check(const struct allocation *a, struct error *e)
{
        const struct strings *ids = &a->logical_ids;
        if (!ids->count || ids->count > QUORUM_MAX) {
                (void)error_set(e, EINVAL, "flavor.members", "there are %zu logical ids, and there must be 1 to %d", ids->count, QUORUM_MAX);
                error_hint(e, "\"Allocation\": {\"LogicalIDs\": [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\"]}");
                return -EINVAL;
        }
        for (size_t i = 0; i < ids->count; i++) {
                if (!is_address(ids->items[i]))
                        return error_set(e, EINVAL, "flavor.members", "the logical id \"%.100s\" is no IP address in its usual form", ids->items[i]);
                for (size_t k = 0; k < i; k++)
                        if (text_equal(ids->items[i], ids->items[k]))
                                return error_set(e, EINVAL, "flavor.members", "the logical id %s stands there twice", ids->items[i]);
        }
        return 0;
}

int quorum_index(const struct allocation *a, const struct instance_spec *spec, size_t *ret, struct error *e)
{
        int r = quorum_check(a, e);
        if (r < 0)
                return r;
        for (size_t i = 0; spec->logical_id && i < a->logical_ids.count; i++)
                if (text_equal(a->logical_ids.items[i], spec->logical_id)) {
                        *ret = i;
                        return 0;
                }
        return error_set(e, EINVAL, "flavor.members", "the instance's logical id %.100s is none of the group's", spec->logical_id ? spec->logical_id : "(none)");
}

char *quorum_format(const struct strings *members)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (size_t i = 0; i < members->count; i++)
                text_addf(&t, "%s%s", i ? "," : "", members->items[i]);
        return TAKE_PTR(t.data);
}

void quorum_others(const struct instance *i, struct strings *ret)
{
        const char *s = tags_get(&i->tags, TAG_QUORUM);
        while (s && *s && ret->count < QUORUM_MAX) {
                size_t n = strcspn(s, ",");
                CLEAN_FREE char *address = xstrndup(s, n);
                if (is_address(address) && !(i->logical_id && text_equal(address, i->logical_id)))
                        strings_add(ret, address);
                s += n + (s[n] == ',');
        }
}

char *quorum_host(const char *address)
{
        return xprintf(strchr(address, ':') ? "[%s]" : "%s", address);
}

/* ---- properties ---- */

void quorum_ports_done(struct quorum_ports *p)
{
        free(p->data);
        *p = (struct quorum_ports){ 0 };
}

bool quorum_try_again(const struct quorum_ports *p, uint64_t *until_usec)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t);
        uint64_t now_usec = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
        if (!*until_usec)
                *until_usec = now_usec + p->wait_usec;
        if (now_usec >= *until_usec)
                return false;
        (void)poll(NULL, 0, TRY_AGAIN_MS);
        return true;
}

int quorum_read_duration(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        uint64_t usec;
        if (!s)
                return -EINVAL;
        if (duration_parse(s, &usec) < 0 || usec > DURATION_MAX_S * 1000000ULL)
                return json_fail(at, e, "is no time of at most %d s, such as \"10s\"", DURATION_MAX_S);
        *(uint64_t *)into = usec;
        return 0;
}

int quorum_read_port(const struct json_place *at, void *into, struct error *e)
{
        uint16_t port;
        int r = json_u16(at, &port, e);
        if (r == 0 && !port)
                return json_fail(at, e, "a port is 1 to %d", UINT16_MAX);
        if (r == 0)
                *(uint16_t *)into = port;
        return r;
}

int quorum_read_folder(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        for (const char *c = s; *c; c++)
                if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("/._-", *c)))
                        return json_fail(at, e, "is no folder of letters, digits and \"/._-\"");
        if (*s != '/' || strstr(s, "..") || !s[1])
                return json_fail(at, e, "is no absolute path of a folder");
        return json_string(at, into, e);
}

/* ---- scripts ---- */

void quorum_script_folder(struct text *t, const char *data, const char *otherwise)
{
        text_add(t, "set -e\n");
        if (data)
                text_addf(t, "dir=%s\n", data);
        else
                text_addf(t, "dir=${STATE_DIRECTORY:-%s}\n", otherwise);
        text_add(t, "mkdir -p \"$dir/data\"\n");
}

int quorum_add_init(struct instance_spec *spec, const struct text *script, struct error *e)
{
        char *whole = xprintf("%s%s%s", spec->init ? spec->init : "", spec->init && *spec->init ? "\n" : "", script->data);
        if (strlen(whole) > INSTANCE_INIT_MAX) {
                free(whole);
                return error_set(e, EMSGSIZE, "flavor.init", "the init script would have more than %d bytes", INSTANCE_INIT_MAX);
        }
        free(spec->init);
        spec->init = whole;
        return 0;
}
