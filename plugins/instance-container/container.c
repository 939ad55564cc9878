/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>

#include "config.h"
#include "group/observed.h"
#include "os/file.h"
#include "os/process.h"
#include "os/run_program.h"
#include "shim/service_process.h"
#include "shim/state.h"

enum { RUN_LIMIT_USEC = 60000000, ANSWER_MAX = 1 << 16, LOG_TAIL = 400 };

struct containers {
        struct local *local;
        char *folder, *root; /* of the runtime's state */
        char *runtime;       /* the program */
};

/* ---- the runtime ---- */

/* Its last words, of the log that it was told to write. */
static char *last_words(const char *log)
{
        CLEAN_TEXT struct text t = { 0 };
        if (file_read(AT_FDCWD, log, 1 << 20, &t) < 0 || !t.length)
                return xstrdup("");
        while (t.length && t.data[t.length - 1] == '\n')
                t.data[--t.length] = 0;
        const char *at = t.length > LOG_TAIL ? t.data + t.length - LOG_TAIL : t.data;
        return xstrdup(at);
}

/*
 * What the runtime does with an instance it ends, whatever becomes of us, with the instance's folder locked. So who looks after the instance next
 * finds it made or not made, and not a runtime of ours that is still about it. A folder that is gone has nobody at work.
 */
