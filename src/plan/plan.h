/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan: everything that isolates a process, as one pure value.  Fronts compile to it, executors walk it,
 * explain prints it.  It holds names, not descriptors or looked-up ids: those are found when it is applied.
 *
 * Every part that a reader may ask about carries its origin: the directive or the implied default that asked
 * for it ("ReadOnlyPaths=/etc", "ProtectSystem=strict (implied by DynamicUser=yes)").
 * All strings belong to the plan.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "plan/container.h"
#include "plan/file_systems.h"
#include "plan/credentials.h"
#include "plan/filter.h"
#include "plan/network.h"
#include "plan/process.h"
#include "plan/resources.h"
#include "plan/restriction.h"
#include "plan/unit_root.h"

enum plan_mount_kind {
        /* By strength, strongest first: of two entries on one path the first wins. */
        PLAN_INACCESSIBLE,
        PLAN_BIND,
        PLAN_IMAGE,        /* one of the images of the plan's root */
        PLAN_OVERLAY,      /* what is there with the extensions over it */
        PLAN_FILE,         /* a file with text of the plan's own, bound read-only */
        PLAN_CREDENTIALS,  /* what the plan's credentials become */
        PLAN_PRIVATE_TMP,  /* a folder of the run's own */
        PLAN_PRIVATE_DEV,
        PLAN_PROC,
        PLAN_SYSFS,
        PLAN_CGROUP,       /* cgroup v2, from the run's own group down */
        PLAN_MQUEUE,
        PLAN_TMPFS,
        PLAN_READ_ONLY,
        PLAN_READ_WRITE,
        PLAN_READ_WRITE_IMPLICIT, /* re-opened by a default: anything explicit about writing wins */
        PLAN_NOEXEC,
        PLAN_EXEC,
        PLAN_MOUNT_KINDS
};

struct plan_mount {
        enum plan_mount_kind kind;
        char *path;        /* normalized, absolute */
        char *source;      /* BIND: host path; TMPFS: options; PRIVATE_TMP: "tmp" or "var-tmp"; FILE: the text's name; IMAGE: its number */
        bool optional;     /* "-": a missing path is no error */
        bool read_only;
        bool no_exec;
        bool unless_mounted; /* in a root of its own: left out where something is mounted there */
        bool exec;         /* an EXEC entry of the same path lost against this one */
        bool made_read_only; /* likewise a READ_ONLY entry: it stays even where this one is left out */
        bool recursive;    /* BIND: with what is mounted below */
        /* Found by plan_normalize_mounts: what an entry that is silent about it takes over from those above. */
        bool read_only_above, no_exec_above;
        const char *origin;
};

enum plan_users { PLAN_USERS_HOST, PLAN_USERS_SELF, PLAN_USERS_IDENTITY, PLAN_USERS_FULL };
enum plan_proc_access { PLAN_PROC_DEFAULT, PLAN_PROC_NO_ACCESS, PLAN_PROC_INVISIBLE, PLAN_PROC_PTRACEABLE };
enum plan_tmp { PLAN_TMP_HOST, PLAN_TMP_HOST_FOLDERS, PLAN_TMP_DISCONNECTED };
enum plan_folder_kind { PLAN_RUNTIME_FOLDER, PLAN_STATE_FOLDER, PLAN_CACHE_FOLDER, PLAN_LOGS_FOLDER, PLAN_CONFIGURATION_FOLDER,
                        PLAN_FOLDER_KINDS };
/* By default a system's run has its own session keyring, an ordinary user's keeps the caller's. */
enum plan_keyring { PLAN_KEYRING_DEFAULT, PLAN_KEYRING_INHERIT, PLAN_KEYRING_PRIVATE, PLAN_KEYRING_SHARED };
enum plan_seal { PLAN_SEAL_AUTO, PLAN_SEAL_LANDLOCK, PLAN_SEAL_USERNS, PLAN_SEAL_OFF };

struct plan_folder {
        enum plan_folder_kind kind;
        char *name; /* relative */
        mode_t mode;
        struct strings links; /* relative: symbolic links that lead to it */
        bool read_only;
        const struct plan_folder *above; /* the nearest folder of the same kind that it lies in, or NULL */
        const char *origin;
};

/* A system call filter beside the user's own: what a Private or Protect directive denies. */
struct plan_denial {
        const char *calls; /* a group or a call */
        int error;
        const char *origin;
};

/* A filter of its own that looks at arguments, for one directive. */
struct plan_restriction {
        bool set;
        struct restriction what;
        const char *origin;
};

/* What was asked for and has no effect: a run is not what it is about. */
struct plan_told {
        const char *words; /* what holds in its place */
        const char *origin;
};

struct plan {
        char *unit;
        bool user_mode; /* an ordinary user: the user namespace comes first */
        bool lenient;

