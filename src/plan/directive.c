/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/directive.h"

#include <ctype.h>
#include <string.h>

#include "base/path.h"
#include "plan/directive_internal.h"
#include "plan/directive_other.h"
#include "plan/specifier.h"

/* ---- reading values ---- */

int directive_bad_value(struct error *e, const char *value, const char *expected)
{
        error_set(e, EINVAL, "directive.value", "invalid value \"%.80s\"", value);
        error_hint(e, "expected %s", expected);
        return -EINVAL;
}

void directive_set_number(const struct reader *r, uint64_t n)
{
        r->v->set = true;
        r->v->number = n;
        r->v->origin = r->origin;
}

int directive_read_bool(const struct reader *r, const char *value, struct error *e)
{
        bool b;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (text_parse_bool(value, &b) < 0)
                return directive_bad_value(e, value, "a boolean: yes or no");
        directive_set_number(r, b);
        return 0;
}

int directive_read_exact_word(const struct reader *r, const char *value, struct error *e)
{
        CLEAN_TEXT struct text known = { 0 };
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        for (unsigned i = 0; r->row->words[i]; i++) {
                if (text_equal(value, r->row->words[i])) {
                        directive_set_number(r, i);
                        return 0;
                }
                text_addf(&known, "%s%s", i ? ", " : "", r->row->words[i]);
        }
        return directive_bad_value(e, value, known.data);
}

int directive_read_word(const struct reader *r, const char *value, struct error *e)
{
        bool b;
        if (text_parse_bool(value, &b) < 0)
                return directive_read_exact_word(r, value, e);
        directive_set_number(r, b);
        return 0;
}

void directive_add_value(const struct reader *r, char *text)
{
        struct setting *v = r->v;
        v->list = xgrow(v->list, &v->room, v->count + 1, sizeof *v->list);
        v->list[v->count++] = (struct value){ text, r->origin };
        v->set = true;
        v->origin = r->origin;
}

void directive_reset_list(struct setting *v)
{
        for (size_t i = 0; i < v->count; i++)
                free(v->list[i].text);
        v->count = 0;
        v->set = false;
}

/* Words, expanded and checked one by one; the empty assignment resets. All or nothing; with lenient, all that is valid. */
int directive_read_words(const struct reader *r, const char *value, directive_check check, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        size_t words_before = r->v->count;
        if (!*value) {
                directive_reset_list(r->v);
                return 0;
        }
        if (text_split_words(value, &words) < 0)
                return directive_bad_value(e, value, "words, with quotes closed and C escapes");
        for (size_t i = 0; i < words.count; i++) {
                CLEAN_FREE char *expanded = NULL;
                char *checked = NULL;
                struct error own = { 0 };
                int k = specifier_expand(words.items[i], r->facts, &expanded, &own);
                if (k == 0)
                        k = check(expanded, &checked, &own);
                if (k < 0 && r->all->lenient) {
                        strings_take(&r->all->notes, xprintf("%s: %s; ignored", r->origin, own.cause));
                        continue;
                }
                if (k < 0) {
                        while (words_before < r->v->count)
                                free(r->v->list[--r->v->count].text);
                        r->v->set = r->v->count > 0;
                        if (e)
                                *e = own;
                        return k;
                }
                directive_add_value(r, checked);
        }
        return 0;
}

static int check_assignment(const char *word, char **ret, struct error *e)
{
        const char *eq = strchr(word, '=');
        bool ok = eq && eq != word && !isdigit((unsigned char)*word);
        for (const char *p = word; ok && p < eq; p++)
                ok = isalnum((unsigned char)*p) || *p == '_';
        if (!ok)
                return directive_bad_value(e, word, "NAME=VALUE with a valid variable name");
        *ret = xstrdup(word);
        return 0;
}

static int read_environment(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_words(r, value, check_assignment, e);
}

int directive_read_text(const struct reader *r, const char *value, directive_check check, struct error *e)
{
        CLEAN_FREE char *expanded = NULL;
        char *checked = NULL;
        if (!*value) {
                free(r->v->text);
                r->v->text = NULL;
                r->v->set = false;
                return 0;
        }
        int k = specifier_expand(value, r->facts, &expanded, e);
        if (k == 0)
                k = check(expanded, &checked, e);
        if (k < 0)
                return k;
        free(r->v->text);
        r->v->text = checked;
        r->v->set = true;
        r->v->origin = r->origin;
        return 0;
}

static int check_working_directory(const char *word, char **ret, struct error *e)
{
        const char *p = word + (*word == '-');
        CLEAN_FREE char *path = NULL;
        if (!text_equal(p, "~") && path_normalize(p, &path) < 0)
                return directive_bad_value(e, word, "an absolute path, or ~, with an optional - before it");
        *ret = xprintf("%s%s", p == word ? "" : "-", path ? path : "~");
        return 0;
}

static int read_working_directory(const struct reader *r, const char *value, struct error *e)
{
        return directive_read_text(r, value, check_working_directory, e);
}

static int read_umask(const struct reader *r, const char *value, struct error *e)
{
        unsigned n = 0;
        size_t digits = strspn(value, "01234567");
        if (!digits || digits > 4 || value[digits])
                return directive_bad_value(e, value, "an octal mode up to 0777");
        for (size_t i = 0; i < digits; i++)
                n = n * 8 + (unsigned)(value[i] - '0');
        if (n > 0777)
                return directive_bad_value(e, value, "an octal mode up to 0777");
        directive_set_number(r, n);
        return 0;
}

