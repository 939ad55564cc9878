/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/plugin_command.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "group/discovery.h"

void plugin_command_done(struct plugin_command *c)
{
        free(c->name);
        strings_clear(&c->argv);
}

/* ---- programs ---- */

/* "bulkhead-instance-file" of a build lies in plugins/instance-file/. */
static char *folder_in_build(const char *self, const char *program)
{
        const char *name = text_starts(program, "bulkhead-") ? program + strlen("bulkhead-") : program;
        return xprintf("%s../plugins/%s", self, name);
}

static char *executable(const char *folder, const char *program)
{
        CLEAN_FREE char *path = xprintf("%s/%s", folder, program);
        struct stat st;
        return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? TAKE_PTR(path) : NULL;
}

static char *find_in_list(const char *folders, const char *program)
{
        char *found = NULL;
        for (const char *at = folders ? folders : ""; *at && !found; at += strspn(at, ":")) {
                size_t n = strcspn(at, ":");
                CLEAN_FREE char *folder = xstrndup(at, n);
                if (*folder == '/')
                        found = executable(folder, program);
                at += n;
        }
        return found;
}

static char *self_folder(void)
{
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = 0;
        char *slash = strrchr(self, '/');
        if (slash)
                slash[1] = 0;
        return xstrdup(slash ? self : "/");
}

/* One of ours, or NULL. Allocated. */
static char *find_own(const char *program)
{
        static const char *const beside[] = { "", "../libexec/bulkhead", "../lib/bulkhead" };
        char *found = find_in_list(getenv("BULKHEAD_PLUGIN_PATH"), program);
        CLEAN_FREE char *self = self_folder(), *build = folder_in_build(self, program);
        for (size_t i = 0; !found && i < ELEMENTS(beside); i++) {
                CLEAN_FREE char *folder = xprintf("%s%s", self, beside[i]);
                found = executable(folder, program);
        }
        return found ? found : executable(build, program);
}

static char *find_of_kind(const char *kind)
{
        static const char *const names[] = { "bulkhead-instance-%s", "bulkhead-flavor-%s", "bulkhead-%s" };
        bool says = text_starts(kind, "instance-") || text_starts(kind, "flavor-");
        if (text_equal(kind, "group"))
                return find_own("bulkhead-groupd");
        char *found = NULL;
        for (size_t i = says ? 2 : 0; !found && i < (says ? 3 : 2); i++) {
                CLEAN_TEXT struct text program = { 0 };
                text_add_bytes(&program, names[i], strlen(names[i]) - 2);
                text_add(&program, kind);
                found = find_own(program.data);
        }
        return found;
}

bool plugin_kind_known(const char *kind)
{
        CLEAN_FREE char *program = plugin_name_valid(kind) ? find_of_kind(kind) : NULL;
        return program;
}

/* ---- how programs are held ---- */

static const struct {
        const char *program;
        enum plugin_hold hold;
} holds[] = {
        { "bulkhead-groupd", PLUGIN_NETWORK }, /* checks of health, and an etcd */
        { "bulkhead-instance-file", PLUGIN_ALONE },
        { "bulkhead-instance-simulator", PLUGIN_ALONE },
        { "bulkhead-instance-ec2", PLUGIN_NETWORK },
        { "bulkhead-instance-azure", PLUGIN_NETWORK },
        { "bulkhead-instance-service", PLUGIN_HOST },
        { "bulkhead-instance-container", PLUGIN_HOST },
        { "bulkhead-instance-vagrant", PLUGIN_HOST },
        { "bulkhead-instance-libvirt", PLUGIN_HOST },
        { "bulkhead-instance-ssh", PLUGIN_HOST }, /* its masters of connections stay */
        { "bulkhead-flavor-vanilla", PLUGIN_NETWORK }, /* checks of health */
        { "bulkhead-flavor-combo", PLUGIN_ALONE },
        { "bulkhead-flavor-etcd", PLUGIN_NETWORK },
        { "bulkhead-flavor-zookeeper", PLUGIN_NETWORK },
};

