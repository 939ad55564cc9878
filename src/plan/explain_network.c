/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <netinet/in.h>
#include <sys/socket.h>

#include "plan/explain_process.h"

/* ---- text ---- */

enum { SHOWN_MAX = 4 };

/* The prefixes of one assignment, which stand together: their words, and how many they are. */
static char *prefixes_of(const struct cgroup_prefixes *l, size_t from, size_t *ret_count)
{
        CLEAN_TEXT struct text t = { 0 };
        size_t count = 0;
        for (; from + count < l->count && l->items[from + count].origin == l->items[from].origin; count++) {
                CLEAN_FREE char *words = plan_prefix_words(&l->items[from + count]);
                if (count < SHOWN_MAX)
                        text_addf(&t, "%s%s", count ? " " : "", words);
        }
        if (count > SHOWN_MAX)
                text_addf(&t, " and %zu more", count - SHOWN_MAX);
        *ret_count = count;
        return TAKE_PTR(t.data);
}

static void text_addresses(const struct view *v)
{
        const struct plan_network *n = &v->p->network;
        const struct cgroup_prefixes *l = &n->addresses;
        size_t count;
        for (size_t i = 0; i < l->count; i += count) {
                bool allow = l->items[i].allow;
                CLEAN_FREE char *words = prefixes_of(l, i, &count);
                CLEAN_FREE char *all = allow && !n->deny_origin ? xprintf("%s: no effect without IPAddressDeny=", words) : xstrdup(words);
                line(v, "network", allow ? "packets to and from" : "no packets to and from", all, l->items[i].origin);
        }
}

static void text_binds(const struct view *v)
{
        const struct plan_network *n = &v->p->network;
        for (size_t i = 0; i < n->binds.count; i++) {
                const struct cgroup_bind_rule *r = &n->binds.items[i];
                CLEAN_FREE char *words = plan_bind_words(r);
                CLEAN_FREE char *all = r->allow && !n->bind_deny_origin ? xprintf("%s: no effect without SocketBindDeny=", words) : xstrdup(words);
                line(v, "network", r->allow ? "may bind" : "may not bind", all, r->origin);
        }
}

static char *joined(const struct strings *l)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, l->count ? "" : "none");
        for (size_t i = 0; i < l->count; i++)
                text_addf(&t, "%s%s", i ? " " : "", l->items[i]);
        return TAKE_PTR(t.data);
}

static void text_file_systems(const struct view *v)
{
        const struct plan_file_systems *f = &v->p->file_systems;
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, f->names.count ? "" : "none");
        for (size_t i = 0; i < f->names.count && i < SHOWN_MAX * 2; i++)
                text_addf(&t, "%s%s", i ? " " : "", f->names.items[i]);
        if (f->names.count > SHOWN_MAX * 2)
                text_addf(&t, " and %zu more", f->names.count - SHOWN_MAX * 2);
        if (f->origin)
                line(v, "file systems", f->allowed ? "only these open" : "these do not open", t.data, f->origin);
}

void explain_network_text(const struct view *v)
{
        const struct plan_network *n = &v->p->network;
        text_addresses(v);
        text_binds(v);
        if (n->interfaces_origin) {
                CLEAN_FREE char *words = joined(&n->interfaces);
                line(v, "network", n->interfaces_allowed ? "devices used" : "devices not used", words, n->interfaces_origin);
        }
        if (n->bound_origin)
                line(v, "network", "sockets go through", n->bound_interface, n->bound_origin);
        if (n->accounting_origin)
                line(v, "network", "packets", "counted, with their bytes", n->accounting_origin);
        text_file_systems(v);
}

/* ---- JSON ---- */

static void json_addresses(struct text *t, const struct plan_network *n)
{
        key(t, "addresses");
        text_add(t, "[");
        for (size_t i = 0; i < n->addresses.count; i++) {
                CLEAN_FREE char *words = plan_prefix_words(&n->addresses.items[i]);
                next(t);
                text_add(t, "{");
                json_string(t, "prefix", words);
                json_bool(t, "allow", n->addresses.items[i].allow);
                json_string(t, "origin", n->addresses.items[i].origin);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void json_binds(struct text *t, const struct plan_network *n)
{
        static const char *const families[] = { "ipv4", "ipv6" };
        key(t, "bind");
        text_add(t, "[");
        for (size_t i = 0; i < n->binds.count; i++) {
                const struct cgroup_bind_rule *r = &n->binds.items[i];
                next(t);
                text_add(t, "{");
                json_string(t, "family", r->family ? families[r->family != AF_INET] : NULL);
                json_string(t, "protocol", r->protocol ? r->protocol == IPPROTO_TCP ? "tcp" : "udp" : NULL);
                json_number(t, "first", r->first);
                json_number(t, "last", r->last);
                json_bool(t, "allow", r->allow);
                json_string(t, "origin", r->origin);
                text_add(t, "}");
        }
        text_add(t, "]");
}

static void json_interfaces(struct text *t, const struct plan_network *n)
{
        if (!n->interfaces_origin)
                return;
        key(t, "interfaces");
        text_add(t, "{");
        json_bool(t, "allow", n->interfaces_allowed);
        json_strings(t, "names", &n->interfaces);
        json_string(t, "origin", n->interfaces_origin);
        text_add(t, "}");
}

static void json_file_systems(struct text *t, const struct plan_file_systems *f)
{
        if (!f->origin)
                return;
        key(t, "file_systems");
        text_add(t, "{");
        json_bool(t, "allow", f->allowed);
        json_strings(t, "names", &f->names);
        json_string(t, "origin", f->origin);
        text_add(t, "}");
}

void explain_network_json(const struct view *v)
{
        const struct plan_network *n = &v->p->network;
        struct text *t = v->t;
        key(t, "network");
        text_add(t, "{");
        json_addresses(t, n);
        json_binds(t, n);
        json_interfaces(t, n);
        json_origin(t, "bound_interface", n->bound_interface, n->bound_origin);
        json_origin(t, "accounting", n->accounting_origin ? "counted" : NULL, n->accounting_origin);
        text_add(t, "}");
        json_file_systems(t, &v->p->file_systems);
}
