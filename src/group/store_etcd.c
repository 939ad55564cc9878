/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/store_etcd.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"

static struct store_etcd *of(struct store *s)
{
        return (struct store_etcd *)s;
}

void store_etcd_trouble(struct store_etcd *s, const struct error *why)
{
        struct store_listener *l = s->base.listener;
        bool troubled = why != NULL;
        if (troubled == s->troubled)
                return;
        s->troubled = troubled;
        if (l->trouble)
                l->trouble(l, why);
}

/* ---- leading ---- */

/* Leads no more, towards the controller; the election may go on. */
static void end_leading(struct store_etcd *s, const struct error *why)
{
        struct store_listener *l = s->base.listener;
        bool led = s->leads;
        s->leads = false;
        store_etcd_drop_load(s);
        store_etcd_prune_stop(s);
        store_etcd_drop_writes(s, why);
        store_etcd_forget_groups(s);
        if (led && l->lost)
                l->lost(l, why);
}

static void set_leader(struct store_etcd *s, const char *address)
{
        struct store_listener *l = s->base.listener;
        if (s->leader == address || (s->leader && address && text_equal(s->leader, address)))
                return;
        free(s->leader);
        s->leader = address ? xstrdup(address) : NULL;
        if (l->leader)
                l->leader(l, s->leader);
}

static void on_won(struct etcd_election *e, uint64_t fence)
{
        struct store_etcd *s = LOOP_OWNER(e, struct store_etcd, election);
        (void)fence;
        set_leader(s, s->own_address);
        store_etcd_load(s, 0);
}

static void finish_stop(struct store_etcd *s)
{
        s->stopping = false;
        store_finish(s->stopped, s->stopped_self, NULL);
}

static void on_lost(struct etcd_election *e, const struct error *why)
{
        struct store_etcd *s = LOOP_OWNER(e, struct store_etcd, election);
        set_leader(s, NULL);
        end_leading(s, why);
        if (s->stopping)
                etcd_election_resign(e);
}

static void on_other(struct etcd_election *e, const struct text *value)
{
        struct store_etcd *s = LOOP_OWNER(e, struct store_etcd, election);
        struct etcd_leader leader = { 0 };
        if (value && etcd_read_leader(s->leader_key, value, &leader, NULL) >= 0)
                set_leader(s, leader.address ? leader.address : "");
        else
                set_leader(s, NULL);
        etcd_leader_done(&leader);
}

static void on_election_trouble(struct etcd_election *e, const struct error *why)
{
        store_etcd_trouble(LOOP_OWNER(e, struct store_etcd, election), why);
}

static void on_resigned(struct etcd_election *e)
{
        struct store_etcd *s = LOOP_OWNER(e, struct store_etcd, election);
        set_leader(s, NULL);
        if (s->stopping)
                finish_stop(s);
}

void store_etcd_give_up(struct store_etcd *s, const struct error *why)
{
        if (why->code != -ENOTRECOVERABLE) {
                etcd_election_give_up(&s->election, why);
                return;
        }
        /* Others may be able to. */
        struct store_listener *l = s->base.listener;
        bool led = s->leads;
        end_leading(s, why);
        etcd_election_resign(&s->election);
        if (!led && l->lost)
                l->lost(l, why);
}

/* The controller is told first, so that what it has in hand is written and nothing is added; then all is read again. */
void store_etcd_reload(struct store_etcd *s, const struct error *why, uint64_t wait_usec)
{
        struct store_listener *l = s->base.listener;
        if (!s->leads)
                return;
        s->leads = false;
        store_etcd_prune_stop(s);
        if (l->lost)
                l->lost(l, why);
        store_etcd_load(s, wait_usec);
}

void store_etcd_drained(struct store_etcd *s)
{
        if (s->stopping)
                etcd_election_resign(&s->election);
}

/* ---- watching ---- */