int directive_parse_percent(const char *value, uint64_t scale, uint64_t *ret)
{
        size_t n = strlen(value), dot;
        if (n < 2 || n > 12 || value[n - 1] != '%')
                return -EINVAL;
        uint64_t hundredths = 0, places = 0;
        for (dot = 0; dot < n - 1; dot++) {
                if (value[dot] == '.' && !places && dot) {
                        places = 1;
                        continue;
                }
                if (!isdigit((unsigned char)value[dot]) || places > 2)
                        return -EINVAL;
                hundredths = hundredths * 10 + (uint64_t)(value[dot] - '0');
                places += places ? 1 : 0;
        }
        for (uint64_t have = places ? places - 1 : 0; have < 2; have++)
                hundredths *= 10;
        *ret = (uint64_t)((unsigned __int128)hundredths * scale / 10000);
        return 0;
}

static int read_limit(const struct reader *r, const char *value, uint64_t whole, bool size, struct error *e)
{
        uint64_t n;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        int k = directive_parse_percent(value, whole, &n);
        if (k < 0 && size)
                k = text_parse_size_bytes(value, &n);
        else if (k < 0 && text_equal(value, "infinity"))
                n = UINT64_MAX, k = 0;
        else if (k < 0)
                k = text_parse_uint(value, UINT64_MAX - 1, &n);
        if (k < 0 || n == 0 || (n > INT64_MAX && n != UINT64_MAX)) /* the kernel counts in signed numbers */
                return directive_bad_value(e, value, size ? "a size above 0 (K, M, G, T), a percentage, or infinity"
                                                : "a number above 0, a percentage, or infinity");
        directive_set_number(r, n);
        return 0;
}

static int read_memory(const struct reader *r, const char *value, struct error *e)
{
        return read_limit(r, value, r->facts->memory_bytes, true, e);
}

static int read_tasks(const struct reader *r, const char *value, struct error *e)
{
        return read_limit(r, value, r->facts->pids_max, false, e);
}

static int read_cpu_quota(const struct reader *r, const char *value, struct error *e)
{
        uint64_t permille;
        if (!*value) {
                r->v->set = false;
                return 0;
        }
        if (directive_parse_percent(value, 1000, &permille) < 0 || permille == 0)
                return directive_bad_value(e, value, "a percentage of one CPU above 0%, such as 20% or 150%");
        directive_set_number(r, permille);
        return 0;
}

/* Both assignments made the value. */
const char *directive_join_origins(struct settings *s, const char *before, const char *origin)
{
        char *joined = xprintf("%.400s, %s", before, origin);
        strings_take(&s->strings, joined);
        return joined;
}

/* The bits of all words; with lenient, of those that are known. */
int directive_read_bits(const struct reader *r, const char *value, directive_bits find, const char *expected, uint64_t *ret, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        *ret = 0;
        if (text_split_words(value, &words) < 0)
                return directive_bad_value(e, value, expected);
        for (size_t i = 0; i < words.count; i++) {
                uint64_t bits = 0;
                if (find(words.items[i], &bits) < 0 && !r->all->lenient)
                        return directive_bad_value(e, words.items[i], expected);
                if (!bits)
                        strings_take(&r->all->notes, xprintf("%s: \"%s\" is not known; ignored", r->origin, words.items[i]));
                *ret |= bits;
        }
        return 0;
}

/* As set_number, of a value that the one before is part of. */
void directive_merge_number(const struct reader *r, bool merged, uint64_t n)
{
        const char *before = merged && r->v->set ? r->v->origin : NULL;
        directive_set_number(r, n);
        if (before)
                r->v->origin = directive_join_origins(r->all, before, r->origin);
}

/* ---- compiling ---- */

COMPILER(compile_working_directory)
{
        p->working_directory_optional = v->text[0] == '-';
        p->working_directory = xstrdup(v->text + p->working_directory_optional);
        return 0;
}

COMPILER(compile_environment)
{
        for (size_t i = 0; i < v->count; i++)
                strings_add(&p->environment, v->list[i].text);
        return 0;
}

COMPILER(compile_umask) { p->umask = (mode_t)v->number; return 0; }

COMPILER(compile_remove_ipc) { p->remove_ipc = v->number; return 0; }

COMPILER(compile_memory_max) { p->memory_max_bytes = v->number; p->memory_origin = v->origin; return 0; }
COMPILER(compile_tasks_max) { p->tasks_max = v->number; p->tasks_origin = v->origin; return 0; }
COMPILER(compile_cpu_quota) { p->cpu_quota_permille = v->number; p->cpu_origin = v->origin; return 0; }

static const char *const words_private_tmp[] = { "no", "yes", "disconnected", NULL };
static const char *const words_private_users[] = { "no", "self", "identity", "full", NULL };
static const char *const words_protect_system[] = { "no", "yes", "full", "strict", NULL };
static const char *const words_protect_home[] = { "no", "yes", "read-only", "tmpfs", NULL };
static const char *const words_protect_control_groups[] = { "no", "yes", "private", "strict", NULL };
static const char *const words_protect_proc[] = { "default", "noaccess", "invisible", "ptraceable", NULL };
static const char *const words_keyring_mode[] = { "inherit", "private", "shared", NULL };
static const char *const words_proc_subset[] = { "all", "pid", NULL };
static const char *const words_device_policy[] = { "auto", "closed", "strict", NULL };
static const char *const words_preserve[] = { "no", "yes", "restart", NULL };

