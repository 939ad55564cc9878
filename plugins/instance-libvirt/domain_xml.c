/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML is built and read as a tree by libxml2: nothing of a document is pasted into text. */
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "libvirt_plugin.h"

enum { METADATA_MAX = INSTANCE_RECORD_MAX };
/* No network, no entities from elsewhere, no messages of its own. */
enum { PARSE_OPTIONS = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS };

#define X(s) ((const xmlChar *)(s))

static void free_document(xmlDoc **d)
{
        if (*d)
                xmlFreeDoc(*d);
}
#define CLEAN_DOCUMENT CLEAN(free_document)

static xmlDoc *parse(const char *text, size_t size)
{
        return xmlReadMemory(text, (int)size, "domain.xml", NULL, PARSE_OPTIONS);
}

static char *text_of(xmlDoc *d)
{
        xmlChar *data = NULL;
        int size = 0;
        xmlNode *root = xmlDocGetRootElement(d);
        xmlBuffer *b = xmlBufferCreate();
        if (!b || xmlNodeDump(b, d, root, 0, 0) < 0)
                abort();
        data = xmlBufferDetach(b);
        size = (int)strlen((const char *)data);
        xmlBufferFree(b);
        char *text = xstrndup((const char *)data, (size_t)size);
        xmlFree(data);
        return text;
}

/* An element with text, or none for NULL, and pairs of attributes that end with NULL. */
static xmlNode *add(xmlNode *to, const char *name, const char *text, ...) __attribute__((sentinel));
static xmlNode *add(xmlNode *to, const char *name, const char *text, ...)
{
        xmlNode *n = xmlNewTextChild(to, NULL, X(name), X(text));
        va_list more;
        va_start(more, text);
        for (const char *key; (key = va_arg(more, const char *));) {
                const char *value = va_arg(more, const char *);
                if (value)
                        xmlNewProp(n, X(key), X(value));
        }
        va_end(more);
        return n;
}

/* ---- the record ---- */

static xmlNode *metadata_node(const char *owner, const struct instance_record *r, bool in_namespace)
{
        CLEAN_TEXT struct text json = { 0 };
        instance_record_format(&json, r);
        xmlNode *n = xmlNewNode(NULL, X("instance"));
        if (in_namespace)
                xmlSetNs(n, xmlNewNs(n, X(METADATA_URI), X(METADATA_KEY)));
        xmlNewProp(n, X("owner"), X(owner));
        /* XML has no place for some characters that JSON has; as JSON's own escapes they pass. */
        CLEAN_TEXT struct text safe = { 0 };
        for (size_t i = 0; i < json.length; i++) {
                if (json.data[i] == 0x7f)
                        text_add(&safe, "\\u007f");
                else if ((unsigned char)json.data[i] == 0xef && i + 2 < json.length && (unsigned char)json.data[i + 1] == 0xbf &&
                         (unsigned char)json.data[i + 2] >= 0xbe)
                        text_addf(&safe, "\\uff%02x", (unsigned char)json.data[i + 2] == 0xbe ? 0xfe : 0xff), i += 2;
                else
                        text_add_bytes(&safe, json.data + i, 1);
        }
        xmlNodeAddContent(n, X(safe.data));
        return n;
}

char *metadata_xml(const char *owner, const struct instance_record *r)
{
        CLEAN_DOCUMENT xmlDoc *d = xmlNewDoc(X("1.0"));
        /* libvirt adds the namespace by itself, and takes it off when it is asked. */
        xmlDocSetRootElement(d, metadata_node(owner, r, false));
        return text_of(d);
}

int metadata_parse(const char *xml, const char *domain, const char *owner, struct instance_record *ret, struct error *e)
{
        size_t size = strlen(xml);
        CLEAN_DOCUMENT xmlDoc *d = size <= METADATA_MAX ? parse(xml, size) : NULL;
        const xmlNode *root = d ? xmlDocGetRootElement(d) : NULL;
        if (!root)
                return error_set(e, EBADMSG, "instance.record", "the metadata of %s cannot be read", domain);
        xmlChar *whose = xmlGetProp(root, X("owner")), *content = xmlNodeGetContent(root);
        int r = 0;
        if (whose && text_equal((const char *)whose, owner))
                r = instance_record_parse(domain, (const char *)content, strlen((const char *)content), ret, e);
        bool ours = whose && text_equal((const char *)whose, owner);
        xmlFree(whose);
        xmlFree(content);
        return r < 0 ? r : ours;
}

/* ---- the domain ---- */

char *disk_volume(const struct properties *p, const char *domain, size_t index)
{
        return xprintf("%s-%zu.%s", domain, index, p->disks[index].format);
}

static void add_disks(xmlNode *devices, const struct properties *p, const char *domain)
{
        for (size_t i = 0; i < p->disk_count; i++) {
                CLEAN_FREE char *volume = disk_volume(p, domain, i);
                const char target[] = { 'v', 'd', (char)('a' + i), 0 };
                xmlNode *disk = add(devices, "disk", NULL, "type", "volume", "device", "disk", NULL);
                add(disk, "driver", NULL, "name", "qemu", "type", p->disks[i].format, NULL);
                add(disk, "source", NULL, "pool", p->disks[i].pool, "volume", volume, NULL);
                add(disk, "target", NULL, "dev", target, "bus", "virtio", NULL);
        }
}