static void watch_later(struct store_etcd *s)
{
        loop_timer_set(s->loop, &s->watch_timer, loop_now_usec(s->loop) + etcd_backoff_usec(s->watch_failures++, 2000000));
}

/* Somebody changed a group who is not the leader that we are. */
static void look_at_group(struct store_etcd *s, const struct etcd_change *c)
{
        CLEAN_FREE char *id = etcd_group_of_key(s->address.prefix, "groups", c->kv.key);
        struct etcd_head head = { 0 };
        struct error why = { 0 };
        if (!id || !s->leads || c->kv.modified <= s->election.fence)
                return;
        /* A group that we forgot ourselves is not known any more; one that was made again meanwhile is read once too often. */
        if (c->deleted ? !store_etcd_find(s, id)
                       : etcd_read_head(c->kv.key, &c->kv.value, &head, NULL) >= 0 && head.writer == s->election.fence)
                return;
        (void)error_set(&why, ESTALE, "store.lost", "group \"%s\" was changed in etcd by somebody else", id);
        store_etcd_reload(s, &why, 0);
}

static void look_at_change(struct store_etcd *s, const struct etcd_change *c)
{
        if (text_equal(c->kv.key, s->leader_key))
                etcd_election_changed(&s->election, c->deleted, &c->kv);
        else
                look_at_group(s, c);
}

/* Changes are gone that we never saw. */
static void missed_changes(struct store_etcd *s, uint64_t compacted)
{
        struct error why = { 0 };
        (void)error_set(&why, ESTALE, "store.lost", "etcd dropped changes that were not seen yet (compaction)");
        s->seen = compacted ? compacted - 1 : 0;
        store_etcd_reload(s, &why, 0);
}

/* etcd ends a watch with words that name the code of gRPC. What it says of a token holds for all lanes; what we may not read, the election tells. */
static void watch_refused(struct store_etcd *s, const struct etcd_watch_reply *reply)
{
        if (reply->compacted)
                missed_changes(s, reply->compacted);
        else if (s->client.auth && reply->reason && strstr(reply->reason, "auth"))
                etcd_auth_spent(s->client.auth, s->watching.token);
}

static void on_watch_line(struct etcd_call *call, const char *line, size_t size)
{
        struct store_etcd *s = LOOP_OWNER(call, struct store_etcd, watch);
        CLEAN_ETCD_WATCH_REPLY struct etcd_watch_reply reply = { 0 };
        struct error e = { 0 };
        if (etcd_read_watch(line, size, &reply, &e) < 0) {
                store_etcd_trouble(s, &e);
                etcd_lane_reset(&s->watching);
                watch_later(s);
                return;
        }
        if (reply.canceled || reply.compacted) {
                watch_refused(s, &reply);
                etcd_lane_reset(&s->watching);
                watch_later(s);
                return;
        }
        s->watch_failures = 0;
        for (size_t i = 0; i < reply.count; i++)
                look_at_change(s, &reply.changes[i]);
        if (reply.count && reply.revision > s->seen)
                s->seen = reply.revision;
}

static void on_watch_end(struct etcd_call *call, struct etcd_reply *reply, const struct error *e)
{
        struct store_etcd *s = LOOP_OWNER(call, struct store_etcd, watch);
        (void)reply;
        (void)e; /* the election tells of an etcd that cannot be reached */
        watch_later(s);
}

static void start_watch(struct loop_timer *t)
{
        struct store_etcd *s = LOOP_OWNER(t, struct store_etcd, watch_timer);
        if (s->watch.in_hand || !s->seen)
                return;
        CLEAN_FREE char *end = etcd_prefix_end(s->leader_key);
        text_clear(&s->watch.body);
        etcd_watch_request(&s->watch.body, s->groups_key, end, s->seen + 1);
        etcd_lane_call(&s->watching, &s->watch);
}

