/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reply.h"

#include <string.h>

/* ---- owners ---- */

void azure_fault_done(struct azure_fault *f)
{
        free(f->code);
        free(f->message);
        *f = (struct azure_fault){ 0 };
}

void azure_operation_done(struct azure_operation *o)
{
        azure_fault_done(&o->fault);
}

void azure_machine_done(struct azure_machine *m)
{
        free(m->name);
        free(m->text);
        tags_done(&m->tags);
        *m = (struct azure_machine){ 0 };
}

void azure_interface_done(struct azure_interface *n)
{
        free(n->name);
        free(n->etag);
        tags_done(&n->tags);
        *n = (struct azure_interface){ 0 };
}

void azure_page_done(struct azure_page *p)
{
        for (size_t i = 0; i < p->machine_count; i++)
                azure_machine_done(p->machines + i);
        for (size_t i = 0; i < p->interface_count; i++)
                azure_interface_done(p->interfaces + i);
        free(p->machines);
        free(p->interfaces);
        free(p->next);
        *p = (struct azure_page){ 0 };
}

void azure_token_done(struct azure_token *t)
{
        secret_clear(&t->secret);
        t->lifetime_s = 0;
}

/* ---- readers ---- */

/* One error id for all that Azure says and we cannot read: which part it was is in the text. */
static int unreadable(struct error *e)
{
        char was[ERROR_CAUSE_MAX];
        (void)snprintf(was, sizeof was, "%s", e && e->code ? e->cause : "no memory of why");
        (void)error_set(e, EPROTO, "azure.reply", "%s", was);
        return -EPROTO;
}

/* Parses text and reads it with read into ret. */
static int read_document(const char *name, const char *text, size_t size, json_reader read, void *ret, struct error *e)
{
        struct error local = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        if (!e)
                e = &local;
        if (size > AZURE_REPLY_MAX)
                return error_set(e, EPROTO, "azure.reply", "%s: has more than %d bytes", name, AZURE_REPLY_MAX);
        int r = json_parse(name, text ? text : "", text ? size : 0, &d, e);
        struct json_place top = json_top(&d, name);
        if (r == 0)
                r = read(&top, ret, e);
        return r < 0 ? unreadable(e) : 0;
}

static int read_state(const struct json_place *at, void *into, struct error *e)
{
        const char *word = json_text(at, e);
        if (!word)
                return -EINVAL;
        *(enum azure_state *)into = azure_state_of(word);
        return 0;
}

static char ascii_lower(char c)
{
        return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

enum azure_state azure_state_of(const char *word)
{
        static const struct {
                const char *word;
                enum azure_state state;
        } rows[] = {
                { "succeeded", AZURE_SUCCEEDED }, { "failed", AZURE_FAILED }, { "canceled", AZURE_CANCELED }, { "cancelled", AZURE_CANCELED },
                { "deleting", AZURE_DELETING },
        };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                size_t n = 0;
                while (word[n] && ascii_lower(word[n]) == rows[i].word[n])
                        n++;
                if (!word[n] && !rows[i].word[n])
                        return rows[i].state;
        }
        return AZURE_BUSY; /* "Creating", "Updating", "InProgress", and whatever is added to them */
}

static int read_fault(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "code", json_string, offsetof(struct azure_fault, code), 0 },
                { "message", json_string, offsetof(struct azure_fault, message), 0 },
                { 0 },
        };
        struct azure_fault *f = into;
        if (at->value->type == JSON_STRING) /* the login's form */
                return json_string(at, &f->code, e);
        return json_object(at, fields, f, e);
}

static int read_fault_document(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "error", read_fault, 0, 0 },
                { "error_description", json_string, offsetof(struct azure_fault, message), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

void azure_fault_read(const char *text, size_t size, struct azure_fault *ret)
{
        struct error ignored = { 0 };
        *ret = (struct azure_fault){ 0 };
        if (read_document("fault", text, size, read_fault_document, ret, &ignored) < 0)
                azure_fault_done(ret);
}

static int read_operation(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "status", read_state, offsetof(struct azure_operation, state), JSON_REQUIRED },
                { "error", read_fault, offsetof(struct azure_operation, fault), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

int azure_operation_read(const char *text, size_t size, struct azure_operation *ret, struct error *e)
{
        struct azure_operation o = { 0 };
        int r = read_document("operation", text, size, read_operation, &o, e);
        if (r < 0)
                azure_operation_done(&o);
        else
                *ret = o;
        return r;
}

bool azure_name_valid(const char *s)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
        size_t n = strlen(s);
        return n && n <= AZURE_NAME_MAX && strspn(s, allowed) == n && *s != '.';
}

/* The members of osProfile that could hold a secret, should a service ever give them back. */
static bool is_secret(const char *name)
{
        static const char *const names[] = { "adminPassword", "customData", "secrets", "userData", "protectedSettings" };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcasecmp(names[i], name) == 0)
                        return true;
        return false;
}

