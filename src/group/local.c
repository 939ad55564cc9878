/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group/local.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>

#include "group/expand.h"
#include "group/local_port.h"
#include "group/local_record.h"
#include "group/observed.h"
#include "os/file.h"

struct local {
        const struct local_kind *kind;
        void *self;
        struct loop *loop;
        struct instance_events *events;
        char *path;
        int dir_fd, lock_fd;
        pthread_mutex_t lock;   /* of what follows, and of phases and tags */
        pthread_cond_t changed; /* of phases, and of who is there */
        struct local_instance **items;
        size_t count, room;
        struct local_instance *leaving; /* that are gone, and that the loop has yet to free */
        size_t cleaning;                /* threads that clean up */
};

/* ---- the table; with the lock held ---- */

static struct local_instance *find_id(struct local *l, const char *id)
{
        for (size_t i = 0; i < l->count; i++)
                if (text_equal(l->items[i]->instance.id, id))
                        return l->items[i];
        return NULL;
}

static struct local_instance *find_token(struct local *l, const char *token, uint64_t hash)
{
        for (size_t i = 0; i < l->count; i++) {
                const char *theirs = l->items[i]->token_hash == hash ? tags_get(&l->items[i]->instance.tags, TAG_TOKEN) : NULL;
                if (theirs && text_equal(theirs, token))
                        return l->items[i];
        }
        return NULL;
}

static void add(struct local *l, struct local_instance *i)
{
        l->items = xgrow(l->items, &l->room, l->count + 1, sizeof *l->items);
        l->items[l->count++] = i;
}

static void drop(struct local *l, const struct local_instance *i)
{
        for (size_t k = 0; k < l->count; k++)
                if (l->items[k] == i) {
                        l->items[k] = l->items[--l->count];
                        break;
                }
        (void)pthread_cond_broadcast(&l->changed);
}

static void set_phase(struct local_instance *i, enum local_phase phase)
{
        i->phase = phase;
        (void)pthread_cond_broadcast(&i->local->changed);
}

static void enter(struct local *l)
{
        (void)pthread_mutex_lock(&l->lock);
}

static void leave(struct local *l)
{
        (void)pthread_mutex_unlock(&l->lock);
}

/* ---- one instance ---- */

static void instance_ready(struct loop_source *s, uint32_t events);

static void watch_now(struct loop_job *j)
{
        struct local_instance *i = LOOP_OWNER(j, struct local_instance, watch);
        enter(i->local);
        i->watch_queued = false;
        leave(i->local);
        if (i->source.fd >= 0 && !i->source.watched)
                (void)loop_watch(i->local->loop, &i->source, EPOLLIN);
}

/* On the loop's thread. */
static void free_instance(struct local_instance *i)
{
        if (i->source.watched)
                loop_forget(i->local->loop, &i->source);
        (void)fd_close(i->source.fd);
        instance_done(&i->instance);
        free(i->folder);
        free(i);
}

static void gone_now(struct loop_job *j)
{
        struct local_instance *i = LOOP_OWNER(j, struct local_instance, gone);
        struct local *l = i->local;
        enter(l);
        struct local_instance **at = &l->leaving;
        while (*at != i)
                at = &(*at)->next;
        *at = i->next;
        leave(l);
        free_instance(i);
}

static struct local_instance *new_instance(struct local *l, const char *id)
{
        struct local_instance *i = xalloc(1, sizeof *i);
        i->local = l;
        i->instance.id = xstrdup(id);
        i->folder = xprintf("%s/%s", l->path, id);
        i->source = (struct loop_source){ .ready = instance_ready, .fd = -EBADF };
        i->watch.run = watch_now;
        i->gone.run = gone_now;
        return i;
}

/* With the lock held: from now on the loop tells when it ends. */
static void live(struct local_instance *i, int fd)
{
        if (fd >= 0)
                i->source.fd = fd;
        set_phase(i, LOCAL_LIVE);
        if (!i->watch_queued && i->source.fd >= 0) {
                i->watch_queued = true;
                loop_hand_over(i->local->loop, &i->watch);
        }
}

/* All of it is gone but the record: takes that away, and forgets it. The loop frees it, after all jobs that it has of it. */
static void forget(struct local_instance *i)
{
        struct local *l = i->local;
        (void)file_remove_tree(l->dir_fd, i->instance.id);
        enter(l);
        drop(l, i);
        i->next = l->leaving;
        l->leaving = i;
        loop_hand_over(l->loop, &i->gone);
        leave(l);
}