/* The first answer says from where on to watch. */
static void on_seen(struct etcd_election *e, uint64_t revision)
{
        struct store_etcd *s = LOOP_OWNER(e, struct store_etcd, election);
        if (s->seen)
                return;
        s->seen = revision;
        loop_timer_set(s->loop, &s->watch_timer, loop_now_usec(s->loop));
}

/* ---- life ---- */

static int etcd_start(struct store *base, struct error *e)
{
        (void)e;
        etcd_election_start(&of(base)->election);
        return 0;
}

static void etcd_stop(struct store *base, store_done done, void *self)
{
        struct store_etcd *s = of(base);
        s->stopped = done;
        s->stopped_self = self;
        s->stopping = true;
        s->leads = false;
        store_etcd_drop_load(s);
        store_etcd_prune_stop(s);
        if (!s->first)
                etcd_election_resign(&s->election);
}

static bool etcd_leads(struct store *base)
{
        struct store_etcd *s = of(base);
        return s->leads && etcd_election_leads(&s->election);
}

static const char *etcd_leader(struct store *base)
{
        return of(base)->leader;
}

static void etcd_close(struct store *base)
{
        struct store_etcd *s = of(base);
        struct error why = { 0 };
        (void)error_set(&why, ECANCELED, "store.lost", "the store is closed");
        s->leads = false;
        loop_timer_clear(s->loop, &s->watch_timer);
        store_etcd_drop_load(s);
        store_etcd_prune_stop(s);
        store_etcd_drop_writes(s, &why);
        store_etcd_drop_reads(s, &why);
        store_etcd_write_done(s);
        store_etcd_forget_groups(s);
        etcd_election_done(&s->election);
        etcd_lane_reset(&s->writes);
        etcd_lane_reset(&s->reads);
        etcd_lane_reset(&s->watching);
        if (s->client.auth)
                etcd_auth_done(&s->auth);
        etcd_client_done(&s->client);
        text_clear(&s->watch.body);
        text_clear(&s->prune.body);
        store_address_done(&s->address);
        char *const words[] = { s->name, s->own_address, s->ca,          s->certificate, s->key,
                                s->tls_program, s->user, s->password_file, s->leader_key, s->version_key, s->groups_key,  s->leader };
        for (size_t i = 0; i < ELEMENTS(words); i++)
                free(words[i]);
        free(s->groups);
        free(s);
}

static const struct store_backend backend = {
        .start = etcd_start, .stop = etcd_stop, .close = etcd_close, .leads = etcd_leads, .leader = etcd_leader,
        .write = store_etcd_write, .history = store_etcd_history, .events = store_etcd_events, .audits = store_etcd_audits,
};

static char *copy(const char *s)
{
        return s ? xstrdup(s) : NULL;
}

static char *default_name(void)
{
        char host[HOST_NAME_MAX + 1] = "";
        (void)gethostname(host, sizeof host - 1);
        return xprintf("%s:%d", host, getpid());
}

/* Whoever can read the key can be us. */
static int check_files(const struct store_options *o, const struct store_address *a, struct error *e)
{
        if (!a->tls && (o->ca || o->certificate || o->key))
                return error_set(e, EINVAL, "store.address", "certificates are for etcds://");
        if (!o->certificate != !o->key)
                return error_set(e, EINVAL, "store.address", "a certificate and its key come together");
        struct stat st;
        if (!o->key)
                return 0;
        if (stat(o->key, &st) < 0)
                return error_errno(e, errno, "store.address", "%s", o->key);
        if (st.st_mode & 007)
                return error_set(e, EPERM, "store.address", "%s can be read by everybody", o->key);
        return 0;
}

/* The password is read to see now whether it can be; it is read again for each login. */
static int check_user(const struct store_options *o, struct error *e)
{
        CLEAN_SECRET char *password = NULL;
        if (!o->user != !o->password_file)
                return error_set(e, EINVAL, "store.address", "a user of etcd and the file of its password come together");
        if (!o->user)
                return 0;
        if (!*o->user || strlen(o->user) > STORE_USER_MAX)
                return error_set(e, EINVAL, "store.address", "the name of a user of etcd has 1 to %d bytes", STORE_USER_MAX);
        return etcd_password_read(o->password_file, &password, e);
}