static void add_nics(xmlNode *devices, const struct properties *p)
{
        for (size_t i = 0; i < p->nic_count; i++) {
                const struct nic *n = p->nics + i;
                xmlNode *nic = add(devices, "interface", NULL, "type", n->network ? "network" : "bridge", NULL);
                if (n->mac)
                        add(nic, "mac", NULL, "address", n->mac, NULL);
                add(nic, "source", NULL, n->network ? "network" : "bridge", n->network ? n->network : n->bridge, NULL);
                add(nic, "model", NULL, "type", "virtio", NULL);
        }
}

static xmlDoc *domain_of_fields(const struct properties *p, const char *domain)
{
        char memory[32], cpus[16];
        (void)snprintf(memory, sizeof memory, "%llu", (unsigned long long)p->memory_bytes);
        (void)snprintf(cpus, sizeof cpus, "%u", p->cpus);
        xmlDoc *d = xmlNewDoc(X("1.0"));
        xmlNode *root = xmlNewNode(NULL, X("domain"));
        xmlDocSetRootElement(d, root);
        xmlNewProp(root, X("type"), X(p->type));
        add(root, "memory", memory, "unit", "bytes", NULL);
        add(root, "vcpu", cpus, NULL);
        add(add(root, "os", NULL, NULL), "type", "hvm", "arch", p->arch, "machine", p->machine, NULL);
        xmlNode *features = add(root, "features", NULL, NULL);
        add(features, "acpi", NULL, NULL);
        add(root, "on_poweroff", "destroy", NULL);
        add(root, "on_reboot", "restart", NULL);
        add(root, "on_crash", "destroy", NULL);
        xmlNode *devices = add(root, "devices", NULL, NULL);
        add_disks(devices, p, domain);
        add_nics(devices, p);
        add(devices, "console", NULL, "type", "pty", NULL);
        add(add(devices, "rng", NULL, "model", "virtio", NULL), "backend", "/dev/urandom", "model", "random", NULL);
        return d;
}

static xmlNode *child(xmlNode *of, const char *name)
{
        for (xmlNode *n = of->children; n; n = n->next)
                if (n->type == XML_ELEMENT_NODE && xmlStrEqual(n->name, X(name)))
                        return n;
        return NULL;
}

static void remove_child(xmlNode *of, const char *name)
{
        for (xmlNode *n; (n = child(of, name));) {
                xmlUnlinkNode(n);
                xmlFreeNode(n);
        }
}

/* What somebody's document has in our namespace is not ours. */
static void remove_our_namespace(xmlNode *metadata)
{
        for (xmlNode *n = metadata->children, *next; n; n = next) {
                next = n->next;
                if (n->type == XML_ELEMENT_NODE && n->ns && xmlStrEqual(n->ns->href, X(METADATA_URI))) {
                        xmlUnlinkNode(n);
                        xmlFreeNode(n);
                }
        }
}

static void add_init(xmlNode *root, const char *key, const char *init)
{
        if (init && *init)
                add(add(root, "sysinfo", NULL, "type", "fwcfg", NULL), "entry", init, "name", key, NULL);
}

int domain_xml(const struct properties *p, const char *domain, const char *owner, const struct instance_record *r, const char *init, char **ret,
               struct error *e)
{
        CLEAN_DOCUMENT xmlDoc *d = p->xml ? parse(p->xml, strlen(p->xml)) : domain_of_fields(p, domain);
        xmlNode *root = d ? xmlDocGetRootElement(d) : NULL;
        if (!root || !xmlStrEqual(root->name, X("domain")))
                return error_set(e, EINVAL, "libvirt.xml", "DomainXML is no XML with a <domain>");
        char uuid[40];
        (void)snprintf(uuid, sizeof uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", r->name, r->name + 8, r->name + 12, r->name + 16, r->name + 20);
        remove_child(root, "name");
        remove_child(root, "uuid");
        add(root, "name", domain, NULL);
        add(root, "uuid", uuid, NULL);
        xmlNode *metadata = child(root, "metadata");
        if (!metadata)
                metadata = add(root, "metadata", NULL, NULL);
        remove_our_namespace(metadata);
        xmlAddChild(metadata, metadata_node(owner, r, true));
        add_init(root, p->init_key, init);
        *ret = text_of(d);
        return 0;
}

char *volume_xml(const struct disk *v, const char *name, const char *base_path)
{
        char size[32];
        (void)snprintf(size, sizeof size, "%llu", (unsigned long long)v->size_bytes);
        CLEAN_DOCUMENT xmlDoc *d = xmlNewDoc(X("1.0"));
        xmlNode *root = xmlNewNode(NULL, X("volume"));
        xmlDocSetRootElement(d, root);
        add(root, "name", name, NULL);
        add(root, "capacity", size, "unit", "bytes", NULL);
        add(add(root, "target", NULL, NULL), "format", NULL, "type", v->format, NULL);
        if (base_path) {
                xmlNode *backing = add(root, "backingStore", NULL, NULL);
                add(backing, "path", base_path, NULL);
                add(backing, "format", NULL, "type", v->base_format, NULL);
        }
        return text_of(d);
}