/* ---- one that ends by itself ---- */

static void *clean_up(void *data)
{
        struct local_instance *i = data;
        struct local *l = i->local;
        l->kind->clean(l->self, i);
        forget(i);
        enter(l);
        l->cleaning--;
        (void)pthread_cond_broadcast(&l->changed);
        leave(l);
        return NULL;
}

/* On a thread of its own: it may take a while until the last process is gone, and others must hear of it at once. */
static void begin_clean_up(struct local_instance *i)
{
        pthread_t thread;
        pthread_attr_t attributes;
        (void)pthread_attr_init(&attributes);
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (pthread_create(&thread, &attributes, clean_up, i) != 0)
                (void)clean_up(i);
        (void)pthread_attr_destroy(&attributes);
}

static void instance_ready(struct loop_source *s, uint32_t events)
{
        struct local_instance *i = LOOP_OWNER(s, struct local_instance, source);
        struct local *l = i->local;
        CLEAN_TAGS struct tags tags = { 0 };
        (void)events;
        if (!l->kind->ended(l->self, i, s->fd))
                return;
        loop_forget(l->loop, s);
        enter(l);
        const bool by_itself = i->phase == LOCAL_LIVE;
        if (by_itself) {
                set_phase(i, LOCAL_ENDING);
                l->cleaning++;
                tags_copy(&tags, &i->instance.tags);
        }
        leave(l);
        if (!by_itself)
                return;
        if (l->events)
                l->events->notify(l->events, INSTANCE_VANISHED, "", i->instance.id, &tags);
        begin_clean_up(i);
}

/* ---- provisioning ---- */

/* With the lock held. */
static bool port_is_taken(const struct local *l, uint16_t port)
{
        for (size_t i = 0; i < l->count; i++)
                if (l->items[i]->port == port)
                        return true;
        return false;
}

static int choose_port(const struct local *l, const struct port_range *range, uint16_t *ret, struct error *e)
{
        *ret = 0;
        if (!range->low)
                return 0;
        for (uint32_t port = range->low; port <= range->high; port++)
                if (!port_is_taken(l, (uint16_t)port) && port_is_free((uint16_t)port)) {
                        *ret = (uint16_t)port;
                        return 0;
                }
        if (range->low == range->high)
                (void)error_set(e, EADDRINUSE, "local.port", "port %u is in use", range->low);
        else
                (void)error_set(e, EADDRINUSE, "local.port", "all ports from %u to %u are in use", range->low, range->high);
        error_hint(e, "several instances of one service need a range of ports, such as \"Port\": \"8000-8999\"");
        return -EADDRINUSE;
}

static void note_port(struct local_instance *i, uint16_t port)
{
        char digits[8];
        i->port = port;
        (void)snprintf(digits, sizeof digits, "%u", port);
        if (port)
                tags_set(&i->instance.tags, TAG_PORT, digits);
        else
                (void)tags_remove(&i->instance.tags, TAG_PORT);
        tags_set(&i->instance.tags, TAG_ADDRESS, "127.0.0.1");
}

/* With the lock held: the instance of the token, or a new one, which is being made. */
static int claim(struct local *l, const struct instance_spec *spec, const struct port_range *ports, struct local_instance **ret, struct error *e)
{
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        const uint64_t hash = token ? local_token_hash(token) : 0;
        struct local_instance *i;
        uint16_t port;
        while (token && (i = find_token(l, token, hash)) != NULL) {
                if (i->phase == LOCAL_LIVE) {
                        *ret = i;
                        return 0;
                }
                (void)pthread_cond_wait(&l->changed, &l->lock);
        }
        CLEAN_FREE char *id = local_id(token, tags_get(&spec->tags, TAG_GROUP));
        if (find_id(l, id))
                return error_set(e, EEXIST, "instance.exists", "there is an instance %s of another token", id);
        int r = choose_port(l, ports, &port, e);
        if (r < 0)
                return r;
        i = new_instance(l, id);
        tags_copy(&i->instance.tags, &spec->tags);
        note_port(i, port);
        i->token_hash = hash;
        i->instance.logical_id = spec->logical_id ? xstrdup(spec->logical_id) : NULL;
        i->instance.properties = xstrdup(spec->properties ? spec->properties : "{}");
        add(l, i);
        *ret = i;
        return 0;
}