static const struct json_node *add_without_secrets(struct text *t, const struct json_node *n)
{
        if (n->type != JSON_OBJECT && n->type != JSON_ARRAY) {
                json_add(t, n);
                return n + n->span;
        }
        bool is_object = n->type == JSON_OBJECT, first = true;
        const struct json_node *next = n + 1;
        text_add(t, is_object ? "{" : "[");
        for (uint32_t i = 0; i < n->count; i++) {
                const struct json_node *value = is_object ? next + 1 : next;
                if (is_object && is_secret(next->text)) {
                        next = value + value->span;
                        continue;
                }
                if (!first)
                        text_add(t, ",");
                first = false;
                if (is_object) {
                        json_add(t, next);
                        text_add(t, ":");
                }
                next = add_without_secrets(t, value);
        }
        text_add(t, is_object ? "}" : "]");
        return next;
}

static int read_machine(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field properties[] = {
                { "provisioningState", read_state, offsetof(struct azure_machine, state), 0 },
                { 0 },
        };
        static const struct json_field fields[] = {
                { "name", json_string, offsetof(struct azure_machine, name), JSON_REQUIRED },
                { "tags", tags_read, offsetof(struct azure_machine, tags), 0 },
                { 0 },
        };
        struct azure_machine *m = into;
        int r = json_object(at, fields, m, e);
        if (r < 0)
                return r;
        struct json_place inside = { .value = json_member(at->value, "properties"), .up = at, .key = "properties" };
        if (inside.value)
                r = json_object(&inside, properties, m, e);
        struct text t = { 0 };
        add_without_secrets(&t, at->value);
        m->text = t.data;
        return r;
}

int azure_machine_read(const char *text, size_t size, struct azure_machine *ret, struct error *e)
{
        struct azure_machine m = { 0 };
        int r = read_document("machine", text, size, read_machine, &m, e);
        if (r < 0)
                azure_machine_done(&m);
        else
                *ret = m;
        return r;
}

static int read_interface(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field properties[] = {
                { "provisioningState", read_state, offsetof(struct azure_interface, state), 0 },
                { 0 },
        };
        static const struct json_field fields[] = {
                { "name", json_string, offsetof(struct azure_interface, name), JSON_REQUIRED },
                { "etag", json_string, offsetof(struct azure_interface, etag), 0 },
                { "tags", tags_read, offsetof(struct azure_interface, tags), 0 },
                { 0 },
        };
        struct azure_interface *n = into;
        int r = json_object(at, fields, n, e);
        if (r < 0)
                return r;
        struct json_place inside = { .value = json_member(at->value, "properties"), .up = at, .key = "properties" };
        if (!inside.value)
                return 0;
        n->attached = json_member(inside.value, "virtualMachine") || json_member(inside.value, "privateEndpoint");
        return json_object(&inside, properties, n, e);
}

int azure_interface_read(const char *text, size_t size, struct azure_interface *ret, struct error *e)
{
        struct azure_interface n = { 0 };
        int r = read_document("network interface", text, size, read_interface, &n, e);
        if (r < 0)
                azure_interface_done(&n);
        else
                *ret = n;
        return r;
}

static int add_machine(const struct json_place *at, void *into, struct error *e)
{
        struct azure_page *p = into;
        p->machines = xgrow(p->machines, &p->machine_room, p->machine_count + 1, sizeof *p->machines);
        p->machines[p->machine_count] = (struct azure_machine){ 0 };
        return read_machine(at, p->machines + p->machine_count++, e);
}

static int read_machines(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, add_machine, into, e);
}

static int add_interface(const struct json_place *at, void *into, struct error *e)
{
        struct azure_page *p = into;
        p->interfaces = xgrow(p->interfaces, &p->interface_room, p->interface_count + 1, sizeof *p->interfaces);
        p->interfaces[p->interface_count] = (struct azure_interface){ 0 };
        return read_interface(at, p->interfaces + p->interface_count++, e);
}

static int read_interfaces(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, add_interface, into, e);
}

