/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <fcntl.h>
#include <string.h>

#include "body.h"
#include "os/descriptor.h"
#include "os/file.h"

enum { ROUNDS_MAX = 4, TOKEN_DIGITS = 32, PASSWORD_MAX = 4096, SETTLE_MS = 3000 };

/* How long Azure keeps an interface reserved for a machine that failed: three minutes, as it says itself. */
static const uint64_t reserved_usec = UINT64_C(240) * 1000000;

int azure_new(const struct strings *options, struct azure **ret, struct error *e)
{
        struct azure *a = xalloc(1, sizeof *a);
        pthread_mutex_init(&a->lock, NULL);
        int r = azure_config_read(options, &a->config, e);
        if (r < 0) {
                azure_free(a);
                return r;
        }
        a->arm.config = &a->config;
        a->arm.web = web_client_new(a->config.ca_file);
        a->arm.credential = credential_new(&a->config, a->arm.web);
        *ret = a;
        return 0;
}

void azure_free(struct azure *a)
{
        if (!a)
                return;
        credential_free(a->arm.credential);
        web_client_free(a->arm.web);
        azure_config_done(&a->config);
        strings_clear(&a->in_hand);
        strings_clear(&a->suspects);
        pthread_mutex_destroy(&a->lock);
        free(a);
}

static struct azure_scope scope_of(const struct azure *a)
{
        return (struct azure_scope){ a->config.subscription, a->config.resource_group, a->config.location };
}

bool azure_is_ours(const struct tags *t)
{
        return tags_get(t, TAG_GROUP) || tags_get(t, TAG_TOKEN);
}

/* What is in hand here is not left behind. */
static void take_in_hand(struct azure *a, const char *name)
{
        pthread_mutex_lock(&a->lock);
        strings_add(&a->in_hand, name);
        pthread_mutex_unlock(&a->lock);
}

static void let_go(struct azure *a, const char *name)
{
        pthread_mutex_lock(&a->lock);
        struct strings *l = &a->in_hand;
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->items[i], name)) {
                        free(l->items[i]);
                        l->items[i] = l->items[--l->count];
                        l->items[l->count] = NULL;
                        break;
                }
        pthread_mutex_unlock(&a->lock);
}

/* ---- looking ---- */

static int get_machine(const struct azure *a, const char *name, struct azure_machine *ret, struct error *e)
{
        CLEAN_FREE char *path = arm_machine_path(&a->config, name, NULL);
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        int r = arm_get(&a->arm, path, &reply, e);
        return r < 0 ? r : azure_machine_read(reply.body.data, reply.body.length, ret, e);
}

static int get_interface(const struct azure *a, const char *name, struct azure_interface *ret, struct error *e)
{
        CLEAN_FREE char *path = arm_interface_path(&a->config, name);
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        int r = arm_get(&a->arm, path, &reply, e);
        return r < 0 ? r : azure_interface_read(reply.body.data, reply.body.length, ret, e);
}

int azure_machine_runs(const struct azure *a, const char *name, bool *ret, struct error *e)
{
        CLEAN_FREE char *path = arm_machine_path(&a->config, name, "instanceView");
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        int r = arm_get(&a->arm, path, &reply, e);
        return r < 0 ? r : azure_power_read(reply.body.data, reply.body.length, ret, e);
}

/* Waits until nothing is under way with a machine. -ENOENT: it is gone. */
static int settle(const struct azure *a, const char *name, uint64_t deadline_usec, struct azure_machine *ret, struct error *e)
{
        for (;;) {
                CLEAN_MACHINE struct azure_machine m = { 0 };
                int r = get_machine(a, name, &m, e);
                if (r < 0)
                        return r;
                if (m.state != AZURE_BUSY && m.state != AZURE_DELETING) {
                        *ret = m;
                        m = (struct azure_machine){ 0 };
                        return 0;
                }
                if (arm_now_usec() >= deadline_usec)
                        return error_set(e, ETIME, "azure.timeout", "%s is still being %s", name, m.state == AZURE_DELETING ? "deleted" : "made or changed");
                arm_sleep_ms(SETTLE_MS);
        }
}