static int check_options(const struct store_options *o, const struct store_address *a, struct error *e)
{
        if (o->lease_s && (o->lease_s < STORE_LEASE_MIN_S || o->lease_s > STORE_LEASE_MAX_S))
                return error_set(e, ERANGE, "store.address", "a lease lasts %d to %d seconds", STORE_LEASE_MIN_S, STORE_LEASE_MAX_S);
        int r = check_files(o, a, e);
        return r < 0 ? r : check_user(o, e);
}

static void describe(struct store_etcd *s)
{
        struct text t = { 0 };
        text_addf(&t, "etcd%s ", s->address.tls ? " with TLS" : "");
        for (size_t i = 0; i < s->address.count; i++) {
                text_add(&t, i ? "," : "");
                store_endpoint_format(&t, &s->address.endpoints[i]);
        }
        text_addf(&t, " below %s", s->address.prefix);
        s->base.words = t.data;
}

static void init_election(struct store_etcd *s, uint32_t lease_s)
{
        s->election = (struct etcd_election){
                .client = &s->client,
                .key = s->leader_key,
                .lease_s = lease_s ? lease_s : STORE_LEASE_S,
                .won = on_won,
                .lost = on_lost,
                .other = on_other,
                .seen = on_seen,
                .trouble = on_election_trouble,
                .resigned = on_resigned,
        };
        etcd_format_leader(&s->election.value, s->name, s->own_address);
        etcd_election_init(&s->election);
}

int store_etcd_open(struct loop *loop, const struct store_options *o, const struct store_address *a, struct store **ret, struct error *e)
{
        int r = check_options(o, a, e);
        if (r < 0)
                return r;
        struct store_etcd *s = xalloc(1, sizeof *s);
        *s = (struct store_etcd){ .base = { .backend = &backend }, .loop = loop };
        s->address = *a;
        s->address.prefix = xstrdup(a->prefix);
        for (size_t i = 0; i < a->count; i++)
                s->address.endpoints[i].host = xstrdup(a->endpoints[i].host);
        s->name = o->name ? xstrdup(o->name) : default_name();
        s->own_address = xstrdup(o->address ? o->address : "");
        s->ca = copy(o->ca);
        s->certificate = copy(o->certificate);
        s->key = copy(o->key);
        s->tls_program = copy(o->tls_program);
        s->user = copy(o->user);
        s->password_file = copy(o->password_file);
        s->leader_key = etcd_key(s->address.prefix, "leader");
        s->version_key = etcd_key(s->address.prefix, "version");
        s->groups_key = etcd_key(s->address.prefix, "groups/");
        s->client = (struct etcd_client){ .loop = loop, .address = &s->address, .ca = s->ca, .certificate = s->certificate, .key = s->key,
                                          .tls_program = s->tls_program };
        if (s->user) {
                s->auth = (struct etcd_auth){ .client = &s->client, .user = s->user, .password_file = s->password_file };
                etcd_auth_init(&s->auth);
                s->client.auth = &s->auth;
        }
        etcd_lane_init(&s->writes, &s->client);
        etcd_lane_init(&s->reads, &s->client);
        etcd_lane_init(&s->watching, &s->client);
        s->watch = (struct etcd_call){ .path = "/v3/watch", .timeout_usec = 5000000, .done = on_watch_end, .line = on_watch_line };
        s->watch_timer.elapsed = start_watch;
        store_etcd_write_init(s);
        store_etcd_load_init(s);
        store_etcd_prune_init(s);
        init_election(s, o->lease_s);
        describe(s);
        *ret = &s->base;
        return 0;
}
