/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "vagrant.h"

enum { NETWORKS_MAX = 16, MEMORY_MIB_MAX = 1 << 24, CPUS_MAX = 4096 };

/* By network_kind. The second half are Vagrant's own words, as InfraKit's documents have them. */
static const char *const kind_words[] = { "private", "public", "forward", "private_network", "public_network", "forwarded_port", NULL };
static const char *const vagrant_words[] = { "private_network", "public_network", "forwarded_port" };

void properties_done(struct properties *p)
{
        free(p->box);
        free(p->box_version);
        free(p->hostname);
        free(p->provider);
        free(p->vagrantfile);
        for (size_t i = 0; i < p->network_count; i++) {
                free(p->networks[i].ip);
                free(p->networks[i].bridge);
        }
        free(p->networks);
        *p = (struct properties){ 0 };
}

/* ---- reading ---- */

/* Words that Vagrant hands on to other programs: nothing that could pass for an option or leave its place. */
static int read_word(const struct json_place *at, void *into, struct error *e)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || *s == '-' || strlen(s) > 255 || s[strspn(s, allowed)])
                return json_fail(at, e, "a word of letters, digits and . _ / - is wanted");
        return json_string(at, into, e);
}

static int read_box_version(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strlen(s) > 64 || s[strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz.,<>=~! -")])
                return json_fail(at, e, "is no version, nor a range of versions");
        return json_string(at, into, e);
}

static int read_ip(const struct json_place *at, void *into, struct error *e)
{
        unsigned char room[16];
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (inet_pton(AF_INET, s, room) != 1 && inet_pton(AF_INET6, s, room) != 1)
                return json_fail(at, e, "is no IP address");
        return json_string(at, into, e);
}

static int read_memory(const struct json_place *at, void *into, struct error *e)
{
        uint32_t *mib = into;
        uint64_t bytes;
        if (at->value->type == JSON_NUMBER) {
                int r = json_u32(at, mib, e);
                if (r < 0)
                        return r;
        } else {
                const char *s = json_text(at, e);
                if (!s)
                        return -EINVAL;
                if (text_parse_size_bytes(s, &bytes) < 0 || bytes % (1 << 20) || bytes >> 20 > MEMORY_MIB_MAX)
                        return json_fail(at, e, "a number of MiB is wanted, or whole MiB with a unit, as in \"512M\"");
                *mib = (uint32_t)(bytes >> 20);
        }
        return *mib && *mib <= MEMORY_MIB_MAX ? 0 : json_fail(at, e, "is out of range");
}

static int read_cpus(const struct json_place *at, void *into, struct error *e)
{
        uint32_t *cpus = into;
        int r = json_u32(at, cpus, e);
        return r < 0 ? r : *cpus && *cpus <= CPUS_MAX ? 0 : json_fail(at, e, "is out of range");
}

static int read_port(const struct json_place *at, void *into, struct error *e)
{
        uint32_t *port = into;
        int r = json_u32(at, port, e);
        return r < 0 ? r : *port && *port <= 65535 ? 0 : json_fail(at, e, "is no port");
}

static int read_kind(const struct json_place *at, void *into, struct error *e)
{
        int word = json_word(at, kind_words, e);
        if (word < 0)
                return word;
        *(enum network_kind *)into = (enum network_kind)(word % 3);
        return 0;
}

static int read_network(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Kind", read_kind, offsetof(struct network, kind), JSON_REQUIRED },
                { "IP", read_ip, offsetof(struct network, ip), 0 },
                { "Bridge", read_word, offsetof(struct network, bridge), 0 },
                { "Guest", read_port, offsetof(struct network, guest), 0 },
                { "Host", read_port, offsetof(struct network, host), 0 },
                { 0 },
        };
        struct properties *p = into;
        if (p->network_count >= NETWORKS_MAX)
                return json_fail(at, e, "there are at most %d networks", NETWORKS_MAX);
        p->networks = xgrow(p->networks, &p->network_room, p->network_count + 1, sizeof *p->networks);
        struct network *n = p->networks + p->network_count++;
        *n = (struct network){ 0 };
        int r = at->value->type == JSON_STRING ? read_kind(at, &n->kind, e) : json_object(at, fields, n, e);
        if (r == 0 && n->kind == NETWORK_FORWARD && (!n->guest || !n->host))
                return json_fail(at, e, "a forwarded port takes Guest and Host");
        return r;
}

static int read_networks(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_network, into, e);
}

static int read_on_stop(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "remove", "keep", NULL };
        int word = json_word(at, words, e);
        if (word < 0)
                return word;
        *(bool *)into = word == 1;
        return 0;
}