int local_provision(struct local *l, const struct instance_spec *spec, const struct port_range *ports, char **ret_id, struct error *e)
{
        struct local_instance *i = NULL;
        int fd = -EBADF;
        enter(l);
        int r = claim(l, spec, ports, &i, e);
        if (r == 0)
                *ret_id = xstrdup(i->instance.id);
        const bool is_new = r == 0 && i->phase == LOCAL_MAKING;
        leave(l);
        if (!is_new)
                return r;
        r = local_record_save(l->dir_fd, &i->instance, e);
        if (r == 0)
                r = l->kind->make(l->self, i, spec, &fd, e);
        if (r < 0) {
                l->kind->clean(l->self, i);
                free(TAKE_PTR(*ret_id));
                forget(i);
                return r;
        }
        enter(l);
        live(i, fd);
        leave(l);
        return 0;
}

/* ---- the other calls ---- */

static int unknown(const char *id, struct error *e)
{
        return error_set(e, ENOENT, "instance.missing", "there is no instance %.255s", id);
}

static int check_labels(const struct tags *labels, struct error *e)
{
        static const char *const own[] = { TAG_TOKEN, TAG_PORT, TAG_ADDRESS };
        for (size_t i = 0; i < ELEMENTS(own); i++)
                if (tags_get(labels, own[i]))
                        return error_set(e, EPERM, "instance.tag", "the tag %s is the provider's own", own[i]);
        return 0;
}

int local_label(struct local *l, const char *id, const struct tags *labels, struct error *e)
{
        int r = check_labels(labels, e);
        if (r < 0)
                return r;
        enter(l);
        struct local_instance *i = find_id(l, id);
        if (!i || i->phase != LOCAL_LIVE)
                r = unknown(id, e);
        if (r == 0) {
                struct tags before;
                tags_copy(&before, &i->instance.tags);
                tags_merge(&i->instance.tags, labels);
                r = local_record_save(l->dir_fd, &i->instance, e);
                struct tags *loser = r < 0 ? &i->instance.tags : &before;
                tags_done(loser);
                if (r < 0)
                        i->instance.tags = before;
        }
        leave(l);
        return r;
}

int local_destroy(struct local *l, const char *id, struct error *e)
{
        struct local_instance *i;
        enter(l);
        while ((i = find_id(l, id)) != NULL && i->phase != LOCAL_LIVE)
                (void)pthread_cond_wait(&l->changed, &l->lock);
        if (i)
                set_phase(i, LOCAL_ENDING);
        leave(l);
        if (!i)
                return unknown(id, e);
        int r = l->kind->end(l->self, i, e);
        if (r == 0) {
                forget(i);
                return 0;
        }
        enter(l);
        live(i, -EBADF); /* the loop looks again: if it has ended after all, that is told */
        leave(l);
        return r;
}

static void describe_one(struct local *l, const struct local_instance *i, bool properties, struct instances *ret)
{
        struct instance *copy = instances_add(ret, i->instance.id);
        CLEAN_TEXT struct text t = { 0 };
        copy->logical_id = i->instance.logical_id ? xstrdup(i->instance.logical_id) : NULL;
        tags_copy(&copy->tags, &i->instance.tags);
        if (!properties)
                return;
        copy->properties = i->instance.properties ? xstrdup(i->instance.properties) : NULL;
        if (l->kind->observe)
                l->kind->observe(l->self, i, &copy->properties);
        text_addf(&t, "{\"Name\":\"%s\"", i->instance.id);
        if (i->port)
                text_addf(&t, ",\"Address\":\"127.0.0.1\",\"Port\":%u", i->port);
        text_add(&t, "}");
        observed_set(&copy->properties, "Running", t.data);
}

int local_describe(struct local *l, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        (void)e;
        enter(l);
        for (size_t i = 0; i < l->count; i++)
                if (l->items[i]->phase == LOCAL_LIVE && tags_match(&l->items[i]->instance.tags, match))
                        describe_one(l, l->items[i], properties, ret);
        leave(l);
        return 0;
}

/* ---- the beginning ---- */

static uint16_t port_of_tags(const struct tags *tags)
{
        uint64_t port;
        const char *s = tags_get(tags, TAG_PORT);
        return s && text_parse_uint(s, UINT16_MAX, &port) == 0 ? (uint16_t)port : 0;
}

