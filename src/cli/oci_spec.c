/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec: the configuration to start from. */
#include "cli/oci.h"

#include <fcntl.h>
#include <unistd.h>

#include "os/file.h"

enum { KEY_ROOTLESS = 256 };

struct writing {
        const char *bundle, *file;
        bool rootless;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
        struct writing *w = state->input;
        switch (key) {
        case 'b': w->bundle = arg; return 0;
        case 'f': w->file = arg; return 0;
        case KEY_ROOTLESS: w->rootless = true; return 0;
        default: return ARGP_ERR_UNKNOWN;
        }
}

static int write_new(const struct writing *w, const struct text *t, struct error *e)
{
        CLEAN_FD int folder = open(w->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return error_errno(e, errno, "config.bundle", "opening the bundle %s", w->bundle);
        CLEAN_FD int fd = openat(folder, w->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        int r = fd < 0 ? -errno : file_write_all(fd, t->data, t->length);
        if (r == 0)
                return 0;
        error_errno(e, r, "config.unwritable", "writing %s", w->file);
        if (r == -EEXIST)
                error_hint(e, "remove it first: what is there is never replaced");
        return r;
}

int oci_cmd_spec(const struct oci_globals *g, int argc, char **argv)
{
        static const struct argp_option options[] = {
                { "bundle", 'b', "DIR", 0, "Write it into DIR (default: this folder)", 0 },
                { "config", 'f', "FILE", 0, "Write FILE instead of config.json", 0 },
                { "rootless", KEY_ROOTLESS, NULL, 0, "For a container of an ordinary user, the caller", 0 },
                { 0 },
        };
        struct writing w = { .bundle = ".", .file = "config.json" };
        struct oci_arguments a = { .options = options, .parse = parse, .input = &w, .usage = "", .id_optional = true,
                                   .doc = "Write a configuration to start from" };
        CLEAN_TEXT struct text t = { 0 };
        struct error e = { 0 };
        int status = oci_parse(&a, argc, argv);
        if (status)
                return status;
        if (a.id) {
                error_set(&e, EINVAL, "command.arguments", "spec takes options alone, not \"%.60s\"", a.id);
                return oci_say_failed(g, "cannot write a configuration", &e);
        }
        oci_spec_text(w.rootless, geteuid(), getegid(), &t);
        return write_new(&w, &t, &e) < 0 ? oci_say_failed(g, "cannot write a configuration", &e) : 0;
}
