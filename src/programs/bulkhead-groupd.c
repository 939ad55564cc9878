/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The controller of groups as a program: options, socket, who may do what, what is written down about it. */
#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "group/discovery.h"
#include "group/group_rpc.h"
#include "group/roles.h"
#include "os/account.h"
#include "os/file.h"

enum { EXIT_USAGE = 2, PARAMS_KEPT = 512 };

struct options {
        char *name, *folder, *path;
        const char *socket_group;
        struct controller_options controller;
        char *store;
        struct roles roles;
};

struct groupd {
        struct options o;
        struct loop *loop;
        struct rpc_server *server;
        struct controller *controller;
        bool ending;
};

/* ---- options ---- */

enum { KEY_NAME = 0x100, KEY_PLUGINS, KEY_LISTEN, KEY_STORE, KEY_POLL, KEY_GROUP, KEY_VIEW, KEY_OPERATE, KEY_ADMIN, KEY_PLAIN, KEY_CA, KEY_CERTIFICATE,
       KEY_KEY, KEY_USER, KEY_PASSWORD, KEY_ADDRESS, KEY_LEASE, KEY_TLS };

static const struct argp_option argp_options[] = {
        { "name", KEY_NAME, "NAME", 0, "The plugin's name, default \"group\"", 0 },
        { "plugins", KEY_PLUGINS, "DIR", 0, "The folder of plugins, default $BULKHEAD_PLUGINS_DIR, $INFRAKIT_PLUGINS_DIR or plugins in the runtime folder", 0 },
        { "listen", KEY_LISTEN, "PATH", 0, "The socket, default DIR/NAME", 0 },
        { "store", KEY_STORE, "WHERE", 0, "PATH of a database, or etcd://HOST:PORT[,HOST:PORT...][/PREFIX], or etcds:// with TLS", 0 },
        { "poll", KEY_POLL, "DURATION", 0, "How often instances are listed whose plugin does not tell of changes, default 10s", 0 },
        { "socket-group", KEY_GROUP, "GROUP", 0, "The group may connect, too: mode 0660", 0 },
        { "view", KEY_VIEW, "USER|@GROUP", 0, "May look (any number of times)", 0 },
        { "operate", KEY_OPERATE, "USER|@GROUP", 0, "May commit, scale, pause and destroy instances, too", 0 },
        { "admin", KEY_ADMIN, "USER|@GROUP", 0, "May destroy groups and read the audit log, too", 0 },
        { "address", KEY_ADDRESS, "WORDS", 0, "What other controllers tell who asks them while this one leads", 0 },
        { "lease", KEY_LEASE, "SECONDS", 0, "How long an etcd waits for a silent leader, default 10", 0 },
        { "etcd-plain", KEY_PLAIN, NULL, 0, "Allow etcd:// to other hosts: whoever is on the network can read and change everything", 0 },
        { "etcd-ca", KEY_CA, "FILE", 0, "Certificates that etcds:// is checked with", 0 },
        { "etcd-certificate", KEY_CERTIFICATE, "FILE", 0, "Our certificate for etcds://", 0 },
        { "etcd-key", KEY_KEY, "FILE", 0, "Its key", 0 },
        { "etcd-user", KEY_USER, "NAME", 0, "Our user, for an etcd that asks for one", 0 },
        { "etcd-password-file", KEY_PASSWORD, "FILE", 0, "Its password: a path, or a name in $CREDENTIALS_DIRECTORY", 0 },
        { "tls-program", KEY_TLS, "PATH", OPTION_HIDDEN, "bulkhead-tls", 0 },
        { 0 },
};

static void refuse(struct argp_state *state, const struct error *e)
{
        error_print(stderr, "bulkhead-groupd", "cannot start", e);
        (void)state;
        exit(EXIT_USAGE);
}

static void add_role(struct argp_state *state, struct options *o, enum rpc_role role, const char *who)
{
        struct error e = { 0 };
        if (roles_add(&o->roles, role, who, &e) < 0)
                refuse(state, &e);
}

