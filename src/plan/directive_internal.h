/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a row of the table of directives reads and compiles.  For directive.c and its siblings directive_*.c alone. */
#pragma once

#include "plan/directive.h"

struct reader;

struct directive {
        const char *name;
        int (*read)(const struct reader *r, const char *value, struct error *e);
        const char *const *words; /* directive_read_word: the values by index */
        int (*compile)(const struct settings *s, const struct setting *v, const struct facts *facts, struct plan *p,
                       struct error *e);
        const char *summary;
};

/* What a reader function works on. */
struct reader {
        const struct directive *row;
        struct settings *all;
        struct setting *v;
        const struct facts *facts;
        const char *origin;
};

/* Checks one word; its form in the setting at *ret. */
typedef int (*directive_check)(const char *word, char **ret, struct error *e);

int directive_bad_value(struct error *e, const char *value, const char *expected);
void directive_set_number(const struct reader *r, uint64_t n);
void directive_add_value(const struct reader *r, char *text); /* takes ownership of text */
void directive_reset_list(struct setting *v);
int directive_read_bool(const struct reader *r, const char *value, struct error *e);
/* One of row->words; booleans stand for the first two words. */
int directive_read_word(const struct reader *r, const char *value, struct error *e);
/* One of row->words. */
int directive_read_exact_word(const struct reader *r, const char *value, struct error *e);
/* A percentage of whole, with up to two places, at *ret; -EINVAL when value is none. */
int directive_parse_percent(const char *value, uint64_t whole, uint64_t *ret);
/* Words, expanded and checked one by one; the empty assignment resets. All or nothing; with lenient, all that is valid. */
int directive_read_words(const struct reader *r, const char *value, directive_check check, struct error *e);
/* The whole value as one word, expanded and checked. */
int directive_read_text(const struct reader *r, const char *value, directive_check check, struct error *e);

typedef int (*directive_bits)(const char *name, uint64_t *ret);
/* The bits of all words; with lenient, of those that are known. */
int directive_read_bits(const struct reader *r, const char *value, directive_bits find, const char *expected, uint64_t *ret, struct error *e);
/* As directive_set_number, of a value that the one before is part of. */
void directive_merge_number(const struct reader *r, bool merged, uint64_t n);
/* Both assignments made the value. */
const char *directive_join_origins(struct settings *s, const char *before, const char *origin);

/* What a word stands for, added to ret; false: for itself. */
typedef bool (*directive_expand)(const char *word, struct strings *ret);
enum { DIRECTIVE_LIST_ALLOWS, DIRECTIVE_LIST_DENIES };
/* A list of what is allowed, or with "~" denied, as the setting's number says; the first line decides, one of the other kind takes off. */
int directive_read_signed_list(const struct reader *r, const char *value, directive_check check, directive_expand expand, struct error *e);

static inline enum directive_id directive_of(const struct settings *s, const struct setting *v)
{
        return (enum directive_id)(v - s->of);
}

#define COMPILER(name)                                                                                       \
        static int name(__attribute__((unused)) const struct settings *s,                                    \
                        __attribute__((unused)) const struct setting *v,                                     \
                        __attribute__((unused)) const struct facts *facts, struct plan *p,                   \
                        __attribute__((unused)) struct error *e)
#define COMPILER_OF_SIBLING(name)                                                                            \
        int name(__attribute__((unused)) const struct settings *s, __attribute__((unused)) const struct setting *v, \
                 __attribute__((unused)) const struct facts *facts, struct plan *p, __attribute__((unused)) struct error *e)
#define READER_OF_SIBLING(name) int name(const struct reader *r, const char *value, struct error *e)