static const char *const words_mount_flags[] = { "shared", "slave", "private", NULL };

static const struct directive table[DIRECTIVE_COUNT] = {
        [D_ROOT_DIRECTORY] = { "RootDirectory", directive_read_root, NULL, directive_compile_root, "a folder that is its root" },
        [D_ROOT_IMAGE] = { "RootImage", directive_read_root, NULL, directive_compile_root, "an image of a file system that is its root" },
        [D_ROOT_IMAGE_OPTIONS] = { "RootImageOptions", directive_read_root_options, NULL, directive_compile_root_options, "how the image is mounted" },
        [D_ROOT_DIRECTORY_START_ONLY] = { "RootDirectoryStartOnly", directive_read_bool, NULL, directive_compile_root_start_only, "only ExecStart= sees the root" },
        [D_MOUNT_IMAGES] = { "MountImages", directive_read_mount_images, NULL, directive_compile_images, "images of file systems shown at paths" },
        [D_EXTENSION_IMAGES] = { "ExtensionImages", directive_read_extension_images, NULL, directive_compile_images, "images laid over /usr and /opt" },
        [D_EXTENSION_DIRECTORIES] = { "ExtensionDirectories", directive_read_extension_folders, NULL, directive_compile_images, "folders laid over /usr and /opt" },
        [D_MOUNT_API_VFS] = { "MountAPIVFS", directive_read_bool, NULL, NULL, "/proc, /sys, /dev and /run in a root of its own" },
        [D_BIND_LOG_SOCKETS] = { "BindLogSockets", directive_read_bool, NULL, NULL, "the sockets of the host's log in a root of its own" },
        [D_NETWORK_NAMESPACE_PATH] = { "NetworkNamespacePath", directive_read_namespace_path, NULL, directive_compile_network_path, "a network namespace that is there already" },
        [D_IPC_NAMESPACE_PATH] = { "IPCNamespacePath", directive_read_namespace_path, NULL, directive_compile_ipc_path, "an IPC namespace that is there already" },
        [D_MOUNT_FLAGS] = { "MountFlags", directive_read_exact_word, words_mount_flags, directive_compile_mount_flags, "how mounts spread" },
        [D_DYNAMIC_USER] = { "DynamicUser", directive_read_bool, NULL, directive_compile_dynamic_user, "run as a user that exists only while it runs" },
        [D_USER] = { "User", directive_read_user, NULL, directive_compile_user, "run as this user" },
        [D_GROUP] = { "Group", directive_read_user, NULL, directive_compile_group, "run with this primary group" },
        [D_SUPPLEMENTARY_GROUPS] = { "SupplementaryGroups", directive_read_users, NULL, directive_compile_supplementary, "further groups" },
        [D_PAM_NAME] = { "PAMName", directive_read_pam_name, NULL, directive_compile_pam_name, "a session of PAM for its user" },
        [D_CAPABILITY_BOUNDING_SET] = { "CapabilityBoundingSet", directive_read_capabilities, NULL, directive_compile_capabilities,
                                        "capabilities that may ever be held" },
        [D_PRIVATE_TMP] = { "PrivateTmp", directive_read_word, words_private_tmp, directive_compile_private_tmp, "its own /tmp and /var/tmp" },
        [D_PRIVATE_DEVICES] = { "PrivateDevices", directive_read_bool, NULL, directive_compile_private_devices, "a /dev without hardware" },
        [D_PRIVATE_NETWORK] = { "PrivateNetwork", directive_read_bool, NULL, directive_compile_private_network, "a network with loopback only" },
        [D_PRIVATE_IPC] = { "PrivateIPC", directive_read_bool, NULL, directive_compile_private_ipc, "its own SysV and POSIX message queues" },
        [D_PRIVATE_PIDS] = { "PrivatePIDs", directive_read_bool, NULL, directive_compile_private_pids, "sees its own processes only" },
        [D_PRIVATE_USERS] = { "PrivateUsers", directive_read_word, words_private_users, directive_compile_private_users, "a user namespace" },
        [D_PRIVATE_MOUNTS] = { "PrivateMounts", directive_read_bool, NULL, directive_compile_private_mounts, "a mount namespace" },
        [D_PROTECT_SYSTEM] = { "ProtectSystem", directive_read_word, words_protect_system, directive_compile_protect_system,
                               "the operating system read-only" },
        [D_PROTECT_HOME] = { "ProtectHome", directive_read_word, words_protect_home, directive_compile_protect_home, "home folders hidden or read-only" },
        [D_PROTECT_HOSTNAME] = { "ProtectHostname", directive_read_hostname, NULL, directive_compile_protect_hostname, "the host name cannot be changed" },
        [D_READ_WRITE_PATHS] = { "ReadWritePaths", directive_read_paths, NULL, directive_compile_read_write, "paths that stay writable" },
        [D_READ_ONLY_PATHS] = { "ReadOnlyPaths", directive_read_paths, NULL, directive_compile_read_only, "paths that are read-only" },
        [D_INACCESSIBLE_PATHS] = { "InaccessiblePaths", directive_read_paths, NULL, directive_compile_inaccessible, "paths that are hidden" },
        [D_EXEC_PATHS] = { "ExecPaths", directive_read_paths, NULL, directive_compile_exec, "paths from which programs may run" },
        [D_NO_EXEC_PATHS] = { "NoExecPaths", directive_read_paths, NULL, directive_compile_no_exec, "paths from which nothing runs" },
        [D_BIND_PATHS] = { "BindPaths", directive_read_binds, NULL, directive_compile_bind, "host paths shown elsewhere" },
        [D_BIND_READ_ONLY_PATHS] = { "BindReadOnlyPaths", directive_read_binds, NULL, directive_compile_bind_read_only, "the same, read-only" },
        [D_TEMPORARY_FILE_SYSTEM] = { "TemporaryFileSystem", directive_read_tmpfs, NULL, directive_compile_tmpfs, "empty tmpfs mounts" },
        [D_RUNTIME_DIRECTORY] = { "RuntimeDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /run" },
        [D_STATE_DIRECTORY] = { "StateDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /var/lib" },
        [D_CACHE_DIRECTORY] = { "CacheDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /var/cache" },
        [D_LOGS_DIRECTORY] = { "LogsDirectory", directive_read_folders, NULL, directive_compile_folders, "folders below /var/log" },
        [D_CONFIGURATION_DIRECTORY] = { "ConfigurationDirectory", directive_read_folders, NULL, directive_compile_folders,
                                        "folders below /etc" },
        [D_WORKING_DIRECTORY] = { "WorkingDirectory", read_working_directory, NULL, compile_working_directory, "where it starts" },
        [D_ENVIRONMENT] = { "Environment", read_environment, NULL, compile_environment, "variables" },
        [D_UMASK] = { "UMask", read_umask, NULL, compile_umask, "file mode mask" },
        [D_NO_NEW_PRIVILEGES] = { "NoNewPrivileges", directive_read_bool, NULL, directive_compile_no_new_privileges, "exec never gains privileges" },
        [D_RESTRICT_SUID_SGID] = { "RestrictSUIDSGID", directive_read_bool, NULL, directive_compile_restrict_suid_sgid, "no set-id files can be made" },
        [D_PROTECT_KERNEL_TUNABLES] = { "ProtectKernelTunables", directive_read_bool, NULL, directive_compile_protect_kernel_tunables,
                                        "kernel settings read-only" },
        [D_PROTECT_KERNEL_MODULES] = { "ProtectKernelModules", directive_read_bool, NULL, directive_compile_protect_kernel_modules,
                                       "no kernel modules can be loaded" },
        [D_PROTECT_KERNEL_LOGS] = { "ProtectKernelLogs", directive_read_bool, NULL, directive_compile_protect_kernel_logs, "the kernel's log hidden" },
        [D_PROTECT_CONTROL_GROUPS] = { "ProtectControlGroups", directive_read_word, words_protect_control_groups,
                                       directive_compile_protect_control_groups, "control groups read-only, or its own" },
        [D_PROTECT_CLOCK] = { "ProtectClock", directive_read_bool, NULL, directive_compile_protect_clock, "the clock cannot be set" },
        [D_PROTECT_PROC] = { "ProtectProc", directive_read_exact_word, words_protect_proc, directive_compile_protect_proc, "processes of others hidden in /proc" },
        [D_PROC_SUBSET] = { "ProcSubset", directive_read_exact_word, words_proc_subset, directive_compile_proc_subset, "/proc with processes only" },
        [D_RESTRICT_NAMESPACES] = { "RestrictNamespaces", directive_read_namespaces, NULL, directive_compile_restrict_namespaces,
                                    "namespaces that may be made and entered" },
        [D_RESTRICT_REALTIME] = { "RestrictRealtime", directive_read_bool, NULL, directive_compile_restrict_realtime, "no realtime scheduling" },
        [D_LOCK_PERSONALITY] = { "LockPersonality", directive_read_bool, NULL, directive_compile_lock_personality, "the execution domain stays" },
        [D_RESTRICT_ADDRESS_FAMILIES] = { "RestrictAddressFamilies", directive_read_families, NULL, directive_compile_restrict_families,
                                          "kinds of sockets allowed, or with ~ denied" },
        [D_SYSTEM_CALL_ARCHITECTURES] = { "SystemCallArchitectures", directive_read_architectures, NULL, directive_compile_architectures,
                                          "architectures whose system calls may be used" },
        [D_MEMORY_DENY_WRITE_EXECUTE] = { "MemoryDenyWriteExecute", directive_read_bool, NULL, directive_compile_deny_write_execute,
                                          "no memory that is writable and executable" },
        [D_AMBIENT_CAPABILITIES] = { "AmbientCapabilities", directive_read_ambient, NULL, directive_compile_ambient,
                                     "capabilities that an ordinary user keeps" },
        [D_SECURE_BITS] = { "SecureBits", directive_read_secure_bits, NULL, directive_compile_secure_bits, "how capabilities change with users and programs" },
        [D_KEYRING_MODE] = { "KeyringMode", directive_read_exact_word, words_keyring_mode, directive_compile_keyring_mode, "its session keyring" },
        [D_REMOVE_IPC] = { "RemoveIPC", directive_read_bool, NULL, compile_remove_ipc, "IPC objects of its user are removed at the end" },
        [D_SYSTEM_CALL_FILTER] = { "SystemCallFilter", directive_read_filter, NULL, directive_compile_filter, "system calls allowed, or with ~ denied" },
        [D_SYSTEM_CALL_ERROR_NUMBER] = { "SystemCallErrorNumber", directive_read_errno, NULL, NULL, "what a denied call returns" },
        [D_SYSTEM_CALL_LOG] = { "SystemCallLog", directive_read_filter, NULL, directive_compile_log, "system calls logged, or with ~ not logged" },
        [D_MEMORY_MAX] = { "MemoryMax", read_memory, NULL, compile_memory_max, "memory limit" },
        [D_TASKS_MAX] = { "TasksMax", read_tasks, NULL, compile_tasks_max, "limit of processes and threads" },
        [D_CPU_QUOTA] = { "CPUQuota", read_cpu_quota, NULL, compile_cpu_quota, "CPU time limit, in percent of one CPU" },
        [D_LIMIT_CPU] = { "LimitCPU", directive_read_limit, NULL, directive_compile_limit, "CPU time of each process" },
        [D_LIMIT_FSIZE] = { "LimitFSIZE", directive_read_limit, NULL, directive_compile_limit, "size of a file it writes" },
        [D_LIMIT_DATA] = { "LimitDATA", directive_read_limit, NULL, directive_compile_limit, "data segment" },
        [D_LIMIT_STACK] = { "LimitSTACK", directive_read_limit, NULL, directive_compile_limit, "stack" },
        [D_LIMIT_CORE] = { "LimitCORE", directive_read_limit, NULL, directive_compile_limit, "core dump" },
        [D_LIMIT_RSS] = { "LimitRSS", directive_read_limit, NULL, directive_compile_limit, "resident memory; without effect in Linux" },
        [D_LIMIT_NOFILE] = { "LimitNOFILE", directive_read_limit, NULL, directive_compile_limit, "open files" },
        [D_LIMIT_AS] = { "LimitAS", directive_read_limit, NULL, directive_compile_limit, "address space" },
        [D_LIMIT_NPROC] = { "LimitNPROC", directive_read_limit, NULL, directive_compile_limit, "processes of its user" },
        [D_LIMIT_MEMLOCK] = { "LimitMEMLOCK", directive_read_limit, NULL, directive_compile_limit, "locked memory" },
        [D_LIMIT_LOCKS] = { "LimitLOCKS", directive_read_limit, NULL, directive_compile_limit, "file locks; without effect in Linux" },
        [D_LIMIT_SIGPENDING] = { "LimitSIGPENDING", directive_read_limit, NULL, directive_compile_limit, "queued signals" },
        [D_LIMIT_MSGQUEUE] = { "LimitMSGQUEUE", directive_read_limit, NULL, directive_compile_limit, "bytes in POSIX message queues" },
        [D_LIMIT_NICE] = { "LimitNICE", directive_read_limit, NULL, directive_compile_limit, "how far nice may be lowered" },
        [D_LIMIT_RTPRIO] = { "LimitRTPRIO", directive_read_limit, NULL, directive_compile_limit, "realtime priority" },
        [D_LIMIT_RTTIME] = { "LimitRTTIME", directive_read_limit, NULL, directive_compile_limit, "realtime CPU time without a pause" },
        [D_NICE] = { "Nice", directive_read_integer, NULL, directive_compile_attribute, "nice level" },
        [D_OOM_SCORE_ADJUST] = { "OOMScoreAdjust", directive_read_integer, NULL, directive_compile_attribute, "whom the kernel ends first when memory runs out" },
        [D_TIMER_SLACK_NSEC] = { "TimerSlackNSec", directive_read_timer_slack, NULL, directive_compile_attribute, "how late timers may be" },
        [D_IO_SCHEDULING_CLASS] = { "IOSchedulingClass", directive_read_attribute_word, NULL, directive_compile_attribute, "class of disk I/O" },
        [D_IO_SCHEDULING_PRIORITY] = { "IOSchedulingPriority", directive_read_integer, NULL, directive_compile_attribute, "priority within the class of disk I/O" },
        [D_CPU_SCHEDULING_POLICY] = { "CPUSchedulingPolicy", directive_read_attribute_word, NULL, directive_compile_attribute, "CPU scheduler" },
        [D_CPU_SCHEDULING_PRIORITY] = { "CPUSchedulingPriority", directive_read_integer, NULL, directive_compile_attribute, "priority with fifo and rr" },
        [D_CPU_SCHEDULING_RESET_ON_FORK] = { "CPUSchedulingResetOnFork", directive_read_bool, NULL, directive_compile_attribute, "children go back to the default scheduler" },
        [D_NUMA_POLICY] = { "NUMAPolicy", directive_read_attribute_word, NULL, directive_compile_attribute, "from which nodes memory comes" },
        [D_PERSONALITY] = { "Personality", directive_read_attribute_word, NULL, directive_compile_attribute, "which machine uname tells of" },
        [D_COREDUMP_FILTER] = { "CoredumpFilter", directive_read_coredump_filter, NULL, directive_compile_attribute, "what a core dump contains" },
        [D_IGNORE_SIGPIPE] = { "IgnoreSIGPIPE", directive_read_bool, NULL, directive_compile_attribute, "SIGPIPE is ignored" },
        [D_MEMORY_KSM] = { "MemoryKSM", directive_read_bool, NULL, directive_compile_attribute, "pages with the same content are shared" },
        [D_SELINUX_CONTEXT] = { "SELinuxContext", directive_read_label, NULL, directive_compile_label, "label of SELinux" },
        [D_APPARMOR_PROFILE] = { "AppArmorProfile", directive_read_label, NULL, directive_compile_label, "profile of AppArmor" },
        [D_SMACK_PROCESS_LABEL] = { "SmackProcessLabel", directive_read_label, NULL, directive_compile_label, "label of Smack" },
        [D_SET_LOGIN_ENVIRONMENT] = { "SetLoginEnvironment", directive_read_bool, NULL, directive_compile_login_environment, "variables about the user" },
        [D_CPU_AFFINITY] = { "CPUAffinity", directive_read_numbers, NULL, directive_compile_cpu_affinity, "CPUs it may run on" },
        [D_NUMA_MASK] = { "NUMAMask", directive_read_numbers, NULL, directive_compile_numa_mask, "nodes that NUMAPolicy= is about" },
        [D_PASS_ENVIRONMENT] = { "PassEnvironment", directive_read_names, NULL, directive_compile_pass_environment, "variables of the caller's" },
        [D_ENVIRONMENT_FILE] = { "EnvironmentFile", directive_read_environment_file, NULL, directive_compile_environment_file, "files with variables" },
        [D_UNSET_ENVIRONMENT] = { "UnsetEnvironment", directive_read_unset, NULL, directive_compile_unset_environment, "variables that are taken away" },
        [D_EXEC_SEARCH_PATH] = { "ExecSearchPath", directive_read_search_path, NULL, directive_compile_search_path, "where programs are looked for" },
        [D_STANDARD_INPUT] = { "StandardInput", directive_read_stream, NULL, directive_compile_stream, "where input comes from" },
        [D_STANDARD_OUTPUT] = { "StandardOutput", directive_read_stream, NULL, directive_compile_stream, "where output goes" },
        [D_STANDARD_ERROR] = { "StandardError", directive_read_stream, NULL, directive_compile_stream, "where errors go" },
        [D_STANDARD_INPUT_TEXT] = { "StandardInputText", directive_read_input_text, NULL, directive_compile_input, "a line of input" },
        [D_STANDARD_INPUT_DATA] = { "StandardInputData", directive_read_input_data, NULL, NULL, "input in base64" },
        [D_TTY_PATH] = { "TTYPath", directive_read_tty_path, NULL, directive_compile_tty, "the terminal of tty" },
        [D_TTY_RESET] = { "TTYReset", directive_read_bool, NULL, directive_compile_tty, "the terminal's modes are reset" },
        [D_TTY_VHANGUP] = { "TTYVHangup", directive_read_bool, NULL, directive_compile_tty, "others lose the terminal" },
        [D_TTY_VT_DISALLOCATE] = { "TTYVTDisallocate", directive_read_bool, NULL, directive_compile_tty, "a virtual terminal is cleared" },
        [D_TTY_ROWS] = { "TTYRows", directive_read_tty_size, NULL, directive_compile_tty, "rows of the terminal" },
        [D_TTY_COLUMNS] = { "TTYColumns", directive_read_tty_size, NULL, directive_compile_tty, "columns of the terminal" },
        [D_RUNTIME_DIRECTORY_MODE] = { "RuntimeDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of RuntimeDirectory=" },
        [D_STATE_DIRECTORY_MODE] = { "StateDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of StateDirectory=" },
        [D_CACHE_DIRECTORY_MODE] = { "CacheDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of CacheDirectory=" },
        [D_LOGS_DIRECTORY_MODE] = { "LogsDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of LogsDirectory=" },
        [D_CONFIGURATION_DIRECTORY_MODE] = { "ConfigurationDirectoryMode", directive_read_mode, NULL, directive_compile_folder_mode, "mode of the folders of ConfigurationDirectory=" },
        [D_RUNTIME_DIRECTORY_PRESERVE] = { "RuntimeDirectoryPreserve", directive_read_word, words_preserve, directive_compile_folder_preserve, "folders of RuntimeDirectory= stay at the end" },
        [D_CPU_ACCOUNTING] = { "CPUAccounting", directive_read_bool, NULL, directive_compile_accounting, "CPU time is counted" },
        [D_MEMORY_ACCOUNTING] = { "MemoryAccounting", directive_read_bool, NULL, directive_compile_accounting, "memory is counted" },
        [D_IO_ACCOUNTING] = { "IOAccounting", directive_read_bool, NULL, directive_compile_accounting, "what disks do is counted" },
        [D_TASKS_ACCOUNTING] = { "TasksAccounting", directive_read_bool, NULL, directive_compile_accounting, "processes and threads are counted" },
        [D_MEMORY_HIGH] = { "MemoryHigh", directive_read_memory_amount, NULL, directive_compile_amount, "memory above which it is slowed down" },
        [D_MEMORY_LOW] = { "MemoryLow", directive_read_memory_amount, NULL, directive_compile_amount, "memory that others get last" },
        [D_MEMORY_MIN] = { "MemoryMin", directive_read_memory_amount, NULL, directive_compile_amount, "memory that others do not get" },
        [D_MEMORY_SWAP_MAX] = { "MemorySwapMax", directive_read_memory_amount, NULL, directive_compile_amount, "swap limit" },
        [D_CPU_WEIGHT] = { "CPUWeight", directive_read_weight, NULL, directive_compile_amount, "share of CPU time" },
        [D_CPU_QUOTA_PERIOD_SEC] = { "CPUQuotaPeriodSec", directive_read_period, NULL, directive_compile_amount, "time over which CPUQuota= is measured" },
        [D_IO_WEIGHT] = { "IOWeight", directive_read_weight, NULL, directive_compile_amount, "share of disk time" },
        [D_IO_DEVICE_WEIGHT] = { "IODeviceWeight", directive_read_io, NULL, directive_compile_io, "share of one disk's time" },
        [D_IO_READ_BANDWIDTH_MAX] = { "IOReadBandwidthMax", directive_read_io, NULL, directive_compile_io, "bytes read from a disk a second" },
        [D_IO_WRITE_BANDWIDTH_MAX] = { "IOWriteBandwidthMax", directive_read_io, NULL, directive_compile_io, "bytes written to a disk a second" },
        [D_IO_READ_IOPS_MAX] = { "IOReadIOPSMax", directive_read_io, NULL, directive_compile_io, "reads from a disk a second" },
        [D_IO_WRITE_IOPS_MAX] = { "IOWriteIOPSMax", directive_read_io, NULL, directive_compile_io, "writes to a disk a second" },
        [D_ALLOWED_CPUS] = { "AllowedCPUs", directive_read_numbers, NULL, directive_compile_allowed_cpus, "CPUs of the control group" },
        [D_ALLOWED_MEMORY_NODES] = { "AllowedMemoryNodes", directive_read_numbers, NULL, directive_compile_allowed_nodes, "memory nodes of the control group" },
        [D_DEVICE_POLICY] = { "DevicePolicy", directive_read_exact_word, words_device_policy, directive_compile_device_policy, "which devices may be used" },
        [D_DEVICE_ALLOW] = { "DeviceAllow", directive_read_device, NULL, directive_compile_device, "a device that may be used" },
        [D_DELEGATE] = { "Delegate", directive_read_delegate, NULL, directive_compile_delegate, "its control group is its own to divide" },
        [D_DELEGATE_SUBGROUP] = { "DelegateSubgroup", directive_read_delegate_subgroup, NULL, directive_compile_delegate_subgroup,
                                  "the group below it where it starts" },
        [D_IP_ADDRESS_ALLOW] = { "IPAddressAllow", directive_read_addresses, NULL, directive_compile_addresses, "addresses that IPAddressDeny= does not close" },
        [D_IP_ADDRESS_DENY] = { "IPAddressDeny", directive_read_addresses, NULL, directive_compile_addresses, "addresses without packets to or from them" },
        [D_IP_ACCOUNTING] = { "IPAccounting", directive_read_bool, NULL, directive_compile_ip_accounting, "its packets and their bytes are counted" },
        [D_SOCKET_BIND_ALLOW] = { "SocketBindAllow", directive_read_bind_rule, NULL, directive_compile_bind_rules, "ports that SocketBindDeny= does not close" },
        [D_SOCKET_BIND_DENY] = { "SocketBindDeny", directive_read_bind_rule, NULL, directive_compile_bind_rules, "ports that cannot be bound" },
        [D_RESTRICT_NETWORK_INTERFACES] = { "RestrictNetworkInterfaces", directive_read_interfaces, NULL, directive_compile_interfaces,
                                            "network devices that may be used" },
        [D_BIND_NETWORK_INTERFACE] = { "BindNetworkInterface", directive_read_interface, NULL, directive_compile_bound_interface,
                                       "the network device of its sockets" },
        [D_RESTRICT_FILE_SYSTEMS] = { "RestrictFileSystems", directive_read_file_systems, NULL, directive_compile_file_systems,
                                      "kinds of file systems that may be opened" },
        [D_LOAD_CREDENTIAL] = { "LoadCredential", directive_read_load_credential, NULL, directive_compile_credentials, "a credential from a file, a folder or a socket" },
        [D_IMPORT_CREDENTIAL] = { "ImportCredential", directive_read_import_credential, NULL, directive_compile_credentials, "credentials by a pattern of their names" },
        [D_SET_CREDENTIAL] = { "SetCredential", directive_read_set_credential, NULL, directive_compile_credentials, "a credential's value where none is loaded" },
        /* They are kept and compiled with the two above. */
        [D_LOAD_CREDENTIAL_ENCRYPTED] = { "LoadCredentialEncrypted", directive_read_load_credential_encrypted, NULL, NULL, "the same, encrypted by systemd-creds" },
        [D_SET_CREDENTIAL_ENCRYPTED] = { "SetCredentialEncrypted", directive_read_set_credential_encrypted, NULL, NULL, "the same, encrypted by systemd-creds" },
};

