/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files in DIR/hosts. */
#include <fcntl.h>
#include <string.h>

#include "os/file.h"
#include "ssh.h"

#define SUFFIX ".json"

static int load(const struct ssh *s, const char *name, struct known *ret, struct error *e)
{
        CLEAN_TEXT struct text text = { 0 };
        CLEAN_FREE char *where = xprintf("%s/hosts/%s", s->folder.path, name);
        int r = file_read(s->hosts_fd, name, INSTANCE_RECORD_MAX, &text);
        if (r < 0)
                return error_errno(e, r, "ssh.state", "reading %s", where);
        return known_parse(where, text.data, text.length, ret, e);
}

int known_load_all(const struct ssh *s, struct knowns *ret, struct error *e)
{
        CLEAN_STRINGS struct strings names = { 0 };
        int r = file_list(s->hosts_fd, &names);
        if (r < 0)
                return error_errno(e, r, "ssh.state", "listing %s/hosts", s->folder.path);
        for (size_t i = 0; i < names.count; i++) {
                if (!text_ends(names.items[i], SUFFIX))
                        continue;
                struct known k = { 0 };
                r = load(s, names.items[i], &k, e);
                if (r < 0)
                        return r;
                *knowns_add(ret) = k;
        }
        return 0;
}

int known_save(const struct ssh *s, const struct known *k, struct error *e)
{
        CLEAN_TEXT struct text t = { 0 };
        char key[HOST_KEY_SIZE], name[HOST_KEY_SIZE + sizeof SUFFIX];
        host_key_of(&k->host, key);
        (void)snprintf(name, sizeof name, "%s" SUFFIX, key);
        known_format(&t, k);
        int r = plugin_save(s->hosts_fd, name, t.data, t.length);
        return r < 0 ? error_errno(e, r, "ssh.state", "writing %s/hosts/%s", s->folder.path, name) : 0;
}

int known_load(const struct ssh *s, const struct host *h, struct known *ret, struct error *e)
{
        char key[HOST_KEY_SIZE], name[HOST_KEY_SIZE + sizeof SUFFIX];
        host_key_of(h, key);
        (void)snprintf(name, sizeof name, "%s" SUFFIX, key);
        if (faccessat(s->hosts_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
                return -ENOENT;
        return load(s, name, ret, e);
}

void known_forget(const struct ssh *s, const struct known *k)
{
        char key[HOST_KEY_SIZE], name[HOST_KEY_SIZE + sizeof SUFFIX];
        host_key_of(&k->host, key);
        (void)snprintf(name, sizeof name, "%s" SUFFIX, key);
        (void)unlinkat(s->hosts_fd, name, 0);
}
