/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/observations.h"

#include <string.h>

#include "base/path.h"

static const char *const use_names[] = { "look", "read", "write", "change", "made", "execute", "map", "device", "connect", "folder", "below", "miss" };
static const char *const trait_names[TRAIT_COUNT] = {
        [TRAIT_WRITABLE_CODE] = "writable-code", [TRAIT_REALTIME] = "realtime", [TRAIT_PERSONALITY] = "personality",
        [TRAIT_SET_ID_FILE] = "set-id-file", [TRAIT_SET_ID_PROGRAM] = "set-id-program", [TRAIT_CLOCK] = "clock",
        [TRAIT_MODULE] = "module", [TRAIT_KERNEL_LOG] = "kernel-log", [TRAIT_HOSTNAME] = "hostname", [TRAIT_KEYRING] = "keyring",
        [TRAIT_IPC] = "ipc", [TRAIT_OTHER_PROCESSES] = "other-processes", [TRAIT_PROC_SYSTEM] = "proc-system",
        [TRAIT_LISTENS] = "listens", [TRAIT_NETWORK] = "network", [TRAIT_ABSTRACT_PEER] = "abstract-peer", [TRAIT_UNSEEN] = "unseen",
};

const char *path_use_name(unsigned bit)
{
        return bit < ELEMENTS(use_names) ? use_names[bit] : NULL;
}

const char *trait_name(unsigned t)
{
        return t < TRAIT_COUNT ? trait_names[t] : NULL;
}

/* ---- calls ---- */

struct observed_call *observations_call(struct observations *o, const char *name, bool foreign)
{
        for (size_t i = 0; i < o->call_count; i++)
                if (o->calls[i].foreign == foreign && text_equal(o->calls[i].name, name))
                        return &o->calls[i];
        if (o->call_count == OBSERVED_CALLS_MAX) {
                o->lost++;
                return NULL;
        }
        o->calls = xgrow(o->calls, &o->call_room, o->call_count + 1, sizeof *o->calls);
        o->calls[o->call_count] = (struct observed_call){ .name = xstrdup(name), .foreign = foreign };
        return &o->calls[o->call_count++];
}

/* ---- paths ---- */

static size_t hash(const char *s, size_t n)
{
        uint64_t h = 14695981039346656037ULL;
        for (size_t i = 0; i < n; i++)
                h = (h ^ (unsigned char)s[i]) * 1099511628211ULL;
        return (size_t)(h ^ h >> 32);
}

/* The slot of the first n bytes of a path: of its row, or the free one where it belongs. */
static size_t slot_of(const struct observations *o, const char *path, size_t n)
{
        size_t mask = o->path_slot_count - 1, at = hash(path, n) & mask;
        for (; o->path_slots[at]; at = (at + 1) & mask) {
                const char *other = o->paths[o->path_slots[at] - 1].path;
                if (!strncmp(other, path, n) && !other[n])
                        break;
        }
        return at;
}

static struct observed_path *find(const struct observations *o, const char *path, size_t n)
{
        size_t at = o->path_slot_count ? slot_of(o, path, n) : 0;
        return o->path_slot_count && o->path_slots[at] ? &o->paths[o->path_slots[at] - 1] : NULL;
}

static void rebuild(struct observations *o, size_t slots)
{
        free(o->path_slots);
        o->path_slots = xalloc(slots, sizeof *o->path_slots);
        o->path_slot_count = slots;
        for (size_t i = 0; i < o->path_count; i++)
                o->path_slots[slot_of(o, o->paths[i].path, strlen(o->paths[i].path))] = (uint32_t)i + 1;
}

static size_t parent_length(const char *path, size_t n)
{
        while (n > 0 && path[n - 1] != '/')
                n--;
        return n > 1 ? n - 1 : n;
}

/* The nearest folder above, or the path itself, that stands for all below it. */
static struct observed_path *find_cover(const struct observations *o, const char *path)
{
        for (size_t n = strlen(path);; n = parent_length(path, n)) {
                struct observed_path *p = find(o, path, n);
                if (p && p->uses & USE_BELOW)
                        return p;
                if (n <= 1)
                        return NULL;
        }
}

static void insert(struct observations *o, const char *path, size_t n, unsigned uses)
{
        if ((o->path_count + 1) * 2 > o->path_slot_count)
                rebuild(o, o->path_slot_count ? o->path_slot_count * 2 : 256);
        o->paths = xgrow(o->paths, &o->path_room, o->path_count + 1, sizeof *o->paths);
        size_t at = slot_of(o, path, n);
        o->paths[o->path_count++] = (struct observed_path){ .path = xstrndup(path, n), .uses = uses };
        o->path_slots[at] = (uint32_t)o->path_count;
}

