/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directives about a control group that is the payload's own to divide. */
#include <string.h>

#include "plan/directive_internal.h"

/* Delegate=yes gives all of them; what v1 and v2 call differently stands there with both names. */
static const struct controller {
        const char *name, *also;
} controllers[] = {
        { "cpu", "cpuacct" }, { "cpuacct", "cpu" }, { "cpuset", NULL }, { "io", "blkio" },      { "blkio", "io" },
        { "memory", NULL },   { "devices", NULL },  { "pids", NULL },   { "bpf-firewall", "" }, { "bpf-devices", "" },
        { "bpf-foreign", "" }, { "bpf-socket-bind", "" }, { "bpf-restrict-network-interfaces", "" },
};

/* Programs are no controllers: nothing is to be handed on for them. */
static bool is_program(const struct controller *c)
{
        return c->also && !*c->also;
}

static const struct controller *find(const char *word)
{
        for (size_t i = 0; i < ELEMENTS(controllers); i++)
                if (text_equal(controllers[i].name, word))
                        return &controllers[i];
        return NULL;
}

static int check_controller(const char *word, char **ret, struct error *e)
{
        if (!find(word))
                return directive_bad_value(e, word, "yes, no, or controllers: cpu, cpuset, io, memory, pids, devices");
        *ret = xstrdup(word);
        return 0;
}

enum { SOME_CONTROLLERS, ALL_CONTROLLERS };

int directive_read_delegate(const struct reader *r, const char *value, struct error *e)
{
        bool all;
        if (!*value || text_parse_bool(value, &all) == 0) {
                directive_reset_list(r->v);
                if (!*value || all)
                        directive_set_number(r, *value ? ALL_CONTROLLERS : SOME_CONTROLLERS);
                return 0;
        }
        bool had_all = r->v->set && r->v->number == ALL_CONTROLLERS;
        int k = directive_read_words(r, value, check_controller, e);
        if (k == 0)
                r->v->number = had_all ? ALL_CONTROLLERS : SOME_CONTROLLERS;
        return k;
}

static int check_subgroup(const char *word, char **ret, struct error *e)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:@.";
        if (strlen(word) > 255 || word[strspn(word, letters)] || strchr("._", *word) || strchr(word, '.'))
                return directive_bad_value(e, word, "the name of a control group: letters, digits, - _ : and @");
        *ret = xstrdup(word);
        return 0;
}

int directive_read_delegate_subgroup(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_subgroup, e);
}

static void add(struct strings *l, const char *name)
{
        if (name && *name && !strings_has(l, name))
                strings_add(l, name);
}

int directive_compile_delegate(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        struct plan_delegation *d = &p->resources.delegation;
        (void)s, (void)facts, (void)e;
        d->origin = v->count ? directive_origins(p, v) : v->origin;
        for (size_t i = 0; i < ELEMENTS(controllers); i++) {
                bool asked = v->number == ALL_CONTROLLERS;
                for (size_t k = 0; !asked && k < v->count; k++)
                        asked = text_equal(v->list[k].text, controllers[i].name);
                if (!asked || is_program(&controllers[i]))
                        continue;
                add(&d->controllers, controllers[i].name);
                add(&d->controllers, controllers[i].also);
        }
        return 0;
}

int directive_compile_delegate_subgroup(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p, struct error *e)
{
        (void)s, (void)facts, (void)e;
        p->resources.delegation.subgroup = xstrdup(v->text);
        p->resources.delegation.subgroup_origin = v->origin;
        return 0;
}

void plan_delegation_done(struct plan_delegation *d)
{
        strings_clear(&d->controllers);
        free(d->subgroup);
}

/* The group of RestrictFileSystems= lies below the run's, and the payload could leave it. */
int directive_check_delegation(struct plan *p, struct error *e)
{
        struct plan_delegation *d = &p->resources.delegation;
        if (!d->origin && d->subgroup) { /* as with systemd it says nothing alone */
                strings_take(&p->notes, xprintf("%s: without Delegate= no effect", d->subgroup_origin));
                free(d->subgroup);
                d->subgroup = NULL;
        }
        if (!d->origin || !p->file_systems.origin)
                return 0;
        error_set(e, EINVAL, "cgroup.delegated", "who may move processes between control groups could leave the one that %s holds", p->file_systems.origin);
        return error_while(e, "applying %s", d->origin);
}
