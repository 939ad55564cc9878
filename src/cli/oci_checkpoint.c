/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint and restore: they share most of their options. */
#include "cli/oci.h"
#include "runtime/checkpoint.h"
#include "runtime/supervise.h"

enum { KEY_IMAGES = 256, KEY_WORK, KEY_PARENT, KEY_RUNNING, KEY_TCP, KEY_UNIX, KEY_SHELL, KEY_LOCKS, KEY_PRE, KEY_CGROUPS, KEY_EMPTY, KEY_DEDUP,
       KEY_STATUS, KEY_LAZY, KEY_SERVER, KEY_IN_FLIGHT, KEY_REMAP, KEY_LSM, KEY_LSM_MOUNT, KEY_PID_FILE, KEY_NO_SUBREAPER, KEY_CONSOLE };

#define SHARED_OPTIONS                                                                                       \
        { "image-path", KEY_IMAGES, "DIR", 0, "Where the images are (default: checkpoint)", 0 },             \
        { "work-path", KEY_WORK, "DIR", 0, "Where criu logs (default: beside the images)", 0 },              \
        { "tcp-established", KEY_TCP, NULL, 0, "With open TCP connections", 0 },                             \
        { "ext-unix-sk", KEY_UNIX, NULL, 0, "With unix sockets that lead outside", 0 },                      \
        { "shell-job", KEY_SHELL, NULL, 0, "With a terminal that is not the container's own", 0 },           \
        { "file-locks", KEY_LOCKS, NULL, 0, "With locks on files", 0 },                                      \
        { "manage-cgroups-mode", KEY_CGROUPS, "MODE", 0, "What criu does about control groups: soft, full, strict, props, none, ignore", 0 }, \
        { "empty-ns", KEY_EMPTY, "network", 0, "Without what is in the network namespace", 0 },              \
        { "auto-dedup", KEY_DEDUP, NULL, 0, "Drop pages of earlier images that are saved again", 0 },        \
        { "lazy-pages", KEY_LAZY, NULL, 0, "Bring memory when it is used", 0 },                              \
        { "link-remap", KEY_REMAP, NULL, 0, "With files that are deleted and still open", 0 },               \
        { "status-fd", KEY_STATUS, "FD", 0, "Where criu tells that it listens for pages", 0 }

static const struct argp_option checkpoint_options[] = {
        SHARED_OPTIONS,
        { "parent-path", KEY_PARENT, "DIR", 0, "Images of an earlier --pre-dump, seen from the images", 1 },
        { "leave-running", KEY_RUNNING, NULL, 0, "Let the container go on", 1 },
        { "pre-dump", KEY_PRE, NULL, 0, "Save memory alone, and let the container go on", 1 },
        { "page-server", KEY_SERVER, "ADDRESS:PORT", 0, "Send the memory to a criu page server", 1 },
        { "tcp-skip-in-flight", KEY_IN_FLIGHT, NULL, 0, "Without connections that are being made", 1 },
        { 0 },
};

static const struct argp_option restore_options[] = {
        SHARED_OPTIONS,
        { "bundle", 'b', "DIR", 0, "The bundle (default: this folder)", 1 },
        { "config", 'f', "FILE", 0, "Another file than config.json of the bundle", 1 },
        { "detach", 'd', NULL, 0, "Do not wait for the end", 1 },
        { "console-socket", KEY_CONSOLE, "PATH", 0, "Send the terminal to the unix socket PATH", 1 },
        { "pid-file", KEY_PID_FILE, "FILE", 0, "Write the process id to FILE", 1 },
        { "no-subreaper", KEY_NO_SUBREAPER, NULL, 0, "Do not adopt orphans of the container", 1 },
        { "lsm-profile", KEY_LSM, "PROFILE", 0, "Another security profile", 1 },
        { "lsm-mount-context", KEY_LSM_MOUNT, "CONTEXT", 0, "Another security label of mounts", 1 },
        { 0 },
};

