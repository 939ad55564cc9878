/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the probe share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROBE_DETAIL_MAX = 200 };

struct probe {
        char *const *facts; /* the words of the command line, ended by NULL */
        /* Set by an attempt; in memory that it shares with its parent. */
        uint64_t value;
        bool unknown;
        char detail[PROBE_DETAIL_MAX];
        /* Further lines, one for each thing of a kind that was found: name, value, path. */
        unsigned found_count;
        struct probe_found {
                const char *name; /* static */
                char path[PROBE_DETAIL_MAX];
        } found[64];
};

struct probe_attempt {
        const char *name;
        void (*run)(struct probe *p, const struct probe_attempt *a);
        long parameter;
};

/* What a KEY=VALUE says, or NULL. */
const char *probe_fact(const struct probe *p, const char *key);
void probe_detail(struct probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_unknown(struct probe *p, const char *why);
void probe_find(struct probe *p, const char *name, const char *path);
/* Whether a namespace is the host's; true too where it cannot be told, and then *ret_unknown. */
bool probe_is_host_namespace(const struct probe *p, const char *kind, bool *ret_unknown);
/* Whether a path leads to what the host has there, by the fact KEY.PATH. */
bool probe_is_host_node(const struct probe *p, const char *key, const char *path);
/* Whether files can be made in a folder, seal included: by an unnamed one. */
bool probe_may_make_files(const char *folder);
/* Whether an existing file can be opened for writing. Nothing is written. */
bool probe_may_open(const char *path, int flags);
bool probe_has_capability(unsigned n);
/* Whether executing a program could give what the bounding set holds. */
bool probe_may_gain(const struct probe *p, char detail[PROBE_DETAIL_MAX]);

extern const struct probe_attempt probe_calls[], probe_files[], probe_identity[]; /* each ended by a row without a name */