int properties_read(const struct json_place *at, bool allow_vagrantfile, struct properties *ret, struct error *e)
{
        static const struct json_field fields[] = {
                { "Box", read_word, offsetof(struct properties, box), 0 },
                { "BoxVersion", read_box_version, offsetof(struct properties, box_version), 0 },
                { "Hostname", read_word, offsetof(struct properties, hostname), 0 },
                { "Provider", read_word, offsetof(struct properties, provider), 0 },
                { "CPUs", read_cpus, offsetof(struct properties, cpus), 0 },
                { "Memory", read_memory, offsetof(struct properties, memory_mib), 0 },
                { "Networks", read_networks, 0, 0 },
                { "OnStop", read_on_stop, offsetof(struct properties, keep_stopped), 0 },
                { "Vagrantfile", json_string, offsetof(struct properties, vagrantfile), 0 },
                { 0 },
        };
        CLEAN_PROPERTIES struct properties p = { 0 };
        int r = json_object(at, fields, &p, e);
        if (r < 0)
                return r;
        if (!p.box == !p.vagrantfile)
                return json_fail(at, e, "either Box or Vagrantfile is wanted");
        if (p.vagrantfile && !allow_vagrantfile) {
                error_set(e, EPERM, "vagrant.code", "a Vagrantfile is a program that runs on this host, and none is allowed in documents");
                error_hint(e, "start the plugin with --allow-vagrantfile, or use Box, CPUs, Memory and Networks");
                return -EPERM;
        }
        if (p.vagrantfile && strlen(p.vagrantfile) > VAGRANTFILE_MAX)
                return json_fail(at, e, "the Vagrantfile has more than %d bytes", VAGRANTFILE_MAX);
        *ret = p;
        p = (struct properties){ 0 };
        return 0;
}

int properties_parse(const char *text, bool allow_vagrantfile, struct properties *ret, struct error *e)
{
        CLEAN_JSON struct json_document document = { 0 };
        const char *own = text ? text : "{}";
        int r = json_parse("Properties", own, strlen(own), &document, e);
        if (r < 0)
                return r;
        struct json_place top = json_top(&document, "Properties");
        return properties_read(&top, allow_vagrantfile, ret, e);
}

/* ---- writing Ruby ---- */

/* Between single quotes only the backslash and the quote mean something. */
static void add_quoted(struct text *t, const char *s)
{
        text_add(t, "'");
        for (; *s; s++) {
                if (*s == '\\' || *s == '\'')
                        text_add(t, "\\");
                text_add_bytes(t, s, 1);
        }
        text_add(t, "'");
}

static void add_setting(struct text *t, const char *name, const char *value)
{
        if (!value)
                return;
        text_addf(t, "  config.%s = ", name);
        add_quoted(t, value);
        text_add(t, "\n");
}

static void add_network(struct text *t, const struct network *n)
{
        text_addf(t, "  config.vm.network '%s'", vagrant_words[n->kind]);
        if (n->kind == NETWORK_FORWARD)
                text_addf(t, ", guest: %u, host: %u, host_ip: '127.0.0.1'", n->guest, n->host);
        if (n->ip) {
                text_add(t, ", ip: ");
                add_quoted(t, n->ip);
        } else if (n->kind == NETWORK_PRIVATE) {
                text_add(t, ", type: 'dhcp'");
        }
        if (n->bridge) {
                text_add(t, ", bridge: ");
                add_quoted(t, n->bridge);
        }
        text_add(t, "\n");
}

/* Settings of providers that know them; Vagrant reads the block of the one that it uses. */
static void add_sizes(struct text *t, const struct properties *p)
{
        static const char *const providers[] = { "libvirt", "virtualbox", "vmware_desktop", "parallels", "hyperv" };
        for (size_t i = 0; i < ELEMENTS(providers) && (p->cpus || p->memory_mib); i++) {
                text_addf(t, "  config.vm.provider '%s' do |provider|\n", providers[i]);
                if (p->cpus)
                        text_addf(t, "    provider.cpus = %u\n", p->cpus);
                if (p->memory_mib)
                        text_addf(t, "    provider.memory = %u\n", p->memory_mib);
                text_add(t, "  end\n");
        }
}

void properties_vagrantfile(struct text *t, const struct properties *p, const char *logical_id)
{
        if (p->vagrantfile) {
                text_add(t, p->vagrantfile);
                return;
        }
        text_add(t, "# Written by bulkhead-instance-vagrant from the properties of the instance.\nVagrant.configure('2') do |config|\n");
        add_setting(t, "vm.box", p->box);
        add_setting(t, "vm.box_version", p->box_version);
        add_setting(t, "vm.hostname", p->hostname);
        text_add(t, "  config.vm.box_check_update = false\n"
                    "  config.vm.synced_folder '.', '/vagrant', disabled: true\n");
        if (logical_id)
                add_network(t, &(struct network){ .kind = NETWORK_PRIVATE, .ip = (char *)logical_id });
        for (size_t i = 0; i < p->network_count; i++)
                add_network(t, p->networks + i);
        add_sizes(t, p);
        text_add(t, "  init = File.join(__dir__, 'init')\n"
                    "  config.vm.provision 'shell', path: init if File.file?(init)\n"
                    "end\n");
}
