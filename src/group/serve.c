/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "group/discovery.h"
#include "group/plugin_rpc.h"
#include "group/serve.h"
#include "os/file.h"

enum { EXIT_USAGE = 2 };

struct options {
        char *name, *folder, *path;
        struct strings others;
        bool help;
};

static void options_done(struct options *o)
{
        free(o->name);
        free(o->folder);
        free(o->path);
        strings_clear(&o->others);
}

/* Events that go to the server from whatever thread. */
struct event_job {
        struct loop_job job;
        struct serve *to;
        enum instance_change change;
        char *type, *id, *data;
};

struct serve {
        const struct plugin_program *program;
        struct options options;
        struct loop *loop;
        struct rpc_server *server;
        struct instance_events events;
        struct instance_service instance;
        struct flavor_service flavor;
        bool ending;
};

/* ---- events ---- */

static void publish(struct loop_job *j)
{
        static const char *const words[] = { [INSTANCE_APPEARED] = "appeared", [INSTANCE_CHANGED] = "changed", [INSTANCE_VANISHED] = "vanished" };
        struct event_job *event = LOOP_OWNER(j, struct event_job, job);
        rpc_server_publish(event->to->server, "instances", words[event->change], event->id, NULL, event->data);
        free(event->type);
        free(event->id);
        free(event->data);
        free(event);
}

static void notify(struct instance_events *to, enum instance_change change, const char *type, const char *id, const struct tags *tags)
{
        struct serve *s = LOOP_OWNER(to, struct serve, events);
        struct event_job *event = xalloc(1, sizeof *event);
        struct text t = { 0 };
        text_add(&t, "{\"Type\":");
        text_add_json(&t, type);
        text_add(&t, ",\"Tags\":");
        if (tags)
                tags_format(&t, tags);
        else
                text_add(&t, "null");
        text_add(&t, "}");
        *event = (struct event_job){ { .run = publish }, s, change, xstrdup(type), xstrdup(id), t.data };
        loop_hand_over(s->loop, &event->job);
}

/* ---- options ---- */

static const struct {
        const char *name;
        size_t offset;
} option_rows[] = {
        { "--name", offsetof(struct options, name) },
        { "--plugins", offsetof(struct options, folder) },
        { "--listen", offsetof(struct options, path) },
};

/* Takes one of ours, as "--name VALUE" or "--name=VALUE": how many words it was, 0 for another's, -EINVAL without a value. */
static int take_option(struct options *o, char **argv, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(option_rows); i++) {
                size_t n = strlen(option_rows[i].name);
                char **into = (char **)((char *)o + option_rows[i].offset);
                if (strncmp(argv[0], option_rows[i].name, n) || (argv[0][n] && argv[0][n] != '='))
                        continue;
                const char *value = argv[0][n] ? argv[0] + n + 1 : argv[1];
                if (!value)
                        return error_set(e, EINVAL, "plugin.option", "%s needs a value", option_rows[i].name);
                free(*into);
                *into = xstrdup(value);
                return argv[0][n] ? 1 : 2;
        }
        return 0;
}

static int read_options(struct options *o, char **argv, struct error *e)
{
        for (argv++; *argv;) {
                int n = take_option(o, argv, e);
                if (n < 0)
                        return n;
                o->help = o->help || text_equal(*argv, "--help");
                if (n == 0)
                        strings_add(&o->others, *argv);
                argv += n ? n : 1;
        }
        return 0;
}

static const char *default_name(const struct plugin_program *p)
{
        return p->instance ? p->instance->name : p->flavor->name;
}

static int settle_options(struct options *o, const struct plugin_program *p, struct error *e)
{
        if (!o->name)
                o->name = xstrdup(default_name(p));
        if (!plugin_name_valid(o->name))
                return error_set(e, EINVAL, "plugin.name", "\"%.80s\" is no name of a plugin", o->name);
        if (o->path)
                return 0;
        if (!o->folder)
                o->folder = plugins_folder();
        o->path = xprintf("%s/%s", o->folder, o->name);
        return plugins_folder_make(o->folder, e);
}

