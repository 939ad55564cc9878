/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <sched.h>
#include <string.h>

#include "base/path.h"
#include "os/capability.h"

unsigned plan_namespace_slot(uint64_t flag)
{
        static const uint64_t flags[] = { CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP };
        for (unsigned i = 0; i < ELEMENTS(flags); i++)
                if (flags[i] == flag)
                        return i;
        return 7;
}

const char *plan_keep(struct plan *p, char *s)
{
        strings_take(&p->strings, s);
        return s;
}

struct plan_mount *plan_add_mount(struct plan *p, enum plan_mount_kind kind, const char *path, const char *origin)
{
        p->mounts = xgrow(p->mounts, &p->mount_room, p->mount_count + 1, sizeof *p->mounts);
        struct plan_mount *m = &p->mounts[p->mount_count++];
        *m = (struct plan_mount){ .kind = kind, .path = xstrdup(path), .origin = origin };
        plan_need_namespace(p, CLONE_NEWNS, origin);
        return m;
}

void plan_add_denial(struct plan *p, const char *calls, int error, const char *origin)
{
        p->denials = xgrow(p->denials, &p->denial_room, p->denial_count + 1, sizeof *p->denials);
        p->denials[p->denial_count++] = (struct plan_denial){ calls, error, origin };
}

void plan_need_namespace(struct plan *p, uint64_t flag, const char *origin)
{
        if (!(p->namespaces & flag))
                p->namespace_origin[plan_namespace_slot(flag)] = origin;
        p->namespaces |= flag;
}

void plan_drop_capability(struct plan *p, unsigned capability, const char *origin)
{
        p->bounding &= ~(UINT64_C(1) << capability);
        strings_take(&p->bounding_removed, xprintf("%s: %s", capability_name(capability), origin));
}

bool plan_has_mounts(const struct plan *p)
{
        return p->namespaces & CLONE_NEWNS;
}

bool plan_is_sealed(const struct plan *p)
{
        return p->seal != PLAN_SEAL_OFF && p->namespaces;
}

int plan_seal_parse(const char *word, enum plan_seal *ret)
{
        static const char *const words[] = { [PLAN_SEAL_AUTO] = "auto", [PLAN_SEAL_LANDLOCK] = "landlock", [PLAN_SEAL_USERNS] = "userns",
                                             [PLAN_SEAL_OFF] = "off" };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (text_equal(word, words[i])) {
                        *ret = (enum plan_seal)i;
                        return 0;
                }
        return -EINVAL;
}

/* Byte order with '/' first, so that a folder comes before all below it. */
static int compare_paths(const char *p, const char *q)
{
        while (*p && *p == *q)
                p++, q++;
        unsigned char c = (unsigned char)*p, d = (unsigned char)*q;
        c = c == '/' ? 1 : c, d = d == '/' ? 1 : d;
        return c - d;
}

static int compare_mounts(const void *a, const void *b)
{
        const struct plan_mount *x = a, *y = b;
        int r = compare_paths(x->path, y->path);
        return r ? r : (int)x->kind - (int)y->kind;
}

static int compare_folders(const void *a, const void *b)
{
        const struct plan_folder *x = a, *y = b;
        return x->kind != y->kind ? (int)x->kind - (int)y->kind : compare_paths(x->name, y->name);
}

static bool lies_in(const char *name, const char *above)
{
        size_t n = strlen(above);
        return !strncmp(name, above, n) && name[n] == '/';
}

void plan_arrange_folders(struct plan *p)
{
        if (p->folder_count)
                qsort(p->folders, p->folder_count, sizeof *p->folders, compare_folders);
        for (size_t i = 0; i < p->folder_count; i++) {
                struct plan_folder *f = &p->folders[i];
                f->above = NULL;
                for (size_t k = i; k-- > 0 && !f->above;)
                        if (p->folders[k].kind == f->kind && lies_in(f->name, p->folders[k].name))
                                f->above = &p->folders[k];
        }
}

static bool is_access(enum plan_mount_kind k)
{
        return k == PLAN_READ_ONLY || k == PLAN_READ_WRITE || k == PLAN_READ_WRITE_IMPLICIT;
}

static void drop_mount(struct plan_mount *m)
{
        free(m->path);
        free(m->source);
        m->path = m->source = NULL;
}

/* Of entries on one path the first, the strongest, stays and takes over the restrictions of the others. */
static void merge_equal_paths(struct plan *p)
{
        size_t kept = 1;
        for (size_t i = 1; i < p->mount_count; i++) {
                struct plan_mount *k = &p->mounts[kept - 1], *m = &p->mounts[i];
                if (!text_equal(k->path, m->path)) {
                        p->mounts[kept++] = *m;
                        continue;
                }
                bool hidden = k->kind == PLAN_INACCESSIBLE; /* no more to take away */
                if (hidden || k->kind >= PLAN_READ_ONLY)
                        k->optional &= m->optional; /* one that must be there is enough */
                k->read_only |= !hidden && (m->kind == PLAN_READ_ONLY || m->read_only);
                k->made_read_only |= !hidden && (m->kind == PLAN_READ_ONLY || m->made_read_only);
                k->no_exec |= !hidden && (m->kind == PLAN_NOEXEC || m->no_exec);
                k->exec |= !hidden && (m->kind == PLAN_EXEC || m->exec);
                drop_mount(m);
        }
        p->mount_count = kept;
}

