/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of a cluster of etcd.  The group's logical ids are the members' IP addresses.
 *
 *      {"ClientPort": 2379, "PeerPort": 2380, "DataDir": "/srv/etcd", "Timeout": "5s", "Wait": "10s"}     all have defaults
 *
 * What is run first writes etcd.conf.yml, for `etcd --config-file`, into DataDir or the service's $STATE_DIRECTORY (else
 * /var/lib/etcd); the data lies in data/ there. A member of a cluster that does not run yet begins it with the others. Where it does run, the
 * member is made known to it first (member add), in the place of one that had its address and is gone; data of an earlier member is
 * then removed. Draining takes the member out of the cluster (member remove), so that none is counted in the majority that will not come back; what
 * the cluster refuses is tried again for Wait. A member is good when it says so at /health: it serves, and there is a leader.
 *
 * Peers and clients are spoken to without TLS: the network between the members is to be theirs alone.
 */
#include <string.h>

#include "group/quorum.h"
#include "group/serve.h"
#include "members.h"

struct etcd {
        struct quorum_ports ports;
        char client[8], peer[8]; /* as text */
};

static void etcd_done(struct etcd *c)
{
        quorum_ports_done(&c->ports);
}
#define CLEAN_ETCD CLEAN(etcd_done)

static int read_properties(const struct json_place *at, struct etcd *c, struct error *e)
{
#define PORTS(member) offsetof(struct quorum_ports, member)
        static const struct json_field fields[] = {
                { "ClientPort", quorum_read_port, PORTS(client), 0 },        { "PeerPort", quorum_read_port, PORTS(peer), 0 },
                { "DataDir", quorum_read_folder, PORTS(data), 0 },           { "Timeout", quorum_read_duration, PORTS(timeout_usec), 0 },
                { "Wait", quorum_read_duration, PORTS(wait_usec), 0 },  { 0 },
        };
        c->ports = (struct quorum_ports){ .client = 2379, .peer = 2380, .timeout_usec = 5000000, .wait_usec = 10000000 };
        int r = at->value->type == JSON_NULL ? 0 : json_object(at, fields, &c->ports, e);
        (void)snprintf(c->client, sizeof c->client, "%u", c->ports.client);
        (void)snprintf(c->peer, sizeof c->peer, "%u", c->ports.peer);
        return r;
}

static struct etcd_place place_of(const struct etcd *c, const char *address)
{
        return (struct etcd_place){ address, c->client, (int)(c->ports.timeout_usec / 1000) };
}

static char *url_of(const char *address, const char *port)
{
        CLEAN_FREE char *host = quorum_host(address);
        return xprintf("http://%s:%s", host, port);
}

/* "m-10-0-0-1": the same for an address at all times. */
static char *name_of(const char *address)
{
        char *name = xprintf("m-%s", address);
        for (char *s = name; *s; s++)
                if (*s == '.' || *s == ':')
                        *s = '-';
        return name;
}

/* ---- the cluster as it is ---- */

static bool is_there(const struct error *e)
{
        return !text_equal(e->id, "tcp.connect") && !text_equal(e->id, "tcp.timeout");
}

/*
 * Asks one after another until one tells; ret_at is who. -ENOENT without words: nobody is there. One that is there and tells nothing is an
 * error: a cluster that cannot be asked is not taken for none.
 */
static int find_cluster(const struct etcd *c, const struct strings *addresses, const char *except, struct etcd_place *ret_at, struct etcd_members *ret,
                        struct error *e)
{
        int r = -ENOENT;
        for (size_t i = 0; i < addresses->count; i++) {
                struct error why = { 0 };
                if (except && text_equal(addresses->items[i], except))
                        continue;
                *ret_at = place_of(c, addresses->items[i]);
                if (etcd_list(ret_at, ret, &why) == 0)
                        return 0;
                if (is_there(&why)) {
                        r = why.code;
                        if (e)
                                *e = why;
                }
        }
        return r;
}

/* How a member begins. */
struct beginning {
        bool joins;            /* a cluster that runs; else all begin it together */
        char *id;              /* of the member, when it joins */
        struct text cluster;   /* NAME=PEER-URL,... of all members */
};

static void beginning_done(struct beginning *b)
{
        free(b->id);
        text_clear(&b->cluster);
}
#define CLEAN_BEGINNING CLEAN(beginning_done)

static void add_to_cluster(struct beginning *b, const char *name, const char *peer_url)
{
        text_addf(&b->cluster, "%s%s=%s", b->cluster.length ? "," : "", name, peer_url);
}