/* Puts one row, the folder's, in the place of all below it. */
static void collapse(struct observations *o, const char *path, size_t n, unsigned uses)
{
        CLEAN_FREE char *folder = xstrndup(path, n);
        size_t kept = 0;
        uses |= USE_BELOW | USE_FOLDER;
        for (size_t i = 0; i < o->path_count; i++) {
                if (path_is_below(o->paths[i].path, folder)) {
                        uses |= o->paths[i].uses & (unsigned)~USE_MADE;
                        free(o->paths[i].path);
                } else
                        o->paths[kept++] = o->paths[i];
        }
        o->path_count = kept;
        o->full = false;
        rebuild(o, o->path_slot_count ? o->path_slot_count : 256);
        insert(o, folder, n, uses);
}

static size_t count_in_folder(const struct observations *o, const char *folder, size_t n)
{
        size_t count = 0;
        for (size_t i = 0; i < o->path_count; i++) {
                const char *p = o->paths[i].path;
                size_t above = parent_length(p, strlen(p));
                count += above == n && !strncmp(p, folder, n) && strlen(p) > n;
        }
        return count;
}

/* Which folder has the most paths directly in it: where the limit of all paths is reached, it goes first. */
static void make_room(struct observations *o, unsigned limit)
{
        for (size_t i = o->path_count; i-- > 0;) {
                const char *p = o->paths[i].path;
                size_t n = parent_length(p, strlen(p));
                if (n > 1 && count_in_folder(o, p, n) > limit) {
                        CLEAN_FREE char *folder = xstrndup(p, n);
                        collapse(o, folder, n, 0);
                        return;
                }
        }
}

void observations_add_path(struct observations *o, const char *path, unsigned uses)
{
        size_t n = strlen(path);
        if (path[0] != '/')
                return;
        struct observed_path *p = find(o, path, n);
        if (!p)
                p = find_cover(o, path);
        if (p && (p->uses & USE_BELOW || !(uses & USE_BELOW))) {
                p->uses |= p->uses & USE_BELOW ? uses & (unsigned)~USE_MADE : uses;
                return;
        }
        if (uses & USE_BELOW) {
                collapse(o, path, n, uses);
                return;
        }
        if (o->path_count >= OBSERVED_PATHS_MAX && !o->full)
                make_room(o, 4);
        if (o->path_count >= OBSERVED_PATHS_MAX) {
                o->full = true;
                o->lost++;
                return;
        }
        insert(o, path, n, uses);
        /* Counting each time would be quadratic: a large folder is found when its rows come to a multiple of the limit. */
        if (o->path_count % (OBSERVED_FOLDER_MAX / 4) == 0) {
                size_t above = parent_length(path, n);
                if (above > 1 && count_in_folder(o, path, above) > OBSERVED_FOLDER_MAX) {
                        CLEAN_FREE char *folder = xstrndup(path, above);
                        collapse(o, folder, above, 0);
                }
        }
}

unsigned observations_uses(const struct observations *o, const char *path)
{
        const struct observed_path *p = find(o, path, strlen(path));
        if (!p)
                p = find_cover(o, path);
        return p ? p->uses : 0;
}

bool observations_used_below(const struct observations *o, const char *folder, unsigned uses)
{
        for (size_t i = 0; i < o->path_count; i++) {
                const struct observed_path *p = &o->paths[i];
                if (p->uses & uses && (path_is_below(p->path, folder) || (p->uses & USE_BELOW && path_is_below(folder, p->path))))
                        return true;
        }
        return false;
}

/* ---- the rest ---- */

void observations_add_socket(struct observations *o, int family, int type, int protocol)
{
        for (size_t i = 0; i < o->socket_count; i++)
                if (o->sockets[i].family == family && o->sockets[i].type == type && o->sockets[i].protocol == protocol)
                        return;
        if (o->socket_count == OBSERVED_SOCKETS_MAX)
                o->lost++;
        else
                o->sockets[o->socket_count++] = (struct observed_socket){ family, type, protocol };
}