/* Whether entry m adds nothing to what the kept entries above it do. */
static bool is_redundant(const struct plan_mount *m, const struct plan_mount *kept, size_t count)
{
        for (size_t i = count; i-- > 0;) {
                const struct plan_mount *k = &kept[i];
                if (!path_is_below(m->path, k->path))
                        continue;
                if (k->kind == PLAN_INACCESSIBLE)
                        return true;
                if (is_access(m->kind) && is_access(k->kind))
                        return (m->kind == PLAN_READ_ONLY) == (k->kind == PLAN_READ_ONLY) && !m->no_exec && !k->no_exec && !m->exec && !k->exec;
                return false;
        }
        return false;
}

static bool is_silent_on_writing(const struct plan_mount *m)
{
        return m->kind == PLAN_NOEXEC || m->kind == PLAN_EXEC;
}

static bool is_silent_on_running(const struct plan_mount *m)
{
        return !is_silent_on_writing(m) && !m->no_exec && !m->exec;
}

/* The nearest entry above mounts[of] that is not silent. */
static const struct plan_mount *entry_above(const struct plan_mount *mounts, size_t of, bool (*is_silent)(const struct plan_mount *))
{
        for (size_t i = of; i-- > 0;)
                if (path_is_below(mounts[of].path, mounts[i].path) && !is_silent(&mounts[i]))
                        return &mounts[i];
        return NULL;
}

/* Writing and running are two matters: an entry on the one must not undo what holds above on the other. */
static void inherit_access(struct plan_mount *mounts, size_t i)
{
        struct plan_mount *m = &mounts[i];
        const struct plan_mount *writing = is_silent_on_writing(m) ? entry_above(mounts, i, is_silent_on_writing) : NULL;
        const struct plan_mount *running = is_silent_on_running(m) ? entry_above(mounts, i, is_silent_on_running) : NULL;
        m->read_only_above = writing && (writing->kind == PLAN_READ_ONLY || writing->read_only);
        m->no_exec_above = running && (running->kind == PLAN_NOEXEC || running->no_exec);
}

/* What replaces content cannot come back: its turn is before links are looked at. */
static void set_aside(struct plan *p, struct plan_mount *m)
{
        if (m->kind != PLAN_INACCESSIBLE && !is_access(m->kind) && !is_silent_on_writing(m)) {
                drop_mount(m);
                return;
        }
        p->redundant = xgrow(p->redundant, &p->redundant_room, p->redundant_count + 1, sizeof *p->redundant);
        p->redundant[p->redundant_count++] = *m;
        m->path = m->source = NULL;
}

void plan_normalize_mounts(struct plan *p)
{
        if (!p->mount_count)
                return;
        qsort(p->mounts, p->mount_count, sizeof *p->mounts, compare_mounts);
        /* First one entry a path: a rule that repeats the one above may still outweigh another on its own path. */
        merge_equal_paths(p);
        size_t kept = 0;
        for (size_t i = 0; i < p->mount_count; i++) {
                if (is_redundant(&p->mounts[i], p->mounts, kept))
                        set_aside(p, &p->mounts[i]);
                else
                        p->mounts[kept++] = p->mounts[i];
        }
        p->mount_count = kept;
        for (size_t i = 0; i < kept; i++)
                inherit_access(p->mounts, i);
}

void plan_process_done(struct plan_process *p)
{
        free(p->cpus);
        free(p->numa_nodes);
        for (size_t i = 0; i < PLAN_STREAMS; i++)
                free(p->streams[i].path);
        for (size_t i = 0; i < PLAN_LABELS; i++)
                free(p->labels[i].text);
        free(p->tty.path);
        text_clear(&p->input);
        strings_clear(&p->pass);
        strings_clear(&p->files);
        strings_clear(&p->unset);
        strings_clear(&p->search_path);
}

void plan_make_trial(struct plan *p, bool without_folders)
{
        p->remove_ipc = false;
        p->runtime_folders_kept = true;
        if (!without_folders)
                return;
        for (size_t i = 0; i < p->folder_count; i++)
                free(p->folders[i].name);
        p->folder_count = 0;
        free(p->working_directory);
        p->working_directory = NULL;
}

void plan_done(struct plan *p)
{
        for (size_t i = 0; i < p->mount_count; i++)
                drop_mount(&p->mounts[i]);
        for (size_t i = 0; i < p->folder_count; i++)
                free(p->folders[i].name), strings_clear(&p->folders[i].links);
        for (size_t i = 0; i < p->redundant_count; i++)
                drop_mount(&p->redundant[i]);
        free(p->redundant);
        free(p->mounts);
        free(p->folders);
        free(p->denials);
        free(p->told);
        free(p->unit);
        free(p->user);
        free(p->pam_name);
        free(p->group);
        free(p->working_directory);
        free(p->hostname);
        free(p->network_path);
        free(p->ipc_path);
        free(p->program);
        plan_process_done(&p->process);
        plan_resources_done(&p->resources);
        plan_network_done(&p->network);
        strings_clear(&p->file_systems.names);
        plan_credentials_done(&p->credentials);
        plan_unit_root_done(&p->unit_root);
        if (p->container) {
                plan_container_done(p->container);
                free(p->container);
        }
        filter_clear(&p->filter);
        filter_clear(&p->log_filter);
        strings_clear(&p->supplementary);
        strings_clear(&p->bounding_removed);
        strings_clear(&p->environment);
        strings_clear(&p->argv);
        strings_clear(&p->notes);
        strings_clear(&p->strings);
        *p = (struct plan){ 0 };
}