static int show_help(const struct plugin_program *p)
{
        const char *summary = p->instance ? p->instance->summary : p->flavor->summary;
        (void)printf("Usage: %s [--name NAME] [--plugins DIR] [--listen PATH] [OPTION...]\n%s\n\n"
                     "  --name NAME      the plugin's name, default %s\n"
                     "  --plugins DIR    the folder of plugins, default $BULKHEAD_PLUGINS_DIR, $INFRAKIT_PLUGINS_DIR,\n"
                     "                   or plugins in the runtime folder\n"
                     "  --listen PATH    the socket, default DIR/NAME\n"
                     "  --help           this text\n"
                     "%s%s",
                     p->name, summary, default_name(p), p->options ? "\n" : "", p->options ? p->options : "");
        return 0;
}

/* ---- life ---- */

static void ended(void *context)
{
        loop_stop(context, 0);
}

static void take_signal(void *context, int number)
{
        struct serve *s = context;
        (void)number;
        if (s->ending) /* a second one does not wait for calls in hand */
                loop_stop(s->loop, 0);
        s->ending = true;
        rpc_server_drain(s->server, ended, s->loop);
}

static int start_providers(struct serve *s, struct error *e)
{
        const struct plugin_program *p = s->program;
        s->events.notify = notify;
        s->instance = (struct instance_service){ p->instance, NULL, &s->events };
        s->flavor = (struct flavor_service){ p->flavor, NULL };
        int r = 0;
        if (p->instance && p->instance->start)
                r = p->instance->start(s->loop, &s->events, &s->options.others, &s->instance.self, e);
        if (r == 0 && p->flavor && p->flavor->start)
                r = p->flavor->start(s->loop, &s->options.others, &s->flavor.self, e);
        if (r == 0 && p->instance)
                instance_rpc_add(s->server, &s->instance);
        if (r == 0 && p->flavor)
                flavor_rpc_add(s->server, &s->flavor);
        return r;
}

static void stop_providers(struct serve *s)
{
        if (s->program->instance && s->program->instance->stop && s->instance.self)
                s->program->instance->stop(s->instance.self);
        if (s->program->flavor && s->program->flavor->stop && s->flavor.self)
                s->program->flavor->stop(s->flavor.self);
}

static int serve(struct serve *s, struct error *e)
{
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
        int r = loop_open(&s->loop, e);
        if (r == 0)
                r = loop_signals(s->loop, signals, ELEMENTS(signals), take_signal, s, e);
        if (r < 0)
                return r;
        s->server = rpc_server_new(s->loop, s->options.name, BULKHEAD_VERSION);
        r = start_providers(s, e);
        if (r == 0)
                r = rpc_server_listen(s->server, s->options.path, 0600, e);
        if (r == 0) {
                plugin_write_pid(s->options.path);
                r = loop_run(s->loop);
                plugin_remove_pid(s->options.path);
        }
        return r;
}

static void serve_done(struct serve *s)
{
        rpc_server_free(s->server);
        stop_providers(s);
        loop_close(s->loop);
        options_done(&s->options);
}

int plugin_main(const struct plugin_program *p, int argc, char **argv)
{
        CLEAN(serve_done) struct serve s = { .program = p };
        struct error e = { 0 };
        (void)argc;
        (void)signal(SIGPIPE, SIG_IGN);
        int r = read_options(&s.options, argv, &e);
        if (r == 0 && s.options.help)
                return show_help(p);
        if (r == 0)
                r = settle_options(&s.options, p, &e);
        if (r < 0) {
                error_print(stderr, p->name, "cannot start", &e);
                return EXIT_USAGE;
        }
        r = serve(&s, &e);
        if (r < 0)
                error_print(stderr, p->name, "cannot serve", &e);
        return r < 0 ? EXIT_FAILURE : r;
}
