/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of a ZooKeeper ensemble.  The group's logical ids are the members' IP addresses, in the order of their numbers.
 *
 *      {"ClientPort": 2181, "PeerPort": 2888, "ElectionPort": 3888, "DataDir": "/srv/zookeeper", "Config": {"tickTime": "2000"},
 *       "Timeout": "5s", "Wait": "10s"}                                 all have defaults
 *
 * What is run first writes zoo.cfg and data/myid, with the server lines of all members, into DataDir or the service's $STATE_DIRECTORY
 * (else /var/lib/zookeeper). A member is good when it says `imok` and serves: as leader, as follower, or alone. Members of a fixed
 * ensemble cannot leave it; before one is taken away it is waited, at most Wait, until the others have a majority.
 */
#include <string.h>

#include "group/quorum.h"
#include "group/serve.h"
#include "os/tcp_ask.h"

enum { CONFIG_MAX = 64, ANSWER_MAX = 65536 };

struct zookeeper {
        struct quorum_ports ports;
        struct tags config; /* more lines of zoo.cfg; with its readers and limits */
};

static void zookeeper_done(struct zookeeper *z)
{
        quorum_ports_done(&z->ports);
        tags_done(&z->config);
}
#define CLEAN_ZOOKEEPER CLEAN(zookeeper_done)

/* ---- reading ---- */

/* The words that members are asked with. A group may allow more. */
#define WORDS "4lw.commands.whitelist"

/*
 * Lines of a file that is written by a script: names and values that mean nothing to a shell, and none of ours.  All members have the same
 * lines, and all vote: with peerType they would all be observers.
 */
static int check_line(const struct json_place *at, const struct tag *line, struct error *e)
{
        static const char *const ours[] = { "dataDir", "clientPort", "clientPortAddress", "peerType", "dynamicConfigFile" };
        const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:, *";
        if (line->name[strspn(line->name, allowed)] || line->value[strspn(line->value, allowed)])
                return json_fail(at, e, "%s: a line of zoo.cfg has letters, digits and \"._-/:, *\" here", line->name);
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                if (text_equal(line->name, ours[i]) || text_starts(line->name, "server."))
                        return json_fail(at, e, "%s is written by the flavor", line->name);
        return 0;
}

static int read_config(const struct json_place *at, void *into, struct error *e)
{
        struct tags *config = into;
        int r = tags_read(at, config, e);
        if (r == 0 && config->count > CONFIG_MAX)
                return json_fail(at, e, "there are at most %d lines", CONFIG_MAX);
        for (size_t i = 0; r == 0 && i < config->count; i++)
                r = check_line(at, &config->items[i], e);
        return r;
}

static int read_properties(const struct json_place *at, struct zookeeper *z, struct error *e)
{
#define PORTS(member) offsetof(struct zookeeper, ports.member)
        static const struct json_field fields[] = {
                { "ClientPort", quorum_read_port, PORTS(client), 0 },        { "PeerPort", quorum_read_port, PORTS(peer), 0 },
                { "ElectionPort", quorum_read_port, PORTS(election), 0 },    { "DataDir", quorum_read_folder, PORTS(data), 0 },
                { "Timeout", quorum_read_duration, PORTS(timeout_usec), 0 }, { "Wait", quorum_read_duration, PORTS(wait_usec), 0 },
                { "Config", read_config, offsetof(struct zookeeper, config), 0 }, { 0 },
        };
        z->ports = (struct quorum_ports){ .client = 2181, .peer = 2888, .election = 3888, .timeout_usec = 5000000, .wait_usec = 10000000 };
        return at->value->type == JSON_NULL ? 0 : json_object(at, fields, z, e);
}

/* ---- preparing ---- */

static void add_config(struct text *t, const struct zookeeper *z, const struct strings *members, size_t index)
{
        static const char *const defaults[][2] = { { "tickTime", "2000" }, { "initLimit", "10" }, { "syncLimit", "5" }, { "admin.enableServer", "false" } };
        text_add(t, "cat >\"$dir/zoo.cfg\" <<END\ndataDir=$dir/data\n");
        text_addf(t, "clientPort=%u\nclientPortAddress=%s\n", z->ports.client, members->items[index]);
        const char *words = tags_get(&z->config, WORDS);
        text_addf(t, WORDS "=ruok,srvr%s%s\n", words ? "," : "", words ? words : "");
        for (size_t i = 0; i < ELEMENTS(defaults); i++)
                if (!tags_get(&z->config, defaults[i][0]))
                        text_addf(t, "%s=%s\n", defaults[i][0], defaults[i][1]);
        for (size_t i = 0; i < z->config.count; i++)
                if (!text_equal(z->config.items[i].name, WORDS))
                        text_addf(t, "%s=%s\n", z->config.items[i].name, z->config.items[i].value);
        for (size_t i = 0; members->count > 1 && i < members->count; i++) {
                CLEAN_FREE char *host = quorum_host(members->items[i]);
                text_addf(t, "server.%zu=%s:%u:%u\n", i + 1, host, z->ports.peer, z->ports.election);
        }
        text_add(t, "END\n");
}

static int validate(void *self, const char *type, const struct json_place *properties, const struct allocation *a, struct error *e)
{
        CLEAN_ZOOKEEPER struct zookeeper z = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &z, e);
        return r < 0 ? r : quorum_check(a, e);
}

