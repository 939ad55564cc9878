/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "document.h"
#include "ec2.h"
#include "instances.h"

enum { PAGE = 1000, PAGES_MAX = 1000, IDS_PER_CALL = 200 };

/* In a filter * and ? stand for others: here they stand for themselves. */
static char *literal(const char *s)
{
        CLEAN_TEXT struct text t = { 0 };
        text_add(&t, "");
        for (; *s; s++) {
                if (strchr("*?\\", *s))
                        text_add(&t, "\\");
                text_add_bytes(&t, s, 1);
        }
        return TAKE_PTR(t.data);
}

static void add_filter(struct query *q, size_t *count, const char *name, const char *const *values, size_t n)
{
        CLEAN_FREE char *key = xprintf("Filter.%zu.Name", ++*count);
        query_add(q, key, name);
        for (size_t i = 0; i < n; i++) {
                CLEAN_FREE char *value = xprintf("Filter.%zu.Value.%zu", *count, i + 1);
                query_add(q, value, values[i]);
        }
}

static void begin(struct query *q, const struct tags *match)
{
        static const char *const states[] = { "pending", "running" };
        size_t count = 0;
        query_start(q, "DescribeInstances", EC2_API_VERSION);
        add_filter(q, &count, "instance-state-name", states, ELEMENTS(states));
        for (size_t i = 0; i < match->count; i++) {
                CLEAN_FREE char *name = xprintf("tag:%s", match->items[i].name), *value = literal(match->items[i].value);
                add_filter(q, &count, name, (const char *const[]){ value }, 1);
        }
        CLEAN_FREE char *page = xprintf("%d", PAGE);
        query_add(q, "MaxResults", page);
}

static int read_page(struct ec2 *c, const struct query *q, const struct tags *match, bool properties, struct instances *ret, char **next,
                     struct error *e)
{
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        int r = ec2_call(c, q, &a, e);
        if (r == 0)
                r = a.verdict == AWS_DONE ? ec2_page_read(&a.xml, match, properties, ret, next, e) : e->code;
        return r;
}

static int read_all(struct ec2 *c, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        CLEAN_FREE char *next = NULL;
        for (int page = 0; page < PAGES_MAX; page++) {
                CLEAN_QUERY struct query q = { 0 };
                CLEAN_FREE char *after = NULL;
                begin(&q, match);
                if (next)
                        query_add(&q, "NextToken", next);
                int r = read_page(c, &q, match, properties, ret, &after, e);
                if (r < 0)
                        return r;
                free(next);
                next = TAKE_PTR(after);
                if (!next)
                        return 0;
        }
        return error_set(e, EBADMSG, "aws.reply", "the list of instances does not end");
}

/* Which of those that we made are listed by their ids: those that are there are added to ret, the ids of those that are gone forgotten. */
static int ask_again(struct ec2 *c, const struct instances *missing, size_t first, const struct tags *match, bool properties,
                     struct instances *ret, struct error *e)
{
        const char *ids[IDS_PER_CALL];
        size_t n = 0, filters = 0;
        CLEAN_QUERY struct query q = { 0 };
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        CLEAN_FREE char *next = NULL;
        for (; n < IDS_PER_CALL && first + n < missing->count; n++)
                ids[n] = missing->items[first + n].id;
        query_start(&q, "DescribeInstances", EC2_API_VERSION);
        add_filter(&q, &filters, "instance-id", ids, n);
        int r = ec2_call(c, &q, &a, e);
        if (r < 0 || a.verdict != AWS_DONE)
                return e->code;
        const struct xml_node *reservations = xml_find(&a.xml, a.xml.nodes, "reservationSet");
        for (const struct xml_node *i = reservations ? xml_first(reservations) : NULL; i; i = xml_next(reservations, i)) {
                const char *id = xml_text(&a.xml, i, "instancesSet/item/instanceId");
                if (id && !ec2_state_counts(xml_text(&a.xml, i, "instancesSet/item/instanceState/name")))
                        recent_forget(c->recent, id);
        }
        return ec2_page_read(&a.xml, match, properties, ret, &next, e);
}

/* What EC2 does not list yet although we made it. */
static int add_recent(struct ec2 *c, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        CLEAN_INSTANCES struct instances missing = { 0 }, unseen = { 0 };
        recent_missing(c->recent, match, ret, &missing);
        for (size_t first = 0; first < missing.count; first += IDS_PER_CALL) {
                int r = ask_again(c, &missing, first, match, properties, ret, e);
                if (r < 0)
                        return r;
        }
        recent_drop_gone(c->recent, ret);
        recent_missing(c->recent, match, ret, &unseen);
        for (size_t i = 0; i < unseen.count; i++) {
                struct instance *to = instances_add(ret, "");
                free(to->id);
                *to = unseen.items[i];
                to->properties = properties ? xstrdup("{}") : NULL;
        }
        unseen.count = 0;
        return 0;
}

int ec2_describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        struct ec2 *c = self;
        CLEAN_INSTANCES struct instances l = { 0 };
        struct error own = { 0 };
        (void)type;
        e = e ? e : &own;
        int r = read_all(c, match, properties, &l, e);
        if (r < 0)
                return error_while(e, "listing instances");
        recent_drop_gone(c->recent, &l);
        r = add_recent(c, match, properties, &l, e);
        if (r < 0)
                return error_while(e, "listing instances that were made a moment ago");
        for (size_t i = 0; i < l.count; i++) {
                struct instance *to = instances_add(ret, "");
                free(to->id);
                *to = l.items[i];
        }
        l.count = 0;
        return 0;
}
