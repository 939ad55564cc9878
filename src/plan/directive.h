/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd's directives.  One row of the table in directive.c names a directive, how its value is read and
 * which function puts it into the plan; settings hold what was assigned, per row, with the words that did it.
 * Pure: no system call, no privilege.
 *
 *      struct settings s = { 0 };
 *      settings_assign(&s, "ProtectSystem=strict", &e);
 *      settings_compile(&s, &facts, &plan, &e);
 */
#pragma once

#include "base/error.h"
#include "plan/plan.h"

enum {
        DIRECTIVE_VALUE_MAX = 1 << 20, /* bytes of one assignment */
        DIRECTIVE_ASSIGNMENTS_MAX = 20000,
};

enum directive_id {
        /* Before all others: what their paths mean depends on it. */
        D_ROOT_DIRECTORY, D_ROOT_IMAGE, D_ROOT_IMAGE_OPTIONS, D_ROOT_DIRECTORY_START_ONLY, D_MOUNT_IMAGES, D_EXTENSION_IMAGES, D_EXTENSION_DIRECTORIES, D_MOUNT_API_VFS, D_BIND_LOG_SOCKETS, D_MOUNT_FLAGS,
        D_NETWORK_NAMESPACE_PATH, D_IPC_NAMESPACE_PATH,
        D_DYNAMIC_USER, D_USER, D_GROUP, D_SUPPLEMENTARY_GROUPS, D_PAM_NAME, D_CAPABILITY_BOUNDING_SET, D_PRIVATE_TMP, D_PRIVATE_DEVICES,
        D_PRIVATE_NETWORK, D_PRIVATE_IPC, D_PRIVATE_PIDS, D_PRIVATE_USERS, D_PRIVATE_MOUNTS, D_PROTECT_SYSTEM, D_PROTECT_HOME,
        D_PROTECT_HOSTNAME, D_READ_WRITE_PATHS, D_READ_ONLY_PATHS, D_INACCESSIBLE_PATHS, D_EXEC_PATHS, D_NO_EXEC_PATHS,
        D_BIND_PATHS, D_BIND_READ_ONLY_PATHS, D_TEMPORARY_FILE_SYSTEM, D_RUNTIME_DIRECTORY, D_STATE_DIRECTORY,
        D_CACHE_DIRECTORY, D_LOGS_DIRECTORY, D_CONFIGURATION_DIRECTORY, D_WORKING_DIRECTORY, D_ENVIRONMENT, D_UMASK,
        D_NO_NEW_PRIVILEGES, D_RESTRICT_SUID_SGID,
        D_PROTECT_KERNEL_TUNABLES, D_PROTECT_KERNEL_MODULES, D_PROTECT_KERNEL_LOGS, D_PROTECT_CONTROL_GROUPS, D_PROTECT_CLOCK,
        D_PROTECT_PROC, D_PROC_SUBSET, D_RESTRICT_NAMESPACES, D_RESTRICT_REALTIME, D_LOCK_PERSONALITY, D_RESTRICT_ADDRESS_FAMILIES,
        D_SYSTEM_CALL_ARCHITECTURES, D_MEMORY_DENY_WRITE_EXECUTE, D_AMBIENT_CAPABILITIES, D_SECURE_BITS, D_KEYRING_MODE, D_REMOVE_IPC, D_SYSTEM_CALL_FILTER, D_SYSTEM_CALL_ERROR_NUMBER, D_SYSTEM_CALL_LOG, D_MEMORY_MAX,
        D_TASKS_MAX, D_CPU_QUOTA,
        /* In the order of enum plan_limit_kind. */
        D_LIMIT_CPU, D_LIMIT_FSIZE, D_LIMIT_DATA, D_LIMIT_STACK, D_LIMIT_CORE, D_LIMIT_RSS, D_LIMIT_NOFILE, D_LIMIT_AS,
        D_LIMIT_NPROC, D_LIMIT_MEMLOCK, D_LIMIT_LOCKS, D_LIMIT_SIGPENDING, D_LIMIT_MSGQUEUE, D_LIMIT_NICE, D_LIMIT_RTPRIO,
        D_LIMIT_RTTIME,
        /* In the order of enum plan_attribute_kind. */
        D_NICE, D_OOM_SCORE_ADJUST, D_TIMER_SLACK_NSEC, D_IO_SCHEDULING_CLASS, D_IO_SCHEDULING_PRIORITY, D_CPU_SCHEDULING_POLICY,
        D_CPU_SCHEDULING_PRIORITY, D_CPU_SCHEDULING_RESET_ON_FORK, D_NUMA_POLICY, D_PERSONALITY, D_COREDUMP_FILTER,
        D_IGNORE_SIGPIPE, D_MEMORY_KSM,
        /* In the order of enum plan_label_kind. */
        D_SELINUX_CONTEXT, D_APPARMOR_PROFILE, D_SMACK_PROCESS_LABEL, D_SET_LOGIN_ENVIRONMENT,
        D_CPU_AFFINITY, D_NUMA_MASK, D_PASS_ENVIRONMENT, D_ENVIRONMENT_FILE, D_UNSET_ENVIRONMENT, D_EXEC_SEARCH_PATH,
        D_STANDARD_INPUT, D_STANDARD_OUTPUT, D_STANDARD_ERROR,
        D_STANDARD_INPUT_TEXT, D_STANDARD_INPUT_DATA, D_TTY_PATH, D_TTY_RESET, D_TTY_VHANGUP, D_TTY_VT_DISALLOCATE, D_TTY_ROWS, D_TTY_COLUMNS,
        /* In the order of enum plan_folder_kind. */
        D_RUNTIME_DIRECTORY_MODE, D_STATE_DIRECTORY_MODE, D_CACHE_DIRECTORY_MODE, D_LOGS_DIRECTORY_MODE,
        D_CONFIGURATION_DIRECTORY_MODE, D_RUNTIME_DIRECTORY_PRESERVE,
        /* In the order of enum plan_amount_kind. */
        D_CPU_ACCOUNTING, D_MEMORY_ACCOUNTING, D_IO_ACCOUNTING, D_TASKS_ACCOUNTING, /* as enum cgroup_counted */
        D_MEMORY_HIGH, D_MEMORY_LOW, D_MEMORY_MIN, D_MEMORY_SWAP_MAX, D_CPU_WEIGHT, D_CPU_QUOTA_PERIOD_SEC, D_IO_WEIGHT,
        /* In the order of enum plan_io_kind. */
        D_IO_DEVICE_WEIGHT, D_IO_READ_BANDWIDTH_MAX, D_IO_WRITE_BANDWIDTH_MAX, D_IO_READ_IOPS_MAX, D_IO_WRITE_IOPS_MAX,
        D_ALLOWED_CPUS, D_ALLOWED_MEMORY_NODES, D_DEVICE_POLICY, D_DEVICE_ALLOW, D_DELEGATE, D_DELEGATE_SUBGROUP,
        D_IP_ADDRESS_ALLOW, D_IP_ADDRESS_DENY, D_IP_ACCOUNTING, D_SOCKET_BIND_ALLOW, D_SOCKET_BIND_DENY, D_RESTRICT_NETWORK_INTERFACES,
        D_BIND_NETWORK_INTERFACE, D_RESTRICT_FILE_SYSTEMS,
        /* In the order of enum plan_credential_kind. */
        D_LOAD_CREDENTIAL, D_IMPORT_CREDENTIAL, D_SET_CREDENTIAL, D_LOAD_CREDENTIAL_ENCRYPTED, D_SET_CREDENTIAL_ENCRYPTED,
        DIRECTIVE_COUNT
};