static void all_begin(const struct etcd *c, const struct strings *members, struct beginning *b)
{
        for (size_t i = 0; i < members->count; i++) {
                CLEAN_FREE char *name = name_of(members->items[i]), *url = url_of(members->items[i], c->peer);
                add_to_cluster(b, name, url);
        }
}

/* A URL of a peer as it came from the cluster: nothing that means something in the file or to a shell. */
static bool is_plain_url(const char *s)
{
        return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/[]-_")];
}

static int joins(const struct etcd *c, const struct strings *members, const struct etcd_members *now, const char *own_url, struct beginning *b, struct error *e)
{
        const struct etcd_member *self = etcd_members_find(now, own_url);
        if (!self)
                return error_set(e, EPROTO, "etcd.member", "the cluster does not list the member that it added");
        b->joins = true;
        b->id = xstrdup(self->id);
        for (size_t i = 0; i < now->count; i++) {
                const struct etcd_member *m = &now->items[i];
                const char *url = m->peer_urls.count ? m->peer_urls.items[0] : "";
                CLEAN_FREE char *name = m->name && is_plain_url(m->name) ? xstrdup(m->name) : NULL;
                for (size_t k = 0; !name && k < members->count; k++) {
                        CLEAN_FREE char *theirs = url_of(members->items[k], c->peer);
                        if (text_equal(theirs, url))
                                name = name_of(members->items[k]);
                }
                if (!name || !is_plain_url(url))
                        return error_set(e, EPROTO, "etcd.member", "the cluster has a member that is none of the group's: %.100s", url);
                add_to_cluster(b, name, url);
        }
        return 0;
}

/* Removes the member of before, if there is one, and adds ours. A cluster refuses for some seconds after it has lost one: it is asked again. */
static int take_place(const struct etcd *c, const struct etcd_place *at, const char *old_id, const char *own_url, struct etcd_members *ret, struct error *e)
{
        for (uint64_t until_usec = 0;;) {
                struct error why = { 0 };
                int r = old_id ? etcd_remove(at, old_id, &why) : 0;
                old_id = r == 0 ? NULL : old_id;
                if (r == 0)
                        r = etcd_add(at, own_url, ret, &why);
                if (r == 0)
                        return 0;
                if (!quorum_try_again(&c->ports, &until_usec)) {
                        if (e)
                                *e = why;
                        return r;
                }
        }
}

/*
 * A member that is listed and has never run is either one of those that begin the cluster, which then have their names, or one that an earlier call
 * of ours added. One that has run is gone, or there would be no need for another: its place is taken.
 */
static int choose_beginning(const struct etcd *c, const struct strings *members, const char *own, struct beginning *b, struct error *e)
{
        CLEAN_ETCD_MEMBERS struct etcd_members now = { .count = 0 }, then = { .count = 0 };
        CLEAN_FREE char *own_url = url_of(own, c->peer);
        struct etcd_place at;
        int r = find_cluster(c, members, own, &at, &now, e);
        if (r < 0 && r != -ENOENT)
                return error_while(e, "asking the cluster for its members");
        const struct etcd_member *self = r < 0 ? NULL : etcd_members_find(&now, own_url);
        if (r < 0 || (self && !self->client_urls.count && self->name && *self->name)) {
                all_begin(c, members, b);
                return 0;
        }
        if (self && !self->client_urls.count)
                return joins(c, members, &now, own_url, b, e);
        r = take_place(c, &at, self ? self->id : NULL, own_url, &then, e);
        return r < 0 ? error_while(e, "making %s known to its cluster", own) : joins(c, members, &then, own_url, b, e);
}

/* ---- the script ---- */

static void add_script(struct text *t, const struct etcd *c, const char *own, const char *group, const struct beginning *b)
{
        CLEAN_FREE char *name = name_of(own), *peer = url_of(own, c->peer), *client = url_of(own, c->client);
        text_addf(t, "# etcd: member %s\n", name);
        quorum_script_folder(t, c->ports.data, "/var/lib/etcd");
        if (b->joins) /* data of a member that has left is of no use to the one that comes in its place; its own stays */
                text_addf(t, "if [ \"$(cat \"$dir/member\" 2>/dev/null)\" != %s ]; then rm -rf \"$dir/data\"; mkdir \"$dir/data\"; echo %s >\"$dir/member\"; fi\n",
                          b->id, b->id);
        text_add(t, "chmod 700 \"$dir/data\"\ncat >\"$dir/etcd.conf.yml\" <<END\n");
        text_addf(t, "name: %s\ndata-dir: $dir/data\n", name);
        text_addf(t, "listen-peer-urls: %s\ninitial-advertise-peer-urls: %s\nlisten-client-urls: %s\nadvertise-client-urls: %s\n", peer, peer, client, client);
        text_addf(t, "initial-cluster: %s\ninitial-cluster-token: %s\ninitial-cluster-state: %s\n", b->cluster.data, group, b->joins ? "existing" : "new");
        text_add(t, "enable-grpc-gateway: true\nEND\n"); /* which a configuration file would turn off, and by which members are asked */
}