const char *directive_name(unsigned i, const char **ret_summary)
{
        if (i >= DIRECTIVE_COUNT)
                return NULL;
        if (ret_summary)
                *ret_summary = table[i].summary;
        return table[i].name;
}

/* The row of a name, or of the nearest one for a hint. */
static const struct directive *find_row(const char *name, size_t n)
{
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
                if (strlen(table[i].name) == n && !strncmp(table[i].name, name, n))
                        return &table[i];
        return NULL;
}

bool directive_is_known(const char *name)
{
        return find_row(name, strlen(name)) || other_find(name, strlen(name));
}

bool directive_is_applied(const char *name)
{
        const struct other *o = other_find(name, strlen(name));
        return find_row(name, strlen(name)) || (o && other_newer_name(o));
}

static int unknown_directive(struct error *e, const char *name, size_t n)
{
        error_set(e, EINVAL, "directive.unknown", "unknown directive \"%.*s\"", (int)(n > 80 ? 80 : n), name);
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
                if (strlen(table[i].name) == n && !strncasecmp(table[i].name, name, n))
                        error_hint(e, "did you mean %s?", table[i].name);
        error_hint(e, "bulkhead.directives(5) lists all");
        return -EINVAL;
}

int settings_assign(struct settings *s, const struct facts *facts, const char *assignment, struct error *e)
{
        const char *eq = strchr(assignment, '=');
        size_t n = eq ? (size_t)(eq - assignment) : strlen(assignment);
        if (!eq || !n) {
                error_set(e, EINVAL, "directive.syntax", "\"%.80s\" is not NAME=VALUE", assignment);
                return -EINVAL;
        }
        if (strlen(eq) > DIRECTIVE_VALUE_MAX || ++s->assignments > DIRECTIVE_ASSIGNMENTS_MAX)
                return error_set(e, E2BIG, "directive.limit", "%s: over the limit of %d bytes a value and %d assignments",
                                 "directives", DIRECTIVE_VALUE_MAX, DIRECTIVE_ASSIGNMENTS_MAX);
        const struct directive *row = find_row(assignment, n);
        const struct other *other = row ? NULL : other_find(assignment, n);
        if (other && other_newer_name(other))
                row = find_row(other_newer_name(other), strlen(other_newer_name(other)));
        if (!row && !other)
                return unknown_directive(e, assignment, n);

        size_t shown = strlen(assignment);
        char *origin = s->by ? xprintf("%.160s (%s)", assignment, s->by) : xstrndup(assignment, shown > 160 ? 160 : shown);
        strings_take(&s->strings, origin);
        const char *value = eq + 1 + strspn(eq + 1, " \t");
        struct error own = { 0 };
        int k = row ? row->read(&(struct reader){ row, s, &s->of[row - table], facts, origin }, value, &own) : other_assign(s, other, value, origin, &own);
        if (k == 0)
                return 0;
        if (s->lenient) {
                strings_take(&s->notes, xprintf("%s: %s; ignored", origin, own.cause));
                return 0;
        }
        if (e)
                *e = own;
        return error_while(e, "reading %s", origin);
}

