/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "group/serve.h"
#include "vagrant.h"

enum { STOP_USEC = 3000000 };

static void add_variable(struct vagrant *v, const char *name, const char *value)
{
        if (value)
                strings_take(&v->environment, xprintf("%s=%s", name, value));
}

/* All that vagrant gets to see. --environment names what else of ours it may have. */
static void set_environment(struct vagrant *v, const struct strings *more)
{
        static const char *const kept[] = { "HOME", "VAGRANT_HOME" };
        strings_add(&v->environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        strings_add(&v->environment, "LANG=C.UTF-8");
        strings_add(&v->environment, "VAGRANT_NO_COLOR=1");
        strings_add(&v->environment, "VAGRANT_CHECKPOINT_DISABLE=1");
        for (size_t i = 0; i < ELEMENTS(kept); i++)
                add_variable(v, kept[i], getenv(kept[i]));
        for (size_t i = 0; i < more->count; i++)
                add_variable(v, more->items[i], getenv(more->items[i]));
}

static int read_options(struct vagrant *v, const struct strings *words, const char **ret_dir, struct error *e)
{
        CLEAN_STRINGS struct strings environment = { 0 };
        const char *program = "/usr/bin/vagrant", *provider = NULL, *up = NULL, *down = NULL, *check = NULL;
        const struct plugin_option table[] = {
                { "--dir", .value = ret_dir },
                { "--vagrant", .value = &program },
                { "--provider", .value = &provider },
                { "--environment", .all = &environment },
                { "--allow-vagrantfile", .flag = &v->allow_vagrantfile },
                { "--up-limit", .value = &up },
                { "--destroy-limit", .value = &down },
                { "--check", .value = &check },
                { 0 },
        };
        int r = plugin_options(words, table, e);
        v->program = xstrdup(program);
        v->provider = provider ? xstrdup(provider) : NULL;
        if (r == 0)
                r = plugin_option_span("--up-limit", up, &v->up_usec, e);
        if (r == 0)
                r = plugin_option_span("--destroy-limit", down, &v->down_usec, e);
        if (r == 0)
                r = plugin_option_span("--check", check, &v->check_usec, e);
        if (r == 0)
                set_environment(v, &environment);
        return r;
}

static void stop(void *self)
{
        struct vagrant *v = self;
        if (!background_stop(v->watcher, STOP_USEC))
                return; /* it may be cut off anywhere, as by a crash */
        strings_clear(&v->environment);
        plugin_folder_close(&v->folder);
        free(v->program);
        free(v->provider);
        free(v);
}

static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct vagrant *v = xalloc(1, sizeof *v);
        const char *dir = NULL;
        (void)loop;
        *v = (struct vagrant){ .folder = { NULL, -EBADF, -EBADF }, .up_usec = 900000000, .down_usec = 300000000,
                               .check_usec = 30000000, .events = events };
        int r = read_options(v, options, &dir, e);
        if (r == 0)
                r = plugin_folder_open(dir, "instance-vagrant", &v->folder, e);
        if (r == 0) {
                machine_tidy(v);
                r = background_start(&v->watcher, v->check_usec, vagrant_watch, v, e);
        }
        if (r < 0) {
                stop(v);
                return r;
        }
        *ret_self = v;
        return 0;
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        CLEAN_PROPERTIES struct properties p = { 0 };
        (void)type;
        return properties_read(properties, ((struct vagrant *)self)->allow_vagrantfile, &p, e);
}

static const struct instance_plugin plugin = {
        .name = "vagrant",
        .version = BULKHEAD_VERSION,
        .summary = "machines of Vagrant, a folder each",
        .concurrent = true,
        .start = start,
        .stop = stop,
        .validate = validate,
        .provision = vagrant_provision,
        .label = vagrant_label,
        .destroy = vagrant_destroy,
        .describe = vagrant_describe,
};

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --dir DIR             the folder of machines, default instance-vagrant in $BULKHEAD_STATE_DIR\n"
        "  --vagrant PATH        the program, default /usr/bin/vagrant\n"
        "  --provider NAME       the provider of Vagrant, default its own choice\n"
        "  --environment NAME    a variable of ours that vagrant gets as well; may be given again\n"
        "  --allow-vagrantfile   documents may hold a whole Vagrantfile, which is a program\n"
        "  --up-limit TIME       how long vagrant up may take, default 15min\n"
        "  --destroy-limit TIME  how long vagrant destroy may take, default 5min\n"
        "  --check TIME          how often the plugin looks by itself, default 30s\n";

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-vagrant", .instance = &plugin, .options = own_options };
        return plugin_main(&program, argc, argv);
}
