/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instances that are only imagined, in memory, with the faults that are asked for:
 *
 *      --delay DURATION     each provision and destroy takes so long
 *      --fail N             N of 100 provisions fail, without an effect
 *      --fail-after N       N of 100 provisions have their effect and then fail
 *      --capacity N         no more than so many instances
 *      --lifetime DURATION  an instance vanishes after so long
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/string_map.h"
#include "group/serve.h"
#include "group/spec.h"
#include "os/event_loop.h"
#include "os/file.h"

struct machine {
        struct instance instance;
        char *type;
        struct world *world;
        struct machine *next, *previous;
        struct loop_timer end;
};

struct world {
        pthread_mutex_t lock; /* of the machines; with a delay, calls come on threads */
        struct string_map by_id;
        struct machine *first;
        struct loop *loop;
        struct instance_events *events;
        uint64_t delay_usec, lifetime_usec, fail, fail_after, capacity, random;
        struct loop_job arm; /* sets the timers of new machines, on the loop's thread */
        bool arming;
};

static bool threaded; /* whether calls come on threads: decided before the start */

static void lock(struct world *w)
{
        (void)pthread_mutex_lock(&w->lock);
}

static void unlock(struct world *w)
{
        (void)pthread_mutex_unlock(&w->lock);
}

static void take_time(const struct world *w)
{
        struct timespec t = { .tv_sec = (time_t)(w->delay_usec / 1000000), .tv_nsec = (long)(w->delay_usec % 1000000 * 1000) };
        if (w->delay_usec)
                (void)nanosleep(&t, NULL);
}

/* Whether it happens this time, percent of 100. xorshift. */
static bool happens(struct world *w, uint64_t percent)
{
        w->random ^= w->random << 13;
        w->random ^= w->random >> 7;
        w->random ^= w->random << 17;
        return w->random % 100 < percent;
}

static void machine_free(struct machine *m)
{
        struct world *w = m->world;
        (void)string_map_remove(&w->by_id, m->instance.id);
        *(m->previous ? &m->previous->next : &w->first) = m->next;
        if (m->next)
                m->next->previous = m->previous;
        if (w->lifetime_usec)
                loop_timer_clear(w->loop, &m->end);
        instance_done(&m->instance);
        free(m->type);
        free(m);
}

static void die(struct loop_timer *t)
{
        struct machine *m = LOOP_OWNER(t, struct machine, end);
        struct world *w = m->world;
        lock(w);
        w->events->notify(w->events, INSTANCE_VANISHED, m->type, m->instance.id, NULL);
        machine_free(m);
        unlock(w);
}

static void arm(struct loop_job *j)
{
        struct world *w = LOOP_OWNER(j, struct world, arm);
        lock(w);
        w->arming = false;
        for (struct machine *m = w->first; m; m = m->next)
                if (!m->end.elapsed) {
                        m->end.elapsed = die;
                        loop_timer_set(w->loop, &m->end, loop_fresh_usec(w->loop) + w->lifetime_usec);
                }
        unlock(w);
}

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        (void)self, (void)type;
        if (properties->value->type != JSON_OBJECT && properties->value->type != JSON_NULL)
                return json_fail(properties, e, "expected an object");
        return 0;
}

static void add_machine(struct world *w, const char *type, const struct instance_spec *spec, char *id)
{
        struct machine *m = xalloc(1, sizeof *m);
        *m = (struct machine){ .world = w, .type = xstrdup(type), .next = w->first };
        m->instance = (struct instance){ .id = id, .logical_id = spec->logical_id ? xstrdup(spec->logical_id) : NULL };
        m->instance.properties = spec->properties ? xstrdup(spec->properties) : NULL;
        tags_copy(&m->instance.tags, &spec->tags);
        if (m->next)
                m->next->previous = m;
        w->first = m;
        string_map_put(&w->by_id, m->instance.id, m);
        if (w->lifetime_usec && !w->arming) {
                w->arming = true;
                loop_hand_over(w->loop, &w->arm);
        }
}

static int provision_locked(struct world *w, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        char random[17] = { 0 };
        file_random_hex(random, sizeof random - 1);
        CLEAN_FREE char *id = xprintf("sim-%.200s", token && *token ? token : random);
        if (happens(w, w->fail))
                return error_set(e, EIO, "simulator.fault", "a fault that was asked for, without an effect");
        if (!string_map_get(&w->by_id, id)) {
                if (w->by_id.count >= w->capacity)
                        return error_set(e, ENOSPC, "simulator.capacity", "there is room for %llu instances", (unsigned long long)w->capacity);
                add_machine(w, type, spec, xstrdup(id));
        }
        if (happens(w, w->fail_after))
                return error_set(e, EIO, "simulator.fault", "a fault that was asked for, after the effect");
        *ret_id = TAKE_PTR(id);
        return 0;
}