/* A group's ID as a word of the file. */
static char *plain_word(const char *s)
{
        char *word = xprintf("bulkhead-%.100s", s ? s : "");
        for (char *c = word; *c; c++)
                if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
                        *c = '-';
        return word;
}

/* ---- the plugin ---- */

static int validate(void *self, const char *type, const struct json_place *properties, const struct allocation *a, struct error *e)
{
        CLEAN_ETCD struct etcd c = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        return r < 0 ? r : quorum_check(a, e);
}

static int prepare(void *self, const char *type, const struct json_place *properties, struct instance_spec *spec, const struct allocation *a,
                   const struct group_index *group, struct error *e)
{
        CLEAN_ETCD struct etcd c = { 0 };
        CLEAN_BEGINNING struct beginning b = { 0 };
        CLEAN_TEXT struct text script = { 0 };
        size_t index = 0;
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        if (r == 0)
                r = quorum_index(a, spec, &index, e);
        if (r == 0)
                r = choose_beginning(&c, &a->logical_ids, a->logical_ids.items[index], &b, e);
        if (r < 0)
                return r;
        CLEAN_FREE char *token = plain_word(group->group), *members = quorum_format(&a->logical_ids);
        add_script(&script, &c, a->logical_ids.items[index], token, &b);
        tags_set(&spec->tags, TAG_QUORUM, members);
        return quorum_add_init(spec, &script, e);
}

static bool any_is_healthy(const struct etcd *c, const struct strings *members)
{
        for (size_t i = 0; i < members->count; i++) {
                const struct etcd_place at = place_of(c, members->items[i]);
                if (etcd_is_healthy(&at))
                        return true;
        }
        return false;
}

/* One that lives in a cluster that has lost its majority is not at fault, and its data may be the last: it must not be replaced for it. */
static enum health judge(const struct etcd *c, const struct instance *i)
{
        CLEAN_STRINGS struct strings others = { 0 };
        const struct etcd_place at = place_of(c, i->logical_id);
        if (etcd_is_healthy(&at))
                return HEALTH_GOOD;
        quorum_others(i, &others);
        return others.count && etcd_is_alive(&at) && !any_is_healthy(c, &others) ? HEALTH_UNKNOWN : HEALTH_BAD;
}

static int healthy(void *self, const char *type, const struct json_place *properties, const struct instance *i, enum health *ret, struct error *e)
{
        CLEAN_ETCD struct etcd c = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        if (r < 0)
                return r;
        if (!i->logical_id)
                return error_set(e, EINVAL, "flavor.members", "instance %s has no logical id to ask it at", i->id);
        *ret = judge(&c, i);
        return 0;
}

/* Whether there is nothing more to do: it is no member, the last one, or there is no cluster to leave. */
static bool has_left(const struct etcd *c, const struct strings *others, const char *own)
{
        CLEAN_ETCD_MEMBERS struct etcd_members now = { .count = 0 };
        CLEAN_FREE char *own_url = url_of(own, c->peer);
        struct etcd_place at;
        int r = find_cluster(c, others, NULL, &at, &now, NULL);
        if (r < 0)
                return r == -ENOENT;
        const struct etcd_member *self = etcd_members_find(&now, own_url);
        return !self || now.count == 1 || etcd_remove(&at, self->id, NULL) == 0;
}

static int drain(void *self, const char *type, const struct json_place *properties, const struct instance *i, struct error *e)
{
        CLEAN_ETCD struct etcd c = { 0 };
        CLEAN_STRINGS struct strings others = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &c, e);
        if (r < 0 || !i->logical_id)
                return r;
        quorum_others(i, &others);
        uint64_t until_usec = 0;
        while (!has_left(&c, &others, i->logical_id) && quorum_try_again(&c.ports, &until_usec))
                ;
        return 0;
}

int main(int argc, char **argv)
{
        static const struct flavor_plugin etcd = {
                .name = "etcd", .version = BULKHEAD_VERSION, .summary = "Instances are members of a cluster of etcd.", .concurrent = true,
                .validate = validate, .prepare = prepare, .healthy = healthy, .drain = drain,
        };
        static const struct plugin_program program = { .name = "bulkhead-flavor-etcd", .flavor = &etcd };
        return plugin_main(&program, argc, argv);
}