static int read_machine_page(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "value", read_machines, 0, JSON_REQUIRED },
                { "nextLink", json_string, offsetof(struct azure_page, next), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

static int read_interface_page(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "value", read_interfaces, 0, JSON_REQUIRED },
                { "nextLink", json_string, offsetof(struct azure_page, next), 0 },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

static int read_page(const char *text, size_t size, json_reader read, struct azure_page *ret, struct error *e)
{
        struct azure_page p = { 0 };
        int r = read_document("list", text, size, read, &p, e);
        if (r < 0) {
                azure_page_done(&p);
                return r;
        }
        if (p.next && !*p.next) {
                free(p.next);
                p.next = NULL;
        }
        *ret = p;
        return 0;
}

int azure_page_read_machines(const char *text, size_t size, struct azure_page *ret, struct error *e)
{
        return read_page(text, size, read_machine_page, ret, e);
}

int azure_page_read_interfaces(const char *text, size_t size, struct azure_page *ret, struct error *e)
{
        return read_page(text, size, read_interface_page, ret, e);
}

static int read_power(const struct json_place *at, void *into, struct error *e)
{
        const struct json_node *code = json_member(at->value, "code");
        (void)e;
        if (code && code->type == JSON_STRING && (text_equal(code->text, "PowerState/running") || text_equal(code->text, "PowerState/starting")))
                *(bool *)into = true;
        return 0;
}

static int read_statuses(const struct json_place *at, void *into, struct error *e)
{
        return json_each(at, read_power, into, e);
}

static int read_instance_view(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "statuses", read_statuses, 0, 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

int azure_power_read(const char *text, size_t size, bool *ret_runs, struct error *e)
{
        bool runs = false;
        int r = read_document("instance view", text, size, read_instance_view, &runs, e);
        if (r == 0)
                *ret_runs = runs;
        return r;
}

static int read_seconds(const struct json_place *at, void *into, struct error *e)
{
        if (at->value->type != JSON_STRING)
                return json_u64(at, into, e);
        if (text_parse_uint(at->value->text, UINT32_MAX, into) < 0)
                return json_fail(at, e, "is no number of seconds");
        return 0;
}

static int read_bearer(const struct json_place *at, void *into, struct error *e)
{
        const char *s = json_text(at, e);
        if (!s)
                return -EINVAL;
        /* It becomes a header: nothing but what RFC 6750 allows, and so no line break. */
        for (const char *c = s; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return json_fail(at, e, "has a character that no token has");
        if (!*s)
                return json_fail(at, e, "is empty");
        return json_string(at, into, e);
}

static int read_token(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = {
                { "access_token", read_bearer, offsetof(struct azure_token, secret), JSON_REQUIRED },
                { "expires_in", read_seconds, offsetof(struct azure_token, lifetime_s), JSON_REQUIRED },
                { 0 },
        };
        return json_object(at, fields, into, e);
}

int azure_token_read(const char *text, size_t size, struct azure_token *ret, struct error *e)
{
        struct azure_token t = { 0 };
        int r = read_document("token", text, size, read_token, &t, e);
        if (r < 0)
                azure_token_done(&t);
        else
                *ret = t;
        return r;
}

/* ---- what a machine is now ---- */

static const struct {
        const char *path[4], *open, *close;
} observed[] = {
        { { "properties", "hardwareProfile", "vmSize" }, "\"hardwareProfile\":{\"vmSize\":", "}" },
        { { "properties", "storageProfile", "osDisk", "diskSizeGB" }, "\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":", "}}" },
        { { "properties", "licenseType" }, "\"licenseType\":", "" },
};

static void add_observed(struct text *t, const struct json_node *machine)
{
        const char *comma = "";
        for (size_t i = 0; i < ELEMENTS(observed); i++) {
                const struct json_node *n = machine;
                for (size_t k = 0; n && k < ELEMENTS(observed[i].path) && observed[i].path[k]; k++)
                        n = json_member(n, observed[i].path[k]);
                if (!n || (n->type != JSON_STRING && n->type != JSON_NUMBER))
                        continue;
                text_addf(t, "%s%s", comma, observed[i].open);
                json_add(t, n);
                text_add(t, observed[i].close);
                comma = ",";
        }
}

char *azure_observed(const char *machine)
{
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, machine);
        if (json_parse("machine", machine, t.length, &d, NULL) < 0 || d.nodes[0].type != JSON_OBJECT || !d.nodes[0].count || json_member(d.nodes, "VM"))
                return TAKE_PTR(t.data);
        t.length = (size_t)(strrchr(t.data, '}') - t.data);
        text_add(&t, ",\"VM\":{\"properties\":{");
        add_observed(&t, d.nodes);
        text_add(&t, "}}}");
        return TAKE_PTR(t.data);
}