static int find_again(struct local *l, const char *id, struct error *e)
{
        struct local_instance *i = new_instance(l, id);
        struct instance loaded = { 0 };
        int fd = -EBADF;
        int r = local_record_load(l->dir_fd, id, &loaded, e);
        if (r == -ENOENT) { /* its maker died between the folder and the record */
                free_instance(i);
                return file_remove_tree(l->dir_fd, id);
        }
        if (r == 0) {
                instance_done(&i->instance);
                i->instance = loaded;
                i->port = port_of_tags(&loaded.tags);
                const char *token = tags_get(&loaded.tags, TAG_TOKEN);
                i->token_hash = token ? local_token_hash(token) : 0;
                r = l->kind->find(l->self, i, &fd, e);
        }
        if (r == 0) {
                enter(l);
                add(l, i);
                live(i, fd);
                leave(l);
                return 0;
        }
        if (r == -ENOENT) {
                l->kind->clean(l->self, i);
                r = file_remove_tree(l->dir_fd, id);
        } else
                r = error_while(e, "looking for instance %s", id);
        free_instance(i);
        return r;
}

static int find_all_again(struct local *l, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        int r = file_list(l->dir_fd, &names);
        if (r < 0)
                return error_errno(e, r, "local.folder", "listing %s", l->path);
        for (size_t i = 0; r == 0 && i < names.count; i++)
                if (!text_equal(names.items[i], "lock"))
                        r = find_again(l, names.items[i], e);
        return r;
}

enum { LOCK_TRIES = 100, LOCK_PAUSE_USEC = 20 * 1000 };

static int open_folder(struct local *l, struct error *e)
{
        int r = file_make_folders(l->path, 0700, e);
        if (r < 0)
                return r;
        l->dir_fd = open(l->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (l->dir_fd < 0)
                return error_errno(e, errno, "local.folder", "opening %s", l->path);
        l->lock_fd = openat(l->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (l->lock_fd < 0)
                return error_errno(e, errno, "local.folder", "opening %s/lock", l->path);
        /* What a killed provider was just starting has the lock, too, until it is a program of its own. */
        for (int tries = 0; flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK && tries < LOCK_TRIES; tries++)
                (void)usleep(LOCK_PAUSE_USEC);
        if (flock(l->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        if (errno != EWOULDBLOCK)
                return error_errno(e, errno, "local.folder", "locking %s", l->path);
        (void)error_set(e, EBUSY, "local.busy", "another provider looks after the instances in %s", l->path);
        error_hint(e, "two of them at once each need a folder of their own: --dir");
        return -EBUSY;
}

int local_open(const struct local_kind *kind, void *self, const char *folder, struct loop *loop, struct instance_events *events, struct local **ret,
               struct error *e)
{
        struct local *l = xalloc(1, sizeof *l);
        *l = (struct local){ .kind = kind, .self = self, .loop = loop, .events = events, .path = xstrdup(folder), .dir_fd = -EBADF, .lock_fd = -EBADF };
        (void)pthread_mutex_init(&l->lock, NULL);
        (void)pthread_cond_init(&l->changed, NULL);
        int r = open_folder(l, e);
        if (r == 0)
                r = find_all_again(l, e);
        if (r < 0) {
                local_close(l);
                return r;
        }
        *ret = l;
        return 0;
}

void local_close(struct local *l)
{
        enter(l);
        while (l->cleaning)
                (void)pthread_cond_wait(&l->changed, &l->lock);
        leave(l);
        for (size_t i = 0; i < l->count; i++)
                free_instance(l->items[i]);
        for (struct local_instance *i = l->leaving, *next; i; i = next) {
                next = i->next;
                free_instance(i);
        }
        free(l->items);
        (void)fd_close(l->lock_fd);
        (void)fd_close(l->dir_fd);
        (void)pthread_cond_destroy(&l->changed);
        (void)pthread_mutex_destroy(&l->lock);
        free(l->path);
        free(l);
}

int local_folder(const struct local_kind *kind, const struct strings *options, const char *root_path, char **ret, struct error *e)
{
        if (options->count == 0) {
                *ret = xprintf("%s/instances/%s", root_path, kind->name);
                return 0;
        }
        /* "%" would be a specifier in the units that name files there. */
        if (options->count == 2 && text_equal(options->items[0], "--dir") && options->items[1][0] == '/' && !strpbrk(options->items[1], "%\n")) {
                *ret = xstrdup(options->items[1]);
                return 0;
        }
        (void)error_set(e, EINVAL, "local.option", "%s", options->items[0]);
        error_hint(e, "--dir and an absolute path, without \"%%\"");
        return -EINVAL;
}
