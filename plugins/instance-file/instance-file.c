/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One file per instance, in one folder: for trying groups out, for tests, and as the shortest example of a provider.  The files are those
 * of InfraKit's plugin of the same name:
 *
 *      {"ID":"instance-5f0c...","LogicalID":null,"Tags":{...},"Spec":{"Properties":...,"Tags":...,"Init":"","LogicalID":null,"Attachments":null}}
 *
 * The files are the truth.  What is in them is kept in memory beside, and inotify says what others did to them: the kernel queues that
 * before the other's call returns, so reading what is queued before each answer makes the answer true.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/string_map.h"
#include "group/discovery.h"
#include "group/serve.h"
#include "os/event_loop.h"
#include "os/file.h"

enum { FILE_MAX = 4 << 20, EVENTS_SIZE = 64 * 1024 };
#define ID_PREFIX "instance-"
#define TEMPORARY_PREFIX ".new-"

struct entry {
        struct instance instance;
        uint32_t position; /* in the list */
        uint32_t own;      /* events that our own calls are yet to cause */
};

struct folder {
        char *path;
        int fd, inotify_fd;
        struct loop *loop;
        struct loop_source source;
        struct instance_events *events;
        struct string_map by_id;
        struct entry **list;
        size_t count, room;
        uint64_t temporaries;
};

/* ---- what is in memory ---- */

static void forget(struct folder *f, struct entry *entry)
{
        struct entry *last = f->list[--f->count];
        (void)string_map_remove(&f->by_id, entry->instance.id);
        f->list[entry->position] = last;
        last->position = entry->position;
        instance_done(&entry->instance);
        free(entry);
}

/* Takes what is in i. */
static struct entry *remember(struct folder *f, struct instance *i)
{
        struct entry *entry = string_map_get(&f->by_id, i->id);
        if (entry) {
                char *id = TAKE_PTR(entry->instance.id); /* the table's key */
                instance_done(&entry->instance);
                free(i->id);
                entry->instance = *i;
                entry->instance.id = id;
        } else {
                entry = xalloc(1, sizeof *entry);
                entry->instance = *i;
                f->list = xgrow(f->list, &f->room, f->count + 1, sizeof *f->list);
                entry->position = (uint32_t)f->count;
                f->list[f->count++] = entry;
                string_map_put(&f->by_id, entry->instance.id, entry);
        }
        *i = (struct instance){ 0 };
        return entry;
}

/* ---- files ---- */

static int read_spec(const struct json_place *at, void *into, struct error *e)
{
        static const struct json_field fields[] = { { "Properties", json_raw, offsetof(struct instance, properties), 0 }, { 0 } };
        return json_object(at, fields, into, e);
}

static int parse_file(const char *name, const struct text *t, struct instance *ret)
{
        static const struct json_field fields[] = {
                { "LogicalID", json_string, offsetof(struct instance, logical_id), 0 },
                { "Tags", tags_read, offsetof(struct instance, tags), 0 },
                { "Spec", read_spec, 0, 0 },
                { 0 },
        };
        CLEAN_JSON struct json_document d = { 0 };
        if (json_parse(name, t->length ? t->data : "", t->length, &d, NULL) < 0)
                return -EINVAL;
        const struct json_place top = json_top(&d, name);
        ret->id = xstrdup(name);
        int r = json_object(&top, fields, ret, NULL);
        if (r < 0)
                instance_done(ret);
        return r;
}

static int load(struct folder *f, const char *name, struct instance *ret)
{
        CLEAN_TEXT struct text t = { 0 };
        int r = file_read_short(f->fd, name, FILE_MAX, &t);
        return r < 0 ? r : parse_file(name, &t, ret);
}

static bool is_instance(const char *name)
{
        return *name != '.' && strlen(name) <= INSTANCE_ID_MAX;
}

static int scan(struct folder *f, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        int r = file_list_type(f->fd, DT_REG, &names);
        if (r < 0)
                return error_errno(e, -r, "file.read", "reading %s", f->path);
        while (f->count)
                forget(f, f->list[0]);
        for (size_t i = 0; i < names.count; i++) {
                struct instance found = { 0 };
                if (is_instance(names.items[i]) && load(f, names.items[i], &found) == 0)
                        (void)remember(f, &found);
        }
        return 0;
}

/* Writes a file that appears whole: replacing one of that name, or, if it must be new, -EEXIST. */
static int store(struct folder *f, const char *name, const struct text *t, bool replace)
{
        char temporary[64];
        (void)snprintf(temporary, sizeof temporary, TEMPORARY_PREFIX "%d-%llu", (int)getpid(), (unsigned long long)++f->temporaries);
        int r = file_create(f->fd, temporary, t->data, t->length, 0644);
        if (r < 0)
                return r;
        if (renameat2(f->fd, temporary, f->fd, name, replace ? 0 : RENAME_NOREPLACE) < 0) {
                r = -errno;
                (void)unlinkat(f->fd, temporary, 0);
        }
        return r;
}

static void format_file(struct text *t, const struct instance *i, const struct instance_spec *s)
{
        instance_format(t, i);
        t->length--; /* its closing brace */
        text_add(t, ",\"Spec\":");
        instance_spec_format(t, s);
        text_add(t, "}\n");
}

