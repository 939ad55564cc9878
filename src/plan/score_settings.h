/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What score.c judges: the values that count, after every line, reset and implied setting. */
#pragma once

#include "plan/filter.h"
#include "plan/unit_file.h"

enum score_flag {
        SCORE_DEFAULT_DEPENDENCIES, SCORE_DYNAMIC_USER, SCORE_LOCK_PERSONALITY, SCORE_MEMORY_DENY_WRITE_EXECUTE,
        SCORE_NO_NEW_PRIVILEGES, SCORE_PRIVATE_DEVICES, SCORE_PRIVATE_MOUNTS, SCORE_PRIVATE_NETWORK, SCORE_PRIVATE_TMP,
        SCORE_PRIVATE_USERS, SCORE_PROTECT_CLOCK, SCORE_PROTECT_CONTROL_GROUPS, SCORE_PROTECT_HOSTNAME,
        SCORE_PROTECT_KERNEL_LOGS, SCORE_PROTECT_KERNEL_MODULES, SCORE_PROTECT_KERNEL_TUNABLES, SCORE_REMOVE_IPC,
        SCORE_RESTRICT_REALTIME, SCORE_RESTRICT_SUID_SGID,
};

enum score_word { /* settings that are one word, kept as the badness of that word */
        SCORE_KEYRING_MODE, SCORE_NOTIFY_ACCESS, SCORE_PROC_SUBSET, SCORE_PROTECT_HOME, SCORE_PROTECT_PROC, SCORE_PROTECT_SYSTEM,
        SCORE_DEVICE_POLICY, /* not badness: 0 auto, 1 closed or strict */
        SCORE_WORD_COUNT
};

enum score_path { SCORE_ROOT_DIRECTORY, SCORE_ROOT_IMAGE, SCORE_PATH_COUNT };
enum score_count { /* lists of which only the length counts */
        SCORE_SUPPLEMENTARY_GROUPS, SCORE_DEVICE_ALLOW, SCORE_MOUNT_IMAGES, SCORE_IP_INGRESS, SCORE_IP_EGRESS, SCORE_COUNT_COUNT
};

struct score_settings {
        uint64_t flags;
        int words[SCORE_WORD_COUNT];
        char *paths[SCORE_PATH_COUNT];
        size_t counts[SCORE_COUNT_COUNT];
        char *user; /* never NULL once all is read */
        bool root;
        unsigned umask;
        bool delegate;
        uint64_t bounding, ambient;
        unsigned namespaces; /* CLONE_NEW* that stay allowed; ~0U: no line yet */
        struct {
                bool set, allow;
                uint64_t listed; /* by AF_* */
        } families;
        unsigned architectures; /* by index of the names; bit 0: native */
        struct filter filter;
        bool deny_v4, deny_v6, allow_localhost, allow_other;
        struct strings loaded_encrypted, given_encrypted; /* names of credentials */
};

/* Reads the lines that count and adds what they imply. notes: what lenient passed over. */
int score_settings_read(struct score_settings *s, const struct unit_file *u, const char *name, bool lenient, struct strings *notes, struct error *e);
void score_settings_done(struct score_settings *s);
#define CLEAN_SCORE_SETTINGS CLEAN(score_settings_done)