/* ---- removing ---- */

static int remove_resource(const struct azure *a, const char *path, uint64_t patience_usec, uint64_t deadline_usec, bool *ret_followed, struct error *e)
{
        const struct arm_request q = { .method = "DELETE", .path = path, .patience_usec = patience_usec };
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        int r = arm_call(&a->arm, &q, &reply, e);
        return r < 0 ? r : arm_follow(&a->arm, &reply, deadline_usec, ret_followed, e);
}

int azure_interface_remove(const struct azure *a, const char *name, uint64_t deadline_usec, struct error *e)
{
        CLEAN_INTERFACE struct azure_interface n = { 0 };
        CLEAN_FREE char *path = arm_interface_path(&a->config, name);
        bool followed;
        int r = get_interface(a, name, &n, e);
        if (r == 0 && !azure_is_ours(&n.tags))
                return 0;
        uint64_t now = arm_now_usec(), left_usec = deadline_usec > now ? deadline_usec - now : 1;
        if (r == 0)
                r = remove_resource(a, path, left_usec < reserved_usec ? left_usec : reserved_usec, deadline_usec, &followed, e);
        return r == -ENOENT ? 0 : r;
}

static int remove_machine(const struct azure *a, const char *name, uint64_t deadline_usec, struct error *e)
{
        CLEAN_FREE char *path = arm_machine_path(&a->config, name, NULL);
        CLEAN_MACHINE struct azure_machine left = { 0 };
        bool followed = false;
        int r = remove_resource(a, path, 0, deadline_usec, &followed, e);
        if (r == 0 && !followed) {
                r = settle(a, name, deadline_usec, &left, e);
                if (r == 0)
                        return error_set(e, ECANCELED, "azure.failed", "%s is still there after it was deleted", name);
        }
        return r == -ENOENT ? 0 : r;
}

/* Both, the machine first: an interface that is in use cannot go. */
static int remove_both(const struct azure *a, const char *name, uint64_t deadline_usec, struct error *e)
{
        CLEAN_FREE char *interface = azure_interface_name(name);
        int r = remove_machine(a, name, deadline_usec, e);
        return r < 0 ? r : azure_interface_remove(a, interface, deadline_usec, e);
}

/* After a failure, whose error stays the one that is told. */
static void clean_up(const struct azure *a, const char *name, bool machine, struct error *e)
{
        CLEAN_FREE char *interface = azure_interface_name(name);
        struct error also = { 0 };
        uint64_t deadline_usec = arm_now_usec() + a->config.wait_usec;
        int r = machine ? remove_both(a, name, deadline_usec, &also) : azure_interface_remove(a, interface, deadline_usec, &also);
        if (r < 0)
                error_hint(e, "what was made for it could not be removed: %.200s", also.cause);
}

/* ---- provisioning ---- */

/* A machine of the name that is there already. 0: it is what was asked for. -ENOENT: there is none, or none any more. */
static int find_existing(const struct azure *a, const char *name, const char *token, uint64_t deadline_usec, struct error *e)
{
        CLEAN_MACHINE struct azure_machine first = { 0 }, m = { 0 };
        bool runs = false;
        int r = get_machine(a, name, &first, e);
        if (r < 0)
                return r;
        const char *its = tags_get(&first.tags, TAG_TOKEN);
        if (!its || !text_equal(its, token))
                return error_set(e, EADDRINUSE, "azure.conflict", "there is a machine %s already, with another token", name);
        if (first.state == AZURE_SUCCEEDED)
                return 0;
        r = settle(a, name, deadline_usec, &m, e);
        if (r < 0 || m.state == AZURE_SUCCEEDED)
                return r;
        r = azure_machine_runs(a, name, &runs, e);
        if (r < 0 || runs)
                return r;
        r = remove_both(a, name, deadline_usec, e); /* it failed, and whoever made it did not get to this */
        return r < 0 ? r : error_set(e, ENOENT, "azure.missing", "%s had failed to be made", name);
}