static void set(char **into, const char *value)
{
        free(*into);
        *into = xstrdup(value);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
        struct options *o = state->input;
        uint64_t number;
        switch (key) {
        case KEY_NAME: set(&o->name, arg); return 0;
        case KEY_PLUGINS: set(&o->folder, arg); return 0;
        case KEY_LISTEN: set(&o->path, arg); return 0;
        case KEY_STORE: set(&o->store, arg); return 0;
        case KEY_POLL:
                if (duration_parse(arg, &o->controller.poll_usec) < 0 || o->controller.poll_usec < 1000)
                        argp_error(state, "--poll=%s is no duration such as 10s", arg);
                return 0;
        case KEY_GROUP: o->socket_group = arg; return 0;
        case KEY_VIEW: add_role(state, o, RPC_VIEW, arg); return 0;
        case KEY_OPERATE: add_role(state, o, RPC_OPERATE, arg); return 0;
        case KEY_ADMIN: add_role(state, o, RPC_ADMIN, arg); return 0;
        case KEY_ADDRESS: o->controller.store.address = arg; return 0;
        case KEY_LEASE:
                if (text_parse_uint(arg, STORE_LEASE_MAX_S, &number) < 0 || number < STORE_LEASE_MIN_S)
                        argp_error(state, "--lease=%s is not from %d to %d", arg, STORE_LEASE_MIN_S, STORE_LEASE_MAX_S);
                o->controller.store.lease_s = (uint32_t)number;
                return 0;
        case KEY_PLAIN: o->controller.store.plain = true; return 0;
        case KEY_CA: o->controller.store.ca = arg; return 0;
        case KEY_CERTIFICATE: o->controller.store.certificate = arg; return 0;
        case KEY_KEY: o->controller.store.key = arg; return 0;
        case KEY_USER: o->controller.store.user = arg; return 0;
        case KEY_PASSWORD: o->controller.store.password_file = arg; return 0;
        case KEY_TLS: o->controller.store.tls_program = arg; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

/*
 * Where the state is when nothing is said: beside the plugins where their folder was chosen, so that controllers of different folders share
 * nothing; else where state lasts.
 */
static char *default_store(const struct options *o)
{
        const char *own = getenv("BULKHEAD_PLUGINS_DIR"), *infrakit = getenv("INFRAKIT_PLUGINS_DIR");
        CLEAN_ACCOUNT struct account a = { 0 };
        CLEAN_FREE char *uid = xprintf("%u", geteuid());
        if (o->folder || (own && *own) || (infrakit && *infrakit)) {
                CLEAN_FREE char *folder = o->folder ? xstrdup(o->folder) : plugins_folder();
                return xprintf("%s/.state/%s.db", folder, o->name);
        }
        if (geteuid() == 0 || account_find(uid, &a) < 0)
                return xprintf("/var/lib/bulkhead/groups/%s.db", o->name);
        CLEAN_FREE char *state = account_folder(&a, USER_STATE);
        return xprintf("%s/bulkhead/groups/%s.db", state, o->name);
}

static uint64_t poll_of_environment(void)
{
        const char *s = getenv("INFRAKIT_GROUP_POLL_INTERVAL");
        uint64_t usec;
        return s && duration_parse(s, &usec) == 0 && usec >= 1000 ? usec : 0;
}

static int settle_options(struct options *o, struct error *e)
{
        if (!o->name)
                o->name = xstrdup("group");
        if (!plugin_name_valid(o->name))
                return error_set(e, EINVAL, "plugin.name", "\"%.80s\" is no name of a plugin", o->name);
        if (!o->store)
                o->store = default_store(o);
        if (!o->folder)
                o->folder = plugins_folder();
        if (!o->path)
                o->path = xprintf("%s/%s", o->folder, o->name);
        if (!o->controller.poll_usec)
                o->controller.poll_usec = poll_of_environment();
        o->controller.folder = o->folder;
        o->controller.store.where = o->store;
        if (!o->controller.store.address)
                o->controller.store.address = o->path;
        return plugins_folder_make(o->folder, e);
}

static void options_done(struct options *o)
{
        free(o->name);
        free(o->folder);
        free(o->path);
        free(o->store);
        roles_done(&o->roles);
}

/* ---- who may, and what was done ---- */

static int allow(void *context, const struct rpc_peer *peer, enum rpc_role role, const char *interface, const char *method, struct error *e)
{
        const struct groupd *d = context;
        (void)interface, (void)method;
        return roles_check(&d->o.roles, peer, role, e);
}

/* The group that a call is about, and why it was made. The document itself is in the history, not here. */
static void read_object(const char *params, char **ret_object, char **ret_reason)
{
        CLEAN_JSON struct json_document d = { 0 };
        const struct json_node *id = NULL, *reason = NULL;
        if (*params && json_parse("params", params, strlen(params), &d, NULL) == 0) {
                const struct json_node *spec = json_member(d.nodes, "Spec");
                id = json_member(spec ? spec : d.nodes, "ID");
                reason = json_member(d.nodes, "Reason");
        }
        *ret_object = xstrdup(id && id->type == JSON_STRING ? id->text : "");
        *ret_reason = reason && reason->type == JSON_STRING ? xstrdup(reason->text) : NULL;
}

static void write_down(void *context, const struct rpc_peer *peer, enum rpc_role role, const char *interface, const char *method, const char *params,
                       const struct error *failure)
{
        struct groupd *d = context;
        CLEAN_STORE_BATCH struct store_batch b = { 0 };
        CLEAN_FREE char *object = NULL, *reason = NULL, *words = xprintf("%s.%s", interface, method);
        CLEAN_FREE char *outcome = failure ? xprintf("%s: %s", failure->id, failure->cause) : xstrdup("ok");
        char actor[64];
        bool refused = failure && text_equal(failure->id, "rpc.forbidden");
        if (role == RPC_VIEW && !refused)
                return;
        read_object(params, &object, &reason);
        actor_name(peer, actor);
        batch_audit(&b, &(struct store_audit){ .uid = peer->uid, .pid = peer->pid, .actor = actor, .role = (char *)(uintptr_t)role_name(role), .method = words,
                                               .object = object, .reason = reason, .outcome = outcome });
        if (store_leads(controller_store(d->controller)))
                store_write(controller_store(d->controller), &b, STORE_SOON, NULL, NULL);
}

/* ---- life ---- */

static void stopped(void *self, const struct error *e)
{
        struct groupd *d = self;
        (void)e;
        loop_stop(d->loop, 0);
}

static void drained(void *context)
{
        struct groupd *d = context;
        controller_stop(d->controller, stopped, d);
}

static void take_signal(void *context, int number)
{
        struct groupd *d = context;
        (void)number;
        if (d->ending)
                loop_stop(d->loop, 0);
        d->ending = true;
        rpc_server_drain(d->server, drained, d);
}

static int open_socket(struct groupd *d, struct error *e)
{
        gid_t gid = 0;
        if (d->o.socket_group && account_find_group(d->o.socket_group, &gid) < 0)
                return error_set(e, ENOENT, "role.unknown", "there is no group \"%.64s\"", d->o.socket_group);
        int r = rpc_server_listen(d->server, d->o.path, d->o.socket_group ? 0660 : 0600, e);
        if (r == 0 && d->o.socket_group && chown(d->o.path, (uid_t)-1, gid) < 0)
                return error_errno(e, errno, "rpc.listen", "giving %s to the group %s", d->o.path, d->o.socket_group);
        return r;
}

static int serve(struct groupd *d, struct error *e)
{
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
        int r = loop_open(&d->loop, e);
        if (r == 0)
                r = loop_signals(d->loop, signals, ELEMENTS(signals), take_signal, d, e);
        if (r < 0)
                return r;
        d->server = rpc_server_new(d->loop, d->o.name, BULKHEAD_VERSION);
        r = controller_open(d->loop, &d->o.controller, d->server, &d->controller, e);
        if (r < 0)
                return r;
        rpc_server_guard(d->server, &(struct rpc_guard){ allow, write_down, d });
        group_rpc_add(d->server, d->controller);
        fleet_rpc_add(d->server, d->controller);
        manager_rpc_add(d->server, d->controller);
        metadata_rpc_add(d->server, d->controller);
        r = open_socket(d, e);
        if (r == 0)
                r = controller_start(d->controller, e);
        if (r == 0) {
                plugin_write_pid(d->o.path);
                r = loop_run(d->loop);
                plugin_remove_pid(d->o.path);
        }
        return r;
}

static void groupd_done(struct groupd *d)
{
        rpc_server_free(d->server);
        controller_close(d->controller);
        loop_close(d->loop);
        options_done(&d->o);
}

int main(int argc, char **argv)
{
        static const struct argp argp = { argp_options, parse_option, NULL,
                                          "Controls groups of instances: see bulkhead(1). It listens as a plugin, and ends at SIGTERM.", NULL, NULL, NULL };
        CLEAN(groupd_done) struct groupd d = { 0 };
        struct error e = { 0 };
        (void)signal(SIGPIPE, SIG_IGN);
        argp_err_exit_status = EXIT_USAGE;
        (void)argp_parse(&argp, argc, argv, 0, NULL, &d.o);
        int r = settle_options(&d.o, &e);
        if (r == 0)
                r = serve(&d, &e);
        if (r < 0)
                error_print(stderr, "bulkhead-groupd", "cannot control groups", &e);
        return r < 0 ? EXIT_FAILURE : r;
}