void observations_add_port(struct observations *o, int family, int protocol, uint16_t port)
{
        for (size_t i = 0; i < o->port_count; i++)
                if (o->ports[i].family == family && o->ports[i].protocol == protocol && o->ports[i].port == port)
                        return;
        if (o->port_count == OBSERVED_PORTS_MAX)
                o->lost++;
        else
                o->ports[o->port_count++] = (struct observed_port){ family, protocol, port };
}

void observations_add_peer(struct observations *o, const char *address, int protocol, uint16_t port)
{
        for (size_t i = 0; i < o->peer_count; i++)
                if (o->peers[i].port == port && o->peers[i].protocol == protocol && text_equal(o->peers[i].address, address))
                        return;
        if (o->peer_count == OBSERVED_PEERS_MAX) {
                o->lost++;
                return;
        }
        o->peers = xgrow(o->peers, &o->peer_room, o->peer_count + 1, sizeof *o->peers);
        o->peers[o->peer_count++] = (struct observed_peer){ xstrdup(address), protocol, port };
}

void observations_add_user(struct observations *o, uint32_t uid)
{
        for (size_t i = 0; i < o->user_count; i++)
                if (o->users[i] == uid)
                        return;
        if (o->user_count == OBSERVED_USERS_MAX)
                o->lost++;
        else
                o->users[o->user_count++] = uid;
}

bool observations_has_outcome(const struct observations *o, int outcome)
{
        for (size_t i = 0; i < o->outcome_count; i++)
                if (o->outcomes[i] == outcome)
                        return true;
        return false;
}

void observations_add_outcome(struct observations *o, int outcome)
{
        if (observations_has_outcome(o, outcome))
                return;
        if (o->outcome_count == OBSERVED_OUTCOMES_MAX)
                o->lost++;
        else
                o->outcomes[o->outcome_count++] = outcome;
}

static void merge_call(struct observations *o, const struct observed_call *from)
{
        struct observed_call *c = observations_call(o, from->name, from->foreign);
        if (!c)
                return;
        c->times += from->times < UINT64_MAX - c->times ? from->times : UINT64_MAX - c->times;
        c->succeeded |= from->succeeded;
        for (size_t i = 0; i < ELEMENTS(c->errors); i++)
                c->errors[i] |= from->errors[i];
}

void observations_merge(struct observations *o, const struct observations *other)
{
        if (!o->command.count)
                for (size_t i = 0; i < other->command.count; i++)
                        strings_add(&o->command, other->command.items[i]);
        o->runs = other->runs < UINT32_MAX - o->runs ? o->runs + other->runs : UINT32_MAX;
        for (size_t i = 0; i < other->outcome_count; i++)
                observations_add_outcome(o, other->outcomes[i]);
        for (size_t i = 0; i < other->call_count; i++)
                merge_call(o, &other->calls[i]);
        for (size_t i = 0; i < other->path_count; i++)
                observations_add_path(o, other->paths[i].path, other->paths[i].uses);
        for (size_t i = 0; i < other->socket_count; i++)
                observations_add_socket(o, other->sockets[i].family, other->sockets[i].type, other->sockets[i].protocol);
        for (size_t i = 0; i < other->port_count; i++)
                observations_add_port(o, other->ports[i].family, other->ports[i].protocol, other->ports[i].port);
        for (size_t i = 0; i < other->peer_count; i++)
                observations_add_peer(o, other->peers[i].address, other->peers[i].protocol, other->peers[i].port);
        for (size_t i = 0; i < other->user_count; i++)
                observations_add_user(o, other->users[i]);
        for (size_t i = 0; i < TRAIT_COUNT; i++)
                o->traits[i] |= other->traits[i];
        o->namespaces |= other->namespaces;
        o->capabilities |= other->capabilities;
        o->made_modes |= other->made_modes;
        o->tasks = other->tasks > o->tasks ? other->tasks : o->tasks;
        o->memory_bytes = other->memory_bytes > o->memory_bytes ? other->memory_bytes : o->memory_bytes;
        o->lost = other->lost < UINT64_MAX - o->lost ? o->lost + other->lost : UINT64_MAX;
}

void observations_done(struct observations *o)
{
        strings_clear(&o->command);
        for (size_t i = 0; i < o->call_count; i++)
                free(o->calls[i].name);
        for (size_t i = 0; i < o->path_count; i++)
                free(o->paths[i].path);
        for (size_t i = 0; i < o->peer_count; i++)
                free(o->peers[i].address);
        free(o->calls);
        free(o->paths);
        free(o->path_slots);
        free(o->peers);
        *o = (struct observations){ 0 };
}