struct saving {
        struct checkpoint_options x;
        struct creation_options o;
        bool detach, no_subreaper;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct saving *s = state->input;
        uint64_t n;
        const struct {
                int key;
                bool *flag;
        } flags[] = { { KEY_RUNNING, &s->x.leave_running }, { KEY_TCP, &s->x.tcp_established }, { KEY_UNIX, &s->x.ext_unix_sk },
                      { KEY_SHELL, &s->x.shell_job },       { KEY_LOCKS, &s->x.file_locks },    { KEY_PRE, &s->x.pre_dump },
                      { KEY_DEDUP, &s->x.auto_dedup },      { KEY_LAZY, &s->x.lazy_pages },     { KEY_IN_FLIGHT, &s->x.tcp_skip_in_flight },
                      { KEY_REMAP, &s->x.link_remap },      { 'd', &s->detach },                { KEY_NO_SUBREAPER, &s->no_subreaper } };
        const struct {
                int key;
                const char **text;
        } texts[] = { { KEY_IMAGES, &s->x.image_path }, { KEY_WORK, &s->x.work_path },         { KEY_PARENT, &s->x.parent_path },
                      { KEY_CGROUPS, &s->x.cgroups_mode }, { KEY_EMPTY, &s->x.empty_namespaces }, { KEY_SERVER, &s->x.page_server },
                      { KEY_LSM, &s->x.lsm_profile },   { KEY_LSM_MOUNT, &s->x.lsm_mount_context }, { 'b', &s->o.bundle },
                      { 'f', &s->o.config },            { KEY_PID_FILE, &s->o.pid_file },
                      { KEY_CONSOLE, &s->o.console_socket } };
        for (size_t i = 0; i < ELEMENTS(flags); i++)
                if (flags[i].key == key) {
                        *flags[i].flag = true;
                        return 0;
                }
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (texts[i].key == key) {
                        *texts[i].text = arg;
                        return 0;
                }
        if (key != KEY_STATUS)
                return ARGP_ERR_UNKNOWN;
        if (text_parse_uint(arg, 4096, &n) < 0)
                argp_error(state, "--status-fd takes the number of a descriptor");
        s->x.status_fd = (int)n;
        return 0;
}

int oci_cmd_checkpoint(const struct oci_globals *g, int argc, char **argv)
{
        struct saving s = { .x = { .status_fd = -EBADF } };
        struct oci_arguments a = { .options = checkpoint_options, .parse = parse, .input = &s,
                                   .doc = "Save the processes of a container as files, with criu, and remove the container" };
        CLEAN_RECORD struct record r = RECORD_INIT;
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        if (oci_open(g, a.id, &r, &e) < 0 || checkpoint_dump(&r, &s.x, &e) < 0)
                return oci_say_failed(g, "cannot save the container", &e);
        if (!s.x.leave_running && !s.x.pre_dump && container_delete(&r, true, &e) < 0)
                return oci_say_failed(g, "cannot remove the container", &e);
        return 0;
}

int oci_cmd_restore(const struct oci_globals *g, int argc, char **argv)
{
        struct saving s = { .x = { .status_fd = -EBADF }, .o = { .bundle = ".", .manager = g->manager, .io = { .in = 0, .out = 1, .err = 2 } } };
        struct oci_arguments a = { .options = restore_options, .parse = parse, .input = &s, .doc = "Make a container of what checkpoint saved" };
        CLEAN_CREATION struct creation c = CREATION_INIT;
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        s.o.id = a.id;
        s.o.restore = &s.x;
        s.o.detaches = s.detach;
        if (!s.detach)
                supervise_prepare(!s.no_subreaper);
        int root_fd = oci_open_root(g, true, &e); /* borrowed by the record; the program is short-lived */
        if (root_fd < 0 || creation_make(root_fd, &s.o, &c, &e) < 0)
                return oci_say_failed(g, "cannot restore the container", &e);
        record_unlock(&c.record);
        if (s.detach)
                return 0;
        const struct supervision v = { .pid = c.record.pid, .pidfd = c.child.pidfd, .terminal_fd = c.terminal_fd };
        status = supervise(&v);
        if (container_delete(&c.record, true, &e) < 0)
                (void)oci_say_failed(g, "cannot remove the container", &e);
        return status;
}