struct value {
        char *text;
        const char *origin; /* the assignment's own words, cut to a printable length */
};

struct setting {
        bool set;
        uint64_t number; /* bool, word index, mask or size */
        uint64_t second; /* the hard limit of Limit*= */
        char *text;
        struct value *list;
        size_t count, room;
        const char *origin;
};

/* A directive that is accepted and has no effect (directive_other.h). */
struct other;
struct told {
        const struct other *other;
        const char *origin;
};

struct settings {
        struct setting of[DIRECTIVE_COUNT];
        struct strings strings; /* owns origins */
        struct told *told;
        size_t told_count, told_room;
        size_t assignments;
        bool lenient; /* systemd's way with bad values: note and ignore */
        const char *by; /* who assigns, for origins, where it is not the user: "profile strict"; or NULL */
        struct strings notes;
};

/* What specifiers and defaults refer to; gathered by the caller. Strings are borrowed. */
struct facts {
        const char *unit, *boot_id, *machine_id, *hostname, *user_name, *home, *shell, *runtime_folder, *state_folder,
                *cache_folder, *logs_folder, *configuration_folder;
        uid_t uid;
        gid_t gid;
        uint64_t capabilities; /* the full bounding set */
        uint64_t memory_bytes, pids_max;
        /* %a %A %B %M %o %w %W %v %l %q %g, looked for when one is used: allocated, or NULL; itself NULL: all of them are empty. */
        char *(*host_word)(char letter);
        bool user_mode;
        bool unified_cgroups; /* /sys/fs/cgroup is a mount of cgroup v2 */
};

/* One NAME=VALUE. An error names the directive and the value; ids "directive.unknown", "directive.value". */
int settings_assign(struct settings *s, const struct facts *facts, const char *assignment, struct error *e);
int settings_compile(struct settings *s, const struct facts *facts, struct plan *p, struct error *e);
/* The same without a root of its own, for commands that do not see it. After settings_compile, whose plan keeps the origins of both. */
int settings_compile_beside(struct settings *s, const struct facts *facts, struct plan *p, struct error *e);
void settings_done(struct settings *s);
#define CLEAN_SETTINGS CLEAN(settings_done)

/* For help, completion and docs: name and summary of row i, NULL at the end. */
const char *directive_name(unsigned i, const char **ret_summary);
/* The name that SecureBits= has for a bit; NULL beyond the last. */
const char *directive_secure_bit(unsigned bit);
/* Whether settings_assign knows the name: as one that is applied, an older name of one, one without effect, or one that is refused. */
bool directive_is_known(const char *name);
/* Whether it is applied, under this name or a newer one. */
bool directive_is_applied(const char *name);
/* A valid user or group name, as systemd's strict rule has it. */
bool directive_user_name_valid(const char *s);
