/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "libvirt_plugin.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
enum { WORD_MAX = 128, XML_MAX = 1 << 20, CPUS_MAX = 4096 };
#define MEMORY_DEFAULT_BYTES (512ull << 20)

void properties_done(struct properties *p)
{
        char *texts[] = { p->uri, p->xml, p->type, p->arch, p->machine, p->init_key };
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                free(texts[i]);
        for (size_t i = 0; i < p->disk_count; i++) {
                free(p->disks[i].pool);
                free(p->disks[i].base);
                free(p->disks[i].base_format);
                free(p->disks[i].format);
        }
        for (size_t i = 0; i < p->nic_count; i++) {
                free(p->nics[i].network);
                free(p->nics[i].bridge);
                free(p->nics[i].mac);
        }
        *p = (struct properties){ 0 };
}

static int read_checked(const struct json_place *at, void *into, const char *allowed, const char *what, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        if (!*s || strlen(s) > WORD_MAX || s[strspn(s, allowed)])
                return json_fail(at, e, "is no %s", what);
        return json_string(at, into, e);
}

/* Names of pools, volumes, networks: no path. */
static int read_name(const struct json_place *at, void *into, struct error *e)
{
        return read_checked(at, into, LETTERS "._-", "name of letters, digits and . _ -", e);
}

static int read_mac(const struct json_place *at, void *into, struct error *e)
{
        return read_checked(at, into, "0123456789abcdefABCDEF:", "MAC address", e);
}

static int read_init_key(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (s && !text_starts(s, "opt/"))
                return json_fail(at, e, "must begin with opt/");
        return s ? read_checked(at, into, LETTERS "._-/", "name of an entry", e) : -EINVAL;
}

static int read_type(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "kvm", "qemu", "test", NULL };
        int r = json_word(at, words, e);
        return r < 0 ? r : json_string(at, into, e);
}

static int read_format(const struct json_place *at, void *into, struct error *e)
{
        static const char *const words[] = { "qcow2", "raw", NULL };
        int r = json_word(at, words, e);
        return r < 0 ? r : json_string(at, into, e);
}

/* A number is MiB, as in documents for other providers; a text has its unit. */
static int read_bytes(const struct json_place *at, void *into, struct error *e)
{
        uint64_t *bytes = into;
        uint32_t mib = 0;
        if (at->value->type == JSON_NUMBER) {
                int r = json_u32(at, &mib, e);
                if (r < 0)
                        return r;
                *bytes = (uint64_t)mib << 20;
        } else {
                const char *s = json_text(at, e);
                if (!s)
                        return -EINVAL;
                if (text_parse_size_bytes(s, bytes) < 0)
                        return json_fail(at, e, "is no size, as in \"512M\"");
        }
        return *bytes >= 1 << 20 && *bytes < 1ull << 50 ? 0 : json_fail(at, e, "is out of range");
}

static int read_cpus(const struct json_place *at, void *into, struct error *e)
{
        uint32_t *cpus = into;
        int r = json_u32(at, cpus, e);
        return r < 0 ? r : *cpus && *cpus <= CPUS_MAX ? 0 : json_fail(at, e, "is out of range");
}

static int read_disk(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Pool", read_name, offsetof(struct disk, pool), 0 },
                { "Base", read_name, offsetof(struct disk, base), 0 },
                { "BaseFormat", read_format, offsetof(struct disk, base_format), 0 },
                { "Format", read_format, offsetof(struct disk, format), 0 },
                { "Size", read_bytes, offsetof(struct disk, size_bytes), 0 },
                { 0 },
        };
        struct properties *p = into;
        if (p->disk_count >= DISKS_MAX)
                return json_fail(at, e, "there are at most %d disks", DISKS_MAX);
        struct disk *d = p->disks + p->disk_count++;
        int r = json_object(at, fields, d, e);
        if (r == 0 && !d->base && !d->size_bytes)
                return json_fail(at, e, "a disk takes a Base, a Size or both");
        if (!d->pool)
                d->pool = xstrdup("default");
        if (!d->format)
                d->format = xstrdup("qcow2");
        if (!d->base_format)
                d->base_format = xstrdup("qcow2");
        return r;
}

static int read_disks(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_disk, into, e);
}

static int read_nic(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "Network", read_name, offsetof(struct nic, network), 0 },
                { "Bridge", read_name, offsetof(struct nic, bridge), 0 },
                { "MAC", read_mac, offsetof(struct nic, mac), 0 },
                { 0 },
        };
        struct properties *p = into;
        if (p->nic_count >= NICS_MAX)
                return json_fail(at, e, "there are at most %d networks", NICS_MAX);
        struct nic *n = p->nics + p->nic_count++;
        if (at->value->type == JSON_STRING)
                return read_name(at, &n->network, e);
        int r = json_object(at, fields, n, e);
        return r == 0 && !n->network == !n->bridge ? json_fail(at, e, "either Network or Bridge is wanted") : r;
}

static int read_nics(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_nic, into, e);
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

static int check_xml(const struct json_place *at, const struct properties *p, bool allow_xml, struct error *e)
{
        if (!p->xml)
                return 0;
        if (!allow_xml) {
                error_set(e, EPERM, "libvirt.whole-domain", "a whole domain can name any file and device of the host, and none is allowed in documents");
                error_hint(e, "start the plugin with --allow-xml, or use Memory, CPUs, Disks and Networks");
                return -EPERM;
        }
        if (strlen(p->xml) > XML_MAX)
                return json_fail(at, e, "DomainXML has more than %d bytes", XML_MAX);
        if (p->disk_count || p->nic_count)
                return json_fail(at, e, "beside DomainXML there are no Disks and Networks: they stand in it");
        return 0;
}

int properties_read(const struct json_place *at, bool allow_xml, struct properties *ret, struct error *e)
{
        static const struct json_field fields[] = {
                { "URI", json_string, offsetof(struct properties, uri), 0 },
                { "DomainXML", json_string, offsetof(struct properties, xml), 0 },
                { "Type", read_type, offsetof(struct properties, type), 0 },
                { "Arch", read_name, offsetof(struct properties, arch), 0 },
                { "Machine", read_name, offsetof(struct properties, machine), 0 },
                { "InitKey", read_init_key, offsetof(struct properties, init_key), 0 },
                { "Memory", read_bytes, offsetof(struct properties, memory_bytes), 0 },
                { "CPUs", read_cpus, offsetof(struct properties, cpus), 0 },
                { "OnStop", read_on_stop, offsetof(struct properties, keep_stopped), 0 },
                { "Disks", read_disks, 0, 0 },
                { "Networks", read_nics, 0, 0 },
                { 0 },
        };
        CLEAN_PROPERTIES struct properties p = { .memory_bytes = MEMORY_DEFAULT_BYTES, .cpus = 1 };
        int r = json_object(at, fields, &p, e);
        if (r == 0)
                r = check_xml(at, &p, allow_xml, e);
        if (r < 0)
                return r;
        if (!p.type)
                p.type = xstrdup("kvm");
        if (!p.init_key)
                p.init_key = xstrdup("opt/bulkhead/init");
        *ret = p;
        p = (struct properties){ 0 };
        return 0;
}

int properties_parse(const char *text, bool allow_xml, struct properties *ret, struct error *e)
{
        CLEAN_JSON struct json_document document = { 0 };
        const char *own = text ? text : "{}";
        int r = json_parse("Properties", own, strlen(own), &document, e);
        if (r < 0)
                return r;
        struct json_place top = json_top(&document, "Properties");
        return properties_read(&top, allow_xml, ret, e);
}