/* What DynamicUser=yes switches on; NULL word: cannot be weakened. */
static void imply(struct settings *s, enum directive_id id, uint64_t number, bool forced, const char *value)
{
        struct setting *v = &s->of[id];
        if (!forced && v->set && !(id == D_PROTECT_HOME && !v->number) && !(id == D_PRIVATE_TMP && !v->number))
                return;
        if (forced && v->set && v->number == number)
                return;
        char *origin = xprintf("%s=%s (implied by %s)", table[id].name, value, s->of[D_DYNAMIC_USER].origin);
        strings_take(&s->strings, origin);
        v->set = true;
        v->number = number;
        v->origin = origin;
}

static void imply_dynamic_user(struct settings *s)
{
        imply(s, D_PROTECT_SYSTEM, 3, true, "strict");
        imply(s, D_PROTECT_HOME, 2, false, "read-only");
        imply(s, D_PRIVATE_TMP, PLAN_TMP_DISCONNECTED, false, "disconnected");
        imply(s, D_REMOVE_IPC, 1, true, "yes");
        imply(s, D_NO_NEW_PRIVILEGES, 1, true, "yes");
        imply(s, D_RESTRICT_SUID_SGID, 1, true, "yes");
}

static bool is_root_read_only(const struct plan *p)
{
        for (size_t i = 0; i < p->mount_count; i++)
                if (text_equal(p->mounts[i].path, "/") && p->mounts[i].kind == PLAN_READ_ONLY)
                        return true;
        return false;
}