        uint64_t namespaces; /* CLONE_NEW*, without the user namespace */
        const char *namespace_origin[8]; /* by plan_namespace_slot */
        char *network_path, *ipc_path;       /* namespaces that are entered instead of made, or NULL */
        enum plan_users users;
        const char *users_origin;

        struct plan_mount *mounts;
        size_t mount_count, mount_room;
        /* Without effect as they are written.  A link may lead one of them, or one above, elsewhere: the executor looks again. */
        struct plan_mount *redundant;
        size_t redundant_count, redundant_room;
        enum plan_tmp tmp;
        enum plan_proc_access proc_access; /* of a PLAN_PROC: how much it shows of others' processes */
        bool proc_processes_only;          /* of a PLAN_PROC: nothing but processes */
        bool root_read_only; /* "/" is read-only: the writable places form an allow list, so Landlock backs it */

        char *user, *group; /* name or number; NULL: unchanged */
        struct strings supplementary;
        bool dynamic_user;
        const char *identity_origin;
        char *pam_name; /* the session that is opened for it, or NULL */
        const char *pam_origin;
        bool remove_ipc;

        uint64_t bounding; /* capabilities kept */
        const char *bounding_origin;
        struct strings bounding_removed; /* "CAP_MKNOD: PrivateDevices=yes" lines for explain */
        uint64_t ambient;
        const char *ambient_origin;
        unsigned secure_bits; /* SECBIT_*; meant if there is an origin */
        const char *secure_bits_origin;
        bool no_new_privileges;
        const char *no_new_privileges_origin;
        bool restrict_suid_sgid;
        const char *restrict_suid_sgid_origin;

        struct filter filter;
        const char *filter_origin;
        struct filter log_filter; /* of calls that are logged */
        const char *log_origin;
        struct plan_denial *denials;
        size_t denial_count, denial_room;
        struct plan_restriction restrictions[RESTRICTION_KINDS];

        uint64_t memory_max_bytes, tasks_max; /* UINT64_MAX: no limit */
        uint64_t cpu_quota_permille;          /* of one CPU; UINT64_MAX: none */
        bool devices_closed;
        const char *clock_origin; /* ProtectClock=: where devices are closed the clock may be read; NULL: not asked for */
        const char *memory_origin, *tasks_origin, *cpu_origin, *devices_origin;

        struct plan_folder *folders;
        size_t folder_count, folder_room;
        bool runtime_folders_kept;    /* RuntimeDirectoryPreserve=yes */
        bool runtime_folders_outlast; /* =restart: from one start of a service to the next */

        char *hostname; /* in the namespace of its own; NULL: the host's */
        const char *hostname_origin;
        enum plan_keyring keyring;
        const char *keyring_origin;

        char *working_directory; /* NULL: "/" (user mode: home); "~": home */
        bool working_directory_optional;
        struct strings environment;
        mode_t umask;
        struct plan_process process;
        struct plan_credentials credentials;
        struct plan_unit_root unit_root;
        struct plan_resources resources;
        struct plan_network network;
        struct plan_file_systems file_systems;
        enum plan_seal seal;

        struct plan_container *container; /* owned; NULL: the host's tree and a unit's directives alone */

        struct plan_told *told;
        size_t told_count;
        char *program; /* what argv[0] was found as on the host, or NULL: looked for inside */
        struct strings argv;
        struct strings notes;   /* what was ignored, for lenient */
        struct strings strings; /* owns origins and the like */
};

unsigned plan_namespace_slot(uint64_t flag);
/* Keeps s with the plan. */
const char *plan_keep(struct plan *p, char *s);
struct plan_mount *plan_add_mount(struct plan *p, enum plan_mount_kind kind, const char *path, const char *origin);
void plan_add_denial(struct plan *p, const char *calls, int error, const char *origin);
void plan_need_namespace(struct plan *p, uint64_t flag, const char *origin);
void plan_drop_capability(struct plan *p, unsigned capability, const char *origin);
/* Sorts the folders by kind and path, parents first, and says of each what it lies in. */
void plan_arrange_folders(struct plan *p);
/* Sorts the mounts, parents first, and leaves of each path only what has an effect. */
void plan_normalize_mounts(struct plan *p);
/* Whether the payload needs a mount namespace of its own. */
bool plan_has_mounts(const struct plan *p);
/* Whether the seal applies: there is something that a payload could undo. */
bool plan_is_sealed(const struct plan *p);
/* "auto", "landlock", "userns", "off": 0 or -EINVAL. */
int plan_seal_parse(const char *word, enum plan_seal *ret);
#define PLAN_SEAL_WORDS "auto, landlock, userns or off"
/*
 * For a process that only tries what the plan lets it do: nothing of its user's is removed at the end, and folders of the run are kept.
 * without_folders: they are not even made, nor entered.
 */
void plan_make_trial(struct plan *p, bool without_folders);
void plan_done(struct plan *p);
#define CLEAN_PLAN CLEAN(plan_done)