/* The same file by whatever path: a link to one of ours is ours. What is called otherwise stays so, for programs that go by their name. */
static bool same_file(const char *a, const char *b)
{
        struct stat x, y;
        return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What is not in the table is none of ours, and gets the network, which most plugins are for. */
static void choose_hold(struct plugin_command *c)
{
        const char *slash = strrchr(c->argv.items[0], '/'), *program = slash ? slash + 1 : c->argv.items[0];
        c->foreign = true;
        c->hold = PLUGIN_NETWORK;
        for (size_t i = 0; i < ELEMENTS(holds); i++) {
                CLEAN_FREE char *own = text_equal(holds[i].program, program) ? find_own(program) : NULL;
                if (own && same_file(own, c->argv.items[0])) {
                        c->foreign = false;
                        c->hold = holds[i].hold;
                }
        }
}

/* ---- words ---- */

static int no_program(const char *kind, struct error *e)
{
        error_set(e, ENOENT, "plugin.program", "there is no program for a plugin \"%.80s\"", kind);
        error_hint(e, "NAME=COMMAND says which program it is; $BULKHEAD_PLUGIN_PATH where plugins are");
        return -ENOENT;
}

/* A program without a slash: one of ours, or one of PATH. */
static char *find_program(const char *word)
{
        if (strchr(word, '/'))
                return *word == '/' ? xstrdup(word) : realpath(word, NULL);
        char *found = find_own(word);
        return found ? found : find_in_list(getenv("PATH"), word);
}

static int read_command(const char *command, struct plugin_command *ret, struct error *e)
{
        CLEAN_STRINGS struct strings words = { 0 };
        if (text_split_words(command, &words) < 0 || !words.count)
                return error_set(e, EINVAL, "plugin.word", "\"%.120s\" is no command: a quote is open, or nothing stands there", command);
        CLEAN_FREE char *program = find_program(words.items[0]);
        if (!program || access(program, X_OK) < 0)
                return error_set(e, ENOENT, "plugin.program", "there is no program %.200s", words.items[0]);
        strings_add(&ret->argv, program);
        for (size_t i = 1; i < words.count; i++)
                strings_add(&ret->argv, words.items[i]);
        return 0;
}

static int read_kind(const char *kind, struct plugin_command *ret, struct error *e)
{
        CLEAN_FREE char *program = find_of_kind(kind);
        if (!program)
                return no_program(kind, e);
        strings_add(&ret->argv, program);
        return 0;
}

static const char *plain_name(const char *kind)
{
        static const char *const prefixes[] = { "instance-", "flavor-" };
        for (size_t i = 0; i < ELEMENTS(prefixes); i++)
                if (text_starts(kind, prefixes[i]))
                        return kind + strlen(prefixes[i]);
        return kind;
}

int plugin_command_parse(const char *word, struct plugin_command *ret, struct error *e)
{
        const char *equals = strchr(word, '='), *command = equals ? equals + 1 : NULL;
        CLEAN_FREE char *left = xstrndup(word, equals ? (size_t)(equals - word) : strlen(word));
        char *colon = strchr(left, ':');
        if (colon)
                *colon = 0;
        const char *name = colon ? colon + 1 : command ? left : plain_name(left);
        if (command && (text_equal(command, "os") || text_equal(command, "inproc"))) /* InfraKit's words for "as it comes" */
                command = NULL;
        if (!plugin_name_valid(left) || !plugin_name_valid(name))
                return error_set(e, EINVAL, "plugin.name", "\"%.80s\" is no name of a plugin", word);
        int r = command ? read_command(command, ret, e) : read_kind(left, ret, e);
        if (r < 0)
                return r;
        ret->name = xstrdup(name);
        strings_add(&ret->argv, "--name");
        strings_add(&ret->argv, name);
        choose_hold(ret);
        return 0;
}