static int prepare(void *self, const char *type, const struct json_place *properties, struct instance_spec *spec, const struct allocation *a,
                   const struct group_index *group, struct error *e)
{
        CLEAN_ZOOKEEPER struct zookeeper z = { 0 };
        CLEAN_TEXT struct text script = { 0 };
        size_t index = 0;
        (void)self, (void)type, (void)group;
        int r = read_properties(properties, &z, e);
        if (r == 0)
                r = quorum_index(a, spec, &index, e);
        if (r < 0)
                return r;
        text_addf(&script, "# ZooKeeper: member %zu of %zu\n", index + 1, a->logical_ids.count);
        quorum_script_folder(&script, z.ports.data, "/var/lib/zookeeper");
        text_addf(&script, "echo %zu >\"$dir/data/myid\"\n", index + 1);
        add_config(&script, &z, &a->logical_ids, index);
        CLEAN_FREE char *members = quorum_format(&a->logical_ids);
        tags_set(&spec->tags, TAG_QUORUM, members);
        return quorum_add_init(spec, &script, e);
}

/* ---- asking ---- */

/* A word of four letters, and what is answered until the connection ends. */
static int ask(const struct zookeeper *z, const char *address, const char *word, struct text *ret, struct error *e)
{
        CLEAN_FREE char *port = xprintf("%u", z->ports.client);
        const struct tcp_question q = { .address = address, .port = port, .data = word, .size = strlen(word),
                                        .timeout_ms = (int)(z->ports.timeout_usec / 1000), .max = ANSWER_MAX };
        text_add(ret, "");
        return tcp_ask(&q, ret, e);
}

/* One that has lost the others may say `read-only`, and one in an election says nothing of a mode: neither is of a majority. */
static bool takes_part(const char *state)
{
        static const char *const modes[] = { "leader\n", "follower\n", "standalone\n" };
        const char *mode = strstr(state, "\nMode: ");
        for (size_t i = 0; mode && i < ELEMENTS(modes); i++)
                if (text_starts(mode + sizeof "\nMode: " - 1, modes[i]))
                        return true;
        return false;
}

/* One that does not answer the word says so, and may serve all the same. */
static bool says_ok(const struct text *answer)
{
        return text_equal(answer->data, "imok") || strstr(answer->data, "whitelist");
}

static bool serves(const struct zookeeper *z, const char *address)
{
        CLEAN_TEXT struct text ok = { 0 }, state = { 0 };
        if (ask(z, address, "ruok", &ok, NULL) < 0 || ask(z, address, "srvr", &state, NULL) < 0)
                return false;
        return says_ok(&ok) && takes_part(state.data);
}

static bool is_alive(const struct zookeeper *z, const char *address)
{
        CLEAN_TEXT struct text ok = { 0 };
        return ask(z, address, "ruok", &ok, NULL) == 0 && says_ok(&ok);
}

static bool others_have_majority(const struct zookeeper *z, const struct strings *others)
{
        size_t serving = 0, needed = (others->count + 1) / 2 + 1;
        for (size_t i = 0; i < others->count && serving < needed; i++)
                serving += serves(z, others->items[i]);
        return serving >= needed;
}

/*
 * One that lives and does not serve because the ensemble has no majority is not at fault, and its data may be the last of their kind: it
 * must not be replaced for it.
 */
static enum health judge(const struct zookeeper *z, const struct instance *i)
{
        CLEAN_STRINGS struct strings others = { 0 };
        if (serves(z, i->logical_id))
                return HEALTH_GOOD;
        quorum_others(i, &others);
        return others.count && is_alive(z, i->logical_id) && !others_have_majority(z, &others) ? HEALTH_UNKNOWN : HEALTH_BAD;
}

static int healthy(void *self, const char *type, const struct json_place *properties, const struct instance *i, enum health *ret, struct error *e)
{
        CLEAN_ZOOKEEPER struct zookeeper z = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &z, e);
        if (r < 0)
                return r;
        if (!i->logical_id)
                return error_set(e, EINVAL, "flavor.members", "instance %s has no logical id to ask it at", i->id);
        *ret = judge(&z, i);
        return 0;
}

/* What is not serving makes nothing worse by going. */
static int drain(void *self, const char *type, const struct json_place *properties, const struct instance *i, struct error *e)
{
        CLEAN_ZOOKEEPER struct zookeeper z = { 0 };
        CLEAN_STRINGS struct strings others = { 0 };
        (void)self, (void)type;
        int r = read_properties(properties, &z, e);
        if (r < 0 || !i->logical_id)
                return r;
        quorum_others(i, &others);
        uint64_t until_usec = 0;
        while (others.count && serves(&z, i->logical_id) && !others_have_majority(&z, &others) && quorum_try_again(&z.ports, &until_usec))
                ;
        return 0;
}

int main(int argc, char **argv)
{
        static const struct flavor_plugin zookeeper = {
                .name = "zookeeper", .version = BULKHEAD_VERSION, .summary = "Instances are members of a ZooKeeper ensemble.", .concurrent = true,
                .validate = validate, .prepare = prepare, .healthy = healthy, .drain = drain,
        };
        static const struct plugin_program program = { .name = "bulkhead-flavor-zookeeper", .flavor = &zookeeper };
        return plugin_main(&program, argc, argv);
}
