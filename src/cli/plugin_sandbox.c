/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sandboxes of plugins: a table of directives, and the folders that each may write in. */
#include <string.h>
#include <unistd.h>

#include "cli/plugin_command.h"
#include "group/discovery.h"
#include "os/account.h"
#include "os/file.h"

enum { ALONE = 1 << PLUGIN_ALONE, NETWORK = 1 << PLUGIN_NETWORK, BOTH = ALONE | NETWORK };

static const struct {
        unsigned holds;
        bool own_only; /* not for foreign programs, which may make code as they run */
        const char *assignment;
} lines[] = {
        { BOTH, false, "ProtectSystem=strict" },
        { BOTH, false, "ProtectHome=read-only" },
        { BOTH, false, "PrivateDevices=yes" },
        { BOTH, false, "PrivateIPC=yes" },
        { BOTH, false, "ProtectKernelTunables=yes" },
        { BOTH, false, "ProtectKernelModules=yes" },
        { BOTH, false, "ProtectKernelLogs=yes" },
        { BOTH, false, "ProtectControlGroups=yes" },
        { BOTH, false, "ProtectClock=yes" },
        { BOTH, false, "ProtectHostname=yes" },
        { BOTH, false, "NoNewPrivileges=yes" },
        { BOTH, false, "LockPersonality=yes" },
        { BOTH, true, "MemoryDenyWriteExecute=yes" },
        { BOTH, false, "RestrictNamespaces=yes" },
        { BOTH, false, "RestrictRealtime=yes" },
        { BOTH, false, "RestrictSUIDSGID=yes" },
        { BOTH, false, "CapabilityBoundingSet=" },
        { BOTH, false, "SystemCallArchitectures=native" },
        { BOTH, false, "SystemCallFilter=@system-service" },
        { BOTH, false, "SystemCallFilter=~@privileged" },
        { BOTH, false, "SystemCallErrorNumber=EPERM" },
        { BOTH, false, "KeyringMode=private" },
        { BOTH, false, "UMask=0077" },
        { ALONE, false, "PrivateNetwork=yes" },
        { ALONE, false, "RestrictAddressFamilies=AF_UNIX" },
        { NETWORK, false, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK" },
};

/* A path as a word of a directive: blanks and quotes are escaped, specifiers doubled. */
static void add_path(struct strings *ret, const char *directive, const char *path)
{
        CLEAN_TEXT struct text t = { 0 };
        text_addf(&t, "%s=\"", directive);
        for (const char *c = path; *c; c++) {
                if (*c == '"' || *c == '\\')
                        text_add(&t, "\\");
                if (*c == '%')
                        text_add(&t, "%");
                text_add_bytes(&t, c, 1);
        }
        text_add(&t, "\"");
        strings_add(ret, t.data);
}

/* The value of "--NAME VALUE" or "--NAME=VALUE"; NULL: not said. The last counts. */
static const char *option_of(const struct plugin_command *c, const char *option)
{
        const char *found = NULL;
        size_t n = strlen(option);
        for (size_t i = 1; i < c->argv.count; i++) {
                const char *word = c->argv.items[i];
                if (text_equal(word, option) && i + 1 < c->argv.count)
                        found = c->argv.items[i + 1];
                else if (text_starts(word, option) && word[n] == '=')
                        found = word + n + 1;
        }
        return found;
}

static char *absolute(const char *path)
{
        CLEAN_FREE char *here = *path == '/' ? NULL : get_current_dir_name();
        return here ? xprintf("%s/%s", here, path) : xstrdup(path);
}

/* Where the file plugin keeps its files. */
static char *folder_of_file(const struct plugin_command *c, const char *folder)
{
        const char *said = option_of(c, "--dir"), *variable = getenv("INFRAKIT_INSTANCE_FILE_DIR");
        if (said || (variable && *variable))
                return absolute(said ? said : variable);
        CLEAN_FREE char *beside = xstrdup(folder);
        char *slash = strrchr(beside, '/');
        if (slash)
                *slash = 0;
        return xprintf("%s/instances-file", beside);
}

/* Where the controller keeps its state; NULL: in the folder of the plugins, or in an etcd. */
static char *folder_of_controller(const struct plugin_command *c, const char *folder)
{
        const char *said = option_of(c, "--store"), *own = getenv("BULKHEAD_PLUGINS_DIR"), *infrakit = getenv("INFRAKIT_PLUGINS_DIR");
        (void)folder;
        if (said && (text_starts(said, "etcd://") || text_starts(said, "etcds://")))
                return NULL;
        if (said) {
                char *path = absolute(text_starts(said, "sqlite://") ? said + strlen("sqlite://") : said), *slash = strrchr(path, '/');
                if (slash && slash != path)
                        *slash = 0;
                return path;
        }
        if ((own && *own) || (infrakit && *infrakit))
                return NULL;
        CLEAN_ACCOUNT struct account a = { 0 };
        CLEAN_FREE char *uid = xprintf("%u", geteuid());
        if (geteuid() == 0 || account_find(uid, &a) < 0)
                return xstrdup("/var/lib/bulkhead/groups");
        CLEAN_FREE char *state = account_folder(&a, USER_STATE);
        return xprintf("%s/bulkhead/groups", state);
}

static const struct {
        const char *program;
        char *(*folder)(const struct plugin_command *c, const char *plugins);
        mode_t mode;
} writers[] = {
        { "bulkhead-instance-file", folder_of_file, 0755 },
        { "bulkhead-groupd", folder_of_controller, 0700 },
};

static int add_folders(const struct plugin_command *c, const char *folder, struct strings *ret, struct error *e)
{
        add_path(ret, "ReadWritePaths", folder);
        for (size_t i = 0; i < ELEMENTS(writers); i++) {
                const char *slash = strrchr(c->argv.items[0], '/');
                if (c->foreign || !slash || !text_equal(slash + 1, writers[i].program))
                        continue;
                CLEAN_FREE char *own = writers[i].folder(c, folder);
                int r = own ? file_make_folders(own, writers[i].mode, e) : 0;
                if (r < 0)
                        return error_while(e, "making the folder of \"%.64s\"", c->name);
                if (own)
                        add_path(ret, "ReadWritePaths", own);
        }
        return 0;
}

/* A stranger may be the one that keeps instances as files, or what InfraKit keeps. */
static void add_folders_of_strangers(const struct plugin_command *c, struct strings *ret)
{
        static const char *const variables[] = { "INFRAKIT_INSTANCE_FILE_DIR", "INFRAKIT_HOME" };
        for (size_t i = 0; c->foreign && i < ELEMENTS(variables); i++) {
                const char *path = getenv(variables[i]);
                if (path && *path == '/' && access(path, F_OK) == 0)
                        add_path(ret, "ReadWritePaths", path);
        }
}

int plugin_sandbox(const struct plugin_command *c, const char *folder, struct strings *ret, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(lines); i++)
                if (lines[i].holds & 1U << c->hold && !(lines[i].own_only && c->foreign))
                        strings_add(ret, lines[i].assignment);
        add_folders_of_strangers(c, ret);
        return add_folders(c, folder, ret, e);
}