/* ---- what others do ---- */

static void gone(struct folder *f, const char *name)
{
        struct entry *entry = string_map_get(&f->by_id, name);
        if (!entry)
                return;
        forget(f, entry);
        f->events->notify(f->events, INSTANCE_VANISHED, "", name, NULL);
}

static void came(struct folder *f, const char *name)
{
        struct instance found = { 0 };
        struct entry *entry = string_map_get(&f->by_id, name);
        if (entry && entry->own) {
                entry->own--;
                return;
        }
        if (load(f, name, &found) < 0)
                return; /* not whole yet, or none of ours: what cannot be read was never an instance */
        enum instance_change change = entry ? INSTANCE_CHANGED : INSTANCE_APPEARED;
        entry = remember(f, &found);
        f->events->notify(f->events, change, "", name, &entry->instance.tags);
}

static void lost_track(struct folder *f)
{
        struct strings before = { 0 };
        for (size_t i = 0; i < f->count; i++)
                strings_add(&before, f->list[i]->instance.id);
        (void)scan(f, NULL);
        for (size_t i = 0; i < before.count; i++)
                if (!string_map_get(&f->by_id, before.items[i]))
                        f->events->notify(f->events, INSTANCE_VANISHED, "", before.items[i], NULL);
        for (size_t i = 0; i < f->count; i++)
                f->events->notify(f->events, INSTANCE_CHANGED, "", f->list[i]->instance.id, &f->list[i]->instance.tags);
        strings_clear(&before);
}

static void take_event(struct folder *f, const struct inotify_event *event)
{
        if (event->mask & IN_Q_OVERFLOW)
                lost_track(f);
        else if (event->len == 0 || !is_instance(event->name) || event->mask & IN_ISDIR)
                return;
        else if (event->mask & (IN_DELETE | IN_MOVED_FROM))
                gone(f, event->name);
        else
                came(f, event->name);
}

/* Catches up with what is queued. */
static void catch_up(struct folder *f)
{
        static char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t n;
        while ((n = read(f->inotify_fd, buffer, sizeof buffer)) > 0)
                for (char *at = buffer; at < buffer + n; at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len)
                        take_event(f, (struct inotify_event *)at);
}

static void ready(struct loop_source *s, uint32_t events)
{
        (void)events;
        catch_up(LOOP_OWNER(s, struct folder, source));
}

/* ---- the plugin ---- */

static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        (void)self, (void)type;
        if (properties->value->type != JSON_OBJECT && properties->value->type != JSON_NULL)
                return json_fail(properties, e, "expected an object");
        return 0;
}

static char *make_id(const struct instance_spec *spec)
{
        const char *token = tags_get(&spec->tags, TAG_TOKEN);
        char random[17] = { 0 };
        if (token && *token && strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == strlen(token))
                return xprintf(ID_PREFIX "%.200s", token);
        file_random_hex(random, sizeof random - 1);
        return xprintf(ID_PREFIX "%s", random);
}

static int provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        struct folder *f = self;
        struct instance i = { .id = make_id(spec), .logical_id = spec->logical_id ? xstrdup(spec->logical_id) : NULL };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_FREE char *id = xstrdup(i.id);
        (void)type;
        tags_copy(&i.tags, &spec->tags);
        format_file(&t, &i, spec);
        i.properties = spec->properties ? xstrdup(spec->properties) : NULL;
        int r = store(f, id, &t, false);
        if (r == 0)
                remember(f, &i)->own++;
        instance_done(&i);
        if (r < 0 && r != -EEXIST) /* a second call with the same token finds what the first one made */
                return error_errno(e, -r, "file.write", "writing %s/%s", f->path, id);
        *ret_id = TAKE_PTR(id);
        return 0;
}

static int no_such(const char *id, struct error *e)
{
        return error_set(e, ENOENT, "instance.missing", "there is no instance \"%s\"", id);
}

static int read_whole_spec(const struct json_place *at, void *into, struct error *e)
{
        return instance_spec_read(at, into, e);
}

/* The spec stays as it was written, the tags beside it change. */
static int label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        static const struct json_field fields[] = { { "Spec", read_whole_spec, 0, 0 }, { 0 } };
        struct folder *f = self;
        CLEAN_TEXT struct text old = { 0 }, new = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        CLEAN_INSTANCE_SPEC struct instance_spec spec = { 0 };
        (void)type;
        catch_up(f);
        struct entry *entry = string_map_get(&f->by_id, id);
        if (!entry)
                return no_such(id, e);
        int r = file_read_short(f->fd, id, FILE_MAX, &old);
        if (r < 0)
                return error_errno(e, -r, "file.read", "reading %s/%s", f->path, id);
        r = json_parse(id, old.data, old.length, &d, e);
        const struct json_place top = json_top(&d, id);
        if (r == 0)
                r = json_object(&top, fields, &spec, e);
        if (r < 0)
                return r;
        struct instance changed = { .id = entry->instance.id, .logical_id = entry->instance.logical_id };
        tags_copy(&changed.tags, &entry->instance.tags);
        tags_merge(&changed.tags, labels);
        format_file(&new, &changed, &spec);
        r = store(f, id, &new, true);
        if (r == 0) {
                tags_merge(&entry->instance.tags, labels);
                entry->own++;
        }
        tags_done(&changed.tags);
        return r < 0 ? error_errno(e, -r, "file.write", "writing %s/%s", f->path, id) : 0;
}

