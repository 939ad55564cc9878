/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * features: what this runtime understands, as features.md of the runtime specification has it.  It speaks of the program, not of
 * the host, but for the flags of system call filters that the kernel takes.
 */
#include "cli/oci.h"

#include "os/capability.h"
#include "os/seccomp.h"
#include "plan/profile.h"
#include "sandbox/hooks.h"

static void add_word(struct text *t, size_t *count, const char *word)
{
        text_add(t, (*count)++ ? "," : "");
        text_add_json(t, word);
}

static void add_words(struct text *t, const char *name, const char *const *words)
{
        size_t count = 0;
        text_addf(t, "\"%s\":[", name);
        for (; *words; words++)
                add_word(t, &count, *words);
        text_add(t, "]");
}

static void add_mount_options(struct text *t)
{
        size_t count = 0;
        const char *word;
        text_add(t, ",\"mountOptions\":[");
        while ((word = oci_mount_option(count)))
                add_word(t, &count, word);
        text_add(t, "]");
}

static void add_hooks(struct text *t)
{
        size_t count = 0;
        text_add(t, ",\"hooks\":[");
        for (enum plan_hook_kind k = 0; k < PLAN_HOOK_KINDS; k++)
                add_word(t, &count, hooks_kind_name(k));
        text_add(t, "]");
}

static void add_capabilities(struct text *t)
{
        size_t count = 0;
        text_add(t, ",\"capabilities\":[");
        for (unsigned n = 0; n <= CAPABILITY_MAX; n++)
                if (capability_name(n))
                        add_word(t, &count, capability_name(n));
        text_add(t, "]");
}

static bool any(uint32_t value)
{
        (void)value;
        return true;
}

static bool kernel_takes(uint32_t flag)
{
        return seccomp_knows_flag(flag);
}

static void add_table(struct text *t, const char *name, const struct profile_word *words, bool (*holds)(uint32_t value))
{
        size_t count = 0;
        text_addf(t, ",\"%s\":[", name);
        for (; words->name; words++)
                if (holds(words->value))
                        add_word(t, &count, words->name);
        text_add(t, "]");
}

static void add_seccomp(struct text *t)
{
        text_add(t, ",\"seccomp\":{\"enabled\":true");
        add_table(t, "actions", profile_actions, any);
        add_table(t, "operators", profile_operators, any);
        add_table(t, "archs", profile_architectures, any);
        add_table(t, "knownFlags", profile_flags, any);
        add_table(t, "supportedFlags", profile_flags, kernel_takes);
        text_add(t, "}");
}

static void add_memory_policy(struct text *t)
{
        static const char *const modes[] = { "MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED",
                                             "MPOL_PREFERRED_MANY", "MPOL_LOCAL", NULL };
        static const char *const flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES", NULL };
        text_add(t, ",\"memoryPolicy\":{");
        add_words(t, "modes", modes);
        text_add(t, ",");
        add_words(t, "flags", flags);
        text_add(t, "}");
}

static void add_linux(struct text *t)
{
        static const char *const namespaces[] = { "cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL };
        text_add(t, ",\"linux\":{");
        add_words(t, "namespaces", namespaces);
        add_capabilities(t);
        text_add(t, ",\"cgroup\":{\"v1\":true,\"v2\":true,\"systemd\":true,\"systemdUser\":true,\"rdma\":true}");
        add_seccomp(t);
        text_add(t, ",\"apparmor\":{\"enabled\":true},\"selinux\":{\"enabled\":true}"
                    ",\"intelRdt\":{\"enabled\":true,\"schemata\":true,\"monitoring\":true}");
        add_memory_policy(t);
        text_add(t, ",\"mountExtensions\":{\"idmap\":{\"enabled\":true}},\"netDevices\":{\"enabled\":true}}");
}

int oci_cmd_features(const struct oci_globals *g, int argc, char **argv)
{
        struct oci_arguments a = { .usage = "", .id_optional = true, .doc = "Show what this runtime understands" };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        if (a.id) {
                error_set(&e, EINVAL, "command.arguments", "features takes no argument such as \"%.60s\"", a.id);
                return oci_say_failed(g, "cannot show the features", &e);
        }
        text_add(&t, "{\"ociVersionMin\":\"1.0.0\",\"ociVersionMax\":\"1.3.0\"");
        add_hooks(&t);
        add_mount_options(&t);
        add_linux(&t);
        /* No annotation of a configuration changes what we do. */
        text_add(&t, ",\"annotations\":{\"bulkhead.version\":\"" BULKHEAD_VERSION "\",\"org.opencontainers.runc.checkpoint.enabled\":\"true\"}"
                     ",\"potentiallyUnsafeConfigAnnotations\":[]}");
        puts(t.data);
        return 0;
}
