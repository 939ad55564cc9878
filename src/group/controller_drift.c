/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptions with properties against the current document. */
#include <string.h>

#include "group/controller_internal.h"
#include "group/drift.h"

/* What one differs in; NULL where that cannot be told: it is of another configuration, or was made by who does not say what a flavor changed. */
static char *drift_of(const struct group *g, const struct json_node *wanted, const struct json_node *description, const struct instance *i)
{
        const char *hash = tags_get(&i->tags, TAG_CONFIG_HASH);
        const struct json_node *there = json_member(description, "Properties");
        const char *prepared = tags_get(&i->tags, TAG_PREPARED);
        struct member_view known;
        if (!there || !hash || !text_equal(hash, g->specs[0].spec.hash) || !tags_get(&i->tags, TAG_TOKEN))
                return NULL;
        if (!prepared && planner_find(g->planner, i->id, &known)) /* somebody took that tag away */
                prepared = tags_get(&known.instance->tags, TAG_PREPARED);
        return drift_find(wanted, there, prepared);
}

char **group_drift_find(const struct group *g, const struct json_node *descriptions, const struct instances *list)
{
        CLEAN_JSON struct json_document wanted = { 0 };
        const char *properties = g->specs[0].spec.instance.properties;
        if (!g->committed || !properties || !list->count || json_parse("Properties", properties, strlen(properties), &wanted, NULL) < 0)
                return NULL;
        char **drift = xalloc(list->count, sizeof *drift);
        const struct json_node *n = descriptions + 1;
        for (size_t i = 0; i < list->count; i++, n += n->span)
                drift[i] = drift_of(g, wanted.nodes, n, list->items + i);
        return drift;
}

void group_drift_free(char **drift, size_t count)
{
        for (size_t i = 0; drift && i < count; i++)
                free(drift[i]);
        free(drift);
}