static int make_interface(const struct azure *a, const struct azure_bodies *b, const char *token, uint64_t deadline_usec, struct error *e)
{
        CLEAN_FREE char *path = arm_interface_path(&a->config, b->interface_name);
        const struct arm_request q = { .method = "PUT", .path = path, .body = b->interface, .create = true };
        CLEAN_INTERFACE struct azure_interface there = { 0 };
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        bool followed;
        int r = arm_call(&a->arm, &q, &reply, e);
        if (r == 0)
                return arm_follow(&a->arm, &reply, deadline_usec, &followed, e);
        if (r != -EEXIST && r != -EBUSY)
                return r;
        r = get_interface(a, b->interface_name, &there, e); /* made by an attempt before, whose answer was lost or that was killed */
        if (r < 0)
                return r;
        const char *its = tags_get(&there.tags, TAG_TOKEN);
        if (!its || !text_equal(its, token))
                return error_set(e, EADDRINUSE, "azure.conflict", "there is a network interface %s already, with another token", b->interface_name);
        return 0;
}

/* Nobody knows whether it had an effect. */
static bool is_unsure(int r)
{
        return r == -EIO || r == -EAGAIN || r == -EPROTO || r == -ETIME;
}

/* -EEXIST: there may be one by now: look again. */
static int make_machine(const struct azure *a, const struct azure_bodies *b, const char *const *secrets, uint64_t deadline_usec, struct error *e)
{
        CLEAN_FREE char *path = arm_machine_path(&a->config, b->name, NULL);
        const struct arm_request q = { .method = "PUT", .path = path, .body = b->machine, .create = true, .secrets = secrets };
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        CLEAN_MACHINE struct azure_machine m = { 0 };
        bool followed = false;
        int r = arm_call(&a->arm, &q, &reply, e);
        if (r == -EEXIST || r == -EBUSY)
                return -EEXIST;
        if (is_unsure(r))
                return get_machine(a, b->name, &m, NULL) == 0 ? -EEXIST : r;
        if (r < 0) {
                clean_up(a, b->name, false, e);
                return r;
        }
        r = arm_follow(&a->arm, &reply, deadline_usec, &followed, e);
        if (r == 0 && !followed) {
                r = settle(a, b->name, deadline_usec, &m, e);
                if (r == 0 && m.state != AZURE_SUCCEEDED)
                        r = error_set(e, ECANCELED, "azure.failed", "%s could not be made", b->name);
        }
        if (r == -ECANCELED)
                clean_up(a, b->name, true, e);
        return r;
}

static int provision_named(const struct azure *a, const struct azure_bodies *b, const char *token, const char *const *secrets, struct error *e)
{
        uint64_t deadline_usec = arm_now_usec() + a->config.wait_usec;
        for (unsigned round = 0;; round++) {
                int r = find_existing(a, b->name, token, deadline_usec, e);
                if (r != -ENOENT)
                        return r;
                r = b->interface_name ? make_interface(a, b, token, deadline_usec, e) : 0;
                if (r < 0) {
                        if (!is_unsure(r) && r != -EADDRINUSE)
                                clean_up(a, b->name, false, e);
                        return r;
                }
                r = make_machine(a, b, secrets, deadline_usec, e);
                if (r != -EEXIST)
                        return r;
                if (round == ROUNDS_MAX)
                        return error_set(e, EBUSY, "azure.conflict", "%s is there and not there in turns", b->name);
        }
}

