/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listing: the machines of the resource group, page by page; and now and then the interfaces that no machine has. */
#include <string.h>

#include "body.h"
#include "machine.h"

enum { PAGES_MAX = 10000, SWEEP_USEC = 10000000 };

typedef int (*page_reader)(const char *text, size_t size, struct azure_page *ret, struct error *e);
typedef int (*page_taker)(struct azure *a, struct azure_page *page, void *into, struct error *e);

/* Hands each page to take. */
static int each_page(struct azure *a, const char *first, page_reader read, page_taker take, void *into, struct error *e)
{
        CLEAN_FREE char *at = xstrdup(first);
        for (unsigned pages = 0; pages < PAGES_MAX; pages++) {
                CLEAN_REPLY struct transfer_reply reply = { 0 };
                CLEAN_PAGE struct azure_page page = { 0 };
                int r = arm_get(&a->arm, at, &reply, e);
                if (r == 0)
                        r = read(reply.body.data, reply.body.length, &page, e);
                if (r == 0)
                        r = take(a, &page, into, e);
                if (r < 0 || !page.next)
                        return r;
                if (text_equal(page.next, at))
                        break;
                free(at);
                at = TAKE_PTR(page.next);
        }
        return error_set(e, EPROTO, "azure.reply", "the pages of a list have no end");
}

struct description {
        const struct tags *match;
        bool properties;
        struct instances *found;
        struct strings names; /* of all machines, ours or not, whatever their state */
};

/* Whether it is an instance: not on its way out, and not what is left of a failure. */
static int is_instance(struct azure *a, const struct azure_machine *m, bool *ret, struct error *e)
{
        *ret = m->state == AZURE_BUSY || m->state == AZURE_SUCCEEDED;
        if (*ret || m->state == AZURE_DELETING)
                return 0;
        int r = azure_machine_runs(a, m->name, ret, e);
        return r == -ENOENT ? 0 : r;
}

static int take_machines(struct azure *a, struct azure_page *page, void *into, struct error *e)
{
        struct description *d = into;
        for (size_t i = 0; i < page->machine_count; i++) {
                struct azure_machine *m = page->machines + i;
                bool counts = false;
                strings_add(&d->names, m->name);
                if (!azure_name_valid(m->name) || !azure_is_ours(&m->tags) || !tags_match(&m->tags, d->match))
                        continue;
                int r = is_instance(a, m, &counts, e);
                if (r < 0)
                        return r;
                if (!counts)
                        continue;
                struct instance *one = instances_add(d->found, m->name);
                const char *logical_id = tags_get(&m->tags, TAG_LOGICAL_ID);
                one->logical_id = logical_id ? xstrdup(logical_id) : NULL;
                one->tags = m->tags;
                m->tags = (struct tags){ 0 };
                if (d->properties)
                        one->properties = m->state == AZURE_SUCCEEDED ? azure_observed(m->text) : TAKE_PTR(m->text);
        }
        return 0;
}

int azure_describe(struct azure *a, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        CLEAN_INSTANCES struct instances found = { 0 };
        struct description d = { .match = match, .properties = properties, .found = &found };
        CLEAN_FREE char *path = arm_machine_path(&a->config, NULL, NULL);
        int r = each_page(a, path, azure_page_read_machines, take_machines, &d, e);
        if (r == 0) {
                azure_sweep(a, &d.names);
                *ret = found;
                found = (struct instances){ 0 };
        } else {
                r = error_while(e, "listing the machines of resource group %s", a->config.resource_group);
        }
        strings_clear(&d.names);
        return r;
}

/* ---- what was left behind ---- */

struct sweep {
        const struct strings *machines;
        struct strings suspects, condemned;
};

static bool is_in_hand(struct azure *a, const char *machine)
{
        pthread_mutex_lock(&a->lock);
        bool is = strings_has(&a->in_hand, machine);
        pthread_mutex_unlock(&a->lock);
        return is;
}

/* Made by this plugin, for a machine that is not there. */
static bool is_left_behind(struct azure *a, const struct azure_interface *n, const struct strings *machines)
{
        if (!azure_name_valid(n->name) || !text_ends(n->name, "-nic") || !tags_get(&n->tags, TAG_TOKEN) || n->attached || n->state != AZURE_SUCCEEDED)
                return false;
        CLEAN_FREE char *machine = xstrndup(n->name, strlen(n->name) - strlen("-nic"));
        return !strings_has(machines, machine) && !is_in_hand(a, machine);
}

static int take_interfaces(struct azure *a, struct azure_page *page, void *into, struct error *e)
{
        struct sweep *s = into;
        (void)e;
        for (size_t i = 0; i < page->interface_count; i++) {
                const struct azure_interface *n = page->interfaces + i;
                if (!is_left_behind(a, n, s->machines))
                        continue;
                char *suspect = xprintf("%s %s", n->name, n->etag ? n->etag : "");
                pthread_mutex_lock(&a->lock);
                bool again = strings_has(&a->suspects, suspect);
                pthread_mutex_unlock(&a->lock);
                if (again)
                        strings_add(&s->condemned, n->name);
                strings_take(&s->suspects, suspect);
        }
        return 0;
}

/* One at a time looks, the others go on. */
static bool is_time(struct azure *a)
{
        uint64_t now = arm_now_usec();
        pthread_mutex_lock(&a->lock);
        bool is = now >= a->next_sweep_usec;
        if (is)
                a->next_sweep_usec = now + a->config.sweep_usec;
        pthread_mutex_unlock(&a->lock);
        return is;
}

void azure_sweep(struct azure *a, const struct strings *machines)
{
        struct sweep s = { .machines = machines };
        if (!is_time(a))
                return;
        CLEAN_FREE char *path = arm_interface_path(&a->config, NULL);
        if (each_page(a, path, azure_page_read_interfaces, take_interfaces, &s, NULL) == 0) {
                for (size_t i = 0; i < s.condemned.count; i++)
                        (void)azure_interface_remove(a, s.condemned.items[i], arm_now_usec() + SWEEP_USEC, NULL);
                pthread_mutex_lock(&a->lock);
                strings_clear(&a->suspects);
                a->suspects = s.suspects;
                s.suspects = (struct strings){ 0 };
                pthread_mutex_unlock(&a->lock);
        }
        strings_clear(&s.suspects);
        strings_clear(&s.condemned);
}