/* directive_path.c */
READER_OF_SIBLING(directive_read_paths);
READER_OF_SIBLING(directive_read_binds);
READER_OF_SIBLING(directive_read_tmpfs);
COMPILER_OF_SIBLING(directive_compile_read_write);
COMPILER_OF_SIBLING(directive_compile_read_only);
COMPILER_OF_SIBLING(directive_compile_inaccessible);
COMPILER_OF_SIBLING(directive_compile_exec);
COMPILER_OF_SIBLING(directive_compile_no_exec);
COMPILER_OF_SIBLING(directive_compile_bind);
COMPILER_OF_SIBLING(directive_compile_bind_read_only);
COMPILER_OF_SIBLING(directive_compile_tmpfs);
/* directive_privilege.c */
READER_OF_SIBLING(directive_read_capabilities);
READER_OF_SIBLING(directive_read_ambient);
READER_OF_SIBLING(directive_read_secure_bits);
COMPILER_OF_SIBLING(directive_compile_capabilities);
COMPILER_OF_SIBLING(directive_compile_no_new_privileges);
COMPILER_OF_SIBLING(directive_compile_ambient);
COMPILER_OF_SIBLING(directive_compile_secure_bits);
COMPILER_OF_SIBLING(directive_compile_keyring_mode);
/* directive_restriction.c */
READER_OF_SIBLING(directive_read_namespaces);
READER_OF_SIBLING(directive_read_families);
READER_OF_SIBLING(directive_read_architectures);
READER_OF_SIBLING(directive_read_filter);
READER_OF_SIBLING(directive_read_errno);
COMPILER_OF_SIBLING(directive_compile_restrict_suid_sgid);
COMPILER_OF_SIBLING(directive_compile_restrict_namespaces);
COMPILER_OF_SIBLING(directive_compile_restrict_realtime);
COMPILER_OF_SIBLING(directive_compile_lock_personality);
COMPILER_OF_SIBLING(directive_compile_restrict_families);
COMPILER_OF_SIBLING(directive_compile_architectures);
COMPILER_OF_SIBLING(directive_compile_deny_write_execute);
COMPILER_OF_SIBLING(directive_compile_filter);
COMPILER_OF_SIBLING(directive_compile_log);
/* directive_protect.c */
READER_OF_SIBLING(directive_read_hostname);
COMPILER_OF_SIBLING(directive_compile_protect_system);
COMPILER_OF_SIBLING(directive_compile_protect_home);
COMPILER_OF_SIBLING(directive_compile_private_tmp);
COMPILER_OF_SIBLING(directive_compile_private_devices);
COMPILER_OF_SIBLING(directive_compile_private_network);
COMPILER_OF_SIBLING(directive_compile_private_ipc);
COMPILER_OF_SIBLING(directive_compile_private_pids);
COMPILER_OF_SIBLING(directive_compile_protect_proc);
COMPILER_OF_SIBLING(directive_compile_proc_subset);
COMPILER_OF_SIBLING(directive_compile_protect_kernel_tunables);
COMPILER_OF_SIBLING(directive_compile_protect_kernel_modules);
COMPILER_OF_SIBLING(directive_compile_protect_kernel_logs);
COMPILER_OF_SIBLING(directive_compile_protect_clock);
COMPILER_OF_SIBLING(directive_compile_protect_control_groups);
COMPILER_OF_SIBLING(directive_compile_private_users);
COMPILER_OF_SIBLING(directive_compile_private_mounts);
COMPILER_OF_SIBLING(directive_compile_protect_hostname);
/* directive_identity.c */
READER_OF_SIBLING(directive_read_user);
READER_OF_SIBLING(directive_read_users);
COMPILER_OF_SIBLING(directive_compile_user);
COMPILER_OF_SIBLING(directive_compile_group);
COMPILER_OF_SIBLING(directive_compile_supplementary);
READER_OF_SIBLING(directive_read_pam_name);
COMPILER_OF_SIBLING(directive_compile_pam_name);
COMPILER_OF_SIBLING(directive_compile_dynamic_user);
/* directive_folders.c */
READER_OF_SIBLING(directive_read_folders);
COMPILER_OF_SIBLING(directive_compile_folders);
/* directive_process.c */
READER_OF_SIBLING(directive_read_limit);
COMPILER_OF_SIBLING(directive_compile_limit);
READER_OF_SIBLING(directive_read_integer);
READER_OF_SIBLING(directive_read_attribute_word);
READER_OF_SIBLING(directive_read_timer_slack);
READER_OF_SIBLING(directive_read_coredump_filter);
READER_OF_SIBLING(directive_read_numbers);
COMPILER_OF_SIBLING(directive_compile_attribute);
COMPILER_OF_SIBLING(directive_compile_cpu_affinity);
COMPILER_OF_SIBLING(directive_compile_numa_mask);
/* directive_environment.c */
READER_OF_SIBLING(directive_read_names);
READER_OF_SIBLING(directive_read_environment_file);
READER_OF_SIBLING(directive_read_unset);
READER_OF_SIBLING(directive_read_search_path);
READER_OF_SIBLING(directive_read_stream);
READER_OF_SIBLING(directive_read_mode);
COMPILER_OF_SIBLING(directive_compile_pass_environment);
COMPILER_OF_SIBLING(directive_compile_environment_file);
COMPILER_OF_SIBLING(directive_compile_unset_environment);
COMPILER_OF_SIBLING(directive_compile_search_path);
COMPILER_OF_SIBLING(directive_compile_stream);
COMPILER_OF_SIBLING(directive_compile_login_environment);
COMPILER_OF_SIBLING(directive_compile_folder_mode);
COMPILER_OF_SIBLING(directive_compile_folder_preserve);
/* directive_label.c */
READER_OF_SIBLING(directive_read_label);
COMPILER_OF_SIBLING(directive_compile_label);
/* directive_terminal.c */
READER_OF_SIBLING(directive_read_tty_path);
READER_OF_SIBLING(directive_read_tty_size);
READER_OF_SIBLING(directive_read_input_text);
READER_OF_SIBLING(directive_read_input_data);
COMPILER_OF_SIBLING(directive_compile_tty);
COMPILER_OF_SIBLING(directive_compile_input);
/* directive_namespace.c */
READER_OF_SIBLING(directive_read_namespace_path);
COMPILER_OF_SIBLING(directive_compile_network_path);
COMPILER_OF_SIBLING(directive_compile_ipc_path);
/* directive_root.c */
READER_OF_SIBLING(directive_read_root);
READER_OF_SIBLING(directive_read_root_options);
COMPILER_OF_SIBLING(directive_compile_root);
COMPILER_OF_SIBLING(directive_compile_root_options);
COMPILER_OF_SIBLING(directive_compile_root_start_only);
/* directive_image.c */
READER_OF_SIBLING(directive_read_mount_images);
READER_OF_SIBLING(directive_read_extension_images);
READER_OF_SIBLING(directive_read_extension_folders);
COMPILER_OF_SIBLING(directive_compile_images);
COMPILER_OF_SIBLING(directive_compile_mount_flags);
/* A list of paths as mounts of that kind, inside of the unit's root if it has one. */
void directive_add_paths(struct plan *p, const struct setting *v, enum plan_mount_kind kind);
/* What a root of its own is given of the host's. After all is compiled. */
void directive_finish_root(const struct settings *s, struct plan *p);
/* directive_credentials.c */
READER_OF_SIBLING(directive_read_load_credential);
READER_OF_SIBLING(directive_read_import_credential);
READER_OF_SIBLING(directive_read_set_credential);
READER_OF_SIBLING(directive_read_load_credential_encrypted);
READER_OF_SIBLING(directive_read_set_credential_encrypted);
COMPILER_OF_SIBLING(directive_compile_credentials);
/* The folder of credentials, and its mounts. After all is compiled. */
void directive_finish_credentials(const struct facts *facts, struct plan *p);
/* directive_resources.c */
READER_OF_SIBLING(directive_read_memory_amount);
READER_OF_SIBLING(directive_read_weight);
READER_OF_SIBLING(directive_read_period);
READER_OF_SIBLING(directive_read_io);
READER_OF_SIBLING(directive_read_device);
COMPILER_OF_SIBLING(directive_compile_amount);
COMPILER_OF_SIBLING(directive_compile_accounting);
COMPILER_OF_SIBLING(directive_compile_io);
COMPILER_OF_SIBLING(directive_compile_allowed_cpus);
COMPILER_OF_SIBLING(directive_compile_allowed_nodes);
COMPILER_OF_SIBLING(directive_compile_device_policy);
COMPILER_OF_SIBLING(directive_compile_device);
/* directive_delegation.c */
READER_OF_SIBLING(directive_read_delegate);
READER_OF_SIBLING(directive_read_delegate_subgroup);
COMPILER_OF_SIBLING(directive_compile_delegate);
COMPILER_OF_SIBLING(directive_compile_delegate_subgroup);
/* What is said of it alone, and what it rules out. After all is compiled. */
int directive_check_delegation(struct plan *p, struct error *e);
/* directive_network.c */
READER_OF_SIBLING(directive_read_addresses);
READER_OF_SIBLING(directive_read_bind_rule);
READER_OF_SIBLING(directive_read_interfaces);
READER_OF_SIBLING(directive_read_interface);
COMPILER_OF_SIBLING(directive_compile_addresses);
COMPILER_OF_SIBLING(directive_compile_bind_rules);
COMPILER_OF_SIBLING(directive_compile_interfaces);
COMPILER_OF_SIBLING(directive_compile_bound_interface);
COMPILER_OF_SIBLING(directive_compile_ip_accounting);
/* directive_file_systems.c */
READER_OF_SIBLING(directive_read_file_systems);
COMPILER_OF_SIBLING(directive_compile_file_systems);
/* "10M" is ten million. */
int directive_parse_decimal_size(const char *s, uint64_t *ret);
/* The set as the kernel writes it: sorted, each number once, neighbours as a range. Free it. */
char *directive_join_numbers(const struct setting *v);
/* All assignments that made a list, in their order. */
const char *directive_origins(struct plan *p, const struct setting *v);
/* Where one directive's value rules out another's. */
int directive_check_process(struct plan *p, struct error *e);
