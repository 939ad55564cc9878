/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "group/serve.h"
#include "ssh.h"

/* A socket's path may have 107 bytes; "/c/", 16 digits, and ssh's own ".16 letters" while it is made. */
enum { MULTIPLEX_PATH_MAX = 107 - 3 - 16 - 18, STOP_USEC = 3000000 };

static void set_environment(struct ssh *s, const struct strings *more)
{
        const char *home = getenv("HOME");
        strings_add(&s->environment, "PATH=/usr/local/bin:/usr/bin:/bin");
        strings_add(&s->environment, "LANG=C.UTF-8");
        if (home)
                strings_take(&s->environment, xprintf("HOME=%s", home));
        for (size_t i = 0; i < more->count; i++) {
                const char *value = getenv(more->items[i]);
                if (value)
                        strings_take(&s->environment, xprintf("%s=%s", more->items[i], value));
        }
}

static int read_options(struct ssh *s, const struct strings *words, const char **ret_dir, struct error *e)
{
        CLEAN_STRINGS struct strings environment = { 0 };
        const char *program = "/usr/bin/ssh", *identity = NULL, *check = NULL;
        const struct plugin_option table[] = {
                { "--dir", .value = ret_dir },
                { "--ssh", .value = &program },
                { "--identity", .value = &identity },
                { "--environment", .all = &environment },
                { "--check", .value = &check },
                { 0 },
        };
        int r = plugin_options(words, table, e);
        if (r == 0)
                r = plugin_option_span("--check", check, &s->check_usec, e);
        if (r < 0)
                return r;
        if (identity && *identity != '/')
                return error_set(e, EINVAL, "plugin.option", "--identity is the absolute path of a private key: %s", identity);
        s->program = xstrdup(program);
        s->identity = identity ? xstrdup(identity) : NULL;
        set_environment(s, &environment);
        return 0;
}

static int open_folders(struct ssh *s, const char *dir, struct error *e)
{
        int r = plugin_folder_open(dir, "instance-ssh", &s->folder, e);
        if (r < 0)
                return r;
        /* hosts: what is known; c: the sockets of connections that are kept open. */
        if ((mkdirat(s->folder.fd, "hosts", 0700) < 0 && errno != EEXIST) || (mkdirat(s->folder.fd, "c", 0700) < 0 && errno != EEXIST))
                return error_errno(e, errno, "ssh.state", "making folders in %s", s->folder.path);
        s->hosts_fd = openat(s->folder.fd, "hosts", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (s->hosts_fd < 0)
                return error_errno(e, errno, "ssh.state", "opening %s/hosts", s->folder.path);
        s->multiplex = strlen(s->folder.path) <= MULTIPLEX_PATH_MAX;
        return 0;
}

static void stop(void *self)
{
        struct ssh *s = self;
        if (!background_stop(s->watcher, STOP_USEC))
                return; /* it may be cut off anywhere, as by a crash */
        if (s->watcher)
                remote_hang_up(s);
        strings_clear(&s->environment);
        strings_clear(&s->busy);
        strings_clear(&s->doubtful);
        s->hosts_fd = fd_close(s->hosts_fd);
        plugin_folder_close(&s->folder);
        for (int i = 0; i < LANES; i++)
                (void)pthread_mutex_destroy(s->lanes + i);
        (void)pthread_mutex_destroy(&s->lock);
        (void)pthread_cond_destroy(&s->given_back);
        free(s->program);
        free(s->identity);
        free(s);
}

static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct ssh *s = xalloc(1, sizeof *s);
        const char *dir = NULL;
        (void)loop;
        *s = (struct ssh){ .folder = { NULL, -EBADF, -EBADF }, .hosts_fd = -EBADF, .check_usec = 10000000, .events = events };
        pthread_condattr_t attributes;
        (void)pthread_mutex_init(&s->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&s->given_back, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        for (int i = 0; i < LANES; i++)
                (void)pthread_mutex_init(s->lanes + i, NULL);
        int r = read_options(s, options, &dir, e);
        if (r == 0)
                r = open_folders(s, dir, e);
        if (r == 0)
                r = background_start(&s->watcher, s->check_usec, ssh_watch, s, e);
        if (r < 0) {
                stop(s);
                return r;
        }
        *ret_self = s;
        return 0;
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        CLEAN_POOL struct pool p = { 0 };
        (void)self;
        (void)type;
        return pool_read(properties, &p, e);
}

static const struct instance_plugin plugin = {
        .name = "ssh",
        .version = BULKHEAD_VERSION,
        .summary = "given hosts, taken into use over OpenSSH",
        .concurrent = true,
        .start = start,
        .stop = stop,
        .validate = validate,
        .provision = ssh_provision,
        .label = ssh_label,
        .destroy = ssh_destroy,
        .describe = ssh_describe,
};

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --dir DIR           the folder of what is known of hosts, default instance-ssh in $BULKHEAD_STATE_DIR\n"
        "  --ssh PATH          the program, default /usr/bin/ssh\n"
        "  --identity PATH     the private key\n"
        "  --environment NAME  a variable of ours that ssh gets as well; may be given again\n"
        "  --check TIME        how often the plugin looks by itself, default 10s\n";

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-ssh", .instance = &plugin, .options = own_options };
        return plugin_main(&program, argc, argv);
}