static int destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        struct folder *f = self;
        (void)type, (void)reason;
        catch_up(f);
        struct entry *entry = string_map_get(&f->by_id, id);
        if (!entry)
                return no_such(id, e);
        if (unlinkat(f->fd, id, 0) < 0 && errno != ENOENT)
                return error_errno(e, errno, "file.remove", "removing %s/%s", f->path, id);
        forget(f, entry);
        return 0;
}

static int describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        struct folder *f = self;
        (void)type, (void)e;
        catch_up(f);
        for (size_t n = 0; n < f->count; n++) {
                const struct instance *i = &f->list[n]->instance;
                if (!tags_match(&i->tags, match))
                        continue;
                struct instance *copy = instances_add(ret, i->id);
                copy->logical_id = i->logical_id ? xstrdup(i->logical_id) : NULL;
                copy->properties = properties && i->properties ? xstrdup(i->properties) : NULL;
                tags_copy(&copy->tags, &i->tags);
        }
        return 0;
}

static void stop(void *self)
{
        struct folder *f = self;
        while (f->count)
                forget(f, f->list[0]);
        string_map_done(&f->by_id);
        free(f->list);
        loop_forget(f->loop, &f->source);
        (void)fd_close(f->inotify_fd);
        (void)fd_close(f->fd);
        free(f->path);
        free(f);
}

/* Where the files are: "--dir DIR", $INFRAKIT_INSTANCE_FILE_DIR, or a folder beside the plugins. */
static int choose_folder(const struct strings *options, char **ret, struct error *e)
{
        const char *variable = getenv("INFRAKIT_INSTANCE_FILE_DIR");
        CLEAN_FREE char *chosen = NULL;
        for (size_t i = 0; i < options->count; i++) {
                const char *o = options->items[i];
                bool separate = text_equal(o, "--dir") && i + 1 < options->count;
                if (!separate && !text_starts(o, "--dir="))
                        return error_set(e, EINVAL, "plugin.option", "%s is no option of this plugin, which has --dir DIR", o);
                free(chosen);
                chosen = xstrdup(separate ? options->items[++i] : o + strlen("--dir="));
        }
        if (!chosen && variable && *variable)
                chosen = xstrdup(variable);
        if (!chosen) {
                CLEAN_FREE char *plugins = plugins_folder();
                chosen = xprintf("%s/../instances-file", plugins);
        }
        *ret = TAKE_PTR(chosen);
        return 0;
}

/* What a plugin that was killed had not finished: no instance came of it. */
static void remove_temporaries(struct folder *f)
{
        CLEAN_STRINGS struct strings names = { 0 };
        if (file_list_type(f->fd, DT_REG, &names) < 0)
                return;
        for (size_t i = 0; i < names.count; i++)
                if (text_starts(names.items[i], TEMPORARY_PREFIX))
                        (void)unlinkat(f->fd, names.items[i], 0);
}

static int open_folder(struct folder *f, struct error *e)
{
        int r = file_make_folders(f->path, 0755, e);
        if (r < 0)
                return r;
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        f->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        f->source = (struct loop_source){ .ready = ready, .fd = f->inotify_fd };
        if (f->fd < 0 || f->inotify_fd < 0)
                return error_errno(e, errno, "file.read", "opening %s", f->path);
        /* Watched first and read then, so that nothing falls between. */
        if (inotify_add_watch(f->inotify_fd, f->path, IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ONLYDIR) < 0 ||
            loop_watch(f->loop, &f->source, EPOLLIN) < 0)
                return error_errno(e, errno, "file.read", "watching %s", f->path);
        remove_temporaries(f);
        return scan(f, e);
}

static int start(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct folder *f = xalloc(1, sizeof *f);
        f->fd = f->inotify_fd = -EBADF;
        f->loop = loop;
        f->events = events;
        int r = choose_folder(options, &f->path, e);
        if (r == 0)
                r = open_folder(f, e);
        if (r < 0)
                stop(f);
        else
                *ret_self = f;
        return r;
}

static const struct instance_plugin plugin = {
        .name = "file",
        .version = BULKHEAD_VERSION,
        .summary = "Instances as files.",
        .tells = true,
        .start = start,
        .stop = stop,
        .validate = validate,
        .provision = provision,
        .label = label,
        .destroy = destroy,
        .describe = describe,
};

/* For --help; the manual page has the same. */
static const char own_options[] =
        "  --dir DIR        where the files are, default $INFRAKIT_INSTANCE_FILE_DIR, or instances-file beside\n"
        "                   the folder of plugins\n";

int main(int argc, char **argv)
{
        static const struct plugin_program program = { .name = "bulkhead-instance-file", .instance = &plugin, .options = own_options };
        return plugin_main(&program, argc, argv);
}