static int provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        struct world *w = self;
        take_time(w);
        lock(w);
        int r = provision_locked(w, type, spec, ret_id, e);
        unlock(w);
        return r;
}

static struct machine *find(struct world *w, const char *type, const char *id, struct error *e)
{
        struct machine *m = string_map_get(&w->by_id, id);
        if (m && text_equal(m->type, type))
                return m;
        error_set(e, ENOENT, "instance.missing", "there is no instance \"%s\"", id);
        return NULL;
}

static int label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        struct world *w = self;
        lock(w);
        struct machine *m = find(w, type, id, e);
        if (m)
                tags_merge(&m->instance.tags, labels);
        unlock(w);
        return m ? 0 : -ENOENT;
}

static int destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        struct world *w = self;
        (void)reason;
        take_time(w);
        lock(w);
        struct machine *m = find(w, type, id, e);
        if (m)
                machine_free(m);
        unlock(w);
        return m ? 0 : -ENOENT;
}

static int describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        struct world *w = self;
        (void)e;
        lock(w);
        for (struct machine *m = w->first; m; m = m->next) {
                if (!text_equal(m->type, type) || !tags_match(&m->instance.tags, match))
                        continue;
                struct instance *i = instances_add(ret, m->instance.id);
                i->logical_id = m->instance.logical_id ? xstrdup(m->instance.logical_id) : NULL;
                i->properties = properties && m->instance.properties ? xstrdup(m->instance.properties) : NULL;
                tags_copy(&i->tags, &m->instance.tags);
        }
        unlock(w);
        return 0;
}

/* ---- options ---- */

static int read_duration(const char *s, uint64_t *ret)
{
        return duration_parse(s, ret);
}
static int read_percent(const char *s, uint64_t *ret)
{
        return text_parse_uint(s, 100, ret);
}
static int read_number(const char *s, uint64_t *ret)
{
        return text_parse_uint(s, UINT32_MAX, ret);
}

static const struct {
        const char *name;
        int (*read)(const char *s, uint64_t *ret);
        size_t offset;
} rows[] = {
        { "--delay", read_duration, offsetof(struct world, delay_usec) },   { "--lifetime", read_duration, offsetof(struct world, lifetime_usec) },
        { "--fail", read_percent, offsetof(struct world, fail) },           { "--fail-after", read_percent, offsetof(struct world, fail_after) },
        { "--capacity", read_number, offsetof(struct world, capacity) },
};

static int read_option(struct world *w, const char *name, const char *value, struct error *e)
{
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (!text_equal(rows[i].name, name))
                        continue;
                if (!value || rows[i].read(value, (uint64_t *)((char *)w + rows[i].offset)) < 0)
                        return error_set(e, EINVAL, "plugin.option", "%s %s: expected a duration, a percentage or a number", name, value ? value : "");
                return 0;
        }
        return error_set(e, EINVAL, "plugin.option", "%s is no option of this plugin: see --help", name);
}

static void stop(void *self)
{
        struct world *w = self;
        while (w->first)
                machine_free(w->first);
        string_map_done(&w->by_id);
        (void)pthread_mutex_destroy(&w->lock);
        free(w);
}

static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct world *w = xalloc(1, sizeof *w);
        *w = (struct world){ .loop = loop, .events = events, .capacity = UINT32_MAX, .random = 0x9e3779b97f4a7c15, .arm.run = arm };
        (void)pthread_mutex_init(&w->lock, NULL);
        int r = 0;
        for (size_t i = 0; r == 0 && i < options->count; i += 2)
                r = read_option(w, options->items[i], options->items[i + 1], e);
        if (r < 0)
                stop(w);
        else
                *ret_self = w;
        return r;
}

static const char *const types[] = { "", "compute", "net", "disk", NULL };
#define PLUGIN(threads)                                                                                                                         \
        { .name = "simulator", .version = BULKHEAD_VERSION, .types = types, .concurrent = (threads), .tells = true, .start = start, .stop = stop,   \
          .summary = "Instances that are only imagined.", \
          .validate = validate, .provision = provision, .label = label, .destroy = destroy, .describe = describe }
/* Without a delay no call waits, and threads would only cost. */
static const struct instance_plugin at_once = PLUGIN(false), with_delay = PLUGIN(true);

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --delay DURATION     each provision and destroy takes so long\n"
        "  --lifetime DURATION  an instance vanishes after so long\n"
        "  --fail N             N of 100 provisions fail, without an effect\n"
        "  --fail-after N       N of 100 provisions have their effect and then fail\n"
        "  --capacity N         no more than so many instances\n";

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                threaded = threaded || text_equal(argv[i], "--delay");
        const struct plugin_program program = { .name = "bulkhead-instance-simulator", .instance = threaded ? &with_delay : &at_once, .options = own_options };
        return plugin_main(&program, argc, argv);
}