int settings_compile(struct settings *s, const struct facts *facts, struct plan *p, struct error *e)
{
        *p = (struct plan){ .unit = xstrdup(facts->unit), .user_mode = facts->user_mode, .lenient = s->lenient,
                            .bounding = facts->capabilities, .umask = 0022, .memory_max_bytes = UINT64_MAX,
                            .tasks_max = UINT64_MAX, .cpu_quota_permille = UINT64_MAX };
        if (s->of[D_DYNAMIC_USER].set && s->of[D_DYNAMIC_USER].number)
                imply_dynamic_user(s);
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
                if (!s->of[i].set || !table[i].compile)
                        continue;
                int r = table[i].compile(s, &s->of[i], facts, p, e);
                if (r < 0)
                        return r;
        }
        int r = directive_check_process(p, e);
        if (r < 0)
                return r;
        r = directive_check_delegation(p, e);
        if (r < 0)
                return r;
        directive_finish_credentials(facts, p);
        directive_finish_root(s, p);
        /* Origins live as long as the plan. */
        for (size_t i = 0; i < s->strings.count; i++)
                strings_take(&p->strings, s->strings.items[i]);
        s->strings.count = 0;
        for (size_t i = 0; i < s->notes.count; i++)
                strings_add(&p->notes, s->notes.items[i]);
        other_compile(s, p);
        plan_normalize_mounts(p);
        p->root_read_only = is_root_read_only(p);
        return 0;
}

int settings_compile_beside(struct settings *s, const struct facts *facts, struct plan *p, struct error *e)
{
        static const enum directive_id roots[] = { D_ROOT_DIRECTORY, D_ROOT_IMAGE, D_ROOT_IMAGE_OPTIONS };
        bool set[ELEMENTS(roots)];
        for (size_t i = 0; i < ELEMENTS(roots); i++) {
                set[i] = s->of[roots[i]].set;
                s->of[roots[i]].set = false;
        }
        int r = settings_compile(s, facts, p, e);
        for (size_t i = 0; i < ELEMENTS(roots); i++)
                s->of[roots[i]].set = set[i];
        return r;
}

void settings_done(struct settings *s)
{
        for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
                directive_reset_list(&s->of[i]);
                free(s->of[i].list);
                free(s->of[i].text);
        }
        free(s->told);
        strings_clear(&s->strings);
        strings_clear(&s->notes);
        *s = (struct settings){ 0 };
}