/* The password that the document names, from the folder of secrets. */
static int read_password(const struct azure *a, const char *properties, char **ret, struct error *e)
{
        CLEAN_FREE char *name = NULL;
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FD int folder = -EBADF;
        int r = azure_properties_secret(properties, &name, e);
        if (r < 0 || !name)
                return r;
        if (!a->config.secrets_folder)
                return error_set(e, ENOENT, "azure.credential", "AdminPasswordSecret: the plugin was started without a folder of secrets");
        folder = open(a->config.secrets_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = folder < 0 ? -errno : file_read(folder, name, PASSWORD_MAX, &t);
        if (r < 0)
                return error_errno(e, r, "azure.credential", "AdminPasswordSecret: %s/%s", a->config.secrets_folder, name);
        size_t n = t.length;
        while (n && (t.data[n - 1] == '\n' || t.data[n - 1] == '\r'))
                n--;
        *ret = xstrndup(t.data ? t.data : "", n);
        if (t.data)
                explicit_bzero(t.data, t.length);
        return 0;
}

int azure_validate(struct azure *a, const struct json_place *properties, struct error *e)
{
        const struct azure_scope scope = scope_of(a);
        return azure_properties_check(properties, &scope, e);
}

int azure_provision(struct azure *a, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        CLEAN_SECRET char *password = NULL;
        CLEAN_BODIES struct azure_bodies b = { 0 };
        const struct azure_scope scope = scope_of(a);
        char random[TOKEN_DIGITS + 1] = "";
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        if (!token) { /* whoever asks so asks for one more each time */
                file_random_hex(random, TOKEN_DIGITS);
                token = random;
        }
        int r = read_password(a, spec->properties, &password, e);
        if (r == 0)
                r = azure_bodies_make(spec, token, password, &scope, &b, e);
        if (r < 0)
                return r;
        const char *const secrets[] = { spec->init ? spec->init : password, spec->init ? password : NULL, NULL };
        take_in_hand(a, b.name);
        r = provision_named(a, &b, token, secrets, e);
        let_go(a, b.name);
        if (r < 0)
                return error_while(e, "making the machine %s in resource group %s", b.name, a->config.resource_group);
        *ret_id = xstrdup(b.name);
        return 0;
}

/* ---- labels and the end ---- */

/* A machine of ours by its id. */
static int get_ours(const struct azure *a, const char *id, struct azure_machine *ret, struct error *e)
{
        if (!azure_name_valid(id))
                return error_set(e, ENOENT, "azure.missing", "\"%.80s\" is no name of a machine", id);
        int r = get_machine(a, id, ret, e);
        if (r < 0 || azure_is_ours(&ret->tags))
                return r;
        (void)error_set(e, EPERM, "azure.foreign", "the machine %s carries no tag of a group", id);
        error_hint(e, "this plugin touches no machine without the tag " TAG_GROUP " or " TAG_TOKEN);
        return -EPERM;
}

int azure_label(struct azure *a, const char *id, const struct tags *labels, struct error *e)
{
        CLEAN_MACHINE struct azure_machine m = { 0 };
        CLEAN_TEXT struct text body = { 0 };
        CLEAN_REPLY struct transfer_reply reply = { 0 };
        bool followed;
        int r = get_ours(a, id, &m, e);
        if (r < 0)
                return r;
        tags_merge(&m.tags, labels);
        r = azure_tags_check(&m.tags, e);
        if (r < 0)
                return r;
        CLEAN_FREE char *path = arm_tags_path(&a->config, id);
        text_add(&body, "{\"operation\":\"Merge\",\"properties\":{\"tags\":"); /* of these alone: others may label at the same time */
        tags_format(&body, labels);
        text_add(&body, "}}");
        const struct arm_request q = { .method = "PATCH", .path = path, .body = body.data };
        r = arm_call(&a->arm, &q, &reply, e);
        if (r == 0)
                r = arm_follow(&a->arm, &reply, arm_now_usec() + a->config.wait_usec, &followed, e);
        return r < 0 ? error_while(e, "labelling the machine %s", id) : 0;
}

int azure_destroy(struct azure *a, const char *id, struct error *e)
{
        CLEAN_MACHINE struct azure_machine m = { 0 };
        uint64_t deadline_usec = arm_now_usec() + a->config.wait_usec;
        int r = get_ours(a, id, &m, e);
        if (r == -ENOENT && azure_name_valid(id)) {
                CLEAN_FREE char *interface = azure_interface_name(id);
                struct error also = { 0 };
                int left = azure_interface_remove(a, interface, deadline_usec, &also);
                if (left < 0) { /* not gone yet */
                        if (e)
                                *e = also;
                        return error_while(e, "removing what the machine %s left behind", id);
                }
        }
        if (r < 0)
                return r;
        take_in_hand(a, id);
        r = remove_both(a, id, deadline_usec, e);
        let_go(a, id);
        return r < 0 ? error_while(e, "destroying the machine %s", id) : 0;
}