static int begin_work(const struct local_instance *i)
{
        CLEAN_FD int fd = open(i->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        return TAKE_FD(fd);
}

/*
 * Runs "bulkhead-oci --root ROOT WORD...". work_fd: of begin_work; negative: it changes nothing and ends with us. output: where the runtime's own
 * output goes, which the container inherits: a file that is added to; NULL: it is kept in ret_answer.
 */
static int run_runtime(const struct containers *c, int work_fd, const char *output, const char *log, const char *const *words, struct text *ret_answer,
                       struct error *e)
{
        static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        static char *const environment[] = { path, NULL };
        CLEAN_STRINGS struct strings argv = { 0 };
        CLEAN_PROGRAM_END struct program_end end = { 0 };
        if (output) { /* a shell, so that the container holds the file and no pipe of ours */
                static const char *const shell[] = { "/bin/sh", "-c", "o=$1; shift; exec \"$@\" >>\"$o\" 2>&1", "sh" };
                for (size_t i = 0; i < ELEMENTS(shell); i++)
                        strings_add(&argv, shell[i]);
                strings_add(&argv, output);
        }
        strings_add(&argv, c->runtime);
        strings_take(&argv, xprintf("--root=%s", c->root));
        if (log)
                strings_take(&argv, xprintf("--log=%s", log));
        for (; *words; words++)
                strings_add(&argv, *words);
        const struct program_run run = { .argv = argv.items, .environment = environment, .output_max = ANSWER_MAX, .limit_usec = RUN_LIMIT_USEC,
                                         .hold_fd = work_fd };
        int r = program_run(&run, &end, e);
        if (r < 0)
                return r;
        if (end.status != 0) {
                CLEAN_FREE char *how = program_end_words(&run, &end), *why = last_words(log ? log : "/dev/null");
                return error_set(e, EIO, "container.runtime", "bulkhead-oci: %s%s%s", how, *why ? ": " : "", why);
        }
        if (ret_answer) {
                *ret_answer = end.output;
                end.output = (struct text){ 0 };
        }
        return 0;
}

struct answer {
        char *status;
        int32_t pid;
};

/* What the runtime says of it: the pid of a container that runs; -ENOENT without words else. */
static int ask_state(const struct containers *c, const char *id)
{
        static const struct json_field fields[] = {
                { "status", json_string, offsetof(struct answer, status), JSON_REQUIRED }, { "pid", json_i32, offsetof(struct answer, pid), 0 }, { 0 },
        };
        const char *const words[] = { "state", id, NULL };
        CLEAN_TEXT struct text t = { 0 };
        CLEAN_JSON struct json_document d = { 0 };
        struct answer a = { 0 };
        if (run_runtime(c, -EBADF, NULL, NULL, words, &t, NULL) < 0 || json_parse("state", t.data ? t.data : "", t.length, &d, NULL) < 0)
                return -ENOENT;
        const struct json_place top = json_top(&d, "state");
        const bool runs = json_object(&top, fields, &a, NULL) == 0 && text_equal(a.status, "running") && a.pid > 0;
        free(a.status);
        return runs ? a.pid : -ENOENT;
}

/* A pidfd of its process: asked before and after, so that it is not another's that has got its number since. */
static int open_process(const struct containers *c, const char *id)
{
        int pid = ask_state(c, id);
        CLEAN_FD int fd = pid < 0 ? pid : process_open(pid);
        if (fd < 0 || ask_state(c, id) != pid)
                return -ENOENT;
        return TAKE_FD(fd);
}

static int delete(const struct containers *c, const struct local_instance *i, struct error *e)
{
        const char *const words[] = { "delete", "--force", i->instance.id, NULL };
        CLEAN_FD int work_fd = begin_work(i);
        return run_runtime(c, work_fd, NULL, NULL, words, NULL, e);
}

/* ---- what struct local_kind asks for ---- */

static int write_bundle(const struct local_instance *i, const struct container_properties *p, const char *init, struct error *e)
{
        CLEAN_TEXT struct text from = { 0 }, to = { 0 };
        CLEAN_FREE char *theirs = xprintf("%s/config.json", p->bundle), *ours = xprintf("%s/config.json", i->folder);
        CLEAN_FREE char *note = xprintf("%s/written", i->folder);
        int r = file_read(AT_FDCWD, theirs, CONTAINER_CONFIG_MAX, &from);
        if (r < 0)
                return error_errno(e, r, "container.config", "reading %s", theirs);
        r = container_config_make(from.data ? from.data : "", from.length, p, &i->instance, init, &to, e);
        if (r < 0)
                return error_while(e, "making a configuration of %s", theirs);
        r = file_replace(AT_FDCWD, ours, to.data, to.length, 0600);
        if (r == 0)
                r = observed_note(AT_FDCWD, note, to.data, to.length);
        return r < 0 ? error_errno(e, r, "container.config", "writing %s", ours) : 0;
}

static int make(void *self, const struct local_instance *i, const struct instance_spec *spec, int *ret_fd, struct error *e)
{
        const struct containers *c = self;
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { 0 };
        CLEAN_FREE char *log = xprintf("%s/log", i->folder), *bundle = xprintf("--bundle=%s", i->folder);
        const char *const words[] = { "run", "--detach", bundle, i->instance.id, NULL };
        CLEAN_FD int work_fd = begin_work(i);
        int r = container_properties_parse(i->instance.properties, &p, e);
        if (r == 0)
                r = write_bundle(i, &p, spec->init && *spec->init ? spec->init : NULL, e);
        if (r == 0 && work_fd < 0)
                r = error_errno(e, work_fd, "local.folder", "locking %s", i->folder);
        if (r == 0)
                r = run_runtime(c, work_fd, p.log ? p.log : "/dev/null", log, words, NULL, e);
        if (r < 0)
                return r;
        int fd = open_process(c, i->instance.id);
        if (fd < 0)
                return error_set(e, ESRCH, "container.runtime", "the container ended at once");
        *ret_fd = fd;
        return 0;
}

/* Whoever made it may be dead, and his runtime at work. */
static int find(void *self, const struct local_instance *i, int *ret_fd, struct error *e)
{
        (void)e;
        CLEAN_FD int work_fd = begin_work(i);
        int fd = open_process(self, i->instance.id);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

/* SIGTERM, and time to end; none for one that the kernel would not tell. */
static void stop(const struct containers *c, const struct local_instance *i, uint64_t stop_usec)
{
        CLEAN_FD int fd = open_process(c, i->instance.id);
        const struct service_process process = { .pid = fd < 0 ? 0 : ask_state(c, i->instance.id) };
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (fd < 0 || process.pid <= 0 || service_process_is_deaf(&process, SIGTERM) || process_signal(fd, SIGTERM) < 0)
                return;
        (void)poll(&p, 1, (int)(stop_usec / 1000));
}

static int end(void *self, const struct local_instance *i, struct error *e)
{
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { 0 };
        int r = container_properties_parse(i->instance.properties, &p, e);
        if (r < 0)
                return r;
        stop(self, i, p.stop_usec);
        return delete(self, i, e);
}

static void clean(void *self, const struct local_instance *i)
{
        (void)delete(self, i, NULL);
}

static bool ended(void *self, const struct local_instance *i, int fd)
{
        (void)self, (void)i, (void)fd;
        return true; /* a pidfd has no other news */
}

/* Its configuration is made of the whole document, so what is another there is the whole bundle. */
static void observe(void *self, const struct local_instance *i, char **properties)
{
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { 0 };
        CLEAN_FREE char *config = xprintf("%s/config.json", i->folder), *note = xprintf("%s/written", i->folder);
        CLEAN_TEXT struct text now = { 0 };
        (void)self;
        if (!observed_changed(AT_FDCWD, note, config, 2 * CONTAINER_CONFIG_MAX, &now) || container_properties_parse(*properties, &p, NULL) < 0)
                return;
        CLEAN_FREE char *other = xprintf("%s with another config.json", p.bundle);
        observed_set_text(properties, "Bundle", other);
}

static const struct local_kind kind = {
        .name = "container", .make = make, .find = find, .end = end, .clean = clean, .ended = ended, .observe = observe,
};

/* ---- the plugin ---- */

static void stop_plugin(void *self)
{
        struct containers *c = self;
        if (c->local)
                local_close(c->local);
        free(c->folder);
        free(c->root);
        free(c->runtime);
        free(c);
}

/* $BULKHEAD_OCI, else beside this program, else where bulkhead is. */
static char *find_runtime(void)
{
        char self[4096];
        const char *given = getenv("BULKHEAD_OCI");
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        if (given && *given == '/')
                return xstrdup(given);
        if (n > 0) {
                static const char *const beside[] = { "", "../../bin/", "../bin/" };
                self[n] = 0;
                char *slash = strrchr(self, '/');
                slash[1] = 0;
                for (size_t i = 0; i < ELEMENTS(beside); i++) {
                        char *path = xprintf("%s%sbulkhead-oci", self, beside[i]);
                        if (access(path, X_OK) == 0)
                                return path;
                        free(path);
                }
        }
        return xstrdup("/usr/local/bin/bulkhead-oci");
}

static int start_plugin(struct loop *loop, struct instance_events *events, const struct strings *options, void **ret_self, struct error *e)
{
        struct containers *c = xalloc(1, sizeof *c);
        CLEAN_FREE char *root_path = NULL;
        CLEAN_FD int root_fd = state_root_open(geteuid() != 0, &root_path, e);
        int r = root_fd < 0 ? root_fd : local_folder(&kind, options, root_path, &c->folder, e);
        if (r == 0) {
                c->root = xprintf("%s.oci", c->folder);
                c->runtime = find_runtime();
                r = local_open(&kind, c, c->folder, loop, events, &c->local, e);
        }
        if (r < 0) {
                stop_plugin(c);
                return r;
        }
        *ret_self = c;
        return 0;
}

/* The bundle must be there, and become a configuration; that may be another one by the time it is used. */
static int validate(void *self, const char *type, const struct json_place *properties, struct error *e)
{
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { 0 };
        CLEAN_TEXT struct text from = { 0 };
        CLEAN_FREE char *path = NULL;
        (void)self, (void)type;
        int r = container_properties_read(properties, &p, e);
        if (r < 0)
                return r;
        path = xprintf("%s/config.json", p.bundle);
        r = file_read(AT_FDCWD, path, CONTAINER_CONFIG_MAX, &from);
        return r < 0 ? error_errno(e, r, "container.config", "reading %s", path) : 0;
}

static int provision(void *self, const char *type, const struct instance_spec *spec, char **ret_id, struct error *e)
{
        struct containers *c = self;
        CLEAN_CONTAINER_PROPERTIES struct container_properties p = { 0 };
        (void)type;
        if (spec->attachment_count)
                return error_set(e, ENOTSUP, "instance.attachments", "containers of this host take no attachments");
        int r = container_properties_parse(spec->properties, &p, e);
        return r < 0 ? r : local_provision(c->local, spec, &p.ports, ret_id, e);
}

static int label(void *self, const char *type, const char *id, const struct tags *labels, struct error *e)
{
        struct containers *c = self;
        (void)type;
        return local_label(c->local, id, labels, e);
}

static int destroy(void *self, const char *type, const char *id, const char *reason, struct error *e)
{
        struct containers *c = self;
        (void)type, (void)reason;
        return local_destroy(c->local, id, e);
}

static int describe(void *self, const char *type, const struct tags *match, bool properties, struct instances *ret, struct error *e)
{
        struct containers *c = self;
        (void)type;
        return local_describe(c->local, match, properties, ret, e);
}

const struct instance_plugin container_plugin = {
        .name = "container", .version = BULKHEAD_VERSION, .summary = "Instances are containers of this host, made of an OCI bundle.",
        .concurrent = true, .start = start_plugin, .stop = stop_plugin, .tells = true,
        .validate = validate, .provision = provision, .label = label, .destroy = destroy, .describe = describe,
};
